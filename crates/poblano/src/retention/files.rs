//! The files: each begins with a start, a day, or when the one before has its share of what all may take. The oldest go by age,
//! and before it when there is no room.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tracing::{info, warn};
use wire::Now;

use crate::commands::utc;

/// Parts that all files together have.
const PARTS: u64 = 16;
/// A part without a limit, and the smallest.
const LARGEST_PART: u64 = 64 << 20;
const SMALLEST_PART: u64 = 64 << 10;
const DAY_SECS: u64 = 86_400;
/// A disk that does not take a line is tried again after this.
const RETRY: Duration = Duration::from_secs(5);

/// What is in a file. Guests make as many connections as they like, and push out no sessions with them.
pub(super) const SESSIONS: &str = "sessions";
pub(super) const MAPPINGS: &str = "mappings";

pub(super) struct Files {
    directory: PathBuf,
    kind: &'static str,
    /// The other kind is not kept any more: what there is of it goes by its age all the same.
    is_alone: bool,
    age: Duration,
    /// Of all files, but for the one that is being written.
    most: u64,
    part: u64,
    current: Option<Current>,
    /// Since when the disk takes nothing.
    failed: Option<Duration>,
}

struct Current {
    path: PathBuf,
    file: BufWriter<File>,
    day: u64,
    written: u64,
}

impl Files {
    pub(super) fn open(config: &config::Retention, kind: &'static str, now: Now) -> anyhow::Result<Self> {
        let directory = config.directory.clone();
        let doing = || format!("cannot write into {} (retention.directory)", directory.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).with_context(doing)?;
        let max_size = if config.max_size.0 == 0 { u64::MAX } else { config.max_size.0 };
        let max_size = if kind == SESSIONS { max_size / 4 } else { max_size - max_size / 4 };
        let part = (max_size / PARTS).clamp(SMALLEST_PART, LARGEST_PART);
        let mut files = Self {
            directory: directory.clone(),
            kind,
            is_alone: !(config.sessions && config.mappings),
            age: config.age,
            most: max_size.saturating_sub(part),
            part,
            current: None,
            failed: None,
        };
        files.begin(now).with_context(doing)?;
        Ok(files)
    }

    /// Writes a line, in a new file if it is time. False if the disk does not take it.
    pub(super) fn append(&mut self, now: Now, line: &str) -> bool {
        if self.failed.is_some_and(|since| now.mono < since + RETRY) {
            return false;
        }
        let result = self.write(now, line);
        if let Err(error) = &result {
            self.fail(now, error);
        }
        result.is_ok()
    }

