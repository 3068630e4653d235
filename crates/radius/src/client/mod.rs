//! The client as a state machine: requests and datagrams go in, datagrams and events come out.
//!
//! An answer decides about a guest only if it comes from the server's address, to the socket and identifier of a
//! request in flight, carries the Response Authenticator of that very request, and (unless the server is marked as too
//! old for it) a right Message-Authenticator. Anything else is counted and forgotten, and the request stays in flight:
//! whoever can send datagrams can neither decide a login nor end the wait for the true answer.
//!
//! Servers are asked in the order of the configuration. One that stays silent through all tries is dead for a while
//! and passed over; then one single request probes it, and its first answer brings it back.

mod api;
mod health;
mod ids;
mod relayed;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wire::Now;

use crate::attr;
use crate::auth::{self, Integrity, Secret};
use crate::limits;
use crate::packet::{Code, View};
use crate::relay::RelayedRequest;
use crate::reply::Reply;
use crate::request::{AccessRequest, AccountingRequest};
pub use api::{
    Config, ConfigError, Dice, Event, Kind, Outcome, Refusal, Server, Socket, Stats, SubmitError, Token, Transmit,
};
use health::Health;
use ids::Ids;
use relayed::Conversations;

/// The client.
pub struct Client {
    config: Config,
    dice: Dice,
    health: BTreeMap<(u8, Kind), Health>,
    ids: BTreeMap<(u8, Kind), Ids>,
    pending: BTreeMap<Token, Pending>,
    in_flight: BTreeMap<Kind, usize>,
    flights: BTreeMap<(Socket, u8), Flight>,
    timers: BTreeSet<(Duration, Token)>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    conversations: Conversations,
    stats: Stats,
    last_token: u64,
}

/// One identifier in use. A request that was sent with several can be answered to any of them.
#[derive(Clone, Copy)]
struct Flight {
    token: Token,
    authenticator: [u8; 16],
}

enum Request {
    Access(Box<AccessRequest>),
    Accounting(Box<AccountingRequest>),
    Relayed(Box<RelayedRequest>),
}

impl Request {
    fn kind(&self) -> Kind {
        match self {
            Self::Access(_) | Self::Relayed(_) => Kind::Auth,
            Self::Accounting(_) => Kind::Acct,
        }
    }
}

struct Pending {
    request: Request,
    /// Identifiers in use, the newest last: at most one for each transmission.
    flights: Vec<(Socket, u8)>,
    /// What was sent last, and (of accounting) the Acct-Delay-Time in it.
    bytes: Vec<u8>,
    delay_secs: u32,
    server: u8,
    /// When this server was first asked.
    since: Duration,
    /// Bit for each server that was asked, or is not to be.
    asked: u32,
    tries_left: u8,
    wait: Duration,
    due: Duration,
    deadline: Duration,
}

impl Client {
    /// A client with nothing in flight.
    ///
    /// # Errors
    /// [`ConfigError`], before anything is sent.
    pub fn new(config: Config, dice: Dice) -> Result<Self, ConfigError> {
        if config.servers.len() > limits::SERVERS {
            return Err(ConfigError::TooManyServers);
        }
        if let Some(server) = config.servers.iter().position(|s| s.secret == Secret::new([])) {
            return Err(ConfigError::EmptySecret { server });
        }
        Ok(Self {
            config,
            dice,
            health: BTreeMap::new(),
            ids: BTreeMap::new(),
            pending: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            flights: BTreeMap::new(),
            timers: BTreeSet::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            conversations: Conversations::default(),
            stats: Stats::default(),
            last_token: 0,
        })
    }

    /// Asks whether a guest may come in. Exactly one [`Event`] will follow.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was sent and no event follows.
    pub fn submit_access(&mut self, now: Now, request: AccessRequest) -> Result<Token, SubmitError> {
        self.submit(now, Request::Access(Box::new(request)))
    }

    /// Sends an accounting record. Exactly one [`Event`] will follow; after [`Outcome::Unreachable`] the same record can
    /// be submitted again, and tells its age by itself.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was sent and no event follows.
    pub fn submit_accounting(&mut self, now: Now, request: AccountingRequest) -> Result<Token, SubmitError> {
        self.submit(now, Request::Accounting(Box::new(request)))
    }

