use wire::{MacAddr, Vlan};

use super::*;

const FIRST: &str = "192.0.2.53:53";
const SECOND: &str = "192.0.2.54:53";
const PORTAL: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);

/// Two resolvers, a portal `wifi.internal`, a garden of `pay.example` and everything below `cdn.example`.
fn forwarder() -> Forwarder {
    let config = Config {
        resolvers: vec![FIRST.parse().unwrap(), SECOND.parse().unwrap()],
        own_names: vec![("wifi.internal".parse().unwrap(), PORTAL)],
        garden_floor: Duration::from_secs(60),
        ..Config::default()
    };
    let mut forwarder = Forwarder::new(config, [7; 32]);
    forwarder.open_name("pay.example".parse().unwrap());
    forwarder.open_name(".cdn.example".parse().unwrap());
    forwarder
}

/// What a delivery opens for everybody, all protocols and ports.
fn opened(delivery: &Delivery) -> Vec<(Ipv4Addr, Duration)> {
    assert!(delivery.garden.iter().all(|opening| (opening.entry.protocol, opening.entry.port) == (None, None)));
    delivery.garden.iter().map(|opening| (opening.entry.network.parts().0, opening.lasts)).collect()
}

fn at(millis: u64) -> Now {
    Now { mono: Duration::from_millis(millis), unix: Duration::from_millis(1_700_000_000_000 + millis) }
}

fn guest(n: u32) -> Asker {
    Asker { address: Ipv4Addr::from_bits(0x0a01_0000 + n), authorised: false }
}

fn online(n: u32) -> Asker {
    Asker { authorised: true, ..guest(n) }
}

fn path(asker: Asker) -> ReturnPath {
    ReturnPath {
        key: wire::GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, 0, 1]) },
        guest: SocketAddrV4::new(asker.address, 40_000),
        server: SocketAddrV4::new(Ipv4Addr::new(8, 8, 8, 8), 53),
    }
}

/// A name on the wire, in the case as written.
fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn question(id: u16, name: &str, qtype: Type) -> Vec<u8> {
    let mut bytes = Header { id, flags: Header::RD, qdcount: 1, ..Header::default() }.emit().to_vec();
    bytes.extend_from_slice(&encoded(name));
    bytes.extend_from_slice(&qtype.0.to_be_bytes());
    bytes.extend_from_slice(&Class::IN.0.to_be_bytes());
    bytes
}

/// As [`question`], with an OPT record that has a 200 octet option.
fn question_with_options(id: u16, name: &str, qtype: Type) -> Vec<u8> {
    let mut bytes = question(id, name, qtype);
    bytes[11] = 1;
    bytes.extend_from_slice(b"\0\0\x29\x10\0\0\0\x80\0\0\xcc\0\x0c\0\xc8");
    bytes.extend_from_slice(&[b'x'; 200]);
    bytes
}

fn record(owner: &str, rtype: Type, ttl_secs: u32, rdata: &[u8]) -> Vec<u8> {
    let mut bytes = encoded(owner);
    bytes.extend_from_slice(&rtype.0.to_be_bytes());
    bytes.extend_from_slice(&Class::IN.0.to_be_bytes());
    bytes.extend_from_slice(&ttl_secs.to_be_bytes());
    bytes.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    bytes.extend_from_slice(rdata);
    bytes
}

fn a(owner: &str, ttl_secs: u32, address: [u8; 4]) -> Vec<u8> {
    record(owner, Type::A, ttl_secs, &address)
}

fn cname(owner: &str, target: &str) -> Vec<u8> {
    record(owner, Type::CNAME, 3000, &encoded(target))
}

/// A resolver's answer to what was forwarded.
fn answer(query: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
    let asked = Message::parse(query).unwrap();
    let header = Header {
        flags: Header::QR | Header::RD | Header::RA,
        ancount: records.len() as u16,
        arcount: 0,
        ..asked.header()
    };
    [&header.emit(), asked.question(), &records.concat()].concat()
}

fn forwarded(action: Action) -> Forward {
    match action {
        Action::Forward(forward) => forward,
        other => panic!("expected a query to a resolver, got {other:?}"),
    }
}

fn answered(action: Action) -> Vec<u8> {
    match action {
        Action::Answer(payload) => payload,
        other => panic!("expected an answer, got {other:?}"),
    }
}

fn rcode(payload: &[u8]) -> Rcode {
    Header::parse(payload).unwrap().rcode()
}

