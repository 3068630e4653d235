//! Several uplinks, by the kernel's policy routing. In English:
//!
//! * Each uplink has a routing table of its own with its default route, and a mark. Guests' packets get the mark of the
//!   uplink by which their connection leaves: that of its first packet, chosen by a hash of the guest's address. So a guest
//!   leaves by one uplink with all that it does, a connection never changes from one to another, and both are so after a
//!   restart, for nothing is remembered but in the kernel's own list of connections.
//! * What is marked looks into the main table first, but for default routes: networks that are near stay near.
//! * The machine's own packets look there too. Then those from the address of an uplink that is used leave by that uplink,
//!   and all others by the one that the plan says. What a program goes on to send from the address of an uplink that is
//!   not used gets the address of the one by which it leaves.
//! * All of it is ours alone: table `inet poblano-uplinks`, and routes and rules that carry our protocol's number. Marks
//!   are four bits; the others are whosoever's.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use super::conntrack::Conntrack;
use super::nft::{self, Family, Term};
use super::rtnetlink::{Route, Rtnetlink, Rule, TABLE_MAIN, Which};
use super::rules::{HOOK_POSTROUTING, HOOK_PREROUTING, PRIORITY_SOURCE_NAT, base, replace};
use super::sysctl::Switch;
use super::{firewall, guard, rules, sys};
use crate::netlink::Message;
use crate::{
    GUEST_PARTS, Hop, Interface, LinkState, MAX_UPLINKS, Plan, ProbeSocket, Result, UplinkLine, Uplinks, UplinksSpec,
};

const TABLE: &str = "poblano-uplinks";
/// The bits of a packet's mark that are ours.
const MASK: u32 = 0x0f00_0000;
/// The routing table of the first uplink; the others follow.
const FIRST_TABLE: u32 = 0x706f_6200;
/// Rules of the operator's that are to come first are below this number; those that got one from the kernel (32765 and
/// less) come after ours.
const FIRST_RULE: u32 = 30_000;
/// Addresses of an uplink from which the machine's own packets leave by it; more than anybody gives one.
const ADDRESSES: usize = 16;
/// After connection tracking, before routing.
const PRIORITY_MANGLE: i32 = -150;

pub(super) struct Steering {
    lines: Vec<UplinkLine>,
    /// Numbers of the TUNs, with the guests' network behind each.
    guests: Vec<(u32, (Ipv4Addr, u8))>,
    /// The rules of the firewall that were set last.
    set: Mutex<Vec<Message>>,
}

impl Steering {
    pub(super) fn new(spec: &UplinksSpec, interfaces: &[Interface]) -> Self {
        let number = |name: &String| interfaces.iter().find(|found| found.name == *name).map(|found| found.index);
        let guests = spec.guests.iter().filter_map(|(tun, network)| Some((number(tun)?, *network))).collect();
        Self { lines: spec.lines.clone(), guests, set: Mutex::default() }
    }

    /// The firewall's part of a plan.
    fn marks(&self, links: &[LinkState], plan: &Plan) -> Vec<Message> {
        let mut messages = replace(Family::Inet, TABLE);
        let hook = base(HOOK_PREROUTING, PRIORITY_MANGLE, "filter");
        messages.push(nft::add_chain(Family::Inet, TABLE, "choose", &hook));
        let hook = base(HOOK_POSTROUTING, PRIORITY_SOURCE_NAT, "nat");
        messages.push(nft::add_chain(Family::Inet, TABLE, "own", &hook));
        let mut rule = |chain, terms: &[Term<'_>]| messages.push(nft::add_rule(Family::Inet, TABLE, chain, terms));
        for (tun, (network, prefix)) in &self.guests {
            let (from, guest) = (|| Term::InNumber(*tun), || Term::Source(*network, *prefix));
            for mark in (0..self.lines.len()).map(mark) {
                let old = Term::ConnectionMark { mark, mask: MASK };
                rule("choose", &[from(), old, Term::SetMark { mark, mask: MASK }, Term::Accept]);
            }
            for &(below, line) in &plan.shares {
                let mark = mark(line);
                let new =
                    [Term::SetConnectionMark { mark, mask: MASK }, Term::SetMark { mark, mask: MASK }, Term::Accept];
                let share = (below < GUEST_PARTS).then_some(Term::SourceHashBelow { below, values: GUEST_PARTS });
                let terms: Vec<_> = [from(), guest()].into_iter().chain(share).chain(new).collect();
                rule("choose", &terms);
            }
        }
        for (leaves, line) in self.lines.iter().enumerate() {
            let others = links.iter().enumerate().filter(|(other, _)| *other != leaves);
            for address in others.flat_map(|(_, link)| &link.addresses) {
                rule("own", &[Term::Out(&line.interface), Term::Source(*address, 32), Term::Masquerade]);
            }
        }
        nft::batch(messages)
    }

    fn set_marks(&self, links: &[LinkState], plan: &Plan) -> Result<()> {
        let wanted = self.marks(links, plan);
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        if *set != wanted || !guard::is_whole(Family::Inet, TABLE, &wanted)? {
            firewall("divide guests between the uplinks", wanted.clone())?;
            *set = wanted;
        }
        Ok(())
    }

    /// The routing rules of a plan. Each has a place of its own: the kernel takes one without a source for the same as one
    /// with a source at the same place.
    fn rules(&self, links: &[LinkState], plan: &Plan) -> Vec<Rule> {
        let main = u32::from(TABLE_MAIN);
        let mut rules = Vec::new();
        let mut rule = |place, which, table, but_default| {
            rules.push(Rule { priority: FIRST_RULE + place as u32, which, table, but_default });
        };
        rule(0, Which::Own, main, true);
        rule(1, Which::AnyMark { mask: MASK }, main, true);
        for line in 0..self.lines.len() {
            rule(2 + line, Which::Marked { mark: mark(line), mask: MASK }, table(line), false);
        }
        for (line, link) in links.iter().enumerate().filter(|(line, _)| plan.used.get(*line) == Some(&true)) {
            for (n, address) in link.addresses.iter().take(ADDRESSES).enumerate() {
                rule(10 + line * ADDRESSES + n, Which::OwnFrom(*address), table(line), false);
            }
        }
        rule(10 + MAX_UPLINKS * ADDRESSES + plan.own, Which::Own, table(plan.own), false);
        rules
    }
}

impl Uplinks for Steering {
    fn look(&self) -> Result<Vec<LinkState>> {
        let mut rtnetlink = Rtnetlink::open()?;
        let interfaces = rtnetlink.interfaces()?;
        let working = rtnetlink.working()?;
        let routes = rtnetlink.routes()?;
        let state = |line: &UplinkLine| {
            let Some(found) = interfaces.iter().find(|found| found.name == line.interface) else {
                return LinkState::default();
            };
            let defaults = routes.iter().filter(|route| route.prefix == 0 && route.interface == found.index);
            let best = defaults.min_by_key(|route| route.metric);
            let learnt = best.map(|route| route.gateway.map_or(Hop::PointToPoint, Hop::Gateway));
            LinkState {
                working: working.contains(&found.index).then_some(found.index),
                addresses: found.v4.iter().map(|(address, _)| *address).collect(),
                hop: line.gateway.map(Hop::Gateway).or(learnt),
            }
        };
        Ok(self.lines.iter().map(state).collect())
    }

