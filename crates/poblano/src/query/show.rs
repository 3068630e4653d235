//! chilli_query's formats, column by column, out of a gateway's answer to `sessions`.
//!
//! A guest's state is `pass` (online), `dnat` (meets the portal) or `drop` (blocked, or refused by a server). Columns stand apart by one blank, so
//! what a guest chose has none in it, and what is not there is `-`, or 0 among numbers.

use std::fmt::Write;

use serde_json::{Value, json};
use wire::MacAddr;

/// `MAC IP state sessionid auth user time/max idle/max in/max out/max total-max swap up%/rate down%/rate url [vlan=n]`
pub(super) fn list(reply: &Value, guest: Option<&str>) -> String {
    let swap = u8::from(!is_chilli(reply));
    let mut lines: Vec<String> = guests(reply).map(|guest| line(guest, reply, swap)).collect();
    lines.extend(
        blocked(reply, guest).map(|mac| format!("{mac} 0.0.0.0 drop - 0 - 0/0 0/0 0/0 0/0 0 {swap} 0/0 0/0 -")),
    );
    lines.join("\n")
}

fn line(guest: &Value, reply: &Value, swap: u8) -> String {
    let session = &guest["session"];
    let [input, output] = input_output(reply);
    let is_online = !session.is_null();
    let rate = |key: &str| session[key].as_u64().map_or_else(|| "0/0".to_owned(), |bits| format!("0%/{bits}"));
    let of = |used: &Value, max: &Value| format!("{}/{}", number(used), number(max));
    let mut line = [
        mac(guest),
        text(&guest["ip"]),
        state(guest).to_owned(),
        text(&session["id"]),
        u8::from(is_online).to_string(),
        text(&session["user"]),
        of(&session["seconds"], &session["seconds_max"]),
        of(&session["idle_seconds"], &session["idle_seconds_max"]),
        of(&session[format!("{input}_octets")], &session[format!("{input}_octets_max")]),
        of(&session[format!("{output}_octets")], &session[format!("{output}_octets_max")]),
        number(&session["total_octets_max"]).to_string(),
        swap.to_string(),
        rate("bits_per_second_up"),
        rate("bits_per_second_down"),
        "-".to_owned(),
    ]
    .join(" ");
    if let Some(vlan) = guest["vlan"].as_u64() {
        let _ = write!(line, " vlan={vlan}");
    }
    line
}

/// The same as chilli_query's `-json`.
pub(super) fn list_json(reply: &Value, guest: Option<&str>) -> String {
    of_all(reply, guest, |guest| {
        let mut all = entry(guest);
        let session = &guest["session"];
        if !session.is_null() {
            let [input, output] = input_output(reply);
            let max = |key: &str| number(&session[format!("{key}_octets_max")]);
            all["session"] = json!({
                "sessionId": session["id"],
                "userName": session["user"],
                "startTime": number(&session["started_unix"]),
                "sessionTimeout": number(&session["seconds_max"]),
                "terminateTime": number(&session["ends_unix"]),
                "idleTimeout": number(&session["idle_seconds_max"]),
            });
            let limits = [("maxInputOctets", input), ("maxOutputOctets", output), ("maxTotalOctets", "total")];
            for (name, limit) in limits.map(|(name, key)| (name, max(key))) {
                if limit > 0 {
                    all["session"][name] = limit.into();
                }
            }
            let used = |key: &str| number(&session[format!("{key}_octets")]);
            let [low, high] = [u64::from(u32::MAX), 32];
            all["accounting"] = json!({
                "sessionTime": number(&session["seconds"]),
                "idleTime": number(&session["idle_seconds"]),
                "inputOctets": used(input) & low,
                "outputOctets": used(output) & low,
                "inputGigawords": used(input) >> high,
                "outputGigawords": used(output) >> high,
                "viewPoint": if is_chilli(reply) { "client" } else { "nas" },
            });
        }
        all
    })
}

/// `MAC IP state age/lease`
pub(super) fn leases(reply: &Value, guest: Option<&str>) -> String {
    let line = |guest: &Value| {
        let [age, lease] = age(guest);
        format!("{} {} {} {age}/{lease}", mac(guest), text(&guest["ip"]), state(guest))
    };
    let mut lines: Vec<String> = guests(reply).map(line).collect();
    lines.extend(blocked(reply, guest).map(|mac| format!("{mac} 0.0.0.0 drop 0/0")));
    lines.join("\n")
}

