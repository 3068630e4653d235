//! A trunk: guests are in VLANs, and what has no tag is nobody's.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::session::{Cause, Grant, Status};
use testkit::{GATEWAY, Guest, Lab, Setup};
use wire::{MacAddr, Vlan};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);
const MAC: MacAddr = MacAddr([2, 0, 0x5e, 0, 0, 9]);

/// What comes of everything that a guest with this address can try.
fn tries_all(lab: &mut Lab, guest: Guest, address: Ipv4Addr) -> usize {
    guest.receives(lab);
    guest.frames(lab);
    lab.internet();
    let found = guest.comes_with(lab, address, GATEWAY);
    guest.sends_udp(lab, 5000, HOST, b"out");
    guest.asks_dns(lab, GATEWAY, "example.org");
    guest.pings(lab, GATEWAY);
    guest.connects(lab, 5001, SocketAddrV4::new(GATEWAY, 3990));
    guest.connects(lab, 5002, SocketAddrV4::new(*HOST.ip(), 80));
    let leased = guest.request(lab, address).is_some();
    usize::from(found) + usize::from(leased) + lab.internet().len() + guest.frames(lab).len() + lab.questions().len()
}

#[test]
fn a_device_without_a_tag_gets_no_answer_and_in_a_vlan_it_is_a_guest() {
    let mut lab = Lab::new(Setup { untagged: false, ..Setup::default() });
    let bare = lab.guest_as("bare", Vlan::NONE, MAC);
    assert_eq!(bare.try_dhcp(&mut lab), None);
    let tagged = lab.guest_as("tagged", Vlan(7), MAC);
    let address = tagged.dhcp(&mut lab);
    // Nor with what the same device has got in its VLAN, online or not.
    for _ in 0..2 {
        assert_eq!(tries_all(&mut lab, bare, address), 0);
        assert!(lab.counted_up("drop_untagged") > 0);
        if !lab.is_online(tagged) {
            lab.login(tagged, Grant::default());
        }
    }
    assert!(tries_all(&mut lab, tagged, address) > 3);
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn a_session_without_a_tag_ends_with_the_start_that_serves_vlans_only() {
    let mut lab = Lab::new(Setup::default());
    let (bare, tagged) = (lab.guest_as("bare", Vlan::NONE, MAC), lab.guest_as("tagged", Vlan(7), MAC));
    for guest in [bare, tagged] {
        guest.dhcp(&mut lab);
        lab.login(guest, Grant::default());
    }
    lab.records();
    lab.serve_vlans_only();
    lab.crash(Some(Duration::from_secs(5)));
    assert!(lab.view(bare).is_none() && lab.is_online(tagged));
    assert_eq!(lab.stored().count(), 1, "its lease is over");
    let records = lab.records();
    let [stop] = &records[..] else { panic!("one record was expected: {records:?}") };
    assert_eq!((stop.key.vlan, stop.status), (Vlan::NONE, Status::Stop(Cause::LostCarrier)));
}
