//! Scenarios of an access point that asks through us: what the server sees, what comes back, and who is not heard.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use radius::attr::value::acct_status_type as status;
use radius::attr::{self, microsoft};
use radius::auth::{self, Integrity, Secret};
use radius::client::Dice;
use radius::limits::{CONVERSATION, EXCHANGE, EXCHANGES, RELAYS_AT_ONCE};
use radius::proxy::{AccessPoint, Action, Asked, Discard, Proxy, What};
use radius::value::{Clear, Kind as ValueKind};
use radius::{
    Attr, Attribute, Client, Code, Config, Connection, Kind, Outcome, Packet, Server, Transmit, Version, View,
};
use wire::{MacAddr, Now};

const AP_SECRET: &[u8] = b"a secret of the access point";
const SERVER_SECRET: &[u8] = b"a secret of the server";
const AP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 40)), 50_000);
const ASKED: [u8; 16] = *b"the ap's dice...";
const PHONE: MacAddr = MacAddr([2, 0, 0x5e, 0x10, 0, 1]);

/// Proxy and client as the gateway has them.
struct Bench {
    proxy: Proxy,
    client: Client,
    now: Now,
}

impl Bench {
    fn new() -> Self {
        Self::with(1, true)
    }

    fn with(servers: u8, require_message_authenticator: bool) -> Self {
        let secret = Secret::new(AP_SECRET);
        let access_point = AccessPoint { address: AP.ip(), prefix: 32, secret, require_message_authenticator };
        let address = |n, port| SocketAddr::new(Ipv4Addr::new(192, 0, 2, n).into(), port);
        let server = |n| Server::new(address(n, 1812), address(n, 1813), Secret::new(SERVER_SECRET));
        let client = Client::new(Config::new((1..=servers).map(server).collect()), dice()).unwrap();
        let now = Now { mono: Duration::from_secs(100), unix: Duration::from_secs(1_800_000_000) };
        Self { proxy: Proxy::new(vec![access_point]), client, now }
    }

    fn take(&mut self, request: &[u8]) -> Result<Action, Discard> {
        self.proxy.handle_datagram(self.now, Kind::Auth, AP, request)
    }

    fn asked(&mut self, request: &[u8]) -> Asked {
        match self.take(request).unwrap() {
            Action::Ask(asked) => *asked,
            other => panic!("{other:?}"),
        }
    }

    /// What the server gets.
    fn forward(&mut self, asked: &Asked) -> Transmit {
        self.client.submit_relayed(self.now, asked.request.clone()).unwrap();
        self.client.poll_transmit().unwrap()
    }

    /// What the client makes of an answer with these attributes.
    fn outcome(&mut self, sent: &Transmit, code: Code, attributes: Vec<Attribute>) -> Outcome {
        let answer = answer(&sent.bytes, code, attributes);
        self.client.handle_datagram(self.now, sent.socket, sent.to, &answer).unwrap();
        self.client.poll_event().unwrap().outcome
    }

    /// What the access point gets for its request if the server answers with these attributes.
    fn exchange(&mut self, request: &[u8], code: Code, attributes: Vec<Attribute>) -> Vec<u8> {
        let asked = self.asked(request);
        let sent = self.forward(&asked);
        let outcome = self.outcome(&sent, code, attributes);
        let (Outcome::Accept(reply) | Outcome::Challenge(reply) | Outcome::Reject(reply)) = outcome else {
            panic!("{outcome:?}")
        };
        self.proxy.answer(self.now, asked.ticket, &reply).unwrap()
    }
}

fn dice() -> Dice {
    let mut state = 1u64;
    Box::new(move |out| {
        for octet in out {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (state >> 56) as u8;
        }
    })
}

fn of<K: ValueKind>(attr: Attr<K>, value: K::In<'_>) -> Attribute {
    attr.of(value).unwrap()
}

/// A packet with these attributes and, where a blank one is among them, a Message-Authenticator.
fn signed(code: Code, id: u8, attributes: Vec<Attribute>, secret: &[u8]) -> Vec<u8> {
    let mut bytes = Packet { code, id, authenticator: ASKED, attributes }.emit().unwrap();
    let found = View::parse(&bytes).unwrap().attributes().find(|each| each.number == 80).map(|each| each.offset);
    if let Some(offset) = found {
        let value = auth::message_authenticator(&bytes, &ASKED, offset, &Secret::new(secret));
        bytes[offset..offset + 16].copy_from_slice(&value);
    }
    bytes
}

