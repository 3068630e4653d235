//! Names and types of the attributes in `conf/dictionary`, for printing and for the check of lengths. What is not
//! there survives parsing and prints by number.

pub mod file;
mod written;

pub use self::file::{Flags, Place, Type};
pub use self::written::{NotWritten, written};

include!(concat!(env!("OUT_DIR"), "/dictionary.rs"));

/// What the dictionary knows about one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its number.
    pub place: Place,
    /// How to read the value.
    pub ty: Type,
    /// What else.
    pub flags: Flags,
    values: &'static [(u32, &'static str)],
}

impl Entry {
    /// The name of an integer's value, where it has one.
    #[must_use]
    pub fn value_name(&self, value: u32) -> Option<&'static str> {
        let at = self.values.binary_search_by_key(&value, |(number, _)| *number).ok()?;
        self.values.get(at).map(|(_, name)| *name)
    }

    /// True where a value cannot have so many octets.
    #[must_use]
    pub(crate) fn forbids(&self, octets: usize) -> bool {
        match self.ty {
            Type::Byte => octets != 1,
            Type::Short => octets != 2,
            // With a tag it is one octet and three.
            Type::Integer | Type::Date | Type::IpAddr => octets != 4,
            Type::Integer64 | Type::IfId => octets != 8,
            Type::Ipv6Addr => octets != 16,
            Type::Ipv6Prefix => !(2..=18).contains(&octets),
            Type::String | Type::Octets | Type::Tlv => false,
            Type::Vsa | Type::Extended | Type::LongExtended | Type::Evs => false,
        }
    }
}

/// All attributes, by place.
#[must_use]
pub fn entries() -> &'static [Entry] {
    ENTRIES
}

/// The entry of an attribute.
#[must_use]
pub fn lookup(place: Place) -> Option<&'static Entry> {
    ENTRIES.binary_search_by_key(&place, |entry| entry.place).ok().and_then(|at| ENTRIES.get(at))
}

/// True if the dictionary has attributes of this vendor, all of which are then laid out as RFC 2865, section 5.26 has it.
pub(crate) fn knows(vendor: u32) -> bool {
    let first = Place { space: 26, vendor, number: 0, tlv: 0 };
    let at = ENTRIES.partition_point(|entry| entry.place < first);
    ENTRIES.get(at).is_some_and(|entry| (entry.place.space, entry.place.vendor) == (26, vendor))
}
