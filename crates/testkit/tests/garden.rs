//! The walled garden: its ports, its bounds, its changes, one guest's own, and on whose account it is.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::dns::Pattern;
use engine::garden::Rule;
use engine::gateway::{Attempt, Mark, OwnGarden};
use engine::session::{Cause, Grant, Quota};
use fastpath::garden::Entry;
use testkit::dns::answer;
use testkit::packet::tcp;
use testkit::{GATEWAY, Guest, Lab, Setup};
use wire::frame::tcp_flags;

const PORTAL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const SHOP: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

fn name(text: &str, port: Option<u16>) -> Rule {
    Rule::Name(Pattern { port, protocol: port.map(|_| 6), ..text.parse().expect("a name") })
}

fn lab(garden: Vec<Rule>) -> Lab {
    Lab::new(Setup { garden, ..Setup::default() })
}

fn guest(lab: &mut Lab, name: &str) -> Guest {
    let guest = lab.guest(name);
    guest.dhcp(lab);
    guest.receives(lab);
    guest
}

fn reaches(lab: &mut Lab, guest: Guest, host: Ipv4Addr, port: u16) -> bool {
    guest.connects(lab, 40_000, SocketAddrV4::new(host, port));
    guest.frames(lab);
    lab.internet().iter().any(|seen| seen.ip.destination == host)
}

fn hears_from(lab: &mut Lab, guest: Guest, host: Ipv4Addr, port: u16) -> bool {
    lab.answer(&tcp(SocketAddrV4::new(host, port), guest.socket(lab, 40_000), tcp_flags::ACK, b"data"));
    !guest.receives(lab).is_empty()
}

fn resolves(lab: &mut Lab, guest: Guest, name: &str, addresses: &[Ipv4Addr]) {
    guest.asks_dns(lab, GATEWAY, name);
    let question = lab.questions().pop().expect("a question");
    assert!(lab.resolver_answers(&question, &answer(&question.payload, addresses, 600)));
    guest.frames(lab);
}

/// As the portal would ask for it.
fn attempt(lab: &mut Lab, guest: Guest) -> Attempt {
    lab.begin_admission(guest).expect("it is not online")
}

