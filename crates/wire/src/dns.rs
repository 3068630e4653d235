//! DNS messages, as far as a forwarder reads them (RFC 1035, 6891).
//!
//! [`Message::parse`] walks the whole message once: header, the single question, every record and every
//! owner name. Whatever it accepts can be walked again without failing. It takes any bytes and never panics.
//!
//! Written here and not taken from the `domain` crate: a forwarder needs the question, a walk over records and
//! five fixed answers, which is less code than the adapters around a general library would be.

use std::fmt;
use std::net::Ipv4Addr;

mod build;
mod codes;
mod name;

pub use build::{OPT_LEN, OUR_UDP_SIZE, answer_a, bare_failure, failure, no_data, opt, query, relay};
pub use codes::{Class, Rcode, Type};
pub use name::{Labels, MAX_LEN as MAX_NAME_LEN, Name, NameBuf, ParseNameError};

/// Octets of the header (RFC 1035, 4.1.1).
pub const HEADER_LEN: usize = 12;
/// The longest message of somebody who did not send an OPT record (RFC 1035, 4.2.1).
pub const PLAIN_LIMIT: u16 = 512;

/// Why bytes are no message that we read; each names the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The message ends inside this field.
    Short(&'static str),
    /// A name has a reserved label type, is longer than 255 octets, or is compressed where it cannot be.
    Name,
    /// A pointer does not point backwards, or a name follows too many of them.
    Pointer,
    /// There is not exactly one question.
    QuestionCount(u16),
    /// There is more than one OPT record, or one that does not belong to the root (RFC 6891, 6.1.1).
    Opt,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(field) => write!(f, "the message ends inside the {field}"),
            Self::Name => f.write_str("a name is malformed"),
            Self::Pointer => f.write_str("a compression pointer does not lead backwards"),
            Self::QuestionCount(n) => write!(f, "there are {n} questions, expected one"),
            Self::Opt => f.write_str("the OPT record is repeated or not at the root"),
        }
    }
}

impl std::error::Error for Error {}

/// The header (RFC 1035, 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Header {
    /// Chosen by who asks, repeated by who answers.
    pub id: u16,
    /// QR, Opcode, AA, TC, RD, RA, Z, AD, CD, RCODE.
    pub flags: u16,
    /// Entries in the question section.
    pub qdcount: u16,
    /// Records in the answer section.
    pub ancount: u16,
    /// Records in the authority section.
    pub nscount: u16,
    /// Records in the additional section.
    pub arcount: u16,
}

impl Header {
    /// Flag: this is a response.
    pub const QR: u16 = 0x8000;
    /// Flag: the answer is authoritative.
    pub const AA: u16 = 0x0400;
    /// Flag: the answer did not fit.
    pub const TC: u16 = 0x0200;
    /// Flag: recursion desired.
    pub const RD: u16 = 0x0100;
    /// Flag: recursion available.
    pub const RA: u16 = 0x0080;
    /// Flag: reserved, zero.
    pub const Z: u16 = 0x0040;

    /// Reads the header; `None` if there are fewer than twelve octets.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let b: &[u8; HEADER_LEN] = bytes.get(..HEADER_LEN)?.try_into().ok()?;
        let word = |at: usize| u16::from_be_bytes([b[at], b[at + 1]]);
        Some(Self {
            id: word(0),
            flags: word(2),
            qdcount: word(4),
            ancount: word(6),
            nscount: word(8),
            arcount: word(10),
        })
    }

    /// The twelve octets.
    #[must_use]
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let words = [self.id, self.flags, self.qdcount, self.ancount, self.nscount, self.arcount];
        for (pair, word) in bytes.chunks_exact_mut(2).zip(words) {
            pair.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// True for a response.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.flags & Self::QR != 0
    }

    /// 0 is a standard query.
    #[must_use]
    pub fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0xf) as u8
    }

    /// The four bits of RCODE that fit the header.
    #[must_use]
    pub fn rcode(&self) -> Rcode {
        Rcode(self.flags & 0xf)
    }
}

/// The part of the message that a record stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Records that answer the question.
    Answer,
    /// Records that say who would know.
    Authority,
    /// Everything else, OPT included.
    Additional,
}

