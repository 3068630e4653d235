use super::*;
use crate::MacAddr;
use std::net::Ipv4Addr;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

fn discover() -> Message {
    let mut message = Message::request(MessageType::Discover, 0x0102_0304, MAC);
    message.flags = FLAG_BROADCAST;
    message.options.push(code::REQUESTED_ADDRESS, &[10, 1, 0, 7]);
    message.options.push(code::HOST_NAME, b"phone\n");
    message.options.push(224, b"unknown");
    message
}

fn emitted(message: &Message, limit: usize) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(message.emit(&mut out, limit), 0, "nothing may be left out");
    out
}

/// The fixed fields of a request, then `options`.
fn raw(options: &[u8]) -> Vec<u8> {
    let mut bytes = emitted(&Message::request(MessageType::Discover, 1, MAC), MIN_LIMIT);
    bytes.truncate(FIXED_LEN);
    bytes.extend_from_slice(options);
    bytes
}

#[test]
fn what_is_written_is_read_and_unknown_options_survive() {
    let message = discover();
    let bytes = emitted(&message, MIN_LIMIT);
    assert_eq!(bytes.len(), MIN_LEN);
    assert_eq!(Message::parse(&bytes), Ok(message));
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.message_type(), MessageType::Discover);
    assert_eq!(packet.mac(), Some(MAC));
    assert!(packet.broadcast());
    assert_eq!(packet.address(code::REQUESTED_ADDRESS), Some(Ipv4Addr::new(10, 1, 0, 7)));
    assert_eq!(packet.address(code::HOST_NAME), None);
}

#[test]
fn every_message_is_one_line() {
    let bytes = emitted(&discover(), MIN_LIMIT);
    assert_eq!(
        Packet::describe(&bytes).to_string(),
        "DHCP Discover xid 0x01020304 client 02:00:00:00:00:07 requested 10.1.0.7 name \"phone\\n\" broadcast, length 300"
    );
    assert_eq!(
        Packet::describe(&bytes[..100]).to_string(),
        "DHCP malformed: 100 octets are too few, 240 is the least, length 100"
    );
}

#[test]
fn a_message_that_is_wrong_is_named_by_its_field() {
    let error = |bytes: &[u8]| Packet::parse(bytes).unwrap_err();
    let with = |at: usize, value: u8| {
        let mut bytes = raw(&[53, 1, 1, 255]);
        bytes[at] = value;
        error(&bytes)
    };
    assert_eq!(with(0, 3), Error::Op(3));
    assert_eq!(with(2, 17), Error::Hlen(17));
    assert_eq!(with(236, 0), Error::Cookie);
    assert_eq!(error(&raw(&[53, 1, 1, 12])), Error::Option(12));
    assert_eq!(error(&raw(&[53, 1, 1, 12, 2, b'x'])), Error::Option(12));
    assert_eq!(error(&raw(&[53, 1, 1, 52, 1, 4])), Error::Overload);
    assert_eq!(error(&raw(&[53, 1, 1, 52, 2, 1, 1])), Error::Overload);
    assert_eq!(error(&raw(&[255, 53, 1, 1])), Error::MessageType);
    assert_eq!(error(&raw(&[53, 2, 1, 1])), Error::MessageType);
    assert_eq!(error(&raw(&[53, 1, 1, 53, 1, 3])), Error::MessageType, "two types in one message");
    assert!(Packet::parse(&raw(&[0, 0, 53, 1, 1])).is_ok(), "no end option, as some clients send it");
}

