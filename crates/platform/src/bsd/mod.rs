//! FreeBSD, NetBSD, OpenBSD: type-checked, and never yet run.
//!
//! bpf and tun are waited for with poll(2), which every one of these systems has for both, on threads of their own: no event
//! loop sees them, so what kqueue can watch does not matter.
//!
//! The lock and NAT are pf's, in an anchor; NetBSD has none, and [`System::lock_lans`] refuses there. Where the kernel
//! forwards at all is one switch for the whole machine, and stays the operator's: it must be on.

mod lan;
#[path = "../no_offload.rs"]
mod offload;
mod pf;
mod pure;
mod sys;
mod tun;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;

use fastpath::port::{LanPort, TunPort};
use wire::MacAddr;

pub use self::offload::Offload;
use self::pure::abi::{Abi, IFF_LOOPBACK, IFF_UP, IFREQ_FLAGS_HIGH_AT, IFREQ_VALUE_AT, IFT_ETHER, RTM_ADD, RTM_DELETE};
use self::pure::message::{self, Via};
use crate::{
    DefaultRoute, Error, Flows, ForwardSpec, Guard, Interface, Result, SinceBoot, System, TunSpec, UndoErrors,
    UplinkSpec, Waker, check_lan, same_network,
};

/// Held while we live: a second gateway's end would take our lock away.
const ONLY_ONE: &str = "/var/run/poblano.lock";

/// Not asked for here yet: who wants to know how long it was away has the date.
#[must_use]
pub fn since_boot() -> Option<SinceBoot> {
    None
}

/// The machine that we run on. Dropping it undoes nothing.
#[derive(Default)]
pub struct Host {
    lans: Vec<String>,
    undo: Vec<Change>,
    alone: Option<File>,
    /// The lock was there already: of a run that did not end cleanly.
    took_over: bool,
    /// What is forwarded.
    ways: Vec<ForwardSpec>,
}

/// Something that [`System::undo`] takes back.
enum Change {
    Lock,
    Filter,
    LinkUp(String),
    Address { name: String, address: Ipv4Addr },
    Route { destination: Ipv4Addr, prefix: u8, via: Via },
}

impl Host {
    /// The machine, unchanged yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn be_alone(&mut self, doing: &str) -> Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(ONLY_ONE);
        let file = file.map_err(|e| Error::kernel(doing, e))?;
        file.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => Error::refused(doing, "another gateway runs on this machine")
                .hint(format!("stop it; see: fstat {ONLY_ONE}")),
            TryLockError::Error(e) => Error::kernel(doing, e),
        })?;
        self.alone = Some(file);
        Ok(())
    }

    /// The way to the Internet must not be where the guests are.
    fn check_uplink(&self, uplink: &str) -> Result<()> {
        if self.lans.iter().any(|lan| lan == uplink) {
            return Err(Error::refused(format!("use {uplink} as the uplink"), "it is the guests' interface")
                .hint("guests' interface and uplink must be two"));
        }
        Ok(())
    }
}

impl System for Host {
    fn interfaces(&self) -> Result<Vec<Interface>> {
        let addresses = sys::addresses().map_err(|e| Error::kernel("list the interfaces", e))?;
        let mut found: Vec<Interface> = Vec::new();
        for entry in &addresses {
            let Some((index, kind, mac)) = message::link_address(&entry.address) else { continue };
            found.push(Interface {
                name: entry.name.clone(),
                index: u32::from(index),
                mac: mac.map_or(MacAddr::ZERO, MacAddr),
                mtu: mtu(&entry.name)?,
                up: entry.flags & u32::from(IFF_UP) != 0,
                loopback: entry.flags & u32::from(IFF_LOOPBACK) != 0,
                ethernet: kind == IFT_ETHER,
                master: None,
                lower: None,
                v4: Vec::new(),
            });
        }
        for entry in &addresses {
            let Some(address) = message::ipv4_of(&entry.address) else { continue };
            let prefix = message::prefix_of(&entry.mask);
            if let Some(interface) = found.iter_mut().find(|i| i.name == entry.name) {
                interface.v4.push((address, prefix));
            }
        }
        Ok(found)
    }

    fn default_route(&self) -> Result<Option<DefaultRoute>> {
        let table = sys::routing_table(Abi::HOST.pf_route()).map_err(|e| Error::kernel("read the routing table", e))?;
        let Some((index, gateway)) = message::default_route(Abi::HOST, &table) else { return Ok(None) };
        let interface = self.interfaces()?.into_iter().find(|i| i.index == u32::from(index));
        Ok(interface.map(|i| DefaultRoute { interface: i.name, gateway }))
    }

