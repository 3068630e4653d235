//! Who has which address: leases, offers, quarantine. A guest has one lease or one offer; an address has one use.
//! Every search is by key, every timer set is in order of time.

use super::config::Config;
use super::evicted::Evicted;
use super::held::{Held, Leases, Stage};
use super::limits::{ENDS_AT_ONCE, MAX_OFFERS, MAX_QUARANTINE_PER_STATION, QUARANTINE_SHARE};
use super::pool::Pool;
use super::{EndReason, Lease};
use crate::session::Moment;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::GuestKey;

pub(super) struct Table {
    pool: Pool,
    /// The others, by name.
    named: BTreeMap<String, Pool>,
    /// Those of stations that do not ask.
    statics: Pool,
    leases: Leases,
    /// What they use instead who got their lease without asking: few, so it is not in [`Held`].
    foreign: BTreeMap<GuestKey, Ipv4Addr>,
    offers: BTreeMap<GuestKey, Offer>,
    evicted: Evicted,
    promises: BTreeMap<GuestKey, Offer>,
    /// Of addresses that are not leased.
    uses: BTreeMap<Ipv4Addr, Use>,
    /// When to look whether the lease of an address has ended: no later than it does, and each lease has an entry. A heap
    /// is half as large as a tree, but nothing in it is found: a lease that is renewed is looked at once in vain, and what
    /// is left of one that ended early is thrown away when its time comes or when there is too much of it.
    lease_ends: BinaryHeap<Reverse<(Moment, Ipv4Addr)>>,
    offer_ends: Ends,
    promise_ends: Ends,
    quarantine_ends: Ends,
    /// How many addresses are in quarantine because of each station.
    blamed: BTreeMap<GuestKey, u8>,
}

/// Addresses in the order in which their uses end.
type Ends = BTreeSet<(Moment, Ipv4Addr)>;

#[derive(Clone, Copy)]
struct Offer {
    address: Ipv4Addr,
    ends: Moment,
}

/// What an address is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    Leased(GuestKey),
    Offered(GuestKey),
    /// It is kept for this guest, whoever else asks.
    Promised(GuestKey),
    /// A stranger uses it; who said so.
    Quarantine(GuestKey),
}

