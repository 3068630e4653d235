//! What a voucher or an account may use in all, over its sessions and devices, and what it has used.
//!
//! * Time counts from the first login on, by the calendar, or only while a device is online; then each device counts.
//! * Data is what passes both ways.
//! * A date of validity: where time counts from the first login on, that login must come before it, and the time is then
//!   granted whole. Otherwise everything ends with it.
//! * So many devices may be online at a time.

use std::time::Duration;

use crate::code::Code;
use crate::session::{put_short, take, take_text};

/// The first octet of every value; another layout gets another one.
const VERSION: u8 = 1;
/// Stands for "none".
const NONE: u64 = u64::MAX;
/// Longest note and price that are kept.
pub const MAX_NOTE_OCTETS: usize = 200;
/// More devices than that are no limit that means anything.
pub const MAX_DEVICES: u32 = 1000;
/// A hundred years.
const MAX_SECS: u64 = 100 * 365 * 86_400;
/// An exabyte.
const MAX_OCTETS: u64 = 1_000_000_000_000_000_000;
/// The slowest rate that a guest can be given.
const MIN_RATE: u64 = 8_000;

/// When time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Counts {
    /// From the first login on, online or not.
    #[default]
    Always,
    /// While a device is online.
    Online,
}

/// What may be used; none is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// How long.
    pub time: Option<Duration>,
    /// When that counts.
    pub counts: Counts,
    /// Octets of both directions together.
    pub octets: Option<u64>,
    /// Bits per second from each device.
    pub up: Option<u64>,
    /// Bits per second to each device.
    pub down: Option<u64>,
    /// Devices that are online at a time.
    pub devices: Option<u32>,
    /// Until when, since 1970.
    pub valid_unix: Option<u64>,
    /// When this was granted, since 1970: what an account had used before does not count.
    pub since_unix: u64,
}

/// What was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Used {
    /// When for the first time, since 1970.
    pub first_unix: Option<u64>,
    /// Time online, of all devices.
    pub time: Duration,
    /// Octets of both directions together.
    pub octets: u64,
}

/// What may still be used; none is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Left {
    /// Time online, of all devices.
    pub time: Option<Duration>,
    /// Until when, since 1970.
    pub until_unix: Option<u64>,
    /// Octets of both directions together.
    pub octets: Option<u64>,
}

/// Why nothing may be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// By the calendar.
    Expired,
    /// All of the time or the data is used.
    UsedUp,
}

/// A voucher. Its code is kept as it is printed: whoever sells vouchers prints sheets again, and looks up what a guest
/// shows. The file is its owner's alone, and a code is worth what is left on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// Its number, never given again.
    pub serial: u32,
    /// What guests type.
    pub code: Code,
    /// Those that were made together.
    pub batch: u32,
    /// Nobody gets in by it any more.
    pub revoked: bool,
    /// The operator's own words, cut to 255 octets when kept.
    pub note: String,
    /// The same.
    pub price: String,
    /// What may be used.
    pub limits: Limits,
}

/// What is kept of a voucher or an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowanceRecord {
    /// A voucher.
    Voucher(Voucher, Used),
    /// An account, whose limits are in the file of accounts.
    Account {
        /// Its name.
        name: String,
        /// Of which grant this is; see [`Limits::since_unix`].
        since_unix: u64,
        /// What was used of it.
        used: Used,
    },
}

impl Limits {
    /// The names of what a limit can be, as in files and on the control socket, and in their order.
    pub const FIELDS: [&str; 7] = ["seconds", "counts", "octets", "up", "down", "devices", "valid_unix"];

