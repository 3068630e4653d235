//! The redirector: http of guests who are not logged in is answered by the packet path itself, whatever its destination,
//! with a 302 to the portal. So is everybody's to addresses that stand for ours. Nothing is remembered: no connection, no entry, no memory. A guest that opens a thousand
//! connections costs what its packets cost.
//!
//! All that an answer depends on comes with the packet that is answered. Our initial sequence number is a keyed hash
//! of the connection's ends (RFC 6528) plus the low half of the client's, shifted up, as in SYN cookies (RFC 4987,
//! 3.6). So the acknowledgment number of any later segment tells how much of our answer the client has, and together
//! with its sequence number how much it had sent before. That leaves few cases:
//!
//! * The first octets of a request are answered with the whole page and FIN in one segment, which acknowledges them. If
//!   that is lost the client sends them again, as nothing else has acknowledged them: whatever is lost, it is for the
//!   client to repeat, and the repetition gets the same answer.
//! * Later octets that were under way meanwhile get no answer: they come again, and by then the client has the page.
//! * Whatever a client sends once it has the page is acknowledged and thrown away, so that none is reset before it has
//!   read the page.
//! * FIN without a request is acknowledged with ours.
//! * What belongs to no connection of ours, say one that was open when a session ended, is reset.
//!
//! One packet gets one answer at most. We offer no option but the segment size, and no ECN.

mod page;

use std::net::Ipv4Addr;

use wire::MacAddr;
use wire::frame::{Ipv4, Transport, tcp_flags};

use self::page::{PAGE_OCTETS, Page, Way};
use crate::answer::{Answer, Header};
use crate::port::Packet;
use crate::siphash::siphash24;

/// Segments to us have at most so much payload: what passes any tunnel between an access point and us.
const SEGMENT_OCTETS: u16 = 1220;
/// Our window: two segments, because a Linux client sends none of more than half of it.
const WINDOW: u16 = 2 * SEGMENT_OCTETS;
/// RFC 9293, 3.2: the option of the maximum segment size.
const OPTIONS: [u8; 4] = [2, 4, (SEGMENT_OCTETS >> 8) as u8, SEGMENT_OCTETS as u8];

/// Answers in the name of every web server.
pub struct Redirector {
    key: [u64; 2],
    page: Page,
    alias: Option<Ipv4Addr>,
    logout: Option<Ipv4Addr>,
}

/// What a segment gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// Nothing.
    Silence,
    /// A reset.
    Reset,
    /// Our SYN, with this sequence number.
    SynAck(u32),
    /// The page and our FIN.
    Page,
    /// Our FIN.
    Fin,
    /// An acknowledgment.
    Ack,
}

impl Redirector {
    /// Leads to the portal at `portal`, a web address without a slash at the end, of at most 150 octets. The gateway's
    /// address and `names` are the portal's own. The `key` is a secret.
    #[must_use]
    pub fn new(portal: &str, gateway: Ipv4Addr, names: &[&str], key: [u64; 2]) -> Self {
        Self { key, page: Page::new(portal, gateway, names), alias: None, logout: None }
    }

    /// Leads there from `alias` as from the gateway's own address, and from `logout` to where guests log out.
    #[must_use]
    pub fn with_addresses(mut self, alias: Option<Ipv4Addr>, logout: Option<Ipv4Addr>) -> Self {
        if let Some(alias) = alias {
            self.page.is_at(alias);
        }
        Self { alias, logout, ..self }
    }

    /// True of an address that stands for ours.
    pub(crate) fn stands_for_us(&self, address: Ipv4Addr) -> bool {
        [self.alias, self.logout].contains(&Some(address))
    }

    /// Decides about a segment. `ip` must be what [`Ipv4::parse`] said of the packet.
    pub(crate) fn judge(&self, packet: &Packet, ip: &Ipv4) -> Reply {
        let Some(segment) = Segment::of(packet, ip) else { return Reply::Silence };
        let has = |flag| segment.flags & flag != 0;
        let start = self.start_of(ip, &segment);
        match (has(tcp_flags::SYN), has(tcp_flags::ACK)) {
            _ if has(tcp_flags::RST) => Reply::Silence,
            // Data in a SYN is not taken: it comes again (RFC 7413, 3: no cookie, no data). SYN with FIN has no sense.
            (true, false) if has(tcp_flags::FIN) => Reply::Silence,
            (true, false) => Reply::SynAck(start.wrapping_add(segment.sequence << 16)),
            // RFC 9293, 3.10.7.2: as a listener does.
            (false, false) => Reply::Silence,
            (true, true) => Reply::Reset,
            (false, true) => segment.judge(start),
        }
    }

