//! The device towards the kernel: a TUN whose packets begin with their address family.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use fastpath::port::{HEADROOM, MAX_L3, Packet, Segmentation, TunPort};
use wire::Vlan;
use wire::vnet::VnetHeader;

use super::pure::abi::{AF_INET, Abi, IFF_BROADCAST, IFF_MULTICAST};
use super::sys;
use crate::poll::{Ready, poll};
use crate::{Error, MAX_BATCH, Result, TunMode, TunSpec, Waker};

/// Octets of the address family before each packet, in network order.
const FAMILY_LEN: usize = 4;
/// The device is a subnet, and the route to it comes with the address.
const SUBNET_MODE: u32 = (IFF_BROADCAST | IFF_MULTICAST) as u32;

/// The open device. It is destroyed when this is dropped; after a crash it stays, down and without addresses, and
/// is taken over.
pub(super) struct Tun {
    /// `None` only while it is being dropped: the device can be destroyed only after it is closed.
    device: Option<File>,
    name: String,
    waker: Waker,
}

impl Tun {
    /// Opens the device, which makes it, without address.
    pub(super) fn create(spec: &TunSpec, waker: &Waker) -> Result<Self> {
        let doing = format!("create the device {}", spec.name);
        let number = spec.name.strip_prefix("tun").unwrap_or_default();
        if spec.mode == TunMode::Tap {
            return Err(Error::refused(doing, "TAP is not supported on this system").hint("use the mode tun"));
        }
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::refused(doing, "on this system its name must be tun0, tun1, ..."));
        }
        let what = |e: io::Error| {
            Error::kernel(doing.clone(), e).hint("another program may use it, or the module if_tuntap is not loaded")
        };
        let path = format!("/dev/{}", spec.name);
        let device = OpenOptions::new().read(true).write(true).open(path).map_err(what)?;
        sys::set_nonblocking(&device).map_err(what)?;
        for (request, value) in [(Abi::HOST.tunsifmode(), SUBNET_MODE), (Abi::HOST.tunsifhead(), 1)] {
            if let Some(request) = request {
                sys::ioctl_word(&device, request, value).map_err(what)?;
            }
        }
        sys::limit_to_carrying(&device).map_err(what)?;
        Ok(Self { device: Some(device), name: spec.name.clone(), waker: waker.clone() })
    }

    fn device(&self) -> io::Result<&File> {
        self.device.as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::ENXIO))
    }

    fn receive(&self, batch: &mut [Packet]) -> io::Result<usize> {
        let mut device = self.device()?;
        let mut kept = 0;
        for _ in 0..batch.len().min(MAX_BATCH) {
            let packet = &mut batch[kept];
            let len = match device.read(&mut packet.memory_mut()[HEADROOM - FAMILY_LEN..]) {
                Ok(len) => len,
                Err(_) if kept > 0 => break,
                Err(e) => return Err(e),
            };
            let Some(len) = len.checked_sub(FAMILY_LEN).filter(|len| *len <= MAX_L3) else { continue };
            packet.set_l3_len(len);
            packet.vlan = Vlan::NONE;
            packet.vnet = VnetHeader::default();
            kept += 1;
        }
        Ok(kept)
    }

    /// A write of no octets, which FreeBSD answers while the device is down, is a lost packet like any other.
    fn send_one(&self, packet: &mut Packet) -> io::Result<()> {
        if packet.vnet.needs_csum() || packet.vnet.gso_type != VnetHeader::GSO_NONE {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let version = packet.l3().first().map_or(4, |b| b >> 4);
        let family = if version == 6 { Abi::HOST.af_inet6() } else { AF_INET };
        let start = HEADROOM - FAMILY_LEN;
        packet.memory_mut()[start..HEADROOM].copy_from_slice(&[0, 0, 0, family]);
        let mut device = self.device()?;
        device.write(packet.from(start)).map(drop)
    }
}

impl TunPort for Tun {
    fn recv(&self, batch: &mut [Packet], wait: Duration) -> io::Result<usize> {
        if batch.is_empty() {
            return Ok(0);
        }
        match self.receive(batch) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
        match poll(self.device()?.as_fd(), self.waker.fd(), wait)? {
            Ready::Waker | Ready::Nothing => Ok(0),
            Ready::Fd => match self.receive(batch) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(0),
                result => result,
            },
        }
    }

    fn send(&self, batch: &mut [Packet], which: &[usize]) -> usize {
        which.iter().filter(|&&n| self.send_one(&mut batch[n]).is_err()).count()
    }

    /// None: there is no header here that says so.
    fn segmentation(&self) -> Segmentation {
        Segmentation::default()
    }
}

impl Drop for Tun {
    fn drop(&mut self) {
        drop(self.device.take());
        let Some(mut request) = Abi::HOST.ifreq(&self.name) else { return };
        // If it fails, the device stays, down and without an address: nothing goes through it.
        if let Ok(socket) = sys::socket(libc::AF_INET, libc::SOCK_DGRAM) {
            let _ = sys::ioctl(&socket, Abi::HOST.siocifdestroy(), &mut request);
        }
    }
}
