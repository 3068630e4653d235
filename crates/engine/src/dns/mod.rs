//! DNS for guests: a bounded forwarder, the portal's own name, and the walled garden's names.
//!
//! The policy:
//! * The portal's own names are answered here, always, for everybody.
//! * Before login a guest gets real answers, whatever server he asked, because a device that cannot resolve does not
//!   look for a portal. But DNS must not be a way out: only the types that a browser needs; names of moderate
//!   length; a new query with nothing of the guest's but the question goes to the resolver, and nothing but the answer
//!   section comes back; few queries at a time; and a budget of octets that makes a tunnel worth 1 kB each second.
//! * After login, what is sent to the gateway's address is forwarded as it is, within a rate that protects the gateway.
//!   What is sent to other resolvers does not come here.
//! * Answers for names of the walled garden open the garden to the addresses in them, for their TTL.
//! * Only UDP. A guest who is told by TC to use TCP finds none here; answers up to 1232 octets fit.

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use fastpath::garden::Network;
use wire::dns::{self, Class, Header, Message, Name, NameBuf, Rcode, Type};
use wire::{GuestKey, Now};

mod dice;
mod garden;
mod limits;
mod policy;

pub use garden::{Opening, PRIVATE, Pattern};
pub use limits::{Limits, Rate};

use dice::Dice;
use garden::Names;
use limits::{
    Excess, GIVE_UP_AFTER, Guests, MAX_ANSWER, MAX_PENDING, MAX_PENDING_BEFORE_LOGIN, MAX_QUERY, RETRY_AFTER,
};
use policy::Verdict;

/// What the forwarder is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whom to ask, in order of preference. Without any, guests are told SERVFAIL.
    pub resolvers: Vec<SocketAddr>,
    /// Names that are answered here and the address that they have.
    pub own_names: Vec<(NameBuf, Ipv4Addr)>,
    /// A domain, each name below which is answered here like these. A name of `own_names` has its own address there too.
    pub own_domain: Option<(NameBuf, Ipv4Addr)>,
    /// For how long guests keep that address. Default 30 s: after a reconfiguration they find the new one soon.
    pub own_ttl: Duration,
    /// The shortest time that an address stays in the garden. Default 300 s: a connection outlives the TTL of the
    /// name that it was opened with.
    pub garden_floor: Duration,
    /// The longest TTL of the garden's names; longer ones are cut before guests see them. Default 3600 s. An address stays
    /// in the garden no longer, but for the floor.
    pub garden_cap: Duration,
    /// Networks whose addresses never enter the garden through DNS: the guests' own, the gateway's, and
    /// [`PRIVATE`] unless there is a reason.
    pub forbidden: Vec<Network>,
    /// What a guest may use before login.
    pub before_login: Limits,
    /// And after.
    pub after_login: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            resolvers: Vec::new(),
            own_names: Vec::new(),
            own_domain: None,
            own_ttl: Duration::from_secs(30),
            garden_floor: Duration::from_secs(300),
            garden_cap: Duration::from_secs(3600),
            forbidden: PRIVATE.to_vec(),
            before_login: Limits::BEFORE_LOGIN,
            after_login: Limits::AFTER_LOGIN,
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The guest's leased address, which limits are kept by.
    pub address: Ipv4Addr,
    /// True after login.
    pub authorised: bool,
}

/// Where an answer goes. The forwarder only keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnPath {
    /// The station.
    pub key: GuestKey,
    /// The guest's address and port: the answer's destination.
    pub guest: SocketAddrV4,
    /// The server that was asked, which need not be us: the answer's source.
    pub server: SocketAddrV4,
}

/// What becomes of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this back to the guest.
    Answer(Vec<u8>),
    /// Send this to a resolver, from a socket of its own or one of a pool with ports that nobody can guess.
    Forward(Forward),
    /// Send nothing.
    Drop(DropReason),
}

/// A query to a resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Tells answers apart; see [`Forwarder::handle_answer`].
    pub token: u32,
    /// Whom to ask.
    pub resolver: SocketAddr,
    /// What to send.
    pub payload: Vec<u8>,
}

/// Why a query got no answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Too short for a header.
    Malformed,
    /// A response, which guests have no business sending.
    Response,
    /// The guest's queries come too fast.
    Rate,
    /// The guest's octets are used up (before login).
    Budget,
    /// The guest has too many queries under way.
    Outstanding,
    /// All guests together have.
    Full,
}

