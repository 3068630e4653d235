//! Signing in, looking at the session, and signing out.

mod common;

use std::time::Duration;

use common::*;
use portal::Session;

const GOOD: &str = "name=guest&password=good+%26+long";

#[test]
fn a_guest_that_knows_its_password_gets_online_by_a_navigation_of_the_whole_page() {
    with_portal(wide(), None, async |portal| {
        // Led here from the page it wanted, it is led on there.
        let first = page(&portal, ANNE, "/?url=http%3A%2F%2Fexample.org%2Fnews%3Fid%3D1%26x%3D%2520").await;
        assert_eq!(first.status, 200);
        assert!(first.body.contains("value=\"http://example.org/news?id=1&#38;x=%20\""), "{}", first.body);
        let form = format!("{GOOD}&url=http%3A%2F%2Fexample.org%2Fnews");
        let answer = post(&portal, ANNE, "/login", &form).await;
        assert_eq!(answer.status, 303);
        let success = answer.header("location").expect("location").to_owned();
        assert!(success.starts_with("/success"), "{success}");
        assert!(portal.house.is_online(ANNE));
        assert!(!portal.house.is_online(BEN));
        let answer = page(&portal, ANNE, &success).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("You are online"));
        assert!(answer.body.contains("href=\"http://example.org/news\""));
        assert!(answer.body.contains("Continue to example.org"));
        // Sent twice by an impatient finger.
        assert_eq!(post(&portal, ANNE, "/login", GOOD).await.header("location"), Some("/success"));
        assert_eq!(page(&portal, ANNE, "/").await.header("location"), Some("/status"));
    });
}

#[test]
fn a_guest_goes_where_the_server_of_its_account_leads_it() {
    with_portal(wide(), None, async |portal| {
        for (there, location) in [
            ("https://example.org/welcome?a=1", "https://example.org/welcome?a=1"),
            ("javascript:alert(1)", "/success"),
            ("http://example.org/\r\nSet-Cookie: a", "/success"),
            ("/status", "/success"),
        ] {
            let encoded: String = there.bytes().map(|octet| format!("%{octet:02x}")).collect();
            let answer = post(&portal, ANNE, "/login", &format!("name=led&password={encoded}")).await;
            assert_eq!((answer.status, answer.header("location")), (303, Some(location)), "{there:?}");
        }
        let refused = post(&portal, ANNE, "/login", "name=sold&password=http%3A%2F%2Fshop.example%2Fmore").await;
        assert_eq!((refused.status, refused.header("location")), (303, Some("http://shop.example/more")));
        let refused = post(&portal, ANNE, "/login", "name=sold&password=javascript%3Aalert(1)").await;
        assert!(refused.status == 403 && refused.body.contains("Buy more."), "{refused:?}");
    });
}

#[test]
fn a_guest_is_told_politely_why_it_is_not_let_in() {
    with_portal(wide(), None, async |portal| {
        for (form, status, words) in [
            ("name=guest&password=wrong", 403, "That name and password do not match."),
            ("name=expired&password=x", 403, "Your account &#60;b&#62;ended&#60;/b&#62; on Monday."),
            ("name=spent&password=x", 403, "All of the time or data of this voucher or account is used up."),
            ("name=away&password=x", 503, "The login server does not answer: please try again in a minute."),
            ("name=hasty&password=x", 429, "try again in 30\u{a0}seconds."),
            ("name=guest&password=", 422, "enter both your name and your password"),
            ("password=good+%26+long", 422, "enter both your name and your password"),
            ("", 422, "enter both your name and your password"),
        ] {
            let answer = post(&portal, ANNE, "/login", form).await;
            assert_eq!(answer.status, status, "{form}");
            assert!(answer.body.contains(words), "{form}: {}", answer.body);
            assert!(answer.body.contains("role=\"alert\""), "{form}");
            assert!(!portal.house.is_online(ANNE), "{form}");
        }
        let answer = post(&portal, ANNE, "/login", "name=hasty&password=secret").await;
        assert_eq!(answer.header("retry-after"), Some("30"));
        assert!(answer.body.contains("value=\"hasty\""), "the name is not asked for again");
        assert!(!answer.body.contains("secret"));
    });
}

