//! The engine: frames for our own servers come in, frames, questions and records go out, and guests' sessions live
//! in between.

mod block;
mod change;
mod foreign;
mod garden;
mod guests;
mod held;
mod hosts;
mod join;
mod login;
mod restore;
mod routed;
mod view;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use fastpath::garden::Garden;
use fastpath::mirror::Mirror;
use fastpath::port::ETH_LEN;
use fastpath::session::{Policy, SlotIndex, Usage};
use fastpath::table::{Table, Writer};
use fastpath::verdict::Service;
use wire::arp::Arp;
use wire::build::{Checksum, UdpDatagram, udp4};
use wire::routes::Routes;
use wire::{GuestKey, MacAddr, Now, Vlan};

use crate::arp;
use crate::attempts::Departed;
use crate::devices::{self, Devices, Sign};
use crate::dhcp::{self, Lease};
use crate::dns::{self, Asker, ReturnPath};
use crate::garden::{Keeper, Rule};
use crate::session::{Cause, KeptSession, Moment, Record, Session, Status, Tariffs};
use crate::watch::{Rogue, Watch};

use self::block::Blocked;
use self::guests::{Guest, Guests};
use self::held::{Held, Question};
use self::hosts::OwnHosts;
use self::join::Joins;
use self::restore::Keeping;
use self::routed::Routed;

pub use block::MOST_BLOCKED;
pub use change::Mark;
pub use garden::OwnGarden;
pub use hosts::{HostRefusal, MOST_HOSTS};
pub use join::Association;
pub use login::{Attempt, LoginRefusal};
pub use restore::{KEEP_EVERY, Survivor};
pub use view::{GuestView, SessionView};

/// After a session's packets are stopped, those that were already past the check are still being counted; its
/// last record is made this much later.
pub const SETTLE: Duration = Duration::from_millis(50);
/// Sessions that one turn of the timers ends, or otherwise looks at: a millisecond or two of a router. When all guests'
/// time is over at the same moment, DHCP, DNS and the portal have their turns between.
const AT_ONCE: usize = 64;

/// The machine's date may be set at any time: sessions that end by it are looked at this often.
const DATE_LOOK: Duration = Duration::from_secs(60);

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
    /// Networks of guests behind routers on the LAN.
    pub routes: Routes,
    /// Guests without a VLAN tag are served.
    pub untagged: bool,
    /// The DHCP server's.
    pub dhcp: dhcp::Config,
    /// The DNS forwarder's.
    pub dns: dns::Config,
    /// What is in the walled garden.
    pub garden: Vec<Rule>,
    /// Addresses that DNS, and servers for single guests, may open in it at one time.
    pub garden_addresses: usize,
    /// Who comes in by its MAC address.
    pub devices: devices::Config,
    /// How often others are asked for that play DHCP server on the guests' network.
    pub rogue_probe: Option<Duration>,
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
    /// A guest is there that was not, or not with this address: its first lease.
    GuestCame(Lease),
    /// A guest is not in its place in the table any more: nothing that is kept by place is about it.
    GuestLeft(SlotIndex, GuestKey),
    /// A lease is over: to be forgotten.
    LeaseEnded(Lease),
    /// A session has begun or was used: to be written down.
    SessionKept(KeptSession),
    /// The session of this guest is over: to be forgotten.
    SessionEnded(GuestKey),
    /// For the accounting server.
    Account(Record),
    /// May this device come in by its MAC address? [`Engine::finish_login`] if it may, [`Engine::refuse_device`] if it may
    /// not; who cannot say is asked again.
    Device(Attempt),
    /// Somebody leads guests elsewhere: the operator should hear of it.
    Rogue(Rogue),
    /// A device that has joined at an access point has its lease: [`Engine::finish_join`] as soon as nothing of whoever had
    /// its address before comes there.
    Joined(Attempt),
}

/// A session that is over, until its last record can be made.
struct Closing {
    due: Duration,
    slot: SlotIndex,
    key: GuestKey,
    address: Ipv4Addr,
    session: Session,
    cause: Cause,
    ended: Now,
    idle: Duration,
}

