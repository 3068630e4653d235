//! Wrong codes of all guests together. Each guest has its own tries (`engine::attempts`), but may be many.

use std::time::Duration;

/// Wrong codes at once. Who is to fill it needs two hundred devices with a lease each, five tries of every one.
const MOST: u32 = 1000;
/// Time after which one is forgotten.
const FORGET: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Bucket {
    empty_again: Duration,
}

impl Bucket {
    /// May another code be looked up?
    ///
    /// # Errors
    /// After how long.
    pub(super) fn look(&self, now: Duration) -> Result<(), Duration> {
        match self.empty_again.saturating_sub(now).checked_sub(FORGET * (MOST - 1)) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(()),
        }
    }

    /// One was wrong.
    pub(super) fn fill(&mut self, now: Duration) {
        self.empty_again = self.empty_again.max(now) + FORGET;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_wrong_codes_and_then_ten_in_a_second() {
        let (mut bucket, mut now) = (Bucket::default(), Duration::from_secs(50));
        for _ in 0..MOST {
            assert_eq!(bucket.look(now), Ok(()));
            bucket.fill(now);
        }
        assert_eq!(bucket.look(now), Err(FORGET));
        for _ in 0..10 {
            now += FORGET;
            assert_eq!(bucket.look(now), Ok(()));
            bucket.fill(now);
            assert!(bucket.look(now).is_err());
        }
    }
}
