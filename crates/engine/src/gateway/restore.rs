//! Sessions outlive the process.
//!
//! * Each is written down when it begins or is changed, once in [`KEEP_EVERY`] with what it has used, and at a handover. All at once,
//!   so that it is one write to the disk: flash wears by the number of writes. Of many sessions [`KEEP_TOGETHER`] at a
//!   time, so that neither do all others wait meanwhile nor do all of them wait in memory for the disk.
//! * After a crash or a handover they go on: same name, same slot (which is their port number in accounting), what was
//!   used so far, and without a new record Start. The time away counts as time logged in; as silence it does not, for
//!   nobody knows who was silent.
//! * What nobody has counted is lost: after a crash the traffic since the last writing, unless the kernel went on
//!   counting, and the idle time so far.
//! * A session does not go on whose lease is over, or when the gateway was away for [`Config::longest_outage`], or when
//!   no clock can tell how long. It gets its last record: what had been written down is what can be said of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use fastpath::session::{SlotIndex, Usage};
use wire::{GuestKey, Now, Vlan};

use super::{Association, Engine, Guest, Output};
use crate::attempts::Attempts;
use crate::dhcp::Lease;
use crate::session::{Cause, Grant, KeptSession, Record, Session, SessionId, Status};

/// A crash loses what sessions used in so long. A write costs a router's flash some 20 kB and 300 octets a session: one a
/// minute is 30 to 70 MB a day, of which its flash takes more than ten years.
pub const KEEP_EVERY: Duration = Duration::from_secs(60);

/// Sessions that are written down together, in 2 MB of memory. A hundred thousand, beyond which it takes more than
/// [`KEEP_EVERY`] for each to have its turn again, are 24 writes instead of one: half a megabyte beside 30.
const KEEP_TOGETHER: usize = 4096;
/// Before the next so many: the disk has the last ones by then.
const KEEP_PAUSE: Duration = Duration::from_millis(2400);
/// Of these, so many places in a turn of the timers.
const KEEP_AT_ONCE: usize = 128;

/// How far the round has come in which all sessions are written down.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Keeping {
    next: SlotIndex,
    kept: usize,
    began: Duration,
}

/// A session of a former run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// As it was last written down.
    pub session: KeptSession,
    /// How long ago that was; none if no clock can tell.
    pub away: Option<Duration>,
    /// What its slot has counted: what was written down, or more if the kernel went on counting meanwhile.
    pub counted: Usage,
}

impl Engine {
    /// Takes up leases and sessions of a former run, before packets pass. Leases that have ended meanwhile, or fit the
    /// configuration no more, come back as [`Output::LeaseEnded`]; sessions that cannot go on as records.
    pub fn restore(&mut self, now: Now, mut leases: Vec<Lease>, mut survivors: Vec<Survivor>) {
        let online: HashSet<GuestKey> = survivors.iter().map(|survivor| survivor.session.key).collect();
        for lease in &mut leases {
            lease.logged_in |= online.contains(&lease.key);
        }
        let routes = &self.config.routes;
        let has_way = |key: GuestKey| key.address_behind_router().is_none() || routes.to(key).is_some();
        // Nor does the kernel forward anybody who is not served any more.
        let is_served = |key: GuestKey| self.config.untagged || key.vlan != Vlan::NONE;
        let leased = leases.iter().filter(|lease| has_way(lease.key) && is_served(lease.key));
        self.dhcp.restore(now, leased.cloned());
        while self.dhcp.poll_output().is_some() {} // what is restored is written down already
        // Before guests without a session, or one of those could get a slot that is theirs; in the table's favourite order.
        survivors.sort_by_key(|survivor| survivor.session.slot);
        for survivor in survivors {
            self.adopt(now, survivor);
        }
        self.next_keep = Some(now.mono).filter(|_| !self.config.longest_outage.is_zero());
        for lease in leases {
            if self.dhcp.lease(lease.key).is_some_and(|held| held.address == lease.address) {
                self.bind(now, &lease);
            } else {
                self.outputs.push_back(Output::LeaseEnded(lease));
            }
        }
    }

    /// Makes the last records of sessions that have ended, and has the others written down as they are: another process
    /// goes on with them, and the packet threads have stopped.
    pub fn hand_over(&mut self, now: Now) {
        while self.close_one(Duration::MAX) {}
        self.keep_sessions(now);
    }

    /// Has all sessions written down as they are now.
    pub(super) fn keep_sessions(&mut self, now: Now) {
        self.next_keep = None;
        if self.config.longest_outage.is_zero() {
            return;
        }
        self.keeping = Keeping::default();
        for slot in self.guests.slots() {
            if self.write_down(now, slot) {
                self.next_keep = Some(now.mono + KEEP_EVERY);
            }
        }
    }

