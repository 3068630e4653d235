//! A portal on loopback, and guests that talk to it byte by byte.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use portal::{
    Backend, Board, Credential, Declined, Files, Guest, Limits, Login, LoginOutcome, Look, Session, SignIn, Site, Tls,
    Uam,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use uam::Place;
use wire::routes::Routes;
use wire::{GuestKey, MacAddr, Vlan};

/// Where every guest of the tests is told to sign in.
pub(crate) const BASE: &str = "http://10.85.0.1:3990";
/// A guest; any other address of 127.0.0.0/24 is one, too.
pub(crate) const ANNE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Another guest.
pub(crate) const BEN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Somebody without a lease.
pub(crate) const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);

/// Knows one account, `guest` with the password `good & long`, and three names that provoke the other outcomes.
#[derive(Default)]
pub(crate) struct House {
    pub(crate) sessions: RefCell<HashMap<Ipv4Addr, Session>>,
    pub(crate) left: RefCell<Vec<Ipv4Addr>>,
    /// Names that logged in, and where they were going.
    pub(crate) logins: RefCell<Vec<String>>,
    /// Guests who asked to be let in by their MAC address.
    pub(crate) asked_about: RefCell<Vec<Ipv4Addr>>,
    thrown: Cell<u8>,
}

impl House {
    pub(crate) fn is_online(&self, ip: Ipv4Addr) -> bool {
        self.sessions.borrow().contains_key(&ip)
    }

    /// Asks who it is, and then for the response [2, 8, 0, 6, 4, 7].
    fn go_on(&self, ip: Ipv4Addr, name: &str, response: &[u8]) -> LoginOutcome {
        match response {
            _ if name == "guest" => LoginOutcome::Asked { eap: vec![1, 8, 0, 6, 4, 9] },
            [2, 8, 0, 6, 4, 7] => {
                self.let_in(ip, Session { user: "guest".into(), ..Session::default() });
                LoginOutcome::Accepted { redirect: None, eap: Some(vec![3, 8, 0, 4]) }
            }
            _ => LoginOutcome::Rejected { message: None, redirect: None, eap: Some(vec![4, 8, 0, 4]) },
        }
    }

    pub(crate) fn let_in(&self, ip: Ipv4Addr, session: Session) {
        self.sessions.borrow_mut().insert(ip, session);
    }
}

impl Backend for House {
    fn guest(&self, ip: Ipv4Addr) -> Option<Guest> {
        if ip.octets()[2] != 0 || self.left.borrow().contains(&ip) {
            return None;
        }
        Some(
            self.sessions
                .borrow()
                .get(&ip)
                .map_or(Guest::NotLoggedIn, |session| Guest::LoggedIn(Box::new(session.clone()))),
        )
    }

    fn place(&self, ip: Ipv4Addr) -> Option<Place> {
        self.guest(ip)?;
        let mac = MacAddr([2, 0, 0x5e, 0x10, 0, ip.octets()[3]]);
        Some(Place { slot: ip.octets()[3].into(), key: GuestKey { lan: 0, vlan: Vlan::NONE, mac } })
    }

    fn session_id(&self) -> String {
        format!("session{}", self.dice()[0])
    }

    fn dice(&self) -> [u8; 16] {
        self.thrown.set(self.thrown.get() + 1);
        [self.thrown.get(); 16]
    }

    async fn login(&self, ip: Ipv4Addr, login: &Login<'_>) -> LoginOutcome {
        self.logins.borrow_mut().push(format!("{} {}", login.name, login.original_url));
        let password = match login.credential {
            Credential::Password(password) => String::from_utf8_lossy(password),
            _ => "".into(),
        };
        if let Credential::Eap(response) = login.credential {
            return self.go_on(ip, login.name, response);
        }
        match (login.name, &*password) {
            ("guest", _) if login.credential.is_of(b"good & long") => {
                let id = login.session_id.to_owned();
                self.let_in(ip, Session { id, user: login.name.into(), ..Session::default() });
                LoginOutcome::Accepted { redirect: None, eap: None }
            }
            ("led", url) => LoginOutcome::Accepted { redirect: Some(url.into()), eap: None },
            ("expired", _) => LoginOutcome::Rejected {
                message: Some("Your account <b>ended</b> on Monday.".into()),
                redirect: None,
                eap: None,
            },
            ("sold", url) => {
                LoginOutcome::Rejected { message: Some("Buy more.".into()), redirect: Some(url.into()), eap: None }
            }
            ("away", _) => LoginOutcome::Unavailable,
            ("spent", _) => LoginOutcome::Declined(Declined::UsedUp),
            ("hasty", _) => LoginOutcome::TooManyTries { wait: Duration::from_millis(29_500) },
            ("slow", _) => std::future::pending().await,
            _ => LoginOutcome::Rejected { message: None, redirect: None, eap: None },
        }
    }

