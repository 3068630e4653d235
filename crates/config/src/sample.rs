//! The schema as a sample file and as a reference.

use std::fmt::Write;

use crate::schema::{Absent, Key, SECTIONS, Section};

/// What the file can say beside the sections.
const ZONES: &str = "Several guests' networks in one gateway are zones: [zone.NAME.lan], [zone.NAME.portal] and so on stand over the sections of the same name, key by key; a list such as [[zone.NAME.radius.server]] takes the place of the whole list. What a zone does not say is as it stands in the sections. Each zone has a lan.interface and a lan.network of its own, and all else that is a guest's: pool, sessions, portal, garden, limits. If it does not say otherwise its NAS-Identifier is the common one with -NAME behind it, its tun.name is pob-NAME, its state.directory is zones/NAME in the common one, its retention.directory NAME in it if that is set, and its accounts are common to all. [control], [metrics], [console] and [log] are the whole process's. At most 16 zones; a name has up to 11 of a-z, 0-9 and -. Guests of two zones do not reach each other. For example:";
const ZONES_EXAMPLE: &str = "[zone.guests.lan]\ninterface = \"eth1\"\nnetwork = \"10.85.0.0/20\"\n[zone.staff.lan]\ninterface = \"eth2.20\"\nnetwork = \"10.86.0.0/24\"\n[zone.staff.portal]\ntitle = \"Staff\"";

/// `conf/poblano.toml`: every key with its type, unit, default and consequence, commented out, so that the file means
/// the defaults.
#[must_use]
pub fn sample() -> String {
    let mut out = String::from(
        "# Configuration of Poblano. Every key is here, with its default or, where there is none, an example.\n\
         # Remove the # before a key to set it; `poblano check` says what the file means and what is wrong with it.\n",
    );
    out.push('\n');
    comment(&mut out, ZONES);
    for example in ZONES_EXAMPLE.lines() {
        line(&mut out, format_args!("#     {example}"));
    }
    for section in SECTIONS {
        out.push('\n');
        comment(&mut out, section.doc);
        // A repeated section that is not commented out would be a host or a server, and these are nothing without a key.
        let is_nothing = section.repeated || matches!(section.name, "metrics" | "console" | "console.tls");
        let hash = if is_nothing { "#" } else { "" };
        line(&mut out, format_args!("{hash}{}", header(section)));
        for key in section.keys {
            out.push('\n');
            comment(&mut out, key.doc);
            comment(&mut out, &format!("Value: {}. {}", key.kind.describe(), absent(key, "")));
            line(&mut out, format_args!("#{} = {}", key.name, shown(key)));
        }
    }
    out
}

/// The reference of all keys, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut out = format!("# Configuration keys\n\n## Zones\n\n{ZONES}\n\n```toml\n{ZONES_EXAMPLE}\n```\n");
    for section in SECTIONS {
        line(&mut out, format_args!("\n## {}\n\n{}", header(section), section.doc));
        for key in section.keys {
            line(
                &mut out,
                format_args!(
                    "\n### {}\n\n{}\n\nValue: {}. {}",
                    key.name,
                    key.doc,
                    key.kind.describe(),
                    absent(key, "`")
                ),
            );
        }
    }
    out
}

fn header(section: &Section) -> String {
    if section.repeated { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) }
}

fn shown(key: &Key) -> &'static str {
    match key.absent {
        Absent::Is(value) => value,
        Absent::Rule { example, .. } | Absent::Required { example } => example,
    }
}

fn absent(key: &Key, quote: &str) -> String {
    match key.absent {
        Absent::Is(value) => format!("Default: {quote}{value}{quote}."),
        Absent::Rule { rule, .. } => format!("Default: {rule}."),
        Absent::Required { .. } => "Required.".to_owned(),
    }
}

/// Wraps a paragraph at 100 columns.
fn comment(out: &mut String, paragraph: &str) {
    let mut width = usize::MAX;
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if width.saturating_add(length + 1) > 100 {
            out.push_str(if width == usize::MAX { "#" } else { "\n#" });
            width = 1;
        }
        out.push(' ');
        out.push_str(word);
        width += length + 1;
    }
    out.push('\n');
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a String does not fail");
}
