//! What we tell the BSD kernels, as bytes.
//!
//! Requests are encoded from a small table of facts (system, word size) and not as `#[repr(C)]` structures: so the
//! encoders of every BSD are tested on any machine, against images that a C compiler made from the systems' headers.
//! Numbers of ioctls are those of the same headers.

use std::net::Ipv4Addr;
use std::ops::Range;

use crate::mask;

/// The systems.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Os {
    Free,
    Net,
    Open,
}

/// What varies between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abi {
    pub(crate) os: Os,
    /// Octets of a pointer.
    pub(crate) word: usize,
    /// Octets of `time_t`: 4 only on 32-bit x86 FreeBSD.
    pub(crate) time: usize,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Gateway(Ipv4Addr),
    /// On the link of the interface with this number.
    Interface(u16),
}

/// `RTM_ADD` and `RTM_DELETE`, the same everywhere.
pub(crate) const RTM_ADD: u8 = 1;
pub(crate) const RTM_DELETE: u8 = 2;

const IFNAMSIZ: usize = 16;
const RTF_UP: i32 = 1;
const RTF_GATEWAY: i32 = 2;
const RTF_HOST: i32 = 4;
const RTF_STATIC: i32 = 0x800;
/// RTF_CLONING on OpenBSD and RTF_CONNECTED on NetBSD are the same bit; FreeBSD has neither.
const RTF_ON_LINK: i32 = 0x100;
const RTA_DST: i32 = 1;
const RTA_GATEWAY: i32 = 2;
const RTA_NETMASK: i32 = 4;
const AF_INET: u8 = 2;
const AF_LINK: u8 = 18;

impl Abi {
    /// The system that this was compiled for.
    #[cfg(not(target_os = "linux"))]
    pub(crate) const HOST: Self = Self {
        os: if cfg!(target_os = "netbsd") {
            Os::Net
        } else if cfg!(target_os = "openbsd") {
            Os::Open
        } else {
            Os::Free
        },
        word: size_of::<usize>(),
        time: size_of::<libc::time_t>(),
    };

    /// Octets of `struct ifreq`.
    pub(crate) const fn ifreq_len(self) -> usize {
        if matches!(self.os, Os::Net) { 144 } else { 32 }
    }

    /// An ioctl whose argument is an ifreq: its number contains that size.
    const fn on_ifreq(self, direction: u32, number: u32) -> u32 {
        direction | (self.ifreq_len() as u32) << 16 | (b'i' as u32) << 8 | number
    }

    /// SIOCAIFADDR: adds an address.
    pub(crate) const fn siocaifaddr(self) -> u32 {
        if matches!(self.os, Os::Free) { 0x8044_692b } else { 0x8040_691a }
    }

    /// SIOCDIFADDR: removes an address; takes an ifreq.
    pub(crate) const fn siocdifaddr(self) -> u32 {
        self.on_ifreq(IN, 0x19)
    }

    /// SIOCGIFFLAGS
    pub(crate) const fn siocgifflags(self) -> u32 {
        self.on_ifreq(IN | OUT, 0x11)
    }

    /// SIOCSIFFLAGS
    pub(crate) const fn siocsifflags(self) -> u32 {
        self.on_ifreq(IN, 0x10)
    }

    /// SIOCGIFMTU
    pub(crate) const fn siocgifmtu(self) -> u32 {
        self.on_ifreq(IN | OUT, if matches!(self.os, Os::Free) { 0x33 } else { 0x7e })
    }

    /// SIOCSIFMTU
    pub(crate) const fn siocsifmtu(self) -> u32 {
        self.on_ifreq(IN, if matches!(self.os, Os::Free) { 0x34 } else { 0x7f })
    }

    /// SIOCIFDESTROY
    pub(crate) const fn siocifdestroy(self) -> u32 {
        self.on_ifreq(IN, 0x79)
    }