fn answer(request: &[u8], code: Code, attributes: Vec<Attribute>) -> Vec<u8> {
    let request = View::parse(request).unwrap();
    let mut all = vec![of(attr::MESSAGE_AUTHENTICATOR, &[0; 16])];
    all.extend(attributes);
    let secret = Secret::new(SERVER_SECRET);
    let packet = Packet { code, id: request.id(), authenticator: request.authenticator(), attributes: all };
    let mut bytes = packet.emit().unwrap();
    let proof = auth::message_authenticator(&bytes, &request.authenticator(), 22, &secret);
    bytes[22..38].copy_from_slice(&proof);
    let authenticator = auth::response_authenticator(&bytes, &request.authenticator(), &secret);
    bytes[4..20].copy_from_slice(&authenticator);
    bytes
}

/// What hostapd sends, in an order of its own.
fn eap(id: u8) -> Vec<Attribute> {
    vec![
        of(attr::USER_NAME, "ada@example.org"),
        of(attr::NAS_IDENTIFIER, "ap 3"),
        of(attr::PROXY_STATE, b"one"),
        of(attr::CALLED_STATION_ID, "02-00-00-00-00-03:staff"),
        of(attr::CALLING_STATION_ID, "02-00-5E-10-00-01"),
        of(attr::EAP_MESSAGE, &[2, id, 0, 5, 1]),
        of(attr::MESSAGE_AUTHENTICATOR, &[0; 16]),
        of(attr::PROXY_STATE, b"two"),
    ]
}

fn eap_request(id: u8) -> Vec<u8> {
    signed(Code::AccessRequest, id, eap(id), AP_SECRET)
}

/// As [`signed`], with identifier 7 and other dice.
fn signed_anew(dice: u32, attributes: Vec<Attribute>) -> Vec<u8> {
    let mut authenticator = [9; 16];
    authenticator[..4].copy_from_slice(&dice.to_be_bytes());
    let mut bytes = Packet { code: Code::AccessRequest, id: 7, authenticator, attributes }.emit().unwrap();
    let offset = View::parse(&bytes).unwrap().attributes().find(|each| each.number == 80).unwrap().offset;
    let value = auth::message_authenticator(&bytes, &authenticator, offset, &Secret::new(AP_SECRET));
    bytes[offset..offset + 16].copy_from_slice(&value);
    bytes
}

fn numbers(bytes: &[u8]) -> Vec<u8> {
    View::parse(bytes).unwrap().attributes().map(|each| each.number).collect()
}

#[test]
fn a_request_goes_on_as_it_is_but_for_what_belongs_to_a_hop() {
    let mut bench = Bench::new();
    let request = eap_request(7);
    let asked = bench.asked(&request);
    assert_eq!((asked.access_point, asked.request.station()), (0, Some(PHONE)));
    let sent = bench.forward(&asked);
    // Message-Authenticator is first, and no Proxy-State goes out.
    assert_eq!(numbers(&sent.bytes), [80, 1, 32, 30, 31, 79]);
    let (before, after) = (View::parse(&request).unwrap(), View::parse(&sent.bytes).unwrap());
    assert_eq!(after.get(attr::EAP_MESSAGE), before.get(attr::EAP_MESSAGE));
    assert_eq!(after.get(attr::NAS_IDENTIFIER).as_deref(), Some("ap 3"));
    assert_ne!(after.authenticator(), before.authenticator());
    let secret = Secret::new(SERVER_SECRET);
    assert_eq!(auth::integrity(after, &after.authenticator(), &secret), Integrity::Proven);
}

#[test]
fn an_answer_comes_back_signed_for_the_access_point_with_its_proxy_states() {
    let mut bench = Bench::new();
    let attributes = vec![of(attr::EAP_MESSAGE, &[3, 7, 0, 4]), of(attr::USER_NAME, "ada")];
    let back = bench.exchange(&eap_request(7), Code::AccessAccept, attributes);
    assert_eq!(numbers(&back), [80, 79, 1, 33, 33]);
    let view = View::parse(&back).unwrap();
    assert_eq!((view.code(), view.id()), (Code::AccessAccept, 7));
    assert_eq!(view.all(attr::PROXY_STATE), [b"one", b"two"]);
    let secret = Secret::new(AP_SECRET);
    assert_eq!(auth::integrity(view, &ASKED, &secret), Integrity::Proven);
    assert!(auth::answers(view, &ASKED, &secret));
    assert_eq!((bench.proxy.stats().requests, bench.proxy.stats().accepts), (1, 1));
}

