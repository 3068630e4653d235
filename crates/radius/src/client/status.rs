//! Status-Server (RFC 5997): is anybody there? It is asked of servers that are marked for it, never of others.
//!
//! Over UDP it goes out once at the start, to learn whether the server speaks it before that matters, and then once in
//! each dead time to a server that is dead, until one is answered. A server that is known to answer is also asked beside
//! a request that has to be sent again, or is sent only once: is it the server that is silent, or is it the name? On a connection it is the watchdog (RFC 3539,
//! section 3.4; RFC 6613, section 2.6): whenever nothing was heard for a while, and at once on a new one.

use std::time::Duration;

use wire::Now;

use super::lines::{State, key};
use super::{Client, Flight, Kind, Pending, Socket, Transmit, Version, What, jitter, v1_1};
use crate::attr::{self, AttributeList};
use crate::auth::{self, Secret};
use crate::packet::{BuildError, Code, Packet};
use crate::request::NasFacts;

/// Message-Authenticator is the first attribute: its value starts behind header, type and length.
const FIRST_VALUE: usize = 22;

impl Client {
    /// Asks every UDP service that is due.
    pub(super) fn ask_dead_servers(&mut self, now: Now) {
        let due: Vec<_> = self.probes.iter().filter(|(_, at)| **at <= now.mono).map(|(service, _)| *service).collect();
        for (server, kind) in due {
            self.probes.remove(&(server, kind));
            let health = self.health.entry((server, kind)).or_default();
            if health.asked_at.is_some() && health.is_alive() {
                self.forget_question(server, kind);
            } else if self.ask_service(now, server, kind) {
                self.schedule_probe(now.mono, server, kind);
            }
        }
    }

    /// Asks a service that does not answer this request, once in the time that a first answer is waited for.
    pub(super) fn ask_beside(&mut self, now: Now, pending: &Pending) {
        let (server, kind) = (pending.server, pending.request.kind());
        let lately = now.mono.saturating_sub(self.config.first_wait());
        let Some(health) = self.health.get(&(server, kind)) else { return };
        if !health.has_answered_since(pending.submitted) && !health.was_asked_since(lately) {
            self.ask_service(now, server, kind);
        }
    }

    fn ask_service(&mut self, now: Now, server: u8, kind: Kind) -> bool {
        self.forget_question(server, kind);
        let asked = self.take_socket(server, kind).is_some_and(|(socket, number)| self.ask_status(socket, number));
        if asked {
            self.health.entry((server, kind)).or_default().asked_at = Some(now.mono);
        }
        asked
    }

    /// The one before had its time.
    fn forget_question(&mut self, server: u8, kind: Kind) {
        let is_it = |at: &Socket| at.server == server && at.kind == Some(kind);
        let old = self.flights.iter().find(|(at, flight)| flight.what == What::Status && is_it(&at.0));
        if let Some((socket, number)) = old.map(|(at, _)| *at) {
            self.land(socket, number);
        }
    }

    /// The next question to a service, if there is to be one: its identifier is free again by then.
    pub(super) fn schedule_probe(&mut self, now: Duration, server: u8, kind: Kind) {
        let wanted = self.config.servers.get(usize::from(server)).is_some_and(|s| s.status_server && !s.is_stream());
        if wanted && !self.config.dead_time.is_zero() {
            let wait = jitter(&mut self.dice, Duration::ZERO, self.config.dead_time);
            self.probes.insert((server, kind), now + wait);
        }
    }

    /// Sends Status-Server with a number that was taken for it; false if it cannot be built.
    pub(super) fn ask_status(&mut self, socket: Socket, number: u32) -> bool {
        let kind = socket.kind.unwrap_or(Kind::Auth);
        let version = self.version(socket);
        let Some(server) = self.config.servers.get(usize::from(socket.server)) else { return false };
        let Some(to) = server.address(kind) else { return false };
        let mut authenticator = [0; 16];
        (self.dice)(&mut authenticator);
        let bytes = status_server(number as u8, authenticator, &self.config.nas, &server.secret);
        let bytes = match version {
            Version::V1_0 => bytes,
            Version::V1_1 => bytes.and_then(|bytes| v1_1::from_v1_0(&bytes, number, &server.secret)),
        };
        let Ok(bytes) = bytes else { return false };
        self.flights.insert((socket, number), Flight { what: What::Status, kind, authenticator });
        self.stats.status_requests += 1;
        self.transmits.push_back(Transmit { socket, to, bytes });
        true
    }

    /// The protocol on a line; over UDP there is one.
    pub(super) fn version(&mut self, socket: Socket) -> Version {
        let line = self.lines.get_mut(&key(socket)).and_then(|lines| lines.get(socket.index));
        match line.map(|line| line.state) {
            Some(State::Open(version)) => version,
            _ => Version::V1_0,
        }
    }
}

/// RFC 5997, section 3: signed, with a Request Authenticator of dice on both ports, and without anybody's name.
fn status_server(id: u8, authenticator: [u8; 16], nas: &NasFacts, secret: &Secret) -> Result<Vec<u8>, BuildError> {
    let mut attributes = vec![attr::MESSAGE_AUTHENTICATOR.of(&[0; 16])?];
    if let Some(ip) = nas.ip {
        attributes.add(attr::NAS_IP_ADDRESS, ip)?;
    }
    if !nas.identifier.is_empty() {
        attributes.add(attr::NAS_IDENTIFIER, &nas.identifier)?;
    }
    let mut bytes = Packet { code: Code::StatusServer, id, authenticator, attributes }.emit()?;
    let value = auth::message_authenticator(&bytes, &authenticator, FIRST_VALUE, secret);
    bytes[FIRST_VALUE..FIRST_VALUE + 16].copy_from_slice(&value);
    Ok(bytes)
}
