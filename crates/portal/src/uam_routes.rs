//! The addresses of CoovaChilli: for browsers on their way to and from an external portal, for programs (WISPr), and as
//! JSON for scripts. All of them are asked for by GET, by whoever a portal's page sends.
//!
//! A guest is its IP address: nothing in a request names another one. But any page that a guest looks at can send its
//! browser here. Such a page must not read what is the guest's (JSON is for the portal's origin and those that the operator
//! names, as a script too, JSONP) nor log it out: with a foreign Referer our own page asks first, and only a page that hides
//! its address from its links gets by, as the portal's own must. It can try to log it in, for browsers say
//! too little of who sent them to a login; without the challenge, which it cannot read, it does not get far.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, ORIGIN, REFERER};
use hyper::{Method, Request, StatusCode};
use tokio::time::Instant;
use uam::{Challenge, Known, NoCredential, Outcome, Place, Query, Reason, Station, Version};
use wire::Vlan;
use wire::url::WebUrl;

use crate::pages::{self, Page as OwnPage};
use crate::reply::{self, Reply};
use crate::routes::language;
use crate::text::{ENGLISH, fill};
use crate::{Backend, Credential, Guest, Login, LoginOutcome, Session, Site, Uam, urls};

/// User-Name is an attribute of at most 253 octets (RFC 2865, 5).
const MAX_NAME: usize = 253;
/// As much of `lang` as CoovaChilli takes.
const MAX_LANG: usize = 15;

/// What is remembered of guests between their requests.
pub struct Desk {
    guests: RefCell<uam::Desk>,
    opened: Instant,
    /// Identifier of the next first question of EAP.
    next_eap: Cell<u8>,
}

impl Desk {
    /// Of nobody yet.
    #[must_use]
    pub fn new(uam: &Uam) -> Self {
        let guests = uam::Desk::new(uam.challenge_lifetime, uam.reuse_challenges, uam.plain_passwords);
        Self { guests: RefCell::new(guests), opened: Instant::now(), next_eap: Cell::new(0) }
    }

    /// A server knows the guest's device, but wants it to see a page first: this one, if it is a web address, or the portal.
    pub fn must_see(&self, place: Place, page: Option<String>) {
        self.guests.borrow_mut().must_see(place, web(page).as_deref());
    }

    /// A guest has left its place: nothing is remembered of it.
    pub fn left(&self, place: Place) {
        self.guests.borrow_mut().left(place);
    }
}

/// The answer to a request for one of these addresses; none if it is none of them.
pub(crate) async fn answer<B: Backend>(
    request: &Request<Incoming>,
    ip: Ipv4Addr,
    site: &Site,
    desk: &Desk,
    backend: &B,
) -> Option<Reply> {
    let query = Query::new(request.uri().query().unwrap_or_default());
    let (page, as_json) = page(request.uri().path(), query, site)?;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && !as_json {
        return None; // our own forms
    }
    let headers = request.headers();
    let origin = headers.get(ORIGIN).filter(|_| urls::comes_from_known(headers, &ORIGIN, site));
    match (request.method(), origin) {
        (&Method::OPTIONS, Some(origin)) => return Some(reply::may_ask(origin)),
        _ if !reads => return Some(reply::closing(reply::method_not_allowed("GET, HEAD"))),
        _ => {}
    }
    let callback = if as_json { query.text("callback") } else { None };
    if let Some(callback) = &callback
        && !(uam::is_callback(callback) && urls::comes_from_known(headers, &REFERER, site))
    {
        let words = "A callback is a name, and is called for pages of the portal only (uam.origins).\n";
        return Some(reply::text(StatusCode::FORBIDDEN, words));
    }
    let place = backend.place(ip)?;
    let counter = Counter { ip, place, query, site, desk, backend };
    let said = counter.answer(page, headers).await;
    Some(match said {
        Ok(said) if as_json => reply::readable_by(json(&counter.reply(&said), callback.as_deref()), origin),
        Ok(said) => counter.redirect(page, &said),
        Err(refusal) => counter.refuse(refusal, as_json, headers),
    })
}

