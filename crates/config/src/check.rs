//! What no key shows alone: values that contradict each other, and values that are allowed but unwise.

mod administrative;
mod dynauth;
mod http;
mod proxy;
mod routed;
mod tls;
mod uam;
mod uplink;
mod webhook;

pub(crate) use uam::is_served_page;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::read::{Read, others_can_read};
use crate::{
    AuthMethod, Config, DhcpOption, GardenHost, Lan, Network, OffloadMode, RadiusTls, RadiusTransport, RefusedDevice,
    TunMode,
};

/// Secrets that stand in everybody's manual.
const KNOWN_SECRETS: [&str; 9] = [
    "testing123",
    "secret",
    "radius",
    "password",
    "changeme",
    "mysecret",
    "radiussecret",
    "sharedsecret",
    "replace me: 32 random characters", // our own example's
];

pub(crate) fn check(config: &Config, read: &mut Read<'_>) {
    interfaces(config, read);
    network(config, read);
    routed::check(config, read);
    uplink::check(config, read);
    dhcp(config, read);
    hosts(config, read);
    dns(config, read);
    portal(config, read);
    click_through(config, read);
    of_operators(config, read);
    garden(config, read);
    mac_authentication(config, read);
    session(config, read);
    policies(config, read);
    radius(config, read);
    dynauth::check(config, read);
    accounting(config, read);
    administrative::check(config, read);
    proxy::check(config, read);
    uam::check(config, read);
    webhook::check(config, read);
}

/// What the file has and the program has not, which would otherwise be as if it were not there.
pub(crate) fn left_out(parts: &[&str], read: &mut Read<'_>) {
    for part in parts {
        let path = if read.count(part) > 0 { format!("{part}[0]") } else { (*part).to_owned() };
        if read.is_given(&path) {
            read.conflict(
                &path,
                &[],
                "this program was built for routers, without it (poblano --version); take it out, or install the complete program (on OpenWrt the package poblano-full)",
            );
        }
    }
}

fn interfaces(config: &Config, read: &mut Read<'_>) {
    let (lan, uplink) = (&config.lan, &config.uplink.interface);
    if lan.interface.is_empty() {
        read.conflict("lan.interface", &[], "is missing; write interface = \"eth1\" there, or start with --lan eth1");
    } else if let Some(both) = uplink.as_ref().filter(|uplink| lan.named().contains(uplink)) {
        let message = format!("{both} is also uplink.interface; guests and the Internet need one each");
        read.conflict("lan.interface", &["uplink.interface"], message);
    }
    ports(lan, read);
    let tun = &config.tun.name;
    if lan.named().contains(tun) || lan.interface == *tun || uplink.as_ref() == Some(tun) {
        let message = format!("{} is also the LAN or the uplink; choose a name that no interface has", config.tun.name);
        read.conflict("tun.name", &["lan.interface", "uplink.interface"], message);
    }
    if (config.offload.mode, config.tun.mode) == (OffloadMode::On, TunMode::Tap) {
        read.conflict("offload.mode", &["tun.mode"], "\"on\" needs tun.mode = \"tun\"; write that, or \"auto\" here");
    }
}

/// What the bridge is made of must be several cables, and not the bridge.
fn ports(lan: &Lan, read: &mut Read<'_>) {
    if lan.ports.contains(&lan.interface) {
        let message = format!("{} is what the gateway makes of them itself; leave it out", lan.interface);
        read.conflict("lan.interface", &[], message);
    }
    for vlan in &lan.ports {
        if let Some(trunk) = lan.ports.iter().find(|trunk| is_vlan_of(vlan, trunk)) {
            let message = format!("{vlan} and {trunk} are one cable, and {trunk} has all its VLANs; leave one out");
            read.conflict("lan.interface", &[], message);
        }
    }
}

/// True of "eth1.20" and "eth1".
pub(crate) fn is_vlan_of(vlan: &str, trunk: &str) -> bool {
    vlan.strip_prefix(trunk).is_some_and(|rest| rest.starts_with('.'))
}

