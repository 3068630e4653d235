//! Pools with a name.

use super::*;

fn lan() -> Lan {
    let mut config = config();
    config.ranges = vec![ip(10)..=ip(25)];
    config.pools = BTreeMap::from([("in".to_owned(), ip(12)..=ip(13)), ("beside".to_owned(), ip(40)..=ip(41))]);
    Lan::new(config)
}

fn pool(name: &str) -> Wanted {
    Wanted::Pool(name.to_owned())
}

#[test]
fn nobody_gets_an_address_of_a_pool_with_a_name_by_asking() {
    let mut lan = lan();
    for address in [12, 13, 40, 41] {
        assert_eq!(lan.select(guest(1), ip(address)).0, Outcome::Refused, "{address}");
        assert_eq!(lan.ask(guest(2), &rebooting(guest(2), ip(address))).0, Outcome::Refused, "{address}");
    }
    let all: Vec<_> = (100..114).map(|number| lan.join(guest(number))).collect();
    assert!(all.iter().all(|address| ![ip(12), ip(13)].contains(address)), "{all:?}");
    assert_eq!(lan.discover(guest(7)).0, Outcome::Silent(Reason::Exhausted), "but all others are somebody's");
}

#[test]
fn whose_server_says_so_has_one_and_keeps_it_over_a_reconfiguration_and_a_restart() {
    let mut lan = lan();
    let until = lan.now.mono + Duration::from_secs(60);
    for name in ["in", "beside"] {
        let key = guest(if name == "in" { 1 } else { 2 });
        let address = lan.server.place(key, &pool(name)).unwrap();
        assert!(lan.server.promise(lan.now, key, address, until));
        assert_eq!(lan.join(key), address);
        assert_eq!(lan.server.place(key, &pool(name)), Ok(address), "it has what is wanted");
    }
    let before: Vec<_> = lan.server.leases().collect();
    lan.server.reconfigure(lan.now, lan.server.config().clone());
    assert_eq!(lan.server.leases().count(), 2);
    let mut again = Server::new(lan.server.config().clone(), 5);
    again.restore(lan.now, before.into_iter());
    assert_eq!(again.leases().count(), 2);
    // Without the pool beside the range its address is nobody's; the other one is one of the range now.
    let mut config = lan.server.config().clone();
    config.pools.clear();
    lan.server.reconfigure(lan.now, config);
    let left: Vec<_> = lan.server.leases().map(|lease| lease.key).collect();
    assert_eq!(left, [guest(1)]);
}

#[test]
fn a_pool_has_as_many_addresses_as_it_has() {
    let mut lan = lan();
    let until = lan.now.mono + Duration::from_secs(60);
    for number in [1, 2] {
        let address = lan.server.place(guest(number), &pool("in")).unwrap();
        assert!(lan.server.promise(lan.now, guest(number), address, until));
    }
    assert_eq!(lan.server.place(guest(3), &pool("in")), Err(Displaced::PoolIsFull));
    assert_eq!(lan.server.place(guest(3), &pool("no such")), Err(Displaced::UnknownPool));
    lan.pass(60);
    assert!(lan.server.place(guest(3), &pool("in")).is_ok(), "nobody came for them");
}