#[test]
fn a_name_with_a_port_opens_this_port_of_its_addresses_and_no_other() {
    let mut lab = lab(vec![name("portal.example", Some(443)), name(".shop.example", Some(80))]);
    let phone = guest(&mut lab, "phone");
    resolves(&mut lab, phone, "portal.example", &[PORTAL]);
    assert!(reaches(&mut lab, phone, PORTAL, 443) && hears_from(&mut lab, phone, PORTAL, 443));
    assert!(!reaches(&mut lab, phone, PORTAL, 22) && !hears_from(&mut lab, phone, PORTAL, 22));
    phone.sends_udp(&mut lab, 40_000, SocketAddrV4::new(PORTAL, 443), b"quic");
    phone.pings(&mut lab, PORTAL);
    assert!(lab.internet().is_empty());
    phone.receives(&mut lab);
    // The same host under another name opens that name's port too, and nothing else.
    resolves(&mut lab, phone, "www.shop.example", &[PORTAL]);
    assert!(reaches(&mut lab, phone, PORTAL, 80) && reaches(&mut lab, phone, PORTAL, 443));
    assert!(!reaches(&mut lab, phone, PORTAL, 8080));
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn who_asks_for_many_names_takes_nothing_from_others() {
    let mut lab =
        Lab::new(Setup { garden: vec![name(".cdn.example", None)], garden_addresses: 40, ..Setup::default() });
    let (other, greedy) = (guest(&mut lab, "other"), guest(&mut lab, "greedy"));
    resolves(&mut lab, other, "mine.cdn.example", &[SHOP]);
    for batch in 0..20u8 {
        let many: Vec<_> = (0..16).map(|n| Ipv4Addr::new(192, 0, batch, n)).collect();
        resolves(&mut lab, greedy, &format!("n{batch}.cdn.example"), &many);
        lab.advance(Duration::from_secs(1));
    }
    assert!(reaches(&mut lab, other, SHOP, 443));
    assert!(reaches(&mut lab, greedy, Ipv4Addr::new(192, 0, 19, 15), 443), "its own newest");
    assert!(!reaches(&mut lab, greedy, Ipv4Addr::new(192, 0, 0, 0), 443), "its own oldest made room");
    resolves(&mut lab, other, "another.cdn.example", &[PORTAL]);
    assert!(reaches(&mut lab, other, PORTAL, 443) && reaches(&mut lab, other, SHOP, 443));
}

#[test]
fn an_operators_changes_hold_from_the_next_packet_on_and_end_when_they_are_told_to() {
    let mut lab = lab(vec![]);
    let phone = guest(&mut lab, "phone");
    let host = Rule::Network(Entry::host(SHOP));
    let quarter = Some(Duration::from_secs(900));
    assert!(!reaches(&mut lab, phone, SHOP, 443));
    lab.tell(phone, |engine, now, _| {
        engine.add_to_garden(now, host.clone(), None).expect("there is room");
        engine.add_to_garden(now, name("portal.example", None), quarter).expect("there is room");
    });
    assert!(reaches(&mut lab, phone, SHOP, 443));
    resolves(&mut lab, phone, "portal.example", &[PORTAL]);
    assert!(reaches(&mut lab, phone, PORTAL, 443));
    assert!(lab.tell(phone, |engine, _, _| engine.remove_from_garden(&host)));
    assert!(!reaches(&mut lab, phone, SHOP, 443) && !hears_from(&mut lab, phone, SHOP, 443));
    lab.advance(Duration::from_secs(300));
    resolves(&mut lab, phone, "portal.example", &[PORTAL]);
    assert!(reaches(&mut lab, phone, PORTAL, 443));
    lab.advance(Duration::from_secs(601));
    resolves(&mut lab, phone, "portal.example", &[PORTAL]);
    assert!(!reaches(&mut lab, phone, PORTAL, 443), "the quarter of an hour is over");
}

#[test]
fn a_guests_own_garden_is_open_for_it_alone_until_it_leaves() {
    let only = Ipv4Addr::new(10, 1, 0, 50);
    let mut setup = Setup::default();
    setup.dhcp.ranges = vec![only..=Ipv4Addr::new(10, 1, 0, 51)];
    let mut lab = Lab::new(setup);
    let (member, other) = (guest(&mut lab, "member"), guest(&mut lab, "other"));
    let asked = attempt(&mut lab, member);
    let add = vec![Rule::Network(Entry::host(SHOP)), name("portal.example", Some(443))];
    lab.tell(member, |engine, _, _| engine.change_own_garden(&asked, OwnGarden { reset: false, add }));
    for asker in [other, member] {
        resolves(&mut lab, asker, "portal.example", &[PORTAL]);
    }
    for (host, port) in [(SHOP, 22), (PORTAL, 443)] {
        assert!(reaches(&mut lab, member, host, port) && hears_from(&mut lab, member, host, port));
        assert!(!reaches(&mut lab, other, host, port) && !hears_from(&mut lab, other, host, port));
    }
    assert!(!reaches(&mut lab, member, PORTAL, 80));
    // Login and logout change nothing in it.
    lab.login(member, Grant::default());
    assert!(reaches(&mut lab, member, ELSEWHERE, 443));
    lab.end_session(member, Cause::UserRequest);
    assert!(reaches(&mut lab, member, SHOP, 443) && !reaches(&mut lab, member, ELSEWHERE, 443));
    // Whoever gets its place and its address has none of it.
    member.release(&mut lab);
    let heir = guest(&mut lab, "heir");
    assert_eq!(heir.address(&lab), asked.address);
    assert!(!reaches(&mut lab, heir, SHOP, 443) && !reaches(&mut lab, heir, PORTAL, 443));
    resolves(&mut lab, heir, "portal.example", &[PORTAL]);
    assert!(!reaches(&mut lab, heir, PORTAL, 443));
    assert!(
        !lab.tell(heir, |engine, _, _| {
            engine.change_own_garden(&asked, OwnGarden { reset: false, add: vec![Rule::Network(Entry::host(SHOP))] });
            engine.own_garden_rules().count() > 0
        }),
        "it was about the one before"
    );
}

#[test]
fn a_server_changes_the_garden_of_guests_whether_they_are_logged_in_or_not() {
    let mut lab = lab(vec![]);
    let (offline, online) = (guest(&mut lab, "offline"), guest(&mut lab, "online"));
    lab.login(online, Grant::default());
    let open = OwnGarden { reset: false, add: vec![Rule::Network(Entry::host(SHOP))] };
    for who in [offline, online] {
        let address = who.address(&lab);
        let changed = lab.tell(who, |engine, _, _| engine.change_own_gardens(&[Mark::Address(address)], &open));
        assert_eq!(changed, (1, 0));
    }
    let nobody = lab.tell(offline, |engine, _, _| {
        engine.change_own_gardens(&[Mark::Address(Ipv4Addr::new(10, 1, 0, 2)), Mark::User(b"ada")], &open)
    });
    assert_eq!(nobody, (0, 0), "a guest who is not logged in has no name");
    assert!(lab.is_online(online) && reaches(&mut lab, online, ELSEWHERE, 443));
    lab.end_session(online, Cause::AdminReset);
    for who in [offline, online] {
        assert!(reaches(&mut lab, who, SHOP, 443));
        let address = who.address(&lab);
        let reset = OwnGarden { reset: true, add: vec![] };
        lab.tell(who, |engine, _, _| engine.change_own_gardens(&[Mark::Address(address)], &reset));
        assert!(!reaches(&mut lab, who, SHOP, 443) && !hears_from(&mut lab, who, SHOP, 443));
    }
}

#[test]
fn the_garden_is_on_an_online_guests_account_or_on_nobodys() {
    for counts in [true, false] {
        let garden = vec![Rule::Network(Entry { port: Some(443), ..Entry::host(SHOP) })];
        let mut lab = Lab::new(Setup { garden, garden_counts: counts, ..Setup::default() });
        let phone = guest(&mut lab, "phone");
        let octets = |lab: &Lab| {
            let used = lab.view(phone).expect("a guest").session.expect("a session").usage;
            used.octets_up + used.octets_down
        };
        let quota = Quota { octets_total: Some(1000), ..Quota::default() };
        let idle_timeout = Some(Duration::from_secs(600));
        lab.login(phone, Grant { quota, idle_timeout, ..Grant::default() });
        assert!(reaches(&mut lab, phone, SHOP, 443) && hears_from(&mut lab, phone, SHOP, 443));
        assert_eq!(octets(&lab) > 0, counts);
        let before = octets(&lab);
        assert!(reaches(&mut lab, phone, SHOP, 80) && octets(&lab) > before, "another port is not the garden");
        if !counts {
            for _ in 0..100 {
                assert!(reaches(&mut lab, phone, SHOP, 443) && hears_from(&mut lab, phone, SHOP, 443));
            }
            assert!(lab.is_online(phone), "no quota counts it");
            // Who uses nothing else is not idle.
            for _ in 0..3 {
                lab.advance(Duration::from_secs(500));
                assert!(reaches(&mut lab, phone, SHOP, 443));
            }
            assert!(lab.is_online(phone));
        }
        lab.assert_every_packet_was_counted_once();
    }
}
