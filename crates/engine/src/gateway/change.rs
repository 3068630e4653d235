//! Sessions that others than their guests speak of: found by what is known of them, and changed while they run.

use std::net::Ipv4Addr;

use fastpath::session::SlotIndex;
use wire::{MacAddr, Now, Vlan};

use super::{Engine, Guest};
use crate::changes::Changes;
use crate::session::{Grant, Moment, Session};

/// Something that is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    /// Its name.
    Session(&'a [u8]),
    /// Who pays.
    User(&'a [u8]),
    /// The guest's address.
    Address(Ipv4Addr),
    /// The guest's station or its router's, on any VLAN.
    Station(MacAddr),
    /// The VLAN that the guest is on.
    Vlan(Vlan),
    /// The guest's place in the table.
    Slot(SlotIndex),
    /// One of what the source of the grant wants back.
    Class(&'a [u8]),
    /// Who is charged (RFC 4372).
    ChargeableUser(&'a [u8]),
}

impl Engine {
    /// The sessions that have all of these marks, in the order of their slots; of no marks, all. Looks at every guest, which
    /// takes a millisecond for 65,536.
    #[must_use]
    pub fn find_sessions(&self, marks: &[Mark<'_>]) -> Vec<SlotIndex> {
        let has_all = |(slot, guest): &(SlotIndex, &Guest)| {
            let station = self.station(guest.key);
            let session = self.guests.session(*slot);
            session.is_some_and(|session| marks.iter().all(|mark| has(guest, station, session, *slot, *mark)))
        };
        self.guests.iter().filter(has_all).map(|(slot, _)| slot).collect()
    }

    /// The guests that have all of these marks, logged in or not; what is known of sessions only, nobody else has.
    pub(super) fn find_guests(&self, marks: &[Mark<'_>]) -> Vec<SlotIndex> {
        let has_all = |(slot, guest): &(SlotIndex, &Guest)| {
            let station = self.station(guest.key);
            let session = self.guests.session(*slot);
            marks.iter().all(|mark| match session {
                Some(session) => has(guest, station, session, *slot, *mark),
                None => is_at(guest, station, *slot, *mark),
            })
        };
        self.guests.iter().filter(has_all).map(|(slot, _)| slot).collect()
    }

    /// Changes what the session in `slot` may, from its next packet on, wherever packets are forwarded. Times and octets
    /// count from its beginning, as they do in a grant: a session that has used up what it may have now ends at once.
    /// Who it is does not change. False if there is none.
    pub fn change_session(&mut self, now: Now, slot: SlotIndex, changes: Changes) -> bool {
        let Some(session) = self.guests.session_mut(slot) else { return false };
        let new_interim = changes.interim.is_some();
        let grant = Changes { user: None, ..changes }.apply(session.grant());
        if new_interim {
            let interval = grant.interim.filter(|interval| !interval.is_zero());
            session.next_interim = interval.map(|interval| Moment::from(now.mono + interval));
        }
        self.set_grant(now, slot, grant);
        true
    }

    /// Gives the session in `slot` another grant.
    pub(super) fn set_grant(&mut self, now: Now, slot: SlotIndex, grant: Grant) {
        let Some(session) = self.guests.session_mut(slot) else { return };
        let (tariff, personal) = self.tariffs.share(grant);
        (session.tariff, session.echo) = (tariff, personal.as_deref().into());
        let policy = session.policy(now);
        self.set_policy(slot, policy);
        self.keep_session(now, slot);
        self.check_session(now, slot);
    }
}

fn has(guest: &Guest, station: MacAddr, session: &Session, slot: SlotIndex, mark: Mark<'_>) -> bool {
    match mark {
        Mark::Session(id) => session.id.to_string().as_bytes() == id,
        Mark::User(name) => session.user.as_str().as_bytes() == name,
        Mark::Address(_) | Mark::Station(_) | Mark::Vlan(_) | Mark::Slot(_) => is_at(guest, station, slot, mark),
        Mark::ChargeableUser(identity) => session.echo.cui() == Some(identity),
        Mark::Class(class) => session.echo.class().any(|own| own == class),
    }
}

/// Whether the guest has a mark that one without a session can have.
fn is_at(guest: &Guest, station: MacAddr, slot: SlotIndex, mark: Mark<'_>) -> bool {
    match mark {
        Mark::Address(address) => guest.address == address,
        Mark::Station(mac) => station == mac,
        Mark::Vlan(vlan) => guest.key.vlan == vlan,
        Mark::Slot(place) => slot == place,
        Mark::Session(_) | Mark::User(_) | Mark::Class(_) | Mark::ChargeableUser(_) => false,
    }
}
