//! The portal, and what is open before login.

use std::collections::BTreeSet;

use wire::url::{WebUrl, bare_host};

use super::super::lines::Setting;
use super::super::patterns::{self, Patterns};
use super::super::report::{Outcome, Weight};
use super::super::values;
use super::super::write::{list, quoted};
use super::{Converter, Lan};
use crate::{GardenDomain, GardenEntry, GardenHost, Network};

/// Of each list of the garden.
const MAX_ENTRIES: usize = 16_384;

impl<'a> Converter<'a> {
    pub(super) fn portal(&mut self, lan: &Lan) {
        self.number("uamport", "portal.port");
        let ui_port = self.integer("uamuiport").filter(|(port, _)| *port != 0);
        let has_https = self.https(ui_port);
        if let Some((port, setting)) = ui_port.filter(|_| !has_https || !self.has("uamuissl")) {
            self.set("uam.ui_port", port.to_string(), setting);
        }
        self.captive_portal();
        self.http_proxy(lan);
        self.server(lan);
        self.wispr();
        self.seconds("challengetimeout", "uam.challenge_lifetime", (60, 86_400), false);
        for (option, path) in [("uamaliasip", "uam.alias_address"), ("uamlogoutip", "uam.logout_address")] {
            match self.one(option).and_then(|setting| Some((self.host(setting)?, setting))) {
                Some((address, setting)) => self.set(path, quoted(&address.to_string()), setting),
                None if self.has(option) => {}
                None => self.default_changed(option, "none is taken: CoovaChilli's is somebody else's today"),
            }
        }
        for (option, path) in [("uamaliasname", "uam.alias_name"), ("uamhostname", "uam.host_name")] {
            if let Some((name, setting)) = self.own_name(option) {
                self.set(path, quoted(&name), setting);
            }
        }
        self.text("wwwdir", "portal.files");
        self.text("ssid", "uam.ssid");
        self.text("vlan", "uam.vlan");
        self.text("radiuslocationid", "uam.location_id");
        self.text("radiuslocationname", "uam.location_name");
        self.text("locationname", "uam.location_name");
        self.flag("redirurl", "uam.redirect_url", "true");
        self.flag("radiusoriginalurl", "uam.original_url", "true");
    }

    /// Without a port there was none.
    fn http_proxy(&mut self, lan: &Lan) {
        let Some((port, port_setting)) = self.integer("postauthproxyport").filter(|(port, _)| *port != 0) else {
            return;
        };
        let Some(setting) = self.one("postauthproxy") else { return };
        let Some(address) = self.host(setting) else { return };
        if lan.network.contains(address) {
            let text =
                "http would leave without that proxy: it is on the guests' network; have it listen on another address";
            return self.found(setting, Outcome::NotSupported, Weight::Laxer, text);
        }
        self.set("uplink.http_proxy", quoted(&address.to_string()), setting);
        self.set("uplink.http_proxy_port", port.to_string(), port_setting);
    }

    /// A name of the gateway's, which is one of its domain.
    fn own_name(&self, option: &str) -> Option<(String, &'a Setting)> {
        let setting = self.one(option)?;
        let domain = self.one("domain").map_or(String::new(), |domain| format!(".{}", domain.value));
        Some((format!("{}{domain}", setting.value), setting))
    }

    /// https at `uamuiport`, or, where CoovaChilli answered in the name of others, at its usual port. False if there is
    /// none.
    fn https(&mut self, ui_port: Option<(u64, &Setting)>) -> bool {
        let Some(asked) = self.one("uamuissl").or(self.one("redirssl")) else { return false };
        let (certificate, key) = (self.one("sslcertfile"), self.one("sslkeyfile"));
        let name = self.own_name("uamaliasname").or(self.own_name("uamhostname"));
        let (Some((name, _)), Some(certificate), Some(key)) = (name, certificate, key) else {
            let text = "what was https is http: logins would travel in the clear. It needs sslcertfile, sslkeyfile and the \
                        name that the certificate is for (uamaliasname with domain)";
            self.found(asked, Outcome::NotSupported, Weight::Laxer, text);
            return false;
        };
        self.draft.set("portal.tls.name", quoted(&name), &asked.origin);
        self.set("portal.tls.certificate_file", quoted(&certificate.value), certificate);
        self.set("portal.tls.key_file", quoted(&key.value), key);
        self.tell("portal.tls.name", asked);
        match (self.one("uamuissl"), ui_port) {
            (Some(flag), Some((port, setting))) => {
                self.set("portal.tls.port", port.to_string(), setting);
                self.tell("portal.tls.port", flag);
            }
            (Some(flag), None) => self.changed(flag, "https is at its usual port, for there is no uamuiport"),
            (None, _) => {}
        }
        if let Some(flag) = self.one("redirssl") {
            self.tell("portal.tls.name", flag);
        }
        true
    }

