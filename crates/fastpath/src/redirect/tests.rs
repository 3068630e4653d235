use std::net::Ipv4Addr;

use wire::frame::tcp_flags::{ACK, FIN, RST, SYN};

use super::*;
use crate::answer::MAX_PAYLOAD;
use crate::port::{ETH_LEN, HEADROOM};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 85, 0, 1);
const GUEST: Ipv4Addr = Ipv4Addr::new(10, 85, 0, 9);
const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const URG: u8 = 0x20;
const ECE_CWR: u8 = 0xc0;
/// The client's initial sequence number: what it sends first is [`FIRST`].
const ISS: u32 = 0xffff_fffe;
const FIRST: u32 = 0xffff_ffff;
/// Octets of the page with its FIN.
const ALL: u32 = MAX_PAYLOAD as u32 + 1;
const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: example.org\r\n\r\n";

fn redirector() -> Redirector {
    Redirector::new("http://10.85.0.1:3990", GATEWAY, &["wifi.internal"], [1, 2])
}

/// A segment of the guest's with options in both headers.
fn packet(sequence: u32, acknowledgment: u32, flags: u8, window: u16, payload: &[u8]) -> (Packet, Ipv4) {
    let mut l3 = vec![0x46, 0, 0, 0, 0, 7, 0x40, 0, 64, 6, 0, 0];
    l3.extend(GUEST.octets());
    l3.extend(HOST.octets());
    l3.extend([148, 4, 0, 0, 0xc3, 0x50, 0, 80]);
    l3.extend(sequence.to_be_bytes());
    l3.extend(acknowledgment.to_be_bytes());
    l3.extend([0x60, flags]);
    l3.extend(window.to_be_bytes());
    l3.extend([0, 0, 0, 9, 2, 4, 5, 180]);
    l3.extend(payload);
    let total = l3.len() as u16;
    l3[2..4].copy_from_slice(&total.to_be_bytes());
    let mut packet = Packet::new();
    packet.memory_mut()[HEADROOM..HEADROOM + l3.len()].copy_from_slice(&l3);
    packet.set_l3_len(l3.len());
    let ip = Ipv4::parse(packet.l3()).unwrap();
    (packet, ip)
}

/// What comes back: sequence number, acknowledgment number, flags, header octets and payload.
fn answer(sequence: u32, acknowledgment: u32, flags: u8, payload: &[u8]) -> Option<(u32, u32, u8, u8, Vec<u8>)> {
    let (packet, ip) = packet(sequence, acknowledgment, flags, 65_535, payload);
    let redirector = redirector();
    let answer = redirector.answer(redirector.judge(&packet, &ip), &packet, &ip, MAC)?;
    let l3 = &answer.frame()[ETH_LEN..];
    let ip = Ipv4::parse(l3).unwrap();
    assert_eq!((ip.source, ip.destination, usize::from(ip.total_len)), (HOST, GUEST, l3.len()));
    let Transport::Tcp { source: 80, destination: 50_000, flags, header_len } = ip.transport else { panic!("{ip}") };
    let word = |at: usize| u32::from_be_bytes([l3[at], l3[at + 1], l3[at + 2], l3[at + 3]]);
    Some((word(24), word(28), flags, header_len, l3[ip.headers_len()..].to_vec()))
}

/// The connection after SYN and SYN-ACK: the sequence number of our first octet.
fn connect() -> u32 {
    answer(ISS, 0, SYN, b"").unwrap().0.wrapping_add(1)
}

#[test]
fn a_syn_is_answered_the_same_each_time_and_differently_for_each_connection() {
    let (sequence, acknowledgment, flags, header_len, payload) = answer(ISS, 0, SYN, b"").unwrap();
    assert_eq!((acknowledgment, flags, header_len, payload.len()), (FIRST, SYN | ACK, 24, 0));
    assert_eq!(answer(ISS, 0, SYN, b"").unwrap().0, sequence, "repeated");
    assert_eq!(answer(ISS, 0, SYN | ECE_CWR, b"").unwrap().2, SYN | ACK, "no ECN");
    assert_eq!(answer(ISS, 0, SYN, b"fast open").unwrap().1, FIRST, "data in it is not taken");
    assert_ne!(answer(ISS.wrapping_add(1), 0, SYN, b"").unwrap().0, sequence, "the port is used again");
    let other_key = Redirector::new("http://10.85.0.1:3990", GATEWAY, &[], [1, 3]);
    let (packet, ip) = packet(ISS, 0, SYN, 0, b"");
    assert_ne!(other_key.judge(&packet, &ip), Reply::SynAck(sequence));
}

