//! `[[radius.server]]` that is a web page.

use std::net::Ipv4Addr;

use wire::url::{WebUrl, bare_host};

use super::{judge_secret, useless};
use crate::read::Read;
use crate::{Config, PasswordMethod, RadiusHttp, RadiusServer};

/// Keys that mean nothing without packets.
const PACKET_KEYS: [&str; 12] = [
    "address",
    "auth_port",
    "acct_port",
    "require_message_authenticator",
    "tls_port",
    "certificate_file",
    "key_file",
    "server_name",
    "fingerprint",
    "version",
    "dynamic_authorization",
    "status_server",
];

pub(super) fn check(
    config: &Config,
    server: &RadiusServer,
    http: &RadiusHttp,
    read: &mut Read<'_>,
    path: &dyn Fn(&str) -> String,
) {
    useless(read, path, "means nothing with transport = \"http\"; leave it out", &PACKET_KEYS);
    if !read.is_given(&path("url")) {
        read.conflict(&path("transport"), &[], "is \"http\", which needs url; add it");
    }
    if http.url.contains('#') {
        read.conflict(&path("url"), &[], "has a fragment, which no server sees; leave out # and all behind it");
    }
    let host = WebUrl::parse(&http.url).map_or("", |url| bare_host(url.authority()));
    let is_here = host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback());
    if host.parse().is_ok_and(|address| config.lan.network.contains(address)) {
        let message = format!("{host} is in the guests' network, which this machine's kernel cannot reach");
        read.conflict(&path("url"), &["lan.network"], message);
    }
    if !is_https(&http.url) {
        if !is_here && !host.is_empty() {
            let message = "is http: everybody on the way can read passwords, and answer for the server; use https";
            read.warn(&path("url"), &[], message);
        }
        useless(read, path, "means nothing without https; leave it out", &["ca_file"]);
    }
    match (read.is_given(&path("secret")), read.is_given(&path("secret_file"))) {
        (true, true) => read.conflict(&path("secret_file"), &[], "stands beside secret; keep one of the two"),
        (false, false) => {
            let message = "has no secret: the page cannot tell this gateway's questions from others'";
            read.warn(&path("url"), &[], message);
        }
        (in_config, _) => {
            judge_secret(read, &path(if in_config { "secret" } else { "secret_file" }), server.secret.expose())
        }
    }
    if config.radius.method == PasswordMethod::MsChapV2 {
        let message = "is \"mschapv2\", which a web page cannot be asked by; use \"pap\" or \"chap\"";
        read.conflict("radius.method", &[&path("transport")], message);
    }
    if !config.radius.proxy.clients.is_empty() {
        let message = "is \"http\", and a web page has no keys for access points; leave out radius.proxy.client";
        read.conflict(&path("transport"), &["radius.proxy.client[0]"], message);
    }
}

fn is_https(url: &str) -> bool {
    url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}
