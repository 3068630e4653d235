//! The checked values. Which key gives which field is in [`crate::schema`], with the meaning of each.

mod access;
mod network;
mod portal;
mod radius;
mod system;

use crate::Uplink;

pub use access::{
    Accounting, Auth, AuthMethod, ClickThrough, Direction, MacAuthentication, MacServiceType, Policy, RefusedDevice,
    Session, Vouchers,
};
pub use network::{Dhcp, Dns, Guests, HostLease, Lan, NamedPool, Offload, OffloadMode, Routed, Tun, TunMode};
pub use portal::{Garden, Portal, PortalTls, Uam};
pub use radius::{
    DynamicAuthorization, DynamicAuthorizationClient, PasswordMethod, Radius, RadiusAdministrative, RadiusHttp,
    RadiusProxy, RadiusProxyClient, RadiusServer, RadiusTls, RadiusTransport, RadiusVersion,
};
pub use system::{
    Console, ConsoleTls, Control, Destinations, Log, LogLevel, Metrics, Redaction, Retention, Scripts, State, Webhook,
};

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