    /// What guests are told of the API. Who asks it wants https, and a session has no name before it begins.
    fn captive_portal(&mut self) {
        if let Some(setting) = self.one("captiveportalapi_uri") {
            let uri = &setting.value;
            match uri.starts_with("https://") && !uri.contains("%{s}") {
                true => self.set("dhcp.captive_portal", quoted(uri), setting),
                false => self.changed(setting, "is not told to guests: it is no https address, or has %{s} in it"),
            }
        }
        self.text("captiveportalvenue_info_url", "portal.venue_url");
    }

    /// An external portal, or our own pages where CoovaChilli would show its own.
    fn server(&mut self, lan: &Lan) {
        let is_own = |address: &str| {
            let host = WebUrl::parse(address).map(|url| bare_host(url.authority()).to_owned()).unwrap_or_default();
            let names = ["uamaliasname", "uamhostname"];
            host.parse().is_ok_and(|address| lan.network.contains(address))
                || names.iter().any(|name| self.one(name).is_some_and(|s| host.split('.').next() == Some(&s.value)))
        };
        // But its files are ours too, where we serve them.
        let port = self.one("uamport").map_or("3990", |setting| setting.value.as_str());
        let ui_port = self.one("uamuiport").map_or(port, |setting| setting.value.as_str());
        let folders = [port, ui_port].map(|port| format!("http://{}:{port}/www/", lan.gateway));
        let is_file = |address: &str| {
            let name = folders.iter().find_map(|folder| address.strip_prefix(folder.as_str()));
            self.has("wwwdir") && name.is_some_and(crate::check::is_served_page)
        };
        let is_own = |address: &str| is_own(address) && !is_file(address);
        let server = self.one("uamserver");
        let external = server.filter(|setting| !is_own(&setting.value));
        let home = self.one("uamhomepage").map(|setting| (setting, is_own(&setting.value)));
        let login = self.one("wisprlogin").map(|setting| (setting, is_own(&setting.value)));
        let Some(setting) = external else {
            let text = "guests see our own pages, which need no server, in the place of CoovaChilli's";
            match server {
                Some(setting) => self.changed(setting, text),
                None => self.default_changed("uamserver", text),
            }
            for option in ["uamsecret", "uamhomepage", "wisprlogin", "nochallenge"] {
                if let Some(setting) = self.one(option) {
                    self.changed(setting, "means nothing to our own pages");
                }
            }
            return;
        };
        self.set("uam.server", quoted(&setting.value), setting);
        self.text("uamsecret", "uam.secret");
        if !self.has("nochallenge") {
            self.default_changed("challengetimeout", "a challenge is good for one answer (uam.reuse_challenges)");
        }
        self.flag("nochallenge", "uam.plain_passwords", "true");
        for (page, path) in [(home, "uam.home_page"), (login, "uam.wispr_login")] {
            match page {
                Some((setting, true)) => self.changed(setting, "is a page of CoovaChilli's own: left out"),
                Some((setting, false)) => self.set(path, quoted(&setting.value), setting),
                None => {}
            }
        }
    }

    fn wispr(&mut self) {
        let (no_first, no_second) = (self.one("nowispr1"), self.one("nowispr2"));
        let value = match (no_first, no_second) {
            (None, None) => return,
            (Some(_), None) => list(["2.0"]),
            (None, Some(_)) => list(["1.0"]),
            (Some(_), Some(_)) => list(["none"]),
        };
        for setting in [no_first, no_second].into_iter().flatten() {
            self.set("uam.wispr", value.clone(), setting);
        }
    }

