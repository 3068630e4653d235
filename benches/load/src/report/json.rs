//! JSON. Rates are a second, times in microseconds unless the key says otherwise; what was not measured is null.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Flood, Phase, Report, Share, Traffic, median};
use crate::histogram::Histogram;

impl Report {
    pub(crate) fn json(&self) -> String {
        let value = json!({
            "program": concat!("poblano-load ", env!("CARGO_PKG_VERSION")),
            "began_unix": self.began_unix,
            "machine": self.machine,
            "command": self.command,
            "gateway": self.gateway,
            "guests": self.guests,
            "phases": self.phases.iter().map(|phase| (phase.name.to_owned(), phase_json(phase)))
                .collect::<serde_json::Map<_, _>>(),
            "memory": self.memory.map(|memory| json!({
                "idle_kb": memory.idle_kb,
                "leased_guests": memory.leased,
                "leased_kb": memory.leased_kb,
                "online_guests": memory.online,
                "online_kb": memory.online_kb,
                "kernel_maps_kb": memory.kernel_kb,
                "octets_all_told": memory.octets_all_told(),
                "octets_per_lease": memory.octets_per_guest(memory.leased, memory.leased_kb),
                "octets_per_guest": memory.octets_per_guest(memory.online, memory.online_kb),
            })),
            "gateway_says": self.seen.as_ref().map(|seen| json!({
                "leases": seen.leases,
                "online": seen.online,
                "packets_up": seen.packets_up,
                "packets_down": seen.packets_down,
                "counters": seen.counters,
                "offload": seen.offload,
            })),
            "curve": self.curve.iter().map(|point| json!({
                "guests": point.guests,
                "up_share_of_kernel": point.share(Traffic::up).map(share_json),
                "down_share_of_kernel": point.share(Traffic::down).map(share_json),
                "up_ceiling_of_kernel": point.ceiling_share(Traffic::up).map(share_json),
                "down_ceiling_of_kernel": point.ceiling_share(Traffic::down).map(share_json),
                "ours": traffic_json(&point.ours),
                "kernel": point.kernel.as_ref().map(traffic_json),
                "ceiling": point.ceiling.as_ref().map(traffic_json),
            })).collect::<Vec<_>>(),
            "storm": self.storm.as_ref().map(|storm| json!({
                "devices": storm.devices,
                "guests": storm.guests,
                "echoes_sent": storm.echoes.sent,
                "echoes_back": storm.echoes.back,
                "echo_latency": latency_json(&storm.echoes.latency),
            })),
            "targets": self.targets().iter().map(|target| json!({
                "what": target.what, "asked": target.asked, "measured": target.measured, "met": target.is_met(),
            })).collect::<Vec<_>>(),
        });
        format!("{value:#}\n")
    }
}

fn phase_json(phase: &Phase) -> Value {
    let (outcome, tally) = (&phase.outcome, &phase.outcome.tally);
    json!({
        "begun": tally.begun,
        "done": tally.done,
        "lost": tally.lost,
        "failed": tally.failed,
        "seconds": outcome.time.as_secs_f64(),
        "per_second": outcome.rate(),
        "latency": latency_json(&tally.latency),
        "gateway_cpu_seconds": phase.gateway_cpu.map(|time| time.as_secs_f64()),
        "tester_user_seconds": outcome.tester.user.as_secs_f64(),
        "tester_system_seconds": outcome.tester.system.as_secs_f64(),
    })
}

fn traffic_json(traffic: &Traffic) -> Value {
    let echoes = &traffic.echoes;
    let rounds = |floods: &[Flood]| floods.iter().map(flood_json).collect::<Vec<_>>();
    json!({
        "echoes_sent": echoes.sent,
        "echoes_back": echoes.back,
        "echo_latency": latency_json(&echoes.latency),
        "up_per_second": median(&traffic.up).map(Flood::rate),
        "down_per_second": median(&traffic.down).map(Flood::rate),
        "up": rounds(&traffic.up),
        "down": rounds(&traffic.down),
    })
}

fn share_json(share: Share) -> Value {
    json!({ "quarter": share.low, "median": share.median, "three_quarters": share.high })
}

fn flood_json(flood: &Flood) -> Value {
    json!({
        "sent": flood.sent,
        "arrived": flood.arrived,
        "seconds": flood.time.as_secs_f64(),
        "per_second": flood.rate(),
        "gateway_cpu_seconds": flood.gateway_cpu.map(|time| time.as_secs_f64()),
        "tester_cpu_seconds": flood.tester_cpu.as_secs_f64(),
    })
}

fn latency_json(latency: &Histogram) -> Value {
    let micros = |time: Option<Duration>| time.map(|time| time.as_nanos() as f64 / 1e3);
    json!({
        "p50": micros(latency.percentile(50)),
        "p90": micros(latency.percentile(90)),
        "p99": micros(latency.percentile(99)),
        "max": micros(latency.max()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use serde_json::Value;

    #[test]
    fn programs_find_what_was_measured() {
        let value: Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(value["phases"]["dhcp"]["done"], 1000);
        assert_eq!(value["phases"]["dhcp"]["per_second"], 500.0);
        assert_eq!(value["phases"]["dhcp"]["latency"]["max"], 1e6);
        assert_eq!(value["curve"][1]["kernel"]["up_per_second"], 400_000.0);
        assert_eq!(value["curve"][1]["ceiling"]["up_per_second"], 350_000.0);
        assert_eq!(value["curve"][1]["up_ceiling_of_kernel"]["median"], 0.875);
        assert_eq!(value["memory"]["octets_per_guest"], 1024.0);
        assert_eq!(value["gateway_says"], Value::Null);
    }
}
