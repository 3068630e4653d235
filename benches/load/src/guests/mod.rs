//! Guests by the thousand, as one state machine that opens nothing and reads no clock: frames and the time go in,
//! frames come out.
//!
//! A guest at rest is its address, a port and what it is doing: 12 octets, and its place in the table of addresses. While
//! it does something, it has one of the places for exchanges, of which there are as many as may be under way at once.
//! Frames find their guest by the number in its MAC.

mod dhcp;
mod exchanges;
mod form;
mod http;
mod tally;
mod tcp;
pub(crate) mod traffic;
mod visit;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::time::Duration;

use platform::raw::Outbox;
use wire::MacAddr;
use wire::arp::{Arp, Operation};
use wire::build::{self, Checksum, ETHERNET_LEN, ETHERTYPE_ARP, ETHERTYPE_IPV4, UdpDatagram};

use self::dhcp::Templates;
use self::exchanges::Exchange;
pub(crate) use self::http::Url;
pub(crate) use self::tally::Tally;
use self::tcp::Segment;
use self::traffic::{GUEST_PORT, Stamp};
pub(crate) use self::visit::{Account, Goal};
use crate::histogram::Histogram;

/// Guests that their MAC has numbers for, less one who stands for all.
pub(crate) const MAX_GUESTS: u32 = (1 << 24) - 1;
/// The first half of every guest's MAC: locally administered, "PL".
const MAC_PREFIX: [u8; 3] = [0x02, 0x50, 0x4c];
/// Between two looks at who waits for too long.
const LOOK: Duration = Duration::from_millis(20);
/// Local ports of a guest, which it takes in turn (RFC 6056, 3.2).
const PORTS: Range<u16> = 32_768..61_000;
/// Between two questions for the router's station, and how many there are.
const ROUTER_PATIENCE: Duration = Duration::from_secs(1);
const ROUTER_TRIES: u32 = 5;
/// No exchange.
const AT_REST: u32 = u32::MAX;

/// What guests do in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// Get a lease.
    Lease,
    /// Something with http.
    Visit(Goal),
}

/// What all guests have in common.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    /// The address that guests probe.
    pub(crate) probe: Url,
    /// Where the portal is, if not where probes are led to.
    pub(crate) portal: Option<Url>,
    /// The account that they log in with.
    pub(crate) account: Account,
    /// For all dice.
    pub(crate) seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Guest {
    address: Ipv4Addr,
    /// The place of its exchange, or [`AT_REST`].
    exchange: u32,
    port: u16,
    online: bool,
}

/// A phase: who does what.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) job: Job,
    pub(crate) guests: Range<u32>,
    /// How often each of them does it.
    pub(crate) times: u32,
    /// How many do it at once.
    pub(crate) at_once: usize,
    /// So many begin each second; without it, as many as come to an end. Who is not through when its turn comes fails.
    pub(crate) per_second: Option<f64>,
}

impl Work {
    /// Exchanges in all.
    pub(crate) fn exchanges(&self) -> u64 {
        self.guests.len() as u64 * u64::from(self.times)
    }
}

/// How far it is.
#[derive(Clone, Debug)]
struct Task {
    work: Work,
    next: u64,
    under_way: usize,
    began: Option<Duration>,
    tally: Tally,
}

impl Task {
    /// True if another exchange is to begin now.
    fn is_due(&self, now: Duration) -> bool {
        let began = self.began.unwrap_or(now);
        let by_pace = |rate| (now.saturating_sub(began).as_secs_f64() * rate) as u64 >= self.next;
        self.next < self.work.exchanges()
            && self.under_way < self.work.at_once
            && self.work.per_second.is_none_or(by_pace)
    }
}

/// Where probes are led to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Portal {
    Unknown,
    /// The same address for everybody so far.
    Common(Url),
    /// An address for each guest.
    Own,
}

/// The station of the guests' router.
#[derive(Clone, Debug)]
struct Router {
    address: Ipv4Addr,
    mac: Option<MacAddr>,
    asked: u32,
    due: Duration,
}

impl Router {
    fn new(address: Ipv4Addr) -> Self {
        Self { address, mac: None, asked: 0, due: Duration::ZERO }
    }
}

/// Echoes that were asked for and came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Echoes {
    pub(crate) sent: u64,
    pub(crate) back: u64,
    pub(crate) latency: Histogram,
}

/// All guests.
pub(crate) struct Fleet {
    guests: Vec<Guest>,
    addresses: HashMap<Ipv4Addr, u32>,
    router: Option<Router>,
    exchanges: Vec<Exchange>,
    free: Vec<u32>,
    looked: Duration,
    /// What is done at the same time; the first is what the phase is about.
    tasks: Vec<Task>,
    habits: Habits,
    portal: Portal,
    portal_root: Option<Url>,
    templates: Templates,
    echoes: Echoes,
    dice: u64,
}

