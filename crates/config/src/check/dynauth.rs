//! `[radius.dynamic_authorization]` and its clients.

use std::collections::HashSet;
use std::net::IpAddr;

use super::secret;
use crate::Config;
use crate::read::Read;

pub(super) fn check(config: &Config, read: &mut Read<'_>) {
    let dynamic = &config.radius.dynamic_authorization;
    if let IpAddr::V4(listen) = dynamic.listen
        && config.lan.network.contains(listen)
    {
        let message = format!("{listen} is in the guests' network, which servers do not reach");
        read.conflict("radius.dynamic_authorization.listen", &["lan.network"], message);
    }
    let mut known = HashSet::new();
    for (i, client) in dynamic.clients.iter().enumerate() {
        let table = format!("radius.dynamic_authorization.client[{i}]");
        let path = |key: &str| format!("{table}.{key}");
        let (address, network) = (path("address"), client.address);
        match network.address {
            IpAddr::V4(v4) if network.prefix >= config.lan.network.prefix && config.lan.network.contains(v4) => {
                let message = format!(
                    "{network} is in the guests' network, from which no request is taken; give the server an address on \
                     another network of this machine"
                );
                read.conflict(&address, &["lan.network"], message);
            }
            ip if ip.is_multicast() => read.conflict(&address, &[], format!("{network} is no client's address")),
            _ if network.prefix < 8 => {
                read.warn(&address, &[], format!("{network} is nearly everybody; name the servers that are meant"));
            }
            _ => {}
        }
        if !known.insert(network) {
            read.conflict(&address, &[], format!("{network} stands twice; leave one out"));
        }
        secret(read, &path("secret"), &path("secret_file"), &table, client.secret.expose());
        if !client.require_message_authenticator {
            let message = "is false: requests can be forged by whoever can forge their digest (MD5)";
            read.warn(&path("require_message_authenticator"), &[], message);
        }
        if client.window.is_none() {
            read.warn(&path("window"), &[], "is \"0\": a request that somebody has recorded is obeyed again");
        } else if !client.require_event_timestamp {
            let message = "is false: a request that somebody has recorded is obeyed again";
            read.warn(&path("require_event_timestamp"), &[], message);
        }
    }
}
