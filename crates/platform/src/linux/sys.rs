//! Thin wrappers around the system calls that the standard library lacks.

use std::ffi::c_int;
use std::io;
use std::mem::{size_of, size_of_val, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use fastpath::port::Packet;

use crate::MAX_BATCH;

/// `if_packet.h`
const PACKET_AUXDATA: c_int = 8;
/// The kernel took a tag off the frame (`if_packet.h`).
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;
/// The tag's TPID is told as well.
const TP_STATUS_VLAN_TPID_VALID: u32 = 1 << 6;
/// Octets for one control message with a `tpacket_auxdata`, in words of eight.
const CONTROL_WORDS: usize = 8;

/// `struct tpacket_auxdata`
#[repr(C)]
#[derive(Clone, Copy)]
struct Auxdata {
    status: u32,
    len: u32,
    snaplen: u32,
    mac: u16,
    net: u16,
    vlan_tci: u16,
    vlan_tpid: u16,
}

/// What is known of a received frame beside its octets.
#[derive(Clone, Copy, Default)]
pub(super) struct Received {
    /// Octets written, offload header included.
    pub(super) len: usize,
    /// The frame was longer than the buffer.
    pub(super) truncated: bool,
    /// TCI and TPID of the tag that the kernel took off.
    pub(super) tag: Option<(u16, u16)>,
}

/// Makes a socket that neither blocks nor survives `exec`.
pub(super) fn socket(family: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; a descriptor that is returned is ours alone.
    unsafe {
        let fd = check(libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// `setsockopt` with a plain value.
pub(super) fn set_option<T: Copy>(fd: impl AsFd, level: c_int, option: c_int, value: T) -> io::Result<()> {
    // SAFETY: the pointer and length are those of `value`, which lives until the call returns.
    let result = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    check(result).map(drop)
}

/// Attaches a classic BPF program: frames for which it returns 0 are not received.
pub(super) fn attach_filter(fd: impl AsFd, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    set_option(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, filter)
}

/// Attaches an eBPF program of the kind socket filter, to the same effect.
pub(super) fn attach_program(fd: impl AsFd, program: BorrowedFd<'_>) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_ATTACH_BPF, program.as_raw_fd())
}

/// Binds a packet socket to one interface; from now on it receives that interface's frames.
pub(super) fn bind_packet(fd: impl AsFd, index: u32) -> io::Result<()> {
    // SAFETY: all zeros is a valid sockaddr_ll; pointer and length are its own.
    let result = unsafe {
        let mut address: libc::sockaddr_ll = zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = index as c_int;
        libc::bind(
            fd.as_fd().as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    check(result).map(drop)
}

/// Binds a netlink socket: from now on it hears of what happens in these groups.
pub(super) fn bind_netlink(fd: impl AsFd, groups: u32) -> io::Result<()> {
    // SAFETY: all zeros is a valid sockaddr_nl; pointer and length are its own.
    let result = unsafe {
        let mut address: libc::sockaddr_nl = zeroed();
        address.nl_family = libc::AF_NETLINK as u16;
        address.nl_groups = groups;
        libc::bind(
            fd.as_fd().as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_nl>() as libc::socklen_t,
        )
    };
    check(result).map(drop)
}

/// True if there is an interface with this number in the socket's network namespace.
pub(super) fn interface_exists(fd: impl AsFd, index: u32) -> bool {
    // SAFETY: all zeros is a valid ifreq, and SIOCGIFNAME writes inside of it only.
    unsafe {
        let mut request: libc::ifreq = zeroed();
        request.ifr_ifru.ifru_ifindex = index as c_int;
        libc::ioctl(fd.as_fd().as_raw_fd(), libc::SIOCGIFNAME as _, &raw mut request) == 0
    }
}

/// Receives as many frames as are there, at most `batch.len()` and [`MAX_BATCH`], each into its packet's memory
/// from octet `at` on. Does not wait.
pub(super) fn receive_frames(
    fd: impl AsFd,
    batch: &mut [Packet],
    at: usize,
) -> io::Result<([Received; MAX_BATCH], usize)> {
    let count = batch.len().min(MAX_BATCH);
    let mut controls = [[0u64; CONTROL_WORDS]; MAX_BATCH];
    let mut received = [Received::default(); MAX_BATCH];
    // SAFETY: all zeros is valid for iovec and mmsghdr. Each header points to its own iovec and control buffer, each
    // iovec to a different packet's memory; all of them live, unmoved, until the call has returned, and carry
    // their true lengths. The control messages are walked with the macros made for it, inside the length that the
    // kernel has set.
    unsafe {
        let mut vectors: [libc::iovec; MAX_BATCH] = zeroed();
        let mut headers: [libc::mmsghdr; MAX_BATCH] = zeroed();
        for (n, packet) in batch.iter_mut().take(count).enumerate() {
            let memory = &mut packet.memory_mut()[at..];
            vectors[n].iov_base = memory.as_mut_ptr().cast();
            vectors[n].iov_len = memory.len();
            let header = &mut headers[n].msg_hdr;
            header.msg_iov = &raw mut vectors[n];
            header.msg_iovlen = 1;
            header.msg_control = controls[n].as_mut_ptr().cast();
            header.msg_controllen = size_of_val(&controls[n]) as _;
        }
        let done = check(libc::recvmmsg(
            fd.as_fd().as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT as _,
            std::ptr::null_mut(),
        ))? as usize;
        for (header, received) in headers.iter().zip(&mut received).take(done) {
            received.len = header.msg_len as usize;
            received.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            received.tag = tag_of(&header.msg_hdr);
        }
        Ok((received, done))
    }
}

/// Sends the frames of those packets of the batch that `which` names, at most [`MAX_BATCH`], each from the octet of its
/// memory on that `starts` says. Does not wait. Says how many the kernel took, at least one; the error is the first one's.
pub(super) fn send_frames(fd: impl AsFd, batch: &[Packet], which: &[usize], starts: &[usize]) -> io::Result<usize> {
    let count = which.len().min(MAX_BATCH);
    // SAFETY: all zeros is valid for iovec and mmsghdr. Each header points to its own iovec, each iovec to the memory of a
    // packet, with its true length; all of them live, unmoved, until the call has returned, and the kernel only reads
    // what an iovec of a message that is sent points to.
    let sent = unsafe {
        let mut vectors: [libc::iovec; MAX_BATCH] = zeroed();
        let mut headers: [libc::mmsghdr; MAX_BATCH] = zeroed();
        for (n, (&index, &start)) in which.iter().zip(starts).take(count).enumerate() {
            let bytes = batch[index].from(start);
            vectors[n].iov_base = bytes.as_ptr().cast_mut().cast();
            vectors[n].iov_len = bytes.len();
            headers[n].msg_hdr.msg_iov = &raw mut vectors[n];
            headers[n].msg_hdr.msg_iovlen = 1;
        }
        check(libc::sendmmsg(
            fd.as_fd().as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT as _,
        ))?
    };
    Ok(sent.cast_unsigned() as usize)
}

/// The tag in a frame's control message.
///
/// # Safety
/// `header` must be as the kernel left it, its control buffer alive.
unsafe fn tag_of(header: &libc::msghdr) -> Option<(u16, u16)> {
    // SAFETY: by the caller's promise; the data is read unaligned and only if it is as long as what we read.
    unsafe {
        let control = libc::CMSG_FIRSTHDR(header);
        if control.is_null()
            || (*control).cmsg_level != libc::SOL_PACKET
            || (*control).cmsg_type != PACKET_AUXDATA
            || ((*control).cmsg_len as usize) < libc::CMSG_LEN(size_of::<Auxdata>() as u32) as usize
        {
            return None;
        }
        let aux = libc::CMSG_DATA(control).cast::<Auxdata>().read_unaligned();
        let tpid =
            if aux.status & TP_STATUS_VLAN_TPID_VALID != 0 { aux.vlan_tpid } else { crate::framing::ETHERTYPE_VLAN };
        (aux.status & TP_STATUS_VLAN_VALID != 0).then_some((aux.vlan_tci, tpid))
    }
}

/// TUNSETIFF: makes the device; an existing one of that name is refused with EBUSY.
pub(super) fn tun_create(fd: impl AsFd, name: &[u8; libc::IFNAMSIZ], flags: c_int) -> io::Result<()> {
    // SAFETY: all zeros is a valid ifreq; the kernel reads and writes it alone.
    let result = unsafe {
        let mut request: libc::ifreq = zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(name) {
            *to = *from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = flags as libc::c_short;
        libc::ioctl(fd.as_fd().as_raw_fd(), libc::TUNSETIFF as _, &raw mut request)
    };
    check(result).map(drop)
}

/// TUNSETOWNER, to the user that we are: one without an owner is everybody's who can open /dev/net/tun.
pub(super) fn tun_own(fd: impl AsFd) -> io::Result<()> {
    // SAFETY: the argument is a number.
    check(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TUNSETOWNER as _, libc::c_ulong::from(libc::geteuid())) })
        .map(drop)
}

/// TUNSETPERSIST: the device stays when it is closed.
pub(super) fn tun_persist(fd: impl AsFd) -> io::Result<()> {
    // SAFETY: the argument is a number.
    check(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TUNSETPERSIST as _, 1 as libc::c_ulong) }).map(drop)
}

/// TUNSETOFFLOAD: what the kernel may leave to us in packets that we read.
pub(super) fn tun_offload(fd: impl AsFd, features: libc::c_uint) -> io::Result<()> {
    // SAFETY: the argument is a number.
    check(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(features)) })
        .map(drop)
}

/// TUNSETVNETHDRSZ: octets of the offload header.
pub(super) fn tun_header_len(fd: impl AsFd, len: c_int) -> io::Result<()> {
    // SAFETY: the kernel reads one int.
    check(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TUNSETVNETHDRSZ as _, &raw const len) }).map(drop)
}

