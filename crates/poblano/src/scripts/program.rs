//! One run of a program: with these variables and nothing else, in a group of its own, and not for ever.

use std::fmt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::Closing;
use super::variables::{Variables, safe};

/// Where scripts find `nft`, `ip`, `curl`: as the service manager and OpenWrt's init have it.
const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Between asking to end and ending.
const GRACE: Duration = Duration::from_secs(2);
/// What is kept of the first line that it says, in octets.
const FIRST_LINE: usize = 200;
/// Who says more on standard error loses it, and with it, unless it does not care, its life (SIGPIPE).
const MOST_SAID: usize = 64 * 1024;

/// A program that can be started.
pub(super) struct Program(Command);

impl Program {
    pub(super) fn new(path: &Path, variables: Variables) -> Self {
        let mut command = Command::new(path);
        command
            .env_clear()
            .env("PATH", SEARCH)
            .envs(variables)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        Self(command)
    }

    pub(super) fn argument(&mut self, argument: &str) {
        self.0.arg(argument);
    }

    pub(super) fn start(mut self) -> anyhow::Result<Started> {
        let path = self.0.as_std().get_program().to_owned();
        let mut child = self.0.spawn().with_context(|| format!("cannot run {}", path.display()))?;
        let said = Said { from: child.stderr.take(), first_line: Vec::new(), is_complete: false, octets: 0 };
        Ok(Started { child, said })
    }
}

/// A program that runs.
pub(super) struct Started {
    child: Child,
    said: Said,
}

impl Started {
    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Waits until it ends by itself, or is over `limit`, or there is no more time at all.
    pub(super) async fn wait(mut self, limit: Duration, mut closing: watch::Receiver<Closing>) -> Ended {
        let mut ends = Instant::now() + limit;
        let mut how = How::ByItself;
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status,
                () = self.said.listen() => {}
                () = sleep_until(ends), if how != How::Killed => {
                    how = if how == How::ByItself { How::Asked } else { How::Killed };
                    self.end_group(how);
                    ends = Instant::now() + GRACE;
                }
                Ok(_) = closing.wait_for(|closing| *closing == Closing::Now), if how != How::Killed => {
                    how = How::Killed;
                    self.end_group(how);
                }
            }
        };
        // What it said last; a process that it left in the background may say more, to nobody.
        while timeout(Duration::ZERO, self.said.listen()).await.is_ok() {}
        Ended { status: status.ok(), how, said: safe(&String::from_utf8_lossy(&self.said.first_line), FIRST_LINE) }
    }

    fn end_group(&self, how: How) {
        // None when it was waited for, which it is not here.
        if let Some(leader) = self.child.id() {
            platform::end_group(leader, how == How::Killed);
        }
    }
}

/// What a program says on standard error.
struct Said {
    from: Option<ChildStderr>,
    first_line: Vec<u8>,
    is_complete: bool,
    octets: usize,
}

impl Said {
    /// Waits for more. Never comes back when there is no more.
    async fn listen(&mut self) {
        let Some(from) = &mut self.from else { return std::future::pending().await };
        let mut buffer = [0; 4096];
        let heard = match from.read(&mut buffer).await {
            Ok(octets) => &buffer[..octets],
            Err(_) => &[],
        };
        self.octets += heard.len();
        if !self.is_complete {
            let line = heard.split(|octet| *octet == b'\n').next().unwrap_or_default();
            self.is_complete = line.len() < heard.len();
            let room = FIRST_LINE.saturating_sub(self.first_line.len()).min(line.len());
            self.first_line.extend_from_slice(&line[..room]);
        }
        if heard.is_empty() || self.octets > MOST_SAID {
            self.from = None;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    ByItself,
    /// It took too long and was asked to end.
    Asked,
    Killed,
}

/// What became of it.
pub(super) struct Ended {
    status: Option<ExitStatus>,
    how: How,
    said: String,
}

impl Ended {
    pub(super) fn is_well(&self) -> bool {
        self.how == How::ByItself && self.status.is_some_and(|status| status.success())
    }

    /// For the log.
    pub(super) fn how(&self) -> impl fmt::Display {
        match (self.how, self.status) {
            (How::ByItself, Some(status)) => status.to_string(),
            (How::ByItself, None) => "it cannot be waited for".to_owned(),
            (How::Asked, _) => "it took longer than scripts.timeout".to_owned(),
            (How::Killed, _) => "it took too long, and was killed".to_owned(),
        }
    }

    /// The first line of its standard error.
    pub(super) fn said(&self) -> &str {
        &self.said
    }
}
