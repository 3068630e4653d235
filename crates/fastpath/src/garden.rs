//! The walled garden: where a guest who has not logged in may go.
//!
//! Packet threads read it for every packet of such a guest; the control thread writes it. All that is open is in one
//! hash table: what the configuration says, what an operator or a server adds, and addresses that DNS has given for the
//! garden's names, each for a time or for good, each for everybody or for one guest. An entry is found by its network, and
//! those of one network stand together whatever their protocols and ports; so a packet is looked up once for each length
//! of a prefix that there is, and its cost does not grow with the number of entries. Reading takes no lock, writes nothing
//! and ends after a bounded number of steps.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::session::SlotIndex;
use crate::table::mix;

/// Entries that a garden can be made for: 16 MB.
pub const MAX_CAPACITY: usize = 1 << 19;
/// The end of what stays open until it is closed.
pub const FOREVER: u32 = u32::MAX;
/// Places that one entry may stand in, and so the steps of one search, and how many protocols and ports of one network may
/// be open. At half load one in a million searches that find nothing takes more than 60; the mean is two and a half,
/// mostly in one line of the cache.
const PROBES: usize = 128;
/// Lengths of a prefix.
const LENGTHS: usize = 33;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// An IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: u32,
    mask: u32,
}

impl Network {
    /// The network that `address` is in; `None` if the prefix is longer than 32.
    #[must_use]
    pub const fn new(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        let mask = match prefix {
            0 => 0,
            1..=32 => u32::MAX << (32 - prefix),
            _ => return None,
        };
        Some(Self { address: address.to_bits() & mask, mask })
    }

    /// The network of one address.
    #[must_use]
    pub const fn host(address: Ipv4Addr) -> Self {
        Self { address: address.to_bits(), mask: u32::MAX }
    }

    /// Its first address and the length of its prefix.
    #[must_use]
    pub const fn parts(&self) -> (Ipv4Addr, u32) {
        (Ipv4Addr::from_bits(self.address), self.mask.count_ones())
    }

    /// True if `address` is in it.
    #[must_use]
    pub const fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask == self.address
    }
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Where to.
    pub network: Network,
    /// The IP protocol number; none is any.
    pub protocol: Option<u8>,
    /// The far side's port; none is any. A port without protocol means TCP and UDP.
    pub port: Option<u16>,
}

impl Entry {
    /// All of one address.
    #[must_use]
    pub const fn host(address: Ipv4Addr) -> Self {
        Self { network: Network::host(address), protocol: None, port: None }
    }
}

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// Every guest.
    Everybody,
    /// The guest in this slot, whose [`crate::session::Policy::own_garden`] says so.
    Guest(SlotIndex),
}

impl Who {
    fn word(self) -> u32 {
        match self {
            Self::Everybody => 0,
            Self::Guest(slot) => slot.0 + 1, // a table has fewer than 2^24
        }
    }
}

/// No place is left where the entry could be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// An entry as it stands in a place: the rule is prefix length, protocol and port in one word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cell {
    network: u32,
    rule: u32,
    who: u32,
}

/// Of a place that was never used, behind which a search finds nothing.
const EMPTY: u32 = 0;
/// Of a place that is free, but not the end of a search.
const GONE: u32 = 1;
/// Set in the rule of every entry.
const TAKEN: u32 = 1 << 31;
const ANY_PROTOCOL: u32 = 1 << 8;

fn rule(prefix: u32, protocol: Option<u8>, port: Option<u16>) -> u32 {
    TAKEN | prefix << 25 | protocol.map_or(ANY_PROTOCOL, u32::from) << 16 | port.map_or(0, u32::from)
}

/// A packet, as far as a rule asks about it.
struct Asked {
    protocol: u8,
    port: Option<u16>,
}

impl Asked {
    fn is_covered(&self, rule: u32, prefix: u32) -> bool {
        let (protocol, port) = (rule >> 16 & 0x1ff, rule as u16);
        rule & !0x01ff_ffff == TAKEN | prefix << 25
            && (protocol == ANY_PROTOCOL || protocol == u32::from(self.protocol))
            && (port == 0 || self.port == Some(port))
    }
}

