//! Whole frames made from their parts, and taken apart again, for services that answer single datagrams.
//!
//! Frames are untagged: the VLAN travels beside the frame. The fast path has views of its own.

use crate::{MacAddr, arp::Arp, checksum};
use std::fmt;
use std::net::Ipv4Addr;

/// Octets before the payload of an Ethernet frame.
pub const ETHERNET_LEN: usize = 14;
/// The EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// The EtherType of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;

const IPV4_LEN: usize = 20;
const UDP_LEN: usize = 8;
const PROTOCOL_UDP: u8 = 17;
const TTL: u8 = 64;

/// A UDP datagram in an Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpDatagram<'a> {
    /// The sending station.
    pub eth_src: MacAddr,
    /// The receiving station.
    pub eth_dst: MacAddr,
    /// The sending host.
    pub src: Ipv4Addr,
    /// The receiving host.
    pub dst: Ipv4Addr,
    /// The sending port.
    pub sport: u16,
    /// The receiving port.
    pub dport: u16,
    /// What is in it.
    pub payload: &'a [u8],
}

/// What to make of a UDP checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It must be right, or absent.
    Verify,
    /// The sender on the same machine left it to a device, or a device verified it.
    Trust,
}

/// Why a frame is no UDP datagram that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shorter than its headers say.
    Short,
    /// Another EtherType, IP version or protocol.
    NotUdp,
    /// A header length below the least.
    HeaderLength,
    /// A part of a datagram.
    Fragment,
    /// The IPv4 header checksum is wrong.
    IpChecksum,
    /// The UDP checksum is wrong.
    UdpChecksum,
    /// The payload to be sent is longer than a datagram can be.
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "frame shorter than its headers say",
            Self::NotUdp => "not UDP over IPv4",
            Self::HeaderLength => "header length below the least",
            Self::Fragment => "a fragment",
            Self::IpChecksum => "wrong IPv4 header checksum",
            Self::UdpChecksum => "wrong UDP checksum",
            Self::TooLong => "payload longer than a datagram can be",
        })
    }
}

impl std::error::Error for Error {}

impl<'a> UdpDatagram<'a> {
    /// Takes an untagged frame apart. IP options are skipped; fragments are refused.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(frame: &'a [u8], udp_checksum: Checksum) -> Result<Self, Error> {
        let (eth, packet) = frame.split_first_chunk::<ETHERNET_LEN>().ok_or(Error::Short)?;
        if eth[12..] != ETHERTYPE_IPV4.to_be_bytes() {
            return Err(Error::NotUdp);
        }
        let ip = packet.first_chunk::<IPV4_LEN>().ok_or(Error::Short)?;
        if ip[0] >> 4 != 4 || ip[9] != PROTOCOL_UDP {
            return Err(Error::NotUdp);
        }
        let header_len = usize::from(ip[0] & 0xf) * 4;
        if header_len < IPV4_LEN {
            return Err(Error::HeaderLength);
        }
        let total_len = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let packet = packet.get(..total_len).ok_or(Error::Short)?;
        let (header, segment) = packet.split_at_checked(header_len).ok_or(Error::Short)?;
        if checksum::of(header) != 0 {
            return Err(Error::IpChecksum);
        }
        // More fragments, or an offset.
        if u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0 {
            return Err(Error::Fragment);
        }
        let udp = segment.first_chunk::<UDP_LEN>().ok_or(Error::Short)?;
        let udp_len = u16::from_be_bytes([udp[4], udp[5]]);
        let segment = segment.get(..usize::from(udp_len)).ok_or(Error::Short)?;
        let payload = segment.get(UDP_LEN..).ok_or(Error::HeaderLength)?;
        let src = Ipv4Addr::new(ip[12], ip[13], ip[14], ip[15]);
        let dst = Ipv4Addr::new(ip[16], ip[17], ip[18], ip[19]);
        // RFC 768: zero means that the sender made no checksum.
        if udp_checksum == Checksum::Verify && udp[6..] != [0, 0] {
            let sum = checksum::add(checksum::pseudo_v4(src, dst, PROTOCOL_UDP, udp_len), segment);
            if checksum::fold(sum) != 0xffff {
                return Err(Error::UdpChecksum);
            }
        }
        Ok(Self {
            eth_dst: MacAddr([eth[0], eth[1], eth[2], eth[3], eth[4], eth[5]]),
            eth_src: MacAddr([eth[6], eth[7], eth[8], eth[9], eth[10], eth[11]]),
            src,
            dst,
            sport: u16::from_be_bytes([udp[0], udp[1]]),
            dport: u16::from_be_bytes([udp[2], udp[3]]),
            payload,
        })
    }

    /// The datagram that answers this one: both ends swapped, with another payload.
    #[must_use]
    pub fn answer<'b>(&self, payload: &'b [u8]) -> UdpDatagram<'b> {
        UdpDatagram {
            eth_src: self.eth_dst,
            eth_dst: self.eth_src,
            src: self.dst,
            dst: self.src,
            sport: self.dport,
            dport: self.sport,
            payload,
        }
    }
}

impl fmt::Display for UdpDatagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { eth_src, eth_dst, src, dst, sport, dport, payload } = self;
        write!(f, "{eth_src} > {eth_dst}, {src}:{sport} > {dst}:{dport} UDP, length {}", payload.len())
    }
}

