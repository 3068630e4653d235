//! The examples of the RFCs, byte for byte, and what strangers may send.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::net::Ipv4Addr;

use radius::attr::value::{acct_terminate_cause, framed_protocol, service_type};
use radius::auth::{self, Integrity, Secret};
use radius::dictionary::vendor;
use radius::packet::describe;
use radius::value::Clear;
use radius::{Attribute, BuildError, Code, Packet, ParseError, Reply, View, attr};

const SECRET: &str = "xyzzy5461";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|c| !c.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn secret() -> Secret {
    Secret::new(SECRET)
}

fn clear<'a>(octets: &'a [u8], secret: &'a Secret, request_authenticator: &'a [u8; 16]) -> Clear<'a> {
    Clear { octets, secret, request_authenticator }
}

fn authenticator(packet: &[u8]) -> [u8; 16] {
    packet[4..20].try_into().unwrap()
}

const TELNET_REQUEST: &str = "01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12
    0d be 70 8d 93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03";
const TELNET_ACCEPT: &str = "02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01
    0f 06 00 00 00 00 0e 06 c0 a8 01 03";
const CHAP_REQUEST: &str = "01 01 00 47 2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2 01 08 66 6c 6f 70 73 79
    03 13 16 e9 75 57 c3 16 18 58 95 f2 93 ff 63 44 07 72 75 04 06 c0 a8 01 10 05 06 00 00 00 14 06 06 00 00 00 02
    07 06 00 00 00 01";
const CHAP_ACCEPT: &str = "02 01 00 38 15 ef bc 7d ab 26 cf a3 dc 34 d9 c0 3c 86 01 a4 06 06 00 00 00 02
    07 06 00 00 00 01 08 06 ff ff ff fe 0a 06 00 00 00 02 0d 06 00 00 00 01 0c 06 00 00 05 dc";

#[test]
fn rfc_2865_section_7_1_a_telnet_user_is_asked_about_and_accepted() {
    let wire = hex(TELNET_REQUEST);
    let authenticator = authenticator(&wire);
    let packet = Packet {
        code: Code::AccessRequest,
        id: 0,
        authenticator,
        attributes: vec![
            attr::USER_NAME.of("nemo").unwrap(),
            attr::USER_PASSWORD.of(clear(b"arctangent", &secret(), &authenticator)).unwrap(),
            attr::NAS_IP_ADDRESS.of(Ipv4Addr::new(192, 168, 1, 16)).unwrap(),
            attr::NAS_PORT.of(3).unwrap(),
        ],
    };
    assert_eq!(packet.emit().unwrap(), wire);
    assert_eq!(View::parse(&wire).unwrap().to_packet(), packet);

    let accept = hex(TELNET_ACCEPT);
    assert!(auth::answers(View::parse(&accept).unwrap(), &authenticator, &secret()));
    assert!(!auth::answers(View::parse(&accept).unwrap(), &authenticator, &Secret::new("xyzzy5462")));
    for octet in 0..accept.len() {
        let mut forged = accept.clone();
        forged[octet] ^= 1;
        if let Ok(view) = View::parse(&forged) {
            assert!(!auth::answers(view, &authenticator, &secret()), "octet {octet} changed unnoticed");
        }
    }
}

#[test]
fn rfc_2865_section_7_2_a_ppp_user_answers_a_chap_challenge() {
    let wire = hex(CHAP_REQUEST);
    let authenticator = authenticator(&wire);
    // In the example the challenge is the Request Authenticator itself.
    let mut chap = vec![0x16];
    chap.extend(auth::chap_response(0x16, b"arctangent", &authenticator));
    let packet = Packet {
        code: Code::AccessRequest,
        id: 1,
        authenticator,
        attributes: vec![
            attr::USER_NAME.of("flopsy").unwrap(),
            attr::CHAP_PASSWORD.of(&chap).unwrap(),
            attr::NAS_IP_ADDRESS.of(Ipv4Addr::new(192, 168, 1, 16)).unwrap(),
            attr::NAS_PORT.of(20).unwrap(),
            attr::SERVICE_TYPE.of(service_type::FRAMED).unwrap(),
            attr::FRAMED_PROTOCOL.of(framed_protocol::PPP).unwrap(),
        ],
    };
    assert_eq!(packet.emit().unwrap(), wire);
    assert!(auth::answers(View::parse(&hex(CHAP_ACCEPT)).unwrap(), &authenticator, &secret()));
}

