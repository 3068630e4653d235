//! The other direction (RFC 5176): a server tells the gateway to end a session or to change what it may.
//!
//! * Only known clients are heard, each with its own secret, and only with a Message-Authenticator, unless a client is
//!   said to be too old for it. Who proves nothing gets no answer (section 6.1).
//! * An Event-Timestamp must be there and be current (section 6.3), unless a client is said to have none. For as long as a
//!   copy of a request would be current, the request is known: its copies get the same answer and nothing is done again
//!   (section 2.3). Requests are known since we began, so an Event-Timestamp from before that is not current: it may be
//!   a copy of what was obeyed then. For a client whose clock is behind this is so for as long as that; one whose clock is
//!   ahead can be repeated for as long as that.
//! * Every attribute is mandatory (section 2.3): what is not understood is refused, and then nothing changes. A refusal
//!   says why (section 3.5).
//! * "Authorize Only" (section 3.2) is refused as an unsupported service.
//!
//! Bytes in, bytes out: whoever owns the socket or the connection says which client it is.

mod answered;
mod request;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use wire::Now;

use crate::auth::{self, Integrity, RADSEC, Secret};
use crate::client::Version;
use crate::dictionary::attribute as attr;
use crate::limits::{REQUEST_TIME, REQUESTS_AT_ONCE};
use crate::packet::{Attribute, BuildError, Code, Packet, ParseError, View};
use crate::request::{FIRST_VALUE, TerminateCause};

use self::answered::Answered;
use self::request::integer;
pub use self::request::{Action, Identity, Request};

/// How far an Event-Timestamp may be off, unless it is said otherwise (section 6.3).
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(300);

/// A request that names no time is the same octets when it is meant again, one time in 256: what comes later than this
/// is no copy but a new one (section 2.3 speaks of a short span of time).
const COPIES_COME_WITHIN: Duration = Duration::from_secs(30);

/// What is asked of a client's requests.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Shared with this client.
    pub secret: Secret,
    /// Requests without Message-Authenticator are dropped; default true. What has a wrong one always is.
    pub require_message_authenticator: bool,
    /// How far an Event-Timestamp may be off; none does not look at it. Default [`DEFAULT_WINDOW`].
    pub window: Option<Duration>,
    /// With a window, requests without Event-Timestamp are dropped; default true.
    pub require_event_timestamp: bool,
}

impl Trust {
    /// With the defaults.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self {
            secret,
            require_message_authenticator: true,
            window: Some(DEFAULT_WINDOW),
            require_event_timestamp: true,
        }
    }
}

/// Who may send requests: one host or a network of them.
#[derive(Clone, Debug)]
pub struct Client {
    /// The host, or any of the network.
    pub address: IpAddr,
    /// How many of its leading bits count.
    pub prefix: u8,
    /// What is asked of its requests.
    pub trust: Arc<Trust>,
}

impl Client {
    fn has(&self, address: IpAddr) -> bool {
        is_within(address, self.address, self.prefix)
    }
}

/// Why a request that was understood is refused (section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ErrorCause {
    /// Something is asked for that this gateway does not know.
    UnsupportedAttribute = 401,
    /// No session is named, or no change.
    MissingAttribute = 402,
    /// Another gateway is meant.
    NasIdentificationMismatch = 403,
    /// More is named than can be looked for.
    InvalidRequest = 404,
    /// Service-Type asks for what is not done here.
    UnsupportedService = 405,
    /// This is not done for whoever asks.
    UnsupportedExtension = 406,
    /// A value cannot be what it should.
    InvalidAttributeValue = 407,
    /// No session has all that was named.
    SessionContextNotFound = 503,
    /// More requests are remembered than fit.
    ResourcesUnavailable = 506,
}

impl fmt::Display for ErrorCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnsupportedAttribute => "Unsupported-Attribute",
            Self::MissingAttribute => "Missing-Attribute",
            Self::NasIdentificationMismatch => "NAS-Identification-Mismatch",
            Self::InvalidRequest => "Invalid-Request",
            Self::UnsupportedService => "Unsupported-Service",
            Self::UnsupportedExtension => "Unsupported-Extension",
            Self::InvalidAttributeValue => "Invalid-Attribute-Value",
            Self::SessionContextNotFound => "Session-Context-Not-Found",
            Self::ResourcesUnavailable => "Resources-Unavailable",
        })
    }
}

