//! The session table: found by (interface, VLAN, MAC) on the way up and by guest address on the way down.
//!
//! Purpose-built: fixed capacity, open addressing, 32-bit atomics. Readers take no lock and never wait; one
//! writer, the control plane, holds the [`Writer`]. An index cell holds a slot number and eight bits of the
//! hash, so that a lookup touches one cell's cache line and one slot's.
//!
//! Deleting leaves a tombstone, unless the next cell is empty: then it and the tombstones before it become
//! empty again, so chains do not grow with the number of guests that ever came.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wire::GuestKey;

use crate::meter::{Adders, Direction, Meter, SharedMeters};
use crate::mirror::Mirror;
use crate::pump::BATCH;
use crate::session::{Identity, Limits, LimitsOf, Policy, Slot, SlotIndex, Snapshot, Usage};

/// The most guests a table can hold: a cell has 24 bits for the slot.
pub const MAX_CAPACITY: u32 = (1 << 24) - 2;

const EMPTY: u32 = 0;
const TOMBSTONE: u32 = u32::MAX;
const SLOT_BITS: u32 = 24;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
/// Guests that memory is taken for at once: a table costs what its guests need, not what it could hold.
const CHUNK: usize = 256;

/// The table has as many guests as it was made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// Where the guests of a batch of packets probably are. Nothing but time depends on it.
pub struct Expected([SlotIndex; BATCH]);

/// The slot of nobody who was expected.
pub(crate) const NOWHERE: SlotIndex = SlotIndex(u32::MAX);

impl Expected {
    /// Where that of packet `index` of the batch is.
    pub(crate) fn slot(&self, index: usize) -> SlotIndex {
        self.0.get(index).copied().unwrap_or(NOWHERE)
    }
}

