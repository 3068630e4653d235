//! Vouchers, accounts with limits, and devices of those who accept the terms alone: what each may use over all of its
//! sessions and devices.
//!
//! * A session that is over adds what it used to its allowance. What is left is divided among those that run: time that
//!   counts online in equal parts, so that it ends for all at the same moment; of data each may use all that is left,
//!   and it is looked again every [`LOOK`] while there are several. What they then have used too much is what they used in
//!   that time.
//! * A session that runs is written down as each other one is, and its allowance together with its end: after a crash
//!   nothing is used twice, and what is lost is what sessions lose. If sessions are not kept (`session.outage`), the
//!   allowance is written down once in [`engine::gateway::KEEP_EVERY`].
//! * One more device than there may be takes the place of the one that has been silent longest, if that is long enough.

mod bookmark;
mod bucket;
mod devices;
mod divide;
mod tally;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use config::{AuthMethod, Config};
use engine::session::{Grant, Source};
use fastpath::police::Rate;
use fastpath::session::SlotIndex;
use portal::Declined;
use store::{Accounts, AllowanceRecord, Code, Limits, Over, Used, Voucher};
use wire::Now;

use self::bookmark::Bookmarks;
use self::bucket::Bucket;
use self::devices::Devices;
pub(crate) use self::devices::{NAME as BY_TERMS, device};
pub(crate) use self::divide::Live;
use self::tally::Refusals;
pub(crate) use self::tally::{Batch, Fate};

/// How often several sessions of one allowance are looked at.
pub(crate) const LOOK: Duration = Duration::from_secs(2);
/// Vouchers that are kept, at some 400 octets of memory each. When there are more, those that are over go, the oldest first.
pub(crate) const MOST_VOUCHERS: usize = 20_000;
/// Vouchers that are made at once.
pub(crate) const MOST_AT_ONCE: u32 = 1_000;
/// Octets of the longest packet there is: one that the kernel has put together of several.
const PACKET: u64 = 65_536;
/// Wrong codes at once. Who is to fill it needs two hundred devices with a lease each, five tries of every one.
const WRONG_CODES: u32 = 1000;
/// Time after which one is forgotten.
const FORGET_WRONG_CODE: Duration = Duration::from_millis(100);
/// Before 2020 nobody has set the machine's date.
const FIRST_DATE: Duration = Duration::from_secs(1_577_836_800);

/// All of them.
pub(crate) struct Allowances {
    entries: RefCell<HashMap<String, Entry>>,
    serials: RefCell<HashMap<Code, u32>>,
    /// Those whose sessions share what is left anew.
    unsettled: RefCell<BTreeSet<String>>,
    wrong_codes: RefCell<Bucket>,
    refusals: RefCell<Refusals>,
    /// Vouchers by which somebody came in for the first time, since the gateway started.
    sold: Cell<u64>,
    bookmarks: Bookmarks,
    devices: Devices,
    replace_after: Option<Duration>,
    takes_vouchers: bool,
    keeps_sessions: bool,
    next_serial: Cell<u32>,
    next_batch: Cell<u32>,
}

/// A voucher, or an account.
#[derive(Debug, Default)]
struct Entry {
    voucher: Option<Voucher>,
    limits: Limits,
    /// Of an account that has not logged in, its file may be unreadable: its sessions stay as they are.
    is_known: bool,
    used: Used,
    online: Vec<SlotIndex>,
}

/// Who may come in.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) grant: Grant,
    /// Whose place the guest takes.
    pub(crate) replaced: Option<SlotIndex>,
}

/// Why somebody may not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Declined(Declined),
    /// Codes are being guessed: the next one is looked at after this time.
    Wait(Duration),
    /// The machine's date is not set yet, and would have to say.
    NoDate,
}

impl From<Over> for Refusal {
    fn from(over: Over) -> Self {
        Self::Declined(match over {
            Over::Expired => Declined::Expired,
            Over::UsedUp => Declined::UsedUp,
        })
    }
}

/// A voucher as an operator sees it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) voucher: Voucher,
    pub(crate) used: Used,
    pub(crate) online: Vec<SlotIndex>,
}

