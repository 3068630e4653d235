//! Values that are hidden with the shared secret: a stream of MD5 sums, each over the block before it. It keeps a
//! password from who reads along without the secret, and nothing from who changes packets.

use crate::auth::{Secret, md5};
use crate::limits::{PASSWORD_OCTETS, SALTED_OCTETS};
use crate::value::DoesNotFit;

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
    let (salt, rest) = hidden.split_first_chunk::<2>()?;
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
