//! Switches below `/proc/sys/net`. The kernel shows those of the calling thread's network namespace.

use std::fmt::Write as _;
use std::fs;
use std::io;

use crate::{Error, Result};

/// One switch of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    /// Below `/proc/sys/net/`.
    path: String,
}

impl Switch {
    /// The kernel forwards IPv4 packets that come in here.
    pub(super) fn forwarding(interface: &str) -> Self {
        Self { path: format!("ipv4/conf/{interface}/forwarding") }
    }

    /// The kernel does no IPv6 here.
    pub(super) fn no_ipv6(interface: &str) -> Self {
        Self { path: format!("ipv6/conf/{interface}/disable_ipv6") }
    }

    /// Its value; `None` if this kernel lacks the switch (built without IPv6).
    pub(super) fn read(&self) -> Result<Option<String>> {
        match fs::read_to_string(self.file()) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::kernel(format!("read {}", self.file()), e)),
        }
    }

    /// Sets it. An interface that has gone took its switches with it.
    pub(super) fn write(&self, value: &str) -> Result<()> {
        match fs::write(self.file(), value) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(|e| Error::kernel(format!("write {value} to {}", self.file()), e)),
        }
    }

    fn file(&self) -> String {
        format!("/proc/sys/net/{}", self.path)
    }
}

/// Switches and their former values as one line, which [`recall`] reads.
pub(super) fn remember<'a>(switches: impl Iterator<Item = (&'a Switch, &'a str)>) -> String {
    let mut line = String::new();
    for (switch, former) in switches {
        let space = if line.is_empty() { "" } else { " " };
        let _ = write!(line, "{space}{}={former}", switch.path);
    }
    line
}

/// What [`remember`] wrote. Anything else is passed over: the line comes from the kernel's memory, where other
/// programs can write too.
pub(super) fn recall(line: &str) -> Vec<(Switch, String)> {
    let entry = |word: &str| {
        let (path, former) = word.rsplit_once('=')?;
        let parts: Vec<_> = path.split('/').collect();
        let known = match parts.as_slice() {
            ["ipv4", "conf", name, "forwarding"] | ["ipv6", "conf", name, "disable_ipv6"] => !name.starts_with('.'),
            _ => false,
        };
        (known && matches!(former, "0" | "1")).then(|| (Switch { path: path.to_owned() }, former.to_owned()))
    };
    line.split(' ').filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_can_be_recalled() {
        let switches = [Switch::forwarding("eth0.7"), Switch::no_ipv6("a=b")];
        let line = remember(switches.iter().map(|switch| (switch, "0")));
        assert_eq!(line, "ipv4/conf/eth0.7/forwarding=0 ipv6/conf/a=b/disable_ipv6=0");
        assert_eq!(recall(&line), switches.map(|switch| (switch, "0".to_owned())));
    }

    #[test]
    fn strange_memories_are_passed_over() {
        for line in [
            "",
            "=",
            "ipv4/conf/../forwarding=1",
            "ipv4/conf/a/b/forwarding=1",
            "/etc/passwd=1",
            "ipv4/conf/eth0/forwarding=2",
            "ipv4/conf/eth0/accept_local=1",
        ] {
            assert_eq!(recall(line), [], "{line}");
        }
    }
}
