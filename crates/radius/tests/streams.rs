//! Connections: what is sent when, what becomes of it when one ends, and what is believed on it.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use radius::{
    Closed, Code, Connection, Frames, Kind, Outcome, ParseError, Refusal, Server, Socket, Transmit, Version, View, attr,
};

use common::{Bench, address, answer, login, nas, stop};

/// A server that is reached over TLS, and then as many over UDP.
fn bench(datagrams: u8) -> Bench {
    Bench::with(datagrams + 1, |config| {
        config.nas = nas();
        config.servers[0] = Server::stream(address(0, 2083));
    })
}

fn opened(bench: &mut Bench) -> (Socket, SocketAddr) {
    match bench.client.poll_connection() {
        Some(Connection::Open { socket, to }) => (socket, to),
        other => panic!("{other:?}"),
    }
}

/// A bench with a connection on which the server has answered.
fn connected(datagrams: u8, version: Version) -> (Bench, Socket) {
    let mut bench = bench(datagrams);
    bench.client.handle_timeout(bench.now);
    let socket = connect(&mut bench, version);
    (bench, socket)
}

fn connect(bench: &mut Bench, version: Version) -> Socket {
    let (socket, to) = opened(bench);
    assert_eq!((to, socket.kind), (address(0, 2083), None));
    bench.client.handle_connected(bench.now, socket, version);
    let status = bench.client.poll_transmit().unwrap();
    assert_eq!(code(&status), Code::StatusServer);
    arrive(bench, &status, Code::AccessAccept).unwrap();
    socket
}

fn code(sent: &Transmit) -> Code {
    View::parse(&sent.bytes).unwrap().code()
}

fn arrive(bench: &mut Bench, request: &Transmit, code: Code) -> Result<(), Refusal> {
    let bytes = answer(&request.bytes, code, vec![], b"radsec", false);
    bench.client.handle_packet(bench.now, request.socket, &bytes)
}

/// What a server answers in RADIUS/1.1.
fn answer_v1_1(request: &[u8], code: Code) -> Vec<u8> {
    let mut bytes = vec![u8::from(code), 0, 0, 20];
    bytes.extend(&request[4..8]);
    bytes.extend([0; 12]);
    bytes
}

#[test]
fn a_connection_is_made_before_anybody_asks_and_carries_logins_and_accounting() {
    let mut bench = bench(0);
    assert_eq!(bench.client.poll_timeout(), Some(Duration::ZERO));
    bench.client.handle_timeout(bench.now);
    assert!(!bench.client.is_up(0, Kind::Auth));
    // A login waits for the connection.
    let token = bench.login();
    assert_eq!(bench.sent(), []);
    let (socket, _) = opened(&mut bench);
    bench.client.handle_connected(bench.now, socket, Version::V1_0);
    assert!(bench.client.is_up(0, Kind::Auth));
    let record = stop(bench.now);
    bench.client.submit_accounting(bench.now, record).unwrap();
    let sent = bench.sent();
    let codes: Vec<Code> = sent.iter().map(code).collect();
    assert_eq!(codes, [Code::StatusServer, Code::AccessRequest, Code::AccountingRequest]);
    assert!(sent.iter().all(|t| t.socket == socket));
    // The secret is fixed; Message-Authenticator is not asked for, because TLS has proven the server.
    arrive(&mut bench, &sent[1], Code::AccessAccept).unwrap();
    let event = bench.event().unwrap();
    assert!(event.token == token && matches!(event.outcome, Outcome::Accept(_)));
    arrive(&mut bench, &sent[2], Code::AccountingResponse).unwrap();
    assert!(matches!(bench.event().unwrap().outcome, Outcome::AccountingAck(_)));
}

#[test]
fn nothing_is_sent_twice_on_a_connection_and_a_new_one_sends_again_what_was_open() {
    let (mut bench, first) = connected(0, Version::V1_0);
    bench.login();
    let request = bench.sent_one();
    bench.now = bench.now.plus(Duration::from_secs(5));
    bench.client.handle_timeout(bench.now);
    assert_eq!(bench.sent(), [], "a UDP request would have been sent again by now");
    bench.client.handle_closed(bench.now, first, Closed::Silent);
    let second = connect(&mut bench, Version::V1_0);
    assert_ne!(first, second);
    let again = bench.sent_one();
    assert_eq!((again.socket, code(&again)), (second, Code::AccessRequest));
    // What is late from the old connection is nobody's answer.
    assert_eq!(arrive(&mut bench, &request, Code::AccessAccept), Err(Refusal::UnknownId));
    arrive(&mut bench, &again, Code::AccessAccept).unwrap();
    assert!(matches!(bench.event().unwrap().outcome, Outcome::Accept(_)));
}

