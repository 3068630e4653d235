//! Joining packets that follow each other in one TCP or UDP stream into a super-packet, as network cards do on receipt:
//! the kernel then takes, routes, translates and checks up to 64 packets as one. It is what makes a LAN without offloads
//! fast, and small packets.
//!
//! Packets are joined only if a device that takes the super-packet apart again makes the very same packets of it: all
//! headers equal but for sequence number, checksums and a last PSH, identifications in sequence or without a meaning (the
//! rules of Linux's GRO). Each has been judged and counted by itself before. A joined packet gets its checksum anew
//! when it leaves, so a packet's own checksum is verified first: what came damaged must not leave whole.

use wire::checksum::{fold, of, pseudo_v4};
use wire::frame::{Ipv4, Transport, protocol, tcp_flags};
use wire::vnet::VnetHeader;

use crate::checksum::is_intact;
use crate::port::{Packet, Segmentation};
use crate::pump::BATCH;

/// Places in which an open stream is looked for. Two streams of a batch that want the same one are joined less.
const PLACES: usize = 256;
const NOWHERE: u8 = u8::MAX;
const _: () = assert!(BATCH < NOWHERE as usize);
/// The longest super-packet; IPv4's total length is the bound.
const MAX_TOTAL: usize = 65_535;
const PSH: u8 = 0x08;
const UDP_HEADER: usize = 8;

/// What is to be sent of the current batch.
pub(crate) struct Joiner {
    segmentation: Segmentation,
    /// Packets that go, in the order in which they came.
    ready: Vec<usize>,
    /// Those of the batch before.
    sent: Vec<usize>,
    /// Packets of `ready` that others were or may be joined to.
    open: Vec<Open>,
    /// Where in `open` a stream is, by its hash.
    places: [u8; PLACES],
}

/// A packet at `index` of the batch, which others may have been joined to.
struct Open {
    index: usize,
    stream: Stream,
    segment: Segment,
    /// Payload octets of each segment but the last.
    size: usize,
    next_sequence: u32,
    segments: u16,
    /// The first segment's checksum is known to be right.
    verified: bool,
}

/// Addresses, ports and protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stream {
    addresses: u64,
    ports: u32,
    protocol: u8,
}

/// A packet that may be joined: where its payload is, and what of its header decides.
#[derive(Clone, Copy)]
struct Segment {
    protocol: u8,
    ip_len: usize,
    headers_len: usize,
    total_len: usize,
    /// None has a meaning in UDP.
    sequence: u32,
    identification: u16,
    /// Not to be fragmented: then the identification means nothing (RFC 6864, 4.1).
    atomic: bool,
    pushed: bool,
}

impl Joiner {
    /// For packets to a device that cuts what `segmentation` says.
    pub(crate) fn new(segmentation: Segmentation) -> Self {
        let list = || Vec::with_capacity(BATCH);
        let open = Vec::with_capacity(BATCH);
        Self { segmentation, ready: list(), sent: list(), open, places: [NOWHERE; PLACES] }
    }

    /// Takes packet `index` of the batch, which is to be sent.
    pub(crate) fn offer(&mut self, batch: &mut [Packet], index: usize) {
        let Some(stream) = self.stream(&batch[index]) else { return self.ready.push(index) };
        let segment = segment(&batch[index]);
        let place = stream.place();
        if let Some(open) = self.open.get_mut(usize::from(self.places[place])) {
            if open.stream == stream
                && let Some(segment) = segment
                && let Some(full) = open.join(batch, index, &segment)
            {
                if full {
                    self.places[place] = NOWHERE;
                }
                return;
            }
            self.places[place] = NOWHERE;
        }
        self.ready.push(index);
        if let Some(segment) = segment.filter(|segment| !segment.pushed && self.open.len() < usize::from(NOWHERE)) {
            self.places[place] = self.open.len() as u8;
            self.open.push(Open {
                index,
                stream,
                segment,
                size: segment.payload_len(),
                next_sequence: segment.end(),
                segments: 1,
                verified: false,
            });
        }
    }

    /// What is to be sent of the batch, in order. The next batch begins.
    pub(crate) fn finish(&mut self, batch: &mut [Packet]) -> &[usize] {
        for open in self.open.drain(..) {
            self.places[open.stream.place()] = NOWHERE;
            open.complete(&mut batch[open.index]);
        }
        std::mem::swap(&mut self.ready, &mut self.sent);
        self.ready.clear();
        &self.sent
    }

    /// The stream that a packet belongs to, if it is of a kind that the device can cut.
    fn stream(&self, packet: &Packet) -> Option<Stream> {
        let l3 = packet.l3();
        let protocol = *l3.get(9)?;
        let is_cut = match protocol {
            protocol::TCP => self.segmentation.tcp,
            protocol::UDP => self.segmentation.udp,
            _ => false,
        };
        let is_fragment = (l3[6] & 0x3f, l3[7]) != (0, 0);
        if !is_cut || is_fragment {
            return None;
        }
        let ports = l3.get(usize::from(l3[0] & 0x0f) * 4..)?.first_chunk()?;
        let addresses = u64::from_ne_bytes(*l3.get(12..20)?.first_chunk()?);
        Some(Stream { addresses, ports: u32::from_ne_bytes(*ports), protocol })
    }
}

impl Stream {
    fn place(&self) -> usize {
        let all = self.addresses ^ u64::from(self.ports) << 16 ^ u64::from(self.protocol);
        (all.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % PLACES
    }
}

impl Segment {
    fn payload_len(&self) -> usize {
        self.total_len - self.headers_len
    }

    fn end(&self) -> u32 {
        self.sequence.wrapping_add(self.payload_len() as u32)
    }

