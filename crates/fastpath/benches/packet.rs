//! What one packet costs between the two devices: parse, look up, judge, police, count.
//!
//! `cargo bench -p poblano-fastpath`
#![allow(missing_docs, reason = "the macros of criterion make functions")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fastpath::counters::Counters;
use fastpath::garden::{Garden, Network};
use fastpath::pacer::Pacer;
use fastpath::pipeline::{Action, Plane};
use fastpath::police::Rate;
use fastpath::port::{HEADROOM, Packet};
use fastpath::pump::BATCH;
use fastpath::session::Policy;
use fastpath::shape::Flows;
use fastpath::slow::{SlowFrame, SlowPath, StationLimit};
use fastpath::table::Table;
use fastpath::verdict::{self, Facts, Guest, Kind, Peer};
use wire::{GuestKey, MacAddr, Vlan};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const NOW: Duration = Duration::from_secs(100);

struct Nowhere;

impl SlowPath for Nowhere {
    fn offer(&self, _: SlowFrame<'_>) -> bool {
        true
    }
}

fn address(guest: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(GATEWAY.to_bits() + 1 + guest)
}

fn key(guest: u32) -> GuestKey {
    GuestKey { lan: 0, vlan: Vlan::NONE, mac: mac(guest) }
}

fn mac(guest: u32) -> MacAddr {
    let [a, b, c, d] = guest.to_be_bytes();
    MacAddr([6, 0, a, b, c, d])
}

/// A plane with so many guests online.
fn plane(guests: u32) -> Plane {
    let (table, mut writer) = Table::new(guests, 7);
    let policy = Policy { online: true, rate_up: Rate::bits_per_second(100_000_000_000), ..Policy::default() };
    for guest in 0..guests {
        writer.insert(key(guest), address(guest), &policy).expect("the table was made for so many");
    }
    Plane {
        table,
        garden: Arc::new(Garden::new(Vec::new(), 1024).expect("an empty garden")),
        gateway: GATEWAY,
        network: Network::new(GATEWAY, 8).expect("a prefix"),
        broadcast: Ipv4Addr::new(10, 255, 255, 255),
        lan_mac: GATEWAY_MAC,
        lan: 0,
        portal_port: 3990,
        redirect_port: 3991,
        slow: Arc::new(Nowhere),
        slow_limit: StationLimit::new(3),
        flows: Flows::new(4),
        from_guests: Counters::default(),
        to_guests: Counters::default(),
    }
}

/// A TCP segment of 64 octets on the wire.
fn write(packet: &mut Packet, from: Ipv4Addr, to: Ipv4Addr, station: MacAddr) {
    let mut l3 = vec![0x45, 0, 0, 46, 0, 1, 0x40, 0, 64, 6, 0, 0];
    l3.extend(from.octets());
    l3.extend(to.octets());
    l3.extend([0xc0, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
    packet.memory_mut()[HEADROOM..HEADROOM + l3.len()].copy_from_slice(&l3);
    packet.set_l3_len(l3.len());
    packet.set_link(GATEWAY_MAC, station, 0x0800);
}

/// Time for `packets` decisions, in batches whose buffers are used again as the pump does; making the packets
/// is not counted.
fn timed(
    packets: u64,
    batch: &mut [Packet],
    make: &mut dyn FnMut(&mut Packet),
    decide: &mut dyn FnMut(&mut [Packet]),
) -> Duration {
    let mut time = Duration::ZERO;
    for _ in 0..packets.div_ceil(batch.len() as u64) {
        batch.iter_mut().for_each(&mut *make);
        let start = Instant::now();
        decide(batch);
        time += start.elapsed();
    }
    time
}

fn decisions(criterion: &mut Criterion) {
    for guests in [1_000u32, 100_000, 1_000_000] {
        let plane = plane(guests);
        let mut batch: Vec<Packet> = (0..BATCH).map(|_| Packet::new()).collect();
        let mut pacer = Pacer::new(1 << 20);
        let mut dice = 1u32;
        let mut next = move || {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 8) % guests
        };
        let internet = Ipv4Addr::new(203, 0, 113, 9);
        let mut group = criterion.benchmark_group(format!("{guests} guests online"));
        group.throughput(Throughput::Elements(1));
        group.bench_function("from guest", |bench| {
            bench.iter_custom(|packets| {
                let mut make = |packet: &mut Packet| {
                    let n = next();
                    write(packet, address(n), internet, mac(n));
                };
                timed(packets, &mut batch, &mut make, &mut |batch| {
                    plane.expect_from_guests(batch);
                    for packet in batch {
                        black_box(plane.from_guest(packet, NOW, &mut pacer));
                    }
                })
            });
        });
        group.bench_function("to guest", |bench| {
            bench.iter_custom(|packets| {
                let mut make = |packet: &mut Packet| {
                    let n = next();
                    write(packet, internet, address(n), mac(n));
                };
                timed(packets, &mut batch, &mut make, &mut |batch| {
                    plane.expect_to_guests(batch);
                    for packet in batch {
                        black_box(plane.to_guest(packet, NOW, &mut pacer));
                    }
                })
            });
        });
        group.finish();
    }
}

/// Lookups alone, in batches as the path makes them; `beside` a writer that replaces guests without a pause.
fn lookups(criterion: &mut Criterion) {
    for guests in [1_000u32, 100_000, 1_000_000] {
        for beside in [false, true] {
            let (table, mut writer) = Table::new(guests + 1, 7);
            for guest in 0..guests {
                writer.insert(key(guest), address(guest), &Policy::default()).expect("the table was made for so many");
            }
            let stop = AtomicBool::new(!beside);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut guest = guests;
                    while !stop.load(Ordering::Relaxed) {
                        let slot = writer.insert(key(guest), address(guest), &Policy::default());
                        writer.remove(slot.expect("there is room for one more"));
                        guest = guest.wrapping_add(1).max(guests);
                    }
                });
                let name = format!("{guests} guests{}", if beside { " beside a writer" } else { "" });
                let mut group = criterion.benchmark_group(name);
                group.throughput(Throughput::Elements(BATCH as u64));
                let mut dice = 1u32;
                group.bench_function("64 lookups by station", |bench| {
                    let keys = || {
                        std::array::from_fn::<_, BATCH, _>(|_| {
                            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                            key((dice >> 8) % guests)
                        })
                    };
                    let look_up = |keys: [GuestKey; BATCH]| {
                        table.expect_keys(keys.iter().copied());
                        keys.iter().filter_map(|&key| table.by_key(key)).count()
                    };
                    bench.iter_batched(keys, look_up, BatchSize::SmallInput);
                });
                group.finish();
                stop.store(true, Ordering::Relaxed);
            });
        }
    }
}

/// The policy alone.
fn verdicts(criterion: &mut Criterion) {
    let facts = Facts {
        from_station: true,
        to_us: true,
        network: verdict::Network::Ipv4,
        guest: Guest::Online,
        peer: Peer::Internet,
        kind: Kind::Tcp,
    };
    criterion.bench_function("verdict", |bench| {
        bench.iter(|| black_box((verdict::up(black_box(&facts)), verdict::down(black_box(&facts)))));
    });
    let plane = plane(1_000);
    let mut packet = Packet::new();
    write(&mut packet, address(0), Ipv4Addr::new(203, 0, 113, 9), mac(2_000));
    criterion.bench_function("classify and drop a stranger's packet", |bench| {
        bench.iter(|| matches!(black_box(plane.from_guest(&mut packet, NOW)), Action::Done));
    });
}

criterion_group!(benches, verdicts, lookups, decisions);
criterion_main!(benches);
