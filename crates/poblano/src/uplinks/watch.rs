//! Which of several uplinks works, and who leaves by which. In English:
//!
//! * One without a link, or to which no router is known, does not work, from that moment on. One that is silent does not
//!   when so many probes in a row were lost; it works again when as many in a row as are wanted were answered.
//! * Used are those that work. When none is left, those stay in use that were last: a probe can fail for other reasons, and
//!   what cannot be helped is not made worse by a change.
//! * Guests are divided into parts by a hash of their address. Each part has its uplink, as the weights say; when that one
//!   is not used its part is divided between the others, and all other parts stay where they are.

use config::{UplinkLine, UplinkShare};
use platform::{GUEST_PARTS, Plan};

/// What one look at an uplink has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    NoLink,
    NoRouter,
    Silent,
    Answered,
}

impl Seen {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NoLink => "no link",
            Self::NoRouter => "no router is known",
            Self::Silent => "no answer",
            Self::Answered => "answers",
        }
    }
}

/// An uplink begins or ceases to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) line: usize,
    pub(super) works: bool,
}

pub(super) struct Watch {
    share: UplinkShare,
    weights: Vec<u32>,
    lost_limit: u32,
    answered_limit: u32,
    lines: Vec<Line>,
    used: Vec<bool>,
}

#[derive(Clone, Copy)]
struct Line {
    works: bool,
    seen: Seen,
    /// In a row.
    lost: u32,
    answered: u32,
}

impl Watch {
    /// Begins with what a first look has shown: whoever answers works.
    pub(super) fn new(config: &config::Uplink, first: &[Seen]) -> Self {
        let line = |seen: &Seen| Line { works: *seen == Seen::Answered, seen: *seen, lost: 0, answered: 0 };
        let lines: Vec<_> = first.iter().map(line).collect();
        let any = lines.iter().any(|line| line.works);
        Self {
            share: config.share,
            weights: config.lines.iter().map(|UplinkLine { weight, .. }| *weight).collect(),
            lost_limit: config.probes_lost,
            answered_limit: config.probes_answered,
            used: lines.iter().map(|line| line.works || !any).collect(),
            lines,
        }
    }

    /// Takes what a look has shown of each.
    pub(super) fn handle_round(&mut self, round: &[Seen]) -> Vec<Change> {
        let mut changes = Vec::new();
        for (n, (line, seen)) in self.lines.iter_mut().zip(round).enumerate() {
            line.seen = *seen;
            match seen {
                Seen::Answered => (line.lost, line.answered) = (0, line.answered.saturating_add(1)),
                _ => (line.lost, line.answered) = (line.lost.saturating_add(1), 0),
            }
            let works = match seen {
                Seen::NoLink | Seen::NoRouter => false,
                Seen::Silent => line.works && line.lost < self.lost_limit,
                Seen::Answered => line.works || line.answered >= self.answered_limit,
            };
            if works != line.works {
                line.works = works;
                changes.push(Change { line: n, works });
            }
        }
        if self.lines.iter().any(|line| line.works) {
            self.used = self.lines.iter().map(|line| line.works).collect();
        }
        changes
    }

    /// One that works has lost a probe: it is asked again at once.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.lines.iter().any(|line| line.works && line.lost > 0)
    }

    pub(super) fn works(&self, line: usize) -> bool {
        self.lines.get(line).is_some_and(|line| line.works)
    }

    pub(super) fn seen(&self, line: usize) -> Seen {
        self.lines.get(line).map_or(Seen::NoLink, |line| line.seen)
    }

    /// Probes in a row that were lost.
    pub(super) fn lost(&self, line: usize) -> u32 {
        self.lines.get(line).map_or(0, |line| line.lost)
    }

    pub(super) fn used(&self) -> &[bool] {
        &self.used
    }

    /// What follows from it.
    pub(super) fn plan(&self) -> Plan {
        let first = self.used.iter().position(|used| *used).unwrap_or(0);
        let shares = match self.share {
            UplinkShare::First => vec![(GUEST_PARTS, first)],
            UplinkShare::Weight => shares(&self.weights, &self.used),
        };
        Plan { shares, own: first, used: self.used.clone() }
    }
}

/// Divides the guests' parts. At least one is used.
fn shares(weights: &[u32], used: &[bool]) -> Vec<(u32, usize)> {
    let all: Vec<_> = weights.iter().copied().enumerate().collect();
    let left: Vec<_> = all.iter().copied().filter(|(n, _)| used.get(*n) == Some(&true)).collect();
    let mut shares: Vec<(u32, usize)> = Vec::new();
    let mut begins = 0;
    for (end, line) in divided(begins, GUEST_PARTS, &all) {
        let own = [(end, line)];
        let others = if left.iter().any(|(n, _)| *n == line) { own.to_vec() } else { divided(begins, end, &left) };
        for (end, line) in others {
            let before = shares.last_mut();
            match before {
                Some(last) if last.1 == line || last.0 == end => last.0 = end,
                _ if end == 0 => {}
                _ => shares.push((end, line)),
            }
        }
        begins = end;
    }
    shares
}

