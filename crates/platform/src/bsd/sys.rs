//! Thin wrappers around the system calls that the standard library lacks.

use std::ffi::{CStr, c_int, c_ulong};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::slice;

#[cfg(target_os = "freebsd")]
use super::pure::abi::CARRY_RIGHTS;
use super::pure::abi::{CTL_NET, IPCTL_FORWARDING, IPPROTO_IP, NET_RT_DUMP};
use super::pure::bpf;

/// Makes a socket that does not survive `exec`.
pub(super) fn socket(family: c_int, kind: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; a descriptor that is returned is ours alone.
    unsafe {
        let fd = check(libc::socket(family, kind | libc::SOCK_CLOEXEC, 0))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// An ioctl whose argument is `bytes`; the kernel may change them.
///
/// # Panics
/// If the request's number says that its argument is longer.
pub(super) fn ioctl(fd: impl AsFd, request: u32, bytes: &mut [u8]) -> io::Result<()> {
    // Bits 16 to 28 of a BSD request are its argument's length: the kernel touches no more than that.
    let len = (request >> 16 & 0x1fff) as usize;
    assert!(bytes.len() >= len, "the argument of ioctl {request:#x} has {len} octets");
    // SAFETY: by the assertion the kernel stays inside `bytes`.
    check(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), c_ulong::from(request) as _, bytes.as_mut_ptr()) }).map(drop)
}

/// An ioctl whose argument is one number.
pub(super) fn ioctl_word(fd: impl AsFd, request: u32, value: u32) -> io::Result<u32> {
    let mut bytes = value.to_ne_bytes();
    ioctl(fd, request, &mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}

/// An ioctl whose argument is a `bpf_program`: a length, and where the steps are.
pub(super) fn ioctl_program(fd: impl AsFd, request: u32, steps: &[bpf::Step]) -> io::Result<()> {
    let mut program = [0; 2 * size_of::<usize>()];
    program[..4].copy_from_slice(&(steps.len() as u32).to_ne_bytes());
    program[size_of::<usize>()..].copy_from_slice(&steps.as_ptr().expose_provenance().to_ne_bytes());
    // The kernel copies the steps, which live until it has.
    ioctl(fd, request, &mut program)
}

/// From now on the descriptor can be read, written and waited for, and nothing else be done with it: Capsicum, where there
/// is one.
pub(super) fn limit_to_carrying(fd: impl AsFd) -> io::Result<()> {
    #[cfg(target_os = "freebsd")]
    {
        let rights: *const libc::cap_rights_t = CARRY_RIGHTS.as_ptr().cast();
        // SAFETY: the kernel reads a `cap_rights_t`, which is these two words.
        match check(unsafe { libc::cap_rights_limit(fd.as_fd().as_raw_fd(), rights) }) {
            // A kernel that was built without.
            Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => {}
            result => {
                result?;
            }
        }
    }
    #[cfg(not(target_os = "freebsd"))]
    drop(fd);
    Ok(())
}

/// Sets O_NONBLOCK on an open descriptor. NetBSD's tun looks only at what was set this way.
pub(super) fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: no pointers.
    unsafe {
        let flags = check(libc::fcntl(fd, libc::F_GETFL))?;
        check(libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK)).map(drop)
    }
}

/// The IPv4 routing table as the kernel writes it.
pub(super) fn routing_table(pf_route: c_int) -> io::Result<Vec<u8>> {
    let name = [CTL_NET, pf_route, 0, libc::AF_INET, NET_RT_DUMP, 0];
    let len = sysctl(&name, &mut [])?;
    // The table may grow between the two calls.
    let mut bytes = vec![0; len + len / 4 + 4096];
    let len = sysctl(&name, &mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

/// True if the kernel forwards IPv4.
pub(super) fn is_forwarding() -> io::Result<bool> {
    let mut value = [0; size_of::<c_int>()];
    sysctl(&[CTL_NET, libc::AF_INET, IPPROTO_IP, IPCTL_FORWARDING], &mut value)?;
    Ok(c_int::from_ne_bytes(value) != 0)
}

/// Reads a value of the kernel's; gives its length, also if there is no room for it at all.
fn sysctl(name: &[c_int], value: &mut [u8]) -> io::Result<usize> {
    let mut len = value.len();
    let room = if value.is_empty() { ptr::null_mut() } else { value.as_mut_ptr() };
    // SAFETY: the name has the length that is told; the kernel writes at most `len` octets, which is the room there is.
    check(unsafe {
        libc::sysctl(name.as_ptr().cast_mut(), name.len() as _, room.cast(), &raw mut len, ptr::null_mut(), 0)
    })?;
    Ok(len)
}

/// One address of an interface, from `getifaddrs`.
pub(super) struct Address {
    pub(super) name: String,
    pub(super) flags: u32,
    /// The raw `sockaddr`s; empty where there is none.
    pub(super) address: Vec<u8>,
    pub(super) mask: Vec<u8>,
}

/// All addresses of all interfaces.
pub(super) fn addresses() -> io::Result<Vec<Address>> {
    let mut found = Vec::new();
    // SAFETY: getifaddrs gives a list that stays until freeifaddrs; names end with a zero; each sockaddr begins with
    // its length. Everything is copied out before the list is freed.
    unsafe {
        let mut list = ptr::null_mut();
        check(libc::getifaddrs(&raw mut list))?;
        let mut entry = list;
        while !entry.is_null() {
            let item = &*entry;
            found.push(Address {
                name: CStr::from_ptr(item.ifa_name).to_string_lossy().into_owned(),
                flags: item.ifa_flags as u32,
                address: sockaddr(item.ifa_addr),
                mask: sockaddr(item.ifa_netmask),
            });
            entry = item.ifa_next;
        }
        libc::freeifaddrs(list);
    }
    Ok(found)
}

/// The octets of a `sockaddr`.
///
/// # Safety
/// The pointer must be null or point to a `sockaddr` with a true length.
unsafe fn sockaddr(address: *const libc::sockaddr) -> Vec<u8> {
    if address.is_null() {
        return Vec::new();
    }
    // SAFETY: by the caller's promise.
    unsafe { slice::from_raw_parts(address.cast(), usize::from((*address).sa_len)).to_vec() }
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
