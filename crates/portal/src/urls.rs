//! Web addresses that strangers made up: what may be shown, and what may be put into a header.

use hyper::Uri;
use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN, REFERER};
use wire::url::{WebUrl, after_scheme, bare_host, split_authority};

use crate::Site;

/// Whether an address leads to ourselves.
pub(crate) fn is_ours(url: &WebUrl<'_>, site: &Site) -> bool {
    is_our_name(bare_host(url.authority()), site)
}

/// Whether an address is where an operating system looks for the Internet: nothing that a person wants to go on to.
pub(crate) fn is_probe(url: &WebUrl<'_>) -> bool {
    detector(url.authority()).is_some() || PROBE_PATHS.iter().any(|probe| url.path().starts_with(probe))
}

/// Whose probe it is that goes to this host; none if people go there too.
#[must_use]
pub fn detector(host: &str) -> Option<&'static str> {
    PROBE_HOSTS.iter().find(|(name, _)| bare_host(host).eq_ignore_ascii_case(name)).map(|(_, whose)| *whose)
}

/// Hosts that serve nothing but probes, and whose.
const PROBE_HOSTS: [(&str, &str); 19] = [
    ("captive.apple.com", "Apple"),
    ("connectivitycheck.gstatic.com", "Android"),
    ("connectivitycheck.android.com", "Android"),
    ("clients3.google.com", "Android"),
    ("www.msftconnecttest.com", "Windows"),
    ("ipv6.msftconnecttest.com", "Windows"),
    ("www.msftncsi.com", "Windows"),
    ("edge-http.microsoft.com", "Windows"),
    ("detectportal.firefox.com", "Firefox"),
    ("nmcheck.gnome.org", "GNOME"),
    ("network-test.debian.org", "Debian"),
    ("connectivity-check.ubuntu.com", "Ubuntu"),
    ("ping.archlinux.org", "Arch Linux"),
    ("networkcheck.kde.org", "KDE"),
    ("connect.rom.miui.com", "Xiaomi"),
    ("connectivitycheck.platform.hicloud.com", "Huawei"),
    ("conn1.oppomobile.com", "Oppo"),
    ("cp.cloudflare.com", "Cloudflare"),
    ("test.steampowered.com", "Steam"),
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
    is_our_name(host, site)
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::Ipv4Addr>().is_ok()
        || host.starts_with('[')
}

/// Whether a form came from one of our own pages.
///
/// There is no cookie and no script to carry a token, and none is needed: every browser of today sends Origin with a
/// POST from a foreign page, and sends `null` if that page hides itself. It is compared with Host, not with our
/// address, because a page that was reached through a forwarder has the forwarder's name in both. A request with
/// neither Origin nor Referer is not from a foreign page but from a simple program, and is let in.
/// What comes over https comes from an https page: one of our name by http may be anybody's who plays the gateway.
pub(crate) fn is_same_origin(headers: &HeaderMap, is_secure: bool) -> bool {
    let source = if headers.contains_key(ORIGIN) { ORIGIN } else { REFERER };
    let mut values = headers.get_all(&source).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return !headers.contains_key(&source);
    };
    let (Some(Ok(host)), Ok(value)) = (headers.get(HOST).map(|host| host.to_str()), value.to_str()) else {
        return false;
    };
    let Some(rest) = after_scheme(value) else {
        return false;
    };
    let is_from_secure = value.len() - rest.len() == "https://".len();
    !host.is_empty() && split_authority(rest).0.eq_ignore_ascii_case(host) && (is_from_secure || !is_secure)
}

/// Whether a page of another web site sent this request, as far as the browser tells. A portal with TLS and a program are
/// not told of by Referer, so whoever has neither that nor Origin is not foreign.
pub(crate) fn is_foreign(headers: &HeaderMap, site: &Site) -> bool {
    [ORIGIN, REFERER].iter().any(|name| headers.contains_key(name) && !comes_from_known(headers, name, site))
}

/// Whether the browser says, in this field, that a page of the portal, of a site that the operator named or of ourselves
/// sent this request.
pub(crate) fn comes_from_known(headers: &HeaderMap, name: &HeaderName, site: &Site) -> bool {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Some(source) = value.to_str().ok().and_then(Origin::of) else { return false };
    let known = [&site.uam.portal.server, &site.uam.portal.wispr_login, &site.base_url].map(String::as_str);
    let known = known.into_iter().chain(site.uam.home_page.as_deref());
    known
        .chain(site.uam.origins.iter().map(String::as_str))
        .any(|ours| Origin::of(ours).is_some_and(|ours| ours.is(source)))
        || is_our_name(bare_host(source.authority), site)
}

/// Where a page comes from (RFC 6454): scheme, host and port.
#[derive(Clone, Copy)]
struct Origin<'a> {
    is_secure: bool,
    authority: &'a str,
}

impl<'a> Origin<'a> {
    /// Of a web address, or of an origin as browsers write it.
    fn of(url: &'a str) -> Option<Self> {
        let url = WebUrl::parse(url)?;
        let is_secure = url.as_str().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        let usual_port = if is_secure { ":443" } else { ":80" };
        let authority = url.authority();
        Some(Self { is_secure, authority: authority.strip_suffix(usual_port).unwrap_or(authority) })
    }

    fn is(self, other: Self) -> bool {
        self.is_secure == other.is_secure && self.authority.eq_ignore_ascii_case(other.authority)
    }
}

fn is_our_name(host: &str, site: &Site) -> bool {
    let address = bare_host(base_authority(site));
    site.names.iter().map(String::as_str).chain([address]).any(|name| host.eq_ignore_ascii_case(name))
}

/// Host and port of our own address.
fn base_authority(site: &Site) -> &str {
    split_authority(after_scheme(&site.base_url).unwrap_or(&site.base_url)).0
}

#[cfg(test)]
mod tests {
    use wire::url::percent_encoded;

    use super::*;

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
            is_same_origin(&headers, false)
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

        let over_https = |origin: &str| {
            let fields = [("host", "portal.example.org"), ("origin", origin)];
            let headers = fields.map(|(name, value)| {
                let name = hyper::header::HeaderName::from_bytes(name.as_bytes()).expect("name");
                (name, value.parse().expect("value"))
            });
            is_same_origin(&HeaderMap::from_iter(headers), true)
        };
        assert!(over_https("https://portal.example.org"));
        assert!(!over_https("http://portal.example.org"), "somebody who plays the gateway");
        assert!(!over_https("https://evil.example"));
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
                percent_encoded(&text).flatten().all(|octet| octet.is_ascii_alphanumeric() || b"%-._~".contains(octet))
            );
            if let Some(url) = WebUrl::parse(&text) {
                accepted += 1;
                assert!(hyper::header::HeaderValue::from_str(url.as_str()).is_ok(), "{text:?}");
                assert!(!url.as_str().contains(['"', '<', '>', ' ']), "{text:?}");
                assert!(!url.authority().is_empty() && !url.authority().contains(['@', '/', '?', '#']), "{text:?}");
                // Another parser sees the same host.
                let uri: Uri = url.as_str().parse().expect("an address that hyper takes, too");
                assert_eq!(uri.authority().map(|authority| authority.as_str()), Some(url.authority()), "{text:?}");
            }
        }
        assert!(accepted > 100, "{accepted}");
    }
}
