//! Attributes on one line, with secrets hidden.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::dictionary::{self, Entry, Place, Type};
use crate::items::{self, Item};
use crate::value::{Ipv6Prefix, Kind, Tagged, Text};

/// Each attribute with a space before it.
pub(crate) fn items<'a>(f: &mut fmt::Formatter<'_>, mut items: impl Iterator<Item = Item<'a>>) -> fmt::Result {
    items.try_for_each(|item| {
        f.write_str(" ")?;
        self::item(f, &item)
    })
}

/// One attribute. A vendor that we do not know may send keys, so its values are hidden.
pub(crate) fn item(f: &mut fmt::Formatter<'_>, item: &Item<'_>) -> fmt::Result {
    match dictionary::lookup(item.place) {
        Some(entry) => known(f, entry, &item.value),
        None if item.place.vendor != 0 => write!(f, "{}=<hidden>", item.place),
        None => {
            write!(f, "{}=", item.place)?;
            hex(f, &item.value)
        }
    }
}

fn known(f: &mut fmt::Formatter<'_>, entry: &Entry, value: &[u8]) -> fmt::Result {
    f.write_str(entry.name)?;
    if entry.flags.secret {
        return f.write_str("=<hidden>");
    }
    if entry.flags.tagged {
        let found = match entry.ty {
            Type::Integer => Tagged::<u32>::decode(value).map(|(tag, value)| (tag, value.to_be_bytes().to_vec())),
            _ => Tagged::<Text>::decode(value).map(|(tag, text)| (tag, text.into_bytes())),
        };
        if let Some((tag, value)) = found {
            if tag.number() != 0 {
                write!(f, ":{}", tag.number())?;
            }
            f.write_str("=")?;
            return plain(f, entry, &value);
        }
    }
    f.write_str("=")?;
    plain(f, entry, value)
}

fn plain(f: &mut fmt::Formatter<'_>, entry: &Entry, value: &[u8]) -> fmt::Result {
    let number = |f: &mut fmt::Formatter<'_>, number: u32| match entry.value_name(number) {
        Some(name) => f.write_str(name),
        None => write!(f, "{number}"),
    };
    match entry.ty {
        Type::String => return write!(f, "\"{}\"", value.escape_ascii()),
        Type::Byte => u8::decode(value).map(|value| number(f, value.into())),
        Type::Short => u16::decode(value).map(|value| number(f, value.into())),
        Type::Integer | Type::Date => u32::decode(value).map(|value| number(f, value)),
        Type::Integer64 => u64::decode(value).map(|value| write!(f, "{value}")),
        Type::IpAddr => Ipv4Addr::decode(value).map(|address| write!(f, "{address}")),
        Type::Ipv6Addr => Ipv6Addr::decode(value).map(|address| write!(f, "{address}")),
        Type::Ipv6Prefix => Ipv6Prefix::decode(value).map(|p| write!(f, "{}/{}", p.address(), p.length())),
        Type::Tlv => return tlvs(f, entry.place, value),
        // Containers whose content could not be read; there may be keys in it.
        Type::Vsa | Type::Extended | Type::LongExtended | Type::Evs => {
            return write!(f, "<{} octets>", value.len());
        }
        Type::Octets | Type::IfId => None,
    }
    .unwrap_or_else(|| hex(f, value))
}

fn tlvs(f: &mut fmt::Formatter<'_>, place: Place, value: &[u8]) -> fmt::Result {
    f.write_str("{")?;
    for (number, value) in items::tlvs(value) {
        f.write_str(" ")?;
        item(f, &Item { place: place.child(number), value: value.into(), whole: true })?;
    }
    f.write_str(" }")
}

fn hex(f: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    f.write_str("0x")?;
    value.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}
