//! What portals, programs and scripts read, to the letter. The digests are by Python's hashlib.

use std::net::Ipv4Addr;

use uam::{Challenge, Outcome, Portal, Reason, Reply, Session, Station, Version, body, json, location, with_home_page};
use wire::MacAddr;

const CHALLENGE: Challenge = Challenge(*b"0123456789abcdef");
const STATION: Station = Station {
    mac: MacAddr([2, 0, 0x5e, 0x10, 0, 1]),
    is_shared: false,
    ip: Ipv4Addr::new(10, 85, 0, 7),
    vlan: Some(7),
};

fn portal() -> Portal {
    Portal {
        server: "https://portal.example/hotspotlogin.php".into(),
        secret: b"uamsecret".to_vec(),
        wispr_1: true,
        wispr_2: true,
        gateway: Some((Ipv4Addr::new(10, 85, 0, 1), 3990)),
        called: "02-00-5E-00-00-01".into(),
        nas_id: "nas/1".into(),
        ssid: "Caf\u{e9} Wi-Fi".into(),
        location_id: "isocc=de,cc=49,ac=30,network=example".into(),
        location_name: "Caf\u{e9} & <Bar>".into(),
        ..Portal::default()
    }
}

fn session() -> Session {
    Session {
        id: "0123456789abcdef".into(),
        user: "anne@example.org".into(),
        start_secs: 1_700_000_000,
        secs: 600,
        limit_secs: 3600,
        left_secs: 3000,
        idle_limit_secs: 900,
        idle_secs: 5,
        octets_up: 1000,
        octets_down: (3 << 32) + 7,
        limit_up: 1 << 20,
        limit_down: 1 << 33,
        limit_total: 0,
    }
}

fn reply(outcome: Outcome, portal: &Portal) -> Reply<'_> {
    Reply {
        outcome,
        portal,
        station: STATION,
        session: None,
        next_session_id: "",
        challenge: Some(CHALLENGE),
        message: None,
        lang: "",
        user_url: "http://example.org/a?b=~",
        session_url: None,
        is_splash: false,
        version: Version::V1,
        eap: None,
    }
}

/// The XML of a page, without what is the same in all of them.
fn xml(reply: &Reply<'_>) -> String {
    let page = body(reply);
    let start = page.find(".xsd\">\r\n").map_or(page.len(), |at| at + 8);
    let end = page.find("</WISPAccessGatewayParam>").unwrap_or(start);
    page[start..end].replace("\r\n", "")
}