    /// What cannot be read, or would open more than a host or a network beyond the uplink, opens nothing.
    pub(super) fn garden(&mut self, lan: &Lan) {
        let patterns = self.patterns();
        self.entries("uamallowed", "garden.allow", &patterns.names, |item| garden_entry(item, lan.network));
        let domain = |item: &str| GardenDomain::parse(item).map(|domain| Some(domain.to_string()));
        let has_domains = self.entries("uamdomain", "garden.domains", &patterns.domains, domain);
        match self.has("uamdomainttl") {
            true => self.seconds("uamdomainttl", "garden.domain_ttl", (10, 86_400), false),
            false if has_domains => self.default("garden.domain_ttl", quoted("1m"), "uamdomainttl"),
            false => {}
        }
        self.flag("nousergardendata", "garden.count", "false");
        self.flag("uamauthedallowed", "garden.count", "false");
    }

    /// What `uamdomainfile` opens.
    fn patterns(&mut self) -> Patterns {
        let Some(setting) = self.one("uamdomainfile") else { return Patterns::default() };
        let Some(text) = self.file(setting) else { return Patterns::default() };
        let patterns = patterns::read(&text);
        if !patterns.closed.is_empty() {
            let lines: Vec<String> = patterns.closed.iter().take(20).map(ToString::to_string).collect();
            let text = format!("lines {} of {} open nothing: no name or domain", lines.join(", "), setting.value);
            self.closed(
                setting,
                format!("{text}, or behind an exception (!); write what is meant into garden.domains"),
            );
        }
        patterns
    }

    /// The items of a list, and of patterns, as `read` has them; none inside is one that need not be there. True if there
    /// are any.
    fn entries(
        &mut self,
        option: &'static str,
        path: &str,
        of_patterns: &[String],
        read: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> bool {
        let (mut entries, mut known, mut last) = (Vec::new(), BTreeSet::new(), None);
        let file = self.one("uamdomainfile").map(|setting| (setting, of_patterns.to_vec()));
        for (setting, items) in self.all(option).map(|s| (s, values::items(&s.value))).chain(file) {
            let before = entries.len();
            for item in items {
                match read(&item) {
                    Ok(None) => {
                        let text = format!("{item:?} is in the guests' own network: the portal is reached anyway");
                        self.found(setting, Outcome::NotNeeded, Weight::Plain, text);
                    }
                    Ok(Some(_)) if entries.len() >= MAX_ENTRIES => {
                        let text = format!("{item:?} opens nothing: there are {MAX_ENTRIES} entries already");
                        self.closed(setting, text);
                    }
                    Ok(Some(entry)) if known.contains(&entry) => self.tell(path, setting),
                    Ok(Some(entry)) => {
                        known.insert(entry.clone());
                        entries.push(entry);
                    }
                    Err(why) => self.closed(setting, format!("opens nothing: {why}")),
                }
            }
            if entries.len() > before {
                self.carried(path, setting);
                last = Some(setting);
            }
        }
        if let Some(setting) = last {
            self.draft.set(path, list(&entries), &setting.origin);
        }
        last.is_some()
    }
}

/// An entry without CoovaChilli's `#seconds`, or why it opens nothing; none inside if it is in the guests' own network.
pub(in crate::chilli) fn garden_entry(item: &str, lan: Network) -> Result<Option<String>, String> {
    let (entry, _seconds) = item.split_once('#').unwrap_or((item, ""));
    let entry: GardenEntry = entry.parse()?;
    match &entry.host {
        GardenHost::Network(network) if network.address.is_unspecified() => {
            Err(format!("{item:?} is the whole Internet for CoovaChilli; name the hosts that are meant"))
        }
        GardenHost::Network(inner) if inner.prefix >= lan.prefix && lan.contains(inner.address) => Ok(None),
        _ => entry.objection(lan).map_or_else(|| Ok(Some(entry.to_string())), Err),
    }
}
