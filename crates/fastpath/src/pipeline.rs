//! One packet through classify, verdict and apply. `apply` is the only place that counts.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use wire::frame::{Ipv4, ethertype};
use wire::routes::Routes;
use wire::{GuestKey, MacAddr};

use crate::answer::Answer;
use crate::checksum;
use crate::counters::{Counters, Reason};
use crate::facts::{self, HTTP_PORT};
use crate::garden::{Garden, Network};
use crate::meter::Direction;
use crate::pacer::{Pacer, Waiting};
use crate::police::Rate;
use crate::port::Packet;
use crate::pump::BATCH;
use crate::redirect::{Redirector, Reply};
use crate::reject;
use crate::session::{SlotIndex, Snapshot};
use crate::shape::{self, Flows};
use crate::slow::{SlowFrame, SlowPath, StationLimit};
use crate::table::{Expected, Place, Table};
use crate::translate;
use crate::verdict::{self, DIVERTED_PORT, Guest, Kind, Service, Verdict, down, up};

/// What a refusal takes of the guest's share of our own answers: 100 a second, as a phone with many connections needs, and
/// not a flood; 128 at once.
const REFUSAL_COST: Duration = Duration::from_millis(10);
/// What an answer of the redirector takes of the same share: 1,600 a second, 2,048 at once. A connection takes three,
/// and browsers, apps and probes of one guest open some dozen at once.
const REDIRECT_COST: Duration = Duration::from_micros(625);

/// Everything that the packet threads share.
pub struct Plane {
    /// Guests.
    pub table: Arc<Table>,
    /// Where guests that are not logged in may go.
    pub garden: Arc<Garden>,
    /// Our address on the guests' network.
    pub gateway: Ipv4Addr,
    /// The guests' network.
    pub network: Network,
    /// Its broadcast address.
    pub broadcast: Ipv4Addr,
    /// Networks of guests behind routers on it.
    pub routes: Routes,
    /// Our MAC on the LAN.
    pub lan_mac: MacAddr,
    /// Index of the LAN interface in the configuration.
    pub lan: u8,
    /// Frames without a VLAN tag are served.
    pub untagged: bool,
    /// Http of guests who are online goes to this proxy: the kernel gets it under [`DIVERTED_PORT`]. It goes by the Host
    /// header, so nobody comes to it by the garden.
    pub http_proxy: Option<SocketAddrV4>,
    /// TCP ports of the portal on the gateway address; the same twice, if it has but one.
    pub portal_ports: [u16; 2],
    /// Its TCP port for https, if it has one.
    pub secure_port: Option<u16>,
    /// Answers http in place of the portal.
    pub redirector: Redirector,
    /// Where frames for our own servers go.
    pub slow: Arc<dyn SlowPath>,
    /// What each station may send there.
    pub slow_limit: StationLimit,
    /// Flows of the guests with limited rates.
    pub flows: Flows,
    /// Packets from guests, by verdict.
    pub from_guests: Counters,
    /// Packets to guests, by verdict.
    pub to_guests: Counters,
}

/// What the pump does with a packet now.
pub enum Action {
    /// Sends it on.
    Send,
    /// Sends it back to where it came from: it has become our answer.
    Answer,
    /// Nothing: it is gone, it waits, or somebody else has it.
    Done,
}

impl Plane {
    /// Decides about up to a batch of frames from the LAN, those at `received`, in their order; `apply` does with each what
    /// is said. What is known of their guests is fetched into the processor's cache for all at once, where each decision
    /// would wait for its own.
    pub fn from_guests(
        &self,
        frames: &mut [Packet],
        received: Range<usize>,
        now: Duration,
        pacer: &mut Pacer,
        mut apply: impl FnMut(&mut [Packet], usize, Action),
    ) {
        assert!(received.len() <= BATCH, "{} frames at once", received.len());
        let mut keys = [GuestKey::default(); BATCH];
        for (key, frame) in keys.iter_mut().zip(&frames[received.clone()]) {
            *key = self.key(frame);
        }
        let keys = &keys[..received.len()];
        let expected = self.table.expect_keys(keys.iter().copied());
        self.expect_in_garden(&expected, frames[received.clone()].iter().map(|frame| address_at(frame, DESTINATION)));
        for ((place, index), key) in received.enumerate().zip(keys) {
            let action = self.judge_up((*key, expected.place(place)), &mut frames[index], now, pacer);
            apply(frames, index, action);
        }
    }

