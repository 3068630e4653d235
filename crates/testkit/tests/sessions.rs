//! A guest who logs in: what passes then, how long, how fast, and what the accounting server is told.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::gateway::LoginRefusal;
use engine::session::{Cause, Grant, Personal, Record, Status};
use fastpath::pacer::Pacer;
use fastpath::police::Rate;
use fastpath::session::Usage;
use testkit::packet::{make_fragment, super_packet, tcp, udp};
use testkit::{GATEWAY, Guest, Lab, Setup};
use wire::frame::tcp_flags;

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);
const SECOND: Duration = Duration::from_secs(1);

fn lab_with_phone() -> (Lab, Guest) {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    phone.receives(&mut lab);
    (lab, phone)
}

/// The gateway's records until all is settled: the last one of a session comes a moment after its end.
fn settled(lab: &mut Lab) -> Vec<Record> {
    lab.advance(SECOND);
    lab.records()
}

fn statuses(records: &[Record]) -> Vec<Status> {
    records.iter().map(|record| record.status).collect()
}

#[test]
fn after_login_what_was_refused_passes_both_ways() {
    let (mut lab, phone) = lab_with_phone();
    lab.login(phone, Grant::default());
    let here = phone.socket(&lab, 40_000);
    let mut fragment = udp(here, HOST, &[0; 64]);
    make_fragment(&mut fragment, 0, true);
    let dns = SocketAddrV4::new(*HOST.ip(), 53);
    let http = SocketAddrV4::new(*HOST.ip(), 80);
    let packets = [
        tcp(here, HOST, tcp_flags::SYN, b""),
        tcp(here, http, tcp_flags::SYN, b""),
        udp(here, HOST, b"quic"),
        udp(here, dns, b"to a resolver of its own"),
        fragment,
    ];
    for l3 in &packets {
        phone.sends(&mut lab, l3);
    }
    let out = lab.internet();
    assert_eq!(out.iter().map(|seen| &seen.l3).collect::<Vec<_>>(), packets.iter().collect::<Vec<_>>(), "unchanged");
    for seen in &out[..4] {
        lab.answer(&seen.answered(b"an answer"));
    }
    assert_eq!(phone.receives(&mut lab).len(), 4);
    assert_eq!((lab.counted_up("forward"), lab.counted_down("forward")), (5, 4));
    // The gateway's own names and the other guests are as before.
    phone.connects(&mut lab, 40_001, SocketAddrV4::new(GATEWAY, 22));
    phone.connects(&mut lab, 40_001, SocketAddrV4::new(Ipv4Addr::new(10, 1, 0, 99), 443));
    assert!(phone.receives(&mut lab).iter().all(|seen| seen.is_reset()));
    assert!(lab.internet().is_empty());
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn a_session_is_accounted_from_start_to_stop_to_the_octet() {
    let (mut lab, phone) = lab_with_phone();
    // What was sent before login is on nobody's account.
    phone.connects(&mut lab, 40_000, HOST);
    let grant = Grant {
        personal: Personal { class: vec![b"class".to_vec()], cui: Some(b"cui".to_vec()), user: Some("billed".into()) }
            .boxed(),
        ..Grant::default()
    };
    lab.login(phone, grant);
    let here = phone.socket(&lab, 40_000);
    for len in [0, 1, 100, 1460] {
        phone.sends(&mut lab, &tcp(here, HOST, tcp_flags::ACK, &vec![1; len]));
    }
    for len in [0, 1400] {
        lab.answer(&tcp(HOST, here, tcp_flags::ACK, &vec![2; len]));
    }
    // Refused, redirected and the gateway's own packets are nobody's either.
    phone.pings(&mut lab, GATEWAY);
    phone.connects(&mut lab, 40_001, SocketAddrV4::new(Ipv4Addr::new(10, 1, 0, 99), 443));
    phone.renew(&mut lab);
    lab.advance(Duration::from_secs(90));
    assert!(lab.end_session(phone, Cause::UserRequest));
    assert!(!lab.end_session(phone, Cause::UserRequest), "it has ended already");

    let records = settled(&mut lab);
    assert_eq!(statuses(&records), [Status::Start, Status::Stop(Cause::UserRequest)]);
    let [start, stop] = &records[..] else { panic!("{records:?}") };
    assert_eq!(start.usage, Usage::default());
    assert_eq!(
        stop.usage,
        Usage { octets_up: 4 * 40 + 1561, octets_down: 2 * 40 + 1400, packets_up: 4, packets_down: 2 }
    );
    assert_eq!(stop.duration, Duration::from_secs(90));
    for record in &records {
        assert_eq!((record.user.as_str(), record.key, record.address), ("billed", phone.key(&lab), *here.ip()));
        assert_eq!((&record.session_id, &record.class[..]), (&start.session_id, &[b"class".to_vec()][..]));
        assert_eq!(record.cui.as_deref(), Some(&b"cui"[..]));
    }
    phone.receives(&mut lab);
    phone.connects(&mut lab, 40_002, HOST);
    assert!(phone.receives(&mut lab)[0].is_reset(), "offline again");
}

#[test]
fn super_packets_are_accounted_as_the_packets_on_the_guests_wire() {
    let (mut lab, phone) = lab_with_phone();
    lab.login(phone, Grant::default());
    let here = phone.socket(&lab, 40_000);
    let (up, vnet_up) = super_packet(here, HOST, 10_000, 1460);
    phone.sends_super(&mut lab, &up, vnet_up);
    let (down, vnet_down) = super_packet(HOST, here, 64_000, 1400);
    lab.packet_in(&down, vnet_down);
    assert_eq!(lab.internet()[0].vnet, vnet_up, "the kernel gets it whole");
    assert_eq!(phone.receives(&mut lab)[0].l3.len(), 64_040);
    let usage = lab.view(phone).and_then(|view| view.session).expect("it is online").usage;
    let expected = Usage { octets_up: 10_000 + 7 * 40, octets_down: 64_000 + 46 * 40, packets_up: 7, packets_down: 46 };
    assert_eq!(usage, expected);
    assert_eq!(lab.counted_up("forward"), 1, "but the gateway's own counters count what it handled");
}

#[test]
fn granted_time_ends_at_its_end_and_not_before() {
    let (mut lab, phone) = lab_with_phone();
    lab.login(phone, Grant { session_timeout: Some(Duration::from_secs(60)), ..Grant::default() });
    lab.advance(Duration::from_millis(59_999));
    phone.connects(&mut lab, 40_000, HOST);
    assert_eq!(lab.internet().len(), 1);
    lab.advance(Duration::from_millis(1));
    phone.connects(&mut lab, 40_000, HOST);
    assert!(lab.internet().is_empty());
    let records = settled(&mut lab);
    assert_eq!(statuses(&records), [Status::Start, Status::Stop(Cause::SessionTimeout)]);
    assert_eq!(records[1].duration, Duration::from_secs(60));
    assert_eq!(records[1].usage.packets_up, 1);
}

#[test]
fn granted_time_ends_even_if_the_control_thread_hangs() {
    let (mut lab, phone) = lab_with_phone();
    lab.login(phone, Grant { session_timeout: Some(Duration::from_secs(60)), ..Grant::default() });
    let (l3, later) = (tcp(phone.socket(&lab, 1), HOST, tcp_flags::SYN, b""), lab.now().mono + Duration::from_secs(62));
    let mut packet = fastpath::port::Packet::new();
    packet.memory_mut()[fastpath::port::HEADROOM..][..l3.len()].copy_from_slice(&l3);
    packet.set_l3_len(l3.len());
    packet.set_link(testkit::GATEWAY_MAC, phone.key(&lab).mac, 0x0800);
    // Nobody called the engine in between.
    assert!(!matches!(lab.plane.from_guest(&mut packet, later, &mut Pacer::new(0)), fastpath::pipeline::Action::Send));
}

#[test]
fn a_silent_guest_is_idle_and_a_talking_one_is_not() {
    let (mut lab, phone) = lab_with_phone();
    lab.login(phone, Grant { idle_timeout: Some(Duration::from_secs(300)), ..Grant::default() });
    for _ in 0..10 {
        lab.advance(Duration::from_secs(299));
        phone.connects(&mut lab, 40_000, HOST);
        phone.renew(&mut lab);
    }
    assert!(lab.is_online(phone));
    // Packets for it, refused ones, and its DHCP do not keep it.
    for _ in 0..4 {
        lab.advance(Duration::from_secs(60));
        lab.answer(&udp(HOST, phone.socket(&lab, 40_000), b"are you there"));
        phone.connects(&mut lab, 40_000, SocketAddrV4::new(Ipv4Addr::new(10, 1, 0, 99), 443));
        phone.renew(&mut lab);
    }
    lab.advance(Duration::from_secs(59));
    assert!(lab.is_online(phone));
    lab.advance(Duration::from_secs(2));
    assert!(!lab.is_online(phone));
    let records = settled(&mut lab);
    assert_eq!(statuses(&records), [Status::Start, Status::Stop(Cause::IdleTimeout)]);
}

#[test]
fn a_guest_that_renews_its_lease_is_not_idle_if_that_counts() {
    let mut setup = Setup::default();
    setup.dhcp.renewal_is_activity = true;
    let mut lab = Lab::new(setup);
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    lab.login(phone, Grant { idle_timeout: Some(Duration::from_secs(300)), ..Grant::default() });
    for _ in 0..4 {
        lab.advance(Duration::from_secs(299));
        phone.renew(&mut lab);
    }
    assert!(lab.is_online(phone));
    lab.advance(Duration::from_secs(302));
    assert!(!lab.is_online(phone));
}

#[test]
fn interim_records_come_at_their_interval_with_the_usage_so_far() {
    let (mut lab, phone) = lab_with_phone();
    lab.login(phone, Grant { interim: Some(Duration::from_secs(60)), ..Grant::default() });
    let began = lab.now();
    for _ in 0..6 {
        lab.advance(Duration::from_secs(30));
        phone.connects(&mut lab, 40_000, HOST);
        phone.renew(&mut lab);
    }
    lab.end_session(phone, Cause::AdminReset);
    let records = settled(&mut lab);
    let expected = [Status::Start, Status::Interim, Status::Interim, Status::Interim, Status::Stop(Cause::AdminReset)];
    assert_eq!(statuses(&records), expected);
    let first = records[1].duration;
    assert!(first > 30 * SECOND && first <= 60 * SECOND, "{first:?}");
    for (n, record) in records[1..4].iter().enumerate() {
        let n = n as u32;
        let due = first + n * 60 * SECOND;
        assert_eq!((record.at, record.duration), (began.plus(due), due));
        assert_eq!(record.usage.packets_up, u64::from(n) * 2 + 1, "of the packets each half minute");
    }
    assert_eq!(records[4].usage.packets_up, 6);
    lab.advance(Duration::from_secs(600));
    assert!(lab.records().is_empty());
}

#[test]
fn guests_who_log_in_together_do_not_all_report_in_one_second() {
    let mut lab = Lab::new(Setup::default());
    for n in 1..=100 {
        let phone = lab.guest(&format!("phone {n}"));
        phone.dhcp(&mut lab);
        lab.login(phone, Grant { interim: Some(Duration::from_secs(600)), ..Grant::default() });
    }
    lab.records();
    let began = lab.now();
    let mut busiest = 0;
    for _ in 0..600 {
        lab.advance(SECOND);
        busiest = busiest.max(lab.records().iter().filter(|record| record.status == Status::Interim).count());
    }
    assert!(lab.now() == began.plus(600 * SECOND) && (1..=5).contains(&busiest), "{busiest}");
}

/// Octets that pass of a sender who offers far too much for so many seconds.
fn greedy(lab: &mut Lab, phone: Guest, secs: u64) -> (u64, u64) {
    let here = phone.socket(lab, 40_000);
    let (up, down) = (udp(here, HOST, &[0; 1222]), udp(HOST, here, &[0; 1222]));
    let before = lab.view(phone).and_then(|view| view.session).expect("it is online").usage;
    for _ in 0..secs * 500 {
        lab.advance(Duration::from_millis(2));
        for _ in 0..2 {
            phone.sends(lab, &up);
            lab.answer(&down);
        }
        lab.internet();
        phone.frames(lab);
    }
    let used = lab.view(phone).and_then(|view| view.session).expect("it is online").usage - before;
    (used.octets_up, used.octets_down)
}

#[test]
fn each_direction_is_held_to_its_own_rate_and_the_excess_is_counted_as_such() {
    let (mut lab, phone) = lab_with_phone();
    let grant = Grant {
        rate_up: Rate::bits_per_second(1_000_000),
        rate_down: Rate::bits_per_second(4_000_000),
        ..Grant::default()
    };
    lab.login(phone, grant);
    greedy(&mut lab, phone, 2); // as much as may waits now
    let (up, down) = greedy(&mut lab, phone, 10);
    let within = |octets: u64, rate: u64| (rate * 98 / 100..=rate * 102 / 100).contains(&(octets * 8 / 10));
    assert!(within(up, 1_000_000), "{up} octets up in ten seconds");
    assert!(within(down, 4_000_000), "{down} octets down in ten seconds");
    lab.advance(SECOND); // until none waits
    let sent = 12 * 1000;
    assert_eq!(lab.counted_up("forward") + lab.counted_up("drop_rate_exceeded"), sent);
    assert_eq!(lab.counted_down("forward") + lab.counted_down("drop_rate_exceeded"), sent);
    lab.end_session(phone, Cause::UserRequest);
    let stop = settled(&mut lab).pop().unwrap();
    assert_eq!(stop.usage.octets_up, 1250 * stop.usage.packets_up, "what was dropped is not paid for");
    assert_eq!(stop.usage.packets_up, lab.counted_up("forward"));
    assert_eq!(stop.usage.packets_down, lab.counted_down("forward"));
}

#[test]
fn a_guest_that_buys_a_faster_plan_has_it_at_once() {
    let (mut lab, phone) = lab_with_phone();
    let slow = Rate::bits_per_second(64_000);
    lab.login(phone, Grant { rate_up: slow, rate_down: slow, ..Grant::default() });
    greedy(&mut lab, phone, 1); // as much waits as takes seconds at the slow rate
    lab.end_session(phone, Cause::UserRequest);
    let fast = Rate::bits_per_second(4_000_000);
    lab.login(phone, Grant { rate_up: fast, rate_down: fast, ..Grant::default() });
    let (up, down) = greedy(&mut lab, phone, 1);
    assert!(up * 8 > 3_500_000 && down * 8 > 3_500_000, "{up} octets up and {down} down in one second");
}

#[test]
fn what_is_sent_after_a_new_login_is_on_the_new_sessions_account_only() {
    let (mut lab, phone) = lab_with_phone();
    lab.login(phone, Grant::default());
    phone.connects(&mut lab, 40_000, HOST);
    lab.end_session(phone, Cause::UserRequest);
    // In again, before the last record of the first session is made.
    lab.login(phone, Grant::default());
    phone.connects(&mut lab, 40_000, HOST);
    phone.connects(&mut lab, 40_001, HOST);
    lab.advance(SECOND);
    lab.end_session(phone, Cause::UserRequest);
    let records = settled(&mut lab);
    let stops: Vec<_> = records.iter().filter(|record| matches!(record.status, Status::Stop(_))).collect();
    assert_eq!(stops.iter().map(|record| record.usage.packets_up).collect::<Vec<_>>(), [1, 2]);
    assert_ne!(stops[0].session_id, stops[1].session_id);
    let firsts = statuses(&records);
    assert_eq!(
        firsts[..2],
        [Status::Start, Status::Stop(Cause::UserRequest)],
        "the first ends before the second begins"
    );
}

#[test]
fn a_guest_that_mistypes_its_password_too_often_has_to_wait() {
    let (mut lab, phone) = lab_with_phone();
    for _ in 0..5 {
        assert!(lab.begin_login(phone).is_ok());
    }
    let Err(LoginRefusal::TooManyTries(wait)) = lab.begin_login(phone) else { panic!("a sixth try") };
    lab.advance(wait);
    assert!(lab.begin_login(phone).is_ok());
}

#[test]
fn a_guest_that_has_mistyped_its_password_too_often_is_let_in_at_the_desk() {
    let (mut lab, phone) = lab_with_phone();
    while lab.begin_login(phone).is_ok() {}
    let attempt = lab.begin_admission(phone).expect("an operator needs no try of the guest's");
    assert!(lab.finish_login(&attempt, "desk", Grant::default()));
    assert_eq!(lab.begin_admission(phone), Err(LoginRefusal::AlreadyOnline));
}

#[test]
fn a_login_is_answered_once_and_the_second_answer_changes_nothing() {
    let (mut lab, phone) = lab_with_phone();
    let attempts = [lab.begin_login(phone).unwrap(), lab.begin_login(phone).unwrap()];
    assert!(lab.finish_login(&attempts[0], "first", Grant::default()));
    assert!(!lab.finish_login(&attempts[1], "second", Grant::default()));
    assert_eq!(lab.begin_login(phone), Err(LoginRefusal::AlreadyOnline));
    let records = settled(&mut lab);
    assert_eq!(records.iter().map(|record| record.user.as_str()).collect::<Vec<_>>(), ["first"]);
}

#[test]
fn stopping_the_gateway_makes_a_last_record_of_each_session_with_all_its_packets() {
    let mut lab = Lab::new(Setup::default());
    let guests: Vec<Guest> = (0..20).map(|n| lab.guest(&format!("guest {n}"))).collect();
    for (n, guest) in guests.iter().enumerate() {
        guest.dhcp(&mut lab);
        lab.login(*guest, Grant::default());
        for port in 0..n {
            guest.connects(&mut lab, 40_000 + port as u16, HOST);
        }
    }
    lab.records();
    lab.stop();
    let mut stops = lab.records();
    stops.sort_by_key(|record| record.key);
    assert_eq!(stops.len(), 20);
    for (n, stop) in stops.iter().enumerate() {
        assert_eq!(stop.status, Status::Stop(Cause::AdminReboot));
        assert_eq!((stop.usage.packets_up, stop.usage.octets_up), (n as u64, n as u64 * 40));
    }
    lab.advance(SECOND);
    assert!(lab.records().is_empty(), "no session has two last records");
}

#[test]
fn after_a_restart_guests_keep_their_addresses_and_log_in_anew() {
    let (mut lab, phone) = lab_with_phone();
    let address = phone.address(&lab);
    lab.login(phone, Grant::default());
    lab.restart();
    assert_eq!(lab.view(phone).unwrap().address, address);
    assert!(!lab.is_online(phone));
    phone.connects(&mut lab, 40_000, HOST);
    assert!(lab.internet().is_empty());
    assert!(phone.receives(&mut lab)[0].is_reset(), "it is known, so it is told");
    lab.login(phone, Grant::default());
    phone.connects(&mut lab, 40_000, HOST);
    assert_eq!(lab.internet().len(), 1);
    assert_eq!(phone.renew(&mut lab), Some(testkit::Offer::Address(address)));
    assert!(lab.is_online(phone), "a renewal changes nothing");
    lab.restart();
    let late = Duration::from_secs(3600);
    lab.advance(late);
    assert!(lab.view(phone).is_none(), "a restored lease ends at its time");
    assert_eq!(lab.stored().count(), 0);
}
