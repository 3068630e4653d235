//! The words of the command line. Everything they do is elsewhere.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use config::{BitRate, GardenEntry, Octets};
use wire::MacAddr;

/// Captive portal gateway: guests join, meet the portal, log in and are online.
#[derive(Debug, Parser)]
#[command(name = "poblano", version, long_version = crate::parts::VERSION, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway in the foreground; SIGTERM stops it and undoes what it changed
    Run(Setup),
    /// Show the whole job in namespaces of its own: lease, redirect, login, traffic, logout
    Demo {
        /// Keep it up afterwards, with the portal reachable from this machine's browser, until Ctrl-C
        #[arg(long)]
        stay: bool,
    },
    /// Check a configuration and say what `run` would do, without doing it
    Check {
        #[command(flatten)]
        setup: Setup,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a configuration of CoovaChilli's: chilli.conf, the HS_* files of its service, OpenWrt's /etc/config/chilli
    ///
    /// Tells of each line what became of it. The exit status is 0 if nobody is let in or kept out by what could not be
    /// carried over, 3 if something of that kind is to be settled, 1 if there are mistakes; then nothing is written.
    Import(Import),
    /// Show guests and their sessions
    Sessions {
        #[command(flatten)]
        control: Control,
        /// Show counters of the packet path too
        #[arg(long)]
        counters: bool,
    },
    /// Show what has happened lately, to everybody or to one guest: lease, pages, logins and their answers, sessions
    Events {
        /// The guest's MAC or IP address
        guest: Option<Guest>,
        /// Go on and show what happens, until Ctrl-C
        #[arg(long, short)]
        follow: bool,
        #[command(flatten)]
        control: Control,
    },
    /// Show several uplinks: which of them work, and what part of the guests leaves by each
    Uplinks {
        #[command(flatten)]
        control: Control,
    },
    /// Print numbers for monitoring, in the text format of Prometheus
    Metrics {
        #[command(flatten)]
        control: Control,
    },
    /// End a guest's session
    Kick {
        /// The guest's MAC or IP address, or its session's name
        guest: Guest,
        #[command(flatten)]
        control: Control,
    },
    /// Change the rates of a guest's session at once; the next login has those of its source again
    #[command(arg_required_else_help = true)]
    Limit {
        /// The guest's MAC or IP address, or its session's name
        guest: Guest,
        #[command(flatten)]
        rates: Rates,
        #[command(flatten)]
        control: Control,
    },
    /// Log a guest in without a password
    Login {
        /// The guest's MAC or IP address, or its session's name
        guest: Guest,
        /// The name to account under
        #[arg(long, default_value = "operator")]
        user: String,
        #[command(flatten)]
        control: Control,
    },
    /// Show and change the walled garden of a running gateway
    #[command(subcommand)]
    Garden(Garden),
    /// Show or switch whether Linux forwards for guests who are online by itself; no packet is lost
    Offload {
        /// on leaves packets of guests who are online to the kernel, off carries them all here; without it, only show
        #[arg(value_enum, value_name = "on|off", hide_possible_values = true)]
        switch: Option<Switch>,
        #[command(flatten)]
        control: Control,
    },
    /// Let nothing of a device pass, DHCP included, until it is unblocked; it is remembered over restarts
    Block {
        /// The device's MAC address
        mac: MacAddr,
        #[command(flatten)]
        control: Control,
    },
    /// Let a device be a guest as any other again
    Unblock {
        /// The device's MAC address
        mac: MacAddr,
        #[command(flatten)]
        control: Control,
    },
    /// Take a device's lease back, and end its session
    Release {
        /// The device's MAC address
        mac: MacAddr,
        #[command(flatten)]
        control: Control,
    },
    /// Give devices addresses of their own while the gateway runs, also after restarts
    #[command(subcommand)]
    Host(Host),
    /// Understand chilli_query's command line and answer in its formats; as chilli_query by a link of that name
    ///
    /// query [-s SOCKET] [-json] COMMAND [ARGUMENT VALUE]...; `poblano query help` lists the commands.
    Query {
        /// What chilli_query would be told
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// Make, show and change the vouchers of a running gateway
    #[command(subcommand)]
    Voucher(Voucher),
    /// Manage local accounts
    #[command(subcommand)]
    User(User),
    /// Manage who may use the console, and what programs show to its API
    #[command(subcommand)]
    Operator(Operator),
    /// Ask the configured RADIUS servers
    #[command(subcommand)]
    Radius(Radius),
    /// Look into what is kept of sessions and of NAT (retention.keep)
    #[command(subcommand)]
    Retention(Retention),
    /// Write the templates of the pages into a new folder, to change those that you want (portal.templates)
    ///
    /// README.md there has the names that they may use. Leave in portal.templates only what you change: what is not there is ours, at
    /// each version as it is then.
    Templates {
        /// The folder
        folder: PathBuf,
    },
    /// Print the shell completion script
    Completion {
        /// Which shell
        #[cfg(feature = "full")]
        shell: clap_complete::Shell,
        /// Which shell
        #[cfg(not(feature = "full"))]
        shell: String,
    },
    /// Print the manual page
    Man,
    /// Print a configuration file with every key and its default
    Config,
}

/// Which file the configuration is, for commands that have nothing to do with interfaces.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigFile {
    /// Configuration file [default: /etc/poblano/poblano.toml, on FreeBSD below /usr/local, on OpenWrt /etc/config/poblano,
    /// if there is one]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The zone that is meant, where each has its own
    #[arg(long, value_name = "NAME")]
    pub(crate) zone: Option<String>,
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Setup {
    /// Configuration file [default: /etc/poblano/poblano.toml, on FreeBSD below /usr/local, on OpenWrt /etc/config/poblano,
    /// if there is one]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// CoovaChilli's configuration in its place, imported at each start
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub(crate) chilli_conf: Option<PathBuf>,
    /// Interface that guests are on, over the file's lan.interface
    #[arg(long, value_name = "INTERFACE")]
    pub(crate) lan: Option<String>,
    /// Interface towards the Internet, over the file's uplink.interface
    #[arg(long, value_name = "INTERFACE")]
    pub(crate) uplink: Option<String>,
}

/// What is imported, and where to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Import {
    /// The configuration of CoovaChilli or ChilliSpot
    pub(crate) file: PathBuf,
    /// Write the configuration there, readable for its owner only, instead of to standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the report there instead of to standard error
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// New rates; one that is not given stays.
#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Rates {
    /// The rate from the guest in bits per second, such as 512k or 10M; 0 is no limit
    #[arg(long, value_name = "RATE")]
    pub(crate) up: Option<BitRate>,
    /// The rate to the guest
    #[arg(long, value_name = "RATE")]
    pub(crate) down: Option<BitRate>,
}

