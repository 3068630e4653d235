//! What guests see before login, and what is open to them.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use crate::{GardenDomain, GardenEntry, Secret};

/// `[portal]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// TCP port on the gateway address.
    pub port: u16,
    /// Heading of the login page.
    pub title: String,
    /// The place's colour: red, green and blue.
    pub color: Option<[u8; 3]>,
    /// The picture before the heading.
    pub logo: Option<PathBuf>,
    /// What stands above the login; may be empty.
    pub welcome: String,
    /// Terms that are shown beside the login; empty shows none.
    pub terms: String,
    /// The folder of what is served below `/www/`.
    pub files: Option<PathBuf>,
    /// The folder of templates that replace ours.
    pub templates: Option<PathBuf>,
    /// A page about the place.
    pub venue_url: Option<String>,
    /// Guests can prolong a session there.
    pub can_extend: bool,
    /// https; `None` is without.
    pub tls: Option<PortalTls>,
}

/// `[portal.tls]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalTls {
    /// What the certificate is for, in lower case; at most 128 octets.
    pub name: String,
    /// The certificate and those above it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// TCP port on the gateway address.
    pub port: u16,
}

impl PortalTls {
    /// Where guests reach the portal, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        match self.port {
            443 => format!("https://{}", self.name),
            port => format!("https://{}:{port}", self.name),
        }
    }
}

/// `[uam]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uam {
    /// The external portal; `None` shows our own pages.
    pub server: Option<String>,
    /// Shared with the portal; `None` proves nothing and mixes nothing.
    pub secret: Option<Secret>,
    /// The secret stands in the configuration itself, not in a file of its own.
    pub secret_in_config: bool,
    /// Where guests are led first.
    pub home_page: Option<String>,
    /// WISPr 1.0 is offered.
    pub wispr_1: bool,
    /// WISPr 2.0 is offered.
    pub wispr_2: bool,
    /// Where programs log in; `None` is the portal.
    pub wispr_login: Option<String>,
    /// A challenge is shown for so long, and taken for twice as long.
    pub challenge_lifetime: Duration,
    /// A challenge may be used until it is old.
    pub reuse_challenges: bool,
    /// Passwords come as they are; there is no challenge.
    pub plain_passwords: bool,
    /// A second port of the portal.
    pub ui_port: Option<u16>,
    /// Our pages at any TCP port.
    pub alias_address: Option<Ipv4Addr>,
    /// A name of `alias_address`, or of the gateway.
    pub alias_name: Option<String>,
    /// A name of the gateway.
    pub host_name: Option<String>,
    /// TCP port 80 of it logs a guest out.
    pub logout_address: Option<Ipv4Addr>,
    /// Parameter `ssid`; empty leaves it out.
    pub ssid: String,
    /// Parameter `vlan` of untagged guests; empty leaves it out.
    pub vlan: String,
    /// AccessLocation of WISPr.
    pub location_id: String,
    /// LocationName of WISPr.
    pub location_name: String,
    /// WISPr-Redirection-URL goes to the portal as a parameter.
    pub redirect_url: bool,
    /// The RADIUS server is told where the guest was going.
    pub original_url: bool,
    /// Who may read the JSON API besides the portal, in lower case.
    pub origins: Vec<String>,
}

impl Uam {
    /// Web addresses whose hosts guests must reach before login.
    pub fn web_addresses(&self) -> impl Iterator<Item = &str> {
        [&self.server, &self.home_page, &self.wispr_login].into_iter().filter_map(Option::as_deref)
    }
}

/// `[garden]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garden {
    /// Hosts, networks and ports.
    pub allow: Vec<GardenEntry>,
    /// Domains, with all ports of the addresses that DNS gives for them.
    pub domains: Vec<GardenDomain>,
    /// For how long DNS opens an address at most.
    pub domain_ttl: Duration,
    /// Addresses that DNS may open at one time.
    pub addresses: u32,
    /// What guests who are online exchange with the garden is on their account.
    pub count: bool,
}
