//! Devices that come in by their MAC address: about whom somebody is asked, and when.
//!
//! * A device shows itself when it has a new lease, renews it, looks for somebody (ARP) or asks for a name. If it is
//!   offline then, it is asked about, and without a good answer it is a guest like any other. It does not wait for it, unless
//!   [`Config::before_lease`] has its new lease wait.
//! * Devices that the configuration lets in have no turn to wait for. About all others the servers are asked in the
//!   order in which they showed themselves, so many in a second and no more: whoever invents addresses makes devices wait,
//!   not servers work. Those that find no room in the line will show themselves again.
//! * With [`Config::drop_refused`], of a device that the servers refuse nothing passes from then on, with each lease that it
//!   gets, until they say something else of it: silence is no other word. It keeps its lease, and shows itself by DHCP and ARP.
//!   Who is online by other means stays so.
//! * No device is asked about twice within a minute, nor one that was refused within [`Config::again`], lease or no
//!   lease; but a guest that asks for it, as portals have it do (`/macreauth`), waits for the minute only. Who logged out or was logged out by an operator wants to be out: it needs another lease, too.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use wire::{GuestKey, MacAddr};

use crate::session::Moment;

/// Devices that wait for their turn, 10 octets each: more than three minutes' worth at the default rate, after which a
/// device has shown itself again.
const WAITING: usize = 4096;
/// Devices of which it is known when they were asked about, 40 octets each, if anybody is asked at all. At the default
/// rate there are no more than 12,000; where there are, one more is not asked about until there is room.
const REMEMBERED: usize = 65_536;
/// Between two questions about one device: if its session ends as soon as it begins, this is what the server is asked.
const LEAST: Duration = Duration::from_secs(60);
/// Between two looks for what need not be remembered any more, while there is no room: whoever has filled it would have us
/// look with each frame.
const LOOK: Duration = Duration::from_secs(1);
/// Not while it has this lease.
const NEVER: Duration = Duration::MAX;

/// Who comes in by its MAC address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Somebody knows these without a server.
    pub allow: HashSet<MacAddr>,
    /// Of the others, the only ones that somebody is asked about; empty is every one.
    pub only: HashSet<MacAddr>,
    /// Questions about others in a second; zero is none.
    pub per_sec: u32,
    /// Until a device that was refused is asked about again.
    pub again: Duration,
    /// The lease of a device that is asked about waits for the answer.
    pub before_lease: bool,
    /// Of a device that is refused nothing passes.
    pub drop_refused: bool,
}

impl Config {
    fn is_on(&self) -> bool {
        self.per_sec > 0 || !self.allow.is_empty()
    }

    fn asks_about(&self, mac: MacAddr) -> bool {
        self.per_sec > 0 && (self.only.is_empty() || self.only.contains(&mac))
    }
}

/// The line of devices to be asked about.
#[derive(Debug)]
pub(crate) struct Devices {
    config: Config,
    waiting: VecDeque<GuestKey>,
    /// When the first of them has its turn.
    next: Duration,
    /// Those that were asked about, or wait.
    known: HashMap<GuestKey, Known>,
    next_look: Duration,
}

/// When a device may be asked about again.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// If the guest asks for it.
    at_least: Moment,
    /// If it shows itself.
    again: Moment,
    /// Nothing of it passes: the servers refused it when they last said something.
    refused: bool,
}

impl Known {
    fn from(at: Duration, refused: bool) -> Self {
        Self { at_least: at.into(), again: at.into(), refused }
    }

    fn is_out(self) -> bool {
        self.at_least == NEVER.into()
    }
}

/// Why a device is to be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It showed itself.
    Life,
    /// The guest asks for it.
    Wish,
}

impl Devices {
    pub(crate) fn new(config: Config) -> Self {
        let (next, next_look) = (Duration::ZERO, Duration::ZERO);
        Self { config, waiting: VecDeque::new(), next, known: HashMap::new(), next_look }
    }

