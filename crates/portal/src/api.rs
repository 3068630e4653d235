//! The captive portal API of RFC 8908.
//!
//! Deviation: the RFC wants TLS, for the API (section 4.1) and for `user-portal-url` (section 5). Both are plain
//! HTTP here, so this address must not be announced by DHCP option 114 until there is a certificate.

use std::fmt::Write;

use hyper::StatusCode;

use crate::reply::{Reply, reply};
use crate::{Guest, Site};

pub(crate) fn answer(guest: &Guest, site: &Site) -> Reply {
    let mut json = String::from("{\"captive\":");
    json.push_str(if matches!(guest, Guest::NotLoggedIn) { "true" } else { "false" });
    let _ = write!(json, ",\"user-portal-url\":\"{}/\",\"can-extend-session\":false", escaped(&site.base_url));
    if let Guest::LoggedIn(session) = guest {
        // RFC 8908 section 5: left out when the session has no such limit.
        if let Some(left) = session.time_left {
            let _ = write!(json, ",\"seconds-remaining\":{}", left.as_secs());
        }
        if let Some(left) = session.octets_left {
            let _ = write!(json, ",\"bytes-remaining\":{left}");
        }
    }
    json.push_str("}\n");
    reply(StatusCode::OK, "application/captive+json", json)
}

fn escaped(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]))
        .collect()
}
