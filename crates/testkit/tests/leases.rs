//! Addresses that come and go under sessions: whose they are, who inherits nothing, and what floods cannot take.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::session::{Cause, Grant, Status};
use testkit::packet::{tcp, udp};
use testkit::{GATEWAY, GATEWAY_MAC, Guest, Lab, Offer, Setup};
use wire::arp::{Arp, Operation};
use wire::frame::tcp_flags;
use wire::{MacAddr, Vlan};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);
const SECOND: Duration = Duration::from_secs(1);

/// A network with one address for guests.
fn one_address() -> Setup {
    let mut setup = Setup::default();
    let only = Ipv4Addr::new(10, 1, 0, 50);
    setup.dhcp.ranges = vec![only..=only];
    setup
}

fn lab_with_phone(setup: Setup) -> (Lab, Guest) {
    let mut lab = Lab::new(setup);
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    phone.receives(&mut lab);
    (lab, phone)
}

/// Why the only session that there was ended.
fn cause(lab: &mut Lab) -> Cause {
    lab.advance(SECOND);
    let records = lab.records();
    match records.iter().map(|record| record.status).collect::<Vec<_>>()[..] {
        [Status::Start, Status::Stop(cause)] => cause,
        _ => panic!("{records:?}"),
    }
}

fn gets_out(lab: &mut Lab, guest: Guest) -> bool {
    guest.connects(lab, 40_000, HOST);
    !lab.internet().is_empty()
}

#[test]
fn a_guest_that_gives_its_address_back_has_left() {
    let (mut lab, phone) = lab_with_phone(Setup::default());
    lab.login(phone, Grant::default());
    assert!(gets_out(&mut lab, phone));
    phone.release(&mut lab);
    assert!(!gets_out(&mut lab, phone));
    assert_eq!(cause(&mut lab), Cause::LostCarrier);
    assert_eq!(lab.stored().count(), 0);
}

#[test]
fn a_guest_that_finds_its_address_in_use_has_left() {
    let (mut lab, phone) = lab_with_phone(Setup::default());
    lab.login(phone, Grant::default());
    phone.decline(&mut lab);
    assert!(!gets_out(&mut lab, phone));
    assert_eq!(cause(&mut lab), Cause::LostCarrier);
}

#[test]
fn a_guest_that_does_not_renew_its_lease_has_left_though_it_talks() {
    let (mut lab, phone) = lab_with_phone(Setup::default());
    lab.login(phone, Grant::default());
    for _ in 0..29 {
        lab.advance(Duration::from_secs(60));
        assert!(gets_out(&mut lab, phone));
    }
    lab.advance(Duration::from_secs(60));
    assert!(!gets_out(&mut lab, phone));
    assert_eq!(cause(&mut lab), Cause::LostCarrier);
    let address = phone.address(&lab);
    assert_eq!(phone.asks_again_for(&mut lab, address), Some(Offer::Address(address)), "it may come back");
    assert!(!lab.is_online(phone) && !gets_out(&mut lab, phone), "but not as if it had not left");
}

#[test]
fn a_guest_that_renews_stays_online_for_as_long_as_it_likes() {
    let (mut lab, phone) = lab_with_phone(Setup::default());
    lab.login(phone, Grant::default());
    let address = phone.address(&lab);
    for _ in 0..100 {
        lab.advance(Duration::from_secs(900));
        assert_eq!(phone.renew(&mut lab), Some(Offer::Address(address)));
    }
    assert!(gets_out(&mut lab, phone));
}

#[test]
fn the_same_person_with_another_mac_is_a_new_guest_and_not_online() {
    let (mut lab, phone) = lab_with_phone(Setup::default());
    lab.login(phone, Grant::default());
    let private = lab.guest("phone with a private address");
    // It still believes in the address of before.
    let l3 = tcp(phone.socket(&lab, 40_000), HOST, tcp_flags::SYN, b"");
    private.sends(&mut lab, &l3);
    let address = phone.address(&lab);
    assert_eq!(private.asks_again_for(&mut lab, address), Some(Offer::No), "it is somebody's");
    private.sends(&mut lab, &l3);
    assert_ne!(private.dhcp(&mut lab), address);
    private.sends(&mut lab, &l3);
    assert!(!gets_out(&mut lab, private));
    assert!(lab.is_online(phone) && gets_out(&mut lab, phone), "the one before notices nothing");
}

