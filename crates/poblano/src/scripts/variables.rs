//! What scripts are told: the variables of CoovaChilli's scripts, all of them each time, empty or 0 where there is nothing
//! to tell. Numbers are seconds, octets, packets and bits per second.
//!
//! Input and output are from the point of view that `accounting.direction` has: with "rfc2866" input is what the guest
//! sent, with "chilli" what it got.

use std::net::Ipv4Addr;
use std::time::Duration;

use config::{Config, Direction};
use engine::dhcp::Lease;
use engine::session::{Grant, Record, Status};
use fastpath::police::Rate;
use fastpath::session::Usage;
use wire::routes::Routes;
use wire::{GuestKey, MacAddr};

use super::{Event, UplinkEvent};
use crate::aaa::terminate_cause;
use crate::settings;

/// Longest text of a guest or a server, in octets: that of a RADIUS attribute.
const TEXT: usize = 253;
/// In the place of a character that could be taken for the end of a line or a text.
const REPLACEMENT: char = '?';

pub(super) type Variables = Vec<(&'static str, String)>;

/// Text of a stranger as one line: no control characters and line separators, and no more than `max` octets.
pub(super) fn safe(text: &str, max: usize) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        let c = if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { REPLACEMENT } else { c };
        if safe.len() + c.len_utf8() > max {
            break;
        }
        safe.push(c);
    }
    safe
}

fn safe_octets(octets: &[u8]) -> String {
    safe(&String::from_utf8_lossy(octets), TEXT)
}

/// What is the same for all.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) device: String,
    lan: String,
    network: config::Network,
    gateway: Ipv4Addr,
    nas_ip: Ipv4Addr,
    nas_identifier: String,
    called_station_id: String,
    portal_port: u16,
    ui_port: u16,
    location_id: String,
    location_name: String,
    mtu: u32,
    direction: Direction,
    routes: Routes,
}

/// What is told of a guest beside who it is.
struct Told<'a> {
    user: &'a str,
    session_id: &'a str,
    class: &'a [u8],
    cui: &'a [u8],
    grant: &'a Grant,
    usage: Usage,
    duration: Duration,
    idle: Duration,
    cause: Option<u32>,
}

impl Facts {
    pub(super) fn new(config: &Config, lan_mac: MacAddr, mtu: u32) -> Self {
        Self {
            device: config.tun.name.clone(),
            lan: config.lan.interface.clone(),
            network: config.lan.network,
            gateway: config.lan.gateway,
            nas_ip: config.radius.nas_ip.unwrap_or(Ipv4Addr::UNSPECIFIED),
            nas_identifier: config.radius.nas_identifier.clone(),
            called_station_id: settings::called_station_id(config, lan_mac),
            portal_port: config.portal.port,
            ui_port: config.uam.ui_port.unwrap_or(0),
            location_id: config.uam.location_id.clone(),
            location_name: config.uam.location_name.clone(),
            mtu,
            direction: config.accounting.direction,
            routes: settings::routes(config),
        }
    }

    /// For `up` and `down`.
    pub(super) fn of_the_gateway(&self, event: &'static str) -> Variables {
        vec![
            ("DHCPIF", self.lan.clone()),
            ("DEV", self.device.clone()),
            ("ADDR", self.gateway.to_string()),
            ("MASK", self.mask().to_string()),
            ("NET", self.network.address.to_string()),
            ("UAMLISTEN", self.gateway.to_string()),
            ("DHCPLISTEN", self.gateway.to_string()),
            ("MTU", self.mtu.to_string()),
            ("UAMPORT", self.portal_port.to_string()),
            ("UAMUIPORT", self.ui_port.to_string()),
            // Tags are always read.
            ("IEEE8021Q", "1".to_owned()),
            ("POBLANO_EVENT", event.to_owned()),
        ]
    }

    pub(super) fn of_session(&self, event: Event, record: &Record) -> Variables {
        let told = Told {
            user: &record.user,
            session_id: &record.session_id,
            class: record.class.first().map_or(&[], Vec::as_slice),
            cui: record.cui.as_deref().unwrap_or_default(),
            grant: &record.tariff,
            usage: record.usage,
            duration: record.duration,
            idle: record.idle,
            cause: match record.status {
                Status::Stop(cause) => Some(terminate_cause(cause).code()),
                Status::Start | Status::Interim => None,
            },
        };
        self.of(event, record.key, record.address, None, &told)
    }

    pub(super) fn of_guest(&self, event: Event, lease: &Lease) -> Variables {
        let told = Told {
            user: "",
            session_id: "",
            class: &[],
            cui: &[],
            grant: &Grant::default(),
            usage: Usage::default(),
            duration: Duration::ZERO,
            idle: Duration::ZERO,
            cause: None,
        };
        self.of(event, lease.key, lease.address, lease.hostname.as_deref(), &told)
    }

    pub(super) fn of_uplink(&self, event: Event, told: &UplinkEvent) -> Variables {
        vec![
            ("DEV", self.device.clone()),
            ("UPLINK", told.name.clone()),
            ("UPLINK_INTERFACE", told.interface.clone()),
            ("UPLINK_GATEWAY", told.gateway.map_or_else(String::new, |gateway| gateway.to_string())),
            ("UPLINKS_UP", told.working.clone()),
            ("POBLANO_EVENT", event.name().to_owned()),
        ]
    }

