//! The sections, each in the file of its subject.

mod access;
mod network;
mod portal;
mod radius;
mod system;

use super::Absent::{self, Rule};
use super::{Key, Kind, Section};

/// What the key is when it is absent, in words.
const fn or(rule: &'static str, example: &'static str) -> Absent {
    Rule { rule, example }
}

const fn key(name: &'static str, kind: Kind, absent: Absent, doc: &'static str) -> Key {
    Key { name, kind, absent, doc }
}

const fn section(name: &'static str, doc: &'static str, keys: &'static [Key]) -> Section {
    Section { name, repeated: false, doc, keys }
}

const fn repeated(name: &'static str, doc: &'static str, keys: &'static [Key]) -> Section {
    Section { name, repeated: true, doc, keys }
}

/// Every section, in the order of the sample file.
pub const SECTIONS: &[Section] = &[
    network::LAN,
    network::LAN_ROUTED,
    network::UPLINK,
    network::UPLINK_LINE,
    network::TUN,
    network::OFFLOAD,
    network::GUESTS,
    network::DHCP,
    network::DHCP_HOST,
    network::DHCP_POOL,
    network::DNS,
    portal::PORTAL,
    portal::PORTAL_TLS,
    portal::UAM,
    portal::GARDEN,
    access::AUTH,
    access::VOUCHERS,
    access::MAC_AUTHENTICATION,
    access::SESSION,
    access::CLICK_THROUGH,
    access::POLICY,
    radius::RADIUS,
    radius::RADIUS_SERVER,
    radius::RADIUS_DYNAMIC_AUTHORIZATION,
    radius::RADIUS_DYNAMIC_AUTHORIZATION_CLIENT,
    radius::RADIUS_ADMINISTRATIVE,
    radius::RADIUS_PROXY,
    radius::RADIUS_PROXY_CLIENT,
    radius::ACCOUNTING,
    system::SCRIPTS,
    system::STATE,
    system::CONTROL,
    system::METRICS,
    system::CONSOLE,
    system::CONSOLE_TLS,
    system::WEBHOOK,
    system::RETENTION,
    system::LOG,
];