impl Allowances {
    /// With what is on the disk, and the secret of bookmarks. Of accounts that are gone, or were granted something else
    /// since, the names are returned: they are to be forgotten.
    pub(crate) fn new(config: &Config, records: Vec<AllowanceRecord>, secret: &[u8; 32]) -> (Self, Vec<String>) {
        let this = Self {
            entries: RefCell::default(),
            serials: RefCell::default(),
            unsettled: RefCell::default(),
            wrong_codes: RefCell::new(Bucket::new(WRONG_CODES, FORGET_WRONG_CODE)),
            refusals: RefCell::default(),
            sold: Cell::new(0),
            bookmarks: Bookmarks::new(secret, config.vouchers.remember),
            devices: Devices::new(config),
            replace_after: config.vouchers.replace_after,
            takes_vouchers: config.auth.methods.contains(&AuthMethod::Vouchers),
            keeps_sessions: config.session.outage.is_some(),
            next_serial: Cell::new(1),
            next_batch: Cell::new(1),
        };
        // Without the file nobody logs in by an account, and none is forgotten.
        let accounts = Accounts::load(&config.auth.accounts).ok();
        let mut forgotten = Vec::new();
        for record in records {
            match record {
                AllowanceRecord::Voucher(voucher, used) => this.enter(voucher, used),
                AllowanceRecord::Account { name, since_unix, used } if name.starts_with(BY_TERMS) => {
                    if !this.enter_device(&name, since_unix, used) {
                        forgotten.push(name);
                    }
                }
                AllowanceRecord::Account { name, since_unix, used } => {
                    let limits = accounts.as_ref().map(|accounts| accounts.limits(&name).cloned().unwrap_or_default());
                    let is_known = limits.is_some();
                    let limits = limits.unwrap_or(Limits { since_unix, ..Limits::default() });
                    if limits.since_unix == since_unix {
                        let entry = Entry { limits, is_known, used, ..Entry::default() };
                        this.entries.borrow_mut().insert(name, entry);
                    } else {
                        forgotten.push(name);
                    }
                }
            }
        }
        (this, forgotten)
    }

    /// The name of the sessions that a code as it was typed is good for.
    pub(crate) fn of_code(&self, now: Now, typed: &str) -> Result<String, Refusal> {
        let code: Code = typed.parse().map_err(|_| Refusal::Declined(Declined::Mistyped))?;
        let mut wrong = self.wrong_codes.borrow_mut();
        wrong.look(now.mono).map_err(Refusal::Wait)?;
        match self.serials.borrow().get(&code) {
            Some(serial) => Ok(name(*serial)),
            None => {
                wrong.fill(now.mono);
                Err(Refusal::Declined(Declined::UnknownCode))
            }
        }
    }

    /// Whether a typed code can be one at all, and vouchers are taken.
    pub(crate) fn may_be_code(&self, typed: &str) -> Result<(), Declined> {
        match typed.parse::<Code>() {
            Ok(_) if self.takes_vouchers => Ok(()),
            Ok(_) => Err(Declined::UnknownCode),
            Err(_) => Err(Declined::Mistyped),
        }
    }

    /// An account with limits logs in. What it used of what it was granted before does not count any more.
    pub(crate) fn of_account(&self, name: &str, limits: &Limits) {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.entry(name.to_owned()).or_default();
        if entry.limits.since_unix != limits.since_unix {
            entry.used = Used::default();
        }
        (entry.limits, entry.is_known) = (limits.clone(), true);
    }

