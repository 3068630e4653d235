//! The variables of CoovaChilli's shell layer (HS_*) as the options that its scripts make of them.

use super::lines::{Setting, Settings};
use super::options::exactly;
use super::report::{Origin, Outcome, Weight};
use super::shell::Variables;
use super::{Notes, Surroundings};

/// Variables that are an option as they are, and what they are when nobody says otherwise.
const PLAIN: &[(&str, &str, &str)] = &[
    ("HS_LANIF", "dhcpif", "eth1"),
    ("HS_UAMLISTEN", "uamlisten", "10.1.0.1"),
    ("HS_UAMPORT", "uamport", "3990"),
    ("HS_UAMUIPORT", "uamuiport", "4990"),
    ("HS_LEASE", "lease", ""),
    ("HS_UID", "uid", ""),
    ("HS_GID", "gid", ""),
    ("HS_DHCPGATEWAY", "dhcpgateway", ""),
    ("HS_KNAME", "kname", ""),
    ("HS_DHCPLISTEN", "dhcplisten", ""),
    ("HS_TUNDEV", "tundev", ""),
    ("HS_SSID", "ssid", ""),
    ("HS_VLAN", "vlan", ""),
    ("HS_NASIP", "nasip", ""),
    ("HS_NASMAC", "nasmac", ""),
    ("HS_DHCPMAC", "dhcpmac", ""),
    ("HS_DNS_DOMAIN", "domain", "lan"),
    ("HS_TCPMSS", "tcpmss", ""),
    ("HS_DHCPOPT", "dhcpopt", ""),
    ("HS_WWWDIR", "wwwdir", ""),
    ("HS_WWWBIN", "wwwbin", ""),
    ("HS_ADMUSR", "adminuser", ""),
    ("HS_ADMPWD", "adminpasswd", ""),
    ("HS_ADMINUPDATEFILE", "adminupdatefile", ""),
    ("HS_CONUP", "conup", ""),
    ("HS_CONDOWN", "condown", ""),
    ("HS_MACUP", "macup", ""),
    ("HS_MACDOWN", "macdown", ""),
    ("HS_IPSRCALLOWED", "ipsrcallowed", ""),
    ("HS_MAXCLIENTS", "maxclients", ""),
    ("HS_RADIUSQSIZE", "radiusqsize", ""),
    ("HS_DHCPHASHSIZE", "dhcphashsize", ""),
    ("HS_LOC_NAME", "locationname", ""),
    ("HS_NASID", "radiusnasid", "nas01"),
    ("HS_MACPASSWD", "macpasswd", ""),
    ("HS_MACSUFFIX", "macsuffix", ""),
    ("HS_USESTATUSFILE", "usestatusfile", ""),
    ("HS_UAMLOGOUTIP", "uamlogoutip", ""),
    ("HS_UAMALIASIP", "uamaliasip", ""),
    ("HS_UAMALIASNAME", "uamaliasname", ""),
    ("HS_UAMSECRET", "uamsecret", ""),
    ("HS_INJECT", "inject", ""),
    ("HS_INJECTEXT", "injectext", ""),
    ("HS_DEFSESSIONTIMEOUT", "defsessiontimeout", ""),
    ("HS_DEFIDLETIMEOUT", "defidletimeout", ""),
    ("HS_CHALLENGETIMEOUT", "challengetimeout", ""),
    ("HS_CHALLENGETIMEOUT2", "challengetimeout2", ""),
    ("HS_DEFBANDWIDTHMAXDOWN", "defbandwidthmaxdown", ""),
    ("HS_DEFBANDWIDTHMAXUP", "defbandwidthmaxup", ""),
    ("HS_DEFINTERIMINTERVAL", "definteriminterval", ""),
    ("HS_SSLKEYFILE", "sslkeyfile", ""),
    ("HS_SSLCERTFILE", "sslcertfile", ""),
    ("HS_SSLCAFILE", "sslcafile", ""),
    ("HS_POSTAUTH_PROXY", "postauthproxy", ""),
    ("HS_POSTAUTH_PROXYPORT", "postauthproxyport", ""),
];