    /// BIOCSETIF: takes an ifreq.
    pub(crate) const fn biocsetif(self) -> u32 {
        IN | (self.ifreq_len() as u32) << 16 | 0x426c
    }

    /// BIOCSDIRECTION and what it is called elsewhere: which direction is seen.
    pub(crate) const fn biocsdirection(self) -> u32 {
        match self.os {
            Os::Free => 0x8004_4277,
            Os::Net => 0x8004_4279,
            Os::Open => 0x8004_427d,
        }
    }

    /// Its argument for "incoming only". OpenBSD's names what is filtered out.
    pub(crate) const fn incoming_only(self) -> u32 {
        if matches!(self.os, Os::Open) { 2 } else { 0 }
    }

    /// TUNSIFHEAD: each packet begins with its address family. OpenBSD's always do.
    pub(crate) const fn tunsifhead(self) -> Option<u32> {
        match self.os {
            Os::Free => Some(0x8004_7460),
            Os::Net => Some(0x8004_7442),
            Os::Open => None,
        }
    }

    /// TUNSIFMODE: subnet or point to point. OpenBSD knows point to point only.
    pub(crate) const fn tunsifmode(self) -> Option<u32> {
        match self.os {
            Os::Free => Some(0x8004_745e),
            Os::Net => Some(0x8004_7458),
            Os::Open => None,
        }
    }

    /// The number of IPv6 in the address family field.
    pub(crate) const fn af_inet6(self) -> u8 {
        if matches!(self.os, Os::Free) { 28 } else { 24 }
    }

    /// The number of the routing socket's family.
    pub(crate) const fn pf_route(self) -> i32 {
        if matches!(self.os, Os::Net) { 34 } else { 17 }
    }

    /// Records of bpf begin at multiples of this.
    pub(crate) const fn bpf_alignment(self) -> usize {
        if matches!(self.os, Os::Open) { 4 } else { self.word }
    }

    /// Where a record's length is in its header, behind the time stamp.
    pub(crate) const fn bpf_caplen_at(self) -> usize {
        match (self.os, self.word) {
            (Os::Free, _) => 2 * self.time,
            (Os::Net, 8) => 16,
            (Os::Net | Os::Open, _) => 8,
        }
    }

    const fn rtm_len(self) -> usize {
        match (self.os, self.word) {
            (Os::Free, 8) => 152,
            (Os::Free, _) => 92,
            (Os::Net, _) => 120,
            (Os::Open, _) => 96,
        }
    }

    const fn sockaddr_alignment(self) -> usize {
        if matches!(self.os, Os::Net) { 8 } else { self.word }
    }

    const fn sockaddr_dl_len(self) -> usize {
        if matches!(self.os, Os::Free) { 54 } else { 32 }
    }

