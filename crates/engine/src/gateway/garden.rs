//! The walled garden of a running gateway: shown, and changed by an operator, a new configuration, or a RADIUS server.

use std::net::Ipv4Addr;
use std::time::Duration;

use fastpath::garden::Who;
use fastpath::session::{Policy, SlotIndex};
use wire::Now;

use super::{Attempt, Engine, Mark};
use crate::dns::Delivery;
use crate::garden::{AddError, Opened, Rule, Source};

/// What servers say about the garden of one guest.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OwnGarden {
    /// First, nothing is open for it alone any more.
    pub reset: bool,
    /// Then this is too.
    pub add: Vec<Rule>,
}

impl OwnGarden {
    /// True if nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.reset && self.add.is_empty()
    }
}

impl Engine {
    /// Takes the configuration's garden in place of the one before; what an operator added stays. How many rules found no
    /// room, which a new start makes.
    pub fn reconfigure_garden(&mut self, rules: Vec<Rule>, longest_ttl: Duration) -> usize {
        self.dns.set_garden_cap(longest_ttl);
        let (opened, closed, refused) = self.garden.configure(rules);
        closed.iter().for_each(|name| self.dns.close_name(name));
        opened.into_iter().for_each(|name| self.dns.open_name(name));
        refused
    }

    /// Adds to the garden until the gateway ends, or for so long.
    ///
    /// # Errors
    /// If the configuration has it, or there is no room.
    pub fn add_to_garden(&mut self, now: Now, rule: Rule, lasts: Option<Duration>) -> Result<(), AddError> {
        let end = |lasts| u32::try_from(now.mono.saturating_add(lasts).as_secs()).unwrap_or(u32::MAX);
        let until_secs = lasts.map(end);
        if let Some(name) = self.garden.add(rule, until_secs)? {
            self.dns.open_name(name);
        }
        Ok(())
    }

    /// Takes something out of the garden, and the addresses that DNS has opened by it: what the configuration has comes
    /// back with the next start. False if it was not there.
    pub fn remove_from_garden(&mut self, rule: &Rule) -> bool {
        let Some(name) = self.garden.remove(rule) else { return false };
        if let Some(name) = name {
            self.dns.close_name(&name);
        }
        true
    }

    /// All rules, in no order.
    pub fn garden_rules(&self) -> impl Iterator<Item = (&Rule, Source)> {
        self.garden.rules()
    }

    /// Rules that hold for one guest alone, by its address, in no order.
    pub fn own_garden_rules(&self) -> impl Iterator<Item = (Ipv4Addr, &Rule)> {
        self.garden.own_rules()
    }

    /// What DNS has opened, the first to close first.
    pub fn garden_opened(&self, now: Now) -> impl Iterator<Item = &Opened> {
        self.garden.opened(now.mono.as_secs() as u32)
    }

    /// What DNS would have opened if there were room, since the start.
    #[must_use]
    pub fn garden_refused(&self) -> u64 {
        self.garden.refused()
    }

    /// Changes what is open for the guest that asked, if it is still there; how many rules found no room.
    pub fn change_own_garden(&mut self, attempt: &Attempt, own: OwnGarden) -> usize {
        let is_there = |guest: &&super::Guest| guest.key == attempt.key && guest.address == attempt.address;
        match self.guests.get(attempt.slot).filter(is_there) {
            Some(_) => self.set_own_garden(attempt.slot, own),
            None => 0,
        }
    }

    /// The same for all guests, logged in or not, that have these marks; how many guests, and how many rules found no room.
    pub fn change_own_gardens(&mut self, marks: &[Mark<'_>], own: &OwnGarden) -> (usize, usize) {
        let found = self.find_guests(marks);
        let refused = found.iter().map(|slot| self.set_own_garden(*slot, own.clone())).sum();
        (found.len(), refused)
    }

    fn set_own_garden(&mut self, slot: SlotIndex, own: OwnGarden) -> usize {
        let Some(address) = self.guests.get(slot).map(|guest| guest.address) else { return 0 };
        let (_, refused) = self.garden.change_own(slot, address, own.reset, own.add);
        self.dns.set_own_names(address, self.garden.own_names(slot));
        if let Some(found) = self.writer.table().snapshot(slot) {
            self.set_policy(slot, found.policy);
        }
        refused
    }

    /// Nobody who gets the place, or the address, has what this guest had.
    pub(super) fn forget_own_garden(&mut self, slot: SlotIndex) {
        if let Some(guest) = self.guests.get(slot).filter(|_| self.garden.has_own(slot)) {
            self.dns.set_own_names(guest.address, std::iter::empty());
            self.garden.forget_own(slot);
        }
    }

    /// What the guest in `slot` may do, with what is so whether it is logged in or not.
    pub(super) fn set_policy(&mut self, slot: SlotIndex, policy: Policy) {
        let refused = self.guests.get(slot).is_some_and(|guest| guest.refused);
        self.writer.set_policy(slot, &Policy { own_garden: self.garden.has_own(slot), refused, ..policy });
    }

    /// Opens what an answer has brought.
    pub(super) fn open_garden(&mut self, now: Now, delivery: &Delivery) {
        let secs = now.mono.as_secs() as u32;
        let asker = *delivery.return_path.guest.ip();
        for opening in &delivery.garden {
            self.garden.open(secs, asker, Who::Everybody, opening);
        }
        if delivery.own_garden.is_empty() {
            return;
        }
        // The guest may have left since it asked.
        let Some(guest) = self.writer.table().by_address(asker).filter(|found| self.garden.has_own(found.slot)) else {
            return;
        };
        for opening in &delivery.own_garden {
            self.garden.open(secs, asker, Who::Guest(guest.slot), opening);
        }
    }
}
