//! What went over the wires, as a file for a packet analyser: classic pcap, microseconds, little-endian.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use wire::Vlan;

/// Packets that are kept, the newest.
const KEPT: usize = 4096;
/// Octets of each that are kept.
const SNAP: usize = 2048;

/// Link-layer header types of the pcap registry.
#[derive(Clone, Copy)]
pub(crate) enum Link {
    Ethernet = 1,
    RawIp = 101,
}

/// The newest packets of one wire.
pub(crate) struct Tape {
    link: Link,
    packets: VecDeque<(Duration, u32, Vec<u8>)>,
}

impl Tape {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, packets: VecDeque::new() }
    }

    /// Notes a packet, or a frame with its tag put back in.
    pub(crate) fn note(&mut self, at: Duration, vlan: Vlan, bytes: &[u8]) {
        if self.packets.len() == KEPT {
            self.packets.pop_front();
        }
        let mut kept = Vec::with_capacity(bytes.len().min(SNAP) + 4);
        let (addresses, rest) = bytes.split_at(if vlan == Vlan::NONE { 0 } else { bytes.len().min(12) });
        kept.extend_from_slice(addresses);
        if vlan != Vlan::NONE {
            kept.extend_from_slice(&[0x81, 0]);
            kept.extend_from_slice(&vlan.0.to_be_bytes());
        }
        kept.extend_from_slice(&rest[..rest.len().min(SNAP)]);
        let len = bytes.len() + kept.len() - (addresses.len() + rest.len().min(SNAP));
        self.packets.push_back((at, len as u32, kept));
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = io::BufWriter::new(std::fs::File::create(path)?);
        for word in [0xa1b2_c3d4u32, 2 | 4 << 16, 0, 0, 65_535 + 18, self.link as u32] {
            file.write_all(&word.to_le_bytes())?;
        }
        for (at, len, bytes) in &self.packets {
            for word in [at.as_secs() as u32, at.subsec_micros(), bytes.len() as u32, *len] {
                file.write_all(&word.to_le_bytes())?;
            }
            file.write_all(bytes)?;
        }
        file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagged_frame_is_written_with_its_tag_and_its_length() {
        let mut tape = Tape::new(Link::Ethernet);
        let frame: Vec<u8> = (0..60).collect();
        tape.note(Duration::new(7, 9000), Vlan(5), &frame);
        tape.note(Duration::new(8, 0), Vlan::NONE, &[0; 5000]);
        let path = std::env::temp_dir().join(format!("poblano-tape-{}.pcap", std::process::id()));
        tape.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(bytes[..4], 0xa1b2_c3d4u32.to_le_bytes());
        assert_eq!(bytes[20..24], 1u32.to_le_bytes());
        assert_eq!(bytes[24..40], [7, 0, 0, 0, 9, 0, 0, 0, 64, 0, 0, 0, 64, 0, 0, 0]);
        assert_eq!(bytes[40..58], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x81, 0, 0, 5, 12, 13]);
        let second = &bytes[40 + 64..];
        assert_eq!(second[8..12], 2048u32.to_le_bytes());
        assert_eq!(second[12..16], 5000u32.to_le_bytes());
        assert_eq!(second.len(), 16 + 2048);
    }
}
