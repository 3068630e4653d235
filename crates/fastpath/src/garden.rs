//! The walled garden: where a guest who has not logged in may go.
//!
//! Packet threads read it for every packet of such a guest; the control thread writes it. Static entries come from
//! the configuration and never change. Dynamic addresses come from DNS answers for the garden's names; each is
//! admitted for a time and forgotten by itself. Reading takes no lock, writes nothing and ends after a bounded number
//! of steps.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Static entries at most: they are searched one by one for each packet.
pub const MAX_ENTRIES: usize = 256;
/// Dynamic addresses that the table is usually made for: 8 octets each, 128 kB.
pub const DEFAULT_CAPACITY: usize = 16_384;
/// Dynamic addresses at most: 512 kB.
pub const MAX_CAPACITY: usize = 65_536;
/// Places that one address may stand in, and so the steps of one search. At half load, practically none is refused.
const PROBES: usize = 16;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// An IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// True if `address` is in it.
    #[must_use]
    pub const fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask == self.address
    }
}

/// A static entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where to.
    pub network: Network,
    /// The IP protocol number; none is any.
    pub protocol: Option<u8>,
    /// The far side's port; none is any. A port without protocol means TCP and UDP.
    pub port: Option<u16>,
}

impl Entry {
    fn allows(&self, address: Ipv4Addr, protocol: u8, port: u16) -> bool {
        self.network.contains(address)
            && self.protocol.is_none_or(|wanted| wanted == protocol)
            && self.port.is_none_or(|wanted| wanted == port && matches!(protocol, TCP | UDP))
    }
}

/// More static entries than [`MAX_ENTRIES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyEntries(pub usize);

impl std::fmt::Display for TooManyEntries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the walled garden has {} entries, at most {MAX_ENTRIES} are searched: join networks", self.0)
    }
}

impl std::error::Error for TooManyEntries {}

/// One dynamic address. A place is empty until its first use and never becomes empty again: an expired address stays
/// until another takes its place. So a search may stop at the first empty place.
#[derive(Default)]
struct Place {
    /// 0 is empty; 0.0.0.0 is never admitted.
    address: AtomicU32,
    /// First second at which the address is no longer admitted.
    until_secs: AtomicU32,
}

/// What became of an address that was to be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Guests may go there now.
    Admitted,
    /// It was there already; the later end counts.
    Extended,
    /// No place left. Counted, see [`Garden::refused`].
    Full,
}

/// The table.
pub struct Garden {
    entries: Box<[Entry]>,
    places: Box<[Place]>,
    /// Writers one at a time; how many addresses found no place. Readers never touch it.
    refused: Mutex<u32>,
}

impl Garden {
    /// A garden with these static entries and places for about `capacity` dynamic addresses, rounded up to a power of
    /// two and at most [`MAX_CAPACITY`].
    ///
    /// # Errors
    /// If there are more static entries than [`MAX_ENTRIES`].
    pub fn new(entries: Vec<Entry>, capacity: usize) -> Result<Self, TooManyEntries> {
        if entries.len() > MAX_ENTRIES {
            return Err(TooManyEntries(entries.len()));
        }
        let capacity = capacity.clamp(PROBES, MAX_CAPACITY).next_power_of_two();
        Ok(Self {
            entries: entries.into_boxed_slice(),
            places: std::iter::repeat_with(Place::default).take(capacity).collect(),
            refused: Mutex::new(0),
        })
    }

    /// May a packet to `address` pass, or one from there come back? `port` is the far side's; 0 if the protocol has
    /// none or the packet is a later fragment, which no entry with a port allows. `now_secs` counts from the start of
    /// the gateway.
    #[must_use]
    pub fn allows(&self, address: Ipv4Addr, protocol: u8, port: u16, now_secs: u32) -> bool {
        self.is_admitted(address, now_secs) || self.entries.iter().any(|entry| entry.allows(address, protocol, port))
    }