#[test]
fn keys_are_those_of_the_server_and_hidden_for_the_access_point() {
    let mut bench = Bench::new();
    let asked = bench.asked(&eap_request(7));
    let sent = bench.forward(&asked);
    let authenticator = View::parse(&sent.bytes).unwrap().authenticator();
    let secret = Secret::new(SERVER_SECRET);
    let clear = Clear { octets: &[0x5a; 32], secret: &secret, request_authenticator: &authenticator };
    let key = of(microsoft::MS_MPPE_SEND_KEY, (clear, [0x80, 1]));
    let Outcome::Accept(reply) = bench.outcome(&sent, Code::AccessAccept, vec![key]) else { panic!("it is an Accept") };
    let back = bench.proxy.answer(bench.now, asked.ticket, &reply).unwrap();
    let view = View::parse(&back).unwrap();
    let key = view.get(microsoft::MS_MPPE_SEND_KEY).unwrap();
    assert_eq!(key.reveal(&Secret::new(AP_SECRET), &ASKED).as_deref(), Some(&[0x5a; 32][..]));
}

#[test]
fn what_is_clear_inside_tls_is_hidden_from_who_listens_at_the_access_point() {
    let mut bench = Bench::new();
    let address = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 2083);
    bench.client = Client::new(Config::new(vec![Server::stream(address)]), dice()).unwrap();
    bench.client.handle_timeout(bench.now);
    let Some(Connection::Open { socket, .. }) = bench.client.poll_connection() else { panic!("no connection") };
    bench.client.handle_connected(bench.now, socket, Version::V1_1);
    bench.client.poll_transmit().expect("its status is asked for");

    let secret = Secret::new(AP_SECRET);
    let clear = |octets| Clear { octets, secret: &secret, request_authenticator: &ASKED };
    let station = of(attr::CALLING_STATION_ID, "02-00-5E-10-00-01");
    let password = of(attr::USER_PASSWORD, clear(b"wonderland"));
    let proof = of(attr::MESSAGE_AUTHENTICATOR, &[0; 16]);
    let request = signed(Code::AccessRequest, 7, vec![proof, of(attr::USER_NAME, "ada"), station, password], AP_SECRET);
    let asked = bench.asked(&request);
    let sent = bench.forward(&asked);
    let view = View::parse(&sent.bytes).unwrap();
    let password = view.attributes().find(|each| each.number == attr::USER_PASSWORD.number());
    assert_eq!(password.map(|each| each.value), Some(&b"wonderland"[..]));

    let keys = vec![
        Attribute::vendor(311, 16, &[0x5a; 32]).unwrap(),
        Attribute::bytes(attr::TUNNEL_PASSWORD.number(), b"\x03tunnel").unwrap(),
    ];
    let mut authenticator = [0; 16];
    authenticator[..4].copy_from_slice(&sent.bytes[4..8]);
    let answer = Packet { code: Code::AccessAccept, id: 0, authenticator, attributes: keys }.emit().unwrap();
    bench.client.handle_packet(bench.now, socket, &answer).unwrap();
    let Outcome::Accept(reply) = bench.client.poll_event().unwrap().outcome else { panic!("it is an Accept") };
    let back = bench.proxy.answer(bench.now, asked.ticket, &reply).unwrap();
    let view = View::parse(&back).unwrap();
    let key = view.get(microsoft::MS_MPPE_SEND_KEY).unwrap();
    assert_eq!(key.reveal(&secret, &ASKED).as_deref(), Some(&[0x5a; 32][..]));
    let (tag, tunnel) = view.get(attr::TUNNEL_PASSWORD).unwrap();
    assert_eq!((tag.number(), tunnel.reveal(&secret, &ASKED)), (3, Some(b"tunnel".to_vec())));
}

#[test]
fn an_accept_whose_keys_cannot_be_read_goes_nowhere() {
    let mut bench = Bench::new();
    let asked = bench.asked(&eap_request(7));
    let sent = bench.forward(&asked);
    let damaged = Attribute::vendor(311, 16, &[0x80, 1, 2, 3]).unwrap();
    let Outcome::Reject(reply) = bench.outcome(&sent, Code::AccessAccept, vec![damaged]) else {
        panic!("it does not let in")
    };
    assert_eq!(reply.code(), Code::AccessAccept);
    assert_eq!(bench.client.stats().broken_accepts, 1);
    bench.proxy.give_up(asked.ticket);
    assert!(matches!(bench.take(&eap_request(7)), Ok(Action::Ask(_))));
    assert_eq!(bench.proxy.stats().unanswered, 1);
}

