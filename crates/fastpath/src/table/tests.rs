use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use wire::{MacAddr, Vlan};

use super::*;
use crate::meter::Meter;
use crate::police::Rate;

fn key(n: u32) -> GuestKey {
    let [a, b, c, d] = n.to_be_bytes();
    GuestKey { lan: 0, vlan: Vlan((n % 7) as u16), mac: MacAddr([2, 0, a, b, c, d]) }
}

fn address(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a55_0000 + n)
}

fn online() -> Policy {
    Policy {
        online: true,
        ends_at_secs: Some(7),
        rate_up: Rate::bits_per_second(8),
        octets_down_max: 9,
        ..Policy::default()
    }
}

#[test]
fn a_guest_is_found_both_ways_and_only_by_all_of_its_key() {
    let (table, mut writer) = Table::new(4, 1);
    let slot = writer.insert(key(1), address(1), &online()).unwrap();
    let found = table.by_key(key(1)).unwrap();
    assert_eq!((found.slot, found.address, found.policy), (slot, address(1), online()));
    assert_eq!(table.by_address(address(1)), Some(found));
    assert_eq!(table.by_key(GuestKey { vlan: Vlan(9), ..key(1) }), None);
    assert_eq!(table.by_key(GuestKey { lan: 1, ..key(1) }), None);
    assert_eq!(table.by_address(address(2)), None);
    assert_eq!(table.by_address(Ipv4Addr::UNSPECIFIED), None);
}

#[test]
fn shared_meters_are_read_where_they_are_and_their_counts_outlive_a_guest() {
    struct Shared(Arc<[Meter]>);
    impl AsRef<[Meter]> for Shared {
        fn as_ref(&self) -> &[Meter] {
            &self.0
        }
    }
    let meters: Arc<[Meter]> = (0..2).map(|_| Meter::default()).collect();
    let shared = SharedMeters::new(Box::new(Shared(Arc::clone(&meters))), Adders::KernelToo);
    let (table, mut writer) = Table::with_meters(2, 1, shared);
    writer.insert(key(1), address(1), &online()).unwrap();
    let slot = writer.insert(key(2), address(2), &online()).unwrap();
    let way = &meters[slot.0 as usize].up;
    assert!(way.count(1500, 1, u64::MAX, Duration::from_secs(77), Adders::KernelToo));
    way.free_at_nanos.store(5, Ordering::Relaxed);
    way.paced_until_nanos.store(6, Ordering::Relaxed);
    let used = Usage { octets_up: 1500, packets_up: 1, ..Usage::default() };
    assert_eq!((table.usage(slot), table.last_up_secs(slot)), (used, 77));
    writer.set_policy(slot, &online());
    assert_eq!(way.free_at_nanos.load(Ordering::Relaxed), 5, "nothing changed");
    writer.remove(slot);
    assert_eq!(table.usage(writer.insert(key(3), address(3), &online()).unwrap()), used);
    assert_eq!(way.free_at_nanos.load(Ordering::Relaxed), 0);
    assert_eq!(way.paced_until_nanos.load(Ordering::Relaxed), 0);
}

#[test]
fn an_address_has_one_owner_and_a_guest_one_address() {
    let (table, mut writer) = Table::new(4, 1);
    writer.insert(key(1), address(1), &online()).unwrap();
    writer.insert(key(2), address(1), &Policy::default()).unwrap();
    assert_eq!(table.by_key(key(1)), None);
    writer.insert(key(2), address(2), &Policy::default()).unwrap();
    assert_eq!(table.by_address(address(1)), None);
    assert_eq!(table.by_address(address(2)).unwrap().key, key(2));
}

#[test]
fn a_full_table_says_so_and_room_comes_back() {
    let (table, mut writer) = Table::new(2, 1);
    let first = writer.insert(key(1), address(1), &online()).unwrap();
    writer.insert(key(2), address(2), &online()).unwrap();
    assert_eq!(writer.insert(key(3), address(3), &online()), Err(Full));
    writer.remove(first);
    writer.remove(first);
    assert!(writer.insert(key(3), address(3), &online()).is_ok());
    assert_eq!(writer.insert(key(4), address(4), &online()), Err(Full));
    assert!(table.by_key(key(2)).is_some());
}

#[test]
fn a_guest_gets_the_slot_that_it_had_unless_somebody_has_it() {
    let (table, mut writer) = Table::new(8, 1);
    let counted = Usage { octets_up: 7, octets_down: 6, packets_up: 5, packets_down: 4 };
    for (slot, guest) in [(5, 1), (2, 2), (7, 3)] {
        assert_eq!(writer.insert_at(SlotIndex(slot), key(guest), address(guest), counted), Ok(()));
        let found = table.by_key(key(guest)).unwrap();
        assert_eq!((found.slot, table.by_address(address(guest))), (SlotIndex(slot), Some(found)));
        assert_eq!((found.policy.online, table.usage(found.slot)), (false, counted));
    }
    for (slot, guest, at) in [(2, 4, 4), (8, 4, 4), (u32::MAX, 4, 4), (3, 1, 4), (3, 4, 1)] {
        assert_eq!(writer.insert_at(SlotIndex(slot), key(guest), address(at), counted), Err(Full), "{slot}");
    }
    let mut others: Vec<u32> = (10..15).map(|n| writer.insert(key(n), address(n), &online()).unwrap().0).collect();
    others.sort_unstable();
    assert_eq!((others, writer.insert(key(15), address(15), &online())), (vec![0, 1, 3, 4, 6], Err(Full)));
    writer.remove(SlotIndex(3));
    assert_eq!(writer.insert_at(SlotIndex(3), key(4), address(4), counted), Ok(()));
}

#[test]
fn a_long_life_of_comings_and_goings_equals_a_map() {
    let (table, mut writer) = Table::new(64, 99);
    let mut model: HashMap<u32, SlotIndex> = HashMap::new();
    let mut dice = 12345u32;
    for _ in 0..200_000 {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let n = (dice >> 8) % 96;
        if let Some(slot) = model.remove(&n) {
            writer.remove(slot);
            assert_eq!(table.by_key(key(n)), None);
        } else if model.len() < 64 {
            model.insert(n, writer.insert(key(n), address(n), &online()).unwrap());
        }
    }
    for n in 0..96 {
        assert_eq!(table.by_key(key(n)).map(|s| s.slot), model.get(&n).copied(), "{n}");
        assert_eq!(table.by_address(address(n)).map(|s| s.slot), model.get(&n).copied(), "{n}");
    }
}

#[test]
fn a_reader_never_sees_one_guest_with_the_address_of_another() {
    let (table, mut writer) = Table::new(8, 3);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for n in 0..16 {
                        if let Some(found) = table.by_key(key(n)) {
                            assert_eq!(found.address, address(n));
                            assert_eq!(found.policy.ends_at_secs, Some(n + 1));
                        }
                    }
                }
            });
        }
        for round in 0..100_000u32 {
            let n = round % 16;
            let policy = Policy { online: true, ends_at_secs: Some(n + 1), ..Policy::default() };
            let slot = writer.insert(key(n), address(n), &policy).unwrap();
            if round % 3 != 0 {
                writer.remove(slot);
            } else if let Some(old) = table.by_key(key((n + 9) % 16)) {
                writer.remove(old.slot);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}