fn network(config: &Config, read: &mut Read<'_>) {
    let of_vlan = |name: &String| name.rsplit_once('.').is_some_and(|(_, vlan)| vlan.parse::<u16>().is_ok());
    if !config.lan.untagged && (of_vlan(&config.lan.interface) || config.lan.ports.iter().any(of_vlan)) {
        let message = "nobody is served on the interface of a VLAN: the kernel has taken the tag away; name its trunk";
        read.warn("lan.untagged", &["lan.interface"], message);
    }
    if !config.lan.untagged && read.is_given("dhcp.rogue_probe") && config.dhcp.rogue_probe.is_some() {
        let message = "has no effect: it asks without a tag, and lan.untagged is false";
        read.warn("dhcp.rogue_probe", &["lan.untagged"], message);
    }
    let network = config.lan.network;
    let address = network.address;
    if !usable(address) {
        let message = format!("{network} is not for hosts; use a private network such as 10.85.0.0/20");
        read.conflict("lan.network", &[], message);
    } else if !is_private(network) {
        let message = format!("{network} is not private (RFC 1918); guests cannot reach whoever really has it");
        read.warn("lan.network", &[], message);
    }
    if !network.has_host(config.lan.gateway) {
        let message = format!(
            "{} is no host of lan.network {network}; choose one from {} to {}",
            config.lan.gateway,
            network.first_host(),
            network.last_host()
        );
        read.conflict("lan.gateway", &["lan.network"], message);
    }
}

fn dhcp(config: &Config, read: &mut Read<'_>) {
    let (dhcp, network) = (&config.dhcp, config.lan.network);
    let mut inside = true;
    for (path, address) in [("dhcp.first", dhcp.first), ("dhcp.last", dhcp.last)] {
        if !network.has_host(address) {
            inside = false;
            let message = format!(
                "{address} is no host of lan.network {network}; choose one from {} to {}",
                network.first_host(),
                network.last_host()
            );
            read.conflict(path, &["lan.network"], message);
        }
    }
    if inside && dhcp.first > dhcp.last {
        let message = format!("{} comes after dhcp.last {}; swap them", dhcp.first, dhcp.last);
        read.conflict("dhcp.first", &["dhcp.last"], message);
    }
    if dhcp.first == dhcp.last && dhcp.first == config.lan.gateway {
        let message = "the pool has only the gateway's own address; widen it";
        read.conflict("dhcp.first", &["dhcp.last", "lan.gateway", "lan.network"], message);
    }
    if dhcp.offline_lease > dhcp.lease {
        read.warn(
            "dhcp.offline_lease",
            &["dhcp.lease"],
            "is longer than dhcp.lease; guests that are not logged in keep addresses longest",
        );
    }
    if !dhcp.dns.contains(&config.lan.gateway) {
        let message = format!("does not have the gateway {}; some devices will show no login page", config.lan.gateway);
        read.warn("dhcp.dns", &["lan.gateway", "lan.network"], message);
    }
    duplicate_option(read, "dhcp.options", &dhcp.options);
    pools(config, read);
    statics(config, read);
}

fn statics(config: &Config, read: &mut Read<'_>) {
    let (dhcp, path) = (&config.dhcp, "dhcp.static_addresses");
    let Some(statics) = dhcp.static_addresses else { return };
    if statics.prefix <= config.lan.network.prefix || !config.lan.network.contains(statics.address) {
        let message = format!("{statics} is no part of lan.network {}; choose one inside", config.lan.network);
        return read.conflict(path, &["lan.network"], message);
    }
    if dhcp.pools.iter().any(|pool| statics.contains(pool.first) || (pool.first..=pool.last).contains(&statics.address))
    {
        read.conflict(path, &["dhcp.pool"], "has addresses of a [[dhcp.pool]] too; let them not overlap");
    }
    if statics.contains(dhcp.first) && statics.contains(dhcp.last) {
        let message = "takes all addresses from dhcp.first to dhcp.last: who asks for a lease gets none";
        read.conflict(path, &["dhcp.first", "dhcp.last", "lan.network"], message);
    }
}