/// An answer to a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where to.
    pub return_path: ReturnPath,
    /// The message.
    pub payload: Vec<u8>,
    /// What it opens in the walled garden, for everybody.
    pub garden: Vec<Opening>,
    /// And for this guest alone.
    pub own_garden: Vec<Opening>,
}

/// What time brings about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Ask this resolver, with the same token; an answer of the one before is still welcome.
    Retry(Forward),
    /// Nobody answered: tell the guest. The token is done.
    Failed {
        /// The query that is over.
        token: u32,
        /// SERVFAIL for the guest.
        delivery: Delivery,
    },
}

/// A query under way.
struct Pending {
    return_path: ReturnPath,
    asker: Asker,
    asked: Box<[u8]>,
    id: u16,
    first: usize,
    attempt: usize,
    started: Duration,
    due: Duration,
}

/// The forwarder. It opens nothing: the caller sends and receives.
pub struct Forwarder {
    config: Config,
    dice: Dice,
    guests: Guests,
    /// Names that open the walled garden.
    names: Names,
    /// Of single guests, by their address.
    own_names: HashMap<Ipv4Addr, Names>,
    pending: HashMap<u32, Pending>,
    deadlines: BTreeSet<(Duration, u32)>,
    /// Of those, the ones of guests before login. Tokens count up, so the first is the oldest.
    before_login: BTreeSet<u32>,
    last_token: u32,
    /// The resolver that is asked first: the one that last answered when another did not.
    preferred: usize,
}

