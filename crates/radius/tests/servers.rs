//! Which server is asked, when it is believed dead, and how it comes back.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use radius::{AccessRequest, AccountingRequest, Code, Kind, Outcome, Refusal, Transmit, View, attr};

use common::{Bench, SECRET, accept, ack, answer, login, nas, numbers};

fn code(sent: &Transmit) -> Code {
    View::parse(&sent.bytes).unwrap().code()
}

fn statuses(sent: &[Transmit]) -> Vec<&Transmit> {
    sent.iter().filter(|t| code(t) == Code::StatusServer).collect()
}

/// Answers a Status-Server as its port does.
fn status_answer(sent: &Transmit) -> Vec<u8> {
    match sent.socket.kind {
        Some(Kind::Acct) => answer(&sent.bytes, Code::AccountingResponse, vec![], SECRET, true),
        _ => answer(&sent.bytes, Code::AccessAccept, vec![], SECRET, true),
    }
}

/// Servers that are asked for their status, each of which has answered once.
fn with_status(servers: u8, change: impl FnOnce(&mut radius::Config)) -> Bench {
    let mut bench = Bench::with(servers, |config| {
        config.nas = nas();
        config.servers.iter_mut().for_each(|server| server.status_server = true);
        change(config);
    });
    bench.client.handle_timeout(bench.now);
    for request in bench.sent() {
        bench.arrive(&request, &status_answer(&request)).unwrap();
    }
    bench.now = bench.now.plus(Duration::from_secs(1));
    bench
}

#[test]
fn a_server_is_asked_for_its_status_only_where_that_is_configured() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.client.poll_timeout(), None);
    bench.login();
    bench.run_out();
    assert_eq!((bench.client.stats().status_requests, bench.client.poll_timeout()), (0, None));

    let mut bench = Bench::with(1, |config| {
        config.nas = nas();
        config.servers[0].status_server = true;
    });
    assert_eq!(bench.client.poll_timeout(), Some(Duration::ZERO));
    bench.client.handle_timeout(bench.now);
    let asked = bench.sent();
    let ports: Vec<u16> = asked.iter().map(|t| t.to.port()).collect();
    assert_eq!((statuses(&asked).len(), ports), (2, vec![1812, 1813]));
    // RFC 5997, section 3: signed, and nobody's credentials in it.
    for request in &asked {
        assert_eq!(numbers(request), [attr::MESSAGE_AUTHENTICATOR.number(), attr::NAS_IDENTIFIER.number()]);
        bench.arrive(request, &status_answer(request)).unwrap();
    }
    // The answer lets nobody in, and asking ends with it.
    assert_eq!((bench.event(), bench.client.poll_timeout()), (None, None));
}

#[test]
fn a_dead_server_comes_back_without_a_guest_that_waits_for_it() {
    let mut bench = with_status(2, |_| {});
    bench.login();
    while bench.client.is_alive(0, Kind::Auth) {
        bench.sent();
        bench.wait();
    }
    for request in bench.sent() {
        bench.arrive(&request, &accept(&request)).unwrap();
    }
    bench.event().unwrap();
    for _ in 0..3 {
        bench.wait();
        let sent = bench.sent();
        assert_eq!((statuses(&sent).len(), sent.len(), sent[0].socket.server), (1, 1, 0));
        bench.login();
        let request = bench.sent_one();
        assert_eq!(request.socket.server, 1, "no guest finds out");
        bench.arrive(&request, &accept(&request)).unwrap();
        bench.event().unwrap();
    }
    bench.wait();
    let probe = bench.sent_one();
    bench.arrive(&probe, &status_answer(&probe)).unwrap();
    assert_eq!(bench.client.poll_timeout(), None, "nobody asks after a server that is alive");
    bench.login();
    assert_eq!(bench.sent_one().socket.server, 0, "the first server is asked again");
}

