//! German.

use super::Text;

pub(super) static GERMAN: Text = Text {
    lang: "de",
    dir: "ltr",
    decimal: ',',

    sign_in: "Anmelden",
    sign_in_lead: "Dann kann dieses Gerät das Internet nutzen.",
    name: "Name",
    password: "Passwort",
    accept_terms: "Ich akzeptiere die Nutzungsbedingungen",
    read_terms: "Nutzungsbedingungen lesen",
    terms: "Nutzungsbedingungen",
    error: "Fehler",

    fill_in_both: "Bitte geben Sie Name und Passwort ein.",
    accept_terms_first: "Bitte akzeptieren Sie die Nutzungsbedingungen, um online zu gehen.",
    no_match: "Name und Passwort passen nicht zusammen.",
    server_silent: "Der Anmeldeserver antwortet nicht. Bitte versuchen Sie es in einer Minute noch einmal.",
    too_many_tries: "Zu viele Versuche. Bitte versuchen Sie es in {} noch einmal.",

    online: "Sie sind online",
    online_lead: "Dieses Gerät kann jetzt das Internet nutzen.",
    continue_to: "Weiter zu {}",
    see_status: "Verbleibende Zeit und Daten",

    status: "Ihre Verbindung",
    signed_in_as: "Angemeldet als {}",
    time_left: "Verbleibende Zeit",
    data_left: "Verbleibende Daten",
    unlimited: "Unbegrenzt",
    online_for: "Online-Zeit",
    sent: "Gesendet",
    received: "Empfangen",
    speed_up: "Upload bis zu",
    speed_down: "Download bis zu",
    idle: "Abmeldung bei Nichtnutzung nach",
    start_updates: "Laufend aktualisieren",
    stop_updates: "Nicht mehr aktualisieren",
    refresh: "Aktualisieren",

    sign_out: "Abmelden",
    sign_out_question: "Abmelden?",
    sign_out_lead: "Dieses Gerät kann das Internet dann nicht mehr nutzen.",
    stay: "Online bleiben",
    signed_out: "Sie sind abgemeldet",
    signed_out_lead: "Vielen Dank für Ihren Besuch.",
    sign_in_again: "Wieder anmelden",

    not_found: "Diese Seite gibt es nicht",
    not_found_lead: "Vielleicht ist die Adresse falsch geschrieben.",
    to_start: "Zur Startseite",
    trouble: "Das hat nicht geklappt",
    foreign_form: "Dieses Formular kam von einer anderen Website und wurde nicht verwendet. Bitte melden Sie sich auf unserer eigenen Seite an oder ab.",
    bad_form: "Das Formular kam beschädigt an. Bitte versuchen Sie es noch einmal.",
    form_too_large: "Das Formular war zu lang. Bitte versuchen Sie es mit weniger Text.",
    form_too_slow: "Das Formular kam zu langsam an. Bitte versuchen Sie es noch einmal.",

    days: ("{}\u{a0}Tag", "{}\u{a0}Tage"),
    hours: ("{}\u{a0}Stunde", "{}\u{a0}Stunden"),
    minutes: ("{}\u{a0}Minute", "{}\u{a0}Minuten"),
    seconds: ("{}\u{a0}Sekunde", "{}\u{a0}Sekunden"),
};
