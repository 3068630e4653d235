//! Several uplinks: they are looked at and probed in rounds ([`probe`]), what works is used ([`watch`]), and the system has
//! guests leave by it. A probe that is lost is repeated after half an interval, so that two lost ones are known within two
//! intervals of the moment from which nothing came through.
//!
//! Routes and rules are looked after in each round, so what somebody else took away is back within an interval. Of an
//! uplink that is no longer used the kernel forgets the connections: a guest's next packet leaves by another one, where
//! the far end knows nothing of the connection and resets it, and the guest tries again at once.

mod probe;
mod recent;
mod watch;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::{ProbeWay, UplinkLine, UplinkProbe};
use platform::{GUEST_PARTS, LinkState, Plan};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use self::recent::Recent;
use self::watch::{Seen, Watch};
use crate::gateway::Gateway;
use crate::scripts::UplinkEvent;

/// The longest that the start waits for first answers.
const FIRST_ANSWERS: Duration = Duration::from_secs(1);

/// What all zones leave by.
pub(crate) struct Uplinks {
    config: config::Uplink,
    system: Arc<dyn platform::Uplinks>,
    state: RefCell<State>,
}

struct State {
    watch: Watch,
    links: Vec<LinkState>,
    lines: Vec<Line>,
    /// Those by which somebody leaves, as far as the system knows.
    steered: Vec<bool>,
    /// The system refused last time.
    fails: bool,
}

#[derive(Clone)]
struct Line {
    since: Instant,
    /// Times that it ceased to work.
    failures: u64,
    recent: Recent,
}

/// What one look at an uplink has shown, and how long the answer took if there was one.
type Look = (Seen, Option<Duration>);

impl Uplinks {
    /// Looks for those that work, and has guests leave by them. After a crash guests go on leaving as they did until then.
    pub(crate) async fn start(config: &config::Uplink, system: Arc<dyn platform::Uplinks>) -> anyhow::Result<Rc<Self>> {
        let links = look(&system).await?;
        let seen = round(config, &system, &links, FIRST_ANSWERS.min(config.probe_interval / 2)).await;
        let (seen, round_trips): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
        let watch = Watch::new(config, &seen);
        steer(&system, links.clone(), watch.plan()).await?;
        for (line, (seen, link)) in config.lines.iter().zip(seen.iter().zip(&links)) {
            let router = link.hop.map_or_else(|| "-".to_owned(), |hop| hop.to_string());
            info!(uplink = line.name, interface = line.interface, router, "uplink: {}", seen.words());
        }
        let line = |(seen, round_trip): (&Seen, &Option<Duration>)| {
            let mut recent = Recent::default();
            recent.add(*seen == Seen::Answered, *round_trip);
            Line { since: Instant::now(), failures: 0, recent }
        };
        let lines = seen.iter().zip(&round_trips).map(line).collect();
        let steered = watch.used().to_vec();
        let state = RefCell::new(State { watch, links, lines, steered, fails: false });
        Ok(Rc::new(Self { config: config.clone(), system, state }))
    }

    /// Looks after them for as long as the gateway runs.
    pub(crate) async fn keep(self: Rc<Self>, gateway: Rc<Gateway>) {
        let (interval, patience) = (self.config.probe_interval, self.config.probe_interval / 2);
        let mut begun = Instant::now();
        loop {
            let pause = if self.state.borrow().watch.is_in_doubt() { patience } else { interval };
            tokio::time::sleep_until(begun + pause).await;
            begun = Instant::now();
            let result = self.round(&gateway, patience).await;
            let failed_before = std::mem::replace(&mut self.state.borrow_mut().fails, result.is_err());
            if let Err(error) = result.as_ref().map_err(|error| format!("{error:#}")) {
                if failed_before {
                    debug!("{error}");
                } else {
                    warn!("{error}; guests leave as they did before");
                }
            }
        }
    }

    async fn round(&self, gateway: &Gateway, patience: Duration) -> anyhow::Result<()> {
        let links = look(&self.system).await?;
        let looks = round(&self.config, &self.system, &links, patience).await;
        let (seen, round_trips): (Vec<_>, Vec<_>) = looks.into_iter().unzip();
        let (changes, plan) = {
            let mut state = self.state.borrow_mut();
            for (line, (seen, round_trip)) in state.lines.iter_mut().zip(seen.iter().zip(round_trips)) {
                line.recent.add(*seen == Seen::Answered, round_trip);
            }
            let changes = state.watch.handle_round(&seen);
            for change in &changes {
                let line = &mut state.lines[change.line];
                (line.since, line.failures) = (Instant::now(), line.failures + u64::from(!change.works));
            }
            for (n, line) in self.config.lines.iter().enumerate().filter(|(n, _)| state.watch.works(*n)) {
                if state.watch.lost(n) > 0 {
                    debug!(uplink = line.name, lost = state.watch.lost(n), "no probe was answered");
                }
            }
            state.links.clone_from(&links);
            (changes, state.watch.plan())
        };
        let used = plan.used.clone();
        let steered = steer(&self.system, links.clone(), plan).await;
        for change in changes {
            self.tell(gateway, change, seen[change.line]);
        }
        steered?;
        let before = std::mem::replace(&mut self.state.borrow_mut().steered, used.clone());
        // After that: what they send next must not be remembered as going there.
        for line in (0..used.len()).filter(|line| before[*line] && !used[*line]) {
            let (system, addresses) = (Arc::clone(&self.system), links[line].addresses.clone());
            let forgotten = tokio::task::spawn_blocking(move || system.forget(line, &addresses)).await??;
            debug!(uplink = self.config.lines[line].name, connections = forgotten, "connections forgotten");
        }
        Ok(())
    }