#[test]
fn an_address_that_is_lent_to_another_guest_brings_no_session_with_it() {
    let (mut lab, phone) = lab_with_phone(one_address());
    lab.login(phone, Grant::default());
    let other = lab.guest("other");
    assert_eq!(other.try_dhcp(&mut lab), None, "there is no second address");
    phone.release(&mut lab);
    assert_eq!(other.dhcp(&mut lab), phone.address(&lab));
    assert!(!lab.is_online(other) && !gets_out(&mut lab, other));
    assert!(!gets_out(&mut lab, phone), "who had it has it no more");
    other.receives(&mut lab);
    phone.receives(&mut lab);
    lab.answer(&udp(HOST, other.socket(&lab, 40_000), b"for the one before"));
    assert!(other.receives(&mut lab).is_empty() && phone.receives(&mut lab).is_empty());
    lab.login(other, Grant::default());
    assert!(gets_out(&mut lab, other));
    lab.advance(SECOND);
    let records = lab.records();
    let stop = records.iter().find(|record| matches!(record.status, Status::Stop(_))).unwrap();
    assert_eq!((stop.key, stop.usage.packets_up), (phone.key(&lab), 0), "nor its traffic");
}

#[test]
fn a_new_guest_in_an_old_place_inherits_no_debts() {
    let (mut lab, phone) = lab_with_phone(one_address());
    for port in 0..200 {
        phone.connects(&mut lab, 40_000 + port, SocketAddrV4::new(*HOST.ip(), 80));
        phone.connects(&mut lab, 40_000 + port, HOST);
    }
    phone.release(&mut lab);
    let other = lab.guest("other");
    other.dhcp(&mut lab);
    other.receives(&mut lab);
    other.connects(&mut lab, 40_000, HOST);
    assert_eq!(other.receives(&mut lab).len(), 1, "its refusals are not used up");
}

#[test]
fn a_login_that_is_answered_too_late_lets_nobody_in() {
    let (mut lab, phone) = lab_with_phone(one_address());
    let attempt = lab.begin_login(phone).unwrap();
    phone.release(&mut lab);
    assert!(!lab.finish_login(&attempt, "phone", Grant::default()), "it has left");
    let other = lab.guest("other");
    other.dhcp(&mut lab);
    assert!(!lab.finish_login(&attempt, "phone", Grant::default()), "somebody else has its address and its place");
    assert!(!gets_out(&mut lab, other) && !gets_out(&mut lab, phone));
    lab.advance(SECOND);
    assert!(lab.records().is_empty());
}

#[test]
fn a_login_that_is_answered_after_the_guests_address_changed_lets_nobody_in() {
    let (mut lab, phone) = lab_with_phone(Setup::default());
    let attempt = lab.begin_login(phone).unwrap();
    let before = phone.address(&lab);
    phone.release(&mut lab);
    let taker = lab.guest("taker");
    assert_eq!(taker.asks_again_for(&mut lab, before), Some(Offer::Address(before)));
    assert_ne!(phone.dhcp(&mut lab), before);
    assert!(!lab.finish_login(&attempt, "phone", Grant::default()));
    assert!(!gets_out(&mut lab, phone) && !gets_out(&mut lab, taker));
}

