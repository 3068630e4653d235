//! MS-CHAPv2 (RFC 2759), carried in RADIUS by RFC 2548. MD4 and DES are what it is made of; who sees an exchange can
//! try all passwords, so it is no better than PAP inside RADIUS, but for one thing: the server proves that it knows the
//! password too.

use std::fmt;

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::Md4;
use sha1::{Digest, Sha1};

use crate::auth::equal;

/// Octets of MS-CHAP2-Response (RFC 2548, section 2.3.2).
const RESPONSE_OCTETS: usize = 50;

/// What a peer answered to a challenge of 16 octets. It never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    ident: u8,
    challenge: [u8; 16],
    peer_challenge: [u8; 16],
    nt_response: [u8; 24],
}

impl Response {
    /// On behalf of a guest whose password we hold. Both challenges must be unpredictable.
    #[must_use]
    pub fn new(ident: u8, challenge: [u8; 16], peer_challenge: [u8; 16], user: &str, password: &str) -> Self {
        let hash = challenge_hash(&peer_challenge, &challenge, user);
        let nt_response = challenge_response(hash, nt_hash(password));
        Self { ident, challenge, peer_challenge, nt_response }
    }

    /// What a peer sent, whose password we do not hold.
    #[must_use]
    pub fn relayed(ident: u8, challenge: [u8; 16], peer_challenge: [u8; 16], nt_response: [u8; 24]) -> Self {
        Self { ident, challenge, peer_challenge, nt_response }
    }

    /// What MS-CHAP2-Response of another NAS says; `None` if it has another length or says that it is no answer by
    /// the NT hash.
    #[must_use]
    pub fn from_octets(challenge: [u8; 16], octets: &[u8]) -> Option<Self> {
        let octets: &[u8; RESPONSE_OCTETS] = octets.try_into().ok()?;
        let (head, peer_challenge) = (octets.first_chunk::<2>()?, octets[2..].first_chunk::<16>()?);
        let nt_response = octets.last_chunk::<24>()?;
        // Flags must be zero (RFC 2548, section 2.3.2).
        let [ident, 0] = *head else { return None };
        Some(Self { ident, challenge, peer_challenge: *peer_challenge, nt_response: *nt_response })
    }

    /// What the peer was asked: MS-CHAP-Challenge.
    #[must_use]
    pub fn challenge(&self) -> &[u8; 16] {
        &self.challenge
    }

    /// The value of MS-CHAP2-Response: identifier, flags, peer's challenge, eight octets of nothing, answer.
    #[must_use]
    pub fn octets(&self) -> [u8; RESPONSE_OCTETS] {
        let mut octets = [0; RESPONSE_OCTETS];
        octets[0] = self.ident;
        octets[2..18].copy_from_slice(&self.peer_challenge);
        octets[26..].copy_from_slice(&self.nt_response);
        octets
    }

    /// True if this answers the challenge with that password.
    #[must_use]
    pub fn is_of(&self, user: &str, password: &str) -> bool {
        let right = Self::new(self.ident, self.challenge, self.peer_challenge, user, password);
        equal(&right.nt_response, &self.nt_response)
    }

    /// True if MS-CHAP2-Success proves that who sent it knows the password: our identifier and `S=` with the right 40
    /// digits; a message may follow.
    #[must_use]
    pub fn is_proven_by(&self, success: &[u8], user: &str, password: &str) -> bool {
        let Some(([ident, proof @ ..], rest)) = success.split_first_chunk::<43>() else { return false };
        let followed = rest.is_empty() || rest.starts_with(b" ");
        *ident == self.ident && followed && equal(proof, &self.proof(user, password))
    }

    /// The value of MS-CHAP2-Success, by who knows the password.
    #[must_use]
    pub fn success(&self, user: &str, password: &str) -> Vec<u8> {
        [&[self.ident], &self.proof(user, password)[..]].concat()
    }

    /// GenerateAuthenticatorResponse (RFC 2759, section 8.7).
    fn proof(&self, user: &str, password: &str) -> [u8; 42] {
        let hash_of_hash: [u8; 16] = Md4::digest(nt_hash(password)).into();
        let first = sha1(&[&hash_of_hash, &self.nt_response, b"Magic server to client signing constant"]);
        let hash = challenge_hash(&self.peer_challenge, &self.challenge, user);
        let sum = sha1(&[&first, &hash, b"Pad to make it do more than one iteration"]);
        let mut proof = *b"S=0000000000000000000000000000000000000000";
        for (digits, octet) in proof[2..].chunks_exact_mut(2).zip(sum) {
            digits.copy_from_slice(&[hex_digit(octet >> 4), hex_digit(octet & 15)]);
        }
        proof
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Response(<hidden>)")
    }
}

