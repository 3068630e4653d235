//! Web servers of the operator's that are told what happens: a POST with an event as JSON for each, in their order.
//!
//! The diary is the queue: who answers late, or comes back after an hour, hears of what is still remembered, and the log says
//! what was not. An event may be told twice, with the same number, if the answer to the first time was lost.

use std::time::Duration;

use anyhow::{Context, ensure};
use config::Config;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};
use ring::hmac;
use serde_json::Value;
use tracing::{debug, info, warn};

use crate::diary::Diary;
use crate::web::{self, Client};

/// For one event, connecting included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries: this, then twice as long each time, and at most [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Events that are looked at in one go.
const AT_ONCE: usize = 64;

/// One such server.
pub(crate) struct Webhook {
    url: String,
    events: Vec<String>,
    key: Option<hmac::Key>,
    client: Client,
}

/// Those that are configured.
pub(crate) fn open(config: &Config) -> anyhow::Result<Vec<Webhook>> {
    let open = |webhook: &config::Webhook| {
        let client = Client::new(&webhook.url, webhook.ca.as_deref()).with_context(|| "webhook.url")?;
        let key = webhook.secret.as_ref().map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose()));
        Ok(Webhook { url: webhook.url.clone(), events: webhook.events.clone(), key, client })
    };
    config.webhooks.iter().map(open).collect()
}

impl Webhook {
    /// Tells what happens from now on, for ever.
    pub(crate) async fn tell(&self, diary: &Diary) {
        let mut news = diary.pages().news();
        let mut next = *news.borrow_and_update();
        loop {
            let (events, after) = diary.since(next, &self.events, AT_ONCE);
            if diary.pages().has_forgotten(next, &self.events) {
                warn!(url = self.url, "a webhook has answered too late to be told of everything");
            }
            let is_all = events.len() < AT_ONCE;
            for event in events {
                self.deliver(&event).await;
            }
            next = after;
            if is_all && next == *news.borrow_and_update() && news.changed().await.is_err() {
                return;
            }
        }
    }

    /// Tells of one event until it is taken, or refused for good.
    async fn deliver(&self, event: &Value) {
        let body = event.to_string();
        let (mut pause, mut is_silent) = (FIRST_PAUSE, false);
        loop {
            let answered = match tokio::time::timeout(PATIENCE, self.post(&body)).await {
                Ok(answered) => answered,
                Err(_) => Err(anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs())),
            };
            match answered {
                Ok(()) if is_silent => return info!(url = self.url, "a webhook answers again"),
                Ok(()) => return,
                Err(error) if error.is::<Refused>() => {
                    return warn!(url = self.url, event = %event["event"], %error, "a webhook does not take an event");
                }
                Err(error) if is_silent => debug!(url = self.url, "{error:#}"),
                Err(error) => warn!(url = self.url, "a webhook does not answer, and is asked again: {error:#}"),
            }
            is_silent = true;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn post(&self, body: &str) -> anyhow::Result<()> {
        let path = web::path(&self.url);
        let request = || {
            let mut request = Request::post(&*path).body(body.to_owned().into())?;
            let headers = request.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if let Some(key) = &self.key {
                let tag = hmac::sign(key, body.as_bytes());
                let digits: String = tag.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
                headers.insert("x-poblano-signature", HeaderValue::from_str(&format!("sha256={digits}"))?);
            }
            Ok(request)
        };
        let (status, _) = self.client.send(request).await?;
        let is_refused =
            status.is_client_error() && !matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        ensure!(!is_refused, Refused(status));
        ensure!(status.is_success(), "it answered with status {status}");
        Ok(())
    }
}

/// It has understood, and does not want it.
#[derive(Debug)]
struct Refused(StatusCode);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it answered with status {}", self.0)
    }
}

impl std::error::Error for Refused {}
