//! Joining segments that follow each other in one TCP stream into a super-packet, as network cards do on receipt:
//! the kernel then routes, translates and checks forty packets as one. It is what makes a LAN without offloads fast.
//!
//! Two segments are joined only if a device that takes the super-packet apart again makes the very same packets of
//! it: all headers equal but for sequence number, identification, checksums and a last PSH (the rules of
//! Linux's GRO). Each has been judged and counted by itself before. A joined packet gets its checksum anew
//! when it leaves, so a segment's own checksum is verified first: what came damaged must not leave whole.

use wire::checksum::{fold, of, pseudo_v4};
use wire::frame::{Ipv4, Transport, protocol, tcp_flags};
use wire::vnet::VnetHeader;

use crate::checksum::is_intact;
use crate::port::Packet;

/// Streams that are open for joining at one time; more are sent as they are.
const STREAMS: usize = 8;
/// The longest super-packet; IPv4's total length is the bound.
const MAX_TOTAL: usize = 65_535;
const PSH: u8 = 0x08;

/// What is held back of the current batch.
#[derive(Default)]
pub(crate) struct Joiner {
    /// In the order in which they were opened.
    open: Vec<Open>,
}

/// A segment at `index` of the batch, which others may have been joined to.
struct Open {
    index: usize,
    stream: Stream,
    segment: Segment,
    /// Payload octets of each segment but the last.
    size: usize,
    next_sequence: u32,
    joined: bool,
    /// The first segment's checksum is known to be right.
    verified: bool,
}

/// Addresses and ports.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stream([u8; 12]);

/// A segment that may be joined: where its payload is, and what of its header decides.
#[derive(Clone, Copy)]
struct Segment {
    ip_len: usize,
    headers_len: usize,
    total_len: usize,
    sequence: u32,
    pushed: bool,
}

impl Joiner {
    /// Takes packet `index` of the batch, which is to be sent; `send` is called for what is ready, in the order of
    /// each stream.
    pub(crate) fn offer(&mut self, batch: &mut [Packet], index: usize, send: &mut dyn FnMut(&mut Packet)) {
        let Some(stream) = stream(&batch[index]) else { return send(&mut batch[index]) };
        let segment = segment(&batch[index]);
        let held = self.open.iter().position(|open| open.stream == stream);
        if let (Some(held), Some(segment)) = (held, segment)
            && let Some(full) = self.open[held].join(batch, index, &segment)
        {
            if full {
                self.release(held, batch, send);
            }
            return;
        }
        // Order within a stream: what is held goes first.
        if let Some(held) = held {
            self.release(held, batch, send);
        }
        match segment {
            Some(segment) if !segment.pushed => {
                if self.open.len() == STREAMS {
                    self.release(0, batch, send);
                }
                self.open.push(Open {
                    index,
                    stream,
                    segment,
                    size: segment.total_len - segment.headers_len,
                    next_sequence: segment.end(),
                    joined: false,
                    verified: false,
                });
            }
            _ => send(&mut batch[index]),
        }
    }

    /// Sends all that is held, at the end of a batch.
    pub(crate) fn finish(&mut self, batch: &mut [Packet], send: &mut dyn FnMut(&mut Packet)) {
        for open in self.open.drain(..) {
            open.complete(&mut batch[open.index]);
            send(&mut batch[open.index]);
        }
    }

    fn release(&mut self, held: usize, batch: &mut [Packet], send: &mut dyn FnMut(&mut Packet)) {
        let open = self.open.remove(held);
        open.complete(&mut batch[open.index]);
        send(&mut batch[open.index]);
    }
}

impl Segment {
    fn end(&self) -> u32 {
        self.sequence.wrapping_add((self.total_len - self.headers_len) as u32)
    }

    fn is_intact(&self, packet: &Packet) -> bool {
        is_intact(packet, self.ip_len, self.total_len)
    }
}

impl Open {
    /// Joins packet `index`, if it is the next one: true if nothing may follow it.
    fn join(&mut self, batch: &mut [Packet], index: usize, next: &Segment) -> Option<bool> {
        let payload_len = next.total_len - next.headers_len;
        let total = batch[self.index].l3().len() + payload_len;
        if next.sequence != self.next_sequence || payload_len > self.size || total > MAX_TOTAL {
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
        self.joined = true;
        self.next_sequence = next.end();
        Some(next.pushed || payload_len < self.size || total + self.size > MAX_TOTAL)
    }

    /// Makes the headers those of a super-packet, if it has become one.
    fn complete(&self, packet: &mut Packet) {
        if !self.joined {
            return;
        }
        let Segment { ip_len, headers_len, .. } = self.segment;
        let l3 = packet.l3_mut();
        let total = l3.len() as u16;
        l3[2..4].copy_from_slice(&total.to_be_bytes());
        l3[10..12].fill(0);
        let sum = of(&l3[..ip_len]);
        l3[10..12].copy_from_slice(&sum.to_be_bytes());
        let (source, destination) = addresses(l3);
        let pseudo = fold(pseudo_v4(source, destination, protocol::TCP, total - ip_len as u16));
        l3[ip_len + 16..ip_len + 18].copy_from_slice(&pseudo.to_be_bytes());
        packet.vnet = VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            gso_type: VnetHeader::GSO_TCPV4,
            hdr_len: headers_len as u16,
            gso_size: self.size as u16,
            csum_start: ip_len as u16,
            csum_offset: 16,
        };
    }
}

