use std::time::Duration;

/// The moment at which a decision is made. Only the binary reads clocks; everyone else is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic time since the gateway started: for timeouts and rates.
    pub mono: Duration,
    /// Time since 1970-01-01 UTC: for what is written down or sent to others.
    pub unix: Duration,
}

impl Now {
    /// The moment `later` after this one, on both clocks.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self { mono: self.mono + later, unix: self.unix + later }
    }
}
