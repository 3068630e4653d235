//! Who may come in, and who is told what they used: local accounts and RADIUS behind one face. This is the only
//! place where RADIUS words become grants and records become RADIUS words.

mod client;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::{AuthMethod, Config, PasswordMethod};
use engine::gateway::Attempt;
use engine::session::{Cause, Grant, Quota, Record, Status};
use fastpath::police::Rate;
use radius::request::{Authentic, Record as RadiusRecord, SessionFacts};
use radius::{
    AccessRequest, AccountingRequest, Credential, GuestFacts, NasFacts, Outcome, Reply, TerminateCause, Usage,
};
use store::{Accounts, AccountsError, PasswordCheck};
use tokio::sync::Semaphore;
use tracing::{info, warn};
use wire::{MacAddr, Vlan};

use self::client::RadiusClient;
use crate::clock::Clock;

/// Password checks at one time: argon2 takes 4 MiB and some hundred milliseconds of a router.
const CHECKS: usize = 2;
/// Logins that wait for one; more are told to try again.
const WAITING_CHECKS: usize = 64;
/// Accounting records that wait in memory for a server to come back, 300 octets each.
const WAITING_RECORDS: usize = 10_000;
/// After a record that no server took.
const RECORD_RETRY: Duration = Duration::from_secs(10);

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
    /// Records not yet taken, in order, by session; each session with records has a task that sends them.
    records: RefCell<HashMap<String, VecDeque<AccountingRequest>>>,
    records_waiting: Cell<usize>,
    servers_silent: Cell<bool>,
    logins_unanswered: Cell<bool>,
    clock: Clock,
}