fn pools(config: &Config, read: &mut Read<'_>) {
    let network = config.lan.network;
    for (i, pool) in config.dhcp.pools.iter().enumerate() {
        let path = |key: &str| format!("dhcp.pool[{i}].{key}");
        let before = config.dhcp.pools.get(..i).unwrap_or_default();
        if pool.name.is_empty() {
            read.conflict(&path("name"), &[], "is empty; write what the server's Framed-Pool says");
        } else if before.iter().any(|other| other.name == pool.name) {
            read.conflict(&path("name"), &[], format!("{:?} stands twice; give each pool its own", pool.name));
        }
        for (key, address) in [("first", pool.first), ("last", pool.last)] {
            if !network.has_host(address) {
                let message = format!("{address} is no host of lan.network {network}; choose one inside");
                read.conflict(&path(key), &["lan.network"], message);
            }
        }
        if pool.first > pool.last {
            read.conflict(&path("first"), &[], format!("{} comes after its last {}; swap them", pool.first, pool.last));
        }
        if let Some(other) = before.iter().find(|other| other.first <= pool.last && pool.first <= other.last) {
            read.conflict(&path("first"), &[], format!("has addresses of {:?} too; let pools not overlap", other.name));
        }
        let own = u32::from(config.dhcp.first == config.lan.gateway);
        if pool.first.to_bits() <= config.dhcp.first.to_bits().saturating_add(own) && config.dhcp.last <= pool.last {
            let message = "takes all addresses from dhcp.first to dhcp.last: who has no Framed-Pool gets none";
            read.warn(&path("first"), &[&path("last"), "dhcp.first", "dhcp.last", "lan.network"], message);
        }
    }
}

fn hosts(config: &Config, read: &mut Read<'_>) {
    let (mut macs, mut addresses) = (HashSet::new(), HashSet::new());
    for (i, host) in config.dhcp.hosts.iter().enumerate() {
        let path = |key: &str| format!("dhcp.host[{i}].{key}");
        if !macs.insert(host.mac) {
            read.conflict(&path("mac"), &[], format!("{} stands twice; join the two hosts", host.mac));
        }
        duplicate_option(read, &path("options"), &host.options);
        let Some(address) = host.address else { continue };
        if !config.lan.network.has_host(address) {
            let message = format!("{address} is no host of lan.network {}", config.lan.network);
            read.conflict(&path("address"), &["lan.network"], format!("{message}; choose one inside"));
        } else if address == config.lan.gateway {
            let message = format!("{address} is the gateway's own; choose another");
            read.conflict(&path("address"), &["lan.gateway", "lan.network"], message);
        }
        if !addresses.insert(address) {
            read.conflict(&path("address"), &[], format!("{address} stands twice; give each host its own"));
        }
    }
}

fn duplicate_option(read: &mut Read<'_>, path: &str, options: &[DhcpOption]) {
    if let Some(code) = DhcpOption::duplicate(options) {
        read.conflict(path, &[], format!("option {code} stands twice; leave one out"));
    }
}

fn dns(config: &Config, read: &mut Read<'_>) {
    for resolver in &config.dns.resolvers {
        if *resolver == config.lan.gateway {
            let message =
                format!("{resolver} is this gateway, which would ask itself; name the resolver that it is to ask");
            read.conflict("dns.resolvers", &["lan.gateway", "lan.network"], message);
        } else if config.lan.network.contains(*resolver) {
            let message = format!("{resolver} is in the guests' network, which this machine's kernel cannot reach");
            read.conflict("dns.resolvers", &["lan.network"], format!("{message}; use one on the uplink's side"));
        } else if !usable(*resolver) && !resolver.is_loopback() {
            read.conflict("dns.resolvers", &[], format!("{resolver} cannot be a resolver; write the address of one"));
        }
    }
    if read.is_given("dns.resolvers") && config.dns.resolvers.is_empty() {
        read.warn("dns.resolvers", &[], "is empty, so those of /etc/resolv.conf are used; leave it out to say so");
    }
    if config.dns.domain_is_local && config.dhcp.domain.is_none() {
        read.conflict("dns.domain_is_local", &["dhcp.domain"], "is true, but there is no domain; add dhcp.domain");
    }
    if !config.dns.name.contains('.') {
        read.warn("dns.name", &[], "has no dot; many devices will complete or search for it rather than ask for it");
    }
}

