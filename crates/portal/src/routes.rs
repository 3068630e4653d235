//! The portal's own addresses.

use std::net::Ipv4Addr;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, StatusCode};
use tokio::time::timeout;
use wire::url::{WebUrl, percent_encoded};

use crate::forms::Fields;
use crate::pages::{self, LoginForm, Page};
use crate::reply::{self, Reply};
use crate::text::{Text, fill, rounded_up, wanted as wanted_language};
use crate::uam_routes::{self, Desk};
use crate::urls;
use crate::{Backend, Credential, Guest, Login, LoginOutcome, Site, api};

/// What a person asks for, as the operator is told.
pub(crate) struct Visit {
    pub(crate) path: String,
    /// The host that it was going to when it was led here.
    pub(crate) towards: Option<String>,
}

impl Visit {
    /// None of what a page asks for by itself.
    pub(crate) fn of(request: &Request<Incoming>, site: &Site) -> Option<Self> {
        let fields = query(request);
        let towards = WebUrl::parse(fields.text("url")).filter(|url| !urls::is_ours(url, site));
        let towards = towards.map(|url| url.authority().to_owned());
        (fields.text("live") != "1").then(|| Self { path: request.uri().path().to_owned(), towards })
    }
}

pub(crate) async fn answer<B: Backend>(
    request: Request<Incoming>,
    ip: Ipv4Addr,
    is_secure: bool,
    guest: Guest,
    site: &Site,
    desk: &Desk,
    backend: &B,
) -> Reply {
    let page = Page { t: language(request.headers()), site };
    let path = request.uri().path().to_owned();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let posts = request.method() == Method::POST;
    if !urls::names_us(request.uri(), request.headers(), site) {
        return reply::closing(if reads { see_other(&format!("{}/", site.base_url)) } else { page.foreign_form() });
    }
    if let Some(reply) = uam_routes::answer(&request, ip, site, desk, backend).await {
        return reply;
    }
    if site.is_secure()
        && !is_secure
        && (reads && is_page(&path) || posts && matches!(path.as_str(), "/login" | "/continue"))
    {
        // A form's password has come in the clear by now; it is not used, so that whoever led here gains nothing.
        let page = if reads { request.uri().path_and_query().map_or("/", PathAndQuery::as_str) } else { "/" };
        return reply::closing(see_other(&format!("{}{page}", site.base_url)));
    }
    match path.as_str() {
        "/login" if posts => login(request, ip, is_secure, &guest, page, backend).await,
        "/logout" if posts => logout(request, ip, is_secure, page, backend),
        "/continue" if posts => resume(request, ip, is_secure, &guest, page, backend).await,
        "/login" | "/logout" | "/continue" if !reads => reply::closing(reply::method_not_allowed("GET, HEAD, POST")),
        _ if !reads => reply::closing(reply::method_not_allowed("GET, HEAD")),
        "/portal.css" => reply::file("text/css; charset=utf-8", site.look.style.clone()),
        "/logo" => reply::picture(site.look.logo.kind, site.look.logo.content.clone()),
        "/captive-portal/api" | "/captive-portal-identification" => api::answer(&guest, site),
        "/terms" if site.terms.is_some() => page.terms(),
        _ => match (path.as_str(), guest) {
            ("/" | "/login", Guest::NotLoggedIn) => {
                let query = query(&request);
                let (voucher, url) = (query.text("voucher"), wanted(&query, site));
                page.login(StatusCode::OK, &LoginForm { voucher, url, ..LoginForm::default() })
            }
            ("/status", Guest::NotLoggedIn) => {
                let query = query(&request);
                let bookmark = query.text("key");
                match backend.recognise(bookmark) {
                    Some(who) => page.resume(StatusCode::OK, &who, bookmark, None),
                    None => see_other("/"),
                }
            }
            ("/" | "/login" | "/logged-out" | "/continue", Guest::LoggedIn(_)) => see_other("/status"),
            ("/logged-out", Guest::NotLoggedIn) => page.logged_out(),
            ("/success" | "/logout" | "/continue", Guest::NotLoggedIn) => see_other("/"),
            ("/success", Guest::LoggedIn(session)) => page.success(&session, wanted(&query(&request), site)),
            ("/status", Guest::LoggedIn(session)) => {
                let query = query(&request);
                match &session.bookmark {
                    // Kept as it stands in the address line, it lets this guest go on later.
                    Some(bookmark) if query.text("key").is_empty() => see_other(&format!("/status?key={bookmark}")),
                    _ => page.status(&session, query.text("live") == "1"),
                }
            }
            ("/logout", Guest::LoggedIn(session)) => page.logout(&session),
            _ => match path.strip_prefix("/www/").and_then(|name| site.files.get(name)) {
                Some((kind, content)) => reply::operators_file(kind, content.clone()),
                None => page.not_found(),
            },
        },
    }
}

