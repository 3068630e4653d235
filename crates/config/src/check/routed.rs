//! Networks behind routers on the guests' network.

use super::usable;
use crate::Config;
use crate::read::Read;

pub(super) fn check(config: &Config, read: &mut Read<'_>) {
    let lan = &config.lan;
    for (i, routed) in lan.routed.iter().enumerate() {
        let path = |key: &str| format!("lan.routed[{i}].{key}");
        let network = routed.network;
        let taken = [(lan.network, "lan.network".to_owned())]
            .into_iter()
            .chain(lan.routed.iter().take(i).map(|other| (other.network, "another [[lan.routed]]".to_owned())))
            .chain(config.uplink.address.map(|address| (address.network(), "uplink.address".to_owned())));
        let overlapped: Vec<String> =
            taken.filter(|(other, _)| other.overlaps(network)).map(|(other, what)| format!("{what} {other}")).collect();
        if let Some(what) = overlapped.first() {
            read.conflict(&path("network"), &["lan.network"], format!("{network} overlaps {what}; a guest is in one"));
        } else if !usable(network.address) || network.prefix < 8 {
            read.conflict(
                &path("network"),
                &[],
                format!("{network} is not for hosts; name the network, not shorter than /8"),
            );
        }
        if !lan.network.has_host(routed.via) || routed.via == lan.gateway {
            let message = format!("{} is no other host of lan.network {}", routed.via, lan.network);
            read.conflict(&path("via"), &["lan.network", "lan.gateway"], message);
        } else if (config.dhcp.first..=config.dhcp.last).contains(&routed.via)
            && !config.dhcp.hosts.iter().any(|host| (host.address, host.mac) == (Some(routed.via), routed.mac))
        {
            let message = format!(
                "{} is in the pool, and another guest may get it; keep it with [[dhcp.host]] mac = \"{}\", or let dhcp.first or dhcp.last leave it out",
                routed.via, routed.mac
            );
            read.conflict(&path("via"), &["dhcp.first", "dhcp.last", &path("mac")], message);
        }
        if routed.vlan == 0 && !lan.untagged {
            let message = "is 0, but what has no tag is not heard; write the VLAN, or leave lan.untagged out";
            read.conflict(&path("vlan"), &["lan.untagged"], message);
        }
        if !routed.mac.is_station() {
            read.conflict(&path("mac"), &[], format!("{} is no station's", routed.mac));
        }
    }
}
