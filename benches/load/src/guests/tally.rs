//! What became of a phase, counted.

use std::collections::BTreeMap;

use crate::histogram::Histogram;

/// Different reasons that are kept; a gateway that answers each guest with words of its own must not fill memory.
const MAX_REASONS: usize = 16;

/// What became of the exchanges of a phase.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Exchanges that were begun.
    pub(crate) begun: u64,
    /// Of these, those that came to their end.
    pub(crate) done: u64,
    /// Of these, those in which something had to be sent again, or never came.
    pub(crate) lost: u64,
    /// Those that did not come to their end, by reason.
    pub(crate) failed: BTreeMap<String, u64>,
    /// From the first message to the last.
    pub(crate) latency: Histogram,
}

impl Tally {
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    pub(crate) fn fail(&mut self, reason: String) {
        let known = self.failed.len() < MAX_REASONS || self.failed.contains_key(&reason);
        *self.failed.entry(if known { reason } else { "other reasons".to_owned() }).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.begun += other.begun;
        self.done += other.done;
        self.lost += other.lost;
        for (reason, count) in &other.failed {
            *self.failed.entry(reason.clone()).or_default() += count;
        }
        self.latency.merge(&other.latency);
    }
}