fn ask(forwarder: &mut Forwarder, now: Now, asker: Asker, payload: &[u8]) -> Action {
    forwarder.handle_query(now, asker, path(asker), payload)
}

/// Asks, has the first resolver answer with these records, gives what the guest gets.
fn resolve(forwarder: &mut Forwarder, asker: Asker, query: &[u8], records: &[Vec<u8>]) -> Delivery {
    let forward = forwarded(ask(forwarder, at(0), asker, query));
    let reply = answer(&forward.payload, records);
    forwarder.handle_answer(at(20), forward.token, forward.resolver, &reply).expect("a delivery")
}

fn addresses(payload: &[u8]) -> Vec<Ipv4Addr> {
    Message::parse(payload).unwrap().records().filter_map(|record| record.address()).collect()
}

#[test]
fn a_guest_before_login_gets_the_real_answer_from_the_server_that_he_asked() {
    let mut forwarder = forwarder();
    let query = question(0x1234, "www.example.com", Type::A);
    let forward = forwarded(ask(&mut forwarder, at(0), guest(2), &query));
    assert_eq!(forward.resolver, FIRST.parse().unwrap());
    let reply = answer(&forward.payload, &[a("www.example.com", 300, [198, 51, 100, 1])]);
    let delivery = forwarder.handle_answer(at(30), forward.token, forward.resolver, &reply).unwrap();
    assert_eq!(delivery.return_path, path(guest(2)));
    assert_eq!(Header::parse(&delivery.payload).unwrap().id, 0x1234);
    assert_eq!(addresses(&delivery.payload), [Ipv4Addr::new(198, 51, 100, 1)]);
    assert_eq!(delivery.garden, [], "it is no name of the garden");
    assert_eq!((forwarder.outstanding(), forwarder.poll_timeout()), (0, None));
}

#[test]
fn the_portals_name_is_answered_in_any_case_with_and_without_edns() {
    let mut forwarder = forwarder();
    for asker in [guest(2), online(3)] {
        for name in ["wifi.internal", "WiFi.InterNal", "WIFI.INTERNAL"] {
            for query in [question(9, name, Type::A), question_with_options(9, name, Type::A)] {
                let payload = answered(ask(&mut forwarder, at(0), asker, &query));
                assert_eq!(addresses(&payload), [PORTAL]);
                let (sent, got) = (Message::parse(&query).unwrap(), Message::parse(&payload).unwrap());
                assert_eq!(got.question(), sent.question(), "a client that mixes case finds its own");
                assert_eq!(got.edns().is_some(), sent.edns().is_some());
            }
        }
        for qtype in [Type::AAAA, Type::HTTPS, Type::TXT] {
            let payload = answered(ask(&mut forwarder, at(0), asker, &question(9, "wifi.internal", qtype)));
            assert_eq!((rcode(&payload), addresses(&payload)), (Rcode::NO_ERROR, vec![]), "{qtype}");
        }
    }
}

#[test]
fn a_client_that_mixes_case_gets_its_own_case_back() {
    for asker in [guest(2), online(2)] {
        let mut forwarder = forwarder();
        let query = question(1, "wWw.eXample.COM", Type::A);
        let forward = forwarded(ask(&mut forwarder, at(0), asker, &query));
        let lower = question(Header::parse(&forward.payload).unwrap().id, "www.example.com", Type::A);
        let reply = answer(&lower, &[a("www.example.com", 300, [198, 51, 100, 1])]);
        let delivery = forwarder.handle_answer(at(20), forward.token, forward.resolver, &reply).unwrap();
        assert_eq!(Message::parse(&delivery.payload).unwrap().qname().to_string(), "wWw.eXample.COM.");
    }
}

#[test]
fn nothing_of_a_guests_query_but_the_question_leaves_before_login() {
    let mut forwarder = forwarder();
    let query = question_with_options(1, "www.example.com", Type::AAAA);
    let forward = forwarded(ask(&mut forwarder, at(0), guest(2), &query));
    assert!(forward.payload.len() < query.len() - 200);
    assert!(!forward.payload.windows(4).any(|octets| octets == b"xxxx"));
    let forward = forwarded(ask(&mut forwarder, at(0), online(3), &query));
    assert_eq!(forward.payload.len(), query.len(), "after login it goes as it is");
    assert_eq!(Message::parse(&forward.payload).unwrap().udp_limit(), 1232, "but large answers come in fragments");
}

