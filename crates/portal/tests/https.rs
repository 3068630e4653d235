//! The portal by https: what is shown where, and what a guest can hold of it.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use portal::Limits;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const NAME: &str = "portal.example.org";

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Of an authority that exists for these tests only.
fn certificate() -> Arc<ServerConfig> {
    let chain = CertificateDer::from_pem_slice(include_bytes!("tls/portal.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/portal.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().expect("TLS");
    Arc::new(config.with_no_client_auth().with_single_cert(vec![chain], key).expect("they fit together"))
}

/// Agrees on keys as this guest; nothing if the portal does not.
async fn secure(portal: &Portal, from: std::net::Ipv4Addr) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(include_bytes!("tls/authority.pem")).expect("a certificate");
    roots.add(authority).expect("an authority");
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().expect("TLS");
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from(NAME).expect("a name");
    TlsConnector::from(config).connect(name, connect(from, portal.secure).await).await.ok()
}

/// GET over https.
async fn ask(portal: &Portal, from: std::net::Ipv4Addr, path: &str) -> Answer {
    let mut stream = secure(portal, from).await.expect("keys");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.expect("an answer with its end");
    Answer::parse(&all)
}

#[test]
fn pages_are_shown_over_https_alone_and_http_leads_there() {
    with_https(wide(), certificate(), async |portal| {
        for path in ["/", "/login", "/status", "/success?url=http://example.org/a", "/logout"] {
            let answer = page(&portal, ANNE, path).await;
            assert_eq!((answer.status, answer.header("location")), (303, Some(&*format!("https://{NAME}{path}"))));
        }
        assert!(ask(&portal, ANNE, "/").await.body.contains("name=\"password\""));
        assert_eq!(ask(&portal, ANNE, "/portal.css").await.status, 200);
        assert_eq!(page(&portal, ANNE, "/portal.css").await.status, 200, "what says nothing is served by both");
        assert_eq!(page(&portal, ANNE, "/captive-portal/api").await.status, 200);
        assert_eq!(ask(&portal, ANNE, "/captive-portal/api").await.status, 200);
    });
}

#[test]
fn a_password_that_came_by_http_is_not_used() {
    with_https(wide(), certificate(), async |portal| {
        let answer = post(&portal, ANNE, "/login", "name=guest&password=good+%26+long").await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("https://portal.example.org/")));
        assert!(portal.house.logins.borrow().is_empty());
    });
}

#[test]
fn the_api_says_all_that_it_may_and_nobody_keeps_it() {
    with_https(wide(), certificate(), async |portal| {
        let answer = ask(&portal, ANNE, "/captive-portal/api").await;
        assert_eq!(answer.header("content-type"), Some("application/captive+json"));
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        let url = "\"user-portal-url\":\"https://portal.example.org/\"";
        let place = "\"venue-info-url\":\"https://www.example.org/wifi\",\"can-extend-session\":true";
        assert_eq!(answer.body, format!("{{\"captive\":true,{url},{place}}}\n"));
        let session = portal::Session {
            time_left: Some(Duration::from_secs(60)),
            octets_left: Some(1000),
            ..portal::Session::default()
        };
        portal.house.let_in(ANNE, session);
        let answer = ask(&portal, ANNE, "/captive-portal/api").await;
        let left = "\"seconds-remaining\":60,\"bytes-remaining\":1000";
        assert_eq!(answer.body, format!("{{\"captive\":false,{url},{place},{left}}}\n"));
    });
}

#[test]
fn somebody_without_a_lease_gets_no_keys() {
    with_https(wide(), certificate(), async |portal| {
        assert!(secure(&portal, STRANGER).await.is_none());
    });
}

#[test]
fn a_guest_that_agrees_on_keys_again_and_again_has_to_wait_and_another_does_not() {
    let limits = Limits { handshake_burst: 3, handshakes_per_second: 1, ..wide() };
    with_https(limits, certificate(), async |portal| {
        let mut agreed = 0;
        for _ in 0..20 {
            agreed += u32::from(secure(&portal, ANNE).await.is_some());
        }
        assert!((3..20).contains(&agreed), "{agreed}");
        assert_eq!(ask(&portal, BEN, "/").await.status, 200);
    });
}

#[test]
fn guests_that_hold_all_connections_without_a_word_give_one_up_for_another() {
    let limits = Limits { secure_connections: 4, connections_per_guest: 2, ..wide() };
    with_https(limits, certificate(), async |portal| {
        let held = [connect(ANNE, portal.secure).await, connect(ANNE, portal.secure).await];
        let others = std::net::Ipv4Addr::new(127, 0, 0, 9);
        let agreed = [secure(&portal, others).await.expect("keys"), secure(&portal, others).await.expect("keys")];
        assert!(secure(&portal, ANNE).await.is_none(), "one too many");
        assert_eq!(ask(&portal, BEN, "/").await.status, 200);
        assert_eq!(page(&portal, ANNE, "/portal.css").await.status, 200, "http is another door");
        drop((held, agreed));
    });
}

#[test]
fn who_does_not_agree_on_keys_in_time_or_says_too_much_is_hung_up_on() {
    let limits = Limits { handshake_time: Duration::from_secs(2), secure_connections: 1, ..wide() };
    with_https(limits, certificate(), async |portal| {
        assert!(raw(ANNE, portal.secure, "").await.is_empty(), "one that says nothing");
        // A handshake message of 65 kB, in records of 16.
        let record = [&[22, 3, 1, 0x40, 0][..], &[1, 0, 0xff, 0xff], &[0; 0x3ffc]].concat();
        let mut stream = connect(ANNE, portal.secure).await;
        stream.write_all(&record).await.expect("the first is taken");
        let _ = stream.write_all(&record).await;
        assert!(!read_all(&mut stream).await.windows(4).any(|some| some == b"HTTP"));
        assert_eq!(ask(&portal, ANNE, "/").await.status, 200, "its place is free again");
    });
}

#[test]
fn a_guest_is_shown_the_new_certificate_and_one_who_is_there_goes_on() {
    with_https(wide(), certificate(), async |portal| {
        let mut before = secure(&portal, ANNE).await.expect("keys");
        portal.tls.as_ref().expect("https").replace(certificate());
        before.write_all(b"HEAD / HTTP/1.1\r\nHost: portal.example.org\r\n\r\n").await.expect("write");
        let mut first = [0; 12];
        before.read_exact(&mut first).await.expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        assert_eq!(ask(&portal, BEN, "/").await.status, 200);
    });
}
