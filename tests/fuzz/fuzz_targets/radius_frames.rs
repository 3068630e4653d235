//! A stream of packets, in pieces of any size: `size, piece` again and again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poblano_fuzz::Input;
use radius::{Frames, limits};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let mut pieces = Vec::new();
    while !input.is_empty() {
        pieces.push(input.short());
    }
    let stream = pieces.concat();
    let (together, broken) = packets(&[&stream]);
    assert_eq!(packets(&pieces), (together.clone(), broken), "how a stream is cut decides nothing");
    let whole = together.concat();
    assert!(stream.starts_with(&whole), "packets are the stream, in its order");
    let rest = &stream[whole.len()..];
    for packet in &together {
        assert_eq!(packet.len(), length(packet).expect("a packet has a header"));
        assert!((20..=limits::PACKET_OCTETS).contains(&packet.len()));
    }
    match length(rest) {
        Some(length) if !(20..=limits::PACKET_OCTETS).contains(&length) => assert!(broken),
        length => assert!(!broken && length.is_none_or(|length| rest.len() < length), "a whole packet is left"),
    }
});

/// What comes out of a stream in these pieces, and whether it ends because it cannot be read on.
fn packets(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
    let (mut frames, mut all) = (Frames::default(), Vec::new());
    for piece in pieces {
        frames.push(piece);
        loop {
            match frames.next_packet() {
                Ok(Some(packet)) => all.push(packet),
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
    }
    (all, false)
}

/// The Length field.
fn length(packet: &[u8]) -> Option<usize> {
    let [_, _, high, low] = packet.first_chunk()?;
    Some(u16::from_be_bytes([*high, *low]).into())
}
