//! Somebody else than the guest speaks of its session: which one is meant, and what it may from then on.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::changes::Changes;
use engine::gateway::Mark;
use engine::session::{Cause, Grant, Personal, Quota, Source, Status};
use fastpath::police::Rate;
use testkit::packet::udp;
use testkit::{Guest, Lab, Setup};
use wire::{MacAddr, Vlan};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);
const MINUTE: Duration = Duration::from_secs(60);
/// UDP payload of a packet of 1000 IP octets.
const KILO: [u8; 972] = [0; 972];

/// All that a server can limit; all of it ends before the lease of half an hour.
fn plan() -> Grant {
    Grant {
        until: None,
        session_timeout: Some(20 * MINUTE),
        idle_timeout: Some(9 * MINUTE),
        interim: Some(10 * MINUTE),
        rate_up: Rate::bits_per_second(1_000_000),
        rate_down: Rate::bits_per_second(4_000_000),
        quota: Quota { octets_up: None, octets_down: Some(1 << 30), octets_total: Some(1 << 31) },
        source: Source::Radius,
        personal: Personal { class: vec![b"gold".to_vec(), b"shop 7".to_vec()], cui: None, user: Some("ada".into()) }
            .boxed(),
    }
}

fn lab_with_phone(grant: Grant) -> (Lab, Guest) {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    lab.login(phone, grant);
    lab.records();
    (lab, phone)
}

fn grant_of(lab: &Lab, guest: Guest) -> Grant {
    lab.view(guest).and_then(|view| view.session).expect("it is online").grant
}

/// Whom to account for is the session's to know, not its grant's.
fn unnamed(grant: Grant) -> Grant {
    Grant { personal: Personal { class: grant.class().to_vec(), ..Personal::default() }.boxed(), ..grant }
}

fn is_let_through(lab: &mut Lab, guest: Guest) -> bool {
    guest.connects(lab, 41_000, HOST);
    guest.receives(lab);
    lab.internet().len() == 1
}

/// What has been said of sessions that ended, once that is settled.
fn ends(lab: &mut Lab) -> Vec<Status> {
    lab.advance(Duration::from_millis(100));
    lab.records().iter().map(|record| record.status).filter(|status| matches!(status, Status::Stop(_))).collect()
}

#[test]
fn a_session_is_found_by_whatever_is_known_of_it_and_all_of_it_must_agree() {
    let mut lab = Lab::new(Setup::default());
    let [phone, tablet, other, offline] = ["phone", "tablet", "other", "offline"].map(|name| lab.guest(name));
    let mac = MacAddr([2, 0, 0, 0, 7, 7]);
    let room = lab.guest_as("room", Vlan(5), mac);
    for guest in [phone, tablet, other, offline, room] {
        guest.dhcp(&mut lab);
    }
    for (guest, user, class) in [(phone, "ada", "gold"), (tablet, "ada", "tin"), (other, "eve", "tin")] {
        lab.login(
            guest,
            Grant {
                personal: Personal { user: Some(user.into()), class: vec![class.into(), "shop".into()], cui: None }
                    .boxed(),
                ..plan()
            },
        );
    }
    lab.login(
        room,
        Grant { personal: Personal { user: Some("room 5".into()), ..Personal::default() }.boxed(), ..plan() },
    );

    let slot = |guest| lab.view(guest).unwrap().slot;
    let all = |guests: &[Guest]| guests.iter().map(|guest| slot(*guest)).collect::<Vec<_>>();
    let phones = lab.view(phone).unwrap();
    let id = phones.session.as_ref().unwrap().id.clone();
    let (address, station) = (phones.address, phones.key.mac);
    for (marks, found) in [
        (vec![], all(&[phone, tablet, other, room])),
        (vec![Mark::Session(id.as_bytes())], all(&[phone])),
        (vec![Mark::Session(&id.as_bytes()[1..])], vec![]),
        (vec![Mark::User(b"ada")], all(&[phone, tablet])),
        (vec![Mark::User(b"Ada")], vec![]),
        (vec![Mark::Address(address)], all(&[phone])),
        (vec![Mark::Address(lab.view(offline).unwrap().address)], vec![]),
        (vec![Mark::Station(station)], all(&[phone])),
        (vec![Mark::Station(mac)], all(&[room])),
        (vec![Mark::Slot(slot(other))], all(&[other])),
        (vec![Mark::Vlan(Vlan(5))], all(&[room])),
        (vec![Mark::Vlan(Vlan::NONE)], all(&[phone, tablet, other])),
        (vec![Mark::Class(b"tin")], all(&[tablet, other])),
        (vec![Mark::Class(b"tin"), Mark::Class(b"shop")], all(&[tablet, other])),
        (vec![Mark::Class(b"tin"), Mark::Class(b"gold")], vec![]),
        (vec![Mark::User(b"ada"), Mark::Class(b"tin")], all(&[tablet])),
        (vec![Mark::User(b"eve"), Mark::Address(address)], vec![]),
        (vec![Mark::User(b"ada"), Mark::Address(address), Mark::Station(station)], all(&[phone])),
    ] {
        assert_eq!(lab.engine.find_sessions(&marks), found, "{marks:?}");
    }
}

