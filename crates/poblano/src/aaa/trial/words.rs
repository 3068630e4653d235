//! What a test tells: packets as they come and go, and what a grant means for a guest.

use std::io::ErrorKind;
use std::time::Duration;

use engine::session::Grant;
use radius::{Refusal, View};
use wire::Now;

use super::super::client::Seen;
use crate::clock::Clock;
use crate::commands::{octets, say};

/// Packets as they come and go, with the time since the first one was sent.
pub(super) struct Transcript {
    clock: Clock,
    began: Option<Duration>,
    last_sent: Vec<u8>,
    /// The answers that did not count.
    refusals: Vec<Refusal>,
    nobody_listens: bool,
    is_connected: bool,
    /// A connection could not be made, or ended.
    is_disconnected: bool,
    is_page: bool,
}

impl Transcript {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            began: None,
            last_sent: Vec::new(),
            refusals: Vec::new(),
            nobody_listens: false,
            is_connected: false,
            is_disconnected: false,
            is_page: false,
        }
    }

    pub(super) fn tell(&mut self, seen: &Seen<'_>) {
        let now = self.clock.mono();
        let millis = now.saturating_sub(*self.began.get_or_insert(now)).as_millis();
        match seen {
            Seen::Sent { to, packet } if self.last_sent == *packet => {
                say(&format!("  {millis} ms: sent again to {to}"))
            }
            Seen::Sent { to, packet } => {
                self.last_sent = packet.to_vec();
                tell_packet(&format!("{millis} ms: sent to {to}"), packet);
            }
            Seen::Received { from, packet, refusal: None } => {
                let how = if self.is_connected { "by its certificate" } else { "with the secret" };
                tell_packet(&format!("{millis} ms: received from {from}, and proven {how}"), packet);
            }
            Seen::Received { from, packet, refusal: Some(refusal) } => {
                self.refusals.push(*refusal);
                tell_packet(&format!("{millis} ms: received from {from}, and ignored: {refusal}"), packet);
            }
            Seen::Connected { to, version } => {
                self.is_connected = true;
                say(&format!("  {millis} ms: connected to {to}, {version}"));
            }
            Seen::Disconnected { server, error } => {
                self.is_disconnected = true;
                say(&format!("  {millis} ms: no connection to {server}: {error:#}"));
            }
            Seen::Asked { page, packet } => {
                self.is_page = true;
                tell_packet(&format!("{millis} ms: asked {page} what this would ask"), packet);
            }
            Seen::Answered { page, packet } => {
                tell_packet(&format!("{millis} ms: {page} answered what this would answer"), packet);
            }
            Seen::Unanswered { page, error } => say(&format!("  {millis} ms: no answer of {page}: {error:#}")),
            Seen::Failed { server, error } => {
                self.nobody_listens |= error.kind() == ErrorKind::ConnectionRefused;
                say(&format!("  {millis} ms: {server} cannot be reached: {error}"));
            }
        }
    }

    /// Why an answer is believed.
    pub(super) fn proof(&self) -> &'static str {
        match () {
            () if self.is_page => "is the page that it should be, as far as its address tells",
            () if self.is_connected => "has the certificate that it should",
            () => "has the same secret",
        }
    }

    /// What is most likely wrong, and what to do.
    pub(super) fn why_unanswered(&self, port: &str) -> String {
        let had = |wanted: &[Refusal]| self.refusals.iter().any(|refusal| wanted.contains(refusal));
        if self.is_page {
            "it is to answer with status 200, and one line of it is to be Auth: 1, or Auth: 0 for a refusal".to_owned()
        } else if had(&[Refusal::WrongAuthenticator, Refusal::WrongMessageAuthenticator]) {
            "it was computed with another secret: the secret must be the same here and there".to_owned()
        } else if had(&[Refusal::MissingMessageAuthenticator]) {
            "let the server send Message-Authenticator; if it cannot, set require_message_authenticator = false for it"
                .to_owned()
        } else if self.is_disconnected && !self.is_connected {
            "compare address, tls_port, ca_file and server_name with the server; if it hangs up, it does not trust \
             certificate_file, and its log says why"
                .to_owned()
        } else if self.is_connected {
            "it trusts our certificate and is silent all the same, or hangs up; its log says why".to_owned()
        } else if self.nobody_listens {
            format!("the machine is there, but no server listens: start it, or correct {port}")
        } else {
            "a server is silent when it does not run, when it does not know this gateway's address as a client's, when it \
             has another secret for it, or when a firewall is between; its log says which (FreeRADIUS: freeradius -X)"
                .to_owned()
        }
    }
}

