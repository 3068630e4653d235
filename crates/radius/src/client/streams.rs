//! Connections (RFC 6613): one to each such server for as long as we run, more when 256 identifiers do not suffice.
//!
//! Requests wait for a connection as they would wait for an answer. Nothing is sent twice on one; when it ends, its
//! requests go out again on the next one. A connection on which nothing proven came counts as a failure, and the more
//! failures in a row, the longer the wait for the next try. What cannot be trusted ends a connection at once.

use std::time::Duration;

use wire::Now;

use super::lines::{State, key};
use super::{Client, Closed, Connection, Incoming, Kind, Refusal, Socket, SubmitError, Token, Version, What, jitter};
use crate::limits;
use crate::packet::{Code, View};

/// Silence on a connection after which its other end is asked, and again after which it is given up. RFC 3539, section
/// 3.4.1 wants 30 s and allows 6; servers close idle connections after 30 s (FreeRADIUS' example), so less it is.
const WATCH: Duration = Duration::from_secs(20);
/// Until the second try to connect; each further wait is twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Longest such wait.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

impl Client {
    /// A connection is there, and both ends speak this version.
    pub fn handle_connected(&mut self, now: Now, socket: Socket, version: Version) {
        let Some(line) = self.lines.get_mut(&key(socket)).and_then(|lines| lines.get(socket.index)) else { return };
        line.open(now.mono, version, &mut self.dice);
        if self.watches(socket.server) {
            self.ask_connection(now, socket);
        } else {
            // Nothing else will tell.
            self.stream_answered(now, socket);
        }
        self.serve(now, socket.server);
    }

    /// A connection could not be made, or has ended.
    pub fn handle_closed(&mut self, now: Now, socket: Socket, why: Closed) {
        let Some(lines) = self.lines.get_mut(&key(socket)) else { return };
        let Some(at) = lines.all.iter().position(|line| line.index == socket.index) else { return };
        let line = lines.all.remove(at);
        lines.is_distrusted = why == Closed::Distrusted;
        if line.heard_at.is_some() {
            lines.failures = 0;
            // One that answers and hangs up each time is not to keep us busy.
            lines.retry_at = now.mono.max(line.opened_at + FIRST_RETRY);
        } else {
            let wait = (FIRST_RETRY * 2u32.saturating_pow(lines.failures.min(10))).min(LONGEST_RETRY);
            lines.failures = lines.failures.saturating_add(1);
            lines.retry_at = now.mono + jitter(&mut self.dice, Duration::ZERO, wait);
            if !lines.has_open() {
                self.lose_stream(now, socket.server);
            }
        }
        let ended: Vec<_> = self.flights.range((socket, 0)..=(socket, u32::MAX)).map(|(at, _)| *at).collect();
        for (socket, number) in ended {
            if let Some(What::Request(token)) = self.land(socket, number) {
                self.send_again(now, socket.server, token);
            }
        }
        self.move_on(now, socket.server);
        self.connect(now, socket.server);
    }

    /// Takes a packet that arrived on a connection.
    ///
    /// # Errors
    /// [`Refusal`]: it was counted and changed nothing; if it shows that the other end cannot be trusted, the connection
    /// will be closed (RFC 6613, section 2.6.4).
    pub fn handle_packet(&mut self, now: Now, socket: Socket, packet: &[u8]) -> Result<(), Refusal> {
        let line = self.lines.get_mut(&key(socket)).and_then(|lines| lines.get(socket.index));
        let Some(State::Open(version)) = line.map(|line| line.state) else { return Err(Refusal::UnknownId) };
        let result = View::parse(packet).map_err(Refusal::Malformed).and_then(|view| {
            if matches!(view.code(), Code::DisconnectRequest | Code::CoaRequest) {
                self.take_incoming(Incoming { socket, version, bytes: view.bytes().to_vec() });
                return Ok(());
            }
            let number = self.check_answer(socket, version, view)?;
            self.stream_answered(now, socket);
            self.believe(now, socket, number, view);
            Ok(())
        });
        if let Err(refusal) = result {
            self.count(refusal);
            // Late answers are nobody's fault.
            if refusal != Refusal::UnknownId {
                self.distrust(now, socket);
            }
        }
        self.serve(now, socket.server);
        result
    }

    /// The next connection to open or close.
    pub fn poll_connection(&mut self) -> Option<Connection> {
        self.connections.pop_front()
    }

    /// The next request of a server's own. Its answer goes back with [`Self::answer`].
    pub fn poll_incoming(&mut self) -> Option<Incoming> {
        self.incoming.pop_front()
    }

