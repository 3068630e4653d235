//! What a portal, a server or a guest says in CoovaChilli's protocols: `outcome (1)`, then a query of which each parameter
//! goes into an answer.
#![no_main]

use std::net::Ipv4Addr;

use libfuzzer_sys::fuzz_target;
use poblano_fuzz::Input;
use uam::{Challenge, Credential, Outcome, Portal, Query, Reason, Reply, Session, Station, Version};
use wire::MacAddr;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let outcome = match input.u8() % 9 {
        0 => Outcome::NotYet,
        1 => Outcome::Already,
        2 => Outcome::Status { online: true },
        3 => Outcome::Success,
        4 => Outcome::Failed(Reason::Reject),
        5 => Outcome::Failed(Reason::Other),
        6 => Outcome::LoggedOff,
        7 => Outcome::Challenge,
        _ => Outcome::AbortRefused,
    };
    let text = String::from_utf8_lossy(input.rest());
    let query = Query::new(&text);
    let challenge = Challenge([7; 16]);
    if let Ok(credential) = Credential::read(query, Some(challenge), b"uamsecret") {
        assert!(Credential::is_in(query));
        let _ = credential.is_of(b"password");
        if let Credential::Eap(response) = &credential {
            assert_eq!(usize::from(u16::from_be_bytes([response[2], response[3]])), response.len());
            let _ = uam::eap::identity(response);
        }
    }
    let of = |name: &str| query.text(name).unwrap_or_default();
    let portal = Portal {
        server: "http://portal.example/".into(),
        secret: b"uamsecret".to_vec(),
        wispr_1: true,
        nas_id: of("nasid"),
        location_name: of("loc"),
        gateway: Some((Ipv4Addr::new(10, 85, 0, 1), 3990)),
        ..Portal::default()
    };
    let session = Session { user: of("username"), id: of("sessionid"), ..Session::default() };
    let (message, lang, url) = (of("reply"), of("lang"), query.url_of_portal("userurl"));
    let eap = query.octets("WISPrEAPMsg");
    let reply = Reply {
        outcome,
        portal: &portal,
        station: Station {
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            is_shared: false,
            ip: Ipv4Addr::new(10, 85, 0, 7),
            vlan: None,
        },
        session: Some(&session),
        next_session_id: "",
        challenge: Some(challenge),
        message: Some(&message),
        lang: &lang,
        user_url: url.as_deref().unwrap_or_default(),
        session_url: None,
        is_splash: false,
        version: if query.has("WISPrVersion") { Version::V2 } else { Version::V1 },
        eap: eap.as_deref(),
    };
    let location = uam::location(&reply);
    assert!(location.bytes().all(|octet| octet.is_ascii_graphic() && !b"\"<>#".contains(&octet)));
    assert_eq!(location.matches("&md=").count(), 1);
    let body = uam::body(&reply);
    assert_eq!((body.matches("-->").count(), body.matches("<!--").count()), (1, 1), "the comment ends where we end it");
    let json = uam::json(&reply);
    assert!(!json.contains(['<', '>', '&', '\n', '\r', '\u{2028}', '\u{2029}']));
    assert!(json.starts_with('{') && json.ends_with('}'));
});
