//! Local accounts: a text file with a line `name:hash` for each, or `name:hash:limits`, which people may read and tools
//! may write.
//! Lines that begin with `#` and empty lines are kept as they are.

use std::collections::HashSet;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::allowance::Limits;
use crate::password::{Memory, PasswordCheck, PasswordHash};

/// A file larger than this is not one of accounts; 1 MiB is about 8000 of them.
const MAX_FILE_OCTETS: u64 = 1024 * 1024;
/// User-Name is an attribute of at most 253 octets (RFC 2865, 5).
pub(crate) const MAX_NAME_OCTETS: usize = 253;

/// The accounts of a file, as they were when it was read.
#[derive(Debug)]
pub struct Accounts {
    file: FileText,
    lines: Vec<Line>,
    memory: Memory,
}

#[derive(Debug)]
pub(crate) enum Line {
    Account {
        name: String,
        hash: PasswordHash,
        limits: Option<Limits>,
    },
    /// A comment, or nothing.
    Other(String),
}

/// A file of accounts, and what it looked like when it was last read.
#[derive(Debug)]
pub(crate) struct FileText {
    path: PathBuf,
    /// `None` before it was read.
    stamp: Option<Option<Stamp>>,
}

/// What changes when a file is replaced or written.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    octets: u64,
    modified: (i64, i64),
}

/// Why the accounts cannot be read or changed.
#[derive(Debug)]
pub enum AccountsError {
    /// The file system says no.
    Io {
        /// Which file.
        path: PathBuf,
        /// What was tried, as in "read".
        doing: &'static str,
        /// What came back.
        error: io::Error,
    },
    /// A line is not what it should be.
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A name that an account cannot have.
    Name(String),
    /// There is such an account already.
    Exists(String),
    /// There is no such account.
    Unknown(String),
}

impl fmt::Display for AccountsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, doing, error } => {
                write!(f, "cannot {doing} {}: {error}", path.display())?;
                match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("; run as the user that runs the gateway, usually root")
                    }
                    _ => Ok(()),
                }
            }
            Self::Line { path, line, message } => write!(f, "{}:{line}: {message}", path.display()),
            Self::Name(name) => write!(
                f,
                "{name:?} cannot be an account; use 1 to {MAX_NAME_OCTETS} octets without ':' or control characters, not \
                 beginning with '#' and without spaces around"
            ),
            Self::Exists(name) => write!(f, "there is an account {name:?} already; set its password instead"),
            Self::Unknown(name) => write!(f, "there is no account {name:?}"),
        }
    }
}

// The sentence tells the cause already.
impl std::error::Error for AccountsError {}

impl Accounts {
    /// Reads the file; one that is not there has no accounts.
    pub fn load(path: &Path) -> Result<Self, AccountsError> {
        let file = FileText::new(path.to_owned());
        let mut accounts = Self { file, lines: Vec::new(), memory: Memory::default() };
        accounts.reload_if_changed()?;
        Ok(accounts)
    }

    /// Reads the file again when it has changed since, and says whether it had. After an error the accounts are those
    /// of before, and the next call tries again.
    pub fn reload_if_changed(&mut self) -> Result<bool, AccountsError> {
        self.file.read_if_changed(|path, text| {
            self.lines =
                parse(text).map_err(|(line, message)| AccountsError::Line { path: path.to_owned(), line, message })?;
            Ok(())
        })
    }

    /// The question whether a password is that of `name`. Knowing no such name takes as long as a wrong password.
    #[must_use]
    pub fn check(&self, name: &str) -> PasswordCheck {
        match self.find(name) {
            Some(hash) => PasswordCheck::of_account(hash.clone(), self.memory.clone()),
            None => PasswordCheck::of_nobody(self.iter().next().map(|(_, h)| h.clone()), self.memory.clone()),
        }
    }

    /// True when there is an account of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Names in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// True when nobody can log in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// Adds an account. Nothing is written before [`edit_accounts`] ends.
    pub fn add(&mut self, name: &str, hash: PasswordHash) -> Result<(), AccountsError> {
        if !is_name(name) {
            return Err(AccountsError::Name(name.to_owned()));
        }
        if self.contains(name) {
            return Err(AccountsError::Exists(name.to_owned()));
        }
        self.lines.push(Line::Account { name: name.to_owned(), hash, limits: None });
        Ok(())
    }

    /// Gives an account another password.
    pub fn set_password(&mut self, name: &str, new: PasswordHash) -> Result<(), AccountsError> {
        let (hash, _) = self.account_mut(name)?;
        *hash = new;
        Ok(())
    }

    /// Gives an account other limits, or none.
    pub fn set_limits(&mut self, name: &str, new: Option<Limits>) -> Result<(), AccountsError> {
        let (_, limits) = self.account_mut(name)?;
        *limits = new;
        Ok(())
    }

    /// What the account may use in all; none if nothing is limited, or there is no such account.
    #[must_use]
    pub fn limits(&self, name: &str) -> Option<&Limits> {
        self.lines.iter().find_map(|line| match line {
            Line::Account { name: found, limits, .. } if found == name => limits.as_ref(),
            _ => None,
        })
    }

    /// The hash of the account's password.
    #[must_use]
    pub fn hash(&self, name: &str) -> Option<&PasswordHash> {
        self.find(name)
    }

    /// Takes an account away.
    pub fn remove(&mut self, name: &str) -> Result<(), AccountsError> {
        let before = self.lines.len();
        self.lines.retain(|line| !matches!(line, Line::Account { name: found, .. } if found == name));
        if self.lines.len() == before { Err(AccountsError::Unknown(name.to_owned())) } else { Ok(()) }
    }

