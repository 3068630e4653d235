//! The engine: frames for our own servers come in, frames, questions and records go out, and guests' sessions live
//! in between.

mod restore;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use fastpath::garden::Garden;
use fastpath::mirror::Mirror;
use fastpath::police::Rate;
use fastpath::port::ETH_LEN;
use fastpath::session::{Policy, SlotIndex, Usage};
use fastpath::table::{Table, Writer};
use fastpath::verdict::Service;
use wire::arp::Arp;
use wire::build::{Checksum, UdpDatagram, udp4};
use wire::{GuestKey, MacAddr, Now, Vlan};

use crate::arp;
use crate::attempts::{Attempts, Departed};
use crate::dhcp::{self, Lease};
use crate::dns::{self, Asker, ReturnPath};
use crate::session::{Cause, Grant, KeptSession, Record, Session, Status};

pub use restore::{KEEP_EVERY, Survivor};

/// After a session's packets are stopped, those that were already past the check are still being counted; its
/// last record is made this much later.
const SETTLE: Duration = Duration::from_millis(50);

/// What the engine is told at start.
pub struct Config {
    /// Counts the starts of this gateway: sessions of different starts never have the same name, even on a router
    /// whose clock begins in 1970 each time.
    pub boot: u32,
    /// Sessions go on after the gateway was gone, if it was for less than this. Zero: they do not, and none is kept.
    pub longest_outage: Duration,
    /// Our address on the guests' network.
    pub gateway: Ipv4Addr,
    /// Our MAC on the LAN.
    pub gateway_mac: MacAddr,
    /// The DHCP server's.
    pub dhcp: dhcp::Config,
    /// The DNS forwarder's.
    pub dns: dns::Config,
}

/// What the engine wants done.
#[derive(Debug)]
pub enum Output {
    /// A frame for the LAN.
    Frame {
        /// On which VLAN.
        vlan: Vlan,
        /// The frame, untagged.
        frame: Vec<u8>,
    },
    /// A question for a resolver; the answer comes back with the token.
    Query(dns::Forward),
    /// A lease is new or longer: to be written down.
    LeaseBound(Lease),
    /// A lease is over: to be forgotten.
    LeaseEnded(Lease),
    /// A session has begun or was used: to be written down.
    SessionKept(KeptSession),
    /// The session of this guest is over: to be forgotten.
    SessionEnded(GuestKey),
    /// For the accounting server.
    Account(Record),
}

/// Why a guest may not try to log in now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Nobody has that address.
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

/// A guest as portal and operator see it.
#[derive(Clone, Debug)]
pub struct GuestView {
    /// The guest's place in the table.
    pub slot: SlotIndex,
    /// The station.
    pub key: GuestKey,
    /// The leased address.
    pub address: Ipv4Addr,
    /// The name it gave to DHCP.
    pub hostname: Option<Box<str>>,
    /// Its session, if it is logged in.
    pub session: Option<SessionView>,
}

/// A session as portal and operator see it.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The session's name.
    pub id: String,
    /// Who logged in.
    pub user: String,
    /// When.
    pub began: Now,
    /// For how long.
    pub duration: Duration,
    /// Granted time that is left.
    pub time_left: Option<Duration>,
    /// Granted octets that are left: of several quotas, the least.
    pub octets_left: Option<u64>,
    /// Time since the guest last sent something.
    pub idle: Duration,
    /// What was granted.
    pub grant: Grant,
    /// Traffic so far.
    pub usage: Usage,
}

struct Guest {
    key: GuestKey,
    address: Ipv4Addr,
    hostname: Option<Box<str>>,
    attempts: Attempts,
    /// Boxed: most guests that hold a lease are not logged in.
    session: Option<Box<Session>>,
    /// This guest's entry in the timers.
    due: Option<Duration>,
}

struct Closing {
    due: Duration,
    record: Record,
    baseline: Usage,
}

impl Closing {
    /// The last record, with what the slot has `counted` in all.
    fn finish(self, counted: Usage) -> Output {
        Output::Account(Record { usage: counted - self.baseline, ..self.record })
    }
}

