use std::fmt;
use std::net::SocketAddr;

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

/// One UDP socket or one connection of the caller's.
///
/// A UDP socket has 256 requests in flight at most. The caller opens it, on a source port of the kernel's choice, when
/// the first [`Transmit`] names it, and may keep it forever. A connection is opened and closed as [`Connection`] says;
/// no two have the same name, so what is late from an old one harms nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket {
    /// Index of the server in the configuration.
    pub server: u8,
    /// The service that it talks to; a connection carries both.
    pub kind: Option<Kind>,
    /// Counts the sockets, or the connections since the start, of this server and kind from 0.
    pub index: u32,
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Open it; [`super::Client::handle_connected`] or [`super::Client::handle_closed`] says what became of it.
    Open {
        /// Its name.
        socket: Socket,
        /// Where to.
        to: SocketAddr,
    },
    /// Close it. Nothing is to be said about it any more.
    Close {
        /// Its name.
        socket: Socket,
    },
}

/// The protocol on a connection, as both ends agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// RFC 2865, with the fixed secret of RFC 6614.
    V1_0,
    /// RFC 9765: no MD5, and a token of four octets instead of the identifier.
    V1_1,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_0 => "RADIUS/1.0",
            Self::V1_1 => "RADIUS/1.1",
        })
    }
}

/// Why a connection was not made, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// Nobody is there, or nobody any more.
    Silent,
    /// Somebody is there who is not the server, or whom the server did not let in: not silence.
    Distrusted,
}

/// What a server asks of us down a connection of ours: a Disconnect-Request or CoA-Request (RFC 5176).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The connection; the answer goes back on it.
    pub socket: Socket,
    /// How the packet is written. With [`Version::V1_1`] nothing in it is computed from a secret.
    pub version: Version,
    /// The packet; its lengths are checked, its authenticators are not.
    pub bytes: Vec<u8>,
}

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
    /// The record is written. Some servers say more with it.
    AccountingAck(Reply),
    /// Every server for this was silent: those that were asked, and those that were passed over as dead.
    Unreachable,
    /// No server answered in a way that can be believed, but it was not silence either: somebody sent what proves
    /// nothing, or time did not suffice for all servers.
    Unproven,
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
    /// Requests that nobody answered, or not in a way that can be believed.
    pub unreachable: u64,
    /// Status-Server packets sent; they are not among the transmissions.
    pub status_requests: u64,
    /// Answers to them.
    pub status_answers: u64,
    /// Answers without Message-Authenticator, of servers that are spared from it.
    pub unsigned_answers: u64,
    /// Requests of servers that were dropped, because too many waited.
    pub incoming_dropped: u64,
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
