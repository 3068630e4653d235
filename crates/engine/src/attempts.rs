//! How often one guest may try to log in.

use std::time::Duration;

/// Tries that a guest has at once; a mistyped password is common, a sixth one in a row is not.
const BURST: u32 = 5;
/// Time after which another try is given back.
const REFILL: Duration = Duration::from_secs(10);

/// One guest's tries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempts {
    /// When all tries are available again.
    full_again: Duration,
}

impl Attempts {
    /// Takes one try.
    ///
    /// # Errors
    /// How long to wait for the next one.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let full_again = self.full_again.max(now) + REFILL;
        match (full_again - now).checked_sub(REFILL * BURST) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.full_again = full_again;
                Ok(())
            }
        }
    }

    /// A right password shows that it was the guest after all.
    pub(crate) fn forgive(&mut self) {
        *self = Self::default();
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
        attempts.forgive();
        assert_eq!(attempts.take(now + REFILL), Ok(()));
    }
}
