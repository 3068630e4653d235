//! The file: what is added stands at its end, with a checksum; what is over is forgotten when it is written anew.
//!
//! It begins with [`HEADER`]. Then come frames: two octets by which a frame is found behind damage, its kind, the length
//! of its content (two octets), its number (eight), a CRC-32 of all of these but the first two and of the content, and
//! the content. Numbers are in network order. The end of the file may be torn by a crash; nobody has been told that what
//! stood there is on the disk.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Name and version of the form.
const HEADER: &[u8; 16] = b"poblano spool 1\n";
const MARK: [u8; 2] = [0xac, 0xc7];
const HEAD_OCTETS: usize = 17;
const RECORD: u8 = 1;
const DONE: u8 = 2;

/// The octets that content of `len` takes in the file, with the frame that says it is over.
pub(super) fn octets_of(len: usize) -> u64 {
    (2 * HEAD_OCTETS + len) as u64
}

/// Appends a frame: a record, or that the record of this number is over.
pub(super) fn put_frame(to: &mut Vec<u8>, number: u64, content: Option<&[u8]>) {
    let kind = if content.is_some() { RECORD } else { DONE };
    let content = content.unwrap_or_default();
    // A record has a user's name, an address and Class attributes: 4 kB at most.
    let content = &content[..content.len().min(usize::from(u16::MAX))];
    to.extend(MARK);
    let from = to.len();
    to.push(kind);
    to.extend((content.len() as u16).to_be_bytes());
    to.extend(number.to_be_bytes());
    let crc = crc32(&[&to[from..], content]);
    to.extend(crc.to_be_bytes());
    to.extend(content);
}

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// By number: the content, and whether it is over.
    pub(super) records: BTreeMap<u64, (Vec<u8>, bool)>,
    /// Octets that are no frame, with frames behind them: not torn but damaged.
    pub(super) damaged: u64,
}

/// Reads what is there; a file that is not there is empty.
pub(super) fn read(path: &Path) -> io::Result<Found> {
    let mut octets = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut octets)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        Err(error) => return Err(error),
    };
    Ok(parse(&octets))
}

pub(super) fn parse(octets: &[u8]) -> Found {
    let mut found = Found::default();
    let Some(mut rest) = octets.strip_prefix(HEADER) else {
        found.damaged = octets.len() as u64;
        return found;
    };
    let mut skipped = 0;
    while !rest.is_empty() {
        match frame(rest) {
            Some((kind, number, content, after)) => {
                found.damaged += std::mem::take(&mut skipped);
                match kind {
                    RECORD => drop(found.records.entry(number).or_insert_with(|| (content.to_vec(), false))),
                    DONE => {
                        if let Some((_, over)) = found.records.get_mut(&number) {
                            *over = true;
                        }
                    }
                    _ => {} // a later version's
                }
                rest = after;
            }
            None => {
                skipped += 1;
                rest = &rest[1..];
            }
        }
    }
    found
}

fn frame(octets: &[u8]) -> Option<(u8, u64, &[u8], &[u8])> {
    let (head, rest) = octets.split_first_chunk::<HEAD_OCTETS>()?;
    if head[..2] != MARK {
        return None;
    }
    let &[_, _, kind, high, low, ref number @ .., c0, c1, c2, c3] = head;
    let (content, after) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    (crc32(&[&head[2..13], content]) == u32::from_be_bytes([c0, c1, c2, c3])).then_some((
        kind,
        u64::from_be_bytes(*number),
        content,
        after,
    ))
}

/// The open file.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    octets: u64,
}

impl Log {
    /// Puts a file that holds these frames into the place of the one that is there. Both are on the disk for a moment.
    pub(super) fn write_anew(path: &Path, frames: &[u8]) -> io::Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let written = Self::write(&beside, frames).and_then(|log| {
            std::fs::rename(&beside, path)?;
            Ok(log)
        });
        match written {
            Ok(log) => {
                path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
                Ok(log)
            }
            Err(error) => {
                let _ = std::fs::remove_file(&beside); // a full disk needs the room
                Err(error)
            }
        }
    }

    fn write(path: &Path, frames: &[u8]) -> io::Result<Self> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.set_len(0)?; // a crash may have left one
        file.write_all(HEADER)?;
        file.write_all(frames)?;
        file.sync_data()?;
        Ok(Self { file, octets: (HEADER.len() + frames.len()) as u64 })
    }

    /// Adds frames: they outlive the process, and after [`sync`](Self::sync) the machine. After an error the end of the
    /// file is unknown, and it must be written anew.
    pub(super) fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        self.octets += frames.len() as u64;
        self.file.write_all(frames)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// One whose every write fails as on a full disk.
    #[cfg(test)]
    pub(super) fn full() -> Self {
        Self { file: OpenOptions::new().write(true).open("/dev/full").expect("a device of the kernel"), octets: 0 }
    }
}

/// IEEE 802.3's, as everybody's tools compute it.
fn crc32(parts: &[&[u8]]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let mut value = at as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    let octets = parts.iter().copied().flatten();
    !octets.fold(u32::MAX, |crc, octet| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ octet)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(contents: &[(u64, Option<&[u8]>)]) -> Vec<u8> {
        let mut octets = HEADER.to_vec();
        for (number, content) in contents {
            put_frame(&mut octets, *number, *content);
        }
        octets
    }

    #[test]
    fn the_checksum_is_the_one_that_everybody_knows() {
        assert_eq!(crc32(&[b"1234", b"56789"]), 0xcbf4_3926);
    }

    #[test]
    fn a_torn_end_costs_what_stood_there_and_nothing_else() {
        let whole = frames(&[(1, Some(b"one")), (2, Some(b"two")), (1, None), (3, Some(b"three"))]);
        let end = whole.len() - b"three".len() - HEAD_OCTETS;
        for cut in end..whole.len() {
            // A file may also end in zeros or in something older, where its length was written and its content was not.
            for tail in [&[][..], &[0; 40], &whole[20..60]] {
                let found = parse(&[&whole[..cut], tail].concat());
                let texts: Vec<_> = found.records.iter().map(|(n, (text, over))| (*n, &text[..], *over)).collect();
                assert_eq!(texts[..2], [(1, &b"one"[..], true), (2, &b"two"[..], false)], "{cut}");
                assert!(!found.records.contains_key(&3));
            }
        }
    }

    #[test]
    fn damage_in_the_middle_costs_one_record_and_is_told() {
        let mut octets = frames(&[(1, Some(b"one")), (2, Some(b"two")), (3, Some(b"three"))]);
        let middle = octets.windows(3).position(|w| w == b"two").expect("it is there");
        octets[middle] ^= 1;
        let found = parse(&octets);
        assert_eq!(found.records.keys().copied().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(found.damaged, (HEAD_OCTETS + 3) as u64);
        assert_eq!(parse(b"poblano spool 2\n something").damaged, 26, "a later version's");
    }
}
