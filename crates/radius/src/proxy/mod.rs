//! Access points ask through us (WPA-Enterprise): the server's side of RADIUS, as far as a proxy is one.
//!
//! * Only known access points are heard, each with its own secret, and only with a Message-Authenticator, unless one is
//!   said to be too old for it; what carries EAP always needs it (RFC 3579, section 3.1). Who proves nothing gets no
//!   answer.
//! * A request goes on as it is ([`RelayedRequest`]). Its Proxy-State stays here, and comes back with the answer in its
//!   order (RFC 2865, section 5.33): a server is sent none, so none that comes from there is ours.
//! * A copy of a request is answered as the first was (RFC 5080, section 2.2.2); while that is under way, with silence: our
//!   client repeats it towards the servers by itself. Where no server answers, nobody does, and the access point asks
//!   another one of its own.
//! * Accounting-Requests are acknowledged and go no further: octets are counted here, where the guest's packets pass. What
//!   they tell is when a device has come and gone.
//! * Status-Server is answered (RFC 5997): we are here.
//!
//! Bytes in, bytes out: whoever owns the sockets sends [`Action::Answer`] back to where the request came from.

mod exchanges;
mod record;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use wire::Now;

use crate::attr;
use crate::auth::{self, Integrity, Secret};
use crate::client::Kind;
use crate::dynauth::is_within;
use crate::limits::{RELAY_TIME, RELAYS_AT_ONCE};
use crate::packet::{Attribute, BuildError, Code, Packet, ParseError, View};
use crate::relay::RelayedRequest;
use crate::reply::Reply;
use crate::request::FIRST_VALUE;

use self::exchanges::{Exchange, Exchanges, Found, Name};
pub use self::record::{Report, What};

/// An access point, or a network of them.
#[derive(Clone, Debug)]
pub struct AccessPoint {
    /// The host, or any of the network.
    pub address: IpAddr,
    /// How many of its leading bits count.
    pub prefix: u8,
    /// Shared with it.
    pub secret: Secret,
    /// Requests without Message-Authenticator are dropped, also those without EAP. What has a wrong one always is.
    pub require_message_authenticator: bool,
}

/// What is to be done about a packet.
#[derive(Debug)]
pub enum Action {
    /// To be sent back.
    Answer(Vec<u8>),
    /// To be asked of a server; [`Proxy::answer`] or [`Proxy::give_up`] is wanted then, once.
    Ask(Box<Asked>),
    /// To be sent back, and something has happened.
    Told(Vec<u8>, Report),
    /// Nothing: a copy of what is under way.
    Wait,
}

/// A request that goes on.
#[derive(Debug)]
pub struct Asked {
    /// Names it until it is answered.
    pub ticket: Ticket,
    /// Which of the access points, as they were given.
    pub access_point: usize,
    /// What is asked.
    pub request: RelayedRequest,
}

/// Names a request until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    name: Name,
    authenticator: [u8; 16],
}

/// Why a packet gets no answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// The sender is no access point of ours.
    ForeignSource,
    /// More packets than can be looked at, or more requests under way than can be remembered.
    TooMany,
    /// Not a RADIUS packet.
    Malformed(ParseError),
    /// No request, or none for this port.
    WrongCode(Code),
    /// The Request Authenticator of an accounting record is wrong: another secret, or forged.
    WrongAuthenticator,
    /// There is no Message-Authenticator, and there should be one.
    MissingMessageAuthenticator,
    /// The Message-Authenticator is wrong: another secret, or forged.
    WrongMessageAuthenticator,
    /// It cannot be sent on or answered.
    NoRoom(BuildError),
}

impl fmt::Display for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignSource => f.write_str("it is no access point of ours"),
            Self::TooMany => f.write_str("more requests than can be looked at"),
            Self::Malformed(error) => write!(f, "not RADIUS: {error}"),
            Self::WrongCode(code) => write!(f, "{code} is not for this port"),
            Self::WrongAuthenticator => f.write_str("wrong Request Authenticator"),
            Self::MissingMessageAuthenticator => f.write_str("no Message-Authenticator"),
            Self::WrongMessageAuthenticator => f.write_str("wrong Message-Authenticator"),
            Self::NoRoom(error) => write!(f, "it cannot go on: {error}"),
        }
    }
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Access-Requests that went on to the servers.
    pub requests: u64,
    /// Access-Accepts that went back.
    pub accepts: u64,
    /// Access-Rejects that went back.
    pub rejects: u64,
    /// Access-Challenges that went back.
    pub challenges: u64,
    /// Requests that no server has answered.
    pub unanswered: u64,
    /// Accounting records that were acknowledged.
    pub accounting: u64,
    /// Copies.
    pub duplicates: u64,
    /// From an address that is no access point's.
    pub foreign_source: u64,
    /// More than can be looked at.
    pub too_many: u64,
    /// Not to be read, not for this port, or too long.
    pub malformed: u64,
    /// With a wrong authenticator of either kind.
    pub forged: u64,
    /// Without a Message-Authenticator that should be there.
    pub unprotected: u64,
}