#[test]
fn what_tunnels_are_made_of_is_refused_before_login_and_served_after() {
    let mut forwarder = forwarder();
    let long = ["x".repeat(60), "y".repeat(60), "t.example".into()].join(".");
    let mut chaos = question(1, "version.bind", Type::A);
    *chaos.last_mut().unwrap() = 3;
    let queries = [Type::TXT, Type::NULL, Type::ANY, Type::MX, Type::SRV, Type(65399)]
        .map(|qtype| question(1, "t.example", qtype))
        .into_iter()
        .chain([question(1, &long, Type::A), chaos]);
    for query in queries {
        let payload = answered(ask(&mut forwarder, at(0), guest(2), &query));
        assert_eq!(rcode(&payload), Rcode::REFUSED, "{}", dns::line(&query));
        forwarded(ask(&mut forwarder, at(0), online(3), &query));
    }
}

#[test]
fn a_tunnel_through_dns_gets_one_kilobyte_each_second() {
    // As fast as it can for ten minutes: names full of data up, the largest answers down.
    let mut forwarder = forwarder();
    let filler: Vec<_> = (0..30).map(|n| cname("t.example", &format!("{}.{n}.t.example", "d".repeat(60)))).collect();
    let (mut octets, mut queries) = (0, 0);
    let seconds = 600;
    for tick in 0..seconds * 100 {
        let now = at(tick * 10);
        let name = format!("{}.{tick}.t.example", "u".repeat(60));
        let query = question_with_options(1, &name, Type::CNAME);
        if let Action::Forward(forward) = ask(&mut forwarder, now, guest(2), &query) {
            let reply = answer(&forward.payload, &filler);
            let delivery = forwarder.handle_answer(now, forward.token, forward.resolver, &reply).unwrap();
            octets += forward.payload.len() + delivery.payload.len();
            queries += 1;
        }
    }
    assert!(queries > 300, "it is slow, not broken: {queries}");
    assert!(octets as u64 <= 1000 * seconds + 30_000 + 2000, "{octets} octets in {seconds} s");
}

#[test]
fn a_phone_that_joins_gets_all_its_names_at_once() {
    let mut forwarder = forwarder();
    for n in 0..50u16 {
        let query = question(n, &format!("service-{n}.phone-vendor.example"), Type::A);
        let forward = forwarded(ask(&mut forwarder, at(u64::from(n) * 5), guest(2), &query));
        let reply = answer(&forward.payload, &vec![a("x.example", 300, [198, 51, 100, 1]); 4]);
        assert!(forwarder.handle_answer(at(260), forward.token, forward.resolver, &reply).is_some(), "{n}");
    }
}

#[test]
fn one_guest_cannot_use_up_what_others_need() {
    let mut forwarder = forwarder();
    let query = question(1, "www.example.com", Type::A);
    let mut reasons = Vec::new();
    for _ in 0..100 {
        if let Action::Drop(reason) = ask(&mut forwarder, at(0), guest(2), &query) {
            reasons.push(reason);
        }
    }
    assert_eq!(forwarder.outstanding(), 16);
    assert!(reasons.contains(&DropReason::Outstanding) && reasons.contains(&DropReason::Rate));
    forwarded(ask(&mut forwarder, at(0), guest(3), &query));
}

#[test]
fn a_crowd_before_login_with_questions_that_nobody_answers_keeps_nobody_from_asking() {
    let mut forwarder = forwarder();
    let query = question(1, "www.example.com", Type::A);
    for n in 0..1000 {
        for _ in 0..20 {
            ask(&mut forwarder, at(0), guest(n), &query);
        }
    }
    assert_eq!(forwarder.outstanding(), limits::MAX_PENDING_BEFORE_LOGIN);
    forwarded(ask(&mut forwarder, at(0), guest(2000), &query));
    assert_eq!(forwarder.outstanding(), limits::MAX_PENDING_BEFORE_LOGIN, "the oldest made room");
    forwarded(ask(&mut forwarder, at(0), online(2001), &query));
    assert_eq!(forwarder.outstanding(), limits::MAX_PENDING_BEFORE_LOGIN + 1);
    // When nobody answers, all of it is free again.
    for millis in [1500, 3000, 4500, 5000] {
        forwarder.handle_timeout(at(millis));
    }
    assert_eq!((forwarder.outstanding(), forwarder.poll_timeout()), (0, None));
    forwarded(ask(&mut forwarder, at(6000), guest(2000), &query));
}

