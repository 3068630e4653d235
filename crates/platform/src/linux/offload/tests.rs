//! The same packets to both: to the packet path in Rust, and through BPF_PROG_TEST_RUN to the programs. What the kernel
//! forwards, Rust must forward too, with the same counts; and what Rust forwards, the kernel must, but for what it leaves
//! to user space on purpose. Needs root.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use fastpath::counters::Counters;
use fastpath::garden::{Garden, Network};
use fastpath::pacer::Pacer;
use fastpath::pipeline::Plane;
use fastpath::police::Rate;
use fastpath::port::{ETH_LEN, HEADROOM, Packet};
use fastpath::redirect::Redirector;
use fastpath::session::{Policy, SlotIndex, Usage};
use fastpath::shape::Flows;
use fastpath::slow::{SlowFrame, SlowPath, StationLimit};
use fastpath::table::{Table, Writer};
use fastpath::verdict::Verdict;
use wire::routes::Routes;
use wire::vnet::VnetHeader;
use wire::{GuestKey, MacAddr, Vlan};

use super::*;
use crate::netns::Netns;

const LAN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const PREFIX: u8 = 16;
const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);
/// `__sk_buff` up to `gso_size`.
const CONTEXT_LEN: usize = 180;
const GSO_SEGS_AT: usize = 164;
const GSO_SIZE_AT: usize = 176;
const IFINDEX_AT: usize = 40;
const REDIRECT: i32 = 7;
const NEXT: i32 = -1;

/// Guests of the test, by the last octet of MAC and address.
const ONLINE: u8 = 10;
const OFFLINE: u8 = 11;
const EXPIRED: u8 = 12;
const STRANGER: u8 = 13;

struct Nowhere;

impl SlowPath for Nowhere {
    fn offer(&self, _: SlowFrame<'_>) -> bool {
        true
    }
}

struct Both {
    offload: Offload,
    plane: Plane,
    _writer: Writer,
    lan: u32,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Outcome {
    forwarded: bool,
    used: Usage,
}

fn mac(guest: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 2, guest])
}

fn address(guest: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 0, guest)
}

/// Runs `test` in a network namespace with a LAN; without root it is skipped aloud.
fn with_both(test: impl FnOnce(Both) + Send) {
    with_both_that(false, test);
}

/// The same, where http may go to a proxy.
fn with_both_that(diverts_http: bool, test: impl FnOnce(Both) + Send) {
    let made = || -> Result<(Netns, Netns)> {
        let nets = (Netns::new()?, Netns::new()?);
        nets.0.cable("lan0", Some(LAN_MAC), &nets.1, "eth0", None)?;
        Ok(nets)
    };
    let nets = match made() {
        Ok(nets) => nets,
        Err(e) if std::env::var_os("POBLANO_REQUIRE_ROOT").is_some() => panic!("{e}"),
        Err(e) => return eprintln!("SKIPPED, nothing was tested: {e}"),
    };
    nets.0.run(|| test(both(diverts_http))).unwrap();
}

fn both(diverts_http: bool) -> Both {
    let lan = super::super::Rtnetlink::open().unwrap().interfaces().unwrap();
    let lan = lan.into_iter().find(|i| i.name == "lan0").unwrap();
    let spec = OffloadSpec {
        lan: "lan0".into(),
        gateway: GATEWAY,
        aliases: ALIASES.map(Some),
        guests: (GATEWAY, PREFIX),
        diverts_http,
        capacity: 64,
    };
    add_place(lan.index).unwrap();
    let mut offload = Offload::load(&spec, &lan).unwrap();
    offload.settings.tun_link_len = ETH_LEN as u16;
    offload.write_settings(lan.index).unwrap();
    assert!(offload.keep_until(Duration::MAX));
    let (table, mut writer) = Table::with_meters(64, 7, offload.meters());
    writer.set_mirror(Some(offload.mirror()));
    // The kernel's clock for it is of its last tick.
    let past_secs = crate::monotonic().as_secs() as u32 - 1;
    let online = Policy { online: true, ..Policy::default() };
    for (guest, policy) in [
        (ONLINE, online),
        (OFFLINE, Policy::default()),
        (EXPIRED, Policy { ends_at_secs: Some(past_secs.max(1)), ..online }),
    ] {
        let key = GuestKey { lan: 0, vlan: Vlan::NONE, mac: mac(guest) };
        writer.insert(key, address(guest), &policy).unwrap();
    }
    let plane = Plane {
        table,
        garden: Arc::new(Garden::new(64, 7)),
        gateway: GATEWAY,
        network: Network::new(GATEWAY, PREFIX).unwrap(),
        broadcast: Ipv4Addr::new(10, 1, 255, 255),
        routes: Routes::default(),
        lan_mac: LAN_MAC,
        lan: 0,
        untagged: true,
        http_proxy: diverts_http.then_some(SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 8), 3128)),
        portal_ports: [3990; 2],
        secure_port: None,
        redirector: Redirector::new("http://10.1.0.1:3990", GATEWAY, &["wifi.internal"], [1, 2])
            .with_addresses(Some(ALIASES[0]), Some(ALIASES[1])),
        slow: Arc::new(Nowhere),
        slow_limit: StationLimit::new(1),
        flows: Flows::new(1),
        from_guests: Counters::default(),
        to_guests: Counters::default(),
    };
    Both { offload, plane, _writer: writer, lan: lan.index }
}

