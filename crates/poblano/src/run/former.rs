//! What a former run has left: leases, sessions, records that nobody has taken.

use std::collections::HashSet;
use std::time::Duration;

use engine::Engine;
use engine::session::{Cause, Source};
use fastpath::session::{SlotIndex, Snapshot, Usage};
use store::{Changes, Store};
use tracing::warn;

use crate::aaa::Unsent;
use crate::allowances::Allowances;
use crate::clock::Clock;
use crate::offload::Offload;
use crate::{kept, leases};

/// What a former run has left.
pub(super) struct Former<'a> {
    pub(super) store: &'a Store,
    pub(super) offload: &'a Offload,
    pub(super) allowances: &'a Allowances,
}

impl Former<'_> {
    /// Takes it up.
    pub(super) fn restore(
        &self,
        engine: &mut Engine,
        counted: impl Fn(SlotIndex) -> Option<Usage>,
        unsent: Option<&mut Unsent>,
        clock: Clock,
    ) -> anyhow::Result<()> {
        let Self { store, offload, allowances } = self;
        let (leases, mut sessions) = (store.leases()?, store.sessions()?);
        if leases.unreadable > 0 {
            warn!(count = leases.unreadable, "leases of another version cannot be read; their guests ask again");
        }
        if sessions.unreadable > 0 {
            warn!(count = sessions.unreadable, "sessions of another version cannot be read; their guests log in again");
        }
        let written = clock.written();
        if let Some(unsent) = unsent {
            // Accounting's file is further than this one, which is written every two seconds.
            let (over, go_on): (Vec<_>, Vec<_>) =
                sessions.records.into_iter().partition(|record| unsent.has_ended(&record.id));
            if !over.is_empty() {
                let mut changes = Changes::default();
                for record in &over {
                    changes.delete_session(record.key);
                    if record.source == kept::ALLOWANCE {
                        let octets = record.used.octets_up.saturating_add(record.used.octets_down);
                        let time = Duration::from_millis(record.duration_millis);
                        allowances.ended(&record.user, SlotIndex(record.slot), time, octets, false);
                        allowances.record(&record.user, &[]).iter().for_each(|record| changes.put_allowance(record));
                    }
                }
                store.write(&changes)?;
            }
            let ids: HashSet<String> = go_on.iter().map(|record| record.id.clone()).collect();
            unsent.end_forgotten(&ids, written, &counted);
            sessions.records = go_on;
        }
        let now = clock.now();
        let leases = leases.records.into_iter().map(|record| leases::from_record(record, now)).collect();
        let survivors =
            sessions.records.into_iter().map(|record| kept::from_record(record, &written, &counted)).collect();
        engine.restore(now, leases, survivors);
        // The kernel was told of an end at once, the disk a little later; of some guests it knows nothing.
        let is_over = |slot: &SlotIndex| {
            let guest = engine.table().snapshot(*slot).filter(Snapshot::can_be_mirrored);
            guest.is_some_and(|guest| !offload.may_go_on(&guest))
        };
        for guest in engine.guests(now) {
            if let Some(session) = guest.session.filter(|session| session.grant.source == Source::Allowance) {
                allowances.began(&session.user, guest.slot, now);
            }
        }
        let with_session = engine.guests(now).filter(|guest| guest.session.is_some()).map(|guest| guest.slot);
        for slot in with_session.filter(is_over).collect::<Vec<_>>() {
            engine.end_session(now, slot, Cause::NasReboot);
        }
        Ok(())
    }
}
