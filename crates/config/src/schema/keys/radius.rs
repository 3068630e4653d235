//! RADIUS servers, what they may ask, whom we serve, accounting.

use super::{key, or, repeated, section};
use crate::schema::Absent::{Is, Required};
use crate::schema::Kind::{
    Address, Bool, Choice, DenyOrAdmit, Duration, File, Fingerprint, HostAddress, HostNetwork, Int, Name, Octets,
    Secret, SecretFile, Text, WebAddress,
};
use crate::schema::Section;

pub(super) const RADIUS: Section = section(
    "radius",
    "The RADIUS client; used when auth.method has \"radius\".",
    &[
        key(
            "nas_identifier",
            Text { max: 253 },
            Is("\"poblano\""),
            "NAS-Identifier: how the servers know this gateway. Give each gateway its own.",
        ),
        key(
            "nas_ip",
            Address,
            or("the address from which the server is asked", "\"192.0.2.10\""),
            "NAS-IP-Address, for servers that look clients up by it.",
        ),
        key(
            "called_station_id",
            Text { max: 253 },
            or("the MAC address of lan.interface", "\"00-11-22-33-44-55:Guests\""),
            "Called-Station-Id, the portal's parameter called, and CALLED_STATION_ID of scripts: for servers that know places by it. Requests to change or end a session may name it, or the MAC address.",
        ),
        key(
            "nas_port_type",
            Int { min: 0, max: 65_535 },
            Is("19"),
            "NAS-Port-Type of guests (RFC 2865, 5.41): 19 is Wireless-802.11, 15 Ethernet. What the gateway asks for itself has Virtual.",
        ),
        key(
            "method",
            Choice(&["pap", "chap", "mschapv2"]),
            Is("\"pap\""),
            "How a guest's password travels. pap hides it with the secret and works with every server; chap sends a digest, but the server must hold the password in clear text. With mschapv2 the server, which may hold the NT hash only, must prove that it knows the password, or nobody gets online.",
        ),
        key(
            "timeout",
            Duration { min: "1s", max: "30s", or_zero: false },
            Is("\"2s\""),
            "A request without an answer is sent again after so long, the next time after twice as long (RFC 5080, 2.2.1).",
        ),
        key(
            "tries",
            Int { min: 1, max: 10 },
            Is("2"),
            "Transmissions to one server before the next is asked. With the defaults a guest waits 6 seconds for each silent server, and nobody waits for it again within dead_time.",
        ),
        key(
            "dead_time",
            Duration { min: "1s", max: "1h", or_zero: true },
            Is("\"1m\""),
            "A server that did not answer is asked last for so long. \"0\" always asks in the order of the file.",
        ),
        key(
            "unknown_policy",
            Choice(&["refuse", "ignore"]),
            Is("\"refuse\""),
            "What becomes of a guest whose Access-Accept names a Filter-Id that no [[policy]] has. The server meant a limit that we do not know: refuse lets nobody online without it; ignore is for servers that send the filters of other equipment to everybody. The log says which name it was.",
        ),
        key(
            "unreachable",
            DenyOrAdmit { min: "1m", max: "1d" },
            Is("\"deny\""),
            "What becomes of a login when all servers are silent. \"admit 30m\" lets anybody in for that time, with any name and password and the limits of [session], and accounts it as Local; never after a refusal, nor after an answer that cannot be believed. Whoever can cut this gateway off from its servers then opens it for everybody. A server that stays silent to some names, as those of a dead home server, lets guests in by such a name when it has answered nobody else for a minute; with status_server = true it must be silent to Status-Server too.",
        ),
    ],
);

