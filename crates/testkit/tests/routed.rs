//! Guests behind a router on the LAN: each is its address, and they share the router's station.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::gateway::{Attempt, Mark};
use engine::session::{Cause, Grant, Status};
use testkit::packet::{Seen, icmp, tcp, udp};
use testkit::{GATEWAY, GATEWAY_MAC, Guest, Lab, PORTAL_PORT, Setup};
use wire::arp::Arp;
use wire::dhcp::{CLIENT_PORT, SERVER_PORT};
use wire::frame::{Transport, tcp_flags};
use wire::routes::Route;
use wire::{GuestKey, MacAddr, Vlan};

const ANNA: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 5);
const BEN: Ipv4Addr = Ipv4Addr::new(10, 9, 200, 6);
const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x99]);
const VIA: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);
const MINUTE: Duration = Duration::from_secs(60);

fn setup() -> Setup {
    let network = Ipv4Addr::new(10, 9, 0, 0);
    let route = Route { network, prefix: 16, via: VIA, mac: ROUTER, vlan: Vlan::NONE };
    Setup { routes: [route].into_iter().collect(), ..Setup::default() }
}

/// A gateway, and the router.
fn lab() -> (Lab, Guest) {
    let mut lab = Lab::new(setup());
    let router = lab.guest_as("router", Vlan::NONE, ROUTER);
    (lab, router)
}

fn key(address: Ipv4Addr) -> GuestKey {
    GuestKey::behind_router(0, Vlan::NONE, address)
}

fn is_guest(lab: &Lab, address: Ipv4Addr) -> bool {
    lab.engine.guest_at(lab.now(), address).is_some()
}

fn is_online(lab: &Lab, address: Ipv4Addr) -> bool {
    lab.engine.guest_at(lab.now(), address).is_some_and(|view| view.session.is_some())
}

/// The first segment of a connection, through that router.
fn connects(lab: &mut Lab, router: Guest, from: Ipv4Addr, to: SocketAddrV4) {
    router.sends(lab, &tcp(SocketAddrV4::new(from, 40_000), to, tcp_flags::SYN, b""));
}

/// Sends until it is a guest.
fn comes(lab: &mut Lab, router: Guest, address: Ipv4Addr) {
    connects(lab, router, address, HOST);
    assert!(is_guest(lab, address), "{address}");
    assert!(router.receives(lab).is_empty(), "its first packet goes nowhere, and has no answer");
}

fn begin_login(lab: &mut Lab, address: Ipv4Addr) -> Attempt {
    lab.engine.begin_login(lab.now(), address).expect("a guest may try to log in")
}

fn logs_in(lab: &mut Lab, router: Guest, address: Ipv4Addr) {
    comes(lab, router, address);
    let attempt = begin_login(lab, address);
    assert!(lab.finish_login(&attempt, "anna", Grant::default()));
}

/// Where its packet to the Internet comes from, if it gets there.
fn gets_out(lab: &mut Lab, router: Guest, address: Ipv4Addr) -> Option<Ipv4Addr> {
    connects(lab, router, address, HOST);
    lab.internet().first().map(|seen| seen.ip.source)
}

#[test]
fn one_logs_in_and_the_other_behind_the_same_router_stays_outside() {
    let (mut lab, router) = lab();
    logs_in(&mut lab, router, ANNA);
    comes(&mut lab, router, BEN);
    assert_eq!(gets_out(&mut lab, router, ANNA), Some(ANNA));
    router.receives(&mut lab);
    assert_eq!(gets_out(&mut lab, router, BEN), None);
    let [refusal] = &router.receives(&mut lab)[..] else { panic!("a reset") };
    assert!(matches!(refusal.ip.transport, Transport::Tcp { flags, .. } if flags & tcp_flags::RST != 0));
    assert_eq!(refusal.ip.destination, BEN);
    for (address, reached) in [(ANNA, 1), (BEN, 0), (Ipv4Addr::new(10, 9, 7, 7), 0)] {
        lab.answer(&udp(HOST, SocketAddrV4::new(address, 40_000), b"an answer"));
        assert_eq!(router.receives(&mut lab).len(), reached, "{address}");
    }
    let [start] = &lab.records()[..] else { panic!("one record") };
    assert_eq!((start.status, start.address, lab.engine.station(start.key)), (Status::Start, ANNA, ROUTER));
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn before_login_they_meet_the_redirect_the_portal_and_our_dns() {
    let (mut lab, router) = lab();
    comes(&mut lab, router, ANNA);
    connects(&mut lab, router, ANNA, SocketAddrV4::new(*HOST.ip(), 80));
    let [syn_ack] = &router.receives(&mut lab)[..] else { panic!("the redirect's") };
    assert_eq!((syn_ack.ip.source, syn_ack.ip.destination), (*HOST.ip(), ANNA));
    connects(&mut lab, router, ANNA, SocketAddrV4::new(GATEWAY, PORTAL_PORT));
    let [to_portal] = &lab.internet()[..] else { panic!("to the portal's socket") };
    assert_eq!((to_portal.ip.source, to_portal.ip.destination), (ANNA, GATEWAY));
    let question = testkit::dns::query(7, "wifi.internal", wire::dns::Type::A);
    let resolver = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 8), 53);
    router.sends(&mut lab, &udp(SocketAddrV4::new(ANNA, 40_053), resolver, &question));
    let [answer] = &router.receives(&mut lab)[..] else { panic!("the answer") };
    assert_eq!((answer.ip.source, answer.ip.destination), (*resolver.ip(), ANNA));
    assert!(lab.internet().is_empty());
}

