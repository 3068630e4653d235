//! A guest with a lease who has not logged in: what it can reach, what it is told, and that nothing else gets out.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use testkit::packet::{self, icmp, ipv4, ipv6, make_fragment, tcp, udp};
use testkit::{GATEWAY, GATEWAY_MAC, Guest, Lab, PORTAL_PORT, Setup};
use wire::arp::Arp;
use wire::frame::{ethertype, tcp_flags};
use wire::{MacAddr, Vlan};

const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

fn lab_with_phone() -> (Lab, Guest) {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    phone.receives(&mut lab);
    (lab, phone)
}

fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

#[test]
fn a_guest_gets_a_lease_and_nothing_else() {
    let (mut lab, phone) = lab_with_phone();
    assert_eq!(lab.stored().map(|lease| lease.address).collect::<Vec<_>>(), [phone.address(&lab)]);
    assert!(!lab.is_online(phone));
    assert!(lab.records().is_empty(), "a lease is no session");
    for port in [22, 443, 8080, PORTAL_PORT] {
        phone.connects(&mut lab, 40_000, at(HOST, port));
    }
    phone.sends_udp(&mut lab, 40_000, at(HOST, 443), b"quic");
    phone.pings(&mut lab, HOST);
    assert!(lab.internet().is_empty());
    assert_eq!(lab.counted_up("reject_not_logged_in"), 6);
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn a_refused_connection_is_reset_and_a_refused_datagram_gets_an_icmp_error_from_the_gateway() {
    let (mut lab, phone) = lab_with_phone();
    phone.connects(&mut lab, 40_000, at(HOST, 443));
    let answers = phone.receives(&mut lab);
    let [reset] = &answers[..] else { panic!("{answers:?}") };
    assert!(reset.is_reset() && reset.has_right_checksums());
    assert_eq!((reset.from(), reset.to()), (at(HOST, 443), phone.socket(&lab, 40_000)), "as if from the host");
    assert_eq!(reset.l3[28..32], 1001u32.to_be_bytes(), "it acknowledges the SYN, or no client would believe it");

    let datagram = udp(phone.socket(&lab, 40_000), at(HOST, 443), b"quic");
    phone.sends(&mut lab, &datagram);
    let answers = phone.receives(&mut lab);
    let [error] = &answers[..] else { panic!("{answers:?}") };
    assert!(error.is_prohibition() && error.has_right_checksums());
    assert_eq!(error.ip.source, GATEWAY);
    assert_eq!(error.l3[28..56], datagram[..28], "it quotes the header, without padding");
}

#[test]
fn answers_to_a_flood_are_limited_and_come_back_after_a_while() {
    let (mut lab, phone) = lab_with_phone();
    for port in 0..1000 {
        phone.connects(&mut lab, 10_000 + port, at(HOST, 443));
    }
    let burst = phone.receives(&mut lab).len();
    assert_eq!(burst, 128);
    lab.advance(Duration::from_millis(100));
    for port in 0..1000 {
        phone.connects(&mut lab, 10_000 + port, at(HOST, 443));
    }
    assert_eq!(phone.receives(&mut lab).len(), 10, "a hundred a second");
    let other = lab.guest("other");
    other.dhcp(&mut lab);
    other.receives(&mut lab);
    other.connects(&mut lab, 40_000, at(HOST, 443));
    assert_eq!(other.receives(&mut lab).len(), 1, "one guest's flood is not another's");
    assert_eq!(lab.counted_up("reject_not_logged_in"), 2001, "each refusal counts, answered or not");
}

#[test]
fn the_portal_and_ping_are_all_that_the_gateway_offers() {
    let (mut lab, phone) = lab_with_phone();
    phone.connects(&mut lab, 40_000, at(GATEWAY, PORTAL_PORT));
    phone.pings(&mut lab, GATEWAY);
    let reached = lab.internet();
    assert_eq!(reached.iter().map(|seen| seen.to()).collect::<Vec<_>>(), [at(GATEWAY, PORTAL_PORT), at(GATEWAY, 0)]);
    for seen in &reached {
        lab.answer(&seen.answered(b""));
    }
    assert_eq!(phone.receives(&mut lab).len(), 2);
    for port in [22, 53, 443] {
        phone.connects(&mut lab, 40_000, at(GATEWAY, port));
        assert!(phone.receives(&mut lab)[0].is_reset(), "{port}");
    }
    phone.sends_udp(&mut lab, 40_000, at(GATEWAY, 161), b"snmp");
    assert!(phone.receives(&mut lab)[0].is_prohibition());
    let mut fragment = tcp(phone.socket(&lab, 40_000), at(GATEWAY, PORTAL_PORT), tcp_flags::SYN, &[0; 64]);
    make_fragment(&mut fragment, 0, true);
    phone.sends(&mut lab, &fragment);
    assert!(lab.internet().is_empty());
    assert_eq!(lab.counted_up("drop_fragment"), 1);
}

/// Packets that an unpaid guest might try, and the counter that shows what became of each.
fn ways_out(phone: SocketAddrV4) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let from = *phone.ip();
    let fragment = |mut l3: Vec<u8>, offset, more| {
        make_fragment(&mut l3, offset, more);
        l3
    };
    let mut options = udp(phone, at(HOST, 443), b"x");
    options[0] = 0x46;
    vec![
        ("a first fragment", "drop_not_logged_in", fragment(udp(phone, at(HOST, 53), &[0; 64]), 0, true)),
        ("a later fragment", "drop_not_logged_in", fragment(udp(phone, at(HOST, 443), &[0; 64]), 3, false)),
        ("a fragment to port 80", "drop_not_logged_in", fragment(tcp(phone, at(HOST, 80), 2, &[0; 64]), 0, true)),
        ("DNS over TCP", "reject_not_logged_in", tcp(phone, at(HOST, 53), tcp_flags::SYN, b"")),
        ("DHCP to a stranger", "reject_not_logged_in", udp(phone, at(HOST, 67), b"tunnel")),
        ("data on a port 443", "reject_not_logged_in", tcp(phone, at(HOST, 443), tcp_flags::ACK, b"data")),
        ("an ICMP error", "reject_not_logged_in", icmp(from, HOST, 3, 1)),
        ("an echo reply", "reject_not_logged_in", icmp(from, HOST, 0, 0)),
        ("GRE", "reject_not_logged_in", ipv4(from, HOST, 47, &[0; 32])),
        ("IPv6 in IPv4", "reject_not_logged_in", ipv4(from, HOST, 41, &[0x60; 40])),
        ("IPsec", "reject_not_logged_in", ipv4(from, HOST, 50, &[1; 40])),
        ("protocol zero", "reject_not_logged_in", ipv4(from, HOST, 0, &[0; 8])),
        ("a group", "drop_multicast", udp(phone, at(Ipv4Addr::new(224, 0, 0, 251), 5353), b"mdns")),
        ("everybody", "drop_multicast", udp(phone, at(Ipv4Addr::BROADCAST, 9), b"x")),
        ("the network's broadcast", "drop_multicast", udp(phone, at(Ipv4Addr::new(10, 1, 15, 255), 137), b"x")),
        ("another guest", "reject_isolated", tcp(phone, at(Ipv4Addr::new(10, 1, 0, 99), 80), 2, b"")),
        ("this host", "reject_unroutable", tcp(phone, at(Ipv4Addr::new(0, 0, 0, 1), 80), 2, b"")),
        ("loopback", "reject_unroutable", tcp(phone, at(Ipv4Addr::LOCALHOST, 80), 2, b"")),
        ("link-local", "reject_unroutable", tcp(phone, at(Ipv4Addr::new(169, 254, 169, 254), 80), 2, b"")),
        ("reserved", "reject_unroutable", tcp(phone, at(Ipv4Addr::new(240, 0, 0, 1), 80), 2, b"")),
        (
            "somebody else's address",
            "drop_source_spoofed",
            tcp(at(Ipv4Addr::new(10, 1, 0, 99), 1), at(HOST, 80), 2, b""),
        ),
        ("the gateway's address", "drop_source_spoofed", tcp(at(GATEWAY, 1), at(HOST, 80), 2, b"")),
        ("no address", "drop_source_spoofed", tcp(at(Ipv4Addr::UNSPECIFIED, 1), at(HOST, 80), 2, b"")),
        ("an Internet address", "drop_source_spoofed", udp(at(Ipv4Addr::new(9, 9, 9, 9), 53), at(HOST, 443), b"")),
        ("a header with options that are not there", "drop_malformed", options[..28].to_vec()),
        ("half a header", "drop_malformed", tcp(phone, at(HOST, 80), 2, b"")[..19].to_vec()),
        ("a length beyond the frame", "drop_malformed", {
            let mut l3 = tcp(phone, at(HOST, 80), 2, b"");
            l3[2..4].copy_from_slice(&1400u16.to_be_bytes());
            l3
        }),
        ("a TCP header beyond its packet", "drop_malformed", {
            let mut l3 = tcp(phone, at(HOST, 80), 2, b"");
            l3[32] = 0xf0;
            l3
        }),
    ]
}