/// What can be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Page {
    /// What a guest wanted before it was led here.
    Original,
    Login,
    Logoff,
    Status,
    Prelogin,
    MacReauth,
    Abort,
}

/// Which of them an address is, and whether JSON is asked for.
fn page(path: &str, query: Query<'_>, site: &Site) -> Option<(Page, bool)> {
    let path = path.strip_prefix('/')?;
    let (name, as_json) = match path.strip_prefix("json/") {
        Some(name) if !name.is_empty() => (name, true),
        _ => (path, false),
    };
    let page = match name {
        "" if !as_json => Page::Original,
        "logon" => Page::Login,
        // Without a name it is our own form.
        "login" if as_json || query.has("username") || Credential::is_eap(query) => Page::Login,
        "logoff" | "logout" => Page::Logoff,
        "status" => Page::Status,
        "prelogin" => Page::Prelogin,
        "macreauth" => Page::MacReauth,
        "abort" => Page::Abort,
        _ => return None,
    };
    let is_spoken = !site.uam.portal.server.is_empty() || (as_json && page == Page::Status);
    is_spoken.then_some((page, as_json))
}

/// Where one request is dealt with.
struct Counter<'a, B> {
    ip: Ipv4Addr,
    place: Place,
    query: Query<'a>,
    site: &'a Site,
    desk: &'a Desk,
    backend: &'a B,
}

/// Why nothing is done.
enum Refusal {
    /// A page of another site wants the guest to be logged out.
    Foreign,
    NoName,
    NoCredential,
}

/// What is to be said.
struct Said {
    outcome: Outcome,
    session: Option<uam::Session>,
    next_session_id: String,
    challenge: Option<Challenge>,
    message: Option<String>,
    lang: String,
    user_url: String,
    session_url: Option<String>,
    is_splash: bool,
    version: Version,
    /// A message of EAP; empty to who speaks EAP, if there is none.
    eap: Option<Vec<u8>>,
}

