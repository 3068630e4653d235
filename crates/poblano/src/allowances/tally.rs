//! What has become of vouchers, counted: all of them, or those of each batch.
//!
//! What sessions that run have used is not added up for that: a voucher is used up here when its last session has ended.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use store::{Over, Used, Voucher};

use super::{Allowances, Refusal};

/// What has become of a voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    New,
    InUse,
    UsedUp,
    Expired,
    Revoked,
}

impl Fate {
    const ALL: [Self; 5] = [Self::New, Self::InUse, Self::UsedUp, Self::Expired, Self::Revoked];

    /// Of one of which so much is used.
    pub(crate) fn of(voucher: &Voucher, used: &Used, now_unix: u64) -> Self {
        match voucher.limits.left(used, now_unix) {
            _ if voucher.revoked => Self::Revoked,
            Err(Over::Expired) => Self::Expired,
            Err(Over::UsedUp) => Self::UsedUp,
            Ok(_) if used.first_unix.is_none() => Self::New,
            Ok(_) => Self::InUse,
        }
    }

    /// For an operator.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::InUse => "in use",
            Self::UsedUp => "used up",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// For a program.
    fn key(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::UsedUp => "used_up",
            other => other.words(),
        }
    }
}

/// How many vouchers there are of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    of_fate: [u32; Fate::ALL.len()],
    /// Somebody has come in by them. What lies in a drawer nobody knows.
    sold: u32,
}

impl Tally {
    fn add(&mut self, voucher: &Voucher, used: &Used, now_unix: u64) {
        self.of_fate[Fate::of(voucher, used, now_unix) as usize] += 1;
        self.sold += u32::from(used.first_unix.is_some());
    }

    /// In the words of the API.
    pub(crate) fn to_json(self) -> Value {
        let mut told = json!({ "made": self.of_fate.iter().sum::<u32>(), "sold": self.sold });
        for (fate, count) in Fate::ALL.into_iter().zip(self.of_fate) {
            told[fate.key()] = count.into();
        }
        told
    }
}

/// Vouchers that were made together.
pub(crate) struct Batch {
    pub(crate) number: u32,
    pub(crate) tally: Tally,
    /// The first of them.
    pub(crate) first: Voucher,
}

