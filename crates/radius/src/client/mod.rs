//! The client as a state machine: requests and packets go in, packets and events come out.
//!
//! An answer decides about a guest only if it comes from the server's address, to the socket and identifier of a
//! request in flight, carries the Response Authenticator of that very request, and (unless the server is marked as too
//! old for it) a right Message-Authenticator. Anything else is counted and forgotten, and the request stays in flight:
//! whoever can send datagrams can neither decide a login nor end the wait for the true answer.
//!
//! Servers are asked in the order of their priority. One that stays silent through all tries is dead for a while and
//! passed over, until it answers again: to Status-Server if it speaks that, to a single guest's request if not. What
//! proves nothing does not count as an answer. On connections TLS proves the server, whose sockets are the caller's.

mod api;
mod check;
mod choice;
mod config;
mod health;
mod lines;
mod pending;
mod relayed;
mod status;
mod streams;
mod v1_1;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use wire::Now;

use crate::auth::Secret;
use crate::limits;
use crate::packet::{Code, View};
use crate::reply::Reply;
use crate::request::{AccessRequest, AccountingRequest};
pub use api::{
    Closed, Connection, Dice, Event, Incoming, Kind, Outcome, Refusal, Socket, Stats, SubmitError, Token, Transmit,
    Version,
};
pub use config::{Config, ConfigError, Server, Transport};
use health::Health;
use lines::AllLines;
use pending::{Pending, Request};
use relayed::Conversations;

/// The client.
pub struct Client {
    config: Config,
    dice: Dice,
    health: BTreeMap<(u8, Kind), Health>,
    /// When Status-Server goes to a UDP service.
    probes: BTreeMap<(u8, Kind), Duration>,
    lines: AllLines,
    pending: BTreeMap<Token, Pending>,
    in_flight: BTreeMap<Kind, usize>,
    flights: BTreeMap<(Socket, u32), Flight>,
    timers: BTreeSet<(Duration, Token)>,
    transmits: VecDeque<Transmit>,
    connections: VecDeque<Connection>,
    incoming: VecDeque<Incoming>,
    events: VecDeque<Event>,
    conversations: Conversations,
    stats: Stats,
    last_token: u64,
}

/// One number in use on a line. A request that was sent with several can be answered to any of them.
#[derive(Clone, Copy)]
struct Flight {
    what: What,
    kind: Kind,
    authenticator: [u8; 16],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Request(Token),
    Status,
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
        let asked = (0u8..).zip(&config.servers).filter(|(_, server)| server.status_server && !server.is_stream());
        let probes = asked.flat_map(|(index, server)| {
            let kinds = [Kind::Auth, Kind::Acct].into_iter().filter(|kind| server.address(*kind).is_some());
            kinds.map(move |kind| ((index, kind), Duration::ZERO))
        });
        Ok(Self {
            probes: probes.collect(),
            config,
            dice,
            health: BTreeMap::new(),
            lines: BTreeMap::new(),
            pending: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            flights: BTreeMap::new(),
            timers: BTreeSet::new(),
            transmits: VecDeque::new(),
            connections: VecDeque::new(),
            incoming: VecDeque::new(),
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

    /// Takes what arrived on a UDP socket.
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
            Ok((number, answer)) => {
                if let Some(kind) = socket.kind {
                    self.health.entry((socket.server, kind)).or_default().answered(now.mono);
                }
                self.believe(now, socket, number, answer);
                Ok(())
            }
            Err(refusal) => {
                if let (Some(kind), true) = (socket.kind, refusal != Refusal::ForeignSource) {
                    self.health.entry((socket.server, kind)).or_default().doubted_at = Some(now.mono);
                }
                self.count(refusal);
                Err(refusal)
            }
        }
    }

    /// Retransmits, fails over, gives up what is due, and asks after servers. Harmless when called early.
    pub fn handle_timeout(&mut self, now: Now) {
        let due: Vec<_> = self.timers.iter().take_while(|(at, _)| *at <= now.mono).map(|(_, token)| *token).collect();
        for token in due {
            self.expire(now, token);
        }
        self.ask_dead_servers(now);
        self.watch_connections(now);
    }

    /// When [`Self::handle_timeout`] wants to be called, by the monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let request = self.timers.first().map(|(at, _)| *at);
        let probe = self.probes.values().min().copied();
        [request, probe, self.next_watch()].into_iter().flatten().min()
    }

    /// The next datagram, or packet on an open connection, to send.
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

    /// As [`Self::is_alive`]; and of a stream, that there is a connection.
    #[must_use]
    pub fn is_up(&self, server: u8, kind: Kind) -> bool {
        let stream = self.config.servers.get(usize::from(server)).is_some_and(Server::is_stream);
        let connected = || self.lines.get(&(server, None)).is_some_and(lines::Lines::has_open);
        self.is_alive(server, kind) && (!stream || connected())
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// An answer that has proven itself ends its request.
    fn believe(&mut self, now: Now, socket: Socket, number: u32, answer: View<'_>) {
        let Some(Flight { what, authenticator, .. }) = self.flights.get(&(socket, number)).copied() else { return };
        match what {
            What::Request(token) => {
                self.stats.answers += 1;
                let outcome = self.outcome(answer);
                let outcome = self.for_asker(now.mono, socket, token, authenticator, outcome);
                self.finish(token, outcome);
            }
            What::Status => {
                self.stats.status_answers += 1;
                self.land(socket, number);
                if let Some(kind) = socket.kind {
                    self.health.entry((socket.server, kind)).or_default().answers_status = true;
                    self.probes.remove(&(socket.server, kind));
                }
            }
        }
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
            Code::AccountingResponse => Outcome::AccountingAck(reply),
            _ => Outcome::Reject(reply),
        }
    }

    fn count(&mut self, refusal: Refusal) {
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
    }
}

/// `base + step + RAND × step`, RAND evenly from -0.1 to 0.1 (RFC 5080, section 2.2.1).
fn jitter(dice: &mut Dice, base: Duration, step: Duration) -> Duration {
    let mut octets = [0; 4];
    dice(&mut octets);
    let per_10_000 = 9_000 + u32::from_be_bytes(octets) % 2_001;
    base + step * per_10_000 / 10_000
}
