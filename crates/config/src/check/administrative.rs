//! `[radius.administrative]`.

use super::secret;
use crate::read::Read;
use crate::{Config, RadiusTransport};

const SECTION: &str = "radius.administrative";

pub(super) fn check(config: &Config, read: &mut Read<'_>) {
    let path = |key: &str| format!("{SECTION}.{key}");
    let Some(administrative) = &config.radius.administrative else {
        if let Some(given) = ["secret", "secret_file"].map(path).iter().find(|path| read.is_given(path)) {
            read.conflict(given, &[], "means nothing without radius.administrative.user; add it, or take this out");
        }
        return;
    };
    secret(read, &path("secret"), &path("secret_file"), SECTION, administrative.secret.expose());
    if administrative.user.is_empty() {
        read.conflict(&path("user"), &[], "is empty; write the name that the server knows");
    }
    if config.radius.servers.is_empty() {
        read.conflict(&path("user"), &["radius.server"], "has no server to ask; add a [[radius.server]]");
    }
    let unsigned = |server: &crate::RadiusServer| {
        server.transport == RadiusTransport::Udp && !server.require_message_authenticator
    };
    if let Some(i) = config.radius.servers.iter().position(unsigned) {
        let message = "needs answers that nobody can forge (CVE-2024-3596); let every server sign, or use TLS";
        let because = format!("radius.server[{i}].require_message_authenticator");
        read.conflict(&path("user"), &[&because], message);
    }
}
