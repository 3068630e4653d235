//! Who may come in, and who is told what they used: local accounts and RADIUS behind one face. This is the only
//! place where RADIUS words become grants and records become RADIUS words.

mod asks;
mod client;
mod devices;
mod dynauth;
mod grant;
mod method;
mod proxy;
mod records;
mod trial;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::{AuthMethod, Config};
use engine::gateway::Attempt;
use engine::session::Grant;
use radius::{AccountingRequest, Code, Outcome, RelayedRequest, Reply};
use store::{Accounts, AccountsError, PasswordCheck};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};
use wire::MacAddr;

pub(crate) use self::proxy::Sockets as AccessPointSockets;
pub(crate) use self::trial::test;

use self::asks::Ask;
use self::asks::Asks;
use self::client::RadiusClient;
use self::dynauth::DynamicAuthorization;
use self::grant::{Declined, Unusable};
use self::proxy::AccessPoints;
use crate::clock::Clock;

/// Password checks at one time: argon2 takes 4 MiB and some hundred milliseconds of a router.
const CHECKS: usize = 2;
/// What cannot be obeyed is in the log this often.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Logins that wait for one; more are told to try again.
const WAITING_CHECKS: usize = 64;

/// What a source of grants said.
pub(crate) enum Answer {
    Granted { grant: Grant, message: Option<String>, redirect: Option<String> },
    Refused { message: Option<String> },
    Unavailable,
}

/// No local account has that name: another source may.
struct UnknownName;

/// Authentication and accounting.
pub(crate) struct Aaa {
    methods: Vec<AuthMethod>,
    asks: Asks,
    rules: grant::Rules,
    /// When the log last said that something of a server's cannot be obeyed, by attribute.
    unusable: RefCell<HashMap<&'static str, Duration>>,
    accounts_file: PathBuf,
    accounts: RefCell<Option<Accounts>>,
    checks: Arc<Semaphore>,
    waiting_checks: Semaphore,
    radius: Option<Rc<RadiusClient>>,
    pub(crate) dynamic_authorization: DynamicAuthorization,
    pub(crate) access_points: AccessPoints,
    servers: Vec<SocketAddr>,
    /// Records not yet taken, in order, by session; each session with records has a task that sends them.
    records: RefCell<HashMap<String, VecDeque<AccountingRequest>>>,
    records_waiting: Cell<usize>,
    servers_silent: Cell<bool>,
    logins_unanswered: Cell<bool>,
    accepts_unproven: Cell<bool>,
    clock: Clock,
}

impl Aaa {
    /// Must be called within the control thread's local set.
    pub(crate) fn start(config: &Config, lan_mac: MacAddr, clock: Clock) -> anyhow::Result<Rc<Self>> {
        let radius = if config.radius.servers.is_empty() {
            None
        } else {
            Some(RadiusClient::start(
                clock,
                radius::Client::new(client_config(config), Box::new(crate::dice))?,
                Box::new(client::trace),
            ))
        };
        let this = Rc::new(Self {
            methods: config.auth.methods.clone(),
            asks: Asks::new(config, Some(lan_mac)),
            rules: grant::Rules::new(config),
            unusable: RefCell::default(),
            accounts_file: config.auth.accounts.clone(),
            accounts: RefCell::new(None),
            checks: Arc::new(Semaphore::new(CHECKS)),
            waiting_checks: Semaphore::new(WAITING_CHECKS),
            radius,
            dynamic_authorization: DynamicAuthorization::new(config, lan_mac, clock),
            access_points: AccessPoints::new(config, clock),
            servers: config.radius.servers.iter().map(|s| (s.address, s.auth_port).into()).collect(),
            records: RefCell::default(),
            records_waiting: Cell::new(0),
            servers_silent: Cell::new(false),
            logins_unanswered: Cell::new(false),
            accepts_unproven: Cell::new(false),
            clock,
        });
        Ok(this)
    }

