//! What a durable accounting record costs: time, and octets that the disk is given (of the file alone; a file system's
//! journal comes on top). The spool beside the database, one at a time and three hundred at once, which is a tenth of a
//! second of 3,000 logins: `cargo bench -p poblano-store [DIRECTORY]`

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use store::{
    AccountedSession, AccountingEvent, AccountingRecord, Changes, Counts, OpenedSpool, SessionRecord, Spool, Store,
    Written,
};
use wire::{GuestKey, MacAddr, Vlan};

const ROUNDS: u32 = 30;

fn main() {
    let folder =
        std::env::args().skip(1).find(|arg| !arg.starts_with("--")).map_or_else(std::env::temp_dir, Into::into);
    let folder = folder.join(format!("poblano-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    say(&format!("{:<28} {:>12} {:>16}", "records at once", "milliseconds", "octets a record"));
    for count in [1, 300] {
        tell(&format!("spool {count}"), count, spool(&folder, count));
        tell(&format!("database {count}"), count, database(&folder, count));
    }
    enqueue(&folder);
    std::fs::remove_dir_all(&folder).expect("our own folder");
}

fn tell(what: &str, count: u32, (time, octets): (Duration, u64)) {
    say(&format!("{what:<28} {:>12.2} {:>16}", time.as_secs_f64() * 1000.0, octets / u64::from(count)));
}

#[expect(clippy::print_stdout, reason = "what this program is for")]
fn say(line: &str) {
    println!("{line}");
}

/// Mean time until so many records are on the disk, and octets for it.
fn spool(folder: &Path, count: u32) -> (Duration, u64) {
    let (sender, progress) = channel();
    let made = Box::new(move || {
        let _ = sender.send(()); // at the end nobody listens
    });
    let OpenedSpool { mut backlog, spool, .. } = Spool::open(folder, 64 << 20, 1, made).expect("a spool");
    let mut number = 0;
    let mut round = || {
        for _ in 0..count {
            number += 1;
            backlog.put(&record(number as u32));
        }
        spool.perform(std::iter::from_fn(|| backlog.poll_output()));
        while spool.progress().synced < number {
            progress.recv().expect("the thread lives");
        }
    };
    measure(|| {
        round();
        std::thread::sleep(Duration::from_millis(110)); // until the next write is due
    })
}

fn database(folder: &Path, count: u32) -> (Duration, u64) {
    let store = Store::open(folder).expect("a store").store;
    let mut number = 0;
    measure(|| {
        let mut changes = Changes::default();
        for _ in 0..count {
            number += 1;
            changes.put_session(&session(number));
        }
        store.write(&changes).expect("it is written");
        std::thread::sleep(Duration::from_millis(110));
    })
}

/// How long the control thread is busy when all sessions end.
fn enqueue(folder: &Path) {
    let opened = Spool::open(folder, 1 << 30, 1, Box::new(|| {})).expect("a spool");
    let OpenedSpool { mut backlog, spool, .. } = opened;
    let records: Vec<_> = (0..100_000).map(record).collect();
    let start = Instant::now();
    records.iter().for_each(|record| backlog.put(record));
    let put = start.elapsed();
    spool.perform(std::iter::from_fn(|| backlog.poll_output()));
    say(&format!("100,000 at once are taken in {put:?}, given to the thread in {:?}", start.elapsed() - put));
    spool.close();
    say(&format!("and on the disk after {:?}", start.elapsed()));
}

fn measure(mut round: impl FnMut()) -> (Duration, u64) {
    round();
    let (start, before) = (Instant::now(), written());
    (0..ROUNDS).for_each(|_| round());
    let pause = Duration::from_millis(110) * ROUNDS;
    (start.elapsed().saturating_sub(pause) / ROUNDS, (written() - before) / u64::from(ROUNDS))
}

/// Octets that this process has given to disks.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|octets| octets.parse().ok()).unwrap_or(0)
}

fn key(n: u32) -> GuestKey {
    let [_, a, b, c] = n.to_be_bytes();
    GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, a, b, c]) }
}

const WRITTEN: Written = Written { unix_millis: 1_800_000_000_000, boot: [1; 16], boot_millis: 1 };

fn record(n: u32) -> AccountingRecord {
    AccountingRecord {
        event: AccountingEvent::Start,
        at: WRITTEN,
        session_id: format!("000001{n:08x}12345678"),
        session: Some(AccountedSession {
            user: "guest@hotel.example".into(),
            key: key(n),
            address: Ipv4Addr::from_bits(n),
            slot: n,
            class: vec![vec![7; 16]],
            cui: None,
            by_radius: true,
            used: Counts::default(),
            baseline: Counts::default(),
            duration_millis: 0,
        }),
    }
}

fn session(n: u32) -> SessionRecord {
    SessionRecord {
        key: key(n),
        address: Ipv4Addr::from_bits(n),
        slot: n,
        id: format!("000001{n:08x}12345678"),
        user: "guest@hotel.example".into(),
        written: WRITTEN,
        duration_millis: 0,
        baseline: Counts::default(),
        used: Counts::default(),
        timeout_millis: None,
        until_millis: None,
        source: 0,
        idle_timeout_millis: None,
        interim_millis: None,
        rate_up: None,
        rate_down: None,
        quota_up: None,
        quota_down: None,
        quota_total: None,
        joined: None,
        class: vec![vec![7; 16]],
        cui: None,
    }
}