#[test]
fn a_password_is_hidden_anew_and_chap_gets_the_challenge_that_the_server_does_not_see() {
    let mut bench = Bench::new();
    let secret = Secret::new(AP_SECRET);
    let clear = Clear { octets: b"lovelace", secret: &secret, request_authenticator: &ASKED };
    let blank = of(attr::MESSAGE_AUTHENTICATOR, &[0; 16]);
    let pap = vec![of(attr::USER_NAME, "ada"), of(attr::USER_PASSWORD, clear), blank.clone()];
    let asked = bench.asked(&signed(Code::AccessRequest, 1, pap, AP_SECRET));
    let sent = bench.forward(&asked);
    let view = View::parse(&sent.bytes).unwrap();
    let password = view.get(attr::USER_PASSWORD).unwrap().reveal(&Secret::new(SERVER_SECRET), &view.authenticator());
    assert_eq!(password, b"lovelace\0\0\0\0\0\0\0\0");

    let chap = vec![of(attr::USER_NAME, "ada"), of(attr::CHAP_PASSWORD, &[9; 17]), blank];
    let asked = bench.asked(&signed(Code::AccessRequest, 2, chap, AP_SECRET));
    let sent = bench.forward(&asked);
    assert_eq!(View::parse(&sent.bytes).unwrap().get(attr::CHAP_CHALLENGE).as_deref(), Some(&ASKED[..]));
}

#[test]
fn a_conversation_stays_with_the_server_that_began_it() {
    let mut bench = Bench::with(3, true);
    // The first server is silent, so the second has the challenge.
    let asked = bench.asked(&eap_request(1));
    bench.forward(&asked);
    let sent = loop {
        bench.now = bench.now.plus(Duration::from_secs(1));
        bench.client.handle_timeout(bench.now);
        match bench.client.poll_transmit() {
            Some(sent) if sent.socket.server == 1 => break sent,
            _ => {}
        }
    };
    let challenge = bench.outcome(&sent, Code::AccessChallenge, vec![of(attr::STATE, b"round 1")]);
    assert!(matches!(challenge, Outcome::Challenge(_)));
    let next = |id, state: &[u8]| {
        let mut attributes = eap(id);
        attributes.push(of(attr::STATE, state));
        signed(Code::AccessRequest, id, attributes, AP_SECRET)
    };
    // The first server would be probed by now, and the third be asked after it.
    bench.now = bench.now.plus(CONVERSATION / 2);
    let asked = bench.asked(&next(2, b"round 1"));
    let mut servers = vec![bench.forward(&asked).socket.server];
    while bench.client.outstanding() > 0 {
        bench.now = bench.now.plus(Duration::from_secs(1));
        bench.client.handle_timeout(bench.now);
        servers.extend(std::iter::from_fn(|| bench.client.poll_transmit()).map(|sent| sent.socket.server));
    }
    assert_eq!(servers, [1, 1, 1]);
    // Nobody knows this one.
    let asked = bench.asked(&next(3, b"another"));
    assert_ne!(bench.forward(&asked).socket.server, 1);
}

#[test]
fn a_copy_waits_with_the_first_and_then_has_the_same_answer() {
    let mut bench = Bench::new();
    let request = eap_request(7);
    let asked = bench.asked(&request);
    assert!(matches!(bench.take(&request), Ok(Action::Wait)));
    let sent = bench.forward(&asked);
    let Outcome::Reject(reply) = bench.outcome(&sent, Code::AccessReject, Vec::new()) else { panic!("a Reject") };
    let back = bench.proxy.answer(bench.now, asked.ticket, &reply).unwrap();
    assert!(bench.proxy.answer(bench.now, asked.ticket, &reply).is_none(), "once");
    assert!(matches!(bench.take(&request), Ok(Action::Answer(again)) if again == back));
    assert_eq!(bench.proxy.stats().duplicates, 2);
    bench.now = bench.now.plus(EXCHANGE);
    assert!(matches!(bench.take(&request), Ok(Action::Ask(_))), "a late one is another");
}

#[test]
fn another_request_with_the_same_identifier_is_not_answered_with_the_first_ones_answer() {
    let mut bench = Bench::new();
    let first = bench.asked(&eap_request(7));
    let mut attributes = eap(7);
    attributes.push(of(attr::STATE, b"x"));
    let second = signed_anew(9, attributes);
    let asked = bench.asked(&second);
    let sent = bench.forward(&asked);
    let Outcome::Accept(reply) = bench.outcome(&sent, Code::AccessAccept, Vec::new()) else { panic!("an Accept") };
    assert!(bench.proxy.answer(bench.now, first.ticket, &reply).is_none());
    assert!(bench.proxy.answer(bench.now, asked.ticket, &reply).is_some());
}

