//! How often each station may ask. Each has a token bucket in a table of fixed size, at a place that only we can
//! compute. Two stations at one place take turns with full buckets: a stranger gains nothing by that which a
//! new MAC would not give it, and takes nothing from the other.

use super::hash;
use super::limits::{RATE_BURST, RATE_CELLS, RATE_PER_SEC};
use std::time::Duration;
use wire::GuestKey;

pub(super) struct Rates {
    seed: u64,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    /// The station's hash, to tell it from others at this place.
    tag: u64,
    /// Thousandths of messages that it may still send.
    milli_tokens: u32,
    /// When that was so, in milliseconds of the monotonic clock.
    at_millis: u32,
}

const FULL: u32 = RATE_BURST * 1000;

impl Rates {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, cells: vec![Cell::default(); RATE_CELLS] }
    }

    pub(super) fn allow(&mut self, now: Duration, key: GuestKey) -> bool {
        let tag = hash(self.seed, key);
        let Some(cell) = self.cells.get_mut(tag as usize % RATE_CELLS) else { return false };
        let at_millis = now.as_millis() as u32;
        if cell.tag == tag {
            // The clock's low 32 bits go round in 49 days; who was silent that long finds some tokens less, or none more.
            let earned = at_millis.wrapping_sub(cell.at_millis).saturating_mul(RATE_PER_SEC);
            cell.milli_tokens = cell.milli_tokens.saturating_add(earned).min(FULL);
        } else {
            *cell = Cell { tag, milli_tokens: FULL, at_millis };
        }
        cell.at_millis = at_millis;
        match cell.milli_tokens.checked_sub(1000) {
            Some(rest) => {
                cell.milli_tokens = rest;
                true
            }
            None => false,
        }
    }
}