    /// Whether one more device may come in, and with what; `live` are the sessions that run, `gone` the one of them that
    /// the newcomer had itself.
    pub(crate) fn admit(
        &self,
        name: &str,
        live: &[Live],
        gone: Option<SlotIndex>,
        defaults: Grant,
        now: Now,
    ) -> Result<Admission, Refusal> {
        let entries = self.entries.borrow();
        let entry = entries.get(name).ok_or(Refusal::Declined(Declined::UnknownCode))?;
        if entry.voucher.as_ref().is_some_and(|voucher| voucher.revoked || !self.takes_vouchers) {
            return Err(Refusal::Declined(Declined::Expired));
        }
        if entry.limits.need_date() && now.unix < FIRST_DATE {
            return Err(Refusal::NoDate);
        }
        let left = entry.limits.left(&divide::with(&entry.used, live), now.unix.as_secs())?;
        let others = || live.iter().filter(|live| Some(live.slot) != gone);
        let is_full = entry.limits.devices.is_some_and(|devices| others().count() >= devices as usize);
        let replaced = if is_full {
            let silent = others().max_by_key(|live| live.idle);
            let silent = silent.filter(|live| self.replace_after.is_some_and(|after| live.idle >= after));
            Some(silent.ok_or(Refusal::Declined(Declined::TooManyDevices))?.slot)
        } else {
            None
        };
        let devices = others().count() + usize::from(replaced.is_none());
        let changes = divide::of_one(&left, devices, &Live::default(), &defaults);
        let rate = |ours: Option<u64>, default: Rate| ours.map_or(default, Rate::bits_per_second);
        let (rate_up, rate_down) =
            (rate(entry.limits.up, defaults.rate_up), rate(entry.limits.down, defaults.rate_down));
        let grant = Grant { rate_up, rate_down, source: Source::Allowance, ..changes.apply(defaults) };
        Ok(Admission { grant, replaced })
    }

    /// How what is left is divided among the sessions that run: none if it is as it was.
    pub(crate) fn divided(
        &self,
        name: &str,
        live: &[Live],
        defaults: &Grant,
        now: Now,
    ) -> Vec<(SlotIndex, engine::changes::Changes)> {
        let entries = self.entries.borrow();
        let Some(entry) = entries.get(name).filter(|entry| entry.is_known) else { return Vec::new() };
        let left = entry.limits.left(&divide::with(&entry.used, live), now.unix.as_secs());
        divide::among(left, live, defaults)
    }

    /// True if what several sessions use together has to be looked at.
    pub(crate) fn needs_look(&self, name: &str, live: &[Live], now: Now) -> bool {
        let entries = self.entries.borrow();
        let Some(entry) = entries.get(name).filter(|entry| entry.is_known) else { return false };
        match entry.limits.left(&divide::with(&entry.used, live), now.unix.as_secs()) {
            Ok(left) => divide::is_uneven(&left, live),
            Err(_) => !live.is_empty(),
        }
    }

    /// Those of which several devices are online and use the same data.
    pub(crate) fn in_common(&self) -> Vec<String> {
        let entries = self.entries.borrow();
        let several = entries.iter().filter(|(_, entry)| entry.online.len() > 1 && entry.limits.octets.is_some());
        several.map(|(name, _)| name.clone()).collect()
    }

    /// Those with sessions, if nothing else says after a crash what these have used.
    pub(crate) fn to_be_kept(&self) -> Vec<String> {
        let entries = self.entries.borrow();
        let online = entries.iter().filter(|(_, entry)| !self.keeps_sessions && !entry.online.is_empty());
        online.map(|(name, _)| name.clone()).collect()
    }

    /// Its sessions share anew what is left.
    pub(crate) fn unsettle(&self, name: &str) {
        self.unsettled.borrow_mut().insert(name.to_owned());
    }

    /// The next one whose sessions are to share anew what is left.
    pub(crate) fn pop_unsettled(&self) -> Option<String> {
        self.unsettled.borrow_mut().pop_first()
    }

    /// A session of it has begun, or goes on from a former run.
    pub(crate) fn began(&self, name: &str, slot: SlotIndex, now: Now) {
        if let Some(entry) = self.entries.borrow_mut().get_mut(name) {
            entry.online.push(slot);
            let is_first = entry.used.first_unix.is_none();
            entry.used.first_unix.get_or_insert(now.unix.as_secs());
            self.sold.set(self.sold.get() + u64::from(is_first && entry.voucher.is_some()));
            self.unsettle(name);
        }
    }

