//! A guest whose octets are counted down: what still passes, what becomes of the rest, and what is accounted.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::session::{Cause, Grant, Quota, Record, Status};
use fastpath::pacer::Pacer;
use fastpath::pipeline::Action;
use fastpath::police::Rate;
use fastpath::port::{HEADROOM, Packet};
use testkit::packet::{super_packet, udp};
use testkit::{Guest, Lab, Setup};
use wire::frame::ethertype;

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);
const WEB: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 80);
const SECOND: Duration = Duration::from_secs(1);
/// UDP payload of a packet of 1000 IP octets.
const KILO: [u8; 972] = [0; 972];

fn lab_with_phone(quota: Quota) -> (Lab, Guest) {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    lab.login(phone, Grant { quota, ..Grant::default() });
    (lab, phone)
}

fn octets_left(lab: &Lab, phone: Guest) -> Option<u64> {
    lab.view(phone).and_then(|view| view.session).expect("it is online").octets_left
}

/// Offers this many packets of 1000 octets each way in turn; returns how many passed up and down.
fn offer(lab: &mut Lab, phone: Guest, up: usize, down: usize) -> (usize, usize) {
    let here = phone.socket(lab, 40_000);
    lab.internet();
    phone.receives(lab);
    for n in 0..up.max(down) {
        if n < up {
            phone.sends(lab, &udp(here, HOST, &KILO));
        }
        if n < down {
            lab.answer(&udp(HOST, here, &KILO));
        }
    }
    let from_host = phone.receives(lab).iter().filter(|seen| seen.from() == HOST).count();
    (lab.internet().len(), from_host)
}

fn last_record(lab: &mut Lab) -> Record {
    lab.records().pop().expect("there is one")
}

#[test]
fn a_quota_passes_to_the_octet_and_then_the_guest_is_offline_both_ways() {
    for (quota, passed) in [
        (Quota { octets_up: Some(10_000), ..Quota::default() }, (10, 10)),
        (Quota { octets_up: Some(10_999), ..Quota::default() }, (10, 10)),
        (Quota { octets_down: Some(10_000), ..Quota::default() }, (11, 10)),
        (Quota { octets_total: Some(10_000), ..Quota::default() }, (5, 5)),
        (Quota { octets_total: Some(9_999), ..Quota::default() }, (5, 4)),
        (Quota { octets_up: Some(7_000), octets_down: Some(3_000), octets_total: Some(90_000) }, (4, 3)),
    ] {
        let (mut lab, phone) = lab_with_phone(quota);
        assert_eq!(offer(&mut lab, phone, 20, 20), passed, "{quota:?}");
        assert_eq!(lab.counted_up("drop_quota_exceeded") + lab.counted_down("drop_quota_exceeded"), 1, "{quota:?}");
        // Offline at once, although the engine has not been called: refused, and http is led to the portal.
        phone.connects(&mut lab, 40_001, HOST);
        assert!(phone.receives(&mut lab)[0].is_reset());
        phone.connects(&mut lab, 40_002, WEB);
        assert_eq!(lab.counted_up("redirect"), 1, "{quota:?}");
        lab.advance(SECOND + SECOND / 10);
        let stop = last_record(&mut lab);
        assert_eq!(stop.status, Status::Stop(Cause::QuotaUsedUp), "{quota:?}");
        let (up, down) = (passed.0 as u64 * 1000, passed.1 as u64 * 1000);
        assert_eq!((stop.usage.octets_up, stop.usage.octets_down), (up, down), "{quota:?}");
        assert!(stop.duration <= SECOND);
        lab.assert_every_packet_was_counted_once();
    }
}

#[test]
fn when_a_large_packet_did_not_fit_a_small_one_does_not_pass_either() {
    let (mut lab, phone) = lab_with_phone(Quota { octets_down: Some(100_000), ..Quota::default() });
    let here = phone.socket(&lab, 40_000);
    let (l3, vnet) = super_packet(HOST, here, 60_000, 1460);
    lab.packet_in(&l3, vnet);
    assert_eq!(phone.receives(&mut lab).len(), 1);
    lab.packet_in(&l3, vnet);
    lab.answer(&udp(HOST, here, b"small"));
    assert!(phone.receives(&mut lab).is_empty());
    lab.advance(2 * SECOND);
    // A super-packet counts as its 42 segments, with the headers of each.
    assert_eq!(last_record(&mut lab).usage.octets_down, 60_000 + 42 * 40);
}

