//! Scenarios of the server of dynamic authorization: clients that may, clients that are old, and others.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use radius::auth::{self, Integrity, Secret};
use radius::dictionary::{attribute as attr, chillispot, vendor};
use radius::dynauth::{Action, Client, DEFAULT_WINDOW, Discard, ErrorCause, Identity, Request, Server, Trust};
use radius::limits::{REQUESTS_AT_ONCE, REQUESTS_REMEMBERED};
use radius::{Attribute, Code, Packet, ParseError, Version, View};
use wire::{MacAddr, Now};

const SECRET: &[u8] = b"a long shared secret";
const OTHER_SECRET: &[u8] = b"the secret of another client";
const OFFICE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 18));
const UNIX_SECS: u32 = 1_800_000_000;

/// A server with a client, its clock, and how often something was done.
struct Bench {
    server: Server,
    clients: Vec<Client>,
    now: Now,
    done: u32,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Trust)) -> Self {
        let mut trust = Trust::new(Secret::new(SECRET));
        change(&mut trust);
        Self::of(vec![client(OFFICE, 32, trust)])
    }

    fn of(clients: Vec<Client>) -> Self {
        let began = Now { mono: Duration::from_secs(100), unix: Duration::from_secs(u64::from(UNIX_SECS) - 3_600) };
        let server = Server::new(began, "gateway 7", clients.clone());
        Self { server, clients, now: began.plus(Duration::from_secs(3_600)), done: 0 }
    }

    /// What the office gets for `request`, if every request is carried out.
    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, Discard> {
        self.ask_from(OFFICE, request)
    }

    fn ask_from(&mut self, source: IpAddr, request: &[u8]) -> Result<Vec<u8>, Discard> {
        let done = &mut self.done;
        self.server.handle_datagram(self.now, source, request, |_| {
            *done += 1;
            Ok(())
        })
    }

    fn refused(&mut self, request: &[u8]) -> Option<ErrorCause> {
        let answer = self.ask(request).expect("it is answered");
        let cause = View::parse(&answer).unwrap().to_packet().attributes;
        let cause = cause.iter().find(|a| a.number() == attr::ERROR_CAUSE)?.as_u32().unwrap();
        CAUSES.into_iter().find(|known| *known as u32 == cause)
    }
}

const CAUSES: [ErrorCause; 8] = [
    ErrorCause::UnsupportedAttribute,
    ErrorCause::MissingAttribute,
    ErrorCause::NasIdentificationMismatch,
    ErrorCause::InvalidRequest,
    ErrorCause::UnsupportedService,
    ErrorCause::InvalidAttributeValue,
    ErrorCause::SessionContextNotFound,
    ErrorCause::ResourcesUnavailable,
];

fn client(address: IpAddr, prefix: u8, trust: Trust) -> Client {
    Client { address, prefix, trust: Arc::new(trust) }
}

fn text(number: u8, value: &str) -> Attribute {
    Attribute::text(number, value).unwrap()
}

fn user() -> Attribute {
    text(attr::USER_NAME, "ada")
}

fn timeout() -> Attribute {
    Attribute::u32(attr::SESSION_TIMEOUT, 60)
}

fn time(secs: u32) -> Attribute {
    Attribute::u32(attr::EVENT_TIMESTAMP, secs)
}

/// A request as a modern client sends it.
fn request(code: Code, mut attributes: Vec<Attribute>) -> Vec<u8> {
    attributes.push(time(UNIX_SECS));
    signed(code, attributes, SECRET)
}

fn disconnect(attributes: Vec<Attribute>) -> Vec<u8> {
    request(Code::DisconnectRequest, attributes)
}

fn change(attributes: Vec<Attribute>) -> Vec<u8> {
    request(Code::CoaRequest, attributes)
}

/// With Message-Authenticator and Request Authenticator, and nothing else that was not asked for.
fn signed(code: Code, mut attributes: Vec<Attribute>, secret: &[u8]) -> Vec<u8> {
    attributes.insert(0, Attribute::bytes(attr::MESSAGE_AUTHENTICATOR, &[0; 16]).unwrap());
    let mut bytes = Packet { code, id: 7, authenticator: [0; 16], attributes }.emit().unwrap();
    let proof = auth::message_authenticator(&bytes, &[0; 16], 22, &Secret::new(secret));
    bytes[22..38].copy_from_slice(&proof);
    authenticate(bytes, secret)
}

