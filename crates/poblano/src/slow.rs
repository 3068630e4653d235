//! The bounded queue between the packet threads and the control thread.

use fastpath::session::SlotIndex;
use fastpath::slow::{SlowFrame, SlowPath};
use fastpath::verdict::Service;
use tokio::sync::mpsc;
use wire::GuestKey;

/// Frames that may wait: a fifth of a second of 5,000 DHCP exchanges a second. 2 kB each at the worst.
const QUEUE: usize = 4096;
/// Frames longer than this are none that our servers would answer.
const MAX_FRAME: usize = 2048;

/// A frame on its way to the engine.
pub(crate) struct Queued {
    pub(crate) key: GuestKey,
    pub(crate) service: Service,
    pub(crate) guest: Option<SlotIndex>,
    pub(crate) frame: Box<[u8]>,
}

/// The packet threads' end.
pub(crate) struct Queue(mpsc::Sender<Queued>);

/// Both ends of a new queue.
pub(crate) fn queue() -> (Queue, mpsc::Receiver<Queued>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Queue(sender), receiver)
}

impl SlowPath for Queue {
    fn offer(&self, frame: SlowFrame<'_>) -> bool {
        if frame.frame.len() > MAX_FRAME {
            return false;
        }
        // A full queue costs a look, not a copy.
        self.0.try_reserve().is_ok_and(|place| {
            place.send(Queued {
                key: frame.key,
                service: frame.service,
                guest: frame.guest,
                frame: frame.frame.into(),
            });
            true
        })
    }
}
