//! What a device may use whose guest has accepted the terms alone: so much time and data in a period, which begins when it
//! first comes in.
//!
//! A device is its MAC address; there is nothing else to know it by before anybody has shown who it is. So a share is no
//! more than what honest devices keep to. Whoever takes address after address gets share after share, and what bounds that
//! is the number of shares that all devices together get in a period.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use config::{AuthMethod, Config};
use portal::Declined;
use store::{Limits, TimeCounts, Used};
use wire::{MacAddr, Now};

use super::bucket::Bucket;
use super::{Allowances, Entry, FIRST_DATE, Refusal};

/// How the names of their sessions begin; no account has a colon.
pub(crate) const NAME: &str = "terms:";
/// Devices that are looked at with each one that comes in: more than one, so that they become fewer.
const LOOKS: usize = 8;
/// A device that is about to come in is not forgotten for so long.
const GRACE_SECS: u64 = 60;

/// What the sessions of a device are called.
pub(crate) fn device(mac: MacAddr) -> String {
    format!("{NAME}{}", mac.to_station_id())
}

/// Of all of them.
pub(super) struct Devices {
    /// None: nobody comes in by the terms alone.
    like: Option<Limits>,
    /// After it, a device gets its share again.
    period_secs: u64,
    shares: RefCell<Bucket>,
    /// When it is looked whether one can be forgotten.
    looks: RefCell<VecDeque<(u64, String)>>,
    /// Shares of a former run count.
    knows_former: Cell<bool>,
}

impl Devices {
    pub(super) fn new(config: &Config) -> Self {
        let terms = &config.click_through;
        let like = Limits {
            time: terms.time,
            counts: TimeCounts::Online,
            octets: terms.data.map(|data| data.0),
            up: terms.rate_up.map(|rate| rate.0),
            down: terms.rate_down.map(|rate| rate.0),
            ..Limits::default()
        };
        let is_share = like.time.is_some() || like.octets.is_some();
        Self {
            like: config.auth.methods.contains(&AuthMethod::ClickThrough).then_some(like),
            period_secs: if is_share { terms.again.as_secs() } else { 0 },
            shares: RefCell::new(Bucket::new(terms.devices, terms.again / terms.devices.max(1))),
            looks: RefCell::default(),
            knows_former: Cell::new(false),
        }
    }
}

impl Allowances {
    /// The name of the sessions of a device whose guest accepts the terms, and the names of those that are forgotten.
    ///
    /// # Errors
    /// Why it gets nothing.
    pub(crate) fn of_device(&self, mac: MacAddr, now: Now) -> Result<(String, Vec<String>), Refusal> {
        let Devices { like: Some(like), period_secs, shares, .. } = &self.devices else {
            return Err(Refusal::Declined(Declined::Expired));
        };
        let is_share = *period_secs > 0;
        if is_share && now.unix < FIRST_DATE {
            return Err(Refusal::NoDate);
        }
        let (name, now_unix) = (device(mac), now.unix.as_secs());
        if let Some(entry) = self.entries.borrow().get(&name) {
            let ends = entry.limits.since_unix.saturating_add(*period_secs);
            if ends > now_unix || !entry.online.is_empty() {
                let wait = Duration::from_secs(ends.saturating_sub(now_unix));
                return match entry.limits.left(&entry.used, now_unix) {
                    Ok(_) => Ok((name, Vec::new())),
                    Err(_) => Err(Refusal::Declined(Declined::ShareUsed(wait))),
                };
            }
        }
        if is_share {
            let mut shares = shares.borrow_mut();
            if !self.devices.knows_former.replace(true) {
                let mut looks = self.devices.looks.borrow_mut();
                looks.make_contiguous().sort_unstable();
                let former = looks.iter().filter(|(look, _)| *look > now_unix.saturating_add(GRACE_SECS));
                let since = |look: u64| look.saturating_sub(*period_secs).saturating_sub(GRACE_SECS);
                shares.restore(
                    now.mono,
                    former.map(|(look, _)| Duration::from_secs(now_unix.saturating_sub(since(*look)))),
                );
            }
            shares.look(now.mono).map_err(|wait| Refusal::Declined(Declined::TooManyNewcomers(wait)))?;
            shares.fill(now.mono);
        }
        let mut forgotten = self.forget_devices(now_unix);
        forgotten.retain(|forgotten| *forgotten != name);
        self.insert_device(&name, Limits { since_unix: now_unix, ..like.clone() }, Used::default());
        Ok((name, forgotten))
    }

