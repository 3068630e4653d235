//! The words of the command line.

use std::net::SocketAddrV4;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Load tester for captive portal gateways: guests by the thousand, each with its own MAC
#[derive(Debug, Parser)]
#[command(name = "poblano-load", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  poblano-load lab                                     1,000 guests at poblano, beside kernel routing
  poblano-load lab --curve 1,1000,10000 --report out   curves over the number of guests, in out/report.svg
  poblano-load lab --storm 2000 --guests 200 --phases dhcp,login --alone
  poblano-load lab --auth radius --guests 10000 --phases dhcp,probe,login
  poblano-load lab --gateway external --command 'exec chilli -f -c /etc/chilli.conf'
  poblano-load run --interface eth1 --guests 200 --name anne --password secret --yes-this-network-is-mine

Everything ends by itself: a phase when all guests are through, or when nothing has come to its end for 20 seconds.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build guests, a gateway and an Internet in network namespaces, and measure the gateway
    Lab(Lab),
    /// Send guests to a gateway that exists, over an interface
    Run(Run),
}

/// Whom `lab` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Poblano
    Poblano,
    /// Plain kernel routing with NAT; only traffic can be measured
    Kernel,
    /// A program that --command starts
    External,
}

/// Who knows the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Auth {
    /// The gateway's own file
    Local,
    /// FreeRADIUS, which must be installed
    Radius,
    /// The same over TLS
    Radsec,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Phase {
    /// A lease: discover, offer, request, acknowledgement
    Dhcp,
    /// A new connection to the probed address, the redirect, the close
    Probe,
    /// The portal's page, its form filled in and sent
    Login,
    /// Echoes at a rate; in a lab also 64-octet packets as fast as they go, up and down
    Traffic,
    /// The form on the page of who is logged in
    Logout,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Lab {
    /// Whom to measure
    #[arg(long, value_enum, default_value = "poblano")]
    pub(crate) gateway: Kind,
    /// The program to measure [default: poblano beside this program]
    #[arg(long, value_name = "PATH")]
    pub(crate) poblano: Option<PathBuf>,
    /// Shell command that runs an external gateway in the foreground, between lan0 (guests) and wan0 (192.0.2.2/24,
    /// Internet); begin it with exec, so that its memory and time are those that are looked at
    #[arg(long, required_if_eq("gateway", "external"))]
    pub(crate) command: Option<String>,
    /// Seconds that an external gateway has to start
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) start_time: u64,
    /// Who knows the account
    #[arg(long, value_enum, default_value = "local")]
    pub(crate) auth: Auth,
    /// Numbers of guests to measure traffic with, one after the other, as 1,1000,10000 [default: --guests]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub(crate) curve: Vec<u32>,
    /// Rounds of flooding; in each, poblano and the kernel take turns of a tenth of a second
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Packets a second of a flood [default: as fast as they go]
    #[arg(long, value_name = "PPS", value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    pub(crate) flood_pps: Option<u32>,
    /// Measure beside also what Poblano's way through the kernel can reach at most: its devices and rules, with programs
    /// that look at nothing and send on everything
    #[arg(long, conflicts_with = "alone")]
    pub(crate) ceiling: bool,
    /// Do not measure kernel routing beside
    #[arg(long)]
    pub(crate) alone: bool,
    /// Then let so many devices that are not logged in probe five times a second each, while others log in and all
    /// guests send echoes
    #[arg(long, value_name = "DEVICES", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) storm: Option<u32>,
    /// For how long
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "storm", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) storm_seconds: u32,
    #[command(flatten)]
    pub(crate) load: Load,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The interface on which guests are sent out
    #[arg(long)]
    pub(crate) interface: String,
    /// A UDP server behind the gateway that sends back what it gets (RFC 862), for traffic
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) echo: Option<SocketAddrV4>,
    /// The network on the interface and its gateway are mine, and I want them loaded
    #[arg(long = "yes-this-network-is-mine")]
    pub(crate) mine: bool,
    #[command(flatten)]
    pub(crate) load: Load,
}

/// What guests do.
#[derive(Clone, Debug, Args)]
pub(crate) struct Load {
    /// How many guests there are
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub(crate) guests: u32,
    /// Exchanges and connections under way at once
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=8192))]
    pub(crate) at_once: u16,
    /// Which phases, of dhcp, probe, login, traffic, logout [default: all that there can be]
    #[arg(long, value_enum, value_delimiter = ',', hide_possible_values = true)]
    pub(crate) phases: Vec<Phase>,
    /// Probes of each guest
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=30))]
    pub(crate) probes: u32,
    /// Echoes a second, of all guests together
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) pps: u32,
    /// Seconds of echoes, and of each flood
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// The address that guests probe; http, the server by its IPv4 address
    #[arg(long, value_name = "URL", default_value = "http://198.51.100.17/hotspot-detect.html")]
    pub(crate) probe: String,
    /// The portal's page [default: where probes are led to]
    #[arg(long, value_name = "URL")]
    pub(crate) portal: Option<String>,
    /// Name of the account
    #[arg(long, default_value = "guest")]
    pub(crate) name: String,
    /// Its password
    #[arg(long, default_value = "let-me-in-please")]
    pub(crate) password: String,
    /// Write report.json, report.md and report.svg into this directory, which is made
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) report: Option<PathBuf>,
}

impl Load {
    /// True if the phase is wanted.
    pub(crate) fn has(&self, phase: Phase) -> bool {
        self.phases.is_empty() || self.phases.contains(&phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_words_are_consistent() {
        Cli::command().debug_assert();
    }
}
