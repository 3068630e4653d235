//! What is in the replies: options per network and per host, routes, relays.

use super::super::config::Host;
use super::*;

fn asked(lan: &mut Lan, key: GuestKey, list: &[u8]) -> Reply {
    let mut message = Message::request(MessageType::Discover, 1, key.mac);
    message.options.push(code::PARAMETER_LIST, list);
    lan.ask(key, &message).1.expect("an offer")
}

#[test]
fn the_network_is_described_in_the_order_the_client_asked_for() {
    let config = Config {
        domain: Some("guest.example".into()),
        dns: vec![GATEWAY, ip(2)],
        ntp: vec![ip(3)],
        mtu: Some(1400),
        captive_portal: Some("https://portal.example/api".into()),
        ..config()
    };
    let mut lan = Lan::new(config);
    let offer = asked(&mut lan, guest(7), &[code::DNS, 200, code::ROUTER, code::DNS]);
    assert_eq!(offer.option(code::SUBNET_MASK), Some(&[255, 255, 255, 0][..]));
    assert_eq!(offer.option(code::BROADCAST_ADDRESS), Some(&[10, 1, 0, 255][..]));
    assert_eq!(offer.option(code::DNS), Some(&[10, 1, 0, 1, 10, 1, 0, 2][..]));
    assert_eq!(offer.option(code::DOMAIN_NAME), Some(&b"guest.example"[..]));
    assert_eq!(offer.option(code::NTP), Some(&[10, 1, 0, 3][..]));
    assert_eq!(offer.option(code::INTERFACE_MTU), Some(&1400u16.to_be_bytes()[..]));
    assert_eq!(offer.option(code::CAPTIVE_PORTAL), Some(&b"https://portal.example/api"[..]));
    assert_eq!((offer.option(code::STATIC_ROUTE), offer.option(code::CLASSLESS_ROUTES)), (None, None));
    let order: Vec<u8> = offer.message.options.iter().map(|(code, _)| code).collect();
    assert_eq!(order[..7], [53, 54, 51, 58, 59, code::DNS, code::ROUTER]);
}

#[test]
fn each_guest_is_told_an_address_of_the_captive_portal_api_that_is_its_own() {
    let uri = "https://portal.example/api?mac=%{m}&id=%{M}&ip=%{i}&t=%{t}";
    let mut lan = Lan::new(Config { captive_portal: Some(uri.into()), ..config() });
    for host in [7, 8] {
        let key = guest(host);
        let offer = asked(&mut lan, key, &[code::CAPTIVE_PORTAL]);
        let told = String::from_utf8(offer.option(code::CAPTIVE_PORTAL).expect("option 114").to_vec()).expect("text");
        let (mac, address, now) = (key.mac.to_string(), offer.message.yiaddr, lan.now.unix.as_secs());
        let digits = mac.replace(':', "").to_uppercase();
        assert_eq!(told, format!("https://portal.example/api?mac={mac}&id={digits}&ip={address}&t={now}"));
    }
    let mut inform = Message::request(MessageType::Inform, 1, guest(9).mac);
    inform.ciaddr = ip(77);
    let ack = lan.ask(guest(9), &inform).1.expect("an answer");
    let told = ack.option(code::CAPTIVE_PORTAL).expect("option 114, though it was not asked for");
    assert!(String::from_utf8_lossy(told).contains("&ip=10.1.0.77&"), "who has an address already");
    let long = format!("https://portal.example/{}", "%{m}".repeat(14));
    let mut lan = Lan::new(Config { captive_portal: Some(long), ..config() });
    assert_eq!(asked(&mut lan, guest(7), &[code::CAPTIVE_PORTAL]).option(code::CAPTIVE_PORTAL), None, "261 octets");
}

#[test]
fn guests_with_a_lease_of_one_address_are_shown_the_way_to_the_gateway() {
    let mut lan = Lan::new(Config { host_routes: true, ..config() });
    let offer = asked(&mut lan, guest(7), &[1, 3, 121]);
    assert_eq!(offer.option(code::SUBNET_MASK), Some(&[255; 4][..]));
    assert_eq!(offer.option(code::BROADCAST_ADDRESS), None);
    let routes = [32, 10, 1, 0, 1, 0, 0, 0, 0, 0, 10, 1, 0, 1];
    assert_eq!(offer.option(code::CLASSLESS_ROUTES), Some(&routes[..]));
    assert_eq!(offer.option(code::STATIC_ROUTE), None, "not for who knows better");
    let offer = asked(&mut lan, guest(7), &[1, 3]);
    let address = offer.message.yiaddr.octets();
    assert_eq!(offer.option(code::STATIC_ROUTE), Some(&[GATEWAY.octets(), address].concat()[..]));
    assert_eq!(offer.option(code::ROUTER), Some(&GATEWAY.octets()[..]));
}

