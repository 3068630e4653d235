//! The control thread's state: the engine, and what its outputs need to happen.

mod vouchers;

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::changes::Changes;
use engine::dhcp::{Displaced, Wanted};
use engine::gateway::{Attempt, GuestView, HostRefusal, LoginRefusal, Mark, Output, OwnGarden, SETTLE};
use engine::session::{Cause, Grant, Record, Source, Status};
use fastpath::pipeline::Plane;
use fastpath::port::LanPort;
use fastpath::verdict::Service;
use portal::{Credential, Login, LoginOutcome};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{debug, info, warn};
use uam::eap;
use wire::{MacAddr, Now};

use crate::aaa::devices::wants_a_page;
use crate::aaa::{Aaa, Answer, Conversation, Device};
use crate::administrative::Administrative;
use crate::allowances::Allowances;
use crate::cli;
use crate::clock::Clock;
use crate::diary::{Became, Diary, What, Whom};
use crate::flows::Forgetting;
use crate::guesses::Guesses;
use crate::offload::Offload;
use crate::resolvers::Resolvers;
use crate::retention::Retention;
use crate::scripts::Scripts;
use crate::slow::Queued;
use crate::webhooks::Webhook;
use crate::{diary, garden, kept, leases};

/// Frames handled before timers and HTTP get a turn.
const FRAMES_AT_ONCE: usize = 64;
/// Until it is looked again whether an address is nobody's.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long is looked at to tell a rush of guests from calm.
const RUSH: Duration = Duration::from_secs(2);
/// Things done for guests in that time; fewer are calm.
const CALM: u64 = 1000;
/// After so many calm looks all that a rush has taken for a while is free: longer than what is over stays in the spool.
const CALM_PERIODS: u32 = 4;

/// Everything that the control thread's tasks share.
pub(crate) struct Gateway {
    pub(crate) clock: Clock,
    pub(crate) plane: Arc<Plane>,
    pub(crate) aaa: Rc<Aaa>,
    engine: RefCell<Engine>,
    lan: Arc<dyn LanPort>,
    pub(crate) allowances: Allowances,
    pub(crate) store: store::Writer,
    flows: Forgetting,
    pub(crate) offload: Offload,
    pub(crate) resolvers: Resolvers,
    pub(crate) scripts: Scripts,
    /// What the portal remembers of guests.
    pub(crate) desk: Rc<portal::Desk>,
    /// What has happened to guests.
    pub(crate) diary: Diary,
    guesses: Guesses,
    /// Who is told of it.
    pub(crate) webhooks: Vec<Webhook>,
    /// What is written down for the law.
    pub(crate) retention: Retention,
    /// The configuration is to be read again.
    pub(crate) reload: Notify,
    /// The gateway's own session, if it is to have one.
    pub(crate) administrative: Option<Rc<Administrative>>,
    /// The moment the timer task is waiting for.
    armed: Cell<Option<Duration>>,
    rearm: Notify,
    /// Things done for guests.
    outputs: Cell<u64>,
    /// The last accepted login's words, by slot, for the success page.
    messages: RefCell<std::collections::HashMap<u32, String>>,
}

/// Where what the engine wants done goes.
pub(crate) struct Outlets {
    pub(crate) lan: Arc<dyn LanPort>,
    pub(crate) allowances: Allowances,
    pub(crate) store: store::Writer,
    pub(crate) flows: Forgetting,
    pub(crate) offload: Offload,
    pub(crate) scripts: Scripts,
    pub(crate) desk: Rc<portal::Desk>,
    pub(crate) diary: Diary,
    pub(crate) webhooks: Vec<Webhook>,
    pub(crate) retention: Retention,
    pub(crate) administrative: Option<Rc<Administrative>>,
}

impl Gateway {
    pub(crate) fn new(plane: Arc<Plane>, aaa: Rc<Aaa>, engine: Engine, outlets: Outlets) -> Rc<Self> {
        let Outlets {
            lan,
            allowances,
            store,
            flows,
            offload,
            scripts,
            desk,
            diary,
            webhooks,
            retention,
            administrative,
        } = outlets;
        let mut engine = engine;
        engine.set_mirror(offload.mirror());
        Rc::new(Self {
            clock: Clock,
            plane,
            aaa,
            engine: RefCell::new(engine),
            lan,
            allowances,
            store,
            flows,
            offload,
            resolvers: Resolvers::default(),
            scripts,
            desk,
            diary,
            guesses: Guesses::default(),
            webhooks,
            retention,
            reload: Notify::new(),
            administrative,
            armed: Cell::new(None),
            rearm: Notify::new(),
            outputs: Cell::new(0),
            messages: RefCell::default(),
        })
    }

