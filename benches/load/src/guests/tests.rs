//! Guests at our own DHCP server, in a test tube; and at servers and routers as the test writes them.

use super::*;
use testkit::{Guest as Station, Lab, Setup};
use wire::Vlan;
use wire::frame::tcp_flags::{ACK, FIN, SYN};

const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 17), 80);
const PORTAL: &str = "http://10.0.0.1:3990/";

fn habits() -> Habits {
    Habits {
        probe: "http://198.51.100.17/hotspot".parse().unwrap(),
        portal: None,
        account: Account { name: "anne".into(), password: "secret".into() },
        seed: 1,
    }
}

fn work(job: Job, guests: Range<u32>) -> Work {
    Work { job, guests, times: 1, at_once: 8, per_second: None }
}

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Frames that the guests send when time has come.
fn poll(fleet: &mut Fleet, now: Duration) -> Vec<Vec<u8>> {
    let mut outbox = Outbox::default();
    fleet.poll(now, &mut outbox);
    outbox.frames().map(<[u8]>::to_vec).collect()
}

/// Frames with which the guests answer one.
fn hear(fleet: &mut Fleet, frame: &[u8], now: Duration) -> Vec<Vec<u8>> {
    let mut outbox = Outbox::default();
    fleet.handle_frame(frame, now, &mut outbox);
    outbox.frames().map(<[u8]>::to_vec).collect()
}

/// Guests with addresses behind a router whose station they know.
fn settled(count: u32) -> Fleet {
    let mut fleet = Fleet::new(count, habits());
    let [first, router] = [[10, 0, 1, 0], [10, 0, 0, 1]].map(Ipv4Addr::from);
    fleet.settle(first, router, None);
    let mut outbox = Outbox::default();
    fleet.look_for_router(at(0), &mut outbox);
    let asked = outbox.frames().next().map(|frame| Arp::parse(&frame[ETHERNET_LEN..]).unwrap()).unwrap();
    let reply = build::arp(asked.sender_mac, ROUTER, &asked.answer(ROUTER));
    assert!(hear(&mut fleet, &reply, at(0)).is_empty());
    assert!(fleet.knows_router());
    fleet
}

/// What a server says to a guest's segment.
fn tell(fleet: &mut Fleet, heard: &Segment<'_>, flags: u8, payload: &[u8], now: Duration) -> Vec<Vec<u8>> {
    let len = heard.payload.len() as u32 + u32::from(heard.flags & (SYN | FIN) != 0);
    let seq = if heard.flags & SYN != 0 { 5000 } else { heard.ack };
    let ack = heard.seq.wrapping_add(len);
    let segment = Segment { from: heard.to, to: heard.from, seq, ack, flags, payload };
    let mut frame = Vec::new();
    let [.., guest] = heard.from.ip().octets();
    segment.emit(&mut frame, ROUTER, mac_of(guest.into()));
    hear(fleet, &frame, now)
}

fn segment(frame: &[u8]) -> Segment<'_> {
    Segment::parse(&frame[ETHERNET_LEN..]).unwrap()
}

#[test]
fn every_guest_gets_a_lease_of_its_own_from_our_server() {
    let mut lab = Lab::new(Setup::default());
    let stations: Vec<Station> = (0..50).map(|n| lab.guest_as("simulated", Vlan::NONE, mac_of(n))).collect();
    let mut fleet = Fleet::new(50, habits());
    fleet.begin(&[work(Job::Lease, 0..50)]);
    for turn in 0..100 {
        let mut frames = poll(&mut fleet, at(turn));
        while let Some(frame) = frames.pop() {
            stations[0].sends_frame(&mut lab, &frame);
            for station in &stations {
                for heard in station.frames(&mut lab) {
                    frames.extend(hear(&mut fleet, &heard, at(turn)));
                }
            }
        }
    }
    assert!(fleet.is_done());
    let tally = fleet.finish().remove(0);
    assert_eq!((tally.begun, tally.done, tally.lost, tally.failures()), (50, 50, 0, 0));
    assert_eq!(fleet.leased(), 50);
    for (n, station) in stations.iter().enumerate() {
        let view = lab.view(*station).unwrap();
        assert_eq!(fleet.guests[n].address, view.address, "guest {n}");
    }
}

