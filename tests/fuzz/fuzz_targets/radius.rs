//! Datagrams for a client that waits for one login and one record: `how (1), datagram`. Forged ones must never be
//! believed; ones that the server signed must be read without harm.
//!
//! The authenticators of the requests are others in each run: the fuzzer sees what is compared, and would learn them.
#![no_main]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use libfuzzer_sys::fuzz_target;
use poblano_fuzz::{Input, start};
use radius::auth::{message_authenticator, response_authenticator};
use radius::packet::describe;
use radius::request::{Authentic, Record, SessionFacts};
use radius::text::{ConfigWord, RateLimit, TerminateTime};
use radius::{
    AccessRequest, AccountingRequest, Client, Code, Config, Credential, GuestFacts, Kind, NasFacts, Packet, Reply,
    Secret, Server, Transmit, View, attr,
};
use wire::MacAddr;

static RUNS: AtomicU64 = AtomicU64::new(0);
const AUTH: &str = "192.0.2.1:1812";
const ACCT: &str = "192.0.2.1:1813";

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let how = input.u8();
    let mut datagram = input.rest().to_vec();
    assert!(!describe(&datagram).contains('\n'));
    if let Ok(view) = View::parse(&datagram) {
        let again = view.to_packet().emit().expect("what was read can be written");
        assert_eq!(again, view.bytes());
        read(&Reply::new(view));
    }

    let (mut client, sent) = client(how & 2 != 0);
    let asked = &sent[usize::from(how & 1)];
    if let Some(id) = datagram.get_mut(1) {
        *id = asked.bytes[1];
    }
    let signed = how & 4 != 0 && sign(&mut datagram, &asked.bytes);
    let answer = client.handle_datagram(start(), asked.socket, asked.to, &datagram);
    assert!(signed || answer.is_err(), "a forged answer was believed: {}", describe(&datagram));
    assert_eq!(client.poll_event().is_some(), answer.is_ok());
    assert_eq!(client.outstanding(), if answer.is_ok() { 1 } else { 2 });
});

/// A client with a login and a record in flight.
fn client(old_server: bool) -> (Client, [Transmit; 2]) {
    let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
    let mut server = Server::new(address(AUTH), address(ACCT), secret());
    server.require_message_authenticator = !old_server;
    let mut run = RUNS.fetch_add(1, Ordering::Relaxed);
    let dice = Box::new(move |buffer: &mut [u8]| {
        for octet in buffer {
            run = run.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (run >> 56) as u8;
        }
    });
    let mut client = Client::new(Config::new(vec![server]), dice).expect("a good configuration");
    let guest = GuestFacts {
        mac: MacAddr([2, 0, 0, 0, 1, 2]),
        framed_ip: None,
        session_id: "1".to_owned(),
        port: None,
        port_id: String::new(),
    };
    let nas = NasFacts { identifier: "fuzz".to_owned(), ..NasFacts::default() };
    let login = AccessRequest::new("anne", Credential::Pap("secret".into()), nas.clone(), guest.clone());
    client.submit_access(start(), login).expect("it can be sent");
    let session =
        SessionFacts { user: "anne".to_owned(), guest, classes: Vec::new(), cui: None, authentic: Authentic::Radius };
    let record = AccountingRequest::new(Record::Start(session), start(), nas);
    client.submit_accounting(start(), record).expect("it can be sent");
    let sent = [client.poll_transmit().expect("the login"), client.poll_transmit().expect("the record")];
    assert_eq!(sent.each_ref().map(|transmit| transmit.socket.kind), [Some(Kind::Auth), Some(Kind::Acct)]);
    (client, sent)
}

fn secret() -> Secret {
    Secret::new(*b"a secret")
}

/// Makes a datagram a true answer, if it is a packet at all: with Message-Authenticator and Response Authenticator.
fn sign(datagram: &mut Vec<u8>, request: &[u8]) -> bool {
    let Ok(view) = View::parse(datagram) else { return false };
    let mut packet: Packet = view.to_packet();
    packet.attributes.retain(|a| a.number() != attr::MESSAGE_AUTHENTICATOR.number());
    let Ok(blank) = attr::MESSAGE_AUTHENTICATOR.of(&[0; 16]) else { return false };
    packet.attributes.insert(0, blank);
    let Ok(mut bytes) = packet.emit() else { return false };
    let Some(Ok(asked)) = request.get(4..20).map(<[u8; 16]>::try_from) else { return false };
    let proof = message_authenticator(&bytes, &asked, 22, &secret());
    bytes[22..38].copy_from_slice(&proof);
    let authenticator = response_authenticator(&bytes, &asked, &secret());
    bytes[4..20].copy_from_slice(&authenticator);
    *datagram = bytes;
    true
}

/// Reads all that can be read of a reply.
fn read(reply: &Reply) {
    assert!(reply.reply_message().is_none_or(|text| text.len() <= 3 * 1024));
    assert!(reply.classes().len() <= 8);
    let _ = (reply.session_timeout(), reply.idle_timeout(), reply.interim_interval(), reply.get(attr::USER_NAME));
    let _ = (reply.get(attr::STATE), reply.get(attr::FILTER_ID), reply.asks_again_at_end());
    let _ = (reply.max_up_bits_per_sec(), reply.max_down_bits_per_sec(), reply.get(attr::wispr::REDIRECTION_URL));
    let _ = (reply.max_input_octets(), reply.max_output_octets(), reply.max_total_octets());
    let _ = (reply.get(attr::TUNNEL_PRIVATE_GROUP_ID), reply.has_invalid_length());
    let _ = reply.get(attr::wispr::SESSION_TERMINATE_TIME).map(|text| TerminateTime::parse(&text));
    let _ = reply.get(attr::mikrotik::RATE_LIMIT).map(|text| RateLimit::parse(&text));
    let _ = reply.get(attr::chillispot::CONFIG).map(|text| format!("{:?}", ConfigWord::parse(&text)));
    assert_eq!(Code::from(u8::from(reply.code())), reply.code());
}
