//! One guest as the packet path sees it: a slot of atomics that many threads read and the control plane writes.
//!
//! Identity and policy are guarded by a sequence number (a seqlock): a reader that meets a write in
//! progress sees no guest rather than half of one. Counters and the policers' state are plain atomics,
//! changed by the packet threads.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::Duration;

use portable_atomic::AtomicU64;
use wire::{GuestKey, MacAddr, Vlan};

use crate::police::{Policer, Rate};

/// Which slot of the table; stable for as long as the guest has its lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlotIndex(pub u32);

/// What a guest may do until the control plane says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// Logged in: packets are forwarded and counted.
    pub online: bool,
    /// When that ends by itself, in whole seconds of the gateway's monotonic clock; the packet path
    /// enforces it even if the control plane is busy. `None`: not by time.
    pub ends_at_secs: Option<u32>,
    /// Limit from the guest.
    pub rate_up: Rate,
    /// Limit to the guest.
    pub rate_down: Rate,
}

/// A consistent copy of a slot's identity and policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// Where the counters are.
    pub slot: SlotIndex,
    /// Who it is.
    pub key: GuestKey,
    /// The address leased to it.
    pub address: Ipv4Addr,
    /// What it may do.
    pub policy: Policy,
}

impl Snapshot {
    /// True if the guest is logged in and its time is not over.
    #[must_use]
    pub fn online_at(&self, now: Duration) -> bool {
        self.policy.online && self.policy.ends_at_secs.is_none_or(|end| now.as_secs() < u64::from(end))
    }
}

/// Traffic of one guest since it got its slot, as it was on the guest's wire: a super-packet counts as
/// the packets it is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// IP octets from the guest (RFC 2866, 5.3: Input).
    pub octets_up: u64,
    /// IP octets to the guest (RFC 2866, 5.4: Output).
    pub octets_down: u64,
    /// Packets from the guest.
    pub packets_up: u64,
    /// Packets to the guest.
    pub packets_down: u64,
}

impl std::ops::Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            octets_up: self.octets_up.wrapping_sub(earlier.octets_up),
            octets_down: self.octets_down.wrapping_sub(earlier.octets_down),
            packets_up: self.packets_up.wrapping_sub(earlier.packets_up),
            packets_down: self.packets_down.wrapping_sub(earlier.packets_down),
        }
    }
}

const ONLINE: u32 = 1;

#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Slot {
    sequence: AtomicU32,
    mac_high: AtomicU32, // first four octets
    mac_low: AtomicU32,  // last two octets, then VLAN
    lan: AtomicU32,
    address: AtomicU32,
    flags: AtomicU32,
    ends_at_secs: AtomicU32, // 0: not by time
    rate_up: AtomicU64,
    rate_down: AtomicU64,
    /// Seconds of the gateway's clock at which the guest last sent a packet that was forwarded.
    last_up_secs: AtomicU32,
    pub(crate) up: Policer,
    pub(crate) down: Policer,
    /// Limits our own answers to this guest.
    pub(crate) answers: Policer,
    octets_up: AtomicU64,
    octets_down: AtomicU64,
    packets_up: AtomicU64,
    packets_down: AtomicU64,
}

impl Slot {
    /// A consistent copy, or `None` if the slot is being written just now.
    pub(crate) fn read(&self, slot: SlotIndex) -> Option<Snapshot> {
        let before = self.sequence.load(Ordering::Acquire);
        if before & 1 != 0 {
            return None;
        }
        let high = self.mac_high.load(Ordering::Relaxed).to_be_bytes();
        let low = self.mac_low.load(Ordering::Relaxed);
        let [a, b, ..] = low.to_be_bytes();
        let end = self.ends_at_secs.load(Ordering::Relaxed);
        let snapshot = Snapshot {
            slot,
            key: GuestKey {
                lan: self.lan.load(Ordering::Relaxed) as u8,
                vlan: Vlan(low as u16),
                mac: MacAddr([high[0], high[1], high[2], high[3], a, b]),
            },
            address: Ipv4Addr::from_bits(self.address.load(Ordering::Relaxed)),
            policy: Policy {
                online: self.flags.load(Ordering::Relaxed) & ONLINE != 0,
                ends_at_secs: (end != 0).then_some(end),
                rate_up: Rate::from_bits(self.rate_up.load(Ordering::Relaxed)),
                rate_down: Rate::from_bits(self.rate_down.load(Ordering::Relaxed)),
            },
        };
        fence(Ordering::Acquire);
        (self.sequence.load(Ordering::Relaxed) == before).then_some(snapshot)
    }

    /// Only the control plane's single writer calls this.
    pub(crate) fn write(&self, key: GuestKey, address: Ipv4Addr, policy: &Policy) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let m = key.mac.0;
        let identity = [
            (&self.mac_high, u32::from_be_bytes([m[0], m[1], m[2], m[3]])),
            (&self.mac_low, u32::from_be_bytes([m[4], m[5], 0, 0]) | u32::from(key.vlan.0)),
            (&self.lan, u32::from(key.lan)),
            (&self.address, address.to_bits()),
        ];
        let mut another = false;
        for (cell, value) in identity {
            another |= cell.swap(value, Ordering::Relaxed) != value;
        }
        if another {
            self.answers.refill();
        }
        self.flags.store(if policy.online { ONLINE } else { 0 }, Ordering::Relaxed);
        // A session that ends at second 0 of the gateway's clock has ended; 1 says so without meaning "never".
        self.ends_at_secs.store(policy.ends_at_secs.map_or(0, |end| end.max(1)), Ordering::Relaxed);
        for (cell, rate, bucket) in
            [(&self.rate_up, policy.rate_up, &self.up), (&self.rate_down, policy.rate_down, &self.down)]
        {
            // What one rate or guest took is no debt of another: at a slow rate it would be one of many seconds.
            if cell.swap(rate.to_bits(), Ordering::Relaxed) != rate.to_bits() || another {
                bucket.refill();
            }
        }
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }

    pub(crate) fn count_up(&self, octets: u64, packets: u32, now: Duration) {
        self.octets_up.fetch_add(octets, Ordering::Relaxed);
        self.packets_up.fetch_add(u64::from(packets), Ordering::Relaxed);
        self.last_up_secs.store(now.as_secs() as u32, Ordering::Relaxed);
    }

    pub(crate) fn count_down(&self, octets: u64, packets: u32) {
        self.octets_down.fetch_add(octets, Ordering::Relaxed);
        self.packets_down.fetch_add(u64::from(packets), Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            octets_up: self.octets_up.load(Ordering::Relaxed),
            octets_down: self.octets_down.load(Ordering::Relaxed),
            packets_up: self.packets_up.load(Ordering::Relaxed),
            packets_down: self.packets_down.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn last_up_secs(&self) -> u32 {
        self.last_up_secs.load(Ordering::Relaxed)
    }
}