fn portal(config: &Config, read: &mut Read<'_>) {
    // Our own DNS and DHCP servers answer there, and port 80 is what is redirected.
    if matches!(config.portal.port, 53 | 67) {
        let message =
            format!("port {} is the gateway's DNS or DHCP server; choose another such as 3990", config.portal.port);
        read.conflict("portal.port", &[], message);
    }
    if read.is_given("portal.color") && config.portal.color.is_none() {
        read.conflict("portal.color", &[], "is no colour; write it as style sheets do, such as \"#0a5cc2\"");
    }
    tls::check(config, read);
}

fn click_through(config: &Config, read: &mut Read<'_>) {
    if !config.auth.methods.contains(&AuthMethod::ClickThrough) {
        let keys =
            ["time", "data", "again", "rate_up", "rate_down", "devices"].map(|key| format!("click_through.{key}"));
        if let Some(given) = keys.iter().find(|key| read.is_given(key)) {
            let message = "has no effect: nobody signs in by the terms alone; add \"click_through\" to auth.method";
            read.warn(given, &["auth.method"], message);
        }
        return;
    }
    if config.portal.terms.trim().is_empty() {
        let message = "has \"click_through\", but there are no terms to accept; write them in portal.terms";
        read.conflict("auth.method", &["portal.terms"], message);
    }
    if config.uam.server.is_some() {
        let message = "has \"click_through\", but guests are led to uam.server; those who find our own page are let in \
                       by the terms alone";
        read.warn("auth.method", &["uam.server"], message);
    }
}

/// What is for those who run the gateway is nothing for its guests.
fn of_operators(config: &Config, read: &mut Read<'_>) {
    let (metrics, console) = (&config.metrics, &config.console);
    for (section, listen, whose) in
        [("metrics", metrics.listen, "monitoring reads"), ("console", console.listen, "operators come")]
    {
        let place = format!("{section}.listen");
        if listen.is_none() && read.count(section) > 0 {
            let message = "has no effect: nobody is answered; add listen, such as \"127.0.0.1\"";
            read.warn(section, &[&place], message);
        }
        if let Some(IpAddr::V4(address)) = listen
            && config.lan.network.contains(address)
        {
            let message = format!("{address} is in the guests' network; {whose} from elsewhere, say at 127.0.0.1");
            read.conflict(&place, &["lan.network"], message);
        }
    }
    tls::console(console, read);
    if console.listen.is_some_and(|address| metrics.listen == Some(address)) && console.port == metrics.port {
        read.conflict(
            "console.port",
            &["metrics.port"],
            format!("{} is metrics.port too; choose another", console.port),
        );
    }
}

fn garden(config: &Config, read: &mut Read<'_>) {
    for entry in &config.garden.allow {
        if let Some(objection) = entry.objection(config.lan.network) {
            read.conflict("garden.allow", &["lan.network"], objection);
        } else if let GardenHost::Network(network) = entry.host
            && network.prefix < 8
        {
            read.warn(
                "garden.allow",
                &[],
                format!(
                    "{entry} opens {} million addresses without a login",
                    (1u64 << (32 - network.prefix)) / 1_000_000
                ),
            );
        }
    }
    if !config.garden.count && config.offload.mode == OffloadMode::On {
        let message = "is false, but the kernel counts all that it forwards; write offload.mode = \"off\"";
        read.conflict("garden.count", &["offload.mode"], message);
    }
}