/// Gives the calling thread a new namespace of the given kinds.
pub(super) fn unshare(kinds: c_int) -> io::Result<()> {
    // SAFETY: no pointers; only the calling thread changes.
    check(unsafe { libc::unshare(kinds) }).map(drop)
}

/// Moves the calling thread into a network namespace.
pub(super) fn enter_netns(fd: impl AsFd) -> io::Result<()> {
    // SAFETY: no pointers; only the calling thread changes.
    check(unsafe { libc::setns(fd.as_fd().as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// The process gets SIGKILL when the thread that has started it ends.
pub(super) fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    let ask = move || {
        // SAFETY: no pointers; both calls are allowed between fork and exec.
        let orphaned = unsafe {
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong))?;
            libc::getppid().cast_unsigned() != parent
        };
        // A parent that ended before the request will never end again.
        if orphaned { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    };
    // SAFETY: `ask` allocates nothing and takes no lock.
    unsafe { command.pre_exec(ask) };
}

/// Sends SIGTERM. The process is not reaped while its `Child` is borrowed, so that the number is still its own.
pub(super) fn terminate(child: &Child) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) }).map(drop)
}

/// User and group that the process acts as.
pub(super) fn effective_ids() -> (u32, u32) {
    // SAFETY: these cannot fail and take nothing.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
