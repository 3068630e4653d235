//! The gateway against a model that is too simple to be wrong: thousands of random events, and after each one the
//! question whether anything got out, or in, that should not have. The same seed is the same run.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::garden::Rule;
use engine::gateway::{Attempt, KEEP_EVERY};
use engine::session::{Cause, Grant, Quota, Record, Status};
use fastpath::garden::Entry;
use fastpath::police::Rate;
use fastpath::session::Usage;
use testkit::dice::Dice;
use testkit::packet::{self, Seen, icmp, ipv4, ipv6, make_fragment, tcp, udp};
use testkit::{GATEWAY, GATEWAY_MAC, Guest, Lab, Offer, PORTAL_PORT, Setup};
use wire::frame::{Transport, ethertype, tcp_flags};
use wire::vnet::VnetHeader;
use wire::{GuestKey, MacAddr, Vlan};

const STATIONS: u8 = 12;
const VLANS: [Vlan; 3] = [Vlan::NONE, Vlan(10), Vlan(20)];
const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);
const GARDEN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// No packet of this test has more octets.
const LARGEST: u64 = 240;
const LEASE: Duration = Duration::from_secs(600);

/// What an authentication source granted, to whom, and what passed since.
struct Session {
    key: GuestKey,
    address: Ipv4Addr,
    grant: Grant,
    /// On the clock that survives restarts, as is the next.
    began: Duration,
    silent_since: Duration,
    /// Packets and octets up, packets and octets down.
    passed: [u64; 4],
}

impl Session {
    /// When it ends unless something happens.
    fn end(&self) -> Duration {
        let by_time = self.grant.session_timeout.map(|timeout| self.began + timeout);
        let by_silence = self.grant.idle_timeout.map(|timeout| self.silent_since + timeout);
        by_time.into_iter().chain(by_silence).min().unwrap_or(Duration::MAX)
    }

    /// What its quota has left; what passed is never more.
    fn octets_left(&self) -> u64 {
        let [_, up, _, down] = self.passed;
        let Quota { octets_up, octets_down, octets_total } = self.grant.quota;
        let left = |(quota, passed): (Option<u64>, u64)| {
            quota.map_or(u64::MAX, |quota| quota.checked_sub(passed).expect("no octet passes above the quota"))
        };
        [(octets_up, up), (octets_down, down), (octets_total, up + down)].into_iter().map(left).min().unwrap()
    }
}

