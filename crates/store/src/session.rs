//! A session as it is kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use wire::GuestKey;

use crate::lease::key_from_bytes;

/// The first octet of every value; another layout gets another one.
const VERSION: u8 = 3;
/// The layout before sessions told of access points; it is still read.
const WITHOUT_JOINED: u8 = 2;
/// The layout before sessions had a date of their end, a source and a Chargeable-User-Identity; it is still read.
const WITHOUT_DATE: u8 = 1;
/// Stands for "no limit".
const NONE: u64 = u64::MAX;

/// Counters of one guest: octets and packets from it, octets and packets to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Octets from the guest.
    pub octets_up: u64,
    /// Octets to the guest.
    pub octets_down: u64,
    /// Packets from the guest.
    pub packets_up: u64,
    /// Packets to the guest.
    pub packets_down: u64,
}

/// When a record was written, on each clock that the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Since 1970-01-01 UTC, as far as the machine knew.
    pub unix_millis: u64,
    /// Which start of the machine it was, all zero if that cannot be told.
    pub boot: [u8; 16],
    /// Since that start.
    pub boot_millis: u64,
}

impl Written {
    /// How long ago that was, at `now`; none if no clock can tell. The date serves only after the machine has started
    /// anew: it may be set at any time.
    #[must_use]
    pub fn age(&self, now: &Self) -> Option<Duration> {
        if self.boot == now.boot && now.boot != [0; 16] {
            return now.boot_millis.checked_sub(self.boot_millis).map(Duration::from_millis);
        }
        let dates_are_known = self.knows_the_date() && now.knows_the_date();
        now.unix_millis.checked_sub(self.unix_millis).filter(|_| dates_are_known).map(Duration::from_millis)
    }

    /// Before 2020 nobody has set the machine's date: it begins anew with each boot and tells nothing from before.
    #[must_use]
    pub fn knows_the_date(&self) -> bool {
        const FIRST_DATE_MILLIS: u64 = 1_577_836_800_000;
        self.unix_millis >= FIRST_DATE_MILLIS
    }
}

/// A session. The user's name is what somebody typed: to be shown with care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Whose it is.
    pub key: GuestKey,
    /// The guest's address.
    pub address: Ipv4Addr,
    /// The guest's place in the packet path's table.
    pub slot: u32,
    /// The session's name, cut to 255 octets when kept.
    pub id: String,
    /// Who pays, cut to 255 octets when kept.
    pub user: String,
    /// When this was so.
    pub written: Written,
    /// How long the session had lasted by then.
    pub duration_millis: u64,
    /// The slot's counters when the session began.
    pub baseline: Counts,
    /// What was used of it.
    pub used: Counts,
    /// Longest session.
    pub timeout_millis: Option<u64>,
    /// When it is over by the calendar, since 1970.
    pub until_millis: Option<u64>,
    /// Longest silence.
    pub idle_timeout_millis: Option<u64>,
    /// Between accounting records.
    pub interim_millis: Option<u64>,
    /// Bits per second from the guest.
    pub rate_up: Option<u64>,
    /// Bits per second to the guest.
    pub rate_down: Option<u64>,
    /// Most octets from the guest.
    pub quota_up: Option<u64>,
    /// Most octets to the guest.
    pub quota_down: Option<u64>,
    /// Most octets both ways.
    pub quota_total: Option<u64>,
    /// Who pays, as the accounting server has it; 255 octets are kept.
    pub cui: Option<Vec<u8>>,
    /// Who let the guest in, as its owner numbers them.
    pub source: u8,
    /// Where its device has joined, if an access point let it in.
    pub joined: Option<Joined>,
    /// What the accounting server wants back; 255 octets of each are kept.
    pub class: Vec<Vec<u8>>,
}

/// Where a device has joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The access point.
    pub access_point: IpAddr,
    /// Which of its radios, as its owner numbers them.
    pub radio: Option<u64>,
    /// Which association there.
    pub session: Option<u64>,
}

impl Joined {
    const RADIO: u8 = 1;
    const SESSION: u8 = 2;