/// How a running gateway is reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct Control {
    /// The gateway's control socket
    #[arg(long, value_name = "PATH", default_value = "/var/run/poblano.sock")]
    pub(crate) socket: PathBuf,
    /// The zone that is meant, where there are several
    #[arg(long, value_name = "NAME")]
    pub(crate) zone: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Garden {
    /// List its entries, and the addresses that DNS has opened by them
    List {
        #[command(flatten)]
        control: Control,
    },
    /// Open something until the gateway ends; what is to stay belongs into the configuration
    Add {
        /// As in garden.allow: host, protocol:host, host:port or protocol:host:port; host is a name, .name, address or network
        entry: GardenEntry,
        /// For so long, such as 1h30m
        #[arg(long = "for", value_name = "TIME", value_parser = duration)]
        lasts: Option<Duration>,
        #[command(flatten)]
        control: Control,
    },
    /// Close it, and the addresses that DNS has opened by it; what the configuration has comes back with the next start
    Remove {
        /// As it is listed
        entry: GardenEntry,
        #[command(flatten)]
        control: Control,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Host {
    /// List the devices with an address of their own
    List {
        #[command(flatten)]
        control: Control,
    },
    /// Keep an address for a device; what it has otherwise ends
    Add {
        /// The device's MAC address
        mac: MacAddr,
        /// Its address, in the guests' network
        address: Ipv4Addr,
        #[command(flatten)]
        control: Control,
    },
    /// Let anybody have the address again
    Remove {
        /// The device's MAC address
        mac: MacAddr,
        #[command(flatten)]
        control: Control,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Retention {
    /// Say who had an address, and a port of it, at a time
    ///
    /// It reads the files alone, the gateway need not run. The exit status is 1 if nobody is known.
    Find(Find),
}

/// Who is looked for.
#[derive(Debug, Clone, Args)]
pub(crate) struct Find {
    /// The public address; or a guest's own, whose sessions are told
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Ipv4Addr,
    /// The public port
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// When: such as 2027-03-01T14:22:33Z, or with +01:00 in Z's place; that whole second is meant
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Duration,
    /// So much before and after it too, such as 30s, for whoever's clock may be wrong
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) within: Option<Duration>,
    /// The protocol
    #[arg(long, value_name = "tcp|udp", value_parser = ["tcp", "udp"], hide_possible_values = true)]
    pub(crate) protocol: Option<String>,
    /// Where the connection went, if that is kept
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<Ipv4Addr>,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn moment(text: &str) -> Result<Duration, String> {
    match radius::text::TerminateTime::parse(text) {
        Some(radius::text::TerminateTime::Utc(time)) => Ok(time),
        _ => Err("expected a date and time with its zone, such as 2027-03-01T14:22:33Z".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    config::parse_duration(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "expected a time such as 1h30m".to_owned())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Voucher {
    /// Make vouchers, all with the same worth, and show them
    Create {
        /// How many
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        count: u32,
        #[command(flatten)]
        allowance: Allowance,
        /// Words of your own
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
        /// What it is sold for
        #[arg(long, value_name = "TEXT", default_value = "")]
        price: String,
        #[command(flatten)]
        control: Control,
    },
    /// List vouchers
    List {
        /// Those that were made together
        #[arg(long, value_name = "NUMBER")]
        batch: Option<u32>,
        #[command(flatten)]
        control: Control,
    },
    /// Count vouchers by the batch they were made in: how many are sold, in use and used up
    Batches {
        #[command(flatten)]
        control: Control,
    },
    /// Show one voucher
    Show {
        /// Its code or its number
        voucher: String,
        #[command(flatten)]
        control: Control,
    },
    /// Let nobody in by a voucher any more, and end its sessions
    Revoke {
        /// Its code or its number
        #[arg(required_unless_present = "batch", conflicts_with = "batch")]
        voucher: Option<String>,
        /// All that were made together
        #[arg(long, value_name = "NUMBER")]
        batch: Option<u32>,
        #[command(flatten)]
        control: Control,
    },
    /// Give a voucher more; sessions that run have it at once
    #[command(group = clap::ArgGroup::new("more").required(true).multiple(true).args(["time", "data", "valid"]))]
    Extend {
        /// Its code or its number
        voucher: String,
        /// So much more time, such as 1h30m
        #[arg(long, value_name = "TIME", value_parser = duration)]
        time: Option<Duration>,
        /// So much more data, such as 500MB
        #[arg(long, value_name = "OCTETS")]
        data: Option<Octets>,
        /// It is valid for so long from now on
        #[arg(long, value_name = "TIME", value_parser = duration)]
        valid: Option<Duration>,
        #[command(flatten)]
        control: Control,
    },
    /// Print vouchers as comma-separated values, with what was used of them
    Export {
        /// Those that were made together
        #[arg(long, value_name = "NUMBER")]
        batch: Option<u32>,
        #[command(flatten)]
        control: Control,
    },
    /// Take vouchers over from such a file; only the column `code` must be there, and codes must be of this form
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        control: Control,
    },
    /// Write vouchers that are new to an HTML file to print, with QR codes that open the sign-in page
    Sheet {
        /// The file
        file: PathBuf,
        /// Those that were made together
        #[arg(long, value_name = "NUMBER")]
        batch: Option<u32>,
        /// What stands on each
        #[arg(long, value_name = "TEXT", default_value = "Wi-Fi")]
        title: String,
        #[command(flatten)]
        control: Control,
    },
}

/// What may be used in all, over sessions and devices; what is not given has no limit but those of `[session]`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Allowance {
    /// So much time, such as 2h, from the first login on
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) time: Option<Duration>,
    /// Time counts only while a device is online
    #[arg(long, requires = "time")]
    pub(crate) online: bool,
    /// So much data, such as 1GB, both ways together
    #[arg(long, value_name = "OCTETS")]
    pub(crate) data: Option<Octets>,
    /// The rate from each device, such as 512k or 10M
    #[arg(long, value_name = "RATE")]
    pub(crate) rate_up: Option<BitRate>,
    /// The rate to each device
    #[arg(long, value_name = "RATE")]
    pub(crate) rate_down: Option<BitRate>,
    /// So many devices at a time
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) devices: Option<u32>,
    /// Valid for so long from now on: time from the first login on must begin by then, all else ends then
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) valid: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Radius {
    /// Log in at each configured server; tell every packet, what it means for the guest, and what to do if it fails
    ///
    /// Without --user and --mac it only tries whether servers answer and have the same secret. The exit status is 0 if all
    /// is well, 3 if a server or the gateway refuses, 4 if a server does not answer.
    Test(RadiusTest),
}

/// Who is logged in for a test.
#[derive(Debug, Clone, Args)]
pub(crate) struct RadiusTest {
    /// The name to log in with
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Read the password from standard input, as without it; at a terminal it is asked for, and not shown
    #[arg(long, requires = "user")]
    pub(crate) password_stdin: bool,
    /// The guest's MAC address; without --user it is let in by it, as mac_authentication says
    #[arg(long, value_name = "MAC")]
    pub(crate) mac: Option<MacAddr>,
    /// Account for a session that is over as soon as it began
    #[arg(long)]
    pub(crate) accounting: bool,
    /// The zone whose servers are tested, where there are several
    #[arg(long, value_name = "NAME")]
    pub(crate) zone: Option<String>,
    #[command(flatten)]
    pub(crate) setup: Setup,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add an account, or change its password; without --ask-password one is made up and printed
    Add {
        /// The account's name
        name: String,
        /// Ask for the password, without showing it; where standard input is no terminal it is read from there
        #[arg(long, visible_alias = "password-stdin")]
        ask_password: bool,
        #[command(flatten)]
        allowance: Allowance,
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Grant an account so much from its next login on, whatever it has used; without any limit it has none
    Limit {
        /// The account's name
        name: String,
        #[command(flatten)]
        allowance: Allowance,
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print accounts as comma-separated values, with the hashes of their passwords
    Export {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Add accounts of such a file, or change those that there are: columns name, password or hash, and limits
    ///
    /// The limits are seconds, counts (online, or nothing), octets, up, down, devices and valid_unix.
    Import {
        /// The file
        csv: PathBuf,
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove an account; a session that it opened goes on until it ends
    Remove {
        /// The account's name
        name: String,
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the accounts' names
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Operator {
    /// Add an operator, or change a password; without --ask-password one is made up and printed
    Add {
        /// The operator's name
        name: String,
        /// It may look and change nothing
        #[arg(long)]
        read_only: bool,
        /// Ask for the password, without showing it; where standard input is no terminal it is read from there
        #[arg(long, visible_alias = "password-stdin")]
        ask_password: bool,
        #[command(flatten)]
        file: OperatorsFile,
    },
    /// Remove an operator; its sessions and tokens are over at once
    Remove {
        /// The operator's name
        name: String,
        #[command(flatten)]
        file: OperatorsFile,
    },
    /// List the operators, and what they may
    List {
        #[command(flatten)]
        file: OperatorsFile,
    },
    /// Print a token for a program: Authorization: Bearer TOKEN
    Token {
        /// The operator in whose name the program acts
        name: String,
        /// It may look and change nothing
        #[arg(long)]
        read_only: bool,
        /// How long it is good for
        #[arg(long = "for", value_name = "TIME", value_parser = duration, default_value = "365d")]
        lasts: Duration,
        #[command(flatten)]
        file: OperatorsFile,
    },
    /// Make all tokens and all sessions of the console worthless, at once
    Revoke {
        #[command(flatten)]
        file: OperatorsFile,
    },
}

/// Which gateway's operators are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct OperatorsFile {
    /// Configuration file [default: as for run]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A guest as an operator names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guest {
    Mac(MacAddr),
    Address(Ipv4Addr),
    Session(SessionName),
}

/// The name of a session as `poblano sessions --json` and accounting have it: 22 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionName([u8; 22]);

impl SessionName {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Guest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if let Ok(name) = text.as_bytes().try_into()
            && text.bytes().all(|octet| octet.is_ascii_hexdigit())
        {
            return Ok(Self::Session(SessionName(name)));
        }
        text.parse().map(Self::Mac).map_err(|_| {
            "expected a MAC address such as 02:00:5e:10:00:01, an IPv4 address such as 10.85.0.17 or a session's name"
                .to_owned()
        })
    }
}

impl std::fmt::Display for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mac(mac) => mac.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Session(name) => f.write_str(&String::from_utf8_lossy(&name.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_guest_is_named_by_mac_or_address() {
        assert_eq!("10.85.0.17".parse(), Ok(Guest::Address(Ipv4Addr::new(10, 85, 0, 17))));
        assert_eq!("02-00-5E-10-00-01".parse(), Ok(Guest::Mac(MacAddr([2, 0, 0x5e, 0x10, 0, 1]))));
        let session = "000001000000019cd2c0f1";
        assert!(matches!(session.parse(), Ok(Guest::Session(_))));
        assert_eq!(session.parse::<Guest>().map(|guest| guest.to_string()), Ok(session.to_owned()));
        assert!("10.85.0".parse::<Guest>().is_err());
    }
}
