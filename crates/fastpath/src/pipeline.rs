//! One packet through classify, verdict and apply. `apply` is the only place that counts.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use wire::frame::{Ipv4, Transport, ethertype};
use wire::{GuestKey, MacAddr};

use crate::counters::{Counters, Reason};
use crate::facts::{self, Classified};
use crate::garden::{Garden, Network};
use crate::police::Rate;
use crate::port::Packet;
use crate::reject::{self, Answer};
use crate::rewrite::{End, finish_checksum, set_endpoint};
use crate::session::{SlotIndex, Snapshot};
use crate::slow::{SlowFrame, SlowPath, StationLimit};
use crate::table::Table;
use crate::verdict::{self, Facts, Service, Verdict, down, up};

/// Our own answers to one guest, in bits of packet: 100 a second, as a phone with many connections needs, and
/// not a flood.
const REJECT_RATE: Rate = Rate::bits_per_second(8 * REJECT_COST * 100);
/// What an answer costs its bucket: the bucket's smallest size makes a burst of 128 answers.
const REJECT_COST: u64 = 1024;

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
    /// Packets from guests, by verdict.
    pub from_guests: Counters,
    /// Packets to guests, by verdict.
    pub to_guests: Counters,
}

/// What the pump does with a packet now.
pub enum Action {
    /// Sends it on.
    Send,
    /// Sends this frame back to where it came from.
    Answer(Answer),
    /// Nothing: it is gone, or somebody else has it.
    Done,
}

impl Plane {
    /// To be called before the decisions about frames from the LAN, with up to a batch of them: fetches what is known
    /// of their guests into the processor's cache, of all at once, where each decision would wait for its own.
    pub fn expect_from_guests(&self, frames: &[Packet]) {
        self.table.expect_keys(frames.iter().map(|frame| self.key(frame)));
    }

    /// The same for packets from the TUN device.
    pub fn expect_to_guests(&self, packets: &[Packet]) {
        self.table.expect_addresses(packets.iter().map(|packet| {
            packet.l3().get(16..20).map_or(Ipv4Addr::UNSPECIFIED, |a| Ipv4Addr::new(a[0], a[1], a[2], a[3]))
        }));
    }

    /// Decides about a frame from the LAN. For [`Action::Send`] the packet is ready for the TUN device.
    pub fn from_guest(&self, packet: &mut Packet, now: Duration) -> Action {
        let key = self.key(packet);
        let Classified { facts, guest, ip } = facts::up(self, packet, key, now);
        let verdict = self.police_up(up(&facts), guest.as_ref(), ip.as_ref(), packet, now);
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
                if let Some(ip) = ip {
                    packet.set_l3_len(usize::from(ip.total_len)); // without the padding of short frames
                }
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

    /// Decides about a packet from the TUN device. For [`Action::Send`] it is a frame ready for the LAN.
    pub fn to_guest(&self, packet: &mut Packet, now: Duration) -> Action {
        let Classified { facts, guest, ip } = facts::down(self, packet, now);
        let mut verdict = down(&facts);
        if let (Some(guest), Some(ip)) = (&guest, &ip) {
            match verdict {
                Verdict::Forward => {
                    let (octets, packets) = wire_size(packet, ip);
                    let slot = self.table.slot(guest.slot);
                    if slot.is_some_and(|slot| slot.down.admit(guest.policy.rate_down, octets, now)) {
                        slot.inspect(|slot| slot.count_down(octets, packets));
                    } else {
                        verdict = Verdict::Drop(Reason::RateExceeded);
                    }
                }
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
                packet.set_link(guest.key.mac, self.lan_mac, ethertype::IPV4);
                packet.vlan = guest.key.vlan;
                Action::Send
            }
        }
    }

    fn key(&self, packet: &Packet) -> GuestKey {
        GuestKey { lan: self.lan, vlan: packet.vlan, mac: packet.source() }
    }

    fn police_up(
        &self,
        verdict: Verdict,
        guest: Option<&Snapshot>,
        ip: Option<&Ipv4>,
        packet: &Packet,
        now: Duration,
    ) -> Verdict {
        let (Verdict::Forward, Some(guest), Some(ip)) = (verdict, guest, ip) else { return verdict };
        let Some(slot) = self.table.slot(guest.slot) else { return Verdict::Drop(Reason::UnknownGuest) };
        let (octets, packets) = wire_size(packet, ip);
        if !slot.up.admit(guest.policy.rate_up, octets, now) {
            return Verdict::Drop(Reason::RateExceeded);
        }
        slot.count_up(octets, packets, now);
        verdict
    }

    fn lead_to_portal(&self, packet: &mut Packet, guest: &Snapshot, ip: &Ipv4) {
        let Transport::Tcp { source, .. } = ip.transport else { return };
        if let Some(redirects) = self.table.redirects(guest.slot) {
            redirects.remember(source, ip.destination);
        }
        packet.set_l3_len(usize::from(ip.total_len));
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
        let may_answer = guest
            .and_then(|guest| self.table.slot(guest.slot))
            .is_some_and(|slot| slot.rejects.admit(REJECT_RATE, REJECT_COST, now));
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
