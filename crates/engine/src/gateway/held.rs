//! Answers of DHCP that wait until somebody has said whether the device may come in:
//! [`before_lease`](crate::devices::Config::before_lease).

use std::collections::VecDeque;
use std::time::Duration;

use wire::GuestKey;

use super::Output;

/// The longest wait, for servers that are silent. A client repeats its REQUEST after four seconds or more (RFC 2131, 4.1), and
/// that one is answered at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers that wait, some 400 octets each: as many as devices can be asked about in so long at the default rate, ten times.
/// One more does not wait.
const MOST: usize = 1024;

/// What waits, in the order of its coming.
#[derive(Default)]
pub(super) struct Held(VecDeque<(Duration, GuestKey, Output)>);

impl Held {
    /// Has the answer wait; it comes back if there is no room.
    pub(super) fn put(&mut self, now: Duration, key: GuestKey, answer: Output) -> Option<Output> {
        if self.0.len() >= MOST {
            return Some(answer);
        }
        self.0.push_back((now + PATIENCE, key, answer));
        None
    }

    /// What waits for that device, no longer.
    pub(super) fn take(&mut self, key: GuestKey) -> Option<Output> {
        let at = self.0.iter().position(|(_, of, _)| *of == key)?;
        self.0.remove(at).map(|(_, _, answer)| answer)
    }

    /// The next one that has waited long enough.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<Output> {
        self.0.pop_front_if(|(due, _, _)| *due <= now).map(|(_, _, answer)| answer)
    }

    /// When that is.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.0.front().map(|(due, _, _)| *due)
    }
}
