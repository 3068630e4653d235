//! Stands where `templates.rs` does, in the program that shows its own pages only.

use std::io;
use std::path::Path;

use crate::pages::Shown;

/// There are none.
#[derive(Clone, Debug)]
pub enum Templates {}

impl Templates {
    /// Reads nothing: a configuration that asks for it was refused.
    ///
    /// # Errors
    /// Always.
    pub fn read(_: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Shows nothing.
    pub(crate) fn show(&self, _: &impl Shown) -> Option<String> {
        match *self {}
    }
}