/// What is shown over https alone, if there is https.
fn is_page(path: &str) -> bool {
    matches!(path, "/" | "/login" | "/success" | "/status" | "/logout" | "/logged-out" | "/terms")
}

/// The guest's language.
pub(crate) fn language(headers: &HeaderMap) -> &'static Text {
    wanted_language(headers.get(ACCEPT_LANGUAGE).and_then(|header| header.to_str().ok()).unwrap_or_default())
}

async fn login<B: Backend>(
    request: Request<Incoming>,
    ip: Ipv4Addr,
    is_secure: bool,
    guest: &Guest,
    page: Page<'_>,
    backend: &B,
) -> Reply {
    if !urls::is_same_origin(request.headers(), is_secure) {
        return reply::closing(page.foreign_form());
    }
    let fields = match fields(request, page).await {
        Ok(fields) => fields,
        Err((status, words)) => return reply::closing(page.error(status, words)),
    };
    let url = wanted(&fields, page.site);
    let success = match &url {
        Some(url) => {
            let encoded: String = percent_encoded(url.as_str()).flatten().map(|&octet| char::from(octet)).collect();
            format!("/success?url={encoded}")
        }
        None => "/success".to_owned(),
    };
    if matches!(guest, Guest::LoggedIn(_)) {
        return see_other(&success);
    }
    let (name, password, voucher) =
        (fields.text("name").trim(), fields.text("password"), fields.text("voucher").trim());
    let terms_accepted = !fields.text("terms").is_empty();
    let form = LoginForm { name, voucher, url, terms_accepted, error: None };
    let say = |status, error: String| page.login(status, &LoginForm { error: Some(error), ..form.clone() });
    let (t, asked) = (page.t, page.site.sign_in);
    // Its own form says so, and is the only one that does.
    let by_terms = asked.click_through && (fields.text("by") == "terms" || !asked.password && !asked.voucher);
    let by_voucher = !by_terms && asked.voucher && (!asked.password || name.is_empty() && password.is_empty());
    if by_voucher && voucher.is_empty() {
        return say(StatusCode::UNPROCESSABLE_ENTITY, t.fill_in_code.into());
    }
    if !by_terms && !by_voucher && (name.is_empty() || password.is_empty()) {
        return say(StatusCode::UNPROCESSABLE_ENTITY, t.fill_in_both.into());
    }
    if (by_terms || page.site.terms.is_some()) && !terms_accepted {
        return say(StatusCode::UNPROCESSABLE_ENTITY, t.accept_terms_first.into());
    }
    let outcome = if by_terms {
        backend.accept_terms(ip).await
    } else if by_voucher {
        backend.redeem(ip, voucher).await
    } else {
        let credential = &Credential::Password(password.as_bytes().to_vec());
        let login = Login { name, credential, original_url: "", lang: "", session_id: "", logoff_url: "" };
        backend.login(ip, &login).await
    };
    decided(outcome, &success, t, say)
}

