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

pub(super) struct Files {
    directory: PathBuf,
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
    pub(super) fn open(config: &config::Retention, now: Now) -> anyhow::Result<Self> {
        let directory = config.directory.clone();
        let doing = || format!("cannot write into {} (retention.directory)", directory.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).with_context(doing)?;
        let max_size = if config.max_size.0 == 0 { u64::MAX } else { config.max_size.0 };
        let part = (max_size / PARTS).clamp(SMALLEST_PART, LARGEST_PART);
        let mut files = Self {
            directory: directory.clone(),
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
        match &result {
            Ok(()) if self.failed.take().is_some() => info!("retention: lines are written again"),
            Ok(()) => {}
            Err(error) => self.fail(now, error),
        }
        result.is_ok()
    }

    fn write(&mut self, now: Now, line: &str) -> std::io::Result<()> {
        let is_right = |current: &Current| current.day == day(now) && current.written < self.part;
        if !self.current.as_ref().is_some_and(is_right) {
            self.flush();
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
            let _ = current.file.into_parts();
        }
    }

    /// Gives all that was written to the kernel. False if it does not take it.
    pub(super) fn flush(&mut self) -> bool {
        let result = self.current.as_mut().map_or(Ok(()), |current| current.file.flush());
        if let Err(error) = &result {
            warn!(%error, "retention: lines are lost");
            self.forget();
        }
        result.is_ok()
    }

    fn begin(&mut self, now: Now) -> std::io::Result<()> {
        self.tidy(now);
        let millis = now.unix.subsec_millis();
        let name = format!("{}.{millis:03}Z.jsonl", utc(now.unix.as_secs()).replace([':', '-'], ""));
        let path = self.directory.join(name);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        self.current = Some(Current { path, file: BufWriter::new(file), day: day(now), written: 0 });
        Ok(())
    }

    /// Lets files go whose time is over, and the oldest of those for which there is no room.
    pub(super) fn tidy(&mut self, now: Now) {
        let mut kept = Vec::new();
        for path in all(&self.directory) {
            let Ok(facts) = path.metadata() else { continue };
            let last = facts.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            if last.is_some_and(|last| last + self.age < now.unix) {
                remove(&path);
                // Nothing was written for so long; the next line begins another one.
                self.current.take_if(|current| current.path == path);
            } else {
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
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "jsonl")).collect();
    files.sort_unstable();
    files
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
        Files::open(&config, today()).expect("a directory below the temporary one")
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
        assert!(files.flush());
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
        let mut files = files("size", PARTS * SMALLEST_PART);
        let (line, Now { mono, unix }) = ("x".repeat(SMALLEST_PART as usize - 1), today());
        for n in 0..40 {
            assert!(files.append(Now { mono, unix: unix + Duration::from_secs(n) }, &line));
        }
        assert!(files.flush());
        let total: u64 = all(&files.directory).iter().filter_map(|path| path.metadata().ok()).map(|m| m.len()).sum();
        assert_eq!(total, PARTS * SMALLEST_PART, "the last lines");
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
        assert!(files.append(later(2), "kept") && files.flush());
        let [path] = &all(&files.directory)[..] else { panic!("one file") };
        assert_eq!(std::fs::read_to_string(path).ok().as_deref(), Some("kept\n"));
        let _ = std::fs::remove_dir_all(&files.directory);
    }
}
