//! Leases for those who never ask: stations that use an address of another network, or one of ours that is for that, and
//! guests behind a router.

use super::held::Held;
use super::limits::UNASKED_SHARE;
use super::{Lease, Output, Server};
use std::net::Ipv4Addr;
use wire::{GuestKey, Now};

impl Server {
    /// Lends an address of ours to a station that uses `foreign`, or lends it for longer; nothing happens if it may not have
    /// one, if it has a lease by DHCP or is about to get one. [`Output::Bound`] says what it got.
    pub fn lend_unasked(&mut self, now: Now, key: GuestKey, foreign: Ipv4Addr) {
        self.handle_timeout(now);
        if !self.config.any_address {
            return; // nor does who stayed by a session while that was allowed get another lease
        }
        let time = self.config.lease_time(self.table.held(key).is_some_and(Held::has_logged_in));
        let address = match (self.table.held(key), self.table.foreign(key)) {
            (Some(_), None) => return,
            (Some(held), Some(before)) => {
                // Half of the time is left: as a client would renew it (RFC 2131, 4.4.5).
                let early = held.ends.mono().saturating_sub(now.mono) > time / 2;
                if !self.config.is_foreign(foreign) || (before == foreign && early && !held.has_lapsed()) {
                    return;
                }
                held.address
            }
            (None, _) if self.table.offered(key).is_some() || !self.may_stay(foreign) => return,
            (None, _) => match self.choose(key, None) {
                Some(address) => address,
                None => return,
            },
        };
        let (protected, logged_in) =
            self.table.held(key).map_or((false, false), |held| (held.is_protected(), held.has_logged_in()));
        let ends = now.mono + time;
        let lease = Lease { key, address, foreign: Some(foreign), hostname: None, ends, logged_in };
        self.outputs.push_back(Output::Bound(lease.clone()));
        self.table.lend(Held::new(lease, protected), Some(foreign));
    }

    /// Lends a station the address of [`Config::statics`](super::Config::statics) that it uses, or lends it for longer;
    /// nothing happens if somebody else has it, if the station has another or is about to get one, or if what is left is for
    /// those who ask. [`Output::Bound`] says that it was done.
    pub fn lend_static(&mut self, now: Now, key: GuestKey, address: Ipv4Addr) {
        self.handle_timeout(now);
        let (protected, logged_in) = match self.table.held(key) {
            Some(held) if held.address == address && self.is_static(address) => {
                let time = self.config.lease_time(held.has_logged_in());
                // Half of the time is left: as a client would renew it (RFC 2131, 4.4.5).
                if held.ends.mono().saturating_sub(now.mono) > time / 2 && !held.has_lapsed() {
                    return;
                }
                (held.is_protected(), held.has_logged_in())
            }
            Some(_) => return,
            None if self.table.offered(key).is_some() || !self.has_room_for_unasked() => return,
            None if !self.table.statics().is_free(address) => return,
            None => (false, false),
        };
        let ends = now.mono + self.config.lease_time(logged_in);
        let lease = Lease { key, address, foreign: None, hostname: None, ends, logged_in };
        self.outputs.push_back(Output::Bound(lease.clone()));
        self.table.lend(Held::new(lease, protected), None);
    }

    /// True for an address that stations use without asking.
    #[must_use]
    pub fn is_static(&self, address: Ipv4Addr) -> bool {
        self.table.statics().contains(address)
    }

    /// True unless the leases that are left are for those who ask.
    fn has_room_for_unasked(&self) -> bool {
        let most = self.config.max_leases - self.config.max_leases / UNASKED_SHARE;
        self.table.leases() + self.table.promises() < most.max(1)
    }

    /// Lends a guest behind a router the address that it has, which is none of the pool, or lends it for longer; nothing
    /// happens if there are too many leases. [`Output::Bound`] says that it was done.
    pub fn lend_behind_router(&mut self, now: Now, key: GuestKey) {
        self.handle_timeout(now);
        let Some(address) = key.address_behind_router() else { return };
        let held = self.table.held(key);
        let (protected, logged_in) = held.map_or((false, false), |held| (held.is_protected(), held.has_logged_in()));
        if held.is_none() && (self.is_full() || self.table.usage(address).is_some()) {
            return;
        }
        let ends = now.mono + self.config.lease_time(logged_in);
        let lease = Lease { key, address, foreign: None, hostname: None, ends, logged_in };
        self.outputs.push_back(Output::Bound(lease.clone()));
        self.table.lend(Held::new(lease, protected), None);
    }

    /// True if one more station may use that address of another network.
    pub(super) fn may_stay(&self, foreign: Ipv4Addr) -> bool {
        let most = (self.table.pool().size() / UNASKED_SHARE).max(1);
        self.config.any_address && self.config.is_foreign(foreign) && self.table.foreigners() < most
    }
}