pub(super) fn leases_json(reply: &Value, guest: Option<&str>) -> String {
    of_all(reply, guest, |guest| {
        let mut all = entry(guest);
        let [age, lease] = age(guest);
        all["leaseAge"] = age.into();
        all["leaseTime"] = lease.into();
        all
    })
}

/// Processes: the gateway, and its scripts.
pub(super) fn processes(reply: &Value) -> String {
    let (scripts, gateway) = (&reply["scripts"], &reply["gateway"]);
    let running = scripts["running"].as_array().map_or(&[][..], Vec::as_slice);
    let mut lines = vec![format!(
        "Children {} Max {} Total {}",
        running.len(),
        number(&scripts["at_once"]),
        number(&scripts["started"])
    )];
    let mut row = |process: &Value, kind: &str, name: &str, seconds: &Value| {
        lines.push(format!("{:<8} {kind:<8} {name:<16} {}", number(process), number(seconds)));
    };
    row(&gateway["process"], "Main", "poblano", &gateway["seconds"]);
    for script in running {
        row(&script["process"], "Script", &text(&script["script"]), &script["seconds"]);
    }
    lines.insert(1, format!("{:<8} {:<8} {:<16} {}", "PID", "Kind", "Name", "Uptime"));
    lines.join("\n")
}

/// Addresses that are lent.
pub(super) fn pool(reply: &Value) -> String {
    let mut lines = vec![format!("in use {}", guests(reply).count())];
    lines.extend(guests(reply).map(|guest| format!("{} {} {}", text(&guest["ip"]), mac(guest), state(guest))));
    lines.join("\n")
}

fn of_all(reply: &Value, guest: Option<&str>, one: impl Fn(&Value) -> Value) -> String {
    let mut all: Vec<Value> = guests(reply).map(one).collect();
    all.extend(blocked(reply, guest).map(
        |mac| json!({ "nasPort": 0, "clientState": 0, "ipAddress": "0.0.0.0", "macAddress": mac, "dhcpState": "drop" }),
    ));
    json!({ "sessions": all }).to_string()
}

fn entry(guest: &Value) -> Value {
    json!({
        "nasPort": number(&guest["port"]),
        "clientState": u8::from(!guest["session"].is_null()),
        "ipAddress": guest["ip"],
        "macAddress": mac(guest),
        "dhcpState": state(guest),
    })
}

fn guests(reply: &Value) -> impl Iterator<Item = &Value> {
    reply["guests"].as_array().into_iter().flatten()
}

/// Those of the blocked devices that are asked for.
fn blocked(reply: &Value, guest: Option<&str>) -> impl Iterator<Item = String> {
    let wanted = guest.map(|guest| guest.parse::<MacAddr>().ok());
    let macs = reply["blocked"].as_array().into_iter().flatten();
    macs.filter_map(|mac| mac.as_str()?.parse::<MacAddr>().ok())
        .filter(move |mac| wanted.is_none_or(|wanted| wanted == Some(*mac)))
        .map(MacAddr::to_station_id)
}

fn state(guest: &Value) -> &'static str {
    match guest["state"].as_str() {
        _ if !guest["session"].is_null() => "pass",
        Some("refused") => "drop",
        _ => "dnat",
    }
}

/// Since the lease was given or renewed, and how long it is.
fn age(guest: &Value) -> [u64; 2] {
    let lease = number(&guest["lease_seconds"]);
    [lease.saturating_sub(number(&guest["lease_seconds_left"])), lease]
}

/// What our input and output are called: ours are the guest's own.
fn input_output(reply: &Value) -> [&'static str; 2] {
    if is_chilli(reply) { ["output", "input"] } else { ["input", "output"] }
}

fn is_chilli(reply: &Value) -> bool {
    reply["gateway"]["direction"] == "chilli"
}

