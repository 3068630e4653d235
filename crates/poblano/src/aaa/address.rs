//! The address that a server names for a guest: itself (Framed-IP-Address) or by its pool (Framed-Pool).
//!
//! Whoever is known before the lease gets it: a device that joins at an access point, or whose lease waits for the server's
//! word. A guest of the portal has had its address since before anybody knew who it is. It keeps it: a session is counted at one
//! address, and an address by account would stay with the device for whoever logs in there next.

use std::fmt;

use engine::dhcp::{Displaced, Wanted};
use radius::{Reply, attr};
use tracing::{debug, warn};
use wire::GuestKey;

use super::Aaa;
use super::ignored::is_any;

/// What an Accept says; an address goes over a pool.
pub(super) fn wanted(accept: &Reply) -> Option<Wanted> {
    let address = accept.get(attr::FRAMED_IP_ADDRESS).filter(|address| !is_any(*address));
    let address = address.or_else(|| accept.get(attr::chillispot::DHCP_IP_ADDRESS).filter(|address| !is_any(*address)));
    // RFC 2869, 5.18
    address.map(Wanted::Address).or_else(|| accept.get(attr::FRAMED_POOL).map(Wanted::Pool))
}

/// As servers write it.
pub(super) struct Written<'a>(pub(super) &'a Wanted);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Wanted::Address(address) => write!(f, "Framed-IP-Address={address}"),
            Wanted::Pool(name) => write!(f, "Framed-Pool={name:?}"),
        }
    }
}

impl Aaa {
    /// Tells that a guest does not have the address that a server names; of each reason about pools the operator hears once.
    pub(crate) fn tell_of_displaced(&self, guest: GuestKey, wanted: &Wanted, why: Displaced) {
        let words = match why {
            Displaced::HasAnother => "the guest has had another address since before the server was asked",
            Displaced::UnknownPool => "no [[dhcp.pool]] has this name",
            Displaced::PoolIsFull => "no address of this pool is free",
            Displaced::NotFree => "somebody else has it, or no pool has it",
        };
        debug!(%guest, "{} has no effect: {words}", Written(wanted));
        if matches!(wanted, Wanted::Pool(_)) && self.displaced.borrow_mut().insert(words) {
            warn!("a RADIUS server sends {}, which has no effect: {words}", Written(wanted));
        }
    }
}