impl Both {
    fn usage(&self) -> Usage {
        (0..3).map(|slot| self.plane.table.usage(SlotIndex(slot))).fold(Usage::default(), |a, b| Usage {
            octets_up: a.octets_up + b.octets_up,
            octets_down: a.octets_down + b.octets_down,
            packets_up: a.packets_up + b.packets_up,
            packets_down: a.packets_down + b.packets_down,
        })
    }

    fn rust(&self, frame: &[u8], segment: u16, up: bool) -> Outcome {
        let mut packet = Packet::new();
        packet.memory_mut()[HEADROOM - ETH_LEN..HEADROOM - ETH_LEN + frame.len()].copy_from_slice(frame);
        packet.set_l3_len(frame.len() - ETH_LEN);
        if segment > 0 {
            packet.vnet = VnetHeader { gso_type: VnetHeader::GSO_TCPV4, gso_size: segment, ..VnetHeader::default() };
        }
        let counters = if up { &self.plane.from_guests } else { &self.plane.to_guests };
        let (before, forwarded) = (self.usage(), counters.get(Verdict::Forward));
        let now = crate::monotonic();
        if up {
            self.plane.from_guest(&mut packet, now, &mut Pacer::new(0));
        } else if packet.ethertype() == 0x0800 {
            self.plane.to_guest(&mut packet, now, &mut Pacer::new(0));
        }
        Outcome { forwarded: counters.get(Verdict::Forward) > forwarded, used: self.usage() - before }
    }

    fn kernel(&self, frame: &[u8], segment: u16, up: bool) -> Outcome {
        let mut context = [0; CONTEXT_LEN];
        context[IFINDEX_AT..IFINDEX_AT + 4].copy_from_slice(&self.lan.to_ne_bytes());
        context[GSO_SIZE_AT..].copy_from_slice(&u32::from(segment).to_ne_bytes());
        context[GSO_SEGS_AT..GSO_SEGS_AT + 4].copy_from_slice(&u32::from(segment > 0).to_ne_bytes());
        let before = self.usage();
        let result = if up {
            // A socket filter's test begins behind an Ethernet header, its life before one.
            let behind = [&LAN_MAC.0, &mac(0).0, &[0x08, 0x00][..], frame].concat();
            let left = self.offload.filter.test_run(&behind, &context);
            let result = run(&self.offload.up, frame, &context);
            if result == REDIRECT {
                assert_eq!(left.ok(), Some(0), "the socket gets a frame that the kernel forwards: {frame:02x?}");
            }
            result
        } else {
            run(&self.offload.down, frame, &context)
        };
        assert!(matches!(result, REDIRECT | NEXT), "{result} of {frame:02x?}");
        Outcome { forwarded: result == REDIRECT, used: self.usage() - before }
    }

    /// Fails where the two disagree, and says whether the packet was forwarded.
    fn compare(&self, frame: &[u8], segment: u16, up: bool) -> bool {
        let (rust, kernel) = (self.rust(frame, segment, up), self.kernel(frame, segment, up));
        if kernel.forwarded || !is_left_to_user_space(frame) {
            assert_eq!(kernel, rust, "up: {up}, segments of {segment}: {frame:02x?}");
        } else {
            assert_eq!(kernel.used, Usage::default(), "not forwarded, but counted: {frame:02x?}");
        }
        rust.forwarded
    }
}

/// What the program does with the frame. The kernel's test takes none that is too short for the header of its type, so
/// there what a program does with it cannot be seen.
fn run(program: &Program, frame: &[u8], context: &[u8]) -> i32 {
    match program.test_run(frame, context) {
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) && frame.len() < ETH_LEN + 40 => NEXT,
        result => result.unwrap(),
    }
}

