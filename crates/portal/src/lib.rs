//! The HTTP side that a guest meets: sign in, success, status, sign out, and the captive portal API. Guests are led here
//! by the packet path, which answers their http itself (`fastpath::redirect`).
//!
//! Whoever is no guest (no lease from us) is hung up on without a byte. All of it runs on one thread, in a
//! [`tokio::task::LocalSet`]; every connection is a small task, and [`Limits`] bounds all that a stranger can hold.
//! No cookie and no script: the sheets in which phones show portals forget the first and break the second.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::future::Future;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use wire::routes::Routes;

mod api;
mod files;
mod forms;
#[cfg(fuzzing)]
pub mod fuzz;
mod gate;
mod limits;
mod look;
mod pages;
mod reply;
mod routes;
#[cfg(feature = "templates")]
mod samples;
mod server;
#[cfg_attr(not(feature = "templates"), path = "no_templates.rs")]
mod templates;
mod text;
mod tls;
mod uam_routes;
mod urls;

pub use files::Files;
pub use limits::Limits;
pub use look::{Color, Logo, Look};
pub use server::serve;
pub use templates::Templates;
pub use tls::{Inside, Tls};
pub use uam::Credential;
pub use uam_routes::Desk;
pub use urls::detector;

/// What the portal asks of the rest of the gateway. Single-threaded; never called while a call is under way,
/// except that other calls come while a [`login`](Backend::login) is waiting for its answer.
pub trait Backend: 'static {
    /// Who holds this address. `None` says that nobody does: the connection is then closed without an answer.
    fn guest(&self, ip: Ipv4Addr) -> Option<Guest>;

    /// Where in the gateway's table the guest at this address is, and who it is.
    fn place(&self, ip: Ipv4Addr) -> Option<uam::Place>;

    /// A name for a session to come, which nobody else gets.
    fn session_id(&self) -> String;

    /// Sixteen octets that nobody can foresee.
    fn dice(&self) -> [u8; 16];

    /// Checks a name and what is shown for it and, if they are good, opens the session before returning.
    ///
    /// All of it comes from a stranger: any text, bounded by [`Limits`]. The future is dropped when the
    /// guest hangs up or its connection's time is over: the attempt then no longer has to finish.
    /// While it waits, the lease may end and the address change hands: whoever held it at the call is the one to let in.
    /// Of EAP a call is one round. Who has answered a question belongs to the guest at this address, never to the request.
    /// Throttling of attempts is done here, behind the trait, because other ways to log in share it.
    fn login(&self, ip: Ipv4Addr, login: &Login<'_>) -> impl Future<Output = LoginOutcome>;

    /// A guest was shown a page, on its way to another host. For the operator's eyes; the words are a stranger's.
    fn served(&self, ip: Ipv4Addr, path: &str, towards: Option<&str>, status: u16);

    /// Lets the guest in by the code of a voucher, as it was typed; otherwise as [`login`](Self::login).
    fn redeem(&self, ip: Ipv4Addr, code: &str) -> impl Future<Output = LoginOutcome>;

    /// Lets the guest in because it accepts the terms; otherwise as [`login`](Self::login). Called only where
    /// [`SignIn::click_through`] is offered and the terms are accepted.
    fn accept_terms(&self, ip: Ipv4Addr) -> impl Future<Output = LoginOutcome>;

    /// Who goes on by a [bookmark](Session::bookmark), if anybody can; it comes from a stranger.
    fn recognise(&self, bookmark: &str) -> Option<String>;

    /// Lets the guest at this address go on by a bookmark in the place of the session that it is of; otherwise as
    /// [`login`](Self::login).
    fn resume(&self, ip: Ipv4Addr, bookmark: &str) -> impl Future<Output = LoginOutcome>;

    /// Has somebody asked whether this guest may come in by its MAC address, if it is offline and not too often.
    fn ask_about_device(&self, ip: Ipv4Addr);

    /// Ends the session of this guest, if it has one.
    fn logout(&self, ip: Ipv4Addr);
}

/// An attempt to log in.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// Who it says it is. Of EAP, only the first response says it: empty after that.
    pub name: &'a str,
    /// How it proves that.
    pub credential: &'a Credential,
    /// Where it was going; may be empty.
    pub original_url: &'a str,
    /// The language that a portal spoke with it; may be empty.
    pub lang: &'a str,
    /// What its session is to be called: of [`Backend::session_id`], and of no other login. Empty leaves it to the gateway.
    pub session_id: &'a str,
    /// Where it logs off by an external portal; empty without one.
    pub logoff_url: &'a str,
}

/// What became of an attempt to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The session is open.
    Accepted {
        /// Where the source of the grant wants the browser to go (WISPr-Redirection-URL). Anything that is not a web
        /// address is left out of account.
        redirect: Option<String>,
        /// The server's last message of EAP.
        eap: Option<Vec<u8>>,
    },
    /// Refused, with the server's own words (RADIUS Reply-Message) if it had any.
    Rejected {
        /// Shown to the guest as plain text.
        message: Option<String>,
        /// Where it wants the browser to go, as above: a page that says more, or sells more.
        redirect: Option<String>,
        /// The server's last message of EAP.
        eap: Option<Vec<u8>>,
    },
    /// The server asks on by EAP, and the guest's next response is the answer.
    Asked {
        /// Its message.
        eap: Vec<u8>,
    },
    /// Refused, for a reason that the portal has words for.
    Declined(Declined),
    /// Nobody could be asked: every server is silent. The guest is told to try again, not that its password is wrong.
    Unavailable,
    /// Too many attempts.
    TooManyTries {
        /// How long until the next attempt is looked at.
        wait: Duration,
    },
}

