//! The firewall policy, in English:
//!
//! * The kernel gets nothing from a guests' interface: not IPv4, not ARP, not IPv6. Packet sockets see frames
//!   before this hook, so we get all of them. This is table `netdev poblano`, and it stays when we die.
//! * The kernel sends nothing to a guests' interface and forwards nothing from or to it.
//! * What the gateway lets through comes out of the TUN. From there it may go to the uplink, and only there; from
//!   the uplink only answers come back. The uplink forwards nothing else if it did not forward before us.
//! * Guests reach the gateway's own address on the portal's ports and by ping, and nothing else of the machine.
//! * Nobody else reaches that address, because the portal is for guests.
//! * What guests say to that address leaves no trace in connection tracking: who is not logged in must not be able to
//!   fill the table that those who are depend on.
//! * Guests' addresses are rewritten to the uplink's, if wanted.
//!
//! `accept` here ends only our own chains: what another table drops stays dropped.

use super::nft::{self, Family, Hook, Term};
use crate::ForwardSpec;
use crate::netlink::Message;

/// The name of both tables.
pub(super) const TABLE: &str = "poblano";

const HOOK_INGRESS: u32 = 0;
const HOOK_PREROUTING: u32 = 0;
const HOOK_INPUT: u32 = 1;
const HOOK_FORWARD: u32 = 2;
const HOOK_OUTPUT: u32 = 3;
const HOOK_POSTROUTING: u32 = 4;
/// Before everything that others may hang on the interface.
const PRIORITY_FIRST: i32 = -500;
/// Before connection tracking.
const PRIORITY_RAW: i32 = -300;
const PRIORITY_FILTER: i32 = 0;
const PRIORITY_SOURCE_NAT: i32 = 100;

/// The lock of these interfaces, in place of the one that is there. `memory` outlives us with it.
pub(super) fn lock(lans: &[String], memory: &str) -> Vec<Message> {
    let mut messages = replace(Family::Netdev, memory);
    for (n, lan) in lans.iter().enumerate() {
        let hook =
            Hook { number: HOOK_INGRESS, priority: PRIORITY_FIRST, kind: "filter", drop: true, device: Some(lan) };
        messages.push(nft::add_chain(Family::Netdev, TABLE, &format!("lock{n}"), &hook));
    }
    nft::batch(messages)
}

/// The rules of forwarding, in place of those that are there; with a specification the number of the TUN.
/// `uplink_forwarded` says that the uplink forwarded packets before we came.
pub(super) fn filter(lans: &[String], spec: Option<(&ForwardSpec, u32)>, uplink_forwarded: bool) -> Vec<Message> {
    let mut messages = replace(Family::Inet, "");
    let base = |number, priority, kind| Hook { number, priority, kind, drop: false, device: None };
    for (name, hook) in [
        ("input", base(HOOK_INPUT, PRIORITY_FILTER, "filter")),
        ("forward", base(HOOK_FORWARD, PRIORITY_FILTER, "filter")),
        ("output", base(HOOK_OUTPUT, PRIORITY_FILTER, "filter")),
    ] {
        messages.push(nft::add_chain(Family::Inet, TABLE, name, &hook));
    }
    let rule = |chain: &str, terms: &[Term<'_>]| nft::add_rule(Family::Inet, TABLE, chain, terms);
    // Nearly all packets are those of guests who are online. They meet their rule first, and in it what costs least:
    // each comparison takes the kernel some seven nanoseconds, that of a name thirty, and ten are a packet in 200.
    if let Some((spec, tun)) = spec {
        let uplink = spec.uplink.as_str();
        let guest = Term::Source(spec.guests.0, spec.guests.1);
        messages.push(rule("forward", &[guest, Term::InNumber(tun), Term::Out(uplink), Term::Accept]));
        messages.push(rule("forward", &[Term::OutNumber(tun), Term::In(uplink), Term::Established, Term::Accept]));
    }
    for lan in lans {
        messages.push(rule("input", &[Term::In(lan), Term::Drop]));
        messages.push(rule("forward", &[Term::In(lan), Term::Drop]));
        messages.push(rule("forward", &[Term::Out(lan), Term::Drop]));
        messages.push(rule("output", &[Term::Out(lan), Term::Drop]));
    }
    let Some((spec, _)) = spec else { return nft::batch(messages) };
    let (tun, uplink) = (spec.tun.as_str(), spec.uplink.as_str());
    let (network, prefix) = spec.guests;

    for (name, number) in [("untracked-in", HOOK_PREROUTING), ("untracked-out", HOOK_OUTPUT)] {
        messages.push(nft::add_chain(Family::Inet, TABLE, name, &base(number, PRIORITY_RAW, "filter")));
    }
    let untracked_in =
        |term| rule("untracked-in", &[Term::Destination(spec.gateway), Term::In(tun), term, Term::Untracked]);
    let untracked_out =
        |term| rule("untracked-out", &[Term::Source(spec.gateway, 32), Term::Out(tun), term, Term::Untracked]);
    messages.push(rule("untracked-in", &[Term::NotDestination(spec.gateway), Term::Accept]));
    for port in &spec.tcp_ports {
        messages.push(untracked_in(Term::Tcp(*port)));
        messages.push(untracked_out(Term::TcpFrom(*port)));
    }
    // Its answer begins no connection.
    messages.push(untracked_in(Term::EchoRequest));

    let to_gateway = |term| rule("input", &[Term::In(tun), Term::Destination(spec.gateway), term, Term::Accept]);
    messages.extend(spec.tcp_ports.iter().map(|port| to_gateway(Term::Tcp(*port))));
    messages.extend(spec.udp_ports.iter().map(|port| to_gateway(Term::Udp(*port))));
    messages.push(to_gateway(Term::EchoRequest));
    messages.push(to_gateway(Term::Established));
    messages.push(rule("input", &[Term::In(tun), Term::Drop]));
    messages.push(rule("input", &[Term::NotIn("lo"), Term::Destination(spec.gateway), Term::Drop]));

    messages.push(rule("forward", &[Term::In(tun), Term::Drop]));
    messages.push(rule("forward", &[Term::Out(tun), Term::Drop]));
    if !uplink_forwarded {
        messages.push(rule("forward", &[Term::In(uplink), Term::Drop]));
    }
    if spec.masquerade {
        let hook = base(HOOK_POSTROUTING, PRIORITY_SOURCE_NAT, "nat");
        messages.push(nft::add_chain(Family::Inet, TABLE, "postrouting", &hook));
        let terms = [Term::Out(uplink), Term::Source(network, prefix), Term::Masquerade];
        messages.push(rule("postrouting", &terms));
    }
    nft::batch(messages)
}

/// Removes a table, if it is there.
pub(super) fn remove(family: Family) -> Vec<Message> {
    nft::batch(vec![nft::add_table(family, TABLE), nft::delete_table(family, TABLE)])
}

/// Adding before deleting makes deleting succeed whether or not a former run has left the table.
fn replace(family: Family, comment: &str) -> Vec<Message> {
    vec![
        nft::add_table(family, TABLE),
        nft::delete_table(family, TABLE),
        nft::add_table_with_comment(family, TABLE, comment),
    ]
}
