//! Accounting records: how an engine's becomes one of the spool's, and how one of these reaches a server.
//!
//! What waits, in which order, and what is given up is the [`Backlog`]'s business; what is on the disk the [`Spool`]'s. A
//! record may reach a server twice, when the answer is lost with this process. It is then the same in session name,
//! status and Event-Timestamp, and only Acct-Delay-Time differs (RFC 2866, 5.2).

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use config::{Config, Direction};
use engine::changes::Changes;
use engine::gateway::Mark;
use engine::session::{Cause, Record, Source, Status};
use fastpath::session::{SlotIndex, Usage};
use radius::request::{Authentic, Record as RadiusRecord, SessionFacts};
use radius::{AccountingRequest, GuestFacts, NasFacts, Outcome, Reply, TerminateCause};
use store::{AccountedSession, AccountingEvent, AccountingRecord, Backlog, OpenedSpool, Spool, Waiting, Written};
use tokio::sync::Notify;
use tracing::{debug, error, info, warn};
use wire::Now;
use wire::routes::Routes;

use super::asks::port_id;
use super::{Aaa, RadiusClient};
use crate::clock::Clock;
use crate::gateway::Gateway;
use crate::kept::{millis, to_counts, to_usage};
use crate::settings;

/// How often records are looked at that may be too old.
const LOOK_AT_AGE: Duration = Duration::from_secs(60);

/// The spool of a former run, before anybody sends.
pub(crate) struct Unsent {
    opened: OpenedSpool,
    changed: Arc<Notify>,
}

/// Opens it, if there are servers.
pub(crate) fn open(config: &Config) -> anyhow::Result<Option<Unsent>> {
    if config.radius.servers.is_empty() {
        return Ok(None);
    }
    let mut seed = [0; 8];
    crate::dice(&mut seed);
    let changed = Arc::new(Notify::new());
    let made = Arc::clone(&changed);
    let opened = Spool::open(
        &config.state.directory,
        config.accounting.spool_size.0,
        u64::from_le_bytes(seed),
        Box::new(move || made.notify_one()),
    )
    .with_context(|| format!("cannot read the accounting records in {}", config.state.directory.display()))?;
    if let Some(warning) = &opened.warning {
        warn!("{warning}");
    }
    Ok(Some(Unsent { opened, changed }))
}

impl Unsent {
    /// A session whose last record was made: it is over, though it was still written down when the process died.
    pub(crate) fn has_ended(&self, session_id: &str) -> bool {
        self.opened.ended.contains(session_id)
    }

    /// Last records of sessions that began and were not `written` down before the process died. `counted` is what is
    /// known to have been counted in a slot.
    pub(crate) fn end_forgotten(
        &mut self,
        written: &HashSet<String>,
        now: Written,
        counted: impl Fn(SlotIndex) -> Option<Usage>,
    ) {
        let alive = self.opened.last;
        for record in std::mem::take(&mut self.opened.begun) {
            let Some(session) = record.session.filter(|_| !written.contains(&record.session_id)) else { continue };
            let used = counted(SlotIndex(session.slot)).map(|counted| counted - to_usage(session.baseline));
            let lived = alive.and_then(|alive| record.at.age(&alive)).unwrap_or_default();
            self.opened.backlog.put(&AccountingRecord {
                event: AccountingEvent::Stop(TerminateCause::NasReboot.code()),
                at: now,
                session_id: record.session_id,
                session: Some(AccountedSession {
                    used: used.map(to_counts).unwrap_or_default(),
                    duration_millis: millis(lived),
                    ..session
                }),
            });
        }
    }
}

/// How much waits, for the operator.
pub(crate) struct Accounting {
    pub(crate) waiting: Waiting,
    pub(crate) oldest: Option<Duration>,
    /// Why the disk takes nothing.
    pub(crate) failure: Option<String>,
}

/// What waits for the accounting servers, and where it is kept.
pub(super) struct Records {
    radius: Rc<RadiusClient>,
    nas: NasFacts,
    /// Interface and VLAN of a guest.
    lan: String,
    routes: Routes,
    direction: Direction,
    max_age: Duration,
    clock: Clock,
    backlog: RefCell<Backlog>,
    /// None after the end.
    spool: RefCell<Option<Spool>>,
    changed: Arc<Notify>,
    was_silent: Cell<bool>,
    failure: RefCell<Option<String>>,
    /// Answers change sessions.
    answers_change: bool,
    /// What they say of which session. Who obeys has its turn before more can come than are in flight.
    answers: RefCell<VecDeque<(String, Reply)>>,
    has_answers: Notify,
}

