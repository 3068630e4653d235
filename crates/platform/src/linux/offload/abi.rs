//! What `bpf/offload.c` and we share: maps, and the octets in them. Change both, and [`VERSION`].

use std::net::Ipv4Addr;

use fastpath::meter::Meter;
use fastpath::session::Snapshot;
use wire::MacAddr;

use super::bpf::{MapKind, MapSpec};

/// Part of the maps' names: the maps of another version are not taken over.
const VERSION: &str = "pbl4";

const SETTINGS_LEN: usize = 48;
/// Above it, 120 bit/s and slower, what a super-packet of the smallest segments takes of the line has no room in 64 bits.
const SLOWEST_RATE_BITS: u64 = 1 << 42;
/// Octets of a key in `guests`.
pub(super) const KEY_LEN: usize = 8;
const GRANT_LEN: usize = 48;
const VERDICT_LEN: u32 = 88;
/// Numbers in `struct counters`.
pub(super) const COUNTERS: usize = 4;

/// The maps' names in the object, in the order in which we keep them.
pub(super) const MAPS: [&str; 5] = ["settings", "guests", "meters", "counters", "scratch"];

/// The names that the kernel knows the maps by, and what they are, for `capacity` guests.
pub(super) fn maps(capacity: u32) -> [(String, MapSpec); 5] {
    let array = |value_len, entries| MapSpec { kind: MapKind::Array, key_len: 4, value_len, entries, mapped: true };
    let each_processor =
        |value_len| MapSpec { kind: MapKind::PerCpuArray, key_len: 4, value_len, entries: 1, mapped: false };
    let specs = [
        array(SETTINGS_LEN as u32, 1),
        MapSpec {
            kind: MapKind::Hash,
            key_len: KEY_LEN as u32,
            value_len: GRANT_LEN as u32,
            entries: 2 * capacity,
            mapped: false,
        },
        array(size_of::<Meter>() as u32, capacity),
        each_processor(8 * COUNTERS as u32),
        each_processor(VERDICT_LEN),
    ];
    std::array::from_fn(|n| (format!("{VERSION}_{}", MAPS[n]), specs[n]))
}

/// `struct settings`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) lan_index: u32,
    pub(super) tun_index: u32,
    pub(super) gateway: Ipv4Addr,
    pub(super) aliases: [Option<Ipv4Addr>; 2],
    pub(super) guests: (Ipv4Addr, u8),
    pub(super) lan_mac: MacAddr,
    pub(super) tun_link_len: u16,
    pub(super) diverts_http: bool,
}

impl Settings {
    /// Where `tun_index` is.
    const TUN_INDEX: std::ops::Range<usize> = 12..16;

    pub(super) fn emit(&self, keeper_until_nanos: u64) -> [u8; SETTINGS_LEN] {
        let mask = Ipv4Addr::from_bits(crate::mask(self.guests.1));
        let network = Ipv4Addr::from_bits(self.guests.0.to_bits() & mask.to_bits());
        let mut bytes = [0; SETTINGS_LEN];
        bytes[..8].copy_from_slice(&keeper_until_nanos.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.lan_index.to_ne_bytes());
        bytes[Self::TUN_INDEX].copy_from_slice(&self.tun_index.to_ne_bytes());
        bytes[16..20].copy_from_slice(&self.gateway.octets());
        for (at, alias) in [(20, self.aliases[0]), (24, self.aliases[1])] {
            bytes[at..at + 4].copy_from_slice(&alias.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
        }
        bytes[28..32].copy_from_slice(&network.octets());
        bytes[32..36].copy_from_slice(&mask.octets());
        bytes[36..42].copy_from_slice(&self.lan_mac.0);
        bytes[42..44].copy_from_slice(&self.tun_link_len.to_ne_bytes());
        bytes[44..46].copy_from_slice(&u16::from(self.diverts_http).to_ne_bytes());
        bytes
    }

    /// True if `bytes` say the same but for the TUN and the keeper's time.
    pub(super) fn is_like(&self, bytes: &[u8; SETTINGS_LEN]) -> bool {
        let mut ours = self.emit(0);
        ours[Self::TUN_INDEX].copy_from_slice(&bytes[Self::TUN_INDEX]);
        ours[8..] == bytes[8..]
    }

    pub(super) fn room() -> [u8; SETTINGS_LEN] {
        [0; SETTINGS_LEN]
    }
}

/// A guest's key for what it sends.
pub(super) fn station(guest: &Snapshot) -> [u8; KEY_LEN] {
    let mut bytes = [0; KEY_LEN];
    bytes[..6].copy_from_slice(&guest.key.mac.0);
    bytes[6..].copy_from_slice(&guest.key.vlan.0.to_ne_bytes());
    bytes
}

/// A guest's key for what it gets: no station and no VLAN begin or end with all ones.
pub(super) fn address(guest: &Snapshot) -> [u8; KEY_LEN] {
    let mut bytes = [0xff; KEY_LEN];
    bytes[2..6].copy_from_slice(&guest.address.octets());
    bytes
}

/// Direction of a [`grant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// `struct grant`
pub(super) fn grant(guest: &Snapshot, way: Way) -> [u8; GRANT_LEN] {
    let policy = &guest.policy;
    let (rate, octets_max) = match way {
        Way::Up => (policy.rate_up, policy.octets_up_max),
        Way::Down => (policy.rate_down, policy.octets_down_max),
    };
    // Who is that slow goes through user space, as if nothing were left.
    let octets_max = if rate.to_bits() > SLOWEST_RATE_BITS { 0 } else { octets_max };
    let ends_at = policy.ends_at_secs.map_or(u64::MAX, |secs| u64::from(secs).saturating_mul(1_000_000_000));
    let mut bytes = [0; GRANT_LEN];
    bytes[..4].copy_from_slice(&guest.slot.0.to_ne_bytes());
    bytes[4..8].copy_from_slice(&guest.address.octets());
    bytes[8..16].copy_from_slice(&station(guest));
    for (at, number) in [(16, ends_at), (24, rate.to_bits()), (32, octets_max), (40, policy.octets_total_max)] {
        bytes[at..at + 8].copy_from_slice(&number.to_ne_bytes());
    }
    bytes
}
