//! Packets made of their parts, and a look at packets that came out.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use wire::MacAddr;
use wire::build::{self, UdpDatagram};
use wire::checksum::{add, fold, of, pseudo_v4};
use wire::frame::{Ipv4, Transport, protocol, tcp_flags};
use wire::vnet::VnetHeader;

/// Octets that a frame has at least, without its check sequence.
const MIN_FRAME: usize = 60;

/// A frame, padded as a device would.
#[must_use]
pub fn ethernet(destination: MacAddr, source: MacAddr, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(MIN_FRAME.max(payload.len() + 14));
    build::ethernet(&mut frame, destination, source, ethertype);
    frame.extend_from_slice(payload);
    frame.resize(frame.len().max(MIN_FRAME), 0);
    frame
}

/// An IPv4 packet of any protocol.
///
/// # Panics
/// If it is longer than a packet can be.
#[must_use]
pub fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).expect("a packet has at most 65,535 octets");
    let mut l3 = vec![0x45, 0, 0, 0, 0, 7, 0, 0, 64, protocol, 0, 0];
    l3[2..4].copy_from_slice(&total.to_be_bytes());
    l3.extend(source.octets());
    l3.extend(destination.octets());
    l3.extend_from_slice(payload);
    fix_header(&mut l3);
    l3
}

/// A TCP segment of some connection, without options.
#[must_use]
pub fn tcp(from: SocketAddrV4, to: SocketAddrV4, flags: u8, payload: &[u8]) -> Vec<u8> {
    segment(from, to, 1000, if flags & tcp_flags::ACK != 0 { 2000 } else { 0 }, flags, payload)
}

/// A TCP segment without options.
#[must_use]
pub fn segment(
    from: SocketAddrV4,
    to: SocketAddrV4,
    sequence: u32,
    acknowledgment: u32,
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[..2].copy_from_slice(&from.port().to_be_bytes());
    segment[2..4].copy_from_slice(&to.port().to_be_bytes());
    segment[4..8].copy_from_slice(&sequence.to_be_bytes());
    segment[8..12].copy_from_slice(&acknowledgment.to_be_bytes());
    segment[12..16].copy_from_slice(&[0x50, flags, 0x20, 0]);
    segment.extend_from_slice(payload);
    let mut l3 = ipv4(*from.ip(), *to.ip(), protocol::TCP, &segment);
    l3[6] = 0x40; // don't fragment
    fix_header(&mut l3);
    let sum = transport_sum(&l3);
    l3[36..38].copy_from_slice(&(!sum).to_be_bytes());
    l3
}

/// A UDP datagram.
///
/// # Panics
/// If the payload is longer than a datagram can carry.
#[must_use]
pub fn udp(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let datagram = UdpDatagram {
        eth_src: MacAddr::ZERO,
        eth_dst: MacAddr::ZERO,
        src: *from.ip(),
        dst: *to.ip(),
        sport: from.port(),
        dport: to.port(),
        payload,
    };
    build::udp4(&mut frame, &datagram).expect("the payload fits a datagram");
    frame.split_off(build::ETHERNET_LEN)
}

/// An ICMP message without more than its header.
#[must_use]
pub fn icmp(source: Ipv4Addr, destination: Ipv4Addr, kind: u8, code: u8) -> Vec<u8> {
    let mut message = [kind, code, 0, 0, 0, 1, 0, 1];
    let sum = of(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ipv4(source, destination, protocol::ICMP, &message)
}

/// An IPv6 packet with nothing in it.
#[must_use]
pub fn ipv6(source: [u8; 16], destination: [u8; 16], next_header: u8) -> Vec<u8> {
    let mut l3 = vec![0x60, 0, 0, 0, 0, 8, next_header, 64];
    l3.extend(source);
    l3.extend(destination);
    l3.extend([0, 1, 0, 2, 0, 8, 0, 0]);
    l3
}

/// Makes a packet a fragment: `offset` in units of eight octets.
pub fn make_fragment(l3: &mut [u8], offset: u16, more: bool) {
    let field = offset | if more { 0x2000 } else { 0 };
    l3[6..8].copy_from_slice(&field.to_be_bytes());
    fix_header(l3);
}

/// A TCP super-packet of `payload` octets as a device with offloads hands it over: the checksum is unfinished, and the
/// kernel will cut it into segments of `mss` octets.
#[must_use]
pub fn super_packet(from: SocketAddrV4, to: SocketAddrV4, payload: usize, mss: u16) -> (Vec<u8>, VnetHeader) {
    let mut l3 = tcp(from, to, tcp_flags::ACK, &vec![0x5a; payload]);
    let vnet = make_super(&mut l3, mss);
    (l3, vnet)
}

/// Makes a TCP packet a super-packet.
///
/// # Panics
/// If it is none.
pub fn make_super(l3: &mut [u8], mss: u16) -> VnetHeader {
    let ip = Ipv4::parse(l3).expect("a TCP packet");
    let pseudo = pseudo_v4(ip.source, ip.destination, protocol::TCP, ip.total_len - 20);
    l3[36..38].copy_from_slice(&fold(pseudo).to_be_bytes());
    VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: VnetHeader::GSO_TCPV4,
        hdr_len: 40,
        gso_size: mss,
        csum_start: 20,
        csum_offset: 16,
    }
}