#[test]
fn a_guest_has_to_accept_the_terms_if_there_are_any() {
    with_portal(wide(), Some("Be <kind>.\n\nStay calm."), async |portal| {
        let sign_in = page(&portal, ANNE, "/").await;
        assert!(sign_in.body.contains("<p>Be &#60;kind&#62;.</p>\n\n<p>Stay calm.</p>"), "{}", sign_in.body);
        assert_eq!(page(&portal, ANNE, "/terms").await.status, 200);
        let answer = post(&portal, ANNE, "/login", GOOD).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains("accept the terms"));
        assert!(!portal.house.is_online(ANNE));
        assert_eq!(post(&portal, ANNE, "/login", &format!("{GOOD}&terms=on")).await.status, 303);
        assert!(portal.house.is_online(ANNE));
    });
    with_portal(wide(), None, async |portal| assert_eq!(page(&portal, ANNE, "/terms").await.status, 404));
}

#[test]
fn a_guest_sees_what_it_has_left() {
    with_portal(wide(), None, async |portal| {
        portal.house.let_in(
            ANNE,
            Session {
                user: "<script>alert(1)</script>".into(),
                time_left: Some(Duration::from_secs(5_700)),
                octets_left: Some(734_000_000),
                octets_up: 12_400_000,
                message: Some("Breakfast <until> ten.".into()),
                ..Session::default()
            },
        );
        let status = page(&portal, ANNE, "/status").await;
        for words in
            ["1\u{a0}hour 35\u{a0}minutes", "734\u{a0}MB", "12\u{a0}MB", "&#60;script&#62;alert(1)&#60;/script&#62;"]
        {
            assert!(status.body.contains(words), "{words}: {}", status.body);
        }
        assert!(!status.body.contains("<script"));
        assert!(!status.body.contains("http-equiv=\"refresh\""), "only if the guest wants it");
        assert!(page(&portal, ANNE, "/status?live=1").await.body.contains("http-equiv=\"refresh\""));
        assert!(page(&portal, ANNE, "/success").await.body.contains("Breakfast &#60;until&#62; ten."));
        assert_eq!(page(&portal, BEN, "/status").await.header("location"), Some("/"), "not somebody else's");
    });
}

#[test]
fn a_guest_signs_out_after_being_asked() {
    with_portal(wide(), None, async |portal| {
        portal.house.let_in(ANNE, Session::default());
        portal.house.let_in(BEN, Session::default());
        let question = page(&portal, ANNE, "/logout").await;
        assert!(question.body.contains("Sign out?"));
        assert!(portal.house.is_online(ANNE), "a link alone signs nobody out");
        assert_eq!(post(&portal, ANNE, "/logout", "").await.header("location"), Some("/logged-out"));
        assert!(!portal.house.is_online(ANNE));
        assert!(portal.house.is_online(BEN));
        assert!(page(&portal, ANNE, "/logged-out").await.body.contains("You are signed out"));
    });
}

#[test]
fn a_form_on_another_website_neither_signs_in_nor_out() {
    with_portal(wide(), None, async |portal| {
        portal.house.let_in(BEN, Session::default());
        for foreign in ["Origin: http://evil.example\r\n", "Origin: null\r\n", "Referer: http://evil.example/\r\n"] {
            assert_eq!(post_from(&portal, ANNE, "/login", GOOD, foreign).await.status, 403, "{foreign}");
            assert_eq!(post_from(&portal, BEN, "/logout", "", foreign).await.status, 403, "{foreign}");
        }
        assert!(!portal.house.is_online(ANNE));
        assert!(portal.house.is_online(BEN));
    });
}