/// What guests were refused for, since the gateway started.
pub(super) struct Refusals([(&'static str, u64); 7]);

impl Default for Refusals {
    fn default() -> Self {
        Self(REASONS.map(|reason| (reason, 0)))
    }
}

const REASONS: [&str; 7] =
    ["mistyped", "unknown_code", "expired", "used_up", "too_many_devices", "too_many_tries", "no_date"];

impl Allowances {
    /// Batches from this number downwards, the newest first, as many as asked for at most.
    pub(crate) fn batches(&self, from: u32, count: usize, now_unix: u64) -> Vec<Batch> {
        let entries = self.entries.borrow();
        let mut found: BTreeMap<u32, (Tally, u32)> = BTreeMap::new();
        let vouchers = entries.values().filter_map(|entry| Some((entry.voucher.as_ref()?, &entry.used)));
        for (voucher, used) in vouchers.filter(|(voucher, _)| voucher.batch <= from) {
            let (tally, first) = found.entry(voucher.batch).or_insert((Tally::default(), voucher.serial));
            tally.add(voucher, used, now_unix);
            *first = voucher.serial.min(*first);
        }
        let batch = |(number, (tally, first)): (u32, (Tally, u32))| {
            Some(Batch { number, tally, first: entries.get(&super::name(first))?.voucher.clone()? })
        };
        found.into_iter().rev().filter_map(batch).take(count).collect()
    }

    /// All of them for monitoring; null if vouchers are none of this gateway's business.
    pub(crate) fn summary(&self, now_unix: u64) -> Value {
        if !self.takes_vouchers && self.serials.borrow().is_empty() {
            return Value::Null;
        }
        let mut tally = Tally::default();
        for entry in self.entries.borrow().values() {
            if let Some(voucher) = &entry.voucher {
                tally.add(voucher, &entry.used, now_unix);
            }
        }
        let mut told = tally.to_json();
        told["sold_since_start"] = self.sold.get().into();
        let refusals = self.refusals.borrow();
        told["refused"] = refusals.0.iter().map(|(reason, count)| ((*reason).to_owned(), json!(count))).collect();
        told
    }

    /// Somebody has shown a voucher, or what was to be one, and does not get in by it.
    pub(crate) fn count_refusal(&self, refusal: &Refusal) {
        use portal::Declined::{Expired, Mistyped, ShareUsed, TooManyDevices, TooManyNewcomers, UnknownCode, UsedUp};
        let reason = match refusal {
            Refusal::Declined(Mistyped) => "mistyped",
            Refusal::Declined(UnknownCode) => "unknown_code",
            Refusal::Declined(Expired) => "expired",
            Refusal::Declined(UsedUp) => "used_up",
            Refusal::Declined(TooManyDevices) => "too_many_devices",
            Refusal::Wait(_) => "too_many_tries",
            Refusal::NoDate => "no_date",
            Refusal::Declined(ShareUsed(_) | TooManyNewcomers(_)) => return, // of who showed none
        };
        for (name, count) in &mut self.refusals.borrow_mut().0 {
            *count += u64::from(*name == reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use config::Config;
    use portal::Declined;
    use store::{Code, Limits};
    use wire::Now;

    use super::*;

    const NOW: Now = Now { mono: Duration::from_secs(50), unix: Duration::from_secs(1_800_000_000) };

    fn some(allowances: &Allowances, count: u32, octets: Option<u64>) -> Vec<String> {
        let limits = Limits { octets, ..Limits::default() };
        let like = Voucher {
            serial: 0,
            code: Code::new([0; 16]),
            batch: 0,
            revoked: false,
            note: String::new(),
            price: "5".to_owned(),
            limits,
        };
        allowances.create(count, &like, NOW).expect("there is room").0
    }

    #[test]
    fn batches_are_counted_apart_the_newest_first_and_page_by_page() {
        let (allowances, _) = Allowances::new(&Config::default(), Vec::new(), &[0; 32]);
        let first = some(&allowances, 4, Some(1000));
        some(&allowances, 2, None);
        let slot = fastpath::session::SlotIndex(7);
        for name in &first[..2] {
            allowances.began(name, slot, NOW);
        }
        allowances.ended(&first[0], slot, Duration::from_secs(1), 1000, true);
        assert!(allowances.change(4, |voucher| voucher.revoked = true));
        let all = allowances.batches(u32::MAX, 10, NOW.unix.as_secs());
        assert_eq!(all.iter().map(|batch| batch.number).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(
            all[1].tally.to_json(),
            json!({ "made": 4, "sold": 2, "new": 1, "in_use": 1, "used_up": 1, "expired": 0, "revoked": 1 })
        );
        assert_eq!((all[1].first.serial, all[1].first.price.as_str()), (1, "5"));
        let newest = allowances.batches(u32::MAX, 1, NOW.unix.as_secs());
        assert_eq!(newest.iter().map(|batch| batch.number).collect::<Vec<_>>(), [2]);
        let rest = allowances.batches(1, 10, NOW.unix.as_secs());
        assert_eq!(rest.iter().map(|batch| batch.number).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn monitoring_reads_what_was_sold_and_why_codes_were_refused() {
        let (allowances, _) = Allowances::new(&Config::default(), Vec::new(), &[0; 32]);
        assert_eq!(allowances.summary(NOW.unix.as_secs()), Value::Null, "there are no vouchers here");
        let made = some(&allowances, 1, None);
        allowances.began(&made[0], fastpath::session::SlotIndex(7), NOW);
        allowances.began(&made[0], fastpath::session::SlotIndex(8), NOW);
        allowances.count_refusal(&Refusal::Declined(Declined::Mistyped));
        allowances.count_refusal(&Refusal::Wait(Duration::from_secs(1)));
        let told = allowances.summary(NOW.unix.as_secs());
        assert_eq!((&told["sold_since_start"], &told["in_use"]), (&json!(1), &json!(1)));
        assert_eq!((&told["refused"]["mistyped"], &told["refused"]["too_many_tries"]), (&json!(1), &json!(1)));
        assert_eq!(told["refused"]["expired"], 0);
    }
}
