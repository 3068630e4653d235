//! The lock of the guests' interface. Needs root, or a user namespace's root.

#![allow(clippy::unwrap_used, reason = "in a test an error is a failure")]

mod common;

use std::sync::Arc;

use common::{
    LAN, LAN_MAC, Net, UPLINK, UPLINK_ADDRESS, WAIT, arp_request, datagram_to, frame, ipv6_solicitation, net,
};
use fastpath::port::{LanPort, Packet};
use platform::{Host, System, Waker};
use wire::Vlan;

/// An EtherType for local experiments (IEEE 802), for frames that nobody answers.
const MARK: u16 = 0x88b5;

/// A guest without a kernel: its interface is locked too, so every frame it gets is the gateway's doing.
fn bare_guest(net: &Net, waker: &Waker) -> Arc<dyn LanPort> {
    Net::run(&net.guest, "ip", &["addr", "flush", "dev", "eth0"]);
    net.guest
        .run(|| {
            let mut host = Host::new();
            host.lock_lans(&["eth0"]).unwrap();
            host.open_lan("eth0", waker).unwrap()
        })
        .unwrap()
}

/// The next frames of a port; fails the test if none come for five seconds.
fn receive(port: &dyn LanPort) -> Vec<Vec<u8>> {
    let mut batch = vec![Packet::new(), Packet::new(), Packet::new(), Packet::new()];
    for _ in 0..5 {
        let count = port.recv(&mut batch, WAIT).unwrap();
        if count > 0 {
            return batch[..count].iter().map(|packet| packet.frame().to_vec()).collect();
        }
    }
    panic!("no frame came");
}

fn receive_until_mark(port: &dyn LanPort) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    loop {
        frames.extend(receive(port));
        if frames.iter().any(|frame| frame[12..14] == MARK.to_be_bytes()) {
            return frames;
        }
    }
}

/// What the guest hears of the gateway's kernel after `question`. A mark is sent after the question, and another
/// one back when it has come: all that the kernel had to say lies before it.
fn answers(guest: &dyn LanPort, gateway: &dyn LanPort, question: &[u8]) -> Vec<Vec<u8>> {
    guest.send_frame(Vlan::NONE, question).unwrap();
    guest.send_frame(Vlan::NONE, &frame(LAN_MAC, MARK, &[])).unwrap();
    let seen = receive_until_mark(gateway);
    assert!(seen.iter().any(|frame| frame == question), "our own port must see what the kernel does not");
    gateway.send_frame(Vlan::NONE, &frame(common::GUEST_MAC, MARK, &[])).unwrap();
    let mut heard = receive_until_mark(guest);
    heard.retain(|frame| frame[12..14] != MARK.to_be_bytes());
    heard
}

#[test]
fn the_kernel_is_mute_and_deaf_on_a_locked_lan_even_after_our_death() {
    let Some(net) = net() else { return };
    let waker = Waker::new().unwrap();
    net.gateway.add_address(UPLINK, UPLINK_ADDRESS, 24).unwrap();
    Net::run(&net.gateway, "ip", &["route", "add", "10.1.0.0/16", "dev", LAN]);
    // Without duplicate address detection the link-local address is there at once.
    Net::run(&net.gateway, "sysctl", &["-q", "-w", &format!("net.ipv6.conf.{LAN}.accept_dad=0")]);
    Net::run(&net.gateway, "ip", &["link", "set", LAN, "down"]);
    Net::run(&net.gateway, "ip", &["link", "set", LAN, "up"]);
    let guest = bare_guest(&net, &waker);
    let questions = [arp_request(UPLINK_ADDRESS), datagram_to(UPLINK_ADDRESS), ipv6_solicitation()];

    // Without the lock, each of them makes the kernel speak: the test can fail.
    for question in &questions {
        guest.send_frame(Vlan::NONE, question).unwrap();
        while !receive(&*guest).iter().any(|frame| frame[6..12] == LAN_MAC.0) {}
    }

    let before = net.state();
    net.gateway
        .run(|| {
            let mut host = Host::new();
            host.lock_lans(&[LAN]).unwrap();
            let gateway = host.open_lan(LAN, &waker).unwrap();
            // What the kernel had begun before, for instance its search for the guest, ends here.
            answers(&*guest, &*gateway, &frame(LAN_MAC, MARK, &[1]));
            for question in &questions {
                assert_eq!(answers(&*guest, &*gateway, question), Vec::<Vec<u8>>::new());
            }

            // We die: no undo. A new life takes the lock over.
            drop((host, gateway));
            let state = net.state();
            assert!(state.contains("policy drop") && state.contains(&format!("conf/{LAN}/disable_ipv6 1")), "{state}");
            let mut host = Host::new();
            host.lock_lans(&[LAN]).unwrap();
            let gateway = host.open_lan(LAN, &waker).unwrap();
            for question in &questions {
                assert_eq!(answers(&*guest, &*gateway, question), Vec::<Vec<u8>>::new());
            }
            host.undo().unwrap();
        })
        .unwrap();
    guest.send_frame(Vlan::NONE, &questions[0]).unwrap();
    while !receive(&*guest).iter().any(|frame| frame[6..12] == LAN_MAC.0) {}
    assert_eq!(net.state(), before);
}

