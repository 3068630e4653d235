//! Packets that wait for their time, of one packet thread.
//!
//! They are copied out of the batch's buffers, which have 64 kB each, into blocks of a pool of fixed size, and out of it
//! when they depart. The pool is shared by all guests of the thread: the fuller it is, the less of one guest
//! may wait, so that one cannot take the room of the others. What finds no room is dropped, as a policer would.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::net::Ipv4Addr;
use std::time::Duration;

use wire::GuestKey;
use wire::vnet::VnetHeader;

use crate::port::{HEADROOM, Packet};
use crate::session::SlotIndex;
use crate::shape::SLACK;

/// Octets of a block: a full packet takes six, a small one does not take much more than it has.
const BLOCK: usize = 256;
const NONE: u32 = u32::MAX;

/// A packet that was judged and is to be forwarded on a guest's account, later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// The guest.
    pub slot: SlotIndex,
    /// Its station when the packet was judged.
    pub key: GuestKey,
    /// Its address then.
    pub address: Ipv4Addr,
    /// Octets on the guest's wire.
    pub octets: u64,
    /// Packets there.
    pub packets: u32,
}

/// The queue, in the order of departure.
pub struct Pacer {
    queue: BinaryHeap<Reverse<Entry>>,
    pool: Pool,
    /// Of the next packet; keeps the order of packets that depart at one time.
    sequence: u64,
}

struct Entry {
    at: Duration,
    sequence: u64,
    waiting: Waiting,
    vnet: VnetHeader,
    len: usize,
    first: u32,
}

impl Pacer {
    /// An empty queue for at most so many octets; memory is taken as it is used.
    #[must_use]
    pub fn new(octets: usize) -> Self {
        Self { queue: BinaryHeap::new(), pool: Pool::new(octets / BLOCK), sequence: 0 }
    }

    /// How many octets of the packet's guest may wait before it: a quarter of what is free. That is so few that small
    /// packets, which take up to four times their size, cannot fill the pool either. None, if the packet itself
    /// does not fit.
    #[must_use]
    pub fn room_before(&self, packet: &Packet) -> u64 {
        let free = self.pool.free_blocks() * BLOCK;
        if packet.l3().len() > free { 0 } else { free as u64 / 4 }
    }

    /// Lets the packet wait until `at`; false if there is no room for it.
    #[must_use]
    pub fn offer(&mut self, packet: &Packet, waiting: Waiting, at: Duration) -> bool {
        let Some(first) = self.pool.put(packet.l3()) else { return false };
        let (sequence, vnet, len) = (self.sequence, packet.vnet, packet.l3().len());
        self.sequence += 1;
        self.queue.push(Reverse(Entry { at, sequence, waiting, vnet, len, first }));
        true
    }

    /// Takes the next packet whose time has come into `packet`.
    pub fn poll(&mut self, now: Duration, packet: &mut Packet) -> Option<Waiting> {
        self.queue.peek().filter(|Reverse(entry)| entry.at <= now + SLACK)?;
        let Reverse(entry) = self.queue.pop()?;
        self.pool.take(entry.first, &mut packet.memory_mut()[HEADROOM..HEADROOM + entry.len]);
        packet.set_l3_len(entry.len);
        packet.vnet = entry.vnet;
        Some(entry.waiting)
    }

    /// How many packets wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// When [`Pacer::poll`] is wanted.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.queue.peek().map(|Reverse(entry)| entry.at)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

/// Blocks, each with the number of the one that follows it in its packet or in the list of free ones.
struct Pool {
    octets: Box<[u8]>,
    next: Box<[u32]>,
    free: u32,
    free_count: usize,
    /// Blocks from here on have never been used.
    fresh: usize,
}

impl Pool {
    fn new(blocks: usize) -> Self {
        Self {
            octets: vec![0; blocks * BLOCK].into_boxed_slice(),
            next: vec![0; blocks].into_boxed_slice(),
            free: NONE,
            free_count: 0,
            fresh: 0,
        }
    }

    fn free_blocks(&self) -> usize {
        self.free_count + self.next.len() - self.fresh
    }

