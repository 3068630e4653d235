use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;
use wire::MacAddr;
use wire::frame::is_never_routed;

/// What the server offers, on one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Our address: router and server identifier. Never given to a guest.
    pub gateway: Ipv4Addr,
    /// Our Ethernet address.
    pub gateway_mac: MacAddr,
    /// Prefix length of the network, in bits.
    pub prefix_len: u8,
    /// Addresses for guests without an address of their own; the parts outside the network are left out. Default: the
    /// whole network. See [`super::limits::MAX_POOL`].
    pub ranges: Vec<RangeInclusive<Ipv4Addr>>,
    /// Ranges with a name, for guests of whom it is said ([`super::Wanted::Pool`]): nobody else gets an address of them,
    /// even if it is in `ranges` too. They do not overlap.
    pub pools: BTreeMap<String, RangeInclusive<Ipv4Addr>>,
    /// Addresses that stations use without asking: see [`Server::lend_static`](super::Server::lend_static). Nobody else gets
    /// one, even if it is in `ranges` too, unless it is said of a guest ([`super::Wanted::Address`]). Default: none.
    pub statics: Option<RangeInclusive<Ipv4Addr>>,
    /// How long an address is lent, at most 2^32 - 1 seconds, which clients take for "for ever". Default: 30 minutes.
    /// Longer means less traffic and a pool that empties slower.
    pub lease: Duration,
    /// The same for guests who have not logged in since they came, so that passers-by do not fill the pool.
    /// Default: as `lease`.
    pub lease_before_login: Option<Duration>,
    /// Domain name (option 15).
    pub domain: Option<String>,
    /// Resolvers (option 6). Default: the gateway.
    pub dns: Vec<Ipv4Addr>,
    /// Time servers (option 42).
    pub ntp: Vec<Ipv4Addr>,
    /// MTU of the guests' interface (option 26), in octets.
    pub mtu: Option<u16>,
    /// URI of the captive portal API (option 114, RFC 8910). It must be https. Each guest is told its own: `%{m}` stands
    /// for its MAC, `%{M}` for the same as 12 digits, `%{i}` for its address, `%{t}` for the time, in seconds since 1970.
    pub captive_portal: Option<String>,
    /// Further options, by code, for everybody. They take the place of our own, but for those that
    /// make the protocol work: see [`is_reserved`].
    pub options: BTreeMap<u8, Vec<u8>>,
    /// Hosts that get something of their own.
    pub hosts: BTreeMap<MacAddr, Host>,
    /// Each guest's lease is a /32, with routes to and over the gateway: guests then send us what they have for each
    /// other. Default: off.
    pub host_routes: bool,
    /// Relay agents (`giaddr`) that may ask on behalf of guests. A relay is believed about who asks. Default: none.
    pub relays: Vec<Ipv4Addr>,
    /// We are the only server of this network: guests that we do not know are told at once. Default: on.
    pub authoritative: bool,
    /// Ask by ARP whether somebody uses an address when it is offered to a new guest. Default: on.
    pub conflict_probe: bool,
    /// Stations that use an address of another network get one of ours too, without asking: see
    /// [`Server::lend_unasked`](super::Server::lend_unasked). Default: off.
    pub any_address: bool,
    /// A guest that renews its lease is not idle; the server itself does not care. Default: off.
    pub renewal_is_activity: bool,
    /// Leases at a time, at most; each takes less than 400 octets. Default: 65,536.
    pub max_leases: usize,
}

/// What one host gets. Each value goes before the network's.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Host {
    /// Its address, always; nobody else gets it. It may lie outside the ranges, but must be in the network.
    pub address: Option<Ipv4Addr>,
    /// Its name (option 12).
    pub hostname: Option<String>,
    /// Boot file (`file`, and option 67 if asked for), at most 127 octets.
    pub filename: Option<String>,
    /// Boot server (`siaddr`, and option 66).
    pub next_server: Option<Ipv4Addr>,
    /// Path of the root file system (option 17).
    pub root_path: Option<String>,
    /// Further options, by code.
    pub options: BTreeMap<u8, Vec<u8>>,
}

impl Config {
    /// A network with defaults for all else.
    #[must_use]
    pub fn new(gateway: Ipv4Addr, prefix_len: u8, gateway_mac: MacAddr) -> Self {
        let mut config = Self {
            gateway,
            gateway_mac,
            prefix_len: prefix_len.min(32),
            ranges: Vec::new(),
            pools: BTreeMap::new(),
            statics: None,
            lease: Duration::from_secs(1800),
            lease_before_login: None,
            domain: None,
            dns: vec![gateway],
            ntp: Vec::new(),
            mtu: None,
            captive_portal: None,
            options: BTreeMap::new(),
            hosts: BTreeMap::new(),
            host_routes: false,
            relays: Vec::new(),
            authoritative: true,
            conflict_probe: true,
            any_address: false,
            renewal_is_activity: false,
            max_leases: 65_536,
        };
        config.ranges = vec![config.network()..=config.broadcast()];
        config
    }

    /// How long an address is lent to a guest who has logged in, or has not.
    #[must_use]
    pub fn lease_time(&self, logged_in: bool) -> Duration {
        let time = self.lease_before_login.filter(|_| !logged_in).unwrap_or(self.lease);
        // RFC 2132, 9.2: 32 bits.
        time.min(Duration::from_secs(u32::MAX.into()))
    }

    /// The subnet mask.
    #[must_use]
    pub fn mask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(self.prefix_len.min(32))).unwrap_or(0))
    }

    /// The first address of the network.
    #[must_use]
    pub fn network(&self) -> Ipv4Addr {
        self.gateway & self.mask()
    }

    /// The last address of the network.
    #[must_use]
    pub fn broadcast(&self) -> Ipv4Addr {
        self.gateway | !self.mask()
    }

    /// True if a host of this network can have that address; the gateway's own is one of them.
    #[must_use]
    pub fn is_host_address(&self, address: Ipv4Addr) -> bool {
        // RFC 3021: a /31 has neither network nor broadcast address.
        let edges = self.prefix_len < 31 && (address == self.network() || address == self.broadcast());
        address & self.mask() == self.network() && !edges
    }

    /// True for an address of another network: one host's, that could be routed.
    #[must_use]
    pub fn is_foreign(&self, address: Ipv4Addr) -> bool {
        address & self.mask() != self.network() && !address.is_multicast() && !is_never_routed(address)
    }

    /// The address that is kept for that station.
    #[must_use]
    pub fn fixed_address(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        let address = self.hosts.get(&mac)?.address?;
        (self.is_host_address(address) && address != self.gateway).then_some(address)
    }
}

/// True for options that [`Config::options`] and [`Host::options`] cannot set, because the server computes them.
#[must_use]
pub fn is_reserved(code: u8) -> bool {
    matches!(code, 0 | 50..=55 | 57..=59 | 61 | 82 | 255)
}
