//! What the packet path reads of a packet: one pass over the IPv4 and transport headers.

use std::fmt;
use std::net::Ipv4Addr;

use etherparse::{Ipv4HeaderSlice, TcpHeaderSlice, UdpHeaderSlice};

/// EtherTypes that we know (IEEE 802 numbers registry).
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// A VLAN tag (802.1Q).
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
}

/// IP protocol numbers that we know.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
}

/// TCP flag bits (RFC 9293, 3.1).
pub mod tcp_flags {
    /// No more data.
    pub const FIN: u8 = 0x01;
    /// Synchronise.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// The acknowledgment number counts.
    pub const ACK: u8 = 0x10;
}

/// True for addresses that no router passes on (RFC 6890): "this host", loopback, link-local, reserved.
#[must_use]
pub fn is_never_routed(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    matches!(bits >> 24, 0 | 127 | 240..=255) || bits >> 16 == 0xa9fe
}

/// Why bytes are not an IPv4 packet: the field at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Version, header length or too short for a header.
    Ipv4Header,
    /// Total length below the header's or beyond what came.
    Ipv4TotalLength,
    /// The TCP header or its data offset.
    TcpHeader,
    /// The UDP header or its length.
    UdpHeader,
    /// Shorter than an ICMP header.
    IcmpHeader,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4Header => "bad IPv4 header",
            Self::Ipv4TotalLength => "bad IPv4 total length",
            Self::TcpHeader => "bad TCP header",
            Self::UdpHeader => "bad UDP header",
            Self::IcmpHeader => "bad ICMP header",
        })
    }
}

/// The transport header of a packet, as far as verdicts need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// The low eight flag bits: [`tcp_flags`].
        flags: u8,
        /// Octets of the header with options.
        header_len: u8,
    },
    /// UDP.
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// ICMP.
    Icmp {
        /// Message type.
        kind: u8,
        /// Message code.
        code: u8,
    },
    /// Any fragment: ports are not where they seem to be, or not all of the packet is here.
    Fragment,
    /// Any other protocol.
    Other,
}

/// The headers of an IPv4 packet, read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4 {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// IP protocol number.
    pub protocol: u8,
    /// Octets of the IPv4 header with options.
    pub header_len: u8,
    /// Octets of header and payload together.
    pub total_len: u16,
    /// What follows.
    pub transport: Transport,
}

impl Ipv4 {
    /// Reads the packet at the start of `bytes`; padding behind it is allowed. Never panics.
    ///
    /// # Errors
    /// The first field that makes no sense.
    #[inline(always)]
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|_| Malformed::Ipv4Header)?;
        let header_len = header.slice().len();
        let total_len = header.total_len();
        let payload = bytes.get(header_len..usize::from(total_len)).ok_or(Malformed::Ipv4TotalLength)?;
        let protocol = header.protocol().0;
        let transport = if header.is_fragmenting_payload() {
            Transport::Fragment
        } else {
            match protocol {
                protocol::TCP => {
                    let tcp = TcpHeaderSlice::from_slice(payload).map_err(|_| Malformed::TcpHeader)?;
                    Transport::Tcp {
                        source: tcp.source_port(),
                        destination: tcp.destination_port(),
                        flags: payload[13],
                        header_len: tcp.slice().len() as u8,
                    }
                }
                protocol::UDP => {
                    let udp = UdpHeaderSlice::from_slice(payload).map_err(|_| Malformed::UdpHeader)?;
                    if usize::from(udp.length()) < 8 || usize::from(udp.length()) > payload.len() {
                        return Err(Malformed::UdpHeader);
                    }
                    Transport::Udp { source: udp.source_port(), destination: udp.destination_port() }
                }
                protocol::ICMP => match payload {
                    [kind, code, _, _, ..] => Transport::Icmp { kind: *kind, code: *code },
                    _ => return Err(Malformed::IcmpHeader),
                },
                _ => Transport::Other,
            }
        };
        Ok(Self {
            source: header.source_addr(),
            destination: header.destination_addr(),
            protocol,
            header_len: header_len as u8,
            total_len,
            transport,
        })
    }

    /// Octets before the transport's payload: what each segment of a super-packet repeats.
    #[must_use]
    pub fn headers_len(&self) -> usize {
        usize::from(self.header_len)
            + match self.transport {
                Transport::Tcp { header_len, .. } => usize::from(header_len),
                Transport::Udp { .. } => 8,
                _ => 0,
            }
    }
}

impl fmt::Display for Ipv4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to, len) = (self.source, self.destination, self.total_len);
        match self.transport {
            Transport::Tcp { source, destination, flags, .. } => {
                write!(f, "IP {from}.{source} > {to}.{destination}: tcp flags {flags:#04x}, length {len}")
            }
            Transport::Udp { source, destination } => {
                write!(f, "IP {from}.{source} > {to}.{destination}: udp, length {len}")
            }
            Transport::Icmp { kind, code } => write!(f, "IP {from} > {to}: icmp type {kind} code {code}, length {len}"),
            Transport::Fragment => write!(f, "IP {from} > {to}: fragment of protocol {}, length {len}", self.protocol),
            Transport::Other => write!(f, "IP {from} > {to}: protocol {}, length {len}", self.protocol),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN: [u8; 40] = [
        0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 85, 0, 2, 203, 0, 113, 9, // IPv4
        0xc0, 0x01, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0, // TCP
    ];

    #[test]
    fn a_syn_is_read() {
        let mut padded = SYN.to_vec();
        padded.extend([0; 6]);
        let packet = Ipv4::parse(&padded).unwrap();
        assert_eq!(packet.destination, Ipv4Addr::new(203, 0, 113, 9));
        assert_eq!(packet.total_len, 40);
        assert_eq!(packet.headers_len(), 40);
        assert_eq!(
            packet.transport,
            Transport::Tcp { source: 0xc001, destination: 80, flags: tcp_flags::SYN, header_len: 20 }
        );
        assert_eq!(packet.to_string(), "IP 10.85.0.2.49153 > 203.0.113.9.80: tcp flags 0x02, length 40");
    }

    #[test]
    fn a_fragment_has_no_ports_even_the_first_one() {
        let mut first = SYN;
        first[6] = 0x20;
        assert_eq!(Ipv4::parse(&first).unwrap().transport, Transport::Fragment);
        let mut later = SYN;
        later[7] = 1;
        assert_eq!(Ipv4::parse(&later).unwrap().transport, Transport::Fragment);
    }

    #[test]
    fn lengths_that_lie_are_malformed() {
        for cut in 0..SYN.len() {
            assert!(Ipv4::parse(&SYN[..cut]).is_err(), "{cut} octets");
        }
        let mut packet = SYN;
        packet[3] = 19;
        assert_eq!(Ipv4::parse(&packet), Err(Malformed::Ipv4TotalLength));
        packet = SYN;
        packet[32] = 0xf0;
        assert_eq!(Ipv4::parse(&packet), Err(Malformed::TcpHeader));
        packet = SYN;
        packet[9] = protocol::UDP;
        packet[24..26].copy_from_slice(&21u16.to_be_bytes());
        assert_eq!(Ipv4::parse(&packet), Err(Malformed::UdpHeader));
    }
}