impl Cell {
    fn new(who: Who, entry: &Entry) -> Self {
        let prefix = entry.network.mask.count_ones();
        // Port 0 in a rule is every port.
        let port = entry.port.filter(|port| *port != 0);
        Self { network: entry.network.address, rule: rule(prefix, entry.protocol, port), who: who.word() }
    }

    /// Which length its prefix has. Single addresses are first: there are most of them.
    fn length(self) -> usize {
        32 - (self.rule >> 25 & 0x3f) as usize
    }
}

/// One entry of the table; four of them are a line of the cache.
#[derive(Default)]
#[repr(C, align(16))]
struct Place {
    rule: AtomicU32,
    network: AtomicU32,
    who: AtomicU32,
    /// First second at which it is no longer open.
    until_secs: AtomicU32,
}

impl Place {
    fn is(&self, cell: Cell, order: Ordering) -> bool {
        self.network.load(order) == cell.network && self.who.load(order) == cell.who
    }

    /// The end of `cell`, if it stands here.
    fn end_of(&self, cell: Cell) -> Option<u32> {
        if !self.is(cell, Ordering::Acquire) {
            return None;
        }
        let until = self.until_secs.load(Ordering::Acquire);
        // Whoever sees the end of the entry that came next also sees that it is another one.
        let same = self.rule.load(Ordering::Relaxed) == cell.rule && self.is(cell, Ordering::Relaxed);
        same.then_some(until)
    }

    /// In this order, each visible before the next, no reader ever pairs one entry with the end of another.
    fn put(&self, cell: Cell, until_secs: u32) {
        self.until_secs.store(0, Ordering::Release);
        self.rule.store(GONE, Ordering::Release);
        self.network.store(cell.network, Ordering::Release);
        self.who.store(cell.who, Ordering::Release);
        self.until_secs.store(until_secs, Ordering::Release);
        self.rule.store(cell.rule, Ordering::Release);
    }
}

/// The table.
pub struct Garden {
    places: Box<[Place]>,
    seed: u64,
    counted: bool,
    /// One bit for each length of a prefix that there is.
    lengths: [AtomicU32; LENGTHS.div_ceil(32)],
    /// Writers one at a time; how many entries there are of each length. Readers never touch it.
    written: Mutex<[u32; LENGTHS]>,
}

impl Garden {
    /// A garden with room for `capacity` entries, at most [`MAX_CAPACITY`]. `seed` keeps who chooses addresses from choosing
    /// their places.
    #[must_use]
    pub fn new(capacity: usize, seed: u32) -> Self {
        let places = (capacity.clamp(PROBES, MAX_CAPACITY) * 2).next_power_of_two();
        Self {
            places: std::iter::repeat_with(Place::default).take(places).collect(),
            seed: seed.into(),
            counted: true,
            lengths: Default::default(),
            written: Mutex::new([0; LENGTHS]),
        }
    }

    /// The same, with what guests who are online exchange with it on nobody's account, if not `counted`.
    #[must_use]
    pub fn counted(self, counted: bool) -> Self {
        Self { counted, ..self }
    }