/// As clients did before Message-Authenticator.
fn old_style(code: Code, attributes: Vec<Attribute>) -> Vec<u8> {
    authenticate(Packet { code, id: 7, authenticator: [0; 16], attributes }.emit().unwrap(), SECRET)
}

fn authenticate(mut bytes: Vec<u8>, secret: &[u8]) -> Vec<u8> {
    let authenticator = auth::accounting_authenticator(&bytes, &Secret::new(secret));
    bytes[4..20].copy_from_slice(&authenticator);
    bytes
}

#[test]
fn a_request_is_done_once_and_its_copies_get_the_same_answer() {
    let mut bench = Bench::new();
    let asked = disconnect(vec![user()]);
    let answer = bench.ask(&asked);
    assert!(answer.is_ok());
    bench.now = bench.now.plus(DEFAULT_WINDOW);
    assert_eq!(bench.ask(&asked), answer);
    assert_eq!(bench.done, 1);
    assert_eq!((bench.server.stats().acknowledged, bench.server.stats().duplicates), (1, 1));

    bench.now = bench.now.plus(Duration::from_secs(1));
    let late = DEFAULT_WINDOW.as_secs() + 1;
    assert_eq!(bench.ask(&asked), Err(Discard::StaleEventTimestamp(late)));
    assert_eq!((bench.done, bench.server.stats().stale), (1, 1));
}

/// Written as RADIUS/1.1: a token, and nothing that is computed.
#[test]
fn what_may_have_been_obeyed_before_a_restart_is_not_obeyed_again() {
    let restarted = |change: fn(&mut Trust)| {
        let mut bench = Bench::with(change);
        bench.server = Server::new(bench.now.plus(Duration::from_millis(1)), "gateway 7", bench.clients.clone());
        bench.now = bench.now.plus(Duration::from_secs(10));
        bench
    };
    let mut bench = restarted(|_| {});
    assert_eq!(bench.ask(&disconnect(vec![user()])), Err(Discard::EarlierThanWe));
    let later = |secs| signed(Code::DisconnectRequest, vec![user(), time(UNIX_SECS + secs)], SECRET);
    assert!(bench.ask(&later(1)).is_ok(), "a new one is");
    assert!(bench.ask(&later(11)).is_ok(), "also of a client whose clock is ahead");
    // The clock was wrong at the start, and was set since.
    bench.now.unix -= Duration::from_secs(100_000);
    let set = signed(Code::DisconnectRequest, vec![user(), time(UNIX_SECS - 99_991)], SECRET);
    assert!(bench.ask(&set).is_ok());
    assert_eq!((bench.done, bench.server.stats().stale), (3, 1));
    // Where no time is asked for, nothing tells them apart.
    let mut bench = restarted(|trust| trust.window = None);
    assert!(bench.ask(&disconnect(vec![user()])).is_ok());
}

fn new_style(token: [u8; 4], attributes: Vec<Attribute>) -> Vec<u8> {
    let mut authenticator = [0; 16];
    authenticator[..4].copy_from_slice(&token);
    Packet { code: Code::DisconnectRequest, id: 0, authenticator, attributes }.emit().unwrap()
}

#[test]
fn down_a_connection_the_fixed_secret_is_asked_for_and_no_time() {
    let mut bench = Bench::of(Vec::new());
    let mut ask = |request: &[u8]| {
        let done = &mut bench.done;
        let act = |_: &Request<'_>| {
            *done += 1;
            Ok(())
        };
        (bench.server.handle_packet(bench.now, Version::V1_0, request, act), bench.done)
    };
    let unsigned = Packet { code: Code::DisconnectRequest, id: 7, authenticator: [0; 16], attributes: vec![user()] };
    let unsigned = unsigned.emit().unwrap();
    assert_eq!(ask(&authenticate(unsigned.clone(), SECRET)), (Err(Discard::WrongAuthenticator), 0));
    let request = authenticate(unsigned, b"radsec");
    let (answer, done) = ask(&request);
    let answer = answer.unwrap();
    let view = View::parse(&answer).unwrap();
    assert_eq!((view.code(), view.id(), done), (Code::DisconnectAck, 7, 1));
    assert!(auth::answers(view, &View::parse(&request).unwrap().authenticator(), &Secret::new(*b"radsec")));
    // A server that has it from another one sends it again on the next connection.
    assert_eq!(ask(&request), (Ok(answer.clone()), 1));
    let forged = signed(Code::DisconnectRequest, vec![user()], SECRET);
    assert_eq!(ask(&authenticate(forged, b"radsec")), (Err(Discard::WrongMessageAuthenticator), 1));
}

