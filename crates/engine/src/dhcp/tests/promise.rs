//! Addresses that are kept for guests who are still to ask.

use super::*;

fn lan_with_promise() -> (Lan, Duration) {
    let mut config = config();
    config.ranges = vec![ip(10)..=ip(25)];
    let mut lan = Lan::new(config);
    let until = lan.now.mono + Duration::from_secs(60);
    assert!(lan.server.promise(lan.now, guest(1), ip(20), until));
    (lan, until)
}

#[test]
fn nobody_else_gets_what_is_promised_however_many_ask() {
    let (mut lan, _) = lan_with_promise();
    for number in 1000..6000 {
        assert_ne!(lan.offer(guest(number)), ip(20));
    }
    assert_eq!(lan.select(guest(7), ip(20)).0, Outcome::Refused);
    let by = Arp::probe(guest(8).mac, ip(20));
    assert_eq!(lan.arp(guest(8), &Arp { sender: ip(20), ..by }), Outcome::Silent(Reason::NoConflict));
    assert_eq!(lan.join(guest(1)), ip(20));
}

#[test]
fn whoever_asks_for_another_one_is_told_so_and_gets_what_is_promised() {
    let (mut lan, _) = lan_with_promise();
    assert_eq!(lan.ask(guest(1), &rebooting(guest(1), ip(15))).0, Outcome::Refused);
    assert_eq!(lan.ask(guest(1), &rebooting(guest(1), ip(20))).0, Outcome::Acknowledged);
    assert_eq!(lan.addresses(), [ip(20)]);
    // From now on it is a lease as any other.
    lan.pass(1800);
    assert_eq!(lan.join(guest(2)), lan.addresses()[0]);
    assert_eq!(lan.select(guest(2), ip(20)).0, Outcome::Refused, "it has one");
    assert_eq!(lan.select(guest(3), ip(20)).0, Outcome::Acknowledged);
}

#[test]
fn a_promise_ends_in_time_and_takes_the_place_of_an_offer_and_of_the_one_before() {
    let (mut lan, until) = lan_with_promise();
    assert!(lan.server.promise(lan.now, guest(1), ip(21), until));
    assert_eq!(lan.select(guest(2), ip(20)).0, Outcome::Acknowledged);
    let offered = lan.offer(guest(3));
    assert!(lan.server.promise(lan.now, guest(3), offered, until), "it was offered to the same guest");
    assert_eq!((lan.server.table.offers(), lan.server.table.promises()), (0, 2));
    assert_eq!(lan.server.poll_timeout(), Some(until));
    lan.pass(60);
    assert_eq!(lan.server.table.promises(), 0);
    assert_eq!(lan.select(guest(4), ip(21)).0, Outcome::Acknowledged);
    for (number, address) in [(2, ip(22)), (5, ip(20)), (5, ip(9)), (5, GATEWAY)] {
        assert!(!lan.server.promise(lan.now, guest(number), address, until), "{number} {address}");
    }
}

#[test]
fn what_its_guest_finds_in_use_is_promised_no_longer() {
    let (mut lan, until) = lan_with_promise();
    let mut message = Message::request(MessageType::Decline, 4, guest(1).mac);
    message.options.push(code::REQUESTED_ADDRESS, &ip(20).octets());
    message.options.push(code::SERVER_ID, &GATEWAY.octets());
    assert_eq!(lan.ask(guest(1), &message).0, Outcome::Declined);
    assert!(!lan.server.promise(lan.now, guest(1), ip(20), until), "it is in quarantine");
    assert_ne!(lan.join(guest(1)), ip(20));
}

#[test]
fn promises_count_as_leases_where_these_have_their_bound() {
    let mut lan = Lan::new(Config { max_leases: 2, ..config() });
    let until = lan.now.mono + Duration::from_secs(60);
    assert!(lan.server.promise(lan.now, guest(1), ip(20), until));
    lan.join(guest(2));
    assert_eq!(lan.discover(guest(3)).0, Outcome::Silent(Reason::Exhausted));
    assert!(!lan.server.promise(lan.now, guest(3), ip(21), until));
    assert_eq!(lan.join(guest(1)), ip(20));
    assert_eq!(lan.addresses().len(), 2);
}
