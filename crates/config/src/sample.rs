//! The schema as a sample file and as a reference.

use std::fmt::Write;

use crate::schema::{Absent, Key, SECTIONS, Section};

/// `conf/poblano.toml`: every key with its type, unit, default and consequence, commented out, so that the file means
/// the defaults.
#[must_use]
pub fn sample() -> String {
    let mut out = String::from(
        "# Configuration of Poblano. Every key is here, with its default or, where there is none, an example.\n\
         # Remove the # before a key to set it; `poblano check` says what the file means and what is wrong with it.\n",
    );
    for section in SECTIONS {
        out.push('\n');
        comment(&mut out, section.doc);
        // A repeated section that is not commented out would be a host or a server.
        let hash = if section.repeated { "#" } else { "" };
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
    let mut out = String::from("# Configuration keys\n");
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
