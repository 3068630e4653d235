use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::Kind;
use crate::auth::{RADSEC, Secret};
use crate::limits;
use crate::request::NasFacts;

/// How packets travel to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Each packet for itself, and perhaps not at all: UDP.
    Datagrams,
    /// In order, on connections that prove both ends and hide what is said: TLS (RFC 6614). Nothing is sent twice on
    /// one; a new one sends again what the old one left open (RFC 6613, section 2.6.1).
    Stream,
}

/// A server as configured.
#[derive(Clone, Debug)]
pub struct Server {
    /// How it is reached.
    pub transport: Transport,
    /// Where it authenticates; `None` if it does not.
    pub auth: Option<SocketAddr>,
    /// Where it accounts; `None` if it does not. A stream carries both to one address.
    pub acct: Option<SocketAddr>,
    /// The shared secret, not empty.
    pub secret: Secret,
    /// Whether every answer to an Access-Request must carry Message-Authenticator. Default: yes. Without it, whoever
    /// sits on the path can turn a Reject into an Accept (CVE-2024-3596); only for servers too old to send it. A stream
    /// does not ask: TLS has proven the server.
    pub require_message_authenticator: bool,
    /// Servers with a lower number are asked first, those with the same share the requests.
    pub priority: u8,
    /// Whether Status-Server may be sent there (RFC 5997). A server that is known to answer it comes back by it alone,
    /// and no guest waits to find out; one that never answered comes back by a guest's request.
    pub status_server: bool,
}

impl Server {
    /// A server that both authenticates and accounts over UDP, and must prove its answers.
    #[must_use]
    pub fn new(auth: SocketAddr, acct: SocketAddr, secret: Secret) -> Self {
        Self {
            transport: Transport::Datagrams,
            auth: Some(auth),
            acct: Some(acct),
            secret,
            require_message_authenticator: true,
            priority: 0,
            status_server: false,
        }
    }

    /// A server behind TLS. The secret proves nothing there and has a fixed value (RFC 6614, section 2.3).
    #[must_use]
    pub fn stream(address: SocketAddr) -> Self {
        Self { transport: Transport::Stream, status_server: true, ..Self::new(address, address, Secret::new(*RADSEC)) }
    }

    pub(super) fn address(&self, kind: Kind) -> Option<SocketAddr> {
        match kind {
            Kind::Auth => self.auth,
            Kind::Acct => self.acct,
        }
    }

    pub(super) fn is_stream(&self) -> bool {
        self.transport == Transport::Stream
    }
}

/// How the client behaves. The defaults are those of RFC 5080, section 2.2.1, where it has any.
#[derive(Clone, Debug)]
pub struct Config {
    /// At most 16, in the order in which those of one priority are shown.
    pub servers: Vec<Server>,
    /// What Status-Server says of the gateway: identifier and address.
    pub nas: NasFacts,
    /// Wait before the first retransmission (IRT); default 2 s, at least 0.1 s. Each further wait is twice as long.
    pub first_wait: Duration,
    /// Longest wait (MRT); default 16 s.
    pub longest_wait: Duration,
    /// Transmissions to one server before the next is asked; default 3, which is 14 s of silence. On a stream the
    /// silence is the same, and this is how many connections may carry one request.
    pub tries: u8,
    /// A request that nobody answered after this time is given up (MRD); default 30 s, as long as a guest waits.
    pub give_up: Duration,
    /// How long a silent server is passed over, and after which Status-Server asks for it; default 60 s. Zero: never.
    pub dead_time: Duration,
    /// Requests of each kind in flight, default 5,000; more are refused. About 1 kB each, so 10 MB if both kinds are
    /// full; 5 kB each if they carry all that fits into a packet.
    pub max_outstanding: usize,
    /// Sockets for each server and kind, connections for each server; default 20.
    pub max_sockets: u8,
}

impl Config {
    /// The defaults for these servers.
    #[must_use]
    pub fn new(servers: Vec<Server>) -> Self {
        Self {
            servers,
            nas: NasFacts::default(),
            first_wait: Duration::from_secs(2),
            longest_wait: Duration::from_secs(16),
            tries: 3,
            give_up: Duration::from_secs(30),
            dead_time: Duration::from_secs(60),
            max_outstanding: limits::OUTSTANDING,
            max_sockets: limits::SOCKETS,
        }
    }

    pub(super) fn first_wait(&self) -> Duration {
        self.first_wait.max(Duration::from_millis(100))
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