#[test]
fn a_guest_without_a_place_in_the_session_table_is_refused_and_gets_one_when_there_is_room() {
    let (mut lab, phone) = lab_with_phone(Setup { guests: 1, ..Setup::default() });
    let second = lab.guest("second");
    let address = second.dhcp(&mut lab);
    assert!(!gets_out(&mut lab, second));
    second.connects(&mut lab, 40_000, SocketAddrV4::new(*HOST.ip(), 80));
    assert!(lab.internet().is_empty(), "not even the portal");
    assert_eq!(lab.begin_login(second), Err(engine::gateway::LoginRefusal::NotAGuest));
    lab.login(phone, Grant::default());
    assert!(gets_out(&mut lab, phone));
    phone.release(&mut lab);
    assert_eq!(second.renew(&mut lab), Some(Offer::Address(address)));
    lab.login(second, Grant::default());
    assert!(gets_out(&mut lab, second));
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn a_lease_that_ended_while_the_gateway_was_down_is_forgotten() {
    let (mut lab, _) = lab_with_phone(Setup::default());
    assert_eq!(lab.stored().count(), 1);
    lab.restart_after(Duration::from_secs(3600));
    assert_eq!(lab.stored().count(), 0);
}

#[test]
fn ten_thousand_invented_stations_do_not_take_an_online_guests_place() {
    let (mut lab, phone) = lab_with_phone(Setup::default());
    let address = phone.address(&lab);
    lab.login(phone, Grant::default());
    for n in 0..10_000u32 {
        let [.., a, b, c] = n.to_be_bytes();
        let flood = lab.guest_as("flood", Vlan::NONE, MacAddr([6, 6, 6, a, b, c]));
        flood.try_dhcp(&mut lab);
        flood.walks_away(&mut lab);
        lab.advance(Duration::from_millis(1));
    }
    assert!(lab.view(phone).is_some_and(|view| view.address == address));
    assert!(gets_out(&mut lab, phone));
    phone.frames(&mut lab); // it has heard the probes for everybody's address
    assert_eq!(phone.renew(&mut lab), Some(Offer::Address(address)));
    assert!(lab.stored().count() <= 4094, "there are no more addresses");
    // When the flood's leases have ended, others get theirs again.
    for _ in 0..4 {
        lab.advance(Duration::from_secs(600));
        phone.renew(&mut lab);
    }
    lab.guest("late comer").dhcp(&mut lab);
    assert!(gets_out(&mut lab, phone));
}

/// Stations that ask for an offer and never come back.
fn flood_of_one_shot_stations(lab: &mut Lab, count: u32) {
    for n in 0..count {
        let [.., a, b, c] = n.to_be_bytes();
        let flood = lab.guest_as("flood", Vlan::NONE, MacAddr([6, 6, 6, a, b, c]));
        flood.discover(lab);
        flood.walks_away(lab);
        lab.advance(Duration::from_millis(1));
    }
}

#[test]
fn a_guest_whose_offer_a_flood_pushes_out_gets_the_address_all_the_same() {
    let mut setup = Setup::default();
    setup.dhcp.ranges = vec![Ipv4Addr::new(10, 1, 0, 50)..=Ipv4Addr::new(10, 1, 0, 60)];
    let mut lab = Lab::new(setup);
    let tablet = lab.guest("tablet");
    let Some(Offer::Address(offered)) = tablet.discover(&mut lab) else { panic!("no offer") };
    flood_of_one_shot_stations(&mut lab, 1000);
    tablet.frames(&mut lab);
    assert_eq!(tablet.request(&mut lab, offered), Some(Offer::Address(offered)));
    lab.login(tablet, Grant::default());
    assert!(gets_out(&mut lab, tablet));
}

#[test]
fn an_address_that_is_offered_to_one_guest_is_not_for_another_that_never_was_offered_it() {
    let mut lab = Lab::new(one_address());
    let (phone, sniper) = (lab.guest("phone"), lab.guest("sniper"));
    let Some(Offer::Address(offered)) = phone.discover(&mut lab) else { panic!("no offer") };
    assert_eq!(sniper.request(&mut lab, offered), Some(Offer::No));
    assert_eq!(phone.request(&mut lab, offered), Some(Offer::Address(offered)));
}

#[test]
fn of_two_guests_that_were_offered_an_address_the_faster_one_has_it_and_the_other_is_told() {
    let mut lab = Lab::new(one_address());
    let (phone, tablet) = (lab.guest("phone"), lab.guest("tablet"));
    let Some(Offer::Address(offered)) = phone.discover(&mut lab) else { panic!("no offer") };
    assert_eq!(tablet.discover(&mut lab), Some(Offer::Address(offered)), "the older offer made room");
    assert_eq!(phone.request(&mut lab, offered), Some(Offer::Address(offered)));
    assert_eq!(tablet.request(&mut lab, offered), Some(Offer::No), "a lease makes no room");
    assert_eq!(phone.renew(&mut lab), Some(Offer::Address(offered)));
}

#[test]
fn an_offer_that_was_pushed_out_is_worth_nothing_when_it_would_have_ended() {
    let mut lab = Lab::new(one_address());
    let (phone, tablet) = (lab.guest("phone"), lab.guest("tablet"));
    let Some(Offer::Address(offered)) = phone.discover(&mut lab) else { panic!("no offer") };
    lab.advance(8 * SECOND);
    assert_eq!(tablet.discover(&mut lab), Some(Offer::Address(offered)));
    lab.advance(2 * SECOND);
    assert_eq!(phone.request(&mut lab, offered), Some(Offer::No));
    assert_eq!(tablet.request(&mut lab, offered), Some(Offer::Address(offered)));
}

#[test]
fn the_gateway_is_found_by_arp_and_nobody_else_is() {
    let (mut lab, phone) = lab_with_phone(Setup::default());
    let (mac, address) = (phone.key(&lab).mac, phone.address(&lab));
    phone.frames(&mut lab);
    phone.sends_arp(&mut lab, &Arp { sender: address, ..Arp::probe(mac, GATEWAY) });
    let answers = phone.frames(&mut lab);
    let answer = Arp::parse(&answers[0][14..]).unwrap();
    assert_eq!((answer.operation, answer.sender, answer.sender_mac), (Operation::Reply, GATEWAY, GATEWAY_MAC));
    phone.sends_arp(&mut lab, &Arp { sender: address, ..Arp::probe(mac, Ipv4Addr::new(10, 1, 0, 99)) });
    assert!(phone.frames(&mut lab).is_empty());
}
