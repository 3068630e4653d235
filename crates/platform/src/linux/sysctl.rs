//! Switches below `/proc/sys/net`. The kernel shows those of the calling thread's network namespace.

use std::fs;
use std::io;

use crate::{Error, Result};

/// Kinds of switches: a word for [`remember`], and where they are below `/proc/sys/net/`.
const FORWARDING: Kind = ("forwarding", "ipv4", "forwarding");
const NO_IPV6: Kind = ("no-ipv6", "ipv6", "disable_ipv6");
const SOURCE_CHECK: Kind = ("source-check", "ipv4", "rp_filter");

type Kind = (&'static str, &'static str, &'static str);

/// One switch of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    kind: Kind,
    interface: String,
}

impl Switch {
    /// The kernel forwards IPv4 packets that come in here.
    pub(super) fn forwarding(interface: &str) -> Self {
        Self { kind: FORWARDING, interface: interface.to_owned() }
    }

    /// The kernel does no IPv6 here.
    pub(super) fn no_ipv6(interface: &str) -> Self {
        Self { kind: NO_IPV6, interface: interface.to_owned() }
    }

    /// The kernel takes an IPv4 packet only if the answer would go back here (RFC 3704, section 2.2).
    pub(super) fn source_check(interface: &str) -> Self {
        Self { kind: SOURCE_CHECK, interface: interface.to_owned() }
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
        let (_, family, name) = self.kind;
        format!("/proc/sys/net/{family}/conf/{}/{name}", self.interface)
    }
}

/// A switch and its former value as a word, which [`recall`] reads.
pub(super) fn remember(switch: &Switch, former: &str) -> String {
    format!("{}:{}={former}", switch.kind.0, switch.interface)
}

/// What [`remember`] wrote. Anything else is passed over: the word comes from the kernel's memory, where other programs
/// can write too.
pub(super) fn recall(word: &str) -> Option<(Switch, String)> {
    let (switch, former) = word.rsplit_once('=')?;
    let (kind, interface) = switch.split_once(':')?;
    let kind = [FORWARDING, NO_IPV6, SOURCE_CHECK].into_iter().find(|known| known.0 == kind)?;
    let is_name = !interface.is_empty() && !interface.starts_with('.') && !interface.contains('/');
    let known = is_name && matches!(former, "0" | "1" | "2");
    known.then(|| (Switch { kind, interface: interface.to_owned() }, former.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_can_be_recalled() {
        for switch in [Switch::forwarding("eth0.7"), Switch::no_ipv6("a=b"), Switch::source_check("lan0")] {
            assert_eq!(recall(&remember(&switch, "2")), Some((switch, "2".to_owned())));
        }
        assert_eq!(remember(&Switch::source_check("lan0"), "1"), "source-check:lan0=1");
        assert_eq!(Switch::source_check("lan0").file(), "/proc/sys/net/ipv4/conf/lan0/rp_filter");
    }

    #[test]
    fn strange_memories_are_passed_over() {
        for word in [
            "",
            "=",
            "forwarding:..=1",
            "forwarding:=1",
            "forwarding:a/b=1",
            "/etc/passwd=1",
            "forwarding:eth0=3",
            "accept_local:eth0=1",
        ] {
            assert_eq!(recall(word), None, "{word}");
        }
    }
}
