//! What is to be run, by guest.
//!
//! Guests take turns, so that one that comes and goes all the time waits for itself alone. Of each guest one runs at a time
//! and few wait; of all together at most [`MOST`]. What tells of a beginning gets less of either: when too much happens, room
//! is left for what tells of ends. What anybody can make happen, with invented addresses, gets no more than half in all: the
//! rest is for those who have logged in.
//!
//! Of whom a session is to be told have turns of their own, before all others, and with all that is to be run before it.
//! Others take no more than half of the places: a slow script of theirs leaves one for a session's, unless there is but one.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use wire::GuestKey;

use super::{Event, Subject};

/// Notes that wait, each of up to 1 kB: enough for all guests of a train. On a router a script takes 10 ms; this is a
/// minute's work for one processor.
const MOST: usize = 4096;
/// Notes of one guest that wait. Who logs in and out as fast as it may makes two in ten seconds.
const MOST_OF_A_GUEST: usize = 8;

/// What happened, and to whom.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) event: Event,
    pub(super) subject: Subject,
}

pub(super) struct Queue {
    at_once: usize,
    guests: HashMap<GuestKey, Guest>,
    /// Guests with something to run, of whom nothing runs: those of whom a session is to be told, and the others.
    sessions: VecDeque<GuestKey>,
    leases: VecDeque<GuestKey>,
    running: usize,
    /// How many of those that run had the turn of a lease.
    running_of_leases: usize,
    waiting: usize,
    started: u64,
    lost: u64,
}

#[derive(Default)]
struct Guest {
    jobs: VecDeque<Job>,
    running: Option<Running>,
    /// What runs had the turn of a lease.
    has_place_of_lease: bool,
}

impl Guest {
    fn is_of_session(&self) -> bool {
        self.jobs.iter().any(|job| job.event.is_of_session())
    }
}

#[derive(Clone, Copy)]
enum Running {
    /// It was handed out.
    Soon,
    As {
        id: u32,
        event: Event,
        since: Instant,
    },
}