pub(super) const RADIUS_SERVER: Section = repeated(
    "radius.server",
    "A RADIUS server; the first is asked first, the others when it does not answer, and the first again as soon as it does. At most 8.",
    &[
        key(
            "address",
            HostAddress,
            or("none; needed but with http", "\"192.0.2.20\""),
            "Where the server is. It must not be in the guests' network.",
        ),
        key(
            "transport",
            Choice(&["udp", "tls", "http"]),
            Is("\"udp\""),
            "How packets travel. udp hides passwords with MD5 and leaves names and records readable; tls (RadSec, RFC 6614) proves both ends by certificates and hides everything: the right choice wherever others carry the packets. With http there are none: a web page is asked, as by CoovaChilli's uamaaaurl, and answers in lines of text.",
        ),
        key(
            "url",
            WebAddress,
            or("none; needed with http", "\"https://billing.example.org/aaa\""),
            "The page that is asked with transport = \"http\", by GET with all of a request in the address. Of https the certificate is checked; with http everybody on the way reads passwords. A name is looked up by the machine's own resolvers.",
        ),
        key("auth_port", Int { min: 1, max: 65_535 }, Is("1812"), "The UDP port for authentication (RFC 2865)."),
        key("acct_port", Int { min: 1, max: 65_535 }, Is("1813"), "The UDP port for accounting (RFC 2866)."),
        key(
            "secret",
            Secret,
            or("none; give this or secret_file", "\"a long random text\""),
            "The secret shared with this server. Who has it can forge logins and read passwords: at least 16 random octets (RFC 2865, 3). With http the addresses are signed with it (md, CoovaChilli's uamsecret), and it can be left out.",
        ),
        key(
            "secret_file",
            SecretFile,
            or("none; give this or secret", "\"radius.secret\""),
            "A file that holds the secret in its first line, so that the configuration can be shown around. Make it readable for the gateway only.",
        ),
        key(
            "require_message_authenticator",
            Bool,
            Is("true"),
            "Answers without a Message-Authenticator are dropped. With false an attacker between gateway and server can turn a refusal into a login (CVE-2024-3596); only for servers that cannot be updated.",
        ),
        key(
            "tls_port",
            Int { min: 1, max: 65_535 },
            Is("2083"),
            "The TCP port of a server with transport = \"tls\", for both.",
        ),
        key(
            "ca_file",
            File,
            or("none; needed with tls. With https, the machine's own authorities", "\"radsec-ca.pem\""),
            "Certificates (PEM) of the authorities that may vouch for the server. They should be the operator's own: whoever any of them certifies under the server's name is the server. All files of TLS are read again for each new connection.",
        ),
        key(
            "certificate_file",
            File,
            or("none; needed with tls", "\"gateway.pem\""),
            "The certificate (PEM) by which the server knows this gateway, with those between it and the server's authority.",
        ),
        key(
            "key_file",
            File,
            or("none; needed with tls", "\"gateway.key\""),
            "The private key of certificate_file (PEM, not encrypted). Make it readable for the gateway only.",
        ),
        key(
            "server_name",
            Name,
            or("the server's address", "\"radius.example.org\""),
            "What the server's certificate must have as its subjectAltName: this DNS name, or else the address.",
        ),
        key(
            "fingerprint",
            Fingerprint,
            or("none", "\"5f8e2c0f3a1b4d6e7f9081a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6\""),
            "The SHA-256 of the server's certificate, which must then be this very one, beside all else (openssl x509 -noout -fingerprint -sha256).",
        ),
        key(
            "version",
            Choice(&["auto", "1.0", "1.1"]),
            Is("\"auto\""),
            "The protocol inside TLS. auto offers RADIUS/1.1 (RFC 9765), which needs no MD5, and takes 1.0 if the server does not know it; 1.1 takes nothing else.",
        ),
        key(
            "dynamic_authorization",
            Bool,
            Is("false"),
            "The server may end and change sessions (Disconnect and CoA, RFC 5176) down the connection that this gateway has to it, so it reaches one behind NAT too. With tls only; radius.dynamic_authorization is for requests over UDP.",
        ),
        key(
            "priority",
            Int { min: 1, max: 255 },
            or("the server's place in the file", "1"),
            "Servers with a lower number are asked first. Those with the same number share the logins: each session has one of them for its login and its accounting.",
        ),
        key(
            "status_server",
            Bool,
            or("true with tls, where it tells that a silent connection is alive; false with udp", "true"),
            "The server answers Status-Server (RFC 5997; FreeRADIUS: status_server = yes). It is then asked whether it is back once in dead_time; otherwise a guest's login finds out. A server that never answers is treated as without.",
        ),
    ],
);

