//! The redirector: for connections that wanted to go elsewhere.
//!
//! An operating system asks a known address whether it is online, and takes every answer but the expected one for a
//! portal. So all probes, and all else, get the same answer. It must not outlive the login: it is never stored, and
//! its connection is closed, so that the next probe goes out to the real Internet.

use hyper::{Request, StatusCode};

use crate::reply::{self, Reply};
use crate::{Guest, Site, urls};

pub(crate) fn answer<T>(request: &Request<T>, guest: &Guest, site: &Site) -> Reply {
    let original = urls::original(request.uri(), request.headers());
    let to = match (guest, original) {
        // Who types the portal's name means the portal, and would come back here for ever.
        (_, Some(url)) if url.is_ours(site) => format!("{}/", site.base_url),
        (_, None) => format!("{}/", site.base_url),
        (Guest::NotLoggedIn, Some(url)) => format!("{}/?url={}", site.base_url, urls::percent_encode(url.as_str())),
        (Guest::LoggedIn(_), Some(url)) => url.as_str().to_owned(),
    };
    reply::closing(reply::redirect(StatusCode::FOUND, &to))
}