impl Records {
    /// Must be called within the control thread's local set.
    pub(super) fn start(
        config: &Config,
        radius: Rc<RadiusClient>,
        nas: NasFacts,
        clock: Clock,
        unsent: Unsent,
    ) -> Rc<Self> {
        let Unsent { opened, changed } = unsent;
        let waiting = opened.backlog.waiting().records;
        if waiting > 0 {
            info!(records = waiting, "accounting records of the former run are sent now");
        }
        let this = Rc::new(Self {
            radius,
            nas,
            lan: config.lan.interface.clone(),
            routes: settings::routes(config),
            direction: config.accounting.direction,
            max_age: config.accounting.spool_age,
            clock,
            backlog: RefCell::new(opened.backlog),
            spool: RefCell::new(Some(opened.spool)),
            changed,
            was_silent: Cell::new(false),
            failure: RefCell::new(None),
            answers_change: config.accounting.answers_change,
            answers: RefCell::default(),
            has_answers: Notify::new(),
        });
        crate::log::spawn(Rc::clone(&this).keep_going());
        this
    }

    /// Takes a record of a session. Returns at once, however many come.
    fn put(&self, record: &Record, written: Written) {
        let at = Written { unix_millis: millis(record.at.unix), ..written };
        let event = match record.status {
            Status::Start => AccountingEvent::Start,
            Status::Interim => AccountingEvent::Interim,
            Status::Stop(cause) => AccountingEvent::Stop(terminate_cause(cause).code()),
        };
        let session = AccountedSession {
            user: record.user.clone(),
            key: record.key,
            address: record.address,
            slot: record.slot.0,
            class: record.class.clone(),
            cui: record.cui.clone(),
            by_radius: record.source == Source::Radius,
            used: to_counts(record.usage),
            baseline: to_counts(record.baseline),
            duration_millis: millis(record.duration),
        };
        self.enter(&AccountingRecord { event, at, session_id: record.session_id.clone(), session: Some(session) });
    }

    fn enter(&self, record: &AccountingRecord) {
        self.backlog.borrow_mut().put(record);
        self.changed.notify_one();
    }

    fn accounting(&self) -> Accounting {
        let waiting = self.backlog.borrow().waiting();
        let now = waiting.oldest.map(|oldest| (oldest, self.clock.written()));
        Accounting {
            waiting,
            oldest: now.and_then(|(oldest, now)| oldest.age(&now)),
            failure: self.failure.borrow().clone(),
        }
    }

