//! `[uplink]` and its lines.

use std::collections::HashSet;

use super::usable;
use crate::read::Read;
use crate::{Config, GardenEntry, GardenHost, UplinkShare};

pub(super) fn check(config: &Config, read: &mut Read<'_>) {
    let uplink = &config.uplink;
    if let Some(address) = uplink.address {
        if address.network().overlaps(config.lan.network) {
            let message = format!("{address} overlaps lan.network {}; choose another lan.network", config.lan.network);
            read.conflict("uplink.address", &["lan.network"], message);
        }
        if uplink.interface.is_none() {
            let message = "needs uplink.interface or --uplink, to know whose address it is";
            read.conflict("uplink.address", &["uplink.interface"], message);
        }
    }
    if let Some(gateway) = uplink.gateway {
        if uplink.address.is_none() {
            read.conflict("uplink.gateway", &["uplink.address"], "needs uplink.address too; give both or none");
        }
        if !usable(gateway) || config.lan.network.contains(gateway) {
            read.conflict("uplink.gateway", &["lan.network"], format!("{gateway} cannot be a router on the uplink"));
        }
    }
    http_proxy(config, read);
    lines(config, read);
}

fn http_proxy(config: &Config, read: &mut Read<'_>) {
    let Some(proxy) = config.uplink.http_proxy else {
        if read.is_given("uplink.http_proxy_port") {
            let message = "has no effect: no proxy is named; add http_proxy";
            read.warn("uplink.http_proxy_port", &["uplink.http_proxy"], message);
        }
        return;
    };
    let address = *proxy.ip();
    let is_guests = config.lan.network.contains(address)
        || config.lan.routed.iter().any(|routed| routed.network.contains(address))
        || [config.uam.alias_address, config.uam.logout_address].contains(&Some(address));
    if !usable(address) || is_guests {
        let message = format!(
            "{address} cannot be a proxy for guests: name one beyond the uplink, or an address of this machine there"
        );
        read.conflict("uplink.http_proxy", &["lan.network"], message);
    }
    let opens = |entry: &&GardenEntry| matches!(entry.host, GardenHost::Network(network) if network.contains(address));
    if let Some(entry) = config.garden.allow.iter().find(opens) {
        let message = format!(
            "{entry} has the proxy in it (uplink.http_proxy), by which a guest gets out before login; leave it out"
        );
        read.conflict("garden.allow", &["uplink.http_proxy"], message);
    }
}

/// Several of them.
fn lines(config: &Config, read: &mut Read<'_>) {
    let uplink = &config.uplink;
    if uplink.lines.is_empty() {
        return;
    }
    for (key, is_set) in [
        ("uplink.interface", uplink.interface.is_some()),
        ("uplink.address", uplink.address.is_some()),
        ("uplink.gateway", uplink.gateway.is_some()),
    ] {
        if is_set {
            read.conflict(key, &[], "means nothing beside [[uplink.line]]; take one of them out");
        }
    }
    if read.is_of_zone("uplink.line[0]") {
        read.conflict(
            "uplink.line[0]",
            &[],
            "all zones leave by the same uplinks; write [[uplink.line]] without a zone",
        );
    }
    let (mut names, mut interfaces) = (HashSet::new(), HashSet::new());
    for (i, line) in uplink.lines.iter().enumerate() {
        let path = |key: &str| format!("uplink.line[{i}].{key}");
        let (interface, lan) = (&line.interface, &config.lan);
        if lan.named().contains(interface) {
            let message = format!("{interface} is also lan.interface; guests and the Internet need one each");
            read.conflict(&path("interface"), &["lan.interface"], message);
        }
        if *interface == config.tun.name {
            read.conflict(&path("interface"), &["tun.name"], format!("{interface} is also tun.name"));
        }
        if !interface.is_empty() && !interfaces.insert(interface) {
            read.conflict(&path("interface"), &[], format!("{interface} is another line's too; each needs its own"));
        }
        // It stands in labels, lines of the log and lists with blanks between.
        let is_word = |name: &str| {
            !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
        };
        if read.is_given(&path("name")) && !is_word(&line.name) {
            let message = format!("{:?} is no name; use a-z, A-Z, 0-9, '-', '_' and '.'", line.name);
            read.conflict(&path("name"), &[], message);
        }
        if !interface.is_empty() && !names.insert(&line.name) && read.is_given(&path("name")) {
            read.conflict(&path("name"), &[], format!("{} is another line's name too", line.name));
        }
        if let Some(gateway) = line.gateway.filter(|gateway| !usable(*gateway) || lan.network.contains(*gateway)) {
            read.conflict(&path("gateway"), &["lan.network"], format!("{gateway} cannot be a router on the uplink"));
        }
        if uplink.share == UplinkShare::First && read.is_given(&path("weight")) {
            read.warn(&path("weight"), &["uplink.share"], "has no effect without uplink.share = \"weight\"");
        }
        let probes = line.probe.as_deref();
        if probes.is_some_and(<[_]>::is_empty) {
            read.conflict(&path("probe"), &[], "is empty; leave it out, and the gateway is asked");
        }
        for probe in probes.unwrap_or_default() {
            if !usable(probe.address) || lan.network.contains(probe.address) {
                read.conflict(&path("probe"), &["lan.network"], format!("{probe} is nobody behind the uplink"));
            }
        }
    }
}
