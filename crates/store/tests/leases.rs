//! Leases and sessions over restarts, crashes and damage.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use store::{
    AllowanceRecord, Changes, Code, Counts, LeaseRecord, Limits, Loaded, SessionRecord, Store, StoreError, Used,
    Voucher, Writer, Written,
};
use wire::{GuestKey, MacAddr, Vlan};

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("poblano-{test}-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn lease(guest: u32) -> LeaseRecord {
    let [_, a, b, c] = guest.to_be_bytes();
    LeaseRecord {
        key: GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, a, b, c]) },
        address: Ipv4Addr::new(10, a, b, c),
        foreign: None,
        hostname: Some(format!("phone-{guest}")),
        expires_unix_secs: 1_800_000_000 + u64::from(guest),
    }
}

fn changes<'a>(
    put: impl IntoIterator<Item = &'a LeaseRecord>,
    delete: impl IntoIterator<Item = &'a GuestKey>,
) -> Changes {
    let mut changes = Changes::default();
    put.into_iter().for_each(|record| changes.put_lease(record));
    delete.into_iter().for_each(|key| changes.delete_lease(*key));
    changes
}

fn open(folder: &Folder) -> Store {
    let opened = Store::open(&folder.0.join("state")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(opened.warning, None);
    opened.store
}

/// The files as a crash at this moment would leave them.
fn crash(folder: &Folder) -> Folder {
    let copy = Folder::new("crashed");
    std::fs::create_dir_all(copy.0.join("state")).expect("a temporary folder");
    std::fs::copy(folder.0.join("state/state.redb"), copy.0.join("state/state.redb")).expect("it is there");
    copy
}

fn loaded(store: &Store) -> Vec<LeaseRecord> {
    let Loaded { records, unreadable: 0 } = store.leases().expect("it can be read") else { panic!("damage") };
    records
}

#[test]
fn leases_are_there_after_a_restart_and_after_a_crash() {
    let folder = Folder::new("restart");
    let store = open(&folder);
    assert_eq!(loaded(&store), []);
    store.write(&changes(&[lease(1), lease(2), lease(3)], [])).expect("it can be written");
    let longer = LeaseRecord { expires_unix_secs: 1_900_000_000, ..lease(3) };
    store.write(&changes([&longer], [&lease(2).key])).expect("it can be written");
    let expected = [lease(1), longer];
    assert_eq!(loaded(&open(&crash(&folder))), expected, "after a crash");
    drop(store);
    assert_eq!(loaded(&open(&folder)), expected, "after a restart");
}

#[test]
fn the_state_is_private() {
    let folder = Folder::new("private-state");
    drop(open(&folder));
    let mode = |path: &str| std::fs::metadata(folder.0.join(path)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode("state"), mode("state/state.redb")), (0o700, 0o600));
}

#[test]
fn every_start_has_its_own_number() {
    let folder = Folder::new("boots");
    for boot in 1..=3 {
        assert_eq!(open(&folder).next_boot().expect("it can be written"), boot);
    }
    let store = open(&folder);
    assert_eq!(store.next_boot().expect("it can be written"), 4);
    assert_eq!(open(&crash(&folder)).next_boot().expect("it can be written"), 5, "a crash forgets none");
}

#[test]
fn a_second_gateway_on_the_same_state_is_refused() {
    let folder = Folder::new("second");
    let first = open(&folder);
    let error = Store::open(&folder.0.join("state")).expect_err("the first one has it");
    assert!(
        matches!(error, StoreError::InUse(_)) && error.to_string().contains("is a gateway running already?"),
        "{error}"
    );
    first.write(&changes([&lease(1)], [])).expect("the first one is not disturbed");
    drop(first);
    assert_eq!(loaded(&open(&folder)), [lease(1)]);
}

