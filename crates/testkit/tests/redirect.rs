//! What happens to a guest's plain web traffic before, and just after, it logs in.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::session::Grant;
use testkit::dice::Dice;
use testkit::packet::{make_super, segment, tcp};
use testkit::tcp::{Visit, visit};
use testkit::{ALIAS, GATEWAY, Guest, LOGOUT, Lab, Seen, Setup};
use wire::Vlan;
use wire::frame::tcp_flags::{ACK, FIN, SYN};
use wire::vnet::VnetHeader;

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 80), 80);
const PORTAL: &str = "http://10.1.0.1:3990/";

/// What systems ask to find out whether they are online: the sign-in sheet opens because none gets what it expects.
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

fn lab_with_phone() -> (Lab, Guest) {
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    phone.receives(&mut lab);
    (lab, phone)
}

/// A request over a network that loses nothing, and all that came back.
fn ask(lab: &mut Lab, guest: Guest, to: SocketAddrV4, request: &str) -> String {
    let what = Visit { port: 40_000, to, request: request.as_bytes(), closes_early: false };
    String::from_utf8(visit(lab, guest, &what, &mut |_| 0)).expect("text")
}

fn get(url: &str, method: &str) -> String {
    let (host, path) = url.trim_start_matches("http://").split_once('/').expect("url with a path");
    format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n")
}

fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = answer.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[test]
fn an_unpaid_guest_opening_any_http_page_is_sent_to_the_sign_in_page() {
    let (mut lab, phone) = lab_with_phone();
    let answer = ask(&mut lab, phone, HOST, &get("http://example.org/news?id=1&x=%20", "GET"));
    assert!(answer.starts_with("HTTP/1.1 302 "), "{answer}");
    let url = format!("{PORTAL}?url=http%3A%2F%2Fexample.org%2Fnews%3Fid%3D1%26x%3D%2520");
    assert_eq!(field(&answer, "location"), Some(url.as_str()));
    assert!(lab.internet().is_empty(), "and nothing of it got out");
    assert_eq!(lab.counted_up("redirect"), 3, "SYN, request, FIN");
    lab.assert_every_packet_was_counted_once();
}

#[test]
fn every_operating_system_sees_a_portal_before_login() {
    let (mut lab, phone) = lab_with_phone();
    for (system, probe) in PROBES {
        for method in ["GET", "HEAD"] {
            let answer = ask(&mut lab, phone, HOST, &get(probe, method));
            assert!(answer.starts_with("HTTP/1.1 302 "), "{system}: {probe}");
            let location = field(&answer, "location").expect("location");
            assert!(location.starts_with(&format!("{PORTAL}?url=http%3A%2F%2F")), "{system}: {location}");
            assert_eq!(field(&answer, "cache-control"), Some("no-store"), "{system}");
            assert_eq!(field(&answer, "connection"), Some("close"), "{system}");
            let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
            assert_eq!(body.is_empty(), method == "HEAD", "{system}");
        }
    }
}

#[test]
fn a_guest_that_logged_in_meanwhile_gets_out_instead() {
    let (mut lab, phone) = lab_with_phone();
    ask(&mut lab, phone, HOST, &get("http://example.org/", "GET"));
    lab.login(phone, Grant::default());
    phone.connects(&mut lab, 40_000, HOST);
    assert!(phone.receives(&mut lab).is_empty());
    assert_eq!(lab.internet()[0].to(), HOST);
}

#[test]
fn a_guest_that_names_the_portal_arrives_without_going_in_circles() {
    let (mut lab, phone) = lab_with_phone();
    let gateway = SocketAddrV4::new(GATEWAY, 80);
    for online in [false, true] {
        if online {
            lab.login(phone, Grant::default());
        }
        for (own, page) in
            [("http://wifi.internal/", ""), ("http://WIFI.internal:80/status", "status"), ("http://10.1.0.1/", "")]
        {
            let answer = ask(&mut lab, phone, gateway, &get(own, "GET"));
            assert_eq!(field(&answer, "location"), Some(&*format!("{PORTAL}{page}")), "{own}");
        }
    }
    assert!(lab.internet().is_empty());
}