    fn is_intact(&self, packet: &Packet) -> bool {
        is_intact(packet, self.ip_len, self.total_len)
    }
}

impl Open {
    /// Joins packet `index`, if it is the next one: true if nothing may follow it.
    fn join(&mut self, batch: &mut [Packet], index: usize, next: &Segment) -> Option<bool> {
        let payload_len = next.payload_len();
        let total = batch[self.index].l3().len() + payload_len;
        let follows = next.protocol == protocol::UDP || next.sequence == self.next_sequence;
        let is_numbered = next.atomic || next.identification == self.segment.identification.wrapping_add(self.segments);
        if !follows || !is_numbered || payload_len > self.size || total > MAX_TOTAL {
            return None;
        }
        let (before, after) = batch.split_at_mut(index);
        let (first, packet) = (before.get_mut(self.index)?, after.first()?);
        if !same_headers(first, packet, next) || first.vlan != packet.vlan || !next.is_intact(packet) {
            return None;
        }
        if !self.verified && !self.segment.is_intact(first) {
            return None;
        }
        self.verified = true;
        if !first.extend_l3(&packet.l3()[next.headers_len..next.total_len]) {
            return None;
        }
        if next.pushed {
            first.l3_mut()[self.segment.ip_len + 13] |= PSH;
        }
        self.segments += 1;
        self.next_sequence = next.end();
        Some(next.pushed || payload_len < self.size || total + self.size > MAX_TOTAL)
    }

    /// Makes the headers those of a super-packet, if it has become one.
    fn complete(&self, packet: &mut Packet) {
        if self.segments == 1 {
            return;
        }
        let Segment { protocol, ip_len, headers_len, .. } = self.segment;
        let l3 = packet.l3_mut();
        let total = l3.len() as u16;
        l3[2..4].copy_from_slice(&total.to_be_bytes());
        l3[10..12].fill(0);
        let sum = of(&l3[..ip_len]);
        l3[10..12].copy_from_slice(&sum.to_be_bytes());
        let (source, destination) = addresses(l3);
        let transport_len = total - ip_len as u16;
        let (gso_type, checksum_at) = if protocol == protocol::UDP {
            l3[ip_len + 4..ip_len + 6].copy_from_slice(&transport_len.to_be_bytes());
            (VnetHeader::GSO_UDP_L4, 6)
        } else {
            (VnetHeader::GSO_TCPV4, 16)
        };
        let pseudo = fold(pseudo_v4(source, destination, protocol, transport_len));
        l3[ip_len + checksum_at..ip_len + checksum_at + 2].copy_from_slice(&pseudo.to_be_bytes());
        packet.vnet = VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            gso_type,
            hdr_len: headers_len as u16,
            gso_size: self.size as u16,
            csum_start: ip_len as u16,
            csum_offset: checksum_at as u16,
        };
    }
}

/// The packet as one that may be joined: data, of TCP no flags but ACK and PSH, not a super-packet itself.
fn segment(packet: &Packet) -> Option<Segment> {
    let l3 = packet.l3();
    let ip = Ipv4::parse(l3).ok()?;
    let (ip_len, total_len) = (usize::from(ip.header_len), usize::from(ip.total_len));
    let headers_len = ip.headers_len();
    let (sequence, pushed) = match ip.transport {
        Transport::Tcp { flags, .. } if flags & !PSH == tcp_flags::ACK => {
            (u32::from_be_bytes(*l3.get(ip_len + 4..)?.first_chunk()?), flags & PSH != 0)
        }
        // A datagram without a checksum would get one.
        Transport::Udp { .. } if udp_len(l3, ip_len) == total_len - ip_len && l3[ip_len + 6..ip_len + 8] != [0, 0] => {
            (0, false)
        }
        _ => return None,
    };
    let fits =
        packet.vnet.gso_type == VnetHeader::GSO_NONE && headers_len < total_len && total_len == packet.l3().len();
    fits.then_some(Segment {
        protocol: ip.protocol,
        ip_len,
        headers_len,
        total_len,
        sequence,
        identification: u16::from_be_bytes([l3[4], l3[5]]),
        atomic: l3[6] & 0x40 != 0,
        pushed,
    })
}

/// What the UDP header says; it was found to be whole.
fn udp_len(l3: &[u8], ip_len: usize) -> usize {
    usize::from(u16::from_be_bytes([l3[ip_len + 4], l3[ip_len + 5]]))
}

/// True if both headers are equal in all that a super-packet has only once.
fn same_headers(first: &Packet, packet: &Packet, segment: &Segment) -> bool {
    let Segment { protocol, ip_len, headers_len, .. } = *segment;
    let (Some(a), Some(b)) = (first.l3().get(..headers_len), packet.l3().get(..headers_len)) else { return false };
    // IPv4 but for total length, identification and checksum; of UDP the ports...
    let same = a[..2] == b[..2] && a[6..10] == b[6..10] && a[12..ip_len + 4] == b[12..ip_len + 4];
    if protocol == protocol::UDP {
        return same && headers_len == ip_len + UDP_HEADER;
    }
    // ...and TCP but for sequence, PSH and checksum.
    same && a[ip_len + 8..ip_len + 13] == b[ip_len + 8..ip_len + 13]
        && a[ip_len + 14..ip_len + 16] == b[ip_len + 14..ip_len + 16]
        && a[ip_len + 18..] == b[ip_len + 18..]
}

fn addresses(l3: &[u8]) -> (std::net::Ipv4Addr, std::net::Ipv4Addr) {
    let at = |n: usize| std::net::Ipv4Addr::new(l3[n], l3[n + 1], l3[n + 2], l3[n + 3]);
    (at(12), at(16))
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;
