//! French.

use super::Text;

pub(super) static FRENCH: Text = Text {
    lang: "fr",
    dir: "ltr",
    decimal: ',',

    sign_in: "Se connecter",
    sign_in_lead: "Cet appareil pourra alors utiliser Internet.",
    name: "Nom",
    password: "Mot de passe",
    accept_terms: "J’accepte les conditions d’utilisation",
    read_terms: "Lire les conditions d’utilisation",
    terms: "Conditions d’utilisation",
    error: "Erreur",

    fill_in_both: "Veuillez saisir votre nom et votre mot de passe.",
    accept_terms_first: "Veuillez accepter les conditions d’utilisation pour vous connecter.",
    no_match: "Ce nom et ce mot de passe ne correspondent pas.",
    server_silent: "Le serveur d’authentification ne répond pas. Veuillez réessayer dans une minute.",
    too_many_tries: "Trop de tentatives. Veuillez réessayer dans {}.",

    online: "Vous êtes en ligne",
    online_lead: "Cet appareil peut maintenant utiliser Internet.",
    continue_to: "Continuer vers {}",
    see_status: "Temps et données restants",

    status: "Votre connexion",
    signed_in_as: "Connecté en tant que {}",
    time_left: "Temps restant",
    data_left: "Données restantes",
    unlimited: "Illimité",
    online_for: "En ligne depuis",
    sent: "Envoyé",
    received: "Reçu",
    speed_up: "Débit montant maximal",
    speed_down: "Débit descendant maximal",
    idle: "Déconnexion en cas d’inactivité après",
    start_updates: "Actualiser en continu",
    stop_updates: "Ne plus actualiser",
    refresh: "Actualiser",

    sign_out: "Se déconnecter",
    sign_out_question: "Se déconnecter ?",
    sign_out_lead: "Cet appareil ne pourra plus utiliser Internet.",
    stay: "Rester en ligne",
    signed_out: "Vous êtes déconnecté",
    signed_out_lead: "Merci de votre visite.",
    sign_in_again: "Se reconnecter",

    not_found: "Cette page n’existe pas",
    not_found_lead: "L’adresse est peut-être mal saisie.",
    to_start: "Aller à la page d’accueil",
    trouble: "Cela n’a pas fonctionné",
    foreign_form: "Ce formulaire provenait d’un autre site web et n’a pas été utilisé. Veuillez vous connecter ou vous déconnecter sur notre propre page.",
    bad_form: "Le formulaire est arrivé endommagé. Veuillez réessayer.",
    form_too_large: "Le formulaire était trop long. Veuillez réessayer avec moins de texte.",
    form_too_slow: "Le formulaire est arrivé trop lentement. Veuillez réessayer.",

    days: ("{}\u{a0}jour", "{}\u{a0}jours"),
    hours: ("{}\u{a0}heure", "{}\u{a0}heures"),
    minutes: ("{}\u{a0}minute", "{}\u{a0}minutes"),
    seconds: ("{}\u{a0}seconde", "{}\u{a0}secondes"),
};