    /// Takes what arrived on a socket.
    ///
    /// # Errors
    /// [`Refusal`]: the datagram was counted and changed nothing.
    pub fn handle_datagram(
        &mut self,
        now: Now,
        socket: Socket,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), Refusal> {
        match self.check(socket, from, datagram) {
            Ok((Flight { token, authenticator }, answer)) => {
                self.stats.answers += 1;
                self.health.entry((socket.server, socket.kind)).or_default().answered(now.mono);
                let outcome = self.outcome(answer);
                let outcome = self.for_asker(now.mono, socket.server, token, authenticator, outcome);
                self.finish(token, outcome);
                Ok(())
            }
            Err(refusal) => {
                let count = match refusal {
                    Refusal::ForeignSource => &mut self.stats.foreign_source,
                    Refusal::Malformed(_) => &mut self.stats.malformed,
                    Refusal::UnknownId | Refusal::WrongCode(_) => &mut self.stats.unasked,
                    Refusal::WrongAuthenticator
                    | Refusal::MissingMessageAuthenticator
                    | Refusal::WrongMessageAuthenticator
                    | Refusal::UnexpectedProxyState => &mut self.stats.forged,
                };
                *count += 1;
                Err(refusal)
            }
        }
    }

    /// Retransmits, fails over and gives up what is due. Harmless when called early.
    pub fn handle_timeout(&mut self, now: Now) {
        let due: Vec<_> = self.timers.iter().take_while(|(at, _)| *at <= now.mono).map(|(_, token)| *token).collect();
        for token in due {
            self.expire(now, token);
        }
    }

    /// When [`Self::handle_timeout`] wants to be called, by the monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next request that ended.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Requests in flight.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// False while a server is passed over for its silence.
    #[must_use]
    pub fn is_alive(&self, server: u8, kind: Kind) -> bool {
        self.health.get(&(server, kind)).is_none_or(Health::is_alive)
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn submit(&mut self, now: Now, request: Request) -> Result<Token, SubmitError> {
        // Each kind has its own bound, so that a flood of logins never costs an accounting record.
        let in_flight = *self.in_flight.entry(request.kind()).or_default();
        if in_flight.max(self.events.len()) >= self.config.max_outstanding {
            return Err(SubmitError::Busy);
        }
        let token = Token(self.last_token + 1);
        let wait = self.initial_wait();
        let asked = self.conversations.others(now.mono, &request);
        let mut pending = Pending {
            request,
            flights: Vec::new(),
            bytes: Vec::new(),
            delay_secs: 0,
            server: 0,
            since: now.mono,
            asked,
            tries_left: 0,
            wait,
            due: now.mono,
            deadline: now.mono + self.config.give_up.max(self.first_wait()),
        };
        if !self.choose_server(now, &mut pending) {
            return Err(SubmitError::NoServer);
        }
        self.take_off(now, token, &mut pending)?;
        self.last_token = token.0;
        self.stats.requests += 1;
        self.in_flight.insert(pending.request.kind(), in_flight + 1);
        self.transmit(now, token, &mut pending);
        self.pending.insert(token, pending);
        Ok(token)
    }

    fn check<'a>(&self, socket: Socket, from: SocketAddr, datagram: &'a [u8]) -> Result<(Flight, View<'a>), Refusal> {
        let server = self.config.servers.get(usize::from(socket.server)).ok_or(Refusal::ForeignSource)?;
        if server.address(socket.kind).map(canonical) != Some(canonical(from)) {
            return Err(Refusal::ForeignSource);
        }
        let answer = View::parse(datagram).map_err(Refusal::Malformed)?;
        let flight = self.flights.get(&(socket, answer.id())).ok_or(Refusal::UnknownId)?;
        let fits = match socket.kind {
            Kind::Auth => matches!(answer.code(), Code::AccessAccept | Code::AccessReject | Code::AccessChallenge),
            Kind::Acct => answer.code() == Code::AccountingResponse,
        };
        if !fits {
            return Err(Refusal::WrongCode(answer.code()));
        }
        if !auth::answers(answer, &flight.authenticator, &server.secret) {
            return Err(Refusal::WrongAuthenticator);
        }
        match auth::integrity(answer, &flight.authenticator, &server.secret) {
            Integrity::Proven => {}
            Integrity::Wrong => return Err(Refusal::WrongMessageAuthenticator),
            // The Response Authenticator is all that protects accounting answers; nothing can be gained by forging them
            // but the loss of a record.
            Integrity::Missing if socket.kind == Kind::Acct => {}
            Integrity::Missing if server.require_message_authenticator => {
                return Err(Refusal::MissingMessageAuthenticator);
            }
            Integrity::Missing if answer.attributes().any(|a| a.number == attr::PROXY_STATE.number()) => {
                return Err(Refusal::UnexpectedProxyState);
            }
            Integrity::Missing => {}
        }
        Ok((*flight, answer))
    }

