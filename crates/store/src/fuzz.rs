//! What the fuzz targets reach of the inside. Compiled for them only.

pub use crate::spool::fuzz::{read_record, read_spool, written_record};
use crate::{AllowanceRecord, LeaseRecord, SessionRecord, accounts, lease};

/// Reads a lease as it stands in the database.
#[must_use]
pub fn read_lease(key: &[u8], value: &[u8]) -> Option<LeaseRecord> {
    LeaseRecord::from_bytes(key, value)
}

/// Key and value of a lease, as they stand in the database.
#[must_use]
pub fn written_lease(record: &LeaseRecord) -> (Vec<u8>, Vec<u8>) {
    (lease::key_bytes(record.key).to_vec(), record.value_bytes())
}

/// Reads a session as it stands in the database.
#[must_use]
pub fn read_session(key: &[u8], value: &[u8]) -> Option<SessionRecord> {
    SessionRecord::from_bytes(key, value)
}

/// Key and value of a session, as they stand in the database.
#[must_use]
pub fn written_session(record: &SessionRecord) -> (Vec<u8>, Vec<u8>) {
    (lease::key_bytes(record.key).to_vec(), record.value_bytes())
}

/// Reads a voucher, or what an account has used, as it stands in the database.
#[must_use]
pub fn read_allowance(key: &[u8], value: &[u8]) -> Option<AllowanceRecord> {
    AllowanceRecord::from_bytes(key, value)
}

/// Key and value of such a record, as they stand in the database.
#[must_use]
pub fn written_allowance(record: &AllowanceRecord) -> (Vec<u8>, Vec<u8>) {
    (record.name().into_bytes(), record.value_bytes())
}

/// Reads a file of accounts: how many lines it has, or which line is wrong and why.
pub fn read_accounts(text: &str) -> Result<usize, (usize, String)> {
    accounts::parse(text).map(|lines| lines.len())
}
