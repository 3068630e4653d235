//! Who may open another connection, and who may ask another question.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Limits;

/// Counts the connections and requests of one listener.
pub(crate) struct Gate {
    limits: Limits,
    open: Cell<usize>,
    /// Each guest's connections, the oldest first.
    open_by_guest: RefCell<HashMap<Ipv4Addr, VecDeque<Rc<Place>>>>,
    next_number: Cell<u64>,
    /// When each guest's burst will be whole again: a token bucket kept as one point in time.
    whole_at: RefCell<HashMap<Ipv4Addr, Instant>>,
    next_sweep: Cell<Instant>,
}

/// One admitted connection; counted until it is dropped or has to go.
pub(crate) struct Admission {
    gate: Rc<Gate>,
    ip: Ipv4Addr,
    place: Rc<Place>,
}

impl Admission {
    /// Ends when another guest needs the place more.
    pub(crate) async fn withdrawn(&self) {
        self.place.withdrawn.notified().await;
    }
}

struct Place {
    number: u64,
    withdrawn: Notify,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Rc<Self> {
        Rc::new(Self {
            limits: limits.clone(),
            open: Cell::new(0),
            open_by_guest: RefCell::default(),
            next_number: Cell::new(0),
            whole_at: RefCell::default(),
            next_sweep: Cell::new(Instant::now()),
        })
    }

    /// Counts a new connection in, or says no. When there is no room, the guest with the most connections gives its
    /// oldest one up for a guest with fewer: some dozen devices that hold all they may do not keep the others out.
    pub(crate) fn admit(self: &Rc<Self>, ip: Ipv4Addr) -> Option<Admission> {
        let mut by_guest = self.open_by_guest.borrow_mut();
        let own = by_guest.get(&ip).map_or(0, VecDeque::len);
        if own >= self.limits.connections_per_guest {
            return None;
        }
        if self.open.get() >= self.limits.connections {
            let oldest = |places: &VecDeque<Rc<Place>>| places.front().map(|place| place.number);
            let (_, places) = by_guest.iter_mut().max_by_key(|(_, places)| (places.len(), Reverse(oldest(places))))?;
            if places.len() <= own {
                return None;
            }
            let place = places.pop_front()?;
            place.withdrawn.notify_one();
            self.open.set(self.open.get() - 1);
        }
        let place = Rc::new(Place { number: self.next_number.get(), withdrawn: Notify::new() });
        self.next_number.set(place.number + 1);
        by_guest.entry(ip).or_default().push_back(Rc::clone(&place));
        self.open.set(self.open.get() + 1);
        Some(Admission { gate: Rc::clone(self), ip, place })
    }

    /// Whether this guest may ask once more now.
    pub(crate) fn may_ask(&self, ip: Ipv4Addr, now: Instant) -> bool {
        let cost = Duration::from_secs(1) / self.limits.requests_per_second.max(1);
        let burst = cost.saturating_mul(self.limits.request_burst);
        let mut whole_at = self.whole_at.borrow_mut();
        if whole_at.len() >= self.limits.counted_guests && !whole_at.contains_key(&ip) {
            // At most one walk over the table a second, however many ask.
            if now >= self.next_sweep.get() {
                self.next_sweep.set(now + Duration::from_secs(1));
                whole_at.retain(|_, at| *at > now);
            }
            if whole_at.len() >= self.limits.counted_guests {
                return true;
            }
        }
        let at = whole_at.entry(ip).or_insert(now);
        let after = (*at).max(now) + cost;
        if after > now + burst {
            return false;
        }
        *at = after;
        true
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut by_guest = self.gate.open_by_guest.borrow_mut();
        let Some(places) = by_guest.get_mut(&self.ip) else { return };
        if let Some(at) = places.iter().position(|place| Rc::ptr_eq(place, &self.place)) {
            places.remove(at);
            self.gate.open.set(self.gate.open.get().saturating_sub(1));
        }
        if places.is_empty() {
            by_guest.remove(&self.ip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNE: Ipv4Addr = Ipv4Addr::new(10, 85, 0, 2);
    const BEN: Ipv4Addr = Ipv4Addr::new(10, 85, 0, 3);

    #[test]
    fn a_guest_at_its_limit_does_not_take_the_place_of_another() {
        let gate = Gate::new(&Limits { connections: 3, connections_per_guest: 2, ..Limits::default() });
        let first = gate.admit(ANNE).expect("first");
        let _second = gate.admit(ANNE).expect("second");
        assert!(gate.admit(ANNE).is_none());
        let _other = gate.admit(BEN).expect("another guest");
        assert!(gate.admit(ANNE).is_none());
        drop(first);
        assert!(gate.admit(ANNE).is_some(), "a closed connection makes room");
    }

    #[test]
    fn a_crowd_that_holds_all_connections_gives_one_up_for_who_has_none_and_no_more() {
        let gate = Gate::new(&Limits { connections: 4, connections_per_guest: 2, ..Limits::default() });
        let crowd: Vec<_> =
            [1, 2, 1, 2].map(|n| gate.admit(Ipv4Addr::new(10, 85, 1, n)).expect("a place")).into_iter().collect();
        let _anne = gate.admit(ANNE).expect("a place that another gave up");
        let is_withdrawn = |admission: &Admission| {
            gate.open_by_guest
                .borrow()
                .get(&admission.ip)
                .is_none_or(|places| !places.iter().any(|place| Rc::ptr_eq(place, &admission.place)))
        };
        assert_eq!(crowd.iter().map(is_withdrawn).collect::<Vec<_>>(), [true, false, false, false], "the oldest");
        let _ben = gate.admit(BEN).expect("a place that another gave up");
        assert!(gate.admit(ANNE).is_none(), "everybody has one now");
        assert_eq!(gate.open.get(), 4);
        drop(crowd);
        assert_eq!(gate.open.get(), 2, "one that was given up is not counted twice");
    }

    #[test]
    fn a_burst_is_served_and_then_the_rate_holds() {
        let gate = Gate::new(&Limits { request_burst: 3, requests_per_second: 1, ..Limits::default() });
        let now = Instant::now();
        assert!((0..3).all(|_| gate.may_ask(ANNE, now)));
        assert!(!gate.may_ask(ANNE, now));
        assert!(gate.may_ask(BEN, now), "somebody else's burst is whole");
        let later = now + Duration::from_secs(1);
        assert!(gate.may_ask(ANNE, later));
        assert!(!gate.may_ask(ANNE, later));
    }

    #[test]
    fn a_flood_of_addresses_does_not_grow_the_table() {
        let gate = Gate::new(&Limits { counted_guests: 10, ..Limits::default() });
        let now = Instant::now();
        for n in 0..1000u32 {
            assert!(gate.may_ask(Ipv4Addr::from(n), now));
        }
        assert!(gate.whole_at.borrow().len() <= 10);
        // A minute later the old ones are forgotten, and a new guest is counted again.
        assert!(gate.may_ask(BEN, now + Duration::from_secs(60)));
        assert!(gate.whole_at.borrow().contains_key(&BEN));
    }
}