    fn outcome(&mut self, answer: View<'_>) -> Outcome {
        let reply = Reply::new(answer);
        match answer.code() {
            Code::AccessAccept if reply.has_invalid_length() => {
                self.stats.broken_accepts += 1;
                Outcome::Reject(reply)
            }
            Code::AccessAccept => Outcome::Accept(reply),
            Code::AccessChallenge => Outcome::Challenge(reply),
            Code::AccountingResponse => Outcome::AccountingAck,
            _ => Outcome::Reject(reply),
        }
    }

    fn expire(&mut self, now: Now, token: Token) {
        let Some(mut pending) = self.pending.remove(&token) else { return };
        self.timers.remove(&(pending.due, token));
        let given_up = now.mono >= pending.deadline;
        // Given up early, by the deadline of the request: only a server that had a fair time is to blame.
        let had_its_time = now.mono >= pending.since + self.first_wait() * 3;
        if pending.tries_left == 0 || given_up && had_its_time {
            let health = self.health.entry((pending.server, pending.request.kind())).or_default();
            if health.silent(now.mono, pending.since, self.config.dead_time) {
                self.stats.servers_lost += 1;
            }
        }
        let goes_on = if given_up {
            false
        } else if pending.tries_left > 0 {
            self.refresh(now, token, &mut pending);
            pending.wait = self.next_wait(pending.wait);
            true
        } else {
            pending.wait = self.initial_wait();
            self.choose_server(now, &mut pending) && self.take_off(now, token, &mut pending).is_ok()
        };
        if goes_on {
            self.stats.retransmissions += 1;
            self.transmit(now, token, &mut pending);
            self.pending.insert(token, pending);
        } else {
            self.stats.unreachable += 1;
            self.pending.insert(token, pending);
            self.finish(token, Outcome::Unreachable);
        }
    }

    /// A retransmission is the same packet (RFC 5080, section 2.2.1), except that the age of an accounting record
    /// grows, and with it authenticator and identifier change (RFC 2866, section 5.2).
    fn refresh(&mut self, now: Now, token: Token, pending: &mut Pending) {
        if matches!(&pending.request, Request::Accounting(record) if record.delay_secs(now) != pending.delay_secs) {
            // Without a free identifier the older packet is still a true one.
            let _ = self.take_off(now, token, pending);
        }
    }

    /// Builds the packet for the server chosen and gives it an identifier.
    fn take_off(&mut self, now: Now, token: Token, pending: &mut Pending) -> Result<(), SubmitError> {
        let kind = pending.request.kind();
        let server = self.config.servers.get(usize::from(pending.server)).ok_or(SubmitError::NoServer)?;
        let ids = self.ids.entry((pending.server, kind)).or_default();
        let (index, id) = ids.take(self.config.max_sockets, &mut self.dice).ok_or(SubmitError::Busy)?;
        let built = match &pending.request {
            Request::Access(request) => {
                let mut authenticator = [0; 16];
                (self.dice)(&mut authenticator);
                request.emit(id, authenticator, &server.secret)
            }
            Request::Relayed(request) => {
                let mut authenticator = [0; 16];
                (self.dice)(&mut authenticator);
                request.emit(id, authenticator, &server.secret)
            }
            Request::Accounting(request) => {
                pending.delay_secs = request.delay_secs(now);
                request.emit(id, pending.delay_secs, &server.secret)
            }
        };
        let bytes = match built {
            Ok(bytes) => bytes,
            Err(error) => {
                ids.release(index, id);
                return Err(SubmitError::Build(error));
            }
        };
        let socket = Socket { server: pending.server, kind, index };
        let mut authenticator = [0; 16];
        authenticator.copy_from_slice(&bytes[4..20]);
        self.flights.insert((socket, id), Flight { token, authenticator });
        pending.flights.push((socket, id));
        pending.bytes = bytes;
        Ok(())
    }

