//! A guest with a limited rate: what it gets of it, and which of its packets wait for which.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::changes::Changes;
use engine::session::{Cause, Grant, Status};
use fastpath::police::Rate;
use testkit::dice::Dice;
use testkit::packet::udp;
use testkit::{Guest, Lab, Setup};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);
/// IP and UDP headers.
const HEADERS: usize = 28;
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
/// The longest that a bulk flow waits at rates from 6 Mbit/s on.
const LIMIT: Duration = Duration::from_millis(50);

fn lab_with(guests: usize, bits_per_second: u64) -> (Lab, Vec<Guest>) {
    let mut lab = Lab::new(Setup::default());
    let rate = Rate::bits_per_second(bits_per_second);
    let guests = (0..guests)
        .map(|n| {
            let guest = lab.guest(&format!("guest {n}"));
            guest.dhcp(&mut lab);
            lab.login(guest, Grant { rate_up: rate, rate_down: rate, ..Grant::default() });
            guest
        })
        .collect();
    (lab, guests)
}

/// Packets of one size that a guest sends at equal distances, numbered.
#[derive(Clone)]
struct Flow {
    guest: Guest,
    port: u16,
    size: usize,
    gap: Duration,
    sent: Vec<Duration>,
}

impl Flow {
    /// Which sends at `bits_per_second`, its headers included.
    fn new(guest: Guest, port: u16, size: usize, bits_per_second: u64) -> Self {
        let gap = Duration::from_nanos(size as u64 * 8_000_000_000 / bits_per_second);
        Self { guest, port, size, gap, sent: Vec::new() }
    }
}

/// A packet that left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Departure {
    at: Duration,
    source: SocketAddrV4,
    number: u32,
    octets: u64,
}

/// Lets the flows send for so long, and gives what left until then.
fn run(lab: &mut Lab, flows: &mut [Flow], time: Duration) -> Vec<Departure> {
    let start = lab.now().mono;
    let end = start + time;
    let mut departures = Vec::new();
    // Not all at once.
    let mut next: Vec<Duration> = (0..flows.len() as u32).map(|n| start + n * Duration::from_micros(7)).collect();
    loop {
        let (which, due) = next.iter().copied().enumerate().min_by_key(|(_, at)| *at).unwrap();
        let at = lab.next_departure().map_or(due, |departure| departure.min(due)).min(end);
        lab.advance(at.saturating_sub(lab.now().mono));
        if at == end {
            break;
        }
        if at == due {
            let flow = &mut flows[which];
            let mut payload = vec![0; flow.size - HEADERS];
            payload[..4].copy_from_slice(&(flow.sent.len() as u32).to_be_bytes());
            flow.sent.push(at);
            next[which] = due + flow.gap;
            let from = flow.guest.socket(lab, flow.port);
            flow.guest.sends(lab, &udp(from, HOST, &payload));
        }
        let at = lab.now().mono;
        departures.extend(lab.internet().iter().map(|seen| Departure {
            at,
            source: seen.from(),
            number: u32::from_be_bytes(*seen.payload().first_chunk().unwrap()),
            octets: u64::from(seen.ip.total_len),
        }));
    }
    departures
}

fn of(departures: &[Departure], port: u16) -> impl Iterator<Item = &Departure> {
    departures.iter().filter(move |departure| departure.source.port() == port)
}

/// Bits a second of those that left after the first part of the time.
fn rate<'a>(departures: impl Iterator<Item = &'a Departure>, from: Duration, time: Duration) -> u64 {
    let octets: u64 = departures.filter(|departure| departure.at >= from).map(|departure| departure.octets).sum();
    (u128::from(octets) * 8_000_000_000 / time.as_nanos()) as u64
}

/// How long the packets of a flow waited, and how many of them were lost.
fn waits(departures: &[Departure], flow: &Flow, until: Duration) -> (Vec<Duration>, usize) {
    let mut waits: Vec<Duration> =
        of(departures, flow.port).map(|departure| departure.at - flow.sent[departure.number as usize]).collect();
    waits.sort();
    let sent = flow.sent.iter().filter(|at| **at < until).count();
    let lost = sent.saturating_sub(waits.len());
    (waits, lost)
}

#[test]
fn a_greedy_guest_gets_its_rate_whatever_the_packet_size() {
    for bits in [1_000_000, 10_000_000, 100_000_000] {
        for size in [64, 590, 1500, 9000, 65_000] {
            let (mut lab, guests) = lab_with(1, bits);
            let mut flows = [Flow::new(guests[0], 40_000, size, 3 * bits)];
            let packet = Duration::from_nanos(size as u64 * 8_000_000_000 / bits);
            run(&mut lab, &mut flows, LIMIT.max(10 * packet));
            // As many packets as make one of them small against one percent.
            let (from, time) = (lab.now().mono, SECOND / 4 + 400 * packet);
            let got = rate(run(&mut lab, &mut flows, time).iter(), from, time);
            assert!(got.abs_diff(bits) <= bits / 100, "{bits} bit/s in packets of {size}: {got}");
        }
    }
}

