//! Devices that prove who they are to an access point (WPA-Enterprise), and what a server and the access point say.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use engine::dhcp::{Displaced, Wanted};
use engine::gateway::Association;
use engine::session::{Cause, Grant, Personal, Quota, Status};
use testkit::{Guest, Lab, Setup};
use wire::{MacAddr, Vlan};

const MINUTE: Duration = Duration::from_secs(60);
const AP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 40));
const OTHER_AP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 41));

fn at(access_point: IpAddr, session: Option<&str>) -> Association {
    Association::new(access_point, Some("02-00-00-00-00-03:staff"), session)
}

fn here() -> Association {
    at(AP, None)
}

fn hour() -> Grant {
    Grant { session_timeout: Some(60 * MINUTE), ..Grant::default() }
}

fn joins(lab: &mut Lab, guest: Guest, at: Association, user: &str, grant: Grant) {
    lab.tell(guest, |engine, now, key| engine.join(now, key, at, user, grant));
}

fn is_refused(lab: &mut Lab, guest: Guest, at: Association) -> bool {
    lab.tell(guest, |engine, now, key| engine.refuse_join(now, key, at))
}

fn leaves(lab: &mut Lab, guest: Guest, at: Association) -> bool {
    lab.tell(guest, |engine, now, key| engine.part(now, key, at))
}

/// A phone that has joined, with its lease, and is online.
fn lab_with_phone() -> (Lab, Guest) {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    joins(&mut lab, phone, here(), "ada", hour());
    assert_eq!(lab.view(phone).map(|view| view.address), None, "there is no address yet");
    phone.dhcp(&mut lab);
    assert!(lab.is_online(phone));
    (lab, phone)
}

fn ends(lab: &mut Lab) -> Vec<Status> {
    lab.advance(Duration::from_millis(100));
    lab.records().iter().map(|record| record.status).filter(|status| matches!(status, Status::Stop(_))).collect()
}

fn user(lab: &Lab, guest: Guest) -> Option<String> {
    Some(lab.view(guest)?.session?.user)
}

#[test]
fn who_has_joined_is_online_with_its_lease() {
    let (mut lab, phone) = lab_with_phone();
    assert_eq!(user(&lab, phone).as_deref(), Some("ada"));
    let records = lab.records();
    let [start] = &records[..] else { panic!("one record was expected: {records:?}") };
    assert_eq!((start.status, start.user.as_str()), (Status::Start, "ada"));
    let other = lab.guest("other");
    other.dhcp(&mut lab);
    assert!(!lab.is_online(other));
}

#[test]
fn who_has_a_lease_is_online_at_once() {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    joins(
        &mut lab,
        phone,
        here(),
        "anonymous",
        Grant { personal: Personal { user: Some("ada".into()), ..Personal::default() }.boxed(), ..hour() },
    );
    assert_eq!(user(&lab, phone).as_deref(), Some("ada"), "the server's name counts");
}

#[test]
fn who_asks_for_an_address_too_late_meets_the_portal() {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    joins(&mut lab, phone, here(), "ada", hour());
    lab.advance(MINUTE);
    phone.dhcp(&mut lab);
    assert!(!lab.is_online(phone));
}

#[test]
fn a_join_counts_for_the_station_on_its_vlan_alone() {
    let mut lab = Lab::new(Setup::default());
    let mac = MacAddr([2, 0, 0, 0, 7, 7]);
    let phone = lab.guest_as("phone", Vlan(20), mac);
    let thief = lab.guest_as("thief", Vlan::NONE, mac);
    joins(&mut lab, phone, here(), "ada", hour());
    thief.dhcp(&mut lab);
    phone.dhcp(&mut lab);
    assert_eq!((lab.is_online(phone), lab.is_online(thief)), (true, false));
}

#[test]
fn a_join_is_used_once() {
    let (mut lab, phone) = lab_with_phone();
    lab.end_session(phone, Cause::AdminReset);
    phone.renew(&mut lab);
    phone.release(&mut lab);
    phone.dhcp(&mut lab);
    assert!(!lab.is_online(phone));
}

