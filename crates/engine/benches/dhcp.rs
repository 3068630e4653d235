//! How many messages a second the DHCP server handles, and what a lease takes: `cargo bench -p poblano-engine --bench dhcp`.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock and prints")]

use engine::dhcp::{Config, Output, Server};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use wire::build::{Checksum, UdpDatagram};
use wire::dhcp::{CLIENT_PORT, MIN_LIMIT, Message, MessageType, Packet, SERVER_PORT, code};
use wire::{GuestKey, MacAddr, Now, Vlan};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const GUESTS: u32 = 60_000;

fn main() {
    let mut config = Config::new(GATEWAY, 16, MacAddr([2, 0, 0, 0, 0, 1]));
    config.domain = Some("guest.example".into());
    let mut server = Server::new(config, 1);
    let before = resident_kb();
    let mut handled = Duration::ZERO;
    let mut messages = 0;
    for number in 0..GUESTS {
        let now = Duration::from_secs(1) + Duration::from_micros(u64::from(number) * 100);
        let now = Now { mono: now, unix: now };
        let mut offered = None;
        // The pool becomes nearly full, which is when finding a free address is hardest.
        for _ in 0..2 {
            let question = question(number, offered);
            let datagram = question.as_datagram();
            let key = GuestKey { lan: 0, vlan: Vlan::NONE, mac: datagram.eth_src };
            let start = Instant::now();
            server.handle(now, key, &datagram);
            handled += start.elapsed();
            messages += 1;
            while let Some(output) = server.poll_output() {
                offered = offered.or_else(|| yiaddr(&output));
            }
        }
    }
    let leases = server.leases().count();
    println!("{messages} messages in {handled:?}: {:.0} a second", f64::from(messages) / handled.as_secs_f64());
    if let (Some(before), Some(after)) = (before, resident_kb()) {
        println!("{leases} leases, {} octets each", after.saturating_sub(before) * 1024 / leases.max(1));
    }
}

struct Question {
    mac: MacAddr,
    payload: Vec<u8>,
}

impl Question {
    fn as_datagram(&self) -> UdpDatagram<'_> {
        UdpDatagram {
            eth_src: self.mac,
            eth_dst: MacAddr::BROADCAST,
            src: Ipv4Addr::UNSPECIFIED,
            dst: Ipv4Addr::BROADCAST,
            sport: CLIENT_PORT,
            dport: SERVER_PORT,
            payload: &self.payload,
        }
    }
}

/// DISCOVER, or REQUEST for what was offered.
fn question(number: u32, offered: Option<Ipv4Addr>) -> Question {
    let [a, b, c, d] = number.to_be_bytes();
    let mac = MacAddr([6, 0, a, b, c, d]);
    let message_type = if offered.is_some() { MessageType::Request } else { MessageType::Discover };
    let mut message = Message::request(message_type, number, mac);
    message.options.push(code::PARAMETER_LIST, &[1, 3, 6, 15, 28, 42, 114, 121]);
    message.options.push(code::HOST_NAME, b"phone-of-somebody");
    message.options.push(code::CLIENT_ID, &[1, 6, 0, a, b, c, d]);
    if let Some(address) = offered {
        message.options.push(code::REQUESTED_ADDRESS, &address.octets());
        message.options.push(code::SERVER_ID, &GATEWAY.octets());
    }
    let mut payload = Vec::new();
    message.emit(&mut payload, MIN_LIMIT);
    Question { mac, payload }
}

fn yiaddr(output: &Output) -> Option<Ipv4Addr> {
    let Output::Send { frame, .. } = output else { return None };
    let datagram = UdpDatagram::parse(frame, Checksum::Trust).ok()?;
    Packet::parse(datagram.payload).ok().map(|packet| packet.yiaddr())
}

/// What the process has in memory, where the system tells it.
fn resident_kb() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
}
