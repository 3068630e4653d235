//! Sessions between the engine's form and the store's.

use std::time::Duration;

use engine::gateway::{Association, Survivor};
use engine::session::{Grant, KeptSession, Personal, Quota, Source};
use fastpath::police::Rate;
use fastpath::session::{SlotIndex, Usage};
use store::{Counts, Joined, SessionRecord, Written};

/// The number of [`Source::Allowance`].
pub(crate) const ALLOWANCE: u8 = 3;

pub(crate) fn to_record(kept: KeptSession, written: Written) -> SessionRecord {
    let KeptSession { grant, .. } = kept;
    SessionRecord {
        key: kept.key,
        address: kept.address,
        slot: kept.slot.0,
        id: kept.id,
        user: kept.user,
        written,
        duration_millis: millis(kept.duration),
        baseline: to_counts(kept.baseline),
        used: to_counts(kept.used),
        timeout_millis: grant.session_timeout.map(millis),
        until_millis: grant.until.map(millis),
        idle_timeout_millis: grant.idle_timeout.map(millis),
        interim_millis: grant.interim.map(millis),
        rate_up: grant.rate_up.limit(),
        rate_down: grant.rate_down.limit(),
        quota_up: grant.quota.octets_up,
        quota_down: grant.quota.octets_down,
        quota_total: grant.quota.octets_total,
        source: match grant.source {
            Source::Local => 0,
            Source::Radius => 1,
            Source::Nobody => 2,
            Source::Allowance => ALLOWANCE,
        },
        cui: grant.personal.as_ref().and_then(|personal| personal.cui.clone()),
        class: grant.personal.map(|personal| personal.class).unwrap_or_default(),
        joined: kept.joined.map(|Association { access_point, radio, session }| Joined { access_point, radio, session }),
    }
}

/// A session of a former run. `counted` says what was counted in its slot, if that outlived the run; otherwise what passed
/// since it was written down is lost.
pub(crate) fn from_record(
    record: SessionRecord,
    now: &Written,
    counted: impl FnOnce(SlotIndex) -> Option<Usage>,
) -> Survivor {
    let rate = |bits: Option<u64>| bits.map_or(Rate::UNLIMITED, Rate::bits_per_second);
    let (baseline, used) = (to_usage(record.baseline), to_usage(record.used));
    let session = KeptSession {
        key: record.key,
        address: record.address,
        slot: SlotIndex(record.slot),
        id: record.id,
        user: record.user,
        grant: Grant {
            session_timeout: record.timeout_millis.map(Duration::from_millis),
            until: record.until_millis.map(Duration::from_millis),
            idle_timeout: record.idle_timeout_millis.map(Duration::from_millis),
            interim: record.interim_millis.map(Duration::from_millis),
            rate_up: rate(record.rate_up),
            rate_down: rate(record.rate_down),
            quota: Quota {
                octets_up: record.quota_up,
                octets_down: record.quota_down,
                octets_total: record.quota_total,
            },
            source: match record.source {
                1 => Source::Radius,
                2 => Source::Nobody,
                ALLOWANCE => Source::Allowance,
                _ => Source::Local,
            },
            // The name is in the session's.
            personal: Personal { class: record.class, cui: record.cui, user: None }.boxed(),
        },
        duration: Duration::from_millis(record.duration_millis),
        baseline,
        used,
        joined: record.joined.map(|Joined { access_point, radio, session }| Association {
            access_point,
            radio,
            session,
        }),
    };
    // Counters never go back.
    let counted = counted(session.slot).unwrap_or_default().max(baseline + used);
    Survivor { session, away: record.written.age(now), counted }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX - 1)
}

pub(crate) fn to_counts(usage: Usage) -> Counts {
    let Usage { octets_up, octets_down, packets_up, packets_down } = usage;
    Counts { octets_up, octets_down, packets_up, packets_down }
}

pub(crate) fn to_usage(counts: Counts) -> Usage {
    let Counts { octets_up, octets_down, packets_up, packets_down } = counts;
    Usage { octets_up, octets_down, packets_up, packets_down }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use wire::{GuestKey, MacAddr, Vlan};

    use super::*;

    const YEAR_2027: u64 = 1_800_000_000_000;

    fn written(unix_millis: u64, boot: u8, boot_millis: u64) -> Written {
        Written { unix_millis, boot: [boot; 16], boot_millis }
    }

    #[test]
    fn a_session_comes_back_as_it_was() {
        let usage = |n| Usage { octets_up: n, octets_down: n + 1, packets_up: n + 2, packets_down: n + 3 };
        let kept = KeptSession {
            key: GuestKey { lan: 0, vlan: Vlan(5), mac: MacAddr([2, 0, 0, 0, 0, 9]) },
            address: Ipv4Addr::new(10, 85, 0, 9),
            slot: SlotIndex(77),
            id: "id".into(),
            user: "ada".into(),
            grant: Grant {
                session_timeout: Some(Duration::from_secs(600)),
                until: Some(Duration::from_secs(1_900_000_000)),
                idle_timeout: None,
                interim: Some(Duration::from_secs(60)),
                rate_up: Rate::bits_per_second(512_000),
                rate_down: Rate::UNLIMITED,
                quota: Quota { octets_up: None, octets_down: Some(5), octets_total: Some(1 << 40) },
                source: Source::Nobody,
                personal: Personal { class: vec![b"class".to_vec()], cui: Some(b"cui".to_vec()), user: None }.boxed(),
            },
            duration: Duration::from_millis(12_345),
            baseline: usage(100),
            used: usage(5000),
            joined: Some(Association::new([192, 0, 2, 40].into(), Some("radio"), None)),
        };
        let survivor =
            from_record(to_record(kept.clone(), written(YEAR_2027, 1, 0)), &written(YEAR_2027, 1, 1500), |_| None);
        let counted = kept.baseline + kept.used;
        assert_eq!(survivor, Survivor { session: kept, away: Some(Duration::from_millis(1500)), counted });
    }
}
