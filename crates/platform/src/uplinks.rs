//! Several uplinks at a time: what a system must do so that each guest leaves by one of them.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use crate::{Error, Result};

/// Most uplinks that there can be: what marks a packet for one of them has four bits.
pub const MAX_UPLINKS: usize = 8;
/// Parts into which guests are divided by a hash of their address, so that weights are kept to a tenth of a percent.
pub const GUEST_PARTS: u32 = 1024;

/// What [`System::several_uplinks`](crate::System::several_uplinks) is to divide guests between.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UplinksSpec {
    /// At most [`MAX_UPLINKS`].
    pub lines: Vec<UplinkLine>,
    /// Names of the TUNs, and the guests' network behind each.
    pub guests: Vec<(String, (Ipv4Addr, u8))>,
}

/// One uplink of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkLine {
    /// Name of the interface.
    pub interface: String,
    /// Its router; without one that of the interface's best default route is taken, as it is at the moment.
    pub gateway: Option<Ipv4Addr>,
}

/// What the system knows of an uplink.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LinkState {
    /// The interface's number, while it is there, up, and has a carrier.
    pub working: Option<u32>,
    /// Its own addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// The way beyond it, if there is one.
    pub hop: Option<Hop>,
}

/// The next router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// At this address on the link.
    Gateway(Ipv4Addr),
    /// Whoever is at the other end.
    PointToPoint,
}

impl Hop {
    /// Its address, if it has one.
    #[must_use]
    pub fn gateway(self) -> Option<Ipv4Addr> {
        match self {
            Self::Gateway(gateway) => Some(gateway),
            Self::PointToPoint => None,
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(gateway) => gateway.fmt(f),
            Self::PointToPoint => f.write_str("point to point"),
        }
    }
}

/// Who leaves where.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// Guests' new connections: in ascending order, up to which of [`GUEST_PARTS`] (exclusive) they leave by which
    /// uplink. The last one ends at [`GUEST_PARTS`].
    pub shares: Vec<(u32, usize)>,
    /// The machine's own packets, where no other route takes them.
    pub own: usize,
    /// Those that are used; what comes from the address of another one leaves by [`Plan::own`].
    pub used: Vec<bool>,
}

/// Which socket a probe needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeSocket {
    /// ICMP messages; what is received begins with the IPv4 header.
    Icmp,
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
}

/// The system's side of several uplinks. From any thread; all of it asks the kernel and may wait for it a little.
pub trait Uplinks: Send + Sync {
    /// How each uplink is, in their order.
    ///
    /// # Errors
    /// The kernel's.
    fn look(&self) -> Result<Vec<LinkState>>;

    /// Has guests and the machine's own packets leave as planned, with the routes that the uplinks have now. Connections
    /// that there are go on where they are. What is so already stays untouched, so it may be called again and again: it
    /// puts back what others took away.
    ///
    /// # Errors
    /// The kernel's.
    fn steer(&self, links: &[LinkState], plan: &Plan) -> Result<()>;

    /// Makes the kernel forget connections by this uplink, guests' and own ones: the next packet of each is that of a new
    /// one, which leaves elsewhere. Says how many.
    ///
    /// # Errors
    /// The kernel's. Some may be forgotten.
    fn forget(&self, uplink: usize, addresses: &[Ipv4Addr]) -> Result<usize>;

    /// A socket that does not block, and whose packets leave by this uplink whatever the plan is.
    ///
    /// # Errors
    /// The kernel's.
    fn socket(&self, uplink: usize, kind: ProbeSocket) -> io::Result<OwnedFd>;
}

/// For systems that have no such routing here yet.
pub(crate) fn not_here() -> Error {
    Error::refused("use several uplinks ([[uplink.line]])", "not on this system yet")
}
