//! The program on its machine.

use super::{key, or, repeated, section};
use crate::schema::Absent::{Is, Required};
use crate::schema::Kind::{
    Bool, Choice, Choices, Duration, File, HostAddress, Int, Octets, Path, Secret, SecretFile, WebAddress,
};
use crate::schema::Section;

pub(super) const SCRIPTS: Section = section(
    "scripts",
    "Programs of yours that are run when something happens, with what there is to know in CoovaChilli's environment variables. Each is started directly, without a shell, as the user of the gateway and with the gateway's rights; guests do not wait for it. It must belong to root or the gateway's user, be executable, and neither it nor a directory above it may be writable for others.",
    &[
        key(
            "session_up",
            Path { max: 4000 },
            or("none", "\"/etc/poblano/session-up\""),
            "Run after a guest has logged in (conup). It is online by then.",
        ),
        key(
            "session_down",
            Path { max: 4000 },
            or("none", "\"/etc/poblano/session-down\""),
            "Run after a session has ended (condown), with what it used and TERMINATE_CAUSE. Of sessions that go on over a restart neither is run again; of those that did not survive a crash this one is run at the next start.",
        ),
        key(
            "guest_up",
            Path { max: 4000 },
            or("none", "\"/etc/poblano/guest-up\""),
            "Run after a device has got an address (macup); not when it renews it.",
        ),
        key(
            "guest_down",
            Path { max: 4000 },
            or("none", "\"/etc/poblano/guest-down\""),
            "Run after a device's address is nobody's again (macdown).",
        ),
        key(
            "uplink_up",
            Path { max: 4000 },
            or("none", "\"/etc/poblano/uplink-up\""),
            "Run when one of several uplinks is used again, with UPLINK, UPLINK_INTERFACE, UPLINK_GATEWAY and, of those that are used now, UPLINKS_UP. Of zones the first one's is run.",
        ),
        key(
            "uplink_down",
            Path { max: 4000 },
            or("none", "\"/etc/poblano/uplink-down\""),
            "Run when one of several uplinks no longer works, with the same variables.",
        ),
        key(
            "up",
            Path { max: 4000 },
            or("none", "\"/etc/poblano/up\""),
            "Run at each start when the tun device is there (ipup), its name the only argument. Guests are served when it has ended, or after timeout. After a crash or a handover it is run without a down before.",
        ),
        key(
            "down",
            Path { max: 4000 },
            or("none", "\"/etc/poblano/down\""),
            "Run at an orderly stop before the device goes (ipdown), its name the only argument, when the other scripts have ended. Five seconds at most: the service manager waits.",
        ),
        key(
            "timeout",
            Duration { min: "1s", max: "10m", or_zero: false },
            Is("\"30s\""),
            "A script that still runs after so long is ended with all processes of its group: SIGTERM, and two seconds later SIGKILL.",
        ),
        key(
            "at_once",
            Int { min: 1, max: 256 },
            Is("16"),
            "So many run at one time, and of one guest always one after the other. Others wait, in at most 4 MB; when too many do, those that tell of a beginning are given up first, and the log says how many.",
        ),
    ],
);

pub(super) const STATE: Section = section(
    "state",
    "What outlives the process.",
    &[key(
        "directory",
        Path { max: 4000 },
        Is("\"/var/lib/poblano\""),
        "Leases, sessions, counters and accounts are kept here. Made with mode 0700 when it is not there. On a router, choose flash rather than RAM if guests are to keep their addresses over a reboot (a crash of the gateway alone forgets neither); 10000 leases take about 4 MB.",
    )],
);

pub(super) const CONTROL: Section = section(
    "control",
    "The socket of `poblano sessions`, `kick` and the other commands.",
    &[
        // sockaddr_un holds 108 octets on Linux and 104 on the BSDs, with the zero at the end.
        key(
            "socket",
            Path { max: 103 },
            Is("\"/var/run/poblano.sock\""),
            "The path of the socket. Only its owner, the user that runs the gateway, may use it.",
        ),
    ],
);

pub(super) const METRICS: Section = section(
    "metrics",
    "Numbers for monitoring, in the text format of Prometheus at /metrics. They name no guest. conf/grafana.json draws them.",
    &[
        key(
            "listen",
            HostAddress,
            or("none; nobody is answered", "\"127.0.0.1\""),
            "Our address at which monitoring reads. Whoever reaches it may read; guests do not. `poblano metrics` prints the same without it.",
        ),
        key("port", Int { min: 1, max: 65_535 }, Is("9377"), "The TCP port there."),
    ],
);

pub(super) const CONSOLE: Section = section(
    "console",
    "Guests and their sessions in an operator's browser, and the API under it for programs (/api/v1/openapi.json says what there is). `poblano operator add` makes operators.",
    &[
        key(
            "listen",
            HostAddress,
            or("none; there is no console", "\"127.0.0.1\""),
            "Our address at which operators are served. At 127.0.0.1 it is reached through ssh (ssh -L 9378:127.0.0.1:9378 ROUTER) or a web server that speaks https; another address wants [console.tls]. Guests do not reach it.",
        ),
        key("port", Int { min: 1, max: 65_535 }, Is("9378"), "The TCP port there."),
        key(
            "plain_http",
            Bool,
            Is("false"),
            "Serve another address than 127.0.0.1 without [console.tls]: whoever is on the way reads passwords and tokens.",
        ),
        key(
            "operators",
            Path { max: 4000 },
            or("operators in state.directory", "\"/etc/poblano/operators\""),
            "The file of operators, which `poblano operator` writes. Read again when it changes.",
        ),
    ],
);

