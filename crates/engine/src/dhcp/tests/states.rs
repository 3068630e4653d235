//! The tables of RFC 2131, row by row.

use super::*;

#[test]
fn a_newcomer_gets_an_address_in_four_messages() {
    let mut lan = Lan::new(config());
    let (outcome, offer) = lan.discover(guest(7));
    let offer = offer.unwrap();
    assert_eq!((outcome, offer.kind()), (Outcome::Offered, MessageType::Offer));
    assert!(lan.addresses().is_empty(), "an offer is no lease");
    let address = offer.message.yiaddr;
    assert_eq!((offer.eth_dst, offer.dst, offer.dport), (guest(7).mac, address, CLIENT_PORT));
    let (outcome, ack) = lan.select(guest(7), address);
    let ack = ack.unwrap();
    assert_eq!((outcome, ack.kind()), (Outcome::Acknowledged, MessageType::Ack));
    assert_eq!(ack.secs(code::LEASE_TIME), Some(1800));
    assert_eq!(ack.secs(code::RENEWAL_TIME), Some(900));
    assert_eq!(ack.secs(code::REBINDING_TIME), Some(1575));
    assert_eq!(ack.option(code::SERVER_ID), Some(&GATEWAY.octets()[..]));
    assert_eq!(lan.server.lease(guest(7)).unwrap().address, address);
    assert_eq!(lan.server.lease_at(address).unwrap().key, guest(7));
    assert_eq!(lan.bound.len(), 1);
    assert_eq!(lan.bound[0].ends, lan.now.mono + Duration::from_secs(1800));
}

#[test]
fn the_lease_is_told_before_the_guest_is() {
    let mut lan = Lan::new(config());
    let address = lan.offer(guest(7));
    let mut payload = Vec::new();
    selecting(guest(7), address).emit(&mut payload, MIN_LIMIT);
    let datagram = UdpDatagram {
        eth_src: guest(7).mac,
        eth_dst: MacAddr::BROADCAST,
        src: NONE,
        dst: Ipv4Addr::BROADCAST,
        sport: CLIENT_PORT,
        dport: SERVER_PORT,
        payload: &payload,
    };
    lan.server.handle(lan.now, guest(7), &datagram);
    assert!(matches!(lan.server.poll_output(), Some(Output::Bound(_))));
    assert!(matches!(lan.server.poll_output(), Some(Output::Send { .. })));
}

#[test]
fn a_reply_goes_where_the_rfc_says() {
    let mut lan = Lan::new(config());
    let mut message = Message::request(MessageType::Discover, 1, guest(7).mac);
    message.flags = FLAG_BROADCAST;
    let offer = lan.ask(guest(7), &message).1.unwrap();
    assert_eq!((offer.eth_dst, offer.dst), (MacAddr::BROADCAST, Ipv4Addr::BROADCAST), "the client wants broadcast");
    let address = offer.message.yiaddr;
    lan.select(guest(7), address);
    let mut message = renewing(guest(7), address);
    message.flags = FLAG_BROADCAST;
    let ack = lan.ask(guest(7), &message).1.unwrap();
    assert_eq!((ack.eth_dst, ack.dst, ack.message.ciaddr), (guest(7).mac, address, address), "it has an address");
    let nak = lan.select(guest(7), ip(1)).1.unwrap();
    assert_eq!((nak.kind(), nak.eth_dst, nak.dst), (MessageType::Nak, MacAddr::BROADCAST, Ipv4Addr::BROADCAST));
    assert_eq!((nak.message.yiaddr, nak.secs(code::LEASE_TIME)), (NONE, None), "RFC 2131, table 3");
}

#[test]
fn selecting_another_server_is_silence_and_frees_the_offer() {
    let mut lan = Lan::new(config());
    let address = lan.offer(guest(7));
    let mut message = rebooting(guest(7), ip(99));
    message.options.push(code::SERVER_ID, &[192, 0, 2, 1]);
    assert_eq!(lan.ask(guest(7), &message).0, Outcome::Silent(Reason::OtherServer));
    assert_eq!(lan.select(guest(8), address).0, Outcome::Acknowledged, "the address is free again");
}

