//! All system calls: packet ports, TUN, addresses, routes, NAT, and the LAN lock.
//!
//! [`System`] says what the gateway needs of the machine. [`Host`] is the machine we run on, [`virtual_::Virtual`]
//! one that exists in memory only. All of unsafe and of `cfg(target_os)` in Poblano is in this crate.
//!
//! The order of use is the security argument. [`System::lock_lans`] comes first: from then on the kernel neither
//! answers nor forwards anything of the guests' interface, and this lock survives our death. What is changed later
//! is remembered and taken back by [`System::undo`], the lock last.
#![allow(unsafe_code, reason = "system calls; every other crate forbids it")]

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use fastpath::port::{LanPort, TunPort};
use wire::MacAddr;

mod error;
mod framing;
#[cfg(fuzzing)]
pub mod fuzz;
mod large;
mod local_time;
mod mapped;
mod meters;
mod poll;
pub mod raw;
mod terminal;
mod translations;
mod uplinks;
pub mod virtual_;
mod waker;

#[cfg(any(target_os = "linux", test))]
mod netlink;

#[cfg_attr(target_os = "linux", path = "linux/mod.rs")]
#[cfg_attr(any(target_os = "freebsd", target_os = "netbsd", target_os = "openbsd"), path = "bsd/mod.rs")]
mod imp;

#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "here only to see that it compiles"))]
pub mod no_netns;

/// What is said to the BSD kernels, which can be tested anywhere.
#[cfg(all(test, target_os = "linux"))]
#[path = "bsd/pure/mod.rs"]
mod bsd_pure;

pub use error::{Error, Result};
#[cfg(target_os = "linux")]
pub use imp::netns;
pub use imp::{Host, Offload, since_boot};
pub use large::LargePages;
pub use local_time::LocalTime;
pub use meters::KeptMeters;
#[cfg(not(target_os = "linux"))]
pub use no_netns as netns;
pub use terminal::ask_unseen;
pub use translations::{End, Told, Translation, Translations};
pub use uplinks::{GUEST_PARTS, Hop, LinkState, MAX_UPLINKS, Plan, ProbeSocket, UplinkLine, Uplinks, UplinksSpec};
pub use waker::Waker;

/// The most packets that a port receives at once; longer batches are filled up to here.
pub const MAX_BATCH: usize = 64;
/// The longest that a `recv` waits before it returns `Ok(0)`: it looks whether the device is still there.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(1);

/// What the gateway needs of the machine it runs on. Not for several threads: the ports are.
pub trait System {
    /// All network interfaces.
    ///
    /// # Errors
    /// The kernel's.
    fn interfaces(&self) -> Result<Vec<Interface>>;

    /// The interface called `name`.
    ///
    /// # Errors
    /// The kernel's, or that there is none; then it names those that there are.
    fn interface(&self, name: &str) -> Result<Interface> {
        let all = self.interfaces()?;
        if let Some(found) = all.iter().find(|i| i.name == name) {
            return Ok(found.clone());
        }
        let names: Vec<_> = all.iter().filter(|i| !i.loopback).map(|i| i.name.as_str()).collect();
        Err(Error::refused(format!("find the interface {name}"), "it does not exist")
            .hint(format!("there are: {}", names.join(", "))))
    }

    /// The IPv4 default route of the main table with the best metric.
    ///
    /// # Errors
    /// The kernel's.
    fn default_route(&self) -> Result<Option<DefaultRoute>>;

    /// The guests' interface called `name`; one that [`System::lock_lans`] makes, as it will be.
    ///
    /// # Errors
    /// The kernel's, or that there is none.
    fn lan(&self, name: &str) -> Result<Interface> {
        self.interface(name)
    }

    /// Says that the guests' interface called as this is to be a bridge of others, which [`System::lock_lans`] makes. To be
    /// called before that; nothing is changed yet.
    fn join_ports(&mut self, _: Bridge) {}

    /// Refuses if this system cannot do what [`System::join_ports`] says.
    ///
    /// # Errors
    /// Why not.
    fn check_ports(&self) -> Result<()> {
        Err(Error::refused("have one guests' network on several interfaces", "only Linux can")
            .hint("name one interface, for instance a bridge that keeps its ports apart, or give each a zone"))
    }

    /// Shuts the kernel out of the guests' interfaces and brings them up. What the wire says is seen by our
    /// ports alone: the kernel's stack gets nothing from it, sends nothing to it, and does no IPv6 on it. The lock
    /// stays when the process dies; a lock that is there already is taken over without a gap. To be called once, with
    /// all that there are. One that does not exist and is called as a VLAN of one that does ("eth1.20") is made.
    ///
    /// # Errors
    /// If an interface has an IPv4 address, belongs to a bridge, or is the way of the default route, if another
    /// gateway has this machine, or the kernel refuses. Then nobody may be let online.
    fn lock_lans(&mut self, lans: &[&str]) -> Result<()>;

