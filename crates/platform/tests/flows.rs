//! What the kernel remembers of a guest's connections after its session. Needs root, or a user namespace's root.

#![allow(clippy::unwrap_used, reason = "in a test an error is a failure")]

mod common;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use common::{GATEWAY, GUEST, INTERNET, LAN, Net, UPLINK, UPLINK_ADDRESS, forward_spec};
use platform::{Flows, Host, System, UplinkSpec};

const OTHER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 3);
const TUN_STAND_IN: &str = "tunlike0";

/// A guest whose packets come straight out of "the TUN", and that has two addresses, as two guests have.
struct Routed {
    net: Net,
    _host: Host,
    flows: Box<dyn Flows>,
    server: UdpSocket,
}

/// A guest's UDP flow, and where the server sees it come from.
struct Flow {
    guest: UdpSocket,
    seen: SocketAddr,
}

impl Routed {
    fn new() -> Option<Self> {
        let net = common::net()?;
        net.gateway.cable(TUN_STAND_IN, None, &net.guest, "eth1", None).unwrap();
        Net::run(&net.guest, "ip", &["addr", "flush", "dev", "eth0"]);
        net.guest.add_address("eth1", GUEST, 16).unwrap();
        net.guest.add_address("eth1", OTHER, 16).unwrap();
        net.guest.add_route((Ipv4Addr::UNSPECIFIED, 0), "eth1", GATEWAY).unwrap();
        net.gateway.add_address(TUN_STAND_IN, GATEWAY, 16).unwrap();
        let uplink = UplinkSpec { interface: UPLINK.into(), address: UPLINK_ADDRESS, prefix: 24, gateway: INTERNET };
        let (host, flows) = net
            .gateway
            .run(|| {
                let mut host = Host::new();
                host.lock_lans(&[LAN]).unwrap();
                host.configure_uplink(&uplink).unwrap();
                host.forward(&[platform::ForwardSpec { tun: TUN_STAND_IN.into(), ..forward_spec() }]).unwrap();
                let flows = host.open_flows().unwrap();
                (host, flows)
            })
            .unwrap();
        let server = net.internet.run(|| UdpSocket::bind((INTERNET, 4500)).unwrap()).unwrap();
        server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Some(Self { net, _host: host, flows, server })
    }

    fn flow(&self, guest: Ipv4Addr) -> Flow {
        let guest = self.net.guest.run(|| UdpSocket::bind((guest, 0)).unwrap()).unwrap();
        guest.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        guest.send_to(b"hello", (INTERNET, 4500)).unwrap();
        let (_, seen) = self.server.recv_from(&mut [0; 32]).unwrap();
        let flow = Flow { guest, seen };
        assert!(self.reaches(&flow));
        flow
    }

    /// True if what the server sends into the flow still reaches the guest.
    fn reaches(&self, flow: &Flow) -> bool {
        self.server.send_to(b"for you", flow.seen).unwrap();
        match flow.guest.recv(&mut [0; 32]) {
            Ok(_) => true,
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }
}

#[test]
fn flows_of_a_guest_that_has_left_are_cut_and_those_of_others_are_not() {
    let Some(mut routed) = Routed::new() else { return };
    let (gone, also_gone, stays) = (routed.flow(GUEST), routed.flow(GUEST), routed.flow(OTHER));
    assert_eq!(routed.flows.forget(&BTreeSet::from([GUEST])).unwrap(), 2);
    assert!(!routed.reaches(&gone) && !routed.reaches(&also_gone));
    assert!(routed.reaches(&stays));
    assert_eq!(routed.flows.forget(&BTreeSet::from([GUEST])).unwrap(), 0);
}

#[test]
fn flows_of_several_guests_are_cut_at_once_and_nobody_elses() {
    let Some(mut routed) = Routed::new() else { return };
    let (gone, stays) = (routed.flow(GUEST), routed.flow(OTHER));
    assert_eq!(routed.flows.forget(&BTreeSet::new()).unwrap(), 0);
    assert!(routed.reaches(&gone), "nobody's flows are not everybody's");
    let absent = Ipv4Addr::new(10, 1, 0, 99);
    assert_eq!(routed.flows.forget(&BTreeSet::from([GUEST, absent])).unwrap(), 1);
    assert!(!routed.reaches(&gone));
    assert!(routed.reaches(&stays));
}

#[test]
fn flows_of_a_former_run_are_cut_and_the_machines_own_are_not() {
    let Some(mut routed) = Routed::new() else { return };
    let guests = [routed.flow(GUEST), routed.flow(OTHER)];
    let own = routed.net.gateway.run(|| UdpSocket::bind((UPLINK_ADDRESS, 0)).unwrap()).unwrap();
    own.send_to(b"hello", (INTERNET, 4500)).unwrap();
    routed.server.recv_from(&mut [0; 32]).unwrap();
    let network = (Ipv4Addr::new(10, 1, 0, 0), 16);
    assert_eq!(routed.flows.forget_network(network, &BTreeSet::from([OTHER])).unwrap(), 1);
    assert_eq!(guests.each_ref().map(|flow| routed.reaches(flow)), [false, true], "a session that goes on");
    assert_eq!(routed.flows.forget_network(network, &BTreeSet::new()).unwrap(), 1);
    assert!(guests.iter().all(|flow| !routed.reaches(flow)));
    // Answered and new ones alike stay in the table: there is nothing else that is the machine's own.
    let left = routed.net.gateway.run(|| std::fs::read_to_string("/proc/thread-self/net/nf_conntrack")).unwrap();
    let left = left.unwrap();
    assert!(left.contains(&format!("src={UPLINK_ADDRESS} dst={INTERNET}")), "{left}");
    assert!(!left.contains("src=10.1.0."), "{left}");
}

#[test]
fn more_flows_than_are_looked_at_at_once_are_all_cut() {
    let Some(mut routed) = Routed::new() else { return };
    let stays = routed.flow(OTHER);
    let socket = routed.net.guest.run(|| UdpSocket::bind((GUEST, 0)).unwrap()).unwrap();
    for port in 10_000..19_000 {
        // A port of the gateway's neighbour where nobody listens: its refusals are nothing to this test.
        while socket.send_to(b"hello", (INTERNET, port)).is_err() {}
    }
    assert!(routed.flows.forget(&BTreeSet::from([GUEST])).unwrap() > 8192);
    assert_eq!(routed.flows.forget(&BTreeSet::from([GUEST])).unwrap(), 0);
    assert!(routed.reaches(&stays));
}
