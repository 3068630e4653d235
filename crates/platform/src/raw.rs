//! Frames by the batch, as a raw packet port takes and gives them.
//!
//! For a program that is many stations at once, such as a load tester: no offloads, no lock, no VLAN beside the frame,
//! and no allocation once the buffers have grown.

/// Frames to be sent, one behind the other.
#[derive(Debug, Default)]
pub struct Outbox {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

impl Outbox {
    /// Appends one frame, which `write` appends to what it is given.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.octets);
        self.ends.push(self.octets.len());
    }

    /// How many frames there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
    }

    /// The frames in order.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.octets[std::mem::replace(&mut start, end)..end])
    }
}

/// Frames that were received.
#[derive(Debug)]
pub struct Inbox {
    pub(crate) memory: Vec<u8>,
    pub(crate) lens: Vec<usize>,
}

impl Inbox {
    /// Octets for one frame: a super-packet of another namespace comes whole.
    pub(crate) const SLOT: usize = 66 * 1024;

    /// Room for so many frames at once; memory is touched as frames need it.
    #[must_use]
    pub fn new(frames: usize) -> Self {
        Self { memory: vec![0; frames * Self::SLOT], lens: Vec::with_capacity(frames) }
    }

    /// How many frames it takes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.len() / Self::SLOT
    }

    /// The frames of the last receipt in order.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.memory.chunks_exact(Self::SLOT).zip(&self.lens).map(|(slot, &len)| &slot[..len])
    }
}

/// Packets that a port does not want to see, dropped by a filter in the kernel: UDP of or to this port whose IPv4
/// packet has exactly this length. A flood whose packets the interface counts need not be copied as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// UDP port of either side.
    pub udp_port: u16,
    /// Octets of the IPv4 packet.
    pub ip_len: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut outbox = Outbox::default();
        for frame in [&b"one"[..], b"", b"three"] {
            outbox.push(|octets| octets.extend_from_slice(frame));
        }
        assert_eq!(outbox.len(), 3);
        assert_eq!(outbox.frames().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
        outbox.clear();
        assert!(outbox.is_empty());
        assert_eq!(outbox.frames().count(), 0);
    }
}
