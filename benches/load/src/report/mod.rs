//! What was measured, and the three forms of it: JSON for programs, Markdown for people, SVG for the eye.

mod chart;
mod json;
mod markdown;
mod svg;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::drive::Outcome;
use crate::guests::Echoes;
use crate::lab::Seen;

/// For how many guests the memory of each is asked: of fewer, what a rush of logins leaves is the larger part.
const MANY: u32 = 100_000;

/// Everything that a run has found out.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// When it began, in seconds since 1970.
    pub(crate) began_unix: u64,
    pub(crate) machine: String,
    /// The command as it was given.
    pub(crate) command: String,
    /// What is measured, as `poblano`.
    pub(crate) gateway: String,
    pub(crate) guests: u32,
    pub(crate) phases: Vec<Phase>,
    pub(crate) memory: Option<Memory>,
    /// What the gateway itself said when all guests were logged in.
    pub(crate) seen: Option<Seen>,
    pub(crate) curve: Vec<Point>,
    pub(crate) storm: Option<Storm>,
}

/// What guests who were online felt of a storm of probes.
#[derive(Debug)]
pub(crate) struct Storm {
    /// Devices that probed.
    pub(crate) devices: u32,
    /// Guests that sent echoes.
    pub(crate) guests: u32,
    pub(crate) echoes: Echoes,
}

/// All of a phase's exchanges, whatever number of guests they led to.
#[derive(Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// What one exchange is called.
    pub(crate) unit: &'static str,
    pub(crate) outcome: Outcome,
    /// Processor time of the gateway's process.
    pub(crate) gateway_cpu: Option<Duration>,
}

/// Memory of the gateway's process: resident, and what its maps take in the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Without guests.
    pub(crate) idle_kb: u64,
    /// With so many that have a lease.
    pub(crate) leased: u32,
    pub(crate) leased_kb: u64,
    /// With so many that are online.
    pub(crate) online: u32,
    pub(crate) online_kb: u64,
    /// The maps', which have their size from the start.
    pub(crate) kernel_kb: u64,
}

/// Traffic with so many guests online.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) guests: u32,
    pub(crate) ours: Traffic,
    /// Plain kernel routing, in turns with ours.
    pub(crate) kernel: Option<Traffic>,
    /// Programs that look at nothing on the way that ours take, in turns with both.
    pub(crate) ceiling: Option<Traffic>,
}

/// What went through one gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) echoes: Echoes,
    pub(crate) up: Vec<Flood>,
    pub(crate) down: Vec<Flood>,
}

/// 64-octet packets as fast as they go, for one turn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Flood {
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
    pub(crate) time: Duration,
    /// Processor time of the gateway's process.
    pub(crate) gateway_cpu: Option<Duration>,
    /// Processor time of this program, with what the kernel does with a packet while it is sent.
    pub(crate) tester_cpu: Duration,
}

/// A part of something, of many turns: the one in the middle, and between which half of them are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

/// A number that was asked for.
pub(crate) struct Target {
    pub(crate) what: &'static str,
    pub(crate) asked: f64,
    pub(crate) measured: f64,
    /// Less is better.
    pub(crate) at_most: bool,
}

impl Report {
    /// Writes report.json, report.md and report.svg.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for (name, text) in [("report.json", self.json()), ("report.md", self.markdown()), ("report.svg", self.svg())] {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Adds what a phase was like with further guests.
    pub(crate) fn add(&mut self, name: &'static str, unit: &'static str, outcome: Outcome, cpu: Option<Duration>) {
        match self.phases.iter_mut().find(|phase| phase.name == name) {
            Some(phase) => {
                phase.outcome.merge(&outcome);
                phase.gateway_cpu = phase.gateway_cpu.zip(cpu).map(|(one, other)| one + other);
            }
            None => self.phases.push(Phase { name, unit, outcome, gateway_cpu: cpu }),
        }
    }

    /// Guests that did not get through a phase.
    pub(crate) fn failures(&self) -> u64 {
        self.phases.iter().map(|phase| phase.outcome.tally.failures()).sum()
    }

