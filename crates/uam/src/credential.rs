//! How a request proves who is asking: of several ways the strongest counts.

use std::fmt;

use crate::challenge::md5;
use crate::eap;
use crate::hex;
use crate::{Challenge, Query};

/// A password is at most this long (RFC 2865, 5.2).
const MAX_PASSWORD: usize = 128;

/// What a guest shows for a name. It never prints.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The password itself.
    Password(Vec<u8>),
    /// The answer of CHAP (RFC 1994, 4.1) to `challenge`, which is the key.
    Chap {
        /// CHAP identifier.
        ident: u8,
        /// What was answered.
        challenge: [u8; 16],
        /// The answer.
        response: [u8; 16],
    },
    /// The answer of MS-CHAPv2 (RFC 2759, 8.1); the key is both challenges.
    MsChapV2 {
        /// What was answered.
        challenge: [u8; 16],
        /// The answer.
        response: [u8; 24],
    },
    /// A response of EAP (WISPr 2.0), in form.
    Eap(Vec<u8>),
}

/// Why a request has no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCredential {
    /// It has none of the parameters.
    Absent,
    /// What it has is not what it should be.
    Malformed,
}

impl Credential {
    /// True if a login's parameters have one, whatever it is worth.
    #[must_use]
    pub fn is_in(query: Query<'_>) -> bool {
        ["password", "response", "ntresponse", "WISPrEAPMsg"].into_iter().any(|name| query.has(name))
    }

    /// True if it is EAP, which answers no challenge of ours.
    #[must_use]
    pub fn is_eap(query: Query<'_>) -> bool {
        query.octets("WISPrVersion").as_deref() == Some(b"2.0") && query.has("WISPrEAPMsg")
    }

    /// Reads it from a login's parameters. Without a challenge passwords come as they are.
    pub fn read(query: Query<'_>, challenge: Option<Challenge>, secret: &[u8]) -> Result<Self, NoCredential> {
        let malformed = NoCredential::Malformed;
        if Self::is_eap(query) {
            let message = query.octets("WISPrEAPMsg").and_then(|text| eap::from_base64(&text));
            return message.filter(|message| eap::is_response(message)).map(Self::Eap).ok_or(malformed);
        }
        let Some(challenge) = challenge else {
            let password = query.octets("password").ok_or(NoCredential::Absent)?;
            return Self::password(password).ok_or(malformed);
        };
        let key = challenge.key(secret);
        if let Some(digits) = query.octets("ntresponse") {
            let response = hex::array(&digits).ok_or(malformed)?;
            return Ok(Self::MsChapV2 { challenge: key, response });
        }
        if let Some(digits) = query.octets("response") {
            let response = hex::array(&digits).ok_or(malformed)?;
            let ident = query.text("ident").map_or(Some(0), |ident| ident.parse().ok()).ok_or(malformed)?;
            return Ok(Self::Chap { ident, challenge: key, response });
        }
        let digits = query.octets("password").ok_or(NoCredential::Absent)?;
        let hidden = hex::octets(&digits).filter(|hidden| hidden.len() <= MAX_PASSWORD).ok_or(malformed)?;
        let mut password: Vec<u8> = hidden.iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key).collect();
        // It was filled up with zeros to whole blocks.
        password.truncate(password.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1));
        Self::password(password).ok_or(malformed)
    }

    /// None if it is empty, too: some servers ask a directory in a way that takes no password for no question.
    fn password(password: Vec<u8>) -> Option<Self> {
        (1..=MAX_PASSWORD).contains(&password.len()).then_some(Self::Password(password))
    }

    /// True if it is of that password. Neither MS-CHAPv2 nor EAP is looked into.
    #[must_use]
    pub fn is_of(&self, password: &[u8]) -> bool {
        // Digests are compared: how far the two agree is not in the time that it takes.
        match self {
            Self::Password(given) => md5(&[given]) == md5(&[password]) && given == password,
            Self::Chap { ident, challenge, response } => md5(&[&[*ident], password, challenge]) == *response,
            Self::MsChapV2 { .. } | Self::Eap(_) => false,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(<hidden>)",
            Self::Chap { .. } => "Chap(<hidden>)",
            Self::MsChapV2 { .. } => "MsChapV2(<hidden>)",
            Self::Eap(_) => "Eap(<hidden>)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: Challenge = Challenge(*b"0123456789abcdef");

    fn read(query: &str) -> Result<Credential, NoCredential> {
        Credential::read(Query::new(query), Some(CHALLENGE), b"uamsecret")
    }

    #[test]
    fn chap_is_what_a_portal_computes() {
        // (printf '\0secret'; printf 0123456789abcdefuamsecret | md5sum -b | xxd -r -p) | md5sum
        let chap = read("username=anne&response=bb7b094db87b75c606b8f4df217d83c7&userurl=x").expect("a credential");
        assert!(matches!(chap, Credential::Chap { ident: 0, .. }));
        assert!(chap.is_of(b"secret") && !chap.is_of(b"Secret") && !chap.is_of(b""));
        let other = read("response=bb7b094db87b75c606b8f4df217d83c7&ident=7").expect("a credential");
        assert!(!other.is_of(b"secret"), "the identifier is part of it");
    }

    #[test]
    fn a_hidden_password_is_uncovered_and_its_filling_taken_off() {
        let hidden =
            read("password=3af8972ea5c3ad2fd821ac193514a1c929f89327b7defa218a27e01a3911c6ac").expect("a credential");
        assert_eq!(hidden, Credential::Password(b"a password longer than a block".to_vec()));
        for empty in ["password=5bd8e74fd6b0da40aa458c755a7ac6ac", "password="] {
            assert_eq!(read(empty), Err(NoCredential::Malformed), "no password is none");
        }
    }

    #[test]
    fn of_several_the_strongest_counts() {
        let nt = "00".repeat(24);
        let all = format!("password=00&response={}&ntresponse={nt}", "11".repeat(16));
        assert!(matches!(read(&all), Ok(Credential::MsChapV2 { response: [0, ..], .. })));
        assert!(matches!(read(&all.replace("ntresponse", "x")), Ok(Credential::Chap { .. })));
        let eap = format!("{all}&WISPrEAPMsg=AgAABQE=");
        assert!(matches!(read(&eap), Ok(Credential::MsChapV2 { .. })), "EAP is for WISPr 2.0");
        assert_eq!(read(&format!("{eap}&WISPrVersion=2.0")), Ok(Credential::Eap(vec![2, 0, 0, 5, 1])));
    }

    #[test]
    fn without_a_challenge_a_password_comes_as_it_is() {
        let plain = Credential::read(Query::new("password=pass%20w%f6rd"), None, b"uamsecret");
        assert_eq!(plain, Ok(Credential::Password(b"pass w\xf6rd".to_vec())));
        assert_eq!(Credential::read(Query::new("response=00"), None, b""), Err(NoCredential::Absent));
    }

    #[test]
    fn nonsense_is_no_credential() {
        assert_eq!(read("username=anne"), Err(NoCredential::Absent));
        for bad in [
            "response=00",
            "response=zz",
            &format!("response={}", "0".repeat(31)),
            &format!("response={}&ident=256", "00".repeat(16)),
            &format!("response={}&ident=-1", "00".repeat(16)),
            "ntresponse=",
            "password=0",
            &format!("password={}", "00".repeat(129)),
            "WISPrVersion=2.0&WISPrEAPMsg=%",
            "WISPrVersion=2.0&WISPrEAPMsg=AgAABgE=",
        ] {
            assert_eq!(read(bad), Err(NoCredential::Malformed), "{bad}");
        }
    }
}
