//! What the kernel lets through for those that the gateway has let through. Needs root, or a user namespace's root.

#![allow(clippy::unwrap_used, reason = "in a test an error is a failure")]

mod common;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use common::{GATEWAY, INTERNET, Net, UPLINK, UPLINK_ADDRESS, forward_spec};
use platform::netns::Netns;
use platform::{Guard, Host, Mended, System, UplinkSpec, Waker};

/// How long a connection may take that must not come about.
const PATIENCE: Duration = Duration::from_millis(300);

/// A guest whose packets come straight out of "the TUN": here a cable takes its place, so that only the kernel's rules
/// stand between them.
struct Routed {
    net: Net,
    host: Host,
}

const TUN_STAND_IN: &str = "tunlike0";

fn routed(uplink: UplinkSpec) -> Option<Routed> {
    let net = common::net()?;
    net.gateway.cable(TUN_STAND_IN, None, &net.guest, "eth1", None).unwrap();
    Net::run(&net.guest, "ip", &["addr", "flush", "dev", "eth0"]);
    net.guest.add_address("eth1", common::GUEST, 16).unwrap();
    net.guest.add_route((Ipv4Addr::UNSPECIFIED, 0), "eth1", GATEWAY).unwrap();
    net.gateway.add_address(TUN_STAND_IN, GATEWAY, 16).unwrap();
    let host = net
        .gateway
        .run(|| {
            let mut host = Host::new();
            host.lock_lans(&[common::LAN]).unwrap();
            host.configure_uplink(&uplink).unwrap();
            let mut spec = forward_spec();
            spec.tun = TUN_STAND_IN.into();
            host.forward(&[spec]).unwrap();
            host
        })
        .unwrap();
    Some(Routed { net, host })
}

fn plain_uplink() -> UplinkSpec {
    UplinkSpec { interface: UPLINK.into(), address: UPLINK_ADDRESS, prefix: 24, gateway: INTERNET }
}

fn listen(namespace: &Netns, address: (Ipv4Addr, u16)) -> TcpListener {
    namespace.run(|| TcpListener::bind(address).unwrap()).unwrap()
}

fn connects(from: &Netns, to: (Ipv4Addr, u16)) -> bool {
    let result = from.run(|| TcpStream::connect_timeout(&SocketAddr::from(to), PATIENCE)).unwrap();
    match result {
        Ok(_) => true,
        Err(e) => {
            assert!(matches!(e.kind(), ErrorKind::TimedOut | ErrorKind::HostUnreachable), "{e}");
            false
        }
    }
}

#[test]
fn a_guest_reaches_the_internet_and_the_portal_and_nothing_else_of_the_gateway() {
    let Some(Routed { net, host: _host }) = routed(plain_uplink()) else { return };
    let any = Ipv4Addr::UNSPECIFIED;
    let _ports = [listen(&net.gateway, (any, 3990)), listen(&net.gateway, (any, 22)), listen(&net.internet, (any, 80))];
    assert!(connects(&net.guest, (INTERNET, 80)));
    assert!(connects(&net.guest, (GATEWAY, 3990)));
    assert!(!connects(&net.guest, (GATEWAY, 22)), "no port but the portal's");
    assert!(!connects(&net.guest, (UPLINK_ADDRESS, 3990)), "no address but the portal's");
    assert!(!connects(&net.guest, (UPLINK_ADDRESS, 22)));
    let ping = |address: Ipv4Addr| Net::run(&net.guest, "ping", &["-c1", "-W1", &address.to_string()]).1;
    assert!(ping(GATEWAY) && ping(INTERNET));
    assert!(!ping(UPLINK_ADDRESS));
    assert!(connects(&net.gateway, (GATEWAY, 3990)), "the machine itself may look at its portal");
}

#[test]
fn the_uplink_reaches_neither_guests_nor_the_portal() {
    let Some(Routed { net, host: _host }) = routed(plain_uplink()) else { return };
    let any = Ipv4Addr::UNSPECIFIED;
    let _ports = [listen(&net.gateway, (any, 3990)), listen(&net.guest, (any, 80)), listen(&net.gateway, (any, 22))];
    net.internet.add_route((Ipv4Addr::new(10, 1, 0, 0), 16), "eth0", UPLINK_ADDRESS).unwrap();
    assert!(!connects(&net.internet, (common::GUEST, 80)));
    assert!(!connects(&net.internet, (GATEWAY, 3990)));
    assert!(connects(&net.internet, (UPLINK_ADDRESS, 22)), "the gateway's administrator still gets in");
}

