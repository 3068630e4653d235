//! The gateway under test.

use std::fs::{self, DirBuilder, File};
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use platform::netns::{self, Netns};
use serde_json::{Value, json};
use wire::MacAddr;

use super::network::{LAN, RESOLVER, UPLINK};
use super::radius::Radius;
use crate::cli::{Auth, Kind, Lab};
use crate::guests::mac_of;
use crate::process::Usage;

/// Where the kernel routes: its own address in the guests' network, and that of the first guest.
pub(crate) const KERNEL_ADDRESS: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 80, 0, 1), 14);
pub(crate) const KERNEL_GUESTS: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 2);
const NAT: &str =
    "table ip lab { chain nat { type nat hook postrouting priority srcnat; oifname \"wan0\" masquerade; }\n }";

/// The TUN of Poblano.
const TUN: &str = "poblano0";

/// How long Poblano may take to be ready, and any gateway to stop.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(10);

/// What the names of our directories begin with; the number of the process follows.
const FOLDER: &str = "poblano-load-";

/// A directory of our own, which goes with this.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn make() -> anyhow::Result<Self> {
        sweep();
        let path = std::env::temp_dir().join(format!("{FOLDER}{}", std::process::id()));
        // Fails if somebody was there before us, so that nobody else's directory is used.
        DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what cannot be removed now is removed with all of /tmp
    }
}

/// Takes away what runs that were killed have left.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(FOLDER)?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner.to_string()).exists()) {
            let _ = fs::remove_dir_all(entry.path()); // somebody else's stays
        }
    }
}

/// The running gateway. None of the kernel's routing.
pub(crate) struct Gateway {
    child: Option<Child>,
    socket: Option<PathBuf>,
    log: PathBuf,
}

/// What Poblano says of its guests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) leases: u64,
    pub(crate) online: u64,
    pub(crate) packets_up: u64,
    pub(crate) packets_down: u64,
    /// What became of packets, by its own labels.
    pub(crate) counters: Value,
    /// Whether its kernel forwards, in its own words.
    pub(crate) offload: String,
}

impl Gateway {
    /// Has the kernel of the namespace route and translate, and nothing else. It knows the station of each guest, as a
    /// router in front of so many guests must: to find it is a part of what routing costs.
    pub(crate) fn kernel(namespace: &Netns, guests: u32) -> anyhow::Result<Self> {
        namespace.add_address(LAN, KERNEL_ADDRESS.0, KERNEL_ADDRESS.1)?;
        let neighbours: String = (0..guests)
            .map(|n| {
                let address = Ipv4Addr::from(u32::from(KERNEL_GUESTS) + n);
                format!("neigh add {address} lladdr {} dev {LAN} nud permanent\n", mac_of(n))
            })
            .collect();
        namespace.run(|| -> anyhow::Result<()> {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("switch forwarding on")?;
            feed("nft", &["-f", "-"], NAT)?;
            feed("ip", &["-batch", "-"], &neighbours)
        })??;
        Ok(Self { child: None, socket: None, log: PathBuf::new() })
    }

    /// Starts the gateway in the namespace of the calling thread, with which it dies.
    pub(crate) fn start(lab: &Lab, folder: &Path, guests: u32) -> anyhow::Result<Self> {
        let log = folder.join("log");
        let output = File::create(&log)?;
        let (mut command, socket) = match &lab.command {
            Some(text) if lab.gateway == Kind::External => {
                let mut command = Command::new("sh");
                command.args(["-c", text]);
                (command, None)
            }
            _ => {
                let (command, socket) = poblano(lab, folder, guests)?;
                (command, Some(socket))
            }
        };
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // Ctrl-C is for us.
        command.process_group(0);
        netns::die_with_us(&mut command);
        let child = Some(command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?);
        let mut gateway = Self { child, socket, log };
        gateway.wait_until_ready(Duration::from_secs(lab.start_time))?;
        Ok(gateway)
    }

    /// Starts Poblano, and has the programs that forward for its guests replaced by some that look at nothing. They send
    /// all that comes down to one `station`.
    pub(crate) fn unseen(
        namespace: &Netns,
        lab: &Lab,
        folder: &Path,
        guests: u32,
        station: MacAddr,
    ) -> anyhow::Result<Self> {
        // Nobody logs in there, and no server is beside it.
        let gateway = Self::start(&Lab { gateway: Kind::Poblano, auth: Auth::Local, ..lab.clone() }, folder, guests)?;
        ensure!(gateway.seen()?.is_some_and(|seen| seen.offload == "on"), "the gateway's kernel does not forward");
        namespace.send_on_unseen(LAN, TUN, station)?;
        Ok(gateway)
    }

