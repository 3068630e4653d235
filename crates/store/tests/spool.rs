//! Accounting records over crashes, outages of a server, and floods.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use store::{
    AccountedSession, AccountingEvent, AccountingRecord, Backlog, BacklogOutput, Counts, OpenedSpool, Spool, Written,
};
use wire::{GuestKey, MacAddr, Vlan};

use AccountingEvent::{Interim, Off, On, Start, Stop};

const ROOM: u64 = 16 << 20;
const SECOND: Duration = Duration::from_secs(1);

fn record(event: AccountingEvent, session: u32) -> AccountingRecord {
    let [_, a, b, c] = session.to_be_bytes();
    let of_the_gateway = matches!(event, On | Off(_));
    AccountingRecord {
        event,
        at: Written { unix_millis: 1_800_000_000_000 + u64::from(session), boot: [1; 16], boot_millis: 5 },
        session_id: format!("session {session}"),
        session: (!of_the_gateway).then(|| AccountedSession {
            user: "ada".into(),
            key: GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, a, b, c]) },
            address: Ipv4Addr::new(10, a, b, c),
            slot: session,
            class: vec![b"class".to_vec()],
            cui: None,
            by_radius: true,
            used: Counts::default(),
            baseline: Counts::default(),
            duration_millis: 0,
        }),
    }
}

/// A backlog, its file, and a clock.
struct Desk {
    folder: PathBuf,
    opened: OpenedSpool,
    progress: Receiver<()>,
    now: Duration,
}

impl Desk {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("poblano-spool-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        Self::open(folder, ROOM)
    }

    fn open(folder: PathBuf, octets: u64) -> Self {
        let (sender, progress) = channel();
        let made = Box::new(move || {
            let _ = sender.send(()); // the desk may be gone
        });
        let opened = Spool::open(&folder, octets, 7, made).expect("it can be read");
        Self { folder, opened, progress, now: SECOND }
    }

    fn put(&mut self, records: impl IntoIterator<Item = AccountingRecord>) {
        for record in records {
            self.opened.backlog.put(&record);
        }
        self.perform();
    }

    fn perform(&mut self) {
        let backlog = &mut self.opened.backlog;
        let lost = self.opened.spool.perform(std::iter::from_fn(|| backlog.poll_output()));
        assert_eq!(lost, []);
    }

    /// The next record to go, when the disk has it.
    fn next(&mut self) -> (u64, AccountingRecord) {
        loop {
            let progress = self.opened.spool.progress();
            self.opened.backlog.handle_progress(progress.written, progress.synced);
            if let Some(sent) = self.opened.backlog.poll_send(self.now) {
                return sent;
            }
            self.progress.recv_timeout(60 * SECOND).expect("the disk goes on");
        }
    }

    fn taken(&mut self, number: u64) {
        self.opened.backlog.handle_taken(self.now, number);
        self.perform();
    }

    fn send(&mut self, count: usize) -> Vec<(AccountingEvent, String)> {
        (0..count)
            .map(|_| {
                let (number, record) = self.next();
                self.taken(number);
                (record.event, record.session_id)
            })
            .collect()
    }

