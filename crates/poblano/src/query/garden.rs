//! listgarden, addgarden and remgarden, in the words of the control socket's `garden`, `garden_add` and `garden_remove`.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// The requests for a list such as `tcp:192.0.2.80:443,www.example.org#600`, where the number after # is for how many
/// seconds.
pub(super) fn requests(command: &str, data: &str) -> Vec<Value> {
    let command = if command == "addgarden" { "garden_add" } else { "garden_remove" };
    let one = |text: &str| match text.split_once('#') {
        Some((entry, seconds)) if command == "garden_add" => {
            // What is no number is the gateway's to refuse.
            let seconds = seconds.parse::<u64>().map_or_else(|_| json!(seconds), |seconds| json!(seconds));
            json!({ "command": command, "entry": entry, "seconds": seconds })
        }
        Some((entry, _)) => json!({ "command": command, "entry": entry }),
        None => json!({ "command": command, "entry": text }),
    };
    data.split(',').map(str::trim).filter(|text| !text.is_empty()).map(one).collect()
}

/// Entries of the configuration are static, the operator's and those that DNS opened are dynamic, and of a guest's own it
/// says whose they are. The second number is the first: what bounds them is in the configuration.
pub(super) fn show(reply: &Value) -> String {
    let all = |key: &str| reply[key].as_array().map_or(&[][..], Vec::as_slice);
    let own = |entry: &&Value| entry["guest"].is_string();
    let (theirs, ours): (Vec<_>, Vec<_>) = all("entries").iter().chain(all("opened")).partition(own);
    let (fixed, dynamic): (Vec<_>, Vec<_>) = ours.into_iter().partition(|entry| entry["from"] == "configuration");
    let mut lines = Vec::new();
    section(&mut lines, "static garden", &fixed);
    section(&mut lines, "dynamic garden", &dynamic);
    let mut guests: Vec<_> = theirs.iter().filter_map(|entry| entry["guest"].as_str()).collect();
    guests.sort_unstable();
    guests.dedup();
    for guest in guests {
        let entries: Vec<_> = theirs.iter().copied().filter(|entry| entry["guest"] == guest).collect();
        section(&mut lines, &format!("subscriber {guest}"), &entries);
    }
    lines.join("\n")
}

fn section(lines: &mut Vec<String>, name: &str, entries: &[&Value]) {
    lines.push(format!("{name} ({0}/{0}):", entries.len()));
    lines.extend(entries.iter().filter_map(|entry| entry["entry"].as_str()).map(line));
}

/// `[protocol:]host[:port]` by its parts; 0 is any protocol and any port.
fn line(entry: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let (rest, port) = entry.rsplit_once(':').filter(|(_, port)| is_number(port)).unwrap_or((entry, "0"));
    let (protocol, host) = rest.split_once(':').unwrap_or(("0", rest));
    let protocol = match protocol {
        "icmp" => "1",
        "tcp" => "6",
        "udp" => "17",
        other => other,
    };
    let (host, prefix) = host.split_once('/').unwrap_or((host, "32"));
    let prefix = prefix.parse::<u32>().unwrap_or(32).min(32);
    let mask = Ipv4Addr::from(u32::MAX.checked_shl(32 - prefix).unwrap_or(0));
    format!("host={host} mask={mask} proto={protocol} port={port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_listed_by_where_they_come_from() {
        let reply = json!({
            "entries": [
                { "entry": "tcp:192.0.2.80:443", "from": "configuration" },
                { "entry": "203.0.113.0/24", "from": "operator", "seconds_left": 60 },
                { "entry": "www.example.org:80", "from": "radius", "guest": "10.85.0.9" },
            ],
            "opened": [{ "entry": "udp:198.51.100.7", "by": ".example.org", "guest": null, "seconds_left": 5 }],
        });
        assert_eq!(
            show(&reply),
            "static garden (1/1):\n\
             host=192.0.2.80 mask=255.255.255.255 proto=6 port=443\n\
             dynamic garden (2/2):\n\
             host=203.0.113.0 mask=255.255.255.0 proto=0 port=0\n\
             host=198.51.100.7 mask=255.255.255.255 proto=17 port=0\n\
             subscriber 10.85.0.9 (1/1):\n\
             host=www.example.org mask=255.255.255.255 proto=0 port=80"
        );
    }

    #[test]
    fn a_list_of_entries_is_a_request_for_each() {
        assert_eq!(
            requests("addgarden", "tcp:192.0.2.80:443, www.example.org#600,"),
            [
                json!({ "command": "garden_add", "entry": "tcp:192.0.2.80:443" }),
                json!({ "command": "garden_add", "entry": "www.example.org", "seconds": 600 }),
            ]
        );
        assert_eq!(requests("remgarden", "a.example#5"), [json!({ "command": "garden_remove", "entry": "a.example" })]);
    }
}
