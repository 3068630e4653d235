//! What the demonstration looks like. Colours and moving lines are for terminals; everybody else gets plain lines.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A person reads along on a terminal; nobody does in a pipe.
const BREATH: Duration = Duration::from_millis(400);
const BAR_CELLS: usize = 30;
/// Lines of the gateway's log that are shown after a failure.
const LOG_LINES: usize = 60;

/// How a line is dressed (ECMA-48, 8.3.117).
#[derive(Clone, Copy)]
enum Dress {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
    Cyan = 36,
}

/// The stage.
pub(super) struct Show {
    terminal: bool,
    colour: bool,
    utf8: bool,
    hushed: AtomicBool,
}

impl Show {
    pub(super) fn detect() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let terminal = std::io::stdout().is_terminal() && set("TERM").is_some_and(|term| term != "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
        Self {
            terminal,
            colour: terminal && set("NO_COLOR").is_none(),
            utf8: locale.contains("utf-8") || locale.contains("utf8"),
            hushed: AtomicBool::new(false),
        }
    }

    /// From now on nothing is shown: the story's thread may still be in the middle of it.
    pub(super) fn hush(&self) {
        self.hushed.store(true, Ordering::Release);
    }

    pub(super) fn aloud(&self) {
        self.hushed.store(false, Ordering::Release);
    }

    pub(super) fn line(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    pub(super) fn title(&self, text: &str) {
        self.line(&self.dressed(Dress::Bold, text));
    }

    pub(super) fn aside(&self, text: &str) {
        self.line(&self.dressed(Dress::Dim, text));
    }

    pub(super) fn chapter(&self, text: &str) {
        self.breathe();
        self.line(&format!("\n{}", self.dressed(Dress::Bold, text)));
    }

    /// The three on their cables.
    pub(super) fn picture(&self) {
        let wire = if self.utf8 { "\u{2500}" } else { "-" }.repeat(12);
        let picture = format!("  phone {wire} poblano {wire} Internet");
        self.line(&self.dressed(Dress::Cyan, &picture));
    }

    pub(super) fn done(&self, took: Duration, text: &str) {
        let mark = self.dressed(Dress::Green, if self.utf8 { "\u{2713}" } else { "ok" });
        self.step(&mark, took, text);
    }

    pub(super) fn failed(&self, took: Duration, text: &str) {
        let mark = self.dressed(Dress::Red, if self.utf8 { "\u{2717}" } else { "!!" });
        self.step(&mark, took, text);
    }

    /// A line that the next one replaces; on terminals only.
    pub(super) fn passing(&self, text: &str) {
        if self.terminal {
            self.write(&format!("\r{text}\x1b[K"));
        }
    }

    /// A passing line that stands where the step's own will be.
    pub(super) fn progress(&self, text: &str) {
        self.passing(&format!("{:width$}{text}", "", width = if self.utf8 { 13 } else { 14 }));
    }

    /// The end of a line that was passing.
    pub(super) fn passed(&self) {
        if self.terminal {
            self.write("\n");
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// How far something is, from 0 to 1.
    pub(super) fn bar(&self, part: f64) -> String {
        let (full, empty) = if self.utf8 { ("\u{2588}", "\u{2591}") } else { ("#", ".") };
        let cells = ((part * BAR_CELLS as f64) as usize).min(BAR_CELLS);
        self.dressed(Dress::Cyan, &full.repeat(cells)) + &self.dressed(Dress::Dim, &empty.repeat(BAR_CELLS - cells))
    }

    /// A command and what it prints.
    pub(super) fn command(&self, command: &str, output: &str) {
        self.line(&self.dressed(Dress::Bold, &format!("$ {command}")));
        for line in output.lines() {
            self.line(line);
        }
    }

    /// The gateway's own words, after a failure.
    pub(super) fn log(&self, log: &str) {
        let lines: Vec<&str> = log.lines().collect();
        self.title("\nThe gateway's log:");
        for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
            self.line(&format!("  {line}"));
        }
    }

    pub(super) fn farewell(&self) {
        self.passed();
        self.line("The gateway is stopped, and everything of the demo is gone.");
    }

    fn step(&self, mark: &str, took: Duration, text: &str) {
        let start = if self.terminal { "\r\x1b[K" } else { "" };
        let took = self.dressed(Dress::Dim, &format!("{:>7}", time(took)));
        self.line(&format!("{start}  {mark} {took}  {text}"));
    }

    fn dressed(&self, dress: Dress, text: &str) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", dress as u8) } else { text.to_owned() }
    }

    fn breathe(&self) {
        if self.terminal {
            thread::sleep(BREATH);
        }
    }

    fn write(&self, text: &str) {
        if !self.hushed.load(Ordering::Acquire) {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush()); // a closed pipe has seen enough
        }
    }
}

/// A short time with as many digits as matter.
fn time(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    match millis {
        0.0..9.95 => format!("{millis:.1} ms"),
        9.95..999.5 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// A rate as networks are sold.
pub(super) fn rate(bits_per_second: f64) -> String {
    if bits_per_second >= 1e9 {
        format!("{:.1} Gbit/s", bits_per_second / 1e9)
    } else {
        format!("{:.0} Mbit/s", bits_per_second / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_have_the_digits_that_matter() {
        assert_eq!(time(Duration::from_micros(740)), "0.7 ms");
        assert_eq!(time(Duration::from_micros(9_960)), "10 ms");
        assert_eq!(time(Duration::from_millis(2_040)), "2.0 s");
        assert_eq!(rate(14.24e9), "14.2 Gbit/s");
        assert_eq!(rate(87.6e6), "88 Mbit/s");
    }

    #[test]
    fn a_pipe_gets_neither_colours_nor_letters_that_it_may_not_know() {
        let show = Show { terminal: false, colour: false, utf8: false, hushed: AtomicBool::new(false) };
        assert_eq!(show.bar(0.5), format!("{}{}", "#".repeat(15), ".".repeat(15)));
        assert!(show.bar(7.0).is_ascii());
    }
}
