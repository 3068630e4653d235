//! The gateway's own session at the RADIUS servers, and what they say about the configuration by it.
//!
//! The policy: the last Accept, or CoA for this session, holds until another one comes: through the silence of the
//! servers, a refusal and a restart. What it says is written down as it came, and read by `config::chilli::remote`, which
//! alone decides what of it has effect.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use config::chilli::remote::Remote;
use config::{Config, Network, RadiusAdministrative};
use engine::garden::Rule;
use radius::attr::chillispot;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tracing::{error, info, warn};

use crate::gateway::Gateway;

/// In `state.directory`.
const FILE: &str = "administrative";
/// All that one packet can say: an octet that is no text is written down as one character of three.
const MAX_FILE_OCTETS: usize = 3 * radius::limits::PACKET_OCTETS;
/// The least time between two questions, and after silence.
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
    /// None if there is no session.
    session_id: Option<String>,
    /// What became of the last question.
    answer: &'static str,
    said: Vec<String>,
    remote: Remote,
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
        let state = RefCell::new(State { session_id: None, answer: "none yet", said, remote });
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

    /// The session is over, until the next question.
    pub(crate) fn end(&self) {
        let mut state = self.state.borrow_mut();
        (state.session_id, state.answer) = (None, "ended by the server");
        info!("a RADIUS server ended the gateway's own session; what it said stays");
    }

    /// What a server opens for everybody.
    pub(crate) fn garden(&self) -> Vec<Rule> {
        // Nothing of a file is in the defaults.
        let alone = self.apply(&Config::default());
        crate::garden::rules(&alone).unwrap_or_default()
    }

    pub(crate) fn has_session(&self, id: &[u8]) -> bool {
        self.state.borrow().session_id.as_ref().is_some_and(|own| own.as_bytes() == id)
    }

    pub(crate) fn has_user(&self, name: &[u8]) -> bool {
        self.state.borrow().session_id.is_some() && self.who.user.as_bytes() == name
    }

    /// For operators.
    pub(crate) fn to_json(&self) -> Value {
        let state = self.state.borrow();
        json!({
            "user": self.who.user,
            "session": state.session_id,
            "answer": state.answer,
            "options": state.said.len(),
            "refused": state.remote.refused,
        })
    }

    /// Asks once; how long the answer is good for.
    async fn ask(&self, gateway: &Gateway) -> Duration {
        let mut octets = [0; 8];
        crate::dice(&mut octets);
        let session_id = format!("{:016x}", u64::from_be_bytes(octets));
        match gateway.aaa.ask_about_gateway(&self.who, &session_id).await {
            Some(Ok(accept)) => {
                {
                    let mut state = self.state.borrow_mut();
                    (state.session_id, state.answer) = (Some(session_id), "accepted");
                }
                self.take(accept.all(chillispot::CONFIG));
                accept.session_timeout().map_or(self.who.interval, |end| end.min(self.who.interval)).max(LEAST)
            }
            Some(Err(why)) => {
                let mut state = self.state.borrow_mut();
                if state.answer != "refused" {
                    let user = &self.who.user;
                    warn!(user, "the gateway's own session is refused, so what a server said before stays: {why}");
                }
                (state.session_id, state.answer) = (None, "refused");
                self.who.interval
            }
            None => {
                self.state.borrow_mut().answer = "silence";
                LEAST
            }
        }
    }
}

/// Asks again and again; for ever.
pub(crate) async fn keep(gateway: &Gateway) {
    let Some(own) = &gateway.administrative else { return std::future::pending().await };
    loop {
        let good_for = own.ask(gateway).await;
        tokio::time::sleep(good_for).await;
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
