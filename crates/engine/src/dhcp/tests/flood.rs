//! Those who want everything.

use super::*;

fn small() -> Config {
    let mut config = config();
    config.ranges = vec![ip(10)..=ip(25)];
    config
}

#[test]
fn a_flood_of_newcomers_takes_no_lease_and_a_patient_guest_still_gets_in() {
    let mut lan = Lan::new(small());
    let address = lan.join(guest(1));
    for number in 1000..6000 {
        lan.offer(guest(number));
    }
    assert_eq!(lan.addresses(), [address]);
    assert_eq!(lan.server.table.offers(), 15);
    lan.join(guest(2));
    assert_eq!(lan.renew(guest(1), address).0, Outcome::Acknowledged);
}

#[test]
fn a_full_pool_serves_those_who_are_in_and_nobody_else() {
    let mut lan = Lan::new(small());
    let all: Vec<_> = (0..16).map(|number| lan.join(guest(number))).collect();
    let (outcome, reply) = lan.discover(guest(99));
    assert_eq!(outcome, Outcome::Silent(Reason::Exhausted));
    assert!(reply.is_none());
    for (number, &address) in (0..16).zip(&all) {
        assert_eq!(lan.select(guest(99), address).0, Outcome::Refused);
        assert_eq!(lan.renew(guest(number), address).0, Outcome::Acknowledged);
        lan.pass(1);
    }
    lan.pass(1800 - 16);
    assert_eq!(lan.offer(guest(99)), all[0], "the first that ended");
}

#[test]
fn leases_have_a_bound_that_offers_make_room_under() {
    let mut lan = Lan::new(Config { max_leases: 3, ..config() });
    lan.join(guest(1));
    for number in 10..20 {
        lan.offer(guest(number));
        assert!(lan.server.table.offers() <= 2);
    }
    lan.join(guest(2));
    lan.join(guest(3));
    assert_eq!(lan.discover(guest(4)).0, Outcome::Silent(Reason::Exhausted));
    assert_eq!(lan.ask(guest(4), &rebooting(guest(4), ip(77))).0, Outcome::Refused);
    assert_eq!(lan.addresses().len(), 3);
}

#[test]
fn offers_have_a_bound_of_their_own() {
    let mut lan = Lan::new(Config::new(GATEWAY, 16, GATEWAY_MAC));
    for number in 0..limits::MAX_OFFERS as u32 + 100 {
        lan.offer(guest(number));
    }
    assert_eq!(lan.server.table.offers(), limits::MAX_OFFERS);
}

#[test]
fn one_station_that_shouts_is_not_listened_to_and_takes_nothing_from_the_others() {
    let mut lan = Lan::new(config());
    for _ in 0..limits::RATE_BURST {
        lan.offer(guest(1));
    }
    assert_eq!(lan.discover(guest(1)).0, Outcome::Silent(Reason::Rate));
    for number in 2..50 {
        lan.join(guest(number));
    }
    lan.pass(1);
    for _ in 0..limits::RATE_PER_SEC {
        lan.offer(guest(1));
    }
    assert_eq!(lan.discover(guest(1)).0, Outcome::Silent(Reason::Rate));
}

#[test]
fn declining_everything_takes_a_few_addresses_only() {
    let mut lan = Lan::new(small());
    for number in 0..200 {
        let address = lan.offer(guest(number));
        let mut message = Message::request(MessageType::Decline, 4, guest(number).mac);
        message.options.push(code::SERVER_ID, &GATEWAY.octets());
        message.options.push(code::REQUESTED_ADDRESS, &address.octets());
        assert_eq!(lan.ask(guest(number), &message).0, Outcome::Declined);
    }
    for number in 1000..1016 {
        lan.join(guest(number));
    }
    assert_eq!(lan.addresses().len(), 16, "the oldest in quarantine make room when there is nothing else");
}

#[test]
fn answering_every_probe_takes_a_few_addresses_only() {
    let mut lan = Lan::new(config());
    let liar = guest(666);
    let mut conflicts = 0;
    for number in 0..20 {
        let address = lan.offer(guest(number));
        conflicts += u8::from(lan.arp(liar, &Arp::announcement(liar.mac, address)) == Outcome::Conflict);
    }
    assert_eq!(conflicts, limits::MAX_QUARANTINE_PER_STATION);
    lan.pass(limits::QUARANTINE.as_secs());
    let address = lan.offer(guest(0));
    assert_eq!(lan.arp(liar, &Arp::announcement(liar.mac, address)), Outcome::Conflict, "its debt is forgotten");
}

#[test]
fn no_message_at_all_makes_the_server_panic_or_lend_an_address_twice() {
    let mut lan = Lan::new(small());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut dice = move |sides: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % sides
    };
    for _ in 0..20_000 {
        let key = guest(dice(24) as u32);
        let address = |n: u64| if n < 28 { ip(n as u8) } else { Ipv4Addr::from_bits(n as u32) };
        let mut message = Message::request((dice(10) as u8).into(), 1, key.mac);
        if dice(3) == 0 {
            message.ciaddr = address(dice(30));
        }
        if dice(2) == 0 {
            message.options.push(code::REQUESTED_ADDRESS, &address(dice(30)).octets());
        }
        if dice(2) == 0 {
            message.options.push(code::SERVER_ID, &address(1 + dice(2)).octets());
        }
        let mut payload = Vec::new();
        message.emit(&mut payload, MIN_LIMIT);
        for _ in 0..dice(3) {
            let at = dice(payload.len() as u64) as usize;
            payload[at] = dice(256) as u8;
        }
        lan.ask_raw(key, NONE, Ipv4Addr::BROADCAST, &payload);
        lan.arp(key, &Arp::announcement(key.mac, address(dice(30))));
        match dice(40) {
            0 => lan.pass(dice(700)),
            1 => lan.server.protect(guest(dice(24) as u32), true),
            2 => lan.server.protect(guest(dice(24) as u32), false),
            3 => lan.server.reconfigure(lan.now, small()),
            _ => lan.pass(dice(2)),
        }
        let mut addresses = lan.addresses();
        addresses.sort_unstable();
        assert!(addresses.windows(2).all(|pair| pair[0] != pair[1]), "{addresses:?}");
        assert!(addresses.iter().all(|&a| a >= ip(10) && a <= ip(25)), "{addresses:?}");
        for lease in lan.server.leases() {
            assert_eq!(lan.server.lease_at(lease.address).map(|l| l.key), Some(lease.key));
        }
    }
    assert!(lan.bound.len() > 100 && lan.ended.len() > 100, "{} {}", lan.bound.len(), lan.ended.len());
    // Nothing leaked: when all is over, all of the pool is there again.
    for number in 0..24 {
        lan.server.protect(guest(number), false);
    }
    lan.pass(10_000);
    for number in 100..116 {
        lan.join(guest(number));
    }
}

#[test]
fn a_liar_with_a_new_address_for_each_lie_does_not_keep_newcomers_out() {
    let mut lan = Lan::new(config());
    let mut conflicts = 0;
    for number in 0..200 {
        let address = lan.offer(guest(number));
        let liar = guest(1000 + number);
        conflicts += usize::from(lan.arp(liar, &Arp::announcement(liar.mac, address)) == Outcome::Conflict);
    }
    assert_eq!(conflicts, limits::MAX_BELIEVED);
    let address = lan.offer(guest(300));
    let liar = guest(2000);
    lan.arp(liar, &Arp::announcement(liar.mac, address));
    assert_eq!(lan.join(guest(300)), address, "the offer stands");
}