#[test]
fn selecting_what_was_not_offered_and_is_not_free_is_refused() {
    let mut lan = Lan::new(config());
    let taken = lan.join(guest(8));
    lan.offer(guest(7));
    for address in [taken, GATEWAY, ip(0), ip(255), Ipv4Addr::new(10, 2, 0, 5), Ipv4Addr::BROADCAST] {
        let (outcome, reply) = lan.select(guest(7), address);
        assert_eq!((outcome, reply.unwrap().kind()), (Outcome::Refused, MessageType::Nak), "{address}");
    }
}

#[test]
fn a_rebooting_guest_keeps_its_address_and_is_told_if_it_has_another() {
    let mut lan = Lan::new(config());
    let address = lan.join(guest(7));
    let (outcome, ack) = lan.ask(guest(7), &rebooting(guest(7), address));
    assert_eq!(outcome, Outcome::Acknowledged);
    assert_eq!(ack.unwrap().message.yiaddr, address);
    let other = if address == ip(50) { ip(51) } else { ip(50) };
    assert_eq!(lan.ask(guest(7), &rebooting(guest(7), other)).0, Outcome::Refused);
    assert_eq!(lan.addresses(), [address]);
}

#[test]
fn an_unknown_guest_that_reboots_is_served_only_by_the_only_server() {
    for (authoritative, right, wrong) in
        [(true, Outcome::Acknowledged, Outcome::Refused), (false, Outcome::Silent(Reason::Unknown), Outcome::Refused)]
    {
        let mut lan = Lan::new(Config { authoritative, ..config() });
        assert_eq!(lan.ask(guest(7), &rebooting(guest(7), Ipv4Addr::new(192, 168, 1, 5))).0, wrong, "wrong network");
        assert_eq!(lan.ask(guest(7), &rebooting(guest(7), ip(50))).0, right);
    }
    let mut lan = Lan::new(config());
    let taken = lan.join(guest(8));
    assert_eq!(lan.ask(guest(7), &rebooting(guest(7), taken)).0, Outcome::Refused);
}

#[test]
fn renewing_and_rebinding_make_the_lease_last_longer() {
    let mut lan = Lan::new(config());
    let address = lan.join(guest(7));
    lan.pass(900);
    let (outcome, ack) = lan.renew(guest(7), address);
    assert_eq!(outcome, Outcome::Acknowledged);
    assert_eq!(ack.unwrap().secs(code::LEASE_TIME), Some(1800));
    lan.pass(1600);
    let mut payload = Vec::new();
    renewing(guest(7), address).emit(&mut payload, MIN_LIMIT);
    let (outcome, ack) = lan.ask_raw(guest(7), address, Ipv4Addr::BROADCAST, &payload);
    assert_eq!(outcome, Outcome::Acknowledged, "rebinding");
    assert_eq!(ack.unwrap().dst, address);
    lan.pass(1799);
    assert_eq!(lan.addresses(), [address]);
    assert_eq!(lan.bound.len(), 3);
    lan.pass(1);
    assert!(lan.addresses().is_empty());
    assert_eq!(lan.ended.last().unwrap().1, EndReason::Expired);
}

#[test]
fn renewing_what_another_guest_has_is_refused() {
    let mut lan = Lan::new(config());
    let address = lan.join(guest(7));
    assert_eq!(lan.renew(guest(8), address).0, Outcome::Refused);
    lan.join(guest(8));
    assert_eq!(lan.renew(guest(8), address).0, Outcome::Refused);
    assert_eq!(lan.server.lease_at(address).unwrap().key, guest(7));
}

#[test]
fn only_the_owner_releases() {
    let mut lan = Lan::new(config());
    let address = lan.join(guest(7));
    let release = |key: GuestKey, address, server: Option<Ipv4Addr>| {
        let mut message = Message { ciaddr: address, ..Message::request(MessageType::Release, 4, key.mac) };
        if let Some(server) = server {
            message.options.push(code::SERVER_ID, &server.octets());
        }
        message
    };
    let mut tell = |key, message: &Message| lan.ask(key, message).0;
    assert_eq!(tell(guest(8), &release(guest(8), address, Some(GATEWAY))), Outcome::Silent(Reason::NotOwner));
    assert_eq!(tell(guest(8), &release(guest(7), address, Some(GATEWAY))), Outcome::Silent(Reason::ForeignHardware));
    assert_eq!(tell(guest(7), &release(guest(7), ip(99), Some(GATEWAY))), Outcome::Silent(Reason::NotOwner));
    assert_eq!(tell(guest(7), &release(guest(7), address, Some(ip(2)))), Outcome::Silent(Reason::OtherServer));
    assert_eq!(tell(guest(7), &release(guest(7), address, None)), Outcome::Silent(Reason::Malformed));
    assert_eq!(tell(guest(7), &release(guest(7), address, Some(GATEWAY))), Outcome::Released);
    assert_eq!(lan.ended[0].1, EndReason::Released);
    assert!(lan.addresses().is_empty());
}

