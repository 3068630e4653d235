//! FreeBSD, NetBSD, OpenBSD: type-checked, and never yet run.
//!
//! Interfaces, addresses, routes, bpf and tun are here. The firewall (pf anchors for the lock and for NAT) is not:
//! [`System::lock_lans`] refuses, so a gateway does not start, rather than start without its lock.

mod abi;
mod lan;
#[path = "../no_offload.rs"]
mod offload;
mod sys;
mod tun;

use std::fs::File;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

use fastpath::port::{LanPort, TunPort};
use wire::MacAddr;

use self::abi::{Abi, RTM_ADD, RTM_DELETE, Via};
pub use self::offload::Offload;
use crate::{
    DefaultRoute, Error, Flows, ForwardSpec, Interface, Result, SinceBoot, System, TunSpec, UndoErrors, UplinkSpec,
    Waker, check_lan, same_network,
};

const IFF_UP: u16 = 1;
const IFF_LOOPBACK: u32 = 8;
/// IFT_ETHER
const TYPE_ETHERNET: u8 = 6;
/// Flags and MTU stand behind the name in an ifreq.
const IFREQ_VALUE_AT: usize = 16;

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
}

/// Something that [`System::undo`] takes back.
enum Change {
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
}

impl System for Host {
    fn interfaces(&self) -> Result<Vec<Interface>> {
        let addresses = sys::addresses().map_err(|e| Error::kernel("list the interfaces", e))?;
        let mut found: Vec<Interface> = Vec::new();
        for entry in &addresses {
            let Some((index, kind, mac)) = abi::link_address(&entry.address) else { continue };
            found.push(Interface {
                name: entry.name.clone(),
                index: u32::from(index),
                mac: mac.map_or(MacAddr::ZERO, MacAddr),
                mtu: mtu(&entry.name)?,
                up: entry.flags & u32::from(IFF_UP) != 0,
                loopback: entry.flags & IFF_LOOPBACK != 0,
                ethernet: kind == TYPE_ETHERNET,
                master: None,
                lower: None,
                v4: Vec::new(),
            });
        }
        for entry in &addresses {
            let Some(address) = abi::ipv4_of(&entry.address) else { continue };
            // The kernel may cut the mask's zeros off.
            let mut mask = [0; 4];
            let given = entry.mask.get(4..).unwrap_or_default();
            for (to, from) in mask.iter_mut().zip(given) {
                *to = *from;
            }
            let prefix = u32::from_be_bytes(mask).leading_ones() as u8;
            if let Some(interface) = found.iter_mut().find(|i| i.name == entry.name) {
                interface.v4.push((address, prefix));
            }
        }
        Ok(found)
    }

    fn default_route(&self) -> Result<Option<DefaultRoute>> {
        let table = sys::routing_table(Abi::HOST.pf_route()).map_err(|e| Error::kernel("read the routing table", e))?;
        let Some((index, gateway)) = abi::default_route(Abi::HOST, &table) else { return Ok(None) };
        let interface = self.interfaces()?.into_iter().find(|i| i.index == u32::from(index));
        Ok(interface.map(|i| DefaultRoute { interface: i.name, gateway }))
    }

    fn lock_lans(&mut self, lans: &[&str]) -> Result<()> {
        for lan in lans {
            check_lan(&self.interface(lan)?, self.default_route()?.as_ref())?;
        }
        Err(unsupported(format!("shut the kernel out of {}", lans.join(", "))))
    }

    fn open_lan(&mut self, lan: &str, waker: &Waker) -> Result<Arc<dyn LanPort>> {
        if !self.lans.iter().any(|locked| locked == lan) {
            return Err(Error::refused(format!("open {lan}"), "it is not locked"));
        }
        Ok(Arc::new(lan::Lan::open(lan, waker)?))
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
        let ways: Vec<_> = specs.iter().map(|spec| format!("{} to {}", spec.tun, spec.uplink)).collect();
        Err(unsupported(format!("forward from {}", ways.join(" and from "))))
    }

    fn open_flows(&mut self) -> Result<Box<dyn Flows>> {
        Err(unsupported("open the kernel's table of connections".to_owned()))
    }

    fn undo(&mut self) -> std::result::Result<(), UndoErrors> {
        let mut errors = Vec::new();
        while let Some(change) = self.undo.pop() {
            let result = match change {
                Change::LinkUp(name) => set_up(&name, false),
                Change::Address { name, address } => delete_address(&name, address),
                Change::Route { destination, prefix, via } => change_route(RTM_DELETE, destination, prefix, via),
            };
            errors.extend(result.err());
        }
        if errors.is_empty() { Ok(()) } else { Err(UndoErrors(errors)) }
    }
}

fn unsupported(doing: String) -> Error {
    Error::refused(doing, "this is not yet supported on this system")
        .hint("run the gateway on Linux; it does not start without its firewall")
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
    bytes[IFREQ_VALUE_AT + 2..IFREQ_VALUE_AT + 4].copy_from_slice(&extra);
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
