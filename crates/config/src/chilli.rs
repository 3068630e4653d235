//! CoovaChilli's configuration as ours: chilli.conf, the HS_* variables of its shell layer, or OpenWrt's form of it.
//!
//! The policy: nothing is guessed. A line that cannot be understood is a mistake, all of them are told at once, and then
//! there is no result. What is understood but cannot be had is told with what to do instead; if it was to let somebody
//! in, it lets nobody in. Defaults are CoovaChilli's, and stand in the result where ours differ. The result passes our
//! own check, whose problems are told of the line that they come from.

mod convert;
mod hs;
mod lines;
pub(crate) mod options;
mod patterns;
pub mod remote;
mod report;
mod shell;
mod table;
mod uci;
mod values;
mod write;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;

pub use options::{ChilliOption, Fate, Kind, Tag, options};
pub use report::{Finding, Origin, Outcome, Report, Weight};
pub use table::with_table;
pub(crate) use write::quoted;

use crate::{Config, Errors, Loaded, Overrides, Problem};
use lines::Settings;
use shell::Variables;

/// Told at once; a search for what was meant takes a millisecond for each.
const MAX_MISTAKES: usize = 100;

/// What an import may look at besides the text that it is given.
pub trait Surroundings {
    /// The text of a file that is named in the configuration.
    fn read(&self, path: &Path) -> std::io::Result<String>;
    /// The addresses of a name; none if it has none.
    fn resolve(&self, name: &str) -> Vec<Ipv4Addr>;
}

/// A configuration that was made from CoovaChilli's.
#[derive(Clone, Debug)]
pub struct Import {
    /// Our configuration file. It has secrets in it.
    pub toml: String,
    /// What became of each line. It has none.
    pub report: Report,
    /// What the file means.
    pub loaded: Loaded,
}

/// Mistakes and findings on the way.
#[derive(Debug, Default)]
struct Notes {
    mistakes: Vec<Problem>,
    findings: Vec<Finding>,
}

impl Notes {
    /// True when so many mistakes have been told that more are of no use: this is some other file.
    fn is_full(&self) -> bool {
        self.mistakes.len() >= MAX_MISTAKES
    }
}

/// Imports the file at `path`.
pub fn import(path: &Path, overrides: &Overrides, world: &dyn Surroundings) -> Result<Import, Errors> {
    let name = path.display().to_string();
    let alone = |why: String| Errors { problems: vec![Problem::new(&name, "", why)], warnings: Vec::new() };
    let text = world.read(path).map_err(|error| alone(format!("cannot be read: {error}; name CoovaChilli's file")))?;
    let (mut settings, mut notes, mut variables) = (Settings::default(), Notes::default(), Variables::default());
    if text.len() > lines::MAX_FILE_OCTETS {
        return Err(alone(format!("has more than {} octets; this is no configuration", lines::MAX_FILE_OCTETS)));
    }
    if crate::uci::is_uci(&text) {
        uci::read(&text, &name, &mut settings, &mut notes);
    } else if shell::is_shell(&text) {
        // As CoovaChilli's own scripts: what stands in `config` goes over what stands in `defaults` beside it.
        let defaults = path.with_file_name("defaults");
        if let Some(text) = Some(&defaults).filter(|d| *d != path).and_then(|d| world.read(d).ok()) {
            shell::read(&text, &defaults.display().to_string(), &mut variables, &mut notes);
        }
        shell::read(&text, &name, &mut variables, &mut notes);
        hs::settings(&variables, &name, world, &mut settings, &mut notes);
    } else {
        lines::read(&text, path, world, &mut settings, &mut notes);
    }
    let mut draft = convert::convert(&settings, &name, overrides, world, &mut notes);
    if let Some((uplink, origin)) = variables.get("HS_WANIF").filter(|(uplink, _)| !uplink.is_empty()) {
        draft.set("uplink.interface", write::quoted(uplink), origin);
        notes.found(origin, Outcome::CarriedOver, Weight::Plain, "uplink.interface");
    }
    let written = draft.write(&format!("Made by `poblano import` from {}.", name.escape_debug()));
    let checked = Config::parse(&written.text, &name, overrides);
    if notes.mistakes.is_empty()
        && let Ok(mut loaded) = checked
    {
        notes.findings.sort_by(|a, b| (a.origin.line.is_none(), &a.origin).cmp(&(b.origin.line.is_none(), &b.origin)));
        notes.findings.dedup();
        loaded.warnings = loaded.warnings.iter().map(|warning| written.told_of_origin(warning)).collect();
        let report = Report { findings: notes.findings, warnings: loaded.warnings.clone() };
        return Ok(Import { toml: written.text, report, loaded });
    }
    // A consequence of a mistake that is told already is none of its own.
    if notes.mistakes.is_empty() {
        let problems = checked.err().map(|errors| errors.problems).unwrap_or_default();
        notes.mistakes = problems.iter().map(|problem| written.told_of_origin(problem)).collect();
    }
    // A file that is included twice has its mistakes twice.
    let mut told = BTreeSet::new();
    let problems = notes.mistakes.into_iter().filter(|mistake| told.insert(mistake.to_string())).collect();
    Err(Errors { problems, warnings: Vec::new() })
}

/// The configuration that [`import`] makes, to be run at once: what became of lines is among the warnings. What would be
/// laxer than it was is an error.
pub fn load(path: &Path, overrides: &Overrides, world: &dyn Surroundings) -> Result<Loaded, Errors> {
    let Import { report, mut loaded, .. } = import(path, overrides, world)?;
    let told = |finding: &Finding| finding.origin.problem(finding.text.clone());
    let to_settle = |finding: &Finding| {
        let advice = "; settle it in the result of `poblano import`, and run from that";
        finding.origin.problem(format!("{}{advice}", finding.text))
    };
    let to_settle: Vec<Problem> = report.laxer().map(to_settle).collect();
    if !to_settle.is_empty() {
        return Err(Errors { problems: to_settle, warnings: loaded.warnings });
    }
    let missing = |f: &&Finding| f.outcome >= Outcome::Changed && f.outcome != Outcome::NotNeeded;
    loaded.warnings.extend(report.findings.iter().filter(missing).map(told));
    Ok(loaded)
}
