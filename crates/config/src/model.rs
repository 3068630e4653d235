//! The checked values. Which key gives which field is in [`crate::schema`], with the meaning of each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use wire::MacAddr;

use crate::{BitRate, DhcpOption, GardenDomain, GardenEntry, HostNetwork, Network, Octets, Secret, Uplink};

/// Everything that can be configured, with defaults filled in. Consistent in itself when it came out of
/// [`Config::load`], [`Config::parse`] or [`Config::without_file`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of the zone that this is the gateway of; empty if there are none.
    pub zone: String,
    /// The guests' side.
    pub lan: Lan,
    /// The Internet side.
    pub uplink: Uplink,
    /// The device through which guests' packets enter the kernel.
    pub tun: Tun,
    /// What the kernel forwards by itself.
    pub offload: Offload,
    /// Bounds on guests.
    pub guests: Guests,
    /// The DHCP server.
    pub dhcp: Dhcp,
    /// Name resolution before login.
    pub dns: Dns,
    /// The login page.
    pub portal: Portal,
    /// An external portal.
    pub uam: Uam,
    /// What is open before login.
    pub garden: Garden,
    /// Who may log in.
    pub auth: Auth,
    /// Vouchers and accounts with limits.
    pub vouchers: Vouchers,
    /// Who accepts the terms alone.
    pub click_through: ClickThrough,
    /// Devices that come in without the portal.
    pub mac_authentication: MacAuthentication,
    /// Limits of a session.
    pub session: Session,
    /// `[[policy]]` in the order of the file; no name twice.
    pub policies: Vec<Policy>,
    /// The RADIUS client.
    pub radius: Radius,
    /// Records of what guests used.
    pub accounting: Accounting,
    /// What is run when something happens.
    pub scripts: Scripts,
    /// What outlives the process.
    pub state: State,
    /// The operator's socket.
    pub control: Control,
    /// Numbers for monitoring.
    pub metrics: Metrics,
    /// `[console]`
    pub console: Console,
    /// `[[webhook]]`
    pub webhooks: Vec<Webhook>,
    /// What is written down of guests for later.
    pub retention: Retention,
    /// The log.
    pub log: Log,
}

/// `[lan]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lan {
    /// Name of the interface that guests are on. If there are `ports`, it is a bridge that the gateway makes of them.
    pub interface: String,
    /// Two interfaces or more, or none.
    pub ports: Vec<String>,
    /// The guests' network.
    pub network: Network,
    /// Our address in it, a host of `network`.
    pub gateway: Ipv4Addr,
    /// Frames without a VLAN tag are served.
    pub untagged: bool,
    /// `[[lan.routed]]`; no two networks overlap, nor one of them with `network`.
    pub routed: Vec<Routed>,
}

impl Lan {
    /// The interfaces that the operator named.
    #[must_use]
    pub fn named(&self) -> &[String] {
        if self.ports.is_empty() { std::slice::from_ref(&self.interface) } else { &self.ports }
    }
}

/// `[[lan.routed]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The network behind the router.
    pub network: Network,
    /// The router's address on the guests' network.
    pub via: Ipv4Addr,
    /// The router's MAC address there.
    pub mac: MacAddr,
    /// The VLAN that it is on; 0 is none.
    pub vlan: u16,
}

/// `[tun]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tun {
    /// Name of the device.
    pub name: String,
    /// Which kind of device.
    pub mode: TunMode,
    /// MTU in octets; `None` is the LAN interface's.
    pub mtu: Option<u16>,
    /// The largest segment that TCP connections of guests agree on, in octets.
    pub max_segment: Option<u16>,
}

/// The kind of device under the kernel's routing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunMode {
    /// IP packets.
    Tun,
    /// Ethernet frames.
    Tap,
}

/// `[offload]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offload {
    /// Whether.
    pub mode: OffloadMode,
}

