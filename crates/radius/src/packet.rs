//! Packets as bytes (RFC 2865, sections 3 and 5): a view that is checked once, and values with parse and emit.

use std::fmt;

use crate::attr::Attr;
use crate::dictionary::{self, Place, Type};
use crate::hide::Unreadable;
use crate::items::{self, Item, Items};
use crate::limits::{PACKET_OCTETS, VALUE_OCTETS, VENDOR_VALUE_OCTETS};
use crate::print;
use crate::value::Kind;

/// Code, Identifier, Length and Authenticator.
pub(crate) const HEADER_OCTETS: usize = 20;

const VENDOR_SPECIFIC: u8 = 26;

/// What a packet is for (RFC 2865, section 3; RFC 2866, section 3; RFC 5176, section 2.3; RFC 5997, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// 1
    AccessRequest,
    /// 2
    AccessAccept,
    /// 3
    AccessReject,
    /// 4
    AccountingRequest,
    /// 5
    AccountingResponse,
    /// 11
    AccessChallenge,
    /// 12
    StatusServer,
    /// 40
    DisconnectRequest,
    /// 41
    DisconnectAck,
    /// 42
    DisconnectNak,
    /// 43
    CoaRequest,
    /// 44
    CoaAck,
    /// 45
    CoaNak,
    /// Any other.
    Other(u8),
}

impl Code {
    const NAMES: [(Self, u8, &'static str); 13] = [
        (Self::AccessRequest, 1, "Access-Request"),
        (Self::AccessAccept, 2, "Access-Accept"),
        (Self::AccessReject, 3, "Access-Reject"),
        (Self::AccountingRequest, 4, "Accounting-Request"),
        (Self::AccountingResponse, 5, "Accounting-Response"),
        (Self::AccessChallenge, 11, "Access-Challenge"),
        (Self::StatusServer, 12, "Status-Server"),
        (Self::DisconnectRequest, 40, "Disconnect-Request"),
        (Self::DisconnectAck, 41, "Disconnect-ACK"),
        (Self::DisconnectNak, 42, "Disconnect-NAK"),
        (Self::CoaRequest, 43, "CoA-Request"),
        (Self::CoaAck, 44, "CoA-ACK"),
        (Self::CoaNak, 45, "CoA-NAK"),
    ];
}

impl From<u8> for Code {
    fn from(octet: u8) -> Self {
        Self::NAMES.iter().find(|(_, number, _)| *number == octet).map_or(Self::Other(octet), |(code, _, _)| *code)
    }
}

impl From<Code> for u8 {
    fn from(code: Code) -> Self {
        match code {
            Code::Other(octet) => octet,
            known => Code::NAMES.iter().find(|(code, _, _)| *code == known).map_or(0, |(_, number, _)| *number),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(code, _, _)| code == self) {
            Some((_, _, name)) => f.write_str(name),
            None => write!(f, "Code-{}", u8::from(*self)),
        }
    }
}

/// Why bytes are not a RADIUS packet. The sender is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Fewer octets than a header has.
    Truncated {
        /// Octets that arrived.
        have: usize,
    },
    /// The Length field is below 20, above 4096, or more than what arrived (RFC 2865, section 3).
    Length {
        /// What the field says.
        field: usize,
        /// Octets that arrived.
        have: usize,
    },
    /// An attribute's length is below 2 or runs over the end of the packet.
    AttributeLength {
        /// Where in the packet the attribute starts, in octets.
        offset: usize,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { have } => write!(f, "{have} octets are less than a RADIUS header"),
            Self::Length { field, have } => {
                write!(f, "Length says {field}, {have} octets arrived (20 to 4096 expected)")
            }
            Self::AttributeLength { offset } => write!(f, "the attribute at octet {offset} has an impossible length"),
        }
    }
}

impl std::error::Error for ParseError {}

/// Why a packet cannot be written. Our side is to blame: what was asked for does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// A value is longer than its attribute can carry.
    ValueTooLong {
        /// The attribute's number.
        attribute: u8,
        /// The value's length in octets.
        octets: usize,
    },
    /// The packet would be longer than 4096 octets.
    PacketTooLong {
        /// Its length in octets.
        octets: usize,
    },
    /// Neither NAS-Identifier nor NAS-IP-Address is set (RFC 2865, section 4.1).
    NoNas,
    /// A login without a name (RFC 2865, section 5.1).
    NoUser,
    /// What somebody else has hidden cannot be read, so it cannot be hidden anew.
    Unreadable(Unreadable),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ValueTooLong { attribute, octets } => match dictionary::lookup(Place::standard(*attribute)) {
                Some(entry) => write!(f, "{} has no room for {octets} octets", entry.name),
                None => write!(f, "attribute {attribute} has no room for {octets} octets"),
            },
            Self::PacketTooLong { octets } => write!(f, "the packet would have {octets} octets, 4096 is the most"),
            Self::NoUser => f.write_str("a login needs a name"),
            Self::Unreadable(error) => error.fmt(f),
            Self::NoNas => {
                f.write_str("a request needs a NAS identifier or a NAS address; set one in the configuration")
            }
        }
    }
}

