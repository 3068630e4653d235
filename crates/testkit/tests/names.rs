//! DNS for guests, and the walled garden that it opens.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::garden::Rule;
use engine::session::Grant;
use fastpath::garden::{Entry, Network};
use testkit::dns::{addresses, answer};
use testkit::packet::tcp;
use testkit::{GATEWAY, Guest, Lab, Setup};
use wire::dns::{Message, Rcode};
use wire::frame::tcp_flags;

const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);
const GOOGLE: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);

fn setup() -> Setup {
    let mut setup = Setup::default();
    let network = Network::new(Ipv4Addr::new(198, 51, 100, 0), 24).expect("a prefix of at most 32");
    setup.garden = vec![
        Rule::Name("pay.example".parse().expect("a name")),
        Rule::Network(Entry { network, protocol: Some(6), port: Some(443) }),
    ];
    setup
}

fn lab_with_phone() -> (Lab, Guest) {
    let mut lab = Lab::new(setup());
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    phone.receives(&mut lab);
    (lab, phone)
}

fn reaches(lab: &mut Lab, guest: Guest, host: Ipv4Addr, port: u16) -> bool {
    guest.connects(lab, 40_000, SocketAddrV4::new(host, port));
    guest.frames(lab);
    lab.internet().iter().any(|seen| seen.ip.destination == host)
}

#[test]
fn a_name_is_resolved_before_login_whichever_server_was_asked_and_the_answer_is_that_servers() {
    let (mut lab, phone) = lab_with_phone();
    for server in [GATEWAY, GOOGLE] {
        phone.asks_dns(&mut lab, server, "example.com");
        assert!(lab.internet().is_empty(), "the guest's own packet goes nowhere");
        let questions = lab.questions();
        let [question] = &questions[..] else { panic!("{questions:?}") };
        assert_ne!(question.payload[..2], [0x12, 0x34], "with an identifier of our own");
        assert!(!lab.resolver_answers(
            question,
            &answer(&testkit::dns::query(1, "example.com", wire::dns::Type::A), &[HOST], 60)
        ));
        assert!(lab.resolver_answers(question, &answer(&question.payload, &[HOST], 60)));
        let received = phone.receives(&mut lab);
        let [seen] = &received[..] else { panic!("{received:?}") };
        assert_eq!((seen.from(), seen.to().port()), (SocketAddrV4::new(server, 53), 40_053));
        assert!(seen.has_right_checksums());
        assert_eq!(seen.payload()[..2], [0x12, 0x34]);
        assert_eq!(addresses(seen.payload()), [HOST]);
    }
    assert!(!reaches(&mut lab, phone, HOST, 443), "to know a name is not to get there");
}

#[test]
fn the_gateways_own_name_needs_no_resolver() {
    let (mut lab, phone) = lab_with_phone();
    for server in [GATEWAY, GOOGLE] {
        phone.asks_dns(&mut lab, server, "wifi.internal");
        assert!(lab.questions().is_empty());
        assert_eq!(addresses(phone.receives(&mut lab)[0].payload()), [GATEWAY]);
    }
}

#[test]
fn after_login_a_guest_asks_whom_it_likes_and_the_gateway_still_answers() {
    let (mut lab, phone) = lab_with_phone();
    lab.login(phone, Grant::default());
    phone.asks_dns(&mut lab, GOOGLE, "example.com");
    assert_eq!(lab.internet()[0].to(), SocketAddrV4::new(GOOGLE, 53));
    assert!(lab.questions().is_empty());
    phone.asks_dns(&mut lab, GATEWAY, "example.com");
    let question = lab.questions().pop().unwrap();
    assert!(lab.resolver_answers(&question, &answer(&question.payload, &[HOST], 60)));
    assert_eq!(addresses(phone.receives(&mut lab)[0].payload()), [HOST]);
}

