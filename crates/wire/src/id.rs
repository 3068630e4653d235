use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// ff:ff:ff:ff:ff:ff
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// 00:00:00:00:00:00, which is nobody.
    pub const ZERO: Self = Self([0; 6]);

    /// Its first four octets and its last two, as numbers.
    #[must_use]
    pub const fn words(self) -> (u32, u16) {
        let [a, b, c, d, e, f] = self.0;
        (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f]))
    }

    /// True for an address that one station can have: not zero, and no group bit (IEEE 802, 8.2.2).
    #[must_use]
    pub fn is_station(self) -> bool {
        self.0[0] & 1 == 0 && self.words() != (0, 0)
    }

    /// `AA-BB-CC-DD-EE-FF`, the form of Calling-Station-Id (RFC 3580, 3.21).
    #[must_use]
    pub fn to_station_id(self) -> String {
        let [a, b, c, d, e, f] = self.0;
        format!("{a:02X}-{b:02X}-{c:02X}-{d:02X}-{e:02X}-{f:02X}")
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a MAC address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseMacError;

impl fmt::Display for ParseMacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected six pairs of hex digits, as in 02:00:5e:10:00:01 or 02-00-5E-10-00-01")
    }
}

impl std::error::Error for ParseMacError {}

impl FromStr for MacAddr {
    type Err = ParseMacError;

    /// Six pairs of hex digits, separated by `:`, `-` or `.`, or not at all.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut mac = [0u8; 6];
        let mut digits = 0;
        for c in text.chars() {
            match c.to_digit(16) {
                Some(d) if digits < 12 => {
                    mac[digits / 2] = mac[digits / 2] << 4 | d as u8;
                    digits += 1;
                }
                None if matches!(c, ':' | '-' | '.') && digits % 2 == 0 => {}
                _ => return Err(ParseMacError),
            }
        }
        if digits == 12 { Ok(Self(mac)) } else { Err(ParseMacError) }
    }
}

/// An 802.1Q VLAN identifier; 0 is "no tag".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Vlan(pub u16);

impl Vlan {
    /// The untagged frame.
    pub const NONE: Self = Self(0);
}

/// Who a guest is on the wire: the station, on its VLAN, on its LAN interface; or, if it has none of its own there, its
/// address ([`GuestKey::behind_router`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct GuestKey {
    /// Index of the LAN interface in the configuration, not the kernel's.
    pub lan: u8,
    /// The VLAN that the frame was tagged with.
    pub vlan: Vlan,
    /// The source address of the frame; for who is behind a router no station's.
    pub mac: MacAddr,
}

/// The first octets of `mac` where the others are an address: a group's, so no frame can come from there.
const BEHIND_ROUTER: [u8; 2] = [0x03, 0x00];

impl GuestKey {
    /// Who is behind a router on the LAN: its address is all that tells it from others there.
    #[must_use]
    pub const fn behind_router(lan: u8, vlan: Vlan, address: Ipv4Addr) -> Self {
        let ([m, n], [a, b, c, d]) = (BEHIND_ROUTER, address.octets());
        Self { lan, vlan, mac: MacAddr([m, n, a, b, c, d]) }
    }

    /// The guest's address, if that is who it is.
    #[must_use]
    pub fn address_behind_router(self) -> Option<Ipv4Addr> {
        let [m, n, a, b, c, d] = self.mac.0;
        ([m, n] == BEHIND_ROUTER).then_some(Ipv4Addr::new(a, b, c, d))
    }
}

impl fmt::Display for GuestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address_behind_router() {
            Some(address) => write!(f, "{address}")?,
            None => write!(f, "{}", self.mac)?,
        }
        match self.vlan {
            Vlan::NONE => Ok(()),
            Vlan(id) => write!(f, "%{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_read_in_every_usual_form() {
        let mac = MacAddr([2, 0, 0x5e, 0x10, 0, 1]);
        for text in ["02:00:5e:10:00:01", "02-00-5E-10-00-01", "0200.5e10.0001", "02005e100001"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
        for text in ["", "02:00:5e:10:00", "02:00:5e:10:00:01:02", "0:2005e100001", "g2005e100001"] {
            assert_eq!(text.parse::<MacAddr>(), Err(ParseMacError), "{text}");
        }
        assert_eq!(mac.to_string(), "02:00:5e:10:00:01");
        assert_eq!(mac.to_station_id(), "02-00-5E-10-00-01");
    }

    #[test]
    fn group_addresses_and_zero_are_no_station() {
        assert!(MacAddr([2, 0, 0, 0, 0, 1]).is_station());
        assert!(!MacAddr([1, 0, 0x5e, 0, 0, 1]).is_station());
        assert!(!MacAddr::BROADCAST.is_station());
        assert!(!MacAddr::ZERO.is_station());
    }
}
