//! The life of a request: taken, sent, sent again, passed on to the next server, given up.

use std::borrow::Cow;
use std::time::Duration;

use wire::Now;

use super::lines::{State, key};
use super::{Client, Event, Flight, Kind, Outcome, Socket, SubmitError, Token, Transmit, Version, What, jitter, v1_1};
use crate::packet::BuildError;
use crate::relay::RelayedRequest;
use crate::request::{AccessRequest, AccountingRequest};

pub(super) enum Request {
    Access(Box<AccessRequest>),
    Accounting(Box<AccountingRequest>),
    Relayed(Box<RelayedRequest>),
}

impl Request {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Access(_) | Self::Relayed(_) => Kind::Auth,
            Self::Accounting(_) => Kind::Acct,
        }
    }

    /// State of the challenge that it answers.
    pub(super) fn state(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Access(request) => request.state.as_deref().map(Cow::Borrowed),
            Self::Relayed(request) => request.state().map(Cow::Owned),
            Self::Accounting(_) => None,
        }
    }
}

pub(super) struct Pending {
    pub(super) request: Request,
    /// Numbers in use, the newest last: at most one for each transmission.
    flights: Vec<(Socket, u32)>,
    /// What was sent last, and (of accounting) the Acct-Delay-Time in it.
    bytes: Vec<u8>,
    delay_secs: u32,
    pub(super) server: u8,
    pub(super) submitted: Duration,
    /// When this server was first asked.
    pub(super) since: Duration,
    /// Bit for each server that was asked, or is not to be.
    pub(super) asked: u32,
    pub(super) tries_left: u8,
    /// It waits for a connection.
    pub(super) is_waiting: bool,
    wait: Duration,
    due: Duration,
    deadline: Duration,
}

impl Client {
    pub(super) fn submit(&mut self, now: Now, request: Request) -> Result<Token, SubmitError> {
        // Each kind has its own bound, so that a flood of logins never costs an accounting record.
        let in_flight = *self.in_flight.entry(request.kind()).or_default();
        if in_flight.max(self.events.len()) >= self.config.max_outstanding {
            return Err(SubmitError::Busy);
        }
        let token = Token(self.last_token + 1);
        let asked = self.conversations.others(now.mono, &request);
        let mut pending = Pending {
            request,
            flights: Vec::new(),
            bytes: Vec::new(),
            delay_secs: 0,
            server: 0,
            submitted: now.mono,
            since: now.mono,
            asked,
            tries_left: 0,
            is_waiting: false,
            wait: Duration::ZERO,
            due: now.mono,
            deadline: now.mono + self.config.give_up.max(self.config.first_wait()),
        };
        if !self.choose_server(now, &mut pending) {
            return Err(SubmitError::NoServer);
        }
        self.depart(now, token, &mut pending)?;
        self.last_token = token.0;
        self.stats.requests += 1;
        self.in_flight.insert(pending.request.kind(), in_flight + 1);
        let server = pending.server;
        self.pending.insert(token, pending);
        self.serve(now, server);
        Ok(token)
    }

    pub(super) fn expire(&mut self, now: Now, token: Token) {
        let Some(mut pending) = self.pending.remove(&token) else { return };
        self.timers.remove(&(pending.due, token));
        let given_up = now.mono >= pending.deadline;
        // Given up early, by the deadline of the request: only a server that had a fair time is to blame.
        let had_its_time = now.mono >= pending.since + self.config.first_wait() * 3;
        let is_stream = self.is_stream(pending.server);
        let last_try = is_stream || pending.tries_left == 0;
        if last_try || given_up && had_its_time {
            self.blame(now, &pending);
        }
        if !given_up && !last_try {
            self.refresh(now, token, &mut pending);
            pending.wait = self.next_wait(pending.wait);
            self.stats.retransmissions += 1;
            self.push(&mut pending);
            self.ask_beside(now, &pending);
            self.set_timer(now, token, &mut pending);
            self.pending.insert(token, pending);
        } else {
            self.pending.insert(token, pending);
            if given_up { self.give_up(now, token) } else { self.pass_on(now, token) }
        }
    }

