//! What all guests together may do: so much at once, and as much again in a time. Each guest has its own tries
//! (`engine::attempts`), but may be many.

use std::time::Duration;

#[derive(Debug)]
pub(super) struct Bucket {
    most: u32,
    forget: Duration,
    empty_again: Duration,
}

impl Bucket {
    /// So many at once, each of which is forgotten after this time.
    pub(super) fn new(most: u32, forget: Duration) -> Self {
        Self { most, forget, empty_again: Duration::ZERO }
    }

    /// May there be another one?
    ///
    /// # Errors
    /// After how long.
    pub(super) fn look(&self, now: Duration) -> Result<(), Duration> {
        match self.empty_again.saturating_sub(now).checked_sub(self.forget * self.most.saturating_sub(1)) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(()),
        }
    }

    /// Makes it as full as those have left it that came so long ago each, the first of them first.
    pub(super) fn restore(&mut self, now: Duration, ages: impl Iterator<Item = Duration>) {
        let (mut full, mut before) = (Duration::ZERO, Duration::ZERO);
        for age in ages {
            full = full.saturating_sub(before.saturating_sub(age)) + self.forget;
            before = age;
        }
        self.empty_again = self.empty_again.max(now + full.saturating_sub(before));
    }

    /// There is one more.
    pub(super) fn fill(&mut self, now: Duration) {
        self.empty_again = self.empty_again.max(now) + self.forget;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = 1000;
    const FORGET: Duration = Duration::from_millis(100);

    #[test]
    fn a_thousand_wrong_codes_and_then_ten_in_a_second() {
        let (mut bucket, mut now) = (Bucket::new(MOST, FORGET), Duration::from_secs(50));
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
