//! DHCP options that the operator writes.

use std::net::Ipv4Addr;

use toml::Spanned;
use toml::de::DeValue;

/// A DHCP option (RFC 2132) as it goes into the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpOption {
    /// Its code; none that the server makes itself.
    pub code: u8,
    /// 1 to 255 octets.
    pub data: Vec<u8>,
}

impl DhcpOption {
    /// Reads `{ code = 43, hex = "…" }`, `{ code = 100, text = "…" }` or `{ code = 150, ip = "…" }`.
    pub(crate) fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let Some(table) = value.as_table() else {
            return Err("is not an option; write { code = 150, ip = \"192.0.2.5\" }".to_owned());
        };
        if let Some(key) = table.keys().find(|k| !["code", "hex", "text", "ip"].contains(&k.get_ref().as_ref())) {
            return Err(format!("an option has no key {:?}; it has code and one of text, hex, ip", key.get_ref()));
        }
        let code = table
            .get("code")
            .and_then(|c| c.get_ref().as_integer())
            .and_then(|c| u8::from_str_radix(c.as_str(), c.radix()).ok())
            .filter(|c| (1..=254).contains(c))
            .ok_or("an option needs code = 1 to 254")?;
        if let Some(why) = refused(code) {
            return Err(format!("option {code} cannot be set here; {why}"));
        }
        let data = match (table.get("text"), table.get("hex"), table.get("ip")) {
            (Some(text), None, None) => text.get_ref().as_str().map(|t| t.as_bytes().to_vec()),
            (None, Some(hex), None) => hex.get_ref().as_str().and_then(parse_hex),
            (None, None, Some(ip)) => parse_addresses(ip),
            _ => return Err(format!("option {code} needs exactly one of text, hex, ip")),
        };
        let data = data.ok_or_else(|| {
            format!("the value of option {code} is wrong; write text = \"…\", hex = \"01ff\", or ip = \"192.0.2.5\" or a list of them")
        })?;
        if !(1..=255).contains(&data.len()) {
            return Err(format!("option {code} has {} octets; it can have 1 to 255", data.len()));
        }
        Ok(Self { code, data })
    }

    /// The first code that stands twice.
    pub(crate) fn duplicate(options: &[Self]) -> Option<u8> {
        let repeated = |(i, o): &(usize, &Self)| options[..*i].iter().any(|earlier| earlier.code == o.code);
        options.iter().enumerate().find(repeated).map(|(_, o)| o.code)
    }
}

/// Why an option of this code is not the operator's to write.
fn refused(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "it follows from lan.network",
        3 => "it follows from lan.gateway",
        6 => "use dhcp.dns",
        12 => "use hostname in [[dhcp.host]]",
        15 => "use dhcp.domain",
        17 => "use root_path in [[dhcp.host]]",
        42 => "use dhcp.ntp",
        51 | 58 | 59 => "it follows from dhcp.lease",
        67 => "use filename in [[dhcp.host]]",
        114 => "dhcp.captive_portal has it",
        // Overload, message type, server identifier and the rest of the protocol itself; RFC 3046; RFC 4388 and on.
        50 | 52..=57 | 61 | 80 | 82 | 90..=92 | 118 => "it belongs to the protocol itself",
        121 => "use dhcp.host_routes",
        _ => return None,
    })
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !matches!(c, ' ' | ':'))
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn parse_addresses(value: &Spanned<DeValue<'_>>) -> Option<Vec<u8>> {
    let one = |v: &DeValue<'_>| v.as_str().and_then(|t| t.parse::<Ipv4Addr>().ok()).map(|a| a.octets());
    match value.get_ref() {
        DeValue::Array(items) => items.iter().map(|v| one(v.get_ref())).collect::<Option<Vec<_>>>().map(|a| a.concat()),
        single => one(single).map(|a| a.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    fn read(text: &str) -> Result<DhcpOption, String> {
        let text = format!("o = {text}");
        let table = DeTable::parse(&text).expect("valid TOML");
        DhcpOption::read(table.get_ref()["o"].get_ref())
    }

    #[test]
    fn an_option_is_text_hex_or_addresses() {
        assert_eq!(read(r#"{ code = 100, text = "CET-1" }"#), Ok(DhcpOption { code: 100, data: b"CET-1".to_vec() }));
        assert_eq!(
            read(r#"{ code = 43, hex = "01:04 c0A8" }"#),
            Ok(DhcpOption { code: 43, data: vec![1, 4, 0xc0, 0xa8] })
        );
        assert_eq!(
            read(r#"{ code = 0x96, ip = ["192.0.2.5", "192.0.2.6"] }"#),
            Ok(DhcpOption { code: 150, data: vec![192, 0, 2, 5, 192, 0, 2, 6] })
        );
    }

    #[test]
    fn what_is_not_an_option_is_told_why() {
        for (text, advice) in [
            ("43", "write { code"),
            (r#"{ code = 0, text = "x" }"#, "1 to 254"),
            (r#"{ code = 300, text = "x" }"#, "1 to 254"),
            (r#"{ text = "x" }"#, "1 to 254"),
            (r#"{ code = 53, hex = "01" }"#, "protocol itself"),
            (r#"{ code = 6, ip = "192.0.2.5" }"#, "dhcp.dns"),
            (r#"{ code = 43 }"#, "exactly one"),
            (r#"{ code = 43, hex = "01", text = "x" }"#, "exactly one"),
            (r#"{ code = 43, hex = "012" }"#, "is wrong"),
            (r#"{ code = 43, hex = "" }"#, "0 octets"),
            (r#"{ code = 150, ip = "example.org" }"#, "is wrong"),
            (r#"{ code = 43, txt = "x" }"#, "no key \"txt\""),
        ] {
            let message = read(text).expect_err(text);
            assert!(message.contains(advice), "{text}: {message}");
        }
    }
}
