//! `[portal.tls]` and what guests are told of the captive portal API; `[console.tls]`.

use std::path::Path;

use wire::url::WebUrl;

use crate::read::{Read, others_can_read};
use crate::{Config, Console, PortalTls};

/// The redirect to the portal has 536 octets for its address and where the guest was going.
const MAX_NAME: usize = 128;
/// What stands for a guest's own in `dhcp.captive_portal`.
const PLACEHOLDERS: [&str; 5] = ["%{m}", "%{M}", "%{i}", "%{n}", "%{t}"];

pub(super) fn check(config: &Config, read: &mut Read<'_>) {
    match &config.portal.tls {
        Some(tls) => portal(config, tls, read),
        None => {
            for key in ["portal.tls.certificate_file", "portal.tls.key_file"] {
                if read.is_given(key) {
                    read.conflict(key, &["portal.tls.name"], "needs name, what the certificate is for; add it");
                }
            }
        }
    }
    if let Some(url) = &config.dhcp.captive_portal
        && let Some(objection) = objection(url)
    {
        read.conflict("dhcp.captive_portal", &[], objection);
    }
}

fn portal(config: &Config, tls: &PortalTls, read: &mut Read<'_>) {
    for key in ["certificate_file", "key_file"] {
        if !read.is_given(&format!("portal.tls.{key}")) {
            read.conflict("portal.tls.name", &[], format!("needs {key}; add it"));
        }
    }
    if read.is_given("portal.tls.key_file") {
        warn_of_open_key("portal.tls.key_file", &tls.key, read);
    }
    if tls.name.len() > MAX_NAME {
        read.conflict("portal.tls.name", &[], format!("is longer than {MAX_NAME} octets"));
    }
    if !tls.name.contains('.') {
        let message =
            "has no dot: no authority certifies such a name, and devices search for it rather than ask for it";
        read.warn("portal.tls.name", &[], message);
    }
    let port = tls.port;
    if matches!(port, 53 | 67 | 80) || port == config.portal.port || config.uam.ui_port == Some(port) {
        let message = format!("port {port} has its own server; choose another such as 443");
        read.conflict("portal.tls.port", &["portal.port", "uam.ui_port"], message);
    }
}

/// Passwords of operators cross no network as they are, unless somebody has said so.
pub(super) fn console(console: &Console, read: &mut Read<'_>) {
    const CERTIFICATE: &str = "console.tls.certificate_file";
    const KEY: &str = "console.tls.key_file";
    for (there, missing) in [(CERTIFICATE, KEY), (KEY, CERTIFICATE)] {
        if read.is_given(there) && !read.is_given(missing) {
            let name = missing.rsplit('.').next().unwrap_or(missing);
            read.conflict(there, &[], format!("needs {name}; add it"));
        }
    }
    if let Some(tls) = &console.tls {
        warn_of_open_key(KEY, &tls.key, read);
        return;
    }
    let Some(address) = console.listen.filter(|address| !address.is_loopback()) else { return };
    if !console.plain_http {
        let message = format!(
            "at {address} passwords and tokens could be read on the way; add [console.tls], take 127.0.0.1, or say \
             plain_http = true"
        );
        read.conflict("console.listen", &["console.plain_http", CERTIFICATE, KEY], message);
    } else if address.is_unspecified() {
        let message = "is each address of this machine, the one towards the Internet too, and the console speaks http: \
                       passwords can be read on the way; choose one address, say 127.0.0.1";
        read.warn("console.listen", &[], message);
    }
}

fn warn_of_open_key(place: &str, key: &Path, read: &mut Read<'_>) {
    if others_can_read(key) {
        read.warn(place, &[], format!("{} can be read by every user; chmod 600 it", key.display()));
    }
}

/// Why guests cannot be told this address.
fn objection(url: &str) -> Option<String> {
    let filled = PLACEHOLDERS.iter().fold(url.to_owned(), |url, placeholder| url.replace(placeholder, "0"));
    if filled.contains("%{") {
        return Some(format!("has another placeholder than {}", PLACEHOLDERS.join(", ")));
    }
    let is_secure = url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    match WebUrl::parse(&filled) {
        Some(_) if is_secure => None,
        Some(_) => Some("is http, where devices do not ask (RFC 8908, 4.1); use https".to_owned()),
        None => Some("is no https address in ASCII".to_owned()),
    }
}
