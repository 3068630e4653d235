//! A storm of probes: devices that wait at the portal ask again and again, and must not be felt by anybody else.

use std::ops::Range;
use std::time::Duration;

use anyhow::Context;

use super::network::{ECHO_PORT, servers};
use super::{LATE, Site};
use crate::cli::Lab;
use crate::guests::{Goal, Job, Work};
use crate::progress::{Progress, grouped, time};
use crate::report::{Report, Storm};

/// Probes a second of each device: Windows asks as often as that.
const PROBES: u32 = 5;
/// Logins a second meanwhile.
const LOGINS: u32 = 5;

/// Guests that log in while it lasts.
pub(super) fn logins(lab: &Lab) -> u32 {
    LOGINS * lab.storm_seconds
}

impl Site {
    /// `devices` have no lease yet, nor have those behind them, who log in; all before them are online.
    pub(super) fn storm(
        &mut self,
        devices: Range<u32>,
        lab: &Lab,
        report: &mut Report,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        let newcomers = devices.end..devices.end + logins(lab);
        let (at_once, per_second) = (lab.load.at_once.into(), None);
        let lease = Work { job: Job::Lease, guests: devices.start..newcomers.end, times: 1, at_once, per_second };
        self.phase("dhcp", "exchanges", &lease, report, progress)?;
        let probes = Work {
            job: Job::Visit(Goal::Probe),
            times: PROBES * lab.storm_seconds,
            at_once: usize::MAX,
            per_second: Some(f64::from(PROBES) * devices.len() as f64),
            guests: devices.clone(),
        };
        let logins = Work {
            job: Job::Visit(Goal::Login),
            times: 1,
            at_once: usize::MAX,
            per_second: Some(LOGINS.into()),
            guests: newcomers,
        };
        self.open_doors(0..devices.start, progress)?;
        let (echo_servers, pps) = (servers(ECHO_PORT), f64::from(lab.load.pps));
        let mut everybody = (0..devices.start).zip(echo_servers.iter().cycle()).cycle();
        let mut sent = 0;
        let echo = |fleet: &mut crate::guests::Fleet, (passed, now): (Duration, Duration), outbox: &mut _| {
            let due = (passed.as_secs_f64() * pps) as u64;
            for (guest, server) in everybody.by_ref().take(due.saturating_sub(sent) as usize) {
                sent += 1;
                fleet.ask_for_echo(guest, *server, now, outbox);
            }
        };
        self.driver.fleet.echoes();
        let before = self.gateway.usage();
        let outcomes =
            self.driver.together("storm", &[probes, logins], echo, progress).context("the guests' interface")?;
        let cpu = before.zip(self.gateway.usage()).map(|(before, after)| after.since(before).cpu());
        self.driver.rest(LATE)?;
        let echoes = self.driver.fleet.echoes();
        for ((name, unit), outcome) in [("storm", "redirects"), ("storm login", "logins")].into_iter().zip(outcomes) {
            progress.line(&format!(
                "{name:11} {} {unit}, {} failed, p99 {}",
                grouped(outcome.tally.done),
                grouped(outcome.tally.failures()),
                outcome.tally.latency.percentile(99).map_or("-".into(), time),
            ));
            report.add(name, unit, outcome, cpu);
        }
        progress.line(&format!("storm       {} echoes of guests, {} back", grouped(echoes.sent), grouped(echoes.back)));
        report.storm = Some(Storm { devices: devices.len() as u32, guests: devices.start, echoes });
        Ok(())
    }
}
