//! `[radius.proxy]` and its clients.

use std::collections::HashSet;
use std::net::IpAddr;

use super::secret;
use crate::Config;
use crate::read::Read;

pub(super) fn check(config: &Config, read: &mut Read<'_>) {
    let proxy = &config.radius.proxy;
    if let IpAddr::V4(listen) = proxy.listen
        && config.lan.network.contains(listen)
    {
        let message = format!("{listen} is in the guests' network, from which no request is taken");
        read.conflict("radius.proxy.listen", &["lan.network"], message);
    }
    if proxy.port == proxy.accounting_port {
        let message = "is radius.proxy.port too; access points want two, usually 1812 and 1813";
        read.conflict("radius.proxy.accounting_port", &["radius.proxy.port"], message);
    }
    if !proxy.clients.is_empty() && config.radius.servers.is_empty() {
        read.conflict("radius.proxy.client[0]", &["radius.server"], "has no server to ask; add a [[radius.server]]");
    }
    let mut known = HashSet::new();
    for (i, client) in proxy.clients.iter().enumerate() {
        let table = format!("radius.proxy.client[{i}]");
        let path = |key: &str| format!("{table}.{key}");
        let (address, network) = (path("address"), client.address);
        match network.address {
            IpAddr::V4(v4) if network.prefix >= config.lan.network.prefix && config.lan.network.contains(v4) => {
                let message = format!(
                    "{network} is in the guests' network, from which no request is taken; give the access point an \
                     address on another network of this machine"
                );
                read.conflict(&address, &["lan.network"], message);
            }
            ip if ip.is_multicast() => read.conflict(&address, &[], format!("{network} is no access point's address")),
            _ if network.prefix < 8 => {
                read.warn(&address, &[], format!("{network} is nearly everybody; name the access points"));
            }
            _ => {}
        }
        if !known.insert(network) {
            read.conflict(&address, &[], format!("{network} stands twice; leave one out"));
        }
        secret(read, &path("secret"), &path("secret_file"), &table, client.secret.expose());
        if !client.require_message_authenticator {
            let message =
                "is false: whoever is between the access point and us can change its requests (CVE-2024-3596)";
            read.warn(&path("require_message_authenticator"), &[], message);
        }
    }
}
