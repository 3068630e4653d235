//! Links, addresses and routes (`man 7 rtnetlink`).

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use wire::MacAddr;

use super::nlsock::NetlinkSocket;
use crate::netlink::{ACK, CREATE, EXCL, Message, attrs};
use crate::{Interface, Result};

pub(super) const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
pub(super) const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const GETADDR: u16 = 22;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;
const NEWRULE: u16 = 32;
const DELRULE: u16 = 33;
const GETRULE: u16 = 34;

pub(super) const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
pub(super) const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
pub(super) const IFLA_LINKINFO: u16 = 18;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_NET_NS_FD: u16 = 28;
pub(super) const IFLA_INFO_KIND: u16 = 1;
pub(super) const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const VETH_INFO_PEER: u16 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_TABLE: u16 = 15;

/// `linux/fib_rules.h`
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_PROTOCOL: u16 = 21;
const ACTION_TO_TABLE: u8 = 1;
const INVERT: u32 = 2;
/// NLM_F_REPLACE
const REPLACE: u16 = 0x100;
/// RTNH_F_ONLINK: the router is on the link, whatever the addresses say.
const ON_LINK: u32 = 4;

const AF_INET: u8 = libc::AF_INET as u8;
const ARPHRD_ETHER: u16 = 1;
pub(super) const TABLE_MAIN: u8 = 254;
const PROTOCOL_STATIC: u8 = 4;
/// By this number, which nobody else has (`/etc/iproute2/rt_protos`), routes and rules of ours are known for ours after a
/// crash too.
const PROTOCOL_OURS: u8 = 80;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const TYPE_UNICAST: u8 = 1;

/// The kernel's routing configuration.
pub(super) struct Rtnetlink(pub(super) NetlinkSocket);

/// One IPv4 route of the main table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) destination: Ipv4Addr,
    pub(super) prefix: u8,
    pub(super) gateway: Option<Ipv4Addr>,
    pub(super) interface: u32,
    pub(super) metric: u32,
}

impl Rtnetlink {
    pub(super) fn open() -> Result<Self> {
        NetlinkSocket::open(libc::NETLINK_ROUTE).map(Self)
    }

    pub(super) fn interfaces(&mut self) -> Result<Vec<Interface>> {
        let mut found = Vec::new();
        self.0.dump("list the interfaces", GETLINK, &ifinfomsg(0, 0, 0), |kind, body| {
            if kind == NEWLINK {
                found.extend(parse_link(body));
            }
        })?;
        self.0.dump("list the addresses", GETADDR, &ifaddrmsg(0, 0), |kind, body| {
            if kind != NEWADDR {
                return;
            }
            let Some((index, address)) = parse_address(body) else { return };
            if let Some(interface) = found.iter_mut().find(|i| i.index == index) {
                interface.v4.push(address);
            }
        })?;
        Ok(found)
    }

    /// The IPv4 routes of the main table.
    pub(super) fn routes(&mut self) -> Result<Vec<Route>> {
        let mut found = Vec::new();
        self.0.dump("list the routes", GETROUTE, &rtmsg(0, SCOPE_UNIVERSE), |kind, body| {
            if kind == NEWROUTE {
                found.extend(
                    parse_route(body).filter(|(table, ..)| *table == u32::from(TABLE_MAIN)).map(|found| found.2),
                );
            }
        })?;
        Ok(found)
    }

