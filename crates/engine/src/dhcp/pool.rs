//! Which addresses of the ranges are free. Finding one takes the same few steps however full the pool is.

use super::config::Config;
use super::limits::MAX_POOL;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

pub(super) struct Pool {
    ranges: Vec<Range>,
    /// In a range but never given to just anybody: the gateway, network and broadcast address, hosts' own addresses.
    excluded: BTreeSet<Ipv4Addr>,
    free: BitSet,
    size: usize,
}

/// Consecutive addresses, and the index of the first.
struct Range {
    first: u32,
    last: u32,
    base: usize,
}

impl Pool {
    /// The addresses for everybody.
    pub(super) fn new(config: &Config) -> Self {
        let mut wanted = within(config, &config.ranges);
        for (first, last) in
            config.pools.values().chain(&config.statics).flat_map(|range| within(config, std::slice::from_ref(range)))
        {
            let parts = |(from, to): (u32, u32)| {
                let before = first.checked_sub(1).map(|end| (from, to.min(end)));
                let behind = last.checked_add(1).map(|start| (from.max(start), to));
                before.into_iter().chain(behind).filter(|(from, to)| from <= to)
            };
            wanted = wanted.into_iter().flat_map(parts).collect();
        }
        Self::of(config, wanted)
    }

    /// Those of a pool with a name.
    pub(super) fn named(config: &Config, range: &RangeInclusive<Ipv4Addr>) -> Self {
        Self::of(config, within(config, std::slice::from_ref(range)))
    }

    /// Those of stations that do not ask.
    pub(super) fn statics(config: &Config) -> Self {
        Self::of(config, within(config, config.statics.as_slice()))
    }

    fn of(config: &Config, mut wanted: Vec<(u32, u32)>) -> Self {
        wanted.sort_unstable();
        let mut ranges: Vec<Range> = Vec::new();
        let mut size = 0;
        for (first, last) in wanted {
            let first = match ranges.last() {
                Some(before) if first <= before.last => before.last.saturating_add(1),
                _ => first,
            };
            let room = (MAX_POOL - size) as u64;
            let len = (u64::from(last) + 1).saturating_sub(u64::from(first)).min(room);
            if len > 0 {
                ranges.push(Range { first, last: (u64::from(first) + len - 1) as u32, base: size });
                size += len as usize;
            }
        }
        let mut excluded = BTreeSet::from([config.gateway]);
        if config.prefix_len < 31 {
            excluded.extend([config.network(), config.broadcast()]);
        }
        excluded.extend(config.hosts.keys().filter_map(|&mac| config.fixed_address(mac)));
        let mut pool = Self { ranges, excluded, free: BitSet::full(size), size };
        for index in pool.excluded.iter().filter_map(|&address| pool.index(address)).collect::<Vec<_>>() {
            pool.free.remove(index);
            pool.size -= 1;
        }
        pool
    }

    /// Addresses that there are for everybody, free or not.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// True if the address is for everybody, free or not.
    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        self.index(address).is_some() && !self.excluded.contains(&address)
    }

    pub(super) fn is_free(&self, address: Ipv4Addr) -> bool {
        self.index(address).is_some_and(|index| self.free.contains(index))
    }

    pub(super) fn take(&mut self, address: Ipv4Addr) {
        if let Some(index) = self.index(address) {
            self.free.remove(index);
        }
    }

    pub(super) fn give_back(&mut self, address: Ipv4Addr) {
        if let Some(index) = self.index(address).filter(|_| !self.excluded.contains(&address)) {
            self.free.insert(index);
        }
    }

    /// The free address that `hash` points at, or the next one.
    pub(super) fn pick(&self, hash: u64) -> Option<Ipv4Addr> {
        let len = self.free.len as u64;
        let start = if len == 0 { 0 } else { (hash % len) as usize };
        let index = self.free.next_from(start).or_else(|| self.free.next_from(0))?;
        let at = self.ranges.partition_point(|range| range.base <= index).checked_sub(1)?;
        let range = self.ranges.get(at)?;
        Some(Ipv4Addr::from_bits(range.first + (index - range.base) as u32))
    }

    fn index(&self, address: Ipv4Addr) -> Option<usize> {
        let bits = address.to_bits();
        let at = self.ranges.partition_point(|range| range.first <= bits).checked_sub(1)?;
        let range = self.ranges.get(at).filter(|range| bits <= range.last)?;
        Some(range.base + (bits - range.first) as usize)
    }
}

/// First and last address of each range, as far as they are in the network.
fn within(config: &Config, ranges: &[RangeInclusive<Ipv4Addr>]) -> Vec<(u32, u32)> {
    let (network, broadcast) = (config.network(), config.broadcast());
    let bounds = ranges.iter().map(|range| (*range.start().max(&network), *range.end().min(&broadcast)));
    bounds.filter(|(first, last)| first <= last).map(|(first, last)| (first.to_bits(), last.to_bits())).collect()
}

