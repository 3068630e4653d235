//! Packets of access points: `how (1), datagram` again and again. What proves nothing goes nowhere; what is signed goes
//! on without Proxy-State and with its proof first, and its answer comes back with the Proxy-States, whatever is in them.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use poblano_fuzz::{Input, start};
use radius::auth::{self, Integrity, accounting_authenticator, message_authenticator, response_authenticator};
use radius::proxy::{AccessPoint, Action, Proxy};
use radius::{Attribute, Client, Code, Config, Kind, Outcome, Packet, Secret, Server, Transmit, View, attr};

const AP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 40)), 50_000);

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let (mut proxy, mut client) = (proxy(), client());
    while !input.is_empty() {
        let how = input.u8();
        let mut datagram = input.short().to_vec();
        let service = if how & 1 == 0 { Kind::Auth } else { Kind::Acct };
        let signed = how & 2 != 0 && sign(&mut datagram, service);
        match proxy.handle_datagram(start(), service, AP, &datagram) {
            Ok(Action::Ask(asked)) => {
                assert!(signed, "an unproven request goes on");
                if client.submit_relayed(start(), asked.request.clone()).is_err() {
                    proxy.give_up(asked.ticket);
                    continue;
                }
                let sent = client.poll_transmit().expect("the request");
                let reply = answer(&mut client, &sent, how, input.short());
                let Some(reply) = reply else { continue };
                let Some(back) = proxy.answer(start(), asked.ticket, &reply) else { continue };
                let (view, asked) =
                    (View::parse(&back).expect("it was just made"), View::parse(&datagram).expect("signed"));
                assert_eq!(view.all(attr::PROXY_STATE), asked.all(attr::PROXY_STATE));
                assert!(auth::answers(view, &asked.authenticator(), &ours()));
                assert_eq!(auth::integrity(view, &asked.authenticator(), &ours()), Integrity::Proven);
            }
            Ok(_) => assert!(signed, "an unproven packet is answered"),
            Err(_) => {}
        }
    }
});

/// What the client makes of a server's answer with these attributes.
fn answer(client: &mut Client, sent: &Transmit, how: u8, attributes: &[u8]) -> Option<radius::Reply> {
    let request = View::parse(&sent.bytes).expect("we made it");
    let first = request.attributes().next().map(|each| each.number);
    assert_eq!(first, Some(attr::MESSAGE_AUTHENTICATOR.number()));
    assert_eq!(request.all(attr::PROXY_STATE), Vec::<Vec<u8>>::new());
    assert_eq!(auth::integrity(request, &request.authenticator(), &theirs()), Integrity::Proven);
    let code = [Code::AccessAccept, Code::AccessReject, Code::AccessChallenge][usize::from(how >> 2) % 3];
    let mut packet = Packet { code, id: request.id(), authenticator: request.authenticator(), attributes: Vec::new() };
    packet.attributes.push(attr::MESSAGE_AUTHENTICATOR.of(&[0; 16]).expect("it fits"));
    let mut rest = Input::new(attributes);
    while !rest.is_empty() {
        let number = rest.u8();
        let value = rest.short();
        if number != attr::MESSAGE_AUTHENTICATOR.number() {
            packet.attributes.push(Attribute::bytes(number, &value[..value.len().min(253)]).expect("it is short"));
        }
    }
    let mut bytes = packet.emit().ok()?;
    let proof = message_authenticator(&bytes, &request.authenticator(), 22, &theirs());
    bytes[22..38].copy_from_slice(&proof);
    let authenticator = response_authenticator(&bytes, &request.authenticator(), &theirs());
    bytes[4..20].copy_from_slice(&authenticator);
    client.handle_datagram(start(), sent.socket, sent.to, &bytes).expect("it is signed");
    match client.poll_event().expect("it was answered").outcome {
        Outcome::Accept(reply) | Outcome::Challenge(reply) => Some(reply),
        // An Accept that must not go on ends as a Reject, and is none.
        Outcome::Reject(reply) => (reply.code() == Code::AccessReject).then_some(reply),
        _ => None,
    }
}

/// Makes a datagram one of the access point's, if it is a packet at all.
fn sign(datagram: &mut Vec<u8>, service: Kind) -> bool {
    let Ok(view) = View::parse(datagram) else { return false };
    let mut packet = view.to_packet();
    packet.attributes.retain(|each| each.number() != attr::MESSAGE_AUTHENTICATOR.number());
    if service == Kind::Auth {
        packet.attributes.push(attr::MESSAGE_AUTHENTICATOR.of(&[0; 16]).expect("it fits"));
    }
    let Ok(mut bytes) = packet.emit() else { return false };
    if service == Kind::Auth {
        let at = bytes.len() - 16;
        let proof = message_authenticator(&bytes, &packet.authenticator, at, &ours());
        bytes[at..].copy_from_slice(&proof);
    } else {
        let authenticator = accounting_authenticator(&bytes, &ours());
        bytes[4..20].copy_from_slice(&authenticator);
    }
    *datagram = bytes;
    true
}

fn proxy() -> Proxy {
    let access_point =
        AccessPoint { address: AP.ip(), prefix: 32, secret: ours(), require_message_authenticator: true };
    Proxy::new(vec![access_point])
}

fn client() -> Client {
    let address = |port| SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), port);
    let server = Server::new(address(1812), address(1813), theirs());
    let mut state = 1u64;
    let dice = Box::new(move |buffer: &mut [u8]| {
        for octet in buffer {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (state >> 56) as u8;
        }
    });
    Client::new(Config::new(vec![server]), dice).expect("a good configuration")
}

fn ours() -> Secret {
    Secret::new(*b"the access point's")
}

fn theirs() -> Secret {
    Secret::new(*b"the server's")
}
