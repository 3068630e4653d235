//! `[[webhook]]`.

use super::judge_secret;
use crate::Config;
use crate::read::Read;

pub(super) fn check(config: &Config, read: &mut Read<'_>) {
    for (i, webhook) in config.webhooks.iter().enumerate() {
        let path = |key: &str| format!("webhook[{i}].{key}");
        let in_config = read.is_given(&path("secret"));
        if in_config && read.is_given(&path("secret_file")) {
            read.conflict(&path("secret_file"), &[], "stands beside secret; keep one of the two");
        }
        if let Some(secret) = &webhook.secret {
            judge_secret(read, &path(if in_config { "secret" } else { "secret_file" }), secret.expose());
        }
        if webhook.ca.is_some() && !webhook.is_secure() {
            let message = "means nothing: the url is http, where no certificate is shown; write https there";
            read.conflict(&path("ca_file"), &[&path("url")], message);
        }
    }
}
