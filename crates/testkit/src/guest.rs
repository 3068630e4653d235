//! A guest's device: what it sends, and what reached it.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};

use wire::arp::Arp;
use wire::build::{self, Checksum, UdpDatagram};
use wire::dhcp::{self, Message, MessageType, Packet, code};
use wire::dns::Type;
use wire::frame::{ethertype, tcp_flags};
use wire::vnet::VnetHeader;
use wire::{GuestKey, MacAddr};

use crate::lab::{GATEWAY, GATEWAY_MAC, Lab};
use crate::packet::{self, Seen};

/// Frames that an inbox keeps, the newest.
const INBOX: usize = 256;

pub(crate) struct Station {
    pub(crate) name: String,
    pub(crate) key: GuestKey,
    address: Option<Ipv4Addr>,
    inbox: VecDeque<(Vec<u8>, VnetHeader)>,
    gone: bool,
    xid: u32,
}

impl Station {
    pub(crate) fn new(name: &str, key: GuestKey) -> Self {
        Self { name: name.into(), key, address: None, inbox: VecDeque::new(), gone: false, xid: 100 }
    }

    pub(crate) fn receive(&mut self, frame: &[u8], vnet: VnetHeader) {
        if self.gone {
            return;
        }
        if self.inbox.len() == INBOX {
            self.inbox.pop_front();
        }
        self.inbox.push_back((frame.to_vec(), vnet));
    }
}

/// What the DHCP server said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// OFFER or ACK of this address.
    Address(Ipv4Addr),
    /// NAK.
    No,
}

/// One station of the lab. It knows its own address and believes it to the end, as devices do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Guest(pub(crate) usize);

impl Guest {
    /// Who it is on the wire.
    #[must_use]
    pub fn key(self, lab: &Lab) -> GuestKey {
        lab.stations[self.0].key
    }

    /// The address it last got by DHCP.
    ///
    /// # Panics
    /// If it never got one.
    #[must_use]
    pub fn address(self, lab: &Lab) -> Ipv4Addr {
        let station = &lab.stations[self.0];
        station.address.unwrap_or_else(|| panic!("{} never got an address", station.name))
    }

