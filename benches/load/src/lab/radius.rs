//! A FreeRADIUS of the lab's own on the Internet's side, with the configuration of the tests.

use std::fs::{self, File};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use platform::netns;

use super::network::{RADIUS, UPLINK_ADDRESS};
use crate::guests::Account;

/// The shared secret.
pub(crate) const SECRET: &str = "a secret of the lab";
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// The running server, which ends with this.
pub(crate) struct Radius(Child);

impl Radius {
    /// Starts it. To be called in the Internet's namespace, on a thread that lives as long as the server is needed.
    pub(crate) fn start(folder: &Path, account: &Account) -> anyhow::Result<Self> {
        let folder = folder.join("raddb");
        fs::create_dir(&folder)?;
        let templates = [
            ("radiusd.conf", include_str!("../../../../tests/freeradius/radiusd.conf")),
            ("clients.conf", include_str!("../../../../tests/freeradius/clients.conf")),
        ];
        for (name, text) in templates {
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
        fs::write(folder.join("users"), format!("{:?} Cleartext-Password := {:?}\n", account.name, account.password))?;
        let log = folder.join("log");
        let output = File::create(&log)?;
        let mut command = Command::new("freeradius");
        command.arg("-f").arg("-d").arg(&folder);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        netns::die_with_us(&mut command);
        let mut server = Self(command.spawn().context("cannot start freeradius; --auth local does without")?);
        let began = Instant::now();
        // Ready when its port is taken.
        while UdpSocket::bind((RADIUS, 1813)).is_ok() {
            if server.0.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                bail!("FreeRADIUS does not start:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            thread::sleep(LOOK);
        }
        Ok(server)
    }
}

impl Drop for Radius {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}
