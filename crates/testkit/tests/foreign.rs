//! Guests with a static address of another network: they get online with it, and take nothing that is another's.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::session::{Cause, Grant, Status};
use fastpath::police::Rate;
use testkit::packet::{icmp, tcp, udp};
use testkit::{GATEWAY, Guest, Lab, Offer, PORTAL_PORT, Setup};
use wire::arp::Arp;
use wire::frame::{Transport, tcp_flags};

const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 5);
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 1);
const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);
const MINUTE: Duration = Duration::from_secs(60);

fn setup() -> Setup {
    let mut setup = Setup::default();
    setup.dhcp.any_address = true;
    setup
}

/// A gateway with a guest from elsewhere, who has found its router.
fn lab() -> (Lab, Guest) {
    let mut lab = Lab::new(setup());
    let laptop = lab.guest("laptop");
    assert!(laptop.comes_with(&mut lab, OWN, ROUTER));
    (lab, laptop)
}

/// The address by which the gateway knows a guest.
fn leased(lab: &Lab, guest: Guest) -> Ipv4Addr {
    lab.view(guest).expect("it is a guest").address
}

/// Where its packet to the Internet comes from, if it gets there.
fn gets_out(lab: &mut Lab, guest: Guest) -> Option<Ipv4Addr> {
    guest.connects(lab, 40_000, HOST);
    lab.internet().first().map(|seen| seen.ip.source)
}