#[test]
fn an_address_made_up_by_somebody_else_is_not_linked_to() {
    with_portal(wide(), None, async |portal| {
        portal.house.let_in(BEN, Session::default());
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "//evil.example/",
            "http://a@evil.example/",
            "http://x/\"><script>alert(1)</script>",
            "http://10.85.0.1:3990/logout",
            "http://captive.apple.com/hotspot-detect.html",
        ] {
            let encoded: String = bad.bytes().map(|octet| format!("%{octet:02x}")).collect();
            let sign_in = page(&portal, ANNE, &format!("/?url={encoded}")).await;
            assert!(!sign_in.body.contains("name=\"url\""), "{bad}");
            let success = page(&portal, BEN, &format!("/success?url={encoded}")).await;
            assert!(!success.body.contains("Continue to"), "{bad}");
            assert!(!success.body.contains("<script"), "{bad}");
        }
        let name = post(&portal, ANNE, "/login", "name=%22%3E%3Cscript%3E&password=x").await;
        assert!(name.body.contains("value=\"&#34;&#62;&#60;script&#62;\""), "{}", name.body);
    });
}

#[test]
fn every_page_forbids_what_it_does_not_need() {
    with_portal(wide(), Some("Terms."), async |portal| {
        portal.house.let_in(BEN, Session::default());
        for (who, path) in [
            (ANNE, "/"),
            (ANNE, "/login"),
            (ANNE, "/logged-out"),
            (ANNE, "/terms"),
            (ANNE, "/no/such/page"),
            (BEN, "/success"),
            (BEN, "/status"),
            (BEN, "/logout"),
        ] {
            let answer = page(&portal, who, path).await;
            let policy = answer.header("content-security-policy").expect("policy");
            for rule in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
                assert!(policy.contains(rule), "{path}: {policy}");
            }
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
            assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
            assert!(answer.body.contains("Caf\u{e9} &#60;Poblano&#62;"), "{path}");
            for forbidden in ["<script", "style=", "onclick", "http://", "https://"] {
                assert!(!answer.body.contains(forbidden), "{path}: {forbidden}");
            }
        }
    });
}

#[test]
fn a_guests_first_page_is_small() {
    with_portal(wide(), None, async |portal| {
        let mut octets = 0;
        for (path, kind) in [("/", "text/html"), ("/portal.css", "text/css"), ("/logo", "image/svg+xml")] {
            let answer = page(&portal, ANNE, path).await;
            assert!(answer.header("content-type").expect("type").starts_with(kind), "{path}");
            octets += answer.head.len() + answer.body.len();
        }
        assert!(octets < 60_000, "{octets}");
    });
}

#[test]
fn a_device_that_asks_the_api_is_told_the_truth() {
    with_portal(wide(), None, async |portal| {
        let answer = page(&portal, ANNE, "/captive-portal/api").await;
        assert_eq!(answer.header("content-type"), Some("application/captive+json"));
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        let captive = format!("{{\"captive\":true,\"user-portal-url\":\"{BASE}/\",\"can-extend-session\":false}}\n");
        assert_eq!(answer.body, captive);
        let session =
            Session { time_left: Some(Duration::from_secs(326)), octets_left: Some(65_536), ..Session::default() };
        portal.house.let_in(ANNE, session);
        let answer = page(&portal, ANNE, "/captive-portal/api").await;
        assert!(answer.body.starts_with("{\"captive\":false,"), "{}", answer.body);
        assert!(answer.body.ends_with(",\"seconds-remaining\":326,\"bytes-remaining\":65536}\n"), "{}", answer.body);
    });
}

#[test]
fn a_website_whose_name_leads_to_the_portal_is_sent_to_the_portals_own_name() {
    with_portal(wide(), None, async |portal| {
        portal.house.let_in(ANNE, Session { user: "anne".into(), ..Session::default() });
        for host in ["rebound.example:3990", "10.85.0.1.rebound.example", "wifi.internal.rebound.example"] {
            let request = format!("GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = Answer::parse(&raw(ANNE, portal.address, request).await);
            assert_eq!((answer.status, answer.header("location")), (303, Some("http://10.85.0.1:3990/")), "{host}");
            let leave = format!(
                "POST /logout HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            assert_eq!(Answer::parse(&raw(ANNE, portal.address, leave).await).status, 403, "{host}");
            assert!(portal.house.is_online(ANNE));
        }
        for host in ["10.85.0.1:3990", "WIFI.internal:3990", "localhost:8080", "192.0.2.9", "[::1]:80"] {
            let request = format!("GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            assert_eq!(Answer::parse(&raw(ANNE, portal.address, request).await).status, 200, "{host}");
        }
    });
}
