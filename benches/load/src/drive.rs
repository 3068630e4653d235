//! The event loop: frames from the port to the guests and back, and the clock.
//!
//! One thread for everything. On a virtual cable the time goes into the kernel's sending (a frame costs about half a
//! microsecond, and on top of it whatever the other end does with it at once), not into the guests.

use std::io;
use std::net::SocketAddrV4;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use platform::netns::RawPort;
use platform::raw::{Inbox, Outbox};

use crate::guests::{Echoes, Fleet, Tally, Work};
use crate::process::Usage;
use crate::progress::{Progress, grouped};

/// Frames that are received at once, and about as many are sent.
const BATCH: usize = 64;
/// The longest sleep; guests have timers.
const NAP: Duration = Duration::from_millis(5);
/// The same where things are to happen at a pace.
const SHORT_NAP: Duration = Duration::from_micros(500);
/// A phase in which nothing comes to its end for so long is over: the gateway is silent. Longer than an exchange takes.
const SILENCE: Duration = Duration::from_secs(20);
/// How long packets may be on their way after the last one was sent.
const LATE: Duration = Duration::from_millis(500);
/// Batches of a flood between two looks at what has come: a router may ask for a guest by ARP.
const LOOK_EVERY: u32 = 16;

/// How fast a flood is, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// As fast as it goes, if none is given.
    pub(crate) packets_per_second: Option<u32>,
    pub(crate) time: Duration,
}

impl Pace {
    /// Waits until the next packet is due.
    pub(crate) fn wait(self, began: Instant, sent: u64) {
        let Some(rate) = self.packets_per_second else { return };
        let due = Duration::from_secs_f64(sent as f64 / f64::from(rate));
        if let Some(early) = due.checked_sub(began.elapsed()) {
            thread::sleep(early);
        }
    }
}

/// Guests on a wire.
pub(crate) struct Driver {
    pub(crate) fleet: Fleet,
    port: RawPort,
    inbox: Inbox,
    outbox: Outbox,
    epoch: Instant,
}

/// What a phase was like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// From the first message to the last exchange that came to its end.
    pub(crate) time: Duration,
    /// What this program took of the machine.
    pub(crate) tester: Usage,
}

impl Driver {
    pub(crate) fn new(fleet: Fleet, port: RawPort) -> Self {
        Self { fleet, port, inbox: Inbox::new(BATCH), outbox: Outbox::default(), epoch: Instant::now() }
    }

    /// Has guests do their work.
    pub(crate) fn phase(&mut self, name: &str, work: &Work, progress: &mut Progress) -> io::Result<Outcome> {
        let mut outcomes = self.together(name, std::slice::from_ref(work), |_, _, _| (), progress)?;
        Ok(outcomes.pop().unwrap_or_default())
    }

    /// Has guests do several works at the same time, and `beside` something else with the time since the beginning.
    pub(crate) fn together(
        &mut self,
        name: &str,
        works: &[Work],
        mut beside: impl FnMut(&mut Fleet, (Duration, Duration), &mut Outbox),
        progress: &mut Progress,
    ) -> io::Result<Vec<Outcome>> {
        let usage = Usage::ours();
        let began = Instant::now();
        let (mut done, mut last) = (0, began);
        let wanted = works.iter().map(Work::exchanges).sum();
        self.fleet.begin(works);
        while !self.fleet.is_done() {
            let now = Instant::now();
            self.fleet.poll(now - self.epoch, &mut self.outbox);
            beside(&mut self.fleet, (now - began, now - self.epoch), &mut self.outbox);
            if !self.turn()? {
                self.port.wait(if works.len() > 1 { SHORT_NAP } else { NAP })?;
            }
            let (so_far, failed) = self.fleet.score();
            if so_far > done {
                (done, last) = (so_far, now);
            }
            if now.duration_since(last) > SILENCE {
                break;
            }
            progress.passing(now, || {
                let rate = done as f64 / now.duration_since(began).as_secs_f64();
                let (done, wanted, failed) = (grouped(done), grouped(wanted), grouped(failed));
                format!("{name:9} {done} of {wanted}, {failed} failed, {} a second", grouped(rate as u64))
            });
        }
        let (time, tester) = (last.duration_since(began), Usage::ours().since(usage));
        Ok(self.fleet.finish().into_iter().map(|tally| Outcome { tally, time, tester }).collect())
    }