    /// The same for packets from the TUN device.
    pub fn to_guests(
        &self,
        packets: &mut [Packet],
        received: Range<usize>,
        now: Duration,
        pacer: &mut Pacer,
        mut apply: impl FnMut(&mut [Packet], usize, Action),
    ) {
        let addresses = |at| packets[received.clone()].iter().map(move |packet| address_at(packet, at));
        let expected = self.table.expect_addresses(addresses(DESTINATION));
        self.expect_in_garden(&expected, addresses(SOURCE));
        for (place, index) in received.enumerate() {
            let action = self.judge_down(expected.place(place), &mut packets[index], now, pacer);
            apply(packets, index, action);
        }
    }

    /// The far ends of a batch are looked up in the garden if their guests are not logged in, or it is not counted.
    fn expect_in_garden(&self, expected: &Expected<'_>, far: impl Iterator<Item = Ipv4Addr>) {
        if self.garden.is_empty() {
            return;
        }
        let is_asked = |place: Place| !self.garden.is_counted() || !place.slot.is_online();
        let asked = far.enumerate().filter(|(index, _)| expected.place(*index).is_some_and(is_asked));
        self.garden.expect(asked.map(|(_, address)| address));
    }

    /// Decides about a frame from the LAN. For [`Action::Send`] the packet is ready for the TUN device; one that has to
    /// wait is in `pacer`.
    pub fn from_guest(&self, packet: &mut Packet, now: Duration, pacer: &mut Pacer) -> Action {
        self.judge_up((self.key(packet), None), packet, now, pacer)
    }

    fn judge_up(
        &self,
        (key, expected): (GuestKey, Option<Place>),
        packet: &mut Packet,
        now: Duration,
        pacer: &mut Pacer,
    ) -> Action {
        let guest = self.table.find_key(expected, key);
        let (facts, ip) = facts::up(self, packet, key, guest.as_ref(), now);
        if let Some(ip) = &ip {
            packet.set_l3_len(usize::from(ip.total_len)); // without the padding of short frames
        }
        let mut verdict = up(&facts);
        if let Verdict::Forward | Verdict::Garden | Verdict::Serve(Service::Gateway) = verdict
            && let Some(guest) = guest.filter(|guest| guest.foreign.is_some())
        {
            translate::source(packet, guest.address);
        }
        if self.http_proxy.is_some() && (verdict, facts.kind) == (Verdict::Forward, Kind::Http) {
            translate::destination_port(packet, DIVERTED_PORT);
        }
        if let (Verdict::Forward, Some(guest), Some(ip)) = (verdict, &guest, &ip) {
            match self.shape(Direction::Up, (guest, expected), ip, packet, now, pacer) {
                Some(shaped) => verdict = shaped,
                None => return Action::Done,
            }
        }
        match verdict {
            Verdict::Serve(
                service @ (Service::Dhcp | Service::Arp | Service::Dns | Service::Watch | Service::Newcomer),
            ) => {
                checksum::finish(packet);
                // Who plays server is no guest in that.
                let guest = guest.filter(|_| service != Service::Watch).map(|guest| guest.slot);
                let share = if service == Service::Newcomer { self.routes.share(key) } else { key };
                let offered = self.slow_limit.admit(share, now)
                    && self.slow.offer(SlowFrame { key, service, guest, frame: packet.frame(), now });
                self.from_guests.count(if offered { verdict } else { Verdict::Drop(Reason::QueueFull) });
                Action::Done
            }
            Verdict::Forward | Verdict::Garden | Verdict::Serve(Service::Gateway) => {
                if verdict == Verdict::Garden && facts.guest == Guest::Online {
                    // Not counted, but not idle either.
                    if let Some(guest) = &guest {
                        self.table.note_activity(guest.slot, now);
                    }
                }
                self.from_guests.count(verdict);
                Action::Send
            }
            Verdict::Redirect => {
                self.from_guests.count(verdict);
                self.redirect(packet, guest.map(|guest| guest.slot), ip, now)
            }
            Verdict::Reject(_) => {
                self.from_guests.count(verdict);
                self.refuse(packet, facts.network, guest.map(|guest| guest.slot), ip, now)
            }
            Verdict::Drop(_) => {
                self.from_guests.count(verdict);
                Action::Done
            }
        }
    }

