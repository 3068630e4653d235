//! What monitoring reads: the numbers that `poblano sessions --json` tells of the gateway as a whole, in the text format of
//! Prometheus (0.0.4). No guest is named, so that nobody's stay is kept in a monitoring system.

use std::fmt::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::debug;
use wire::http::RequestHead;

use crate::control::{self, Zone};

/// Readers at a time: a monitoring system, its standby, a person.
const READERS: usize = 8;
/// A reader that takes longer is gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest request.
const MAX_REQUEST: usize = 8192;

/// Opens the address that is configured, if one is.
pub(crate) fn listen(config: &config::Metrics) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = config.listen.map(|ip| SocketAddr::from((ip, config.port))) else { return Ok(None) };
    let doing = || format!("cannot answer monitoring at {address}; metrics.listen and metrics.port say where");
    let listener = std::net::TcpListener::bind(address).with_context(doing)?;
    listener.set_nonblocking(true).with_context(doing)?;
    TcpListener::from_std(listener).with_context(doing).map(Some)
}

/// Answers for as long as the gateway runs.
pub(crate) async fn serve(listener: Option<TcpListener>, zones: Rc<[Zone]>) {
    let Some(listener) = listener else { return std::future::pending().await };
    let readers = Arc::new(Semaphore::new(READERS));
    loop {
        let Ok(place) = Arc::clone(&readers).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_secs(1)).await; // out of files; they come back
            continue;
        };
        let zones = Rc::clone(&zones);
        tokio::task::spawn_local(async move {
            if !matches!(tokio::time::timeout(PATIENCE, converse(stream, &zones)).await, Ok(Ok(()))) {
                debug!("a reader of metrics left early");
            }
            drop(place);
        });
    }
}

