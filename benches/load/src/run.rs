//! `run`: guests for a gateway that exists, on an interface of this machine.

use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::{Context, bail};
use platform::netns::Netns;

use crate::cli::{Phase, Run};
use crate::drive::Driver;
use crate::guard;
use crate::guests::{Fleet, Goal, Habits, Job, Work};
use crate::progress::{Progress, grouped};
use crate::report::{Point, Report, Traffic};

/// Sends the guests out.
pub(crate) fn measure(run: &Run, habits: &Habits, progress: &mut Progress) -> anyhow::Result<Report> {
    guard::allow(&run.interface, run.mine)?;
    let load = &run.load;
    if run.echo.is_none() && load.phases.contains(&Phase::Traffic) {
        bail!("traffic takes a server that sends back what it gets: name it with --echo");
    }
    let port = Netns::current()?.open_raw(&run.interface, None)?;
    let mut driver = Driver::new(Fleet::new(load.guests, habits.clone()), port);
    let mut report = Report { gateway: run.interface.clone(), guests: load.guests, ..Report::default() };
    let all = 0..load.guests;
    let phases = [
        (Phase::Dhcp, "dhcp", "exchanges", Job::Lease, 1),
        (Phase::Probe, "probe", "redirects", Job::Visit(Goal::Probe), load.probes),
        (Phase::Login, "login", "logins", Job::Visit(Goal::Login), 1),
        (Phase::Traffic, "", "", Job::Lease, 0),
        (Phase::Logout, "logout", "logouts", Job::Visit(Goal::Logout), 1),
    ];
    for (phase, name, unit, job, times) in phases.into_iter().filter(|(phase, ..)| load.has(*phase)) {
        if phase == Phase::Traffic {
            if let Some(server) = run.echo {
                report.curve.push(traffic(run, server, &mut driver, progress)?);
            }
            continue;
        }
        let work = Work { job, guests: all.clone(), times, at_once: load.at_once.into(), per_second: None };
        let outcome = driver.phase(name, &work, progress).context(run.interface.clone())?;
        let (done, failed) = (grouped(outcome.tally.done), grouped(outcome.tally.failures()));
        progress.line(&format!("{name:9} {done} {unit}, {failed} failed, {} a second", grouped(outcome.rate() as u64)));
        report.add(name, unit, outcome, None);
    }
    Ok(report)
}

fn traffic(run: &Run, server: SocketAddrV4, driver: &mut Driver, progress: &mut Progress) -> anyhow::Result<Point> {
    let load = &run.load;
    driver.find_router()?;
    let pace = (load.pps, Duration::from_secs(load.seconds));
    let echoes = driver.echo(0..load.guests, &[server], pace, progress)?;
    progress.line(&format!("echo      {} sent, {} back", grouped(echoes.sent), grouped(echoes.back)));
    Ok(Point { guests: load.guests, ours: Traffic { echoes, ..Traffic::default() }, kernel: None, ceiling: None })
}
