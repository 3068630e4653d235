//! Values with a unit: networks, durations, rates, secrets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use crate::schema::Kind;

/// An IPv4 network; no host bit is set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    /// The lowest address.
    pub address: Ipv4Addr,
    /// Leading one bits of the mask, 0 to 32.
    pub prefix: u8,
}

impl Network {
    /// The network that `address` is in.
    #[must_use]
    pub fn containing(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(32);
        Self { address: (address.to_bits() & mask_bits(prefix)).into(), prefix }
    }

    /// The netmask, as DHCP option 1 has it.
    #[must_use]
    pub fn mask(self) -> Ipv4Addr {
        mask_bits(self.prefix).into()
    }

    /// The highest address; the broadcast address of a network shorter than /31.
    #[must_use]
    pub fn last(self) -> Ipv4Addr {
        (self.address.to_bits() | !mask_bits(self.prefix)).into()
    }

    /// True for every address of the network, its lowest and highest included.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask_bits(self.prefix) == self.address.to_bits()
    }

    /// True for an address that a host of this network can have (not the lowest, not the broadcast address).
    #[must_use]
    pub fn has_host(self, address: Ipv4Addr) -> bool {
        self.contains(address) && (self.prefix >= 31 || (address != self.address && address != self.last()))
    }

    /// True when the two share an address.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    /// The lowest address that a host can have.
    #[must_use]
    pub fn first_host(self) -> Ipv4Addr {
        if self.prefix >= 31 { self.address } else { (self.address.to_bits() + 1).into() }
    }

    /// The highest address that a host can have.
    #[must_use]
    pub fn last_host(self) -> Ipv4Addr {
        if self.prefix >= 31 { self.last() } else { (self.last().to_bits() - 1).into() }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// An address of an interface with the prefix of its network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct InterfaceAddress {
    /// The address itself.
    pub address: Ipv4Addr,
    /// Leading one bits of the mask, 0 to 32.
    pub prefix: u8,
}

impl InterfaceAddress {
    /// The network that the interface is in.
    #[must_use]
    pub fn network(self) -> Network {
        Network::containing(self.address, self.prefix)
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A host anywhere, IPv4 or IPv6, or a network of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HostNetwork {
    /// The host, or the lowest address.
    pub address: IpAddr,
    /// Leading bits that count; of a host all 32 or 128.
    pub prefix: u8,
}

impl HostNetwork {
    /// Reads `address` or `address/prefix`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(bits), |prefix| prefix.parse().ok())?;
        (prefix <= bits).then_some(Self { address, prefix })
    }

    pub(crate) fn without_host_bits(self) -> Self {
        let address = match self.address {
            IpAddr::V4(v4) => (v4 & Ipv4Addr::from(mask_bits(self.prefix))).into(),
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (v6 & Ipv6Addr::from(mask)).into()
            }
        };
        Self { address, ..self }
    }
}

impl fmt::Display for HostNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The slowest rate in bits per second: a full packet then takes a second and a half.
const MIN_RATE: u64 = 8_000;

/// Bits per second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BitRate(pub u64);

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            r if r >= 1_000_000_000 && r % 1_000_000_000 == 0 => write!(f, "{}G", r / 1_000_000_000),
            r if r >= 1_000_000 && r % 1_000_000 == 0 => write!(f, "{}M", r / 1_000_000),
            r if r >= 1_000 && r % 1_000 == 0 => write!(f, "{}k", r / 1_000),
            r => write!(f, "{r}"),
        }
    }
}

/// An amount of data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Octets(pub u64);

impl BitRate {
    /// So many bits per second, if a guest can be given such a rate.
    #[must_use]
    pub fn checked(bits_per_second: u64) -> Option<Self> {
        (bits_per_second == 0 || bits_per_second >= MIN_RATE).then_some(Self(bits_per_second))
    }
}

impl FromStr for BitRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_rate(text).ok_or_else(|| format!("expected {}", Kind::Rate.describe()))
    }
}

impl FromStr for Octets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_octets(text).ok_or_else(|| format!("expected {}", Kind::Octets.describe()))
    }
}

/// A shared secret; it prints as stars so that no log or dump can give it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads `90s`, `30m`, `1h30m`, `2d` or `0`. Units go from large to small and each is used once.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total_secs = 0u64;
    let mut smallest_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        let unit_secs = match rest.as_bytes().get(digits)? {
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        if unit_secs >= smallest_unit {
            return None;
        }
        smallest_unit = unit_secs;
        total_secs = number.checked_mul(unit_secs)?.checked_add(total_secs)?;
        rest = &rest[digits + 1..];
    }
    if text.is_empty() { None } else { Some(Duration::from_secs(total_secs)) }
}

