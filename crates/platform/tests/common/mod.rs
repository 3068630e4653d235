//! A guest, a gateway and an Internet, each in a network namespace of its own, joined by cables.
#![allow(dead_code, clippy::unwrap_used, reason = "helpers of several tests, of which each uses its part")]

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use platform::netns::Netns;
use platform::{ForwardSpec, TunMode, TunSpec};
use wire::MacAddr;

/// As long as a port waits for a packet at most.
pub(crate) const WAIT: Duration = Duration::from_secs(1);
pub(crate) const LAN: &str = "lan0";
pub(crate) const UPLINK: &str = "wan0";
pub(crate) const TUN: &str = "poblano0";
pub(crate) const GUEST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 2]);
pub(crate) const LAN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
pub(crate) const GUEST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
pub(crate) const UPLINK_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const INTERNET: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The three namespaces. They vanish when this is dropped.
pub(crate) struct Net {
    pub(crate) guest: Netns,
    pub(crate) gateway: Netns,
    pub(crate) internet: Netns,
}

/// `None`, with a word why, for those who may not make network namespaces. Where `POBLANO_REQUIRE_ROOT` is set,
/// that is a failure.
pub(crate) fn net() -> Option<Net> {
    let make = || -> platform::Result<Net> {
        let net = Net { guest: Netns::new()?, gateway: Netns::new()?, internet: Netns::new()? };
        net.gateway.cable(LAN, Some(LAN_MAC), &net.guest, "eth0", Some(GUEST_MAC))?;
        net.gateway.cable(UPLINK, None, &net.internet, "eth0", None)?;
        net.guest.add_address("eth0", GUEST, 16)?;
        net.internet.add_address("eth0", INTERNET, 24)?;
        Ok(net)
    };
    match make() {
        Ok(net) => Some(net),
        Err(e) if std::env::var_os("POBLANO_REQUIRE_ROOT").is_some() => panic!("{e}"),
        Err(e) => {
            eprintln!("SKIPPED, nothing was tested: {e}");
            None
        }
    }
}

impl Net {
    /// The output of a program in one of the namespaces, standard error included; and whether it said success.
    pub(crate) fn run(namespace: &Netns, program: &str, arguments: &[&str]) -> (String, bool) {
        let output = namespace.run(|| Command::new(program).args(arguments).output()).unwrap();
        let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        (text, output.status.success())
    }

    /// All that the gateway's kernel is configured to: rules, addresses, links, routes, switches.
    pub(crate) fn state(&self) -> String {
        let mut state = Self::run(&self.gateway, "nft", &["list", "ruleset"]).0;
        state += &Self::run(&self.gateway, "ip", &["-o", "addr", "show", "scope", "global"]).0;
        for link in [LAN, UPLINK, TUN] {
            let line = Self::run(&self.gateway, "ip", &["-br", "link", "show", link]).0;
            state += line.split_whitespace().last().unwrap_or_default();
            state += "\n";
        }
        state += &Self::run(&self.gateway, "ip", &["route", "show", "table", "all", "proto", "static"]).0;
        state += &self
            .gateway
            .run(|| {
                let mut switches = String::new();
                for interface in ["all", "default", LAN, UPLINK] {
                    for switch in ["ipv4/conf/IF/forwarding", "ipv4/conf/IF/rp_filter", "ipv6/conf/IF/disable_ipv6"] {
                        let path = format!("/proc/sys/net/{}", switch.replace("IF", interface));
                        let value = std::fs::read_to_string(&path).unwrap_or_default();
                        switches += &format!("{path} {value}");
                    }
                }
                switches
            })
            .unwrap();
        state
    }
}

pub(crate) fn tun_spec(mode: TunMode) -> TunSpec {
    TunSpec { lan: LAN.into(), name: TUN.into(), mode, mtu: 1500, address: GATEWAY, prefix: 16, routes: vec![] }
}

pub(crate) fn forward_spec() -> ForwardSpec {
    ForwardSpec {
        tun: TUN.into(),
        uplinks: vec![UPLINK.into()],
        gateway: GATEWAY,
        guests: vec![(Ipv4Addr::new(10, 1, 0, 0), 16)],
        masquerade: true,
        tcp_ports: vec![3990],
        udp_ports: vec![53],
        max_segment: None,
        http_proxy: None,
    }
}

/// Octets of a frame from the guest; `kind` is its EtherType.
pub(crate) fn frame(to: MacAddr, kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(to.0);
    frame.extend(GUEST_MAC.0);
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame.resize(frame.len().max(60), 0);
    frame
}

/// Who has `target`? asks the guest.
pub(crate) fn arp_request(target: Ipv4Addr) -> Vec<u8> {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
    arp.extend(GUEST_MAC.0);
    arp.extend(GUEST.octets());
    arp.extend([0; 6]);
    arp.extend(target.octets());
    frame(MacAddr::BROADCAST, 0x0806, &arp)
}

/// An IPv4 packet of the guest with a UDP datagram to a port where nobody listens, which the kernel answers with
/// ICMP.
pub(crate) fn datagram_to(target: Ipv4Addr) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
    ip.extend(GUEST.octets());
    ip.extend(target.octets());
    let sum = wire::checksum::of(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    ip.extend([0x30, 0x39, 0x30, 0x39, 0, 8, 0, 0]);
    frame(LAN_MAC, 0x0800, &ip)
}

/// A neighbour solicitation for the link-local address that the gateway's kernel gives its LAN interface.
pub(crate) fn ipv6_solicitation() -> Vec<u8> {
    use std::net::Ipv6Addr;
    let target = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x0101);
    let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x0102);
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0x0101);
    let mut icmp = vec![135, 0, 0, 0, 0, 0, 0, 0];
    icmp.extend(target.octets());
    icmp.extend([1, 1]);
    icmp.extend(GUEST_MAC.0);
    let mut pseudo = source.octets().to_vec();
    pseudo.extend(group.octets());
    pseudo.extend([0, 0, 0, 32, 0, 0, 0, 58]);
    pseudo.extend(&icmp);
    let sum = wire::checksum::of(&pseudo);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut ip = vec![0x60, 0, 0, 0, 0, 32, 58, 255];
    ip.extend(source.octets());
    ip.extend(group.octets());
    ip.extend(icmp);
    frame(MacAddr([0x33, 0x33, 0xff, 0, 1, 1]), 0x86dd, &ip)
}
