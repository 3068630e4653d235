//! The only place that reads clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use store::Written;
use wire::Now;

use crate::kept::millis;

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

    /// This moment, for those who read it after us.
    pub(crate) fn written(self) -> Written {
        let since_boot = platform::since_boot();
        Written {
            unix_millis: millis(self.now().unix),
            boot: since_boot.map_or([0; 16], |now| now.boot),
            boot_millis: since_boot.map_or(0, |now| millis(now.time)),
        }
    }

    /// The runtime's instant of a moment on the monotonic clock.
    pub(crate) fn instant(self, mono: Duration) -> tokio::time::Instant {
        tokio::time::Instant::now() + mono.saturating_sub(self.mono())
    }
}