#[test]
fn a_server_that_never_answered_status_server_comes_back_by_a_guest() {
    let mut bench = Bench::with(2, |config| config.servers[0].status_server = true);
    bench.client.handle_timeout(bench.now);
    bench.sent();
    bench.login();
    while bench.client.is_alive(0, Kind::Auth) {
        bench.sent();
        bench.wait();
    }
    for request in bench.sent() {
        bench.arrive(&request, &accept(&request)).unwrap();
    }
    bench.now = bench.now.plus(Duration::from_secs(70));
    bench.client.handle_timeout(bench.now);
    bench.sent();
    bench.login();
    let probe = bench.sent_one();
    assert_eq!((probe.socket.server, code(&probe)), (0, Code::AccessRequest));
    bench.arrive(&probe, &accept(&probe)).unwrap();
    assert!(bench.client.is_alive(0, Kind::Auth));
}

#[test]
fn garbage_and_forgeries_keep_no_server_alive_and_bring_none_back() {
    let mut bench = with_status(1, |_| {});
    bench.login();
    while bench.client.is_alive(0, Kind::Auth) {
        for request in bench.sent().into_iter().filter(|request| code(request) == Code::AccessRequest) {
            assert!(bench.arrive(&request, b"garbage").is_err());
            let unsigned = answer(&request.bytes, Code::AccessAccept, vec![], SECRET, false);
            assert_eq!(bench.arrive(&request, &unsigned), Err(Refusal::MissingMessageAuthenticator));
        }
        bench.wait();
    }
    assert_eq!(bench.event().unwrap().outcome, Outcome::Unproven, "which is not silence");
    bench.wait();
    let probe = bench.sent_one();
    let forged = answer(&probe.bytes, Code::AccessAccept, vec![], b"guessed", true);
    assert_eq!(bench.arrive(&probe, &forged), Err(Refusal::WrongAuthenticator));
    assert!(!bench.client.is_alive(0, Kind::Auth));
}

#[test]
fn only_the_silence_of_all_servers_is_an_outage() {
    let outcome = |bench: &mut Bench| {
        bench.login();
        bench.run_out();
        bench.event().unwrap().outcome
    };
    let mut silent = Bench::new(2);
    assert_eq!(outcome(&mut silent), Outcome::Unreachable);
    assert_eq!(outcome(&mut silent), Outcome::Unreachable, "dead servers are silent too");

    let mut late = Bench::with(3, |config| config.give_up = Duration::from_secs(20));
    assert_eq!(outcome(&mut late), Outcome::Unproven, "the third one could not be asked in time");

    // One server is busy with others.
    let mut busy = Bench::new(1);
    let ignored = busy.login();
    let mut sent = busy.sent();
    while busy.client.outstanding() > 0 {
        busy.login();
        for request in busy.sent() {
            if !sent.iter().any(|first| first.bytes == request.bytes) {
                busy.arrive(&request, &accept(&request)).unwrap();
            }
        }
        if busy.client.outstanding() > 0 {
            busy.wait();
        }
        sent.truncate(1);
    }
    let ended: Vec<_> = std::iter::from_fn(|| busy.event()).filter(|event| event.token == ignored).collect();
    assert_eq!(ended[0].outcome, Outcome::Unproven);

    // A forger in the second server's name.
    let mut forged = Bench::new(2);
    forged.login();
    while forged.client.outstanding() > 0 {
        for request in forged.sent() {
            if request.socket.server == 1 {
                let _ = forged.arrive(&request, &answer(&request.bytes, Code::AccessAccept, vec![], b"guess", true));
            }
        }
        forged.wait();
    }
    assert_eq!(forged.event().unwrap().outcome, Outcome::Unproven);
}

