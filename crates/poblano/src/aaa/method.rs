//! How a password that a guest typed is shown to a server, and what the server's answer is worth.

use config::PasswordMethod;
use radius::attr::microsoft;
use radius::mschap::{Failure, Response, failure};
use radius::{Credential, Reply};

/// The password as the operator wants it to travel.
pub(super) fn credential(method: PasswordMethod, name: &str, password: &str) -> Credential {
    let mut random = [0; 33];
    crate::dice(&mut random);
    let [ident, challenges @ ..] = random;
    let (challenge, peer_challenge) = challenges.split_at(16);
    let octets = |half: &[u8]| std::array::from_fn(|at| half[at]);
    match method {
        PasswordMethod::Pap => Credential::Pap(password.as_bytes().to_vec()),
        PasswordMethod::Chap => Credential::chap(ident, challenge, password.as_bytes()),
        PasswordMethod::MsChapV2 => {
            Credential::MsChapV2(Response::new(ident, octets(challenge), octets(peer_challenge), name, password))
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