    fn lock_lans(&mut self, lans: &[&str]) -> Result<()> {
        let route = self.default_route()?;
        let interfaces = lans.iter().map(|lan| self.interface(lan)).collect::<Result<Vec<_>>>()?;
        interfaces.iter().try_for_each(|interface| check_lan(interface, route.as_ref()))?;
        let doing = format!("lock {}", lans.join(", "));
        pf::check(&doing)?;
        if !sys::is_forwarding().map_err(|e| Error::kernel(&doing, e))? {
            return Err(Error::refused(doing, "this machine does not forward").hint(
                "sysctl net.inet.ip.forwarding=1, and for the next start: sysrc gateway_enable=YES (OpenBSD: sysctl.conf)",
            ));
        }
        self.be_alone(&doing)?;
        self.took_over = pf::is_locked(&doing)?;
        self.lans = lans.iter().map(|lan| (*lan).to_owned()).collect();
        // Remembered before it is done: after a failure, undo must look at it as well.
        self.undo.push(Change::Lock);
        pf::load(&doing, &self.lans, &[])?;
        for interface in interfaces.iter().filter(|interface| !interface.up) {
            set_up(&interface.name, true)?;
            self.undo.push(Change::LinkUp(interface.name.clone()));
        }
        Ok(())
    }

    fn open_lan(&mut self, lan: &str, waker: &Waker) -> Result<Arc<dyn LanPort>> {
        if !self.lans.iter().any(|locked| locked == lan) {
            return Err(Error::refused(format!("open {lan}"), "it is not locked"));
        }
        Ok(Arc::new(lan::Lan::open(&self.interface(lan)?, waker)?))
    }

    fn create_tun(&mut self, spec: &TunSpec, waker: &Waker) -> Result<Arc<dyn TunPort>> {
        let tun = tun::Tun::create(spec, waker)?;
        let TunSpec { name, address, prefix, .. } = spec;
        let request = |bytes: Option<Vec<u8>>| bytes.ok_or_else(|| bad_name(name));
        control("set the MTU of", name, Abi::HOST.siocsifmtu(), request(Abi::HOST.ifreq_mtu(name, spec.mtu))?)?;
        // Where a TUN can only be point to point, its far end is some address of the guests' network, and the network
        // is routed to it.
        let peer = Abi::HOST.tunsifmode().is_none().then(|| Ipv4Addr::from(u32::from(*address) ^ 1));
        let add = request(Abi::HOST.in_aliasreq(name, *address, peer, *prefix))?;
        control("add an address to", name, Abi::HOST.siocaifaddr(), add)?;
        set_up(name, true)?;
        if let Some(peer) = peer {
            let network = Ipv4Addr::from(u32::from(*address) & crate::mask(*prefix));
            change_route(RTM_ADD, network, *prefix, Via::Gateway(peer))?;
        }
        // Through our own address the kernel finds the device.
        for (network, prefix) in &spec.routes {
            change_route(RTM_ADD, *network, *prefix, Via::Gateway(peer.unwrap_or(*address)))?;
        }
        Ok(Arc::new(tun))
    }

    fn configure_uplink(&mut self, spec: &UplinkSpec) -> Result<()> {
        let UplinkSpec { interface: name, address, prefix, gateway } = spec;
        self.check_uplink(name)?;
        let interface = self.interface(name)?;
        if !interface.up {
            set_up(name, true)?;
            self.undo.push(Change::LinkUp(name.clone()));
        }
        if !interface.v4.contains(&(*address, *prefix)) {
            let add = Abi::HOST.in_aliasreq(name, *address, None, *prefix).ok_or_else(|| bad_name(name))?;
            control("add an address to", name, Abi::HOST.siocaifaddr(), add)?;
            self.undo.push(Change::Address { name: name.clone(), address: *address });
        }
        let present = self.default_route()?;
        if present.is_some_and(|route| route.interface == *name && route.gateway == Some(*gateway)) {
            return Ok(());
        }
        let mut wanted = vec![(Ipv4Addr::UNSPECIFIED, 0, Via::Gateway(*gateway))];
        if *prefix == 32 || !same_network(*address, *gateway, *prefix) {
            let index = u16::try_from(interface.index)
                .map_err(|_| Error::refused(format!("route by {name}"), "its number is too large"))?;
            wanted.insert(0, (*gateway, 32, Via::Interface(index)));
        }
        for (destination, prefix, via) in wanted {
            change_route(RTM_ADD, destination, prefix, via)?;
            self.undo.push(Change::Route { destination, prefix, via });
        }
        Ok(())
    }