    /// The numbers of interfaces that are up and whose link works.
    pub(super) fn working(&mut self) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        let works = (libc::IFF_UP | libc::IFF_RUNNING) as u32;
        self.0.dump("list the interfaces", GETLINK, &ifinfomsg(0, 0, 0), |kind, body| {
            let number_at = |at: usize| number(body.get(at..)?);
            if kind == NEWLINK && number_at(8).is_some_and(|flags| flags & works == works) {
                found.extend(number_at(4));
            }
        })?;
        Ok(found)
    }

    pub(super) fn set_up(&mut self, name: &str, index: u32, up: bool) -> Result<()> {
        let flags = if up { libc::IFF_UP as u32 } else { 0 };
        let doing = format!("bring {name} {}", if up { "up" } else { "down" });
        let message = Message::new(NEWLINK, ACK, &ifinfomsg(index, flags, libc::IFF_UP as u32));
        self.0.request(&doing, message)
    }

    /// Sets MTU and the length of the transmit queue, in packets.
    pub(super) fn set_sizes(&mut self, name: &str, index: u32, mtu: u32, queue: u32) -> Result<()> {
        let message = Message::new(NEWLINK, ACK, &ifinfomsg(index, 0, 0)).u32(IFLA_MTU, mtu).u32(IFLA_TXQLEN, queue);
        self.0.request(&format!("set the MTU of {name} to {mtu}"), message)
    }

    pub(super) fn add_address(&mut self, name: &str, index: u32, address: Ipv4Addr, prefix: u8) -> Result<()> {
        self.0.request(
            &format!("add the address {address}/{prefix} to {name}"),
            address_message(NEWADDR, ACK | CREATE | EXCL, index, address, prefix),
        )
    }

    pub(super) fn delete_address(&mut self, name: &str, index: u32, address: Ipv4Addr, prefix: u8) -> Result<()> {
        self.0.request(
            &format!("remove the address {address}/{prefix} from {name}"),
            address_message(DELADDR, ACK, index, address, prefix),
        )
    }

    pub(super) fn add_route(&mut self, route: &Route) -> Result<()> {
        self.0.request(&format!("add {}", describe(route)), route_message(NEWROUTE, ACK | CREATE | EXCL, route))
    }

    pub(super) fn delete_route(&mut self, route: &Route) -> Result<()> {
        self.0.request(&format!("remove {}", describe(route)), route_message(DELROUTE, ACK, route))
    }

    /// The routes of tables of our own.
    pub(super) fn own_routes(&mut self) -> Result<Vec<(u32, Route)>> {
        let mut found = Vec::new();
        self.0.dump("list the routes", GETROUTE, &rtmsg(0, SCOPE_UNIVERSE), |kind, body| {
            if kind == NEWROUTE {
                let own = parse_route(body)
                    .filter(|(table, protocol, _)| *protocol == PROTOCOL_OURS && *table != u32::from(TABLE_MAIN));
                found.extend(own.map(|(table, _, route)| (table, route)));
            }
        })?;
        Ok(found)
    }

    /// Puts a route into a table of our own, in place of one to the same destination.
    pub(super) fn set_own_route(&mut self, table: u32, route: &Route) -> Result<()> {
        let doing = format!("set {} of an uplink", describe(route));
        self.0.request(&doing, own_route_message(NEWROUTE, ACK | CREATE | REPLACE, table, route))
    }

    pub(super) fn delete_own_route(&mut self, table: u32, route: &Route) -> Result<()> {
        let doing = format!("remove {} of an uplink", describe(route));
        self.0.request(&doing, own_route_message(DELROUTE, ACK, table, route))
    }

    /// The routing rules that are ours.
    pub(super) fn own_rules(&mut self) -> Result<Vec<Rule>> {
        let mut found = Vec::new();
        self.0.dump("list the routing rules", GETRULE, &fib_rule_header(false, 0), |kind, body| {
            if kind == NEWRULE {
                found.extend(parse_own_rule(body));
            }
        })?;
        Ok(found)
    }

    pub(super) fn add_rule(&mut self, rule: &Rule) -> Result<()> {
        self.0.request("add a routing rule", rule_message(NEWRULE, ACK | CREATE | EXCL, rule)).map_err(|e| {
            match e.errno() {
                Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT) => e.hint("the kernel needs IP_MULTIPLE_TABLES"),
                _ => e,
            }
        })
    }

    pub(super) fn delete_rule(&mut self, rule: &Rule) -> Result<()> {
        self.0.request("remove a routing rule", rule_message(DELRULE, ACK, rule))
    }

    /// Makes two interfaces joined by a cable, one of them in another network namespace, each with its own
    /// Ethernet address if one is given.
    pub(super) fn add_veth(
        &mut self,
        here: (&str, Option<MacAddr>),
        there: (&str, Option<MacAddr>),
        there_in: BorrowedFd<'_>,
    ) -> Result<()> {
        let mac = |message: Message, mac: Option<MacAddr>| match mac {
            Some(mac) => message.attr(IFLA_ADDRESS, &mac.0),
            None => message,
        };
        let message = Message::new(NEWLINK, ACK | CREATE | EXCL, &ifinfomsg(0, 0, 0)).text(IFLA_IFNAME, here.0);
        let message = mac(message, here.1).nest(IFLA_LINKINFO, |m| {
            m.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, |m| {
                m.nest(VETH_INFO_PEER, |m| {
                    let peer = m.raw(&ifinfomsg(0, 0, 0)).text(IFLA_IFNAME, there.0);
                    mac(peer, there.1).u32(IFLA_NET_NS_FD, there_in.as_raw_fd() as u32)
                })
            })
        });
        self.0.request(&format!("make the interfaces {} and {}", here.0, there.0), message)
    }

    /// Makes the interface of a VLAN of the interface with the number `trunk`, down.
    pub(super) fn add_vlan(&mut self, name: &str, trunk: u32, vlan: u16) -> Result<()> {
        let message = Message::new(NEWLINK, ACK | CREATE | EXCL, &ifinfomsg(0, 0, 0))
            .text(IFLA_IFNAME, name)
            .u32(IFLA_LINK, trunk)
            .nest(IFLA_LINKINFO, |m| {
                let id = |m: Message| m.attr(IFLA_VLAN_ID, &vlan.to_ne_bytes());
                m.text(IFLA_INFO_KIND, "vlan").nest(IFLA_INFO_DATA, id)
            });
        self.0.request(&format!("make the VLAN interface {name}"), message)
    }

    pub(super) fn delete_link(&mut self, name: &str, index: u32) -> Result<()> {
        self.0.request(&format!("remove the interface {name}"), Message::new(DELLINK, ACK, &ifinfomsg(index, 0, 0)))
    }
}