#[test]
fn a_silent_server_is_asked_again_and_then_given_up() {
    let mut fleet = Fleet::new(3, habits());
    fleet.begin(&[work(Job::Lease, 0..3)]);
    assert_eq!(poll(&mut fleet, at(0)).len(), 3);
    assert_eq!(poll(&mut fleet, at(900)).len(), 0);
    assert_eq!(poll(&mut fleet, at(1000)).len(), 3);
    assert_eq!(poll(&mut fleet, at(3000)).len(), 3);
    assert_eq!(poll(&mut fleet, at(7000)).len(), 0);
    assert!(fleet.is_done());
    let tally = fleet.finish().remove(0);
    assert_eq!((tally.done, tally.lost, tally.failed["no answer to a DHCP discover"]), (0, 3, 3));
}

#[test]
fn no_more_than_allowed_is_under_way_at_once() {
    let mut fleet = Fleet::new(100, habits());
    fleet.begin(&[Work { at_once: 7, ..work(Job::Lease, 10..100) }]);
    assert_eq!(poll(&mut fleet, at(0)).len(), 7);
    assert_eq!(poll(&mut fleet, at(1)).len(), 0);
    let tally = fleet.finish().remove(0);
    assert_eq!((tally.begun, tally.failed["the phase ended before"]), (7, 7));
}

#[test]
fn a_probe_is_counted_when_the_redirect_is_there_and_the_connection_ends_in_order() {
    let mut fleet = settled(1);
    fleet.begin(&[work(Job::Visit(Goal::Probe), 0..1)]);
    let syn = poll(&mut fleet, at(0));
    assert_eq!((segment(&syn[0]).to, segment(&syn[0]).flags), (SERVER, SYN));
    let request = tell(&mut fleet, &segment(&syn[0]), SYN | ACK, b"", at(10));
    let text = String::from_utf8_lossy(segment(&request[0]).payload).into_owned();
    assert!(text.starts_with("GET /hotspot HTTP/1.1\r\nHost: 198.51.100.17\r\n"), "{text}");
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {PORTAL}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert!(tell(&mut fleet, &segment(&request[0]), ACK, answer.as_bytes(), at(20)).is_empty());
    assert_eq!(fleet.score().0, 1);
    assert!(!fleet.is_done(), "the server has not closed yet");
    let (heard, octets) = (segment(&request[0]), answer.len() as u32);
    let fin = Segment {
        from: heard.to,
        to: heard.from,
        seq: heard.ack + octets,
        ack: heard.seq + text.len() as u32,
        flags: ACK | FIN,
        payload: b"",
    };
    let mut frame = Vec::new();
    fin.emit(&mut frame, ROUTER, mac_of(0));
    let last = hear(&mut fleet, &frame, at(25));
    assert_eq!((segment(&last[0]).flags, segment(&last[0]).ack), (FIN | ACK, fin.seq + 1));
    assert!(fleet.is_done());
    assert_eq!(fleet.finish().remove(0).latency.max(), Some(at(20)));
}

#[test]
fn a_login_begins_where_all_probes_were_led_to() {
    let mut fleet = settled(2);
    fleet.portal = Portal::Common(PORTAL.parse().unwrap());
    fleet.begin(&[work(Job::Visit(Goal::Login), 0..2)]);
    let syns = poll(&mut fleet, at(0));
    assert!(syns.iter().all(|frame| segment(frame).to.port() == 3990));
    let probe: Url = "http://198.51.100.17/".parse().unwrap();
    fleet.learn(&probe, Some("http://10.0.0.1:3990/?challenge=1"));
    assert_eq!(fleet.portal, Portal::Own, "then each guest has to be led there itself");
}

