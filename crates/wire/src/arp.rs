//! ARP for IPv4 over Ethernet (RFC 826), with the words of RFC 5227.
//!
//! A message is 28 octets without options, so the value is the view: [`Arp::parse`] and [`Arp::emit`].

use crate::MacAddr;
use std::fmt;
use std::net::Ipv4Addr;

/// Octets of a message.
pub const LEN: usize = 28;

/// What an ARP message wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has it.
    Reply,
    /// RARP and others.
    Unknown(u16),
}

/// An ARP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// `ar$op`
    pub operation: Operation,
    /// `ar$sha`
    pub sender_mac: MacAddr,
    /// `ar$spa`
    pub sender: Ipv4Addr,
    /// `ar$tha`
    pub target_mac: MacAddr,
    /// `ar$tpa`
    pub target: Ipv4Addr,
}

/// Why octets are not ARP for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Fewer octets than [`LEN`].
    Short {
        /// Octets that there were.
        len: usize,
    },
    /// `ar$hrd` and `ar$hln` are not Ethernet's.
    Hardware,
    /// `ar$pro` and `ar$pln` are not IPv4's.
    Protocol,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { len } => write!(f, "{len} octets are too few, {LEN} are needed"),
            Self::Hardware => f.write_str("hardware is not Ethernet"),
            Self::Protocol => f.write_str("protocol is not IPv4"),
        }
    }
}

impl std::error::Error for Error {}

impl Arp {
    /// Reads what follows the Ethernet header; octets after the message are padding.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let Some(b) = bytes.first_chunk::<LEN>() else { return Err(Error::Short { len: bytes.len() }) };
        if b[..2] != [0, 1] || b[4] != 6 {
            return Err(Error::Hardware);
        }
        if b[2..4] != [8, 0] || b[5] != 4 {
            return Err(Error::Protocol);
        }
        Ok(Self {
            operation: match u16::from_be_bytes([b[6], b[7]]) {
                1 => Operation::Request,
                2 => Operation::Reply,
                other => Operation::Unknown(other),
            },
            sender_mac: MacAddr([b[8], b[9], b[10], b[11], b[12], b[13]]),
            sender: Ipv4Addr::new(b[14], b[15], b[16], b[17]),
            target_mac: MacAddr([b[18], b[19], b[20], b[21], b[22], b[23]]),
            target: Ipv4Addr::new(b[24], b[25], b[26], b[27]),
        })
    }

    /// The message as octets.
    #[must_use]
    pub fn emit(&self) -> [u8; LEN] {
        let mut b = [0; LEN];
        let operation = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
            Operation::Unknown(other) => other,
        };
        b[..6].copy_from_slice(&[0, 1, 8, 0, 6, 4]);
        b[6..8].copy_from_slice(&u16::to_be_bytes(operation));
        b[8..14].copy_from_slice(&self.sender_mac.0);
        b[14..18].copy_from_slice(&self.sender.octets());
        b[18..24].copy_from_slice(&self.target_mac.0);
        b[24..].copy_from_slice(&self.target.octets());
        b
    }

    /// Any octets as one line for people.
    #[must_use]
    pub fn describe(bytes: &[u8]) -> Describe<'_> {
        Describe { bytes }
    }

    /// "Is anybody using `target`?" of a station that has no address yet (RFC 5227, 1.1).
    #[must_use]
    pub fn probe(sender_mac: MacAddr, target: Ipv4Addr) -> Self {
        let sender = Ipv4Addr::UNSPECIFIED;
        Self { operation: Operation::Request, sender_mac, sender, target_mac: MacAddr::ZERO, target }
    }

    /// "I am using `address`" (RFC 5227, 1.1).
    #[must_use]
    pub fn announcement(mac: MacAddr, address: Ipv4Addr) -> Self {
        let target_mac = MacAddr::ZERO;
        Self { operation: Operation::Request, sender_mac: mac, sender: address, target_mac, target: address }
    }

    /// The answer to this request by the station `mac`.
    #[must_use]
    pub fn answer(&self, mac: MacAddr) -> Self {
        Self {
            operation: Operation::Reply,
            sender_mac: mac,
            sender: self.target,
            target_mac: self.sender_mac,
            target: self.sender,
        }
    }

    /// True if this is a probe.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.operation == Operation::Request && self.sender.is_unspecified()
    }
}

impl fmt::Display for Arp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, sender_mac, sender, target_mac, target } = self;
        match operation {
            Operation::Request if self.is_probe() => write!(f, "ARP probe for {target} from {sender_mac}"),
            Operation::Request if sender == target => write!(f, "ARP announcement of {sender} by {sender_mac}"),
            Operation::Request => write!(f, "ARP who has {target} tell {sender} ({sender_mac})"),
            Operation::Reply => write!(f, "ARP {sender} is at {sender_mac}, to {target} ({target_mac})"),
            Operation::Unknown(op) => {
                write!(f, "ARP operation {op} from {sender} ({sender_mac}) to {target} ({target_mac})")
            }
        }
    }
}

/// Prints octets as an ARP message, or what is wrong with them.
#[derive(Clone, Copy, Debug)]
pub struct Describe<'a> {
    bytes: &'a [u8],
}

impl fmt::Display for Describe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Arp::parse(self.bytes) {
            Ok(arp) => fmt::Display::fmt(&arp, f),
            Err(error) => write!(f, "ARP malformed: {error}, length {}", self.bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 7);

    #[test]
    fn what_is_written_is_read() {
        let probe = Arp::probe(MAC, ADDRESS);
        let mut odd = probe.answer(MacAddr([2, 0, 0, 0, 0, 1]));
        odd.operation = Operation::Unknown(9);
        for arp in [probe, Arp::announcement(MAC, ADDRESS), odd] {
            let mut padded = arp.emit().to_vec();
            padded.resize(46, 0);
            assert_eq!(Arp::parse(&padded), Ok(arp));
        }
    }

    #[test]
    fn every_message_is_one_line() {
        let probe = Arp::probe(MAC, ADDRESS);
        assert_eq!(probe.to_string(), "ARP probe for 10.1.0.7 from 02:00:00:00:00:07");
        assert_eq!(Arp::announcement(MAC, ADDRESS).to_string(), "ARP announcement of 10.1.0.7 by 02:00:00:00:00:07");
        let mut bytes = probe.emit();
        bytes[2] = 0x86;
        assert_eq!(Arp::describe(&bytes).to_string(), "ARP malformed: protocol is not IPv4, length 28");
        bytes[4] = 8;
        assert_eq!(Arp::parse(&bytes), Err(Error::Hardware));
        assert_eq!(
            Arp::describe(&bytes[..27]).to_string(),
            "ARP malformed: 27 octets are too few, 28 are needed, length 27"
        );
    }
}
