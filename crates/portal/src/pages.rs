//! The pages: values for the templates in `portal-ui/`, which escape whatever they show.

use std::time::Duration;

use askama::Template;
use hyper::StatusCode;
use wire::url::WebUrl;

use crate::limits::MESSAGE_CHARS;
use crate::reply::{self, Reply};
#[cfg(feature = "templates")]
use crate::templates::Value;
use crate::text::{Text, fill};
use crate::{Session, Site};

/// A page: its fields are the names that its template uses, ours that is compiled in and the operator's alike.
#[cfg(feature = "templates")]
pub(crate) trait Shown: Template {
    /// Its template.
    const NAME: &'static str;

    /// What names stand for.
    fn value(&self) -> Value<'_>;
}

/// A page, where there are no other templates than those that are compiled in.
#[cfg(not(feature = "templates"))]
pub(crate) trait Shown: Template {}

#[cfg(not(feature = "templates"))]
impl<T: Template> Shown for T {}

/// What is a part of pages, with its fields.
macro_rules! part {
    ($(#[$doc:meta])* $name:ident $(<$life:lifetime>)? { $($(#[$about:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        struct $name $(<$life>)? {
            $($(#[$about])* $field: $type,)*
        }

        #[cfg(feature = "templates")]
        impl<'v $(, $life)?> From<&'v $name $(<$life>)?> for Value<'v> {
            fn from(part: &'v $name $(<$life>)?) -> Self {
                Value::Parts(vec![$((stringify!($field), (&part.$field).into()),)*])
            }
        }
    };
}

/// What makes a page and says which template it has.
macro_rules! page {
    ($(#[$doc:meta])* $template:literal, $name:ident { $($(#[$about:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Template)]
        #[template(path = $template)]
        pub(crate) struct $name<'a> {
            t: &'static Text,
            place: Place<'a>,
            $($(#[$about])* $field: $type,)*
        }

        #[cfg(feature = "templates")]
        impl Shown for $name<'_> {
            const NAME: &'static str = $template;

            fn value(&self) -> Value<'_> {
                Value::Parts(vec![
                    ("t", (&self.t).into()),
                    ("place", (&self.place).into()),
                    $((stringify!($field), (&self.$field).into()),)*
                ])
            }
        }
    };
}

/// What every page says and knows.
#[derive(Clone, Copy)]
pub(crate) struct Page<'a> {
    pub(crate) t: &'static Text,
    pub(crate) site: &'a Site,
}

part!(
    /// What every template knows of the place.
    Place<'a> {
    title: &'a str,
    /// Of the addresses of style and logo.
    look: &'a str,
    password: bool,
    voucher: bool,
    click_through: bool,
});

/// The sign-in form, as it was filled in so far. Never the password.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoginForm<'a> {
    pub(crate) name: &'a str,
    pub(crate) voucher: &'a str,
    pub(crate) url: Option<WebUrl<'a>>,
    pub(crate) terms_accepted: bool,
    pub(crate) error: Option<String>,
}

page!("login.html", Login {
    name: &'a str,
    voucher: &'a str,
    /// Empty if it is going nowhere.
    url: &'a str,
    terms_accepted: bool,
    /// Empty if nothing is wrong.
    error: &'a str,
    error_is_of_voucher: bool,
    error_is_of_password: bool,
    error_is_of_terms: bool,
    has_welcome: bool,
    welcome: Vec<&'a str>,
    has_terms: bool,
    terms: Vec<&'a str>,
});

page!("success.html", Success {
    message: String,
    url: &'a str,
    continue_to: String,
});

page!("status.html", Status {
    user: String,
    message: String,
    time_left: String,
    data_left: String,
    facts: Vec<Fact>,
    /// Of the page's own address.
    bookmark: &'a str,
    live: bool,
});

part!(
    /// Something that is so, and what it is called.
    Fact {
    what: &'static str,
    value: String,
});

page!(
    /// Somebody comes back.
    "continue.html", Continue {
    who: String,
    bookmark: &'a str,
    has_terms: bool,
    terms: Vec<&'a str>,
    error: &'a str,
});

page!("logout.html", Logout { user: String });

page!(
    /// A page that only says something and leads somewhere.
    "notice.html", Notice {
    title: &'static str,
    lead: &'static str,
    link: &'static str,
});

page!("terms.html", Terms {
    terms: Vec<&'a str>,
});

impl<'a> Page<'a> {
    pub(crate) fn login(self, status: StatusCode, form: &LoginForm<'_>) -> Reply {
        self.show(status, &self.login_page(form))
    }