#[test]
fn radius_1_1_is_answered_with_the_token_and_without_md5() {
    let mut bench = Bench::of(Vec::new());
    for (attributes, code, more) in [
        (vec![user()], Code::DisconnectAck, Attribute::u32(attr::ACCT_TERMINATE_CAUSE, 6)),
        (vec![], Code::DisconnectNak, Attribute::u32(attr::ERROR_CAUSE, 402)),
    ] {
        // The same token again, which another connection may have used: it is another request.
        for _ in 0..2 {
            let request = new_style(*b"abcd", attributes.clone());
            let answer = bench.server.handle_packet(bench.now, Version::V1_1, &request, |_| Ok(())).unwrap();
            let answer = View::parse(&answer).unwrap().to_packet();
            let token = *b"abcd\0\0\0\0\0\0\0\0\0\0\0\0";
            assert_eq!((answer.code, answer.id, answer.authenticator), (code, 0, token));
            assert_eq!(answer.attributes, std::slice::from_ref(&more));
        }
    }
    assert_eq!((bench.server.stats().acknowledged, bench.server.stats().refused), (2, 2));
    assert_eq!(bench.server.stats().duplicates, 0);
}

#[test]
fn a_refusal_is_repeated_too() {
    let mut bench = Bench::new();
    let asked = disconnect(vec![user()]);
    let answer = bench.server.handle_datagram(bench.now, OFFICE, &asked, |_| Err(ErrorCause::SessionContextNotFound));
    assert_eq!(bench.ask(&asked), answer, "the session that came meanwhile was not meant");
    assert_eq!((bench.done, bench.server.stats().refused), (0, 1));
}

#[test]
fn an_answer_proves_itself_and_brings_back_what_proxies_need() {
    let mut bench = Bench::new();
    let states = [(attr::PROXY_STATE, "nearest"), (attr::STATE, "state"), (attr::PROXY_STATE, "farthest")];
    let states = states.map(|(number, value)| text(number, value));
    let ended = Attribute::u32(attr::ACCT_TERMINATE_CAUSE, 6);
    let cause = Attribute::u32(attr::ERROR_CAUSE, 405);
    let service = Attribute::u32(attr::SERVICE_TYPE, 17);
    for (code, more, answer_code, first) in [
        (Code::DisconnectRequest, vec![], Code::DisconnectAck, Some(ended)),
        (Code::DisconnectRequest, vec![service.clone()], Code::DisconnectNak, Some(cause.clone())),
        (Code::CoaRequest, vec![timeout()], Code::CoaAck, None),
        (Code::CoaRequest, vec![timeout(), service], Code::CoaNak, Some(cause)),
    ] {
        let asked = request(code, [vec![user()], states.to_vec(), more].concat());
        let answer = bench.ask(&asked).unwrap();
        let (asked, answer) = (View::parse(&asked).unwrap(), View::parse(&answer).unwrap());
        let secret = Secret::new(SECRET);
        assert!(auth::answers(answer, &asked.authenticator(), &secret));
        assert_eq!(auth::integrity(answer, &asked.authenticator(), &secret), Integrity::Proven);
        assert_eq!((answer.code(), answer.id()), (answer_code, asked.id()));
        let attributes = answer.to_packet().attributes;
        assert_eq!(attributes[0].number(), attr::MESSAGE_AUTHENTICATOR);
        assert_eq!(attributes[1..], [first.into_iter().collect(), states.to_vec()].concat());
    }
}

