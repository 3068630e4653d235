//! What the fuzz targets reach of the inside. Compiled for them only.

use fastpath::port::Packet;
use wire::Vlan;
use wire::vnet::VnetHeader;

use crate::framing;
#[cfg(target_os = "linux")]
use crate::netlink;

/// Where a received frame begins.
pub const ETH_AT: usize = framing::ETH_AT;

/// Takes a frame that lies at [`ETH_AT`] for received.
pub fn received(packet: &mut Packet, frame_len: usize, vnet: VnetHeader, tag: Option<u16>) -> bool {
    framing::received_frame(packet, frame_len, vnet, tag)
}

/// Readies a packet for sending; where the octets to send begin.
pub fn to_send(packet: &mut Packet) -> usize {
    framing::frame_to_send(packet)
}

/// A finished frame with its tag.
#[must_use]
pub fn tagged(vlan: Vlan, frame: &[u8]) -> Option<Vec<u8>> {
    framing::tagged(vlan, frame)
}

/// Reads all that may have come from the kernel; how many messages there were.
#[cfg(target_os = "linux")]
#[must_use]
pub fn read_netlink(bytes: &[u8]) -> usize {
    netlink::messages(bytes)
        .map(|message| {
            let _ = message.error();
            crate::imp::read_anything(message.body);
        })
        .count()
}
