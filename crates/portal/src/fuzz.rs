//! What the fuzz targets reach of the inside. Compiled for them only.

use hyper::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Request, Uri};

use crate::forms::Fields;
use crate::pages;
use crate::urls::{WebUrl, is_same_origin, percent_encode};
use crate::{Guest, Site, redirect};

/// A field of a form, if the form can be read.
#[must_use]
pub fn form_field(octets: &[u8], name: &str) -> Option<String> {
    Fields::parse(octets).map(|fields| fields.text(name).to_owned())
}

/// The web address that a text is, and its host with port.
#[must_use]
pub fn web_url(text: &str) -> Option<(String, String)> {
    WebUrl::parse(text).map(|url| (url.as_str().to_owned(), url.host().to_owned()))
}

/// As it is put into a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    percent_encode(text)
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
    is_same_origin(&headers)
}

/// Where a redirected request for `target` at `host` is sent. `None` if there is no such request.
#[must_use]
pub fn redirected(target: &[u8], host: &[u8], guest: &Guest, site: &Site) -> Option<Vec<u8>> {
    let uri = Uri::try_from(target).ok()?;
    let host = HeaderValue::from_bytes(host).ok()?;
    let request = Request::builder().uri(uri).header(HOST, host).body(()).ok()?;
    let reply = redirect::answer(&request, guest, site);
    reply.headers().get(hyper::header::LOCATION).map(|to| to.as_bytes().to_vec())
}
