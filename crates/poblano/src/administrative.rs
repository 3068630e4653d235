//! The gateway's own session at the RADIUS servers, and what they say about the configuration by it.
//!
//! The policy: the last Accept, or CoA for this session, holds until another one comes: through the silence of the
//! servers, a refusal and a restart. What it says is written down as it came, and read by `config::chilli::remote`, which
//! alone decides what of it has effect.
//!
//! The session is accounted as guests' are, by the same spool. It goes on when the servers are asked again in it, and ends at
//! its Session-Timeout, by a refusal or a Disconnect, and with the gateway. It uses no octets: those are on guests' records,
//! and whoever adds up all records would have them twice.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use config::chilli::remote::Remote;
use config::{Config, Network, RadiusAdministrative};
use engine::garden::Rule;
use radius::attr::{self, chillispot};
use radius::{Reply, TerminateCause};
use serde_json::{Value, json};
use store::{AccountedSession, AccountingEvent};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::aaa::Aaa;
use crate::gateway::Gateway;
use crate::kept::millis;

/// In `state.directory`.
const FILE: &str = "administrative";
/// All that one packet can say: an octet that is no text is written down as one character of three.
const MAX_FILE_OCTETS: usize = 3 * radius::limits::PACKET_OCTETS;
/// The least time between two questions, after silence, and between two interim records (RFC 2869, 5.16).
const LEAST: Duration = Duration::from_secs(60);

/// The session.
pub(crate) struct Administrative {
    who: RadiusAdministrative,
    lan: Network,
    file: PathBuf,
    state: RefCell<State>,
    /// Another answer holds.
    pub(crate) changed: Notify,
}

struct State {
    session: Option<Session>,
    /// What became of the last question.
    answer: &'static str,
    said: Vec<String>,
    remote: Remote,
}

struct Session {
    id: String,
    began: Instant,
    /// Its Session-Timeout.
    ends: Option<Instant>,
    /// Acct-Interim-Interval.
    interim: Option<Duration>,
    next_interim: Option<Instant>,
    user: String,
    class: Vec<Vec<u8>>,
    cui: Option<Vec<u8>>,
}

impl Session {
    fn account(&self, aaa: &Aaa, event: AccountingEvent) {
        let lasted = millis(self.began.elapsed());
        let facts = AccountedSession::of_gateway(self.user.clone(), self.class.clone(), self.cui.clone(), lasted);
        aaa.account_own(&self.id, event, facts);
    }
}

impl Administrative {
    /// With what was said in a former run; none if the gateway is to have no session.
    pub(crate) fn open(config: &Config) -> Option<Rc<Self>> {
        let who = config.radius.administrative.clone()?;
        let (file, lan) = (config.state.directory.join(FILE), config.lan.network);
        let said = match std::fs::read_to_string(&file) {
            Ok(text) if text.len() <= MAX_FILE_OCTETS => text.lines().map(str::to_owned).collect(),
            Ok(_) => {
                warn!("{} is too long to be ours; it has no effect", file.display());
                Vec::new()
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                warn!("{}: {error}; what a RADIUS server said before has no effect", file.display());
                Vec::new()
            }
        };
        let remote = Remote::read(said.iter().map(String::as_str), lan);
        let state = RefCell::new(State { session: None, answer: "none yet", said, remote });
        Some(Rc::new(Self { who, lan, file, state, changed: Notify::new() }))
    }

    /// The configuration with what a server says over it.
    pub(crate) fn apply(&self, config: &Config) -> Config {
        self.state.borrow().remote.apply(config)
    }

    /// This is what a server says now.
    pub(crate) fn take(&self, mut said: Vec<String>) {
        // The next run must read the same: one line is one option.
        said.iter_mut().for_each(|line| *line = line.replace(char::is_control, "\u{fffd}"));
        let mut state = self.state.borrow_mut();
        if said == state.said {
            return;
        }
        let remote = Remote::read(said.iter().map(String::as_str), self.lan);
        info!(options = said.len(), refused = remote.refused.len(), "a RADIUS server changes the configuration");
        for why in &remote.refused {
            warn!("what a RADIUS server says about the configuration has no effect: {why}");
        }
        let text: String = said.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        if let Err(error) = store::replace_file(&self.file, &text) {
            error!("{}: {error}; a restart forgets what the RADIUS server said", self.file.display());
        }
        (state.said, state.remote) = (said, remote);
        self.changed.notify_one();
    }

    /// A server ends the session, until the next question.
    pub(crate) fn disconnect(&self, aaa: &Aaa) {
        self.end(aaa, TerminateCause::AdminReset);
        self.state.borrow_mut().answer = "ended by the server";
        info!("a RADIUS server ended the gateway's own session; what it said stays");
    }

    /// The session is over, if there is one.
    pub(crate) fn end(&self, aaa: &Aaa, why: TerminateCause) {
        let session = self.state.borrow_mut().session.take();
        if let Some(session) = session {
            session.account(aaa, AccountingEvent::Stop(why.code()));
        }
    }

    /// What a server opens for everybody.
    pub(crate) fn garden(&self) -> Vec<Rule> {
        // Nothing of a file is in the defaults.
        let alone = self.apply(&Config::default());
        crate::garden::rules(&alone).unwrap_or_default()
    }

    pub(crate) fn has_session(&self, id: &[u8]) -> bool {
        self.state.borrow().session.as_ref().is_some_and(|own| own.id.as_bytes() == id)
    }

    pub(crate) fn has_user(&self, name: &[u8]) -> bool {
        self.state.borrow().session.is_some() && self.who.user.as_bytes() == name
    }

