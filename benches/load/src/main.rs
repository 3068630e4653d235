//! `poblano-load`: guests by the thousand for a captive portal gateway, ours or another, and a report of how it did.
//!
//! The guests are one state machine without a socket or a clock (`guests`); `drive` is its event loop over a raw packet
//! port; `lab` builds what is around it, `run` takes what exists, `report` tells what came of it.
#![forbid(unsafe_code)]

mod cli;
mod drive;
mod guard;
mod guests;
mod histogram;
mod lab;
mod process;
mod progress;
mod report;
mod run;

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use clap::Parser;

use self::cli::{Cli, Command, Load};
use self::guests::{Account, Habits};
use self::progress::Progress;

fn main() -> ExitCode {
    match measure(&Cli::parse().command) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err(error) => {
            Progress::new().line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Returns how many exchanges have failed.
fn measure(command: &Command) -> anyhow::Result<u64> {
    let load = match command {
        Command::Lab(lab) => &lab.load,
        Command::Run(run) => &run.load,
    };
    let habits = habits(load)?;
    let began_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut progress = Progress::new();
    let mut report = match command {
        Command::Lab(lab) => lab::measure(lab, &habits, &mut progress)?,
        Command::Run(run) => run::measure(run, &habits, &mut progress)?,
    };
    report.began_unix = began_unix;
    report.machine = process::machine();
    report.command = std::env::args().collect::<Vec<_>>().join(" ").replace(&load.password, "***");
    if let Some(folder) = &load.report {
        report.write(folder)?;
    }
    std::io::stdout().write_all(format!("\n{}", report.markdown()).as_bytes())?;
    Ok(report.failures())
}

fn habits(load: &Load) -> anyhow::Result<Habits> {
    let url = |option: &str, text: &str| text.parse().map_err(|why| anyhow!("{option} {text}: it {why}"));
    let probe = url("--probe", &load.probe)?;
    let portal = load.portal.as_ref().map(|text| url("--portal", text)).transpose()?;
    let account = Account { name: load.name.clone(), password: load.password.clone() };
    // Transactions and ports of two runs against one gateway must not be the same.
    let seed = RandomState::new().hash_one(0);
    Ok(Habits { probe, portal, account, seed })
}
