//! English.

use super::Text;

/// The language everybody gets who does not ask for one that we have.
pub(crate) static ENGLISH: Text = Text {
    lang: "en",
    dir: "ltr",
    decimal: '.',

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