/// The control plane's state.
pub struct Engine {
    config: Config,
    writer: Writer,
    garden: Arc<Garden>,
    dhcp: dhcp::Server,
    arp: arp::Responder,
    dns: dns::Forwarder,
    guests: HashMap<SlotIndex, Guest>,
    departed: Departed,
    timers: BTreeSet<(Duration, SlotIndex)>,
    closing: VecDeque<Closing>,
    /// When sessions are to be written down next; none if there are none.
    next_keep: Option<Duration>,
    outputs: VecDeque<Output>,
    dice: u64,
    sessions: u32,
}

impl Engine {
    /// An engine without guests. `seed` is from the system's dice.
    #[must_use]
    pub fn new(config: Config, writer: Writer, garden: Arc<Garden>, seed: [u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = seed;
        let dice = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let dhcp = dhcp::Server::new(config.dhcp.clone(), dice);
        let dns = dns::Forwarder::new(config.dns.clone(), seed);
        let arp = arp::Responder::new(config.gateway, config.gateway_mac);
        Self {
            config,
            writer,
            garden,
            dhcp,
            arp,
            dns,
            guests: HashMap::new(),
            departed: Departed::default(),
            timers: BTreeSet::new(),
            closing: VecDeque::new(),
            next_keep: None,
            outputs: VecDeque::new(),
            dice: dice.rotate_left(32),
            sessions: 0,
        }
    }

    /// Takes new settings of the DHCP server. Leases that fit them stay, with their sessions; the others end.
    pub fn reconfigure_dhcp(&mut self, now: Now, dhcp: dhcp::Config) {
        self.dhcp.reconfigure(now, dhcp);
        self.drain_dhcp(now);
    }

    /// Takes a frame for one of our servers. `guest` is what the packet path found of the sender.
    pub fn handle_frame(&mut self, now: Now, key: GuestKey, service: Service, guest: Option<SlotIndex>, frame: &[u8]) {
        match service {
            Service::Dhcp => {
                if let Ok(datagram) = UdpDatagram::parse(frame, Checksum::Verify) {
                    self.dhcp.handle(now, key, &datagram);
                    self.drain_dhcp(now);
                }
            }
            Service::Arp => self.handle_arp(now, key, frame),
            Service::Dns => self.handle_query(now, key, guest, frame),
            Service::Gateway => {}
        }
    }

    /// Takes a resolver's answer to [`Output::Query`].
    ///
    /// False if it is not the answer: it may still come.
    pub fn handle_dns_answer(&mut self, now: Now, token: u32, from: SocketAddr, payload: &[u8]) -> bool {
        let Some(delivery) = self.dns.handle_answer(now, token, from, payload) else { return false };
        let secs = now.mono.as_secs() as u32;
        for (address, ttl) in &delivery.garden {
            self.garden.admit(*address, secs.saturating_add(ttl.as_secs() as u32), secs);
        }
        self.send_dns(&delivery.return_path, &delivery.payload);
        true
    }

    /// A guest wants to log in: may it try?
    ///
    /// # Errors
    /// Why not.
    pub fn begin_login(&mut self, now: Now, address: Ipv4Addr) -> Result<Attempt, LoginRefusal> {
        let attempt = self.begin_admission(address)?;
        let guest = self.guests.get_mut(&attempt.slot).ok_or(LoginRefusal::NotAGuest)?;
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
        let guest = self.guests.get(&snapshot.slot).ok_or(LoginRefusal::NotAGuest)?;
        if guest.session.is_some() {
            return Err(LoginRefusal::AlreadyOnline);
        }
        let session_id = self.session_id();
        Ok(Attempt { slot: snapshot.slot, key: snapshot.key, address, session_id })
    }

    /// The source of the grant said yes: the guest goes online, if it is still the one that asked. False if not.
    pub fn finish_login(&mut self, now: Now, attempt: &Attempt, user: &str, grant: Grant) -> bool {
        let Some(guest) = self.guests.get_mut(&attempt.slot) else { return false };
        if guest.key != attempt.key || guest.address != attempt.address || guest.session.is_some() {
            return false;
        }
        // One reading ends the account of the session before, if it is not settled yet, and begins this one's: no
        // packet is on both.
        let baseline = self.writer.table().usage(attempt.slot);
        while let Some(at) = self.closing.iter().position(|closing| closing.record.slot == attempt.slot) {
            let Some(closing) = self.closing.remove(at) else { break };
            self.outputs.push_back(closing.finish(baseline));
        }
        let session = Box::new(Session {
            id: attempt.session_id.clone(),
            user: grant.user.clone().unwrap_or_else(|| user.to_owned()),
            began: now,
            before: Duration::ZERO,
            baseline,
            next_interim: grant.interim.filter(|interval| !interval.is_zero()).map(|interval| now.mono + interval),
            grant,
        });
        self.writer.set_policy(attempt.slot, &session.policy());
        self.dhcp.protect(attempt.key, true);
        let record = record(guest, attempt.slot, &session, Status::Start, Usage::default(), now);
        guest.session = Some(session);
        self.outputs.push_back(Output::Account(record));
        self.keep_new_session(now, attempt.slot);
        self.schedule(now, attempt.slot);
        true
    }

    /// Changes the rates of the session in `slot`, from its next packet on. False if there is none.
    pub fn set_rates(&mut self, slot: SlotIndex, up: Rate, down: Rate) -> bool {
        let Some(session) = self.guests.get_mut(&slot).and_then(|guest| guest.session.as_mut()) else { return false };
        (session.grant.rate_up, session.grant.rate_down) = (up, down);
        self.writer.set_policy(slot, &session.policy());
        true
    }

    /// Ends the session in `slot`. False if there is none.
    pub fn end_session(&mut self, now: Now, slot: SlotIndex, cause: Cause) -> bool {
        let Some(guest) = self.guests.get_mut(&slot) else { return false };
        let Some(session) = guest.session.take() else { return false };
        self.writer.set_policy(slot, &Policy::default());
        self.dhcp.protect(guest.key, false);
        let record = record(guest, slot, &session, Status::Stop(cause), Usage::default(), now);
        self.closing.push_back(Closing { due: now.mono + SETTLE, record, baseline: session.baseline });
        self.outputs.push_back(Output::SessionEnded(guest.key));
        self.schedule(now, slot);
        true
    }

    /// Ends every session and makes the last records at once: the packet threads have stopped.
    pub fn shutdown(&mut self, now: Now) {
        let slots: Vec<SlotIndex> = self.guests.keys().copied().collect();
        for slot in slots {
            self.end_session(now, slot, Cause::AdminReboot);
        }
        self.close_until(Duration::MAX);
    }

    /// The guest that has `address`.
    #[must_use]
    pub fn guest_at(&self, now: Now, address: Ipv4Addr) -> Option<GuestView> {
        let slot = self.writer.table().by_address(address)?.slot;
        self.guests.get(&slot).map(|guest| self.view(now, slot, guest))
    }

    /// The guests that sends from `mac`, on any VLAN.
    pub fn guests_with_mac(&self, now: Now, mac: MacAddr) -> impl Iterator<Item = GuestView> {
        self.guests(now).filter(move |guest| guest.key.mac == mac)
    }

    /// Every guest, in no order.
    pub fn guests(&self, now: Now) -> impl Iterator<Item = GuestView> {
        self.guests.iter().map(move |(&slot, guest)| self.view(now, slot, guest))
    }

    /// Lets somebody else forward packets of guests who are online as well, or nobody else any more.
    pub fn set_mirror(&mut self, mirror: Option<Box<dyn Mirror>>) {
        self.writer.set_mirror(mirror);
    }

    /// The packet path's table.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        self.writer.table()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.dhcp.handle_timeout(now);
        self.drain_dhcp(now);
        for overdue in self.dns.handle_timeout(now) {
            match overdue {
                dns::Overdue::Retry(forward) => self.outputs.push_back(Output::Query(forward)),
                dns::Overdue::Failed { delivery, .. } => self.send_dns(&delivery.return_path, &delivery.payload),
            }
        }
        while let Some(&(due, slot)) = self.timers.first().filter(|(due, _)| *due <= now.mono) {
            self.timers.remove(&(due, slot));
            self.check_session(now, slot);
        }
        self.close_until(now.mono);
        if self.next_keep.is_some_and(|due| due <= now.mono) {
            self.keep_sessions(now);
        }
    }

