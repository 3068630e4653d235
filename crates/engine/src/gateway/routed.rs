//! Guests behind routers that stand on the guests' network: each is known by its address, and shares its router's station.
//!
//! * A packet from an address that nobody has yet makes it a guest, with a lease that nobody asked for: it ends as leases do,
//!   and the next packet is another first one. One who is logged in and has sent something in the time of a lease keeps it.
//! * Who is behind the router can invent addresses of its network. All newcomers of one network have one station's share of
//!   our own servers, guests behind routers take three quarters of the table at most, and when they have it a newcomer takes
//!   the place of one who is not logged in: that one's next packet brings it back. A session is never displaced.
//! * When the table is full, a station of the LAN that asks for a lease takes such a place too, until a quarter is left to
//!   guests behind routers: `guests.max` is by itself as many as the LAN has addresses, and all of them are somebody's there.
//! * A router is believed about the sources of its packets, as it is the only one that can tell. It is its station: whoever
//!   takes that address over is the router, as whoever takes a guest's is that guest.
//! * Nobody is let in by the MAC address here, for there is but one for all.

use fastpath::session::SlotIndex;
use wire::{GuestKey, MacAddr, Now};

use super::Engine;

/// Places of the table that are looked at for one that a newcomer may take: a hundred microseconds of a router.
const LOOKED_AT: usize = 256;

/// How many there are.
#[derive(Debug, Default)]
pub(super) struct Routed {
    guests: usize,
    /// Where to look for the next one that has to go.
    hand: SlotIndex,
}

impl Routed {
    pub(super) fn came(&mut self, key: GuestKey) {
        self.guests += usize::from(key.address_behind_router().is_some());
    }

    pub(super) fn left(&mut self, key: GuestKey) {
        let left = usize::from(key.address_behind_router().is_some());
        self.guests = self.guests.saturating_sub(left);
    }
}

impl Engine {
    /// Somebody behind a router sends, of whom nothing is known.
    pub(super) fn handle_newcomer(&mut self, now: Now, key: GuestKey) {
        let is_known = self.writer.table().by_key(key).is_some();
        if is_known || self.config.routes.to(key).is_none() {
            return;
        }
        let most = (self.quarter() * 3).max(1);
        if self.routed.guests >= most && !self.displace(now) {
            return;
        }
        self.dhcp.lend_behind_router(now, key);
        self.drain_dhcp(now);
    }

    /// A station asks for a lease.
    pub(super) fn make_room_on_lan(&mut self, now: Now, key: GuestKey) {
        if self.dhcp.is_full() && self.routed.guests > self.quarter() && self.dhcp.lease(key).is_none() {
            self.displace(now);
        }
    }

    fn quarter(&self) -> usize {
        self.writer.table().capacity() as usize / 4
    }

    /// Takes the place of a guest behind a router who is not logged in. False if none is found.
    fn displace(&mut self, now: Now) -> bool {
        let places = self.guests.slots().count() as u32;
        let SlotIndex(hand) = self.routed.hand;
        let mut looked_at = (0..places).map(|step| SlotIndex((hand % places + step) % places)).take(LOOKED_AT);
        let is_free = |slot: &SlotIndex| {
            let guest = self.guests.get(*slot).filter(|guest| !guest.is_online());
            guest.is_some_and(|guest| guest.key.address_behind_router().is_some())
        };
        let found = looked_at.find(is_free);
        self.routed.hand = SlotIndex(found.map_or(hand.wrapping_add(LOOKED_AT as u32), |SlotIndex(at)| at + 1));
        let Some(key) = found.and_then(|slot| self.guests.get(slot)).map(|guest| guest.key) else { return false };
        self.dhcp.take_back(key);
        self.drain_dhcp(now);
        true
    }

    /// The station by which servers know this guest: its own, or its router's.
    #[must_use]
    pub fn station(&self, key: GuestKey) -> MacAddr {
        self.config.routes.station(key)
    }
}