/// The shared part: readers.
pub struct Table {
    chunks: Box<[OnceLock<Chunk>]>,
    /// The meters of all slots, if they are not in the chunks.
    meters: Option<SharedMeters>,
    capacity: u32,
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
            chunks: (0..(capacity as usize).div_ceil(CHUNK)).map(|_| OnceLock::new()).collect(),
            meters,
            capacity,
            by_key: Index::new(capacity),
            by_address: Index::new(capacity),
            seed,
        });
        let writer = Writer { table: Arc::clone(&table), mirror: None, next_fresh: 0, free: Vec::new() };
        (table, writer)
    }

    /// The guest that sends from `key`.
    #[must_use]
    pub fn by_key(&self, key: GuestKey) -> Option<Snapshot> {
        let wanted = Identity::from(key);
        self.by_key.find(self.hash_key(key), |slot| self.read(slot, |found, _| found == wanted))
    }

    /// The guest that has `address`.
    #[must_use]
    pub fn by_address(&self, address: Ipv4Addr) -> Option<Snapshot> {
        self.by_address.find(self.hash_address(address), |slot| self.read(slot, |_, found| found == address))
    }

    /// The same as [`Table::by_key`], and sooner if it is the one in the slot that was expected.
    pub(crate) fn expected_by_key(&self, expected: SlotIndex, key: GuestKey) -> Option<Snapshot> {
        let wanted = Identity::from(key);
        self.read_once(expected, |found, _| found == wanted).or_else(|| self.by_key(key))
    }

    /// The same as [`Table::by_address`].
    pub(crate) fn expected_by_address(&self, expected: SlotIndex, address: Ipv4Addr) -> Option<Snapshot> {
        self.read_once(expected, |_, found| found == address).or_else(|| self.by_address(address))
    }

    /// Says in which slots these keys probably are, and fetches what lookups of them will read into the processor's cache:
    /// in each of two passes no access depends on another, so the processor waits for many at once.
    pub fn expect_keys(&self, keys: impl Iterator<Item = GuestKey>) -> Expected {
        self.expect(&self.by_key, Direction::Up, keys.map(|key| self.hash_key(key)))
    }

    /// The same for lookups of addresses.
    pub fn expect_addresses(&self, addresses: impl Iterator<Item = Ipv4Addr>) -> Expected {
        self.expect(&self.by_address, Direction::Down, addresses.map(|address| self.hash_address(address)))
    }

    /// A loop for each step, as short as can be: then the processor has the accesses of a whole batch under way before
    /// the first has come.
    fn expect(&self, index: &Index, direction: Direction, hashes: impl Iterator<Item = u64>) -> Expected {
        let mut expected = [0; BATCH];
        let mut count = 0;
        for (expected, hash) in expected.iter_mut().zip(hashes) {
            *expected = hash;
            count += 1;
        }
        let expected = &expected[..count];
        black_box(expected.iter().fold(0, |all, &hash| all ^ index.touch(hash)));
        let mut slots = [NOWHERE; BATCH];
        for (slot, &hash) in slots.iter_mut().zip(expected) {
            // The first with the right tag is mostly the right one; if not, nothing is wrong but slower.
            *slot = index.find(hash, Some).unwrap_or(NOWHERE);
        }
        let mut guests = [None; BATCH];
        for (guest, &slot) in guests.iter_mut().zip(&slots[..count]) {
            *guest = self.slot_and_meter(slot);
        }
        let touch = |(slot, meter): &(&Slot, &Meter)| slot.touch() ^ direction.ways(meter).0.touch();
        black_box(guests[..count].iter().flatten().fold(0, |all, found| all ^ touch(found)));
        Expected(slots)
    }

    /// The guest in `slot` as it is now.
    #[must_use]
    pub fn snapshot(&self, slot: SlotIndex) -> Option<Snapshot> {
        self.read(slot, |_, _| true)
    }

    /// The same, if it is `wanted`. A reader that meets the writer tries again a few times, then gives up.
    fn read(&self, slot: SlotIndex, wanted: impl Fn(Identity, Ipv4Addr) -> bool) -> Option<Snapshot> {
        (0..4).find_map(|_| self.read_once(slot, &wanted))
    }

    fn read_once(&self, slot: SlotIndex, wanted: impl Fn(Identity, Ipv4Addr) -> bool) -> Option<Snapshot> {
        let chunk = self.chunk(slot)?;
        chunk.slot(slot)?.read(slot, &chunk.limits(slot), wanted)
    }

    /// What the guest in `slot` has sent and received since the table was made; subtract an earlier reading.
    #[must_use]
    pub fn usage(&self, slot: SlotIndex) -> Usage {
        self.meter(slot).map(Usage::from).unwrap_or_default()
    }

    /// Second of the gateway's clock at which the guest in `slot` last sent something that was forwarded.
    #[must_use]
    pub fn last_up_secs(&self, slot: SlotIndex) -> u64 {
        self.meter(slot).map(|meter| meter.up.last_secs.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Notes that the guest in `slot` is not idle, though nothing of it is forwarded.
    pub fn note_activity(&self, slot: SlotIndex, now: Duration) {
        if let Some(meter) = self.meter(slot) {
            meter.up.mark_busy(now);
        }
    }

    pub(crate) fn slot(&self, slot: SlotIndex) -> Option<&Slot> {
        self.chunk(slot)?.slot(slot)
    }

    pub(crate) fn meter(&self, slot: SlotIndex) -> Option<&Meter> {
        Some(self.slot_and_meter(slot)?.1)
    }

    pub(crate) fn slot_and_meter(&self, slot: SlotIndex) -> Option<(&Slot, &Meter)> {
        let at = slot.0 as usize % CHUNK;
        match &self.chunk(slot)?.guests {
            Guests::Whole(guests) => guests.get(at).map(|guest| (&guest.slot, &guest.meter)),
            Guests::Slots(slots) => {
                let meters = self.meters.as_ref()?.as_ref();
                Some((slots.get(at)?, meters.get(slot.0 as usize)?))
            }
        }
    }

    /// Who adds to the meters.
    pub(crate) fn adders(&self) -> Adders {
        self.meters.as_ref().map_or(Adders::OneThread, |meters| meters.adders)
    }

    fn chunk(&self, slot: SlotIndex) -> Option<&Chunk> {
        self.chunks.get(slot.0 as usize / CHUNK)?.get()
    }

    fn write(&self, slot: SlotIndex, key: GuestKey, address: Ipv4Addr, foreign: Option<Ipv4Addr>, policy: &Policy) {
        let chunk = self.chunks[slot.0 as usize / CHUNK].get_or_init(|| Chunk::new(self.meters.is_none()));
        let (memory, meter) = self.slot_and_meter(slot).expect("the chunk is there, with a meter for each slot");
        memory.write((meter, &chunk.limits(slot)), key, address, foreign, policy);
    }

    /// How many guests fit.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    fn hash_key(&self, key: GuestKey) -> u64 {
        hash(key, self.seed)
    }

    fn hash_address(&self, address: Ipv4Addr) -> u64 {
        mix(u64::from(address.to_bits()), self.seed)
    }
}