#[test]
fn a_portal_gets_every_parameter_in_its_place() {
    let (portal, session) = (portal(), session());
    assert_eq!(
        location(&reply(Outcome::NotYet, &portal)),
        "https://portal.example/hotspotlogin.php?res=notyet&uamip=10.85.0.1&uamport=3990&challenge=30313233343536373839616263646566&called=02-00-5E-00-00-01&mac=02-00-5E-10-00-01&ip=10.85.0.7&ssid=Caf%c3%a9%20Wi-Fi&nasid=nas%2f1&vlan=7&userurl=http%3a%2f%2fexample.org%2fa%3fb%3d~&md=F265A8C2F95B9611E0D5C96DA849D4E4"
    );
    let reject = Outcome::Failed(Reason::Reject);
    assert_eq!(
        location(&Reply { message: Some("Not here!"), lang: "de", ..reply(reject, &portal) }),
        "https://portal.example/hotspotlogin.php?res=failed&reason=reject&uamip=10.85.0.1&uamport=3990&challenge=30313233343536373839616263646566&called=02-00-5E-00-00-01&mac=02-00-5E-10-00-01&ip=10.85.0.7&reply=Not%20here!&ssid=Caf%c3%a9%20Wi-Fi&nasid=nas%2f1&vlan=7&lang=de&userurl=http%3a%2f%2fexample.org%2fa%3fb%3d~&md=98A4121F6435AD1ECAC91CA97320381A"
    );
    let named = location(&Reply { next_session_id: "0123456789abcdf0", ..reply(Outcome::NotYet, &portal) });
    assert!(named.contains("&vlan=7&sessionid=0123456789abcdf0&userurl="), "{named}");
    let portal_with_tls = Portal { secure: "https://portal.example.org:4990/".into(), ..portal.clone() };
    let secure = location(&reply(Outcome::NotYet, &portal_with_tls));
    assert!(secure.contains("&vlan=7&ssl=https%3a%2f%2fportal.example.org%3a4990%2f&userurl="), "{secure}");
    let online = |outcome| Reply { session: Some(&session), ..reply(outcome, &portal) };
    assert_eq!(
        location(&Reply { message: Some("Welcome"), ..online(Outcome::Success) }),
        "https://portal.example/hotspotlogin.php?res=success&uamip=10.85.0.1&uamport=3990&called=02-00-5E-00-00-01&uid=anne%40example.org&timeleft=3600&mac=02-00-5E-10-00-01&ip=10.85.0.7&reply=Welcome&ssid=Caf%c3%a9%20Wi-Fi&nasid=nas%2f1&vlan=7&sessionid=0123456789abcdef&userurl=http%3a%2f%2fexample.org%2fa%3fb%3d~&md=9FBFEC0F4398955BD3429708110EE9A0"
    );
    assert_eq!(
        location(&online(Outcome::Status { online: true })),
        "https://portal.example/hotspotlogin.php?res=already&uamip=10.85.0.1&uamport=3990&starttime=1700000000&sessiontime=600&sessiontimeout=3600&stoptime=1700003600&called=02-00-5E-00-00-01&uid=anne%40example.org&timeleft=3000&mac=02-00-5E-10-00-01&ip=10.85.0.7&ssid=Caf%c3%a9%20Wi-Fi&nasid=nas%2f1&vlan=7&sessionid=0123456789abcdef&userurl=http%3a%2f%2fexample.org%2fa%3fb%3d~&md=A87CD5866FE17001D7E62B09F85F3A1B"
    );
    assert_eq!(
        location(&Reply { user_url: "", ..reply(Outcome::Status { online: false }, &portal) }),
        "https://portal.example/hotspotlogin.php?res=notyet&uamip=10.85.0.1&uamport=3990&challenge=30313233343536373839616263646566&called=02-00-5E-00-00-01&uid=&mac=02-00-5E-10-00-01&ip=10.85.0.7&ssid=Caf%c3%a9%20Wi-Fi&nasid=nas%2f1&vlan=7&userurl=&md=BEBEA2CDB1DA76F0ACAAEDB33A24C5AC"
    );
    assert_eq!(
        location(&online(Outcome::LoggedOff)),
        "https://portal.example/hotspotlogin.php?res=logoff&uamip=10.85.0.1&uamport=3990&challenge=30313233343536373839616263646566&called=02-00-5E-00-00-01&mac=02-00-5E-10-00-01&ip=10.85.0.7&ssid=Caf%c3%a9%20Wi-Fi&nasid=nas%2f1&vlan=7&sessionid=0123456789abcdef&userurl=http%3a%2f%2fexample.org%2fa%3fb%3d~&md=7B03204D2C2737B15474320BC7027B56"
    );
}

#[test]
fn where_the_server_wants_a_guest_to_go_is_the_whole_answer_or_a_parameter() {
    let (portal, session) = (portal(), session());
    let led = |outcome, portal| Reply {
        session: Some(&session),
        session_url: Some("http://www.example/welcome"),
        ..reply(outcome, portal)
    };
    for outcome in [Outcome::Success, Outcome::Already, Outcome::Failed(Reason::Reject)] {
        assert_eq!(location(&led(outcome, &portal)), "http://www.example/welcome");
    }
    assert!(location(&led(Outcome::LoggedOff, &portal)).starts_with("https://portal.example/"));
    let portal = Portal { redirect_url: true, ..portal.clone() };
    assert_eq!(
        location(&led(Outcome::Already, &portal)),
        "https://portal.example/hotspotlogin.php?res=already&uamip=10.85.0.1&uamport=3990&called=02-00-5E-00-00-01&mac=02-00-5E-10-00-01&ip=10.85.0.7&ssid=Caf%c3%a9%20Wi-Fi&nasid=nas%2f1&vlan=7&sessionid=0123456789abcdef&redirurl=http%3a%2f%2fwww.example%2fwelcome&userurl=http%3a%2f%2fexample.org%2fa%3fb%3d~&md=047E13E9BD90D950F11C59FE5C042A23"
    );
}

