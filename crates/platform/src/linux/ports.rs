//! Several interfaces with one guests' network, in English:
//!
//! * They are the ports of a bridge of ours, which is the LAN for everything else: lock, packet socket, programs. It is down
//!   and empty when it is locked; only then its ports come.
//! * No port forwards to another one (they are isolated), so guests of two ports are as far from each other as guests of two
//!   access points. A port is isolated before it is up, or before its bridge is; a kernel that cannot do it is refused.
//! * What a port takes for itself and not for the bridge is dropped (`rules::lock`). An interface of a VLAN takes its frames
//!   before the bridge: there must be none on a port.
//! * The bridge speaks no protocol of its own: no spanning tree, no IGMP. Its address is that of the first port.
//! * A bridge is known for ours by its alias: the next life goes on with it, or removes it. Its end releases the ports.
//! * A port that vanishes cuts off its guests alone; it is taken back when it returns ([`Keeper`]).

use wire::MacAddr;

use super::rtnetlink::{
    GETLINK, IFLA_ADDRESS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER, NEWLINK, Rtnetlink,
    ifinfomsg, number, text,
};
use super::sysctl::Switch;
use super::{Change, Host};
use crate::netlink::{ACK, CREATE, EXCL, Message, attrs};
use crate::{Bridge, Error, Interface, Mended, Result, System, check_lan};

const IFLA_IFALIAS: u16 = 20;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BR_MCAST_SNOOPING: u16 = 23;
const IFLA_BR_FDB_MAX_LEARNED: u16 = 49;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_PHYS_SWITCH_ID: u16 = 36;
const KIND: &str = "bridge";

/// By this alias a bridge is known for ours.
const ALIAS: &str = "guests' interfaces of poblano";
/// Stations that a bridge learns (Linux 6.8): as many as the session table has without being asked. What is sent to others goes
/// to all ports. Before that, only their age bounds them, 300 seconds.
const MAX_STATIONS: u32 = 65_536;

/// An interface, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) index: u32,
    up: bool,
    pub(super) master: Option<u32>,
    /// A bridge of ours.
    pub(super) ours: bool,
    pub(super) is_bridge: bool,
    isolated: bool,
    /// The switch that forwards between it and others by itself (switchdev, DSA).
    switch: Option<Vec<u8>>,
}

impl Rtnetlink {
    pub(super) fn links(&mut self) -> Result<Vec<Link>> {
        let mut found = Vec::new();
        self.0.dump("list the interfaces", GETLINK, &ifinfomsg(0, 0, 0), |kind, body| {
            if kind == NEWLINK {
                found.extend(parse(body));
            }
        })?;
        Ok(found)
    }

    /// Makes a bridge of ours, down.
    pub(super) fn add_bridge(&mut self, name: &str, mac: MacAddr) -> Result<()> {
        let message = Message::new(NEWLINK, ACK | CREATE | EXCL, &ifinfomsg(0, 0, 0))
            .text(IFLA_IFNAME, name)
            .attr(IFLA_ADDRESS, &mac.0)
            .nest(IFLA_LINKINFO, |m| {
                m.text(IFLA_INFO_KIND, KIND).nest(IFLA_INFO_DATA, |m| {
                    m.u32(IFLA_BR_STP_STATE, 0)
                        .attr(IFLA_BR_MCAST_SNOOPING, &[0])
                        .u32(IFLA_BR_FDB_MAX_LEARNED, MAX_STATIONS)
                })
            });
        self.0.request(&format!("make the bridge {name}"), message).map_err(|e| match e.errno() {
            Some(libc::EOPNOTSUPP) => e.hint("the kernel needs bridges (the module bridge)"),
            _ => e,
        })?;
        let message = Message::new(NEWLINK, ACK, &ifinfomsg(0, 0, 0)).text(IFLA_IFNAME, name).text(IFLA_IFALIAS, ALIAS);
        self.0.request(&format!("name the bridge {name}"), message)
    }

