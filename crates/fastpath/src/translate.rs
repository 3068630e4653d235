//! Addresses of guests who brought one along from another network: what the rest of the gateway and the kernel see is the
//! leased address, what the guest sees is its own. One for one, so nothing is remembered (RFC 3022, 2.1, basic NAT). And the
//! port of http that goes to a proxy: the kernel sees another.
//!
//! Checksums are adjusted (RFC 1624), not computed: what came damaged goes on damaged. Of protocols whose checksum covers the
//! addresses these are TCP and UDP. An ICMP error quotes the packet that it is about (RFC 5508, 4.2): the guest would not
//! know the quoted address as its own, so it is rewritten too.

use std::net::Ipv4Addr;

use wire::checksum::fold;
use wire::frame::protocol;

use crate::port::Packet;

/// Offsets in an IPv4 header (RFC 791, 3.1).
const TOTAL_LEN: usize = 2;
const FRAGMENT: usize = 6;
const PROTOCOL: usize = 9;
const CHECKSUM: usize = 10;
const SOURCE: usize = 12;
const DESTINATION: usize = 16;
const SHORTEST_HEADER: usize = 20;
/// Offsets in a TCP header.
const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
/// Octets of an ICMP error before the packet that it quotes.
const ICMP_LEN: usize = 8;

/// The packet, whose IPv4 header is sound, comes from `to`.
pub(crate) fn source(packet: &mut Packet, to: Ipv4Addr) {
    rewrite(packet, SOURCE, to);
}

/// The packet, whose IPv4 header is sound, goes to `to`.
pub(crate) fn destination(packet: &mut Packet, to: Ipv4Addr) {
    rewrite(packet, DESTINATION, to);
}

/// The segment, whose headers are sound, comes from this port.
pub(crate) fn source_port(packet: &mut Packet, to: u16) {
    rewrite_port(packet, SOURCE_PORT, to);
}

/// The segment, whose headers are sound, goes to this port.
pub(crate) fn destination_port(packet: &mut Packet, to: u16) {
    rewrite_port(packet, DESTINATION_PORT, to);
}

/// If the packet, whose IPv4 header is sound, is an ICMP error about a segment to the one port, that was to the other.
pub(crate) fn quoted_port(packet: &mut Packet, from: u16, to: u16) {
    let whole = packet.l3_mut();
    let Some(l3) = read(whole, TOTAL_LEN).and_then(|len| whole.get_mut(..usize::from(len))) else { return };
    let icmp = header_len(l3);
    if l3[PROTOCOL] != protocol::ICMP || !is_first(l3) || !l3.get(icmp).is_some_and(|kind| is_error(*kind)) {
        return;
    }
    let quoted = icmp + ICMP_LEN;
    let Some(header) = l3.get(quoted..quoted + SHORTEST_HEADER) else { return };
    let port = quoted + header_len(header) + DESTINATION_PORT;
    if header[0] >> 4 == 4 && header[PROTOCOL] == protocol::TCP && read(l3, port) == Some(from) {
        write(l3, port, to);
        adjust(l3, icmp + 2, from, to);
    }
}

fn rewrite_port(packet: &mut Packet, at: usize, to: u16) {
    let unfinished = unfinished(packet);
    let l3 = packet.l3_mut();
    let segment = header_len(l3);
    let Some(from) = read(l3, segment + at) else { return };
    write(l3, segment + at, to);
    // The pseudo header has no ports.
    if unfinished != Some(segment + 16) {
        adjust(l3, segment + 16, from, to);
    }
}

/// One word of what the checksum at `field` sums up has taken the place of another.
fn adjust(l3: &mut [u8], field: usize, from: u16, to: u16) {
    if let Some(sum) = read(l3, field) {
        write(l3, field, !fold(u32::from(!sum) + u32::from(!from) + u32::from(to)));
    }
}

/// Where the sum of a pseudo header stands in place of a checksum.
fn unfinished(packet: &Packet) -> Option<usize> {
    packet.vnet.needs_csum().then(|| usize::from(packet.vnet.csum_start) + usize::from(packet.vnet.csum_offset))
}

fn header_len(header: &[u8]) -> usize {
    usize::from(header[0] & 15) * 4
}

/// The transport header is not in another fragment.
fn is_first(l3: &[u8]) -> bool {
    read(l3, FRAGMENT).is_some_and(|fragment| fragment & 0x1fff == 0)
}

/// RFC 792: unreachable, source quench, redirect, time exceeded, parameter problem.
fn is_error(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 5 | 11 | 12)
}

fn rewrite(packet: &mut Packet, at: usize, to: Ipv4Addr) {
    let unfinished = unfinished(packet);
    let l3 = packet.l3_mut();
    let Some(from) = exchange(l3, at, to) else { return };
    let payload = header_len(l3);
    let protocol = l3[PROTOCOL];
    if !is_first(l3) {
        return;
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
    let Some((_, quoted)) = icmp.split_first_chunk_mut::<ICMP_LEN>().filter(|(head, _)| is_error(head[0])) else {
        return;
    };
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
    fn a_segment_is_as_if_it_had_been_made_with_the_other_port() {
        let tcp = |source: u16, destination: u16| {
            let [a, b] = [source, destination].map(u16::to_be_bytes);
            [&a[..], &b, &[1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0], b"hello"].concat()
        };
        let up = packet(LEASED, HOST, 6, &tcp(50_000, 80), 16);
        let diverted = packet(LEASED, HOST, 6, &tcp(50_000, 0), 16);
        assert_eq!(after(&up, |up| destination_port(up, 0)), diverted);
        let down = packet(HOST, LEASED, 6, &tcp(0, 50_000), 16);
        assert_eq!(after(&down, |down| source_port(down, 80)), packet(HOST, LEASED, 6, &tcp(80, 50_000), 16));
        // One whose checksum is still to be made.
        let mut unfinished = up.clone();
        write(&mut unfinished, 36, fold(pseudo_v4(LEASED, HOST, 6, 25)));
        let mut unfinished = load(&unfinished);
        unfinished.vnet =
            VnetHeader { flags: VnetHeader::NEEDS_CSUM, csum_start: 20, csum_offset: 16, ..VnetHeader::default() };
        destination_port(&mut unfinished, 0);
        crate::checksum::finish(&mut unfinished);
        assert_eq!(unfinished.l3(), diverted);
    }

    #[test]
    fn an_error_speaks_of_the_port_that_the_guest_has_sent_to() {
        let tcp = |port: u8| [0xc3, 0x50, 0, port, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0];
        let router = Ipv4Addr::new(203, 0, 113, 1);
        let error = |kind: u8, protocol: u8, port: u8| {
            let quoted = packet(LEASED, HOST, protocol, &tcp(port), 16);
            packet(router, LEASED, 1, &[&[kind, 4, 0, 0, 0, 0, 5, 0], &quoted[..28]].concat(), 2)
        };
        let told = after(&error(3, 6, 0), |down| quoted_port(down, 0, 80));
        assert_eq!((&told[48..52], of(&told[20..])), (&[0xc3, 0x50, 0, 80][..], 0));
        for other in [error(3, 6, 7), error(3, 17, 0), error(0, 6, 0)] {
            assert_eq!(after(&other, |down| quoted_port(down, 0, 80)), other);
        }
        let whole = error(3, 6, 0);
        for len in 20..whole.len() {
            assert_eq!(after(&whole[..len], |down| quoted_port(down, 0, 80)).len(), len);
        }
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