    /// What is asked of Poblano on two cores, for as much as was measured.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let phase = |name: &str| self.phases.iter().find(|phase| phase.name == name).map(|phase| &phase.outcome);
        let least = |what, asked, measured: Option<f64>| {
            measured.map(|measured| Target { what, asked, measured, at_most: false })
        };
        let shares = |way: fn(&Traffic) -> &[Flood]| self.curve.iter().map(move |point| Some(point.share(way)?.median));
        let worst = |way| shares(way).flatten().reduce(f64::min).map(|share| share * 100.0);
        let flat = |way| {
            let (few, many) = (shares(way).next()??, shares(way).nth(self.curve.len() - 1)??);
            (self.curve.len() > 1).then(|| many / few * 100.0)
        };
        let loss = phase("dhcp").map(|outcome| outcome.tally.lost as f64 / outcome.tally.begun.max(1) as f64 * 100.0);
        [
            least("DHCP exchanges a second", 20_000.0, phase("dhcp").map(Outcome::rate)),
            loss.map(|measured| Target { what: "DHCP loss, %", asked: 0.1, measured, at_most: true }),
            least("redirects of new connections a second", 48_000.0, phase("probe").map(Outcome::rate)),
            least("logins a second", 3000.0, phase("login").map(Outcome::rate)),
            self.memory.filter(|memory| memory.online >= MANY).map(|memory| Target {
                what: "octets of memory a guest, kernel maps included",
                asked: 1024.0,
                measured: memory.octets_all_told(),
                at_most: true,
            }),
            phase("storm login").and_then(|outcome| outcome.tally.latency.percentile(99)).map(|p99| Target {
                what: "logins in a storm of probes, ms at the 99th percentile",
                asked: 150.0,
                measured: p99.as_secs_f64() * 1000.0,
                at_most: true,
            }),
            self.storm.as_ref().map(|storm| Target {
                what: "packets of guests lost in it",
                asked: 0.0,
                measured: storm.echoes.sent.saturating_sub(storm.echoes.back) as f64,
                at_most: true,
            }),
            least("64-octet packets up, of kernel routing, %", 90.0, worst(Traffic::up)),
            least("64-octet packets down, of kernel routing, %", 90.0, worst(Traffic::down)),
            least("that share with most guests, of few, up, %", 95.0, flat(Traffic::up)),
            least("that share with most guests, of few, down, %", 95.0, flat(Traffic::down)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Target {
    pub(crate) fn is_met(&self) -> bool {
        if self.at_most { self.measured <= self.asked } else { self.measured >= self.asked }
    }
}

impl Outcome {
    /// Exchanges a second.
    pub(crate) fn rate(&self) -> f64 {
        self.tally.done as f64 / self.time.as_secs_f64().max(1e-9)
    }

    fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.time += other.time;
        self.tester.user += other.tester.user;
        self.tester.system += other.tester.system;
    }
}

impl Point {
    /// Our packets, of those that the kernel routes: of each turn, as both were measured one beside the other.
    pub(crate) fn share(&self, way: fn(&Traffic) -> &[Flood]) -> Option<Share> {
        self.share_of(&self.ours, way)
    }

    /// The same of programs that look at nothing.
    pub(crate) fn ceiling_share(&self, way: fn(&Traffic) -> &[Flood]) -> Option<Share> {
        self.share_of(self.ceiling.as_ref()?, way)
    }

    fn share_of(&self, traffic: &Traffic, way: fn(&Traffic) -> &[Flood]) -> Option<Share> {
        let turns = way(traffic).iter().zip(way(self.kernel.as_ref()?));
        let mut shares: Vec<f64> = turns.map(|(some, kernel)| some.rate() / kernel.rate().max(1e-9)).collect();
        shares.sort_by(f64::total_cmp);
        let at = |quarters: usize| shares.get(shares.len().checked_sub(1)? * quarters / 4).copied();
        Some(Share { low: at(1)?, median: at(2)?, high: at(3)? })
    }
}

impl Traffic {
    /// The floods from the guests.
    pub(crate) fn up(&self) -> &[Flood] {
        &self.up
    }

    /// Those to the guests.
    pub(crate) fn down(&self) -> &[Flood] {
        &self.down
    }
}

impl Flood {
    pub(crate) fn rate(self) -> f64 {
        self.arrived as f64 / self.time.as_secs_f64().max(1e-9)
    }

    pub(crate) fn loss(self) -> f64 {
        1.0 - self.arrived as f64 / self.sent.max(1) as f64
    }
}

/// All turns as one.
pub(crate) fn total(floods: &[Flood]) -> Option<Flood> {
    floods.iter().copied().reduce(|one, other| Flood {
        sent: one.sent + other.sent,
        arrived: one.arrived + other.arrived,
        time: one.time + other.time,
        gateway_cpu: one.gateway_cpu.zip(other.gateway_cpu).map(|(one, other)| one + other),
        tester_cpu: one.tester_cpu + other.tester_cpu,
    })
}

/// The turn in the middle, by packets a second.
pub(crate) fn median(floods: &[Flood]) -> Option<Flood> {
    let mut sorted = floods.to_vec();
    sorted.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn flood(arrived: u64) -> Flood {
        let (time, gateway_cpu) = (Duration::from_secs(1), Some(Duration::from_millis(800)));
        Flood { sent: 1_000_000, arrived, time, gateway_cpu, ..Flood::default() }
    }

    /// A report with something in every part.
    pub(super) fn report() -> Report {
        let mut report = Report {
            gateway: "poblano".into(),
            command: "poblano-load <lab>".into(),
            guests: 1000,
            ..Report::default()
        };
        for (name, unit) in [("dhcp", "exchanges"), ("probe", "redirects"), ("login", "logins")] {
            let mut outcome = Outcome { time: Duration::from_secs(2), ..Outcome::default() };
            for millis in 1..=1000 {
                outcome.tally.begun += 1;
                outcome.tally.done += 1;
                outcome.tally.latency.add(Duration::from_millis(millis));
            }
            report.add(name, unit, outcome, Some(Duration::from_secs(1)));
        }
        for (guests, ours) in [(1, 300_000), (1000, 200_000)] {
            let traffic = |rate| {
                let mut echoes = Echoes { sent: 100, back: 99, ..Echoes::default() };
                echoes.latency.add(Duration::from_micros(80));
                Traffic { echoes, up: vec![flood(rate)], down: vec![flood(rate / 2)] }
            };
            let (kernel, ceiling) = (Some(traffic(400_000)), Some(traffic(350_000)));
            report.curve.push(Point { guests, ours: traffic(ours), kernel, ceiling });
        }
        report.memory = Some(Memory {
            idle_kb: 6000,
            leased: 1000,
            leased_kb: 6800,
            online: 1000,
            online_kb: 7000,
            kernel_kb: 400,
        });
        report
    }

    #[test]
    fn the_worst_ratio_of_the_curve_is_what_counts() {
        let targets = report().targets();
        let up = targets.iter().find(|target| target.what.contains("packets up")).unwrap();
        assert_eq!((up.measured, up.is_met()), (50.0, false));
        let flat = targets.iter().find(|target| target.what.contains("of few, up")).unwrap();
        assert_eq!((flat.measured.round(), flat.is_met()), (67.0, false));
        let dhcp = targets.iter().find(|target| target.what.contains("exchanges")).unwrap();
        assert_eq!((dhcp.measured, dhcp.is_met()), (500.0, false));
        assert!(targets.iter().any(|target| target.what.contains("loss") && target.is_met()));
    }

    #[test]
    fn turns_are_compared_in_pairs_because_both_were_measured_at_one_time() {
        let mut report = report();
        let point = &mut report.curve[0];
        // The machine was twice as fast in the second turn; the last ones were disturbed.
        point.ours.up = vec![flood(100), flood(200), flood(10), flood(120), flood(300)];
        point.kernel.as_mut().unwrap().up = vec![flood(200), flood(400), flood(200), flood(200), flood(200)];
        assert_eq!(point.share(Traffic::up), Some(Share { low: 0.5, median: 0.5, high: 0.6 }));
        point.kernel = None;
        assert_eq!(point.share(Traffic::up), None);
    }

    #[test]
    fn one_odd_turn_does_not_decide_the_rate_but_counts_for_what_a_packet_costs() {
        let turns = [flood(100), flood(5), flood(101)];
        assert_eq!(median(&turns).map(|flood| flood.arrived), Some(100));
        let all = total(&turns).unwrap();
        assert_eq!((all.arrived, all.gateway_cpu), (206, Some(Duration::from_millis(2400))));
        assert_eq!((median(&[]), total(&[])), (None, None));
    }

    #[test]
    fn further_guests_add_to_a_phase() {
        let mut report = report();
        let mut more = Outcome { time: Duration::from_secs(2), ..Outcome::default() };
        more.tally.done = 3000;
        report.add("dhcp", "exchanges", more, Some(Duration::from_secs(1)));
        let phase = &report.phases[0];
        assert_eq!((phase.outcome.rate(), phase.gateway_cpu), (1000.0, Some(Duration::from_secs(2))));
    }
}
