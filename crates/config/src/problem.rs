use std::fmt;

/// One thing that is wrong or unwise, printed as `file:line:column: [section].key: what is wrong; what to do`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named to us.
    pub file: String,
    /// Line and column, both from 1, the column in characters; `None` when it is about something absent.
    pub position: Option<(usize, usize)>,
    /// `[section].key`, a command line option, or empty for the file as a whole.
    pub place: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(file: &str, place: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), position: None, place: place.to_owned(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if !self.place.is_empty() {
            write!(f, ": {}", self.place)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Everything that keeps a configuration from being used, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// Never empty.
    pub problems: Vec<Problem>,
    /// What would have been warned about.
    pub warnings: Vec<Problem>,
}

impl Errors {
    pub(crate) fn about_file(file: &str, error: &std::io::Error) -> Self {
        let advice = match error.kind() {
            std::io::ErrorKind::NotFound => "; name another with --config, or run without one: poblano run --lan eth1",
            std::io::ErrorKind::PermissionDenied => "; run as the user that owns it",
            std::io::ErrorKind::InvalidData => "; save it as UTF-8 text",
            _ => "",
        };
        let problem = Problem::new(file, "", format!("cannot read the configuration: {error}{advice}"));
        Self { problems: vec![problem], warnings: Vec::new() }
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let line_end = if i == 0 { "" } else { "\n" };
            write!(f, "{line_end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// Line and column, both from 1, of a byte of `text`.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters() {
        let text = "a = 1\nname = \"Müller\" x";
        assert_eq!(position(text, text.len() - 1), (2, 17));
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 999), (2, 18));
    }
}
