//! What an answer must prove before it is believed.

use std::net::{IpAddr, SocketAddr};

use super::{Client, Flight, Kind, Refusal, Socket, Version, What, v1_1};
use crate::attr;
use crate::auth::{self, Integrity};
use crate::packet::{Code, View};

impl Client {
    pub(super) fn check<'a>(
        &mut self,
        socket: Socket,
        from: SocketAddr,
        datagram: &'a [u8],
    ) -> Result<(u32, View<'a>), Refusal> {
        let server = self.config.servers.get(usize::from(socket.server)).ok_or(Refusal::ForeignSource)?;
        let kind = socket.kind.ok_or(Refusal::ForeignSource)?;
        if server.address(kind).map(canonical) != Some(canonical(from)) {
            return Err(Refusal::ForeignSource);
        }
        let answer = View::parse(datagram).map_err(Refusal::Malformed)?;
        self.check_answer(socket, Version::V1_0, answer).map(|number| (number, answer))
    }

    /// The number of the request that this is an answer to.
    pub(super) fn check_answer(&mut self, socket: Socket, version: Version, answer: View<'_>) -> Result<u32, Refusal> {
        let server = self.config.servers.get(usize::from(socket.server)).ok_or(Refusal::ForeignSource)?;
        let number = match version {
            Version::V1_0 => answer.id().into(),
            Version::V1_1 => v1_1::token(answer),
        };
        let flight = self.flights.get(&(socket, number)).ok_or(Refusal::UnknownId)?;
        if !fits(flight, socket, answer.code()) {
            return Err(Refusal::WrongCode(answer.code()));
        }
        if version == Version::V1_1 {
            return Ok(number); // TLS alone proves it
        }
        if !auth::answers(answer, &flight.authenticator, &server.secret) {
            return Err(Refusal::WrongAuthenticator);
        }
        match auth::integrity(answer, &flight.authenticator, &server.secret) {
            Integrity::Proven => {}
            Integrity::Wrong => return Err(Refusal::WrongMessageAuthenticator),
            // TLS has proven the server. The Response Authenticator is all that protects accounting answers, and those to
            // Status-Server of older servers; nothing can be gained by forging them but the loss of a record, and that
            // guests wait for a dead server.
            Integrity::Missing if server.is_stream() || flight.kind == Kind::Acct || flight.what == What::Status => {}
            Integrity::Missing if server.require_message_authenticator => {
                return Err(Refusal::MissingMessageAuthenticator);
            }
            Integrity::Missing if answer.attributes().any(|a| a.number == attr::PROXY_STATE.number()) => {
                return Err(Refusal::UnexpectedProxyState);
            }
            Integrity::Missing => self.stats.unsigned_answers += 1,
        }
        Ok(number)
    }
}

fn fits(flight: &Flight, socket: Socket, code: Code) -> bool {
    let auth = matches!(code, Code::AccessAccept | Code::AccessReject | Code::AccessChallenge);
    let acct = code == Code::AccountingResponse;
    match flight.kind {
        // RFC 5997, section 3, does not say which of the two it is where one connection carries both services.
        _ if flight.what == What::Status && socket.kind.is_none() => auth || acct,
        Kind::Auth => auth,
        Kind::Acct => acct,
    }
}

/// A socket for both families shows an IPv4 server as ::ffff:a.b.c.d.
fn canonical(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}
