//! Devices that come in by their MAC address, without the portal.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::devices;
use engine::dhcp::{Displaced, Wanted};
use engine::garden::Rule;
use engine::gateway::Attempt;
use engine::session::{Cause, Grant};
use fastpath::garden::Entry;
use testkit::{GATEWAY, Guest, Lab, Offer, Setup};
use wire::arp::Arp;
use wire::{MacAddr, Vlan};

const MINUTE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(600);
const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 443);

/// A gateway that asks about two devices in a second.
fn lab() -> Lab {
    let devices = devices::Config { per_sec: 2, again: AGAIN, ..devices::Config::default() };
    Lab::new(Setup { devices, ..Setup::default() })
}

fn printer(lab: &mut Lab) -> Guest {
    let printer = lab.guest("printer");
    printer.dhcp(lab);
    printer
}

/// The devices that were asked about since the last call.
fn asked(lab: &mut Lab) -> Vec<MacAddr> {
    lab.devices().iter().map(|attempt| attempt.key.mac).collect()
}

#[test]
fn a_device_is_asked_about_with_its_lease_and_waits_for_nobody() {
    let mut lab = lab();
    let printer = printer(&mut lab);
    let [attempt] = &lab.devices()[..] else { panic!("one question was expected") };
    assert_eq!((attempt.key, attempt.address), (printer.key(&lab), printer.address(&lab)), "and it has its address");
    assert!(!lab.is_online(printer));
    assert!(lab.finish_login(attempt, "02-00-01-00-00-01", Grant::default()));
    assert!(lab.is_online(printer));
    printer.renew(&mut lab);
    printer.asks_dns(&mut lab, GATEWAY, "example.org");
    lab.advance(AGAIN);
    assert_eq!(asked(&mut lab), [], "it is online");
}

#[test]
fn a_lease_waits_for_the_servers_word_if_it_shall_but_not_for_ever() {
    let devices = devices::Config { per_sec: 2, again: AGAIN, before_lease: true, ..devices::Config::default() };
    let mut lab = Lab::new(Setup { devices, ..Setup::default() });
    for case in ["may come in", "is refused", "nobody answers", "asks again"] {
        let printer = lab.guest(case);
        let Some(Offer::Address(offered)) = printer.discover(&mut lab) else { panic!("no offer") };
        assert_eq!(printer.request(&mut lab, offered), None, "{case}");
        printer.receives(&mut lab);
        let attempt = lab.devices().remove(0);
        match case {
            "may come in" => assert!(lab.finish_login(&attempt, "printer", Grant::default())),
            "is refused" => lab.refuse_device(&attempt),
            "nobody answers" => lab.advance(Duration::from_secs(5)),
            _ => {
                assert_eq!(printer.request(&mut lab, offered), Some(Offer::Address(offered)));
                continue;
            }
        }
        assert_eq!(printer.receives(&mut lab).len(), 1, "the ACK of one that {case}");
        assert_eq!(lab.is_online(printer), case == "may come in");
        lab.advance(MINUTE);
        assert_eq!(printer.receives(&mut lab).len(), 0, "once");
    }
}

/// A lab where leases wait for the server's word, with two addresses of a pool with a name, and a device that waits.
fn lab_with_waiting_printer() -> (Lab, Guest, Attempt) {
    let devices = devices::Config { per_sec: 2, again: AGAIN, before_lease: true, ..devices::Config::default() };
    let mut setup = Setup { devices, ..Setup::default() };
    setup.dhcp.pools.insert("machines".to_owned(), Ipv4Addr::new(10, 1, 2, 1)..=Ipv4Addr::new(10, 1, 2, 2));
    let mut lab = Lab::new(setup);
    let printer = lab.guest("printer");
    let Some(Offer::Address(offered)) = printer.discover(&mut lab) else { panic!("no offer") };
    assert_eq!(printer.request(&mut lab, offered), None);
    printer.receives(&mut lab);
    let attempt = lab.devices().remove(0);
    (lab, printer, attempt)
}

