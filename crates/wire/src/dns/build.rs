//! The few messages that a forwarder makes itself. An OPT record is answered by an OPT record (RFC 6891, 6.1.1).

use std::net::Ipv4Addr;

use super::{Class, HEADER_LEN, Header, Message, Rcode, Section, Type};

/// The UDP payload that we take and announce: with 48 octets of headers it is the least
/// MTU of IPv6, so it passes everywhere without fragments.
pub const OUR_UDP_SIZE: u16 = 1232;
/// Octets of an OPT record without options.
pub const OPT_LEN: usize = 11;

/// The answer to an A query: one address.
#[must_use]
pub fn answer_a(asked: &Message<'_>, address: Ipv4Addr, ttl_secs: u32) -> Vec<u8> {
    let mut record = Vec::with_capacity(16);
    // A pointer to the question's name.
    record.extend_from_slice(&[0xc0, HEADER_LEN as u8]);
    record.extend_from_slice(&Type::A.0.to_be_bytes());
    record.extend_from_slice(&Class::IN.0.to_be_bytes());
    record.extend_from_slice(&ttl_secs.to_be_bytes());
    record.extend_from_slice(&4u16.to_be_bytes());
    record.extend_from_slice(&address.octets());
    reply(asked, Header::AA, Rcode::NO_ERROR, Some(&record))
}

/// The name exists but has no record of this type. There is no SOA record with it: the nothing is not cached
/// (RFC 2308, 5), which suits a name of a gateway that may move.
#[must_use]
pub fn no_data(asked: &Message<'_>) -> Vec<u8> {
    reply(asked, Header::AA, Rcode::NO_ERROR, None)
}

/// No answer, and why: REFUSED, SERVFAIL, NXDOMAIN, NOTIMP, BADVERS.
#[must_use]
pub fn failure(asked: &Message<'_>, rcode: Rcode) -> Vec<u8> {
    reply(asked, 0, rcode, None)
}

/// No answer to something whose question could not be read: a header alone.
#[must_use]
pub fn bare_failure(asked: &Header, rcode: Rcode) -> Vec<u8> {
    Header { id: asked.id, flags: reply_flags(asked, 0, rcode), ..Header::default() }.emit().to_vec()
}

/// A recursive query for the same question as `asked`, and nothing else of it: no options, no flags, no other
/// records. With an OPT record if `asked` had one, whose size is at most ours.
#[must_use]
pub fn query(id: u16, asked: &Message<'_>) -> Vec<u8> {
    let with_opt = asked.edns().is_some();
    let header = Header { id, flags: Header::RD, qdcount: 1, arcount: u16::from(with_opt), ..Header::default() };
    let mut bytes = header.emit().to_vec();
    bytes.extend_from_slice(asked.question());
    if with_opt {
        bytes.extend_from_slice(&opt(asked.udp_limit().min(OUR_UDP_SIZE), Rcode::NO_ERROR));
    }
    bytes
}

/// A resolver's `answer` as it goes to who asked: with the identifier and the question exactly as `asked` had them
/// (a client may check the case of each letter), without what no client needs. That leaves the answer section or, if it
/// is empty, the authority section, whose SOA record says how long the nothing lasts. What exceeds `limit` octets is
/// cut off between records and TC is set (RFC 2181, 9).
///
/// Names stay whole because pointers lead backwards only. `answer` and `asked` must have the same question.
#[must_use]
pub fn relay(answer: &Message<'_>, asked: &Message<'_>, limit: u16) -> Vec<u8> {
    let with_opt = asked.edns().is_some();
    let room = usize::from(limit).saturating_sub(if with_opt { OPT_LEN } else { 0 });
    let section = if answer.header().ancount > 0 { Section::Answer } else { Section::Authority };
    let start = HEADER_LEN + answer.question().len();
    let (mut end, mut count, mut cut) = (start, 0, 0);
    for record in answer.records().take_while(|record| record.section == section) {
        if record.end > room {
            cut = Header::TC;
            break;
        }
        end = record.end;
        count += 1;
    }
    let header = Header {
        id: asked.header().id,
        flags: answer.header().flags & !Header::Z | cut,
        qdcount: 1,
        ancount: if section == Section::Answer { count } else { 0 },
        nscount: if section == Section::Authority { count } else { 0 },
        arcount: u16::from(with_opt),
    };
    let mut bytes = header.emit().to_vec();
    bytes.extend_from_slice(asked.question());
    bytes.extend_from_slice(answer.octets(start, end));
    if with_opt {
        bytes.extend_from_slice(&opt(OUR_UDP_SIZE, Rcode::NO_ERROR));
    }
    bytes
}

/// An OPT record: a UDP payload size, version 0, no options.
#[must_use]
pub fn opt(udp_size: u16, rcode: Rcode) -> [u8; OPT_LEN] {
    let [t0, t1] = Type::OPT.0.to_be_bytes();
    let [s0, s1] = udp_size.to_be_bytes();
    [0, t0, t1, s0, s1, (rcode.0 >> 4) as u8, 0, 0, 0, 0, 0]
}

fn reply(asked: &Message<'_>, flags: u16, rcode: Rcode, answer: Option<&[u8]>) -> Vec<u8> {
    let with_opt = asked.edns().is_some();
    let header = Header {
        id: asked.header().id,
        flags: reply_flags(&asked.header(), flags, rcode),
        qdcount: 1,
        ancount: u16::from(answer.is_some()),
        nscount: 0,
        arcount: u16::from(with_opt),
    };
    let mut bytes = header.emit().to_vec();
    bytes.extend_from_slice(asked.question());
    bytes.extend_from_slice(answer.unwrap_or_default());
    if with_opt {
        bytes.extend_from_slice(&opt(OUR_UDP_SIZE, rcode));
    }
    bytes
}

/// Opcode and RD are copied (RFC 1035, 4.1.1).
fn reply_flags(asked: &Header, flags: u16, rcode: Rcode) -> u16 {
    Header::QR | asked.flags & (0x7800 | Header::RD) | Header::RA | flags | rcode.0 & 0xf
}
