//! Switches below `/proc/sys/net`. The kernel shows those of the calling thread's network namespace.

use std::fs;
use std::io;

use crate::{Error, Result};

/// One switch of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    path: String,
}

impl Switch {
    /// The kernel forwards IPv4 packets that come in here.
    pub(super) fn forwarding(interface: &str) -> Self {
        Self { path: format!("/proc/sys/net/ipv4/conf/{interface}/forwarding") }
    }

    /// The kernel does no IPv6 here.
    pub(super) fn no_ipv6(interface: &str) -> Self {
        Self { path: format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6") }
    }

    /// Its value; `None` if this kernel lacks the switch (built without IPv6).
    pub(super) fn read(&self) -> Result<Option<String>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::kernel(format!("read {}", self.path), e)),
        }
    }

    pub(super) fn write(&self, value: &str) -> Result<()> {
        fs::write(&self.path, value).map_err(|e| Error::kernel(format!("write {value} to {}", self.path), e))
    }

    /// Sets it and gives the former value, or `None` if nothing had to be changed.
    pub(super) fn set(&self, value: &str) -> Result<Option<String>> {
        match self.read()? {
            Some(former) if former != value => {
                self.write(value)?;
                Ok(Some(former))
            }
            _ => Ok(None),
        }
    }
}