impl std::error::Error for BuildError {}

/// A packet that was checked: the accessors cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// Exactly Length octets, at least a header.
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// Checks the lengths of packet and attributes. Octets after Length are padding and ignored (RFC 2865, section 3).
    ///
    /// # Errors
    /// [`ParseError`]: the packet must be dropped without an answer.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let have = datagram.len();
        let (Some([high, low]), true) = (datagram.get(2..4), have >= HEADER_OCTETS) else {
            return Err(ParseError::Truncated { have });
        };
        let field = usize::from(u16::from_be_bytes([*high, *low]));
        let bytes = match datagram.get(..field) {
            Some(bytes) if (HEADER_OCTETS..=PACKET_OCTETS).contains(&field) => bytes,
            _ => return Err(ParseError::Length { field, have }),
        };
        let mut offset = HEADER_OCTETS;
        while offset < field {
            match bytes.get(offset + 1) {
                Some(&length) if length >= 2 && offset + usize::from(length) <= field => offset += usize::from(length),
                _ => return Err(ParseError::AttributeLength { offset }),
            }
        }
        Ok(Self { bytes })
    }

    /// What the packet is for.
    #[must_use]
    pub fn code(&self) -> Code {
        self.bytes[0].into()
    }

    /// Identifier: matches an answer with its request.
    #[must_use]
    pub fn id(&self) -> u8 {
        self.bytes[1]
    }

    /// Request or Response Authenticator.
    #[must_use]
    pub fn authenticator(&self) -> [u8; 16] {
        let mut octets = [0; 16];
        octets.copy_from_slice(&self.bytes[4..HEADER_OCTETS]);
        octets
    }

    /// The packet without padding.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes in the order of the packet.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { bytes: self.bytes, offset: HEADER_OCTETS }
    }

    /// The attributes inside attributes: of vendors and extended spaces, long ones put together.
    pub fn items(&self) -> Items<'a, impl Iterator<Item = (u8, &'a [u8])> + Clone + use<'a>> {
        Items::new(self.attributes().map(|attribute| (attribute.number, attribute.value)))
    }

    /// The value of an attribute, the first if it came several times; `None` if there is none, or none of its type.
    #[must_use]
    pub fn get<K: Kind>(&self, attr: Attr<K>) -> Option<K::Out> {
        attr.read(self.items()).next()
    }

    /// All values of an attribute.
    #[must_use]
    pub fn all<K: Kind>(&self, attr: Attr<K>) -> Vec<K::Out> {
        attr.read(self.items()).collect()
    }

    /// True if an attribute's length or layout contradicts the dictionary.
    #[must_use]
    pub fn has_invalid_length(&self) -> bool {
        has_invalid_length(self.items())
    }

    /// The packet as values.
    #[must_use]
    pub fn to_packet(&self) -> Packet {
        Packet {
            code: self.code(),
            id: self.id(),
            authenticator: self.authenticator(),
            attributes: self.attributes().map(|a| Attribute { number: a.number, value: a.value.to_vec() }).collect(),
        }
    }
}

/// One attribute within a [`View`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeView<'a> {
    /// The attribute's number.
    pub number: u8,
    /// Its value, at most 253 octets.
    pub value: &'a [u8],
    /// Where the value starts in the packet, in octets.
    pub offset: usize,
}

/// Walks over the attributes of a [`View`].
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = AttributeView<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (number, length) = (*self.bytes.get(self.offset)?, *self.bytes.get(self.offset + 1)?);
        let value = self.bytes.get(self.offset + 2..self.offset + usize::from(length))?;
        let offset = self.offset + 2;
        self.offset += usize::from(length);
        Some(AttributeView { number, value, offset })
    }
}

/// One attribute as a value of at most 253 octets.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    number: u8,
    value: Vec<u8>,
}

impl Attribute {
    /// Any octets.
    ///
    /// # Errors
    /// [`BuildError::ValueTooLong`] above 253 octets.
    pub fn bytes(number: u8, value: &[u8]) -> Result<Self, BuildError> {
        if value.len() > VALUE_OCTETS {
            return Err(BuildError::ValueTooLong { attribute: number, octets: value.len() });
        }
        Ok(Self { number, value: value.to_vec() })
    }