fn mac_authentication(config: &Config, read: &mut Read<'_>) {
    let macs = &config.mac_authentication;
    let mut known = HashSet::new();
    if let Some(twice) = macs.allow.iter().find(|mac| !known.insert(**mac)) {
        read.conflict("mac_authentication.allow", &[], format!("{twice} stands twice; leave one out"));
    }
    if !macs.radius && !macs.radius_only.is_empty() {
        let message = "has no effect: nobody is asked; add radius = true";
        read.warn("mac_authentication.radius_only", &["mac_authentication.radius"], message);
    }
    if !macs.radius && macs.before_lease {
        let message = "has no effect: nobody is asked; add radius = true";
        read.warn("mac_authentication.before_lease", &["mac_authentication.radius"], message);
    }
    if !macs.radius && macs.refused == RefusedDevice::Drop {
        let message = "has no effect: nobody is asked; add radius = true";
        read.warn("mac_authentication.refused", &["mac_authentication.radius"], message);
    }
    if macs.dhcp && !macs.before_lease {
        let message = "has no effect: no lease waits for the servers; add before_lease = true";
        read.warn("mac_authentication.dhcp", &["mac_authentication.before_lease"], message);
    }
    if macs.radius && config.radius.servers.is_empty() {
        let message = "is true, but there is no server to ask; add a [[radius.server]]";
        read.conflict("mac_authentication.radius", &["radius.server"], message);
    }
}

fn policies(config: &Config, read: &mut Read<'_>) {
    let mut names = HashSet::new();
    for (i, policy) in config.policies.iter().enumerate() {
        let path = format!("policy[{i}].name");
        if policy.name.is_empty() {
            read.conflict(&path, &[], "is empty; write what the server's Filter-Id says");
        } else if !names.insert(&policy.name) {
            read.conflict(&path, &[], format!("{:?} stands twice; give each policy its own", policy.name));
        }
    }
}

fn session(config: &Config, read: &mut Read<'_>) {
    let Some(timeout) = config.session.timeout else { return };
    for (path, period) in
        [("session.idle_timeout", config.session.idle_timeout), ("session.interim", config.session.interim)]
    {
        if read.is_given(path) && period.is_some_and(|p| p >= timeout) {
            read.warn(path, &["session.timeout"], "is not shorter than session.timeout, so it never comes to it");
        }
    }
}

fn accounting(config: &Config, read: &mut Read<'_>) {
    if config.accounting.spool_size.0 < 1_000_000 {
        let message = "is less than \"1MB\", which holds about 1000 records; records cannot do without it";
        read.conflict("accounting.spool_size", &[], message);
    }
}

fn radius(config: &Config, read: &mut Read<'_>) {
    let servers = &config.radius.servers;
    let asked = config.auth.methods.contains(&AuthMethod::Radius);
    if asked && servers.is_empty() {
        read.conflict(
            "auth.method",
            &["radius.server"],
            "has \"radius\", but there is no server; add a [[radius.server]]",
        );
    }
    let relays = !config.radius.proxy.clients.is_empty();
    if !asked && !config.mac_authentication.radius && !relays && !servers.is_empty() {
        let message = "is asked for accounting only, for auth.method does not have \"radius\"";
        read.warn("radius.server[0]", &["auth.method", "mac_authentication.radius"], message);
    }
    if let Some(time) = config.radius.admit_unreachable {
        let time = crate::format_duration(time);
        let mut message = format!("lets anybody in for {time} who can cut this gateway off from its servers");
        if servers.iter().any(|server| !server.status_server) {
            message.push_str(
                ", or has a name to which they stay silent while nobody else logs in: against this let each answer \
                 Status-Server and set status_server = true",
            );
        }
        read.warn("radius.unreachable", &[], message);
    }
    let mut known = HashSet::new();
    for (i, server) in servers.iter().enumerate() {
        let path = |key: &str| format!("radius.server[{i}].{key}");
        let address = path("address");
        if read.is_given(&path("url")) && !matches!(server.transport, RadiusTransport::Http(_)) {
            // Meant as a web page, most likely: what it lacks as a server is no mistake.
            useless(read, &path, "needs transport = \"http\"; write that, or leave it out", &["url"]);
            continue;
        }
        let port = match &server.transport {
            RadiusTransport::Udp => {
                if server.auth_port == server.acct_port {
                    let message = "is auth_port too; a server has two, usually 1812 and 1813";
                    read.conflict(&path("acct_port"), &[&path("auth_port")], message);
                }
                let section = format!("radius.server[{i}]");
                secret(read, &path("secret"), &path("secret_file"), &section, server.secret.expose());
                useless(read, &path, "needs transport = \"tls\"; write that, or leave it out", &TLS_KEYS);
                server.auth_port
            }
            RadiusTransport::Tls(tls) => {
                radius_tls(tls, read, &path);
                tls.port
            }
            RadiusTransport::Http(page) => {
                http::check(config, server, page, read, &path);
                if servers.iter().take(i).any(|other| other.transport == server.transport) {
                    read.conflict(&path("url"), &[], "stands twice; leave one out");
                }
                continue;
            }
        };
        if !read.is_given(&address) {
            read.conflict(&format!("radius.server[{i}]"), &[], "has no address; add it, such as \"192.0.2.20\"");
            continue;
        }
        match server.address {
            IpAddr::V4(v4) if config.lan.network.contains(v4) => {
                let message = format!("{v4} is in the guests' network, which this machine's kernel cannot reach");
                read.conflict(&address, &["lan.network"], message);
            }
            ip if ip.is_unspecified() || ip.is_multicast() => {
                read.conflict(&address, &[], format!("{ip} is no server's address"));
            }
            _ => {}
        }
        if !known.insert((server.address, port)) {
            read.conflict(&address, &[], format!("{} stands twice; leave one out", server.address));
        }
        if !server.require_message_authenticator {
            let message = "is false: an attacker on the way can turn a refusal into a login (CVE-2024-3596)";
            read.warn(&path("require_message_authenticator"), &[], message);
        }
    }
}