    /// When [`Engine::handle_timeout`] is wanted next, on the gateway's monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        [
            self.dhcp.poll_timeout(),
            self.dns.poll_timeout(),
            self.timers.first().map(|(due, _)| *due),
            self.closing.front().map(|closing| closing.due),
            self.next_keep,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn handle_arp(&mut self, now: Now, key: GuestKey, frame: &[u8]) {
        let Some(Ok(message)) = frame.get(ETH_LEN..).map(Arp::parse) else { return };
        self.dhcp.handle_arp(now, key, &message);
        self.drain_dhcp(now);
        let leased = self.writer.table().by_key(key).map(|guest| guest.address);
        match self.arp.handle(now, key, leased, &message) {
            arp::Outcome::Answer(frame) | arp::Outcome::Defend(frame) => {
                self.outputs.push_back(Output::Frame { vlan: key.vlan, frame });
            }
            arp::Outcome::Silent(_) => {}
        }
    }

    fn handle_query(&mut self, now: Now, key: GuestKey, guest: Option<SlotIndex>, frame: &[u8]) {
        let Ok(datagram) = UdpDatagram::parse(frame, Checksum::Verify) else { return };
        let Some(slot) = guest else { return };
        // The guest may have left since the packet path looked.
        let Some(guest) = self.guests.get(&slot).filter(|guest| guest.key == key && guest.address == datagram.src)
        else {
            return;
        };
        let asker = Asker { address: guest.address, authorised: guest.session.is_some() };
        let return_path = ReturnPath {
            key,
            guest: SocketAddrV4::new(datagram.src, datagram.sport),
            server: SocketAddrV4::new(datagram.dst, datagram.dport),
        };
        match self.dns.handle_query(now, asker, return_path, datagram.payload) {
            dns::Action::Answer(payload) => self.send_dns(&return_path, &payload),
            dns::Action::Forward(forward) => self.outputs.push_back(Output::Query(forward)),
            dns::Action::Drop(_) => {}
        }
    }

