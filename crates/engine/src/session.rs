//! The words of a session: what was granted, what was used, why it ended.

use std::fmt;
use std::net::Ipv4Addr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use fastpath::police::Rate;
use fastpath::session::{Policy, SlotIndex, Usage};
use wire::{GuestKey, Now};

use crate::gateway::Association;

/// What an authentication source allows a guest.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Grant {
    /// Longest time logged in; none is no limit.
    pub session_timeout: Option<Duration>,
    /// When it is over by the calendar, since 1970; none is never. Unlike a time logged in it moves when the machine's
    /// date is set.
    pub until: Option<Duration>,
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
    /// Who vouches for the guest.
    pub source: Source,
    /// What is this guest's alone. Boxed, because most have nothing of it.
    pub personal: Option<Box<Personal>>,
}

/// The part of a grant that no two guests share: limits are mostly those of a tariff.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Personal {
    /// What the source wants back in each accounting record, in its order (RFC 2865, 5.25).
    pub class: Vec<Vec<u8>>,
    /// Who pays, in the source's own words, for each accounting record (RFC 4372).
    pub cui: Option<Vec<u8>>,
    /// The name to account under, if not the one given (RFC 2865, 5.1).
    pub user: Option<String>,
}

/// Who said that a guest may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Source {
    /// A local account, or the operator.
    #[default]
    Local,
    /// A RADIUS server.
    Radius,
    /// A voucher, or a local account with limits: all sessions of this name share what it may use.
    Allowance,
    /// Nobody: no server could be reached, and the operator wants guests to come in all the same.
    Nobody,
}

impl Personal {
    /// Boxed, if there is anything.
    #[must_use]
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl Grant {
    /// What the source wants back in each accounting record.
    #[must_use]
    pub fn class(&self) -> &[Vec<u8>] {
        self.personal.as_ref().map_or(&[], |personal| &personal.class)
    }
}

/// Tariffs that are remembered to be shared. A hotspot has few; who has limits of its own keeps them by itself.
const TARIFFS: usize = 16;

/// The limits that were granted lately, so that those who have the same have them in common.
#[derive(Debug, Default)]
pub(crate) struct Tariffs(Vec<Arc<Grant>>);

impl Tariffs {
    /// Takes a grant apart: what it has in common with others, and what is the guest's own.
    pub(crate) fn share(&mut self, mut grant: Grant) -> (Arc<Grant>, Option<Box<Personal>>) {
        let personal = grant.personal.take();
        let tariff = match self.0.iter().position(|known| **known == grant) {
            Some(at) => self.0.remove(at),
            None => {
                self.0.truncate(TARIFFS - 1);
                Arc::new(grant)
            }
        };
        self.0.insert(0, Arc::clone(&tariff));
        (tariff, personal)
    }
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
    /// Who pays, in the words of the source.
    pub cui: Option<Vec<u8>>,
    /// Who let the guest in.
    pub source: Source,
    /// What it may, but for what is personal.
    pub tariff: Arc<Grant>,
    /// Time since the guest last sent something.
    pub idle: Duration,
    /// Traffic since the session began.
    pub usage: Usage,
    /// What the slot had counted when the session began.
    pub baseline: Usage,
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
    /// Where it has joined, if an access point let it in.
    pub joined: Option<Association>,
}

/// Nobody sends faster: a quota is looked at when this could have used it up. Should somebody, the packet path still
/// stops at the octet, and only the end of the session comes later.
const FASTEST_BITS_PER_SECOND: u64 = 10_000_000_000;
/// More than passes at once of a guest with a rate, which is a burst and a super-packet.
const BURST_OCTETS: u64 = 256 * 1024;
/// A quota is not looked at more often.
const QUOTA_LOOK: Duration = Duration::from_secs(1);

/// A session's name: unique over restarts by boot and number, hard to guess by its last third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionId {
    /// 24 bits.
    pub(crate) boot: u32,
    pub(crate) number: u32,
    pub(crate) dice: u32,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}{:08x}{:08x}", self.boot, self.number, self.dice)
    }
}

impl SessionId {
    /// Reads what was written. None if it is not a name of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = |from, to| u32::from_str_radix(text.get(from..to)?, 16).ok();
        let id = Self { boot: hex(0, 6)?, number: hex(6, 14)?, dice: hex(14, 22)? };
        (id.to_string() == text).then_some(id)
    }
}

/// Octets of a session, up to `SHORT` of them in place: as small pieces that outlive a login's other memory, of which most
/// goes at once, a hundred thousand of them would keep its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<const SHORT: usize> {
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

impl<const SHORT: usize> Piece<SHORT> {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Short(len, octets) => &octets[..usize::from(*len)],
            Self::Long(octets) => octets,
        }
    }
}

impl<const SHORT: usize> From<&[u8]> for Piece<SHORT> {
    fn from(octets: &[u8]) -> Self {
        const { assert!(SHORT <= u8::MAX as usize) }
        let mut short = [0; SHORT];
        match short.get_mut(..octets.len()) {
            Some(room) => {
                room.copy_from_slice(octets);
                Self::Short(octets.len() as u8, short)
            }
            None => Self::Long(octets.into()),
        }
    }
}