    /// A limit in text; empty without one.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        let number = match name {
            "seconds" => self.time.map(|time| time.as_secs()),
            "octets" => self.octets,
            "up" => self.up,
            "down" => self.down,
            "devices" => self.devices.map(u64::from),
            "valid_unix" => self.valid_unix,
            "counts" if self.counts == Counts::Online => return "online".to_owned(),
            _ => None,
        };
        number.map_or_else(String::new, |number| number.to_string())
    }

    /// Sets a limit from text; empty is none.
    ///
    /// # Errors
    /// What is expected.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let text = text.trim();
        let number = |least: u64, most: u64| match text {
            "" => Ok(None),
            _ => match text.parse() {
                Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
                _ => Err(format!("{name} is {text:?}; expected a whole number of {least} to {most}, or nothing")),
            },
        };
        match name {
            "seconds" => self.time = number(1, MAX_SECS)?.map(Duration::from_secs),
            "octets" => self.octets = number(1, MAX_OCTETS)?,
            "up" => self.up = number(MIN_RATE, u64::from(u32::MAX) * 1000)?,
            "down" => self.down = number(MIN_RATE, u64::from(u32::MAX) * 1000)?,
            "devices" => self.devices = number(1, u64::from(MAX_DEVICES))?.map(|devices| devices as u32),
            "valid_unix" => self.valid_unix = number(1, u64::from(u32::MAX) * 4)?,
            "since_unix" => self.since_unix = number(0, u64::from(u32::MAX) * 4)?.unwrap_or_default(),
            "counts" => match text {
                "" | "always" => self.counts = Counts::Always,
                "online" => self.counts = Counts::Online,
                _ => return Err(format!("counts is {text:?}; expected \"online\", or nothing")),
            },
            _ => return Err(format!("there is no limit {name:?}; there are {}", Self::FIELDS.join(", "))),
        }
        Ok(())
    }

    /// All of them in one line: `seconds=7200,devices=2,since_unix=1800000000`.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut parts: Vec<String> = Self::FIELDS
            .iter()
            .map(|name| (name, self.field(name)))
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        parts.push(format!("since_unix={}", self.since_unix));
        parts.join(",")
    }

    /// Reads such a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_line(text: &str) -> Result<Self, String> {
        let mut limits = Self::default();
        for part in text.split(',') {
            let (name, value) =
                part.split_once('=').ok_or_else(|| format!("{part:?} is no limit; expected name=value"))?;
            limits.set(name.trim(), value)?;
        }
        Ok(limits)
    }

    /// Whether the calendar decides: without a date nobody can say then.
    #[must_use]
    pub fn need_date(&self) -> bool {
        self.valid_unix.is_some() || self.time.is_some() && self.counts == Counts::Always
    }

    /// What is left of it.
    ///
    /// # Errors
    /// Why nothing is.
    pub fn left(&self, used: &Used, now_unix: u64) -> Result<Left, Over> {
        let (time, until_unix) = match (self.time, self.counts) {
            (Some(time), Counts::Always) => match used.first_unix {
                Some(first) => (None, Some(first.saturating_add(time.as_secs()))),
                // It has not begun; if it may, it is granted whole.
                None if self.valid_unix.is_some_and(|valid| valid <= now_unix) => return Err(Over::Expired),
                None => (None, Some(now_unix.saturating_add(time.as_secs()))),
            },
            (time, _) => (time.map(|time| time.saturating_sub(used.time)), self.valid_unix),
        };
        let octets = self.octets.map(|octets| octets.saturating_sub(used.octets));
        if until_unix.is_some_and(|until| until <= now_unix) {
            Err(Over::Expired)
        } else if time.is_some_and(|time| time.as_millis() == 0) || octets == Some(0) {
            Err(Over::UsedUp)
        } else {
            Ok(Left { time, until_unix, octets })
        }
    }
}

impl Voucher {
    /// The name that its sessions have. No account has one with a colon.
    #[must_use]
    pub fn name(&self) -> String {
        format!("voucher:{}", self.serial)
    }
}

