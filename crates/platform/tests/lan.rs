//! The guests' port itself. Needs root, or a user namespace's root.

#![allow(clippy::unwrap_used, reason = "in a test an error is a failure")]

mod common;

use std::sync::Arc;
use std::thread;

use common::{GUEST_MAC, LAN, LAN_MAC, Net, TUN, WAIT, frame, net, tun_spec};
use fastpath::port::{LanPort, Packet};
use platform::netns::Netns;
use platform::{Host, System, TunMode, Waker};
use wire::{MacAddr, Vlan};

const MARK: u16 = 0x88b5;

fn open(namespace: &Netns, name: &str, waker: &Waker) -> Arc<dyn LanPort> {
    namespace
        .run(|| {
            let mut host = Host::new();
            host.lock_lans(&[name]).unwrap();
            host.open_lan(name, waker).unwrap()
        })
        .unwrap()
}

/// A port on each end of the cable.
fn ports(net: &Net, waker: &Waker) -> (Arc<dyn LanPort>, Arc<dyn LanPort>) {
    Net::run(&net.guest, "ip", &["addr", "flush", "dev", "eth0"]);
    (open(&net.guest, "eth0", waker), open(&net.gateway, LAN, waker))
}

/// The next packet; fails the test if none comes for five seconds.
fn receive(port: &dyn LanPort) -> Packet {
    let mut batch = vec![Packet::new()];
    for _ in 0..5 {
        if port.recv(&mut batch, WAIT).unwrap() == 1 {
            return batch.remove(0);
        }
    }
    panic!("no frame came");
}

#[test]
fn a_tagged_frame_is_received_with_its_vlan_and_answered_on_it() {
    let Some(net) = net() else { return };
    let waker = Waker::new().unwrap();
    let (guest, gateway) = ports(&net, &waker);
    let sent = frame(LAN_MAC, MARK, b"on a VLAN");
    guest.send_frame(Vlan(100), &sent).unwrap();
    let mut packet = receive(&*gateway);
    assert_eq!((packet.vlan, packet.frame()), (Vlan(100), &sent[..]));

    packet.set_link(GUEST_MAC, LAN_MAC, MARK);
    assert_eq!(gateway.send(std::slice::from_mut(&mut packet), &[0]), 0);
    let answer = receive(&*guest);
    assert_eq!((answer.vlan, answer.source(), answer.l3()), (Vlan(100), LAN_MAC, &sent[14..]));

    guest.send_frame(Vlan::NONE, &sent).unwrap();
    assert_eq!(receive(&*gateway).vlan, Vlan::NONE);
}

#[test]
fn frames_for_other_stations_do_not_reach_us_even_in_promiscuous_mode() {
    let Some(net) = net() else { return };
    let waker = Waker::new().unwrap();
    let (guest, gateway) = ports(&net, &waker);
    assert!(Net::run(&net.gateway, "ip", &["link", "set", LAN, "promisc", "on"]).1);
    guest.send_frame(Vlan::NONE, &frame(MacAddr([2, 0, 0, 0, 9, 9]), MARK, b"for another")).unwrap();
    let ours = frame(MacAddr::BROADCAST, MARK, b"for all");
    guest.send_frame(Vlan::NONE, &ours).unwrap();
    assert_eq!(receive(&*gateway).frame(), ours);
}

#[test]
fn a_port_outlives_an_interface_that_goes_down_but_not_one_that_goes_away() {
    let Some(net) = net() else { return };
    let waker = Waker::new().unwrap();
    let (guest, gateway) = ports(&net, &waker);
    let mut batch = vec![Packet::new()];
    assert!(Net::run(&net.gateway, "ip", &["link", "set", LAN, "down"]).1);
    assert_eq!(gateway.recv(&mut batch, WAIT).unwrap(), 0);
    assert!(Net::run(&net.gateway, "ip", &["link", "set", LAN, "up"]).1);
    let sent = frame(LAN_MAC, MARK, b"again");
    guest.send_frame(Vlan::NONE, &sent).unwrap();
    assert_eq!(receive(&*gateway).frame(), sent);

    net.gateway.remove(LAN).unwrap();
    let gone = (0..5).find_map(|_| gateway.recv(&mut batch, WAIT).err()).expect("the interface is gone");
    assert_eq!(gone.raw_os_error(), Some(libc::ENODEV));
}

#[test]
fn a_tun_outlives_being_switched_off_but_not_being_removed() {
    let Some(net) = net() else { return };
    let waker = Waker::new().unwrap();
    let tun = net.gateway.run(|| Host::new().create_tun(&tun_spec(TunMode::Tun), &waker).unwrap()).unwrap();
    let mut batch = vec![Packet::new()];
    for state in ["down", "up"] {
        assert!(Net::run(&net.gateway, "ip", &["link", "set", TUN, state]).1);
        assert_eq!(tun.recv(&mut batch, WAIT).unwrap(), 0);
    }
    net.gateway.remove(TUN).unwrap();
    let gone = (0..5).find_map(|_| tun.recv(&mut batch, WAIT).err()).expect("the device is gone");
    assert!(matches!(gone.raw_os_error(), Some(libc::EBADFD | libc::ENODEV)), "{gone}");
}

#[test]
fn a_wake_ends_the_waiting_of_every_port_for_ever() {
    let Some(net) = net() else { return };
    let waker = Waker::new().unwrap();
    let (guest, gateway) = ports(&net, &waker);
    thread::scope(|scope| {
        for port in [&guest, &gateway] {
            scope.spawn(|| {
                while !waker.is_woken() {
                    port.recv(&mut [Packet::new()], WAIT).unwrap();
                }
            });
        }
        waker.wake();
    });
    for _ in 0..1000 {
        assert_eq!(gateway.recv(&mut [Packet::new()], WAIT).unwrap(), 0);
    }
}

#[test]
fn a_burst_fills_a_batch_and_loses_nothing() {
    let Some(net) = net() else { return };
    let waker = Waker::new().unwrap();
    let (guest, gateway) = ports(&net, &waker);
    for n in 0..100u8 {
        guest.send_frame(Vlan(u16::from(n)), &frame(LAN_MAC, MARK, &[n])).unwrap();
    }
    let mut batch: Vec<_> = (0..100).map(|_| Packet::new()).collect();
    let mut expected = 0;
    while expected < 100 {
        let count = gateway.recv(&mut batch, WAIT).unwrap();
        assert!(count > 0 && count <= platform::MAX_BATCH);
        for packet in &batch[..count] {
            assert_eq!((packet.l3()[0], packet.vlan), (expected, Vlan(u16::from(expected))));
            expected += 1;
        }
    }
}
