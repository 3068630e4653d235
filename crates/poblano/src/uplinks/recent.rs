//! What became of an uplink's last probes, for people: how good it is, where [`super::watch`] says whether it works.

use std::time::Duration;

/// Rounds that are remembered: with an interval of five seconds a bit more than five minutes.
const ROUNDS: u32 = u64::BITS;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    /// A bit for each round, the last one is the lowest: lost.
    lost: u64,
    rounds: u32,
    round_trip: Option<Duration>,
}

impl Recent {
    /// One more round. Where nobody can be asked there is no round trip.
    pub(super) fn add(&mut self, answered: bool, round_trip: Option<Duration>) {
        self.lost = self.lost << 1 | u64::from(!answered);
        self.rounds = (self.rounds + 1).min(ROUNDS);
        self.round_trip = round_trip;
    }

    /// How many of a hundred had no answer.
    pub(super) fn lost_percent(&self) -> u32 {
        self.lost.count_ones() * 100 / self.rounds.max(1)
    }

    /// What the last answer took; none if the last round had none.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_forgotten_after_some_minutes() {
        let mut recent = Recent::default();
        assert_eq!((recent.lost_percent(), recent.round_trip()), (0, None));
        recent.add(true, Some(Duration::from_millis(12)));
        recent.add(false, None);
        assert_eq!((recent.lost_percent(), recent.round_trip()), (50, None));
        for _ in 0..ROUNDS - 1 {
            recent.add(true, Some(Duration::from_millis(12)));
        }
        assert_eq!(recent.lost_percent(), 1);
        recent.add(true, Some(Duration::from_millis(12)));
        assert_eq!((recent.lost_percent(), recent.round_trip()), (0, Some(Duration::from_millis(12))));
    }
}
