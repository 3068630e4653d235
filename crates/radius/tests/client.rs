//! Scenarios of the client against servers that are slow, silent, dead, old, or not who they claim to be.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use radius::auth::{self, Secret};
use radius::client::ConfigError;
use radius::request::Record;
use radius::{
    AccountingRequest, Attribute, BuildError, Client, Code, Config, Credential, Event, Kind, Outcome, Refusal, Server,
    SubmitError, TerminateCause, Transmit, View, attr,
};

use common::{Bench, SECRET, accept, ack, address, answer, dice, integer, login, nas, numbers, stop};

#[test]
fn a_guest_is_accepted_with_what_the_server_grants() {
    let mut bench = Bench::new(1);
    let token = bench.login();
    let request = bench.sent_one();
    assert_eq!(request.to, address(0, 1812));
    assert_eq!(numbers(&request)[0], attr::MESSAGE_AUTHENTICATOR.number());
    let view = View::parse(&request.bytes).unwrap();
    let proof = auth::message_authenticator(&request.bytes, &view.authenticator(), 22, &Secret::new(SECRET));
    assert_eq!(view.attributes().next().unwrap().value, proof);

    assert_eq!(bench.arrive(&request, &accept(&request)), Ok(()));
    let Some(Event { token: done, outcome: Outcome::Accept(reply) }) = bench.event() else { panic!("no accept") };
    assert_eq!((done, reply.session_timeout()), (token, Some(Duration::from_secs(60))));
    assert_eq!((bench.event(), bench.client.outstanding(), bench.client.poll_timeout()), (None, 0, None));
}

