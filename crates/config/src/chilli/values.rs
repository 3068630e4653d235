//! Values as CoovaChilli reads them.

use std::net::Ipv4Addr;

use wire::MacAddr;

use super::options::Kind;
use crate::InterfaceAddress;
use crate::units::is_name;

/// Why `value` is none of this kind and what to write, if it is not. A secret is not repeated.
pub(super) fn check(kind: Kind, value: &str) -> Result<(), String> {
    let good = match kind {
        Kind::Flag => return if value.is_empty() { Ok(()) } else { Err("is a flag; leave the value out".to_owned()) },
        Kind::Text | Kind::Secret | Kind::List => true,
        Kind::Int => integer(value).is_some(),
        Kind::Address => value.parse::<Ipv4Addr>().is_ok(),
        Kind::Network => network(value).is_some(),
        Kind::Host => value.parse::<Ipv4Addr>().is_ok() || is_name(value),
        Kind::Mac => mac(value).is_some(),
    };
    let wanted = match kind {
        Kind::Int => "a whole number",
        Kind::Address => "an IPv4 address",
        Kind::Network => "a network such as 192.168.182.0/24",
        Kind::Host => "an IPv4 address or a name",
        _ => "an Ethernet address such as 02-00-5E-10-00-01",
    };
    match (value.is_empty(), good) {
        (true, _) => Err("has no value; write one, or take the line out".to_owned()),
        (_, true) => Ok(()),
        (_, false) => Err(format!("is {:?}; write {wanted}", shortened(value))),
    }
}

/// Decimal, `0x` hexadecimal, or octal with a leading 0.
pub(super) fn integer(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    let plain = digits.chars().all(|c| c.is_digit(radix));
    if plain { u64::from_str_radix(digits, radix).ok() } else { None }
}

/// An address with `/24`, `/255.255.255.0`, or no mask, which is /24. Host bits may be set.
pub(super) fn network(text: &str) -> Option<InterfaceAddress> {
    let (address, mask) = text.split_once('/').unwrap_or((text, "24"));
    let prefix = match mask.parse::<Ipv4Addr>() {
        Ok(mask) => prefix_of(mask)?,
        Err(_) => mask.parse().ok().filter(|prefix| *prefix <= 32)?,
    };
    Some(InterfaceAddress { address: address.parse().ok()?, prefix })
}

/// The length of a netmask; `None` for one with holes.
pub(super) fn prefix_of(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    (bits.leading_ones() + bits.trailing_zeros() == 32 || bits == u32::MAX).then_some(bits.leading_ones() as u8)
}

/// Six groups of two hexadecimal digits, whatever is between them.
pub(super) fn mac(text: &str) -> Option<MacAddr> {
    let plain: String = text.chars().map(|c| if c.is_ascii_hexdigit() { c } else { '-' }).collect();
    plain.parse().ok().filter(|mac: &MacAddr| mac.is_station())
}

/// The items of a list: commas separate them, `\,` is a comma.
pub(super) fn items(text: &str) -> Vec<String> {
    let (mut items, mut item) = (Vec::new(), String::new());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' if rest.next_if_eq(&',').is_some() => item.push(','),
            ',' => items.push(std::mem::take(&mut item)),
            c => item.push(c),
        }
    }
    items.push(item);
    items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

/// As much of a value as a message may show.
pub(super) fn shortened(value: &str) -> String {
    value.chars().take(60).collect()
}

/// As much of a name as a message may show: with `radiussecret:xyz` for one, what no option has in its name is a secret.
pub(super) fn shown_name(name: &str) -> String {
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-')).unwrap_or(name.len());
    if end == 0 { "line".to_owned() } else { shortened(&name[..end]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_only_what_may_be_one_is_shown() {
        for (name, shown) in
            [("radiussecret:xyz", "radiussecret"), ("HS_UAM-X", "HS_UAM-X"), (":xyz", "line"), ("\u{e4}", "line")]
        {
            assert_eq!(shown_name(name), shown);
        }
    }

    #[test]
    fn numbers_have_three_bases() {
        for (text, number) in [("0", 0), ("600", 600), ("0x10", 16), ("017", 15), ("0X1f", 31)] {
            assert_eq!(integer(text), Some(number), "{text}");
        }
        for text in ["", "0x", "08", "-1", "+1", "1.5", "ten", "99999999999999999999999"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_has_a_length_a_mask_or_neither() {
        for (text, shown) in [
            ("10.1.0.0/16", "10.1.0.0/16"),
            ("10.1.0.0/255.255.0.0", "10.1.0.0/16"),
            ("10.1.0.0", "10.1.0.0/24"),
            ("10.1.0.7/24", "10.1.0.7/24"),
            ("10.1.0.1/255.255.255.255", "10.1.0.1/32"),
            ("0.0.0.0/0.0.0.0", "0.0.0.0/0"),
        ] {
            assert_eq!(network(text).map(|n| n.to_string()).as_deref(), Some(shown), "{text}");
        }
        for text in ["", "10.1.0.0/33", "10.1.0.0/255.0.255.0", "10.1/16", "lan/24"] {
            assert_eq!(network(text), None, "{text}");
        }
    }

    #[test]
    fn a_list_is_split_at_commas_that_are_not_escaped() {
        assert_eq!(items("a, b ,,c"), ["a", "b", "c"]);
        assert_eq!(items(r"a\,b,c\d\"), ["a,b", r"c\d\"]);
        assert_eq!(items(""), [""; 0]);
    }

    #[test]
    fn a_mac_has_any_separators() {
        for text in ["02:00:5e:10:00:01", "02 00 5E 10 00 01", "02005e100001", "02_00_5e_10_00_01"] {
            assert_eq!(mac(text).map(|m| m.to_string()).as_deref(), Some("02:00:5e:10:00:01"), "{text}");
        }
        assert_eq!((mac("01:00:5e:10:00:01"), mac("02:00"), mac("é")), (None, None, None));
    }
}
