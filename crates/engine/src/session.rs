//! The words of a session: what was granted, what was used, why it ended.

use std::net::Ipv4Addr;
use std::time::Duration;

use fastpath::police::Rate;
use fastpath::session::{Policy, SlotIndex, Usage};
use wire::{GuestKey, Now};

/// What an authentication source allows a guest.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Grant {
    /// Longest time logged in; none is no limit.
    pub session_timeout: Option<Duration>,
    /// Longest time without a packet from the guest; none is no limit.
    pub idle_timeout: Option<Duration>,
    /// Time between accounting records; none is none.
    pub interim: Option<Duration>,
    /// Limit from the guest.
    pub rate_up: Rate,
    /// Limit to the guest.
    pub rate_down: Rate,
    /// What the source wants back in each accounting record, in its order (RFC 2865, 5.25).
    pub class: Vec<Vec<u8>>,
    /// The name to account under, if not the one given (RFC 2865, 5.1).
    pub user: Option<String>,
}

/// Why a session ended; the numbers are Acct-Terminate-Cause (RFC 2866, 5.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The guest logged out.
    UserRequest = 1,
    /// The guest left: its lease was released, declined or ran out.
    LostCarrier = 2,
    /// Nothing came from the guest for too long.
    IdleTimeout = 4,
    /// The granted time is over.
    SessionTimeout = 5,
    /// An operator ended it.
    AdminReset = 6,
    /// The gateway stopped.
    AdminReboot = 7,
}

impl Cause {
    /// The words for a person.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::UserRequest => "logged out",
            Self::LostCarrier => "left",
            Self::IdleTimeout => "idle",
            Self::SessionTimeout => "time over",
            Self::AdminReset => "ended by the operator",
            Self::AdminReboot => "gateway stopped",
        }
    }
}

/// Which point of a session's life a record tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It began.
    Start,
    /// It goes on.
    Interim,
    /// It ended.
    Stop(Cause),
}

/// An accounting record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which point of the session's life.
    pub status: Status,
    /// The session's name, unique over restarts.
    pub session_id: String,
    /// Who pays.
    pub user: String,
    /// The guest's station.
    pub key: GuestKey,
    /// The guest's address.
    pub address: Ipv4Addr,
    /// The guest's place in the table, which serves as its port number.
    pub slot: SlotIndex,
    /// What the source of the grant wants back.
    pub class: Vec<Vec<u8>>,
    /// Traffic since the session began.
    pub usage: Usage,
    /// Time since the session began.
    pub duration: Duration,
    /// When this was so.
    pub at: Now,
}

/// A guest's time logged in, from login to its last record.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) grant: Grant,
    pub(crate) began: Now,
    /// The slot's counters when it began.
    pub(crate) baseline: Usage,
    pub(crate) next_interim: Option<Duration>,
}

impl Session {
    /// When it ends by the clock, on the gateway's monotonic clock.
    pub(crate) fn ends_at(&self) -> Option<Duration> {
        self.grant.session_timeout.map(|timeout| self.began.mono.saturating_add(timeout))
    }

    pub(crate) fn policy(&self) -> Policy {
        // Rounded up: the packet path's second is the backstop, the engine's timer the rule.
        let ends_at_secs = self.ends_at().map(|end| u32::try_from(end.as_secs() + 1).unwrap_or(u32::MAX));
        Policy { online: true, ends_at_secs, rate_up: self.grant.rate_up, rate_down: self.grant.rate_down }
    }
}
