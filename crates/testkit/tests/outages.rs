//! The gateway is gone for a while: who is online afterwards, and what the accounting server is told.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::gateway::KEEP_EVERY;
use engine::session::{Cause, Grant, Personal, Quota, Record, Status};
use fastpath::police::Rate;
use fastpath::session::Usage;
use testkit::packet::udp;
use testkit::{Guest, Lab, Setup};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// UDP payload of a packet of 1000 IP octets.
const KILO: [u8; 972] = [0; 972];

fn lab_with(names: &[&str], grant: &Grant) -> (Lab, Vec<Guest>) {
    let mut lab = Lab::new(Setup::default());
    let guests: Vec<Guest> = names.iter().map(|name| lab.guest(name)).collect();
    for &guest in &guests {
        guest.dhcp(&mut lab);
        lab.login(guest, grant.clone());
    }
    lab.records();
    (lab, guests)
}

fn lab_with_phone(grant: &Grant) -> (Lab, Guest) {
    let (lab, guests) = lab_with(&["phone"], grant);
    (lab, guests[0])
}

fn uses(lab: &mut Lab, guest: Guest, up: usize, down: usize) {
    let here = guest.socket(lab, 40_000);
    for _ in 0..up {
        guest.sends(lab, &udp(here, HOST, &KILO));
    }
    for _ in 0..down {
        lab.answer(&udp(HOST, here, &KILO));
    }
    lab.internet();
    guest.receives(lab);
}

fn is_let_through(lab: &mut Lab, guest: Guest) -> bool {
    guest.connects(lab, 41_000, HOST);
    guest.receives(lab);
    lab.internet().len() == 1
}

fn usage(lab: &Lab, guest: Guest) -> Usage {
    lab.view(guest).and_then(|view| view.session).expect("it is online").usage
}

fn octets(record: &Record) -> (u64, u64) {
    (record.usage.octets_up, record.usage.octets_down)
}

#[test]
fn after_a_handover_a_guest_goes_on_and_its_account_is_one_and_complete() {
    let (mut lab, phone) = lab_with_phone(&Grant {
        personal: Personal { class: vec![b"class".to_vec()], cui: Some(b"cui".to_vec()), user: None }.boxed(),
        ..Grant::default()
    });
    uses(&mut lab, phone, 3, 5);
    lab.advance(10 * SECOND);
    let before = lab.view(phone).unwrap();
    lab.hand_over();
    lab.crash(Some(2 * SECOND));
    let after = lab.view(phone).unwrap();
    assert_eq!((after.slot, after.address), (before.slot, before.address));
    let (before, after) = (before.session.unwrap(), after.session.unwrap());
    assert_eq!((after.id, after.user, after.grant), (before.id.clone(), before.user, before.grant));
    assert_eq!((after.usage, after.duration), (before.usage, 12 * SECOND));
    assert_eq!(after.began.unix, before.began.unix);
    assert!(is_let_through(&mut lab, phone));
    uses(&mut lab, phone, 2, 4);
    lab.advance(SECOND);
    lab.end_session(phone, Cause::UserRequest);
    lab.advance(SECOND);
    let records = lab.records();
    let [stop] = &records[..] else { panic!("no second Start: {records:?}") };
    assert_eq!(stop.status, Status::Stop(Cause::UserRequest));
    assert_eq!((&stop.session_id, &stop.class[..]), (&before.id, &[b"class".to_vec()][..]));
    assert_eq!((octets(stop), stop.duration), ((5040, 9000), 13 * SECOND));
    assert_eq!(lab.kept(phone), None);
}

#[test]
fn a_crash_loses_at_most_what_passed_since_the_last_writing() {
    let (mut lab, phone) = lab_with_phone(&Grant::default());
    uses(&mut lab, phone, 1, 0);
    lab.advance(KEEP_EVERY);
    uses(&mut lab, phone, 10, 20);
    lab.advance(KEEP_EVERY);
    uses(&mut lab, phone, 100, 0);
    lab.crash(Some(SECOND));
    assert_eq!(usage(&lab, phone).octets_up, 11_000);
    uses(&mut lab, phone, 1, 1);
    lab.advance(KEEP_EVERY);
    uses(&mut lab, phone, 5, 5);
    lab.crash(Some(SECOND));
    assert_eq!(usage(&lab, phone).octets_down, 21_000);
    uses(&mut lab, phone, 2, 2);
    lab.stop();
    let records = lab.records();
    assert_eq!(records.len(), 1);
    assert_eq!((octets(&records[0]), records[0].duration), ((14_000, 23_000), 3 * MINUTE + 2 * SECOND));
}

