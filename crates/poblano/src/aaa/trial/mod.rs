//! `poblano radius test`: a login against each configured server, as the gateway would make it, told packet by packet.

mod words;

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use config::{Config, RadiusServer};
use engine::gateway::Attempt;
use fastpath::session::SlotIndex;
use platform::System;
use radius::request::{Authentic, Record, SessionFacts};
use radius::{AccountingRequest, Code, Outcome, Reply, TerminateCause, Usage};
use tokio::task::LocalSet;
use wire::{GuestKey, MacAddr, Vlan};

use self::words::Transcript;
use super::address::{Written, wanted};
use super::asks::{Ask, Asks};
use super::client::RadiusClient;
use super::devices::wants_the_portal;
use super::grant::{Declined, Rules, redirect};
use super::ignored::ignored;
use crate::cli::RadiusTest;
use crate::clock::Clock;
use crate::{commands, run, settings};

/// The station of a test that names none: from the range that anybody may use, and no device's.
const NOBODY: MacAddr = MacAddr([2, 0, 0, 0, 0, 0]);
/// Who a test logs in that names nobody. Its password is random: the server is to refuse it.
const NO_ACCOUNT: &str = "poblano-test";

/// How a test ended, from good to bad. The numbers are the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Verdict {
    /// As it should.
    Good = 0,
    /// The server or the gateway lets this guest not in.
    Refused = 3,
    /// No answer that can be believed.
    Unanswered = 4,
}

/// What is tried.
enum Login {
    /// Only whether the server answers, and with the same secret.
    Nobody {
        password: String,
    },
    Person {
        name: String,
        password: String,
    },
    Device,
}

