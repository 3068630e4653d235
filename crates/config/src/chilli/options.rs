//! Every option of CoovaChilli 1.9: what it holds, and what becomes of it. The table in MIGRATION.md is made from this.

mod device;
mod guests;
mod portal;
mod radius;
mod rest;

use super::report::Weight;

/// An option of chilli.conf.
#[derive(Debug)]
pub struct ChilliOption {
    /// As in the file.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// How usual it is.
    pub tag: Tag,
    /// What becomes of it.
    pub fate: Fate,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Is there or not; has no value.
    Flag,
    /// A whole number: decimal, octal with a leading 0, or hexadecimal with 0x.
    Int,
    /// Any text.
    Text,
    /// A text that is shown to nobody.
    Secret,
    /// An IPv4 address.
    Address,
    /// An IPv4 network; without a mask /24.
    Network,
    /// An IPv4 address or a name that is resolved.
    Host,
    /// An Ethernet address.
    Mac,
    /// A list: commas separate, a backslash before one does not, and the option may be repeated.
    List,
}

/// How usual an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Nearly every installation has it.
    Core,
    /// Many have it.
    Common,
    /// Few have it.
    Rare,
    /// It did nothing any more.
    Obsolete,
}

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is this key.
    Key(&'static str),
    /// It is this key, and not quite the same.
    Changed(&'static str, &'static str),
    /// Nothing is missing without it.
    NotNeeded(&'static str),
    /// There is no such thing; what that means for guests, and what to do instead.
    NotSupported(Weight, &'static str),
}

/// Names of one letter.
const SHORT: [(&str, &str); 7] =
    [("f", "fg"), ("d", "debug"), ("b", "bin"), ("r", "reload"), ("F", "forgiving"), ("c", "conf"), ("n", "net")];

/// What ChilliSpot 1.0 called differently.
const CHILLISPOT: [(&str, &str); 4] = [
    ("radiusnasip", "nasip"),
    ("radiuscalled", "nasmac"),
    ("confusername", "adminuser"),
    ("confpassword", "adminpasswd"),
];

/// All options, in the order of their subjects.
pub fn options() -> impl Iterator<Item = &'static ChilliOption> {
    [device::OPTIONS, guests::OPTIONS, radius::OPTIONS, portal::OPTIONS, rest::OPTIONS].into_iter().flatten()
}

/// The option of exactly that name.
pub(super) fn exactly(name: &str) -> Option<&'static ChilliOption> {
    options().find(|o| o.name == name)
}

/// The key of ours that an option of exactly that name has become.
pub(crate) fn key_of(name: &str) -> Option<&'static str> {
    match exactly(name)?.fate {
        Fate::Key(key) | Fate::Changed(key, _) => Some(key),
        Fate::NotNeeded(_) | Fate::NotSupported(..) => None,
    }
}

/// The option that `word` means in a file: its name, its letter, its ChilliSpot name, or a beginning that no other
/// option has. Otherwise the message says what was probably meant.
pub(super) fn find(word: &str) -> Result<&'static ChilliOption, String> {
    let other_name = SHORT.iter().chain(&CHILLISPOT).find(|(other, _)| *other == word).map(|(_, name)| *name);
    if let Some(option) = exactly(other_name.unwrap_or(word)) {
        return Ok(option);
    }
    let begin: Vec<_> = options().filter(|o| o.name.starts_with(word)).collect();
    match begin.as_slice() {
        [one] => Ok(one),
        [] => Err(match wire::nearest(word, options().map(|o| o.name)) {
            Some(near) => format!("unknown option; did you mean {near}?"),
            None => "unknown option; take the line out if nothing needs it".to_owned(),
        }),
        several => {
            let names: Vec<_> = several.iter().map(|o| o.name).collect();
            Err(format!("may be {}; write which", names.join(", ")))
        }
    }
}

const fn core(name: &'static str, kind: Kind, fate: Fate) -> ChilliOption {
    ChilliOption { name, kind, tag: Tag::Core, fate }
}

const fn common(name: &'static str, kind: Kind, fate: Fate) -> ChilliOption {
    ChilliOption { name, kind, tag: Tag::Common, fate }
}

const fn rare(name: &'static str, kind: Kind, fate: Fate) -> ChilliOption {
    ChilliOption { name, kind, tag: Tag::Rare, fate }
}

const fn obsolete(name: &'static str, kind: Kind, why: &'static str) -> ChilliOption {
    ChilliOption { name, kind, tag: Tag::Obsolete, fate: Fate::NotNeeded(why) }
}

/// Not supported, and nobody gets more than before.
const fn lacking(instead: &'static str) -> Fate {
    Fate::NotSupported(Weight::Plain, instead)
}

/// Not supported: what was open is closed.
const fn closed(instead: &'static str) -> Fate {
    Fate::NotSupported(Weight::Closed, instead)
}

/// Not supported: what was closed would be open.
const fn laxer(instead: &'static str) -> Fate {
    Fate::NotSupported(Weight::Laxer, instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_219_options_are_known_and_each_once() {
        let mut names: Vec<_> = options().map(|o| o.name).collect();
        assert_eq!(names.len(), 219);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 219);
        let tagged = |tag| options().filter(|o| o.tag == tag).count();
        assert_eq!((tagged(Tag::Core), tagged(Tag::Common), tagged(Tag::Rare), tagged(Tag::Obsolete)), (48, 73, 91, 7));
    }

    #[test]
    fn an_option_is_found_by_name_letter_old_name_or_beginning() {
        for (word, name) in [
            ("net", "net"),
            ("n", "net"),
            ("F", "forgiving"),
            ("radiuscalled", "nasmac"),
            ("uamserv", "uamserver"),
            ("dns1", "dns1"),
        ] {
            assert_eq!(find(word).map(|o| o.name), Ok(name), "{word}");
        }
        assert_eq!(find("uamsecrt").expect_err("a slip"), "unknown option; did you mean uamsecret?");
        assert_eq!(find("uamse").expect_err("two"), "may be uamserver, uamsecret; write which");
        assert!(find("colour").is_err() && find("x").is_err());
    }

    #[test]
    fn every_key_that_an_option_becomes_is_in_the_schema() {
        for option in options() {
            if let Fate::Key(keys) | Fate::Changed(keys, _) = option.fate {
                for key in keys.split(", ") {
                    let (section, name) = key.rsplit_once('.').expect(key);
                    let section = crate::schema::section(section).unwrap_or_else(|| panic!("{}: {key}", option.name));
                    assert!(section.keys.iter().any(|k| k.name == name), "{}: {key}", option.name);
                }
            }
        }
    }
}