#[test]
fn what_is_not_named_stays_and_the_guest_is_who_it_was() {
    let (mut lab, phone) = lab_with_phone(plan());
    let slower = Rate::bits_per_second(256_000);
    let changes = Changes { rate_down: Some(slower), user: Some("eve".into()), ..Changes::default() };
    assert!(lab.change(phone, changes));
    assert_eq!(grant_of(&lab, phone), Grant { rate_down: slower, ..unnamed(plan()) });
    assert_eq!(lab.view(phone).unwrap().session.unwrap().user, "ada");
    lab.advance(8 * MINUTE);
    assert!(lab.is_online(phone));
    lab.advance(2 * MINUTE);
    assert_eq!(ends(&mut lab), [Status::Stop(Cause::IdleTimeout)]);
    assert!(!lab.change(phone, Changes::default()), "nobody is logged in");
}

#[test]
fn a_session_time_counts_from_the_beginning() {
    let time = |minutes| Changes { session_timeout: Some(Some(minutes * MINUTE)), ..Changes::default() };
    let (mut lab, phone) = lab_with_phone(Grant { idle_timeout: None, ..plan() });
    lab.advance(15 * MINUTE);
    assert!(lab.change(phone, time(25)));
    assert_eq!(lab.view(phone).unwrap().session.unwrap().time_left, Some(10 * MINUTE));
    lab.advance(9 * MINUTE);
    assert!(is_let_through(&mut lab, phone), "beyond the end that was granted");
    lab.advance(MINUTE);
    assert!(!is_let_through(&mut lab, phone));
    assert_eq!(ends(&mut lab), [Status::Stop(Cause::SessionTimeout)]);

    let (mut lab, phone) = lab_with_phone(plan());
    lab.advance(5 * MINUTE);
    assert!(lab.change(phone, time(5)));
    assert!(!is_let_through(&mut lab, phone), "it has had that already");
    assert_eq!(ends(&mut lab), [Status::Stop(Cause::SessionTimeout)]);
}

#[test]
fn octets_count_from_the_beginning() {
    let octets = |octets| Changes { octets_total: Some(octets), ..Changes::default() };
    let quota = Quota { octets_total: Some(10_000), ..Quota::default() };
    let (mut lab, phone) = lab_with_phone(Grant { quota, rate_up: Rate::UNLIMITED, ..plan() });
    let here = phone.socket(&lab, 40_000);
    let sends = |lab: &mut Lab, packets: usize| {
        (0..packets).for_each(|_| phone.sends(lab, &udp(here, HOST, &KILO)));
        phone.receives(lab);
        lab.internet().len()
    };
    assert_eq!(sends(&mut lab, 8), 8);
    assert!(lab.change(phone, octets(Some(12_000))));
    assert_eq!(sends(&mut lab, 3), 3, "8,000 of 12,000 were used");
    // One too many: it is offline now, and the engine has not looked yet.
    assert_eq!(sends(&mut lab, 2), 1);
    assert!(lab.change(phone, octets(None)));
    assert_eq!(sends(&mut lab, 20), 20, "what was bought in time is had");
    assert!(lab.change(phone, octets(Some(32_000))));
    assert_eq!(sends(&mut lab, 1), 0, "all of it is used");
    assert_eq!(ends(&mut lab), [Status::Stop(Cause::QuotaUsedUp)]);
}

#[test]
fn interims_come_at_the_new_interval_and_say_the_new_class() {
    let (mut lab, phone) = lab_with_phone(Grant { session_timeout: None, idle_timeout: None, ..plan() });
    lab.advance(4 * MINUTE); // the first one comes after half of its interval or later
    let class = vec![b"silver".to_vec()];
    let changes = Changes { interim: Some(Some(2 * MINUTE)), class: Some(class.clone()), ..Changes::default() };
    assert!(lab.change(phone, changes));
    let told = |lab: &mut Lab| lab.records().iter().map(|r| (r.duration, r.class.clone())).collect::<Vec<_>>();
    assert_eq!(told(&mut lab), []);
    lab.advance(4 * MINUTE);
    assert_eq!(told(&mut lab), [(6 * MINUTE, class.clone()), (8 * MINUTE, class)]);
    assert!(lab.change(phone, Changes { interim: Some(None), ..Changes::default() }));
    lab.advance(11 * MINUTE);
    assert_eq!(told(&mut lab), []);
}

#[test]
fn a_change_outlives_a_crash_with_what_was_used() {
    let (mut lab, phone) = lab_with_phone(Grant { rate_up: Rate::UNLIMITED, ..plan() });
    let here = phone.socket(&lab, 40_000);
    (0..5).for_each(|_| phone.sends(&mut lab, &udp(here, HOST, &KILO)));
    let slower = Rate::bits_per_second(64_000);
    assert!(lab.change(phone, Changes { rate_up: Some(slower), ..Changes::default() }));
    let grant = unnamed(grant_of(&lab, phone));
    assert_eq!(grant.rate_up, slower);
    lab.crash(Some(Duration::from_secs(10)));
    let session = lab.view(phone).unwrap().session.unwrap();
    assert_eq!((unnamed(session.grant), session.usage.octets_up), (grant, 5000));
}
