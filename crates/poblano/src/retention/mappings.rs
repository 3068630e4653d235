//! What NAT does for guests, as the kernel tells: a line when a connection begins, and one when it is over.
//!
//! What a guest without a session sends into the walled garden is not written down: anybody can have as much of it as they
//! want, and it reaches only what the operator has opened. All else of guests has passed our check, so they were logged in.
//!
//! When the kernel has told more than was read in time, a gap is noted and what there is is compared with what we know of. So it
//! is at the start, when connections of a former run may go on, and now and then: of those that began while nobody listened the
//! kernel does not tell the end (`nf_conntrack_events` is 2), and their ports are somebody else's one day.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use config::Network;
use fastpath::pipeline::Plane;
use platform::{End, Told, Translation, Translations};
use serde_json::{Map, Value, json};
use tracing::warn;
use wire::Now;

use super::{Redactor, Shared, gap};
use crate::clock::Clock;
use crate::kept::millis;

/// Connections of which we know that they have begun, of 50 octets; of more the end is not written. A router's kernel keeps
/// 16,000 to 262,144.
const MOST_KNOWN: usize = 131_072;
/// Connections of one guest that are written down: so many at once, and then one in [`PAUSE`]: 70 MB a day. Whoever makes more
/// would push everybody's lines out of the files, his own too.
const BURST: u32 = 3000;
const PAUSE: Duration = Duration::from_millis(500);
/// A note of a gap is for so long: what else is missing meanwhile is not told again.
const QUIET: Duration = Duration::from_secs(60);
/// A kernel that cannot be read is asked again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two looks at all that there is.
const COMPARE: Duration = Duration::from_secs(600);

pub(super) struct Mappings {
    plane: Arc<Plane>,
    networks: Vec<Network>,
    redactor: Redactor,
    lines: SyncSender<String>,
    shared: Arc<Shared>,
    clock: Clock,
    /// When they began, in milliseconds since 1970.
    known: HashMap<Translation, u64>,
    budgets: HashMap<Ipv4Addr, Budget>,
}

/// A token bucket as one point in time, when it is full again; and until when it needs not be told that it is empty.
#[derive(Clone, Copy, Default)]
struct Budget {
    whole_at: Duration,
    quiet_until: Duration,
}

/// Whether one more is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admitted {
    Yes,
    /// It is not, and that is to be told.
    NoAndTold,
    No,
}

impl Budget {
    fn admit(&mut self, now: Duration) -> Admitted {
        let after = self.whole_at.max(now) + PAUSE;
        if after <= now + PAUSE * BURST {
            self.whole_at = after;
            return Admitted::Yes;
        }
        if now < self.quiet_until {
            return Admitted::No;
        }
        self.quiet_until = now + QUIET;
        Admitted::NoAndTold
    }
}

impl Mappings {
    pub(super) fn new(
        plane: Arc<Plane>,
        networks: Vec<Network>,
        redactor: Redactor,
        lines: SyncSender<String>,
        shared: Arc<Shared>,
        clock: Clock,
    ) -> Self {
        let (known, budgets) = (HashMap::new(), HashMap::new());
        Self { plane, networks, redactor, lines, shared, clock, known, budgets }
    }

    /// Until the end.
    pub(super) fn watch(mut self, mut kernel: Box<dyn Translations>) {
        self.mark("watch_began");
        let mut compare_at = Duration::ZERO;
        let mut gap_until = Duration::ZERO;
        while !self.shared.stop.load(Ordering::Relaxed) {
            let now = self.clock.now();
            if now.mono >= compare_at {
                compare_at = now.mono + COMPARE;
                self.compare(now, &mut *kernel);
            }
            let (mut told, before) = (Vec::new(), now.unix);
            let mut why = "the kernel told more than could be read".to_owned();
            if let Err(error) = kernel.read(&mut |what| told.push(what)) {
                why = error.to_string();
                told.push(Told::Lost);
                std::thread::sleep(AGAIN);
            }
            let now = self.clock.now();
            for what in told {
                match what {
                    Told::Began(translation) => self.begin(now, translation),
                    Told::Ended(translation) => self.end(now, &translation),
                    Told::Lost if now.mono >= gap_until => {
                        warn!("retention: {why}; some of what NAT did is not written down");
                        self.gap(before, QUIET, &why);
                        gap_until = now.mono + QUIET;
                        compare_at = compare_at.min(gap_until);
                    }
                    Told::Lost => {}
                }
            }
        }
        self.mark("watch_ended");
    }