#[test]
fn a_dead_resolver_is_replaced_by_the_next() {
    let mut forwarder = forwarder();
    let query = question(5, "www.example.com", Type::A);
    let first = forwarded(ask(&mut forwarder, at(0), guest(2), &query));
    assert_eq!(forwarder.poll_timeout(), Some(Duration::from_millis(1500)));
    assert_eq!(forwarder.handle_timeout(at(1499)), []);
    let overdue = forwarder.handle_timeout(at(1500));
    let [Overdue::Retry(second)] = overdue.as_slice() else { panic!("{overdue:?}") };
    assert_eq!((second.token, second.resolver), (first.token, SECOND.parse().unwrap()));
    let reply = answer(&second.payload, &[a("www.example.com", 300, [198, 51, 100, 1])]);
    assert!(forwarder.handle_answer(at(1600), second.token, second.resolver, &reply).is_some());
    let next = forwarded(ask(&mut forwarder, at(2000), guest(2), &query));
    assert_eq!(next.resolver, second.resolver, "the one that works is asked first from now on");
}

#[test]
fn the_first_resolver_may_still_answer_after_the_second_was_asked() {
    let mut forwarder = forwarder();
    let first = forwarded(ask(&mut forwarder, at(0), guest(2), &question(5, "www.example.com", Type::A)));
    forwarder.handle_timeout(at(1500));
    let reply = answer(&first.payload, &[]);
    assert!(forwarder.handle_answer(at(1600), first.token, first.resolver, &reply).is_some());
}

#[test]
fn a_guest_is_told_when_nobody_answers() {
    let mut forwarder = forwarder();
    let forward = forwarded(ask(&mut forwarder, at(0), guest(2), &question(0x77, "www.example.com", Type::A)));
    for millis in [1500, 3000, 4500] {
        let overdue = forwarder.handle_timeout(at(millis));
        assert!(matches!(overdue.as_slice(), [Overdue::Retry(_)]), "{overdue:?}");
    }
    let overdue = forwarder.handle_timeout(at(5000));
    let [Overdue::Failed { token, delivery }] = overdue.as_slice() else { panic!("{overdue:?}") };
    assert_eq!((*token, rcode(&delivery.payload)), (forward.token, Rcode::SERV_FAIL));
    assert_eq!(Header::parse(&delivery.payload).unwrap().id, 0x77);
    let late = answer(&forward.payload, &[]);
    assert_eq!(forwarder.handle_answer(at(5001), forward.token, forward.resolver, &late), None);
}

#[test]
fn without_resolvers_a_guest_is_told_so_and_still_finds_the_portal() {
    let own_names = vec![("wifi.internal".parse().unwrap(), PORTAL)];
    let mut forwarder = Forwarder::new(Config { own_names, ..Config::default() }, [1; 32]);
    let payload = answered(ask(&mut forwarder, at(0), guest(2), &question(1, "www.example.com", Type::A)));
    assert_eq!(rcode(&payload), Rcode::SERV_FAIL);
    let payload = answered(ask(&mut forwarder, at(0), guest(2), &question(1, "wifi.internal", Type::A)));
    assert_eq!(addresses(&payload), [PORTAL]);
}

#[test]
fn each_name_below_a_domain_of_ours_is_the_portal_before_and_after_login_and_none_is_looked_up() {
    let alias = Ipv4Addr::new(192, 0, 2, 1);
    let config = Config {
        own_names: vec![("wifi.cafe.example".parse().unwrap(), PORTAL)],
        own_domain: Some(("cafe.example".parse().unwrap(), alias)),
        resolvers: vec![FIRST.parse().unwrap()],
        ..Config::default()
    };
    let mut forwarder = Forwarder::new(config, [1; 32]);
    for asker in [guest(2), online(3)] {
        let mut asks = |name, kind| ask(&mut forwarder, at(0), asker, &question(1, name, kind));
        for (name, address) in [("a.cafe.example", alias), ("x.Y.CAFE.example", alias), ("wifi.cafe.example", PORTAL)] {
            assert_eq!(addresses(&answered(asks(name, Type::A))), [address], "{name}");
        }
        assert_eq!(rcode(&answered(asks("a.cafe.example", Type::AAAA))), Rcode::NO_ERROR);
        for elsewhere in ["cafe.example", "decafe.example", "example"] {
            forwarded(asks(elsewhere, Type::A));
        }
    }
}

