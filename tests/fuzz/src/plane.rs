//! A packet path with a few guests, for the targets that throw packets at it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex};

use fastpath::counters::Counters;
use fastpath::garden::{Entry, FOREVER, Garden, Network, Who};
use fastpath::pipeline::Plane;
use fastpath::police::Rate;
use fastpath::port::{HEADROOM, MAX_L3, Packet};
use fastpath::redirect::Redirector;
use fastpath::session::Policy;
use fastpath::shape::Flows;
use fastpath::slow::{SlowFrame, SlowPath, StationLimit};
use fastpath::table::Table;
use wire::frame::{Ipv4, Transport};
use wire::routes::Routes;
use wire::vnet::VnetHeader;
use wire::{GuestKey, MacAddr, Vlan, checksum};

use crate::{Input, start};

/// Our address on the guests' network, which is a /24.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
/// Our station.
pub const LAN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// A walled garden host, TCP port 443 only.
pub const GARDEN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);
/// The portal.
pub const PORTAL_PORT: u16 = 3990;

/// Keeps what was offered to our own servers.
#[derive(Default)]
pub struct Offered(Mutex<usize>);

impl SlowPath for Offered {
    fn offer(&self, frame: SlowFrame<'_>) -> bool {
        assert!(frame.frame.len() >= 14);
        let mut count = self.0.lock().expect("nobody panicked");
        *count += 1;
        !count.is_multiple_of(4)
    }
}

/// What guest 6 uses instead of its leased address.
pub const FOREIGN: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 5);

/// Guests 2 (online), 3 (its time is over), 4 (never logged in), 5 (online, slow) and 6 (online with an address of another
/// network), by their last octets.
#[must_use]
pub fn guest(number: u8) -> GuestKey {
    GuestKey { lan: 0, vlan: Vlan(u16::from(number & 1)), mac: MacAddr([2, 0, 0, 0, 1, number]) }
}

/// The address of a guest.
#[must_use]
pub fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 0, number)
}

/// The packet path and its guests.
///
/// # Panics
/// Never, with these values.
#[must_use]
pub fn plane() -> Plane {
    let (table, mut writer) = Table::new(8, 1);
    let online = Policy { online: true, ..Policy::default() };
    let over = Policy { ends_at_secs: Some(start().mono.as_secs() as u32), ..online };
    let slow = Policy { rate_up: Rate::bits_per_second(8000), rate_down: Rate::bits_per_second(8000), ..online };
    for (number, policy) in [(2, online), (3, over), (4, Policy::default()), (5, slow), (6, online)] {
        let slot = writer.insert(guest(number), address(number), &policy).expect("there is room");
        writer.set_foreign(slot, (number == 6).then_some(FOREIGN));
    }
    let entry = Entry { network: Network::host(GARDEN), protocol: Some(6), port: Some(443) };
    let garden = Garden::new(16, 7);
    garden.open(Who::Everybody, &entry, FOREVER).expect("one entry");
    Plane {
        table,
        garden: Arc::new(garden),
        gateway: GATEWAY,
        network: Network::new(GATEWAY, 24).expect("a prefix"),
        broadcast: Ipv4Addr::new(10, 1, 0, 255),
        routes: Routes::default(),
        lan_mac: LAN_MAC,
        lan: 0,
        untagged: true,
        http_proxy: Some(SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 8), 3128)),
        portal_ports: [PORTAL_PORT; 2],
        secure_port: Some(443),
        redirector: Redirector::new("http://10.1.0.1:3990", GATEWAY, &["wifi.internal"], [1, 2]),
        slow: Arc::new(Offered::default()),
        slow_limit: StationLimit::new(1),
        flows: Flows::new(1),
        from_guests: Counters::default(),
        to_guests: Counters::default(),
    }
}

/// How many packets were counted.
#[must_use]
pub fn counted(counters: &Counters) -> u64 {
    counters.list().iter().map(|(_, count)| count).sum()
}

/// True for the guests that are online at the start, by the rules of [`plane`].
#[must_use]
pub fn is_online(key: GuestKey) -> bool {
    key == guest(2) || key == guest(5) || key == guest(6)
}

/// True if somebody who is not logged in may exchange this packet with that far end.
#[must_use]
pub fn is_free(ip: &Ipv4, far: Ipv4Addr, far_port: u16) -> bool {
    far == GATEWAY || (far == GARDEN && ip.protocol == 6 && far_port == 443)
}