#[test]
fn it_logs_in_and_talks_to_the_internet_with_its_own_address() {
    let (mut lab, laptop) = lab();
    let view = lab.view(laptop).unwrap();
    assert_eq!(view.foreign, Some(OWN));
    assert!(lab.plane.network.contains(view.address), "it has one of ours too: {}", view.address);
    assert_eq!(gets_out(&mut lab, laptop), None, "nothing gets out before login");
    lab.login(laptop, Grant::default());
    assert_eq!(gets_out(&mut lab, laptop), Some(view.address));
    laptop.receives(&mut lab);
    lab.answer(&tcp(HOST, SocketAddrV4::new(view.address, 40_000), tcp_flags::SYN | tcp_flags::ACK, b""));
    let [answer] = &laptop.receives(&mut lab)[..] else { panic!("one answer") };
    assert_eq!((answer.ip.source, answer.ip.destination), (*HOST.ip(), OWN));
    assert!(answer.has_right_checksums());
    let [start] = &lab.records()[..] else { panic!("one record") };
    assert_eq!((start.status, start.address), (Status::Start, view.address));
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn before_login_it_meets_the_redirect_the_portal_and_our_dns_as_every_guest_does() {
    let (mut lab, laptop) = lab();
    let address = leased(&lab, laptop);
    laptop.connects(&mut lab, 40_001, SocketAddrV4::new(*HOST.ip(), 80));
    let [syn_ack] = &laptop.receives(&mut lab)[..] else { panic!("the redirect's") };
    assert_eq!((syn_ack.ip.source, syn_ack.ip.destination), (*HOST.ip(), OWN));
    laptop.connects(&mut lab, 40_002, SocketAddrV4::new(GATEWAY, PORTAL_PORT));
    let [to_portal] = &lab.internet()[..] else { panic!("to the portal's socket") };
    assert_eq!((to_portal.ip.source, to_portal.ip.destination), (address, GATEWAY));
    assert!(to_portal.has_right_checksums());
    laptop.connects(&mut lab, 40_003, HOST);
    let [reset] = &laptop.receives(&mut lab)[..] else { panic!("a reset") };
    assert!(matches!(reset.ip.transport, Transport::Tcp { flags, .. } if flags & tcp_flags::RST != 0));
    assert_eq!(reset.ip.destination, OWN);
    for (online, server) in [(false, ROUTER), (true, ROUTER), (true, Ipv4Addr::new(192, 0, 2, 8))] {
        if online && !lab.is_online(laptop) {
            lab.login(laptop, Grant::default());
        }
        laptop.asks_dns(&mut lab, server, "wifi.internal");
        let [answer] = &laptop.receives(&mut lab)[..] else { panic!("an answer of {server}, online: {online}") };
        assert_eq!((answer.ip.source, answer.ip.destination), (server, OWN));
    }
    assert!(lab.internet().is_empty());
}

#[test]
fn two_guests_with_the_same_address_do_not_meet() {
    let (mut lab, laptop) = lab();
    let tablet = lab.guest("tablet");
    assert!(tablet.comes_with(&mut lab, OWN, ROUTER));
    let (first, second) = (leased(&lab, laptop), leased(&lab, tablet));
    assert_ne!(first, second);
    lab.login(laptop, Grant::default());
    assert_eq!((gets_out(&mut lab, laptop), gets_out(&mut lab, tablet)), (Some(first), None));
    lab.login(tablet, Grant::default());
    assert_eq!((gets_out(&mut lab, laptop), gets_out(&mut lab, tablet)), (Some(first), Some(second)));
    for guest in [laptop, tablet] {
        guest.receives(&mut lab);
    }
    lab.answer(&udp(HOST, SocketAddrV4::new(second, 40_000), b"for the tablet"));
    assert_eq!((laptop.receives(&mut lab).len(), tablet.receives(&mut lab).len()), (0, 1));
}

#[test]
fn it_cannot_take_an_address_of_ours_or_one_that_is_nobodys() {
    let mut lab = Lab::new(setup());
    let phone = lab.guest("phone");
    let of_phone = phone.dhcp(&mut lab);
    let free = Ipv4Addr::new(10, 1, 0, 99);
    let thief = lab.guest("thief");
    let nobodys =
        [[127, 0, 0, 1], [0, 0, 0, 7], [224, 0, 0, 1], [169, 254, 7, 5], [255, 255, 255, 255], [240, 0, 0, 1]];
    for address in [of_phone, GATEWAY, free].into_iter().chain(nobodys.map(Ipv4Addr::from)) {
        assert!(!thief.comes_with(&mut lab, address, ROUTER), "{address}");
        assert!(lab.view(thief).is_none(), "{address}");
    }
    assert!(thief.comes_with(&mut lab, OWN, ROUTER));
    lab.login(thief, Grant::default());
    let own = leased(&lab, thief);
    for source in [of_phone, own, Ipv4Addr::new(192, 168, 7, 6), GATEWAY, *HOST.ip()] {
        thief.sends(&mut lab, &udp(SocketAddrV4::new(source, 40_000), HOST, b"spoofed"));
        assert!(lab.internet().is_empty(), "{source}");
    }
    thief.sends(&mut lab, &udp(SocketAddrV4::new(OWN, 40_000), SocketAddrV4::new(of_phone, 7), b"to the phone"));
    assert!(lab.internet().is_empty());
    for target in [of_phone, free, OWN, Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(224, 0, 0, 9)] {
        assert!(!thief.looks_for(&mut lab, target), "{target}");
    }
    assert!(thief.looks_for(&mut lab, GATEWAY));
    assert!(!phone.looks_for(&mut lab, ROUTER), "who has a lease finds the gateway alone");
}

#[test]
fn a_servers_address_is_no_way_to_get_what_is_meant_for_the_server() {
    let mut lab = Lab::new(setup());
    let (phone, thief) = (lab.guest("phone"), lab.guest("thief"));
    phone.dhcp(&mut lab);
    lab.login(phone, Grant::default());
    assert!(thief.comes_with(&mut lab, *HOST.ip(), Ipv4Addr::new(203, 0, 113, 1)));
    lab.login(thief, Grant::default());
    thief.receives(&mut lab);
    phone.connects(&mut lab, 40_000, HOST);
    assert_eq!(lab.internet().len(), 1, "it goes to the real one");
    let to_phone = phone.socket(&lab, 40_000);
    thief.sends(&mut lab, &tcp(HOST, to_phone, tcp_flags::SYN | tcp_flags::ACK, b""));
    assert!(lab.internet().is_empty() && thief.receives(&mut lab).len() == 1, "refused");
    lab.answer(&udp(SocketAddrV4::new(GATEWAY, 1), HOST, b""));
    assert!(thief.receives(&mut lab).is_empty());
}

#[test]
fn without_the_key_nobody_answers_and_nothing_happens() {
    let mut lab = Lab::new(Setup::default());
    let laptop = lab.guest("laptop");
    assert!(!laptop.comes_with(&mut lab, OWN, ROUTER));
    assert!(lab.view(laptop).is_none());
    assert_eq!(gets_out(&mut lab, laptop), None);
}

#[test]
fn who_looks_whether_its_address_is_taken_is_not_told_so() {
    let (mut lab, laptop) = lab();
    let key = laptop.key(&lab);
    for question in [Arp::probe(key.mac, OWN), Arp::announcement(key.mac, OWN), Arp::probe(key.mac, ROUTER)] {
        laptop.frames(&mut lab);
        laptop.sends_arp(&mut lab, &question);
        assert!(laptop.frames(&mut lab).is_empty(), "{question}");
    }
}

#[test]
fn guests_who_invent_stations_leave_three_quarters_of_the_pool_to_those_who_ask() {
    let mut setup = setup();
    let (first, last) = (Ipv4Addr::new(10, 1, 0, 10), Ipv4Addr::new(10, 1, 0, 49));
    setup.dhcp.ranges = vec![first..=last];
    let mut lab = Lab::new(setup);
    let let_in = (0..100).filter(|n| {
        let station = lab.guest(&format!("invented {n}"));
        station.comes_with(&mut lab, OWN, ROUTER)
    });
    assert_eq!(let_in.count(), 10);
    let asking = (0..30).filter(|n| {
        let phone = lab.guest(&format!("phone {n}"));
        phone.try_dhcp(&mut lab).is_some()
    });
    assert_eq!(asking.count(), 30);
}

#[test]
fn it_keeps_its_place_while_it_talks_and_loses_it_when_it_is_silent() {
    let (mut lab, laptop) = lab();
    lab.login(laptop, Grant::default());
    let address = leased(&lab, laptop);
    for _ in 0..60 {
        lab.advance(MINUTE);
        assert_eq!(gets_out(&mut lab, laptop), Some(address));
    }
    lab.records();
    lab.advance(61 * MINUTE);
    let [stop] = &lab.records()[..] else { panic!("one record") };
    assert_eq!(stop.status, Status::Stop(Cause::LostCarrier));
    assert_eq!((lab.view(laptop).is_none(), lab.stored().count()), (true, 0));
    assert!(laptop.looks_for(&mut lab, ROUTER), "it comes back as it came first");
    assert!(lab.view(laptop).is_some());
}

#[test]
fn its_session_outlives_the_gateway() {
    let (mut lab, laptop) = lab();
    lab.login(laptop, Grant::default());
    let address = leased(&lab, laptop);
    lab.crash(Some(MINUTE));
    assert_eq!(gets_out(&mut lab, laptop), Some(address));
}

#[test]
fn who_asks_by_dhcp_in_the_end_is_a_guest_like_others_and_stays_online() {
    let (mut lab, laptop) = lab();
    lab.login(laptop, Grant::default());
    let address = leased(&lab, laptop);
    assert_eq!(laptop.discover(&mut lab), Some(Offer::Address(address)));
    assert_eq!(laptop.request(&mut lab, address), Some(Offer::Address(address)));
    assert!(lab.is_online(laptop));
    assert_eq!(lab.view(laptop).unwrap().foreign, None);
    assert_eq!(gets_out(&mut lab, laptop), Some(address));
    laptop.sends(&mut lab, &udp(SocketAddrV4::new(OWN, 40_000), HOST, b"as before"));
    assert!(lab.internet().is_empty());
    // Nor does a lease by DHCP yield to a foreign address.
    laptop.comes_with(&mut lab, OWN, ROUTER);
    assert_eq!(lab.view(laptop).unwrap().foreign, None);
}

#[test]
fn a_limited_rate_an_error_and_a_ping_are_in_its_own_address_too() {
    let (mut lab, laptop) = lab();
    let address = leased(&lab, laptop);
    let slow = Rate::bits_per_second(64_000);
    lab.login(laptop, Grant { rate_up: slow, rate_down: slow, ..Grant::default() });
    laptop.receives(&mut lab);
    let socket = SocketAddrV4::new(address, 40_000);
    for _ in 0..20 {
        laptop.sends_udp(&mut lab, 40_000, HOST, &[7; 1000]);
        lab.answer(&udp(HOST, socket, &[7; 1000]));
    }
    lab.advance(MINUTE);
    let (out, back) = (lab.internet(), laptop.receives(&mut lab));
    assert!(
        out.len() > 2 && out.iter().all(|seen| seen.ip.source == address && seen.has_right_checksums()),
        "{}",
        out.len()
    );
    assert!(
        back.len() > 2 && back.iter().all(|seen| seen.ip.destination == OWN && seen.has_right_checksums()),
        "{}",
        back.len()
    );
    laptop.pings(&mut lab, *HOST.ip());
    assert_eq!(lab.internet()[0].ip.source, address);
    lab.answer(&icmp(*HOST.ip(), address, 0, 0));
    assert_eq!(laptop.receives(&mut lab)[0].ip.destination, OWN);
}