#[test]
fn rfc_5997_section_6_message_authenticator_is_the_one_of_rfc_3579() {
    let wire = hex("0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23
        50 12 5a 66 5e 2e 1e 84 11 f3 e2 43 82 20 97 c8 4f a3");
    let authenticator = authenticator(&wire);
    assert_eq!(auth::message_authenticator(&wire, &authenticator, 22, &secret()), wire[22..]);
    let answer = hex("02 da 00 14 ef 0d 55 2a 4b f2 d6 93 ec 2b 6f e8 b5 41 1d 66");
    let answer = View::parse(&answer).unwrap();
    assert!(auth::answers(answer, &authenticator, &secret()));
    assert_eq!(auth::integrity(answer, &authenticator, &secret()), Integrity::Missing);
}

#[test]
fn a_message_authenticator_that_was_touched_doubled_or_cut_is_wrong() {
    let request = [7; 16];
    let mut packet = Packet {
        code: Code::AccessAccept,
        id: 9,
        authenticator: request,
        attributes: vec![attr::REPLY_MESSAGE.of("hello").unwrap(), attr::MESSAGE_AUTHENTICATOR.of(&[0; 16]).unwrap()],
    };
    let mut wire = packet.emit().unwrap();
    let value = auth::message_authenticator(&wire, &request, 29, &secret());
    wire[29..45].copy_from_slice(&value);
    let judge = |wire: &[u8]| auth::integrity(View::parse(wire).unwrap(), &request, &secret());
    assert_eq!(judge(&wire), Integrity::Proven);
    for octet in (0..2).chain(22..27).chain(29..45) {
        let mut forged = wire.clone();
        forged[octet] ^= 0x80;
        assert_eq!(judge(&forged), Integrity::Wrong, "octet {octet}");
    }

    packet.attributes[1] = attr::MESSAGE_AUTHENTICATOR.of(&value).unwrap();
    packet.attributes.push(packet.attributes[1].clone());
    let mut doubled = packet.emit().unwrap();
    let first = auth::message_authenticator(&doubled, &request, 29, &secret());
    doubled[29..45].copy_from_slice(&first);
    assert_eq!(judge(&doubled), Integrity::Wrong, "the first is right, but there are two");
    packet.attributes = vec![attr::MESSAGE_AUTHENTICATOR.of(&value[..15]).unwrap()];
    assert_eq!(judge(&packet.emit().unwrap()), Integrity::Wrong);
}

#[test]
fn passwords_are_hidden_in_blocks_of_sixteen_up_to_128() {
    for (length, blocks) in [(0, 1), (1, 1), (16, 1), (17, 2), (128, 8)] {
        let hidden = attr::USER_PASSWORD.of(clear(&vec![b'x'; length], &secret(), &[1; 16])).unwrap();
        assert_eq!(hidden.value().len(), blocks * 16, "{length} octets");
    }
    assert_eq!(
        attr::USER_PASSWORD.of(clear(&[b'x'; 129], &secret(), &[1; 16])),
        Err(BuildError::ValueTooLong { attribute: attr::USER_PASSWORD.number(), octets: 129 })
    );
}

#[test]
fn octets_after_the_length_are_padding_and_lengths_that_lie_are_refused() {
    let mut wire = hex(TELNET_REQUEST);
    let packet = View::parse(&wire).unwrap().to_packet();
    wire.extend([0xff; 9]);
    assert_eq!(View::parse(&wire).unwrap().to_packet(), packet);

    let header = |length: u16, rest: &[u8]| {
        let mut bytes = vec![2, 0];
        bytes.extend(length.to_be_bytes());
        bytes.extend([0; 16]);
        bytes.extend(rest);
        bytes
    };
    assert_eq!(View::parse(&[]), Err(ParseError::Truncated { have: 0 }));
    assert_eq!(View::parse(&header(20, &[])[..19]), Err(ParseError::Truncated { have: 19 }));
    assert!(View::parse(&header(20, &[])).is_ok());
    assert_eq!(View::parse(&header(19, &[])), Err(ParseError::Length { field: 19, have: 20 }));
    assert_eq!(View::parse(&header(21, &[])), Err(ParseError::Length { field: 21, have: 20 }));
    assert_eq!(View::parse(&header(4097, &[0; 5000])), Err(ParseError::Length { field: 4097, have: 5020 }));
    for (rest, offset) in [(&[1u8][..], 20), (&[1, 0], 20), (&[1, 1], 20), (&[1, 3], 20), (&[1, 2, 18, 9, 1], 22)] {
        let wire = header(20 + rest.len() as u16, rest);
        assert_eq!(View::parse(&wire), Err(ParseError::AttributeLength { offset }), "{rest:?}");
    }
}

#[test]
fn a_packet_is_never_written_longer_than_4096_nor_a_value_than_253() {
    assert!(attr::CLASS.of(&[0; 253]).is_ok());
    assert!(attr::CLASS.of(&[0; 254]).is_err());
    assert!(attr::wispr::LOGOFF_URL.of(&"u".repeat(247)).is_ok());
    assert!(attr::wispr::LOGOFF_URL.of(&"u".repeat(248)).is_err());
    let class = attr::CLASS.of(&[0; 253]).unwrap();
    let mut packet =
        Packet { code: Code::AccessRequest, id: 0, authenticator: [0; 16], attributes: vec![class.clone(); 15] };
    packet.attributes.push(attr::CLASS.of(&[0; 249]).unwrap());
    assert_eq!(packet.emit().unwrap().len(), 4096);
    packet.attributes.push(attr::CLASS.of(&[]).unwrap());
    assert_eq!(packet.emit(), Err(BuildError::PacketTooLong { octets: 4098 }));
}

#[test]
fn a_packet_prints_on_one_line_and_keeps_its_secrets() {
    assert_eq!(
        describe(&hex(TELNET_REQUEST)),
        "Access-Request id 0 User-Name=\"nemo\" User-Password=<hidden> NAS-IP-Address=192.168.1.16 NAS-Port=3"
    );
    let packet = Packet {
        code: Code::Other(99),
        id: 1,
        authenticator: [0; 16],
        attributes: vec![
            attr::REPLY_MESSAGE.of("two\nlines \"é\"").unwrap(),
            attr::ACCT_TERMINATE_CAUSE.of(acct_terminate_cause::IDLE_TIMEOUT).unwrap(),
            attr::wispr::BANDWIDTH_MAX_UP.of(256).unwrap(),
            Attribute::vendor(vendor::MICROSOFT, 16, b"key").unwrap(),
            Attribute::vendor(9, 1, b"key").unwrap(),
            Attribute::bytes(26, &[1, 2, 3]).unwrap(),
            Attribute::bytes(250, &[0xab]).unwrap(),
        ],
    };
    assert_eq!(
        packet.to_string(),
        "Code-99 id 1 Reply-Message=\"two\\nlines \\\"\\xc3\\xa9\\\"\" Acct-Terminate-Cause=Idle-Timeout \
         WISPr-Bandwidth-Max-Up=256 MS-MPPE-Send-Key=<hidden> Attr-26.9.1=<hidden> Vendor-Specific=<3 octets> Attr-250=0xab"
    );
    assert_eq!(describe(b"GET / HTTP/1.1\r\n\r\n"), "not RADIUS: 18 octets are less than a RADIUS header");
    assert_eq!(format!("{:?}", secret()), "Secret(<hidden>)");
}

#[test]
fn random_bytes_never_panic_and_what_parses_is_written_again_unchanged() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut parsed = 0;
    for round in 0..40_000 {
        let mut bytes = hex(if round % 2 == 0 { TELNET_ACCEPT } else { CHAP_REQUEST });
        for _ in 0..random() % 6 {
            let at = random() as usize % bytes.len();
            bytes[at] = random() as u8;
        }
        bytes.truncate((random() as usize % 90).max(1));
        bytes.extend((0..random() % 8).map(|octet| octet as u8));
        let _ = describe(&bytes);
        if let Ok(view) = View::parse(&bytes) {
            parsed += 1;
            assert_eq!(view.to_packet().emit().as_deref(), Ok(view.bytes()));
            let _ = auth::integrity(view, &[0; 16], &secret());
            let reply = Reply::new(view);
            let _ = (reply.has_invalid_length(), reply.reply_message(), reply.max_up_bits_per_sec(), reply.classes());
        }
    }
    assert!(parsed > 1_000, "only {parsed} packets parsed: the test tests little");
}