    /// Has the next sessions written down, and says when it goes on.
    pub(super) fn keep_some(&mut self, now: Now) {
        let Keeping { next: SlotIndex(first), kept: before, began } = self.keeping;
        let began = if first == 0 { now.mono } else { began };
        let slots = self.guests.slots().skip(first as usize).take(KEEP_AT_ONCE);
        let (count, kept) =
            slots.fold((0, before), |(count, kept), slot| (count + 1, kept + usize::from(self.write_down(now, slot))));
        if count < KEEP_AT_ONCE {
            self.keeping = Keeping::default();
            self.next_keep = (kept > 0).then(|| now.mono.max(began + KEEP_EVERY));
        } else {
            self.keeping = Keeping { next: SlotIndex(first + count as u32), kept, began };
            let pause = kept / KEEP_TOGETHER > before / KEEP_TOGETHER;
            self.next_keep = Some(now.mono + if pause { KEEP_PAUSE } else { Duration::ZERO });
        }
    }

    /// Has a session written down that has just begun, or may something else now.
    pub(super) fn keep_session(&mut self, now: Now, slot: SlotIndex) {
        if self.config.longest_outage.is_zero() {
            return;
        }
        self.write_down(now, slot);
        self.next_keep.get_or_insert(now.mono + KEEP_EVERY);
    }

    /// Has the session in `slot` written down. False if there is none.
    fn write_down(&mut self, now: Now, slot: SlotIndex) -> bool {
        let (Some(guest), Some(session)) = (self.guests.get(slot), self.guests.session(slot)) else { return false };
        let used = self.writer.table().usage(slot) - session.baseline;
        let joined = self.joins.association(guest.key);
        self.outputs.push_back(Output::SessionKept(keep(guest, slot, session, used, joined, now)));
        true
    }

    fn adopt(&mut self, now: Now, survivor: Survivor) {
        let Survivor { session: kept, away, counted } = survivor;
        let away = away.filter(|away| *away < self.config.longest_outage);
        let has_lease = self.dhcp.lease(kept.key).is_some_and(|lease| lease.address == kept.address);
        let id = SessionId::parse(&kept.id);
        let cause = match away.filter(|_| id.is_some()) {
            None => Some(Cause::NasReboot),
            Some(_) if !has_lease => Some(Cause::LostCarrier),
            Some(_) if self.is_blocked(kept.key) => Some(Cause::AdminReset),
            Some(_) => {
                let entered = self.writer.insert_at(kept.slot, kept.key, kept.address, counted);
                entered.is_err().then_some(Cause::NasReboot)
            }
        };
        let (None, Some(id)) = (cause, id) else {
            let key = kept.key;
            let cause = cause.unwrap_or(Cause::NasReboot);
            self.outputs.push_back(Output::Account(last_record(kept, counted, cause, now)));
            self.outputs.push_back(Output::SessionEnded(key));
            return;
        };
        let before = kept.duration + away.unwrap_or_default();
        let (tariff, personal) = self.tariffs.share(kept.grant);
        let mut session = Session {
            id,
            user: kept.user.as_str().into(),
            tariff,
            echo: personal.as_deref().into(),
            began: now.mono.into(),
            before_nanos: before.as_nanos() as u64,
            began_unix_nanos: now.unix.saturating_sub(before).as_nanos() as u64,
            baseline: kept.baseline,
            next_interim: None,
        };
        session.next_interim = session.until_interim(before).map(|wait| (now.mono + wait).into());
        self.writer.set_policy(kept.slot, &session.policy(now));
        self.dhcp.protect(kept.key, true);
        self.guests.insert(kept.slot, Guest::new(kept.key, kept.address, Attempts::default()));
        self.routed.came(kept.key);
        self.guests.begin_session(kept.slot, session);
        if let Some(at) = kept.joined {
            self.joins.began(kept.key, at);
        }
        self.check_session(now, kept.slot); // its time or its octets may be over
    }
}

fn keep(
    guest: &Guest,
    slot: SlotIndex,
    session: &Session,
    used: Usage,
    joined: Option<Association>,
    now: Now,
) -> KeptSession {
    KeptSession {
        key: guest.key,
        address: guest.address,
        slot,
        id: session.id.to_string(),
        user: session.user.to_string(),
        grant: session.grant(),
        duration: session.duration(now.mono),
        baseline: session.baseline,
        used,
        joined,
    }
}

fn last_record(kept: KeptSession, counted: Usage, cause: Cause, now: Now) -> Record {
    let class = kept.grant.class().to_vec();
    let cui = kept.grant.personal.as_ref().and_then(|personal| personal.cui.clone());
    Record {
        source: kept.grant.source,
        tariff: Arc::new(Grant { personal: None, ..kept.grant }),
        idle: Duration::ZERO,
        status: Status::Stop(cause),
        session_id: kept.id,
        user: kept.user,
        key: kept.key,
        address: kept.address,
        slot: kept.slot,
        class,
        cui,
        usage: counted - kept.baseline,
        baseline: kept.baseline,
        duration: kept.duration,
        at: now,
    }
}