/// Why a request gets no answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// The sender is no client.
    ForeignSource,
    /// More requests than can be looked at.
    TooMany,
    /// Not a RADIUS packet.
    Malformed(ParseError),
    /// Neither Disconnect-Request nor CoA-Request.
    WrongCode(Code),
    /// The Request Authenticator is wrong: another secret, or forged.
    WrongAuthenticator,
    /// There is no Message-Authenticator, and the client should send one.
    MissingMessageAuthenticator,
    /// The Message-Authenticator is wrong.
    WrongMessageAuthenticator,
    /// There is no Event-Timestamp, and the client should send one.
    MissingEventTimestamp,
    /// The Event-Timestamp is off by so many seconds: a replay, or a clock is wrong.
    StaleEventTimestamp(u64),
    /// The Event-Timestamp is from before we began: what was obeyed then is not known.
    EarlierThanWe,
    /// What must be sent back does not fit into an answer.
    NoRoom(BuildError),
}

impl fmt::Display for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignSource => f.write_str("it is no client"),
            Self::TooMany => f.write_str("more requests than can be looked at"),
            Self::Malformed(error) => write!(f, "not RADIUS: {error}"),
            Self::WrongCode(code) => write!(f, "{code} is neither Disconnect-Request nor CoA-Request"),
            Self::WrongAuthenticator => f.write_str("wrong Request Authenticator"),
            Self::MissingMessageAuthenticator => f.write_str("no Message-Authenticator"),
            Self::WrongMessageAuthenticator => f.write_str("wrong Message-Authenticator"),
            Self::MissingEventTimestamp => f.write_str("no Event-Timestamp"),
            Self::StaleEventTimestamp(secs) => write!(f, "Event-Timestamp is {secs} s off"),
            Self::EarlierThanWe => f.write_str("Event-Timestamp is from before the gateway's start"),
            Self::NoRoom(error) => write!(f, "no room for an answer: {error}"),
        }
    }
}

/// What became of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Carried out.
    pub acknowledged: u64,
    /// Answered with an Error-Cause.
    pub refused: u64,
    /// Copies, answered as before.
    pub duplicates: u64,
    /// From an address that is no client's.
    pub foreign_source: u64,
    /// More than can be looked at.
    pub too_many: u64,
    /// Neither Disconnect-Request nor CoA-Request, or no room for an answer.
    pub malformed: u64,
    /// With a wrong authenticator of either kind.
    pub forged: u64,
    /// Without a Message-Authenticator or Event-Timestamp that should be there.
    pub unprotected: u64,
    /// With an old Event-Timestamp, or one from before we began.
    pub stale: u64,
}

/// Takes requests and gives answers. Opens nothing.
#[derive(Debug)]
pub struct Server {
    nas_identifier: String,
    clients: Vec<Client>,
    answered: Answered,
    /// Since when answers are remembered, by the monotonic clock.
    began: Duration,
    /// When the requests so far have had their time.
    free_at: Duration,
    stats: Stats,
}

impl Server {
    /// A server for these clients, which begins now; of several that have an address the narrowest counts.
    #[must_use]
    pub fn new(now: Now, nas_identifier: &str, clients: Vec<Client>) -> Self {
        Self {
            nas_identifier: nas_identifier.to_owned(),
            clients,
            answered: Answered::default(),
            began: now.mono,
            free_at: Duration::ZERO,
            stats: Stats::default(),
        }
    }