/// Variables that are a flag when they are `on`.
const FLAGS: &[(&str, &str)] = &[
    ("HS_USETAP", "usetap"),
    ("HS_NOARPENTRIES", "noarpentries"),
    ("HS_ANYIP", "uamanyip"),
    ("HS_NATANYIP", "uamnatanyip"),
    ("HS_NOC2C", "noc2c"),
    ("HS_LAYER3", "layer3"),
    ("HS_REDIR", "redir"),
    ("HS_REDIRDNSREQ", "redirdnsreq"),
    ("HS_LOCATIONOPT82", "locationopt82"),
    ("HS_NOWISPR1", "nowispr1"),
    ("HS_NOWISPR2", "nowispr2"),
    ("HS_PAP_OK", "papalwaysok"),
    ("HS_MACAUTH", "macauth"),
    ("HS_MACALLOWLOCAL", "macallowlocal"),
    ("HS_MACREAUTH", "macreauth"),
    ("HS_MACAUTHDENY", "macauthdeny"),
    ("HS_WPAGUESTS", "wpaguests"),
    ("HS_OPENIDAUTH", "openidauth"),
    ("HS_ACCTUPDATE", "acctupdate"),
    ("HS_DNSPARANOIA", "dnsparanoia"),
    ("HS_UAMALLOWPOST", "uamallowpost"),
    ("HS_IEEE8021Q", "ieee8021q"),
    ("HS_UAMUISSL", "uamuissl"),
    ("HS_REDIRSSL", "redirssl"),
    ("HS_DHCPRADIUS", "dhcpradius"),
    ("HS_RADIUSORIGINALURL", "radiusoriginalurl"),
    ("HS_SWAPOCTETS", "swapoctets"),
    ("HS_DOMAINDNSLOCAL", "domaindnslocal"),
    ("HS_SESKEEPALIVE", "seskeepalive"),
    ("HS_RADSEC", "radsec"),
];

/// Variables that are put together below.
const TOGETHER: &[&str] = &[
    "HS_NETWORK",
    "HS_NETMASK",
    "HS_UAMSERVER",
    "HS_UAMALLOW",
    "HS_DYNIP",
    "HS_DYNIP_MASK",
    "HS_STATIP",
    "HS_STATIP_MASK",
    "HS_DNS",
    "HS_DNS1",
    "HS_DNS2",
    "HS_UAMHOMEPAGE",
    "HS_WISPRLOGIN",
    "HS_UAMSERVICE",
    "HS_UAMDOMAINS",
    "HS_USE_MAP",
    "HS_AAA",
    "HS_UAMAAAURL",
    "HS_MACALLOW",
    "HS_MACAUTHMODE",
    "HS_USELOCALUSERS",
    "HS_LOCALUSERS",
    "HS_LOC_ISOCC",
    "HS_LOC_CC",
    "HS_LOC_AC",
    "HS_PROVIDER",
    "HS_LOC_NETWORK",
    "HS_RAW_CONFIG1",
    "HS_RAW_CONFIG2",
    "HS_RADIUS",
    "HS_RADIUS2",
    "HS_RADSECRET",
    "HS_RADAUTH",
    "HS_RADACCT",
    "HS_UAMFORMAT",
    "HS_COAPORT",
    "HS_RADPROXY",
    "HS_RADPROXY_LISTEN",
    "HS_RADPROXY_CLIENT",
    "HS_RADPROXY_PORT",
    "HS_RADPROXY_SECRET",
    "HS_RADPROXY_MACACCEPT",
    "HS_RADPROXY_LOCATTR",
    "HS_DHCPRELAYAGENT",
    "HS_WEB_ADMIN",
    "HS_LOCAL",
    "HS_LOCAL_PORT",
];

