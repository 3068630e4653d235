//! Leases between the engine's form and the store's.

use std::time::Duration;

use engine::dhcp::Lease;
use store::LeaseRecord;
use wire::Now;

pub(crate) fn to_record(lease: &Lease, now: Now) -> LeaseRecord {
    LeaseRecord {
        key: lease.key,
        address: lease.address,
        foreign: lease.foreign,
        hostname: lease.hostname.as_deref().map(str::to_owned),
        expires_unix_secs: (now.unix + lease.ends.saturating_sub(now.mono)).as_secs(),
    }
}

/// A lease of a former run. Its guest has to log in again.
pub(crate) fn from_record(record: LeaseRecord, now: Now) -> Lease {
    Lease {
        key: record.key,
        address: record.address,
        foreign: record.foreign,
        hostname: record.hostname.map(String::into_boxed_str),
        ends: now.mono.saturating_add(Duration::from_secs(record.expires_unix_secs).saturating_sub(now.unix)),
        logged_in: false,
    }
}
