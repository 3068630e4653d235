//! The DHCPv4 server (RFC 2131, 2132, 3046).
//!
//! Policy:
//! * A guest is its [`GuestKey`]: LAN, VLAN and Ethernet address. `chaddr` must be the address that the frame came
//!   from, and the client identifier (option 61) is echoed (RFC 6842) but changes nothing, where RFC 2131, 4.2 would
//!   let it name the client: otherwise one station could hold as many leases as it can think of names.
//! * A guest has at most one lease. It gets, in this order: the address it has or was offered, its own by configuration,
//!   the one it asks for, or the free one that its key's hash points at, which is the same each time unless taken.
//! * An offer is no lease. It holds an address for [`limits::OFFER_HOLD`]; when the pool is exhausted the oldest offer
//!   goes, then the oldest quarantine. Whose offer went that way has the address all the same if it asks for it in time and
//!   nobody was faster: RFC 2131, 3.1, step 2 lets a server offer an address twice, and a flood of DISCOVERs without
//!   REQUESTs then keeps nobody out. A lease never goes before its time, so a flood of new stations cannot take the
//!   address of a guest; leases of those who never log in may be made short to outlast a flood.
//! * An address may be promised to a guest that is still to ask ([`Server::promise`]): it then has that one and no other, and
//!   nobody else has it meanwhile. Addresses of pools with a name are given in no other way.
//! * A lease ends by time, release or decline even if the guest has a session; the address then stays
//!   with the guest until [`Server::protect`] says that the session is over, so nobody inherits what is online.
//! * We are the only server on the network unless told otherwise (`authoritative`). Who asks for an address that it
//!   cannot have is told so with a NAK. Who is unknown and asks for a free address, as a guest after its lease
//!   ended, gets it at once; RFC 2131, 4.3.2 wants silence there for the sake of other servers, which is what
//!   `authoritative = false` does.
//! * Conflicts: RFC 2131, 2.2 wants a probe before an address is given anew. We send an ARP probe together with
//!   the OFFER and do not wait, so that thousands can be served each second: if a stranger answers before the
//!   REQUEST, the offer is withdrawn, the REQUEST gets a NAK and the address goes to quarantine. An answer that comes later
//!   is left to the client, which probes too (RFC 2131, 4.4.1) and declines; the stranger's packets
//!   are dropped anyway, having no lease. A station that holds a lease is not believed to use another address.
//! * A station that shows itself with an address of another network, and has no lease, gets one without asking if the
//!   configuration says so: somebody else translates between the two. These have a part of the pool at most, so whoever
//!   invents stations leaves the rest to those who ask. A message of DHCP makes it a lease like any other.
//! * Relay agents are refused unless configured, and then believed.
//!
//! Nothing waits: [`Server::handle`], [`Server::handle_arp`] and [`Server::handle_timeout`] leave their results for
//! [`Server::poll_output`]. [`Output::Bound`] comes before the ACK's [`Output::Send`], so that a lease can be on
//! disk before the guest relies on it (RFC 2131, 3.1).

mod config;
mod conflict;
mod evicted;
mod held;
pub mod limits;
mod pool;
mod rate;
mod reply;
mod request;
mod table;
#[cfg(test)]
mod tests;
mod unasked;

use held::{Held, Stage};
use rate::Rates;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;
use table::{Table, Use};
use wire::{GuestKey, Now, Vlan};

pub use config::{Config, Host, is_reserved};

/// An address lent to a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The guest.
    pub key: GuestKey,
    /// What it has.
    pub address: Ipv4Addr,
    /// What it uses instead, an address of another network: it never asked for ours.
    pub foreign: Option<Ipv4Addr>,
    /// What it calls itself (option 12), only letters, digits, `-`, `_` and `.`.
    pub hostname: Option<Box<str>>,
    /// When the lease ends, on the monotonic clock.
    pub ends: Duration,
    /// The guest has logged in during this lease.
    pub logged_in: bool,
}

/// What somebody who knows a guest says about its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    Address(Ipv4Addr),
    /// One of the pool with this name ([`Config::pools`]).
    Pool(String),
}

/// Why a guest does not get the address that is wanted for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Displaced {
    /// It has another one, which it was told of.
    HasAnother,
    /// No pool has that name.
    UnknownPool,
    /// Nothing of that pool is free.
    PoolIsFull,
    /// Somebody else has it, or it is not to be given to anybody.
    NotFree,
}

/// Why a lease is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndReason {
    /// The guest gave it back.
    Released,
    /// It was not renewed in time.
    Expired,
    /// The guest found the address in use.
    Declined,
    /// The configuration has no place for it any more.
    Reconfigured,
}