#[test]
fn an_address_that_has_a_query_is_gone_on_with() {
    let portal = Portal { server: "http://portal.example/?id=1".into(), secret: Vec::new(), ..portal() };
    let url = location(&reply(Outcome::Failed(Reason::Timeout), &portal));
    assert!(url.starts_with("http://portal.example/?id=1&res=failed&reason=timeout&uamip=10.85.0.1&"), "{url}");
    assert!(!url.contains("md="), "there is no secret");
    assert_eq!(
        with_home_page("http://www.example/", "http://p/?a=b&c"),
        "http://www.example/?loginurl=http%3a%2f%2fp%2f%3fa%3db%26c"
    );
    assert_eq!(
        with_home_page("http://www.example/?x", "http://p/"),
        "http://www.example/?x&loginurl=http%3a%2f%2fp%2f"
    );
}

#[test]
fn nothing_that_a_stranger_says_leaves_the_address_or_the_header() {
    let portal = Portal { nas_id: "a\r\nSet-Cookie: b".into(), ..portal() };
    let strange = "\r\n\u{0}\u{e4} &md=x#\"<>";
    let session = Session { user: strange.into(), id: strange.into(), ..session() };
    for outcome in [Outcome::Success, Outcome::Failed(Reason::Reject), Outcome::Status { online: true }] {
        let url = location(&Reply {
            session: Some(&session),
            message: Some(strange),
            lang: strange,
            user_url: strange,
            ..reply(outcome, &portal)
        });
        assert!(url.bytes().all(|octet| octet.is_ascii_graphic() && !b"\"<>#".contains(&octet)), "{url}");
        assert_eq!(url.matches("&md=").count(), 1, "{url}");
    }
}

#[test]
fn a_program_is_told_where_to_log_in() {
    let portal = portal();
    let login = "https://portal.example/hotspotlogin.php?res=wispr&amp;uamip=10.85.0.1&amp;uamport=3990&amp;\
                 challenge=30313233343536373839616263646566";
    let place = "<AccessLocation>isocc=de,cc=49,ac=30,network=example</AccessLocation>\
                 <LocationName>Caf\u{e9} &amp; &lt;Bar&gt;</LocationName>";
    let end = format!("{place}<LoginURL>{login}</LoginURL><AbortLoginURL>http://10.85.0.1:3990/abort</AbortLoginURL>");
    let start = "<Redirect><MessageType>100</MessageType><ResponseCode>0</ResponseCode>";
    let question = [1, 7, 0, 5, 1];
    let with_eap = |portal| Reply { eap: Some(&question), ..reply(Outcome::NotYet, portal) };
    assert_eq!(
        xml(&with_eap(&portal)),
        format!(
            "{start}<VersionHigh>2.0</VersionHigh><VersionLow>1.0</VersionLow><AccessProcedure>1.0</AccessProcedure>\
             {end}<EAPMsg>AQcABQE=</EAPMsg></Redirect>"
        )
    );
    let second = Portal { wispr_1: false, ..portal.clone() };
    let text = xml(&reply(Outcome::NotYet, &second));
    assert_eq!(text, format!("{start}<VersionHigh>2.0</VersionHigh><VersionLow>2.0</VersionLow>{end}</Redirect>"));
    let first = Portal { wispr_2: false, ..portal.clone() };
    let text = xml(&with_eap(&first));
    assert_eq!(text, format!("{start}<AccessProcedure>1.0</AccessProcedure>{end}</Redirect>"));
    let none = Portal { wispr_1: false, wispr_2: false, ..portal.clone() };
    assert!(!body(&reply(Outcome::NotYet, &none)).contains("<!--"));
    let elsewhere = Portal { wispr_login: "https://wispr.example/".into(), ..portal };
    assert!(xml(&reply(Outcome::NotYet, &elsewhere)).contains("<LoginURL>https://wispr.example/?res=wispr&amp;uamip="));
}

