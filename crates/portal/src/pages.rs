//! The pages: values for the templates in `portal-ui/`, which escape whatever they show.

use std::time::Duration;

use askama::Template;
use hyper::StatusCode;
use wire::url::WebUrl;

use crate::limits::MESSAGE_CHARS;
use crate::reply::{self, Reply};
use crate::text::{Text, fill};
use crate::{Session, Site};

/// What every page knows.
#[derive(Clone, Copy)]
pub(crate) struct Page<'a> {
    pub(crate) t: &'static Text,
    pub(crate) site: &'a Site,
}

/// The sign-in form, as it was filled in so far. Never the password.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoginForm<'a> {
    pub(crate) name: &'a str,
    pub(crate) voucher: &'a str,
    pub(crate) url: Option<WebUrl<'a>>,
    pub(crate) terms_accepted: bool,
    pub(crate) error: Option<String>,
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    page: Page<'a>,
    form: &'a LoginForm<'a>,
    welcome: Vec<&'a str>,
    terms: Vec<&'a str>,
}

#[derive(Template)]
#[template(path = "success.html")]
struct Success<'a> {
    page: Page<'a>,
    message: String,
    url: Option<WebUrl<'a>>,
}

#[derive(Template)]
#[template(path = "status.html")]
struct Status<'a> {
    page: Page<'a>,
    user: String,
    message: String,
    time_left: String,
    data_left: String,
    facts: Vec<(&'static str, String)>,
    /// Of the page's own address.
    bookmark: &'a str,
    live: bool,
}

/// Somebody comes back.
#[derive(Template)]
#[template(path = "continue.html")]
struct Continue<'a> {
    page: Page<'a>,
    who: String,
    bookmark: &'a str,
    terms: Vec<&'a str>,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "logout.html")]
struct Logout<'a> {
    page: Page<'a>,
    user: String,
}

/// A page that only says something and leads somewhere.
#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    page: Page<'a>,
    title: &'static str,
    lead: &'static str,
    link: &'static str,
}

#[derive(Template)]
#[template(path = "terms.html")]
struct Terms<'a> {
    page: Page<'a>,
    terms: Vec<&'a str>,
}

impl<'a> Page<'a> {
    pub(crate) fn login(self, status: StatusCode, form: &LoginForm<'_>) -> Reply {
        render(
            status,
            &Login {
                page: self,
                form,
                welcome: paragraphs(self.site.welcome.as_deref()),
                terms: self.terms_in_paragraphs(),
            },
        )
    }

    pub(crate) fn success(self, session: &Session, url: Option<WebUrl<'_>>) -> Reply {
        let message = tidy(session.message.as_deref().unwrap_or_default());
        render(StatusCode::OK, &Success { page: self, message, url })
    }

    pub(crate) fn status(self, session: &Session, live: bool) -> Reply {
        let t = self.t;
        let mut facts = vec![
            (t.online_for, duration(t, session.age)),
            (t.received, octets(t, session.octets_down)),
            (t.sent, octets(t, session.octets_up)),
        ];
        facts.extend(session.bits_per_second_down.map(|bits| (t.speed_down, rate(t, bits))));
        facts.extend(session.bits_per_second_up.map(|bits| (t.speed_up, rate(t, bits))));
        facts.extend(session.idle_timeout.map(|idle| (t.idle, duration(t, idle))));
        let status = Status {
            page: self,
            user: signed_in_as(t, session),
            message: tidy(session.message.as_deref().unwrap_or_default()),
            time_left: session.time_left.map_or(t.unlimited.into(), |left| duration(t, left)),
            data_left: session.octets_left.map_or(t.unlimited.into(), |left| octets(t, left)),
            facts,
            bookmark: session.bookmark.as_deref().unwrap_or_default(),
            live,
        };
        render(StatusCode::OK, &status)
    }

    pub(crate) fn resume(self, status: StatusCode, who: &str, bookmark: &str, error: Option<String>) -> Reply {
        let (who, terms) = (fill(self.t.continue_as, &tidy(who)), self.terms_in_paragraphs());
        render(status, &Continue { page: self, who, bookmark, terms, error })
    }

    pub(crate) fn logout(self, session: &Session) -> Reply {
        render(StatusCode::OK, &Logout { page: self, user: signed_in_as(self.t, session) })
    }

    pub(crate) fn logged_out(self) -> Reply {
        let t = self.t;
        self.notice(StatusCode::OK, t.signed_out, t.signed_out_lead, t.sign_in_again)
    }

    pub(crate) fn not_found(self) -> Reply {
        let t = self.t;
        self.notice(StatusCode::NOT_FOUND, t.not_found, t.not_found_lead, t.to_start)
    }

    pub(crate) fn foreign_form(self) -> Reply {
        self.error(StatusCode::FORBIDDEN, self.t.foreign_form)
    }

    pub(crate) fn error(self, status: StatusCode, words: &'static str) -> Reply {
        self.notice(status, self.t.trouble, words, self.t.to_start)
    }

