//! Network namespaces where there are none: all of it can be called, and says so.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use fastpath::port::LanPort;
use wire::MacAddr;

use crate::raw::{Ignored, Inbox, Outbox};
use crate::{Error, Result};

/// Never made on this system.
pub struct Netns(Infallible);

#[expect(missing_docs, clippy::missing_errors_doc, reason = "as on Linux, where it works")]
impl Netns {
    pub fn new() -> Result<Self> {
        Err(unsupported())
    }

    pub fn current() -> Result<Self> {
        Err(unsupported())
    }

    pub fn run<T: Send>(&self, _: impl FnOnce() -> T + Send) -> Result<T> {
        match self.0 {}
    }

    pub fn enter(&self) -> Result<()> {
        match self.0 {}
    }

    pub fn cable(&self, _: &str, _: Option<MacAddr>, _: &Self, _: &str, _: Option<MacAddr>) -> Result<()> {
        match self.0 {}
    }

    pub fn remove(&self, _: &str) -> Result<()> {
        match self.0 {}
    }

    pub fn add_address(&self, _: &str, _: Ipv4Addr, _: u8) -> Result<()> {
        match self.0 {}
    }

    pub fn add_route(&self, _: (Ipv4Addr, u8), _: &str, _: Ipv4Addr) -> Result<()> {
        match self.0 {}
    }

    pub fn send_on_unseen(&self, _: &str, _: &str, _: MacAddr) -> Result<()> {
        match self.0 {}
    }

    pub fn open(&self, _: &str) -> Result<Arc<dyn LanPort>> {
        match self.0 {}
    }

    pub fn open_raw(&self, _: &str, _: Option<Ignored>) -> Result<RawPort> {
        match self.0 {}
    }
}

/// Never opened on this system.
pub struct RawPort(Infallible);

#[expect(missing_docs, clippy::missing_errors_doc, reason = "as on Linux, where it works")]
impl RawPort {
    pub fn send(&self, _: &mut Outbox) -> io::Result<usize> {
        match self.0 {}
    }

    pub fn recv(&self, _: &mut Inbox) -> io::Result<usize> {
        match self.0 {}
    }

    pub fn wait(&self, _: Duration) -> io::Result<()> {
        match self.0 {}
    }
}

/// Fails: there is nothing to become root of.
///
/// # Errors
/// Always.
pub fn become_root() -> Result<()> {
    Err(unsupported())
}

/// Does nothing: without namespaces nothing is started in them.
pub fn die_with_us(_: &mut Command) {}

/// Fails, for the same reason.
///
/// # Errors
/// Always.
pub fn terminate(_: &Child) -> Result<()> {
    Err(unsupported())
}

fn unsupported() -> Error {
    Error::refused("make a network namespace", "this system has none").hint("it takes Linux")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_a_namespace_is_told_that_it_takes_linux() {
        for error in [become_root().err(), Netns::new().err(), Netns::current().err()] {
            let error = error.map(|e| e.to_string());
            assert_eq!(error.as_deref(), Some("cannot make a network namespace: this system has none; it takes Linux"));
        }
    }
}
