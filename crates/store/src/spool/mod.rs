//! Accounting records wait here until a server has taken them, over crashes and outages.
//!
//! * A record is in the file before it is sent, and those that nothing supersedes (all but interim records) are on the
//!   disk for certain. Who makes one never waits: a thread writes at once what has come, which a killed process leaves
//!   to the kernel, and has it brought to the disk at most every [`SYNC_EVERY`], many together.
//! * What a server has taken is marked as over, at the file's end too. When more than half of the file is over it is
//!   written anew and takes the old one's place. Nothing of it needs repair after a crash.
//! * When the disk fails, or is full, that is told once; records are then sent from memory, and the whole is written
//!   anew as soon as the disk takes it. How many wait is bounded in the same way.
//! * What was over less than [`KEEP_OVER`] ago stays in the file: the sessions' own table is written every two seconds,
//!   and what it does not say yet after a crash is said here ([`Opened`]).

mod backlog;
#[cfg(fuzzing)]
pub(crate) mod fuzz;
mod log;
mod record;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use backlog::{Backlog, BacklogOutput, Waiting};
pub use record::{AccountedSession, AccountingEvent, AccountingRecord};

use self::log::{Log, put_frame};
use crate::session::Written;

const FILE_NAME: &str = "accounting.log";
/// Where a damaged file goes, as with the database.
const DAMAGED_NAME: &str = "accounting.log.damaged";

/// 3,000 records a second share ten writes of the disk's tables, and who comes alone waits for no other.
const SYNC_EVERY: Duration = Duration::from_millis(100);
/// Longer than the sessions' table is behind, as far as there is room for it: see [`Room`].
const KEEP_OVER: Duration = Duration::from_secs(5);
/// A small file is not worth writing anew.
const SMALL_FILE_OCTETS: u64 = 256 * 1024;
/// A disk that failed is tried again so often.
const RETRY_EVERY: Duration = Duration::from_secs(10);

/// Hears that something has changed: [`Spool::progress`] says what. Called on the spool's thread.
pub type ProgressMade = Box<dyn Fn() + Send>;

/// How far the disk is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records up to this number survive the process.
    pub written: u64,
    /// Records up to this number survive the machine's power.
    pub synced: u64,
    /// Why the disk takes nothing at present; records then go without it.
    pub failure: Option<String>,
}

/// What a directory held.
pub struct Opened {
    /// The records that no server has taken.
    pub backlog: Backlog,
    /// Keeps what changes.
    pub spool: Spool,
    /// The file was damaged, and is now beside the new one.
    pub warning: Option<String>,
    /// Sessions of which there is a Stop: they are over, whatever the sessions' table says.
    pub ended: HashSet<String>,
    /// Sessions of which there is a Start and no Stop. One that the sessions' table does not know is over too, without
    /// its Stop.
    pub begun: Vec<AccountingRecord>,
    /// When the last record was made: by then the former process was alive.
    pub last: Option<Written>,
}

/// What the file may hold. It is written anew when half of it is neither, and both files are there for a moment: three
/// times as much on the disk.
#[derive(Clone, Copy)]
struct Room {
    /// Records that wait.
    waiting: u64,
    /// What was over a moment ago.
    over: u64,
}

impl Room {
    fn of(octets_max: u64) -> Self {
        let octets = octets_max.saturating_sub(SMALL_FILE_OCTETS);
        Self { waiting: octets / 4, over: octets / 12 }
    }
}

/// The file and its thread.
pub struct Spool {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// By number: what is to be kept, or nothing if it is over. What is over before it was written leaves no trace.
    pending: BTreeMap<u64, Option<Kept>>,
    progress: Progress,
    closing: bool,
}

#[derive(Clone)]
struct Kept {
    content: Arc<[u8]>,
    certain: bool,
}

