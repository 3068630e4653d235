//! How guests prove who they are: MS-CHAPv2 by the example of its RFC, EAP, addresses of devices; and what a proxy hides
//! anew.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::net::SocketAddr;
use std::time::Duration;

use radius::attr::{microsoft, value::service_type};
use radius::hide::{self, Hop, Unreadable};
use radius::mschap::{Failure, Response, failure};
use radius::request::Service;
use radius::value::{Clear, Salted, Tag};
use radius::{
    AccessRequest, Attr, Attribute, AttributeList, Client, Config, Credential, GuestFacts, MacFormat, NasFacts, Packet,
    Secret, Server, View, attr,
};
use wire::{MacAddr, Now};

const CHALLENGE: [u8; 16] = *b"\x5b\x5d\x7c\x7d\x7b\x3f\x2f\x3e\x3c\x2c\x60\x21\x32\x26\x26\x28";
const PEER_CHALLENGE: [u8; 16] = *b"\x21\x40\x23\x24\x25\x5e\x26\x2a\x28\x29\x5f\x2b\x3a\x33\x7c\x7e";
const NT_RESPONSE: [u8; 24] =
    *b"\x82\x30\x9e\xcd\x8d\x70\x8b\x5e\xa0\x8f\xaa\x39\x81\xcd\x83\x54\x42\x33\x11\x4a\x3d\x85\xd6\xdf";
const SUCCESS: &[u8] = b"\x07S=407A5589115FD0D6209F510FE9C04566932CDA56";

#[test]
fn rfc_2759_section_9_2_the_answer_to_a_challenge_and_the_servers_proof() {
    let response = Response::new(7, CHALLENGE, PEER_CHALLENGE, "User", "clientPass");
    let octets = response.octets();
    assert_eq!(octets[..2], [7, 0]);
    assert_eq!(octets[2..18], PEER_CHALLENGE);
    assert_eq!(octets[18..26], [0; 8]);
    assert_eq!(octets[26..], NT_RESPONSE);
    assert_eq!(response.success("User", "clientPass"), SUCCESS);
    assert_eq!(Response::new(7, CHALLENGE, PEER_CHALLENGE, "DOMAIN\\User", "clientPass"), response);
}

#[test]
fn an_answer_is_relayed_as_it_came_and_told_from_that_to_another_password() {
    let response = Response::relayed(7, CHALLENGE, PEER_CHALLENGE, NT_RESPONSE);
    assert_eq!(Response::from_octets(CHALLENGE, &response.octets()), Some(response.clone()));
    assert!(response.is_of("User", "clientPass"));
    assert!(!response.is_of("User", "clientpass") && !response.is_of("user", "clientPass"));
    assert_eq!(Response::from_octets(CHALLENGE, &response.octets()[..49]), None);
    let mut flagged = response.octets();
    flagged[1] = 1;
    assert_eq!(Response::from_octets(CHALLENGE, &flagged), None);
    assert_eq!(format!("{response:?}"), "Response(<hidden>)");
}

#[test]
fn a_server_that_does_not_know_the_password_proves_nothing() {
    let response = Response::new(7, CHALLENGE, PEER_CHALLENGE, "User", "clientPass");
    let proven = |success: &[u8]| response.is_proven_by(success, "User", "clientPass");
    assert!(proven(SUCCESS));
    assert!(proven(&[SUCCESS, b" M=Welcome"].concat()));
    for octet in 0..SUCCESS.len() {
        let mut forged = SUCCESS.to_vec();
        forged[octet] ^= 1;
        assert!(!proven(&forged), "octet {octet}");
    }
    for wrong in [&b""[..], &SUCCESS[..42], &[SUCCESS, b"0"].concat()] {
        assert!(!proven(wrong));
    }
    assert!(!response.is_proven_by(SUCCESS, "User", "another"));
}

#[test]
fn a_refusal_says_why_and_whether_to_try_again() {
    let text = b"\x09E=691 R=1 C=5b5d7c7d7b3f2f3e3c2c602132262628 V=3 M=Name = Password?";
    let failure = Failure::parse(text).unwrap();
    assert_eq!((failure.ident, failure.code), (9, failure::AUTHENTICATION_FAILURE));
    assert_eq!((failure.may_retry, failure.challenge, failure.version), (true, Some(CHALLENGE), Some(3)));
    assert_eq!(failure.message, "Name = Password?");
    let short = Failure::parse(b"\x01E=648").unwrap();
    assert_eq!(
        (short.code, short.may_retry, short.challenge, &*short.message),
        (failure::PASSWORD_EXPIRED, false, None, "")
    );
    let broken = Failure::parse(b"\x01E=691 R=2 C=zz5d7c7d7b3f2f3e3c2c602132262628").unwrap();
    assert_eq!((broken.may_retry, broken.challenge), (false, None));
    for nothing in [&b""[..], b"\x01", b"\x01R=1", b"\x01E=x", b"\x01E=99999999999"] {
        assert_eq!(Failure::parse(nothing), None);
    }
}