#[test]
fn a_request_is_not_carried_around_by_connections_that_end_each_time() {
    let (mut bench, mut socket) = connected(0, Version::V1_0);
    bench.login();
    for _ in 0..3 {
        assert_eq!(code(&bench.sent_one()), Code::AccessRequest);
        bench.now = bench.now.plus(Duration::from_secs(1));
        bench.client.handle_closed(bench.now, socket, Closed::Silent);
        socket = match bench.client.poll_connection() {
            Some(Connection::Open { socket, .. }) => socket,
            _ => break,
        };
        bench.client.handle_connected(bench.now, socket, Version::V1_0);
        let status = bench.client.poll_transmit().unwrap();
        arrive(&mut bench, &status, Code::AccessAccept).unwrap();
    }
    assert_eq!(bench.sent(), []);
    assert_eq!(bench.event().unwrap().outcome, Outcome::Unproven);
}

#[test]
fn a_request_that_moved_on_is_not_called_back_by_the_end_of_its_connection() {
    let (mut bench, socket) = connected(1, Version::V1_0);
    bench.login();
    let slow = bench.sent_one();
    let other = loop {
        bench.wait();
        if let Some(sent) = bench.sent().into_iter().find(|sent| code(sent) == Code::AccessRequest) {
            break sent;
        }
    };
    assert_eq!((slow.socket.server, other.socket.server), (0, 1));
    bench.client.handle_closed(bench.now, socket, Closed::Silent);
    bench.now = bench.now.plus(Duration::from_secs(1));
    bench.client.handle_timeout(bench.now);
    assert!(bench.sent().iter().all(|sent| sent.socket.server == 1));
    let next = std::iter::from_fn(|| bench.client.poll_connection()).find_map(|connection| match connection {
        Connection::Open { socket, .. } => Some(socket),
        Connection::Close { .. } => None,
    });
    bench.client.handle_connected(bench.now, next.unwrap(), Version::V1_0);
    assert_eq!(code(&bench.sent_one()), Code::StatusServer);
    bench.arrive(&other, &common::accept(&other)).unwrap();
    assert!(matches!(bench.event().unwrap().outcome, Outcome::Accept(_)));
    assert_eq!((bench.event(), bench.client.outstanding()), (None, 0));
}

#[test]
fn a_silent_server_that_is_not_asked_for_its_status_comes_back_by_a_guest() {
    let mut bench = Bench::with(2, |config| {
        config.servers[0] = Server { status_server: false, ..Server::stream(address(0, 2083)) };
    });
    bench.client.handle_timeout(bench.now);
    let (socket, _) = opened(&mut bench);
    bench.client.handle_connected(bench.now, socket, Version::V1_0);
    bench.now = bench.now.plus(Duration::from_secs(1));
    bench.login();
    while bench.client.is_alive(0, Kind::Auth) {
        bench.sent();
        bench.wait();
    }
    for request in bench.sent() {
        bench.arrive(&request, &common::accept(&request)).unwrap();
    }
    bench.now = bench.now.plus(Duration::from_secs(60));
    bench.login();
    let request = bench.sent_one();
    assert_eq!(request.socket, socket);
    arrive(&mut bench, &request, Code::AccessAccept).unwrap();
    assert!(bench.client.is_alive(0, Kind::Auth));
}

#[test]
fn tries_to_connect_grow_rare_and_the_next_server_is_asked_at_once() {
    let mut bench = bench(1);
    bench.client.handle_timeout(bench.now);
    bench.login();
    let mut waits = Vec::new();
    let (mut socket, _) = opened(&mut bench);
    bench.client.handle_closed(bench.now, socket, Closed::Silent);
    let moved_on = bench.sent_one();
    assert_eq!(moved_on.socket.server, 1);
    bench.arrive(&moved_on, &common::accept(&moved_on)).unwrap();
    for _ in 0..9 {
        waits.push(bench.wait());
        socket = opened(&mut bench).0;
        bench.client.handle_closed(bench.now, socket, Closed::Silent);
    }
    let near = |wait: &Duration, secs: f64| (0.9..1.1).contains(&(wait.as_secs_f64() / secs));
    for (wait, secs) in waits.iter().zip([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]) {
        assert!(near(wait, secs), "{waits:?}");
    }
    bench.wait();
    connect(&mut bench, Version::V1_0);
    bench.login();
    assert_eq!(bench.sent_one().socket.server, 0, "it is back, without a guest");
}

