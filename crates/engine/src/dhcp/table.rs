//! Who has which address: leases, offers, quarantine. A guest has one lease or one offer; an address has one use.
//! Every search is by key, every timer set is in order of time.

use super::config::Config;
use super::evicted::Evicted;
use super::limits::{ENDS_AT_ONCE, MAX_OFFERS, MAX_QUARANTINE_PER_STATION, QUARANTINE_SHARE};
use super::pool::Pool;
use super::{EndReason, Lease};
use crate::session::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::GuestKey;

pub(super) struct Table {
    pool: Pool,
    leases: BTreeMap<GuestKey, Held>,
    /// What they use instead who got their lease without asking: few, so it is not in [`Held`].
    foreign: BTreeMap<GuestKey, Ipv4Addr>,
    offers: BTreeMap<GuestKey, Offer>,
    evicted: Evicted,
    uses: BTreeMap<Ipv4Addr, Use>,
    lease_ends: Ends,
    offer_ends: Ends,
    quarantine_ends: Ends,
    /// How many addresses are in quarantine because of each station.
    blamed: BTreeMap<GuestKey, u8>,
}

/// Addresses in the order in which their uses end.
type Ends = BTreeSet<(Moment, Ipv4Addr)>;

/// A lease and what we must know about it, small: there are as many as guests.
pub(super) struct Held {
    pub(super) address: Ipv4Addr,
    hostname: Option<Box<str>>,
    expires_unix_nanos: u64,
    /// When it ends, monotonic.
    pub(super) ends: Moment,
    pub(super) logged_in: bool,
    /// The guest has a session.
    pub(super) protected: bool,
    /// It ended while the guest had a session: its address waits until the session is over too.
    pub(super) lapsed: bool,
}

const _: () = assert!(size_of::<Held>() <= 40);

impl Held {
    pub(super) fn new(lease: Lease, ends: Duration, protected: bool) -> Self {
        Self {
            address: lease.address,
            hostname: lease.hostname,
            expires_unix_nanos: lease.expires_unix.as_nanos() as u64,
            ends: ends.into(),
            logged_in: lease.logged_in,
            protected,
            lapsed: false,
        }
    }

    /// The lease as others know it.
    pub(super) fn lease(&self, key: GuestKey, foreign: Option<Ipv4Addr>) -> Lease {
        Lease {
            key,
            address: self.address,
            foreign,
            hostname: self.hostname.clone(),
            expires_unix: Duration::from_nanos(self.expires_unix_nanos),
            logged_in: self.logged_in,
        }
    }
}

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
    /// A stranger uses it; who said so.
    Quarantine(GuestKey),
}

