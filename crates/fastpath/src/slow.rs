//! The way from the packet path to our own servers, and the bound on what one station may send there.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use wire::GuestKey;

use crate::session::SlotIndex;
use crate::table::hash;
use crate::verdict::Service;

/// A frame for one of our own servers.
#[derive(Clone, Copy, Debug)]
pub struct SlowFrame<'a> {
    /// The station that sent it.
    pub key: GuestKey,
    /// Which server.
    pub service: Service,
    /// The guest's slot, if the station holds a lease.
    pub guest: Option<SlotIndex>,
    /// The Ethernet frame, untagged, its checksums complete.
    pub frame: &'a [u8],
    /// When it came, on the gateway's monotonic clock.
    pub now: Duration,
}

/// Takes frames to our own servers without ever making the packet path wait.
pub trait SlowPath: Send + Sync {
    /// False if there is no room: then the frame is dropped and counted.
    fn offer(&self, frame: SlowFrame<'_>) -> bool;
}

/// Buckets of stations; a station shares one with every 4,096th other.
const BUCKETS: usize = 4096;
/// Frames a station may send to our own servers at once...
const BURST: u32 = 64;
/// ...and then each second. A phone that joins sends about ten.
const PER_SECOND: u32 = 64;

/// Keeps one station from filling the queue to our own servers. Each cell holds the moment, in
/// milliseconds, at which its bucket will be full again.
pub struct StationLimit {
    cells: Box<[AtomicU32]>,
    seed: u64,
}

impl StationLimit {
    /// Empty; `seed` keeps stations from choosing whom they share a bucket with.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { cells: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(), seed }
    }

    /// True if the station may send one more frame now.
    pub fn admit(&self, key: GuestKey, now: Duration) -> bool {
        const COST_MS: u32 = 1000 / PER_SECOND;
        let now = now.as_millis() as u32;
        let cell = &self.cells[hash(key, self.seed) as usize % BUCKETS];
        let full_again = cell.load(Ordering::Relaxed);
        // The clock wraps after 49 days; a bucket from long ago is a full one.
        let waiting = full_again.wrapping_sub(now);
        let waiting = if waiting > BURST * COST_MS { 0 } else { waiting };
        if waiting + COST_MS > BURST * COST_MS {
            return false;
        }
        cell.store(now.wrapping_add(waiting + COST_MS), Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use wire::{MacAddr, Vlan};

    use super::*;

    #[test]
    fn who_sends_with_anothers_mac_on_other_vlans_takes_nothing_of_its_share() {
        let limit = StationLimit::new(5);
        let guest = GuestKey { lan: 0, vlan: Vlan(7), mac: MacAddr([2, 0, 0, 0, 0, 1]) };
        let start = Duration::from_secs(1000);
        for vlan in (1..=64).map(Vlan).filter(|vlan| *vlan != guest.vlan) {
            while limit.admit(GuestKey { vlan, ..guest }, start) {}
        }
        assert!(limit.admit(guest, start));
    }

    #[test]
    fn a_flooding_station_is_held_to_its_rate_and_others_are_not() {
        let limit = StationLimit::new(5);
        let station = |n| GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, 0, n]) };
        let start = Duration::from_secs(1000);
        let admitted = (0..10_000).filter(|_| limit.admit(station(1), start)).count();
        assert_eq!(admitted, BURST as usize);
        assert!(limit.admit(station(2), start));
        let admitted = (0..10_000u64).filter(|&ms| limit.admit(station(1), start + Duration::from_millis(ms))).count();
        assert!((600..=720).contains(&admitted), "{admitted} in ten seconds");
        assert!(limit.admit(station(1), start + Duration::from_secs(60 * 60 * 24 * 60)));
    }
}
