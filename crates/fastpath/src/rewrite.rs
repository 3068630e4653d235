//! Changing an endpoint of a TCP packet in place, with its checksums: complete ones, and unfinished ones
//! that hold the pseudo header's sum only (a super-packet, or a packet of this machine).

use std::net::Ipv4Addr;

use wire::checksum::{fold, update_address, update_word};
use wire::frame::{Ipv4, Transport};

use crate::port::Packet;

/// Which end to change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Source,
    Destination,
}

/// Sets address and port of one end. `ip` must be what [`Ipv4::parse`] said of this packet; anything but TCP
/// stays as it is.
pub(crate) fn set_endpoint(packet: &mut Packet, ip: &Ipv4, end: End, address: Ipv4Addr, port: u16) {
    let Transport::Tcp { source, destination, .. } = ip.transport else { return };
    let (old_address, old_port, address_at, port_at) = match end {
        End::Source => (ip.source, source, 12, 0),
        End::Destination => (ip.destination, destination, 16, 2),
    };
    let partial = packet.vnet.needs_csum();
    let l3 = packet.l3_mut();
    let header_len = usize::from(ip.header_len);

    l3[address_at..address_at + 4].copy_from_slice(&address.octets());
    edit(l3, 10, |sum| update_address(sum, old_address, address));

    let port_at = header_len + port_at;
    l3[port_at..port_at + 2].copy_from_slice(&port.to_be_bytes());
    edit(l3, header_len + 16, |sum| {
        if partial {
            // The field is not complemented, and the port is not yet part of it.
            !update_address(!sum, old_address, address)
        } else {
            update_word(update_address(sum, old_address, address), old_port, port)
        }
    });
}

fn edit(l3: &mut [u8], at: usize, change: impl FnOnce(u16) -> u16) {
    let field = u16::from_be_bytes([l3[at], l3[at + 1]]);
    l3[at..at + 2].copy_from_slice(&change(field).to_be_bytes());
}

/// Finishes an unfinished checksum, for a packet that leaves for our own servers instead of a device. A start
/// or offset outside the packet leaves it as it is.
pub(crate) fn finish_checksum(packet: &mut Packet) {
    if !packet.vnet.needs_csum() {
        return;
    }
    let (start, offset) = (usize::from(packet.vnet.csum_start), usize::from(packet.vnet.csum_offset));
    let l3 = packet.l3_mut();
    let Some(covered) = l3.get(start..) else { return };
    let sum = match !fold(wire::checksum::add(0, covered)) {
        0 => 0xffff, // RFC 768: zero would mean "no checksum"
        sum => sum,
    };
    if let Some(field) = l3.get_mut(start + offset..start + offset + 2) {
        field.copy_from_slice(&sum.to_be_bytes());
        packet.vnet = wire::vnet::VnetHeader::default();
    }
}

#[cfg(test)]
mod tests {
    use wire::checksum::{add, of, pseudo_v4};
    use wire::vnet::VnetHeader;

    use super::*;
    use crate::port::HEADROOM;

    const GUEST: Ipv4Addr = Ipv4Addr::new(10, 85, 0, 9);
    const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);
    const PORTAL: Ipv4Addr = Ipv4Addr::new(10, 85, 0, 1);

    fn tcp(partial: bool) -> Packet {
        let mut bytes = vec![0x45, 0, 0, 45, 0, 7, 0x40, 0, 64, 6, 0, 0];
        bytes.extend(GUEST.octets());
        bytes.extend(HOST.octets());
        bytes.extend([0xc3, 0x50, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
        bytes.extend(*b"hello");
        let sum = of(&bytes[..20]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        let pseudo = pseudo_v4(GUEST, HOST, 6, 25);
        let field = if partial { fold(pseudo) } else { !fold(add(pseudo, &bytes[20..])) };
        bytes[36..38].copy_from_slice(&field.to_be_bytes());
        let mut packet = Packet::new();
        packet.memory_mut()[HEADROOM..HEADROOM + bytes.len()].copy_from_slice(&bytes);
        packet.set_l3_len(bytes.len());
        if partial {
            packet.vnet =
                VnetHeader { flags: VnetHeader::NEEDS_CSUM, csum_start: 20, csum_offset: 16, ..VnetHeader::default() };
        }
        packet
    }

    fn is_right(packet: &Packet) -> bool {
        let l3 = packet.l3();
        let ip = Ipv4::parse(l3).unwrap();
        let pseudo = pseudo_v4(ip.source, ip.destination, 6, ip.total_len - 20);
        of(&l3[..20]) == 0 && fold(add(pseudo, &l3[20..])) == 0xffff
    }

    #[test]
    fn checksums_stay_right_when_a_packet_is_redirected_and_when_its_answer_comes_back() {
        for partial in [false, true] {
            let mut packet = tcp(partial);
            let ip = Ipv4::parse(packet.l3()).unwrap();
            set_endpoint(&mut packet, &ip, End::Destination, PORTAL, 41_234);
            let ip = Ipv4::parse(packet.l3()).unwrap();
            assert_eq!(ip.destination, PORTAL);
            assert!(matches!(ip.transport, Transport::Tcp { destination: 41_234, source: 50_000, .. }));
            set_endpoint(&mut packet, &ip, End::Source, HOST, 80);
            finish_checksum(&mut packet);
            assert!(is_right(&packet), "partial: {partial}");
            assert_eq!(packet.vnet, VnetHeader::default());
        }
    }

    #[test]
    fn a_checksum_outside_the_packet_is_left_alone() {
        let mut packet = tcp(true);
        packet.vnet.csum_start = 44;
        packet.vnet.csum_offset = 60_000;
        finish_checksum(&mut packet);
        packet.vnet.csum_start = 60_000;
        finish_checksum(&mut packet);
        assert_eq!(packet.l3().len(), 45);
    }
}