#[test]
fn a_declined_address_is_not_offered_for_a_while() {
    let mut lan = Lan::new(config());
    let address = lan.join(guest(7));
    let mut message = selecting(guest(7), address);
    message.options = Message::request(MessageType::Decline, 4, guest(7).mac).options;
    message.options.push(code::SERVER_ID, &GATEWAY.octets());
    assert_eq!(lan.ask(guest(7), &message).0, Outcome::Silent(Reason::Malformed), "which one?");
    message.options.push(code::REQUESTED_ADDRESS, &address.octets());
    assert_eq!(lan.ask(guest(8), &message).0, Outcome::Silent(Reason::ForeignHardware));
    assert_eq!(lan.ask(guest(7), &message).0, Outcome::Declined);
    assert_eq!(lan.ended[0].1, EndReason::Declined);
    assert_eq!(lan.ask(guest(7), &message).0, Outcome::Silent(Reason::NotOwner), "once");
    assert_eq!(lan.ask(guest(8), &rebooting(guest(8), address)).0, Outcome::Refused);
    assert_ne!(lan.join(guest(7)), address);
    lan.pass(limits::QUARANTINE.as_secs());
    assert_eq!(lan.ask(guest(8), &rebooting(guest(8), address)).0, Outcome::Acknowledged);
}

#[test]
fn a_host_with_its_own_address_gets_parameters_only() {
    let mut lan = Lan::new(config());
    let message = Message { ciaddr: ip(77), ..Message::request(MessageType::Inform, 5, guest(7).mac) };
    let (outcome, ack) = lan.ask(guest(7), &message);
    let ack = ack.unwrap();
    assert_eq!((outcome, ack.kind()), (Outcome::Informed, MessageType::Ack));
    assert_eq!((ack.dst, ack.eth_dst, ack.message.yiaddr), (ip(77), guest(7).mac, NONE));
    assert_eq!((ack.option(code::LEASE_TIME), ack.option(code::DNS)), (None, Some(&GATEWAY.octets()[..])));
    assert!(lan.addresses().is_empty());
    let foreign = Message { ciaddr: Ipv4Addr::new(192, 0, 2, 1), ..message };
    assert_eq!(lan.ask(guest(7), &foreign).0, Outcome::Silent(Reason::Malformed));
}

#[test]
fn what_is_not_for_us_or_makes_no_sense_is_not_answered() {
    let mut lan = Lan::new(config());
    let mut silent = |message: &Message, reason| {
        let (outcome, reply) = lan.ask(guest(7), message);
        assert_eq!(outcome, Outcome::Silent(reason));
        assert!(reply.is_none());
    };
    let discover = Message::request(MessageType::Discover, 1, guest(7).mac);
    silent(&Message { op: wire::dhcp::BOOTREPLY, ..discover.clone() }, Reason::NotARequest);
    silent(&Message::request(MessageType::Offer, 1, guest(7).mac), Reason::NotARequest);
    silent(&Message::request(MessageType::Unknown(99), 1, guest(7).mac), Reason::NotARequest);
    silent(&Message { htype: 6, ..discover.clone() }, Reason::ForeignHardware);
    silent(&Message { giaddr: ip(9), ..discover.clone() }, Reason::Relay);
    silent(&Message::request(MessageType::Discover, 1, guest(8).mac), Reason::ForeignHardware);
    silent(&Message::request(MessageType::Request, 1, guest(7).mac), Reason::Malformed);
    let mut payload = Vec::new();
    discover.emit(&mut payload, MIN_LIMIT);
    assert_eq!(lan.ask_raw(guest(7), NONE, ip(2), &payload).0, Outcome::Silent(Reason::NotForUs));
    assert_eq!(lan.ask_raw(guest(7), NONE, GATEWAY, b"hello").0, Outcome::Silent(Reason::Malformed));
    assert_eq!(lan.count(Outcome::Silent(Reason::ForeignHardware)), 2);
}
