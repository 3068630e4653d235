use super::{AccountingRecord, log};

/// Reads an accounting record as it stands in the spool.
#[must_use]
pub fn read_record(bytes: &[u8]) -> Option<AccountingRecord> {
    AccountingRecord::from_bytes(bytes)
}

/// An accounting record as it stands in the spool.
#[must_use]
pub fn written_record(record: &AccountingRecord) -> Vec<u8> {
    record.to_bytes()
}

/// Reads a spool: what its records hold, and how many octets are damaged.
#[must_use]
pub fn read_spool(octets: &[u8]) -> (Vec<Vec<u8>>, u64) {
    let found = log::parse(octets);
    (found.records.into_values().map(|(content, _)| content).collect(), found.damaged)
}
