//! One packet through classify, verdict and apply. `apply` is the only place that counts.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use wire::frame::{Ipv4, Transport, ethertype};
use wire::{GuestKey, MacAddr};

use crate::counters::{Counters, Reason};
use crate::facts::{self, Classified};
use crate::garden::{Garden, Network};
use crate::meter::{Meter, Way};
use crate::pacer::{Pacer, Waiting};
use crate::police::Rate;
use crate::port::Packet;
use crate::reject::{self, Answer};
use crate::rewrite::{End, finish_checksum, set_endpoint};
use crate::session::{SlotIndex, Snapshot};
use crate::shape::{self, Flows};
use crate::slow::{SlowFrame, SlowPath, StationLimit};
use crate::table::Table;
use crate::verdict::{self, Facts, Service, Verdict, down, up};

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
    /// Our MAC on the LAN.
    pub lan_mac: MacAddr,
    /// Index of the LAN interface in the configuration.
    pub lan: u8,
    /// TCP port of the portal on the gateway address.
    pub portal_port: u16,
    /// TCP port on the gateway address that redirected connections are led to.
    pub redirect_port: u16,
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

/// Which way a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From a guest.
    Up,
    /// To a guest.
    Down,
}

impl Direction {
    fn way(self, meter: &Meter) -> &Way {
        match self {
            Self::Up => &meter.up,
            Self::Down => &meter.down,
        }
    }

    fn rate(self, guest: &Snapshot) -> Rate {
        match self {
            Self::Up => guest.policy.rate_up,
            Self::Down => guest.policy.rate_down,
        }
    }
}

/// What the pump does with a packet now.
pub enum Action {
    /// Sends it on.
    Send,
    /// Sends this frame back to where it came from.
    Answer(Answer),
    /// Nothing: it is gone, it waits, or somebody else has it.
    Done,
}

