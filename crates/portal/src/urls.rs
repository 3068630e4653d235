//! Web addresses that strangers made up: what may be shown, and what may be put into a header.

use hyper::Uri;
use hyper::header::{HOST, HeaderMap, ORIGIN, REFERER};

use crate::Site;
use crate::limits::URL_OCTETS;

/// An `http` or `https` address that is safe to link to: printable ASCII, a plain host, no user information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebUrl {
    text: String,
    authority: (usize, usize),
}

impl WebUrl {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > URL_OCTETS || !text.bytes().all(is_url_octet) {
            return None;
        }
        let start = scheme_octets(text)?;
        let authority = authority(text.get(start..)?);
        is_host_and_port(authority).then(|| Self { text: text.into(), authority: (start, start + authority.len()) })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and, if it is written, port.
    pub(crate) fn host(&self) -> &str {
        self.text.get(self.authority.0..self.authority.1).unwrap_or_default()
    }

    /// Whether it leads to ourselves.
    pub(crate) fn is_ours(&self, site: &Site) -> bool {
        let base = site.base_url.split_once("://").map_or(site.base_url.as_str(), |(_, rest)| rest);
        let host = bare_host(self.host());
        host.eq_ignore_ascii_case(&site.name) || host.eq_ignore_ascii_case(bare_host(authority(base)))
    }

    /// Whether it is where an operating system looks for the Internet: nothing that a person wants to go on to.
    pub(crate) fn is_probe(&self) -> bool {
        let host = bare_host(self.host());
        let path = self.text.get(self.authority.1..).unwrap_or_default();
        PROBE_HOSTS.iter().any(|probe| host.eq_ignore_ascii_case(probe))
            || PROBE_PATHS.iter().any(|probe| path.starts_with(probe))
    }
}

/// Hosts that serve nothing but probes.
const PROBE_HOSTS: [&str; 19] = [
    "captive.apple.com",
    "connectivitycheck.gstatic.com",
    "connectivitycheck.android.com",
    "clients3.google.com",
    "www.msftconnecttest.com",
    "ipv6.msftconnecttest.com",
    "www.msftncsi.com",
    "edge-http.microsoft.com",
    "detectportal.firefox.com",
    "nmcheck.gnome.org",
    "network-test.debian.org",
    "connectivity-check.ubuntu.com",
    "ping.archlinux.org",
    "networkcheck.kde.org",
    "connect.rom.miui.com",
    "connectivitycheck.platform.hicloud.com",
    "conn1.oppomobile.com",
    "cp.cloudflare.com",
    "test.steampowered.com",
];
/// Paths of probes on hosts that serve other things as well.
const PROBE_PATHS: [&str; 6] = [
    "/generate_204",
    "/gen_204",
    "/hotspot-detect.html",
    "/library/test/success.html",
    "/static/hotspot.txt",
    "/kindle-wifi/",
];

/// Where a redirected request wanted to go. `None` if it did not say, or said nonsense.
pub(crate) fn original(uri: &Uri, headers: &HeaderMap) -> Option<WebUrl> {
    // An absolute request target outranks Host: RFC 9112 section 3.2.2.
    let host = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(HOST)?.to_str().ok()?,
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    WebUrl::parse(&format!("http://{host}{path}")).or_else(|| WebUrl::parse(&format!("http://{host}/")))
}

/// Whether a request means us by a name that is ours, or by a number.
///
/// A website whose name was made to lead to the portal's address (DNS rebinding) would be of one origin with the portal,
/// and could read the guest's status and sign it in and out. Its name is in Host.
pub(crate) fn names_us(uri: &Uri, headers: &HeaderMap, site: &Site) -> bool {
    let host = match (uri.authority(), headers.get(HOST)) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(host)) => host.to_str().unwrap_or_default(),
        (None, None) => return true,
    };
    let host = bare_host(host);
    let base = site.base_url.split_once("://").map_or(site.base_url.as_str(), |(_, rest)| rest);
    let ours = [site.name.as_str(), bare_host(authority(base)), "localhost"];
    ours.iter().any(|name| host.eq_ignore_ascii_case(name))
        || host.parse::<std::net::Ipv4Addr>().is_ok()
        || host.starts_with('[')
}