    fn served(&self, _: Ipv4Addr, _: &str, _: Option<&str>, _: u16) {}

    async fn redeem(&self, ip: Ipv4Addr, code: &str) -> LoginOutcome {
        self.logins.borrow_mut().push(format!("voucher {code}"));
        match code {
            "K7QM 2XWB" => {
                let bookmark = Some("b00c".into());
                self.let_in(ip, Session { user: "K7QM-2XWB".into(), bookmark, ..Session::default() });
                LoginOutcome::Accepted { redirect: None, eap: None }
            }
            "typo" => LoginOutcome::Declined(Declined::Mistyped),
            "old" => LoginOutcome::Declined(Declined::Expired),
            "empty" => LoginOutcome::Declined(Declined::UsedUp),
            "full" => LoginOutcome::Declined(Declined::TooManyDevices),
            _ => LoginOutcome::Declined(Declined::UnknownCode),
        }
    }

    async fn accept_terms(&self, ip: Ipv4Addr) -> LoginOutcome {
        self.logins.borrow_mut().push("terms".into());
        match ip.octets()[3] {
            9 => LoginOutcome::Declined(Declined::ShareUsed(Duration::from_secs(7_200))),
            10 => LoginOutcome::Declined(Declined::TooManyNewcomers(Duration::from_millis(59_500))),
            _ => {
                self.let_in(ip, Session::default());
                LoginOutcome::Accepted { redirect: None, eap: None }
            }
        }
    }

    fn recognise(&self, bookmark: &str) -> Option<String> {
        (bookmark == "b00c").then(|| "K7QM-2XWB".to_owned())
    }

    async fn resume(&self, ip: Ipv4Addr, bookmark: &str) -> LoginOutcome {
        assert_eq!(bookmark, "b00c", "nobody else is asked about");
        self.sessions.borrow_mut().clear();
        self.redeem(ip, "K7QM 2XWB").await
    }

    fn ask_about_device(&self, ip: Ipv4Addr) {
        self.asked_about.borrow_mut().push(ip);
    }

    fn logout(&self, ip: Ipv4Addr) {
        self.sessions.borrow_mut().remove(&ip);
    }
}

/// A running portal.
pub(crate) struct Portal {
    pub(crate) house: Rc<House>,
    pub(crate) board: Rc<Board>,
    pub(crate) address: SocketAddr,
    /// Where https is spoken, if it is.
    pub(crate) secure: SocketAddr,
    pub(crate) tls: Option<Rc<Tls>>,
}

/// Bounds that no test but the ones about bounds runs into.
pub(crate) fn wide() -> Limits {
    Limits { request_burst: 10_000, requests_per_second: 10_000, ..Limits::default() }
}

/// Runs a test against a portal with these bounds and terms.
pub(crate) fn with_portal(limits: Limits, terms: Option<&str>, test: impl AsyncFnOnce(Portal)) {
    with_site(limits, terms, PASSWORD, Uam::default(), Files::default(), test);
}

/// The same, with an external portal.
pub(crate) fn with_uam(uam: Uam, test: impl AsyncFnOnce(Portal)) {
    with_site(wide(), None, PASSWORD, uam, Files::default(), test);
}

/// The same, with files of the operator's.
pub(crate) fn with_files(files: Files, test: impl AsyncFnOnce(Portal)) {
    with_site(wide(), None, PASSWORD, Uam::default(), files, test);
}

/// The same, with terms, where guests have vouchers.
pub(crate) fn with_vouchers(password: bool, terms: Option<&str>, test: impl AsyncFnOnce(Portal)) {
    with_site(
        wide(),
        terms,
        SignIn { password, voucher: true, click_through: false },
        Uam::default(),
        Files::default(),
        test,
    );
}

/// The same, where guests may come in by the terms.
pub(crate) fn with_click_through(others: bool, terms: Option<&str>, test: impl AsyncFnOnce(Portal)) {
    let sign_in = SignIn { password: others, voucher: others, click_through: true };
    with_site(wide(), terms, sign_in, Uam::default(), Files::default(), test);
}