    fn account_mut(&mut self, wanted: &str) -> Result<(&mut PasswordHash, &mut Option<Limits>), AccountsError> {
        let of_wanted = |line| match line {
            &mut Line::Account { ref name, ref mut hash, ref mut limits } if name == wanted => Some((hash, limits)),
            _ => None,
        };
        self.lines.iter_mut().find_map(of_wanted).ok_or_else(|| AccountsError::Unknown(wanted.to_owned()))
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &PasswordHash)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Account { name, hash, .. } => Some((name.as_str(), hash)),
            Line::Other(_) => None,
        })
    }

    fn find(&self, name: &str) -> Option<&PasswordHash> {
        self.iter().find(|(found, _)| *found == name).map(|(_, hash)| hash)
    }

    fn write(&self) -> Result<(), AccountsError> {
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Account { name, hash, limits } => {
                    text.extend([name, ":", hash.as_str()]);
                    if let Some(limits) = limits {
                        text.extend([":", &limits.to_line()]);
                    }
                    text.push('\n');
                }
                Line::Other(other) => text.extend([other, "\n"]),
            }
        }
        replace_file(&self.file.path, &text).map_err(|e| self.file.io("write", e))
    }
}

impl FileText {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, stamp: None }
    }

    /// Hands the text to `take` when the file has changed since the last time, and says whether it had; a file that is
    /// not there is empty. After an error the next call tries again.
    pub(crate) fn read_if_changed(
        &mut self,
        take: impl FnOnce(&Path, &str) -> Result<(), AccountsError>,
    ) -> Result<bool, AccountsError> {
        // The stamp first: a change between it and the reading is seen again rather than never.
        let stamp = stamp(&self.path).map_err(|e| self.io("look at", e))?;
        if self.stamp.as_ref() == Some(&stamp) {
            return Ok(false);
        }
        let text = match &stamp {
            None => String::new(),
            Some(stamp) if stamp.octets > MAX_FILE_OCTETS => {
                let error = io::Error::other(format!("it has more than {MAX_FILE_OCTETS} octets"));
                return Err(self.io("read", error));
            }
            Some(_) => std::fs::read_to_string(&self.path).map_err(|e| self.io("read", e))?,
        };
        take(&self.path, &text)?;
        self.stamp = Some(stamp);
        Ok(true)
    }

    fn io(&self, doing: &'static str, error: io::Error) -> AccountsError {
        AccountsError::Io { path: self.path.clone(), doing, error }
    }
}

/// Reads the file, lets `change` change it, and writes it, with mode 0600. Others that do the same at the same time
/// wait. When `change` fails nothing is written. The directory is made, with mode 0700, when it is not there.
pub fn edit_accounts<T>(
    path: &Path,
    change: impl FnOnce(&mut Accounts) -> Result<T, AccountsError>,
) -> Result<T, AccountsError> {
    let lock_path = beside(path, ".lock");
    let io = |error| AccountsError::Io { path: lock_path.clone(), doing: "lock", error };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        let io = |error| AccountsError::Io { path: directory.to_owned(), doing: "make", error };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io)?;
    }
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path).map_err(io)?;
    lock.lock().map_err(io)?;
    let mut accounts = Accounts::load(path)?;
    let outcome = change(&mut accounts)?;
    accounts.write()?;
    Ok(outcome)
}

pub(crate) fn parse(text: &str) -> Result<Vec<Line>, (usize, String)> {
    let mut names = HashSet::new();
    let mut lines = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let wrong = |message: String| (i + 1, message);
        if line.trim().is_empty() || line.starts_with('#') {
            lines.push(Line::Other(line.to_owned()));
            continue;
        }
        let (name, hash) = line
            .split_once(':')
            .ok_or_else(|| wrong("there is no ':'; a line is name:hash, as `poblano user add` writes it".to_owned()))?;
        if !is_name(name) {
            return Err(wrong(AccountsError::Name(name.to_owned()).to_string()));
        }
        let advice = |why| wrong(format!("what stands after {name:?} {why}; set it with `poblano user`"));
        let (hash, limits) = hash.split_once(':').map_or((hash, None), |(hash, limits)| (hash, Some(limits)));
        let hash = PasswordHash::parse(hash.trim_end()).map_err(advice)?;
        let limits = limits.map(|limits| Limits::from_line(limits.trim_end())).transpose();
        let limits = limits.map_err(|why| wrong(format!("the limits of {name:?}: {why}")))?;
        if !names.insert(name) {
            return Err(wrong(format!("there is an account {name:?} above already; take one away")));
        }
        lines.push(Line::Account { name: name.to_owned(), hash, limits });
    }
    Ok(lines)
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_OCTETS).contains(&name.len())
        && !name.starts_with('#')
        && name.trim() == name
        && !name.contains(|c: char| c == ':' || c.is_control())
}

fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match std::fs::metadata(path) {
        Ok(m) => Ok(Some(Stamp { inode: m.ino(), octets: m.size(), modified: (m.mtime(), m.mtime_nsec()) })),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Puts a new file, for its owner only, in the place of the old one, so that a reader, or a power cut, finds one of the
/// two and whole.
///
/// # Errors
/// What the system says.
pub fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let draft = beside(path, ".new");
    // What a crash left there may have another mode.
    match std::fs::remove_file(&draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    // The new name lasts only when the folder is on disk too.
    File::open(folder(path))?.sync_all()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