    fn steer(&self, links: &[LinkState], plan: &Plan) -> Result<()> {
        let mut rtnetlink = Rtnetlink::open()?;
        let former = rtnetlink.own_routes()?;
        for (line, link) in links.iter().enumerate() {
            // An interface that went and came back has the switch as all new ones have it.
            if let Some(UplinkLine { interface, .. }) = self.lines.get(line).filter(|_| link.working.is_some()) {
                let switch = Switch::forwarding(interface);
                if switch.read()?.as_deref() == Some("0") {
                    switch.write("1")?;
                }
            }
            let (Some(interface), Some(hop)) = (link.working, link.hop) else { continue };
            let route = default_route(interface, hop.gateway());
            if !former.contains(&(table(line), route.clone())) {
                rtnetlink.set_own_route(table(line), &route)?;
            }
        }
        // First where to, then who.
        self.set_marks(links, plan)?;
        let (former, wanted) = (rtnetlink.own_rules()?, self.rules(links, plan));
        for rule in wanted.iter().filter(|rule| !former.contains(rule)) {
            rtnetlink.add_rule(rule)?;
        }
        for rule in former.iter().filter(|rule| !wanted.contains(rule)) {
            rtnetlink.delete_rule(rule)?;
        }
        Ok(())
    }

    fn forget(&self, uplink: usize, addresses: &[Ipv4Addr]) -> Result<usize> {
        Conntrack::open()?.forget_uplink(mark(uplink), MASK, addresses)
    }

    fn socket(&self, uplink: usize, kind: ProbeSocket) -> io::Result<OwnedFd> {
        let line = self.lines.get(uplink).ok_or(io::ErrorKind::NotFound)?;
        let (kind, protocol) = match kind {
            ProbeSocket::Icmp => (libc::SOCK_RAW, libc::IPPROTO_ICMP),
            ProbeSocket::Udp => (libc::SOCK_DGRAM, 0),
            ProbeSocket::Tcp => (libc::SOCK_STREAM, 0),
        };
        let socket = sys::socket(libc::AF_INET, kind | libc::SOCK_NONBLOCK, protocol)?;
        sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, nft::padded(&line.interface))?;
        sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_MARK, mark(uplink))?;
        Ok(socket)
    }
}

/// Takes everything away that is ours, of a former life too.
pub(super) fn remove() -> Result<()> {
    let mut rtnetlink = Rtnetlink::open()?;
    for rule in rtnetlink.own_rules()? {
        rtnetlink.delete_rule(&rule)?;
    }
    firewall("remove what divides guests between the uplinks", rules::remove(Family::Inet, TABLE))?;
    for (table, route) in rtnetlink.own_routes()? {
        rtnetlink.delete_own_route(table, &route)?;
    }
    Ok(())
}

fn mark(line: usize) -> u32 {
    (line as u32 + 1) << MASK.trailing_zeros()
}

fn table(line: usize) -> u32 {
    FIRST_TABLE + line as u32
}

fn default_route(interface: u32, gateway: Option<Ipv4Addr>) -> Route {
    Route { destination: Ipv4Addr::UNSPECIFIED, prefix: 0, gateway, interface, metric: 0 }
}
