//! The database: leases, sessions, vouchers, and how often the gateway has started.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError,
    WriteTransaction,
};

use crate::allowance::AllowanceRecord;
use crate::lease::{LeaseRecord, key_bytes, key_from_bytes};
use crate::session::SessionRecord;
use wire::{GuestKey, MacAddr};

const FILE_NAME: &str = "state.redb";
/// Where a damaged file goes. One is kept: the next one takes its place, so that a bad disk does not fill it.
const DAMAGED_NAME: &str = "state.redb.damaged";

/// Pages are read once at start and then written: a cache is of little use, and a router has 64 MB.
const CACHE_OCTETS: usize = 512 * 1024;

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

const LEASES: Table = TableDefinition::new("leases");
const SESSIONS: Table = TableDefinition::new("sessions");
const BLOCKED: Table = TableDefinition::new("blocked");
const HOSTS: Table = TableDefinition::new("hosts");
const ALLOWANCES: Table = TableDefinition::new("allowances");
/// Of the installation: its secrets by their names, and how often it has started. Tables of one kind have one code.
const OWN: Table = TableDefinition::new("own");
const BOOTS: &[u8] = b"starts";

/// The open database. One process can have it open at a time.
#[derive(Debug)]
pub struct Store {
    /// `None` after an input or output error: redb then refuses everything until the file is opened again.
    database: Mutex<Option<Database>>,
    path: PathBuf,
}

/// A store, and what its owner should hear.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// A damaged file was moved aside and a new one begun: guests' leases and sessions are lost.
    pub warning: Option<String>,
}

/// What [`Store::leases`] or [`Store::sessions`] found.
#[derive(Debug, PartialEq, Eq)]
pub struct Loaded<T> {
    /// All that could be read, those that are over too.
    pub records: Vec<T>,
    /// How many could not: written by a later version, or damaged.
    pub unreadable: usize,
}

/// Of each guest the octets that are to be kept, or with `None` that there are none. A tree: its growth never makes
/// anybody wait, as that of a large hash table does.
pub(crate) type Values = BTreeMap<GuestKey, Option<Box<[u8]>>>;

/// The same of each voucher and account.
pub(crate) type Allowances = BTreeMap<String, Option<Box<[u8]>>>;

/// What is to be kept or forgotten.
#[derive(Debug, Default)]
pub struct Changes {
    pub(crate) leases: Values,
    pub(crate) sessions: Values,
    /// Of a device the key is the one without a VLAN.
    pub(crate) blocked: Values,
    /// The same.
    pub(crate) hosts: Values,
    /// By the name of their sessions.
    pub(crate) allowances: Allowances,
}

impl Changes {
    /// Keeps a lease.
    pub fn put_lease(&mut self, record: &LeaseRecord) {
        self.leases.insert(record.key, Some(record.value_bytes().into()));
    }

    /// Forgets a lease.
    pub fn delete_lease(&mut self, key: GuestKey) {
        self.leases.insert(key, None);
    }

    /// Keeps a session.
    pub fn put_session(&mut self, record: &SessionRecord) {
        self.sessions.insert(record.key, Some(record.value_bytes().into()));
    }

    /// Keeps a voucher or what an account has used.
    pub fn put_allowance(&mut self, record: &AllowanceRecord) {
        self.allowances.insert(record.name(), Some(record.value_bytes().into()));
    }

    /// Forgets a session.
    pub fn delete_session(&mut self, key: GuestKey) {
        self.sessions.insert(key, None);
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { leases, sessions, blocked, hosts, allowances } = self;
        [leases, sessions, blocked, hosts].iter().all(|values| values.is_empty()) && allowances.is_empty()
    }
}

