//! Links, addresses and routes (`man 7 rtnetlink`).

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use wire::MacAddr;

use super::nlsock::NetlinkSocket;
use crate::netlink::{ACK, CREATE, EXCL, Message, attrs};
use crate::{Interface, Result};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const GETADDR: u16 = 22;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
const IFLA_LINKINFO: u16 = 18;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const VETH_INFO_PEER: u16 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_TABLE: u16 = 15;

const AF_INET: u8 = libc::AF_INET as u8;
const ARPHRD_ETHER: u16 = 1;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_STATIC: u8 = 4;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const TYPE_UNICAST: u8 = 1;

/// The kernel's routing configuration.
pub(super) struct Rtnetlink(NetlinkSocket);

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
                found.extend(parse_route(body));
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

/// `struct ifinfomsg`
fn ifinfomsg(index: u32, flags: u32, change: u32) -> [u8; 16] {
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

fn parse_route(body: &[u8]) -> Option<Route> {
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
    (table == u32::from(TABLE_MAIN)).then_some(route)
}

/// Reads a message's body as everything that it could be.
#[cfg(fuzzing)]
pub(crate) fn read_anything(body: &[u8]) {
    let _ = (parse_link(body), parse_address(body), parse_route(body));
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

fn ipv4(value: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?))
}

fn text(value: &[u8]) -> Option<String> {
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
            assert_eq!(parse_route(&bytes), Some(route));
            for cut in 0..bytes.len() {
                let _ = parse_route(&bytes[..cut]);
            }
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
