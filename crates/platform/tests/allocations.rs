//! Once its threads run, the packet path takes no memory: not for what is forwarded, joined, redirected, refused,
//! dropped or handed to our own servers.

#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used, reason = "in a test an error is a failure")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fastpath::counters::{Counters, Reason};
use fastpath::garden::{Garden, Network};
use fastpath::pipeline::Plane;
use fastpath::police::Rate;
use fastpath::port::{HEADROOM, LanPort, Packet, Segmentation, TunPort};
use fastpath::pump;
use fastpath::redirect::Redirector;
use fastpath::session::Policy;
use fastpath::shape::Flows;
use fastpath::slow::{SlowFrame, SlowPath, StationLimit};
use fastpath::table::Table;
use fastpath::verdict::{Service, Verdict};
use wire::checksum::{add, fold, of, pseudo_v4};
use wire::routes::Routes;
use wire::{GuestKey, MacAddr, Vlan};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const INTERNET: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// Guest 2 is online, guest 3 has a lease only.
const ONLINE: u8 = 2;
const OFFLINE: u8 = 3;
const STRANGER: u8 = 4;
/// Batches that are carried; the first may still take memory for what stays.
const BATCHES: usize = 10;

thread_local! { static TAKEN: Cell<usize> = const { Cell::new(0) }; }

struct Counting;

// SAFETY: all is left to the system's allocator; the counter has no destructor and takes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A port that gives the same packets again and again, and counts what it is told to send.
struct Port {
    packets: Vec<(u8, Vec<u8>)>,
    rounds: AtomicUsize,
    taken: AtomicUsize,
    sent: AtomicUsize,
    stop: Arc<AtomicBool>,
}

impl Port {
    fn new(packets: Vec<(u8, Vec<u8>)>, stop: &Arc<AtomicBool>) -> Self {
        let none = || AtomicUsize::new(0);
        Self { packets, rounds: none(), taken: none(), sent: none(), stop: Arc::clone(stop) }
    }

    fn fill(&self, batch: &mut [Packet]) -> usize {
        if batch.len() < self.packets.len() {
            // A gateway that nobody has used yet has fewer buffers: it makes the others when these are full.
            for packet in &mut *batch {
                packet.set_l3_len(1);
                packet.set_link(GATEWAY_MAC, mac(ONLINE), 0x88cc);
            }
            return batch.len();
        }
        match self.rounds.fetch_add(1, Ordering::Relaxed) {
            1 => self.taken.store(TAKEN.get(), Ordering::Relaxed),
            BATCHES => {
                self.taken.store(TAKEN.get() - self.taken.load(Ordering::Relaxed), Ordering::Relaxed);
                self.stop.store(true, Ordering::Relaxed);
                return 0;
            }
            _ => {}
        }
        for (packet, (station, l3)) in batch.iter_mut().zip(&self.packets) {
            packet.memory_mut()[HEADROOM..HEADROOM + l3.len()].copy_from_slice(l3);
            packet.set_l3_len(l3.len());
            packet.set_link(GATEWAY_MAC, mac(*station), if l3[0] == 0 { 0x0806 } else { 0x0800 });
            packet.vnet = wire::vnet::VnetHeader::default();
        }
        self.packets.len()
    }

    fn take(&self, which: &[usize]) -> usize {
        self.sent.fetch_add(which.len(), Ordering::Relaxed);
        0
    }
}

impl LanPort for Port {
    fn recv(&self, batch: &mut [Packet], _: Duration) -> io::Result<usize> {
        Ok(self.fill(batch))
    }

    fn send(&self, _: &mut [Packet], which: &[usize]) -> usize {
        self.take(which)
    }

    fn send_frame(&self, _: Vlan, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

impl TunPort for Port {
    fn recv(&self, batch: &mut [Packet], _: Duration) -> io::Result<usize> {
        Ok(self.fill(batch))
    }

    fn send(&self, _: &mut [Packet], which: &[usize]) -> usize {
        self.take(which)
    }

    fn segmentation(&self) -> Segmentation {
        Segmentation { tcp: true, udp: true }
    }
}

struct Servers;

impl SlowPath for Servers {
    fn offer(&self, _: SlowFrame<'_>) -> bool {
        true
    }
}

fn mac(station: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 1, station])
}

fn address(station: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, station)
}

fn plane() -> Plane {
    let (table, mut writer) = Table::new(8, 7);
    for station in [ONLINE, OFFLINE] {
        let rate = Rate::bits_per_second(100_000_000_000);
        let policy = Policy { online: station == ONLINE, rate_up: rate, rate_down: rate, ..Policy::default() };
        writer.insert(GuestKey { lan: 0, vlan: Vlan::NONE, mac: mac(station) }, address(station), &policy).unwrap();
    }
    Plane {
        table,
        garden: Arc::new(Garden::new(1024, 7)),
        gateway: GATEWAY,
        network: Network::new(GATEWAY, 24).unwrap(),
        broadcast: Ipv4Addr::new(10, 0, 0, 255),
        routes: Routes::default(),
        lan_mac: GATEWAY_MAC,
        lan: 0,
        untagged: true,
        http_proxy: None,
        portal_ports: [3990; 2],
        secure_port: None,
        redirector: Redirector::new("http://10.0.0.1:3990", GATEWAY, &["wifi.internal"], [1, 2]),
        flows: Flows::new(4),
        slow: Arc::new(Servers),
        slow_limit: StationLimit::new(3),
        from_guests: Counters::default(),
        to_guests: Counters::default(),
    }
}

