//! The device towards the kernel, as TUN or as TAP.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use fastpath::port::{HEADROOM, Packet, Segmentation, TunPort};
use wire::vnet::VnetHeader;
use wire::{MacAddr, Vlan};

use super::sys;
use super::tap::{self, Stations};
use crate::framing::{self, VNET_AT_FRAME, VNET_AT_L3};
use crate::poll::{Ready, poll};
use crate::{Error, MAX_BATCH, Result, TunMode, TunSpec, Waker};

/// TUN_F_CSUM, TSO4, TSO6, TSO_ECN, USO4, USO6: the sets to try, from all to none, and what a kernel that knows one of
/// them cuts into segments. UDP segmentation is there since Linux 6.2.
const OFFLOADS: [(libc::c_uint, Segmentation); 4] = [
    (0x6f, Segmentation { tcp: true, udp: true }),
    (0x0f, Segmentation { tcp: true, udp: false }),
    (0x01, Segmentation { tcp: false, udp: false }),
    (0, Segmentation { tcp: false, udp: false }),
];

/// The open device. Unless it was told to outlive us, it vanishes when this is dropped or the process dies.
pub(super) struct Tun {
    device: File,
    segmentation: Segmentation,
    waker: Waker,
    /// Set for TAP.
    stations: Option<Stations>,
}

impl Tun {
    /// Makes the device, without address and down; or opens the one that is there, if it is `known` to be ours.
    pub(super) fn create(spec: &TunSpec, known: bool, waker: &Waker) -> Result<Self> {
        let doing = || format!("create the device {}", spec.name);
        let mut name = [0; libc::IFNAMSIZ];
        let bytes = spec.name.as_bytes();
        if bytes.is_empty() || bytes.len() >= name.len() || bytes.iter().any(|b| matches!(b, 0 | b'/' | b'%')) {
            return Err(Error::refused(doing(), "a name of an interface has 1 to 15 letters"));
        }
        name[..bytes.len()].copy_from_slice(bytes);
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")
            .map_err(|e| Error::kernel("open /dev/net/tun", e).hint("load the module with: modprobe tun"))?;
        let mode = if spec.mode == TunMode::Tap { libc::IFF_TAP } else { libc::IFF_TUN };
        // Exclusive: a persistent device of that name, which somebody else made and may watch, is not ours to use.
        let exclusive = if known { 0 } else { libc::IFF_TUN_EXCL };
        let flags = mode | libc::IFF_NO_PI | libc::IFF_VNET_HDR | exclusive;
        sys::tun_create(&device, &name, flags).map_err(|e| {
            Error::kernel(doing(), e).hint("an interface of that name may be in use by another program; see: ip link")
        })?;
        sys::tun_header_len(&device, VnetHeader::LEN as i32).map_err(|e| Error::kernel(doing(), e))?;
        let mut result = Ok(());
        let mut segmentation = Segmentation::default();
        for (features, cut) in OFFLOADS {
            segmentation = cut;
            result = sys::tun_offload(&device, features);
            if result.is_ok() {
                break;
            }
        }
        result.map_err(|e| Error::kernel(doing(), e))?;
        Ok(Self { device, segmentation, waker: waker.clone(), stations: None })
    }

    /// Tells a TAP the Ethernet address of its kernel side.
    pub(super) fn set_kernel_mac(&mut self, kernel: MacAddr) {
        self.stations = Some(Stations::new(kernel));
    }

    /// Keeps the device when we are gone, so that the kernel can go on forwarding through it. It is ours alone: what
    /// another user of the machine wrote to it would go out as a guest's.
    pub(super) fn outlive_us(&self) -> Result<()> {
        sys::tun_own(&self.device)
            .and_then(|()| sys::tun_persist(&self.device))
            .map_err(|e| Error::kernel("keep the TUN device", e))
    }

