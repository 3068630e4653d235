//! Leases over time: comings and goings, restarts, changes of configuration, sessions, conflicts.

use super::super::config::Host;
use super::*;

fn with_host(key: GuestKey, host: Host) -> Config {
    let mut config = config();
    config.hosts.insert(key.mac, host);
    config
}

fn at(address: Ipv4Addr) -> Host {
    Host { address: Some(address), ..Host::default() }
}

#[test]
fn a_guest_that_comes_back_gets_its_former_address_if_it_is_free() {
    let mut lan = Lan::new(config());
    let first = lan.join(guest(7));
    lan.pass(10_000);
    assert!(lan.addresses().is_empty());
    assert_eq!(lan.join(guest(7)), first);
    lan.pass(10_000);
    assert_eq!(lan.ask(guest(8), &rebooting(guest(8), first)).0, Outcome::Acknowledged);
    assert_ne!(lan.join(guest(7)), first, "somebody else has it now");
}

#[test]
fn a_guest_asking_again_and_again_has_one_offer_and_one_lease() {
    let mut lan = Lan::new(config());
    let first = lan.offer(guest(7));
    assert_eq!(lan.offer(guest(7)), first);
    lan.join(guest(7));
    assert_eq!(lan.offer(guest(7)), first);
    assert_eq!(lan.join(guest(7)), first);
    assert_eq!(lan.addresses(), [first]);
    assert_eq!(lan.server.table.offers(), 0);
    // Another client identifier is no other guest.
    let mut message = Message::request(MessageType::Discover, 9, guest(7).mac);
    message.options.push(code::CLIENT_ID, b"somebody else");
    assert_eq!(lan.ask(guest(7), &message).1.unwrap().message.yiaddr, first);
}

#[test]
fn an_offer_that_nobody_takes_is_forgotten() {
    let mut lan = Lan::new(config());
    let address = lan.offer(guest(7));
    assert_eq!(lan.select(guest(8), address).0, Outcome::Refused);
    assert_eq!(lan.server.poll_timeout(), Some(lan.now.mono + limits::OFFER_HOLD));
    lan.pass(limits::OFFER_HOLD.as_secs());
    assert_eq!(lan.server.poll_timeout(), None);
    assert_eq!(lan.select(guest(8), address).0, Outcome::Acknowledged);
}

#[test]
fn the_same_station_on_another_vlan_is_another_guest() {
    let mut lan = Lan::new(config());
    let tagged = GuestKey { vlan: Vlan(7), ..guest(7) };
    assert_ne!(lan.join(guest(7)), lan.join(tagged));
    let address = lan.server.lease(tagged).unwrap().address;
    assert_eq!(lan.renew(guest(7), address).0, Outcome::Refused);
}

#[test]
fn a_host_has_its_own_address_and_nobody_else_gets_it() {
    let mut lan = Lan::new(with_host(guest(7), at(ip(200))));
    assert_eq!(lan.ask(guest(8), &rebooting(guest(8), ip(200))).0, Outcome::Refused);
    assert_eq!(lan.ask(guest(7), &rebooting(guest(7), ip(50))).0, Outcome::Refused, "not another one");
    assert_eq!(lan.join(guest(7)), ip(200));
    // On another VLAN the address is taken, so there it is a guest like others.
    let tagged = GuestKey { vlan: Vlan(7), ..guest(7) };
    assert_ne!(lan.join(tagged), ip(200));
}

#[test]
fn leases_survive_a_restart_but_not_their_end() {
    let mut lan = Lan::new(config());
    let address = lan.join(guest(7));
    lan.join(guest(8));
    let mut leases: Vec<Lease> = lan.server.leases().collect();
    leases[1].ends = lan.now.mono + Duration::from_secs(99);
    let mut after = Lan::new(config());
    after.now.mono = lan.now.mono + Duration::from_secs(100);
    // A thief's record of the same address, a stranger's network, the gateway: none is believed.
    let thief = |key, address| Lease { key, address, ..leases[0].clone() };
    let bad = [thief(guest(9), address), thief(guest(10), Ipv4Addr::new(192, 0, 2, 1)), thief(guest(11), GATEWAY)];
    after.server.restore(after.now, leases.iter().cloned().chain(bad));
    assert_eq!(after.addresses(), [address]);
    assert_eq!(after.renew(guest(7), address).0, Outcome::Acknowledged);
    after.pass(1800);
    assert!(after.addresses().is_empty());
}

