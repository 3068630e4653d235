//! Leases and sessions are written by a thread of their own: who changes one never waits for the disk.
//!
//! What a crash forgets is as it was before. Of a session that began that is an annoyance; of one that ended it would be a
//! guest who is online again. So ends are written soon, as long as guests do not wear out the flash with them.

use std::net::Ipv4Addr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::allowance::AllowanceRecord;
use crate::database::{Allowances, Changes, Store, StoreError, Values};
use crate::lease::LeaseRecord;
use crate::session::SessionRecord;
use wire::{GuestKey, MacAddr, Vlan};

/// So long ends wait for others that come with them.
const SOON: Duration = Duration::from_millis(50);
/// Writes that ends may cause beside the regular ones: so many at once, and then as often as those. A guest can log in and
/// out every ten seconds; in the long run all of them together cause twice the writes that there are without them.
const HASTE: u32 = 100;

/// Hears of a failed write; see [`Writer::start`].
pub type ReportFailure = Box<dyn FnMut(&StoreError) + Send>;

type Done = Box<dyn FnOnce() + Send>;

/// Writes changes in batches. Of several changes of one lease or session between two batches only the last is written.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    capacity: usize,
    every: Duration,
}

#[derive(Default)]
struct State {
    pending: Changes,
    /// Allowances that wait for a change of a session.
    with_session: Allowances,
    /// Who wants to hear that they are written.
    waiting: Vec<Done>,
    /// The next write does not wait for its regular time.
    hurries: bool,
    /// Until then the writes that ends have caused are paid for by the pace of the regular ones.
    paid_until: Option<Instant>,
    lost: u64,
    closing: bool,
}

impl Writer {
    /// Starts the thread. It commits what has changed once in `every`, and sessions that have ended sooner: after a crash,
    /// that much is missing. Each commit costs flash some 20 kB of wear, so a router does well with ten seconds. At most `capacity`
    /// leases and as many sessions wait while the disk does not answer (about 100 and 300 octets each); give it twice the
    /// number of guests.
    ///
    /// `report` is called on the thread when a write fails, once until one succeeds again; what failed is tried again.
    pub fn start(store: Arc<Store>, every: Duration, capacity: usize, report: ReportFailure) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), capacity, every });
        let for_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || for_thread.run(&store, report))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Keeps a lease, new or changed. Does not wait.
    pub fn put_lease(&self, record: &LeaseRecord) {
        self.change(|pending| &mut pending.leases, record.key, Some(record.value_bytes()), false);
    }

    /// Forgets a lease. Does not wait.
    pub fn delete_lease(&self, key: GuestKey) {
        self.change(|pending| &mut pending.leases, key, None, false);
    }

    /// Keeps a session, new or changed. Does not wait.
    pub fn put_session(&self, record: &SessionRecord) {
        self.change(|pending| &mut pending.sessions, record.key, Some(record.value_bytes()), false);
    }

    /// Forgets a session, soon. Does not wait.
    pub fn delete_session(&self, key: GuestKey) {
        self.change(|pending| &mut pending.sessions, key, None, true);
    }

    /// Keeps whether a device is blocked, soon. Does not wait.
    pub fn set_blocked(&self, mac: MacAddr, blocked: bool) {
        let key = GuestKey { lan: 0, vlan: Vlan::NONE, mac };
        self.change(|pending| &mut pending.blocked, key, blocked.then(Vec::new), true);
    }

    /// Keeps the address of its own that a device has, soon. Does not wait.
    pub fn set_host(&self, mac: MacAddr, address: Option<Ipv4Addr>) {
        let key = GuestKey { lan: 0, vlan: Vlan::NONE, mac };
        self.change(|pending| &mut pending.hosts, key, address.map(|address| address.octets().into()), true);
    }

    /// Keeps a voucher, or what an account has used. Does not wait; their owner bounds how many there are.
    pub fn put_allowance(&self, record: &AllowanceRecord) {
        self.change_allowance(record.name(), Some(record.value_bytes()));
    }

    /// The same, in one write with the next change of a session: what a session has used is either still its own after a
    /// crash, or its allowance's, and not both.
    pub fn put_allowance_with_session(&self, record: &AllowanceRecord) {
        self.shared.lock().with_session.insert(record.name(), Some(record.value_bytes().into()));
    }

    /// Forgets a voucher, or what an account has used. Does not wait.
    pub fn delete_allowance(&self, name: String) {
        self.change_allowance(name, None);
    }

    /// Writes soon what has changed so far, and calls `done` on the thread when it has been tried. Does not wait.
    pub fn settle(&self, done: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.lock();
        state.waiting.push(Box::new(done));
        state.hurries = true;
        self.shared.wake.notify_one();
    }

    /// How many changes were dropped because too many waited for the disk. What was to change is as it was on the disk.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lock().lost
    }

    /// Writes what is left and ends the thread. Waits for the disk. Dropping does the same and hides the error.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.join()
    }

    fn change(&self, kind: impl Fn(&mut Changes) -> &mut Values, key: GuestKey, value: Option<Vec<u8>>, hurries: bool) {
        let value = value.map(Vec::into_boxed_slice);
        let mut state = self.shared.lock();
        let was_idle = state.pending.is_empty();
        let with_session = std::mem::take(&mut state.with_session);
        state.pending.allowances.extend(with_session);
        let pending = kind(&mut state.pending);
        if pending.len() >= self.shared.capacity && !pending.contains_key(&key) {
            state.lost += 1;
            return;
        }
        pending.insert(key, value);
        let hastens = hurries && !state.hurries && state.may_hurry(Instant::now(), self.shared.every);
        state.hurries |= hastens;
        if was_idle || hastens {
            self.shared.wake.notify_one();
        }
    }

    fn change_allowance(&self, name: String, value: Option<Vec<u8>>) {
        let mut state = self.shared.lock();
        let was_idle = state.pending.is_empty();
        state.with_session.remove(&name);
        state.pending.allowances.insert(name, value.map(Vec::into_boxed_slice));
        if was_idle {
            self.shared.wake.notify_one();
        }
    }

    fn join(&mut self) -> Result<(), StoreError> {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            // The failure was reported when it happened.
            let _ = self.join();
        }
    }
}

