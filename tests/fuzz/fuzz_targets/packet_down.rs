//! Packets from the TUN device through the packet path.
#![no_main]

use std::net::Ipv4Addr;

use fastpath::pacer::Pacer;
use fastpath::pipeline::Action;
use fastpath::port::Packet;
use fastpath::verdict::DIVERTED_PORT;
use libfuzzer_sys::fuzz_target;
use poblano_fuzz::plane::{self, GARDEN, GATEWAY, LAN_MAC};
use poblano_fuzz::{Input, start};
use wire::frame::{Ipv4, Transport};

const WEB: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const KNOWN: [Ipv4Addr; 8] = [
    Ipv4Addr::new(10, 1, 0, 2),
    Ipv4Addr::new(10, 1, 0, 3),
    Ipv4Addr::new(10, 1, 0, 4),
    Ipv4Addr::new(10, 1, 0, 5),
    Ipv4Addr::new(10, 1, 0, 6),
    GATEWAY,
    GARDEN,
    WEB,
];

fuzz_target!(|bytes: &[u8]| {
    let plane = plane::plane();
    let mut pacer = Pacer::new(0);
    let mut packet = Packet::new();
    plane::fill(&mut packet, &mut Input::new(bytes), &KNOWN);
    let before = Ipv4::parse(packet.l3());
    let was_right = before.is_ok_and(|ip| plane::is_right(packet.l3(), &ip)) && !packet.vnet.needs_csum();
    let action = plane.to_guest(&mut packet, start().mono, &mut pacer);
    assert_eq!(plane::counted(&plane.to_guests), 1, "each packet is counted once");
    match action {
        Action::Send => {
            let (was, ip) = (before.expect("only IPv4 reaches guests"), Ipv4::parse(packet.l3()).expect("still IPv4"));
            let guest = plane.table.by_address(was.destination).expect("only guests get packets");
            assert_eq!((packet.destination(), packet.vlan), (guest.key.mac, guest.key.vlan));
            assert_eq!((packet.source(), packet.ethertype()), (LAN_MAC, 0x0800));
            let free = plane::is_free(&was, was.source, plane::ports(&was).0);
            assert!(plane::is_online(guest.key) || free, "{} is not logged in and gets {was}", guest.key);
            assert!(was.source == GATEWAY || !plane.network.contains(was.source), "from another guest: {was}");
            let mut own = Ipv4 { destination: guest.own_address(), ..was };
            if was.source != GATEWAY
                && let Transport::Tcp { source: source @ DIVERTED_PORT, .. } = &mut own.transport
            {
                *source = 80;
            }
            assert_eq!(own, ip, "as it came, but for a proxy's port and the address of a guest who uses another");
            assert!(!was_right || plane::is_right(packet.l3(), &ip), "a right checksum stays right: {ip}");
        }
        Action::Answer => panic!("nothing goes back to the Internet"),
        Action::Done => {}
    }
});
