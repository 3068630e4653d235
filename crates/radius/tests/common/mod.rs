//! A client, its clock, and servers made of a few lines.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![allow(dead_code, reason = "each test program uses some of them")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use radius::auth::{self, Secret};
use radius::request::{Authentic, Record, SessionFacts};
use radius::{
    AccessRequest, AccountingRequest, Attr, Attribute, Client, Code, Config, Credential, Event, GuestFacts, NasFacts,
    Packet, Refusal, Server, TerminateCause, Token, Transmit, Usage, View, attr,
};
use wire::{MacAddr, Now};

pub(crate) const SECRET: &[u8] = b"a long shared secret";

pub(crate) fn address(server: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, server + 1)), port)
}

/// A client, its clock, and what it wants to send.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) now: Now,
}

impl Bench {
    pub(crate) fn new(servers: u8) -> Self {
        Self::with(servers, |_| {})
    }

    pub(crate) fn with(servers: u8, change: impl FnOnce(&mut Config)) -> Self {
        let server = |n| Server { priority: n, ..Server::new(address(n, 1812), address(n, 1813), Secret::new(SECRET)) };
        let mut config = Config::new((0..servers).map(server).collect());
        change(&mut config);
        let now = Now { mono: Duration::from_secs(100), unix: Duration::from_secs(1_800_000_000) };
        Self { client: Client::new(config, dice()).unwrap(), now }
    }

    pub(crate) fn login(&mut self) -> Token {
        self.client.submit_access(self.now, login()).unwrap()
    }

    pub(crate) fn sent(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.client.poll_transmit()).collect()
    }

    pub(crate) fn sent_one(&mut self) -> Transmit {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    /// Lets time pass until the client wants it to, and returns how long that was.
    pub(crate) fn wait(&mut self) -> Duration {
        let due = self.client.poll_timeout().expect("the client waits for something");
        let wait = due - self.now.mono;
        self.now = self.now.plus(wait);
        self.client.handle_timeout(self.now);
        wait
    }

    pub(crate) fn arrive(&mut self, request: &Transmit, answer: &[u8]) -> Result<(), Refusal> {
        self.client.handle_datagram(self.now, request.socket, request.to, answer)
    }

    pub(crate) fn event(&mut self) -> Option<Event> {
        self.client.poll_event()
    }

    /// Waits until the request has ended; what was sent, to which server and when.
    pub(crate) fn run_out(&mut self) -> Vec<(u8, Duration)> {
        let start = self.now.mono;
        let mut log = Vec::new();
        loop {
            log.extend(self.sent().iter().map(|t| (t.socket.server, self.now.mono - start)));
            if self.client.poll_timeout().is_none() {
                return log;
            }
            self.wait();
        }
    }
}

pub(crate) fn dice() -> radius::client::Dice {
    let mut state = 1u64;
    Box::new(move |out| {
        for octet in out {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (state >> 56) as u8;
        }
    })
}

pub(crate) fn nas() -> NasFacts {
    NasFacts { identifier: "gateway".into(), ..NasFacts::default() }
}

pub(crate) fn guest() -> GuestFacts {
    GuestFacts {
        mac: MacAddr([2, 0, 0x5e, 0x10, 0, 1]),
        framed_ip: Some(Ipv4Addr::new(10, 1, 0, 2)),
        session_id: "0a1b2c".into(),
        port: Some(7),
        port_id: "eth1".into(),
    }
}

pub(crate) fn login() -> AccessRequest {
    AccessRequest::new("alice", Credential::Pap(b"wonderland".to_vec()), nas(), guest())
}

pub(crate) fn stop(at: Now) -> AccountingRequest {
    let session = SessionFacts {
        user: "alice".into(),
        guest: guest(),
        classes: vec![vec![1, 2], vec![3]],
        cui: None,
        authentic: Authentic::Radius,
    };
    let usage = Usage {
        input_octets: (3 << 32) + 5,
        output_octets: 6,
        input_packets: 8,
        output_packets: 9,
        session_time: Duration::from_secs(61),
    };
    AccountingRequest::new(Record::Stop(session, usage, TerminateCause::IdleTimeout), at, nas())
}

/// What a server with this secret answers; `proven` is with Message-Authenticator.
pub(crate) fn answer(request: &[u8], code: Code, attributes: Vec<Attribute>, secret: &[u8], proven: bool) -> Vec<u8> {
    let request = View::parse(request).unwrap();
    let secret = Secret::new(secret);
    let mut packet = Packet { code, id: request.id(), authenticator: request.authenticator(), attributes };
    if proven {
        packet.attributes.insert(0, attr::MESSAGE_AUTHENTICATOR.of(&[0; 16]).unwrap());
    }
    let mut bytes = packet.emit().unwrap();
    if proven {
        let value = auth::message_authenticator(&bytes, &request.authenticator(), 22, &secret);
        bytes[22..38].copy_from_slice(&value);
    }
    let value = auth::response_authenticator(&bytes, &request.authenticator(), &secret);
    bytes[4..20].copy_from_slice(&value);
    bytes
}

pub(crate) fn accept(request: &Transmit) -> Vec<u8> {
    answer(&request.bytes, Code::AccessAccept, vec![attr::SESSION_TIMEOUT.of(60).unwrap()], SECRET, true)
}

pub(crate) fn ack(request: &Transmit) -> Vec<u8> {
    answer(&request.bytes, Code::AccountingResponse, vec![], SECRET, false)
}

pub(crate) fn numbers(request: &Transmit) -> Vec<u8> {
    View::parse(&request.bytes).unwrap().attributes().map(|a| a.number).collect()
}

pub(crate) fn integer(request: &Transmit, attr: Attr<u32>) -> u32 {
    View::parse(&request.bytes).unwrap().get(attr).unwrap()
}