impl Table {
    pub(super) fn new(config: &Config, seed: u64) -> Self {
        Self {
            pool: Pool::new(config),
            named: config.pools.iter().map(|(name, range)| (name.clone(), Pool::named(config, range))).collect(),
            statics: Pool::statics(config),
            leases: Leases::new(seed),
            foreign: BTreeMap::new(),
            offers: BTreeMap::new(),
            evicted: Evicted::new(seed),
            promises: BTreeMap::new(),
            uses: BTreeMap::new(),
            lease_ends: BinaryHeap::new(),
            offer_ends: BTreeSet::new(),
            promise_ends: BTreeSet::new(),
            quarantine_ends: BTreeSet::new(),
            blamed: BTreeMap::new(),
        }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The pool of that name.
    pub(super) fn named(&self, name: &str) -> Option<&Pool> {
        self.named.get(name)
    }

    fn pools(&self) -> impl Iterator<Item = &Pool> {
        [&self.pool, &self.statics].into_iter().chain(self.named.values())
    }

    fn pools_mut(&mut self) -> impl Iterator<Item = &mut Pool> {
        [&mut self.pool, &mut self.statics].into_iter().chain(self.named.values_mut())
    }

    /// Addresses of stations that do not ask.
    pub(super) fn statics(&self) -> &Pool {
        &self.statics
    }

    /// True if the address is one of any pool, free or not.
    pub(super) fn is_pooled(&self, address: Ipv4Addr) -> bool {
        self.pools().any(|pool| pool.contains(address))
    }

    /// True if it is free, in whatever pool.
    pub(super) fn is_free(&self, address: Ipv4Addr) -> bool {
        self.pools().any(|pool| pool.is_free(address))
    }

    fn take(&mut self, address: Ipv4Addr) {
        self.pools_mut().for_each(|pool| pool.take(address));
    }

    pub(super) fn usage(&self, address: Ipv4Addr) -> Option<Use> {
        let leased = self.leases.at(address).map(|held| Use::Leased(held.key));
        leased.or_else(|| self.uses.get(&address).copied())
    }

    pub(super) fn held(&self, key: GuestKey) -> Option<&Held> {
        self.leases.get(key)
    }

    /// What it uses instead of its leased address.
    pub(super) fn foreign(&self, key: GuestKey) -> Option<Ipv4Addr> {
        self.foreign.get(&key).copied()
    }

    /// How many use another address than the leased one.
    pub(super) fn foreigners(&self) -> usize {
        self.foreign.len()
    }

    /// The guest's lease.
    pub(super) fn lease(&self, key: GuestKey) -> Option<Lease> {
        Some(self.held(key)?.lease(self.foreign(key)))
    }

    /// All leases that are in force.
    pub(super) fn all_leases(&self) -> impl Iterator<Item = Lease> {
        let in_force = self.leases.iter().filter(|held| !held.has_lapsed());
        in_force.map(|held| held.lease(self.foreign(held.key)))
    }

    pub(super) fn into_held(self) -> impl Iterator<Item = (Held, Option<Ipv4Addr>)> {
        let foreign = self.foreign;
        self.leases.into_iter().map(move |held| {
            let its = foreign.get(&held.key).copied();
            (held, its)
        })
    }

    pub(super) fn leases(&self) -> usize {
        self.leases.len()
    }

    pub(super) fn quarantined(&self) -> usize {
        self.quarantine_ends.len()
    }

    pub(super) fn offers(&self) -> usize {
        self.offers.len()
    }

    /// What was offered to a guest, or is promised to it.
    pub(super) fn offered(&self, key: GuestKey) -> Option<Ipv4Addr> {
        self.promised(key).or_else(|| self.offers.get(&key).map(|offer| offer.address))
    }

    pub(super) fn promises(&self) -> usize {
        self.promises.len()
    }

    pub(super) fn promised(&self, key: GuestKey) -> Option<Ipv4Addr> {
        self.promises.get(&key).map(|promise| promise.address)
    }

    /// Keeps a free address for a guest without a lease, until it asks. Unlike an offer it makes room for nobody.
    pub(super) fn promise(&mut self, key: GuestKey, address: Ipv4Addr, ends: Duration) {
        self.withdraw(key);
        self.break_promise(key);
        let ends = Moment::from(ends);
        self.promises.insert(key, Offer { address, ends });
        self.uses.insert(address, Use::Promised(key));
        self.promise_ends.insert((ends, address));
        self.take(address);
    }

    /// What is promised to a guest is anybody's again.
    pub(super) fn break_promise(&mut self, key: GuestKey) {
        if let Some(promise) = self.promises.remove(&key) {
            self.promise_ends.remove(&(promise.ends, promise.address));
            self.free(promise.address);
        }
    }

    /// Holds `address` for a guest without a lease. The caller has made sure that it is free, or offered or promised to
    /// them.
    pub(super) fn offer(&mut self, key: GuestKey, address: Ipv4Addr, ends: Duration) {
        if self.promises.contains_key(&key) {
            return;
        }
        self.withdraw(key);
        if self.offers.len() >= MAX_OFFERS {
            self.reclaim_offer();
        }
        let ends = Moment::from(ends);
        self.offers.insert(key, Offer { address, ends });
        self.uses.insert(address, Use::Offered(key));
        self.offer_ends.insert((ends, address));
        self.take(address);
    }

    /// Forgets the offer to a guest.
    pub(super) fn withdraw(&mut self, key: GuestKey) {
        if let Some(offer) = self.offers.remove(&key) {
            self.offer_ends.remove(&(offer.ends, offer.address));
            self.free(offer.address);
        }
    }

    /// Frees an address that is offered to another guest if this one was offered it too, lost that offer too early, and
    /// comes first.
    pub(super) fn win_back(&mut self, now: Duration, key: GuestKey, address: Ipv4Addr) {
        // A host's own address stays its own.
        if let Some(Use::Offered(other)) = self.usage(address)
            && other != key
            && self.pool.contains(address)
            && self.evicted.take(now, key, address)
        {
            self.withdraw(other);
        }
    }

    /// Lends an address that is free, or offered, promised or lent to the same guest, who uses `foreign` instead.
    pub(super) fn lend(&mut self, held: Held, foreign: Option<Ipv4Addr>) {
        let (address, ends) = (held.address, held.ends);
        self.withdraw(held.key);
        self.break_promise(held.key);
        match foreign {
            Some(foreign) => self.foreign.insert(held.key, foreign),
            None => self.foreign.remove(&held.key),
        };
        let before = self.leases.insert(held);
        let goes_on = |before: &Held| !before.has_lapsed() && before.address == address && before.ends <= ends;
        let will_be_looked_at = before.as_ref().is_some_and(goes_on);
        if let Some(before) = before.filter(|before| before.address != address) {
            self.free(before.address);
        }
        self.take(address);
        if !will_be_looked_at {
            self.look_at(ends, address);
        }
    }

    /// Has the lease of an address looked at by then.
    fn look_at(&mut self, by: Moment, address: Ipv4Addr) {
        self.lease_ends.push(Reverse((by, address)));
        if self.lease_ends.len() > 64 + 2 * self.leases.len() {
            let all = self.leases.iter().filter(|held| !held.has_lapsed());
            self.lease_ends = all.map(|held| Reverse((held.ends, held.address))).collect();
        }
    }

    /// Ends a lease. Its address is free, unless the guest has a session.
    pub(super) fn end(&mut self, key: GuestKey) -> Option<Lease> {
        let held = self.leases.get(key).filter(|held| !held.has_lapsed())?;
        let lease = held.lease(self.foreign(key));
        if held.is_protected() {
            self.leases.set_stage(key, Stage::Lapsed);
        } else {
            self.forget(key, lease.address);
        }
        Some(lease)
    }

    /// Notes that the guest has a session, or has none any more.
    pub(super) fn protect(&mut self, key: GuestKey, protected: bool) {
        let Some(held) = self.leases.get(key) else { return };
        match (held.stage, protected) {
            (Stage::New | Stage::LoggedIn, true) => self.leases.set_stage(key, Stage::Protected),
            (Stage::Protected, false) => self.leases.set_stage(key, Stage::LoggedIn),
            (Stage::Lapsed, false) => {
                let address = held.address;
                self.forget(key, address);
            }
            (Stage::Protected | Stage::Lapsed, true) | (Stage::New | Stage::LoggedIn, false) => {}
        }
    }

    /// Keeps an address that nobody has, but somebody may have been offered, out of use because a stranger has it, as
    /// `by` said or showed. False if that station made us do so too often, or the address is not of the pool.
    pub(super) fn quarantine(&mut self, address: Ipv4Addr, by: GuestKey, ends: Duration) -> bool {
        let blamed = self.blamed.get(&by).copied().unwrap_or(0);
        if blamed >= MAX_QUARANTINE_PER_STATION || !self.is_pooled(address) {
            return false;
        }
        match self.usage(address) {
            None => {}
            Some(Use::Offered(to)) => self.withdraw(to),
            Some(Use::Leased(_) | Use::Promised(_) | Use::Quarantine(_)) => return false,
        }
        if self.quarantine_ends.len() >= (self.pool.size() / QUARANTINE_SHARE).max(1) {
            self.reclaim_quarantine();
        }
        // Counted anew: the one that made room may have been this station's.
        *self.blamed.entry(by).or_insert(0) += 1;
        self.uses.insert(address, Use::Quarantine(by));
        self.quarantine_ends.insert((ends.into(), address));
        self.take(address);
        true
    }

    /// Frees the address that was offered first, or else the one that was put in quarantine first.
    pub(super) fn reclaim(&mut self) -> bool {
        self.reclaim_offer() || self.reclaim_quarantine()
    }

    pub(super) fn reclaim_offer(&mut self) -> bool {
        let Some(&(ends, address)) = self.offer_ends.first() else { return false };
        if let Some(key) = self.end_offer() {
            self.evicted.remember(key, address, ends.mono());
        }
        true
    }

    /// Ends the oldest offer; whose it was.
    fn end_offer(&mut self) -> Option<GuestKey> {
        let (_, address) = self.offer_ends.pop_first()?;
        let Some(Use::Offered(key)) = self.usage(address) else { return None };
        self.withdraw(key);
        Some(key)
    }

    fn reclaim_quarantine(&mut self) -> bool {
        let Some((_, address)) = self.quarantine_ends.pop_first() else { return false };
        if let Some(Use::Quarantine(by)) = self.usage(address) {
            match self.blamed.get_mut(&by) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    self.blamed.remove(&by);
                }
            }
        }
        self.free(address);
        true
    }

    /// When something ends next, monotonic; it may be in vain.
    pub(super) fn next_end(&self) -> Option<Duration> {
        let first = |set: &Ends| set.first().map(|&(ends, _)| ends.mono());
        let lease = self.lease_ends.peek().map(|Reverse((by, _))| by.mono());
        let others = [&self.offer_ends, &self.promise_ends, &self.quarantine_ends].into_iter().map(first);
        others.chain([lease]).flatten().min()
    }

    /// Ends what is over, and tells the leases among it, of which [`ENDS_AT_ONCE`] are looked at at a time.
    pub(super) fn expire(&mut self, now: Duration, mut ended: impl FnMut(Lease, EndReason)) {
        let due = |set: &Ends| set.first().is_some_and(|&(ends, _)| ends.mono() <= now);
        while due(&self.offer_ends) {
            self.end_offer();
        }
        while due(&self.promise_ends) {
            let Some((_, address)) = self.promise_ends.pop_first() else { break };
            if let Some(Use::Promised(key)) = self.usage(address) {
                self.break_promise(key);
            }
        }
        while due(&self.quarantine_ends) {
            self.reclaim_quarantine();
        }
        for _ in 0..ENDS_AT_ONCE {
            let Some(Reverse((_, address))) =
                self.lease_ends.peek().copied().filter(|Reverse((by, _))| by.mono() <= now)
            else {
                break;
            };
            self.lease_ends.pop();
            let Some(Use::Leased(key)) = self.usage(address) else { continue };
            match self.leases.get(key).filter(|held| !held.has_lapsed()).map(|held| held.ends) {
                Some(ends) if ends.mono() > now => self.look_at(ends, address),
                _ => {
                    if let Some(lease) = self.end(key) {
                        ended(lease, EndReason::Expired);
                    }
                }
            }
        }
    }

    fn forget(&mut self, key: GuestKey, address: Ipv4Addr) {
        self.leases.remove(key);
        self.foreign.remove(&key);
        self.free(address);
    }

    fn free(&mut self, address: Ipv4Addr) {
        self.uses.remove(&address);
        self.pools_mut().for_each(|pool| pool.give_back(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{MacAddr, Vlan};

    #[test]
    fn whoever_comes_and_goes_all_day_leaves_few_ends_to_look_at() {
        let network = Config::new(Ipv4Addr::new(10, 1, 0, 1), 24, MacAddr([2, 0, 0, 0, 0, 1]));
        let mut table = Table::new(&network, 7);
        let key = GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, 0, 9]) };
        let (address, mut ends) = (Ipv4Addr::new(10, 1, 0, 9), Duration::from_secs(3600));
        for _ in 0..10_000 {
            ends += Duration::from_secs(1);
            let lease = Lease { key, address, foreign: None, hostname: None, ends, logged_in: false };
            table.lend(Held::new(lease, false), None);
            assert!(table.lease_ends.len() <= 64 + 2);
            table.end(key);
        }
        assert!(table.lease_ends.len() <= 64 + 2);
    }
}