pub(super) const RADIUS_DYNAMIC_AUTHORIZATION: Section = section(
    "radius.dynamic_authorization",
    "Requests of servers to end a session or to change what it may (Disconnect and CoA, RFC 5176). Nothing listens until there is a client.",
    &[
        key(
            "listen",
            HostAddress,
            Is("\"0.0.0.0\""),
            "The address to which requests are sent; \"0.0.0.0\" is every one of the machine, \"::\" also for IPv6. Name it if the machine has several, for answers must come from it. Guests do not reach it, wherever it is.",
        ),
        key("port", Int { min: 1, max: 65_535 }, Is("3799"), "The UDP port."),
    ],
);

pub(super) const RADIUS_DYNAMIC_AUTHORIZATION_CLIENT: Section = repeated(
    "radius.dynamic_authorization.client",
    "Who may send such requests, in most cases the RADIUS server. At most 16.",
    &[
        key(
            "address",
            HostNetwork,
            Required { example: "\"192.0.2.20\"" },
            "Where the requests come from, such as \"192.0.2.20\" or \"192.0.2.16/28\". Others get no answer.",
        ),
        key(
            "secret",
            Secret,
            or("none; give this or secret_file", "\"a long random text\""),
            "The secret shared with this client. Who has it can log guests out and give them any rate: at least 16 random octets.",
        ),
        key(
            "secret_file",
            SecretFile,
            or("none; give this or secret", "\"coa.secret\""),
            "A file that holds the secret in its first line. Make it readable for the gateway only.",
        ),
        key(
            "require_message_authenticator",
            Bool,
            Is("true"),
            "Requests without a Message-Authenticator are dropped. Only for clients that cannot be made to send one (radclient does if it is told Message-Authenticator = 0x00).",
        ),
        key(
            "window",
            Duration { min: "10s", max: "1h", or_zero: true },
            Is("\"5m\""),
            "How far the Event-Timestamp of a request may be off from our clock, so that nobody sends an old one again. \"0\" does not look at it: for a machine whose clock nobody sets. Within twice this time a copy of a request gets the same answer, and nothing is done again. A request from before the gateway's start is dropped: so are new ones, for a while after each start, of a client whose clock is behind.",
        ),
        key(
            "require_event_timestamp",
            Bool,
            Is("true"),
            "Requests without an Event-Timestamp are dropped. With false whoever records one can have it obeyed again later.",
        ),
    ],
);

pub(super) const RADIUS_ADMINISTRATIVE: Section = section(
    "radius.administrative",
    "The gateway's own session at the RADIUS servers (Service-Type Administrative-User): what the Accept says in ChilliSpot-Config goes over this file, without a restart, until another answer says otherwise. Of CoovaChilli's options these are taken, as option=value: uamallowed, uamdomain, macallowed, macallowlocal, defsessiontimeout, defidletimeout, definteriminterval, defbandwidthmaxup, defbandwidthmaxdown. All others are refused and named in the log. There is no session without a user.",
    &[
        key(
            "user",
            Text { max: 253 },
            or("none", "\"gateway-7\""),
            "The User-Name of the gateway itself. Let the server accept it for this Service-Type only.",
        ),
        key(
            "secret",
            Secret,
            or("none; give this or secret_file", "\"a long random text\""),
            "Its password, which travels as radius.method says.",
        ),
        key(
            "secret_file",
            SecretFile,
            or("none; give this or secret", "\"administrative.secret\""),
            "A file that holds the password in its first line. Make it readable for the gateway only.",
        ),
        key(
            "interval",
            Duration { min: "1m", max: "7d", or_zero: false },
            Is("\"1h\""),
            "The servers are asked again after so long, or after the Session-Timeout of the Accept if that is less, but not within a minute.",
        ),
    ],
);

