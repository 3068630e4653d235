//! Meters that outlive the process, where no program in the kernel has them: a file in memory (tmpfs), mapped.
//!
//! What a killed process has counted stands in the file to the octet, and costs nothing to keep. A file is taken over if it
//! is of this boot of the machine, this layout and this number of guests, and only ours to open; any other one makes way
//! for a new one. All of it is written when it is made: a file with holes kills who touches one when there is no room
//! left.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use fastpath::meter::{Adders, Meter, SharedMeters};

use crate::mapped::Mapped;
use crate::{Error, Result};

/// Behind the meters, for a mapping begins with its file: name and layout's version, the boot, the number of meters.
const TRAILER_OCTETS: usize = 64;
const NAME: &[u8; 16] = b"poblano meters 1";

/// A file of meters.
pub struct KeptMeters {
    mapped: Mapped<Meter>,
    took_over: bool,
    /// Locked: nobody else takes it over while we live.
    _file: File,
}

impl KeptMeters {
    /// Opens the file at `path`, or makes it, for so many guests. 128 octets each.
    ///
    /// # Errors
    /// The kernel's; that another process has it; or that this system does not tell one boot from another. Everything
    /// works without it, but for what is lost in a crash.
    pub fn open(path: &Path, capacity: u32) -> Result<Arc<Self>> {
        let failed = |error| Error::kernel(format!("keep the meters in {}", path.display()), error);
        let boot = crate::since_boot().ok_or_else(|| {
            Error::refused(format!("keep the meters in {}", path.display()), "nothing tells which boot this is")
        })?;
        let trailer = trailer(boot.boot, capacity);
        let (file, took_over) = match take(path, capacity, &trailer).map_err(failed)? {
            Some(file) => (file, true),
            None => (make(path, capacity, &trailer).map_err(failed)?, false),
        };
        let mapped = Mapped::new(file.as_fd(), capacity as usize).map_err(failed)?;
        Ok(Arc::new(Self { mapped, took_over, _file: file }))
    }

    /// Whether they go on from a former life.
    #[must_use]
    pub fn took_over(&self) -> bool {
        self.took_over
    }

    /// One for each guest.
    #[must_use]
    pub fn meters(self: &Arc<Self>) -> SharedMeters {
        SharedMeters::new(Box::new(Meters(Arc::clone(self))), Adders::OneThread)
    }

    /// Removes the file at `path`, if there is one: nobody goes on from it.
    pub fn forget(path: &Path) {
        let _ = std::fs::remove_file(path);
    }
}

struct Meters(Arc<KeptMeters>);

impl AsRef<[Meter]> for Meters {
    fn as_ref(&self) -> &[Meter] {
        &self.0.mapped
    }
}

fn octets(capacity: u32) -> u64 {
    u64::from(capacity) * size_of::<Meter>() as u64
}

fn trailer(boot: [u8; 16], capacity: u32) -> [u8; TRAILER_OCTETS] {
    let mut trailer = [0; TRAILER_OCTETS];
    trailer[..16].copy_from_slice(NAME);
    trailer[16..32].copy_from_slice(&boot);
    trailer[32..36].copy_from_slice(&capacity.to_ne_bytes());
    trailer
}

/// The file that is there, if it can be believed. One that another process has is an error.
fn take(path: &Path, capacity: u32, expected: &[u8; TRAILER_OCTETS]) -> io::Result<Option<File>> {
    let opened = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let Ok(file) = opened else { return Ok(None) };
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() != 1 || found.mode() & 0o077 != 0 || found.uid() != crate::user_id() {
        return Ok(None);
    }
    file.try_lock()?;
    let mut trailer = [0; TRAILER_OCTETS];
    let fits = found.len() == octets(capacity) + TRAILER_OCTETS as u64
        && file.read_exact_at(&mut trailer, octets(capacity)).is_ok()
        && trailer == *expected;
    Ok(fits.then_some(file))
}

fn make(path: &Path, capacity: u32, trailer: &[u8; TRAILER_OCTETS]) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.try_lock().map_err(io::Error::from).and_then(|()| {
        let zeros = [0; 64 * 1024];
        let mut left = octets(capacity);
        while left > 0 {
            let now = left.min(zeros.len() as u64);
            file.write_all(&zeros[..now as usize])?;
            left -= now;
        }
        file.write_all(trailer)
    });
    if let Err(error) = written {
        KeptMeters::forget(path);
        return Err(error);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::sync::atomic::Ordering;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("poblano-meters-{test}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).expect("a temporary folder");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn count(kept: &Arc<KeptMeters>) -> u64 {
        kept.meters().as_ref()[1].up.octets.fetch_add(7, Ordering::Relaxed)
    }

    #[test]
    fn what_was_counted_is_there_for_the_next_process_and_only_for_one() {
        let folder = Folder::new("kept");
        let path = folder.0.join("meters");
        let first = KeptMeters::open(&path, 2).expect("a file");
        assert_eq!((first.took_over(), count(&first)), (false, 0));
        assert_eq!(std::fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
        assert!(KeptMeters::open(&path, 2).is_err(), "it is in use");
        drop(first);
        let second = KeptMeters::open(&path, 2).expect("a file");
        assert_eq!((second.took_over(), count(&second)), (true, 7));
        KeptMeters::forget(&path);
        drop(second);
        assert!(!KeptMeters::open(&path, 2).expect("a file").took_over());
    }

    #[test]
    fn what_cannot_be_believed_makes_way_for_a_new_file() {
        let folder = Folder::new("strange");
        let path = folder.0.join("meters");
        let others = folder.0.join("others");
        let spoil: [(&str, &dyn Fn()); 6] = [
            ("another number of guests", &|| drop(KeptMeters::open(&path, 3))),
            ("cut", &|| File::options().write(true).open(&path).expect("it is there").set_len(100).expect("cut")),
            ("another boot", &|| {
                let file = File::options().write(true).open(&path).expect("it is there");
                file.write_all_at(&[9; 16], octets(2) + 16).expect("written");
            }),
            ("others may open it", &|| {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
            }),
            ("a second name", &|| std::fs::hard_link(&path, &others).expect("the name is free")),
            ("a link to another file", &|| {
                std::fs::rename(&path, &others).expect("it is ours");
                symlink(&others, &path).expect("the name is free");
            }),
        ];
        for (what, spoil) in spoil {
            count(&KeptMeters::open(&path, 2).expect("a file"));
            spoil();
            let kept = KeptMeters::open(&path, 2).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!((kept.took_over(), count(&kept)), (false, 0), "{what}");
            KeptMeters::forget(&path);
            let _ = std::fs::remove_file(&others);
        }
    }
}
