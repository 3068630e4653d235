//! Strangers on addresses that we offer.

use super::limits::{MAX_BELIEVED, QUARANTINE};
use super::table::Use;
use super::{Outcome, Reason, Server};
use wire::arp::Arp;
use wire::{GuestKey, Now};

impl Server {
    /// Looks at an ARP message that `key` sent: does it use an address that is offered to another guest?
    pub fn handle_arp(&mut self, now: Now, key: GuestKey, arp: &Arp) -> Outcome {
        self.handle_timeout(now);
        let offered_to_another = matches!(self.table.usage(arp.sender), Some(Use::Offered(to)) if to != key);
        // Who has a lease has its address, and who claims for another station is lying either way.
        let believed = offered_to_another && arp.sender_mac == key.mac && self.lease(key).is_none();
        // The offer stands if it is of a host's own address, or if the station cries wolf.
        let conflict = believed
            && self.table.quarantined() < MAX_BELIEVED
            && self.rates.allow(now.mono, key)
            && self.table.quarantine(arp.sender, key, now.mono + QUARANTINE);
        self.count(if conflict { Outcome::Conflict } else { Outcome::Silent(Reason::NoConflict) })
    }
}
