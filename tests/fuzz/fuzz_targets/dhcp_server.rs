//! Five stations talk to the DHCP server of a network with five addresses: any messages in any order, well formed and
//! not, with time passing; or they are lent one unasked. A simple model remembers who was told that it has which address.
#![no_main]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use engine::dhcp::{Config, EndReason, Host, Lease, Output, Server};
use libfuzzer_sys::fuzz_target;
use poblano_fuzz::{Input, start};
use wire::arp::Arp;
use wire::build::{Checksum, UdpDatagram};
use wire::dhcp::{CLIENT_PORT, Message, MessageType, SERVER_PORT, code};
use wire::{GuestKey, MacAddr, Now, Vlan};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const STATIONS: u8 = 5;

const TYPES: [MessageType; 5] =
    [MessageType::Discover, MessageType::Request, MessageType::Decline, MessageType::Release, MessageType::Inform];

struct World {
    server: Server,
    now: Now,
    /// Who was told that it has which address, and until when.
    lent: BTreeMap<Ipv4Addr, (GuestKey, Duration)>,
    /// Who has a session, on which address.
    online: BTreeMap<GuestKey, Ipv4Addr>,
}

fn station(number: u8) -> GuestKey {
    let number = number % STATIONS;
    GuestKey { lan: 0, vlan: Vlan(u16::from(number / 4)), mac: MacAddr([2, 0, 0, 0, 1, number % 4]) }
}

fn config(flags: u8) -> Config {
    let mut config = Config::new(GATEWAY, 29, MacAddr([2, 0, 0, 0, 0, 1]));
    config.lease = Duration::from_secs(300);
    config.lease_before_login = (flags & 1 != 0).then_some(Duration::from_secs(90));
    config.authoritative = flags & 2 == 0;
    config.conflict_probe = flags & 4 == 0;
    config.host_routes = flags & 8 != 0;
    config.any_address = flags & 8 == 0;
    if flags & 16 != 0 {
        config.relays.push(RELAY);
    }
    if flags & 32 != 0 {
        let host = Host { address: Some(Ipv4Addr::new(10, 1, 0, 4)), ..Host::default() };
        config.hosts.insert(station(0).mac, host);
    }
    if flags & 64 != 0 {
        config.max_leases = 3;
    }
    if flags & 128 != 0 {
        config.ranges = vec![Ipv4Addr::new(10, 1, 0, 3)..=Ipv4Addr::new(10, 1, 0, 5)];
    }
    config
}

