//! Where guests may be sent to. Thousands of stations that all want something are an attack on whoever did not ask for
//! it, so a network is either one that `lab` has made, or somebody has said that it is theirs.

use std::path::Path;

use anyhow::bail;

/// The name of the guests' interface in a lab. Network cards and other programs' devices are not called so.
pub(crate) const LAB_INTERFACE: &str = "pbload0";
/// What somebody says whose network it is.
pub(crate) const FLAG: &str = "--yes-this-network-is-mine";

/// Fails unless guests may send to the interface.
pub(crate) fn allow(interface: &str, mine: bool) -> anyhow::Result<()> {
    if mine || (interface == LAB_INTERFACE && is_a_namespace()) {
        return Ok(());
    }
    bail!(
        "{interface} is not in a lab, and nothing was sent. Simulated guests take addresses away from real ones and load \
         the gateway until it gives way. If the network and its gateway are yours, say so with {FLAG}; \
         `poblano-load lab` makes a network of its own"
    );
}

/// True in a network namespace that somebody has made: switches that a machine has once, such as the backlog of all its
/// devices, are seen in its own network only. Where none are seen at all nothing is known, and the answer is no.
fn is_a_namespace() -> bool {
    let there = |switch: &str| Path::new("/proc/sys/net/core").join(switch).exists();
    there("somaxconn") && !there("netdev_max_backlog")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_to_a_network_that_nobody_has_called_theirs() {
        let refusal = allow("eth0", false).unwrap_err().to_string();
        assert!(refusal.contains(FLAG), "{refusal}");
        assert!(allow("eth0", true).is_ok());
    }
}
