//! Devices that come in by their MAC address: about whom somebody is asked, and when.
//!
//! * A device shows itself when it has a new lease, renews it, looks for somebody (ARP) or asks for a name. If it is
//!   offline then, it is asked about; it never waits for the answer, and without a good one it is a guest like any other.
//! * Devices that the configuration lets in have no turn to wait for. About all others the servers are asked in the
//!   order in which they showed themselves, so many in a second and no more: whoever invents addresses makes devices wait,
//!   not servers work. Those that find no room in the line will show themselves again.
//! * No device is asked about twice within a minute, nor one that was refused within [`Config::again`], lease or no
//!   lease. Who logged out or was logged out by an operator wants to be out: it needs another lease, too.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use wire::{GuestKey, MacAddr};

use crate::session::Moment;

/// Devices that wait for their turn, 10 octets each: more than three minutes' worth at the default rate, after which a
/// device has shown itself again.
const WAITING: usize = 4096;
/// Devices of which it is known when they were asked about, 24 octets each, if anybody is asked at all. At the default
/// rate there are no more than 12,000; where there are, one more is not asked about until there is room.
const REMEMBERED: usize = 65_536;
/// Between two questions about one device: if its session ends as soon as it begins, this is what the server is asked.
const LEAST: Duration = Duration::from_secs(60);
/// Not while it has this lease.
const NEVER: Duration = Duration::MAX;

/// Who comes in by its MAC address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Somebody knows these without a server.
    pub allow: HashSet<MacAddr>,
    /// Questions about others in a second; zero is none.
    pub per_sec: u32,
    /// Until a device that was refused is asked about again.
    pub again: Duration,
}

impl Config {
    fn is_on(&self) -> bool {
        self.per_sec > 0 || !self.allow.is_empty()
    }
}

/// The line of devices to be asked about.
#[derive(Debug)]
pub(crate) struct Devices {
    config: Config,
    waiting: VecDeque<GuestKey>,
    /// When the first of them has its turn.
    next: Duration,
    /// When a device may be asked about again.
    again: HashMap<GuestKey, Moment>,
}

impl Devices {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, waiting: VecDeque::new(), next: Duration::ZERO, again: HashMap::new() }
    }

    /// A device that is offline showed itself. True if it is to be asked about now; otherwise it may be in the line.
    pub(crate) fn shows_itself(&mut self, now: Duration, key: GuestKey) -> bool {
        if !self.config.is_on() || self.again.get(&key).is_some_and(|again| again.mono() > now) {
            return false;
        }
        let turn = if self.config.allow.contains(&key.mac) {
            now
        } else if self.config.per_sec == 0 || self.waiting.len() >= WAITING {
            return false;
        } else {
            self.next.max(now) + self.interval() * self.waiting.len() as u32
        };
        if self.again.len() >= REMEMBERED {
            self.again.retain(|_, again| again.mono() > now);
            if self.again.len() >= REMEMBERED {
                return false;
            }
        }
        self.again.insert(key, (turn + LEAST).into());
        if turn > now {
            self.waiting.push_back(key);
        } else if !self.config.allow.contains(&key.mac) {
            self.next = now + self.interval();
        }
        turn <= now
    }

    /// The next device whose turn it is.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<GuestKey> {
        while self.next <= now {
            let key = self.waiting.pop_front()?;
            if self.again.get(&key) != Some(&NEVER.into()) {
                self.next = now + self.interval();
                return Some(key);
            }
        }
        None
    }

    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        (!self.waiting.is_empty()).then_some(self.next)
    }

    /// Nobody lets it in.
    pub(crate) fn refused(&mut self, now: Duration, key: GuestKey) {
        let again = Moment::from(now + self.config.again);
        if let Some(known) = self.again.get_mut(&key) {
            *known = again.max(*known);
        }
    }

    /// It logged out, or was logged out by an operator.
    pub(crate) fn logged_out(&mut self, key: GuestKey) {
        if self.config.is_on() {
            self.again.insert(key, NEVER.into()); // no more than there are guests
        }
    }

    /// Its lease is over.
    pub(crate) fn left(&mut self, now: Duration, key: GuestKey) {
        let again = Moment::from(now + self.config.again);
        if let Some(known) = self.again.get_mut(&key) {
            *known = again.min(*known);
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.config.per_sec.max(1)
    }
}