    /// Whether [`Self::poll_incoming`] has one.
    #[must_use]
    pub fn has_incoming(&self) -> bool {
        !self.incoming.is_empty()
    }

    /// Sends the answer to an [`Incoming`] on its connection, if that is still there.
    pub fn answer(&mut self, socket: Socket, bytes: Vec<u8>) {
        let open = self.lines.get_mut(&key(socket)).and_then(|lines| lines.get(socket.index)).is_some();
        let to = self.config.servers.get(usize::from(socket.server)).and_then(|s| s.address(Kind::Auth));
        if let (Some(to), true) = (to, open) {
            self.transmits.push_back(super::Transmit { socket, to, bytes });
        }
    }

    /// An [`Incoming`] shows that the other end cannot be trusted: its connection will be closed.
    pub fn distrust(&mut self, now: Now, socket: Socket) {
        self.connections.push_back(Connection::Close { socket });
        self.handle_closed(now, socket, Closed::Distrusted);
    }

    /// Gives the requests that wait for a server to its connections, and makes another one if they do not suffice.
    pub(super) fn serve(&mut self, now: Now, server: u8) {
        loop {
            let Some(lines) = self.lines.get_mut(&(server, None)) else { return };
            let Some(token) = lines.waiting.front().copied() else { return };
            let Some(mut pending) = self.pending.remove(&token) else {
                lines.waiting.pop_front();
                continue;
            };
            match self.take_off(now, token, &mut pending) {
                Ok(()) => {
                    if let Some(lines) = self.lines.get_mut(&(server, None)) {
                        lines.waiting.pop_front();
                    }
                    pending.is_waiting = false;
                    self.push(&mut pending);
                    self.pending.insert(token, pending);
                }
                Err(SubmitError::Busy) => {
                    self.pending.insert(token, pending);
                    self.connect(now, server);
                    return;
                }
                // It could be built when it was taken; another server may take a shorter secret's packet no better.
                Err(_) => {
                    if let Some(lines) = self.lines.get_mut(&(server, None)) {
                        lines.waiting.pop_front();
                    }
                    self.pending.insert(token, pending);
                    self.finish(token, super::Outcome::Unproven);
                }
            }
        }
    }

    /// Opens a connection if one is wanted and may be tried.
    pub(super) fn connect(&mut self, now: Now, server: u8) {
        let to = self.config.servers.get(usize::from(server)).filter(|s| s.is_stream());
        let Some(to) = to.and_then(|s| s.address(Kind::Auth)) else { return };
        let lines = self.lines.entry((server, None)).or_default();
        let wanted = lines.all.is_empty() || !lines.waiting.is_empty();
        let room = lines.all.len() < usize::from(self.config.max_sockets.max(1));
        if wanted && room && !lines.is_connecting() && lines.retry_at <= now.mono {
            let index = lines.add(State::Connecting, &mut self.dice);
            let socket = Socket { server, kind: None, index };
            self.connections.push_back(Connection::Open { socket, to });
        }
    }

    /// Makes the connections that are due, and looks after those that are silent.
    pub(super) fn watch_connections(&mut self, now: Now) {
        let servers = (0u8..).zip(&self.config.servers).filter(|(_, server)| server.is_stream());
        let servers: Vec<u8> = servers.map(|(index, _)| index).collect();
        for server in servers {
            self.connect(now, server);
            let due = self.lines.get(&(server, None)).map(|lines| {
                let due = lines.all.iter().filter(|line| line.watch_at.is_some_and(|at| at <= now.mono));
                due.map(|line| line.index).collect::<Vec<_>>()
            });
            for index in due.unwrap_or_default() {
                self.watch(now, Socket { server, kind: None, index });
            }
        }
    }

    /// When a connection is to be tried or looked after.
    pub(super) fn next_watch(&self) -> Option<Duration> {
        let servers = (0u8..).zip(&self.config.servers).filter(|(_, server)| server.is_stream());
        servers
            .flat_map(|(index, _)| {
                let lines = self.lines.get(&(index, None));
                let idle = lines
                    .is_none_or(|lines| !lines.is_connecting() && (lines.all.is_empty() || !lines.waiting.is_empty()));
                let room = lines.is_none_or(|lines| lines.all.len() < usize::from(self.config.max_sockets.max(1)));
                let retry = (idle && room).then(|| lines.map_or(Duration::ZERO, |lines| lines.retry_at));
                let watch = lines.into_iter().flat_map(|lines| lines.all.iter().filter_map(|line| line.watch_at)).min();
                [retry, watch]
            })
            .flatten()
            .min()
    }