    pub(crate) fn login_page<'b>(self, form: &'b LoginForm<'_>) -> Login<'b>
    where
        'a: 'b,
    {
        let (welcome, terms) = (paragraphs(self.site.welcome.as_deref()), self.terms_in_paragraphs());
        let wrong = form.error.is_some();
        let (no_name, no_voucher) = (form.name.is_empty(), form.voucher.is_empty());
        Login {
            t: self.t,
            place: self.place(),
            name: form.name,
            voucher: form.voucher,
            url: form.url.as_ref().map_or("", WebUrl::as_str),
            terms_accepted: form.terms_accepted,
            error: form.error.as_deref().unwrap_or_default(),
            error_is_of_voucher: wrong && no_name,
            error_is_of_password: wrong && no_voucher,
            error_is_of_terms: wrong && no_name && no_voucher,
            has_welcome: !welcome.is_empty(),
            welcome,
            has_terms: !terms.is_empty(),
            terms,
        }
    }

    pub(crate) fn success(self, session: &Session, url: Option<WebUrl<'_>>) -> Reply {
        self.show(StatusCode::OK, &self.success_page(session, url.as_ref()))
    }

    pub(crate) fn success_page<'b>(self, session: &Session, url: Option<&'b WebUrl<'_>>) -> Success<'b>
    where
        'a: 'b,
    {
        Success {
            t: self.t,
            place: self.place(),
            message: tidy(session.message.as_deref().unwrap_or_default()),
            url: url.map_or("", WebUrl::as_str),
            continue_to: url.map(|url| fill(self.t.continue_to, url.authority())).unwrap_or_default(),
        }
    }

    pub(crate) fn status(self, session: &Session, live: bool) -> Reply {
        self.show(StatusCode::OK, &self.status_page(session, live))
    }

    pub(crate) fn status_page<'b>(self, session: &'b Session, live: bool) -> Status<'b>
    where
        'a: 'b,
    {
        let t = self.t;
        let fact = |what, value| Fact { what, value };
        let mut facts = vec![
            fact(t.online_for, duration(t, session.age)),
            fact(t.received, octets(t, session.octets_down)),
            fact(t.sent, octets(t, session.octets_up)),
        ];
        facts.extend(session.bits_per_second_down.map(|bits| fact(t.speed_down, rate(t, bits))));
        facts.extend(session.bits_per_second_up.map(|bits| fact(t.speed_up, rate(t, bits))));
        facts.extend(session.idle_timeout.map(|idle| fact(t.idle, duration(t, idle))));
        Status {
            t,
            place: self.place(),
            user: signed_in_as(t, session),
            message: tidy(session.message.as_deref().unwrap_or_default()),
            time_left: session.time_left.map_or(t.unlimited.into(), |left| duration(t, left)),
            data_left: session.octets_left.map_or(t.unlimited.into(), |left| octets(t, left)),
            facts,
            bookmark: session.bookmark.as_deref().unwrap_or_default(),
            live,
        }
    }

    pub(crate) fn resume(self, status: StatusCode, who: &str, bookmark: &str, error: Option<String>) -> Reply {
        self.show(status, &self.resume_page(who, bookmark, error.as_deref()))
    }

    pub(crate) fn resume_page<'b>(self, who: &str, bookmark: &'b str, error: Option<&'b str>) -> Continue<'b>
    where
        'a: 'b,
    {
        let (who, terms) = (fill(self.t.continue_as, &tidy(who)), self.terms_in_paragraphs());
        let error = error.unwrap_or_default();
        Continue { t: self.t, place: self.place(), who, bookmark, has_terms: !terms.is_empty(), terms, error }
    }

    pub(crate) fn logout(self, session: &Session) -> Reply {
        self.show(StatusCode::OK, &self.logout_page(session))
    }

    pub(crate) fn logout_page(self, session: &Session) -> Logout<'a> {
        Logout { t: self.t, place: self.place(), user: signed_in_as(self.t, session) }
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
        self.show(StatusCode::OK, &self.terms_page())
    }

    pub(crate) fn terms_page(self) -> Terms<'a> {
        Terms { t: self.t, place: self.place(), terms: self.terms_in_paragraphs() }
    }

    fn notice(self, status: StatusCode, title: &'static str, lead: &'static str, link: &'static str) -> Reply {
        self.show(status, &self.notice_page(title, lead, link))
    }

    pub(crate) fn notice_page(self, title: &'static str, lead: &'static str, link: &'static str) -> Notice<'a> {
        Notice { t: self.t, place: self.place(), title, lead, link }
    }

    fn place(self) -> Place<'a> {
        let Site { title, look, sign_in, .. } = self.site;
        let (password, voucher, click_through) = (sign_in.password, sign_in.voucher, sign_in.click_through);
        Place { title, look: &look.version, password, voucher, click_through }
    }

    fn terms_in_paragraphs(self) -> Vec<&'a str> {
        paragraphs(self.site.terms.as_deref())
    }

    /// By the operator's templates if there are any, and by ours if there are none or they fail.
    fn show(self, status: StatusCode, page: &impl Shown) -> Reply {
        if let Some(html) = self.site.templates.as_ref().and_then(|templates| templates.show(page)) {
            return reply::html(status, html);
        }
        match page.render() {
            Ok(html) => reply::html(status, html),
            Err(error) => {
                tracing::error!(%error, "a page of the portal could not be made");
                reply::text(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made.\n")
            }
        }
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
