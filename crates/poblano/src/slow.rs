//! The bounded queue between the packet threads and the control thread.

use fastpath::session::SlotIndex;
use fastpath::slow::{SlowFrame, SlowPath};
use fastpath::verdict::Service;
use tokio::sync::mpsc;
use wire::GuestKey;

/// Frames that may wait: a fifth of a second of 5,000 DHCP exchanges a second. 2 kB each at the worst.
const QUEUE: usize = 4096;
/// Of these, kept for stations that hold a lease: strangers can invent as many addresses as they like, and must not take
/// DNS, ARP and renewals from the guests that are here. Each guest's own rate is bounded before.
const FOR_GUESTS: usize = QUEUE / 4;
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
        if frame.guest.is_none() && self.0.capacity() <= FOR_GUESTS {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wire::{MacAddr, Vlan};

    use super::*;

    /// How many frames of new stations, or of a guest, the queue takes.
    fn taken(queue: &Queue, guest: Option<SlotIndex>) -> usize {
        let station = |n: usize| {
            let [.., a, b] = n.to_be_bytes();
            GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, a, b]) }
        };
        let frame =
            |n| SlowFrame { key: station(n), service: Service::Dhcp, guest, frame: &[0; 60], now: Duration::ZERO };
        (0..2 * QUEUE).filter(|&n| queue.offer(frame(n))).count()
    }

    #[test]
    fn a_flood_of_strangers_leaves_room_for_guests_and_guests_may_have_all_of_it() {
        let (queue, mut frames) = queue();
        assert_eq!(taken(&queue, None), QUEUE - FOR_GUESTS);
        assert_eq!(taken(&queue, Some(SlotIndex(1))), FOR_GUESTS);
        assert_eq!(taken(&queue, Some(SlotIndex(1))), 0, "it is full");
        while frames.try_recv().is_ok() {}
        assert_eq!(taken(&queue, Some(SlotIndex(1))), QUEUE);
        assert_eq!(taken(&queue, None), 0);
    }
}
