//! How a password that a guest typed is shown to a server, and what the server's answer is worth.

use config::PasswordMethod;
use portal::{Credential as Shown, Login};
use radius::attr::microsoft;
use radius::mschap::{Failure, Response, failure};
use radius::{Credential, Reply};

/// What a guest shows, as it goes to the server: a password as the operator wants it to travel, an answer to a challenge
/// as it is.
pub(super) fn credential(method: PasswordMethod, login: &Login<'_>) -> Credential {
    match login.credential {
        Shown::Password(password) => of_password(method, login.name, password),
        Shown::Chap { ident, challenge, response } => {
            Credential::Chap { ident: *ident, challenge: challenge.to_vec(), response: *response }
        }
        Shown::MsChapV2 { challenge, response } => {
            // CoovaChilli's portals take one for both challenges.
            Credential::MsChapV2(Response::relayed(0, *challenge, *challenge, *response))
        }
        // It goes to the program by HTTP, which takes any length.
        Shown::Eap(message) => Credential::Eap { message: message.clone(), framed_mtu: None },
    }
}

/// True if what a guest shows is of that password, as far as it is a password or an answer to a challenge.
pub(super) fn is_of(login: &Login<'_>, password: &str) -> bool {
    match login.credential {
        Shown::MsChapV2 { challenge, response } => {
            Response::relayed(0, *challenge, *challenge, *response).is_of(login.name, password)
        }
        shown => shown.is_of(password.as_bytes()),
    }
}

pub(super) fn of_password(method: PasswordMethod, name: &str, password: &[u8]) -> Credential {
    let mut random = [0; 33];
    crate::dice(&mut random);
    let [ident, challenges @ ..] = random;
    let (challenge, peer_challenge) = challenges.split_at(16);
    let octets = |half: &[u8]| std::array::from_fn(|at| half[at]);
    match method {
        PasswordMethod::Pap => Credential::Pap(password.to_vec()),
        PasswordMethod::Chap => Credential::chap(ident, challenge, password),
        PasswordMethod::MsChapV2 => {
            let password = String::from_utf8_lossy(password); // it is hashed as UTF-16
            Credential::MsChapV2(Response::new(ident, octets(challenge), octets(peer_challenge), name, &password))
        }
    }
}

/// What a guest is told who was refused: the server's Reply-Message, or why MS-CHAPv2 failed if it says more than that
/// name or password is wrong.
pub(super) fn refusal(reject: &Reply) -> Option<String> {
    reject.reply_message().or_else(|| {
        let failure = Failure::parse(&reject.get(microsoft::MS_CHAP_ERROR)?)?;
        let says_more = failure.code != failure::AUTHENTICATION_FAILURE && !failure.message.is_empty();
        says_more.then_some(failure.message)
    })
}