#[test]
fn another_station_gets_nothing_out_from_there_nor_the_router_from_elsewhere() {
    let mut setup = setup();
    setup.dhcp.any_address = true;
    let mut lab = Lab::new(setup);
    let router = lab.guest_as("router", Vlan::NONE, ROUTER);
    logs_in(&mut lab, router, ANNA);
    let (thief, phone) = (lab.guest("thief"), lab.guest("phone"));
    let same_on_a_vlan = lab.guest_as("router elsewhere", Vlan(5), ROUTER);
    let leased = phone.dhcp(&mut lab);
    lab.login(phone, Grant::default());
    for station in [thief, phone, same_on_a_vlan] {
        assert_eq!(gets_out(&mut lab, station, ANNA), None);
        assert!(!station.comes_with(&mut lab, BEN, GATEWAY), "nor is it from another network");
        assert!(!is_guest(&lab, BEN) && gets_out(&mut lab, station, BEN).is_none());
    }
    // With the station of nobody, that a guest behind the router has here.
    let forged = lab.guest_as("forger", Vlan::NONE, key(ANNA).mac);
    assert_eq!(gets_out(&mut lab, forged, ANNA), None);
    for source in [leased, VIA, GATEWAY, *HOST.ip(), Ipv4Addr::new(10, 10, 0, 1)] {
        assert_eq!(gets_out(&mut lab, router, source), None, "{source}");
    }
    lab.records();
    thief.receives(&mut lab);
    lab.answer(&udp(HOST, SocketAddrV4::new(ANNA, 40_000), b"for Anna"));
    assert_eq!((thief.receives(&mut lab).len(), router.receives(&mut lab).len()), (0, 1));
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn they_do_not_reach_other_guests_and_other_guests_not_them() {
    let (mut lab, router) = lab();
    logs_in(&mut lab, router, ANNA);
    comes(&mut lab, router, BEN);
    let phone = lab.guest("phone");
    let leased = phone.dhcp(&mut lab);
    lab.login(phone, Grant::default());
    connects(&mut lab, router, ANNA, SocketAddrV4::new(leased, 80));
    connects(&mut lab, router, ANNA, SocketAddrV4::new(BEN, 80));
    phone.connects(&mut lab, 40_000, SocketAddrV4::new(ANNA, 80));
    assert!(lab.internet().is_empty());
    router.receives(&mut lab);
    lab.answer(&udp(SocketAddrV4::new(BEN, 9), SocketAddrV4::new(ANNA, 9), b"from behind the router"));
    lab.answer(&udp(SocketAddrV4::new(leased, 9), SocketAddrV4::new(ANNA, 9), b"from the LAN"));
    assert!(router.receives(&mut lab).is_empty());
}

#[test]
fn nobody_there_gets_a_lease_of_the_pool_or_comes_in_by_its_station() {
    let mut setup = setup();
    setup.devices.per_sec = 10;
    setup.devices.allow.insert(ROUTER);
    let mut lab = Lab::new(setup);
    let router = lab.guest_as("router", Vlan::NONE, ROUTER);
    comes(&mut lab, router, ANNA);
    let mut question = Vec::new();
    wire::dhcp::Message::request(wire::dhcp::MessageType::Discover, 7, key(ANNA).mac)
        .emit(&mut question, wire::dhcp::MIN_LIMIT);
    for to in [GATEWAY, Ipv4Addr::BROADCAST] {
        let l3 = udp(SocketAddrV4::new(ANNA, CLIENT_PORT), SocketAddrV4::new(to, SERVER_PORT), &question);
        router.sends(&mut lab, &l3);
        lab.advance(MINUTE);
    }
    assert_eq!(lab.stored().map(|lease| lease.address).collect::<Vec<_>>(), [ANNA]);
    assert!(lab.devices().is_empty(), "nobody is asked about a station that is not theirs");
}

#[test]
fn the_router_finds_us_and_may_itself_be_a_guest_like_others() {
    let (mut lab, router) = lab();
    assert!(router.comes_with(&mut lab, VIA, GATEWAY), "it has a static address");
    assert!(lab.view(router).is_none());
    let leased = router.dhcp(&mut lab);
    lab.login(router, Grant::default());
    comes(&mut lab, router, ANNA);
    assert_eq!(gets_out(&mut lab, router, leased), Some(leased));
    assert_eq!(gets_out(&mut lab, router, ANNA), None, "which lets nobody in behind it");
}

#[test]
fn who_invents_addresses_displaces_no_session_and_keeps_nobody_of_the_lan_out() {
    let mut setup = Setup { guests: 40, ..setup() };
    setup.dhcp.max_leases = 40;
    let mut lab = Lab::new(setup);
    let router = lab.guest_as("router", Vlan::NONE, ROUTER);
    logs_in(&mut lab, router, ANNA);
    for n in 0..2000u32 {
        connects(&mut lab, router, Ipv4Addr::from_bits(0x0a09_6400 + n), HOST);
        lab.advance(Duration::from_millis(5));
    }
    assert_eq!(lab.engine.guests(lab.now()).count(), 30);
    assert_eq!(gets_out(&mut lab, router, ANNA), Some(ANNA));
    lab.advance(Duration::from_secs(1));
    comes(&mut lab, router, BEN);
    assert!(router.comes_with(&mut lab, VIA, GATEWAY), "the router's own questions have a share of their own");
    for n in 0..30 {
        lab.guest(&format!("phone {n}")).dhcp(&mut lab);
    }
    assert_eq!(gets_out(&mut lab, router, ANNA), Some(ANNA));
    let behind = lab.engine.guests(lab.now()).filter(|view| view.key.address_behind_router().is_some()).count();
    assert_eq!(behind, 10, "the LAN leaves a quarter to them");
    assert!(lab.counted_up("drop_queue_full") > 500, "and they came no faster than one station may ask");
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn a_silent_one_leaves_and_one_that_talks_stays() {
    let (mut lab, router) = lab();
    logs_in(&mut lab, router, ANNA);
    comes(&mut lab, router, BEN);
    for _ in 0..61 {
        lab.advance(MINUTE);
        assert_eq!(gets_out(&mut lab, router, ANNA), Some(ANNA));
    }
    assert!(!is_guest(&lab, BEN));
    lab.records();
    lab.advance(61 * MINUTE);
    let [stop] = &lab.records()[..] else { panic!("one record") };
    assert_eq!(stop.status, Status::Stop(Cause::LostCarrier));
    assert_eq!((is_guest(&lab, ANNA), lab.stored().count()), (false, 0));
}

#[test]
fn a_session_outlives_the_gateway_and_ends_if_there_is_no_way_any_more() {
    let (mut lab, router) = lab();
    logs_in(&mut lab, router, ANNA);
    lab.crash(Some(MINUTE));
    assert_eq!(gets_out(&mut lab, router, ANNA), Some(ANNA));
    let mut elsewhere = Lab::new(Setup::default());
    let leases = lab.stored().cloned().collect();
    elsewhere.engine.restore(elsewhere.now(), leases, Vec::new());
    assert!(!is_guest(&elsewhere, ANNA));
}

#[test]
fn servers_and_operators_find_them_by_address_and_all_of_them_by_the_router() {
    let (mut lab, router) = lab();
    logs_in(&mut lab, router, ANNA);
    logs_in(&mut lab, router, BEN);
    lab.internet();
    let found = |lab: &Lab, marks: &[Mark<'_>]| lab.engine.find_sessions(marks).len();
    assert_eq!(found(&lab, &[Mark::Station(ROUTER)]), 2);
    assert_eq!(found(&lab, &[Mark::Station(ROUTER), Mark::Address(BEN)]), 1);
    lab.engine.block(lab.now(), key(ANNA).mac);
    assert_eq!(gets_out(&mut lab, router, ANNA), None);
    assert_eq!(gets_out(&mut lab, router, BEN), Some(BEN));
    lab.engine.block(lab.now(), ROUTER);
    assert_eq!(gets_out(&mut lab, router, BEN), None);
    assert!(!is_guest(&lab, ANNA) && !is_guest(&lab, BEN));
    lab.engine.unblock(lab.now(), ROUTER);
    connects(&mut lab, router, BEN, HOST);
    assert!(is_guest(&lab, BEN) && !is_online(&lab, BEN));
}

#[test]
fn what_is_for_nobody_makes_nobody_a_guest() {
    let (mut lab, router) = lab();
    let phone = Ipv4Addr::new(10, 1, 0, 77);
    for to in [Ipv4Addr::BROADCAST, Ipv4Addr::new(224, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 1), phone, BEN] {
        router.sends(&mut lab, &icmp(ANNA, to, 8, 0));
        assert!(!is_guest(&lab, ANNA), "{to}");
    }
    let question = Arp { sender: ANNA, ..Arp::probe(ROUTER, GATEWAY) };
    router.sends_arp(&mut lab, &question);
    assert!(router.frames(&mut lab).is_empty(), "the router asks in its own name or in nobody's");
    let without: Vec<Seen> = lab.internet();
    assert!(without.is_empty() && GATEWAY_MAC != ROUTER);
}
