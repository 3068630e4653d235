//! An external portal that speaks CoovaChilli's UAM, by what browsers, programs and scripts get.

mod common;

use std::net::Ipv4Addr;
use std::time::Duration;

use common::{ANNE, Answer, BASE, BEN, Portal, get, raw, with_uam};
use portal::{Session, Uam};

const SERVER: &str = "http://portal.example/login";

fn uam() -> Uam {
    Uam {
        portal: uam::Portal {
            server: SERVER.into(),
            secret: b"uamsecret".to_vec(),
            wispr_1: true,
            wispr_2: true,
            gateway: Some((Ipv4Addr::new(10, 85, 0, 1), 3990)),
            called: "02-00-5E-00-00-01".into(),
            ..uam::Portal::default()
        },
        challenge_lifetime: Duration::from_secs(600),
        origins: vec!["https://www.example".into()],
        eap: true,
        original_url: true,
        ..Uam::default()
    }
}

/// GET of a path of the gateway, with more header lines.
async fn ask(portal: &Portal, from: Ipv4Addr, path: &str, lines: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: 10.85.0.1:3990\r\nConnection: close\r\n{lines}\r\n");
    Answer::parse(&raw(from, portal.address, request).await)
}

/// The parameters of the portal's address to which a path leads.
async fn led(portal: &Portal, from: Ipv4Addr, path: &str) -> Vec<(String, String)> {
    let answer = get(from, portal.address, &format!("{BASE}{path}")).await;
    assert_eq!(answer.status, 302, "{answer:?}");
    let location = answer.header("location").expect("a place");
    let query = location.strip_prefix(SERVER).and_then(|rest| rest.strip_prefix('?')).expect(location);
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(n, v)| (n.into(), v.into())).collect()
}

fn value<'a>(parameters: &'a [(String, String)], name: &str) -> &'a str {
    parameters.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
}

/// The path of a login by CHAP, as a portal computes it.
fn logon(challenge: &str, name: &str, password: &str) -> String {
    let octets = |digits: &str| -> Vec<u8> {
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits")).collect()
    };
    let key = uam::Challenge(octets(challenge).try_into().expect("16 octets")).key(b"uamsecret");
    let response = md5(&[&[0], password.as_bytes(), &key].concat());
    format!("/logon?username={name}&response={response}&userurl=http%253a%252f%252fexample.org%252f")
}

/// A password hidden by the challenge.
fn hidden(challenge: &str, name: &str, password: &str) -> String {
    let digits = |at: usize| u8::from_str_radix(&challenge[at..at + 2], 16).expect("digits");
    let challenge: [u8; 16] = std::array::from_fn(|at| digits(2 * at));
    let key = uam::Challenge(challenge).key(b"uamsecret");
    let hidden: String = password.bytes().zip(key.iter().cycle()).map(|(a, b)| format!("{:02x}", a ^ b)).collect();
    format!("/logon?username={name}&password={hidden}")
}

