//! A web page as a server (CoovaChilli's `uamaaaurl`). To the client of RADIUS it is one more server of datagrams, so that
//! grants, retries, fail-over and the records that wait on the disk are those of RADIUS. What differs is here: a packet goes
//! no further than this module, which asks by HTTP what is in it and makes a packet of what the page says.
//!
//! Only a page that decides is believed: one that answers with an error, or whose certificate is another's, has not
//! refused the guest, and is no silence either. Nothing is followed, for a redirect would take passwords elsewhere.

mod words;

use std::cell::RefCell;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use config::{Config, Direction, RadiusHttp, RadiusServer};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use radius::View;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tracing::debug;
use wire::url::{WebUrl, bare_host};

use self::words::Words;
use super::radsec::Silence;
use crate::tls;

pub(super) use self::words::SECRET;

/// For all of one question, looking up the name and connecting included: as long as a guest waits for one server.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions at one time, and so connections: as many as CoovaChilli asks. More wait.
const AT_ONCE: usize = 16;
/// Connections that stay open between questions.
const IDLE: usize = 4;
/// A RADIUS packet has 4,096 octets, and text is longer.
const BODY_OCTETS: usize = 16 * 1024;
/// Least that the HTTP library takes, and more than an answer's head needs.
const HEAD_OCTETS: usize = 8 * 1024;
/// A looked up address is good for so long.
const ADDRESS_TIME: Duration = Duration::from_secs(60);
/// Where systems keep whom they trust: Debian and OpenWrt, Fedora, FreeBSD, Alpine.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/etc/ssl/cert.pem",
];

/// The system's look-up cannot be stopped and holds a thread of four, so there is one at a time.
static LOOK_UPS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(1)));

type Sender = SendRequest<Empty<Bytes>>;

/// One page.
pub(super) struct Page {
    /// For people.
    name: String,
    url: String,
    authority: String,
    host: String,
    port: u16,
    secret: Vec<u8>,
    /// Who may vouch for it; `None` without TLS.
    authorities: Option<PathBuf>,
    words: Words,
    room: Semaphore,
    idle: RefCell<Vec<Sender>>,
    looked_up: RefCell<Option<(Instant, Vec<SocketAddr>)>>,
}

