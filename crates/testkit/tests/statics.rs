//! Guests with a static address of our own network that is for those who bring it along.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::time::Duration;

use engine::session::{Cause, Grant, Status};
use testkit::packet::udp;
use testkit::{GATEWAY, Guest, Lab, Offer, Setup};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 200);
const STATICS: RangeInclusive<Ipv4Addr> = Ipv4Addr::new(10, 1, 0, 192)..=Ipv4Addr::new(10, 1, 0, 255);
const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);
const MINUTE: Duration = Duration::from_secs(60);

fn setup() -> Setup {
    let mut setup = Setup::default();
    setup.dhcp.ranges = vec![Ipv4Addr::new(10, 1, 0, 0)..=Ipv4Addr::new(10, 1, 0, 255)];
    setup.dhcp.statics = Some(STATICS);
    setup
}

/// A gateway with a guest who has come with an address and found its router.
fn lab() -> (Lab, Guest) {
    let mut lab = Lab::new(setup());
    let camera = lab.guest("camera");
    assert!(camera.comes_with(&mut lab, OWN, GATEWAY));
    (lab, camera)
}

/// Where its packet to the Internet comes from, if it gets there.
fn gets_out(lab: &mut Lab, guest: Guest) -> Option<Ipv4Addr> {
    guest.connects(lab, 40_000, HOST);
    lab.internet().first().map(|seen| seen.ip.source)
}

#[test]
fn it_is_a_guest_like_others_by_the_address_that_it_brought() {
    let (mut lab, camera) = lab();
    let view = lab.view(camera).expect("it is a guest");
    assert_eq!((view.address, view.foreign), (OWN, None));
    assert_eq!(gets_out(&mut lab, camera), None, "nothing gets out before login");
    lab.login(camera, Grant::default());
    assert_eq!(gets_out(&mut lab, camera), Some(OWN));
    let [start] = &lab.records()[..] else { panic!("one record") };
    assert_eq!((start.status, start.address), (Status::Start, OWN));
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn nobody_else_has_its_address_nor_gets_one_of_them_by_asking() {
    let (mut lab, camera) = lab();
    lab.login(camera, Grant::default());
    let thief = lab.guest("thief");
    thief.comes_with(&mut lab, OWN, GATEWAY);
    assert!(lab.view(thief).is_none());
    thief.sends(&mut lab, &udp(SocketAddrV4::new(OWN, 40_000), HOST, b"as the camera"));
    assert!(lab.internet().is_empty());
    assert_eq!(thief.request(&mut lab, OWN), Some(Offer::No));
    assert!(lab.is_online(camera));
    let phone = lab.guest("phone");
    let leased = phone.dhcp(&mut lab);
    assert!(!STATICS.contains(&leased), "{leased}");
    // With a lease it stays with that.
    phone.comes_with(&mut lab, Ipv4Addr::new(10, 1, 0, 201), GATEWAY);
    assert_eq!(lab.view(phone).unwrap().address, leased);
}

#[test]
fn no_other_address_is_for_those_who_do_not_ask() {
    let mut lab = Lab::new(setup());
    let thief = lab.guest("thief");
    for address in [GATEWAY, Ipv4Addr::new(10, 1, 0, 191), Ipv4Addr::new(10, 1, 1, 7), Ipv4Addr::new(192, 168, 7, 5)] {
        thief.comes_with(&mut lab, address, GATEWAY);
        assert!(lab.view(thief).is_none(), "{address}");
    }
    // Among them is what nobody has: a station's own address, and ours.
    let mut setup = setup();
    setup.dhcp.statics = Some(Ipv4Addr::new(10, 1, 0, 0)..=OWN);
    let own = engine::dhcp::Host { address: Some(OWN), ..engine::dhcp::Host::default() };
    setup.dhcp.hosts.insert(wire::MacAddr([2, 0, 0x5e, 0, 0, 1]), own);
    let mut lab = Lab::new(setup);
    let thief = lab.guest("thief");
    for address in [OWN, GATEWAY, Ipv4Addr::new(10, 1, 0, 0)] {
        thief.comes_with(&mut lab, address, GATEWAY);
        assert!(lab.view(thief).is_none(), "{address}");
    }
    assert!(thief.comes_with(&mut lab, Ipv4Addr::new(10, 1, 0, 9), GATEWAY));
    let mut lab = Lab::new(Setup::default());
    let camera = lab.guest("camera");
    camera.comes_with(&mut lab, OWN, GATEWAY);
    assert!(lab.view(camera).is_none(), "without the key nothing happens");
}

#[test]
fn it_keeps_its_place_while_it_talks_and_loses_it_when_it_is_silent() {
    let mut setup = setup();
    setup.dhcp.renewal_is_activity = true; // a lease that goes on without a word is none
    let mut lab = Lab::new(setup);
    let camera = lab.guest("camera");
    assert!(camera.comes_with(&mut lab, OWN, GATEWAY));
    lab.login(camera, Grant::default());
    for _ in 0..60 {
        lab.advance(MINUTE);
        assert_eq!(gets_out(&mut lab, camera), Some(OWN));
    }
    lab.records();
    lab.advance(61 * MINUTE);
    let [stop] = &lab.records()[..] else { panic!("one record") };
    assert_eq!(stop.status, Status::Stop(Cause::LostCarrier));
    let other = lab.guest("other");
    assert!(other.comes_with(&mut lab, OWN, GATEWAY));
    assert_eq!(gets_out(&mut lab, other), None, "it is another guest, who has to log in");
}

#[test]
fn its_session_outlives_the_gateway() {
    let (mut lab, camera) = lab();
    lab.login(camera, Grant::default());
    lab.crash(Some(MINUTE));
    assert_eq!(gets_out(&mut lab, camera), Some(OWN));
}

#[test]
fn guests_who_invent_stations_leave_a_quarter_of_all_leases_to_those_who_ask() {
    let mut setup = setup();
    setup.dhcp.max_leases = 40;
    let mut lab = Lab::new(setup);
    let let_in = (0..60_u8).filter(|n| {
        let station = lab.guest(&format!("invented {n}"));
        station.comes_with(&mut lab, Ipv4Addr::new(10, 1, 0, 193 + n), GATEWAY);
        lab.view(station).is_some()
    });
    assert_eq!(let_in.count(), 30);
    let asking = (0..10).filter(|n| {
        let phone = lab.guest(&format!("phone {n}"));
        phone.try_dhcp(&mut lab).is_some()
    });
    assert_eq!(asking.count(), 10);
}
