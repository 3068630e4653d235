//! A device that an operator keeps out, and one whose lease is taken back.

use std::net::{Ipv4Addr, SocketAddrV4};

use engine::gateway::MOST_BLOCKED;
use engine::session::{Cause, Grant, Status};
use testkit::{GATEWAY, Guest, Lab, Setup};
use wire::MacAddr;

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);

fn online() -> (Lab, Guest) {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    lab.login(phone, Grant::default());
    (lab, phone)
}

/// What comes of everything that a guest can try.
fn tries_all(lab: &mut Lab, phone: Guest, address: Ipv4Addr) -> usize {
    phone.receives(lab);
    phone.frames(lab);
    lab.internet();
    phone.sends_udp(lab, 5000, HOST, b"out");
    phone.asks_dns(lab, GATEWAY, "example.org");
    phone.pings(lab, GATEWAY);
    phone.connects(lab, 5001, SocketAddrV4::new(GATEWAY, 3990));
    let leased = phone.try_dhcp(lab).is_some() || phone.request(lab, address).is_some();
    usize::from(leased) + lab.internet().len() + phone.frames(lab).len() + lab.questions().len()
}

#[test]
fn nothing_of_a_blocked_device_passes_and_later_it_is_as_it_was() {
    let (mut lab, phone) = online();
    let address = phone.address(&lab);
    let mac = phone.key(&lab).mac;
    assert!(lab.tell(phone, |engine, now, key| engine.block(now, key.mac)));
    assert!(lab.view(phone).is_none());
    assert_eq!(tries_all(&mut lab, phone, address), 0);
    lab.advance(std::time::Duration::from_secs(1));
    assert!(matches!(lab.records().last().map(|record| record.status), Some(Status::Stop(Cause::AdminReset))));
    assert!(lab.tell(phone, |engine, now, key| engine.unblock(now, key.mac)));
    assert!(!lab.tell(phone, |engine, now, key| engine.unblock(now, key.mac)), "it was already");
    assert_eq!(lab.view(phone).map(|view| (view.address, view.session.is_none())), Some((address, true)));
    lab.login(phone, Grant::default());
    assert!(tries_all(&mut lab, phone, address) > 3);
    assert_eq!(lab.engine.blocked().find(|blocked| *blocked == mac), None);
}

#[test]
fn a_lease_that_ends_while_its_device_is_blocked_is_not_given_back() {
    let (mut lab, phone) = online();
    lab.tell(phone, |engine, now, key| engine.block(now, key.mac));
    lab.advance(std::time::Duration::from_secs(24 * 3600));
    assert_eq!(lab.stored().count(), 0);
    lab.tell(phone, |engine, now, key| engine.unblock(now, key.mac));
    assert!(lab.view(phone).is_none());
    phone.dhcp(&mut lab);
    assert!(lab.view(phone).is_some());
}

#[test]
fn the_list_of_blocked_devices_is_bounded() {
    let (mut lab, phone) = online();
    let mac = |n: usize| {
        let [.., high, low] = n.to_be_bytes();
        MacAddr([2, 1, 0, 0, high, low])
    };
    let blocked = (0..MOST_BLOCKED + 5).filter(|n| lab.tell(phone, |engine, now, _| engine.block(now, mac(*n))));
    assert_eq!(blocked.count(), MOST_BLOCKED);
    assert!(lab.tell(phone, |engine, now, _| engine.block(now, mac(0))), "it is blocked already");
    assert!(!lab.tell(phone, |engine, now, key| engine.block(now, key.mac)));
    assert!(lab.is_online(phone));
}

#[test]
fn a_lease_that_is_taken_back_ends_the_session_and_another_is_given() {
    let (mut lab, phone) = online();
    assert_eq!(lab.tell(phone, |engine, now, key| engine.take_back(now, key.mac)), 1);
    assert_eq!((lab.stored().count(), lab.view(phone).is_none()), (0, true));
    lab.advance(std::time::Duration::from_secs(1));
    assert!(matches!(lab.records().last().map(|record| record.status), Some(Status::Stop(Cause::AdminReset))));
    assert_eq!(lab.tell(phone, |engine, now, key| engine.take_back(now, key.mac)), 0);
    phone.dhcp(&mut lab);
    assert!(lab.view(phone).is_some());
}