    /// Queues what was built last and sets the clock for the next step.
    fn transmit(&mut self, now: Now, token: Token, pending: &mut Pending) {
        let to = self.config.servers.get(usize::from(pending.server)).and_then(|s| s.address(pending.request.kind()));
        let room = self.transmits.len() / 2 < self.config.max_outstanding;
        // A caller that does not fetch its datagrams loses them, as on a wire.
        if let (Some(to), Some((socket, _)), true) = (to, pending.flights.last(), room) {
            self.stats.transmissions += 1;
            self.transmits.push_back(Transmit { socket: *socket, to, bytes: pending.bytes.clone() });
        }
        pending.tries_left = pending.tries_left.saturating_sub(1);
        pending.due = (now.mono + pending.wait).min(pending.deadline);
        self.timers.insert((pending.due, token));
    }

    /// Chooses the next server that this request has not asked; false if there is none.
    fn choose_server(&mut self, now: Now, pending: &mut Pending) -> bool {
        let kind = pending.request.kind();
        let candidates: Vec<u8> = (0u8..)
            .zip(&self.config.servers)
            .filter(|(index, server)| server.address(kind).is_some() && pending.asked & 1 << index == 0)
            .map(|(index, _)| index)
            .collect();
        let any_alive = candidates.iter().any(|server| self.is_alive(*server, kind));
        let chosen = candidates.iter().copied().find_map(|server| {
            let health = self.health.entry((server, kind)).or_default();
            if health.is_alive() {
                Some((server, self.config.tries))
            } else {
                // Whoever probes a dead server while another is alive asks it once: a guest is waiting.
                let tries = if any_alive { 1 } else { self.config.tries };
                health.may_probe(now.mono, self.config.dead_time).then_some((server, tries))
            }
        });
        let Some((server, tries)) = chosen.or_else(|| candidates.first().map(|server| (*server, self.config.tries)))
        else {
            return false;
        };
        pending.asked |= 1 << server;
        pending.server = server;
        pending.since = now.mono;
        pending.tries_left = tries.max(1);
        true
    }

    fn finish(&mut self, token: Token, outcome: Outcome) {
        let Some(pending) = self.pending.remove(&token) else { return };
        self.timers.remove(&(pending.due, token));
        if let Some(count) = self.in_flight.get_mut(&pending.request.kind()) {
            *count = count.saturating_sub(1);
        }
        for (socket, id) in pending.flights {
            self.flights.remove(&(socket, id));
            if let Some(ids) = self.ids.get_mut(&(socket.server, socket.kind)) {
                ids.release(socket.index, id);
            }
        }
        self.events.push_back(Event { token, outcome });
    }

    fn initial_wait(&mut self) -> Duration {
        let wait = self.first_wait();
        jitter(&mut self.dice, Duration::ZERO, wait)
    }

    fn first_wait(&self) -> Duration {
        self.config.first_wait.max(Duration::from_millis(100))
    }

    /// RFC 5080, section 2.2.1: twice the last wait, at most MRT, both with jitter.
    fn next_wait(&mut self, last: Duration) -> Duration {
        let longest = self.config.longest_wait.max(self.first_wait());
        let next = jitter(&mut self.dice, last, last);
        if next > longest { jitter(&mut self.dice, Duration::ZERO, longest) } else { next }
    }
}

/// A socket for both families shows an IPv4 server as ::ffff:a.b.c.d.
fn canonical(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}

/// `base + step + RAND × step`, RAND evenly from -0.1 to 0.1 (RFC 5080, section 2.2.1).
fn jitter(dice: &mut Dice, base: Duration, step: Duration) -> Duration {
    let mut octets = [0; 4];
    dice(&mut octets);
    let per_10_000 = 9_000 + u32::from_be_bytes(octets) % 2_001;
    base + step * per_10_000 / 10_000
}
