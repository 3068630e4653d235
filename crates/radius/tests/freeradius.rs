//! The client against a real FreeRADIUS (Debian: package `freeradius`) on loopback.
//!
//! Without that program the test says so and passes; with `POBLANO_REQUIRE_PEERS=1` in the environment it fails.
#![allow(clippy::disallowed_methods, reason = "the real peer needs real sockets and clocks")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use radius::client::Dice;
use radius::mschap::{Failure, Response, failure};
use radius::request::{Authentic, Record, SessionFacts};
use radius::value::Tag;
use radius::{
    AccessRequest, AccountingRequest, Client, Config, Credential, GuestFacts, NasFacts, Outcome, Refusal, Reply,
    Secret, Server, Socket, TerminateCause, Usage, attr,
};
use wire::{MacAddr, Now};

const PROGRAM: &str = "/usr/sbin/freeradius";
const SECRET: &str = "not-testing123";

#[test]
fn a_real_server_authenticates_and_accounts() {
    if !Path::new(PROGRAM).exists() {
        assert!(
            std::env::var_os("POBLANO_REQUIRE_PEERS").is_none_or(|value| value != "1"),
            "{PROGRAM} is missing; install freeradius"
        );
        eprintln!("SKIPPED: {PROGRAM} is missing; nothing was tested against a real server");
        return;
    }
    let server = FreeRadius::start();
    let mut nas = Nas::new(&server, SECRET, true);

    let accept = nas.accepted("alice", Credential::Pap(b"wonderland".to_vec()));
    assert_eq!(accept.session_timeout(), Some(Duration::from_secs(3600)));
    assert_eq!(accept.idle_timeout(), Some(Duration::from_secs(600)));
    assert_eq!(accept.interim_interval(), Some(Duration::from_secs(60)));
    assert_eq!(accept.classes(), [b"gold".to_vec(), vec![0, 0xff, 1]]);
    assert_eq!(accept.reply_message().as_deref(), Some("Welcome, Alice. Mind the rabbit hole."));
    assert_eq!((accept.max_up_bits_per_sec(), accept.max_down_bits_per_sec()), (Some(2_000_000), Some(8_000_000)));
    assert_eq!(accept.get(attr::wispr::REDIRECTION_URL).as_deref(), Some("http://example.net/welcome"));
    assert_eq!(accept.max_total_octets(), Some(1_000_000_000));
    assert_eq!(accept.get(attr::CHARGEABLE_USER_IDENTITY).as_deref(), Some(&b"cui-alice"[..]));
    assert!(!accept.asks_again_at_end());

    let chap = |password: &[u8]| Credential::chap(77, b"sixteen octets!!", password);
    nas.accepted("alice", chap(b"wonderland"));
    let mschap = |user, password| Response::new(9, *b"sixteen octets!!", *b"and of the peer.", user, password);
    let proves = |accept: &Reply, user, password| {
        let success = accept.get(attr::microsoft::MS_CHAP2_SUCCESS);
        success.is_some_and(|success| mschap(user, password).is_proven_by(&success, user, password))
    };
    let proven = nas.accepted("alice", Credential::MsChapV2(mschap("alice", "wonderland")));
    assert!(proves(&proven, "alice", "wonderland") && !proves(&proven, "alice", "looking glass"));
    let trusting = nas.accepted("trusting", Credential::MsChapV2(mschap("trusting", "x")));
    assert!(!proves(&trusting, "trusting", "x"), "a server that checks nothing can prove nothing");
    let Outcome::Reject(reply) = nas.login("alice", Credential::MsChapV2(mschap("alice", "looking glass"))) else {
        panic!("a wrong password was not rejected")
    };
    let failure = Failure::parse(&reply.get(attr::microsoft::MS_CHAP_ERROR).expect("an error")).expect("a code");
    assert_eq!((failure.ident, failure.code), (9, failure::AUTHENTICATION_FAILURE));
    assert!(failure.challenge.is_some() && failure.version == Some(3), "{failure:?}");

    let bob = nas.accepted("bob", Credential::Pap(b"builder".to_vec()));
    let of_request = nas.last_authenticator;
    let tag = |tag| Tag::new(tag).expect("a tag");
    assert!(!bob.has_invalid_length());
    assert_eq!(bob.get(attr::TUNNEL_TYPE), Some((tag(1), attr::value::tunnel_type::VLAN)));
    assert_eq!(bob.get(attr::TUNNEL_PRIVATE_GROUP_ID), Some((tag(1), "20".to_owned())));
    let (of, password) = bob.get(attr::TUNNEL_PASSWORD).expect("a password");
    assert_eq!(of, tag(2));
    assert_eq!(password.reveal(&Secret::new(SECRET), &of_request), Some(b"tunnel of bob".to_vec()));
    let key = bob.get(attr::microsoft::MS_MPPE_SEND_KEY).expect("a key").reveal(&Secret::new(SECRET), &of_request);
    assert_eq!(key, Some((0..32).collect()));
    let prefix = bob.get(attr::FRAMED_IPV6_PREFIX).expect("a prefix");
    assert_eq!((prefix.address().to_string(), prefix.length()), ("2001:db8:20::".to_owned(), 48));
    assert_eq!(bob.get(attr::FRAMED_INTERFACE_ID), Some([0, 0, 0, 0, 0, 0, 0, 7]));
    assert_eq!(bob.get(attr::FRAMED_IPV6_ADDRESS), "2001:db8::7".parse().ok());
    let ports = (bob.get(attr::IP_PORT_RANGE_RANGE_START), bob.get(attr::IP_PORT_RANGE_RANGE_END));
    assert_eq!(ports, (Some(1024), Some(2047)));
    assert_eq!(bob.get(attr::mikrotik::RATE_LIMIT).as_deref(), Some("2M/8M"));
    let long_password = Credential::Pap(b"a password of more than sixteen octets".to_vec());
    for (user, credential, message) in [
        ("alice", Credential::Pap(b"looking glass".to_vec()), "Name or password is wrong."),
        ("alice", chap(b"looking glass"), "Name or password is wrong."),
        ("nobody", long_password, "Name or password is wrong."),
        ("carol", Credential::Pap(b"x".to_vec()), "Your account is closed."),
    ] {
        let Outcome::Reject(reply) = nas.login(user, credential) else { panic!("{user} was not rejected") };
        assert_eq!(reply.reply_message().as_deref(), Some(message), "{user}");
    }

    let unsigned = || Credential::Pap(b"unsigned".to_vec());
    assert_eq!(nas.login("unsigned", unsigned()), Outcome::Unproven);
    assert_eq!(nas.refusals.pop(), Some(Refusal::MissingMessageAuthenticator));
    Nas::new(&server, SECRET, false).accepted("unsigned", unsigned());
    assert_eq!(
        Nas::new(&server, "another secret", true).login("bob", Credential::Pap(b"builder".to_vec())),
        Outcome::Unreachable,
        "a server must not answer a request whose Message-Authenticator is of another secret"
    );

    let session = SessionFacts {
        user: "alice".into(),
        guest: guest(),
        classes: accept.classes(),
        cui: accept.get(attr::CHARGEABLE_USER_IDENTITY),
        authentic: Authentic::Radius,
    };
    let usage = |gigawords: u64, secs| Usage {
        input_octets: (gigawords << 32) + 1001,
        output_octets: (gigawords << 33) + 2002,
        input_packets: 11,
        output_packets: 22,
        session_time: Duration::from_secs(secs),
    };
    nas.account(Record::On { session_id: "boot-1".into() });
    nas.account(Record::Start(session.clone()));
    nas.account(Record::Interim(session.clone(), usage(0, 60)));
    nas.account(Record::Stop(session, usage(3, 3600), TerminateCause::SessionTimeout));
    nas.account(Record::Off { session_id: "boot-1".into(), cause: TerminateCause::AdminReboot });

    let detail = server.detail();
    let kinds: Vec<_> = detail.iter().map(|record| record["Acct-Status-Type"].as_str()).collect();
    assert_eq!(kinds, ["Accounting-On", "Start", "Interim-Update", "Stop", "Accounting-Off"]);
    let [_, start, interim, stop, _] = detail.as_slice() else { panic!("{detail:?}") };
    for record in [start, interim, stop] {
        let expected = [
            ("User-Name", "\"alice\""),
            ("Acct-Session-Id", "\"5e55-10\""),
            ("Calling-Station-Id", "\"02-00-5E-10-00-01\""),
            ("Framed-IP-Address", "10.1.0.2"),
            ("NAS-Identifier", "\"gateway\""),
            ("NAS-Port-Type", "Wireless-802.11"),
            ("NAS-Port-Id", "\"eth1\""),
            ("Class", "0x676f6c64 0x00ff01"),
            ("Acct-Authentic", "RADIUS"),
            ("Acct-Delay-Time", "0"),
        ];
        for (name, value) in expected {
            assert_eq!(record.get(name).map(String::as_str), Some(value), "{name} in {record:?}");
        }
    }
    let expect = |record: &HashMap<String, String>, expected: &[(&str, &str)]| {
        for (name, value) in expected {
            assert_eq!(record.get(*name).map(String::as_str), Some(*value), "{name} in {record:?}");
        }
    };
    expect(
        interim,
        &[
            ("Acct-Input-Octets", "1001"),
            ("Acct-Output-Octets", "2002"),
            ("Acct-Input-Gigawords", "0"),
            ("Acct-Session-Time", "60"),
        ],
    );
    expect(
        stop,
        &[
            ("Acct-Input-Octets", "1001"),
            ("Acct-Input-Gigawords", "3"),
            ("Acct-Output-Octets", "2002"),
            ("Acct-Output-Gigawords", "6"),
            ("Acct-Input-Packets", "11"),
            ("Acct-Output-Packets", "22"),
            ("Acct-Session-Time", "3600"),
            ("Acct-Terminate-Cause", "Session-Timeout"),
        ],
    );
}