impl<B: Backend> Counter<'_, B> {
    async fn answer(&self, page: Page, headers: &HeaderMap) -> Result<Said, Refusal> {
        let session = self.session();
        let online = session.is_some();
        match page {
            Page::Original | Page::Prelogin | Page::MacReauth => {
                if page == Page::MacReauth {
                    self.backend.ask_about_device(self.ip);
                }
                self.remember(if page == Page::Original {
                    self.query.url("url")
                } else {
                    self.query.url_of_portal("userurl")
                });
                Ok(if online { self.say(Outcome::Already, session) } else { self.invited() })
            }
            Page::Status if online => Ok(self.say(Outcome::Status { online }, session)),
            Page::Status => Ok(self.not_yet(Outcome::Status { online })),
            Page::Logoff if urls::is_foreign(headers, self.site) => Err(Refusal::Foreign),
            Page::Logoff => {
                self.backend.logout(self.ip);
                let challenge = self.renewed();
                Ok(Said { challenge, ..self.say(Outcome::LoggedOff, session) })
            }
            Page::Abort if online => Ok(self.say(Outcome::AbortRefused, session)),
            Page::Abort => {
                let challenge = self.renewed();
                Ok(Said { challenge, ..self.say(Outcome::Aborted, None) })
            }
            Page::Login => self.login(session).await,
        }
    }

    async fn login(&self, session: Option<uam::Session>) -> Result<Said, Refusal> {
        let is_eap = Credential::is_eap(self.query);
        let name = self.query.text("username").filter(|name| (1..=MAX_NAME).contains(&name.len()));
        let name = name.or(is_eap.then(String::new)).ok_or(Refusal::NoName)?;
        if !Credential::is_in(self.query) {
            return Err(Refusal::NoCredential);
        }
        self.remember(self.query.url_of_portal("userurl"));
        match (self.known(), session) {
            (Some(Known::Accepted), Some(session)) => return Ok(self.say(Outcome::Success, Some(session))),
            (_, Some(session)) => return Ok(self.say(Outcome::Already, Some(session))),
            (Some(Known::Rejected { message, session_url }), None) => {
                return Ok(self.refused(message.map(Into::into), session_url.map(Into::into)));
            }
            (Some(Known::Accepted) | None, None) => {}
        }
        let fresh = || self.backend.dice();
        let challenge = match self.guests(|guests, now| guests.answered(now, self.place, fresh)) {
            Ok(challenge) => challenge,
            // EAP has challenges of its own.
            Err(_) if is_eap => None,
            Err(challenge) => {
                let message = Some("The page was too old. Please try again.".to_owned());
                return Ok(Said { challenge, message, ..self.say(Outcome::Failed(Reason::Other), None) });
            }
        };
        let credential = match Credential::read(self.query, challenge, &self.site.uam.portal.secret) {
            Ok(credential) => credential,
            Err(NoCredential::Absent) => return Err(Refusal::NoCredential),
            Err(NoCredential::Malformed) => return Ok(self.not_yet(Outcome::Failed(Reason::Other))),
        };
        // Only a conversation that begins says who it is (RFC 3579, 2.1).
        let name = match &credential {
            Credential::Eap(response) => match std::str::from_utf8(uam::eap::identity(response).unwrap_or_default()) {
                Ok(name) if name.len() <= MAX_NAME => name.to_owned(),
                _ => return Ok(self.not_yet(Outcome::Failed(Reason::Other))),
            },
            _ => name,
        };
        let uam = &self.site.uam;
        let original_url =
            if uam.original_url { self.guests(|guests, _| guests.user_url(self.place)) } else { String::new() };
        let login = Login {
            name: &name,
            credential: &credential,
            original_url: &original_url,
            lang: &self.lang(),
            session_id: &self.guests(|guests, _| guests.take_session_id(self.place, || self.backend.session_id())),
            logoff_url: &uam.portal.page("logoff"),
        };
        let outcome = self.backend.login(self.ip, &login).await;
        Ok(self.decided(outcome))
    }

    /// What a login comes to.
    fn decided(&self, outcome: LoginOutcome) -> Said {
        match outcome {
            LoginOutcome::Accepted { redirect, eap } => {
                let redirect = web(redirect);
                let version = self.version();
                self.guests(|guests, _| guests.accepted(self.place, self.query, redirect.as_deref(), version));
                self.say(Outcome::Success, self.session()).with(eap)
            }
            LoginOutcome::Asked { eap } => self.not_yet(Outcome::Challenge).with(Some(eap)),
            // The first response of the next conversation may be the same, and is to be looked at.
            LoginOutcome::Rejected { message, redirect, eap } if Credential::is_eap(self.query) => {
                self.renewed();
                self.refused(tidied(message), web(redirect)).with(eap)
            }
            LoginOutcome::Rejected { message, redirect, .. } => {
                let (message, url) = (tidied(message), web(redirect));
                let said = (message.as_deref(), url.as_deref());
                let fresh = || self.backend.dice();
                self.guests(|guests, now| guests.rejected(now, self.place, self.query, said, fresh));
                self.refused(message, url)
            }
            LoginOutcome::Declined(why) => {
                self.renewed();
                self.refused(Some(ENGLISH.declined(why)), None)
            }
            // The same login may have come twice at once, and let the guest in the other time.
            LoginOutcome::Unavailable => match (self.known(), self.session()) {
                (Some(Known::Accepted), Some(session)) => self.say(Outcome::Success, Some(session)),
                _ => self.not_yet(Outcome::Failed(Reason::Timeout)),
            },
            LoginOutcome::TooManyTries { wait } => {
                let wait = Duration::from_secs(wait.as_secs().saturating_add(1));
                let message = fill(ENGLISH.too_many_tries, &pages::duration(&ENGLISH, wait));
                Said { message: Some(message), ..self.not_yet(Outcome::Failed(Reason::Other)) }
            }
        }
    }

    fn refused(&self, message: Option<String>, session_url: Option<String>) -> Said {
        Said { message, session_url, ..self.not_yet(Outcome::Failed(Reason::Reject)) }
    }

    /// What a guest is told who is to log in; programs that speak EAP are asked who they are.
    fn invited(&self) -> Said {
        let asked = self.site.uam.eap.then(|| {
            let id = self.desk.next_eap.get();
            self.desk.next_eap.set(id.wrapping_add(1));
            uam::eap::ask_identity(id)
        });
        Said { eap: asked, ..self.not_yet(Outcome::NotYet) }
    }

    /// Something that is said to a guest who is offline, with the challenge it has to answer.
    fn not_yet(&self, outcome: Outcome) -> Said {
        let fresh = || self.backend.dice();
        let challenge = self.guests(|guests, now| guests.shown(now, self.place, fresh));
        // What EAP asks on about has its name already.
        let next_session_id = match outcome {
            Outcome::Challenge => String::new(),
            _ => self.guests(|guests, _| guests.session_id(self.place, || self.backend.session_id())),
        };
        Said { challenge, next_session_id, ..self.say(outcome, None) }
    }

    fn say(&self, outcome: Outcome, session: Option<uam::Session>) -> Said {
        let is_of_login = matches!(outcome, Outcome::Success | Outcome::Failed(_) | Outcome::Challenge);
        let (user_url, session_url, spoken, splash) = self.guests(|guests, _| {
            let place = self.place;
            (guests.user_url(place), guests.session_url(place), guests.version(place), guests.splash(place))
        });
        let is_invitation = matches!(outcome, Outcome::NotYet | Outcome::Status { online: false });
        let splash = splash.filter(|_| is_invitation);
        let is_splash = splash.is_some();
        let page = splash.filter(|page| !page.is_empty());
        Said {
            outcome,
            message: self.message(outcome),
            session_url: session_url.filter(|_| session.is_some()).or(page),
            is_splash,
            session,
            next_session_id: String::new(),
            challenge: None,
            lang: if is_of_login { self.lang() } else { String::new() },
            user_url,
            version: if is_of_login { self.version() } else { spoken },
            eap: (is_of_login && Credential::is_eap(self.query)).then(Vec::new),
        }
    }

    /// The server's words on acceptance.
    fn message(&self, outcome: Outcome) -> Option<String> {
        let Some(Guest::LoggedIn(session)) = self.backend.guest(self.ip) else { return None };
        tidied(session.message.filter(|_| outcome == Outcome::Success))
    }

    /// What became of this login, if it came before.
    fn known(&self) -> Option<Known> {
        self.guests(|guests, _| guests.known(self.place, self.query).cloned())
    }

    /// Where the guest was going, if the request says it.
    fn remember(&self, url: Option<String>) {
        if let Some(url) = url {
            self.guests(|guests, _| guests.going_to(self.place, &url));
        }
    }

    fn renewed(&self) -> Option<Challenge> {
        self.guests(|guests, now| guests.renewed(now, self.place, || self.backend.dice()))
    }

    fn guests<T>(&self, ask: impl FnOnce(&mut uam::Desk, Duration) -> T) -> T {
        ask(&mut self.desk.guests.borrow_mut(), self.desk.opened.elapsed())
    }

    fn session(&self) -> Option<uam::Session> {
        // While a login waited, the address may have become another guest's.
        self.backend.place(self.ip).filter(|place| *place == self.place)?;
        match self.backend.guest(self.ip)? {
            Guest::LoggedIn(session) => Some(told(*session)),
            Guest::NotLoggedIn => None,
        }
    }

    fn lang(&self) -> String {
        self.query.text("lang").filter(|lang| lang.len() <= MAX_LANG).unwrap_or_default()
    }

    fn version(&self) -> Version {
        let is_2 = self.query.octets("WISPrVersion").as_deref() == Some(b"2.0");
        if is_2 { Version::V2 } else { Version::V1 }
    }

    fn refuse(&self, refusal: Refusal, as_json: bool, headers: &HeaderMap) -> Reply {
        let page = OwnPage { t: language(headers), site: self.site };
        let bad = |words: &'static str| reply::text(StatusCode::BAD_REQUEST, words);
        reply::closing(match (refusal, self.backend.guest(self.ip)) {
            (Refusal::NoName, _) => bad("username is missing or too long.\n"),
            (Refusal::NoCredential, _) => bad("There is neither response nor password.\n"),
            (Refusal::Foreign, Some(Guest::LoggedIn(session))) if !as_json => page.logout(&session),
            (Refusal::Foreign, _) => page.foreign_form(),
        })
    }

    fn redirect(&self, page: Page, said: &Said) -> Reply {
        let reply = self.reply(said);
        let location = uam::location(&reply);
        let location = match (&self.site.uam.home_page, page) {
            (Some(home_page), Page::Original) => uam::with_home_page(home_page, &location),
            _ => location,
        };
        reply::found(&location, uam::body(&reply))
    }

    fn reply<'s>(&'s self, said: &'s Said) -> uam::Reply<'s> {
        let Place { key, .. } = self.place;
        uam::Reply {
            outcome: said.outcome,
            portal: &self.site.uam.portal,
            station: Station {
                mac: self.site.routes.station(key),
                is_shared: key.address_behind_router().is_some(),
                ip: self.ip,
                vlan: (key.vlan != Vlan::NONE).then_some(key.vlan.0),
            },
            session: said.session.as_ref(),
            next_session_id: &said.next_session_id,
            challenge: said.challenge,
            message: said.message.as_deref(),
            lang: &said.lang,
            user_url: &said.user_url,
            session_url: said.session_url.as_deref(),
            is_splash: said.is_splash,
            version: said.version,
            eap: said.eap.as_deref(),
        }
    }
}

