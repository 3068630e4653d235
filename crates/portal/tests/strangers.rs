//! What somebody can do to the portal who means no good, or sends nonsense.

mod common;

use std::time::Duration;

use common::*;
use portal::Limits;
use tokio::io::AsyncWriteExt;

const FORM_HEAD: &str =
    "POST /login HTTP/1.1\r\nHost: 10.85.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn somebody_without_a_lease_is_hung_up_on_without_a_byte() {
    with_portal(wide(), None, async |portal| {
        assert!(raw(STRANGER, portal.address, "GET / HTTP/1.1\r\nHost: 10.85.0.1\r\n\r\n").await.is_empty());
    });
}

#[test]
fn a_guest_whose_lease_ends_is_not_answered_on_its_open_connection() {
    with_portal(wide(), None, async |portal| {
        let mut stream = connect(ANNE, portal.address).await;
        stream.write_all(b"HEAD / HTTP/1.1\r\nHost: 10.85.0.1\r\n\r\n").await.expect("write");
        stream.readable().await.expect("an answer");
        portal.house.left.borrow_mut().push(ANNE);
        stream.write_all(b"HEAD / HTTP/1.1\r\nHost: 10.85.0.1\r\n\r\n").await.expect("write");
        let all = String::from_utf8(read_all(&mut stream).await).expect("text");
        assert_eq!(all.matches("HTTP/1.1 200").count(), 1, "{all}");
    });
}

#[test]
fn a_guest_that_holds_all_its_connections_open_does_not_keep_another_out() {
    let limits = Limits { connections_per_guest: 4, ..wide() };
    with_portal(limits, None, async |portal| {
        let mut held = Vec::new();
        for _ in 0..4 {
            let mut stream = connect(ANNE, portal.address).await;
            stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.expect("write");
            held.push(stream);
        }
        assert!(
            raw(ANNE, portal.address, "GET / HTTP/1.1\r\nHost: 10.85.0.1\r\n\r\n").await.is_empty(),
            "one too many"
        );
        assert_eq!(page(&portal, BEN, "/").await.status, 200);
    });
}

#[test]
fn a_login_that_waits_for_its_server_does_not_keep_another_guest_waiting() {
    with_portal(wide(), None, async |portal| {
        let mut waiting = connect(ANNE, portal.address).await;
        let form = format!("{FORM_HEAD}Content-Length: 20\r\n\r\nname=slow&password=x");
        waiting.write_all(form.as_bytes()).await.expect("write");
        assert_eq!(post(&portal, BEN, "/login", "name=guest&password=good+%26+long").await.status, 303);
    });
}

#[test]
fn a_connection_that_dawdles_is_ended_whatever_it_is_doing() {
    let short = Duration::from_millis(100);
    let limits = Limits { header_time: short, form_time: short, ..wide() };
    with_portal(limits, None, async |portal| {
        let answer = Answer::parse(&raw(ANNE, portal.address, "GET / HTTP/1.1\r\nHost:").await);
        assert_ne!(answer.status, 200);
        assert!(raw(ANNE, portal.address, "").await.is_empty(), "one that says nothing");
        let answer =
            Answer::parse(&raw(ANNE, portal.address, format!("{FORM_HEAD}Content-Length: 20\r\n\r\nname=")).await);
        assert_eq!(answer.status, 408);
    });
    // With room for one connection only: each that is ended makes room for the next.
    let limits = Limits { connection_time: short, connections: 1, ..wide() };
    with_portal(limits, None, async |portal| {
        assert!(raw(ANNE, portal.address, "GET / HTTP/1.1\r\nHost:").await.is_empty());
        let form = format!("{FORM_HEAD}Content-Length: 20\r\n\r\nname=slow&password=x");
        assert!(raw(ANNE, portal.address, form).await.is_empty(), "a login that nobody answers");
        assert_eq!(page(&portal, ANNE, "/").await.status, 200);
    });
}