/// Takes what access points send. Opens nothing.
#[derive(Debug)]
pub struct Proxy {
    access_points: Vec<AccessPoint>,
    exchanges: Exchanges,
    /// When the packets so far have had their time.
    free_at: std::time::Duration,
    stats: Stats,
}

impl Proxy {
    /// A proxy for these; of several that have an address the narrowest counts.
    #[must_use]
    pub fn new(access_points: Vec<AccessPoint>) -> Self {
        Self {
            access_points,
            exchanges: Exchanges::default(),
            free_at: std::time::Duration::ZERO,
            stats: Stats::default(),
        }
    }

    /// Takes what came from `source` to the port of a service.
    ///
    /// # Errors
    /// [`Discard`]: nothing is to be said or done.
    pub fn handle_datagram(
        &mut self,
        now: Now,
        service: Kind,
        source: SocketAddr,
        datagram: &[u8],
    ) -> Result<Action, Discard> {
        let taken = self.take(now, service, source, datagram);
        match &taken {
            Ok(Action::Ask(_)) => self.stats.requests += 1,
            Ok(Action::Told(..)) => self.stats.accounting += 1,
            Ok(_) => {}
            Err(discard) => {
                *match discard {
                    Discard::ForeignSource => &mut self.stats.foreign_source,
                    Discard::TooMany => &mut self.stats.too_many,
                    Discard::Malformed(_) | Discard::WrongCode(_) | Discard::NoRoom(_) => &mut self.stats.malformed,
                    Discard::WrongAuthenticator | Discard::WrongMessageAuthenticator => &mut self.stats.forged,
                    Discard::MissingMessageAuthenticator => &mut self.stats.unprotected,
                } += 1;
            }
        }
        taken
    }

    /// What goes back for a server's answer, whose attributes are hidden for the access point; none if it has asked
    /// something else meanwhile, or if the answer has no room for what must go with it.
    pub fn answer(&mut self, now: Now, ticket: Ticket, reply: &Reply) -> Option<Vec<u8>> {
        self.exchanges.asked(ticket.name.source.ip());
        let Exchange { access_point, proxy_states, .. } = self.exchanges.under_way(ticket)?;
        let secret = &self.access_points.get(*access_point)?.secret;
        let attributes = reply.attributes().iter().chain(proxy_states.iter()).cloned().collect();
        let answer = emit(reply.code(), ticket, attributes, secret).ok();
        match &answer {
            Some(answer) => {
                match reply.code() {
                    Code::AccessAccept => self.stats.accepts += 1,
                    Code::AccessChallenge => self.stats.challenges += 1,
                    _ => self.stats.rejects += 1,
                }
                self.exchanges.answered(now.mono, ticket.name, answer.clone());
            }
            None => self.forget(ticket),
        }
        answer
    }

    /// No server has answered: the next copy is a request again.
    pub fn give_up(&mut self, ticket: Ticket) {
        self.exchanges.asked(ticket.name.source.ip());
        self.forget(ticket);
    }