    /// Text, as UTF-8.
    ///
    /// # Errors
    /// [`BuildError::ValueTooLong`] above 253 octets.
    pub fn text(number: u8, value: &str) -> Result<Self, BuildError> {
        Self::bytes(number, value.as_bytes())
    }

    /// An integer (also: seconds since 1970).
    #[must_use]
    pub fn u32(number: u8, value: u32) -> Self {
        Self { number, value: value.to_be_bytes().to_vec() }
    }

    /// An IPv4 address.
    #[must_use]
    pub fn ipv4(number: u8, value: std::net::Ipv4Addr) -> Self {
        Self { number, value: value.octets().to_vec() }
    }

    /// One attribute of a vendor, in the layout that RFC 2865, section 5.26 recommends.
    ///
    /// # Errors
    /// [`BuildError::ValueTooLong`] above 247 octets.
    pub fn vendor(vendor: u32, number: u8, value: &[u8]) -> Result<Self, BuildError> {
        let length = match u8::try_from(value.len() + 2) {
            Ok(length) if value.len() <= VENDOR_VALUE_OCTETS => length,
            _ => {
                return Err(BuildError::ValueTooLong { attribute: VENDOR_SPECIFIC, octets: value.len() });
            }
        };
        let mut octets = vendor.to_be_bytes().to_vec();
        octets.extend([number, length]);
        octets.extend(value);
        Ok(Self { number: VENDOR_SPECIFIC, value: octets })
    }

    /// The attribute's number.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The value's octets.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The value as an integer; `None` unless it has four octets.
    #[must_use]
    pub fn as_u32(&self) -> Option<u32> {
        self.value[..].try_into().ok().map(u32::from_be_bytes)
    }

    /// Vendor, number and value of each attribute inside a Vendor-Specific one.
    pub fn vendor_attributes(&self) -> impl Iterator<Item = (u32, u8, &[u8])> {
        let (vendor, rest) = match self.value.split_first_chunk::<4>() {
            Some((vendor, rest)) if self.number == VENDOR_SPECIFIC => (u32::from_be_bytes(*vendor), rest),
            _ => (0, &[][..]),
        };
        items::tlvs(rest).map(move |(number, value)| (vendor, number, value))
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Items::new(std::iter::once((self.number, &self.value[..])));
        all.enumerate().try_for_each(|(at, item)| {
            f.write_str(if at == 0 { "" } else { " " })?;
            print::item(f, &item)
        })
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A packet as values.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// What it is for.
    pub code: Code,
    /// Identifier: matches an answer with its request.
    pub id: u8,
    /// Request or Response Authenticator.
    pub authenticator: [u8; 16],
    /// In the order in which they are sent.
    pub attributes: Vec<Attribute>,
}

impl Packet {
    /// The packet's bytes, attributes in the given order.
    ///
    /// # Errors
    /// [`BuildError::PacketTooLong`] above 4096 octets.
    pub fn emit(&self) -> Result<Vec<u8>, BuildError> {
        let octets = HEADER_OCTETS + self.attributes.iter().map(|a| a.value.len() + 2).sum::<usize>();
        let length = match u16::try_from(octets) {
            Ok(length) if octets <= PACKET_OCTETS => length,
            _ => return Err(BuildError::PacketTooLong { octets }),
        };
        let mut bytes = Vec::with_capacity(octets);
        bytes.extend([u8::from(self.code), self.id]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(self.authenticator);
        for Attribute { number, value } in &self.attributes {
            let length = u8::try_from(value.len() + 2).unwrap_or(u8::MAX);
            bytes.extend([*number, length]);
            bytes.extend(value);
        }
        Ok(bytes)
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} id {}", self.code, self.id)?;
        print::items(f, items::of(&self.attributes))
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} id {}", self.code(), self.id())?;
        print::items(f, self.items())
    }
}

/// One line about any bytes, packet or not, with secrets hidden.
#[must_use]
pub fn describe(datagram: &[u8]) -> String {
    match View::parse(datagram) {
        Ok(view) => view.to_string(),
        Err(error) => format!("not RADIUS: {error}"),
    }
}

/// True if the length or layout of some attribute contradicts the dictionary.
pub(crate) fn has_invalid_length<'a>(mut items: impl Iterator<Item = Item<'a>>) -> bool {
    items.any(|Item { place, value, whole }| !whole || is_invalid(place, &value))
}

fn is_invalid(place: Place, value: &[u8]) -> bool {
    let Some(entry) = dictionary::lookup(place) else { return false };
    let read = || items::tlvs(value).map(|(_, value)| value.len() + 2).sum::<usize>();
    entry.forbids(value.len())
        || entry.ty == Type::Tlv
            && (read() != value.len() || items::tlvs(value).any(|(tlv, value)| is_invalid(place.child(tlv), value)))
}