    pub(crate) fn terms(self) -> Reply {
        render(StatusCode::OK, &Terms { page: self, terms: self.terms_in_paragraphs() })
    }

    fn notice(self, status: StatusCode, title: &'static str, lead: &'static str, link: &'static str) -> Reply {
        render(status, &Notice { page: self, title, lead, link })
    }

    fn terms_in_paragraphs(self) -> Vec<&'a str> {
        paragraphs(self.site.terms.as_deref())
    }
}

fn paragraphs(text: Option<&str>) -> Vec<&str> {
    let paragraphs = text.unwrap_or_default().split("\n\n");
    paragraphs.map(str::trim).filter(|paragraph| !paragraph.is_empty()).collect()
}

/// Who has signed in; empty for whoever has no name.
fn signed_in_as(t: &Text, session: &Session) -> String {
    if session.user.is_empty() { String::new() } else { fill(t.signed_in_as, &tidy(&session.user)) }
}

/// A stranger's words, fit to be shown: one line, no control characters, not endless.
pub(crate) fn tidy(words: &str) -> String {
    let visible = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(MESSAGE_CHARS).collect::<String>().trim().to_owned()
}

/// The two largest units of a duration, in words: "2 hours 5 minutes".
pub(crate) fn duration(t: &Text, duration: Duration) -> String {
    let secs = duration.as_secs();
    let parts = [
        (secs / 86_400, t.days),
        (secs / 3_600 % 24, t.hours),
        (secs / 60 % 60, t.minutes),
        (if secs < 600 { secs % 60 } else { 0 }, t.seconds),
    ];
    let words =
        |&(count, (one, many)): &(u64, (&str, &str))| fill(if count == 1 { one } else { many }, &count.to_string());
    let said: Vec<_> =
        parts.iter().skip_while(|part| part.0 == 0).take(2).filter(|part| part.0 > 0).map(words).collect();
    if said.is_empty() { fill(t.seconds.1, "0") } else { said.join(" ") }
}

/// Decimal units, as data plans are sold.
fn octets(t: &Text, octets: u64) -> String {
    scaled(t, octets, ["B", "kB", "MB", "GB", "TB"])
}

fn rate(t: &Text, bits_per_second: u64) -> String {
    scaled(t, bits_per_second, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"])
}

/// One decimal below ten, none above; rounded down, because a rest must not look larger than it is.
fn scaled(t: &Text, value: u64, units: [&str; 5]) -> String {
    let mut divisor = 1;
    let mut unit = units[0];
    for next in units.iter().skip(1) {
        if value / divisor < 1000 {
            break;
        }
        divisor *= 1000;
        unit = next;
    }
    let (whole, tenth) = (value / divisor, value % divisor * 10 / divisor);
    if whole < 10 && tenth > 0 {
        format!("{whole}{}{tenth}\u{a0}{unit}", t.decimal)
    } else {
        format!("{whole}\u{a0}{unit}")
    }
}

fn render(status: StatusCode, template: &impl Template) -> Reply {
    match template.render() {
        Ok(page) => reply::html(status, page),
        Err(error) => {
            tracing::error!(%error, "a page of the portal could not be made");
            reply::text(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made.\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::ENGLISH;

    #[test]
    fn durations_are_said_as_people_say_them() {
        let say = |secs| duration(&ENGLISH, Duration::from_secs(secs)).replace('\u{a0}', " ");
        assert_eq!(say(0), "0 seconds");
        assert_eq!(say(61), "1 minute 1 second");
        assert_eq!(say(600), "10 minutes");
        assert_eq!(say(7_500), "2 hours 5 minutes");
        assert_eq!(say(86_400), "1 day");
        assert_eq!(say(86_400 + 59), "1 day");
        assert_eq!(say(u64::MAX), "213503982334601 days 7 hours");
    }

    #[test]
    fn amounts_never_look_larger_than_they_are() {
        assert_eq!(octets(&ENGLISH, 0), "0\u{a0}B");
        assert_eq!(octets(&ENGLISH, 999), "999\u{a0}B");
        assert_eq!(octets(&ENGLISH, 1_999), "1.9\u{a0}kB");
        assert_eq!(octets(&ENGLISH, 1_000_000), "1\u{a0}MB");
        assert_eq!(octets(&ENGLISH, 734_003_200), "734\u{a0}MB");
        assert_eq!(octets(&ENGLISH, u64::MAX), "18446744\u{a0}TB");
        assert_eq!(rate(&ENGLISH, 20_000_000), "20\u{a0}Mbit/s");
    }

    #[test]
    fn a_servers_words_are_kept_to_one_short_line() {
        assert_eq!(tidy(" Your account\r\nhas expired\0 "), "Your account  has expired");
        assert_eq!(tidy(&"\u{e4}".repeat(10_000)).chars().count(), MESSAGE_CHARS);
    }
}
