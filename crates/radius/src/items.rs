//! The attributes inside attributes: a vendor's (RFC 2865, section 5.26), and those of the extended spaces (RFC 6929),
//! whose fragments are put together here. Packets are bounded, so is what can be put together.

use std::borrow::Cow;
use std::fmt;

use crate::dictionary::{self, Place};
use crate::packet::Attribute;
use crate::print;

/// The flag of a long extended attribute whose value goes on in the next one (RFC 6929, section 2.2).
pub(crate) const MORE: u8 = 0x80;

const VENDOR_SPECIFIC: u8 = 26;

/// One attribute, wherever it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// Where it stood.
    pub place: Place,
    /// Its value, without the header of any space.
    pub value: Cow<'a, [u8]>,
    /// False if the space that it should be in is laid out in a way that it must not be. Then `place` and `value` are
    /// those of the outer attribute.
    pub whole: bool,
}

impl fmt::Display for Item<'_> {
    /// Name and value; secrets are hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::item(f, self)
    }
}

/// All items of attributes.
pub(crate) fn of(attributes: &[Attribute]) -> Items<'_, impl Iterator<Item = (u8, &[u8])> + Clone> {
    Items::new(attributes.iter().map(|attribute| (attribute.number(), attribute.value())))
}

/// Type and value of each TLV. What follows a length that does not fit is left out.
pub(crate) fn tlvs(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&number, &length) = (rest.first()?, rest.get(1)?);
        let value = rest.get(2..usize::from(length))?;
        rest = rest.get(usize::from(length)..)?;
        Some((number, value))
    })
}

/// Walks over items.
#[derive(Clone, Debug)]
pub struct Items<'a, I> {
    raw: I,
    /// What is left of a Vendor-Specific attribute.
    vendor: Option<(u32, &'a [u8])>,
}

impl<'a, I: Iterator<Item = (u8, &'a [u8])> + Clone> Items<'a, I> {
    pub(crate) fn new(raw: I) -> Self {
        Self { raw, vendor: None }
    }

    /// The next attribute of the vendor whose Vendor-Specific was begun.
    fn of_vendor(&mut self) -> Option<Item<'a>> {
        let (vendor, rest) = self.vendor.take()?;
        let (&number, &length) = (rest.first()?, rest.get(1)?);
        let (value, rest) = (rest.get(2..usize::from(length))?, rest.get(usize::from(length)..)?);
        self.vendor = Some((vendor, rest));
        Some(Item { place: Place::vendor(vendor, number), value: value.into(), whole: true })
    }

    /// Of a vendor we know, each octet must belong to an attribute. Others may have a layout of their own, and are
    /// shown as far as they can be read.
    fn vendor_specific(&mut self, value: &'a [u8]) -> Item<'a> {
        let outer = |whole| Item { place: Place::standard(VENDOR_SPECIFIC), value: value.into(), whole };
        let Some((vendor, rest)) = value.split_first_chunk::<4>() else { return outer(false) };
        let vendor = u32::from_be_bytes(*vendor);
        let read: usize = tlvs(rest).map(|(_, value)| value.len() + 2).sum();
        if dictionary::knows(vendor) && read != rest.len() {
            return outer(false);
        }
        self.vendor = Some((vendor, rest));
        self.of_vendor().unwrap_or_else(|| outer(true))
    }

    /// An attribute of a space, and of a long one all its fragments, which stand together (RFC 6929, section 2.2).
    fn extended(&mut self, space: u8, value: &'a [u8]) -> Option<Item<'a>> {
        let (&number, mut first) = value.split_first()?;
        let mut joined = Cow::Borrowed(first);
        if space >= 245 {
            let flags;
            (flags, first) = first.split_first()?;
            joined = first.into();
            let mut more = flags & MORE != 0;
            while more {
                let before = self.raw.clone();
                match self.raw.next() {
                    Some((same, [kind, flags, part @ ..])) if (same, *kind) == (space, number) => {
                        joined.to_mut().extend(part);
                        more = flags & MORE != 0;
                    }
                    _ => {
                        self.raw = before;
                        return None;
                    }
                }
            }
        }
        if number != VENDOR_SPECIFIC {
            return Some(Item { place: Place::extended(space, number), value: joined, whole: true });
        }
        let (vendor, rest) = joined.split_first_chunk::<4>()?;
        let (&number, rest) = rest.split_first()?;
        let vendor = Some(u32::from_be_bytes(*vendor)).filter(|vendor| *vendor != 0)?;
        let place = Place::extended_vendor(space, vendor, number);
        Some(Item { place, value: rest.to_vec().into(), whole: true })
    }
}

impl<'a, I: Iterator<Item = (u8, &'a [u8])> + Clone> Iterator for Items<'a, I> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if let Some(item) = self.of_vendor() {
            return Some(item);
        }
        let (number, value) = self.raw.next()?;
        let outer = |whole| Item { place: Place::standard(number), value: value.into(), whole };
        Some(match number {
            VENDOR_SPECIFIC => self.vendor_specific(value),
            241..=246 => self.extended(number, value).unwrap_or_else(|| outer(false)),
            _ => outer(true),
        })
    }
}