/// One record (RFC 1035, 4.1.3).
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it stands.
    pub section: Section,
    /// NAME: what it is about.
    pub owner: Name<'a>,
    /// TYPE
    pub rtype: Type,
    /// CLASS; the sender's UDP payload size in an OPT record.
    pub class: Class,
    /// TTL in seconds; flags in an OPT record.
    pub ttl_secs: u32,
    /// RDATA
    pub rdata: &'a [u8],
    /// Offset of the TTL field in the message, for who rewrites it.
    pub ttl_at: usize,
    /// Offset of the first octet after the record.
    pub end: usize,
    message: &'a [u8],
}

impl<'a> Record<'a> {
    /// The address of an A record.
    #[must_use]
    pub fn address(&self) -> Option<Ipv4Addr> {
        match (self.rtype, self.class, self.rdata) {
            (Type::A, Class::IN, &[a, b, c, d]) => Some(Ipv4Addr::new(a, b, c, d)),
            _ => None,
        }
    }

    /// The target of a CNAME record, if it is a name.
    #[must_use]
    pub fn cname(&self) -> Option<Name<'a>> {
        if (self.rtype, self.class) != (Type::CNAME, Class::IN) {
            return None;
        }
        let (name, end) = Name::parse(self.message, self.end - self.rdata.len()).ok()?;
        (end == self.end).then_some(name)
    }

    /// The addresses that an HTTPS or SVCB record gives beside its target (ipv4hint, RFC 9460, 7.3); clients may use them
    /// without asking for an address at all.
    pub fn ipv4_hints(&self) -> impl Iterator<Item = Ipv4Addr> + use<'a> {
        let is_service = matches!(self.rtype, Type::HTTPS | Type::SVCB) && self.class == Class::IN;
        let hints = if is_service { service_parameter(self.rdata, IPV4_HINT) } else { None };
        hints.unwrap_or_default().chunks_exact(4).map(|a| Ipv4Addr::new(a[0], a[1], a[2], a[3]))
    }
}

const IPV4_HINT: u16 = 4;

/// The value of a parameter of a service record (RFC 9460, 2.2): priority, target name without compression, then
/// parameters in ascending order of their keys.
fn service_parameter(rdata: &[u8], wanted: u16) -> Option<&[u8]> {
    let (priority, mut rest) = rdata.split_first_chunk::<2>()?;
    if *priority == [0, 0] {
        return None; // 2.4.2: an alias has no parameters
    }
    loop {
        let (&length, after) = rest.split_first()?;
        rest = after.get(usize::from(length)..)?;
        if length == 0 {
            break;
        }
    }
    while let Some((&[k0, k1, l0, l1], after)) = rest.split_first_chunk::<4>() {
        let (value, after) = after.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        if u16::from_be_bytes([k0, k1]) == wanted {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// What an OPT record says (RFC 6891, 6.1.2, 6.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The longest UDP payload that its sender takes.
    pub udp_size: u16,
    /// The EDNS version; ours is 0.
    pub version: u8,
    /// DO: DNSSEC records are welcome.
    pub dnssec_ok: bool,
    /// Offset of `udp_size` in the message, for who rewrites it.
    pub udp_size_at: usize,
}

/// A message that was walked once from front to back.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    header: Header,
    question_end: usize,
    edns: Option<Edns>,
}

impl<'a> Message<'a> {
    /// Checks the whole message. Octets after the last record are ignored.
    ///
    /// # Errors
    /// The first field that is malformed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let header = Header::parse(bytes).ok_or(Error::Short("header"))?;
        if header.qdcount != 1 {
            return Err(Error::QuestionCount(header.qdcount));
        }
        // A pointer is refused here: nothing stands before the first name. So the question is one plain piece.
        let (_, name_end) = Name::parse(bytes, HEADER_LEN)?;
        let question_end = name_end + 4;
        if bytes.len() < question_end {
            return Err(Error::Short("question"));
        }
        let mut message = Self { bytes, header, question_end, edns: None };
        let mut walk = message.records();
        while let Some(record) = walk.step()? {
            if record.rtype == Type::OPT {
                if message.edns.is_some() || !record.owner.is_root() || record.section != Section::Additional {
                    return Err(Error::Opt);
                }
                message.edns = Some(Edns {
                    udp_size: record.class.0,
                    version: (record.ttl_secs >> 16) as u8,
                    dnssec_ok: record.ttl_secs & 0x8000 != 0,
                    udp_size_at: record.ttl_at - 2,
                });
            }
        }
        Ok(message)
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> Header {
        self.header
    }

    /// QNAME, in the case that it was sent in.
    #[must_use]
    pub fn qname(&self) -> Name<'a> {
        Name::checked(self.bytes, HEADER_LEN)
    }

    /// QTYPE
    #[must_use]
    pub fn qtype(&self) -> Type {
        Type(self.word(self.question_end - 4))
    }

    /// QCLASS
    #[must_use]
    pub fn qclass(&self) -> Class {
        Class(self.word(self.question_end - 2))
    }

    /// The octets of the question section.
    #[must_use]
    pub fn question(&self) -> &'a [u8] {
        &self.bytes[HEADER_LEN..self.question_end]
    }

    /// True if both ask for the same; names differ in case at most (RFC 4343, 3).
    #[must_use]
    pub fn same_question(&self, other: &Message<'_>) -> bool {
        (self.qtype(), self.qclass()) == (other.qtype(), other.qclass()) && self.qname() == other.qname()
    }

    /// The OPT record, if there is one.
    #[must_use]
    pub fn edns(&self) -> Option<Edns> {
        self.edns
    }

    /// The longest UDP payload that the sender takes: 512 without OPT and never less (RFC 6891, 6.2.3).
    #[must_use]
    pub fn udp_limit(&self) -> u16 {
        self.edns.map_or(PLAIN_LIMIT, |edns| edns.udp_size.max(PLAIN_LIMIT))
    }

    /// The records of all three sections, in order.
    #[must_use]
    pub fn records(&self) -> Records<'a> {
        let Header { ancount, nscount, arcount, .. } = self.header;
        Records { bytes: self.bytes, at: self.question_end, left: [ancount, nscount, arcount] }
    }

    fn octets(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]])
    }
}

