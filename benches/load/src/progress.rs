//! How far it is: on a terminal one line that is written over, elsewhere a line every few seconds.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines on a terminal, and elsewhere.
const REDRAW: Duration = Duration::from_millis(200);
const REPORT: Duration = Duration::from_secs(5);

/// Standard error, as somebody watches it.
pub(crate) struct Progress {
    terminal: bool,
    said: Instant,
    /// The line on the terminal is to be written over.
    open: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), said: Instant::now(), open: false }
    }

    /// How it goes now; `text` is asked for only if it is shown.
    pub(crate) fn passing(&mut self, now: Instant, text: impl FnOnce() -> String) {
        let pause = if self.terminal { REDRAW } else { REPORT };
        if now.saturating_duration_since(self.said) < pause {
            return;
        }
        self.said = now;
        if self.terminal {
            self.write(&format!("\r\x1b[K{}", text()));
            self.open = true;
        } else {
            self.write(&format!("{}\n", text()));
        }
    }

    /// A line that stays.
    pub(crate) fn line(&mut self, text: &str) {
        let over = if self.open { "\r\x1b[K" } else { "" };
        self.write(&format!("{over}{text}\n"));
        self.open = false;
        self.said = Instant::now();
    }

    fn write(&self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes()); // who closed it does not want to know
        let _ = stderr.flush();
    }
}

/// A count with separators for thousands.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time in three digits and a unit.
pub(crate) fn time(time: Duration) -> String {
    let nanos = time.as_nanos() as f64;
    match nanos {
        ..1e6 => format!("{:.0} µs", nanos / 1e3),
        ..1e7 => format!("{:.2} ms", nanos / 1e6),
        ..1e9 => format!("{:.0} ms", nanos / 1e6),
        _ => format!("{:.1} s", nanos / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let times = [42_000, 1_234_000, 56_700_000, 1_500_000_000].map(|n| time(Duration::from_nanos(n)));
        assert_eq!(times, ["42 µs", "1.23 ms", "57 ms", "1.5 s"]);
    }
}