    /// Handles frames from the packet threads until they are gone.
    pub(crate) async fn serve_frames(self: Rc<Self>, mut frames: mpsc::Receiver<Queued>) {
        let mut batch = Vec::with_capacity(FRAMES_AT_ONCE);
        while frames.recv_many(&mut batch, FRAMES_AT_ONCE).await > 0 {
            self.with(|engine, now| {
                for frame in batch.drain(..) {
                    if frame.service == Service::Dhcp && frame.guest.is_none() {
                        self.diary.asks(now, frame.key);
                    }
                    engine.handle_frame(now, frame.key, frame.service, frame.guest, &frame.frame);
                }
            });
            tokio::task::yield_now().await;
        }
    }

    /// Calls the engine whenever something is due.
    pub(crate) async fn keep_time(self: Rc<Self>) {
        loop {
            let due = self.engine.borrow().poll_timeout();
            self.armed.set(due);
            let sleep = async {
                match due {
                    Some(due) => tokio::time::sleep_until(self.clock.instant(due)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => self.with(|engine, now| engine.handle_timeout(now)),
                () = self.rearm.notified() => {}
            }
            // More may be due than it does at once.
            tokio::task::yield_now().await;
        }
    }

    /// Tells the kernel again and again that we are there.
    pub(crate) async fn keep_offload(self: Rc<Self>) {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            self.keep_offload_once();
        }
    }

    fn keep_offload_once(&self) {
        if !self.offload.keep(self.clock.mono()) {
            self.engine.borrow_mut().set_mirror(None);
        }
    }

    /// Gives memory back after a rush: a hundred thousand logins leave a fifth of what they took in small pieces that are
    /// free.
    pub(crate) async fn keep_small(self: Rc<Self>) {
        let mut calm_periods = CALM_PERIODS + 1;
        loop {
            let before = self.outputs.get();
            tokio::time::sleep(RUSH).await;
            if self.outputs.get() - before >= CALM {
                calm_periods = 0;
                continue;
            }
            calm_periods = (calm_periods + 1).min(CALM_PERIODS + 1);
            // At first the next seconds of the same rush might only take it again; later accounting has let go as well.
            if calm_periods == 1 || calm_periods == CALM_PERIODS {
                // On a thread of its own: it takes milliseconds.
                let _ = tokio::task::spawn_blocking(platform::give_memory_back).await; // panics abort
            }
        }
    }

    /// Leaves packets of guests who are online to the kernel, or no longer.
    ///
    /// # Errors
    /// Why that cannot be, in words.
    pub(crate) fn switch_offload(&self, on: bool) -> Result<(), String> {
        self.offload.switch(on)?;
        if !on {
            // First: a copy of the table that is being emptied must not be believed by the next start.
            self.keep_offload_once();
        }
        self.engine.borrow_mut().set_mirror(self.offload.mirror());
        Ok(())
    }

    /// Looks at the engine.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Engine, Now) -> T) -> T {
        look(&self.engine.borrow(), self.clock.now())
    }

    /// Lets `change` work on the engine, then does what the engine wants done.
    pub(crate) fn with<T>(self: &Rc<Self>, change: impl FnOnce(&mut Engine, Now) -> T) -> T {
        let mut engine = self.engine.borrow_mut();
        let result = change(&mut engine, self.clock.now());
        // Read once for all that is written down together, and not at all when there is nothing.
        let written = std::cell::LazyCell::new(|| self.clock.written());
        let written = || *written;
        self.perform(&mut engine, &written);
        while let Some(name) = self.allowances.pop_unsettled() {
            self.settle_allowance(&mut engine, self.clock.now(), &name);
            self.perform(&mut engine, &written);
        }
        let due = engine.poll_timeout();
        if due.is_some_and(|due| self.armed.get().is_none_or(|armed| due < armed)) {
            self.rearm.notify_one();
        }
        result
    }