#[test]
fn what_the_kernel_counted_meanwhile_is_neither_lost_nor_counted_twice() {
    let (mut lab, phone) = lab_with_phone(&Grant::default());
    // A second session in the slot, so that its counters do not begin at zero.
    uses(&mut lab, phone, 50, 50);
    lab.end_session(phone, Cause::UserRequest);
    let quota = Quota { octets_total: Some(20_000), ..Quota::default() };
    lab.login(phone, Grant { quota, ..Grant::default() });
    uses(&mut lab, phone, 1, 1);
    lab.hand_over();
    let more = Usage { octets_up: 4000, octets_down: 7000, packets_up: 4, packets_down: 7 };
    lab.crash_while_the_kernel_counts(Some(SECOND), more);
    let expected = Usage { octets_up: 5000, octets_down: 8000, packets_up: 5, packets_down: 8 };
    assert_eq!(usage(&lab, phone), expected);
    assert_eq!(lab.view(phone).unwrap().session.unwrap().octets_left, Some(7000));
    uses(&mut lab, phone, 20, 0);
    lab.advance(2 * SECOND);
    let stop = lab.records().pop().unwrap();
    assert_eq!((stop.status, octets(&stop)), (Status::Stop(Cause::QuotaUsedUp), (12_000, 8000)));
    // All that the kernel let through would have been too much: it ends at once.
    lab.login(phone, Grant { quota, ..Grant::default() });
    lab.crash_while_the_kernel_counts(Some(SECOND), Usage { octets_up: 20_000, ..more });
    assert!(!is_let_through(&mut lab, phone));
    lab.advance(SECOND);
    let stop = lab.records().pop().unwrap();
    assert_eq!((stop.status, octets(&stop)), (Status::Stop(Cause::QuotaUsedUp), (20_000, 7000)));
}

#[test]
fn limits_go_on_where_they_were() {
    let grant = Grant {
        session_timeout: Some(10 * MINUTE),
        idle_timeout: Some(30 * MINUTE),
        interim: Some(MINUTE),
        rate_up: Rate::bits_per_second(8_000_000),
        quota: Quota { octets_up: Some(30_000), ..Quota::default() },
        ..Grant::default()
    };
    let (mut lab, phone) = lab_with_phone(&grant);
    uses(&mut lab, phone, 10, 0);
    lab.advance(4 * MINUTE + 10 * SECOND);
    let before = lab.records();
    assert_eq!(before.len(), 4);
    lab.hand_over();
    lab.crash(Some(10 * SECOND));
    let session = lab.view(phone).unwrap().session.unwrap();
    assert_eq!((session.time_left, session.octets_left), (Some(5 * MINUTE + 40 * SECOND), Some(20_000)));
    assert_eq!(session.grant, grant);
    lab.advance(40 * SECOND);
    let interim = lab.records();
    assert_eq!(interim.len(), 1, "when it was due, as if nothing had been");
    assert_eq!((interim[0].duration, interim[0].usage.octets_up), (before[3].duration + MINUTE, 10_000));
    lab.advance(5 * MINUTE - SECOND);
    assert!(lab.is_online(phone));
    uses(&mut lab, phone, 15, 0);
    lab.advance(SECOND);
    assert!(!lab.is_online(phone));
    lab.advance(SECOND);
    let stop = lab.records().pop().unwrap();
    assert_eq!((stop.status, stop.duration), (Status::Stop(Cause::SessionTimeout), 10 * MINUTE));
    assert_eq!(stop.usage.octets_up, 25_000);
}

#[test]
fn a_session_whose_time_ran_out_meanwhile_is_over() {
    let (mut lab, phone) = lab_with_phone(&Grant { session_timeout: Some(2 * MINUTE), ..Grant::default() });
    uses(&mut lab, phone, 1, 0);
    lab.hand_over();
    lab.crash(Some(3 * MINUTE));
    assert!(!is_let_through(&mut lab, phone));
    lab.advance(SECOND);
    let records = lab.records();
    assert_eq!((records.len(), records[0].status), (1, Status::Stop(Cause::SessionTimeout)));
    assert_eq!(octets(&records[0]), (1000, 0));
}

