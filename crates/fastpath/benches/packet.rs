//! What one packet costs between the two devices: parse, look up, judge, police, count.
//!
//! `cargo bench -p poblano-fastpath`
//!
//! With a million guests a decision waits for memory, so the bench begins with how long this machine's takes: a read that
//! waits for the one before, and the reads of a batch alone, without which there is no decision. What a decision takes
//! beyond those is ours. Memory is taken as the program takes it: on large pages, where the kernel has them.
#![allow(missing_docs, reason = "the macros of criterion make functions")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod common;

use std::cell::Cell;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fastpath::pacer::Pacer;
use fastpath::pipeline::Action;
use fastpath::port::Packet;
use fastpath::pump::BATCH;
use fastpath::session::Policy;
use fastpath::table::Table;
use fastpath::verdict::{self, Facts, Guest, Kind, Peer};
use wire::GuestKey;
use wire::checksum::{add, fold, pseudo_v4};
use wire::frame::tcp_flags::{ACK, SYN};

use crate::common::{NOW, address, key, mac, plane, write, write_segment};

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
        let plane = plane(guests, true);
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
                    plane.from_guests(batch, 0..batch.len(), NOW, &mut pacer, |_, _, action| {
                        black_box(action);
                    });
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
                    plane.to_guests(batch, 0..batch.len(), NOW, &mut pacer, |_, _, action| {
                        black_box(action);
                    });
                })
            });
        });
        group.finish();
    }
}

/// What a processor waits for memory that is in no cache near it, as much as a million guests take: where it reads next,
/// what it reads says.
fn memory(criterion: &mut Criterion) {
    const WORDS: u64 = 256 << 20 >> 3;
    let mut dice = 1u64;
    let words: Vec<u64> = (0..WORDS)
        .map(|_| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            dice >> 32
        })
        .collect();
    let (mut at, mut step) = (0, 0u64);
    criterion.bench_function("one read of 256 MB that waits for the one before", |bench| {
        bench.iter(|| {
            step += 1; // so that it never goes round in a circle
            at = words[((at ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15)) % WORDS) as usize];
            at
        });
    });
}

/// The memory of a million guests: an index, and of each guest its slot and two directions of its meter.
struct Guests {
    cells: Vec<u32>,
    lines: Vec<[u64; 8]>,
}

impl Guests {
    const COUNT: u32 = 1_000_000;
    const LINES: usize = 3;

    /// Steps through the guests in an order in which no two neighbours are near each other.
    fn new() -> Self {
        let cells = 2 * Self::COUNT.next_power_of_two();
        let guest = |cell: u32| (u64::from(cell) * 0x9e37_79b9 % u64::from(Self::COUNT)) as u32;
        let lines = (0..Self::LINES as u64 * u64::from(Self::COUNT)).map(|n| [n; 8]);
        Self { cells: (0..cells).map(guest).collect(), lines: lines.collect() }
    }

    /// What a batch of decisions of one direction reads, and nothing else.
    fn read(&self, dice: &mut u32) -> u64 {
        let mut at = [0usize; BATCH];
        for at in &mut at {
            *dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *at = self.cells[(*dice >> 8) as usize % self.cells.len()] as usize * Self::LINES;
        }
        let slots = at.iter().fold(0, |sum: u64, at| sum.wrapping_add(self.lines[*at][0]));
        at.iter().fold(slots, |sum, at| sum.wrapping_add(self.lines[at + 1][0]))
    }
}

/// No decision about a packet of one of a million guests can take less.
fn floor(criterion: &mut Criterion) {
    let guests = Guests::new();
    let mut dice = 1;
    let mut group = criterion.benchmark_group("1000000 guests");
    group.throughput(Throughput::Elements(1));
    group.bench_function("the reads of a decision alone", |bench| {
        bench.iter_custom(|packets| {
            let start = Instant::now();
            for _ in 0..packets.div_ceil(BATCH as u64) {
                black_box(guests.read(&mut dice));
            }
            start.elapsed()
        });
    });
    group.finish();
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
        is_served: true,
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
    let plane = plane(1_000, true);
    let mut packet = Packet::new();
    write(&mut packet, address(0), Ipv4Addr::new(203, 0, 113, 9), mac(2_000));
    criterion.bench_function("classify and drop a stranger's packet", |bench| {
        bench.iter(|| matches!(black_box(plane.from_guest(&mut packet, NOW, &mut Pacer::new(0))), Action::Done));
    });
}

/// The segments of one visit before login, each of another guest: SYN, and the request with what its SYN-ACK said.
fn redirects(criterion: &mut Criterion) {
    const GUESTS: u32 = 100_000;
    const REQUEST: &[u8] =
        b"GET /generate_204 HTTP/1.1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\
        \r\nHost: connectivitycheck.gstatic.com\r\nConnection: Keep-Alive\r\nAccept-Encoding: gzip\r\n\r\n";
    let plane = plane(GUESTS, false);
    let web = Ipv4Addr::new(203, 0, 113, 80);
    let segment = |guest: u32, acknowledgment: u32, flags: u8, payload: &[u8]| {
        let sequence = if flags == SYN { 6 } else { 7 };
        let mut segment = vec![0xc0, 0, 0, 80, 0, 0, 0, sequence];
        segment.extend(acknowledgment.to_be_bytes());
        segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(payload);
        let sum = !fold(add(pseudo_v4(address(guest), web, 6, segment.len() as u16), &segment));
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        segment
    };
    let mut packet = Packet::new();
    let requests: Vec<Vec<u8>> = (0..GUESTS)
        .map(|guest| {
            write_segment(&mut packet, address(guest), web, mac(guest), &segment(guest, 0, SYN, b""));
            assert!(matches!(plane.from_guest(&mut packet, Duration::ZERO, &mut Pacer::new(0)), Action::Answer));
            let ours = u32::from_be_bytes(packet.l3()[24..28].try_into().expect("four octets"));
            segment(guest, ours.wrapping_add(1), ACK, REQUEST)
        })
        .collect();
    let syns: Vec<Vec<u8>> = (0..GUESTS).map(|guest| segment(guest, 0, SYN, b"")).collect();
    let mut batch: Vec<Packet> = (0..BATCH).map(|_| Packet::new()).collect();
    let (mut guest, now) = (0, Cell::new(NOW));
    let mut next = || {
        guest = (guest + 1) % GUESTS;
        guest
    };
    let mut pacer = Pacer::new(0);
    let mut group = criterion.benchmark_group(format!("{GUESTS} guests offline"));
    group.throughput(Throughput::Elements(1));
    for (name, segments) in [("SYN", syns), ("request", requests)] {
        group.bench_function(name, |bench| {
            bench.iter_custom(|packets| {
                let mut make = |packet: &mut Packet| {
                    now.set(now.get() + Duration::from_micros(1)); // each guest is answered ten times a second
                    let guest = next();
                    write_segment(packet, address(guest), web, mac(guest), &segments[guest as usize]);
                };
                timed(packets, &mut batch, &mut make, &mut |batch| {
                    for packet in batch {
                        assert!(matches!(plane.from_guest(packet, now.get(), &mut pacer), Action::Answer));
                    }
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, memory, floor, verdicts, lookups, decisions, redirects);
criterion_main!(benches);
