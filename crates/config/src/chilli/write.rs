//! Keys to a file, in the order of the sample, each with the place that it comes from.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::report::Origin;
use crate::Problem;
use crate::schema::{Absent, SECTIONS, Section};

/// What the file is to have.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// By section, its number if it is repeated, and key: a value in TOML, and what it comes from.
    keys: BTreeMap<(&'static str, usize, &'static str), (String, Origin)>,
}

/// A file, and which line of it comes from where.
pub(super) struct Written {
    pub(super) text: String,
    lines: Vec<Option<Origin>>,
}

impl Draft {
    /// Sets the key at `path`, such as `lan.network`, in the first section of that name.
    pub(super) fn set(&mut self, path: &str, value: String, origin: &Origin) {
        self.set_in(path, 0, value, origin);
    }

    /// Sets the key at `path` in the section of that name and number.
    pub(super) fn set_in(&mut self, path: &str, index: usize, value: String, origin: &Origin) {
        let (section, key) = find(path);
        self.keys.insert((section, index, key), (value, origin.clone()));
    }

    /// How many sections of this name there are.
    pub(super) fn count(&self, section: &str) -> usize {
        self.keys.keys().filter(|(name, ..)| *name == section).map(|(_, index, _)| index + 1).max().unwrap_or(0)
    }

    /// The file. Of keys that have their default anyway nothing is said.
    pub(super) fn write(&self, heading: &str) -> Written {
        let mut written = Written { text: String::new(), lines: Vec::new() };
        written.line(format_args!("# {heading}"), None);
        for section in SECTIONS {
            for index in 0..self.count(section.name) {
                self.section(section, index, &mut written);
            }
        }
        written
    }

    fn section(&self, section: &'static Section, index: usize, written: &mut Written) {
        let mut has_header = false;
        for key in section.keys {
            let Some((value, origin)) = self.keys.get(&(section.name, index, key.name)) else { continue };
            if matches!(key.absent, Absent::Is(default) if default == value) {
                continue;
            }
            if !has_header {
                has_header = true;
                let (open, close) = if section.repeated { ("[[", "]]") } else { ("[", "]") };
                written.line(format_args!(""), None);
                written.line(format_args!("{open}{}{close}", section.name), Some(origin));
            }
            written.line(format_args!("{} = {value} # {}", key.name, told(origin)), Some(origin));
        }
    }
}

impl Written {
    fn line(&mut self, text: std::fmt::Arguments<'_>, origin: Option<&Origin>) {
        writeln!(self.text, "{text}").expect("writing to a String does not fail");
        self.lines.push(origin.cloned());
    }

    /// What is wrong with a line of the file, said of the line that it comes from.
    pub(super) fn told_of_origin(&self, problem: &Problem) -> Problem {
        let origin = problem.position.and_then(|(line, _)| self.lines.get(line.checked_sub(1)?)?.as_ref());
        match origin {
            Some(origin) => origin.problem(format!("as {}: {}", problem.place, problem.message)),
            None => problem.clone(),
        }
    }
}

/// A text in TOML. What would end the comment behind it or the line is escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out += &format!("\\u{:04X}", u32::from(c)),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A list of texts in TOML.
pub(super) fn list(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// A place as a comment may have it: a file's name can have any octets.
fn told(origin: &Origin) -> String {
    origin.to_string().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Section and key at a path, in the schema's own words.
fn find(path: &str) -> (&'static str, &'static str) {
    let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
    crate::schema::section(section)
        .and_then(|section| Some((section.name, section.keys.iter().find(|k| k.name == key)?.name)))
        .expect("keys that are set are in the schema")
}
