//! Every bound of the DHCP server, and why.

use std::time::Duration;

/// Addresses that ranges may have together, the first ones count: 128 kB of bitmap. A /12 is more guests than one
/// LAN carries.
pub const MAX_POOL: usize = 1 << 20;
/// How long an offered address waits for its REQUEST. Clients answer within a second; a lost OFFER is asked for again
/// after four (RFC 2131, 4.1), and then finds the same address.
pub const OFFER_HOLD: Duration = Duration::from_secs(10);
/// Offers at a time, the oldest goes first: 5,000 newcomers a second have theirs for nearly a second.
pub const MAX_OFFERS: usize = 4096;
/// Evicted offers that are remembered until they would have ended, 12 octets each, taken with the first. At 32,000
/// newcomers a second, eight in ten of those who answer within a fifth of a second still find theirs.
pub const EVICTED_CELLS: usize = 1 << 15;
/// How long an address that a stranger uses is not offered.
pub const QUARANTINE: Duration = Duration::from_secs(600);
/// One in so many addresses of the pool may be in quarantine; the oldest leaves first. Who declines everything, or
/// answers every probe, takes no more than this from the others.
pub const QUARANTINE_SHARE: usize = 8;
/// With so many addresses in quarantine, no more strangers are believed to use one. A device that invents a new MAC for
/// each answer could otherwise keep all newcomers from getting a lease; clients still probe for themselves.
pub const MAX_BELIEVED: usize = 16;
/// Addresses in quarantine because of one station.
pub const MAX_QUARANTINE_PER_STATION: u8 = 3;
/// One in so many addresses of the pool may be lent to stations that never asked, and of all leases one in so many is for
/// those who ask. Whoever invents stations takes no more than this from them.
pub const UNASKED_SHARE: usize = 4;
/// Stations whose rate is remembered, 16 octets each. A station that falls out starts with a full bucket, which is
/// no more than any new MAC gets.
pub const RATE_CELLS: usize = 4096;
/// Messages that a station may send at once.
pub const RATE_BURST: u32 = 20;
/// Messages a second that a station may send in the long run. A client in trouble sends one in four seconds.
pub const RATE_PER_SEC: u32 = 5;
/// The shortest lease that a client gets when it asks for one: renewals of each second are load, not service.
pub const MIN_LEASE: Duration = Duration::from_secs(60);
/// Octets of a host name that are kept (RFC 1123, 2.1).
pub const MAX_HOST_NAME: usize = 63;
/// Leases that end in one turn of the timers: a millisecond or two of a router. When those of a crowd end together,
/// questions are answered between.
pub const ENDS_AT_ONCE: usize = 64;
