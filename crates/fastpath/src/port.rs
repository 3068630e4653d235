//! What the packet path needs of the two devices it moves packets between. `platform` implements it.

use std::io;
use std::time::Duration;

use wire::vnet::VnetHeader;
use wire::{MacAddr, Vlan};

/// Octets kept free before the network-layer header: a virtio-net header, an Ethernet header and a VLAN
/// tag fit there, so headers are exchanged in place and a packet is never copied.
pub const HEADROOM: usize = 32;
/// Octets of an Ethernet header.
pub const ETH_LEN: usize = 14;
/// The longest network-layer packet, a full super-packet.
pub const MAX_L3: usize = 65_536;

/// One packet in a buffer that is used again and again. The network-layer header is always at
/// [`HEADROOM`]; a frame's Ethernet header, without VLAN tag, stands in the 14 octets before it.
pub struct Packet {
    memory: Box<[u8; HEADROOM + MAX_L3]>,
    l3_len: usize,
    /// The tag that the frame had or shall have.
    pub vlan: Vlan,
    /// Offload facts; offsets count from the network-layer header.
    pub vnet: VnetHeader,
}

impl Packet {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            memory: vec![0; HEADROOM + MAX_L3].into_boxed_slice().try_into().expect("as many as there have to be"),
            l3_len: 0,
            vlan: Vlan::NONE,
            vnet: VnetHeader::default(),
        }
    }

    /// The whole buffer, for a port to receive into. After receiving, call [`Packet::set_l3_len`].
    pub fn memory_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..]
    }

    /// Says how many octets the network-layer packet has.
    ///
    /// # Panics
    /// If it is longer than [`MAX_L3`].
    pub fn set_l3_len(&mut self, len: usize) {
        assert!(len <= MAX_L3, "a packet of {len} octets does not fit its buffer");
        self.l3_len = len;
    }

    /// Puts more payload behind the network-layer packet; false, and nothing is put, if it does not fit.
    pub fn extend_l3(&mut self, more: &[u8]) -> bool {
        let end = HEADROOM + self.l3_len;
        let Some(room) = self.memory.get_mut(end..end + more.len()) else { return false };
        room.copy_from_slice(more);
        self.l3_len += more.len();
        true
    }

    /// The packet from its network-layer header on.
    #[must_use]
    pub fn l3(&self) -> &[u8] {
        &self.memory[HEADROOM..HEADROOM + self.l3_len]
    }

    /// The same, to rewrite.
    pub fn l3_mut(&mut self) -> &mut [u8] {
        &mut self.memory[HEADROOM..HEADROOM + self.l3_len]
    }

    /// All that a port has put before the packet from octet `start` of the buffer on, and the packet.
    #[must_use]
    pub fn from(&self, start: usize) -> &[u8] {
        &self.memory[start..HEADROOM + self.l3_len]
    }

    /// The Ethernet frame, without tag.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        &self.memory[HEADROOM - ETH_LEN..HEADROOM + self.l3_len]
    }

    /// Destination of the frame.
    #[must_use]
    pub fn destination(&self) -> MacAddr {
        self.mac_at(HEADROOM - ETH_LEN)
    }

    /// Source of the frame.
    #[must_use]
    pub fn source(&self) -> MacAddr {
        self.mac_at(HEADROOM - ETH_LEN + 6)
    }

    /// The frame's EtherType (after any tag).
    #[must_use]
    pub fn ethertype(&self) -> u16 {
        u16::from_be_bytes([self.memory[HEADROOM - 2], self.memory[HEADROOM - 1]])
    }

    /// Puts an Ethernet header before the network-layer packet.
    pub fn set_link(&mut self, destination: MacAddr, source: MacAddr, ethertype: u16) {
        let at = HEADROOM - ETH_LEN;
        self.memory[at..at + 6].copy_from_slice(&destination.0);
        self.memory[at + 6..at + 12].copy_from_slice(&source.0);
        self.memory[at + 12..at + 14].copy_from_slice(&ethertype.to_be_bytes());
    }

    /// Puts a finished frame into the packet's place; the VLAN stays.
    ///
    /// # Panics
    /// If it is no frame, or does not fit.
    pub fn put_frame(&mut self, frame: &[u8]) {
        self.memory[HEADROOM - ETH_LEN..][..frame.len()].copy_from_slice(frame);
        self.set_l3_len(frame.len() - ETH_LEN);
        self.vnet = VnetHeader::default();
    }

    fn mac_at(&self, at: usize) -> MacAddr {
        MacAddr(*self.memory[at..].first_chunk().expect("an Ethernet header is in the buffer"))
    }
}

impl Default for Packet {
    fn default() -> Self {
        Self::new()
    }
}

/// What a device cuts into packets by itself, if it is given super-packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Segmentation {
    /// TCP over IPv4, with an unfinished checksum.
    pub tcp: bool,
    /// UDP over IPv4, the same.
    pub udp: bool,
}

/// The guests' Ethernet. All methods take `&self`: one thread receives while others send.
pub trait LanPort: Send + Sync {
    /// Waits until a frame has come, at most for `wait` or a second, and fills `batch` from the front with all that
    /// are there. `Ok(0)` means that there is none: the time is over, or somebody asked the waiting thread to look at
    /// its stop flag.
    ///
    /// # Errors
    /// The kernel's, when the interface cannot be read any more.
    fn recv(&self, batch: &mut [Packet], wait: Duration) -> io::Result<usize>;

    /// Sends the frames of those packets of the batch that `which` names, in that order, each tagged with its VLAN and
    /// with its offload facts; says how many were lost. A frame that the device does not take, because its queue is
    /// full or for any other reason, is lost and does not keep the others. The buffers' headroom is overwritten.
    fn send(&self, batch: &mut [Packet], which: &[usize]) -> usize;

    /// Sends one finished, untagged Ethernet frame on `vlan`: for answers made elsewhere.
    ///
    /// # Errors
    /// The kernel's; a full queue (`WouldBlock`, ENOBUFS) means that this frame is lost.
    fn send_frame(&self, vlan: Vlan, frame: &[u8]) -> io::Result<()>;
}

/// The gateway's TUN or TAP device, whose other side is the kernel's routing.
pub trait TunPort: Send + Sync {
    /// As [`LanPort::recv`]; packets have no link header.
    ///
    /// # Errors
    /// The kernel's, when the device cannot be read any more.
    fn recv(&self, batch: &mut [Packet], wait: Duration) -> io::Result<usize>;

    /// As [`LanPort::send`], to the kernel.
    fn send(&self, batch: &mut [Packet], which: &[usize]) -> usize;

    /// Which super-packets this kernel takes, here and on the LAN.
    fn segmentation(&self) -> Segmentation;
}