pub(super) const CONSOLE_TLS: Section = section(
    "console.tls",
    "The console by https, and by nothing else. A certificate of one's own will do; the portal's files can be named here too.",
    &[
        key(
            "certificate_file",
            File,
            or("none; the console speaks http", "\"console.pem\""),
            "The certificate and those between it and an authority that the operators' browsers trust, in PEM. It is read again when it changes; while it and key_file do not fit together, what was read before stays.",
        ),
        key(
            "key_file",
            File,
            or("none; needed with certificate_file", "\"console.key\""),
            "Its private key, in PEM and not encrypted.",
        ),
    ],
);

pub(super) const WEBHOOK: Section = repeated(
    "webhook",
    "A web server that is told what happens to guests: a POST with a JSON object for each event, as the console's API has them, in their order. A server that is away is asked again until it answers; what is no longer remembered by then it does not hear of. An event may come twice, with the same number.",
    &[
        key(
            "url",
            WebAddress,
            Required { example: "\"https://crm.example.org/poblano\"" },
            "Where it is told. Of https the certificate is checked; a redirect is not followed.",
        ),
        key(
            "events",
            Choices(&[
                "lease",
                "left",
                "page",
                "login_accepted",
                "login_refused",
                "login_unanswered",
                "login_too_many",
                "device_refused",
                "session_began",
                "session_ended",
                "rogue",
                "operator",
            ]),
            Is("[\"session_began\", \"session_ended\"]"),
            "Of what it is told.",
        ),
        key(
            "secret",
            Secret,
            or("none; nothing is signed", "\"a long random text\""),
            "With it each body is signed: X-Poblano-Signature is sha256= and the HMAC-SHA-256 of the body in hexadecimal digits.",
        ),
        key(
            "secret_file",
            SecretFile,
            or("none", "\"webhook.secret\""),
            "A file with the secret in its first line, instead of secret.",
        ),
        key(
            "ca_file",
            File,
            or("the machine's own authorities", "\"crm-ca.pem\""),
            "Certificates (PEM) of the authorities that may vouch for the server.",
        ),
    ],
);

pub(super) const RETENTION: Section = section(
    "retention",
    "Who was online when, and by which public address and port, where the law wants it kept: lines of JSON in files of mode 0600. `poblano retention find` searches them. Keep no more than you must.",
    &[
        key(
            "keep",
            Choices(&["sessions", "mappings"]),
            or("nothing is kept", "[\"sessions\", \"mappings\"]"),
            "What is written down: sessions, when each began and ended, and its octets; mappings, which public address and port a guest's connections had, as the kernel's NAT tells (Linux). A mapping is two lines of 200 octets. A guest that makes more than 3,000 at once and then two a second has the rest not written down, and a line says so.",
        ),
        key(
            "directory",
            Path { max: 4000 },
            or("retention in state.directory", "\"/var/lib/poblano/retention\""),
            "Where the files are, a new one with each start, each day (UTC), and each sixteenth of its kind's share of max_size. Made with mode 0700 when it is not there.",
        ),
        key(
            "account",
            Choice(&["keep", "hash", "drop"]),
            Is("\"keep\""),
            "The account's name: as it is; as a keyed hash, by which sessions of one account are known as such and nothing else; or not at all. Of a name that is the device's MAC address no more is kept than mac says.",
        ),
        key("mac", Choice(&["keep", "hash", "drop"]), Is("\"keep\""), "The device's MAC address, in the same way."),
        key(
            "destinations",
            Choice(&["drop", "network", "keep"]),
            Is("\"drop\""),
            "Where guests' connections went: not at all, as RFC 6888 advises (section 4); the /24 of the address; or address and port. Without them, several guests may have had a public port at one time, each to somewhere else.",
        ),
        key(
            "age",
            Duration { min: "1h", max: "3650d", or_zero: false },
            Is("\"90d\""),
            "A file goes when its last line is as old. A file has the lines of a day, so the oldest are a day older.",
        ),
        key(
            "max_size",
            Octets,
            Is("\"1GB\""),
            "All files together, a quarter of it for sessions. Beyond it the oldest of its kind goes before its age, and the log says so; nobody is kept waiting or offline. If the disk is full what cannot be written is lost and counted, and the log and the files say so. \"0\" is no limit.",
        ),
    ],
);

pub(super) const LOG: Section = section(
    "log",
    "The log, on standard error.",
    &[
        key(
            "level",
            Choice(&["error", "warn", "info", "debug", "trace"]),
            Is("\"info\""),
            "The least important line that is written. From debug on, MAC addresses and names of guests are in it; trace has a line for every packet that is not simply forwarded.",
        ),
        key(
            "format",
            Choice(&["text", "json"]),
            Is("\"text\""),
            "Lines for people, or an object of JSON in each line for programs: timestamp, level, message, the zone if there are zones, and each field under its own name.",
        ),
    ],
);
