//! The watch over the guests' LAN: who else there plays DHCP server or router would lead guests past the portal, or
//! nowhere at all. The gateway cannot stop what stations send each other; it can tell who does it.
//!
//! A server's answers to guests are seen when they are broadcast. So that one is found that answers to guests alone, we
//! ask like a guest, now and then, and take nothing.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use wire::build::{Checksum, UdpDatagram, udp4};
use wire::dhcp::{self, CLIENT_PORT, FLAG_BROADCAST, Message, MessageType, SERVER_PORT, code};
use wire::{GuestKey, MacAddr, Now};

/// Stations remembered: more than a LAN can have by mistake. Who invents more is counted.
const MOST: usize = 64;
/// Of a station the operator hears again after this time, if it goes on.
const TELL_EVERY: Duration = Duration::from_secs(3600);
/// A station that was not heard for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(86_400);

/// What a station plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A DHCP server, that calls itself by this address.
    DhcpServer(Ipv4Addr),
    /// An IPv6 router, of this address.
    Router(Ipv6Addr),
}

/// A station that leads guests elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rogue {
    /// Which.
    pub key: GuestKey,
    /// What it plays.
    pub role: Role,
    /// How often it was heard.
    pub times: u64,
    /// When it was heard last, on the gateway's clock.
    pub heard: Duration,
    told: Duration,
}

/// Finds them.
#[derive(Debug)]
pub struct Watch {
    mac: MacAddr,
    probe_every: Option<Duration>,
    next_probe: Option<Duration>,
    xid: u32,
    rogues: Vec<Rogue>,
    unlisted: u64,
}

impl Watch {
    /// For the LAN on which we are `mac`. Asks for other servers every `probe_every`; `seed` is from the system's dice.
    #[must_use]
    pub fn new(mac: MacAddr, probe_every: Option<Duration>, seed: u32) -> Self {
        let next_probe = probe_every.map(|_| Duration::ZERO);
        Self { mac, probe_every, next_probe, xid: seed, rogues: Vec::new(), unlisted: 0 }
    }

    /// Takes a frame that looks like a server's answer or a router's advertisement; a rogue of whom the operator should
    /// hear now.
    pub fn handle(&mut self, now: Now, key: GuestKey, frame: &[u8]) -> Option<Rogue> {
        let role = role(frame)?;
        let now = now.mono;
        self.rogues.retain(|rogue| now.saturating_sub(rogue.heard) < FORGET_AFTER);
        let same = |rogue: &&mut Rogue| {
            rogue.key == key && std::mem::discriminant(&rogue.role) == std::mem::discriminant(&role)
        };
        if let Some(rogue) = self.rogues.iter_mut().find(same) {
            (rogue.role, rogue.heard, rogue.times) = (role, now, rogue.times + 1);
            let again = now.saturating_sub(rogue.told) >= TELL_EVERY;
            if again {
                rogue.told = now;
            }
            return again.then_some(*rogue);
        }
        if self.rogues.len() >= MOST {
            self.unlisted += 1;
            return None;
        }
        let rogue = Rogue { key, role, times: 1, heard: now, told: now };
        self.rogues.push(rogue);
        Some(rogue)
    }

    /// A question to all DHCP servers, if it is time for one: a frame for everybody.
    pub fn handle_timeout(&mut self, now: Now) -> Option<Vec<u8>> {
        if self.next_probe.is_none_or(|due| due > now.mono) {
            return None;
        }
        self.next_probe = self.probe_every.map(|every| now.mono + every);
        self.xid = self.xid.wrapping_mul(0x9e37_79b1).wrapping_add(1);
        let mut question = Message::request(MessageType::Discover, self.xid, self.mac);
        question.flags = FLAG_BROADCAST;
        let mut payload = Vec::new();
        question.emit(&mut payload, dhcp::MIN_LIMIT);
        let mut frame = Vec::new();
        let datagram = UdpDatagram {
            eth_dst: MacAddr::BROADCAST,
            eth_src: self.mac,
            src: Ipv4Addr::UNSPECIFIED,
            dst: Ipv4Addr::BROADCAST,
            sport: CLIENT_PORT,
            dport: SERVER_PORT,
            payload: &payload,
        };
        udp4(&mut frame, &datagram).is_ok().then_some(frame)
    }