/// A routing rule of ours: which packets look into which table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Smaller ones come first.
    pub(super) priority: u32,
    pub(super) which: Which,
    pub(super) table: u32,
    /// The table's default routes do not count.
    pub(super) but_default: bool,
}

/// Packets that a [`Rule`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The machine's own.
    Own,
    /// Those of them that come from this address.
    OwnFrom(Ipv4Addr),
    /// With this mark, as far as the mask goes.
    Marked { mark: u32, mask: u32 },
    /// With any mark within the mask.
    AnyMark { mask: u32 },
}

fn describe(route: &Route) -> String {
    let Route { destination, prefix, gateway, .. } = route;
    match gateway {
        Some(gateway) => format!("the route to {destination}/{prefix} by {gateway}"),
        None => format!("the route to {destination}/{prefix}"),
    }
}

fn address_message(kind: u16, flags: u16, index: u32, address: Ipv4Addr, prefix: u8) -> Message {
    let octets = address.octets();
    Message::new(kind, flags, &ifaddrmsg(index, prefix)).attr(IFA_LOCAL, &octets).attr(IFA_ADDRESS, &octets)
}

fn route_message(kind: u16, flags: u16, route: &Route) -> Message {
    let scope = if route.gateway.is_some() { SCOPE_UNIVERSE } else { SCOPE_LINK };
    let mut message = Message::new(kind, flags, &rtmsg(route.prefix, scope));
    if route.prefix > 0 {
        message = message.attr(RTA_DST, &route.destination.octets());
    }
    if let Some(gateway) = route.gateway {
        message = message.attr(RTA_GATEWAY, &gateway.octets());
    }
    if route.metric > 0 {
        message = message.u32(RTA_PRIORITY, route.metric);
    }
    message.u32(RTA_OIF, route.interface)
}

fn own_route_message(kind: u16, flags: u16, table: u32, route: &Route) -> Message {
    let scope = if route.gateway.is_some() { SCOPE_UNIVERSE } else { SCOPE_LINK };
    let mut header = rtmsg(route.prefix, scope);
    (header[4], header[5]) = (0, PROTOCOL_OURS);
    let mut message = Message::new(kind, flags, &header);
    if let Some(gateway) = route.gateway {
        header[8..].copy_from_slice(&ON_LINK.to_ne_bytes());
        message = Message::new(kind, flags, &header).attr(RTA_GATEWAY, &gateway.octets());
    }
    message.u32(RTA_TABLE, table).u32(RTA_OIF, route.interface)
}

fn rule_message(kind: u16, flags: u16, rule: &Rule) -> Message {
    let Rule { priority, which, table, but_default } = rule;
    let invert = matches!(which, Which::AnyMark { .. });
    let source_bits = if matches!(which, Which::OwnFrom(_)) { 32 } else { 0 };
    let message = Message::new(kind, flags, &fib_rule_header(invert, source_bits));
    let message = match which {
        Which::Own => message.text(FRA_IIFNAME, "lo"),
        Which::OwnFrom(address) => message.text(FRA_IIFNAME, "lo").attr(FRA_SRC, &address.octets()),
        Which::Marked { mark, mask } => message.u32(FRA_FWMARK, *mark).u32(FRA_FWMASK, *mask),
        Which::AnyMark { mask } => message.u32(FRA_FWMARK, 0).u32(FRA_FWMASK, *mask),
    };
    let message = message.u32(FRA_PRIORITY, *priority).u32(FRA_TABLE, *table);
    let message = if *but_default { message.u32(FRA_SUPPRESS_PREFIXLEN, 0) } else { message };
    message.attr(FRA_PROTOCOL, &[PROTOCOL_OURS])
}

