//! The firewall policy, in English:
//!
//! * The kernel gets nothing from a guests' interface: not IPv4, not ARP, not IPv6. Packet sockets see frames
//!   before this hook, so we get all of them. This is table `netdev poblano`, and it stays when we die.
//! * Where that is a bridge of ours, its ports' frames are the bridge's, but for those to the groups that no bridge forwards:
//!   the kernel would take them as the port's own, whatever is in them. They are dropped as they come in. A port that is in
//!   no bridge is a guests' interface all the same, for the rules of forwarding.
//! * The kernel sends nothing to a guests' interface and forwards nothing from or to it.
//! * What the gateway lets through comes out of a TUN. From there it may go to its uplinks, and only there, so never to
//!   another TUN; from the uplinks only answers come back. An uplink forwards nothing else if it did not forward before us.
//! * Guests reach the gateway's own address on the portal's ports and by ping, and nothing else of the machine.
//! * Nobody else reaches that address, because the portal is for guests.
//! * What guests say to that address leaves no trace in connection tracking: who is not logged in must not be able to
//!   fill the table that those who are depend on.
//! * TCP connections with guests agree on segments no larger than is wanted, if it is. Who does not want it pays nothing.
//! * Http of guests who are online goes to a proxy, if wanted. The gateway gives it a port that nothing else comes with.
//! * Guests' addresses are rewritten to the uplink's, if wanted.
//!
//! `accept` here ends only our own chains: what another table drops stays dropped.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;

use fastpath::verdict::DIVERTED_PORT;

use super::nft::{self, Family, Hook, Term};
use super::ports::Ports;
use crate::ForwardSpec;
use crate::netlink::Message;

/// The name of both tables.
pub(super) const TABLE: &str = "poblano";

const HOOK_INGRESS: u32 = 0;
pub(super) const HOOK_PREROUTING: u32 = 0;
const HOOK_INPUT: u32 = 1;
const HOOK_FORWARD: u32 = 2;
const HOOK_OUTPUT: u32 = 3;
pub(super) const HOOK_POSTROUTING: u32 = 4;
/// Before everything that others may hang on the interface.
const PRIORITY_FIRST: i32 = -500;
/// Before connection tracking.
const PRIORITY_RAW: i32 = -300;
/// After connection tracking, before all that decides.
const PRIORITY_MANGLE: i32 = -150;
const PRIORITY_FILTER: i32 = 0;
pub(super) const PRIORITY_SOURCE_NAT: i32 = 100;
const PRIORITY_DESTINATION_NAT: i32 = -100;

/// What is forwarded, with the number of the TUN, and which of the uplinks forwarded nothing before we came.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) spec: ForwardSpec,
    pub(super) tun: u32,
    pub(super) closed: Vec<String>,
}

/// The lock of these interfaces and of bridges' ports, in place of the one that is there. `memory` outlives us with it: words,
/// in the comments of rules that say what their chain does anyway.
pub(super) fn lock(lans: &[String], ports: &Ports, memory: &[String]) -> Vec<Message> {
    let mut messages = replace(Family::Netdev, TABLE);
    let mut close = |name: &str, device| {
        let hook =
            Hook { number: HOOK_INGRESS, priority: PRIORITY_FIRST, kind: "filter", drop: true, device: Some(device) };
        messages.push(nft::add_chain(Family::Netdev, TABLE, name, &hook));
    };
    for (n, lan) in lans.iter().enumerate() {
        close(&format!("lock{n}"), lan);
    }
    for (n, port) in ports.present.iter().enumerate() {
        close(&format!("port{n}"), port);
    }
    // A chain that somebody has emptied lets nothing pass, nor that of a port whose VLANs somebody else takes.
    let to_bridge = |n| nft::add_rule(Family::Netdev, TABLE, &format!("port{n}"), &[Term::NotToBridges, Term::Accept]);
    let open = ports.present.iter().enumerate().filter(|(_, port)| !ports.covered.contains(port));
    messages.extend(open.map(|(n, _)| to_bridge(n)));
    let mut comments: Vec<String> = Vec::new();
    for word in memory {
        match comments.last_mut() {
            Some(comment) if comment.len() + 1 + word.len() <= nft::COMMENT_MAX => {
                comment.push(' ');
                comment.push_str(word);
            }
            _ => comments.push(word.clone()),
        }
    }
    let rule = |comment: &String| nft::add_rule_with_comment(Family::Netdev, TABLE, "lock0", &[Term::Drop], comment);
    messages.extend(comments.iter().map(rule));
    nft::batch(messages)
}

