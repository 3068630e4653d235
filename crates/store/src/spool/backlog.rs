//! Which record goes to the servers next, and which one is given up when there are too many.
//!
//! * Records of one session go in order, each when a server has taken the one before. Sessions go beside each other, as
//!   many as the window allows: it begins at [`FIRST_WINDOW`] and grows by one with each record taken, so a server that
//!   comes back is not flooded. The oldest and the newest take turns: a backlog drains, and who logs in now is accounted
//!   now.
//! * When nobody answers, one record at a time asks, with pauses of 1 to 3 seconds by dice. When others are answered but
//!   one is not, that one alone waits, longer each time: a server may refuse a record for what is in it.
//! * The gateway's own records end sessions (RFC 2866, 5.1), so they neither overtake others nor are overtaken: what
//!   stands before them has been taken, or tried [`HOLD_TRIES`] times.
//! * An interim record that has not gone yet when another one of its session comes is superseded. When the records take
//!   more than they may, the oldest interim records are given up, then the oldest others; those under way are not.
//!
//! Opens nothing, reads no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::log::octets_of;
use super::record::AccountingRecord;
use crate::session::Written;

/// Records under way when a server begins to answer.
const FIRST_WINDOW: usize = 16;
/// Records under way at most: with 100 ms to a server and its database that makes 10,000 a second.
const LARGEST_WINDOW: usize = 1024;
/// So often a record is tried before others pass it that must not.
const HOLD_TRIES: u32 = 3;
/// A record that is not answered while others are waits so long the first time, then twice as long each time.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);
const BACKOFF_DOUBLINGS: u32 = 6;
/// While nobody answers, between two tries, on average.
const PAUSE: Duration = Duration::from_secs(2);

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum BacklogOutput {
    /// A record is to be kept: its number, its octets, and whether it goes only when the disk has it for certain.
    Keep(u64, Arc<[u8]>, bool),
    /// The record of this number is no longer needed.
    Forget(u64),
    /// A record was given up.
    Lost(Box<AccountingRecord>),
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Records that no server has taken yet.
    pub records: usize,
    /// When the oldest of them was made.
    pub oldest: Option<Written>,
    /// Records given up since the start.
    pub lost: u64,
    /// Nobody answers.
    pub silent: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// On its way to the disk, or behind another one of its session.
    Waiting,
    /// In `ready`.
    Ready,
    /// Sent at that moment.
    UnderWay(Duration),
    /// In `later`.
    Later(Duration),
}

struct Entry {
    session: Arc<str>,
    content: Arc<[u8]>,
    at: Written,
    is_interim: bool,
    tries: u32,
    era: u32,
    state: State,
}

/// Records between two of the gateway's own, or one of these.
struct Era {
    first: u64,
    /// Records in it that have not been tried often enough.
    holding: usize,
}

type Candidates<'a> = std::collections::btree_set::Range<'a, u64>;

/// Records that wait for a server.
pub struct Backlog {
    entries: BTreeMap<u64, Entry>,
    sessions: HashMap<Arc<str>, VecDeque<u64>>,
    eras: BTreeMap<u32, Era>,
    last_era: u32,
    ready: BTreeSet<u64>,
    later: BTreeSet<(Duration, u64)>,
    /// Those that are not under way.
    interims: BTreeSet<u64>,
    outputs: VecDeque<BacklogOutput>,
    last_number: u64,
    /// Numbers up to these are written, and survive the machine.
    written: u64,
    synced: u64,
    octets: u64,
    octets_max: u64,
    under_way: usize,
    window: usize,
    silent: bool,
    last_taken: Option<Duration>,
    paused_until: Duration,
    newest_next: bool,
    lost: u64,
    dice: u64,
}

impl Backlog {
    /// Without records. They may take `octets_max` octets in the file, and about twice as much memory. `seed` is from the
    /// system's dice.
    #[must_use]
    pub fn new(octets_max: u64, seed: u64) -> Self {
        Self {
            entries: BTreeMap::new(),
            sessions: HashMap::new(),
            eras: BTreeMap::new(),
            last_era: 0,
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            interims: BTreeSet::new(),
            outputs: VecDeque::new(),
            last_number: 0,
            written: 0,
            synced: 0,
            octets: 0,
            octets_max,
            under_way: 0,
            window: FIRST_WINDOW,
            silent: false,
            last_taken: None,
            paused_until: Duration::ZERO,
            newest_next: false,
            lost: 0,
            dice: seed,
        }
    }

    /// Takes what a former run left, in the order of its numbers.
    pub(super) fn restore(&mut self, number: u64, record: &AccountingRecord, content: Arc<[u8]>) {
        (self.written, self.synced) = (number, number);
        self.enter(number, record, content);
    }

