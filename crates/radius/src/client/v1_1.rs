//! RADIUS/1.1 (RFC 9765): the same attributes in another header, and nothing that is computed with a secret.

use crate::attr;
use crate::auth::Secret;
use crate::hide::{self, Hop};
use crate::packet::{BuildError, Packet, View};

/// A packet of ours as it is written on such a connection: the token in front of twelve octets of zero where the
/// authenticator was (section 4.1), what was hidden in clear text (section 5.1), no Message-Authenticator (section 5.2).
/// CHAP needs its challenge as an attribute (section 5.1.2), which it always is.
pub(super) fn from_v1_0(packet: &[u8], token: u32, secret: &Secret) -> Result<Vec<u8>, BuildError> {
    let Ok(view) = View::parse(packet) else { return Ok(packet.to_vec()) };
    let Packet { code, mut attributes, authenticator, .. } = view.to_packet();
    attributes.retain(|attribute| attribute.number() != attr::MESSAGE_AUTHENTICATOR.number());
    let hidden = Hop { secret, request_authenticator: &authenticator };
    let attributes = hide::anew(&attributes, hidden, None, [0; 2]).map_err(BuildError::Unreadable)?;
    let mut authenticator = [0; 16];
    authenticator[..4].copy_from_slice(&token.to_be_bytes());
    Packet { code, id: 0, authenticator, attributes }.emit()
}

/// What tells a packet's request.
pub(super) fn token(packet: View<'_>) -> u32 {
    let [a, b, c, d, ..] = packet.authenticator();
    u32::from_be_bytes([a, b, c, d])
}
