//! Where a browser is led: the portal's address with everything that the portal needs in it.

use std::fmt::Write;

use crate::challenge::md5;
use crate::hex;
use crate::{Outcome, Portal, Reason, Reply, Station};

/// The address to put into Location. It is ASCII without blanks and control characters, whatever the guest, the server or
/// the configuration say.
#[must_use]
pub fn location(reply: &Reply<'_>) -> String {
    let is_for_server = matches!(
        reply.outcome,
        Outcome::Success | Outcome::Already | Outcome::Status { online: true } | Outcome::Failed(Reason::Reject)
    );
    match reply.session_url {
        // Where the server wants the guest to go is the whole answer.
        Some(url) if is_for_server && !reply.portal.redirect_url => url.to_owned(),
        _ => to_portal(reply),
    }
}

/// The operator's own page, which gets the portal's address as `loginurl`.
#[must_use]
pub fn with_home_page(home_page: &str, login_url: &str) -> String {
    format!("{home_page}{}loginurl={}", separator(home_page), encoded(login_url))
}

fn to_portal(reply: &Reply<'_>) -> String {
    let Portal { server, gateway, .. } = reply.portal;
    let is_splash = reply.is_splash && reply.outcome == Outcome::NotYet;
    let server = reply.session_url.filter(|_| is_splash).unwrap_or(server);
    let res = if is_splash { "splash" } else { res(reply.outcome) };
    let Station { mac, ip, vlan, .. } = reply.station;
    let mut url = format!("{server}{}res={res}", separator(server));
    let mut add = |name: &str, value: &str| {
        url.extend(["&", name, "=", value]);
    };
    let encoded_if_any = |value: &str| Some(encoded(value)).filter(|value| !value.is_empty());
    if let Outcome::Failed(reason) = reply.outcome {
        add("reason", reason.word());
    }
    if let Some((address, port)) = gateway {
        add("uamip", &address.to_string());
        add("uamport", &port.to_string());
    }
    let is_in = matches!(reply.outcome, Outcome::Success | Outcome::Already | Outcome::Status { online: true });
    if let Some(challenge) = reply.challenge.filter(|_| !is_in) {
        add("challenge", &challenge.to_string());
    }
    let is_status = matches!(reply.outcome, Outcome::Status { .. });
    if let Some(session) = reply.session.filter(|_| is_status) {
        add("starttime", &session.start_secs.to_string());
        add("sessiontime", &session.secs.to_string());
        if session.limit_secs > 0 {
            add("sessiontimeout", &session.limit_secs.to_string());
            add("stoptime", &session.start_secs.saturating_add(session.limit_secs).to_string());
        }
    }
    add("called", &encoded(&reply.portal.called));
    if is_status || reply.outcome == Outcome::Success {
        add("uid", &encoded(reply.session.map_or("", |session| &session.user)));
    }
    if let Some(session) = reply.session.filter(|session| session.limit_secs > 0) {
        if is_status {
            add("timeleft", &session.left_secs.to_string());
        } else if reply.outcome == Outcome::Success {
            add("timeleft", &session.limit_secs.to_string());
        }
    }
    add("mac", &mac.to_station_id());
    add("ip", &ip.to_string());
    for (name, value) in [
        ("reply", encoded_if_any(reply.message.unwrap_or_default())),
        ("ssid", encoded_if_any(&reply.portal.ssid)),
        ("nasid", encoded_if_any(&reply.portal.nas_id)),
        ("vlan", vlan.map_or_else(|| encoded_if_any(&reply.portal.vlan), |vlan| Some(vlan.to_string()))),
        ("lang", encoded_if_any(reply.lang)),
        ("sessionid", encoded_if_any(reply.session.map_or(reply.next_session_id, |session| &session.id))),
        ("ssl", encoded_if_any(&reply.portal.secure)),
        ("redirurl", reply.session_url.filter(|_| reply.portal.redirect_url).and_then(encoded_if_any)),
        ("userurl", Some(encoded(reply.user_url))),
    ] {
        if let Some(value) = value {
            add(name, &value);
        }
    }
    if !reply.portal.secret.is_empty() {
        let digest = md5(&[url.as_bytes(), &reply.portal.secret]);
        url.push_str("&md=");
        url.push_str(&hex::lower(&digest).to_ascii_uppercase());
    }
    url
}

fn res(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotYet | Outcome::Status { online: false } => "notyet",
        Outcome::Already | Outcome::AbortRefused | Outcome::Status { online: true } => "already",
        Outcome::Success => "success",
        Outcome::Failed(_) => "failed",
        Outcome::Challenge => "challenge",
        Outcome::LoggedOff | Outcome::Aborted => "logoff",
    }
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Timeout => "timeout",
            Self::Other => "other",
        }
    }
}

/// What stands between an address and its next parameter.
pub(crate) fn separator(url: &str) -> char {
    if url.contains('?') { '&' } else { '?' }
}

/// CoovaChilli's percent-encoding: lower-case digits, and `! * ~` as they are.
fn encoded(text: &str) -> String {
    encoded_octets(text.as_bytes())
}

/// The same of what may be no text.
pub(crate) fn encoded_octets(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len());
    for &octet in octets {
        if octet.is_ascii_alphanumeric() || b"-_.!~*".contains(&octet) {
            out.push(char::from(octet));
        } else {
            let _ = write!(out, "%{octet:02x}"); // writing to a String does not fail
        }
    }
    out
}