    /// Makes an interface a port of a bridge that cannot forward to another port, if it is none.
    pub(super) fn join(&mut self, bridge: &str, port: &str) -> Result<()> {
        let (bridge, port) = (self.link(bridge)?, self.link(port)?);
        if port.master != Some(bridge.index) {
            // What is down forwards nothing yet.
            if port.up && bridge.up {
                self.set_up(&port.name, port.index, false)?;
            }
            let doing = format!("put {} into the bridge {}", port.name, bridge.name);
            let message = Message::new(NEWLINK, ACK, &ifinfomsg(port.index, 0, 0)).u32(IFLA_MASTER, bridge.index);
            self.0.request(&doing, message).map_err(|e| match e.errno() {
                Some(libc::EOPNOTSUPP) => e.hint("a wireless interface must be an access point's, not a client's"),
                _ => e,
            })?;
        }
        if !self.link(&port.name)?.isolated {
            let message = Message::new(NEWLINK, ACK, &ifinfomsg(port.index, 0, 0)).nest(IFLA_LINKINFO, |m| {
                m.text(IFLA_INFO_SLAVE_KIND, KIND).nest(IFLA_INFO_SLAVE_DATA, |m| m.attr(IFLA_BRPORT_ISOLATED, &[1]))
            });
            self.0.request(&format!("isolate {}", port.name), message)?;
        }
        // An older kernel passes over what it does not know.
        if !self.link(&port.name)?.isolated {
            return Err(Error::refused(format!("isolate {}", port.name), "the kernel cannot keep ports apart")
                .hint("use Linux 4.18 or later, or name one interface in lan.interface"));
        }
        if port.up { self.set_up(&port.name, port.index, true) } else { Ok(()) }
    }

    /// Takes a port out of its bridge.
    pub(super) fn release(&mut self, port: &Link) -> Result<()> {
        let doing = format!("take {} out of its bridge", port.name);
        self.0.request(&doing, Message::new(NEWLINK, ACK, &ifinfomsg(port.index, 0, 0)).u32(IFLA_MASTER, 0))
    }

    fn link(&mut self, name: &str) -> Result<Link> {
        let found = self.links()?.into_iter().find(|link| link.name == name);
        found.ok_or_else(|| Error::refused(format!("find the interface {name}"), "it has gone"))
    }
}

impl Host {
    /// The ports of all bridges.
    pub(super) fn ports(&self) -> Vec<String> {
        self.bridges.iter().flat_map(|bridge| bridge.ports.iter().cloned()).collect()
    }

    /// All interfaces that guests come by.
    pub(super) fn closed(&self) -> Vec<String> {
        [&self.lans[..], &self.ports()[..]].concat()
    }

    /// A bridge as it will be.
    pub(super) fn bridge(&self, bridge: &Bridge) -> Result<Interface> {
        let (all, links, route) = (self.interfaces()?, Rtnetlink::open()?.links()?, self.default_route()?);
        let ours = links.iter().any(|link| link.name == bridge.name && link.ours);
        // Of a former life one may have vanished: the others go on without it, as they did.
        let is_there = |port: &&String| {
            !ours || links.iter().any(|link| link.name == **port) || matches!(self.trunk(port), Ok(Some(_)))
        };
        let ports = bridge.ports.iter().filter(is_there).map(|port| self.one_lan(port)).collect::<Result<Vec<_>>>()?;
        for port in &ports {
            check_lan(port, route.as_ref())?;
            if links.iter().any(|link| link.index == port.index && link.is_bridge) {
                let what = format!("use {} beside other guests' interfaces", port.name);
                return Err(Error::refused(what, "it is a bridge itself, and bridges are not nested")
                    .hint("name the interfaces that are in it, and take them out of it"));
            }
            let above = all.iter().find(|above| above.lower == Some(port.index) && port.index != 0);
            if let Some(above) = above {
                let what = format!("use {} beside other guests' interfaces", port.name);
                return Err(Error::refused(what, format!("{} takes frames of it for itself", above.name)).hint(
                    format!("remove that with: ip link del {}; or name VLANs in place of {}", above.name, port.name),
                ));
            }
        }
        // Before Linux 5.19 (c3976a3f8445) nobody told a switch of isolation: it forwarded between its ports all the same, and
        // the kernel said that it does not. Since then a switch that cannot do it is refused as a port is isolated.
        if !tells_switches() {
            let switch = |port: &Interface| {
                links.iter().find(|link| link.index == port.index && port.index != 0)?.switch.clone()
            };
            for (n, port) in ports.iter().enumerate() {
                if let Some(other) =
                    ports[..n].iter().find(|other| switch(port).is_some() && switch(other) == switch(port))
                {
                    let what = format!("have guests on {} and {}", other.name, port.name);
                    return Err(Error::refused(
                        what,
                        "they are ports of one switch, which this kernel cannot tell to keep apart",
                    )
                    .hint("use Linux 5.19 or later, or give each a zone"));
                }
            }
        }
        let name = bridge.name.clone();
        if let Some(found) = all.into_iter().find(|found| found.name == name) {
            return if ours {
                Ok(found)
            } else {
                Err(Error::refused(format!("make the bridge {name}"), "there is an interface of that name")
                    .hint(format!("it is not ours; rename or remove it: ip link del {name}")))
            };
        }
        let mtu = ports.iter().map(|port| port.mtu).min().unwrap_or_default();
        let mac = ports.first().map_or(MacAddr::ZERO, |port| port.mac);
        Ok(Interface {
            name,
            index: 0,
            mac,
            mtu,
            up: false,
            loopback: false,
            ethernet: true,
            master: None,
            lower: None,
            v4: Vec::new(),
        })
    }