/// The rules of forwarding, in place of those that are there. `closed` are guests' interfaces, and ports of those.
pub(super) fn filter(closed: &[String], ways: &[Way]) -> Vec<Message> {
    let mut messages = replace(Family::Inet, TABLE);
    for (name, hook) in [
        ("input", base(HOOK_INPUT, PRIORITY_FILTER, "filter")),
        ("forward", base(HOOK_FORWARD, PRIORITY_FILTER, "filter")),
        ("output", base(HOOK_OUTPUT, PRIORITY_FILTER, "filter")),
    ] {
        messages.push(nft::add_chain(Family::Inet, TABLE, name, &hook));
    }
    // Nearly all packets are those of guests who are online. They meet their rule first, and in it what costs least:
    // each comparison takes the kernel some seven nanoseconds, that of a name thirty, and ten are a packet in 200.
    for Way { spec, tun, .. } in ways {
        for uplink in &spec.uplinks {
            for (network, prefix) in &spec.guests {
                let guest = Term::Source(*network, *prefix);
                messages.push(rule("forward", &[guest, Term::InNumber(*tun), Term::Out(uplink), Term::Accept]));
            }
            messages.push(rule("forward", &[Term::OutNumber(*tun), Term::In(uplink), Term::Established, Term::Accept]));
        }
    }
    for lan in closed {
        messages.push(rule("input", &[Term::In(lan), Term::Drop]));
        messages.push(rule("forward", &[Term::In(lan), Term::Drop]));
        messages.push(rule("forward", &[Term::Out(lan), Term::Drop]));
        messages.push(rule("output", &[Term::Out(lan), Term::Drop]));
    }
    for (n, way) in ways.iter().enumerate() {
        messages.extend(way_rules(n, &way.spec));
        messages.extend(way.spec.max_segment.into_iter().flat_map(|octets| segment_rules(n, way.tun, octets)));
    }
    // Last: what an uplink shares with a TUN is let through above.
    let closed: BTreeSet<&String> = ways.iter().flat_map(|way| &way.closed).collect();
    messages.extend(closed.into_iter().map(|uplink| rule("forward", &[Term::In(uplink), Term::Drop])));
    nft::batch(messages)
}

/// The rules of one TUN.
fn way_rules(n: usize, spec: &ForwardSpec) -> Vec<Message> {
    let tun = spec.tun.as_str();
    let mut messages = Vec::new();
    let (untracked_in, untracked_out) = (format!("untracked-in{n}"), format!("untracked-out{n}"));
    for (name, number) in [(&untracked_in, HOOK_PREROUTING), (&untracked_out, HOOK_OUTPUT)] {
        messages.push(nft::add_chain(Family::Inet, TABLE, name, &base(number, PRIORITY_RAW, "filter")));
    }
    let from_guest =
        |term| rule(&untracked_in, &[Term::Destination(spec.gateway), Term::In(tun), term, Term::Untracked]);
    let to_guest =
        |term| rule(&untracked_out, &[Term::Source(spec.gateway, 32), Term::Out(tun), term, Term::Untracked]);
    messages.push(rule(&untracked_in, &[Term::NotDestination(spec.gateway), Term::Accept]));
    for port in &spec.tcp_ports {
        messages.push(from_guest(Term::Tcp(*port)));
        messages.push(to_guest(Term::TcpFrom(*port)));
    }
    // Its answer begins no connection.
    messages.push(from_guest(Term::EchoRequest));

    let to_gateway = |term| rule("input", &[Term::In(tun), Term::Destination(spec.gateway), term, Term::Accept]);
    messages.extend(spec.tcp_ports.iter().map(|port| to_gateway(Term::Tcp(*port))));
    messages.extend(spec.udp_ports.iter().map(|port| to_gateway(Term::Udp(*port))));
    messages.push(to_gateway(Term::EchoRequest));
    messages.push(to_gateway(Term::Established));
    messages.extend(spec.http_proxy.into_iter().flat_map(|proxy| diversion(n, spec, proxy)));
    messages.push(rule("input", &[Term::In(tun), Term::Drop]));
    messages.push(rule("input", &[Term::NotIn("lo"), Term::Destination(spec.gateway), Term::Drop]));

    messages.push(rule("forward", &[Term::In(tun), Term::Drop]));
    messages.push(rule("forward", &[Term::Out(tun), Term::Drop]));
    if spec.masquerade {
        let chain = format!("postrouting{n}");
        let hook = base(HOOK_POSTROUTING, PRIORITY_SOURCE_NAT, "nat");
        messages.push(nft::add_chain(Family::Inet, TABLE, &chain, &hook));
        for uplink in &spec.uplinks {
            for (network, prefix) in &spec.guests {
                let terms = [Term::Out(uplink), Term::Source(*network, *prefix), Term::Masquerade];
                messages.push(rule(&chain, &terms));
            }
        }
    }
    messages
}