fn mac(guest: &Value) -> String {
    guest["mac"].as_str().and_then(|mac| mac.parse().ok()).map_or_else(|| "-".to_owned(), MacAddr::to_station_id)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// One word: whatever a guest put between its letters.
fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let word: String = text.chars().map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c }).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(direction: &str) -> Value {
        json!({
            "gateway": { "direction": direction, "process": 7, "seconds": 90 },
            "blocked": ["02:00:00:00:00:0b"],
            "scripts": { "running": [], "at_once": 16, "started": 3 },
            "guests": [{
                "mac": "02:00:00:00:00:0a", "ip": "10.85.0.9", "port": 4, "vlan": 20,
                "lease_seconds": 3600, "lease_seconds_left": 3590,
                "session": {
                    "id": "000001000000019cd2c0f1", "user": "ada l", "started_unix": 1_800_000_000,
                    "seconds": 61, "seconds_max": 600, "idle_seconds": 2, "idle_seconds_max": null, "ends_unix": null,
                    "input_octets": 10, "output_octets": 5_000_000_000_u64,
                    "input_octets_max": null, "output_octets_max": 6_000_000_000_u64, "total_octets_max": 7,
                    "bits_per_second_up": null, "bits_per_second_down": 2_000_000,
                },
            }, { "mac": "02:00:00:00:00:0c", "ip": "10.85.0.10", "port": 5, "session": null, "state": "not logged in" }],
        })
    }

    #[test]
    fn a_line_has_every_column_in_its_place() {
        let rest = "\n02-00-00-00-00-0C 10.85.0.10 dnat - 0 - 0/0 0/0 0/0 0/0 0 1 0/0 0/0 -\
                    \n02-00-00-00-00-0B 0.0.0.0 drop - 0 - 0/0 0/0 0/0 0/0 0 1 0/0 0/0 -";
        let who = "02-00-00-00-00-0A 10.85.0.9 pass 000001000000019cd2c0f1 1 ada_l 61/600 2/0";
        assert_eq!(
            list(&reply("rfc2866"), None),
            format!("{who} 10/0 5000000000/6000000000 7 1 0/0 0%/2000000 - vlan=20{rest}")
        );
        let rest = rest.replace(" 0 1 0/0", " 0 0 0/0");
        assert_eq!(
            list(&reply("chilli"), None),
            format!("{who} 5000000000/6000000000 10/0 7 0 0/0 0%/2000000 - vlan=20{rest}")
        );
        assert!(!list(&reply("chilli"), Some("10.85.0.9")).contains("drop"));
        assert!(list(&reply("chilli"), Some("02-00-00-00-00-0b")).contains("02-00-00-00-00-0B 0.0.0.0 drop"));
    }

    #[test]
    fn a_device_that_a_server_has_refused_is_dropped() {
        let mut reply = reply("chilli");
        reply["guests"][1]["state"] = "refused".into();
        assert!(list(&reply, None).contains("02-00-00-00-00-0C 10.85.0.10 drop - 0"), "{}", list(&reply, None));
        assert!(list(&reply, None).contains("10.85.0.9 pass"));
    }

    #[test]
    fn leases_have_their_age() {
        assert_eq!(
            leases(&reply("rfc2866"), Some("10.85.0.9")).lines().next(),
            Some("02-00-00-00-00-0A 10.85.0.9 pass 10/3600")
        );
    }

    #[test]
    fn octets_beyond_32_bits_are_gigawords() {
        let told: Value = serde_json::from_str(&list_json(&reply("rfc2866"), None)).unwrap();
        let [ada, phone, blocked] = &told["sessions"].as_array().unwrap()[..] else { panic!("{told}") };
        let accounting = &ada["accounting"];
        assert_eq!(
            (&accounting["outputOctets"], &accounting["outputGigawords"], &accounting["viewPoint"]),
            (&json!(705_032_704), &json!(1), &json!("nas"))
        );
        assert_eq!(
            (&ada["session"]["userName"], &ada["session"]["maxOutputOctets"]),
            (&json!("ada l"), &json!(6_000_000_000_u64))
        );
        assert_eq!(
            (&phone["dhcpState"], &phone["session"], &blocked["dhcpState"]),
            (&json!("dnat"), &Value::Null, &json!("drop"))
        );
    }
}
