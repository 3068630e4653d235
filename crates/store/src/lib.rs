//! State that outlives the process: local accounts in a text file, leases, sessions, vouchers and a counter of starts in
//! an embedded database, accounting records in a log.
//!
//! What is here blocks: it reads, writes, waits for the disk, and checking a password takes its time on purpose. The
//! caller keeps it off the thread that serves guests; [`PasswordCheck`], [`Writer`] and [`Spool`] are made for that.
#![forbid(unsafe_code)]

mod accounts;
mod allowance;
mod code;
mod database;
#[cfg(fuzzing)]
pub mod fuzz;
mod lease;
mod local_users;
mod password;
mod session;
mod spool;
mod writer;

pub use accounts::{Accounts, AccountsError, edit_accounts, replace_file};
pub use allowance::{
    AllowanceRecord, Counts as TimeCounts, Left, Limits, MAX_DEVICES, MAX_NOTE_OCTETS, Over, Used, Voucher,
};
pub use code::{Code, Mistyped};
pub use database::{Changes, Loaded, Opened, Store, StoreError};
pub use lease::LeaseRecord;
pub use local_users::LocalUsers;
pub use password::{PasswordCheck, PasswordHash, readable_password};
pub use session::{Counts, Joined, SessionRecord, Written};
pub use spool::{
    AccountedSession, AccountingEvent, AccountingRecord, Backlog, BacklogOutput, Opened as OpenedSpool, Progress,
    ProgressMade, Spool, Waiting,
};
pub use writer::{ReportFailure, Writer};
