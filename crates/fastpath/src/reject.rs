//! Saying no aloud: a TCP reset or an ICMP "administratively prohibited" makes a phone give up at once and fall
//! back to its probe, where silence would keep it waiting.

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::MacAddr;
use wire::checksum::{add, fold, of};
use wire::frame::{Ipv4, Transport, ethertype, protocol, tcp_flags};

use crate::answer::{Answer, Header};
use crate::port::Packet;

/// Octets of the refused IPv6 packet that go back: headers, no payload to speak of.
const QUOTE_V6: usize = 128;

/// The answer to a guest's IPv4 packet; `None` where none may be given (RFC 1122, 3.2.2; RFC 9293, 3.10.7.1).
pub(crate) fn ipv4(packet: &Packet, ip: &Ipv4, gateway: Ipv4Addr, gateway_mac: MacAddr) -> Option<Answer> {
    let l3 = packet.l3();
    match ip.transport {
        Transport::Tcp { .. } => reset(packet, ip, gateway_mac),
        Transport::Fragment => None,
        // Errors are answered to echo requests only, of all ICMP.
        Transport::Icmp { kind, .. } if kind != 8 => None,
        _ => {
            let quote = &l3[..l3.len().min(usize::from(ip.header_len) + 8)];
            let mut answer = Answer::new(packet, gateway_mac, ethertype::IPV4);
            let ip_at = answer.len();
            answer.ipv4(gateway, ip.source, protocol::ICMP);
            let at = answer.len();
            answer.push(&[3, 13, 0, 0, 0, 0, 0, 0]); // RFC 1812, 5.2.7.1: communication administratively prohibited
            answer.push(quote);
            answer.finish_ipv4(ip_at);
            answer.set_sum(at + 2, of(answer.after(at)));
            Some(answer)
        }
    }
}

fn reset(packet: &Packet, ip: &Ipv4, gateway_mac: MacAddr) -> Option<Answer> {
    let Transport::Tcp { flags, header_len, .. } = ip.transport else { return None };
    if flags & tcp_flags::RST != 0 {
        return None;
    }
    let tcp = &packet.l3()[usize::from(ip.header_len)..];
    let word = |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
    let (sequence, acknowledgment, flags) = if flags & tcp_flags::ACK != 0 {
        (word(8), 0, tcp_flags::RST)
    } else {
        let payload = u32::from(ip.total_len) - u32::from(ip.header_len) - u32::from(header_len);
        let octets = payload + u32::from(flags & tcp_flags::SYN != 0) + u32::from(flags & tcp_flags::FIN != 0);
        (0, word(4).wrapping_add(octets), tcp_flags::RST | tcp_flags::ACK)
    };
    Answer::tcp(packet, ip, gateway_mac, &Header { sequence, acknowledgment, flags, window: 0 }, &[], |_| ())
}

/// The answer to a guest's IPv6 packet: ICMPv6 "communication with destination administratively prohibited"
/// (RFC 4443, 3.1) from the gateway's link-local address. The caller has checked that one may be given.
pub(crate) fn ipv6(packet: &Packet, gateway_mac: MacAddr) -> Option<Answer> {
    const ICMPV6: u8 = 58;
    let l3 = packet.l3();
    let to: [u8; 16] = l3.get(8..24)?.try_into().ok()?;
    let quote = &l3[..l3.len().min(QUOTE_V6)];
    let mut answer = Answer::new(packet, gateway_mac, ethertype::IPV6);
    let from = link_local(gateway_mac).octets();
    let length = (8 + quote.len()) as u16;
    answer.push(&[0x60, 0, 0, 0]);
    answer.push(&length.to_be_bytes());
    answer.push(&[ICMPV6, 64]);
    answer.push(&from);
    answer.push(&to);
    let at = answer.len();
    answer.push(&[1, 1, 0, 0, 0, 0, 0, 0]);
    answer.push(quote);
    let pseudo = add(add(u32::from(length) + u32::from(ICMPV6), &from), &to);
    answer.set_sum(at + 2, !fold(add(pseudo, answer.after(at))));
    Some(answer)
}

/// fe80:: with the interface identifier made of the MAC (RFC 4291, appendix A).
fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let word = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, word(a ^ 2, b), word(c, 0xff), word(0xfe, d), word(e, f))
}

#[cfg(test)]
mod tests {
    use wire::checksum::pseudo_v4;

    use super::*;
    use crate::port::{ETH_LEN, HEADROOM};