/// A packet with a right checksum of its IPv4 header and its transport.
fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, transport: &[u8], checksum_at: usize) -> Vec<u8> {
    let total = 20 + transport.len() as u16;
    let mut l3 = vec![0x45, 0];
    l3.extend(total.to_be_bytes());
    l3.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    l3.extend(from.octets());
    l3.extend(to.octets());
    let sum = of(&l3);
    l3[10..12].copy_from_slice(&sum.to_be_bytes());
    l3.extend(transport);
    let sum = !fold(add(pseudo_v4(from, to, protocol, total - 20), transport));
    l3[20 + checksum_at..22 + checksum_at].copy_from_slice(&sum.to_be_bytes());
    l3
}

fn udp(from: Ipv4Addr, to: Ipv4Addr, port: u16) -> Vec<u8> {
    let mut datagram = 40_000u16.to_be_bytes().to_vec();
    datagram.extend(port.to_be_bytes());
    datagram.extend([0, 12, 0, 0, 1, 2, 3, 4]);
    ipv4(from, to, 17, &datagram, 6)
}

fn tcp(from: Ipv4Addr, to: Ipv4Addr, port: u16, sequence: u8, flags: u8) -> Vec<u8> {
    let mut segment = 40_000u16.to_be_bytes().to_vec();
    segment.extend(port.to_be_bytes());
    segment.extend([0, 0, 0, sequence, 0, 0, 0, 9, 0x50, flags, 0x20, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    ipv4(from, to, 6, &segment, 16)
}

/// Runs a direction and says how often it took memory after its first batch.
fn taken(carry: impl FnOnce(&Plane, &Port, &Port, &AtomicBool), plane: &Plane, packets: Vec<(u8, Vec<u8>)>) -> usize {
    let stop = Arc::new(AtomicBool::new(false));
    let (from, to) = (Port::new(packets, &stop), Port::new(Vec::new(), &stop));
    carry(plane, &from, &to, &stop);
    assert!(TAKEN.get() > 0, "the allocator counts");
    from.taken.load(Ordering::Relaxed)
}

fn clock() -> Duration {
    Duration::from_secs(100)
}

#[test]
fn carrying_packets_up_takes_no_memory() {
    let plane = plane();
    let (online, offline) = (address(ONLINE), address(OFFLINE));
    let mut packets = vec![
        (OFFLINE, tcp(offline, INTERNET, 80, 1, 2)),
        (OFFLINE, tcp(offline, INTERNET, 443, 1, 2)),
        (OFFLINE, udp(offline, INTERNET, 443)),
        (STRANGER, udp(address(STRANGER), INTERNET, 443)),
        (ONLINE, udp(offline, INTERNET, 443)),
        (ONLINE, udp(online, GATEWAY, 53)),
        (ONLINE, vec![0; 28]),
    ];
    packets.extend((0..10).map(|_| (ONLINE, udp(online, INTERNET, 443))));
    packets.extend((0..10).map(|n| (ONLINE, tcp(online, INTERNET, 443, 4 * n, 16))));
    let carry = |plane: &Plane, lan: &Port, tun: &Port, stop: &AtomicBool| {
        pump::carry_up(plane, lan, tun, &clock, stop).unwrap();
        assert_eq!(tun.sent.load(Ordering::Relaxed), 2 * BATCHES, "two super-packets");
        assert!(lan.sent.load(Ordering::Relaxed) > 0, "answers went back");
    };
    assert_eq!(taken(carry, &plane, packets), 0);
    for (verdict, each) in [
        (Verdict::Forward, 20),
        (Verdict::Redirect, 1),
        (Verdict::Reject(Reason::NotLoggedIn), 2),
        (Verdict::Drop(Reason::UnknownGuest), 1),
        (Verdict::Drop(Reason::SourceSpoofed), 1),
        (Verdict::Serve(Service::Dns), 1),
        (Verdict::Serve(Service::Arp), 1),
    ] {
        assert_eq!(plane.from_guests.get(verdict), each * BATCHES as u64, "{verdict:?}");
    }
}

#[test]
fn carrying_packets_down_takes_no_memory() {
    let plane = plane();
    let mut packets: Vec<_> = (0..10).map(|_| (0, udp(INTERNET, address(ONLINE), 443))).collect();
    packets.push((0, udp(INTERNET, address(OFFLINE), 443)));
    packets.push((0, udp(INTERNET, address(STRANGER), 443)));
    let carry = |plane: &Plane, tun: &Port, lan: &Port, stop: &AtomicBool| {
        pump::carry_down(plane, lan, tun, &clock, stop).unwrap();
        assert_eq!(lan.sent.load(Ordering::Relaxed), BATCHES, "one super-packet");
    };
    assert_eq!(taken(carry, &plane, packets), 0);
    assert_eq!(plane.to_guests.get(Verdict::Forward), 10 * BATCHES as u64);
}