#[test]
fn who_proves_nothing_is_not_answered() {
    let mut bench = Bench::new();
    let good = disconnect(vec![user()]);
    let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 19));
    assert_eq!(bench.ask_from(stranger, &good), Err(Discard::ForeignSource));
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(bench.ask(&changed), Err(Discard::WrongAuthenticator));
    // As one who has broken MD5 but not the HMAC would have it.
    assert_eq!(bench.ask(&authenticate(changed, SECRET)), Err(Discard::WrongMessageAuthenticator));
    let foreign = signed(Code::DisconnectRequest, vec![user(), time(UNIX_SECS)], OTHER_SECRET);
    assert_eq!(bench.ask(&foreign), Err(Discard::WrongAuthenticator));
    let old = old_style(Code::DisconnectRequest, vec![user(), time(UNIX_SECS)]);
    assert_eq!(bench.ask(&old), Err(Discard::MissingMessageAuthenticator));
    let timeless = signed(Code::DisconnectRequest, vec![user()], SECRET);
    assert_eq!(bench.ask(&timeless), Err(Discard::MissingEventTimestamp));
    let tomorrow = signed(Code::DisconnectRequest, vec![user(), time(UNIX_SECS + 86_400)], SECRET);
    assert_eq!(bench.ask(&tomorrow), Err(Discard::StaleEventTimestamp(86_400)));
    let login = request(Code::AccessRequest, vec![user()]);
    assert_eq!(bench.ask(&login), Err(Discard::WrongCode(Code::AccessRequest)));
    let short = ParseError::Length { field: good.len(), have: good.len() - 1 };
    assert_eq!(bench.ask(&good[..good.len() - 1]), Err(Discard::Malformed(short)));

    assert_eq!(bench.done, 0);
    let stats = *bench.server.stats();
    assert_eq!((stats.foreign_source, stats.forged, stats.unprotected, stats.stale, stats.malformed), (1, 3, 2, 1, 2));
    assert!(bench.ask(&[&good[..], b"padding"].concat()).is_ok());
}

#[test]
fn an_old_client_is_heard_where_the_operator_says_so() {
    let old = old_style(Code::DisconnectRequest, vec![user(), time(UNIX_SECS)]);
    assert!(Bench::with(|trust| trust.require_message_authenticator = false).ask(&old).is_ok());
    let timeless = signed(Code::DisconnectRequest, vec![user()], SECRET);
    assert!(Bench::with(|trust| trust.require_event_timestamp = false).ask(&timeless).is_ok());
    let wrong = signed(Code::DisconnectRequest, vec![user(), time(1)], SECRET);
    let stale = Err(Discard::StaleEventTimestamp(u64::from(UNIX_SECS) - 1));
    assert_eq!(Bench::with(|trust| trust.require_event_timestamp = false).ask(&wrong), stale);
    let mut bench = Bench::with(|trust| trust.window = None);
    assert!(bench.ask(&wrong).is_ok() && bench.ask(&timeless).is_ok() && bench.ask(&timeless).is_ok());
    assert_eq!(bench.done, 2, "without a time copies are known all the same");
    bench.now = bench.now.plus(Duration::from_secs(31));
    assert!(bench.ask(&timeless).is_ok());
    assert_eq!(bench.done, 3, "but not for long: it may be meant again");
    let mut forged = old_style(Code::DisconnectRequest, vec![user(), time(UNIX_SECS)]);
    forged[4] ^= 1;
    let answer = Bench::with(|trust| trust.require_message_authenticator = false).ask(&forged);
    assert_eq!(answer, Err(Discard::WrongAuthenticator));
}

#[test]
fn each_client_has_its_own_secret() {
    let (one, another) = (Trust::new(Secret::new(SECRET)), Trust::new(Secret::new(OTHER_SECRET)));
    let network: IpAddr = "2001:db8:7::".parse().unwrap();
    let guarded = client("192.0.2.18".parse().unwrap(), 32, another.clone());
    let mut bench = Bench::of(vec![client(OFFICE, 30, one), client(network, 48, another), guarded]);
    let (mine, theirs) =
        (disconnect(vec![user()]), signed(Code::DisconnectRequest, vec![user(), time(UNIX_SECS)], OTHER_SECRET));
    for (source, expected) in [
        ("192.0.2.16", [true, false]),
        ("192.0.2.18", [false, true]), // the narrowest counts
        ("192.0.2.19", [true, false]),
        ("::ffff:192.0.2.17", [true, false]),
        ("192.0.2.20", [false, false]),
        ("192.0.2.15", [false, false]),
        ("2001:db8:7:ffff::1", [false, true]),
        ("2001:db8:8::1", [false, false]),
        ("c000:212::", [false, false]), // the office's bits, in the other family
    ] {
        let heard = [&mine, &theirs].map(|asked| bench.ask_from(source.parse().unwrap(), asked).is_ok());
        assert_eq!(heard, expected, "{source}");
    }
}

