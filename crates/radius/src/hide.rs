//! Values that are hidden with the shared secret: a stream of MD5 sums, each over the block before it. It keeps a
//! password from who reads along without the secret, and nothing from who changes packets.
//!
//! A proxy shares one secret with who asks it and another with whom it asks: [`anew`] hides for the one what the
//! other hid.

use crate::attr;
use crate::auth::{Secret, md5};
use crate::dictionary::{self, Place};
use crate::items::{self, Item};
use crate::limits::{PASSWORD_OCTETS, SALTED_OCTETS};
use crate::packet::{Attribute, BuildError};
use crate::value::DoesNotFit;

/// What the values of a packet are hidden with.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The secret shared with who sent it, or will get it.
    pub secret: &'a Secret,
    /// The authenticator of the request that the packet is, or answers.
    pub request_authenticator: &'a [u8; 16],
}

/// The same attributes, with all that is hidden for `from` hidden for `to`: User-Password and Tunnel-Password, the keys
/// of MPPE, and what else the dictionary marks so. `None` is RADIUS/1.1, which hides nothing and has no salts (RFC 9765,
/// section 5.1). Salts are counted up from `salt`, which must be unpredictable.
///
/// # Errors
/// [`Unreadable`] if something cannot be revealed: the packet must not go on.
pub fn anew<'a>(
    attributes: &[Attribute],
    from: impl Into<Option<Hop<'a>>>,
    to: impl Into<Option<Hop<'a>>>,
    salt: [u8; 2],
) -> Result<Vec<Attribute>, Unreadable> {
    let (from, to) = (from.into(), to.into());
    let mut salt = u16::from_be_bytes(salt);
    let mut all = Vec::with_capacity(attributes.len());
    for attribute in attributes {
        let inner: Vec<Item<'_>> = items::of(std::slice::from_ref(attribute)).collect();
        if inner.iter().all(|item| encryption(item.place) == 0) {
            all.push(attribute.clone());
            continue;
        }
        // Those that shared a Vendor-Specific attribute have one each now.
        for Item { place, value, .. } in inner {
            let octets = match encryption(place) {
                0 => Some(value.into_owned()),
                1 => padded_anew(&value, place, from, to),
                _ => {
                    salt = salt.wrapping_add(1);
                    salted_anew(&value, place, from, to, salt.to_be_bytes())
                }
            };
            let octets = octets.ok_or(Unreadable(place))?;
            let written = match place.vendor {
                0 => Attribute::bytes(place.number, &octets),
                vendor => Attribute::vendor(vendor, place.number, &octets),
            };
            all.push(written.map_err(|_: BuildError| Unreadable(place))?);
        }
    }
    Ok(all)
}

/// A hidden value that does not say what is in it: the secret is another one, or it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub Place);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match dictionary::lookup(self.0) {
            Some(entry) => write!(f, "{} cannot be decrypted", entry.name),
            None => write!(f, "{} cannot be decrypted", self.0),
        }
    }
}

impl std::error::Error for Unreadable {}

/// 0, 1 or 2, as the dictionary's `encrypt`.
fn encryption(place: Place) -> u8 {
    dictionary::lookup(place).map_or(0, |entry| entry.flags.encrypt)
}

fn padded_anew(value: &[u8], place: Place, from: Option<Hop<'_>>, to: Option<Hop<'_>>) -> Option<Vec<u8>> {
    let clear = match from {
        Some(_) if value.is_empty() || !value.len().is_multiple_of(16) => return None,
        Some(from) => reveal(value, from.secret, from.request_authenticator),
        None => value.to_vec(),
    };
    match to {
        Some(to) => hide(&clear, to.secret, to.request_authenticator).ok(),
        None if place == attr::USER_PASSWORD.place() => Some(without_padding(&clear).to_vec()),
        None => Some(clear),
    }
}