/// Tries all servers, one after the other, whatever became of the first.
pub(crate) fn test(command: &RadiusTest) -> anyhow::Result<ExitCode> {
    let config = settings::of_zone(settings::load(&command.setup)?, command.zone.as_deref())?;
    if config.radius.servers.is_empty() {
        anyhow::bail!("there is no RADIUS server to test; add a [[radius.server]] to the configuration");
    }
    let login = match &command.user {
        Some(name) => {
            Login::Person { name: name.clone(), password: commands::read_password(&format!("Password of {name}: "))? }
        }
        None if command.mac.is_some() => Login::Device,
        None => Login::Nobody { password: commands::make_password() },
    };
    let host = run::machine(std::slice::from_ref(&config));
    let lan_mac = host.lan(&config.lan.interface).ok().map(|lan| lan.mac);
    let trial = Trial {
        asks: Asks::new(&config, lan_mac),
        rules: Rules::new(&config),
        login,
        mac: command.mac.unwrap_or(NOBODY),
        accounting: command.accounting,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut worst = Verdict::Good;
    for server in &config.radius.servers {
        // With its set a client ends, and asks after its server no more.
        worst = worst.max(runtime.block_on(LocalSet::new().run_until(trial.run(&config, server)))?);
    }
    Ok(ExitCode::from(worst as u8))
}

struct Trial {
    asks: Asks,
    rules: Rules,
    login: Login,
    mac: MacAddr,
    accounting: bool,
}

impl Trial {
    async fn run(&self, config: &Config, server: &RadiusServer) -> anyhow::Result<Verdict> {
        commands::say(&format!("server {}", super::name(server)));
        let mut alone = config.clone();
        alone.radius.servers = vec![server.clone()];
        let transcript = Rc::new(RefCell::new(Transcript::new(Clock)));
        let watch = {
            let transcript = Rc::clone(&transcript);
            Box::new(move |seen: super::client::Seen<'_>| transcript.borrow_mut().tell(&seen))
        };
        let client = radius::Client::new(super::client_config(&alone, &self.asks.nas), Box::new(crate::dice))?;
        let client = RadiusClient::start(Clock, client, super::ways(&alone)?, watch);

        let attempt = self.attempt();
        let ask = self.ask(&attempt);
        let outcome = client.access(ask.request.clone()).await?;
        let verdict = match &outcome {
            Outcome::Accept(reply) if !ask.is_proven_by(reply) => {
                words::result("accepted by the server, refused here: it has not proven that it knows the password");
                words::hint("let it check passwords by MS-CHAPv2, or set radius.method to \"pap\"");
                Verdict::Refused
            }
            outcome => self.judge(outcome, &transcript.borrow()),
        };
        let Outcome::Accept(reply) = &outcome else { return Ok(verdict) };
        if verdict != Verdict::Good || !self.accounting {
            return Ok(verdict);
        }
        for record in self.records(&attempt, reply) {
            let request = AccountingRequest::new(record, Clock.now(), self.asks.nas.clone());
            let outcome = client.account(request).await?;
            if !matches!(outcome, Outcome::AccountingAck(_)) {
                words::result("the record was not taken");
                words::hint(&transcript.borrow().why_unanswered("acct_port"));
                return Ok(Verdict::Unanswered);
            }
            words::result("the record was taken");
        }
        Ok(Verdict::Good)
    }

    fn attempt(&self) -> Attempt {
        let mut random = [0; 4];
        crate::dice(&mut random);
        Attempt {
            slot: SlotIndex(0),
            key: GuestKey { lan: 0, vlan: Vlan::NONE, mac: self.mac },
            address: Ipv4Addr::UNSPECIFIED,
            session_id: format!("test{:08x}", u32::from_be_bytes(random)),
        }
    }

    fn ask(&self, attempt: &Attempt) -> Ask {
        let person = |name: &str, password: &str| {
            let credential = portal::Credential::Password(password.as_bytes().to_vec());
            let login = portal::Login {
                name,
                credential: &credential,
                original_url: "",
                lang: "",
                session_id: "",
                logoff_url: "",
            };
            self.asks.person(attempt, &login, None)
        };
        match &self.login {
            Login::Nobody { password } => person(NO_ACCOUNT, password),
            Login::Person { name, password } => person(name, password),
            Login::Device => self.asks.device(attempt, None),
        }
    }

    /// Says what the outcome means, and what to do about it.
    fn judge(&self, outcome: &Outcome, transcript: &Transcript) -> Verdict {
        let nobody = matches!(self.login, Login::Nobody { .. });
        match outcome {
            Outcome::Accept(_) if nobody => {
                words::result("accepted, though nobody has that name and password");
                words::hint("the server lets anybody in who asks; look for a DEFAULT that accepts");
                Verdict::Refused
            }
            Outcome::Accept(reply) => self.accepted(reply),
            Outcome::Reject(reply) if reply.code() == Code::AccessAccept => {
                words::result("accepted by the server, refused here: an attribute has an impossible length");
                words::hint("what it limits is not known, so it counts as a refusal (RFC 2865, 5)");
                Verdict::Refused
            }
            Outcome::Reject(_) if nobody => {
                words::result(&format!("the server answers, and {}", transcript.proof()));
                words::hint("it refused a name that nobody has, as it should; --user NAME tries a real one");
                Verdict::Good
            }
            Outcome::Reject(reply) => {
                words::result("refused");
                if let Some(message) = reply.reply_message() {
                    words::hint(&format!("the guest reads: {}", message.escape_debug()));
                }
                if let Some(url) = redirect(reply) {
                    words::hint(&format!("the guest is led to {url}"));
                }
                words::hint("the server does not know the name, the password or the device; its log says which");
                Verdict::Refused
            }
            Outcome::Challenge(_) => {
                words::result("refused: the server asks for something more, which the portal cannot answer");
                words::hint("give this account a password alone");
                Verdict::Refused
            }
            _ => {
                words::result("no answer that can be believed");
                words::hint(&transcript.why_unanswered("auth_port"));
                Verdict::Unanswered
            }
        }
    }

    fn accepted(&self, reply: &Reply) -> Verdict {
        if matches!(self.login, Login::Device) && wants_the_portal(reply) {
            words::result("known to the server, which wants a login at the portal all the same (ChilliSpot-Config)");
            return Verdict::Refused;
        }
        match self.rules.grant(reply, Clock.now()) {
            Ok((grant, redirect)) => {
                words::result("accepted; the guest");
                for line in words::allowed(&grant, redirect.as_deref(), Clock.now()) {
                    words::hint(&line);
                }
                if let Some(wanted) = wanted(reply) {
                    words::hint(&format!(
                        "{}: if it is known before its lease (joined, or before_lease)",
                        Written(&wanted)
                    ));
                }
                for ignored in ignored(reply) {
                    words::hint(&format!("(without effect: {})", ignored.text));
                }
                Verdict::Good
            }
            Err(Declined::Over) => {
                words::result("accepted by the server, refused here: WISPr-Session-Terminate-Time is past");
                Verdict::Refused
            }
            Err(Declined::Unusable(unusable)) => {
                words::result(&format!(
                    "accepted by the server, refused here: {} is {:?}",
                    unusable.attribute, unusable.value
                ));
                words::hint(unusable.what_to_do());
                Verdict::Refused
            }
        }
    }

    /// A session that is over as soon as it began.
    fn records(&self, attempt: &Attempt, reply: &Reply) -> [Record; 2] {
        let asked = self.ask(attempt).request.user;
        let facts = SessionFacts {
            user: reply.user_name().unwrap_or(asked),
            guest: self.asks.guest(attempt),
            classes: reply.classes(),
            cui: reply.chargeable_user_identity().map(<[u8]>::to_vec),
            authentic: Authentic::Radius,
        };
        let used = Usage { session_time: Duration::ZERO, ..Usage::default() };
        [Record::Start(facts.clone()), Record::Stop(facts, used, TerminateCause::UserRequest)]
    }
}