    /// Admits `address`, with all protocols and ports, until `until_secs`. Whether an address is fit for it
    /// was decided by who calls.
    pub fn admit(&self, address: Ipv4Addr, until_secs: u32, now_secs: u32) -> Admission {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let bits = address.to_bits();
        let mut free = None;
        // No place is for address zero, which marks an empty one.
        for place in self.probe(bits).filter(|_| bits != 0) {
            // Nobody else writes while we hold the lock.
            let there = place.address.load(Ordering::Relaxed);
            if there == bits {
                let extended = place.until_secs.fetch_max(until_secs, Ordering::Release) > now_secs;
                return if extended { Admission::Extended } else { Admission::Admitted };
            }
            if free.is_none() && (there == 0 || place.until_secs.load(Ordering::Relaxed) <= now_secs) {
                free = Some(place);
            }
            if there == 0 {
                break;
            }
        }
        let Some(place) = free else {
            *refused = refused.saturating_add(1);
            return Admission::Full;
        };
        // In this order, each visible before the next, no reader ever pairs the old address with the new end, nor the
        // new address with the old end. See `is_admitted`.
        place.until_secs.store(0, Ordering::Release);
        place.address.store(bits, Ordering::Release);
        place.until_secs.store(until_secs, Ordering::Release);
        Admission::Admitted
    }

    /// How many addresses found no place since the start.
    #[must_use]
    pub fn refused(&self) -> u32 {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many dynamic addresses are admitted at this moment. Walks the whole table: for who looks, not per packet.
    #[must_use]
    pub fn admitted(&self, now_secs: u32) -> usize {
        self.places.iter().filter(|place| place.until_secs.load(Ordering::Relaxed) > now_secs).count()
    }

    fn is_admitted(&self, address: Ipv4Addr, now_secs: u32) -> bool {
        let bits = address.to_bits();
        for place in self.probe(bits) {
            match place.address.load(Ordering::Acquire) {
                0 => return false,
                there if there == bits => {
                    let until = place.until_secs.load(Ordering::Acquire);
                    // Whoever sees the end of the address that came next also sees that address.
                    return until > now_secs && place.address.load(Ordering::Relaxed) == bits;
                }
                _ => {}
            }
        }
        false
    }

    fn probe(&self, bits: u32) -> impl Iterator<Item = &Place> {
        // Two rounds of multiply and fold, so that each bit of the address moves each bit of the place; the upper half
        // gives the step, odd so that it reaches every place of a table whose length is a power of two.
        let hash = (bits ^ bits >> 16).wrapping_mul(0x7feb_352d);
        let hash = (hash ^ hash >> 15).wrapping_mul(0x846c_a68b);
        let (start, step) = ((hash ^ hash >> 16) as usize, (hash >> 16 | 1) as usize);
        let mask = self.places.len() - 1;
        (0..PROBES).map(move |n| &self.places[start.wrapping_add(n * step) & mask])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn garden(entries: Vec<Entry>) -> Garden {
        Garden::new(entries, 1024).unwrap()
    }

    fn address(n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0xcb00_7100 + n)
    }

    #[test]
    fn a_network_is_what_its_prefix_says() {
        let network = Network::new(Ipv4Addr::new(192, 0, 2, 77), 25).unwrap();
        assert!(network.contains(Ipv4Addr::new(192, 0, 2, 127)));
        assert!(!network.contains(Ipv4Addr::new(192, 0, 2, 128)));
        assert!(Network::new(Ipv4Addr::LOCALHOST, 0).unwrap().contains(Ipv4Addr::BROADCAST));
        assert!(!Network::host(Ipv4Addr::LOCALHOST).contains(Ipv4Addr::BROADCAST));
        assert_eq!(Network::new(Ipv4Addr::LOCALHOST, 33), None);
    }

    #[test]
    fn a_static_entry_opens_what_it_names_and_no_more() {
        let network = Network::host(address(1));
        let garden = garden(vec![
            Entry { network, protocol: Some(TCP), port: Some(443) },
            Entry { network: Network::host(address(2)), protocol: None, port: Some(53) },
            Entry { network: Network::host(address(3)), protocol: None, port: None },
        ]);
        assert!(garden.allows(address(1), TCP, 443, 0));
        assert!(!garden.allows(address(1), TCP, 80, 0));
        assert!(!garden.allows(address(1), UDP, 443, 0));
        assert!(!garden.allows(address(1), TCP, 0, 0), "a later fragment shows no port");
        assert!(garden.allows(address(2), UDP, 53, 0));
        assert!(!garden.allows(address(2), 47, 53, 0), "GRE has no ports");
        assert!(garden.allows(address(3), 1, 0, 0));
        assert!(!garden.allows(address(4), TCP, 443, 0));
    }

    #[test]
    fn an_empty_garden_lets_nobody_out() {
        let garden = garden(Vec::new());
        for destination in [Ipv4Addr::UNSPECIFIED, address(1), Ipv4Addr::BROADCAST] {
            assert!(!garden.allows(destination, TCP, 443, 0));
        }
    }

    #[test]
    fn an_address_is_admitted_until_its_end() {
        let garden = garden(Vec::new());
        assert_eq!(garden.admit(address(1), 100, 40), Admission::Admitted);
        assert!(garden.allows(address(1), TCP, 443, 99));
        assert!(!garden.allows(address(1), TCP, 443, 100));
        assert_eq!(garden.admit(address(1), 90, 50), Admission::Extended);
        assert!(garden.allows(address(1), TCP, 443, 99), "a shorter answer does not cut a longer one");
        assert_eq!(garden.admit(address(1), 300, 200), Admission::Admitted);
        assert!(garden.allows(address(1), TCP, 443, 299));
        assert_eq!(garden.admitted(299), 1);
    }

    #[test]
    fn address_zero_is_never_admitted() {
        let garden = garden(Vec::new());
        assert_eq!(garden.admit(Ipv4Addr::UNSPECIFIED, 100, 0), Admission::Full);
        assert!(!garden.allows(Ipv4Addr::UNSPECIFIED, TCP, 443, 0));
    }

    #[test]
    fn a_full_garden_refuses_counts_and_recovers() {
        let garden = Garden::new(Vec::new(), 16).unwrap();
        for n in 0..20 {
            let expected = if n < 16 { Admission::Admitted } else { Admission::Full };
            assert_eq!(garden.admit(address(n), 60, 0), expected, "{n}");
        }
        assert_eq!((garden.refused(), garden.admitted(0)), (4, 16));
        assert_eq!(garden.admit(address(20), 120, 60), Admission::Admitted, "in the place of one that expired");
        assert!(garden.allows(address(20), TCP, 443, 61));
        assert!((0..20).all(|n| !garden.allows(address(n), TCP, 443, 61)));
    }

    #[test]
    fn a_half_full_garden_refuses_nobody() {
        let garden = Garden::new(Vec::new(), DEFAULT_CAPACITY).unwrap();
        let mut state = 1u32;
        for _ in 0..DEFAULT_CAPACITY / 2 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            garden.admit(Ipv4Addr::from_bits(state), 60, 0);
        }
        assert_eq!(garden.refused(), 0);
    }

