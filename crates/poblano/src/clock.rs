//! The only place that reads clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wire::Now;

/// The gateway's clock, which starts with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(self) -> Now {
        // A clock before 1970 is a machine without a battery; leases then count from 1970.
        Now { mono: self.start.elapsed(), unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// Monotonic time only, for the packet threads.
    pub(crate) fn mono(self) -> Duration {
        self.start.elapsed()
    }

    /// The runtime's instant of a moment on the monotonic clock.
    pub(crate) fn instant(self, mono: Duration) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + mono)
    }
}
