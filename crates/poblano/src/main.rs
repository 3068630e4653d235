//! `poblano`, the captive portal gateway: the command line, and what each command starts.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "full"),
    allow(dead_code, reason = "what only console and webhooks ask for; lints see it with them")
)]

mod aaa;
mod administrative;
mod allowances;
mod check;
mod cli;
mod clock;
mod commands;
#[cfg_attr(not(feature = "full"), path = "no_console.rs")]
mod console;
mod control;
#[cfg(feature = "full")]
mod demo;
mod diary;
mod flows;
mod garden;
mod gateway;
mod guesses;
mod https;
mod import;
mod kept;
mod leases;
mod log;
#[cfg(feature = "full")]
mod man;
mod meters;
mod metrics;
mod offload;
mod parts;
mod query;
mod resolvers;
#[cfg_attr(not(feature = "full"), path = "no_retention.rs")]
mod retention;
mod rogues;
mod run;
mod scripts;
mod settings;
mod slow;
mod tls;
mod udp;
mod uplinks;
mod vouchers;
mod web;
#[cfg_attr(not(feature = "full"), path = "no_webhooks.rs")]
mod webhooks;

use std::process::ExitCode;

#[cfg(feature = "full")]
use clap::CommandFactory;
use clap::Parser;

use cli::{Cli, Command};

#[global_allocator]
static MEMORY: platform::LargePages = platform::LargePages;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.next().is_some_and(|name| query::is_called(&name)) {
        return query::query(&words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>());
    }
    match perform(Cli::parse().command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("poblano: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> anyhow::Result<ExitCode> {
    let done: anyhow::Result<()> = match command {
        Command::Radius(cli::Radius::Test(test)) => return aaa::test(&test),
        Command::Query { words } => return Ok(query::query(&words)),
        Command::Import(import) => return import::import(&import),
        #[cfg(feature = "full")]
        Command::Retention(cli::Retention::Find(find)) => return retention::find(&find),
        Command::Run(setup) => run::run(&setup),
        #[cfg(feature = "full")]
        Command::Demo { stay } => demo::demo(stay),
        Command::Check { setup, json } => check::check(&setup, json),
        Command::Sessions { control, counters } => commands::sessions(&control, counters),
        Command::Uplinks { control } => commands::uplinks(&control),
        Command::Metrics { control } => commands::metrics(&control),
        Command::Events { guest, follow, control } => commands::events(&control, guest, follow),
        Command::Kick { guest, control } => commands::kick(&control, guest),
        Command::Limit { guest, rates, control } => commands::limit(&control, guest, rates),
        Command::Login { guest, user, control } => commands::login(&control, guest, &user),
        Command::Garden(command) => commands::garden(&command),
        Command::Host(command) => commands::host(&command),
        Command::Offload { switch, control } => commands::offload(&control, switch),
        Command::Block { mac, control } => commands::device(&control, "block", mac, "is blocked"),
        Command::Unblock { mac, control } => commands::device(&control, "unblock", mac, "is no longer blocked"),
        Command::Release { mac, control } => commands::device(&control, "release", mac, "has no lease any more"),
        Command::Voucher(command) => vouchers::command(&command),
        Command::User(command) => commands::user(&command),
        Command::Operator(command) => console::operator(&command),
        #[cfg(feature = "full")]
        Command::Templates { folder } => {
            for path in portal::Templates::write(&folder)? {
                commands::say(&path.display().to_string());
            }
            Ok(())
        }
        #[cfg(feature = "full")]
        Command::Completion { shell } => {
            let mut script = Vec::new(); // into memory first: a closed pipe would be a panic
            clap_complete::generate(shell, &mut Cli::command(), "poblano", &mut script);
            commands::say(String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
        #[cfg(feature = "full")]
        Command::Man => {
            commands::say(man::page(Cli::command()).trim_end());
            Ok(())
        }
        #[cfg(not(feature = "full"))]
        Command::Retention(_) => Err(parts::left_out("the retention log")),
        #[cfg(not(feature = "full"))]
        Command::Demo { .. } => Err(parts::left_out("the demo")),
        #[cfg(not(feature = "full"))]
        Command::Templates { .. } => Err(parts::left_out("templates")),
        #[cfg(not(feature = "full"))]
        Command::Completion { .. } => Err(parts::left_out("completion scripts")),
        #[cfg(not(feature = "full"))]
        Command::Man => Err(parts::left_out("the manual page")),
        Command::Config => {
            commands::say(config::sample().trim_end());
            Ok(())
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// The system's dice.
///
/// # Panics
/// If the system has none: nothing here is safe without.
pub(crate) fn dice(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the system has random numbers");
}
