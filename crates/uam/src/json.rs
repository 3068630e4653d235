//! The JSON API: one object, its members in CoovaChilli's order, as it is or as an argument of a function (JSONP).

use std::fmt::Write;

use crate::{Outcome, Reason, Reply, Session};

/// True for what may be called with the object: names and dots, nothing that does something by itself.
#[must_use]
pub fn is_callback(name: &str) -> bool {
    let is_identifier = |part: &str| {
        part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
            && part.starts_with(|c: char| !c.is_ascii_digit())
    };
    name.len() <= 64 && name.split('.').all(is_identifier)
}

/// What the object has besides the members that are always there.
struct Sections {
    challenge: bool,
    location: bool,
    redir: bool,
    session: bool,
}

/// The object. It can stand in a script and in a page, for nothing in it ends either.
#[must_use]
pub fn json(reply: &Reply<'_>) -> String {
    let online = matches!(reply.outcome, Outcome::Success | Outcome::Already | Outcome::Status { online: true });
    let sections = sections(reply.outcome);
    let mut object = Object::new();
    object.text("version", "1.0");
    object.number("clientState", client_state(reply, online));
    object.text_if_any("nasid", &reply.portal.nas_id);
    object.text_if_any("message", reply.message.unwrap_or_default());
    if let Some(challenge) = reply.challenge.filter(|_| sections.challenge) {
        object.text("challenge", &challenge.to_string());
    }
    if sections.location {
        let mut location = Object::new();
        location.text("name", &reply.portal.location_name);
        object.object("location", location);
    }
    if sections.redir {
        object.object("redir", redir(reply));
    }
    if sections.session {
        let nothing = Session::default();
        let session = reply.session.unwrap_or(&nothing);
        object.object("session", of_session(session, reply));
        let is_new = reply.outcome == Outcome::Success || reply.session.is_none();
        object.object("accounting", accounting(if is_new { &nothing } else { session }, reply));
    }
    object.end()
}

/// 2 is only of scripts: they wait for an answer.
fn client_state(reply: &Reply<'_>, online: bool) -> u64 {
    match reply.outcome {
        _ if online => 1,
        Outcome::AbortRefused => 1,
        Outcome::NotYet | Outcome::Status { .. } if reply.is_splash => 3,
        _ => 0,
    }
}

fn sections(outcome: Outcome) -> Sections {
    let (challenge, location, redir, session) = match outcome {
        Outcome::Already => (false, false, false, true),
        Outcome::Failed(Reason::Reject | Reason::Other) => (true, false, true, false),
        Outcome::Failed(Reason::Timeout) | Outcome::Challenge | Outcome::Aborted | Outcome::AbortRefused => {
            (false, false, false, false)
        }
        Outcome::Success | Outcome::Status { online: true } => (false, false, true, true),
        Outcome::LoggedOff => (true, false, false, true),
        Outcome::NotYet | Outcome::Status { online: false } => (true, true, true, false),
    };
    Sections { challenge, location, redir, session }
}

fn redir(reply: &Reply<'_>) -> Object {
    let mut redir = Object::new();
    redir.text("originalURL", reply.user_url);
    redir.text("redirectionURL", reply.session_url.unwrap_or_default());
    redir.text("logoutURL", &reply.portal.page("logoff"));
    redir.text("ipAddress", &reply.station.ip.to_string());
    if !reply.station.is_shared {
        redir.text("macAddress", &reply.station.mac.to_station_id());
    }
    redir
}

fn of_session(session: &Session, reply: &Reply<'_>) -> Object {
    let (input, output) = turned(reply, session.limit_up, session.limit_down);
    let mut object = Object::new();
    object.text("sessionId", &session.id);
    object.text("userName", &session.user);
    object.number("startTime", session.start_secs);
    object.number("sessionTimeout", session.limit_secs);
    let ends = if session.limit_secs > 0 { session.start_secs.saturating_add(session.limit_secs) } else { 0 };
    object.number("terminateTime", ends);
    object.number("idleTimeout", session.idle_limit_secs);
    if let Some(vlan) = reply.station.vlan {
        object.number("vlan", vlan.into());
    }
    for (name, limit) in
        [("maxInputOctets", input), ("maxOutputOctets", output), ("maxTotalOctets", session.limit_total)]
    {
        if limit > 0 {
            object.number(name, limit);
        }
    }
    object
}

fn accounting(session: &Session, reply: &Reply<'_>) -> Object {
    let (input, output) = turned(reply, session.octets_up, session.octets_down);
    let mut object = Object::new();
    object.number("sessionTime", session.secs);
    object.number("idleTime", session.idle_secs);
    object.number("inputOctets", input & 0xffff_ffff);
    object.number("outputOctets", output & 0xffff_ffff);
    object.number("inputGigawords", input >> 32);
    object.number("outputGigawords", output >> 32);
    object.text("viewPoint", if reply.portal.input_is_from_guest { "nas" } else { "client" });
    object
}

/// Input and output, as the operator counts.
fn turned(reply: &Reply<'_>, up: u64, down: u64) -> (u64, u64) {
    if reply.portal.input_is_from_guest { (up, down) } else { (down, up) }
}

/// An object, as it grows.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.extend(["\"", name, "\":"]);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push('"');
        for c in value.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                // What ends a script or a line of it, in a page or by itself.
                '<' | '>' | '&' | '\'' | '\u{2028}' | '\u{2029}' => self.escape(c),
                c if c.is_control() => self.escape(c),
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    fn escape(&mut self, c: char) {
        let _ = write!(self.0, "\\u{:04x}", u32::from(c)); // writing to a String does not fail
    }

    fn text_if_any(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.text(name, value);
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        let _ = write!(self.0, "{value}"); // writing to a String does not fail
    }

    fn object(&mut self, name: &str, value: Self) {
        self.name(name);
        self.0.push_str(&value.end());
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_may_be_called() {
        for good in ["callback", "jQuery1910_123", "chilliController.onUpdate", "$", "_a.b$c"] {
            assert!(is_callback(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "1a",
            "a.1b",
            "alert(1)//",
            "a;b",
            "a b",
            "a\nb",
            "a[0]",
            "<script>",
            "\u{e4}",
            &"a".repeat(65),
        ] {
            assert!(!is_callback(bad), "{bad}");
        }
    }

    #[test]
    fn a_text_ends_neither_itself_nor_a_script() {
        let mut object = Object::new();
        object.text("a", "\"\\</script>&'\n\u{2028}\u{7f}\u{e4}");
        assert_eq!(object.end(), "{\"a\":\"\\\"\\\\\\u003c/script\\u003e\\u0026\\u0027\\u000a\\u2028\\u007f\u{e4}\"}");
    }
}