/// Whole seconds in the form that [`parse_duration`] reads.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut secs = duration.as_secs();
    let mut text = String::new();
    for (unit, unit_secs) in [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)] {
        if secs >= unit_secs {
            text += &format!("{}{unit}", secs / unit_secs);
            secs %= unit_secs;
        }
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

/// Reads `512k`, `10M`, `1G` or plain bits per second, from `8k` on, or `0`. The letters are powers of 1000, as rates
/// have them.
pub(crate) fn parse_rate(text: &str) -> Option<BitRate> {
    let (digits, factor) = match text.strip_suffix(['k', 'K', 'M', 'G']) {
        None => (text, 1),
        Some(digits) => match text.as_bytes().last() {
            Some(b'G') => (digits, 1_000_000_000),
            Some(b'M') => (digits, 1_000_000),
            _ => (digits, 1_000),
        },
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor).and_then(BitRate::checked)
}

/// Reads `500MB`, `2GB` or plain octets. The units are powers of 1000, as data plans are sold.
pub(crate) fn parse_octets(text: &str) -> Option<Octets> {
    let units = [("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("", 1)];
    let (digits, factor) =
        units.iter().find_map(|(unit, factor)| text.strip_suffix(unit).map(|digits| (digits, *factor)))?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor).map(Octets)
}

/// Reads `address/prefix`.
pub(crate) fn parse_address_prefix(text: &str) -> Option<InterfaceAddress> {
    let (address, prefix) = text.split_once('/')?;
    let prefix: u8 = prefix.parse().ok()?;
    let address = address.parse().ok()?;
    (prefix <= 32).then_some(InterfaceAddress { address, prefix })
}

/// True for a host or domain name as it may stand in DNS: labels of letters, digits, `-` and `_` (RFC 1123, 2.1; the
/// underscore because real walled gardens have it).
pub(crate) fn is_name(text: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    text.len() <= 253 && text.split('.').all(label) && text.parse::<Ipv4Addr>().is_err()
}

fn mask_bits(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them_and_printed_the_same_way() {
        for (text, secs) in [("0", 0), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2d", 172_800), ("1d1s", 86_401)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(secs)), "{text}");
        }
        assert_eq!(format_duration(Duration::from_secs(5400)), "1h30m");
        assert_eq!(format_duration(Duration::from_secs(90)), "1m30s");
        assert_eq!(format_duration(Duration::ZERO), "0");
        for text in ["", "30", "m", "30m1h", "1h1h", "-5s", "1.5h", "30 m", "5w", "99999999999999999999s", "1hé"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn rates_are_powers_of_a_thousand() {
        for (text, rate) in
            [("0", 0), ("512k", 512_000), ("10M", 10_000_000), ("1G", 1_000_000_000), ("8k", 8_000), ("9600", 9600)]
        {
            assert_eq!(parse_rate(text), Some(BitRate(rate)), "{text}");
        }
        assert_eq!(BitRate(10_000_000).to_string(), "10M");
        assert_eq!(BitRate(1_500_000).to_string(), "1500k");
        for text in ["", "k", "10 M", "+5", "1.5M", "10Mbit", "7999", "99999999999G"] {
            assert_eq!(parse_rate(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_are_read_as_plans_are_sold() {
        for (text, octets) in [("0", 0), ("500MB", 500_000_000), ("2GB", 2_000_000_000), ("1500", 1500), ("9kB", 9000)]
        {
            assert_eq!(parse_octets(text), Some(Octets(octets)), "{text}");
        }
        for text in ["", "MB", "1.5GB", "500 MB", "+1GB", "500M", "500mb", "1GiB", "99999999TB"] {
            assert_eq!(parse_octets(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_knows_its_edges() {
        let lan = Network::containing(Ipv4Addr::new(10, 85, 3, 4), 20);
        assert_eq!(lan.to_string(), "10.85.0.0/20");
        assert_eq!((lan.first_host(), lan.last_host()), (Ipv4Addr::new(10, 85, 0, 1), Ipv4Addr::new(10, 85, 15, 254)));
        assert_eq!(lan.mask(), Ipv4Addr::new(255, 255, 240, 0));
        assert!(lan.contains(lan.last()) && !lan.has_host(lan.last()) && !lan.has_host(lan.address));
        let everything = Network::containing(Ipv4Addr::new(1, 2, 3, 4), 0);
        assert!(everything.overlaps(lan) && everything.last() == Ipv4Addr::BROADCAST);
        let one = Network::containing(Ipv4Addr::new(192, 0, 2, 1), 32);
        assert!(one.has_host(one.address) && one.first_host() == one.last_host() && !one.overlaps(lan));
    }

    #[test]
    fn a_client_is_a_host_or_a_network_of_either_family() {
        for (text, prefix, is_network) in [
            ("192.0.2.9", 32, true),
            ("192.0.2.8/29", 29, true),
            ("192.0.2.9/29", 29, false),
            ("0.0.0.0/0", 0, true),
            ("2001:db8::1", 128, true),
            ("2001:db8::/32", 32, true),
            ("2001:db8::1/32", 32, false),
            ("::/0", 0, true),
        ] {
            let read = HostNetwork::parse(text).expect(text);
            assert_eq!((read.prefix, read.without_host_bits() == read), (prefix, is_network), "{text}");
        }
        for text in ["", "192.0.2.9/33", "192.0.2/24", "2001:db8::/129", "192.0.2.9/", "host.example"] {
            assert_eq!(HostNetwork::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_show_in_a_dump() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2".to_vec())), "***");
    }
}
