//! The gateway in a test tube.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::changes::Changes;
use engine::dhcp::Lease;
use engine::dns::{self, Forward};
use engine::garden::Rule;
use engine::gateway::{Attempt, GuestView, LoginRefusal, Output, Survivor};
use engine::session::{Cause, Grant, KeptSession, Record};
use fastpath::counters::Counters;
use fastpath::garden::{Garden, Network};
use fastpath::meter::Direction;
use fastpath::pacer::Pacer;
use fastpath::pipeline::{Action, Plane};
use fastpath::port::{ETH_LEN, HEADROOM, Packet};
use fastpath::redirect::Redirector;
use fastpath::session::Usage;
use fastpath::shape::Flows;
use fastpath::slow::StationLimit;
use fastpath::table::Table;
use wire::routes::Routes;
use wire::vnet::VnetHeader;
use wire::{GuestKey, MacAddr, Now, Vlan};

use crate::guest::{Guest, Station};
use crate::packet::Seen;
use crate::pcap::{Link, Tape};
use crate::slow::Queue;

/// The gateway's address on the guests' network.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
/// The gateway's station on the LAN.
pub const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
/// An address on the Internet that stands for the gateway's.
pub const ALIAS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// An address on the Internet that logs out whoever opens it.
pub const LOGOUT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// TCP port of the portal.
pub const PORTAL_PORT: u16 = 3990;

/// Calls of the engine at one moment before the test is said to hang.
const MAX_TURNS: usize = 10_000;
/// Octets that may wait for their time in each direction.
const WAITING_OCTETS: usize = 4 << 20;
/// Guests that a failing test prints.
const MAX_DESCRIBED: usize = 40;

/// What a test may choose; the rest is as the binary sets it.
#[derive(Clone)]
pub struct Setup {
    /// The DHCP server's configuration: a /20 whose leases last half an hour.
    pub dhcp: engine::dhcp::Config,
    /// Networks behind routers on the LAN: none.
    pub routes: Routes,
    /// The DNS forwarder's: one resolver at 192.0.2.53, one own name `wifi.internal`.
    pub dns: dns::Config,
    /// Frames without a VLAN tag are served: yes.
    pub untagged: bool,
    /// Http of guests who are online goes to this proxy: none.
    pub http_proxy: Option<SocketAddrV4>,
    /// Places in the session table.
    pub guests: u32,
    /// What is in the walled garden.
    pub garden: Vec<Rule>,
    /// Addresses that DNS may open in it: 1,024.
    pub garden_addresses: usize,
    /// What guests who are online exchange with it is on their account: yes.
    pub garden_counts: bool,
    /// How long the gateway may be gone before its sessions end: five minutes.
    pub longest_outage: Duration,
    /// Who comes in by its MAC address: nobody.
    pub devices: engine::devices::Config,
    /// Frames that may wait for the engine.
    pub queue: usize,
    /// For all dice.
    pub seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            dhcp: engine::dhcp::Config::new(GATEWAY, 20, GATEWAY_MAC),
            routes: Routes::default(),
            dns: dns::Config {
                resolvers: vec![SocketAddr::from(([192, 0, 2, 53], 53))],
                own_names: vec![("wifi.internal".parse().expect("a name"), GATEWAY)],
                ..dns::Config::default()
            },
            untagged: true,
            http_proxy: None,
            guests: 4096,
            garden: Vec::new(),
            garden_addresses: 1024,
            garden_counts: true,
            longest_outage: Duration::from_secs(300),
            devices: engine::devices::Config::default(),
            queue: 4096,
            seed: 1,
        }
    }
}