#[test]
fn an_outage_is_silence_and_never_somebody_else() {
    for (why, outcome) in [(Closed::Silent, Outcome::Unreachable), (Closed::Distrusted, Outcome::Unproven)] {
        let mut bench = bench(0);
        bench.client.handle_timeout(bench.now);
        bench.login();
        let mut event = None;
        while event.is_none() {
            while let Some(connection) = bench.client.poll_connection() {
                if let Connection::Open { socket, .. } = connection {
                    bench.client.handle_closed(bench.now, socket, why);
                }
            }
            bench.wait();
            event = bench.event();
        }
        assert_eq!(event.unwrap().outcome, outcome);
        // Between two tries it is the same.
        bench.login();
        while bench.client.outstanding() > 0 {
            bench.wait();
        }
        assert_eq!(bench.event().unwrap().outcome, outcome);
    }
}

#[test]
fn an_idle_connection_is_watched_and_given_up_when_nobody_answers() {
    let (mut bench, socket) = connected(0, Version::V1_0);
    for _ in 0..3 {
        let mut waited = bench.wait();
        while bench.client.stats().status_requests == bench.client.stats().status_answers {
            waited += bench.wait();
        }
        assert!((15..25).contains(&waited.as_secs()), "{waited:?}");
        let status = bench.sent_one();
        assert_eq!(code(&status), Code::StatusServer);
        arrive(&mut bench, &status, Code::AccessAccept).unwrap();
    }
    while bench.client.poll_connection() != Some(Connection::Close { socket }) {
        bench.sent();
        bench.wait();
    }
    assert!(!bench.client.is_up(0, Kind::Auth) && !bench.client.is_up(0, Kind::Acct));
}

#[test]
fn more_than_256_requests_use_more_connections_and_idle_ones_are_closed() {
    let (mut bench, first) = connected(0, Version::V1_0);
    for _ in 0..300 {
        bench.login();
    }
    let sent = bench.sent();
    assert_eq!(sent.len(), 256);
    let second = connect(&mut bench, Version::V1_0);
    let more = bench.sent();
    assert_eq!(more.len(), 44);
    assert!(more.iter().all(|t| t.socket == second) && sent.iter().all(|t| t.socket == first));
    for request in sent.iter().chain(&more).rev() {
        arrive(&mut bench, request, Code::AccessReject).unwrap();
    }
    assert_eq!(std::iter::from_fn(|| bench.event()).count(), 300);
    while bench.client.poll_connection() != Some(Connection::Close { socket: second }) {
        for status in bench.sent() {
            arrive(&mut bench, &status, Code::AccessAccept).unwrap();
        }
        bench.wait();
    }
    assert!(bench.client.is_up(0, Kind::Auth));
}

#[test]
fn what_cannot_be_trusted_ends_the_connection() {
    type Change = fn(&mut Vec<u8>);
    let changes: [Change; 3] = [|bytes| bytes[4] ^= 1, |bytes| bytes[0] = 5, |bytes| bytes[3] = 19];
    for change in changes {
        let (mut bench, socket) = connected(0, Version::V1_0);
        bench.login();
        let request = bench.sent_one();
        let mut bytes = answer(&request.bytes, Code::AccessAccept, vec![], b"radsec", false);
        change(&mut bytes);
        assert!(bench.client.handle_packet(bench.now, socket, &bytes).is_err());
        assert_eq!(bench.client.poll_connection(), Some(Connection::Close { socket }));
        assert_eq!(bench.event(), None, "the request goes on");
        bench.wait();
        let second = connect(&mut bench, Version::V1_0);
        let again = bench.sent_one();
        assert_eq!(again.socket, second);
        let bad = attr::MESSAGE_AUTHENTICATOR.of(&[9; 16]).unwrap();
        let forged = answer(&again.bytes, Code::AccessAccept, vec![bad], b"radsec", false);
        let refused = bench.client.handle_packet(bench.now, second, &forged);
        assert_eq!(refused, Err(Refusal::WrongMessageAuthenticator));
    }
}

