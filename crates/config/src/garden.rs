//! The walled garden: what guests reach before they log in.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::units::{Network, is_name, parse_address_prefix};

/// What of a host is open before login. Prints as it is written in the file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GardenEntry {
    /// The IP protocol number; `None` without a port is every protocol, with one TCP and UDP.
    pub protocol: Option<u8>,
    /// Which hosts.
    pub host: GardenHost,
    /// Which destination port; `None` is every port.
    pub port: Option<u16>,
}

/// The hosts of a garden entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GardenHost {
    /// A network, or one address as a /32.
    Network(Network),
    /// A name in lower case, open at the addresses that our DNS answers for it, for the TTL of the answer.
    Name(String),
    /// The same of every name below this one, which is written with a dot before it.
    Below(String),
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Protocols that people call by a name, as in /etc/protocols; `ip` is every protocol, as it is there.
const PROTOCOLS: [(&str, u8); 12] = [
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", TCP),
    ("udp", UDP),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ospf", 89),
    ("l2tp", 115),
    ("sctp", 132),
];

/// A DNS name whose answers open the garden, in lower case. Prints as it is written in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GardenDomain {
    /// The name without a leading dot.
    pub name: String,
    /// Written with a leading dot: the name itself is not meant, only what is below it.
    pub below_only: bool,
}

impl GardenDomain {
    /// True when `name` (lower case, no dot at the end) is in this domain.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match name.strip_suffix(self.name.as_str()) {
            Some("") => !self.below_only,
            Some(below) => below.ends_with('.'),
            None => false,
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix('.').unwrap_or(text).to_ascii_lowercase();
        if is_name(&name) {
            Ok(Self { below_only: text.starts_with('.'), name })
        } else {
            Err(format!("{text:?} is not a domain; write \"example.org\", or \".example.org\" for what is below it"))
        }
    }
}

/// The shortest prefix of a network that a RADIUS server may open.
const SHORTEST_OF_SERVERS: u8 = 8;

impl GardenEntry {
    /// Why it cannot be in a garden of the guests in `lan`.
    #[must_use]
    pub fn objection(&self, lan: Network) -> Option<String> {
        let GardenHost::Network(network) = self.host else { return None };
        if network.prefix == 0 {
            Some(format!("{self} is the whole Internet: nobody would have to log in; name the hosts that are meant"))
        } else if network.overlaps(lan) {
            Some(format!("{self} is in the guests' own network; the garden is for hosts beyond the uplink"))
        } else {
            None
        }
    }

    /// The same of one that a RADIUS server names, which opens no network larger than a /8 either: a handful of them would be
    /// the Internet.
    #[must_use]
    pub fn objection_to_servers(&self, lan: Network) -> Option<String> {
        match self.host {
            GardenHost::Network(network) if network.prefix < SHORTEST_OF_SERVERS => {
                Some(format!("{self} is too much for a server to open: a /{SHORTEST_OF_SERVERS} at most"))
            }
            _ => self.objection(lan),
        }
    }
}

/// `[protocol:]host[:port]`, where host is a name, `.name`, an address or a network, as CoovaChilli's uamallowed has it.
impl FromStr for GardenEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (protocol, rest) = match text.split_once(':').map(|(word, rest)| (protocol(word), rest)) {
            Some((Some(protocol), rest)) => (protocol, rest),
            _ => (None, text),
        };
        let (host, port) = match rest.split_once(':') {
            None => (rest, None),
            Some((host, port)) => match port.parse() {
                Ok(number) => (host, (number != 0).then_some(number)),
                Err(_) => {
                    return Err(format!("{port:?} in {text:?} is not a port; write 1 to 65535, or 0 for all of them"));
                }
            },
        };
        if port.is_some() && !matches!(protocol, None | Some(TCP | UDP)) {
            return Err(format!("{text:?}: only TCP and UDP have ports here; leave the port out"));
        }
        Ok(Self { protocol, host: read_host(text, host)?, port })
    }
}

/// The number of a protocol that is named or is a number itself; none inside is every protocol.
fn protocol(word: &str) -> Option<Option<u8>> {
    let known = PROTOCOLS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, number)| *number);
    let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let number = known.or_else(|| word.parse().ok().filter(|_| digits));
    if word.eq_ignore_ascii_case("ip") { Some(None) } else { number.map(|number| Some(number).filter(|n| *n != 0)) }
}

fn read_host(text: &str, host: &str) -> Result<GardenHost, String> {
    let wrong = || {
        format!(
            "{text:?} is not a garden entry; write [protocol:]host[:port], as in \"203.0.113.7:443\", \"tcp:example.org:443\" or \"203.0.113.0/24\""
        )
    };
    // A name whose last label is a number would be taken for a protocol's or a port's (RFC 3696, 2, has none).
    let is_host = |name: &str| {
        is_name(name) && !name.rsplit('.').next().is_some_and(|top| top.bytes().all(|b| b.is_ascii_digit()))
    };
    if let Ok(address) = host.parse() {
        return Ok(GardenHost::Network(Network { address, prefix: 32 }));
    }
    if let Some((address, mask)) = host.split_once('/') {
        let prefix = mask.parse().ok().and_then(prefix_of_mask);
        let plain = prefix.map(|prefix| format!("{address}/{prefix}"));
        let given = parse_address_prefix(plain.as_deref().unwrap_or(host)).ok_or_else(wrong)?;
        if given.network().address != given.address {
            return Err(format!("{text:?} has host bits set; write {}", given.network()));
        }
        return Ok(GardenHost::Network(given.network()));
    }
    match host.strip_prefix('.') {
        Some(parent) if is_host(parent) => Ok(GardenHost::Below(parent.to_ascii_lowercase())),
        None if is_host(host) => Ok(GardenHost::Name(host.to_ascii_lowercase())),
        _ => Err(wrong()),
    }
}