#[test]
fn servers_of_one_priority_share_the_sessions_and_keep_each() {
    let mut bench = Bench::with(3, |config| {
        config.servers[0].priority = 1;
        config.servers[1].priority = 1;
    });
    let mut first = BTreeMap::new();
    for round in 0..2 {
        for n in 0..200 {
            let mut request = login();
            request.guest.as_mut().unwrap().session_id = format!("{n:08x}");
            bench.client.submit_access(bench.now, request).unwrap();
            let sent = bench.sent_one();
            let server = *first.entry(n).or_insert(sent.socket.server);
            assert_eq!(server, sent.socket.server, "round {round}: an answer to a challenge goes where that came from");
            bench.arrive(&sent, &accept(&sent)).unwrap();
            bench.event().unwrap();
        }
    }
    let on = |server| first.values().filter(|s| **s == server).count();
    assert!((60..140).contains(&on(0)) && (60..140).contains(&on(1)), "{} and {}", on(0), on(1));
    assert_eq!(on(2), 0, "it has a later priority");

    // Accounting of a session goes to the same server, and when that dies, to the other.
    let record = |bench: &Bench| {
        let radius::request::Record::Stop(mut session, usage, cause) = common::stop(bench.now).record else { panic!() };
        session.guest.session_id = format!("{:08x}", 7);
        AccountingRequest::new(radius::request::Record::Stop(session, usage, cause), bench.now, nas())
    };
    bench.client.submit_accounting(bench.now, record(&bench)).unwrap();
    let home = bench.sent_one().socket.server;
    assert_eq!(home, first[&7]);
    while bench.client.is_alive(home, Kind::Acct) {
        bench.wait();
    }
    let sent = bench.sent().pop().unwrap();
    assert_eq!(sent.socket.server, 1 - home);
    bench.arrive(&sent, &ack(&sent)).unwrap();
}

#[test]
fn five_thousand_requests_of_each_kind_are_under_way_at_once_and_each_meets_its_answer() {
    let mut bench = Bench::new(1);
    let mut names = BTreeMap::new();
    for n in 0..5000 {
        let mut request = login();
        request.user = format!("user{n}");
        let token = bench.client.submit_access(bench.now, request).unwrap();
        names.insert(token, format!("user{n}"));
        let record = common::stop(bench.now);
        bench.client.submit_accounting(bench.now, record).unwrap();
    }
    assert_eq!(bench.client.outstanding(), 10_000);
    let sent = bench.sent();
    for request in sent.iter().rev() {
        let reply = if request.socket.kind == Some(Kind::Acct) {
            ack(request)
        } else {
            let user = View::parse(&request.bytes).unwrap().get(attr::USER_NAME).unwrap();
            answer(&request.bytes, Code::AccessAccept, vec![attr::USER_NAME.of(&user).unwrap()], SECRET, true)
        };
        bench.arrive(request, &reply).unwrap();
    }
    let mut accepted = 0;
    while let Some(event) = bench.event() {
        if let Outcome::Accept(reply) = event.outcome {
            assert_eq!(reply.user_name().as_ref(), names.get(&event.token));
            accepted += 1;
        }
    }
    assert_eq!((accepted, bench.client.outstanding()), (5000, 0));
}

#[test]
fn a_name_that_a_server_ignores_is_no_outage_if_it_has_answered_others_lately() {
    let mut bench = Bench::new(1);
    bench.login();
    let request = bench.sent_one();
    bench.arrive(&request, &accept(&request)).unwrap();
    assert!(matches!(bench.event().unwrap().outcome, Outcome::Accept(_)));
    let answered = bench.now.mono;
    for why in ["ignored", "believed dead because of that"] {
        bench.login();
        bench.run_out();
        assert_eq!(bench.event().unwrap().outcome, Outcome::Unproven, "{why}");
    }
    assert!(!bench.client.is_alive(0, Kind::Auth));
    assert!(bench.now.mono - answered < Duration::from_secs(60), "it was lately");
    bench.now = bench.now.plus(Duration::from_secs(60));
    bench.login();
    bench.run_out();
    assert_eq!(bench.event().unwrap().outcome, Outcome::Unreachable, "silence after all");
}

