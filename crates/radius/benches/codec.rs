//! What RADIUS packets cost, without a network: `cargo bench -p poblano-radius`.
#![allow(missing_docs, reason = "the macros of criterion make functions")]

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{Criterion, criterion_group, criterion_main};
use radius::auth::{self, Secret};
use radius::value::Clear;
use radius::{Code, Packet, Reply, View, attr};

/// Where the sixteen octets of a Message-Authenticator in front begin.
const AUTHENTICATOR_AT: usize = 20 + 2;

/// An Access-Accept with limits, signed in both ways.
fn accept(request_authenticator: &[u8; 16], secret: &Secret) -> Vec<u8> {
    let attributes = vec![
        attr::MESSAGE_AUTHENTICATOR.of(&[0; 16]).expect("it fits"),
        attr::SESSION_TIMEOUT.of(3600).expect("it fits"),
        attr::IDLE_TIMEOUT.of(600).expect("it fits"),
        attr::ACCT_INTERIM_INTERVAL.of(300).expect("it fits"),
        attr::CLASS.of(&[7; 32]).expect("it fits"),
        attr::wispr::BANDWIDTH_MAX_UP.of(1_000_000).expect("it fits"),
        attr::wispr::BANDWIDTH_MAX_DOWN.of(8_000_000).expect("it fits"),
    ];
    let packet = Packet { code: Code::AccessAccept, id: 9, authenticator: *request_authenticator, attributes };
    let mut bytes = packet.emit().expect("it fits");
    let sum = auth::message_authenticator(&bytes, request_authenticator, AUTHENTICATOR_AT, secret);
    bytes[AUTHENTICATOR_AT..AUTHENTICATOR_AT + 16].copy_from_slice(&sum);
    let sum = auth::response_authenticator(&bytes, request_authenticator, secret);
    bytes[4..20].copy_from_slice(&sum);
    bytes
}

fn codec(criterion: &mut Criterion) {
    let secret = Secret::new("testing123, but longer");
    let authenticator = [0x42; 16];
    let clear = |octets| Clear { octets, secret: &secret, request_authenticator: &authenticator };
    let request = || Packet {
        code: Code::AccessRequest,
        id: 9,
        authenticator,
        attributes: vec![
            attr::MESSAGE_AUTHENTICATOR.of(&[0; 16]).expect("it fits"),
            attr::USER_NAME.of("alice@example.org").expect("it fits"),
            attr::USER_PASSWORD.of(clear(b"correct horse")).expect("it fits"),
            attr::NAS_IP_ADDRESS.of(Ipv4Addr::new(192, 0, 2, 1)).expect("it fits"),
            attr::CALLING_STATION_ID.of("02-00-5E-10-00-01").expect("it fits"),
            attr::NAS_PORT.of(7).expect("it fits"),
        ],
    };
    criterion.bench_function("encode an Access-Request", |bench| {
        bench.iter(|| black_box(request().emit()));
    });
    let bytes = request().emit().expect("it fits");
    criterion.bench_function("sign an Access-Request", |bench| {
        let sign = || auth::message_authenticator(black_box(&bytes), &authenticator, AUTHENTICATOR_AT, &secret);
        bench.iter(|| black_box(sign()));
    });
    criterion.bench_function("hide a password", |bench| {
        bench.iter(|| black_box(attr::USER_PASSWORD.of(clear(black_box(b"correct horse")))));
    });
    let bytes = accept(&authenticator, &secret);
    let view = View::parse(&bytes).expect("it is an answer");
    criterion.bench_function("decode an Access-Accept", |bench| {
        bench.iter(|| View::parse(black_box(&bytes)).map(|view| black_box(Reply::new(view))));
    });
    let verify = || {
        auth::answers(view, &authenticator, &secret)
            && auth::integrity(view, &authenticator, &secret) == auth::Integrity::Proven
    };
    assert!(verify());
    criterion.bench_function("verify an Access-Accept", |bench| bench.iter(|| black_box(verify())));
}

criterion_group!(benches, codec);
criterion_main!(benches);