/// What the server wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this untagged frame.
    Send {
        /// On this LAN interface.
        lan: u8,
        /// With this tag.
        vlan: Vlan,
        /// From the Ethernet header on.
        frame: Vec<u8>,
    },
    /// A lease is new, or lasts longer.
    Bound(Lease),
    /// A lease is over.
    Ended {
        /// As it last was.
        lease: Lease,
        /// What ended it.
        why: EndReason,
    },
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// DISCOVER was answered with OFFER.
    Offered,
    /// REQUEST was answered with ACK.
    Acknowledged,
    /// REQUEST was answered with NAK.
    Refused,
    /// INFORM was answered.
    Informed,
    /// RELEASE was obeyed.
    Released,
    /// DECLINE was obeyed.
    Declined,
    /// A stranger uses an address that was offered: the offer was withdrawn.
    Conflict,
    /// Nothing was sent or changed.
    Silent(Reason),
}

/// Why a message was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Not a DHCP message, or one that contradicts itself.
    Malformed,
    /// Sent to another host or port.
    NotForUs,
    /// A reply, or a type that servers do not take.
    NotARequest,
    /// `chaddr` is not the station that sent the frame.
    ForeignHardware,
    /// It came through a relay agent that is not configured.
    Relay,
    /// The station asks too often.
    Rate,
    /// The client chose another server.
    OtherServer,
    /// We know nothing of this client, and are not the only server.
    Unknown,
    /// The client does not have what it releases or declines.
    NotOwner,
    /// No address is free.
    Exhausted,
    /// An ARP message that says nothing about an offer, or is not to be believed.
    NoConflict,
}

/// The server of one network.
pub struct Server {
    config: Config,
    table: Table,
    seed: u64,
    rates: Rates,
    outputs: VecDeque<Output>,
    counts: BTreeMap<Outcome, u64>,
    /// What single guests get over what is configured for their stations, until something else is said of them.
    given: BTreeMap<GuestKey, Host>,
}