    /// Makes bridges that are not there, without ports.
    pub(super) fn make_bridges(&mut self) -> Result<()> {
        for bridge in self.bridges.clone() {
            let planned = self.bridge(&bridge)?;
            // Before its lock, to be taken back after it.
            self.undo.push(Change::Bridge { name: bridge.name });
            if planned.index == 0 {
                Rtnetlink::open()?.add_bridge(&planned.name, planned.mac)?;
            }
        }
        Ok(())
    }

    /// Puts into bridges what is locked, and removes those of a former life that nobody goes on with.
    pub(super) fn fill_bridges(&self) -> Result<()> {
        let mut rtnetlink = Rtnetlink::open()?;
        for bridge in &self.bridges {
            let links = rtnetlink.links()?;
            let present = bridge.ports.iter().filter(|port| links.iter().any(|link| link.name == **port));
            present.into_iter().try_for_each(|port| rtnetlink.join(&bridge.name, port))?;
            // Of a former life, which had more of them.
            let links = rtnetlink.links()?;
            let index = links.iter().find(|link| link.name == bridge.name).map(|link| link.index);
            for other in links.iter().filter(|link| link.master.is_some() && link.master == index) {
                if !bridge.ports.contains(&other.name) {
                    rtnetlink.release(other)?;
                }
            }
        }
        let former = rtnetlink.links()?.into_iter().filter(|link| link.ours);
        for former in former.filter(|former| self.bridges.iter().all(|bridge| bridge.name != former.name)) {
            rtnetlink.delete_link(&former.name, former.index)?;
        }
        Ok(())
    }
}

/// Whether the kernel tells switches which ports are isolated.
fn tells_switches() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(5), Some(19))
}

/// What the kernel must be told of a guests' interface, or a port of one, before it is up: it takes nothing there.
pub(super) fn closed(interface: &str) -> [(Switch, &'static str); 3] {
    [(Switch::source_check(interface), "1"), (Switch::forwarding(interface), "0"), (Switch::no_ipv6(interface), "1")]
}

/// Looks after the ports while we run.
#[derive(Default)]
pub(super) struct Keeper {
    bridges: Vec<Bridge>,
    /// Those that were told of as gone.
    gone: Vec<String>,
    /// As they were when we looked last.
    covered: Vec<String>,
}

/// How the ports are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ports {
    /// All that there are.
    pub(super) present: Vec<String>,
    /// Those of them on which another interface is, which takes frames before the bridge: a VLAN's.
    pub(super) covered: Vec<String>,
    /// Those of them that are in no bridge, or not in theirs: bridge, port and its number.
    pub(super) apart: Vec<(String, String, u32)>,
}

impl Keeper {
    pub(super) fn new(bridges: Vec<Bridge>) -> Self {
        Self { bridges, gone: Vec::new(), covered: Vec::new() }
    }

    pub(super) fn look(&self) -> Result<Ports> {
        let mut ports = Ports::default();
        if self.bridges.is_empty() {
            return Ok(ports);
        }
        let mut rtnetlink = Rtnetlink::open()?;
        let (links, all) = (rtnetlink.links()?, rtnetlink.interfaces()?);
        let called = |name: &str| links.iter().find(|link| link.name == name);
        for bridge in &self.bridges {
            let index = called(&bridge.name).map(|link| link.index);
            for port in &bridge.ports {
                let Some(link) = called(port) else { continue };
                ports.present.push(port.clone());
                if all.iter().any(|above| above.lower == Some(link.index)) {
                    ports.covered.push(port.clone());
                }
                if link.master != index || !link.isolated {
                    ports.apart.push((bridge.name.clone(), port.clone(), link.index));
                }
            }
        }
        Ok(ports)
    }

