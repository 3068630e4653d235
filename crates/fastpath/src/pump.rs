//! Moving batches between the two ports: one thread for each direction, each waiting on its own device.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::pipeline::{Action, Plane};
use crate::port::{LanPort, Packet, TunPort};

/// Packets taken from a device at once. Buffers cost memory only as far as they are used.
pub const BATCH: usize = 32;

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
    while !stop.load(Ordering::Relaxed) {
        let received = lan.recv(&mut batch)?;
        let now = clock();
        for packet in &mut batch[..received] {
            // A device that does not take one packet must not cost the others.
            let sent = match plane.from_guest(packet, now) {
                Action::Send => tun.send(packet),
                Action::Answer(answer) => lan.send_frame(packet.vlan, answer.frame()),
                Action::Done => Ok(()),
            };
            if sent.is_err() {
                plane.lost(&plane.from_guests);
            }
        }
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
    while !stop.load(Ordering::Relaxed) {
        let received = tun.recv(&mut batch)?;
        let now = clock();
        for packet in &mut batch[..received] {
            if matches!(plane.to_guest(packet, now), Action::Send) && lan.send(packet).is_err() {
                plane.lost(&plane.to_guests);
            }
        }
    }
    Ok(())
}
