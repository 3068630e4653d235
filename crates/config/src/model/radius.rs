//! RADIUS servers, and who may talk to the gateway as one.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::{HostNetwork, Secret};

/// `[radius]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Radius {
    /// NAS-Identifier.
    pub nas_identifier: String,
    /// NAS-IP-Address; `None` is the address from which the server is asked.
    pub nas_ip: Option<Ipv4Addr>,
    /// Called-Station-Id; `None` is the MAC address of the LAN interface.
    pub called_station_id: Option<String>,
    /// NAS-Port-Type.
    pub nas_port_type: u32,
    /// How the password travels.
    pub method: PasswordMethod,
    /// Until a request is sent again.
    pub timeout: Duration,
    /// Transmissions to one server before the next one is asked.
    pub tries: u32,
    /// A server that did not answer is left alone for so long.
    pub dead_time: Duration,
    /// An Accept whose Filter-Id names no `[[policy]]` is a refusal.
    pub refuse_unknown_policy: bool,
    /// When all servers are silent, logins are admitted for so long; `None` denies them.
    pub admit_unreachable: Option<Duration>,
    /// `[[radius.server]]` in the order of the file; not empty when `auth.methods` has RADIUS.
    pub servers: Vec<RadiusServer>,
    /// `[radius.dynamic_authorization]`
    pub dynamic_authorization: DynamicAuthorization,
    /// `[radius.administrative]`; `None` without a user.
    pub administrative: Option<RadiusAdministrative>,
    /// `[radius.proxy]`
    pub proxy: RadiusProxy,
}

impl Radius {
    /// A secret stands in the configuration itself, not in a file of its own.
    pub(crate) fn has_secret_in_config(&self) -> bool {
        let clients = &self.dynamic_authorization.clients;
        self.servers.iter().any(|s| s.secret_in_config)
            || clients.iter().any(|c| c.secret_in_config)
            || self.administrative.as_ref().is_some_and(|a| a.secret_in_config)
            || self.proxy.clients.iter().any(|c| c.secret_in_config)
    }
}

/// How a guest's password travels to the RADIUS server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordMethod {
    /// User-Password (RFC 2865, 5.2).
    Pap,
    /// CHAP-Password (RFC 2865, 5.3).
    Chap,
    /// MS-CHAP2-Response (RFC 2548, 2.3.2): the server proves that it knows the password.
    MsChapV2,
}

/// How packets travel to a RADIUS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RadiusTransport {
    /// In datagrams, with a secret.
    Udp,
    /// Over TLS.
    Tls(RadiusTls),
    /// Not at all: a web page is asked.
    Http(RadiusHttp),
}

/// A web page that is asked as CoovaChilli asks its `uamaaaurl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadiusHttp {
    /// Its web address, without a fragment.
    pub url: String,
    /// Who may vouch for it; `None` is the machine's own choice.
    pub ca: Option<PathBuf>,
}

/// What proves both ends of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadiusTls {
    /// TCP port.
    pub port: u16,
    /// Who may vouch for the server; a file that can be opened.
    pub ca: PathBuf,
    /// Our certificates; likewise.
    pub certificate: PathBuf,
    /// Our key; likewise.
    pub key: PathBuf,
    /// The server's name in its certificate; `None` is its address.
    pub server_name: Option<String>,
    /// SHA-256 of the only certificate that is taken.
    pub fingerprint: Option<[u8; 32]>,
    /// Which protocol inside.
    pub version: RadiusVersion,
    /// The server may end and change sessions down the connection.
    pub dynamic_authorization: bool,
}

/// The protocol inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RadiusVersion {
    /// The best that both know.
    Auto,
    /// RFC 6614 only.
    V1_0,
    /// RFC 9765 only.
    V1_1,
}

/// One `[[radius.server]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadiusServer {
    /// Where it is; 0.0.0.0 of a web page.
    pub address: IpAddr,
    /// How packets travel.
    pub transport: RadiusTransport,
    /// UDP port for Access-Requests.
    pub auth_port: u16,
    /// UDP port for Accounting-Requests.
    pub acct_port: u16,
    /// Shared with this server; not empty over UDP. Empty of a web page: nothing is signed.
    pub secret: Secret,
    /// The secret stands in the configuration itself, not in a file of its own.
    pub secret_in_config: bool,
    /// Answers without Message-Authenticator are dropped.
    pub require_message_authenticator: bool,
    /// Lower is asked first; equals share.
    pub priority: u8,
    /// It may be asked for its status.
    pub status_server: bool,
}

/// `[radius.dynamic_authorization]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicAuthorization {
    /// Where requests are taken.
    pub listen: IpAddr,
    /// UDP port.
    pub port: u16,
    /// `[[radius.dynamic_authorization.client]]`; without one nothing listens.
    pub clients: Vec<DynamicAuthorizationClient>,
}

/// One `[[radius.dynamic_authorization.client]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicAuthorizationClient {
    /// Where its requests come from.
    pub address: HostNetwork,
    /// Shared with this client; not empty.
    pub secret: Secret,
    /// The secret stands in the configuration itself, not in a file of its own.
    pub secret_in_config: bool,
    /// Requests without Message-Authenticator are dropped.
    pub require_message_authenticator: bool,
    /// How far an Event-Timestamp may be off; `None` does not look at it.
    pub window: Option<Duration>,
    /// Requests without Event-Timestamp are dropped.
    pub require_event_timestamp: bool,
}

/// `[radius.administrative]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadiusAdministrative {
    /// The User-Name of the gateway itself.
    pub user: String,
    /// Its password.
    pub secret: Secret,
    /// The secret stands in the configuration itself, not in a file of its own.
    pub secret_in_config: bool,
    /// Until the servers are asked again.
    pub interval: Duration,
}

/// `[radius.proxy]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadiusProxy {
    /// Where requests are taken.
    pub listen: IpAddr,
    /// UDP port for Access-Requests.
    pub port: u16,
    /// UDP port for Accounting-Requests.
    pub accounting_port: u16,
    /// `[[radius.proxy.client]]`; without one nothing listens.
    pub clients: Vec<RadiusProxyClient>,
}

/// One `[[radius.proxy.client]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadiusProxyClient {
    /// Where its requests come from.
    pub address: HostNetwork,
    /// Shared with this access point; not empty.
    pub secret: Secret,
    /// The secret stands in the configuration itself, not in a file of its own.
    pub secret_in_config: bool,
    /// Requests without Message-Authenticator are dropped, also those without EAP.
    pub require_message_authenticator: bool,
    /// The VLAN on which its devices are, 0 is untagged; `None` is what an Accept says, or untagged.
    pub vlan: Option<u16>,
}
