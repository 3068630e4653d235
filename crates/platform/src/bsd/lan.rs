//! The guests' interface: a bpf descriptor. One read brings many frames, one write sends one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fastpath::port::{LanPort, Packet};
use wire::Vlan;
use wire::vnet::VnetHeader;

use super::pure::abi::{Abi, BIOCGDLT, BIOCIMMEDIATE, BIOCSBLEN, BIOCSHDRCMPLT, DLT_EN10MB};
use super::pure::bpf;
use super::sys;
use crate::framing::{self, ETH_AT};
use crate::poll::{Ready, poll};
use crate::{Error, Interface, MAX_BATCH, Result, Waker};

/// What we ask for; the kernel gives what it allows (FreeBSD: net.bpf.maxbufsize).
const BUFFER: u32 = 512 << 10;

/// The open interface.
pub(super) struct Lan {
    device: File,
    buffer: Mutex<Buffer>,
    waker: Waker,
}

/// What one read brought, and how much of it was given away.
struct Buffer {
    bytes: Vec<u8>,
    next: usize,
    end: usize,
}

impl Lan {
    pub(super) fn open(lan: &Interface, waker: &Waker) -> Result<Self> {
        let name = &lan.name;
        let what = |e: io::Error| Error::kernel(format!("open {name} with bpf"), e);
        let abi = Abi::HOST;
        let device = OpenOptions::new().read(true).write(true).open("/dev/bpf").map_err(what)?;
        sys::set_nonblocking(&device).map_err(what)?;
        // The buffer before the interface: afterwards it cannot be changed. A read must ask for exactly that length.
        let len = sys::ioctl_word(&device, BIOCSBLEN, BUFFER).map_err(what)?;
        sys::ioctl_program(&device, abi.biocsetf(), &bpf::for_us(lan.mac)).map_err(what)?;
        sys::ioctl_program(&device, abi.biocsetwf(), &bpf::from_us(lan.mac)).map_err(what)?;
        let mut request = abi.ifreq(name).ok_or_else(|| what(io::ErrorKind::InvalidInput.into()))?;
        sys::ioctl(&device, abi.biocsetif(), &mut request).map_err(what)?;
        if sys::ioctl_word(&device, BIOCGDLT, 0).map_err(what)? != DLT_EN10MB {
            return Err(Error::refused(format!("open {name} with bpf"), "it is not an Ethernet interface"));
        }
        let settings = [(BIOCIMMEDIATE, 1), (BIOCSHDRCMPLT, 1), (abi.biocsdirection(), abi.incoming_only())];
        for (request, value) in settings.into_iter().chain(abi.biocsfildrop()) {
            sys::ioctl_word(&device, request, value).map_err(what)?;
        }
        sys::ioctl(&device, abi.bioclock(), &mut []).map_err(what)?;
        sys::limit_to_carrying(&device).map_err(what)?;
        let buffer = Mutex::new(Buffer { bytes: vec![0; len as usize], next: 0, end: 0 });
        Ok(Self { device, buffer, waker: waker.clone() })
    }

    /// Fills the batch from the buffer, after reading if the buffer is used up.
    fn receive(&self, batch: &mut [Packet]) -> io::Result<usize> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let Buffer { bytes, next, end } = &mut *buffer;
        if *next >= *end {
            *end = (&self.device).read(bytes)?;
            *next = 0;
        }
        let mut kept = 0;
        while kept < batch.len().min(MAX_BATCH) {
            let Some(record) = bpf::record(Abi::HOST, &bytes[..*end], *next) else {
                *next = *end;
                break;
            };
            *next = record.next;
            let frame = &bytes[record.frame];
            let packet = &mut batch[kept];
            let Some(room) = packet.memory_mut().get_mut(ETH_AT..ETH_AT + frame.len()) else { continue };
            room.copy_from_slice(frame);
            if record.whole && framing::received_frame(packet, frame.len(), VnetHeader::default(), None) {
                kept += 1;
            }
        }
        Ok(kept)
    }

    /// An unfinished checksum or a super-packet cannot be sent here, and no port of this system receives one.
    fn send_one(&self, packet: &mut Packet) -> io::Result<()> {
        if packet.vnet.needs_csum() || packet.vnet.gso_type != VnetHeader::GSO_NONE {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let at = framing::frame_to_send(packet) + VnetHeader::LEN;
        (&self.device).write(packet.from(at)).map(drop)
    }
}

impl LanPort for Lan {
    fn recv(&self, batch: &mut [Packet], wait: Duration) -> io::Result<usize> {
        if batch.is_empty() {
            return Ok(0);
        }
        let result = match self.receive(batch) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                match poll(self.device.as_fd(), self.waker.fd(), wait)? {
                    Ready::Waker | Ready::Nothing => return Ok(0),
                    Ready::Fd => self.receive(batch),
                }
            }
            result => result,
        };
        match result {
            // Down is not gone: it comes up again.
            Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::ENETDOWN | libc::EINTR)) => Ok(0),
            result => result,
        }
    }

    fn send(&self, batch: &mut [Packet], which: &[usize]) -> usize {
        which.iter().filter(|&&n| self.send_one(&mut batch[n]).is_err()).count()
    }

    fn send_frame(&self, vlan: Vlan, frame: &[u8]) -> io::Result<()> {
        let bytes = framing::tagged(vlan, frame).ok_or(io::ErrorKind::InvalidInput)?;
        (&self.device).write(&bytes).map(drop)
    }
}