    /// Its end of a connection.
    ///
    /// # Panics
    /// If it never got an address.
    #[must_use]
    pub fn socket(self, lab: &Lab, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.address(lab), port)
    }

    /// Gets a lease: DISCOVER, OFFER, REQUEST, ACK.
    ///
    /// # Panics
    /// If the gateway gives none.
    pub fn dhcp(self, lab: &mut Lab) -> Ipv4Addr {
        match self.try_dhcp(lab) {
            Some(address) => address,
            None => panic!("{} got no lease", lab.stations[self.0].name),
        }
    }

    /// As [`Guest::dhcp`], or nothing.
    pub fn try_dhcp(self, lab: &mut Lab) -> Option<Ipv4Addr> {
        let Some(Offer::Address(offered)) = self.discover(lab) else { return None };
        match self.request(lab, offered) {
            Some(Offer::Address(address)) => Some(address),
            _ => None,
        }
    }

    /// Looks for servers.
    pub fn discover(self, lab: &mut Lab) -> Option<Offer> {
        let message = self.message(lab, MessageType::Discover);
        self.exchange(lab, &message, Ipv4Addr::BROADCAST)
    }

    /// Asks for an address that it was offered. An ACK sets the address it uses.
    pub fn request(self, lab: &mut Lab, address: Ipv4Addr) -> Option<Offer> {
        let mut message = self.message(lab, MessageType::Request);
        message.options.push(code::REQUESTED_ADDRESS, &address.octets());
        message.options.push(code::SERVER_ID, &GATEWAY.octets());
        self.learn(lab, &message, Ipv4Addr::BROADCAST)
    }

    /// Asks for an address that it remembers (INIT-REBOOT).
    pub fn asks_again_for(self, lab: &mut Lab, address: Ipv4Addr) -> Option<Offer> {
        let mut message = self.message(lab, MessageType::Request);
        message.options.push(code::REQUESTED_ADDRESS, &address.octets());
        self.learn(lab, &message, Ipv4Addr::BROADCAST)
    }

    /// Asks for more time.
    pub fn renew(self, lab: &mut Lab) -> Option<Offer> {
        let mut message = self.message(lab, MessageType::Request);
        message.ciaddr = self.address(lab);
        self.learn(lab, &message, GATEWAY)
    }

    /// Gives its address back.
    pub fn release(self, lab: &mut Lab) {
        let mut message = self.message(lab, MessageType::Release);
        message.ciaddr = self.address(lab);
        message.options.push(code::SERVER_ID, &GATEWAY.octets());
        self.exchange(lab, &message, GATEWAY);
    }

    /// Says that somebody else uses its address.
    pub fn decline(self, lab: &mut Lab) {
        let mut message = self.message(lab, MessageType::Decline);
        message.options.push(code::REQUESTED_ADDRESS, &self.address(lab).octets());
        message.options.push(code::SERVER_ID, &GATEWAY.octets());
        self.exchange(lab, &message, Ipv4Addr::BROADCAST);
    }

    /// Leaves the LAN without a word: nothing reaches it any more.
    pub fn walks_away(self, lab: &mut Lab) {
        let station = &mut lab.stations[self.0];
        station.gone = true;
        station.inbox.clear();
    }

    /// Sends a frame as it is.
    pub fn sends_frame(self, lab: &mut Lab, frame: &[u8]) {
        lab.frame_in(self.key(lab).vlan, frame, VnetHeader::default());
    }

    /// Sends an IPv4 packet to the gateway's station.
    pub fn sends(self, lab: &mut Lab, l3: &[u8]) {
        let frame = packet::ethernet(GATEWAY_MAC, self.key(lab).mac, ethertype::IPV4, l3);
        self.sends_frame(lab, &frame);
    }

    /// Sends a super-packet.
    pub fn sends_super(self, lab: &mut Lab, l3: &[u8], vnet: VnetHeader) {
        let frame = packet::ethernet(GATEWAY_MAC, self.key(lab).mac, ethertype::IPV4, l3);
        lab.frame_in(self.key(lab).vlan, &frame, vnet);
    }

    /// Sends the first segment of a TCP connection.
    pub fn connects(self, lab: &mut Lab, port: u16, to: SocketAddrV4) {
        let l3 = packet::tcp(self.socket(lab, port), to, tcp_flags::SYN, &[]);
        self.sends(lab, &l3);
    }

    /// Sends a UDP datagram.
    pub fn sends_udp(self, lab: &mut Lab, port: u16, to: SocketAddrV4, payload: &[u8]) {
        let l3 = packet::udp(self.socket(lab, port), to, payload);
        self.sends(lab, &l3);
    }

    /// Sends an echo request.
    pub fn pings(self, lab: &mut Lab, to: Ipv4Addr) {
        let l3 = packet::icmp(self.address(lab), to, 8, 0);
        self.sends(lab, &l3);
    }

    /// Asks a DNS server for an address, from port 40053.
    pub fn asks_dns(self, lab: &mut Lab, server: Ipv4Addr, name: &str) {
        let query = crate::dns::query(0x1234, name, Type::A);
        self.sends_udp(lab, 40_053, SocketAddrV4::new(server, 53), &query);
    }

    /// Sends an ARP message.
    pub fn sends_arp(self, lab: &mut Lab, message: &Arp) {
        let frame = build::arp(MacAddr::BROADCAST, self.key(lab).mac, message);
        self.sends_frame(lab, &frame);
    }

    /// Uses a static address of its own, and looks for its router. True if somebody says to be it.
    pub fn comes_with(self, lab: &mut Lab, address: Ipv4Addr, router: Ipv4Addr) -> bool {
        lab.stations[self.0].address = Some(address);
        self.looks_for(lab, router)
    }

    /// Asks by ARP who has an address. True if somebody answers.
    pub fn looks_for(self, lab: &mut Lab, target: Ipv4Addr) -> bool {
        self.frames(lab);
        let question = Arp { sender: self.address(lab), ..Arp::probe(self.key(lab).mac, target) };
        self.sends_arp(lab, &question);
        let frames = self.frames(lab);
        let answers = frames.iter().filter_map(|frame| Arp::parse(frame.get(build::ETHERNET_LEN..)?).ok());
        answers.into_iter().any(|answer| answer.sender == target && answer.sender_mac == GATEWAY_MAC)
    }

    /// All frames that reached it since the last look.
    pub fn frames(self, lab: &mut Lab) -> Vec<Vec<u8>> {
        std::mem::take(&mut lab.stations[self.0].inbox).into_iter().map(|(frame, _)| frame).collect()
    }

    /// All IPv4 packets that reached it since the last look.
    pub fn receives(self, lab: &mut Lab) -> Vec<Seen> {
        let inbox = std::mem::take(&mut lab.stations[self.0].inbox);
        let is_ipv4 = |frame: &[u8]| frame.get(12..14) == Some(&ethertype::IPV4.to_be_bytes());
        let packets = inbox.iter().filter(|(frame, _)| is_ipv4(frame));
        packets.map(|(frame, vnet)| Seen::new(&frame[build::ETHERNET_LEN..], *vnet)).collect()
    }

    fn message(self, lab: &mut Lab, kind: MessageType) -> Message {
        let station = &mut lab.stations[self.0];
        station.xid += 1;
        Message::request(kind, station.xid, station.key.mac)
    }

    fn learn(self, lab: &mut Lab, message: &Message, to: Ipv4Addr) -> Option<Offer> {
        let said = self.exchange(lab, message, to);
        if let Some(Offer::Address(address)) = said {
            lab.stations[self.0].address = Some(address);
        }
        said
    }

    /// Sends a message and looks for the answer among what came; other frames stay in the inbox.
    fn exchange(self, lab: &mut Lab, message: &Message, to: Ipv4Addr) -> Option<Offer> {
        let mut payload = Vec::new();
        message.emit(&mut payload, dhcp::MIN_LIMIT);
        let (source, broadcast) = (message.ciaddr, to.is_broadcast());
        let l3 = packet::udp(
            SocketAddrV4::new(source, dhcp::CLIENT_PORT),
            SocketAddrV4::new(to, dhcp::SERVER_PORT),
            &payload,
        );
        let destination = if broadcast { MacAddr::BROADCAST } else { GATEWAY_MAC };
        let frame = packet::ethernet(destination, self.key(lab).mac, ethertype::IPV4, &l3);
        self.sends_frame(lab, &frame);
        let inbox = &mut lab.stations[self.0].inbox;
        let at = inbox.iter().position(|(frame, _)| said(frame, message).is_some())?;
        let (frame, _) = inbox.remove(at)?;
        said(&frame, message)
    }
}

/// What the frame says if it answers this message, and not another station's that a broadcast answered.
fn said(frame: &[u8], question: &Message) -> Option<Offer> {
    let datagram = UdpDatagram::parse(frame, Checksum::Verify).ok()?;
    let packet = Packet::parse(datagram.payload).ok()?;
    let answers = packet.xid() == question.xid && packet.chaddr() == question.chaddr;
    if datagram.dport != dhcp::CLIENT_PORT || packet.op() != dhcp::BOOTREPLY || !answers {
        return None;
    }
    match packet.message_type() {
        MessageType::Offer | MessageType::Ack => Some(Offer::Address(packet.yiaddr())),
        MessageType::Nak => Some(Offer::No),
        _ => None,
    }
}