/// The stream that a packet belongs to, if it is TCP.
fn stream(packet: &Packet) -> Option<Stream> {
    let l3 = packet.l3();
    if l3.len() < 40 || l3[9] != protocol::TCP || (l3[6] & 0x3f, l3[7]) != (0, 0) {
        return None;
    }
    let ports = usize::from(l3[0] & 0x0f) * 4;
    let mut stream = [0; 12];
    stream[..8].copy_from_slice(&l3[12..20]);
    stream[8..].copy_from_slice(l3.get(ports..ports + 4)?);
    Some(Stream(stream))
}

/// The packet as a segment that may be joined: data, no flags but ACK and PSH, not a super-packet itself.
fn segment(packet: &Packet) -> Option<Segment> {
    let ip = Ipv4::parse(packet.l3()).ok()?;
    let Transport::Tcp { flags, .. } = ip.transport else { return None };
    let (headers_len, total_len) = (ip.headers_len(), usize::from(ip.total_len));
    let fits = packet.vnet.gso_type == VnetHeader::GSO_NONE
        && flags & !PSH == tcp_flags::ACK
        && headers_len < total_len
        && total_len == packet.l3().len();
    let ip_len = usize::from(ip.header_len);
    let sequence = packet.l3().get(ip_len + 4..ip_len + 8)?;
    fits.then_some(Segment {
        ip_len,
        headers_len,
        total_len,
        sequence: u32::from_be_bytes(sequence.try_into().ok()?),
        pushed: flags & PSH != 0,
    })
}

/// True if both headers are equal in all that a super-packet has only once.
fn same_headers(first: &Packet, packet: &Packet, segment: &Segment) -> bool {
    let Segment { ip_len, headers_len, .. } = *segment;
    let (Some(a), Some(b)) = (first.l3().get(..headers_len), packet.l3().get(..headers_len)) else { return false };
    // IPv4 but for total length, identification and checksum; TCP but for sequence, PSH and checksum.
    a[..2] == b[..2]
        && a[6..10] == b[6..10]
        && a[12..ip_len + 4] == b[12..ip_len + 4]
        && a[ip_len + 8..ip_len + 13] == b[ip_len + 8..ip_len + 13]
        && a[ip_len + 14..ip_len + 16] == b[ip_len + 14..ip_len + 16]
        && a[ip_len + 18..] == b[ip_len + 18..]
}

fn addresses(l3: &[u8]) -> (std::net::Ipv4Addr, std::net::Ipv4Addr) {
    let at = |n: usize| std::net::Ipv4Addr::new(l3[n], l3[n + 1], l3[n + 2], l3[n + 3]);
    (at(12), at(16))
}

#[cfg(test)]
mod tests {
    use wire::checksum::add;

    use super::*;
    use crate::port::HEADROOM;