#[test]
fn an_address_elsewhere_that_stands_for_the_gateway_leads_to_its_pages_and_one_to_log_out() {
    let (mut lab, phone) = lab_with_phone();
    for online in [false, true] {
        if online {
            lab.login(phone, Grant::default());
        }
        for port in [80, 3990] {
            let mut location = |address, request: &str| {
                let answer = ask(&mut lab, phone, SocketAddrV4::new(address, port), request);
                field(&answer, "location").expect("location").to_owned()
            };
            assert_eq!(location(ALIAS, &get("http://198.51.100.1/", "GET")), PORTAL);
            assert_eq!(location(ALIAS, &get("http://wifi.internal/status", "GET")), format!("{PORTAL}status"));
            for request in [get("http://logout/a?b", "GET"), get("http://198.51.100.2/", "HEAD"), "G".to_owned()] {
                assert_eq!(location(LOGOUT, &request), format!("{PORTAL}logout"), "{request}");
            }
        }
        for address in [ALIAS, LOGOUT] {
            phone.connects(&mut lab, 50_000, SocketAddrV4::new(address, 443));
            assert_eq!(phone.receives(&mut lab).len(), 1, "refused");
        }
    }
    assert!(lab.internet().is_empty(), "nothing gets out to who has these addresses");
}

#[test]
fn a_second_request_on_the_same_connection_is_not_answered() {
    let (mut lab, phone) = lab_with_phone();
    let twice = get("http://example.org/a", "GET") + &get("http://example.org/b", "GET");
    let answer = ask(&mut lab, phone, HOST, &twice);
    assert_eq!(answer.matches("HTTP/1.1 302").count(), 1, "{answer}");
    assert!(answer.contains("example.org%2Fa"));
}

#[test]
fn a_shops_cookies_do_not_keep_the_answer_from_being_read() {
    let (mut lab, phone) = lab_with_phone();
    let cookies = format!("GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: {}\r\n\r\n", "a".repeat(60_000));
    assert_eq!(
        field(&ask(&mut lab, phone, HOST, &cookies), "location"),
        Some(&*format!("{PORTAL}?url=http%3A%2F%2Fshop.test%2F"))
    );
}

#[test]
fn whatever_the_network_does_to_it_a_visit_ends_with_the_whole_answer_and_closed() {
    let request = format!("GET /a HTTP/1.1\r\nHost: example.org\r\nCookie: {}\r\n\r\n", "a".repeat(8000));
    let mut lab = Lab::new(Setup::default());
    let phone = lab.guest_as("phone", Vlan(7), wire::MacAddr([2, 0, 1, 0, 0, 9]));
    phone.dhcp(&mut lab);
    let mut locations = BTreeSet::new();
    for seed in 0..3000 {
        let mut dice = Dice::new(seed);
        let octets = *dice.pick(&[0, 1, 20, 60, 1300, request.len()]);
        let closes_early = octets == 0 || dice.one_in(3);
        let port = 1024 + dice.below(60_000) as u16;
        let what = Visit { port, to: HOST, request: &request.as_bytes()[..octets], closes_early };
        let answer = String::from_utf8(visit(&mut lab, phone, &what, &mut |bound| dice.below(bound))).expect("text");
        if octets == 0 {
            assert_eq!(answer, "", "seed {seed}");
            continue;
        }
        assert_eq!(answer.matches("HTTP/1.1 302").count(), 1, "seed {seed}: {answer}");
        assert!(answer.ends_with(&format!("Please go to {PORTAL}\n")), "seed {seed}: {answer}");
        locations.insert(field(&answer, "location").expect("location").to_owned());
        lab.advance(Duration::from_millis(500));
    }
    let whole = format!("{PORTAL}?url=http%3A%2F%2Fexample.org%2Fa");
    assert_eq!(locations, BTreeSet::from([PORTAL.to_owned(), whole]), "with the address, if it came in one piece");
    assert!(lab.internet().is_empty());
}

