//! How a guest proves who they are, and how a request says it.

use std::fmt;

use wire::MacAddr;

use crate::attr::{self, AttributeList, microsoft};
use crate::auth::{self, Secret};
use crate::mschap;
use crate::packet::{Attribute, BuildError};
use crate::request::Service;
use crate::value::Clear;

/// How a guest proves who they are. It never prints.
#[derive(Clone)]
pub enum Credential {
    /// The password, at most 128 octets.
    Pap(Vec<u8>),
    /// The answer to a challenge (RFC 2865, section 2.2).
    Chap {
        /// CHAP identifier.
        ident: u8,
        /// What the guest was asked.
        challenge: Vec<u8>,
        /// What the guest answered.
        response: [u8; 16],
    },
    /// The answer to a challenge by MS-CHAPv2 (RFC 2548, section 2.3.2).
    MsChapV2(mschap::Response),
    /// A message of EAP, as the device sent it (RFC 3579). State goes with the answer to a challenge.
    Eap {
        /// The message, of any length that a packet has room for.
        message: Vec<u8>,
        /// Framed-MTU: the longest message that the device can take (RFC 3579, section 2.4).
        framed_mtu: Option<u32>,
    },
    /// A device that is known by its address, which is the user's name too; the password is as the operator wants it,
    /// which mostly is that name again.
    Mac {
        /// The password, at most 128 octets.
        password: Vec<u8>,
    },
    /// None: a session that goes on is asked about, with the State of the CoA-Request that wants it (RFC 5176, section
    /// 3.2).
    AuthorizeOnly,
}

impl Credential {
    /// CHAP on behalf of a guest whose password we hold.
    #[must_use]
    pub fn chap(ident: u8, challenge: &[u8], password: &[u8]) -> Self {
        Self::Chap { ident, challenge: challenge.to_vec(), response: auth::chap_response(ident, password, challenge) }
    }

    /// What such a credential is for, if nothing else is said.
    pub(crate) fn service(&self) -> Service {
        match self {
            Self::Pap(_) | Self::Chap { .. } | Self::MsChapV2(_) => Service::Login,
            Self::Eap { .. } => Service::Framed,
            Self::Mac { .. } => Service::CallCheck,
            Self::AuthorizeOnly => Service::AuthorizeOnly,
        }
    }

    pub(crate) fn add_to(
        &self,
        attributes: &mut Vec<Attribute>,
        secret: &Secret,
        request_authenticator: &[u8; 16],
    ) -> Result<(), BuildError> {
        match self {
            Self::Pap(password) | Self::Mac { password } => {
                attributes.add(attr::USER_PASSWORD, Clear { octets: password, secret, request_authenticator })
            }
            Self::Chap { ident, challenge, response } => {
                attributes.add(attr::CHAP_PASSWORD, &[&[*ident], &response[..]].concat())?;
                attributes.add(attr::CHAP_CHALLENGE, challenge)
            }
            Self::MsChapV2(response) => {
                attributes.add(microsoft::MS_CHAP_CHALLENGE, response.challenge())?;
                attributes.add(microsoft::MS_CHAP2_RESPONSE, &response.octets())
            }
            Self::Eap { message, framed_mtu } => {
                if let Some(mtu) = framed_mtu {
                    attributes.add(attr::FRAMED_MTU, *mtu)?;
                }
                attributes.add(attr::EAP_MESSAGE, message)
            }
            Self::AuthorizeOnly => Ok(()),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pap(_) => "Pap(<hidden>)",
            Self::Chap { .. } => "Chap(<hidden>)",
            Self::MsChapV2(_) => "MsChapV2(<hidden>)",
            Self::Eap { .. } => "Eap(<hidden>)",
            Self::Mac { .. } => "Mac(<hidden>)",
            Self::AuthorizeOnly => "AuthorizeOnly",
        })
    }
}

/// How an operator's server writes the address of a device as a name: a pattern such as `aa:bb:cc:dd:ee:ff`,
/// `AA-BB-CC-DD-EE-FF` or `aabb.ccdd.eeff`, and what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacFormat {
    pattern: String,
    suffix: String,
}

impl MacFormat {
    /// `None` unless the pattern has twelve letters from a to f, all small or all capital, and else only `-`, `:`
    /// and `.`.
    #[must_use]
    pub fn new(pattern: &str, suffix: &str) -> Option<Self> {
        let digits: Vec<char> = pattern.chars().filter(|c| !matches!(c, '-' | ':' | '.')).collect();
        let all = |range: std::ops::RangeInclusive<char>| digits.iter().all(|digit| range.contains(digit));
        let right = digits.len() == 12 && (all('a'..='f') || all('A'..='F'));
        right.then(|| Self { pattern: pattern.to_owned(), suffix: suffix.to_owned() })
    }

    /// The name of a device.
    #[must_use]
    pub fn name(&self, mac: MacAddr) -> String {
        let mut digits = mac.0.iter().flat_map(|octet| [octet >> 4, octet & 15]).map(u32::from);
        let digit = |digit| char::from_digit(digit, 16).unwrap_or('0');
        let name = self.pattern.chars().map(|c| match c {
            'a'..='f' => digits.next().map_or(c, digit),
            'A'..='F' => digits.next().map_or(c, digit).to_ascii_uppercase(),
            _ => c,
        });
        name.chain(self.suffix.chars()).collect()
    }
}
