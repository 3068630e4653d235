//! Offers that had to go before their time, so that a guest in a flood of newcomers still gets what it was offered. One
//! cell for each place that only we can compute: a younger eviction takes the place of an older one, and what a station
//! loses by that is no more than its offer.

use super::hash;
use super::limits::EVICTED_CELLS;
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::GuestKey;

pub(super) struct Evicted {
    seed: u64,
    /// Empty until the first eviction: most networks never see one.
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    /// Of the station's hash, to tell it from others at this place.
    tag: u32,
    address: u32,
    /// When the offer would have ended, in seconds of the monotonic clock.
    until_secs: u32,
}

impl Evicted {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, cells: Vec::new() }
    }

    /// Remembers an offer that would have held until `ends`.
    pub(super) fn remember(&mut self, key: GuestKey, address: Ipv4Addr, ends: Duration) {
        if self.cells.is_empty() {
            self.cells = vec![Cell::default(); EVICTED_CELLS];
        }
        let (at, tag) = self.place(key);
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = Cell { tag, address: address.to_bits(), until_secs: ends.as_secs() as u32 };
        }
    }

    /// True if the station was offered that address and the offer would still hold. It says so once.
    pub(super) fn take(&mut self, now: Duration, key: GuestKey, address: Ipv4Addr) -> bool {
        let (at, tag) = self.place(key);
        let Some(cell) = self.cells.get_mut(at) else { return false };
        let found = cell.tag == tag && cell.address == address.to_bits() && now.as_secs() < u64::from(cell.until_secs);
        if found {
            *cell = Cell::default();
        }
        found
    }

    fn place(&self, key: GuestKey) -> (usize, u32) {
        let hash = hash(self.seed, key);
        (hash as usize % EVICTED_CELLS, (hash >> 32) as u32)
    }
}