    /// `struct ifreq` with nothing but the name; `None` if that is no name of an interface.
    pub(crate) fn ifreq(self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.ifreq_len()];
        put_name(&mut bytes, name)?;
        Some(bytes)
    }

    /// The same with flags.
    pub(crate) fn ifreq_flags(self, name: &str, flags: u16) -> Option<Vec<u8>> {
        let mut bytes = self.ifreq(name)?;
        put(&mut bytes, IFNAMSIZ, &flags.to_ne_bytes());
        Some(bytes)
    }

    /// The same with an MTU.
    pub(crate) fn ifreq_mtu(self, name: &str, mtu: u32) -> Option<Vec<u8>> {
        let mut bytes = self.ifreq(name)?;
        put(&mut bytes, IFNAMSIZ, &mtu.to_ne_bytes());
        Some(bytes)
    }

    /// The same with an address, for SIOCDIFADDR.
    pub(crate) fn ifreq_address(self, name: &str, address: Ipv4Addr) -> Option<Vec<u8>> {
        let mut bytes = self.ifreq(name)?;
        put(&mut bytes, IFNAMSIZ, &sockaddr_in(address));
        Some(bytes)
    }

    /// `struct in_aliasreq` for SIOCAIFADDR; `peer` is the far end of a point-to-point interface.
    pub(crate) fn in_aliasreq(
        self,
        name: &str,
        address: Ipv4Addr,
        peer: Option<Ipv4Addr>,
        prefix: u8,
    ) -> Option<Vec<u8>> {
        let mut bytes = vec![0; if self.os == Os::Free { 68 } else { 64 }];
        put_name(&mut bytes, name)?;
        put(&mut bytes, 16, &sockaddr_in(address));
        if let Some(peer) = peer {
            put(&mut bytes, 32, &sockaddr_in(peer));
        }
        put(&mut bytes, 48, &sockaddr_in(Ipv4Addr::from(mask(prefix))));
        Some(bytes)
    }

    /// A message for the routing socket.
    pub(crate) fn route(self, command: u8, seq: i32, destination: Ipv4Addr, prefix: u8, via: Via) -> Vec<u8> {
        let mut flags = RTF_UP | RTF_STATIC;
        let mut present = RTA_DST | RTA_GATEWAY | RTA_NETMASK;
        let mut index = 0;
        let mut addresses = vec![sockaddr_in(destination).to_vec()];
        match via {
            Via::Gateway(gateway) => {
                flags |= RTF_GATEWAY;
                addresses.push(sockaddr_in(gateway).to_vec());
            }
            Via::Interface(number) => {
                index = number;
                addresses.push(self.sockaddr_dl(number));
                if self.os != Os::Free {
                    flags |= RTF_ON_LINK;
                }
            }
        }
        // FreeBSD takes a host route without a mask; the others a /32 that clones or is connected.
        if self.os == Os::Free && prefix == 32 {
            flags |= RTF_HOST;
            present &= !RTA_NETMASK;
        } else {
            addresses.push(sockaddr_in(Ipv4Addr::from(mask(prefix))).to_vec());
        }
        let mut bytes = vec![0; self.rtm_len()];
        for address in addresses {
            bytes.extend_from_slice(&address);
            bytes.resize(bytes.len().next_multiple_of(self.sockaddr_alignment()), 0);
        }
        let len = bytes.len() as u16;
        put(&mut bytes, 0, &len.to_ne_bytes());
        bytes[2] = if self.os == Os::Net { 4 } else { 5 };
        bytes[3] = command;
        let (index_at, flags_at, seq_at) = if self.os == Os::Open { (6, 16, 28) } else { (4, 8, 20) };
        if self.os == Os::Open {
            put(&mut bytes, 4, &(self.rtm_len() as u16).to_ne_bytes());
        }
        put(&mut bytes, index_at, &index.to_ne_bytes());
        put(&mut bytes, flags_at, &flags.to_ne_bytes());
        put(&mut bytes, 12, &present.to_ne_bytes());
        put(&mut bytes, seq_at, &seq.to_ne_bytes());
        bytes
    }

    fn sockaddr_dl(self, index: u16) -> Vec<u8> {
        let mut bytes = vec![0; self.sockaddr_dl_len()];
        bytes[0] = self.sockaddr_dl_len() as u8;
        bytes[1] = AF_LINK;
        put(&mut bytes, 2, &index.to_ne_bytes());
        bytes
    }
}

/// The kernel reads (IOC_IN) or writes (IOC_OUT) the argument.
const IN: u32 = 0x8000_0000;
const OUT: u32 = 0x4000_0000;

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn put_name(bytes: &mut [u8], name: &str) -> Option<()> {
    if name.is_empty() || name.len() >= IFNAMSIZ || name.bytes().any(|b| b == 0) {
        return None;
    }
    put(bytes, 0, name.as_bytes());
    Some(())
}

fn sockaddr_in(address: Ipv4Addr) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&[16, AF_INET]);
    bytes[4..8].copy_from_slice(&address.octets());
    bytes
}