    /// The next server's turn; without one the request has ended.
    pub(super) fn pass_on(&mut self, now: Now, token: Token) {
        let Some(mut pending) = self.pending.remove(&token) else { return };
        self.timers.remove(&(pending.due, token));
        self.leave_queue(token, &mut pending);
        let next = self.choose_server(now, &mut pending).then(|| self.depart(now, token, &mut pending));
        let server = pending.server;
        self.pending.insert(token, pending);
        match next {
            Some(Ok(())) => {
                self.stats.retransmissions += 1;
                self.serve(now, server);
            }
            None => self.give_up(now, token),
            // It had no room for one more, which is no silence.
            Some(Err(_)) => {
                self.stats.unreachable += 1;
                self.finish(token, Outcome::Unproven);
            }
        }
    }

    pub(super) fn finish(&mut self, token: Token, outcome: Outcome) {
        let Some(mut pending) = self.pending.remove(&token) else { return };
        self.timers.remove(&(pending.due, token));
        self.leave_queue(token, &mut pending);
        if let Some(count) = self.in_flight.get_mut(&pending.request.kind()) {
            *count = count.saturating_sub(1);
        }
        for (socket, number) in pending.flights {
            self.land(socket, number);
        }
        self.events.push_back(Event { token, outcome });
    }

    /// A number is free again; what it was used for.
    pub(super) fn land(&mut self, socket: Socket, number: u32) -> Option<What> {
        if let Some(lines) = self.lines.get_mut(&key(socket)) {
            lines.release(socket.index, number);
        }
        self.flights.remove(&(socket, number)).map(|flight| flight.what)
    }

    /// Builds the packet for the server chosen and gives it a number.
    pub(super) fn take_off(&mut self, now: Now, token: Token, pending: &mut Pending) -> Result<(), SubmitError> {
        let kind = pending.request.kind();
        let taken = if self.is_stream(pending.server) {
            let lines = self.lines.entry((pending.server, None)).or_default();
            let taken = lines.take();
            taken.map(|(index, _, number)| (Socket { server: pending.server, kind: None, index }, number))
        } else {
            self.take_socket(pending.server, kind)
        };
        let (socket, number) = taken.ok_or(SubmitError::Busy)?;
        let version = self.version(socket);
        if let Err(error) = self.build(now, pending, number, version) {
            self.land(socket, number);
            return Err(SubmitError::Build(error));
        }
        let mut authenticator = [0; 16];
        authenticator.copy_from_slice(&pending.bytes[4..20]);
        self.flights.insert((socket, number), Flight { what: What::Request(token), kind, authenticator });
        pending.flights.push((socket, number));
        Ok(())
    }

    /// An identifier on a UDP socket; a further socket only when all are exhausted.
    pub(super) fn take_socket(&mut self, server: u8, kind: Kind) -> Option<(Socket, u32)> {
        let lines = self.lines.entry((server, Some(kind))).or_default();
        let taken = match lines.take() {
            None if lines.all.len() < usize::from(self.config.max_sockets) => {
                lines.add(State::Open(Version::V1_0), &mut self.dice);
                lines.take()
            }
            taken => taken,
        };
        taken.map(|(index, _, number)| (Socket { server, kind: Some(kind), index }, number))
    }

    /// Queues what was built last.
    pub(super) fn push(&mut self, pending: &mut Pending) {
        let to = self.config.servers.get(usize::from(pending.server)).and_then(|s| s.address(pending.request.kind()));
        let room = self.transmits.len() / 2 < self.config.max_outstanding;
        // A caller that does not fetch its datagrams loses them, as on a wire.
        if let (Some(to), Some((socket, _)), true) = (to, pending.flights.last(), room) {
            self.stats.transmissions += 1;
            self.transmits.push_back(Transmit { socket: *socket, to, bytes: pending.bytes.clone() });
        }
        pending.tries_left = pending.tries_left.saturating_sub(1);
    }

    /// Lets a request wait for a connection to its server.
    pub(super) fn enqueue(&mut self, token: Token, pending: &mut Pending) {
        pending.is_waiting = true;
        self.lines.entry((pending.server, None)).or_default().waiting.push_back(token);
    }

