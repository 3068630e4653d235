//! `lab`: guests, a gateway and an Internet of its own, and beside them the same with plain kernel routing. Both take
//! turns, so that whatever else the machine does hits both.

mod far;
mod gateway;
mod network;
mod radius;
mod storm;

use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Context;
use platform::netns;
use wire::MacAddr;

use self::far::Far;
pub(crate) use self::gateway::Seen;
use self::gateway::{Folder, Gateway, KERNEL_ADDRESS, KERNEL_GUESTS};
use self::network::{ECHO_PORT, FAR, FLOOD_PORT, Network, servers};
use self::radius::Radius;
use crate::cli::{Auth, Kind, Lab, Phase};
use crate::drive::{Driver, Pace};
use crate::guard::LAB_INTERFACE;
use crate::guests::traffic::Stamp;
use crate::guests::{Fleet, Goal, Habits, Job, Work, mac_of};
use crate::process::Usage;
use crate::progress::{Progress, grouped};
use crate::report::{Flood, Memory, Point, Report, Traffic, median};

/// A flood is cut into turns of this length, ours and the kernel's one beside the other: what else a machine does lasts
/// longer, and hits both.
const TURN: Duration = Duration::from_millis(100);
/// How long packets of a turn may be on their way after the last one was sent; none has come for so long at its end.
const DRAIN: Duration = Duration::from_millis(300);
const SILENCE: Duration = Duration::from_millis(10);
/// How long echoes may be on their way when a storm is over.
const LATE: Duration = Duration::from_millis(500);
/// After logins, until what stays is all that is there: accounting has been taken, sessions are on the disk.
const CALM: Duration = Duration::from_secs(15);
/// How often guests whose packet has not come through send another one.
const KNOCKS: u32 = 5;

/// A station that nobody has.
const NOBODY: MacAddr = MacAddr([2, 0, 0xff, 0xff, 0xff, 0xff]);

/// Logins at once with Poblano's own accounts: it checks one password at a time and lets 64 wait.
const LOCAL_LOGINS: usize = 32;