#[test]
fn a_guest_below_its_rate_neither_waits_nor_loses() {
    let (mut lab, guests) = lab_with(1, 1_000_000);
    let mut flows = [Flow::new(guests[0], 40_000, 1500, 990_000)];
    let departures = run(&mut lab, &mut flows, 10 * SECOND);
    let (waits, lost) = waits(&departures, &flows[0], lab.now().mono);
    assert_eq!((waits.last(), lost), (Some(&Duration::ZERO), 0));
}

#[test]
fn small_packets_do_not_wait_behind_a_bulk_transfer_of_the_same_guest() {
    for bits in [1_000_000, 10_000_000, 100_000_000] {
        for size in [1500, 9000] {
            let (mut lab, guests) = lab_with(1, bits);
            // A call of 64 kbit/s, and a bulk transfer that keeps the line full.
            let call = Flow::new(guests[0], 5060, 160, 64_000);
            let mut flows = [Flow::new(guests[0], 40_000, size, 2 * bits), call];
            let departures = run(&mut lab, &mut flows, 10 * SECOND);
            let (waits, lost) = waits(&departures, &flows[1], lab.now().mono);
            assert_eq!(lost, 0, "{bits} bit/s, bulk packets of {size}");
            assert!(waits[waits.len() - 1] <= MILLISECOND, "{bits} bit/s, bulk packets of {size}: {waits:?}");
            let all = rate(departures.iter(), Duration::ZERO, 10 * SECOND);
            assert!(all <= bits * 103 / 100, "{all} of {bits} bit/s");
        }
    }
}

/// TCP as plain as can be: slow start, additive increase, half after a loss; the far end is 20 ms away.
struct Tcp {
    window: f64,
    threshold: f64,
    next: u32,
    /// A loss below this number belongs to one that has been reacted to.
    reacted_at: u32,
    under_way: BTreeSet<u32>,
    acknowledgments: VecDeque<(Duration, u32)>,
    lost: usize,
}

impl Tcp {
    /// Sends for so long; gives bits a second and the share of packets lost.
    fn run(lab: &mut Lab, guest: Guest, time: Duration) -> (u64, f64) {
        let (from, start) = (guest.socket(lab, 40_000), lab.now().mono);
        let mut tcp = Self {
            window: 10.0,
            threshold: f64::MAX,
            next: 0,
            reacted_at: 0,
            under_way: BTreeSet::new(),
            acknowledgments: VecDeque::new(),
            lost: 0,
        };
        let mut octets = 0;
        while lab.now().mono < start + time {
            while (tcp.under_way.len() as f64) < tcp.window {
                let mut payload = [0; 1500 - HEADERS];
                payload[..4].copy_from_slice(&tcp.next.to_be_bytes());
                guest.sends(lab, &udp(from, HOST, &payload));
                tcp.under_way.insert(tcp.next);
                tcp.next += 1;
            }
            for seen in lab.internet() {
                octets += u64::from(seen.ip.total_len);
                let number = u32::from_be_bytes(*seen.payload().first_chunk().unwrap());
                tcp.acknowledgments.push_back((lab.now().mono + 20 * MILLISECOND, number));
            }
            let acknowledged = tcp.acknowledgments.front().map(|(at, _)| *at);
            let due = acknowledged.into_iter().chain(lab.next_departure()).min().expect("something is under way");
            lab.advance(due.saturating_sub(lab.now().mono));
            while let Some((_, number)) = tcp.acknowledgments.pop_front_if(|(at, _)| *at <= lab.now().mono) {
                tcp.acknowledged(number);
            }
        }
        let bits = u128::from(octets) * 8_000_000_000 / (lab.now().mono - start).as_nanos();
        (bits as u64, tcp.lost as f64 / f64::from(tcp.next))
    }

    fn acknowledged(&mut self, number: u32) {
        self.under_way.remove(&number);
        self.window += if self.window < self.threshold { 1.0 } else { 1.0 / self.window };
        // Three that were sent later have arrived.
        while let Some(lost) = self.under_way.pop_first() {
            if lost + 3 > number {
                self.under_way.insert(lost);
                break;
            }
            self.lost += 1;
            if lost >= self.reacted_at {
                self.window /= 2.0;
                self.threshold = self.window;
                self.reacted_at = self.next;
            }
        }
    }
}