    fn watch(&mut self, now: Now, socket: Socket) {
        let Some(lines) = self.lines.get_mut(&key(socket)) else { return };
        let is_first = lines.all.first().is_some_and(|line| line.index == socket.index);
        let Some(line) = lines.get(socket.index) else { return };
        if !line.is_asked && line.is_idle() && !is_first {
            // A connection of busier times.
            lines.all.retain(|line| line.index != socket.index);
            self.connections.push_back(Connection::Close { socket });
            return;
        }
        if !line.is_asked {
            let rest = line.heard_at.map_or(Duration::ZERO, |at| (at + WATCH).saturating_sub(now.mono));
            if rest.is_zero() {
                self.ask_connection(now, socket);
            } else {
                line.watch_at = Some(now.mono + rest);
            }
            return;
        }
        // RFC 3539, section 3.4.1: asked, and still nothing.
        line.heard_at = None;
        self.connections.push_back(Connection::Close { socket });
        self.handle_closed(now, socket, Closed::Silent);
    }

    fn ask_connection(&mut self, now: Now, socket: Socket) {
        let wait = jitter(&mut self.dice, Duration::ZERO, WATCH);
        let Some(line) = self.lines.get_mut(&key(socket)).and_then(|lines| lines.get(socket.index)) else { return };
        line.watch_at = Some(now.mono + wait);
        // Without room there are requests under way, whose answers tell as much.
        if let Some(number) = line.take() {
            line.is_asked = true;
            self.ask_status(socket, number);
        }
    }

    /// A server on a stream has become silent: its connections are asked at once.
    pub(super) fn watch_now(&mut self, now: Now, server: u8) {
        let open = self.lines.get_mut(&(server, None)).into_iter().flat_map(|lines| &mut lines.all);
        for line in open.filter(|line| line.watch_at.is_some() && !line.is_asked) {
            (line.heard_at, line.watch_at) = (None, Some(now.mono));
        }
    }

    /// Something proven came on a connection.
    fn stream_answered(&mut self, now: Now, socket: Socket) {
        if let Some(lines) = self.lines.get_mut(&key(socket)) {
            (lines.failures, lines.is_distrusted) = (0, false);
            if let Some(line) = lines.get(socket.index) {
                line.heard_at = Some(now.mono);
                line.is_asked = false;
            }
        }
        for kind in [Kind::Auth, Kind::Acct] {
            self.health.entry((socket.server, kind)).or_default().answered(now.mono);
        }
    }

    /// The last connection to a server is gone, and brought nothing.
    fn lose_stream(&mut self, now: Now, server: u8) {
        let mut news = false;
        for kind in [Kind::Auth, Kind::Acct] {
            let health = self.health.entry((server, kind)).or_default();
            // Not the wait for a connection decides, but that there was none.
            news |= health.silent(now.mono, Duration::MAX, self.config.dead_time.max(FIRST_RETRY));
        }
        self.stats.servers_lost += u64::from(news);
    }

    /// Requests that wait for a dead server go to one that is alive, if there is any.
    fn move_on(&mut self, now: Now, server: u8) {
        let Some(lines) = self.lines.get_mut(&(server, None)) else { return };
        if lines.has_open() {
            return;
        }
        let waiting: Vec<Token> = lines.waiting.iter().copied().collect();
        for token in waiting {
            let elsewhere = self.pending.get(&token).is_some_and(|pending| {
                !self.is_alive(server, pending.request.kind()) && self.another_is_alive(pending)
            });
            if elsewhere {
                self.pass_on(now, token);
            }
        }
    }

    /// A request whose connection ended waits for the next one.
    fn send_again(&mut self, now: Now, server: u8, token: Token) {
        let Some(mut pending) = self.pending.remove(&token) else { return };
        if pending.server != server || pending.is_waiting {
            // It has moved on, or waits for the next one already.
            self.pending.insert(token, pending);
            return;
        }
        self.stats.retransmissions += 1;
        let goes_on = pending.tries_left > 0;
        if goes_on {
            self.enqueue(token, &mut pending);
        }
        self.pending.insert(token, pending);
        if !goes_on {
            self.pass_on(now, token);
        }
    }

    fn take_incoming(&mut self, incoming: Incoming) {
        if self.incoming.len() < limits::INCOMING {
            self.incoming.push_back(incoming);
        } else {
            self.stats.incoming_dropped += 1;
        }
    }

    fn watches(&self, server: u8) -> bool {
        self.config.servers.get(usize::from(server)).is_some_and(|server| server.status_server)
    }
}
