//! Answers, with the headers that all of them carry.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONNECTION,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY, RETRY_AFTER, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

const ACCESS_CONTROL_ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

pub(crate) type Reply = Response<Full<Bytes>>;

/// Nothing but our own style and picture, and forms only to ourselves.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// Everything but the fixed files depends on who asks and when, so nothing may keep it: `no-store`.
pub(crate) fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Not `no-referrer`: under that, browsers send `Origin: null` from our own forms too (Fetch, "append a request
    // Origin header"), and we could not tell them from foreign ones. Other sites learn nothing either way.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    reply
}

pub(crate) fn html(status: StatusCode, page: String) -> Reply {
    reply(status, "text/html; charset=utf-8", page)
}

/// Whether a person sees it, or is led on by it.
pub(crate) fn is_page(reply: &Reply) -> bool {
    let kind = reply.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    reply.status().is_redirection() || kind.starts_with(b"text/html")
}

pub(crate) fn text(status: StatusCode, words: impl Into<Bytes>) -> Reply {
    reply(status, "text/plain; charset=utf-8", words)
}

/// A fixed file. Kept for minutes only: another hotspot may have the same address and another look.
pub(crate) fn file(kind: &'static str, body: impl Into<Bytes>) -> Reply {
    with(reply(StatusCode::OK, kind, body), CACHE_CONTROL, "max-age=300")
}

/// The same of a picture. An SVG that is opened by itself is a page of ours, so it may do nothing: no script, and an origin that
/// is nobody's.
pub(crate) fn picture(kind: &'static str, body: Bytes) -> Reply {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";
    with(file(kind, body), CONTENT_SECURITY_POLICY, policy)
}

/// The same answer for one guest alone, as caches on the way are told it (RFC 8908, 4).
pub(crate) fn private(reply: Reply) -> Reply {
    with(reply, CACHE_CONTROL, "private, no-store")
}

/// The same of the operator's, whose pages have scripts and pictures from wherever the operator wants.
pub(crate) fn operators_file(kind: &'static str, body: Bytes) -> Reply {
    with(file(kind, body), CONTENT_SECURITY_POLICY, "frame-ancestors 'none'")
}

/// 302 or 303 to a place. The body is for people whose program does not follow.
pub(crate) fn redirect(status: StatusCode, to: &str) -> Reply {
    match HeaderValue::from_str(to) {
        Ok(location) => {
            let mut reply = text(status, format!("Please go to {to}\n"));
            reply.headers_mut().insert(LOCATION, location);
            reply
        }
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "The portal's address is misconfigured.\n"),
    }
}

/// 302 to a place, with a page that says more to programs.
pub(crate) fn found(to: &str, page: String) -> Reply {
    match HeaderValue::from_str(to) {
        Ok(location) => {
            let mut reply = html(StatusCode::FOUND, page);
            reply.headers_mut().insert(LOCATION, location);
            reply
        }
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "The portal's address is misconfigured.\n"),
    }
}

/// Lets scripts of the web site that asks read the answer (Fetch, 3.2.5).
pub(crate) fn readable_by(mut reply: Reply, origin: Option<&HeaderValue>) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    reply
}

/// Says that scripts of the web site that asks may ask (Fetch, 4.8; Private Network Access, 3.1).
pub(crate) fn may_ask(origin: &HeaderValue) -> Reply {
    let mut reply = readable_by(text(StatusCode::NO_CONTENT, ""), Some(origin));
    let headers = reply.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
    headers.insert(ACCESS_CONTROL_ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    reply
}

pub(crate) fn method_not_allowed(allowed: &'static str) -> Reply {
    with(text(StatusCode::METHOD_NOT_ALLOWED, "This page is used in another way.\n"), ALLOW, allowed)
}

pub(crate) fn retry_after(mut reply: Reply, wait: Duration) -> Reply {
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    reply
}

/// Ends the connection after this answer.
pub(crate) fn closing(reply: Reply) -> Reply {
    with(reply, CONNECTION, "close")
}

fn with(mut reply: Reply, name: HeaderName, value: &'static str) -> Reply {
    reply.headers_mut().insert(name, HeaderValue::from_static(value));
    reply
}