#[test]
fn an_accept_is_read_with_the_units_of_each_attribute() {
    let read = |attributes: Vec<Attribute>| {
        let packet = Packet { code: Code::AccessAccept, id: 0, authenticator: [0; 16], attributes };
        Reply::new(View::parse(&packet.emit().unwrap()).unwrap())
    };
    let reply = read(vec![
        attr::REPLY_MESSAGE.of(&"a".repeat(253)).unwrap(),
        Attribute::bytes(attr::REPLY_MESSAGE.number(), &[0xff, b'!']).unwrap(),
        attr::TERMINATION_ACTION.of(1).unwrap(),
        attr::wispr::BANDWIDTH_MAX_UP.of(64_000).unwrap(),
        attr::wispr::BANDWIDTH_MAX_DOWN.of(128_000).unwrap(),
        attr::chillispot::BANDWIDTH_MAX_UP.of(5_000_000).unwrap(),
        attr::chillispot::MAX_INPUT_OCTETS.of(7).unwrap(),
        attr::chillispot::MAX_INPUT_GIGAWORDS.of(2).unwrap(),
    ]);
    assert_eq!(reply.reply_message(), Some(format!("{}\u{fffd}!", "a".repeat(253))));
    assert!(reply.asks_again_at_end() && !reply.has_invalid_length());
    // ChilliSpot's kbit/s win over WISPr's bit/s, and more than 4.29 Gbit/s do not wrap.
    assert_eq!((reply.max_up_bits_per_sec(), reply.max_down_bits_per_sec()), (Some(5_000_000_000), Some(128_000)));
    assert_eq!((reply.max_input_octets(), reply.max_output_octets()), (Some((2 << 32) + 7), None));
    assert_eq!((reply.session_timeout(), reply.get(attr::STATE), reply.get(attr::USER_NAME)), (None, None, None));

    let flood = read(vec![attr::REPLY_MESSAGE.of(&"b".repeat(253)).unwrap(); 15]);
    assert_eq!(flood.reply_message().map(|text| text.len()), Some(1024));
    let classes = read(vec![attr::CLASS.of(&[1]).unwrap(); 20]);
    assert_eq!(classes.classes().len(), 8);
    for broken in [
        Attribute::bytes(attr::SESSION_TIMEOUT.number(), &[0, 60]).unwrap(),
        Attribute::vendor(vendor::WISPR, 7, &[1]).unwrap(),
    ] {
        assert!(read(vec![broken]).has_invalid_length());
    }
}