/// The single writer.
pub struct Writer {
    table: Arc<Table>,
    /// Who else forwards packets of guests who are online.
    mirror: Option<Box<dyn Mirror>>,
    next_fresh: u32,
    free: Vec<u32>,
}

impl Writer {
    /// Enters a guest with its leased address. Its former place, if it has one, is given up first; so is
    /// that of another guest with the same address, because an address has one owner.
    ///
    /// # Errors
    /// [`Full`] if there is no slot left.
    pub fn insert(&mut self, key: GuestKey, address: Ipv4Addr, policy: &Policy) -> Result<SlotIndex, Full> {
        if let Some(former) = self.table.by_key(key) {
            if former.address == address {
                self.set_policy(former.slot, policy);
                return Ok(former.slot);
            }
            self.remove(former.slot);
        }
        if let Some(other) = self.table.by_address(address) {
            self.remove(other.slot);
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.next_fresh < self.table.capacity() => {
                self.next_fresh += 1;
                self.next_fresh - 1
            }
            None => return Err(Full),
        };
        self.enter(slot, key, address, policy);
        if policy.online {
            self.tell_mirror(SlotIndex(slot));
        }
        Ok(SlotIndex(slot))
    }

    /// Enters a guest that is not in the table, offline, in the very slot that it had in a former life, which goes on
    /// counting from `counted`, or from more if it has counted more. Fastest in ascending order of the slots.
    ///
    /// # Errors
    /// [`Full`] if the slot is taken or there is no such slot, or if the guest or the address are in the table already.
    pub fn insert_at(&mut self, slot: SlotIndex, key: GuestKey, address: Ipv4Addr, counted: Usage) -> Result<(), Full> {
        if slot.0 >= self.table.capacity()
            || self.table.by_key(key).is_some()
            || self.table.by_address(address).is_some()
        {
            return Err(Full);
        }
        if slot.0 >= self.next_fresh {
            self.free.extend(self.next_fresh..slot.0);
            self.next_fresh = slot.0 + 1;
        } else {
            let at = self.free.iter().position(|&free| free == slot.0).ok_or(Full)?;
            self.free.swap_remove(at);
        }
        self.enter(slot.0, key, address, &Policy::default());
        if let Some(meter) = self.table.meter(slot) {
            meter.raise(counted);
        }
        Ok(())
    }

    fn enter(&self, slot: u32, key: GuestKey, address: Ipv4Addr, policy: &Policy) {
        let table = &self.table;
        table.write(SlotIndex(slot), key, address, None, policy);
        table.by_key.insert(table.hash_key(key), slot);
        table.by_address.insert(table.hash_address(address), slot);
    }

    /// Changes what the guest in `slot` may do.
    pub fn set_policy(&mut self, slot: SlotIndex, policy: &Policy) {
        if let Some(found) = self.table.snapshot(slot) {
            self.table.write(slot, found.key, found.address, found.foreign, policy);
            self.tell_mirror(slot);
        }
    }

    /// Says which address the guest in `slot` uses on the LAN instead of its leased one.
    pub fn set_foreign(&mut self, slot: SlotIndex, foreign: Option<Ipv4Addr>) {
        if let Some(found) = self.table.snapshot(slot) {
            self.table.write(slot, found.key, found.address, foreign, &found.policy);
            self.tell_mirror(slot);
        }
    }

    /// Lets somebody else forward packets as well, or nobody else any more.
    pub fn set_mirror(&mut self, mirror: Option<Box<dyn Mirror>>) {
        if let Some(mut former) = self.mirror.take() {
            former.replace(&mut std::iter::empty());
        }
        let Some(mut mirror) = mirror else { return };
        let table = &self.table;
        let all = (0..self.next_fresh).filter_map(|slot| table.snapshot(SlotIndex(slot)));
        mirror.replace(&mut all.filter(is_mirrored));
        self.mirror = Some(mirror);
    }

    fn tell_mirror(&mut self, slot: SlotIndex) {
        let (Some(mirror), Some(guest)) = (&mut self.mirror, self.table.snapshot(slot)) else { return };
        if is_mirrored(&guest) {
            mirror.put(&guest);
        } else {
            mirror.remove(&guest);
        }
    }

