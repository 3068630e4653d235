//! Servers, what they are asked, access points.

use std::net::Ipv4Addr;

use super::super::lines::Setting;
use super::super::values;
use super::super::write::{list, quoted};
use super::{Converter, Lan};
use crate::Network;

/// With CoovaChilli's own `radiustimeout`, `radiusretry` and `radiusretrysec`.
const TIMEOUT_SECS: u64 = 10;
const RETRIES: u64 = 4;
const RETRIES_BEFORE_NEXT: u64 = 2;

impl Converter<'_> {
    /// How many servers there are.
    pub(super) fn radius(&mut self, lan: &Lan) -> usize {
        let servers = self.servers();
        self.methods(servers);
        self.text("radiusnasid", "radius.nas_identifier");
        if !self.has("radiusnasid") {
            self.default("radius.nas_identifier", quoted("nas01"), "radiusnasid");
        }
        self.nas_address(lan);
        self.text("nasmac", "radius.called_station_id");
        self.number("radiusnasporttype", "radius.nas_port_type");
        match self.one("mschapv2").filter(|_| self.has("uamaaaurl")) {
            Some(setting) => self.changed(setting, "a web page is asked by password or CHAP"),
            None => self.flag("mschapv2", "radius.method", "\"mschapv2\""),
        }
        if servers > 0 {
            self.waits(servers);
            self.administrative();
            match self.has("swapoctets") {
                true => self.flag("swapoctets", "accounting.direction", "\"rfc2866\""),
                false => self.default("accounting.direction", quoted("chilli"), "swapoctets"),
            }
            self.flag("acctupdate", "accounting.answers_change", "true");
        }
        servers
    }

    /// The gateway's own session.
    fn administrative(&mut self) {
        let Some(user) = self.one("adminuser") else { return };
        let Some(password) = self.one("adminpasswd") else {
            return self.changed(user, "without adminpasswd there is no session of the gateway's own");
        };
        self.set("radius.administrative.user", quoted(&user.value), user);
        self.set("radius.administrative.secret", quoted(&password.value), password);
    }

    fn servers(&mut self) -> usize {
        if let Some(page) = self.one("uamaaaurl") {
            for option in ["radiusserver1", "radiusserver2"] {
                if let Some(setting) = self.one(option) {
                    self.changed(setting, "is CoovaChilli's own way to uamaaaurl");
                }
            }
            self.set("radius.server.url", quoted(&page.value), page);
            self.set("radius.server.transport", quoted("http"), page);
            if let Some(secret) = self.one("uamsecret") {
                self.draft.set("radius.server.secret", quoted(&secret.value), &secret.origin);
            }
            return 1;
        }
        let mut addresses: Vec<(Ipv4Addr, &Setting)> = Vec::new();
        for setting in [self.one("radiusserver1"), self.one("radiusserver2")].into_iter().flatten() {
            let Some(address) = self.host(setting) else { continue };
            if addresses.iter().any(|(known, _)| *known == address) {
                self.changed(setting, "is the first server, which is asked again anyway");
            } else {
                addresses.push((address, setting));
            }
        }
        if addresses.is_empty() {
            if !self.has("localusers") && self.notes.mistakes.is_empty() {
                let message = "is missing, and nobody could log in; write the RADIUS server's address, or localusers";
                let problem = self.default_of("radiusserver1").problem(message);
                self.notes.mistakes.push(problem);
            }
            return 0;
        }
        for (index, (address, setting)) in addresses.iter().enumerate() {
            if setting.value.parse::<Ipv4Addr>().is_err() {
                let text = format!(
                    "radius.server.address: {address}, as the name has it now, and a Message-Authenticator in its answers"
                );
                self.changed(setting, text);
            }
            self.set_in("radius.server.address", index, quoted(&address.to_string()), setting);
            match self.one("radsec") {
                Some(radsec) => self.over_tls(index, setting, radsec),
                None => self.over_udp(index),
            }
        }
        self.dynamic_authorization(&addresses);
        addresses.len()
    }

    fn over_udp(&mut self, index: usize) {
        let Some(secret) = self.one("radiussecret") else {
            if index == 0 {
                let message = "is missing; CoovaChilli would take testing123, which everybody knows: write the one \
                               that the servers have";
                let problem = self.default_of("radiussecret").problem(message);
                self.notes.mistakes.push(problem);
            }
            return;
        };
        self.set_in("radius.server.secret", index, quoted(&secret.value), secret);
        for (option, path) in
            [("radiusauthport", "radius.server.auth_port"), ("radiusacctport", "radius.server.acct_port")]
        {
            if let Some((port, setting)) = self.integer(option) {
                self.set_in(path, index, port.to_string(), setting);
            }
        }
    }

    /// CoovaChilli looks at no certificate; without the files for it there is nothing to go by.
    fn over_tls(&mut self, index: usize, server: &Setting, radsec: &Setting) {
        let files = [
            ("sslcafile", "radius.server.ca_file"),
            ("sslcertfile", "radius.server.certificate_file"),
            ("sslkeyfile", "radius.server.key_file"),
        ];
        if files.iter().any(|(option, _)| !self.has(option)) {
            let message = "needs sslcafile, sslcertfile and sslkeyfile, by which both ends prove themselves; add them, \
                           or take radsec out and write the servers into the result yourself";
            if index == 0 {
                self.mistake(radsec, message);
            }
            return;
        }
        self.set_in("radius.server.transport", index, quoted("tls"), radsec);
        for (option, path) in files {
            if let Some(setting) = self.one(option) {
                self.set_in(path, index, quoted(&setting.value), setting);
            }
        }
        if server.value.parse::<Ipv4Addr>().is_err() {
            self.set_in("radius.server.server_name", index, quoted(&server.value), server);
        }
        if self.has("proxyport") {
            self.set_in("radius.server.version", index, quoted("1.0"), radsec);
        }
    }

    fn dynamic_authorization(&mut self, servers: &[(Ipv4Addr, &Setting)]) {
        let Some((port, setting)) = self.integer("coaport").filter(|(port, _)| *port != 0) else { return };
        if self.has("uamaaaurl") {
            return self.closed(setting, "a web page has no keys for access points: they are to ask a RADIUS server");
        }
        let Some(secret) = self.one("radiussecret") else { return };
        self.set("radius.dynamic_authorization.port", port.to_string(), setting);
        for (index, (address, _)) in servers.iter().enumerate() {
            let path = "radius.dynamic_authorization.client";
            self.set_in(&format!("{path}.address"), index, quoted(&address.to_string()), setting);
            self.set_in(&format!("{path}.secret"), index, quoted(&secret.value), secret);
        }
    }

    /// As long as CoovaChilli waits for a server, but with waits that double.
    fn waits(&mut self, servers: usize) {
        let given = |converter: &Self, option, default| converter.integer(option).map_or(default, |(n, _)| n);
        let step = given(self, "radiustimeout", TIMEOUT_SECS).clamp(1, 30);
        let transmissions = match servers {
            1 => given(self, "radiusretry", RETRIES).saturating_add(1),
            _ => given(self, "radiusretrysec", RETRIES_BEFORE_NEXT),
        };
        let total = step.saturating_mul(transmissions.clamp(1, 100));
        // After n tries 2^n - 1 of the first wait are over. One try would take a lost packet for a dead server.
        let tries = (2..=6).take_while(|n| *n == 2 || step * ((1 << n) - 1) <= total).last().unwrap_or(2);
        let first = step.min(total / ((1 << tries) - 1)).max(1);
        let timeout = quoted(&format!("{first}s"));
        match self.one("radiustimeout") {
            Some(setting) => self.set("radius.timeout", timeout, setting),
            None => self.default("radius.timeout", timeout, "radiustimeout"),
        }
        match self.one(if servers == 1 { "radiusretry" } else { "radiusretrysec" }) {
            Some(setting) => self.set("radius.tries", tries.to_string(), setting),
            None => self.default("radius.tries", tries.to_string(), "radiusretry"),
        }
    }

    fn nas_address(&mut self, lan: &Lan) {
        if self.has("nasip") {
            return self.text("nasip", "radius.nas_ip");
        }
        let listen = self.one("radiuslisten").and_then(|setting| Some((self.host(setting)?, setting)));
        match listen.filter(|(address, _)| !address.is_unspecified()) {
            Some((address, setting)) => self.set("radius.nas_ip", quoted(&address.to_string()), setting),
            None => self.default("radius.nas_ip", quoted(&lan.gateway.to_string()), "nasip"),
        }
    }

    /// Who says whether a password is right: the file first, then the servers.
    fn methods(&mut self, servers: usize) {
        if let Some(setting) = self.one("localusers") {
            self.set("auth.local_users", quoted(&setting.value), setting);
            let methods = if servers > 0 { list(["local_users", "radius"]) } else { list(["local_users"]) };
            self.set("auth.method", methods, setting);
        } else if let (Some(setting), true) =
            (self.one("uamaaaurl").or(self.one("radiusserver1")).or(self.one("radiusserver2")), servers > 0)
        {
            self.set("auth.method", quoted("radius"), setting);
        }
    }

    /// Access points ask through us, if it is said which.
    pub(super) fn proxy(&mut self, lan: &Lan, servers: usize) {
        let Some((port, setting)) = self.integer("proxyport").filter(|(port, _)| *port != 0) else { return };
        let Some(client) = self.one("proxyclient") else {
            let text = "without proxyclient anybody could ask: nothing listens until [[radius.proxy.client]] names the \
                        access points";
            return self.closed(setting, text);
        };
        let listen = self.one("proxylisten").and_then(|setting| Some((self.host(setting)?, setting)));
        let within = |address: Ipv4Addr| lan.network.contains(address);
        let from = client_network(&client.value).filter(|n| n.prefix > 0 && !within(n.address));
        let (Some(from), false, true) = (from, listen.is_some_and(|(address, _)| within(address)), servers > 0) else {
            let text = "access points are named by an address or a network without host bits, not by everything, and \
                        neither they nor proxylisten may be in the guests' network; nothing listens until \
                        [[radius.proxy.client]] names them";
            return self.closed(setting, text);
        };
        let accounting = port.checked_add(1).filter(|next| *next <= 65_535).unwrap_or(port.saturating_sub(1));
        self.set("radius.proxy.port", port.to_string(), setting);
        self.set("radius.proxy.accounting_port", accounting.to_string(), setting);
        if let Some((address, setting)) = listen {
            self.set("radius.proxy.listen", quoted(&address.to_string()), setting);
        }
        if !client.value.contains('/') {
            self.changed(client, "radius.proxy.client.address: this one host, and not the 256 around it");
        }
        self.set("radius.proxy.client.address", quoted(&from.to_string()), client);
        if let Some(secret) = self.one("proxysecret").or(self.one("radiussecret")) {
            self.set("radius.proxy.client.secret", quoted(&secret.value), secret);
        }
    }
}

/// Where access points are. CoovaChilli takes an address alone for its /24.
fn client_network(text: &str) -> Option<Network> {
    let given = values::network(text)?;
    let network = if text.contains('/') { given.network() } else { Network::containing(given.address, 32) };
    (network.address == given.address).then_some(network)
}