#[test]
fn a_second_gateway_is_refused_and_takes_nothing_from_the_first() {
    let Some(net) = net() else { return };
    net.gateway
        .run(|| {
            let mut first = Host::new();
            first.lock_lans(&[LAN]).unwrap();
            let during = net.state();
            let mut second = Host::new();
            let refusal = second.lock_lans(&[LAN]).unwrap_err().to_string();
            assert!(refusal.contains("another gateway runs on this machine"), "{refusal}");
            second.undo().unwrap();
            assert_eq!(net.state(), during);
            first.undo().unwrap();
            second.lock_lans(&[LAN]).unwrap();
            second.undo().unwrap();
        })
        .unwrap();
}

#[test]
fn a_cable_and_what_comes_through_it_are_not_two_networks_whatever_they_are_called() {
    let Some(net) = net() else { return };
    // Any kernel has this kind; a VLAN is another.
    let made = Net::run(&net.gateway, "ip", &["link", "add", "link", LAN, "name", "staff", "type", "macvlan"]);
    assert!(made.1, "{}", made.0);
    net.gateway
        .run(|| {
            for lans in [[LAN, "staff"], ["staff", LAN]] {
                let mut host = Host::new();
                let refusal = host.lock_lans(&lans).unwrap_err().to_string();
                assert!(refusal.contains(&format!("guests on {LAN} and staff: they are one cable")), "{refusal}");
                host.undo().unwrap();
            }
            let mut host = Host::new();
            host.lock_lans(&["staff"]).unwrap();
            host.undo().unwrap();
        })
        .unwrap();
}

#[test]
fn an_interface_that_is_not_for_guests_is_refused_with_a_way_out() {
    let Some(net) = net() else { return };
    net.gateway.add_address(UPLINK, UPLINK_ADDRESS, 24).unwrap();
    net.gateway
        .run(|| {
            let refusal = |name: &str| Host::new().lock_lans(&[name]).unwrap_err().to_string();
            assert_eq!(
                refusal(UPLINK),
                format!(
                    "cannot use {UPLINK} as the guests' interface: it has the address {UPLINK_ADDRESS}/24; the guests' \
                     interface has no address of its own; remove it with: ip addr flush dev {UPLINK}"
                )
            );
            assert!(refusal("lo").contains("not an Ethernet interface"));
            assert!(refusal("eth7").contains(&format!("does not exist; there are: {LAN}")), "{}", refusal("eth7"));
            net.gateway.add_route((std::net::Ipv4Addr::UNSPECIFIED, 0), UPLINK, common::INTERNET).unwrap();
            assert!(refusal(UPLINK).contains("the default route goes through it"));
            let waker = Waker::new().unwrap();
            assert!(Host::new().open_lan(LAN, &waker).is_err(), "a LAN must be locked before it is opened");
            let mut host = Host::new();
            host.lock_lans(&[LAN]).unwrap();
            let both = host.forward(&[platform::ForwardSpec { uplinks: vec![LAN.into()], ..common::forward_spec() }]);
            assert!(both.unwrap_err().to_string().contains("it is the guests' interface"));
        })
        .unwrap();
}
