//! Markdown: tables for people. It is also what is printed at the end.

use std::fmt::Write as _;

use super::{Flood, Memory, Report, Share, Traffic, median, total};
use crate::progress::{grouped, time};

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write_markdown(&mut out);
        out
    }

    fn write_markdown(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "# Load test of {}, {} guests\n", self.gateway, grouped(self.guests.into()))?;
        writeln!(out, "`{}` on {}\n", self.command, self.machine)?;
        self.write_phases(out)?;
        self.write_curve(out)?;
        if let Some(storm) = &self.storm {
            let latency = |percent| storm.echoes.latency.percentile(percent).map_or("–".into(), time);
            writeln!(
                out,
                "While {} devices probed, {} guests sent {} echoes; {} came back, p50 {}, p99 {}.\n",
                grouped(storm.devices.into()),
                grouped(storm.guests.into()),
                grouped(storm.echoes.sent),
                grouped(storm.echoes.back),
                latency(50),
                latency(99),
            )?;
        }
        if let Some(memory) = &self.memory {
            write!(out, "Memory of the gateway: {} kB without guests", grouped(memory.idle_kb))?;
            for (guests, kb, what) in
                [(memory.leased, memory.leased_kb, "leases"), (memory.online, memory.online_kb, "online")]
            {
                if guests > 0 {
                    let each = memory.octets_per_guest(guests, kb);
                    write!(out, "; {} kB with {} {what}, {each:.0} octets each", grouped(kb), grouped(guests.into()))?;
                }
            }
            if memory.online > 0 {
                let (kernel, each) = (grouped(memory.kernel_kb), memory.octets_all_told());
                write!(out, ", with the kernel's maps of {kernel} kB {each:.0}")?;
            }
            writeln!(out, ".\n")?;
        }
        if let Some(seen) = &self.seen {
            writeln!(
                out,
                "The gateway itself counts {} leases, {} guests online; its offload is {}.\n",
                grouped(seen.leases),
                grouped(seen.online),
                seen.offload,
            )?;
        }
        self.write_targets(out)
    }

    fn write_phases(&self, out: &mut String) -> std::fmt::Result {
        if self.phases.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "| Phase | Done | Failed | Lost | A second | p50 | p90 | p99 | max | CPU gateway | CPU tester |"
        )?;
        writeln!(out, "|--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        for phase in &self.phases {
            let (outcome, tally) = (&phase.outcome, &phase.outcome.tally);
            let latency = |percent| tally.latency.percentile(percent).map_or("–".into(), time);
            writeln!(
                out,
                "| {}: {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                phase.name,
                phase.unit,
                grouped(tally.done),
                grouped(tally.failures()),
                grouped(tally.lost),
                grouped(outcome.rate() as u64),
                latency(50),
                latency(90),
                latency(99),
                tally.latency.max().map_or("–".into(), time),
                phase.gateway_cpu.map_or("–".into(), time),
                time(outcome.tester.cpu()),
            )?;
        }
        writeln!(out, "\nLost are exchanges in which something had to be sent again.\n")?;
        for phase in &self.phases {
            for (reason, count) in &phase.outcome.tally.failed {
                writeln!(out, "* {}: {} failed: {reason}", phase.name, grouped(*count))?;
            }
        }
        if self.failures() > 0 {
            writeln!(out)?;
        }
        Ok(())
    }

    fn write_curve(&self, out: &mut String) -> std::fmt::Result {
        if self.curve.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "| Guests online | Gateway | 64-octet packets/s up | down | Sent up, lost | Sent down, lost | CPU a packet up | down | Echo p50 | p99 | Echoes lost |"
        )?;
        writeln!(out, "|--:|--|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        for point in &self.curve {
            let shares = (point.share(Traffic::up), point.share(Traffic::down));
            let ours = (self.gateway.as_str(), &point.ours, shares);
            let kernel = point.kernel.as_ref().map(|kernel| ("kernel routing", kernel, (None, None)));
            let shares = (point.ceiling_share(Traffic::up), point.ceiling_share(Traffic::down));
            let ceiling = point.ceiling.as_ref().map(|ceiling| ("the way alone", ceiling, shares));
            for (name, traffic, share) in [ours].into_iter().chain(ceiling).chain(kernel) {
                let latency = |percent| traffic.echoes.latency.percentile(percent).map_or("–".into(), time);
                let offered = |floods: &[Flood]| {
                    total(floods).map_or("–".into(), |flood| format!("{:.0} %", flood.loss() * 100.0))
                };
                writeln!(
                    out,
                    "| {} | {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} of {} |",
                    grouped(point.guests.into()),
                    rate(&traffic.up, share.0),
                    rate(&traffic.down, share.1),
                    offered(&traffic.up),
                    offered(&traffic.down),
                    cost(&traffic.up),
                    cost(&traffic.down),
                    latency(50),
                    latency(99),
                    grouped(traffic.echoes.sent - traffic.echoes.back.min(traffic.echoes.sent)),
                    grouped(traffic.echoes.sent),
                )?;
            }
        }
        writeln!(
            out,
            "\nShares are of kernel routing, of turns one beside the other: the one in the middle, and where half of them are.\n"
        )?;
        if self.curve.iter().any(|point| point.ceiling.is_some()) {
            writeln!(
                out,
                "The way alone is that of the gateway, its devices and rules, with programs that look at nothing and send on everything.\n"
            )?;
        }
        Ok(())
    }

    fn write_targets(&self, out: &mut String) -> std::fmt::Result {
        if self.targets().is_empty() {
            return Ok(());
        }
        writeln!(out, "| Asked for | At least | Measured | |\n|--|--:|--:|--|")?;
        for target in self.targets() {
            let number = |n: f64| if n < 1000.0 { format!("{n:.1}") } else { grouped(n as u64) };
            let most = if target.at_most { "≤ " } else { "" };
            let verdict = if target.is_met() { "met" } else { "not met" };
            writeln!(
                out,
                "| {} | {most}{} | {} | {verdict} |",
                target.what,
                number(target.asked),
                number(target.measured)
            )?;
        }
        Ok(())
    }
}