/// Makes the header checksum right again.
pub fn fix_header(l3: &mut [u8]) {
    l3[10..12].copy_from_slice(&[0, 0]);
    let len = usize::from(l3[0] & 0xf) * 4;
    let sum = of(&l3[..len]);
    l3[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// The transport checksum over pseudo header and payload; 0xffff if it is right.
fn transport_sum(l3: &[u8]) -> u16 {
    let Ok(ip) = Ipv4::parse(l3) else { return 0 };
    let payload = &l3[usize::from(ip.header_len)..usize::from(ip.total_len)];
    fold(add(pseudo_v4(ip.source, ip.destination, ip.protocol, payload.len() as u16), payload))
}

/// An IPv4 packet that came out of the gateway.
#[derive(Clone)]
pub struct Seen {
    /// Its headers.
    pub ip: Ipv4,
    /// All of it.
    pub l3: Vec<u8>,
    /// Its offload facts.
    pub vnet: VnetHeader,
}

impl Seen {
    /// The packet in these octets.
    ///
    /// # Panics
    /// If they are none: the gateway must not send what it would not take.
    #[must_use]
    pub fn new(l3: &[u8], vnet: VnetHeader) -> Self {
        let ip = Ipv4::parse(l3).unwrap_or_else(|error| panic!("the gateway sent a packet with a {error}: {l3:02x?}"));
        Self { ip, l3: l3.to_vec(), vnet }
    }

    /// Source, of TCP and UDP with the port.
    #[must_use]
    pub fn from(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip.source, self.ports().0)
    }

    /// Destination, of TCP and UDP with the port.
    #[must_use]
    pub fn to(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip.destination, self.ports().1)
    }

    /// What follows the transport header, without padding.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.l3[self.ip.headers_len()..usize::from(self.ip.total_len)]
    }

    /// True for a TCP segment with RST.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        self.has(tcp_flags::RST)
    }

    /// True for a TCP segment with this flag.
    #[must_use]
    pub fn has(&self, flag: u8) -> bool {
        matches!(self.ip.transport, Transport::Tcp { flags, .. } if flags & flag != 0)
    }

    /// A TCP segment's sequence number and acknowledgment number.
    #[must_use]
    pub fn numbers(&self) -> (u32, u32) {
        let word = |at: usize| u32::from_be_bytes([self.l3[at], self.l3[at + 1], self.l3[at + 2], self.l3[at + 3]]);
        let tcp = usize::from(self.ip.header_len);
        (word(tcp + 4), word(tcp + 8))
    }

    /// A TCP segment's window.
    #[must_use]
    pub fn window(&self) -> u16 {
        let at = usize::from(self.ip.header_len) + 14;
        u16::from_be_bytes([self.l3[at], self.l3[at + 1]])
    }

    /// True for ICMP "communication administratively prohibited".
    #[must_use]
    pub fn is_prohibition(&self) -> bool {
        matches!(self.ip.transport, Transport::Icmp { kind: 3, code: 13 })
    }

    /// True if the IPv4 header's checksum and that of TCP or UDP are right, or left to the device.
    #[must_use]
    pub fn has_right_checksums(&self) -> bool {
        let header = of(&self.l3[..usize::from(self.ip.header_len)]) == 0;
        let transport = match self.ip.transport {
            Transport::Tcp { .. } | Transport::Udp { .. } if !self.vnet.needs_csum() => {
                transport_sum(&self.l3) == 0xffff
            }
            _ => true,
        };
        header && transport
    }

    /// The packet that a host would answer with: ends swapped; SYN is answered by SYN and ACK, an echo request by an
    /// echo reply, and everything else by `payload`.
    #[must_use]
    pub fn answered(&self, payload: &[u8]) -> Vec<u8> {
        match self.ip.transport {
            Transport::Tcp { flags, .. } if flags & tcp_flags::SYN != 0 => {
                tcp(self.to(), self.from(), tcp_flags::SYN | tcp_flags::ACK, &[])
            }
            Transport::Tcp { .. } => tcp(self.to(), self.from(), tcp_flags::ACK, payload),
            Transport::Icmp { .. } => icmp(self.ip.destination, self.ip.source, 0, 0),
            _ => udp(self.to(), self.from(), payload),
        }
    }

    fn ports(&self) -> (u16, u16) {
        match self.ip.transport {
            Transport::Tcp { source, destination, .. } | Transport::Udp { source, destination } => {
                (source, destination)
            }
            _ => (0, 0),
        }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.ip, f)
    }
}