impl Server {
    /// A server without leases. `seed` is random, so that strangers cannot compute places in our tables.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            table: Table::new(&config, seed),
            config,
            seed,
            rates: Rates::new(seed),
            outputs: VecDeque::new(),
            counts: BTreeMap::new(),
            given: BTreeMap::new(),
        }
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes a new configuration. Leases that fit it stay as they are; the others end, and their guests get a NAK when
    /// they renew. Offers are forgotten.
    pub fn reconfigure(&mut self, now: Now, config: Config) {
        self.handle_timeout(now);
        let before = std::mem::replace(&mut self.table, Table::new(&config, self.seed));
        self.config = config;
        for (mut held, foreign) in before.into_held() {
            // A lapsed lease is only there because a session is on its address, which stays so until that has ended.
            let fits = || self.may_keep(held.key, held.address) && foreign.is_none_or(|foreign| self.may_stay(foreign));
            if held.has_lapsed() || fits() {
                let lapsed = held.has_lapsed().then_some(held.key);
                held.stage = held.stage.min(Stage::Protected);
                self.table.lend(held, foreign);
                if let Some(key) = lapsed {
                    self.table.end(key);
                }
            } else {
                self.outputs.push_back(Output::Ended { lease: held.lease(foreign), why: EndReason::Reconfigured });
            }
        }
    }

    /// Takes leases over from an earlier life. What has ended, does not fit or is there already is left out.
    pub fn restore(&mut self, now: Now, leases: impl Iterator<Item = Lease>) {
        for mut lease in leases {
            // A clock that went back must not make a lease last longer than a new one would.
            let most = self.config.lease_time(lease.logged_in);
            lease.ends = lease.ends.min(now.mono + most);
            let room = self.table.leases() < self.config.max_leases
                && lease.foreign.is_none_or(|foreign| self.may_stay(foreign));
            if lease.ends > now.mono
                && room
                && self.table.held(lease.key).is_none()
                && self.may_keep(lease.key, lease.address)
            {
                let foreign = lease.foreign;
                self.table.lend(Held::new(lease, false), foreign);
            }
        }
    }

    /// Notes that a guest has a session (its lease is not before login any more, and its address is nobody else's until
    /// the session is over) or has none any more.
    pub fn protect(&mut self, key: GuestKey, protected: bool) {
        self.table.protect(key, protected);
    }

    /// The address that a guest would have if it had what is wanted for it: the one that it has or was offered, if that is
    /// as good.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn place(&self, key: GuestKey, wanted: &Wanted) -> Result<Ipv4Addr, Displaced> {
        let own = self.table.held(key).map(|held| held.address).or_else(|| self.table.offered(key));
        match wanted {
            Wanted::Address(address) if own == Some(*address) || self.table.is_free(*address) => Ok(*address),
            Wanted::Address(_) => Err(Displaced::NotFree),
            Wanted::Pool(name) => {
                let pool = self.table.named(name).ok_or(Displaced::UnknownPool)?;
                let own = own.filter(|address| pool.contains(*address));
                own.or_else(|| pool.pick(hash(0, key))).ok_or(Displaced::PoolIsFull)
            }
        }
    }

    /// Keeps an address until then for a guest that has none yet. False if that cannot be: the guest has one, the address is
    /// not for everybody, or somebody has it or was offered it.
    pub fn promise(&mut self, now: Now, key: GuestKey, address: Ipv4Addr, until: Duration) -> bool {
        self.handle_timeout(now);
        let is_theirs = self.table.offered(key) == Some(address) && self.table.is_pooled(address);
        let may = self.table.held(key).is_none() && !self.is_full() && (is_theirs || self.table.is_free(address));
        if may {
            self.table.promise(key, address, until);
        }
        may
    }

    /// From now on answers to a guest with a lease have this, over what is configured, or nothing of the kind any more.
    pub fn give(&mut self, key: GuestKey, given: Option<Host>) {
        self.given.remove(&key);
        let Some(given) = given.filter(|_| self.table.held(key).is_some()) else { return };
        // What is left of ended leases goes when there is as much of it as there are leases.
        if self.given.len() > 64 + 2 * self.table.leases() {
            self.given.retain(|key, _| self.table.held(*key).is_some());
        }
        self.given.insert(key, given);
    }

    /// What is configured for a guest's station now, and over it what the guest was given.
    fn host(&self, key: GuestKey) -> Option<Cow<'_, Host>> {
        let configured = self.config.hosts.get(&key.mac);
        let Some(given) = self.given.get(&key) else { return configured.map(Cow::Borrowed) };
        let mut host = configured.cloned().unwrap_or_default();
        host.options.extend(given.options.clone());
        host.filename = given.filename.clone().or(host.filename);
        Some(Cow::Owned(host))
    }

    /// True if a guest has been given something.
    #[must_use]
    pub fn is_given(&self, key: GuestKey) -> bool {
        self.given.contains_key(&key)
    }

    /// What was promised to a guest is anybody's again.
    pub fn break_promise(&mut self, key: GuestKey) {
        self.table.break_promise(key);
    }

    /// True if there are as many leases as there may be, promised ones too.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.table.leases() + self.table.promises() >= self.config.max_leases
    }

    /// The guest's lease.
    #[must_use]
    pub fn lease(&self, key: GuestKey) -> Option<Lease> {
        self.table.held(key).filter(|held| !held.has_lapsed())?;
        self.table.lease(key)
    }

    /// The lease of an address.
    #[must_use]
    pub fn lease_at(&self, address: Ipv4Addr) -> Option<Lease> {
        match self.table.usage(address) {
            Some(Use::Leased(key)) => self.lease(key),
            _ => None,
        }
    }

    /// All leases, in no particular order.
    pub fn leases(&self) -> impl Iterator<Item = Lease> {
        self.table.all_leases()
    }

    /// How often each outcome was, since the start.
    pub fn counts(&self) -> impl Iterator<Item = (Outcome, u64)> {
        self.counts.iter().map(|(&outcome, &count)| (outcome, count))
    }

    /// Ends leases, offers and quarantines whose time is over; of leases no more than takes a moment, then more is due at
    /// once.
    pub fn handle_timeout(&mut self, now: Now) {
        let outputs = &mut self.outputs;
        self.table.expire(now.mono, |lease, why| outputs.push_back(Output::Ended { lease, why }));
    }

    /// When [`Self::handle_timeout`] is wanted, on the monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.table.next_end()
    }

    /// What is to be done, in order. To be called until `None` after each `handle_*` and `reconfigure`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The only place that counts.
    fn count(&mut self, outcome: Outcome) -> Outcome {
        *self.counts.entry(outcome).or_insert(0) += 1;
        outcome
    }

    /// True if the configuration lets that guest have that address, and nobody has it.
    fn fits(&self, key: GuestKey, address: Ipv4Addr) -> bool {
        if let Some(own) = key.address_behind_router() {
            return own == address && self.table.usage(address).is_none();
        }
        match self.config.fixed_address(key.mac) {
            Some(fixed) if fixed == address => self.table.usage(address).is_none(),
            // The host's own address is waiting for it, unless somebody else has it.
            Some(fixed) if self.table.usage(fixed).is_none() => false,
            _ => self.table.pool().is_free(address),
        }
    }

    /// The same for a guest who had it before: somebody has given it an address of a pool with a name.
    fn may_keep(&self, key: GuestKey, address: Ipv4Addr) -> bool {
        self.fits(key, address) || !self.table.pool().contains(address) && self.table.is_free(address)
    }
}

/// A number that is the same for a guest each time, and with another seed another one.
fn hash(seed: u64, key: GuestKey) -> u64 {
    let [a, b, c, d, e, f] = key.mac.0;
    let vlan = key.vlan.0.to_be_bytes();
    mix(seed, u64::from_be_bytes([vlan[0], vlan[1], a, b, c, d, e, f]), u64::from(key.lan) | 1 << 40)
}

fn mix(seed: u64, bits: u64, salt: u64) -> u64 {
    let mut mixed = seed ^ bits;
    for salt in [0x9e37_79b9_7f4a_7c15, salt] {
        // The finalizer of MurmurHash3: each bit of input reaches each bit of output.
        mixed = (mixed ^ salt ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed = mixed.wrapping_add(seed) ^ (mixed >> 33);
    }
    mixed
}