    fn forward(&mut self, specs: &[ForwardSpec]) -> Result<()> {
        if specs.iter().any(|spec| spec.http_proxy.is_some()) {
            let reason = "pf is not told of it; take uplink.http_proxy out, or run the gateway on Linux";
            return Err(Error::refused("divert http to a proxy", reason));
        }
        specs.iter().flat_map(|spec| &spec.uplinks).try_for_each(|uplink| self.check_uplink(uplink))?;
        self.undo.push(Change::Filter);
        pf::load("set the firewall rules", &self.lans, specs)?;
        self.ways = specs.to_vec();
        Ok(())
    }

    fn guard_rules(&self, waker: &Waker) -> Result<Option<Box<dyn Guard>>> {
        if self.ways.is_empty() {
            return Ok(None);
        }
        Ok(Some(Box::new(pf::PfGuard::open(&self.lans, &self.ways, waker)?)))
    }

    fn open_flows(&mut self) -> Result<Box<dyn Flows>> {
        Ok(Box::new(pf::States))
    }

    fn took_over(&self) -> bool {
        self.took_over
    }

    fn undo(&mut self) -> std::result::Result<(), UndoErrors> {
        let mut errors = Vec::new();
        while let Some(change) = self.undo.pop() {
            let result = match change {
                Change::Lock => {
                    self.lans.clear();
                    pf::load("unlock the guests' interface", &[], &[])
                }
                Change::Filter => pf::load("remove the firewall rules", &self.lans, &[]),
                Change::LinkUp(name) => set_up(&name, false),
                Change::Address { name, address } => delete_address(&name, address),
                Change::Route { destination, prefix, via } => change_route(RTM_DELETE, destination, prefix, via),
            };
            errors.extend(result.err());
        }
        self.alone = None;
        if errors.is_empty() { Ok(()) } else { Err(UndoErrors(errors)) }
    }
}

fn bad_name(name: &str) -> Error {
    Error::refused(format!("configure {name}"), "a name of an interface has 1 to 15 letters")
}

fn control(doing: &str, name: &str, request: u32, mut bytes: Vec<u8>) -> Result<()> {
    let what = |e: io::Error| Error::kernel(format!("{doing} {name}"), e);
    let socket = sys::socket(libc::AF_INET, libc::SOCK_DGRAM).map_err(what)?;
    sys::ioctl(&socket, request, &mut bytes).map_err(what)
}

/// Asks for a value of an interface; gives the octets behind its name.
fn ask(doing: &str, name: &str, request: u32) -> Result<[u8; 4]> {
    let what = |e: io::Error| Error::kernel(format!("{doing} {name}"), e);
    let mut bytes = Abi::HOST.ifreq(name).ok_or_else(|| bad_name(name))?;
    let socket = sys::socket(libc::AF_INET, libc::SOCK_DGRAM).map_err(what)?;
    sys::ioctl(&socket, request, &mut bytes).map_err(what)?;
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[IFREQ_VALUE_AT..IFREQ_VALUE_AT + 4]);
    Ok(value)
}

fn mtu(name: &str) -> Result<u32> {
    ask("read the MTU of", name, Abi::HOST.siocgifmtu()).map(u32::from_ne_bytes)
}

/// Changes only the one flag: the two octets behind the flags are flags too on FreeBSD, and are written back.
fn set_up(name: &str, up: bool) -> Result<()> {
    let [low, high, extra @ ..] = ask("read the flags of", name, Abi::HOST.siocgifflags())?;
    let former = u16::from_ne_bytes([low, high]);
    let flags = if up { former | IFF_UP } else { former & !IFF_UP };
    let mut bytes = Abi::HOST.ifreq_flags(name, flags).ok_or_else(|| bad_name(name))?;
    bytes[IFREQ_FLAGS_HIGH_AT..IFREQ_FLAGS_HIGH_AT + 2].copy_from_slice(&extra);
    control(if up { "bring up" } else { "bring down" }, name, Abi::HOST.siocsifflags(), bytes)
}

fn delete_address(name: &str, address: Ipv4Addr) -> Result<()> {
    let bytes = Abi::HOST.ifreq_address(name, address).ok_or_else(|| bad_name(name))?;
    control("remove an address from", name, Abi::HOST.siocdifaddr(), bytes)
}

fn change_route(command: u8, destination: Ipv4Addr, prefix: u8, via: Via) -> Result<()> {
    let verb = if command == RTM_ADD { "add" } else { "remove" };
    let what = |e: io::Error| Error::kernel(format!("{verb} the route to {destination}/{prefix}"), e);
    let socket = sys::socket(Abi::HOST.pf_route(), libc::SOCK_RAW).map_err(what)?;
    File::from(socket).write_all(&Abi::HOST.route(command, 1, destination, prefix, via)).map_err(what)
}