    /// Takes back those that have returned. To be called when they are locked.
    pub(super) fn keep(&mut self, ports: &Ports, tell: &mut dyn FnMut(Mended)) -> Result<()> {
        let named = self.bridges.iter().flat_map(|bridge| &bridge.ports);
        for port in named.filter(|port| !ports.present.contains(port)) {
            if !self.gone.contains(port) {
                self.gone.push(port.clone());
                tell(Mended::PortGone(port.clone()));
            }
        }
        for port in ports.covered.iter().filter(|port| !self.covered.contains(port)) {
            tell(Mended::PortCovered(port.clone()));
        }
        self.covered.clone_from(&ports.covered);
        let mut result = Ok(());
        for (bridge, port, _) in &ports.apart {
            match take(bridge, port) {
                Ok(()) => {
                    self.gone.retain(|gone| gone != port);
                    tell(Mended::PortBack(port.clone()));
                }
                Err(error) => result = Err(error),
            }
        }
        result
    }
}

fn take(bridge: &str, port: &str) -> Result<()> {
    closed(port).iter().try_for_each(|(switch, value)| switch.write(value))?;
    let mut rtnetlink = Rtnetlink::open()?;
    rtnetlink.join(bridge, port)?;
    let port = rtnetlink.link(port)?;
    if port.up { Ok(()) } else { rtnetlink.set_up(&port.name, port.index, true) }
}

pub(super) fn parse(body: &[u8]) -> Option<Link> {
    let header = body.get(..16)?;
    let flags = number(&header[8..12])? as libc::c_int;
    let mut link = Link {
        name: String::new(),
        index: number(&header[4..8])?,
        up: flags & libc::IFF_UP != 0,
        master: None,
        ours: false,
        is_bridge: false,
        isolated: false,
        switch: None,
    };
    let mut alias = None;
    for (kind, value) in attrs(&body[16..]) {
        match kind {
            IFLA_IFNAME => link.name = text(value)?,
            IFLA_MASTER => link.master = number(value),
            IFLA_IFALIAS => alias = text(value),
            IFLA_PHYS_SWITCH_ID => link.switch = Some(value.to_vec()),
            IFLA_LINKINFO => {
                for (kind, value) in attrs(value) {
                    match kind {
                        IFLA_INFO_KIND => link.is_bridge = text(value).as_deref() == Some(KIND),
                        IFLA_INFO_SLAVE_DATA => {
                            link.isolated = attrs(value)
                                .any(|(kind, value)| kind == IFLA_BRPORT_ISOLATED && value.first() == Some(&1));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    link.ours = link.is_bridge && alias.as_deref() == Some(ALIAS);
    Some(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::messages;

    #[test]
    fn a_bridge_is_ours_by_its_alias_and_a_port_isolated_only_if_the_kernel_says_so() {
        let read = |fill: &dyn Fn(Message) -> Message| {
            let message = Message::new(NEWLINK, 0, &ifinfomsg(7, 0, 0)).text(IFLA_IFNAME, "br0").u32(IFLA_MASTER, 3);
            let bytes = fill(message).finish(1);
            let body = messages(&bytes).next().unwrap().body.to_vec();
            for cut in 0..body.len() {
                let _ = parse(&body[..cut]);
            }
            let link = parse(&body).unwrap();
            assert_eq!((link.name.as_str(), link.index, link.master), ("br0", 7, Some(3)));
            (link.ours, link.isolated)
        };
        let bridge = |m: Message| m.nest(IFLA_LINKINFO, |m| m.text(IFLA_INFO_KIND, KIND));
        let port = |m: Message, isolated: u8| {
            m.nest(IFLA_LINKINFO, |m| {
                m.text(IFLA_INFO_KIND, "veth")
                    .text(IFLA_INFO_SLAVE_KIND, KIND)
                    .nest(IFLA_INFO_SLAVE_DATA, |m| m.attr(IFLA_BRPORT_ISOLATED, &[isolated]))
            })
        };
        assert_eq!(read(&|m| bridge(m.text(IFLA_IFALIAS, ALIAS))), (true, false));
        assert_eq!(read(&|m| bridge(m.text(IFLA_IFALIAS, "the operator's"))), (false, false));
        assert_eq!(read(&bridge), (false, false));
        assert_eq!(read(&|m| port(m.text(IFLA_IFALIAS, ALIAS), 1)), (false, true));
        assert_eq!(read(&|m| port(m, 0)), (false, false));
    }
}
