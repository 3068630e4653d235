//! The packets of logged-in guests: UDP, 64 octets on the wire with the frame check sequence, and stamped, so that
//! whoever gets one back knows whose it is and how long it was on its way.

use std::net::SocketAddrV4;
use std::time::Duration;

use wire::MacAddr;
use wire::build::{self, UdpDatagram};

/// Octets of the payload of the smallest Ethernet frame.
pub(crate) const PAYLOAD_LEN: usize = 18;
/// Octets of its IPv4 packet.
pub(crate) const PACKET_LEN: u16 = 46;
/// What a stamp begins with.
const MAGIC: [u8; 4] = *b"PBLD";
/// The port that guests send from.
pub(crate) const GUEST_PORT: u16 = 20_000;

/// Whose packet it is, and when it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) guest: u32,
    pub(crate) sent: Duration,
}

impl Stamp {
    pub(crate) fn emit(self) -> [u8; PAYLOAD_LEN] {
        let mut payload = [0; PAYLOAD_LEN];
        payload[..4].copy_from_slice(&MAGIC);
        payload[4..8].copy_from_slice(&self.guest.to_be_bytes());
        payload[8..16].copy_from_slice(&(self.sent.as_nanos() as u64).to_be_bytes()); // 580 years
        payload
    }

    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let payload = payload.first_chunk::<PAYLOAD_LEN>()?;
        let guest = u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]);
        let sent = payload[8..16].iter().fold(0, |nanos, octet| nanos << 8 | u64::from(*octet));
        (payload[..4] == MAGIC).then_some(Self { guest, sent: Duration::from_nanos(sent) })
    }
}

/// Appends the frame of a packet.
pub(crate) fn emit(frame: &mut Vec<u8>, eth: (MacAddr, MacAddr), from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) {
    let datagram = UdpDatagram {
        eth_src: eth.0,
        eth_dst: eth.1,
        src: *from.ip(),
        dst: *to.ip(),
        sport: from.port(),
        dport: to.port(),
        payload,
    };
    build::udp4(frame, &datagram).expect("a stamp is short");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_packet_is_the_smallest_that_ethernet_has_and_its_stamp_is_readable() {
        let stamp = Stamp { guest: 49_999, sent: Duration::new(3, 5) };
        let mut frame = Vec::new();
        let socket = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 7);
        emit(&mut frame, (MacAddr::ZERO, MacAddr::ZERO), socket, socket, &stamp.emit());
        assert_eq!(frame.len(), 60);
        assert_eq!(frame[16..18], PACKET_LEN.to_be_bytes());
        assert_eq!(Stamp::parse(&frame[42..]), Some(stamp));
        assert_eq!(Stamp::parse(&frame[43..]), None);
        assert_eq!(Stamp::parse(b"something else of that length"), None);
    }
}