impl State {
    fn may_hurry(&mut self, now: Instant, every: Duration) -> bool {
        let paid_until = self.paid_until.map_or(now, |until| until.max(now));
        let may = paid_until - now < every * HASTE;
        if may {
            self.paid_until = Some(paid_until + every);
        }
        may
    }
}

impl Shared {
    fn run(&self, store: &Store, mut report: ReportFailure) -> Result<(), StoreError> {
        let mut is_failing = false;
        loop {
            let (batch, waiting, closing) = self.next_batch();
            let written = if batch.is_empty() { Ok(()) } else { store.write(&batch) };
            match &written {
                Ok(()) => is_failing = false,
                Err(error) => {
                    if !is_failing {
                        report(error);
                    }
                    is_failing = true;
                    // What came meanwhile is newer.
                    let pending = &mut self.lock().pending;
                    for (key, change) in batch.leases {
                        pending.leases.entry(key).or_insert(change);
                    }
                    for (key, change) in batch.sessions {
                        pending.sessions.entry(key).or_insert(change);
                    }
                    for (key, change) in batch.blocked {
                        pending.blocked.entry(key).or_insert(change);
                    }
                    for (key, change) in batch.hosts {
                        pending.hosts.entry(key).or_insert(change);
                    }
                    for (name, change) in batch.allowances {
                        pending.allowances.entry(name).or_insert(change);
                    }
                }
            }
            waiting.into_iter().for_each(|done| done());
            if closing {
                return written;
            }
            self.pause();
        }
    }

