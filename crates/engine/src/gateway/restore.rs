//! Sessions outlive the process.
//!
//! * Each is written down when it begins, once in [`KEEP_EVERY`] with what it has used, and at a handover. All at once,
//!   so that it is one write to the disk: flash wears by the number of writes.
//! * After a crash or a handover they go on: same name, same slot (which is their port number in accounting), what was
//!   used so far, and without a new record Start. The time away counts as time logged in; as silence it does not, for
//!   nobody knows who was silent.
//! * What nobody has counted is lost: after a crash the traffic since the last writing, unless the kernel went on
//!   counting, and the idle time so far.
//! * A session does not go on whose lease is over, or when the gateway was away for [`Config::longest_outage`], or when
//!   no clock can tell how long. It gets its last record: what had been written down is what can be said of it.

use std::collections::HashSet;
use std::time::Duration;

use fastpath::session::{SlotIndex, Usage};
use wire::{GuestKey, Now};

use super::{Engine, Guest, Output};
use crate::attempts::Attempts;
use crate::dhcp::Lease;
use crate::session::{Cause, KeptSession, Record, Session, Status};

/// A crash loses what sessions used in so long. A write costs a router's flash some 20 kB and 300 octets a session: one a
/// minute is 30 to 70 MB a day, of which its flash takes more than ten years.
pub const KEEP_EVERY: Duration = Duration::from_secs(60);

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
        self.dhcp.restore(now, leases.iter().cloned());
        while self.dhcp.poll_output().is_some() {} // what is restored is written down already
        // Before guests without a session, or one of those could get a slot that is theirs; in the table's favourite order.
        survivors.sort_by_key(|survivor| survivor.session.slot);
        for survivor in survivors {
            self.adopt(now, survivor);
        }
        self.keep_sessions(now);
        for lease in leases {
            if self.dhcp.lease(lease.key).is_some_and(|held| held.address == lease.address) {
                self.bind(now, &lease);
            } else {
                self.outputs.push_back(Output::LeaseEnded(lease));
            }
        }
    }

    /// Has all sessions written down as they are now.
    pub fn keep_sessions(&mut self, now: Now) {
        self.next_keep = None;
        if self.config.longest_outage.is_zero() {
            return;
        }
        for (&slot, guest) in &self.guests {
            let Some(session) = &guest.session else { continue };
            let used = self.writer.table().usage(slot) - session.baseline;
            self.outputs.push_back(Output::SessionKept(keep(guest, slot, session, used, now)));
            self.next_keep = Some(now.mono + KEEP_EVERY);
        }
    }

    /// Has a session written down that has just begun.
    pub(super) fn keep_new_session(&mut self, now: Now, slot: SlotIndex) {
        if self.config.longest_outage.is_zero() {
            return;
        }
        let Some(guest) = self.guests.get(&slot) else { return };
        let Some(session) = &guest.session else { return };
        self.outputs.push_back(Output::SessionKept(keep(guest, slot, session, Usage::default(), now)));
        self.next_keep.get_or_insert(now.mono + KEEP_EVERY);
    }

    fn adopt(&mut self, now: Now, survivor: Survivor) {
        let Survivor { session: kept, away, counted } = survivor;
        let away = away.filter(|away| *away < self.config.longest_outage);
        let has_lease = self.dhcp.lease(kept.key).is_some_and(|lease| lease.address == kept.address);
        let cause = match away {
            None => Some(Cause::NasReboot),
            Some(_) if !has_lease => Some(Cause::LostCarrier),
            Some(_) => {
                let entered = self.writer.insert_at(kept.slot, kept.key, kept.address, counted);
                entered.is_err().then_some(Cause::NasReboot)
            }
        };
        if let Some(cause) = cause {
            self.outputs.push_back(Output::SessionEnded(kept.key));
            self.outputs.push_back(Output::Account(last_record(kept, counted, cause, now)));
            return;
        }
        let before = kept.duration + away.unwrap_or_default();
        let interim = kept.grant.interim.filter(|interval| !interval.is_zero());
        let until_interim = |interval: Duration| {
            Duration::from_nanos((interval.as_nanos() - before.as_nanos() % interval.as_nanos()) as u64)
        };
        let session = Box::new(Session {
            id: kept.id,
            user: kept.user,
            began: Now { mono: now.mono, unix: now.unix.saturating_sub(before) },
            before,
            baseline: kept.baseline,
            next_interim: interim.map(|interval| now.mono + until_interim(interval)),
            grant: kept.grant,
        });
        self.writer.set_policy(kept.slot, &session.policy());
        self.dhcp.protect(kept.key, true);
        let guest = Guest {
            key: kept.key,
            address: kept.address,
            hostname: None,
            attempts: Attempts::default(),
            session: Some(session),
            due: None,
        };
        self.guests.insert(kept.slot, guest);
        self.check_session(now, kept.slot); // its time or its octets may be over
    }
}

fn keep(guest: &Guest, slot: SlotIndex, session: &Session, used: Usage, now: Now) -> KeptSession {
    KeptSession {
        key: guest.key,
        address: guest.address,
        slot,
        id: session.id.clone(),
        user: session.user.clone(),
        grant: session.grant.clone(),
        duration: session.duration(now.mono),
        baseline: session.baseline,
        used,
    }
}

fn last_record(kept: KeptSession, counted: Usage, cause: Cause, now: Now) -> Record {
    Record {
        source: kept.grant.source,
        status: Status::Stop(cause),
        session_id: kept.id,
        user: kept.user,
        key: kept.key,
        address: kept.address,
        slot: kept.slot,
        class: kept.grant.class,
        usage: counted - kept.baseline,
        duration: kept.duration,
        at: now,
    }
}
