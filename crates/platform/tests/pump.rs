//! Guest to Internet and back through our two ports, with the least that can stand between them. Needs root, or a
//! user namespace's root.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "in a test an error is a failure, and rates are told")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use common::{GATEWAY, GUEST_MAC, INTERNET, LAN, LAN_MAC, Net, UPLINK, WAIT, forward_spec, net, tun_spec};
use fastpath::port::{LanPort, Packet, TunPort};
use platform::{Host, System, TunMode, UplinkSpec, Waker};

const IPV4: u16 = 0x0800;
/// Octets of each transfer.
const TRANSFER: u64 = 256 << 20;

/// A running gateway of the simplest kind.
struct Pump {
    host: Host,
    waker: Waker,
    threads: Vec<thread::JoinHandle<()>>,
    /// The longest packet to and from the guest.
    longest: [Arc<AtomicUsize>; 2],
}

fn batch() -> Vec<Packet> {
    (0..32).map(|_| Packet::new()).collect()
}

fn guest_to_kernel(lan: &dyn LanPort, tun: &dyn TunPort, waker: &Waker, longest: &AtomicUsize) {
    let mut batch = batch();
    while !waker.is_woken() {
        let count = lan.recv(&mut batch, WAIT).unwrap();
        let is_ipv4 = |n: &usize| batch[*n].ethertype() == IPV4;
        let which: Vec<usize> = (0..count).filter(is_ipv4).collect();
        for &n in &which {
            longest.fetch_max(batch[n].l3().len(), Ordering::Relaxed);
        }
        tun.send(&mut batch, &which);
    }
}

fn kernel_to_guest(tun: &dyn TunPort, lan: &dyn LanPort, waker: &Waker, longest: &AtomicUsize) {
    let mut batch = batch();
    while !waker.is_woken() {
        let count = tun.recv(&mut batch, WAIT).unwrap();
        for packet in &mut batch[..count] {
            longest.fetch_max(packet.l3().len(), Ordering::Relaxed);
            packet.set_link(GUEST_MAC, LAN_MAC, IPV4);
        }
        let which: Vec<usize> = (0..count).collect();
        lan.send(&mut batch, &which);
    }
}

/// Must be called in the gateway's namespace.
fn start(mode: TunMode, uplink: &UplinkSpec) -> Pump {
    let waker = Waker::new().unwrap();
    let mut host = Host::new();
    host.lock_lans(&[LAN]).unwrap();
    let lan = host.open_lan(LAN, &waker).unwrap();
    let tun = host.create_tun(&tun_spec(mode), &waker).unwrap();
    host.configure_uplink(uplink).unwrap();
    host.forward(&[forward_spec()]).unwrap();
    let longest = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let up = {
        let (lan, tun, waker, longest) = (lan.clone(), tun.clone(), waker.clone(), longest[0].clone());
        thread::spawn(move || guest_to_kernel(&*lan, &*tun, &waker, &longest))
    };
    let down = {
        let (waker, longest) = (waker.clone(), longest[1].clone());
        thread::spawn(move || kernel_to_guest(&*tun, &*lan, &waker, &longest))
    };
    Pump { host, waker, threads: vec![up, down], longest }
}

impl Pump {
    fn stop(mut self) {
        self.waker.wake();
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.host.undo().unwrap();
    }
}

fn prepare_guest(net: &Net) {
    net.guest.add_route((std::net::Ipv4Addr::UNSPECIFIED, 0), "eth0", GATEWAY).unwrap();
    let mac = LAN_MAC.to_string();
    let neighbour = ["neigh", "replace", &GATEWAY.to_string(), "lladdr", &mac, "dev", "eth0"];
    assert!(Net::run(&net.guest, "ip", &neighbour).1);
}

/// The pattern of a transfer: not a multiple of any segment size, so that a mixed-up packet is noticed.
fn pattern() -> Vec<u8> {
    (0..65_521u32).map(|n| (n % 251) as u8).collect()
}

fn send_all(mut stream: TcpStream) {
    let pattern = pattern();
    let mut left = TRANSFER;
    while left > 0 {
        let len = left.min(pattern.len() as u64) as usize;
        stream.write_all(&pattern[..len]).unwrap();
        left -= len as u64;
    }
}

fn receive_all(mut stream: TcpStream) -> u64 {
    let pattern = pattern();
    let mut piece = vec![0; pattern.len()];
    let mut total = 0;
    loop {
        let mut filled = 0;
        while filled < piece.len() {
            match stream.read(&mut piece[filled..]).unwrap() {
                0 => break,
                len => filled += len,
            }
        }
        assert!(piece[..filled] == pattern[..filled], "the data is not what was sent");
        total += filled as u64;
        if filled < piece.len() {
            return total;
        }
    }
}

fn gigabits(since: Instant) -> f64 {
    TRANSFER as f64 * 8.0 / since.elapsed().as_secs_f64() / 1e9
}

fn transfer_both_ways(mode: TunMode) {
    let Some(net) = net() else { return };
    prepare_guest(&net);
    let before = net.state();
    let uplink =
        UplinkSpec { interface: UPLINK.into(), address: common::UPLINK_ADDRESS, prefix: 24, gateway: INTERNET };
    let pump = net.gateway.run(|| start(mode, &uplink)).unwrap();
    let listener = net.internet.run(|| TcpListener::bind((INTERNET, 80)).unwrap()).unwrap();
    let connect = || net.guest.run(|| TcpStream::connect((INTERNET, 80)).unwrap()).unwrap();

    let (guest, (internet, peer)) = (connect(), listener.accept().unwrap());
    assert_eq!(peer.ip(), common::UPLINK_ADDRESS, "the guest's address is rewritten");
    let start = Instant::now();
    let sender = thread::spawn(move || send_all(guest));
    assert_eq!(receive_all(internet), TRANSFER);
    sender.join().unwrap();
    println!("{mode:?} guest to Internet: {:.1} Gbit/s", gigabits(start));

    let (guest, (internet, _)) = (connect(), listener.accept().unwrap());
    let start = Instant::now();
    let sender = thread::spawn(move || send_all(internet));
    assert_eq!(receive_all(guest), TRANSFER);
    sender.join().unwrap();
    println!("{mode:?} Internet to guest: {:.1} Gbit/s", gigabits(start));

    for longest in &pump.longest {
        let longest = longest.load(Ordering::Relaxed);
        assert!(longest > 16_000, "the longest packet had {longest} octets: offload does not pass");
    }
    net.gateway.run(|| pump.stop()).unwrap();
    assert_eq!(net.state(), before);
}

#[test]
fn a_guests_transfer_crosses_the_tun_in_super_packets() {
    transfer_both_ways(TunMode::Tun);
}

#[test]
fn a_guests_transfer_crosses_the_tap_in_super_packets() {
    transfer_both_ways(TunMode::Tap);
}