/// One request and its answer, which is the end: a reader comes every quarter of a minute, and a second kind of hyper's
/// server would be a tenth of a megabyte.
async fn converse(mut stream: TcpStream, zones: &[Zone]) -> std::io::Result<()> {
    let mut request = Vec::with_capacity(1024);
    while !has_ended(&request) {
        if request.len() >= MAX_REQUEST || stream.read_buf(&mut request).await? == 0 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
    let (status, body) = answer(RequestHead::parse(&request), zones);
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if !request.starts_with(b"HEAD ") {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await
}

fn has_ended(request: &[u8]) -> bool {
    request.windows(4).any(|octets| octets == b"\r\n\r\n") || request.windows(2).any(|octets| octets == b"\n\n")
}

fn answer(request: Option<RequestHead<'_>>, zones: &[Zone]) -> (&'static str, String) {
    match request {
        None => ("400 Bad Request", "this is no request of HTTP/1\n".to_owned()),
        Some(RequestHead { path, .. }) if path.split('?').next() != Some("/metrics") => {
            ("404 Not Found", "the numbers are at /metrics\n".to_owned())
        }
        Some(RequestHead { method: "GET" | "HEAD", .. }) => {
            ("200 OK", text(&control::state(&zones.iter().collect::<Vec<_>>())))
        }
        Some(_) => ("405 Method Not Allowed", "read it with GET\n".to_owned()),
    }
}

/// What is told of the gateway as a whole, as metrics; of several zones each has a label.
pub(crate) fn text(told: &Value) -> String {
    let zones = told["zones"].as_array().map_or(std::slice::from_ref(told), Vec::as_slice);
    let mut out = Metrics { zones, text: String::new() };
    out.head("build_info", "gauge", "Which program answers.");
    let _ = writeln!(out.text, "poblano_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")); // a String takes all
    out.one("uptime_seconds", "gauge", "Since the gateway started.", |told| told["gateway"]["seconds"].as_u64());
    out.one("guests", "gauge", "Devices with a lease.", |told| told["guests_count"].as_u64());
    out.one("sessions", "gauge", "Guests who are online.", |told| told["sessions_count"].as_u64());
    out.one("blocked_devices", "gauge", "Devices of which nothing passes.", |told| length(&told["blocked"]));
    out.one("offload", "gauge", "1 while the kernel forwards for guests who are online.", |told| {
        told["offload"].as_str().map(|state| u64::from(state == "on"))
    });
    out.many("packets_total", "counter", "Packets by what became of them.", |told, out| {
        for (direction, key) in [("up", "from_guests"), ("down", "to_guests")] {
            for (verdict, count) in told["counters"][key].as_object().into_iter().flatten() {
                out(&[("direction", direction), ("verdict", verdict)], count.as_u64());
            }
        }
    });
    out.many("radius_server_up", "gauge", "1 while a RADIUS server answers.", |told, out| {
        for server in told["radius"].as_array().into_iter().flatten() {
            let name = server["server"].as_str().unwrap_or_default();
            for use_ in ["authentication", "accounting"] {
                out(&[("server", name), ("use", use_)], server[use_].as_bool().map(u64::from));
            }
        }
    });
    for (name, kind, help, key) in [
        ("accounting_records_waiting", "gauge", "Records that no server has taken yet.", "records_waiting"),
        ("accounting_oldest_record_seconds", "gauge", "How long the oldest of them has waited.", "oldest_seconds"),
        ("accounting_records_lost_total", "counter", "Records given up by size or age.", "records_lost"),
    ] {
        out.one(name, kind, help, |told| told["accounting"][key].as_u64());
    }
    for (name, help, key) in [
        ("dynamic_authorization_requests_total", "Disconnect and CoA requests by outcome.", "dynamic_authorization"),
        ("access_point_packets_total", "RADIUS packets of access points by outcome.", "access_points"),
    ] {
        out.many(name, "counter", help, |told, out| {
            for (outcome, count) in told[key].as_object().into_iter().flatten() {
                out(&[("outcome", outcome)], count.as_u64());
            }
        });
    }
    for (name, help, key) in [
        ("retention_lines_lost_total", "Lines of the retention log that could not be written.", "lines_lost"),
        ("retention_gaps_total", "Times that something may be missing in it.", "gaps"),
    ] {
        out.one(name, "counter", help, |told| told["retention"][key].as_u64());
    }
    out.many("vouchers", "gauge", "Vouchers by what has become of them.", |told, out| {
        for state in ["new", "in_use", "used_up", "expired", "revoked"] {
            out(&[("state", state)], told["vouchers"][state].as_u64());
        }
    });
    let help = "Vouchers by which somebody came in for the first time.";
    out.one("vouchers_sold_total", "counter", help, |told| told["vouchers"]["sold_since_start"].as_u64());
    out.many("voucher_refusals_total", "counter", "Codes that let nobody in, by reason.", |told, out| {
        for (reason, count) in told["vouchers"]["refused"].as_object().into_iter().flatten() {
            out(&[("reason", reason)], count.as_u64());
        }
    });
    out.one("scripts_running", "gauge", "The operator's programs that run now.", |told| {
        length(&told["scripts"]["running"])
    });
    out.one("scripts_waiting", "gauge", "Those that wait for their turn.", |told| told["scripts"]["waiting"].as_u64());
    out.one("scripts_started_total", "counter", "Those that were started.", |told| told["scripts"]["started"].as_u64());
    for (name, kind, help, key) in [
        ("uplink_up", "gauge", "1 while one of several uplinks works.", "works"),
        ("uplink_guests_percent", "gauge", "Part of the guests that leaves by it.", "guests_percent"),
        ("uplink_failures_total", "counter", "Times that it ceased to work.", "failures"),
        ("uplink_lost_percent", "gauge", "Of its last probes, so many had no answer.", "lost_percent"),
        ("uplink_round_trip_microseconds", "gauge", "What its last answer took.", "round_trip_us"),
    ] {
        out.many(name, kind, help, |told, out| {
            for line in told["uplinks"].as_array().into_iter().flatten() {
                let value = line[key].as_u64().or_else(|| line[key].as_bool().map(u64::from));
                out(&[("uplink", line["name"].as_str().unwrap_or_default())], value);
            }
        });
    }
    out.one("rogue_stations", "gauge", "Others that play DHCP server or router on the LAN.", |told| {
        length(&told["rogues"]["stations"])
    });
    out.text
}

fn length(list: &Value) -> Option<u64> {
    list.as_array().map(|list| list.len() as u64)
}

/// The text so far, and those whom it is about.
struct Metrics<'a> {
    zones: &'a [Value],
    text: String,
}

