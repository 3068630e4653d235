//! Addresses of guests who brought one along from another network: what the rest of the gateway and the kernel see is the
//! leased address, what the guest sees is its own. One for one, so nothing is remembered (RFC 3022, 2.1, basic NAT).
//!
//! Checksums are adjusted (RFC 1624), not computed: what came damaged goes on damaged. Of protocols whose checksum covers the
//! addresses these are TCP and UDP. An ICMP error quotes the packet that it is about (RFC 5508, 4.2): the guest would not
//! know the quoted address as its own, so it is rewritten too.

use std::net::Ipv4Addr;

use wire::checksum::fold;
use wire::frame::protocol;

use crate::port::Packet;

/// Offsets in an IPv4 header (RFC 791, 3.1).
const FRAGMENT: usize = 6;
const PROTOCOL: usize = 9;
const CHECKSUM: usize = 10;
const SOURCE: usize = 12;
const DESTINATION: usize = 16;
const SHORTEST_HEADER: usize = 20;

/// The packet, whose IPv4 header is sound, comes from `to`.
pub(crate) fn source(packet: &mut Packet, to: Ipv4Addr) {
    rewrite(packet, SOURCE, to);
}

/// The packet, whose IPv4 header is sound, goes to `to`.
pub(crate) fn destination(packet: &mut Packet, to: Ipv4Addr) {
    rewrite(packet, DESTINATION, to);
}

fn rewrite(packet: &mut Packet, at: usize, to: Ipv4Addr) {
    let unfinished =
        packet.vnet.needs_csum().then(|| usize::from(packet.vnet.csum_start) + usize::from(packet.vnet.csum_offset));
    let l3 = packet.l3_mut();
    let Some(from) = exchange(l3, at, to) else { return };
    let payload = usize::from(l3[0] & 15) * 4;
    let protocol = l3[PROTOCOL];
    if read(l3, FRAGMENT).is_none_or(|fragment| fragment & 0x1fff != 0) {
        return; // the transport header is in another fragment
    }
    let field = match protocol {
        protocol::TCP => payload + 16,
        protocol::UDP => payload + 6,
        protocol::ICMP => return quote(l3.get_mut(payload..).unwrap_or_default(), at, from, to),
        _ => return,
    };
    let Some(sum) = read(l3, field) else { return };
    let sum = if unfinished == Some(field) {
        adjusted(sum, from, to) // as yet it is the sum of the pseudo header
    } else if protocol == protocol::UDP {
        match sum {
            0 => return, // RFC 768: there is none
            sum => match !adjusted(!sum, from, to) {
                0 => 0xffff,
                sum => sum,
            },
        }
    } else {
        !adjusted(!sum, from, to)
    };
    write(l3, field, sum);
}

/// In an ICMP error the guest's packet goes the other way. What the ICMP checksum sums up stays the same: the quoted header's
/// own checksum makes up for the address in it.
fn quote(icmp: &mut [u8], at: usize, from: Ipv4Addr, to: Ipv4Addr) {
    // RFC 792: unreachable, source quench, redirect, time exceeded, parameter problem.
    let Some((&mut [3 | 4 | 5 | 11 | 12, ..], quoted)) = icmp.split_first_chunk_mut::<8>() else { return };
    let other = if at == SOURCE { DESTINATION } else { SOURCE };
    let is_the_guests = quoted.get(other..other + 4) == Some(&from.octets());
    if quoted.len() >= SHORTEST_HEADER && quoted[0] >> 4 == 4 && is_the_guests {
        exchange(quoted, other, to);
    }
}

/// Puts an address into a header, adjusts the header's checksum, and says what the address was.
fn exchange(header: &mut [u8], at: usize, to: Ipv4Addr) -> Option<Ipv4Addr> {
    let address: &mut [u8; 4] = header.get_mut(at..at + 4)?.try_into().ok()?;
    let from = Ipv4Addr::from(std::mem::replace(address, to.octets()));
    let sum = read(header, CHECKSUM)?;
    write(header, CHECKSUM, !adjusted(!sum, from, to));
    Some(from)
}

