//! The guests' network, addresses, devices.

use std::net::Ipv4Addr;

use super::super::report::{Outcome, Weight};
use super::super::values;
use super::super::write::{list, quoted};
use super::{Converter, Lan};
use crate::check::is_vlan_of;
use crate::{Network, Overrides};

/// CoovaChilli's own.
const NETWORK: Network = Network { address: Ipv4Addr::new(192, 168, 182, 0), prefix: 24 };
/// Of `dhcp.static_addresses`.
const SMALLEST_NETWORK: u8 = 30;
/// Of `tun.max_segment`.
const SMALLEST_SEGMENT: u64 = 536;
const LARGEST_SEGMENT: u64 = 9176;
/// Of `[[dhcp.host]]`.
const MAX_HOSTS: usize = 4096;

impl Converter<'_> {
    pub(super) fn network(&mut self, overrides: &Overrides) -> Lan {
        self.interfaces(overrides);
        if !self.has("dhcpif") && overrides.lan.is_none() {
            let message = "is missing; write the guests' interface, such as dhcpif eth1, or give --lan";
            let problem = self.default_of("dhcpif").problem(message);
            self.notes.mistakes.push(problem);
        }
        let network = match self.one("net").and_then(|s| Some((values::network(&s.value)?, s))) {
            Some((given, setting)) => {
                self.set("lan.network", quoted(&given.network().to_string()), setting);
                given.network()
            }
            None => {
                self.default("lan.network", quoted(&NETWORK.to_string()), "net");
                NETWORK
            }
        };
        self.text("uamlisten", "lan.gateway");
        let gateway = self.one("uamlisten").and_then(|s| s.value.parse().ok()).unwrap_or(network.first_host());
        let lan = Lan { network, gateway };
        self.pool(&lan);
        match self.has("lease") {
            true => self.seconds("lease", "dhcp.lease", (60, 2_592_000), false),
            false => self.default("dhcp.lease", quoted("10m"), "lease"),
        }
        self.flag("only8021q", "lan.untagged", "false");
        self.flag("noc2c", "dhcp.host_routes", "true");
        self.statics(&lan);
        self.flag("uamanyip", "dhcp.any_address", "true");
        self.flag("dhcpnotidle", "dhcp.renewal_is_activity", "true");
        match self.has("domain") {
            true => {
                self.text("domain", "dhcp.domain");
                self.flag("domaindnslocal", "dns.domain_is_local", "true");
            }
            false => self.default_changed("domain", "guests are given no domain: coova.org is not yours"),
        }
        self.resolvers(&lan);
        self.hosts(&lan);
        self.raw_options();
        lan
    }

    /// `dhcpif`, and all `moreif`, each with what the portal is told of it behind a stroke or a dot.
    fn interfaces(&mut self, overrides: &Overrides) {
        self.text("dhcpif", "lan.interface");
        let mut named: Vec<String> = self.one("dhcpif").map(|setting| setting.value.clone()).into_iter().collect();
        for (setting, item) in self.all("moreif").flat_map(|s| values::items(&s.value).into_iter().map(move |i| (s, i)))
        {
            let of_vlan = || (&*item, item.rsplit_once('.').map_or("", |(_, vlan)| vlan));
            let (name, label) = item.split_once('/').unwrap_or_else(of_vlan);
            let trunk = named.iter().find(|trunk| is_vlan_of(name, trunk));
            let not_needed = match trunk {
                _ if overrides.lan.is_some() => "--lan takes the place of all interfaces".to_owned(),
                Some(trunk) => format!("all VLANs of {trunk} are served"),
                None if named.iter().any(|known| known == name) => format!("{name} is named already"),
                None => {
                    named.push(name.to_owned());
                    self.set("lan.interface", list(&named), setting);
                    if !label.is_empty() {
                        let text =
                            format!("{label}, as the portal was told it (vlan): that is uam.vlan, the same for all");
                        self.found(setting, Outcome::NotSupported, Weight::Plain, text);
                    }
                    continue;
                }
            };
            self.found(setting, Outcome::NotNeeded, Weight::Plain, not_needed);
        }
    }

    /// The pool is `dynip`, or else the network; `dhcpstart` and `dhcpend` count from its beginning.
    fn pool(&mut self, lan: &Lan) {
        let dynip = self.one("dynip").and_then(|s| Some((values::network(&s.value)?.network(), s)));
        let pool = dynip.map_or(lan.network, |(pool, _)| pool);
        if let Some((_, setting)) = dynip.filter(|(pool, _)| *pool != lan.network) {
            self.set("dhcp.first", quoted(&pool.first_host().to_string()), setting);
            self.set("dhcp.last", quoted(&pool.last_host().to_string()), setting);
        }
        for (option, path) in [("dhcpstart", "dhcp.first"), ("dhcpend", "dhcp.last")] {
            let Some((offset, setting)) = self.integer(option).filter(|(offset, _)| *offset != 0) else { continue };
            match u32::try_from(offset).ok().and_then(|offset| pool.address.to_bits().checked_add(offset)) {
                Some(address) => self.set(path, quoted(&Ipv4Addr::from(address).to_string()), setting),
                None => self.mistake(setting, "is no offset within the network; write a smaller one"),
            }
        }
    }

    /// `statip`: of our own network they are used as they are, of another one they are translated.
    fn statics(&mut self, lan: &Lan) {
        let Some(setting) = self.one("statip") else { return };
        let Some(network) = values::network(&setting.value).map(|given| given.network()) else { return };
        let pool = self.one("dynip").and_then(|s| values::network(&s.value)).map_or(lan.network, |p| p.network());
        if network.contains(pool.address) && network.prefix <= pool.prefix {
            self.changed(setting, "would take every address that is leased: nobody may come with one of its own");
        } else if network.prefix > lan.network.prefix && lan.network.contains(network.address) {
            if network.prefix > SMALLEST_NETWORK {
                let message = "not served: a network has four addresses at least; [[dhcp.host]] gives a device its own";
                return self.changed(setting, message);
            }
            self.set("dhcp.static_addresses", quoted(&network.to_string()), setting);
        } else {
            self.changed(setting, "dhcp.any_address: addresses of another network are translated, and of every one");
            self.set("dhcp.any_address", "true".to_owned(), setting);
        }
    }

    fn resolvers(&mut self, lan: &Lan) {
        let mut resolvers: Vec<Ipv4Addr> = Vec::new();
        for setting in [self.one("dns1"), self.one("dns2")].into_iter().flatten() {
            let Ok(address) = setting.value.parse::<Ipv4Addr>() else { continue };
            if lan.network.contains(address) {
                let text = "is in the guests' own network; the resolvers of /etc/resolv.conf are asked";
                self.changed(setting, text);
                continue;
            }
            if !resolvers.contains(&address) {
                resolvers.push(address);
            }
            let shown: Vec<String> = resolvers.iter().map(|address| quoted(&address.to_string())).collect();
            self.set("dns.resolvers", format!("[{}]", shown.join(", ")), setting);
        }
    }

    /// `ethers`: a MAC and an address in each line.
    fn hosts(&mut self, lan: &Lan) {
        let Some(setting) = self.one("ethers") else { return };
        let Some(text) = self.file(setting) else { return };
        let (mut known, mut left_out): (Vec<(wire::MacAddr, Ipv4Addr)>, Vec<String>) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("");
            let mut words = line.split_whitespace();
            let Some(first) = words.next() else { continue };
            let host = values::mac(first).zip(words.next().and_then(|word| word.parse::<Ipv4Addr>().ok()));
            match host.filter(|(mac, address)| {
                lan.network.has_host(*address)
                    && *address != lan.gateway
                    && known.len() < MAX_HOSTS
                    && known.iter().all(|(m, a)| m != mac && a != address)
            }) {
                Some(host) => known.push(host),
                None => left_out.push((index + 1).to_string()),
            }
        }
        if !left_out.is_empty() {
            left_out.truncate(20);
            let text = format!(
                "lines {} of {} are left out: each needs a MAC and an address of the guests' network, none of them twice",
                left_out.join(", "),
                setting.value
            );
            self.changed(setting, text);
        }
        for (index, (mac, address)) in known.iter().enumerate() {
            self.set_in("dhcp.host.mac", index, quoted(&mac.to_string()), setting);
            self.set_in("dhcp.host.address", index, quoted(&address.to_string()), setting);
        }
    }

    /// `dhcpopt`: code, length and data of one or more options in hexadecimal.
    fn raw_options(&mut self) {
        let mut written = Vec::new();
        for setting in self.all("dhcpopt") {
            let octet = |i: usize| u8::from_str_radix(setting.value.get(2 * i..2 * i + 2)?, 16).ok();
            let octets: Option<Vec<u8>> = (0..setting.value.len().div_ceil(2)).map(octet).collect();
            let mut rest = octets.as_deref().unwrap_or(&[]);
            let mut options = Vec::new();
            while let [code, length, data @ ..] = rest {
                let Some((data, after)) = data.split_at_checked(usize::from(*length)) else { break };
                let hex: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
                options.push(format!("{{ code = {code}, hex = {} }}", quoted(&hex)));
                rest = after;
            }
            if !rest.is_empty() || options.is_empty() {
                self.mistake(
                    setting,
                    "is no DHCP option in hexadecimal; write code, length and data, as in 2b0401020304",
                );
                continue;
            }
            written.append(&mut options);
            self.set("dhcp.options", format!("[{}]", written.join(", ")), setting);
        }
    }

    /// `tcpmss`: 0 is none.
    fn max_segment(&mut self) {
        let path = "tun.max_segment";
        let Some((octets, setting)) = self.integer("tcpmss").filter(|(octets, _)| *octets != 0) else { return };
        let kept = octets.clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT);
        if kept != octets {
            self.changed(setting, format!("{path} = {kept}: from {SMALLEST_SEGMENT} to {LARGEST_SEGMENT} octets"));
        }
        self.set(path, kept.to_string(), setting);
    }

    pub(super) fn devices(&mut self) {
        match self.has("tundev") {
            true => self.text("tundev", "tun.name"),
            false => self.default_changed("tundev", "the device is poblano0; rules of other firewalls may say tun0"),
        }
        self.number("mtu", "tun.mtu");
        self.max_segment();
        self.flag("usetap", "tun.mode", "\"tap\"");
        if let Some((level, setting)) = self.integer("loglevel") {
            let word = match level {
                0..=3 => "error",
                4 => "warn",
                5 | 6 => "info",
                _ => "debug",
            };
            self.set("log.level", quoted(word), setting);
        }
        self.flag("debug", "log.level", "\"debug\"");
        for (option, path) in [
            ("cmdsocket", "control.socket"),
            ("ipup", "scripts.up"),
            ("ipdown", "scripts.down"),
            ("conup", "scripts.session_up"),
            ("condown", "scripts.session_down"),
            ("macup", "scripts.guest_up"),
            ("macdown", "scripts.guest_down"),
        ] {
            self.text(option, path);
        }
        self.number("maxclients", "guests.max");
    }
}