#[test]
fn whoever_is_accepted_again_goes_on_with_what_is_granted_from_now_on() {
    let (mut lab, phone) = lab_with_phone();
    let first = lab.view(phone).and_then(|view| view.session).expect("it is online");
    lab.records();
    lab.advance(20 * MINUTE);
    let quota = Quota { octets_total: Some(1_000_000), ..Quota::default() };
    joins(&mut lab, phone, at(OTHER_AP, None), "ada", Grant { quota, ..hour() });
    let session = lab.view(phone).and_then(|view| view.session).expect("it is online");
    assert_eq!((session.id, session.began), (first.id, first.began));
    assert_eq!((session.time_left, session.octets_left), (Some(60 * MINUTE), Some(1_000_000)));
    assert_eq!(lab.records(), []);
}

#[test]
fn another_user_of_the_device_has_a_session_of_their_own() {
    let mut lab = Lab::new(Setup::default());
    let tablet = lab.guest("tablet");
    tablet.dhcp(&mut lab);
    // By the portal.
    lab.login(tablet, hour());
    joins(&mut lab, tablet, here(), "ada", hour());
    joins(&mut lab, tablet, here(), "eve", hour());
    lab.advance(Duration::from_millis(100));
    let records = lab.records();
    let told: Vec<_> = records.iter().map(|record| (record.status, record.user.as_str())).collect();
    let left = Status::Stop(Cause::LostCarrier);
    let expected =
        [(Status::Start, "tablet"), (left, "tablet"), (Status::Start, "ada"), (left, "ada"), (Status::Start, "eve")];
    assert_eq!(told, expected);
    assert_eq!(user(&lab, tablet).as_deref(), Some("eve"));
}

#[test]
fn who_is_refused_where_it_joined_is_out() {
    let (mut lab, phone) = lab_with_phone();
    assert!(!is_refused(&mut lab, phone, at(OTHER_AP, None)), "somebody with its address, elsewhere");
    assert!(lab.is_online(phone));
    assert!(is_refused(&mut lab, phone, here()));
    assert_eq!(ends(&mut lab), [Status::Stop(Cause::LostCarrier)]);
    // Nor is a grant left for who was accepted before.
    let tablet = lab.guest("tablet");
    joins(&mut lab, tablet, here(), "ada", hour());
    is_refused(&mut lab, tablet, here());
    tablet.dhcp(&mut lab);
    assert!(!lab.is_online(tablet));
}

#[test]
fn a_session_of_the_portal_is_nothing_that_an_access_point_can_end() {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    lab.login(phone, hour());
    assert!(!is_refused(&mut lab, phone, here()) && !leaves(&mut lab, phone, here()));
    assert!(lab.is_online(phone));
}

#[test]
fn who_has_left_its_access_point_is_offline() {
    let (mut lab, phone) = lab_with_phone();
    assert!(leaves(&mut lab, phone, at(AP, Some("5F"))));
    assert_eq!(ends(&mut lab), [Status::Stop(Cause::LostCarrier)]);
    assert!(!leaves(&mut lab, phone, here()), "once");
}

#[test]
fn a_late_word_of_the_former_access_point_or_association_ends_nothing() {
    let (mut lab, phone) = lab_with_phone();
    joins(&mut lab, phone, at(OTHER_AP, None), "ada", hour());
    assert!(!leaves(&mut lab, phone, here()));
    lab.tell(phone, |engine, _, key| engine.associated(key, at(OTHER_AP, Some("60"))));
    lab.tell(phone, |engine, _, key| engine.associated(key, at(AP, Some("5F"))));
    assert!(!leaves(&mut lab, phone, at(OTHER_AP, Some("5F"))));
    assert!(lab.is_online(phone));
    assert!(leaves(&mut lab, phone, at(OTHER_AP, Some("60"))));
}