impl Table {
    pub(super) fn new(config: &Config, seed: u64) -> Self {
        Self {
            pool: Pool::new(config),
            leases: BTreeMap::new(),
            foreign: BTreeMap::new(),
            offers: BTreeMap::new(),
            evicted: Evicted::new(seed),
            uses: BTreeMap::new(),
            lease_ends: BTreeSet::new(),
            offer_ends: BTreeSet::new(),
            quarantine_ends: BTreeSet::new(),
            blamed: BTreeMap::new(),
        }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn usage(&self, address: Ipv4Addr) -> Option<Use> {
        self.uses.get(&address).copied()
    }

    pub(super) fn held(&self, key: GuestKey) -> Option<&Held> {
        self.leases.get(&key)
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
        Some(self.held(key)?.lease(key, self.foreign(key)))
    }

    /// All leases that are in force.
    pub(super) fn all_leases(&self) -> impl Iterator<Item = Lease> {
        let in_force = self.leases.iter().filter(|(_, held)| !held.lapsed);
        in_force.map(|(&key, held)| held.lease(key, self.foreign(key)))
    }

    pub(super) fn into_held(self) -> impl Iterator<Item = (GuestKey, Held, Option<Ipv4Addr>)> {
        let foreign = self.foreign;
        self.leases.into_iter().map(move |(key, held)| (key, held, foreign.get(&key).copied()))
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

    pub(super) fn offered(&self, key: GuestKey) -> Option<Ipv4Addr> {
        self.offers.get(&key).map(|offer| offer.address)
    }

    /// Holds `address` for a guest without a lease. The caller has made sure that it is free, or offered to them.
    pub(super) fn offer(&mut self, key: GuestKey, address: Ipv4Addr, ends: Duration) {
        self.withdraw(key);
        if self.offers.len() >= MAX_OFFERS {
            self.reclaim_offer();
        }
        let ends = Moment::from(ends);
        self.offers.insert(key, Offer { address, ends });
        self.uses.insert(address, Use::Offered(key));
        self.offer_ends.insert((ends, address));
        self.pool.take(address);
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

    /// Lends an address that is free, or offered or lent to the same guest, who uses `foreign` instead.
    pub(super) fn lend(&mut self, key: GuestKey, held: Held, foreign: Option<Ipv4Addr>) {
        let (address, ends) = (held.address, held.ends);
        self.withdraw(key);
        match foreign {
            Some(foreign) => self.foreign.insert(key, foreign),
            None => self.foreign.remove(&key),
        };
        if let Some(before) = self.leases.insert(key, held) {
            self.lease_ends.remove(&(before.ends, before.address));
            if before.address != address {
                self.free(before.address);
            }
        }
        self.uses.insert(address, Use::Leased(key));
        self.lease_ends.insert((ends, address));
        self.pool.take(address);
    }

    /// Ends a lease. Its address is free, unless the guest has a session.
    pub(super) fn end(&mut self, key: GuestKey) -> Option<Lease> {
        let foreign = self.foreign(key);
        let held = self.leases.get_mut(&key).filter(|held| !held.lapsed)?;
        let lease = held.lease(key, foreign);
        self.lease_ends.remove(&(held.ends, lease.address));
        if held.protected {
            held.lapsed = true;
        } else {
            self.forget(key, lease.address);
        }
        Some(lease)
    }

    /// Notes that the guest has a session, or has none any more.
    pub(super) fn protect(&mut self, key: GuestKey, protected: bool) {
        let Some(held) = self.leases.get_mut(&key) else { return };
        held.protected = protected;
        held.logged_in |= protected;
        if held.lapsed && !protected {
            let address = held.address;
            self.forget(key, address);
        }
    }

    /// Keeps an address that nobody has, but somebody may have been offered, out of use because a stranger has it, as
    /// `by` said or showed. False if that station made us do so too often, or the address is not of the pool.
    pub(super) fn quarantine(&mut self, address: Ipv4Addr, by: GuestKey, ends: Duration) -> bool {
        let blamed = self.blamed.get(&by).copied().unwrap_or(0);
        if blamed >= MAX_QUARANTINE_PER_STATION || !self.pool.contains(address) {
            return false;
        }
        match self.usage(address) {
            None => {}
            Some(Use::Offered(to)) => self.withdraw(to),
            Some(Use::Leased(_) | Use::Quarantine(_)) => return false,
        }
        if self.quarantine_ends.len() >= (self.pool.size() / QUARANTINE_SHARE).max(1) {
            self.reclaim_quarantine();
        }
        // Counted anew: the one that made room may have been this station's.
        *self.blamed.entry(by).or_insert(0) += 1;
        self.uses.insert(address, Use::Quarantine(by));
        self.quarantine_ends.insert((ends.into(), address));
        self.pool.take(address);
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

    /// When something ends next, monotonic.
    pub(super) fn next_end(&self) -> Option<Duration> {
        let first = |set: &Ends| set.first().map(|&(ends, _)| ends.mono());
        [&self.lease_ends, &self.offer_ends, &self.quarantine_ends].into_iter().filter_map(first).min()
    }

    /// Ends what is over, and tells the leases among it, of which [`ENDS_AT_ONCE`] end at a time.
    pub(super) fn expire(&mut self, now: Duration, mut ended: impl FnMut(Lease, EndReason)) {
        let due = |set: &Ends| set.first().is_some_and(|&(ends, _)| ends.mono() <= now);
        while due(&self.offer_ends) {
            self.end_offer();
        }
        while due(&self.quarantine_ends) {
            self.reclaim_quarantine();
        }
        for _ in 0..ENDS_AT_ONCE {
            if !due(&self.lease_ends) {
                break;
            }
            let Some((_, address)) = self.lease_ends.pop_first() else { break };
            if let Some(Use::Leased(key)) = self.usage(address)
                && let Some(lease) = self.end(key)
            {
                ended(lease, EndReason::Expired);
            }
        }
    }

    fn forget(&mut self, key: GuestKey, address: Ipv4Addr) {
        self.leases.remove(&key);
        self.foreign.remove(&key);
        self.free(address);
    }

    fn free(&mut self, address: Ipv4Addr) {
        self.uses.remove(&address);
        self.pool.give_back(address);
    }
}
