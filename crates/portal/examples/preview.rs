//! The pages as a guest sees them, without a gateway: `cargo run -p poblano-portal --example preview
//! 127.0.0.1:3990 0a5cc2`, with a colour or without.
//!
//! Name `guest`, password `guest`, or any voucher. Name `away` finds no login server, `hasty` has tried too often;
//! /status?key=back is the page of somebody who comes back.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use portal::{Backend, Board, Color, Files, Guest, Limits, Login, LoginOutcome, Look, Session, SignIn, Site, Uam};
use wire::routes::Routes;

#[derive(Default)]
struct Preview {
    logged_in: Cell<bool>,
}

impl Backend for Preview {
    fn guest(&self, _: Ipv4Addr) -> Option<Guest> {
        Some(if self.logged_in.get() { Guest::LoggedIn(Box::new(session())) } else { Guest::NotLoggedIn })
    }

    fn place(&self, _: Ipv4Addr) -> Option<uam::Place> {
        None // only portals of others ask
    }

    fn session_id(&self) -> String {
        String::new() // the same
    }

    fn dice(&self) -> [u8; 16] {
        [0; 16]
    }

    async fn login(&self, _: Ipv4Addr, login: &Login<'_>) -> LoginOutcome {
        match (login.name, login.credential.is_of(b"guest")) {
            ("guest", true) => {
                self.logged_in.set(true);
                LoginOutcome::Accepted { redirect: None, eap: None }
            }
            ("away", _) => LoginOutcome::Unavailable,
            ("hasty", _) => LoginOutcome::TooManyTries { wait: Duration::from_secs(30) },
            _ => LoginOutcome::Rejected { message: None, redirect: None, eap: None },
        }
    }

    fn served(&self, _: Ipv4Addr, _: &str, _: Option<&str>, _: u16) {}

    async fn redeem(&self, _: Ipv4Addr, _: &str) -> LoginOutcome {
        self.logged_in.set(true);
        LoginOutcome::Accepted { redirect: None, eap: None }
    }

    async fn accept_terms(&self, ip: Ipv4Addr) -> LoginOutcome {
        self.redeem(ip, "").await
    }

    fn recognise(&self, bookmark: &str) -> Option<String> {
        (bookmark == "back").then(|| "K7QM-2XWB-9FRT".to_owned())
    }

    async fn resume(&self, ip: Ipv4Addr, bookmark: &str) -> LoginOutcome {
        self.redeem(ip, bookmark).await
    }

    fn ask_about_device(&self, _: Ipv4Addr) {}

    fn logout(&self, _: Ipv4Addr) {
        self.logged_in.set(false);
    }
}

fn session() -> Session {
    Session {
        user: "guest".into(),
        age: Duration::from_secs(1_500),
        time_left: Some(Duration::from_secs(5_700)),
        idle_timeout: Some(Duration::from_secs(900)),
        octets_up: 12_400_000,
        octets_down: 266_000_000,
        octets_left: Some(734_000_000),
        bits_per_second_up: Some(5_000_000),
        bits_per_second_down: Some(20_000_000),
        message: Some("Breakfast is served until ten.".into()),
        ..Session::default()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3990".into());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let hex = |text: String| u32::from_str_radix(text.trim_start_matches('#'), 16).ok();
    let color = std::env::args().nth(2).and_then(hex).map(|rgb| {
        let [_, red, green, blue] = rgb.to_be_bytes();
        Color([red, green, blue])
    });
    let site = Site {
        title: "Hotel Poblano".into(),
        welcome: None,
        look: Look::new(color, None),
        sign_in: SignIn { password: true, voucher: true, click_through: true },
        templates: None,
        terms: Some("Be kind to the other guests: the line is shared.\n\nWe keep who was online when for as long as the law asks, and nothing else.\n\nWhat you do online is your own responsibility.".into()),
        base_url: format!("http://{address}"),
        names: vec!["wifi.internal".into()],
        venue_url: None,
        can_extend: false,
        files: Files::default(),
        routes: Routes::default(),
        uam: Uam::default(),
        limits: Limits::default(),
    };
    let desk = Rc::new(portal::Desk::new(&site.uam));
    let serving = portal::serve(vec![listener], None, Board::new(site), desk, Rc::new(Preview::default()));
    match tokio::task::LocalSet::new().run_until(serving).await {}
}
