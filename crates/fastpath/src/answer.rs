//! Frames that the packet path itself sends back to a guest, built in a buffer of fixed size.

use std::net::Ipv4Addr;

use wire::MacAddr;
use wire::checksum::{add, fold, of, pseudo_v4};
use wire::frame::{Ipv4, Transport, ethertype, protocol};

use crate::port::{ETH_LEN, Packet};

/// TCP payload of the longest answer. RFC 791, 3.1: every host takes datagrams of 576 octets, whatever it said of its
/// segment size in a SYN that is not remembered here.
pub(crate) const MAX_PAYLOAD: usize = 536;
const MAX_ANSWER: usize = ETH_LEN + 20 + 20 + MAX_PAYLOAD;

/// A finished Ethernet frame.
pub(crate) struct Answer {
    bytes: [u8; MAX_ANSWER],
    len: usize,
}

/// What a TCP answer says; its ends are those of the packet that it answers.
pub(crate) struct Header {
    pub(crate) sequence: u32,
    pub(crate) acknowledgment: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
}

impl Answer {
    /// The Ethernet header of an answer to `packet`.
    pub(crate) fn new(packet: &Packet, from: MacAddr, ethertype: u16) -> Self {
        let mut answer = Self { bytes: [0; MAX_ANSWER], len: 0 };
        answer.push(&packet.source().0);
        answer.push(&from.0);
        answer.push(&ethertype.to_be_bytes());
        answer
    }

    /// A segment that goes back where `ip` came from. Its header, with `options`, is followed by what `payload` pushes.
    pub(crate) fn tcp(
        packet: &Packet,
        ip: &Ipv4,
        from: MacAddr,
        header: &Header,
        options: &[u8],
        payload: impl FnOnce(&mut Self),
    ) -> Option<Self> {
        let Transport::Tcp { source, destination, .. } = ip.transport else { return None };
        let mut answer = Self::new(packet, from, ethertype::IPV4);
        let ip_at = answer.len;
        answer.ipv4(ip.destination, ip.source, protocol::TCP);
        let at = answer.len;
        answer.push(&destination.to_be_bytes());
        answer.push(&source.to_be_bytes());
        answer.push(&header.sequence.to_be_bytes());
        answer.push(&header.acknowledgment.to_be_bytes());
        answer.push(&[(5 + options.len() as u8 / 4) << 4, header.flags]);
        answer.push(&header.window.to_be_bytes());
        answer.push(&[0; 4]);
        answer.push(options);
        payload(&mut answer);
        answer.finish_ipv4(ip_at);
        let pseudo = pseudo_v4(ip.destination, ip.source, protocol::TCP, (answer.len - at) as u16);
        let sum = !fold(add(pseudo, answer.after(at)));
        answer.set_sum(at + 16, sum);
        Some(answer)
    }

    /// The frame.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// How many octets it has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What stands at and after `at`.
    pub(crate) fn after(&self, at: usize) -> &[u8] {
        &self.bytes[at..self.len]
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Puts a checksum at `at`, where zeros were.
    pub(crate) fn set_sum(&mut self, at: usize, sum: u16) {
        self.bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }

    /// An IPv4 header without length and checksum, which [`Answer::finish_ipv4`] sets.
    pub(crate) fn ipv4(&mut self, source: Ipv4Addr, destination: Ipv4Addr, protocol: u8) {
        self.push(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0]); // DF: such an answer is never fragmented
        self.push(&source.octets());
        self.push(&destination.octets());
    }

    /// Length and checksum of the header at `at`, once all that follows it is there.
    pub(crate) fn finish_ipv4(&mut self, at: usize) {
        let total = (self.len - at) as u16;
        self.bytes[at + 2..at + 4].copy_from_slice(&total.to_be_bytes());
        let sum = of(&self.bytes[at..at + 20]);
        self.set_sum(at + 10, sum);
    }
}
