//! Fields of a form or a query, `application/x-www-form-urlencoded`.

use crate::limits::FORM_FIELDS;

/// The fields, in the order they came; of a repeated one the first counts.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// `None` if something in it is no UTF-8.
    pub(crate) fn parse(octets: &[u8]) -> Option<Self> {
        let fields = octets.split(|&octet| octet == b'&').filter(|field| !field.is_empty()).take(FORM_FIELDS);
        fields
            .map(|field| {
                let mut parts = field.splitn(2, |&octet| octet == b'=');
                let mut part = || decode(parts.next().unwrap_or_default());
                Some((part()?, part()?))
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    /// A field's value; the empty text if it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }
}

fn decode(octets: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let [first, after @ ..] = rest {
        rest = after;
        out.push(match (first, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                // A lone percent sign stands for itself, as in browsers.
                _ => b'%',
            },
            _ => *first,
        });
    }
    String::from_utf8(out).ok()
}

fn hex(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_arrives_as_it_was_typed() {
        let fields = Fields::parse(b"name=anne+b&password=%26%3D%2B%25+100%&url=&terms=on").expect("fields");
        assert_eq!(fields.text("name"), "anne b");
        assert_eq!(fields.text("password"), "&=+% 100%");
        assert_eq!(fields.text("url"), "");
        assert_eq!(fields.text("terms"), "on");
        assert_eq!(fields.text("voucher"), "");
    }

    #[test]
    fn nonsense_is_bounded_and_does_no_harm() {
        assert!(Fields::parse(b"name=%ff").is_none());
        assert!(Fields::parse(b"%").is_some());
        assert!(Fields::parse(b"%4").is_some());
        assert!(Fields::parse(b"&&&==&").is_some());
        assert_eq!(Fields::parse(&b"a=1&".repeat(1000)).expect("fields").0.len(), FORM_FIELDS);
        assert_eq!(Fields::parse(b"name=first&name=second").expect("fields").text("name"), "first");
    }
}
