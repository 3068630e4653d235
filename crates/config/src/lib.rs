//! The configuration file as checked values.
//!
//! One table, [`schema`], says what every key is called, what it may hold, what it is when it is absent and what it
//! does. Reading, the sample file and the reference are made from that table, so they cannot disagree.
//!
//! OpenWrt's form of the file is read too (`uci`).
//!
//! A file is read to the end: every problem is reported at once, each with file, line, column and key, what is wrong
//! and what to do. A file with a problem gives no [`Config`]. What is only unwise is a warning.
#![forbid(unsafe_code)]

mod assemble;
mod check;
pub mod chilli;
mod garden;
mod model;
mod option;
mod problem;
mod read;
mod sample;
pub mod schema;
mod uci;
mod units;
mod uplink;
mod zones;

pub use garden::{GardenDomain, GardenEntry, GardenHost};
pub use model::{
    Accounting, Auth, AuthMethod, ClickThrough, Config, Console, ConsoleTls, Control, Destinations, Dhcp, Direction,
    Dns, DynamicAuthorization, DynamicAuthorizationClient, Garden, Guests, HostLease, Lan, Log, LogLevel,
    MacAuthentication, MacServiceType, Metrics, NamedPool, Offload, OffloadMode, PasswordMethod, Policy, Portal,
    PortalTls, Radius, RadiusAdministrative, RadiusHttp, RadiusProxy, RadiusProxyClient, RadiusServer, RadiusTls,
    RadiusTransport, RadiusVersion, Redaction, RefusedDevice, Retention, Routed, Scripts, Session, State, Tun, TunMode,
    Uam, Vouchers, Webhook,
};
pub use option::DhcpOption;
pub use problem::{Errors, Problem};
pub use sample::{reference, sample};
pub use units::{BitRate, HostNetwork, InterfaceAddress, Network, Octets, Secret, format_duration, parse_duration};
pub use uplink::{ProbeWay, Uplink, UplinkLine, UplinkProbe, UplinkShare};

use std::borrow::Cow;
use std::path::Path;

/// What is said over the file: by the command line, and by the program that reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Keys, and sections that may repeat, that this program was built without; the file must not have them.
    pub left_out: &'static [&'static str],
    /// `--lan`: takes the place of `[lan].interface`.
    pub lan: Option<String>,
    /// `--uplink`: takes the place of `[uplink].interface`.
    pub uplink: Option<String>,
}

/// A configuration that may be run, and what its owner should hear.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The checked values: of the only gateway, or of the first zone's.
    pub config: Config,
    /// Those of the other zones' gateways, in the order of their names.
    pub others: Vec<Config>,
    /// What is allowed but unwise.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// All gateways: of each zone one, or the only one.
    pub fn configs(&self) -> impl Iterator<Item = &Config> {
        [&self.config].into_iter().chain(&self.others)
    }
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded, Errors> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| Errors::about_file(&name, &e))?;
        let mut loaded = parse_at(&text, &name, path.parent(), overrides)?;
        if loaded.configs().any(|config| config.radius.has_secret_in_config() || config.uam.secret_in_config)
            && read::others_can_read(path)
        {
            loaded.warnings.push(Problem::new(
                &name,
                "",
                "holds a secret and can be read by every user; chmod 600 it, or use secret_file",
            ));
        }
        Ok(loaded)
    }

    /// Reads and checks `text`; `file_name` is what problems call it. A relative `secret_file` is looked for in the
    /// working directory.
    pub fn parse(text: &str, file_name: &str, overrides: &Overrides) -> Result<Loaded, Errors> {
        parse_at(text, file_name, None, overrides)
    }

    /// The configuration without a file: every default, and the interfaces of the command line.
    pub fn without_file(overrides: &Overrides) -> Result<Loaded, Errors> {
        parse_at("", "(no configuration file)", None, overrides)
    }
}

impl Default for Config {
    /// Every default. Its LAN interface is empty, for that has no default: it cannot be run as it is.
    fn default() -> Self {
        assemble::assemble(&read::parse("", "").read(None, None))
    }
}

fn parse_at(text: &str, file: &str, folder: Option<&Path>, overrides: &Overrides) -> Result<Loaded, Errors> {
    let (text, unread) = if uci::is_uci(text) {
        let (toml, problems) = uci::to_toml(text, file);
        (Cow::Owned(toml), problems)
    } else {
        (Cow::Borrowed(text), Vec::new())
    };
    let mut parsed = read::parse(&text, file);
    let zones = zones::split(&mut parsed);
    let mut gateways = Vec::new();
    for zone in zones.iter().map(Some).chain(zones.is_empty().then_some(None)) {
        let mut read = parsed.read(zone, folder);
        read.override_with(overrides);
        if zone.is_some() {
            zones::complete(&mut read);
        }
        let config = assemble::assemble(&read);
        check::check(&config, &mut read);
        check::left_out(overrides.left_out, &mut read);
        gateways.push((config, read));
    }
    zones::check(&mut gateways);
    let (mut configs, mut errors, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for (config, read) in gateways {
        let (wrong, unwise) = read.into_problems();
        errors.push((config.zone.clone(), wrong));
        warnings.push((config.zone.clone(), unwise));
        configs.push(config);
    }
    let mut problems = unread;
    problems.extend(zones::problems(parsed.errors, errors));
    let warnings = zones::problems(Vec::new(), warnings);
    let mut configs = configs.into_iter();
    match configs.next() {
        Some(config) if problems.is_empty() => Ok(Loaded { config, others: configs.collect(), warnings }),
        _ => Err(Errors { problems, warnings }),
    }
}
