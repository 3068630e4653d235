//! Who may come in, and who is told what they used: local accounts and RADIUS behind one face. This is the only
//! place where RADIUS words become grants and records become RADIUS words.

mod client;
mod grant;
mod records;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use config::{AuthMethod, Config, Direction, PasswordMethod};
use engine::gateway::Attempt;
use engine::session::Grant;
use radius::{AccessRequest, Credential, GuestFacts, NasFacts, Outcome};
use store::{Accounts, AccountsError, PasswordCheck};
use tokio::sync::Semaphore;
use tracing::{info, warn};
use wire::{MacAddr, Vlan};

use self::client::RadiusClient;
use self::records::Records;
pub(crate) use self::records::{Unsent, open as open_records};
use crate::clock::Clock;

/// Password checks at one time: argon2 takes 4 MiB and some hundred milliseconds of a router.
const CHECKS: usize = 2;
/// Logins that wait for one; more are told to try again.
const WAITING_CHECKS: usize = 64;

/// What a source of grants said.
pub(crate) enum Answer {
    Granted { grant: Grant, message: Option<String> },
    Refused { message: Option<String> },
    Unavailable,
}

/// No local account has that name: another source may.
struct UnknownName;

/// Authentication and accounting.
pub(crate) struct Aaa {
    methods: Vec<AuthMethod>,
    password_method: PasswordMethod,
    defaults: Grant,
    accounts_file: PathBuf,
    accounts: RefCell<Option<Accounts>>,
    checks: Arc<Semaphore>,
    waiting_checks: Semaphore,
    nas: NasFacts,
    lan: String,
    radius: Option<Rc<RadiusClient>>,
    servers: Vec<SocketAddr>,
    direction: Direction,
    records: Option<Rc<Records>>,
    logins_unanswered: Cell<bool>,
    clock: Clock,
}

impl Aaa {
    /// Must be called within the control thread's local set.
    pub(crate) fn start(
        config: &Config,
        lan_mac: MacAddr,
        clock: Clock,
        unsent: Option<Unsent>,
    ) -> anyhow::Result<Rc<Self>> {
        let radius = if config.radius.servers.is_empty() {
            None
        } else {
            Some(RadiusClient::start(clock, radius::Client::new(client_config(config), Box::new(crate::dice))?))
        };
        let nas = NasFacts {
            identifier: config.radius.nas_identifier.clone(),
            ip: config.radius.nas_ip,
            called_station_id: lan_mac.to_station_id(),
            ..NasFacts::default()
        };
        let records = radius
            .as_ref()
            .zip(unsent)
            .map(|(radius, unsent)| Records::start(config, Rc::clone(radius), nas.clone(), clock, unsent));
        let this = Rc::new(Self {
            methods: config.auth.methods.clone(),
            password_method: config.radius.method,
            defaults: grant::defaults(config),
            accounts_file: config.auth.accounts.clone(),
            accounts: RefCell::new(None),
            checks: Arc::new(Semaphore::new(CHECKS)),
            waiting_checks: Semaphore::new(WAITING_CHECKS),
            nas,
            lan: config.lan.interface.clone(),
            radius,
            servers: config.radius.servers.iter().map(|s| (s.address, s.auth_port).into()).collect(),
            direction: config.accounting.direction,
            records,
            logins_unanswered: Cell::new(false),
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
                AuthMethod::Radius => self.ask_radius(attempt, name, password).await,
            };
            if !matches!(answer, Answer::Unavailable) {
                return answer;
            }
        }
        if unknown { Answer::Refused { message: None } } else { Answer::Unavailable }
    }

    /// What a guest gets that an operator lets in.
    pub(crate) fn default_grant(&self) -> Grant {
        self.defaults.clone()
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
            Ok(true) => Ok(Answer::Granted { grant: self.defaults.clone(), message: None }),
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

    async fn ask_radius(&self, attempt: &Attempt, name: &str, password: &str) -> Answer {
        let Some(radius) = &self.radius else { return Answer::Unavailable };
        let credential = match self.password_method {
            PasswordMethod::Pap => Credential::Pap(password.as_bytes().to_vec()),
            PasswordMethod::Chap => {
                let mut random = [0; 17];
                crate::dice(&mut random);
                Credential::chap(random[16], &random[..16], password.as_bytes())
            }
        };
        let guest = GuestFacts {
            mac: attempt.key.mac,
            framed_ip: Some(attempt.address),
            session_id: attempt.session_id.clone(),
            port: Some(attempt.slot.0),
            port_id: port_id(&self.lan, attempt.key.vlan),
        };
        let request = AccessRequest::new(name, credential, self.nas.clone(), guest);
        let answer = radius.access(request).await;
        match &answer {
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
        match answer {
            Ok(Outcome::Accept(reply)) => Answer::Granted {
                grant: grant::granted(&reply, &self.defaults, self.direction),
                message: reply.reply_message(),
            },
            Ok(Outcome::Reject(reply) | Outcome::Challenge(reply)) => {
                Answer::Refused { message: reply.reply_message() }
            }
            Ok(Outcome::AccountingAck | Outcome::Unreachable) => Answer::Unavailable,
            Err(radius::SubmitError::Build(_)) => Answer::Refused { message: None },
            Err(error) => {
                warn!(%error, "RADIUS");
                Answer::Unavailable
            }
        }
    }
}

fn port_id(lan: &str, vlan: Vlan) -> String {
    match vlan {
        Vlan::NONE => lan.to_owned(),
        Vlan(id) => format!("{lan}.{id}"),
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