    /// When the next question is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.next_probe
    }

    /// Those that were heard lately, the first one first.
    #[must_use]
    pub fn rogues(&self) -> &[Rogue] {
        &self.rogues
    }

    /// Messages of further stations, that found no room in the list.
    #[must_use]
    pub fn unlisted(&self) -> u64 {
        self.unlisted
    }
}

fn role(frame: &[u8]) -> Option<Role> {
    if let Ok(datagram) = UdpDatagram::parse(frame, Checksum::Verify) {
        let message = dhcp::Packet::parse(datagram.payload).ok()?;
        let named = message.address(code::SERVER_ID).unwrap_or(datagram.src);
        return (datagram.sport == SERVER_PORT && message.op() == dhcp::BOOTREPLY).then_some(Role::DhcpServer(named));
    }
    // An advertisement, as the packet path found: its source is the router's own address (RFC 4861, 4.2).
    let source: [u8; 16] = frame.get(14 + 8..14 + 24)?.try_into().ok()?;
    (frame[12..14] == [0x86, 0xdd]).then_some(Role::Router(source.into()))
}

#[cfg(test)]
mod tests {
    use wire::Vlan;

    use super::*;

    const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    fn station(n: u8) -> GuestKey {
        GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, 1, n]) }
    }

    fn at(secs: u64) -> Now {
        Now { mono: Duration::from_secs(secs), unix: Duration::ZERO }
    }

    /// What a server at 192.168.1.1 says to everybody.
    fn offer() -> Vec<u8> {
        let mut message = Message::request(MessageType::Offer, 7, MacAddr([2, 0, 0, 0, 9, 9]));
        message.op = dhcp::BOOTREPLY;
        message.options.push(code::SERVER_ID, &[192, 168, 1, 1]);
        let (mut payload, mut frame) = (Vec::new(), Vec::new());
        message.emit(&mut payload, dhcp::MIN_LIMIT);
        let datagram = UdpDatagram {
            eth_dst: MacAddr::BROADCAST,
            eth_src: station(1).mac,
            src: Ipv4Addr::new(192, 168, 1, 1),
            dst: Ipv4Addr::BROADCAST,
            sport: SERVER_PORT,
            dport: CLIENT_PORT,
            payload: &payload,
        };
        udp4(&mut frame, &datagram).expect("it fits");
        frame
    }

    #[test]
    fn a_server_is_told_of_at_once_and_then_once_an_hour_while_it_goes_on() {
        let mut watch = Watch::new(OURS, None, 1);
        let told = watch.handle(at(10), station(1), &offer()).expect("it is news");
        assert_eq!((told.key, told.role), (station(1), Role::DhcpServer(Ipv4Addr::new(192, 168, 1, 1))));
        assert!((11..3610).all(|secs| watch.handle(at(secs), station(1), &offer()).is_none()));
        assert_eq!(watch.handle(at(3610), station(1), &offer()).map(|rogue| rogue.times), Some(3601));
        watch.handle(at(100_000), station(2), &offer());
        assert_eq!(watch.rogues().len(), 1, "the first one is gone, and forgotten");
    }

    #[test]
    fn who_invents_stations_fills_neither_list_nor_log() {
        let mut watch = Watch::new(OURS, None, 1);
        let told = (0..=255).filter(|&n| watch.handle(at(1), station(n), &offer()).is_some()).count();
        assert_eq!((told, watch.rogues().len(), watch.unlisted()), (MOST, MOST, 256 - MOST as u64));
    }

    #[test]
    fn it_asks_like_a_guest_and_of_what_is_no_answer_nobody_hears() {
        let mut watch = Watch::new(OURS, Some(Duration::from_secs(600)), 1);
        let question = watch.handle_timeout(at(5)).expect("one at once");
        let datagram = UdpDatagram::parse(&question, Checksum::Verify).expect("a datagram");
        let message = dhcp::Packet::parse(datagram.payload).expect("a message");
        assert_eq!(
            (message.message_type(), message.mac(), message.broadcast()),
            (MessageType::Discover, Some(OURS), true)
        );
        assert!(watch.handle_timeout(at(604)).is_none());
        assert!(watch.handle_timeout(at(605)).is_some());
        for frame in [&question[..], &[], &[0; 14], &offer()[..200]] {
            assert_eq!(watch.handle(at(5), station(1), frame), None);
        }
    }
}
