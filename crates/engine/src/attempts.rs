//! How often one guest may try to log in.

use std::collections::HashMap;
use std::time::Duration;

use wire::GuestKey;

use crate::session::Moment;

/// Tries that a guest has at once; a mistyped password is common, a sixth one in a row is not.
const BURST: u32 = 5;
/// Time after which another try is given back.
const REFILL: Duration = Duration::from_secs(10);

/// One guest's tries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts {
    /// When all tries are available again.
    full_again: Moment,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { full_again: Duration::ZERO.into() }
    }
}

impl Attempts {
    /// Takes one try.
    ///
    /// # Errors
    /// How long to wait for the next one.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let full_again = self.full_again.mono().max(now) + REFILL;
        match (full_again - now).checked_sub(REFILL * BURST) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.full_again = full_again.into();
                Ok(())
            }
        }
    }

    fn is_as_new(&self, now: Duration) -> bool {
        self.full_again.mono() <= now
    }
}

/// Stations without a lease whose tries are remembered, 24 octets each. Whoever gives its lease back and takes another
/// has no more tries for that; whoever changes its MAC to have more pushes out none but such others.
const REMEMBERED: usize = 4096;

/// The tries of those who left.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    tries: HashMap<GuestKey, Attempts>,
}

impl Departed {
    pub(crate) fn keep(&mut self, now: Duration, key: GuestKey, attempts: Attempts) {
        if attempts.is_as_new(now) {
            return;
        }
        if self.tries.len() >= REMEMBERED {
            self.tries.retain(|_, attempts| !attempts.is_as_new(now));
        }
        if self.tries.len() < REMEMBERED {
            self.tries.insert(key, attempts);
        }
    }

    pub(crate) fn take(&mut self, key: GuestKey) -> Attempts {
        self.tries.remove(&key).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_tries_and_then_one_every_ten_seconds() {
        let mut attempts = Attempts::default();
        let now = Duration::from_secs(100);
        for _ in 0..5 {
            assert_eq!(attempts.take(now), Ok(()));
        }
        assert_eq!(attempts.take(now), Err(REFILL));
        assert_eq!(attempts.take(now + Duration::from_secs(4)), Err(Duration::from_secs(6)));
        assert_eq!(attempts.take(now + REFILL), Ok(()));
        assert!(attempts.take(now + REFILL).is_err());
    }

    #[test]
    fn who_comes_back_has_the_tries_that_it_left_with() {
        let key = |n: u16| {
            let [high, low] = n.to_be_bytes();
            GuestKey { lan: 0, vlan: wire::Vlan::NONE, mac: wire::MacAddr([2, 0, 0, 0, high, low]) }
        };
        let now = Duration::from_secs(100);
        let mut departed = Departed::default();
        let mut attempts = departed.take(key(1));
        for _ in 0..5 {
            assert_eq!(attempts.take(now), Ok(()));
        }
        departed.keep(now, key(1), attempts);
        assert!(departed.take(key(1)).take(now).is_err());
        for n in 0..10_000 {
            departed.keep(now, key(n), attempts);
        }
        assert_eq!(departed.tries.len(), REMEMBERED);
        departed.keep(now + REFILL * BURST, key(1), attempts);
        departed.keep(now + REFILL, key(9_999), attempts);
        assert_eq!(departed.tries.len(), REMEMBERED, "nothing is new yet, and nothing grows");
    }
}
