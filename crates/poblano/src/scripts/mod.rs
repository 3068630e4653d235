//! The operator's own programs, which hear of what happens (CoovaChilli's conup, condown, macup, macdown, ipup, ipdown).
//!
//! * Nobody waits for them: the control thread leaves a note in a [`queue`], and a thread of its own starts and watches
//!   them. Only `up` and `down` are waited for, when nobody is served yet or any more.
//! * What they do is their owner's affair. What they are told is ours: no shell, an environment of our [`variables`] and
//!   nothing else, and in these no character that a guest could end a line with. Quoting is left to the script, for a name
//!   may have blanks, quotes and `$` in it.
//! * They have the gateway's user and rights, less when the service unit has less. So a file that others could change is
//!   not run ([`mod@file`]).
//! * Of one guest they run in the order in which things happened, one at a time. When more is to be run than can wait, what
//!   tells of a beginning is left out first: a script that opens something is missed at once, one that closes it never.
//! * A script that does not end is ended with all of its group; what it left running in the background when it ended in
//!   time is its own affair.

mod file;
mod program;
mod queue;
mod variables;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use config::Config;
use engine::dhcp::Lease;
use engine::session::{Record, Status};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tracing::{debug, warn};
use wire::{GuestKey, MacAddr, Vlan};

use self::program::{Ended, Program};
use self::queue::{Job, Queue};
use self::variables::Facts;

pub(crate) use self::file::check;

/// How long `down`, and before it what still waits, may take at the end: the service manager waits for 20 seconds, of which
/// accounting has five beside these.
const LAST: Duration = Duration::from_secs(5);
/// The same at a handover, while guests wait.
const LAST_AT_HANDOVER: Duration = Duration::from_secs(1);
/// Scripts that fail are in the log this often; a guest can make one run every few seconds.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    SessionUp,
    SessionDown,
    GuestUp,
    GuestDown,
    UplinkUp,
    UplinkDown,
}

impl Event {
    /// As the configuration calls it.
    fn name(self) -> &'static str {
        match self {
            Self::SessionUp => "session_up",
            Self::SessionDown => "session_down",
            Self::GuestUp => "guest_up",
            Self::GuestDown => "guest_down",
            Self::UplinkUp => "uplink_up",
            Self::UplinkDown => "uplink_down",
        }
    }

    fn is_beginning(self) -> bool {
        matches!(self, Self::SessionUp | Self::GuestUp)
    }

    /// Goes before what is of leases.
    fn is_of_session(self) -> bool {
        !matches!(self, Self::GuestUp | Self::GuestDown)
    }

    fn script(self, config: &config::Scripts) -> Option<&Path> {
        match self {
            Self::SessionUp => config.session_up.as_deref(),
            Self::SessionDown => config.session_down.as_deref(),
            Self::GuestUp => config.guest_up.as_deref(),
            Self::GuestDown => config.guest_down.as_deref(),
            Self::UplinkUp => config.uplink_up.as_deref(),
            Self::UplinkDown => config.uplink_down.as_deref(),
        }
    }
}

/// Whom it happened to.
#[derive(Debug)]
enum Subject {
    Session(Box<Record>),
    Guest(Lease),
    Uplink(UplinkEvent),
}

/// One of several uplinks works again, or no longer.
#[derive(Debug)]
pub(crate) struct UplinkEvent {
    pub(crate) works: bool,
    pub(crate) name: String,
    pub(crate) interface: String,
    pub(crate) gateway: Option<Ipv4Addr>,
    /// Names of those that work now.
    pub(crate) working: String,
}

/// In the place of a guest, to whom it cannot belong: uplinks have one turn.
const UPLINKS: GuestKey = GuestKey { lan: u8::MAX, vlan: Vlan::NONE, mac: MacAddr::ZERO };