#[test]
fn one_tcp_stream_gets_the_rate_and_loses_next_to_nothing() {
    for bits in [1_000_000, 10_000_000, 100_000_000] {
        let (mut lab, guests) = lab_with(1, bits);
        let (got, lost) = Tcp::run(&mut lab, guests[0], 10 * SECOND);
        assert!((bits * 98 / 100..=bits * 101 / 100).contains(&got), "{got} of {bits} bit/s");
        assert!(lost < 0.01, "{lost} lost at {bits} bit/s");
    }
}

#[test]
fn a_flow_that_leaves_room_to_others_gets_all_it_sends_beside_one_that_does_not() {
    let (mut lab, guests) = lab_with(1, 10_000_000);
    let film = Flow::new(guests[0], 443, 1200, 4_000_000);
    let mut flows = [Flow::new(guests[0], 40_000, 1500, 30_000_000), film];
    run(&mut lab, &mut flows, SECOND);
    let from = lab.now().mono;
    let departures = run(&mut lab, &mut flows, 10 * SECOND);
    let got = [40_000, 443].map(|port| rate(of(&departures, port), from, 10 * SECOND));
    assert!(got[1] >= 3_900_000, "{got:?}");
    assert!(got[0] >= 5_800_000 && got[0] + got[1] <= 10_100_000, "{got:?}");
}

#[test]
fn greedy_flows_of_one_guest_share_its_rate() {
    for count in [2u16, 5, 20] {
        let (mut lab, guests) = lab_with(1, 10_000_000);
        let flow =
            |n: u16| Flow::new(guests[0], 40_000 + n, 600 + 50 * usize::from(n), 10_000_000 * (1 + u64::from(n) % 4));
        let mut flows: Vec<Flow> = (0..count).map(flow).collect();
        run(&mut lab, &mut flows, SECOND);
        let from = lab.now().mono;
        let departures = run(&mut lab, &mut flows, 5 * SECOND);
        let got: Vec<u64> = flows.iter().map(|flow| rate(of(&departures, flow.port), from, 5 * SECOND)).collect();
        let fair = 10_000_000 / u64::from(count);
        assert!(got.iter().all(|rate| rate.abs_diff(fair) <= fair / 10), "{count} flows: {got:?}");
    }
}

#[test]
fn many_small_flows_together_do_not_exceed_the_rate() {
    let (mut lab, guests) = lab_with(1, 10_000_000);
    let mut flows: Vec<Flow> = (0..500).map(|n| Flow::new(guests[0], 10_000 + n, 500, 100_000)).collect();
    let start = lab.now().mono;
    let departures = run(&mut lab, &mut flows, 5 * SECOND);
    // Never more than the rate and, once, four times the limit.
    let mut octets = 0;
    for departure in &departures {
        octets += departure.octets;
        let time = departure.at - start + 4 * LIMIT + MILLISECOND;
        assert!(u128::from(octets) * 8 <= 10_000_000 * time.as_nanos() / 1_000_000_000 + 8 * 1500, "{departure:?}");
    }
    assert!(octets * 8 >= 10_000_000 * 5 * 99 / 100, "{octets}");
}

#[test]
fn packets_of_one_flow_leave_in_the_order_in_which_they_came() {
    for seed in 1..=20 {
        let mut dice = Dice::new(seed);
        let bits = *dice.pick(&[300_000, 2_000_000, 20_000_000]);
        let (mut lab, guests) = lab_with(2, bits);
        let flow = |n: usize| {
            let load = bits / (1 + dice.below(20) as u64);
            Flow::new(guests[n % 2], 40_000 + n as u16, 64 + dice.below(1400), load)
        };
        let mut flows: Vec<Flow> = (0..2 + seed as usize).map(flow).collect();
        for _ in 0..20 {
            let departures = run(&mut lab, &mut flows, SECOND / 5);
            for flow in &mut flows {
                let numbers: Vec<u32> = of(&departures, flow.port).map(|departure| departure.number).collect();
                assert!(numbers.is_sorted(), "seed {seed}, {bits} bit/s: {numbers:?}");
                let bits = bits / (1 + dice.below(20) as u64);
                *flow =
                    Flow { sent: flow.sent.clone(), ..Flow::new(flow.guest, flow.port, 64 + dice.below(1400), bits) };
            }
        }
    }
}

#[test]
fn what_one_guest_sends_changes_nothing_for_another() {
    let observed = |flood: bool| {
        let (mut lab, guests) = lab_with(2, 1_000_000);
        let mut flows = vec![Flow::new(guests[0], 40_000, 1500, 800_000), Flow::new(guests[0], 53, 80, 500_000)];
        if flood {
            flows.extend((0..200).map(|n| Flow::new(guests[1], 10_000 + n, 100, 1_000_000)));
        }
        let end = lab.now().mono + SECOND;
        let mut departures = run(&mut lab, &mut flows, 2 * SECOND);
        // Those that left by then or never will.
        departures.retain(|departure| {
            let flow = flows[..2].iter().find(|flow| flow.port == departure.source.port());
            flow.is_some_and(|flow| flow.sent[departure.number as usize] < end)
        });
        departures.sort_by_key(|departure| (departure.source.port(), departure.number));
        departures
    };
    let (alone, beside) = (observed(false), observed(true));
    assert!(alone.len() > 700 && alone.len() == beside.len(), "{} and {}", alone.len(), beside.len());
    for (alone, beside) in alone.iter().zip(beside) {
        // Whoever wakes the thread lets others depart with it that were to do so within a millisecond.
        assert!(alone.at.abs_diff(beside.at) <= MILLISECOND, "{alone:?} and {beside:?}");
        assert_eq!(Departure { at: beside.at, ..*alone }, beside);
    }
}