impl Spool {
    /// Opens what is in `directory` and starts the thread. `octets_max` is what the file may take on the disk, also while
    /// it is written anew: waiting records may take a quarter of it.
    ///
    /// # Errors
    /// The file cannot be read, or there can be no thread. A disk that cannot be written is no error here.
    pub fn open(directory: &Path, octets_max: u64, seed: u64, made: ProgressMade) -> io::Result<Opened> {
        let path = directory.join(FILE_NAME);
        let found = log::read(&path)?;
        let warning = (found.damaged > 0).then(|| {
            let aside = directory.join(DAMAGED_NAME);
            let kept = match std::fs::copy(&path, &aside) {
                Ok(_) => format!("it is now {}", aside.display()),
                Err(error) => format!("it could not be kept ({error})"),
            };
            format!("{} was damaged: {} octets of it hold no records; {kept}", path.display(), found.damaged)
        });
        let room = Room::of(octets_max);
        let mut backlog = Backlog::new(room.waiting, seed);
        let (mut ended, mut begun, mut last) = (HashSet::new(), HashMap::new(), None);
        let mut writing = Writing::new(path, room);
        let last_number = found.records.last_key_value().map_or(0, |(&number, _)| number);
        for (number, (content, over)) in found.records {
            let Some(record) = AccountingRecord::from_bytes(&content) else { continue };
            match record.event {
                AccountingEvent::Start => drop(begun.insert(record.session_id.clone(), record.clone())),
                AccountingEvent::Stop(_) => {
                    begun.remove(&record.session_id);
                    ended.insert(record.session_id.clone());
                }
                _ => {}
            }
            last = Some(record.at);
            if !over {
                let content: Arc<[u8]> = content.into();
                writing.keep(number, Kept { content: Arc::clone(&content), certain: false });
                backlog.restore(number, &record, content);
            }
        }
        backlog.begin_after(last_number);
        let shared = Arc::new(Shared::default());
        shared.lock().progress = Progress { written: last_number, synced: last_number, failure: None };
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || for_thread.run(writing, last_number, &made))?;
        let spool = Self { shared, thread: Some(thread) };
        Ok(Opened { backlog, spool, warning, ended, begun: begun.into_values().collect(), last })
    }

    /// Does what the backlog wants done; gives back what is not the disk's business. Does not wait.
    pub fn perform(&self, outputs: impl Iterator<Item = BacklogOutput>) -> Vec<AccountingRecord> {
        let mut lost = Vec::new();
        let mut state = self.shared.lock();
        for output in outputs {
            match output {
                BacklogOutput::Keep(number, content, certain) => {
                    state.pending.insert(number, Some(Kept { content, certain }));
                }
                BacklogOutput::Forget(number) => {
                    if state.pending.remove(&number).flatten().is_none() {
                        state.pending.insert(number, None);
                    }
                }
                BacklogOutput::Lost(record) => lost.push(*record),
            }
        }
        if !state.pending.is_empty() {
            self.shared.wake.notify_one();
        }
        lost
    }

    /// How far the disk is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared.lock().progress.clone()
    }

    /// Writes what is left and ends the thread. Waits for the disk; says why it took nothing.
    pub fn close(mut self) -> Option<String> {
        self.join();
        self.progress().failure
    }

    fn join(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            self.join();
        }
    }
}

impl Shared {
    fn run(&self, mut writing: Writing, mut newest: u64, made: &ProgressMade) {
        writing.write_anew(); // what a former run left is over or torn in part
        loop {
            {
                let progress = &mut self.lock().progress;
                progress.failure.clone_from(&writing.failure);
                progress.written = newest;
                if !writing.owes_sync || writing.failure.is_some() {
                    progress.synced = newest;
                }
            }
            made();
            let (changes, closing) = self.next(writing.wakes_at());
            newest = newest.max(changes.last_key_value().map_or(0, |(&number, _)| number));
            writing.take(changes, closing);
            if closing {
                self.lock().progress.failure = writing.failure;
                return;
            }
        }
    }