#[test]
fn a_clock_that_went_back_does_not_make_a_lease_eternal() {
    let mut lan = Lan::new(config());
    lan.join(guest(7));
    let leases: Vec<Lease> = lan.server.leases().map(|lease| Lease { ends: Duration::MAX, ..lease }).collect();
    let mut after = Lan::new(config());
    after.server.restore(after.now, leases.into_iter());
    assert_eq!(after.addresses().len(), 1);
    after.pass(1800);
    assert!(after.addresses().is_empty());
}

#[test]
fn a_new_configuration_keeps_the_leases_that_fit_it() {
    let mut lan = Lan::new(config());
    for last in [20, 30, 40] {
        assert_eq!(lan.ask(guest(last.into()), &rebooting(guest(last.into()), ip(last))).0, Outcome::Acknowledged);
    }
    let mut changed = with_host(guest(99), at(ip(30)));
    changed.ranges = vec![ip(10)..=ip(35)];
    lan.server.reconfigure(lan.now, changed);
    lan.drain();
    assert_eq!(lan.addresses(), [ip(20)]);
    let ended: Vec<_> = lan.ended.iter().map(|(lease, why)| (lease.address, *why)).collect();
    assert_eq!(ended, [(ip(30), EndReason::Reconfigured), (ip(40), EndReason::Reconfigured)]);
    assert_eq!(lan.renew(guest(20), ip(20)).0, Outcome::Acknowledged);
    assert_eq!(lan.renew(guest(30), ip(30)).0, Outcome::Refused, "it is another host's now");
    assert_eq!(lan.renew(guest(40), ip(40)).0, Outcome::Refused, "it is out of range");
    assert_eq!(lan.join(guest(99)), ip(30));
    let elsewhere = Config::new(Ipv4Addr::new(192, 168, 4, 1), 24, GATEWAY_MAC);
    lan.server.reconfigure(lan.now, elsewhere);
    assert_eq!(lan.server.leases().count(), 0);
}

#[test]
fn an_address_waits_until_the_session_is_over() {
    let mut lan = Lan::new(config());
    let address = lan.join(guest(7));
    lan.server.protect(guest(7), true);
    lan.pass(1800);
    assert_eq!(lan.ended[0].1, EndReason::Expired);
    assert_eq!(lan.server.lease(guest(7)), None);
    assert_eq!(lan.server.lease_at(address), None);
    assert_eq!(lan.ask(guest(8), &rebooting(guest(8), address)).0, Outcome::Refused, "somebody is online with it");
    lan.server.reconfigure(lan.now, Config { lease: Duration::from_secs(600), ..config() });
    assert_eq!(lan.ask(guest(8), &rebooting(guest(8), address)).0, Outcome::Refused, "still");
    // Found by fuzzing: a configuration without a place for it, and one with, made the address free.
    let elsewhere = Config::new(Ipv4Addr::new(192, 168, 4, 1), 24, GATEWAY_MAC);
    lan.server.reconfigure(lan.now, elsewhere);
    lan.server.reconfigure(lan.now, config());
    assert_eq!(lan.ask(guest(8), &rebooting(guest(8), address)).0, Outcome::Refused, "and still");
    lan.server.protect(guest(7), false);
    assert_eq!(lan.ask(guest(8), &rebooting(guest(8), address)).0, Outcome::Acknowledged);
}

#[test]
fn a_guest_with_a_session_that_was_late_goes_on_with_its_address() {
    let mut lan = Lan::new(config());
    let address = lan.join(guest(7));
    lan.server.protect(guest(7), true);
    lan.pass(1801);
    assert_eq!(lan.join(guest(7)), address);
    lan.server.protect(guest(7), false);
    assert_eq!(lan.addresses(), [address], "the lease outlives the session");
    lan.pass(1800);
    assert!(lan.addresses().is_empty(), "and ends in its turn");
}

#[test]
fn passers_by_have_short_leases_and_guests_who_logged_in_have_long_ones() {
    let mut lan = Lan::new(Config { lease_before_login: Some(Duration::from_secs(120)), ..config() });
    let address = lan.join(guest(7));
    lan.pass(60);
    assert_eq!(lan.renew(guest(7), address).1.unwrap().secs(code::LEASE_TIME), Some(120));
    lan.server.protect(guest(7), true);
    lan.pass(60);
    assert_eq!(lan.renew(guest(7), address).1.unwrap().secs(code::LEASE_TIME), Some(1800));
    lan.server.protect(guest(7), false);
    assert!(lan.bound.last().unwrap().logged_in);
    lan.pass(900);
    assert_eq!(lan.renew(guest(7), address).1.unwrap().secs(code::LEASE_TIME), Some(1800), "it has been a guest");
}

