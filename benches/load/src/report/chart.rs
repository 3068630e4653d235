//! A chart with axes: numbers of guests along the bottom, logarithmic, and up the side something from zero, or
//! logarithmic too.

use std::fmt::Write as _;

/// Size of a chart with its labels, and the margins around what is drawn.
pub(super) const WIDTH: f64 = 430.0;
pub(super) const HEIGHT: f64 = 270.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 46.0;
/// Parts of a side that begins at zero.
const STEPS: u32 = 4;

/// A line of a chart.
pub(super) struct Line {
    /// Class that styles it.
    pub(super) class: &'static str,
    pub(super) name: String,
    /// Guests and value.
    pub(super) points: Vec<(f64, f64)>,
}

/// What is drawn.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) lines: Vec<Line>,
    /// What the numbers at the side are divided by, and the unit that they then have.
    pub(super) unit: (f64, &'static str),
    /// Decades up the side, for what differs by the order.
    pub(super) decades: bool,
}

impl Chart {
    /// Appends it as a group whose corner is at `x`, `y`.
    pub(super) fn write(&self, out: &mut String, (x, y): (f64, f64), width: f64) -> std::fmt::Result {
        let values = || self.lines.iter().flat_map(|line| &line.points);
        let guests: Vec<f64> = {
            let mut all: Vec<f64> = values().map(|point| point.0).collect();
            all.sort_by(f64::total_cmp);
            all.dedup();
            all
        };
        let highest = values().map(|point| point.1).fold(0.0, f64::max);
        let lowest = values().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let side = if self.decades { Side::decades(lowest, highest) } else { Side::from_zero(highest) };
        let (first, last) = (guests.first().copied().unwrap_or(1.0), guests.last().copied().unwrap_or(1.0));
        let across = |n: f64| {
            let part = if last > first { (n / first).ln() / (last / first).ln() } else { 0.5 };
            LEFT + part * (width - LEFT - RIGHT)
        };
        let up = |value: f64| HEIGHT - BOTTOM - side.part(value) * (HEIGHT - TOP - BOTTOM);

        writeln!(out, "<g transform=\"translate({x} {y})\">")?;
        writeln!(out, "<text class=\"title\" x=\"{LEFT}\" y=\"14\">{}</text>", self.title)?;
        for &value in &side.marks {
            let (at, number) = (up(value), number(value / self.unit.0));
            writeln!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{}\" y2=\"{at:.1}\"/>",
                width - RIGHT
            )?;
            writeln!(out, "<text class=\"end\" x=\"{}\" y=\"{:.1}\">{number}</text>", LEFT - 6.0, at + 4.0)?;
        }
        let (middle, foot) = ((HEIGHT - BOTTOM + TOP) / 2.0, HEIGHT - BOTTOM);
        writeln!(out, "<text class=\"mid\" transform=\"translate(14 {middle}) rotate(-90)\">{}</text>", self.unit.1)?;
        let mut free_from = 0.0;
        for &n in &guests {
            let (at, label) = (across(n), crate::progress::grouped(n as u64));
            writeln!(out, "<line class=\"axis\" x1=\"{at:.1}\" y1=\"{foot}\" x2=\"{at:.1}\" y2=\"{}\"/>", foot + 5.0)?;
            // Labels that would touch the one before are left out.
            let half = label.len() as f64 * 3.6;
            if at - half >= free_from {
                writeln!(out, "<text class=\"mid\" x=\"{at:.1}\" y=\"{}\">{label}</text>", foot + 18.0)?;
                free_from = at + half + 6.0;
            }
        }
        writeln!(out, "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{foot}\" x2=\"{}\" y2=\"{foot}\"/>", width - RIGHT)?;
        writeln!(
            out,
            "<text class=\"mid\" x=\"{}\" y=\"{}\">guests online</text>",
            (LEFT + width - RIGHT) / 2.0,
            foot + 36.0
        )?;
        let mut key = LEFT;
        for line in &self.lines {
            let path: Vec<_> = line.points.iter().map(|&(n, v)| format!("{:.1},{:.1}", across(n), up(v))).collect();
            writeln!(out, "<polyline class=\"{}\" points=\"{}\"/>", line.class, path.join(" "))?;
            for &(n, value) in &line.points {
                writeln!(
                    out,
                    "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>",
                    line.class,
                    across(n),
                    up(value)
                )?;
            }
            writeln!(out, "<line class=\"{}\" x1=\"{key}\" y1=\"27\" x2=\"{}\" y2=\"27\"/>", line.class, key + 22.0)?;
            writeln!(out, "<text x=\"{}\" y=\"31\">{}</text>", key + 27.0, line.name)?;
            key += 40.0 + line.name.len() as f64 * 6.6;
        }
        writeln!(out, "</g>")
    }
}

/// The side of a chart.
struct Side {
    marks: Vec<f64>,
    decades: bool,
}

impl Side {
    fn from_zero(highest: f64) -> Self {
        let top = round_up(highest);
        Self { marks: (0..=STEPS).map(|step| top * f64::from(step) / f64::from(STEPS)).collect(), decades: false }
    }

    fn decades(lowest: f64, highest: f64) -> Self {
        // From a nanosecond to weeks, whatever comes.
        let (first, last) =
            (lowest.clamp(1e-3, 1e12).log10().floor() as i32, highest.clamp(1e-3, 1e12).log10().ceil() as i32);
        Self { marks: (first..=last.max(first + 1)).map(|power| 10f64.powi(power)).collect(), decades: true }
    }

    /// How far up a value is, from 0 to 1.
    fn part(&self, value: f64) -> f64 {
        let (Some(&first), Some(&last)) = (self.marks.first(), self.marks.last()) else { return 0.0 };
        if self.decades { (value.max(first) / first).ln() / (last / first).ln() } else { value / last }
    }
}

/// The next number of one digit and a quarter of it that is readable: 1, 2, 4, 6, 8 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    steps.iter().map(|step| step * power).find(|top| *top >= value).unwrap_or(value)
}

fn number(value: f64) -> String {
    if value == 0.0 || value >= 10.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, top) in [(0.0, 1.0), (7.0, 8.0), (430_000.0, 600_000.0), (0.12, 0.2), (1000.0, 1000.0)] {
            assert!((round_up(value) - top).abs() < 1e-9, "{value}: {}", round_up(value));
        }
        assert_eq!(Side::decades(31.0, 25_000.0).marks, [10.0, 100.0, 1000.0, 10_000.0, 100_000.0]);
        assert_eq!(Side::decades(f64::INFINITY, 0.0).marks.len(), 2, "of nothing, too");
        assert_eq!([0.0, 0.25, 1.5, 2.0, 150.0].map(number), ["0", "0.25", "1.5", "2", "150"]);
    }
}