    /// Opens the guests' interface, which must be locked, for frames.
    ///
    /// # Errors
    /// If it is not locked, or the kernel refuses.
    fn open_lan(&mut self, lan: &str, waker: &Waker) -> Result<Arc<dyn LanPort>>;

    /// Loads programs that let the kernel forward packets of guests who are online by itself, and takes over those that
    /// a former life left. To be called between [`System::lock_lans`] and [`System::open_lan`]; they begin to work with
    /// [`System::forward`]. From now on the TUN outlives us too.
    ///
    /// # Errors
    /// If this system or kernel cannot do it. Everything else goes on as without it.
    fn load_offload(&mut self, spec: &OffloadSpec) -> Result<Arc<Offload>> {
        Err(no_offload(&spec.lan))
    }

    /// Makes the device whose other side is the kernel's routing, with address and up. It vanishes with the port,
    /// unless there is an offload.
    ///
    /// # Errors
    /// The kernel's; a device of that name may exist already.
    fn create_tun(&mut self, spec: &TunSpec, waker: &Waker) -> Result<Arc<dyn TunPort>>;

    /// Gives the uplink an address and the way to its gateway, which may lie outside of the address's subnet.
    /// What is there already is left, also at the end.
    ///
    /// # Errors
    /// If there is another default route, or the kernel refuses.
    fn configure_uplink(&mut self, spec: &UplinkSpec) -> Result<()>;

    /// Refuses if this system cannot have several uplinks.
    ///
    /// # Errors
    /// Why not.
    fn check_uplinks(&self) -> Result<()> {
        Err(uplinks::not_here())
    }

    /// Prepares to divide guests between several uplinks, of which [`System::forward`] knows. Nothing is changed before
    /// [`Uplinks::steer`]. With none it removes what a former life left, and there is nothing to steer.
    ///
    /// # Errors
    /// The kernel's, or that this system cannot do it.
    fn several_uplinks(&mut self, spec: &UplinksSpec) -> Result<Option<Arc<dyn Uplinks>>> {
        if spec.lines.is_empty() { Ok(None) } else { Err(uplinks::not_here()) }
    }

    /// Lets the kernel forward between each TUN and its uplinks, with NAT, and guards the gateway's own addresses; what
    /// comes from one TUN never goes to another. Called again it replaces the rules in one step.
    ///
    /// # Errors
    /// The kernel's. Then nothing is forwarded.
    fn forward(&mut self, specs: &[ForwardSpec]) -> Result<()>;

    /// Watches over the rules of [`System::forward`] and the lock. Close it before [`System::undo`]. None where nobody else
    /// can take them away.
    ///
    /// # Errors
    /// The kernel's.
    fn guard_rules(&self, _: &Waker) -> Result<Option<Box<dyn Guard>>> {
        Ok(None)
    }

    /// Opens what the kernel remembers of guests' connections, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel's.
    fn open_flows(&mut self) -> Result<Box<dyn Flows>>;

    /// Refuses if this system cannot tell what NAT does.
    ///
    /// # Errors
    /// Why not.
    fn check_translations(&self) -> Result<()> {
        Err(translations::not_here())
    }

    /// Hears what NAT does from now on, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel's, or that this system cannot tell.
    fn watch_translations(&mut self, _: &Waker) -> Result<Box<dyn Translations>> {
        Err(translations::not_here())
    }

    /// True if [`System::lock_lans`] found the lock of a former life that ended without [`System::undo`]: guests were
    /// relying on it, so it should not be taken back because of a failure.
    fn took_over(&self) -> bool {
        false
    }

    /// Takes back everything that was changed, the last change first, whatever fails on the way. Close the ports
    /// before: with the lock gone, the kernel is back on the LAN.
    ///
    /// # Errors
    /// All that could not be taken back.
    fn undo(&mut self) -> std::result::Result<(), UndoErrors>;
}

/// A moment on a clock that runs from the machine's start and that nobody sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinceBoot {
    /// Which start of the machine.
    pub boot: [u8; 16],
    /// Since then.
    pub time: Duration,
}

/// The rules that keep guests in, while the gateway runs. For a thread of its own.
pub trait Guard: Send {
    /// Waits until some rules of the machine may have changed: at most a second, and not after [`Waker::wake`].
    ///
    /// # Errors
    /// The kernel's.
    fn wait(&self) -> std::io::Result<()>;

