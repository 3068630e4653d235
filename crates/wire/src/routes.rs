//! Networks behind routers that stand on the guests' network.
//!
//! All frames of such a network come from its router's station, so its guests are told apart by their addresses: a frame
//! that a router sends from an address of its network is that guest's, whose key says so ([`GuestKey::behind_router`]).
//! Who sends from there with another station's address has that station's key, and is no such guest.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::{GuestKey, MacAddr, Vlan};

/// One network, and the router that it is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// An address of the network.
    pub network: Ipv4Addr,
    /// The length of its prefix.
    pub prefix: u8,
    /// The router's address on the guests' network.
    pub via: Ipv4Addr,
    /// The router's station.
    pub mac: MacAddr,
    /// The VLAN that it is on.
    pub vlan: Vlan,
}

impl Route {
    fn contains(&self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
        address.to_bits() & mask == self.network.to_bits() & mask
    }

    fn is_from(&self, key: GuestKey) -> bool {
        (self.mac, self.vlan) == (key.mac, key.vlan)
    }
}

/// All of them, no two of which overlap.
#[derive(Clone, Debug, Default)]
pub struct Routes(Arc<[Route]>);

impl FromIterator<Route> for Routes {
    fn from_iter<T: IntoIterator<Item = Route>>(routes: T) -> Self {
        Self(routes.into_iter().collect())
    }
}

impl Routes {
    /// True if guests are on the LAN itself, all of them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if the address is one behind a router.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.0.iter().any(|route| route.contains(address))
    }

    /// Who sent a packet with this source, which came from the station `key`: itself, unless it is a router and the source
    /// behind it.
    #[must_use]
    pub fn sender(&self, key: GuestKey, source: Ipv4Addr) -> GuestKey {
        if self.0.iter().any(|route| route.is_from(key) && route.contains(source)) {
            return GuestKey::behind_router(key.lan, key.vlan, source);
        }
        key
    }

    /// The way to a guest behind a router; none if it is on the LAN itself, or there is no such way any more.
    #[must_use]
    pub fn to(&self, key: GuestKey) -> Option<&Route> {
        let address = key.address_behind_router()?;
        self.0.iter().find(|route| route.vlan == key.vlan && route.contains(address))
    }

    /// The station that frames for this guest go to, and by which servers know it: its own, or its router's.
    #[must_use]
    pub fn station(&self, key: GuestKey) -> MacAddr {
        self.to(key).map_or(key.mac, |route| route.mac)
    }

    /// The address that this station has on the guests' network, if it is a router.
    #[must_use]
    pub fn router(&self, key: GuestKey) -> Option<Ipv4Addr> {
        self.0.iter().find(|route| route.is_from(key)).map(|route| route.via)
    }

    /// For a bound on newcomers: all of one network have one share, which is not their router's own.
    #[must_use]
    pub fn share(&self, key: GuestKey) -> GuestKey {
        self.to(key).map_or(key, |route| GuestKey::behind_router(key.lan, key.vlan, route.network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: GuestKey = GuestKey { lan: 0, vlan: Vlan(7), mac: MacAddr([2, 0, 0, 0, 0, 9]) };
    const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 9, 255, 1);

    fn routes() -> Routes {
        let (network, via) = (Ipv4Addr::new(10, 9, 0, 0), Ipv4Addr::new(10, 1, 0, 2));
        [Route { network, prefix: 16, via, mac: ROUTER.mac, vlan: ROUTER.vlan }].into_iter().collect()
    }

    #[test]
    fn a_guest_behind_a_router_is_its_address_and_everybody_else_its_station() {
        let routes = routes();
        let guest = routes.sender(ROUTER, INSIDE);
        assert_eq!((guest.vlan, guest.address_behind_router()), (ROUTER.vlan, Some(INSIDE)));
        assert!(!guest.mac.is_station(), "no frame can come from there");
        assert_eq!((routes.station(guest), routes.station(ROUTER)), (ROUTER.mac, ROUTER.mac));
        for source in [Ipv4Addr::new(10, 1, 0, 2), Ipv4Addr::new(10, 8, 255, 255), Ipv4Addr::new(10, 10, 0, 0)] {
            assert_eq!(routes.sender(ROUTER, source), ROUTER, "{source}");
        }
        let others = [GuestKey { mac: MacAddr([2, 0, 0, 0, 0, 8]), ..ROUTER }, GuestKey { vlan: Vlan::NONE, ..ROUTER }];
        for other in others {
            assert_eq!(routes.sender(other, INSIDE), other, "another station, and the same on another VLAN");
            assert_eq!(routes.router(other), None);
        }
    }

    #[test]
    fn without_a_way_any_more_a_guest_is_nowhere() {
        let guest = routes().sender(ROUTER, INSIDE);
        assert_eq!((Routes::default().to(guest), Routes::default().station(guest)), (None, guest.mac));
    }
}
