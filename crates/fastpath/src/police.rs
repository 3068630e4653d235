//! Policing by a token bucket in its virtual-scheduling form (GCRA, ITU-T I.371 annex A): one instant per
//! direction says when the bucket will be full again, so a packet costs a load, an addition and a store.

use std::sync::atomic::Ordering;
use std::time::Duration;

use portable_atomic::AtomicU64;

/// The bucket holds this much time of traffic at the configured rate...
const BURST: Duration = Duration::from_millis(250);
/// ...but never less than two full super-packets, or a slow guest's would never pass.
const MIN_BURST_OCTETS: u64 = 2 * 65_536;
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

    fn nanos(self, octets: u64) -> u64 {
        ((u128::from(octets) * u128::from(self.nanos_per_octet)) >> FRACTION_BITS) as u64
    }
}

/// The state of one bucket.
#[derive(Default)]
pub struct Policer {
    full_again_nanos: AtomicU64,
}

/// Takes `octets` from the bucket that will be full again at `full_again_nanos`; false if they are not in it, and then
/// nothing is taken.
///
/// Two threads that race here may let one packet more through; they never lose tokens for good.
pub fn admit(full_again_nanos: &AtomicU64, rate: Rate, octets: u64, now: Duration) -> bool {
    if rate == Rate::UNLIMITED {
        return true;
    }
    let now = now.as_nanos() as u64;
    let burst = (BURST.as_nanos() as u64).max(rate.nanos(MIN_BURST_OCTETS));
    let full_again = full_again_nanos.load(Ordering::Relaxed).max(now) + rate.nanos(octets);
    if full_again - now > burst {
        return false;
    }
    full_again_nanos.store(full_again, Ordering::Relaxed);
    true
}

impl Policer {
    /// Takes `octets` from the bucket; false if they are not in it, and then nothing is taken.
    pub fn admit(&self, rate: Rate, octets: u64, now: Duration) -> bool {
        admit(&self.full_again_nanos, rate, octets, now)
    }

    /// Fills the bucket, for another guest or another rate.
    pub(crate) fn refill(&self) {
        self.full_again_nanos.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets admitted of a sender that offers one packet of `size` octets every `gap`.
    fn admitted(rate: Rate, size: u64, gap: Duration, time: Duration) -> u64 {
        let policer = Policer::default();
        let mut now = Duration::from_secs(5);
        let end = now + time;
        let mut octets = 0;
        while now < end {
            if policer.admit(rate, size, now) {
                octets += size;
            }
            now += gap;
        }
        octets
    }

    #[test]
    fn a_greedy_guest_gets_its_rate_whatever_the_packet_size() {
        for rate in [1_000_000u64, 10_000_000, 100_000_000] {
            for size in [64, 1500, 65_000] {
                let gap = Duration::from_nanos(size * 8_000_000_000 / rate / 3);
                let time = Duration::from_secs(20);
                let got = admitted(Rate::bits_per_second(rate), size, gap, time) * 8 / 20;
                let burst = (rate / 4).max(MIN_BURST_OCTETS * 8) / 20;
                assert!(got >= rate * 99 / 100 && got <= rate + burst + rate / 100, "{rate} bit/s, {size}: {got}");
            }
        }
    }

    #[test]
    fn a_guest_below_its_rate_loses_nothing() {
        let rate = Rate::bits_per_second(1_000_000);
        assert_eq!(admitted(rate, 1250, Duration::from_millis(10), Duration::from_secs(10)), 1_250_000);
    }

    #[test]
    fn no_limit_is_no_limit() {
        assert!(Policer::default().admit(Rate::UNLIMITED, u64::MAX, Duration::ZERO));
        assert_eq!(Rate::bits_per_second(0), Rate::UNLIMITED);
        assert_eq!(Rate::UNLIMITED.limit(), None);
        assert_eq!(Rate::bits_per_second(512_000).limit(), Some(512_000));
    }
}