/// What a portal shows is what Python computes; here the digest is by the crate itself.
fn md5(octets: &[u8]) -> String {
    use md5::{Digest, Md5};
    Md5::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn a_portal_has_a_guest_asked_about_by_its_mac_address() {
    with_uam(uam(), async |portal| {
        assert_eq!(value(&led(&portal, ANNE, "/prelogin").await, "res"), "notyet");
        assert_eq!(*portal.house.asked_about.borrow(), [] as [Ipv4Addr; 0]);
        assert_eq!(value(&led(&portal, ANNE, "/macreauth").await, "res"), "notyet");
        ask(&portal, BEN, "/json/macreauth", "").await;
        portal.house.let_in(ANNE, Session::default());
        assert_eq!(value(&led(&portal, ANNE, "/macreauth?userurl=x").await, "res"), "already");
        assert_eq!(*portal.house.asked_about.borrow(), [ANNE, BEN, ANNE]);
    });
}

#[test]
fn a_guest_logs_in_and_out_by_a_portal() {
    with_uam(uam(), async |portal| {
        let first = led(&portal, ANNE, "/?url=http%3A%2F%2Fexample.org%2F%3Fa%3D%2526").await;
        assert_eq!(value(&first, "res"), "notyet");
        assert_eq!(value(&first, "userurl"), "http%3a%2f%2fexample.org%2f%3fa%3d%2526");
        assert_eq!(value(&first, "mac"), "02-00-5E-10-00-02");
        let challenge = value(&first, "challenge");
        assert_eq!(value(&led(&portal, ANNE, "/prelogin").await, "challenge"), challenge, "it is shown again");

        let login = logon(challenge, "guest", "good & long");
        let success = led(&portal, ANNE, &login).await;
        assert_eq!((value(&success, "res"), value(&success, "uid")), ("success", "guest"));
        assert_eq!(value(&success, "userurl"), "http%3a%2f%2fexample.org%2f");
        assert!(!value(&first, "sessionid").is_empty());
        assert_eq!(value(&success, "sessionid"), value(&first, "sessionid"), "the portal knew it before the login");
        assert!(portal.house.is_online(ANNE) && !portal.house.is_online(BEN));
        assert_eq!(*portal.house.logins.borrow(), ["guest http://example.org/"]);

        assert_eq!(value(&led(&portal, ANNE, &login).await, "res"), "success", "a browser sends it twice");
        assert_eq!(value(&led(&portal, ANNE, "/").await, "res"), "already");
        assert_eq!(value(&led(&portal, ANNE, "/status").await, "res"), "already");
        assert_eq!(value(&led(&portal, ANNE, "/abort").await, "res"), "already");
        assert_eq!(portal.house.logins.borrow().len(), 1, "nobody was asked again");

        let off = led(&portal, ANNE, "/logoff").await;
        assert_eq!(value(&off, "res"), "logoff");
        assert_ne!(value(&off, "challenge"), challenge);
        assert_eq!(value(&off, "sessionid"), value(&first, "sessionid"));
        assert!(!portal.house.is_online(ANNE));
        let next = led(&portal, ANNE, "/status").await;
        assert_eq!(value(&next, "res"), "notyet");
        assert_ne!(value(&next, "sessionid"), value(&first, "sessionid"));
    });
}

#[test]
fn a_guest_who_is_refused_is_led_where_the_server_wants_it() {
    with_uam(uam(), async |portal| {
        let url = "http://shop.example/more";
        let tries = |challenge: &str, url| hidden(challenge, "sold", url);
        let login = tries(value(&led(&portal, ANNE, "/prelogin").await, "challenge"), url);
        for _ in 0..2 {
            let answer = ask(&portal, ANNE, &login, "").await;
            assert_eq!((answer.status, answer.header("location")), (302, Some(url)));
            assert!(answer.body.contains("<ReplyMessage>Buy more.</ReplyMessage>"), "{answer:?}");
        }
        assert_eq!(portal.house.logins.borrow().len(), 1, "the very same login is not asked about again");
        let answer = ask(&portal, ANNE, &login.replace("/logon", "/json/logon"), "").await;
        assert!(answer.body.contains("\"redirectionURL\":\"http://shop.example/more\""), "{answer:?}");
        // Where a refusal leads is forgotten by a session that begins without a login.
        portal.house.let_in(ANNE, Session::default());
        assert_eq!(value(&led(&portal, ANNE, "/status").await, "res"), "already");
        portal.house.sessions.borrow_mut().clear();
        let login = tries(value(&led(&portal, ANNE, "/prelogin").await, "challenge"), "javascript:alert(1)");
        assert_eq!(value(&led(&portal, ANNE, &login).await, "reason"), "reject");
    });
    let parameter = Uam { portal: uam::Portal { redirect_url: true, ..uam().portal }, ..uam() };
    with_uam(parameter, async |portal| {
        let first = led(&portal, ANNE, "/prelogin").await;
        let login = hidden(value(&first, "challenge"), "sold", "http://shop.example/more");
        let refused = led(&portal, ANNE, &login).await;
        assert_eq!(value(&refused, "redirurl"), "http%3a%2f%2fshop.example%2fmore");
        assert_ne!(value(&refused, "challenge"), value(&first, "challenge"));
    });
}

#[test]
fn a_login_that_was_seen_lets_nobody_in_again() {
    with_uam(uam(), async |portal| {
        let first = led(&portal, ANNE, "/prelogin").await;
        let login = logon(value(&first, "challenge"), "guest", "good & long");
        assert_eq!(value(&led(&portal, BEN, &login).await, "res"), "failed", "it is another guest's");
        assert_eq!(value(&led(&portal, ANNE, &login).await, "res"), "success");
        led(&portal, ANNE, "/logoff").await;
        assert_eq!(value(&led(&portal, ANNE, &login).await, "res"), "failed");
        // The same if the session ends by itself.
        let next = led(&portal, ANNE, "/prelogin").await;
        let login = logon(value(&next, "challenge"), "guest", "good & long");
        assert_eq!(value(&led(&portal, ANNE, &login).await, "res"), "success");
        portal.house.sessions.borrow_mut().clear();
        let replayed = led(&portal, ANNE, &login).await;
        assert_eq!((value(&replayed, "res"), value(&replayed, "reason")), ("failed", "other"));
        assert!(!portal.house.is_online(ANNE));
    });
}

#[test]
fn a_refused_login_is_told_why_and_has_another_challenge() {
    with_uam(uam(), async |portal| {
        let first = led(&portal, ANNE, "/prelogin").await;
        let login = hidden(value(&first, "challenge"), "expired", "password");
        let refused = led(&portal, ANNE, &login).await;
        assert_eq!((value(&refused, "res"), value(&refused, "reason")), ("failed", "reject"));
        assert_eq!(value(&refused, "reply"), "Your%20account%20%3cb%3eended%3c%2fb%3e%20on%20Monday.");
        assert_ne!(value(&refused, "challenge"), value(&first, "challenge"));
        let again = led(&portal, ANNE, &login).await;
        assert_eq!(value(&again, "reply"), value(&refused, "reply"));
        assert_eq!(value(&again, "challenge"), value(&refused, "challenge"));
        assert_eq!(portal.house.logins.borrow().len(), 1, "a reload asks nobody");
        for (name, reason) in [("away", "timeout"), ("hasty", "other")] {
            let next = led(&portal, ANNE, "/prelogin").await;
            let failed = led(&portal, ANNE, &hidden(value(&next, "challenge"), name, "password")).await;
            assert_eq!(value(&failed, "reason"), reason);
            assert_eq!(value(&failed, "challenge"), value(&next, "challenge"), "nobody has decided");
        }
    });
}

/// What WISPr's XML says: each element's text, but for addresses.
fn told(answer: &Answer, name: &str) -> String {
    let (_, rest) = answer.body.split_once(&format!("<{name}>")).unwrap_or_default();
    rest.split('<').next().unwrap_or_default().to_owned()
}

#[test]
fn a_program_logs_in_by_eap_round_by_round() {
    with_uam(uam(), async |portal| {
        let round = async |message: &str| {
            ask(&portal, ANNE, &format!("/login?WISPrVersion=2.0&WISPrEAPMsg={message}"), "").await
        };
        let said = |answer: &Answer| ["MessageType", "ResponseCode", "EAPMsg"].map(|name| told(answer, name));
        assert_eq!(said(&ask(&portal, ANNE, "/prelogin", "").await), ["100", "0", "AQAABQE="]);
        assert_eq!(said(&ask(&portal, ANNE, "/prelogin", "").await), ["100", "0", "AQEABQE="], "another identifier");
        // 02 00 000a 01 "guest"; twice the same, for a conversation may begin anew
        for _ in 0..2 {
            let asked = round("AgAACgFndWVzdA%3D%3D").await;
            assert_eq!(said(&asked), ["121", "10", "AQgABgQJ"]);
            assert!(told(&asked, "LoginURL").contains("res=wispr"), "{asked:?}");
            assert!(asked.header("location").expect("a place").contains("?res=challenge&"), "{asked:?}");
            assert!(!portal.house.is_online(ANNE));
            let refused = round("AggABgQI").await;
            assert_eq!(said(&refused), ["121", "100", "BAgABA=="]);
        }
        assert_eq!(said(&round("AgAACgFndWVzdA==").await), ["121", "10", "AQgABgQJ"]);
        assert_eq!(said(&round("AggABgQH").await), ["121", "50", "AwgABA=="]);
        assert!(portal.house.is_online(ANNE));
        let asked = portal.house.logins.borrow().len();
        assert_eq!(said(&round("AggABgQH").await)[..2], ["121", "50"], "a program sends it twice");
        assert_eq!(portal.house.logins.borrow().len(), asked, "nobody was asked again");
    });
}

#[test]
fn what_is_no_response_of_eap_asks_nobody() {
    with_uam(uam(), async |portal| {
        // Not base64; a request; shorter than it says; a name of no text.
        for bad in ["%25", "AQAABQE=", "AgAABgE=", "AgAABgH/", ""] {
            let answer = ask(&portal, ANNE, &format!("/logon?WISPrVersion=2.0&WISPrEAPMsg={bad}"), "").await;
            assert_eq!([told(&answer, "MessageType"), told(&answer, "ResponseCode")], ["121", "255"], "{bad}");
        }
        assert_eq!(ask(&portal, ANNE, "/logon?WISPrEAPMsg=AgAABQE=", "").await.status, 400, "EAP is WISPr 2.0's");
        assert!(portal.house.logins.borrow().is_empty());
    });
    with_uam(Uam { eap: false, ..uam() }, async |portal| {
        assert_eq!(told(&ask(&portal, ANNE, "/prelogin", "").await, "EAPMsg"), "", "there is nobody to ask");
    });
}

#[test]
fn what_is_no_login_is_told_so_and_asks_nobody() {
    with_uam(uam(), async |portal| {
        led(&portal, ANNE, "/prelogin").await;
        for path in
            ["/logon", "/logon?username=", "/logon?username=anne", &format!("/logon?username={}", "a".repeat(300))]
        {
            assert_eq!(ask(&portal, ANNE, path, "").await.status, 400, "{path}");
        }
        assert_eq!(value(&led(&portal, ANNE, "/logon?username=anne&response=zz").await, "reason"), "other");
        let page = ask(&portal, ANNE, "/login", "").await;
        assert!(page.status == 200 && page.body.contains("password"), "our own form");
        assert!(portal.house.logins.borrow().is_empty());
    });
}

#[test]
fn a_home_page_comes_first_and_knows_the_portal() {
    with_uam(Uam { home_page: Some("http://www.example/?x".into()), ..uam() }, async |portal| {
        let answer = ask(&portal, ANNE, "/?url=http%3A%2F%2Fexample.org%2F", "").await;
        let location = answer.header("location").expect("a place");
        assert!(
            location
                .starts_with("http://www.example/?x&loginurl=http%3a%2f%2fportal.example%2flogin%3fres%3dnotyet%26"),
            "{location}"
        );
        assert_eq!(
            value(&led(&portal, ANNE, "/prelogin").await, "res"),
            "notyet",
            "only what a guest wanted leads there"
        );
    });
}

#[test]
fn scripts_of_the_portal_read_what_others_do_not() {
    with_uam(uam(), async |portal| {
        for origin in ["http://portal.example", "https://www.example", "http://PORTAL.example:80", BASE] {
            let answer = ask(&portal, ANNE, "/json/status", &format!("Origin: {origin}\r\n")).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert!(answer.body.starts_with("{\"version\":\"1.0\",\"clientState\":0,\"challenge\":\""), "{answer:?}");
        }
        for origin in ["https://portal.example", "http://evil.example", "null", "http://portal.example.evil.example"] {
            let answer = ask(&portal, ANNE, "/json/status", &format!("Origin: {origin}\r\n")).await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        }
        let known = "Referer: http://portal.example/login?res=notyet\r\n";
        for path in ["status", "prelogin", "abort"] {
            let answer = ask(&portal, ANNE, &format!("/json/{path}?callback=a.b"), known).await;
            assert!(answer.body.starts_with("a.b({\"version\""), "{answer:?}");
            assert!(answer.body.ends_with("})"), "{answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/javascript; charset=utf-8"));
        }
        for (callback, lines) in [
            ("a", ""),
            ("a", "Referer: http://evil.example/\r\n"),
            ("alert(1)//", known),
            ("", known),
            ("a%0d%0ab", known),
        ] {
            let answer = ask(&portal, ANNE, &format!("/json/status?callback={callback}"), lines).await;
            assert_eq!(answer.status, 403, "{callback:?} {lines:?}");
        }
        let preflight = format!(
            "OPTIONS /json/status HTTP/1.1\r\nHost: 10.85.0.1:3990\r\nConnection: close\r\nOrigin: {BASE}\r\n\r\n"
        );
        let answer = Answer::parse(&raw(ANNE, portal.address, preflight).await);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(BASE)));
    });
}

