//! What a TAP needs beyond a TUN: link headers, and answers to the kernel's ARP.

use fastpath::port::Packet;
use wire::{MacAddr, Vlan};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;
/// Octets of an ARP packet for Ethernet and IPv4 (RFC 826).
const ARP_LEN: usize = 28;
/// What every such packet begins with, up to the operation.
const ARP_ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

/// The two stations on the TAP's "cable": the kernel, and one that stands for all guests.
pub(super) struct Stations {
    kernel: MacAddr,
    guests: MacAddr,
}

impl Stations {
    pub(super) fn new(kernel: MacAddr) -> Self {
        let mut guests = kernel;
        guests.0[5] ^= 1;
        Self { kernel, guests }
    }

    /// Puts the link header of a packet to the kernel.
    pub(super) fn address(&self, packet: &mut Packet) {
        let ethertype = if packet.l3().first().is_some_and(|b| b >> 4 == 6) { IPV6 } else { IPV4 };
        packet.vlan = Vlan::NONE;
        packet.set_link(self.kernel, self.guests, ethertype);
    }

    /// The kernel asks who has a guest's address: all of them are behind one station. `None` if it is no question;
    /// a question for the kernel's own address (a probe or an announcement) is not answered either.
    pub(super) fn answer_arp(&self, packet: &Packet) -> Option<Vec<u8>> {
        let arp = packet.l3().get(..ARP_LEN).filter(|_| packet.ethertype() == ARP)?;
        let (sender, target) = (&arp[8..18], &arp[24..28]);
        if arp[..6] != ARP_ETHERNET_IPV4 || arp[6..8] != REQUEST || sender[6..] == *target {
            return None;
        }
        let mut frame = Vec::with_capacity(14 + ARP_LEN);
        frame.extend_from_slice(&self.kernel.0);
        frame.extend_from_slice(&self.guests.0);
        frame.extend_from_slice(&ARP.to_be_bytes());
        frame.extend_from_slice(&ARP_ETHERNET_IPV4);
        frame.extend_from_slice(&REPLY);
        frame.extend_from_slice(&self.guests.0);
        frame.extend_from_slice(target);
        frame.extend_from_slice(sender);
        Some(frame)
    }
}

/// True for what a TUN would have given.
pub(super) fn is_ip(packet: &Packet) -> bool {
    matches!(packet.ethertype(), IPV4 | IPV6)
}
