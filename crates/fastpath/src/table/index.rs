//! From a hash to a slot.
//!
//! A cell holds a slot number and eight bits of the hash, so a lookup touches one cell's line of the cache and one slot's.
//! Deleting leaves a tombstone, unless the next cell is empty: then it and the tombstones before it become empty again, so
//! chains do not grow with the number of guests that ever came.

use std::sync::atomic::{AtomicU32, Ordering};

use wire::GuestKey;

use crate::session::SlotIndex;

/// The most slots: a cell has 24 bits for one.
pub(super) const MAX_SLOTS: u32 = (1 << SLOT_BITS) - 2;

const EMPTY: u32 = 0;
const TOMBSTONE: u32 = u32::MAX;
const SLOT_BITS: u32 = 24;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;

/// Open addressing with linear probing; at most a quarter of the cells are in use.
pub(super) struct Index {
    cells: Box<[AtomicU32]>,
}

impl Index {
    pub(super) fn new(capacity: u32) -> Self {
        let cells = (capacity as usize * 4).next_power_of_two().max(16);
        Self { cells: (0..cells).map(|_| AtomicU32::new(EMPTY)).collect() }
    }

    pub(super) fn find<T>(&self, hash: u64, mut check: impl FnMut(SlotIndex) -> Option<T>) -> Option<T> {
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
    pub(super) fn touch(&self, hash: u64) -> u32 {
        self.cells[hash as usize & (self.cells.len() - 1)].load(Ordering::Relaxed)
    }

    pub(super) fn insert(&self, hash: u64, slot: u32) {
        for at in self.chain(hash) {
            if matches!(self.cells[at].load(Ordering::Relaxed), EMPTY | TOMBSTONE) {
                self.cells[at].store(tag(hash) | (slot + 1), Ordering::Release);
                return;
            }
        }
        unreachable!("an index has four cells for each slot");
    }

    pub(super) fn remove(&self, hash: u64, slot: u32) -> bool {
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
