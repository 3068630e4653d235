//! `[uam]`, and accounts in CoovaChilli's form.

use std::net::Ipv4Addr;

use wire::url::{WebUrl, bare_host};

use super::{judge_secret, usable};
use crate::read::{Read, Value, others_can_read};
use crate::{AuthMethod, Config};

/// What means nothing while our own pages are shown.
const OF_A_PORTAL: [&str; 6] =
    ["uam.secret", "uam.secret_file", "uam.home_page", "uam.wispr_login", "uam.plain_passwords", "uam.redirect_url"];

pub(super) fn check(config: &Config, read: &mut Read<'_>) {
    let uam = &config.uam;
    match &uam.server {
        None => {
            for key in OF_A_PORTAL {
                if read.is_given(key) {
                    read.warn(key, &["uam.server"], "has no effect without uam.server: guests see our own pages");
                }
            }
        }
        Some(_) if uam.secret.is_none() => {
            let message = "has no secret: any page can pass for the portal's sender; add uam.secret or uam.secret_file";
            read.warn("uam.server", &["uam.secret", "uam.secret_file"], message);
        }
        Some(_) if uam.plain_passwords => {
            let message = "is true: passwords stand in addresses, which browsers keep and anybody near can read";
            read.warn("uam.plain_passwords", &[], message);
        }
        Some(_) => {}
    }
    for (key, address) in
        [("uam.server", &uam.server), ("uam.home_page", &uam.home_page), ("uam.wispr_login", &uam.wispr_login)]
    {
        if let Some(host) = address.as_deref().and_then(numeric_host)
            && config.lan.network.contains(host)
        {
            let message = format!("{host} is in the guests' own network, where there is no web server; use one beyond");
            read.conflict(key, &["lan.network"], message);
        }
    }
    if let Some(secret) = &uam.secret {
        if read.is_given("uam.secret") && read.is_given("uam.secret_file") {
            read.conflict("uam.secret_file", &[], "stands beside secret; keep one of the two");
        }
        let key = if uam.secret_in_config { "uam.secret" } else { "uam.secret_file" };
        judge_secret(read, key, secret.expose());
    }
    if let Some(Value::Words(versions)) = read.value("uam.wispr")
        && versions.len() > 1
        && versions.iter().any(|version| version == "none")
    {
        read.conflict("uam.wispr", &[], "has \"none\" beside a version; write one or the other");
    }
    if let Some(port) = uam.ui_port
        && (port == config.portal.port || matches!(port, 53 | 67 | 80))
    {
        let message = format!("port {port} has its own server; choose another such as 4990, or leave it out");
        read.conflict("uam.ui_port", &["portal.port"], message);
    }
    addresses(config, read);
    users(config, read);
}

fn addresses(config: &Config, read: &mut Read<'_>) {
    let uam = &config.uam;
    for (key, address) in [("uam.alias_address", uam.alias_address), ("uam.logout_address", uam.logout_address)] {
        let Some(address) = address else { continue };
        if config.lan.network.contains(address) || !usable(address) {
            let message =
                format!("{address} is no host beyond the guests' network; use one that nobody has, 192.0.2.1");
            read.conflict(key, &["lan.network"], message);
        }
        if uam.server.as_deref().and_then(numeric_host) == Some(address) {
            read.conflict(key, &["uam.server"], "is the portal's own address; use one that nobody has, 192.0.2.1");
        }
        if config.dhcp.dns.contains(&address) {
            read.conflict(key, &["dhcp.dns"], "is a DNS server of guests; use an address that nobody has, 192.0.2.1");
        }
    }
    if uam.alias_address.is_some() && uam.alias_address == uam.logout_address {
        read.conflict("uam.logout_address", &["uam.alias_address"], "is uam.alias_address too; give each its own");
    }
}

fn users(config: &Config, read: &mut Read<'_>) {
    let asked = config.auth.methods.contains(&AuthMethod::LocalUsers);
    match &config.auth.local_users {
        None if asked => {
            let message = "has \"local_users\", but there is no such file; add auth.local_users";
            read.conflict("auth.method", &["auth.local_users"], message);
        }
        Some(_) if !asked => {
            let message = "is not read, for auth.method does not have \"local_users\"";
            read.warn("auth.local_users", &["auth.method"], message);
        }
        Some(path) if others_can_read(path) => {
            let message = format!("{} can be read by every user; chmod 600 it", path.display());
            read.warn("auth.local_users", &[], message);
        }
        _ => {}
    }
}

fn numeric_host(address: &str) -> Option<Ipv4Addr> {
    WebUrl::parse(address).and_then(|url| bare_host(url.authority()).parse().ok())
}