/// A sum in which one address takes the place of another (RFC 1624, 3, equation 3).
fn adjusted(sum: u16, from: Ipv4Addr, to: Ipv4Addr) -> u16 {
    let words = |address: Ipv4Addr| {
        let bits = address.to_bits();
        (bits >> 16) + (bits & 0xffff)
    };
    fold(u32::from(sum) + words(Ipv4Addr::from_bits(!from.to_bits())) + words(to))
}

fn read(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn write(bytes: &mut [u8], at: usize, word: u16) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use wire::checksum::{add, of, pseudo_v4};
    use wire::vnet::VnetHeader;

    use super::*;
    use crate::port::HEADROOM;

    const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 5);
    const LEASED: Ipv4Addr = Ipv4Addr::new(10, 85, 0, 9);
    const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

    /// A packet with right checksums: that of the transport stands at `field` of it.
    fn packet(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, transport: &[u8], field: usize) -> Vec<u8> {
        let len = 20 + transport.len() as u16;
        let mut l3 = vec![0x45, 0, 0, 0, 0, 7, 0, 0, 64, protocol, 0, 0];
        l3[2..4].copy_from_slice(&len.to_be_bytes());
        l3.extend(from.octets());
        l3.extend(to.octets());
        let sum = of(&l3);
        write(&mut l3, CHECKSUM, sum);
        l3.extend(transport);
        let pseudo = if protocol == protocol::ICMP { 0 } else { pseudo_v4(from, to, protocol, len - 20) };
        let sum = !fold(add(pseudo, &l3[20..]));
        write(&mut l3, 20 + field, sum);
        l3
    }

    fn load(l3: &[u8]) -> Packet {
        let mut packet = Packet::new();
        packet.memory_mut()[HEADROOM..HEADROOM + l3.len()].copy_from_slice(l3);
        packet.set_l3_len(l3.len());
        packet
    }

    fn after(l3: &[u8], change: impl FnOnce(&mut Packet)) -> Vec<u8> {
        let mut packet = load(l3);
        change(&mut packet);
        packet.l3().to_vec()
    }

    #[test]
    fn a_packet_is_as_if_it_had_been_made_with_the_other_address() {
        let tcp =
            [&[0xc3, 0x50, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0], &b"hello"[..]].concat();
        let udp = [&[0xc3, 0x50, 0, 53, 0, 13, 0, 0], &b"hello"[..]].concat();
        let ping = [8, 0, 0, 0, 0, 1, 0, 1];
        for (protocol, transport, field) in [(6, &tcp[..], 16), (17, &udp, 6), (1, &ping, 2)] {
            let up = packet(OWN, HOST, protocol, transport, field);
            let expected = packet(LEASED, HOST, protocol, transport, field);
            assert_eq!(after(&up, |up| source(up, LEASED)), expected, "protocol {protocol}");
            let down = packet(HOST, LEASED, protocol, transport, field);
            let expected = packet(HOST, OWN, protocol, transport, field);
            assert_eq!(after(&down, |down| destination(down, OWN)), expected, "protocol {protocol}");
        }
    }

    #[test]
    fn no_checksum_stays_none_and_one_that_comes_out_as_none_is_the_other_zero() {
        let udp = [0xc3, 0x50, 0, 53, 0, 8, 0, 0];
        let mut without = packet(OWN, HOST, 17, &udp, 6);
        write(&mut without, 26, 0);
        assert_eq!(after(&without, |up| source(up, LEASED))[26..28], [0, 0]);
        // The source port is what makes the leased address's sum come out as zero.
        let with = packet(LEASED, HOST, 17, &udp, 6);
        let port = fold(0xc350 + u32::from(read(&with, 26).unwrap()));
        let mut chosen = udp;
        chosen[..2].copy_from_slice(&port.to_be_bytes());
        let up = after(&packet(OWN, HOST, 17, &chosen, 6), |up| source(up, LEASED));
        assert_eq!(up[26..28], [0xff, 0xff]);
    }

    #[test]
    fn an_unfinished_checksum_is_of_the_other_pseudo_header_and_comes_out_right() {
        let tcp = [0xc3, 0x50, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0];
        let mut up = packet(OWN, HOST, 6, &tcp, 16);
        write(&mut up, 36, fold(pseudo_v4(OWN, HOST, 6, 20)));
        let mut up = load(&up);
        up.vnet =
            VnetHeader { flags: VnetHeader::NEEDS_CSUM, csum_start: 20, csum_offset: 16, ..VnetHeader::default() };
        source(&mut up, LEASED);
        crate::checksum::finish(&mut up);
        assert_eq!(up.l3(), packet(LEASED, HOST, 6, &tcp, 16));
    }

    #[test]
    fn a_first_fragment_is_rewritten_with_its_header_and_a_later_one_without() {
        let udp = [&[0xc3, 0x50, 0, 53, 5, 0xdc, 0x12, 0x34], &[7; 32][..]].concat();
        for (offset, changed) in [([0x20, 0], true), ([0, 185], false)] {
            let mut fragment = packet(OWN, HOST, 17, &udp, 6);
            fragment[FRAGMENT..FRAGMENT + 2].copy_from_slice(&offset);
            let rewritten = after(&fragment, |up| source(up, LEASED));
            assert_eq!(rewritten[26..28] != fragment[26..28], changed);
            assert_eq!((&rewritten[..10], &rewritten[28..]), (&fragment[..10], &fragment[28..]));
        }
    }

    #[test]
    fn an_error_speaks_of_the_packet_as_the_receiver_knows_it() {
        let tcp = [0xc3, 0x50, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0];
        let error = |quoted: &[u8]| [&[3, 4, 0, 0, 0, 0, 5, 0], &quoted[..28]].concat();
        let router = Ipv4Addr::new(203, 0, 113, 1);
        let down = packet(router, LEASED, 1, &error(&packet(LEASED, HOST, 6, &tcp, 16)), 2);
        let down = after(&down, |down| destination(down, OWN));
        assert_eq!((of(&down[..20]), of(&down[20..]), of(&down[28..48])), (0, 0, 0), "all three checksums are right");
        assert_eq!((&down[16..20], &down[40..44]), (&OWN.octets()[..], &OWN.octets()[..]));
        let up = packet(OWN, HOST, 1, &error(&packet(HOST, OWN, 6, &tcp, 16)), 2);
        let up = after(&up, |up| source(up, LEASED));
        assert_eq!((of(&up[..20]), of(&up[20..]), of(&up[28..48])), (0, 0, 0));
        assert_eq!((&up[12..16], &up[44..48]), (&LEASED.octets()[..], &LEASED.octets()[..]));
        let foreign = packet(OWN, HOST, 1, &error(&packet(HOST, router, 6, &tcp, 16)), 2);
        assert_eq!(after(&foreign, |up| source(up, LEASED))[20..], foreign[20..], "of somebody else it is left alone");
    }

    #[test]
    fn what_is_cut_short_is_rewritten_as_far_as_it_goes() {
        let tcp = [0xc3, 0x50, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0];
        let error = [&[3, 4, 0, 0, 0, 0, 5, 0], &packet(HOST, OWN, 6, &tcp, 16)[..28]].concat();
        for whole in [packet(OWN, HOST, 6, &tcp, 16), packet(OWN, HOST, 1, &error, 2)] {
            for len in 0..whole.len() {
                let cut = after(&whole[..len], |up| source(up, LEASED));
                assert_eq!(cut.len(), len);
                assert!(len < 16 || cut[12..16] == LEASED.octets());
            }
        }
    }
}