#[test]
fn a_resolver_that_is_silent_is_asked_again_and_in_the_end_the_guest_is_told() {
    let (mut lab, phone) = lab_with_phone();
    phone.asks_dns(&mut lab, GATEWAY, "example.com");
    lab.advance(Duration::from_secs(4));
    assert!(lab.questions().len() > 1);
    assert!(phone.receives(&mut lab).is_empty());
    lab.advance(Duration::from_secs(2));
    let told = phone.receives(&mut lab);
    assert_eq!(Message::parse(told[0].payload()).unwrap().header().rcode(), Rcode::SERV_FAIL);
}

#[test]
fn a_garden_name_opens_its_address_for_everybody_for_its_time() {
    let (mut lab, phone) = lab_with_phone();
    let other = lab.guest("other");
    other.dhcp(&mut lab);
    assert!(!reaches(&mut lab, other, HOST, 443));
    phone.asks_dns(&mut lab, GATEWAY, "pay.example");
    let question = lab.questions().pop().unwrap();
    assert!(lab.resolver_answers(&question, &answer(&question.payload, &[HOST, Ipv4Addr::new(10, 1, 0, 99)], 600)));
    for guest in [phone, other] {
        assert!(reaches(&mut lab, guest, HOST, 443) && reaches(&mut lab, guest, HOST, 80));
        assert!(!reaches(&mut lab, guest, Ipv4Addr::new(10, 1, 0, 99), 443), "no name opens the guests' own network");
    }
    phone.frames(&mut lab);
    lab.answer(&tcp(SocketAddrV4::new(HOST, 443), phone.socket(&lab, 40_000), tcp_flags::ACK, b"shop"));
    assert_eq!(phone.receives(&mut lab).len(), 1, "and its answers come back");
    lab.advance(Duration::from_secs(598));
    assert!(reaches(&mut lab, phone, HOST, 443));
    lab.advance(Duration::from_secs(2));
    assert!(!reaches(&mut lab, phone, HOST, 443));
    lab.answer(&tcp(SocketAddrV4::new(HOST, 443), phone.socket(&lab, 40_000), tcp_flags::ACK, b"late"));
    assert!(phone.receives(&mut lab).is_empty());
}

#[test]
fn an_answer_about_another_name_opens_nothing() {
    let (mut lab, phone) = lab_with_phone();
    phone.asks_dns(&mut lab, GATEWAY, "evil.example");
    let question = lab.questions().pop().unwrap();
    assert!(lab.resolver_answers(&question, &answer(&question.payload, &[HOST], 600)));
    assert!(!reaches(&mut lab, phone, HOST, 443));
}

#[test]
fn a_static_garden_entry_opens_its_port_and_no_other() {
    let (mut lab, phone) = lab_with_phone();
    let shop = Ipv4Addr::new(198, 51, 100, 7);
    assert!(reaches(&mut lab, phone, shop, 443));
    assert!(!reaches(&mut lab, phone, shop, 22));
    phone.sends_udp(&mut lab, 40_000, SocketAddrV4::new(shop, 443), b"quic");
    phone.pings(&mut lab, shop);
    assert!(lab.internet().is_empty());
    phone.receives(&mut lab);
    phone.connects(&mut lab, 40_000, SocketAddrV4::new(shop, 80));
    assert!(phone.receives(&mut lab)[0].has(tcp_flags::SYN), "port 80 leads to the portal there too");
    assert!(lab.internet().is_empty());
    assert_eq!(lab.counted_up("garden"), 1);
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn an_answer_for_a_guest_that_has_left_reaches_nobody_else() {
    let mut setup = setup();
    let only = Ipv4Addr::new(10, 1, 0, 50);
    setup.dhcp.ranges = vec![only..=only];
    let mut lab = Lab::new(setup);
    let (phone, other) = (lab.guest("phone"), lab.guest("other"));
    phone.dhcp(&mut lab);
    phone.asks_dns(&mut lab, GATEWAY, "secret.example");
    let question = lab.questions().pop().unwrap();
    phone.release(&mut lab);
    assert_eq!(other.dhcp(&mut lab), only);
    other.receives(&mut lab);
    lab.resolver_answers(&question, &answer(&question.payload, &[HOST], 60));
    assert!(other.receives(&mut lab).is_empty());
}
