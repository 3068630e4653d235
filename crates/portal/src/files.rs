//! Files of the operator's, below `/www/`: pages, pictures and scripts, no programs.
//!
//! They are read once, at the start, and a request is looked up among their names: no request opens a file, so none leads
//! out of the folder, blocks the gateway or finds what was put there for a moment.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use hyper::body::Bytes;

/// All files together. They are held in memory, of which a router has 64 MB.
const MAX_OCTETS: usize = 4 << 20;
/// Files, and anything else that lies there.
const MAX_ENTRIES: usize = 512;
/// Folders within folders.
const MAX_DEPTH: usize = 8;

/// What is served, by name: `pictures/house.jpg`.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<String, (&'static str, Bytes)>);

impl Files {
    /// Reads a folder. Symbolic links are not followed; what has another name or kind than a web page's files have is left
    /// out.
    ///
    /// # Errors
    /// Something cannot be read, or there is too much of it.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut reader = Reader { files: Self::default(), entries: MAX_ENTRIES, octets: MAX_OCTETS };
        reader.folder(folder, "", MAX_DEPTH)?;
        Ok(reader.files)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&(&'static str, Bytes)> {
        self.0.get(name)
    }
}

/// A folder while it is read, and what may still come.
struct Reader {
    files: Files,
    entries: usize,
    octets: usize,
}

impl Reader {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> io::Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| too_much(folder, "too deep a folder"))?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            self.entries = self.entries.checked_sub(1).ok_or_else(|| too_much(folder, "more than 512 files"))?;
            let Some(name) =
                entry.file_name().to_str().filter(|name| is_plain(name)).map(|name| format!("{prefix}{name}"))
            else {
                continue;
            };
            let kind = entry.file_type()?; // of a symbolic link itself
            if kind.is_dir() {
                self.folder(&entry.path(), &format!("{name}/"), depth)?;
            } else if let (true, Some(kind)) = (kind.is_file(), kind_of(&name)) {
                let content = self.file(&entry.path())?;
                self.files.0.insert(name, (kind, content));
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> io::Result<Bytes> {
        let mut content = Vec::new();
        File::open(path)?.take(self.octets as u64 + 1).read_to_end(&mut content)?;
        self.octets =
            self.octets.checked_sub(content.len()).ok_or_else(|| too_much(path, "with it more than 4 MiB"))?;
        content.shrink_to_fit();
        Ok(content.into())
    }
}

fn too_much(path: &Path, what: &str) -> io::Error {
    io::Error::other(format!("{}: {what}", path.display()))
}

/// True for what stands for itself in an address, and is not hidden.
fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._-".contains(&octet))
}

/// What a file is, by the end of its name.
fn kind_of(name: &str) -> Option<&'static str> {
    let (_, end) = name.rsplit_once('.')?;
    Some(match end.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "json" => "application/json",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp4" => "video/mp4",
        "ogv" => "video/ogg",
        "pdf" => "application/pdf",
        "dat" => "application/octet-stream",
        _ => return None,
    })
}
