//! Everything that is computed with the shared secret. All of it is MD5, because the protocol says so; what keeps
//! forgers out is Message-Authenticator, an HMAC over the whole packet (CVE-2024-3596 shows why the rest does not).

use std::fmt;
use std::hint::black_box;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

use crate::attr;
use crate::packet::View;

/// The secret of every connection over TLS, where it proves nothing (RFC 6614, section 2.3).
pub(crate) const RADSEC: &[u8; 6] = b"radsec";

/// The secret that we share with one server. It never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// From the octets of the configuration.
    #[must_use]
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(<hidden>)")
    }
}

/// What a peer who knows the password answers to a challenge (RFC 2865, section 2.2; RFC 1994, section 4.1).
#[must_use]
pub fn chap_response(ident: u8, password: &[u8], challenge: &[u8]) -> [u8; 16] {
    md5(&[&[ident], password, challenge])
}

/// The Request Authenticator of an Accounting-Request, over the packet with sixteen zeros in its place
/// (RFC 2866, section 3).
#[must_use]
pub fn accounting_authenticator(packet: &[u8], secret: &Secret) -> [u8; 16] {
    let (header, rest) = split(packet);
    md5(&[header, &[0; 16], rest, &secret.0])
}

/// The Response Authenticator that an answer must carry (RFC 2865, section 3).
#[must_use]
pub fn response_authenticator(answer: &[u8], request_authenticator: &[u8; 16], secret: &Secret) -> [u8; 16] {
    let (header, rest) = split(answer);
    md5(&[header, request_authenticator, rest, &secret.0])
}

/// The value of Message-Authenticator (RFC 3579, section 3.2): over the packet with `authenticator` in its header and
/// sixteen zeros at `offset`, where the value belongs.
#[must_use]
pub fn message_authenticator(packet: &[u8], authenticator: &[u8; 16], offset: usize, secret: &Secret) -> [u8; 16] {
    let mut value = [0; 16];
    if let Some(mac) = message_mac(packet, authenticator, offset, secret) {
        value.copy_from_slice(&mac.finalize().into_bytes());
    }
    value
}

/// What the Message-Authenticator of an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// There is exactly one and it is right.
    Proven,
    /// There is none.
    Missing,
    /// It is wrong, of the wrong length, or there is more than one (RFC 3579, section 3.3 allows 0-1).
    Wrong,
}

/// Checks the Message-Authenticator of an answer against its request's authenticator, in constant time.
#[must_use]
pub fn integrity(answer: View<'_>, request_authenticator: &[u8; 16], secret: &Secret) -> Integrity {
    let mut found = answer.attributes().filter(|a| a.number == attr::MESSAGE_AUTHENTICATOR.number());
    let Some(first) = found.next() else { return Integrity::Missing };
    let proven = first.value.len() == 16
        && found.next().is_none()
        && message_mac(answer.bytes(), request_authenticator, first.offset, secret)
            .is_some_and(|mac| mac.verify_slice(first.value).is_ok());
    if proven { Integrity::Proven } else { Integrity::Wrong }
}

/// True if the Response Authenticator of an answer is right, in constant time.
#[must_use]
pub fn answers(answer: View<'_>, request_authenticator: &[u8; 16], secret: &Secret) -> bool {
    let right = response_authenticator(answer.bytes(), request_authenticator, secret);
    equal(&right, &answer.authenticator())
}

/// Compares octets in a time that does not tell where they differ.
pub(crate) fn equal<const N: usize>(one: &[u8; N], other: &[u8; N]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| black_box(all | (a ^ b)));
    black_box(differences) == 0
}

/// True if the Request Authenticator of a request is right that is signed as an Accounting-Request is (RFC 5176, section
/// 2.3), in constant time.
#[must_use]
pub fn is_signed(request: View<'_>, secret: &Secret) -> bool {
    answers(request, &[0; 16], secret)
}

fn message_mac(packet: &[u8], authenticator: &[u8; 16], offset: usize, secret: &Secret) -> Option<Hmac<Md5>> {
    let mut mac = Hmac::<Md5>::new_from_slice(&secret.0).ok()?;
    mac.update(packet.get(..4)?);
    mac.update(authenticator);
    mac.update(packet.get(20..offset)?);
    mac.update(&[0; 16]);
    mac.update(packet.get(offset + 16..)?);
    Some(mac)
}

/// Code to Length, and the attributes; the authenticator between them is left out.
fn split(packet: &[u8]) -> (&[u8], &[u8]) {
    (packet.get(..4).unwrap_or(packet), packet.get(20..).unwrap_or_default())
}

/// The sum over all parts.
pub(crate) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
