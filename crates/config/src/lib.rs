//! The configuration file as checked values.
//!
//! One table, [`schema`], says what every key is called, what it may hold, what it is when it is absent and what it
//! does. Reading, the sample file and the reference are made from that table, so they cannot disagree.
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
mod units;

pub use garden::{GardenDomain, GardenEntry, GardenHost};
pub use model::{
    Accounting, Auth, AuthMethod, Config, Control, Dhcp, Direction, Dns, DynamicAuthorization,
    DynamicAuthorizationClient, Garden, Guests, HostLease, Lan, Log, LogLevel, MacAuthentication, MacServiceType,
    Offload, OffloadMode, PasswordMethod, Policy, Portal, Radius, RadiusAdministrative, RadiusProxy, RadiusProxyClient,
    RadiusServer, RadiusTls, RadiusTransport, RadiusVersion, Scripts, Session, State, Tun, TunMode, Uam, Uplink,
};
pub use option::DhcpOption;
pub use problem::{Errors, Problem};
pub use sample::{reference, sample};
pub use units::{BitRate, HostNetwork, InterfaceAddress, Network, Octets, Secret, format_duration, parse_duration};

use std::path::Path;

/// What the command line says over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--lan`: takes the place of `[lan].interface`.
    pub lan: Option<String>,
    /// `--uplink`: takes the place of `[uplink].interface`.
    pub uplink: Option<String>,
}

/// A configuration that may be run, and what its owner should hear.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The checked values.
    pub config: Config,
    /// What is allowed but unwise.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded, Errors> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| Errors::about_file(&name, &e))?;
        let mut loaded = parse_at(&text, &name, path.parent(), overrides)?;
        if (loaded.config.radius.has_secret_in_config() || loaded.config.uam.secret_in_config)
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
        let read = read::read("", "", None);
        assemble::assemble(&read)
    }
}

fn parse_at(text: &str, file: &str, folder: Option<&Path>, overrides: &Overrides) -> Result<Loaded, Errors> {
    let mut read = read::read(text, file, folder);
    read.override_with(overrides);
    let config = assemble::assemble(&read);
    check::check(&config, &mut read);
    let (problems, warnings) = read.into_problems();
    if problems.is_empty() { Ok(Loaded { config, warnings }) } else { Err(Errors { problems, warnings }) }
}
