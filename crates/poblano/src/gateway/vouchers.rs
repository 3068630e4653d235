//! Guests who come in by a voucher, an account with limits or the terms, and those who come back with another MAC address.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use engine::Engine;
use engine::gateway::{Attempt, KEEP_EVERY, LoginRefusal, Mark};
use engine::session::{Cause, Record, Source, Status};
use fastpath::session::SlotIndex;
use portal::{Declined, LoginOutcome};
use wire::Now;

use super::{Backend, Gateway};
use crate::allowances::{LOOK, Live, Refusal, device};
use crate::diary::{Became, Whom};
use crate::vouchers::words;

/// Whom the diary names when a code is none of ours. Not what was typed: a letter away from it may be somebody's voucher.
const NO_VOUCHER: &str = "voucher:?";

impl Gateway {
    /// Lets the guest at `ip` in by the code of a voucher. What is no code at all costs no try: it tells nothing.
    pub(crate) async fn redeem(self: &Rc<Self>, ip: Ipv4Addr, typed: &str) -> LoginOutcome {
        let refusal = match self.allowances.may_be_code(typed) {
            Ok(()) => match self.begin(ip) {
                Ok(attempt) => match self.allowances.of_code(self.clock.now(), typed) {
                    Ok(name) => return self.admit(&attempt, &name, None).await,
                    Err(refusal) => refusal,
                },
                Err(LoginOutcome::TooManyTries { wait }) => {
                    self.allowances.count_refusal(&Refusal::Wait(wait));
                    return LoginOutcome::TooManyTries { wait };
                }
                Err(outcome) => return outcome,
            },
            Err(why) => Refusal::Declined(why),
        };
        self.allowances.count_refusal(&refusal);
        if let Some(uam::Place { key, .. }) = portal::Backend::place(&Backend(Rc::clone(self)), ip) {
            let whom = Whom { key, address: ip };
            self.diary.login(self.clock.now(), whom, NO_VOUCHER, became(&refusal), Duration::ZERO);
        }
        refused(refusal)
    }

    /// Lets the guest at `ip` in, who has accepted the terms, with what its device still gets.
    pub(crate) async fn accept_terms(self: &Rc<Self>, ip: Ipv4Addr) -> LoginOutcome {
        let attempt = match self.begin(ip) {
            Ok(attempt) => attempt,
            Err(outcome) => return outcome,
        };
        match self.allowances.of_device(attempt.key.mac, self.clock.now()) {
            Ok((name, forgotten)) => {
                forgotten.into_iter().for_each(|name| self.store.delete_allowance(name));
                self.admit(&attempt, &name, None).await
            }
            Err(refusal) => {
                let whom = Whom { key: attempt.key, address: ip };
                self.diary.login(self.clock.now(), whom, &device(attempt.key.mac), became(&refusal), Duration::ZERO);
                refused(refusal)
            }
        }
    }

    /// Who goes on by this bookmark, if anybody can.
    pub(crate) fn recognise(&self, bookmark: &str) -> Option<String> {
        let (name, _) = self.read_bookmark(bookmark)?;
        self.allowances.shown(&name)
    }

    /// Lets the guest at `ip` go on by a bookmark, in the place of the session that it is of.
    pub(crate) async fn resume(self: &Rc<Self>, ip: Ipv4Addr, bookmark: &str) -> LoginOutcome {
        match self.begin(ip) {
            Ok(attempt) => match self.read_bookmark(bookmark) {
                Some((name, session_id)) => self.admit(&attempt, &name, Some(&session_id)).await,
                None => LoginOutcome::Declined(Declined::Expired),
            },
            Err(outcome) => outcome,
        }
    }

    /// What the address of the status page of this session has.
    pub(super) fn bookmark(&self, name: &str, session_id: &str) -> Option<String> {
        self.allowances.bookmark(name, session_id, &self.password_of(name)?, self.clock.now())
    }

    fn read_bookmark(&self, text: &str) -> Option<(String, String)> {
        self.allowances.read_bookmark(text, |name| self.password_of(name), self.clock.now())
    }

    /// What says that an account's password is still the same; nothing of a voucher, none if there is no such account, or
    /// none with limits.
    fn password_of(&self, name: &str) -> Option<String> {
        if self.allowances.is_voucher(name) {
            return Some(String::new());
        }
        let (limits, hash) = self.aaa.limited_account(name)?;
        self.allowances.of_account(name, &limits);
        Some(hash)
    }

