//! The raw port. Needs root, or a user namespace's root.
#![allow(clippy::unwrap_used, reason = "in a test an error is a failure")]

mod common;

use std::net::Ipv4Addr;
use std::time::Duration;

use common::{GUEST_MAC, LAN, LAN_MAC, frame, net};
use platform::netns::RawPort;
use platform::raw::{Ignored, Inbox, Outbox};
use wire::build::{self, UdpDatagram};

const MARK: u16 = 0x88b5;

/// All frames that have the mark or the port 7001, until there are so many; others, such as the kernel's own, are
/// passed over. Fails the test if nothing comes for five seconds.
fn receive(port: &RawPort, count: usize) -> Vec<Vec<u8>> {
    let (mut inbox, mut found) = (Inbox::new(16), Vec::new());
    while found.len() < count {
        if port.recv(&mut inbox).unwrap() == 0 {
            port.wait(Duration::from_secs(5)).unwrap();
            assert!(port.recv(&mut inbox).unwrap() > 0, "{} of {count} frames came", found.len());
        }
        let ours =
            |frame: &&[u8]| frame[12..14] == MARK.to_be_bytes() || frame.get(36..38) == Some(&7001u16.to_be_bytes());
        found.extend(inbox.frames().filter(ours).map(<[u8]>::to_vec));
    }
    found
}

fn datagram(sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
    let (src, dst) = (Ipv4Addr::new(10, 1, 0, 2), Ipv4Addr::new(192, 0, 2, 99));
    let mut frame = Vec::new();
    build::udp4(&mut frame, &UdpDatagram { eth_src: GUEST_MAC, eth_dst: LAN_MAC, src, dst, sport, dport, payload })
        .unwrap();
    frame
}

#[test]
fn a_batch_longer_than_a_system_call_arrives_in_order() {
    let Some(net) = net() else { return };
    let (guest, gateway) = (net.guest.open_raw("eth0", None).unwrap(), net.gateway.open_raw(LAN, None).unwrap());
    let frames: Vec<_> = (0..200u8).map(|n| frame(LAN_MAC, MARK, &[n; 60])).collect();
    let mut outbox = Outbox::default();
    frames.iter().for_each(|frame| outbox.push(|octets| octets.extend_from_slice(frame)));
    assert_eq!(guest.send(&mut outbox).unwrap(), 0);
    assert!(outbox.is_empty());
    assert_eq!(receive(&gateway, 200), frames);
}

#[test]
fn what_is_ignored_and_only_that_is_not_received() {
    let Some(net) = net() else { return };
    let ignored = Ignored { udp_port: 7001, ip_len: 20 + 8 + 18 };
    let (guest, gateway) =
        (net.guest.open_raw("eth0", None).unwrap(), net.gateway.open_raw(LAN, Some(ignored)).unwrap());
    let (longer, other) = (datagram(5, 7001, &[1; 19]), frame(LAN_MAC, MARK, &[0; 46]));
    let mut outbox = Outbox::default();
    for frame in [&datagram(5, 7001, &[1; 18]), &datagram(7001, 5, &[1; 18]), &longer, &other] {
        outbox.push(|octets| octets.extend_from_slice(frame));
    }
    guest.send(&mut outbox).unwrap();
    assert_eq!(receive(&gateway, 2), [longer, other]);
}

#[test]
fn a_port_whose_interface_has_gone_says_so() {
    let Some(net) = net() else { return };
    let guest = net.guest.open_raw("eth0", None).unwrap();
    net.guest.remove("eth0").unwrap();
    let mut outbox = Outbox::default();
    outbox.push(|octets| octets.extend_from_slice(&frame(LAN_MAC, MARK, &[0; 46])));
    assert!(guest.send(&mut outbox).is_err());
    assert!(outbox.is_empty(), "nothing is sent twice");
}