#[test]
fn what_waits_for_a_guest_that_has_left_or_was_logged_out_goes_nowhere_and_is_not_paid_for() {
    for leaves in [false, true] {
        let (mut lab, guests) = lab_with(2, 1_000_000);
        let here = guests[0].socket(&lab, 40_000);
        for _ in 0..20 {
            guests[0].sends(&mut lab, &udp(here, HOST, &[0; 1222]));
            lab.answer(&udp(HOST, here, &[0; 1222]));
        }
        assert_eq!((lab.internet().len(), guests[0].receives(&mut lab).len()), (2, 2), "the others wait");
        if leaves {
            // And somebody else gets its address and its place, and is online.
            guests[1].release(&mut lab);
            guests[0].release(&mut lab);
            assert_eq!(guests[1].asks_again_for(&mut lab, *here.ip()), Some(testkit::Offer::Address(*here.ip())));
            lab.login(guests[1], Grant::default());
        } else {
            lab.end_session(guests[0], Cause::AdminReset);
        }
        guests.iter().for_each(|guest| drop(guest.frames(&mut lab)));
        lab.advance(SECOND);
        assert!(lab.internet().is_empty() && guests.iter().all(|guest| guest.receives(&mut lab).is_empty()));
        let records = lab.records();
        let stop =
            records.iter().find(|record| record.address == *here.ip() && matches!(record.status, Status::Stop(_)));
        let usage = stop.unwrap().usage;
        assert_eq!((usage.packets_up, usage.octets_up, usage.packets_down, usage.octets_down), (2, 2500, 2, 2500));
        assert_eq!((lab.counted_up("drop_not_logged_in"), lab.counted_down("drop_not_logged_in")), (18, 18));
        lab.assert_every_packet_was_counted_once();
    }
}

#[test]
fn a_flood_that_waits_leaves_room_for_the_packets_of_others() {
    let (mut lab, guests) = lab_with(2, 4_000_000_000);
    lab.end_session(guests[1], Cause::UserRequest);
    let slow = Rate::bits_per_second(1_000_000);
    lab.login(guests[1], Grant { rate_up: slow, ..Grant::default() });
    let here = guests[0].socket(&lab, 40_000);
    // More than all that may wait, at a rate that would let it.
    for size in [22, 1472] {
        for _ in 0..30_000 {
            guests[0].sends(&mut lab, &udp(here, HOST, &vec![0; size]));
        }
    }
    let there = guests[1].socket(&lab, 40_000);
    for _ in 0..20 {
        guests[1].sends(&mut lab, &udp(there, HOST, &[0; 1222]));
    }
    assert!(lab.counted_up("drop_rate_exceeded") > 0, "the flood was not too much");
    lab.advance(SECOND);
    assert_eq!(lab.internet().iter().filter(|seen| seen.ip.source == *there.ip()).count(), 20);
}

#[test]
fn a_new_rate_holds_from_the_next_packet_on_whatever_was_owed() {
    let (mut lab, guests) = lab_with(1, 64_000);
    let mut flows = [Flow::new(guests[0], 40_000, 1500, 20_000_000)];
    let changes = |[up, down]: [Rate; 2]| Changes { rate_up: Some(up), rate_down: Some(down), ..Changes::default() };
    run(&mut lab, &mut flows, SECOND);
    for bits in [10_000_000, 1_000_000, 4_000_000] {
        let rates = [bits, 2 * bits].map(Rate::bits_per_second);
        assert!(lab.change(guests[0], changes(rates)));
        let from = lab.now().mono;
        let got = rate(run(&mut lab, &mut flows, SECOND).iter(), from, SECOND);
        // What waited at the rate before departs as well.
        assert!((bits..=bits * 11 / 10 + 1_000_000).contains(&got), "{got} of {bits} bit/s");
        let grant = lab.view(guests[0]).unwrap().session.unwrap().grant;
        assert_eq!([grant.rate_up, grant.rate_down], rates);
    }
    lab.end_session(guests[0], Cause::UserRequest);
    assert!(!lab.change(guests[0], changes([Rate::UNLIMITED; 2])), "nobody is logged in");
}
