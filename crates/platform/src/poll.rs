//! Waiting for a port or its waker.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::MAX_WAIT;

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// The first descriptor has something, if only an error.
    Fd,
    /// The second one has.
    Waker,
    /// The time is over, or a signal came.
    Nothing,
}

/// Waits until `fd` or `waker` can be read, at most for `wait` or [`MAX_WAIT`].
pub(crate) fn poll(fd: BorrowedFd<'_>, waker: BorrowedFd<'_>, wait: Duration) -> io::Result<Ready> {
    let entry = |fd: BorrowedFd<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut fds = [entry(fd), entry(waker)];
    let wait = wait.min(MAX_WAIT);
    let wait = libc::timespec { tv_sec: wait.as_secs() as _, tv_nsec: wait.subsec_nanos() as _ };
    // SAFETY: pointer and length are those of `fds`; `wait` outlives the call; without a signal mask none is read.
    let result = unsafe { libc::ppoll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, &wait, std::ptr::null()) };
    if result < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(Ready::Nothing) } else { Err(error) };
    }
    Ok(match fds.map(|entry| entry.revents != 0) {
        [_, true] => Ready::Waker,
        [true, false] => Ready::Fd,
        [false, false] => Ready::Nothing,
    })
}