    /// Waits until something has changed or the end has come.
    fn next_batch(&self) -> (Changes, Vec<Done>, bool) {
        let is_idle = |state: &mut State| state.pending.is_empty() && state.waiting.is_empty() && !state.closing;
        let mut state = self.wake.wait_while(self.lock(), is_idle).unwrap_or_else(PoisonError::into_inner);
        state.hurries = false;
        if state.closing {
            let with_session = std::mem::take(&mut state.with_session);
            state.pending.allowances.extend(with_session);
        }
        (std::mem::take(&mut state.pending), std::mem::take(&mut state.waiting), state.closing)
    }

    /// Waits between two batches, but not when the end has come.
    fn pause(&self) {
        let began = Instant::now();
        let mut state = self.lock();
        while !state.closing {
            let until = began + if state.hurries { SOON.min(self.every) } else { self.every };
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|l| !l.is_zero()) else { return };
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A panic while it was held leaves a map that is as good as before.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc;

    use wire::{MacAddr, Vlan};

    use super::*;
    use crate::allowance::Used;

    fn lease(guest: u8) -> LeaseRecord {
        LeaseRecord {
            key: GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, 0, guest]) },
            address: Ipv4Addr::new(10, 85, 0, guest),
            foreign: None,
            hostname: None,
            expires_unix_secs: 1_800_000_000,
        }
    }

    #[test]
    fn ends_hasten_writes_only_so_often() {
        let (mut state, every, now) = (State::default(), Duration::from_secs(2), Instant::now());
        assert_eq!((0..1000).filter(|_| state.may_hurry(now, every)).count(), 100);
        let hour = (0..3600).filter(|&n| state.may_hurry(now + Duration::from_secs(n), every)).count();
        assert_eq!(hour, 1800);
    }

    #[test]
    fn what_a_session_used_is_written_together_with_its_end() {
        let record = |octets| AllowanceRecord::Account {
            name: "ada".into(),
            since_unix: 0,
            used: Used { octets, ..Used::default() },
        };
        let shared = Shared { state: Mutex::default(), wake: Condvar::new(), capacity: 10, every: Duration::ZERO };
        let writer = Writer { shared: Arc::new(shared), thread: None };
        writer.put_allowance_with_session(&record(1));
        assert!(writer.shared.lock().pending.is_empty());
        writer.delete_session(lease(1).key);
        let (batch, ..) = writer.shared.next_batch();
        assert_eq!((batch.sessions.len(), batch.allowances.len()), (1, 1));
        writer.put_allowance_with_session(&record(2));
        writer.put_allowance(&record(3));
        writer.delete_session(lease(1).key);
        let (batch, ..) = writer.shared.next_batch();
        assert_eq!(batch.allowances["ada"].as_deref(), Some(&*record(3).value_bytes()), "the newer one");
    }

    #[test]
    fn a_failing_disk_is_reported_once_and_what_failed_is_written_later() {
        let directory = std::env::temp_dir().join(format!("poblano-store-failing-{}", std::process::id()));
        let store = Arc::new(Store::open(&directory).expect("a temporary folder").store);
        let file = directory.join("state.redb");
        // A folder in the place of the file: it cannot be opened.
        store.close_as_after_an_error();
        std::fs::remove_file(&file).expect("it is there");
        std::fs::create_dir(&file).expect("its name is free");
        let (sender, reports) = mpsc::channel();
        let report = Box::new(move |e: &StoreError| sender.send(e.to_string()).expect("the test listens"));
        let writer = Writer::start(store.clone(), Duration::ZERO, 100, report).expect("a thread");
        writer.put_lease(&lease(1));
        let told = reports.recv_timeout(Duration::from_secs(60)).expect("a report");
        assert!(told.starts_with("cannot read or write "), "{told}");
        writer.put_lease(&lease(2));
        std::fs::remove_dir(&file).expect("it is empty");
        writer.close().expect("the disk works again");
        assert_eq!(store.leases().expect("it can be read").records, [lease(1), lease(2)]);
        assert_eq!(reports.try_iter().count(), 0, "reported once");
        std::fs::remove_dir_all(&directory).expect("our own folder");
    }
}