fn guest() -> GuestFacts {
    GuestFacts {
        mac: MacAddr([2, 0, 0x5e, 0x10, 0, 1]),
        framed_ip: Some(Ipv4Addr::new(10, 1, 0, 2)),
        session_id: "5e55-10".into(),
        port: Some(1),
        port_id: "eth1".into(),
    }
}

/// A running server; killed when dropped.
struct FreeRadius {
    child: Child,
    dir: PathBuf,
    auth: SocketAddr,
    acct: SocketAddr,
    /// What it prints, shown if it fails.
    log: Receiver<String>,
}

impl FreeRadius {
    fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("poblano-freeradius-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        // Two ports that are free now. The server binds them a moment later.
        let free: Vec<_> = (0..2).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        let [auth, acct] = [&free[0], &free[1]].map(|socket| socket.local_addr().unwrap());
        drop(free);
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/freeradius");
        for name in ["radiusd.conf", "clients.conf", "users"] {
            let text = fs::read_to_string(templates.join(name)).unwrap();
            let text = [
                ("@DIR@", dir.to_str().unwrap()),
                ("@ADDRESS@", "127.0.0.1"),
                ("@AUTH_PORT@", &auth.port().to_string()),
                ("@ACCT_PORT@", &acct.port().to_string()),
                ("@NAS@", "127.0.0.1"),
                ("@SECRET@", SECRET),
            ]
            .iter()
            .fold(text, |text, (placeholder, value)| text.replace(placeholder, value));
            fs::write(dir.join(name), text).unwrap();
        }
        let mut child = Command::new(PROGRAM)
            .args(["-f", "-X", "-d"])
            .arg(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (lines, log) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let server = Self { child, dir, auth, acct, log };
        let mut seen = Vec::new();
        loop {
            match server.log.recv_timeout(Duration::from_secs(30)) {
                Ok(line) if line.contains("Ready to process requests") => return server,
                Ok(line) => seen.push(line),
                Err(error) => panic!("freeradius does not start ({error}):\n{}", seen.join("\n")),
            }
        }
    }

    /// Accounting records so far; attributes that come more than once are joined by a space.
    fn detail(&self) -> Vec<HashMap<String, String>> {
        let text = fs::read_to_string(self.dir.join("detail")).unwrap();
        let records = text.split("\n\n").filter(|record| !record.trim().is_empty());
        records
            .map(|record| {
                let mut attributes = HashMap::<String, String>::new();
                for (name, value) in record.lines().filter_map(|line| line.trim().split_once(" = ")) {
                    attributes
                        .entry(name.to_owned())
                        .and_modify(|all| *all = format!("{all} {value}"))
                        .or_insert_with(|| value.to_owned());
                }
                attributes
            })
            .collect()
    }
}

impl Drop for FreeRadius {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log: Vec<_> = self.log.try_iter().collect();
            eprintln!("freeradius said:\n{}", log.join("\n"));
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The client with real sockets and clocks.
struct Nas {
    client: Client,
    sockets: HashMap<Socket, UdpSocket>,
    refusals: Vec<Refusal>,
    last_authenticator: [u8; 16],
    started: Instant,
}

impl Nas {
    fn new(server: &FreeRadius, secret: &str, require_message_authenticator: bool) -> Self {
        let server =
            Server { require_message_authenticator, ..Server::new(server.auth, server.acct, Secret::new(secret)) };
        let mut config = Config::new(vec![server]);
        config.first_wait = Duration::from_millis(500);
        config.tries = 2;
        let client = Client::new(config, dice()).unwrap();
        Self {
            client,
            sockets: HashMap::new(),
            refusals: Vec::new(),
            last_authenticator: [0; 16],
            started: Instant::now(),
        }
    }