#[test]
fn a_guest_cannot_use_an_address_outside_of_the_guests_network() {
    let Some(Routed { net, host: _host }) = routed(plain_uplink()) else { return };
    let server = net.internet.run(|| UdpSocket::bind((INTERNET, 53)).unwrap()).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let foreign = Ipv4Addr::new(172, 16, 0, 9);
    net.guest.add_address("eth1", foreign, 32).unwrap();
    for source in [foreign, common::GUEST] {
        let socket = net.guest.run(|| UdpSocket::bind((source, 0)).unwrap()).unwrap();
        socket.send_to(source.to_string().as_bytes(), (INTERNET, 53)).unwrap();
    }
    let mut data = [0; 32];
    let (len, from) = server.recv_from(&mut data).unwrap();
    assert_eq!((&data[..len], from.ip()), (common::GUEST.to_string().as_bytes(), UPLINK_ADDRESS.into()));
}

#[test]
fn an_uplink_whose_gateway_lies_outside_of_its_subnet_works() {
    let outside = Ipv4Addr::new(198, 51, 100, 7);
    let uplink = UplinkSpec { address: outside, prefix: 32, ..plain_uplink() };
    let Some(Routed { net, mut host }) = routed(uplink.clone()) else { return };
    // The provider's router knows the rented address on its cable.
    Net::run(&net.internet, "ip", &["route", "add", &format!("{outside}/32"), "dev", "eth0"]);
    let listener = listen(&net.internet, (INTERNET, 80));
    let guest = thread::scope(|scope| {
        let guest = scope.spawn(|| connects(&net.guest, (INTERNET, 80)));
        let (_, from) = listener.accept().unwrap();
        assert_eq!(from.ip(), outside);
        guest.join().unwrap()
    });
    assert!(guest);
    let routes = || Net::run(&net.gateway, "ip", &["route"]).0;
    assert!(routes().contains(&format!("default via {INTERNET} dev {UPLINK}")), "{}", routes());
    assert!(routes().contains(&format!("{INTERNET} dev {UPLINK} proto static scope link")), "{}", routes());
    net.gateway
        .run(|| {
            // What is there already is not added again, and not ours to remove.
            let mut second = Host::new();
            second.configure_uplink(&uplink).unwrap();
            second.undo().unwrap();
            assert!(routes().contains("default"));
            host.undo().unwrap();
        })
        .unwrap();
    assert!(!routes().contains(UPLINK), "{}", routes());
}

/// What a look at the rules meets.
fn mend(guard: &mut dyn Guard) -> Vec<Mended> {
    let mut met = Vec::new();
    guard.mend(&mut |mended| met.push(mended)).unwrap();
    met
}

#[test]
fn whoever_takes_our_rules_away_or_some_of_them_finds_them_back() {
    let Some(Routed { net, host }) = routed(plain_uplink()) else { return };
    net.gateway
        .run(|| {
            let mut guard = host.guard_rules(&Waker::new().unwrap()).unwrap().expect("Linux has one");
            let list = |family| Net::run(&net.gateway, "nft", &["list", "table", family, "poblano"]).0;
            let rules = || [list("netdev"), list("inet")];
            let whole = rules();
            assert_eq!(mend(&mut *guard), [], "nobody has touched them");
            for how in [
                "flush ruleset",
                "flush table inet poblano",
                "flush chain inet poblano forward",
                "delete table netdev poblano",
                "delete chain netdev poblano lock0",
            ] {
                let (said, done) = Net::run(&net.gateway, "nft", &how.split(' ').collect::<Vec<_>>());
                assert!(done && rules() != whole, "{how}: {said}");
                assert_eq!(mend(&mut *guard), [Mended::Rules], "{how}");
                assert_eq!(rules(), whole, "{how}");
            }
            let add = ["add", "rule", "inet", "poblano", "forward", "tcp", "dport", "25", "drop"];
            assert!(Net::run(&net.gateway, "nft", &add).1);
            assert_eq!(mend(&mut *guard), [], "what an operator adds stays");
        })
        .unwrap();
}
