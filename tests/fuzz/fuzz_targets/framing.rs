//! Frames as the kernel hands them over, and on to the other device: `tag (3), offload header (10), frame`.
#![no_main]

use fastpath::port::{HEADROOM, MAX_L3, Packet};
use libfuzzer_sys::fuzz_target;
use platform::fuzz::{ETH_AT, received, tagged, to_send};
use poblano_fuzz::Input;
use wire::Vlan;
use wire::vnet::VnetHeader;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let tag = input.u8();
    let tag = Some(input.u16()).filter(|_| tag & 1 != 0);
    let vnet = VnetHeader::parse(input.bytes(VnetHeader::LEN)).unwrap_or_default();
    let frame = input.rest();
    let mut packet = Packet::new();
    let room = frame.len().min(packet.memory_mut().len() - ETH_AT);
    packet.memory_mut()[ETH_AT..ETH_AT + room].copy_from_slice(&frame[..room]);
    if let Some(sent) = tagged(Vlan(tag.unwrap_or(0)), frame) {
        assert!(sent.len() == frame.len() || sent.len() == frame.len() + 4);
    }
    if !received(&mut packet, frame.len(), vnet, tag) {
        return;
    }
    assert!(packet.vlan.0 < 4096 && packet.l3().len() <= MAX_L3);
    let facts = packet.vnet;
    if facts.needs_csum() {
        let end = usize::from(facts.csum_start) + usize::from(facts.csum_offset) + 2;
        assert!(end <= packet.l3().len(), "the checksum is in the packet");
    }
    let (vlan, l3) = (packet.vlan, packet.l3().to_vec());
    let at = to_send(&mut packet);
    let whole = packet.memory_mut()[at..HEADROOM + l3.len()].to_vec();
    let (header, frame) = whole.split_at(VnetHeader::LEN);
    let mut again = Packet::new();
    again.memory_mut()[ETH_AT..ETH_AT + frame.len()].copy_from_slice(frame);
    let header = VnetHeader::parse(header).expect("ten octets");
    let tagged_twice = vlan == Vlan::NONE && packet.ethertype() == 0x8100;
    if received(&mut again, frame.len(), header, None) && !tagged_twice {
        assert_eq!((again.vlan, again.l3()), (vlan, &l3[..]), "what goes out is what came in");
        assert_eq!(again.vnet, facts);
    }
});
