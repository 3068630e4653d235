//! CoovaChilli's Universal Access Method as bytes: what a browser asks of the gateway, what the gateway tells the
//! portal in addresses, programs in WISPr's XML and scripts in JSON, and how a password answers a challenge.
//!
//! Portals depend on names, order and encoding to the letter, so all of that is here, with golden values. What CoovaChilli
//! does not escape is escaped: in XML, in JSON, and JSON inside a script.
//!
//! Opens nothing, reads no clock, rolls no dice.
#![forbid(unsafe_code)]

pub mod aaa;
mod challenge;
mod credential;
mod desk;
pub mod eap;
mod hex;
mod json;
mod location;
mod query;
mod wispr;

use std::fmt;
use std::net::Ipv4Addr;

use wire::MacAddr;

pub use challenge::Challenge;
pub use credential::{Credential, NoCredential};
pub use desk::{Desk, Known, Place};
pub use json::{is_callback, json};
pub use location::{location, with_home_page};
pub use query::Query;
pub use wispr::body;

/// What an operator says about the portal, and the gateway about itself.
#[derive(Clone, Default)]
pub struct Portal {
    /// `uamserver`: where guests are led; a web address. Empty: there is none, and only JSON is spoken.
    pub server: String,
    /// `uamsecret`; empty proves nothing and mixes nothing.
    pub secret: Vec<u8>,
    /// WISPr 1.0 is offered.
    pub wispr_1: bool,
    /// WISPr 2.0 is offered.
    pub wispr_2: bool,
    /// `wisprlogin`: where programs log in; empty is `server`.
    pub wispr_login: String,
    /// `redirurl`: where the server wants a guest to go is a parameter for the portal.
    pub redirect_url: bool,
    /// The gateway's address and port, where guests reach it.
    pub gateway: Option<(Ipv4Addr, u16)>,
    /// Where guests reach the same by https, with a slash at the end; empty without.
    pub secure: String,
    /// The gateway as access point: `AA-BB-CC-DD-EE-FF`.
    pub called: String,
    /// NAS-Identifier.
    pub nas_id: String,
    /// Value of `ssid`; empty leaves it out.
    pub ssid: String,
    /// Value of `vlan` of guests without a tag; empty leaves it out.
    pub vlan: String,
    /// AccessLocation of WISPr; empty leaves it out.
    pub location_id: String,
    /// LocationName of WISPr, `location` of JSON; empty leaves it out.
    pub location_name: String,
    /// Input is what guests send (RFC 2866), not what they receive (CoovaChilli without `swapoctets`).
    pub input_is_from_guest: bool,
}

impl Portal {
    /// A page of the gateway: `http://10.85.0.1:3990/logoff`.
    #[must_use]
    pub fn page(&self, path: &str) -> String {
        self.gateway.map_or_else(String::new, |(address, port)| format!("http://{address}:{port}/{path}"))
    }
}

impl fmt::Debug for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Portal").field("server", &self.server).field("secret", &"<hidden>").finish_non_exhaustive()
    }
}

/// The device that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// It is its router's, and others' too.
    pub is_shared: bool,
    /// Its leased address.
    pub ip: Ipv4Addr,
    /// Its VLAN, if it is on one.
    pub vlan: Option<u16>,
}

/// A session, as a portal is told of it. Times are in seconds; zero of a limit is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Acct-Session-Id.
    pub id: String,
    /// Who logged in.
    pub user: String,
    /// When, since 1970.
    pub start_secs: u64,
    /// For how long.
    pub secs: u64,
    /// Until it ends by itself, from the login on.
    pub limit_secs: u64,
    /// Of that, what is left.
    pub left_secs: u64,
    /// Longest silence.
    pub idle_limit_secs: u64,
    /// Silence now.
    pub idle_secs: u64,
    /// Octets from the guest.
    pub octets_up: u64,
    /// Octets to the guest.
    pub octets_down: u64,
    /// Most octets from the guest.
    pub limit_up: u64,
    /// Most octets to the guest.
    pub limit_down: u64,
    /// Most octets of both together.
    pub limit_total: u64,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest is not logged in: an original request, `/prelogin`.
    NotYet,
    /// The guest is logged in already.
    Already,
    /// `/status` of a guest who is logged in, or not.
    Status {
        /// Logged in.
        online: bool,
    },
    /// The login succeeded.
    Success,
    /// It did not.
    Failed(Reason),
    /// The server asks on (EAP).
    Challenge,
    /// `/logoff`.
    LoggedOff,
    /// `/abort` of a guest who is not logged in.
    Aborted,
    /// `/abort` of a guest who is.
    AbortRefused,
}

/// Why a login failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Name and password are not right, or the account is closed.
    Reject,
    /// Nobody could be asked.
    Timeout,
    /// The challenge is over, or there were too many tries.
    Other,
}

/// The version of WISPr that a program speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 1.0, and who says nothing.
    #[default]
    V1,
    /// 2.0.
    V2,
}

/// Everything that an answer may say.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// What became of the request.
    pub outcome: Outcome,
    /// Operator and gateway.
    pub portal: &'a Portal,
    /// Who asks.
    pub station: Station,
    /// Its session; after a logout, the one that has just ended.
    pub session: Option<&'a Session>,
    /// Without a session: what the next one is called; may be empty.
    pub next_session_id: &'a str,
    /// What the next login has to answer; none with plain passwords.
    pub challenge: Option<Challenge>,
    /// Reply-Message of the server, or another word to the guest.
    pub message: Option<&'a str>,
    /// `lang` of the request.
    pub lang: &'a str,
    /// Where the guest was going; may be empty.
    pub user_url: &'a str,
    /// Where the server wants it to go; a web address.
    pub session_url: Option<&'a str>,
    /// The server knows the device, and wants its guest to see a page all the same: `session_url`, or the portal.
    pub is_splash: bool,
    /// What the program speaks.
    pub version: Version,
    /// A message of EAP for it: part of an answer to one, or the first question. Empty to who speaks EAP, if there is none.
    pub eap: Option<&'a [u8]>,
}
