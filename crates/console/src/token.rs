//! Who somebody is, signed by us: what a browser keeps after a password, and what a program is given.
//!
//! Nothing is stored. A token is over at its time, when its operator is removed, or all at once with another key.

use std::fmt;

use ring::hmac;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look at everything.
    Read,
    /// Change things too.
    Operate,
}

impl Scope {
    /// As the command line and the API have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose it is.
    pub name: String,
    /// What it is good for, if its operator may do as much.
    pub scope: Scope,
    /// Seconds since 1970 at which it is over.
    pub ends: u64,
}

/// What tokens are signed with: HMAC-SHA-256 (RFC 2104).
pub struct Key(hmac::Key);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Key {
    /// Out of 32 octets that nobody else knows.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The token as text: what it says and our signature, as hexadecimal digits and dots.
    #[must_use]
    pub fn sign(&self, token: &Token) -> String {
        let mut text = format!("{}.{}.", token.ends, token.scope.as_str());
        push_hex(&mut text, token.name.as_bytes());
        let tag = hmac::sign(&self.0, text.as_bytes());
        text.push('.');
        push_hex(&mut text, tag.as_ref());
        text
    }

    /// What a token says, if we have signed it and it is not over.
    #[must_use]
    pub fn check(&self, text: &str, now: u64) -> Option<Token> {
        let (said, tag) = text.rsplit_once('.')?;
        hmac::verify(&self.0, said.as_bytes(), &hex(tag)?).ok()?;
        let mut parts = said.split('.');
        let ends = parts.next()?.parse().ok()?;
        let scope = match parts.next()? {
            "read" => Scope::Read,
            "operate" => Scope::Operate,
            _ => return None,
        };
        let name = String::from_utf8(hex(parts.next()?)?).ok()?;
        (now < ends).then_some(Token { name, scope, ends })
    }
}

fn push_hex(text: &mut String, octets: &[u8]) {
    for octet in octets {
        for digit in [octet >> 4, octet & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_believed_until_it_is_over_and_not_when_anything_in_it_is_changed() {
        let key = Key::new(&[7; 32]);
        let token = Token { name: "ada.l ö".to_owned(), scope: Scope::Read, ends: 1000 };
        let text = key.sign(&token);
        assert_eq!(key.check(&text, 999), Some(token));
        assert_eq!(key.check(&text, 1000), None, "it is over");
        assert_eq!(Key::new(&[8; 32]).check(&text, 1), None, "another key");
        for at in 0..text.len() {
            for other in ["0", "9", "a", ".", "operate", ""] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, other);
                assert!(changed == text || key.check(&changed, 1).is_none(), "{changed}");
            }
        }
        assert_eq!(key.check(&text.replace("read", "operate"), 1), None);
    }

    #[test]
    fn what_is_no_token_is_nobodys() {
        let key = Key::new(&[7; 32]);
        for text in ["", ".", "...", "1.read.61", "1.read.61.", "é.é", "1.read.6.00"] {
            assert_eq!(key.check(text, 0), None, "{text}");
        }
    }
}