    /// Lets a guest in by an allowance that it has shown to have; `before` is the session in whose place it comes.
    pub(super) async fn admit(self: &Rc<Self>, attempt: &Attempt, name: &str, before: Option<&str>) -> LoginOutcome {
        self.inherit_nothing(attempt.address).await;
        // From here on nothing comes between: of two that want the last place one gets it.
        let admitted = self.with(|engine, now| {
            let live = self.live(engine, now, name);
            let before = before.and_then(|id| engine.find_sessions(&[Mark::Session(id.as_bytes())]).first().copied());
            let before = before.filter(|slot| live.iter().any(|live| live.slot == *slot));
            let admission = self.allowances.admit(name, &live, before, self.aaa.default_grant(), now)?;
            // The newcomer first: nobody loses a session to one who is gone.
            let is_in = engine.finish_login(now, attempt, name, admission.grant);
            let freed = [(before, Cause::LostCarrier), (admission.replaced, Cause::IdleTimeout)];
            for (slot, cause) in freed.into_iter().filter(|_| is_in) {
                if let Some(slot) = slot {
                    engine.end_session(now, slot, cause);
                }
            }
            Ok(is_in)
        });
        if let Err(refusal) = &admitted
            && self.allowances.is_voucher(name)
        {
            self.allowances.count_refusal(refusal);
        }
        let became = match &admitted {
            Ok(true) => Became::Accepted,
            Ok(false) => Became::Unanswered,
            Err(refusal) => became(refusal),
        };
        let whom = Whom { key: attempt.key, address: attempt.address };
        self.diary.login(self.clock.now(), whom, name, became, Duration::ZERO);
        match admitted {
            Ok(true) => LoginOutcome::Accepted { redirect: None, eap: None },
            Ok(false) => LoginOutcome::Unavailable, // it left, or logged in twice, while it waited
            Err(refusal) => refused(refusal),
        }
    }

    /// Looks again and again at those of which several devices use the same data.
    pub(crate) async fn keep_allowances(self: Rc<Self>) {
        let mut looks = tokio::time::interval(LOOK);
        let mut kept = self.clock.mono();
        loop {
            looks.tick().await;
            let now = self.clock.now();
            for name in self.allowances.in_common() {
                if self.look(|engine, now| self.allowances.needs_look(&name, &self.live(engine, now, &name), now)) {
                    self.allowances.unsettle(&name);
                }
            }
            if now.mono.saturating_sub(kept) >= KEEP_EVERY {
                kept = now.mono;
                self.allowances.to_be_kept().iter().for_each(|name| self.allowances.unsettle(name));
            }
            self.with(|_, _| ());
        }
    }

    /// Its sessions share what is left anew, and it is written down.
    pub(super) fn settle_allowance(&self, engine: &mut Engine, now: Now, name: &str) {
        let live = self.live(engine, now, name);
        for (slot, changes) in self.allowances.divided(name, &live, &self.aaa.default_grant(), now) {
            engine.change_session(now, slot, changes);
        }
        if let Some(record) = self.allowances.record(name, &live) {
            self.store.put_allowance(&record);
        }
    }

    /// What a session used is its allowance's, if it has one.
    pub(super) fn account_allowance(&self, record: &Record) {
        if record.source != Source::Allowance {
            return;
        }
        match record.status {
            Status::Start => self.allowances.began(&record.user, record.slot, record.at),
            Status::Interim => {}
            Status::Stop(cause) => {
                let octets = record.usage.octets_up.saturating_add(record.usage.octets_down);
                let is_out_of_data = cause == Cause::QuotaUsedUp;
                self.allowances.ended(&record.user, record.slot, record.duration, octets, is_out_of_data);
                if let Some(record) = self.allowances.record(&record.user, &[]) {
                    self.store.put_allowance_with_session(&record);
                }
            }
        }
    }

    /// Its sessions that run.
    pub(crate) fn live(&self, engine: &Engine, now: Now, name: &str) -> Vec<Live> {
        let live = |slot: SlotIndex| {
            let session = engine.guest_in(now, slot)?.session?;
            (session.grant.source == Source::Allowance && session.user == name).then(|| Live {
                slot,
                duration: session.duration,
                octets: session.usage.octets_up.saturating_add(session.usage.octets_down),
                idle: session.idle,
                quota: session.grant.quota.octets_total,
            })
        };
        let mut slots = self.allowances.slots(name);
        slots.sort_unstable();
        slots.dedup(); // a session that has ended, and its guest's next one
        slots.into_iter().filter_map(live).collect()
    }

    fn begin(self: &Rc<Self>, ip: Ipv4Addr) -> Result<Attempt, LoginOutcome> {
        self.with(|engine, now| engine.begin_login(now, ip)).map_err(|refusal| match refusal {
            LoginRefusal::AlreadyOnline => LoginOutcome::Accepted { redirect: None, eap: None },
            LoginRefusal::TooManyTries(wait) => LoginOutcome::TooManyTries { wait },
            LoginRefusal::NotAGuest => LoginOutcome::Unavailable,
        })
    }
}

/// For operators; guests have their own words, in their language.
fn became(refusal: &Refusal) -> Became {
    match refusal {
        Refusal::Wait(wait) => Became::TooMany { wait: *wait },
        Refusal::Declined(why) => Became::Refused { words: Some(words(*why).into()) },
        Refusal::NoDate => Became::Refused { words: Some("the gateway does not know the date".into()) },
    }
}

fn refused(refusal: Refusal) -> LoginOutcome {
    match refusal {
        Refusal::Declined(why) => LoginOutcome::Declined(why),
        Refusal::Wait(wait) => LoginOutcome::TooManyTries { wait },
        Refusal::NoDate => LoginOutcome::Unavailable,
    }
}
