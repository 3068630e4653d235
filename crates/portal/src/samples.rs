//! Every page in every state that it can be in, to try templates with.

use std::time::Duration;

use wire::routes::Routes;
use wire::url::WebUrl;

use crate::pages::{LoginForm, Page, Shown};
use crate::text::Text;
use crate::{Files, Limits, Look, Session, SignIn, Site, Uam};

/// Of each character that has to be escaped, one.
const WORDS: &str = "<b>\"Ada\" & 'Bob'</b>";
const PARAGRAPHS: &str = "Be <kind> & \"calm\".\n\nThe house isn't yours.";

/// Whoever looks at them.
pub(crate) trait Visitor {
    /// Looks at one.
    fn page<P: Shown>(&mut self, page: &P);
}

/// Shows them all, in this language.
pub(crate) fn each(t: &'static Text, visitor: &mut impl Visitor) {
    for (password, voucher, click_through) in
        [(true, false, false), (false, true, false), (false, false, true), (true, true, true)]
    {
        for said in [None, Some(PARAGRAPHS)] {
            let site = site(SignIn { password, voucher, click_through }, said);
            let page = Page { t, site: &site };
            sign_in(page, visitor);
            for error in [None, Some(WORDS)] {
                visitor.page(&page.resume_page(WORDS, "k3y", error));
            }
            visitor.page(&page.terms_page());
        }
    }
    let site = site(SignIn { password: true, voucher: true, click_through: true }, None);
    let page = Page { t, site: &site };
    let url = WebUrl::parse("http://www.example.org/news?a=1&b=2");
    for session in [Session::default(), session()] {
        visitor.page(&page.logout_page(&session));
        visitor.page(&page.success_page(&session, None));
        visitor.page(&page.success_page(&session, url.as_ref()));
        visitor.page(&page.status_page(&session, false));
        visitor.page(&page.status_page(&session, true));
    }
    for (title, lead, link) in [
        (t.signed_out, t.signed_out_lead, t.sign_in_again),
        (t.not_found, t.not_found_lead, t.to_start),
        (t.trouble, t.foreign_form, t.to_start),
    ] {
        visitor.page(&page.notice_page(title, lead, link));
    }
}

fn sign_in(page: Page<'_>, visitor: &mut impl Visitor) {
    for url in [None, WebUrl::parse("http://www.example.org/news?a=1&b=2")] {
        for (name, voucher) in [("", ""), (WORDS, ""), ("", WORDS)] {
            for error in [None, Some(WORDS.to_owned())] {
                let terms_accepted = error.is_some();
                visitor.page(&page.login_page(&LoginForm { name, voucher, url, terms_accepted, error }));
            }
        }
    }
}

fn session() -> Session {
    Session {
        user: WORDS.into(),
        age: Duration::from_secs(1_500),
        time_left: Some(Duration::from_secs(5_700)),
        idle_timeout: Some(Duration::from_secs(900)),
        octets_up: 12_400_000,
        octets_down: 266_000_000,
        octets_left: Some(734_000_000),
        bits_per_second_up: Some(5_000_000),
        bits_per_second_down: Some(20_000_000),
        message: Some(WORDS.into()),
        bookmark: Some("k3y".into()),
        ..Session::default()
    }
}

fn site(sign_in: SignIn, said: Option<&str>) -> Site {
    Site {
        title: WORDS.into(),
        welcome: said.map(Into::into),
        look: Look::default(),
        sign_in,
        templates: None,
        terms: said.map(Into::into),
        base_url: "http://10.85.0.1:3990".into(),
        names: Vec::new(),
        venue_url: None,
        can_extend: false,
        files: Files::default(),
        routes: Routes::default(),
        uam: Uam::default(),
        limits: Limits::default(),
    }
}