/// A gateway, its guests, and the world behind it.
pub struct Lab {
    setup: Setup,
    /// The packet path.
    pub plane: Arc<Plane>,
    /// The control plane.
    pub engine: Engine,
    queue: Arc<Queue>,
    now: Now,
    buffer: Packet,
    /// What waits on the way up, and down.
    pacers: [Pacer; 2],
    control_is_busy: bool,
    pub(crate) stations: Vec<Station>,
    who: BTreeMap<(Vlan, MacAddr), usize>,
    /// With the date at which each ends.
    stored: BTreeMap<GuestKey, (Lease, Duration)>,
    kept: BTreeMap<GuestKey, (KeptSession, Now)>,
    internet: Vec<Seen>,
    records: Vec<Record>,
    questions: Vec<Forward>,
    devices: Vec<Attempt>,
    /// Devices that have joined, while the kernel does not forget.
    joined: Option<Vec<Attempt>>,
    frames_in: u64,
    packets_in: u64,
    lan_tape: Tape,
    tun_tape: Tape,
}

impl Lab {
    /// A gateway that has just started, without guests.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let now = Now { mono: Duration::from_millis(700), unix: Duration::from_secs(1_800_000_000) };
        let (plane, engine, queue) = start(&setup);
        Self {
            setup,
            plane,
            engine,
            queue,
            now,
            buffer: Packet::new(),
            pacers: pacers(),
            control_is_busy: false,
            stations: Vec::new(),
            who: BTreeMap::new(),
            stored: BTreeMap::new(),
            kept: BTreeMap::new(),
            internet: Vec::new(),
            records: Vec::new(),
            questions: Vec::new(),
            devices: Vec::new(),
            joined: None,
            frames_in: 0,
            packets_in: 0,
            lan_tape: Tape::new(Link::Ethernet),
            tun_tape: Tape::new(Link::RawIp),
        }
    }

    /// From the next start on.
    pub fn serve_vlans_only(&mut self) {
        self.setup.untagged = false;
    }

    /// [`Lab::restart_after`] a minute.
    pub fn restart(&mut self) {
        self.restart_after(Duration::from_secs(60));
    }

    /// Stops the gateway as the binary does, then starts it again after `pause` with what was written down.
    pub fn restart_after(&mut self, pause: Duration) {
        self.stop();
        self.crash(Some(pause));
    }

    /// Has all sessions written down, as before a handover.
    pub fn hand_over(&mut self) {
        self.engine.hand_over(self.now);
        self.carry_out();
    }

    /// The gateway is gone without a word, and starts again after `pause` with what was written down. The guests do not
    /// notice. Without `pause` it is a minute, but no clock can tell.
    pub fn crash(&mut self, pause: Option<Duration>) {
        self.crash_while_the_kernel_counts(pause, Usage::default());
    }

    /// The same, but the kernel went on counting: each session had this much more than was written down.
    pub fn crash_while_the_kernel_counts(&mut self, pause: Option<Duration>, more: Usage) {
        self.now.unix += pause.unwrap_or(Duration::from_secs(60));
        let away = |then: &Now| pause.and_then(|_| self.now.unix.checked_sub(then.unix));
        let survivor = |(session, then): &(KeptSession, Now)| Survivor {
            session: session.clone(),
            away: away(then),
            counted: session.baseline + session.used + more,
        };
        let survivors = self.kept.values().map(survivor).collect();
        self.now.mono = Duration::from_millis(700);
        self.setup.seed = self.setup.seed.wrapping_add(1);
        (self.plane, self.engine, self.queue) = start(&self.setup);
        (self.frames_in, self.packets_in) = (0, 0);
        self.pacers = pacers();
        // What the binary's records of leases have.
        let lease = |(lease, date): &(Lease, Duration)| Lease {
            ends: self.now.mono + date.saturating_sub(self.now.unix),
            logged_in: false,
            ..lease.clone()
        };
        self.engine.restore(self.now, self.stored.values().map(lease).collect(), survivors);
        self.carry_out();
    }

    /// Ends all sessions, as the binary does after the packet threads have stopped.
    pub fn stop(&mut self) {
        self.engine.shutdown(self.now);
        self.carry_out();
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// Somebody sets the machine's date.
    pub fn sets_the_date(&mut self, unix: Duration) {
        self.now.unix = unix;
    }

    /// Lets time pass. The engine is called whenever it asked for it, and packets depart when their time has come.
    ///
    /// # Panics
    /// If the engine asks for the same moment without end.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now.plus(time);
        let mut turns = 0;
        loop {
            let (engine, departure) = (self.engine.poll_timeout(), self.next_departure());
            let Some(due) = engine.into_iter().chain(departure).min().filter(|due| *due <= end.mono) else { break };
            let step = due.saturating_sub(self.now.mono);
            turns = if step.is_zero() { turns + 1 } else { 0 };
            assert!(turns < MAX_TURNS, "the engine wants to be called at {due:?} for ever");
            self.now = self.now.plus(step);
            if engine.is_some_and(|at| at <= self.now.mono) {
                self.engine.handle_timeout(self.now);
                self.carry_out();
            }
            self.depart();
        }
        self.now = end;
        self.depart();
    }

    /// When the next packet that waits departs.
    #[must_use]
    pub fn next_departure(&self) -> Option<Duration> {
        self.pacers.iter().filter_map(Pacer::poll_timeout).min()
    }

    /// A new station on the untagged LAN. Its address is made from its place in the line of all.
    pub fn guest(&mut self, name: &str) -> Guest {
        let [.., a, b, c] = (self.stations.len() as u32 + 1).to_be_bytes();
        self.guest_as(name, Vlan::NONE, MacAddr([2, 0, 1, a, b, c]))
    }

    /// A new station with an address of its choice, on any VLAN.
    pub fn guest_as(&mut self, name: &str, vlan: Vlan, mac: MacAddr) -> Guest {
        self.who.insert((vlan, mac), self.stations.len());
        self.stations.push(Station::new(name, GuestKey { lan: 0, vlan, mac }));
        Guest(self.stations.len() - 1)
    }

    /// A frame comes from the LAN, as the device hands it over: untagged, with the VLAN beside it.
    ///
    /// # Panics
    /// If it has no Ethernet header or is longer than a super-packet.
    pub fn frame_in(&mut self, vlan: Vlan, frame: &[u8], vnet: VnetHeader) {
        self.frames_in += 1;
        self.lan_tape.note(self.now.unix, vlan, frame);
        let packet = &mut self.buffer;
        packet.memory_mut()[HEADROOM - ETH_LEN..][..frame.len()].copy_from_slice(frame);
        packet.set_l3_len(frame.len() - ETH_LEN);
        packet.vlan = vlan;
        packet.vnet = vnet;
        // From here on as in `fastpath::pump`.
        match self.plane.from_guest(packet, self.now.mono, &mut self.pacers[0]) {
            Action::Send => {
                let seen = Seen::new(packet.l3(), packet.vnet);
                self.tun_tape.note(self.now.unix, Vlan::NONE, &seen.l3);
                self.internet.push(seen);
            }
            Action::Answer => {
                let (vlan, frame, vnet) = (packet.vlan, packet.frame().to_vec(), packet.vnet);
                self.deliver(vlan, &frame, vnet);
            }
            Action::Done => {}
        }
        self.serve_frames();
    }

    /// The kernel routes a packet towards the guests.
    ///
    /// # Panics
    /// If it is longer than a super-packet.
    pub fn packet_in(&mut self, l3: &[u8], vnet: VnetHeader) {
        self.packets_in += 1;
        self.tun_tape.note(self.now.unix, Vlan::NONE, l3);
        let packet = &mut self.buffer;
        packet.memory_mut()[HEADROOM..][..l3.len()].copy_from_slice(l3);
        packet.set_l3_len(l3.len());
        packet.vlan = Vlan::NONE;
        packet.vnet = vnet;
        if matches!(self.plane.to_guest(packet, self.now.mono, &mut self.pacers[1]), Action::Send) {
            let (vlan, frame, vnet) = (packet.vlan, packet.frame().to_vec(), packet.vnet);
            self.deliver(vlan, &frame, vnet);
        }
    }

    /// An ordinary packet for a guest.
    pub fn answer(&mut self, l3: &[u8]) {
        self.packet_in(l3, VnetHeader::default());
    }

    /// While the control thread is busy, frames for the engine wait. When it is free again, they are served.
    pub fn control_thread_is_busy(&mut self, busy: bool) {
        self.control_is_busy = busy;
        self.serve_frames();
    }

    /// What left through the TUN device since the last call.
    pub fn internet(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.internet)
    }

    /// The accounting records since the last call.
    pub fn records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// The questions for resolvers since the last call.
    pub fn questions(&mut self) -> Vec<Forward> {
        std::mem::take(&mut self.questions)
    }

    /// The devices that the source of grants was asked about since the last call.
    pub fn devices(&mut self) -> Vec<Attempt> {
        std::mem::take(&mut self.devices)
    }

    /// From now on the kernel forgets no connections of guests who have left, or all of them and those to come.
    pub fn the_kernel_forgets(&mut self, forgets: bool) {
        if !forgets {
            self.joined.get_or_insert_default();
            return;
        }
        for attempt in self.joined.take().unwrap_or_default() {
            self.engine.finish_join(self.now, &attempt);
        }
        self.carry_out();
    }

    /// A guest asks to be let in by its MAC address.
    pub fn ask_about_guest(&mut self, guest: Guest) {
        let address = guest.address(self);
        self.engine.ask_about_guest(self.now, address);
        self.carry_out();
    }

    /// The source of grants does not know a device.
    pub fn refuse_device(&mut self, attempt: &Attempt) {
        self.engine.refuse_device(self.now, attempt, false);
        self.carry_out();
    }

    /// A resolver answers. False if the gateway did not want it.
    pub fn resolver_answers(&mut self, question: &Forward, payload: &[u8]) -> bool {
        let wanted = self.engine.handle_dns_answer(self.now, question.token, question.resolver, payload);
        self.carry_out();
        wanted
    }

    /// A guest presses the button. Why it may not is an error.
    ///
    /// # Errors
    /// The gateway's refusal.
    pub fn begin_login(&mut self, guest: Guest) -> Result<Attempt, LoginRefusal> {
        // The portal sees the leased address, also of a guest who uses another one.
        let address = self.view(guest).map_or_else(|| guest.address(self), |view| view.address);
        let attempt = self.engine.begin_login(self.now, address);
        self.carry_out();
        attempt
    }

    /// An operator lets a guest in. Why it cannot is an error.
    ///
    /// # Errors
    /// The gateway's refusal.
    pub fn begin_admission(&mut self, guest: Guest) -> Result<Attempt, LoginRefusal> {
        let address = guest.address(self);
        self.engine.begin_admission(address)
    }

    /// The source of grants answers. False if that came too late.
    pub fn finish_login(&mut self, attempt: &Attempt, user: &str, grant: Grant) -> bool {
        let done = self.engine.finish_login(self.now, attempt, user, grant);
        self.carry_out();
        done
    }

    /// A guest logs in at once.
    ///
    /// # Panics
    /// If the gateway does not let it.
    pub fn login(&mut self, guest: Guest, grant: Grant) {
        let user = self.stations[guest.0].name.clone();
        let attempt = self.begin_login(guest).expect("a guest with a lease may try to log in");
        assert!(self.finish_login(&attempt, &user, grant), "the login was not taken");
    }

    /// Somebody ends a guest's session. False if it has none.
    pub fn end_session(&mut self, guest: Guest, cause: Cause) -> bool {
        let Some(view) = self.view(guest) else { return false };
        let ended = self.engine.end_session(self.now, view.slot, cause);
        self.carry_out();
        ended
    }

    /// Somebody changes what a guest's session may. False if it has none.
    pub fn change(&mut self, guest: Guest, changes: Changes) -> bool {
        let Some(view) = self.view(guest) else { return false };
        let changed = self.engine.change_session(self.now, view.slot, changes);
        self.carry_out();
        changed
    }

    /// A server or an access point speaks of a guest's device to the engine.
    pub fn tell<T>(&mut self, guest: Guest, tell: impl FnOnce(&mut Engine, Now, GuestKey) -> T) -> T {
        let told = tell(&mut self.engine, self.now, self.stations[guest.0].key);
        self.carry_out();
        told
    }

    /// What the gateway knows of a guest.
    #[must_use]
    pub fn view(&self, guest: Guest) -> Option<GuestView> {
        let key = self.stations[guest.0].key;
        self.engine.guests(self.now).find(|view| view.key == key)
    }

    /// True if the guest has a session.
    #[must_use]
    pub fn is_online(&self, guest: Guest) -> bool {
        self.view(guest).is_some_and(|view| view.session.is_some())
    }

    /// The session of a guest as it is written down.
    #[must_use]
    pub fn kept(&self, guest: Guest) -> Option<&KeptSession> {
        self.kept.get(&self.stations[guest.0].key).map(|(session, _)| session)
    }

    /// The leases that are written down.
    pub fn stored(&self) -> impl Iterator<Item = &Lease> {
        self.stored.values().map(|(lease, _)| lease)
    }

    /// How many packets from guests got this verdict, by its label.
    #[must_use]
    pub fn counted_up(&self, label: &str) -> u64 {
        count(&self.plane.from_guests, label)
    }

    /// How many packets to guests got this verdict, by its label.
    #[must_use]
    pub fn counted_down(&self, label: &str) -> u64 {
        count(&self.plane.to_guests, label)
    }

    /// Each packet that came and does not wait is counted, once.
    ///
    /// # Panics
    /// If not.
    pub fn assert_every_packet_was_counted_once(&self) {
        let sum = |counters: &Counters| counters.list().iter().map(|(_, count)| count).sum::<u64>();
        let [up, down] = self.pacers.each_ref().map(|pacer| pacer.waiting() as u64);
        assert_eq!(sum(&self.plane.from_guests) + up, self.frames_in, "frames from guests");
        assert_eq!(sum(&self.plane.to_guests) + down, self.packets_in, "packets to guests");
    }

    /// Everything about the gateway, for a person.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = format!("at {:?} of the gateway's clock\n", self.now.mono);
        let mut guests: Vec<_> = self.engine.guests(self.now).collect();
        guests.sort_by_key(|guest| guest.address);
        for guest in guests.into_iter().take(MAX_DESCRIBED) {
            let name = self.who.get(&(guest.key.vlan, guest.key.mac)).map_or("?", |&index| &self.stations[index].name);
            text += &format!("guest {} {name:?} at {}", guest.key, guest.address);
            if let Some(session) = guest.session {
                text += &format!(" is {:?} for {:?}, {:?}", session.user, session.duration, session.usage);
            }
            text += "\n";
        }
        for (direction, counters) in [("from", &self.plane.from_guests), ("to", &self.plane.to_guests)] {
            text += &format!("{direction} guests: {:?}\n", counters.list());
        }
        text
    }

    /// Packets whose time has come go on, as in `fastpath::pump`.
    fn depart(&mut self) {
        let now = self.now.mono;
        let packet = &mut self.buffer;
        while let Some(waiting) = self.pacers[0].poll(now, packet) {
            if self.plane.depart(Direction::Up, packet, &waiting, now) {
                let seen = Seen::new(packet.l3(), packet.vnet);
                self.tun_tape.note(self.now.unix, Vlan::NONE, &seen.l3);
                self.internet.push(seen);
            }
        }
        while let Some(waiting) = self.pacers[1].poll(now, &mut self.buffer) {
            if self.plane.depart(Direction::Down, &mut self.buffer, &waiting, now) {
                let (vlan, frame, vnet) = (self.buffer.vlan, self.buffer.frame().to_vec(), self.buffer.vnet);
                self.deliver(vlan, &frame, vnet);
            }
        }
    }

    fn serve_frames(&mut self) {
        while !self.control_is_busy
            && let Some(queued) = self.queue.pop()
        {
            self.engine.handle_frame(self.now, queued.key, queued.service, queued.guest, &queued.frame);
            self.carry_out();
        }
    }

    /// Does what the engine wants done, as the binary's control thread.
    pub(crate) fn carry_out(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Frame { vlan, frame } => self.deliver(vlan, &frame, VnetHeader::default()),
                Output::Query(question) => self.questions.push(question),
                Output::LeaseBound(lease) => {
                    let date = self.now.unix + lease.ends.saturating_sub(self.now.mono);
                    self.stored.insert(lease.key, (lease, date));
                }
                Output::GuestCame(_) | Output::GuestLeft(..) => {}
                Output::LeaseEnded(lease) => {
                    self.stored.remove(&lease.key);
                }
                Output::SessionKept(session) => {
                    self.kept.insert(session.key, (session, self.now));
                }
                Output::SessionEnded(key) => {
                    self.kept.remove(&key);
                }
                Output::Account(record) => self.records.push(record),
                Output::Device(attempt) => self.devices.push(attempt),
                Output::Rogue(_) => {}
                Output::Joined(attempt) => match &mut self.joined {
                    Some(waiting) => waiting.push(attempt),
                    None => drop(self.engine.finish_join(self.now, &attempt)),
                },
            }
        }
    }

    /// A frame goes to the station that it names, or to all of its VLAN.
    fn deliver(&mut self, vlan: Vlan, frame: &[u8], vnet: VnetHeader) {
        self.lan_tape.note(self.now.unix, vlan, frame);
        let Some(&to) = frame.first_chunk::<6>() else { return };
        if to[0] & 1 == 0 {
            if let Some(&index) = self.who.get(&(vlan, MacAddr(to))) {
                self.stations[index].receive(frame, vnet);
            }
            return;
        }
        for station in self.stations.iter_mut().filter(|station| station.key.vlan == vlan) {
            station.receive(frame, vnet);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/output");
        let (lan, tun) = (folder.join(format!("{name}.lan.pcap")), folder.join(format!("{name}.tun.pcap")));
        let written = std::fs::create_dir_all(&folder)
            .and_then(|()| self.lan_tape.write(&lan))
            .and_then(|()| self.tun_tape.write(&tun));
        eprintln!("{}see {} and {} ({written:?})", self.describe(), lan.display(), tun.display());
    }
}

