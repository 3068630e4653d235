//! Shaping: when a packet of a guest with a limited rate departs.
//!
//! * **The line.** Each direction of a guest is a line of its rate. What is admitted occupies the line for its octets'
//!   time, one packet after the other, and a packet departs when the line has sent those before it. Nothing is saved
//!   up: who was silent has a free line, not a burst.
//! * **Waiting.** What departs within [`SLACK`] departs now. All else waits, in the thread that decided so
//!   (`pacer`), until its time has come.
//! * **Flows.** Small packets do not wait behind a bulk transfer of the same guest. This is start-time fair queueing
//!   (Goyal, Vin, Cheng 1996) without queues: a flow is a line too, inside the guest's, of the share that bulk flows
//!   get at the moment. A packet departs when its flow's line is free, or the guest's if that is sooner. Who uses less
//!   than its share finds its flow's line free and departs at once; it occupies the guest's line all the same, so the
//!   bulk flows pay by departing later. Who uses more finds its flow's line busy for longer than the guest's,
//!   and waits for all that was admitted before.
//! * **The share** is not set but found: it falls with each packet that went ahead and rises with each that waited for
//!   all others, by as much as the packet is of the backlog. With one bulk flow beside small ones it comes to what
//!   they leave of the rate; with n greedy flows to 1/n, because a larger one would let them all go ahead, and
//!   a smaller one none.
//! * **Drops.** What counts is the backlog that a packet meets and its own wait together, so a packet that waits for all
//!   others is above the limit when the backlog is, and one that departs at once when the backlog is twice that: a bulk
//!   flow cannot push out a small one, and many small ones together are bounded too. Above the limit *one* packet is
//!   dropped, and then none until its sender has had the time to react: TCP loses one packet and not all by which
//!   it overshot. Above twice the limit, which only who does not react comes to, everything is dropped.
//! * The backlog *before* the packet counts: a super-packet of 64 kB passes at any rate.
//! * Order within a flow is kept, because neither line ever becomes free earlier.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portable_atomic::AtomicU64;
use wire::frame::{Ipv4, Transport};

use crate::meter::{Adders, Way};
use crate::police::Rate;
use crate::session::SlotIndex;
use crate::table::mix;

/// What departs so soon departs now: a timer for each packet would cost more than it gives. Bursts of this length are
/// shorter than what any Wi-Fi collects.
pub const SLACK: Duration = Duration::from_millis(1);
/// The longest wait of a bulk flow: what TCP needs to fill the line at the round-trip times of the Internet...
const LIMIT_NANOS: u64 = 50_000_000;
/// ...but never less than 32 full packets: with fewer, TCP meets the limit so often that more than 1 % is lost.
const LIMIT_OCTETS: u64 = 32 * 1500;

/// What a sender needs to react, beside the time that its packets wait.
const REACTION_NANOS: u64 = 100_000_000;

/// A share of a line, as a fraction of this.
const WHOLE: u64 = 1 << 20;
/// With more greedy flows than this, a guest's flows are no longer told apart: they depart at once or not at all.
const LEAST: u64 = WHOLE / 256;
/// Longer times (over an hour) are this long where shares are computed.
const MAX_NANOS: u64 = 1 << 42;

/// Flows of all guests that can be told apart at one time; more share a line, which costs small flows their privilege
/// and nobody else anything. 512 kB, taken when the first packet has to wait.
const FLOWS: usize = 1 << 16;

/// The flows' lines, found by a hash. A cell says when its line is free, and is free for others from then on.
pub struct Flows {
    cells: OnceLock<Box<[AtomicU64]>>,
    seed: u64,
}

impl Flows {
    /// All free; `seed` keeps guests from choosing with whom they share.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { cells: OnceLock::new(), seed }
    }

    /// The line of the packet's flow among those of the guest in `slot`. Directions need no bit: addresses differ.
    pub(crate) fn line(&self, slot: SlotIndex, ip: &Ipv4) -> &AtomicU64 {
        let ports = match ip.transport {
            Transport::Tcp { source, destination, .. } | Transport::Udp { source, destination } => {
                u64::from(source) << 16 | u64::from(destination)
            }
            // Fragments of one host to another are one flow, whatever is in them.
            _ => 0,
        };
        let addresses = u64::from(ip.source.to_bits()) << 32 | u64::from(ip.destination.to_bits());
        let rest = ports << 32 | u64::from(slot.0) << 8 | u64::from(ip.protocol);
        let hash = mix(mix(addresses, self.seed) ^ rest, self.seed);
        &self.cells.get_or_init(|| (0..FLOWS).map(|_| AtomicU64::new(0)).collect())[hash as usize % FLOWS]
    }
}

