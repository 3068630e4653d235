//! Leases, in as little memory as can be: there are as many as guests. They are a plain list, and beside it are two tables of
//! their places in it, by guest and by address: open addressing in cells of four octets, half of them empty at least, at
//! places that only we can compute.

use std::net::Ipv4Addr;
use wire::GuestKey;

use super::{Lease, hash, mix};
use crate::session::Moment;

/// A lease and what we must know about it.
pub(super) struct Held {
    pub(super) key: GuestKey,
    pub(super) address: Ipv4Addr,
    hostname: Option<Box<str>>,
    /// When it ends, monotonic.
    pub(super) ends: Moment,
    pub(super) stage: Stage,
}

const _: () = assert!(size_of::<Option<Held>>() <= 40);

/// How much a guest has made of its lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Stage {
    New,
    /// It has logged in, but has no session any more.
    LoggedIn,
    /// It has a session.
    Protected,
    /// It ended while the guest had a session: its address waits until the session is over too.
    Lapsed,
}

impl Held {
    pub(super) fn new(lease: Lease, protected: bool) -> Self {
        let stage = match (protected, lease.logged_in) {
            (true, _) => Stage::Protected,
            (false, true) => Stage::LoggedIn,
            (false, false) => Stage::New,
        };
        Self { key: lease.key, address: lease.address, hostname: lease.hostname, ends: lease.ends.into(), stage }
    }

    /// The lease as others know it.
    pub(super) fn lease(&self, foreign: Option<Ipv4Addr>) -> Lease {
        Lease {
            key: self.key,
            address: self.address,
            foreign,
            hostname: self.hostname.clone(),
            ends: self.ends.mono(),
            logged_in: self.has_logged_in(),
        }
    }

    pub(super) fn has_logged_in(&self) -> bool {
        self.stage >= Stage::LoggedIn
    }

    pub(super) fn is_protected(&self) -> bool {
        self.stage >= Stage::Protected
    }

    pub(super) fn has_lapsed(&self) -> bool {
        self.stage == Stage::Lapsed
    }
}

/// All leases. A guest has one, and so has an address.
pub(super) struct Leases {
    seed: u64,
    list: Vec<Option<Held>>,
    vacant: Vec<u32>,
    by_key: Places,
    by_address: Places,
}

impl Leases {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, list: Vec::new(), vacant: Vec::new(), by_key: Places::default(), by_address: Places::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len() - self.vacant.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.list.iter().flatten()
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = Held> {
        self.list.into_iter().flatten()
    }

    pub(super) fn get(&self, key: GuestKey) -> Option<&Held> {
        self.list.get(self.place(key)?)?.as_ref()
    }

    pub(super) fn at(&self, address: Ipv4Addr) -> Option<&Held> {
        let is_there = |place| self.held(place).is_some_and(|held| held.address == address);
        self.held(self.by_address.find(hash_address(self.seed, address), is_there)?)
    }

    /// Changes how far the guest's lease is.
    pub(super) fn set_stage(&mut self, key: GuestKey, stage: Stage) {
        let place = self.place(key);
        if let Some(held) = place.and_then(|place| self.list.get_mut(place)?.as_mut()) {
            held.stage = stage;
        }
    }

    /// Takes up a lease of an address that no other guest has; what the guest had before.
    pub(super) fn insert(&mut self, held: Held) -> Option<Held> {
        let before = self.remove(held.key);
        let (key, address) = (hash(self.seed, held.key), hash_address(self.seed, held.address));
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.list.push(None);
            self.list.len() as u32 - 1
        });
        if let Some(seat) = self.list.get_mut(place as usize) {
            *seat = Some(held);
        }
        let Self { seed, list, by_key, by_address, .. } = self;
        let held = |place: u32| list.get(place as usize).and_then(Option::as_ref);
        by_key.insert(key, place, |place| held(place).map_or(0, |held| hash(*seed, held.key)));
        by_address.insert(address, place, |place| held(place).map_or(0, |held| hash_address(*seed, held.address)));
        before
    }

    pub(super) fn remove(&mut self, key: GuestKey) -> Option<Held> {
        let place = self.place(key)?;
        let Self { seed, list, by_key, by_address, vacant } = self;
        let held = |place: u32| list.get(place as usize).and_then(Option::as_ref);
        let address = list.get(place)?.as_ref()?.address;
        let place = place as u32;
        by_key.remove(hash(*seed, key), place, |place| held(place).map_or(0, |held| hash(*seed, held.key)));
        let address = hash_address(*seed, address);
        by_address.remove(address, place, |place| held(place).map_or(0, |held| hash_address(*seed, held.address)));
        let held = list.get_mut(place as usize)?.take();
        vacant.push(place);
        if vacant.len() == list.len() {
            // Everybody has left, maybe a crowd: its memory is given back.
            *self = Self::new(self.seed);
        }
        held
    }

    fn place(&self, key: GuestKey) -> Option<usize> {
        let is_there = |place| self.held(place).is_some_and(|held| held.key == key);
        self.by_key.find(hash(self.seed, key), is_there).map(|place| place as usize)
    }

    fn held(&self, place: u32) -> Option<&Held> {
        self.list.get(place as usize)?.as_ref()
    }
}