#[test]
fn radius_1_1_has_tokens_clear_passwords_and_no_md5() {
    let (mut bench, socket) = {
        let mut bench = bench(0);
        bench.client.handle_timeout(bench.now);
        let (socket, _) = opened(&mut bench);
        bench.client.handle_connected(bench.now, socket, Version::V1_1);
        let status = bench.sent_one();
        assert_eq!(View::parse(&status.bytes).unwrap().attributes().map(|a| a.number).collect::<Vec<_>>(), [32]);
        bench.client.handle_packet(bench.now, socket, &answer_v1_1(&status.bytes, Code::AccessAccept)).unwrap();
        (bench, socket)
    };
    for _ in 0..300 {
        bench.login();
    }
    let sent = bench.sent();
    assert_eq!(sent.len(), 300, "one connection carries them all");
    let mut tokens: Vec<_> = sent.iter().map(|t| t.bytes[4..8].to_vec()).collect();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 300);
    for request in sent.iter().rev() {
        let view = View::parse(&request.bytes).unwrap();
        assert_eq!((view.id(), &request.bytes[8..20]), (0, &[0; 12][..]));
        let value = |number| view.attributes().find(|a| a.number == number).map(|a| a.value);
        assert_eq!(value(attr::USER_PASSWORD.number()), Some(&b"wonderland"[..]));
        assert_eq!(value(attr::MESSAGE_AUTHENTICATOR.number()), None);
        bench.client.handle_packet(bench.now, socket, &answer_v1_1(&request.bytes, Code::AccessAccept)).unwrap();
    }
    assert_eq!(std::iter::from_fn(|| bench.event()).count(), 300);
    // A password of more than one block, and none.
    for (password, clear) in [(&b"a password of more than sixteen octets"[..], None), (b"", Some(&b"\0"[..]))] {
        let mut request = login();
        request.credential = radius::Credential::Pap(password.to_vec());
        bench.client.submit_access(bench.now, request).unwrap();
        let sent = bench.sent_one();
        let view = View::parse(&sent.bytes).unwrap();
        let found = view.attributes().find(|a| a.number == attr::USER_PASSWORD.number()).unwrap();
        assert_eq!(found.value, clear.unwrap_or(password));
    }
    let stranger = [&[2, 0, 0, 20][..], &[7; 16]].concat();
    assert_eq!(bench.client.handle_packet(bench.now, socket, &stranger), Err(Refusal::UnknownId));
}

#[test]
fn a_request_of_the_server_comes_out_and_its_answer_goes_back_on_the_same_connection() {
    let (mut bench, socket) = connected(0, Version::V1_0);
    let disconnect = [&[40, 9, 0, 20][..], &[1; 16]].concat();
    for _ in 0..100 {
        bench.client.handle_packet(bench.now, socket, &disconnect).unwrap();
    }
    let incoming = bench.client.poll_incoming().unwrap();
    assert_eq!((incoming.socket, incoming.version, &incoming.bytes), (socket, Version::V1_0, &disconnect));
    assert_eq!(1 + std::iter::from_fn(|| bench.client.poll_incoming()).count(), 64, "a server cannot fill us");
    assert_eq!(bench.client.stats().incoming_dropped, 36);
    bench.client.answer(socket, vec![42; 20]);
    assert_eq!(bench.sent_one().bytes, [42; 20]);
    bench.client.handle_closed(bench.now, socket, Closed::Silent);
    bench.client.answer(socket, vec![42; 20]);
    assert_eq!(bench.sent(), []);
}

#[test]
fn packets_are_parted_wherever_the_stream_is_cut_and_never_beyond_their_bound() {
    let packets: Vec<Vec<u8>> = [20usize, 4096, 21, 300]
        .map(|len| [&[1, 2, (len >> 8) as u8, len as u8][..], &vec![7; len - 4]].concat())
        .into();
    for step in [1, 3, 19, 20, 4096, 10_000] {
        let mut frames = Frames::default();
        let mut found = Vec::new();
        for piece in packets.concat().chunks(step) {
            frames.push(piece);
            while let Some(packet) = frames.next_packet().unwrap() {
                found.push(packet);
            }
        }
        assert_eq!(found, packets, "pieces of {step}");
    }
    for length in [0u16, 19, 4097, 65_535] {
        let mut frames = Frames::default();
        frames.push(&[&[1, 2][..], &length.to_be_bytes()].concat());
        assert_eq!(frames.next_packet(), Err(ParseError::Length { field: length.into(), have: 4 }));
    }
}
