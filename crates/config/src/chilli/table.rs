//! The options as a table for people.

use std::fmt::Write;

use super::options::{Fate, Tag, options};
use super::report::Weight;

const BEGIN: &str = "<!-- made from crates/config/src/chilli/options -->\n";
const END: &str = "<!-- as far as here -->\n";

/// `text` with the table between its two marks; `None` if it has none.
#[must_use]
pub fn with_table(text: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{}{END}{after}", table()))
}

/// All options, as Markdown.
fn table() -> String {
    let mut out = String::from("| Option | Use | What becomes of it |\n|--|--|--|\n");
    for option in options() {
        let tag = match option.tag {
            Tag::Core => "core",
            Tag::Common => "common",
            Tag::Rare => "rare",
            Tag::Obsolete => "obsolete",
        };
        let keys = |keys: &str| keys.split(", ").map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let fate = match option.fate {
            Fate::Key(key) => keys(key),
            Fate::Changed(key, why) => format!("{}, changed: {}", keys(key), plain(why)),
            Fate::NotNeeded(why) => format!("Not needed: {}", plain(why)),
            Fate::NotSupported(weight, instead) => {
                let mark = match weight {
                    Weight::Plain => "Not supported",
                    Weight::Closed => "**Closed**",
                    Weight::Laxer => "**To be settled**",
                };
                format!("{mark}: {}", plain(instead))
            }
        };
        writeln!(out, "| `{}` | {tag} | {fate} |", option.name).expect("writing to a String does not fail");
    }
    out
}

/// What Markdown would take for a link or the end of a cell.
fn plain(text: &str) -> String {
    text.replace('|', "\\|").replace('[', "\\[")
}
