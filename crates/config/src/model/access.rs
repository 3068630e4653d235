//! Who may come in, and what a session gets.

use std::path::PathBuf;
use std::time::Duration;

use wire::MacAddr;

use crate::{BitRate, Octets, Secret};

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
