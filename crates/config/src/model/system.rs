//! The gateway on its machine: scripts, files, sockets, what operators see.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::{Octets, Secret};

/// `[scripts]`; `None` runs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scripts {
    /// After a login.
    pub session_up: Option<PathBuf>,
    /// After the end of a session.
    pub session_down: Option<PathBuf>,
    /// After a first lease.
    pub guest_up: Option<PathBuf>,
    /// After the end of a lease.
    pub guest_down: Option<PathBuf>,
    /// One of several uplinks is used again.
    pub uplink_up: Option<PathBuf>,
    /// It no longer works.
    pub uplink_down: Option<PathBuf>,
    /// At the start.
    pub up: Option<PathBuf>,
    /// At the end.
    pub down: Option<PathBuf>,
    /// What runs longer is ended.
    pub timeout: Duration,
    /// Most that run at one time, at least one.
    pub at_once: usize,
}

/// `[state]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Where leases, counters and accounts are kept.
    pub directory: PathBuf,
}

/// `[control]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The Unix socket of the command line tools.
    pub socket: PathBuf,
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Our address at which monitoring reads.
    pub listen: Option<IpAddr>,
    /// The TCP port there.
    pub port: u16,
}

/// `[console]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// Our address at which operators are served.
    pub listen: Option<IpAddr>,
    /// The TCP port there.
    pub port: u16,
    /// Elsewhere than at a loopback address http will do.
    pub plain_http: bool,
    /// The file of operators.
    pub operators: PathBuf,
    /// https; `None` is http.
    pub tls: Option<ConsoleTls>,
}

/// `[console.tls]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleTls {
    /// The certificate and those above it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Console {
    /// Where operators find it, if they do.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Some(format!("{scheme}://{}/", SocketAddr::from((self.listen?, self.port))))
    }
}

/// `[[webhook]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where it is told, without a fragment.
    pub url: String,
    /// Of what.
    pub events: Vec<String>,
    /// What bodies are signed with.
    pub secret: Option<Secret>,
    /// Who may vouch for it; `None` is the machine's own choice.
    pub ca: Option<PathBuf>,
}

impl Webhook {
    /// Whether it is told by https.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
    }
}

/// `[retention]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Beginning and end of sessions are written down.
    pub sessions: bool,
    /// So is what NAT does for guests.
    pub mappings: bool,
    /// Where to.
    pub directory: PathBuf,
    /// What becomes of accounts' names.
    pub account: Redaction,
    /// What becomes of MAC addresses.
    pub mac: Redaction,
    /// What becomes of the far ends of connections.
    pub destinations: Destinations,
    /// Files whose last line is as old go.
    pub age: Duration,
    /// Octets of all files, 0 for no limit.
    pub max_size: Octets,
}

/// What is written down of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redaction {
    /// As it is.
    Keep,
    /// A keyed hash of it.
    Hash,
    /// Nothing.
    Drop,
}

/// What is written down of the far end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destinations {
    /// Nothing.
    Drop,
    /// The /24 that it is in.
    Network,
    /// Address and port.
    Keep,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important line that is written.
    pub level: LogLevel,
    /// Each line is an object of JSON.
    pub json: bool,
}

/// How much the log tells; the words of `tracing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What needs the operator.
    Error,
    /// What may need the operator.
    Warn,
    /// What the gateway does.
    Info,
    /// What guests do: MACs and names appear from here on.
    Debug,
    /// Every packet of the slow path.
    Trace,
}

impl LogLevel {
    /// The word as `tracing` and the file have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