    /// Whether what guests who are online exchange with it is on their account.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.counted
    }

    /// May a packet to `address` pass, or one from there come back? `port` is the far side's; 0 if the protocol has
    /// none or the packet is a later fragment, which no entry with a port allows. `own` is the guest, if it has entries of its
    /// own. `now_secs` counts from the start of the gateway.
    #[must_use]
    pub fn allows(&self, own: Option<SlotIndex>, address: Ipv4Addr, protocol: u8, port: u16, now_secs: u32) -> bool {
        let port = Some(port).filter(|port| *port != 0 && matches!(protocol, TCP | UDP));
        let asked = Asked { protocol, port };
        for (word, lengths) in self.lengths.iter().enumerate() {
            let mut lengths = lengths.load(Ordering::Acquire);
            while lengths != 0 {
                let prefix = 32 - (word as u32 * 32 + lengths.trailing_zeros());
                lengths &= lengths - 1;
                let network = address.to_bits() & u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                let is_open = |who: Who| self.is_open(who.word(), network, prefix, &asked, now_secs);
                if is_open(Who::Everybody) || own.is_some_and(|slot| is_open(Who::Guest(slot))) {
                    return true;
                }
            }
        }
        false
    }

    /// Fetches into the processor's cache what lookups of these addresses will read, for all of a batch at once.
    pub(crate) fn expect(&self, addresses: impl Iterator<Item = Ipv4Addr>) {
        let first = |address: Ipv4Addr| self.probe(Who::Everybody.word(), address.to_bits()).next();
        let touch = |at: usize| self.places[at].rule.load(Ordering::Relaxed);
        black_box(addresses.filter_map(first).fold(0, |all, at| all ^ touch(at)));
    }

    /// Whether there is any entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.lengths.iter().all(|lengths| lengths.load(Ordering::Relaxed) == 0)
    }

    /// Opens `entry` until `until_secs`, or for longer or shorter if it is open already.
    ///
    /// # Errors
    /// [`Full`], and it is not open.
    pub fn open(&self, who: Who, entry: &Entry, until_secs: u32) -> Result<(), Full> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = Cell::new(who, entry);
        let mut free = None;
        // Nobody else writes while we hold the lock.
        for place in self.probe(cell.who, cell.network).map(|at| &self.places[at]) {
            match place.rule.load(Ordering::Relaxed) {
                there if there == cell.rule && place.is(cell, Ordering::Relaxed) => {
                    place.until_secs.store(until_secs, Ordering::Release);
                    return Ok(());
                }
                EMPTY => {
                    free = free.or(Some(place));
                    break;
                }
                GONE => free = free.or(Some(place)),
                _ => {}
            }
        }
        free.ok_or(Full)?.put(cell, until_secs);
        let length = cell.length();
        written[length] += 1;
        self.lengths[length / 32].fetch_or(1 << (length % 32), Ordering::Release);
        Ok(())
    }

    /// Closes `entry`, if it is open for just them. Its place is free again.
    pub fn close(&self, who: Who, entry: &Entry) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = Cell::new(who, entry);
        for at in self.probe(cell.who, cell.network) {
            match self.places[at].rule.load(Ordering::Relaxed) {
                EMPTY => return,
                there if there == cell.rule && self.places[at].is(cell, Ordering::Relaxed) => {
                    self.clear(at);
                    let length = cell.length();
                    written[length] -= 1;
                    if written[length] == 0 {
                        self.lengths[length / 32].fetch_and(!(1 << (length % 32)), Ordering::Release);
                    }
                    return;
                }
                _ => {}
            }
        }
    }

    /// Entries that are there, open or over.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|count| *count as usize).sum()
    }

    /// A place before an empty one need not be stepped over, nor those before it.
    fn clear(&self, at: usize) {
        let place = |at: usize| &self.places[at & (self.places.len() - 1)];
        place(at).until_secs.store(0, Ordering::Release);
        let last = place(at + 1).rule.load(Ordering::Relaxed) == EMPTY;
        place(at).rule.store(if last { EMPTY } else { GONE }, Ordering::Release);
        if !last {
            return;
        }
        let before = (1..self.places.len()).map(|n| place(at.wrapping_sub(n)));
        for place in before.take_while(|place| place.rule.load(Ordering::Relaxed) == GONE) {
            place.rule.store(EMPTY, Ordering::Release);
        }
    }

    fn is_open(&self, who: u32, network: u32, prefix: u32, asked: &Asked, now_secs: u32) -> bool {
        self.probe(who, network)
            .map(|at| (&self.places[at], self.places[at].rule.load(Ordering::Acquire)))
            .take_while(|(_, rule)| *rule != EMPTY)
            .filter(|(place, _)| place.network.load(Ordering::Relaxed) == network)
            .filter(|(_, rule)| asked.is_covered(*rule, prefix))
            .any(|(place, rule)| place.end_of(Cell { network, rule, who }).is_some_and(|until| until > now_secs))
    }

    fn probe(&self, who: u32, network: u32) -> impl Iterator<Item = usize> + use<> {
        let hash = mix(u64::from(who) << 32 | u64::from(network), self.seed);
        let mask = self.places.len() - 1;
        (0..PROBES).map(move |n| (hash as usize).wrapping_add(n) & mask)
    }
}

#[cfg(test)]
#[path = "garden_tests.rs"]
mod tests;
