//! Guests who come in by accepting the terms alone.

mod common;

use common::*;

const TERMS: Option<&str> = Some("Be kind.");

#[test]
fn a_guest_who_accepts_the_terms_is_in() {
    for others in [false, true] {
        with_click_through(others, TERMS, async |portal| {
            let first = page(&portal, ANNE, "/?url=http%3A%2F%2Fexample.org%2F").await;
            assert!(first.body.contains("Be kind.") && first.body.contains("Go online"), "{}", first.body);
            assert_eq!(first.body.contains("name=\"password\""), others);
            let form = "by=terms&terms=on&url=http%3A%2F%2Fexample.org%2F";
            let answer = post(&portal, ANNE, "/login", form).await;
            let success = answer.header("location");
            assert_eq!((answer.status, success), (303, Some("/success?url=http%3A%2F%2Fexample.org%2F")));
            assert!(portal.house.is_online(ANNE));
            let status = page(&portal, ANNE, "/status").await;
            assert!(status.status == 200 && !status.body.contains("Signed in as"), "{}", status.body);
        });
    }
}

#[test]
fn nobody_is_in_who_has_not_accepted_them() {
    for (others, terms) in [(false, TERMS), (true, TERMS), (true, None)] {
        with_click_through(others, terms, async |portal| {
            for form in ["by=terms", "by=terms&terms=", "by=terms&Terms=on", "by=terms&name=guest&password=x&terms="] {
                let answer = post(&portal, ANNE, "/login", form).await;
                assert_eq!(answer.status, 422, "{form}");
                assert!(answer.body.contains("accept the terms of use to go online"), "{}", answer.body);
            }
            for path in ["/login?by=terms&terms=on", "/?by=terms&terms=on"] {
                assert_eq!(page(&portal, ANNE, path).await.status, 200, "a link is no sign of will");
            }
            let foreign = "POST /login HTTP/1.1\r\nHost: 10.85.0.1:3990\r\nOrigin: http://evil.example\r\n\
                           Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 17\r\n\r\nby=terms&terms=on";
            assert_eq!(Answer::parse(&raw(ANNE, portal.address, foreign).await).status, 403);
            assert!(portal.house.logins.borrow().is_empty() && !portal.house.is_online(ANNE));
        });
    }
}

#[test]
fn a_device_that_gets_nothing_more_is_told_for_how_long() {
    with_click_through(true, TERMS, async |portal| {
        for (guest, words) in [(9, "used up. It gets more in 2\u{a0}hours."), (10, "try again in 1\u{a0}minute.")] {
            let guest = std::net::Ipv4Addr::new(127, 0, 0, guest);
            let answer = post(&portal, guest, "/login", "by=terms&terms=on").await;
            assert_eq!(answer.status, 403);
            assert!(answer.body.contains(words) && answer.body.contains("role=\"alert\""), "{}", answer.body);
            assert!(!portal.house.is_online(guest));
        }
    });
}

#[test]
fn beside_it_a_password_and_a_voucher_are_still_checked() {
    with_click_through(true, TERMS, async |portal| {
        for (form, status) in [
            ("name=guest&password=wrong&terms=on", 403),
            ("voucher=7777&terms=on", 403),
            ("terms=on", 422),
            ("name=guest&terms=on", 422),
        ] {
            assert_eq!(post(&portal, ANNE, "/login", form).await.status, status, "{form}");
            assert!(!portal.house.is_online(ANNE), "{form}");
        }
        assert!(!portal.house.logins.borrow().contains(&"terms".to_owned()));
    });
}

#[test]
fn where_it_is_not_offered_accepting_the_terms_is_not_enough() {
    with_vouchers(true, TERMS, async |portal| {
        assert!(!page(&portal, ANNE, "/").await.body.contains("Go online"));
        assert_eq!(post(&portal, ANNE, "/login", "by=terms&terms=on").await.status, 422);
        assert!(portal.house.logins.borrow().is_empty() && !portal.house.is_online(ANNE));
    });
}