/// Keys that mean something over TLS only, and over UDP only.
const TLS_KEYS: [&str; 8] = [
    "tls_port",
    "ca_file",
    "certificate_file",
    "key_file",
    "server_name",
    "fingerprint",
    "version",
    "dynamic_authorization",
];
const UDP_KEYS: [&str; 5] = ["auth_port", "acct_port", "secret", "secret_file", "require_message_authenticator"];

fn radius_tls(tls: &RadiusTls, read: &mut Read<'_>, path: &dyn Fn(&str) -> String) {
    for key in ["ca_file", "certificate_file", "key_file"] {
        if !read.is_given(&path(key)) {
            let message = format!("is \"tls\", which needs {key}; add it");
            read.conflict(&path("transport"), &[], message);
        }
    }
    if read.is_given(&path("key_file")) && others_can_read(&tls.key) {
        let message = format!("{} can be read by every user; chmod 600 it", tls.key.display());
        read.warn(&path("key_file"), &[], message);
    }
    useless(read, path, "means nothing with transport = \"tls\"; leave it out", &UDP_KEYS);
}

fn useless(read: &mut Read<'_>, path: &dyn Fn(&str) -> String, why: &str, keys: &[&str]) {
    for key in keys {
        if read.is_given(&path(key)) {
            read.conflict(&path(key), &[&path("transport")], why);
        }
    }
}

fn secret(read: &mut Read<'_>, inline: &str, file: &str, server: &str, secret: &[u8]) {
    match (read.is_given(inline), read.is_given(file)) {
        (true, true) => read.conflict(file, &[], "stands beside secret; keep one of the two"),
        (false, false) => read.conflict(server, &[], "has no secret; add secret or secret_file"),
        (in_config, _) => judge_secret(read, if in_config { inline } else { file }, secret),
    }
}

/// Warns of a secret that can be guessed.
fn judge_secret(read: &mut Read<'_>, path: &str, secret: &[u8]) {
    if KNOWN_SECRETS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(secret)) {
        read.warn(path, &[], "is a secret that stands in everybody's manual; make one with: openssl rand -hex 16");
    } else if !secret.is_empty() && secret.len() < 16 {
        let message = "is shorter than 16 octets and can be guessed; make one with: openssl rand -hex 16";
        read.warn(path, &[], message);
    }
}

/// True for an address that a host beyond ourselves can have.
fn usable(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first != 127 && first < 224
}

/// RFC 1918, and the shared space of RFC 6598.
fn is_private(network: Network) -> bool {
    [("10.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16), ("100.64.0.0", 10)].iter().any(|(address, prefix)| {
        let address = address.parse().unwrap_or(Ipv4Addr::UNSPECIFIED);
        network.prefix >= *prefix && Network { address, prefix: *prefix }.contains(network.address)
    })
}
