//! What monitoring reads: the numbers that `poblano sessions --json` tells of the gateway as a whole, in the text format of
//! Prometheus (0.0.4). No guest is named, so that nobody's stay is kept in a monitoring system.

use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::debug;

use crate::control::{Facts, beside_guests};
use crate::gateway::Gateway;

/// Readers at a time: a monitoring system, its standby, a person.
const READERS: usize = 8;
/// A reader that takes longer is gone.
const PATIENCE: Duration = Duration::from_secs(10);
const FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Opens the address that is configured, if one is.
pub(crate) fn listen(config: &config::Metrics) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = config.listen.map(|ip| SocketAddr::from((ip, config.port))) else { return Ok(None) };
    let doing = || format!("cannot answer monitoring at {address}; metrics.listen and metrics.port say where");
    let listener = std::net::TcpListener::bind(address).with_context(doing)?;
    listener.set_nonblocking(true).with_context(doing)?;
    TcpListener::from_std(listener).with_context(doing).map(Some)
}

/// Answers for as long as the gateway runs.
pub(crate) async fn serve(listener: Option<TcpListener>, gateway: Rc<Gateway>, facts: Rc<Facts>) {
    let Some(listener) = listener else { return std::future::pending().await };
    let readers = Arc::new(Semaphore::new(READERS));
    loop {
        let Ok(place) = Arc::clone(&readers).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_secs(1)).await; // out of files; they come back
            continue;
        };
        let (gateway, facts) = (Rc::clone(&gateway), Rc::clone(&facts));
        tokio::task::spawn_local(async move {
            let answer = service_fn(|request| std::future::ready(answer(&request, &gateway, &facts)));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            if !matches!(tokio::time::timeout(PATIENCE, connection).await, Ok(Ok(()))) {
                debug!("a reader of metrics left early");
            }
            drop(place);
        });
    }
}

fn answer(request: &Request<Incoming>, gateway: &Gateway, facts: &Facts) -> Result<Response<Full<Bytes>>, Infallible> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let (status, body) = match request.uri().path() {
        "/metrics" if reads => (StatusCode::OK, text(&beside_guests(gateway, facts))),
        "/metrics" => (StatusCode::METHOD_NOT_ALLOWED, "read it with GET\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "the numbers are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, FORMAT);
    Ok(response)
}

/// What is told of the gateway as a whole, as metrics.
pub(crate) fn text(told: &Value) -> String {
    let mut out = Metrics(String::new());
    let facts = &told["gateway"];
    let version = env!("CARGO_PKG_VERSION");
    out.one("build_info", "gauge", "Which program answers.", &[("version", version)], Some(1));
    out.one("uptime_seconds", "gauge", "Since the gateway started.", &[], facts["seconds"].as_u64());
    out.one("guests", "gauge", "Devices with a lease.", &[], told["guests_count"].as_u64());
    out.one("sessions", "gauge", "Guests who are online.", &[], told["sessions_count"].as_u64());
    out.one("blocked_devices", "gauge", "Devices of which nothing passes.", &[], length(&told["blocked"]));
    let is_offloaded = u64::from(told["offload"] == "on");
    out.one("offload", "gauge", "1 while the kernel forwards for guests who are online.", &[], Some(is_offloaded));

    out.head("packets_total", "counter", "Packets by what became of them.");
    for (direction, key) in [("up", "from_guests"), ("down", "to_guests")] {
        for (verdict, count) in told["counters"][key].as_object().into_iter().flatten() {
            out.line("packets_total", &[("direction", direction), ("verdict", verdict)], count.as_u64());
        }
    }

    out.head("radius_server_up", "gauge", "1 while a RADIUS server answers.");
    for server in told["radius"].as_array().into_iter().flatten() {
        let name = server["server"].as_str().unwrap_or_default();
        for use_ in ["authentication", "accounting"] {
            let up = server[use_].as_bool().map(u64::from);
            out.line("radius_server_up", &[("server", name), ("use", use_)], up);
        }
    }
    let accounting = &told["accounting"];
    for (name, kind, help, key) in [
        ("accounting_records_waiting", "gauge", "Records that no server has taken yet.", "records_waiting"),
        ("accounting_oldest_record_seconds", "gauge", "How long the oldest of them has waited.", "oldest_seconds"),
        ("accounting_records_lost_total", "counter", "Records given up by size or age.", "records_lost"),
    ] {
        out.one(name, kind, help, &[], accounting[key].as_u64());
    }
    for (name, help, key) in [
        ("dynamic_authorization_requests_total", "Disconnect and CoA requests by outcome.", "dynamic_authorization"),
        ("access_point_packets_total", "RADIUS packets of access points by outcome.", "access_points"),
    ] {
        out.head(name, "counter", help);
        for (outcome, count) in told[key].as_object().into_iter().flatten() {
            out.line(name, &[("outcome", outcome)], count.as_u64());
        }
    }
    let scripts = &told["scripts"];
    out.one("scripts_running", "gauge", "The operator's programs that run now.", &[], length(&scripts["running"]));
    out.one("scripts_waiting", "gauge", "Those that wait for their turn.", &[], scripts["waiting"].as_u64());
    out.one("scripts_started_total", "counter", "Those that were started.", &[], scripts["started"].as_u64());
    let rogues = length(&told["rogues"]["stations"]);
    out.one("rogue_stations", "gauge", "Others that play DHCP server or router on the LAN.", &[], rogues);
    out.0
}

fn length(list: &Value) -> Option<u64> {
    list.as_array().map(|list| list.len() as u64)
}

/// The text so far.
struct Metrics(String);

impl Metrics {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP poblano_{name} {help}\n# TYPE poblano_{name} {kind}"); // a String takes all
    }

    /// A number that is not known has no line.
    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: Option<u64>) {
        let Some(value) = value else { return };
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<_> = labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "poblano_{name}{labels} {value}"); // a String takes all
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, labels: &[(&str, &str)], value: Option<u64>) {
        if value.is_some() {
            self.head(name, kind, help);
            self.line(name, labels, value);
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
        }));
        for line in [
            "poblano_guests 3",
            "poblano_sessions 2",
            "poblano_blocked_devices 1",
            "poblano_offload 0",
            "poblano_uptime_seconds 7",
            "poblano_packets_total{direction=\"up\",verdict=\"drop_multicast\"} 1",
            "poblano_radius_server_up{server=\"192.0.2.1\",use=\"accounting\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(!text.contains("accounting_records_waiting"), "{text}");
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
}