impl Metrics<'_> {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP poblano_{name} {help}\n# TYPE poblano_{name} {kind}"); // a String takes all
    }

    /// A number for each zone.
    fn one(&mut self, name: &str, kind: &str, help: &str, number: impl Fn(&Value) -> Option<u64>) {
        self.many(name, kind, help, |told, out| out(&[], number(told)));
    }

    /// Numbers with labels for each zone. One that is not known has no line.
    fn many(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        numbers: impl Fn(&Value, &mut dyn FnMut(&[(&str, &str)], Option<u64>)),
    ) {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let mut lines = String::new();
        for told in self.zones {
            let zone = told["zone"].as_str().map(|zone| ("zone", zone));
            numbers(told, &mut |labels, value| {
                let Some(value) = value else { return };
                let labels = zone.iter().chain(labels);
                let labels: Vec<_> = labels.map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
                let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                let _ = writeln!(lines, "poblano_{name}{labels} {value}"); // a String takes all
            });
        }
        if !lines.is_empty() {
            self.head(name, kind, help);
            self.text.push_str(&lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_number_has_its_name_and_what_is_not_known_has_none() {
        let text = text(&json!({
            "gateway": { "seconds": 7 },
            "guests_count": 3,
            "sessions_count": 2,
            "blocked": ["02:00:5e:00:00:01"],
            "offload": "off: no bpf",
            "counters": { "from_guests": { "forward": 5, "drop_multicast": 1 }, "to_guests": {} },
            "radius": [{ "server": "192.0.2.1", "authentication": true, "accounting": false }],
            "accounting": null,
            "uplinks": [{ "name": "fibre", "works": true, "guests_percent": 75, "failures": 2, "round_trip_us": null }],
            "vouchers": { "in_use": 4, "sold_since_start": 2, "refused": { "mistyped": 3 } },
        }));
        for line in [
            "poblano_guests 3",
            "poblano_sessions 2",
            "poblano_blocked_devices 1",
            "poblano_offload 0",
            "poblano_uptime_seconds 7",
            "poblano_uplink_up{uplink=\"fibre\"} 1",
            "poblano_vouchers{state=\"in_use\"} 4",
            "poblano_vouchers_sold_total 2",
            "poblano_voucher_refusals_total{reason=\"mistyped\"} 3",
            "poblano_uplink_failures_total{uplink=\"fibre\"} 2",
            "poblano_packets_total{direction=\"up\",verdict=\"drop_multicast\"} 1",
            "poblano_radius_server_up{server=\"192.0.2.1\",use=\"accounting\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(!text.contains("accounting_records_waiting") && !text.contains("round_trip"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().expect("a line has a first word");
            assert!(text.contains(&format!("# TYPE {name} ")), "{name} has a type");
        }
    }

    #[test]
    fn a_label_cannot_end_its_line() {
        let text = text(&json!({ "radius": [{ "server": "a\"b\\\n", "authentication": true }] }));
        assert!(text.contains(r#"server="a\"b\\\n",use"#), "{text}");
    }

    #[test]
    fn of_several_zones_each_has_its_line_below_one_head() {
        let text = text(&json!({ "zones": [
            { "zone": "staff", "guests_count": 3 },
            { "zone": "guests", "guests_count": 5, "radius": [{ "server": "192.0.2.1", "authentication": true }] },
        ] }));
        assert!(text.contains("poblano_guests{zone=\"staff\"} 3\npoblano_guests{zone=\"guests\"} 5\n"), "{text}");
        assert_eq!(text.matches("# TYPE poblano_guests gauge").count(), 1);
        assert!(text.contains("{zone=\"guests\",server=\"192.0.2.1\",use=\"authentication\"} 1"), "{text}");
    }
}
