//! Rates, and the bucket that keeps our own answers to a guest from becoming a flood.

use std::sync::atomic::Ordering;
use std::time::Duration;

use portable_atomic::AtomicU64;

/// What a full bucket holds: so much time of answers.
const BURST: Duration = Duration::from_millis(1280);
const FRACTION_BITS: u32 = 16;

/// A limit in bits per second; the default is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rate {
    /// Nanoseconds an octet takes, with [`FRACTION_BITS`] binary places; 0 means unlimited.
    nanos_per_octet: u64,
}

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self { nanos_per_octet: 0 };

    /// A limit of `bits` per second; 0 is no limit. Exact to 0.02 % up to 100 Gbit/s.
    #[must_use]
    pub const fn bits_per_second(bits: u64) -> Self {
        if bits == 0 {
            return Self::UNLIMITED;
        }
        let nanos = (8_000_000_000u64 << FRACTION_BITS) / bits;
        Self { nanos_per_octet: if nanos == 0 { 1 } else { nanos } }
    }

    /// The limit in bits per second; none if there is none.
    #[must_use]
    pub fn limit(self) -> Option<u64> {
        ((8_000_000_000u64 << FRACTION_BITS) + self.nanos_per_octet / 2).checked_div(self.nanos_per_octet)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { nanos_per_octet: bits }
    }

    /// Nanoseconds that an octet takes, with 16 binary places; 0 is no limit.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.nanos_per_octet
    }

    /// How long so many octets take; no time without a limit.
    pub(crate) fn nanos(self, octets: u64) -> u64 {
        ((u128::from(octets) * u128::from(self.nanos_per_octet)) >> FRACTION_BITS) as u64
    }
}

/// A token bucket in its virtual-scheduling form (GCRA, ITU-T I.371 annex A): one instant says when it is full again.
#[derive(Default)]
pub(crate) struct Policer {
    full_again_nanos: AtomicU64,
}

impl Policer {
    /// Takes `cost` from the bucket, which a second fills by a second; false if it is not in it, and then nothing is taken.
    ///
    /// Two threads that race here may let one packet more through; they never lose tokens for good.
    pub(crate) fn admit(&self, cost: Duration, now: Duration) -> bool {
        let now = now.as_nanos() as u64;
        let full_again = self.full_again_nanos.load(Ordering::Relaxed).max(now) + cost.as_nanos() as u64;
        if full_again - now > BURST.as_nanos() as u64 {
            return false;
        }
        self.full_again_nanos.store(full_again, Ordering::Relaxed);
        true
    }

    /// Fills the bucket, for another guest.
    pub(crate) fn refill(&self) {
        self.full_again_nanos.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_answers_at_once_and_then_as_many_a_second_as_they_cost() {
        let (policer, cost) = (Policer::default(), Duration::from_millis(10));
        let start = Duration::from_secs(5);
        assert_eq!((0..1000).filter(|_| policer.admit(cost, start)).count(), 128);
        let admitted = (0..10_000).filter(|&ms| policer.admit(cost, start + Duration::from_millis(ms))).count();
        assert!((999..=1000).contains(&admitted), "{admitted} in ten seconds");
    }

    #[test]
    fn no_limit_is_no_limit() {
        assert_eq!(Rate::bits_per_second(0), Rate::UNLIMITED);
        assert_eq!(Rate::UNLIMITED.limit(), None);
        assert_eq!(Rate::bits_per_second(512_000).limit(), Some(512_000));
    }
}