    /// Looks whether ours are still there, and puts them back if not; and so with the ports of guests' bridges. Tells what
    /// was otherwise.
    ///
    /// # Errors
    /// The kernel's: they may still be gone.
    fn mend(&mut self, tell: &mut dyn FnMut(Mended)) -> Result<()>;
}

/// What [`Guard::mend`] met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Rules were gone, and are back.
    Rules,
    /// An interface of a guests' bridge has vanished.
    PortGone(String),
    /// Another interface has been made on it: nothing of it is let in.
    PortCovered(String),
    /// It is there again, and in the bridge.
    PortBack(String),
}

/// A guests' interface that consists of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Its name, which no other interface has.
    pub name: String,
    /// The interfaces that it consists of.
    pub ports: Vec<String>,
}

/// The connections that the kernel tracks. They outlive a guest's session: whoever gets its address next, and logs in,
/// would get what is still sent to the guest before. To be used by a thread that may wait.
pub trait Flows: Send {
    /// Makes the kernel forget all connections of these guests, by their own addresses, and no others; says how many
    /// those were. What is sent to such a guest from outside then goes nowhere.
    ///
    /// # Errors
    /// The kernel's. Some may be forgotten.
    fn forget(&mut self, guests: &BTreeSet<Ipv4Addr>) -> Result<usize>;

    /// The same for all addresses of a network, given with its prefix length, but `spared` ones.
    ///
    /// # Errors
    /// The kernel's. Some may be forgotten.
    fn forget_network(&mut self, network: (Ipv4Addr, u8), spared: &BTreeSet<Ipv4Addr>) -> Result<usize>;
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The kernel's number for it.
    pub index: u32,
    /// Its Ethernet address; zero if it has none.
    pub mac: MacAddr,
    /// Octets of the longest network-layer packet.
    pub mtu: u32,
    /// True if it is administratively up.
    pub up: bool,
    /// True for the loopback.
    pub loopback: bool,
    /// True for Ethernet and what looks like it.
    pub ethernet: bool,
    /// Index of the bridge or bond that it belongs to.
    pub master: Option<u32>,
    /// Index of the interface that its frames come through: the trunk of a VLAN.
    pub lower: Option<u32>,
    /// Its IPv4 addresses with prefix lengths.
    pub v4: Vec<(Ipv4Addr, u8)>,
}

/// Where packets go that no other route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// Name of the interface.
    pub interface: String,
    /// The next router; none on a point-to-point link.
    pub gateway: Option<Ipv4Addr>,
}

/// Kind of the device towards the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TunMode {
    /// Network-layer packets.
    #[default]
    Tun,
    /// Ethernet frames. The port adds and strips their headers and answers the kernel's ARP for every guest, so
    /// that both kinds behave alike; for those who want to see the guests on a bridge-like device.
    Tap,
}

/// The device towards the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunSpec {
    /// Name of the guests' interface whose packets it is for.
    pub lan: String,
    /// Name of the interface.
    pub name: String,
    /// TUN or TAP.
    pub mode: TunMode,
    /// Octets of the longest packet, as on the guests' LAN.
    pub mtu: u32,
    /// The gateway's address in the guests' network.
    pub address: Ipv4Addr,
    /// Length of the guests' network prefix; the kernel routes that network to the device.
    pub prefix: u8,
    /// Other networks that it routes there: those behind routers on the guests' network.
    pub routes: Vec<(Ipv4Addr, u8)>,
}

/// A static address for the uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkSpec {
    /// Name of the interface.
    pub interface: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Prefix length; 32 is common with rented servers.
    pub prefix: u8,
    /// The router. If it is not in the subnet of `address`, it is made reachable by a route to it alone.
    pub gateway: Ipv4Addr,
}

/// Whose packets the kernel may forward by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffloadSpec {
    /// Name of the guests' interface.
    pub lan: String,
    /// The gateway's address in the guests' network: what goes to or comes from there is ours.
    pub gateway: Ipv4Addr,
    /// Addresses elsewhere that stand for it.
    pub aliases: [Option<Ipv4Addr>; 2],
    /// The guests' network: they do not reach each other.
    pub guests: (Ipv4Addr, u8),
    /// Http of guests who are online is left to the packet threads, which divert it.
    pub diverts_http: bool,
    /// Guests that there can be.
    pub capacity: u32,
}

/// Packets that went through the offload, a super-packet as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Forwarded {
    /// From guests.
    pub up: u64,
    /// To guests.
    pub down: u64,
    /// Of those from guests, lost for want of memory.
    pub not_sent_up: u64,
    /// Of those to guests.
    pub not_sent_down: u64,
}