/// Variables that only scripts looked at, and where they are now.
const SCRIPTS: &[(&str, &str)] = &[
    ("HS_TCP_PORTS", "guests reach no port of the machine but DNS, DHCP and the portal's"),
    ("HS_UDP_PORTS", "guests reach no port of the machine but DNS, DHCP and the portal's"),
    ("HS_LOCAL_DNS", "whichever server a guest asks before login, the gateway answers"),
    ("HS_LANIF_KEEPADDR", "the LAN interface needs no address"),
    ("HS_ADMINTERVAL", "no configuration is fetched"),
    ("HS_USER", "the service says as whom it runs"),
    ("HS_CONF_INONE", "there is one file"),
    ("HS_MODE", "it is for CoovaChilli's pages"),
    ("HS_TYPE", "it is for CoovaChilli's pages"),
    ("HS_REG_MODE", "it is for CoovaChilli's pages"),
    ("HS_RAD_PROTO", "it is for CoovaChilli's pages; radius.method is ours"),
    ("HS_PROVIDER_LINK", "it is for CoovaChilli's pages"),
    ("HS_OWNER_EMAIL", "it is for CoovaChilli's pages"),
    ("HS_WPAD_PROXY", "browsers are given no proxy"),
    ("HS_LATITUDE", "it is for CoovaChilli's pages"),
    ("HS_LONGITUDE", "it is for CoovaChilli's pages"),
    ("HS_ENABLED", "whether it starts, its service says"),
];

/// The options that these variables make.
pub(super) fn settings(
    variables: &Variables,
    file: &str,
    world: &dyn Surroundings,
    settings: &mut Settings,
    notes: &mut Notes,
) {
    let mut maker = Maker { variables, file, settings, notes };
    maker.raw("HS_RAW_CONFIG1", world);
    for (variable, option, default) in PLAIN {
        maker.option(variable, option, maker.or(variable, default));
    }
    for (variable, option) in FLAGS {
        let value = variables.value(variable);
        if value == "on" || value == "true" && variable.starts_with("HS_NOWISPR") {
            maker.option(variable, option, Some(String::new()));
        } else if !value.is_empty() {
            let text = format!("is off: CoovaChilli's scripts know \"on\" alone, and this is {value:?}");
            maker.notes.found(&maker.origin(variable), Outcome::NotNeeded, Weight::Plain, &text);
        }
    }
    maker.addresses();
    maker.portal();
    maker.garden();
    maker.servers();
    maker.proxy();
    maker.location();
    maker.raw("HS_RAW_CONFIG2", world);
    maker.scripts();
}

struct Maker<'a> {
    variables: &'a Variables,
    file: &'a str,
    settings: &'a mut Settings,
    notes: &'a mut Notes,
}

