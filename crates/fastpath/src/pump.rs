//! Moving batches between the two ports: for each direction threads of their own, each waiting on its own device.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::join::Joiner;
use crate::pipeline::{Action, Plane};
use crate::port::{LanPort, Packet, TunPort};

/// Packets taken from a device at once. Buffers cost memory only as far as they are used.
pub const BATCH: usize = 64;
/// The longest wait for a packet: then the stop flag is looked at.
const WAIT: Duration = Duration::from_secs(1);

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
    let mut joiner = Joiner::new(tun.segmentation());
    let mut answers = Vec::with_capacity(BATCH);
    while !stop.load(Ordering::Relaxed) {
        let received = lan.recv(&mut batch, WAIT)?;
        let now = clock();
        plane.expect_from_guests(&batch[..received]);
        for index in 0..received {
            match plane.from_guest(&mut batch[index], now) {
                Action::Send => joiner.offer(&mut batch, index),
                Action::Answer(answer) => {
                    batch[index].put_frame(answer.frame());
                    answers.push(index);
                }
                Action::Done => {}
            }
        }
        let which = joiner.finish(&mut batch);
        let lost = tun.send(&mut batch, which) + lan.send(&mut batch, &answers);
        answers.clear();
        plane.from_guests.count_not_sent(lost);
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
    let mut joiner = Joiner::new(tun.segmentation());
    while !stop.load(Ordering::Relaxed) {
        let received = tun.recv(&mut batch, WAIT)?;
        let now = clock();
        plane.expect_to_guests(&batch[..received]);
        for index in 0..received {
            if matches!(plane.to_guest(&mut batch[index], now), Action::Send) {
                joiner.offer(&mut batch, index);
            }
        }
        let which = joiner.finish(&mut batch);
        let lost = lan.send(&mut batch, which);
        plane.to_guests.count_not_sent(lost);
    }
    Ok(())
}
