//! Attributes as people write them: a name of the dictionary and a value.

use std::net::Ipv4Addr;

use super::{ENTRIES, Entry, Type};
use crate::packet::Attribute;

/// Why a line is no attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWritten {
    /// The dictionary has no such name, or one of a kind that nobody writes so: hidden, tagged, or within another.
    Unknown,
    /// The value is none of its type, or too long.
    Unreadable,
}

/// The attribute of that name with that value. Names of CoovaChilli are those of ChilliSpot, numbers may be names of values,
/// octets are text, or hexadecimal digits after `0x`.
///
/// # Errors
/// [`NotWritten`]
pub fn written(name: &str, value: &str) -> Result<Attribute, NotWritten> {
    let entry = named(name).ok_or(NotWritten::Unknown)?;
    let octets = octets(entry, value)?;
    let place = entry.place;
    match place.vendor {
        0 => Attribute::bytes(place.number, &octets),
        vendor => Attribute::vendor(vendor, place.number, &octets),
    }
    .map_err(|_| NotWritten::Unreadable)
}

fn named(name: &str) -> Option<&'static Entry> {
    let coovas = name.split_at_checked("CoovaChilli-".len());
    let coovas = coovas.filter(|(vendor, _)| vendor.eq_ignore_ascii_case("CoovaChilli-"));
    let chillispots = coovas.map(|(_, rest)| format!("ChilliSpot-{rest}"));
    let name = chillispots.as_deref().unwrap_or(name);
    let is_plain = |entry: &&Entry| {
        let place = entry.place;
        matches!(place.space, 0 | 26) && place.tlv == 0 && entry.flags.encrypt == 0 && !entry.flags.tagged
    };
    ENTRIES.iter().find(|entry| entry.name.eq_ignore_ascii_case(name)).filter(is_plain)
}

fn octets(entry: &Entry, value: &str) -> Result<Vec<u8>, NotWritten> {
    let number = || {
        let named =
            || entry.values.iter().find(|(_, name)| name.eq_ignore_ascii_case(value)).map(|(number, _)| *number);
        value.parse::<u64>().ok().or_else(|| named().map(u64::from)).ok_or(NotWritten::Unreadable)
    };
    let unreadable = |_| NotWritten::Unreadable;
    Ok(match entry.ty {
        Type::Byte => u8::try_from(number()?).map_err(unreadable)?.to_be_bytes().to_vec(),
        Type::Short => u16::try_from(number()?).map_err(unreadable)?.to_be_bytes().to_vec(),
        Type::Integer | Type::Date => u32::try_from(number()?).map_err(unreadable)?.to_be_bytes().to_vec(),
        Type::Integer64 => number()?.to_be_bytes().to_vec(),
        Type::IpAddr => value.parse::<Ipv4Addr>().map_err(|_| NotWritten::Unreadable)?.octets().to_vec(),
        // An empty text says nothing, and an attribute has a value (RFC 2865, section 5).
        Type::String | Type::Octets if value.is_empty() => return Err(NotWritten::Unreadable),
        Type::String => value.as_bytes().to_vec(),
        Type::Octets => match value.strip_prefix("0x") {
            Some(digits) => hex(digits).ok_or(NotWritten::Unreadable)?,
            None => value.as_bytes().to_vec(),
        },
        _ => return Err(NotWritten::Unknown),
    })
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let octet = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::{self, Attr, chillispot, wispr};
    use crate::packet::BuildError;
    use crate::value::Kind;

    fn of<K: Kind>(attr: Attr<K>, value: K::In<'_>) -> Result<Attribute, NotWritten> {
        attr.of(value).map_err(|_: BuildError| NotWritten::Unreadable)
    }

    #[test]
    fn names_are_the_dictionarys_and_coovachillis_are_chillispots() {
        for (name, value, attribute) in [
            ("Session-Timeout", "3600", of(attr::SESSION_TIMEOUT, 3600)),
            ("session-timeout", "3600", of(attr::SESSION_TIMEOUT, 3600)),
            ("Service-Type", "Login", of(attr::SERVICE_TYPE, 1)),
            ("Reply-Message", "Hello: you", of(attr::REPLY_MESSAGE, "Hello: you")),
            ("Class", "0x00ff", of(attr::CLASS, &[0, 255])),
            ("Class", "gold", of(attr::CLASS, b"gold")),
            ("WISPr-Bandwidth-Max-Down", "2000000", of(wispr::BANDWIDTH_MAX_DOWN, 2_000_000)),
            ("ChilliSpot-Max-Total-Octets", "7", of(chillispot::MAX_TOTAL_OCTETS, 7)),
            ("CoovaChilli-Max-Total-Octets", "7", of(chillispot::MAX_TOTAL_OCTETS, 7)),
            ("coovachilli-Bandwidth-Max-Up", "64", of(chillispot::BANDWIDTH_MAX_UP, 64)),
        ] {
            assert_eq!(written(name, value), attribute, "{name}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_not_read_and_a_name_that_nobody_knows_is_none() {
        for (name, value) in [
            ("Session-Timeout", "soon"),
            ("Session-Timeout", "-1"),
            ("Session-Timeout", "4294967296"),
            ("Session-Timeout", ""),
            ("Framed-IP-Address", "10.0.0"),
            ("Class", "0x0"),
            ("Class", "0xgg"),
            ("Reply-Message", ""),
        ] {
            assert_eq!(written(name, value), Err(NotWritten::Unreadable), "{name}: {value}");
        }
        assert_eq!(written("Filter-Id", &"x".repeat(254)), Err(NotWritten::Unreadable));
        for name in ["", "Session", "CoovaChilli-", "CoovaChilli-Session-Timeout", "User-Password", "Tunnel-Type", "Äé"]
        {
            assert_eq!(written(name, "1"), Err(NotWritten::Unknown), "{name}");
        }
    }
}
