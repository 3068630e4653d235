//! What the address of a status page has, so that its guest can go on when its device has another MAC address: the name
//! of the allowance, the session and the time, signed (HMAC-SHA-256, cut to 16 octets; RFC 2104, 5). Of an account the
//! hash of its password is signed too: with another password all bookmarks of before are worth nothing.

use std::fmt::Write;
use std::time::Duration;

use ring::hmac::{self, HMAC_SHA256};
use wire::Now;

const TAG: usize = 16;
/// Before the name: the tag, seconds since 1970, the session's name.
const HEAD: usize = TAG + 8 + SESSION;
/// Octets of a session's name, which is 22 digits.
const SESSION: usize = 11;
/// A name of a session has at most 253 octets.
const MOST_DIGITS: usize = (HEAD + 253) * 2;

pub(super) struct Bookmarks {
    key: hmac::Key,
    lifetime: Option<Duration>,
}

impl Bookmarks {
    pub(super) fn new(secret: &[u8; 32], lifetime: Option<Duration>) -> Self {
        Self { key: hmac::Key::new(HMAC_SHA256, secret), lifetime }
    }

    /// None if there are none, or the session's name is not one of ours.
    pub(super) fn make(&self, name: &str, session_id: &str, password: &str, now: Now) -> Option<String> {
        self.lifetime?;
        let session = octets(session_id).filter(|session| session.len() == SESSION)?;
        let signed = [&now.unix.as_secs().to_be_bytes()[..], &session, name.as_bytes()].concat();
        let tag = self.sign(&signed, password);
        Some(digits(&tag.as_ref()[..TAG]) + &digits(&signed))
    }

    /// The name of the allowance and that of the session; none if it is not ours, or too old. `password` says for a name
    /// what [`make`](Self::make) was told, if anything.
    pub(super) fn read(
        &self,
        text: &str,
        password: impl FnOnce(&str) -> Option<String>,
        now: Now,
    ) -> Option<(String, String)> {
        let lifetime = self.lifetime?;
        let octets = octets(text)?;
        let (tag, signed) = octets.split_at_checked(TAG)?;
        let (made, rest) = signed.split_first_chunk()?;
        let (session, name) = rest.split_at_checked(SESSION)?;
        let name = str::from_utf8(name).ok()?;
        let expected = self.sign(signed, &password(name)?);
        // Digests of both are compared: how far they agree is not in the time that it takes.
        let digest = |octets: &[u8]| hmac::sign(&self.key, octets);
        if digest(tag).as_ref() != digest(&expected.as_ref()[..TAG]).as_ref() {
            return None;
        }
        let age = now.unix.checked_sub(Duration::from_secs(u64::from_be_bytes(*made)))?;
        (age < lifetime).then(|| (name.to_owned(), digits(session)))
    }

    fn sign(&self, signed: &[u8], password: &str) -> hmac::Tag {
        let length = (signed.len() as u64).to_be_bytes();
        hmac::sign(&self.key, &[&length[..], signed, password.as_bytes()].concat())
    }
}

fn digits(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}"); // to memory
        text
    })
}

fn octets(digits: &str) -> Option<Vec<u8>> {
    if digits.len() > MOST_DIGITS || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.as_bytes().chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION_ID: &str = "000001000000019cd2c0f1";
    const DAY: Duration = Duration::from_secs(86_400);

    fn hash(_: &str) -> Option<String> {
        Some("hash".into())
    }

    fn at(unix: Duration) -> Now {
        Now { mono: Duration::ZERO, unix }
    }

    #[test]
    fn a_bookmark_is_read_until_it_is_old_and_only_where_it_was_made() {
        let ours = Bookmarks::new(&[1; 32], Some(DAY));
        let now = DAY * 20_000;
        for name in ["voucher:17", "Zo\u{eb}", &"n".repeat(253)] {
            let made = ours.make(name, SESSION_ID, "hash", at(now)).expect("a bookmark");
            assert!(made.bytes().all(|octet| octet.is_ascii_alphanumeric()), "{made}");
            let read = Some((name.to_owned(), SESSION_ID.to_owned()));
            assert_eq!(ours.read(&made, hash, at(now)), read);
            assert_eq!(ours.read(&made, hash, at(now + DAY - Duration::from_secs(1))), read);
            assert_eq!(ours.read(&made, hash, at(now + DAY)), None);
            assert_eq!(ours.read(&made, hash, at(now - Duration::from_secs(1))), None, "of the future");
            assert_eq!(Bookmarks::new(&[2; 32], Some(DAY)).read(&made, hash, at(now)), None);
            assert_eq!(ours.read(&made, |_| Some("other".into()), at(now)), None, "of another password");
            assert_eq!(ours.read(&made, |_| None, at(now)), None, "of an account that is gone");
            assert_eq!(Bookmarks::new(&[1; 32], None).read(&made, hash, at(now)), None);
        }
        assert_eq!(Bookmarks::new(&[1; 32], None).make("ada", SESSION_ID, "hash", at(now)), None);
    }

    #[test]
    fn whoever_changes_one_has_none() {
        let ours = Bookmarks::new(&[1; 32], Some(DAY));
        let made = ours.make("voucher:17", SESSION_ID, "hash", at(DAY)).expect("a bookmark");
        for place in 0..made.len() {
            let mut changed = made.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(ours.read(&String::from_utf8(changed).expect("digits"), hash, at(DAY)), None, "{place}");
            assert_eq!(ours.read(&made[..place], hash, at(DAY)), None, "{place}");
        }
        for text in ["", "0", "zz", "+f", "\u{e4}\u{e4}", &"0".repeat(1 << 20), &(made.clone() + "00")] {
            assert_eq!(ours.read(text, hash, at(DAY)), None);
        }
    }
}
