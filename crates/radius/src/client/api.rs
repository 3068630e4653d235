use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::auth::Secret;
use crate::limits;
use crate::packet::{BuildError, Code, ParseError, describe};
use crate::reply::Reply;

/// Fills a buffer with octets that nobody can predict: authenticators and identifiers come from here.
pub type Dice = Box<dyn FnMut(&mut [u8]) + Send>;

/// Which of a server's two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Access-Requests.
    Auth,
    /// Accounting-Requests.
    Acct,
}

/// One UDP socket of the caller's: 256 requests can be in flight on each. The caller opens it, on a source port of the
/// kernel's choice, when the first [`Transmit`] names it, and may keep it forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket {
    /// Index of the server in the configuration.
    pub server: u8,
    /// The service that it talks to.
    pub kind: Kind,
    /// Counts the sockets of this server and kind from 0.
    pub index: u8,
}

/// A server as configured.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it authenticates; `None` if it does not.
    pub auth: Option<SocketAddr>,
    /// Where it accounts; `None` if it does not.
    pub acct: Option<SocketAddr>,
    /// The shared secret, not empty.
    pub secret: Secret,
    /// Whether every answer to an Access-Request must carry Message-Authenticator. Default: yes. Without it, whoever
    /// sits on the path can turn a Reject into an Accept (CVE-2024-3596); only for servers too old to send it.
    pub require_message_authenticator: bool,
}

impl Server {
    /// A server that both authenticates and accounts, and must prove its answers.
    #[must_use]
    pub fn new(auth: SocketAddr, acct: SocketAddr, secret: Secret) -> Self {
        Self { auth: Some(auth), acct: Some(acct), secret, require_message_authenticator: true }
    }

    pub(super) fn address(&self, kind: Kind) -> Option<SocketAddr> {
        match kind {
            Kind::Auth => self.auth,
            Kind::Acct => self.acct,
        }
    }
}

/// How the client behaves. The defaults are those of RFC 5080, section 2.2.1, where it has any.
#[derive(Clone, Debug)]
pub struct Config {
    /// In the order in which they are asked, at most 16.
    pub servers: Vec<Server>,
    /// Wait before the first retransmission (IRT); default 2 s, at least 0.1 s. Each further wait is twice as long.
    pub first_wait: Duration,
    /// Longest wait (MRT); default 16 s.
    pub longest_wait: Duration,
    /// Transmissions to one server before the next is asked; default 3, which is 14 s of silence.
    pub tries: u8,
    /// A request that nobody answered after this time is given up (MRD); default 30 s, as long as a guest waits.
    pub give_up: Duration,
    /// How long a silent server is passed over; default 60 s.
    pub dead_time: Duration,
    /// Requests of each kind in flight, default 5,000; more are refused. About 1 kB each, so 10 MB if both kinds are
    /// full; 5 kB each if they carry all that fits into a packet.
    pub max_outstanding: usize,
    /// Sockets for each server and kind; default 20.
    pub max_sockets: u8,
}

impl Config {
    /// The defaults for these servers.
    #[must_use]
    pub fn new(servers: Vec<Server>) -> Self {
        Self {
            servers,
            first_wait: Duration::from_secs(2),
            longest_wait: Duration::from_secs(16),
            tries: 3,
            give_up: Duration::from_secs(30),
            dead_time: Duration::from_secs(60),
            max_outstanding: limits::OUTSTANDING,
            max_sockets: limits::SOCKETS,
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// More than 16 servers.
    TooManyServers,
    /// This server's secret is empty: anybody could forge its answers.
    EmptySecret {
        /// Its index.
        server: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyServers => write!(f, "more than {} RADIUS servers; remove some", limits::SERVERS),
            Self::EmptySecret { server } => {
                write!(f, "RADIUS server {} has an empty secret, so anybody could answer for it; set one", server + 1)
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// Names a request until its [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub(super) u64);

/// A datagram to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Transmit {
    /// On this socket.
    pub socket: Socket,
    /// To this address.
    pub to: SocketAddr,
    /// One packet.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {}: {}", self.to, describe(&self.bytes))
    }
}

/// The end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which one.
    pub token: Token,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Let them in.
    Accept(Reply),
    /// Do not. An Accept with an attribute of impossible length ends here too (RFC 2865, section 5).
    Reject(Reply),
    /// The server asks something more; whoever cannot answer treats it as a Reject (RFC 2865, section 4.4).
    Challenge(Reply),
    /// The record is written.
    AccountingAck,
    /// No server answered.
    Unreachable,
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// Too many are in flight.
    Busy,
    /// No server is configured for this kind.
    NoServer,
    /// What was asked for does not fit into a packet.
    Build(BuildError),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many RADIUS requests are in flight; try again later"),
            Self::NoServer => f.write_str("no RADIUS server is configured for this; add one"),
            Self::Build(error) => write!(f, "cannot build the RADIUS request: {error}"),
        }
    }
}

impl std::error::Error for SubmitError {}

/// Why a datagram was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not from the server that the socket talks to.
    ForeignSource,
    /// Not a packet.
    Malformed(ParseError),
    /// No request in flight has this identifier: late, repeated or invented.
    UnknownId,
    /// Not an answer to what was asked.
    WrongCode(Code),
    /// The Response Authenticator is not that of our request and secret.
    WrongAuthenticator,
    /// No Message-Authenticator, though the server must send it.
    MissingMessageAuthenticator,
    /// A Message-Authenticator that is wrong.
    WrongMessageAuthenticator,
    /// Proxy-State without Message-Authenticator. We never send one, so no server may return one (RFC 2865, section
    /// 5.33), and it is where the attack of CVE-2024-3596 hides its collision.
    UnexpectedProxyState,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignSource => f.write_str("not from the server's address"),
            Self::Malformed(error) => write!(f, "not RADIUS: {error}"),
            Self::UnknownId => f.write_str("no request in flight has this identifier"),
            Self::WrongCode(code) => write!(f, "{code} is no answer to the request"),
            Self::WrongAuthenticator => f.write_str("wrong Response Authenticator"),
            Self::MissingMessageAuthenticator => f.write_str("no Message-Authenticator"),
            Self::WrongMessageAuthenticator => f.write_str("wrong Message-Authenticator"),
            Self::UnexpectedProxyState => f.write_str("a Proxy-State that we did not send"),
        }
    }
}

/// What the client counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests taken.
    pub requests: u64,
    /// Datagrams sent for them.
    pub transmissions: u64,
    /// Of which not the first of their request.
    pub retransmissions: u64,
    /// Answers that passed all checks.
    pub answers: u64,
    /// Accepts among them that ended as a Reject, for the length of an attribute.
    pub broken_accepts: u64,
    /// Requests that nobody answered.
    pub unreachable: u64,
    /// Servers declared dead.
    pub servers_lost: u64,
    /// Ignored: not from the server.
    pub foreign_source: u64,
    /// Ignored: not a packet.
    pub malformed: u64,
    /// Ignored: no request in flight, or not of this kind.
    pub unasked: u64,
    /// Ignored: forged, by authenticator, Message-Authenticator or Proxy-State.
    pub forged: u64,
}
