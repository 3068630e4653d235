//! `/etc/chilli/defaults` and `/etc/chilli/config`: variables of a shell. Only assignments are understood, and nothing is
//! executed; any other line is told.

use std::collections::BTreeMap;

use super::Notes;
use super::report::{Origin, Outcome, Weight};

/// A variable more is no configuration.
const MAX_VARIABLES: usize = 1000;
/// Substitution could make a value longer and longer.
const MAX_VALUE_OCTETS: usize = 8000;

/// Variables with the place of their last assignment.
#[derive(Debug, Default)]
pub(super) struct Variables {
    values: BTreeMap<String, (String, Origin)>,
}

impl Variables {
    pub(super) fn get(&self, name: &str) -> Option<(&str, &Origin)> {
        self.values.get(name).map(|(value, origin)| (value.as_str(), origin))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    pub(super) fn value(&self, name: &str) -> &str {
        self.get(name).map_or("", |(value, _)| value)
    }

    /// `text` with `$NAME` and `${NAME}` replaced.
    pub(super) fn substitute(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out += before;
            match variable(after) {
                Some((name, after)) => {
                    out += self.value(name);
                    rest = after;
                }
                None => {
                    out.push('$');
                    rest = after;
                }
            }
            if out.len() > MAX_VALUE_OCTETS {
                return String::new();
            }
        }
        out + rest
    }
}

/// True when a text is such a file rather than a chilli.conf.
pub(super) fn is_shell(text: &str) -> bool {
    text.lines().any(|line| assignment(line.trim()).is_some_and(|(name, _)| name.starts_with("HS_")))
}

/// Reads the assignments of `text` over those that there are.
pub(super) fn read(text: &str, file: &str, variables: &mut Variables, notes: &mut Notes) {
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if notes.is_full() {
            return;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |name: &str| Origin { file: file.to_owned(), line: Some(index + 1), name: name.to_owned() };
        let Some((name, value)) = assignment(line) else {
            let text = "is no assignment and was not executed; if it sets something, write that as NAME=value";
            notes.found(&at("line"), Outcome::NotSupported, Weight::Laxer, text);
            continue;
        };
        match unquoted(value, variables) {
            Ok(value) if variables.values.len() < MAX_VARIABLES => {
                variables.values.insert(name.to_owned(), (value, at(name)));
            }
            Ok(_) => notes.mistakes.push(at(name).problem("is one variable too many; take out what is not needed")),
            Err(why) => notes.mistakes.push(at(name).problem(why)),
        }
    }
}

/// `NAME` and what follows the `=`.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=')?;
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    is_name.then_some((name, value))
}

/// The name of a variable behind a `$`, and what follows it.
fn variable(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}').filter(|(name, _)| name.chars().all(is_part));
    }
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The value as a shell would have it, without running anything. Messages do not repeat it.
fn unquoted(text: &str, variables: &Variables) -> Result<String, &'static str> {
    const RUNS: &str = "has a command in it, and nothing is executed; write what the command prints";
    let (mut out, mut rest, mut quote) = (String::new(), text, None);
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or("");
        rest = after;
        match (c, quote) {
            ('\'', None) | ('"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, Some('\'')) => out.push(c),
            ('`', _) => return Err(RUNS),
            ('\\', _) => {
                let Some(next) = after.chars().next() else {
                    return Err("goes on in the next line; write it in one");
                };
                if quote.is_some() && !matches!(next, '$' | '`' | '"' | '\\') {
                    out.push('\\');
                }
                out.push(next);
                rest = after.get(next.len_utf8()..).unwrap_or("");
            }
            ('$', _) if after.starts_with('(') => return Err(RUNS),
            ('$', _) => match variable(after) {
                Some((name, behind)) => {
                    out += variables.value(name);
                    rest = behind;
                }
                None if after.starts_with('{') => {
                    return Err("has a ${...} of a kind that only a shell knows; write the value");
                }
                None => out.push('$'),
            },
            (c, None) if c.is_whitespace() => {
                let behind = rest.trim_start();
                if behind.is_empty() || behind.starts_with('#') {
                    return Ok(out);
                }
                return Err("something follows the value; put a value with blanks into quotes");
            }
            (';' | '&' | '|' | '<' | '>' | '(' | ')', None) => return Err(RUNS),
            (c, _) => out.push(c),
        }
        if out.len() > MAX_VALUE_OCTETS {
            return Err("has more than 8000 octets");
        }
    }
    if quote.is_some() { Err("the quotes do not end in this line") } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Variables, Notes) {
        let (mut variables, mut notes) = (Variables::default(), Notes::default());
        read(text, "config", &mut variables, &mut notes);
        (variables, notes)
    }

    #[test]
    fn values_are_what_a_shell_would_make_of_them() {
        let text = "HS_A=10.1.0.1\nexport HS_B=\"http://$HS_A:3990/ #x\" # why\nHS_C='$HS_A'\nHS_D=http://\\$HS_A/\n\
                    HS_E=\"${HS_A}x\"y'z'\nHS_F=\nHS_G=\"$HS_NONE\"\n";
        let (variables, notes) = parsed(text);
        for (name, value) in [
            ("HS_B", "http://10.1.0.1:3990/ #x"),
            ("HS_C", "$HS_A"),
            ("HS_D", "http://$HS_A/"),
            ("HS_E", "10.1.0.1xyz"),
            ("HS_F", ""),
            ("HS_G", ""),
        ] {
            assert_eq!(variables.value(name), value, "{name}");
        }
        assert_eq!(variables.substitute(variables.value("HS_D")), "http://10.1.0.1/");
        assert!(notes.mistakes.is_empty() && notes.findings.is_empty());
    }

    #[test]
    fn nothing_is_executed_and_what_would_be_is_told() {
        let (variables, notes) = parsed(
            "HS_A=$(id)\nHS_B=`id`\nHS_C=a;reboot\n. /etc/secrets\nif true; then\nHS_D=\"open\nHS_E=${A:-b}\nHS_F=a b\n",
        );
        assert_eq!(variables.names().count(), 0);
        assert_eq!(notes.mistakes.len(), 6);
        assert_eq!(notes.findings.iter().map(|f| f.origin.line).collect::<Vec<_>>(), [Some(4), Some(5)]);
    }
}
