//! chilli.conf by its own rules: `name value`, `name=value` or `name = value`; a value with blanks or `#` in quotes,
//! of which there are two kinds and no escapes; `include FILE`. Of an option that stands twice the first counts.

use std::path::{Path, PathBuf};

use super::options::{ChilliOption, Kind, find};
use super::report::{Finding, Origin, Outcome, Weight};
use super::{Notes, Surroundings, values};

/// Files within files, and files in all: Debian's have one level and four.
const MAX_DEPTH: usize = 8;
const MAX_FILES: usize = 64;
/// CoovaChilli's own limit of a line.
const MAX_LINE_OCTETS: usize = 2047;
/// Of a file; more is no configuration.
pub(super) const MAX_FILE_OCTETS: usize = 1_000_000;

/// An option that is set.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) origin: Origin,
    pub(super) option: &'static ChilliOption,
    /// Empty of a flag.
    pub(super) value: String,
}

/// All options that are set, those that may not repeat once.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) all: Vec<Setting>,
}

impl Settings {
    /// The one that counts.
    pub(super) fn one(&self, name: &str) -> Option<&Setting> {
        self.all.iter().find(|s| s.option.name == name)
    }

    /// Adds what is right; of what there is already the first counts.
    pub(super) fn add(&mut self, setting: Setting, notes: &mut Notes) {
        if let Err(why) = values::check(setting.option.kind, &setting.value) {
            notes.mistakes.push(setting.origin.problem(why));
        } else if let Some(first) = self.one(setting.option.name).filter(|_| setting.option.kind != Kind::List) {
            let (is_same, first) = (first.value == setting.value, first.origin.to_string());
            if !is_same {
                let text = format!("stands there twice; the first counts: {first}");
                notes.found(&setting.origin, Outcome::NotNeeded, Weight::Plain, text);
            }
        } else {
            self.all.push(setting);
        }
    }
}

/// Reads `text`, and what it includes.
pub(super) fn read(text: &str, file: &Path, world: &dyn Surroundings, settings: &mut Settings, notes: &mut Notes) {
    let mut reader = Reader { world, settings, notes, open: Vec::new(), files: 0 };
    reader.file(text, file);
}

struct Reader<'a> {
    world: &'a dyn Surroundings,
    settings: &'a mut Settings,
    notes: &'a mut Notes,
    /// The file that is read, and those that include it.
    open: Vec<PathBuf>,
    files: usize,
}

impl Reader<'_> {
    fn file(&mut self, text: &str, file: &Path) {
        self.open.push(file.to_owned());
        self.files += 1;
        for (index, line) in text.lines().enumerate() {
            let at =
                |name: &str| Origin { file: file.display().to_string(), line: Some(index + 1), name: name.to_owned() };
            if self.notes.is_full() {
                break;
            }
            if line.len() > MAX_LINE_OCTETS {
                let message = format!("has {} octets; a line has at most {MAX_LINE_OCTETS}", line.len());
                self.notes.mistakes.push(at("line").problem(message));
                continue;
            }
            match parse(line) {
                Ok(None) => {}
                Ok(Some(("include", path))) => self.include(&at("include"), file, path),
                Ok(Some((name, value))) => match find(name) {
                    Ok(option) => {
                        let setting = Setting { origin: at(name), option, value: value.to_owned() };
                        self.settings.add(setting, self.notes);
                    }
                    Err(why) => self.notes.mistakes.push(at(&values::shown_name(name)).problem(why)),
                },
                Err((name, why)) => self.notes.mistakes.push(at(&values::shown_name(name)).problem(why)),
            }
        }
        self.open.pop();
    }

    fn include(&mut self, origin: &Origin, from: &Path, path: &str) {
        let path = from.parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path));
        let shown = values::shortened(&path.display().to_string());
        let refused = if path.as_os_str().is_empty() {
            Some("has no file".to_owned())
        } else if self.open.contains(&path) {
            Some(format!("{shown} includes itself"))
        } else if self.open.len() >= MAX_DEPTH || self.files >= MAX_FILES {
            Some(format!("{shown}: more than {MAX_DEPTH} files within each other, or {MAX_FILES} in all"))
        } else {
            None
        };
        if let Some(why) = refused {
            self.notes.mistakes.push(origin.problem(format!("{why}; take the line out")));
            return;
        }
        match self.world.read(&path) {
            Ok(text) => self.file(&text, &path),
            Err(error) => {
                let message = format!("cannot read {shown}: {error}; put the file there, or take the line out");
                self.notes.mistakes.push(origin.problem(message));
            }
        }
    }
}

/// Name and value of a line; or the name, and what is wrong with the line. What follows a value is not repeated, for it
/// may be part of a secret.
pub(super) fn parse(line: &str) -> Result<Option<(&str, &str)>, (&str, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|c: char| c.is_whitespace() || matches!(c, '=' | '#' | '"' | '\'')).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() {
        return Err(("line", "does not begin with an option's name".to_owned()));
    }
    let rest = rest.trim_start();
    let (rest, has_sign) = rest.strip_prefix('=').map_or((rest, false), |rest| (rest.trim_start(), true));
    let (value, after) = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = rest.get(1..).unwrap_or("");
            let unclosed = || (name, format!("the value does not end; write {quote} behind it"));
            let (value, after) = inner.split_once(quote).ok_or_else(unclosed)?;
            (value, after)
        }
        _ => rest.split_at(rest.find(|c: char| c.is_whitespace() || c == '#').unwrap_or(rest.len())),
    };
    let after = after.trim_start();
    if !after.is_empty() && !after.starts_with('#') {
        return Err((name, "something follows the value; put a value with blanks into quotes".to_owned()));
    }
    if has_sign && value.is_empty() {
        return Err((name, "has no value behind the =".to_owned()));
    }
    Ok(Some((name, value)))
}

impl Notes {
    /// Notes what became of a line.
    pub(super) fn found(&mut self, origin: &Origin, outcome: Outcome, weight: Weight, text: impl Into<String>) {
        self.findings.push(Finding { origin: origin.clone(), outcome, weight, text: text.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_line_is_a_name_and_a_value_in_each_of_its_forms() {
        for (line, parsed) in [
            ("", None),
            ("   # net 10.0.0.0", None),
            ("net 10.1.0.0/24", Some(("net", "10.1.0.0/24"))),
            ("net=10.1.0.0/24", Some(("net", "10.1.0.0/24"))),
            (" net = 10.1.0.0/24 # the guests", Some(("net", "10.1.0.0/24"))),
            ("macauth", Some(("macauth", ""))),
            ("uamsecret \"two words # no comment\"", Some(("uamsecret", "two words # no comment"))),
            ("uamsecret 'it\"s'#x", Some(("uamsecret", "it\"s"))),
            ("uamsecret \"\"", Some(("uamsecret", ""))),
        ] {
            assert_eq!(parse(line), Ok(parsed), "{line}");
        }
        for line in ["uamsecret two words", "uamsecret \"open", "= 5", "net =", "\"net\" 5"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