impl World {
    fn message<'a>(&self, input: &mut Input<'a>, key: GuestKey) -> Message {
        let leased = self.server.lease(key).map_or(Ipv4Addr::new(10, 1, 0, 2), |lease| lease.address);
        let last = input.u8() % 8;
        let addresses = [Ipv4Addr::UNSPECIFIED, leased, Ipv4Addr::new(10, 1, 0, last)];
        let mut message = Message::request(input.choose(&TYPES), 7, key.mac);
        let choices = input.u8();
        message.ciaddr = input.address(&addresses);
        if choices & 1 != 0 {
            message.options.push(code::REQUESTED_ADDRESS, &input.address(&addresses).octets());
        }
        if choices & 2 != 0 {
            message.options.push(code::SERVER_ID, &input.address(&[GATEWAY]).octets());
        }
        if choices & 4 != 0 {
            message.giaddr = input.address(&[RELAY]);
        }
        if choices & 8 != 0 {
            message.options.push(input.u8(), input.short());
        }
        if choices & 16 != 0 {
            message.flags = input.u16();
        }
        message
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let what = input.u8();
        let key = station(input.u8());
        match what % 8 {
            0..=3 => {
                let message = self.message(input, key);
                let mut payload = Vec::new();
                message.emit(&mut payload, 1472);
                let dst = if what & 8 == 0 { Ipv4Addr::BROADCAST } else { GATEWAY };
                self.send(key, message.ciaddr, dst, &payload);
            }
            4 => {
                let payload = input.short();
                self.send(key, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, payload);
            }
            5 if what & 8 != 0 => {
                let foreign = input.address(&[Ipv4Addr::new(192, 168, 7, 5), Ipv4Addr::new(10, 1, 0, 3)]);
                self.server.lend_unasked(self.now, key, foreign);
            }
            5 => {
                let arp = Arp { sender: Ipv4Addr::new(10, 1, 0, input.u8() % 8), ..Arp::probe(key.mac, GATEWAY) };
                self.server.handle_arp(self.now, key, &arp);
            }
            6 => match self.server.lease(key).map(|lease| lease.address) {
                Some(address) if what & 8 == 0 && !self.online.contains_key(&key) => {
                    self.online.insert(key, address);
                    self.server.protect(key, true);
                }
                _ => {
                    self.online.remove(&key);
                    self.server.protect(key, false);
                }
            },
            _ if what & 8 != 0 => self.server.reconfigure(self.now, config(input.u8())),
            _ => {
                self.now = self.now.plus(Duration::from_secs(u64::from(input.u8())));
                self.server.handle_timeout(self.now);
            }
        }
        self.drain();
        self.check();
    }

    fn send(&mut self, key: GuestKey, src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) {
        let (eth_src, eth_dst) = (key.mac, MacAddr::BROADCAST);
        let datagram = UdpDatagram { eth_src, eth_dst, src, dst, sport: CLIENT_PORT, dport: SERVER_PORT, payload };
        self.server.handle(self.now, key, &datagram);
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Bound(lease) => self.bound(&lease),
                Output::Ended { lease, why } => {
                    let ended = self.lent.remove(&lease.address);
                    assert_eq!(ended.map(|(key, _)| key), Some(lease.key), "only a lease ends, by {why:?}");
                    if why == EndReason::Reconfigured {
                        // A new configuration goes before sessions; the gateway ends them.
                        self.online.remove(&lease.key);
                    }
                }
                Output::Send { frame, .. } => self.sent(&frame),
            }
        }
    }

    fn bound(&mut self, lease: &Lease) {
        let config = self.server.config();
        assert!(config.is_host_address(lease.address) && lease.address != GATEWAY, "{lease:?}");
        assert!(lease.ends > self.now.mono);
        assert!(lease.foreign.is_none_or(|foreign| config.any_address && config.is_foreign(foreign)), "{lease:?}");
        if let Some((key, _)) = self.lent.insert(lease.address, (lease.key, lease.ends)) {
            assert_eq!(key, lease.key, "{} is lent twice", lease.address);
        }
        for (key, address) in &self.online {
            assert!(*address != lease.address || *key == lease.key, "{address} has a session on it");
        }
    }

    fn sent(&self, frame: &[u8]) {
        let Ok(datagram) = UdpDatagram::parse(frame, Checksum::Verify) else {
            Arp::parse(&frame[14..]).expect("DHCP or ARP");
            return;
        };
        let reply = Message::parse(datagram.payload).expect("what we make can be read");
        let kind = reply.options.get(code::MESSAGE_TYPE).expect("a type")[0];
        if matches!(kind.into(), MessageType::Offer | MessageType::Ack) && !reply.yiaddr.is_unspecified() {
            let holder = self.lent.get(&reply.yiaddr).map(|(key, _)| key.mac.0);
            let to = &reply.chaddr[..6];
            assert!(holder.is_none_or(|mac| mac == to), "somebody else has {}", reply.yiaddr);
            assert!(holder.is_some() || kind != u8::from(MessageType::Ack), "the lease is kept before it is told");
        }
    }

    fn check(&self) {
        let mut count = 0;
        for lease in self.server.leases() {
            count += 1;
            assert_eq!(self.lent.get(&lease.address).map(|(key, _)| *key), Some(lease.key));
            assert_eq!(self.server.lease_at(lease.address).as_ref(), Some(&lease));
            assert_eq!(self.server.lease(lease.key), Some(lease));
        }
        assert_eq!(count, self.lent.len(), "the server knows each lease that a guest knows");
        assert!(count <= 6);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let server = Server::new(config(input.u8()), 4);
    let mut world = World { server, now: start(), lent: BTreeMap::new(), online: BTreeMap::new() };
    while !input.is_empty() {
        world.step(&mut input);
    }
});