#[test]
fn a_page_of_another_site_cannot_log_a_guest_out() {
    with_uam(uam(), async |portal| {
        let in_again = || portal.house.let_in(ANNE, Session { user: "anne".into(), ..Session::default() });
        for foreign in ["Referer: http://evil.example/\r\n", "Origin: http://evil.example\r\n", "Origin: null\r\n"] {
            in_again();
            let answer = ask(&portal, ANNE, "/logoff", foreign).await;
            assert!(answer.status == 200 && answer.body.contains("Sign out?"), "{answer:?}");
            let german = ask(&portal, ANNE, "/logoff", &format!("Accept-Language: de\r\n{foreign}")).await;
            assert!(german.body.contains("<html lang=\"de\""), "{german:?}");
            assert_eq!(ask(&portal, ANNE, "/json/logoff", foreign).await.status, 403);
            assert!(portal.house.is_online(ANNE), "{foreign}");
        }
        for known in ["", "Referer: http://portal.example/status\r\n", "Origin: https://www.example\r\n"] {
            in_again();
            assert_eq!(ask(&portal, ANNE, "/logoff", known).await.status, 302);
            assert!(!portal.house.is_online(ANNE), "{known}");
        }
        in_again();
        let rebound = get(ANNE, portal.address, "http://rebound.example:3990/logoff").await;
        assert_eq!(rebound.header("location"), Some(&*format!("{BASE}/")), "another name for our address");
        assert!(portal.house.is_online(ANNE));
    });
}

#[test]
fn without_a_portal_our_own_pages_are_there_and_of_json_the_status() {
    with_uam(Uam::default(), async |portal| {
        assert_eq!(ask(&portal, ANNE, "/", "").await.status, 200);
        for path in ["/logon?username=a&password=b", "/prelogin", "/json/logoff", "/json/prelogin", "/json/"] {
            assert_eq!(ask(&portal, ANNE, path, "").await.status, 404, "{path}");
        }
        portal.house.let_in(ANNE, Session { user: "anne".into(), octets_up: 7, ..Session::default() });
        let answer = ask(&portal, ANNE, "/json/status", "").await;
        assert!(
            answer.body.contains("\"clientState\":1") && answer.body.contains("\"userName\":\"anne\""),
            "{answer:?}"
        );
        let page = ask(&portal, ANNE, "/status", "").await;
        assert!(page.status == 200 && page.body.contains("Your connection"), "{page:?}");
    });
}
