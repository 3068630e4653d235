//! The certificate of the portal, or of the console. It is read at the start, where a mistake ends the start, and again when its
//! files have changed: a new pair that does not fit leaves the one before in place, and is told of. Whoever renews it
//! therefore need not tell the gateway, nor replace both files at once.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use config::{Config, ConsoleTls, PortalTls};
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::tls;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A certificate that ends so soon is told of: whoever renews them does it weeks before.
const SOON: Duration = Duration::from_hours(7 * 24);
/// How often.
const TELL_EVERY: Duration = Duration::from_hours(24);

/// Whose certificate it is, and where it is.
#[derive(Clone)]
struct Pair {
    /// As the log has it.
    whose: &'static str,
    /// Where a mistake in the files is to be looked for.
    place: &'static str,
    thread: &'static str,
    /// What it has to be for; operators may come by any name or address.
    name: Option<String>,
    certificate: PathBuf,
    key: PathBuf,
}

/// https of one portal, or of the console.
pub(crate) struct Https {
    pair: Pair,
    /// Whoever speaks it.
    pub(crate) tls: Rc<portal::Tls>,
    /// The operator says that the files may have changed.
    pub(crate) look: Notify,
    seen: Cell<[Option<State>; 2]>,
    good_until: Cell<Option<Duration>>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    changed: Option<SystemTime>,
    octets: u64,
    inode: u64,
}

/// A certificate that can be used.
struct Loaded {
    config: Arc<ServerConfig>,
    good_until: Option<Duration>,
}

/// Whether the files are what they are to be.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    pairs(config).try_for_each(|pair| load(&pair).map(drop).context(pair.place))
}

/// What the operator should hear of certificates that can be used.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    pairs(config).filter_map(|pair| ends_soon(&pair, load(&pair).ok()?.good_until?)).collect()
}

fn pairs(config: &Config) -> impl Iterator<Item = Pair> {
    config.portal.tls.as_ref().map(Pair::of_portal).into_iter().chain(config.console.tls.as_ref().map(Pair::of_console))
}

impl Pair {
    fn of_portal(PortalTls { name, certificate, key, .. }: &PortalTls) -> Self {
        let (certificate, key) = (certificate.clone(), key.clone());
        Self {
            whose: "the portal",
            place: "[portal.tls]",
            thread: "portal-tls",
            name: Some(name.clone()),
            certificate,
            key,
        }
    }

    fn of_console(ConsoleTls { certificate, key }: &ConsoleTls) -> Self {
        let (certificate, key) = (certificate.clone(), key.clone());
        Self { whose: "the console", place: "[console.tls]", thread: "console-tls", name: None, certificate, key }
    }
}

/// Looks after it for ever, if there is one.
pub(crate) async fn keep(https: Option<Rc<Https>>) {
    let Some(https) = https else { return std::future::pending().await };
    let mut told = None;
    loop {
        if told.is_none_or(|told: Instant| told.elapsed() >= TELL_EVERY)
            && let Some(warning) = https.good_until.get().and_then(|until| ends_soon(&https.pair, until))
        {
            warn!("{warning}");
            told = Some(Instant::now());
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = https.look.notified() => {}
        }
        https.look_again();
    }
}

impl Https {
    /// Of a portal. Reads the files.
    pub(crate) fn of_portal(settings: &PortalTls) -> anyhow::Result<Rc<Self>> {
        Self::start(Pair::of_portal(settings))
    }

    /// The same of the console.
    pub(crate) fn of_console(settings: &ConsoleTls) -> anyhow::Result<Rc<Self>> {
        Self::start(Pair::of_console(settings))
    }

    fn start(pair: Pair) -> anyhow::Result<Rc<Self>> {
        // Before they are read: a change meanwhile is seen as one.
        let seen = states(&pair);
        let Loaded { config, good_until } = load(&pair).context(pair.place)?;
        Ok(Rc::new(Self {
            tls: Rc::new(portal::Tls::start(pair.thread, config)?),
            pair,
            look: Notify::new(),
            seen: Cell::new(seen),
            good_until: Cell::new(good_until),
        }))
    }

    fn look_again(&self) {
        let now = states(&self.pair);
        if self.seen.replace(now) == now {
            return;
        }
        match load(&self.pair) {
            Ok(Loaded { config, good_until }) => {
                self.tls.replace(config);
                self.good_until.set(good_until);
                info!("{} has a new certificate", self.pair.whose);
            }
            Err(error) => warn!("{} keeps its certificate: {error:#}", self.pair.whose),
        }
    }
}

fn states(pair: &Pair) -> [Option<State>; 2] {
    let state = |file: &Path| {
        let about = fs::metadata(file).ok()?;
        Some(State { changed: about.modified().ok(), octets: about.len(), inode: about.ino() })
    };
    [state(&pair.certificate), state(&pair.key)]
}

fn load(pair: &Pair) -> anyhow::Result<Loaded> {
    let Pair { name, certificate, key, .. } = pair;
    let chain = tls::certificates(certificate)?;
    let first = chain.first().context("there is one")?;
    let parsed = ParsedCertificate::try_from(first)
        .with_context(|| format!("the first certificate in {} is none of a server", certificate.display()))?;
    if let Some(name) = name {
        let expected = ServerName::try_from(name.as_str()).context("portal.tls.name")?;
        verify_server_name(&parsed, &expected)
            .with_context(|| format!("the first certificate in {} is not for {name}", certificate.display()))?;
    }
    let good_until = tls::good_until(first);
    let mut config = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, tls::private_key(key)?)
        .with_context(|| format!("{} and {} do not fit together", certificate.display(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded { config: Arc::new(config), good_until })
}

fn ends_soon(Pair { whose, certificate, .. }: &Pair, until: Duration) -> Option<String> {
    let file = certificate.display();
    match until.checked_sub(Clock.now().unix) {
        Some(left) if left > SOON => None,
        Some(left) => Some(format!("{whose}'s certificate ends in {} h; renew {file}", left.as_secs() / 3600)),
        None => Some(format!("{whose}'s certificate has ended, and browsers refuse it; renew {file}")),
    }
}