    /// The highest number that a former run used: further ones are above it.
    pub(super) fn begin_after(&mut self, number: u64) {
        (self.last_number, self.written, self.synced) = (number, number, number);
    }

    /// Takes a record.
    pub fn put(&mut self, record: &AccountingRecord) {
        let number = self.last_number + 1;
        let content: Arc<[u8]> = record.to_bytes().into();
        self.outputs.push_back(BacklogOutput::Keep(number, Arc::clone(&content), !record.is_superseded_by_later()));
        self.enter(number, record, content);
    }

    /// Hears what the disk has: numbers up to `written` outlive this process, up to `synced` the machine's power.
    pub fn handle_progress(&mut self, written: u64, synced: u64) {
        let new = self.synced.min(self.written)..written.max(synced).saturating_add(1);
        (self.written, self.synced) = (written, synced);
        let reached: Vec<u64> = self.entries.range(new).map(|(&number, _)| number).collect();
        for number in reached {
            self.settle(number);
        }
    }

    /// A server has taken the record.
    pub fn handle_taken(&mut self, now: Duration, number: u64) {
        self.last_taken = Some(now);
        self.window = (self.window + 1).min(LARGEST_WINDOW);
        if std::mem::take(&mut self.silent) {
            self.paused_until = now;
            while let Some((_, number)) = self.later.pop_first() {
                self.set_state(number, State::Waiting);
                self.settle(number);
            }
        }
        self.remove(number);
    }

