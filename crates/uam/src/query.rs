//! What stands behind the question mark.

use wire::url::WebUrl;

use crate::challenge::md5;
use crate::hex::digit;

/// The parameters of a request. Of one that stands several times the first counts, and names are compared to the letter.
/// A plus sign is itself: portals write addresses with `%20`, and names with a plus in them as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// Of a raw query, as it came.
    #[must_use]
    pub fn new(raw: &'a str) -> Self {
        Self(raw)
    }

    /// The octets of a parameter.
    #[must_use]
    pub fn octets(&self, name: &str) -> Option<Vec<u8>> {
        let raw = self.0.split('&').find_map(|pair| match pair.split_once('=') {
            Some((found, value)) => (found == name).then_some(value),
            None => (pair == name).then_some(""),
        })?;
        Some(decoded(raw.as_bytes()))
    }

    /// A parameter as text; none if it is no UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        String::from_utf8(self.octets(name)?).ok()
    }

    /// True if there is such a parameter, whatever it holds.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.octets(name).is_some()
    }

    /// What tells one login from another, whatever else stands beside name and credential.
    pub(crate) fn fingerprint(&self) -> [u8; 16] {
        let mut all = Vec::new();
        for name in ["username", "response", "ident", "ntresponse", "password", "WISPrEAPMsg"] {
            let value = self.octets(name);
            // A length before each, so that nothing can be moved from one to the next.
            all.extend(value.as_ref().map_or(u64::MAX, |value| value.len() as u64).to_be_bytes());
            all.extend(value.unwrap_or_default());
        }
        md5(&[&all])
    }

    /// A web address; none if the parameter is anything else.
    #[must_use]
    pub fn url(&self, name: &str) -> Option<String> {
        self.text(name).filter(|url| WebUrl::parse(url).is_some())
    }

    /// A web address that portals encode twice. Of one that was encoded once the second decoding may be none any more, and
    /// then the first is it.
    #[must_use]
    pub fn url_of_portal(&self, name: &str) -> Option<String> {
        let twice = String::from_utf8(decoded(self.text(name)?.as_bytes())).ok();
        twice.filter(|url| WebUrl::parse(url).is_some()).or_else(|| self.url(name))
    }
}

/// A percent sign that no two digits follow stands for itself.
fn decoded(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let [first, after @ ..] = rest {
        rest = after;
        let value = match after {
            [high, low, after @ ..] if *first == b'%' => {
                digit(*high).zip(digit(*low)).map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        match value {
            Some((octet, after)) => {
                out.push(octet);
                rest = after;
            }
            None => out.push(*first),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_by_its_whole_name_and_the_first_counts() {
        let query = Query::new("xusername=no&username=anne%20b+c&Username=no&username=no&flag&empty=");
        assert_eq!(query.text("username").as_deref(), Some("anne b+c"));
        assert_eq!(query.text("flag").as_deref(), Some(""));
        assert_eq!(query.text("empty").as_deref(), Some(""));
        assert_eq!(query.text("password"), None);
        assert_eq!(Query::new("").text(""), Some(String::new()), "nothing is the parameter without a name");
    }

    #[test]
    fn broken_encoding_is_taken_as_it_is_and_what_is_no_text_is_none() {
        for (raw, octets) in [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%%41", "%A"), ("%41%", "A%")] {
            assert_eq!(Query::new(&format!("a={raw}")).octets("a"), Some(octets.as_bytes().to_vec()), "{raw}");
        }
        assert_eq!(Query::new("a=%ff").text("a"), None);
        assert_eq!(Query::new("a=%ff").octets("a"), Some(vec![0xff]));
    }

    #[test]
    fn a_portals_address_is_decoded_twice_and_is_an_address() {
        let user_url = |raw: &str| Query::new(&format!("userurl={raw}")).url_of_portal("userurl");
        let expected = Some("http://example.org/a?b=c&d".to_owned());
        assert_eq!(user_url("http%253a%252f%252fexample.org%252fa%253fb%253dc%2526d"), expected);
        assert_eq!(user_url("http%3a%2f%2fexample.org%2fa%3fb%3dc%26d"), expected);
        assert_eq!(user_url("http://example.org/a%2520b"), Some("http://example.org/a%20b".to_owned()));
        for bad in ["javascript:alert(1)", "", "%2fpath", "http%3a%2f%2fa%0d%0aSet-Cookie:x", "//example.org"] {
            assert_eq!(user_url(bad), None, "{bad}");
        }
        let once = Query::new("url=http%3A%2F%2Fexample.org%2F%3Fa%3D%2526");
        assert_eq!(once.url("url").as_deref(), Some("http://example.org/?a=%26"), "by us it is encoded once");
    }
}
