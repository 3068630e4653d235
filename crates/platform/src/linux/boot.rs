//! A clock that nobody sets, and a name for its zero.

use std::fs;
use std::time::Duration;

use crate::SinceBoot;

/// How long the machine runs, sleep included; see `proc(5)` and `random(4)`.
#[must_use]
pub fn since_boot() -> Option<SinceBoot> {
    parse(&fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?, &fs::read_to_string("/proc/uptime").ok()?)
}

fn parse(boot_id: &str, uptime: &str) -> Option<SinceBoot> {
    let boot = u128::from_str_radix(&boot_id.trim().replace('-', ""), 16).ok()?.to_be_bytes();
    let secs = uptime.split_whitespace().next()?.parse().ok()?;
    Some(SinceBoot { boot, time: Duration::try_from_secs_f64(secs).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read_and_anything_else_is_no_clock() {
        let id = "01020304-0506-0708-090a-0b0c0d0e0f10\n";
        let found = parse(id, "350735.47 234388.90\n").unwrap();
        assert_eq!(found.boot, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(found.time, Duration::from_millis(350_735_470));
        for (id, uptime) in [("", "1.0 1.0"), ("zz", "1.0 1.0"), (id, ""), (id, "-1.0"), (id, "NaN")] {
            assert_eq!(parse(id, uptime), None, "{id:?} {uptime:?}");
        }
        assert_eq!(since_boot().map(|now| now.boot), since_boot().map(|now| now.boot));
    }
}
