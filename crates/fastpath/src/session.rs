//! One guest as the packet path sees it: a slot of atomics that many threads read and the control plane writes.
//!
//! Identity and policy are guarded by a sequence number (a seqlock): a reader that meets a write in
//! progress sees no guest rather than half of one. What a guest has used is beside it, in its [`Meter`].

use std::net::Ipv4Addr;
use std::time::Duration;

#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(all(loom, test)))]
use portable_atomic::{AtomicU32, AtomicU64, Ordering, fence};
use wire::{GuestKey, MacAddr, Vlan};

use crate::meter::{Adders, Direction, Meter};
use crate::police::{Policer, Rate};

/// Which slot of the table; stable for as long as the guest has its lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SlotIndex(pub u32);

/// What a guest may do until the control plane says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Logged in: packets are forwarded and counted.
    pub online: bool,
    /// There are entries of the walled garden for this guest alone.
    pub own_garden: bool,
    /// A server wants nothing of this device to pass: unless it is online, it has its lease and nothing else.
    pub refused: bool,
    /// When being online ends by itself, in whole seconds of the gateway's monotonic clock; the packet path
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
            own_garden: false,
            refused: false,
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
    /// The address that it uses instead, on the LAN alone: one of another network, that it brought along.
    pub foreign: Option<Ipv4Addr>,
    /// What it may do.
    pub policy: Policy,
    /// A packet was more than its octets allow. From then on it is offline, however small the next one is.
    pub used_up: bool,
    /// Which writing of the slot this is a copy of.
    version: u32,
}

impl Snapshot {
    /// The address that the guest itself sends from.
    #[must_use]
    pub fn own_address(&self) -> Ipv4Addr {
        self.foreign.unwrap_or(self.address)
    }

    /// True unless only we can forward its packets: a mirror rewrites no addresses, and knows guests by their stations.
    #[must_use]
    pub fn can_be_mirrored(&self) -> bool {
        self.foreign.is_none() && self.key.address_behind_router().is_none()
    }

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

impl Usage {
    /// Of each number the larger one.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            octets_up: self.octets_up.max(other.octets_up),
            octets_down: self.octets_down.max(other.octets_down),
            packets_up: self.packets_up.max(other.packets_up),
            packets_down: self.packets_down.max(other.packets_down),
        }
    }
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

/// Whose a slot is, as it stands there: a look-up compares words before it copies anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    mac_high: u32,
    mac_low: u32,
    lan: u32,
}

impl From<GuestKey> for Identity {
    fn from(key: GuestKey) -> Self {
        let (mac_high, low) = key.mac.words();
        Self { mac_high, mac_low: u32::from(low) << 16 | u32::from(key.vlan.0), lan: u32::from(key.lan) }
    }
}

impl Identity {
    fn key(self) -> GuestKey {
        let [a, b, c, d] = self.mac_high.to_be_bytes();
        let [e, f, ..] = self.mac_low.to_be_bytes();
        GuestKey { lan: self.lan as u8, vlan: Vlan(self.mac_low as u16), mac: MacAddr([a, b, c, d, e, f]) }
    }
}

const ONLINE: u32 = 1;
const QUOTA: u32 = 2;
const OWN_GARDEN: u32 = 4;
const REFUSED: u32 = 8;
/// The number of the LAN stands above the flags.
const LAN_SHIFT: u32 = 24;

/// How far a guest's counters may count; of those with a quota only.
#[derive(Default)]
pub(crate) struct Limits {
    octets_up_max: AtomicU64,
    octets_down_max: AtomicU64,
    octets_total_max: AtomicU64,
}

/// Where the limits of a slot are, if there is anybody with a quota near it: most hotspots have none.
pub(crate) trait LimitsOf {
    /// None, unless [`Self::make`] was called.
    fn get(&self) -> Option<&Limits>;

    /// Takes memory for them, if there is none yet.
    fn make(&self) -> &Limits;
}

/// Laid out by hand: what every packet reads is one cache line.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct Slot {
    sequence: AtomicU32,
    mac_high: AtomicU32, // first four octets
    mac_low: AtomicU32,  // last two octets, then VLAN
    address: AtomicU32,
    foreign: AtomicU32,      // 0: none
    flags: AtomicU32,        // and the LAN
    ends_at_secs: AtomicU32, // 0: not by time
    /// The version, made odd, under which the octets were used up; another writing of the slot is another chance.
    used_up: AtomicU32,
    rate_up: AtomicU64,
    rate_down: AtomicU64,
    /// Limits our own answers to this guest.
    pub(crate) answers: Policer,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Slot>() == 64);