    /// Forgets the guest in `slot`.
    pub fn remove(&mut self, slot: SlotIndex) {
        let table = &self.table;
        let Some(found) = table.snapshot(slot) else { return };
        if !table.by_key.remove(table.hash_key(found.key), slot.0) {
            return; // it was free already
        }
        table.by_address.remove(table.hash_address(found.address), slot.0);
        if let Some(mirror) = self.mirror.as_mut().filter(|_| found.policy.online) {
            mirror.remove(&found);
        }
        let nobody = GuestKey { lan: 0, vlan: wire::Vlan::NONE, mac: wire::MacAddr::ZERO };
        table.write(slot, nobody, Ipv4Addr::UNSPECIFIED, None, &Policy::default());
        self.free.push(slot.0);
    }

    /// The readers' side.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

fn is_mirrored(guest: &Snapshot) -> bool {
    guest.policy.online && guest.can_be_mirrored()
}

/// The memory of so many guests.
struct Chunk {
    guests: Guests,
    /// Taken with the first guest here who has a quota.
    limits: OnceLock<Box<[Limits]>>,
}

enum Guests {
    Whole(Box<[Guest]>),
    /// The table has the meters elsewhere.
    Slots(Box<[Slot]>),
}

/// All of one guest, nearly always on one page: with a million guests, to find a page takes the processor as long as to
/// fetch from it.
#[derive(Default)]
#[repr(C)]
struct Guest {
    slot: Slot,
    meter: Meter,
}

impl Chunk {
    fn new(with_meters: bool) -> Self {
        let guests = if with_meters {
            Guests::Whole((0..CHUNK).map(|_| Guest::default()).collect())
        } else {
            Guests::Slots((0..CHUNK).map(|_| Slot::default()).collect())
        };
        Self { guests, limits: OnceLock::new() }
    }

    fn slot(&self, slot: SlotIndex) -> Option<&Slot> {
        let at = slot.0 as usize % CHUNK;
        match &self.guests {
            Guests::Whole(guests) => guests.get(at).map(|guest| &guest.slot),
            Guests::Slots(slots) => slots.get(at),
        }
    }

    fn limits(&self, slot: SlotIndex) -> LimitsAt<'_> {
        LimitsAt { all: &self.limits, at: slot.0 as usize % CHUNK }
    }
}

/// The limits of one slot.
struct LimitsAt<'a> {
    all: &'a OnceLock<Box<[Limits]>>,
    at: usize,
}

impl LimitsOf for LimitsAt<'_> {
    fn get(&self) -> Option<&Limits> {
        self.all.get()?.get(self.at)
    }

    fn make(&self) -> &Limits {
        &self.all.get_or_init(|| (0..CHUNK).map(|_| Limits::default()).collect())[self.at]
    }
}

/// Open addressing with linear probing; at most a quarter of the cells are in use.
struct Index {
    cells: Box<[AtomicU32]>,
}

impl Index {
    fn new(capacity: u32) -> Self {
        let cells = (capacity as usize * 4).next_power_of_two().max(16);
        Self { cells: (0..cells).map(|_| AtomicU32::new(EMPTY)).collect() }
    }

