//! Guests with vouchers, and those who come back with another MAC address.

mod common;

use common::*;
use portal::Session;

const CODE: &str = "voucher=K7QM+2XWB";

#[test]
fn a_code_alone_lets_a_guest_in() {
    for password in [false, true] {
        with_vouchers(password, None, async |portal| {
            // As the code printed on the voucher leads here.
            let first = page(&portal, ANNE, "/?voucher=K7QM-2XWB%3Cb&url=http%3A%2F%2Fexample.org%2F").await;
            assert!(first.body.contains("value=\"K7QM-2XWB&#60;b\""), "{}", first.body);
            assert_eq!(first.body.contains("name=\"password\""), password);
            let answer = post(&portal, ANNE, "/login", &format!("{CODE}&url=http%3A%2F%2Fexample.org%2F")).await;
            let success = answer.header("location").expect("location");
            assert_eq!((answer.status, success), (303, "/success?url=http%3A%2F%2Fexample.org%2F"));
            assert!(portal.house.is_online(ANNE));
            let again = post(&portal, ANNE, "/login", "voucher=other").await;
            assert_eq!((again.status, portal.house.logins.borrow().len()), (303, 1), "who is online needs no other");
        });
    }
}

#[test]
fn a_guest_is_told_what_is_wrong_with_its_voucher() {
    with_vouchers(true, None, async |portal| {
        for (form, status, words) in [
            ("voucher=typo", 403, "This code has a typing error."),
            ("voucher=7777", 403, "There is no voucher with this code."),
            ("voucher=old", 403, "The time of this voucher or account is over."),
            ("voucher=empty", 403, "used up"),
            ("voucher=full", 403, "sign out on one of them"),
            ("voucher=+", 422, "enter the code of your voucher"),
            ("voucher=7777&name=guest&password=wrong", 403, "That name and password do not match."),
        ] {
            let answer = post(&portal, ANNE, "/login", form).await;
            assert_eq!(answer.status, status, "{form}");
            assert!(answer.body.contains(words), "{form}: {}", answer.body);
            assert!(answer.body.contains("role=\"alert\""), "{form}");
            assert!(!portal.house.is_online(ANNE), "{form}");
        }
    });
    with_vouchers(false, Some("Be kind."), async |portal| {
        assert_eq!(post(&portal, ANNE, "/login", CODE).await.status, 422);
        assert!(!portal.house.is_online(ANNE));
        assert_eq!(post(&portal, ANNE, "/login", &format!("{CODE}&terms=on")).await.status, 303);
    });
}

#[test]
fn where_there_are_no_vouchers_a_code_is_not_looked_at() {
    with_portal(wide(), None, async |portal| {
        assert!(!page(&portal, ANNE, "/").await.body.contains("voucher"));
        let answer = post(&portal, ANNE, "/login", CODE).await;
        assert!(answer.status == 422 && portal.house.logins.borrow().is_empty(), "{answer:?}");
    });
}

#[test]
fn the_address_of_the_status_page_lets_a_guest_go_on_after_it_is_asked() {
    with_vouchers(true, Some("Be kind."), async |portal| {
        post(&portal, ANNE, "/login", &format!("{CODE}&terms=on")).await;
        let status = page(&portal, ANNE, "/status").await;
        assert_eq!((status.status, status.header("location")), (303, Some("/status?key=b00c")));
        let status = page(&portal, ANNE, "/status?key=b00c").await;
        assert!(status.status == 200 && status.body.contains("/status?live=1&amp;key=b00c"), "{}", status.body);

        // The same person; to the gateway somebody else.
        let asked = page(&portal, BEN, "/status?key=b00c").await;
        assert!(asked.status == 200 && asked.body.contains("Continue as K7QM-2XWB"), "{}", asked.body);
        assert!(!portal.house.is_online(BEN), "looking changes nothing");
        let hasty = post(&portal, BEN, "/continue", "key=b00c").await;
        assert!(hasty.status == 422 && !portal.house.is_online(BEN), "the terms are for everybody");
        let foreign = "POST /continue HTTP/1.1\r\nHost: 10.85.0.1:3990\r\nOrigin: http://evil.example\r\n\
                       Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 17\r\n\r\nkey=b00c&terms=on";
        let answer = Answer::parse(&raw(BEN, portal.address, foreign).await);
        assert!(answer.status == 403 && !portal.house.is_online(BEN), "{answer:?}");
        let answer = post(&portal, BEN, "/continue", "key=b00c&terms=on").await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/success")));
        assert!(portal.house.is_online(BEN) && !portal.house.is_online(ANNE));
    });
}

#[test]
fn an_address_that_is_nobodys_leads_to_the_sign_in_page() {
    with_vouchers(true, None, async |portal| {
        for path in ["/status", "/status?key=", "/status?key=f00", "/continue"] {
            assert_eq!(page(&portal, ANNE, path).await.header("location"), Some("/"), "{path}");
        }
        assert_eq!(post(&portal, ANNE, "/continue", "key=f00").await.header("location"), Some("/"));
        portal.house.let_in(ANNE, Session::default());
        assert_eq!(page(&portal, ANNE, "/continue").await.header("location"), Some("/status"));
        assert_eq!(post(&portal, ANNE, "/continue", "key=b00c").await.header("location"), Some("/status"));
        assert_eq!(page(&portal, ANNE, "/status").await.status, 200, "without an address to keep");
    });
}
