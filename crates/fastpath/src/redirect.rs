//! Where a guest's redirected connections wanted to go, so that the portal's answers come back with that
//! address. Each guest has a ring of its own: nobody can push out another's entries.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

/// Connections of one guest that are remembered; browsers open six to a host.
const ENTRIES: usize = 16;
const VALID: u32 = 1 << 16;

/// The ring of one guest. Written by the thread that carries packets up, read by the one that carries them down.
#[derive(Default)]
pub struct Ring {
    entries: [Entry; ENTRIES],
    next: AtomicU32,
}

#[derive(Default)]
struct Entry {
    /// The guest's port, with [`VALID`]; 0 while the entry changes.
    port: AtomicU32,
    destination: AtomicU32,
}

impl Ring {
    /// Remembers that the guest's `port` wanted to talk to `destination`.
    pub fn remember(&self, port: u16, destination: Ipv4Addr) {
        let wanted = VALID | u32::from(port);
        let entry = self.entries.iter().find(|e| e.port.load(Ordering::Relaxed) == wanted).unwrap_or_else(|| {
            let next = self.next.fetch_add(1, Ordering::Relaxed) as usize;
            &self.entries[next % ENTRIES]
        });
        if entry.port.load(Ordering::Relaxed) == wanted
            && entry.destination.load(Ordering::Relaxed) == destination.to_bits()
        {
            return;
        }
        entry.port.store(0, Ordering::Release);
        entry.destination.store(destination.to_bits(), Ordering::Release);
        entry.port.store(wanted, Ordering::Release);
    }

    /// Forgets everything, for another guest.
    pub fn clear(&self) {
        for entry in &self.entries {
            entry.port.store(0, Ordering::Release);
        }
    }

    /// Where the guest's `port` wanted to go.
    #[must_use]
    pub fn recall(&self, port: u16) -> Option<Ipv4Addr> {
        let wanted = VALID | u32::from(port);
        let entry = self.entries.iter().find(|e| e.port.load(Ordering::Acquire) == wanted)?;
        let destination = entry.destination.load(Ordering::Acquire);
        (entry.port.load(Ordering::Acquire) == wanted).then(|| Ipv4Addr::from_bits(destination))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_remembered_until_sixteen_newer_ones_came() {
        let ring = Ring::default();
        let host = |n: u16| Ipv4Addr::new(203, 0, 113, n as u8);
        for n in 0..16 {
            ring.remember(40_000 + n, host(n));
            ring.remember(40_000 + n, host(n));
        }
        assert_eq!(ring.recall(40_000), Some(host(0)));
        ring.remember(40_000, host(99));
        assert_eq!(ring.recall(40_000), Some(host(99)));
        ring.remember(50_000, host(7));
        assert_eq!(ring.recall(40_000), None);
        assert_eq!(ring.recall(40_001), Some(host(1)));
        assert_eq!(ring.recall(50_000), Some(host(7)));
        assert_eq!(ring.recall(0), None);
    }
}
