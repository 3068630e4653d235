//! Sessions, and devices that are known by their MAC.

use super::super::values;
use super::super::write::{list, quoted};
use super::Converter;
use crate::BitRate;

pub(in crate::chilli) const DAY: u64 = 86_400;
/// The slowest rate that a guest can be given.
pub(in crate::chilli) const MIN_RATE: u64 = 8_000;

impl Converter<'_> {
    pub(super) fn guests(&mut self) {
        self.seconds("defsessiontimeout", "session.timeout", (60, 365 * DAY), true);
        match self.has("defidletimeout") {
            true => self.seconds("defidletimeout", "session.idle_timeout", (60, 30 * DAY), true),
            false => self.default("session.idle_timeout", quoted("0"), "defidletimeout"),
        }
        self.seconds("definteriminterval", "session.interim", (60, DAY), true);
        self.rate("defbandwidthmaxup", "session.rate_up");
        self.rate("defbandwidthmaxdown", "session.rate_down");
        match self.has("seskeepalive") {
            true => self.flag("seskeepalive", "session.outage", "\"5m\""),
            false => self.default_changed(
                "seskeepalive",
                "sessions outlive a crash and an update; a stop of the service ends them (session.outage)",
            ),
        }
        self.known_devices();
    }

    fn rate(&mut self, option: &str, path: &str) {
        let Some((rate, setting)) = self.integer(option) else { return };
        let kept = if rate == 0 { 0 } else { rate.max(MIN_RATE) };
        if kept != rate {
            self.changed(setting, format!("{path}: no rate is below {}bit/s", BitRate(MIN_RATE)));
        }
        self.set(path, quoted(&BitRate(kept).to_string()), setting);
    }

    /// Devices of `macallowed` are let in with `macallowlocal`; without it the servers are asked about these and no
    /// others, whether there is `macauth` or not.
    fn known_devices(&mut self) {
        if let Some(setting) = self.one("macauth") {
            self.set("mac_authentication.radius", "true".to_owned(), setting);
            self.set("mac_authentication.service_type", quoted("framed"), setting);
        }
        self.flag("strictmacauth", "mac_authentication.before_lease", "true");
        if self.has("macauth") || self.has("macallowed") {
            self.flag("dhcpradius", "mac_authentication.dhcp", "true");
            if let Some(setting) = self.one("dhcpradius") {
                self.draft.set("mac_authentication.before_lease", "true".to_owned(), &setting.origin);
            }
        }
        self.text("macsuffix", "mac_authentication.suffix");
        self.text("macpasswd", "mac_authentication.password");
        let is_local = self.has("macallowlocal");
        if self.has("macauth") || self.has("macallowed") && !is_local {
            self.flag("macauthdeny", "mac_authentication.refused", &quoted("drop"));
        }
        let mut macs: Vec<String> = Vec::new();
        for setting in self.all("macallowed") {
            // Blanks separate, too: a MAC with blanks within is not understood.
            for item in values::items(&setting.value).iter().flat_map(|item| item.split_whitespace()) {
                match values::mac(item).map(|mac| mac.to_string()) {
                    Some(mac) if macs.contains(&mac) => {}
                    Some(mac) => macs.push(mac),
                    None => self.closed(setting, format!("{:?} is no Ethernet address", values::shortened(item))),
                }
            }
            if macs.is_empty() {
                continue;
            }
            if is_local {
                self.set("mac_authentication.allow", list(&macs), setting);
            } else {
                self.set("mac_authentication.radius", "true".to_owned(), setting);
                self.set("mac_authentication.service_type", quoted("framed"), setting);
                self.set("mac_authentication.radius_only", list(&macs), setting);
            }
        }
        if let (Some(setting), false) = (self.one("macallowlocal"), macs.is_empty()) {
            self.set("mac_authentication.allow", list(&macs), setting);
        }
    }
}
