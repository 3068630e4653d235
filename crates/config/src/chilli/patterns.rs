//! `uamdomainfile`: an extended regular expression in each line, which is looked for anywhere in a name; `!` before one
//! means that names with it stay closed, and the first that fits decides. What opens the same names or fewer is carried
//! over, and nothing else.

use crate::units::is_name;

/// What a file says in the garden's words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Patterns {
    /// Single names, for garden.allow.
    pub(super) names: Vec<String>,
    /// Domains, for garden.domains.
    pub(super) domains: Vec<String>,
    /// Lines that open nothing.
    pub(super) closed: Vec<usize>,
}

pub(super) fn read(text: &str) -> Patterns {
    let mut patterns = Patterns::default();
    // What an exception takes away from the lines behind it cannot be said in the garden's words.
    let mut has_exception = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with(['#', ' ', '\t']) {
            continue;
        }
        has_exception |= line.starts_with('!');
        match entry(line.trim_end()).filter(|_| !has_exception) {
            Some((name, true)) => patterns.names.push(name),
            Some((domain, false)) => patterns.domains.push(domain),
            None => patterns.closed.push(index + 1),
        }
    }
    patterns
}

/// The name or domain that a pattern is; true if it is a single name.
fn entry(pattern: &str) -> Option<(String, bool)> {
    let (from_start, rest) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
    let below_or_self = ["(.*\\.)?", "(^|\\.)", "(|.*\\.)"].iter().find_map(|prefix| rest.strip_prefix(prefix));
    let below = rest.strip_prefix(".*\\.").or_else(|| rest.strip_prefix("\\.").filter(|_| !from_start));
    let (dot, is_name_alone, rest) = match (below_or_self, below) {
        (Some(rest), _) => ("", false, rest),
        (None, Some(rest)) => (".", false, rest),
        (None, None) => ("", from_start, rest),
    };
    let literal = rest.strip_suffix('$').unwrap_or(rest).replace("\\.", ".").to_ascii_lowercase();
    // A part without a dot would be a top-level domain here.
    (is_name(&literal) && literal.contains('.')).then(|| (format!("{dot}{literal}"), is_name_alone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_opens_what_it_did_or_less() {
        for (pattern, opened) in [
            ("^www\\.example\\.org$", Some(("www.example.org", true))),
            ("^www\\.example\\.org", Some(("www.example.org", true))),
            ("example\\.org$", Some(("example.org", false))),
            ("example.org", Some(("example.org", false))),
            ("^(.*\\.)?Example\\.org$", Some(("example.org", false))),
            ("(^|\\.)example\\.org$", Some(("example.org", false))),
            ("^.*\\.example\\.org$", Some((".example.org", false))),
            ("\\.example\\.org$", Some((".example.org", false))),
            ("google", None),
            ("^\\.example\\.org", None),
            ("(a|b)\\.example\\.org$", None),
            ("[a-z]+\\.example\\.org", None),
            ("example\\.(org|com)", None),
            (".*", None),
            ("", None),
        ] {
            assert_eq!(entry(pattern), opened.map(|(name, alone)| (name.to_owned(), alone)), "{pattern}");
        }
    }

    #[test]
    fn behind_an_exception_nothing_is_open() {
        let patterns = read("# shops\n^shop\\.example$\n\nexample\\.org$\n!ads\\.example\\.net\nexample\\.net$\n");
        let expected = Patterns {
            names: vec!["shop.example".to_owned()],
            domains: vec!["example.org".to_owned()],
            closed: vec![5, 6],
        };
        assert_eq!(patterns, expected);
    }
}