    /// Decides about a packet from the TUN device. For [`Action::Send`] it is a frame ready for the LAN; one that has to
    /// wait is in `pacer`.
    pub fn to_guest(&self, packet: &mut Packet, now: Duration, pacer: &mut Pacer) -> Action {
        self.judge_down(None, packet, now, pacer)
    }

    fn judge_down(&self, expected: Option<Place>, packet: &mut Packet, now: Duration, pacer: &mut Pacer) -> Action {
        let ip = Ipv4::parse(packet.l3()).ok();
        let guest = ip.as_ref().and_then(|ip| self.table.find_address(expected, ip.destination));
        let facts = facts::down(self, packet, ip.as_ref(), guest.as_ref(), now);
        let mut verdict = down(&facts);
        if self.http_proxy.is_some() && verdict == Verdict::Forward {
            match facts.kind {
                Kind::Diverted => translate::source_port(packet, HTTP_PORT),
                _ => translate::quoted_port(packet, DIVERTED_PORT, HTTP_PORT),
            }
        }
        if let (Verdict::Forward, Some(guest), Some(ip)) = (verdict, &guest, &ip) {
            match self.shape(Direction::Down, (guest, expected), ip, packet, now, pacer) {
                Some(shaped) => verdict = shaped,
                None => return Action::Done,
            }
        }
        self.to_guests.count(verdict);
        match (verdict, &guest) {
            (Verdict::Drop(_) | Verdict::Reject(_), _) | (_, None) => Action::Done,
            (_, Some(guest)) => {
                self.address(packet, guest);
                Action::Send
            }
        }
    }

    /// Who sent a frame: the station, or who is behind it.
    #[inline(always)]
    fn key(&self, packet: &Packet) -> GuestKey {
        let station = GuestKey { lan: self.lan, vlan: packet.vlan, mac: packet.source() };
        if self.routes.is_empty() || packet.ethertype() != ethertype::IPV4 {
            return station;
        }
        match packet.l3() {
            [_, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d, ..] => {
                self.routes.sender(station, Ipv4Addr::new(*a, *b, *c, *d))
            }
            _ => station,
        }
    }

    /// A packet that waited for its time has reached it: true if it goes on, on its guest's account. Meanwhile the guest
    /// may have left, moved or been logged out.
    pub fn depart(&self, direction: Direction, packet: &mut Packet, waiting: &Waiting, now: Duration) -> bool {
        let guest = self
            .table
            .snapshot(waiting.slot)
            .filter(|guest| guest.key == waiting.key && guest.address == waiting.address && guest.online_at(now));
        let size = (waiting.octets, waiting.packets);
        let verdict = match (&guest, self.table.place(waiting.slot)) {
            (Some(guest), Some(place)) => self.account(direction, (guest, place), size, now),
            _ => Verdict::Drop(Reason::NotLoggedIn),
        };
        self.counters(direction).count(verdict);
        if let (Direction::Down, Some(guest)) = (direction, &guest) {
            self.address(packet, guest);
        }
        verdict == Verdict::Forward
    }

    /// What became of packets in this direction.
    #[must_use]
    pub fn counters(&self, direction: Direction) -> &Counters {
        match direction {
            Direction::Up => &self.from_guests,
            Direction::Down => &self.to_guests,
        }
    }

    fn address(&self, packet: &mut Packet, to: &Snapshot) {
        if let Some(foreign) = to.foreign {
            translate::destination(packet, foreign);
        }
        packet.set_link(self.routes.station(to.key), self.lan_mac, ethertype::IPV4);
        packet.vlan = to.key.vlan;
    }

