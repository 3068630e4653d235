//! Options to keys.

pub(super) mod guests;
mod network;
pub(super) mod portal;
mod radius;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::lines::{MAX_FILE_OCTETS, Setting, Settings};
use super::options::Fate;
use super::report::{Origin, Outcome, Weight};
use super::write::{Draft, quoted};
use super::{Notes, Surroundings, values};
use crate::{Network, Overrides};

/// What the file is to have of these settings.
pub(super) fn convert(
    settings: &Settings,
    file: &str,
    overrides: &Overrides,
    world: &dyn Surroundings,
    notes: &mut Notes,
) -> Draft {
    let mut converter = Converter { settings, file, world, notes, draft: Draft::default(), told: BTreeSet::new() };
    let lan = converter.network(overrides);
    converter.devices();
    converter.guests();
    let servers = converter.radius(&lan);
    converter.proxy(&lan, servers);
    converter.portal(&lan);
    converter.garden(&lan);
    converter.rest();
    converter.draft
}

/// The guests' network, which much else depends on.
struct Lan {
    network: Network,
    gateway: Ipv4Addr,
}

struct Converter<'a> {
    settings: &'a Settings,
    file: &'a str,
    world: &'a dyn Surroundings,
    notes: &'a mut Notes,
    draft: Draft,
    /// Of which settings something has been said.
    told: BTreeSet<(Origin, &'static str)>,
}

impl<'a> Converter<'a> {
    fn one(&self, option: &str) -> Option<&'a Setting> {
        self.settings.one(option)
    }

    fn all(&self, option: &'static str) -> impl Iterator<Item = &'a Setting> + use<'a> {
        self.settings.all.iter().filter(move |s| s.option.name == option)
    }

    fn has(&self, option: &str) -> bool {
        self.one(option).is_some()
    }

    fn integer(&self, option: &str) -> Option<(u64, &'a Setting)> {
        let setting = self.one(option)?;
        Some((values::integer(&setting.value)?, setting))
    }

    /// The address that a setting names. One that has none is a mistake.
    fn host(&mut self, setting: &Setting) -> Option<Ipv4Addr> {
        let found = match setting.value.as_str() {
            "localhost" => Some(Ipv4Addr::LOCALHOST),
            name => name.parse().ok().or_else(|| self.world.resolve(name).first().copied()),
        };
        if found.is_none() {
            self.mistake(setting, "has no address; write one, or let the machine know the name");
        }
        found
    }

    /// The text of the file that a setting names. One that cannot be read is a mistake.
    fn file(&mut self, setting: &Setting) -> Option<String> {
        match self.world.read(Path::new(&setting.value)) {
            Ok(text) if text.len() <= MAX_FILE_OCTETS => return Some(text),
            Ok(_) => self.mistake(setting, format!("is a file of more than {MAX_FILE_OCTETS} octets")),
            Err(error) => self.mistake(setting, format!("cannot be read: {error}")),
        }
        None
    }

    fn mistake(&mut self, setting: &Setting, message: impl Into<String>) {
        self.told.insert((setting.origin.clone(), setting.option.name));
        self.notes.mistakes.push(setting.origin.problem(message));
    }

    fn found(&mut self, setting: &Setting, outcome: Outcome, weight: Weight, text: impl Into<String>) {
        self.told.insert((setting.origin.clone(), setting.option.name));
        self.notes.found(&setting.origin, outcome, weight, text);
    }

    fn changed(&mut self, setting: &Setting, text: impl Into<String>) {
        self.found(setting, Outcome::Changed, Weight::Plain, text);
    }

    /// An entry of a setting opens nothing.
    fn closed(&mut self, setting: &Setting, text: impl Into<String>) {
        self.found(setting, Outcome::NotSupported, Weight::Closed, text);
    }

    /// Sets a key, and says so.
    fn set(&mut self, path: &str, value: String, setting: &Setting) {
        self.set_in(path, 0, value, setting);
    }

    fn set_in(&mut self, path: &str, index: usize, value: String, setting: &Setting) {
        self.draft.set_in(path, index, value, &setting.origin);
        self.tell(path, setting);
    }

    /// Says that a setting is a key, unless it has been said that it is not the same.
    fn tell(&mut self, path: &str, setting: &Setting) {
        if !self.told.contains(&(setting.origin.clone(), setting.option.name)) {
            self.carried(path, setting);
        }
    }

    fn carried(&mut self, path: &str, setting: &Setting) {
        let (outcome, text) = match setting.option.fate {
            Fate::Changed(_, why) => (Outcome::Changed, format!("{path}: {why}")),
            _ => (Outcome::CarriedOver, path.to_owned()),
        };
        self.found(setting, outcome, Weight::Plain, text);
    }

    /// Sets a key to what CoovaChilli does when the option is not there.
    fn default(&mut self, path: &str, value: String, option: &str) {
        let origin = self.default_of(option);
        self.notes.found(&origin, Outcome::CarriedOver, Weight::Plain, format!("{path} = {value}"));
        self.draft.set(path, value, &origin);
    }

    /// Says why what CoovaChilli does when an option is not there is not done.
    fn default_changed(&mut self, option: &str, text: &str) {
        let origin = self.default_of(option);
        self.notes.found(&origin, Outcome::Changed, Weight::Plain, text);
    }

    fn default_of(&self, option: &str) -> Origin {
        Origin { file: self.file.to_owned(), line: None, name: option.to_owned() }
    }

    /// A text that is a key as it is.
    fn text(&mut self, option: &str, path: &str) {
        if let Some(setting) = self.one(option) {
            self.set(path, quoted(&setting.value), setting);
        }
    }

    /// A flag that sets a key.
    fn flag(&mut self, option: &str, path: &str, value: &str) {
        if let Some(setting) = self.one(option) {
            self.set(path, value.to_owned(), setting);
        }
    }

    /// A number that is a key as it is. Where it has no range of its own, our check has.
    fn number(&mut self, option: &str, path: &str) {
        if let Some((number, setting)) = self.integer(option) {
            self.set(path, number.to_string(), setting);
        }
    }

    /// Seconds within bounds; 0 is 0 where it means that there is no limit.
    fn seconds(&mut self, option: &str, path: &str, (min, max): (u64, u64), or_zero: bool) {
        let Some((secs, setting)) = self.integer(option) else { return };
        let kept = if secs == 0 && or_zero { 0 } else { secs.clamp(min, max) };
        let text = quoted(&crate::format_duration(Duration::from_secs(kept)));
        if kept != secs {
            self.changed(setting, format!("{path} = {text}: from {min} to {max} seconds"));
        }
        self.set(path, text, setting);
    }

    /// What nothing has been said of yet: what the table says.
    fn rest(&mut self) {
        for setting in &self.settings.all {
            if self.told.contains(&(setting.origin.clone(), setting.option.name)) {
                continue;
            }
            let (outcome, weight, text) = match setting.option.fate {
                Fate::NotNeeded(why) => (Outcome::NotNeeded, Weight::Plain, why),
                Fate::NotSupported(weight, instead) => (Outcome::NotSupported, weight, instead),
                Fate::Changed(_, why) => (Outcome::Changed, Weight::Plain, why),
                Fate::Key(_) => (Outcome::NotNeeded, Weight::Plain, "means nothing without another option"),
            };
            self.found(setting, outcome, weight, text);
        }
    }
}
