//! The captive portal API of RFC 8908. It knows guests by their addresses, so one address of it does for all.
//!
//! Deviation: without a certificate it answers over http, where the RFC wants TLS for itself (section 4.1) and for
//! `user-portal-url` (section 5). Guests are not told of it then.

use std::fmt::Write;

use hyper::StatusCode;

use crate::reply::{Reply, private, reply};
use crate::{Guest, Site};

pub(crate) fn answer(guest: &Guest, site: &Site) -> Reply {
    let mut json = String::from("{\"captive\":");
    json.push_str(if matches!(guest, Guest::NotLoggedIn) { "true" } else { "false" });
    // Writing to a String does not fail.
    let _ = write!(json, ",\"user-portal-url\":\"{}/\"", escaped(&site.base_url));
    if let Some(url) = &site.venue_url {
        let _ = write!(json, ",\"venue-info-url\":\"{}\"", escaped(url));
    }
    let _ = write!(json, ",\"can-extend-session\":{}", site.can_extend);
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
    private(reply(StatusCode::OK, "application/captive+json", json))
}

fn escaped(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]))
        .collect()
}
