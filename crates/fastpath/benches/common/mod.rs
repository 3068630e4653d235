//! What the benches of packets have in common.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use fastpath::counters::Counters;
use fastpath::garden::{Garden, Network};
use fastpath::pipeline::Plane;
use fastpath::police::Rate;
use fastpath::port::{HEADROOM, Packet};
use fastpath::redirect::Redirector;
use fastpath::session::Policy;
use fastpath::shape::Flows;
use fastpath::slow::{SlowFrame, SlowPath, StationLimit};
use fastpath::table::Table;
use platform::LargePages;
use wire::routes::Routes;
use wire::vnet::VnetHeader;
use wire::{GuestKey, MacAddr, Vlan};

/// The program's own.
#[global_allocator]
static MEMORY: LargePages = LargePages;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub(crate) const NOW: Duration = Duration::from_secs(100);

struct Nowhere;

impl SlowPath for Nowhere {
    fn offer(&self, _: SlowFrame<'_>) -> bool {
        true
    }
}

pub(crate) fn address(guest: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(GATEWAY.to_bits() + 1 + guest)
}

pub(crate) fn key(guest: u32) -> GuestKey {
    GuestKey { lan: 0, vlan: Vlan::NONE, mac: mac(guest) }
}

pub(crate) fn mac(guest: u32) -> MacAddr {
    let [a, b, c, d] = guest.to_be_bytes();
    MacAddr([6, 0, a, b, c, d])
}

/// A plane with so many guests.
pub(crate) fn plane(guests: u32, online: bool) -> Plane {
    let (table, mut writer) = Table::new(guests, 7);
    let policy = Policy { online, rate_up: Rate::bits_per_second(100_000_000_000), ..Policy::default() };
    for guest in 0..guests {
        writer.insert(key(guest), address(guest), &policy).expect("the table was made for so many");
    }
    Plane {
        table,
        garden: Arc::new(Garden::new(1024, 7)),
        gateway: GATEWAY,
        network: Network::new(GATEWAY, 8).expect("a prefix"),
        broadcast: Ipv4Addr::new(10, 255, 255, 255),
        routes: Routes::default(),
        lan_mac: GATEWAY_MAC,
        lan: 0,
        untagged: true,
        http_proxy: None,
        portal_ports: [3990; 2],
        secure_port: None,
        redirector: Redirector::new("http://10.0.0.1:3990", GATEWAY, &["wifi.internal"], [1, 2]),
        slow: Arc::new(Nowhere),
        slow_limit: StationLimit::new(3),
        flows: Flows::new(4),
        from_guests: Counters::default(),
        to_guests: Counters::default(),
    }
}

/// A TCP segment of 64 octets on the wire.
pub(crate) fn write(packet: &mut Packet, from: Ipv4Addr, to: Ipv4Addr, station: MacAddr) {
    let segment = [0xc0, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6];
    write_segment(packet, from, to, station, &segment);
}

pub(crate) fn write_segment(packet: &mut Packet, from: Ipv4Addr, to: Ipv4Addr, station: MacAddr, segment: &[u8]) {
    let mut l3 = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0];
    l3.extend(from.octets());
    l3.extend(to.octets());
    l3.extend(segment);
    let total = l3.len() as u16;
    l3[2..4].copy_from_slice(&total.to_be_bytes());
    packet.vnet = VnetHeader::default();
    packet.memory_mut()[HEADROOM..HEADROOM + l3.len()].copy_from_slice(&l3);
    packet.set_l3_len(l3.len());
    packet.set_link(GATEWAY_MAC, station, 0x0800);
}
