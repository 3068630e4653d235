//! Identifiers that a stranger cannot guess (RFC 5452, 9.2).

use std::hash::{DefaultHasher, Hasher};

/// Numbers from a secret seed: SipHash of the seed and a counter, so that numbers seen do not tell the next one.
pub(super) struct Dice {
    seed: [u8; 32],
    rolled: u64,
}

impl Dice {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { seed, rolled: 0 }
    }

    pub(super) fn roll(&mut self) -> u16 {
        self.rolled = self.rolled.wrapping_add(1);
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.seed);
        hasher.write_u64(self.rolled);
        hasher.finish() as u16
    }
}