impl Slot {
    /// Reads from the cache line that every packet needs, for it to be near when a packet's turn comes.
    pub(crate) fn touch(&self) -> u32 {
        self.sequence.load(Ordering::Relaxed)
    }

    /// Whether the guest is logged in, or was a moment ago.
    pub(crate) fn is_online(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & ONLINE != 0
    }

    /// A consistent copy, or `None` if the slot is being written just now, or is not the one that is `wanted`.
    pub(crate) fn read(
        &self,
        slot: SlotIndex,
        limits: &impl LimitsOf,
        wanted: impl Fn(Identity, Ipv4Addr) -> bool,
    ) -> Option<Snapshot> {
        let before = self.sequence.load(Ordering::Acquire);
        if before & 1 != 0 {
            return None;
        }
        let flags = self.flags.load(Ordering::Relaxed);
        let identity = Identity {
            mac_high: self.mac_high.load(Ordering::Relaxed),
            mac_low: self.mac_low.load(Ordering::Relaxed),
            lan: flags >> LAN_SHIFT,
        };
        let address = Ipv4Addr::from_bits(self.address.load(Ordering::Relaxed));
        if !wanted(identity, address) {
            return None;
        }
        let end = self.ends_at_secs.load(Ordering::Relaxed);
        let foreign = self.foreign.load(Ordering::Relaxed);
        let limits = if flags & QUOTA == 0 { None } else { limits.get() };
        // Limits that are not there yet belong to a writing that this reading meets, and nothing comes of it.
        let without = if flags & QUOTA == 0 { u64::MAX } else { 0 };
        let max = |cell: fn(&Limits) -> &AtomicU64| limits.map_or(without, |max| cell(max).load(Ordering::Relaxed));
        let snapshot = Snapshot {
            slot,
            key: identity.key(),
            address,
            foreign: (foreign != 0).then_some(Ipv4Addr::from_bits(foreign)),
            policy: Policy {
                online: flags & ONLINE != 0,
                own_garden: flags & OWN_GARDEN != 0,
                refused: flags & REFUSED != 0,
                ends_at_secs: (end != 0).then_some(end),
                rate_up: Rate::from_bits(self.rate_up.load(Ordering::Relaxed)),
                rate_down: Rate::from_bits(self.rate_down.load(Ordering::Relaxed)),
                octets_up_max: max(|limits| &limits.octets_up_max),
                octets_down_max: max(|limits| &limits.octets_down_max),
                octets_total_max: max(|limits| &limits.octets_total_max),
            },
            used_up: self.used_up.load(Ordering::Relaxed) == before | 1,
            version: before,
        };
        fence(Ordering::Acquire);
        (self.sequence.load(Ordering::Relaxed) == before).then_some(snapshot)
    }