impl Closing {
    /// The last record, with what the slot has `counted` in all.
    fn last_record(self, counted: Usage) -> Output {
        let Self { slot, key, address, session, cause, ended, idle, .. } = self;
        let used = counted - session.baseline;
        Output::Account(Record { idle, ..record((slot, key, address), &session, Status::Stop(cause), used, ended) })
    }
}

/// The control plane's state.
pub struct Engine {
    config: Config,
    writer: Writer,
    garden: Keeper,
    dhcp: dhcp::Server,
    arp: arp::Responder,
    dns: dns::Forwarder,
    guests: Guests,
    tariffs: Tariffs,
    departed: Departed,
    devices: Devices,
    blocked: Blocked,
    own_hosts: OwnHosts,
    watch: Watch,
    joins: Joins,
    routed: Routed,
    held: Held,
    closing: VecDeque<Closing>,
    /// When sessions are to be written down next; none if there are none.
    next_keep: Option<Duration>,
    keeping: Keeping,
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
        let watch = Watch::new(config.gateway_mac, config.rogue_probe, dice as u32);
        let arp = arp::Responder::new(config.gateway, config.gateway_mac);
        let garden = Keeper::new(garden, config.garden_addresses);
        let (rules, longest_ttl) = (config.garden.clone(), config.dns.garden_cap);
        let mut engine = Self {
            devices: Devices::new(config.devices.clone()),
            config,
            writer,
            garden,
            dhcp,
            arp,
            dns,
            guests: Guests::default(),
            tariffs: Tariffs::default(),
            departed: Departed::default(),
            blocked: Blocked::default(),
            own_hosts: OwnHosts::default(),
            watch,
            joins: Joins::default(),
            routed: Routed::default(),
            held: Held::default(),
            closing: VecDeque::new(),
            next_keep: None,
            keeping: Keeping::default(),
            outputs: VecDeque::new(),
            dice: dice.rotate_left(32),
            sessions: 0,
        };
        engine.reconfigure_garden(rules, longest_ttl);
        engine
    }

    /// Takes new settings of the DHCP server. Leases that fit them stay, with their sessions; the others end.
    pub fn reconfigure_dhcp(&mut self, now: Now, dhcp: dhcp::Config) {
        self.config.dhcp = dhcp;
        self.apply_hosts(now);
    }

    /// Takes new settings for devices that come in by their MAC address. Sessions that there are go on.
    pub fn reconfigure_devices(&mut self, devices: devices::Config) {
        self.devices.reconfigure(devices);
        if !self.devices.drops_refused() {
            for slot in self.guests.slots() {
                self.set_refused(slot, false);
            }
        }
    }

    /// Takes a frame for one of our servers. `guest` is what the packet path found of the sender.
    pub fn handle_frame(&mut self, now: Now, key: GuestKey, service: Service, guest: Option<SlotIndex>, frame: &[u8]) {
        if self.is_blocked(key) {
            return;
        }
        match service {
            Service::Dhcp => {
                if let Ok(datagram) = UdpDatagram::parse(frame, Checksum::Verify) {
                    self.handle_dhcp(now, key, &datagram, frame);
                }
            }
            Service::Arp => self.handle_arp(now, key, frame),
            Service::Dns => self.handle_query(now, key, guest, frame),
            Service::Watch => {
                let news = self.watch.handle(now, key, frame);
                self.outputs.extend(news.map(Output::Rogue));
            }
            Service::Newcomer => self.handle_newcomer(now, key),
            Service::Gateway => {}
        }
    }

    /// Takes a resolver's answer to [`Output::Query`].
    ///
    /// False if it is not the answer: it may still come.
    pub fn handle_dns_answer(&mut self, now: Now, token: u32, from: SocketAddr, payload: &[u8]) -> bool {
        let Some(delivery) = self.dns.handle_answer(now, token, from, payload) else { return false };
        self.open_garden(now, &delivery);
        self.send_dns(&delivery.return_path, &delivery.payload);
        true
    }

    /// The guest at `address` asks to be let in by its MAC address. Whoever has just been asked about waits.
    pub fn ask_about_guest(&mut self, now: Now, address: Ipv4Addr) {
        if let Some(guest) = self.writer.table().by_address(address) {
            self.handle_sign_of_device(now, guest.key, Sign::Wish);
        }
    }

    /// The device may not come in by its MAC address, and nobody is asked about it again soon. It meets the portal, if the
    /// server `knows` it or [`devices::Config::drop_refused`] is off.
    pub fn refuse_device(&mut self, now: Now, attempt: &Attempt, knows: bool) {
        self.devices.refused(now.mono, attempt.key);
        self.note_refusal(attempt, !knows && self.devices.drops_refused());
        self.outputs.extend(self.held.take(attempt.key));
    }

    /// The device may come in: what a server said of it before does not count any more.
    pub fn accept_device(&mut self, attempt: &Attempt) {
        self.note_refusal(attempt, false);
    }

    fn note_refusal(&mut self, attempt: &Attempt, refused: bool) {
        self.devices.note_refusal(attempt.key, refused);
        // It may have another place since: a new lease changes nothing in this.
        if let Some(found) = self.writer.table().by_key(attempt.key) {
            self.set_refused(found.slot, refused);
        }
    }

    /// From now on nothing of the guest passes while it is not online, or it meets the portal again.
    fn set_refused(&mut self, slot: SlotIndex, refused: bool) {
        let Some(guest) = self.guests.get_mut(slot).filter(|guest| guest.refused != refused) else { return };
        guest.refused = refused;
        if let Some(found) = self.writer.table().snapshot(slot) {
            self.set_policy(slot, found.policy);
        }
    }

    /// Ends the session in `slot`. False if there is none.
    pub fn end_session(&mut self, now: Now, slot: SlotIndex, cause: Cause) -> bool {
        let Some((_, key, address)) = self.guests.get(slot).map(|guest| guest.place(slot)) else { return false };
        let idle = self.idle(now, slot);
        let Some(session) = self.guests.take_session(slot) else { return false };
        self.set_policy(slot, Policy::default());
        self.dhcp.protect(key, false);
        let due = now.mono + SETTLE;
        self.joins.ended(key);
        if matches!(cause, Cause::UserRequest | Cause::AdminReset) {
            self.devices.logged_out(key);
        }
        self.closing.push_back(Closing { due, slot, key, address, session, cause, ended: now, idle });
        true
    }

    /// Ends every session and makes the last records at once: the packet threads have stopped.
    pub fn shutdown(&mut self, now: Now) {
        for slot in self.guests.slots() {
            self.end_session(now, slot, Cause::AdminReboot);
        }
        while self.close_one(Duration::MAX) {}
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

    /// Does what is due, but no more than takes a moment: then more is due at once, and others have their turn before.
    pub fn handle_timeout(&mut self, now: Now) {
        self.dhcp.handle_timeout(now);
        self.drain_dhcp(now);
        for overdue in self.dns.handle_timeout(now) {
            match overdue {
                dns::Overdue::Retry(forward) => self.outputs.push_back(Output::Query(forward)),
                dns::Overdue::Failed { delivery, .. } => self.send_dns(&delivery.return_path, &delivery.payload),
            }
        }
        // The end of a session comes before the next one's: a crowd that leaves at once has its records early.
        let closed = (0..AT_ONCE).take_while(|_| self.close_one(now.mono)).count();
        for _ in closed..AT_ONCE {
            let Some(slot) = self.guests.pop_due(now.mono) else { break };
            self.check_session(now, slot);
        }
        for name in self.garden.handle_timeout(now.mono.as_secs() as u32) {
            self.dns.close_name(&name);
        }
        self.outputs.extend(self.watch.handle_timeout(now).map(|frame| Output::Frame { vlan: Vlan::NONE, frame }));
        while let Some(key) = self.devices.poll(now.mono) {
            self.ask_about_device(key);
        }
        if self.next_keep.is_some_and(|due| due <= now.mono) {
            self.keep_some(now);
        }
        while let Some(answer) = self.held.pop_due(now.mono) {
            self.outputs.push_back(answer);
        }
    }

    /// When [`Engine::handle_timeout`] is wanted next, on the gateway's monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        [
            self.dhcp.poll_timeout(),
            self.dns.poll_timeout(),
            self.guests.next_due(),
            self.closing.front().map(|closing| closing.due),
            self.devices.poll_timeout(),
            self.watch.poll_timeout(),
            self.garden.poll_timeout(),
            self.next_keep,
            self.held.next_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Who leads guests elsewhere.
    #[must_use]
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn handle_arp(&mut self, now: Now, key: GuestKey, frame: &[u8]) {
        let Some(Ok(message)) = frame.get(ETH_LEN..).map(Arp::parse) else { return };
        self.dhcp.handle_arp(now, key, &message);
        self.look_for_foreigner(now, key, &message);
        self.drain_dhcp(now);
        self.handle_sign_of_device(now, key, Sign::Life);
        let guest = self.writer.table().by_key(key);
        let own = guest.map(|guest| guest.own_address()).or_else(|| self.config.routes.router(key));
        let abroad =
            guest.is_some_and(|guest| guest.foreign.is_some()) && self.dhcp.config().is_foreign(message.target);
        match self.arp.handle(now, key, own, abroad, &message) {
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
        let own = self.writer.table().snapshot(slot).filter(|guest| guest.key == key).map(|guest| guest.own_address());
        let Some(guest) = self.guests.get(slot).filter(|_| own == Some(datagram.src)) else { return };
        let asker = Asker { address: guest.address, authorised: guest.is_online() };
        self.handle_sign_of_device(now, key, Sign::Life);
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
            eth_dst: self.station(path.key),
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

    fn handle_dhcp(&mut self, now: Now, key: GuestKey, datagram: &UdpDatagram<'_>, frame: &[u8]) {
        self.make_room_on_lan(now, key);
        self.dhcp.handle(now, key, datagram);
        self.drain_dhcp_after(now, Some((key, frame)));
    }

    fn drain_dhcp(&mut self, now: Now) {
        self.drain_dhcp_after(now, None);
    }

    /// Does what the DHCP server wants done after this message.
    fn drain_dhcp_after(&mut self, now: Now, message: Option<(GuestKey, &[u8])>) {
        let mut waits = None;
        while let Some(output) = self.dhcp.poll_output() {
            match output {
                dhcp::Output::Send { vlan, frame, .. } => {
                    let answer = Output::Frame { vlan, frame };
                    match waits.take().zip(message) {
                        Some((key, (from, frame))) => {
                            let question = Question { from, frame: frame.into() };
                            self.outputs.extend(self.held.put(now.mono, key, answer, question));
                        }
                        None => self.outputs.push_back(answer),
                    }
                }
                dhcp::Output::Bound(lease) => {
                    let came = self.bind(now, &lease);
                    if came {
                        self.outputs.push_back(Output::GuestCame(lease.clone()));
                    }
                    self.call_joined(now, lease.key);
                    // Whose lease goes on without a word is as idle as before.
                    let asks = lease.foreign.is_none()
                        && lease.key.address_behind_router().is_none()
                        && !self.dhcp.is_static(lease.address);
                    if self.dhcp.config().renewal_is_activity && asks {
                        self.note_activity(now, lease.key);
                    }
                    let asked = self.handle_sign_of_device(now, lease.key, Sign::Life);
                    // Its ACK comes next; who never asked for the lease gets none.
                    let waits_for_it = came && asked && lease.foreign.is_none() && self.config.devices.before_lease;
                    waits = waits_for_it.then_some(lease.key);
                    self.outputs.push_back(Output::LeaseBound(lease));
                }
                dhcp::Output::Ended { lease, why } if self.stays(now, &lease, why) => {}
                dhcp::Output::Ended { lease, .. } => {
                    if let Some(found) = self.writer.table().by_key(lease.key) {
                        self.forget(now, found.slot);
                    }
                    self.outputs.push_back(Output::LeaseEnded(lease));
                }
            }
        }
    }

    /// Gives the guest its place in the packet path's table; a renewal changes nothing there. True if it is a new one.
    fn bind(&mut self, now: Now, lease: &Lease) -> bool {
        if self.is_blocked(lease.key) {
            return false;
        }
        let table = self.writer.table();
        let former = table.by_key(lease.key);
        if let Some(former) = former.filter(|former| former.address == lease.address) {
            if former.foreign != lease.foreign {
                self.writer.set_foreign(former.slot, lease.foreign);
            }
            return false;
        }
        let owner = table.by_address(lease.address);
        for stale in [former, owner].into_iter().flatten() {
            self.forget(now, stale.slot);
        }
        // A full table leaves the guest with an address and nothing behind it: refused, not open.
        let refused = self.devices.is_refused(lease.key);
        let Ok(slot) = self.writer.insert(lease.key, lease.address, &Policy { refused, ..Policy::default() }) else {
            return false;
        };
        let attempts = self.departed.take(lease.key);
        self.guests.insert(slot, Guest::new(lease.key, lease.address, attempts));
        self.set_refused(slot, refused);
        self.routed.came(lease.key);
        self.writer.set_foreign(slot, lease.foreign);
        true
    }

    /// Has its question asked, if it is offline. True if it was asked now.
    fn handle_sign_of_device(&mut self, now: Now, key: GuestKey, sign: Sign) -> bool {
        if key.address_behind_router().is_some() {
            return false;
        }
        let Some(found) = self.writer.table().by_key(key) else { return false };
        let offline = self.guests.get(found.slot).is_some_and(|guest| !guest.is_online());
        let asks = offline && self.devices.handle_sign(now.mono, key, sign);
        if asks {
            self.ask_about_device(key);
        }
        asks
    }

    /// Unless it has left or logged in while it waited.
    fn ask_about_device(&mut self, key: GuestKey) {
        let Some(found) = self.writer.table().by_key(key) else { return };
        if let Ok(attempt) = self.begin_admission(found.address) {
            self.outputs.push_back(Output::Device(attempt));
        }
    }

    fn note_activity(&self, now: Now, key: GuestKey) {
        let table = self.writer.table();
        if let Some(guest) = table.by_key(key) {
            table.note_activity(guest.slot, now.mono);
        }
    }

    fn forget(&mut self, now: Now, slot: SlotIndex) {
        self.end_session(now, slot, Cause::LostCarrier);
        self.forget_own_garden(slot);
        if let Some(guest) = self.guests.remove(slot) {
            self.routed.left(guest.key);
            self.devices.left(now.mono, guest.key);
            self.held.take(guest.key);
            self.departed.keep(now.mono, guest.key, guest.attempts);
            self.outputs.push_back(Output::GuestLeft(slot, guest.key));
        }
        self.writer.remove(slot);
    }

    fn check_session(&mut self, now: Now, slot: SlotIndex) {
        let idle = self.idle(now, slot);
        let usage = self.writer.table().usage(slot);
        let used_up = self.writer.table().snapshot(slot).is_some_and(|guest| guest.used_up);
        let Some(place) = self.guests.get(slot).map(|guest| guest.place(slot)) else { return };
        let Some(session) = self.guests.session_mut(slot) else { return };
        let ended = if session.ends_at(now).is_some_and(|end| end <= now.mono) {
            Some(Cause::SessionTimeout)
        } else if used_up || session.octets_left(usage) == Some(0) {
            Some(Cause::QuotaUsedUp)
        } else if session.tariff.idle_timeout.is_some_and(|limit| limit <= idle) {
            Some(Cause::IdleTimeout)
        } else {
            None
        };
        if ended.is_none()
            && let (Some(due), Some(interval)) = (session.next_interim.map(Moment::mono), session.tariff.interim)
            && due <= now.mono
        {
            let record = Record { idle, ..record(place, session, Status::Interim, usage - session.baseline, now) };
            self.outputs.push_back(Output::Account(record));
            session.next_interim = Some((due.max(now.mono.saturating_sub(interval)) + interval).into());
        }
        if session.tariff.until.is_some() {
            self.follow_the_date(now, slot);
        }
        match ended {
            Some(cause) => {
                self.end_session(now, slot, cause);
            }
            None => self.schedule(now, slot),
        }
    }

    /// Whoever has set the machine's date has moved the end of a session that ends by the calendar.
    fn follow_the_date(&mut self, now: Now, slot: SlotIndex) {
        let Some(session) = self.guests.session_mut(slot) else { return };
        let policy = session.policy(now);
        let told = self.writer.table().snapshot(slot).and_then(|guest| guest.policy.ends_at_secs).unwrap_or(u32::MAX);
        if policy.ends_at_secs.is_some_and(|ends| ends.abs_diff(told) > 1) {
            self.set_policy(slot, policy);
        }
    }

    /// Sets the guest's timer to the next moment at which something of its session can be due.
    fn schedule(&mut self, now: Now, slot: SlotIndex) {
        let idle = self.idle(now, slot);
        let counted = self.writer.table().usage(slot);
        let Some(session) = self.guests.session_mut(slot) else { return };
        let idle_end = session.tariff.idle_timeout.map(|limit| now.mono + limit.saturating_sub(idle));
        let quota_look = session.quota_lasts(counted).map(|time| now.mono.saturating_add(time));
        let interim = session.next_interim.map(Moment::mono);
        let date = session.tariff.until.map(|_| now.mono + DATE_LOOK);
        if let Some(due) = [session.ends_at(now), date, idle_end, interim, quota_look].into_iter().flatten().min() {
            self.guests.look_at(slot, due);
        }
    }

    /// Time since the guest's last packet, at most since its session began.
    fn idle(&self, now: Now, slot: SlotIndex) -> Duration {
        let began = self.guests.session(slot).map(|session| session.began.mono());
        // The packet path notes whole seconds: a packet may have come up to one later.
        let last = Duration::from_secs(self.writer.table().last_up_secs(slot) + 1);
        now.mono.saturating_sub(last.max(began.unwrap_or_default()))
    }

    /// Makes the next last record that is due by then. False if there is none.
    fn close_one(&mut self, mono: Duration) -> bool {
        let Some(closing) = self.closing.pop_front_if(|closing| closing.due <= mono) else { return false };
        let counted = self.writer.table().usage(closing.slot);
        self.finish(closing, counted);
        true
    }

    /// Makes the last record, with what the slot has `counted` in all. Only after it is the session forgotten, lest a
    /// crash in between lose it; what is written down may be the guest's next session by then.
    fn finish(&mut self, closing: Closing, counted: Usage) {
        let key = closing.key;
        let slot = self.writer.table().by_key(key).map(|found| found.slot);
        let goes_on = slot.is_some_and(|slot| self.guests.session(slot).is_some());
        self.outputs.push_back(closing.last_record(counted));
        if !goes_on {
            self.outputs.push_back(Output::SessionEnded(key));
        }
    }
}

fn record(
    (slot, key, address): (SlotIndex, GuestKey, Ipv4Addr),
    session: &Session,
    status: Status,
    usage: Usage,
    now: Now,
) -> Record {
    Record {
        status,
        session_id: session.id.to_string(),
        user: session.user.to_string(),
        key,
        address,
        slot,
        class: session.echo.class().map(<[u8]>::to_vec).collect(),
        cui: session.echo.cui().map(<[u8]>::to_vec),
        source: session.tariff.source,
        tariff: Arc::clone(&session.tariff),
        idle: Duration::ZERO,
        usage,
        baseline: session.baseline,
        duration: session.duration(now.mono),
        at: now,
    }
}
