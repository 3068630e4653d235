//! Scenarios through the front door, with a clock that the test turns.

mod flood;
mod life;
mod options;
mod pools;
mod promise;
mod states;

use super::*;
use wire::MacAddr;
use wire::arp::Arp;
use wire::build::{Checksum, UdpDatagram};
use wire::dhcp::{CLIENT_PORT, FLAG_BROADCAST, MIN_LIMIT, Message, MessageType, SERVER_PORT, code};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn config() -> Config {
    Config::new(GATEWAY, 24, GATEWAY_MAC)
}

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 0, last)
}

fn guest(number: u32) -> GuestKey {
    let [a, b, c, d] = number.to_be_bytes();
    GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([6, 0, a, b, c, d]) }
}

/// A server on a LAN, and a clock.
struct Lan {
    server: Server,
    now: Now,
    bound: Vec<Lease>,
    ended: Vec<(Lease, EndReason)>,
    frames: Vec<Vec<u8>>,
}

impl Lan {
    fn new(config: Config) -> Self {
        let now = Now { mono: Duration::from_secs(5), unix: Duration::from_secs(1_700_000_000) };
        let server = Server::new(config, 4);
        Self { server, now, bound: Vec::new(), ended: Vec::new(), frames: Vec::new() }
    }

    fn pass(&mut self, secs: u64) {
        self.now = self.now.plus(Duration::from_secs(secs));
        self.server.handle_timeout(self.now);
        self.drain();
    }

    /// Sends a message as the guest would; the reply, if there is one.
    fn ask(&mut self, key: GuestKey, message: &Message) -> (Outcome, Option<Reply>) {
        let mut payload = Vec::new();
        assert_eq!(message.emit(&mut payload, 1472), 0);
        let dst = if message.ciaddr == NONE { Ipv4Addr::BROADCAST } else { GATEWAY };
        self.ask_raw(key, message.ciaddr, dst, &payload)
    }

    fn ask_raw(&mut self, key: GuestKey, src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> (Outcome, Option<Reply>) {
        let (eth_src, eth_dst) = (key.mac, MacAddr::BROADCAST);
        let datagram = UdpDatagram { eth_src, eth_dst, src, dst, sport: CLIENT_PORT, dport: SERVER_PORT, payload };
        let outcome = self.server.handle(self.now, key, &datagram);
        let before = self.frames.len();
        self.drain();
        let reply = self.frames[before..].iter().find_map(|frame| Reply::parse(frame));
        (outcome, reply)
    }

    fn arp(&mut self, key: GuestKey, arp: &Arp) -> Outcome {
        let outcome = self.server.handle_arp(self.now, key, arp);
        self.drain();
        outcome
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { frame, .. } => self.frames.push(frame),
                Output::Bound(lease) => self.bound.push(lease),
                Output::Ended { lease, why } => self.ended.push((lease, why)),
            }
        }
    }

    fn discover(&mut self, key: GuestKey) -> (Outcome, Option<Reply>) {
        self.ask(key, &Message::request(MessageType::Discover, 1, key.mac))
    }

    /// What `key` is offered.
    fn offer(&mut self, key: GuestKey) -> Ipv4Addr {
        let (outcome, reply) = self.discover(key);
        assert_eq!(outcome, Outcome::Offered, "{key}");
        reply.expect("an offer").message.yiaddr
    }

    fn select(&mut self, key: GuestKey, address: Ipv4Addr) -> (Outcome, Option<Reply>) {
        self.ask(key, &selecting(key, address))
    }

    /// All four messages.
    fn join(&mut self, key: GuestKey) -> Ipv4Addr {
        let address = self.offer(key);
        let (outcome, reply) = self.select(key, address);
        assert_eq!(outcome, Outcome::Acknowledged, "{key}");
        assert_eq!(reply.expect("an ACK").message.yiaddr, address);
        address
    }

    fn renew(&mut self, key: GuestKey, address: Ipv4Addr) -> (Outcome, Option<Reply>) {
        self.ask(key, &renewing(key, address))
    }

    fn addresses(&self) -> Vec<Ipv4Addr> {
        self.server.leases().map(|lease| lease.address).collect()
    }

    fn count(&self, outcome: Outcome) -> u64 {
        self.server.counts().find(|&(o, _)| o == outcome).map_or(0, |(_, count)| count)
    }
}

/// A reply and the frame it came in.
struct Reply {
    eth_dst: MacAddr,
    dst: Ipv4Addr,
    dport: u16,
    message: Message,
}

impl Reply {
    fn parse(frame: &[u8]) -> Option<Self> {
        let datagram = UdpDatagram::parse(frame, Checksum::Verify).ok()?;
        assert_eq!((datagram.src, datagram.sport, datagram.eth_src), (GATEWAY, SERVER_PORT, GATEWAY_MAC));
        let message = Message::parse(datagram.payload).expect("a DHCP message");
        Some(Self { eth_dst: datagram.eth_dst, dst: datagram.dst, dport: datagram.dport, message })
    }

    fn kind(&self) -> MessageType {
        self.message.options.get(code::MESSAGE_TYPE).expect("a type")[0].into()
    }

    fn option(&self, code: u8) -> Option<&[u8]> {
        self.message.options.get(code)
    }

    fn secs(&self, code: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.option(code)?.try_into().expect("four octets")))
    }
}

fn selecting(key: GuestKey, address: Ipv4Addr) -> Message {
    let mut message = rebooting(key, address);
    message.options.push(code::SERVER_ID, &GATEWAY.octets());
    message
}

fn rebooting(key: GuestKey, address: Ipv4Addr) -> Message {
    let mut message = Message::request(MessageType::Request, 2, key.mac);
    message.options.push(code::REQUESTED_ADDRESS, &address.octets());
    message
}

fn renewing(key: GuestKey, address: Ipv4Addr) -> Message {
    Message { ciaddr: address, ..Message::request(MessageType::Request, 3, key.mac) }
}