    /// A session of it is over, and has used so much; `is_out_of_data` if no further packet fitted.
    pub(crate) fn ended(&self, name: &str, slot: SlotIndex, time: Duration, octets: u64, is_out_of_data: bool) {
        if let Some(entry) = self.entries.borrow_mut().get_mut(name) {
            if let Some(at) = entry.online.iter().position(|online| *online == slot) {
                entry.online.swap_remove(at);
            }
            entry.used.time = entry.used.time.saturating_add(time);
            entry.used.octets = entry.used.octets.saturating_add(octets);
            // What is less than a packet is nothing: its guest would come in again and again, and get nowhere.
            if let Some(limit) =
                entry.limits.octets.filter(|limit| is_out_of_data && limit.saturating_sub(entry.used.octets) < PACKET)
            {
                entry.used.octets = entry.used.octets.max(limit);
            }
            self.unsettle(name);
        }
    }

    /// Where its sessions are.
    pub(crate) fn slots(&self, name: &str) -> Vec<SlotIndex> {
        self.entries.borrow().get(name).map_or_else(Vec::new, |entry| entry.online.clone())
    }

    /// What is to be written down of it, with its sessions that run.
    pub(crate) fn record(&self, name: &str, live: &[Live]) -> Option<AllowanceRecord> {
        let entries = self.entries.borrow();
        let entry = entries.get(name)?;
        let used = if self.keeps_sessions { entry.used } else { divide::with(&entry.used, live) };
        Some(match &entry.voucher {
            Some(voucher) => AllowanceRecord::Voucher(voucher.clone(), used),
            None => {
                let since_unix = entry.limits.since_unix;
                AllowanceRecord::Account { name: name.to_owned(), since_unix, used }
            }
        })
    }

    /// What its guests read: of a voucher the code, which is theirs; nothing of a device.
    pub(crate) fn shown(&self, name: &str) -> Option<String> {
        let entries = self.entries.borrow();
        let entry = entries.get(name)?;
        if name.starts_with(BY_TERMS) {
            return Some(String::new());
        }
        Some(entry.voucher.as_ref().map_or_else(|| name.to_owned(), |voucher| voucher.code.to_string()))
    }

    /// What the address of the status page of this session has; of an account the hash of its password says more.
    pub(crate) fn bookmark(&self, name: &str, session_id: &str, password: &str, now: Now) -> Option<String> {
        self.bookmarks.make(name, session_id, password, now)
    }

    /// The allowance and the session that a bookmark is of; it comes from a stranger.
    pub(crate) fn read_bookmark(
        &self,
        text: &str,
        password: impl FnOnce(&str) -> Option<String>,
        now: Now,
    ) -> Option<(String, String)> {
        self.bookmarks.read(text, password, now)
    }

    /// Whether it is a voucher.
    pub(crate) fn is_voucher(&self, name: &str) -> bool {
        self.entries.borrow().get(name).is_some_and(|entry| entry.voucher.is_some())
    }

    /// Makes vouchers; also the names of those that had to go for them.
    ///
    /// # Errors
    /// There is no room for so many.
    pub(crate) fn create(&self, count: u32, like: &Voucher, now: Now) -> Result<(Vec<String>, Vec<String>), String> {
        let forgotten = self.make_room(count as usize, now)?;
        let batch = self.next_batch.get();
        let made = (0..count).map(|_| {
            let code = self.new_code();
            let voucher = Voucher { serial: self.next_serial.get(), code, batch, revoked: false, ..like.clone() };
            let name = voucher.name();
            self.enter(voucher, Used::default());
            name
        });
        Ok((made.collect(), forgotten))
    }

    /// Takes a voucher from elsewhere over, under a number of ours.
    ///
    /// # Errors
    /// Its code is known, or there is no room.
    pub(crate) fn import(&self, voucher: Voucher, used: Used, now: Now) -> Result<(String, Vec<String>), String> {
        if self.serials.borrow().contains_key(&voucher.code) {
            return Err(format!("there is a voucher {} already", voucher.code));
        }
        let forgotten = self.make_room(1, now)?;
        let voucher = Voucher { serial: self.next_serial.get(), ..voucher };
        let name = voucher.name();
        self.enter(voucher, used);
        Ok((name, forgotten))
    }

