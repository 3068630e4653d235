//! The gateway of the demonstration: this same program, started as `run` with a configuration of its own.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use platform::netns;
use serde_json::{Value, json};

use super::network::{LAN, RESOLVER, ROUTER, UPLINK, UPLINK_ADDRESS};
use crate::{commands, control};

/// The account of the phone's owner.
pub(super) const ACCOUNT: &str = "anne";
/// How long the gateway may take to be ready, and to stop.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks whether it is.
const LOOK: Duration = Duration::from_millis(5);

/// A directory of our own, which goes with this.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn make() -> anyhow::Result<Self> {
        let mut random = [0; 8];
        crate::dice(&mut random);
        let path = std::env::temp_dir().join(format!("poblano-demo-{:016x}", u64::from_le_bytes(random)));
        // Fails if somebody was there before us, so that nobody else's directory is used.
        DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what cannot be removed now is removed with all of /tmp
    }
}

/// The running gateway.
pub(super) struct Gateway {
    child: Mutex<Child>,
    pub(super) began: Instant,
    socket: PathBuf,
    log: PathBuf,
    pub(super) password: String,
}

impl Gateway {
    /// Starts it in the namespace of the calling thread, with which it dies.
    pub(super) fn start(folder: &Folder) -> anyhow::Result<Self> {
        let at = |name: &str| folder.0.join(name);
        let (file, socket, log) = (at("poblano.toml"), at("control"), at("log"));
        let password = commands::make_password();
        commands::set_password(&at("accounts"), ACCOUNT, &password)?;
        fs::write(&file, configuration(&at("state"), &at("accounts"), &socket))?;
        let output = File::create(&log)?;

        let mut command = Command::new(std::env::current_exe().context("cannot find our own program")?);
        command.args(["run", "--config"]).arg(&file);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // Ctrl-C is for us, who stop it in order.
        command.process_group(0);
        netns::die_with_us(&mut command);
        let began = Instant::now();
        let child = Mutex::new(command.spawn().context("cannot start the gateway")?);
        Ok(Self { child, began, socket, log, password })
    }

    /// Waits until it answers.
    pub(super) fn wait_until_ready(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            match self.sessions() {
                Ok(_) => return Ok(()),
                Err(_) if self.child().try_wait()?.is_some() => bail!("the gateway ended at once"),
                Err(error) if start.elapsed() > PATIENCE => return Err(error),
                Err(_) => thread::sleep(LOOK),
            }
        }
    }

    /// What an operator asks.
    pub(super) fn sessions(&self) -> anyhow::Result<Value> {
        control::ask(&self.socket, &json!({ "command": "sessions" }))
    }

    /// Stops it as an operator does.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        let mut child = self.child();
        if child.try_wait()?.is_none() {
            netns::terminate(&child)?;
        }
        let start = Instant::now();
        loop {
            match child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the gateway ended with {status}"),
                None if start.elapsed() > PATIENCE => bail!("the gateway does not stop"),
                None => thread::sleep(LOOK),
            }
        }
    }

    /// Makes sure that it is gone, and returns what it has said.
    pub(super) fn end(&self) -> String {
        if self.stop().is_err() {
            let mut child = self.child();
            let _ = child.kill(); // it may have ended by itself
            let _ = child.wait();
        }
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Little is said, because the defaults are what is shown. Leases are long because with `--stay` nobody renews.
fn configuration(state: &Path, accounts: &Path, socket: &Path) -> String {
    format!(
        "[lan]\n\
         interface = \"{LAN}\"\n\
         [uplink]\n\
         interface = \"{UPLINK}\"\n\
         address = \"{UPLINK_ADDRESS}/24\"\n\
         gateway = \"{ROUTER}\"\n\
         [dhcp]\n\
         lease = \"1d\"\n\
         [dns]\n\
         resolvers = [\"{RESOLVER}\"]\n\
         [portal]\n\
         title = \"Poblano demo\"\n\
         [auth]\n\
         accounts = {accounts:?}\n\
         [state]\n\
         directory = {state:?}\n\
         [control]\n\
         socket = {socket:?}\n\
         [log]\n\
         level = \"debug\"\n"
    )
}
