//! Frames from the LAN through the whole packet path: any bytes with any offload facts, and well-formed packets of
//! guests and strangers.
#![no_main]

use std::net::Ipv4Addr;

use fastpath::pacer::Pacer;
use fastpath::pipeline::Action;
use fastpath::port::Packet;
use libfuzzer_sys::fuzz_target;
use poblano_fuzz::plane::{self, FOREIGN, GARDEN, GATEWAY, LAN_MAC};
use poblano_fuzz::{Input, start};
use wire::GuestKey;
use wire::frame::Ipv4;
use wire::vnet::VnetHeader;

const KNOWN: [Ipv4Addr; 10] = [
    FOREIGN,
    Ipv4Addr::new(10, 1, 0, 2),
    Ipv4Addr::new(10, 1, 0, 3),
    Ipv4Addr::new(10, 1, 0, 4),
    Ipv4Addr::new(10, 1, 0, 5),
    GATEWAY,
    GARDEN,
    Ipv4Addr::new(203, 0, 113, 9),
    Ipv4Addr::new(10, 1, 0, 255),
    Ipv4Addr::UNSPECIFIED,
];

fuzz_target!(|bytes: &[u8]| {
    let plane = plane::plane();
    let mut packet = Packet::new();
    plane::fill(&mut packet, &mut Input::new(bytes), &KNOWN);
    let key = GuestKey { lan: 0, vlan: packet.vlan, mac: packet.source() };
    let before = Ipv4::parse(packet.l3());
    let was_right = before.is_ok_and(|ip| plane::is_right(packet.l3(), &ip)) && !packet.vnet.needs_csum();
    let action = plane.from_guest(&mut packet, start().mono, &mut Pacer::new(0));
    assert_eq!(plane::counted(&plane.from_guests), 1, "each packet is counted once");
    match action {
        Action::Send => {
            let ip = Ipv4::parse(packet.l3()).expect("only IPv4 goes out");
            assert_eq!(usize::from(ip.total_len), packet.l3().len(), "without padding");
            let guest = plane.table.by_key(key).expect("only guests' packets go out");
            assert_eq!(ip.source, guest.address, "only from the leased address");
            let free = plane::is_free(&ip, ip.destination, plane::ports(&ip).1);
            assert!(plane::is_online(key) || free, "{key} is not logged in and reaches {ip}");
            assert!(free || !plane.network.contains(ip.destination), "{key} reaches another guest: {ip}");
            assert!(!ip.destination.is_multicast() && !ip.destination.is_loopback());
            assert!(!was_right || plane::is_right(packet.l3(), &ip), "a right checksum stays right: {ip}");
        }
        Action::Answer => {
            assert!(plane.table.by_key(key).is_some(), "strangers get no answer");
            assert_eq!((packet.destination(), packet.vlan), (key.mac, key.vlan), "to who asked and nobody else");
            assert_eq!((packet.source(), packet.vnet), (LAN_MAC, VnetHeader::default()));
            assert!(packet.l3().len() <= 576, "an answer is short");
            if let Ok(ip) = Ipv4::parse(packet.l3()) {
                assert!(plane::is_right(packet.l3(), &ip));
            }
        }
        Action::Done => {}
    }
});
