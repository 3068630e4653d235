//! Who may come in, and who is told what they used: local accounts and RADIUS behind one face. This is the only
//! place where RADIUS words become grants and records become RADIUS words.

mod address;
mod asks;
mod client;
mod conversations;
pub(crate) mod devices;
mod dhcp;
mod dynauth;
mod grant;
mod ignored;
mod method;
mod proxy;
pub(crate) mod radsec;
mod records;
mod trial;
mod web;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::{AuthMethod, Config, RadiusServer, RadiusTransport};
use engine::dhcp::Wanted;
use engine::gateway::Attempt;
use engine::session::Grant;
use portal::{Credential, Login};
use radius::{Code, Outcome, RelayedRequest, Reply, attr};
use store::{Accounts, AccountsError, Limits, LocalUsers, PasswordCheck};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};
use wire::MacAddr;

pub(crate) use self::proxy::Sockets as AccessPointSockets;
pub(crate) use self::trial::test;

use self::asks::Ask;
use self::asks::Asks;
use self::client::{RadiusClient, Way};
pub(crate) use self::conversations::Conversation;
use self::conversations::Conversations;
pub(crate) use self::devices::Device;
use self::dynauth::DynamicAuthorization;
pub(crate) use self::dynauth::{open as open_for_servers, serve_clients};
use self::grant::{Declined, Unusable};
use self::ignored::Ignored;
use self::proxy::AccessPoints;
use self::radsec::Tls;
use self::records::Records;
pub(crate) use self::records::{Unsent, open as open_records, terminate_cause};
use crate::clock::Clock;

/// Password checks at one time: argon2 takes 4 MiB and some hundred milliseconds of a router.
const CHECKS: usize = 2;
/// What cannot be obeyed is in the log this often.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Logins that wait for one; more are told to try again.
const WAITING_CHECKS: usize = 64;
/// For so long the servers may think about a device, on average: more questions are not asked, and a slow server's time is
/// for those who wait at the portal. FreeRADIUS thinks for a second about whom it refuses.
const DEVICE_ANSWER: Duration = Duration::from_secs(2);
/// What it means that an Accept cannot be obeyed.
const REFUSED_HERE: &str = "a RADIUS server accepts guests who are refused here";
/// What has an effect where a device joins, for it is passed on there.
const FOR_ACCESS_POINTS: [&str; 3] = ["Tunnel-Private-Group-ID", "Egress-VLANID", "Egress-VLAN-Name"];

/// What a source of grants said.
pub(crate) enum Answer {
    Granted {
        grant: Grant,
        /// Where the guest should be.
        wanted: Option<Wanted>,
        message: Option<String>,
        redirect: Option<String>,
        eap: Option<Vec<u8>>,
    },
    Refused {
        message: Option<String>,
        redirect: Option<String>,
        eap: Option<Vec<u8>>,
    },
    /// The password is an account's, whose limits say whether its guest may come in.
    Limited(Limits),
    /// It asks on by EAP, and a conversation is kept for the answer.
    Asked {
        eap: Vec<u8>,
    },
    Unavailable,
}

impl Answer {
    /// By whoever says nothing else.
    fn plainly(grant: Grant) -> Self {
        Self::Granted { grant, wanted: None, message: None, redirect: None, eap: None }
    }
}

/// No local account has that name: another source may.
struct UnknownName;

/// Why no server accepts a guest.
enum NoAccept {
    Refused {
        message: Option<String>,
        redirect: Option<String>,
        eap: Option<Vec<u8>>,
    },
    /// The server asks on.
    Asked(Reply),
    /// Something answers, but nothing that can be believed; or more is asked than can be.
    Unavailable,
    /// Every server is silent.
    Silence,
}

impl From<NoAccept> for Answer {
    fn from(why: NoAccept) -> Self {
        match why {
            NoAccept::Refused { message, redirect, eap } => Self::Refused { message, redirect, eap },
            // A password is all that there is.
            NoAccept::Asked(reply) => Self::Refused { message: method::refusal(&reply), redirect: None, eap: None },
            NoAccept::Unavailable | NoAccept::Silence => Self::Unavailable,
        }
    }
}