#[test]
fn one_host_boots_from_the_network_and_the_others_do_not() {
    let mut config = config();
    config.options.insert(150, vec![1, 2, 3, 4]);
    config.options.insert(code::DNS, vec![9, 9, 9, 9]);
    config.options.insert(code::SERVER_ID, vec![6, 6, 6, 6]);
    let host = Host {
        address: Some(ip(200)),
        hostname: Some("kiosk".into()),
        filename: Some("pxelinux.0".into()),
        next_server: Some(ip(5)),
        root_path: Some("/srv/kiosk".into()),
        options: [(150, vec![5])].into(),
    };
    config.hosts.insert(guest(7).mac, host);
    let mut lan = Lan::new(config);
    let offer = asked(&mut lan, guest(7), &[code::BOOT_FILE]);
    assert_eq!((offer.message.yiaddr, offer.message.siaddr), (ip(200), ip(5)));
    assert_eq!(offer.message.file, b"pxelinux.0");
    assert_eq!(offer.option(code::BOOT_FILE), Some(&b"pxelinux.0"[..]));
    assert_eq!(offer.option(code::TFTP_SERVER), Some(&b"10.1.0.5"[..]));
    assert_eq!(offer.option(code::ROOT_PATH), Some(&b"/srv/kiosk"[..]));
    assert_eq!(offer.option(code::HOST_NAME), Some(&b"kiosk"[..]));
    assert_eq!(offer.option(150), Some(&[5][..]), "the host's own goes before the network's");
    assert_eq!(offer.option(code::DNS), Some(&[9; 4][..]), "the operator's goes before ours");
    assert_eq!(offer.option(code::SERVER_ID), Some(&GATEWAY.octets()[..]), "but not where the protocol would break");
    let offer = asked(&mut lan, guest(8), &[code::BOOT_FILE]);
    assert_eq!((offer.message.siaddr, offer.message.file.len()), (NONE, 0));
    assert_eq!((offer.option(code::BOOT_FILE), offer.option(code::TFTP_SERVER)), (None, None));
    assert_eq!(offer.option(150), Some(&[1, 2, 3, 4][..]));
}

#[test]
fn a_small_client_gets_no_more_than_it_takes() {
    let mut config = config();
    for code in 200..205 {
        config.options.insert(code, vec![code; 120]);
    }
    let mut lan = Lan::new(config);
    lan.discover(guest(7));
    let small = UdpDatagram::parse(&lan.frames[0], Checksum::Verify).unwrap().payload.len();
    assert!(small <= MIN_LIMIT, "{small}");
    let mut message = Message::request(MessageType::Discover, 1, guest(7).mac);
    message.options.push(code::MAX_MESSAGE_SIZE, &1500u16.to_be_bytes());
    let offer = lan.ask(guest(7), &message).1.unwrap();
    assert_eq!(offer.option(204), Some(&[204; 120][..]));
}

#[test]
fn a_name_is_kept_as_far_as_it_is_safe_and_the_identifier_comes_back() {
    let mut lan = Lan::new(config());
    let mut message = rebooting(guest(7), ip(50));
    message.options.push(code::HOST_NAME, b"Ann's phone\n\x1b[31m<b>");
    message.options.push(code::CLIENT_ID, &[1, 2, 3]);
    let ack = lan.ask(guest(7), &message).1.unwrap();
    assert_eq!(ack.option(code::CLIENT_ID), Some(&[1, 2, 3][..]), "RFC 6842");
    let lease = lan.server.lease(guest(7)).unwrap();
    assert_eq!(lease.hostname.as_deref(), Some("Annsphone31mb"));
}

#[test]
fn a_configured_relay_is_served_and_gets_its_option_back() {
    let relay = GuestKey { mac: MacAddr([2, 0, 0, 0, 9, 9]), ..guest(0) };
    let mut lan = Lan::new(Config { relays: vec![ip(9)], ..config() });
    let mut message = Message::request(MessageType::Discover, 1, guest(7).mac);
    message.giaddr = ip(9);
    message.options.push(code::RELAY_INFORMATION, &[1, 2, 7, 7]);
    let offer = lan.ask(relay, &message).1.unwrap();
    assert_eq!((offer.eth_dst, offer.dst, offer.dport), (relay.mac, ip(9), SERVER_PORT));
    assert_eq!(offer.message.options.iter().last(), Some((code::RELAY_INFORMATION, &[1, 2, 7, 7][..])), "last");
    let mut message = Message { giaddr: ip(9), ..selecting(guest(7), offer.message.yiaddr) };
    assert_eq!(lan.ask(relay, &message).0, Outcome::Acknowledged);
    assert!(lan.server.lease(guest(7)).is_some(), "the lease is the guest's, not the relay's");
    message = Message { giaddr: ip(9), ..selecting(guest(8), offer.message.yiaddr) };
    let nak = lan.ask(relay, &message).1.unwrap();
    assert_eq!((nak.kind(), nak.dst), (MessageType::Nak, ip(9)));
    assert_eq!(nak.message.flags & FLAG_BROADCAST, FLAG_BROADCAST, "the relay is to broadcast it");
    // A guest cannot smuggle the option in.
    let mut message = Message::request(MessageType::Discover, 1, guest(3).mac);
    message.options.push(code::RELAY_INFORMATION, &[1, 0]);
    assert_eq!(lan.ask(guest(3), &message).1.unwrap().option(code::RELAY_INFORMATION), None);
}