/// The ports, source first; zero if there are none.
#[must_use]
pub fn ports(ip: &Ipv4) -> (u16, u16) {
    match ip.transport {
        Transport::Tcp { source, destination, .. } | Transport::Udp { source, destination } => (source, destination),
        _ => (0, 0),
    }
}

/// True if all checksums of the packet are right; fields past its end are not there.
#[must_use]
pub fn is_right(l3: &[u8], ip: &Ipv4) -> bool {
    let Some((header, segment)) = l3[..usize::from(ip.total_len)].split_at_checked(usize::from(ip.header_len)) else {
        return false;
    };
    let pseudo = checksum::pseudo_v4(ip.source, ip.destination, ip.protocol, segment.len() as u16);
    checksum::of(header) == 0
        && (!matches!(ip.transport, Transport::Tcp { .. }) || checksum::fold(checksum::add(pseudo, segment)) == 0xffff)
}

/// Fills the packet from the input: link addresses and tag among a few, or any; the network layer as it comes, or an
/// IPv4 header with values that mean something; offload facts none, or any.
pub fn fill(packet: &mut Packet, input: &mut Input<'_>, known: &[Ipv4Addr]) {
    let how = input.u8();
    let source = guest(2 + input.u8() % 6).mac;
    let destination =
        input.choose(&[LAN_MAC, LAN_MAC, MacAddr::BROADCAST, guest(2).mac, MacAddr([1, 0, 0x5e, 0, 0, 1])]);
    let source = if how & 1 == 0 { source } else { MacAddr(input.array()) };
    let ethertype = if how & 2 == 0 { input.choose(&[0x0800, 0x0800, 0x86dd, 0x0806]) } else { input.u16() };
    packet.set_link(destination, source, ethertype);
    packet.vlan = Vlan(u16::from(input.u8() & 1));
    packet.vnet = VnetHeader::default();
    if how & 4 != 0 {
        packet.vnet = VnetHeader::parse(input.bytes(VnetHeader::LEN)).unwrap_or_default();
    }
    let mut l3 = Vec::new();
    if how & 8 == 0 {
        let transport = transport(input);
        let mut header = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, transport.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header[2..4].copy_from_slice(&(20 + transport.1.len() as u16).to_be_bytes());
        header[12..16].copy_from_slice(&input.address(known).octets());
        header[16..].copy_from_slice(&input.address(known).octets());
        if how & 16 != 0 {
            header[6..8].copy_from_slice(&input.array::<2>());
        }
        let sum = checksum::of(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        l3.extend(header);
        l3.extend(transport.1);
        finish(&mut l3);
        l3.extend(input.rest().iter().take(64)); // padding
    } else {
        l3.extend(input.rest());
    }
    l3.truncate(MAX_L3);
    packet.memory_mut()[HEADROOM..HEADROOM + l3.len()].copy_from_slice(&l3);
    packet.set_l3_len(l3.len());
}

/// Protocol and segment.
fn transport(input: &mut Input<'_>) -> (u8, Vec<u8>) {
    let protocol = input.choose(&[6, 6, 17, 1, 47]);
    let ports = [0, 53, 67, 68, 80, 443, PORTAL_PORT, 50_000];
    let (source, destination) = (input.choose(&ports), input.choose(&ports));
    let flags = input.u8();
    let payload = input.short();
    let mut segment = Vec::new();
    match protocol {
        6 => {
            segment.extend(source.to_be_bytes());
            segment.extend(destination.to_be_bytes());
            segment.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 1, 0, 0, 0, 0, 0]);
        }
        17 => {
            segment.extend(source.to_be_bytes());
            segment.extend(destination.to_be_bytes());
            segment.extend((8 + payload.len() as u16).to_be_bytes());
            segment.extend([0, 0]);
        }
        _ => segment.extend([flags, 0, 0, 0]),
    }
    segment.extend(payload);
    (protocol, segment)
}

/// Finishes the checksum of a TCP segment.
fn finish(l3: &mut [u8]) {
    let Ok(ip) = Ipv4::parse(l3) else { return };
    if !matches!(ip.transport, Transport::Tcp { .. }) {
        return;
    }
    let pseudo = checksum::pseudo_v4(ip.source, ip.destination, ip.protocol, ip.total_len - 20);
    let sum = !checksum::fold(checksum::add(pseudo, &l3[20..]));
    l3[36..38].copy_from_slice(&sum.to_be_bytes());
}
