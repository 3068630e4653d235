//! Devices that are known before they have an address: those that have proven who they are to an access point
//! (WPA-Enterprise), which has asked a RADIUS server through us, and those whose lease has waited for a server's word, which
//! wants another address for them.
//!
//! * Who is accepted is logged in at once if it has a lease, or with its lease if that comes within [`WAIT`]; the grant
//!   counts for this station on this VLAN and nobody else. Until the lease comes an address may be kept for it.
//! * It is called first ([`Output::Joined`]): whoever is online must have an address at which nobody else's packets come.
//! * Whose lease has waited is told that it cannot have this address (RFC 2131, 3.1, step 4: a NAK, upon which a client
//!   begins anew), and is offered the other one. So no server is asked about whoever says no more than DISCOVER.
//! * Who is accepted again, as devices are from time to time and at each access point, goes on with the session that it
//!   has, by whatever way that began, and may what it is granted now, counted from now. If somebody else has joined with
//!   the device, that session ends and another begins.
//! * Who is refused where it has joined is out. So is who has left there, as the access point says; what one says counts
//!   for devices that have joined there last, so that a late word of the former one does not end what goes on at the next.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use fastpath::session::SlotIndex;
use wire::build::{Checksum, UdpDatagram};
use wire::{GuestKey, MacAddr, Now, Vlan};

use super::held::Question;
use super::{Attempt, Engine, Output};
use crate::dhcp::{Displaced, Wanted};
use crate::session::{Cause, Grant, Moment, Quota};

/// Until a device that was accepted must have its lease: DHCP's first four tries take 30 s (RFC 2131, 4.1).
const WAIT: Duration = Duration::from_secs(60);
/// Accepted devices without a lease, some 400 octets each. One more takes the place of the one that has waited longest.
const WAITING: usize = 4096;

/// Where a device has joined: on which access point and, if they are told, by which of its radios and which association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Association {
    /// By its canonical address.
    pub access_point: IpAddr,
    /// A digest of its name for the radio: it is compared and nothing else, and is the same in each run.
    pub radio: Option<u64>,
    /// The same of its name for the association.
    pub session: Option<u64>,
}

impl Association {
    /// `radio` and `session` in the access point's own words.
    #[must_use]
    pub fn new(access_point: IpAddr, radio: Option<&str>, session: Option<&str>) -> Self {
        // FNV-1a
        let fold = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        let digest = |text: &str| text.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
        Self { access_point: access_point.to_canonical(), radio: radio.map(digest), session: session.map(digest) }
    }

    fn has_same_place(&self, other: &Self) -> bool {
        self.access_point == other.access_point && agree(self.radio, other.radio)
    }

    fn is(&self, other: &Self) -> bool {
        self.has_same_place(other) && agree(self.session, other.session)
    }
}

/// Unless both are known and differ.
fn agree(one: Option<u64>, other: Option<u64>) -> bool {
    one.is_none() || other.is_none() || one == other
}

/// Who has joined.
#[derive(Default)]
pub(super) struct Joins {
    waiting: HashMap<GuestKey, Waiting>,
    /// Those who are online, by station: no more than guests.
    online: BTreeMap<(MacAddr, GuestKey), Association>,
}

struct Waiting {
    until: Duration,
    /// None if it is known without an access point.
    at: Option<Association>,
    /// What a server was told that its session will be called.
    session_id: Option<String>,
    user: String,
    grant: Grant,
}

impl Joins {
    /// A session of a device that has joined there begins, or goes on.
    pub(super) fn began(&mut self, key: GuestKey, at: Association) {
        self.online.insert((key.mac, key), at);
    }

    /// Where the guest with this session has joined.
    pub(super) fn association(&self, key: GuestKey) -> Option<Association> {
        self.online.get(&(key.mac, key)).copied()
    }

    /// Its session is over.
    pub(super) fn ended(&mut self, key: GuestKey) {
        self.online.remove(&(key.mac, key));
    }

    /// Who has waited longest makes room, if there is none.
    fn wait(&mut self, mono: Duration, key: GuestKey, waiting: Waiting) -> Option<GuestKey> {
        self.waiting.retain(|_, waiting| waiting.until > mono);
        let longest = || self.waiting.iter().min_by_key(|(_, waiting)| waiting.until).map(|(key, _)| *key);
        let first = (self.waiting.len() >= WAITING).then(longest).flatten();
        if let Some(first) = first {
            self.waiting.remove(&first);
        }
        self.waiting.insert(key, waiting);
        first
    }
}

