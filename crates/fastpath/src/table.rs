//! The session table: found by (interface, VLAN, MAC) on the way up and by guest address on the way down.
//!
//! Purpose-built: fixed capacity, open addressing, 32-bit atomics. Readers take no lock and never wait; one
//! writer, the control plane, holds the [`Writer`]. Packets of a batch are looked up together ([`Table::expect_keys`]),
//! because with many guests a lookup waits for memory and little else.

mod index;
mod memory;
mod writer;

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use wire::GuestKey;

use self::index::{Index, MAX_SLOTS};
pub(crate) use self::index::{hash, mix};
use self::memory::Memory;
pub(crate) use self::memory::Place;
pub use self::writer::{Full, Writer};
use crate::meter::{Adders, Direction, SharedMeters};
use crate::pump::BATCH;
use crate::session::{Identity, Policy, SlotIndex, Snapshot, Usage};

/// The most guests a table can hold.
pub const MAX_CAPACITY: u32 = MAX_SLOTS;

/// Where the guests of a batch of packets probably are. Nothing but time depends on it.
pub struct Expected<'a>([Option<Place<'a>>; BATCH]);

impl<'a> Expected<'a> {
    /// Where that of packet `index` of the batch is.
    pub(crate) fn place(&self, index: usize) -> Option<Place<'a>> {
        self.0.get(index).copied().flatten()
    }
}

/// The shared part: readers.
pub struct Table {
    memory: Memory,
    by_key: Index,
    by_address: Index,
    seed: u64,
}

impl Table {
    /// An empty table for `capacity` guests and the handle that writes it. `seed` keeps guests, who choose
    /// their MACs, from choosing their place.
    ///
    /// # Panics
    /// If `capacity` is 0 or above [`MAX_CAPACITY`].
    #[must_use]
    pub fn new(capacity: u32, seed: u64) -> (Arc<Self>, Writer) {
        Self::make(capacity, seed, None)
    }

    /// The same, with the guests' meters in memory that somebody else has a hand in too.
    ///
    /// # Panics
    /// As [`Table::new`], and if there is not a meter for each guest.
    #[must_use]
    pub fn with_meters(capacity: u32, seed: u64, meters: SharedMeters) -> (Arc<Self>, Writer) {
        assert!(meters.as_ref().len() >= capacity as usize, "{capacity} guests want as many meters");
        Self::make(capacity, seed, Some(meters))
    }

    fn make(capacity: u32, seed: u64, meters: Option<SharedMeters>) -> (Arc<Self>, Writer) {
        assert!((1..=MAX_CAPACITY).contains(&capacity), "capacity {capacity} is not in 1..={MAX_CAPACITY}");
        let table = Arc::new(Self {
            memory: Memory::new(capacity, meters),
            by_key: Index::new(capacity),
            by_address: Index::new(capacity),
            seed,
        });
        (Arc::clone(&table), Writer::new(table))
    }

    /// The guest that sends from `key`.
    #[must_use]
    pub fn by_key(&self, key: GuestKey) -> Option<Snapshot> {
        self.find_key(None, key)
    }

    /// The guest that has `address`.
    #[must_use]
    pub fn by_address(&self, address: Ipv4Addr) -> Option<Snapshot> {
        self.find_address(None, address)
    }

    /// The guest that sends from `key`, sooner if it is where it was expected.
    #[inline]
    pub(crate) fn find_key(&self, expected: Option<Place>, key: GuestKey) -> Option<Snapshot> {
        let wanted = Identity::from(key);
        let is_wanted = |found, _| found == wanted;
        expected
            .and_then(|place| read_once(place, is_wanted))
            .or_else(|| self.by_key.find(self.hash_key(key), |slot| read(self.memory.place(slot)?, is_wanted)))
    }

    /// The guest that has `address`, sooner if it is where it was expected.
    #[inline]
    pub(crate) fn find_address(&self, expected: Option<Place>, address: Ipv4Addr) -> Option<Snapshot> {
        let is_wanted = |_, found| found == address;
        expected.and_then(|place| read_once(place, is_wanted)).or_else(|| {
            self.by_address.find(self.hash_address(address), |slot| read(self.memory.place(slot)?, is_wanted))
        })
    }