    fn put(&mut self, bytes: &[u8]) -> Option<u32> {
        if bytes.len().div_ceil(BLOCK) > self.free_blocks() {
            return None;
        }
        let mut first = NONE;
        for piece in bytes.chunks(BLOCK).rev() {
            let block = self.allocate();
            self.octets[block as usize * BLOCK..][..piece.len()].copy_from_slice(piece);
            self.next[block as usize] = first;
            first = block;
        }
        Some(first)
    }

    fn take(&mut self, first: u32, into: &mut [u8]) {
        let mut block = first;
        for piece in into.chunks_mut(BLOCK) {
            piece.copy_from_slice(&self.octets[block as usize * BLOCK..][..piece.len()]);
            let next = std::mem::replace(&mut self.next[block as usize], self.free);
            self.free = block;
            self.free_count += 1;
            block = next;
        }
    }

    /// There must be a free one.
    fn allocate(&mut self) -> u32 {
        if self.free == NONE {
            self.fresh += 1;
            return self.fresh as u32 - 1;
        }
        self.free_count -= 1;
        let block = self.free;
        self.free = self.next[block as usize];
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting() -> Waiting {
        let key = GuestKey { lan: 0, vlan: wire::Vlan::NONE, mac: wire::MacAddr::ZERO };
        Waiting { slot: SlotIndex(0), key, address: Ipv4Addr::UNSPECIFIED, octets: 0, packets: 1 }
    }

    fn fill(packet: &mut Packet, len: usize) {
        packet.memory_mut()[HEADROOM..HEADROOM + len]
            .iter_mut()
            .zip((len as u8..=255).cycle())
            .for_each(|(o, n)| *o = n);
        packet.set_l3_len(len);
    }

    #[test]
    fn packets_of_any_size_come_out_whole_when_their_time_has_come_and_leave_their_room_to_others() {
        let mut pacer = Pacer::new(200_000);
        let (mut packet, mut expected) = (Packet::new(), Packet::new());
        let sizes = [65_535, 1, 255, 256, 257, 40, 1500, 9000];
        for round in 0..100 {
            let start = Duration::from_secs(round);
            for (n, size) in sizes.iter().enumerate() {
                fill(&mut packet, *size);
                packet.vnet.gso_size = *size as u16;
                // Every other one departs before all that came earlier.
                let at = if n % 2 == 0 { 100 + n } else { 100 - n } as u64;
                assert!(pacer.offer(&packet, waiting(), start + Duration::from_millis(10 * at)), "{round}, {size}");
            }
            let mut out = Vec::new();
            while let Some(due) = pacer.poll_timeout() {
                assert!(pacer.poll(due.saturating_sub(2 * SLACK), &mut packet).is_none());
                assert_eq!(pacer.poll(due, &mut packet), Some(waiting()));
                fill(&mut expected, packet.l3().len());
                assert!(packet.l3() == expected.l3() && packet.vnet.gso_size as usize == packet.l3().len());
                out.push(packet.l3().len());
            }
            assert_eq!(out, [9000, 40, 256, 1, 65_535, 255, 257, 1500]);
        }
    }

    #[test]
    fn what_departs_at_one_time_departs_in_the_order_in_which_it_came() {
        let mut pacer = Pacer::new(200_000);
        let mut packet = Packet::new();
        for len in 1..100 {
            fill(&mut packet, len);
            assert!(pacer.offer(&packet, waiting(), Duration::from_secs(1)));
        }
        for len in 1..100 {
            pacer.poll(Duration::from_secs(1), &mut packet);
            assert_eq!(packet.l3().len(), len);
        }
        assert_eq!(pacer.waiting(), 0);
    }

    #[test]
    fn a_full_pool_takes_nothing_and_loses_nothing() {
        let mut pacer = Pacer::new(10 * BLOCK);
        let mut packet = Packet::new();
        fill(&mut packet, 3 * BLOCK);
        let taken = (0..5).filter(|_| pacer.offer(&packet, waiting(), Duration::ZERO)).count();
        assert_eq!((taken, pacer.room_before(&packet)), (3, 0));
        packet.set_l3_len(1);
        assert!(pacer.room_before(&packet) > 0 && pacer.offer(&packet, waiting(), Duration::ZERO));
        assert!(!pacer.offer(&packet, waiting(), Duration::ZERO));
        while pacer.poll(Duration::ZERO, &mut packet).is_some() {}
        assert_eq!(pacer.room_before(&packet) as usize, 10 * BLOCK / 4);
    }
}
