//! Hexadecimal digits.

use std::fmt::Write;

/// Octets as lower-case digits.
pub(crate) fn lower(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}"); // writing to a String does not fail
        text
    })
}

/// Pairs of digits, of either case, as octets; `None` if there is anything else, or an odd number.
pub(crate) fn octets(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// The same, of a certain length.
pub(crate) fn array<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    octets(digits)?.try_into().ok()
}

pub(crate) fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