#[test]
fn an_access_point_that_starts_has_nobody() {
    let (mut lab, phone) = lab_with_phone();
    let [tablet, waits] = ["tablet", "waits"].map(|name| lab.guest(name));
    tablet.dhcp(&mut lab);
    joins(&mut lab, tablet, at(OTHER_AP, None), "ada", hour());
    joins(&mut lab, waits, here(), "ada", hour());
    assert_eq!(lab.tell(phone, |engine, now, _| engine.part_all(now, Association::new(AP, None, None))), 1);
    assert_eq!((lab.is_online(phone), lab.is_online(tablet)), (false, true));
    waits.dhcp(&mut lab);
    assert!(!lab.is_online(waits));
}

#[test]
fn of_more_devices_than_can_wait_the_first_goes() {
    let mut lab = Lab::new(Setup::default());
    let devices: Vec<_> = (0..4097).map(|n| lab.guest(&n.to_string())).collect();
    for device in &devices {
        joins(&mut lab, *device, here(), "ada", hour());
        if *device == devices[0] {
            assert!(promise(&mut lab, *device, &address(77)).is_ok());
        }
        lab.advance(Duration::from_millis(1));
    }
    assert!(promise(&mut lab, devices[2], &address(77)).is_ok(), "it is not kept for whoever went");
    for (device, online) in [(devices[0], false), (devices[1], true), (devices[4096], true)] {
        device.dhcp(&mut lab);
        assert_eq!(lab.is_online(device), online);
    }
}

#[test]
fn who_has_joined_is_online_no_sooner_than_nothing_of_its_predecessor_comes_there() {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    joins(&mut lab, phone, here(), "ada", hour());
    lab.the_kernel_forgets(false);
    phone.dhcp(&mut lab);
    phone.renew(&mut lab);
    assert!(!lab.is_online(phone));
    lab.the_kernel_forgets(true);
    assert!(lab.is_online(phone));
    let starts = lab.records().iter().filter(|record| record.status == Status::Start).count();
    assert_eq!(starts, 1, "it was called twice");
}

#[test]
fn whoever_is_refused_or_gone_while_it_waits_is_not_let_in() {
    for outcome in [
        is_refused,
        |lab: &mut Lab, guest, at| !leaves(lab, guest, at),
        |lab: &mut Lab, guest: Guest, _| {
            guest.release(lab);
            false
        },
    ] {
        let mut lab = Lab::new(Setup::default());
        let phone = lab.guest("phone");
        joins(&mut lab, phone, here(), "ada", hour());
        lab.the_kernel_forgets(false);
        phone.dhcp(&mut lab);
        outcome(&mut lab, phone, here());
        lab.the_kernel_forgets(true);
        assert!(!lab.is_online(phone));
        assert_eq!(lab.records(), []);
    }
}

#[test]
fn who_joined_before_the_gateway_was_gone_leaves_as_any_other_after_it() {
    for crash in [Lab::hand_over, |_: &mut Lab| {}] {
        let (mut lab, phone) = lab_with_phone();
        lab.tell(phone, |engine, _, key| engine.associated(key, at(AP, Some("5F"))));
        crash(&mut lab);
        lab.crash(Some(Duration::from_secs(5)));
        assert!(lab.is_online(phone));
        assert!(!leaves(&mut lab, phone, at(OTHER_AP, None)));
        assert!(leaves(&mut lab, phone, at(AP, Some("5F"))));
        assert!(!lab.is_online(phone));
    }
    // Who came by the portal is none of them.
    let mut lab = Lab::new(Setup::default());
    let tablet = lab.guest("tablet");
    tablet.dhcp(&mut lab);
    lab.login(tablet, hour());
    lab.crash(Some(Duration::from_secs(5)));
    assert!(lab.is_online(tablet) && !leaves(&mut lab, tablet, here()));
}

fn promise(lab: &mut Lab, guest: Guest, wanted: &Wanted) -> Result<(), Displaced> {
    lab.tell(guest, |engine, now, key| engine.promise_address(now, key, wanted))
}

fn address(last: u8) -> Wanted {
    Wanted::Address(Ipv4Addr::new(10, 1, 1, last))
}