/// A rule that is ours, whatever it says: one that we would not make is read as something that no plan has.
fn parse_own_rule(body: &[u8]) -> Option<Rule> {
    let header = body.get(..12)?;
    let find = |wanted| attrs(&body[12..]).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    if header[0] != AF_INET || find(FRA_PROTOCOL)?.first() != Some(&PROTOCOL_OURS) {
        return None;
    }
    let number_of = |wanted| find(wanted).and_then(number);
    let mask = number_of(FRA_FWMASK).unwrap_or(0);
    let which = match (find(FRA_IIFNAME), find(FRA_SRC).and_then(ipv4)) {
        (Some(_), Some(address)) => Which::OwnFrom(address),
        (Some(_), None) => Which::Own,
        (None, _) if number(&header[8..])? & INVERT != 0 => Which::AnyMark { mask },
        (None, _) => Which::Marked { mark: number_of(FRA_FWMARK).unwrap_or(0), mask },
    };
    let but_default = number_of(FRA_SUPPRESS_PREFIXLEN) == Some(0);
    Some(Rule { priority: number_of(FRA_PRIORITY)?, which, table: number_of(FRA_TABLE)?, but_default })
}

/// `struct fib_rule_hdr`
fn fib_rule_header(invert: bool, source_bits: u8) -> [u8; 12] {
    let mut bytes = [AF_INET, 0, source_bits, 0, 0, 0, 0, ACTION_TO_TABLE, 0, 0, 0, 0];
    bytes[8..].copy_from_slice(&(if invert { INVERT } else { 0 }).to_ne_bytes());
    bytes
}

/// `struct ifinfomsg`
pub(super) fn ifinfomsg(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..].copy_from_slice(&change.to_ne_bytes());
    bytes
}

/// `struct ifaddrmsg`
fn ifaddrmsg(index: u32, prefix: u8) -> [u8; 8] {
    let mut bytes = [AF_INET, prefix, 0, SCOPE_UNIVERSE, 0, 0, 0, 0];
    bytes[4..].copy_from_slice(&index.to_ne_bytes());
    bytes
}

/// `struct rtmsg`
fn rtmsg(prefix: u8, scope: u8) -> [u8; 12] {
    [AF_INET, prefix, 0, 0, TABLE_MAIN, PROTOCOL_STATIC, scope, TYPE_UNICAST, 0, 0, 0, 0]
}

fn parse_link(body: &[u8]) -> Option<Interface> {
    let header = body.get(..16)?;
    let flags = number(&header[8..12])? as libc::c_int;
    let mut interface = Interface {
        name: String::new(),
        index: number(&header[4..8])?,
        mac: MacAddr::ZERO,
        mtu: 0,
        up: flags & libc::IFF_UP != 0,
        loopback: flags & libc::IFF_LOOPBACK != 0,
        ethernet: u16::from_ne_bytes([header[2], header[3]]) == ARPHRD_ETHER,
        master: None,
        lower: None,
        v4: Vec::new(),
    };
    let mut is_elsewhere = false;
    for (kind, value) in attrs(&body[16..]) {
        match kind {
            IFLA_LINK => interface.lower = number(value).filter(|lower| *lower != interface.index),
            IFLA_LINK_NETNSID => is_elsewhere = true,
            // The other end of a pair is no trunk.
            IFLA_LINKINFO => {
                is_elsewhere |= attrs(value).any(|(kind, of)| kind == IFLA_INFO_KIND && of.starts_with(b"veth"))
            }
            IFLA_IFNAME => interface.name = text(value)?,
            IFLA_MTU => interface.mtu = number(value)?,
            IFLA_MASTER => interface.master = number(value),
            IFLA_ADDRESS => interface.mac = value.try_into().map_or(MacAddr::ZERO, MacAddr),
            _ => {}
        }
    }
    interface.lower = interface.lower.filter(|lower| *lower != 0 && !is_elsewhere);
    Some(interface)
}

fn parse_address(body: &[u8]) -> Option<(u32, (Ipv4Addr, u8))> {
    let header = body.get(..8)?;
    if header[0] != AF_INET {
        return None;
    }
    let address = attrs(&body[8..]).find(|(kind, _)| *kind == IFA_LOCAL)?.1;
    Some((number(&header[4..])?, (ipv4(address)?, header[1])))
}

