//! HTTP AAA (`uamaaaurl`): what a web page is asked instead of a RADIUS server, and how its answer is read.
//!
//! All of a request is in the address, with `md` at its end, as in the addresses for a portal. An answer is lines of
//! `Name:value`; the line `Auth` decides, and only 1 lets somebody in.

use crate::challenge::md5;
use crate::hex;
use crate::location::{encoded_octets, separator};

/// The address of a request. Parameters keep their order; a secret signs all before it, an empty one nothing.
#[must_use]
pub fn question(page: &str, parameters: &[(&str, Vec<u8>)], secret: &[u8]) -> String {
    let mut url = page.to_owned();
    for (name, value) in parameters {
        url.push(separator(&url));
        url.extend([name, "=", &encoded_octets(value)]);
    }
    if !secret.is_empty() {
        let digest = md5(&[url.as_bytes(), secret]);
        url.extend([&separator(&url).to_string(), "md=", &hex::lower(&digest).to_ascii_uppercase()]);
    }
    url
}

/// Octets as a parameter has them.
#[must_use]
pub fn hex_digits(octets: &[u8]) -> Vec<u8> {
    hex::lower(octets).into_bytes()
}

/// The octets of such digits; none if they are no such digits.
#[must_use]
pub fn from_hex_digits(text: &str) -> Option<Vec<u8>> {
    hex::octets(text.as_bytes())
}

/// What a page decides about a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// 1
    Accept,
    /// 2
    Challenge,
    /// Anything else.
    Reject,
}

/// What a page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Of the line `Auth`.
    pub decision: Decision,
    /// The other lines, as name and value.
    pub attributes: Vec<(&'a str, &'a str)>,
}

/// Reads an answer; none if it decides nothing, or twice: what came is another page, such as one about an error.
#[must_use]
pub fn answer(body: &str) -> Option<Answer<'_>> {
    let lines = body.lines().filter_map(|line| line.split_once(':'));
    let (decisions, attributes): (Vec<_>, Vec<_>) =
        lines.map(|(name, value)| (name.trim(), value.trim())).partition(|(name, _)| name.eq_ignore_ascii_case("auth"));
    let [(_, decision)] = decisions[..] else { return None };
    let decision = match decision {
        "1" => Decision::Accept,
        "2" => Decision::Challenge,
        _ => Decision::Reject,
    };
    Some(Answer { decision, attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<(&'static str, Vec<u8>)> {
        vec![("stage", b"login".to_vec()), ("user", b"anne b@example".to_vec()), ("pass", vec![0xff, b'&'])]
    }

    #[test]
    fn a_question_keeps_its_order_and_is_signed_as_addresses_for_a_portal_are() {
        let plain = question("http://billing/aaa", &parameters(), b"");
        assert_eq!(plain, "http://billing/aaa?stage=login&user=anne%20b%40example&pass=%ff%26");
        let signed = question("http://billing/aaa?shop=1", &parameters(), b"secret");
        // printf '%s' 'http://billing/aaa?shop=1&stage=login&user=anne%20b%40example&pass=%ff%26secret' | md5sum
        let md = "17DD2188B844323415591D4194B14013";
        assert_eq!(
            signed,
            format!("http://billing/aaa?shop=1&stage=login&user=anne%20b%40example&pass=%ff%26&md={md}")
        );
    }

    #[test]
    fn only_one_decision_that_says_1_lets_in() {
        for (body, decision) in [
            ("Auth: 1\r\nSession-Timeout:90\r\n", Some(Decision::Accept)),
            ("auth:1", Some(Decision::Accept)),
            ("Auth: 2", Some(Decision::Challenge)),
            ("Auth: 0", Some(Decision::Reject)),
            ("Auth: 11", Some(Decision::Reject)),
            ("Auth:", Some(Decision::Reject)),
            ("Auth: 1\nAuth: 0", None),
            ("Authx: 1", None),
            ("<html>Fatal error: Auth 1</html>", None),
            ("", None),
        ] {
            assert_eq!(answer(body).map(|answer| answer.decision), decision, "{body:?}");
        }
    }

    #[test]
    fn the_other_lines_are_attributes() {
        let answer =
            answer("Session-Timeout: 90\nAuth: 1\nReply-Message: Until 12:00\n\nnothing\n").expect("it decides");
        assert_eq!(answer.attributes, [("Session-Timeout", "90"), ("Reply-Message", "Until 12:00")]);
    }
}
