//! What the operator hears of stations that lead guests elsewhere.

use engine::watch::{Rogue, Role, Watch};
use serde_json::{Value, json};
use tracing::warn;
use wire::Now;

/// In the log, when it is news; returns what was said.
pub(crate) fn tell(rogue: &Rogue) -> String {
    let words = what(&rogue.role);
    warn!(station = %rogue.key, "{words}");
    words
}

fn what(role: &Role) -> String {
    match role {
        Role::DhcpServer(address) => {
            format!(
                "another DHCP server on the guests' network calls itself {address}: who gets a lease there never meets the portal; find the station and unplug it"
            )
        }
        Role::Router(address) => {
            format!(
                "an IPv6 router on the guests' network calls itself {address}: guests may send past the gateway to it; find the station and unplug it"
            )
        }
    }
}

/// In the answer to `sessions`.
pub(crate) fn to_json(watch: &Watch, now: Now) -> Value {
    let rogue = |rogue: &Rogue| {
        let (plays, address) = match rogue.role {
            Role::DhcpServer(address) => ("dhcp_server", address.to_string()),
            Role::Router(address) => ("ipv6_router", address.to_string()),
        };
        json!({
            "mac": rogue.key.mac.to_string(),
            "vlan": (rogue.key.vlan.0 != 0).then_some(rogue.key.vlan.0),
            "plays": plays,
            "address": address,
            "times": rogue.times,
            "heard_seconds_ago": now.mono.saturating_sub(rogue.heard).as_secs(),
        })
    };
    json!({ "stations": watch.rogues().iter().map(rogue).collect::<Vec<_>>(), "unlisted_messages": watch.unlisted() })
}

/// For people, below the table of guests; nothing when all is well.
pub(crate) fn text(told: &Value) -> Vec<String> {
    let stations = told["stations"].as_array().map_or(&[][..], |stations| stations);
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut lines: Vec<_> = stations
        .iter()
        .map(|station| {
            let plays = if station["plays"] == "dhcp_server" { "DHCP server" } else { "IPv6 router" };
            let vlan = station["vlan"].as_u64().map_or_else(String::new, |vlan| format!("%{vlan}"));
            let (mac, address) = (text(&station["mac"]), text(&station["address"]));
            let ago = station["heard_seconds_ago"].as_u64().unwrap_or(0);
            format!("another {plays} on the guests' network: {mac}{vlan}, calls itself {address}, heard {ago}s ago")
        })
        .collect();
    if let Some(more) = told["unlisted_messages"].as_u64().filter(|more| *more > 0) {
        lines.push(format!("{more} messages of further stations that play DHCP server or router"));
    }
    lines
}