/// Whether a form came from one of our own pages.
///
/// There is no cookie and no script to carry a token, and none is needed: every browser of today sends Origin with a
/// POST from a foreign page, and sends `null` if that page hides itself. It is compared with Host, not with our
/// address, because a page that was reached through a forwarder has the forwarder's name in both. A request with
/// neither Origin nor Referer is not from a foreign page but from a simple program, and is let in.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    let source = if headers.contains_key(ORIGIN) { ORIGIN } else { REFERER };
    let mut values = headers.get_all(&source).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return !headers.contains_key(&source);
    };
    let (Some(Ok(host)), Ok(value)) = (headers.get(HOST).map(|host| host.to_str()), value.to_str()) else {
        return false;
    };
    let Some(rest) = scheme_octets(value).and_then(|start| value.get(start..)) else {
        return false;
    };
    !host.is_empty() && authority(rest).eq_ignore_ascii_case(host)
}

/// Percent-encodes all but the unreserved characters of RFC 3986 section 2.3.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
            out.push('%');
            out.push(HEX[usize::from(octet >> 4)]);
            out.push(HEX[usize::from(octet & 15)]);
        }
    }
    out
}

fn scheme_octets(text: &str) -> Option<usize> {
    ["http://", "https://"]
        .iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        .map(|scheme| scheme.len())
}

fn authority(after_scheme: &str) -> &str {
    after_scheme.split(['/', '?', '#']).next().unwrap_or_default()
}

fn bare_host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
        _ => authority,
    }
}

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
        assert!(WebUrl::parse(&format!("http://example.org/{}", "a".repeat(URL_OCTETS))).is_none());
    }

    #[test]
    fn a_form_is_taken_from_our_own_page_only() {
        let check = |fields: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(
                    hyper::header::HeaderName::from_bytes(name.as_bytes()).expect("name"),
                    value.parse().expect("value"),
                );
            }
            is_same_origin(&headers)
        };
        let host = ("host", "10.85.0.1:3990");
        assert!(check(&[host, ("origin", "http://10.85.0.1:3990")]));
        assert!(check(&[host, ("referer", "http://10.85.0.1:3990/?url=x")]));
        assert!(check(&[("host", "Localhost:8080"), ("origin", "http://localhost:8080")]), "through a forwarder");
        assert!(check(&[host]), "a simple program");
        assert!(!check(&[host, ("origin", "null")]));
        assert!(!check(&[host, ("origin", "http://10.85.0.1")]));
        assert!(!check(&[host, ("origin", "http://10.85.0.1:3990.evil.example")]));
        assert!(!check(&[host, ("origin", "http://evil.example"), ("referer", "http://10.85.0.1:3990/")]));
        assert!(!check(&[host, ("origin", "http://10.85.0.1:3990"), ("origin", "http://evil.example")]));
        assert!(!check(&[host, ("referer", "http://evil.example/http://10.85.0.1:3990/")]));
        assert!(!check(&[("origin", "http://evil.example")]));
    }

    #[test]
    fn whatever_is_typed_an_accepted_address_is_harmless_in_a_header_and_in_a_page() {
        // Pieces that matter to the parser, put together at random but the same each time.
        const PIECES: [&str; 20] = [
            "http://",
            "https://",
            "HTTP://",
            "a",
            "example.org",
            ":",
            "80",
            "/",
            "//",
            "?",
            "#",
            "@",
            "[",
            "]",
            "::1",
            "\r\n",
            "\"",
            "<",
            "\u{e4}",
            "%",
        ];
        let (mut dice, mut accepted) = (1u32, 0);
        let mut roll = |sides: usize| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 16) as usize % sides
        };
        for _ in 0..50_000 {
            let text: String = (0..=roll(8)).map(|_| PIECES[roll(PIECES.len())]).collect();
            assert!(
                percent_encode(&text).bytes().all(|octet| octet.is_ascii_alphanumeric() || b"%-._~".contains(&octet))
            );
            if let Some(url) = WebUrl::parse(&text) {
                accepted += 1;
                assert!(hyper::header::HeaderValue::from_str(url.as_str()).is_ok(), "{text:?}");
                assert!(!url.as_str().contains(['"', '<', '>', ' ']), "{text:?}");
                assert!(!url.host().is_empty() && !url.host().contains(['@', '/', '?', '#']), "{text:?}");
                // Another parser sees the same host.
                let uri: Uri = url.as_str().parse().expect("an address that hyper takes, too");
                assert_eq!(uri.authority().map(|authority| authority.as_str()), Some(url.host()), "{text:?}");
            }
        }
        assert!(accepted > 100, "{accepted}");
    }
}