/// Why the state cannot be read or written.
#[derive(Debug)]
pub enum StoreError {
    /// The state directory cannot be made or used.
    Directory {
        /// Which.
        path: PathBuf,
        /// What came back.
        error: io::Error,
    },
    /// Another process has the file.
    InUse(PathBuf),
    /// The file cannot be read or written.
    Database {
        /// Which.
        path: PathBuf,
        /// What came back.
        error: Box<redb::Error>,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path, error } => {
                let root = if error.kind() == io::ErrorKind::PermissionDenied { "run as root, or " } else { "" };
                write!(
                    f,
                    "cannot use the state directory {}: {error}; {root}set state.directory to one that can be written",
                    path.display()
                )
            }
            Self::InUse(path) => write!(
                f,
                "{} is in use by another process; is a gateway running already? Give each its own state.directory",
                path.display()
            ),
            Self::Database { path, error } => {
                write!(f, "cannot read or write {}: {error}", path.display())?;
                match error.as_ref() {
                    redb::Error::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                        f.write_str("; run as the user that it belongs to, usually root")
                    }
                    redb::Error::Io(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                        f.write_str("; set state.directory to one that can be written")
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

// The sentence tells the cause already.
impl std::error::Error for StoreError {}

impl Store {
    /// Opens the database of a directory. The directory is made with mode 0700 when it is not there, the file with 0600.
    pub fn open(directory: &Path) -> Result<Opened, StoreError> {
        let in_directory = |error| StoreError::Directory { path: directory.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(in_directory)?;
        let path = directory.join(FILE_NAME);
        match open_file(&path) {
            Ok(database) => Ok(Opened { store: Self::of(database, path), warning: None }),
            Err(DatabaseError::DatabaseAlreadyOpen) => Err(StoreError::InUse(path)),
            Err(error) if is_damage(&error) => {
                let aside = directory.join(DAMAGED_NAME);
                std::fs::rename(&path, &aside).map_err(in_directory)?;
                let database = open_file(&path).map_err(|e| failed(&path, e))?;
                let warning = format!(
                    "{} was damaged ({error}) and is now {}; leases and sessions are lost, guests ask for new ones",
                    path.display(),
                    aside.display()
                );
                Ok(Opened { store: Self::of(database, path), warning: Some(warning) })
            }
            Err(error) => Err(failed(&path, error)),
        }
    }

    /// Every lease that is kept.
    pub fn leases(&self) -> Result<Loaded<LeaseRecord>, StoreError> {
        self.with(|database| load(database, LEASES, LeaseRecord::from_bytes))
    }

    /// Every session that is kept.
    pub fn sessions(&self) -> Result<Loaded<SessionRecord>, StoreError> {
        self.with(|database| load(database, SESSIONS, SessionRecord::from_bytes))
    }

    /// Every device that is blocked.
    pub fn blocked(&self) -> Result<Loaded<MacAddr>, StoreError> {
        self.with(|database| load(database, BLOCKED, |key, _| Some(key_from_bytes(key)?.mac)))
    }

    /// Every device that an operator gave an address of its own.
    pub fn hosts(&self) -> Result<Loaded<(MacAddr, Ipv4Addr)>, StoreError> {
        let read = |key: &[u8], value: &[u8]| {
            let octets: [u8; 4] = value.try_into().ok()?;
            Some((key_from_bytes(key)?.mac, octets.into()))
        };
        self.with(|database| load(database, HOSTS, read))
    }

    /// Every voucher, and what accounts have used.
    pub fn allowances(&self) -> Result<Loaded<AllowanceRecord>, StoreError> {
        self.with(|database| load(database, ALLOWANCES, AllowanceRecord::from_bytes))
    }

    /// The secret of that name; the first time it is `fresh`.
    pub fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            let secret = {
                let mut table = transaction.open_table(OWN)?;
                let known = table.get(name.as_bytes())?.and_then(|known| known.value().try_into().ok());
                if known.is_none() {
                    table.insert(name.as_bytes(), &fresh[..])?;
                }
                known.unwrap_or(fresh)
            };
            transaction.commit()?;
            Ok(secret)
        })
    }

    /// Makes changes, all or none. They are on the disk when this returns.
    pub fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            let Changes { leases, sessions, blocked, hosts, allowances } = changes;
            for (table, values) in [(LEASES, leases), (SESSIONS, sessions), (BLOCKED, blocked), (HOSTS, hosts)] {
                change(&transaction, table, values.iter().map(|(key, value)| (key_bytes(*key), value)))?;
            }
            change(&transaction, ALLOWANCES, allowances.iter())?;
            // Durable, as redb commits by default: without it a kill loses everything since the last durable one.
            Ok(transaction.commit()?)
        })
    }

    /// Counts this start and returns its number, from 1. No two starts on one state directory have the same, unless
    /// the file was damaged in between: who needs more adds the time.
    pub fn next_boot(&self) -> Result<u64, StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            let boot = {
                let mut table = transaction.open_table(OWN)?;
                let before =
                    table.get(BOOTS)?.and_then(|count| Some(u64::from_be_bytes(count.value().try_into().ok()?)));
                let boot = before.unwrap_or(0).saturating_add(1);
                table.insert(BOOTS, &boot.to_be_bytes()[..])?;
                boot
            };
            transaction.commit()?;
            Ok(boot)
        })
    }

    fn of(database: Database, path: PathBuf) -> Self {
        Self { database: Mutex::new(Some(database)), path }
    }

    /// Does `work` with the database. After an error it is closed, and opened again the next time: a disk that was full
    /// for a while is used again when it no longer is.
    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let mut held = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match held.take() {
            Some(database) => database,
            None => open_file(&self.path).map_err(|e| failed(&self.path, e))?,
        };
        let outcome = work(&database).map_err(|e| failed(&self.path, e))?;
        *held = Some(database);
        Ok(outcome)
    }
}