    /// A segment of stream `port`, with its checksum complete.
    fn packet(port: u16, sequence: u32, flags: u8, payload: &[u8]) -> Packet {
        let total = 40 + payload.len() as u16;
        let mut l3 = vec![0x45, 0];
        l3.extend(total.to_be_bytes());
        l3.extend((sequence as u16).to_be_bytes());
        l3.extend([0x40, 0, 64, 6, 0, 0, 10, 85, 0, 9, 203, 0, 113, 9]);
        let sum = of(&l3);
        l3[10..12].copy_from_slice(&sum.to_be_bytes());
        l3.extend(port.to_be_bytes());
        l3.extend([0, 80]);
        l3.extend(sequence.to_be_bytes());
        l3.extend([0, 0, 0, 9, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        l3.extend(payload);
        let (source, destination) = addresses(&l3);
        let sum = !fold(add(pseudo_v4(source, destination, 6, total - 20), &l3[20..]));
        l3[36..38].copy_from_slice(&sum.to_be_bytes());
        let mut packet = Packet::new();
        packet.memory_mut()[HEADROOM..HEADROOM + l3.len()].copy_from_slice(&l3);
        packet.set_l3_len(l3.len());
        packet
    }

    const ACK: u8 = tcp_flags::ACK;

    /// What is sent of a batch: (port, sequence, payload, segment size).
    fn sent(mut batch: Vec<Packet>) -> Vec<(u16, u32, Vec<u8>, u16)> {
        let mut all = Vec::new();
        let mut send = |packet: &mut Packet| {
            let l3 = packet.l3();
            let ip = Ipv4::parse(l3).unwrap();
            assert_eq!(usize::from(ip.total_len), l3.len());
            assert_eq!(of(&l3[..20]), 0, "IPv4 checksum");
            let Transport::Tcp { source, .. } = ip.transport else { panic!("{ip}") };
            let mut finished = packet.l3()[20..].to_vec();
            if packet.vnet.needs_csum() {
                let sum = !fold(add(0, &finished));
                finished[16..18].copy_from_slice(&sum.to_be_bytes());
            }
            let pseudo = pseudo_v4(ip.source, ip.destination, 6, finished.len() as u16);
            let right = fold(add(pseudo, &finished)) == 0xffff;
            let sequence = u32::from_be_bytes(l3[24..28].try_into().unwrap());
            let payload = if right { l3[40..].to_vec() } else { b"damaged".to_vec() };
            all.push((source, sequence, payload, packet.vnet.gso_size));
        };
        let mut joiner = Joiner::default();
        for index in 0..batch.len() {
            joiner.offer(&mut batch, index, &mut send);
        }
        joiner.finish(&mut batch, &mut send);
        all
    }

    #[test]
    fn segments_in_sequence_become_one_super_packet() {
        let batch = (0..20).map(|n| packet(1, 100 + 10 * n, ACK, &[n as u8; 10])).collect();
        let payload: Vec<u8> = (0..20u8).flat_map(|n| [n; 10]).collect();
        assert_eq!(sent(batch), [(1, 100, payload, 10)]);
    }

    #[test]
    fn a_short_segment_or_a_push_ends_it_and_order_is_kept() {
        let batch = vec![
            packet(1, 0, ACK, b"aaaa"),
            packet(1, 4, ACK, b"bb"),
            packet(1, 6, ACK, b"cccc"),
            packet(1, 10, ACK | PSH, b"dddd"),
            packet(1, 14, ACK, b"eeee"),
        ];
        let expected = [(1, 0, b"aaaabb".to_vec(), 4), (1, 6, b"ccccdddd".to_vec(), 4), (1, 14, b"eeee".to_vec(), 0)];
        assert_eq!(sent(batch), expected);
    }

    #[test]
    fn streams_are_joined_beside_each_other() {
        let batch = vec![
            packet(1, 0, ACK, b"aa"),
            packet(2, 0, ACK, b"xx"),
            packet(1, 2, ACK, b"bb"),
            packet(2, 2, ACK, b"yy"),
        ];
        assert_eq!(sent(batch), [(1, 0, b"aabb".to_vec(), 2), (2, 0, b"xxyy".to_vec(), 2)]);
        let many = (0..20).map(|n| packet(n % 10, 2 * u32::from(n / 10), ACK, b"zz")).collect();
        assert_eq!(sent(many).iter().map(|(.., payload, _)| payload.len()).sum::<usize>(), 40);
    }

    #[test]
    fn what_differs_is_sent_as_it_came_and_in_order() {
        let gap = vec![packet(1, 0, ACK, b"aa"), packet(1, 4, ACK, b"cc"), packet(1, 2, ACK, b"bb")];
        assert_eq!(sent(gap).iter().map(|(_, sequence, ..)| *sequence).collect::<Vec<_>>(), [0, 4, 2]);
        let fin = vec![packet(1, 0, ACK, b"aa"), packet(1, 2, ACK | tcp_flags::FIN, b"bb"), packet(1, 5, ACK, b"")];
        assert_eq!(sent(fin).len(), 3);
        let mut window = packet(1, 2, ACK, b"bb");
        window.l3_mut()[35] ^= 1;
        assert_eq!(sent(vec![packet(1, 0, ACK, b"aa"), window]).len(), 2);
        let grown = vec![packet(1, 0, ACK, b"aa"), packet(1, 2, ACK, b"bbb")];
        assert_eq!(sent(grown).len(), 2);
        let mut other_vlan = packet(1, 2, ACK, b"bb");
        other_vlan.vlan = wire::Vlan(5);
        assert_eq!(sent(vec![packet(1, 0, ACK, b"aa"), other_vlan]).len(), 2);
    }

    #[test]
    fn damage_is_never_made_whole() {
        for damaged in 0..3 {
            let mut batch: Vec<_> = (0..3).map(|n| packet(1, 2 * n, ACK, b"aa")).collect();
            batch[damaged].l3_mut()[41] ^= 0x40;
            let sent = sent(batch);
            assert_eq!(sent.iter().filter(|(.., payload, _)| payload == b"damaged").count(), 1, "{damaged}");
        }
    }

    #[test]
    fn a_super_packet_never_outgrows_ipv4() {
        let batch: Vec<_> = (0..64).map(|n| packet(1, 1400 * n, ACK, &[1; 1400])).collect();
        let sent = sent(batch);
        assert_eq!(sent.iter().map(|(.., payload, _)| payload.len()).sum::<usize>(), 64 * 1400);
        assert_eq!(sent.len(), 2);
    }
}