/// Options and fragments; user space looks at them more closely.
fn is_left_to_user_space(frame: &[u8]) -> bool {
    let fragment = frame.get(20..22).is_some_and(|b| u16::from_be_bytes([b[0], b[1]]) & 0x3fff != 0);
    fragment || frame.get(14).is_some_and(|b| *b != 0x45)
}

/// A well-formed frame between a guest and `peer`.
fn frame(guest: u8, peer: Ipv4Addr, protocol: u8, payload: usize, up: bool) -> Vec<u8> {
    let (transport, fill): (usize, &[(usize, u8)]) = match protocol {
        6 => (20, &[(12, 0x50), (13, 0x10)]),
        17 => (8, &[]),
        1 => (8, &[(0, 8)]),
        _ => (0, &[]),
    };
    let total = 20 + transport + payload;
    let mut frame = Vec::new();
    let (source, destination) = if up { (mac(guest), LAN_MAC) } else { (MacAddr::ZERO, LAN_MAC) };
    frame.extend(destination.0);
    frame.extend(source.0);
    frame.extend([8, 0, 0x45, 0, (total >> 8) as u8, total as u8, 0, 1, 0, 0, 64, protocol, 0, 0]);
    let (from, to) = if up { (address(guest), peer) } else { (peer, address(guest)) };
    frame.extend(from.octets());
    frame.extend(to.octets());
    let at = frame.len();
    frame.resize(ETH_LEN + total, 0);
    for (offset, octet) in fill {
        frame[at + offset] = *octet;
    }
    if protocol == 17 {
        let len = (8 + payload) as u16;
        frame[at + 4..at + 6].copy_from_slice(&len.to_be_bytes());
    }
    frame
}

const ALIASES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

const PEERS: [Ipv4Addr; 16] = [
    HOST,
    GATEWAY,
    ALIASES[0],
    ALIASES[1],
    Ipv4Addr::new(10, 1, 0, OFFLINE),
    Ipv4Addr::new(10, 1, 255, 255),
    Ipv4Addr::new(10, 2, 0, 1),
    Ipv4Addr::new(0, 0, 0, 1),
    Ipv4Addr::new(127, 0, 0, 1),
    Ipv4Addr::new(169, 254, 1, 1),
    Ipv4Addr::new(169, 253, 1, 1),
    Ipv4Addr::new(223, 255, 255, 255),
    Ipv4Addr::new(224, 0, 0, 1),
    Ipv4Addr::new(240, 0, 0, 1),
    Ipv4Addr::BROADCAST,
    Ipv4Addr::UNSPECIFIED,
];

#[test]
fn every_kind_of_packet_is_forwarded_by_both_or_by_none_and_counted_alike() {
    with_both(|both| {
        let mut forwarded = 0;
        for up in [true, false] {
            for guest in [ONLINE, OFFLINE, EXPIRED, STRANGER] {
                for peer in PEERS {
                    for protocol in [1, 6, 17, 47, 50, 255] {
                        for payload in [0, 1, 100, 1400] {
                            let frame = frame(guest, peer, protocol, payload, up);
                            forwarded += u32::from(both.compare(&frame, 0, up));
                            let mut padded = frame;
                            padded.resize(padded.len().max(60), 0);
                            forwarded += u32::from(both.compare(&padded, 0, up));
                        }
                    }
                }
            }
        }
        // Up and down, four hosts of the Internet, six protocols, four lengths, with and without padding.
        assert_eq!(forwarded, 2 * 4 * 6 * 4 * 2);
    });
}

#[test]
fn http_that_goes_to_a_proxy_is_left_to_user_space_and_nothing_else_is() {
    with_both_that(true, |both| {
        for up in [true, false] {
            for (protocol, port, is_left) in
                [(6, 80, true), (6, 0, true), (6, 443, false), (6, 0x5000, false), (17, 80, false), (1, 0, !up)]
            {
                let mut frame = frame(ONLINE, HOST, protocol, 100, up);
                let at = ETH_LEN + 20 + if up { 2 } else { 0 };
                if protocol != 1 {
                    frame[at..at + 2].copy_from_slice(&u16::to_be_bytes(port));
                }
                let outcome = both.kernel(&frame, 0, up);
                assert_eq!(outcome.forwarded, !is_left, "up: {up}, protocol {protocol}, port {port}");
                assert_eq!(outcome.used == Usage::default(), is_left);
            }
        }
    });
}