/// A packet, an attribute in each line.
fn tell_packet(what: &str, packet: &[u8]) {
    match View::parse(packet) {
        Ok(view) => {
            say(&format!("  {what}: {} id {}", view.code(), view.id()));
            view.items().for_each(|item| say(&format!("      {item}")));
        }
        Err(error) => say(&format!("  {what}: {error}")),
    }
}

/// How a question ended.
pub(super) fn result(words: &str) {
    say(&format!("  = {words}"));
}

/// What that means, or what to do.
pub(super) fn hint(words: &str) {
    say(&format!("      {words}"));
}

/// What a guest with this grant may do.
pub(super) fn allowed(grant: &Grant, redirect: Option<&str>, now: Now) -> Vec<String> {
    let time = |time: Duration| config::format_duration(time);
    let rate = |bits: u64| config::BitRate(bits).to_string();
    let quota = grant.quota;
    let limits = [
        grant.session_timeout.map(|limit| format!("is online for {} at most", time(limit))),
        grant.until.map(|until| format!("is online until {} from now", time(until.saturating_sub(now.unix)))),
        grant.idle_timeout.map(|limit| format!("is logged out when it sends nothing for {}", time(limit))),
        grant.rate_up.limit().map(|bits| format!("sends {} bit/s at most", rate(bits))),
        grant.rate_down.limit().map(|bits| format!("receives {} bit/s at most", rate(bits))),
        quota.octets_up.map(|limit| format!("sends {} in a session", octets(limit))),
        quota.octets_down.map(|limit| format!("receives {} in a session", octets(limit))),
        quota.octets_total.map(|limit| format!("sends and receives {} in a session", octets(limit))),
    ];
    let mut lines: Vec<String> = limits.into_iter().flatten().collect();
    if lines.is_empty() {
        lines.push("is online without a limit".to_owned());
    }
    lines.extend(redirect.map(|url| format!("is led to {url} first")));
    lines.extend(grant.interim.filter(|i| !i.is_zero()).map(|i| format!("is accounted for every {}", time(i))));
    let user = grant.personal.as_ref().and_then(|personal| personal.user.as_ref());
    lines.extend(user.map(|user| format!("is accounted for as {user:?}")));
    lines
}

#[cfg(test)]
mod tests {
    use engine::session::{Personal, Quota, Source};
    use fastpath::police::Rate;

    use super::*;

    #[test]
    fn a_grant_is_told_as_a_person_would() {
        let now = Now { mono: Duration::ZERO, unix: Duration::from_secs(1_800_000_000) };
        let grant = Grant {
            session_timeout: Some(Duration::from_secs(600)),
            until: Some(now.unix + Duration::from_secs(5400)),
            idle_timeout: Some(Duration::from_secs(300)),
            interim: Some(Duration::from_secs(60)),
            rate_up: Rate::bits_per_second(512_000),
            rate_down: Rate::bits_per_second(8_000_000),
            quota: Quota { octets_up: Some(5_000), octets_down: None, octets_total: Some(1_500_000_000) },
            source: Source::Radius,
            personal: Personal { user: Some("card 7".into()), ..Personal::default() }.boxed(),
        };
        let expected = "is online for 10m at most\nis online until 1h30m from now\nis logged out when it sends nothing for \
                        5m\nsends 512k bit/s at most\nreceives 8M bit/s at most\nsends 5000 B in a session\nsends and \
                        receives 1.5 GB in a session\nis led to http://a/ first\nis accounted for every 1m\nis accounted \
                        for as \"card 7\"";
        assert_eq!(allowed(&grant, Some("http://a/"), now).join("\n"), expected);
        assert_eq!(allowed(&Grant::default(), None, now), ["is online without a limit"]);
    }
}
