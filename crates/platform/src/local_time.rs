//! The time of the day where the machine stands.

use std::time::Duration;

/// A day and a time of it.
#[derive(Clone, Copy, Debug)]
pub struct LocalTime {
    /// Such as 2027.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// From 1.
    pub day: u8,
    /// 0 to 24.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
}

impl LocalTime {
    /// That moment in the machine's time zone (TZ, /etc/localtime), since 1970; `None` if there is no such time. Of an hour
    /// that comes twice when summer ends it is one of the two, and one that does not come is the one after it.
    #[must_use]
    pub fn since_1970(self) -> Option<Duration> {
        // SAFETY: integers, and on some systems a pointer which may be null: all zero is a value of each.
        let mut time: libc::tm = unsafe { std::mem::zeroed() };
        time.tm_year = i32::from(self.year) - 1900;
        time.tm_mon = i32::from(self.month) - 1;
        time.tm_mday = i32::from(self.day);
        time.tm_hour = i32::from(self.hour);
        time.tm_min = i32::from(self.minute);
        time.tm_sec = i32::from(self.second);
        time.tm_isdst = -1; // it is to be found out
        // SAFETY: the pointer is to a live tm, which the call reads and sets right; nothing here changes the environment.
        let secs = unsafe { libc::mktime(&raw mut time) };
        #[allow(clippy::useless_conversion, reason = "the type has other widths on other systems")]
        u64::try_from(secs).ok().map(Duration::from_secs)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_that_of_the_machines_own_clock() {
        for month in [1, 7] {
            let text = format!("2027-{month:02}-28 13:14:15");
            let date = std::process::Command::new("date").args(["-d", &text, "+%s"]).output().expect("date runs");
            let secs: u64 = String::from_utf8_lossy(&date.stdout).trim().parse().expect("a number");
            let time = LocalTime { year: 2027, month, day: 28, hour: 13, minute: 14, second: 15 };
            assert_eq!(time.since_1970(), Some(Duration::from_secs(secs)), "{text}");
        }
    }
}