/// The prefix of a mask such as 255.255.255.0.
fn prefix_of_mask(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    let prefix = bits.leading_ones();
    (bits.count_ones() == prefix).then_some(prefix as u8)
}

impl fmt::Display for GardenEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol.map(|number| (number, PROTOCOLS.iter().find(|(_, known)| *known == number))) {
            // A host that is called like a protocol would be read as that one.
            None if self.port.is_some() && matches!(&self.host, GardenHost::Name(name) if protocol(name).is_some()) => {
                f.write_str("ip:")?;
            }
            None => {}
            Some((_, Some((name, _)))) => write!(f, "{name}:")?,
            Some((number, None)) => write!(f, "{number}:")?,
        }
        match &self.host {
            GardenHost::Network(Network { address, prefix: 32 }) => write!(f, "{address}")?,
            GardenHost::Network(network) => write!(f, "{network}")?,
            GardenHost::Name(name) => f.write_str(name)?,
            GardenHost::Below(name) => write!(f, ".{name}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for GardenDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below_only { "." } else { "" }, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_prints_as_it_was_written() {
        for text in [
            "203.0.113.0/24",
            "203.0.113.7",
            "203.0.113.7:443",
            "tcp:203.0.113.7:443",
            "udp:192.0.2.1:53",
            "icmp:192.0.2.1",
            "gre:192.0.2.0/24",
            "99:example.org",
            "example.org",
            "example.org:443",
            "udp:.example.org:3478",
            "ip:tcp:80",
        ] {
            assert_eq!(text.parse::<GardenEntry>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_coovachilli_takes_means_the_same_here() {
        for (text, plain) in [
            ("Example.ORG", "example.org"),
            ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
            ("6:192.0.2.1:80", "tcp:192.0.2.1:80"),
            ("TCP:192.0.2.1", "tcp:192.0.2.1"),
            ("47:192.0.2.1", "gre:192.0.2.1"),
            ("0:192.0.2.1:0", "192.0.2.1"),
            ("ip:example.org:80", "example.org:80"),
        ] {
            assert_eq!(text.parse::<GardenEntry>().expect(text).to_string(), plain);
        }
    }

    #[test]
    fn a_wrong_entry_is_told_what_to_write() {
        for (text, advice) in [
            ("203.0.113.9/24", "write 203.0.113.0/24"),
            ("203.0.113.0/255.0.255.0", "write [protocol:]"),
            ("203.0.113.0/33", "write [protocol:]"),
            ("example.org:http", "write 1 to 65535"),
            ("example.org:65536", "write 1 to 65535"),
            ("icmp:192.0.2.1:7", "leave the port out"),
            ("256:192.0.2.1", "is not a port"),
            ("https://example.org", "is not a port"),
            ("tcp:443", "write [protocol:]"),
            ("300.1.1.1/8", "write [protocol:]"),
            ("..example.org", "write [protocol:]"),
            ("*.example.org", "write [protocol:]"),
            ("", "write [protocol:]"),
            ("tcp:", "write [protocol:]"),
        ] {
            let message = text.parse::<GardenEntry>().expect_err(text);
            assert!(message.contains(advice), "{text}: {message}");
        }
    }

    #[test]
    fn neither_the_whole_internet_nor_the_guests_network_can_be_a_garden() {
        let lan = Network { address: Ipv4Addr::new(10, 85, 0, 0), prefix: 20 };
        for (text, objected) in [
            ("0.0.0.0/0", true),
            ("tcp:0.0.0.0/0:443", true),
            ("10.85.1.1", true),
            ("10.0.0.0/8", true),
            ("10.86.0.0/16", false),
            ("example.org", false),
        ] {
            let entry: GardenEntry = text.parse().expect(text);
            assert_eq!(entry.objection(lan).is_some(), objected, "{text}");
        }
    }

    #[test]
    fn a_server_opens_no_large_part_of_the_internet() {
        let lan = Network { address: Ipv4Addr::new(10, 85, 0, 0), prefix: 20 };
        for (text, objected) in [
            ("128.0.0.0/1", true),
            ("tcp:192.0.0.0/7:443", true),
            ("0.0.0.0/0", true),
            ("10.85.1.1", true),
            ("11.0.0.0/8", false),
            ("example.org", false),
        ] {
            let entry: GardenEntry = text.parse().expect(text);
            assert_eq!(entry.objection_to_servers(lan).is_some(), objected, "{text}");
        }
    }

    #[test]
    fn a_domain_holds_its_subdomains_but_no_look_alike() {
        let domain = GardenDomain::parse("Example.org").expect("a domain");
        assert!(domain.matches("example.org") && domain.matches("cdn.example.org"));
        assert!(
            !domain.matches("badexample.org") && !domain.matches("example.org.evil.test") && !domain.matches("org")
        );
        let below = GardenDomain::parse(".example.org").expect("a domain");
        assert!(!below.matches("example.org") && below.matches("a.b.example.org"));
        assert!(GardenDomain::parse("..example.org").is_err() && GardenDomain::parse(".").is_err());
    }
}
