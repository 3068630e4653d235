//! Requests of servers of dynamic authorization: `how (1), datagram`. Forged ones must never be obeyed or answered; of
//! signed ones each is obeyed once at most, and what is answered proves itself.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use poblano_fuzz::{Input, start};
use radius::auth::{self, Integrity};
use radius::dictionary::attribute;
use radius::dynauth::{Action, Client, Server, Trust};
use radius::{Attribute, Code, Secret, View};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let how = input.u8();
    let mut datagram = input.rest().to_vec();
    let trust = Trust {
        require_message_authenticator: how & 1 == 0,
        window: (how & 2 == 0).then_some(Duration::from_secs(300)),
        require_event_timestamp: how & 4 == 0,
        ..Trust::new(secret())
    };
    let mut server = Server::new(start(), "fuzz", vec![Client { address: CLIENT, prefix: 32, trust: Arc::new(trust) }]);
    let signed = how & 8 != 0 && sign(&mut datagram, how & 16 != 0);

    let mut done = 0;
    let mut ask = |datagram: &[u8]| {
        server.handle_datagram(start(), CLIENT, datagram, |request| {
            done += 1;
            assert!(!request.identities.is_empty() && request.identities.len() <= radius::limits::IDENTITIES);
            assert_eq!(request.action == Action::Disconnect, request.changes.attributes().is_empty());
            Ok(())
        })
    };
    let answer = ask(&datagram);
    assert_eq!(ask(&datagram), answer, "a copy is answered in the same way");
    assert!(done <= 1, "a copy was obeyed");
    let Ok(answer) = answer else {
        assert_eq!(done, 0, "what is not answered was obeyed");
        return;
    };
    assert!(signed, "a forged request was answered");
    let (asked, answer) = (View::parse(&datagram).expect("it was read"), View::parse(&answer).expect("it is ours"));
    assert!(auth::answers(answer, &asked.authenticator(), &secret()));
    assert_eq!(auth::integrity(answer, &asked.authenticator(), &secret()), Integrity::Proven);
    assert_eq!(answer.id(), asked.id());
    let refused = answer.attributes().any(|a| a.number == attribute::ERROR_CAUSE);
    assert_eq!(refused, done == 0);
    assert_eq!(refused, matches!(answer.code(), Code::DisconnectNak | Code::CoaNak));
});

fn secret() -> Secret {
    Secret::new(*b"a secret")
}

/// Makes a datagram a true request, if it is a packet at all: with or without Message-Authenticator and the time.
fn sign(datagram: &mut Vec<u8>, with_proof: bool) -> bool {
    let Ok(view) = View::parse(datagram) else { return false };
    let mut packet = view.to_packet();
    packet.code = if u8::from(packet.code) & 1 == 0 { Code::DisconnectRequest } else { Code::CoaRequest };
    if with_proof {
        let ours = [attribute::MESSAGE_AUTHENTICATOR, attribute::EVENT_TIMESTAMP];
        packet.attributes.retain(|a| !ours.contains(&a.number()));
        let Ok(blank) = Attribute::bytes(attribute::MESSAGE_AUTHENTICATOR, &[0; 16]) else { return false };
        packet.attributes.insert(0, blank);
        packet.attributes.push(Attribute::u32(attribute::EVENT_TIMESTAMP, start().unix.as_secs() as u32));
    }
    let Ok(mut bytes) = packet.emit() else { return false };
    if with_proof {
        let proof = auth::message_authenticator(&bytes, &[0; 16], 22, &secret());
        bytes[22..38].copy_from_slice(&proof);
    }
    let authenticator = auth::accounting_authenticator(&bytes, &secret());
    bytes[4..20].copy_from_slice(&authenticator);
    *datagram = bytes;
    true
}
