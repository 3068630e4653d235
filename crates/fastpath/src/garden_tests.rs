use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use super::*;

fn address(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xcb00_7100 + n)
}

fn garden(entries: &[Entry]) -> Garden {
    let garden = Garden::new(1024, 7);
    for entry in entries {
        garden.open(Who::Everybody, entry, FOREVER).unwrap();
    }
    garden
}

fn allows(garden: &Garden, address: Ipv4Addr, protocol: u8, port: u16) -> bool {
    garden.allows(None, address, protocol, port, 0)
}

#[test]
fn a_network_is_what_its_prefix_says() {
    let network = Network::new(Ipv4Addr::new(192, 0, 2, 77), 25).unwrap();
    assert!(network.contains(Ipv4Addr::new(192, 0, 2, 127)));
    assert!(!network.contains(Ipv4Addr::new(192, 0, 2, 128)));
    assert_eq!(network.parts(), (Ipv4Addr::new(192, 0, 2, 0), 25));
    assert!(Network::new(Ipv4Addr::LOCALHOST, 0).unwrap().contains(Ipv4Addr::BROADCAST));
    assert!(!Network::host(Ipv4Addr::LOCALHOST).contains(Ipv4Addr::BROADCAST));
    assert_eq!(Network::new(Ipv4Addr::LOCALHOST, 33), None);
}

#[test]
fn an_entry_opens_what_it_names_and_no_more() {
    let garden = garden(&[
        Entry { protocol: Some(TCP), port: Some(443), ..Entry::host(address(1)) },
        Entry { port: Some(53), ..Entry::host(address(2)) },
        Entry::host(address(3)),
    ]);
    assert!(allows(&garden, address(1), TCP, 443));
    assert!(!allows(&garden, address(1), TCP, 80));
    assert!(!allows(&garden, address(1), UDP, 443));
    assert!(!allows(&garden, address(1), TCP, 0), "a later fragment shows no port");
    assert!(allows(&garden, address(2), UDP, 53));
    assert!(!allows(&garden, address(2), 47, 53), "GRE has no ports");
    assert!(allows(&garden, address(3), 1, 0));
    assert!(!allows(&garden, address(4), TCP, 443));
}

#[test]
fn an_empty_garden_lets_nobody_out() {
    for destination in [Ipv4Addr::UNSPECIFIED, address(1), Ipv4Addr::BROADCAST] {
        assert!(!allows(&garden(&[]), destination, TCP, 443));
    }
}

#[test]
fn an_address_is_open_until_its_end_and_may_be_given_another() {
    let garden = garden(&[]);
    let entry = Entry::host(address(1));
    let open_at = |secs| garden.allows(None, address(1), TCP, 443, secs);
    garden.open(Who::Everybody, &entry, 100).unwrap();
    assert!(open_at(99) && !open_at(100));
    garden.open(Who::Everybody, &entry, 300).unwrap();
    assert!(open_at(299) && !open_at(300));
    assert_eq!(garden.entries(), 1);
    garden.close(Who::Everybody, &entry);
    assert!(!open_at(0));
    assert_eq!(garden.entries(), 0);
}

#[test]
fn what_is_one_guests_own_is_nobody_elses() {
    let garden = garden(&[]);
    let (own, other) = (SlotIndex(0), SlotIndex(1));
    garden.open(Who::Guest(own), &Entry::host(address(1)), FOREVER).unwrap();
    let open_for = |slot| garden.allows(slot, address(1), TCP, 443, 0);
    assert!(open_for(Some(own)));
    assert!(!open_for(Some(other)) && !open_for(None));
    garden.close(Who::Everybody, &Entry::host(address(1)));
    assert!(open_for(Some(own)), "nobody else's end is its end");
    garden.close(Who::Guest(own), &Entry::host(address(1)));
    assert!(!open_for(Some(own)));
}

#[test]
fn a_garden_that_is_full_says_so_and_recovers() {
    let garden = Garden::new(0, 7);
    let all: Vec<Entry> = (0..1000).map(|n| Entry::host(address(n))).collect();
    let (open, refused): (Vec<_>, Vec<_>) =
        all.iter().partition(|entry| garden.open(Who::Everybody, entry, FOREVER).is_ok());
    assert_eq!((open.len(), garden.entries()), (2 * PROBES, 2 * PROBES));
    let is_open = |entry: &Entry| allows(&garden, entry.network.parts().0, TCP, 443);
    assert!(open.iter().all(is_open) && !refused.iter().any(is_open));
    open.iter().for_each(|entry| garden.close(Who::Everybody, entry));
    assert!(garden.open(Who::Everybody, &refused[0], FOREVER).is_ok());
    assert!(is_open(&refused[0]));
}

