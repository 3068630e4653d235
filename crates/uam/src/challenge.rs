//! What a login has to answer.

use std::fmt;

use md5::{Digest, Md5};

use crate::hex;

/// Sixteen unpredictable octets, which a portal is shown as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Challenge(pub [u8; 16]);

impl Challenge {
    /// What passwords are mixed with: the challenge and the secret shared with the portal, or the challenge alone.
    #[must_use]
    pub fn key(&self, secret: &[u8]) -> [u8; 16] {
        if secret.is_empty() { self.0 } else { md5(&[&self.0, secret]) }
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::lower(&self.0))
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(<hidden>)")
    }
}

pub(crate) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_challenge_mixed_with_the_secret() {
        let challenge = Challenge(*b"0123456789abcdef");
        assert_eq!(challenge.to_string(), "30313233343536373839616263646566");
        // printf 0123456789abcdefuamsecret | md5sum
        assert_eq!(hex::lower(&challenge.key(b"uamsecret")), "5bd8e74fd6b0da40aa458c755a7ac6ac");
        assert_eq!(challenge.key(b""), challenge.0, "without a secret, the challenge itself");
    }
}