#[test]
fn who_proves_nothing_is_not_heard() {
    let mut bench = Bench::new();
    let stranger = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 41).into(), 50_000);
    let taken = bench.proxy.handle_datagram(bench.now, Kind::Auth, stranger, &eap_request(1));
    assert_eq!(taken.unwrap_err(), Discard::ForeignSource);
    let wrong = signed(Code::AccessRequest, 1, eap(1), b"another secret");
    assert_eq!(bench.take(&wrong).unwrap_err(), Discard::WrongMessageAuthenticator);
    let plain = signed(Code::AccessRequest, 1, vec![of(attr::USER_NAME, "ada")], AP_SECRET);
    assert_eq!(bench.take(&plain).unwrap_err(), Discard::MissingMessageAuthenticator);
    let mut changed = eap_request(1);
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert_eq!(bench.take(&changed).unwrap_err(), Discard::WrongMessageAuthenticator);
    assert!(matches!(bench.take(b"not RADIUS").unwrap_err(), Discard::Malformed(_)));
    let coa = signed(Code::CoaRequest, 1, eap(1), AP_SECRET);
    assert_eq!(bench.take(&coa).unwrap_err(), Discard::WrongCode(Code::CoaRequest));
    let stats = *bench.proxy.stats();
    assert_eq!((stats.foreign_source, stats.forged, stats.unprotected, stats.malformed), (1, 2, 1, 2));
    assert_eq!((stats.requests, bench.client.outstanding()), (0, 0));
}

#[test]
fn an_old_access_point_may_leave_the_proof_out_but_never_with_eap() {
    let mut bench = Bench::with(1, false);
    let plain = signed(Code::AccessRequest, 1, vec![of(attr::USER_NAME, "ada")], AP_SECRET);
    assert!(matches!(bench.take(&plain), Ok(Action::Ask(_))));
    let mut attributes = eap(2);
    attributes.retain(|each| each.number() != 80);
    let unproven = signed(Code::AccessRequest, 2, attributes, AP_SECRET);
    assert_eq!(bench.take(&unproven).unwrap_err(), Discard::MissingMessageAuthenticator);
}

#[test]
fn more_than_can_be_looked_at_or_remembered_is_dropped() {
    let mut bench = Bench::new();
    let wrong = signed(Code::AccessRequest, 1, eap(1), b"another secret");
    let taken = (0..=RELAYS_AT_ONCE + 1).map(|_| bench.take(&wrong).unwrap_err()).collect::<Vec<_>>();
    assert_eq!(taken.last(), Some(&Discard::TooMany));
    // Many access points, or one that is many, never have all places.
    let network = Ipv4Addr::new(192, 0, 2, 0).into();
    let (secret, require_message_authenticator) = (Secret::new(AP_SECRET), true);
    bench.proxy = Proxy::new(vec![AccessPoint { address: network, prefix: 24, secret, require_message_authenticator }]);
    let ask = |bench: &mut Bench, host: u8, port: u16| {
        bench.now = bench.now.plus(Duration::from_secs(2));
        let source = SocketAddr::new(Ipv4Addr::new(192, 0, 2, host).into(), port);
        match bench.proxy.handle_datagram(bench.now, Kind::Auth, source, &eap_request(1)) {
            Ok(Action::Ask(asked)) => Some(asked),
            Err(Discard::TooMany) => None,
            other => panic!("{other:?}"),
        }
    };
    let mut last = None;
    let taken: Vec<_> = (1..=4)
        .map(|host| {
            let all = (0..EXCHANGES as u16).filter_map(|n| ask(&mut bench, host, 1024 + n));
            all.map(|asked| last = Some(asked)).count()
        })
        .collect();
    assert_eq!(taken, [512, 384, 288, 216], "a quarter of what the others leave, and those under way stay");
    bench.proxy.give_up(last.unwrap().ticket);
    assert!(ask(&mut bench, 4, 9).is_some() && ask(&mut bench, 4, 10).is_none());
}