    /// Only the control plane's single writer calls this, with the slot's own meter and limits.
    pub(crate) fn write(
        &self,
        (meter, limits): (&Meter, &impl LimitsOf),
        key: GuestKey,
        address: Ipv4Addr,
        foreign: Option<Ipv4Addr>,
        policy: &Policy,
    ) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let Identity { mac_high, mac_low, lan } = key.into();
        let identity = [(&self.mac_high, mac_high), (&self.mac_low, mac_low), (&self.address, address.to_bits())];
        let online = if policy.online { ONLINE } else { 0 };
        let quota = if policy.has_quota() { QUOTA } else { 0 };
        let own_garden = if policy.own_garden { OWN_GARDEN } else { 0 };
        let refused = if policy.refused { REFUSED } else { 0 };
        let flags = online | quota | own_garden | refused | lan << LAN_SHIFT;
        let mut another = (self.flags.swap(flags, Ordering::Relaxed) ^ flags) >> LAN_SHIFT != 0;
        for (cell, value) in identity {
            another |= cell.swap(value, Ordering::Relaxed) != value;
        }
        if another {
            self.answers.refill();
        }
        // Whoever uses another address is the same guest: that renews no share and forgives no debt.
        self.foreign.store(foreign.map_or(0, Ipv4Addr::to_bits), Ordering::Relaxed);
        if policy.has_quota() {
            let limits = limits.make();
            limits.octets_up_max.store(policy.octets_up_max, Ordering::Relaxed);
            limits.octets_down_max.store(policy.octets_down_max, Ordering::Relaxed);
            limits.octets_total_max.store(policy.octets_total_max, Ordering::Relaxed);
        }
        // A session that ends at second 0 of the gateway's clock has ended; 1 says so without meaning "never".
        self.ends_at_secs.store(policy.ends_at_secs.map_or(0, |end| end.max(1)), Ordering::Relaxed);
        for (cell, rate, way) in
            [(&self.rate_up, policy.rate_up, &meter.up), (&self.rate_down, policy.rate_down, &meter.down)]
        {
            if cell.swap(rate.to_bits(), Ordering::Relaxed) != rate.to_bits() || another {
                way.clear_debt();
            }
        }
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// Counts a packet. False if its octets are more than the guest may still use: then it is not counted, must not go on,
    /// and the guest is offline.
    ///
    /// Several threads, or one and the kernel, may together pass the limit of both directions by a packet each.
    pub(crate) fn count(
        &self,
        meter: &Meter,
        direction: Direction,
        guest: &Snapshot,
        (octets, packets): (u64, u32),
        now: Duration,
        adders: Adders,
    ) -> bool {
        let (way, other) = direction.ways(meter);
        let mut max = match direction {
            Direction::Up => guest.policy.octets_up_max,
            Direction::Down => guest.policy.octets_down_max,
        };
        if guest.policy.octets_total_max != u64::MAX {
            max = max.min(guest.policy.octets_total_max.saturating_sub(other.octets.load(Ordering::Relaxed)));
        }
        let fits = way.count(octets, packets, max, now, adders);
        if !fits {
            self.used_up.store(guest.version | 1, Ordering::Relaxed);
        }
        fits
    }
}

/// All orders in which a writer and a reader can run and see each other's words, with at most three interruptions:
/// `.ci/run orders`
#[cfg(all(loom, test))]
mod tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// Guest `n`, all of whose words are different from the other's.
    fn guest(n: u8) -> (GuestKey, Ipv4Addr, Policy) {
        let key = GuestKey { lan: n, vlan: Vlan(u16::from(n)), mac: MacAddr([2, n, n, n, n, n]) };
        let ends_at_secs = Some(u32::from(n));
        let rate_up = Rate::bits_per_second(1_000_000 * u64::from(n));
        (key, Ipv4Addr::new(10, 0, 0, n), Policy { online: n == 2, ends_at_secs, rate_up, ..Policy::default() })
    }

    /// What the guest at `address` uses instead.
    fn foreign(address: Ipv4Addr) -> Option<Ipv4Addr> {
        let [.., n] = address.octets();
        Some(Ipv4Addr::new(192, 168, n, n))
    }

    /// Of guests without a quota.
    struct NoLimits;

    impl LimitsOf for NoLimits {
        fn get(&self) -> Option<&Limits> {
            None
        }

        fn make(&self) -> &Limits {
            unreachable!("nobody has a quota")
        }
    }

    #[test]
    fn in_every_order_a_reader_sees_one_guest_or_none() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let slot = Arc::new(Slot::default());
            let (key, address, policy) = guest(1);
            slot.write((&Meter::default(), &NoLimits), key, address, foreign(address), &policy);
            let writer = {
                let slot = Arc::clone(&slot);
                thread::spawn(move || {
                    let (key, address, policy) = guest(2);
                    slot.write((&Meter::default(), &NoLimits), key, address, foreign(address), &policy);
                })
            };
            if let Some(seen) = slot.read(SlotIndex(0), &NoLimits, |_, _| true) {
                let (key, address, policy) = guest(seen.key.lan);
                assert_eq!((seen.key, seen.address, seen.policy), (key, address, policy));
                assert_eq!(seen.foreign, foreign(address));
            }
            writer.join().expect("the writer ends");
            assert_eq!(slot.read(SlotIndex(0), &NoLimits, |_, _| true).map(|seen| seen.key), Some(guest(2).0));
        });
    }
}