impl Page {
    /// Reads the authorities once, so that a mistake in them is told at the start.
    pub(super) fn new(config: &Config, server: &RadiusServer, http: &RadiusHttp) -> anyhow::Result<Self> {
        let url = WebUrl::parse(&http.url).context("radius.server.url is no web address")?;
        let (host, port) = place(&url)?;
        let authorities = match (is_https(&url), &http.ca) {
            (false, _) => None,
            (true, Some(file)) => Some(file.clone()),
            (true, None) => {
                let found = AUTHORITIES.iter().map(Path::new).find(|file| file.exists());
                let found = found
                    .context("this machine has no list of authorities: install ca-certificates, or set ca_file")?;
                Some(found.to_owned())
            }
        };
        if let Some(file) = &authorities {
            tls(file).with_context(|| http.url.clone())?;
        }
        Ok(Self {
            name: super::name(server),
            url: http.url.clone(),
            authority: url.authority().to_owned(),
            host,
            port,
            secret: server.secret.expose().to_vec(),
            authorities,
            words: Words {
                input_is_from_guest: config.accounting.direction == Direction::Rfc2866,
                lan: config.lan.interface.clone(),
            },
            room: Semaphore::new(AT_ONCE),
            idle: RefCell::default(),
            looked_up: RefCell::default(),
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
        let asking = async {
            let _room = self.room.acquire().await?;
            self.get(&url).await
        };
        let body = match tokio::time::timeout(PATIENCE, asking).await {
            Ok(body) => body?,
            Err(_) => bail!(Silence(format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        words::answer(request, &body).context("what it says is no answer, or has a limit that cannot be read")
    }

    /// A connection that was idle may have ended at its other end; a new one is the second and last try.
    async fn get(&self, url: &str) -> anyhow::Result<String> {
        let idle = self.idle.borrow_mut().pop().filter(|connection| !connection.is_closed());
        if let Some(connection) = idle {
            match self.get_by(connection, url).await {
                Err(error) if error.is::<Silence>() => {}
                answered => return answered,
            }
        }
        let connection = self.connect().await?;
        self.get_by(connection, url).await
    }

    async fn get_by(&self, mut connection: Sender, url: &str) -> anyhow::Result<String> {
        let silence = |error: hyper::Error| Silence(error.to_string());
        let rest = wire::url::after_scheme(url).and_then(|rest| rest.get(self.authority.len()..)).unwrap_or_default();
        let slash = if rest.starts_with('/') { "" } else { "/" };
        let request = Request::get(format!("{slash}{rest}"))
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("poblano/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())?;
        connection.ready().await.map_err(silence)?;
        let answer = connection.send_request(request).await.map_err(|error| {
            if error.is_parse() { anyhow::anyhow!("it does not speak HTTP") } else { silence(error).into() }
        })?;
        let status = answer.status();
        ensure!(status == StatusCode::OK, "it answered with status {status}");
        let body = match Limited::new(answer.into_body(), BODY_OCTETS).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => bail!("its answer ended early, or has more than {BODY_OCTETS} octets: {error}"),
        };
        let mut idle = self.idle.borrow_mut();
        idle.retain(|connection| !connection.is_closed());
        if idle.len() < IDLE && !connection.is_closed() {
            idle.push(connection);
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    async fn connect(&self) -> anyhow::Result<Sender> {
        let mut last = Silence(format!("{} has no address", self.host));
        for to in self.addresses().await? {
            let tcp = match TcpStream::connect(to).await {
                Ok(tcp) => tcp,
                Err(error) => {
                    last = Silence(format!("{to}: {error}"));
                    continue;
                }
            };
            tcp.set_nodelay(true)?;
            let Some(authorities) = &self.authorities else { return speak(tcp).await };
            // Read anew: authorities are renewed while we run.
            let connector = TlsConnector::from(tls(authorities)?);
            let name = ServerName::try_from(self.host.clone()).context("its host is no DNS name")?;
            return speak(connector.connect(name, tcp).await?).await;
        }
        Err(last.into())
    }

    async fn addresses(&self) -> anyhow::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.host.parse() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        if let Some((at, found)) = &*self.looked_up.borrow()
            && at.elapsed() < ADDRESS_TIME
        {
            return Ok(found.clone());
        }
        let one = Arc::clone(&LOOK_UPS).acquire_owned().await?;
        let host = (self.host.clone(), self.port);
        let look_up = tokio::task::spawn_blocking(move || {
            let found = host.to_socket_addrs();
            drop(one); // held until the work is done, even if nobody waits any more
            found
        });
        let found = look_up.await?.map_err(|error| Silence(format!("{} cannot be looked up: {error}", self.host)))?;
        let found: Vec<SocketAddr> = found.collect();
        *self.looked_up.borrow_mut() = Some((Instant::now(), found.clone()));
        Ok(found)
    }
}

/// Where a web address leads: host without brackets, and port.
fn place(url: &WebUrl<'_>) -> anyhow::Result<(String, u16)> {
    let host = bare_host(url.authority());
    let port = match url.authority().get(host.len()..).and_then(|port| port.strip_prefix(':')) {
        Some(port) => port.parse().context("the port of radius.server.url is none")?,
        None if is_https(url) => 443,
        None => 80,
    };
    Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
}

fn is_https(url: &WebUrl<'_>) -> bool {
    url.as_str().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

/// Starts HTTP; the connection ends when nobody asks by it any more.
async fn speak<T>(stream: T) -> anyhow::Result<Sender>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let (sender, connection) = Builder::new().max_buf_size(HEAD_OCTETS).handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            debug!(%error, "a connection to a web page ended");
        }
    });
    Ok(sender)
}

fn tls(authorities: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    // Of the many that a system has, some may be of a kind that is not known here.
    let (known, _) = roots.add_parsable_certificates(tls::certificates(authorities)?);
    ensure!(known > 0, "{} has no authority's certificate", authorities.display());
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