#[test]
fn options_in_overloaded_fields_are_found_and_parts_are_joined_in_order() {
    let mut bytes = raw(&[53, 1, 1, 12, 2, b'a', b'b', 52, 1, 3, 255]);
    bytes[FILE.start..FILE.start + 6].copy_from_slice(&[12, 1, b'c', 255, 12, 200]);
    bytes[SNAME.start..SNAME.start + 4].copy_from_slice(&[12, 1, b'd', 255]);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.option(code::HOST_NAME).as_deref(), Some(&b"abcd"[..]));
    assert!(packet.file().is_empty() && packet.sname().is_empty());
    // Only one of the fields holds options.
    bytes[FIXED_LEN + 9] = 2;
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.option(code::HOST_NAME).as_deref(), Some(&b"abd"[..]));
    assert_eq!(packet.file(), [12, 1, b'c', 255, 12, 200]);
}

#[test]
fn a_long_option_is_split_and_joined() {
    let mut message = discover();
    message.options.push(code::CLASSLESS_ROUTES, &[7; 600]);
    let bytes = emitted(&message, 1472);
    assert_eq!(Packet::parse(&bytes).unwrap().options().filter(|&(c, _)| c == code::CLASSLESS_ROUTES).count(), 3);
    assert_eq!(Message::parse(&bytes), Ok(message));
}

#[test]
fn a_client_that_takes_little_gets_the_rest_in_the_other_fields_and_never_more_than_it_takes() {
    let mut message = discover();
    for code in 100..103 {
        message.options.push(code, &[code; 100]);
    }
    let bytes = emitted(&message, MIN_LIMIT);
    assert!(bytes.len() <= MIN_LIMIT);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.option(code::OVERLOAD).as_deref(), Some(&[1][..]));
    for code in 100..103 {
        assert_eq!(packet.option(code).as_deref(), Some(&[code; 100][..]));
    }
    // A boot file keeps its field; what has no room is left out whole.
    message.file = b"pxelinux.0".to_vec();
    let mut bytes = Vec::new();
    assert_eq!(message.emit(&mut bytes, MIN_LIMIT), 1);
    assert!(bytes.len() <= MIN_LIMIT);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.file(), b"pxelinux.0");
    assert_eq!(packet.option(102), None);
    // 258 octets that fit nowhere in one piece go over the fields in their order.
    let mut message = discover();
    message.options.push(100, &[100; 200]);
    let long: Vec<u8> = (0..220).chain(0..38).collect();
    message.options.push(101, &long);
    assert!(long.len() > 255);
    let bytes = emitted(&message, MIN_LIMIT);
    assert_eq!(Packet::parse(&bytes).unwrap().option(101).as_deref(), Some(&long[..]));
}

#[test]
fn a_clients_limit_is_respected_but_never_below_the_least() {
    let limit = |data: &[u8]| {
        let mut message = discover();
        message.options.push(code::MAX_MESSAGE_SIZE, data);
        Packet::parse(&emitted(&message, MIN_LIMIT)).unwrap().reply_limit()
    };
    assert_eq!(limit(&1500u16.to_be_bytes()), 1472);
    assert_eq!(limit(&300u16.to_be_bytes()), MIN_LIMIT);
    assert_eq!(limit(&[1]), MIN_LIMIT);
}

#[test]
fn no_octets_at_all_make_it_panic_and_what_is_read_survives_being_written() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut dice = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut message = discover();
    message.options.push(code::OVERLOAD, &[3]);
    message.file = vec![12, 3, 1, 2, 3, 255];
    let seed = emitted(&message, MIN_LIMIT);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut bytes = seed.clone();
        for _ in 0..dice() % 8 {
            let at = if dice() % 4 == 0 { dice() as usize % bytes.len() } else { FIXED_LEN + dice() as usize % 40 };
            bytes[at] = dice() as u8;
        }
        bytes.truncate(seed.len() - dice() as usize % 64);
        assert!(!Packet::describe(&bytes).to_string().contains('\n'));
        if let Ok(message) = Message::parse(&bytes) {
            accepted += 1;
            let mut out = Vec::new();
            assert_eq!(message.emit(&mut out, 1472), 0);
            assert_eq!(Message::parse(&out), Ok(message));
        }
    }
    assert!(accepted > 1000, "the dice are loaded: {accepted}");
}