/// One record in what was read from a bpf descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BpfRecord {
    /// Where its frame is.
    pub(crate) frame: Range<usize>,
    /// The frame was not cut.
    pub(crate) whole: bool,
    /// Where the next record begins; may be beyond the end.
    pub(crate) next: usize,
}

/// The record at `start`; `None` at the end, and if it is cut short.
pub(crate) fn bpf_record(abi: Abi, bytes: &[u8], start: usize) -> Option<BpfRecord> {
    let at = abi.bpf_caplen_at();
    let record = bytes.get(start..)?;
    let lengths = record.get(at..at + 10)?;
    let word = |i: usize| u32::from_ne_bytes([lengths[i], lengths[i + 1], lengths[i + 2], lengths[i + 3]]);
    let (captured, on_wire) = (word(0), word(4));
    let header = usize::from(u16::from_ne_bytes([lengths[8], lengths[9]]));
    let end = header.checked_add(captured as usize)?;
    // A header that ends before its own lengths would let the walk stand still.
    if header < at + 10 || end > record.len() {
        return None;
    }
    Some(BpfRecord {
        frame: start + header..start + end,
        whole: captured == on_wire,
        next: start + end.next_multiple_of(abi.bpf_alignment()),
    })
}

/// The IPv4 default route in what the routing table's sysctl gave: number of its interface, and its gateway.
pub(crate) fn default_route(abi: Abi, mut bytes: &[u8]) -> Option<(u16, Option<Ipv4Addr>)> {
    loop {
        let header = bytes.get(..abi.rtm_len())?;
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let (index_at, flags_at) = if abi.os == Os::Open { (6, 16) } else { (4, 8) };
        let word = |at: usize| i32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (flags, present) = (word(flags_at), word(12));
        let mut addresses = bytes.get(abi.rtm_len()..len)?;
        let mut found: [Option<Option<Ipv4Addr>>; 3] = [None; 3];
        for (bit, found) in [RTA_DST, RTA_GATEWAY, RTA_NETMASK].into_iter().zip(&mut found) {
            if present & bit == 0 {
                continue;
            }
            let sa_len = usize::from(*addresses.first()?);
            *found = Some(addresses.get(..sa_len).and_then(ipv4_of));
            // A mask of length zero still takes a word.
            let padded = sa_len.max(1).next_multiple_of(abi.sockaddr_alignment());
            addresses = addresses.get(padded..).unwrap_or_default();
        }
        let [destination, gateway, netmask] = found;
        // The kernel cuts a mask's zeros off, so "no bits" is a mask without an address.
        let no_bits = matches!(netmask, Some(None | Some(Ipv4Addr::UNSPECIFIED)));
        if flags & RTF_UP != 0 && destination == Some(Some(Ipv4Addr::UNSPECIFIED)) && no_bits {
            let index = u16::from_ne_bytes([header[index_at], header[index_at + 1]]);
            return Some((index, gateway.flatten()));
        }
        bytes = bytes.get(len..)?;
    }
}

/// The address of a `sockaddr_in`.
pub(crate) fn ipv4_of(sockaddr: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = sockaddr.get(4..8)?.try_into().ok()?;
    (sockaddr[1] == AF_INET).then_some(Ipv4Addr::from(octets))
}

/// Number, Ethernet type and address of an interface, from its `sockaddr_dl`.
pub(crate) fn link_address(sockaddr: &[u8]) -> Option<(u16, u8, Option<[u8; 6]>)> {
    let header = sockaddr.get(..8)?;
    if header[1] != AF_LINK {
        return None;
    }
    let at = 8 + usize::from(header[5]);
    let mac = sockaddr.get(at..at + usize::from(header[6])).and_then(|mac| mac.try_into().ok());
    Some((u16::from_ne_bytes([header[2], header[3]]), header[4], mac))
}

#[cfg(test)]
#[path = "abi_tests.rs"]
mod tests;