    fn write(&mut self, now: Now, line: &str) -> std::io::Result<()> {
        let is_right = |current: &Current| current.day == day(now) && current.written < self.part;
        if !self.current.as_ref().is_some_and(is_right) {
            if let Some(current) = &mut self.current {
                current.file.flush()?;
            }
            self.begin(now)?;
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        writeln!(current.file, "{line}")?;
        current.written += line.len() as u64 + 1;
        Ok(())
    }

    fn fail(&mut self, now: Now, error: &std::io::Error) {
        // Once: as long as it lasts each line would say it again.
        if self.failed.is_none() {
            warn!(%error, "retention: lines cannot be written into {}, and are lost", self.directory.display());
        }
        self.failed = Some(now.mono);
        self.forget();
    }

    /// What the file has not taken would be tried again when it goes, into the middle of another line.
    fn forget(&mut self) {
        if let Some(current) = self.current.take() {
            let (file, _) = current.file.into_parts();
            // Or there would be one for each time that is tried.
            if file.metadata().is_ok_and(|facts| facts.len() == 0) {
                remove(&current.path);
            }
        }
    }

    /// Gives all that was written to the kernel. False if it does not take it.
    pub(super) fn flush(&mut self, now: Now) -> bool {
        // Only here it is seen: a line that was written waits in a buffer.
        let Some(current) = &mut self.current else { return true };
        let result = current.file.flush();
        match &result {
            Ok(()) if self.failed.take().is_some() => info!("retention: lines are written again"),
            Ok(()) => {}
            Err(error) => self.fail(now, error),
        }
        result.is_ok()
    }

    fn begin(&mut self, now: Now) -> std::io::Result<()> {
        self.tidy(now);
        let millis = now.unix.subsec_millis();
        let name = format!("{}.{millis:03}Z.{}.jsonl", utc(now.unix.as_secs()).replace([':', '-'], ""), self.kind);
        let path = self.directory.join(name);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        self.current = Some(Current { path, file: BufWriter::new(file), day: day(now), written: 0 });
        Ok(())
    }

    /// Lets files go whose time is over, and the oldest of those for which there is no room.
    pub(super) fn tidy(&mut self, now: Now) {
        let mut kept = Vec::new();
        let kind = format!(".{}.jsonl", self.kind);
        for path in all(&self.directory) {
            let is_own = path.to_string_lossy().ends_with(&kind);
            if !is_own && !self.is_alone {
                continue;
            }
            let Ok(facts) = path.metadata() else { continue };
            let last = facts.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            if last.is_some_and(|last| last + self.age < now.unix) {
                remove(&path);
                // Nothing was written for so long; the next line begins another one.
                self.current.take_if(|current| current.path == path);
            } else if is_own {
                kept.push((path, facts.len()));
            }
        }
        let mut total: u64 = kept.iter().map(|(_, octets)| octets).sum();
        // The last one may be the one that is being written.
        let older = kept.len().saturating_sub(1);
        for (path, octets) in kept.iter().take(older) {
            if total <= self.most {
                return;
            }
            warn!("retention.max_size is reached: {} goes before its age", path.display());
            remove(path);
            total -= octets;
        }
    }
}

fn day(now: Now) -> u64 {
    now.unix.as_secs() / DAY_SECS
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        warn!(%error, "retention: {} cannot be deleted", path.display());
    }
}

/// All files, the oldest first.
pub(super) fn all(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| is_ours(path)).collect();
    files.sort_unstable();
    files
}

