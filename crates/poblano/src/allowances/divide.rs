//! What is left of an allowance, divided among its sessions.

use std::time::Duration;

use engine::changes::Changes;
use engine::session::Grant;
use fastpath::session::SlotIndex;
use store::{Left, Over, Used};

/// A session that runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    pub(crate) slot: SlotIndex,
    /// How long it has lasted.
    pub(crate) duration: Duration,
    /// What it has used, both ways.
    pub(crate) octets: u64,
    /// How long it has been silent.
    pub(crate) idle: Duration,
    /// What it may use in all, as it was told last.
    pub(crate) quota: Option<u64>,
}

/// What has been used, with the sessions that run.
pub(super) fn with(used: &Used, live: &[Live]) -> Used {
    live.iter().fold(*used, |used, live| Used {
        time: used.time.saturating_add(live.duration),
        octets: used.octets.saturating_add(live.octets),
        ..used
    })
}

/// What each session may.
pub(super) fn among(left: Result<Left, Over>, live: &[Live], defaults: &Grant) -> Vec<(SlotIndex, Changes)> {
    let of = |live_one: &Live| match &left {
        Ok(left) => of_one(left, live.len(), live_one, defaults),
        Err(Over::UsedUp) => Changes { octets_total: Some(Some(0)), ..Changes::default() },
        Err(Over::Expired) => Changes { session_timeout: Some(Some(Duration::ZERO)), ..Changes::default() },
    };
    live.iter().map(|live| (live.slot, of(live))).collect()
}

/// What one session of several may, with what is left for all; never more than any session may here.
pub(super) fn of_one(left: &Left, sessions: usize, live: &Live, defaults: &Grant) -> Changes {
    let least = |ours: Option<u64>, default: Option<u64>| ours.into_iter().chain(default).min();
    let share = left.time.map(|time| time / u32::try_from(sessions.max(1)).unwrap_or(u32::MAX));
    let time = share.map(|share| live.duration.saturating_add(share));
    let octets = left.octets.map(|octets| live.octets.saturating_add(octets));
    let until = left.until_unix.map(Duration::from_secs);
    Changes {
        session_timeout: Some(time.into_iter().chain(defaults.session_timeout).min()),
        until: Some(until),
        octets_total: Some(least(octets, defaults.quota.octets_total)),
        ..Changes::default()
    }
}

/// True if a session was told that it may use notably more than is left by now. Each time it is told costs a write to the
/// disk, so it is told when an eighth is missing: in the life of an allowance that is some hundred times.
pub(super) fn is_uneven(left: &Left, live: &[Live]) -> bool {
    let Some(left) = left.octets else { return false };
    let room = live.iter().filter_map(|live| Some(live.quota?.saturating_sub(live.octets))).max();
    room.is_some_and(|room| room > left.saturating_add(left / 8))
}

#[cfg(test)]
mod tests {
    use engine::session::Quota;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn live(slot: u32, duration: Duration, octets: u64) -> Live {
        Live { slot: SlotIndex(slot), duration, octets, ..Live::default() }
    }

    #[test]
    fn time_is_shared_and_data_is_whoevers_comes_first() {
        let both = [live(1, HOUR, 100), live(2, HOUR / 2, 50)];
        let used = with(&Used { octets: 10, ..Used::default() }, &both);
        assert_eq!((used.time, used.octets), (HOUR + HOUR / 2, 160));
        let left = Left { time: Some(HOUR), until_unix: None, octets: Some(1000) };
        let told = among(Ok(left), &both, &Grant::default());
        let may = |slot, time, octets| {
            let changes = Changes {
                session_timeout: Some(Some(time)),
                until: Some(None),
                octets_total: Some(Some(octets)),
                ..Changes::default()
            };
            (SlotIndex(slot), changes)
        };
        assert_eq!(told, [may(1, HOUR + HOUR / 2, 1100), may(2, HOUR, 1050)]);
    }

    #[test]
    fn no_allowance_gives_a_session_more_than_any_session_has() {
        let defaults = Grant {
            session_timeout: Some(HOUR),
            quota: Quota { octets_total: Some(500), ..Quota::default() },
            ..Grant::default()
        };
        let left = Left { time: Some(HOUR * 9), until_unix: Some(7), octets: Some(1000) };
        let changes = of_one(&left, 1, &Live::default(), &defaults);
        assert_eq!(changes.session_timeout, Some(Some(HOUR)));
        assert_eq!(changes.octets_total, Some(Some(500)));
        assert_eq!(changes.until, Some(Some(Duration::from_secs(7))));
        let free = of_one(&Left::default(), 1, &Live::default(), &defaults);
        assert_eq!((free.session_timeout, free.until), (Some(Some(HOUR)), Some(None)));
    }

    #[test]
    fn when_nothing_is_left_all_sessions_end() {
        let both = [live(1, HOUR, 100), live(2, HOUR, 50)];
        for over in [Over::UsedUp, Over::Expired] {
            let ended = |(_, changes): &(SlotIndex, Changes)| {
                let changes = changes.clone().apply(Grant::default());
                changes.quota.octets_total == Some(0) || changes.session_timeout == Some(Duration::ZERO)
            };
            let told = among(Err(over), &both, &Grant::default());
            assert!(told.len() == 2 && told.iter().all(ended), "{over:?}");
        }
    }

    #[test]
    fn sessions_are_told_anew_when_others_have_used_what_was_theirs() {
        let left = Left { octets: Some(800), ..Left::default() };
        let one = |quota| [Live { octets: 100, quota, ..Live::default() }];
        assert!(!is_uneven(&left, &one(Some(1000))));
        assert!(is_uneven(&left, &one(Some(1001))));
        assert!(!is_uneven(&left, &one(None)));
        assert!(!is_uneven(&Left::default(), &one(Some(1001))));
    }
}