#[test]
fn a_program_is_told_what_became_of_its_login() {
    let (portal, session) = (portal(), session());
    let led = Some("http://www.example/?a&b");
    let say = |outcome, version| xml(&Reply { version, ..reply(outcome, &portal) });
    let urls = "<LogoffURL>http://10.85.0.1:3990/logoff</LogoffURL><StatusURL>http://10.85.0.1:3990/status</StatusURL>";
    let success = Reply {
        session: Some(&session),
        session_url: led,
        message: Some("Hello <you>"),
        ..reply(Outcome::Success, &portal)
    };
    let (poll, answer) = ("AuthenticationPollReply", "AuthenticationReply");
    let wrap = |name: &str, kind, code, rest: &str| {
        format!("<{name}><MessageType>{kind}</MessageType><ResponseCode>{code}</ResponseCode>{rest}</{name}>")
    };
    let text = |words: &str| format!("<ReplyMessage>{words}</ReplyMessage>");
    let hello = text("Hello &lt;you&gt;");
    let redirection = "<RedirectionURL>http://www.example/?a&amp;b</RedirectionURL>";
    let time = "<MaxSessionTime>3600</MaxSessionTime>";
    assert_eq!(xml(&success), wrap(poll, 140, 50, &format!("{hello}{urls}{redirection}{time}")));
    let second = Reply { version: Version::V2, ..success };
    assert_eq!(xml(&second), wrap(answer, 120, 50, &format!("{hello}{urls}{time}{redirection}")));
    let accept = [3, 9, 0, 4];
    assert_eq!(
        xml(&Reply { eap: Some(&accept), message: None, session_url: None, ..second }),
        wrap("EAPAuthenticationReply", 121, 50, &format!("<EAPMsg>AwkABA==</EAPMsg>{urls}{time}"))
    );
    let speaks = Reply {
        eap: Some(&[]),
        message: None,
        version: Version::V2,
        ..reply(Outcome::Failed(Reason::Reject), &portal)
    };
    let invalid = wrap("EAPAuthenticationReply", 121, 100, "<ReplyMessage>Invalid Password</ReplyMessage>");
    assert_eq!(xml(&speaks), invalid, "nothing of EAP is to be said");
    let failed = Outcome::Failed;
    for (outcome, first, second) in [
        (
            failed(Reason::Reject),
            wrap(poll, 140, 100, &text("Invalid Username/Password")),
            wrap(answer, 120, 100, &text("Invalid Password")),
        ),
        (
            failed(Reason::Timeout),
            wrap(poll, 140, 102, &text("Radius error")),
            wrap(answer, 120, 102, &text("Radius timeout")),
        ),
        (
            failed(Reason::Other),
            wrap(poll, 140, 102, &text("Unknown error")),
            wrap(answer, 120, 255, &text("Unknown error")),
        ),
        (
            Outcome::Already,
            wrap(poll, 140, 102, &text("Already logged on")),
            wrap(answer, 140, 102, &text("Already logged on")),
        ),
        (
            Outcome::Status { online: true },
            wrap(poll, 140, 50, &text("Already logged on")),
            wrap("StatusReply", 160, 0, "<Status>0</Status>"),
        ),
        (
            Outcome::Status { online: false },
            wrap(poll, 140, 150, &text("Not logged on")),
            wrap("StatusReply", 160, 0, "<Status>1</Status>"),
        ),
        (Outcome::LoggedOff, wrap("LogoffReply", 130, 150, ""), wrap("LogoffReply", 130, 150, "")),
        (Outcome::Aborted, wrap("AbortLoginReply", 150, 151, ""), wrap("AbortLoginReply", 150, 151, "")),
        (
            Outcome::AbortRefused,
            wrap("AbortLoginReply", 150, 50, "<LogoffURL>http://10.85.0.1:3990/logoff</LogoffURL>"),
            wrap("AbortLoginReply", 150, 50, "<LogoffURL>http://10.85.0.1:3990/logoff</LogoffURL>"),
        ),
    ] {
        assert_eq!(say(outcome, Version::V1), first, "{outcome:?}");
        assert_eq!(say(outcome, Version::V2), second, "{outcome:?}");
    }
    let asked = [1, 9, 0, 5, 4];
    let challenge = xml(&Reply { eap: Some(&asked), version: Version::V2, ..reply(Outcome::Challenge, &portal) });
    assert!(
        challenge.starts_with("<EAPAuthenticationReply><MessageType>121</MessageType><ResponseCode>10</ResponseCode>")
    );
    assert!(challenge.contains("&amp;continue=1</LoginURL>"), "{challenge}");
}

