//! Checksums of packets that pass: complete ones, and unfinished ones that hold the pseudo header's sum only (a
//! super-packet, or a packet of this machine).

use wire::checksum::{add, fold, of};
use wire::vnet::VnetHeader;

use crate::port::Packet;

/// True if the checksum of a TCP segment or UDP datagram is right, or need not be looked at: unfinished by a sender on this machine, or
/// verified by the device. The IPv4 header has `ip_len` octets, the packet without padding `total_len`.
pub(crate) fn is_intact(packet: &Packet, ip_len: usize, total_len: usize) -> bool {
    if packet.vnet.flags & (VnetHeader::NEEDS_CSUM | VnetHeader::DATA_VALID) != 0 {
        return true;
    }
    let l3 = packet.l3();
    let (Some(head), Some(transport)) = (l3.get(..20), l3.get(ip_len..total_len)) else { return false };
    let pseudo = add(u32::from(head[9]) + transport.len() as u32, &head[12..]);
    fold(add(pseudo, transport)) == 0xffff
}

/// Finishes an unfinished checksum, for a packet that leaves for our own servers instead of a device. A start
/// or offset outside the packet leaves it as it is.
pub(crate) fn finish(packet: &mut Packet) {
    if !packet.vnet.needs_csum() {
        return;
    }
    let (start, offset) = (usize::from(packet.vnet.csum_start), usize::from(packet.vnet.csum_offset));
    let l3 = packet.l3_mut();
    let Some(covered) = l3.get(start..) else { return };
    let sum = match of(covered) {
        0 => 0xffff, // RFC 768: zero would mean "no checksum"
        sum => sum,
    };
    if let Some(field) = l3.get_mut(start + offset..start + offset + 2) {
        field.copy_from_slice(&sum.to_be_bytes());
        packet.vnet = VnetHeader::default();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use wire::checksum::pseudo_v4;

    use super::*;
    use crate::port::HEADROOM;

    const GUEST: Ipv4Addr = Ipv4Addr::new(10, 85, 0, 9);
    const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

    fn tcp(partial: bool) -> Packet {
        let mut bytes = vec![0x45, 0, 0, 45, 0, 7, 0x40, 0, 64, 6, 0, 0];
        bytes.extend(GUEST.octets());
        bytes.extend(HOST.octets());
        bytes.extend([0xc3, 0x50, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
        bytes.extend(*b"hello");
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

    #[test]
    fn an_unfinished_checksum_is_as_good_as_a_right_one_and_finished_is_one() {
        for partial in [false, true] {
            let mut packet = tcp(partial);
            assert!(is_intact(&packet, 20, 45), "partial: {partial}");
            finish(&mut packet);
            assert!(is_intact(&packet, 20, 45) && packet.vnet == VnetHeader::default(), "partial: {partial}");
            packet.l3_mut()[41] ^= 1;
            assert!(!is_intact(&packet, 20, 45), "damaged");
            assert!(!is_intact(&packet, 20, 46), "longer than it is");
        }
    }

    #[test]
    fn a_checksum_outside_the_packet_is_left_alone() {
        let mut packet = tcp(true);
        packet.vnet.csum_start = 44;
        packet.vnet.csum_offset = 60_000;
        finish(&mut packet);
        packet.vnet.csum_start = 60_000;
        finish(&mut packet);
        assert_eq!(packet.l3().len(), 45);
    }
}