    /// For operators.
    pub(crate) fn to_json(&self) -> Value {
        let state = self.state.borrow();
        json!({
            "user": self.who.user,
            "session": state.session.as_ref().map(|session| &session.id),
            "answer": state.answer,
            "options": state.said.len(),
            "refused": state.remote.refused,
        })
    }

    /// Asks once; how long the answer is good for.
    async fn ask(&self, gateway: &Gateway) -> Duration {
        let before = self.state.borrow().session.as_ref().map(|session| session.id.clone());
        let session_id = before.clone().unwrap_or_else(new_id);
        match gateway.aaa.ask_about_gateway(&self.who, &session_id).await {
            // It was ended while a server was asked.
            Some(Ok(_)) if before.is_some() && self.state.borrow().session.is_none() => LEAST,
            Some(Ok(accept)) => {
                self.begin(&gateway.aaa, session_id, &accept);
                self.take(accept.all(chillispot::CONFIG));
                self.who.interval
            }
            Some(Err(why)) => {
                self.end(&gateway.aaa, TerminateCause::NasRequest);
                let mut state = self.state.borrow_mut();
                if state.answer != "refused" {
                    let user = &self.who.user;
                    warn!(user, "the gateway's own session is refused, so what a server said before stays: {why}");
                }
                state.answer = "refused";
                self.who.interval
            }
            None => {
                self.state.borrow_mut().answer = "silence";
                LEAST
            }
        }
    }

    /// The session begins, or goes on with what is said now.
    fn begin(&self, aaa: &Aaa, id: String, accept: &Reply) {
        let mut state = self.state.borrow_mut();
        state.answer = "accepted";
        let now = Instant::now();
        let named = |time: Option<Duration>| time.filter(|time| !time.is_zero()).map(|time| time.max(LEAST));
        let interim = named(accept.interim_interval());
        let before = state.session.take();
        let goes_on = before.as_ref().map(|session| (session.began, session.next_interim, session.interim));
        let next = interim.and_then(|interim| now.checked_add(interim));
        let session = Session {
            id,
            began: goes_on.map_or(now, |(began, _, _)| began),
            ends: named(accept.session_timeout()).and_then(|time| now.checked_add(time)),
            interim,
            next_interim: goes_on.filter(|(.., before)| *before == interim).map_or(next, |(_, due, _)| due),
            user: accept.get(attr::USER_NAME).unwrap_or_else(|| self.who.user.clone()),
            class: accept.classes(),
            cui: accept.get(attr::CHARGEABLE_USER_IDENTITY),
        };
        if before.is_none() {
            session.account(aaa, AccountingEvent::Start);
        }
        state.session = Some(session);
    }

    /// When something is due in the session: an interim record, or its end.
    fn due(&self) -> Option<Instant> {
        let state = self.state.borrow();
        let session = state.session.as_ref()?;
        session.next_interim.into_iter().chain(session.ends).min()
    }

    /// Does what is due. True if the session's time is over.
    fn handle_timeout(&self, aaa: &Aaa, now: Instant) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(session) = &mut state.session else { return false };
        if session.ends.is_some_and(|ends| ends <= now) {
            drop(state);
            self.end(aaa, TerminateCause::SessionTimeout);
            return true;
        }
        if session.next_interim.is_some_and(|due| due <= now) {
            session.account(aaa, AccountingEvent::Interim);
            session.next_interim = session.interim.and_then(|interim| now.checked_add(interim));
        }
        false
    }

    /// Keeps the session until then, or until its time is over.
    async fn keep_until(&self, aaa: &Aaa, end: Instant) {
        while let Some(due) = self.due().filter(|due| *due < end) {
            tokio::time::sleep_until(due).await;
            if self.handle_timeout(aaa, Instant::now()) {
                return;
            }
        }
        tokio::time::sleep_until(end).await;
    }
}

fn new_id() -> String {
    let mut octets = [0; 8];
    crate::dice(&mut octets);
    format!("{:016x}", u64::from_be_bytes(octets))
}

/// Asks again and again, and keeps the session; for ever.
pub(crate) async fn keep(gateway: &Gateway) {
    let Some(own) = &gateway.administrative else { return std::future::pending().await };
    loop {
        let good_for = own.ask(gateway).await;
        own.keep_until(&gateway.aaa, Instant::now() + good_for).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_reads_all_that_a_server_can_say_whatever_octets_it_says_it_in() {
        let state = std::env::temp_dir().join(format!("poblano-administrative-{}", std::process::id()));
        std::fs::create_dir_all(&state).unwrap();
        let text = format!(
            "[lan]\ninterface = \"eth1\"\n[state]\ndirectory = {state:?}\n[auth]\nmethod = \"radius\"\n[[radius.server]]\n\
             address = \"192.0.2.9\"\nsecret = \"between them alone\"\n[radius.administrative]\nuser = \"gateway-7\"\n\
             secret = \"another secret\"\n"
        );
        let config = Config::parse(&text, "test", &config::Overrides::default()).expect("it is valid").config;
        let open = || Administrative::open(&config).expect("it has a session");
        let said: Vec<String> =
            std::iter::once("defsessiontimeout=600".to_owned()).chain((0..15).map(|_| "\u{1}".repeat(247))).collect();
        open().take(said);
        let again = open();
        std::fs::remove_dir_all(&state).unwrap();
        assert_eq!(again.apply(&config).session.timeout, Some(Duration::from_secs(600)));
        assert_eq!(again.state.borrow().said.len(), 16);
    }
}