impl Forwarder {
    /// A forwarder with secret dice: whoever knows `seed` can forge answers.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            config,
            dice: Dice::new(seed),
            guests: Guests::new(),
            names: Names::default(),
            own_names: HashMap::new(),
            pending: HashMap::new(),
            deadlines: BTreeSet::new(),
            before_login: BTreeSet::new(),
            last_token: 0,
            preferred: 0,
        }
    }

    /// From now on answers for these names open the walled garden.
    pub fn open_name(&mut self, pattern: Pattern) {
        self.names.insert(pattern);
    }

    /// No longer.
    pub fn close_name(&mut self, pattern: &Pattern) {
        self.names.remove(pattern);
    }

    /// Answers for these names, and no others, open a garden for the guest with this address alone.
    pub fn set_own_names(&mut self, guest: Ipv4Addr, patterns: impl Iterator<Item = Pattern>) {
        let mut names = Names::default();
        patterns.for_each(|pattern| names.insert(pattern));
        if names.is_empty() {
            self.own_names.remove(&guest);
        } else {
            self.own_names.insert(guest, names);
        }
    }

    /// Changes the longest TTL of the garden's names.
    pub fn set_garden_cap(&mut self, cap: Duration) {
        self.config.garden_cap = cap;
    }

    /// A UDP payload that a guest sent to port 53.
    pub fn handle_query(&mut self, now: Now, asker: Asker, return_path: ReturnPath, payload: &[u8]) -> Action {
        let now = now.mono;
        let Some(header) = Header::parse(payload) else {
            return Action::Drop(DropReason::Malformed);
        };
        if header.is_response() {
            return Action::Drop(DropReason::Response);
        }
        let limits = self.limits(asker);
        if let Err(excess) = self.guests.query(now, asker.address, &limits, payload.len()) {
            return Action::Drop(excess.into());
        }
        let answer = match self.judge(asker, &header, payload) {
            Ok(asked) => match self.begin(now, asker, return_path, payload, &asked) {
                Ok(forward) => return Action::Forward(forward),
                Err(reason) => return Action::Drop(reason),
            },
            Err(answer) => answer,
        };
        self.guests.answer(now, asker.address, &limits, answer.len());
        Action::Answer(answer)
    }

    /// A UDP payload that came back for `token`. Nothing if it is not the answer: from somebody who was not asked, with
    /// another identifier or question, or malformed; the query then stays under way. After a delivery the token is done.
    pub fn handle_answer(&mut self, now: Now, token: u32, from: SocketAddr, payload: &[u8]) -> Option<Delivery> {
        let pending = self.pending.get(&token)?;
        let resolver = self.asked(pending).find(|&index| self.config.resolvers.get(index) == Some(&from))?;
        if payload.len() > MAX_ANSWER {
            return None;
        }
        let answer = Message::parse(payload).ok()?;
        let asked = Message::parse(&pending.asked).ok()?;
        let header = answer.header();
        if !header.is_response() || header.opcode() != 0 || header.id != pending.id || !answer.same_question(&asked) {
            return None;
        }
        if pending.attempt > 0 {
            self.preferred = resolver;
        }
        let Config { forbidden, garden_floor, garden_cap, .. } = &self.config;
        let matching = |names: &Names| match garden::is_of_the_internet(&answer) {
            true => names.matching(&answer.qname()),
            false => Vec::new(),
        };
        let patterns = matching(&self.names);
        let own = self.own_names.get(&pending.asker.address).map(matching).unwrap_or_default();
        let openings = |patterns| garden::openings(&answer, patterns, forbidden, (*garden_floor, *garden_cap));
        let (garden, own_garden) = (openings(&patterns), openings(&own));
        let limit = asked.udp_limit().min(dns::OUR_UDP_SIZE);
        let mut out = if pending.asker.authorised && payload.len() <= usize::from(limit) {
            restored(payload, &asked)
        } else {
            dns::relay(&answer, &asked, limit)
        };
        if !patterns.is_empty() || !own.is_empty() {
            garden::shorten(&mut out, *garden_cap);
        }
        // A name may be made of anything that stands before it, even of a TTL. Real ones are not.
        Message::parse(&out).ok()?;
        let pending = self.end(token)?;
        let limits = self.limits(pending.asker);
        self.guests.answer(now.mono, pending.asker.address, &limits, out.len());
        Some(Delivery { return_path: pending.return_path, payload: out, garden, own_garden })
    }

    /// What is due: the next resolver is asked after 1.5 s, the guest is told after 5 s.
    pub fn handle_timeout(&mut self, now: Now) -> Vec<Overdue> {
        let now = now.mono;
        let mut overdue = Vec::new();
        // Each query is met once: whatever stays under way is due later than now.
        while let Some(&(due, token)) = self.deadlines.first().filter(|(due, _)| *due <= now) {
            let over = self.pending.get(&token).is_none_or(|pending| now >= pending.started + GIVE_UP_AFTER);
            if over {
                self.deadlines.remove(&(due, token));
                overdue.extend(self.fail(now, token));
            } else {
                overdue.extend(self.retry(now, token));
            }
        }
        overdue
    }

    /// When [`Forwarder::handle_timeout`] is to be called, in monotonic time; none if nothing is under way.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// Queries under way.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// The query if it is to be forwarded, or the answer that it gets here.
    fn judge<'a>(&self, asker: Asker, header: &Header, payload: &'a [u8]) -> Result<Message<'a>, Vec<u8>> {
        if header.opcode() != 0 {
            return Err(dns::bare_failure(header, Rcode::NOT_IMP));
        }
        let asked = match Message::parse(payload) {
            Ok(asked) if payload.len() <= MAX_QUERY => asked,
            _ => return Err(dns::bare_failure(header, Rcode::FORM_ERR)),
        };
        if asked.edns().is_some_and(|edns| edns.version != 0) {
            return Err(dns::failure(&asked, Rcode::BAD_VERS));
        }
        if asked.qclass() == Class::IN
            && let Some(address) = self.own_address(&asked.qname())
        {
            let ttl_secs = u32::try_from(self.config.own_ttl.as_secs()).unwrap_or(u32::MAX);
            return Err(match asked.qtype() {
                Type::A | Type::ANY => dns::answer_a(&asked, address, ttl_secs),
                _ => dns::no_data(&asked),
            });
        }
        match policy::verdict(&asked, asker.authorised) {
            Verdict::NoData => Err(dns::no_data(&asked)),
            Verdict::Fail(rcode) => Err(dns::failure(&asked, rcode)),
            Verdict::Forward if self.config.resolvers.is_empty() => Err(dns::failure(&asked, Rcode::SERV_FAIL)),
            Verdict::Forward => Ok(asked),
        }
    }

    /// The address of a name that is answered here.
    fn own_address(&self, name: &Name<'_>) -> Option<Ipv4Addr> {
        let own = self.config.own_names.iter().find(|(own, _)| own.as_name() == *name);
        let is_below = |domain: Name<'_>| name.is_within(&domain) && *name != domain;
        let below = || self.config.own_domain.as_ref().filter(|(domain, _)| is_below(domain.as_name()));
        own.or_else(below).map(|(_, address)| *address)
    }

    fn begin(
        &mut self,
        now: Duration,
        asker: Asker,
        return_path: ReturnPath,
        payload: &[u8],
        asked: &Message<'_>,
    ) -> Result<Forward, DropReason> {
        if self.pending.len() >= MAX_PENDING {
            return Err(DropReason::Full);
        }
        let limits = self.limits(asker);
        self.guests.begin(asker.address, &limits)?;
        // Questions that nobody answers stay longest: who asks many of them keeps nobody else from asking.
        if !asker.authorised
            && self.before_login.len() >= MAX_PENDING_BEFORE_LOGIN
            && let Some(&oldest) = self.before_login.first()
        {
            self.end(oldest);
        }
        let mut token = self.last_token.wrapping_add(1);
        while self.pending.contains_key(&token) {
            token = token.wrapping_add(1);
        }
        self.last_token = token;
        let pending = Pending {
            return_path,
            asker,
            // Before login the question is all that is kept of the query.
            asked: if asker.authorised { payload.into() } else { dns::query(asked.header().id, asked).into() },
            id: self.dice.roll(),
            first: self.preferred,
            attempt: 0,
            started: now,
            due: now + RETRY_AFTER,
        };
        let forward = self.forward(token, &pending);
        if !asker.authorised {
            self.before_login.insert(token);
        }
        self.deadlines.insert((pending.due, token));
        self.pending.insert(token, pending);
        Ok(forward)
    }

    fn retry(&mut self, now: Duration, token: u32) -> Option<Overdue> {
        let pending = self.pending.get_mut(&token)?;
        self.deadlines.remove(&(pending.due, token));
        pending.attempt += 1;
        pending.due = (now + RETRY_AFTER).min(pending.started + GIVE_UP_AFTER);
        self.deadlines.insert((pending.due, token));
        let pending = self.pending.get(&token)?;
        Some(Overdue::Retry(self.forward(token, pending)))
    }

    fn fail(&mut self, now: Duration, token: u32) -> Option<Overdue> {
        let pending = self.end(token)?;
        let asked = Message::parse(&pending.asked).ok()?;
        let payload = dns::failure(&asked, Rcode::SERV_FAIL);
        let limits = self.limits(pending.asker);
        self.guests.answer(now, pending.asker.address, &limits, payload.len());
        let delivery =
            Delivery { return_path: pending.return_path, payload, garden: Vec::new(), own_garden: Vec::new() };
        Some(Overdue::Failed { token, delivery })
    }

    fn end(&mut self, token: u32) -> Option<Pending> {
        let pending = self.pending.remove(&token)?;
        self.deadlines.remove(&(pending.due, token));
        self.before_login.remove(&token);
        self.guests.end(pending.asker.address);
        Some(pending)
    }

    fn forward(&self, token: u32, pending: &Pending) -> Forward {
        let index = (pending.first + pending.attempt) % self.config.resolvers.len();
        Forward { token, resolver: self.config.resolvers[index], payload: upstream(&pending.asked, pending.id) }
    }

    /// Indexes of the resolvers that were asked so far.
    fn asked(&self, pending: &Pending) -> impl Iterator<Item = usize> {
        let (first, count) = (pending.first, self.config.resolvers.len());
        (0..=pending.attempt).map(move |attempt| (first + attempt) % count)
    }

    fn limits(&self, asker: Asker) -> Limits {
        if asker.authorised { self.config.after_login } else { self.config.before_login }
    }
}

