//! Status-Server (RFC 5997): is anybody there? It is asked of servers that are marked for it, never of others.
//!
//! Over UDP it goes out once at the start, to learn whether the server speaks it before that matters, and then once in
//! each dead time to a server that is dead, until one is answered. On a connection it is the watchdog (RFC 3539,
//! section 3.4; RFC 6613, section 2.6): whenever nothing was heard for a while, and at once on a new one.

use std::time::Duration;

use wire::Now;

use super::lines::{State, key};
use super::{Client, Flight, Kind, Socket, Transmit, Version, What, jitter, v1_1};
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
            // The one before had a whole dead time.
            let old = self
                .flights
                .iter()
                .find(|(at, flight)| flight.what == What::Status && at.0.server == server && at.0.kind == Some(kind));
            if let Some((socket, number)) = old.map(|(at, _)| *at) {
                self.land(socket, number);
            }
            let health = self.health.entry((server, kind)).or_default();
            if std::mem::replace(&mut health.is_asked, true) && health.is_alive() {
                continue;
            }
            if self.take_socket(server, kind).is_some_and(|(socket, number)| self.ask_status(socket, number)) {
                self.schedule_probe(now.mono, server, kind);
            }
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
