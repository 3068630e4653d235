//! Cables and addresses of a lab: guests, a gateway and an Internet, each in a network namespace of its own, which
//! vanish with the process. Public addresses are those of documentation (RFC 5737).

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::Context;
use platform::netns::Netns;

use crate::guard::LAB_INTERFACE;

/// The gateway's interfaces.
pub(crate) const LAN: &str = "lan0";
pub(crate) const UPLINK: &str = "wan0";
/// The Internet's end of the uplink.
pub(crate) const FAR: &str = "far0";

pub(crate) const UPLINK_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The provider's RADIUS server and resolver. Nobody answers at the resolver: simulated guests ask no DNS.
pub(crate) const RADIUS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 18);
pub(crate) const RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// Where echoes come from and floods go to. There are many servers, because to one port of one address NAT has no more
/// than 64,000 connections.
const SERVERS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 128);
pub(crate) const SERVER_COUNT: u32 = 64;
pub(crate) const ECHO_PORT: u16 = 7;
pub(crate) const FLOOD_PORT: u16 = 7001;

/// The namespaces.
pub(crate) struct Network {
    pub(crate) guests: Netns,
    pub(crate) gateway: Netns,
    pub(crate) internet: Netns,
}

impl Network {
    /// The gateway has an uplink and nothing on the LAN. The kernel knows neither guests nor their servers: frames are
    /// made and read by ourselves at both ends.
    pub(crate) fn build() -> platform::Result<Self> {
        let network = Self { guests: Netns::new()?, gateway: Netns::new()?, internet: Netns::new()? };
        network.gateway.cable(LAN, None, &network.guests, LAB_INTERFACE, None)?;
        network.gateway.cable(UPLINK, None, &network.internet, FAR, None)?;
        network.internet.add_address(FAR, ROUTER, 24)?;
        network.internet.add_address("lo", RADIUS, 32)?;
        network.gateway.add_address(UPLINK, UPLINK_ADDRESS, 24)?;
        network.gateway.add_route((Ipv4Addr::UNSPECIFIED, 0), UPLINK, ROUTER)?;
        Ok(network)
    }
}

/// All servers at a port.
pub(crate) fn servers(port: u16) -> Vec<SocketAddrV4> {
    (0..SERVER_COUNT).map(|n| SocketAddrV4::new(Ipv4Addr::from(u32::from(SERVERS) + n), port)).collect()
}

/// True for one of their addresses.
pub(crate) fn is_server(address: Ipv4Addr) -> bool {
    u32::from(address).wrapping_sub(u32::from(SERVERS)) < SERVER_COUNT
}

/// Packets that have come in at an interface since it was made.
pub(crate) fn received(namespace: &Netns, interface: &str) -> anyhow::Result<u64> {
    let text = namespace.run(|| fs::read_to_string("/proc/thread-self/net/dev"))?.context("read /proc/net/dev")?;
    packets_in(&text, interface).with_context(|| format!("{interface} has no counters"))
}

/// The second number after the name (proc(5), net/dev).
fn packets_in(text: &str, interface: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interfaces_packets_are_found() {
        let text = "Inter-|   Receive\n face |bytes    packets errs\n    lo: 1 2 0\n  far0:9000     77    0    0\n far01: 5 6\n";
        assert_eq!(packets_in(text, "far0"), Some(77));
        assert_eq!(packets_in(text, "eth0"), None);
    }

    #[test]
    fn servers_are_told_from_others() {
        assert!(servers(7).iter().all(|server| is_server(*server.ip())));
        assert!(!is_server(Ipv4Addr::new(198, 51, 100, 127)));
        assert!(!is_server(Ipv4Addr::new(198, 51, 100, 192)));
    }
}
