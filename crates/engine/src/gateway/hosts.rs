//! Addresses of devices' own, given by an operator while the gateway runs, beside those of the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use wire::{MacAddr, Now};

use super::Engine;
use crate::dhcp;

/// Devices with an address of their own: as many as the configuration may name.
pub const MOST_HOSTS: usize = 4096;

/// Why a device does not get an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRefusal {
    /// No host of the guests' network can have it, or it is the gateway's.
    NotAHost,
    /// The configuration has an address for this device already.
    Configured(Ipv4Addr),
    /// It is another device's own.
    Kept(MacAddr),
    /// A guest has it.
    Leased(MacAddr),
    /// There are [`MOST_HOSTS`].
    Full,
}

impl fmt::Display for HostRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAHost => write!(f, "no guest can have it; take one of the guests' network, not the gateway's"),
            Self::Configured(address) => {
                write!(f, "the configuration gives this device {address}; change its [[dhcp.host]] and reload")
            }
            Self::Kept(mac) => write!(f, "it is kept for {mac}; `poblano host list` shows whose is what"),
            Self::Leased(mac) => write!(f, "{mac} has it now; `poblano release {mac}` takes it back"),
            Self::Full => write!(f, "{MOST_HOSTS} devices have an address of their own; remove one"),
        }
    }
}

/// Given by an operator.
#[derive(Debug, Default)]
pub(super) struct OwnHosts(BTreeMap<MacAddr, Ipv4Addr>);

impl OwnHosts {
    /// The configuration with them; what it says itself goes before.
    pub(super) fn over(&self, configured: &dhcp::Config) -> dhcp::Config {
        let mut both = configured.clone();
        for (mac, address) in &self.0 {
            let taken = configured.hosts.values().any(|host| host.address == Some(*address));
            let own = &mut both.hosts.entry(*mac).or_default().address;
            if !taken && own.is_none() {
                *own = Some(*address);
            }
        }
        both
    }
}

impl Engine {
    /// From now on this address is this device's, and nobody else's. What it has otherwise ends: it asks anew.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn add_host(&mut self, now: Now, mac: MacAddr, address: Ipv4Addr) -> Result<(), HostRefusal> {
        let configured = &self.config.dhcp;
        if !configured.is_host_address(address) || address == configured.gateway {
            return Err(HostRefusal::NotAHost);
        }
        if let Some(own) = configured.hosts.get(&mac).and_then(|host| host.address) {
            return Err(HostRefusal::Configured(own));
        }
        let keeper = self.hosts().find(|(other, kept, _)| *kept == address && *other != mac);
        if let Some((other, ..)) = keeper {
            return Err(HostRefusal::Kept(other));
        }
        if let Some(lease) = self.dhcp.leases().find(|lease| lease.address == address && lease.key.mac != mac) {
            return Err(HostRefusal::Leased(lease.key.mac));
        }
        if self.own_hosts.0.len() >= MOST_HOSTS && !self.own_hosts.0.contains_key(&mac) {
            return Err(HostRefusal::Full);
        }
        self.own_hosts.0.insert(mac, address);
        self.apply_hosts(now);
        Ok(())
    }

    /// The device's address is anybody's again. False if an operator had not given it.
    pub fn remove_host(&mut self, now: Now, mac: MacAddr) -> bool {
        let had = self.own_hosts.0.remove(&mac).is_some();
        if had {
            self.apply_hosts(now);
        }
        had
    }

    /// Takes over what an operator gave in a former life.
    pub fn restore_hosts(&mut self, now: Now, hosts: impl IntoIterator<Item = (MacAddr, Ipv4Addr)>) {
        self.own_hosts.0.extend(hosts.into_iter().take(MOST_HOSTS));
        if !self.own_hosts.0.is_empty() {
            self.apply_hosts(now);
        }
    }

    /// Every device with an address of its own; true if an operator gave it.
    pub fn hosts(&self) -> impl Iterator<Item = (MacAddr, Ipv4Addr, bool)> {
        let configured = self.config.dhcp.hosts.iter().filter_map(|(mac, host)| Some((*mac, host.address?, false)));
        configured.chain(self.own_hosts.0.iter().map(|(mac, address)| (*mac, *address, true)))
    }

    pub(super) fn apply_hosts(&mut self, now: Now) {
        self.dhcp.reconfigure(now, self.own_hosts.over(&self.config.dhcp));
        self.drain_dhcp(now);
    }
}