impl Aaa {
    /// Must be called within the control thread's local set.
    pub(crate) fn start(config: &Config, lan_mac: MacAddr, clock: Clock) -> anyhow::Result<Rc<Self>> {
        let radius = if config.radius.servers.is_empty() {
            None
        } else {
            Some(RadiusClient::start(clock, radius::Client::new(client_config(config), Box::new(crate::dice))?))
        };
        let this = Rc::new(Self {
            methods: config.auth.methods.clone(),
            password_method: config.radius.method,
            defaults: defaults(config),
            accounts_file: config.auth.accounts.clone(),
            accounts: RefCell::new(None),
            checks: Arc::new(Semaphore::new(CHECKS)),
            waiting_checks: Semaphore::new(WAITING_CHECKS),
            nas: NasFacts {
                identifier: config.radius.nas_identifier.clone(),
                ip: config.radius.nas_ip,
                called_station_id: lan_mac.to_station_id(),
                ..NasFacts::default()
            },
            lan: config.lan.interface.clone(),
            radius,
            servers: config.radius.servers.iter().map(|s| (s.address, s.auth_port).into()).collect(),
            records: RefCell::default(),
            records_waiting: Cell::new(0),
            servers_silent: Cell::new(false),
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

    /// Sends a record of a session to the accounting servers, if there are any.
    pub(crate) fn account(self: &Rc<Self>, record: &Record) {
        let request = AccountingRequest::new(self.radius_record(record), record.at, self.nas.clone());
        self.queue(&record.session_id, request);
    }

    /// Tells the accounting servers that the gateway starts (and no session of before is open) or stops.
    pub(crate) fn account_gateway(self: &Rc<Self>, on: bool) {
        let now = self.clock.now();
        let session_id = format!("{:08x}{:08x}", now.unix.as_secs() as u32, 0);
        let record = if on {
            RadiusRecord::On { session_id: session_id.clone() }
        } else {
            RadiusRecord::Off { session_id: session_id.clone(), cause: TerminateCause::AdminReboot }
        };
        self.queue(&session_id, AccountingRequest::new(record, now, self.nas.clone()));
    }

    /// Waits until every record has been taken, but no longer than `limit`; returns how many were not.
    pub(crate) async fn finish(&self, limit: Duration) -> usize {
        let end = tokio::time::Instant::now() + limit;
        while self.records_waiting.get() > 0 && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.records_waiting.get()
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
            port_id: self.port_id(attempt.key.vlan),
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
            Ok(Outcome::Accept(reply)) => Answer::Granted { grant: self.grant(&reply), message: reply.reply_message() },
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

    fn grant(&self, reply: &Reply) -> Grant {
        let rate = |bits: Option<u64>, default| bits.map_or(default, Rate::bits_per_second);
        // 0 is no limit, as it always was with these attributes; one that is absent leaves the configuration's.
        let quota = |octets: Option<u64>, default| octets.map_or(default, |octets| (octets > 0).then_some(octets));
        Grant {
            session_timeout: reply.session_timeout().or(self.defaults.session_timeout),
            idle_timeout: reply.idle_timeout().or(self.defaults.idle_timeout),
            // RFC 2869, 5.16: not less than a minute.
            interim: reply.interim_interval().map(|i| i.max(Duration::from_secs(60))).or(self.defaults.interim),
            rate_up: rate(reply.max_up_bits_per_sec(), self.defaults.rate_up),
            rate_down: rate(reply.max_down_bits_per_sec(), self.defaults.rate_down),
            quota: Quota {
                octets_up: quota(reply.max_input_octets(), self.defaults.quota.octets_up),
                octets_down: quota(reply.max_output_octets(), self.defaults.quota.octets_down),
                octets_total: quota(reply.max_total_octets(), self.defaults.quota.octets_total),
            },
            class: reply.classes(),
            user: reply.user_name(),
        }
    }

    fn radius_record(&self, record: &Record) -> RadiusRecord {
        let facts = SessionFacts {
            user: record.user.clone(),
            guest: GuestFacts {
                mac: record.key.mac,
                framed_ip: Some(record.address),
                session_id: record.session_id.clone(),
                port: Some(record.slot.0),
                port_id: self.port_id(record.key.vlan),
            },
            classes: record.class.clone(),
            cui: None,
            authentic: if self.methods.contains(&AuthMethod::Radius) { Authentic::Radius } else { Authentic::Local },
        };
        let usage = Usage {
            input_octets: record.usage.octets_up,
            output_octets: record.usage.octets_down,
            input_packets: record.usage.packets_up,
            output_packets: record.usage.packets_down,
            session_time: record.duration,
        };
        match record.status {
            Status::Start => RadiusRecord::Start(facts),
            Status::Interim => RadiusRecord::Interim(facts, usage),
            Status::Stop(cause) => RadiusRecord::Stop(facts, usage, terminate_cause(cause)),
        }
    }

    fn port_id(&self, vlan: Vlan) -> String {
        match vlan {
            Vlan::NONE => self.lan.clone(),
            Vlan(id) => format!("{}.{id}", self.lan),
        }
    }

    fn queue(self: &Rc<Self>, session_id: &str, request: AccountingRequest) {
        let Some(radius) = &self.radius else { return };
        if self.records_waiting.get() >= WAITING_RECORDS {
            warn!(session = session_id, "the accounting queue is full: a record is lost");
            return;
        }
        self.records_waiting.set(self.records_waiting.get() + 1);
        let mut records = self.records.borrow_mut();
        match records.get_mut(session_id) {
            Some(waiting) => waiting.push_back(request),
            None => {
                records.insert(session_id.to_owned(), VecDeque::from([request]));
                tokio::task::spawn_local(Rc::clone(self).send_records(Rc::clone(radius), session_id.to_owned()));
            }
        }
    }

    /// Sends one session's records in order until there are none, each until a server has taken it.
    async fn send_records(self: Rc<Self>, radius: Rc<RadiusClient>, session_id: String) {
        loop {
            let first = self.records.borrow().get(&session_id).and_then(|waiting| waiting.front().cloned());
            let Some(request) = first else {
                self.records.borrow_mut().remove(&session_id);
                return;
            };
            match radius.account(request).await {
                Ok(Outcome::AccountingAck) => {
                    if self.servers_silent.replace(false) {
                        info!("an accounting server answers again");
                    }
                }
                Err(radius::SubmitError::Build(error)) => {
                    warn!(session = session_id, %error, "an accounting record does not fit into a packet");
                }
                _ => {
                    if !self.servers_silent.replace(true) {
                        warn!("no accounting server answers; records wait");
                    }
                    tokio::time::sleep(RECORD_RETRY).await;
                    continue;
                }
            }
            if let Some(waiting) = self.records.borrow_mut().get_mut(&session_id) {
                waiting.pop_front();
            }
            self.records_waiting.set(self.records_waiting.get() - 1);
        }
    }
}

fn defaults(config: &Config) -> Grant {
    let rate = |rate: Option<config::BitRate>| rate.map_or(Rate::UNLIMITED, |rate| Rate::bits_per_second(rate.0));
    Grant {
        session_timeout: config.session.timeout,
        idle_timeout: config.session.idle_timeout,
        interim: config.session.interim,
        rate_up: rate(config.session.rate_up),
        rate_down: rate(config.session.rate_down),
        quota: Quota {
            octets_up: config.session.quota_up.map(|quota| quota.0),
            octets_down: config.session.quota_down.map(|quota| quota.0),
            octets_total: config.session.quota_total.map(|quota| quota.0),
        },
        ..Grant::default()
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

fn terminate_cause(cause: Cause) -> TerminateCause {
    match cause {
        Cause::UserRequest => TerminateCause::UserRequest,
        Cause::LostCarrier => TerminateCause::LostCarrier,
        Cause::IdleTimeout => TerminateCause::IdleTimeout,
        // RFC 2866 knows no quota; this is what ChilliSpot's descendants say, and what servers look for.
        Cause::SessionTimeout | Cause::QuotaUsedUp => TerminateCause::SessionTimeout,
        Cause::AdminReset => TerminateCause::AdminReset,
        Cause::NasReboot => TerminateCause::NasReboot,
        Cause::AdminReboot => TerminateCause::AdminReboot,
    }
}
