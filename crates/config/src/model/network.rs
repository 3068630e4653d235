//! What the guests' network is, and how packets travel.

use std::net::Ipv4Addr;
use std::time::Duration;

use wire::MacAddr;

use crate::{DhcpOption, Network};

/// `[lan]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lan {
    /// Name of the interface that guests are on. If there are `ports`, it is a bridge that the gateway makes of them.
    pub interface: String,
    /// Two interfaces or more, or none.
    pub ports: Vec<String>,
    /// The guests' network.
    pub network: Network,
    /// Our address in it, a host of `network`.
    pub gateway: Ipv4Addr,
    /// Frames without a VLAN tag are served.
    pub untagged: bool,
    /// `[[lan.routed]]`; no two networks overlap, nor one of them with `network`.
    pub routed: Vec<Routed>,
}

impl Lan {
    /// The interfaces that the operator named.
    #[must_use]
    pub fn named(&self) -> &[String] {
        if self.ports.is_empty() { std::slice::from_ref(&self.interface) } else { &self.ports }
    }
}

/// `[[lan.routed]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The network behind the router.
    pub network: Network,
    /// The router's address on the guests' network.
    pub via: Ipv4Addr,
    /// The router's MAC address there.
    pub mac: MacAddr,
    /// The VLAN that it is on; 0 is none.
    pub vlan: u16,
}

/// `[tun]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tun {
    /// Name of the device.
    pub name: String,
    /// Which kind of device.
    pub mode: TunMode,
    /// MTU in octets; `None` is the LAN interface's.
    pub mtu: Option<u16>,
    /// The largest segment that TCP connections of guests agree on, in octets.
    pub max_segment: Option<u16>,
}

/// The kind of device under the kernel's routing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunMode {
    /// IP packets.
    Tun,
    /// Ethernet frames.
    Tap,
}

/// `[offload]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offload {
    /// Whether.
    pub mode: OffloadMode,
}

/// Whether the kernel forwards by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffloadMode {
    /// Where it can.
    Auto,
    /// Or the gateway does not start.
    On,
    /// No.
    Off,
}

/// `[guests]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guests {
    /// Guests that are known at one time; every table is sized by it.
    pub max: u32,
}

/// `[dhcp]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dhcp {
    /// First address of the pool. The gateway may lie inside and is never leased.
    pub first: Ipv4Addr,
    /// Last address of the pool, inclusive.
    pub last: Ipv4Addr,
    /// Length of a lease of a guest with a session.
    pub lease: Duration,
    /// Length of a lease of a guest that is not logged in.
    pub offline_lease: Duration,
    /// Leases are /32 with a host route, so that guests send each other nothing directly.
    pub host_routes: bool,
    /// Guests with an address of another network get online with it.
    pub any_address: bool,
    /// Addresses that guests may use without a lease by DHCP, a part of the guests' network.
    pub static_addresses: Option<Network>,
    /// A guest that renews its lease is not idle.
    pub renewal_is_activity: bool,
    /// Option 15.
    pub domain: Option<String>,
    /// Option 6; never empty.
    pub dns: Vec<Ipv4Addr>,
    /// Option 42; empty is not sent.
    pub ntp: Vec<Ipv4Addr>,
    /// An address is probed with ARP before it is offered.
    pub conflict_probe: bool,
    /// Option 114, with `%{m}` and others for each guest's own; `None` is our own API, if there is https.
    pub captive_portal: Option<String>,
    /// How often other DHCP servers are looked for.
    pub rogue_probe: Option<Duration>,
    /// Further options for everybody; no code twice.
    pub options: Vec<DhcpOption>,
    /// `[[dhcp.host]]`; no MAC and no address twice.
    pub hosts: Vec<HostLease>,
    /// `[[dhcp.pool]]`; no name twice, no address in two.
    pub pools: Vec<NamedPool>,
}

/// One `[[dhcp.pool]]`: what Framed-Pool can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPool {
    /// To the letter.
    pub name: String,
    /// First address.
    pub first: Ipv4Addr,
    /// Last address, inclusive.
    pub last: Ipv4Addr,
}

/// One `[[dhcp.host]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLease {
    /// The station.
    pub mac: MacAddr,
    /// Its address; `None` is one of the pool.
    pub address: Option<Ipv4Addr>,
    /// Option 12.
    pub hostname: Option<String>,
    /// Boot file, in the field `file` and option 67.
    pub filename: Option<String>,
    /// Boot server, in the field `siaddr`.
    pub next_server: Option<Ipv4Addr>,
    /// Option 17.
    pub root_path: Option<String>,
    /// Options for this host, over those of `[dhcp]`; no code twice.
    pub options: Vec<DhcpOption>,
}

/// `[dns]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Resolvers to ask, in this order; empty is those of /etc/resolv.conf.
    pub resolvers: Vec<Ipv4Addr>,
    /// The portal's own name, in lower case.
    pub name: String,
    /// Every name below `dhcp.domain` is the portal's.
    pub domain_is_local: bool,
    /// Queries a second of one guest that are answered.
    pub queries_per_second: u32,
}