/// Why a voucher, an account or the terms let nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declined {
    /// The code cannot be right, whatever vouchers there are.
    Mistyped,
    /// There is no voucher with this code.
    UnknownCode,
    /// Its time is over by the calendar, or an operator ended it.
    Expired,
    /// All of its time or data is used.
    UsedUp,
    /// As many devices as it has are online.
    TooManyDevices,
    /// What this device gets by accepting the terms is used, for so long.
    ShareUsed(Duration),
    /// So many devices are new that another one gets nothing, for so long.
    TooManyNewcomers(Duration),
}

/// A guest as the portal sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guest {
    /// Has a lease, nothing more.
    NotLoggedIn,
    /// Is online.
    LoggedIn(Box<Session>),
}

/// A session, for its own guest to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Its own name (Acct-Session-Id).
    pub id: String,
    /// When it began, since 1970.
    pub began: Duration,
    /// How long the guest has been silent.
    pub idle: Duration,
    /// Octets that the guest may send in all; `None` without a limit.
    pub quota_up: Option<u64>,
    /// Octets that the guest may receive in all; `None` without a limit.
    pub quota_down: Option<u64>,
    /// Octets of both directions together; `None` without a limit.
    pub quota_total: Option<u64>,
    /// The name it logged in with; may be empty.
    pub user: String,
    /// How long ago it began.
    pub age: Duration,
    /// Until the session ends by itself; `None` without a limit.
    pub time_left: Option<Duration>,
    /// The session ends after this long without traffic; `None` without such a limit.
    pub idle_timeout: Option<Duration>,
    /// Octets sent by the guest.
    pub octets_up: u64,
    /// Octets sent to the guest.
    pub octets_down: u64,
    /// Octets, of both directions together, until the session ends; `None` without a limit.
    pub octets_left: Option<u64>,
    /// Ceiling of what the guest sends, in bit/s; `None` without one.
    pub bits_per_second_up: Option<u64>,
    /// Ceiling of what the guest receives, in bit/s; `None` without one.
    pub bits_per_second_down: Option<u64>,
    /// The server's words on acceptance (RADIUS Reply-Message), shown on the success page. They are kept with the
    /// session, because between the form and the success page lies a redirect, and anything carried in its address
    /// could be written there by somebody else.
    pub message: Option<String>,
    /// What the address of its status page has, so that the guest can go on when its device has another MAC address;
    /// letters and digits.
    pub bookmark: Option<String>,
}

/// What the operator says about the place.
#[derive(Clone, Debug)]
pub struct Site {
    /// Name of the place, on every page.
    pub title: String,
    /// What stands above the sign-in, as plain text, paragraphs separated by empty lines.
    pub welcome: Option<String>,
    /// Colour and logo.
    pub look: Look,
    /// What the sign-in page asks for.
    pub sign_in: SignIn,
    /// The operator's own templates; `None` shows the pages as they are built in.
    pub templates: Option<Templates>,
    /// Terms of use as plain text, paragraphs separated by empty lines. If there are any, a guest has to accept them.
    pub terms: Option<String>,
    /// Where guests reach the pages, without a slash at the end: `http://10.85.0.1:3990`. If it is https, pages are shown
    /// there alone.
    pub base_url: String,
    /// The portal's own host names, answered by our DNS, and its addresses: `wifi.internal`.
    pub names: Vec<String>,
    /// A page about the place (RFC 8908, venue-info-url).
    pub venue_url: Option<String>,
    /// Guests can prolong a session in the portal (RFC 8908, can-extend-session).
    pub can_extend: bool,
    /// The operator's own files.
    pub files: Files,
    /// Networks of guests behind routers.
    pub routes: Routes,
    /// An external portal.
    pub uam: Uam,
    /// The bounds.
    pub limits: Limits,
}

/// What the sign-in page asks for; at least one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// A name and a password.
    pub password: bool,
    /// The code of a voucher.
    pub voucher: bool,
    /// Nothing but that the terms are accepted; there have to be some.
    pub click_through: bool,
}

/// What the place shows now; the operator can change it while guests are served.
#[derive(Debug)]
pub struct Board(RefCell<Rc<Site>>);

impl Board {
    /// With this on it.
    #[must_use]
    pub fn new(site: Site) -> Rc<Self> {
        Rc::new(Self(RefCell::new(Rc::new(site))))
    }

    /// What is on it.
    #[must_use]
    pub fn site(&self) -> Rc<Site> {
        Rc::clone(&self.0.borrow())
    }

    /// Shows something else from the next request on; only bounds stay as they were.
    pub fn show(&self, site: Site) {
        *self.0.borrow_mut() = Rc::new(site);
    }
}

impl Site {
    /// The pages are shown over https.
    pub(crate) fn is_secure(&self) -> bool {
        self.base_url.starts_with("https:")
    }
}

/// What the operator says about an external portal.
#[derive(Clone, Debug, Default)]
pub struct Uam {
    /// What portals, programs and scripts are told. Without a server our own pages are shown, and of JSON only the status.
    pub portal: uam::Portal,
    /// Where guests are led first.
    pub home_page: Option<String>,
    /// A challenge is shown for so long, and taken for twice as long.
    pub challenge_lifetime: Duration,
    /// A challenge may be answered until it is old.
    pub reuse_challenges: bool,
    /// Passwords come as they are.
    pub plain_passwords: bool,
    /// There is a server to ask by EAP.
    pub eap: bool,
    /// The RADIUS server is told where a guest was going.
    pub original_url: bool,
    /// Web sites, as `https://www.example.org`, whose scripts may read what a guest may; the portal's is always one.
    pub origins: Vec<String>,
}
