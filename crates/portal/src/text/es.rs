//! Spanish.

use super::Text;

pub(super) static SPANISH: Text = Text {
    lang: "es",
    dir: "ltr",
    decimal: ',',

    sign_in: "Iniciar sesión",
    sign_in_lead: "Después, este dispositivo podrá usar Internet.",
    name: "Nombre",
    password: "Contraseña",
    accept_terms: "Acepto las condiciones de uso",
    read_terms: "Leer las condiciones de uso",
    terms: "Condiciones de uso",
    error: "Error",

    fill_in_both: "Introduzca su nombre y su contraseña.",
    accept_terms_first: "Acepte las condiciones de uso para conectarse.",
    no_match: "El nombre y la contraseña no coinciden.",
    server_silent: "El servidor de acceso no responde. Vuelva a intentarlo dentro de un minuto.",
    too_many_tries: "Demasiados intentos. Vuelva a intentarlo dentro de {}.",

    online: "Está en línea",
    online_lead: "Este dispositivo ya puede usar Internet.",
    continue_to: "Continuar a {}",
    see_status: "Tiempo y datos restantes",

    status: "Su conexión",
    signed_in_as: "Sesión iniciada como {}",
    time_left: "Tiempo restante",
    data_left: "Datos restantes",
    unlimited: "Sin límite",
    online_for: "En línea desde hace",
    sent: "Enviado",
    received: "Recibido",
    speed_up: "Velocidad de subida hasta",
    speed_down: "Velocidad de bajada hasta",
    idle: "Cierre de sesión por inactividad tras",
    start_updates: "Actualizar continuamente",
    stop_updates: "Dejar de actualizar",
    refresh: "Actualizar",

    sign_out: "Cerrar sesión",
    sign_out_question: "¿Cerrar sesión?",
    sign_out_lead: "Este dispositivo ya no podrá usar Internet.",
    stay: "Seguir en línea",
    signed_out: "Ha cerrado la sesión",
    signed_out_lead: "Gracias por su visita.",
    sign_in_again: "Volver a iniciar sesión",

    not_found: "Esta página no existe",
    not_found_lead: "Puede que la dirección esté mal escrita.",
    to_start: "Ir a la página de inicio",
    trouble: "No ha funcionado",
    foreign_form: "Este formulario procedía de otro sitio web y no se ha utilizado. Inicie o cierre sesión en nuestra propia página.",
    bad_form: "El formulario llegó dañado. Vuelva a intentarlo.",
    form_too_large: "El formulario era demasiado largo. Vuelva a intentarlo con menos texto.",
    form_too_slow: "El formulario tardó demasiado en llegar. Vuelva a intentarlo.",

    days: ("{}\u{a0}día", "{}\u{a0}días"),
    hours: ("{}\u{a0}hora", "{}\u{a0}horas"),
    minutes: ("{}\u{a0}minuto", "{}\u{a0}minutos"),
    seconds: ("{}\u{a0}segundo", "{}\u{a0}segundos"),
};
