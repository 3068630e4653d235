//! Moving batches between the two ports: one thread for each direction, each waiting on its own device.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::join::Joiner;
use crate::pipeline::{Action, Plane};
use crate::port::{LanPort, Packet, TunPort};

/// Packets taken from a device at once. Buffers cost memory only as far as they are used.
pub const BATCH: usize = 64;

/// Carries guests' packets up until `stop`. `clock` tells the gateway's monotonic time.
///
/// # Errors
/// The LAN device's, when it cannot be read any more.
pub fn carry_up(
    plane: &Plane,
    lan: &dyn LanPort,
    tun: &dyn TunPort,
    clock: &dyn Fn() -> Duration,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut batch: Vec<Packet> = (0..BATCH).map(|_| Packet::new()).collect();
    let mut joiner = Joiner::default();
    // A device that does not take one packet must not cost the others.
    let mut send = |packet: &mut Packet| {
        if tun.send(packet).is_err() {
            plane.from_guests.count_not_sent();
        }
    };
    while !stop.load(Ordering::Relaxed) {
        let received = lan.recv(&mut batch)?;
        let now = clock();
        for index in 0..received {
            match plane.from_guest(&mut batch[index], now) {
                Action::Send => joiner.offer(&mut batch, index, &mut send),
                Action::Answer => {
                    if lan.send(&mut batch[index]).is_err() {
                        plane.from_guests.count_not_sent();
                    }
                }
                Action::Done => {}
            }
        }
        joiner.finish(&mut batch, &mut send);
    }
    Ok(())
}

/// Carries packets down to guests until `stop`.
///
/// # Errors
/// The TUN device's, when it cannot be read any more.
pub fn carry_down(
    plane: &Plane,
    lan: &dyn LanPort,
    tun: &dyn TunPort,
    clock: &dyn Fn() -> Duration,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut batch: Vec<Packet> = (0..BATCH).map(|_| Packet::new()).collect();
    let mut joiner = Joiner::default();
    let mut send = |packet: &mut Packet| {
        if lan.send(packet).is_err() {
            plane.to_guests.count_not_sent();
        }
    };
    while !stop.load(Ordering::Relaxed) {
        let received = tun.recv(&mut batch)?;
        let now = clock();
        for index in 0..received {
            if matches!(plane.to_guest(&mut batch[index], now), Action::Send) {
                joiner.offer(&mut batch, index, &mut send);
            }
        }
        joiner.finish(&mut batch, &mut send);
    }
    Ok(())
}