/// Tunnel-Password has a tag before its salt, keys have none.
fn salted_anew(
    value: &[u8],
    place: Place,
    from: Option<Hop<'_>>,
    to: Option<Hop<'_>>,
    salt: [u8; 2],
) -> Option<Vec<u8>> {
    let tagged = dictionary::lookup(place).is_some_and(|entry| entry.flags.tagged);
    let (tag, value) = value.split_at_checked(usize::from(tagged))?;
    let clear = match from {
        Some(from) => reveal_salted(value, from.secret, from.request_authenticator)?,
        None => value.to_vec(),
    };
    let written = match to {
        Some(to) => hide_salted(&clear, to.secret, to.request_authenticator, salt).ok()?,
        None => clear,
    };
    Some([tag, &written].concat())
}

/// One octet is left of an empty password: an attribute has a value (RFC 2865, section 5).
fn without_padding(padded: &[u8]) -> &[u8] {
    let length = padded.iter().rposition(|octet| *octet != 0).map_or(1, |last| last + 1);
    padded.get(..length).unwrap_or_default()
}

/// Padded with zeros to blocks of 16 and hidden (RFC 2865, section 5.2).
pub(crate) fn hide(clear: &[u8], secret: &Secret, request_authenticator: &[u8; 16]) -> Result<Vec<u8>, DoesNotFit> {
    if clear.len() > PASSWORD_OCTETS {
        return Err(DoesNotFit { octets: clear.len() });
    }
    let mut octets = clear.to_vec();
    octets.resize(clear.len().next_multiple_of(16).max(16), 0);
    mask(&mut octets, Way::Hide, secret, &[request_authenticator]);
    Ok(octets)
}

/// All blocks, padding too.
pub(crate) fn reveal(hidden: &[u8], secret: &Secret, request_authenticator: &[u8; 16]) -> Vec<u8> {
    let mut octets = hidden.to_vec();
    mask(&mut octets, Way::Reveal, secret, &[request_authenticator]);
    octets
}

/// Salt, then length, octets and padding, hidden (RFC 2868, section 3.5).
pub(crate) fn hide_salted(
    clear: &[u8],
    secret: &Secret,
    request_authenticator: &[u8; 16],
    salt: [u8; 2],
) -> Result<Vec<u8>, DoesNotFit> {
    let too_long = DoesNotFit { octets: clear.len() };
    let length = u8::try_from(clear.len()).ok().filter(|_| clear.len() <= SALTED_OCTETS).ok_or(too_long)?;
    // The first bit tells a salt from text (RFC 2868, section 3.5).
    let salt = [salt[0] | 0x80, salt[1]];
    let mut octets = vec![length];
    octets.extend(clear);
    octets.resize(octets.len().next_multiple_of(16), 0);
    mask(&mut octets, Way::Hide, secret, &[request_authenticator, &salt]);
    octets.splice(..0, salt);
    Ok(octets)
}

/// What was hidden, without padding; `None` if the length in it is impossible.
pub(crate) fn reveal_salted(hidden: &[u8], secret: &Secret, request_authenticator: &[u8; 16]) -> Option<Vec<u8>> {
    let (salt, rest) = hidden.split_first_chunk::<2>().filter(|(_, rest)| rest.len().is_multiple_of(16))?;
    let mut octets = rest.to_vec();
    mask(&mut octets, Way::Reveal, secret, &[request_authenticator, salt]);
    let (length, clear) = octets.split_first()?;
    clear.get(..usize::from(*length)).map(<[u8]>::to_vec)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Hide,
    Reveal,
}

/// Each block is masked with the sum over secret and hidden block before it; the first with the sum over `start`.
fn mask(octets: &mut [u8], way: Way, secret: &Secret, start: &[&[u8]]) {
    let mut previous: Vec<u8> = start.concat();
    for block in octets.chunks_mut(16) {
        let pad = md5(&[secret.octets(), &previous]);
        if way == Way::Reveal {
            previous = block.to_vec();
        }
        for (octet, pad) in block.iter_mut().zip(pad) {
            *octet ^= pad;
        }
        if way == Way::Hide {
            previous = block.to_vec();
        }
    }
}
