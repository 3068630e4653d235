//! Dutch.

use super::Text;

pub(super) static DUTCH: Text = Text {
    lang: "nl",
    dir: "ltr",
    decimal: ',',

    sign_in: "Inloggen",
    sign_in_lead: "Daarna kan dit apparaat internet gebruiken.",
    name: "Naam",
    password: "Wachtwoord",
    accept_terms: "Ik ga akkoord met de gebruiksvoorwaarden",
    read_terms: "Gebruiksvoorwaarden lezen",
    terms: "Gebruiksvoorwaarden",
    error: "Fout",

    fill_in_both: "Vul uw naam en wachtwoord in.",
    accept_terms_first: "Ga akkoord met de gebruiksvoorwaarden om online te gaan.",
    no_match: "Deze naam en dit wachtwoord horen niet bij elkaar.",
    server_silent: "De aanmeldserver antwoordt niet. Probeer het over een minuut opnieuw.",
    too_many_tries: "Te veel pogingen. Probeer het opnieuw over {}.",

    online: "U bent online",
    online_lead: "Dit apparaat kan nu internet gebruiken.",
    continue_to: "Verder naar {}",
    see_status: "Resterende tijd en data",

    status: "Uw verbinding",
    signed_in_as: "Ingelogd als {}",
    time_left: "Resterende tijd",
    data_left: "Resterende data",
    unlimited: "Onbeperkt",
    online_for: "Tijd online",
    sent: "Verzonden",
    received: "Ontvangen",
    speed_up: "Uploadsnelheid tot",
    speed_down: "Downloadsnelheid tot",
    idle: "Uitgelogd bij inactiviteit na",
    start_updates: "Doorlopend bijwerken",
    stop_updates: "Niet meer bijwerken",
    refresh: "Bijwerken",

    sign_out: "Uitloggen",
    sign_out_question: "Uitloggen?",
    sign_out_lead: "Dit apparaat kan dan geen internet meer gebruiken.",
    stay: "Online blijven",
    signed_out: "U bent uitgelogd",
    signed_out_lead: "Bedankt voor uw bezoek.",
    sign_in_again: "Opnieuw inloggen",

    not_found: "Deze pagina bestaat niet",
    not_found_lead: "Misschien is het adres verkeerd getypt.",
    to_start: "Naar de startpagina",
    trouble: "Dat is niet gelukt",
    foreign_form: "Dit formulier kwam van een andere website en is niet gebruikt. Log in of uit op onze eigen pagina.",
    bad_form: "Het formulier kwam beschadigd aan. Probeer het opnieuw.",
    form_too_large: "Het formulier was te lang. Probeer het met minder tekst.",
    form_too_slow: "Het formulier kwam te langzaam aan. Probeer het opnieuw.",

    days: ("{}\u{a0}dag", "{}\u{a0}dagen"),
    hours: ("{}\u{a0}uur", "{}\u{a0}uur"),
    minutes: ("{}\u{a0}minuut", "{}\u{a0}minuten"),
    seconds: ("{}\u{a0}seconde", "{}\u{a0}seconden"),
};