impl From<Excess> for DropReason {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Queries => Self::Rate,
            Excess::Octets => Self::Budget,
            Excess::Outstanding => Self::Outstanding,
            Excess::Guests => Self::Full,
        }
    }
}

/// The guest's message with our identifier, and with our size where he announced a larger one.
fn upstream(asked: &[u8], id: u16) -> Vec<u8> {
    let mut payload = asked.to_vec();
    if let Some(edns) = Message::parse(asked).ok().and_then(|asked| asked.edns())
        && edns.udp_size > dns::OUR_UDP_SIZE
        && let Some(size) = payload.get_mut(edns.udp_size_at..edns.udp_size_at + 2)
    {
        size.copy_from_slice(&dns::OUR_UDP_SIZE.to_be_bytes());
    }
    if let Some(place) = payload.get_mut(..2) {
        place.copy_from_slice(&id.to_be_bytes());
    }
    payload
}

/// The resolver's message with the guest's identifier and the question in the guest's case.
fn restored(answer: &[u8], asked: &Message<'_>) -> Vec<u8> {
    let mut payload = answer.to_vec();
    payload[..2].copy_from_slice(&asked.header().id.to_be_bytes());
    // Equal questions have equal lengths.
    let question = asked.question();
    payload[dns::HEADER_LEN..dns::HEADER_LEN + question.len()].copy_from_slice(question);
    payload
}

#[cfg(test)]
mod tests;