#[test]
fn after_too_long_or_for_nobody_knows_how_long_sessions_are_over_and_told_so() {
    for pause in [Some(5 * MINUTE), None] {
        let (mut lab, phone) = lab_with_phone(&Grant::default());
        uses(&mut lab, phone, 2, 1);
        lab.advance(MINUTE);
        lab.crash(pause);
        assert!(!lab.is_online(phone) && !is_let_through(&mut lab, phone));
        let records = lab.records();
        assert_eq!((records.len(), records[0].status), (1, Status::Stop(Cause::NasReboot)), "{pause:?}");
        assert_eq!((octets(&records[0]), records[0].duration), ((2000, 1000), MINUTE));
        lab.crash(Some(SECOND));
        assert_eq!(lab.records(), [], "told once");
        lab.login(phone, Grant::default());
        assert!(is_let_through(&mut lab, phone));
    }
}

#[test]
fn a_session_does_not_outlive_its_lease() {
    let (mut lab, phone) = lab_with_phone(&Grant::default());
    lab.advance(28 * MINUTE);
    lab.crash(Some(3 * MINUTE));
    assert!(!lab.is_online(phone));
    let records = lab.records();
    assert_eq!((records.len(), records[0].status), (1, Status::Stop(Cause::LostCarrier)));
}

#[test]
fn a_guest_that_goes_on_keeps_the_longer_lease_of_those_who_are_logged_in() {
    let mut setup = Setup::default();
    setup.dhcp.lease_before_login = Some(2 * MINUTE);
    let mut lab = Lab::new(setup);
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    lab.login(phone, Grant::default());
    phone.renew(&mut lab);
    lab.advance(MINUTE);
    lab.crash(Some(SECOND));
    lab.advance(20 * MINUTE);
    assert!(lab.is_online(phone));
}

#[test]
fn whoever_logged_out_or_was_stopped_does_not_come_back() {
    let (mut lab, guests) = lab_with(&["leaves", "releases", "stays"], &Grant::default());
    lab.end_session(guests[0], Cause::UserRequest);
    guests[1].release(&mut lab);
    lab.advance(SECOND); // their last records are made
    lab.crash(Some(SECOND));
    assert_eq!(guests.iter().map(|guest| lab.is_online(*guest)).collect::<Vec<_>>(), [false, false, true]);
    lab.restart();
    assert!(!lab.is_online(guests[2]), "a clean stop has ended its session");
    lab.crash(Some(SECOND));
    assert!(!lab.is_online(guests[2]));
}

#[test]
fn every_guest_has_its_own_slot_again_whatever_came_and_went() {
    let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut lab, guests) = lab_with(&names, &Grant::default());
    // Every third one leaves, every third one is only logged out, and newcomers take the places of those who left.
    for (n, guest) in guests.iter().enumerate() {
        match n % 3 {
            0 => guest.release(&mut lab),
            1 => drop(lab.end_session(*guest, Cause::UserRequest)),
            _ => uses(&mut lab, *guest, n, 2 * n),
        }
    }
    let newcomers: Vec<Guest> = (0..5).map(|n| lab.guest(&format!("new {n}"))).collect();
    for guest in &newcomers {
        guest.dhcp(&mut lab);
        lab.login(*guest, Grant::default());
    }
    let everybody: Vec<Guest> = guests.into_iter().chain(newcomers).collect();
    let snapshot = |lab: &Lab| -> Vec<_> {
        let views = everybody.iter().filter_map(|guest| lab.view(*guest));
        views.map(|view| (view.key, view.address, view.session.map(|s| (view.slot, s.id, s.usage)))).collect()
    };
    lab.hand_over();
    let before = snapshot(&lab);
    assert_eq!(before.iter().filter(|(.., session)| session.is_some()).count(), 13 + 5);
    lab.crash(Some(SECOND));
    assert_eq!(snapshot(&lab), before);
    let mut slots: Vec<_> = lab.engine.guests(lab.now()).map(|guest| guest.slot).collect();
    slots.sort_unstable();
    slots.dedup();
    assert_eq!(slots.len(), before.len(), "nobody shares a slot");
}

#[test]
fn an_operator_who_wants_no_session_kept_has_none() {
    let mut lab = Lab::new(Setup { longest_outage: Duration::ZERO, ..Setup::default() });
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    lab.login(phone, Grant::default());
    lab.advance(2 * MINUTE);
    lab.hand_over();
    assert_eq!(lab.kept(phone), None);
    lab.crash(Some(Duration::ZERO));
    assert!(!lab.is_online(phone));
}