const PASSWORD: SignIn = SignIn { password: true, voucher: false, click_through: false };

/// The same over https too, as `https://portal.example.org`, with this certificate.
pub(crate) fn with_https(limits: Limits, certificate: Arc<rustls::ServerConfig>, test: impl AsyncFnOnce(Portal)) {
    let site = Site {
        base_url: "https://portal.example.org".into(),
        names: vec!["portal.example.org".into(), "10.85.0.1".into()],
        venue_url: Some("https://www.example.org/wifi".into()),
        can_extend: true,
        ..site(limits, None, PASSWORD, Uam::default(), Files::default())
    };
    run(site, Some(certificate), test);
}

fn with_site(
    limits: Limits,
    terms: Option<&str>,
    sign_in: SignIn,
    uam: Uam,
    files: Files,
    test: impl AsyncFnOnce(Portal),
) {
    run(site(limits, terms, sign_in, uam, files), None, test);
}

fn site(limits: Limits, terms: Option<&str>, sign_in: SignIn, uam: Uam, files: Files) -> Site {
    Site {
        title: "Caf\u{e9} <Poblano>".into(),
        welcome: None,
        look: Look::default(),
        sign_in,
        templates: None,
        terms: terms.map(Into::into),
        base_url: BASE.into(),
        names: vec!["wifi.internal".into()],
        venue_url: None,
        can_extend: false,
        files,
        routes: Routes::default(),
        uam,
        limits,
    }
}

fn run(site: Site, certificate: Option<Arc<rustls::ServerConfig>>, test: impl AsyncFnOnce(Portal)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (house, board) = (Rc::new(House::default()), Board::new(site));
        let listen = async || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listener");
            let address = listener.local_addr().expect("address");
            (listener, address)
        };
        let ((plain, address), (behind_tls, secure)) = (listen().await, listen().await);
        let desk = Rc::new(portal::Desk::new(&board.site().uam));
        let tls = certificate.map(|config| Rc::new(Tls::start("portal-tls", config).expect("a thread")));
        let secure_door = tls.clone().map(|tls| (behind_tls, tls));
        tokio::task::spawn_local(portal::serve(vec![plain], secure_door, Rc::clone(&board), desk, Rc::clone(&house)));
        test(Portal { house, board, address, secure, tls }).await;
    });
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(octets: &[u8]) -> Self {
        let text = String::from_utf8_lossy(octets);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.into(), body: body.into() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Connects as this guest.
pub(crate) async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("socket");
    socket.bind((from, 0).into()).expect("bind");
    socket.connect(to).await.expect("connect")
}

/// Everything until the end of the connection; a reset ends it, too.
pub(crate) async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut some) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut some).await {
        all.extend_from_slice(&some[..count]);
    }
    all
}

/// Sends octets and returns what comes back until the portal hangs up.
pub(crate) async fn raw(from: Ipv4Addr, to: SocketAddr, octets: impl AsRef<[u8]>) -> Vec<u8> {
    let mut stream = connect(from, to).await;
    // The portal may hang up before it has read all; what it said is what counts.
    let _ = stream.write_all(octets.as_ref()).await;
    read_all(&mut stream).await
}

/// GET of an address as a browser would send it.
pub(crate) async fn get(from: Ipv4Addr, to: SocketAddr, url: &str) -> Answer {
    let (host, path) = url.trim_start_matches("http://").split_once('/').expect("url with a path");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    Answer::parse(&raw(from, to, request).await)
}

/// GET of a page of the portal.
pub(crate) async fn page(portal: &Portal, from: Ipv4Addr, path: &str) -> Answer {
    get(from, portal.address, &format!("{BASE}{path}")).await
}

/// POST of a form, as a browser on our own page sends it, with more header lines if need be.
pub(crate) async fn post(portal: &Portal, from: Ipv4Addr, path: &str, form: &str) -> Answer {
    post_from(portal, from, path, form, &format!("Origin: {BASE}\r\n")).await
}

/// POST of a form with these lines instead of our Origin.
pub(crate) async fn post_from(portal: &Portal, from: Ipv4Addr, path: &str, form: &str, lines: &str) -> Answer {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 10.85.0.1:3990\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         {lines}Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    Answer::parse(&raw(from, portal.address, request).await)
}