    fn send_dns(&mut self, path: &ReturnPath, payload: &[u8]) {
        let mut frame = Vec::new();
        let datagram = UdpDatagram {
            eth_src: self.config.gateway_mac,
            eth_dst: path.key.mac,
            src: *path.server.ip(),
            dst: *path.guest.ip(),
            sport: path.server.port(),
            dport: path.guest.port(),
            payload,
        };
        if udp4(&mut frame, &datagram).is_ok() {
            self.outputs.push_back(Output::Frame { vlan: path.key.vlan, frame });
        }
    }

    fn drain_dhcp(&mut self, now: Now) {
        while let Some(output) = self.dhcp.poll_output() {
            match output {
                dhcp::Output::Send { vlan, frame, .. } => self.outputs.push_back(Output::Frame { vlan, frame }),
                dhcp::Output::Bound(lease) => {
                    self.bind(now, &lease);
                    self.outputs.push_back(Output::LeaseBound(lease));
                }
                dhcp::Output::Ended { lease, .. } => {
                    if let Some(found) = self.writer.table().by_key(lease.key) {
                        self.forget(now, found.slot);
                    }
                    self.outputs.push_back(Output::LeaseEnded(lease));
                }
            }
        }
    }

    /// Gives the guest its place in the packet path's table; a renewal changes nothing there.
    fn bind(&mut self, now: Now, lease: &Lease) {
        let table = self.writer.table();
        let former = table.by_key(lease.key);
        if let Some(former) = former.filter(|former| former.address == lease.address) {
            if let Some(guest) = self.guests.get_mut(&former.slot) {
                guest.hostname.clone_from(&lease.hostname);
            }
            return;
        }
        let owner = table.by_address(lease.address);
        for stale in [former, owner].into_iter().flatten() {
            self.forget(now, stale.slot);
        }
        // A full table leaves the guest with an address and nothing behind it: refused, not open.
        if let Ok(slot) = self.writer.insert(lease.key, lease.address, &Policy::default()) {
            let guest = Guest {
                key: lease.key,
                address: lease.address,
                hostname: lease.hostname.clone(),
                attempts: self.departed.take(lease.key),
                session: None,
                due: None,
            };
            self.guests.insert(slot, guest);
        }
    }

    fn forget(&mut self, now: Now, slot: SlotIndex) {
        self.end_session(now, slot, Cause::LostCarrier);
        if let Some(guest) = self.guests.remove(&slot) {
            self.departed.keep(now.mono, guest.key, guest.attempts);
            if let Some(due) = guest.due {
                self.timers.remove(&(due, slot));
            }
        }
        self.writer.remove(slot);
    }