#[test]
fn whoever_renews_in_time_goes_on_and_whoever_then_wants_less_ends_sooner() {
    let mut lan = Lan::new(config());
    let address = lan.join(guest(7));
    for _ in 0..3 {
        lan.pass(900);
        assert_eq!(lan.renew(guest(7), address).0, Outcome::Acknowledged);
    }
    let mut less = Message::request(MessageType::Request, 1, guest(7).mac);
    less.ciaddr = address;
    less.options.push(code::LEASE_TIME, &60u32.to_be_bytes());
    assert_eq!(lan.ask(guest(7), &less).0, Outcome::Acknowledged);
    lan.pass(60);
    assert!(lan.addresses().is_empty());
}

#[test]
fn a_client_may_ask_for_less_time_but_not_for_more_or_for_next_to_none() {
    let mut lan = Lan::new(config());
    for (wanted, given) in [(600u32, 600), (u32::MAX, 1800), (0, 60)] {
        let mut message = Message::request(MessageType::Discover, 1, guest(7).mac);
        message.options.push(code::LEASE_TIME, &wanted.to_be_bytes());
        assert_eq!(lan.ask(guest(7), &message).1.unwrap().secs(code::LEASE_TIME), Some(given));
    }
}

#[test]
fn a_stranger_on_an_offered_address_is_noticed() {
    let mut lan = Lan::new(config());
    let address = lan.offer(guest(7));
    let arps: Vec<Arp> = lan.frames.iter().filter_map(|f| Arp::parse(f.get(14..)?).ok()).collect();
    assert_eq!(arps, [Arp::probe(GATEWAY_MAC, address)], "asked once");
    let claim = |key: GuestKey| Arp::probe(GATEWAY_MAC, address).answer(key.mac);
    assert_eq!(lan.arp(guest(7), &claim(guest(7))), Outcome::Silent(Reason::NoConflict), "its own");
    assert_eq!(lan.arp(guest(9), &claim(guest(8))), Outcome::Silent(Reason::NoConflict), "for another station");
    let probe = Arp::probe(guest(8).mac, address);
    assert_eq!(lan.arp(guest(8), &probe), Outcome::Silent(Reason::NoConflict), "a question is no use");
    assert_eq!(lan.arp(guest(8), &claim(guest(8))), Outcome::Conflict);
    assert_eq!(lan.select(guest(7), address).0, Outcome::Refused);
    assert_ne!(lan.join(guest(7)), address);
}

#[test]
fn no_probe_is_sent_where_none_is_wanted_or_needed() {
    let mut lan = Lan::new(Config { conflict_probe: false, ..config() });
    lan.join(guest(7));
    assert_eq!(lan.frames.len(), 2);
    let mut lan = Lan::new(config());
    lan.join(guest(7));
    let before = lan.frames.len();
    lan.offer(guest(7));
    assert_eq!(lan.frames.len() - before, 1, "it has the address already");
}

#[test]
fn a_guest_with_a_lease_cannot_talk_others_out_of_theirs() {
    let mut lan = Lan::new(config());
    lan.join(guest(8));
    let address = lan.offer(guest(7));
    let lie = Arp::announcement(guest(8).mac, address);
    assert_eq!(lan.arp(guest(8), &lie), Outcome::Silent(Reason::NoConflict));
    assert_eq!(lan.select(guest(7), address).0, Outcome::Acknowledged);
    let lie = Arp::announcement(guest(9).mac, address);
    assert_eq!(lan.arp(guest(9), &lie), Outcome::Silent(Reason::NoConflict), "a lease stands");
}

#[test]
fn who_has_a_foreign_address_gets_no_other_lease_once_that_is_not_allowed_any_more() {
    let mut lan = Lan::new(Config { any_address: true, ..config() });
    let own = Ipv4Addr::new(192, 168, 7, 5);
    lan.server.lend_unasked(lan.now, guest(7), own);
    lan.server.protect(guest(7), true);
    lan.pass(1800);
    assert_eq!(lan.ended[0].1, EndReason::Expired);
    lan.server.reconfigure(lan.now, config());
    lan.server.lend_unasked(lan.now, guest(7), own);
    assert_eq!(lan.server.lease(guest(7)), None);
}
