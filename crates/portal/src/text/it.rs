//! Italian.

use super::Text;

pub(super) static ITALIAN: Text = Text {
    lang: "it",
    dir: "ltr",
    decimal: ',',

    sign_in: "Accedi",
    sign_in_lead: "Poi questo dispositivo potrà usare Internet.",
    name: "Nome",
    password: "Password",
    accept_terms: "Accetto le condizioni d’uso",
    read_terms: "Leggi le condizioni d’uso",
    terms: "Condizioni d’uso",
    error: "Errore",

    fill_in_both: "Inserisci il nome e la password.",
    accept_terms_first: "Accetta le condizioni d’uso per andare online.",
    no_match: "Il nome e la password non corrispondono.",
    server_silent: "Il server di accesso non risponde. Riprova tra un minuto.",
    too_many_tries: "Troppi tentativi. Riprova tra {}.",

    online: "Sei online",
    online_lead: "Ora questo dispositivo può usare Internet.",
    continue_to: "Continua su {}",
    see_status: "Tempo e dati rimanenti",

    status: "La tua connessione",
    signed_in_as: "Accesso effettuato come {}",
    time_left: "Tempo rimanente",
    data_left: "Dati rimanenti",
    unlimited: "Illimitato",
    online_for: "Online da",
    sent: "Inviati",
    received: "Ricevuti",
    speed_up: "Velocità di upload fino a",
    speed_down: "Velocità di download fino a",
    idle: "Disconnessione per inattività dopo",
    start_updates: "Aggiorna in continuo",
    stop_updates: "Non aggiornare più",
    refresh: "Aggiorna",

    sign_out: "Esci",
    sign_out_question: "Vuoi uscire?",
    sign_out_lead: "Questo dispositivo non potrà più usare Internet.",
    stay: "Resta online",
    signed_out: "Sei uscito",
    signed_out_lead: "Grazie della visita.",
    sign_in_again: "Accedi di nuovo",

    not_found: "Questa pagina non esiste",
    not_found_lead: "Forse l’indirizzo è scritto male.",
    to_start: "Vai alla pagina iniziale",
    trouble: "Non ha funzionato",
    foreign_form: "Questo modulo proveniva da un altro sito e non è stato usato. Accedi o esci dalla nostra pagina.",
    bad_form: "Il modulo è arrivato danneggiato. Riprova.",
    form_too_large: "Il modulo era troppo lungo. Riprova con meno testo.",
    form_too_slow: "Il modulo è arrivato troppo lentamente. Riprova.",

    days: ("{}\u{a0}giorno", "{}\u{a0}giorni"),
    hours: ("{}\u{a0}ora", "{}\u{a0}ore"),
    minutes: ("{}\u{a0}minuto", "{}\u{a0}minuti"),
    seconds: ("{}\u{a0}secondo", "{}\u{a0}secondi"),
};