    /// Asks the configured sources in their order, until one knows: the next is asked only if a source does not answer
    /// or does not know the name.
    pub(crate) async fn authenticate(&self, attempt: &Attempt, name: &str, password: &str) -> Answer {
        let mut unknown = false;
        for method in &self.methods {
            let answer = match method {
                AuthMethod::Local => match self.ask_accounts(name, password).await {
                    Ok(answer) => answer,
                    Err(UnknownName) => {
                        unknown = true;
                        continue;
                    }
                },
                AuthMethod::Radius => match self.ask_radius(self.asks.person(attempt, name, password)).await {
                    Ok(reply) => self.granted(&reply),
                    Err(answer) => answer,
                },
            };
            if !matches!(answer, Answer::Unavailable) {
                return answer;
            }
        }
        if unknown { Answer::Refused { message: None } } else { Answer::Unavailable }
    }

    /// What a guest gets that an operator lets in.
    pub(crate) fn default_grant(&self) -> Grant {
        self.rules.defaults.clone()
    }

    /// The servers in order, and whether each answers for logins and for accounting.
    pub(crate) fn health(&self) -> Vec<(SocketAddr, bool, bool)> {
        let Some(radius) = &self.radius else { return Vec::new() };
        let health = radius.health(self.servers.len());
        self.servers.iter().zip(health).map(|(server, (auth, acct))| (*server, auth, acct)).collect()
    }

    async fn ask_accounts(&self, name: &str, password: &str) -> Result<Answer, UnknownName> {
        let Ok(_waiting) = self.waiting_checks.try_acquire() else { return Ok(Answer::Unavailable) };
        let Ok(check) = Arc::clone(&self.checks).acquire_owned().await else { return Ok(Answer::Unavailable) };
        let (known, password_check) = match self.password_check(name) {
            Ok(found) => found,
            Err(error) => {
                warn!(%error, "local accounts cannot be read");
                return Ok(Answer::Unavailable);
            }
        };
        let password = password.to_owned();
        let checked = tokio::task::spawn_blocking(move || {
            let right = password_check.run(password.as_bytes());
            drop(check); // held until the work is done, even if the guest hangs up
            right
        });
        match checked.await {
            Ok(true) => Ok(Answer::Granted { grant: self.default_grant(), message: None, redirect: None }),
            // The work was done for an unknown name too: time does not tell which names there are.
            Ok(false) if !known => Err(UnknownName),
            Ok(false) => Ok(Answer::Refused { message: None }),
            Err(_) => Ok(Answer::Unavailable),
        }
    }

    /// Whether there is such an account, and the work that checks its password (or as much work, if there is none).
    fn password_check(&self, name: &str) -> Result<(bool, PasswordCheck), AccountsError> {
        let mut accounts = self.accounts.borrow_mut();
        let accounts = match accounts.as_mut() {
            Some(accounts) => {
                accounts.reload_if_changed()?;
                accounts
            }
            None => accounts.insert(Accounts::load(&self.accounts_file)?),
        };
        Ok((accounts.contains(name), accounts.check(name)))
    }

    /// What a server accepted, or else what that means for the guest.
    async fn ask_radius(&self, ask: Ask) -> Result<Reply, Answer> {
        let Some(radius) = &self.radius else { return Err(Answer::Unavailable) };
        let answer = radius.access(ask.request.clone()).await;
        self.tell_of_silence(&answer);
        match answer {
            // Who has not proven that it knows the password may be anybody with the secret.
            Ok(Outcome::Accept(reply)) if !ask.is_proven_by(&reply) => {
                if !self.accepts_unproven.replace(true) {
                    warn!(
                        "a RADIUS server accepted a login without the right MS-CHAP2-Success, so the guest stays offline: \
                         let it check passwords by MS-CHAPv2, or set radius.method to \"pap\""
                    );
                }
                Err(Answer::Unavailable)
            }
            Ok(Outcome::Accept(reply)) => {
                self.accepts_unproven.set(false);
                Ok(reply)
            }
            Ok(Outcome::Reject(reply) | Outcome::Challenge(reply)) => {
                Err(Answer::Refused { message: method::refusal(&reply) })
            }
            Ok(Outcome::AccountingAck | Outcome::Unreachable) => Err(Answer::Unavailable),
            Err(radius::SubmitError::Build(_)) => Err(Answer::Refused { message: None }),
            Err(error) => {
                warn!(%error, "RADIUS");
                Err(Answer::Unavailable)
            }
        }
    }