impl Memory {
    /// What each of so many guests has cost, when the process had so much.
    pub(crate) fn octets_per_guest(&self, guests: u32, kb: u64) -> f64 {
        kb.saturating_sub(self.idle_kb) as f64 * 1024.0 / f64::from(guests.max(1))
    }

    /// The same for those who are online, with what they take in the kernel.
    pub(crate) fn octets_all_told(&self) -> f64 {
        self.octets_per_guest(self.online, self.online_kb + self.kernel_kb)
    }
}

/// Processor time that the gateway's process took for each packet that arrived.
fn cost(floods: &[Flood]) -> String {
    let each =
        total(floods).and_then(|flood| Some(flood.gateway_cpu?.as_secs_f64() * 1e6 / flood.arrived.max(1) as f64));
    each.map_or("–".into(), |micros| format!("{micros:.1} µs"))
}

/// Packets a second, and the share of the kernel's.
fn rate(floods: &[Flood], share: Option<Share>) -> String {
    let share = share.map_or_else(String::new, |share| {
        let [low, median, high] = [share.low, share.median, share.high].map(|share| share * 100.0);
        format!(" ({median:.0} %, {low:.0}-{high:.0})")
    });
    median(floods).map_or("–".into(), |flood| format!("{}{share}", grouped(flood.rate() as u64)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;

    #[test]
    fn people_find_ours_beside_the_kernels() {
        let text = report().markdown();
        assert!(
            text.contains("| 1,000 | poblano | 200,000 (50 %, 50-50) | 100,000 (50 %, 50-50) | 80 % | 90 % | 4.0 µs |"),
            "{text}"
        );
        assert!(text.contains("| 1,000 | kernel routing | 400,000 | 200,000 |"), "{text}");
        assert!(text.contains("| 1,000 | the way alone | 350,000 (88 %, 88-88) | 175,000 (88 %, 88-88) |"), "{text}");
        assert!(text.contains("| dhcp: exchanges | 1,000 | 0 | 0 | 500 |"), "{text}");
        assert!(
            text.contains("6,800 kB with 1,000 leases, 819 octets each; 7,000 kB with 1,000 online, 1024 octets each"),
            "{text}"
        );
        assert!(text.contains("with the kernel's maps of 400 kB 1434.\n"), "{text}");
        assert!(text.contains("64-octet packets up, of kernel routing, % | 90.0 | 50.0 | not met"), "{text}");
    }
}
