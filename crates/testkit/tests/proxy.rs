//! Http of guests who are online goes to a proxy. The firewall leads there what is to port 0, which nothing else may be.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::garden::Rule;
use engine::session::{Cause, Grant};
use fastpath::garden::Entry;
use fastpath::police::Rate;
use testkit::packet::{Seen, make_fragment, tcp};
use testkit::{Guest, Lab, Setup};
use wire::frame::{Transport, tcp_flags};

const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);
/// Open before login.
const GARDEN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 90);
/// Where the firewall leads it.
const PROXY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 100), 3128);

fn lab(garden_counts: bool) -> (Lab, Guest) {
    let garden = vec![Rule::Network(Entry::host(GARDEN)), Rule::Network(Entry::host(*PROXY.ip()))];
    let mut lab = Lab::new(Setup { http_proxy: Some(PROXY), garden, garden_counts, ..Setup::default() });
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    (lab, phone)
}

fn ports(seen: &Seen) -> (u16, u16) {
    let Transport::Tcp { source, destination, .. } = seen.ip.transport else { panic!("{seen:?}") };
    (source, destination)
}

/// The port by which a connection to `port` of `host` leaves, if it does.
fn leaves_by(lab: &mut Lab, phone: Guest, host: Ipv4Addr, port: u16) -> Option<u16> {
    lab.internet();
    phone.connects(lab, 40_000, SocketAddrV4::new(host, port));
    lab.internet().first().map(|seen| ports(seen).1)
}

/// The port from which an answer from `port` of `host` comes, if it does.
fn comes_from(lab: &mut Lab, phone: Guest, host: Ipv4Addr, port: u16) -> Option<u16> {
    phone.receives(lab);
    let to = phone.socket(lab, 40_000);
    lab.answer(&tcp(SocketAddrV4::new(host, port), to, tcp_flags::SYN | tcp_flags::ACK, b""));
    phone.receives(lab).first().map(|seen| ports(seen).0)
}

#[test]
fn http_of_who_is_online_is_diverted_both_ways_and_nothing_else_is() {
    let (mut lab, phone) = lab(true);
    lab.login(phone, Grant::default());
    for host in [HOST, GARDEN] {
        assert_eq!(leaves_by(&mut lab, phone, host, 80), Some(0));
        assert_eq!(comes_from(&mut lab, phone, host, 0), Some(80));
        for port in [443, 8080] {
            assert_eq!(leaves_by(&mut lab, phone, host, port), Some(port));
            assert_eq!(comes_from(&mut lab, phone, host, port), Some(port));
        }
        assert_eq!(leaves_by(&mut lab, phone, host, 0), None, "it would be a way there for other things");
        for (offset, more) in [(0, true), (3, false)] {
            let to = SocketAddrV4::new(host, 80);
            let mut piece = tcp(phone.socket(&lab, 40_000), to, tcp_flags::ACK, &[7; 64]);
            make_fragment(&mut piece, offset, more);
            phone.sends(&mut lab, &piece);
            assert!(lab.internet().is_empty(), "it would pass the proxy by");
        }
    }
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn nothing_of_who_is_not_online_is_diverted() {
    let (mut lab, phone) = lab(true);
    for _ in 0..2 {
        assert_eq!(leaves_by(&mut lab, phone, HOST, 80), None);
        assert_eq!(leaves_by(&mut lab, phone, GARDEN, 80), Some(80));
        assert_eq!(comes_from(&mut lab, phone, GARDEN, 80), Some(80));
        for host in [HOST, GARDEN] {
            assert_eq!(leaves_by(&mut lab, phone, host, 0), None);
            assert_eq!(comes_from(&mut lab, phone, host, 0), None, "nor does the proxy's answer come");
        }
        if lab.records().is_empty() {
            lab.login(phone, Grant::default());
            assert_eq!(leaves_by(&mut lab, phone, GARDEN, 80), Some(0));
            assert!(lab.end_session(phone, Cause::UserRequest));
        }
    }
}

#[test]
fn nobody_comes_to_the_proxy_by_the_garden() {
    for counts in [true, false] {
        let (mut lab, phone) = lab(counts);
        assert_eq!(leaves_by(&mut lab, phone, *PROXY.ip(), 3128), None);
        assert_eq!(comes_from(&mut lab, phone, *PROXY.ip(), 3128), None);
        assert_eq!(leaves_by(&mut lab, phone, *PROXY.ip(), 8080), Some(8080), "another of its servers may be open");
        lab.login(phone, Grant::default());
        assert_eq!(leaves_by(&mut lab, phone, *PROXY.ip(), 3128), Some(3128));
        assert_eq!(comes_from(&mut lab, phone, *PROXY.ip(), 3128), Some(3128));
    }
}

#[test]
fn a_garden_that_is_on_nobodys_account_is_reached_directly_after_login_too() {
    let (mut lab, phone) = lab(false);
    lab.login(phone, Grant::default());
    assert_eq!(leaves_by(&mut lab, phone, GARDEN, 80), Some(80));
    assert_eq!(leaves_by(&mut lab, phone, HOST, 80), Some(0));
    assert_eq!(comes_from(&mut lab, phone, HOST, 0), Some(80));
}

#[test]
fn what_waits_for_its_guests_rate_is_diverted_too() {
    let (mut lab, phone) = lab(true);
    let rate = Rate::bits_per_second(64_000);
    lab.login(phone, Grant { rate_up: rate, rate_down: rate, ..Grant::default() });
    let (from, to) = (phone.socket(&lab, 40_000), SocketAddrV4::new(HOST, 80));
    for _ in 0..8 {
        phone.sends(&mut lab, &tcp(from, to, tcp_flags::ACK, &[7; 400]));
        lab.answer(&tcp(SocketAddrV4::new(HOST, 0), from, tcp_flags::ACK, &[7; 400]));
    }
    let at_once = lab.internet().len();
    lab.advance(Duration::from_secs(2));
    let waited = lab.internet();
    assert!(at_once < 8 && at_once + waited.len() == 8, "{at_once} and {}", waited.len());
    assert!(waited.iter().all(|seen| ports(seen).1 == 0));
    let got = phone.receives(&mut lab);
    assert_eq!(got.len(), 8);
    assert!(got.iter().all(|seen| ports(seen).0 == 80));
}