    fn forget(&mut self, ticket: Ticket) {
        if self.exchanges.under_way(ticket).is_some() {
            self.stats.unanswered += 1;
            self.exchanges.forget(ticket.name);
        }
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn take(&mut self, now: Now, service: Kind, source: SocketAddr, datagram: &[u8]) -> Result<Action, Discard> {
        let all = self.access_points.iter().enumerate();
        let known = all.filter(|(_, each)| is_within(source.ip(), each.address, each.prefix));
        let (access_point, _) = known.max_by_key(|(_, each)| each.prefix).ok_or(Discard::ForeignSource)?;
        self.take_turn(now)?;
        let view = View::parse(datagram).map_err(Discard::Malformed)?;
        let AccessPoint { secret, require_message_authenticator, .. } = &self.access_points[access_point];
        let ticket = Ticket { name: Name { service, source, id: view.id() }, authenticator: view.authenticator() };
        match (view.code(), service) {
            (Code::AccessRequest, Kind::Auth) => prove_access(view, secret, *require_message_authenticator)?,
            (Code::AccountingRequest, Kind::Acct) => prove_accounting(view, secret)?,
            (Code::StatusServer, _) => {
                // RFC 5997, section 3: it proves itself as an Access-Request does, and always.
                prove_access(view, secret, true)?;
                let code = if service == Kind::Auth { Code::AccessAccept } else { Code::AccountingResponse };
                return emit(code, ticket, proxy_states(view), secret).map(Action::Answer).map_err(Discard::NoRoom);
            }
            (code, _) => return Err(Discard::WrongCode(code)),
        }
        match self.exchanges.find(now.mono, ticket) {
            Found::Answer(answer) => {
                self.stats.duplicates += 1;
                return Ok(Action::Answer(answer));
            }
            Found::UnderWay => {
                self.stats.duplicates += 1;
                return Ok(Action::Wait);
            }
            Found::Nothing => {}
        }
        if !self.exchanges.has_room() {
            return Err(Discard::TooMany);
        }
        let exchange = Exchange {
            authenticator: ticket.authenticator,
            access_point,
            proxy_states: proxy_states(view),
            answer: None,
        };
        if service == Kind::Acct {
            let answer = emit(Code::AccountingResponse, ticket, exchange.proxy_states.clone(), secret);
            let answer = answer.map_err(Discard::NoRoom)?;
            self.exchanges.begin(ticket.name, exchange);
            self.exchanges.answered(now.mono, ticket.name, answer.clone());
            return Ok(Action::Told(answer, Report::read(view, access_point)));
        }
        if !self.exchanges.may_ask(source.ip()) {
            return Err(Discard::TooMany);
        }
        let request = RelayedRequest::new(view, secret).map_err(Discard::NoRoom)?;
        self.exchanges.ask(source.ip());
        self.exchanges.begin(ticket.name, exchange);
        Ok(Action::Ask(Box::new(Asked { ticket, access_point, request })))
    }

    fn take_turn(&mut self, now: Now) -> Result<(), Discard> {
        let turn = self.free_at.max(now.mono);
        if turn > now.mono + RELAYS_AT_ONCE * RELAY_TIME {
            return Err(Discard::TooMany);
        }
        self.free_at = turn + RELAY_TIME;
        Ok(())
    }
}

/// Who sent it knows the secret (RFC 3579, section 3.2). Without Message-Authenticator nothing in an Access-Request says so.
fn prove_access(request: View<'_>, secret: &Secret, required: bool) -> Result<(), Discard> {
    let has_eap = || request.attributes().any(|each| each.number == attr::EAP_MESSAGE.number());
    match auth::integrity(request, &request.authenticator(), secret) {
        Integrity::Proven => Ok(()),
        Integrity::Wrong => Err(Discard::WrongMessageAuthenticator),
        Integrity::Missing if required || has_eap() => Err(Discard::MissingMessageAuthenticator),
        Integrity::Missing => Ok(()),
    }
}

/// RFC 2866, section 3. Few access points put a Message-Authenticator into a record.
fn prove_accounting(request: View<'_>, secret: &Secret) -> Result<(), Discard> {
    if !auth::is_signed(request, secret) {
        return Err(Discard::WrongAuthenticator);
    }
    match auth::integrity(request, &[0; 16], secret) {
        Integrity::Wrong => Err(Discard::WrongMessageAuthenticator),
        Integrity::Proven | Integrity::Missing => Ok(()),
    }
}

fn proxy_states(request: View<'_>) -> Vec<Attribute> {
    let mut all = request.to_packet().attributes;
    all.retain(|each| each.number() == attr::PROXY_STATE.number());
    all
}

/// The answer to a request, signed. An Accounting-Response has its authenticator and no Message-Authenticator, for peers
/// do not agree over which authenticator that would be computed there.
fn emit(code: Code, ticket: Ticket, attributes: Vec<Attribute>, secret: &Secret) -> Result<Vec<u8>, BuildError> {
    let Ticket { name, authenticator: asked } = ticket;
    let has_proof = code != Code::AccountingResponse;
    let mut all = Vec::new();
    if has_proof {
        all.push(attr::MESSAGE_AUTHENTICATOR.of(&[0; 16])?);
    }
    all.extend(attributes);
    let mut bytes = Packet { code, id: name.id, authenticator: asked, attributes: all }.emit()?;
    if has_proof {
        let proof = auth::message_authenticator(&bytes, &asked, FIRST_VALUE, secret);
        bytes[FIRST_VALUE..FIRST_VALUE + 16].copy_from_slice(&proof);
    }
    let authenticator = auth::response_authenticator(&bytes, &asked, secret);
    bytes[4..20].copy_from_slice(&authenticator);
    Ok(bytes)
}
