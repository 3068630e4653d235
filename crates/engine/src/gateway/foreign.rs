//! Guests who brought an address along and do not ask for one: from another network, or one of ours that is for those who
//! come with it. Of the first:
//!
//! * Each gets a lease of the pool all the same, by which the kernel, the portal, the accounts and the operator know it; the
//!   packet path translates between the two where packets pass to and from the kernel. So two guests may use the same address, and
//!   nobody can take another's, a server's or the gateway's by using it: what comes for that address does not come here.
//! * A guest shows itself by asking for its router, which is the first that a station has to do. It may not use an address of our
//!   own network, which others hold, nor one that is never routed.
//! * Who brought one of ours has a lease of just that, unless somebody else has it. Nobody else gets it while that lasts.
//! * Neither ever renews its lease, so each question by ARP does. One who is logged in and has sent something in the time of a
//!   lease keeps it.

use wire::arp::{Arp, Operation};
use wire::{GuestKey, Now};

use super::Engine;
use crate::dhcp::{EndReason, Lease};

impl Engine {
    /// Somebody asks for an address: maybe a guest from elsewhere, who looks for its router.
    pub(super) fn look_for_foreigner(&mut self, now: Now, key: GuestKey, arp: &Arp) {
        let is_question = arp.operation == Operation::Request && arp.sender_mac == key.mac && arp.target != arp.sender;
        if is_question && arp.target == self.config.gateway && self.dhcp.is_static(arp.sender) {
            self.dhcp.lend_static(now, key, arp.sender);
        }
        let dhcp = self.dhcp.config();
        if is_question
            && dhcp.is_foreign(arp.sender)
            // Whose those are says their router.
            && !self.config.routes.contains(arp.sender)
            && self.config.routes.router(key).is_none()
            && (dhcp.is_foreign(arp.target) || arp.target == self.config.gateway)
        {
            self.dhcp.lend_unasked(now, key, arp.sender);
        }
    }

    /// True if the lease goes on that has just ended.
    pub(super) fn stays(&mut self, now: Now, lease: &Lease, why: EndReason) -> bool {
        let never_asks = lease.foreign.is_some()
            || lease.key.address_behind_router().is_some()
            || self.dhcp.is_static(lease.address);
        if !never_asks || why != EndReason::Expired {
            return false;
        }
        let Some(found) = self.writer.table().by_key(lease.key) else { return false };
        let lasts = self.dhcp.config().lease_time(lease.logged_in);
        if self.guests.session(found.slot).is_none() || self.idle(now, found.slot) >= lasts {
            return false;
        }
        match lease.foreign {
            Some(foreign) => self.dhcp.lend_unasked(now, lease.key, foreign),
            None if lease.key.address_behind_router().is_some() => self.dhcp.lend_behind_router(now, lease.key),
            None => self.dhcp.lend_static(now, lease.key, lease.address),
        }
        self.dhcp.lease(lease.key).is_some()
    }
}
