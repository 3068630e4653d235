use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Error, Result};

/// Ends the waiting of the packet threads. After [`Waker::wake`] every `recv` that would wait on a port made
/// with this waker returns `Ok(0)` at once, for ever: it is there to stop the threads, not to poke them.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    woken: AtomicBool,
    /// Readable once woken, and never read: so it stays readable for every thread that polls it.
    reader: PipeReader,
    writer: PipeWriter,
    /// For the virtual ports, which have no descriptor to poll.
    bell: Mutex<()>,
    rung: Condvar,
}

impl Waker {
    /// A waker that has not been used.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new() -> Result<Self> {
        let (reader, writer) = io::pipe().map_err(|e| Error::kernel("make a pipe to stop threads with", e))?;
        let inner = Inner { woken: AtomicBool::new(false), reader, writer, bell: Mutex::new(()), rung: Condvar::new() };
        Ok(Self(Arc::new(inner)))
    }

    /// Lets every port of this waker return. More than one call does no harm.
    pub fn wake(&self) {
        if !self.0.woken.swap(true, Ordering::AcqRel) {
            // One octet into an empty pipe whose reader we hold: it cannot fail.
            let _ = (&self.0.writer).write(&[1]);
        }
        self.ring();
    }

    /// True once [`Waker::wake`] has been called.
    #[must_use]
    pub fn is_woken(&self) -> bool {
        self.0.woken.load(Ordering::Acquire)
    }

    /// What becomes readable on [`Waker::wake`].
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.reader.as_fd()
    }

    /// Lets virtual ports look at their queues again.
    pub(crate) fn ring(&self) {
        drop(self.bell());
        self.0.rung.notify_all();
    }

    /// Waits for [`Waker::ring`] until `ready` gives something or `limit` has passed.
    pub(crate) fn wait<T>(&self, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
        let mut found = None;
        let still_waiting = |(): &mut ()| {
            found = ready();
            found.is_none() && !self.is_woken()
        };
        let waited = self.0.rung.wait_timeout_while(self.bell(), limit, still_waiting);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        found
    }

    fn bell(&self) -> MutexGuard<'_, ()> {
        self.0.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