/// Whether the kernel forwards by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffloadMode {
    /// Where it can.
    Auto,
    /// Or the gateway does not start.
    On,
    /// No.
    Off,
}

/// `[guests]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guests {
    /// Guests that are known at one time; every table is sized by it.
    pub max: u32,
}

/// `[dhcp]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dhcp {
    /// First address of the pool. The gateway may lie inside and is never leased.
    pub first: Ipv4Addr,
    /// Last address of the pool, inclusive.
    pub last: Ipv4Addr,
    /// Length of a lease of a guest with a session.
    pub lease: Duration,
    /// Length of a lease of a guest that is not logged in.
    pub offline_lease: Duration,
    /// Leases are /32 with a host route, so that guests send each other nothing directly.
    pub host_routes: bool,
    /// Guests with an address of another network get online with it.
    pub any_address: bool,
    /// Addresses that guests may use without a lease by DHCP, a part of the guests' network.
    pub static_addresses: Option<Network>,
    /// A guest that renews its lease is not idle.
    pub renewal_is_activity: bool,
    /// Option 15.
    pub domain: Option<String>,
    /// Option 6; never empty.
    pub dns: Vec<Ipv4Addr>,
    /// Option 42; empty is not sent.
    pub ntp: Vec<Ipv4Addr>,
    /// An address is probed with ARP before it is offered.
    pub conflict_probe: bool,
    /// Option 114, with `%{m}` and others for each guest's own; `None` is our own API, if there is https.
    pub captive_portal: Option<String>,
    /// How often other DHCP servers are looked for.
    pub rogue_probe: Option<Duration>,
    /// Further options for everybody; no code twice.
    pub options: Vec<DhcpOption>,
    /// `[[dhcp.host]]`; no MAC and no address twice.
    pub hosts: Vec<HostLease>,
    /// `[[dhcp.pool]]`; no name twice, no address in two.
    pub pools: Vec<NamedPool>,
}

/// One `[[dhcp.pool]]`: what Framed-Pool can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPool {
    /// To the letter.
    pub name: String,
    /// First address.
    pub first: Ipv4Addr,
    /// Last address, inclusive.
    pub last: Ipv4Addr,
}

/// One `[[dhcp.host]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLease {
    /// The station.
    pub mac: MacAddr,
    /// Its address; `None` is one of the pool.
    pub address: Option<Ipv4Addr>,
    /// Option 12.
    pub hostname: Option<String>,
    /// Boot file, in the field `file` and option 67.
    pub filename: Option<String>,
    /// Boot server, in the field `siaddr`.
    pub next_server: Option<Ipv4Addr>,
    /// Option 17.
    pub root_path: Option<String>,
    /// Options for this host, over those of `[dhcp]`; no code twice.
    pub options: Vec<DhcpOption>,
}

/// `[dns]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Resolvers to ask, in this order; empty is those of /etc/resolv.conf.
    pub resolvers: Vec<Ipv4Addr>,
    /// The portal's own name, in lower case.
    pub name: String,
    /// Every name below `dhcp.domain` is the portal's.
    pub domain_is_local: bool,
    /// Queries a second of one guest that are answered.
    pub queries_per_second: u32,
}

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

/// `[vouchers]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouchers {
    /// A device that was silent for so long makes room for another; none never does.
    pub replace_after: Option<Duration>,
    /// The address of the status page lets a guest go on for so long; none not at all.
    pub remember: Option<Duration>,
}

/// `[click_through]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClickThrough {
    /// How long a device may be online; none is no limit.
    pub time: Option<Duration>,
    /// What it may send and receive together; none is no limit.
    pub data: Option<Octets>,
    /// After how long it gets them again.
    pub again: Duration,
    /// The rate from it; none is that of `[session]`.
    pub rate_up: Option<BitRate>,
    /// The rate to it; none is that of `[session]`.
    pub rate_down: Option<BitRate>,
    /// Devices that get time or data in `again`.
    pub devices: u32,
}

