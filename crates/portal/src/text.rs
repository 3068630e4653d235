//! Every sentence a guest reads, in one place for each language.
//!
//! `{}` stands for the one value of a sentence. Plurals come as a pair, one and many; a number and its unit are held
//! together by a no-break space.

/// The sentences of one language.
pub(crate) struct Text {
    /// BCP 47 tag.
    pub(crate) lang: &'static str,
    /// `ltr` or `rtl`.
    pub(crate) dir: &'static str,

    pub(crate) sign_in: &'static str,
    pub(crate) sign_in_lead: &'static str,
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
    pub(crate) accept_terms: &'static str,
    pub(crate) read_terms: &'static str,
    pub(crate) terms: &'static str,
    pub(crate) error: &'static str,

    pub(crate) fill_in_both: &'static str,
    pub(crate) accept_terms_first: &'static str,
    pub(crate) no_match: &'static str,
    pub(crate) server_silent: &'static str,
    pub(crate) too_many_tries: &'static str,

    pub(crate) online: &'static str,
    pub(crate) online_lead: &'static str,
    pub(crate) continue_to: &'static str,
    pub(crate) see_status: &'static str,

    pub(crate) status: &'static str,
    pub(crate) signed_in_as: &'static str,
    pub(crate) time_left: &'static str,
    pub(crate) data_left: &'static str,
    pub(crate) unlimited: &'static str,
    pub(crate) online_for: &'static str,
    pub(crate) sent: &'static str,
    pub(crate) received: &'static str,
    pub(crate) speed_up: &'static str,
    pub(crate) speed_down: &'static str,
    pub(crate) idle: &'static str,
    pub(crate) start_updates: &'static str,
    pub(crate) stop_updates: &'static str,
    pub(crate) refresh: &'static str,

    pub(crate) sign_out: &'static str,
    pub(crate) sign_out_question: &'static str,
    pub(crate) sign_out_lead: &'static str,
    pub(crate) stay: &'static str,
    pub(crate) signed_out: &'static str,
    pub(crate) signed_out_lead: &'static str,
    pub(crate) sign_in_again: &'static str,

    pub(crate) not_found: &'static str,
    pub(crate) not_found_lead: &'static str,
    pub(crate) to_start: &'static str,
    pub(crate) trouble: &'static str,
    pub(crate) foreign_form: &'static str,
    pub(crate) bad_form: &'static str,
    pub(crate) form_too_large: &'static str,
    pub(crate) form_too_slow: &'static str,

    pub(crate) days: (&'static str, &'static str),
    pub(crate) hours: (&'static str, &'static str),
    pub(crate) minutes: (&'static str, &'static str),
    pub(crate) seconds: (&'static str, &'static str),
}

/// The language everybody gets who does not ask for one that we have.
pub(crate) static ENGLISH: Text = Text {
    lang: "en",
    dir: "ltr",

    sign_in: "Sign in",
    sign_in_lead: "Then this device can use the Internet.",
    name: "Name",
    password: "Password",
    accept_terms: "I accept the terms of use",
    read_terms: "Read the terms of use",
    terms: "Terms of use",
    error: "Error",

    fill_in_both: "Please enter both your name and your password.",
    accept_terms_first: "Please accept the terms of use to go online.",
    no_match: "That name and password do not match.",
    server_silent: "The login server does not answer: please try again in a minute.",
    too_many_tries: "Too many attempts. Please try again in {}.",

    online: "You are online",
    online_lead: "This device can now use the Internet.",
    continue_to: "Continue to {}",
    see_status: "Time and data left",

    status: "Your connection",
    signed_in_as: "Signed in as {}",
    time_left: "Time left",
    data_left: "Data left",
    unlimited: "No limit",
    online_for: "Online for",
    sent: "Sent",
    received: "Received",
    speed_up: "Upload speed up to",
    speed_down: "Download speed up to",
    idle: "Signed out when unused for",
    start_updates: "Keep up to date",
    stop_updates: "Stop updating",
    refresh: "Refresh",

    sign_out: "Sign out",
    sign_out_question: "Sign out?",
    sign_out_lead: "This device will no longer be able to use the Internet.",
    stay: "Stay online",
    signed_out: "You are signed out",
    signed_out_lead: "Thank you for your visit.",
    sign_in_again: "Sign in again",

    not_found: "This page does not exist",
    not_found_lead: "The address may be mistyped.",
    to_start: "Go to the start page",
    trouble: "That did not work",
    foreign_form: "This form came from another website, so it was not used. Please sign in or out on our own page.",
    bad_form: "The form arrived damaged. Please try again.",
    form_too_large: "The form was too long. Please try again with less.",
    form_too_slow: "The form took too long to arrive. Please try again.",

    days: ("{}\u{a0}day", "{}\u{a0}days"),
    hours: ("{}\u{a0}hour", "{}\u{a0}hours"),
    minutes: ("{}\u{a0}minute", "{}\u{a0}minutes"),
    seconds: ("{}\u{a0}second", "{}\u{a0}seconds"),
};

/// Puts a sentence's value in its place.
pub(crate) fn fill(sentence: &str, value: &str) -> String {
    sentence.replacen("{}", value, 1)
}