#[test]
fn every_attribute_is_mandatory_and_a_refusal_says_why() {
    let vsa = Attribute::vendor(vendor::CHILLISPOT, chillispot::LANG, b"en").unwrap();
    let class = |value| text(attr::CLASS, value);
    for (code, attributes, expected) in [
        (Code::DisconnectRequest, vec![], Some(ErrorCause::MissingAttribute)),
        (Code::DisconnectRequest, vec![text(attr::CALLED_STATION_ID, "x")], Some(ErrorCause::MissingAttribute)),
        (Code::DisconnectRequest, vec![user(), timeout()], Some(ErrorCause::UnsupportedAttribute)),
        (Code::DisconnectRequest, vec![user(), vsa], Some(ErrorCause::UnsupportedAttribute)),
        (Code::DisconnectRequest, vec![user(), text(attr::REPLY_MESSAGE, "Bye")], None),
        (Code::DisconnectRequest, vec![user(), text(attr::NAS_IDENTIFIER, "gateway 7")], None),
        (
            Code::DisconnectRequest,
            vec![user(), text(attr::NAS_IDENTIFIER, "gateway")],
            Some(ErrorCause::NasIdentificationMismatch),
        ),
        (
            Code::DisconnectRequest,
            vec![Attribute::bytes(attr::FRAMED_IP_ADDRESS, &[10, 85, 0]).unwrap()],
            Some(ErrorCause::InvalidAttributeValue),
        ),
        (
            Code::DisconnectRequest,
            vec![text(attr::CALLING_STATION_ID, "02-00-5E-10-00")],
            Some(ErrorCause::InvalidAttributeValue),
        ),
        (Code::DisconnectRequest, vec![class("a"); 17], Some(ErrorCause::InvalidRequest)),
        (Code::CoaRequest, vec![user()], Some(ErrorCause::MissingAttribute)),
        (Code::CoaRequest, vec![timeout()], Some(ErrorCause::MissingAttribute)),
        (Code::CoaRequest, vec![class("a")], Some(ErrorCause::MissingAttribute)),
        (Code::CoaRequest, vec![class("a"), user()], None),
        (Code::CoaRequest, vec![class("a"), timeout()], None),
        (
            Code::CoaRequest,
            vec![user(), timeout(), Attribute::u32(attr::SERVICE_TYPE, 1)],
            Some(ErrorCause::UnsupportedService),
        ),
    ] {
        let mut bench = Bench::new();
        let refused = bench.refused(&request(code, attributes.clone()));
        assert_eq!(refused, expected, "{code} {attributes:?}");
        assert_eq!(bench.done, u32::from(expected.is_none()));
    }
}