    /// What is known, the address as one of IPv6, then both numbers.
    fn put(self, bytes: &mut Vec<u8>) {
        let address = match self.access_point {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let flag = |number: Option<u64>, flag: u8| number.map_or(0, |_| flag);
        bytes.push(flag(self.radio, Self::RADIO) | flag(self.session, Self::SESSION));
        bytes.extend(address.octets());
        bytes
            .extend([self.radio, self.session].into_iter().flat_map(|number| number.unwrap_or_default().to_be_bytes()));
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        let [known] = take(rest)?;
        let address = Ipv6Addr::from(take::<16>(rest)?);
        let [radio, session] = [u64::from_be_bytes(take(rest)?), u64::from_be_bytes(take(rest)?)];
        let number = |number: u64, flag: u8| (known & flag != 0).then_some(number);
        Some(Self {
            access_point: address.to_canonical(),
            radio: number(radio, Self::RADIO),
            session: number(session, Self::SESSION),
        })
    }
}

impl SessionRecord {
    /// The fields in the order of [`Self::from_bytes`], numbers in network order; names and classes with their lengths
    /// before them.
    pub(crate) fn value_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.address.octets());
        bytes.extend(self.slot.to_be_bytes());
        bytes.extend(self.written.boot);
        let Self { written, baseline, used, .. } = self;
        let numbers = [written.unix_millis, written.boot_millis, self.duration_millis];
        let counts = [baseline, used].map(|c| [c.octets_up, c.octets_down, c.packets_up, c.packets_down]);
        let limits = [
            self.timeout_millis,
            self.idle_timeout_millis,
            self.interim_millis,
            self.rate_up,
            self.rate_down,
            self.quota_up,
            self.quota_down,
            self.quota_total,
            self.until_millis,
        ];
        let limits = limits.map(|limit| limit.unwrap_or(NONE));
        let numbers = numbers.into_iter().chain(counts.into_iter().flatten()).chain(limits);
        bytes.extend(numbers.flat_map(u64::to_be_bytes));
        bytes.push(self.source);
        for text in [&self.id, &self.user] {
            put_short(&mut bytes, &text.as_bytes()[..text.floor_char_boundary(255)]);
        }
        let cui = self.cui.as_deref().unwrap_or_default();
        put_short(&mut bytes, &cui[..cui.len().min(255)]);
        bytes.push(u8::from(self.joined.is_some()));
        if let Some(joined) = self.joined {
            joined.put(&mut bytes);
        }
        for class in &self.class {
            put_short(&mut bytes, &class[..class.len().min(255)]);
        }
        bytes
    }

    /// `None` for what a later version wrote, or what is damaged.
    pub(crate) fn from_bytes(key: &[u8], value: &[u8]) -> Option<Self> {
        let mut rest = value;
        let [version] = take(&mut rest)?;
        if ![VERSION, WITHOUT_JOINED, WITHOUT_DATE].contains(&version) {
            return None;
        }
        let address = Ipv4Addr::from(take::<4>(&mut rest)?);
        let slot = u32::from_be_bytes(take(&mut rest)?);
        let boot = take(&mut rest)?;
        let mut number = || take(&mut rest).map(u64::from_be_bytes);
        let written = Written { unix_millis: number()?, boot_millis: number()?, boot };
        let duration_millis = number()?;
        let mut counts = || {
            let [octets_up, octets_down, packets_up, packets_down] = [number()?, number()?, number()?, number()?];
            Some(Counts { octets_up, octets_down, packets_up, packets_down })
        };
        let (baseline, used) = (counts()?, counts()?);
        let mut limit = || Some(number()?).map(|limit| (limit != NONE).then_some(limit));
        Some(Self {
            key: key_from_bytes(key)?,
            address,
            slot,
            written,
            duration_millis,
            baseline,
            used,
            timeout_millis: limit()?,
            idle_timeout_millis: limit()?,
            interim_millis: limit()?,
            rate_up: limit()?,
            rate_down: limit()?,
            quota_up: limit()?,
            quota_down: limit()?,
            quota_total: limit()?,
            until_millis: if version == WITHOUT_DATE { None } else { limit()? },
            source: if version == WITHOUT_DATE { 0 } else { take::<1>(&mut rest)?[0] },
            id: take_text(&mut rest)?,
            user: take_text(&mut rest)?,
            cui: if version == WITHOUT_DATE { None } else { Some(take_short(&mut rest)?.to_vec()) }
                .filter(|cui| !cui.is_empty()),
            joined: match version {
                VERSION if take(&mut rest)? != [0] => Some(Joined::take(&mut rest)?),
                _ => None,
            },
            class: {
                let mut class = Vec::new();
                while !rest.is_empty() {
                    class.push(take_short(&mut rest)?.to_vec());
                }
                class
            },
        })
    }
}

pub(crate) fn put_short(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.push(value.len() as u8);
    bytes.extend(value);
}

pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

fn take_short<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let [len] = take(rest)?;
    let (taken, after) = rest.split_at_checked(usize::from(len))?;
    *rest = after;
    Some(taken)
}

