//! SVG: the curves over the number of guests, ours beside the kernel's, and what was asked for. For light and dark.

use std::fmt::Write as _;

use super::chart::{Chart, HEIGHT, Line, WIDTH};
use super::{Flood, Point, Report, Traffic, median};
use crate::progress::grouped;

const MARGIN: f64 = 20.0;
const HEADING: f64 = 58.0;
/// Height of a row of what was asked for.
const ROW: f64 = 30.0;
/// Where the bars begin, and how long one is that is just what was asked for.
const BARS: f64 = 330.0;
const WHOLE: f64 = 260.0;

const STYLE: &str = "\
svg { background: #fff; color: #1c2128; font: 12px system-ui, sans-serif; }
text { fill: #1c2128; } .title { font-weight: 600; font-size: 13px; } .head { font-size: 17px; font-weight: 600; }
.end { text-anchor: end; fill: #59636e; } .mid { text-anchor: middle; fill: #59636e; } .soft { fill: #59636e; }
.grid { stroke: #d9dee3; } .axis { stroke: #59636e; } .asked { stroke: #1c2128; stroke-dasharray: 3 3; }
polyline, line { fill: none; stroke-width: 1; } polyline, line.ours, line.kernel, line.tail, line.ktail { stroke-width: 2; }
.ours { stroke: #b3380f; } circle.ours { fill: #b3380f; } .kernel { stroke: #1f6f8b; } circle.kernel { fill: #1f6f8b; }
.tail { stroke: #b3380f; stroke-dasharray: 5 4; } circle.tail { fill: #fff; }
.ktail { stroke: #1f6f8b; stroke-dasharray: 5 4; } circle.ktail { fill: #fff; } circle { stroke-dasharray: none; }
.bar { fill: #b3380f; } .page { fill: #fff; }
@media (prefers-color-scheme: dark) {
svg { background: #14181d; } text { fill: #e6eaee; } .page { fill: #14181d; }
.end, .mid, .soft { fill: #a3adb8; } .grid { stroke: #2f363e; } .axis { stroke: #a3adb8; } .asked { stroke: #e6eaee; }
.ours, .tail { stroke: #ff8a5c; } circle.ours, .bar { fill: #ff8a5c; } .kernel, .ktail { stroke: #66c2de; }
circle.kernel { fill: #66c2de; } circle.tail, circle.ktail { fill: #14181d; }
}";

impl Report {
    pub(crate) fn svg(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write_svg(&mut out);
        out
    }

    fn write_svg(&self, out: &mut String) -> std::fmt::Result {
        let charts = self.charts();
        let rows = charts.len().div_ceil(2) as f64;
        let targets = self.targets();
        let (width, bars) = (2.0 * WIDTH + 3.0 * MARGIN, HEADING + rows * (HEIGHT + MARGIN));
        let height = bars + MARGIN + (targets.len() as f64 + 1.0) * ROW;
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">"
        )?;
        writeln!(out, "<title>Load test of {}</title>\n<style>{STYLE}</style>", escaped(&self.gateway))?;
        writeln!(out, "<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>")?;
        let heading = format!("{} under load, up to {} guests", self.gateway, grouped(self.guests.into()));
        writeln!(out, "<text class=\"head\" x=\"{MARGIN}\" y=\"26\">{}</text>", escaped(&heading))?;
        writeln!(out, "<text class=\"soft\" x=\"{MARGIN}\" y=\"44\">{}</text>", escaped(&self.machine))?;
        for (n, chart) in charts.iter().enumerate() {
            let (column, row) = ((n % 2) as f64, (n / 2) as f64);
            let alone = n % 2 == 0 && n + 1 == charts.len();
            let at = (MARGIN + column * (WIDTH + MARGIN), HEADING + MARGIN + row * (HEIGHT + MARGIN));
            chart.write(out, at, if alone { width - 2.0 * MARGIN } else { WIDTH })?;
        }
        self.write_targets_as_bars(out, bars + MARGIN)?;
        writeln!(out, "</svg>")
    }

    fn charts(&self) -> Vec<Chart> {
        type Whose = fn(&Point) -> Option<&Traffic>;
        let (ours, kernel): (Whose, Whose) = (|point| Some(&point.ours), |point| point.kernel.as_ref());
        let series = |class, name: String, value: &dyn Fn(&Traffic) -> Option<f64>, whose: Whose| {
            let traffic = self.curve.iter().filter_map(|point| {
                Some((f64::from(point.guests), value(whose(point)?).filter(|value| value.is_finite())?))
            });
            Line { class, name, points: traffic.collect() }
        };
        let rates = |title, value: &dyn Fn(&Traffic) -> Option<f64>| Chart {
            title,
            unit: (1000.0, "thousand packets/s"),
            decades: false,
            lines: vec![
                series("ours", self.gateway.clone(), value, ours),
                series("kernel", "kernel routing".into(), value, kernel),
                series("ktail", "the way alone".into(), value, |point| point.ceiling.as_ref()),
            ],
        };
        let percentile = |percent| {
            move |traffic: &Traffic| traffic.echoes.latency.percentile(percent).map(|time| time.as_nanos() as f64 / 1e3)
        };
        let latency = Chart {
            title: "Echo, there and back",
            unit: (1000.0, "ms"),
            decades: true,
            lines: vec![
                series("ours", format!("{} p50", self.gateway), &percentile(50), ours),
                series("tail", "p99".into(), &percentile(99), ours),
                series("kernel", "kernel p50".into(), &percentile(50), kernel),
                series("ktail", "p99".into(), &percentile(99), kernel),
            ],
        };
        let mut charts = vec![
            rates("64-octet packets from guests", &|traffic| median(&traffic.up).map(Flood::rate)),
            rates("64-octet packets to guests", &|traffic| median(&traffic.down).map(Flood::rate)),
            latency,
        ];
        for chart in &mut charts {
            chart.lines.retain(|line| !line.points.is_empty());
        }
        charts.retain(|chart| !chart.lines.is_empty());
        charts
    }

    /// A bar as long as the dashed line is far is just what was asked for.
    fn write_targets_as_bars(&self, out: &mut String, y: f64) -> std::fmt::Result {
        let targets = self.targets();
        if targets.is_empty() {
            return Ok(());
        }
        writeln!(out, "<g transform=\"translate({MARGIN} {y})\">")?;
        writeln!(out, "<text class=\"title\" y=\"12\">Beside what is asked for</text>")?;
        writeln!(out, "<text class=\"soft\" x=\"{}\" y=\"12\">asked for</text>", BARS + WHOLE - 24.0)?;
        for (n, target) in targets.iter().enumerate() {
            let top = 22.0 + n as f64 * ROW;
            let part = (target.measured / target.asked).clamp(0.0, 1.4);
            let number = |n: f64| if n < 1000.0 { format!("{n:.1}") } else { grouped(n as u64) };
            let (measured, asked) = (number(target.measured), number(target.asked));
            let most = if target.at_most { "at most " } else { "" };
            writeln!(out, "<text y=\"{}\">{}</text>", top + 15.0, escaped(target.what))?;
            writeln!(
                out,
                "<rect class=\"bar\" x=\"{BARS}\" y=\"{}\" width=\"{:.1}\" height=\"14\"/>",
                top + 4.0,
                part * WHOLE
            )?;
            writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{}\">{measured} of {most}{asked}</text>",
                BARS + WHOLE * part.max(1.0) + 12.0,
                top + 15.0
            )?;
        }
        let (x, foot) = (BARS + WHOLE, 22.0 + targets.len() as f64 * ROW);
        writeln!(out, "<line class=\"asked\" x1=\"{x}\" y1=\"18\" x2=\"{x}\" y2=\"{foot}\"/>\n</g>")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;

    #[test]
    fn a_drawing_has_a_chart_for_each_thing_with_its_units_and_no_stray_numbers() {
        let svg = report().svg();
        assert_eq!(svg.matches(">guests online<").count(), 3);
        assert_eq!(svg.matches("thousand packets/s").count(), 2);
        assert_eq!(svg.matches("<polyline").count(), 3 + 3 + 4);
        assert!(svg.contains("prefers-color-scheme: dark") && !svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn without_traffic_there_is_no_empty_chart() {
        let mut report = report();
        report.curve.clear();
        assert!(!report.svg().contains("polyline class"));
    }
}
