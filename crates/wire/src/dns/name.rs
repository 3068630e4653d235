//! Domain names inside a message and on their own (RFC 1035, 3.1, 4.1.4).

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use super::{Error, HEADER_LEN};

/// The longest name in octets, length octets and root included (RFC 1035, 2.3.4).
pub const MAX_LEN: usize = 255;
/// Pointers that one name may follow. Each must lead further back, so there is no loop; this bounds the work for a
/// name that hops through the message one label at a time. Real encoders need one.
const MAX_POINTERS: u32 = 32;

/// A name inside a message that was checked: reading it again cannot fail.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Name<'a> {
    /// Checks the name at `at`; gives it and the offset of what follows it.
    ///
    /// # Errors
    /// If it leaves the message, is too long, has a reserved label type or a pointer that does not lead backwards.
    pub fn parse(message: &'a [u8], at: usize) -> Result<(Self, usize), Error> {
        let mut cursor = at;
        let mut after = None;
        let mut len = 0;
        // Where this run of labels starts, and where it has to end: a name that is pointed to ends before the one that
        // points begins. So a name never depends on octets after it, and a message can be cut between records.
        let (mut segment, mut bound) = (at, message.len());
        let mut pointers = 0;
        loop {
            let length = *message.get(cursor).ok_or(Error::Short("name"))?;
            match length >> 6 {
                0b00 => {
                    let next = cursor + 1 + usize::from(length);
                    len += 1 + usize::from(length);
                    if len > MAX_LEN {
                        return Err(Error::Name);
                    }
                    if next > bound {
                        return Err(if after.is_some() { Error::Pointer } else { Error::Short("label") });
                    }
                    if length == 0 {
                        return Ok((Self { message, at }, after.unwrap_or(next)));
                    }
                    cursor = next;
                }
                0b11 => {
                    let low = *message.get(cursor + 1).ok_or(Error::Short("name"))?;
                    let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    pointers += 1;
                    // RFC 1035, 4.1.4: a pointer names a prior occurrence; there is none in the header.
                    if !(HEADER_LEN..segment).contains(&target) || cursor + 2 > bound || pointers > MAX_POINTERS {
                        return Err(Error::Pointer);
                    }
                    after.get_or_insert(cursor + 2);
                    (segment, bound) = (target, segment);
                    cursor = target;
                }
                // 0b01 and 0b10 are reserved (RFC 6891, 5).
                _ => return Err(Error::Name),
            }
        }
    }

    pub(super) fn checked(message: &'a [u8], at: usize) -> Self {
        Self { message, at }
    }

    /// The labels from left to right, without the root's.
    #[must_use]
    pub fn labels(&self) -> Labels<'a> {
        Labels { message: self.message, at: self.at, pointers: 0 }
    }

    /// Octets that the name has without compression.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.labels().map(|label| label.len() + 1).sum::<usize>() + 1
    }

    /// The name in lower case and without compression, written to `buffer`: what a [`NameBuf`] has, and can be found by.
    #[must_use]
    pub fn lower<'b>(&self, buffer: &'b mut [u8; MAX_LEN]) -> &'b [u8] {
        let mut len = 0;
        for label in self.labels() {
            // A checked name fits.
            let Some(place) = buffer.get_mut(len..len + 1 + label.len() + 1) else { break };
            place[0] = label.len() as u8;
            place[1..=label.len()].copy_from_slice(label);
            place[1..=label.len()].make_ascii_lowercase();
            len += 1 + label.len();
        }
        buffer[len] = 0;
        &buffer[..=len]
    }

    /// True for the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.labels().next().is_none()
    }

    /// True if this name is `parent` or below it.
    #[must_use]
    pub fn is_within(&self, parent: &Name<'_>) -> bool {
        let (own, wanted) = (self.labels().count(), parent.labels().count());
        own >= wanted && same_labels(self.labels().skip(own - wanted), parent.labels())
    }
}

/// Names are equal whatever their case (RFC 4343, 3).
impl PartialEq<Name<'_>> for Name<'_> {
    fn eq(&self, other: &Name<'_>) -> bool {
        same_labels(self.labels(), other.labels())
    }
}

fn same_labels<'a, 'b>(mut a: impl Iterator<Item = &'a [u8]>, mut b: impl Iterator<Item = &'b [u8]>) -> bool {
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {}
            _ => return false,
        }
    }
}

impl fmt::Display for Name<'_> {
    /// With the final dot. Octets that are neither letter, digit, `-` nor `_` print as `\ddd` (RFC 4343, 2.1), so
    /// that no name can write to a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &octet in label {
                if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_') {
                    write!(f, "{}", char::from(octet))?;
                } else {
                    write!(f, "\\{octet:03}")?;
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The labels of a checked name.
#[derive(Clone, Debug)]
pub struct Labels<'a> {
    message: &'a [u8],
    at: usize,
    pointers: u32,
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while self.pointers <= MAX_POINTERS {
            let length = *self.message.get(self.at)?;
            match length >> 6 {
                0b00 if length > 0 => {
                    let start = self.at + 1;
                    let end = start + usize::from(length);
                    self.at = end;
                    return self.message.get(start..end);
                }
                0b11 => {
                    let low = *self.message.get(self.at + 1)?;
                    self.at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    self.pointers += 1;
                }
                _ => return None,
            }
        }
        None
    }
}

/// A name on its own.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NameBuf(Box<[u8]>);

impl NameBuf {
    /// To compare with names in messages.
    #[must_use]
    pub fn as_name(&self) -> Name<'_> {
        Name::checked(&self.0, 0)
    }
}

/// The octets, in lower case, which are the same for equal names.
impl Borrow<[u8]> for NameBuf {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_name(), f)
    }
}

impl fmt::Debug for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_name(), f)
    }
}

/// A text that is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseNameError;

impl fmt::Display for ParseNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a domain name in ASCII, as in portal.example.com or xn--bcher-kva.example")
    }
}

impl std::error::Error for ParseNameError {}

impl FromStr for NameBuf {
    type Err = ParseNameError;

    /// Letters, digits, `-` and `_`, labels of 1 to 63 octets, kept in lower case. One final dot may stand or not.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut bytes = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            let fits = matches!(label.len(), 1..=63);
            if !fits || !label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
                return Err(ParseNameError);
            }
            bytes.push(label.len() as u8);
            bytes.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
        }
        bytes.push(0);
        if bytes.len() > MAX_LEN { Err(ParseNameError) } else { Ok(Self(bytes.into_boxed_slice())) }
    }
}
