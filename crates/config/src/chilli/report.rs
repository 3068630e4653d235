//! What became of each line, in words for the operator. No value of a secret is ever in it.

use std::fmt;

use crate::Problem;

/// A place in a file, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file as it was named or included.
    pub file: String,
    /// Its line, from 1; `None` when nothing stands there and a default is meant.
    pub line: Option<usize>,
    /// The option or variable as it is written there.
    pub name: String,
}

impl Origin {
    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        let position = self.line.map(|line| (line, 1));
        Problem { file: self.file.clone(), position, place: self.name.clone(), message: message.into() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line} {}", self.file, self.name),
            None => write!(f, "default of {}", self.name),
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is a key that means the same.
    CarriedOver,
    /// It is a key that means something else in part.
    Changed,
    /// Nothing is missing without it.
    NotNeeded,
    /// It is missing.
    NotSupported,
}

/// How much that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Nobody gets more than before, or is kept out by it.
    Plain,
    /// What was open is closed now: on purpose, and to be decided by the operator.
    Closed,
    /// What was closed would be open. Nothing runs with this until the operator has settled it.
    Laxer,
}

/// What became of one line, or of a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands.
    pub origin: Origin,
    /// What became of it.
    pub outcome: Outcome,
    /// How much that is.
    pub weight: Weight,
    /// Which key it is, why it is not the same, what to do instead.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.weight {
            Weight::Plain => "",
            Weight::Closed => " [closed now]",
            Weight::Laxer => " [to be settled]",
        };
        write!(f, "{}:{mark} {}", self.origin, self.text)
    }
}

/// What became of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of the files.
    pub findings: Vec<Finding>,
    /// What our own check has to say about the result.
    pub warnings: Vec<Problem>,
}

impl Report {
    /// True when something that keeps guests in or out could not be carried over.
    #[must_use]
    pub fn is_security_relevant(&self) -> bool {
        self.findings.iter().any(|f| f.weight != Weight::Plain)
    }

    /// What would be open that was closed.
    pub fn laxer(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.weight == Weight::Laxer)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (outcome, heading) in [
            (Outcome::CarriedOver, "Carried over"),
            (Outcome::Changed, "Changed"),
            (Outcome::NotNeeded, "Not needed"),
            (Outcome::NotSupported, "Not supported"),
        ] {
            let mut of_this = self.findings.iter().filter(|finding| finding.outcome == outcome).peekable();
            if of_this.peek().is_some() {
                writeln!(f, "{heading}")?;
                of_this.try_for_each(|finding| writeln!(f, "  {finding}"))?;
            }
        }
        if !self.warnings.is_empty() {
            writeln!(f, "Warnings about the result")?;
            self.warnings.iter().try_for_each(|warning| writeln!(f, "  {warning}"))?;
        }
        Ok(())
    }
}