/// Table, protocol and what the route is.
fn parse_route(body: &[u8]) -> Option<(u32, u8, Route)> {
    let header = body.get(..12)?;
    if header[0] != AF_INET || header[7] != TYPE_UNICAST {
        return None;
    }
    let mut table = u32::from(header[4]);
    let mut route =
        Route { destination: Ipv4Addr::UNSPECIFIED, prefix: header[1], gateway: None, interface: 0, metric: 0 };
    for (kind, value) in attrs(&body[12..]) {
        match kind {
            RTA_DST => route.destination = ipv4(value)?,
            RTA_GATEWAY => route.gateway = ipv4(value),
            RTA_OIF => route.interface = number(value)?,
            RTA_PRIORITY => route.metric = number(value)?,
            RTA_TABLE => table = number(value)?,
            _ => {}
        }
    }
    Some((table, header[5], route))
}

/// Reads a message's body as everything that it could be.
#[cfg(fuzzing)]
pub(crate) fn read_anything(body: &[u8]) {
    let _ = (super::ports::parse(body), parse_link(body), parse_address(body), parse_route(body), parse_own_rule(body));
}

pub(super) fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

fn ipv4(value: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?))
}

pub(super) fn text(value: &[u8]) -> Option<String> {
    Some(std::str::from_utf8(value).ok()?.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::messages;

    fn body(message: Message) -> Vec<u8> {
        let bytes = message.finish(1);
        messages(&bytes).next().unwrap().body.to_vec()
    }

    #[test]
    fn a_route_survives_writing_and_reading() {
        let default = Route {
            destination: Ipv4Addr::UNSPECIFIED,
            prefix: 0,
            gateway: Some(Ipv4Addr::new(192, 0, 2, 1)),
            interface: 3,
            metric: 0,
        };
        let to_gateway =
            Route { destination: Ipv4Addr::new(192, 0, 2, 1), prefix: 32, gateway: None, metric: 7, ..default.clone() };
        for route in [default, to_gateway] {
            let bytes = body(route_message(NEWROUTE, 0, &route));
            assert_eq!(parse_route(&bytes), Some((u32::from(TABLE_MAIN), PROTOCOL_STATIC, route.clone())));
            let own = body(own_route_message(NEWROUTE, 0, 7000, &Route { prefix: 0, ..route }));
            assert_eq!(parse_route(&own).map(|(table, protocol, _)| (table, protocol)), Some((7000, PROTOCOL_OURS)));
            for cut in 0..bytes.len() {
                let _ = parse_route(&bytes[..cut]);
            }
        }
    }

    #[test]
    fn a_rule_survives_writing_and_reading_and_one_of_somebody_else_is_not_ours() {
        let mask = 0x0f00_0000;
        let which = [
            Which::Own,
            Which::OwnFrom(Ipv4Addr::new(192, 0, 2, 7)),
            Which::Marked { mark: 0x0100_0000, mask },
            Which::AnyMark { mask },
        ];
        for (which, but_default) in which.into_iter().zip([true, false, false, true]) {
            let rule = Rule { priority: 30_000, which, table: 7_000_000, but_default };
            let bytes = body(rule_message(NEWRULE, 0, &rule));
            assert_eq!(parse_own_rule(&bytes), Some(rule));
            for cut in 0..bytes.len() {
                let _ = parse_own_rule(&bytes[..cut]);
            }
            let mut foreign = bytes;
            let at = foreign.len() - 4;
            foreign[at] = PROTOCOL_STATIC;
            assert_eq!(parse_own_rule(&foreign), None);
        }
    }

    #[test]
    fn an_address_survives_writing_and_reading() {
        let address = Ipv4Addr::new(10, 1, 0, 1);
        let bytes = body(address_message(NEWADDR, 0, 5, address, 16));
        assert_eq!(parse_address(&bytes), Some((5, (address, 16))));
        for cut in 0..bytes.len() {
            let _ = parse_address(&bytes[..cut]);
        }
    }

    #[test]
    fn a_link_is_read() {
        let mut header = ifinfomsg(4, libc::IFF_UP as u32, 0);
        header[2] = 1;
        let message = Message::new(NEWLINK, 0, &header)
            .text(IFLA_IFNAME, "eth1")
            .u32(IFLA_MTU, 1500)
            .attr(1, &[2, 0, 0, 0, 0, 9]);
        let bytes = body(message);
        let link = parse_link(&bytes).unwrap();
        assert_eq!((link.name.as_str(), link.index, link.mtu, link.up), ("eth1", 4, 1500, true));
        assert_eq!(link.mac, MacAddr([2, 0, 0, 0, 0, 9]));
        assert!(link.ethernet && !link.loopback && link.master.is_none());
        for cut in 0..bytes.len() {
            let _ = parse_link(&bytes[..cut]);
        }
    }
}
