//! Memory that somebody else sees too: a map of the kernel's programs, or a file that outlives us.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, BorrowedFd};
#[cfg(target_has_atomic = "64")]
use std::sync::atomic::AtomicU64;

use fastpath::meter::Meter;

/// Types of which any octets are a valid value, and which any thread or processor may change at any time: atomics, and
/// structs of nothing else.
///
/// # Safety
/// That is so.
pub(crate) unsafe trait Shared: Sync {}

// SAFETY: an atomic number.
#[cfg(target_has_atomic = "64")]
unsafe impl Shared for AtomicU64 {}
// SAFETY: `repr(C)`, atomic numbers and padding.
unsafe impl Shared for Meter {}

/// So many values in the memory of a map or a file.
pub(crate) struct Mapped<T: Shared> {
    at: *const T,
    count: usize,
}

impl<T: Shared> Mapped<T> {
    /// The first `count` values of an array map that was made for it and whose values are `T`, without padding between
    /// them, or begin with one if `count` is 1; or those of a file that has so many, all of it on its device already,
    /// and which nobody cuts: access to what is not there would be fatal.
    pub(crate) fn new(map: BorrowedFd<'_>, count: usize) -> io::Result<Self> {
        // SAFETY: a new mapping, wherever the kernel likes. It refuses one that is longer than a map.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                count * size_of::<T>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { at: at.cast(), count })
    }
}

impl<T: Shared> Deref for Mapped<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: mapped until we are dropped, page-aligned, long enough; any octets are a `T`, and all access is atomic.
        unsafe { std::slice::from_raw_parts(self.at, self.count) }
    }
}

impl<T: Shared> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference to it outlives us.
        unsafe { libc::munmap(self.at.cast_mut().cast(), self.count * size_of::<T>()) };
    }
}

// SAFETY: shared memory of atomics, which no thread owns.
unsafe impl<T: Shared> Send for Mapped<T> {}
// SAFETY: the same.
unsafe impl<T: Shared> Sync for Mapped<T> {}