    /// With what is on the disk. False if nobody comes in by the terms any more.
    pub(super) fn enter_device(&self, name: &str, since_unix: u64, used: Used) -> bool {
        let Some(like) = &self.devices.like else { return false };
        self.insert_device(name, Limits { since_unix, ..like.clone() }, used);
        true
    }

    fn insert_device(&self, name: &str, limits: Limits, used: Used) {
        let look = limits.since_unix.saturating_add(self.devices.period_secs).saturating_add(GRACE_SECS);
        self.devices.looks.borrow_mut().push_back((look, name.to_owned()));
        let entry = Entry { limits, is_known: true, used, ..Entry::default() };
        self.entries.borrow_mut().insert(name.to_owned(), entry);
    }

    /// Forgets devices whose period is over.
    fn forget_devices(&self, now_unix: u64) -> Vec<String> {
        let (mut entries, mut looks) = (self.entries.borrow_mut(), self.devices.looks.borrow_mut());
        let mut forgotten = Vec::new();
        for _ in 0..LOOKS {
            let Some((_, name)) = looks.pop_front_if(|(look, _)| *look <= now_unix) else { break };
            let Some(entry) = entries.get(&name) else { continue };
            let look = entry.limits.since_unix.saturating_add(self.devices.period_secs).saturating_add(GRACE_SECS);
            if look > now_unix {
                continue; // it has come again, and has another place in the row
            }
            if entry.online.is_empty() {
                entries.remove(&name);
                forgotten.push(name);
            } else {
                looks.push_back((now_unix.saturating_add(self.devices.period_secs.max(GRACE_SECS)), name));
            }
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use engine::session::Grant;
    use fastpath::session::SlotIndex;
    use store::AllowanceRecord;

    use super::*;

    const DAY: u64 = 86_400;
    const START: u64 = 20_000 * DAY;

    fn config(lines: &str) -> Config {
        let text = format!(
            "[lan]\ninterface = \"lan0\"\n[portal]\nterms = \"Be kind.\"\n[auth]\nmethod = \"click_through\"\n\
             [click_through]\n{lines}"
        );
        Config::parse(&text, "test", &config::Overrides::default()).expect("it is valid").config
    }

    fn allowances(lines: &str, records: Vec<AllowanceRecord>) -> (Allowances, Vec<String>) {
        Allowances::new(&config(lines), records, &[0; 32])
    }

    fn at(unix: u64) -> Now {
        Now { mono: Duration::from_secs(unix - START + 1000), unix: Duration::from_secs(unix) }
    }

    fn mac(last: u8) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, last])
    }

    /// A device comes in, and is gone again after so many octets and seconds.
    fn visit(all: &Allowances, device: u8, unix: u64, secs: u64, octets: u64) -> Result<Grant, Refusal> {
        let (name, _) = all.of_device(mac(device), at(unix))?;
        let slot = SlotIndex(device.into());
        let grant = all.admit(&name, &[], None, Grant::default(), at(unix))?.grant;
        all.began(&name, slot, at(unix));
        all.ended(&name, slot, Duration::from_secs(secs), octets, false);
        Ok(grant)
    }

    fn used_for(secs: u64) -> Refusal {
        Refusal::Declined(Declined::ShareUsed(Duration::from_secs(secs)))
    }

    #[test]
    fn a_device_gets_its_time_and_data_once_a_day_over_all_of_its_visits() {
        let (all, _) = allowances("time = \"1h\"\ndata = \"1GB\"\nrate_down = \"5M\"\n", Vec::new());
        let first = visit(&all, 1, START, 1800, 100).expect("a grant");
        assert_eq!(
            (first.session_timeout, first.quota.octets_total),
            (Some(Duration::from_secs(3600)), Some(1_000_000_000))
        );
        assert_eq!((first.rate_down.limit(), first.rate_up.limit()), (Some(5_000_000), None));
        let second = visit(&all, 1, START + 7200, 1800, 100).expect("what is left");
        assert_eq!(
            (second.session_timeout, second.quota.octets_total),
            (Some(Duration::from_secs(1800)), Some(999_999_900))
        );
        assert_eq!(visit(&all, 1, START + 9000, 1, 1).err(), Some(used_for(DAY - 9000)));
        assert!(visit(&all, 2, START + 9000, 1, 1).is_ok(), "each device has its own");
        let next = visit(&all, 1, START + DAY, 3600, 0).expect("the next day's");
        assert_eq!(next.session_timeout, Some(Duration::from_secs(3600)));
        assert_eq!(visit(&all, 1, START + DAY + 3600, 1, 1).err(), Some(used_for(DAY - 3600)));
    }

    #[test]
    fn who_changes_its_address_again_and_again_gets_no_more_than_there_is_for_all() {
        let (all, _) = allowances("data = \"1GB\"\ndevices = 10\n", Vec::new());
        let shares =
            |from: u8, unix| (from..from + 20).filter(|device| visit(&all, *device, unix, 1, 1).is_ok()).count();
        assert_eq!(shares(0, START), 10);
        let wait = Duration::from_secs(DAY / 10);
        let crowded = Refusal::Declined(Declined::TooManyNewcomers(wait));
        assert_eq!(visit(&all, 100, START, 1, 1).err(), Some(crowded));
        assert!(visit(&all, 5, START, 1, 1).is_ok(), "who has a share keeps it");
        assert_eq!(shares(100, START + DAY / 2), 5);
        let (free, _) = allowances("rate_down = \"5M\"\ndevices = 10\n", Vec::new());
        let all_in = (0..50).all(|device| visit(&free, device, START, 1, 1).is_ok());
        assert!(all_in, "without limits there is nothing to get by another address");
    }

    #[test]
    fn what_a_device_has_used_is_known_after_a_restart_and_forgotten_when_it_is_over() {
        let lines = "data = \"1GB\"\ndevices = 10\n";
        let (all, _) = allowances(lines, Vec::new());
        for device in 0..10 {
            visit(&all, device, START + u64::from(device), 1, 1_000_000_000).expect("a grant");
        }
        let records: Vec<_> = (0..10).rev().filter_map(|number| all.record(&device(mac(number)), &[])).collect();
        assert_eq!(records.len(), 10);
        let (after, forgotten) = allowances(lines, records.clone());
        assert!(forgotten.is_empty());
        assert_eq!(visit(&after, 1, START + 3601, 1, 1).err(), Some(used_for(DAY - 3600)));
        let newcomer = after.of_device(mac(99), at(START + 3601)).err();
        assert!(matches!(newcomer, Some(Refusal::Declined(Declined::TooManyNewcomers(_)))), "{newcomer:?}");
        let (_, forgotten) = after.of_device(mac(99), at(START + 2 * DAY)).expect("a share");
        assert_eq!(forgotten.len(), LOOKS);
        assert!(forgotten.contains(&device(mac(0))), "the oldest first: {forgotten:?}");

        let closed = config(lines);
        let closed =
            Config { auth: config::Auth { methods: vec![AuthMethod::Local], ..closed.auth.clone() }, ..closed };
        let (closed, forgotten) = Allowances::new(&closed, records, &[0; 32]);
        assert_eq!(forgotten.len(), 10);
        assert_eq!(visit(&closed, 1, START, 1, 1).err(), Some(Refusal::Declined(Declined::Expired)));
    }

    #[test]
    fn a_restart_makes_newcomers_wait_no_longer() {
        let lines = "data = \"1GB\"\ndevices = 10\n";
        let (all, _) = allowances(lines, Vec::new());
        let each = DAY / 10;
        for device in 0..10 {
            visit(&all, device, START + u64::from(device) * each, 1, 1).expect("a grant");
        }
        let records = (0..10).filter_map(|number| all.record(&device(mac(number)), &[])).collect();
        let (after, _) = allowances(lines, records);
        assert!(visit(&after, 10, START + 10 * each, 1, 1).is_ok(), "one each so long is what there is room for");
    }

    #[test]
    fn without_a_date_nobody_says_what_a_day_is() {
        let (all, _) = allowances("time = \"1h\"\n", Vec::new());
        let early = Now { mono: Duration::from_secs(5), unix: Duration::from_secs(5) };
        assert_eq!(all.of_device(mac(1), early).err(), Some(Refusal::NoDate));
        let (free, _) = allowances("", Vec::new());
        assert!(free.of_device(mac(1), early).is_ok());
    }

    #[test]
    fn a_device_that_is_online_is_not_forgotten() {
        let (all, _) = allowances("data = \"1GB\"\n", Vec::new());
        let (name, _) = all.of_device(mac(1), at(START)).expect("a share");
        all.began(&name, SlotIndex(1), at(START));
        for day in 1..4 {
            let (_, forgotten) = all.of_device(mac(2), at(START + day * DAY + 120)).expect("a share");
            assert!(!forgotten.contains(&name), "day {day}");
        }
        assert_eq!(all.slots(&name), [SlotIndex(1)]);
    }
}