/// A name in place, if it is as short as most of them: who pays, for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(Piece<30>);

impl Name {
    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.0.octets()).unwrap_or_default()
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(name.as_bytes().into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the source wants back in each accounting record: a [`Personal`] without the name, which the session has. In
/// place there is room for what Microsoft's server sends, a Class of 46 octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Echo(Piece<54>);

impl Echo {
    /// In the two octets before each value, with its length: it is the chargeable user's identity. No attribute is as
    /// long.
    const CUI: u16 = 1 << 15;

    fn values(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let mut rest = self.0.octets();
        std::iter::from_fn(move || {
            let (head, after) = rest.split_first_chunk()?;
            let head = u16::from_be_bytes(*head);
            let (value, after) = after.split_at_checked(usize::from(head & !Self::CUI))?;
            rest = after;
            Some((head & Self::CUI, value))
        })
    }

    pub(crate) fn class(&self) -> impl Iterator<Item = &[u8]> {
        self.values().filter(|(kind, _)| *kind != Self::CUI).map(|(_, value)| value)
    }

    pub(crate) fn cui(&self) -> Option<&[u8]> {
        self.values().find(|(kind, _)| *kind == Self::CUI).map(|(_, value)| value)
    }

    fn personal(&self) -> Option<Box<Personal>> {
        let class = self.class().map(<[u8]>::to_vec).collect();
        Personal { class, cui: self.cui().map(<[u8]>::to_vec), user: None }.boxed()
    }
}

impl From<Option<&Personal>> for Echo {
    fn from(personal: Option<&Personal>) -> Self {
        let class = personal.map_or(&[][..], |personal| &personal.class).iter().map(|value| (0, value));
        let cui = personal.and_then(|personal| personal.cui.as_ref()).map(|value| (Self::CUI, value));
        let mut octets = Vec::new();
        for (kind, value) in class.chain(cui) {
            let value = &value[..value.len().min(usize::from(!Self::CUI))];
            octets.extend_from_slice(&(kind | value.len() as u16).to_be_bytes());
            octets.extend_from_slice(value);
        }
        Self(octets.as_slice().into())
    }
}

/// A moment of the gateway's monotonic clock in eight octets, where [`Duration`] takes sixteen. Never is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroU64);

impl From<Duration> for Moment {
    /// Exact for 500 years, but for the very first nanosecond.
    fn from(mono: Duration) -> Self {
        let nanos = u64::try_from(mono.as_nanos()).unwrap_or(u64::MAX);
        Self(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN))
    }
}

impl Moment {
    pub(crate) fn mono(self) -> Duration {
        Duration::from_nanos(self.0.get())
    }
}

/// A guest's time logged in, from login to its last record. There are as many as guests: each octet counts.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) user: Name,
    /// What is granted, but for what is personal; of all with the same limits there is one.
    pub(crate) tariff: Arc<Grant>,
    pub(crate) echo: Echo,
    /// When it began or went on in this run.
    pub(crate) began: Moment,
    /// Nanoseconds that it had lasted by then.
    pub(crate) before_nanos: u64,
    /// When it began, in nanoseconds since 1970.
    pub(crate) began_unix_nanos: u64,
    /// The slot's counters when it began.
    pub(crate) baseline: Usage,
    pub(crate) next_interim: Option<Moment>,
}

const _: () = assert!(size_of::<Session>() <= 176);

impl Session {
    /// How long it has lasted.
    pub(crate) fn duration(&self, mono: Duration) -> Duration {
        self.before() + mono.saturating_sub(self.began.mono())
    }

    fn before(&self) -> Duration {
        Duration::from_nanos(self.before_nanos)
    }

    /// When it began; what it lasted before this run is not on the monotonic clock.
    pub(crate) fn began(&self) -> Now {
        Now { mono: self.began.mono(), unix: Duration::from_nanos(self.began_unix_nanos) }
    }

    /// What was granted, as a whole; [`user`](Self::user) is the name to account under.
    pub(crate) fn grant(&self) -> Grant {
        Grant { personal: self.echo.personal(), ..Grant::clone(&self.tariff) }
    }

