//! Devices that come in by their MAC address: about whom somebody is asked, and when.
//!
//! * A device shows itself when it has a new lease, renews it, looks for somebody (ARP) or asks for a name. If it is
//!   offline then, it is asked about; it never waits for the answer, and without a good one it is a guest like any other.
//! * Devices that the configuration lets in have no turn to wait for. About all others the servers are asked in the
//!   order in which they showed themselves, so many in a second and no more: whoever invents addresses makes devices wait,
//!   not servers work. Those that find no room in the queue will show themselves again.
//! * No device is asked about twice within [`LEAST`], nor one that was refused within [`Config::again`], lease or no
//!   lease. Who logged out or was logged out by an operator wants to be out: it needs another lease, too.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use wire::{GuestKey, MacAddr};

/// Devices that wait for their turn, 10 octets each: more than three minutes' worth at the default rate, after which a
/// device has shown itself again.
const WAITING: usize = 4096;
/// Between two questions about one device: if its session ends as soon as it begins, this is what the server is asked.
pub(crate) const LEAST: Duration = Duration::from_secs(60);

/// Who comes in by its MAC address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Somebody knows these without a server.
    pub allow: HashSet<MacAddr>,
    /// Questions about others in a second; zero is none.
    pub per_sec: u32,
    /// Until a device that was refused is asked about again; no less than [`LEAST`].
    pub again: Duration,
}

/// Never: until its guest has another lease.
pub(crate) const NEVER: Duration = Duration::MAX;

/// The line of devices to be asked about.
#[derive(Debug)]
pub(crate) struct Devices {
    config: Config,
    waiting: VecDeque<GuestKey>,
    /// When the first of them has its turn.
    next: Duration,
}

impl Devices {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, waiting: VecDeque::new(), next: Duration::ZERO }
    }

    /// Until a device that was refused is asked about again.
    pub(crate) fn again(&self) -> Duration {
        self.config.again
    }

    /// A device showed itself that may be asked about: when is its turn? If that is not now it waits in the line; nobody
    /// is asked about it at all if there is no turn.
    pub(crate) fn shows_itself(&mut self, now: Duration, key: GuestKey) -> Option<Duration> {
        if self.config.allow.contains(&key.mac) {
            return Some(now);
        }
        if self.config.per_sec == 0 || self.waiting.len() >= WAITING {
            return None;
        }
        let turn = self.next.max(now) + self.interval() * self.waiting.len() as u32;
        if turn > now {
            self.waiting.push_back(key);
        } else {
            self.next = now + self.interval();
        }
        Some(turn)
    }

    /// The next device whose turn it is.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<GuestKey> {
        if self.next > now {
            return None;
        }
        let key = self.waiting.pop_front()?;
        self.next = now + self.interval();
        Some(key)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        (!self.waiting.is_empty()).then_some(self.next)
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.config.per_sec.max(1)
    }
}
