//! The guests' interface: a packet socket that carries offload headers.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use fastpath::port::{LanPort, Packet};
use wire::Vlan;
use wire::vnet::VnetHeader;

use super::sys;
use crate::framing::{self, ETHERTYPE_VLAN, VNET_AT_FRAME};
use crate::poll::{Ready, poll};
use crate::{Error, Interface, MAX_BATCH, Result, Waker};

/// `if_packet.h`
const PACKET_AUXDATA: i32 = 8;
const PACKET_VNET_HDR: i32 = 15;
const PACKET_IGNORE_OUTGOING: i32 = 23;
const PACKET_OTHERHOST: u32 = 3;
/// Of ff02::1, in which every IPv6 host is, but not an interface without IPv6.
const ALL_NODES: [u8; 8] = [0x33, 0x33, 0, 0, 0, 1, 0, 0];
/// Receive buffer: a hundred super-packets, the bursts of a few thousand guests.
const RECEIVE_BUFFER: i32 = 8 << 20;
/// Send buffer: what may wait for a slow network card before frames are dropped. The usual 200 kB are three
/// super-packets.
const SEND_BUFFER: i32 = 4 << 20;

/// The open interface. Frames for other stations never reach us: a filter in the kernel drops them, so that a
/// promiscuous interface or a flooding switch costs no copy.
pub(super) struct Lan {
    socket: File,
    index: u32,
    waker: Waker,
}

impl Lan {
    /// `filter` is the offload's, which also does what ours does without it.
    pub(super) fn open(lan: &Interface, waker: &Waker, filter: Option<BorrowedFd<'_>>) -> Result<Self> {
        let what = |step: &'static str| {
            let name = lan.name.clone();
            move |e: io::Error| Error::kernel(format!("{step} {name}"), e)
        };
        // Protocol 0: not a frame arrives before the socket is bound to its interface and filtered.
        let socket = sys::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_NONBLOCK, 0)
            .map_err(what("make a packet socket for"))?;
        for (option, step) in [
            (PACKET_VNET_HDR, "ask for segmentation offload on"),
            (PACKET_IGNORE_OUTGOING, "ask for incoming frames only on"),
            (PACKET_AUXDATA, "ask for VLAN tags on"),
        ] {
            sys::set_option(&socket, libc::SOL_PACKET, option, 1i32).map_err(what(step))?;
        }
        let buffers = [
            (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, RECEIVE_BUFFER),
            (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, SEND_BUFFER),
        ];
        for (force, ask, octets) in buffers {
            // In a container we may not exceed the administrator's limit, and get as much as it allows.
            sys::set_option(&socket, libc::SOL_SOCKET, force, octets)
                .or_else(|_| sys::set_option(&socket, libc::SOL_SOCKET, ask, octets))
                .map_err(what("size the buffers of"))?;
        }
        match filter {
            Some(program) => sys::attach_program(&socket, program),
            None => sys::attach_filter(&socket, &mut not_for_others()),
        }
        .map_err(what("filter frames on"))?;
        sys::bind_packet(&socket, lan.index).map_err(what("receive frames on"))?;
        let all_nodes = libc::packet_mreq {
            mr_ifindex: lan.index as i32,
            mr_type: libc::PACKET_MR_MULTICAST as u16,
            mr_alen: 6,
            mr_address: ALL_NODES,
        };
        sys::set_option(&socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, all_nodes)
            .map_err(what("receive router advertisements on"))?;
        Ok(Self { socket: File::from(socket), index: lan.index, waker: waker.clone() })
    }

    fn receive(&self, batch: &mut [Packet]) -> io::Result<usize> {
        let (received, count) = sys::receive_frames(&self.socket, batch, VNET_AT_FRAME)?;
        let mut kept = 0;
        for (n, frame) in received.iter().take(count).enumerate() {
            if accept(&mut batch[n], frame) {
                batch.swap(kept, n);
                kept += 1;
            }
        }
        Ok(kept)
    }

    /// Sends up to [`MAX_BATCH`] frames and says how many were lost. The kernel stops at the first that it does not take,
    /// which may be too long for the interface or find its queue full; the others are tried.
    fn send_some(&self, batch: &mut [Packet], which: &[usize]) -> usize {
        let mut starts = [0; MAX_BATCH];
        for (start, &n) in starts.iter_mut().zip(which) {
            *start = framing::frame_to_send(&mut batch[n]);
        }
        let (mut done, mut lost) = (0, 0);
        while done < which.len() {
            match sys::send_frames(&self.socket, batch, &which[done..], &starts[done..]) {
                Ok(sent) => done += sent,
                Err(_) => {
                    lost += 1;
                    done += 1;
                }
            }
        }
        lost
    }

    /// An interface that is down comes up again, and one frame that the socket could not express (EINVAL: a kind of
    /// super-packet that the offload header has no word for) must not end it. Only an interface that is gone does.
    fn survive(&self, error: io::Error) -> io::Result<usize> {
        match error.raw_os_error() {
            _ if !sys::interface_exists(&self.socket, self.index) => Err(io::Error::from_raw_os_error(libc::ENODEV)),
            Some(libc::ENETDOWN | libc::EINVAL | libc::ENOBUFS | libc::ENOMEM | libc::EINTR) => Ok(0),
            _ => Err(error),
        }
    }
}

impl LanPort for Lan {
    fn recv(&self, batch: &mut [Packet], wait: Duration) -> io::Result<usize> {
        if batch.is_empty() {
            return Ok(0);
        }
        match self.receive(batch) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return self.survive(e),
            Ok(count) => return Ok(count),
        }
        match poll(self.socket.as_fd(), self.waker.fd(), wait)? {
            Ready::Waker => Ok(0),
            Ready::Nothing if sys::interface_exists(&self.socket, self.index) => Ok(0),
            Ready::Nothing => Err(io::Error::from_raw_os_error(libc::ENODEV)),
            Ready::Fd => match self.receive(batch) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(0),
                Err(e) => self.survive(e),
                Ok(count) => Ok(count),
            },
        }
    }

    fn send(&self, batch: &mut [Packet], which: &[usize]) -> usize {
        which.chunks(MAX_BATCH).map(|which| self.send_some(batch, which)).sum()
    }

    fn send_frame(&self, vlan: Vlan, frame: &[u8]) -> io::Result<()> {
        let mut bytes = VnetHeader::default().emit().to_vec();
        bytes.extend(framing::tagged(vlan, frame).ok_or(io::ErrorKind::InvalidInput)?);
        (&self.socket).write(&bytes).map(drop)
    }
}

fn accept(packet: &mut Packet, received: &sys::Received) -> bool {
    let Some(frame_len) = received.len.checked_sub(VnetHeader::LEN).filter(|_| !received.truncated) else {
        return false;
    };
    // A service tag (802.1ad) is another number space than our VLANs.
    if received.tag.is_some_and(|(_, tpid)| tpid != ETHERTYPE_VLAN) {
        return false;
    }
    let Some(vnet) = VnetHeader::parse(&packet.memory_mut()[VNET_AT_FRAME..]) else { return false };
    framing::received_frame(packet, frame_len, vnet, received.tag.map(|(tci, _)| tci))
}

/// Drops what the network card let through although it is addressed to another station.
fn not_for_others() -> [libc::sock_filter; 4] {
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let packet_type = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32;
    [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, packet_type),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, PACKET_OTHERHOST),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
    ]
}