/// What an operator may know.
pub(crate) struct State {
    /// Process, event and age.
    pub(crate) running: Vec<(u32, &'static str, Duration)>,
    pub(crate) waiting: usize,
    /// Since the start.
    pub(crate) started: u64,
    pub(crate) at_once: usize,
}

/// The control thread's end.
pub(crate) struct Scripts {
    config: config::Scripts,
    facts: Facts,
    shared: Arc<Shared>,
    /// Guests whose session is not over for its script yet, and of those who left meanwhile the lease, to be told after it.
    online: RefCell<HashMap<GuestKey, Option<Lease>>>,
    ended: RefCell<Option<oneshot::Receiver<()>>>,
    was_up: Cell<bool>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
    /// Nothing new comes.
    closing: watch::Sender<Closing>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// What waits is still run.
    WhenDone,
    /// Nothing is.
    Now,
}

impl Scripts {
    /// Starts the thread, if there is anything to run on it. `online` are the guests whose sessions go on.
    pub(crate) fn start(config: &Config, lan_mac: MacAddr, mtu: u32) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(config.scripts.at_once)),
            changed: Notify::new(),
            closing: watch::Sender::new(Closing::No),
        });
        let this = Self {
            config: config.scripts.clone(),
            facts: Facts::new(config, lan_mac, mtu),
            shared,
            online: RefCell::default(),
            ended: RefCell::default(),
            was_up: Cell::new(false),
        };
        let events = [
            Event::SessionUp,
            Event::SessionDown,
            Event::GuestUp,
            Event::GuestDown,
            Event::UplinkUp,
            Event::UplinkDown,
        ];
        if events.iter().any(|event| event.script(&this.config).is_some()) {
            let (sender, ended) = oneshot::channel();
            let (shared, config, facts) = (Arc::clone(&this.shared), this.config.clone(), this.facts.clone());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let span = tracing::Span::current();
            std::thread::Builder::new().name("scripts".into()).spawn(move || {
                span.in_scope(|| runtime.block_on(shared.work(&config, &facts)));
                let _ = sender.send(()); // nobody may be waiting any more
            })?;
            *this.ended.borrow_mut() = Some(ended);
        }
        Ok(this)
    }

    /// Sessions of these guests go on from the former run.
    pub(crate) fn adopt(&self, guests: impl Iterator<Item = GuestKey>) {
        if self.config.guest_down.is_some() {
            self.online.borrow_mut().extend(guests.map(|guest| (guest, None)));
        }
    }

    /// Runs `up`, and waits until it has ended, its time is over, or `stop` is ready: then true. A status other than 0 is
    /// told and stops nothing: the last line of many such a script is a condition.
    pub(crate) async fn up(&self, stop: impl Future<Output = ()>) -> bool {
        self.was_up.set(true);
        let closing = self.shared.closing.subscribe();
        let mut up = std::pin::pin!(self.run_here("up", self.config.up.as_deref(), self.config.timeout, closing));
        tokio::select! {
            () = &mut up => return false,
            () = stop => {}
        }
        self.shared.closing.send_replace(Closing::Now);
        up.await;
        true
    }

    /// Runs what still waits, then `down`.
    pub(crate) async fn finish(&self, hands_over: bool) {
        let ended = self.ended.borrow_mut().take();
        if let Some(mut ended) = ended {
            self.shared.closing.send_if_modified(|closing| {
                let open = *closing == Closing::No;
                *closing = if open { Closing::WhenDone } else { *closing };
                open
            });
            let patience = if hands_over { LAST_AT_HANDOVER } else { LAST };
            if tokio::time::timeout(patience, &mut ended).await.is_err() {
                self.shared.closing.send_replace(Closing::Now);
                let _ = tokio::time::timeout(LAST_AT_HANDOVER, ended).await; // what cannot be ended stays behind
            }
        }
        if !hands_over && self.was_up.get() {
            let (_alive, never) = watch::channel(Closing::No);
            self.run_here("down", self.config.down.as_deref(), LAST.min(self.config.timeout), never).await;
        }
    }

    /// A session has begun or ended.
    pub(crate) fn session(&self, record: &Record) {
        let event = match record.status {
            Status::Start => Event::SessionUp,
            Status::Interim => return,
            Status::Stop(_) => Event::SessionDown,
        };
        self.note(event, record.key, || Subject::Session(Box::new(record.clone())));
        if self.config.guest_down.is_none() {
            return;
        }
        if event == Event::SessionUp {
            self.online.borrow_mut().insert(record.key, None);
        } else if let Some(Some(lease)) = self.online.borrow_mut().remove(&record.key) {
            self.note(Event::GuestDown, lease.key, || Subject::Guest(lease));
        }
    }

    /// A guest has its first lease.
    pub(crate) fn guest_came(&self, lease: &Lease) {
        // It left a moment ago, and its last session is not over yet.
        let left = self.online.borrow_mut().get_mut(&lease.key).and_then(Option::take);
        if let Some(left) = left {
            self.note(Event::GuestDown, left.key, || Subject::Guest(left));
        }
        self.note(Event::GuestUp, lease.key, || Subject::Guest(lease.clone()));
    }

    /// A guest's lease is over.
    pub(crate) fn guest_left(&self, lease: &Lease) {
        match self.online.borrow_mut().get_mut(&lease.key) {
            Some(left) => *left = Some(lease.clone()),
            None => self.note(Event::GuestDown, lease.key, || Subject::Guest(lease.clone())),
        }
    }

    /// An uplink begins or ceases to work.
    pub(crate) fn uplink(&self, told: UplinkEvent) {
        let event = if told.works { Event::UplinkUp } else { Event::UplinkDown };
        self.note(event, UPLINKS, || Subject::Uplink(told));
    }

    /// What runs now, and what waits.
    pub(crate) fn state(&self) -> State {
        let queue = self.shared.lock();
        State {
            running: queue.running().map(|(id, event, age)| (id, event.name(), age)).collect(),
            waiting: queue.waiting(),
            started: queue.started_in_all(),
            at_once: self.config.at_once,
        }
    }

    fn note(&self, event: Event, guest: GuestKey, subject: impl FnOnce() -> Subject) {
        if event.script(&self.config).is_none() {
            return;
        }
        let mut queue = self.shared.lock();
        if !queue.has_room(guest, event) {
            // Counted in the queue, and told by the thread, which is awake.
            return;
        }
        queue.put(guest, Job { event, subject: subject() });
        self.shared.changed.notify_one();
    }

    async fn run_here(
        &self,
        event: &'static str,
        script: Option<&Path>,
        timeout: Duration,
        closing: watch::Receiver<Closing>,
    ) {
        let Some(script) = script else { return };
        let mut program = Program::new(script, self.facts.of_the_gateway(event));
        program.argument(&self.facts.device);
        match program.start() {
            Ok(started) => tell(event, &started.wait(timeout, closing).await),
            Err(error) => warn!(script = event, "a script cannot be started: {error:#}"),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs what is noted until the end.
    async fn work(&self, config: &config::Scripts, facts: &Facts) {
        let mut running = JoinSet::new();
        let mut closing = self.closing.subscribe();
        let mut complaints = Complaints::default();
        loop {
            while *closing.borrow() != Closing::Now {
                let Some((guest, job)) = self.lock().next() else { break };
                let event = job.event;
                match start(config, facts, job) {
                    Ok(started) => {
                        self.lock().started(guest, started.id(), event);
                        let (limit, closing) = (config.timeout, closing.clone());
                        running.spawn(async move { (guest, event, started.wait(limit, closing).await) });
                    }
                    Err(error) => {
                        self.lock().done(guest);
                        complaints
                            .say(|more| warn!(script = event.name(), more, "a script cannot be started: {error:#}"));
                    }
                }
            }
            let lost = self.lock().take_lost();
            if lost > 0 {
                warn!(lost, "too many scripts wait: some were not run (scripts.at_once; are they slow?)");
            }
            if running.is_empty() && *closing.borrow() != Closing::No {
                let left = self.lock().waiting();
                if left > 0 {
                    warn!(lost = left, "scripts that still waited at the end were not run");
                }
                return;
            }
            tokio::select! {
                () = self.changed.notified() => {}
                _ = closing.changed() => {}
                Some(ended) = running.join_next() => {
                    let Ok((guest, event, ended)) = ended else { continue }; // panics abort
                    self.lock().done(guest);
                    if ended.is_well() {
                        tell(event.name(), &ended);
                    } else {
                        complaints.say(|more| {
                            if more > 0 {
                                warn!(more, "scripts have failed meanwhile");
                            }
                            tell(event.name(), &ended);
                        });
                    }
                }
            }
        }
    }
}

fn start(config: &config::Scripts, facts: &Facts, job: Job) -> anyhow::Result<program::Started> {
    let script = job.event.script(config).context("it is not configured")?;
    let variables = match &job.subject {
        Subject::Session(record) => facts.of_session(job.event, record),
        Subject::Guest(lease) => facts.of_guest(job.event, lease),
        Subject::Uplink(told) => facts.of_uplink(job.event, told),
    };
    Program::new(script, variables).start()
}

fn tell(script: &str, ended: &Ended) {
    let said = ended.said();
    if ended.is_well() {
        debug!(script, said, "a script has ended");
    } else {
        warn!(script, how = %ended.how(), said, "a script has failed");
    }
}

/// Keeps what fails each time from filling the log.
#[derive(Default)]
struct Complaints {
    last: Option<tokio::time::Instant>,
    kept_back: u64,
}

impl Complaints {
    /// Says it, with the number of those that were kept back before, unless one was said a moment ago.
    fn say(&mut self, say: impl FnOnce(u64)) {
        let now = tokio::time::Instant::now();
        if self.last.is_some_and(|last| now - last < TELL_AGAIN) {
            self.kept_back += 1;
            return;
        }
        self.last = Some(now);
        say(std::mem::take(&mut self.kept_back));
    }
}