    /// Takes new settings; who waits keeps its turn, if it is still to be asked about then.
    pub(crate) fn reconfigure(&mut self, config: Config) {
        self.waiting.retain(|key| config.asks_about(key.mac));
        if !config.drop_refused {
            self.known.values_mut().for_each(|known| known.refused = false);
        }
        self.config = config;
    }

    /// There is a sign of a device that is offline. True if it is to be asked about now; otherwise it may be in the line.
    pub(crate) fn handle_sign(&mut self, now: Duration, key: GuestKey, sign: Sign) -> bool {
        let waits = |known: &Known| match sign {
            Sign::Life => known.again.mono() > now,
            Sign::Wish => known.at_least.mono() > now,
        };
        if !self.config.is_on() || self.known.get(&key).is_some_and(waits) {
            return false;
        }
        let is_let_in = self.config.allow.contains(&key.mac);
        let turn = if is_let_in {
            now
        } else if !self.config.asks_about(key.mac) || self.waiting.len() >= WAITING {
            return false;
        } else {
            self.next.max(now) + self.interval() * self.waiting.len() as u32
        };
        if self.known.len() >= REMEMBERED && !is_let_in && !self.finds_room(now) {
            return false;
        }
        self.known.insert(key, Known::from(turn + LEAST, self.is_refused(key)));
        if turn > now {
            self.waiting.push_back(key);
        } else if !is_let_in {
            self.next = now + self.interval();
        }
        turn <= now
    }

    fn finds_room(&mut self, now: Duration) -> bool {
        if now < self.next_look {
            return false;
        }
        self.next_look = now + LOOK;
        self.known.retain(|_, known| known.again.mono() > now);
        self.known.len() < REMEMBERED
    }

    /// The next device whose turn it is.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<GuestKey> {
        while self.next <= now {
            let key = self.waiting.pop_front()?;
            if !self.known.get(&key).is_some_and(|known| known.is_out()) {
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
        if let Some(known) = self.known.get_mut(&key) {
            known.again = again.max(known.again);
        }
    }

    /// Whether nothing of it shall pass, by the servers' last word.
    pub(crate) fn note_refusal(&mut self, key: GuestKey, refused: bool) {
        if let Some(known) = self.known.get_mut(&key) {
            known.refused = refused;
        }
    }

    /// Whether nothing of it shall pass.
    pub(crate) fn is_refused(&self, key: GuestKey) -> bool {
        self.known.get(&key).is_some_and(|known| known.refused)
    }

    /// Whether there may be such devices.
    pub(crate) fn drops_refused(&self) -> bool {
        self.config.drop_refused
    }

    /// It logged out, or was logged out by an operator.
    pub(crate) fn logged_out(&mut self, key: GuestKey) {
        if self.config.is_on() {
            self.known.insert(key, Known::from(NEVER, self.is_refused(key))); // no more than there are guests
        }
    }

    /// Its lease is over.
    pub(crate) fn left(&mut self, now: Duration, key: GuestKey) {
        let again = Moment::from(now + self.config.again);
        if let Some(known) = self.known.get_mut(&key) {
            *known = Known { at_least: again.min(known.at_least), again: again.min(known.again), ..*known };
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.config.per_sec.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Vlan;

    #[test]
    fn however_many_were_refused_the_configurations_devices_come_in_and_others_when_there_is_room() {
        let station = |n: usize| {
            let [.., a, b, c] = n.to_be_bytes();
            GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, a, b, c]) }
        };
        let (own, other) = (station(REMEMBERED), station(REMEMBERED + 1));
        let again = Duration::from_secs(86_400);
        let config = Config { allow: HashSet::from([own.mac]), per_sec: 1000, again, ..Config::default() };
        let mut devices = Devices::new(config);
        let at = |n: usize| Duration::from_millis(n as u64);
        for n in 0..REMEMBERED {
            assert!(devices.handle_sign(at(n), station(n), Sign::Life));
            devices.refused(at(n), station(n));
        }
        let now = at(REMEMBERED);
        assert!(!devices.handle_sign(now, other, Sign::Life));
        assert!(devices.handle_sign(now, own, Sign::Life));
        assert!(devices.handle_sign(again + at(2), other, Sign::Life));
    }
}