    /// Waits until there is something to write, until then, or until the end.
    fn next(&self, wakes_at: Option<Instant>) -> (BTreeMap<u64, Option<Kept>>, bool) {
        let mut state = self.lock();
        while state.pending.is_empty() && !state.closing {
            let Some(at) = wakes_at else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(left) = at.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        (std::mem::take(&mut state.pending), state.closing)
    }

    /// A panic while it was held leaves a map that is as good as before.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread knows of the file.
struct Writing {
    path: PathBuf,
    /// None after a failure.
    log: Option<Log>,
    failure: Option<String>,
    /// What is not over.
    live: BTreeMap<u64, Kept>,
    live_octets: u64,
    room: Room,
    /// What nothing supersedes and is over, the oldest first.
    over: VecDeque<(Instant, u64, Kept)>,
    over_octets: u64,
    owes_sync: bool,
    next_sync: Instant,
    next_try: Instant,
}

impl Writing {
    fn new(path: PathBuf, room: Room) -> Self {
        let now = Instant::now();
        Self {
            path,
            log: None,
            failure: None,
            live: BTreeMap::new(),
            live_octets: 0,
            room,
            over: VecDeque::new(),
            over_octets: 0,
            owes_sync: false,
            next_sync: now,
            next_try: now,
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        match self.log {
            None => Some(self.next_try),
            Some(_) => {
                let forgets_at = self.over.front().map(|(since, ..)| *since + KEEP_OVER);
                self.owes_sync.then_some(self.next_sync).into_iter().chain(forgets_at).min()
            }
        }
    }

    /// Brings changes to the file, or keeps them in mind as long as it cannot be written.
    fn take(&mut self, changes: BTreeMap<u64, Option<Kept>>, closing: bool) {
        let now = Instant::now();
        let mut frames = Vec::new();
        for (number, change) in changes {
            put_frame(&mut frames, number, change.as_ref().map(|kept| &kept.content[..]));
            match change {
                Some(kept) => {
                    self.owes_sync |= kept.certain;
                    self.keep(number, kept);
                }
                None => {
                    if let Some(kept) = self.live.remove(&number) {
                        self.live_octets -= log::octets_of(kept.content.len());
                        if kept.certain {
                            self.over_octets += log::octets_of(kept.content.len());
                            self.over.push_back((now, number, kept));
                        }
                    }
                }
            }
        }
        let (mut octets, most) = (self.over_octets, self.room.over);
        while let Some((.., kept)) =
            self.over.pop_front_if(|(since, ..)| octets > most || now.duration_since(*since) >= KEEP_OVER)
        {
            octets -= log::octets_of(kept.content.len());
        }
        if self.over.is_empty() {
            self.over.shrink_to_fit();
        }
        self.over_octets = octets;
        match self.append(&frames, now, closing) {
            Some(Ok(octets)) if octets <= 2 * (self.live_octets + self.over_octets) + SMALL_FILE_OCTETS => {}
            None if now < self.next_try && !closing => {}
            _ => self.write_anew(),
        }
    }

    fn keep(&mut self, number: u64, kept: Kept) {
        self.live_octets += log::octets_of(kept.content.len());
        self.live.insert(number, kept);
    }

    /// What the file takes then, if there is one.
    fn append(&mut self, frames: &[u8], now: Instant, closing: bool) -> Option<io::Result<u64>> {
        let log = self.log.as_mut()?;
        let mut outcome = log.append(frames);
        if outcome.is_ok() && (closing || self.owes_sync && now >= self.next_sync) {
            outcome = log.sync();
            self.owes_sync = false;
            self.next_sync = Instant::now() + SYNC_EVERY;
        }
        Some(outcome.map(|()| log.octets()))
    }

    /// All that is not over, and what was over a moment ago, in a file of their own.
    fn write_anew(&mut self) {
        let mut frames = Vec::new();
        for (_, number, kept) in &self.over {
            put_frame(&mut frames, *number, Some(&kept.content));
            put_frame(&mut frames, *number, None);
        }
        for (number, kept) in &self.live {
            put_frame(&mut frames, *number, Some(&kept.content));
        }
        match Log::write_anew(&self.path, &frames) {
            Ok(log) => (self.log, self.failure, self.owes_sync) = (Some(log), None, false),
            Err(error) => {
                self.log = None;
                self.failure = Some(error.to_string());
                self.next_try = Instant::now() + RETRY_EVERY;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::record::tests::record;
    use super::*;

    #[test]
    fn a_full_disk_is_told_nothing_is_lost_and_all_is_written_when_there_is_room() {
        let directory = std::env::temp_dir().join(format!("poblano-spool-full-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a temporary folder");
        let path = directory.join(FILE_NAME);
        let blocked = directory.join("accounting.log.new");
        std::fs::create_dir(&blocked).expect("its name is free"); // it cannot be written anew either
        let mut writing = Writing::new(path.clone(), Room::of(1 << 20));
        writing.log = Some(Log::full());
        let put = |number| {
            let content: Arc<[u8]> = record(AccountingEvent::Start, &format!("session {number}")).to_bytes().into();
            BTreeMap::from([(number, Some(Kept { content, certain: true }))])
        };
        writing.take(put(1), false);
        assert!(writing.failure.is_some() && writing.wakes_at().is_some());
        writing.take(put(2), false);
        writing.take(BTreeMap::from([(1, None)]), false);
        std::fs::remove_dir(&blocked).expect("it is empty");
        writing.next_try = Instant::now();
        writing.take(put(3), false);
        assert_eq!((writing.failure, writing.owes_sync), (None, false));
        let found = log::read(&path).expect("it can be read").records;
        assert_eq!(
            found.into_iter().map(|(n, (_, over))| (n, over)).collect::<Vec<_>>(),
            [(1, true), (2, false), (3, false)]
        );
        std::fs::remove_dir_all(&directory).expect("our own folder");
    }
}
