//! TLS around RADIUS (RFC 6614): who the server must be, who we are, and one connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use config::{RadiusServer, RadiusTls, RadiusVersion};
use radius::{Closed, Version};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::tls;

/// For TCP and TLS together: as long as a guest waits for one server.
const CONNECT: Duration = Duration::from_secs(10);
/// The names of both versions (RFC 9765, section 3.3).
const V1_0: &[u8] = b"radius/1.0";
const V1_1: &[u8] = b"radius/1.1";

/// What one server has to prove, and with what we do.
pub(super) struct Tls {
    name: ServerName<'static>,
    settings: RadiusTls,
}

impl Tls {
    /// Reads the files once, so that a mistake in them is told at the start.
    pub(super) fn new(server: &RadiusServer, settings: &RadiusTls) -> anyhow::Result<Self> {
        let name = match &settings.server_name {
            Some(name) => ServerName::try_from(name.clone()).context("server_name is no DNS name")?,
            None => ServerName::from(server.address),
        };
        let this = Self { name, settings: settings.clone() };
        this.config().with_context(|| format!("RADIUS server {}", server.address))?;
        Ok(this)
    }

    /// Connects, proves both ends and agrees on a version.
    pub(super) async fn connect(&self, to: SocketAddr) -> anyhow::Result<(TlsStream<TcpStream>, Version)> {
        // Read anew: certificates are renewed while we run.
        let connector = TlsConnector::from(self.config()?);
        let connecting = async {
            let tcp = TcpStream::connect(to).await.map_err(|error| Silence(error.to_string()))?;
            // A request is one small packet that somebody waits for.
            tcp.set_nodelay(true)?;
            anyhow::Ok(connector.connect(self.name.clone(), tcp).await?)
        };
        let stream = match tokio::time::timeout(CONNECT, connecting).await {
            Ok(connected) => connected?,
            Err(_) => bail!(Silence(format!("nothing came within {} s", CONNECT.as_secs()))),
        };
        let (_, tls) = stream.get_ref();
        let version = match tls.alpn_protocol() {
            // RFC 9765, section 3.2: with TLS 1.3 only.
            Some(V1_1) if tls.protocol_version() == Some(ProtocolVersion::TLSv1_3) => Version::V1_1,
            Some(V1_1) => bail!("it wants RADIUS/1.1 with TLS 1.2"),
            _ if self.settings.version == RadiusVersion::V1_1 => bail!("it does not speak RADIUS/1.1"),
            _ => Version::V1_0,
        };
        Ok((stream, version))
    }

    fn config(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let RadiusTls { ca, certificate, key, fingerprint, version, .. } = &self.settings;
        let mut roots = RootCertStore::empty();
        for authority in tls::certificates(ca)? {
            roots.add(authority).with_context(|| format!("a certificate in {} is no authority's", ca.display()))?;
        }
        let chain = tls::certificates(certificate)?;
        let private = tls::private_key(key)?;
        let provider = tls::provider();
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
        let verifier = Verifier { chain: verifier, fingerprint: *fingerprint, provider: Arc::clone(&provider) };
        let versions: &[_] = if *version == RadiusVersion::V1_1 { &[&TLS13] } else { &[&TLS12, &TLS13] };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .dangerous() // it adds to what webpki asks
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(chain, private)
            .with_context(|| format!("{} and {} do not fit together", certificate.display(), key.display()))?;
        config.alpn_protocols = match version {
            RadiusVersion::Auto => vec![V1_1.to_vec(), V1_0.to_vec()],
            RadiusVersion::V1_0 => Vec::new(),
            RadiusVersion::V1_1 => vec![V1_1.to_vec()],
        };
        // Each connection proves everything anew, by the files as they are then.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// Nobody is there, as far as we can tell.
#[derive(Debug)]
pub(crate) struct Silence(pub(crate) String);

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Silence {}

/// What a failed attempt to connect says about the other end. Who hangs up in the middle of proving who is who is there:
/// it does not want us, or is somebody else.
pub(super) fn failed(error: &anyhow::Error) -> Closed {
    if error.is::<Silence>() { Closed::Silent } else { Closed::Distrusted }
}

/// What the end of a connection says about its other end, on which something proven had come or not.
pub(super) fn ended(error: Option<&anyhow::Error>, proven: bool) -> Closed {
    let is_network = |error: &anyhow::Error| {
        let error = error.downcast_ref::<std::io::Error>();
        error.is_some_and(|error| !error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()))
    };
    if proven && error.is_none_or(is_network) { Closed::Silent } else { Closed::Distrusted }
}

/// Chain, dates, name and use as webpki checks them, and then the fingerprint if there is one.
#[derive(Debug)]
struct Verifier {
    chain: Arc<WebPkiServerVerifier>,
    fingerprint: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.chain.verify_server_cert(end_entity, intermediates, name, ocsp, now)?;
        let found = ring::digest::digest(&ring::digest::SHA256, end_entity);
        match self.fingerprint {
            Some(pinned) if found.as_ref() != pinned => {
                Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
