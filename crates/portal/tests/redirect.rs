//! What happens to a guest's plain web traffic before, and just after, it logs in.

mod common;

use common::*;
use portal::{Limits, Session};

/// The probes of `clients-and-standards`: the sign-in sheet opens because none of these gets the answer it expects.
const PROBES: [(&str, &str); 28] = [
    ("iOS, macOS", "http://captive.apple.com/hotspot-detect.html"),
    ("macOS, older", "http://www.apple.com/library/test/success.html"),
    ("iOS, older", "http://www.appleiphonecell.com/"),
    ("Android", "http://connectivitycheck.gstatic.com/generate_204"),
    ("Android, fallback", "http://clients3.google.com/generate_204"),
    ("ChromeOS", "http://www.google.com/gen_204"),
    ("Android, older", "http://connectivitycheck.android.com/generate_204"),
    ("Windows", "http://www.msftconnecttest.com/connecttest.txt"),
    ("Windows, sign-in", "http://www.msftconnecttest.com/redirect"),
    ("Windows 7", "http://www.msftncsi.com/ncsi.txt"),
    ("Edge", "http://edge-http.microsoft.com/captiveportal/generate_204"),
    ("Firefox", "http://detectportal.firefox.com/canonical.html"),
    ("Firefox", "http://detectportal.firefox.com/success.txt?ipv4"),
    ("GNOME", "http://nmcheck.gnome.org/check_network_status.txt"),
    ("Debian", "http://network-test.debian.org/nm"),
    ("Fedora", "http://fedoraproject.org/static/hotspot.txt"),
    ("Ubuntu", "http://connectivity-check.ubuntu.com/"),
    ("Arch", "http://ping.archlinux.org/"),
    ("KDE", "http://networkcheck.kde.org/"),
    ("Kindle", "http://spectrum.s3.amazonaws.com/kindle-wifi/wifistub.html"),
    ("Fire OS", "http://fireoscaptiveportal.com/generate_204"),
    ("Samsung", "http://connectivity.samsung.com.cn/generate_204"),
    ("Xiaomi", "http://connect.rom.miui.com/generate_204"),
    ("Huawei", "http://connectivitycheck.platform.hicloud.com/generate_204"),
    ("OPPO", "http://conn1.oppomobile.com/generate_204"),
    ("Vivo", "http://wifi.vivo.com.cn/generate_204"),
    ("Steam", "http://test.steampowered.com/204"),
    ("Cloudflare", "http://cp.cloudflare.com/generate_204"),
];

#[test]
fn an_unpaid_guest_opening_any_http_page_is_sent_to_the_sign_in_page() {
    with_portal(wide(), None, async |portal| {
        let answer = get(ANNE, portal.redirected, "http://example.org/news?id=1&x=%20").await;
        assert_eq!(answer.status, 302);
        let url = format!("{BASE}/?url=http%3A%2F%2Fexample.org%2Fnews%3Fid%3D1%26x%3D%2520");
        assert_eq!(answer.header("location"), Some(url.as_str()));
        // And there it finds the page it wanted.
        let page = page(&portal, ANNE, url.trim_start_matches(BASE)).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("value=\"http://example.org/news?id=1&#38;x=%20\""), "{}", page.body);
    });
}

#[test]
fn every_operating_system_sees_a_portal_before_login() {
    with_portal(wide(), None, async |portal| {
        for (system, probe) in PROBES {
            for method in ["GET", "HEAD"] {
                let (host, path) = probe.trim_start_matches("http://").split_once('/').expect("path");
                let request = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n");
                let answer = Answer::parse(&raw(ANNE, portal.redirected, request).await);
                assert_eq!(answer.status, 302, "{system}: {probe}");
                let location = answer.header("location").expect("location");
                assert!(location.starts_with(&format!("{BASE}/?url=http%3A%2F%2F")), "{system}: {location}");
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{system}");
                assert_eq!(answer.header("connection"), Some("close"), "{system}");
                assert!(answer.body.len() < 512, "{system}");
                assert_eq!(answer.body.is_empty(), method == "HEAD", "{system}");
            }
        }
    });
}

