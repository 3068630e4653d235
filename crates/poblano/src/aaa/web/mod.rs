//! A web page as a server (CoovaChilli's `uamaaaurl`). To the client of RADIUS it is one more server of datagrams, so that
//! grants, retries, fail-over and the records that wait on the disk are those of RADIUS. What differs is here: a packet goes
//! no further than this module, which asks by HTTP what is in it and makes a packet of what the page says.
//!
//! Only a page that decides is believed: one that answers with an error, or whose certificate is another's, has not
//! refused the guest, and is no silence either. Nothing is followed, for a redirect would take passwords elsewhere.

mod words;

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use config::{Config, Direction, RadiusHttp, RadiusServer};
use hyper::{Request, StatusCode};
use radius::{Code, View};
use tokio::sync::Semaphore;
use tracing::debug;

use self::words::Words;
use super::radsec::Silence;
use crate::web::{self, Client};

pub(super) use self::words::SECRET;

/// For all of one question, looking up the name and connecting included: as long as a guest waits for one server.
const PATIENCE: Duration = Duration::from_secs(10);
/// Guests whose login is asked about at one time, each with a connection of some 50 kB with TLS; more wait. With a page that
/// takes half a second it is a hundred logins a second.
const LOGINS_AT_ONCE: usize = 48;
/// The same of accounting records, as many as CoovaChilli asks in all: a crowd that leaves makes no login wait.
const RECORDS_AT_ONCE: usize = 16;

/// One page.
pub(super) struct Page {
    /// For people.
    name: String,
    url: String,
    secret: Vec<u8>,
    words: Words,
    room_for_logins: Semaphore,
    room_for_records: Semaphore,
    client: Client,
}

impl Page {
    pub(super) fn new(config: &Config, server: &RadiusServer, http: &RadiusHttp) -> anyhow::Result<Self> {
        Ok(Self {
            name: super::name(server),
            url: http.url.clone(),
            secret: server.secret.expose().to_vec(),
            words: Words {
                input_is_from_guest: config.accounting.direction == Direction::Rfc2866,
                lan: config.lan.interface.clone(),
            },
            room_for_logins: Semaphore::new(LOGINS_AT_ONCE),
            room_for_records: Semaphore::new(RECORDS_AT_ONCE),
            client: Client::new(&http.url, http.ca.as_deref())?,
        })
    }

    /// How people are told of it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Asks what a packet asks, and gives the packet that is the answer.
    pub(super) async fn ask(&self, packet: &[u8]) -> anyhow::Result<Vec<u8>> {
        let request = View::parse(packet).context("it is no packet")?;
        let Some(parameters) = self.words.question(request) else {
            debug!("a web page cannot be asked that: it knows passwords, CHAP and EAP");
            return words::refusal(request).context("a web page cannot be asked that");
        };
        let url = uam::aaa::question(&self.url, &parameters, &self.secret);
        let is_record = request.code() == Code::AccountingRequest;
        let room = if is_record { &self.room_for_records } else { &self.room_for_logins };
        let asking = async {
            let _room = room.acquire().await?;
            self.get(&url).await
        };
        let body = match tokio::time::timeout(PATIENCE, asking).await {
            Ok(body) => body?,
            Err(_) => bail!(Silence(format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        words::answer(request, &body).context("what it says is no answer, or has a limit that cannot be read")
    }

    async fn get(&self, url: &str) -> anyhow::Result<String> {
        let path = web::path(url);
        let (status, body) = self.client.send(|| Ok(Request::get(&*path).body(Default::default())?)).await?;
        ensure!(status == StatusCode::OK, "it answered with status {status}");
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}