fn hash_address(seed: u64, address: Ipv4Addr) -> u64 {
    mix(seed, u64::from(address.to_bits()), 1 << 41)
}

/// Places in a list by the hashes of what is there: each in the first cell from its hash's on that was free.
#[derive(Default)]
struct Places {
    /// A place and one, or 0; their number is a power of two.
    cells: Vec<u32>,
    taken: usize,
}

impl Places {
    const LEAST: usize = 16;

    fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash)?;
        loop {
            let place = self.cells.get(at)?.checked_sub(1)?;
            if is_it(place) {
                return Some(place);
            }
            at = self.after(at);
        }
    }

    /// Adds a place that is not there.
    fn insert(&mut self, hash: u64, place: u32, hash_of: impl Fn(u32) -> u64) {
        self.taken += 1;
        if self.cells.len() < 2 * self.taken {
            let more = (2 * self.cells.len()).max(Self::LEAST);
            for place in std::mem::replace(&mut self.cells, vec![0; more]) {
                if let Some(place) = place.checked_sub(1) {
                    self.put(hash_of(place), place);
                }
            }
        }
        self.put(hash, place);
    }

    fn put(&mut self, hash: u64, place: u32) {
        let Some(mut at) = self.home(hash) else { return };
        while self.cells[at] != 0 {
            at = self.after(at);
        }
        self.cells[at] = place + 1;
    }

    /// Takes a place out, and moves those behind it that are only there because it was in their way.
    fn remove(&mut self, hash: u64, place: u32, hash_of: impl Fn(u32) -> u64) {
        let Some(mut hole) = self.home(hash) else { return };
        while self.cells[hole] != place + 1 {
            if self.cells[hole] == 0 {
                return;
            }
            hole = self.after(hole);
        }
        self.taken -= 1;
        let mut at = self.after(hole);
        while let Some(place) = self.cells[at].checked_sub(1) {
            let home = self.home(hash_of(place)).unwrap_or(at);
            // How far it is from its home, and how far the hole is from here.
            let mask = self.cells.len() - 1;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.cells[hole] = self.cells[at];
                hole = at;
            }
            at = self.after(at);
        }
        self.cells[hole] = 0;
    }

    fn home(&self, hash: u64) -> Option<usize> {
        Some(hash as usize & self.cells.len().checked_sub(1)?)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::time::Duration;
    use wire::{MacAddr, Vlan};

    #[test]
    fn the_leases_agree_with_a_simple_map_of_them() {
        let (mut leases, mut simple) = (Leases::new(7), BTreeMap::new());
        let mut state = 1u64;
        let mut dice = |sides: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % sides
        };
        let mut most = 0;
        for round in 0..60_000u64 {
            let guest = dice(300) as u8;
            let key = GuestKey { lan: 0, vlan: Vlan(dice(2) as u16), mac: MacAddr([2, 0, 0, 0, 0, guest]) };
            let address = Ipv4Addr::from_bits(dice(1000) as u32);
            let ebb = round / 10_000 % 2; // they come, and then they leave
            let before = simple.get(&key).copied();
            if dice(4) > 2 * ebb {
                if !simple.values().any(|&other| other == address) {
                    let ends = Duration::from_secs(9);
                    let lease = Lease { key, address, foreign: None, hostname: None, ends, logged_in: false };
                    assert_eq!(leases.insert(Held::new(lease, false)).map(|held| held.address), before);
                    simple.insert(key, address);
                }
            } else {
                assert_eq!(leases.remove(key).map(|held| held.address), simple.remove(&key));
            }
            assert_eq!(leases.len(), simple.len());
            assert_eq!(leases.get(key).map(|held| held.address), simple.get(&key).copied());
            let there = simple.iter().find(|&(_, &other)| other == address).map(|(&key, _)| key);
            assert_eq!(leases.at(address).map(|held| held.key), there);
            most = most.max(simple.len());
        }
        assert!(most > 256, "it has grown several times");
        let mut all: Vec<_> = leases.iter().map(|held| (held.key, held.address)).collect();
        all.sort_unstable();
        assert_eq!(all, simple.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn when_all_have_left_nothing_is_kept_of_them() {
        let mut leases = Leases::new(7);
        let key = |guest| GuestKey { lan: 0, vlan: Vlan(guest), mac: MacAddr([2, 0, 0, 0, 0, 9]) };
        for guest in 0..1000 {
            let address = Ipv4Addr::from_bits(guest.into());
            let ends = Duration::MAX;
            let lease = Lease { key: key(guest), address, foreign: None, hostname: None, ends, logged_in: false };
            leases.insert(Held::new(lease, false));
        }
        for guest in 0..1000 {
            leases.remove(key(guest));
        }
        assert_eq!((leases.list.capacity(), leases.by_key.cells.capacity(), leases.len()), (0, 0, 0));
    }
}