    fn receive(&self, batch: &mut [Packet]) -> io::Result<usize> {
        let mut kept = 0;
        // Frames that the TAP answers itself fill no packet, so the reads are counted, not the packets.
        for _ in 0..batch.len().min(MAX_BATCH) {
            let packet = &mut batch[kept];
            let start = if self.stations.is_some() { VNET_AT_FRAME } else { VNET_AT_L3 };
            let len = match (&self.device).read(&mut packet.memory_mut()[start..]) {
                Ok(len) => len,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && kept == 0 => return Err(e),
                // Whatever else it is, it comes again with the next call, when there is nothing to lose.
                Err(_) if kept > 0 => break,
                Err(e) => return Err(e),
            };
            if self.accept(packet, start, len) {
                kept += 1;
            }
        }
        Ok(kept)
    }

    fn send_one(&self, packet: &mut Packet) -> io::Result<()> {
        let start = match &self.stations {
            Some(stations) => {
                stations.address(packet);
                framing::frame_to_send(packet)
            }
            None => {
                let header = packet.vnet.emit();
                packet.memory_mut()[VNET_AT_L3..HEADROOM].copy_from_slice(&header);
                VNET_AT_L3
            }
        };
        (&self.device).write(packet.from(start)).map(drop)
    }

    fn accept(&self, packet: &mut Packet, start: usize, len: usize) -> bool {
        let Some(len) = len.checked_sub(VnetHeader::LEN) else { return false };
        let Some(vnet) = VnetHeader::parse(&packet.memory_mut()[start..]) else { return false };
        let Some(stations) = &self.stations else {
            packet.vlan = Vlan::NONE;
            packet.set_l3_len(len);
            return framing::received_offload(packet, vnet, 0);
        };
        if !framing::received_frame(packet, len, vnet, None) {
            return false;
        }
        if let Some(answer) = stations.answer_arp(packet) {
            let mut bytes = VnetHeader::default().emit().to_vec();
            bytes.extend_from_slice(&answer);
            // If it is lost, the kernel asks again.
            let _ = (&self.device).write(&bytes);
            return false;
        }
        tap::is_ip(packet)
    }
}

/// One packet that the kernel could not express (EINVAL: a kind of super-packet that the offload header has no word for)
/// or had no memory for is lost, and must not end the gateway. A device that is gone does: its reads say EBADFD.
fn survive(error: io::Error) -> io::Result<usize> {
    match error.raw_os_error() {
        Some(libc::EINVAL | libc::ENOBUFS | libc::ENOMEM | libc::EINTR | libc::EAGAIN) => Ok(0),
        _ => Err(error),
    }
}

impl TunPort for Tun {
    fn recv(&self, batch: &mut [Packet], wait: Duration) -> io::Result<usize> {
        if batch.is_empty() {
            return Ok(0);
        }
        match self.receive(batch) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            other => return other.or_else(survive),
        }
        match poll(self.device.as_fd(), self.waker.fd(), wait)? {
            Ready::Waker | Ready::Nothing => Ok(0),
            Ready::Fd => self.receive(batch).or_else(survive),
        }
    }

    /// One system call for each: a TUN has none for many. What is joined goes as one.
    fn send(&self, batch: &mut [Packet], which: &[usize]) -> usize {
        which.iter().filter(|&&n| self.send_one(&mut batch[n]).is_err()).count()
    }

    fn segmentation(&self) -> Segmentation {
        self.segmentation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_cannot_be_read_does_not_end_the_gateway_and_a_device_that_is_gone_does() {
        let survived = |code| survive(io::Error::from_raw_os_error(code));
        for code in [libc::EINVAL, libc::ENOBUFS, libc::ENOMEM, libc::EINTR, libc::EAGAIN] {
            assert_eq!(survived(code).unwrap(), 0);
        }
        for code in [libc::EBADFD, libc::ENODEV, libc::EFAULT, libc::EBADF] {
            assert_eq!(survived(code).unwrap_err().raw_os_error(), Some(code));
        }
    }
}
