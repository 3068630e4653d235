//! What a guest has used, and when its line is free again: the numbers that whoever carries its packets changes.
//!
//! Packets may be carried by these threads or, in part, by a program in the kernel that has the same meters in
//! its memory. So this layout is an interface between the two; everything is in the byte order of the machine:
//!
//! | Octet | of a [`Way`] | Written by |
//! |--|--|--|
//! | 0 | `free_at_nanos` | whoever admits a packet, by an atomic addition or a compare-and-swap |
//! | 8 | `paced_until_nanos` | whoever lets a packet wait, or sends it to where it may have to |
//! | 16 | `octets` | whoever forwards a packet, by an atomic addition unless nobody else does ([`Adders`]) |
//! | 24 | `packets` | the same |
//! | 32 | `last_secs` | the same, by a store |
//! | 40 | `share` | user space |
//! | 48 | `dropped_at_nanos` | user space |
//! | 56 | unused, 0 | |
//!
//! Times are of the gateway's monotonic clock. A meter of zeros is one of a guest that has used nothing. Octets and
//! packets never go down, whoever has the slot: a session remembers what they were when it began.

use std::sync::atomic::Ordering;
use std::time::Duration;

use portable_atomic::AtomicU64;

use crate::session::Usage;

/// One direction of one guest.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Way {
    /// When the line of this guest's rate has sent all that was admitted.
    pub free_at_nanos: AtomicU64,
    /// Until then every packet goes through user space, because earlier ones wait there.
    pub paced_until_nanos: AtomicU64,
    /// IP octets that were forwarded, as on the guest's wire.
    pub octets: AtomicU64,
    /// Packets that were.
    pub packets: AtomicU64,
    /// Second at which the last one was.
    pub last_secs: AtomicU64,
    /// The share of bulk flows in this line (`shape`); 0 is all of it.
    pub(crate) share: AtomicU64,
    /// When a packet was last dropped for its sender to learn of the limit.
    pub(crate) dropped_at_nanos: AtomicU64,
}

/// Both directions of one guest.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Meter {
    /// From the guest.
    pub up: Way,
    /// To the guest.
    pub down: Way,
}

impl From<&Meter> for Usage {
    fn from(meter: &Meter) -> Self {
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Self {
            octets_up: read(&meter.up.octets),
            octets_down: read(&meter.down.octets),
            packets_up: read(&meter.up.packets),
            packets_down: read(&meter.down.packets),
        }
    }
}

impl Meter {
    /// Goes on counting from `counted`, or from more if it has counted more: counters never go back.
    pub(crate) fn raise(&self, counted: Usage) {
        let raise = |cell: &AtomicU64, to| cell.fetch_max(to, Ordering::Relaxed);
        raise(&self.up.octets, counted.octets_up);
        raise(&self.up.packets, counted.packets_up);
        raise(&self.down.octets, counted.octets_down);
        raise(&self.down.packets, counted.packets_down);
    }
}

/// Which way a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From a guest.
    Up,
    /// To a guest.
    Down,
}

impl Direction {
    /// This direction's half of a meter, and the other one.
    pub(crate) fn ways(self, meter: &Meter) -> (&Way, &Way) {
        match self {
            Self::Up => (&meter.up, &meter.down),
            Self::Down => (&meter.down, &meter.up),
        }
    }
}

/// Who adds to the meters of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Adders {
    /// Of each direction of a guest one thread of ours: then an addition is a load and a store. A locked one takes as long
    /// as the rest of a verdict, and the processor begins nothing of the next packet before it is done.
    OneThread,
    /// The kernel's programs too.
    KernelToo,
}

impl Adders {
    fn add(self, cell: &AtomicU64, more: u64) {
        match self {
            Self::OneThread => cell.store(cell.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed),
            Self::KernelToo => {
                cell.fetch_add(more, Ordering::Relaxed);
            }
        }
    }

    /// Puts what `change` makes of the value in its place and returns the former; an error with the value as it is if that
    /// is nothing. What the control thread writes in the very moment of a thread's load and store is lost.
    pub(crate) fn update(self, cell: &AtomicU64, change: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        match self {
            Self::OneThread => {
                let former = cell.load(Ordering::Relaxed);
                cell.store(change(former).ok_or(former)?, Ordering::Relaxed);
                Ok(former)
            }
            Self::KernelToo => cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change),
        }
    }
}

/// Meters that are not the table's own, one for each slot.
pub struct SharedMeters {
    memory: Box<dyn AsRef<[Meter]> + Send + Sync>,
    pub(crate) adders: Adders,
}

impl SharedMeters {
    /// Those in `memory`, to which `adders` add.
    #[must_use]
    pub fn new(memory: Box<dyn AsRef<[Meter]> + Send + Sync>, adders: Adders) -> Self {
        Self { memory, adders }
    }
}

impl AsRef<[Meter]> for SharedMeters {
    fn as_ref(&self) -> &[Meter] {
        (*self.memory).as_ref()
    }
}

impl Way {
    /// How long packets go on taking the way through user space after the last one that had to wait there.
    pub const PACED_FOR: Duration = Duration::from_millis(100);

    /// Counts what is forwarded; false, and nothing is counted, if there would be more than `max` octets.
    pub(crate) fn count(&self, octets: u64, packets: u32, max: u64, now: Duration, adders: Adders) -> bool {
        if max == u64::MAX {
            adders.add(&self.octets, octets);
        } else {
            let sum = |counted: u64| counted.checked_add(octets).filter(|&sum| sum <= max);
            if adders.update(&self.octets, sum).is_err() {
                return false;
            }
        }
        adders.add(&self.packets, u64::from(packets));
        self.mark_busy(now);
        true
    }

    /// Notes that something is forwarded: who exchanges what is not counted is not idle.
    pub(crate) fn mark_busy(&self, now: Duration) {
        self.last_secs.store(now.as_secs(), Ordering::Relaxed);
    }

    /// Reads from it, for it to be near when a packet's turn comes.
    pub(crate) fn touch(&self) -> u32 {
        self.octets.load(Ordering::Relaxed) as u32
    }

    /// Notes that a packet waits in user space until `departs_at`: the kernel has the guest's packets back when
    /// that has surely gone, lest they overtake it.
    pub(crate) fn waits(&self, departs_at: Duration) {
        let until = departs_at.saturating_add(Self::PACED_FOR).as_nanos() as u64;
        self.paced_until_nanos.fetch_max(until, Ordering::Relaxed);
    }

    /// Forgets what the line owes, for another guest or another rate: at a slow rate it would be many seconds.
    pub(crate) fn clear_debt(&self) {
        self.free_at_nanos.store(0, Ordering::Relaxed);
        self.paced_until_nanos.store(0, Ordering::Relaxed);
    }
}

const _: () = {
    use std::mem::{offset_of, size_of};
    assert!(size_of::<Way>() == 64 && size_of::<Meter>() == 128);
    assert!(offset_of!(Way, free_at_nanos) == 0 && offset_of!(Way, paced_until_nanos) == 8);
    assert!(offset_of!(Way, octets) == 16 && offset_of!(Way, packets) == 24 && offset_of!(Way, last_secs) == 32);
    assert!(offset_of!(Way, share) == 40 && offset_of!(Way, dropped_at_nanos) == 48);
    assert!(offset_of!(Meter, up) == 0 && offset_of!(Meter, down) == 64);
};
