//! The handful of `bpf(2)` commands that the offload needs (`linux/bpf.h`).

use std::ffi::{CString, c_long};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const MAP_CREATE: c_long = 0;
const MAP_LOOKUP: c_long = 1;
const MAP_UPDATE: c_long = 2;
const MAP_DELETE: c_long = 3;
const MAP_NEXT_KEY: c_long = 4;
const PROG_LOAD: c_long = 5;
const OBJ_PIN: c_long = 6;
const OBJ_GET: c_long = 7;
#[cfg(test)]
const PROG_TEST_RUN: c_long = 10;
const PROG_BY_ID: c_long = 13;
const MAP_BY_ID: c_long = 14;
const INFO: c_long = 15;

/// Letters of a name, with its closing zero.
const NAME_LEN: usize = 16;
/// What the verifier says about a program that it refuses.
const LOG_LEN: usize = 1 << 20;
/// The name of a program where it is pinned, beside its maps.
pub(super) const PROGRAM: &str = "program";
/// Maps of one program that we look at.
const MAX_MAPS: usize = 16;

/// What kind of map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MapKind {
    Hash = 1,
    Array = 2,
    PerCpuArray = 6,
}

/// What a map is made as, and what one that is there must be to be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MapSpec {
    pub(super) kind: MapKind,
    pub(super) key_len: u32,
    pub(super) value_len: u32,
    pub(super) entries: u32,
    /// Its memory can be mapped into our process.
    pub(super) mapped: bool,
}

impl MapSpec {
    const MMAPABLE: u32 = 1 << 10;

    fn flags(&self) -> u32 {
        if self.mapped { Self::MMAPABLE } else { 0 }
    }
}

/// What kind of program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProgramKind {
    SocketFilter = 1,
    Classifier = 3,
}

/// `union bpf_attr`, as many octets as the longest command that we use has.
#[repr(C, align(8))]
struct Attr([u8; 128]);

impl Attr {
    fn new() -> Self {
        Self([0; 128])
    }

    fn u32(mut self, at: usize, value: u32) -> Self {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    fn u64(mut self, at: usize, value: u64) -> Self {
        self.0[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        self
    }

    fn name(mut self, at: usize, name: &str) -> Self {
        let len = name.len().min(NAME_LEN - 1);
        self.0[at..at + len].copy_from_slice(&name.as_bytes()[..len]);
        self
    }
}

fn address<T>(memory: &[T]) -> u64 {
    memory.as_ptr() as u64
}

/// # Safety
/// Whatever pointers `attr` has must be to live memory of the lengths that the command takes.
unsafe fn bpf(command: c_long, attr: &mut Attr) -> io::Result<i32> {
    // SAFETY: the attribute is ours and as long as we say; its pointers are good by the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr.0.as_mut_ptr(), size_of::<Attr>()) };
    i32::try_from(result).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)
}

/// The same for commands that make a descriptor.
///
/// # Safety
/// As for [`bpf`].
unsafe fn bpf_fd(command: c_long, attr: &mut Attr) -> io::Result<OwnedFd> {
    // SAFETY: by the caller's promise; the descriptor is new and ours.
    unsafe { Ok(OwnedFd::from_raw_fd(bpf(command, attr)?)) }
}

/// A map of the kernel.
#[derive(Debug)]
pub(super) struct Map {
    fd: OwnedFd,
    spec: MapSpec,
}

impl Map {
    pub(super) fn create(name: &str, spec: MapSpec) -> io::Result<Self> {
        let mut attr = Attr::new()
            .u32(0, spec.kind as u32)
            .u32(4, spec.key_len)
            .u32(8, spec.value_len)
            .u32(12, spec.entries)
            .u32(16, spec.flags())
            .name(28, name);
        // SAFETY: the command has no pointers.
        let fd = unsafe { bpf_fd(MAP_CREATE, &mut attr)? };
        Ok(Self { fd, spec })
    }

    /// What was found, if it is one of these maps, is what `spec` says and has that name.
    fn check(fd: OwnedFd, ids: &[u32], name: &str, spec: MapSpec) -> io::Result<Option<Self>> {
        let mut info = [0u32; 32];
        read_info(fd.as_fd(), &mut info)?;
        let is = [spec.kind as u32, info[1], spec.key_len, spec.value_len, spec.entries, spec.flags()];
        let named: Vec<u8> = info[6..10].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let same = info[..6] == is && named.split(|&b| b == 0).next() == Some(name.as_bytes());
        Ok((same && ids.contains(&info[1])).then_some(Self { fd, spec }))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Sets an entry, which is made if it is not there.
    pub(super) fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.check_len(key, value);
        let mut attr = self.attr().u64(8, address(key)).u64(16, address(value));
        // SAFETY: key and value are alive and as long as the map's, which was checked.
        unsafe { bpf(MAP_UPDATE, &mut attr).map(drop) }
    }