/// `[auth]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Whom to ask, in this order; never empty, none twice.
    pub methods: Vec<AuthMethod>,
    /// The file of local accounts.
    pub accounts: PathBuf,
    /// CoovaChilli's file of accounts.
    pub local_users: Option<PathBuf>,
}

/// Who says whether a password is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// The accounts file.
    Local,
    /// CoovaChilli's accounts file.
    LocalUsers,
    /// A RADIUS server.
    Radius,
    /// The codes of vouchers.
    Vouchers,
    /// Nobody: the guest accepts the terms.
    ClickThrough,
}

/// `[mac_authentication]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacAuthentication {
    /// Devices that come in without asking anybody.
    pub allow: Vec<MacAddr>,
    /// The RADIUS servers are asked about the others.
    pub radius: bool,
    /// Of those, the only ones that they are asked about; empty is no restriction.
    pub radius_only: Vec<MacAddr>,
    /// How a MAC is written as User-Name: a pattern such as `aa:bb:cc:dd:ee:ff`.
    pub format: String,
    /// Behind the MAC in User-Name; may be empty.
    pub suffix: String,
    /// The password; `None` is the User-Name itself.
    pub password: Option<Secret>,
    /// The Service-Type that is asked for.
    pub service_type: MacServiceType,
    /// Devices that the servers are asked about in a second.
    pub per_second: u32,
    /// Until a device that was refused is asked about again.
    pub again: Duration,
    /// What becomes of a device that the servers refuse.
    pub refused: RefusedDevice,
    /// The lease of a device waits for what is said of it.
    pub before_lease: bool,
    /// The servers are told of its question by DHCP, and have a say in the answer.
    pub dhcp: bool,
}

impl MacAuthentication {
    /// True when some device can come in by its MAC.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.radius || !self.allow.is_empty()
    }
}

/// What becomes of a device that a server has refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedDevice {
    /// It meets the portal, as any guest.
    Portal,
    /// It has its lease, and nothing of it passes.
    Drop,
}

/// The Service-Type of a request about a device (RFC 2865, 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacServiceType {
    /// What the RFC has for it.
    CallCheck,
    /// As CoovaChilli asks.
    Framed,
    /// As for a person.
    Login,
}

/// One `[[policy]]`: what Filter-Id can name. `None` is as in `[session]`, a value of zero is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What Filter-Id says.
    pub name: String,
    /// Longest session.
    pub timeout: Option<Duration>,
    /// Longest silence.
    pub idle_timeout: Option<Duration>,
    /// Between two interim accounting records; zero sends none.
    pub interim: Option<Duration>,
    /// From the guest.
    pub rate_up: Option<BitRate>,
    /// To the guest.
    pub rate_down: Option<BitRate>,
    /// From the guest, in one session.
    pub quota_up: Option<Octets>,
    /// To the guest, in one session.
    pub quota_down: Option<Octets>,
    /// Both together.
    pub quota_total: Option<Octets>,
    /// Where the browser goes after login.
    pub redirect: Option<String>,
}

/// `[session]`: what a session gets unless RADIUS says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Longest session; `None` has no end.
    pub timeout: Option<Duration>,
    /// Longest silence; `None` is never ended for it.
    pub idle_timeout: Option<Duration>,
    /// Between two interim accounting records; `None` sends none.
    pub interim: Option<Duration>,
    /// From the guest; `None` is not policed.
    pub rate_up: Option<BitRate>,
    /// To the guest; `None` is not policed.
    pub rate_down: Option<BitRate>,
    /// From the guest, in one session; `None` has no end.
    pub quota_up: Option<Octets>,
    /// To the guest, in one session; `None` has no end.
    pub quota_down: Option<Octets>,
    /// Both together; `None` has no end.
    pub quota_total: Option<Octets>,
    /// Sessions go on after the gateway was gone for less than this; `None` ends them all.
    pub outage: Option<Duration>,
}