#[test]
fn a_guest_that_logged_in_meanwhile_is_sent_back_to_where_it_was_going() {
    with_portal(wide(), None, async |portal| {
        portal.house.let_in(ANNE, Session::default());
        let answer = get(ANNE, portal.redirected, "http://example.org/news?id=1").await;
        assert_eq!(answer.status, 302);
        assert_eq!(answer.header("location"), Some("http://example.org/news?id=1"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("connection"), Some("close"));
    });
}

#[test]
fn a_guest_that_types_the_portals_name_arrives_without_going_in_circles() {
    with_portal(wide(), None, async |portal| {
        for logged_in in [false, true] {
            if logged_in {
                portal.house.let_in(ANNE, Session::default());
            }
            for own in ["http://wifi.internal/", "http://WIFI.internal:80/status", "http://10.85.0.1/"] {
                let answer = get(ANNE, portal.redirected, own).await;
                assert_eq!(answer.header("location"), Some(format!("{BASE}/").as_str()), "{own}");
            }
        }
    });
}

#[test]
fn a_request_without_a_usable_address_still_leads_to_the_portal() {
    with_portal(wide(), None, async |portal| {
        let home = format!("{BASE}/");
        for request in [
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: evil\"><script>\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
        ] {
            let answer = Answer::parse(&raw(ANNE, portal.redirected, request).await);
            assert_eq!((answer.status, answer.header("location")), (302, Some(home.as_str())), "{request}");
        }
        // Too long to carry along: its host is kept.
        let long = format!("GET /{} HTTP/1.1\r\nHost: example.org\r\n\r\n", "a".repeat(3000));
        let answer = Answer::parse(&raw(ANNE, portal.redirected, long).await);
        assert_eq!(answer.header("location"), Some(format!("{BASE}/?url=http%3A%2F%2Fexample.org%2F").as_str()));
        // Sent as to a proxy, posted, or neither: all the same.
        let proxied = "POST http://example.org/x HTTP/1.1\r\nHost: other.example\r\nContent-Length: 0\r\n\r\n";
        let answer = Answer::parse(&raw(ANNE, portal.redirected, proxied).await);
        assert_eq!(answer.header("location"), Some(format!("{BASE}/?url=http%3A%2F%2Fexample.org%2Fx").as_str()));
    });
}

#[test]
fn a_second_request_on_the_same_connection_is_not_answered() {
    with_portal(wide(), None, async |portal| {
        let twice = "GET /a HTTP/1.1\r\nHost: example.org\r\n\r\nGET /b HTTP/1.1\r\nHost: example.org\r\n\r\n";
        let answer = String::from_utf8(raw(ANNE, portal.redirected, twice).await).expect("text");
        assert_eq!(answer.matches("HTTP/1.1 302").count(), 1, "{answer}");
    });
}

#[test]
fn a_thousand_redirects_in_a_row_fit_through_two_connections() {
    let limits = Limits { connections: 2, connections_per_guest: 2, ..wide() };
    with_portal(limits, None, async |portal| {
        for n in 0..1000 {
            let answer = get(ANNE, portal.redirected, &format!("http://example.org/{n}")).await;
            assert_eq!(answer.status, 302, "request {n}");
        }
    });
}

#[test]
fn a_storm_of_probes_is_slowed_down_and_costs_nobody_else() {
    let limits = Limits { request_burst: 5, requests_per_second: 1, ..Limits::default() };
    with_portal(limits, None, async |portal| {
        let mut statuses = Vec::new();
        for _ in 0..50 {
            let answer = get(ANNE, portal.redirected, "http://captive.apple.com/").await;
            if answer.status == 429 {
                assert!(answer.header("retry-after").is_some());
            }
            statuses.push(answer.status);
        }
        assert_eq!(statuses[..5], [302; 5]);
        assert!(statuses.contains(&429));
        assert_eq!(get(BEN, portal.redirected, "http://captive.apple.com/").await.status, 302);
        assert_eq!(page(&portal, ANNE, "/").await.status, 200, "its own sign-in page still opens");
    });
}