#[test]
fn reject_and_challenge_are_told_apart() {
    for code in [Code::AccessReject, Code::AccessChallenge] {
        let mut bench = Bench::new(1);
        bench.login();
        let request = bench.sent_one();
        let message = attr::REPLY_MESSAGE.of("no").unwrap();
        bench.arrive(&request, &answer(&request.bytes, code, vec![message], SECRET, true)).unwrap();
        match bench.event().unwrap().outcome {
            Outcome::Reject(reply) if code == Code::AccessReject => assert_eq!(reply.reply_message().unwrap(), "no"),
            Outcome::Challenge(_) if code == Code::AccessChallenge => {}
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[test]
fn no_forged_answer_lets_a_guest_in_or_ends_the_wait_for_the_true_one() {
    let mut bench = Bench::new(2);
    bench.login();
    let request = bench.sent_one();
    let good = accept(&request);

    let mut wrong_id = good.clone();
    wrong_id[1] ^= 1;
    assert_eq!(bench.arrive(&request, &wrong_id), Err(Refusal::UnknownId));
    let mut wrong_authenticator = good.clone();
    wrong_authenticator[4] ^= 1;
    assert_eq!(bench.arrive(&request, &wrong_authenticator), Err(Refusal::WrongAuthenticator));
    let other_secret = answer(&request.bytes, Code::AccessAccept, vec![], b"guessed", true);
    assert_eq!(bench.arrive(&request, &other_secret), Err(Refusal::WrongAuthenticator));
    // What an attacker has who found a collision for the Response Authenticator, but knows no secret.
    let unsigned = answer(&request.bytes, Code::AccessAccept, vec![], SECRET, false);
    assert_eq!(bench.arrive(&request, &unsigned), Err(Refusal::MissingMessageAuthenticator));
    let made_up = attr::MESSAGE_AUTHENTICATOR.of(&[9; 16]).unwrap();
    let badly_signed = answer(&request.bytes, Code::AccessAccept, vec![made_up], SECRET, false);
    assert_eq!(bench.arrive(&request, &badly_signed), Err(Refusal::WrongMessageAuthenticator));
    let acct = answer(&request.bytes, Code::AccountingResponse, vec![], SECRET, true);
    assert_eq!(bench.arrive(&request, &acct), Err(Refusal::WrongCode(Code::AccountingResponse)));
    assert_eq!(bench.arrive(&request, &request.bytes.clone()), Err(Refusal::WrongCode(Code::AccessRequest)));
    for foreign in [address(0, 1813), address(1, 1812), "[::1]:1812".parse().unwrap()] {
        let now = bench.now;
        assert_eq!(bench.client.handle_datagram(now, request.socket, foreign, &good), Err(Refusal::ForeignSource));
    }
    let mut elsewhere = request.clone();
    elsewhere.socket.index = 1;
    assert_eq!(bench.arrive(&elsewhere, &good), Err(Refusal::UnknownId));
    elsewhere.socket.server = 9;
    assert_eq!(bench.arrive(&elsewhere, &good), Err(Refusal::ForeignSource));
    assert!(matches!(bench.arrive(&request, &good[..good.len() - 1]), Err(Refusal::Malformed(_))));

    assert_eq!((bench.event(), bench.client.outstanding()), (None, 1));
    let stats = *bench.client.stats();
    assert_eq!((stats.forged, stats.foreign_source, stats.unasked, stats.malformed, stats.answers), (4, 4, 4, 1, 0));
    // The true answer still counts, even to a socket that shows IPv4 as IPv6, and even padded.
    let mapped = SocketAddr::new(IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped()), 1812);
    let padded = [good.as_slice(), &[0; 3]].concat();
    bench.client.handle_datagram(bench.now, request.socket, mapped, &padded).unwrap();
    assert!(matches!(bench.event().unwrap().outcome, Outcome::Accept(_)));
}

#[test]
fn a_replayed_accept_opens_no_later_login() {
    let mut bench = Bench::new(1);
    bench.login();
    let first = bench.sent_one();
    let recorded = accept(&first);
    bench.arrive(&first, &recorded).unwrap();
    assert_eq!(bench.arrive(&first, &recorded), Err(Refusal::UnknownId));
    bench.event().unwrap();
    // All identifiers go round until the recorded one is in use again, last of all.
    for _ in 0..256 {
        bench.login();
    }
    assert_eq!(bench.client.poll_transmit().unwrap().bytes[1], first.bytes[1].wrapping_add(1));
    for request in bench.sent() {
        let result = bench.arrive(&request, &recorded);
        assert_eq!(result, Err(Refusal::WrongAuthenticator));
    }
    assert_eq!((bench.event(), bench.client.outstanding()), (None, 256));
}

#[test]
fn an_old_server_is_believed_only_where_the_operator_says_so_and_never_with_a_proxy_state() {
    let mut bench = Bench::with(1, |config| config.servers[0].require_message_authenticator = false);
    bench.login();
    let request = bench.sent_one();
    let state = attr::PROXY_STATE.of(&[0; 40]).unwrap();
    let collision = answer(&request.bytes, Code::AccessAccept, vec![state], SECRET, false);
    assert_eq!(bench.arrive(&request, &collision), Err(Refusal::UnexpectedProxyState));
    let made_up = attr::MESSAGE_AUTHENTICATOR.of(&[9; 16]).unwrap();
    let badly_signed = answer(&request.bytes, Code::AccessAccept, vec![made_up], SECRET, false);
    assert_eq!(bench.arrive(&request, &badly_signed), Err(Refusal::WrongMessageAuthenticator));
    bench.arrive(&request, &answer(&request.bytes, Code::AccessAccept, vec![], SECRET, false)).unwrap();
    assert!(matches!(bench.event().unwrap().outcome, Outcome::Accept(_)));
}

#[test]
fn an_accept_with_a_broken_limit_is_a_reject() {
    let mut bench = Bench::new(1);
    bench.login();
    let request = bench.sent_one();
    let broken = Attribute::bytes(attr::SESSION_TIMEOUT.number(), &[60]).unwrap();
    bench.arrive(&request, &answer(&request.bytes, Code::AccessAccept, vec![broken], SECRET, true)).unwrap();
    assert!(matches!(bench.event().unwrap().outcome, Outcome::Reject(_)));
    assert_eq!(bench.client.stats().broken_accepts, 1);
}

#[test]
fn a_lost_request_is_sent_again_unchanged_with_growing_waits() {
    let mut bench = Bench::new(1);
    let token = bench.login();
    let first = bench.sent_one();
    let mut waits = vec![bench.wait()];
    for _ in 0..2 {
        assert_eq!(bench.sent_one(), first);
        waits.push(bench.wait());
    }
    assert_eq!(bench.event(), Some(Event { token, outcome: Outcome::Unreachable }));
    for (wait, middle) in waits.iter().zip([2.0, 4.0, 8.0]) {
        let factor = wait.as_secs_f64() / middle;
        assert!((0.8..=1.2).contains(&factor) && factor != 1.0, "waits are {waits:?}");
    }
    assert_eq!((bench.client.outstanding(), bench.client.poll_timeout()), (0, None));
    assert_eq!(bench.arrive(&first, &accept(&first)), Err(Refusal::UnknownId));
}

#[test]
fn a_long_retry_is_bounded_in_each_wait_and_in_all() {
    let mut bench = Bench::with(1, |config| {
        config.tries = 200;
        config.longest_wait = Duration::from_secs(5);
    });
    bench.login();
    let log = bench.run_out();
    assert_eq!(bench.event().unwrap().outcome, Outcome::Unreachable);
    assert!(log.windows(2).all(|pair| pair[1].1 - pair[0].1 <= Duration::from_millis(5_500)), "{log:?}");
    assert_eq!(bench.now.mono, Duration::from_secs(100 + 30));
}

#[test]
fn the_next_server_is_asked_with_its_own_secret_and_a_late_answer_of_the_first_still_counts() {
    let mut bench = Bench::with(2, |config| config.servers[1].secret = Secret::new("another"));
    bench.login();
    let first = bench.sent_one();
    for _ in 0..2 {
        bench.wait();
        assert_eq!(bench.sent_one(), first);
    }
    bench.wait();
    let second = bench.sent_one();
    assert_eq!(second.to, address(1, 1812));
    let authenticator = |t: &Transmit| View::parse(&t.bytes).unwrap().authenticator();
    assert_ne!(authenticator(&first), authenticator(&second));
    let hidden = View::parse(&second.bytes).unwrap().get(attr::USER_PASSWORD).unwrap();
    let password = hidden.reveal(&Secret::new("another"), &authenticator(&second));
    assert_eq!(password, b"wonderland\0\0\0\0\0\0");

    assert_eq!(bench.arrive(&second, &accept(&second)), Err(Refusal::WrongAuthenticator));
    bench.arrive(&first, &accept(&first)).unwrap();
    assert!(matches!(bench.event().unwrap().outcome, Outcome::Accept(_)));
    let late = answer(&second.bytes, Code::AccessReject, vec![], b"another", true);
    assert_eq!(bench.arrive(&second, &late), Err(Refusal::UnknownId));
    assert_eq!(bench.arrive(&first, &accept(&first)), Err(Refusal::UnknownId));
}

#[test]
fn a_dead_server_is_passed_over_probed_once_and_comes_back() {
    let mut bench = Bench::new(2);
    bench.login();
    let asked: Vec<u8> = bench.run_out().iter().map(|(server, _)| *server).collect();
    assert_eq!(asked, [0, 0, 0, 1, 1, 1]);
    assert!(!bench.client.is_alive(0, Kind::Auth) && !bench.client.is_alive(1, Kind::Auth));
    assert!(bench.client.is_alive(0, Kind::Acct), "accounting is another service");
    bench.event().unwrap();

    // All are dead: they are asked all the same. The second one answers.
    bench.login();
    while bench.client.is_alive(1, Kind::Auth) || bench.client.outstanding() > 0 {
        for request in bench.sent() {
            if request.socket.server == 1 {
                bench.arrive(&request, &accept(&request)).unwrap();
            }
        }
        if bench.client.outstanding() == 0 {
            break;
        }
        bench.wait();
    }
    assert!(bench.client.is_alive(1, Kind::Auth));
    bench.event().unwrap();
    bench.login();
    assert_eq!(bench.sent_one().socket.server, 1, "the dead first server is passed over");

    // After the dead time one request probes the first server, and only one.
    bench.now = bench.now.plus(Duration::from_secs(60));
    bench.client.handle_timeout(bench.now);
    bench.sent();
    bench.login();
    let probe = bench.sent_one();
    bench.login();
    let other = bench.sent_one();
    assert_eq!((probe.socket.server, other.socket.server), (0, 1));
    bench.arrive(&other, &accept(&other)).unwrap();

    // The guest whose login was the probe waits for one transmission, not for three.
    bench.wait();
    let moved_on = bench.sent_one();
    assert_eq!(moved_on.socket.server, 1);
    assert!(!bench.client.is_alive(0, Kind::Auth));
    bench.arrive(&probe, &accept(&probe)).unwrap();
    bench.login();
    assert_eq!(bench.sent_one().socket.server, 0, "the first server is back");
}

#[test]
fn a_server_that_answers_others_is_not_dead() {
    let mut bench = Bench::new(2);
    bench.login();
    let ignored = bench.sent_one();
    for _ in 0..3 {
        bench.login();
        for request in bench.sent() {
            if request != ignored && request.socket.server == 0 {
                bench.arrive(&request, &accept(&request)).unwrap();
            }
        }
        bench.wait();
    }
    assert_eq!(bench.sent_one().socket.server, 1, "the ignored request moved on");
    assert!(bench.client.is_alive(0, Kind::Auth));
    assert_eq!(bench.client.stats().servers_lost, 0);
}

#[test]
fn a_stop_record_says_what_the_session_used_and_how_old_it_is() {
    let mut bench = Bench::new(1);
    let record = stop(bench.now);
    let token = bench.client.submit_accounting(bench.now, record).unwrap();
    let first = bench.sent_one();
    assert_eq!(first.to, address(0, 1813));
    let view = View::parse(&first.bytes).unwrap();
    assert_eq!(view.authenticator(), auth::accounting_authenticator(&first.bytes, &Secret::new(SECRET)));
    let expected = [
        (attr::ACCT_STATUS_TYPE, 2),
        (attr::ACCT_INPUT_OCTETS, 5),
        (attr::ACCT_INPUT_GIGAWORDS, 3),
        (attr::ACCT_OUTPUT_OCTETS, 6),
        (attr::ACCT_OUTPUT_GIGAWORDS, 0),
        (attr::ACCT_INPUT_PACKETS, 8),
        (attr::ACCT_OUTPUT_PACKETS, 9),
        (attr::ACCT_SESSION_TIME, 61),
        (attr::ACCT_TERMINATE_CAUSE, 4),
        (attr::ACCT_AUTHENTIC, 1),
        (attr::ACCT_DELAY_TIME, 0),
        (attr::NAS_PORT_TYPE, 19),
    ];
    for (attr, value) in expected {
        assert_eq!(integer(&first, attr), value, "{}", attr.place());
    }
    assert_eq!(view.get(attr::EVENT_TIMESTAMP), Some(Duration::from_secs(1_800_000_000)));
    assert_eq!(view.all(attr::CLASS), [&[1, 2][..], &[3]]);

    // The age grows, so identifier and authenticator change; the answer to either packet acknowledges the record.
    bench.wait();
    let second = bench.sent_one();
    assert!((1..=2).contains(&integer(&second, attr::ACCT_DELAY_TIME)));
    let view_of_second = View::parse(&second.bytes).unwrap();
    assert_eq!(view_of_second.get(attr::EVENT_TIMESTAMP), view.get(attr::EVENT_TIMESTAMP));
    assert_ne!(view_of_second.id(), view.id());
    bench.arrive(&first, &ack(&first)).unwrap();
    let event = bench.event().unwrap();
    assert!(event.token == token && matches!(event.outcome, Outcome::AccountingAck(_)));
    assert_eq!(bench.arrive(&second, &ack(&second)), Err(Refusal::UnknownId));
}

#[test]
fn every_kind_of_record_carries_what_rfc_2866_demands_of_it() {
    let mut bench = Bench::new(1);
    let Record::Stop(session, usage, cause) = stop(bench.now).record else { panic!() };
    let records = [
        (Record::On { session_id: "boot".into() }, 7),
        (Record::Off { session_id: "boot".into(), cause: TerminateCause::AdminReboot }, 8),
        (Record::Start(session.clone()), 1),
        (Record::Interim(session.clone(), usage), 3),
        (Record::Stop(session, usage, cause), 2),
    ];
    for (record, status) in records {
        bench.client.submit_accounting(bench.now, AccountingRequest::new(record, bench.now, nas())).unwrap();
        let sent = bench.sent_one();
        let numbers = numbers(&sent);
        let has = |number| numbers.contains(&number);
        assert_eq!(integer(&sent, attr::ACCT_STATUS_TYPE), status);
        assert!(has(attr::ACCT_SESSION_ID.number()) && has(attr::NAS_IDENTIFIER.number()), "{sent:?}");
        assert_eq!(has(attr::USER_NAME.number()), status <= 3, "{sent:?}");
        assert_eq!(has(attr::ACCT_INPUT_OCTETS.number()), matches!(status, 2 | 3), "{sent:?}");
        assert_eq!(has(attr::ACCT_TERMINATE_CAUSE.number()), matches!(status, 2 | 8), "{sent:?}");
        assert!(!has(attr::USER_PASSWORD.number()), "{sent:?}");
    }
}

#[test]
fn a_record_that_waited_in_a_spool_tells_its_age() {
    let mut bench = Bench::new(1);
    let record = stop(bench.now);
    bench.now = bench.now.plus(Duration::from_secs(600));
    bench.client.submit_accounting(bench.now, record).unwrap();
    assert_eq!(integer(&bench.sent_one(), attr::ACCT_DELAY_TIME), 600);
}

#[test]
fn more_than_256_requests_use_more_source_ports_and_more_than_the_bound_are_refused() {
    let mut bench = Bench::with(1, |config| config.max_outstanding = 600);
    for _ in 0..600 {
        bench.login();
    }
    assert_eq!(bench.client.submit_access(bench.now, login()), Err(SubmitError::Busy));
    let record = stop(bench.now);
    let booked = bench.client.submit_accounting(bench.now, record);
    assert!(booked.is_ok(), "a flood of logins must not cost an accounting record");
    let mut sent = bench.sent();
    let record = sent.pop().unwrap();
    bench.arrive(&record, &ack(&record)).unwrap();
    assert!(matches!(bench.event().unwrap().outcome, Outcome::AccountingAck(_)));
    let mut keys: Vec<_> = sent.iter().map(|t| (t.socket.index, t.bytes[1])).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((sent.len(), keys.len()), (600, 600));
    assert!(keys.iter().all(|(socket, _)| *socket < 3));
    // Answered in another order, each reaches its own login.
    for request in sent.iter().rev() {
        bench.arrive(request, &accept(request)).unwrap();
    }
    assert_eq!(bench.client.outstanding(), 0);
    assert_eq!(bench.client.submit_access(bench.now, login()), Err(SubmitError::Busy), "events are waiting");
    assert_eq!(std::iter::from_fn(|| bench.event()).count(), 600);
    bench.login();
    assert_eq!(bench.sent_one().socket.index, 0);

    let mut narrow = Bench::with(1, |config| config.max_sockets = 1);
    for _ in 0..256 {
        narrow.login();
    }
    assert_eq!(narrow.client.submit_access(narrow.now, login()), Err(SubmitError::Busy));
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_sent() {
    let mut bench = Bench::new(1);
    let mut long = login();
    long.user = "x".repeat(254);
    let too_long = SubmitError::Build(BuildError::ValueTooLong { attribute: attr::USER_NAME.number(), octets: 254 });
    assert_eq!(bench.client.submit_access(bench.now, long), Err(too_long));
    let mut nowhere = login();
    nowhere.nas.identifier.clear();
    assert_eq!(bench.client.submit_access(bench.now, nowhere), Err(SubmitError::Build(BuildError::NoNas)));
    let mut nobody = login();
    nobody.user.clear();
    assert_eq!(bench.client.submit_access(bench.now, nobody), Err(SubmitError::Build(BuildError::NoUser)));
    assert_eq!((bench.sent(), bench.client.outstanding(), bench.client.poll_timeout()), (vec![], 0, None));

    let mut only_auth = Bench::with(1, |config| config.servers[0].acct = None);
    let record = stop(only_auth.now);
    assert_eq!(only_auth.client.submit_accounting(only_auth.now, record), Err(SubmitError::NoServer));
    let server = Server::new(address(0, 1812), address(0, 1813), Secret::new(""));
    let empty = Client::new(Config::new(vec![server]), dice()).err();
    assert_eq!(empty, Some(ConfigError::EmptySecret { server: 0 }));
}

#[test]
fn chap_carries_the_challenge_it_answers_and_never_the_password() {
    let mut bench = Bench::new(1);
    let mut request = login();
    request.credential = Credential::chap(5, b"challenge 16 oct", b"wonderland");
    bench.client.submit_access(bench.now, request.clone()).unwrap();
    let sent = bench.sent_one();
    let view = View::parse(&sent.bytes).unwrap();
    let response = auth::chap_response(5, b"wonderland", b"challenge 16 oct");
    assert_eq!(view.get(attr::CHAP_PASSWORD).unwrap(), [&[5][..], &response].concat());
    assert_eq!(view.get(attr::CHAP_CHALLENGE).unwrap(), b"challenge 16 oct");
    assert_eq!(view.get(attr::USER_PASSWORD), None);
    for printed in [format!("{sent:?}"), format!("{request:?}"), format!("{:?}", login())] {
        assert!(printed.contains("alice") && !printed.contains("wonderland"), "{printed}");
    }
}

#[test]
fn random_datagrams_change_nothing() {
    let mut bench = Bench::new(1);
    bench.login();
    let request = bench.sent_one();
    let good = accept(&request);
    let mut dice = dice();
    for _ in 0..20_000 {
        let mut noise = [0; 8];
        dice(&mut noise);
        let mut forged = good.clone();
        let at = usize::from(u16::from_be_bytes([noise[0], noise[1]])) % forged.len();
        forged[at] ^= noise[2] | 1;
        forged.truncate(usize::from(noise[3]));
        assert!(bench.arrive(&request, &forged).is_err(), "{forged:02x?}");
    }
    assert_eq!((bench.event(), bench.client.outstanding()), (None, 1));
}
