//! Our configuration in OpenWrt's form, `/etc/config/poblano`: `config SECTION`, then `option KEY 'VALUE'`, and for each
//! entry of a list `list KEY 'VALUE'`.
//!
//! Sections and keys are those of the schema, with `_` for the dot in a section's name: `config radius_server` is
//! `[[radius.server]]`. Values are as they are without TOML's quotes; 1, on, yes and enabled are true. What is in section
//! `service` is read by the init script and not by us.
//!
//! The text becomes TOML word by word, each in its place, so that whatever is wrong is told of the line that it stands in.

use std::collections::BTreeSet;

use crate::chilli::quoted;
use crate::problem::Problem;
use crate::schema::{Key, Kind, SECTIONS, Section};

/// The section of the init script.
const SERVICE: &str = "service";

/// True when a text is in this form.
pub(crate) fn is_uci(text: &str) -> bool {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).is_some_and(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("config") && !words.next().is_some_and(|word| word.starts_with('='))
    })
}

/// The same as TOML, and lines that are nothing.
pub(crate) fn to_toml(text: &str, file: &str) -> (String, Vec<Problem>) {
    let lines: Vec<Line> = text.lines().map(Line::of).collect();
    let mut toml = String::with_capacity(text.len());
    let mut problems = Vec::new();
    let mut place = Place::Outside;
    // Those of the section that are written already, in the line of their first entry.
    let mut lists = BTreeSet::new();
    for (index, line) in lines.iter().enumerate() {
        let mut wrong = |message: &str| {
            let position = Some((index + 1, 1));
            problems.push(Problem { position, ..Problem::new(file, "", message) });
        };
        match &line.said {
            Said::Nothing => {}
            Said::Wrong(why) => wrong(why),
            Said::Config(kind) if kind == SERVICE => place = Place::Service,
            Said::Config(kind) => {
                lists.clear();
                let known = SECTIONS.iter().find(|section| section.name.replace('.', "_") == *kind);
                toml += &known.map_or_else(|| format!("[{}]", toml_key(kind)), header);
                place = Place::Section(known);
            }
            Said::Option(..) | Said::List(..) if matches!(place, Place::Service) => {}
            Said::Option(name, _) | Said::List(name, _) => {
                let Place::Section(known) = place else {
                    wrong("stands in no section; the first line is one such as: config lan");
                    toml.push('\n');
                    continue;
                };
                let key = known.and_then(|section| section.keys.iter().find(|key| key.name == name));
                let value = match &line.said {
                    Said::Option(_, value) => Some(scalar(key, value)),
                    _ => lists.insert(name).then(|| list(key, name, lines.get(index..).unwrap_or_default())),
                };
                if let Some(value) = value {
                    toml += &format!("{:column$}{}={value}", "", toml_key(name), column = line.column);
                }
            }
        }
        toml.push('\n');
    }
    (toml, problems)
}

/// The words of a line, which quotes hold together.
pub(crate) fn words(line: &str) -> Result<Vec<String>, &'static str> {
    let (mut words, mut word, mut quote): (Vec<String>, Option<String>, Option<char>) = (Vec::new(), None, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("the quotes do not end in this line");
    }
    words.extend(word);
    Ok(words)
}

/// Where a line stands.
#[derive(Clone, Copy)]
enum Place {
    /// Before the first section.
    Outside,
    /// In that of the init script.
    Service,
    /// In one of ours, or in one that there is not.
    Section(Option<&'static Section>),
}

/// What a line says.
struct Line {
    said: Said,
    /// Characters before the key.
    column: usize,
}

enum Said {
    Nothing,
    Config(String),
    Option(String, String),
    List(String, String),
    Wrong(&'static str),
}

impl Line {
    fn of(text: &str) -> Self {
        let said = match words(text) {
            Err(why) => Said::Wrong(why),
            Ok(words) => Said::of(words),
        };
        // Behind the word "option" or "list" and the blanks after it.
        let rest = text.trim_start().split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
        Self { said, column: text.chars().count() - rest.chars().count() }
    }
}

impl Said {
    fn of(words: Vec<String>) -> Self {
        let mut words = words.into_iter();
        match (words.next().as_deref(), words.next(), words.next(), words.next()) {
            (None, ..) => Self::Nothing,
            (Some("config"), Some(kind), _, None) => Self::Config(kind),
            (Some("option"), Some(name), Some(value), None) => Self::Option(name, value),
            (Some("list"), Some(name), Some(value), None) => Self::List(name, value),
            _ => Self::Wrong("is none of: config SECTION, option KEY 'VALUE', list KEY 'VALUE'"),
        }
    }
}

/// All entries of a list, which begins in the first of these lines.
fn list(key: Option<&Key>, name: &str, lines: &[Line]) -> String {
    let section = lines.iter().take_while(|line| !matches!(line.said, Said::Config(_)));
    let entries = section.filter_map(|line| match &line.said {
        Said::List(other, value) if other == name => Some(if is_raw(key) { value.clone() } else { quoted(value) }),
        _ => None,
    });
    format!("[{}]", entries.collect::<Vec<_>>().join(", "))
}

/// One value as the key's kind is written in TOML. What it cannot be stays text, about which the reader says the rest.
fn scalar(key: Option<&Key>, value: &str) -> String {
    match key.map(|key| &key.kind) {
        Some(Kind::Bool) if ["1", "on", "true", "yes", "enabled"].contains(&value) => "true".to_owned(),
        Some(Kind::Bool) if ["0", "off", "false", "no", "disabled"].contains(&value) => "false".to_owned(),
        Some(Kind::Int { .. }) if !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_digit()) => {
            value.parse::<u64>().map_or_else(|_| quoted(value), |number| number.to_string())
        }
        Some(Kind::Interfaces { .. }) if value.split_whitespace().count() == 1 => quoted(value),
        Some(
            Kind::Interfaces { .. }
            | Kind::Addresses { .. }
            | Kind::Macs { .. }
            | Kind::Origins { .. }
            | Kind::GardenEntries { .. }
            | Kind::GardenDomains { .. }
            | Kind::Probes { .. },
        ) => format!("[{}]", value.split_whitespace().map(quoted).collect::<Vec<_>>().join(", ")),
        _ => quoted(value),
    }
}

/// A DHCP option is a table, and written as in TOML.
fn is_raw(key: Option<&Key>) -> bool {
    key.is_some_and(|key| matches!(key.kind, Kind::DhcpOptions { .. }))
}

fn header(section: &Section) -> String {
    if section.repeated { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) }
}

fn toml_key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'));
    if is_bare { name.to_owned() } else { quoted(name) }
}