/// Authentication and accounting.
pub(crate) struct Aaa {
    methods: Vec<AuthMethod>,
    asks: Asks,
    rules: grant::Rules,
    /// Devices that nobody is asked about.
    let_in: RefCell<Vec<MacAddr>>,
    /// When the log last said that something of a server's cannot be obeyed, by attribute.
    unusable: RefCell<HashMap<&'static str, Duration>>,
    /// Attributes of which the log has said that they have no effect, though they would restrict guests.
    ignored: RefCell<BTreeSet<&'static str>>,
    /// Why guests are not in the pools that servers name, as far as the log has said it.
    displaced: RefCell<BTreeSet<&'static str>>,
    local_users: RefCell<LocalUsers>,
    accounts_file: PathBuf,
    accounts: RefCell<Option<Accounts>>,
    checks: Arc<Semaphore>,
    waiting_checks: Semaphore,
    /// Questions about devices.
    device_questions: Semaphore,
    conversations: RefCell<Conversations>,
    radius: Option<Rc<RadiusClient>>,
    pub(crate) dynamic_authorization: DynamicAuthorization,
    pub(crate) access_points: AccessPoints,
    /// How people are told of each, and where it is.
    servers: Vec<(String, IpAddr)>,
    records: Option<Rc<Records>>,
    logins_unanswered: Cell<bool>,
    accepts_unproven: Cell<bool>,
    admit_unreachable: Option<Duration>,
    admits_unasked: Cell<bool>,
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
        let asks = Asks::new(config, Some(lan_mac));
        let radius = if config.radius.servers.is_empty() {
            None
        } else {
            let client = radius::Client::new(client_config(config, &asks.nas), Box::new(crate::dice))?;
            Some(RadiusClient::start(clock, client, ways(config)?, Box::new(client::trace)))
        };
        let records = radius
            .as_ref()
            .zip(unsent)
            .map(|(radius, unsent)| Records::start(config, Rc::clone(radius), asks.nas.clone(), clock, unsent));
        let this = Rc::new(Self {
            methods: config.auth.methods.clone(),
            asks,
            rules: grant::Rules::new(config),
            let_in: RefCell::new(config.mac_authentication.allow.clone()),
            unusable: RefCell::default(),
            ignored: RefCell::default(),
            displaced: RefCell::default(),
            local_users: RefCell::new(LocalUsers::new(config.auth.local_users.clone().unwrap_or_default())),
            accounts_file: config.auth.accounts.clone(),
            accounts: RefCell::new(None),
            checks: Arc::new(Semaphore::new(CHECKS)),
            waiting_checks: Semaphore::new(WAITING_CHECKS),
            device_questions: Semaphore::new(
                config.mac_authentication.per_second as usize * DEVICE_ANSWER.as_secs() as usize,
            ),
            conversations: RefCell::default(),
            radius,
            dynamic_authorization: DynamicAuthorization::new(config, lan_mac, clock),
            access_points: AccessPoints::new(config, clock),
            servers: config.radius.servers.iter().map(|server| (name(server), server.address)).collect(),
            records,
            logins_unanswered: Cell::new(false),
            accepts_unproven: Cell::new(false),
            admit_unreachable: config.radius.admit_unreachable,
            admits_unasked: Cell::new(false),
            clock,
        });
        Ok(this)
    }

    /// Asks the configured sources in their order, until one knows: the next is asked only if a source does not answer
    /// or does not know the name. A login by EAP may go on with what was said `before`.
    pub(crate) async fn authenticate(
        &self,
        attempt: &Attempt,
        login: &Login<'_>,
        before: Option<&Conversation>,
    ) -> Answer {
        let (mut unknown, mut silence) = (false, false);
        for method in &self.methods {
            let answer = match method {
                AuthMethod::Local => match self.ask_accounts(login).await {
                    Ok(answer) => answer,
                    Err(UnknownName) => {
                        unknown = true;
                        continue;
                    }
                },
                AuthMethod::LocalUsers => match self.ask_local_users(login) {
                    Ok(answer) => answer,
                    Err(UnknownName) => {
                        unknown = true;
                        continue;
                    }
                },
                // No name and password is theirs.
                AuthMethod::Vouchers | AuthMethod::ClickThrough => {
                    unknown = true;
                    continue;
                }
                AuthMethod::Radius => match self.ask_radius(self.asks.person(attempt, login, before)).await {
                    Ok(reply) => self.granted(&reply),
                    Err(NoAccept::Asked(reply)) if matches!(login.credential, Credential::Eap(_)) => {
                        self.asked(attempt, login.name, before, &reply)
                    }
                    Err(NoAccept::Silence) => {
                        silence = true;
                        continue;
                    }
                    Err(why) => why.into(),
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
                Answer::plainly(self.rules.unasked(time))
            }
            _ if unknown => Answer::Refused { message: None, redirect: None, eap: None },
            _ => Answer::Unavailable,
        }
    }

    /// The conversation that a guest's response of EAP goes on with.
    pub(crate) fn conversation(&self, attempt: &Attempt) -> Option<Conversation> {
        self.conversations.borrow_mut().take(self.clock.mono(), attempt)
    }

    /// What a guest gets that an operator lets in.
    pub(crate) fn default_grant(&self) -> Grant {
        self.rules.defaults()
    }

    /// Sessions that begin from now on have the limits of this configuration, and its devices are let in.
    pub(crate) fn reconfigure(&self, config: &Config) {
        self.rules.set_defaults(config);
        self.let_in.borrow_mut().clone_from(&config.mac_authentication.allow);
    }

    /// Asks the servers about the gateway itself: the Accept; or `None` if they are silent, or say what cannot be
    /// believed; or why they refuse.
    pub(crate) async fn ask_about_gateway(
        &self,
        who: &config::RadiusAdministrative,
        session_id: &str,
    ) -> Option<Result<Reply, String>> {
        let ask = self.asks.gateway(who, session_id)?;
        match self.ask_radius(ask).await {
            Ok(reply) => match reply.get(attr::SERVICE_TYPE) {
                // RFC 2865, section 5.6: an Accept for another service is a Reject.
                Some(service) if service != attr::value::service_type::ADMINISTRATIVE => {
                    Some(Err(format!("the Accept is for Service-Type {service}, not Administrative-User")))
                }
                _ => Some(Ok(reply)),
            },
            Err(NoAccept::Refused { message, .. }) => Some(Err(message.unwrap_or_else(|| "refused".to_owned()))),
            Err(NoAccept::Asked(_)) => Some(Err("the server asks on, which nobody answers".to_owned())),
            Err(NoAccept::Unavailable | NoAccept::Silence) => None,
        }
    }

    /// The servers in order, and whether each answers for logins and for accounting.
    pub(crate) fn health(&self) -> Vec<(&str, bool, bool)> {
        let Some(radius) = &self.radius else { return Vec::new() };
        let health = radius.health(self.servers.len());
        let servers = self.servers.iter().map(|(name, _)| name.as_str());
        servers.zip(health).map(|(server, (auth, acct))| (server, auth, acct)).collect()
    }

    async fn ask_accounts(&self, login: &Login<'_>) -> Result<Answer, UnknownName> {
        // A hash answers no challenge.
        let Credential::Password(password) = login.credential else { return Err(UnknownName) };
        let Ok(_waiting) = self.waiting_checks.try_acquire() else { return Ok(Answer::Unavailable) };
        let Ok(check) = Arc::clone(&self.checks).acquire_owned().await else { return Ok(Answer::Unavailable) };
        let (known, limits, password_check) = match self.password_check(login.name) {
            Ok(found) => found,
            Err(error) => {
                warn!(%error, "local accounts cannot be read");
                return Ok(Answer::Unavailable);
            }
        };
        let password = password.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let right = password_check.run(&password);
            drop(check); // held until the work is done, even if the guest hangs up
            right
        });
        match checked.await {
            Ok(true) => Ok(match limits {
                Some(limits) => Answer::Limited(limits),
                None => Answer::plainly(self.default_grant()),
            }),
            // The work was done for an unknown name too: time does not tell which names there are.
            Ok(false) if !known => Err(UnknownName),
            Ok(false) => Ok(Answer::Refused { message: None, redirect: None, eap: None }),
            Err(_) => Ok(Answer::Unavailable),
        }
    }

    fn ask_local_users(&self, login: &Login<'_>) -> Result<Answer, UnknownName> {
        match self.local_users.borrow_mut().password(login.name) {
            Ok(Some(password)) if method::is_of(login, password) => Ok(Answer::plainly(self.default_grant())),
            Ok(Some(_)) => Ok(Answer::Refused { message: None, redirect: None, eap: None }),
            Ok(None) => Err(UnknownName),
            Err(error) => {
                warn!(%error, "local users cannot be read");
                Ok(Answer::Unavailable)
            }
        }
    }

    /// Whether there is such an account, its limits, and the work that checks its password (or as much work, if there is
    /// none).
    fn password_check(&self, name: &str) -> Result<(bool, Option<Limits>, PasswordCheck), AccountsError> {
        self.with_accounts(|accounts| (accounts.contains(name), accounts.limits(name).cloned(), accounts.check(name)))
    }

    /// The limits of an account that has some, and the hash of its password; none too if the file cannot be read.
    pub(crate) fn limited_account(&self, name: &str) -> Option<(Limits, String)> {
        let found =
            |accounts: &Accounts| Some((accounts.limits(name)?.clone(), accounts.hash(name)?.as_str().to_owned()));
        self.with_accounts(found).ok()?.filter(|_| self.methods.contains(&AuthMethod::Local))
    }

    fn with_accounts<T>(&self, look: impl FnOnce(&Accounts) -> T) -> Result<T, AccountsError> {
        let mut accounts = self.accounts.borrow_mut();
        let accounts = match accounts.as_mut() {
            Some(accounts) => {
                accounts.reload_if_changed()?;
                accounts
            }
            None => accounts.insert(Accounts::load(&self.accounts_file)?),
        };
        Ok(look(accounts))
    }

    /// What a server accepted, or else why none did.
    async fn ask_radius(&self, ask: Ask) -> Result<Reply, NoAccept> {
        let Some(radius) = &self.radius else { return Err(NoAccept::Unavailable) };
        let answer = radius.access(ask.request.clone()).await;
        self.tell_of_silence(&answer);
        match answer {
            Ok(Outcome::Accept(reply)) if ask.is_unfinished_by(&reply) => {
                debug!("a RADIUS server accepted a login by EAP without a word of EAP, so the guest stays offline");
                Err(NoAccept::Refused { message: None, redirect: None, eap: None })
            }
            // Who has not proven that it knows the password may be anybody with the secret.
            Ok(Outcome::Accept(reply)) if !ask.is_proven_by(&reply) => {
                if !self.accepts_unproven.replace(true) {
                    warn!(
                        "a RADIUS server accepted a login without the right MS-CHAP2-Success, so the guest stays offline: \
                         let it check passwords by MS-CHAPv2, or set radius.method to \"pap\""
                    );
                }
                Err(NoAccept::Unavailable)
            }
            Ok(Outcome::Accept(reply)) => {
                self.accepts_unproven.set(false);
                Ok(reply)
            }
            Ok(Outcome::Reject(reply)) => {
                // An Accept that must not be believed may say by EAP that all is well, and welcome the guest.
                let is_meant = reply.code() == Code::AccessReject;
                Err(NoAccept::Refused {
                    message: method::refusal(&reply),
                    redirect: grant::redirect(&reply).filter(|_| is_meant),
                    eap: reply.get(attr::EAP_MESSAGE).filter(|_| is_meant),
                })
            }
            Ok(Outcome::Challenge(reply)) => Err(NoAccept::Asked(reply)),
            Ok(Outcome::Unreachable) => Err(NoAccept::Silence),
            Ok(Outcome::AccountingAck(_) | Outcome::Unproven) => Err(NoAccept::Unavailable),
            Err(radius::SubmitError::Build(_)) => Err(NoAccept::Refused { message: None, redirect: None, eap: None }),
            Err(error) => {
                warn!(%error, "RADIUS");
                Err(NoAccept::Unavailable)
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
        // VLANs are for the access point.
        let mut ignored = ignored::ignored(accept);
        ignored.retain(|ignored| !ignored.restricts.is_some_and(|name| FOR_ACCESS_POINTS.contains(&name)));
        self.tell_of_ignored(ignored);
        if devices::wants_the_portal(accept) {
            return None;
        }
        let defaults = Grant { idle_timeout: None, ..self.default_grant() };
        match self.rules.grant_over(defaults, accept, self.clock.now()) {
            Ok((grant, _)) => Some(grant),
            Err(Declined::Over) => None,
            Err(Declined::Unusable(unusable)) => {
                self.tell_of_unusable(REFUSED_HERE, &unusable);
                None
            }
        }
    }

    /// The operator hears when servers fall silent, and when they are back.
    fn tell_of_silence(&self, answer: &Result<Outcome, radius::SubmitError>) {
        match answer {
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
    }

    /// What a server's Accept means for the guest.
    fn granted(&self, reply: &Reply) -> Answer {
        self.tell_of_ignored(ignored::ignored(reply));
        let refused = |words: &str| Answer::Refused { message: Some(words.to_owned()), redirect: None, eap: None };
        match self.rules.grant(reply, self.clock.now()) {
            Ok((grant, redirect)) => Answer::Granted {
                grant,
                wanted: address::wanted(reply),
                message: reply.reply_message(),
                redirect,
                eap: reply.get(attr::EAP_MESSAGE),
            },
            Err(Declined::Over) => refused("Your time here is over."),
            Err(Declined::Unusable(unusable)) => {
                self.tell_of_unusable(REFUSED_HERE, &unusable);
                refused("Your account has settings that this network cannot apply. Please ask its operator.")
            }
        }
    }

    /// A server's question goes to the guest, whose answer is waited for.
    fn asked(&self, attempt: &Attempt, name: &str, before: Option<&Conversation>, challenge: &Reply) -> Answer {
        let refused = Answer::Refused { message: None, redirect: None, eap: None };
        let (Some(eap), Some(state)) = (challenge.get(attr::EAP_MESSAGE), challenge.state()) else { return refused };
        let conversation = Conversation {
            attempt: attempt.clone(),
            name: name.to_owned(),
            state: state.to_vec(),
            rounds: before.map_or(0, |before| before.rounds).saturating_add(1),
        };
        if self.conversations.borrow_mut().keep(self.clock.mono(), conversation) {
            Answer::Asked { eap }
        } else {
            debug!(session = attempt.session_id, "a login by EAP has too many rounds");
            refused
        }
    }

    /// What has no effect is told; what would restrict guests in general, so that the operator hears of it, once.
    fn tell_of_ignored(&self, ignored: Vec<Ignored>) {
        if ignored.is_empty() {
            return;
        }
        let all: Vec<_> = ignored.iter().map(|ignored| ignored.text.as_str()).collect();
        debug!("an Accept has what is without effect: {}", all.join(" "));
        for attribute in ignored.iter().filter_map(|ignored| ignored.restricts) {
            if self.ignored.borrow_mut().insert(attribute) {
                warn!(attribute, "a RADIUS server restricts guests by what has no effect here");
            }
        }
    }

    /// Nobody gets in by such an answer, and nothing changes by such a request, so the operator must hear of `what` that
    /// means, though not each time.
    fn tell_of_unusable(&self, what: &str, unusable: &Unusable) {
        let (Unusable { attribute, value }, now) = (unusable, self.clock.mono());
        let mut told = self.unusable.borrow_mut();
        if told.get(attribute).is_none_or(|at| now.saturating_sub(*at) >= TELL_AGAIN) {
            told.insert(attribute, now);
            let what_to_do = unusable.what_to_do();
            warn!(attribute, value, "{what}: {what_to_do}");
        }
    }
}

/// Whether the files that the configuration names for RADIUS are what they are to be.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    ways(config).map(drop)
}

fn ways(config: &Config) -> anyhow::Result<Vec<Way>> {
    let of_server = |server: &RadiusServer| match &server.transport {
        RadiusTransport::Udp => Ok(Way::Datagrams),
        RadiusTransport::Tls(settings) => Tls::new(server, settings).map(Way::Connections),
        RadiusTransport::Http(http) => web::Page::new(config, server, http).map(|page| Way::Page(Rc::new(page))),
    };
    config.radius.servers.iter().map(of_server).collect()
}

/// How people are told of a server.
pub(crate) fn name(server: &RadiusServer) -> String {
    match &server.transport {
        // Behind the question mark may be what only the page is to know.
        RadiusTransport::Http(http) => http.url.split('?').next().unwrap_or_default().to_owned(),
        _ => address(server).to_string(),
    }
}

/// Where a server is asked about logins. A page's own addresses are not looked at until it is asked.
fn address(server: &RadiusServer) -> SocketAddr {
    let port = match &server.transport {
        RadiusTransport::Udp => server.auth_port,
        RadiusTransport::Tls(tls) => tls.port,
        RadiusTransport::Http(_) => 0,
    };
    (server.address, port).into()
}

fn client_config(config: &Config, nas: &radius::NasFacts) -> radius::Config {
    let servers = config.radius.servers.iter().map(|server| radius::Server {
        // What a page says becomes a packet here.
        require_message_authenticator: server.require_message_authenticator
            && !matches!(server.transport, RadiusTransport::Http(_)),
        priority: server.priority,
        status_server: server.status_server,
        ..match server.transport {
            RadiusTransport::Udp => radius::Server::new(
                address(server),
                (server.address, server.acct_port).into(),
                radius::Secret::new(server.secret.expose()),
            ),
            RadiusTransport::Tls(_) => radius::Server::stream(address(server)),
            RadiusTransport::Http(_) => {
                radius::Server::new(address(server), address(server), radius::Secret::new(web::SECRET))
            }
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