    /// Sends to the server chosen, or waits for a connection to it.
    fn depart(&mut self, now: Now, token: Token, pending: &mut Pending) -> Result<(), SubmitError> {
        if self.is_stream(pending.server) {
            // What cannot be built is refused here and now.
            self.build(now, pending, 0, Version::V1_0).map_err(SubmitError::Build)?;
            self.enqueue(token, pending);
            pending.wait = self.patience();
        } else {
            self.take_off(now, token, pending)?;
            pending.wait = self.initial_wait();
            self.push(pending);
            if pending.tries_left == 0 {
                self.ask_beside(now, pending);
            }
        }
        self.set_timer(now, token, pending);
        Ok(())
    }

    fn build(&mut self, now: Now, pending: &mut Pending, number: u32, version: Version) -> Result<(), BuildError> {
        let Some(server) = self.config.servers.get(usize::from(pending.server)) else { return Err(BuildError::NoNas) };
        let id = number as u8;
        let bytes = match &pending.request {
            Request::Access(request) => {
                let mut authenticator = [0; 16];
                (self.dice)(&mut authenticator);
                request.emit(id, authenticator, &server.secret)?
            }
            Request::Relayed(request) => {
                let mut authenticator = [0; 16];
                (self.dice)(&mut authenticator);
                request.emit(id, authenticator, &server.secret)?
            }
            Request::Accounting(request) => {
                pending.delay_secs = request.delay_secs(now);
                request.emit(id, pending.delay_secs, &server.secret)?
            }
        };
        pending.bytes = match version {
            Version::V1_0 => bytes,
            Version::V1_1 => v1_1::from_v1_0(&bytes, number, &server.secret)?,
        };
        Ok(())
    }

    fn set_timer(&mut self, now: Now, token: Token, pending: &mut Pending) {
        pending.due = (now.mono + pending.wait).min(pending.deadline);
        self.timers.insert((pending.due, token));
    }

    fn leave_queue(&mut self, token: Token, pending: &mut Pending) {
        if std::mem::take(&mut pending.is_waiting)
            && let Some(lines) = self.lines.get_mut(&(pending.server, None))
        {
            lines.waiting.retain(|waiting| *waiting != token);
        }
    }

    /// The server of this request was silent for as long as it is given.
    fn blame(&mut self, now: Now, pending: &Pending) {
        let (server, kind) = (pending.server, pending.request.kind());
        let health = self.health.entry((server, kind)).or_default();
        if health.silent(now.mono, pending.since, self.config.dead_time) {
            self.stats.servers_lost += 1;
            self.schedule_probe(now.mono, server, kind);
            self.watch_now(now, server);
        }
    }

    fn give_up(&mut self, now: Now, token: Token) {
        let Some(pending) = self.pending.get(&token) else { return };
        let outcome = if self.met_only_silence(now, pending) { Outcome::Unreachable } else { Outcome::Unproven };
        self.stats.unreachable += 1;
        self.finish(token, outcome);
    }

    /// A retransmission is the same packet (RFC 5080, section 2.2.1), except that the age of an accounting record
    /// grows, and with it authenticator and identifier change (RFC 2866, section 5.2).
    fn refresh(&mut self, now: Now, token: Token, pending: &mut Pending) {
        if matches!(&pending.request, Request::Accounting(record) if record.delay_secs(now) != pending.delay_secs) {
            // Without a free identifier the older packet is still a true one.
            let _ = self.take_off(now, token, pending);
        }
    }

    fn is_stream(&self, server: u8) -> bool {
        self.config.servers.get(usize::from(server)).is_some_and(super::Server::is_stream)
    }

    fn initial_wait(&mut self) -> Duration {
        let wait = self.config.first_wait();
        jitter(&mut self.dice, Duration::ZERO, wait)
    }

    /// RFC 5080, section 2.2.1: twice the last wait, at most MRT, both with jitter.
    fn next_wait(&mut self, last: Duration) -> Duration {
        let longest = self.config.longest_wait.max(self.config.first_wait());
        let next = jitter(&mut self.dice, last, last);
        if next > longest { jitter(&mut self.dice, Duration::ZERO, longest) } else { next }
    }

    /// How long one server is waited for: on a stream at once what all tries take over UDP.
    fn patience(&mut self) -> Duration {
        let mut wait = self.initial_wait();
        let mut all = wait;
        for _ in 1..self.config.tries {
            wait = self.next_wait(wait);
            all += wait;
        }
        all
    }
}