/// All parts of a gateway, joined as the binary does.
fn start(setup: &Setup) -> (Arc<Plane>, Engine, Arc<Queue>) {
    let (table, writer) = Table::new(setup.guests, setup.seed);
    let garden = Arc::new(Garden::new(setup.garden_addresses + 1024, 7).counted(setup.garden_counts));
    let queue = Arc::new(Queue::new(setup.queue));
    let portal = format!("http://{}:{PORTAL_PORT}", setup.dhcp.gateway);
    let plane = Arc::new(Plane {
        table,
        garden: Arc::clone(&garden),
        gateway: setup.dhcp.gateway,
        network: Network::new(setup.dhcp.gateway, setup.dhcp.prefix_len).expect("a prefix of at most 32"),
        broadcast: setup.dhcp.broadcast(),
        routes: setup.routes.clone(),
        lan_mac: GATEWAY_MAC,
        lan: 0,
        untagged: setup.untagged,
        http_proxy: setup.http_proxy,
        portal_ports: [PORTAL_PORT; 2],
        secure_port: None,
        redirector: Redirector::new(&portal, setup.dhcp.gateway, &["wifi.internal"], [setup.seed, 5])
            .with_addresses(Some(ALIAS), Some(LOGOUT)),
        slow: Arc::clone(&queue) as _,
        slow_limit: StationLimit::new(setup.seed.rotate_left(23)),
        flows: Flows::new(setup.seed.rotate_left(46)),
        from_guests: Counters::default(),
        to_guests: Counters::default(),
    });
    let config = engine::gateway::Config {
        boot: 1,
        longest_outage: setup.longest_outage,
        gateway: setup.dhcp.gateway,
        gateway_mac: GATEWAY_MAC,
        routes: setup.routes.clone(),
        untagged: setup.untagged,
        dhcp: setup.dhcp.clone(),
        dns: setup.dns.clone(),
        garden: setup.garden.clone(),
        garden_addresses: setup.garden_addresses,
        devices: setup.devices.clone(),
        rogue_probe: None,
    };
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&setup.seed.to_le_bytes());
    (plane, Engine::new(config, writer, garden, seed), queue)
}

fn pacers() -> [Pacer; 2] {
    std::array::from_fn(|_| Pacer::new(WAITING_OCTETS))
}

fn count(counters: &Counters, label: &str) -> u64 {
    counters.list().iter().find(|(name, _)| name == label).map_or(0, |(_, count)| *count)
}