/// `[accounting]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accounting {
    /// What Input and Output are.
    pub direction: Direction,
    /// What waiting records may take on the disk.
    pub spool_size: Octets,
    /// Records that are older are given up.
    pub spool_age: Duration,
    /// What the answer to a record names changes its session.
    pub answers_change: bool,
}

/// What Input and Output are, in RADIUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Input is from the guest (RFC 2866, 5.3).
    Rfc2866,
    /// Input is to the guest, as with CoovaChilli.
    Chilli,
}

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

/// `[scripts]`; `None` runs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scripts {
    /// After a login.
    pub session_up: Option<PathBuf>,
    /// After the end of a session.
    pub session_down: Option<PathBuf>,
    /// After a first lease.
    pub guest_up: Option<PathBuf>,
    /// After the end of a lease.
    pub guest_down: Option<PathBuf>,
    /// One of several uplinks is used again.
    pub uplink_up: Option<PathBuf>,
    /// It no longer works.
    pub uplink_down: Option<PathBuf>,
    /// At the start.
    pub up: Option<PathBuf>,
    /// At the end.
    pub down: Option<PathBuf>,
    /// What runs longer is ended.
    pub timeout: Duration,
    /// Most that run at one time, at least one.
    pub at_once: usize,
}

/// `[state]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Where leases, counters and accounts are kept.
    pub directory: PathBuf,
}

/// `[control]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The Unix socket of the command line tools.
    pub socket: PathBuf,
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Our address at which monitoring reads.
    pub listen: Option<IpAddr>,
    /// The TCP port there.
    pub port: u16,
}

/// `[console]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// Our address at which operators are served.
    pub listen: Option<IpAddr>,
    /// The TCP port there.
    pub port: u16,
    /// Elsewhere than at a loopback address http will do.
    pub plain_http: bool,
    /// The file of operators.
    pub operators: PathBuf,
    /// https; `None` is http.
    pub tls: Option<ConsoleTls>,
}

/// `[console.tls]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleTls {
    /// The certificate and those above it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Console {
    /// Where operators find it, if they do.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Some(format!("{scheme}://{}/", SocketAddr::from((self.listen?, self.port))))
    }
}

/// `[[webhook]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where it is told, without a fragment.
    pub url: String,
    /// Of what.
    pub events: Vec<String>,
    /// What bodies are signed with.
    pub secret: Option<Secret>,
    /// Who may vouch for it; `None` is the machine's own choice.
    pub ca: Option<PathBuf>,
}

impl Webhook {
    /// Whether it is told by https.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
    }
}

/// `[retention]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Beginning and end of sessions are written down.
    pub sessions: bool,
    /// So is what NAT does for guests.
    pub mappings: bool,
    /// Where to.
    pub directory: PathBuf,
    /// What becomes of accounts' names.
    pub account: Redaction,
    /// What becomes of MAC addresses.
    pub mac: Redaction,
    /// What becomes of the far ends of connections.
    pub destinations: Destinations,
    /// Files whose last line is as old go.
    pub age: Duration,
    /// Octets of all files, 0 for no limit.
    pub max_size: Octets,
}

/// What is written down of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redaction {
    /// As it is.
    Keep,
    /// A keyed hash of it.
    Hash,
    /// Nothing.
    Drop,
}

/// What is written down of the far end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destinations {
    /// Nothing.
    Drop,
    /// The /24 that it is in.
    Network,
    /// Address and port.
    Keep,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important line that is written.
    pub level: LogLevel,
    /// Each line is an object of JSON.
    pub json: bool,
}

/// How much the log tells; the words of `tracing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What needs the operator.
    Error,
    /// What may need the operator.
    Warn,
    /// What the gateway does.
    Info,
    /// What guests do: MACs and names appear from here on.
    Debug,
    /// Every packet of the slow path.
    Trace,
}

impl LogLevel {
    /// The word as `tracing` and the file have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