    /// The answer that [`Redirector::judge`] decided upon; a reset is for others to make.
    pub(crate) fn answer(&self, reply: Reply, packet: &Packet, ip: &Ipv4, from: MacAddr) -> Option<Answer> {
        const ACK: u8 = tcp_flags::ACK;
        let segment = Segment::of(packet, ip)?;
        let (sequence, flags, options) = match reply {
            Reply::Silence | Reply::Reset => return None,
            Reply::SynAck(sequence) => (sequence, tcp_flags::SYN | ACK, &OPTIONS[..]),
            Reply::Page => (segment.acknowledgment, tcp_flags::FIN | ACK, &[][..]),
            Reply::Fin => (segment.acknowledgment, tcp_flags::FIN | ACK, &[][..]),
            Reply::Ack => (segment.acknowledgment, ACK, &[][..]),
        };
        let taken = match reply {
            Reply::SynAck(_) => 1,
            _ => segment.payload.len() as u32 + u32::from(segment.flags & tcp_flags::FIN != 0),
        };
        let header = Header { sequence, acknowledgment: segment.sequence.wrapping_add(taken), flags, window: WINDOW };
        Answer::tcp(packet, ip, from, &header, options, |answer| {
            if reply == Reply::Page {
                let way = if self.logout == Some(ip.destination) { Way::Out } else { Way::In };
                self.page.push(answer, segment.payload, way);
            }
        })
    }

    /// What our initial sequence number is made of, beside the client's.
    fn start_of(&self, ip: &Ipv4, segment: &Segment<'_>) -> u32 {
        let addresses = u64::from(ip.source.to_bits()) << 32 | u64::from(ip.destination.to_bits());
        siphash24(self.key, [addresses, u64::from(segment.source)]) as u32
    }
}

/// A segment to a web server.
struct Segment<'a> {
    source: u16,
    sequence: u32,
    acknowledgment: u32,
    flags: u8,
    window: u16,
    payload: &'a [u8],
}

impl<'a> Segment<'a> {
    fn of(packet: &'a Packet, ip: &Ipv4) -> Option<Self> {
        let Transport::Tcp { source, flags, .. } = ip.transport else { return None };
        let tcp: &[u8; 20] = packet.l3().get(usize::from(ip.header_len)..)?.first_chunk()?;
        let word = |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
        Some(Self {
            source,
            sequence: word(4),
            acknowledgment: word(8),
            flags,
            window: u16::from_be_bytes([tcp[14], tcp[15]]),
            payload: packet.l3().get(ip.headers_len()..usize::from(ip.total_len))?,
        })
    }

    /// Decides about a segment that acknowledges something, of a connection whose sequence number is made of `start`.
    fn judge(&self, start: u32) -> Reply {
        /// Our FIN alone, or after the page.
        const ALL: [u32; 2] = [1, PAGE_OCTETS as u32 + 1];
        let mark = self.acknowledgment.wrapping_sub(start).wrapping_sub(1);
        let (clients_start, has) = (mark >> 16, mark & 0xffff);
        let sent_before = self.sequence.wrapping_sub(clients_start).wrapping_sub(1) & 0xffff;
        let fin = self.flags & tcp_flags::FIN != 0;
        match has {
            _ if !(has == 0 || ALL.contains(&has)) => Reply::Reset,
            _ if self.payload.is_empty() && !fin => Reply::Silence,
            1.. => Reply::Ack,
            0 if sent_before != 0 => Reply::Silence,
            0 if self.payload.is_empty() => Reply::Fin,
            // RFC 9293, 3.8.6: not more than it has room for. Nothing is acknowledged, so it asks again.
            0 if usize::from(self.window) <= PAGE_OCTETS => Reply::Silence,
            0 => Reply::Page,
        }
    }
}

#[cfg(test)]
mod tests;