    /// So many packets a second, of all guests in turn, to servers that send them back.
    pub(crate) fn echo(
        &mut self,
        guests: Range<u32>,
        servers: &[SocketAddrV4],
        (packets_per_second, time): (u32, Duration),
        progress: &mut Progress,
    ) -> io::Result<Echoes> {
        self.fleet.echoes();
        let (began, mut sent) = (Instant::now(), 0u64);
        let mut everybody = guests.clone().zip(servers.iter().cycle()).cycle();
        let mut ended = None;
        loop {
            let now = Instant::now();
            let passed = now.duration_since(began);
            if passed < time {
                let due = (passed.as_secs_f64() * f64::from(packets_per_second)) as u64;
                for (guest, server) in everybody.by_ref().take((due.saturating_sub(sent) as usize).min(BATCH)) {
                    sent += 1;
                    self.fleet.ask_for_echo(guest, *server, now - self.epoch, &mut self.outbox);
                }
            } else {
                let ended = *ended.get_or_insert(now);
                if self.fleet.echoes_back() >= sent || now.duration_since(ended) > LATE {
                    return Ok(self.fleet.echoes());
                }
            }
            if !self.turn()? {
                self.port.wait(Duration::from_micros(500))?;
            }
            progress.passing(now, || {
                format!("{:9} {} packets sent, {} back", "echo", grouped(sent), grouped(self.fleet.echoes_back()))
            });
        }
    }

    /// Packets with this payload of so many guests in turn, beginning with `first`. Returns how many were sent.
    pub(crate) fn flood(
        &mut self,
        (first, guests): (u32, u32),
        servers: &[SocketAddrV4],
        payload: &[u8],
        pace: Pace,
    ) -> io::Result<u64> {
        let (began, mut sent) = (Instant::now(), 0);
        let mut everybody = (first..guests).chain(0..first).cycle();
        while began.elapsed() < pace.time {
            for _ in 0..LOOK_EVERY {
                pace.wait(began, sent);
                for guest in everybody.by_ref().take(BATCH) {
                    let server = servers[guest as usize % servers.len()];
                    sent += u64::from(self.fleet.packet(guest, server, payload, &mut self.outbox));
                }
                sent -= self.port.send(&mut self.outbox)? as u64;
            }
            self.turn()?;
        }
        Ok(sent)
    }

    /// Has a guest find its router, which packets need. If it does not answer, nothing will come back.
    pub(crate) fn find_router(&mut self) -> io::Result<()> {
        let began = Instant::now();
        while !self.fleet.knows_router() && began.elapsed() < SILENCE {
            self.fleet.look_for_router(self.epoch.elapsed(), &mut self.outbox);
            self.turn()?;
            self.port.wait(NAP)?;
        }
        Ok(())
    }

    /// One packet of each guest with a payload of its own, no faster than a router can take them.
    pub(crate) fn each(
        &mut self,
        guests: impl Iterator<Item = u32>,
        to: impl Fn(u32) -> SocketAddrV4,
        payload: impl Fn(u32) -> Vec<u8>,
    ) -> io::Result<()> {
        for guest in guests {
            self.fleet.packet(guest, to(guest), &payload(guest), &mut self.outbox);
            if self.outbox.len() == BATCH {
                self.turn()?;
                self.port.wait(Duration::from_millis(1))?;
            }
        }
        self.rest(LATE)
    }

    /// Only answers what comes, for a while.
    pub(crate) fn rest(&mut self, time: Duration) -> io::Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            if !self.turn()? {
                self.port.wait(NAP)?;
            }
        }
        Ok(())
    }

    /// Sends what is to be sent, and takes what has come. False if nothing has.
    fn turn(&mut self) -> io::Result<bool> {
        self.port.send(&mut self.outbox)?;
        let count = self.port.recv(&mut self.inbox)?;
        if count > 0 {
            let now = self.epoch.elapsed();
            for frame in self.inbox.frames() {
                self.fleet.handle_frame(frame, now, &mut self.outbox);
            }
            self.port.send(&mut self.outbox)?;
        }
        Ok(count > 0)
    }
}
