//! The queue to the engine, as the binary's: bounded, a quarter kept for guests, frames copied.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use fastpath::session::SlotIndex;
use fastpath::slow::{SlowFrame, SlowPath};
use fastpath::verdict::Service;
use wire::GuestKey;

/// Frames longer than this are none that our servers would answer.
const MAX_FRAME: usize = 2048;

pub(crate) struct Queued {
    pub(crate) key: GuestKey,
    pub(crate) service: Service,
    pub(crate) guest: Option<SlotIndex>,
    pub(crate) frame: Box<[u8]>,
}

pub(crate) struct Queue {
    waiting: Mutex<VecDeque<Queued>>,
    room: usize,
}

impl Queue {
    pub(crate) fn new(room: usize) -> Self {
        Self { waiting: Mutex::default(), room }
    }

    pub(crate) fn pop(&self) -> Option<Queued> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl SlowPath for Queue {
    fn offer(&self, frame: SlowFrame<'_>) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = if frame.guest.is_some() { self.room } else { self.room - self.room / 4 };
        if frame.frame.len() > MAX_FRAME || waiting.len() >= room {
            return false;
        }
        let SlowFrame { key, service, guest, frame, .. } = frame;
        waiting.push_back(Queued { key, service, guest, frame: frame.into() });
        true
    }
}