/// What a login comes to: the way on, or a page that says why not.
fn decided(outcome: LoginOutcome, success: &str, t: &Text, say: impl Fn(StatusCode, String) -> Reply) -> Reply {
    match outcome {
        // 303, and by that a navigation of the whole page: it makes a phone's sheet look for the Internet again.
        LoginOutcome::Accepted { redirect, .. } => match redirect.as_deref().and_then(WebUrl::parse) {
            Some(theirs) => see_other(theirs.as_str()),
            None => see_other(success),
        },
        // Not 401, which asks for a WWW-Authenticate that browsers answer with a window of their own.
        LoginOutcome::Rejected { message, redirect, .. } => {
            if let Some(theirs) = redirect.as_deref().and_then(WebUrl::parse) {
                return see_other(theirs.as_str());
            }
            let message = message.map(|words| pages::tidy(&words)).filter(|words| !words.is_empty());
            say(StatusCode::FORBIDDEN, message.unwrap_or_else(|| t.no_match.into()))
        }
        LoginOutcome::Declined(why) => say(StatusCode::FORBIDDEN, t.declined(why)),
        // A form answers no question of EAP.
        LoginOutcome::Unavailable | LoginOutcome::Asked { .. } => {
            say(StatusCode::SERVICE_UNAVAILABLE, t.server_silent.into())
        }
        LoginOutcome::TooManyTries { wait } => {
            let wait = rounded_up(wait);
            let words = fill(t.too_many_tries, &pages::duration(t, wait));
            reply::retry_after(say(StatusCode::TOO_MANY_REQUESTS, words), wait)
        }
    }
}

/// Somebody whose device has another MAC address now goes on by the address of its status page. Opening that address asks
/// first: a link to it that somebody else made, or that a mail program looks at, changes nothing.
async fn resume<B: Backend>(
    request: Request<Incoming>,
    ip: Ipv4Addr,
    is_secure: bool,
    guest: &Guest,
    page: Page<'_>,
    backend: &B,
) -> Reply {
    if !urls::is_same_origin(request.headers(), is_secure) {
        return reply::closing(page.foreign_form());
    }
    let fields = match fields(request, page).await {
        Ok(fields) => fields,
        Err((status, words)) => return reply::closing(page.error(status, words)),
    };
    let bookmark = fields.text("key");
    let who = match guest {
        Guest::LoggedIn(_) => return see_other("/status"),
        Guest::NotLoggedIn => backend.recognise(bookmark),
    };
    let Some(who) = who else { return see_other("/") };
    let say = |status, error: String| page.resume(status, &who, bookmark, Some(error));
    if page.site.terms.is_some() && fields.text("terms").is_empty() {
        return say(StatusCode::UNPROCESSABLE_ENTITY, page.t.accept_terms_first.into());
    }
    decided(backend.resume(ip, bookmark).await, "/success", page.t, say)
}

fn logout<B: Backend>(request: Request<Incoming>, ip: Ipv4Addr, is_secure: bool, page: Page<'_>, backend: &B) -> Reply {
    if !urls::is_same_origin(request.headers(), is_secure) {
        return reply::closing(page.foreign_form());
    }
    backend.logout(ip);
    // The body, if there is any, is not wanted; closing spares reading it.
    reply::closing(see_other("/logged-out"))
}

/// Reads a form, or says what is wrong with it.
async fn fields(request: Request<Incoming>, page: Page<'_>) -> Result<Fields, (StatusCode, &'static str)> {
    let t = page.t;
    let refuse = |status, words| Err((status, words));
    let limits = &page.site.limits;
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, t.bad_form);
    }
    if request.body().size_hint().lower() > limits.form_octets as u64 {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, t.form_too_large);
    }
    match timeout(limits.form_time, Limited::new(request.into_body(), limits.form_octets).collect()).await {
        Err(_) => refuse(StatusCode::REQUEST_TIMEOUT, t.form_too_slow),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            refuse(StatusCode::PAYLOAD_TOO_LARGE, t.form_too_large)
        }
        Ok(Err(_)) => refuse(StatusCode::BAD_REQUEST, t.bad_form),
        Ok(Ok(body)) => match Fields::parse(&body.to_bytes()) {
            Some(fields) => Ok(fields),
            None => refuse(StatusCode::BAD_REQUEST, t.bad_form),
        },
    }
}

fn query(request: &Request<Incoming>) -> Fields {
    request.uri().query().and_then(|query| Fields::parse(query.as_bytes())).unwrap_or_default()
}

/// The page a guest was after, if it can be shown and a person would want it. It is only ever linked to: an address
/// that came with the request may be anybody's.
fn wanted<'a>(fields: &'a Fields, site: &Site) -> Option<WebUrl<'a>> {
    WebUrl::parse(fields.text("url")).filter(|url| !urls::is_ours(url, site) && !urls::is_probe(url))
}

fn see_other(to: &str) -> Reply {
    reply::redirect(StatusCode::SEE_OTHER, to)
}