    /// What a process finds that starts after this one was killed.
    fn crash(self) -> Self {
        let folder = self.folder.with_extension("crashed");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        std::fs::copy(self.folder.join("accounting.log"), folder.join("accounting.log")).expect("it is there");
        drop(self);
        Self::open(folder, ROOM)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn what_no_server_has_taken_is_sent_after_a_crash_and_what_one_has_is_not() {
    let mut desk = Desk::new("crash");
    desk.put([record(Start, 1), record(Stop(1), 1)]);
    assert_eq!(desk.send(1), [(Start, "session 1".into())]);
    desk.put([record(Start, 2)]);
    let _ = desk.next(); // on its way when the process dies
    let _ = desk.next();
    let mut desk = desk.crash();
    assert_eq!(desk.opened.warning, None);
    assert_eq!(desk.opened.ended.iter().collect::<Vec<_>>(), ["session 1"]);
    assert_eq!(desk.opened.begun, [record(Start, 2)], "whose Stop somebody owes");
    assert_eq!(desk.opened.backlog.waiting().records, 2);
    desk.put([record(Stop(2), 2)]);
    let mut sent = desk.send(3);
    sent.sort_by(|a, b| a.1.cmp(&b.1));
    let expected = [(Stop(1), "session 1"), (Start, "session 2"), (Stop(2), "session 2")];
    assert_eq!(sent, expected.map(|(event, id)| (event, id.to_owned())));
    assert_eq!(desk.opened.backlog.waiting().records, 0);
}

#[test]
fn a_damaged_file_is_put_aside_and_what_is_whole_in_it_is_sent() {
    let mut desk = Desk::new("damage");
    desk.put([record(Start, 1), record(Start, 2), record(Start, 3)]);
    let _ = desk.next();
    let file = desk.folder.join("accounting.log");
    let folder = desk.folder.clone();
    let mut octets = std::fs::read(&file).expect("it is there");
    let middle = octets.windows(9).position(|w| w == b"session 2").expect("it is there");
    octets[middle] = b'S';
    drop(desk);
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    std::fs::write(&file, octets).expect("a file");
    let mut desk = Desk::open(folder.clone(), ROOM);
    assert!(desk.opened.warning.as_ref().is_some_and(|told| told.contains("was damaged")));
    assert!(folder.join("accounting.log.damaged").exists());
    let mut sent = desk.send(2);
    sent.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(sent, [(Start, "session 1".to_owned()), (Start, "session 3".to_owned())]);
}

#[test]
fn the_file_does_not_grow_with_what_is_over() {
    let folder = std::env::temp_dir().join(format!("poblano-spool-small-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let mut desk = Desk::open(folder, 1 << 20);
    for round in 0..20 {
        desk.put((0..500).map(|n| record(Start, round * 500 + n)));
        desk.send(500);
    }
    let octets = std::fs::metadata(desk.folder.join("accounting.log")).expect("it is there").len();
    assert!(octets < 1 << 20, "{octets}");
}

/// A backlog whose disk is done at once.
struct Memory(Backlog);

impl Memory {
    fn new(octets: u64) -> Self {
        Self(Backlog::new(octets, 3))
    }

    fn put(&mut self, event: AccountingEvent, session: u32) {
        self.0.put(&record(event, session));
        self.0.handle_progress(u64::MAX - 1, u64::MAX - 1);
    }

    fn next(&mut self, now: Duration) -> Option<(u64, AccountingEvent, u32)> {
        self.0.handle_timeout(now);
        let (number, record) = self.0.poll_send(now)?;
        Some((number, record.event, record.session_id.split_once(' ').expect("as named").1.parse().expect("a number")))
    }

    fn all(&mut self, now: Duration) -> Vec<(u64, AccountingEvent, u32)> {
        std::iter::from_fn(|| self.next(now)).collect()
    }

    fn lost(&mut self) -> Vec<AccountingEvent> {
        let lost = std::iter::from_fn(|| self.0.poll_output());
        lost.filter_map(|output| if let BacklogOutput::Lost(record) = output { Some(record.event) } else { None })
            .collect()
    }
}

#[test]
fn a_record_goes_when_it_is_on_the_disk_and_an_interim_when_it_is_in_the_file() {
    let mut backlog = Backlog::new(ROOM, 1);
    backlog.put(&record(Start, 1));
    backlog.put(&record(Interim, 2));
    assert_eq!(backlog.poll_send(SECOND), None);
    backlog.handle_progress(2, 0);
    assert_eq!(backlog.poll_send(SECOND).map(|(_, record)| record.event), Some(Interim));
    assert_eq!(backlog.poll_send(SECOND), None);
    backlog.handle_progress(2, 2);
    assert_eq!(backlog.poll_send(SECOND).map(|(_, record)| record.event), Some(Start));
}

#[test]
fn records_of_a_session_go_one_after_the_other_and_sessions_beside_each_other() {
    let mut waiting = Memory::new(ROOM);
    for event in [Start, Stop(1)] {
        (1..=3).for_each(|session| waiting.put(event, session));
    }
    let sent = waiting.all(SECOND);
    assert_eq!(sent.iter().map(|(_, event, _)| *event).collect::<Vec<_>>(), [Start; 3]);
    waiting.0.handle_taken(SECOND, sent[1].0);
    assert_eq!(waiting.all(SECOND).iter().map(|s| (s.1, s.2)).collect::<Vec<_>>(), [(Stop(1), sent[1].2)]);
}

#[test]
fn while_nobody_answers_one_record_asks_and_after_it_the_window_grows_with_the_answers() {
    let mut waiting = Memory::new(ROOM);
    (0..3000).for_each(|session| waiting.put(Start, session));
    let first = waiting.all(SECOND);
    assert_eq!(first.len(), 16);
    for (number, ..) in &first {
        waiting.0.handle_untaken(7 * SECOND, *number);
    }
    assert!(waiting.0.waiting().silent);
    assert_eq!(waiting.all(7 * SECOND), [], "a pause");
    assert!(waiting.0.poll_timeout().is_some_and(|due| due > 7 * SECOND && due <= 10 * SECOND));
    let probe = waiting.all(10 * SECOND);
    assert_eq!(probe.len(), 1);
    let now = 11 * SECOND;
    waiting.0.handle_taken(now, probe[0].0);
    let mut answered = waiting.all(now);
    let mut windows = Vec::new();
    while !answered.is_empty() {
        windows.push(answered.len());
        answered.iter().for_each(|sent| waiting.0.handle_taken(now, sent.0));
        answered = waiting.all(now);
    }
    assert_eq!(windows[..4], [17, 34, 68, 136]);
    assert!(windows.iter().all(|window| *window <= 1024), "{windows:?}");
    assert_eq!(waiting.0.waiting().records, 0);
}

#[test]
fn who_logs_in_while_a_backlog_drains_is_accounted_at_once() {
    let mut waiting = Memory::new(ROOM);
    (0..1000).for_each(|session| waiting.put(Stop(1), session));
    waiting.all(SECOND);
    waiting.put(Start, 5000);
    waiting.0.handle_taken(SECOND, 1);
    assert!(waiting.all(SECOND).iter().any(|sent| sent.2 == 5000));
}

#[test]
fn a_record_that_a_server_never_takes_holds_up_nobody_else() {
    let mut waiting = Memory::new(ROOM);
    waiting.put(Start, 1);
    waiting.put(Start, 2);
    let sent = waiting.all(SECOND);
    waiting.0.handle_taken(3 * SECOND, sent[1].0);
    waiting.0.handle_untaken(7 * SECOND, sent[0].0);
    assert!(!waiting.0.waiting().silent);
    waiting.put(Start, 3);
    assert_eq!(waiting.all(7 * SECOND).len(), 1);
    let due = waiting.0.poll_timeout().expect("it is tried again");
    assert!(due > 9 * SECOND && due < 15 * SECOND, "{due:?}");
    assert_eq!(waiting.all(due).iter().map(|s| s.2).collect::<Vec<_>>(), [1]);
}

#[test]
fn the_gateways_own_records_keep_their_place() {
    let mut waiting = Memory::new(ROOM);
    waiting.put(Stop(11), 1);
    waiting.put(On, 100);
    waiting.put(Start, 2);
    waiting.put(Off(6), 101);
    for expected in [Stop(11), On, Start, Off(6)] {
        let sent = waiting.all(SECOND);
        assert_eq!(sent.iter().map(|s| s.1).collect::<Vec<_>>(), [expected]);
        waiting.0.handle_taken(SECOND, sent[0].0);
    }
}

#[test]
fn a_server_that_takes_no_gateway_records_gets_the_others_after_three_tries() {
    let mut waiting = Memory::new(ROOM);
    waiting.put(On, 100);
    waiting.put(Start, 2);
    let mut now = SECOND;
    for _ in 0..3 {
        let sent = waiting.all(now);
        assert_eq!(sent.iter().map(|s| s.1).collect::<Vec<_>>(), [On]);
        waiting.0.handle_untaken(now, sent[0].0);
        now = waiting.0.poll_timeout().expect("it is tried again");
    }
    let first = waiting.next(now).expect("one asks");
    waiting.0.handle_untaken(now, first.0);
    now = waiting.0.poll_timeout().expect("it is tried again");
    let second = waiting.next(now).expect("one asks");
    assert_eq!([first.1, second.1].iter().filter(|event| **event == Start).count(), 1);
}

#[test]
fn an_interim_record_gives_way_to_a_later_record_of_its_session() {
    let mut waiting = Memory::new(ROOM);
    waiting.put(Start, 1);
    let start = waiting.all(SECOND);
    waiting.put(Interim, 1);
    waiting.put(Interim, 1);
    assert_eq!(waiting.0.waiting().records, 2);
    waiting.0.handle_taken(SECOND, start[0].0);
    let interim = waiting.all(SECOND);
    waiting.put(Stop(1), 1);
    assert_eq!(waiting.0.waiting().records, 2, "it may have arrived");
    waiting.0.handle_untaken(9 * SECOND, interim[0].0);
    assert_eq!((waiting.0.waiting().records, waiting.lost()), (1, vec![]));
    assert_eq!(waiting.all(20 * SECOND).iter().map(|s| s.1).collect::<Vec<_>>(), [Stop(1)]);
}

#[test]
fn when_there_is_no_room_the_oldest_interims_go_first_then_the_oldest_others() {
    let mut waiting = Memory::new(ROOM);
    waiting.put(Start, 0);
    let one = std::iter::from_fn(|| waiting.0.poll_output())
        .find_map(
            |output| if let BacklogOutput::Keep(_, octets, _) = output { Some(octets.len() as u64) } else { None },
        )
        .expect("it is kept");
    let mut waiting = Memory::new((one + 34) * 4);
    (1..=2).for_each(|session| waiting.put(Start, session));
    (3..=4).for_each(|session| waiting.put(Interim, session));
    assert_eq!(waiting.lost(), []);
    waiting.put(Stop(1), 5);
    waiting.put(Stop(1), 6);
    assert_eq!(waiting.lost(), [Interim, Interim]);
    waiting.put(Stop(1), 7);
    assert_eq!(waiting.lost(), [Start]);
    assert_eq!(waiting.0.waiting().lost, 3);
    let sent = waiting.all(SECOND);
    waiting.put(Stop(1), 8);
    assert_eq!((sent.len(), waiting.lost()), (4, vec![Stop(1)]), "what is under way is not given up");
}

#[test]
fn what_is_too_old_is_given_up() {
    let mut waiting = Memory::new(ROOM);
    (1..=3).for_each(|session| waiting.put(Start, session));
    waiting.0.handle_age(|at| at.unix_millis < 1_800_000_000_003);
    assert_eq!((waiting.lost(), waiting.0.waiting().records), (vec![Start, Start], 1));
}