#[test]
fn the_guest_reads_what_is_left_and_has_all_of_it_after_a_new_login() {
    let quota = Quota { octets_up: Some(50_000), octets_total: Some(20_000), ..Quota::default() };
    let (mut lab, phone) = lab_with_phone(quota);
    for _ in 0..3 {
        assert_eq!(octets_left(&lab, phone), Some(20_000));
        assert_eq!(offer(&mut lab, phone, 7, 4), (7, 4));
        assert_eq!(octets_left(&lab, phone), Some(9_000));
        assert_eq!(offer(&mut lab, phone, 9, 0), (9, 0));
        lab.advance(2 * SECOND);
        let stop = last_record(&mut lab);
        assert_eq!(stop.status, Status::Stop(Cause::QuotaUsedUp), "nothing was refused, but nothing is left");
        assert_eq!((stop.usage.octets_up, stop.usage.octets_down), (16_000, 4_000));
        lab.login(phone, Grant { quota, ..Grant::default() });
    }
    let (lab, phone) = lab_with_phone(Quota::default());
    assert_eq!(octets_left(&lab, phone), None);
}

#[test]
fn the_session_ends_within_a_second_however_long_the_quota_lasted() {
    let (mut lab, phone) = lab_with_phone(Quota::default());
    lab.end_session(phone, Cause::UserRequest);
    let rate_down = Rate::bits_per_second(1_000_000);
    let quota = Quota { octets_down: Some(2_000_000), ..Quota::default() };
    lab.login(phone, Grant { rate_down, quota, ..Grant::default() });
    let here = phone.socket(&lab, 40_000);
    let (login, packet) = (lab.now().mono, udp(HOST, here, &KILO));
    while lab.view(phone).and_then(|view| view.session).is_some_and(|session| session.octets_left != Some(0)) {
        lab.advance(Duration::from_millis(5));
        lab.answer(&packet);
        phone.frames(&mut lab);
    }
    let used_up = lab.now().mono;
    assert!(used_up - login > 14 * SECOND, "at its rate it takes that long");
    lab.advance(2 * SECOND);
    let stop = last_record(&mut lab);
    assert_eq!((stop.status, stop.usage.octets_down), (Status::Stop(Cause::QuotaUsedUp), 2_000_000));
    assert!(stop.at.mono - used_up <= SECOND, "it ended {:?} later", stop.at.mono - used_up);
}

#[test]
fn two_threads_that_race_for_the_last_octets_get_a_packet_more_at_most() {
    for _ in 0..200 {
        let (lab, phone) = lab_with_phone(Quota { octets_total: Some(50_500), ..Quota::default() });
        let (here, key, now) = (phone.socket(&lab, 40_000), phone.key(&lab), lab.now().mono);
        let (plane, both_are_here) = (&lab.plane, std::sync::Barrier::new(2));
        let send = |l3: &[u8], up: bool| {
            let mut packet = Packet::new();
            both_are_here.wait();
            (0..60)
                .filter(|_| {
                    packet.memory_mut()[HEADROOM..][..l3.len()].copy_from_slice(l3);
                    packet.set_l3_len(l3.len());
                    packet.set_link(testkit::GATEWAY_MAC, key.mac, ethertype::IPV4);
                    let pacer = &mut Pacer::new(0);
                    let action = if up {
                        plane.from_guest(&mut packet, now, pacer)
                    } else {
                        plane.to_guest(&mut packet, now, pacer)
                    };
                    matches!(action, Action::Send)
                })
                .count()
        };
        let passed: usize = std::thread::scope(|scope| {
            let up = scope.spawn(|| send(&udp(here, HOST, &KILO), true));
            let down = scope.spawn(|| send(&udp(HOST, here, &KILO), false));
            up.join().expect("no panic") + down.join().expect("no panic")
        });
        assert!((50..=51).contains(&passed), "{passed}");
    }
}