fn replaces(lab: &mut Lab, printer: Guest, attempt: &Attempt, wanted: &Wanted) -> Result<(), Displaced> {
    let grant = Grant::default();
    lab.tell(printer, |engine, now, _| engine.replace_lease(now, attempt, wanted, "printer", grant))
}

#[test]
fn a_device_whose_lease_waits_has_the_address_that_the_server_names_and_its_one_session_there() {
    for wanted in [Wanted::Address(Ipv4Addr::new(10, 1, 1, 77)), Wanted::Pool("machines".to_owned())] {
        let (mut lab, printer, attempt) = lab_with_waiting_printer();
        assert_eq!(replaces(&mut lab, printer, &attempt, &wanted), Ok(()));
        assert_eq!(printer.receives(&mut lab).len(), 1, "the NAK");
        assert!(lab.view(printer).is_none(), "it has no address");
        let address = printer.dhcp(&mut lab);
        match wanted {
            Wanted::Address(wanted) => assert_eq!(address, wanted),
            Wanted::Pool(_) => assert_eq!(address.octets()[..3], [10, 1, 2]),
        }
        assert!(lab.is_online(printer));
        assert_eq!(asked(&mut lab), [], "nobody is asked again");
        let records = lab.records();
        let [start] = &records[..] else { panic!("one record was expected: {records:?}") };
        assert_eq!((start.address, &start.session_id), (address, &attempt.session_id), "as the server was told");
        printer.renew(&mut lab);
        assert_eq!(lab.view(printer).map(|view| view.address), Some(address));
    }
}

#[test]
fn a_device_that_cannot_have_what_the_server_names_keeps_its_lease() {
    let (mut lab, printer, attempt) = lab_with_waiting_printer();
    let other = lab.guest("other");
    let Some(Offer::Address(taken)) = other.discover(&mut lab) else { panic!("no offer") };
    for (wanted, why) in [
        (Wanted::Address(taken), Displaced::NotFree),
        (Wanted::Address(Ipv4Addr::new(10, 9, 0, 1)), Displaced::NotFree),
        (Wanted::Pool("nobody's".to_owned()), Displaced::UnknownPool),
    ] {
        assert_eq!(replaces(&mut lab, printer, &attempt, &wanted), Err(why));
    }
    assert!(lab.finish_login(&attempt, "printer", Grant::default()));
    assert_eq!(printer.receives(&mut lab).len(), 1, "the ACK");
    // It has been told of its address, so it keeps it.
    assert_eq!(replaces(&mut lab, printer, &attempt, &Wanted::Pool("machines".to_owned())), Err(Displaced::HasAnother));
    assert!(lab.is_online(printer));
}

#[test]
fn without_such_devices_nobody_is_asked() {
    let mut lab = Lab::new(Setup::default());
    printer(&mut lab);
    assert_eq!(asked(&mut lab), []);
}

#[test]
fn a_device_that_was_refused_is_a_guest_like_any_other() {
    let mut lab = lab();
    let phone = printer(&mut lab);
    let attempt = lab.devices().remove(0);
    lab.refuse_device(&attempt);
    assert!(!lab.is_online(phone));
    // Whatever it does, for ten minutes; a new lease does not help either.
    for _ in 0..9 {
        lab.advance(MINUTE);
        phone.asks_dns(&mut lab, GATEWAY, "example.org");
        phone.renew(&mut lab);
    }
    phone.release(&mut lab);
    phone.dhcp(&mut lab);
    assert_eq!(asked(&mut lab), []);
    lab.login(phone, Grant::default());
    assert!(lab.is_online(phone), "the portal lets it in");
    assert!(lab.end_session(phone, Cause::IdleTimeout));
    lab.advance(MINUTE);
    phone.asks_dns(&mut lab, GATEWAY, "example.org");
    assert_eq!(asked(&mut lab), [phone.key(&lab).mac]);
}