    fn find<T>(&self, hash: u64, mut check: impl FnMut(SlotIndex) -> Option<T>) -> Option<T> {
        let tag = tag(hash);
        for at in self.chain(hash) {
            match self.cells[at].load(Ordering::Acquire) {
                EMPTY => return None,
                cell if cell != TOMBSTONE && cell & !SLOT_MASK == tag => {
                    if let Some(found) = check(SlotIndex((cell & SLOT_MASK) - 1)) {
                        return Some(found);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Reads the cell where a search begins.
    fn touch(&self, hash: u64) -> u32 {
        self.cells[hash as usize & (self.cells.len() - 1)].load(Ordering::Relaxed)
    }

    fn insert(&self, hash: u64, slot: u32) {
        for at in self.chain(hash) {
            if matches!(self.cells[at].load(Ordering::Relaxed), EMPTY | TOMBSTONE) {
                self.cells[at].store(tag(hash) | (slot + 1), Ordering::Release);
                return;
            }
        }
        unreachable!("an index has four cells for each slot");
    }

    fn remove(&self, hash: u64, slot: u32) -> bool {
        let wanted = tag(hash) | (slot + 1);
        for at in self.chain(hash) {
            match self.cells[at].load(Ordering::Relaxed) {
                EMPTY => return false,
                cell if cell == wanted => {
                    self.clear(at);
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    fn clear(&self, at: usize) {
        let mask = self.cells.len() - 1;
        if self.cells[(at + 1) & mask].load(Ordering::Relaxed) != EMPTY {
            self.cells[at].store(TOMBSTONE, Ordering::Release);
            return;
        }
        let mut at = at;
        loop {
            self.cells[at].store(EMPTY, Ordering::Release);
            at = at.wrapping_sub(1) & mask;
            if self.cells[at].load(Ordering::Relaxed) != TOMBSTONE {
                return;
            }
        }
    }

    fn chain(&self, hash: u64) -> impl Iterator<Item = usize> {
        let mask = self.cells.len() - 1;
        (0..self.cells.len()).map(move |step| (hash as usize).wrapping_add(step) & mask)
    }
}

/// The eight bits of the hash that a cell keeps; never all ones together with a full slot number, so a
/// cell is never mistaken for a tombstone.
fn tag(hash: u64) -> u32 {
    ((hash >> 56) as u32) << SLOT_BITS
}

/// The place of a station in any table of them. Each bit of it is in doubt for who does not know the seed.
pub(crate) fn hash(key: GuestKey, seed: u64) -> u64 {
    let (high, low) = key.mac.words();
    let mac = u64::from(high) << 16 | u64::from(low);
    mix(mac ^ u64::from(key.lan) << 56 ^ u64::from(key.vlan.0) << 48, seed)
}

pub(crate) fn mix(value: u64, seed: u64) -> u64 {
    let mut h = (value ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    h = (h ^ h >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93 ^ seed.rotate_left(17) | 1);
    h ^ h >> 29
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use wire::{MacAddr, Vlan};

    use super::*;
    use crate::police::Rate;

    fn key(n: u32) -> GuestKey {
        let [a, b, c, d] = n.to_be_bytes();
        GuestKey { lan: 0, vlan: Vlan((n % 7) as u16), mac: MacAddr([2, 0, a, b, c, d]) }
    }

    fn address(n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a55_0000 + n)
    }

    fn online() -> Policy {
        Policy {
            online: true,
            ends_at_secs: Some(7),
            rate_up: Rate::bits_per_second(8),
            octets_down_max: 9,
            ..Policy::default()
        }
    }

    #[test]
    fn a_guest_is_found_both_ways_and_only_by_all_of_its_key() {
        let (table, mut writer) = Table::new(4, 1);
        let slot = writer.insert(key(1), address(1), &online()).unwrap();
        let found = table.by_key(key(1)).unwrap();
        assert_eq!((found.slot, found.address, found.policy), (slot, address(1), online()));
        assert_eq!(table.by_address(address(1)), Some(found));
        assert_eq!(table.by_key(GuestKey { vlan: Vlan(9), ..key(1) }), None);
        assert_eq!(table.by_key(GuestKey { lan: 1, ..key(1) }), None);
        assert_eq!(table.by_address(address(2)), None);
        assert_eq!(table.by_address(Ipv4Addr::UNSPECIFIED), None);
    }

    #[test]
    fn shared_meters_are_read_where_they_are_and_their_counts_outlive_a_guest() {
        struct Shared(Arc<[Meter]>);
        impl AsRef<[Meter]> for Shared {
            fn as_ref(&self) -> &[Meter] {
                &self.0
            }
        }
        let meters: Arc<[Meter]> = (0..2).map(|_| Meter::default()).collect();
        let shared = SharedMeters::new(Box::new(Shared(Arc::clone(&meters))), Adders::KernelToo);
        let (table, mut writer) = Table::with_meters(2, 1, shared);
        writer.insert(key(1), address(1), &online()).unwrap();
        let slot = writer.insert(key(2), address(2), &online()).unwrap();
        let way = &meters[slot.0 as usize].up;
        assert!(way.count(1500, 1, u64::MAX, Duration::from_secs(77), Adders::KernelToo));
        way.free_at_nanos.store(5, Ordering::Relaxed);
        way.paced_until_nanos.store(6, Ordering::Relaxed);
        let used = Usage { octets_up: 1500, packets_up: 1, ..Usage::default() };
        assert_eq!((table.usage(slot), table.last_up_secs(slot)), (used, 77));
        writer.set_policy(slot, &online());
        assert_eq!(way.free_at_nanos.load(Ordering::Relaxed), 5, "nothing changed");
        writer.remove(slot);
        assert_eq!(table.usage(writer.insert(key(3), address(3), &online()).unwrap()), used);
        assert_eq!(way.free_at_nanos.load(Ordering::Relaxed), 0);
        assert_eq!(way.paced_until_nanos.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_address_has_one_owner_and_a_guest_one_address() {
        let (table, mut writer) = Table::new(4, 1);
        writer.insert(key(1), address(1), &online()).unwrap();
        writer.insert(key(2), address(1), &Policy::default()).unwrap();
        assert_eq!(table.by_key(key(1)), None);
        writer.insert(key(2), address(2), &Policy::default()).unwrap();
        assert_eq!(table.by_address(address(1)), None);
        assert_eq!(table.by_address(address(2)).unwrap().key, key(2));
    }

    #[test]
    fn a_full_table_says_so_and_room_comes_back() {
        let (table, mut writer) = Table::new(2, 1);
        let first = writer.insert(key(1), address(1), &online()).unwrap();
        writer.insert(key(2), address(2), &online()).unwrap();
        assert_eq!(writer.insert(key(3), address(3), &online()), Err(Full));
        writer.remove(first);
        writer.remove(first);
        assert!(writer.insert(key(3), address(3), &online()).is_ok());
        assert_eq!(writer.insert(key(4), address(4), &online()), Err(Full));
        assert!(table.by_key(key(2)).is_some());
    }

    #[test]
    fn a_guest_gets_the_slot_that_it_had_unless_somebody_has_it() {
        let (table, mut writer) = Table::new(8, 1);
        let counted = Usage { octets_up: 7, octets_down: 6, packets_up: 5, packets_down: 4 };
        for (slot, guest) in [(5, 1), (2, 2), (7, 3)] {
            assert_eq!(writer.insert_at(SlotIndex(slot), key(guest), address(guest), counted), Ok(()));
            let found = table.by_key(key(guest)).unwrap();
            assert_eq!((found.slot, table.by_address(address(guest))), (SlotIndex(slot), Some(found)));
            assert_eq!((found.policy.online, table.usage(found.slot)), (false, counted));
        }
        for (slot, guest, at) in [(2, 4, 4), (8, 4, 4), (u32::MAX, 4, 4), (3, 1, 4), (3, 4, 1)] {
            assert_eq!(writer.insert_at(SlotIndex(slot), key(guest), address(at), counted), Err(Full), "{slot}");
        }
        let mut others: Vec<u32> = (10..15).map(|n| writer.insert(key(n), address(n), &online()).unwrap().0).collect();
        others.sort_unstable();
        assert_eq!((others, writer.insert(key(15), address(15), &online())), (vec![0, 1, 3, 4, 6], Err(Full)));
        writer.remove(SlotIndex(3));
        assert_eq!(writer.insert_at(SlotIndex(3), key(4), address(4), counted), Ok(()));
    }

    #[test]
    fn a_long_life_of_comings_and_goings_equals_a_map() {
        let (table, mut writer) = Table::new(64, 99);
        let mut model: HashMap<u32, SlotIndex> = HashMap::new();
        let mut dice = 12345u32;
        for _ in 0..200_000 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let n = (dice >> 8) % 96;
            if let Some(slot) = model.remove(&n) {
                writer.remove(slot);
                assert_eq!(table.by_key(key(n)), None);
            } else if model.len() < 64 {
                model.insert(n, writer.insert(key(n), address(n), &online()).unwrap());
            }
        }
        for n in 0..96 {
            assert_eq!(table.by_key(key(n)).map(|s| s.slot), model.get(&n).copied(), "{n}");
            assert_eq!(table.by_address(address(n)).map(|s| s.slot), model.get(&n).copied(), "{n}");
        }
    }

    #[test]
    fn a_reader_never_sees_one_guest_with_the_address_of_another() {
        let (table, mut writer) = Table::new(8, 3);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        for n in 0..16 {
                            if let Some(found) = table.by_key(key(n)) {
                                assert_eq!(found.address, address(n));
                                assert_eq!(found.policy.ends_at_secs, Some(n + 1));
                            }
                        }
                    }
                });
            }
            for round in 0..100_000u32 {
                let n = round % 16;
                let policy = Policy { online: true, ends_at_secs: Some(n + 1), ..Policy::default() };
                let slot = writer.insert(key(n), address(n), &policy).unwrap();
                if round % 3 != 0 {
                    writer.remove(slot);
                } else if let Some(old) = table.by_key(key((n + 9) % 16)) {
                    writer.remove(old.slot);
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