    /// Takes an entry away. False if it was not there.
    pub(super) fn remove(&self, key: &[u8]) -> io::Result<bool> {
        assert_eq!(key.len(), self.spec.key_len as usize);
        // SAFETY: the key is alive and as long as the map's.
        match unsafe { bpf(MAP_DELETE, &mut self.attr().u64(8, address(key))) } {
            Ok(_) => Ok(true),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Reads an entry; `value` has room for one of each processor, if the map is of that kind.
    pub(super) fn get(&self, key: &[u8], value: &mut [u8]) -> io::Result<()> {
        self.check_len(key, value);
        let mut attr = self.attr().u64(8, address(key)).u64(16, value.as_mut_ptr() as u64);
        // SAFETY: key and value are alive and as long as the map's, which was checked.
        unsafe { bpf(MAP_LOOKUP, &mut attr).map(drop) }
    }

    /// The key after `key`, or the first one; none at the end. A walk may see or miss what changes meanwhile.
    pub(super) fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<bool> {
        let len = self.spec.key_len as usize;
        assert!(next.len() == len && key.is_none_or(|key| key.len() == len));
        let mut attr = self.attr().u64(8, key.map_or(0, address)).u64(16, next.as_mut_ptr() as u64);
        // SAFETY: both keys are alive and as long as the map's, or there is none.
        match unsafe { bpf(MAP_NEXT_KEY, &mut attr) } {
            Ok(_) => Ok(true),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// How many values one entry has.
    pub(super) fn values(&self) -> usize {
        if self.spec.kind == MapKind::PerCpuArray { possible_processors() } else { 1 }
    }

    fn check_len(&self, key: &[u8], value: &[u8]) {
        let value_len = match self.spec.kind {
            MapKind::PerCpuArray => self.spec.value_len.next_multiple_of(8) as usize * self.values(),
            _ => self.spec.value_len as usize,
        };
        assert!(key.len() == self.spec.key_len as usize && value.len() == value_len, "as the map was made");
    }

    fn attr(&self) -> Attr {
        Attr::new().u32(0, self.fd.as_raw_fd().cast_unsigned())
    }
}

/// A program that the verifier has found safe.
#[derive(Debug)]
pub(super) struct Program(OwnedFd);

impl Program {
    /// # Errors
    /// The kernel's, with the verifier's last words.
    pub(super) fn load(name: &str, kind: ProgramKind, license: &str, code: &[u64]) -> io::Result<Self> {
        let license = format!("{license}\0");
        let attr = || {
            Attr::new()
                .u32(0, kind as u32)
                .u32(4, code.len() as u32)
                .u64(8, address(code))
                .u64(16, address(license.as_bytes()))
                .name(48, name)
        };
        // SAFETY: code and licence are alive; the length is that of the code.
        let error = match unsafe { bpf_fd(PROG_LOAD, &mut attr()) } {
            Ok(fd) => return Ok(Self(fd)),
            Err(error) => error,
        };
        // Once more, to hear why.
        let mut log = vec![0u8; LOG_LEN];
        let mut attr = attr().u32(24, 1).u32(28, LOG_LEN as u32).u64(32, log.as_mut_ptr() as u64);
        // SAFETY: as above; the log is as long as we say.
        if let Ok(fd) = unsafe { bpf_fd(PROG_LOAD, &mut attr) } {
            return Ok(Self(fd));
        }
        let end = log.iter().position(|&b| b == 0).unwrap_or(0);
        let words = String::from_utf8_lossy(&log[..end]);
        match words.lines().rfind(|line| !line.is_empty() && !line.starts_with("processed ")) {
            Some(last) => Err(io::Error::new(error.kind(), format!("{error} ({last})"))),
            None => Err(error),
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// The kernel's number for it.
    pub(super) fn id(&self) -> io::Result<u32> {
        let mut info = [0u32; 64];
        read_info(self.fd(), &mut info)?;
        Ok(info[1])
    }

    /// The numbers of its maps.
    fn maps(&self) -> io::Result<Vec<u32>> {
        let mut ids = [0u32; MAX_MAPS];
        let mut info = [0u32; 64];
        info[13] = MAX_MAPS as u32;
        let ids_at = (ids.as_mut_ptr() as u64).to_ne_bytes();
        info[14] = u32::from_ne_bytes([ids_at[0], ids_at[1], ids_at[2], ids_at[3]]);
        info[15] = u32::from_ne_bytes([ids_at[4], ids_at[5], ids_at[6], ids_at[7]]);
        read_info(self.fd(), &mut info)?;
        Ok(ids[..MAX_MAPS.min(info[13] as usize)].to_vec())
    }

    /// Runs the program on a packet as if it came by. Returns what the program did.
    #[cfg(test)]
    pub(super) fn test_run(&self, packet: &[u8], context: &[u8]) -> io::Result<i32> {
        let mut out = vec![0u8; packet.len() + 256];
        let mut attr = Attr::new()
            .u32(0, self.0.as_raw_fd().cast_unsigned())
            .u32(8, packet.len() as u32)
            .u32(12, out.len() as u32)
            .u64(16, address(packet))
            .u64(24, out.as_mut_ptr() as u64)
            .u32(40, context.len() as u32)
            .u64(48, address(context));
        // SAFETY: packet, context and room for the result are alive and as long as we say.
        unsafe { bpf(PROG_TEST_RUN, &mut attr)? };
        Ok(i32::from_ne_bytes([attr.0[4], attr.0[5], attr.0[6], attr.0[7]]))
    }
}

/// The maps of the program with this number that have these names and shapes, in this order. None if one is missing.
/// `pinned` opens what has a name beside the program; what it does not find is looked for by number.
pub(super) fn maps_of_program(
    id: u32,
    wanted: &[(&str, MapSpec)],
    pinned: impl Fn(&str) -> io::Result<OwnedFd>,
) -> io::Result<Option<Vec<Map>>> {
    let program = match pinned(PROGRAM).map(Program) {
        Ok(program) if program.id()? == id => program,
        _ => Program(by_number(PROG_BY_ID, id)?),
    };
    let ids = program.maps()?;
    let mut found = Vec::new();
    for (name, spec) in wanted {
        let mut map = match pinned(name) {
            Ok(fd) => Map::check(fd, &ids, name, *spec)?,
            Err(_) => None,
        };
        for id in &ids {
            map = match map {
                None => Map::check(by_number(MAP_BY_ID, *id)?, &ids, name, *spec)?,
                some => some,
            };
        }
        match map {
            Some(map) => found.push(map),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// True if we may look for programs and maps by number: then no program has number 0.
pub(super) fn may_use_numbers() -> bool {
    by_number(PROG_BY_ID, 0).is_err_and(|e| e.raw_os_error() == Some(libc::ENOENT))
}

fn by_number(command: c_long, id: u32) -> io::Result<OwnedFd> {
    // SAFETY: these commands have no pointers.
    unsafe { bpf_fd(command, &mut Attr::new().u32(0, id)) }
}

/// Gives a program or map a name in the BPF file system.
pub(super) fn pin(fd: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = Attr::new().u64(0, address(path.as_bytes_with_nul())).u32(8, fd.as_raw_fd().cast_unsigned());
    // SAFETY: the path is alive and ends with a zero.
    unsafe { bpf(OBJ_PIN, &mut attr).map(drop) }
}

/// Opens what has this name.
pub(super) fn open_pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path is alive and ends with a zero.
    unsafe { bpf_fd(OBJ_GET, &mut Attr::new().u64(0, address(path.as_bytes_with_nul()))) }
}

fn read_info(fd: BorrowedFd<'_>, info: &mut [u32]) -> io::Result<()> {
    let mut attr = Attr::new()
        .u32(0, fd.as_raw_fd().cast_unsigned())
        .u32(4, size_of_val(info) as u32)
        .u64(8, info.as_mut_ptr() as u64);
    // SAFETY: the room for the answer is alive and as long as we say; what it points to is the caller's and alive.
    unsafe { bpf(INFO, &mut attr).map(drop) }
}

/// Processors that this machine can have: each has a value of its own in a per-processor map.
fn possible_processors() -> usize {
    // "0-3", "0", "0-1,4": the last number counts.
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = text.trim().rsplit([',', '-']).next().and_then(|last| last.parse::<usize>().ok());
    last.map_or(1, |last| last + 1)
}
