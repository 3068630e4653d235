//! What we change, what we leave, and what outlives us. Needs root, or a user namespace's root.

#![allow(clippy::unwrap_used, reason = "in a test an error is a failure")]

mod common;

use common::{GATEWAY, INTERNET, LAN, Net, TUN, UPLINK, UPLINK_ADDRESS, forward_spec, net, tun_spec};
use platform::{Host, System, TunMode, UplinkSpec, Waker};

fn uplink_spec() -> UplinkSpec {
    UplinkSpec { interface: UPLINK.into(), address: UPLINK_ADDRESS, prefix: 24, gateway: INTERNET }
}

#[test]
fn a_clean_stop_leaves_the_machine_as_it_was() {
    let Some(net) = net() else { return };
    Net::run(&net.gateway, "ip", &["link", "set", LAN, "down"]);
    let before = net.state();
    let during = net
        .gateway
        .run(|| {
            let waker = Waker::new().unwrap();
            let mut host = Host::new();
            host.lock_lans(&[LAN]).unwrap();
            let _lan = host.open_lan(LAN, &waker).unwrap();
            let _tun = host.create_tun(&tun_spec(TunMode::Tun), &waker).unwrap();
            host.configure_uplink(&uplink_spec()).unwrap();
            host.forward(&[forward_spec()]).unwrap();
            let during = net.state();
            host.undo().unwrap();
            during
        })
        .unwrap();
    println!("{during}");
    for expected in [
        "table netdev poblano",
        "policy drop",
        "masquerade",
        &format!("iifname \"{TUN}\" ip daddr {GATEWAY} tcp dport 3990 accept"),
        &format!("iifname \"{TUN}\" ip daddr {GATEWAY} icmp type echo-request accept"),
        &format!("iifname != \"lo\" ip daddr {GATEWAY} drop"),
        &format!("oifname \"{UPLINK}\" ip saddr 10.1.0.0/16 masquerade"),
        &format!("oif \"{TUN}\" iifname \"{UPLINK}\" ct state established,related accept"),
        &format!("inet {GATEWAY}/16"),
        &format!("default via {INTERNET} dev {UPLINK}"),
        &format!("conf/{LAN}/disable_ipv6 1"),
        &format!("ipv4/conf/{UPLINK}/forwarding 1"),
        "ipv4/conf/all/forwarding 0",
    ] {
        assert!(during.contains(expected), "{expected} is missing in:\n{during}");
    }
    assert_eq!(net.state(), before);
}