#[test]
fn a_forged_answer_is_ignored_and_the_real_one_still_taken() {
    let mut forwarder = forwarder();
    let forward = forwarded(ask(&mut forwarder, at(0), guest(2), &question(1, "pay.example", Type::A)));
    let real = answer(&forward.payload, &[a("pay.example", 300, [198, 51, 100, 1])]);
    let mut wrong_id = real.clone();
    wrong_id[0] ^= 1;
    let mut no_answer = real.clone();
    no_answer[2] &= 0x7f;
    let id = Header::parse(&forward.payload).unwrap().id;
    let other_name = answer(&question(id, "pay.examplf", Type::A), &[]);
    let other_type = answer(&question(id, "pay.example", Type::AAAA), &[]);
    let cut = &real[..real.len() - 1];
    for forged in [&wrong_id, &no_answer, &other_name, &other_type, cut] {
        assert_eq!(forwarder.handle_answer(at(1), forward.token, forward.resolver, forged), None);
    }
    let (stranger, other_port) = ("203.0.113.66:53".parse().unwrap(), "192.0.2.53:54".parse().unwrap());
    // The second resolver was not asked yet either.
    for from in [stranger, other_port, SECOND.parse().unwrap()] {
        assert_eq!(forwarder.handle_answer(at(1), forward.token, from, &real), None);
    }
    assert_eq!(forwarder.handle_answer(at(1), forward.token + 1, forward.resolver, &real), None);
    assert!(forwarder.handle_answer(at(2), forward.token, forward.resolver, &real).is_some());
    assert_eq!(forwarder.handle_answer(at(3), forward.token, forward.resolver, &real), None, "once");
}