/// Builds the lab, measures, and takes it away again.
pub(crate) fn measure(lab: &Lab, habits: &Habits, progress: &mut Progress) -> anyhow::Result<Report> {
    netns::become_root()?;
    let mut stages = if lab.curve.is_empty() { vec![lab.load.guests] } else { lab.curve.clone() };
    stages.sort_unstable();
    let guests = stages.last().copied().unwrap_or_default();
    // Who is online, who probes in a storm, and who logs in meanwhile.
    let of_storm = lab.storm.map_or(0, |devices| devices + storm::logins(lab));
    let has = |phase| lab.load.has(phase);
    let pair = lab.gateway != Kind::Kernel && !lab.alone && has(Phase::Traffic);
    let mut kernel = pair.then(|| Site::kernel(guests, habits)).transpose()?;
    let folder = Folder::make()?;
    let ceiling = pair && lab.ceiling && lab.gateway == Kind::Poblano;
    let mut ceiling = ceiling.then(|| Site::unseen(lab, &folder, guests, habits)).transpose()?;
    let (mut site, radius) = match lab.gateway {
        Kind::Kernel => (Site::kernel(guests, habits)?, None),
        Kind::Poblano | Kind::External => Site::start(lab, &folder, guests + of_storm, habits, progress)?,
    };
    let mut report = Report { gateway: site.name.into(), guests, ..Report::default() };
    let mut memory = site.gateway.usage().map(|usage| Memory { idle_kb: usage.memory_kb, ..Memory::default() });
    let mut before = 0;
    for stage in stages {
        if lab.gateway != Kind::Kernel {
            site.join(before..stage, lab, &mut report, &mut memory, progress)?;
            if let (Some(radius), 0) = (&radius, report.failures()) {
                let began = Instant::now();
                radius.check_starts(stage as usize)?;
                let millis = began.elapsed().as_millis();
                progress
                    .line(&format!("the start of each session was accounted, under its own Class, {millis} ms later"));
            }
        }
        if has(Phase::Traffic) {
            let mut ours = site.settled(before..stage, lab, progress)?;
            let (mut kernels, mut most) = (Traffic::default(), Traffic::default());
            if let Some(kernel) = &mut kernel {
                kernels = kernel.settled(before..stage, lab, progress)?;
            }
            if let Some(ceiling) = &mut ceiling {
                ceiling.open_doors(before..stage, progress)?;
            }
            let beside = kernel.as_mut().map(|site| (site, &mut kernels));
            let beside = beside.into_iter().chain(ceiling.as_mut().map(|site| (site, &mut most)));
            let mut all: Vec<_> = [(&mut site, &mut ours)].into_iter().chain(beside).collect();
            for way in [Way::Up, Way::Down] {
                for _ in
                    0..u128::from(lab.rounds) * (Duration::from_secs(lab.load.seconds).as_millis() / TURN.as_millis())
                {
                    for (site, traffic) in &mut all {
                        site.flood(way, stage, lab.flood_pps, traffic, progress)?;
                    }
                    all.reverse(); // who comes last does not always find the same
                }
            }
            let (kernel, ceiling) = (kernel.is_some().then_some(kernels), ceiling.is_some().then_some(most));
            let point = Point { guests: stage, ours, kernel, ceiling };
            progress.line(&line_of(&point));
            report.curve.push(point);
        }
        before = stage;
    }
    if let Some(devices) = lab.storm {
        site.storm(guests..guests + devices, lab, &mut report, progress)?;
    }
    report.seen = site.gateway.seen()?;
    report.memory = memory;
    if lab.gateway != Kind::Kernel && has(Phase::Logout) {
        let (job, at_once) = (Job::Visit(Goal::Logout), lab.load.at_once.into());
        site.phase(
            "logout",
            "logouts",
            &Work { job, guests: 0..guests, times: 1, at_once, per_second: None },
            &mut report,
            progress,
        )?;
    }
    let words = site.gateway.last_words();
    if report.failures() > 0 && !words.is_empty() {
        progress.line(&format!("the gateway's last words:\n{words}"));
    }
    Ok(report)
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// One gateway with all that is around it.
struct Site {
    name: &'static str,
    // In this order they end: who is on a cable before the cable.
    driver: Driver,
    far: Far,
    gateway: Gateway,
    network: Network,
}

impl Site {
    fn kernel(guests: u32, habits: &Habits) -> anyhow::Result<Self> {
        let network = Network::build()?;
        let gateway = Gateway::kernel(&network.gateway, guests)?;
        let mut site = Self::around("kernel", network, gateway, guests, habits)?;
        site.driver.fleet.settle(KERNEL_GUESTS, KERNEL_ADDRESS.0, None);
        Ok(site)
    }

    /// Poblano's devices and rules, and programs that look at nothing. Nobody logs in, or its own way would be taken:
    /// guests send to a station that is not the gateway's, so that its socket leaves them alone as well.
    fn unseen(lab: &Lab, folder: &Folder, guests: u32, habits: &Habits) -> anyhow::Result<Self> {
        let network = Network::build()?;
        network.gateway.enter()?;
        let folder = folder.path().join("unseen");
        fs::create_dir(&folder)?;
        let gateway = Gateway::unseen(&network.gateway, lab, &folder, guests, mac_of(0))?;
        let mut site = Self::around("way alone", network, gateway, guests, habits)?;
        site.driver.fleet.settle(KERNEL_GUESTS, KERNEL_ADDRESS.0, Some(NOBODY));
        Ok(site)
    }

    fn start(
        lab: &Lab,
        folder: &Folder,
        guests: u32,
        habits: &Habits,
        progress: &mut Progress,
    ) -> anyhow::Result<(Self, Option<Radius>)> {
        let network = Network::build()?;
        let radius = lab.auth != Auth::Local && lab.load.has(Phase::Login);
        // Both die with the thread that starts them: this one, which lives as long as the lab.
        network.internet.enter()?;
        let radius = radius.then(|| Radius::start(folder.path(), &habits.account, lab.auth)).transpose()?;
        network.gateway.enter()?;
        if lab.gateway == Kind::External {
            progress.line(&format!(
                "the gateway's namespace: nsenter --net=/proc/{}/task/{}/ns/net; lan0 has the guests, wan0 is \
                 192.0.2.2/24 with the router 192.0.2.1, RADIUS is at 192.0.2.18 with --auth radius, secret {:?}",
                std::process::id(),
                std::process::id(),
                radius::SECRET,
            ));
        }
        let gateway = Gateway::start(lab, folder.path(), guests)?;
        let name = if lab.gateway == Kind::External { "external" } else { "poblano" };
        Ok((Self::around(name, network, gateway, guests, habits)?, radius))
    }

    fn around(
        name: &'static str,
        network: Network,
        gateway: Gateway,
        guests: u32,
        habits: &Habits,
    ) -> anyhow::Result<Self> {
        let far = Far::start(&network.internet)?;
        let port = network.guests.open_raw(LAB_INTERFACE, Some(far::FLOOD))?;
        let driver = Driver::new(Fleet::new(guests, habits.clone()), port);
        Ok(Self { name, driver, far, gateway, network })
    }

    /// Brings further guests online.
    fn join(
        &mut self,
        new: Range<u32>,
        lab: &Lab,
        report: &mut Report,
        memory: &mut Option<Memory>,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        let at_once = usize::from(lab.load.at_once);
        let work = |job, times| Work { job, guests: new.clone(), times, at_once, per_second: None };
        if lab.load.has(Phase::Dhcp) {
            self.phase("dhcp", "exchanges", &work(Job::Lease, 1), report, progress)?;
            if let (Some(memory), Some(usage)) = (memory.as_mut(), self.gateway.usage()) {
                (memory.leased, memory.leased_kb) = (self.driver.fleet.leased() as u32, usage.memory_kb);
            }
        }
        if lab.load.has(Phase::Probe) {
            let probes = work(Job::Visit(Goal::Probe), lab.load.probes);
            self.phase("probe", "redirects", &probes, report, progress)?;
        }
        if lab.load.has(Phase::Login) {
            let mut logins = work(Job::Visit(Goal::Login), 1);
            if lab.gateway == Kind::Poblano && lab.auth == Auth::Local {
                logins.at_once = at_once.min(LOCAL_LOGINS);
            }
            self.phase("login", "logins", &logins, report, progress)?;
            self.driver.rest(CALM)?;
            if let (Some(memory), Some(usage)) = (memory.as_mut(), self.gateway.usage()) {
                (memory.online, memory.online_kb) = (self.driver.fleet.online() as u32, usage.memory_kb);
                memory.kernel_kb = usage.kernel_kb;
            }
        }
        Ok(())
    }

    fn phase(
        &mut self,
        name: &'static str,
        unit: &'static str,
        work: &Work,
        report: &mut Report,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        let before = self.gateway.usage();
        let outcome = self.driver.phase(name, work, progress).context("the guests' interface")?;
        let cpu = before.zip(self.gateway.usage()).map(|(before, after)| after.since(before).cpu());
        progress.line(&format!(
            "{name:9} {} {unit}, {} failed, {} with a loss, {} a second",
            grouped(outcome.tally.done),
            grouped(outcome.tally.failures()),
            grouped(outcome.tally.lost),
            grouped(outcome.rate() as u64),
        ));
        report.add(name, unit, outcome, cpu);
        Ok(())
    }

    /// The doors of further guests are opened, and echoes of all are timed while nothing else happens.
    fn settled(&mut self, new: Range<u32>, lab: &Lab, progress: &mut Progress) -> anyhow::Result<Traffic> {
        let all = 0..new.end;
        self.open_doors(new, progress)?;
        let time = Duration::from_secs(lab.load.seconds);
        let echoes = self.driver.echo(all, &servers(ECHO_PORT), (lab.load.pps, time), progress)?;
        Ok(Traffic { echoes, ..Traffic::default() })
    }

    /// Has further guests send something, after which packets for them find their way.
    fn open_doors(&mut self, new: Range<u32>, progress: &mut Progress) -> anyhow::Result<()> {
        let flood = servers(FLOOD_PORT);
        let server = |guest: u32| flood[guest as usize % flood.len()];
        self.driver.find_router()?;
        for _ in 0..KNOCKS {
            if self.far.doors() >= new.end as usize {
                break;
            }
            let unknown = new.clone().filter(|guest| !self.far.knows(*guest));
            self.driver.each(unknown, server, far::announcement)?;
        }
        let (doors, wanted) = (self.far.doors(), new.end as usize);
        if doors < wanted {
            progress.line(&format!("{}: packets of {} guests do not come through", self.name, wanted - doors));
        }
        Ok(())
    }

    /// A turn of a flood: packets of all guests one after the other, from where the last turn has ended.
    fn flood(
        &mut self,
        way: Way,
        guests: u32,
        packets_per_second: Option<u32>,
        traffic: &mut Traffic,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        let pace = Pace { packets_per_second, time: TURN };
        let name = self.name;
        progress.passing(Instant::now(), || format!("flood     {name}, {way:?}"));
        let turns = match way {
            Way::Up => &mut traffic.up,
            Way::Down => &mut traffic.down,
        };
        let first = (turns.iter().map(|flood| flood.sent).sum::<u64>() % u64::from(guests)) as u32;
        let (gateway, ours) = (self.gateway.usage(), Usage::ours());
        let (before, began) = (self.arrived(way)?, Instant::now());
        let sent = match way {
            Way::Up => {
                let payload = Stamp { guest: 0, sent: Duration::ZERO }.emit();
                self.driver.flood((first, guests), &servers(FLOOD_PORT), &payload, pace)?
            }
            Way::Down => self.far.flood((first, guests), pace)?,
        };
        let time = began.elapsed();
        // What arrives later was on its way: it must not count, or a long queue would be speed.
        // The interface counts an ARP message now and then as well.
        let arrived = (self.arrived(way)? - before).min(sent);
        let gateway_cpu = gateway.zip(self.gateway.usage()).map(|(before, after)| after.since(before).cpu());
        let tester_cpu = Usage::ours().since(ours).cpu();
        turns.push(Flood { sent, arrived, time, gateway_cpu, tester_cpu });
        self.drain(way)
    }

    /// Waits for what is on its way: it would take the next turn's time.
    fn drain(&mut self, way: Way) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut last = self.arrived(way)?;
        while began.elapsed() < DRAIN {
            self.driver.rest(SILENCE)?;
            match self.arrived(way)? {
                now if now == last => break,
                now => last = now,
            }
        }
        Ok(())
    }

    /// Packets that have come to the end of this way.
    fn arrived(&self, way: Way) -> anyhow::Result<u64> {
        match way {
            Way::Up => network::received(&self.network.internet, FAR),
            Way::Down => network::received(&self.network.guests, LAB_INTERFACE),
        }
    }
}

fn line_of(point: &Point) -> String {
    let rate = |floods: &[Flood]| grouped(median(floods).map_or(0.0, Flood::rate) as u64);
    let rates = |traffic: &Traffic| format!("{} up, {} down", rate(&traffic.up), rate(&traffic.down));
    let beside = [("kernel", &point.kernel), ("way alone", &point.ceiling)];
    let beside =
        beside.into_iter().filter_map(|(name, traffic)| Some(format!("; {name} {}", rates(traffic.as_ref()?))));
    let (guests, beside) = (grouped(point.guests.into()), beside.collect::<String>());
    format!("traffic   {guests} guests: {} packets a second{beside}", rates(&point.ours))
}
