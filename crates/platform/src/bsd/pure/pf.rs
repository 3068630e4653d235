//! The firewall policy for pf, in its own language, and what pfctl(8) says of it.
//!
//! All of it lies in the anchor `poblano`; pf.conf stays the operator's and names it before anything `quick` and before other
//! anchors. The policy is that of Linux, in English:
//!
//! * Nothing of a guests' interface gets past pf, either way. bpf(4) sees frames before pf.
//! * What the gateway lets through comes out of a TUN. From there it goes to its uplink, and only there; what comes back is
//!   an answer.
//! * Guests reach the gateway's own address on the portal's ports and by ping, without a trace in pf's table of states, and
//!   nothing else of the machine. Nobody else reaches that address.
//! * TCP connections with guests agree on segments no larger than is wanted, if it is.
//! * Guests' addresses are rewritten to the uplink's, if wanted.
//!
//! Every state is bound to its interface. A floating one would let a frame with its addresses pass on the guests' interface,
//! past the rule that blocks and past the gateway.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::abi::Os;
use crate::{ForwardSpec, same_network};

/// Where our rules are.
pub(crate) const ANCHOR: &str = "poblano";

/// The anchor's content. Without ways it is the lock alone; without interfaces too it is nothing.
pub(crate) fn rules(os: Os, lans: &[String], ways: &[ForwardSpec]) -> String {
    let mut text = String::new();
    for way in ways.iter().filter(|way| way.masquerade) {
        let guests = listed(&networks(way));
        for uplink in &way.uplinks {
            match os {
                Os::Open => {
                    line(&mut text, format_args!("match out on {uplink} inet from {guests} nat-to ({uplink}:0)"));
                }
                _ => line(&mut text, format_args!("nat on {uplink} inet from {guests} to any -> ({uplink}:0)")),
            }
        }
    }
    for ForwardSpec { tun, max_segment, .. } in ways {
        if let Some(octets) = max_segment {
            line(&mut text, format_args!("match on {tun} inet proto tcp scrub (max-mss {octets})"));
        }
    }
    for lan in lans {
        line(&mut text, format_args!("block drop quick on {lan} all"));
    }
    for (n, way) in ways.iter().enumerate() {
        let ForwardSpec { tun, gateway, .. } = way;
        let (networks, tag) = (networks(way), format!("{ANCHOR}{n}"));
        let guests = listed(&networks);
        // What was let in from the TUN is known by its tag, and leaves by the uplink or not at all.
        for uplink in &way.uplinks {
            line(&mut text, format_args!("pass out quick on {uplink} inet all tagged {tag} keep state (if-bound)"));
        }
        line(&mut text, format_args!("block drop out quick all tagged {tag}"));
        for (protocol, ports, flags) in [("tcp", &way.tcp_ports, " flags any"), ("udp", &way.udp_ports, "")] {
            if ports.is_empty() {
                continue;
            }
            let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
            line(
                &mut text,
                format_args!(
                    "pass in quick on {tun} inet proto {protocol} from {guests} to {gateway} port {{ {ports} }}{flags} no state"
                ),
            );
            line(
                &mut text,
                format_args!(
                    "pass out quick on {tun} inet proto {protocol} from {gateway} port {{ {ports} }} to {guests}{flags} no state"
                ),
            );
        }
        line(
            &mut text,
            format_args!(
                "pass in quick on {tun} inet proto icmp from {guests} to {gateway} icmp-type echoreq no state"
            ),
        );
        line(&mut text, format_args!("pass out quick on {tun} inet proto icmp from {gateway} to {guests} no state"));
        line(&mut text, format_args!("pass out quick on {tun} inet from {gateway} to {guests} keep state (if-bound)"));
        // The machine, by each of its addresses, as a group, and as what some take for themselves; and other guests.
        let closed = format!("{{ (self), {}, 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/3 }}", networks.join(", "));
        line(&mut text, format_args!("block drop in quick on {tun} inet from any to {closed}"));
        line(
            &mut text,
            format_args!("pass in quick on {tun} inet from {guests} to any keep state (if-bound) tag {tag}"),
        );
        line(&mut text, format_args!("block drop quick on {tun} all"));
        // The machine speaks with itself over the loopback.
        line(&mut text, format_args!("pass quick on lo0 inet from any to {gateway} no state"));
        line(&mut text, format_args!("pass quick on lo0 inet from {gateway} to any no state"));
        line(&mut text, format_args!("block drop in quick inet from any to {gateway}"));
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Into a string, it cannot fail.
    let _ = writeln!(text, "{line}");
}

fn networks(way: &ForwardSpec) -> Vec<String> {
    let network = |(address, prefix): &(Ipv4Addr, u8)| {
        format!("{}/{prefix}", Ipv4Addr::from(u32::from(*address) & crate::mask(*prefix)))
    };
    way.guests.iter().map(network).collect()
}

/// One of them, or a list.
fn listed(networks: &[String]) -> String {
    match networks {
        [one] => one.clone(),
        several => format!("{{ {} }}", several.join(", ")),
    }
}

/// True if pf takes the name of an interface for a word, whatever is in it.
pub(crate) fn is_word(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    name.bytes().all(letter) && name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
}

/// True if `pfctl -s info` says that pf works.
pub(crate) fn is_enabled(info: &str) -> bool {
    info.lines().any(|line| line.starts_with("Status: Enabled"))
}

/// Whether the operator's rules, as `pfctl -s rules` or `pfctl -s nat` shows them, come to our anchor.
///
/// # Errors
/// Why they do not always.
pub(crate) fn comes_to_anchor(rules: &str, kind: &str) -> Result<(), String> {
    let ours = format!("{kind} \"{ANCHOR}\" all");
    for rule in rules.lines() {
        if rule.trim_end() == ours {
            return Ok(());
        }
        if rule.split(' ').any(|word| word == "quick") {
            return Err(format!("its rules decide before they come to ours: {rule}"));
        }
        // What is in there may be quick, now or later: ftp-proxy(8) and relayd(8) write such rules.
        if kind == "anchor" && rule.starts_with("anchor ") {
            return Err(format!("its rules come to those of others before ours: {rule}"));
        }
    }
    Err("its rules do not come to ours".to_owned())
}

/// How many states `pfctl -k` says that it has ended.
pub(crate) fn killed(said: &str) -> usize {
    let words = said.lines().find_map(|line| line.strip_prefix("killed "));
    words.and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0)
}

/// Addresses of this network in what `pfctl -s states` shows.
pub(crate) fn addresses_in(states: &str, (network, prefix): (Ipv4Addr, u8)) -> BTreeSet<Ipv4Addr> {
    let words = states.split([' ', '\n', '(', ')', '[', ']']);
    let addresses = words.filter_map(|word| word.split(':').next()?.parse().ok());
    addresses.filter(|address| same_network(*address, network, prefix)).collect()
}

#[cfg(test)]
#[path = "pf_tests.rs"]
mod tests;