/// Appends the frame of a datagram to `out`, with both checksums.
///
/// # Errors
/// [`Error::TooLong`]; nothing was appended then.
pub fn udp4(out: &mut Vec<u8>, datagram: &UdpDatagram<'_>) -> Result<(), Error> {
    let udp_len = UDP_LEN + datagram.payload.len();
    let total_len = u16::try_from(IPV4_LEN + udp_len).map_err(|_| Error::TooLong)?;
    let udp_len = total_len - IPV4_LEN as u16;
    out.reserve(ETHERNET_LEN + usize::from(total_len));
    ethernet(out, datagram.eth_dst, datagram.eth_src, ETHERTYPE_IPV4);

    let mut ip = [0; IPV4_LEN];
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&total_len.to_be_bytes());
    // Identification stays zero: it means nothing in a datagram that may not be fragmented (RFC 6864, 4.1).
    ip[6] = 0x40;
    ip[8] = TTL;
    ip[9] = PROTOCOL_UDP;
    ip[12..16].copy_from_slice(&datagram.src.octets());
    ip[16..].copy_from_slice(&datagram.dst.octets());
    let sum = checksum::of(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    out.extend_from_slice(&ip);

    let mut udp = [0; UDP_LEN];
    udp[..2].copy_from_slice(&datagram.sport.to_be_bytes());
    udp[2..4].copy_from_slice(&datagram.dport.to_be_bytes());
    udp[4..6].copy_from_slice(&udp_len.to_be_bytes());
    let sum = checksum::pseudo_v4(datagram.src, datagram.dst, PROTOCOL_UDP, udp_len);
    let sum = checksum::add(checksum::add(sum, &udp), datagram.payload);
    // RFC 768: a sum of zero is sent as all ones, for zero means none.
    let sum = match !checksum::fold(sum) {
        0 => 0xffff,
        sum => sum,
    };
    udp[6..].copy_from_slice(&sum.to_be_bytes());
    out.extend_from_slice(&udp);
    out.extend_from_slice(datagram.payload);
    Ok(())
}

/// The frame of an ARP message, without padding: devices pad.
#[must_use]
pub fn arp(eth_dst: MacAddr, eth_src: MacAddr, message: &Arp) -> Vec<u8> {
    let mut out = Vec::with_capacity(ETHERNET_LEN + crate::arp::LEN);
    ethernet(&mut out, eth_dst, eth_src, ETHERTYPE_ARP);
    out.extend_from_slice(&message.emit());
    out
}

/// Appends an Ethernet header.
pub fn ethernet(out: &mut Vec<u8>, dst: MacAddr, src: MacAddr, ethertype: u16) {
    out.extend_from_slice(&dst.0);
    out.extend_from_slice(&src.0);
    out.extend_from_slice(&ethertype.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(payload: &[u8]) -> UdpDatagram<'_> {
        UdpDatagram {
            eth_src: MacAddr([2, 0, 0, 0, 0, 1]),
            eth_dst: MacAddr([2, 0, 0, 0, 0, 2]),
            src: Ipv4Addr::new(10, 1, 0, 1),
            dst: Ipv4Addr::new(10, 1, 0, 2),
            sport: 67,
            dport: 68,
            payload,
        }
    }

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        udp4(&mut out, &datagram(payload)).unwrap();
        out
    }

    #[test]
    fn what_is_built_is_taken_apart_again() {
        for payload in [&b""[..], b"x", b"an odd number of octets"] {
            let mut frame = frame(payload);
            assert_eq!(UdpDatagram::parse(&frame, Checksum::Verify), Ok(datagram(payload)));
            frame.resize(frame.len().max(60), 0);
            assert_eq!(UdpDatagram::parse(&frame, Checksum::Verify), Ok(datagram(payload)), "padded");
        }
        assert_eq!(udp4(&mut Vec::new(), &datagram(&vec![0; 65_508])), Err(Error::TooLong));
    }

    #[test]
    fn each_damage_has_its_name() {
        let good = frame(b"payload");
        let damaged = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            UdpDatagram::parse(&bytes, Checksum::Verify).map(|_| ())
        };
        assert_eq!(damaged(13, 6), Err(Error::NotUdp));
        assert_eq!(damaged(23, 6), Err(Error::NotUdp));
        assert_eq!(damaged(14, 0x44), Err(Error::HeaderLength));
        assert_eq!(damaged(16, 9), Err(Error::Short));
        assert_eq!(damaged(22, 9), Err(Error::IpChecksum));
        assert_eq!(damaged(good.len() - 1, 0), Err(Error::UdpChecksum));
        assert_eq!(damaged(38, 9), Err(Error::Short));
        for len in 0..good.len() {
            assert_eq!(UdpDatagram::parse(&good[..len], Checksum::Verify), Err(Error::Short), "{len}");
        }
    }

    #[test]
    fn fragments_and_wrong_checksums_are_refused_but_unfinished_ones_are_trusted_on_request() {
        let mut bytes = frame(b"payload");
        bytes[40..42].copy_from_slice(&[0x12, 0x34]);
        assert_eq!(UdpDatagram::parse(&bytes, Checksum::Verify), Err(Error::UdpChecksum));
        assert!(UdpDatagram::parse(&bytes, Checksum::Trust).is_ok());
        bytes[40..42].copy_from_slice(&[0, 0]);
        assert!(UdpDatagram::parse(&bytes, Checksum::Verify).is_ok(), "RFC 768: none was made");
        bytes[20] = 0x20;
        bytes[24..26].fill(0);
        let sum = checksum::of(&bytes[14..34]);
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(UdpDatagram::parse(&bytes, Checksum::Verify), Err(Error::Fragment));
    }

    #[test]
    fn an_answer_goes_back_where_the_question_came_from() {
        let question = datagram(b"?");
        let answer = question.answer(b"!");
        assert_eq!((answer.eth_dst, answer.dst, answer.dport), (question.eth_src, question.src, question.sport));
        assert_eq!(answer.answer(b"?"), question);
        assert_eq!(
            question.to_string(),
            "02:00:00:00:00:01 > 02:00:00:00:00:02, 10.1.0.1:67 > 10.1.0.2:68 UDP, length 1"
        );
    }
}