#[test]
fn a_state_directory_that_cannot_be_used_is_told() {
    let folder = Folder::new("no-directory");
    std::fs::write(folder.0.join("state"), "a file").expect("writable");
    let error = Store::open(&folder.0.join("state")).expect_err("it is a file").to_string();
    assert!(error.starts_with("cannot use the state directory ") && error.contains("set state.directory"), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_moved_aside_and_the_gateway_starts() {
    for content in [&b"not a database at all"[..], &[0; 4096], &[0xff; 100_000]] {
        let folder = Folder::new("no-database");
        let path = folder.0.join("state");
        std::fs::create_dir(&path).expect("a temporary folder");
        std::fs::write(path.join("state.redb"), content).expect("writable");
        let opened = Store::open(&path).unwrap_or_else(|e| panic!("{e}"));
        let warning = opened.warning.expect("the owner is told");
        assert!(
            warning.contains("state.redb was damaged") && warning.contains("leases and sessions are lost"),
            "{warning}"
        );
        assert_eq!(std::fs::read(path.join("state.redb.damaged")).expect("it is kept"), content);
        opened.store.write(&changes([&lease(1)], [])).expect("the new one works");
        assert_eq!(loaded(&opened.store), [lease(1)]);
    }
}

#[test]
fn no_damage_to_the_file_keeps_the_gateway_from_starting() {
    let folder = Folder::new("damage");
    let store = open(&folder);
    let leases: Vec<_> = (0..200).map(lease).collect();
    store.write(&changes(&leases, [])).expect("it can be written");
    drop(store);
    let whole = std::fs::read(folder.0.join("state/state.redb")).expect("it is there");
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut dice = |sides: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % sides as u64) as usize
    };
    for round in 0..120 {
        let mut damaged = whole.clone();
        match round % 3 {
            // Most of what matters is in the first pages.
            0 => damaged[dice(4096)] ^= 1 << dice(8),
            1 => {
                let at = dice(whole.len() - 512);
                damaged[at..at + 512].fill(0);
            }
            _ => damaged.truncate(dice(whole.len())),
        }
        let copy = Folder::new("damaged");
        let path = copy.0.join("state");
        std::fs::create_dir(&path).expect("a temporary folder");
        std::fs::write(path.join("state.redb"), &damaged).expect("writable");
        let opened = Store::open(&path).unwrap_or_else(|e| panic!("round {round}: {e}"));
        let found = opened.store.leases().unwrap_or_else(|e| panic!("round {round}: {e}"));
        if opened.warning.is_none() {
            assert!(found.records.iter().all(|l| leases.contains(l)), "round {round}: a lease that was never given");
        }
        opened.store.write(&changes([&lease(7)], [])).unwrap_or_else(|e| panic!("round {round}: {e}"));
    }
}

#[test]
fn the_writer_writes_the_last_word_on_each_lease() {
    let folder = Folder::new("writer");
    let store = Arc::new(open(&folder));
    let hour = Duration::from_secs(3600);
    let writer = Writer::start(store.clone(), hour, 100, Box::new(|e| panic!("{e}"))).expect("a thread");
    for expires_unix_secs in 0..1000 {
        writer.put_lease(&LeaseRecord { expires_unix_secs, ..lease(1) });
    }
    writer.put_lease(&lease(2));
    writer.delete_lease(lease(2).key);
    writer.delete_lease(lease(3).key);
    writer.put_lease(&lease(3));
    writer.close().expect("it can be written");
    assert_eq!(loaded(&store), [LeaseRecord { expires_unix_secs: 999, ..lease(1) }, lease(3)]);
}

#[test]
fn a_writer_that_is_dropped_writes_what_is_left() {
    let folder = Folder::new("dropped-writer");
    let store = Arc::new(open(&folder));
    let hour = Duration::from_secs(3600);
    let writer = Writer::start(store.clone(), hour, 100, Box::new(|e| panic!("{e}"))).expect("a thread");
    writer.put_lease(&lease(1));
    drop(writer);
    assert_eq!(loaded(&store), [lease(1)]);
}

#[test]
fn a_flood_of_guests_before_a_slow_disk_is_bounded_and_counted() {
    let folder = Folder::new("flood");
    let store = Arc::new(open(&folder));
    let hour = Duration::from_secs(3600);
    let writer = Writer::start(store.clone(), hour, 10, Box::new(|e| panic!("{e}"))).expect("a thread");
    for guest in 0..1000 {
        writer.put_lease(&lease(guest));
    }
    // The thread takes what waits once, before its pause; the rest waits for the end.
    let lost = writer.lost();
    assert!((980..=990).contains(&lost), "{lost}");
    writer.close().expect("it can be written");
    assert_eq!(loaded(&store).len() as u64, 1000 - lost);
}