/// Why a server refused: what MS-CHAP-Error says (RFC 2759, section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The identifier of the answer that was refused.
    pub ident: u8,
    /// E=, one of [`failure`].
    pub code: u32,
    /// R=: whether another try is allowed.
    pub may_retry: bool,
    /// C=: the challenge of that try.
    pub challenge: Option<[u8; 16]>,
    /// V=: the version for a change of the password.
    pub version: Option<u32>,
    /// M=: for people; may be empty.
    pub message: String,
}

/// The codes of RFC 2759, section 6.
pub mod failure {
    /// The account is closed at this hour.
    pub const RESTRICTED_LOGON_HOURS: u32 = 646;
    /// The account is closed.
    pub const ACCOUNT_DISABLED: u32 = 647;
    /// The password must be changed, elsewhere: we do not offer it.
    pub const PASSWORD_EXPIRED: u32 = 648;
    /// The account is not for this.
    pub const NO_DIALIN_PERMISSION: u32 = 649;
    /// Name or password is wrong.
    pub const AUTHENTICATION_FAILURE: u32 = 691;
    /// The new password was not taken.
    pub const CHANGING_PASSWORD: u32 = 709;
}

impl Failure {
    /// Reads MS-CHAP-Error; `None` without a code.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let (ident, text) = octets.split_first()?;
        let text = String::from_utf8_lossy(text);
        // The message is the last field and may have spaces and signs of equality in it.
        let (fields, message) = match text.split_once("M=") {
            Some((fields, message)) => (fields, message.to_owned()),
            None => (&*text, String::new()),
        };
        let field = |name: &str| fields.split_whitespace().find_map(|field| field.strip_prefix(name));
        Some(Self {
            ident: *ident,
            code: field("E=")?.parse().ok()?,
            may_retry: field("R=") == Some("1"),
            challenge: field("C=").and_then(challenge),
            version: field("V=").and_then(|version| version.parse().ok()),
            message,
        })
    }
}

/// 32 hexadecimal digits.
fn challenge(digits: &str) -> Option<[u8; 16]> {
    let digits = digits.as_bytes();
    let mut octets = [0; 16];
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
        *octet = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (digits.len() == 32).then_some(octets)
}

/// NtPasswordHash (RFC 2759, section 8.3): MD4 over UTF-16.
fn nt_hash(password: &str) -> [u8; 16] {
    let octets: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    Md4::digest(octets).into()
}

/// ChallengeHash (RFC 2759, section 8.2), over the name without its domain (section 4).
fn challenge_hash(peer_challenge: &[u8; 16], challenge: &[u8; 16], user: &str) -> [u8; 8] {
    let name = user.rsplit_once('\\').map_or(user, |(_, name)| name);
    let mut hash = [0; 8];
    hash.copy_from_slice(&sha1(&[peer_challenge, challenge, name.as_bytes()])[..8]);
    hash
}

/// ChallengeResponse (RFC 2759, section 8.5): the challenge, encrypted with each third of the hash and five zeros.
fn challenge_response(challenge: [u8; 8], hash: [u8; 16]) -> [u8; 24] {
    let mut keys = [0; 21];
    keys[..16].copy_from_slice(&hash);
    let mut response = [0; 24];
    for (block, key) in response.chunks_exact_mut(8).zip(keys.chunks_exact(7)) {
        let mut encrypted = challenge.into();
        Des::new(&spread(key).into()).encrypt_block(&mut encrypted);
        block.copy_from_slice(&encrypted);
    }
    response
}

/// 56 bits as the upper seven of eight octets; the lowest is DES's parity, which nobody looks at.
fn spread(key: &[u8]) -> [u8; 8] {
    let bits = key.iter().fold(0u64, |bits, octet| bits << 8 | u64::from(*octet));
    std::array::from_fn(|at| (bits >> (49 - 7 * at) << 1 & 0xfe) as u8)
}

fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'A' + value - 10,
    }
}