#[test]
fn a_super_packet_counts_as_its_segments_in_both() {
    with_both(|both| {
        for up in [true, false] {
            for protocol in [6, 17] {
                for (payload, segment) in
                    [(3000, 500), (3001, 500), (499, 500), (500, 500), (501, 500), (0, 500), (9, 1)]
                {
                    assert!(both.compare(&frame(ONLINE, HOST, protocol, payload, up), segment, up));
                }
            }
        }
    });
}

#[test]
fn odd_packets_get_the_same_verdict() {
    with_both(|both| {
        for up in [true, false] {
            for protocol in [1, 6, 17, 47] {
                let good = frame(ONLINE, HOST, protocol, 30, up);
                for len in ETH_LEN + 1..good.len() {
                    both.compare(&good[..len], 0, up);
                }
                // Each octet of all headers, with each of its bits and some values that mean something.
                for at in 0..54.min(good.len()) {
                    for value in (0..8).map(|bit| good[at] ^ 1 << bit).chain([0, 1, 5, 19, 20, 0x45, 0x46, 0x4f, 0xff])
                    {
                        let mut odd = good.clone();
                        odd[at] = value;
                        both.compare(&odd, 0, up);
                        both.compare(&odd, 10, up);
                    }
                }
            }
        }
    });
}

#[test]
fn anything_at_all_gets_the_same_verdict() {
    with_both(|both| {
        let mut dice = 1u64;
        let mut roll = move |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        for _ in 0..20_000 {
            let up = roll(2) == 0;
            let guest = [ONLINE, ONLINE, ONLINE, OFFLINE, EXPIRED, STRANGER][roll(6) as usize];
            let protocol = [1, 6, 6, 17, 17, roll(256) as u8][roll(6) as usize];
            let peer = PEERS[roll(PEERS.len() as u64) as usize];
            let mut frame = frame(guest, peer, protocol, roll(1500) as usize, up);
            for _ in 0..roll(4) {
                let at = roll(60.min(frame.len() as u64)) as usize;
                frame[at] = roll(256) as u8;
            }
            frame.truncate((ETH_LEN + 1).max(frame.len() - roll(3) as usize));
            both.compare(&frame, [0, 0, 100, roll(1500) as u16][roll(4) as usize], up);
        }
    });
}

#[test]
fn what_the_kernel_was_told_last_counts() {
    with_both(|mut both| {
        let packet = frame(ONLINE, HOST, 17, 100, true);
        assert!(both.kernel(&packet, 0, true).forwarded);
        // Nobody looks after the sessions any more.
        assert!(both.offload.keep_until(crate::monotonic() - Duration::from_secs(1)));
        assert!(!both.kernel(&packet, 0, true).forwarded);
        assert!(both.offload.keep_until(Duration::MAX));
        assert!(both.kernel(&packet, 0, true).forwarded);
        // Switched off and on.
        both._writer.set_mirror(None);
        assert!(!both.kernel(&packet, 0, true).forwarded);
        both._writer.set_mirror(Some(both.offload.mirror()));
        assert!(both.kernel(&packet, 0, true).forwarded);
        // Logged out; its neighbour logged in.
        let online = both.plane.table.by_address(address(ONLINE)).unwrap();
        let offline = both.plane.table.by_address(address(OFFLINE)).unwrap();
        both._writer.set_policy(online.slot, &Policy::default());
        both._writer.set_policy(offline.slot, &online.policy);
        assert!(!both.kernel(&packet, 0, true).forwarded);
        assert!(both.kernel(&frame(OFFLINE, HOST, 17, 100, false), 0, false).forwarded);
        both._writer.remove(offline.slot);
        assert!(!both.kernel(&frame(OFFLINE, HOST, 17, 100, false), 0, false).forwarded);
    });
}

#[test]
fn a_rate_whose_arithmetic_would_not_fit_is_not_the_kernels() {
    with_both(|mut both| {
        let slot = both.plane.table.by_address(address(ONLINE)).unwrap().slot;
        // With its segments' headers 35,206 octets, whose time at one bit a second has more than 64 bits.
        let packet = frame(ONLINE, HOST, 17, 1_214, true);
        for (bits, forwarded) in [(1, false), (100, false), (1_000, true)] {
            let rate_up = Rate::bits_per_second(bits);
            both._writer.set_policy(slot, &Policy { online: true, rate_up, ..Policy::default() });
            let first = both.kernel(&packet, 1, true);
            assert_eq!((first.forwarded, both.kernel(&packet, 1, true).forwarded), (forwarded, false), "{bits}");
        }
    });
}
