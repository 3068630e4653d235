//! `[uam]`, and accounts in CoovaChilli's form.

use std::net::Ipv4Addr;
use std::path::PathBuf;

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
            match own_file(config, host, address.as_deref().unwrap_or_default()) {
                Err(message) => read.conflict(key, &["lan.network", "portal.files"], message),
                Ok(file) if !file.is_file() => {
                    read.warn(key, &["portal.files"], format!("there is no file {}: guests see none", file.display()));
                }
                Ok(_) => {}
            }
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

/// The file that we serve at an address in the guests' own network, or why there is none.
fn own_file(config: &Config, host: Ipv4Addr, address: &str) -> Result<PathBuf, String> {
    let (gateway, port) = (config.lan.gateway, config.portal.port);
    let ours =
        [Some(port), config.uam.ui_port].into_iter().flatten().map(|port| format!("http://{gateway}:{port}/www/"));
    let name = ours.into_iter().find_map(|start| address.strip_prefix(start.as_str()));
    match (name, &config.portal.files) {
        (Some(name), Some(folder)) if is_served_page(name) => Ok(folder.join(without_query(name))),
        (Some(name), Some(_)) => Err(format!("{name:?} would be no file of portal.files: programs are not run")),
        (Some(_), None) => Err("is one of our own files, but there are none; add portal.files".to_owned()),
        (None, _) => Err(format!(
            "{host} is in the guests' own network, where there is no web server but ours; use one beyond, or http://{gateway}:{port}/www/... with portal.files"
        )),
    }
}

fn without_query(name: &str) -> &str {
    name.split(['?', '#']).next().unwrap_or_default()
}

/// True for the name of a page, with or without a query, that may be among the operator's files, by the rules of
/// `portal::Files`.
pub(crate) fn is_served_page(name: &str) -> bool {
    let name = without_query(name);
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._-".contains(&octet))
    };
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    name.split('/').all(is_plain) && end.is_some_and(|end| ["html", "htm"].contains(&end.as_str()))
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
