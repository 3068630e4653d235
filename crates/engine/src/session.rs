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
    /// How much it may use.
    pub quota: Quota,
    /// What the source wants back in each accounting record, in its order (RFC 2865, 5.25).
    pub class: Vec<Vec<u8>>,
    /// The name to account under, if not the one given (RFC 2865, 5.1).
    pub user: Option<String>,
    /// Who vouches for the guest.
    pub source: Source,
}

/// Who said that a guest may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Source {
    /// A local account, or the operator.
    #[default]
    Local,
    /// A RADIUS server.
    Radius,
    /// Nobody: no server could be reached, and the operator wants guests to come in all the same.
    Nobody,
}

/// Octets that one session may use; none is no limit. What counts is said at [`Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Quota {
    /// From the guest.
    pub octets_up: Option<u64>,
    /// To the guest.
    pub octets_down: Option<u64>,
    /// Both together.
    pub octets_total: Option<u64>,
}

impl Quota {
    /// Each limit, and what `used` leaves of it: up, down, total.
    fn left(self, used: Usage) -> [Option<u64>; 3] {
        let total = used.octets_up.saturating_add(used.octets_down);
        let limits =
            [(self.octets_up, used.octets_up), (self.octets_down, used.octets_down), (self.octets_total, total)];
        limits.map(|(limit, used)| limit.map(|limit| limit.saturating_sub(used)))
    }
}

/// Why a session ended. Which Acct-Terminate-Cause (RFC 2866, 5.10) that is, accounting decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The guest logged out.
    UserRequest,
    /// The guest left: its lease was released, declined or ran out.
    LostCarrier,
    /// Nothing came from the guest for too long.
    IdleTimeout,
    /// The granted time is over.
    SessionTimeout,
    /// The granted octets are used up.
    QuotaUsedUp,
    /// An operator ended it.
    AdminReset,
    /// The gateway was gone for too long after a crash or a handover.
    NasReboot,
    /// The gateway stopped.
    AdminReboot,
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
            Self::QuotaUsedUp => "data used up",
            Self::AdminReset => "ended by the operator",
            Self::NasReboot => "gateway was gone",
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
    /// Who let the guest in.
    pub source: Source,
    /// Traffic since the session began.
    pub usage: Usage,
    /// Time since the session began.
    pub duration: Duration,
    /// When this was so.
    pub at: Now,
}

/// A session as it is written down, for the time after this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSession {
    /// The guest's station.
    pub key: GuestKey,
    /// The guest's address.
    pub address: Ipv4Addr,
    /// The guest's place in the table.
    pub slot: SlotIndex,
    /// The session's name.
    pub id: String,
    /// Who pays.
    pub user: String,
    /// What was granted.
    pub grant: Grant,
    /// How long it has lasted.
    pub duration: Duration,
    /// What the slot had counted when the session began.
    pub baseline: Usage,
    /// What it has used since.
    pub used: Usage,
}

/// Nobody sends faster: a quota is looked at when this could have used it up. Should somebody, the packet path still
/// stops at the octet, and only the end of the session comes later.
const FASTEST_BITS_PER_SECOND: u64 = 10_000_000_000;
/// More than passes at once of a guest with a rate, which is a burst and a super-packet.
const BURST_OCTETS: u64 = 256 * 1024;
/// A quota is not looked at more often.
const QUOTA_LOOK: Duration = Duration::from_secs(1);

/// A guest's time logged in, from login to its last record.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) grant: Grant,
    /// On the monotonic clock, when it began or went on in this run; since 1970, when it began.
    pub(crate) began: Now,
    /// How long it had lasted by then.
    pub(crate) before: Duration,
    /// The slot's counters when it began.
    pub(crate) baseline: Usage,
    pub(crate) next_interim: Option<Duration>,
}

impl Session {
    /// How long it has lasted.
    pub(crate) fn duration(&self, mono: Duration) -> Duration {
        self.before + mono.saturating_sub(self.began.mono)
    }

    /// When it ends by the clock, on the gateway's monotonic clock.
    pub(crate) fn ends_at(&self) -> Option<Duration> {
        let timeout = self.grant.session_timeout?;
        Some(self.began.mono.saturating_add(timeout.saturating_sub(self.before)))
    }

    /// What is left of the quota that has least left.
    pub(crate) fn octets_left(&self, counted: Usage) -> Option<u64> {
        self.grant.quota.left(counted - self.baseline).into_iter().flatten().min()
    }

    /// How long the quota lasts at least, given what the slot has `counted`; no less than [`QUOTA_LOOK`].
    pub(crate) fn quota_lasts(&self, counted: Usage) -> Option<Duration> {
        let [up, down] = [self.grant.rate_up, self.grant.rate_down]
            .map(|rate| rate.limit().unwrap_or(FASTEST_BITS_PER_SECOND).clamp(1, FASTEST_BITS_PER_SECOND));
        let left = self.grant.quota.left(counted - self.baseline);
        let secs = |(left, rate): (Option<u64>, u64)| Some(left?.saturating_sub(BURST_OCTETS).saturating_mul(8) / rate);
        let secs = left.into_iter().zip([up, down, up + down]).filter_map(secs).min()?;
        // The second less is for the burst of a fast rate, a quarter of a second.
        Some(Duration::from_secs(secs).saturating_sub(QUOTA_LOOK).max(QUOTA_LOOK))
    }

    pub(crate) fn policy(&self) -> Policy {
        // Rounded up: the packet path's second is the backstop, the engine's timer the rule.
        let ends_at_secs = self.ends_at().map(|end| u32::try_from(end.as_secs() + 1).unwrap_or(u32::MAX));
        let Quota { octets_up, octets_down, octets_total } = self.grant.quota;
        let max = |quota: Option<u64>, baseline: u64| quota.map_or(u64::MAX, |quota| baseline.saturating_add(quota));
        let Usage { octets_up: up, octets_down: down, .. } = self.baseline;
        Policy {
            online: true,
            ends_at_secs,
            rate_up: self.grant.rate_up,
            rate_down: self.grant.rate_down,
            octets_up_max: max(octets_up, up),
            octets_down_max: max(octets_down, down),
            octets_total_max: max(octets_total, up.saturating_add(down)),
        }
    }
}