#[test]
fn identifiers_do_not_repeat_the_guests_and_differ_by_seed() {
    let ids = |seed: u8| {
        let mut dice = Dice::new([seed; 32]);
        (0..64).map(|_| dice.roll()).collect::<Vec<_>>()
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
    let distinct: std::collections::HashSet<_> = ids(1).into_iter().collect();
    assert!(distinct.len() > 60);
}

#[test]
fn a_garden_name_opens_the_addresses_at_the_end_of_its_aliases() {
    let mut forwarder = forwarder();
    // In an order that no resolver uses, with an address that does not belong to the chain.
    let records = [
        a("edge.host.example", 30, [198, 51, 100, 1]),
        a("elsewhere.example", 30, [203, 0, 113, 66]),
        cname("mid.host.example", "edge.host.example"),
        cname("pay.example", "MID.host.example"),
        a("edge.host.example", 100_000, [198, 51, 100, 2]),
    ];
    let delivery = resolve(&mut forwarder, guest(2), &question(1, "Pay.Example", Type::A), &records);
    let expected = [
        (Ipv4Addr::new(198, 51, 100, 1), Duration::from_secs(60)),
        (Ipv4Addr::new(198, 51, 100, 2), Duration::from_secs(3600)),
    ];
    assert_eq!(opened(&delivery), expected, "at least the floor, at most the cap");
    let longest = Message::parse(&delivery.payload).unwrap().records().map(|record| record.ttl_secs).max();
    assert_eq!(longest, Some(3600), "the guest asks again before the garden forgets");
}

#[test]
fn only_the_name_that_was_asked_for_opens_the_garden() {
    let open = |name: &str, records: &[Vec<u8>]| {
        resolve(&mut forwarder(), guest(2), &question(1, name, Type::A), records).garden.len()
    };
    let address = [198, 51, 100, 1];
    assert_eq!(open("pay.example", &[a("pay.example", 60, address)]), 1);
    assert_eq!(open("sub.pay.example", &[a("sub.pay.example", 60, address)]), 0, "an exact name");
    assert_eq!(open("x.y.cdn.example", &[a("x.y.cdn.example", 60, address)]), 1);
    assert_eq!(open("cdn.example", &[a("cdn.example", 60, address)]), 0, "only what is below");
    assert_eq!(open("evilcdn.example", &[a("evilcdn.example", 60, address)]), 0);
    let alias = [cname("evil.example", "pay.example"), a("pay.example", 60, address)];
    assert_eq!(open("evil.example", &alias), 0, "the owner of evil.example could have written this");
    let circle = [cname("pay.example", "b.example"), cname("b.example", "pay.example"), a("b.example", 60, address)];
    assert_eq!(open("pay.example", &circle), 1);
}

#[test]
fn a_name_with_a_port_opens_this_port_and_one_without_opens_all() {
    let rules = |forwarder: &mut Forwarder, name: &str| {
        let records = [a(name, 300, [198, 51, 100, 1])];
        let delivery = resolve(forwarder, guest(2), &question(1, name, Type::A), &records);
        delivery.garden.iter().map(|opening| (opening.entry.protocol, opening.entry.port)).collect::<Vec<_>>()
    };
    let pattern = |text: &str, protocol, port| Pattern { protocol, port, ..text.parse().unwrap() };
    let mut forwarder = forwarder();
    forwarder.open_name(pattern("portal.example", Some(6), Some(443)));
    forwarder.open_name(pattern("portal.example", Some(6), Some(443)));
    forwarder.open_name(pattern(".example", Some(17), None));
    assert_eq!(rules(&mut forwarder, "pOrTaL.ExAmPlE"), [(Some(6), Some(443)), (Some(17), None)]);
    assert_eq!(rules(&mut forwarder, "other.example"), [(Some(17), None)]);
    assert_eq!(rules(&mut forwarder, "pay.example"), [(None, None)], "nothing need be said beside everything");
    forwarder.close_name(&pattern(".example", Some(17), None));
    assert_eq!(rules(&mut forwarder, "portal.example"), [(Some(6), Some(443))]);
    assert_eq!(rules(&mut forwarder, "other.example"), []);
}

#[test]
fn addresses_that_an_https_record_brings_along_are_open_too() {
    // Priority 1, target ".", alpn=h2, ipv4hint=198.51.100.1,10.0.0.1, ipv6hint that is cut off.
    let service = |priority| {
        let parameters = b"\0\0\x01\0\x03\x02h2\0\x04\0\x08\xc6\x33\x64\x01\x0a\0\0\x01\0\x06\0\x10\x20";
        [&[0, priority], &parameters[..]].concat()
    };
    let opens = |name: &str, rtype, priority| {
        let records = [record(name, rtype, 300, &service(priority))];
        opened(&resolve(&mut forwarder(), guest(2), &question(1, name, rtype), &records))
    };
    let hint = [(Ipv4Addr::new(198, 51, 100, 1), Duration::from_secs(300))];
    assert_eq!(opens("pay.example", Type::HTTPS, 1), hint, "but no private one");
    assert_eq!(opens("x.cdn.example", Type::SVCB, 1), hint);
    assert_eq!(opens("pay.example", Type::HTTPS, 0), [], "an alias has no parameters");
    assert_eq!(opens("evil.example", Type::HTTPS, 1), []);
}

#[test]
fn a_guests_own_names_open_for_it_alone() {
    let mut forwarder = forwarder();
    forwarder.set_own_names(guest(2).address, ["shop.example".parse().unwrap()].into_iter());
    let mut opens = |n| {
        let records = [a("shop.example", 100_000, [198, 51, 100, 1])];
        let delivery = resolve(&mut forwarder, guest(n), &question(1, "shop.example", Type::A), &records);
        assert_eq!(delivery.garden, []);
        let ttl = Message::parse(&delivery.payload).unwrap().records().next().map(|record| record.ttl_secs);
        (delivery.own_garden.len(), ttl)
    };
    assert_eq!(opens(2), (1, Some(3600)));
    assert_eq!(opens(3), (0, Some(100_000)));
    forwarder.set_own_names(guest(2).address, std::iter::empty());
    assert_eq!(forwarder.own_names.len(), 0);
}

#[test]
fn a_garden_name_cannot_open_the_gateway_or_a_private_network() {
    let mut forwarder = forwarder();
    let inside =
        [[127, 0, 0, 1], [0, 0, 0, 0], [10, 1, 0, 1], [192, 168, 1, 1], [169, 254, 169, 254], [224, 0, 0, 1], [255; 4]];
    let mut records: Vec<_> = inside.into_iter().map(|address| a("pay.example", 300, address)).collect();
    records.push(a("pay.example", 300, [198, 51, 100, 1]));
    let delivery = resolve(&mut forwarder, guest(2), &question(1, "pay.example", Type::A), &records);
    assert_eq!(opened(&delivery), [(Ipv4Addr::new(198, 51, 100, 1), Duration::from_secs(300))]);
}

#[test]
fn an_answer_that_does_not_fit_says_so() {
    for asker in [guest(2), online(2)] {
        let mut forwarder = forwarder();
        let records = vec![a("many.example.com", 60, [198, 51, 100, 1]); 60];
        let delivery = resolve(&mut forwarder, asker, &question(1, "many.example.com", Type::A), &records);
        assert!(delivery.payload.len() <= 512, "he did not send EDNS");
        assert_ne!(Header::parse(&delivery.payload).unwrap().flags & Header::TC, 0);
        let (whole, got) = (addresses(&delivery.payload), 14);
        assert!(whole.len() >= got, "those that fit are there: {}", whole.len());
    }
}

#[test]
fn names_of_the_house_do_not_leave_it() {
    let mut forwarder = forwarder();
    let mut told = |name, qtype| rcode(&answered(ask(&mut forwarder, at(0), online(2), &question(1, name, qtype))));
    assert_eq!(told("_dns.resolver.arpa", Type::SVCB), Rcode::NO_ERROR);
    assert_eq!(told("printer.LOCAL", Type::A), Rcode::NX_DOMAIN);
    assert_eq!(told("hidden.onion", Type::A), Rcode::NX_DOMAIN);
    let reverse = question(1, "1.100.51.198.in-addr.arpa", Type::PTR);
    forwarded(ask(&mut forwarder, at(0), guest(3), &reverse));
}

#[test]
fn what_is_no_query_is_dropped_or_named() {
    let mut forwarder = forwarder();
    let query = question(0x99, "www.example.com", Type::A);
    assert_eq!(ask(&mut forwarder, at(0), guest(2), &query[..11]), Action::Drop(DropReason::Malformed));
    let mut response = query.clone();
    response[2] |= 0x80;
    assert_eq!(ask(&mut forwarder, at(0), guest(2), &response), Action::Drop(DropReason::Response));
    let payload = answered(ask(&mut forwarder, at(0), guest(2), &query[..20]));
    assert_eq!((rcode(&payload), payload.len()), (Rcode::FORM_ERR, 12));
    let mut update = query.clone();
    update[2] = 0x28;
    assert_eq!(rcode(&answered(ask(&mut forwarder, at(0), guest(2), &update))), Rcode::NOT_IMP);
    let mut two = query.clone();
    two[5] = 2;
    assert_eq!(rcode(&answered(ask(&mut forwarder, at(0), guest(2), &two))), Rcode::FORM_ERR);
    let mut version = question_with_options(1, "www.example.com", Type::A);
    let edns = Message::parse(&version).unwrap().edns().unwrap();
    version[edns.udp_size_at + 3] = 1;
    let payload = answered(ask(&mut forwarder, at(0), guest(2), &version));
    assert_eq!(payload[payload.len() - 6], 1, "BADVERS");
}

#[test]
fn no_bytes_from_guests_or_resolvers_break_it() {
    let mut forwarder = forwarder();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let queries = [question(1, "x.cdn.example", Type::A), question_with_options(2, "pay.example", Type::HTTPS)];
    let (mut millis, mut delivered) = (0, 0);
    for round in 0..60_000 {
        millis += next() % 40;
        let mut query = queries[round % 2].clone();
        if next() % 2 == 0 {
            let place = next() as usize % query.len();
            query[place] = next() as u8;
        }
        let asker = Asker { authorised: next() % 2 == 0, ..guest(next() as u32 % 300) };
        if let Action::Forward(forward) = ask(&mut forwarder, at(millis), asker, &query) {
            let owner = "x.cdn.example";
            let records = [cname(owner, "pay.example"), a("pay.example", next() as u32, [198, 51, 100, next() as u8])];
            let mut reply = answer(&forward.payload, &records);
            for _ in 0..next() % 3 {
                let place = 2 + next() as usize % (reply.len() - 2);
                reply[place] = next() as u8;
            }
            if let Some(delivery) = forwarder.handle_answer(at(millis), forward.token, forward.resolver, &reply) {
                assert!(Message::parse(&delivery.payload).is_ok());
                assert!(delivery.payload.len() <= 1232);
                delivered += 1;
            }
        }
        forwarder.handle_timeout(at(millis));
        assert!(forwarder.outstanding() <= limits::MAX_PENDING);
    }
    assert!(delivered > 1000, "{delivered}");
    forwarder.handle_timeout(at(millis + 10_000));
    assert_eq!((forwarder.outstanding(), forwarder.before_login.len(), forwarder.deadlines.len()), (0, 0, 0));
}