    /// No server has taken the record: they were silent, or it could not be sent now.
    pub fn handle_untaken(&mut self, now: Duration, number: u64) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let State::UnderWay(since) = entry.state else { return };
        entry.tries += 1;
        let tries = entry.tries;
        if tries == HOLD_TRIES {
            let era = entry.era;
            self.release(era);
        }
        let alone = self.last_taken.is_some_and(|taken| taken >= since);
        if alone {
            let wait = FIRST_BACKOFF * (1 << (tries - 1).min(BACKOFF_DOUBLINGS));
            let due = now + self.jitter(wait);
            self.set_state(number, State::Later(due));
            self.later.insert((due, number));
        } else {
            self.silent = true;
            self.window = FIRST_WINDOW;
            self.paused_until = now + self.jitter(PAUSE);
            self.set_state(number, State::Waiting);
            self.settle(number);
        }
        self.supersede(number);
    }

    /// The record can be sent to nobody.
    pub fn handle_unsendable(&mut self, number: u64) {
        self.lose(number);
    }

    /// Gives up what `is_too_old`, from the oldest on.
    pub fn handle_age(&mut self, is_too_old: impl Fn(&Written) -> bool) {
        while let Some((&number, _)) = self
            .entries
            .iter()
            .find(|(_, entry)| !matches!(entry.state, State::UnderWay(_)))
            .filter(|(_, entry)| is_too_old(&entry.at))
        {
            self.lose(number);
        }
    }

    /// Lets those go on that have waited.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(&(_, number)) = self.later.first().filter(|(due, _)| *due <= now) {
            self.set_state(number, State::Waiting);
            self.settle(number);
        }
    }

    /// When [`Self::handle_timeout`] and [`Self::poll_send`] are wanted next, if nothing else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let may_go = self.under_way < self.window() && self.candidates().next().is_some();
        [self.later.first().map(|(due, _)| *due), may_go.then_some(self.paused_until)].into_iter().flatten().min()
    }

    /// The next thing to do beside sending.
    pub fn poll_output(&mut self) -> Option<BacklogOutput> {
        self.outputs.pop_front()
    }

    /// The next record to send, with its number for [`Self::handle_taken`] or [`Self::handle_untaken`].
    pub fn poll_send(&mut self, now: Duration) -> Option<(u64, AccountingRecord)> {
        if self.under_way >= self.window() || now < self.paused_until {
            return None;
        }
        let next = |mut candidates: Candidates<'_>| {
            if self.newest_next { candidates.next_back() } else { candidates.next() }.copied()
        };
        let number = next(self.candidates())?;
        self.newest_next = !self.newest_next;
        let record = AccountingRecord::from_bytes(&self.entries.get(&number)?.content)?;
        self.ready.remove(&number);
        self.interims.remove(&number);
        self.set_state(number, State::UnderWay(now));
        self.under_way += 1;
        Some((number, record))
    }

    /// How much waits.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        Waiting {
            records: self.entries.len(),
            oldest: self.entries.first_key_value().map(|(_, entry)| entry.at),
            lost: self.lost,
            silent: self.silent,
        }
    }

    /// The records that may go, the oldest first.
    fn candidates(&self) -> Candidates<'_> {
        let current = self.eras.iter().find(|(_, era)| era.holding > 0).map_or(u32::MAX, |(&era, _)| era);
        let bound = self.eras.range(current.saturating_add(1)..).next().map_or(u64::MAX, |(_, era)| era.first);
        self.ready.range(..bound)
    }

    fn window(&self) -> usize {
        if self.silent { 1 } else { self.window }
    }

    fn enter(&mut self, number: u64, record: &AccountingRecord, content: Arc<[u8]>) {
        self.last_number = number;
        let of_the_gateway = record.session.is_none();
        if of_the_gateway && self.eras.contains_key(&self.last_era) {
            self.last_era += 1;
        }
        let era = self.last_era;
        self.eras.entry(era).or_insert(Era { first: number, holding: 0 }).holding += 1;
        if of_the_gateway {
            self.last_era += 1;
        }
        let session = match self.sessions.get_key_value(record.session_id.as_str()) {
            Some((session, _)) => Arc::clone(session),
            None => Arc::from(record.session_id.as_str()),
        };
        self.octets += octets_of(content.len());
        let queue = self.sessions.entry(Arc::clone(&session)).or_default();
        let before = queue.back().copied();
        queue.push_back(number);
        let is_interim = record.is_superseded_by_later();
        let (at, state) = (record.at, State::Waiting);
        self.entries.insert(number, Entry { session, content, at, is_interim, tries: 0, era, state });
        if is_interim {
            self.interims.insert(number);
        }
        self.settle(number);
        if let Some(before) = before {
            self.supersede(before);
        }
        while self.octets > self.octets_max {
            let others = || self.entries.iter().find(|(_, entry)| !matches!(entry.state, State::UnderWay(_)));
            let Some(oldest) = self.interims.first().copied().or_else(|| others().map(|(&n, _)| n)) else { break };
            self.lose(oldest);
        }
    }

    /// Makes a record ready if nothing keeps it.
    fn settle(&mut self, number: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        let reached = if entry.is_interim { self.written } else { self.synced };
        let is_first = self.sessions.get(&entry.session).and_then(|queue| queue.front()) == Some(&number);
        if entry.state == State::Waiting && number <= reached && is_first {
            self.set_state(number, State::Ready);
            self.ready.insert(number);
        }
    }

    /// An interim record that is not under way gives way to a later one of its session.
    fn supersede(&mut self, number: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        let is_last = self.sessions.get(&entry.session).and_then(|queue| queue.back()) == Some(&number);
        if entry.is_interim && !is_last && !matches!(entry.state, State::UnderWay(_)) {
            self.remove(number);
        }
    }

    fn lose(&mut self, number: u64) {
        if let Some(entry) = self.remove(number)
            && let Some(record) = AccountingRecord::from_bytes(&entry.content)
        {
            self.lost += 1;
            self.outputs.push_back(BacklogOutput::Lost(Box::new(record)));
        }
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        self.set_state(number, State::Waiting);
        let entry = self.entries.remove(&number)?;
        self.octets -= octets_of(entry.content.len());
        self.interims.remove(&number);
        if entry.tries < HOLD_TRIES {
            self.release(entry.era);
        }
        if let Some(queue) = self.sessions.get_mut(&entry.session) {
            queue.retain(|waiting| *waiting != number);
            match queue.front().copied() {
                Some(next) => self.settle(next),
                None => drop(self.sessions.remove(&entry.session)),
            }
        }
        self.outputs.push_back(BacklogOutput::Forget(number));
        Some(entry)
    }

    /// One record less in this era that others wait for.
    fn release(&mut self, era: u32) {
        if let Some(found) = self.eras.get_mut(&era) {
            found.holding -= 1;
            if found.holding == 0 && era != self.last_era {
                self.eras.remove(&era);
            }
        }
    }

    /// Leaves the former state as well.
    fn set_state(&mut self, number: u64, state: State) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        match std::mem::replace(&mut entry.state, state) {
            State::Waiting => {}
            State::Ready => drop(self.ready.remove(&number)),
            State::UnderWay(_) => {
                self.under_way -= 1;
                if entry.is_interim {
                    self.interims.insert(number);
                }
            }
            State::Later(due) => drop(self.later.remove(&(due, number))),
        }
    }

    /// From half of `mean` to half as much again.
    fn jitter(&mut self, mean: Duration) -> Duration {
        // SplitMix64
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mean / 2 + mean * (z >> 32) as u32 / u32::MAX
    }
}
