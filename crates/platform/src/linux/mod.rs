//! Linux.

mod boot;
mod conntrack;
mod guard;
mod lan;
pub mod netns;
mod nft;
mod nlsock;
// What the kernel and we share must be 64-bit words that processors change in one step; the object is little-endian.
#[cfg_attr(all(target_pointer_width = "64", target_endian = "little"), path = "offload/mod.rs")]
#[cfg_attr(not(all(target_pointer_width = "64", target_endian = "little")), path = "../no_offload.rs")]
mod offload;
mod ports;
mod raw;
mod rtnetlink;
mod rules;
mod sys;
mod sysctl;
mod tap;
mod translations;
mod tun;
mod uplinks;

use std::io;
use std::net::Ipv4Addr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;

use fastpath::port::{LanPort, TunPort};

pub use self::boot::since_boot;
use self::nft::Family;
use self::nlsock::NetlinkSocket;
pub use self::offload::Offload;
use self::ports::Keeper;
#[cfg(fuzzing)]
pub(crate) use self::rtnetlink::read_anything;
use self::rtnetlink::{Route, Rtnetlink};
use self::rules::Way;
use self::sysctl::Switch;
use crate::netlink::Message;
use crate::{
    Bridge, DefaultRoute, Error, Flows, ForwardSpec, Guard, Interface, OffloadSpec, Result, System, Translations,
    TunMode, TunSpec, UndoErrors, UplinkSpec, Uplinks, UplinksSpec, Waker, check_lan, same_network,
};

/// Packets that wait in the TUN for us. The usual 500 are too few for a burst of small ones.
const TUN_QUEUE: u32 = 1000;
/// An abstract Unix socket. Like our firewall tables, there is one of the name in a network namespace.
const ONLY_ONE: &str = "poblano";

/// How the lock's memory says that a place for programs is ours: interfaces' names have neither colons nor spaces.
const PLACE: &str = "programs:";
/// The same of an interface that we have made for a VLAN.
const VLAN: &str = "vlan:";

/// The machine that we run on, in the network namespace of the calling thread. Dropping it undoes nothing.
#[derive(Default)]
pub struct Host {
    lans: Vec<String>,
    /// Those of them that are to consist of several.
    bridges: Vec<Bridge>,
    undo: Vec<Change>,
    /// Nobody else changes the machine while we live: a second one's undo would take our lock away.
    alone: Option<UnixDatagram>,
    /// The lock was there already: of a run that did not end cleanly.
    took_over: bool,
    /// What is forwarded.
    ways: Vec<Way>,
    /// Loaded, one for each LAN at most.
    offloads: Vec<Arc<Offload>>,
}

/// Something that [`System::undo`] takes back.
enum Change {
    /// The interface of a VLAN is ours.
    Vlan {
        lan: String,
    },
    /// A bridge is ours, and what is in it is released.
    Bridge {
        name: String,
    },
    Lock {
        lan: String,
    },
    Filter,
    /// The place for programs on this LAN is ours.
    Place {
        lan: String,
    },
    /// Programs on an interface.
    Offload {
        lan: String,
        index: u32,
    },
    /// A device that outlives us.
    Device {
        name: String,
        index: u32,
    },
    LinkUp {
        name: String,
        index: u32,
    },
    Switch {
        switch: Switch,
        former: String,
    },
    Address {
        name: String,
        index: u32,
        address: Ipv4Addr,
        prefix: u8,
    },
    Route(Route),
    /// What divides guests between uplinks.
    Uplinks,
}