    /// Does what the engine wants done.
    fn perform(self: &Rc<Self>, engine: &mut Engine, written: &dyn Fn() -> store::Written) {
        while let Some(output) = engine.poll_output() {
            self.outputs.set(self.outputs.get() + 1);
            match output {
                // A frame that the device does not take is as lost as on the air: the guest asks again.
                Output::Frame { vlan, frame } => drop(self.lan.send_frame(vlan, &frame)),
                Output::Query(question) => self.resolvers.ask(self, &question),
                Output::LeaseBound(lease) => {
                    debug!(guest = %lease.key, address = %lease.address, "lease");
                    self.store.put_lease(&leases::to_record(&lease, self.clock.now()));
                }
                Output::GuestCame(lease) => {
                    let whom = Whom { key: lease.key, address: lease.address };
                    self.diary.came(self.clock.now(), whom, lease.hostname.as_deref());
                    self.scripts.guest_came(&lease);
                }
                Output::GuestLeft(slot, key) => {
                    self.messages.borrow_mut().remove(&slot.0);
                    self.desk.left(uam::Place { slot: slot.0, key });
                }
                Output::LeaseEnded(lease) => {
                    let whom = Whom { key: lease.key, address: lease.address };
                    self.diary.note(self.clock.now(), whom, What::Left);
                    self.scripts.guest_left(&lease);
                    debug!(guest = %lease.key, address = %lease.address, "lease ended");
                    self.store.delete_lease(lease.key);
                    // Also without a session: there are connections into the walled garden.
                    self.flows.forget(lease.address);
                }
                Output::SessionKept(session) => self.store.put_session(&kept::to_record(session, written())),
                Output::SessionEnded(guest) => self.store.delete_session(guest),
                Output::Account(record) => self.account(&record, written),
                Output::Rogue(rogue) => {
                    self.diary.rogue(self.clock.now(), &rogue, crate::rogues::tell(&rogue).as_str());
                }
                Output::Device(attempt) => drop(crate::log::spawn(Rc::clone(self).let_device_in(attempt))),
                // Most need not wait, and are online before their access point hears of it.
                Output::Joined(attempt) if self.flows.is_forgetting(attempt.address) => {
                    drop(crate::log::spawn(Rc::clone(self).let_joined_in(attempt)));
                }
                Output::Joined(attempt) => drop(engine.finish_join(self.clock.now(), &attempt)),
            }
        }
    }

    /// Tries to log in the guest at `ip`.
    pub(crate) async fn log_in(self: &Rc<Self>, ip: Ipv4Addr, login: &Login<'_>) -> LoginOutcome {
        // An answer is no other try than the conversation that it belongs to.
        let is_answer = matches!(login.credential, Credential::Eap(response) if eap::identity(response).is_none());
        let begun = self.with(|engine, now| match is_answer {
            true => engine.begin_admission(ip),
            false => engine.begin_login(now, ip),
        });
        let named = |attempt: Attempt| match login.session_id {
            "" => attempt,
            name => Attempt { session_id: name.to_owned(), ..attempt },
        };
        let attempt = match begun {
            Ok(attempt) => named(attempt),
            Err(LoginRefusal::AlreadyOnline) => return LoginOutcome::Accepted { redirect: None, eap: None },
            Err(LoginRefusal::TooManyTries(wait)) => {
                let place = portal::Backend::place(&Backend(Rc::clone(self)), ip);
                if let Some(uam::Place { key, .. }) = place {
                    let whom = Whom { key, address: ip };
                    self.diary.login(self.clock.now(), whom, login.name, Became::TooMany { wait }, Duration::ZERO);
                }
                return LoginOutcome::TooManyTries { wait };
            }
            Err(LoginRefusal::NotAGuest) => return LoginOutcome::Unavailable,
        };
        if !is_answer {
            return self.authenticate(&attempt, login, None).await;
        }
        // Nobody asked, or not any more.
        let Some(before) = self.aaa.conversation(&attempt) else {
            return LoginOutcome::Rejected { message: None, redirect: None, eap: None };
        };
        let login = Login { name: &before.name, ..*login };
        self.authenticate(&before.attempt, &login, Some(&before)).await
    }