    #[test]
    fn too_many_entries_are_told() {
        let entry = Entry { network: Network::host(address(1)), protocol: None, port: None };
        assert_eq!(Garden::new(vec![entry; 257], 16).err(), Some(TooManyEntries(257)));
    }

    /// One thread keeps replacing expired addresses while another reads. Odd addresses are only ever admitted with an
    /// end in the past of the reader, even ones with an end far away: a reader that paired an odd address with
    /// its successor's end would let it pass.
    #[test]
    fn a_reader_never_sees_one_address_with_the_end_of_another() {
        const READER_SECS: u32 = 1_000_000;
        let garden = Garden::new(Vec::new(), 16).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let (mut wrong, mut seen) = (0, 0);
                // Ends only when the writer has ended and at least one admitted address was seen.
                while !stop.load(Ordering::Relaxed) {
                    for n in 0..64 {
                        let allowed = garden.allows(address(n), TCP, 443, READER_SECS);
                        wrong += u32::from(allowed && n % 2 == 1);
                        seen += u32::from(allowed && n % 2 == 0);
                    }
                }
                (wrong, seen)
            });
            // The writer's clock runs from outside: to it, everything that it wrote before has expired.
            for round in 0..400_000u32 {
                let n = round.wrapping_mul(2_654_435_761) >> 26;
                let until = if n % 2 == 1 { 1 } else { READER_SECS + 1 };
                garden.admit(address(n), until, READER_SECS + 2);
            }
            stop.store(true, Ordering::Relaxed);
            let (wrong, seen) = reader.join().unwrap();
            assert_eq!(wrong, 0);
            let at_the_end = (0..64).filter(|&n| garden.allows(address(n), TCP, 443, READER_SECS)).count();
            assert!(seen > 0 || at_the_end > 0);
        });
        assert_eq!(garden.refused(), 0);
    }
}