pub(super) const RADIUS_PROXY: Section = section(
    "radius.proxy",
    "Access points ask the RADIUS servers through us (WPA-Enterprise), and who is accepted is online without the portal. Nothing listens until there is a client.",
    &[
        key(
            "listen",
            HostAddress,
            Is("\"0.0.0.0\""),
            "The address to which access points send; \"0.0.0.0\" is every one of the machine, \"::\" also for IPv6. Name it if the machine has several, for answers must come from it. Guests do not reach it, and neither does an access point whose own address is on the guests' LAN: give it one on another network of this machine, such as one for management.",
        ),
        key("port", Int { min: 1, max: 65_535 }, Is("1812"), "The UDP port for authentication (RFC 2865)."),
        key(
            "accounting_port",
            Int { min: 1, max: 65_535 },
            Is("1813"),
            "The UDP port for accounting (RFC 2866). Records of access points are acknowledged and go no further, for octets are counted here; a Stop ends the device's session.",
        ),
    ],
);

pub(super) const RADIUS_PROXY_CLIENT: Section = repeated(
    "radius.proxy.client",
    "An access point, or its controller. At most 64.",
    &[
        key(
            "address",
            HostNetwork,
            Required { example: "\"192.0.2.40\"" },
            "Where its requests come from, such as \"192.0.2.40\" or \"192.0.2.32/28\". Others get no answer.",
        ),
        key(
            "secret",
            Secret,
            or("none; give this or secret_file", "\"a long random text\""),
            "The secret shared with it. Who has it can name any device as one that has joined, if a RADIUS server accepts it: at least 16 random octets, for each access point its own.",
        ),
        key(
            "secret_file",
            SecretFile,
            or("none; give this or secret", "\"ap.secret\""),
            "A file that holds the secret in its first line. Make it readable for the gateway only.",
        ),
        key(
            "require_message_authenticator",
            Bool,
            Is("true"),
            "Access-Requests without a Message-Authenticator are dropped. With false only those with EAP are, which always have one: for access points that also ask about MAC addresses or passwords and cannot be updated.",
        ),
        key(
            "vlan",
            Int { min: 0, max: 4094 },
            or("the VLAN that an Access-Accept names, else 0", "20"),
            "The VLAN on which the gateway sees the devices that join here, 0 is untagged; an accepted device is let in there and nowhere else. A device is known by its MAC address, so keep an open network out of this VLAN: there anybody can use the address of one that has joined.",
        ),
    ],
);

pub(super) const ACCOUNTING: Section = section(
    "accounting",
    "Records of what guests used, for the servers of [radius]. Each is in a file (accounting.log in state.directory) until a server has taken it, over outages and crashes.",
    &[
        key(
            "direction",
            Choice(&["rfc2866", "chilli"]),
            Is("\"rfc2866\""),
            "What Acct-Input-Octets counts. rfc2866: what the guest sent. chilli: what it received, as CoovaChilli has it without swapoctets; for those who bill on that. Output, packets and gigawords are the other way round then too, and so are ChilliSpot-Max-Input-Octets and Max-Output-Octets of the servers.",
        ),
        key(
            "spool_size",
            Octets,
            or("\"16MB\", or 2 kB for each of guests.max if that is more", "\"64MB\""),
            "What records that wait for a server may take on the disk, from \"1MB\". 1 MB holds about 1000 records, in up to 1 MB of memory. When there is no room the oldest interim records are lost, whose sessions have later ones, then the oldest others; the log says which.",
        ),
        key(
            "spool_age",
            Duration { min: "1h", max: "365d", or_zero: false },
            Is("\"30d\""),
            "A record that no server has taken after so long is given up, and the log says so.",
        ),
        key(
            "answers_change",
            Bool,
            Is("false"),
            "Limits in the answer to a record change the session that it is about, as a CoA-Request would: what it names, and nothing else. For servers that send CoovaChilli's acctupdate what is left of a quota.",
        ),
    ],
);
