//! DHCPv4 messages (RFC 2131, 2132).
//!
//! [`Packet`] is a view of received octets: checked once by [`Packet::parse`], its accessors cannot fail.
//! Option overload (RFC 2132, 9.3) and options split over several instances (RFC 3396) are seen through.
//! [`Message`] is the same as a value, to be written. Unknown options survive the way through both.
//! Nothing panics on any input.

mod message;
mod view;

use std::fmt;

pub use message::{Message, OptionList};
pub use view::{Describe, Options, Packet};

/// The UDP port of servers and relay agents.
pub const SERVER_PORT: u16 = 67;
/// The UDP port of clients.
pub const CLIENT_PORT: u16 = 68;
/// `op` of a message from a client.
pub const BOOTREQUEST: u8 = 1;
/// `op` of a message to a client.
pub const BOOTREPLY: u8 = 2;
/// `htype` of Ethernet.
pub const HTYPE_ETHERNET: u8 = 1;
/// The broadcast bit of `flags` (RFC 2131, 2).
pub const FLAG_BROADCAST: u16 = 0x8000;
/// Octets of a message that every client accepts: an IP datagram of 576 octets (RFC 2131, 2) less its headers.
pub const MIN_LIMIT: usize = 548;
/// Replies are padded to this: BOOTP relays and old clients drop shorter ones (RFC 951, 3).
pub const MIN_LEN: usize = 300;

const HEADER_LEN: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const FIXED_LEN: usize = HEADER_LEN + COOKIE.len();
const SNAME: std::ops::Range<usize> = 44..108;
const FILE: std::ops::Range<usize> = 108..236;

/// Option codes (RFC 2132 where nothing else is said).
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub mod code {
    pub const PAD: u8 = 0;
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTER: u8 = 3;
    pub const DNS: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const ROOT_PATH: u8 = 17;
    pub const INTERFACE_MTU: u8 = 26;
    pub const BROADCAST_ADDRESS: u8 = 28;
    pub const STATIC_ROUTE: u8 = 33;
    pub const NTP: u8 = 42;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const PARAMETER_LIST: u8 = 55;
    pub const MESSAGE: u8 = 56;
    pub const MAX_MESSAGE_SIZE: u8 = 57;
    pub const RENEWAL_TIME: u8 = 58;
    pub const REBINDING_TIME: u8 = 59;
    pub const VENDOR_CLASS: u8 = 60;
    pub const CLIENT_ID: u8 = 61;
    pub const TFTP_SERVER: u8 = 66;
    pub const BOOT_FILE: u8 = 67;
    /// RFC 3046.
    pub const RELAY_INFORMATION: u8 = 82;
    /// RFC 8910.
    pub const CAPTIVE_PORTAL: u8 = 114;
    /// RFC 3442.
    pub const CLASSLESS_ROUTES: u8 = 121;
    pub const END: u8 = 255;
}

/// DHCP message types (option 53).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of RFC 2132, 9.6")]
pub enum MessageType {
    Discover,
    Offer,
    Request,
    Decline,
    Ack,
    Nak,
    Release,
    Inform,
    /// A type that RFC 2132 does not have.
    Unknown(u8),
}

impl From<u8> for MessageType {
    fn from(value: u8) -> Self {
        match value {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            other => Self::Unknown(other),
        }
    }
}

impl From<MessageType> for u8 {
    fn from(value: MessageType) -> Self {
        match value {
            MessageType::Discover => 1,
            MessageType::Offer => 2,
            MessageType::Request => 3,
            MessageType::Decline => 4,
            MessageType::Ack => 5,
            MessageType::Nak => 6,
            MessageType::Release => 7,
            MessageType::Inform => 8,
            MessageType::Unknown(other) => other,
        }
    }
}

/// Why octets are not a DHCP message: the sender's fault, by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shorter than the fixed fields and the magic cookie.
    Short {
        /// Octets that there were.
        len: usize,
    },
    /// `op` is neither request nor reply.
    Op(u8),
    /// `hlen` is more than `chaddr` has.
    Hlen(u8),
    /// No magic cookie: BOOTP without vendor extensions, or something else altogether.
    Cookie,
    /// An option that goes past the end of its field.
    Option(u8),
    /// Option 52 is not one octet of 1, 2 or 3.
    Overload,
    /// No option 53, or not one octet.
    MessageType,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { len } => write!(f, "{len} octets are too few, {FIXED_LEN} is the least"),
            Self::Op(op) => write!(f, "op {op} is neither request nor reply"),
            Self::Hlen(hlen) => write!(f, "hlen {hlen} is more than 16"),
            Self::Cookie => f.write_str("no magic cookie"),
            Self::Option(code) => write!(f, "option {code} goes past the end"),
            Self::Overload => f.write_str("option 52 (overload) is not 1, 2 or 3"),
            Self::MessageType => f.write_str("option 53 (message type) is missing or not one octet"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