impl Fleet {
    /// So many guests, at most [`MAX_GUESTS`], none of which has done anything yet.
    pub(crate) fn new(count: u32, habits: Habits) -> Self {
        let guest = Guest { address: Ipv4Addr::UNSPECIFIED, exchange: AT_REST, port: PORTS.start, online: false };
        Self {
            guests: vec![guest; count.min(MAX_GUESTS) as usize],
            addresses: HashMap::with_capacity(count as usize),
            router: None,
            exchanges: Vec::new(),
            free: Vec::new(),
            looked: Duration::ZERO,
            tasks: Vec::new(),
            portal: habits.portal.clone().map_or(Portal::Unknown, Portal::Common),
            portal_root: habits.portal.clone(),
            templates: Templates::new(),
            echoes: Echoes::default(),
            dice: habits.seed,
            habits,
        }
    }

    /// Gives all guests addresses without asking anybody: from `first` on.
    ///
    /// A router whose `station` is known is not asked for it.
    pub(crate) fn settle(&mut self, first: Ipv4Addr, router: Ipv4Addr, station: Option<MacAddr>) {
        for n in 0..self.guests.len() as u32 {
            self.move_in(n, Ipv4Addr::from(u32::from(first).wrapping_add(n)));
        }
        self.router = Some(Router { mac: station, ..Router::new(router) });
    }

    /// Begins a phase. [`Fleet::poll`] starts the exchanges.
    pub(crate) fn begin(&mut self, works: &[Work]) {
        let task =
            |work: &Work| Task { work: work.clone(), next: 0, under_way: 0, began: None, tally: Tally::default() };
        self.tasks = works.iter().map(task).collect();
    }

    /// Ends the phase; what is still under way has failed. Returns what has become of each work.
    pub(crate) fn finish(&mut self) -> Vec<Tally> {
        self.abandon();
        std::mem::take(&mut self.tasks).into_iter().map(|task| task.tally).collect()
    }