/// To a proxy, which may be on this machine.
fn diversion(n: usize, spec: &ForwardSpec, proxy: SocketAddrV4) -> Vec<Message> {
    let chain = format!("prerouting{n}");
    let hook = base(HOOK_PREROUTING, PRIORITY_DESTINATION_NAT, "nat");
    let mut messages = vec![nft::add_chain(Family::Inet, TABLE, &chain, &hook)];
    for (network, prefix) in &spec.guests {
        let guest = Term::Source(*network, *prefix);
        messages.push(rule(&chain, &[guest, Term::In(&spec.tun), Term::Tcp(DIVERTED_PORT), Term::Divert(proxy)]));
    }
    let here = [Term::In(&spec.tun), Term::Destination(*proxy.ip()), Term::Tcp(proxy.port()), Term::Diverted];
    messages.push(rule("input", &here.into_iter().chain([Term::Accept]).collect::<Vec<_>>()));
    messages
}

/// What a guest offers and what it is offered, by others and by this machine.
fn segment_rules(n: usize, tun: u32, octets: u16) -> Vec<Message> {
    let (from_guest, to_guest) = (format!("segments-in{n}"), format!("segments-out{n}"));
    let ways = [(from_guest, HOOK_PREROUTING, Term::InNumber(tun)), (to_guest, HOOK_POSTROUTING, Term::OutNumber(tun))];
    let rules = ways.into_iter().flat_map(|(name, hook, way)| {
        let chain = nft::add_chain(Family::Inet, TABLE, &name, &base(hook, PRIORITY_MANGLE, "filter"));
        [chain, rule(&name, &[way, Term::TcpSyn, Term::MaxSegment(octets)])]
    });
    rules.collect()
}

pub(super) fn base(number: u32, priority: i32, kind: &'static str) -> Hook<'static> {
    Hook { number, priority, kind, drop: false, device: None }
}

fn rule(chain: &str, terms: &[Term<'_>]) -> Message {
    nft::add_rule(Family::Inet, TABLE, chain, terms)
}

/// Removes a table, if it is there.
pub(super) fn remove(family: Family, table: &str) -> Vec<Message> {
    nft::batch(vec![nft::add_table(family, table), nft::delete_table(family, table)])
}

/// Adding before deleting makes deleting succeed whether or not a former run has left the table.
pub(super) fn replace(family: Family, table: &str) -> Vec<Message> {
    vec![nft::add_table(family, table), nft::delete_table(family, table), nft::add_table(family, table)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::messages;

    #[test]
    fn what_an_end_must_restore_fits_whatever_the_number_of_guests_interfaces() {
        let lans: Vec<String> = (0..16).map(|n| format!("interface{n:02}.400")).collect();
        let memory: Vec<String> = lans
            .iter()
            .flat_map(|lan| [format!("source-check:{lan}=0"), format!("no-ipv6:{lan}=0"), format!("vlan:{lan}")])
            .collect();
        let comments: Vec<String> = lock(&lans, &Ports::default(), &memory)
            .into_iter()
            .filter_map(|message| {
                let bytes = message.finish(1);
                let message = messages(&bytes).next()?;
                nft::parse_comment(TABLE, message.body)
            })
            .collect();
        assert_eq!(comments.iter().flat_map(|line| line.split(' ')).collect::<Vec<_>>(), memory);
    }

    #[test]
    fn a_port_with_another_interface_on_it_lets_nothing_pass() {
        let rules = |covered: &[&str]| {
            let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let ports = Ports { present: named(&["eth1", "eth2"]), covered: named(covered), apart: Vec::new() };
            let all = lock(&[], &ports, &[]);
            [nft::CHAINS.0, nft::RULES.0].map(|kind| all.iter().filter(|message| message.kind() == kind).count())
        };
        assert_eq!(rules(&[]), [2, 2]);
        assert_eq!(rules(&["eth2"]), [2, 1]);
    }
}
