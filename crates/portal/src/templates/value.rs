//! What names in a template stand for.

use std::collections::BTreeMap;

/// A page, or a part of it.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Flag(bool),
    List(Vec<Value<'a>>),
    Parts(Vec<(&'static str, Value<'a>)>),
}

/// What is known of a value without having it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Flag,
    List,
    Parts,
}

impl<'a> From<&&'a str> for Value<'a> {
    fn from(text: &&'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<&bool> for Value<'_> {
    fn from(flag: &bool) -> Self {
        Self::Flag(*flag)
    }
}

impl<'a, T> From<&'a Vec<T>> for Value<'a>
where
    Self: From<&'a T>,
{
    fn from(list: &'a Vec<T>) -> Self {
        Self::List(list.iter().map(<Self as From<&'a T>>::from).collect())
    }
}

impl Value<'_> {
    /// A part of it, or a part of a part: `title`, `place.title`.
    pub(super) fn get(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |value, name| match value {
            Self::Parts(parts) => parts.iter().find(|(part, _)| *part == name).map(|(_, value)| value),
            _ => None,
        })
    }

    /// Not empty, or true.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Flag(flag) => *flag,
            Self::List(list) => !list.is_empty(),
            Self::Parts(_) => true,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Flag(_) => Kind::Flag,
            Self::List(_) => Kind::List,
            Self::Parts(_) => Kind::Parts,
        }
    }

    /// Adds the names below it; those of a list's elements are told as if they were the list's.
    pub(super) fn collect(&self, prefix: &str, names: &mut BTreeMap<String, Kind>) {
        match self {
            Self::Parts(parts) => {
                for (part, value) in parts {
                    let name = format!("{prefix}{part}");
                    value.collect(&format!("{name}."), names);
                    names.insert(name, value.kind());
                }
            }
            Self::List(list) => list.iter().for_each(|value| value.collect(prefix, names)),
            Self::Text(_) | Self::Flag(_) => {}
        }
    }
}
