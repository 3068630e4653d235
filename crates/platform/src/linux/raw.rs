//! A raw packet port: whatever is on the wire, to and from user space, many frames in one system call.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use super::sys;
use crate::raw::{Ignored, Inbox, Outbox};
use crate::{Error, Interface, Result};

/// Frames in one system call. More saves no time: the frame itself costs a hundred times its share of the call.
const BATCH: usize = 64;
/// Octets that may wait to be read: what ten thousand guests are answered at once.
const RECEIVE_BUFFER: i32 = 64 << 20;
/// `if_packet.h`
const PACKET_IGNORE_OUTGOING: i32 = 23;

/// An interface opened for frames, beside the kernel. The interface is not locked, and nothing of it is changed.
pub struct RawPort {
    socket: OwnedFd,
}

impl RawPort {
    pub(super) fn open(interface: &Interface, ignored: Option<Ignored>) -> Result<Self> {
        let what = |step: &'static str| {
            let name = interface.name.clone();
            move |e: io::Error| Error::kernel(format!("{step} {name}"), e)
        };
        // Protocol 0: not a frame arrives before the socket is bound to its interface and filtered.
        let socket = sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0).map_err(what("make a packet socket for"))?;
        sys::set_option(&socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1i32)
            .map_err(what("ask for incoming frames only on"))?;
        sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BUFFER)
            .or_else(|_| sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BUFFER))
            .map_err(what("size the buffer of"))?;
        if let Some(ignored) = ignored {
            sys::attach_filter(&socket, &mut all_but(ignored)).map_err(what("filter frames on"))?;
        }
        sys::bind_packet(&socket, interface.index).map_err(what("receive frames on"))?;
        Ok(Self { socket })
    }

    /// Sends all frames, in order, and empties the outbox. Returns how many the kernel did not take for want of
    /// memory; they are lost.
    ///
    /// # Errors
    /// The kernel's; the interface may be down or gone. The outbox is emptied all the same.
    pub fn send(&self, outbox: &mut Outbox) -> io::Result<usize> {
        let result = self.send_frames(outbox.frames());
        outbox.clear();
        result
    }

    fn send_frames<'a>(&self, mut frames: impl Iterator<Item = &'a [u8]>) -> io::Result<usize> {
        let mut lost = 0;
        loop {
            // SAFETY: all zeros is valid for iovec and mmsghdr. Each header points to its own iovec, each iovec to a
            // frame that is borrowed until after the calls, with its true length, and that the kernel only reads.
            unsafe {
                let mut vectors: [libc::iovec; BATCH] = zeroed();
                let mut headers: [libc::mmsghdr; BATCH] = zeroed();
                let mut count = 0;
                for (n, frame) in frames.by_ref().take(BATCH).enumerate() {
                    vectors[n].iov_base = frame.as_ptr().cast_mut().cast();
                    vectors[n].iov_len = frame.len();
                    headers[n].msg_hdr.msg_iov = &raw mut vectors[n];
                    headers[n].msg_hdr.msg_iovlen = 1;
                    count = n + 1;
                }
                if count == 0 {
                    return Ok(lost);
                }
                lost += self.send_all(&mut headers[..count])?;
            }
        }
    }

    /// Sends what the headers point to, past frames for which the kernel has no memory.
    ///
    /// # Safety
    /// Each header must point to one iovec, and that to octets that live and may be read.
    unsafe fn send_all(&self, mut headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
        let mut lost = 0;
        while !headers.is_empty() {
            // SAFETY: pointer and length are those of the slice; what it points to is the caller's promise.
            let sent = unsafe {
                libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as libc::c_uint, 0)
            };
            let done = match usize::try_from(sent) {
                Ok(done) => done,
                Err(_) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => 0,
                    error if matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM)) => {
                        lost += 1;
                        1
                    }
                    error => return Err(error),
                },
            };
            headers = &mut headers[done..];
        }
        Ok(lost)
    }

    /// Takes as many frames as are there and as the inbox holds, at most 64, and does not wait. Frames longer than
    /// a super-packet are cut.
    ///
    /// # Errors
    /// The kernel's; the interface may be gone.
    pub fn recv(&self, inbox: &mut Inbox) -> io::Result<usize> {
        inbox.lens.clear();
        let count = inbox.capacity().min(BATCH);
        // SAFETY: all zeros is valid for iovec and mmsghdr. Each header points to its own iovec, each iovec to its own
        // slot of the inbox's memory, which is borrowed until the call has returned, with the slot's true length.
        let done = unsafe {
            let mut vectors: [libc::iovec; BATCH] = zeroed();
            let mut headers: [libc::mmsghdr; BATCH] = zeroed();
            for (n, slot) in inbox.memory.chunks_exact_mut(Inbox::SLOT).take(count).enumerate() {
                vectors[n].iov_base = slot.as_mut_ptr().cast();
                vectors[n].iov_len = slot.len();
                headers[n].msg_hdr.msg_iov = &raw mut vectors[n];
                headers[n].msg_hdr.msg_iovlen = 1;
            }
            let done = libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            );
            let lens = headers.iter().take(usize::try_from(done).unwrap_or(0));
            inbox.lens.extend(lens.map(|header| (header.msg_len as usize).min(Inbox::SLOT)));
            done
        };
        match usize::try_from(done) {
            Ok(done) => Ok(done),
            Err(_) => match io::Error::last_os_error() {
                error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
                error => Err(error),
            },
        }
    }

    /// Waits until there is a frame, or the time is over, or a signal came.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&self, at_most: Duration) -> io::Result<()> {
        let mut entry = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let time = libc::timespec { tv_sec: at_most.as_secs() as libc::time_t, tv_nsec: at_most.subsec_nanos() as _ };
        // SAFETY: one entry and one timespec, both of which live until the call returns; no signal mask.
        if unsafe { libc::ppoll(&raw mut entry, 1, &raw const time, ptr::null()) } < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        Ok(())
    }
}

/// Drops what is ignored. Offsets are those of an untagged Ethernet frame.
fn all_but(ignored: Ignored) -> [libc::sock_filter; 13] {
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let (half, byte) = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, libc::BPF_LD | libc::BPF_B | libc::BPF_ABS);
    let equals = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let of_header = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
    let port = u32::from(ignored.udp_port);
    [
        step(half, 0, 0, 12),
        step(equals, 0, 9, 0x0800),
        step(byte, 0, 0, 23),
        step(equals, 0, 7, 17),
        step(half, 0, 0, 16),
        step(equals, 0, 5, u32::from(ignored.ip_len)),
        step(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0, 0, 14),
        step(of_header, 0, 0, 14),
        step(equals, 3, 0, port),
        step(of_header, 0, 0, 16),
        step(equals, 1, 0, port),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ]
}