/// A gateway where nothing passes of a device that is refused, and one of those.
fn lab_with_refused_phone() -> (Lab, Guest) {
    let devices = devices::Config { per_sec: 2, again: AGAIN, drop_refused: true, ..devices::Config::default() };
    let garden = vec![Rule::Network(Entry::host(*HOST.ip()))];
    let mut lab = Lab::new(Setup { devices, garden, ..Setup::default() });
    let phone = printer(&mut lab);
    assert!(tries_all(&mut lab, phone) > 3, "until the answer it is a guest like any other");
    let attempt = lab.devices().remove(0);
    lab.refuse_device(&attempt);
    (lab, phone)
}

/// What comes of everything that a guest can try, its lease aside.
fn tries_all(lab: &mut Lab, phone: Guest) -> usize {
    phone.receives(lab);
    phone.frames(lab);
    lab.internet();
    lab.questions();
    phone.sends_udp(lab, 5000, HOST, b"out");
    phone.asks_dns(lab, GATEWAY, "example.org");
    phone.asks_dns(lab, *HOST.ip(), "example.org");
    phone.pings(lab, GATEWAY);
    phone.connects(lab, 5001, SocketAddrV4::new(GATEWAY, 3990));
    phone.connects(lab, 5002, SocketAddrV4::new(*HOST.ip(), 80));
    phone.connects(lab, 5003, SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 99), 80));
    lab.internet().len() + phone.frames(lab).len() + lab.questions().len()
}

#[test]
fn of_a_device_that_is_refused_nothing_passes_and_it_keeps_its_lease() {
    let (mut lab, phone) = lab_with_refused_phone();
    let address = phone.address(&lab);
    assert_eq!(tries_all(&mut lab, phone), 0);
    assert!(lab.begin_login(phone).is_err(), "nor by what it asked the portal before");
    phone.renew(&mut lab);
    assert_eq!(lab.view(phone).map(|view| (view.address, view.refused)), Some((address, true)));
    // A new lease is no way out, nor is the server's silence when it is asked again.
    phone.release(&mut lab);
    phone.dhcp(&mut lab);
    assert_eq!(tries_all(&mut lab, phone), 0);
    lab.advance(AGAIN);
    phone.renew(&mut lab);
    assert_eq!(asked(&mut lab), [phone.key(&lab).mac]);
    phone.release(&mut lab);
    phone.dhcp(&mut lab);
    lab.advance(MINUTE);
    assert_eq!(tries_all(&mut lab, phone), 0);
    assert!(lab.counted_up("drop_device_refused") > 0);
}

#[test]
fn a_new_lease_while_the_server_thinks_is_no_way_out_either() {
    let devices = devices::Config { per_sec: 2, again: AGAIN, drop_refused: true, ..devices::Config::default() };
    let mut lab = Lab::new(Setup { devices, ..Setup::default() });
    let phone = printer(&mut lab);
    let attempt = lab.devices().remove(0);
    phone.release(&mut lab);
    printer(&mut lab); // which has the phone's place in the table now
    phone.dhcp(&mut lab);
    lab.refuse_device(&attempt);
    assert_ne!(lab.view(phone).map(|view| view.slot), Some(attempt.slot));
    assert_eq!(tries_all(&mut lab, phone), 0);
}

#[test]
fn a_device_that_was_refused_follows_the_servers_next_word() {
    for knows in [true, false] {
        let (mut lab, phone) = lab_with_refused_phone();
        lab.advance(AGAIN);
        phone.renew(&mut lab);
        let attempt = lab.devices().remove(0);
        if knows {
            lab.tell(phone, |engine, now, _| engine.refuse_device(now, &attempt, true));
        } else {
            lab.tell(phone, |engine, _, _| engine.accept_device(&attempt));
            assert!(lab.finish_login(&attempt, "phone", Grant::default()));
            assert!(lab.is_online(phone));
            assert!(lab.end_session(phone, Cause::UserRequest));
        }
        assert!(tries_all(&mut lab, phone) > 3, "it meets the portal");
    }
}