impl Host {
    /// The machine, unchanged yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn be_alone(&mut self, lan: &str) -> Result<()> {
        if self.alone.is_some() {
            return Ok(());
        }
        let doing = || format!("lock {lan}");
        let bound = SocketAddr::from_abstract_name(ONLY_ONE).and_then(|name| UnixDatagram::bind_addr(&name));
        self.alone = Some(bound.map_err(|e| match e.kind() {
            io::ErrorKind::AddrInUse => Error::refused(doing(), "another gateway runs on this machine").hint(format!(
                "stop it, or run this one in a network namespace of its own; see: ss -xap src @{ONLY_ONE}"
            )),
            _ => Error::kernel(doing(), e),
        })?);
        Ok(())
    }

    /// Sets switches. Their former values are remembered before they change, in the table that outlives us: whoever takes
    /// over after our death restores the machine as it was before us.
    fn set(&mut self, switches: &[(Switch, &str)]) -> Result<()> {
        let mut changed = Vec::new();
        for (switch, value) in switches {
            match switch.read()? {
                Some(former) if former != *value => {
                    self.undo.push(Change::Switch { switch: switch.clone(), former });
                    changed.push((switch, value));
                }
                _ => {}
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.remember()?;
        changed.into_iter().try_for_each(|(switch, value)| switch.write(value))
    }

    fn remember(&self) -> Result<()> {
        firewall("remember the machine's settings", self.lock()?)
    }

    /// With the ports that there are: one may have gone.
    fn lock(&self) -> Result<Vec<Message>> {
        let ports = Keeper::new(self.bridges.clone()).look()?;
        Ok(rules::lock(&self.lans, &ports, &self.memory()))
    }

    fn memory(&self) -> Vec<String> {
        let words = self.undo.iter().filter_map(|change| match change {
            Change::Vlan { lan } => Some(format!("{VLAN}{lan}")),
            Change::Switch { switch, former } => Some(sysctl::remember(switch, former)),
            Change::Place { lan } => Some(format!("{PLACE}{lan}")),
            _ => None,
        });
        words.collect()
    }

    /// Takes over what a former life that ended without undo had to restore.
    fn recall(&mut self) -> Result<()> {
        let (kind, header) = nft::list_tables(Family::Netdev);
        let mut socket = NetlinkSocket::open(libc::NETLINK_NETFILTER)?;
        let mut found = false;
        socket.dump("list the firewall tables", kind, &header, |_, body| found |= nft::is_table(rules::TABLE, body))?;
        if !found {
            return Ok(());
        }
        self.took_over = true;
        let mut lines = Vec::new();
        let (_, list) = nft::RULES;
        let request = nft::list_of_table(list, Family::Netdev, rules::TABLE);
        socket.list("list the firewall rules", request, |_, body| {
            lines.extend(nft::parse_comment(rules::TABLE, body));
        })?;
        for word in lines.iter().flat_map(|line| line.split(' ')) {
            if let Some((switch, former)) = sysctl::recall(word) {
                self.undo.push(Change::Switch { switch, former });
            } else if let Some(lan) = word.strip_prefix(PLACE) {
                self.undo.push(Change::Place { lan: lan.to_owned() });
            } else if let Some(lan) = word.strip_prefix(VLAN) {
                // Before its lock, to be taken back after it.
                self.undo.insert(0, Change::Vlan { lan: lan.to_owned() });
            }
        }
        Ok(())
    }

    fn bring_up(&mut self, interface: &Interface) -> Result<()> {
        if !interface.up {
            Rtnetlink::open()?.set_up(&interface.name, interface.index, true)?;
            self.undo.push(Change::LinkUp { name: interface.name.clone(), index: interface.index });
        }
        Ok(())
    }

    /// Takes programs of a former life off the LANs of which `ends` says so.
    fn detach_former(&self, ends: impl Fn(&Interface) -> bool) -> Result<()> {
        for interface in self.interfaces()? {
            // On egress it is a TUN, which is removed as a whole.
            if ends(&interface) && !offload::is_on_egress(interface.index)? {
                offload::detach(&interface.name, interface.index)?;
            }
        }
        Ok(())
    }

    fn offload_of(&self, lan: &str) -> Option<&Arc<Offload>> {
        self.offloads.iter().find(|offload| offload.lan() == lan)
    }

    /// True if there is a TUN of a former life to go on with. One that is in this one's place is removed; others are
    /// until [`Self::end_former_tuns`].
    fn former_tun(&self, spec: &TunSpec) -> Result<bool> {
        let ours = self.offload_of(&spec.lan);
        let takes_over = ours.is_some_and(|offload| offload.took_over());
        let mut found = false;
        for former in self.interfaces()? {
            if !offload::is_on_egress(former.index)? {
                continue;
            }
            let fits = former.name == spec.name && former.v4 == [(spec.address, spec.prefix)];
            if takes_over && fits && spec.mode == TunMode::Tun {
                found = true;
            } else if former.name == spec.name
                || former
                    .v4
                    .iter()
                    .any(|(address, prefix)| same_network(*address, spec.address, spec.prefix.min(*prefix)))
            {
                Rtnetlink::open()?.delete_link(&former.name, former.index)?;
            }
        }
        if !found {
            // The rules that stand are not for the TUN that comes.
            self.detach_former(|former| ours.is_some_and(|ours| ours.lan_index() == former.index))?;
        }
        Ok(found)
    }

    /// Routes to the TUN what is behind routers, and nothing else that a former life had routed there.
    fn route_to_tun(&self, rtnetlink: &mut Rtnetlink, spec: &TunSpec, interface: u32) -> Result<()> {
        let present = rtnetlink.routes()?;
        let is_to = |route: &&Route, (network, prefix): (Ipv4Addr, u8)| {
            (route.destination, route.prefix, route.interface) == (network, prefix, interface)
        };
        for former in present.iter().filter(|route| route.interface == interface) {
            let is_own = former.prefix == spec.prefix && same_network(former.destination, spec.address, spec.prefix);
            if !is_own && !spec.routes.iter().any(|wanted| is_to(&former, *wanted)) {
                rtnetlink.delete_route(former)?;
            }
        }
        for wanted in &spec.routes {
            if !present.iter().any(|route| is_to(&route, *wanted)) {
                let (destination, prefix) = *wanted;
                let route = Route { destination, prefix, gateway: None, interface, metric: 0 };
                rtnetlink
                    .add_route(&route)
                    .map_err(|e| e.hint("lan.routed names it, and there is another way to it; see: ip route"))?;
            }
        }
        Ok(())
    }

    /// Removes TUNs of a former life that no way goes on with.
    fn end_former_tuns(&self, specs: &[ForwardSpec]) -> Result<()> {
        for former in self.interfaces()? {
            if specs.iter().all(|spec| spec.tun != former.name) && offload::is_on_egress(former.index)? {
                Rtnetlink::open()?.delete_link(&former.name, former.index)?;
            }
        }
        Ok(())
    }

    /// Makes what is called as a VLAN of an interface that there is.
    fn make_vlan(&mut self, lan: &str) -> Result<()> {
        let Some((trunk, vlan)) = self.trunk(lan)? else { return Ok(()) };
        self.undo.push(Change::Vlan { lan: lan.to_owned() });
        Rtnetlink::open()?.add_vlan(lan, trunk.index, vlan).map_err(|e| match e.errno() {
            Some(libc::EOPNOTSUPP) => e.hint("the kernel needs 802.1Q VLANs (the module 8021q)"),
            _ => e,
        })?;
        self.bring_up(&trunk)
    }

    /// The interface of which `lan` is to be a VLAN, and which one; none if it is there already, or is no such name.
    fn trunk(&self, lan: &str) -> Result<Option<(Interface, u16)>> {
        let interfaces = self.interfaces()?;
        let called = |name: &str| interfaces.iter().find(|interface| interface.name == name).cloned();
        let Some((trunk, vlan)) = lan.rsplit_once('.') else { return Ok(None) };
        let vlan = vlan.parse().ok().filter(|vlan| (1..=4094).contains(vlan));
        Ok(match (called(lan), called(trunk), vlan) {
            (None, Some(trunk), Some(vlan)) if trunk.ethernet => Some((trunk, vlan)),
            _ => None,
        })
    }

    /// A guests' interface, or a port of one, as it will be.
    fn one_lan(&self, name: &str) -> Result<Interface> {
        match self.trunk(name)? {
            Some((trunk, _)) => Ok(Interface {
                name: name.to_owned(),
                index: 0,
                up: false,
                master: None,
                lower: None,
                v4: Vec::new(),
                ..trunk
            }),
            None => {
                let found = self.interface(name)?;
                let is_ours =
                    |index| Ok::<_, Error>(Rtnetlink::open()?.links()?.iter().any(|l| l.index == index && l.ours));
                // A bridge of a former life goes, or comes to be again.
                let master = match found.master {
                    Some(index) if is_ours(index)? => None,
                    master => master,
                };
                Ok(Interface { master, ..found })
            }
        }
    }

    /// Whoever has a trunk has the frames of all its VLANs, whatever these are called: no two of these may be one cable.
    fn check_cables(&self, lans: &[Interface]) -> Result<()> {
        let all = self.interfaces()?;
        let below = |interface: &Interface| all.iter().find(|other| Some(other.index) == interface.lower);
        for lan in lans {
            let mut trunks = std::iter::successors(below(lan), |trunk| below(trunk)).take(all.len());
            if let Some(trunk) = trunks.find(|trunk| lans.iter().any(|other| other.index == trunk.index)) {
                let what = format!("have guests on {} and {}", trunk.name, lan.name);
                return Err(Error::refused(what, "they are one cable, and who has the cable has all its VLANs")
                    .hint("give each zone a VLAN of it"));
            }
        }
        Ok(())
    }

    /// The way to the Internet must not be where the guests are.
    fn check_uplink(&self, uplink: &str) -> Result<()> {
        if self.closed().iter().any(|lan| lan == uplink) {
            return Err(Error::refused(format!("use {uplink} as the uplink"), "it is the guests' interface")
                .hint("guests' interface and uplink must be two"));
        }
        Ok(())
    }

    fn take_back(&mut self, change: Change) -> Result<()> {
        match change {
            Change::Vlan { lan } => {
                self.lans.retain(|other| *other != lan);
                match self.interfaces()?.into_iter().find(|found| found.name == lan) {
                    Some(found) => Rtnetlink::open()?.delete_link(&lan, found.index),
                    None => Ok(()),
                }
            }
            Change::Bridge { name } => {
                self.bridges.retain(|bridge| bridge.name != name);
                let mut rtnetlink = Rtnetlink::open()?;
                match rtnetlink.links()?.into_iter().find(|link| link.name == name && link.ours) {
                    Some(found) => rtnetlink.delete_link(&name, found.index),
                    None => Ok(()),
                }
            }
            Change::Lock { lan } => {
                self.lans.retain(|other| *other != lan);
                let messages =
                    if self.lans.is_empty() { rules::remove(Family::Netdev, rules::TABLE) } else { self.lock()? };
                firewall("unlock the guests' interface", messages)
            }
            Change::Filter => firewall("remove the firewall rules", rules::remove(Family::Inet, rules::TABLE)),
            Change::Place { lan } => match self.interfaces()?.into_iter().find(|found| found.name == lan) {
                Some(found) => offload::remove_place(found.index),
                None => Ok(()),
            },
            Change::Offload { lan, index } => offload::detach(&lan, index),
            Change::Device { name, index } => Rtnetlink::open()?.delete_link(&name, index),
            Change::LinkUp { name, index } => match Rtnetlink::open()?.set_up(&name, index, false) {
                Err(e) if e.errno() == Some(libc::ENODEV) => Ok(()),
                done => done,
            },
            Change::Switch { switch, former } => switch.write(&former),
            Change::Address { name, index, address, prefix } => {
                Rtnetlink::open()?.delete_address(&name, index, address, prefix)
            }
            Change::Route(route) => Rtnetlink::open()?.delete_route(&route),
            Change::Uplinks => uplinks::remove(),
        }
    }
}

impl System for Host {
    fn interfaces(&self) -> Result<Vec<Interface>> {
        Rtnetlink::open()?.interfaces()
    }

    fn default_route(&self) -> Result<Option<DefaultRoute>> {
        let mut rtnetlink = Rtnetlink::open()?;
        let Some(best) = rtnetlink.routes()?.into_iter().filter(|r| r.prefix == 0).min_by_key(|r| r.metric) else {
            return Ok(None);
        };
        let interfaces = rtnetlink.interfaces()?;
        let interface = interfaces.into_iter().find(|i| i.index == best.interface);
        Ok(interface.map(|i| DefaultRoute { interface: i.name, gateway: best.gateway }))
    }

    fn lan(&self, name: &str) -> Result<Interface> {
        match self.bridges.iter().find(|bridge| bridge.name == name) {
            Some(bridge) => self.bridge(bridge),
            None => self.one_lan(name),
        }
    }

    fn join_ports(&mut self, bridge: Bridge) {
        self.bridges.push(bridge);
    }

    fn check_ports(&self) -> Result<()> {
        Ok(())
    }

    fn lock_lans(&mut self, lans: &[&str]) -> Result<()> {
        let route = self.default_route()?;
        for lan in lans {
            check_lan(&self.lan(lan)?, route.as_ref())?;
        }
        let all = lans.join(", ");
        self.be_alone(&all)?;
        let ports = self.ports();
        for lan in lans.iter().copied().chain(ports.iter().map(String::as_str)) {
            self.make_vlan(lan)?;
        }
        self.make_bridges()?;
        let found = |names: &[&str]| names.iter().map(|name| self.interface(name)).collect::<Result<Vec<_>>>();
        // All of them, unless a bridge of a former life goes on without one.
        let ports = Keeper::new(self.bridges.clone()).look()?.present;
        let ports = found(&ports.iter().map(String::as_str).collect::<Vec<_>>())?;
        let interfaces = found(lans)?;
        self.check_cables(&[&ports[..], &interfaces[..]].concat())?;
        for lan in lans {
            self.lans.push((*lan).to_owned());
            // Remembered before it is done: after a failure, undo must look at it as well.
            self.undo.push(Change::Lock { lan: (*lan).to_owned() });
        }
        self.recall()?;
        firewall(&format!("lock {all}"), self.lock()?)?;
        self.undo.push(Change::Filter);
        self.detach_former(|former| !self.lans.contains(&former.name))?;
        // The rules of a former life stay until ours replace them in one step: without a NAT chain for a moment, the
        // connections that go on would be translated no more, and reset by our own kernel.
        if !self.took_over {
            firewall("set the firewall rules", rules::filter(&self.closed(), &[]))?;
        }
        // A second lock, for the time until the first one is put back if somebody takes it away: the LAN has no address, so
        // no answer goes back there and the kernel takes nothing from it.
        let closed: Vec<_> = self.closed().iter().flat_map(|lan| ports::closed(lan)).collect();
        self.set(&closed)?;
        self.fill_bridges()?;
        ports.iter().chain(&interfaces).try_for_each(|interface| self.bring_up(interface))
    }

    fn open_lan(&mut self, lan: &str, waker: &Waker) -> Result<Arc<dyn LanPort>> {
        if !self.lans.iter().any(|locked| locked == lan) {
            return Err(Error::refused(format!("open {lan}"), "it is not locked"));
        }
        let interface = self.interface(lan)?;
        // Nobody would tell programs that we do not go on with who is online.
        let goes_on = self.offload_of(lan).is_some_and(|offload| offload.took_over());
        self.detach_former(|former| former.index == interface.index && !goes_on)?;
        let filter = self.offload_of(lan).map(|offload| offload.socket_filter());
        Ok(Arc::new(lan::Lan::open(&interface, waker, filter)?))
    }

    fn load_offload(&mut self, spec: &OffloadSpec) -> Result<Arc<Offload>> {
        let lan = self.interface(&spec.lan)?;
        if offload::add_place(lan.index)? {
            self.undo.push(Change::Place { lan: lan.name.clone() });
            self.remember()?;
        }
        let loaded = Arc::new(Offload::load(spec, &lan)?);
        self.offloads.push(Arc::clone(&loaded));
        Ok(loaded)
    }

    fn create_tun(&mut self, spec: &TunSpec, waker: &Waker) -> Result<Arc<dyn TunPort>> {
        let found = self.former_tun(spec)?;
        let mut tun = tun::Tun::create(spec, found, waker)?;
        let interface = self.interface(&spec.name)?;
        if spec.mode == TunMode::Tap {
            tun.set_kernel_mac(interface.mac);
        }
        // All of this vanishes with the device, so there is nothing to undo.
        Switch::no_ipv6(&spec.name).write("1")?;
        let mut rtnetlink = Rtnetlink::open()?;
        rtnetlink.set_sizes(&spec.name, interface.index, spec.mtu, TUN_QUEUE)?;
        if !interface.v4.contains(&(spec.address, spec.prefix)) {
            rtnetlink.add_address(&spec.name, interface.index, spec.address, spec.prefix)?;
        }
        rtnetlink.set_up(&spec.name, interface.index, true)?;
        self.route_to_tun(&mut rtnetlink, spec, interface.index)?;
        if let Some(offload) = self.offload_of(&spec.lan) {
            // First the program, by which the next life knows the device for ours; then the device may outlive us.
            offload.attach_tun(interface.index)?;
            self.undo.push(Change::Device { name: spec.name.clone(), index: interface.index });
            tun.outlive_us()?;
        }
        Ok(Arc::new(tun))
    }

    fn configure_uplink(&mut self, spec: &UplinkSpec) -> Result<()> {
        let UplinkSpec { interface: name, address, prefix, gateway } = spec;
        self.check_uplink(name)?;
        let interface = self.interface(name)?;
        let index = interface.index;
        self.bring_up(&interface)?;
        let mut rtnetlink = Rtnetlink::open()?;
        if !interface.v4.contains(&(*address, *prefix)) {
            rtnetlink.add_address(name, index, *address, *prefix)?;
            let (address, prefix) = (*address, *prefix);
            self.undo.push(Change::Address { name: name.clone(), index, address, prefix });
        }
        let route = |destination, prefix, gateway| Route { destination, prefix, gateway, interface: index, metric: 0 };
        let mut wanted = vec![route(Ipv4Addr::UNSPECIFIED, 0, Some(*gateway))];
        if *prefix == 32 || !same_network(*address, *gateway, *prefix) {
            wanted.insert(0, route(*gateway, 32, None));
        }
        let present = rtnetlink.routes()?;
        for route in wanted {
            let same = |other: &&Route| (other.destination, other.prefix) == (route.destination, route.prefix);
            if present.iter().filter(same).any(|r| (r.gateway, r.interface) == (route.gateway, index)) {
                continue;
            }
            rtnetlink.add_route(&route).map_err(|e| e.hint("there is another such route; see: ip route"))?;
            self.undo.push(Change::Route(route));
        }
        Ok(())
    }

    fn check_uplinks(&self) -> Result<()> {
        Ok(())
    }

    fn several_uplinks(&mut self, spec: &UplinksSpec) -> Result<Option<Arc<dyn Uplinks>>> {
        if spec.lines.is_empty() {
            return if self.took_over { uplinks::remove().map(|()| None) } else { Ok(None) };
        }
        self.undo.push(Change::Uplinks);
        let strict = |switch: &Switch| Ok::<_, Error>(switch.read()?.as_deref() == Some("1"));
        for line in &spec.lines {
            // An answer may come in by an uplink by which nothing new would leave at the moment. That it comes from
            // somewhere to which there is a route at all is still asked (RFC 3704, section 2.4).
            let switch = Switch::source_check(&line.interface);
            if strict(&switch)? || strict(&Switch::source_check("all"))? {
                self.set(&[(switch, "2")])?;
            }
        }
        Ok(Some(Arc::new(uplinks::Steering::new(spec, &self.interfaces()?))))
    }

    fn forward(&mut self, specs: &[ForwardSpec]) -> Result<()> {
        let mut ways = Vec::new();
        for spec in specs {
            let mut closed = Vec::new();
            for uplink in &spec.uplinks {
                self.check_uplink(uplink)?;
                let switch = Switch::forwarding(uplink);
                let was_closed = |change: &Change| matches!(change, Change::Switch { switch: changed, former } if *changed == switch && former == "0");
                if self.undo.iter().any(was_closed) || switch.read()?.as_deref() != Some("1") {
                    closed.push(uplink.clone());
                }
            }
            ways.push(Way { spec: spec.clone(), tun: self.interface(&spec.tun)?.index, closed });
        }
        self.end_former_tuns(specs)?;
        // The rules first, so that not one packet is forwarded without them.
        self.undo.push(Change::Filter);
        firewall("set the firewall rules", rules::filter(&self.closed(), &ways))?;
        self.ways = ways;
        for spec in specs {
            for uplink in &spec.uplinks {
                self.set(&[(Switch::forwarding(uplink), "1")])?;
            }
            // Vanishes with the device.
            Switch::forwarding(&spec.tun).write("1")?;
        }
        // Last: until now the kernel had no word in what is forwarded.
        for offload in &self.offloads {
            self.undo.push(Change::Offload { lan: offload.lan().to_owned(), index: offload.lan_index() });
            offload.attach_lan()?;
        }
        Ok(())
    }

    fn guard_rules(&self, waker: &Waker) -> Result<Option<Box<dyn Guard>>> {
        if self.ways.is_empty() {
            return Ok(None);
        }
        let kept = guard::Kept {
            lans: self.lans.clone(),
            memory: self.memory(),
            ports: Keeper::new(self.bridges.clone()),
            filter: rules::filter(&self.closed(), &self.ways),
        };
        Ok(Some(Box::new(guard::RuleGuard::open(kept, waker)?)))
    }

    fn open_flows(&mut self) -> Result<Box<dyn Flows>> {
        Ok(Box::new(conntrack::Conntrack::open()?))
    }

    fn check_translations(&self) -> Result<()> {
        translations::check()
    }

    fn watch_translations(&mut self, waker: &Waker) -> Result<Box<dyn Translations>> {
        Ok(Box::new(translations::Watch::open(waker)?))
    }

    fn took_over(&self) -> bool {
        self.took_over
    }

    fn undo(&mut self) -> std::result::Result<(), UndoErrors> {
        let mut errors = Vec::new();
        while let Some(change) = self.undo.pop() {
            errors.extend(self.take_back(change).err());
        }
        self.alone = None;
        if errors.is_empty() { Ok(()) } else { Err(UndoErrors(errors)) }
    }
}

fn firewall(doing: &str, messages: Vec<Message>) -> Result<()> {
    NetlinkSocket::open(libc::NETLINK_NETFILTER)?.transaction(doing, messages).map_err(|e| match e.errno() {
        Some(libc::ENOENT | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT) => {
            e.hint("the kernel needs nf_tables with inet, netdev, ct and masquerade (kmod-nft-core, kmod-nft-netdev, kmod-nft-nat)")
        }
        _ => e,
    })
}
