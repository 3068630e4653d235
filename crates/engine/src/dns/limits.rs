//! Every bound of the forwarder and its reason, and the buckets that enforce them per guest.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Queries under way for all guests together: at about 150 octets each, 600 kB.
pub(super) const MAX_PENDING: usize = 4096;
/// Of those, what guests before login may fill together; then the oldest goes. The rest is kept for those who are online.
pub(super) const MAX_PENDING_BEFORE_LOGIN: usize = MAX_PENDING / 2;
/// Guests whose buckets are not full. One entry is about 100 octets; a guest beyond that waits a few seconds.
pub(super) const MAX_GUESTS: usize = 65_536;
/// Between two sweeps over the guests: a sweep of a full table takes a millisecond, which a flood must not buy with each
/// packet.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// The longest query in octets. A question has 271 at most; the rest is room for options after login.
pub(super) const MAX_QUERY: usize = 1232;
/// The longest answer that is looked at; we ask for 1232.
pub(super) const MAX_ANSWER: usize = 4096;
/// The longest name before login, in octets. Real ones stay under 100; a tunnel wants all 255.
pub(super) const MAX_NAME_BEFORE_LOGIN: usize = 128;
/// Names that are followed from alias to alias in one answer. Resolvers themselves stop at about this number.
pub(super) const MAX_CHAIN: usize = 16;
/// Addresses that one answer brings into the walled garden.
pub(super) const MAX_ADDRESSES: usize = 32;
/// Patterns with different ports that one name opens by.
pub(super) const MAX_RULES: usize = 16;
/// How long one resolver is waited for before the next is asked.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(1500);
/// When the guest is told that nobody answered. Stub resolvers give up after 5 s.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(5);

/// A bucket's size and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units each second, in the long run.
    pub per_sec: u32,
    /// Units at once, after a pause.
    pub burst: u32,
}

/// What one guest may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Queries. A page with many names asks for 50 at once.
    pub queries: Rate,
    /// Octets of DNS messages, queries and answers together; none is unlimited. This is what a tunnel is worth.
    pub octets: Option<Rate>,
    /// Queries under way at the same time.
    pub outstanding: u16,
}

impl Limits {
    /// Before login: a phone that joins asks for 50 names in 10 kB at once, then one now and then. A tunnel gets 1 kB
    /// each second, both ways together, headers and encoding included.
    pub const BEFORE_LOGIN: Self = Self {
        queries: Rate { per_sec: 5, burst: 60 },
        octets: Some(Rate { per_sec: 1000, burst: 30_000 }),
        outstanding: 16,
    };
    /// After login: as many as a household behind one address asks for.
    pub const AFTER_LOGIN: Self = Self { queries: Rate { per_sec: 100, burst: 500 }, octets: None, outstanding: 64 };
}

/// A token bucket as one number: the moment when it will be full again. It starts full.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_at: Duration,
}

impl Bucket {
    fn has(&self, now: Duration, rate: Rate, units: u32) -> bool {
        self.after(now, rate, units).saturating_sub(now) <= time_for(rate, rate.burst)
    }

    /// Takes units, into debt if need be.
    fn take(&mut self, now: Duration, rate: Rate, units: u32) {
        self.full_at = self.after(now, rate, units);
    }

    fn after(&self, now: Duration, rate: Rate, units: u32) -> Duration {
        self.full_at.max(now).saturating_add(time_for(rate, units))
    }
}

fn time_for(rate: Rate, units: u32) -> Duration {
    // u32 times a billion fits u64. A rate of zero fills in a year or more, which is never.
    Duration::from_nanos(u64::from(units) * 1_000_000_000 / u64::from(rate.per_sec.max(1)))
}

/// Why a guest has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    Queries,
    Octets,
    Outstanding,
    Guests,
}

#[derive(Clone, Copy, Debug, Default)]
struct Guest {
    queries: Bucket,
    octets: Bucket,
    outstanding: u16,
}

impl Guest {
    fn is_as_new(&self, now: Duration) -> bool {
        self.outstanding == 0 && self.queries.full_at <= now && self.octets.full_at <= now
    }
}

/// The buckets of all guests, by address: whoever gives a lease back and takes another does not get a fresh bucket with
/// the same address. A guest whose buckets are full again is forgotten, which changes nothing for him.
#[derive(Debug)]
pub(super) struct Guests {
    by_address: HashMap<Ipv4Addr, Guest>,
    /// How many there are when it is time to look for the forgettable: twice what the last sweep left, so that it is
    /// paid for by those who came since.
    sweep_at: usize,
    sweep_from: Duration,
}