pub(crate) fn take_text(rest: &mut &[u8]) -> Option<String> {
    Some(std::str::from_utf8(take_short(rest)?).ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use wire::{MacAddr, Vlan};

    use super::*;
    use crate::lease::key_bytes;

    fn record() -> SessionRecord {
        SessionRecord {
            key: GuestKey { lan: 0, vlan: Vlan(7), mac: MacAddr([2, 0, 0x5e, 0x10, 0, 1]) },
            address: Ipv4Addr::new(10, 85, 0, 9),
            slot: 0x0102_0304,
            id: "00000100000001aa55aa55".into(),
            user: "Ünïcödé".into(),
            written: Written { unix_millis: 1_800_000_000_123, boot: [9; 16], boot_millis: 77 },
            duration_millis: 61_000,
            baseline: Counts { octets_up: 1, octets_down: 2, packets_up: 3, packets_down: 4 },
            used: Counts { octets_up: u64::MAX, octets_down: 6, packets_up: 7, packets_down: 8 },
            timeout_millis: Some(3_600_000),
            until_millis: Some(1_900_000_000_000),
            idle_timeout_millis: None,
            interim_millis: Some(300_000),
            rate_up: None,
            rate_down: Some(10_000_000),
            quota_up: Some(0),
            quota_down: None,
            quota_total: Some(5_000_000_000),
            cui: Some(b"cui".to_vec()),
            source: 2,
            joined: Some(Joined { access_point: [192, 0, 2, 40].into(), radio: Some(u64::MAX), session: None }),
            class: vec![b"class".to_vec(), vec![0; 253]],
        }
    }

    const YEAR_2027: u64 = 1_800_000_000_000;

    #[test]
    fn the_time_away_is_told_by_the_clock_that_can_know_it() {
        let written = |unix_millis, boot, boot_millis| Written { unix_millis, boot: [boot; 16], boot_millis };
        for (then, now, expected) in [
            (written(YEAR_2027, 1, 5000), written(YEAR_2027 + 900_000, 1, 6000), Some(1000)),
            (written(0, 1, 5000), written(YEAR_2027, 1, 6000), Some(1000)), // the date was set meanwhile
            (written(YEAR_2027, 1, 5000), written(YEAR_2027 + 9000, 2, 300), Some(9000)),
            (written(YEAR_2027, 1, 5000), written(YEAR_2027 - 1, 2, 300), None),
            (written(9000, 1, 5000), written(9500, 2, 300), None), // a machine whose date begins anew each time
            (written(9000, 1, 5000), written(YEAR_2027, 2, 300), None),
            (written(YEAR_2027, 0, 0), written(YEAR_2027 + 1, 0, 0), Some(1)), // no such clock here
        ] {
            assert_eq!(then.age(&now), expected.map(Duration::from_millis), "{then:?} {now:?}");
        }
    }

    #[test]
    fn a_session_is_read_as_it_was_written() {
        for class in [record().class, vec![]] {
            let record = SessionRecord { class, ..record() };
            assert_eq!(SessionRecord::from_bytes(&key_bytes(record.key), &record.value_bytes()), Some(record));
        }
        let without = SessionRecord { until_millis: None, cui: None, joined: None, ..record() };
        assert_eq!(
            SessionRecord::from_bytes(&key_bytes(without.key), &without.value_bytes()),
            Some(without.clone()),
            "neither a date nor an identity nor an access point"
        );
        let long = SessionRecord { user: "ü".repeat(200), class: vec![vec![1; 300]], ..record() };
        let read = SessionRecord::from_bytes(&key_bytes(long.key), &long.value_bytes()).expect("it is well formed");
        assert_eq!((read.user, read.class), ("ü".repeat(127), vec![vec![1; 255]]));
    }

    #[test]
    fn the_layout_on_disk_stays() {
        let value = record().value_bytes();
        assert_eq!(value[..9], [3, 10, 85, 0, 9, 1, 2, 3, 4]);
        assert_eq!(value[9..25], [9; 16]);
        assert_eq!(value[25..33], 1_800_000_000_123u64.to_be_bytes());
        assert_eq!(value[33..41], 77u64.to_be_bytes());
        assert_eq!(value[41..49], 61_000u64.to_be_bytes());
        assert_eq!(value[49..57], 1u64.to_be_bytes());
        assert_eq!(value[113..121], 3_600_000u64.to_be_bytes());
        assert_eq!(value[121..129], [0xff; 8]);
        assert_eq!(value[177..185], 1_900_000_000_000u64.to_be_bytes());
        assert_eq!(value[185..187], [2, 22]);
        assert_eq!(value.len(), 186 + 23 + 12 + 4 + 34 + 6 + 254);
    }

    #[test]
    fn what_versions_before_wrote_is_still_read() {
        let value = record().value_bytes();
        let older = [&[2], &value[1..225], &value[259..]].concat();
        let expected = SessionRecord { joined: None, ..record() };
        assert_eq!(SessionRecord::from_bytes(&key_bytes(record().key), &older), Some(expected));
        let oldest = [&[1], &value[1..177], &value[186..221], &value[259..]].concat();
        let expected = SessionRecord { until_millis: None, source: 0, cui: None, joined: None, ..record() };
        assert_eq!(SessionRecord::from_bytes(&key_bytes(record().key), &oldest), Some(expected));
    }

    #[test]
    fn what_is_damaged_or_of_a_later_version_is_no_session() {
        let record = SessionRecord { class: vec![], ..record() };
        let (key, value) = (key_bytes(record.key), record.value_bytes());
        for end in 0..value.len() {
            assert_eq!(SessionRecord::from_bytes(&key, &value[..end]), None, "{end}");
        }
        assert_eq!(SessionRecord::from_bytes(&key[..8], &value), None);
        assert_eq!(SessionRecord::from_bytes(&key, &[&[4], &value[1..]].concat()), None);
        assert_eq!(SessionRecord::from_bytes(&key, &[&value[..], &[9]].concat()), None, "a class that is cut");
    }
}
