//! Who may come in, and who is told what they used: local accounts and RADIUS behind one face. This is the only
//! place where RADIUS words become grants and records become RADIUS words.

mod client;
mod grant;
mod radsec;
mod records;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::{AuthMethod, Config, PasswordMethod, RadiusServer, RadiusTransport};
use engine::gateway::Attempt;
use engine::session::Grant;
use radius::{AccessRequest, AccountingRequest, Credential, GuestFacts, NasFacts, Outcome};
use store::{Accounts, AccountsError, PasswordCheck};
use tokio::sync::Semaphore;
use tracing::{info, warn};
use wire::{MacAddr, Vlan};

use self::client::RadiusClient;
use self::radsec::Tls;
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

/// Every RADIUS server is silent.
struct Silence;

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
    /// Records not yet taken, in order, by session; each session with records has a task that sends them.
    records: RefCell<HashMap<String, VecDeque<AccountingRequest>>>,
    records_waiting: Cell<usize>,
    servers_silent: Cell<bool>,
    logins_unanswered: Cell<bool>,
    admit_unreachable: Option<Duration>,
    admits_unasked: Cell<bool>,
    clock: Clock,
}

impl Aaa {
    /// Must be called within the control thread's local set.
    pub(crate) fn start(config: &Config, lan_mac: MacAddr, clock: Clock) -> anyhow::Result<Rc<Self>> {
        let nas = NasFacts {
            identifier: config.radius.nas_identifier.clone(),
            ip: config.radius.nas_ip,
            called_station_id: lan_mac.to_station_id(),
            ..NasFacts::default()
        };
        let radius = if config.radius.servers.is_empty() {
            None
        } else {
            let client = radius::Client::new(client_config(config, &nas), Box::new(crate::dice))?;
            Some(RadiusClient::start(clock, client, tls(config)?))
        };
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
            servers: config.radius.servers.iter().map(address).collect(),
            records: RefCell::default(),
            records_waiting: Cell::new(0),
            servers_silent: Cell::new(false),
            logins_unanswered: Cell::new(false),
            admit_unreachable: config.radius.admit_unreachable,
            admits_unasked: Cell::new(false),
            clock,
        });
        Ok(this)
    }

    /// Asks the configured sources in their order, until one knows: the next is asked only if a source does not answer
    /// or does not know the name.
    pub(crate) async fn authenticate(&self, attempt: &Attempt, name: &str, password: &str) -> Answer {
        let (mut unknown, mut silence) = (false, false);
        for method in &self.methods {
            let answer = match method {
                AuthMethod::Local => match self.ask_accounts(name, password).await {
                    Ok(answer) => answer,
                    Err(UnknownName) => {
                        unknown = true;
                        continue;
                    }
                },
                AuthMethod::Radius => match self.ask_radius(attempt, name, password).await {
                    Ok(answer) => answer,
                    Err(Silence) => {
                        silence = true;
                        continue;
                    }
                },
            };
            if !matches!(answer, Answer::Unavailable) {
                return answer;
            }
        }
        match self.admit_unreachable {
            Some(time) if silence => {
                if !self.admits_unasked.replace(true) {
                    let time = config::format_duration(time);
                    warn!("until a server answers, whoever logs in is let in unasked for {time} (radius.unreachable)");
                }
                Answer::Granted { grant: grant::unasked(time, &self.defaults), message: None }
            }
            _ if unknown => Answer::Refused { message: None },
            _ => Answer::Unavailable,
        }
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

    async fn ask_radius(&self, attempt: &Attempt, name: &str, password: &str) -> Result<Answer, Silence> {
        let Some(radius) = &self.radius else { return Ok(Answer::Unavailable) };
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
            port_id: self.port_id(attempt.key.vlan),
        };
        let request = AccessRequest::new(name, credential, self.nas.clone(), guest);
        let answer = radius.access(request).await;
        match &answer {
            Ok(Outcome::Unreachable | Outcome::Unproven) => {
                if !self.logins_unanswered.replace(true) {
                    warn!(
                        "no RADIUS server answers logins (`poblano sessions` shows each); a server is silent too when it \
                         does not know this gateway, or has another secret for it"
                    );
                }
            }
            Ok(_) => {
                self.admits_unasked.set(false);
                if self.logins_unanswered.replace(false) {
                    info!("a RADIUS server answers logins again");
                }
            }
            Err(_) => {}
        }
        Ok(match answer {
            Ok(Outcome::Accept(reply)) => {
                Answer::Granted { grant: grant::granted(&reply, &self.defaults), message: reply.reply_message() }
            }
            Ok(Outcome::Reject(reply) | Outcome::Challenge(reply)) => {
                Answer::Refused { message: reply.reply_message() }
            }
            Ok(Outcome::Unreachable) => return Err(Silence),
            Ok(Outcome::AccountingAck | Outcome::Unproven) => Answer::Unavailable,
            Err(radius::SubmitError::Build(_)) => Answer::Refused { message: None },
            Err(error) => {
                warn!(%error, "RADIUS");
                Answer::Unavailable
            }
        })
    }

    fn port_id(&self, vlan: Vlan) -> String {
        match vlan {
            Vlan::NONE => self.lan.clone(),
            Vlan(id) => format!("{}.{id}", self.lan),
        }
    }
}

/// Whether the files that the configuration names for RADIUS are what they are to be.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    tls(config).map(drop)
}

fn tls(config: &Config) -> anyhow::Result<Vec<Option<Tls>>> {
    let of_server = |server: &RadiusServer| match &server.transport {
        RadiusTransport::Udp => Ok(None),
        RadiusTransport::Tls(settings) => Tls::new(server, settings).map(Some),
    };
    config.radius.servers.iter().map(of_server).collect()
}

/// Where a server is asked about logins.
fn address(server: &RadiusServer) -> SocketAddr {
    let port = match &server.transport {
        RadiusTransport::Udp => server.auth_port,
        RadiusTransport::Tls(tls) => tls.port,
    };
    (server.address, port).into()
}

fn client_config(config: &Config, nas: &NasFacts) -> radius::Config {
    let servers = config.radius.servers.iter().map(|server| radius::Server {
        require_message_authenticator: server.require_message_authenticator,
        priority: server.priority,
        status_server: server.status_server,
        ..match server.transport {
            RadiusTransport::Udp => radius::Server::new(
                address(server),
                (server.address, server.acct_port).into(),
                radius::Secret::new(server.secret.expose()),
            ),
            RadiusTransport::Tls(_) => radius::Server::stream(address(server)),
        }
    });
    radius::Config {
        nas: nas.clone(),
        first_wait: config.radius.timeout,
        tries: u8::try_from(config.radius.tries).unwrap_or(u8::MAX),
        dead_time: config.radius.dead_time,
        ..radius::Config::new(servers.collect())
    }
}
