//! The Internet side: one uplink, or several.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;
use std::time::Duration;

use crate::InterfaceAddress;

/// `[uplink]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Name of the interface; `None` is the one of the default route.
    pub interface: Option<String>,
    /// Static address to give to the interface; `None` leaves it as it is.
    pub address: Option<InterfaceAddress>,
    /// Static default gateway; it may lie outside the network of `address`.
    pub gateway: Option<Ipv4Addr>,
    /// Guests' packets leave with the uplink's own address.
    pub masquerade: bool,
    /// Where http of guests who are online goes.
    pub http_proxy: Option<SocketAddrV4>,
    /// Several uplinks in place of the one above, the best one first; empty if there is one.
    pub lines: Vec<UplinkLine>,
    /// How guests are divided between them.
    pub share: UplinkShare,
    /// So often each is probed.
    pub probe_interval: Duration,
    /// Unanswered probes in a row, and it is not used.
    pub probes_lost: u32,
    /// Answered probes in a row, and it is used again.
    pub probes_answered: u32,
}

/// `[[uplink.line]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkLine {
    /// What it is called.
    pub name: String,
    /// Name of the interface.
    pub interface: String,
    /// Its router; `None` is that of its default route.
    pub gateway: Option<Ipv4Addr>,
    /// Its part of the guests.
    pub weight: u32,
    /// What is asked whether it works; `None` is its router.
    pub probe: Option<Vec<UplinkProbe>>,
}

/// How guests are divided between several uplinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UplinkShare {
    /// All leave by the first that works.
    First,
    /// By their weights.
    Weight,
}

/// Somebody who answers if an uplink works. Prints as it is written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UplinkProbe {
    /// Where.
    pub address: Ipv4Addr,
    /// How it is asked.
    pub way: ProbeWay,
}

/// How somebody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeWay {
    /// ICMP echo.
    Ping,
    /// A question to a DNS server.
    Dns,
    /// A connection to this port, which may be refused.
    Tcp(u16),
}

impl FromStr for UplinkProbe {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, way) = if let Some(server) = text.strip_prefix("dns:") {
            (server, ProbeWay::Dns)
        } else if let Some(place) = text.strip_prefix("tcp:") {
            let (address, port) = place.split_once(':').ok_or(())?;
            (address, ProbeWay::Tcp(port.parse().ok().filter(|port| *port > 0).ok_or(())?))
        } else {
            (text, ProbeWay::Ping)
        };
        Ok(Self { address: address.parse().map_err(|_| ())?, way })
    }
}

impl fmt::Display for UplinkProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.way {
            ProbeWay::Ping => self.address.fmt(f),
            ProbeWay::Dns => write!(f, "dns:{}", self.address),
            ProbeWay::Tcp(port) => write!(f, "tcp:{}:{port}", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_prints_as_it_is_written_and_what_is_none_is_refused() {
        for text in ["192.0.2.1", "dns:192.0.2.53", "tcp:192.0.2.80:443"] {
            assert_eq!(text.parse::<UplinkProbe>().map(|probe| probe.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "example.org", "192.0.2.1:80", "tcp:192.0.2.80", "tcp:192.0.2.80:0", "udp:192.0.2.1", "dns:"] {
            assert_eq!(text.parse::<UplinkProbe>(), Err(()), "{text}");
        }
    }
}