#[test]
fn whatever_names_a_session_is_read() {
    let mac = Identity::Station(MacAddr([2, 0, 0x5e, 0x10, 0, 1]));
    let six = |number| Attribute::bytes(number, &[0x20; 16]).unwrap();
    for (attribute, expected) in [
        (text(attr::ACCT_SESSION_ID, "4f"), Identity::SessionId(b"4f")),
        (user(), Identity::User(b"ada")),
        (
            Attribute::ipv4(attr::FRAMED_IP_ADDRESS, Ipv4Addr::new(10, 85, 0, 9)),
            Identity::Address([10, 85, 0, 9].into()),
        ),
        (text(attr::CALLING_STATION_ID, "02-00-5E-10-00-01"), mac),
        (text(attr::CALLING_STATION_ID, "02:00:5e:10:00:01"), mac),
        (text(attr::CALLING_STATION_ID, "0200.5e10.0001"), mac),
        (text(attr::CALLING_STATION_ID, "02005E100001"), mac),
        (text(attr::CALLING_STATION_ID, "02005e-100001"), mac),
        (Attribute::u32(attr::NAS_PORT, 3), Identity::Port(3)),
        (text(attr::NAS_PORT_ID, "eth1.5"), Identity::PortId(b"eth1.5")),
        (text(attr::CLASS, "gold"), Identity::Class(b"gold")),
        (text(attr::CHARGEABLE_USER_IDENTITY, "cui"), Identity::ChargeableUser(b"cui")),
        (text(attr::ACCT_MULTI_SESSION_ID, "x"), Identity::Nothing),
        (six(attr::FRAMED_IPV6_ADDRESS), Identity::Nothing),
        (six(attr::FRAMED_IPV6_PREFIX), Identity::Nothing),
    ] {
        let mut bench = Bench::new();
        let asked = disconnect(vec![attribute.clone()]);
        let mut read = None;
        let answer = bench.server.handle_datagram(bench.now, OFFICE, &asked, |request| {
            read = Some((request.action, request.identities == [expected]));
            Ok(())
        });
        assert_eq!((answer.is_ok(), read), (true, Some((Action::Disconnect, true))), "{attribute:?}");
    }
}

#[test]
fn a_class_is_what_to_have_or_what_one_has() {
    let class = text(attr::CLASS, "gold");
    for (attributes, identities, changes) in [
        (vec![class.clone(), user()], vec![Identity::User(b"ada")], vec![class.clone()]),
        (vec![class.clone(), timeout()], vec![Identity::Class(b"gold")], vec![timeout()]),
        (vec![user(), timeout()], vec![Identity::User(b"ada")], vec![timeout()]),
    ] {
        let mut bench = Bench::new();
        let answer = bench.server.handle_datagram(bench.now, OFFICE, &change(attributes), |request| {
            assert_eq!((&request.identities[..], request.changes.attributes()), (&identities[..], &changes[..]));
            Ok(())
        });
        assert!(answer.is_ok());
    }
}

#[test]
fn a_flood_of_requests_costs_no_more_than_a_second_of_them() {
    let mut bench = Bench::new();
    let asked = disconnect(vec![user()]);
    let flood = |bench: &mut Bench| (0..2 * REQUESTS_AT_ONCE).filter(|_| bench.ask(&asked).is_ok()).count();
    assert_eq!(flood(&mut bench), REQUESTS_AT_ONCE as usize + 1);
    bench.now = bench.now.plus(Duration::from_millis(10));
    assert_eq!(flood(&mut bench), 10);
    assert_eq!(bench.ask(&asked), Err(Discard::TooMany));
}

#[test]
fn what_could_not_be_remembered_is_not_done() {
    let mut bench = Bench::new();
    for n in 0..=REQUESTS_REMEMBERED {
        bench.now = bench.now.plus(Duration::from_millis(1));
        let asked = disconnect(vec![text(attr::ACCT_SESSION_ID, &n.to_string())]);
        let expected = (n == REQUESTS_REMEMBERED).then_some(ErrorCause::ResourcesUnavailable);
        assert_eq!(bench.refused(&asked), expected, "{n}");
    }
    assert_eq!(bench.done as usize, REQUESTS_REMEMBERED);

    bench.now.mono += 2 * DEFAULT_WINDOW + Duration::from_secs(1);
    assert_eq!(bench.refused(&disconnect(vec![user()])), None, "old ones are forgotten");
}

#[test]
fn what_cannot_be_answered_is_not_done() {
    let mut bench = Bench::with(|trust| trust.require_message_authenticator = false);
    let mut attributes = vec![user(), time(UNIX_SECS)];
    attributes.extend(vec![Attribute::bytes(attr::PROXY_STATE, &[7; 253]).unwrap(); 15]);
    attributes.push(Attribute::bytes(attr::PROXY_STATE, &[7; 230]).unwrap());
    let long = old_style(Code::DisconnectRequest, attributes);
    assert!(matches!(bench.ask(&long), Err(Discard::NoRoom(_))));
    assert_eq!((bench.done, bench.server.stats().malformed), (0, 1));
}