impl AllowanceRecord {
    /// The name that sessions have.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Voucher(voucher, _) => voucher.name(),
            Self::Account { name, .. } => name.clone(),
        }
    }

    /// The fields in the order of [`Self::from_bytes`], numbers in network order.
    pub(crate) fn value_bytes(&self) -> Vec<u8> {
        let (used, since_unix) = match self {
            Self::Voucher(voucher, used) => (used, voucher.limits.since_unix),
            Self::Account { used, since_unix, .. } => (used, *since_unix),
        };
        let mut bytes = vec![VERSION];
        let mut put = |number: u64| bytes.extend(number.to_be_bytes());
        put(used.first_unix.unwrap_or(NONE));
        put(u64::try_from(used.time.as_millis()).unwrap_or(NONE));
        put(used.octets);
        put(since_unix);
        if let Self::Voucher(voucher, _) = self {
            let limits = &voucher.limits;
            let numbers = [
                limits.time.map(|time| time.as_secs()),
                limits.octets,
                limits.up,
                limits.down,
                limits.devices.map(u64::from),
                limits.valid_unix,
            ];
            numbers.into_iter().for_each(|number| put(number.unwrap_or(NONE)));
            bytes.extend(voucher.serial.to_be_bytes());
            bytes.extend(voucher.batch.to_be_bytes());
            bytes.push(u8::from(limits.counts == Counts::Online) | u8::from(voucher.revoked) << 1);
            for text in [voucher.code.as_str(), &voucher.note, &voucher.price] {
                put_short(&mut bytes, &text.as_bytes()[..text.floor_char_boundary(255)]);
            }
        }
        bytes
    }

    /// `None` for what a later version wrote, or what is damaged.
    pub(crate) fn from_bytes(key: &[u8], value: &[u8]) -> Option<Self> {
        let mut rest = value;
        if take(&mut rest)? != [VERSION] {
            return None;
        }
        let mut number = || take(&mut rest).map(u64::from_be_bytes);
        let known = |number: u64| (number != NONE).then_some(number);
        let used = Used { first_unix: known(number()?), time: Duration::from_millis(number()?), octets: number()? };
        let since_unix = number()?;
        let name = str::from_utf8(key).ok()?;
        if rest.is_empty() {
            return Some(Self::Account { name: name.to_owned(), since_unix, used });
        }
        let mut number = || take(&mut rest).map(u64::from_be_bytes).map(known);
        let [time, octets, up, down] = [number()?, number()?, number()?, number()?];
        let (devices, valid_unix) = (number()?, number()?);
        let [serial, batch] = [u32::from_be_bytes(take(&mut rest)?), u32::from_be_bytes(take(&mut rest)?)];
        let [flags] = take(&mut rest)?;
        let limits = Limits {
            time: time.map(Duration::from_secs),
            counts: if flags & 1 == 0 { Counts::Always } else { Counts::Online },
            octets,
            up,
            down,
            devices: devices.map(u32::try_from).transpose().ok()?,
            valid_unix,
            since_unix,
        };
        let code = take_text(&mut rest)?.parse().ok()?;
        let (note, price) = (take_text(&mut rest)?, take_text(&mut rest)?);
        let voucher = Voucher { serial, code, batch, revoked: flags & 2 != 0, note, price, limits };
        (rest.is_empty() && voucher.name() == name).then_some(Self::Voucher(voucher, used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const HOUR: Duration = Duration::from_secs(3600);

    fn limits(line: &str) -> Limits {
        Limits::from_line(line).expect("a line of limits")
    }

    fn voucher() -> Voucher {
        Voucher {
            serial: 17,
            code: Code::new([7; 16]),
            batch: 3,
            revoked: true,
            note: "Zimmer \u{fc}".into(),
            price: "5 \u{20ac}".into(),
            limits: limits(
                "seconds=7200,counts=online,octets=1000,up=8000,down=9000,devices=2,valid_unix=5,since_unix=4",
            ),
        }
    }

    #[test]
    fn limits_are_read_as_they_were_written() {
        for line in ["since_unix=0", "seconds=7200,devices=2,since_unix=1800000000", &voucher().limits.to_line()] {
            assert_eq!(limits(line).to_line(), line);
        }
        for wrong in ["", "seconds", "seconds=0", "seconds=2h", "devices=1001", "up=7999", "counts=no", "colour=red"] {
            assert!(Limits::from_line(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn time_from_the_first_use_is_granted_whole_until_the_date_and_then_runs_by_the_calendar() {
        let limits = limits("seconds=3600,valid_unix=1800000010");
        let unused = Used::default();
        let left = |until| Ok(Left { until_unix: Some(until), ..Left::default() });
        assert_eq!(limits.left(&unused, NOW), left(NOW + 3600));
        assert_eq!(limits.left(&unused, NOW + 10), Err(Over::Expired));
        let used = Used { first_unix: Some(NOW), ..unused };
        assert_eq!(limits.left(&used, NOW + 3599), left(NOW + 3600));
        assert_eq!(limits.left(&used, NOW + 3600), Err(Over::Expired));
        assert!(limits.need_date());
    }

    #[test]
    fn time_online_counts_when_it_is_used_and_the_date_ends_it() {
        let limits = limits("seconds=3600,counts=online,valid_unix=1800000010");
        let used = |time| Used { first_unix: Some(1), time, octets: 0 };
        let left = Left { time: Some(HOUR / 2), until_unix: Some(NOW + 10), octets: None };
        assert_eq!(limits.left(&used(HOUR / 2), NOW), Ok(left));
        assert_eq!(limits.left(&used(HOUR / 2), NOW + 10), Err(Over::Expired));
        assert_eq!(limits.left(&used(HOUR * 2), NOW), Err(Over::UsedUp));
    }

    #[test]
    fn data_is_what_is_left_of_it_and_without_limits_all_is_free() {
        let used = Used { octets: 999, ..Used::default() };
        assert_eq!(limits("octets=1000").left(&used, NOW), Ok(Left { octets: Some(1), ..Left::default() }));
        assert_eq!(limits("octets=999").left(&used, NOW), Err(Over::UsedUp));
        assert_eq!(Limits::default().left(&used, NOW), Ok(Left::default()));
        assert!(!limits("octets=999,seconds=1,counts=online").need_date());
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let used = Used { first_unix: Some(9), time: HOUR, octets: 5 };
        let account = AllowanceRecord::Account { name: "ada".into(), since_unix: 8, used };
        let open = Voucher { revoked: false, limits: Limits::default(), note: String::new(), ..voucher() };
        for record in
            [AllowanceRecord::Voucher(voucher(), used), AllowanceRecord::Voucher(open, Used::default()), account]
        {
            let (name, value) = (record.name(), record.value_bytes());
            assert_eq!(AllowanceRecord::from_bytes(name.as_bytes(), &value), Some(record));
            // An account's is the beginning of a voucher's.
            for end in (0..value.len()).filter(|end| *end != 33) {
                assert_eq!(AllowanceRecord::from_bytes(name.as_bytes(), &value[..end]), None, "{end}");
            }
            assert_eq!(AllowanceRecord::from_bytes(name.as_bytes(), &[&[2], &value[1..]].concat()), None);
        }
        let value = AllowanceRecord::Voucher(voucher(), used).value_bytes();
        assert_eq!(AllowanceRecord::from_bytes(b"voucher:18", &value), None);
    }
}
