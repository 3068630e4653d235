//! Strangers on addresses that we offer.

use super::limits::QUARANTINE;
use super::table::Use;
use super::{Outcome, Reason, Server};
use wire::arp::Arp;
use wire::{GuestKey, Now};

impl Server {
    /// Looks at an ARP message that `key` sent: does it use an address that is offered to another guest?
    pub fn handle_arp(&mut self, now: Now, key: GuestKey, arp: &Arp) -> Outcome {
        self.handle_timeout(now);
        let outcome = match self.table.usage(arp.sender) {
            // Who has a lease has its address, and who claims for another station is lying either way.
            Some(Use::Offered(to))
                if to != key
                    && arp.sender_mac == key.mac
                    && self.lease(key).is_none()
                    && self.rates.allow(now.mono, key) =>
            {
                self.withdraw_for(now, to, key, arp)
            }
            _ => Outcome::Silent(Reason::NoConflict),
        };
        self.count(outcome)
    }

    fn withdraw_for(&mut self, now: Now, to: GuestKey, key: GuestKey, arp: &Arp) -> Outcome {
        self.table.withdraw(to);
        if self.table.quarantine(arp.sender, key, now.mono + QUARANTINE) {
            return Outcome::Conflict;
        }
        // A host's own address, or a station that cries wolf: the offer stands.
        self.table.offer(to, arp.sender, now.mono + super::limits::OFFER_HOLD);
        Outcome::Silent(Reason::NoConflict)
    }
}
