//! From a request to its answer: who asks, may it, and what is it.

use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE as COOKIES, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    SET_COOKIE,
};
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::api::{self, BASE, Misfit};
use crate::gate::Tries;
use crate::live::{self, Streams};
use crate::reply::{self, Reply};
use crate::server::Caller;
use crate::token::{Scope, Token};
use crate::{Backend, openapi};

/// What a browser keeps.
pub(crate) const COOKIE: &str = "poblano_console";
/// How long a password is good for: a working day.
const SIGNED_IN: Duration = Duration::from_secs(12 * 60 * 60);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Longest body, and how long it may take.
const BODY_OCTETS: usize = 16 * 1024;
const BODY_TIME: Duration = Duration::from_secs(10);

const PAGE: &[u8] = include_bytes!("../../../portal-ui/console/index.html");
const SCRIPT: &[u8] = include_bytes!("../../../portal-ui/console/console.js");
const STYLE: &[u8] = include_bytes!("../../../portal-ui/console/console.css");
const LOGO: &[u8] = include_bytes!("../../../portal-ui/logo.svg");

/// What all connections share.
pub(crate) struct Desk<B> {
    pub(crate) backend: Rc<B>,
    pub(crate) tries: Tries,
    pub(crate) streams: Streams,
}

pub(crate) async fn answer<B: Backend>(request: Request<Incoming>, caller: &Caller, desk: &Desk<B>) -> Reply {
    let path = request.uri().path().to_owned();
    let Some(path) = path.strip_prefix(BASE) else { return page(request.method(), &path) };
    if changes(request.method()) && !is_same_site(request.headers()) {
        return reply::error(StatusCode::FORBIDDEN, "this request comes from another site's page");
    }
    match (request.method(), path) {
        (&Method::POST, "/login") => return sign_in(request, caller, desk).await,
        (&Method::POST, "/logout") => return sign_out(desk),
        (_, "/login" | "/logout") => return reply::method_not_allowed("POST"),
        (&Method::GET, "/openapi.json") => return reply::json(StatusCode::OK, &openapi::document()),
        _ => {}
    }
    let Some(who) = who(request.headers(), desk) else {
        return reply::error(StatusCode::UNAUTHORIZED, "sign in, or send a token: Authorization: Bearer TOKEN");
    };
    caller.is_known.set(true);
    match (request.method(), path) {
        (&Method::GET, "/me") => {
            let me = json!({ "name": who.name, "scope": who.scope.as_str(), "ends_unix": who.ends });
            return reply::json(StatusCode::OK, &me);
        }
        (_, "/me" | "/openapi.json") => return reply::method_not_allowed("GET"),
        _ => {}
    }
    let (operation, in_path) = match api::find(request.method().as_str(), path) {
        Ok(found) => found,
        Err(misfit) => return refused(misfit),
    };
    if operation.scope > who.scope {
        let words = format!("{} may look and change nothing here", who.name);
        return reply::error(StatusCode::FORBIDDEN, words);
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let wants_stream = accepts_stream(request.headers());
    let last_event = request.headers().get(LAST_EVENT_ID).cloned();
    let body = match body(request, operation.has_body()).await {
        Ok(body) => body,
        Err((status, words)) => return reply::error(status, words),
    };
    let asked = match operation.request(in_path, &query, &body) {
        Ok(asked) => asked,
        Err(misfit) => return refused(misfit),
    };
    if operation.command == "events" && wants_stream {
        // A browser that was cut off says where (HTML Standard, 9.2.3).
        let seen = last_event
            .and_then(|seen| seen.to_str().ok()?.parse::<u64>().ok())
            .map_or(0, |seen| seen.saturating_add(1));
        let from = asked["from"].as_u64().unwrap_or(0).max(seen);
        return live::stream(&desk.backend, &desk.streams, &who.name, asked, from);
    }
    let told = desk.backend.ask(asked.clone()).await;
    let status = match (&told["error"], &told["missing"]) {
        (Value::Null, _) => StatusCode::OK,
        (_, Value::Bool(true)) => StatusCode::NOT_FOUND,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    if operation.scope == Scope::Operate {
        let became = told["error"].as_str().map_or_else(String::new, |error| match names_code(&asked) {
            // It says again what was typed.
            true => ": refused".to_owned(),
            false => format!(": {error}"),
        });
        desk.backend.note(&who.name, &format!("{}{became}", in_words(&asked)));
    }
    match (operation.file(), told["file"].as_str()) {
        (Some(kind), Some(text)) => reply::made(kind, text.to_owned()),
        _ => reply::json(status, &told),
    }
}

/// Whether a voucher is named by its code, or by what was to be one: a letter away from it may be somebody's.
fn names_code(asked: &Value) -> bool {
    asked["voucher"].as_str().is_some_and(is_code)
}

fn is_code(voucher: &str) -> bool {
    voucher.parse::<u32>().is_err() // it is no number of one
}

/// A request as the others read it: `limit 10.85.0.17 bits_per_second_up=0`.
fn in_words(asked: &Value) -> String {
    // Whoever may only look reads this too, and a code is worth money.
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut words = word(&asked["command"]);
    for (name, value) in asked.as_object().into_iter().flatten().filter(|(name, _)| *name != "command") {
        words.push(' ');
        if !matches!(name.as_str(), "guest" | "mac" | "entry" | "voucher") {
            words.push_str(name);
            words.push('=');
        }
        let word = word(value);
        words.push_str(if name == "voucher" && is_code(&word) { "(by its code)" } else { &word });
    }
    words
}

fn page(method: &Method, path: &str) -> Reply {
    let (kind, octets) = match path {
        "/" => ("text/html; charset=utf-8", PAGE),
        "/console.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "/console.css" => ("text/css; charset=utf-8", STYLE),
        "/logo.svg" => ("image/svg+xml", LOGO),
        _ => return reply::error(StatusCode::NOT_FOUND, "there is nothing here; the console is at /"),
    };
    match *method {
        Method::GET | Method::HEAD => reply::file(kind, octets),
        _ => reply::method_not_allowed("GET, HEAD"),
    }
}

fn refused(misfit: Misfit) -> Reply {
    match misfit {
        Misfit::NotFound => {
            let words = format!("there is nothing here; {BASE}/openapi.json says what there is");
            reply::error(StatusCode::NOT_FOUND, words)
        }
        Misfit::Method(allowed) => reply::method_not_allowed(&allowed),
        Misfit::Field(words) => reply::error(StatusCode::UNPROCESSABLE_ENTITY, words),
    }
}

async fn sign_in<B: Backend>(request: Request<Incoming>, caller: &Caller, desk: &Desk<B>) -> Reply {
    let from = caller.from;
    let body = match body(request, true).await {
        Ok(body) => body,
        Err((status, words)) => return reply::error(status, words),
    };
    let (Some(name), Some(password)) = (body["name"].as_str(), body["password"].as_str()) else {
        return reply::error(StatusCode::UNPROCESSABLE_ENTITY, "name and password are wanted, each a text");
    };
    if let Err(wait) = desk.tries.admit(from, Instant::now()) {
        let refused = reply::error(StatusCode::TOO_MANY_REQUESTS, "too many tries; wait a moment");
        return reply::retry_after(refused, wait);
    }
    let is_right = desk.backend.is_password(name, password.as_bytes().to_vec()).await;
    let Some(scope) = desk.backend.scope(name).filter(|_| is_right) else {
        desk.backend.note(name, &format!("failed to sign in from {from}"));
        return reply::error(StatusCode::UNAUTHORIZED, "name or password is wrong");
    };
    caller.is_known.set(true);
    desk.tries.forgive(from);
    desk.backend.note(name, &format!("signed in from {from}"));
    let ends = desk.backend.unix() + SIGNED_IN.as_secs();
    let Some(key) = desk.backend.key() else {
        return reply::error(StatusCode::SERVICE_UNAVAILABLE, "the gateway's key cannot be read; its log says more");
    };
    let token = key.sign(&Token { name: name.to_owned(), scope, ends });
    let told = json!({ "name": name, "scope": scope.as_str(), "ends_unix": ends });
    with_cookie(reply::json(StatusCode::OK, &told), &token, SIGNED_IN, desk)
}

fn sign_out<B: Backend>(desk: &Desk<B>) -> Reply {
    with_cookie(reply::json(StatusCode::OK, &json!({})), "", Duration::ZERO, desk)
}

fn with_cookie<B: Backend>(mut reply: Reply, value: &str, lasts: Duration, desk: &Desk<B>) -> Reply {
    // What was said over https is never sent without.
    let secure = if desk.backend.is_secure() { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}", lasts.as_secs());
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    reply
}

/// Whose token this is, and what it may now.
fn who<B: Backend>(headers: &HeaderMap, desk: &Desk<B>) -> Option<Token> {
    let bearer = headers.get(AUTHORIZATION).map(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let text = match bearer {
        Some(bearer) => bearer?,
        None => cookies(headers).find_map(|(name, value)| (name == COOKIE).then_some(value))?,
    };
    let token = desk.backend.key()?.check(text, desk.backend.unix())?;
    let scope = desk.backend.scope(&token.name)?.min(token.scope);
    Some(Token { scope, ..token })
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIES).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split("; ")).filter_map(|cookie| cookie.split_once('='))
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Whether a page of ours, or a program, asks. Browsers say with each such request where it comes from, and do not send our
/// cookie from elsewhere; this is the second of two locks.
fn is_same_site(headers: &HeaderMap) -> bool {
    const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let by_origin = text(&ORIGIN).is_none_or(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some() && host == text(&HOST)
    });
    by_origin && text(&FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none"))
}

fn accepts_stream(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"))
}

/// Reads a body of JSON, null if none is there, or says what is wrong with it.
async fn body(request: Request<Incoming>, is_wanted: bool) -> Result<Value, (StatusCode, String)> {
    let refuse = |status, words: &str| Err((status, words.to_owned()));
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let read = timeout(BODY_TIME, Limited::new(request.into_body(), BODY_OCTETS).collect());
    let octets = match read.await {
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
        }
        Ok(Err(_)) => return refuse(StatusCode::BAD_REQUEST, "the body ended early"),
        Ok(Ok(body)) => body.to_bytes(),
    };
    if octets.is_empty() {
        return Ok(Value::Null);
    }
    if !is_wanted {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "no body is wanted here");
    }
    // No form of another site can send this type without being asked about first (Fetch, CORS-safelisted headers).
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is to be application/json");
    }
    serde_json::from_slice(&octets).map_err(|error| (StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_did_is_told_without_codes() {
        for (asked, words) in [
            (
                json!({ "command": "limit", "guest": "10.85.0.17", "seconds_max": 60 }),
                "limit 10.85.0.17 seconds_max=60",
            ),
            (json!({ "command": "voucher_revoke", "voucher": "17" }), "voucher_revoke 17"),
            (json!({ "command": "voucher", "voucher": "K7QM-2XWB-9FRT" }), "voucher (by its code)"),
        ] {
            assert_eq!(in_words(&asked), words);
        }
    }
}
