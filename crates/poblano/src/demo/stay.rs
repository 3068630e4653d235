//! `--stay`: the machine's own browser becomes the guest.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::gateway::{ACCOUNT, Gateway};
use super::http::PATIENCE;
use super::show::Show;

/// The port that is tried first, and how many after it.
const PORT: u16 = 8080;
const PORTS: u16 = 20;
/// Connections of the browser at one time; further ones are closed.
const CONNECTIONS: usize = 64;
/// Between two looks at the sessions.
const LOOK: Duration = Duration::from_secs(1);

/// A listening socket in the machine's own network. It stays there, wherever it is used.
pub(super) struct Door(TcpListener);

impl Door {
    /// Opens it for this machine only.
    pub(super) fn open() -> anyhow::Result<Self> {
        let ports = (PORT..PORT + PORTS).chain([0]);
        let mut opened = ports.map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
        let last = opened.find(Result::is_ok).context("no port of 127.0.0.1 is free for the browser")?;
        Ok(Self(last?))
    }

    /// Lets the browser in and tells what the gateway sees of it, until the gateway fails. To be called in the
    /// guest's namespace, from which the portal is reached.
    pub(super) fn serve(self, show: &Show, gateway: &Gateway, portal: SocketAddr) -> anyhow::Result<()> {
        let url = format!("http://{}/", self.0.local_addr()?);
        show.chapter("Now you are the guest");
        show.line(&format!("  Open      {url}"));
        show.line(&format!("  Name      {ACCOUNT}"));
        show.line(&format!("  Password  {}", gateway.password));
        show.line("  Ctrl-C ends it.\n");
        thread::spawn(move || self.admit(portal));
        let mut told = String::new();
        loop {
            let (state, time) = words(&gateway.sessions()?);
            // Elsewhere than on a terminal, only news are told.
            if show.is_terminal() {
                show.passing(&format!("  {state}{time}"));
            } else if state != told {
                show.line(&format!("  {state}"));
                told = state;
            }
            thread::sleep(LOOK);
        }
    }

    fn admit(self, portal: SocketAddr) {
        let open = Arc::new(AtomicUsize::new(0));
        while let Ok((browser, _)) = self.0.accept() {
            if open.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS {
                open.fetch_sub(1, Ordering::AcqRel);
                continue;
            }
            let open = Arc::clone(&open);
            thread::spawn(move || {
                let _ = forward(browser, portal); // the browser sees it and tries again
                open.fetch_sub(1, Ordering::AcqRel);
            });
        }
    }
}

/// Carries octets both ways until both sides have ended.
fn forward(browser: TcpStream, portal: SocketAddr) -> std::io::Result<()> {
    let portal = TcpStream::connect_timeout(&portal, PATIENCE)?;
    let (from_browser, to_portal) = (browser.try_clone()?, portal.try_clone()?);
    let up = thread::spawn(move || carry(from_browser, to_portal));
    carry(portal, browser);
    let _ = up.join(); // it returns nothing
    Ok(())
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(octets @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..octets]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write); // the other side is told; it may be gone
    let _ = from.shutdown(Shutdown::Read);
}

/// The phone's state, and for how long if that is known.
fn words(reply: &Value) -> (String, String) {
    let session = &reply["guests"][0]["session"];
    let Some(user) = session["user"].as_str() else { return ("not logged in".to_owned(), String::new()) };
    let time = Duration::from_secs(session["seconds"].as_u64().unwrap_or_default());
    (format!("online as {user}"), format!(" for {}", config::format_duration(time)))
}