    /// Asks whether whoever made the attempt may come in; `before` is what a login by EAP goes on with.
    pub(crate) async fn authenticate(
        self: &Rc<Self>,
        attempt: &Attempt,
        login: &Login<'_>,
        before: Option<&Conversation>,
    ) -> LoginOutcome {
        let asked = self.clock.mono();
        let whom = Whom { key: attempt.key, address: attempt.address };
        let tried = match self.guesses.admit(asked, login.name, attempt.key) {
            Ok(tried) => tried,
            Err(wait) => {
                self.diary.login(self.clock.now(), whom, login.name, Became::TooMany { wait }, Duration::ZERO);
                return LoginOutcome::TooManyTries { wait };
            }
        };
        let answer = self.aaa.authenticate(attempt, login, before).await;
        match &answer {
            Answer::Granted { .. } | Answer::Limited(_) => tried.right(),
            Answer::Refused { .. } => {
                if tried.wrong() {
                    let user = diary::clipped(login.name);
                    warn!(?user, "somebody guesses a password: only devices that know it may try often");
                }
            }
            Answer::Unavailable | Answer::Asked { .. } => tried.unanswered(),
        }
        let became = match &answer {
            Answer::Granted { .. } => Some(Became::Accepted),
            Answer::Refused { message, .. } => Some(Became::Refused { words: message.as_deref().map(diary::clipped) }),
            Answer::Unavailable => Some(Became::Unanswered),
            Answer::Limited(_) | Answer::Asked { .. } => None,
        };
        if let Some(became) = became {
            let now = self.clock.now();
            self.diary.login(now, whom, login.name, became, now.mono.saturating_sub(asked));
        }
        match answer {
            Answer::Granted { grant, wanted, message, redirect, eap } => {
                if let Some(wanted) = wanted
                    && let Err(why) = self.look(|engine, _| engine.is_placed(attempt, &wanted))
                {
                    self.aaa.tell_of_displaced(attempt.key, &wanted, why);
                }
                self.inherit_nothing(attempt.address).await;
                if !self.with(|engine, now| engine.finish_login(now, attempt, login.name, grant)) {
                    return LoginOutcome::Unavailable; // it left, or logged in twice, while it waited
                }
                self.greet(attempt, message);
                LoginOutcome::Accepted { redirect, eap }
            }
            Answer::Refused { message, redirect, eap } => LoginOutcome::Rejected { message, redirect, eap },
            Answer::Limited(limits) => {
                self.allowances.of_account(login.name, &limits);
                self.admit(attempt, login.name, None).await
            }
            Answer::Asked { eap } => LoginOutcome::Asked { eap },
            Answer::Unavailable => LoginOutcome::Unavailable,
        }
    }

    /// Lets a device in by its MAC address, if somebody knows it. It is told nothing: it meets the portal otherwise.
    async fn let_device_in(self: Rc<Self>, attempt: Attempt) {
        let asked = self.clock.mono();
        let frame = self.look(|engine, _| engine.question_that_waits(attempt.key).map(<[u8]>::to_vec));
        let Device { name, answer, knows, words, parameters } =
            self.aaa.authenticate_device(&attempt, frame.as_deref()).await;
        if !matches!(answer, Answer::Unavailable) {
            self.with(|engine, _| engine.give_parameters(attempt.key, parameters));
        }
        match (name, answer) {
            (name, Answer::Granted { grant, wanted, message, .. }) => {
                self.with(|engine, _| engine.accept_device(&attempt));
                match wanted.map(|wanted| (self.replace_lease(&attempt, &wanted, &name, &grant), wanted)) {
                    // It comes back, and is online with its next lease.
                    Some((Ok(true), _)) => return,
                    Some((Err(why), wanted)) => self.aaa.tell_of_displaced(attempt.key, &wanted, why),
                    Some((Ok(false), _)) | None => {}
                }
                self.inherit_nothing(attempt.address).await;
                self.with(|engine, now| engine.answer_anew(now, attempt.key));
                if self.with(|engine, now| engine.finish_login(now, &attempt, &name, grant)) {
                    debug!(device = %attempt.key, "let in by its MAC address");
                    self.greet(&attempt, message);
                }
            }
            (_, Answer::Refused { redirect, .. }) => {
                debug!(device = %attempt.key, "not let in by its MAC address");
                let now = self.clock.now();
                let whom = Whom { key: attempt.key, address: attempt.address };
                self.diary.note(now, whom, What::DeviceRefused { took: now.mono.saturating_sub(asked) });
                let is_there = |guest: GuestView| guest.key == attempt.key && guest.session.is_none();
                if wants_a_page(&words)
                    && self.with(|engine, now| engine.guest_in(now, attempt.slot)).is_some_and(is_there)
                {
                    self.desk.must_see(uam::Place { slot: attempt.slot.0, key: attempt.key }, redirect);
                }
                let own = self.own_garden(&words).unwrap_or_default();
                self.with(|engine, now| {
                    engine.refuse_device(now, &attempt, knows);
                    if !own.is_empty() {
                        engine.change_own_garden(&attempt, own);
                    }
                });
            }
            // Accounts are asked about people only.
            (_, Answer::Unavailable | Answer::Asked { .. } | Answer::Limited(_)) => {}
        }
    }

