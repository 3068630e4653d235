//! From a guest that wants to log in to its session.

use std::net::Ipv4Addr;
use std::time::Duration;

use fastpath::session::{SlotIndex, Usage};
use wire::{GuestKey, Now};

use super::{Association, Engine, Output, record};
use crate::session::{Grant, Session, SessionId, Status};

/// Why a guest may not try to log in now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Nobody has that address, or whose device a server has refused.
    NotAGuest,
    /// It is logged in.
    AlreadyOnline,
    /// It tried too often; the next try is possible after this time.
    TooManyTries(Duration),
}

/// A login that is under way: who asked, so that the answer reaches nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The guest's place in the table.
    pub slot: SlotIndex,
    /// The station.
    pub key: GuestKey,
    /// The address it asked from.
    pub address: Ipv4Addr,
    /// What the session will be called.
    pub session_id: String,
}

impl Engine {
    /// A guest wants to log in: may it try?
    ///
    /// # Errors
    /// Why not.
    pub fn begin_login(&mut self, now: Now, address: Ipv4Addr) -> Result<Attempt, LoginRefusal> {
        let attempt = self.begin_admission(address)?;
        let guest = self.guests.get_mut(attempt.slot).ok_or(LoginRefusal::NotAGuest)?;
        if guest.refused {
            return Err(LoginRefusal::NotAGuest); // it asked before the server's word came
        }
        guest.attempts.take(now.mono).map_err(LoginRefusal::TooManyTries)?;
        Ok(attempt)
    }

    /// As [`begin_login`](Self::begin_login), for an operator: whoever has mistyped the password too often is the one
    /// who asks at the desk, so no try is needed and none is counted.
    ///
    /// # Errors
    /// Nobody has this address, or its guest is online.
    pub fn begin_admission(&mut self, address: Ipv4Addr) -> Result<Attempt, LoginRefusal> {
        let snapshot = self.writer.table().by_address(address).ok_or(LoginRefusal::NotAGuest)?;
        let guest = self.guests.get(snapshot.slot).ok_or(LoginRefusal::NotAGuest)?;
        if guest.is_online() {
            return Err(LoginRefusal::AlreadyOnline);
        }
        let session_id = self.name_session();
        Ok(Attempt { slot: snapshot.slot, key: snapshot.key, address, session_id })
    }

    /// The source of the grant said yes: the guest goes online, if it is still the one that asked. False if not.
    pub fn finish_login(&mut self, now: Now, attempt: &Attempt, user: &str, grant: Grant) -> bool {
        self.begin_session(now, attempt, user, grant, None)
    }

    /// The same, for a device that may have joined at an access point.
    pub(super) fn begin_session(
        &mut self,
        now: Now,
        attempt: &Attempt,
        user: &str,
        grant: Grant,
        joined: Option<Association>,
    ) -> bool {
        let Some(guest) = self.guests.get(attempt.slot) else { return false };
        if guest.key != attempt.key || guest.address != attempt.address || guest.is_online() {
            return false;
        }
        let place = guest.place(attempt.slot);
        let Some(id) = SessionId::parse(&attempt.session_id) else { return false };
        // One reading ends the account of the session before, if it is not settled yet, and begins this one's: no
        // packet is on both.
        let baseline = self.writer.table().usage(attempt.slot);
        while let Some(at) = self.closing.iter().position(|closing| closing.slot == attempt.slot) {
            let Some(closing) = self.closing.remove(at) else { break };
            self.finish(closing, baseline);
        }
        let (tariff, personal) = self.tariffs.share(grant);
        let billed = personal.as_ref().and_then(|personal| personal.user.as_deref());
        let mut session = Session {
            id,
            user: billed.unwrap_or(user).into(),
            tariff,
            echo: personal.as_deref().into(),
            began: now.mono.into(),
            before_nanos: 0,
            began_unix_nanos: now.unix.as_nanos() as u64,
            baseline,
            next_interim: None,
        };
        session.next_interim = session.until_interim(Duration::ZERO).map(|wait| (now.mono + wait).into());
        self.set_policy(attempt.slot, session.policy(now));
        self.dhcp.protect(attempt.key, true);
        let record = record(place, &session, Status::Start, Usage::default(), now);
        self.guests.begin_session(attempt.slot, session);
        self.outputs.push_back(Output::Account(record));
        if let Some(at) = joined {
            self.joins.began(attempt.key, at);
        }
        self.keep_session(now, attempt.slot);
        self.schedule(now, attempt.slot);
        self.outputs.extend(self.held.take(attempt.key));
        true
    }

    /// A name for a session to come, which no other one has: for an [`Attempt`] whose guest was told it before.
    pub fn name_session(&mut self) -> String {
        self.session_id().to_string()
    }

    pub(super) fn session_id(&mut self) -> SessionId {
        self.sessions = self.sessions.wrapping_add(1);
        // SplitMix64
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        SessionId { boot: self.config.boot & 0xff_ffff, number: self.sessions, dice: (z ^ z >> 31) as u32 }
    }
}