    fn tell(&self, gateway: &Gateway, change: watch::Change, seen: Seen) {
        let line = &self.config.lines[change.line];
        let used = self.names(|state, n| state.watch.used()[n]);
        let working = self.names(|state, n| state.watch.works(n));
        if change.works {
            info!(uplink = line.name, "uplink works again; used: {used}");
        } else if working.is_empty() {
            warn!(
                uplink = line.name,
                why = seen.words(),
                "uplink ceased to work, and no other does; all stays as it was"
            );
        } else {
            warn!(uplink = line.name, why = seen.words(), "uplink ceased to work; used: {used}");
        }
        let hop = self.state.borrow().links[change.line].hop;
        gateway.scripts.uplink(UplinkEvent {
            works: change.works,
            name: line.name.clone(),
            interface: line.interface.clone(),
            gateway: hop.and_then(platform::Hop::gateway),
            working,
        });
    }

    /// Those of which it is true, in their order.
    fn names(&self, is_meant: impl Fn(&State, usize) -> bool) -> String {
        let state = self.state.borrow();
        let names = self.config.lines.iter().enumerate().filter(|(n, _)| is_meant(&state, *n));
        names.map(|(_, line)| &*line.name).collect::<Vec<_>>().join(" ")
    }

    /// For the operator.
    pub(crate) fn to_json(&self) -> Value {
        let state = self.state.borrow();
        let plan = state.watch.plan();
        let parts = |line: usize| {
            let begins = [0].into_iter().chain(plan.shares.iter().map(|(end, _)| *end));
            let of_line = begins.zip(&plan.shares).filter(|(_, (_, whose))| *whose == line);
            of_line.map(|(begin, (end, _))| end - begin).sum::<u32>()
        };
        let line = |(n, line): (usize, &UplinkLine)| {
            let link = &state.links[n];
            json!({
                "name": line.name,
                "interface": line.interface,
                "addresses": link.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "gateway": link.hop.map(|hop| hop.to_string()),
                "probes": probes(line, link).iter().map(ToString::to_string).collect::<Vec<_>>(),
                "works": state.watch.works(n),
                "seen": state.watch.seen(n).words(),
                "lost": state.watch.lost(n),
                "used": state.watch.used()[n],
                "guests_percent": (parts(n) * 100 + GUEST_PARTS / 2) / GUEST_PARTS,
                "seconds": state.lines[n].since.elapsed().as_secs(),
                "failures": state.lines[n].failures,
                "lost_percent": state.lines[n].recent.lost_percent(),
                "round_trip_us": state.lines[n].recent.round_trip().map(|time| time.as_micros() as u64),
            })
        };
        self.config.lines.iter().enumerate().map(line).collect()
    }
}

/// What is told of those that do not work, for people; nothing when all is well.
pub(crate) fn text(told: &Value) -> Vec<String> {
    let all = told.as_array().map_or(&[][..], Vec::as_slice);
    let down = all.iter().filter(|line| line["works"] != true);
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    down.map(|line| format!("uplink {} does not work: {}", word(&line["name"]), word(&line["seen"]))).collect()
}

async fn look(system: &Arc<dyn platform::Uplinks>) -> anyhow::Result<Vec<LinkState>> {
    let system = Arc::clone(system);
    Ok(tokio::task::spawn_blocking(move || system.look()).await??)
}

async fn steer(system: &Arc<dyn platform::Uplinks>, links: Vec<LinkState>, plan: Plan) -> anyhow::Result<()> {
    let system = Arc::clone(system);
    Ok(tokio::task::spawn_blocking(move || system.steer(&links, &plan)).await??)
}

/// Probes all that can be probed. Those without an answer are waited for together.
async fn round(
    config: &config::Uplink,
    system: &Arc<dyn platform::Uplinks>,
    links: &[LinkState],
    patience: Duration,
) -> Vec<Look> {
    let mut seen: Vec<Look> = vec![(Seen::Silent, None); config.lines.len()];
    let mut asked = JoinSet::new();
    for (n, (line, link)) in config.lines.iter().zip(links).enumerate() {
        let probes = probes(line, link);
        match link {
            LinkState { working: None, .. } => seen[n].0 = Seen::NoLink,
            LinkState { hop: None, .. } => seen[n].0 = Seen::NoRouter,
            // There is nobody to ask.
            _ if probes.is_empty() => seen[n].0 = Seen::Answered,
            _ => {
                let system = Arc::clone(system);
                asked.spawn_local(async move { (n, probe::any_answers(system, n, probes, patience).await) });
            }
        }
    }
    while let Some(Ok((n, round_trip))) = asked.join_next().await {
        seen[n] = (if round_trip.is_some() { Seen::Answered } else { Seen::Silent }, round_trip);
    }
    seen
}

/// Who is asked.
fn probes(line: &UplinkLine, link: &LinkState) -> Vec<UplinkProbe> {
    let gateway = || link.hop.and_then(platform::Hop::gateway);
    let ask_gateway = || gateway().map(|address| UplinkProbe { address, way: ProbeWay::Ping });
    line.probe.clone().unwrap_or_else(|| ask_gateway().into_iter().collect())
}
