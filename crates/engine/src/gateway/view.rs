//! Guests as portal and operator see them.

use std::net::Ipv4Addr;
use std::time::Duration;

use fastpath::session::{SlotIndex, Usage};
use wire::{GuestKey, MacAddr, Now};

use super::Engine;
use super::guests::Guest;
use crate::session::Grant;

/// A guest as portal and operator see it.
#[derive(Clone, Debug)]
pub struct GuestView {
    /// The guest's place in the table.
    pub slot: SlotIndex,
    /// Who it is.
    pub key: GuestKey,
    /// Its station, or its router's.
    pub station: MacAddr,
    /// The leased address.
    pub address: Ipv4Addr,
    /// The address that it uses instead, one of another network.
    pub foreign: Option<Ipv4Addr>,
    /// The name it gave to DHCP.
    pub hostname: Option<Box<str>>,
    /// How long its lease lasts from now on; none if it is over, or the guest keeps its address only for its session.
    pub lease_left: Option<Duration>,
    /// How long a lease lasts from a renewal on.
    pub lease_time: Duration,
    /// A server has refused its device: nothing of it passes, unless it is logged in.
    pub refused: bool,
    /// Its session, if it is logged in.
    pub session: Option<SessionView>,
}

/// A session as portal and operator see it.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The session's name.
    pub id: String,
    /// Who logged in.
    pub user: String,
    /// When.
    pub began: Now,
    /// For how long.
    pub duration: Duration,
    /// Granted time that is left.
    pub time_left: Option<Duration>,
    /// Granted octets that are left: of several quotas, the least.
    pub octets_left: Option<u64>,
    /// Time since the guest last sent something.
    pub idle: Duration,
    /// What was granted.
    pub grant: Grant,
    /// Traffic so far.
    pub usage: Usage,
}

impl Engine {
    /// The guest that has `address`.
    #[must_use]
    pub fn guest_at(&self, now: Now, address: Ipv4Addr) -> Option<GuestView> {
        let slot = self.writer.table().by_address(address)?.slot;
        self.guests.get(slot).map(|guest| self.view(now, slot, guest))
    }

    /// The guest in `slot`.
    #[must_use]
    pub fn guest_in(&self, now: Now, slot: SlotIndex) -> Option<GuestView> {
        self.guests.get(slot).map(|guest| self.view(now, slot, guest))
    }

    /// The guests that sends from `mac`, on any VLAN.
    pub fn guests_with_mac(&self, now: Now, mac: MacAddr) -> impl Iterator<Item = GuestView> {
        let theirs = self.guests.iter().filter(move |(_, guest)| guest.key.mac == mac);
        theirs.map(move |(slot, guest)| self.view(now, slot, guest))
    }

    /// Where guests are, in no order.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.guests.iter().map(|(_, guest)| guest.address)
    }

    /// Every guest, in no order.
    pub fn guests(&self, now: Now) -> impl Iterator<Item = GuestView> {
        self.guests.iter().map(move |(slot, guest)| self.view(now, slot, guest))
    }

    /// How many guests there are, and how many of them are online.
    #[must_use]
    pub fn population(&self) -> (usize, usize) {
        self.guests.iter().fold((0, 0), |(all, online), (_, guest)| (all + 1, online + usize::from(guest.is_online())))
    }

    fn view(&self, now: Now, slot: SlotIndex, guest: &Guest) -> GuestView {
        let counted = self.writer.table().usage(slot);
        let lease = self.dhcp.lease(guest.key);
        let logged_in = lease.as_ref().is_some_and(|lease| lease.logged_in);
        GuestView {
            slot,
            key: guest.key,
            station: self.station(guest.key),
            address: guest.address,
            foreign: lease.as_ref().and_then(|lease| lease.foreign),
            lease_left: lease.as_ref().map(|lease| lease.ends.saturating_sub(now.mono)),
            lease_time: self.dhcp.config().lease_time(logged_in),
            refused: guest.refused,
            hostname: lease.and_then(|lease| lease.hostname),
            session: self.guests.session(slot).map(|session| SessionView {
                id: session.id.to_string(),
                user: session.user.to_string(),
                began: session.began(),
                duration: session.duration(now.mono),
                time_left: session.ends_at(now).map(|end| end.saturating_sub(now.mono)),
                octets_left: session.octets_left(counted),
                idle: self.idle(now, slot),
                grant: session.grant(),
                usage: counted - session.baseline,
            }),
        }
    }
}