#[test]
fn the_first_octets_of_a_request_get_the_whole_page_and_our_fin() {
    let ours = connect();
    let (sequence, acknowledgment, flags, _, page) = answer(FIRST, ours, ACK, GET).unwrap();
    assert_eq!((sequence, acknowledgment), (ours, FIRST.wrapping_add(GET.len() as u32)));
    assert_eq!((flags, page.len()), (FIN | ACK, MAX_PAYLOAD));
    // With the client's own FIN, which is acknowledged too; and again, if ours was lost.
    for _ in 0..2 {
        let half_closed = answer(FIRST, ours, FIN | ACK, GET).unwrap();
        assert_eq!((half_closed.1, half_closed.2, &half_closed.4), (acknowledgment.wrapping_add(1), FIN | ACK, &page));
    }
}

/// RFC 9293, 3.10.7, case by case.
#[test]
fn every_other_segment_gets_what_its_place_in_the_connection_asks_for() {
    let ours = connect();
    let page_read = ours.wrapping_add(ALL);
    let later = FIRST.wrapping_add(1220);
    for (what, sequence, acknowledgment, flags, payload, expected) in [
        ("the handshake's last ACK", FIRST, ours, ACK, &b""[..], Reply::Silence),
        ("with the request in it", FIRST, ours, ACK, GET, Reply::Page),
        ("a request in one octet", FIRST, ours, ACK, b"G", Reply::Page),
        ("urgent data", FIRST, ours, ACK | URG, GET, Reply::Page),
        ("a second segment, under way meanwhile", later, ours, ACK, b"x", Reply::Silence),
        ("a FIN after a request that did not come", later, ours, FIN | ACK, b"", Reply::Silence),
        ("an octet before the first, to keep alive", ISS, ours, ACK, b"\0", Reply::Silence),
        ("a FIN without a request", FIRST, ours, FIN | ACK, b"", Reply::Fin),
        ("an ACK of our FIN alone", FIRST.wrapping_add(1), ours.wrapping_add(1), ACK, b"", Reply::Silence),
        ("that FIN again", FIRST, ours.wrapping_add(1), FIN | ACK, b"", Reply::Ack),
        ("an ACK of the page", later, page_read, ACK, b"", Reply::Silence),
        ("the request's rest", later, page_read, ACK, b"x", Reply::Ack),
        ("the request again", FIRST, page_read, ACK, GET, Reply::Ack),
        ("the client's FIN", later, page_read, FIN | ACK, b"", Reply::Ack),
        ("half of the page", later, ours.wrapping_add(99), ACK, b"", Reply::Reset),
        ("the page without its FIN", later, page_read.wrapping_sub(1), ACK, b"x", Reply::Reset),
        ("an ACK of another connection", later, ours.wrapping_add(0x7000), ACK, b"", Reply::Reset),
        ("data of another connection", later, ours.wrapping_sub(1), ACK, GET, Reply::Reset),
        ("a reset", FIRST, ours, RST | ACK, b"", Reply::Silence),
        ("a reset alone", FIRST, ours, RST, b"", Reply::Silence),
        ("SYN and ACK", ISS, ours, SYN | ACK, b"", Reply::Reset),
        ("SYN and FIN", ISS, 0, SYN | FIN, b"", Reply::Silence),
        ("SYN and RST", ISS, 0, SYN | RST, b"", Reply::Silence),
        ("no flags", FIRST, ours, 0, GET, Reply::Silence),
        ("FIN alone", FIRST, ours, FIN, b"", Reply::Silence),
        ("everything", FIRST, ours, 0xff, GET, Reply::Silence),
    ] {
        let (packet, ip) = packet(sequence, acknowledgment, flags, 65_535, payload);
        assert_eq!(redirector().judge(&packet, &ip), expected, "{what}");
    }
}

#[test]
fn what_comes_after_the_page_is_acknowledged_to_its_end() {
    let page_read = connect().wrapping_add(ALL);
    let (sequence, acknowledgment, flags, _, payload) = answer(FIRST, page_read, FIN | ACK, b"rest").unwrap();
    assert_eq!((sequence, acknowledgment), (page_read, FIRST.wrapping_add(5)));
    assert_eq!((flags, payload.len()), (ACK, 0));
    let fin = answer(FIRST, connect(), FIN | ACK, b"").unwrap();
    assert_eq!((fin.0, fin.1, fin.2), (connect(), FIRST.wrapping_add(1), FIN | ACK));
}

#[test]
fn a_page_waits_until_there_is_room_for_all_of_it() {
    let ours = connect();
    for (window, expected) in [(0, Reply::Silence), (536, Reply::Silence), (537, Reply::Page)] {
        let (packet, ip) = packet(FIRST, ours, ACK, window, GET);
        assert_eq!(redirector().judge(&packet, &ip), expected, "{window}");
    }
}