#[test]
fn a_connection_that_nobody_has_is_reset() {
    let mut fleet = settled(1);
    let stray = Segment {
        from: SERVER,
        to: SocketAddrV4::new(Ipv4Addr::new(10, 0, 1, 0), 40_000),
        seq: 1,
        ack: 77,
        flags: ACK,
        payload: b"late",
    };
    let mut frame = Vec::new();
    stray.emit(&mut frame, ROUTER, mac_of(0));
    let reset = hear(&mut fleet, &frame, at(0));
    assert_eq!((segment(&reset[0]).seq, segment(&reset[0]).to), (77, SERVER));
}

#[test]
fn guests_answer_for_their_own_addresses_only() {
    let mut fleet = settled(2);
    let ask = |target: [u8; 4]| build::arp(MacAddr::BROADCAST, ROUTER, &Arp::probe(ROUTER, target.into()));
    let answered = |fleet: &mut Fleet, target| {
        hear(fleet, &ask(target), at(0)).first().map(|frame| Arp::parse(&frame[ETHERNET_LEN..]).unwrap().sender_mac)
    };
    assert_eq!(answered(&mut fleet, [10, 0, 1, 1]), Some(mac_of(1)));
    assert_eq!(answered(&mut fleet, [10, 0, 0, 1]), None);
    assert_eq!(answered(&mut fleet, [10, 0, 1, 2]), None);
}

#[test]
fn an_echo_counts_for_the_guest_whose_it_is() {
    let mut fleet = settled(2);
    let mut outbox = Outbox::default();
    fleet.ask_for_echo(1, SERVER, at(10), &mut outbox);
    let sent = outbox.frames().next().map(<[u8]>::to_vec).unwrap();
    let datagram = UdpDatagram::parse(&sent, Checksum::Verify).unwrap();
    assert_eq!((datagram.eth_src, datagram.eth_dst), (mac_of(1), ROUTER));
    let mut back = Vec::new();
    build::udp4(&mut back, &datagram.answer(datagram.payload)).unwrap();
    hear(&mut fleet, &back, at(13));
    let strange = UdpDatagram { eth_dst: mac_of(0), ..datagram.answer(datagram.payload) };
    back.clear();
    build::udp4(&mut back, &strange).unwrap();
    hear(&mut fleet, &back, at(13));
    let echoes = fleet.echoes();
    assert_eq!((echoes.sent, echoes.back, echoes.latency.max()), (1, 1, Some(at(3))));
}

#[test]
fn noise_is_no_concern_of_the_guests() {
    let mut fleet = settled(2);
    fleet.begin(&[work(Job::Visit(Goal::Probe), 0..2)]);
    let mut frame = poll(&mut fleet, at(0)).remove(0);
    frame[..6].copy_from_slice(&mac_of(1).0);
    let mut dice = testkit::dice::Dice::new(7);
    for _ in 0..20_000 {
        let mut noise = frame.clone();
        for _ in 0..4 {
            let at = dice.below(noise.len());
            noise[at] = dice.roll() as u8;
        }
        noise.truncate(dice.below(frame.len() + 1));
        hear(&mut fleet, &noise, at(1));
    }
    assert_eq!(fleet.score().0, 0);
}

#[test]
fn a_guest_at_rest_costs_next_to_nothing() {
    assert_eq!(size_of::<Guest>(), 12);
}

#[test]
fn in_a_storm_devices_probe_at_their_pace_and_logins_go_on_and_each_has_its_own_count() {
    let mut fleet = settled(12);
    let probes = Work { times: 5, per_second: Some(100.0), ..work(Job::Visit(Goal::Probe), 0..10) };
    let logins = Work { per_second: Some(10.0), ..work(Job::Visit(Goal::Login), 10..12) };
    fleet.begin(&[Work { at_once: 1000, ..probes }, logins]);
    let asked: Vec<usize> = [0, 50, 100].map(|millis| poll(&mut fleet, at(millis)).len()).to_vec();
    assert_eq!(asked, [2, 5, 5], "one at the beginning, then ten in a tenth of a second; two logins");
    assert_eq!(fleet.score(), (0, 1), "the one whose second turn came before its first was answered");
    let tallies = fleet.finish();
    assert_eq!(tallies.iter().map(|tally| tally.begun).collect::<Vec<_>>(), [11, 2]);
    assert_eq!(tallies[0].failed["was still busy with the one before"], 1);
}