    /// What the process takes, if there is one.
    pub(crate) fn usage(&self) -> Option<Usage> {
        Usage::of(self.child.as_ref()?.id())
    }

    /// What the gateway says of its guests, if it can be asked.
    pub(crate) fn seen(&self) -> anyhow::Result<Option<Seen>> {
        let Some(socket) = &self.socket else { return Ok(None) };
        let reply = ask(socket, &json!({ "command": "sessions" }))?;
        let offload = reply["offload"].as_str().unwrap_or_default().to_owned();
        let mut seen = Seen { counters: reply["counters"].clone(), offload, ..Seen::default() };
        for guest in reply["guests"].as_array().context("the gateway lists no guests")? {
            let session = &guest["session"];
            seen.leases += u64::from(!guest["ip"].is_null());
            seen.online += u64::from(!session.is_null());
            seen.packets_up += session["input_packets"].as_u64().unwrap_or_default();
            seen.packets_down += session["output_packets"].as_u64().unwrap_or_default();
        }
        Ok(Some(seen))
    }

    /// The last lines that the gateway has said.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn wait_until_ready(&mut self, start_time: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            if let Some(child) = &mut self.child
                && child.try_wait()?.is_some()
            {
                bail!("the gateway ended at once:\n{}", self.last_words());
            }
            match &self.socket {
                Some(socket) if ask(socket, &json!({ "command": "sessions" })).is_ok() => return Ok(()),
                Some(_) if began.elapsed() > PATIENCE => bail!("the gateway does not answer:\n{}", self.last_words()),
                None if began.elapsed() > start_time => return Ok(()),
                _ => thread::sleep(LOOK),
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        let began = Instant::now();
        let asked = netns::terminate(child).is_ok();
        while asked && began.elapsed() < PATIENCE {
            match child.try_wait() {
                Ok(None) => thread::sleep(LOOK),
                _ => return,
            }
        }
        let _ = child.kill(); // it may have ended by itself
        let _ = child.wait();
    }
}

/// Runs a program of the system's with this input.
fn feed(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {program}, which kernel routing takes; --alone does without"))?;
    child.stdin.take().with_context(|| format!("{program} has no input"))?.write_all(input.as_bytes())?;
    ensure!(child.wait()?.success(), "{program} has refused what it was told");
    Ok(())
}

/// Poblano with an account and room for all.
fn poblano(lab: &Lab, folder: &Path, guests: u32) -> anyhow::Result<(Command, PathBuf)> {
    let program = match &lab.poblano {
        Some(path) => path.clone(),
        None => std::env::current_exe().context("cannot find our own program")?.with_file_name("poblano"),
    };
    let (file, socket) = (folder.join("poblano.toml"), folder.join("control"));
    fs::write(&file, configuration(lab.auth, folder, guests))?;
    if lab.auth == Auth::Local {
        let mut user = Command::new(&program);
        user.args(["user", "add", &lab.load.name, "--password-stdin", "--config"]).arg(&file);
        user.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut user = user.spawn().with_context(|| {
            format!(
                "cannot start {}; build it with `cargo build --release`, or name it with --poblano",
                program.display()
            )
        })?;
        user.stdin.take().context("it has no input")?.write_all(format!("{}\n", lab.load.password).as_bytes())?;
        ensure!(user.wait()?.success(), "{} user add has failed", program.display());
    }
    let mut command = Command::new(program);
    command.args(["run", "--config"]).arg(&file);
    Ok((command, socket))
}

/// The probe for conflicts is off: it waits for an answer that never comes, and what is measured is the server.
fn configuration(auth: Auth, folder: &Path, guests: u32) -> String {
    let method = if auth == Auth::Local { "local" } else { "radius" };
    let server = Radius::entry(folder, auth);
    let at = |name: &str| folder.join(name);
    format!(
        "[lan]\ninterface = \"{LAN}\"\nnetwork = \"10.80.0.0/14\"\n\
         [uplink]\ninterface = \"{UPLINK}\"\n\
         [guests]\nmax = {}\n\
         [dhcp]\nlease = \"12h\"\nconflict_probe = false\n\
         [dns]\nresolvers = [\"{RESOLVER}\"]\n\
         [auth]\nmethod = \"{method}\"\naccounts = {:?}\n\
         [session]\nidle_timeout = \"0\"\n\
         [state]\ndirectory = {:?}\n\
         [control]\nsocket = {:?}\n\
         [log]\nlevel = \"warn\"\n{server}",
        guests + 16,
        at("accounts"),
        at("state"),
        at("control"),
    )
}

/// One question on Poblano's control socket.
fn ask(socket: &Path, question: &Value) -> anyhow::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
