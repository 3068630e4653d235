//! What an operator does to a device: keeps it out altogether, or takes its lease back.
//!
//! Of a blocked device nothing passes, on no VLAN: its session ends, it has no place in the packet path's table, and what it
//! sends to our servers, DHCP included, is not heard. A lease that it has stays until its time is over, so that it comes
//! back as it was.

use std::collections::HashSet;

use wire::{GuestKey, MacAddr, Now};

use super::Engine;
use crate::devices::Sign;
use crate::session::Cause;

/// Devices that can be blocked, six octets each: an operator's list, not a defence against invented addresses.
pub const MOST_BLOCKED: usize = 4096;

/// Devices of which nothing passes.
#[derive(Debug, Default)]
pub(super) struct Blocked(HashSet<MacAddr>);

impl Engine {
    /// A router that is blocked is so with all behind it.
    pub(super) fn is_blocked(&self, key: GuestKey) -> bool {
        [key.mac, self.station(key)].iter().any(|mac| self.blocked.0.contains(mac))
    }

    /// True if what an operator says of this device is about this guest.
    fn is_of(&self, key: GuestKey, mac: MacAddr) -> bool {
        key.mac == mac || self.station(key) == mac
    }
}

impl Engine {
    /// From now on nothing of this device passes. False if too many are blocked.
    pub fn block(&mut self, now: Now, mac: MacAddr) -> bool {
        if self.blocked.0.len() >= MOST_BLOCKED && !self.blocked.0.contains(&mac) {
            return false;
        }
        self.blocked.0.insert(mac);
        let theirs: Vec<_> =
            self.guests.iter().filter(|(_, guest)| self.is_of(guest.key, mac)).map(|(slot, _)| slot).collect();
        for slot in theirs {
            self.end_session(now, slot, Cause::AdminReset);
            self.forget(now, slot);
        }
        true
    }

    /// The device is as any other again. False if it was not blocked.
    pub fn unblock(&mut self, now: Now, mac: MacAddr) -> bool {
        let was_blocked = self.blocked.0.remove(&mac);
        if was_blocked {
            let theirs: Vec<_> = self.dhcp.leases().filter(|lease| self.is_of(lease.key, mac)).collect();
            for lease in theirs {
                self.bind(now, &lease);
                self.handle_sign_of_device(now, lease.key, Sign::Life);
            }
        }
        was_blocked
    }

    /// The devices that are blocked, in no order.
    pub fn blocked(&self) -> impl Iterator<Item = MacAddr> {
        self.blocked.0.iter().copied()
    }

    /// Ends the leases of a device, on any VLAN, and its sessions; returns how many leases. It is not told: it asks for an
    /// address again when it renews.
    pub fn take_back(&mut self, now: Now, mac: MacAddr) -> usize {
        let theirs: Vec<_> = self.dhcp.leases().filter(|lease| lease.key.mac == mac).map(|lease| lease.key).collect();
        for key in &theirs {
            if let Some(found) = self.writer.table().by_key(*key) {
                self.end_session(now, found.slot, Cause::AdminReset);
            }
            self.dhcp.take_back(*key);
        }
        self.drain_dhcp(now);
        theirs.len()
    }
}