impl Maker<'_> {
    fn value(&self, name: &str) -> &str {
        self.variables.value(name)
    }

    /// The value of a variable or its default; `None` if it is empty.
    fn or(&self, name: &str, default: &str) -> Option<String> {
        let value = self.variables.get(name).map_or(default, |(value, _)| value);
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The value with variables that were not to be replaced when it was assigned: CoovaChilli's scripts read it twice.
    fn twice(&self, name: &str, default: &str) -> Option<String> {
        let value = self.or(name, default).map(|value| self.variables.substitute(&value))?;
        (!value.is_empty()).then_some(value)
    }

    fn origin(&self, variable: &str) -> Origin {
        self.variables.get(variable).map_or_else(
            || Origin { file: self.file.to_owned(), line: None, name: variable.to_owned() },
            |(_, origin)| origin.clone(),
        )
    }

    fn option(&mut self, variable: &str, option: &str, value: Option<String>) {
        if let (Some(value), Some(option)) = (value, exactly(option)) {
            // One pair of a name and a value is a line of chilli.conf: what is in it, is in it.
            self.settings.add(Setting { origin: self.origin(variable), option, value }, self.notes);
        }
    }

    fn is_on(&self, variable: &str) -> bool {
        self.value(variable) == "on"
    }

    /// Lines of chilli.conf, which count before or after the others.
    fn raw(&mut self, variable: &str, world: &dyn Surroundings) {
        let Some(text) = self.or(variable, "") else { return };
        let file = format!("{} {variable}", self.file);
        super::lines::read(&text, std::path::Path::new(&file), world, self.settings, self.notes);
    }

    fn addresses(&mut self) {
        let with_mask = |maker: &Self, address: &str, mask: &str| {
            maker.or(address, "").map(|a| format!("{a}/{}", maker.or(mask, "255.255.255.0").unwrap_or_default()))
        };
        let network = self.or("HS_NETWORK", "10.1.0.0").unwrap_or_default();
        let mask = self.or("HS_NETMASK", "255.255.255.0").unwrap_or_default();
        self.option("HS_NETWORK", "net", Some(format!("{network}/{mask}")));
        let (dynamic, fixed) =
            (with_mask(self, "HS_DYNIP", "HS_DYNIP_MASK"), with_mask(self, "HS_STATIP", "HS_STATIP_MASK"));
        self.option("HS_DYNIP", "dynip", dynamic);
        self.option("HS_STATIP", "statip", fixed);
        for (own, option) in [("HS_DNS1", "dns1"), ("HS_DNS2", "dns2")] {
            self.option(own, option, self.or(own, ""));
        }
        self.option("HS_DNS", "dns1", self.or("HS_DNS", ""));
        // auto is an address of the uplink, which nothing is relayed from anyway.
        self.option("HS_DHCPRELAYAGENT", "dhcprelayagent", self.or("HS_DHCPRELAYAGENT", "").filter(|a| a != "auto"));
    }

    fn portal(&mut self) {
        let ours = format!(
            "http://{}:{}/www/login.chi",
            self.or("HS_UAMLISTEN", "10.1.0.1").unwrap_or_default(),
            self.or("HS_UAMUIPORT", "4990").unwrap_or_default()
        );
        self.option("HS_UAMFORMAT", "uamserver", self.twice("HS_UAMFORMAT", &ours));
        self.option("HS_UAMHOMEPAGE", "uamhomepage", self.twice("HS_UAMHOMEPAGE", "").filter(|page| page != "none"));
        let login = if self.variables.get("HS_WISPRLOGIN").is_some() { "HS_WISPRLOGIN" } else { "HS_UAMSERVICE" };
        self.option(login, "wisprlogin", self.twice(login, ""));
        if self.is_on("HS_USELOCALUSERS") {
            self.option("HS_LOCALUSERS", "localusers", self.or("HS_LOCALUSERS", "/etc/chilli/localusers"));
        }
    }

    fn garden(&mut self) {
        let commas = |text: String| text.split_whitespace().collect::<Vec<_>>().join(",");
        let listen = self.or("HS_UAMLISTEN", "10.1.0.1");
        // The gateway's own address is no garden: its portal is reached anyway.
        let server = self.or("HS_UAMSERVER", "").filter(|server| Some(server) != listen.as_ref());
        self.option("HS_UAMSERVER", "uamallowed", server.map(commas));
        self.option("HS_UAMALLOW", "uamallowed", self.or("HS_UAMALLOW", "").map(commas));
        self.option("HS_UAMDOMAINS", "uamdomain", self.or("HS_UAMDOMAINS", "").map(commas));
        if self.is_on("HS_USE_MAP") {
            self.option("HS_USE_MAP", "uamdomain", Some(".google.com".to_owned()));
        }
        let variables = self.variables;
        for variable in ["HS_WEB_ADMIN", "HS_LOCAL"].into_iter().filter(|v| !variables.value(v).is_empty()) {
            let text = "guests reach no web server of this machine but the portal";
            self.notes.found(&self.origin(variable), Outcome::NotSupported, Weight::Plain, text);
        }
        self.option("HS_MACALLOW", "macallowed", self.or("HS_MACALLOW", "").map(commas));
        if self.value("HS_MACAUTHMODE") == "local" {
            self.option("HS_MACAUTHMODE", "macallowlocal", Some(String::new()));
        }
    }

    fn servers(&mut self) {
        if self.value("HS_AAA") == "http" {
            self.option("HS_UAMAAAURL", "uamaaaurl", self.or("HS_UAMAAAURL", ""));
            return;
        }
        self.option("HS_RADIUS", "radiusserver1", self.or("HS_RADIUS", "localhost"));
        self.option("HS_RADIUS2", "radiusserver2", self.or("HS_RADIUS2", ""));
        let secret = ["HS_RADSECRET", "HS_UAMSECRET"].into_iter().find(|v| !self.value(v).is_empty());
        if let Some(variable) = secret {
            self.option(variable, "radiussecret", self.or(variable, ""));
        }
        self.option("HS_RADAUTH", "radiusauthport", self.or("HS_RADAUTH", ""));
        self.option("HS_RADACCT", "radiusacctport", self.or("HS_RADACCT", ""));
        self.option("HS_COAPORT", "coaport", self.or("HS_COAPORT", "").filter(|port| port != "0"));
    }

    fn proxy(&mut self) {
        if !self.is_on("HS_RADPROXY") {
            return;
        }
        for (variable, option, default) in [
            ("HS_RADPROXY_LISTEN", "proxylisten", "127.0.0.1"),
            ("HS_RADPROXY_CLIENT", "proxyclient", "127.0.0.1"),
            ("HS_RADPROXY_PORT", "proxyport", "1645"),
            ("HS_RADPROXY_SECRET", "proxysecret", ""),
        ] {
            self.option(variable, option, self.or(variable, default));
        }
        if self.is_on("HS_RADPROXY_MACACCEPT") {
            self.option("HS_RADPROXY_MACACCEPT", "proxymacaccept", Some(String::new()));
        }
        let attributes = self.or("HS_RADPROXY_LOCATTR", "").map(|list| list.replace(',', "\\,").replace('|', ","));
        self.option("HS_RADPROXY_LOCATTR", "proxylocattr", attributes);
    }

    fn location(&mut self) {
        let name: Option<String> = self
            .or("HS_LOC_NAME", "")
            .map(|name| name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect());
        self.option("HS_LOC_NAME", "radiuslocationname", name);
        if self.or("HS_LOC_ISOCC", "").is_some() {
            let id = format!(
                "isocc={},cc={},ac={},network={},{}_{}",
                self.value("HS_LOC_ISOCC"),
                self.value("HS_LOC_CC"),
                self.value("HS_LOC_AC"),
                self.value("HS_PROVIDER"),
                self.value("HS_LOC_NETWORK"),
                self.value("HS_SSID")
            );
            self.option("HS_LOC_ISOCC", "radiuslocationid", Some(id));
        }
    }

    /// Variables that are no option, and those that there are not.
    fn scripts(&mut self) {
        for name in self.variables.names().filter(|name| name.starts_with("HS_")) {
            let origin = self.origin(name);
            let is_known = TOGETHER.contains(&name)
                || PLAIN.iter().any(|(known, ..)| *known == name)
                || FLAGS.iter().any(|(known, _)| *known == name);
            if self.value(name).is_empty() || is_known || name == "HS_WANIF" || self.notes.is_full() {
                continue;
            }
            let (outcome, weight, text) = match (SCRIPTS.iter().find(|(known, _)| *known == name), name) {
                (Some((_, why)), _) => (Outcome::NotNeeded, Weight::Plain, (*why).to_owned()),
                (None, "HS_LAN_ACCESS") => {
                    let text = "guests reach nothing but the uplink".to_owned();
                    (Outcome::NotSupported, Weight::Plain, text)
                }
                (None, _) if name.starts_with("HS_RADCONF") => {
                    if self.value("HS_RADCONF") == "off" {
                        continue;
                    }
                    let text = "no configuration is fetched from RADIUS or an address: import what it is now";
                    (Outcome::NotSupported, Weight::Closed, text.to_owned())
                }
                (None, _) => {
                    let known = PLAIN.iter().map(|(name, ..)| *name).chain(FLAGS.iter().map(|(name, _)| *name));
                    let known = known.chain(TOGETHER.iter().copied()).chain(SCRIPTS.iter().map(|(name, _)| *name));
                    let advice =
                        wire::nearest(name, known).map_or(String::new(), |near| format!("; did you mean {near}?"));
                    self.notes.mistakes.push(origin.problem(format!("unknown variable{advice}")));
                    continue;
                }
            };
            self.notes.found(&origin, outcome, weight, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::{Kind, options};
    use super::*;

    #[test]
    fn every_variable_makes_an_option_that_there_is() {
        for (variable, option) in PLAIN.iter().map(|(v, o, _)| (v, o)).chain(FLAGS.iter().map(|(v, o)| (v, o))) {
            assert!(options().any(|o| o.name == *option), "{variable}");
        }
        assert!(FLAGS.iter().all(|(_, option)| exactly(option).is_some_and(|o| o.kind == Kind::Flag)));
    }
}