#[test]
fn a_storm_of_connections_is_held_to_a_guests_share_and_costs_nobody_else() {
    let (mut lab, phone) = lab_with_phone();
    let mut answered = 0;
    for port in 0..10_000 {
        phone.connects(&mut lab, 10_000 + port, HOST);
        answered += phone.receives(&mut lab).len();
    }
    assert_eq!(answered, 2048);
    assert_eq!(lab.counted_up("redirect"), 10_000, "each is counted, answered or not");
    let other = lab.guest("other");
    other.dhcp(&mut lab);
    let answer = ask(&mut lab, other, HOST, &get("http://captive.apple.com/", "GET"));
    assert!(answer.starts_with("HTTP/1.1 302 "));
    lab.advance(Duration::from_secs(1));
    phone.connects(&mut lab, 9999, SocketAddrV4::new(*HOST.ip(), 443));
    assert!(phone.receives(&mut lab)[0].is_reset(), "and its https is refused again");
}

#[test]
fn a_thousand_connections_that_are_held_open_are_nothing_to_hold() {
    let (mut lab, phone) = lab_with_phone();
    let opened: Vec<Seen> = (0..1000)
        .map(|port| {
            phone.connects(&mut lab, 10_000 + port, HOST);
            phone.receives(&mut lab).remove(0)
        })
        .collect();
    lab.advance(Duration::from_secs(1500));
    for syn_ack in &opened {
        let (sequence, acknowledgment) = syn_ack.numbers();
        let request = get("http://example.org/", "GET");
        let l3 = segment(syn_ack.to(), HOST, acknowledgment, sequence.wrapping_add(1), ACK, request.as_bytes());
        phone.sends(&mut lab, &l3);
        let answer = phone.receives(&mut lab).remove(0);
        assert!(answer.has(FIN) && answer.payload().starts_with(b"HTTP/1.1 302 "));
    }
}

#[test]
fn a_connection_of_a_session_that_has_ended_is_reset_so_that_the_browser_begins_anew() {
    let (mut lab, phone) = lab_with_phone();
    lab.login(phone, Grant::default());
    let here = phone.socket(&lab, 40_000);
    phone.sends(&mut lab, &tcp(here, HOST, ACK, b"GET /a HTTP/1.1\r\n"));
    assert_eq!(lab.internet().len(), 1);
    assert!(lab.end_session(phone, engine::session::Cause::AdminReset));
    phone.sends(&mut lab, &tcp(here, HOST, ACK, b"GET /b HTTP/1.1\r\n"));
    let answers = phone.receives(&mut lab);
    assert!(answers.len() == 1 && answers[0].is_reset(), "{answers:?}");
    assert!(lab.internet().is_empty());
}

#[test]
fn what_came_damaged_is_not_answered_and_an_unfinished_checksum_is_not_damage() {
    let (mut lab, phone) = lab_with_phone();
    let mut syn = tcp(phone.socket(&lab, 40_000), HOST, SYN, b"");
    syn[37] ^= 1;
    phone.sends(&mut lab, &syn);
    assert!(phone.receives(&mut lab).is_empty());
    let vnet = make_super(&mut syn, 1460);
    phone.sends_super(&mut lab, &syn, VnetHeader { gso_type: VnetHeader::GSO_NONE, gso_size: 0, ..vnet });
    let answers = phone.receives(&mut lab);
    assert!(answers[0].has(SYN) && answers[0].has_right_checksums() && answers[0].vnet == VnetHeader::default());
    assert_eq!(lab.counted_up("redirect"), 2);
}
