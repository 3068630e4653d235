//! Network namespaces: for the demonstration, which builds guests and an Internet of its own, and for tests.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;

use fastpath::port::LanPort;
use wire::MacAddr;

use super::lan::Lan;
pub use super::raw::RawPort;
use super::rtnetlink::{Route, Rtnetlink};
use super::{Host, offload, sys};
use crate::raw::Ignored;
use crate::{Error, Interface, Result, System, Waker};

/// A network namespace of our own; it vanishes with the last descriptor and process in it.
pub struct Netns {
    file: File,
}

impl Netns {
    /// A new namespace with only a loopback interface, which is up.
    ///
    /// # Errors
    /// The kernel's: it takes CAP_SYS_ADMIN, for instance after [`become_root`].
    pub fn new() -> Result<Self> {
        let made = thread::spawn(|| {
            sys::unshare(libc::CLONE_NEWNET).map_err(|e| Error::kernel("make a network namespace", e))?;
            let file =
                File::open("/proc/thread-self/ns/net").map_err(|e| Error::kernel("open a network namespace", e))?;
            set_up("lo")?;
            Ok(Self { file })
        });
        joined(made.join())
    }

    /// The namespace of the calling thread.
    ///
    /// # Errors
    /// If `/proc` is not there.
    pub fn current() -> Result<Self> {
        let file =
            File::open("/proc/thread-self/ns/net").map_err(|e| Error::kernel("open the network namespace", e))?;
        Ok(Self { file })
    }

    /// Runs `work` in the namespace, on a thread of its own, and waits for it. Sockets and devices that it opens
    /// stay in the namespace, wherever they are used; processes that it starts live there.
    ///
    /// # Panics
    /// If `work` does.
    ///
    /// # Errors
    /// If the namespace cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&self.file)?;
                Ok(work())
            });
            joined(thread.join())
        })
    }

    /// Moves the calling thread into the namespace, for good. Threads that it starts from now on are there too.
    ///
    /// # Errors
    /// If the namespace cannot be entered.
    pub fn enter(&self) -> Result<()> {
        enter(&self.file)
    }

    /// Runs two interfaces joined by a cable from here, `name`, into `other`, there called `other_name`, and brings
    /// both up.
    ///
    /// # Errors
    /// The kernel's; a name may be in use.
    pub fn cable(
        &self,
        name: &str,
        mac: Option<MacAddr>,
        other: &Self,
        other_name: &str,
        other_mac: Option<MacAddr>,
    ) -> Result<()> {
        self.run(|| {
            Rtnetlink::open()?.add_veth((name, mac), (other_name, other_mac), other.file.as_fd())?;
            set_up(name)
        })??;
        other.run(|| set_up(other_name))?
    }

    /// Removes an interface of the namespace.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.run(|| {
            let index = interface(name)?.index;
            Rtnetlink::open()?.delete_link(name, index)
        })?
    }

    /// Gives an interface of the namespace an address.
    ///
    /// # Errors
    /// The kernel's.
    pub fn add_address(&self, name: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
        self.run(|| {
            let index = interface(name)?.index;
            Rtnetlink::open()?.add_address(name, index, address, prefix)
        })?
    }

    /// Gives the namespace a route to a network by way of `gateway`; 0.0.0.0/0 is the default route.
    ///
    /// # Errors
    /// The kernel's.
    pub fn add_route(&self, network: (Ipv4Addr, u8), name: &str, gateway: Ipv4Addr) -> Result<()> {
        self.run(|| {
            let (destination, prefix) = network;
            let interface = interface(name)?.index;
            let gateway = Some(gateway);
            Rtnetlink::open()?.add_route(&Route { destination, prefix, gateway, interface, metric: 0 })
        })?
    }

    /// Opens an interface of the namespace for frames, beside the kernel, as a station's DHCP client does.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(&self, name: &str) -> Result<Arc<dyn LanPort>> {
        self.run(|| {
            let port: Arc<dyn LanPort> = Arc::new(Lan::open(&interface(name)?, &Waker::new()?, None)?);
            Ok(port)
        })?
    }

    /// Puts programs that look at nothing in the place of the offload's: what comes in on the LAN goes on as if it came
    /// from the TUN, what leaves by the TUN goes to `station` on the LAN. Nothing in that place can be faster. They go with
    /// the interfaces, or with the gateway's own programs.
    ///
    /// # Errors
    /// The kernel's, or it is no system with an offload.
    pub fn send_on_unseen(&self, lan: &str, tun: &str, station: MacAddr) -> Result<()> {
        self.run(|| offload::send_on(&interface(lan)?, &interface(tun)?, station))?
    }

    /// Opens an interface of the namespace for raw frames by the batch, beside the kernel and without the LAN's lock.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open_raw(&self, name: &str, ignored: Option<Ignored>) -> Result<RawPort> {
        self.run(|| RawPort::open(&interface(name)?, ignored))?
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Makes the process root in a user namespace of its own, where it may make network namespaces and nothing else.
/// Must be called before the process starts threads. Does nothing for root.
///
/// # Errors
/// If the administrator has forbidden user namespaces.
pub fn become_root() -> Result<()> {
    let (user, group) = sys::effective_ids();
    if user == 0 {
        return Ok(());
    }
    let doing = "become root in a user namespace";
    let explained = |e| {
        Error::kernel(doing, e)
            .hint("user namespaces may be switched off; run as root, or set kernel.unprivileged_userns_clone=1")
    };
    sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET).map_err(explained)?;
    // A process without privileges may map its group only after it has given up setgroups (user_namespaces(7)).
    for (file, text) in
        [("setgroups", "deny".to_owned()), ("uid_map", format!("0 {user} 1")), ("gid_map", format!("0 {group} 1"))]
    {
        fs::write(format!("/proc/self/{file}"), text).map_err(explained)?;
    }
    Ok(())
}

/// Has the process that `command` will start killed when the thread that starts it ends, however that happens.
pub fn die_with_us(command: &mut Command) {
    sys::die_with_parent(command);
}

/// Asks a process to end, with SIGTERM.
///
/// # Errors
/// The kernel's.
pub fn terminate(child: &Child) -> Result<()> {
    sys::terminate(child).map_err(|e| Error::kernel(format!("stop process {}", child.id()), e))
}

fn enter(namespace: &File) -> Result<()> {
    sys::enter_netns(namespace).map_err(|e| Error::kernel("enter a network namespace", e))
}

fn interface(name: &str) -> Result<Interface> {
    Host::new().interface(name)
}

fn set_up(name: &str) -> Result<()> {
    let index = interface(name)?.index;
    Rtnetlink::open()?.set_up(name, index, true)
}

fn joined<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