struct Model {
    lab: Lab,
    dice: Dice,
    stations: Vec<Guest>,
    /// Address and end, on the clock that survives restarts.
    leases: BTreeMap<GuestKey, (Ipv4Addr, Duration)>,
    /// Sessions that go on, by name.
    online: BTreeMap<String, Session>,
    /// Sessions whose last record has not come.
    ended: BTreeMap<String, Session>,
    attempts: Vec<Attempt>,
    forwarded: u64,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut setup = Setup { seed, ..Setup::default() };
        // Fewer addresses than stations, and sometimes fewer places than addresses.
        setup.dhcp.ranges = vec![Ipv4Addr::new(10, 1, 0, 50)..=Ipv4Addr::new(10, 1, 0, 58)];
        setup.dhcp.lease = LEASE;
        setup.guests = if dice.one_in(2) { 6 } else { 64 };
        setup.garden = vec![Rule::Network(Entry::host(GARDEN))];
        let mut lab = Lab::new(setup);
        let station = |n| {
            // Each MAC stands on two VLANs.
            lab.guest_as(&format!("station {n}"), VLANS[usize::from(n % 2) + 1], MacAddr([2, 0, 1, 0, 0, n / 2 + 1]))
        };
        let stations = (0..STATIONS).map(station).collect();
        let (leases, online, ended) = Default::default();
        Self { lab, dice, stations, leases, online, ended, attempts: Vec::new(), forwarded: 0 }
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..60 => self.packet_up(),
            60..75 => self.packet_down(),
            75..79 => self.gets_or_renews(),
            79 => self.gives_back(),
            80..86 => self.begins_login(),
            86..92 => self.login_is_answered(),
            92 => self.is_kicked(),
            93 if self.dice.one_in(80) => self.restart(),
            93 if self.dice.one_in(40) => self.crash(),
            _ => self.time_passes(),
        }
        self.settle_records();
    }

    fn station(&mut self) -> Guest {
        *self.dice.pick(&self.stations)
    }

    /// The address that a station believes to have.
    fn believed(&mut self, station: Guest) -> Ipv4Addr {
        let key = station.key(&self.lab);
        self.leases.get(&key).map_or(Ipv4Addr::new(10, 1, 0, 51), |(address, _)| *address)
    }

    fn far_end(&mut self) -> SocketAddrV4 {
        let any = Ipv4Addr::from_bits(self.dice.roll() as u32);
        let guest = Ipv4Addr::new(10, 1, 0, 50 + self.dice.below(9) as u8);
        let group = Ipv4Addr::new(224, 0, 0, 251);
        let address = *self.dice.pick(&[HOST, HOST, HOST, GARDEN, GATEWAY, guest, any, group, Ipv4Addr::LOCALHOST]);
        SocketAddrV4::new(address, *self.dice.pick(&[80, 80, 443, 53, 67, 22, PORTAL_PORT]))
    }

    fn some_packet(&mut self, from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
        let payload = vec![0x33; self.dice.below(200)];
        let flags = [tcp_flags::SYN, tcp_flags::ACK, tcp_flags::RST, tcp_flags::FIN | tcp_flags::ACK];
        match self.dice.below(8) {
            0..3 => tcp(from, to, *self.dice.pick(&flags), &payload),
            3..5 => udp(from, to, &payload),
            5 => icmp(*from.ip(), *to.ip(), *self.dice.pick(&[8, 0, 3]), 0),
            // None of those whose headers are looked at, which would be malformed.
            6 => ipv4(*from.ip(), *to.ip(), 32 | self.dice.roll() as u8, &payload),
            _ => {
                let mut l3 = udp(from, to, &payload);
                make_fragment(&mut l3, self.dice.below(50) as u16, self.dice.one_in(2));
                l3
            }
        }
    }

    /// A packet from a station; half of them are odd in some way.
    fn packet_up(&mut self) {
        let station = self.station();
        let key = station.key(&self.lab);
        let source = if self.dice.one_in(6) { *self.far_end().ip() } else { self.believed(station) };
        let from = SocketAddrV4::new(source, 1024 + self.dice.below(200) as u16);
        let to = self.far_end();
        let l3 = self.some_packet(from, to);
        let mut vlan = key.vlan;
        let mut frame = packet::ethernet(GATEWAY_MAC, key.mac, ethertype::IPV4, &l3);
        let plain = !self.dice.one_in(2);
        if !plain {
            match self.dice.below(6) {
                0 => frame.truncate(14 + self.dice.below(frame.len() - 13)),
                1 => vlan = *self.dice.pick(&VLANS),
                2 => frame[..6].copy_from_slice(&self.dice.pick(&[MacAddr::BROADCAST, MacAddr([2; 6])]).0),
                3 => frame = packet::ethernet(GATEWAY_MAC, key.mac, ethertype::IPV6, &ipv6([0x20; 16], [0x20; 16], 17)),
                _ => {
                    for _ in 0..=self.dice.below(4) {
                        let at = self.dice.below(frame.len());
                        frame[at] ^= 1 << self.dice.below(8);
                    }
                }
            }
        }
        let sender =
            GuestKey { lan: 0, vlan, mac: MacAddr(*frame[6..].first_chunk().expect("a frame has an Ethernet header")) };
        self.lab.frame_in(vlan, &frame, VnetHeader::default());
        let out = self.lab.internet();
        assert!(out.len() <= 1, "one packet became {out:?}");
        for seen in &out {
            self.judge_up(sender, seen);
        }
        let session = self.session(key, source);
        let must_pass =
            plain && session.is_some_and(|s| s.grant.rate_up == Rate::UNLIMITED && s.grant.quota == Quota::default());
        if must_pass && *to.ip() == HOST {
            assert!(out.len() == 1 && out[0].l3 == l3, "a paid packet to {to} did not pass: {out:?}");
        }
    }

    /// The heart of it: a packet has left. Was it allowed to?
    fn judge_up(&mut self, sender: GuestKey, seen: &Seen) {
        if seen.ip.destination == GATEWAY {
            let fine = match seen.ip.transport {
                Transport::Tcp { destination, .. } => destination == PORTAL_PORT,
                Transport::Icmp { kind, .. } => kind == 8,
                _ => false,
            };
            assert!(fine, "{sender} reached the gateway itself with {seen:?}");
            assert_eq!(self.leases.get(&sender).map(|lease| lease.0), Some(seen.ip.source), "{sender}, {seen:?}");
            return;
        }
        let now = self.lab.now();
        let garden = seen.ip.destination == GARDEN;
        let octets = u64::from(seen.ip.total_len);
        let online = self.online.values_mut().find(|s| s.key == sender && s.address == seen.ip.source);
        let Some(session) = online.filter(|_| !(garden && used_up(&self.lab, sender))) else {
            assert!(garden, "{sender} has no grant, but {seen:?} got out");
            assert_eq!(self.leases.get(&sender).map(|lease| lease.0), Some(seen.ip.source), "{sender}, {seen:?}");
            return;
        };
        // The packet path notes whole seconds, to the guest's favour.
        let favour = Duration::from_secs(now.mono.as_secs() + 1) - now.mono;
        session.silent_since = now.unix + favour;
        session.passed[0] += 1;
        session.passed[1] += octets;
        session.octets_left();
        self.forwarded += 1;
    }

    fn packet_down(&mut self) {
        let station = self.station();
        let address = self.believed(station);
        let from = self.far_end();
        let to = SocketAddrV4::new(address, 1024 + self.dice.below(200) as u16);
        let l3 = self.some_packet(from, to);
        self.empty_inboxes();
        self.lab.answer(&l3);
        self.judge_down();
    }

    /// Whatever is there, such as our own refusals, is not what comes next.
    fn empty_inboxes(&mut self) {
        for station in self.stations.clone() {
            station.frames(&mut self.lab);
        }
    }

    /// Packets have arrived. Were they allowed to?
    fn judge_down(&mut self) {
        for station in self.stations.clone() {
            for seen in station.receives(&mut self.lab) {
                let key = station.key(&self.lab);
                let address = seen.ip.destination;
                assert_eq!(self.leases.get(&key).map(|lease| lease.0), Some(address), "{key} received {seen:?}");
                if seen.ip.source == GATEWAY {
                    continue;
                }
                let session = self.online.values_mut().find(|session| session.key == key);
                let garden = seen.ip.source == GARDEN;
                let Some(session) = session.filter(|_| !(garden && used_up(&self.lab, key))) else {
                    assert_eq!(seen.ip.source, GARDEN, "{key} has no grant, but received {seen:?}");
                    continue;
                };
                session.passed[2] += 1;
                session.passed[3] += u64::from(seen.ip.total_len);
                session.octets_left();
            }
        }
    }

    /// Packets that waited have left: only who is online had any.
    fn judge_departures(&mut self) {
        for seen in self.lab.internet() {
            let owner = self.online.values().find(|session| session.address == seen.ip.source);
            let key = owner.unwrap_or_else(|| panic!("nobody has a grant, but {seen:?} got out")).key;
            self.judge_up(key, &seen);
        }
        self.judge_down();
    }

    fn gets_or_renews(&mut self) {
        let station = self.station();
        let key = station.key(&self.lab);
        let said = match self.leases.get(&key).copied() {
            Some(_) if self.dice.one_in(2) => station.renew(&mut self.lab),
            _ if self.dice.one_in(2) => {
                let address = Ipv4Addr::new(10, 1, 0, 50 + self.dice.below(9) as u8);
                station.asks_again_for(&mut self.lab, address)
            }
            _ => station.try_dhcp(&mut self.lab).map(Offer::Address),
        };
        if let Some(Offer::Address(address)) = said {
            let taken = self.leases.iter().find(|(other, lease)| **other != key && lease.0 == address);
            assert_eq!(taken, None, "{address} was lent to {key}, but it is another's");
            let before = self.leases.insert(key, (address, self.lab.now().unix + LEASE));
            assert!(before.is_none_or(|(before, _)| before == address), "{key} has two addresses");
        }
    }

    fn gives_back(&mut self) {
        let station = self.station();
        let key = station.key(&self.lab);
        if self.leases.remove(&key).is_some() {
            if self.dice.one_in(4) {
                station.decline(&mut self.lab)
            } else {
                station.release(&mut self.lab)
            }
            self.end_sessions(|session| session.key == key);
        }
    }

    fn begins_login(&mut self) {
        let station = self.station();
        if self.leases.contains_key(&station.key(&self.lab))
            && let Ok(attempt) = self.lab.begin_login(station)
        {
            assert!(self.session(attempt.key, attempt.address).is_none(), "{attempt:?} was online");
            self.attempts.push(attempt);
        }
    }

    fn login_is_answered(&mut self) {
        if self.attempts.is_empty() {
            return;
        }
        let at = self.dice.below(self.attempts.len());
        let attempt = self.attempts.swap_remove(at);
        let seconds = |dice: &mut Dice| (!dice.one_in(3)).then(|| Duration::from_secs(1 + dice.below(200) as u64));
        let mut octets = || self.dice.one_in(6).then(|| 1 + self.dice.below(3000) as u64);
        let quota = Quota { octets_up: octets(), octets_down: octets(), octets_total: octets() };
        let rate = if self.dice.one_in(3) { Rate::bits_per_second(8000) } else { Rate::UNLIMITED };
        let grant = Grant {
            session_timeout: seconds(&mut self.dice),
            idle_timeout: seconds(&mut self.dice),
            interim: seconds(&mut self.dice),
            rate_up: rate,
            rate_down: rate,
            quota,
            ..Grant::default()
        };
        let entered = self.lab.finish_login(&attempt, "somebody", grant.clone());
        let has_lease = self.leases.get(&attempt.key).is_some_and(|lease| lease.0 == attempt.address);
        let was_online = self.session(attempt.key, attempt.address).is_some();
        assert!(!entered || has_lease && !was_online, "{attempt:?} was let in too late");
        if entered {
            let Attempt { key, address, session_id, .. } = attempt;
            let began = self.lab.now().unix;
            let session = Session { key, address, grant, began, silent_since: began, passed: [0; 4] };
            assert!(self.online.insert(session_id, session).is_none(), "a name is used twice");
        }
    }

    fn is_kicked(&mut self) {
        let station = self.station();
        let key = station.key(&self.lab);
        let ended = self.lab.end_session(station, Cause::AdminReset);
        assert_eq!(ended, self.end_sessions(|session| session.key == key) == 1);
    }

    fn restart(&mut self) {
        self.lab.restart();
        self.end_sessions(|_| true);
        self.attempts.clear();
        let now = self.lab.now().unix;
        self.leases.retain(|_, (_, end)| *end > now);
    }

    /// What was not written down is forgotten; whoever was online is so still, if the gateway was not gone for long.
    fn crash(&mut self) {
        let kept = self.stations.iter().filter_map(|station| self.lab.kept(*station));
        let kept: BTreeMap<String, Usage> = kept.map(|kept| (kept.id.clone(), kept.used)).collect();
        let pause = Duration::from_secs(self.dice.below(400) as u64);
        self.lab.crash(Some(pause));
        self.attempts.clear();
        // Whose last record was not made yet is as before it ended; no other one's is missing.
        let unsettled: Vec<String> = self.ended.keys().filter(|id| kept.contains_key(*id)).cloned().collect();
        for id in unsettled {
            self.online.extend(self.ended.remove_entry(&id));
        }
        assert!(self.ended.is_empty(), "sessions without a last record");
        let now = self.lab.now();
        self.leases.retain(|_, (_, end)| *end > now.unix);
        let longest = Setup::default().longest_outage;
        let mut over = Vec::new();
        for (id, session) in &mut self.online {
            let Usage { octets_up, octets_down, packets_up, packets_down } = kept[id];
            session.passed = [packets_up, octets_up, packets_down, octets_down];
            session.silent_since = now.unix;
            let guest = self.lab.engine.guest_at(now, session.address).filter(|guest| guest.key == session.key);
            let goes_on = guest.and_then(|guest| guest.session).is_some_and(|session| session.id == *id);
            let may = self.leases.contains_key(&session.key) && session.end() > now.unix;
            assert!(!goes_on || may && pause < longest, "{id} came back");
            assert!(goes_on || !may || pause + KEEP_EVERY >= longest, "{id} did not come back");
            if !goes_on {
                over.push(id.clone());
            }
        }
        for id in over {
            self.ended.extend(self.online.remove_entry(&id));
        }
    }

    fn time_passes(&mut self) {
        let longest = *self.dice.pick(&[10, 1000, 10_000, 100_000]);
        let end = self.lab.now().plus(Duration::from_millis(self.dice.below(longest) as u64));
        self.empty_inboxes();
        // From one departure to the next, because a session lives by the last one.
        while let Some(due) = self.lab.next_departure().filter(|due| *due < end.mono) {
            self.lab.advance(due.saturating_sub(self.lab.now().mono));
            self.judge_departures();
        }
        self.lab.advance(end.mono - self.lab.now().mono);
        self.judge_departures();
        let now = self.lab.now();
        self.leases.retain(|_, (_, end)| *end > now.unix);
        let keys: Vec<GuestKey> = self.leases.keys().copied().collect();
        let online = |key| self.lab.engine.guests(now).any(|guest| guest.key == key && guest.session.is_some());
        let used_up = |session: &Session| session.octets_left() < LARGEST && !online(session.key);
        let used_up: Vec<GuestKey> = self.online.values().filter(|s| used_up(s)).map(|s| s.key).collect();
        self.end_sessions(|s| s.end() <= now.unix || !keys.contains(&s.key) || used_up.contains(&s.key));
        for (id, session) in &self.online {
            let view = self.lab.engine.guest_at(now, session.address).and_then(|guest| guest.session);
            assert_eq!(view.as_ref().map(|view| &view.id), Some(id), "a session ended for no reason");
        }
    }

    fn session(&self, key: GuestKey, address: Ipv4Addr) -> Option<&Session> {
        self.online.values().find(|session| session.key == key && session.address == address)
    }

    fn end_sessions(&mut self, which: impl Fn(&Session) -> bool) -> usize {
        let over = self.online.extract_if(.., |_, session| which(session)).collect::<Vec<_>>();
        let count = over.len();
        self.ended.extend(over);
        count
    }

    /// Each last record is of a session that has ended, once, and says what passed.
    fn settle_records(&mut self) {
        for Record { status, session_id, usage, .. } in self.lab.records() {
            if let Status::Stop(_) = status {
                let session = self.ended.remove(&session_id).unwrap_or_else(|| panic!("{session_id} has not ended"));
                let counted = [usage.packets_up, usage.octets_up, usage.packets_down, usage.octets_down];
                assert_eq!(counted, session.passed, "{session_id}");
            }
        }
    }
}

/// The guest is offline, for its octets are used up: what the garden gets is on nobody's account.
fn used_up(lab: &Lab, key: GuestKey) -> bool {
    lab.plane.table.by_key(key).is_some_and(|guest| guest.used_up)
}

fn run(seed: u64, steps: usize) {
    eprintln!("seed {seed}"); // a test that passes does not show it
    let mut model = Model::new(seed);
    for step in 0..steps {
        model.step();
        if step % 256 == 0 {
            model.lab.assert_every_packet_was_counted_once();
        }
    }
    model.lab.assert_every_packet_was_counted_once();
    model.lab.stop();
    model.end_sessions(|_| true);
    model.settle_records();
    assert!(model.ended.is_empty(), "sessions without a last record");
    assert!(model.forwarded > 0, "a run in which nobody got out shows nothing");
}

#[test]
fn nothing_gets_out_or_in_without_a_grant_whatever_happens_in_whatever_order() {
    for seed in 1..=20 {
        run(seed, 20_000);
    }
}
