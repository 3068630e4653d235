//! Web addresses that strangers made up: what may be shown, and what may be put into a header.

/// Longest web address that is looked at. Percent-encoded three to one, it fits into a form beside the longest name
/// and password of RADIUS.
pub const MAX_OCTETS: usize = 800;

/// An `http` or `https` address that is safe to link to: printable ASCII, a plain host, no user information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebUrl<'a> {
    text: &'a str,
    authority: &'a str,
    rest: &'a str,
}

impl<'a> WebUrl<'a> {
    /// The address that a text is. Never panics.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_OCTETS || !text.bytes().all(is_url_octet) {
            return None;
        }
        let (authority, rest) = split_authority(after_scheme(text)?);
        is_host_and_port(authority).then_some(Self { text, authority, rest })
    }

    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Host and, if it is written, port.
    #[must_use]
    pub fn authority(&self) -> &'a str {
        self.authority
    }

    /// Path, query and fragment; nothing if it ends with the host.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.rest
    }

    /// True if the host, whatever the port, has one of these names.
    #[must_use]
    pub fn is_at(&self, names: &[&str]) -> bool {
        let host = bare_host(self.authority);
        names.iter().any(|name| host.eq_ignore_ascii_case(name))
    }
}

/// What follows `http://` or `https://`.
#[must_use]
pub fn after_scheme(text: &str) -> Option<&str> {
    ["http://", "https://"]
        .iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        .and_then(|scheme| text.get(scheme.len()..))
}

/// Takes the authority off what follows a scheme (RFC 3986, 3.2).
#[must_use]
pub fn split_authority(after_scheme: &str) -> (&str, &str) {
    let end = after_scheme.find(['/', '?', '#']).unwrap_or(after_scheme.len());
    after_scheme.split_at(end)
}

/// An authority without its port.
#[must_use]
pub fn bare_host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// The text with all but the unreserved characters percent-encoded (RFC 3986, 2.3), octet by octet.
pub fn percent_encoded(text: &str) -> impl Iterator<Item = &'static [u8]> {
    text.bytes().map(|octet| {
        let (encoded, plain) = (&ENCODED[usize::from(octet)], is_unreserved(octet));
        if plain { &encoded[2..] } else { &encoded[..] }
    })
}

const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// Each octet encoded; those that need not be have themselves in the last place.
static ENCODED: [[u8; 3]; 256] = {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut all = [[b'%', 0, 0]; 256];
    let mut octet = 0;
    while octet < 256 {
        let plain = is_unreserved(octet as u8);
        all[octet][1] = HEX[octet >> 4];
        all[octet][2] = if plain { octet as u8 } else { HEX[octet & 15] };
        octet += 1;
    }
    all
};

fn is_url_octet(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"\"<>\\`".contains(&octet)
}

fn is_host_and_port(authority: &str) -> bool {
    let host = bare_host(authority);
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => !v6.is_empty() && v6.bytes().all(|octet| octet.is_ascii_hexdigit() || b":.".contains(&octet)),
        None => !host.is_empty() && host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".-_".contains(&octet)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_are_linked_to() {
        for good in ["http://example.org/", "HTTPS://example.org:8443/a?b=c&d|e#f", "http://[2001:db8::1]/", "http://a"]
        {
            assert!(WebUrl::parse(good).is_some(), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "//example.org/",
            "http://",
            "http:///path",
            "http://good.example@evil.example/",
            "http://evil.example\\@good.example/",
            "http://example.org/\"onclick=x",
            "http://example.org/<script>",
            "http://exa mple.org/",
            "http://example.org/\r\nSet-Cookie: a=b",
            "http://ex\u{e4}mple.org/",
            "http://[::1/",
            " http://example.org/",
        ] {
            assert!(WebUrl::parse(bad).is_none(), "{bad}");
        }
        assert!(WebUrl::parse(&format!("http://example.org/{}", "a".repeat(MAX_OCTETS))).is_none());
    }

    #[test]
    fn an_address_falls_into_its_parts() {
        let url = WebUrl::parse("HTTP://Example.org:8080?a=b").unwrap();
        assert_eq!((url.authority(), url.path()), ("Example.org:8080", "?a=b"));
        assert!(url.is_at(&["other.test", "example.ORG"]));
        assert!(!url.is_at(&["ample.org", "example.org.test"]));
    }

    #[test]
    fn what_is_not_unreserved_is_encoded() {
        let encoded: Vec<u8> = percent_encoded("http://a.b/~c_d-e?f=%20&g\u{e4}").flatten().copied().collect();
        assert_eq!(encoded, b"http%3A%2F%2Fa.b%2F~c_d-e%3Ff%3D%2520%26g%C3%A4");
    }
}
