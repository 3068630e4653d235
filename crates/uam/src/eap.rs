//! The messages of EAP (RFC 3748, 4) as programs send them: in base64, a request or response each. What they mean is between
//! the program and the server.

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// A message of EAP that fits into a packet of RADIUS.
const MAX_EAP: usize = 4096;

/// RFC 4648, 4.
pub(crate) fn to_base64(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let bits = (0..3).fold(0usize, |bits, at| bits << 8 | usize::from(group.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            text.push(if at <= group.len() { char::from(BASE64[bits >> (18 - 6 * at) & 63]) } else { '=' });
        }
    }
    text
}

/// The same, back. Some programs leave out the filling, and a plus may have become a blank on the way.
pub(crate) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|octet| *octet != b'=').map_or(0, |last| last + 1);
    let digits = text.get(..end).filter(|digits| digits.len() <= MAX_EAP * 4 / 3 && digits.len() % 4 != 1)?;
    let mut octets = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut count) = (0usize, 0);
    for digit in digits {
        let digit = if *digit == b' ' { b'+' } else { *digit };
        bits = (bits << 6 | BASE64.iter().position(|known| *known == digit)?) & 0xfff;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(octets)
}

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const IDENTITY: u8 = 1;

/// Whether it is a response: code, identifier, length, type, and as long as it says.
pub(crate) fn is_response(message: &[u8]) -> bool {
    matches!(message, [RESPONSE, _, high, low, _, ..] if usize::from(u16::from_be_bytes([*high, *low])) == message.len())
}

/// Who a response says it is from, if that is what it says (RFC 3748, 5.1): a conversation begins.
#[must_use]
pub fn identity(response: &[u8]) -> Option<&[u8]> {
    response.get(5..).filter(|_| response.get(4) == Some(&IDENTITY))
}

/// The question for that.
#[must_use]
pub fn ask_identity(id: u8) -> Vec<u8> {
    vec![REQUEST, id, 0, 5, IDENTITY]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648_s() {
        for (octets, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(to_base64(octets.as_bytes()), text);
            assert_eq!(from_base64(text.as_bytes()).as_deref(), Some(octets.as_bytes()));
            assert_eq!(from_base64(text.trim_end_matches('=').as_bytes()).as_deref(), Some(octets.as_bytes()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(from_base64(to_base64(&all).replace('+', " ").as_bytes()), Some(all));
        for bad in ["Z", "Zm9v!", "Zm=v", "\u{e4}", &"A".repeat(8000)] {
            assert_eq!(from_base64(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_response_is_as_long_as_it_says() {
        assert!(is_response(&[2, 7, 0, 5, 1]) && is_response(&[2, 7, 0, 6, 4, 0]));
        for bad in [&[][..], &[2, 7, 0, 4], &[2, 7, 0, 6, 1], &[2, 7, 0, 5, 1, 0], &[1, 7, 0, 5, 1], &[2, 7, 1, 5, 1]] {
            assert!(!is_response(bad), "{bad:?}");
        }
        assert_eq!(identity(b"\x02\x07\0\x08\x01ada"), Some(&b"ada"[..]));
        assert_eq!(identity(b"\x02\x07\0\x08\x04ada"), None);
        assert_eq!(ask_identity(9), [1, 9, 0, 5, 1]);
    }
}