    fn check_session(&mut self, now: Now, slot: SlotIndex) {
        let idle = self.idle(now, slot);
        let usage = self.writer.table().usage(slot);
        let used_up = self.writer.table().snapshot(slot).is_some_and(|guest| guest.used_up);
        let Some(guest) = self.guests.get_mut(&slot) else { return };
        guest.due = None;
        let Some(mut session) = guest.session.take() else { return };
        let ended = if session.ends_at().is_some_and(|end| end <= now.mono) {
            Some(Cause::SessionTimeout)
        } else if used_up || session.octets_left(usage) == Some(0) {
            Some(Cause::QuotaUsedUp)
        } else if session.grant.idle_timeout.is_some_and(|limit| limit <= idle) {
            Some(Cause::IdleTimeout)
        } else {
            None
        };
        if ended.is_none()
            && let (Some(due), Some(interval)) = (session.next_interim, session.grant.interim)
            && due <= now.mono
        {
            let record = record(guest, slot, &session, Status::Interim, usage - session.baseline, now);
            self.outputs.push_back(Output::Account(record));
            session.next_interim = Some(due.max(now.mono.saturating_sub(interval)) + interval);
        }
        guest.session = Some(session);
        match ended {
            Some(cause) => {
                self.end_session(now, slot, cause);
            }
            None => self.schedule(now, slot),
        }
    }

    /// Sets the guest's timer to the next moment at which something of its session can be due.
    fn schedule(&mut self, now: Now, slot: SlotIndex) {
        let idle = self.idle(now, slot);
        let counted = self.writer.table().usage(slot);
        let Some(guest) = self.guests.get_mut(&slot) else { return };
        if let Some(due) = guest.due.take() {
            self.timers.remove(&(due, slot));
        }
        let Some(session) = &guest.session else { return };
        let idle_end = session.grant.idle_timeout.map(|limit| now.mono + limit.saturating_sub(idle));
        let quota_look = session.quota_lasts(counted).map(|time| now.mono.saturating_add(time));
        guest.due = [session.ends_at(), idle_end, session.next_interim, quota_look].into_iter().flatten().min();
        if let Some(due) = guest.due {
            self.timers.insert((due, slot));
        }
    }

    /// Time since the guest's last packet, at most since its session began.
    fn idle(&self, now: Now, slot: SlotIndex) -> Duration {
        let began = self.guests.get(&slot).and_then(|guest| guest.session.as_ref()).map(|session| session.began.mono);
        // The packet path notes whole seconds: a packet may have come up to one later.
        let last = Duration::from_secs(self.writer.table().last_up_secs(slot) + 1);
        now.mono.saturating_sub(last.max(began.unwrap_or_default()))
    }

    fn close_until(&mut self, mono: Duration) {
        while let Some(closing) = self.closing.pop_front_if(|closing| closing.due <= mono) {
            let counted = self.writer.table().usage(closing.record.slot);
            self.outputs.push_back(closing.finish(counted));
        }
    }

    fn view(&self, now: Now, slot: SlotIndex, guest: &Guest) -> GuestView {
        let counted = self.writer.table().usage(slot);
        GuestView {
            slot,
            key: guest.key,
            address: guest.address,
            hostname: guest.hostname.clone(),
            session: guest.session.as_ref().map(|session| SessionView {
                id: session.id.clone(),
                user: session.user.clone(),
                began: session.began,
                duration: session.duration(now.mono),
                time_left: session.ends_at().map(|end| end.saturating_sub(now.mono)),
                octets_left: session.octets_left(counted),
                idle: self.idle(now, slot),
                grant: session.grant.clone(),
                usage: counted - session.baseline,
            }),
        }
    }

    /// Unique by boot and number; hard to guess by its last third.
    fn session_id(&mut self) -> String {
        self.sessions = self.sessions.wrapping_add(1);
        // SplitMix64
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        format!("{:06x}{:08x}{:08x}", self.config.boot, self.sessions, (z ^ z >> 31) as u32)
    }
}

fn record(guest: &Guest, slot: SlotIndex, session: &Session, status: Status, usage: Usage, now: Now) -> Record {
    Record {
        status,
        session_id: session.id.clone(),
        user: session.user.clone(),
        key: guest.key,
        address: guest.address,
        slot,
        class: session.grant.class.clone(),
        source: session.grant.source,
        usage,
        duration: session.duration(now.mono),
        at: now,
    }
}