    /// What a server says to an access point's request; none if nothing can be passed on.
    async fn relay(&self, request: RelayedRequest) -> Option<Reply> {
        let answer = self.radius.as_ref()?.relay(request).await;
        self.tell_of_silence(&answer);
        match answer {
            Ok(Outcome::Accept(reply) | Outcome::Challenge(reply)) => Some(reply),
            // Not an Accept that must not be believed.
            Ok(Outcome::Reject(reply)) => (reply.code() == Code::AccessReject).then_some(reply),
            Ok(_) => None,
            Err(error) => {
                debug!(%error, "an access point's request cannot go on");
                None
            }
        }
    }

    /// What a device is granted that has joined at an access point; none if that cannot be given, or if the server wants it
    /// to meet the portal all the same.
    fn granted_to_joined(&self, accept: &Reply) -> Option<Grant> {
        if devices::wants_the_portal(accept) {
            return None;
        }
        let defaults = Grant { idle_timeout: None, ..self.default_grant() };
        match self.rules.grant_over(defaults, accept, self.clock.now()) {
            Ok((grant, _)) => Some(grant),
            Err(Declined::Over) => None,
            Err(Declined::Unusable(unusable)) => {
                self.tell_of_unusable(&unusable);
                None
            }
        }
    }

    /// The operator hears when servers fall silent, and when they are back.
    fn tell_of_silence(&self, answer: &Result<Outcome, radius::SubmitError>) {
        match answer {
            Ok(Outcome::Unreachable) => {
                if !self.logins_unanswered.replace(true) {
                    warn!(
                        "no RADIUS server answers logins (`poblano sessions` shows each); a server is silent too when it \
                         does not know this gateway, or has another secret for it"
                    );
                }
            }
            Ok(_) => {
                if self.logins_unanswered.replace(false) {
                    info!("a RADIUS server answers logins again");
                }
            }
            Err(_) => {}
        }
    }

    /// What a server's Accept means for the guest.
    fn granted(&self, reply: &Reply) -> Answer {
        let refused = |words: &str| Answer::Refused { message: Some(words.to_owned()) };
        match self.rules.grant(reply, self.clock.now()) {
            Ok((grant, redirect)) => Answer::Granted { grant, message: reply.reply_message(), redirect },
            Err(Declined::Over) => refused("Your time here is over."),
            Err(Declined::Unusable(unusable)) => {
                self.tell_of_unusable(&unusable);
                refused("Your account has settings that this network cannot apply. Please ask its operator.")
            }
        }
    }

    /// Nobody gets in by such an answer, so the operator must hear of it, though not each time.
    fn tell_of_unusable(&self, unusable: &Unusable) {
        let (Unusable { attribute, value }, now) = (unusable, self.clock.mono());
        let mut told = self.unusable.borrow_mut();
        if told.get(attribute).is_none_or(|at| now.saturating_sub(*at) >= TELL_AGAIN) {
            told.insert(attribute, now);
            let what_to_do = unusable.what_to_do();
            warn!(attribute, value, "a RADIUS server accepts guests who are refused here: {what_to_do}");
        }
    }
}

fn client_config(config: &Config) -> radius::Config {
    let servers = config.radius.servers.iter().map(|server| radius::Server {
        require_message_authenticator: server.require_message_authenticator,
        ..radius::Server::new(
            (server.address, server.auth_port).into(),
            (server.address, server.acct_port).into(),
            radius::Secret::new(server.secret.expose()),
        )
    });
    radius::Config {
        first_wait: config.radius.timeout,
        tries: u8::try_from(config.radius.tries).unwrap_or(u8::MAX),
        dead_time: config.radius.dead_time,
        ..radius::Config::new(servers.collect())
    }
}