    async fn keep_going(self: Rc<Self>) {
        let mut age = tokio::time::interval(LOOK_AT_AGE);
        loop {
            let due = self.backlog.borrow().poll_timeout();
            let sleep = async {
                match due {
                    Some(due) => tokio::time::sleep_until(self.clock.instant(due)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep => {}
                _ = age.tick() => self.look_at_age(),
            }
            self.drive();
        }
    }

    fn look_at_age(&self) {
        let now = self.clock.written();
        self.backlog.borrow_mut().handle_age(|at| at.age(&now).is_some_and(|age| age > self.max_age));
    }

    /// Has kept what is to be kept, and sends what may be sent.
    fn drive(self: &Rc<Self>) {
        let now = self.clock.mono();
        let mut backlog = self.backlog.borrow_mut();
        backlog.handle_timeout(now);
        if let Some(spool) = &*self.spool.borrow() {
            let progress = spool.progress();
            self.tell_failure(progress.failure);
            backlog.handle_progress(progress.written, progress.synced);
            spool.perform(std::iter::from_fn(|| backlog.poll_output())).iter().for_each(tell_lost);
        }
        while let Some((number, record)) = backlog.poll_send(now) {
            crate::log::spawn(Rc::clone(self).send(number, record));
        }
        let silent = backlog.waiting().silent;
        if self.was_silent.replace(silent) != silent {
            if silent {
                warn!("no accounting server answers; records wait (`poblano sessions` says how many)");
            } else {
                info!("an accounting server answers again");
            }
        }
    }

    async fn send(self: Rc<Self>, number: u64, record: AccountingRecord) {
        let request = self.request(&record);
        let outcome = self.radius.account(request).await;
        let now = self.clock.mono();
        let mut backlog = self.backlog.borrow_mut();
        match outcome {
            Ok(Outcome::AccountingAck(reply)) => {
                backlog.handle_taken(now, number);
                self.answered(record, reply);
            }
            Err(radius::SubmitError::Build(error)) => {
                warn!(session = record.session_id, %error, "an accounting record does not fit into a packet");
                backlog.handle_unsendable(number);
            }
            _ => backlog.handle_untaken(now, number),
        }
        self.changed.notify_one();
    }

    /// Keeps what an answer says of a guest's session, if that is to be obeyed.
    fn answered(&self, record: AccountingRecord, reply: Reply) {
        let is_guests = record.session.is_some_and(|session| !session.is_gateways());
        if self.answers_change && is_guests && reply.items().next().is_some() {
            self.answers.borrow_mut().push_back((record.session_id, reply));
            self.has_answers.notify_one();
        }
    }

    /// The next answer that says something, and the session that it is about.
    async fn answer(&self) -> (String, Reply) {
        loop {
            if let Some(answer) = self.answers.borrow_mut().pop_front() {
                return answer;
            }
            self.has_answers.notified().await;
        }
    }

    fn tell_failure(&self, failure: Option<String>) {
        let mut told = self.failure.borrow_mut();
        match (&*told, &failure) {
            (None, Some(why)) => error!(
                "accounting records are not on the disk: {why}. They wait in memory, and a crash would lose them; make \
                 room in state.directory"
            ),
            (Some(_), None) => info!("accounting records are on the disk again"),
            _ => {}
        }
        *told = failure;
    }

    fn request(&self, record: &AccountingRecord) -> AccountingRequest {
        let at = self.time_of(&record.at);
        let is_own = record.session.as_ref().is_some_and(AccountedSession::is_gateways);
        let request = if is_own { AccountingRequest::administrative } else { AccountingRequest::new };
        request(self.radius_record(record), at, self.nas.clone())
    }

    /// The same each time that the record is sent, unless the machine did not know the date when it was made.
    fn time_of(&self, at: &Written) -> Now {
        let unix = if at.knows_the_date() {
            Duration::from_millis(at.unix_millis)
        } else {
            let now = self.clock.written();
            Duration::from_millis(now.unix_millis).saturating_sub(at.age(&now).unwrap_or_default())
        };
        Now { mono: Duration::ZERO, unix }
    }

    fn radius_record(&self, record: &AccountingRecord) -> RadiusRecord {
        let session_id = record.session_id.clone();
        let cause = |code| TerminateCause::from_code(code).unwrap_or(TerminateCause::NasError);
        let Some(session) = &record.session else {
            return match record.event {
                AccountingEvent::Off(code) => RadiusRecord::Off { session_id, cause: cause(code) },
                _ => RadiusRecord::On { session_id },
            };
        };
        let is_guests = !session.is_gateways();
        let facts = SessionFacts {
            user: session.user.clone(),
            guest: GuestFacts {
                mac: self.routes.station(session.key),
                framed_ip: is_guests.then_some(session.address),
                session_id,
                port: is_guests.then_some(session.slot),
                port_id: if is_guests { port_id(&self.lan, session.key.vlan) } else { String::new() },
            },
            classes: session.class.clone(),
            cui: session.cui.clone(),
            authentic: if session.by_radius { Authentic::Radius } else { Authentic::Local },
        };
        let used = session.used;
        let mut ways = [(used.octets_up, used.packets_up), (used.octets_down, used.packets_down)];
        if self.direction == Direction::Chilli {
            ways.reverse();
        }
        let [(input_octets, input_packets), (output_octets, output_packets)] = ways;
        let usage = radius::Usage {
            input_octets,
            output_octets,
            input_packets,
            output_packets,
            session_time: Duration::from_millis(session.duration_millis),
        };
        match record.event {
            AccountingEvent::Stop(code) => RadiusRecord::Stop(facts, usage, cause(code)),
            AccountingEvent::Interim => RadiusRecord::Interim(facts, usage),
            _ => RadiusRecord::Start(facts),
        }
    }
}

impl Aaa {
    /// Accounts a record of a session, if there are servers for it. `written` is now.
    pub(crate) fn account(&self, record: &Record, written: impl FnOnce() -> Written) {
        if let Some(records) = &self.records {
            records.put(record, written());
        }
    }

    /// Tells the accounting servers that the gateway starts (and no session of before is open) or stops.
    pub(crate) fn account_gateway(&self, on: bool) {
        let Some(records) = &self.records else { return };
        let at = self.clock.written();
        let event = if on { AccountingEvent::On } else { AccountingEvent::Off(TerminateCause::AdminReboot.code()) };
        let session_id = format!("{:08x}{:08x}", at.unix_millis / 1000, 0);
        records.enter(&AccountingRecord { event, at, session_id, session: None });
    }

    /// Accounts the gateway's own session.
    pub(crate) fn account_own(&self, session_id: &str, event: AccountingEvent, session: AccountedSession) {
        let Some(records) = &self.records else { return };
        let at = self.clock.written();
        records.enter(&AccountingRecord { event, at, session_id: session_id.to_owned(), session: Some(session) });
    }

    /// Obeys what answers to records say of sessions, for as long as the gateway runs. Nobody can make up such an answer
    /// by what is known of MD5: the request that it belongs to is proven itself, so that nothing can be put into it.
    pub(crate) async fn obey_answers(&self, gateway: &Rc<Gateway>) {
        let Some(records) = &self.records else { return std::future::pending().await };
        loop {
            let (session_id, reply) = records.answer().await;
            match self.rules.named(&reply) {
                // Who somebody is has been settled.
                Ok(named) => {
                    let changes = Changes { user: None, cui: None, ..named.changes };
                    let sessions = gateway.change(&[Mark::Session(session_id.as_bytes())], &changes, None);
                    debug!(session_id, sessions, "the answer to an accounting record changes a session");
                }
                Err(unusable) => self.tell_of_unusable("a RADIUS server's answer to a record is not obeyed", &unusable),
            }
        }
    }

    /// How many records wait; none if there are no servers.
    pub(crate) fn accounting(&self) -> Option<Accounting> {
        self.records.as_ref().map(|records| records.accounting())
    }

    /// Waits until every record has been taken, but no longer than `limit`, and not for servers that are silent. What is
    /// left then is on the disk.
    pub(crate) async fn finish(&self, limit: Duration) {
        let Some(records) = &self.records else { return };
        let end = tokio::time::Instant::now() + limit;
        let unfinished = || Some(records.backlog.borrow().waiting()).filter(|w| w.records > 0 && !w.silent);
        while unfinished().is_some() && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        records.drive();
        let Some(spool) = records.spool.borrow_mut().take() else { return };
        let failure = spool.close();
        let left = records.backlog.borrow().waiting().records;
        match failure {
            Some(why) => error!(records = left, "accounting records are lost, for the disk does not take them: {why}"),
            None if left > 0 => info!(records = left, "accounting records wait on the disk for the next start"),
            None => {}
        }
    }
}

/// The last trace of what somebody may have to pay.
fn tell_lost(record: &AccountingRecord) {
    let Some(session) = &record.session else { return };
    let (id, used) = (&record.session_id, session.used);
    if record.event == AccountingEvent::Interim {
        debug!(session = id, "an accounting record is lost, which the next one of its session says as well");
        return;
    }
    warn!(
        session = id,
        event = ?record.event,
        unix_millis = record.at.unix_millis,
        slot = session.slot,
        address = %session.address,
        seconds = session.duration_millis / 1000,
        octets_up = used.octets_up,
        octets_down = used.octets_down,
        "an accounting record is lost: there was no room for it, it was too old, or no packet holds it"
    );
}

pub(crate) fn terminate_cause(cause: Cause) -> TerminateCause {
    match cause {
        Cause::UserRequest => TerminateCause::UserRequest,
        Cause::LostCarrier => TerminateCause::LostCarrier,
        Cause::IdleTimeout => TerminateCause::IdleTimeout,
        // RFC 2866 knows no quota; this is what ChilliSpot's descendants say, and what servers look for.
        Cause::SessionTimeout | Cause::QuotaUsedUp => TerminateCause::SessionTimeout,
        Cause::AdminReset => TerminateCause::AdminReset,
        Cause::NasReboot => TerminateCause::NasReboot,
        Cause::AdminReboot => TerminateCause::AdminReboot,
    }
}