impl Plane {
    /// Decides about a frame from the LAN. For [`Action::Send`] the packet is ready for the TUN device; one that has to
    /// wait is in `pacer`.
    pub fn from_guest(&self, packet: &mut Packet, now: Duration, pacer: &mut Pacer) -> Action {
        let key = GuestKey { lan: self.lan, vlan: packet.vlan, mac: packet.source() };
        let Classified { facts, guest, ip } = facts::up(self, packet, key, now);
        if let Some(ip) = &ip {
            packet.set_l3_len(usize::from(ip.total_len)); // without the padding of short frames
        }
        let mut verdict = up(&facts);
        if let (Verdict::Forward, Some(guest), Some(ip)) = (verdict, &guest, &ip) {
            match self.shape(Direction::Up, guest, ip, packet, now, pacer) {
                Some(shaped) => verdict = shaped,
                None => return Action::Done,
            }
        }
        match verdict {
            Verdict::Serve(service @ (Service::Dhcp | Service::Arp | Service::Dns)) => {
                finish_checksum(packet);
                let guest = guest.map(|guest| guest.slot);
                let offered = self.slow_limit.admit(key, now)
                    && self.slow.offer(SlowFrame { key, service, guest, frame: packet.frame(), now });
                self.from_guests.count(if offered { verdict } else { Verdict::Drop(Reason::QueueFull) });
                Action::Done
            }
            Verdict::Forward | Verdict::Garden | Verdict::Serve(Service::Gateway) => {
                self.from_guests.count(verdict);
                Action::Send
            }
            Verdict::Redirect => {
                self.from_guests.count(verdict);
                if let (Some(guest), Some(ip)) = (guest, ip) {
                    self.lead_to_portal(packet, &guest, &ip);
                }
                Action::Send
            }
            Verdict::Reject(_) => {
                self.from_guests.count(verdict);
                self.refuse(packet, &facts, guest, ip, now)
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
        let Classified { facts, guest, ip } = facts::down(self, packet, now);
        let mut verdict = down(&facts);
        if let (Some(guest), Some(ip)) = (&guest, &ip) {
            match verdict {
                Verdict::Forward => match self.shape(Direction::Down, guest, ip, packet, now, pacer) {
                    Some(shaped) => verdict = shaped,
                    None => return Action::Done,
                },
                Verdict::Redirect if !self.lead_back(packet, guest, ip) => {
                    verdict = Verdict::Drop(Reason::NoRedirect);
                }
                _ => {}
            }
        }
        self.to_guests.count(verdict);
        match (verdict, guest) {
            (Verdict::Drop(_) | Verdict::Reject(_), _) | (_, None) => Action::Done,
            (_, Some(guest)) => {
                self.address(packet, guest.key);
                Action::Send
            }
        }
    }

    /// A packet that waited for its time has reached it: true if it goes on, on its guest's account. Meanwhile the guest
    /// may have left, moved or been logged out.
    pub fn depart(&self, direction: Direction, packet: &mut Packet, waiting: &Waiting, now: Duration) -> bool {
        let guest = self
            .table
            .snapshot(waiting.slot)
            .filter(|guest| guest.key == waiting.key && guest.address == waiting.address && guest.online_at(now));
        let verdict = match (guest, self.table.meter(waiting.slot)) {
            (Some(_), Some(meter)) => {
                direction.way(meter).count(waiting.octets, waiting.packets, now);
                Verdict::Forward
            }
            _ => Verdict::Drop(Reason::NotLoggedIn),
        };
        self.counters(direction).count(verdict);
        if direction == Direction::Down {
            self.address(packet, waiting.key);
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

    fn address(&self, packet: &mut Packet, to: GuestKey) {
        packet.set_link(to.mac, self.lan_mac, ethertype::IPV4);
        packet.vlan = to.vlan;
    }

    /// Forwards a packet on its guest's account, as soon as the rate allows; `None` if that is later, and the
    /// packet waits.
    fn shape(
        &self,
        direction: Direction,
        guest: &Snapshot,
        ip: &Ipv4,
        packet: &Packet,
        now: Duration,
        pacer: &mut Pacer,
    ) -> Option<Verdict> {
        let Some(meter) = self.table.meter(guest.slot) else { return Some(Verdict::Drop(Reason::UnknownGuest)) };
        let (way, rate) = (direction.way(meter), direction.rate(guest));
        let (octets, packets) = wire_size(packet, ip);
        if rate != Rate::UNLIMITED {
            let flow = || self.flows.line(guest.slot, ip);
            let Some(departs_at) = shape::admit(way, rate, octets, now, pacer.room_before(packet), flow) else {
                return Some(Verdict::Drop(Reason::RateExceeded));
            };
            if departs_at > now + shape::SLACK {
                way.waits(departs_at);
                let waiting = Waiting { slot: guest.slot, key: guest.key, address: guest.address, octets, packets };
                let waits = pacer.offer(packet, waiting, departs_at);
                return if waits { None } else { Some(Verdict::Drop(Reason::RateExceeded)) };
            }
        }
        way.count(octets, packets, now);
        Some(Verdict::Forward)
    }

    fn lead_to_portal(&self, packet: &mut Packet, guest: &Snapshot, ip: &Ipv4) {
        let Transport::Tcp { source, .. } = ip.transport else { return };
        if let Some(redirects) = self.table.redirects(guest.slot) {
            redirects.remember(source, ip.destination);
        }
        set_endpoint(packet, ip, End::Destination, self.gateway, self.redirect_port);
    }

    fn lead_back(&self, packet: &mut Packet, guest: &Snapshot, ip: &Ipv4) -> bool {
        let Transport::Tcp { destination, .. } = ip.transport else { return false };
        let Some(wanted) = self.table.redirects(guest.slot).and_then(|ring| ring.recall(destination)) else {
            return false;
        };
        set_endpoint(packet, ip, End::Source, wanted, 80);
        true
    }

    fn refuse(
        &self,
        packet: &Packet,
        facts: &Facts,
        guest: Option<Snapshot>,
        ip: Option<Ipv4>,
        now: Duration,
    ) -> Action {
        let may_answer =
            guest.and_then(|guest| self.table.slot(guest.slot)).is_some_and(|slot| slot.rejects.admit(now));
        if !may_answer {
            return Action::Done;
        }
        let answer = match (facts.network, &ip) {
            (verdict::Network::Ipv6, _) => reject::ipv6(packet, self.lan_mac),
            (_, Some(ip)) => reject::ipv4(packet, ip, self.gateway, self.lan_mac),
            _ => None,
        };
        answer.map_or(Action::Done, Action::Answer)
    }

    /// The guest in `slot`, if any.
    #[must_use]
    pub fn guest(&self, slot: SlotIndex) -> Option<Snapshot> {
        self.table.snapshot(slot)
    }
}

/// IP octets and packets as they are on the guest's wire: each segment of a super-packet repeats the headers.
fn wire_size(packet: &Packet, ip: &Ipv4) -> (u64, u32) {
    let total = usize::from(ip.total_len);
    let headers = ip.headers_len().min(total);
    let segments = packet.vnet.segments(total - headers);
    (total as u64 + u64::from(segments - 1) * headers as u64, segments)
}
