//! How long things took, in a few kilobytes however many there were.

use std::time::Duration;

/// Steps between a power of two and the next: what is told is at most a sixteenth too long.
const STEPS: usize = 16;
/// Powers of two of nanoseconds: up to five hours.
const POWERS: usize = 44;

/// Counts of durations.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; STEPS * POWERS], total: 0, max: Duration::ZERO }
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, took: Duration) {
        self.counts[bucket(took)] += 1;
        self.total += 1;
        self.max = self.max.max(took);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn max(&self) -> Option<Duration> {
        (self.total > 0).then_some(self.max)
    }

    /// What so much of a hundred took at most; nothing if there was nothing.
    pub(crate) fn percentile(&self, percent: u64) -> Option<Duration> {
        let wanted = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(upper_end(at).min(self.max))
    }
}

fn bucket(took: Duration) -> usize {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(STEPS as u64);
    let power = nanos.ilog2() as usize;
    let step = (nanos >> (power - STEPS.ilog2() as usize)) as usize - STEPS;
    (power * STEPS + step).min(STEPS * POWERS - 1)
}

fn upper_end(bucket: usize) -> Duration {
    let (power, step) = (bucket / STEPS, bucket % STEPS);
    Duration::from_nanos(((STEPS + step + 1) as u64) << power >> STEPS.ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_at_most_a_sixteenth_too_long() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.percentile(50), histogram.max()), (None, None));
        for millis in 1..=1000 {
            histogram.add(Duration::from_millis(millis));
        }
        for (percent, millis) in [(50, 500), (90, 900), (99, 990)] {
            let (told, exact) = (histogram.percentile(percent).unwrap(), Duration::from_millis(millis));
            assert!(told >= exact && told <= exact * 17 / 16, "{percent} %: {told:?}");
        }
        assert_eq!(histogram.percentile(100), Some(Duration::from_secs(1)));
    }

    #[test]
    fn the_shortest_and_the_longest_have_a_place_too() {
        let mut histogram = Histogram::default();
        histogram.add(Duration::ZERO);
        histogram.add(Duration::MAX);
        assert_eq!(histogram.max(), Some(Duration::MAX));
        assert!(histogram.percentile(50).unwrap() < Duration::from_nanos(40));
    }

    #[test]
    fn two_become_one() {
        let mut one = Histogram::default();
        one.add(Duration::from_millis(1));
        let mut two = Histogram::default();
        two.add(Duration::from_millis(9));
        one.merge(&two);
        assert_eq!(one.max(), Some(Duration::from_millis(9)));
        assert!(one.percentile(50).unwrap() < Duration::from_millis(2));
    }
}