    /// True when the phase has nothing left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.free.len() == self.exchanges.len() && self.tasks.iter().all(|task| task.next == task.work.exchanges())
    }

    /// Exchanges of the phase that have come to their end, and those that have not, so far.
    pub(crate) fn score(&self) -> (u64, u64) {
        self.tasks.iter().fold((0, 0), |(done, failed), task| (done + task.tally.done, failed + task.tally.failures()))
    }

    /// Guests that have an address.
    pub(crate) fn leased(&self) -> usize {
        self.guests.iter().filter(|guest| !guest.address.is_unspecified()).count()
    }

    /// Guests that have logged in and not out.
    pub(crate) fn online(&self) -> usize {
        self.guests.iter().filter(|guest| guest.online).count()
    }

    /// Does what is due: starts exchanges, says again what was lost.
    pub(crate) fn poll(&mut self, now: Duration, outbox: &mut Outbox) {
        let leasing = self.tasks.iter().all(|task| task.work.job == Job::Lease);
        if !leasing && self.router.is_some() && !self.knows_router() {
            if !self.look_for_router(now, outbox) {
                for task in &mut self.tasks {
                    task.next = task.work.exchanges();
                    task.tally.fail("the router does not answer ARP".to_owned());
                }
            }
            return;
        }
        if now >= self.looked + LOOK {
            self.looked = now;
            self.say_again(now, outbox);
        }
        self.start(now, outbox);
    }

    /// A frame has come from the wire.
    pub(crate) fn handle_frame(&mut self, frame: &[u8], now: Duration, outbox: &mut Outbox) {
        let Some((eth, packet)) = frame.split_first_chunk::<ETHERNET_LEN>() else { return };
        let (dst, src) = (&eth[..6], MacAddr([eth[6], eth[7], eth[8], eth[9], eth[10], eth[11]]));
        match u16::from_be_bytes([eth[12], eth[13]]) {
            ETHERTYPE_ARP => self.handle_arp(packet, outbox),
            ETHERTYPE_IPV4 if dst[0] & 1 != 0 => self.handle_datagram(None, frame, now, outbox),
            ETHERTYPE_IPV4 => {
                let Some(guest) = self.guest_of(dst) else { return };
                match packet.get(9) {
                    Some(6) => {
                        if let Some(segment) = Segment::parse(packet) {
                            self.handle_segment(guest, &segment, src, now, outbox);
                        }
                    }
                    Some(17) => self.handle_datagram(Some(guest), frame, now, outbox),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Appends the frame of a packet of a guest with this payload. False if the guest has no address.
    pub(crate) fn packet(&mut self, n: u32, to: SocketAddrV4, payload: &[u8], outbox: &mut Outbox) -> bool {
        let Some(guest) = self.guests.get(n as usize).filter(|guest| !guest.address.is_unspecified()) else {
            return false;
        };
        let Some(router) = self.router_mac() else { return false };
        let from = SocketAddrV4::new(guest.address, GUEST_PORT);
        outbox.push(|frame| traffic::emit(frame, (mac_of(n), router), from, to, payload));
        true
    }

    /// The same with a stamp, to an echo server.
    pub(crate) fn ask_for_echo(&mut self, guest: u32, to: SocketAddrV4, now: Duration, outbox: &mut Outbox) {
        let stamp = Stamp { guest, sent: now }.emit();
        self.echoes.sent += u64::from(self.packet(guest, to, &stamp, outbox));
    }

    /// The echoes since the last call.
    pub(crate) fn echoes(&mut self) -> Echoes {
        std::mem::take(&mut self.echoes)
    }

    /// How many echoes have come back since then.
    pub(crate) fn echoes_back(&self) -> u64 {
        self.echoes.back
    }

    fn handle_datagram(&mut self, guest: Option<u32>, frame: &[u8], now: Duration, outbox: &mut Outbox) {
        let Ok(datagram) = UdpDatagram::parse(frame, Checksum::Trust) else { return };
        if datagram.dport == wire::dhcp::CLIENT_PORT {
            self.handle_dhcp(datagram.payload, now, outbox);
        } else if let Some(stamp) = Stamp::parse(datagram.payload)
            && guest == Some(stamp.guest)
        {
            self.echoes.back += 1;
            self.echoes.latency.add(now.saturating_sub(stamp.sent));
        }
    }

    /// The guest that a frame is for.
    fn guest_of(&self, dst: &[u8]) -> Option<u32> {
        number_of(dst).filter(|number| (*number as usize) < self.guests.len())
    }

    fn handle_arp(&mut self, packet: &[u8], outbox: &mut Outbox) {
        let Ok(message) = Arp::parse(packet) else { return };
        match message.operation {
            Operation::Request => {
                let guest = self.addresses.get(&message.target).map(|n| mac_of(*n));
                // Who only probes whether an address is free is answered too (RFC 5227, 2.4).
                if let Some(mac) = guest.filter(|mac| *mac != message.sender_mac) {
                    let frame = build::arp(message.sender_mac, mac, &message.answer(mac));
                    outbox.push(|octets| octets.extend_from_slice(&frame));
                }
            }
            Operation::Reply => {
                if let Some(router) = self.router.as_mut().filter(|router| router.address == message.sender) {
                    router.mac.get_or_insert(message.sender_mac);
                }
            }
            Operation::Unknown(_) => {}
        }
    }

    /// True once packets can be sent.
    pub(crate) fn knows_router(&self) -> bool {
        self.router_mac().is_some()
    }

    /// Has a guest ask for the router's station, if it is time to. False if that was in vain too often.
    pub(crate) fn look_for_router(&mut self, now: Duration, outbox: &mut Outbox) -> bool {
        let Some(router) = self.router.as_mut().filter(|router| router.mac.is_none() && now >= router.due) else {
            return true;
        };
        if router.asked == ROUTER_TRIES {
            return false;
        }
        let resident = self.guests.iter().position(|guest| !guest.address.is_unspecified());
        let Some(n) = resident else { return true };
        let (sender_mac, sender) = (mac_of(n as u32), self.guests[n].address);
        router.asked += 1;
        router.due = now + ROUTER_PATIENCE;
        let (operation, target_mac) = (Operation::Request, MacAddr::ZERO);
        let message = Arp { operation, sender_mac, sender, target_mac, target: router.address };
        let frame = build::arp(MacAddr::BROADCAST, sender_mac, &message);
        outbox.push(|octets| octets.extend_from_slice(&frame));
        true
    }

    fn router_mac(&self) -> Option<MacAddr> {
        self.router.as_ref().and_then(|router| router.mac)
    }

    fn move_in(&mut self, n: u32, address: Ipv4Addr) {
        let guest = &mut self.guests[n as usize];
        self.addresses.remove(&guest.address);
        guest.address = address;
        self.addresses.insert(address, n);
    }

    /// SplitMix64.
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.dice ^ self.dice >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// A guest's MAC.
pub(crate) fn mac_of(guest: u32) -> MacAddr {
    let [_, a, b, c] = guest.to_be_bytes();
    let [x, y, z] = MAC_PREFIX;
    MacAddr([x, y, z, a, b, c])
}

fn number_of(mac: &[u8]) -> Option<u32> {
    let number = mac.strip_prefix(&MAC_PREFIX)?.first_chunk::<3>()?;
    Some(u32::from_be_bytes([0, number[0], number[1], number[2]]))
}
