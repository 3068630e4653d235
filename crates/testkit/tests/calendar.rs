//! Sessions that end by the calendar, whatever becomes of the machine's date meanwhile.

use std::time::Duration;

use engine::session::{Cause, Grant, Record, Status};
use testkit::{Guest, Lab, Setup};

const MINUTE: Duration = Duration::from_secs(60);

/// A guest who may stay for an hour from now.
fn lab_with_phone() -> (Lab, Guest, Duration) {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    let until = lab.now().unix + 60 * MINUTE;
    lab.login(phone, Grant { until: Some(until), ..Grant::default() });
    (lab, phone, until)
}

fn ends(records: &[Record]) -> Vec<(Status, Duration)> {
    let stops = records.iter().filter(|record| matches!(record.status, Status::Stop(_)));
    stops.map(|record| (record.status, record.at.unix)).collect()
}

fn renews_for(lab: &mut Lab, phone: Guest, time: Duration) {
    let end = lab.now().mono + time;
    while lab.now().mono < end {
        lab.advance(MINUTE.min(end - lab.now().mono));
        phone.renew(lab);
    }
}

#[test]
fn it_ends_at_its_moment() {
    let (mut lab, phone, until) = lab_with_phone();
    assert_eq!(lab.view(phone).unwrap().session.unwrap().time_left, Some(60 * MINUTE));
    renews_for(&mut lab, phone, 59 * MINUTE);
    assert!(lab.is_online(phone));
    renews_for(&mut lab, phone, 2 * MINUTE);
    assert_eq!(ends(&lab.records()), [(Status::Stop(Cause::SessionTimeout), until)]);
}

#[test]
fn the_shorter_of_time_and_date_ends_it() {
    for (timeout, expected) in [(10 * MINUTE, 10 * MINUTE), (300 * MINUTE, 60 * MINUTE)] {
        let mut lab = Lab::new(Setup::default());
        let phone = lab.guest("phone");
        phone.dhcp(&mut lab);
        let until = Some(lab.now().unix + 60 * MINUTE);
        lab.login(phone, Grant { session_timeout: Some(timeout), until, ..Grant::default() });
        assert_eq!(lab.view(phone).unwrap().session.unwrap().time_left, Some(expected));
    }
}

#[test]
fn a_gateway_that_learns_the_date_later_ends_it_then() {
    let (mut lab, phone, until) = lab_with_phone();
    lab.sets_the_date(until - 30 * MINUTE);
    renews_for(&mut lab, phone, 29 * MINUTE);
    assert!(lab.is_online(phone));
    renews_for(&mut lab, phone, 2 * MINUTE);
    assert!(!lab.is_online(phone));
    // And one whose date is long past at once, within a minute.
    let (mut lab, phone, until) = lab_with_phone();
    lab.sets_the_date(until + 1000 * MINUTE);
    lab.advance(MINUTE);
    assert!(!lab.is_online(phone));
}

#[test]
fn a_date_that_is_set_back_lets_it_go_on_in_the_packet_path_too() {
    let (mut lab, phone, until) = lab_with_phone();
    lab.sets_the_date(until - 120 * MINUTE);
    renews_for(&mut lab, phone, 90 * MINUTE);
    assert!(lab.is_online(phone));
    let slot = lab.view(phone).unwrap().slot;
    let snapshot = lab.engine.table().snapshot(slot).unwrap();
    assert!(snapshot.online_at(lab.now().mono));
    assert!(!snapshot.online_at(lab.now().mono + 31 * MINUTE), "its backstop has moved as well");
}

#[test]
fn a_restart_in_between_changes_nothing() {
    let (mut lab, phone, until) = lab_with_phone();
    renews_for(&mut lab, phone, 20 * MINUTE);
    lab.hand_over();
    lab.crash(Some(MINUTE));
    assert_eq!(lab.kept(phone).unwrap().grant.until, Some(until));
    renews_for(&mut lab, phone, 38 * MINUTE);
    assert!(lab.is_online(phone));
    renews_for(&mut lab, phone, 2 * MINUTE);
    assert_eq!(ends(&lab.records()), [(Status::Stop(Cause::SessionTimeout), until)]);
}
