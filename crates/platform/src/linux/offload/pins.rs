//! Names by which the next life finds programs and maps again: finding them by number wants CAP_SYS_ADMIN, opening a name
//! in the kernel's BPF file system only that it is ours. They stand in `poblano/LAN/NUMBER`, by the number of the program
//! that hangs on the LAN, and are in place before that program is. What is found there is used only if it is that program,
//! and maps of that program: who could write there gains nothing.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::super::sys;
use super::bpf;

/// Where systemd and OpenWrt mount the BPF file system.
const ROOT: &str = "/sys/fs/bpf/poblano";
/// Nobody but us.
const MODE: u32 = 0o700;

/// Gives names to a program on `lan` that has this number, and to what belongs to it.
pub(super) fn keep(lan: &str, program: u32, things: &[(&str, BorrowedFd<'_>)]) -> io::Result<()> {
    let lan = of_lan(lan);
    let folder = lan.join(program.to_string());
    for folder in [Path::new(ROOT), &lan, &folder] {
        make_our_own(folder)?;
    }
    things.iter().try_for_each(|(name, fd)| bpf::pin(*fd, &folder.join(name)))
}

/// What has this name beside the program.
pub(super) fn open(lan: &str, program: u32, name: &str) -> io::Result<OwnedFd> {
    bpf::open_pinned(&of_lan(lan).join(program.to_string()).join(name))
}

/// Takes the names of all programs away that `lan` has or had, but for this one's. What nobody uses goes with its name.
pub(super) fn forget(lan: &str, but: Option<u32>) {
    let lan = of_lan(lan);
    let but = but.map(|program| program.to_string());
    // Where there are no names, there is nothing to take away.
    for folder in entries(&lan).filter(|folder| folder.file_name().and_then(|name| name.to_str()) != but.as_deref()) {
        entries(&folder).for_each(|name| drop(fs::remove_file(name)));
        let _ = fs::remove_dir(folder);
    }
    for folder in [&lan, Path::new(ROOT)] {
        let _ = fs::remove_dir(folder); // unless there is something in it
    }
}

/// The file system takes no dots, and interfaces' names have no colons.
fn of_lan(lan: &str) -> PathBuf {
    Path::new(ROOT).join(lan.replace('.', ":"))
}

fn make_our_own(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(MODE).create(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && found.uid() == sys::effective_ids().0 && found.mode() & 0o777 == MODE {
        return Ok(());
    }
    Err(io::Error::other(format!("{} is not ours alone", folder.display())))
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}