impl Said {
    /// The same with the server's message of EAP, if there is one, for who speaks it.
    fn with(self, eap: Option<Vec<u8>>) -> Self {
        Self { eap: self.eap.map(|none| eap.unwrap_or(none)), ..self }
    }
}

/// What a server says to a guest, fit to be shown.
fn tidied(message: Option<String>) -> Option<String> {
    message.map(|words| pages::tidy(&words)).filter(|words| !words.is_empty())
}

/// An address that a server names, if a browser may be sent there.
fn web(url: Option<String>) -> Option<String> {
    url.filter(|url| WebUrl::parse(url).is_some())
}

fn json(reply: &uam::Reply<'_>, callback: Option<&str>) -> Reply {
    let object = uam::json(reply);
    match callback {
        Some(callback) => {
            reply::reply(StatusCode::OK, "application/javascript; charset=utf-8", format!("{callback}({object})"))
        }
        None => reply::reply(StatusCode::OK, "application/json", object),
    }
}

/// A session as portals are told of it.
fn told(session: Session) -> uam::Session {
    uam::Session {
        start_secs: session.began.as_secs(),
        secs: session.age.as_secs(),
        limit_secs: session.time_left.map_or(0, |left| session.age.saturating_add(left).as_secs()),
        left_secs: session.time_left.unwrap_or_default().as_secs(),
        idle_limit_secs: session.idle_timeout.unwrap_or_default().as_secs(),
        idle_secs: session.idle.as_secs(),
        octets_up: session.octets_up,
        octets_down: session.octets_down,
        limit_up: session.quota_up.unwrap_or(0),
        limit_down: session.quota_down.unwrap_or(0),
        limit_total: session.quota_total.unwrap_or(0),
        id: session.id,
        user: session.user,
    }
}