/// Ends of the pieces from `begin` to `end`, as large as the weights say.
fn divided(begin: u32, end: u32, weights: &[(usize, u32)]) -> Vec<(u32, usize)> {
    let total: u32 = weights.iter().map(|(_, weight)| weight).sum();
    let mut before = 0;
    let piece = |(line, weight): &(usize, u32)| {
        before += weight;
        (begin + (end - begin) * before / total.max(1), *line)
    };
    weights.iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(share: UplinkShare, weights: &[u32], first: &[Seen]) -> Watch {
        let line = |weight: &u32| UplinkLine {
            name: format!("line{weight}"),
            interface: format!("wan{weight}"),
            gateway: None,
            weight: *weight,
            probe: None,
        };
        let uplink = config::Config::default().uplink;
        let lines = weights.iter().map(line).collect();
        Watch::new(&config::Uplink { lines, share, probes_answered: 3, ..uplink }, first)
    }

    use Seen::{Answered, NoLink, Silent};

    #[test]
    fn guests_go_to_the_next_after_two_lost_probes_and_back_after_three_answers() {
        let mut watch = watch(UplinkShare::First, &[1, 1], &[Answered, Answered]);
        assert_eq!(watch.plan().shares, [(GUEST_PARTS, 0)]);
        assert_eq!(watch.handle_round(&[Silent, Answered]), []);
        assert!(watch.is_in_doubt());
        assert_eq!(watch.handle_round(&[Silent, Answered]), [Change { line: 0, works: false }]);
        assert!(!watch.is_in_doubt(), "what is known to be silent is not asked faster");
        let plan = watch.plan();
        assert_eq!((plan.shares, plan.own, plan.used), (vec![(GUEST_PARTS, 1)], 1, vec![false, true]));
        for _ in 0..2 {
            assert_eq!(watch.handle_round(&[Answered, Answered]), []);
        }
        assert_eq!(watch.handle_round(&[Silent, Answered]), [], "it begins anew");
        for _ in 0..2 {
            assert_eq!(watch.handle_round(&[Answered, Answered]), []);
        }
        assert_eq!(watch.handle_round(&[Answered, Answered]), [Change { line: 0, works: true }]);
        assert_eq!(watch.plan().own, 0);
    }

    #[test]
    fn a_link_that_is_gone_is_not_waited_for_and_one_lost_probe_changes_nothing() {
        let mut watch = watch(UplinkShare::First, &[1, 1], &[Answered, Answered]);
        assert_eq!(watch.handle_round(&[NoLink, Answered]), [Change { line: 0, works: false }]);
        assert_eq!(watch.handle_round(&[NoLink, Silent]), []);
        assert_eq!(watch.handle_round(&[NoLink, Answered]), []);
        assert_eq!(watch.used(), [false, true]);
    }

    #[test]
    fn when_none_is_left_all_stays_as_it_was() {
        let mut watch = watch(UplinkShare::First, &[1, 1], &[Answered, Silent]);
        assert_eq!(watch.used(), [true, false]);
        assert_eq!(watch.handle_round(&[NoLink, Silent]), [Change { line: 0, works: false }]);
        assert_eq!(watch.used(), [true, false]);
        for _ in 0..3 {
            watch.handle_round(&[NoLink, Answered]);
        }
        assert_eq!(watch.used(), [false, true]);
        let nobody = super::tests::watch(UplinkShare::First, &[1, 1], &[Silent, NoLink]);
        assert_eq!(nobody.used(), [true, true], "nothing is known that speaks against any");
    }

    #[test]
    fn only_the_guests_of_the_one_that_is_gone_move() {
        let (all, gone) = (shares(&[3, 1, 2], &[true; 3]), shares(&[3, 1, 2], &[true, true, false]));
        assert_eq!(all, [(512, 0), (682, 1), (1024, 2)]);
        assert_eq!(gone, [(512, 0), (682, 1), (938, 0), (1024, 1)]);
        let of = |shares: &[(u32, usize)], part: u32| shares.iter().find(|(end, _)| part < *end).map(|(_, line)| *line);
        for part in 0..GUEST_PARTS {
            let home = of(&all, part);
            assert!(home == Some(2) || of(&gone, part) == home, "{part}");
        }
    }

    #[test]
    fn whatever_the_weights_each_part_has_one_uplink_that_is_used() {
        let weights = [[1, 1, 1], [100, 1, 1], [1, 100, 100], [7, 13, 90]];
        for weights in weights {
            for used in 1..8u8 {
                let used: Vec<bool> = (0..3).map(|n| used & 1 << n != 0).collect();
                let shares = shares(&weights, &used);
                assert_eq!(shares.last().map(|(end, _)| *end), Some(GUEST_PARTS), "{weights:?} {used:?}");
                assert!(shares.is_sorted_by(|a, b| a.0 < b.0), "{shares:?}");
                assert!(shares.iter().all(|(_, line)| used[*line]), "{shares:?}");
            }
        }
    }
}