#[test]
fn who_is_known_but_has_to_see_a_page_is_led_there_or_to_the_portal_and_told_so() {
    let portal = portal();
    let splash = Reply { is_splash: true, ..reply(Outcome::NotYet, &portal) };
    assert!(location(&splash).starts_with(&format!("{}?res=splash&uamip=10.85.0.1&", portal.server)));
    let page = Reply { session_url: Some("http://www.example/welcome?a=b"), ..splash };
    assert!(location(&page).starts_with("http://www.example/welcome?a=b&res=splash&uamip=10.85.0.1&"));
    assert!(json(&page).starts_with("{\"version\":\"1.0\",\"clientState\":3,"));
    assert!(json(&page).contains("\"redirectionURL\":\"http://www.example/welcome?a=b\""));
    let status = Reply { outcome: Outcome::Status { online: false }, ..page };
    assert!(json(&status).contains("\"clientState\":3,"));
    assert!(location(&status).starts_with(&format!("{}?res=notyet&", portal.server)));
}

#[test]
fn a_script_gets_an_object_with_its_members_in_order() {
    let (portal, session) = (portal(), session());
    let head = "{\"version\":\"1.0\",\"clientState\":";
    let challenge = ",\"challenge\":\"30313233343536373839616263646566\"";
    let place = ",\"location\":{\"name\":\"Caf\u{e9} \\u0026 \\u003cBar\\u003e\"}";
    let redir = ",\"redir\":{\"originalURL\":\"http://example.org/a?b=~\",\"redirectionURL\":\"\",\
                 \"logoutURL\":\"http://10.85.0.1:3990/logoff\",\"ipAddress\":\"10.85.0.7\",\
                 \"macAddress\":\"02-00-5E-10-00-01\"}";
    let of_session = ",\"session\":{\"sessionId\":\"0123456789abcdef\",\"userName\":\"anne@example.org\",\
                      \"startTime\":1700000000,\"sessionTimeout\":3600,\"terminateTime\":1700003600,\
                      \"idleTimeout\":900,\"vlan\":7,\"maxInputOctets\":8589934592,\
                      \"maxOutputOctets\":1048576}";
    let used = ",\"accounting\":{\"sessionTime\":600,\"idleTime\":5,\"inputOctets\":7,\"outputOctets\":1000,\
                \"inputGigawords\":3,\"outputGigawords\":0,\"viewPoint\":\"client\"}";
    let unused = ",\"accounting\":{\"sessionTime\":0,\"idleTime\":0,\"inputOctets\":0,\"outputOctets\":0,\
                  \"inputGigawords\":0,\"outputGigawords\":0,\"viewPoint\":\"client\"}";
    let nas = ",\"nasid\":\"nas/1\"";
    let say = |outcome| json(&Reply { session: Some(&session), ..reply(outcome, &portal) });
    for outcome in [Outcome::NotYet, Outcome::Status { online: false }] {
        assert_eq!(say(outcome), format!("{head}0{nas}{challenge}{place}{redir}}}"), "{outcome:?}");
    }
    assert_eq!(say(Outcome::Already), format!("{head}1{nas}{of_session}{used}}}"));
    assert_eq!(say(Outcome::Status { online: true }), format!("{head}1{nas}{redir}{of_session}{used}}}"));
    assert_eq!(say(Outcome::Success), format!("{head}1{nas}{redir}{of_session}{unused}}}"));
    assert_eq!(say(Outcome::LoggedOff), format!("{head}0{nas}{challenge}{of_session}{used}}}"));
    assert_eq!(say(Outcome::Failed(Reason::Timeout)), format!("{head}0{nas}}}"));
    let reject = Reply { message: Some("No \"entry\"."), ..reply(Outcome::Failed(Reason::Reject), &portal) };
    let station = Station { is_shared: true, ..STATION };
    let behind_a_router = json(&Reply { station, ..reply(Outcome::NotYet, &portal) });
    assert!(!behind_a_router.contains("macAddress") && behind_a_router.contains("ipAddress"), "{behind_a_router}");
    assert_eq!(json(&reject), format!("{head}0{nas},\"message\":\"No \\\"entry\\\".\"{challenge}{redir}}}"));
    assert_eq!(say(Outcome::Aborted), format!("{head}0{nas}}}"));
}

#[test]
fn input_is_what_the_operator_counts_as_input() {
    let (portal, session) = (Portal { input_is_from_guest: true, ..portal() }, session());
    let text = json(&Reply { session: Some(&session), ..reply(Outcome::Already, &portal) });
    assert!(text.contains("\"inputOctets\":1000,\"outputOctets\":7,"), "{text}");
    assert!(text.contains("\"viewPoint\":\"nas\"") && text.contains("\"maxInputOctets\":1048576,"), "{text}");
}