#[test]
fn an_access_point_that_gives_requests_up_has_no_more_than_its_share_under_way() {
    let mut bench = Bench::new();
    let mut asked = 0;
    for n in 0..1_000u32 {
        bench.now = bench.now.plus(Duration::from_millis(2));
        // Always from one port and with one identifier: each means that the one before is over.
        let mut attributes = eap(1);
        attributes.push(of(attr::STATE, &n.to_be_bytes()));
        asked += u32::from(bench.take(&signed_anew(n, attributes)).is_ok());
    }
    assert_eq!(asked, 512);
}

#[test]
fn an_access_point_has_its_own_secret_also_within_anothers_network() {
    let all = AccessPoint {
        address: Ipv4Addr::new(192, 0, 2, 0).into(),
        prefix: 24,
        secret: Secret::new("the secret of all others"),
        require_message_authenticator: true,
    };
    let one = AccessPoint { address: AP.ip(), prefix: 32, secret: Secret::new(AP_SECRET), ..all.clone() };
    let mut bench = Bench::new();
    for access_points in [vec![all.clone(), one.clone()], vec![one, all]] {
        bench.proxy = Proxy::new(access_points);
        assert!(matches!(bench.take(&eap_request(1)), Ok(Action::Ask(_))));
    }
}

#[test]
fn accounting_is_acknowledged_and_tells_who_came_and_went() {
    let mut bench = Bench::new();
    let record = |kind: u32, secret: &[u8]| {
        let mut attributes = vec![of(attr::ACCT_STATUS_TYPE, kind), of(attr::ACCT_SESSION_ID, "5F")];
        attributes.push(of(attr::CALLING_STATION_ID, "0200.5e10.0001"));
        attributes.push(of(attr::PROXY_STATE, b"x"));
        let packet = Packet { code: Code::AccountingRequest, id: kind as u8, authenticator: [0; 16], attributes };
        let mut bytes = packet.emit().unwrap();
        let authenticator = auth::accounting_authenticator(&bytes, &Secret::new(secret));
        bytes[4..20].copy_from_slice(&authenticator);
        bytes
    };
    for (kind, what) in [
        (status::START, What::Here(PHONE)),
        (status::INTERIM_UPDATE, What::Here(PHONE)),
        (status::STOP, What::Gone(PHONE)),
        (status::ACCOUNTING_ON, What::AllGone),
        (status::ACCOUNTING_OFF, What::AllGone),
        (99, What::Other),
    ] {
        let request = record(kind, AP_SECRET);
        let Ok(Action::Told(answer, report)) = bench.proxy.handle_datagram(bench.now, Kind::Acct, AP, &request) else {
            panic!("it is acknowledged")
        };
        assert_eq!((report.what, report.session.as_deref()), (what, Some("5F")));
        let (view, asked) = (View::parse(&answer).unwrap(), View::parse(&request).unwrap().authenticator());
        assert_eq!((view.code(), view.get(attr::PROXY_STATE).as_deref()), (Code::AccountingResponse, Some(&b"x"[..])));
        assert!(auth::answers(view, &asked, &Secret::new(AP_SECRET)));
        let again = bench.proxy.handle_datagram(bench.now, Kind::Acct, AP, &request);
        assert!(matches!(again, Ok(Action::Answer(same)) if same == answer), "a copy tells nothing new");
    }
    let forged = record(status::STOP, b"another secret");
    let taken = bench.proxy.handle_datagram(bench.now, Kind::Acct, AP, &forged);
    assert_eq!(taken.unwrap_err(), Discard::WrongAuthenticator);
    let taken = bench.proxy.handle_datagram(bench.now, Kind::Auth, AP, &record(status::STOP, AP_SECRET));
    assert_eq!(taken.unwrap_err(), Discard::WrongCode(Code::AccountingRequest));
}

#[test]
fn status_server_is_answered_if_it_is_proven() {
    let mut bench = Bench::new();
    let blank = || vec![of(attr::MESSAGE_AUTHENTICATOR, &[0; 16])];
    for (service, code) in [(Kind::Auth, Code::AccessAccept), (Kind::Acct, Code::AccountingResponse)] {
        let request = signed(Code::StatusServer, 1, blank(), AP_SECRET);
        let taken = bench.proxy.handle_datagram(bench.now, service, AP, &request);
        let Ok(Action::Answer(answer)) = taken else { panic!("{taken:?}") };
        assert_eq!(View::parse(&answer).unwrap().code(), code);
    }
    let plain = signed(Code::StatusServer, 1, Vec::new(), AP_SECRET);
    assert_eq!(bench.take(&plain).unwrap_err(), Discard::MissingMessageAuthenticator);
}
