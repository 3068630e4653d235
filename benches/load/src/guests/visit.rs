//! What a guest's browser does: probe, log in, log out. Each is a chain of questions and answers, which this decides
//! upon; the connections are elsewhere.
//!
//! Logging in is done as by a person: read the page that the probe is led to, fill in its form, send it. That works with
//! any portal that has a form with a password on a page that is reached by http and by address. Logging out is the
//! page's form without a password.

use super::form::Form;
use super::http::{self, Answer, Url};

/// Redirects that are followed in one visit.
const MAX_HOPS: u8 = 6;

/// What a visit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// To be led to the portal, as a phone's probe.
    Probe,
    /// To be online.
    Login,
    /// To be offline.
    Logout,
}

/// The account that guests log in with.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// A visit under way.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    goal: Goal,
    /// Where the page that is being fetched is.
    at: Url,
    hops: u8,
    submitted: bool,
}

/// What is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask this of that server.
    Ask(Url, Vec<u8>),
    /// It has come to its goal. A probe tells where it was led to.
    Done(Option<String>),
    /// It has not.
    Failed(String),
}

impl Visit {
    /// Begins at an address, with the request for it.
    pub(crate) fn begin(goal: Goal, at: Url) -> (Self, Vec<u8>) {
        let request = http::get(&at);
        (Self { goal, at, hops: 0, submitted: false }, request)
    }

    /// What it is for.
    pub(crate) fn goal(&self) -> Goal {
        self.goal
    }

    /// Where it is.
    pub(crate) fn at(&self) -> &Url {
        &self.at
    }

    /// An answer is complete.
    pub(crate) fn handle_answer(&mut self, answer: &Answer<'_>, account: &Account) -> Step {
        match (answer.is_redirect(), answer.location) {
            (true, None) => Step::Failed(format!("{} without a location", answer.status)),
            (true, Some(location)) if self.goal == Goal::Probe => Step::Done(Some(location.to_owned())),
            // CoovaChilli says it in the address where the browser is led to.
            (true, Some(location)) if self.submitted && location.contains("res=failed") => {
                Step::Failed("the login was refused".to_owned())
            }
            (true, Some(_)) if self.submitted => Step::Done(None),
            (true, Some(location)) => self.follow(location),
            (false, _) => self.read(answer, account),
        }
    }

    fn follow(&mut self, location: &str) -> Step {
        self.hops += 1;
        if self.hops > MAX_HOPS {
            return Step::Failed("led in circles".to_owned());
        }
        match self.at.join(location) {
            Ok(url) => {
                self.at = url.clone();
                let request = http::get(&url);
                Step::Ask(url, request)
            }
            Err(why) => Step::Failed(format!("led to an address that {why}: {location}")),
        }
    }

    fn read(&mut self, answer: &Answer<'_>, account: &Account) -> Step {
        let (status, logging_in) = (answer.status, self.goal == Goal::Login);
        if self.goal == Goal::Probe {
            return Step::Failed(format!("not led to a portal, but {status}"));
        }
        let form = Form::all(answer.body).into_iter().find(|form| form.has_password() == logging_in);
        match form {
            // The login page again, or an error: it did not work. Anything else is the page behind the login.
            _ if self.submitted && (status >= 400 || (logging_in && form.is_some())) => {
                Step::Failed(format!("the {} was refused with {status}", if logging_in { "login" } else { "logout" }))
            }
            _ if self.submitted => Step::Done(None),
            None => Step::Failed(format!(
                "a page without a form to log {}: {status}",
                if logging_in { "in" } else { "out" }
            )),
            Some(form) => match form.submit(&self.at, &account.name, &account.password) {
                Ok((url, request)) if request.len() <= usize::from(super::tcp::MSS) => {
                    self.submitted = true;
                    self.at = url.clone();
                    Step::Ask(url, request)
                }
                Ok(_) => Step::Failed("the form is longer than a segment".to_owned()),
                Err(why) => Step::Failed(format!("the form is sent to an address that {why}")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<form method=post action=/login><input name=n><input name=p type=password></form>";

    fn account() -> Account {
        Account { name: "anne".into(), password: "secret".into() }
    }

    fn begin(goal: Goal) -> Visit {
        Visit::begin(goal, "http://198.51.100.17/probe".parse().unwrap()).0
    }

    fn redirect(location: &str) -> Answer<'_> {
        Answer { status: 303, location: Some(location), closes: true, complete: true, body: "" }
    }

    fn page(status: u16, body: &str) -> Answer<'_> {
        Answer { status, location: None, closes: true, complete: true, body }
    }

    fn failure(step: &Step) -> &str {
        match step {
            Step::Failed(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_probe_is_led_to_the_portal_or_has_failed() {
        let step = begin(Goal::Probe).handle_answer(&redirect("http://10.1.0.1/"), &account());
        assert_eq!(step, Step::Done(Some("http://10.1.0.1/".into())));
        let step = begin(Goal::Probe).handle_answer(&page(204, ""), &account());
        assert_eq!(failure(&step), "not led to a portal, but 204");
    }

    #[test]
    fn a_login_goes_from_the_probe_to_the_page_and_its_form() {
        let mut visit = begin(Goal::Login);
        let Step::Ask(url, _) = visit.handle_answer(&redirect("http://10.1.0.1:3990/"), &account()) else { panic!() };
        assert_eq!(url.server.port(), 3990);
        let Step::Ask(url, request) = visit.handle_answer(&page(200, PAGE), &account()) else { panic!() };
        assert_eq!(url.path, "/login");
        assert!(request.ends_with(b"n=anne&p=secret"));
        assert_eq!(visit.handle_answer(&redirect("/success"), &account()), Step::Done(None));
    }

    #[test]
    fn a_refused_login_is_none() {
        let refused = |answer: Answer<'_>| {
            let mut visit = begin(Goal::Login);
            visit.handle_answer(&page(200, PAGE), &account());
            visit.handle_answer(&answer, &account())
        };
        assert_eq!(failure(&refused(page(403, PAGE))), "the login was refused with 403");
        assert_eq!(failure(&refused(page(200, PAGE))), "the login was refused with 200");
        assert_eq!(failure(&refused(redirect("/?res=failed&x"))), "the login was refused");
        assert_eq!(refused(page(200, "Welcome")), Step::Done(None));
    }

    #[test]
    fn circles_and_pages_without_a_form_come_to_an_end() {
        let mut visit = begin(Goal::Login);
        let last = (0..=MAX_HOPS).map(|_| visit.handle_answer(&redirect("/again"), &account())).last().unwrap();
        assert_eq!(failure(&last), "led in circles");
        let step = begin(Goal::Login).handle_answer(&page(200, "Under construction"), &account());
        assert_eq!(failure(&step), "a page without a form to log in: 200");
    }

    #[test]
    fn a_logout_sends_the_form_without_a_password() {
        let mut visit = begin(Goal::Logout);
        let body = "<form method=post action=/logout><button>Sign out</button></form>";
        let Step::Ask(url, _) = visit.handle_answer(&page(200, body), &account()) else { panic!() };
        assert_eq!(url.path, "/logout");
        assert_eq!(visit.handle_answer(&redirect("/logged-out"), &account()), Step::Done(None));
    }
}