#[test]
fn an_operator_lets_a_refused_device_in_and_after_that_it_is_out_as_before() {
    let (mut lab, phone) = lab_with_refused_phone();
    let attempt = lab.begin_admission(phone).expect("an operator may");
    assert!(lab.finish_login(&attempt, "operator", Grant::default()));
    assert!(lab.is_online(phone) && tries_all(&mut lab, phone) > 3);
    assert!(lab.end_session(phone, Cause::AdminReset));
    assert_eq!(tries_all(&mut lab, phone), 0);
}

#[test]
fn where_refused_devices_are_no_longer_shut_out_they_meet_the_portal() {
    let (mut lab, phone) = lab_with_refused_phone();
    let devices = devices::Config { per_sec: 2, again: AGAIN, ..devices::Config::default() };
    lab.tell(phone, |engine, _, _| engine.reconfigure_devices(devices));
    assert!(tries_all(&mut lab, phone) > 3);
    phone.release(&mut lab);
    phone.dhcp(&mut lab);
    assert!(tries_all(&mut lab, phone) > 3);
}

#[test]
fn who_was_refused_may_ask_again_once_a_minute_and_who_logged_out_needs_a_new_lease() {
    let mut lab = lab();
    let phone = printer(&mut lab);
    let attempt = lab.devices().remove(0);
    lab.refuse_device(&attempt);
    for _ in 0..3 {
        lab.ask_about_guest(phone);
        assert_eq!(asked(&mut lab), []);
        lab.advance(MINUTE);
        phone.asks_dns(&mut lab, GATEWAY, "example.org");
        assert_eq!(asked(&mut lab), [], "it is the guest that asks");
        lab.ask_about_guest(phone);
        let attempt = lab.devices().remove(0);
        lab.ask_about_guest(phone);
        lab.refuse_device(&attempt);
    }
    lab.login(phone, Grant::default());
    lab.advance(MINUTE);
    lab.ask_about_guest(phone);
    assert_eq!(asked(&mut lab), [], "it is online");
    assert!(lab.end_session(phone, Cause::UserRequest));
    lab.advance(MINUTE);
    lab.ask_about_guest(phone);
    assert_eq!(asked(&mut lab), []);
}

#[test]
fn of_a_list_of_devices_only_these_are_asked_about() {
    let only = HashSet::from([MacAddr([2, 0, 0x5e, 0x10, 0, 1])]);
    let devices = devices::Config { only: only.clone(), per_sec: 2, again: AGAIN, ..devices::Config::default() };
    let mut lab = Lab::new(Setup { devices, ..Setup::default() });
    for octet in [2, 1, 3] {
        let guest = lab.guest_as("guest", Vlan::NONE, MacAddr([2, 0, 0x5e, 0x10, 0, octet]));
        guest.dhcp(&mut lab);
        lab.ask_about_guest(guest);
    }
    lab.advance(MINUTE);
    assert_eq!(asked(&mut lab), Vec::from_iter(only));
}

#[test]
fn who_could_not_be_asked_is_asked_again_after_a_minute() {
    let mut lab = lab();
    let printer = printer(&mut lab);
    assert_eq!(asked(&mut lab).len(), 1);
    printer.asks_dns(&mut lab, GATEWAY, "example.org");
    lab.advance(MINUTE - Duration::from_secs(1));
    printer.asks_dns(&mut lab, GATEWAY, "example.org");
    assert_eq!(asked(&mut lab), []);
    lab.advance(Duration::from_secs(1));
    printer.asks_dns(&mut lab, GATEWAY, "example.org");
    assert_eq!(asked(&mut lab).len(), 1);
}

#[test]
fn a_session_that_ends_at_once_costs_one_question_a_minute() {
    let mut lab = lab();
    let printer = printer(&mut lab);
    for _ in 0..3 {
        let attempt = lab.devices().remove(0);
        assert!(lab.finish_login(&attempt, "printer", Grant::default()));
        assert!(lab.end_session(printer, Cause::SessionTimeout));
        printer.asks_dns(&mut lab, GATEWAY, "example.org");
        assert_eq!(asked(&mut lab), []);
        lab.advance(MINUTE);
        printer.asks_dns(&mut lab, GATEWAY, "example.org");
    }
}

