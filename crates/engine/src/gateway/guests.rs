//! Guests by their slot in the packet path's table, and when their sessions are to be looked at.
//!
//! There may be a hundred thousand, so each octet counts. Slots are small numbers without large gaps, which makes this a
//! plain list. Sessions are in another one, because most guests that hold a lease are not logged in; in memory of their
//! own, what comes and goes between them leaves no holes. A timer is one entry of a heap that is never searched: who is
//! to be looked at earlier than before gets another entry, and the one that no longer counts is thrown away when its time
//! comes; who is to be looked at later is looked at in vain once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use fastpath::session::SlotIndex;
use wire::GuestKey;

use crate::attempts::Attempts;
use crate::session::{Moment, Session};

pub(super) struct Guest {
    pub(super) key: GuestKey,
    pub(super) address: Ipv4Addr,
    pub(super) attempts: Attempts,
    /// Unless it is online, nothing of it passes.
    pub(super) refused: bool,
    session: Option<Seat>,
    /// This guest's entry in the timers that counts.
    due: Option<Moment>,
}

/// A session's place in the list, counted from 1.
#[derive(Clone, Copy)]
struct Seat(NonZeroU32);

impl Seat {
    fn at(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Guest {
    pub(super) fn new(key: GuestKey, address: Ipv4Addr, attempts: Attempts) -> Self {
        Self { key, address, attempts, refused: false, session: None, due: None }
    }

    pub(super) fn is_online(&self) -> bool {
        self.session.is_some()
    }

    /// Where and who, for a record.
    pub(super) fn place(&self, slot: SlotIndex) -> (SlotIndex, GuestKey, Ipv4Addr) {
        (slot, self.key, self.address)
    }
}

#[derive(Default)]
pub(super) struct Guests {
    by_slot: Vec<Option<Guest>>,
    sessions: Vec<Option<Session>>,
    vacant: Vec<Seat>,
    timers: BinaryHeap<Reverse<(Moment, SlotIndex)>>,
}

impl Guests {
    pub(super) fn get(&self, slot: SlotIndex) -> Option<&Guest> {
        self.by_slot.get(slot.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: SlotIndex) -> Option<&mut Guest> {
        self.by_slot.get_mut(slot.0 as usize)?.as_mut()
    }

    pub(super) fn session(&self, slot: SlotIndex) -> Option<&Session> {
        self.sessions.get(self.get(slot)?.session?.at())?.as_ref()
    }

    pub(super) fn session_mut(&mut self, slot: SlotIndex) -> Option<&mut Session> {
        let at = self.get(slot)?.session?.at();
        self.sessions.get_mut(at)?.as_mut()
    }

    /// Gives a guest without a session this one.
    pub(super) fn begin_session(&mut self, slot: SlotIndex, session: Session) {
        let seat = self.vacant.pop().unwrap_or_else(|| {
            self.sessions.push(None);
            Seat(NonZeroU32::new(self.sessions.len() as u32).expect("one is there"))
        });
        if let Some(guest) = self.get_mut(slot) {
            guest.session = Some(seat);
            self.sessions[seat.at()] = Some(session);
        }
    }

    pub(super) fn take_session(&mut self, slot: SlotIndex) -> Option<Session> {
        let seat = self.get_mut(slot)?.session.take()?;
        let session = self.sessions.get_mut(seat.at())?.take();
        self.vacant.push(seat);
        if self.vacant.len() == self.sessions.len() {
            // Everybody has left, maybe a crowd: its memory is given back.
            (self.sessions, self.vacant) = Default::default();
        }
        session
    }

    pub(super) fn insert(&mut self, slot: SlotIndex, guest: Guest) {
        let at = slot.0 as usize;
        if at >= self.by_slot.len() {
            self.by_slot.resize_with(at + 1, || None);
        }
        self.by_slot[at] = Some(guest);
    }

    pub(super) fn remove(&mut self, slot: SlotIndex) -> Option<Guest> {
        self.take_session(slot);
        self.by_slot.get_mut(slot.0 as usize)?.take()
    }

    /// All places, taken or not.
    pub(super) fn slots(&self) -> impl Iterator<Item = SlotIndex> + use<> {
        (0..self.by_slot.len() as u32).map(SlotIndex)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SlotIndex, &Guest)> {
        self.slots().zip(&self.by_slot).filter_map(|(slot, guest)| Some((slot, guest.as_ref()?)))
    }

    /// Has the guest's session looked at by then.
    pub(super) fn look_at(&mut self, slot: SlotIndex, due: Duration) {
        let due = Moment::from(due);
        let Some(guest) = self.get_mut(slot).filter(|guest| guest.due.is_none_or(|armed| due < armed)) else { return };
        guest.due = Some(due);
        self.timers.push(Reverse((due, slot)));
        // What no longer counts goes before there is as much of it as of what does.
        if self.timers.len() > 64 + 2 * self.by_slot.len() {
            let guests = &self.by_slot;
            let due = |slot: SlotIndex| guests.get(slot.0 as usize)?.as_ref()?.due;
            self.timers.retain(|Reverse((at, slot))| due(*slot) == Some(*at));
        }
    }

    /// When somebody is to be looked at next; it may be in vain.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.timers.peek().map(|Reverse((due, _))| due.mono())
    }

    /// The next guest to be looked at by now.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<SlotIndex> {
        loop {
            let due = self.timers.peek().filter(|Reverse((due, _))| due.mono() <= now)?;
            let Reverse((due, slot)) = *due;
            self.timers.pop();
            if let Some(guest) = self.get_mut(slot).filter(|guest| guest.due == Some(due)) {
                guest.due = None;
                return Some(slot);
            }
        }
    }
}

/// With nothing around it a guest has 40 octets here, and 16 in the timers if there is a session.
const _: () = assert!(size_of::<Option<Guest>>() <= 40 && size_of::<Reverse<(Moment, SlotIndex)>>() == 16);

#[cfg(test)]
mod tests {
    use wire::{MacAddr, Vlan};

    use super::*;

    const SLOT: SlotIndex = SlotIndex(3);

    fn guests() -> Guests {
        let mut guests = Guests::default();
        let key = GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, 0, 3]) };
        guests.insert(SLOT, Guest::new(key, Ipv4Addr::new(10, 1, 0, 3), Attempts::default()));
        guests
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_guest_is_looked_at_when_it_is_due_first_and_once() {
        let mut guests = guests();
        for due in [50, 20, 70, 20] {
            guests.look_at(SLOT, secs(due));
        }
        assert_eq!((guests.next_due(), guests.pop_due(secs(19))), (Some(secs(20)), None));
        assert_eq!((guests.pop_due(secs(99)), guests.pop_due(secs(99))), (Some(SLOT), None));
        guests.look_at(SLOT, secs(120));
        assert_eq!(guests.pop_due(secs(120)), Some(SLOT));
    }

    #[test]
    fn who_has_left_is_not_looked_at_and_leaves_no_timer_for_the_next_one() {
        let mut guests = guests();
        guests.look_at(SLOT, secs(20));
        let next = guests.remove(SLOT).map(|left| Guest::new(left.key, left.address, left.attempts)).unwrap();
        guests.insert(SLOT, next);
        assert_eq!(guests.pop_due(secs(20)), None);
    }

    #[test]
    fn whoever_comes_and_goes_all_day_leaves_few_timers() {
        let mut guests = guests();
        for due in (1..100_000).rev() {
            guests.look_at(SLOT, secs(due));
            assert!(guests.timers.len() <= 64 + 2 * 4);
        }
        assert_eq!(guests.pop_due(secs(1)), Some(SLOT));
    }
}
