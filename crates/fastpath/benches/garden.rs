//! What a large walled garden costs the packets of guests who are not logged in: `cargo bench -p poblano-fastpath --bench garden`
//!
//! A garden of 10 entries and one of 10,000 with 100,000 addresses by DNS take turns within one run, some milliseconds
//! each, so that what the machine does beside weighs on both alike. Each line has both medians, in nanoseconds for a
//! decision, and the median of the ratios of neighbouring turns, with the middle half of them. The same small garden
//! against itself shows what is noise.
//!
//! * **flows**: a guest before login has up to four connections open, each to an address of the garden, whichever; of 16
//!   packets one goes elsewhere and is refused. That is what phones do while they are at the portal.
//! * **at random**: each packet to another address, half of them open, any of all entries, half not. Nobody's traffic is
//!   like that; it is the worst that there can be, for nothing is ever near.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement reads the clock and talks")]

mod common;

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastpath::garden::{Entry, FOREVER, Garden, Who};
use fastpath::pacer::Pacer;
use fastpath::pipeline::Plane;
use fastpath::port::Packet;
use fastpath::pump::BATCH;

use crate::common::{NOW, address, mac, plane, write};

const GUESTS: u32 = 1_000;
const SMALL: u32 = 10;
const LARGE: u32 = 110_000;
const TURNS: usize = 301;
/// Batches of a turn.
const BATCHES: usize = 100;

fn main() {
    let table = plane(GUESTS, false);
    let with =
        |entries| Plane { garden: Arc::new(garden(entries)), table: Arc::clone(&table.table), ..plane(1, false) };
    let (small, again, large) = (with(SMALL), with(SMALL), with(LARGE));
    for (name, destination) in [("flows", flows as Destination), ("at random", at_random)] {
        for (beside, plane, entries) in [("itself", &again, SMALL), ("110,000", &large, LARGE)] {
            let mut sides = [Side::new(&small, SMALL, destination), Side::new(plane, entries, destination)];
            let mut ratios = Vec::new();
            for turn in 0..TURNS {
                // Who is first has the caches of the other, so they take turns in that too.
                let first = turn % 2;
                sides[first].turn();
                sides[1 - first].turn();
                ratios.push(sides[1].last() / sides[0].last());
            }
            let [of_small, of_other] = sides.map(|side| quartiles(side.nanos)[1]);
            let [low, median, high] = quartiles(ratios);
            println!(
                "{name}: {SMALL} entries {of_small:.0} ns, {beside} {of_other:.0}: {median:.3} ({low:.3}-{high:.3})"
            );
        }
    }
}

/// Where packet `dice` of `guest` goes, with so many entries.
type Destination = fn(guest: u32, dice: u32, entries: u32) -> Ipv4Addr;

fn flows(guest: u32, dice: u32, entries: u32) -> Ipv4Addr {
    if dice.is_multiple_of(16) {
        return elsewhere(guest);
    }
    known((guest * 4 + dice / 16 % 4).wrapping_mul(2_654_435_761) % entries)
}

fn at_random(_: u32, dice: u32, entries: u32) -> Ipv4Addr {
    if dice.is_multiple_of(2) { elsewhere(dice / 2) } else { known(dice / 2 % entries) }
}

fn elsewhere(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x4000_0000 + n % 0x0100_0000)
}

fn known(n: u32) -> Ipv4Addr {
    entry(n).network.parts().0
}

/// Entry `n` of a garden: of four one is all of an address, and the others have a protocol, a port, or both.
fn entry(n: u32) -> Entry {
    Entry {
        protocol: (n & 1 != 0).then_some(6),
        port: (n & 2 != 0).then_some(443),
        ..Entry::host(Ipv4Addr::from_bits(0x2000_0000 + n.wrapping_mul(2_654_435_761) % 0x1000_0000))
    }
}

fn garden(entries: u32) -> Garden {
    let garden = Garden::new(entries as usize, 7);
    for n in 0..entries {
        garden.open(Who::Everybody, &entry(n), FOREVER).expect("there is room");
    }
    garden
}

struct Side<'a> {
    plane: &'a Plane,
    entries: u32,
    destination: Destination,
    batch: Vec<Packet>,
    pacer: Pacer,
    dice: u32,
    /// Of a decision, in each turn.
    nanos: Vec<f64>,
}

impl<'a> Side<'a> {
    fn new(plane: &'a Plane, entries: u32, destination: Destination) -> Self {
        let batch = (0..BATCH).map(|_| Packet::new()).collect();
        Self { plane, entries, destination, batch, pacer: Pacer::new(1 << 20), dice: 1, nanos: Vec::new() }
    }

    fn turn(&mut self) {
        let mut time = Duration::ZERO;
        for _ in 0..BATCHES {
            for packet in &mut self.batch {
                self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (guest, dice) = ((self.dice >> 4) % GUESTS, self.dice >> 8);
                write(packet, address(guest), (self.destination)(guest, dice, self.entries), mac(guest));
            }
            let start = Instant::now();
            self.plane.from_guests(&mut self.batch, 0..BATCH, NOW, &mut self.pacer, |_, _, action| {
                black_box(action);
            });
            time += start.elapsed();
        }
        self.nanos.push(time.as_nanos() as f64 / (BATCHES * BATCH) as f64);
    }

    fn last(&self) -> f64 {
        self.nanos.last().copied().unwrap_or(f64::NAN)
    }
}

/// The middle and the ends of the middle half.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}