/// The walk over a message's records.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    left: [u16; 3],
}

impl<'a> Records<'a> {
    fn step(&mut self) -> Result<Option<Record<'a>>, Error> {
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        let Some((left, section)) = self.left.iter_mut().zip(sections).find(|(left, _)| **left > 0) else {
            return Ok(None);
        };
        *left -= 1;
        let (owner, fixed_at) = Name::parse(self.bytes, self.at)?;
        let fixed: &[u8; 10] = self
            .bytes
            .get(fixed_at..fixed_at + 10)
            .and_then(|b| b.try_into().ok())
            .ok_or(Error::Short("record header"))?;
        let [t0, t1, c0, c1, s0, s1, s2, s3, l0, l1] = *fixed;
        let start = fixed_at + 10;
        let end = start + usize::from(u16::from_be_bytes([l0, l1]));
        let rdata = self.bytes.get(start..end).ok_or(Error::Short("record data"))?;
        self.at = end;
        Ok(Some(Record {
            section,
            owner,
            rtype: Type(u16::from_be_bytes([t0, t1])),
            class: Class(u16::from_be_bytes([c0, c1])),
            ttl_secs: u32::from_be_bytes([s0, s1, s2, s3]),
            rdata,
            ttl_at: fixed_at + 4,
            end,
            message: self.bytes,
        }))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        // `Message::parse` has taken every one of these steps before.
        self.step().ok().flatten()
    }
}

impl fmt::Display for Message<'_> {
    /// `4660+ A? www.example.com. (33)` and `4660 NoError 1/0/1 CNAME a.example., A 192.0.2.1 (61)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { id, flags, ancount, nscount, arcount, .. } = self.header;
        if !self.header.is_response() {
            let recursion = if flags & Header::RD != 0 { "+" } else { "" };
            write!(f, "{id}{recursion} {}? {}", self.qtype(), self.qname())?;
            if self.edns.is_some() {
                f.write_str(" OPT")?;
            }
            return write!(f, " ({})", self.bytes.len());
        }
        write!(f, "{id} {}", self.header.rcode())?;
        if flags & Header::TC != 0 {
            f.write_str("|")?;
        }
        write!(f, " {ancount}/{nscount}/{arcount}")?;
        for (index, record) in self.records().take_while(|r| r.section == Section::Answer).take(8).enumerate() {
            write!(f, "{} {}", if index == 0 { "" } else { "," }, record.rtype)?;
            if let Some(address) = record.address() {
                write!(f, " {address}")?;
            } else if let Some(target) = record.cname() {
                write!(f, " {target}")?;
            }
        }
        write!(f, " ({})", self.bytes.len())
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Any bytes as one line: a message, or what is wrong with them.
#[must_use]
pub fn line(bytes: &[u8]) -> String {
    match Message::parse(bytes) {
        Ok(message) => format!("DNS {message}"),
        Err(error) => format!("DNS malformed: {error} ({})", bytes.len()),
    }
}

#[cfg(test)]
mod tests;
