//! The walled garden: what guests reach before they log in.

use std::fmt;

use crate::units::{Network, is_name, parse_address_prefix};

/// What of a host is open before login. Prints as it is written in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GardenEntry {
    /// Which protocol.
    pub protocol: GardenProtocol,
    /// Which hosts.
    pub host: GardenHost,
    /// Which destination port; `None` is every port.
    pub port: Option<u16>,
}

/// The protocol of a garden entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GardenProtocol {
    /// Without a port every protocol, with one TCP and UDP.
    Any,
    /// TCP only.
    Tcp,
    /// UDP only.
    Udp,
    /// ICMP only; it has no port.
    Icmp,
}

/// The hosts of a garden entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GardenHost {
    /// A network, or one address as a /32.
    Network(Network),
    /// A name in lower case, open at the addresses that our DNS answers for it, for the TTL of the answer.
    Name(String),
}

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

impl GardenEntry {
    /// Reads `[protocol:]host[:port]`, where host is a name, an address or a network.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a garden entry; write [tcp:|udp:|icmp:]host[:port], as in \"203.0.113.7:443\", \"example.org\" or \"203.0.113.0/24\""
            )
        };
        let (protocol, rest) = match text.split_once(':') {
            Some(("tcp", rest)) => (GardenProtocol::Tcp, rest),
            Some(("udp", rest)) => (GardenProtocol::Udp, rest),
            Some(("icmp", rest)) => (GardenProtocol::Icmp, rest),
            _ => (GardenProtocol::Any, text),
        };
        let (host, port) = match rest.split_once(':') {
            None => (rest, None),
            Some((host, port)) => {
                let number = port.parse().ok().filter(|p| *p != 0);
                (host, Some(number.ok_or_else(|| format!("{port:?} in {text:?} is not a port; write 1 to 65535"))?))
            }
        };
        if protocol == GardenProtocol::Icmp && port.is_some() {
            return Err(format!("{text:?}: ICMP has no ports; leave the port out"));
        }
        let host = if let Ok(address) = host.parse() {
            GardenHost::Network(Network { address, prefix: 32 })
        } else if host.contains('/') {
            let given = parse_address_prefix(host).ok_or_else(wrong)?;
            if given.network().address != given.address {
                return Err(format!("{text:?} has host bits set; write {}", given.network()));
            }
            GardenHost::Network(given.network())
        } else if is_name(host) && (protocol, port) != (GardenProtocol::Any, None) {
            return Err(format!(
                "{text:?}: a name opens every port of its addresses; write {host:?}, or its addresses with the port"
            ));
        } else if is_name(host) {
            GardenHost::Name(host.to_ascii_lowercase())
        } else {
            return Err(wrong());
        };
        Ok(Self { protocol, host, port })
    }
}

impl fmt::Display for GardenEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.protocol {
            GardenProtocol::Any => "",
            GardenProtocol::Tcp => "tcp:",
            GardenProtocol::Udp => "udp:",
            GardenProtocol::Icmp => "icmp:",
        })?;
        match &self.host {
            GardenHost::Network(Network { address, prefix: 32 }) => write!(f, "{address}")?,
            GardenHost::Network(network) => write!(f, "{network}")?,
            GardenHost::Name(name) => f.write_str(name)?,
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
        ] {
            assert_eq!(GardenEntry::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(GardenEntry::parse("Example.ORG").expect("a name").to_string(), "example.org");
    }

    #[test]
    fn a_wrong_entry_is_told_what_to_write() {
        for (text, advice) in [
            ("203.0.113.9/24", "write 203.0.113.0/24"),
            ("example.org:443", "write \"example.org\""),
            ("udp:example.org", "write \"example.org\""),
            ("example.org:http", "write 1 to 65535"),
            ("example.org:0", "write 1 to 65535"),
            ("icmp:192.0.2.1:7", "leave the port out"),
            ("https://example.org", "is not a port"),
            ("300.1.1.1/8", "write [tcp:"),
            ("", "write [tcp:"),
            ("tcp:", "write [tcp:"),
        ] {
            let message = GardenEntry::parse(text).expect_err(text);
            assert!(message.contains(advice), "{text}: {message}");
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