/// A set of small numbers with a fast "next member": each level has one bit for each word below.
struct BitSet {
    levels: Vec<Vec<u64>>,
    len: usize,
}

impl BitSet {
    fn full(len: usize) -> Self {
        let mut levels = Vec::new();
        let mut bits = len;
        loop {
            let mut words = vec![u64::MAX; bits / 64];
            if !bits.is_multiple_of(64) {
                words.push((1 << (bits % 64)) - 1);
            }
            bits = words.len();
            levels.push(words);
            if bits <= 1 {
                return Self { levels, len };
            }
        }
    }

    fn contains(&self, index: usize) -> bool {
        self.levels.first().and_then(|level| level.get(index / 64)).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    fn insert(&mut self, mut index: usize) {
        for level in &mut self.levels {
            let Some(word) = level.get_mut(index / 64) else { return };
            *word |= 1 << (index % 64);
            index /= 64;
        }
    }

    fn remove(&mut self, mut index: usize) {
        for level in &mut self.levels {
            let Some(word) = level.get_mut(index / 64) else { return };
            *word &= !(1 << (index % 64));
            if *word != 0 {
                return;
            }
            index /= 64;
        }
    }

    /// The least member that is not below `index`: up until a word has one, then down to it.
    fn next_from(&self, mut index: usize) -> Option<usize> {
        let mut depth = 0;
        loop {
            let word = self.levels.get(depth)?.get(index / 64)? & (u64::MAX << (index % 64));
            if word != 0 {
                index = index / 64 * 64 + word.trailing_zeros() as usize;
                break;
            }
            index = index / 64 + 1;
            depth += 1;
        }
        for level in self.levels.get(..depth)?.iter().rev() {
            index = index * 64 + level.get(index)?.trailing_zeros() as usize;
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::MacAddr;

    fn config(prefix_len: u8) -> Config {
        Config::new(Ipv4Addr::new(10, 1, 0, 1), prefix_len, MacAddr([2, 0, 0, 0, 0, 1]))
    }

    #[test]
    fn every_address_is_given_once_and_none_that_is_kept_back() {
        for prefix_len in [20, 24, 25, 29, 30, 31] {
            let mut pool = Pool::new(&config(prefix_len));
            let mut seen = BTreeSet::new();
            while let Some(address) = pool.pick(0x9e37_79b9 * (seen.len() as u64 + 1)) {
                assert!(pool.is_free(address));
                assert!(seen.insert(address), "{address} twice");
                pool.take(address);
            }
            let hosts = if prefix_len == 31 { 2 } else { (1usize << (32 - prefix_len)) - 2 };
            assert_eq!(seen.len(), hosts - 1, "all but the gateway of a /{prefix_len}");
            assert_eq!(seen.len(), pool.size());
            pool.give_back(Ipv4Addr::new(10, 1, 0, 1));
            assert_eq!(pool.pick(0), None, "the gateway's address is never free");
        }
    }

    #[test]
    fn ranges_may_overlap_touch_and_leave_the_network() {
        let address = |last| Ipv4Addr::new(10, 1, 0, last);
        let mut config = config(24);
        config.ranges =
            vec![address(200)..=Ipv4Addr::new(10, 1, 9, 9), address(10)..=address(20), address(15)..=address(21)];
        let pool = Pool::new(&config);
        assert_eq!(pool.size(), 12 + 55);
        for (last, inside) in [(9, false), (10, true), (21, true), (22, false), (199, false), (254, true), (255, false)]
        {
            assert_eq!(pool.is_free(address(last)), inside, "{last}");
        }
        config.ranges = vec![address(9)..=address(3)];
        assert_eq!(Pool::new(&config).pick(7), None);
    }

    #[test]
    fn a_pool_of_a_slash_8_is_cut_where_its_bound_is() {
        let pool = Pool::new(&config(8));
        assert_eq!(pool.size(), MAX_POOL - 2, "without network and gateway address");
        assert!(pool.pick(u64::MAX).is_some());
    }

    #[test]
    fn the_set_agrees_with_a_simple_one() {
        let mut set = BitSet::full(5000);
        let mut simple: BTreeSet<usize> = (0..5000).collect();
        let mut state = 1u64;
        for _ in 0..40_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let index = (state >> 33) as usize % 5000;
            if state >> 32 & 7 == 0 {
                set.insert(index);
                simple.insert(index);
            } else {
                set.remove(index);
                simple.remove(&index);
            }
            assert_eq!(set.next_from(index), simple.range(index..).next().copied());
            assert_eq!(set.contains(index), simple.contains(&index));
        }
    }
}
