//! What the fuzz targets reach of the inside. Compiled for them only.

use hyper::header::{HOST, HeaderMap, HeaderValue, ORIGIN};

use crate::forms::Fields;
use crate::pages;
use crate::urls::is_same_origin;

/// A field of a form, if the form can be read.
#[must_use]
pub fn form_field(octets: &[u8], name: &str) -> Option<String> {
    Fields::parse(octets).map(|fields| fields.text(name).to_owned())
}

/// As a server's words are shown to a guest.
#[must_use]
pub fn tidy(words: &str) -> String {
    pages::tidy(words)
}

/// Whether a form with these header fields is taken.
#[must_use]
pub fn is_own_form(host: &[u8], origin: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    for (name, value) in [(HOST, host), (ORIGIN, origin)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    is_same_origin(&headers, false)
}