#[test]
fn whatever_an_unpaid_guest_sends_nothing_gets_out() {
    let (mut lab, phone) = lab_with_phone();
    for (what, counter, l3) in ways_out(phone.socket(&lab, 40_000)) {
        let before = lab.counted_up(counter);
        phone.sends(&mut lab, &l3);
        assert_eq!(lab.counted_up(counter), before + 1, "{what}");
        assert!(lab.internet().is_empty(), "{what}");
    }
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn ipv6_and_other_ethertypes_are_no_way_out_before_login_nor_after() {
    let (mut lab, phone) = lab_with_phone();
    let mac = phone.key(&lab).mac;
    let global = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let all_nodes = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for _ in 0..2 {
        for (kind, payload) in [
            (ethertype::IPV6, ipv6(global, global, 17)),
            (ethertype::IPV6, ipv6(global, all_nodes, 58)),
            (ethertype::IPV6, vec![0x60; 8]),
            (ethertype::VLAN, packet::ethernet(GATEWAY_MAC, mac, ethertype::IPV4, &[])),
            (0x8863, vec![0x11; 20]), // PPPoE
            (0x0806, vec![0; 28]),    // an ARP message of zeros
            (40, vec![0; 40]),        // 802.3 with a length
            (ethertype::IPV4, ipv6(global, global, 17)),
        ] {
            phone.sends_frame(&mut lab, &packet::ethernet(GATEWAY_MAC, mac, kind, &payload));
        }
        assert!(lab.internet().is_empty());
        if !lab.is_online(phone) {
            lab.login(phone, engine::session::Grant::default());
        }
    }
    let refused = phone.frames(&mut lab);
    assert_eq!(refused.len(), 2, "unicast IPv6 is refused aloud");
    assert!(refused.iter().all(|frame| frame[12..14] == [0x86, 0xdd] && frame[54] == 1));
    assert_eq!(lab.counted_up("drop_other_protocol"), 6);
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn frames_for_other_stations_or_from_groups_are_not_carried() {
    let (mut lab, phone) = lab_with_phone();
    lab.login(phone, engine::session::Grant::default());
    let l3 = tcp(phone.socket(&lab, 40_000), at(HOST, 443), tcp_flags::SYN, b"");
    let mac = phone.key(&lab).mac;
    let other = MacAddr([2, 9, 9, 9, 9, 9]);
    phone.sends_frame(&mut lab, &packet::ethernet(other, mac, ethertype::IPV4, &l3));
    assert_eq!(lab.counted_up("drop_not_for_us"), 1);
    for source in [MacAddr::ZERO, MacAddr::BROADCAST, MacAddr([3, 0, 1, 0, 0, 1])] {
        phone.sends_frame(&mut lab, &packet::ethernet(GATEWAY_MAC, source, ethertype::IPV4, &l3));
    }
    assert_eq!(lab.counted_up("drop_bad_source"), 3);
    phone.sends_frame(&mut lab, &packet::ethernet(GATEWAY_MAC, other, ethertype::IPV4, &l3));
    assert_eq!(lab.counted_up("drop_unknown_guest"), 1);
    assert!(lab.internet().is_empty());
}

#[test]
fn the_same_station_on_another_vlan_is_another_guest() {
    let mut lab = Lab::new(Setup::default());
    let mac = MacAddr([2, 0, 1, 0, 0, 9]);
    let here = lab.guest_as("here", Vlan(10), mac);
    let there = lab.guest_as("there", Vlan(20), mac);
    here.dhcp(&mut lab);
    lab.login(here, engine::session::Grant::default());
    // The VLAN that has no lease sends with the address of the one that has, and the one that is online.
    let l3 = tcp(here.socket(&lab, 40_000), at(HOST, 443), tcp_flags::SYN, b"");
    there.sends(&mut lab, &l3);
    assert_eq!(lab.counted_up("drop_unknown_guest"), 1);
    there.dhcp(&mut lab);
    assert_ne!(here.address(&lab), there.address(&lab));
    there.sends(&mut lab, &l3);
    assert_eq!(lab.counted_up("drop_source_spoofed"), 1);
    there.connects(&mut lab, 40_000, at(HOST, 443));
    assert!(lab.internet().is_empty());
    here.sends(&mut lab, &l3);
    assert_eq!(lab.internet().len(), 1);
    here.receives(&mut lab);
    there.receives(&mut lab);
    lab.answer(&tcp(at(HOST, 443), here.socket(&lab, 40_000), tcp_flags::ACK, b"data"));
    assert_eq!((here.receives(&mut lab).len(), there.receives(&mut lab).len()), (1, 0), "the answer is on its VLAN");
}

#[test]
fn packets_for_a_guest_that_is_not_online_do_not_reach_it() {
    let (mut lab, phone) = lab_with_phone();
    let to = phone.socket(&lab, 40_000);
    lab.answer(&udp(at(HOST, 53), to, b"unasked"));
    lab.answer(&tcp(at(HOST, 80), to, tcp_flags::ACK, b"not from the redirector"));
    lab.answer(&tcp(at(Ipv4Addr::new(10, 1, 0, 77), 80), to, tcp_flags::ACK, b"from another guest"));
    lab.answer(&udp(at(HOST, 53), at(Ipv4Addr::new(10, 1, 0, 200), 53), b"for nobody"));
    lab.answer(&[0x45, 0]);
    assert!(phone.frames(&mut lab).is_empty());
    assert_eq!(lab.counted_down("drop_not_logged_in"), 2);
    assert_eq!(lab.counted_down("drop_isolated"), 1);
    assert_eq!(lab.counted_down("drop_unknown_guest"), 1);
    assert_eq!(lab.counted_down("drop_malformed"), 1);
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn a_full_queue_to_the_engine_drops_frames_and_nothing_waits() {
    let mut lab = Lab::new(Setup { queue: 8, ..Setup::default() });
    lab.control_thread_is_busy(true);
    let phones: Vec<Guest> = (0..20).map(|n| lab.guest(&format!("phone {n}"))).collect();
    for phone in &phones {
        assert_eq!(phone.discover(&mut lab), None);
    }
    assert_eq!((lab.counted_up("serve_dhcp"), lab.counted_up("drop_queue_full")), (6, 14));
    lab.assert_every_packet_was_counted_once();
    lab.control_thread_is_busy(false);
    for phone in phones {
        phone.dhcp(&mut lab);
    }
}

#[test]
fn a_flood_of_strangers_leaves_room_for_a_guest_who_looks_for_its_router_and_none_for_one_who_plays_server() {
    let mut lab = Lab::new(Setup { queue: 8, ..Setup::default() });
    let phone = lab.guest("phone");
    let address = phone.dhcp(&mut lab);
    phone.frames(&mut lab);
    lab.control_thread_is_busy(true);
    for n in 0..20 {
        let stranger = lab.guest(&format!("stranger {n}"));
        let mac = stranger.key(&lab).mac;
        stranger.sends_arp(&mut lab, &Arp::probe(mac, GATEWAY));
    }
    let full = lab.counted_up("drop_queue_full");
    assert_eq!((lab.counted_up("serve_arp"), full), (6, 14));
    phone.sends_udp(&mut lab, 67, SocketAddrV4::new(Ipv4Addr::BROADCAST, 68), b"an offer");
    assert_eq!(lab.counted_up("drop_queue_full"), full + 1);
    let mac = phone.key(&lab).mac;
    phone.sends_arp(&mut lab, &Arp { sender: address, ..Arp::probe(mac, GATEWAY) });
    lab.control_thread_is_busy(false);
    assert_eq!(phone.frames(&mut lab).len(), 1, "it learns where its router is");
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn one_stations_flood_of_questions_leaves_room_for_others() {
    let mut lab = Lab::new(Setup { queue: 128, ..Setup::default() });
    let (flooder, phone) = (lab.guest("flooder"), lab.guest("phone"));
    lab.control_thread_is_busy(true);
    for _ in 0..1000 {
        flooder.discover(&mut lab);
    }
    assert_eq!(lab.counted_up("serve_dhcp"), 64);
    phone.discover(&mut lab);
    assert_eq!(lab.counted_up("serve_dhcp"), 65);
}