/// The packet that a client sends for a login.
fn sent(user: &str, credential: Credential, change: impl FnOnce(&mut AccessRequest)) -> Packet {
    let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
    let config = Config::new(vec![Server::new(address(1812), address(1813), Secret::new("secret"))]);
    let mut client = Client::new(config, Box::new(|out| out.fill(5))).unwrap();
    let nas = NasFacts { identifier: "gateway".into(), ..NasFacts::default() };
    let guest = GuestFacts {
        mac: MacAddr([2, 0, 0x5e, 0x10, 0xab, 1]),
        framed_ip: None,
        session_id: "1".into(),
        port: None,
        port_id: String::new(),
    };
    let mut request = AccessRequest::new(user, credential, nas, guest);
    change(&mut request);
    client.submit_access(Now { mono: Duration::ZERO, unix: Duration::ZERO }, request).unwrap();
    let sent = client.poll_transmit().unwrap();
    View::parse(&sent.bytes).unwrap().to_packet()
}

#[test]
fn each_credential_says_what_it_is_for_and_what_it_has_to() {
    let response = Response::new(7, CHALLENGE, PEER_CHALLENGE, "User", "clientPass");
    let sent_mschap = sent("User", Credential::MsChapV2(response.clone()), |_| ()).attributes;
    assert_eq!(sent_mschap.get(attr::SERVICE_TYPE), Some(service_type::LOGIN));
    assert_eq!(sent_mschap.get(microsoft::MS_CHAP_CHALLENGE), Some(CHALLENGE.to_vec()));
    assert_eq!(sent_mschap.get(microsoft::MS_CHAP2_RESPONSE), Some(response.octets().to_vec()));

    let message: Vec<u8> = (0..600u16).map(|n| n as u8).collect();
    let eap = Credential::Eap { message: message.clone(), framed_mtu: Some(1400) };
    let sent_eap = sent("anne", eap, |request| request.state = Some(b"state".to_vec())).attributes;
    assert_eq!(sent_eap.get(attr::EAP_MESSAGE), Some(message));
    let fragments = sent_eap.iter().filter(|a| a.number() == 79).map(|a| a.value().len());
    assert_eq!(fragments.collect::<Vec<_>>(), [253, 253, 94]);
    assert_eq!((sent_eap.get(attr::FRAMED_MTU), sent_eap.get(attr::STATE)), (Some(1400), Some(b"state".to_vec())));
    assert_eq!(sent_eap.get(attr::SERVICE_TYPE), Some(service_type::FRAMED));
    // An empty message is how a NAS starts EAP (RFC 3579, section 2.2).
    let start = sent("anne", Credential::Eap { message: Vec::new(), framed_mtu: None }, |_| ()).attributes;
    assert_eq!((start.get(attr::EAP_MESSAGE), start.get(attr::FRAMED_MTU)), (Some(Vec::new()), None));

    let mac = Credential::Mac { password: b"02-00".to_vec() };
    let sent_mac = sent("02-00", mac, |_| ());
    let hidden = sent_mac.attributes.get(attr::USER_PASSWORD).unwrap();
    assert!(hidden.reveal(&Secret::new("secret"), &sent_mac.authenticator).starts_with(b"02-00\0"));
    assert_eq!(sent_mac.attributes.get(attr::SERVICE_TYPE), Some(service_type::CALL_CHECK));

    let gateway = sent("gw", Credential::Pap(b"x".to_vec()), |request| request.service = Service::Administrative);
    assert_eq!(gateway.attributes.get(attr::SERVICE_TYPE), Some(service_type::ADMINISTRATIVE));

    let again = sent("anne", Credential::AuthorizeOnly, |request| request.state = Some(b"state".to_vec())).attributes;
    assert_eq!(again.get(attr::SERVICE_TYPE), Some(service_type::AUTHORIZE_ONLY));
    assert!(again.get(attr::USER_PASSWORD).is_none() && again.get(attr::STATE).is_some());
}

#[test]
fn a_device_is_named_as_the_operators_server_wants_it() {
    let mac = MacAddr([2, 0, 0x5e, 0x10, 0xab, 1]);
    for (pattern, suffix, name) in [
        ("aa:bb:cc:dd:ee:ff", "", "02:00:5e:10:ab:01"),
        ("AA-BB-CC-DD-EE-FF", "@mac", "02-00-5E-10-AB-01@mac"),
        ("aabb.ccdd.eeff", "", "0200.5e10.ab01"),
        ("AABBCCDDEEFF", "", "02005E10AB01"),
    ] {
        assert_eq!(MacFormat::new(pattern, suffix).unwrap().name(mac), name);
    }
    for wrong in ["", "aa:bb", "aa:bb:cc:dd:ee:ffa", "aa:bb:cc:dd:ee:FF", "aa/bb/cc/dd/ee/ff", "02:00:5e:10:ab:01"] {
        assert_eq!(MacFormat::new(wrong, ""), None, "{wrong}");
    }
}

