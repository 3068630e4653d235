//! Waiting for a port or its waker.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

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

/// Waits until `fd` or `waker` can be read, at most `millis`.
pub(crate) fn poll(fd: BorrowedFd<'_>, waker: BorrowedFd<'_>, millis: i32) -> io::Result<Ready> {
    let entry = |fd: BorrowedFd<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut fds = [entry(fd), entry(waker)];
    // SAFETY: pointer and length are those of `fds`.
    let result = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, millis) };
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