impl Guests {
    pub(super) fn new() -> Self {
        Self { by_address: HashMap::new(), sweep_at: 1024, sweep_from: Duration::ZERO }
    }

    /// One more query of so many octets: takes it from the buckets or says which is empty.
    pub(super) fn query(&mut self, now: Duration, who: Ipv4Addr, limits: &Limits, octets: usize) -> Result<(), Excess> {
        if self.by_address.len() >= self.sweep_at && !self.by_address.contains_key(&who) {
            if now >= self.sweep_from {
                self.by_address.retain(|_, guest| !guest.is_as_new(now));
                self.sweep_at = (self.by_address.len() * 2).clamp(1024, MAX_GUESTS);
                self.sweep_from = now + SWEEP_PAUSE;
            }
            if self.by_address.len() >= MAX_GUESTS {
                return Err(Excess::Guests);
            }
        }
        let guest = self.by_address.entry(who).or_default();
        if !guest.queries.has(now, limits.queries, 1) {
            return Err(Excess::Queries);
        }
        if let Some(rate) = limits.octets {
            let octets = u32::try_from(octets).unwrap_or(u32::MAX);
            if !guest.octets.has(now, rate, octets) {
                return Err(Excess::Octets);
            }
            guest.octets.take(now, rate, octets);
        }
        guest.queries.take(now, limits.queries, 1);
        Ok(())
    }

    /// An answer of so many octets went to the guest. It may leave a debt: an answer that was fetched is worth
    /// delivering, and the debt holds up the next queries.
    pub(super) fn answer(&mut self, now: Duration, who: Ipv4Addr, limits: &Limits, octets: usize) {
        if let (Some(rate), Some(guest)) = (limits.octets, self.by_address.get_mut(&who)) {
            guest.octets.take(now, rate, u32::try_from(octets).unwrap_or(u32::MAX));
        }
    }

    /// A query of the guest gets under way.
    pub(super) fn begin(&mut self, who: Ipv4Addr, limits: &Limits) -> Result<(), Excess> {
        let guest = self.by_address.entry(who).or_default();
        if guest.outstanding >= limits.outstanding {
            return Err(Excess::Outstanding);
        }
        guest.outstanding += 1;
        Ok(())
    }

    /// It was answered or given up.
    pub(super) fn end(&mut self, who: Ipv4Addr) {
        if let Some(guest) = self.by_address.get_mut(&who) {
            guest.outstanding = guest.outstanding.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_sec: 10, burst: 5 };

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let mut bucket = Bucket::default();
        let mut now = Duration::from_secs(3);
        let mut taken = 0;
        for _ in 0..300 {
            while bucket.has(now, RATE, 1) {
                bucket.take(now, RATE, 1);
                taken += 1;
            }
            now += Duration::from_millis(10);
        }
        assert_eq!(taken, 5 + 29, "3 s at 10 each second, the last is not full yet");
    }

    #[test]
    fn a_debt_is_paid_before_anything_else() {
        let mut bucket = Bucket::default();
        bucket.take(Duration::ZERO, RATE, 25);
        assert!(!bucket.has(Duration::from_millis(2000), RATE, 1));
        assert!(bucket.has(Duration::from_millis(2100), RATE, 1));
    }

    #[test]
    fn guests_with_full_buckets_are_forgotten() {
        let mut guests = Guests::new();
        let (limits, mut now) = (Limits::BEFORE_LOGIN, Duration::ZERO);
        for n in 0..200_000 {
            now += Duration::from_millis(1);
            assert_eq!(guests.query(now, Ipv4Addr::from_bits(n), &limits, 40), Ok(()));
        }
        // Each needs 200 ms to be as new, and there is a sweep each second.
        assert!(guests.by_address.len() <= 2048, "{}", guests.by_address.len());
    }

    #[test]
    fn more_guests_at_once_than_there_is_room_for_wait() {
        let mut guests = Guests::new();
        let limits = Limits::BEFORE_LOGIN;
        let served =
            (0..100_000).filter(|&n| guests.query(Duration::ZERO, Ipv4Addr::from_bits(n), &limits, 40).is_ok()).count();
        assert_eq!(served, MAX_GUESTS);
        let later = Duration::from_secs(1);
        assert_eq!(guests.query(later, Ipv4Addr::from_bits(100_000), &limits, 40), Ok(()));
    }
}
