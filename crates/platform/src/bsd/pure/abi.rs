//! Numbers of the BSD kernels: of requests, of flags, and of octets before a field.
//!
//! They vary with the system and the word size and are not taken from `#[repr(C)]` structures: so those of every BSD are
//! tested on any machine. Each of them is in `facts.txt`, from which CI makes assertions that the systems' own headers are
//! compiled with.

/// The systems.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Os {
    Free,
    Net,
    Open,
}

/// What varies between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abi {
    pub(crate) os: Os,
    /// Octets of a pointer.
    pub(crate) word: usize,
    /// Octets of `time_t`: 4 only on 32-bit x86 FreeBSD.
    pub(crate) time: usize,
}

/// The same everywhere.
pub(crate) const IFNAMSIZ: usize = 16;
pub(crate) const IFF_UP: u16 = 1;
pub(crate) const IFF_BROADCAST: u16 = 2;
pub(crate) const IFF_LOOPBACK: u16 = 8;
pub(crate) const IFF_MULTICAST: u16 = 0x8000;
pub(crate) const IFT_ETHER: u8 = 6;
pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_LINK: u8 = 18;
pub(crate) const CTL_NET: i32 = 4;
pub(crate) const NET_RT_DUMP: i32 = 1;
pub(crate) const IPPROTO_IP: i32 = 0;
pub(crate) const IPCTL_FORWARDING: i32 = 1;
pub(crate) const RTM_ADD: u8 = 1;
pub(crate) const RTM_DELETE: u8 = 2;
pub(crate) const RTF_UP: i32 = 1;
pub(crate) const RTF_GATEWAY: i32 = 2;
pub(crate) const RTF_HOST: i32 = 4;
pub(crate) const RTF_STATIC: i32 = 0x800;
pub(crate) const RTA_DST: i32 = 1;
pub(crate) const RTA_GATEWAY: i32 = 2;
pub(crate) const RTA_NETMASK: i32 = 4;
pub(crate) const BIOCSBLEN: u32 = 0xc004_4266;
pub(crate) const BIOCGDLT: u32 = 0x4004_426a;
pub(crate) const BIOCIMMEDIATE: u32 = 0x8004_4270;
pub(crate) const BIOCSHDRCMPLT: u32 = 0x8004_4275;
pub(crate) const DLT_EN10MB: u32 = 1;

/// FreeBSD's `cap_rights_t` (Capsicum) of a descriptor that is read, written and waited for, and nothing else: CAP_READ and
/// CAP_WRITE in the first word, CAP_EVENT in the second. Each word says at bit 57 and above which one it is.
#[cfg(any(target_os = "freebsd", test))]
pub(crate) const CARRY_RIGHTS: [u64; 2] = [1 << 57 | 0x3, 2 << 57 | 0x20];

/// `struct ifreq`: what is asked for or told stands behind the name. FreeBSD has further flags behind the flags.
pub(crate) const IFREQ_VALUE_AT: usize = IFNAMSIZ;
pub(crate) const IFREQ_FLAGS_HIGH_AT: usize = IFREQ_VALUE_AT + 2;

/// `struct in_aliasreq`
pub(crate) const ALIAS_ADDRESS_AT: usize = 16;
pub(crate) const ALIAS_PEER_AT: usize = 32;
pub(crate) const ALIAS_MASK_AT: usize = 48;

/// `struct sockaddr_in`
pub(crate) const SIN_LEN: usize = 16;
pub(crate) const SIN_ADDRESS_AT: usize = 4;

/// Of every `sockaddr`, behind its length.
pub(crate) const SA_FAMILY_AT: usize = 1;

/// `struct sockaddr_dl`
pub(crate) const SDL_INDEX_AT: usize = 2;
pub(crate) const SDL_TYPE_AT: usize = 4;
pub(crate) const SDL_NAME_LEN_AT: usize = 5;
pub(crate) const SDL_ADDRESS_LEN_AT: usize = 6;
pub(crate) const SDL_DATA_AT: usize = 8;

/// `struct rt_msghdr`, the fields that stand at one place everywhere.
pub(crate) const RTM_VERSION_AT: usize = 2;
pub(crate) const RTM_TYPE_AT: usize = 3;
pub(crate) const RTM_ADDRS_AT: usize = 12;

