//! The client of HTTP and HTTPS: for servers that are web pages, and for those who are told what happens.
//!
//! Nothing is followed, for a redirect would take passwords elsewhere. Whose certificate is another's is not asked.

use std::cell::RefCell;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tracing::debug;
use wire::url::{WebUrl, bare_host};

use crate::aaa::radsec::Silence;
use crate::tls;

/// Connections that stay open between questions.
const IDLE: usize = 4;
/// Longest answer: a RADIUS packet has 4,096 octets, and text is longer.
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

type Sender = SendRequest<Full<Bytes>>;

/// One web server, and the connections to it.
pub(crate) struct Client {
    authority: String,
    host: String,
    port: u16,
    /// Who may vouch for it; `None` without TLS.
    authorities: Option<PathBuf>,
    idle: RefCell<Vec<Sender>>,
    looked_up: RefCell<Option<(Instant, Vec<SocketAddr>)>>,
}

impl Client {
    /// Of the server of a web address. Reads the authorities once, so that a mistake in them is told at the start.
    pub(crate) fn new(url: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let parsed = WebUrl::parse(url).with_context(|| format!("{url} is no web address"))?;
        let (host, port) = place(&parsed)?;
        let authorities = match (is_https(&parsed), ca) {
            (false, _) => None,
            (true, Some(file)) => Some(file.to_owned()),
            (true, None) => {
                let found = AUTHORITIES.iter().map(Path::new).find(|file| file.exists());
                let found = found
                    .context("this machine has no list of authorities: install ca-certificates, or set ca_file")?;
                Some(found.to_owned())
            }
        };
        if let Some(file) = &authorities {
            trusting(file).with_context(|| url.to_owned())?;
        }
        Ok(Self {
            authority: parsed.authority().to_owned(),
            host,
            port,
            authorities,
            idle: RefCell::default(),
            looked_up: RefCell::default(),
        })
    }

    /// Asks, and gives status and body of the answer. A connection that was idle may have ended at its other end; a new one
    /// is the second and last try, for which the request is made anew.
    pub(crate) async fn send(
        &self,
        request: impl Fn() -> anyhow::Result<Request<Full<Bytes>>>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let idle = self.idle.borrow_mut().pop().filter(|connection| !connection.is_closed());
        if let Some(connection) = idle {
            match self.send_by(connection, request()?).await {
                Err(error) if error.is::<Silence>() => {}
                answered => return answered,
            }
        }
        let connection = self.connect().await?;
        self.send_by(connection, request()?).await
    }

    async fn send_by(
        &self,
        mut connection: Sender,
        mut request: Request<Full<Bytes>>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let silence = |error: hyper::Error| Silence(error.to_string());
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(&self.authority)?);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("poblano/", env!("CARGO_PKG_VERSION"))));
        connection.ready().await.map_err(silence)?;
        let answer = connection.send_request(request).await.map_err(|error| {
            if error.is_parse() { anyhow::anyhow!("it does not speak HTTP") } else { silence(error).into() }
        })?;
        let status = answer.status();
        let body = match Limited::new(answer.into_body(), BODY_OCTETS).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => bail!("its answer ended early, or has more than {BODY_OCTETS} octets: {error}"),
        };
        let mut idle = self.idle.borrow_mut();
        idle.retain(|connection| !connection.is_closed());
        if idle.len() < IDLE && !connection.is_closed() {
            idle.push(connection);
        }
        Ok((status, body))
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
            let connector = TlsConnector::from(trusting(authorities)?);
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

/// What follows host and port in a web address, as a request names it.
pub(crate) fn path(url: &str) -> String {
    let rest = wire::url::after_scheme(url).unwrap_or(url);
    match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => rest[at..].to_owned(),
        Some(at) => format!("/{}", &rest[at..]),
        None => "/".to_owned(),
    }
}

/// Where a web address leads: host without brackets, and port.
fn place(url: &WebUrl<'_>) -> anyhow::Result<(String, u16)> {
    let host = bare_host(url.authority());
    let port = match url.authority().get(host.len()..).and_then(|port| port.strip_prefix(':')) {
        Some(port) => port.parse().context("the port of the web address is none")?,
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
            debug!(%error, "a connection to a web server ended");
        }
    });
    Ok(sender)
}

fn trusting(authorities: &Path) -> anyhow::Result<Arc<ClientConfig>> {
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
