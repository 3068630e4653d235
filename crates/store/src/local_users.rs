//! CoovaChilli's `localusers`: a line `name:password` for each account, and what follows another colon is not looked at.
//! Passwords stand there as they are, so they can answer challenges, which a hash cannot.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::accounts::{AccountsError, FileText, MAX_NAME_OCTETS};

/// The accounts of such a file, as they were when it was read.
pub struct LocalUsers {
    file: FileText,
    passwords: HashMap<String, String>,
}

impl LocalUsers {
    /// Of a file that has not been read yet; one that is not there has no accounts.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { file: FileText::new(path), passwords: HashMap::new() }
    }

    /// The password of `name`, after another look at the file if that has changed. After an error the accounts are
    /// those of before, and the next call tries again.
    pub fn password(&mut self, name: &str) -> Result<Option<&str>, AccountsError> {
        self.file.read_if_changed(|_, text| {
            self.passwords = parse(text);
            Ok(())
        })?;
        Ok(self.passwords.get(name).map(String::as_str))
    }
}

/// A line that is no account is passed over, as CoovaChilli does; of a name that stands twice the first counts.
pub(crate) fn parse(text: &str) -> HashMap<String, String> {
    let mut passwords = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let password = rest.split_once(':').map_or(rest, |(password, _)| password);
        if (1..=MAX_NAME_OCTETS).contains(&name.len()) && !password.is_empty() {
            passwords.entry(name.to_owned()).or_insert_with(|| password.to_owned());
        }
    }
    passwords
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_and_a_password_and_nothing_else_counts() {
        let users = parse("# anne:comment\nanne:s3cret:Anne Example\nben:pass word\n\nanne:other\nnobody\n:x\ncarl:\n");
        assert_eq!(users.len(), 2);
        assert_eq!(users["anne"], "s3cret");
        assert_eq!(users["ben"], "pass word");
        assert!(parse(&format!("{}:x", "n".repeat(300))).is_empty());
    }

    #[test]
    fn the_file_is_read_again_when_it_changes() {
        let path = std::env::temp_dir().join(format!("poblano-local-users-{}", std::process::id()));
        let mut users = LocalUsers::new(path.clone());
        assert_eq!(users.password("anne").expect("no file"), None);
        std::fs::write(&path, "anne:one\n").expect("writes");
        assert_eq!(users.password("anne").expect("a file"), Some("one"));
        std::fs::write(&path, "anne:three\n").expect("writes");
        assert_eq!(users.password("anne").expect("a file"), Some("three"));
        std::fs::remove_file(&path).expect("removes");
        assert_eq!(users.password("anne").expect("no file"), None);
    }
}