#[test]
fn a_request_that_is_too_large_is_refused_by_the_right_name() {
    with_portal(wide(), None, async |portal| {
        let head = format!("GET / HTTP/1.1\r\nHost: 10.85.0.1\r\nCookie: {}\r\n\r\n", "a".repeat(40_000));
        assert_eq!(Answer::parse(&raw(ANNE, portal.address, head).await).status, 431);
        let many = format!("GET / HTTP/1.1\r\nHost: 10.85.0.1\r\n{}\r\n", "A: b\r\n".repeat(1000));
        assert_eq!(Answer::parse(&raw(ANNE, portal.address, many).await).status, 431);
        let announced = format!("{FORM_HEAD}Content-Length: 5000000000\r\n\r\n");
        assert_eq!(Answer::parse(&raw(ANNE, portal.address, announced).await).status, 413);
        let chunk = format!("1100\r\n{}\r\n", "a".repeat(0x1100));
        let creeping = format!("{FORM_HEAD}Transfer-Encoding: chunked\r\n\r\n{chunk}");
        assert_eq!(Answer::parse(&raw(ANNE, portal.address, creeping).await).status, 413);
    });
}

#[test]
fn nonsense_gets_a_refusal_and_the_portal_goes_on() {
    with_portal(wide(), None, async |portal| {
        for (request, status) in [
            ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03".to_owned(), 400),
            ("GET\r\n\r\n".to_owned(), 400),
            ("DELETE / HTTP/1.1\r\nHost: 10.85.0.1\r\n\r\n".to_owned(), 405),
            ("POST / HTTP/1.1\r\nHost: 10.85.0.1\r\nContent-Length: 0\r\n\r\n".to_owned(), 405),
            ("PUT /login HTTP/1.1\r\nHost: 10.85.0.1\r\nContent-Length: 0\r\n\r\n".to_owned(), 405),
            ("POST /login HTTP/1.1\r\nHost: 10.85.0.1\r\nContent-Length: 0\r\n\r\n".to_owned(), 415),
            (format!("{FORM_HEAD}Content-Length: 8\r\n\r\nname=%ff"), 400),
            ("GET /../../etc/passwd HTTP/1.1\r\nHost: 10.85.0.1\r\nConnection: close\r\n\r\n".to_owned(), 404),
        ] {
            assert_eq!(Answer::parse(&raw(ANNE, portal.address, &request).await).status, status, "{request:?}");
        }
        assert_eq!(page(&portal, ANNE, "/").await.status, 200);
    });
}

#[test]
fn a_browser_may_keep_its_connection_and_ask_ahead() {
    with_portal(wide(), None, async |portal| {
        let ahead = "GET / HTTP/1.1\r\nHost: 10.85.0.1\r\n\r\nHEAD /portal.css HTTP/1.1\r\nHost: 10.85.0.1\r\n\r\n\
                     GET /logo HTTP/1.1\r\nHost: 10.85.0.1\r\nConnection: close\r\n\r\n";
        let all = String::from_utf8(raw(ANNE, portal.address, ahead).await).expect("text");
        assert_eq!(all.matches("HTTP/1.1 200").count(), 3, "{all}");
        assert!(all.ends_with("</svg>\n"));
        assert!(!all.contains(":root"), "HEAD has no body");
    });
}

#[test]
fn a_thousand_requests_in_a_row_fit_through_two_connections() {
    let limits = Limits { connections: 2, connections_per_guest: 2, ..wide() };
    with_portal(limits, None, async |portal| {
        for n in 0..1000 {
            assert_eq!(page(&portal, ANNE, "/").await.status, 200, "request {n}");
        }
    });
}

#[test]
fn a_storm_of_requests_is_slowed_down_and_costs_nobody_else() {
    let limits = Limits { request_burst: 5, requests_per_second: 1, ..Limits::default() };
    with_portal(limits, None, async |portal| {
        let mut statuses = Vec::new();
        for _ in 0..50 {
            let answer = page(&portal, ANNE, "/").await;
            if answer.status == 429 {
                assert!(answer.header("retry-after").is_some());
            }
            statuses.push(answer.status);
        }
        assert_eq!(statuses[..5], [200; 5]);
        assert!(statuses.contains(&429));
        assert_eq!(page(&portal, BEN, "/").await.status, 200);
    });
}
