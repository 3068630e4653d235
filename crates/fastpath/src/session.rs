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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// How far [`Usage::octets_up`] may count, to the octet; [`u64::MAX`] is no limit. Counters never go back: a
    /// session's quota is added to what the counter was at its start.
    pub octets_up_max: u64,
    /// The same for [`Usage::octets_down`].
    pub octets_down_max: u64,
    /// The same for both together.
    pub octets_total_max: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            online: false,
            ends_at_secs: None,
            rate_up: Rate::UNLIMITED,
            rate_down: Rate::UNLIMITED,
            octets_up_max: u64::MAX,
            octets_down_max: u64::MAX,
            octets_total_max: u64::MAX,
        }
    }
}

impl Policy {
    fn has_quota(&self) -> bool {
        [self.octets_up_max, self.octets_down_max, self.octets_total_max] != [u64::MAX; 3]
    }
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
    /// A packet was more than its octets allow. From then on it is offline, however small the next one is.
    pub used_up: bool,
    /// Which writing of the slot this is a copy of.
    version: u32,
}

impl Snapshot {
    /// True if the guest is logged in and neither its time nor its octets are over.
    #[must_use]
    pub fn online_at(&self, now: Duration) -> bool {
        self.policy.online && !self.used_up && self.policy.ends_at_secs.is_none_or(|end| now.as_secs() < u64::from(end))
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

impl std::ops::Add for Usage {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            octets_up: self.octets_up.wrapping_add(more.octets_up),
            octets_down: self.octets_down.wrapping_add(more.octets_down),
            packets_up: self.packets_up.wrapping_add(more.packets_up),
            packets_down: self.packets_down.wrapping_add(more.packets_down),
        }
    }
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
const QUOTA: u32 = 2;

/// Laid out by hand: what every packet reads and what it writes have a cache line each; that of a quota comes last.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct Slot {
    sequence: AtomicU32,
    mac_high: AtomicU32, // first four octets
    mac_low: AtomicU32,  // last two octets, then VLAN
    lan: AtomicU32,
    address: AtomicU32,
    flags: AtomicU32,
    ends_at_secs: AtomicU32, // 0: not by time
    /// The version, made odd, under which the octets were used up; another writing of the slot is another chance.
    used_up: AtomicU32,
    rate_up: AtomicU64,
    rate_down: AtomicU64,
    pub(crate) up: Policer,
    pub(crate) down: Policer,

    octets_up: AtomicU64,
    octets_down: AtomicU64,
    packets_up: AtomicU64,
    packets_down: AtomicU64,
    /// Seconds of the gateway's clock at which the guest last sent a packet that was forwarded.
    last_up_secs: AtomicU32,
    /// Limits our own answers (RST, ICMP) to this guest.
    pub(crate) rejects: Policer,
    octets_up_max: AtomicU64,

    octets_down_max: AtomicU64,
    octets_total_max: AtomicU64,
    /// Octets of both directions. One cell, or two threads could each believe that the rest is theirs.
    octets_total: AtomicU64,
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
        let flags = self.flags.load(Ordering::Relaxed);
        let max = |cell: &AtomicU64| if flags & QUOTA == 0 { u64::MAX } else { cell.load(Ordering::Relaxed) };
        let snapshot = Snapshot {
            slot,
            key: GuestKey {
                lan: self.lan.load(Ordering::Relaxed) as u8,
                vlan: Vlan(low as u16),
                mac: MacAddr([high[0], high[1], high[2], high[3], a, b]),
            },
            address: Ipv4Addr::from_bits(self.address.load(Ordering::Relaxed)),
            policy: Policy {
                online: flags & ONLINE != 0,
                ends_at_secs: (end != 0).then_some(end),
                rate_up: Rate::from_bits(self.rate_up.load(Ordering::Relaxed)),
                rate_down: Rate::from_bits(self.rate_down.load(Ordering::Relaxed)),
                octets_up_max: max(&self.octets_up_max),
                octets_down_max: max(&self.octets_down_max),
                octets_total_max: max(&self.octets_total_max),
            },
            used_up: self.used_up.load(Ordering::Relaxed) == before | 1,
            version: before,
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
            self.rejects.refill();
        }
        let online = if policy.online { ONLINE } else { 0 };
        let quota = if policy.has_quota() { QUOTA } else { 0 };
        self.flags.store(online | quota, Ordering::Relaxed);
        self.octets_up_max.store(policy.octets_up_max, Ordering::Relaxed);
        self.octets_down_max.store(policy.octets_down_max, Ordering::Relaxed);
        self.octets_total_max.store(policy.octets_total_max, Ordering::Relaxed);
        let counted = self.usage();
        self.octets_total.store(counted.octets_up.saturating_add(counted.octets_down), Ordering::Relaxed);
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

    /// Counts a packet from the guest. False if its octets are more than the guest may still use: then it is not
    /// counted, must not go on, and the guest is offline.
    pub(crate) fn count_up(&self, guest: &Snapshot, octets: u64, packets: u32, now: Duration) -> bool {
        if !self.count_octets(guest, &self.octets_up, guest.policy.octets_up_max, octets) {
            return false;
        }
        self.packets_up.fetch_add(u64::from(packets), Ordering::Relaxed);
        self.last_up_secs.store(now.as_secs() as u32, Ordering::Relaxed);
        true
    }

    /// Counts a packet to the guest, by the same rule.
    pub(crate) fn count_down(&self, guest: &Snapshot, octets: u64, packets: u32) -> bool {
        if !self.count_octets(guest, &self.octets_down, guest.policy.octets_down_max, octets) {
            return false;
        }
        self.packets_down.fetch_add(u64::from(packets), Ordering::Relaxed);
        true
    }

    fn count_octets(&self, guest: &Snapshot, counter: &AtomicU64, max: u64, octets: u64) -> bool {
        if !guest.policy.has_quota() {
            counter.fetch_add(octets, Ordering::Relaxed);
            return true;
        }
        self.count_within_quota(guest, counter, max, octets)
    }

    /// Out of the way of guests without a quota.
    #[cold]
    fn count_within_quota(&self, guest: &Snapshot, counter: &AtomicU64, max: u64, octets: u64) -> bool {
        let fits = |counter: &AtomicU64, max| {
            let sum = |counted: u64| counted.checked_add(octets).filter(|&sum| sum <= max);
            counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).is_ok()
        };
        let fits = fits(&self.octets_total, guest.policy.octets_total_max) && fits(counter, max);
        if !fits {
            self.used_up.store(guest.version | 1, Ordering::Relaxed);
        }
        fits
    }

    /// Goes on counting from `counted`. Only before packets pass: otherwise counters never go back.
    pub(crate) fn set_usage(&self, counted: Usage) {
        self.octets_up.store(counted.octets_up, Ordering::Relaxed);
        self.octets_down.store(counted.octets_down, Ordering::Relaxed);
        self.packets_up.store(counted.packets_up, Ordering::Relaxed);
        self.packets_down.store(counted.packets_down, Ordering::Relaxed);
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