/// The kernel reads (IOC_IN) or writes (IOC_OUT) the argument.
const IN: u32 = 0x8000_0000;
const OUT: u32 = 0x4000_0000;

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

    /// Octets of `struct in_aliasreq`.
    pub(crate) const fn in_aliasreq_len(self) -> usize {
        if matches!(self.os, Os::Free) { 68 } else { 64 }
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

    /// BIOCSETF: which frames are seen. Takes a `bpf_program`, which is a length and a pointer.
    pub(crate) const fn biocsetf(self) -> u32 {
        self.on_program(0x67)
    }

    /// BIOCSETWF: which frames may be sent.
    pub(crate) const fn biocsetwf(self) -> u32 {
        self.on_program(match self.os {
            Os::Free => 0x7b,
            Os::Net => 0x7f,
            Os::Open => 0x77,
        })
    }

    const fn on_program(self, number: u32) -> u32 {
        IN | (2 * self.word as u32) << 16 | (b'B' as u32) << 8 | number
    }

    /// BIOCLOCK: from now on the descriptor's filters and interface stay as they are.
    pub(crate) const fn bioclock(self) -> u32 {
        match self.os {
            Os::Free => 0x2000_427a,
            Os::Net => 0x2000_427e,
            Os::Open => 0x2000_4276,
        }
    }

    /// BIOCSFILDROP with BPF_FILDROP_CAPTURE: what we see, the kernel's stack does not.
    pub(crate) const fn biocsfildrop(self) -> Option<(u32, u32)> {
        if matches!(self.os, Os::Open) { Some((0x8004_4279, 1)) } else { None }
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

    /// Octets of `struct rt_msghdr`.
    pub(crate) const fn rtm_len(self) -> usize {
        match (self.os, self.word) {
            (Os::Free, 8) => 152,
            (Os::Free, _) => 92,
            (Os::Net, _) => 120,
            (Os::Open, _) => 96,
        }
    }

    /// RTM_VERSION
    pub(crate) const fn rtm_version(self) -> u8 {
        if matches!(self.os, Os::Net) { 4 } else { 5 }
    }

    /// Where OpenBSD wants to be told how long the header is.
    pub(crate) const fn rtm_hdrlen_at(self) -> Option<usize> {
        if matches!(self.os, Os::Open) { Some(4) } else { None }
    }

    pub(crate) const fn rtm_index_at(self) -> usize {
        if matches!(self.os, Os::Open) { 6 } else { 4 }
    }

    pub(crate) const fn rtm_flags_at(self) -> usize {
        if matches!(self.os, Os::Open) { 16 } else { 8 }
    }

    pub(crate) const fn rtm_seq_at(self) -> usize {
        if matches!(self.os, Os::Open) { 28 } else { 20 }
    }

    /// Of a route to what is on the link: RTF_CLONING on OpenBSD and RTF_CONNECTED on NetBSD. FreeBSD has neither.
    pub(crate) const fn rtf_on_link(self) -> i32 {
        if matches!(self.os, Os::Free) { 0 } else { 0x100 }
    }

    /// Addresses in messages of the routing socket are padded to this.
    pub(crate) const fn sockaddr_alignment(self) -> usize {
        if matches!(self.os, Os::Net) { 8 } else { self.word }
    }

    /// Octets of `struct sockaddr_dl`.
    pub(crate) const fn sockaddr_dl_len(self) -> usize {
        if matches!(self.os, Os::Free) { 54 } else { 32 }
    }
}

/// Those that CI has headers of; 64-bit systems are the same on every processor.
#[cfg(test)]
pub(crate) mod systems {
    use super::{Abi, Os};

    pub(crate) const FREEBSD: Abi = Abi { os: Os::Free, word: 8, time: 8 };
    pub(crate) const FREEBSD_I386: Abi = Abi { os: Os::Free, word: 4, time: 4 };
    pub(crate) const FREEBSD_ARMV7: Abi = Abi { os: Os::Free, word: 4, time: 8 };
    pub(crate) const NETBSD: Abi = Abi { os: Os::Net, word: 8, time: 8 };
    pub(crate) const NETBSD_32: Abi = Abi { os: Os::Net, word: 4, time: 8 };
    pub(crate) const OPENBSD: Abi = Abi { os: Os::Open, word: 8, time: 8 };
    pub(crate) const OPENBSD_32: Abi = Abi { os: Os::Open, word: 4, time: 8 };
}

#[cfg(test)]
#[path = "abi_tests.rs"]
mod tests;