fn load<T>(
    database: &Database,
    table: Table,
    read: impl Fn(&[u8], &[u8]) -> Option<T>,
) -> Result<Loaded<T>, redb::Error> {
    let mut loaded = Loaded { records: Vec::new(), unreadable: 0 };
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(table) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(loaded),
        table => table?,
    };
    for entry in table.iter()? {
        let (key, value) = entry?;
        match read(key.value(), value.value()) {
            Some(record) => loaded.records.push(record),
            None => loaded.unreadable += 1,
        }
    }
    Ok(loaded)
}

fn change<'a>(
    transaction: &WriteTransaction,
    table: Table,
    changes: impl Iterator<Item = (impl AsRef<[u8]>, &'a Option<Box<[u8]>>)>,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(table)?;
    for (key, value) in changes {
        match value {
            Some(value) => table.insert(key.as_ref(), &value[..])?,
            None => table.remove(key.as_ref())?,
        };
    }
    Ok(())
}

/// Opens or makes the file, and reads all of it once: what is damaged is to show now, not while guests are served.
fn open_file(path: &Path) -> Result<Database, DatabaseError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let mut database = Database::builder().set_cache_size(CACHE_OCTETS).create_file(file)?;
    database.check_integrity()?;
    Ok(database)
}

/// True when the file is at fault, and not the disk, the permissions or another process.
fn is_damage(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::RepairAborted | DatabaseError::UpgradeRequired(_) => true,
        DatabaseError::Storage(StorageError::Corrupted(_)) => true,
        DatabaseError::Storage(StorageError::Io(e)) => {
            matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        }
        _ => false,
    }
}

fn failed(path: &Path, error: impl Into<redb::Error>) -> StoreError {
    StoreError::Database { path: path.to_owned(), error: Box::new(error.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Store {
        pub(crate) fn close_as_after_an_error(&self) {
            let error = io::Error::from(io::ErrorKind::StorageFull);
            assert!(self.with(|_| Err::<(), _>(redb::Error::Io(error))).is_err());
        }
    }

    #[test]
    fn a_disk_error_is_told_and_the_next_write_opens_the_file_again() {
        let directory = std::env::temp_dir().join(format!("poblano-store-reopen-{}", std::process::id()));
        let store = Store::open(&directory).expect("a temporary folder").store;
        assert_eq!(store.next_boot().expect("the disk works"), 1);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = store.with(|_| Err::<(), _>(redb::Error::Io(full))).expect_err("the disk is full").to_string();
        assert!(error.starts_with("cannot read or write ") && error.contains("state.redb: "), "{error}");
        assert_eq!(store.next_boot().expect("the disk works again"), 2);
        std::fs::remove_dir_all(&directory).expect("our own folder");
    }
}