impl Queue {
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            at_once,
            guests: HashMap::new(),
            sessions: VecDeque::new(),
            leases: VecDeque::new(),
            running: 0,
            running_of_leases: 0,
            waiting: 0,
            started: 0,
            lost: 0,
        }
    }

    /// True if such a note can be put; otherwise it is counted as lost.
    pub(super) fn has_room(&mut self, guest: GuestKey, event: Event) -> bool {
        let most = match event {
            Event::GuestUp => MOST / 4,
            Event::GuestDown => MOST / 2,
            Event::SessionUp => MOST / 4 * 3,
            Event::SessionDown | Event::UplinkUp | Event::UplinkDown => MOST,
        };
        let most_of_a_guest = if event.is_beginning() { MOST_OF_A_GUEST / 2 } else { MOST_OF_A_GUEST };
        let theirs = self.guests.get(&guest).map_or(0, |guest| guest.jobs.len());
        let has_room = self.waiting < most && theirs < most_of_a_guest;
        self.lost += u64::from(!has_room);
        has_room
    }

    pub(super) fn put(&mut self, key: GuestKey, job: Job) {
        let guest = self.guests.entry(key).or_default();
        let (had_turn, was_of_session) = (!guest.jobs.is_empty() && guest.running.is_none(), guest.is_of_session());
        let is_running = guest.running.is_some();
        guest.jobs.push_back(job);
        self.waiting += 1;
        let is_of_session = guest.is_of_session();
        if had_turn && is_of_session && !was_of_session {
            self.leases.retain(|waits| *waits != key);
            self.sessions.push_back(key);
        } else if !had_turn && !is_running {
            self.take_turn(key, is_of_session);
        }
    }

    fn take_turn(&mut self, key: GuestKey, is_of_session: bool) {
        if is_of_session { &mut self.sessions } else { &mut self.leases }.push_back(key);
    }

    /// What is to be started now; [`Queue::done`] when it has ended.
    pub(super) fn next(&mut self) -> Option<(GuestKey, Job)> {
        if self.running >= self.at_once {
            return None;
        }
        let of_session = self.sessions.pop_front();
        let is_of_lease = of_session.is_none();
        if is_of_lease && self.running_of_leases >= (self.at_once / 2).max(1) {
            return None;
        }
        let key = of_session.or_else(|| self.leases.pop_front())?;
        let guest = self.guests.get_mut(&key)?;
        let job = guest.jobs.pop_front()?;
        guest.running = Some(Running::Soon);
        guest.has_place_of_lease = is_of_lease;
        self.running_of_leases += usize::from(is_of_lease);
        self.running += 1;
        self.waiting -= 1;
        Some((key, job))
    }

    /// It is this process now.
    pub(super) fn started(&mut self, guest: GuestKey, id: u32, event: Event) {
        if let Some(guest) = self.guests.get_mut(&guest) {
            self.started += 1;
            guest.running = Some(Running::As { id, event, since: Instant::now() });
        }
    }

    pub(super) fn done(&mut self, key: GuestKey) {
        let Some(guest) = self.guests.get_mut(&key) else { return };
        if guest.running.take().is_some() {
            self.running -= 1;
            self.running_of_leases -= usize::from(guest.has_place_of_lease);
        }
        if guest.jobs.is_empty() {
            self.guests.remove(&key);
        } else {
            let is_of_session = guest.is_of_session();
            self.take_turn(key, is_of_session);
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many processes there were.
    pub(super) fn started_in_all(&self) -> u64 {
        self.started
    }

    /// Process, event and age.
    pub(super) fn running(&self) -> impl Iterator<Item = (u32, Event, Duration)> {
        self.guests.values().filter_map(|guest| match guest.running? {
            Running::Soon => None,
            Running::As { id, event, since } => Some((id, event, since.elapsed())),
        })
    }

    /// How many there was no room for since the last time.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use wire::{MacAddr, Vlan};

    use super::*;
    use crate::scripts::Subject;

    fn guest(n: u16) -> GuestKey {
        let [high, low] = n.to_be_bytes();
        GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, high, low]) }
    }

    fn put(queue: &mut Queue, n: u16, event: Event) -> bool {
        let key = guest(n);
        let has_room = queue.has_room(key, event);
        if has_room {
            let address = std::net::Ipv4Addr::new(10, 85, 0, 1);
            let ends = Duration::ZERO;
            let lease = engine::dhcp::Lease { key, address, foreign: None, hostname: None, ends, logged_in: false };
            queue.put(key, Job { event, subject: Subject::Guest(lease) });
        }
        has_room
    }

    fn next(queue: &mut Queue) -> Option<(GuestKey, Event)> {
        queue.next().map(|(key, job)| (key, job.event))
    }

    #[test]
    fn a_guests_run_one_after_the_other_and_others_between() {
        let mut queue = Queue::new(8);
        for (n, event) in [(1, Event::SessionUp), (1, Event::SessionDown), (2, Event::SessionUp)] {
            assert!(put(&mut queue, n, event));
        }
        assert_eq!(next(&mut queue), Some((guest(1), Event::SessionUp)));
        assert_eq!(next(&mut queue), Some((guest(2), Event::SessionUp)));
        assert_eq!(next(&mut queue), None, "the first is not done");
        queue.done(guest(1));
        assert_eq!(next(&mut queue), Some((guest(1), Event::SessionDown)));
        queue.done(guest(2));
        queue.done(guest(1));
        assert!((queue.guests.is_empty(), queue.running, queue.waiting) == (true, 0, 0));
    }

    #[test]
    fn no_more_run_than_may() {
        let mut queue = Queue::new(2);
        (0..3).for_each(|n| assert!(put(&mut queue, n, Event::SessionUp)));
        assert!(next(&mut queue).is_some() && next(&mut queue).is_some() && next(&mut queue).is_none());
        queue.done(guest(0));
        assert_eq!(next(&mut queue), Some((guest(2), Event::SessionUp)));
    }

    #[test]
    fn leases_take_half_of_the_places_and_whose_session_begins_is_first_with_all_that_comes_before_it() {
        let mut queue = Queue::new(4);
        (0..9).for_each(|n| assert!(put(&mut queue, n, Event::GuestUp)));
        assert_eq!((next(&mut queue), next(&mut queue), next(&mut queue)).2, None, "two places are for sessions");
        assert!(put(&mut queue, 8, Event::SessionUp));
        assert_eq!(next(&mut queue), Some((guest(8), Event::GuestUp)), "it was the last in the line");
        assert_eq!(next(&mut queue), None, "one of a guest at a time");
        queue.done(guest(8));
        assert_eq!(next(&mut queue), Some((guest(8), Event::SessionUp)));
        queue.done(guest(0));
        assert_eq!(next(&mut queue), Some((guest(2), Event::GuestUp)), "as before");
        for n in 1..9 {
            queue.done(guest(n));
            while let Some((key, _)) = next(&mut queue) {
                queue.done(key);
            }
        }
        assert!((queue.guests.is_empty(), queue.running, queue.running_of_leases, queue.waiting) == (true, 0, 0, 0));
    }

    #[test]
    fn with_one_place_a_session_waits_for_what_runs_and_no_longer() {
        let mut queue = Queue::new(1);
        (0..9).for_each(|n| assert!(put(&mut queue, n, Event::GuestUp)));
        assert_eq!(next(&mut queue), Some((guest(0), Event::GuestUp)));
        assert!(put(&mut queue, 20, Event::SessionDown));
        queue.done(guest(0));
        assert_eq!(next(&mut queue), Some((guest(20), Event::SessionDown)));
    }

    #[test]
    fn one_guest_cannot_take_the_room_of_others_and_beginnings_leave_room_for_ends() {
        let mut queue = Queue::new(1);
        let theirs = (0..100).filter(|_| put(&mut queue, 1, Event::SessionUp)).count();
        let ends = (0..100).filter(|_| put(&mut queue, 1, Event::SessionDown)).count();
        assert_eq!((theirs, theirs + ends), (MOST_OF_A_GUEST / 2, MOST_OF_A_GUEST));
        // Who has not logged in cannot take the room of those who have.
        let mut waiting = MOST_OF_A_GUEST;
        for (event, most) in [
            (Event::GuestUp, MOST / 4),
            (Event::GuestDown, MOST / 2),
            (Event::SessionUp, MOST / 4 * 3),
            (Event::SessionDown, MOST),
        ] {
            waiting += (2..9000).filter(|n| put(&mut queue, *n, event)).count();
            assert_eq!(waiting, most, "{event:?}");
        }
        let asked = 200 + 4 * 8998;
        assert_eq!((queue.take_lost(), queue.take_lost()), (asked - MOST as u64, 0));
    }
}