#[test]
fn who_was_logged_out_needs_a_new_lease_to_come_back() {
    for cause in [Cause::UserRequest, Cause::AdminReset] {
        let mut lab = lab();
        let printer = printer(&mut lab);
        let attempt = lab.devices().remove(0);
        assert!(lab.finish_login(&attempt, "printer", Grant::default()));
        assert!(lab.end_session(printer, cause));
        for _ in 0..60 {
            lab.advance(MINUTE);
            printer.renew(&mut lab);
        }
        assert_eq!(asked(&mut lab), [], "{cause:?}");
        printer.release(&mut lab);
        printer.dhcp(&mut lab);
        assert_eq!(asked(&mut lab), [], "not at once either");
        lab.advance(AGAIN);
        printer.renew(&mut lab);
        assert_eq!(asked(&mut lab).len(), 1);
    }
}

#[test]
fn a_flood_of_invented_devices_makes_devices_wait_and_not_servers_work() {
    let mut lab = lab();
    for n in 0..40 {
        let mac = MacAddr([2, 9, 0, 0, 0, n]);
        lab.guest_as("flood", Vlan::NONE, mac).try_dhcp(&mut lab);
    }
    let printer = printer(&mut lab);
    assert_eq!(asked(&mut lab).len(), 1);
    lab.advance(Duration::from_secs(5));
    assert_eq!(asked(&mut lab).len(), 10, "two in a second");
    lab.advance(Duration::from_secs(15));
    let rest = asked(&mut lab);
    assert_eq!((rest.len(), rest.last()), (30, Some(&printer.key(&lab).mac)), "each once, in their order");
}

#[test]
fn a_device_that_has_left_or_logged_in_meanwhile_is_not_asked_about() {
    let mut lab = lab();
    let first = printer(&mut lab);
    assert_eq!(asked(&mut lab), [first.key(&lab).mac]);
    let (left, in_already, out_again) = (lab.guest("left"), lab.guest("in"), lab.guest("out"));
    for guest in [left, in_already, out_again] {
        guest.dhcp(&mut lab);
    }
    left.release(&mut lab);
    lab.login(in_already, Grant::default());
    lab.login(out_again, Grant::default());
    assert!(lab.end_session(out_again, Cause::UserRequest));
    lab.advance(MINUTE);
    assert_eq!(asked(&mut lab), []);
}

#[test]
fn a_device_that_the_configuration_knows_passes_all_that_wait() {
    let mac = MacAddr([2, 7, 7, 7, 7, 7]);
    let devices =
        devices::Config { allow: HashSet::from([mac]), per_sec: 1, again: AGAIN, ..devices::Config::default() };
    let mut lab = Lab::new(Setup { devices, ..Setup::default() });
    for _ in 0..3 {
        printer(&mut lab);
    }
    assert_eq!(asked(&mut lab).len(), 1);
    lab.guest_as("known", Vlan::NONE, mac).dhcp(&mut lab);
    assert_eq!(asked(&mut lab), [mac]);
}

#[test]
fn a_device_that_was_idle_comes_back_when_it_looks_for_the_gateway() {
    let mut lab = lab();
    let printer = printer(&mut lab);
    let attempt = lab.devices().remove(0);
    let grant = Grant { idle_timeout: Some(MINUTE), ..Grant::default() };
    assert!(lab.finish_login(&attempt, "printer", grant));
    lab.advance(MINUTE * 3);
    assert!(!lab.is_online(printer));
    let sender = printer.address(&lab);
    let question = Arp { sender, ..Arp::probe(printer.key(&lab).mac, GATEWAY) };
    printer.sends_arp(&mut lab, &question);
    assert_eq!(asked(&mut lab), [printer.key(&lab).mac]);
}
