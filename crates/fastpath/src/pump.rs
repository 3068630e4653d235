//! Moving batches between the two ports: for each direction threads of their own, each waiting on its own device.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::join::Joiner;
use crate::meter::Direction;
use crate::pacer::Pacer;
use crate::pipeline::{Action, Plane};
use crate::port::{LanPort, Packet, TunPort};

/// Packets taken from a device at once.
pub const BATCH: usize = 64;
/// The same until more than that have come at once: a gateway that nobody uses has buffers for few.
const FIRST_BATCH: usize = 8;
/// Packets that depart at once after they have waited: what 100 Mbit/s have in a millisecond, twice.
const DEPARTING: usize = 16;
/// The longest wait for a packet: then the stop flag is looked at.
const WAIT: Duration = Duration::from_secs(1);
/// Octets that may wait for their time in one thread, of all guests together: 600 kB are what one of 100 Mbit/s, or ten of
/// 10 Mbit/s, need, and a router of 64 MB has no more to give.
const WAITING_OCTETS: usize = 4 << 20;

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
    let mut batch = batch();
    let mut pacer = Pacer::new(WAITING_OCTETS);
    let mut joiner = Joiner::new(tun.segmentation());
    let mut send = |batch: &mut [Packet], which: &[usize]| plane.from_guests.count_not_sent(tun.send(batch, which));
    let mut answers = Vec::with_capacity(BATCH);
    while !stop.load(Ordering::Relaxed) {
        let received = lan.recv(&mut batch[DEPARTING..], wait(&pacer, clock))?;
        let now = clock();
        depart(plane, Direction::Up, &mut pacer, now, &mut batch, &mut joiner, &mut send);
        plane.from_guests(&mut batch, DEPARTING..DEPARTING + received, now, &mut pacer, |batch, index, action| {
            match action {
                Action::Send => joiner.offer(batch, index),
                Action::Answer => answers.push(index),
                Action::Done => {}
            }
        });
        let which = joiner.finish(&mut batch);
        send(&mut batch, which);
        plane.from_guests.count_not_sent(lan.send(&mut batch, &answers));
        answers.clear();
        make_room(&mut batch, received);
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
    let mut batch = batch();
    let mut pacer = Pacer::new(WAITING_OCTETS);
    let mut joiner = Joiner::new(tun.segmentation());
    let mut send = |batch: &mut [Packet], which: &[usize]| plane.to_guests.count_not_sent(lan.send(batch, which));
    while !stop.load(Ordering::Relaxed) {
        let received = tun.recv(&mut batch[DEPARTING..], wait(&pacer, clock))?;
        let now = clock();
        depart(plane, Direction::Down, &mut pacer, now, &mut batch, &mut joiner, &mut send);
        plane.to_guests(&mut batch, DEPARTING..DEPARTING + received, now, &mut pacer, |batch, index, action| {
            if matches!(action, Action::Send) {
                joiner.offer(batch, index);
            }
        });
        let which = joiner.finish(&mut batch);
        send(&mut batch, which);
        make_room(&mut batch, received);
    }
    Ok(())
}

/// Buffers for what has waited, and behind them those for what is received.
fn batch() -> Vec<Packet> {
    (0..DEPARTING + FIRST_BATCH).map(|_| Packet::new()).collect()
}

/// More buffers when all were needed.
fn make_room(batch: &mut Vec<Packet>, received: usize) {
    if received == batch.len() - DEPARTING && received < BATCH {
        batch.resize_with(DEPARTING + BATCH, Packet::new);
    }
}

/// How long to wait for packets: until one that waits here departs.
fn wait(pacer: &Pacer, clock: &dyn Fn() -> Duration) -> Duration {
    pacer.poll_timeout().map_or(WAIT, |due| due.saturating_sub(clock()).min(WAIT))
}

/// Sends the packets whose time has come. Before those that were received, or a flow would overtake itself.
fn depart(
    plane: &Plane,
    direction: Direction,
    pacer: &mut Pacer,
    now: Duration,
    batch: &mut [Packet],
    joiner: &mut Joiner,
    send: &mut dyn FnMut(&mut [Packet], &[usize]),
) {
    let mut index = 0;
    while let Some(waiting) = pacer.poll(now, &mut batch[index]) {
        if !plane.depart(direction, &mut batch[index], &waiting, now) {
            continue;
        }
        joiner.offer(batch, index);
        index += 1;
        if index == DEPARTING {
            let which = joiner.finish(batch);
            send(batch, which);
            index = 0;
        }
    }
}
