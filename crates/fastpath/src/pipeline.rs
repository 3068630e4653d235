//! One packet through classify, verdict and apply. `apply` is the only place that counts.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use wire::frame::{Ipv4, ethertype};
use wire::{GuestKey, MacAddr};

use crate::answer::Answer;
use crate::checksum;
use crate::counters::{Counters, Reason};
use crate::facts::{self, Classified};
use crate::garden::{Garden, Network};
use crate::police::Rate;
use crate::port::Packet;
use crate::redirect::{Redirector, Reply};
use crate::reject;
use crate::session::{SlotIndex, Snapshot};
use crate::slow::{SlowFrame, SlowPath, StationLimit};
use crate::table::Table;
use crate::verdict::{self, Service, Verdict, down, up};

/// Our own answers to one guest, in bits of packet: 100 refusals a second, as a phone with many connections needs, and
/// not a flood.
const ANSWER_RATE: Rate = Rate::bits_per_second(8 * REFUSAL_COST * 100);
/// What a refusal costs its bucket: the bucket's smallest size makes a burst of 128.
const REFUSAL_COST: u64 = 1024;
/// What an answer of the redirector costs the same bucket: 1,600 a second, a burst of 2,048. A connection takes three,
/// and browsers, apps and probes of one guest open some dozen at once.
const REDIRECT_COST: u64 = 64;

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
    /// Answers http in place of the portal.
    pub redirector: Redirector,
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
    /// Sends it back to where it came from: it has become our answer.
    Answer,
    /// Nothing: it is gone, or somebody else has it.
    Done,
}

impl Plane {
    /// Decides about a frame from the LAN. For [`Action::Send`] the packet is ready for the TUN device.
    pub fn from_guest(&self, packet: &mut Packet, now: Duration) -> Action {
        let key = GuestKey { lan: self.lan, vlan: packet.vlan, mac: packet.source() };
        let Classified { facts, guest, ip } = facts::up(self, packet, key, now);
        let verdict = self.police_up(up(&facts), guest.as_ref(), ip.as_ref(), packet, now);
        match verdict {
            Verdict::Serve(service @ (Service::Dhcp | Service::Arp | Service::Dns)) => {
                checksum::finish(packet);
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
                self.redirect(packet, guest, ip, now)
            }
            Verdict::Reject(_) => {
                self.from_guests.count(verdict);
                self.refuse(packet, facts.network, guest, ip, now)
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
        if let (Verdict::Forward, Some(guest), Some(ip)) = (verdict, &guest, &ip) {
            let (octets, packets) = wire_size(packet, ip);
            let slot = self.table.slot(guest.slot);
            if slot.is_some_and(|slot| slot.down.admit(guest.policy.rate_down, octets, now)) {
                slot.inspect(|slot| slot.count_down(octets, packets));
            } else {
                verdict = Verdict::Drop(Reason::RateExceeded);
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

    /// Answers http. What came damaged is not answered, nor what is above the guest's share.
    fn redirect(&self, packet: &mut Packet, guest: Option<Snapshot>, ip: Option<Ipv4>, now: Duration) -> Action {
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
        guest: Option<Snapshot>,
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
    fn may_answer(&self, guest: Option<Snapshot>, cost: u64, now: Duration) -> bool {
        guest
            .and_then(|guest| self.table.slot(guest.slot))
            .is_some_and(|slot| slot.answers.admit(ANSWER_RATE, cost, now))
    }

    /// The guest in `slot`, if any.
    #[must_use]
    pub fn guest(&self, slot: SlotIndex) -> Option<Snapshot> {
        self.table.snapshot(slot)
    }
}

fn send_back(packet: &mut Packet, answer: Option<Answer>) -> Action {
    let Some(answer) = answer else { return Action::Done };
    packet.set_frame(answer.frame());
    Action::Answer
}

/// IP octets and packets as they are on the guest's wire: each segment of a super-packet repeats the headers.
fn wire_size(packet: &Packet, ip: &Ipv4) -> (u64, u32) {
    let total = usize::from(ip.total_len);
    let headers = ip.headers_len().min(total);
    let segments = packet.vnet.segments(total - headers);
    (total as u64 + u64::from(segments - 1) * headers as u64, segments)
}