    /// Says where the guests with these keys probably are, and fetches what lookups of them will read into the processor's
    /// cache: in each of two passes no access depends on another, so the processor waits for many at once.
    pub fn expect_keys(&self, keys: impl Iterator<Item = GuestKey>) -> Expected<'_> {
        self.expect(&self.by_key, Direction::Up, keys.map(|key| self.hash_key(key)))
    }

    /// The same for lookups of addresses.
    pub fn expect_addresses(&self, addresses: impl Iterator<Item = Ipv4Addr>) -> Expected<'_> {
        self.expect(&self.by_address, Direction::Down, addresses.map(|address| self.hash_address(address)))
    }

    /// A loop for each step, as short as can be: then the processor has the accesses of a whole batch under way before
    /// the first has come.
    fn expect(&self, index: &Index, direction: Direction, hashes: impl Iterator<Item = u64>) -> Expected<'_> {
        let mut wanted = [0; BATCH];
        let mut count = 0;
        for (wanted, hash) in wanted.iter_mut().zip(hashes) {
            *wanted = hash;
            count += 1;
        }
        let wanted = &wanted[..count];
        black_box(wanted.iter().fold(0, |all, &hash| all ^ index.touch(hash)));
        let mut places = [None; BATCH];
        for (place, &hash) in places.iter_mut().zip(wanted) {
            // The first with the right tag is mostly the right one; if not, nothing is wrong but slower.
            *place = index.find(hash, |slot| self.memory.place(slot));
        }
        black_box(places[..count].iter().flatten().fold(0, |all, place| all ^ place.touch(direction)));
        Expected(places)
    }

    /// The guest in `slot` as it is now.
    #[must_use]
    pub fn snapshot(&self, slot: SlotIndex) -> Option<Snapshot> {
        read(self.memory.place(slot)?, |_, _| true)
    }

    /// Where a guest is that was found; mostly where it was expected.
    pub(crate) fn place_of<'a>(&'a self, guest: &Snapshot, expected: Option<Place<'a>>) -> Option<Place<'a>> {
        expected.filter(|place| place.index == guest.slot).or_else(|| self.place(guest.slot))
    }

    /// Where `slot` is, if anybody ever had it.
    pub(crate) fn place(&self, slot: SlotIndex) -> Option<Place<'_>> {
        self.memory.place(slot)
    }

    /// What the guest in `slot` has sent and received since the table was made; subtract an earlier reading.
    #[must_use]
    pub fn usage(&self, slot: SlotIndex) -> Usage {
        self.place(slot).map(|place| Usage::from(place.meter)).unwrap_or_default()
    }

    /// Second of the gateway's clock at which the guest in `slot` last sent something that was forwarded.
    #[must_use]
    pub fn last_up_secs(&self, slot: SlotIndex) -> u64 {
        self.place(slot).map(|place| place.meter.up.last_secs.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Notes that the guest in `slot` is not idle, though nothing of it is forwarded.
    pub fn note_activity(&self, slot: SlotIndex, now: Duration) {
        if let Some(place) = self.place(slot) {
            place.meter.up.mark_busy(now);
        }
    }

    /// Who adds to the meters.
    pub(crate) fn adders(&self) -> Adders {
        self.memory.adders()
    }

    fn write(&self, slot: SlotIndex, key: GuestKey, address: Ipv4Addr, foreign: Option<Ipv4Addr>, policy: &Policy) {
        let place = self.memory.take(slot);
        place.slot.write((place.meter, &place), key, address, foreign, policy);
    }

    /// How many guests fit.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.memory.capacity()
    }

    fn hash_key(&self, key: GuestKey) -> u64 {
        hash(key, self.seed)
    }

    fn hash_address(&self, address: Ipv4Addr) -> u64 {
        mix(u64::from(address.to_bits()), self.seed)
    }
}

/// The guest there, if it is the one that is wanted. A reader that meets the writer tries again a few times, then gives up.
fn read(place: Place<'_>, wanted: impl Fn(Identity, Ipv4Addr) -> bool) -> Option<Snapshot> {
    (0..4).find_map(|_| read_once(place, &wanted))
}

fn read_once(place: Place<'_>, wanted: impl Fn(Identity, Ipv4Addr) -> bool) -> Option<Snapshot> {
    place.slot.read(place.index, &place, wanted)
}

#[cfg(test)]
mod tests;
