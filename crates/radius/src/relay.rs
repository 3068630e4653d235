//! An Access-Request that somebody else has made, on its way to a server.

use wire::MacAddr;

use crate::attr::{self, Attr, AttributeList};
use crate::auth::{self, Secret};
use crate::hide::{self, Hop, Unreadable};
use crate::packet::{Attribute, BuildError, Code, Packet, View};
use crate::reply::Reply;
use crate::request::FIRST_VALUE;
use crate::value::Kind;

/// An Access-Request as it came, but for what belongs to one hop alone: its attributes stay as they are and in their
/// order, a new Message-Authenticator goes before them, and what is hidden is hidden anew for each server.
#[derive(Clone, Debug)]
pub struct RelayedRequest {
    attributes: Vec<Attribute>,
    /// Shared with who sent it.
    secret: Secret,
    authenticator: [u8; 16],
}

impl RelayedRequest {
    /// A request that has proven that it was made with `secret`. Its Proxy-State is not for servers: it is kept by who
    /// took the request.
    ///
    /// # Errors
    /// [`BuildError`] if no server could be sent it.
    pub(crate) fn new(request: View<'_>, secret: &Secret) -> Result<Self, BuildError> {
        let authenticator = request.authenticator();
        let mut attributes = request.to_packet().attributes;
        attributes.retain(|each| !belongs_to_hop(each.number()));
        // The challenge of CHAP may be the authenticator, which the server does not see (RFC 2865, section 2.2).
        let has = |number| attributes.iter().any(|each| each.number() == number);
        if has(attr::CHAP_PASSWORD.number()) && !has(attr::CHAP_CHALLENGE.number()) {
            attributes.add(attr::CHAP_CHALLENGE, &authenticator)?;
        }
        let this = Self { attributes, secret: secret.clone(), authenticator };
        this.emit(0, [0; 16], secret)?;
        Ok(this)
    }

    /// The value of an attribute, the first if it came several times.
    #[must_use]
    pub fn get<K: Kind>(&self, attr: Attr<K>) -> Option<K::Out> {
        self.attributes.get(attr)
    }

    /// The station that it is about, if Calling-Station-Id is the address of one, in whatever form (RFC 3580, section 3.21).
    #[must_use]
    pub fn station(&self) -> Option<MacAddr> {
        station(&self.get(attr::CALLING_STATION_ID)?)
    }

    /// Answers the challenge that had this State (RFC 2865, section 5.24).
    pub(crate) fn state(&self) -> Option<Vec<u8>> {
        self.get(attr::STATE)
    }

    /// The packet for one server. `authenticator` must be unpredictable (RFC 2865, section 3).
    pub(crate) fn emit(&self, id: u8, authenticator: [u8; 16], secret: &Secret) -> Result<Vec<u8>, BuildError> {
        let to = Hop { secret, request_authenticator: &authenticator };
        let [first, second, ..] = authenticator;
        let mut attributes = vec![attr::MESSAGE_AUTHENTICATOR.of(&[0; 16])?];
        let rest = hide::anew(&self.attributes, self.hop(), to, [first, second]).map_err(BuildError::Unreadable)?;
        attributes.extend(rest);
        let mut bytes = Packet { code: Code::AccessRequest, id, authenticator, attributes }.emit()?;
        let value = auth::message_authenticator(&bytes, &authenticator, FIRST_VALUE, secret);
        bytes[FIRST_VALUE..FIRST_VALUE + 16].copy_from_slice(&value);
        Ok(bytes)
    }

    /// An answer of a server, with all that is hidden in it hidden for who sent the request.
    pub(crate) fn answer(&self, answer: &Reply, from: Option<Hop<'_>>, salt: [u8; 2]) -> Result<Reply, Unreadable> {
        let mut attributes = answer.attributes().to_vec();
        attributes.retain(|each| !belongs_to_hop(each.number()));
        Ok(Reply::of(answer.code(), hide::anew(&attributes, from, self.hop(), salt)?))
    }

    fn hop(&self) -> Hop<'_> {
        Hop { secret: &self.secret, request_authenticator: &self.authenticator }
    }
}

/// The address of a station; no group, and not nobody.
pub(crate) fn station(text: &str) -> Option<MacAddr> {
    text.trim().parse().ok().filter(|mac: &MacAddr| mac.is_station())
}

fn belongs_to_hop(number: u8) -> bool {
    number == attr::MESSAGE_AUTHENTICATOR.number() || number == attr::PROXY_STATE.number()
}