    fn accepted(&mut self, user: &str, credential: Credential) -> Reply {
        match self.login(user, credential) {
            Outcome::Accept(reply) => reply,
            other => panic!("{user} was not accepted: {other:?}, {:?}", self.refusals),
        }
    }

    fn login(&mut self, user: &str, credential: Credential) -> Outcome {
        let request = AccessRequest::new(user, credential, nas(), guest());
        self.client.submit_access(self.now(), request).unwrap();
        self.run()
    }

    fn account(&mut self, record: Record) {
        let now = self.now();
        self.client.submit_accounting(now, AccountingRequest::new(record, now, nas())).unwrap();
        let outcome = self.run();
        assert!(matches!(outcome, Outcome::AccountingAck(_)), "{outcome:?}, {:?}", self.refusals);
    }

    /// Moves datagrams until the request has ended.
    fn run(&mut self) -> Outcome {
        let mut last = None;
        loop {
            while let Some(transmit) = self.client.poll_transmit() {
                last = Some(transmit.socket);
                self.last_authenticator.copy_from_slice(&transmit.bytes[4..20]);
                let socket = self
                    .sockets
                    .entry(transmit.socket)
                    .or_insert_with(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
                socket.send_to(&transmit.bytes, transmit.to).unwrap();
            }
            if let Some(event) = self.client.poll_event() {
                return event.outcome;
            }
            let key = last.expect("a request was sent");
            let due = self.client.poll_timeout().expect("a request is in flight");
            let wait = due.saturating_sub(self.now().mono).max(Duration::from_millis(1));
            let mut buffer = [0; 4096];
            // One request at a time, so its answer comes to the socket that it left from.
            let socket = &self.sockets[&key];
            socket.set_read_timeout(Some(wait)).unwrap();
            match socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    let now = self.now();
                    self.refusals.extend(self.client.handle_datagram(now, key, from, &buffer[..length]).err());
                }
                Err(_) => {
                    let now = self.now();
                    self.client.handle_timeout(now);
                }
            }
        }
    }

    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Now { mono: self.started.elapsed(), unix }
    }
}

fn nas() -> NasFacts {
    NasFacts {
        identifier: "gateway".into(),
        ip: Some(Ipv4Addr::LOCALHOST),
        called_station_id: "02-00-5E-00-00-01:hotspot".into(),
        ..NasFacts::default()
    }
}

fn dice() -> Dice {
    use std::io::Read;
    let mut random = fs::File::open("/dev/urandom").unwrap();
    Box::new(move |out| random.read_exact(out).unwrap())
}