#[test]
fn a_name_that_a_server_ignores_is_no_outage_if_it_answers_status_server() {
    for tries in [1, 3] {
        let mut bench = with_status(1, |config| config.tries = tries);
        let mut outcome = |answers: bool| {
            bench.now = bench.now.plus(Duration::from_secs(600));
            bench.client.handle_timeout(bench.now);
            for question in bench.sent().iter().filter(|_| answers) {
                bench.arrive(question, &status_answer(question)).unwrap();
            }
            bench.now = bench.now.plus(Duration::from_secs(70));
            bench.login();
            let mut questions = 0;
            loop {
                let sent = bench.sent();
                for question in statuses(&sent) {
                    questions += 1;
                    if answers {
                        bench.arrive(question, &status_answer(question)).unwrap();
                    }
                }
                if let Some(event) = bench.event() {
                    return (event.outcome, questions > 0);
                }
                bench.wait();
            }
        };
        assert_eq!(outcome(true), (Outcome::Unproven, true), "{tries} tries");
        assert_eq!(outcome(false), (Outcome::Unreachable, true), "{tries} tries");
        assert_eq!(outcome(true), (Outcome::Unproven, true), "{tries} tries");
    }
}

#[test]
fn servers_are_not_asked_for_their_status_while_they_answer() {
    let mut bench = with_status(1, |_| {});
    for _ in 0..3 {
        bench.login();
        let request = bench.sent_one();
        bench.wait();
        let sent = bench.sent();
        let expected = [Code::AccessRequest, Code::StatusServer];
        assert_eq!(sent.iter().map(code).collect::<Vec<_>>(), expected, "one for all that wait");
        bench.login();
        bench.login();
        bench.arrive(&request, &accept(&request)).unwrap();
        bench.arrive(&sent[1], &status_answer(&sent[1])).unwrap();
        for request in bench.sent() {
            bench.arrive(&request, &accept(&request)).unwrap();
        }
        bench.now = bench.now.plus(Duration::from_secs(60));
    }
    assert_eq!(bench.client.outstanding(), 0);
}

#[test]
fn a_dead_time_of_zero_always_asks_in_order() {
    let mut bench = Bench::with(2, |config| config.dead_time = Duration::ZERO);
    for _ in 0..2 {
        bench.login();
        let asked: Vec<u8> = bench.run_out().iter().map(|(server, _)| *server).collect();
        assert_eq!(asked, [0, 0, 0, 1, 1, 1]);
        assert_eq!(bench.event().unwrap().outcome, Outcome::Unreachable);
    }
}

#[test]
fn a_login_answers_the_server_that_asked_on_and_no_other() {
    let mut bench = Bench::new(2);
    bench.login();
    // The first server is silent, so the second has the challenge.
    let sent = loop {
        bench.wait();
        if let Some(sent) = bench.sent().into_iter().find(|sent| sent.socket.server == 1) {
            break sent;
        }
    };
    let state = attr::STATE.of(b"round 1").unwrap();
    bench.arrive(&sent, &answer(&sent.bytes, Code::AccessChallenge, vec![state], SECRET, true)).unwrap();
    assert!(matches!(bench.event().unwrap().outcome, Outcome::Challenge(_)));
    // Long after, when the first would be asked again.
    bench.now = bench.now.plus(Duration::from_secs(45));
    bench.client.submit_access(bench.now, AccessRequest { state: Some(b"round 1".to_vec()), ..login() }).unwrap();
    let servers: Vec<u8> = bench.run_out().into_iter().map(|(server, _)| server).collect();
    assert!(servers.iter().all(|server| *server == 1) && servers.len() > 1, "{servers:?}");
    bench.client.submit_access(bench.now, AccessRequest { state: Some(b"another".to_vec()), ..login() }).unwrap();
    assert_eq!(bench.sent()[0].socket.server, 0, "nobody's challenge");
}
