//! The only place that reads clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wire::Now;

/// The machine's clock. Its monotonic time goes on over a restart of the gateway, as sessions do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock;

impl Clock {
    pub(crate) fn now(self) -> Now {
        // A clock before 1970 is a machine without a battery; leases then count from 1970.
        Now { mono: self.mono(), unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// Monotonic time only, for the packet threads.
    pub(crate) fn mono(self) -> Duration {
        platform::monotonic()
    }

    /// The runtime's instant of a moment on the monotonic clock.
    pub(crate) fn instant(self, mono: Duration) -> tokio::time::Instant {
        tokio::time::Instant::now() + mono.saturating_sub(self.mono())
    }
}