    /// How long after `duration` its next interim record is due; none if it has none.
    ///
    /// They are `interim` apart. The first comes after half of that to all of it, as the session's name has it: those who
    /// log in together do not all report in one second, and a restart changes nothing.
    pub(crate) fn until_interim(&self, duration: Duration) -> Option<Duration> {
        let interval = self.tariff.interim.filter(|interval| !interval.is_zero())?.as_nanos();
        // FNV-1a
        let fold = |hash: u32, octet: u8| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
        let dice = self.id.to_string().bytes().fold(0x811c_9dc5, fold);
        let early = (interval / 2 * u128::from(dice)) >> 32;
        let left = interval - (duration.as_nanos() + early) % interval;
        Some(Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)))
    }

    /// When it ends by the clock or, as far as can be told now, by the calendar, on the gateway's monotonic clock.
    pub(crate) fn ends_at(&self, now: Now) -> Option<Duration> {
        let left = |timeout: Duration| timeout.saturating_sub(self.before());
        let by_clock = self.tariff.session_timeout.map(|timeout| self.began.mono().saturating_add(left(timeout)));
        let by_calendar = self.tariff.until.map(|until| now.mono.saturating_add(until.saturating_sub(now.unix)));
        by_clock.into_iter().chain(by_calendar).min()
    }

    /// What is left of the quota that has least left.
    pub(crate) fn octets_left(&self, counted: Usage) -> Option<u64> {
        self.tariff.quota.left(counted - self.baseline).into_iter().flatten().min()
    }

    /// How long the quota lasts at least, given what the slot has `counted`; no less than [`QUOTA_LOOK`].
    pub(crate) fn quota_lasts(&self, counted: Usage) -> Option<Duration> {
        let [up, down] = [self.tariff.rate_up, self.tariff.rate_down]
            .map(|rate| rate.limit().unwrap_or(FASTEST_BITS_PER_SECOND).clamp(1, FASTEST_BITS_PER_SECOND));
        let left = self.tariff.quota.left(counted - self.baseline);
        let secs = |(left, rate): (Option<u64>, u64)| Some(left?.saturating_sub(BURST_OCTETS).saturating_mul(8) / rate);
        let secs = left.into_iter().zip([up, down, up + down]).filter_map(secs).min()?;
        // The second less is for the burst of a fast rate, a quarter of a second.
        Some(Duration::from_secs(secs).saturating_sub(QUOTA_LOOK).max(QUOTA_LOOK))
    }

    pub(crate) fn policy(&self, now: Now) -> Policy {
        // Rounded up: the packet path's second is the backstop, the engine's timer the rule.
        let ends_at_secs = self.ends_at(now).map(|end| u32::try_from(end.as_secs() + 1).unwrap_or(u32::MAX));
        let Quota { octets_up, octets_down, octets_total } = self.tariff.quota;
        let max = |quota: Option<u64>, baseline: u64| quota.map_or(u64::MAX, |quota| baseline.saturating_add(quota));
        let Usage { octets_up: up, octets_down: down, .. } = self.baseline;
        Policy {
            online: true,
            ends_at_secs,
            rate_up: self.tariff.rate_up,
            rate_down: self.tariff.rate_down,
            octets_up_max: max(octets_up, up),
            octets_down_max: max(octets_down, down),
            octets_total_max: max(octets_total, up.saturating_add(down)),
            ..Policy::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_are_kept_as_they_are() {
        for name in ["", "ada", "ünïcödé", &"x".repeat(30), &"x".repeat(31), &"ü".repeat(15), &"ü".repeat(126)] {
            assert_eq!(Name::from(name).to_string(), name);
        }
    }

    #[test]
    fn what_a_server_wants_back_it_gets_back_as_it_was() {
        for class in [vec![], vec![vec![7; 46]], vec![vec![7; 52]], vec![vec![7; 53]], vec![vec![], vec![1; 253]]] {
            for cui in [None, Some(vec![]), Some(b"cui".to_vec()), Some(vec![9; 253])] {
                let personal = Personal { class: class.clone(), cui, user: None }.boxed();
                assert_eq!(Echo::from(personal.as_deref()).personal(), personal);
            }
        }
        let endless = Personal { class: vec![vec![7; 1 << 17], vec![8]], ..Personal::default() };
        let echo = Echo::from(Some(&endless));
        assert_eq!(echo.class().map(<[u8]>::len).collect::<Vec<_>>(), [(1 << 15) - 1, 1]);
    }

    #[test]
    fn what_is_not_a_session_of_ours_has_no_name_that_we_read() {
        let id = SessionId { boot: 0xab_cdef, number: 7, dice: u32::MAX };
        assert_eq!(SessionId::parse("abcdef00000007ffffffff"), Some(id));
        for text in
            ["", "abcdef00000007fffffff", "abcdef00000007fffffffff", "ABCDEF00000007ffffffff", "abcdef+0000007ffffffff"]
        {
            assert_eq!(SessionId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn those_with_the_same_limits_have_them_in_common_and_keep_what_is_theirs() {
        let mut tariffs = Tariffs::default();
        let grant = |minutes: u64, class: &[u8]| Grant {
            session_timeout: Some(Duration::from_secs(60 * minutes)),
            personal: Personal { class: vec![class.to_vec()], user: None, cui: None }.boxed(),
            ..Grant::default()
        };
        let (first, personal) = tariffs.share(grant(1, b"ada"));
        assert_eq!(personal.unwrap().class, [b"ada"]);
        let (second, personal) = tariffs.share(grant(1, b"ben"));
        assert_eq!(personal.unwrap().class, [b"ben"]);
        assert!(Arc::ptr_eq(&first, &second));
        for minutes in 2..100 {
            assert_eq!(tariffs.share(grant(minutes, b"")).0.session_timeout, grant(minutes, b"").session_timeout);
        }
        assert_eq!(tariffs.0.len(), TARIFFS, "limits of one's own are not remembered for ever");
    }
}