    /// Has a device that may come in ask again for the address that is wanted for it. False if it has that one.
    fn replace_lease(
        self: &Rc<Self>,
        attempt: &Attempt,
        wanted: &Wanted,
        user: &str,
        grant: &Grant,
    ) -> Result<bool, Displaced> {
        if self.look(|engine, _| engine.is_placed(attempt, wanted)).is_ok() {
            return Ok(false);
        }
        self.with(|engine, now| engine.replace_lease(now, attempt, wanted, user, grant.clone())).map(|()| true)
    }

    async fn let_joined_in(self: Rc<Self>, attempt: Attempt) {
        self.inherit_nothing(attempt.address).await;
        self.with(|engine, now| engine.finish_join(now, &attempt));
    }

    /// Waits until the kernel has forgotten the connections of whoever had this address before: what is still sent to them
    /// would come to who is online there now. That is a tenth of a second after they have left.
    async fn inherit_nothing(&self, address: Ipv4Addr) {
        while self.flows.is_forgetting(address) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What a server's ChilliSpot-Config attributes say about the garden of one guest; none, and the operator is told, if it
    /// cannot be obeyed.
    pub(crate) fn own_garden(&self, words: &[String]) -> Option<OwnGarden> {
        garden::own(words, self.plane.network).map_err(|why| self.aaa.tell_of_unusable_garden(why)).ok()
    }

    /// Changes what is open for the guests that have all of these marks alone; returns how many.
    pub(crate) fn change_own_gardens(self: &Rc<Self>, marks: &[Mark<'_>], own: &OwnGarden) -> usize {
        let (guests, refused) = self.with(|engine, _| engine.change_own_gardens(marks, own));
        if refused > 0 {
            debug!(refused, "no room in guests' own gardens");
        }
        guests
    }

    /// Keeps what the success page says.
    fn greet(&self, attempt: &Attempt, message: Option<String>) {
        self.messages.borrow_mut().extend(message.map(|message| (attempt.slot.0, message)));
    }

    /// Logs in guests for the operator, without a password, with what is configured but for the `changes`; returns how
    /// many.
    pub(crate) async fn let_in(self: &Rc<Self>, guest: cli::Guest, user: &str, changes: &Changes) -> usize {
        let grant = changes.clone().apply(self.aaa.default_grant());
        let found = self.find(guest);
        for view in &found {
            self.inherit_nothing(view.address).await;
        }
        self.with(|engine, now| {
            let login = |view: &&GuestView| {
                let Ok(attempt) = engine.begin_admission(view.address) else { return false };
                engine.finish_login(now, &attempt, user, grant.clone())
            };
            found.iter().filter(login).count()
        })
    }

    /// Ends the sessions of guests; returns how many.
    pub(crate) fn kick(self: &Rc<Self>, guest: cli::Guest, cause: Cause) -> usize {
        let found = self.find(guest);
        self.with(|engine, now| found.iter().filter(|view| engine.end_session(now, view.slot, cause)).count())
    }

    /// Ends the sessions that have all of these marks; returns how many.
    pub(crate) fn disconnect(self: &Rc<Self>, marks: &[Mark<'_>]) -> usize {
        self.with(|engine, now| {
            let found = engine.find_sessions(marks);
            found.iter().filter(|slot| engine.end_session(now, **slot, Cause::AdminReset)).count()
        })
    }

    /// Changes the sessions that have all of these marks, and what their guests read; returns how many.
    pub(crate) fn change(self: &Rc<Self>, marks: &[Mark<'_>], changes: &Changes, message: Option<&str>) -> usize {
        let changed = self.with(|engine, now| {
            let mut found = engine.find_sessions(marks);
            found.retain(|slot| engine.change_session(now, *slot, changes.clone()));
            found
        });
        let told = changed.iter().filter_map(|slot| Some((slot.0, message?.to_owned())));
        self.messages.borrow_mut().extend(told);
        changed.len()
    }

    /// Waits until all that has changed so far is on the disk: of a session that has ended, its last record too.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(2 * SETTLE).await;
        let (sender, done) = oneshot::channel();
        self.store.settle(move || {
            let _ = sender.send(()); // nobody may be waiting any more
        });
        let _ = done.await;
    }

    /// Changes what guests' sessions may, where it is named; returns how many.
    pub(crate) fn limit(self: &Rc<Self>, guest: cli::Guest, changes: &Changes) -> usize {
        let found = self.find(guest);
        self.with(|engine, now| {
            found.iter().filter(|view| engine.change_session(now, view.slot, changes.clone())).count()
        })
    }

    /// The guests that an operator means.
    pub(crate) fn find(&self, guest: cli::Guest) -> Vec<GuestView> {
        let engine = self.engine.borrow();
        let now = self.clock.now();
        match guest {
            cli::Guest::Address(address) => engine.guest_at(now, address).into_iter().collect(),
            cli::Guest::Mac(mac) => engine.guests_with_mac(now, mac).collect(),
            cli::Guest::Session(name) => {
                let found = engine.find_sessions(&[Mark::Session(name.as_bytes())]);
                found.into_iter().filter_map(|slot| engine.guest_in(now, slot)).collect()
            }
        }
    }

    /// Where guests are, in order.
    pub(crate) async fn addresses(&self) -> Vec<Ipv4Addr> {
        let mut addresses: Vec<_> = self.engine.borrow().addresses().collect();
        let sorted = tokio::task::spawn_blocking(move || {
            addresses.sort_unstable();
            addresses
        });
        sorted.await.unwrap_or_default() // panics abort
    }

    /// The guests at these addresses that are still there.
    pub(crate) fn guests_at(&self, addresses: &[Ipv4Addr]) -> Vec<GuestView> {
        let (engine, now) = (self.engine.borrow(), self.clock.now());
        addresses.iter().filter_map(|address| engine.guest_at(now, *address)).collect()
    }

    /// Looks at those who lead guests elsewhere.
    pub(crate) fn rogues(&self) -> serde_json::Value {
        crate::rogues::to_json(self.engine.borrow().watch(), self.clock.now())
    }

    /// From now on nothing of this device passes. False if too many are blocked.
    pub(crate) fn block(self: &Rc<Self>, mac: MacAddr) -> bool {
        let blocked = self.with(|engine, now| engine.block(now, mac));
        if blocked {
            self.store.set_blocked(mac, true);
        }
        blocked
    }

    /// The device is as any other again. False if it was not blocked.
    pub(crate) fn unblock(self: &Rc<Self>, mac: MacAddr) -> bool {
        self.store.set_blocked(mac, false);
        self.with(|engine, now| engine.unblock(now, mac))
    }

    /// The devices that are blocked.
    pub(crate) fn blocked(&self) -> Vec<MacAddr> {
        let mut blocked: Vec<_> = self.engine.borrow().blocked().collect();
        blocked.sort_unstable();
        blocked
    }

    /// Gives a device an address of its own, also after restarts.
    pub(crate) fn add_host(self: &Rc<Self>, mac: MacAddr, address: Ipv4Addr) -> Result<(), HostRefusal> {
        self.with(|engine, now| engine.add_host(now, mac, address))?;
        self.store.set_host(mac, Some(address));
        Ok(())
    }

    /// Takes it back. False if an operator had not given it.
    pub(crate) fn remove_host(self: &Rc<Self>, mac: MacAddr) -> bool {
        self.store.set_host(mac, None);
        self.with(|engine, now| engine.remove_host(now, mac))
    }

    fn account(&self, record: &Record, written: impl FnOnce() -> store::Written) {
        match record.status {
            Status::Start => {
                // Whoever had the place before is not the one who is greeted.
                self.messages.borrow_mut().remove(&record.slot.0);
                info!(session = record.session_id, address = %record.address, "session began");
            }
            Status::Interim => debug!(session = record.session_id, "session goes on"),
            Status::Stop(cause) => {
                info!(
                    session = record.session_id,
                    address = %record.address,
                    cause = cause.label(),
                    seconds = record.duration.as_secs(),
                    octets_up = record.usage.octets_up,
                    octets_down = record.usage.octets_down,
                    "session ended"
                );
                self.flows.forget(record.address);
            }
        }
        self.diary.session(self.clock.now(), record);
        self.retention.session(record, self.plane.routes.station(record.key));
        self.account_allowance(record);
        self.scripts.session(record);
        self.aaa.account(record, written);
    }
}

/// What the portal asks.
pub(crate) struct Backend(pub(crate) Rc<Gateway>);

impl portal::Backend for Backend {
    fn guest(&self, ip: Ipv4Addr) -> Option<portal::Guest> {
        let gateway = &self.0;
        let view = gateway.engine.borrow().guest_at(gateway.clock.now(), ip)?;
        let Some(session) = view.session else { return Some(portal::Guest::NotLoggedIn) };
        let quota = session.grant.quota;
        let allowance = Some(&session.user).filter(|_| session.grant.source == Source::Allowance);
        let bookmark = allowance.and_then(|name| gateway.bookmark(name, &session.id));
        let shown = allowance.and_then(|name| gateway.allowances.shown(name));
        Some(portal::Guest::LoggedIn(Box::new(portal::Session {
            id: session.id,
            began: session.began.unix,
            idle: session.idle,
            quota_up: quota.octets_up,
            quota_down: quota.octets_down,
            quota_total: quota.octets_total,
            user: shown.unwrap_or(session.user),
            age: session.duration,
            time_left: session.time_left,
            idle_timeout: session.grant.idle_timeout,
            octets_up: session.usage.octets_up,
            octets_down: session.usage.octets_down,
            bits_per_second_up: session.grant.rate_up.limit(),
            bits_per_second_down: session.grant.rate_down.limit(),
            octets_left: session.octets_left,
            message: gateway.messages.borrow().get(&view.slot.0).cloned(),
            bookmark,
        })))
    }

    fn place(&self, ip: Ipv4Addr) -> Option<uam::Place> {
        let view = self.0.engine.borrow().guest_at(self.0.clock.now(), ip)?;
        Some(uam::Place { slot: view.slot.0, key: view.key })
    }

    fn session_id(&self) -> String {
        // Nothing comes of it, and so nobody is called back.
        self.0.engine.borrow_mut().name_session()
    }

    fn dice(&self) -> [u8; 16] {
        let mut octets = [0; 16];
        crate::dice(&mut octets);
        octets
    }

    async fn login(&self, ip: Ipv4Addr, login: &Login<'_>) -> LoginOutcome {
        self.0.log_in(ip, login).await
    }

    async fn redeem(&self, ip: Ipv4Addr, code: &str) -> LoginOutcome {
        self.0.redeem(ip, code).await
    }

    async fn accept_terms(&self, ip: Ipv4Addr) -> LoginOutcome {
        self.0.accept_terms(ip).await
    }

    fn recognise(&self, bookmark: &str) -> Option<String> {
        self.0.recognise(bookmark)
    }

    async fn resume(&self, ip: Ipv4Addr, bookmark: &str) -> LoginOutcome {
        self.0.resume(ip, bookmark).await
    }

    fn served(&self, ip: Ipv4Addr, path: &str, towards: Option<&str>, status: u16) {
        if let Some(uam::Place { key, .. }) = self.place(ip) {
            self.0.diary.page(self.0.clock.now(), Whom { key, address: ip }, path, towards, status);
        }
    }

    fn ask_about_device(&self, ip: Ipv4Addr) {
        self.0.with(|engine, now| engine.ask_about_guest(now, ip));
    }

    fn logout(&self, ip: Ipv4Addr) {
        self.0.kick(cli::Guest::Address(ip), Cause::UserRequest);
    }
}
