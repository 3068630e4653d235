//! A FreeRADIUS of the lab's own on the Internet's side, with the configuration of the tests; over TLS, if that is wanted,
//! with certificates that openssl makes, each of which vouches for itself.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use platform::netns;

use super::network::{RADIUS, UPLINK_ADDRESS};
use crate::cli::Auth;
use crate::guests::Account;

/// The shared secret.
pub(crate) const SECRET: &str = "a secret of the lab";
/// What the server's certificate is for.
const NAME: &str = "radius.lab";
/// How long it may take to start, and to write down what it was told.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// The running server, which ends with this.
pub(crate) struct Radius {
    server: Child,
    /// Where it writes accounting records.
    detail: PathBuf,
}

impl Radius {
    /// Starts it. To be called in the Internet's namespace, on a thread that lives as long as the server is needed.
    pub(crate) fn start(folder: &Path, account: &Account, auth: Auth) -> anyhow::Result<Self> {
        let folder = directory(folder);
        fs::create_dir(&folder)?;
        let templates = [
            ("radiusd.conf", include_str!("../../../../tests/freeradius/radiusd.conf")),
            ("clients.conf", include_str!("../../../../tests/freeradius/clients.conf")),
        ];
        let radsec = ("radsec.conf", include_str!("../../../../tests/freeradius/radsec.conf"));
        for (name, text) in templates.into_iter().chain((auth == Auth::Radsec).then_some(radsec)) {
            let text = [
                ("@DIR@", folder.display().to_string()),
                ("@ADDRESS@", RADIUS.to_string()),
                ("@AUTH_PORT@", "1812".to_owned()),
                ("@ACCT_PORT@", "1813".to_owned()),
                ("@NAS@", UPLINK_ADDRESS.to_string()),
                ("@SECRET@", format!("{SECRET:?}")),
                // A line for each login costs more than the login.
                ("auth = yes", "auth = no".to_owned()),
            ]
            .iter()
            .fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value));
            fs::write(folder.join(name), text)?;
        }
        if auth == Auth::Radsec {
            certificate(&folder, "server", NAME)?;
            certificate(&folder, "gateway", "gateway.lab")?;
            File::options().append(true).open(folder.join("radiusd.conf"))?.write_all(b"$INCLUDE radsec.conf\n")?;
        }
        // What an Accept says belongs to that one login, and comes back with its accounting.
        let class = "Class = \"%{Acct-Session-Id}\"";
        let user = format!("{:?} Cleartext-Password := {:?}\n\t{class}\n", account.name, account.password);
        fs::write(folder.join("users"), user)?;
        let log = folder.join("log");
        let output = File::create(&log)?;
        let mut command = Command::new("freeradius");
        command.arg("-f").arg("-d").arg(&folder);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        netns::die_with_us(&mut command);
        let server = command.spawn().context("cannot start freeradius; --auth local does without")?;
        let mut this = Self { server, detail: folder.join("detail") };
        let began = Instant::now();
        // Ready when its port is taken.
        let is_free = || match auth {
            Auth::Radsec => TcpListener::bind((RADIUS, 2083)).is_ok(),
            _ => UdpSocket::bind((RADIUS, 1813)).is_ok(),
        };
        while is_free() {
            if this.server.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                bail!("FreeRADIUS does not start:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            thread::sleep(LOOK);
        }
        Ok(this)
    }

    /// How the gateway in this folder reaches it.
    pub(crate) fn entry(folder: &Path, auth: Auth) -> String {
        let server = format!("[[radius.server]]\naddress = \"{RADIUS}\"\n");
        let at = |name: &str| directory(folder).join(name);
        match auth {
            Auth::Local => String::new(),
            Auth::Radius => format!("{server}secret = {SECRET:?}\n"),
            Auth::Radsec => format!(
                "{server}transport = \"tls\"\nserver_name = \"{NAME}\"\nca_file = {:?}\ncertificate_file = {:?}\n\
                 key_file = {:?}\n",
                at("server.pem"),
                at("gateway.pem"),
                at("gateway.key"),
            ),
        }
    }

    /// Waits until the start of so many sessions was accounted, each under its own name and once.
    pub(crate) fn check_starts(&self, sessions: usize) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let text = fs::read_to_string(&self.detail).unwrap_or_default();
            let mut starts = HashSet::new();
            for record in text.split("\n\n").filter(|record| record.contains("Acct-Status-Type = Start")) {
                let value = |key: &str| record.lines().find_map(|line| line.trim().strip_prefix(key));
                let session = value("Acct-Session-Id = ").unwrap_or_default().trim_matches('"');
                let hex: String = session.bytes().map(|octet| format!("{octet:02x}")).collect();
                if value("Class = 0x") != Some(&hex) {
                    bail!("the Accept of another login reached the session {session}:\n{record}");
                }
                if !starts.insert(session.to_owned()) {
                    bail!("the session {session} was accounted twice");
                }
            }
            if starts.len() >= sessions {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("of {sessions} sessions {} were accounted", starts.len());
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Radius {
    fn drop(&mut self) {
        let _ = self.server.kill(); // it may have ended by itself
        let _ = self.server.wait();
    }
}

fn directory(folder: &Path) -> PathBuf {
    folder.join("raddb")
}

/// A certificate for `name` that is its own authority, and its key.
fn certificate(folder: &Path, stem: &str, name: &str) -> anyhow::Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-subj", &format!("/CN={name}"), "-addext", &format!("subjectAltName=DNS:{name}")]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.arg("-keyout").arg(folder.join(format!("{stem}.key")));
    openssl.arg("-out").arg(folder.join(format!("{stem}.pem")));
    let done = openssl.output().context("cannot start openssl; --auth radius does without")?;
    ensure!(done.status.success(), "openssl makes no certificate: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
