//! WISPr-Session-Terminate-Time: ISO 8601 as `YYYY-MM-DDThh:mm:ssTZD`.

use std::time::Duration;

/// A day and a time of it, in the calendar that everybody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// From 1970 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to what the month has.
    pub day: u8,
    /// 0 to 24; 24 only as the end of the day.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60; 60 is a leap second, which Unix time counts as the second after it.
    pub second: u8,
}

/// When a session must be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminateTime {
    /// With a zone: since 1970-01-01 UTC.
    Utc(Duration),
    /// Without: WISPr means the time at the gateway, and whoever knows its zone has to say when that is.
    Local(Date),
}

impl TerminateTime {
    /// Reads what a server sent; `None` for anything else, and for days and times that there are not. The zone is `Z`,
    /// `+hh:mm`, `+hhmm` or `+hh`, east of UTC, or nothing. A fraction of a second is left off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, zone) = text.trim().split_at_checked(19)?;
        let date = Date::parse(date)?;
        let zone = match zone.strip_prefix('.') {
            Some(fraction) => match fraction.find(|c: char| !c.is_ascii_digit()) {
                Some(0) => return None,
                Some(end) => fraction.get(end..)?,
                None if fraction.is_empty() => return None,
                None => "",
            },
            None => zone,
        };
        if zone.is_empty() {
            return Some(Self::Local(date));
        }
        let utc = date.secs_since_1970().checked_sub(east_secs(zone)?)?;
        u64::try_from(utc).ok().map(|secs| Self::Utc(Duration::from_secs(secs)))
    }
}

impl Date {
    /// Reads `YYYY-MM-DDThh:mm:ss`.
    fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let fixed = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
        if fixed.iter().any(|(at, octet)| bytes.get(*at) != Some(octet)) || !matches!(bytes.get(10), Some(b'T' | b't'))
        {
            return None;
        }
        let two = |at: usize| digits(text.get(at..at + 2)?).map(|number| number as u8);
        let date = Self {
            year: digits(text.get(..4)?)?,
            month: two(5)?,
            day: two(8)?,
            hour: two(11)?,
            minute: two(14)?,
            second: two(17)?,
        };
        let in_day = match date.hour {
            0..24 => date.minute < 60 && date.second <= 60,
            24 => date.minute == 0 && date.second == 0,
            _ => false,
        };
        let exists = date.year >= 1970 && (1..=date.days_of_month()).contains(&date.day);
        (exists && in_day).then_some(date)
    }

    /// 0 for a month that there is not.
    fn days_of_month(self) -> u8 {
        match self.month {
            2 if self.year.is_multiple_of(if self.year.is_multiple_of(100) { 400 } else { 4 }) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        }
    }

    /// If this is UTC. Howard Hinnant's days_from_civil: years begin in March, so that the leap day is their last.
    fn secs_since_1970(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
        days * 86_400 + i64::from(self.hour) * 3_600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
}

/// How far a zone is east of UTC; no place is further than 14 hours.
fn east_secs(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = match rest.len() {
        2 => (rest, "00"),
        4 => rest.split_at_checked(2)?,
        5 => rest.split_once(':').filter(|(hours, _)| hours.len() == 2)?,
        _ => return None,
    };
    let (hours, minutes) = (i64::from(digits(hours)?), i64::from(digits(minutes)?));
    let secs = hours * 3_600 + minutes * 60;
    match sign {
        _ if minutes > 59 || secs > 14 * 3_600 => None,
        "+" => Some(secs),
        "-" => Some(-secs),
        _ => None,
    }
}

/// Digits alone, at most four.
fn digits(text: &str) -> Option<u16> {
    let ok = (1..=4).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<u64> {
        match TerminateTime::parse(text)? {
            TerminateTime::Utc(time) => Some(time.as_secs()),
            TerminateTime::Local(_) => None,
        }
    }

    #[test]
    fn a_time_with_a_zone_is_a_moment() {
        // By `date -u -d ... +%s`.
        for (text, secs) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2001-12-18T19:00:00+00:00", 1_008_702_000),
            ("2001-12-18T19:00:00+02:00", 1_008_694_800),
            ("2001-12-18T19:00:00-0530", 1_008_721_800),
            ("2001-12-18T19:00:00+05", 1_008_684_000),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199),
            ("2024-02-29T24:00:00Z", 1_709_251_200),
            ("2000-03-01t00:00:00z", 951_868_800),
            ("2016-12-31T23:59:60Z", 1_483_228_800),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(utc(text), Some(secs), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_one_at_the_gateway() {
        let date = Date { year: 2027, month: 3, day: 28, hour: 2, minute: 30, second: 0 };
        assert_eq!(TerminateTime::parse("2027-03-28T02:30:00"), Some(TerminateTime::Local(date)));
        assert_eq!(TerminateTime::parse(" 2027-03-28T02:30:00.5 "), Some(TerminateTime::Local(date)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "tomorrow",
            "2027-03-28",
            "2027-03-28 02:30:00Z",
            "2027-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-00-01T00:00:00Z",
            "2027-04-31T00:00:00Z",
            "2027-04-00T00:00:00Z",
            "2027-04-30T24:00:01Z",
            "2027-04-30T25:00:00Z",
            "2027-04-30T23:60:00Z",
            "2027-04-30T23:00:61Z",
            "2027-04-30T+1:00:00Z",
            "2027-04-30T23:00:00+",
            "2027-04-30T23:00:00+15:00",
            "2027-04-30T23:00:00+02:60",
            "2027-04-30T23:00:00 02:00",
            "2027-04-30T23:00:00+1:000",
            "2027-04-30T23:00:00.Z",
            "2027-04-30T23:00:00.",
            "2027-04-30T23:00:00CET",
            "2027-04-30T23:00:00\u{e4}",
            "2027-04-30T23:00:0\u{e4}",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
        ] {
            assert_eq!(TerminateTime::parse(text), None, "{text}");
        }
    }
}