    /// Forwards a packet on its guest's account, as soon as the rate allows; `None` if that is later, and the
    /// packet waits.
    #[inline(always)]
    fn shape(
        &self,
        direction: Direction,
        (guest, expected): (&Snapshot, Option<Place>),
        ip: &Ipv4,
        packet: &Packet,
        now: Duration,
        pacer: &mut Pacer,
    ) -> Option<Verdict> {
        let Some(place) = self.table.place_of(guest, expected) else {
            return Some(Verdict::Drop(Reason::UnknownGuest));
        };
        let (octets, packets) = wire_size(packet, ip);
        let rate = match direction {
            Direction::Up => guest.policy.rate_up,
            Direction::Down => guest.policy.rate_down,
        };
        if rate != Rate::UNLIMITED {
            let (way, _) = direction.ways(place.meter);
            let flow = || self.flows.line(guest.slot, ip);
            let line = (way, self.table.adders());
            let Some(departs_at) = shape::admit(line, rate, octets, now, pacer.room_before(packet), flow) else {
                return Some(Verdict::Drop(Reason::RateExceeded));
            };
            if departs_at > now + shape::SLACK {
                way.waits(departs_at);
                let waiting = Waiting { slot: guest.slot, key: guest.key, address: guest.address, octets, packets };
                let waits = pacer.offer(packet, waiting, departs_at);
                return if waits { None } else { Some(Verdict::Drop(Reason::RateExceeded)) };
            }
        }
        Some(self.account(direction, (guest, place), (octets, packets), now))
    }

    /// Counts a packet that is to be forwarded, if the guest may still use its octets.
    fn account(
        &self,
        direction: Direction,
        (guest, place): (&Snapshot, Place),
        size: (u64, u32),
        now: Duration,
    ) -> Verdict {
        if place.slot.count(place.meter, direction, guest, size, now, self.table.adders()) {
            Verdict::Forward
        } else {
            Verdict::Drop(Reason::QuotaExceeded)
        }
    }

    /// Answers http. What came damaged is not answered, nor what is above the guest's share.
    fn redirect(&self, packet: &mut Packet, guest: Option<SlotIndex>, ip: Option<Ipv4>, now: Duration) -> Action {
        let Some(ip) = ip else { return Action::Done };
        let (ip_len, total_len) = (usize::from(ip.header_len), usize::from(ip.total_len));
        if !checksum::is_intact(packet, ip_len, total_len) {
            return Action::Done;
        }
        match self.redirector.judge(packet, &ip) {
            Reply::Silence => Action::Done,
            Reply::Reset => self.refuse(packet, verdict::Network::Ipv4, guest, Some(ip), now),
            reply if self.may_answer(guest, REDIRECT_COST, now) => {
                send_back(packet, self.redirector.answer(reply, packet, &ip, self.lan_mac))
            }
            _ => Action::Done,
        }
    }

    fn refuse(
        &self,
        packet: &mut Packet,
        network: verdict::Network,
        guest: Option<SlotIndex>,
        ip: Option<Ipv4>,
        now: Duration,
    ) -> Action {
        if !self.may_answer(guest, REFUSAL_COST, now) {
            return Action::Done;
        }
        let answer = match (network, &ip) {
            (verdict::Network::Ipv6, _) => reject::ipv6(packet, self.lan_mac),
            (_, Some(ip)) => reject::ipv4(packet, ip, self.gateway, self.lan_mac),
            _ => None,
        };
        send_back(packet, answer)
    }

    /// True if the guest's share of our own answers is not used up.
    fn may_answer(&self, guest: Option<SlotIndex>, cost: Duration, now: Duration) -> bool {
        guest.and_then(|guest| self.table.place(guest)).is_some_and(|place| place.slot.answers.admit(cost, now))
    }

    /// The guest in `slot`, if any.
    #[must_use]
    pub fn guest(&self, slot: SlotIndex) -> Option<Snapshot> {
        self.table.snapshot(slot)
    }
}

/// Where an IPv4 header has the addresses.
const SOURCE: usize = 12;
const DESTINATION: usize = 16;

fn address_at(packet: &Packet, at: usize) -> Ipv4Addr {
    packet.l3().get(at..at + 4).map_or(Ipv4Addr::UNSPECIFIED, |a| Ipv4Addr::new(a[0], a[1], a[2], a[3]))
}

fn send_back(packet: &mut Packet, answer: Option<Answer>) -> Action {
    let Some(answer) = answer else { return Action::Done };
    packet.put_frame(answer.frame());
    Action::Answer
}

/// IP octets and packets as they are on the guest's wire: each segment of a super-packet repeats the headers.
fn wire_size(packet: &Packet, ip: &Ipv4) -> (u64, u32) {
    let total = usize::from(ip.total_len);
    let headers = ip.headers_len().min(total);
    let segments = packet.vnet.segments(total - headers);
    (total as u64 + u64::from(segments - 1) * headers as u64, segments)
}