/// By its name, such as 20270301T142233.123Z.sessions.jsonl: what others keep there is not ours to delete.
fn is_ours(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let Some((stamp, kind)) = name.as_bytes().split_at_checked(20) else { return false };
    let is_stamp = stamp.iter().enumerate().all(|(at, octet)| match at {
        8 => *octet == b'T',
        15 => *octet == b'.',
        19 => *octet == b'Z',
        _ => octet.is_ascii_digit(),
    });
    is_stamp && [SESSIONS, MAPPINGS].iter().any(|ours| kind == format!(".{ours}.jsonl").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(secs: u64) -> Now {
        Now { mono: Duration::from_secs(secs), unix: Duration::from_secs(secs) }
    }

    fn files(name: &str, max_size: u64) -> Files {
        let directory = std::env::temp_dir().join(format!("poblano-retention-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory); // of a former run
        open(directory, MAPPINGS, max_size)
    }

    fn open(directory: PathBuf, kind: &'static str, max_size: u64) -> Files {
        let config = config::Retention {
            sessions: true,
            mappings: true,
            directory,
            account: config::Redaction::Keep,
            mac: config::Redaction::Keep,
            destinations: config::Destinations::Keep,
            age: Duration::from_secs(10 * DAY_SECS),
            max_size: config::Octets(max_size),
        };
        // The age is told by when a file was last written, which is today.
        Files::open(&config, kind, today()).expect("a directory below the temporary one")
    }

    fn today() -> Now {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        now(unix.as_secs())
    }

    fn later(days: u64) -> Now {
        let Now { mono, unix } = today();
        let more = Duration::from_secs(days * DAY_SECS);
        Now { mono: mono + more, unix: unix + more }
    }

    #[test]
    fn each_day_has_a_file_that_only_its_owner_reads_and_that_goes_by_its_age() {
        use std::os::unix::fs::PermissionsExt;
        let mut files = files("age", 0);
        assert!(files.append(later(0), "{}") && files.append(later(1), "{}") && files.append(later(1), "{}"));
        assert!(files.flush(later(1)));
        let before = all(&files.directory);
        assert_eq!(before.len(), 2);
        for path in &before {
            assert_eq!(path.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
        }
        files.tidy(later(9));
        assert_eq!(all(&files.directory), before);
        files.tidy(later(11));
        assert!(all(&files.directory).is_empty());
        let _ = std::fs::remove_dir_all(&files.directory);
    }

    #[test]
    fn the_oldest_goes_before_its_age_when_there_is_no_room() {
        let mut files = files("size", PARTS * SMALLEST_PART * 4 / 3); // a quarter is for sessions
        let (line, Now { mono, unix }) = ("x".repeat(SMALLEST_PART as usize - 1), today());
        for n in 0..40 {
            assert!(files.append(Now { mono, unix: unix + Duration::from_secs(n) }, &line));
        }
        assert!(files.flush(today()));
        let total: u64 = all(&files.directory).iter().filter_map(|path| path.metadata().ok()).map(|m| m.len()).sum();
        assert_eq!(total, PARTS * SMALLEST_PART, "the last lines");
        let _ = std::fs::remove_dir_all(&files.directory);
    }

    #[test]
    fn connections_push_out_no_sessions_and_nobody_elses_files() {
        let mut mappings = files("kinds", PARTS * SMALLEST_PART);
        let mut sessions = open(mappings.directory.clone(), SESSIONS, PARTS * SMALLEST_PART);
        let others = mappings.directory.join("20000101.jsonl");
        std::fs::write(&others, "another program's").expect("a place for it");
        assert!(sessions.append(today(), "somebody was here") && sessions.flush(today()));
        let (line, Now { mono, unix }) = ("x".repeat(SMALLEST_PART as usize - 1), today());
        for n in 0..40 {
            assert!(mappings.append(Now { mono, unix: unix + Duration::from_secs(n) }, &line));
        }
        mappings.tidy(later(30));
        let [kept] = &all(&mappings.directory)[..] else { panic!("all lines of connections have gone by their age") };
        assert_eq!(std::fs::read_to_string(kept).ok().as_deref(), Some("somebody was here\n"));
        assert!(others.exists());
        let _ = std::fs::remove_dir_all(&mappings.directory);
    }

    #[test]
    fn a_full_disk_is_tried_again_after_a_while_and_gets_no_file_for_each_try() {
        let mut files = files("full", 0);
        let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        for millis in [0, 10, 20] {
            let Now { mono, unix } = today();
            let now = Now { mono: mono + Duration::from_millis(millis), unix: unix + Duration::from_millis(millis) };
            if files.append(now, "lost") {
                assert_eq!(millis, 0, "not tried again so soon");
                files.current.as_mut().expect("it was written").file = BufWriter::new(full());
                files.current.as_mut().expect("it was written").file.write_all(b"lost").expect("into a buffer");
                assert!(!files.flush(now));
            }
        }
        assert!(all(&files.directory).len() <= 1);
        let _ = std::fs::remove_dir_all(&files.directory);
    }

    #[test]
    fn a_disk_that_takes_nothing_loses_lines_until_it_takes_them_again() {
        let mut files = files("gone", 0);
        std::fs::remove_dir_all(&files.directory).expect("it is ours");
        let tomorrow = later(1);
        assert!(!files.append(tomorrow, "lost"));
        std::fs::create_dir(&files.directory).expect("it was there");
        assert!(!files.append(tomorrow, "not tried again yet"));
        assert!(files.append(later(2), "kept") && files.flush(later(2)));
        let [path] = &all(&files.directory)[..] else { panic!("one file") };
        assert_eq!(std::fs::read_to_string(path).ok().as_deref(), Some("kept\n"));
        let _ = std::fs::remove_dir_all(&files.directory);
    }
}
