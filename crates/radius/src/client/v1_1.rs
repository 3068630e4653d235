//! RADIUS/1.1 (RFC 9765): the same attributes in another header, and nothing that is computed with a secret.

use crate::attr;
use crate::auth::Secret;
use crate::hide;
use crate::packet::View;

const MESSAGE_AUTHENTICATOR: u8 = attr::MESSAGE_AUTHENTICATOR.number();
const USER_PASSWORD: u8 = attr::USER_PASSWORD.number();

/// A packet of ours as it is written on such a connection: the token in front of twelve octets of zero where the
/// authenticator was (section 4.1), User-Password in clear text (section 5.1.1), no Message-Authenticator (section 5.2).
/// CHAP needs its challenge as an attribute (section 5.1.2), which it always is.
pub(super) fn from_v1_0(packet: &[u8], token: u32, secret: &Secret) -> Vec<u8> {
    let Ok(view) = View::parse(packet) else { return packet.to_vec() };
    let mut bytes = vec![u8::from(view.code()), 0, 0, 0];
    bytes.extend(token.to_be_bytes());
    bytes.extend([0; 12]);
    for attribute in view.attributes() {
        match attribute.number {
            MESSAGE_AUTHENTICATOR => {}
            USER_PASSWORD => {
                let padded = hide::reveal(attribute.value, secret, &view.authenticator());
                push(&mut bytes, attribute.number, without_padding(&padded));
            }
            number => push(&mut bytes, number, attribute.value),
        }
    }
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// What tells a packet's request.
pub(super) fn token(packet: View<'_>) -> u32 {
    let [a, b, c, d, ..] = packet.authenticator();
    u32::from_be_bytes([a, b, c, d])
}

/// One octet is left of an empty password: an attribute has a value (RFC 2865, section 5).
fn without_padding(padded: &[u8]) -> &[u8] {
    let length = padded.iter().rposition(|octet| *octet != 0).map_or(1, |last| last + 1);
    padded.get(..length).unwrap_or_default()
}

fn push(bytes: &mut Vec<u8>, number: u8, value: &[u8]) {
    bytes.extend([number, u8::try_from(value.len() + 2).unwrap_or(u8::MAX)]);
    bytes.extend(value);
}