impl Engine {
    /// A server has accepted a device that joins.
    pub fn join(&mut self, now: Now, key: GuestKey, at: Association, user: &str, grant: Grant) {
        if !key.mac.is_station() {
            return; // no device can be that
        }
        self.joins.waiting.remove(&key);
        self.dhcp.break_promise(key);
        let name = grant.personal.as_ref().and_then(|personal| personal.user.as_deref()).unwrap_or(user);
        let slot = self.writer.table().by_key(key).map(|found| found.slot);
        let session = slot.and_then(|slot| Some((slot, self.guests.session(slot)?)));
        if let Some((slot, session)) = session {
            if session.user.as_str() == name {
                self.joins.began(key, at);
                self.renew_session(now, slot, grant);
                return;
            }
            self.end_session(now, slot, Cause::LostCarrier);
        }
        let user = user.to_owned();
        self.wait(now, key, Waiting { until: now.mono + WAIT, at: Some(at), session_id: None, user, grant });
        self.call_joined(now, key);
    }

    fn wait(&mut self, now: Now, key: GuestKey, waiting: Waiting) {
        if let Some(gone) = self.joins.wait(now.mono, key, waiting) {
            self.dhcp.break_promise(gone);
        }
    }

    /// The device that has just joined is to get this address with its lease.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn promise_address(&mut self, now: Now, key: GuestKey, wanted: &Wanted) -> Result<(), Displaced> {
        let address = self.dhcp.place(key, wanted)?;
        if let Some(lease) = self.dhcp.lease(key) {
            return if lease.address == address { Ok(()) } else { Err(Displaced::HasAnother) };
        }
        let until = self.joins.waiting.get(&key).map(|waiting| waiting.until);
        let promised = until.is_some_and(|until| self.dhcp.promise(now, key, address, until));
        if promised { Ok(()) } else { Err(Displaced::NotFree) }
    }

    /// Whether the guest who tries to come in has what is wanted for it.
    ///
    /// # Errors
    /// Why not.
    pub fn is_placed(&self, attempt: &Attempt, wanted: &Wanted) -> Result<(), Displaced> {
        let address = self.dhcp.place(attempt.key, wanted)?;
        if address == attempt.address { Ok(()) } else { Err(Displaced::HasAnother) }
    }

    /// The device that was asked about may come in, but not with the address of its lease. If it has not been told of that
    /// yet, the lease is over, another address is kept for it, and it comes in with this one.
    ///
    /// # Errors
    /// Why it keeps the address that it has: [`Engine::finish_login`] is what is left.
    pub fn replace_lease(
        &mut self,
        now: Now,
        attempt: &Attempt,
        wanted: &Wanted,
        user: &str,
        grant: Grant,
    ) -> Result<(), Displaced> {
        let key = attempt.key;
        let address = self.dhcp.place(key, wanted)?;
        let found = self.writer.table().by_key(key);
        let is_same = found.is_some_and(|found| found.slot == attempt.slot && found.address == attempt.address);
        let question = if is_same { self.held.take_question(key) } else { None };
        let Question { from, frame } = question.ok_or(Displaced::HasAnother)?;
        self.dhcp.take_back(key);
        self.drain_dhcp(now);
        let (until, session_id) = (now.mono + WAIT, Some(attempt.session_id.clone()));
        self.dhcp.promise(now, key, address, until);
        self.wait(now, key, Waiting { until, at: None, session_id, user: user.to_owned(), grant });
        // It is asked for an address that is not the promised one.
        if let Ok(datagram) = UdpDatagram::parse(&frame, Checksum::Verify) {
            self.handle_dhcp(now, from, &datagram, &frame);
        }
        Ok(())
    }

    /// A server has refused a device that joins. True if its session has ended.
    pub fn refuse_join(&mut self, now: Now, key: GuestKey, at: Association) -> bool {
        self.give_up_if(key, |known| known.has_same_place(&at));
        self.part_if(now, key, |known| known.has_same_place(&at))
    }

    /// The devices with this address that have joined, on any VLAN, online or not yet.
    #[must_use]
    pub fn joined_with(&self, mac: MacAddr) -> Vec<GuestKey> {
        // Access points that name no VLAN ask for each record and refusal.
        let first = GuestKey { lan: 0, vlan: Vlan::NONE, mac };
        let online = self.joins.online.range((mac, first)..).map(|((_, key), _)| key).take_while(|key| key.mac == mac);
        online.chain(self.joins.waiting.keys().filter(|key| key.mac == mac)).copied().collect()
    }

    /// An access point says that a device is there.
    pub fn associated(&mut self, key: GuestKey, at: Association) {
        let waiting = self.joins.waiting.get_mut(&key).and_then(|waiting| waiting.at.as_mut());
        if let Some(known) = self.joins.online.get_mut(&(key.mac, key)).or(waiting)
            && known.has_same_place(&at)
        {
            *known = at;
        }
    }

    /// An access point says that a device has left. True if its session has ended.
    pub fn part(&mut self, now: Now, key: GuestKey, at: Association) -> bool {
        self.give_up_if(key, |known| known.is(&at));
        self.part_if(now, key, |known| known.is(&at))
    }

    /// An access point says that nobody is there any more. Returns how many sessions have ended.
    pub fn part_all(&mut self, now: Now, at: Association) -> usize {
        let dhcp = &mut self.dhcp;
        self.joins.waiting.retain(|key, waiting| {
            let stays = waiting.at.is_none_or(|known| !known.has_same_place(&at));
            if !stays {
                dhcp.break_promise(*key);
            }
            stays
        });
        let there = self.joins.online.iter().filter(|(_, known)| known.has_same_place(&at));
        let there: Vec<_> = there.map(|((_, key), _)| *key).collect();
        there.into_iter().filter(|key| self.part_if(now, *key, |_| true)).count()
    }

    /// If this device has joined and has its lease, it is called.
    pub(super) fn call_joined(&mut self, now: Now, key: GuestKey) {
        let Some(waiting) = self.joins.waiting.get(&key).filter(|waiting| waiting.until > now.mono) else { return };
        let session_id = waiting.session_id.clone();
        let Some(found) = self.writer.table().by_key(key) else { return };
        if let Ok(attempt) = self.begin_admission(found.address) {
            let session_id = session_id.unwrap_or(attempt.session_id);
            self.outputs.push_back(Output::Joined(Attempt { session_id, ..attempt }));
        }
    }

    /// The device that was called comes in, unless it has left since, has another address or is refused. True if it does.
    pub fn finish_join(&mut self, now: Now, attempt: &Attempt) -> bool {
        let found = self.writer.table().by_key(attempt.key);
        if found.is_none_or(|found| found.slot != attempt.slot || found.address != attempt.address) {
            return false;
        }
        let Some(Waiting { at, user, grant, .. }) = self.joins.waiting.remove(&attempt.key) else { return false };
        self.begin_session(now, attempt, &user, grant, at)
    }

    fn give_up_if(&mut self, key: GuestKey, ends: impl FnOnce(&Association) -> bool) {
        if self.joins.waiting.get(&key).and_then(|waiting| waiting.at.as_ref()).is_some_and(ends) {
            self.joins.waiting.remove(&key);
            self.dhcp.break_promise(key);
        }
    }

    fn part_if(&mut self, now: Now, key: GuestKey, ends: impl FnOnce(&Association) -> bool) -> bool {
        let slot = self
            .joins
            .online
            .get(&(key.mac, key))
            .filter(|known| ends(known))
            .and_then(|_| self.writer.table().by_key(key));
        slot.is_some_and(|found| self.end_session(now, found.slot, Cause::LostCarrier))
    }

    /// What the session in `slot` may from now on, as if it began now; who it is does not change.
    fn renew_session(&mut self, now: Now, slot: SlotIndex, grant: Grant) {
        let counted = self.writer.table().usage(slot);
        let Some(session) = self.guests.session_mut(slot) else { return };
        let (so_far, used) = (session.duration(now.mono), counted - session.baseline);
        let plus = |quota: Option<u64>, used: u64| quota.map(|quota| quota.saturating_add(used));
        let grant = Grant {
            session_timeout: grant.session_timeout.map(|timeout| timeout.saturating_add(so_far)),
            quota: Quota {
                octets_up: plus(grant.quota.octets_up, used.octets_up),
                octets_down: plus(grant.quota.octets_down, used.octets_down),
                octets_total: plus(grant.quota.octets_total, used.octets_up.saturating_add(used.octets_down)),
            },
            ..grant
        };
        if grant.interim != session.tariff.interim {
            let interval = grant.interim.filter(|interval| !interval.is_zero());
            session.next_interim = interval.map(|interval| Moment::from(now.mono + interval));
        }
        self.set_grant(now, slot, grant);
    }
}
