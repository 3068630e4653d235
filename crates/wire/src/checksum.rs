//! The Internet checksum (RFC 1071).

use std::net::Ipv4Addr;

/// The 16-bit one's complement sum of `bytes` added to `sum`, not yet folded. An odd last byte counts
/// as the high half of a word.
#[must_use]
pub fn add(sum: u32, bytes: &[u8]) -> u32 {
    // Summed in the machine's byte order and swapped once (RFC 1071, 2 B): the compiler makes vectors of it.
    let mut wide = 0u64;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        wide += u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    }
    for pair in words.remainder().chunks(2) {
        wide += u64::from(u16::from_ne_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    let wide = (wide & 0xffff_ffff) + (wide >> 32);
    let wide = (wide & 0xffff) + (wide >> 16 & 0xffff) + (wide >> 32);
    u32::from(fold(sum)) + u32::from(u16::from_be(fold(wide as u32)))
}

/// Folds a sum to 16 bits, without complementing it.
#[must_use]
pub fn fold(mut sum: u32) -> u16 {
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// The checksum of `bytes`: complemented, ready for a header whose checksum field was zero.
#[must_use]
pub fn of(bytes: &[u8]) -> u16 {
    !fold(add(0, bytes))
}

/// The sum of the IPv4 pseudo header of TCP and UDP (RFC 9293, 3.1).
#[must_use]
pub fn pseudo_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, length: u16) -> u32 {
    let sum = add(0, &source.octets());
    let sum = add(sum, &destination.octets());
    sum + u32::from(protocol) + u32::from(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc1071_section_3_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(add(0, &bytes)), 0xddf2);
        assert_eq!(of(&bytes), !0xddf2);
    }

    #[test]
    fn long_and_short_sums_equal_the_definition() {
        let bytes: Vec<u8> = (0..4099u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for len in (0..40).chain([1500, 4096, 4097, 4098, 4099]) {
            let words = bytes[..len].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)));
            let slow = words.fold(0xffee, |sum, word| ((sum + word) & 0xffff) + ((sum + word) >> 16));
            assert_eq!(u32::from(fold(add(0xffee, &bytes[..len]))) % 0xffff, slow % 0xffff, "{len} octets");
        }
        assert_eq!(of(&[0xff; 65_536]), 0);
    }

    #[test]
    fn odd_lengths_pad_on_the_right() {
        assert_eq!(of(&[0x12, 0x34, 0x56]), of(&[0x12, 0x34, 0x56, 0x00]));
    }
}