/// What the kernel forwards, and what of the gateway the guests can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardSpec {
    /// Name of the device made by [`System::create_tun`].
    pub tun: String,
    /// Names of the interfaces to the Internet, one or several.
    pub uplinks: Vec<String>,
    /// The gateway's address in the guests' network. Only guests and the machine itself reach it.
    pub gateway: Ipv4Addr,
    /// The guests' networks: only packets from these are forwarded.
    pub guests: Vec<(Ipv4Addr, u8)>,
    /// Rewrite the guests' addresses to the uplink's. Without it the network behind must have a route to them.
    pub masquerade: bool,
    /// TCP ports of the gateway's address that guests may connect to: the portal.
    pub tcp_ports: Vec<u16>,
    /// UDP ports of the same.
    pub udp_ports: Vec<u16>,
    /// The largest segment that TCP connections with guests agree on, in octets.
    pub max_segment: Option<u16>,
    /// Where what guests send to [`DIVERTED_PORT`](fastpath::verdict::DIVERTED_PORT) goes: an http proxy.
    pub http_proxy: Option<SocketAddrV4>,
}

/// Everything that [`System::undo`] could not take back.
#[derive(Debug)]
pub struct UndoErrors(pub Vec<Error>);

impl fmt::Display for UndoErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UndoErrors {}

/// Lets the process open as many files as its hard limit allows, and says how many that is: a portal for a thousand
/// guests has more connections than the usual soft limit.
///
/// # Errors
/// The kernel's.
pub fn raise_open_files() -> Result<u64> {
    let failed = |_| Error::kernel("raise the limit of open files", std::io::Error::last_os_error());
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit, which the call fills.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (got == 0).then_some(()).ok_or(()).map_err(failed)?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a live rlimit, which the call reads.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    (set == 0).then_some(()).ok_or(()).map_err(failed)?;
    #[allow(clippy::useless_conversion, reason = "the type is signed or narrower on other systems")]
    Ok(u64::try_from(limit.rlim_cur).unwrap_or(u64::MAX))
}

/// The user that the process acts as.
#[must_use]
pub fn user_id() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() }
}

/// Ends the processes of a group: asks them to, or with `by_force` does not. `leader` is a child of ours that nobody has
/// waited for, so that its number is no other's. Nothing happens if it leads no group.
pub fn end_group(leader: u32, by_force: bool) {
    // 0 would be our own group, and 1 everybody.
    let Some(group) = i32::try_from(leader).ok().filter(|leader| *leader > 1) else { return };
    // SAFETY: no pointers.
    unsafe {
        libc::kill(-group, if by_force { libc::SIGKILL } else { libc::SIGTERM });
    }
}

/// Gives memory back to the system that was taken in a rush and is free again. What is free stays with the process
/// otherwise, for the next rush.
pub fn give_memory_back() {
    // SAFETY: the call has no arguments that could be wrong, and may be made by any thread at any time.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
}

fn no_offload(lan: &str) -> Error {
    Error::refused(format!("load the offload for {lan}"), "only 64-bit Linux has one")
}

/// The time of the clock that never jumps, since the machine was started: the kernel's programs read the same one, and it
/// goes on when we are restarted.
#[must_use]
pub fn monotonic() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec, which the call fills; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The subnet mask of a prefix; lengths over 32 count as 32.
pub(crate) fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

/// True if both addresses are in the same network.
pub(crate) fn same_network(a: Ipv4Addr, b: Ipv4Addr, prefix: u8) -> bool {
    (u32::from(a) ^ u32::from(b)) & mask(prefix) == 0
}

/// What every implementation refuses of a LAN interface; `lock_lans` asks it too.
///
/// # Errors
/// What makes the interface unfit for guests, and what to do about it.
pub fn check_lan(lan: &Interface, default_route: Option<&DefaultRoute>) -> Result<()> {
    let name = &lan.name;
    let doing = || format!("use {name} as the guests' interface");
    if !lan.ethernet {
        return Err(Error::refused(doing(), "it is not an Ethernet interface"));
    }
    if default_route.is_some_and(|route| route.interface == *name) {
        return Err(Error::refused(doing(), "the default route goes through it")
            .hint("guests' interface and uplink must be two: swap --lan and --uplink, or remove the route"));
    }
    if let Some((address, prefix)) = lan.v4.first() {
        return Err(Error::refused(doing(), format!("it has the address {address}/{prefix}")).hint(format!(
            "the guests' interface has no address of its own; remove it with: ip addr flush dev {name}"
        )));
    }
    if lan.master.is_some() {
        return Err(Error::refused(doing(), "it is part of a bridge or bond")
            .hint(format!("name the bridge alone, or take it out with: ip link set {name} nomaster")));
    }
    Ok(())
}