    /// Makes what we know of what there is.
    fn compare(&mut self, now: Now, kernel: &mut dyn Translations) {
        let mut there = HashSet::new();
        let listed = kernel.list(&mut |translation| {
            if (there.len() < MOST_KNOWN || self.known.contains_key(&translation))
                && self.networks.iter().any(|network| network.contains(translation.guest.address))
            {
                there.insert(translation);
            }
        });
        if let Err(error) = listed {
            warn!("{error}; connections that there are may not be written down");
            return;
        }
        let gone: Vec<_> = self.known.keys().filter(|known| !there.contains(known)).copied().collect();
        gone.iter().for_each(|translation| self.end(now, translation));
        there.into_iter().for_each(|translation| self.begin(now, translation));
    }

    fn begin(&mut self, now: Now, translation: Translation) {
        if !self.networks.iter().any(|network| network.contains(translation.guest.address))
            || self.known.contains_key(&translation)
        {
            return;
        }
        let address = translation.guest.address;
        let guest = self.plane.table.by_address(address);
        if !guest.as_ref().is_some_and(|guest| guest.online_at(now.mono)) && self.is_in_garden(now, &translation) {
            return;
        }
        if self.budgets.len() >= MOST_KNOWN {
            self.budgets.retain(|_, budget| budget.whole_at > now.mono);
        }
        match self.budgets.entry(address).or_default().admit(now.mono) {
            Admitted::Yes => {}
            Admitted::No => return,
            Admitted::NoAndTold => {
                warn!("retention: a guest makes more connections than are written down");
                return self.gap(now.unix, QUIET, &format!("{address} made more connections than are written down"));
            }
        }
        let began = millis(now.unix);
        if self.known.len() < MOST_KNOWN {
            self.known.insert(translation, began);
        }
        let mut line = line(&translation, "mapping_began", began);
        if let Some(guest) = guest {
            self.redactor.put_mac(&mut line, self.plane.routes.station(guest.key), guest.key);
        }
        self.say(&translation, line);
    }

    fn end(&mut self, now: Now, translation: &Translation) {
        if let Some(began) = self.known.remove(translation) {
            let mut line = line(translation, "mapping_ended", millis(now.unix));
            line.insert("began_unix_ms".to_owned(), began.into());
            self.say(translation, line);
        }
    }

    fn say(&self, translation: &Translation, mut line: Map<String, Value>) {
        self.redactor.put_destination(&mut line, translation.destination);
        self.send(Value::Object(line).to_string());
    }

    fn mark(&self, what: &str) {
        self.send(json!({ "unix_ms": millis(self.clock.now().unix), "what": what }).to_string());
    }

    fn gap(&self, since: Duration, lasts: Duration, why: &str) {
        self.shared.gaps.fetch_add(1, Ordering::Relaxed);
        self.send(gap(self.clock, since, lasts, why).to_string());
    }

    /// Waits for room: this thread may, and what the kernel cannot keep for us meanwhile is a gap.
    fn send(&self, line: String) {
        if self.lines.send(line).is_err() {
            self.shared.lose(1);
        }
    }

    fn is_in_garden(&self, now: Now, translation: &Translation) -> bool {
        let own = self.plane.table.by_address(translation.guest.address).filter(|guest| guest.policy.own_garden);
        let End { address, port } = translation.destination;
        let secs = u32::try_from(now.mono.as_secs()).unwrap_or(u32::MAX);
        self.plane.garden.allows(own.map(|guest| guest.slot), address, translation.protocol, port.unwrap_or(0), secs)
    }
}

fn line(translation: &Translation, what: &str, unix_ms: u64) -> Map<String, Value> {
    let Translation { protocol, guest, public, id, .. } = translation;
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| drop(line.insert(name.to_owned(), value));
    put("unix_ms", unix_ms.into());
    put("what", what.into());
    put("protocol", protocol_name(*protocol));
    put("ip", guest.address.to_string().into());
    put("public_ip", public.address.to_string().into());
    put("id", (*id).into());
    if let (Some(port), Some(public_port)) = (guest.port, public.port) {
        put("port", port.into());
        put("public_port", public_port.into());
    }
    line
}

fn protocol_name(protocol: u8) -> Value {
    match protocol {
        1 => "icmp".into(),
        6 => "tcp".into(),
        17 => "udp".into(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_makes_ever_new_connections_is_told_of_once_and_has_some_later() {
        let mut budget = Budget::default();
        let now = Duration::from_secs(100);
        assert_eq!((0..BURST).filter(|_| budget.admit(now) == Admitted::Yes).count(), BURST as usize);
        assert_eq!([budget.admit(now), budget.admit(now)], [Admitted::NoAndTold, Admitted::No]);
        assert_eq!([budget.admit(now + PAUSE), budget.admit(now + PAUSE)], [Admitted::Yes, Admitted::No]);
    }
}