fn session(guest: u32, octets_up: u64) -> SessionRecord {
    SessionRecord {
        key: lease(guest).key,
        address: lease(guest).address,
        slot: guest,
        id: format!("session-{guest}"),
        user: "ada".into(),
        written: Written { unix_millis: 1, boot: [1; 16], boot_millis: 2 },
        duration_millis: 3,
        baseline: Counts::default(),
        used: Counts { octets_up, ..Counts::default() },
        timeout_millis: None,
        until_millis: None,
        idle_timeout_millis: None,
        interim_millis: None,
        rate_up: None,
        rate_down: None,
        quota_up: None,
        quota_down: None,
        quota_total: None,
        cui: None,
        source: 0,
        joined: None,
        class: Vec::new(),
    }
}

#[test]
fn sessions_are_written_beside_their_leases_and_are_there_after_a_crash() {
    let folder = Folder::new("sessions");
    let store = Arc::new(open(&folder));
    assert_eq!(store.sessions().expect("it can be read").records, [], "a state of before there were any");
    let hour = Duration::from_secs(3600);
    let writer = Writer::start(store.clone(), hour, 100, Box::new(|e| panic!("{e}"))).expect("a thread");
    writer.put_lease(&lease(1));
    for octets in 0..1000 {
        writer.put_session(&session(1, octets));
    }
    writer.put_session(&session(2, 5));
    writer.delete_session(session(2, 5).key);
    writer.put_session(&session(3, 5));
    writer.close().expect("it can be written");
    let store = open(&crash(&folder));
    assert_eq!(loaded(&store), [lease(1)]);
    assert_eq!(store.sessions().expect("it can be read").records, [session(1, 999), session(3, 5)]);
}

#[test]
fn a_session_that_ends_is_written_at_once_and_does_not_come_back_after_a_crash() {
    let folder = Folder::new("ended");
    let store = Arc::new(open(&folder));
    let hour = Duration::from_secs(3600);
    let writer = Writer::start(store.clone(), hour, 100, Box::new(|e| panic!("{e}"))).expect("a thread");
    let settle = || {
        let (sender, done) = mpsc::channel();
        writer.settle(move || sender.send(()).expect("we wait"));
        done.recv_timeout(Duration::from_secs(60)).expect("it is written");
    };
    writer.put_session(&session(1, 5));
    writer.put_session(&session(2, 5));
    settle();
    assert_eq!(store.sessions().expect("it can be read").records.len(), 2);
    // From now on nothing else would be written for an hour.
    writer.delete_session(session(1, 5).key);
    while store.sessions().expect("it can be read").records.len() == 2 {
        std::thread::yield_now();
    }
    let store = open(&crash(&folder));
    assert_eq!(store.sessions().expect("it can be read").records, [session(2, 5)]);
}

#[test]
fn vouchers_and_secrets_are_there_after_a_restart() {
    let folder = Folder::new("vouchers");
    let store = open(&folder);
    let voucher = Voucher {
        serial: 1,
        code: Code::new([3; 16]),
        batch: 1,
        revoked: false,
        note: "bar".into(),
        price: "5".into(),
        limits: Limits::from_line("seconds=7200,octets=1000000000").expect("limits"),
    };
    let used = Used { first_unix: Some(1_800_000_000), time: Duration::from_millis(1500), octets: 77 };
    let account = AllowanceRecord::Account { name: "ada".into(), since_unix: 5, used };
    let records = [account, AllowanceRecord::Voucher(voucher, used)];
    let mut changes = Changes::default();
    records.iter().for_each(|record| changes.put_allowance(record));
    store.write(&changes).expect("the disk works");
    let secret = store.secret("bookmarks", [7; 32]).expect("the disk works");
    drop(store);
    let store = open(&folder);
    assert_eq!(store.allowances().expect("it can be read"), Loaded { records: records.into(), unreadable: 0 });
    assert_eq!(store.secret("bookmarks", [8; 32]).expect("it can be read"), secret);
}