/// The page for a request: Location and body.
fn page(request: &[u8]) -> (String, String) {
    let page = String::from_utf8(answer(FIRST, connect(), ACK, request).unwrap().4).unwrap();
    assert_eq!(page.len(), MAX_PAYLOAD, "every page is as long as every other");
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("HTTP/1.1 302 Found"));
    let fields: Vec<_> = lines.map(|line| line.split_once(": ").map(|(name, value)| (name, value.trim()))).collect();
    let location = fields[0].unwrap();
    assert_eq!(location.0, "Location");
    assert!(fields.contains(&Some(("Cache-Control", "no-store"))) && fields.contains(&Some(("Connection", "close"))));
    assert!(fields.contains(&Some(("Content-Length", "36"))), "{head}");
    (location.1.to_owned(), body.to_owned())
}

#[test]
fn the_page_leads_to_the_portal_and_says_where_the_guest_was_going() {
    const PORTAL: &str = "http://10.85.0.1:3990/";
    let host_only = format!("{PORTAL}?url=http%3A%2F%2Fexample.org%2F");
    let get = |path: &str, host: &str| page(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).0;
    assert_eq!(
        get("/news?id=1&x=%20#there", "example.org"),
        format!("{PORTAL}?url=http%3A%2F%2Fexample.org%2Fnews%3Fid%3D1%26x%3D%2520")
    );
    assert_eq!(page(GET).1, format!("Please go to {PORTAL}\n"));
    assert_eq!(page(b"HEAD / HTTP/1.1\r\nHost: example.org\r\n\r\n"), (host_only.clone(), String::new()));
    // Posted, or sent as to a proxy: all the same.
    let proxied = b"POST http://example.org HTTP/1.1\r\nHost: other.example\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(page(proxied).0, host_only);
    // Who names the portal means it and a page of it, and would come back here for ever.
    for own in ["wifi.internal", "WIFI.internal:80", "10.85.0.1", "10.85.0.1:8080"] {
        assert_eq!(get("/", own), PORTAL, "{own}");
        assert_eq!(get("/status?live=1", own), format!("{PORTAL}status?live=1"), "{own}");
        assert_eq!(get("//evil.example/", own), format!("{PORTAL}evil.example/"), "{own}");
        assert_eq!(get("/a\"b", own), PORTAL, "{own}");
        assert_eq!(get(&"/a".repeat(300), own), PORTAL, "{own}");
    }
    // Nonsense, and what has not come yet, is left out.
    for host in ["evil\"><script>", "a@b", "", "a\rLocation: http://evil.example/"] {
        assert_eq!(get("/", host), PORTAL, "{host}");
    }
    for request in [&b"G"[..], b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: exam", b"\x16\x03\x01\x02\n\xff", b"\0"]
    {
        assert_eq!(page(request).0, PORTAL, "{request:?}");
    }
    assert_eq!(get("/\"", "example.org"), host_only, "a path that cannot be shown");
}

#[test]
fn an_address_that_is_too_long_is_cut_to_its_host_and_a_host_that_is_too_long_left_out() {
    let get = |path: usize, host: usize| {
        let (path, host) = ("a".repeat(path), "b".repeat(host));
        page(format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).0
    };
    let mut longest = 0;
    for path in 0..600 {
        let location = get(path, 1);
        if location.ends_with('a') {
            assert_eq!(path, longest + 1, "what fits is whole");
            longest = path;
        } else {
            assert_eq!(location, "http://10.85.0.1:3990/?url=http%3A%2F%2Fb%2F", "{path}");
        }
    }
    assert!(longest > 300, "{longest}");
    assert!(get(5, 300).ends_with("aaaaa"));
    assert_eq!(get(5, 500), "http://10.85.0.1:3990/");
    assert_eq!(get(60_000, 500), "http://10.85.0.1:3990/", "a super-packet");
}

#[test]
fn the_page_fits_with_the_longest_address_that_a_portal_can_have() {
    let portal = format!("https://{}.example.org:65535", "a".repeat(128 - 12));
    let page = Page::new(&portal, GATEWAY, &["wifi.internal"]);
    let (packet, ip) = packet(FIRST, 0, ACK, 0, b"");
    let header = Header { sequence: 0, acknowledgment: 0, flags: 0, window: 0 };
    let answer = Answer::tcp(&packet, &ip, MAC, &header, &[], |answer| page.push(answer, GET, Way::In)).unwrap();
    assert_eq!(answer.len(), ETH_LEN + 40 + PAGE_OCTETS);
}