    /// The number of the next batch.
    pub(crate) fn next_batch(&self) -> u32 {
        self.next_batch.get()
    }

    /// The voucher that an operator names by its code or its number.
    pub(crate) fn find(&self, text: &str) -> Option<Told> {
        let serial = match text.parse::<u32>() {
            Ok(serial) => serial,
            Err(_) => *self.serials.borrow().get(&text.parse::<Code>().ok()?)?,
        };
        self.told(serial)
    }

    /// Vouchers from this number on, as many as asked for at most, of one batch or of all.
    pub(crate) fn list(&self, from: u32, count: usize, batch: Option<u32>) -> Vec<Told> {
        let mut serials: Vec<u32> = self.serials.borrow().values().copied().filter(|serial| *serial >= from).collect();
        serials.sort_unstable();
        let told = serials.into_iter().filter_map(|serial| self.told(serial));
        told.filter(|told| batch.is_none_or(|batch| told.voucher.batch == batch)).take(count).collect()
    }

    /// Changes a voucher. False if there is none.
    pub(crate) fn change(&self, serial: u32, change: impl FnOnce(&mut Voucher)) -> bool {
        let name = name(serial);
        let mut entries = self.entries.borrow_mut();
        let Some(entry) = entries.get_mut(&name) else { return false };
        let Some(voucher) = &mut entry.voucher else { return false };
        change(voucher);
        entry.limits = voucher.limits.clone();
        self.unsettle(&name);
        true
    }

    fn told(&self, serial: u32) -> Option<Told> {
        let entries = self.entries.borrow();
        let entry = entries.get(&name(serial))?;
        Some(Told { voucher: entry.voucher.clone()?, used: entry.used, online: entry.online.clone() })
    }

    fn enter(&self, voucher: Voucher, used: Used) {
        self.next_serial.set(self.next_serial.get().max(voucher.serial.saturating_add(1)));
        self.next_batch.set(self.next_batch.get().max(voucher.batch.saturating_add(1)));
        self.serials.borrow_mut().insert(voucher.code, voucher.serial);
        let (name, limits) = (voucher.name(), voucher.limits.clone());
        let entry = Entry { limits, is_known: true, used, online: Vec::new(), voucher: Some(voucher) };
        self.entries.borrow_mut().insert(name, entry);
    }

    fn new_code(&self) -> Code {
        loop {
            let mut random = [0; 16];
            crate::dice(&mut random);
            let code = Code::new(random);
            if !self.serials.borrow().contains_key(&code) {
                return code;
            }
        }
    }

    /// Forgets vouchers that are over, the oldest first, until there is room for so many.
    fn make_room(&self, count: usize, now: Now) -> Result<Vec<String>, String> {
        let missing = (self.serials.borrow().len() + count).saturating_sub(MOST_VOUCHERS);
        if missing == 0 {
            return Ok(Vec::new());
        }
        let mut over: Vec<(u32, Code)> = {
            let entries = self.entries.borrow();
            let is_over = |entry: &&Entry| entry.online.is_empty() && is_over(entry, now);
            let over = entries.values().filter(is_over).filter_map(|entry| entry.voucher.as_ref());
            over.map(|voucher| (voucher.serial, voucher.code)).collect()
        };
        if over.len() < missing {
            return Err(format!(
                "there is room for {MOST_VOUCHERS} vouchers, and too few of them are over; revoke some first"
            ));
        }
        over.sort_unstable();
        over.truncate(missing);
        let (mut entries, mut serials) = (self.entries.borrow_mut(), self.serials.borrow_mut());
        for (serial, code) in &over {
            serials.remove(code);
            entries.remove(&name(*serial));
        }
        Ok(over.into_iter().map(|(serial, _)| name(serial)).collect())
    }
}

fn is_over(entry: &Entry, now: Now) -> bool {
    entry.voucher.as_ref().is_some_and(|voucher| voucher.revoked)
        || now.unix >= FIRST_DATE && entry.limits.left(&entry.used, now.unix.as_secs()).is_err()
}

fn name(serial: u32) -> String {
    format!("voucher:{serial}")
}