    const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const GUEST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
    const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 85, 0, 1);

    fn packet(l3: &[u8]) -> Packet {
        let mut packet = Packet::new();
        packet.memory_mut()[HEADROOM..HEADROOM + l3.len()].copy_from_slice(l3);
        packet.set_l3_len(l3.len());
        packet.set_link(GATEWAY_MAC, GUEST_MAC, ethertype::IPV4);
        packet
    }

    fn tcp(flags: u8, payload: u8) -> Packet {
        let mut l3 = vec![0x45, 0, 0, 40 + payload, 0, 1, 0, 0, 64, 6, 0, 0, 10, 85, 0, 9, 203, 0, 113, 5];
        l3.extend([0xc0, 0, 1, 0xbb, 0, 0, 0, 100, 0, 0, 0, 200, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        l3.extend(vec![0; usize::from(payload)]);
        packet(&l3)
    }

    fn refuse(packet: &Packet) -> Option<Answer> {
        ipv4(packet, &Ipv4::parse(packet.l3()).unwrap(), GATEWAY, GATEWAY_MAC)
    }

    fn tcp_of(answer: &Answer) -> (Ipv4, u32, u32) {
        let l3 = &answer.frame()[ETH_LEN..];
        let ip = Ipv4::parse(l3).unwrap();
        assert_eq!(of(&l3[..20]), 0);
        assert_eq!(fold(add(pseudo_v4(ip.source, ip.destination, 6, 20), &l3[20..])), 0xffff);
        let word = |at: usize| u32::from_be_bytes(l3[at..at + 4].try_into().unwrap());
        (ip, word(24), word(28))
    }

    #[test]
    fn a_syn_is_reset_as_rfc_9293_says_so_that_the_browser_gives_up_at_once() {
        let answer = refuse(&tcp(tcp_flags::SYN, 0)).unwrap();
        assert_eq!(&answer.frame()[..12], [GUEST_MAC.0, GATEWAY_MAC.0].concat());
        let (ip, sequence, acknowledgment) = tcp_of(&answer);
        assert_eq!((ip.source, ip.destination), (Ipv4Addr::new(203, 0, 113, 5), Ipv4Addr::new(10, 85, 0, 9)));
        assert!(matches!(ip.transport, Transport::Tcp { source: 443, destination: 0xc000, flags: 0x14, .. }));
        assert_eq!((sequence, acknowledgment), (0, 101));
    }

    #[test]
    fn data_of_a_session_that_ended_is_reset_at_its_place() {
        let (ip, sequence, _) = tcp_of(&refuse(&tcp(tcp_flags::ACK, 60)).unwrap());
        assert!(matches!(ip.transport, Transport::Tcp { flags: tcp_flags::RST, .. }));
        assert_eq!(sequence, 200);
        let (_, _, acknowledgment) = tcp_of(&refuse(&tcp(tcp_flags::FIN, 60)).unwrap());
        assert_eq!(acknowledgment, 161);
    }

    #[test]
    fn resets_errors_and_fragments_are_not_answered() {
        assert!(refuse(&tcp(tcp_flags::RST, 0)).is_none());
        let mut unreachable = vec![0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 10, 85, 0, 9, 203, 0, 113, 5];
        unreachable.extend([3, 1, 0, 0, 0, 0, 0, 0]);
        assert!(refuse(&packet(&unreachable)).is_none());
        unreachable[6] = 0x20;
        assert!(refuse(&packet(&unreachable)).is_none());
    }

    #[test]
    fn udp_gets_icmp_administratively_prohibited_quoting_its_header() {
        let mut udp = vec![0x45, 0, 0, 36, 0, 1, 0, 0, 64, 17, 0, 0, 10, 85, 0, 9, 203, 0, 113, 5];
        udp.extend([0xc0, 0, 0x01, 0xbb, 0, 16, 0, 0]);
        udp.extend([7; 8]);
        let answer = refuse(&packet(&udp)).unwrap();
        let l3 = &answer.frame()[ETH_LEN..];
        assert_eq!(Ipv4::parse(l3).unwrap().source, GATEWAY);
        assert_eq!(l3[20..22], [3, 13]);
        assert_eq!(of(&l3[20..]), 0);
        assert_eq!(l3[28..], udp[..28]);
    }

    #[test]
    fn ipv6_gets_icmpv6_administratively_prohibited() {
        let mut l3 = vec![0x60, 0, 0, 0, 0, 8, 17, 64];
        l3.extend("2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
        l3.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        l3.extend([0, 1, 0, 2, 0, 8, 0, 0]);
        let answer = ipv6(&packet(&l3), GATEWAY_MAC).unwrap();
        let frame = answer.frame();
        assert_eq!(frame[12..14], [0x86, 0xdd]);
        assert_eq!(frame[ETH_LEN + 8..ETH_LEN + 24], "fe80::ff:fe00:1".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(frame[ETH_LEN + 40..ETH_LEN + 42], [1, 1]);
        assert!(ipv6(&packet(&l3[..20]), GATEWAY_MAC).is_none());
    }
}
