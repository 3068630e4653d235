//! The virtio-net header that Linux puts before a packet on AF_PACKET sockets with PACKET_VNET_HDR and on
//! TUN devices with IFF_VNET_HDR (virtio 1.2, 5.1.6): it carries a super-packet's segment size and an
//! unfinished checksum from one device to the other.

/// The header without `num_buffers`, in the byte order of the machine (the legacy layout).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct VnetHeader {
    /// What the checksum fields mean: [`VnetHeader::NEEDS_CSUM`], [`VnetHeader::DATA_VALID`].
    pub flags: u8,
    /// What kind of super-packet this is: `GSO_NONE`, `GSO_TCPV4`, ...
    pub gso_type: u8,
    /// Length of all headers together; a hint only.
    pub hdr_len: u16,
    /// Payload octets of each segment.
    pub gso_size: u16,
    /// Where the checksum starts, from the beginning of the frame.
    pub csum_start: u16,
    /// Where the checksum goes, from `csum_start`.
    pub csum_offset: u16,
}

impl VnetHeader {
    /// Octets on the wire.
    pub const LEN: usize = 10;
    /// The checksum field holds the pseudo header's sum only; whoever transmits finishes it.
    pub const NEEDS_CSUM: u8 = 1;
    /// The checksum was verified by the device.
    pub const DATA_VALID: u8 = 2;
    /// One ordinary packet.
    pub const GSO_NONE: u8 = 0;
    /// TCP over IPv4.
    pub const GSO_TCPV4: u8 = 1;
    /// TCP over IPv6.
    pub const GSO_TCPV6: u8 = 4;
    /// UDP segmentation (either IP version).
    pub const GSO_UDP_L4: u8 = 5;
    /// Flag on `gso_type`: the TCP flags include CWR.
    pub const GSO_ECN: u8 = 0x80;

    /// Reads the header; `None` if there are fewer than ten octets.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let b: &[u8; Self::LEN] = bytes.get(..Self::LEN)?.try_into().ok()?;
        let word = |at: usize| u16::from_ne_bytes([b[at], b[at + 1]]);
        Some(Self {
            flags: b[0],
            gso_type: b[1],
            hdr_len: word(2),
            gso_size: word(4),
            csum_start: word(6),
            csum_offset: word(8),
        })
    }

    /// The ten octets.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut b = [0; Self::LEN];
        b[0] = self.flags;
        b[1] = self.gso_type;
        for (at, value) in [(2, self.hdr_len), (4, self.gso_size), (6, self.csum_start), (8, self.csum_offset)] {
            b[at..at + 2].copy_from_slice(&value.to_ne_bytes());
        }
        b
    }

    /// True if the checksum of the transport header is still to be finished.
    #[must_use]
    pub fn needs_csum(&self) -> bool {
        self.flags & Self::NEEDS_CSUM != 0
    }

    /// The same facts for a frame that begins `by` octets earlier (positive) or later (negative):
    /// a link header was put in front or taken away.
    #[must_use]
    pub fn shifted(mut self, by: i16) -> Self {
        if self.needs_csum() {
            self.csum_start = self.csum_start.wrapping_add_signed(by);
        }
        if self.hdr_len != 0 {
            self.hdr_len = self.hdr_len.wrapping_add_signed(by);
        }
        self
    }

    /// How many packets a super-packet with `payload` octets after its headers is on the wire.
    #[must_use]
    pub fn segments(&self, payload: usize) -> u32 {
        match (self.gso_type & !Self::GSO_ECN, self.gso_size) {
            (Self::GSO_NONE, _) | (_, 0) => 1,
            (_, size) => (payload.div_ceil(usize::from(size)) as u32).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_shift() {
        let header = VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            gso_type: VnetHeader::GSO_TCPV4,
            hdr_len: 66,
            gso_size: 1448,
            csum_start: 34,
            csum_offset: 16,
        };
        assert_eq!(VnetHeader::parse(&header.emit()), Some(header));
        let ip = header.shifted(-14);
        assert_eq!((ip.hdr_len, ip.csum_start), (52, 20));
        assert_eq!(ip.shifted(14), header);
        assert_eq!(VnetHeader::parse(&[0; 9]), None);
    }

    #[test]
    fn segments_are_counted_as_they_will_be_on_the_wire() {
        let mut header = VnetHeader { gso_type: VnetHeader::GSO_TCPV4, gso_size: 1448, ..VnetHeader::default() };
        assert_eq!(header.segments(1448), 1);
        assert_eq!(header.segments(1449), 2);
        assert_eq!(header.segments(0), 1);
        header.gso_type = VnetHeader::GSO_NONE;
        assert_eq!(header.segments(9000), 1);
    }
}