fn joins_for(lab: &mut Lab, name: &str, last: u8) -> (Guest, bool) {
    let guest = lab.guest(name);
    joins(lab, guest, here(), name, hour());
    let promised = promise(lab, guest, &address(last)).is_ok();
    (guest, promised)
}

#[test]
fn a_device_that_joins_has_the_address_that_the_server_names() {
    let mut lab = Lab::new(Setup::default());
    let (phone, promised) = joins_for(&mut lab, "phone", 77);
    assert!(promised);
    phone.dhcp(&mut lab);
    assert_eq!(phone.address(&lab), Ipv4Addr::new(10, 1, 1, 77));
    assert!(lab.is_online(phone));
    assert_eq!(promise(&mut lab, phone, &address(77)), Ok(()));
    assert_eq!(promise(&mut lab, phone, &address(78)), Err(Displaced::HasAnother));
}

#[test]
fn an_address_that_anybody_has_is_nobody_elses_whatever_a_server_says() {
    let mut lab = Lab::new(Setup::default());
    let (first, _) = joins_for(&mut lab, "first", 77);
    assert!(!joins_for(&mut lab, "promised to the first", 77).1);
    first.dhcp(&mut lab);
    let (second, promised) = joins_for(&mut lab, "second", 77);
    assert!(!promised);
    second.dhcp(&mut lab);
    assert_ne!(second.address(&lab), first.address(&lab));
    assert!(lab.is_online(first) && lab.is_online(second), "an address is no reason to keep anybody out");
    let gateway = lab.guest("gateway");
    joins(&mut lab, gateway, here(), "ada", hour());
    for address in [testkit::GATEWAY, Ipv4Addr::new(10, 1, 15, 255), Ipv4Addr::new(10, 9, 0, 1)] {
        assert_eq!(promise(&mut lab, gateway, &Wanted::Address(address)), Err(Displaced::NotFree), "{address}");
    }
}

#[test]
fn a_device_that_joins_has_an_address_of_the_pool_that_the_server_names_while_there_is_one() {
    let mut setup = Setup::default();
    let (first, last) = (Ipv4Addr::new(10, 1, 2, 1), Ipv4Addr::new(10, 1, 2, 2));
    setup.dhcp.pools.insert("staff".to_owned(), first..=last);
    let mut lab = Lab::new(setup);
    let staff = Wanted::Pool("staff".to_owned());
    let mut addresses = Vec::new();
    for (name, expected) in [("one", Ok(())), ("two", Ok(())), ("three", Err(Displaced::PoolIsFull))] {
        let phone = lab.guest(name);
        joins(&mut lab, phone, here(), name, hour());
        assert_eq!(promise(&mut lab, phone, &staff), expected);
        phone.dhcp(&mut lab);
        assert!(lab.is_online(phone), "a full pool is no reason to keep anybody out");
        addresses.push(phone.address(&lab));
    }
    assert!(addresses.contains(&first) && addresses.contains(&last));
    let other = lab.guest("other");
    joins(&mut lab, other, here(), "other", hour());
    assert_eq!(promise(&mut lab, other, &Wanted::Pool("Staff".to_owned())), Err(Displaced::UnknownPool));
}

#[test]
fn what_was_promised_to_whoever_does_not_come_is_free_again() {
    let mut lab = Lab::new(Setup::default());
    joins_for(&mut lab, "late", 77);
    lab.advance(MINUTE);
    assert!(joins_for(&mut lab, "next", 77).1, "it did not ask in time");
    let (refused, _) = joins_for(&mut lab, "refused", 78);
    is_refused(&mut lab, refused, here());
    let (left, _) = joins_for(&mut lab, "left", 79);
    leaves(&mut lab, left, here());
    let (again, _) = joins_for(&mut lab, "again", 80);
    joins(&mut lab, again, here(), "again", hour());
    for last in [78, 79, 80] {
        assert!(joins_for(&mut lab, "another", last).1, "{last}");
    }
    lab.tell(left, |engine, now, _| engine.part_all(now, here()));
    assert!(joins_for(&mut lab, "after a start of the access point", 77).1);
}
