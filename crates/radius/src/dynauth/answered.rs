//! What became of the requests of late, so that a copy is answered and not obeyed.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::ErrorCause;
use crate::limits::REQUESTS_REMEMBERED;

type Outcome = Result<(), ErrorCause>;

#[derive(Debug, Default)]
pub(super) struct Answered {
    outcomes: HashMap<[u8; 16], Outcome>,
    /// When each may be forgotten.
    ends: BTreeSet<(Duration, [u8; 16])>,
}

impl Answered {
    pub(super) fn find(&mut self, mono: Duration, authenticator: &[u8; 16]) -> Option<Outcome> {
        self.forget(mono);
        self.outcomes.get(authenticator).copied()
    }

    pub(super) fn is_full(&self) -> bool {
        self.ends.len() >= REQUESTS_REMEMBERED
    }

    pub(super) fn remember(&mut self, until: Duration, authenticator: [u8; 16], outcome: Outcome) {
        self.outcomes.insert(authenticator, outcome);
        self.ends.insert((until, authenticator));
    }

    fn forget(&mut self, mono: Duration) {
        while let Some(first) = self.ends.first().copied().filter(|(until, _)| *until < mono) {
            self.ends.remove(&first);
            self.outcomes.remove(&first.1);
        }
    }
}