/// A naive list beside the table: whatever is opened and closed in whatever order, both allow the same.
#[test]
fn the_table_allows_what_a_plain_list_allows() {
    let mut state = 1u32;
    let mut roll = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let garden = Garden::new(200, 7);
    let mut list: HashMap<(u32, Entry), u32> = HashMap::new();
    for _ in 0..40_000 {
        let prefix = [0, 1, 8, 23, 24, 30, 31, 32, 32, 32, 32][roll(11) as usize];
        let entry = Entry {
            network: Network::new(address(roll(512)), prefix).unwrap(),
            protocol: [None, Some(TCP), Some(UDP), Some(1), Some(0)][roll(5) as usize],
            port: [None, Some(80), Some(443)][roll(3) as usize],
        };
        let (who, until) = (roll(3), roll(100));
        let whose = who.checked_sub(1).map_or(Who::Everybody, |slot| Who::Guest(SlotIndex(slot)));
        if roll(2) == 0 || list.len() > 200 {
            garden.close(whose, &entry);
            list.remove(&(who, entry));
            if let Some(&(who, entry)) = list.keys().next().filter(|_| list.len() > 100) {
                let whose = who.checked_sub(1).map_or(Who::Everybody, |slot| Who::Guest(SlotIndex(slot)));
                garden.close(whose, &entry);
                list.remove(&(who, entry));
            }
        } else {
            garden.open(whose, &entry, until).unwrap();
            list.insert((who, entry), until);
        }
        let (own, to, now) = (roll(3), address(roll(600)), roll(100));
        let (protocol, port) = ([TCP, UDP, 1, 0][roll(4) as usize], [0, 80, 443, 8080][roll(4) as usize]);
        let expected = list.iter().any(|((who, entry), until)| {
            *until > now
                && (*who == 0 || *who == own)
                && entry.network.contains(to)
                && entry.protocol.is_none_or(|wanted| wanted == protocol)
                && entry.port.is_none_or(|wanted| wanted == port && matches!(protocol, TCP | UDP))
        });
        let slot = own.checked_sub(1).map(SlotIndex);
        assert_eq!(garden.allows(slot, to, protocol, port, now), expected, "{to} {protocol} {port} at {now}");
        assert_eq!(garden.entries(), list.len());
    }
}

/// After all that ever was open has been closed, a search ends as soon as in a new table.
#[test]
fn a_garden_through_which_a_million_addresses_went_is_as_quick_as_a_new_one() {
    let garden = Garden::new(1000, 7);
    for n in 0..1_000_000u32 {
        let entry = |n: u32| Entry::host(Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761)));
        garden.open(Who::Everybody, &entry(n), FOREVER).unwrap();
        if n >= 500 {
            garden.close(Who::Everybody, &entry(n - 500));
        }
    }
    let gone = garden.places.iter().filter(|place| place.rule.load(Ordering::Relaxed) == GONE).count();
    assert_eq!(garden.entries(), 500);
    assert!(gone < 500, "{gone} places of {} are neither used nor the end of a search", garden.places.len());
}

/// One thread keeps replacing entries while another reads. Odd addresses are only ever open with an end in the past of
/// the reader, even ones with an end far away: a reader that paired an odd address with its successor's end would
/// let it pass.
#[test]
fn a_reader_never_sees_one_address_with_the_end_of_another() {
    const READER_SECS: u32 = 1_000_000;
    let garden = Garden::new(0, 7);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut wrong, mut seen) = (0, 0);
            // Ends only when the writer has ended.
            while !stop.load(Ordering::Relaxed) {
                for n in 0..64 {
                    let allowed = garden.allows(None, address(n), TCP, 443, READER_SECS);
                    wrong += u32::from(allowed && n % 2 == 1);
                    seen += u32::from(allowed && n % 2 == 0);
                }
            }
            (wrong, seen)
        });
        for round in 0..400_000u32 {
            let n = round.wrapping_mul(2_654_435_761) >> 26;
            let until = if n % 2 == 1 { 1 } else { READER_SECS + 1 };
            garden.open(Who::Everybody, &Entry::host(address(n)), until).unwrap();
            garden.close(Who::Everybody, &Entry::host(address(n.wrapping_mul(7) % 64)));
        }
        garden.open(Who::Everybody, &Entry::host(address(0)), READER_SECS + 1).unwrap();
        stop.store(true, Ordering::Relaxed);
        let (wrong, seen) = reader.join().unwrap();
        assert_eq!(wrong, 0);
        assert!(seen > 0 || garden.allows(None, address(0), TCP, 443, READER_SECS));
    });
}