#[test]
fn a_proxy_hides_keys_and_passwords_anew_and_lets_nothing_on_that_it_cannot_read() {
    let (ours, theirs) = (Secret::new("of the server"), Secret::new("of the access point"));
    let from = Hop { secret: &ours, request_authenticator: &[1; 16] };
    let to = Hop { secret: &theirs, request_authenticator: &[2; 16] };
    let clear = |octets| Clear { octets, secret: &ours, request_authenticator: &[1; 16] };
    let mut attributes = vec![attr::CLASS.of(b"gold").unwrap()];
    attributes.add(microsoft::MS_MPPE_SEND_KEY, (clear(&[3; 32]), [0, 1])).unwrap();
    attributes.add(microsoft::MS_MPPE_RECV_KEY, (clear(&[4; 32]), [0, 2])).unwrap();
    attributes.add(microsoft::MS_CHAP_MPPE_KEYS, clear(&[5; 24])).unwrap();
    attributes.add(attr::TUNNEL_PASSWORD, (Tag::new(3).unwrap(), clear(b"tunnel"), [0, 3])).unwrap();
    attributes.add(attr::USER_PASSWORD, clear(b"wonderland")).unwrap();
    attributes.add(microsoft::MS_MPPE_ENCRYPTION_POLICY, 1).unwrap();

    let hidden = hide::anew(&attributes, from, to, [0xff, 0xff]).unwrap();
    assert_eq!(hidden.len(), attributes.len());
    let lengths = |all: &[Attribute]| all.iter().map(|a| a.value().len()).collect::<Vec<_>>();
    assert_eq!(lengths(&hidden), lengths(&attributes), "a packet that fitted fits again");
    let key = |attr: Attr<Salted>| hidden.get(attr).unwrap().reveal(&theirs, &[2; 16]).unwrap();
    assert_eq!(key(microsoft::MS_MPPE_SEND_KEY), [3; 32]);
    assert_eq!(key(microsoft::MS_MPPE_RECV_KEY), [4; 32]);
    let both = hidden.get(microsoft::MS_CHAP_MPPE_KEYS).unwrap().reveal(&theirs, &[2; 16]);
    assert_eq!(both, [&[5; 24][..], &[0; 8]].concat());
    let (tag, password) = hidden.get(attr::TUNNEL_PASSWORD).unwrap();
    assert_eq!((tag.number(), password.reveal(&theirs, &[2; 16]).unwrap()), (3, b"tunnel".to_vec()));
    assert_eq!(hidden.get(attr::USER_PASSWORD).unwrap().reveal(&theirs, &[2; 16]), b"wonderland\0\0\0\0\0\0");
    assert_eq!((&hidden[0], &hidden[6]), (&attributes[0], &attributes[6]));
    let salts: std::collections::HashSet<&[u8]> = hidden[1..3].iter().map(|a| &a.value()[6..8]).collect();
    assert_eq!(salts.len(), 2, "each salt is used once");

    // Several attributes in one, as some servers send their keys.
    let shared: Vec<u8> = attributes[1..3].iter().flat_map(|a| a.value()[4..].to_vec()).collect();
    let shared = Attribute::bytes(26, &[&311u32.to_be_bytes()[..], &shared].concat()).unwrap();
    let split = hide::anew(&[shared], from, to, [0, 0]).unwrap();
    assert_eq!(split.get(microsoft::MS_MPPE_RECV_KEY).unwrap().reveal(&theirs, &[2; 16]).unwrap(), [4; 32]);

    let wrong = Hop { secret: &Secret::new("of nobody"), ..from };
    let send_key = microsoft::MS_MPPE_SEND_KEY.place();
    assert_eq!(hide::anew(&attributes, wrong, to, [0, 0]), Err(Unreadable(send_key)));
    assert_eq!(Unreadable(send_key).to_string(), "MS-MPPE-Send-Key cannot be decrypted");
    for cut in [&[0x80, 1][..], &[0x80, 1, 2, 3], &[7; 19]] {
        let cut = Attribute::vendor(311, 16, cut).unwrap();
        assert_eq!(hide::anew(std::slice::from_ref(&cut), from, to, [0, 0]), Err(Unreadable(send_key)), "{cut:?}");
        assert!(vec![cut].get(microsoft::MS_MPPE_SEND_KEY).is_none());
    }
    let cut = Attribute::bytes(2, &[1; 15]).unwrap();
    assert!(hide::anew(&[cut], from, to, [0, 0]).is_err());
}
