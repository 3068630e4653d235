//! Portuguese, as in Brazil.

use super::Text;

pub(super) static PORTUGUESE: Text = Text {
    lang: "pt-BR",
    dir: "ltr",
    decimal: ',',

    sign_in: "Entrar",
    sign_in_lead: "Depois, este dispositivo poderá usar a Internet.",
    name: "Nome",
    password: "Senha",
    accept_terms: "Aceito os termos de uso",
    read_terms: "Ler os termos de uso",
    terms: "Termos de uso",
    error: "Erro",

    fill_in_both: "Informe o nome e a senha.",
    accept_terms_first: "Aceite os termos de uso para se conectar.",
    no_match: "O nome e a senha não correspondem.",
    server_silent: "O servidor de acesso não responde. Tente novamente em um minuto.",
    too_many_tries: "Muitas tentativas. Tente novamente em {}.",

    online: "Você está online",
    online_lead: "Este dispositivo já pode usar a Internet.",
    continue_to: "Continuar para {}",
    see_status: "Tempo e dados restantes",

    status: "Sua conexão",
    signed_in_as: "Conectado como {}",
    time_left: "Tempo restante",
    data_left: "Dados restantes",
    unlimited: "Sem limite",
    online_for: "Online há",
    sent: "Enviados",
    received: "Recebidos",
    speed_up: "Velocidade de envio até",
    speed_down: "Velocidade de recepção até",
    idle: "Saída por inatividade após",
    start_updates: "Atualizar continuamente",
    stop_updates: "Parar de atualizar",
    refresh: "Atualizar",

    sign_out: "Sair",
    sign_out_question: "Deseja sair?",
    sign_out_lead: "Este dispositivo não poderá mais usar a Internet.",
    stay: "Continuar online",
    signed_out: "Você saiu",
    signed_out_lead: "Obrigado pela visita.",
    sign_in_again: "Entrar novamente",

    not_found: "Esta página não existe",
    not_found_lead: "O endereço pode estar errado.",
    to_start: "Ir para a página inicial",
    trouble: "Não funcionou",
    foreign_form: "Este formulário veio de outro site e não foi usado. Entre ou saia pela nossa própria página.",
    bad_form: "O formulário chegou danificado. Tente novamente.",
    form_too_large: "O formulário era longo demais. Tente novamente com menos texto.",
    form_too_slow: "O formulário demorou demais para chegar. Tente novamente.",

    days: ("{}\u{a0}dia", "{}\u{a0}dias"),
    hours: ("{}\u{a0}hora", "{}\u{a0}horas"),
    minutes: ("{}\u{a0}minuto", "{}\u{a0}minutos"),
    seconds: ("{}\u{a0}segundo", "{}\u{a0}segundos"),
};
