//! A constant for each attribute of `conf/dictionary`, which knows what kind of value it has: writing one of the wrong
//! type does not compile, and reading one gives its type.
//!
//! ```
//! use radius::{AttributeList, attr};
//!
//! let mut attributes = Vec::new();
//! attributes.add(attr::FILTER_ID, "gold")?;
//! attributes.add(attr::SESSION_TIMEOUT, 3600)?;
//! attributes.add(attr::wispr::BANDWIDTH_MAX_UP, 2_000_000)?;
//! assert_eq!(attributes.get(attr::SESSION_TIMEOUT), Some(3600));
//! assert_eq!(attributes.get(attr::CLASS), None);
//! # Ok::<(), radius::BuildError>(())
//! ```

use std::borrow::Cow;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::dictionary::Place;
use crate::items::{self, Item};
use crate::limits::{EXTENDED_OCTETS, FRAGMENT_OCTETS, VALUE_OCTETS};
use crate::packet::{Attribute, BuildError};
use crate::value::{Date, DoesNotFit, Hidden, Ipv6Prefix, Joined, Kind, Octets, Salted, Tagged, Text};

include!(concat!(env!("OUT_DIR"), "/attr.rs"));

/// An attribute: where it stands, and by its type what kind of value it has.
#[derive(Debug)]
pub struct Attr<K> {
    place: Place,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Attr<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Attr<K> {}

impl<K> Attr<K> {
    /// An attribute that the dictionary does not have.
    #[must_use]
    pub const fn new(place: Place) -> Self {
        Self { place, kind: PhantomData }
    }

    /// Where it stands.
    #[must_use]
    pub const fn place(self) -> Place {
        self.place
    }

    /// The number by which a packet begins it: its own, that of Vendor-Specific, or of its extended space.
    #[must_use]
    pub const fn number(self) -> u8 {
        if self.place.space == 0 { self.place.number } else { self.place.space }
    }
}

impl<K: Kind> Attr<K> {
    /// This attribute with a value.
    ///
    /// # Errors
    /// [`BuildError::ValueTooLong`] if the value does not fit into one; [`AttributeList::add`] may write several.
    pub fn of(self, value: K::In<'_>) -> Result<Attribute, BuildError> {
        let mut all = self.write(value)?;
        match (all.pop(), all.len()) {
            (Some(only), 0) => Ok(only),
            (_, more) => Err(self.too_long(more * VALUE_OCTETS)),
        }
    }

    fn write(self, value: K::In<'_>) -> Result<Vec<Attribute>, BuildError> {
        let mut octets = Vec::new();
        K::encode(value, &mut octets).map_err(|DoesNotFit { octets }| self.too_long(octets))?;
        let Place { space, vendor, number, tlv } = self.place;
        if tlv != 0 {
            let length = u8::try_from(octets.len() + 2).map_err(|_| self.too_long(octets.len()))?;
            octets.splice(..0, [tlv, length]);
        }
        // In the extended spaces a vendor's attribute is number 26 and begins with vendor and number.
        let (inner, octets) = match (space, vendor) {
            (241..=246, 1..) => (26, [&vendor.to_be_bytes()[..], &[number], &octets].concat()),
            _ => (number, octets),
        };
        match space {
            0 if K::JOINED => parts(&octets, VALUE_OCTETS).map(|(part, _)| Attribute::bytes(number, part)).collect(),
            0 => Ok(vec![Attribute::bytes(number, &octets)?]),
            241..=244 if octets.len() > EXTENDED_OCTETS => Err(self.too_long(octets.len())),
            241..=244 => Ok(vec![Attribute::bytes(space, &[&[inner], &octets[..]].concat())?]),
            245..=246 => parts(&octets, FRAGMENT_OCTETS)
                .map(|(part, last)| {
                    let flags = if last { 0 } else { items::MORE };
                    Attribute::bytes(space, &[&[inner, flags], part].concat())
                })
                .collect(),
            _ => Ok(vec![Attribute::vendor(vendor, number, &octets)?]),
        }
    }

    /// All values among these items that are of this kind.
    pub(crate) fn read<'a>(self, items: impl Iterator<Item = Item<'a>>) -> impl Iterator<Item = K::Out> {
        let outer = Place { tlv: 0, ..self.place };
        let mut found = items.filter(move |item| item.place == outer && item.whole).map(|item| item.value);
        let joined: Option<Cow<'a, [u8]>> =
            if K::JOINED { found.by_ref().reduce(|all, part| [all, part].concat().into()) } else { None };
        joined.into_iter().chain(found).flat_map(move |value| self.values(&value))
    }

    fn values(self, value: &[u8]) -> Vec<K::Out> {
        match self.place.tlv {
            0 => K::decode(value).into_iter().collect(),
            tlv => items::tlvs(value).filter(|(number, _)| *number == tlv).filter_map(|(_, v)| K::decode(v)).collect(),
        }
    }

    fn too_long(self, octets: usize) -> BuildError {
        BuildError::ValueTooLong { attribute: self.number(), octets }
    }
}

/// Attributes in their order, written and read by their constants.
pub trait AttributeList {
    /// Appends an attribute; several, if it is of a kind that may be longer than one.
    ///
    /// # Errors
    /// [`BuildError::ValueTooLong`] if the attribute cannot carry the value.
    fn add<K: Kind>(&mut self, attr: Attr<K>, value: K::In<'_>) -> Result<(), BuildError>;

    /// The value of an attribute, the first if it came several times; `None` if there is none, or none of its type.
    fn get<K: Kind>(&self, attr: Attr<K>) -> Option<K::Out>;

    /// All values of an attribute.
    fn all<K: Kind>(&self, attr: Attr<K>) -> Vec<K::Out>;
}

impl AttributeList for Vec<Attribute> {
    fn add<K: Kind>(&mut self, attr: Attr<K>, value: K::In<'_>) -> Result<(), BuildError> {
        self.extend(attr.write(value)?);
        Ok(())
    }

    fn get<K: Kind>(&self, attr: Attr<K>) -> Option<K::Out> {
        attr.read(items::of(self)).next()
    }

    fn all<K: Kind>(&self, attr: Attr<K>) -> Vec<K::Out> {
        attr.read(items::of(self)).collect()
    }
}

/// Octets in parts of at most `size`, and whether each is the last one. What is empty has one part.
fn parts(octets: &[u8], size: usize) -> impl Iterator<Item = (&[u8], bool)> {
    let last = octets.len().saturating_sub(1) / size;
    (0..=last).map(move |at| (octets.chunks(size).nth(at).unwrap_or_default(), at == last))
}