    /// Takes what came from `source` and gives the answer that goes back there. `act` is called for a request that is
    /// understood and new, once; it does all of it, or refuses and does nothing (section 2.3).
    ///
    /// # Errors
    /// [`Discard`]: nothing was done, and nothing is to be said.
    pub fn handle_datagram(
        &mut self,
        now: Now,
        source: IpAddr,
        datagram: &[u8],
        act: impl FnOnce(&Request<'_>) -> Result<(), ErrorCause>,
    ) -> Result<Vec<u8>, Discard> {
        let having = self.clients.iter().filter(|client| client.has(source));
        let Some(client) = having.max_by_key(|client| client.prefix) else {
            self.stats.foreign_source += 1;
            return Err(Discard::ForeignSource);
        };
        let trust = Arc::clone(&client.trust);
        let answer = self.answer(now, Some(&trust), datagram, act);
        self.count(answer)
    }

    /// The same for a server that asks down a connection of ours (draft-ietf-radext-reverse-coa): TLS has proven who it
    /// is, and lets nobody repeat what was said.
    ///
    /// # Errors
    /// As for [`Self::handle_datagram`].
    pub fn handle_packet(
        &mut self,
        now: Now,
        version: Version,
        packet: &[u8],
        act: impl FnOnce(&Request<'_>) -> Result<(), ErrorCause>,
    ) -> Result<Vec<u8>, Discard> {
        let trust = (version == Version::V1_0).then(|| Trust {
            require_message_authenticator: false,
            window: None,
            require_event_timestamp: false,
            ..Trust::new(Secret::new(*RADSEC))
        });
        let answer = self.answer(now, trust.as_ref(), packet, act);
        self.count(answer)
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn count(&mut self, answer: Result<Vec<u8>, Discard>) -> Result<Vec<u8>, Discard> {
        if let Err(discard) = answer {
            *match discard {
                Discard::ForeignSource => &mut self.stats.foreign_source,
                Discard::TooMany => &mut self.stats.too_many,
                Discard::Malformed(_) | Discard::WrongCode(_) | Discard::NoRoom(_) => &mut self.stats.malformed,
                Discard::WrongAuthenticator | Discard::WrongMessageAuthenticator => &mut self.stats.forged,
                Discard::MissingMessageAuthenticator | Discard::MissingEventTimestamp => &mut self.stats.unprotected,
                Discard::StaleEventTimestamp(_) | Discard::EarlierThanWe => &mut self.stats.stale,
            } += 1;
        }
        answer
    }

    /// Without `trust` nothing in a packet is computed from a secret, and a copy is not told from a request: there are
    /// none on a connection (RFC 9765, section 4.1: the token that names a request counts for its connection alone).
    fn answer(
        &mut self,
        now: Now,
        trust: Option<&Trust>,
        packet: &[u8],
        act: impl FnOnce(&Request<'_>) -> Result<(), ErrorCause>,
    ) -> Result<Vec<u8>, Discard> {
        self.take_turn(now)?;
        let view = View::parse(packet).map_err(Discard::Malformed)?;
        if !matches!(view.code(), Code::DisconnectRequest | Code::CoaRequest) {
            return Err(Discard::WrongCode(view.code()));
        }
        let secret = trust.map(|trust| &trust.secret);
        let mut keep = None;
        if let Some(trust) = trust {
            prove(view, trust)?;
            keep = Some(check_time(now, self.began, view, trust)?);
            // The authenticator is a digest of the whole request, identifier and secret included.
            if let Some(outcome) = self.answered.find(now.mono, &view.authenticator()) {
                let answer = emit(view, outcome, secret)?;
                self.stats.duplicates += 1;
                return Ok(answer);
            }
        }
        // Before anything is done: what cannot be answered is not done.
        let longest = emit(view, Err(ErrorCause::ResourcesUnavailable), secret)?;
        if keep.is_some() && self.answered.is_full() {
            self.stats.refused += 1;
            return Ok(longest);
        }
        let outcome = Request::read(view, &self.nas_identifier).and_then(|request| act(&request));
        if let Some(keep) = keep {
            self.answered.remember(now.mono + keep, view.authenticator(), outcome);
        }
        *match outcome {
            Ok(()) => &mut self.stats.acknowledged,
            Err(_) => &mut self.stats.refused,
        } += 1;
        emit(view, outcome, secret)
    }

    fn take_turn(&mut self, now: Now) -> Result<(), Discard> {
        let turn = self.free_at.max(now.mono);
        if turn > now.mono + REQUESTS_AT_ONCE * REQUEST_TIME {
            return Err(Discard::TooMany);
        }
        self.free_at = turn + REQUEST_TIME;
        Ok(())
    }
}

/// Who sent it knows the secret (sections 2.3 and 3.4).
fn prove(view: View<'_>, trust: &Trust) -> Result<(), Discard> {
    if !auth::is_signed(view, &trust.secret) {
        return Err(Discard::WrongAuthenticator);
    }
    match auth::integrity(view, &[0; 16], &trust.secret) {
        Integrity::Proven => Ok(()),
        Integrity::Wrong => Err(Discard::WrongMessageAuthenticator),
        Integrity::Missing if trust.require_message_authenticator => Err(Discard::MissingMessageAuthenticator),
        Integrity::Missing => Ok(()),
    }
}

/// It was sent lately (section 6.3). Gives the time after which no copy of it can be believed, or is likely.
fn check_time(now: Now, began: Duration, view: View<'_>, trust: &Trust) -> Result<Duration, Discard> {
    let Some(window) = trust.window else { return Ok(COPIES_COME_WITHIN) };
    let sent = view.attributes().find(|a| a.number == attr::EVENT_TIMESTAMP).map(|a| integer(a.value).unwrap_or(0));
    match sent.map(|sent| now.unix.as_secs().abs_diff(sent.into())) {
        Some(off_secs) if off_secs > window.as_secs() => Err(Discard::StaleEventTimestamp(off_secs)),
        // By the clock as it is now: it may have been set since.
        _ if sent.is_some_and(|sent| Duration::from_secs(sent.into()) + now.mono.saturating_sub(began) < now.unix) => {
            Err(Discard::EarlierThanWe)
        }
        // It is current from a window before the time that it names until a window after it.
        Some(_) => Ok(window * 2),
        None if trust.require_event_timestamp => Err(Discard::MissingEventTimestamp),
        None => Ok(COPIES_COME_WITHIN),
    }
}

/// The answer to a request. Made of the request and its outcome alone, so that a copy's is the same. Without a secret it
/// is written as RADIUS/1.1: nothing is computed, and the token stands where the authenticator did.
fn emit(view: View<'_>, outcome: Result<(), ErrorCause>, secret: Option<&Secret>) -> Result<Vec<u8>, Discard> {
    let mut attributes = Vec::new();
    if secret.is_some() {
        attributes.push(Attribute::bytes(attr::MESSAGE_AUTHENTICATOR, &[0; 16]).map_err(Discard::NoRoom)?);
    }
    let code = match (view.code(), outcome) {
        (Code::DisconnectRequest, Ok(())) => {
            attributes.push(Attribute::u32(attr::ACCT_TERMINATE_CAUSE, TerminateCause::AdminReset.code()));
            Code::DisconnectAck
        }
        (Code::DisconnectRequest, Err(_)) => Code::DisconnectNak,
        (_, Ok(())) => Code::CoaAck,
        (_, Err(_)) => Code::CoaNak,
    };
    if let Err(cause) = outcome {
        attributes.push(Attribute::u32(attr::ERROR_CAUSE, cause as u32));
    }
    // Sections 3.1 and 3.3: unmodified, in their order.
    for attribute in view.attributes().filter(|a| matches!(a.number, attr::STATE | attr::PROXY_STATE)) {
        attributes.push(Attribute::bytes(attribute.number, attribute.value).map_err(Discard::NoRoom)?);
    }
    let mut asked = view.authenticator();
    let Some(secret) = secret else {
        asked[4..].fill(0);
        return Packet { code, id: 0, authenticator: asked, attributes }.emit().map_err(Discard::NoRoom);
    };
    let mut bytes = Packet { code, id: view.id(), authenticator: asked, attributes }.emit().map_err(Discard::NoRoom)?;
    let proof = auth::message_authenticator(&bytes, &asked, FIRST_VALUE, secret);
    bytes[FIRST_VALUE..FIRST_VALUE + 16].copy_from_slice(&proof);
    let authenticator = auth::response_authenticator(&bytes, &asked, secret);
    bytes[4..20].copy_from_slice(&authenticator);
    Ok(bytes)
}

/// Whether an address is of a network: `prefix` leading bits of `network` count.
pub(crate) fn is_within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let (own, octets) = bits(network);
    let (other, other_octets) = bits(address);
    let ignored = octets.saturating_sub(u32::from(prefix));
    octets == other_octets && (own ^ other).checked_shr(ignored).unwrap_or(0) == 0
}

/// An address's bits from the left, and how many there are. A socket for both families shows an IPv4 address inside IPv6.
fn bits(address: IpAddr) -> (u128, u32) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}
