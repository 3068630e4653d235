//! Answers, with the headers that all of them carry.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::api::CSV;

pub(crate) type Reply = Response<Content>;

/// Our own script and style, and nobody else's anything.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; \
     frame-ancestors 'none'; base-uri 'none'",
);

/// No script, no address but its own, and nothing of the console's: there are operators' words in it.
const SHEET_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; sandbox; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
);

/// What comes at once, or piece by piece until either side has had enough.
pub(crate) enum Content {
    Whole(Option<Bytes>),
    Live(mpsc::Receiver<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(octets) => Poll::Ready(octets.take().map(|octets| Ok(Frame::data(octets)))),
            Self::Live(pieces) => pieces.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(octets) => SizeHint::with_exact(octets.as_ref().map_or(0, |octets| octets.len() as u64)),
            Self::Live(_) => SizeHint::default(),
        }
    }
}

pub(crate) fn reply(status: StatusCode, kind: &'static str, content: Content) -> Reply {
    let mut reply = Response::new(content);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    reply
}

pub(crate) fn json(status: StatusCode, value: &Value) -> Reply {
    reply(status, "application/json", Content::Whole(Some(value.to_string().into())))
}

/// What is wrong, where, and what to do.
pub(crate) fn error(status: StatusCode, words: impl Into<String>) -> Reply {
    let mut reply = json(status, &json!({ "error": words.into() }));
    if status == StatusCode::UNAUTHORIZED {
        // RFC 9110 (11.6.1) wants one; Bearer has browsers ask nobody for a password.
        reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}

pub(crate) fn file(kind: &'static str, octets: &'static [u8]) -> Reply {
    reply(StatusCode::OK, kind, Content::Whole(Some(Bytes::from_static(octets))))
}

/// A file that the gateway has made: a table to keep, or a page that needs its own style and gets nothing else.
pub(crate) fn made(kind: &'static str, text: String) -> Reply {
    let mut reply = reply(StatusCode::OK, kind, Content::Whole(Some(text.into())));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, SHEET_POLICY);
    if kind == CSV {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"vouchers.csv\""));
    }
    reply
}

pub(crate) fn method_not_allowed(allowed: &str) -> Reply {
    let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, format!("here one uses {allowed}"));
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        reply.headers_mut().insert(ALLOW, allowed);
    }
    reply
}

pub(crate) fn retry_after(mut reply: Reply, wait: Duration) -> Reply {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    reply
}
