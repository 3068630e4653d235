//! The portal's certificate. It is read at the start, where a mistake ends the start, and again when its files have
//! changed: a new pair that does not fit leaves the one before in place, and is told of. Whoever renews it therefore need
//! not tell the gateway, nor replace both files at once.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use config::{Config, PortalTls};
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

/// Where a mistake in the files is to be looked for.
const PLACE: &str = "[portal.tls]";

/// https of one portal.
pub(crate) struct Https {
    settings: PortalTls,
    /// Whoever speaks it with guests.
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
    config.portal.tls.as_ref().map_or(Ok(()), |settings| load(settings).map(drop).context(PLACE))
}

/// What the operator should hear of a certificate that can be used.
pub(crate) fn warning(config: &Config) -> Option<String> {
    let settings = config.portal.tls.as_ref()?;
    ends_soon(settings, load(settings).ok()?.good_until?)
}

/// Looks after it for ever, if there is one.
pub(crate) async fn keep(https: Option<Rc<Https>>) {
    let Some(https) = https else { return std::future::pending().await };
    let mut told = None;
    loop {
        if told.is_none_or(|told: Instant| told.elapsed() >= TELL_EVERY)
            && let Some(warning) = https.good_until.get().and_then(|until| ends_soon(&https.settings, until))
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
    /// Reads the files.
    pub(crate) fn start(settings: &PortalTls) -> anyhow::Result<Rc<Self>> {
        // Before they are read: a change meanwhile is seen as one.
        let seen = states(settings);
        let Loaded { config, good_until } = load(settings).context(PLACE)?;
        Ok(Rc::new(Self {
            settings: settings.clone(),
            tls: Rc::new(portal::Tls::start(config)?),
            look: Notify::new(),
            seen: Cell::new(seen),
            good_until: Cell::new(good_until),
        }))
    }

    fn look_again(&self) {
        let now = states(&self.settings);
        if self.seen.replace(now) == now {
            return;
        }
        match load(&self.settings) {
            Ok(Loaded { config, good_until }) => {
                self.tls.replace(config);
                self.good_until.set(good_until);
                info!("the portal has a new certificate for {}", self.settings.name);
            }
            Err(error) => warn!("the portal keeps its certificate: {error:#}"),
        }
    }
}

fn states(settings: &PortalTls) -> [Option<State>; 2] {
    let state = |file: &Path| {
        let about = fs::metadata(file).ok()?;
        Some(State { changed: about.modified().ok(), octets: about.len(), inode: about.ino() })
    };
    [state(&settings.certificate), state(&settings.key)]
}

fn load(settings: &PortalTls) -> anyhow::Result<Loaded> {
    let PortalTls { name, certificate, key, .. } = settings;
    let chain = tls::certificates(certificate)?;
    let first = chain.first().context("there is one")?;
    let parsed = ParsedCertificate::try_from(first)
        .with_context(|| format!("the first certificate in {} is none of a server", certificate.display()))?;
    let expected = ServerName::try_from(name.as_str()).context("portal.tls.name")?;
    verify_server_name(&parsed, &expected)
        .with_context(|| format!("the first certificate in {} is not for {name}", certificate.display()))?;
    let good_until = tls::good_until(first);
    let mut config = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, tls::private_key(key)?)
        .with_context(|| format!("{} and {} do not fit together", certificate.display(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded { config: Arc::new(config), good_until })
}

fn ends_soon(settings: &PortalTls, until: Duration) -> Option<String> {
    let file = settings.certificate.display();
    match until.checked_sub(Clock.now().unix) {
        Some(left) if left > SOON => None,
        Some(left) => Some(format!("the portal's certificate ends in {} h; renew {file}", left.as_secs() / 3600)),
        None => Some(format!("the portal's certificate has ended, and guests' devices refuse it; renew {file}")),
    }
}