/// Admits a packet to a line: says when it departs, or `None` if there is no room for it, and then nothing has changed.
/// `room` is how many octets of this guest may wait; `flow` finds the line of the packet's flow.
pub(crate) fn admit<'a>(
    (way, adders): (&Way, Adders),
    rate: Rate,
    octets: u64,
    now: Duration,
    room: u64,
    flow: impl FnOnce() -> &'a AtomicU64,
) -> Option<Duration> {
    const SLACK_NANOS: u64 = SLACK.as_nanos() as u64;
    let now = now.as_nanos() as u64;
    let cost = rate.nanos(octets);
    if way.free_at_nanos.load(Ordering::Relaxed) <= now + SLACK_NANOS {
        // Nobody waits, so whose packet it is makes no difference, and the next backlog has its own share.
        if way.share.load(Ordering::Relaxed) != 0 {
            way.share.store(0, Ordering::Relaxed);
        }
        let occupy = |free_at: u64| Some(free_at.max(now) + cost);
        let _ = adders.update(&way.free_at_nanos, occupy); // never refuses
        return Some(Duration::from_nanos(now));
    }
    let flow = flow();
    let limit = 2 * LIMIT_NANOS.max(rate.nanos(LIMIT_OCTETS));
    let longest_wait = rate.nanos(room).max(SLACK_NANOS);
    let flow_free_at = flow.load(Ordering::Relaxed);
    let place = |free_at: u64| {
        let wait = flow_free_at.min(free_at).saturating_sub(now);
        (free_at.saturating_sub(now), wait)
    };
    let (backlog, wait) = place(way.free_at_nanos.load(Ordering::Relaxed));
    if is_to_learn(way, (backlog + wait).saturating_sub(limit), limit, now) {
        return None;
    }
    // The kernel may carry packets of the guest too: whoever loses the race looks again, so no octet is lost.
    let admit = |free_at: u64| {
        let (backlog, wait) = place(free_at);
        (backlog + wait <= 2 * limit && wait <= longest_wait).then(|| free_at.max(now) + cost)
    };
    let free_at = adders.update(&way.free_at_nanos, admit).ok()?;
    let (backlog, wait) = place(free_at);
    let share = share(way.share.load(Ordering::Relaxed), backlog, wait, cost);
    way.share.store(share, Ordering::Relaxed);
    let departs_at = now + wait;
    flow.store(departs_at + cost.min(MAX_NANOS) * WHOLE / share, Ordering::Relaxed);
    Some(Duration::from_nanos(departs_at))
}

/// True if the packet is dropped for its sender to learn that it is above the limit by `excess`.
///
/// One is enough until the sender has had the time to react; the nearer twice the limit is, the shorter that time.
fn is_to_learn(way: &Way, excess: u64, limit: u64, now: u64) -> bool {
    if excess == 0 || excess > limit {
        return false;
    }
    let patience = (limit + REACTION_NANOS) / 256 * (256 - excess * 256 / limit);
    let learns = now.saturating_sub(way.dropped_at_nanos.load(Ordering::Relaxed)) >= patience;
    if learns {
        way.dropped_at_nanos.store(now, Ordering::Relaxed);
    }
    learns
}

/// The share of bulk flows after a packet of `cost` that waits so long of `backlog`.
///
/// Virtual time passes by `share * backlog` until the line is free. The packet's flow is `share * wait` ahead of now, and
/// `cost` further with this packet; if it then is the one that is ahead most, virtual time has further to go.
fn share(share: u64, backlog: u64, wait: u64, cost: u64) -> u64 {
    let [backlog, wait, cost] = [backlog, wait, cost].map(|nanos| nanos.min(MAX_NANOS));
    let share = if share == 0 { WHOLE } else { share };
    let ahead = (share * backlog).max(share * wait + WHOLE * cost);
    (ahead / (backlog + cost).max(1)).clamp(LEAST, WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_carry_packets_of_one_guest_do_not_lose_a_single_octet() {
        let way = Way::default();
        let cells: Vec<AtomicU64> = (0..4).map(|_| AtomicU64::new(0)).collect();
        let rate = Rate::bits_per_second(8_000_000_000); // a nanosecond for an octet
        let now = Duration::from_secs(1);
        let admitted: u64 = std::thread::scope(|scope| {
            let carry = |cell| {
                let way = &way;
                move || {
                    (0..50_000)
                        .filter(|_| admit((way, Adders::KernelToo), rate, 700, now, u64::MAX, || cell).is_some())
                        .count() as u64
                }
            };
            let threads: Vec<_> = cells.iter().map(|cell| scope.spawn(carry(cell))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(admitted > 70_000, "{admitted}");
        assert_eq!(way.free_at_nanos.load(Ordering::Relaxed), now.as_nanos() as u64 + 700 * admitted);
    }

    #[test]
    fn no_value_that_a_rate_or_a_packet_can_have_is_too_much() {
        let (way, cell) = (Way::default(), AtomicU64::new(0));
        for bits in [1, 8, 8_000, u64::MAX] {
            let rate = Rate::bits_per_second(bits);
            for (octets, now) in [(0, Duration::ZERO), (65_536 * 2, Duration::from_secs(1 << 33)), (1, Duration::ZERO)]
            {
                let departs_at = admit((&way, Adders::OneThread), rate, octets, now, u64::MAX, || &cell);
                assert!(departs_at.is_none_or(|at| at >= now));
            }
        }
    }
}
