//! Sends frames again and again, as fast as the interface takes them: `replay INTERFACE SECONDS < FRAMES`.
//! Each frame has its length before it, in two octets, the higher one first. Prints how many were sent.
//! For `benches/small`; it sends on whatever it is told to, so run it in a network namespace.

#![allow(clippy::print_stdout, reason = "the result")]

use std::io::Read;
use std::time::{Duration, Instant};

use fastpath::port::Packet;
use platform::netns::Netns;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(interface), Some(seconds)) = (arguments.next(), arguments.next()) else {
        return Err("replay INTERFACE SECONDS < FRAMES".into());
    };
    let end = Instant::now() + Duration::from_secs_f64(seconds.parse()?);
    let mut frames = frames()?;
    let all: Vec<usize> = (0..frames.len()).collect();
    let port = Netns::current()?.open(&interface)?;
    let mut sent = 0;
    while Instant::now() < end {
        sent += all.len() - port.send(&mut frames, &all);
    }
    println!("{sent}");
    Ok(())
}

fn frames() -> Result<Vec<Packet>, Box<dyn std::error::Error>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let mut rest = &bytes[..];
    let mut frames = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (frame, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or("cut short")?;
        let mut packet = Packet::new();
        packet.put_frame(frame);
        frames.push(packet);
        rest = after;
    }
    if frames.is_empty() {
        return Err("no frames".into());
    }
    Ok(frames)
}