    fn of(&self, event: Event, key: GuestKey, address: Ipv4Addr, hostname: Option<&str>, told: &Told<'_>) -> Variables {
        let secs = |time: Option<Duration>| time.unwrap_or_default().as_secs().to_string();
        let rate = |rate: Rate| rate.limit().unwrap_or(0).to_string();
        let octets = |quota: Option<u64>| quota.unwrap_or(0).to_string();
        let Grant { session_timeout, idle_timeout, interim, rate_up, rate_down, quota, .. } = told.grant;
        let Usage { octets_up, octets_down, packets_up, packets_down } = told.usage;
        let [max_input, max_output] = self.input_output(quota.octets_up, quota.octets_down);
        let [input_octets, output_octets] = self.input_output(octets_up, octets_down);
        let [input_packets, output_packets] = self.input_output(packets_up, packets_down);
        let mut all = vec![
            ("DEV", self.device.clone()),
            ("NET", self.network.address.to_string()),
            ("MASK", self.mask().to_string()),
            ("ADDR", self.gateway.to_string()),
            ("USER_NAME", safe(told.user, TEXT)),
            ("NAS_IP_ADDRESS", self.nas_ip.to_string()),
            ("SERVICE_TYPE", "1".to_owned()),
            ("FRAMED_IP_ADDRESS", address.to_string()),
            ("FILTER_ID", String::new()),
            ("STATE", String::new()),
            ("CLASS", safe_octets(told.class)),
            ("CUI", safe_octets(told.cui)),
            ("SESSION_TIMEOUT", secs(*session_timeout)),
            ("IDLE_TIMEOUT", secs(*idle_timeout)),
            ("CALLING_STATION_ID", self.routes.station(key).to_station_id()),
            ("CALLED_STATION_ID", self.called_station_id.clone()),
            ("NAS_ID", self.nas_identifier.clone()),
            ("NAS_PORT_TYPE", "19".to_owned()),
            ("ACCT_SESSION_ID", told.session_id.to_owned()),
            ("ACCT_INTERIM_INTERVAL", secs(*interim)),
            ("WISPR_LOCATION_ID", self.location_id.clone()),
            ("WISPR_LOCATION_NAME", self.location_name.clone()),
            ("WISPR_BANDWIDTH_MAX_UP", rate(*rate_up)),
            ("WISPR_BANDWIDTH_MAX_DOWN", rate(*rate_down)),
            ("COOVACHILLI_MAX_INPUT_OCTETS", octets(max_input)),
            ("COOVACHILLI_MAX_OUTPUT_OCTETS", octets(max_output)),
            ("COOVACHILLI_MAX_TOTAL_OCTETS", octets(quota.octets_total)),
            ("INPUT_OCTETS", input_octets.to_string()),
            ("OUTPUT_OCTETS", output_octets.to_string()),
            ("INPUT_PACKETS", input_packets.to_string()),
            ("OUTPUT_PACKETS", output_packets.to_string()),
            ("SESSION_TIME", told.duration.as_secs().to_string()),
            ("IDLE_TIME", told.idle.as_secs().to_string()),
            ("LOCATION", String::new()),
            ("OLD_LOCATION", String::new()),
            // Beyond CoovaChilli's.
            ("POBLANO_EVENT", event.name().to_owned()),
            ("POBLANO_VLAN", key.vlan.0.to_string()),
            ("POBLANO_HOSTNAME", safe(hostname.unwrap_or_default(), TEXT)),
        ];
        all.extend(told.cause.map(|cause| ("TERMINATE_CAUSE", cause.to_string())));
        all
    }

    fn input_output<T>(&self, up: T, down: T) -> [T; 2] {
        match self.direction {
            Direction::Rfc2866 => [up, down],
            Direction::Chilli => [down, up],
        }
    }

    fn mask(&self) -> Ipv4Addr {
        u32::MAX.checked_shl(32 - u32::from(self.network.prefix.min(32))).unwrap_or(0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_strangers_is_one_line_and_not_long() {
        assert_eq!(safe("ada\n$(id)\r\0\u{85}\u{2028}\x7f\t\x1b", TEXT), "ada?$(id)???????");
        assert_eq!(safe("größe", 4), "grö");
        assert_eq!(safe(&"é".repeat(300), TEXT).len(), 252);
        assert_eq!(safe_octets(b"\xffa\0"), "\u{fffd}a?");
    }

    #[test]
    fn a_variable_stands_once_and_has_no_zero_in_it() {
        let facts = Facts::new(&Config::default(), MacAddr([2, 0, 0, 0, 0, 1]), 1500);
        let key = GuestKey { lan: 0, vlan: wire::Vlan(7), mac: MacAddr([2, 0, 0, 0, 0, 9]) };
        let lease = Lease {
            key,
            address: Ipv4Addr::new(10, 85, 0, 9),
            foreign: None,
            hostname: Some("phone".into()),
            ends: Duration::ZERO,
            logged_in: false,
        };
        let all = facts.of_guest(Event::GuestUp, &lease);
        let names: std::collections::BTreeSet<_> = all.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), all.len());
        let told = |name| all.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        assert_eq!((told("POBLANO_VLAN"), told("POBLANO_HOSTNAME")), (Some("7"), Some("phone")));
        assert_eq!((told("CALLING_STATION_ID"), told("MASK")), (Some("02-00-00-00-00-09"), Some("255.255.240.0")));
    }
}
