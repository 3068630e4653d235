//! `poblano import`: CoovaChilli's configuration as ours.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use config::Overrides;
use config::chilli::{self, Surroundings};

use crate::{cli, commands};

/// What is read of a file; the importer refuses one that has so much.
const MAX_OCTETS: u64 = 1_100_000;
/// Something that keeps guests in or out could not be carried over.
const TO_SETTLE: u8 = 3;

pub(crate) fn import(command: &cli::Import) -> anyhow::Result<ExitCode> {
    let import = chilli::import(&command.file, &Overrides::default(), &Machine)?;
    match &command.output {
        Some(path) => {
            write_secret(path, &import.toml)
                .with_context(|| format!("cannot write to {}", path.display()))
                .context("nothing is written; --output names a new file in a folder that is there")?;
        }
        None => commands::say(import.toml.trim_end()),
    }
    match &command.report {
        Some(path) => std::fs::write(path, import.report.to_string())
            .with_context(|| format!("cannot write the report to {}", path.display()))?,
        // A reader that has gone needs no report.
        None => drop(std::io::stderr().write_all(import.report.to_string().as_bytes())),
    }
    Ok(if import.report.is_security_relevant() { ExitCode::from(TO_SETTLE) } else { ExitCode::SUCCESS })
}

/// A file that only its owner may read, also while it is written. One that is there already stays as it is.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// The files and names of this machine.
pub(crate) struct Machine;

impl Surroundings for Machine {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        // A pipe would keep us waiting for a writer that may never come, a device be read without end.
        if !std::fs::metadata(path)?.is_file() {
            return Err(std::io::Error::other("it is no file"));
        }
        let mut text = String::new();
        File::open(path)?.take(MAX_OCTETS).read_to_string(&mut text)?;
        Ok(text)
    }

    fn resolve(&self, name: &str) -> Vec<Ipv4Addr> {
        let found = (name, 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
        let v4 = |ip| if let IpAddr::V4(v4) = ip { Some(v4) } else { None };
        found.into_iter().filter_map(|address| v4(address.ip())).collect()
    }
}
