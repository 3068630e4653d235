use super::Absent::{Is, Required, Rule};
use super::Kind::{
    Address, Addresses, Bool, Choice, Choices, DenyOrAdmit, DhcpOptions, Duration, File, Fingerprint, GardenDomains,
    GardenEntries, HostAddress, HostNetwork, Int, Interface, InterfaceAddress, Mac, Macs, Name, Network, Octets,
    Origins, Path, Rate, Secret, SecretFile, Text, WebAddress,
};
use super::{Absent, Key, Kind, Section};

/// What the key is when it is absent, in words.
const fn or(rule: &'static str, example: &'static str) -> Absent {
    Rule { rule, example }
}

const fn key(name: &'static str, kind: Kind, absent: Absent, doc: &'static str) -> Key {
    Key { name, kind, absent, doc }
}

const fn section(name: &'static str, doc: &'static str, keys: &'static [Key]) -> Section {
    Section { name, repeated: false, doc, keys }
}

const fn repeated(name: &'static str, doc: &'static str, keys: &'static [Key]) -> Section {
    Section { name, repeated: true, doc, keys }
}

/// Every section, in the order of the sample file.
pub const SECTIONS: &[Section] = &[
    section(
        "lan",
        "The side of the guests. The kernel is shut out of this interface; only the gateway uses it.",
        &[
            key(
                "interface",
                Interface,
                or("none; give it here or with --lan", "\"eth1\""),
                "The interface that guests are on: an access point's bridge, a switch port, a VLAN. Give it no address; whatever else uses it is cut off.",
            ),
            key(
                "network",
                Network,
                Is("\"10.85.0.0/20\""),
                "The guests' network. It bounds how many guests there can be; it must not be a network that is reached through the uplink. Guests never reach each other through the gateway; isolation inside one radio cell or switch is the access point's or switch's own setting, and dhcp.host_routes helps with it.",
            ),
            key(
                "gateway",
                Address,
                or("the first address of the network", "\"10.85.0.1\""),
                "Our address in that network: the guests' router, DNS server and portal.",
            ),
        ],
    ),
    section(
        "uplink",
        "The side of the Internet.",
        &[
            key(
                "interface",
                Interface,
                or("the interface of the default route", "\"eth0\""),
                "The interface to the Internet. --uplink says it over the file.",
            ),
            key(
                "address",
                InterfaceAddress,
                or("none; the interface keeps the addresses that it has", "\"192.0.2.10/24\""),
                "A static address that is given to the uplink at start and taken back at stop. A /32, as rented servers have it, is fine.",
            ),
            key(
                "gateway",
                Address,
                or("none; the routes that exist are used", "\"192.0.2.1\""),
                "A static default gateway. It may lie outside the address's network; a host route to it is made first. Needs address.",
            ),
            key(
                "masquerade",
                Bool,
                Is("true"),
                "Guests' packets leave with the uplink's own address (NAT). With false the routers beyond must know the way to the guests' network, or guests get no answers.",
            ),
        ],
    ),
    section(
        "tun",
        "The device through which guests' packets enter the kernel's routing.",
        &[
            key(
                "name",
                Interface,
                Is("\"poblano0\""),
                "The name of the device. It is made at start and must not exist before.",
            ),
            key(
                "mode",
                Choice(&["tun", "tap"]),
                Is("\"tun\""),
                "tun carries IP packets and is faster; tap carries Ethernet frames, for bridges and for tools that want them.",
            ),
            key(
                "mtu",
                Int { min: 576, max: 9216 },
                or("that of the LAN interface", "1500"),
                "Octets of the largest packet. Smaller than the LAN's costs guests fragmentation or a round of path MTU discovery.",
            ),
        ],
    ),
    section(
        "offload",
        "Linux forwards packets of guests who are online by itself, with the same checks, limits and counts.",
        &[key(
            "mode",
            Choice(&["auto", "on", "off"]),
            Is("\"auto\""),
            "auto uses it where the kernel can (5.15 or later, 64 bits, tun.mode = tun) and says why where it cannot; on refuses to start there; off carries all packets in this program. `poblano offload` switches it under traffic.",
        )],
    ),
    section(
        "guests",
        "Bounds on guests.",
        &[key(
            "max",
            Int { min: 1, max: 1_048_576 },
            or("one for each address of the pool and each host, at most 65536", "1000"),
            "Devices that are known at one time. One more gets no lease until another one's has ended; guests with a session are never displaced. Worst case about 1 kB of memory each: 10000 are 10 MB.",
        )],
    ),
    section(
        "dhcp",
        "Addresses for guests.",
        &[
            key(
                "first",
                Address,
                or("the first address of the network", "\"10.85.0.10\""),
                "The first address of the pool. The gateway's own and those of [[dhcp.host]] are left out by themselves.",
            ),
            key(
                "last",
                Address,
                or("the last address of the network", "\"10.85.15.254\""),
                "The last address of the pool, inclusive.",
            ),
            key(
                "lease",
                Duration { min: "1m", max: "30d", or_zero: false },
                Is("\"30m\""),
                "The lease of a guest with a session. Longer means less DHCP traffic, but the address of a guest that has left stays taken for longer.",
            ),
            key(
                "offline_lease",
                Duration { min: "1m", max: "30d", or_zero: false },
                or("the same as lease", "\"5m\""),
                "The lease of a guest that is not logged in. Short gives addresses of people who only walked by back soon.",
            ),
            key(
                "host_routes",
                Bool,
                Is("false"),
                "Leases are /32 with a route to the gateway (RFC 3442), so that guests send everything through us, also to each other. A few old or embedded devices do not understand it and stay offline.",
            ),
            key(
                "domain",
                Name,
                or("none; not sent", "\"guests.example.org\""),
                "The domain in which guests complete short names (option 15).",
            ),
            key(
                "dns",
                Addresses { max: 8 },
                or("the gateway", "[\"10.85.0.1\"]"),
                "The DNS servers that guests are given (option 6). Before login the gateway answers in their place, whatever stands here; after it guests reach them directly.",
            ),
            key(
                "ntp",
                Addresses { max: 8 },
                Is("[]"),
                "The time servers that guests are given (option 42). Before login they are reached only if the garden has them.",
            ),
            key(
                "conflict_probe",
                Bool,
                Is("true"),
                "Before an address is offered for the first time, ARP asks whether somebody has it. The offer does not wait for the answer; who answers keeps the address, and the guest gets another one. Without it, a device with a static address breaks the guest that gets the same.",
            ),
            key(
                "options",
                DhcpOptions { max: 32 },
                Is("[]"),
                "Further options for every guest, such as [{ code = 43, hex = \"0104c0000201\" }, { code = 150, ip = \"192.0.2.5\" }, { code = 100, text = \"CET-1CEST\" }]. Options that have a key of their own or belong to the protocol are refused. An answer has about 300 octets of room; a guest that asks for more gets the first that fit.",
            ),
        ],
    ),
    repeated(
        "dhcp.host",
        "A device that always gets the same answer. Worst case about 2 kB of memory each; at most 4096.",
        &[
            key("mac", Mac, Required { example: "\"02:00:5e:10:00:01\"" }, "The device."),
            key(
                "address",
                Address,
                or("one of the pool", "\"10.85.0.20\""),
                "Its address, inside the network, in the pool or not. Nobody else gets it.",
            ),
            key("hostname", Name, or("none; not sent", "\"printer\""), "The name that the device is told (option 12)."),
            key(
                "filename",
                Text { max: 127 },
                or("none; not sent", "\"pxelinux.0\""),
                "The boot file (field file, option 67), for PXE.",
            ),
            key(
                "next_server",
                Address,
                or("none; not sent", "\"10.85.0.5\""),
                "The server of the boot file (field siaddr), best in the guests' network: TFTP does not pass NAT. Elsewhere it is reached before login only if the garden has it.",
            ),
            key(
                "root_path",
                Text { max: 255 },
                or("none; not sent", "\"192.0.2.5:/srv/root\""),
                "The root file system (option 17).",
            ),
            key(
                "options",
                DhcpOptions { max: 32 },
                Is("[]"),
                "Further options for this device; a code that [dhcp] has too is replaced.",
            ),
        ],
    ),
    section(
        "dns",
        "Name resolution for guests. Before login only the gateway answers.",
        &[
            key(
                "resolvers",
                Addresses { max: 8 },
                or("those of /etc/resolv.conf", "[\"192.0.2.53\"]"),
                "The resolvers that are asked for guests. With none that answers, names do not resolve and devices show no login page.",
            ),
            key(
                "name",
                Name,
                Is("\"wifi.internal\""),
                "The name of the portal; it is answered with the gateway's address, before and after login.",
            ),
            key(
                "queries_per_second",
                Int { min: 1, max: 10_000 },
                Is("20"),
                "Queries of one guest that are answered each second; more are dropped. Bounds both the load on the resolvers and what can be smuggled through DNS before login.",
            ),
        ],
    ),
    section(
        "portal",
        "The login page.",
        &[
            key(
                "port",
                Int { min: 1, max: 65_535 },
                Is("3990"),
                "The TCP port of the portal on the gateway's address. Port 80 of guests that are not logged in is led to it.",
            ),
            key("title", Text { max: 200 }, Is("\"Wi-Fi\""), "The heading of the page, such as the name of the place."),
            key(
                "terms",
                Text { max: 16_384 },
                Is("\"\""),
                "Terms of use, shown beside the login; empty shows none. Held in memory once.",
            ),
        ],
    ),
    section(
        "uam",
        "An external portal that speaks CoovaChilli's Universal Access Method. Without server guests see our own pages.",
        &[
            key(
                "server",
                WebAddress,
                or("none; our own pages are shown", "\"https://portal.example/hotspotlogin.php\""),
                "The portal. Guests that are not logged in are led there, with all that it needs in the address; it sends their browsers back to /logon at portal.port. Its host is open before login as if [garden] had it. A name needs dns.resolvers that know it.",
            ),
            key(
                "secret",
                Secret,
                or(
                    "none; the portal is asked for no proof, and passwords are hidden by the challenge alone",
                    "\"replace me: 32 random characters\"",
                ),
                "Shared with the portal: challenges are mixed with it, and addresses are signed with it (md).",
            ),
            key(
                "secret_file",
                SecretFile,
                or("none", "\"uam.secret\""),
                "A file with the secret in its first line, instead of secret.",
            ),
            key(
                "home_page",
                WebAddress,
                or("none; guests are led to the portal at once", "\"https://www.example.org/welcome\""),
                "A page that guests are led to first. It gets the portal's address as loginurl. Its host is open before login, too.",
            ),
            key(
                "wispr",
                Choices(&["1.0", "2.0", "none"]),
                Is("[\"1.0\", \"2.0\"]"),
                "The versions of WISPr that are offered to programs that log in by themselves; \"none\" offers nothing.",
            ),
            key(
                "wispr_login",
                WebAddress,
                or("server", "\"https://portal.example/wispr\""),
                "Where such programs send names and passwords. Its host is open before login, too.",
            ),
            key(
                "challenge_lifetime",
                Duration { min: "1m", max: "1d", or_zero: false },
                Is("\"10m\""),
                "A challenge is shown for so long before there is a new one, and taken for twice as long: whoever is slower to type has to start again.",
            ),
            key(
                "reuse_challenges",
                Bool,
                Is("false"),
                "A challenge may be used again until it is old, as with CoovaChilli. Whoever sees a guest's login then can repeat it from the same device. With false the first answer to a challenge is the only one.",
            ),
            key(
                "plain_passwords",
                Bool,
                Is("false"),
                "Passwords come from the portal as they are, in the address, and no challenge is sent. Browsers keep addresses, and whoever is near can read them.",
            ),
            key(
                "ui_port",
                Int { min: 1, max: 65_535 },
                or("none", "4990"),
                "A second port of the portal on the gateway's address, for portals that send guests there (uamuiport).",
            ),
            key(
                "alias_address",
                Address,
                or("none", "\"192.0.2.1\""),
                "An address beyond the guests' network that stands for the gateway (uamaliasip): http to it is led to the portal. Take one that nobody has: guests do not reach its owner.",
            ),
            key(
                "alias_name",
                Name,
                or("none", "\"wifi.example.org\""),
                "A name that our DNS answers with the gateway's address, as host_name is.",
            ),
            key(
                "host_name",
                Name,
                or("none", "\"gateway.example.org\""),
                "A name that our DNS answers with the gateway's address.",
            ),
            key(
                "logout_address",
                Address,
                or("none", "\"192.0.2.2\""),
                "An address beyond the guests' network where a browser logs out by opening it (uamlogoutip), also by the name logout. Whom a foreign page sends there is asked first; without uam.server everybody is.",
            ),
            key("ssid", Text { max: 64 }, Is("\"\""), "What the portal is told as ssid; empty leaves it out."),
            key(
                "vlan",
                Text { max: 64 },
                Is("\"\""),
                "What the portal is told as vlan of guests without a VLAN tag; empty leaves it out.",
            ),
            key(
                "location_id",
                Text { max: 247 },
                Is("\"\""),
                "The place as programs and RADIUS servers are told it: AccessLocation of WISPr and WISPr-Location-ID, such as isocc=de,cc=49,ac=30,network=example. 247 octets are all that an attribute of a vendor holds.",
            ),
            key(
                "location_name",
                Text { max: 247 },
                Is("\"\""),
                "The place in words: LocationName of WISPr, location of the JSON API, WISPr-Location-Name.",
            ),
            key(
                "redirect_url",
                Bool,
                Is("false"),
                "Where the server wants a guest to go after login (WISPr-Redirection-URL) is told to the portal as redirurl. With false the guest goes there at once.",
            ),
            key(
                "original_url",
                Bool,
                Is("false"),
                "The RADIUS server is told where the guest was going (ChilliSpot-OriginalURL).",
            ),
            key(
                "origins",
                Origins { max: 16 },
                Is("[]"),
                "Web sites besides the portal's own whose scripts may read the JSON API in a guest's browser (CORS), such as [\"https://www.example.org\"].",
            ),
        ],
    ),
    section(
        "garden",
        "The walled garden: what guests reach before they log in, and without being counted.",
        &[
            key(
                "allow",
                GardenEntries { max: 16_384 },
                Is("[]"),
                "Hosts, networks and ports, such as [\"203.0.113.0/24\", \"example.org\", \".cdn.example:443\", \"udp:192.0.2.1:123\", \"gre:192.0.2.7\"]. The protocol is a name or a number; a port without one is TCP and UDP. A name opens the addresses that our DNS gives a guest for it, with this protocol and port alone, for their TTL and at least 5 minutes; with a dot before it, every name below is meant. About 200 octets of memory each. Everything here can be used without logging in.",
            ),
            key(
                "domains",
                GardenDomains { max: 16_384 },
                Is("[]"),
                "Domains of which every name is open, as [\"example.org\", \".cdn.example\"]; with a leading dot only names below it. Whoever controls such a domain's DNS can open any address. About 200 octets of memory each.",
            ),
            key(
                "domain_ttl",
                Duration { min: "10s", max: "1d", or_zero: false },
                Is("\"1h\""),
                "An address is open for at most so long after the name was last asked for; guests see longer TTLs cut to this. Below 5 minutes only the TTLs are cut: a connection outlives the answer that it began with.",
            ),
            key(
                "addresses",
                Int { min: 256, max: 262_144 },
                Is("3000"),
                "Addresses that DNS opens at one time. When there are more, whoever has opened most loses what was opened first and nobody else has asked for. About 250 octets of memory each: 100000 are 25 MB.",
            ),
            key(
                "count",
                Bool,
                Is("true"),
                "What guests who are online exchange with the garden is on their account. false: it is not counted, nor held to rates and quotas; then every packet goes through the gateway, and the kernel forwards none by itself.",
            ),
        ],
    ),
    section(
        "auth",
        "Who may log in.",
        &[
            key(
                "method",
                Choices(&["local", "local_users", "radius"]),
                Is("\"local\""),
                "Who says whether a name and password are right: the accounts of `poblano user`, the file local_users, the RADIUS servers. In a list the next one is asked when one does not know the name or does not answer; a wrong password ends it.",
            ),
            key(
                "accounts",
                Path { max: 4096 },
                or("accounts in state.directory", "\"/etc/poblano/accounts\""),
                "The file of local accounts, which `poblano user` writes. Read again when it changes.",
            ),
            key(
                "local_users",
                Path { max: 4096 },
                or("none", "\"/etc/chilli/localusers\""),
                "CoovaChilli's file of accounts, a line each: name:password, and what follows another colon is not looked at. Passwords stand in it as they are, so keep it from other users. Read again when it changes.",
            ),
        ],
    ),
    section(
        "mac_authentication",
        "Devices that come online without the portal, because their MAC address is known: printers, sensors, consoles. Whoever knows such an address can take it, so give them no more than they need.",
        &[
            key(
                "allow",
                Macs { max: 4096 },
                Is("[]"),
                "Devices that are let in without asking anybody, with the limits of [session].",
            ),
            key(
                "radius",
                Bool,
                Is("false"),
                "The RADIUS servers are asked about each other device when it has got its address, and later when it renews it or asks for a name. It never waits for the answer; one that is refused meets the portal as always.",
            ),
            key(
                "radius_only",
                Macs { max: 4096 },
                Is("[]"),
                "The only devices that the servers are asked about; empty is every one.",
            ),
            key(
                "format",
                Choice(&[
                    "AA-BB-CC-DD-EE-FF",
                    "AA:BB:CC:DD:EE:FF",
                    "AABBCCDDEEFF",
                    "aa-bb-cc-dd-ee-ff",
                    "aa:bb:cc:dd:ee:ff",
                    "aabbccddeeff",
                    "aabb.ccdd.eeff",
                ]),
                Is("\"AA-BB-CC-DD-EE-FF\""),
                "How the MAC is written as User-Name. Calling-Station-Id is always AA-BB-CC-DD-EE-FF (RFC 3580, 3.21).",
            ),
            key(
                "suffix",
                Text { max: 128 },
                Is("\"\""),
                "What follows the MAC in User-Name, such as a realm: \"@devices\".",
            ),
            key(
                "password",
                Secret,
                or("the User-Name", "\"one password for all devices\""),
                "The password of every device. It keeps MACs out of the accounts of people: without it whoever types a MAC as name and password at the portal is let in as that device.",
            ),
            key(
                "service_type",
                Choice(&["call-check", "framed", "login"]),
                Is("\"call-check\""),
                "The Service-Type by which the server tells a device from a person: call-check is RFC 2865's (5.6), framed is CoovaChilli's.",
            ),
            key(
                "per_second",
                Int { min: 1, max: 1000 },
                Is("20"),
                "Devices that the servers are asked about in a second. More wait for their turn, and past 4096 for their next sign of life: a flood of invented addresses costs the servers no more than this.",
            ),
            key(
                "again",
                Duration { min: "1m", max: "1d", or_zero: false },
                Is("\"10m\""),
                "A device that was refused, or whose session has ended, is not asked about again for so long. One that logged out, or was logged out by an operator, only with its next lease.",
            ),
        ],
    ),
    section(
        "session",
        "Limits of a session. What RADIUS says for a guest goes over them.",
        &[
            key(
                "timeout",
                Duration { min: "1m", max: "365d", or_zero: true },
                Is("\"0\""),
                "The longest session; then the guest has to log in again. \"0\" is no limit.",
            ),
            key(
                "idle_timeout",
                Duration { min: "1m", max: "30d", or_zero: true },
                Is("\"15m\""),
                "A guest that sends nothing for so long is logged out. \"0\" is never. Short logs sleeping phones out; long keeps the sessions of those who have left open.",
            ),
            key(
                "interim",
                Duration { min: "1m", max: "1d", or_zero: true },
                Is("\"5m\""),
                "Between two interim accounting records of a session. \"0\" sends none; then servers learn what a session used when it ends.",
            ),
            key(
                "rate_up",
                Rate,
                Is("\"0\""),
                "The rate from each guest, in IP octets. What is above it waits for up to 50 ms before packets are dropped; small flows do not wait behind large ones. \"0\" is no limit.",
            ),
            key("rate_down", Rate, Is("\"0\""), "The rate to each guest, likewise. \"0\" is no limit."),
            key(
                "quota_up",
                Octets,
                Is("\"0\""),
                "What a guest may send in one session, in octets of IP; then it is logged out, as it is at the end of its time. It may log in anew: what holds for longer than a session, a RADIUS server has to count. \"0\" is no limit.",
            ),
            key("quota_down", Octets, Is("\"0\""), "What a guest may receive in one session, in the same way."),
            key("quota_total", Octets, Is("\"0\""), "What a guest may send and receive together in one session."),
            key(
                "outage",
                Duration { min: "2m", max: "1d", or_zero: true },
                Is("\"5m\""),
                "After a crash or a handover (SIGUSR2) sessions go on where they were, if the gateway was gone for less than this; otherwise they are ended. Counted from when they were last written down, which is once a minute. For as long the kernel goes on forwarding for them (offload). \"0\" ends them all: guests log in anew, and nothing is written.",
            ),
        ],
    ),
    repeated(
        "policy",
        "Limits by name: those of a guest whose Access-Accept has this name in Filter-Id. Other attributes of the Accept go over the policy, and the policy over [session]. At most 256.",
        &[
            key("name", Text { max: 253 }, Required { example: "\"gold\"" }, "What Filter-Id says, to the letter."),
            key(
                "timeout",
                Duration { min: "1m", max: "365d", or_zero: true },
                or("that of [session]", "\"12h\""),
                "The longest session. \"0\" is no limit.",
            ),
            key(
                "idle_timeout",
                Duration { min: "1m", max: "30d", or_zero: true },
                or("that of [session]", "\"1h\""),
                "The longest silence. \"0\" is never.",
            ),
            key(
                "interim",
                Duration { min: "1m", max: "1d", or_zero: true },
                or("that of [session]", "\"10m\""),
                "Between two interim accounting records. \"0\" sends none.",
            ),
            key("rate_up", Rate, or("that of [session]", "\"10M\""), "The rate from the guest. \"0\" is no limit."),
            key("rate_down", Rate, or("that of [session]", "\"50M\""), "The rate to the guest. \"0\" is no limit."),
            key(
                "quota_up",
                Octets,
                or("that of [session]", "\"1GB\""),
                "What the guest may send in one session. \"0\" is no limit.",
            ),
            key("quota_down", Octets, or("that of [session]", "\"5GB\""), "What it may receive, in the same way."),
            key("quota_total", Octets, or("that of [session]", "\"5GB\""), "What it may send and receive together."),
            key(
                "redirect",
                WebAddress,
                or("none; the guest goes where it was going", "\"https://example.org/welcome\""),
                "Where the portal leads the guest after it has logged in.",
            ),
        ],
    ),
    section(
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
    ),
    repeated(
        "radius.server",
        "A RADIUS server; the first is asked first, the others when it does not answer, and the first again as soon as it does. At most 8.",
        &[
            key(
                "address",
                HostAddress,
                Required { example: "\"192.0.2.20\"" },
                "Where the server is. It must not be in the guests' network.",
            ),
            key(
                "transport",
                Choice(&["udp", "tls"]),
                Is("\"udp\""),
                "How packets travel. udp hides passwords with MD5 and leaves names and records readable; tls (RadSec, RFC 6614) proves both ends by certificates and hides everything: the right choice wherever others carry the packets.",
            ),
            key("auth_port", Int { min: 1, max: 65_535 }, Is("1812"), "The UDP port for authentication (RFC 2865)."),
            key("acct_port", Int { min: 1, max: 65_535 }, Is("1813"), "The UDP port for accounting (RFC 2866)."),
            key(
                "secret",
                Secret,
                or("none; give this or secret_file", "\"a long random text\""),
                "The secret shared with this server. Who has it can forge logins and read passwords: at least 16 random octets (RFC 2865, 3).",
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
                or("none; needed with tls", "\"radsec-ca.pem\""),
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
    ),
    section(
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
    ),
    repeated(
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
    ),
    section(
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
    ),
    repeated(
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
    ),
    section(
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
        ],
    ),
    section(
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
    ),
    section(
        "state",
        "What outlives the process.",
        &[key(
            "directory",
            Path { max: 4000 },
            Is("\"/var/lib/poblano\""),
            "Leases, sessions, counters and accounts are kept here. Made with mode 0700 when it is not there. On a router, choose flash rather than RAM if guests are to keep their addresses over a reboot (a crash of the gateway alone forgets neither); 10000 leases take about 4 MB.",
        )],
    ),
    section(
        "control",
        "The socket of `poblano sessions`, `kick` and the other commands.",
        &[
            // sockaddr_un holds 108 octets on Linux and 104 on the BSDs, with the zero at the end.
            key(
                "socket",
                Path { max: 103 },
                Is("\"/run/poblano.sock\""),
                "The path of the socket. Only its owner, the user that runs the gateway, may use it.",
            ),
        ],
    ),
    section(
        "log",
        "The log, on standard error.",
        &[key(
            "level",
            Choice(&["error", "warn", "info", "debug", "trace"]),
            Is("\"info\""),
            "The least important line that is written. From debug on, MAC addresses and names of guests are in it; trace has a line for every packet that is not simply forwarded.",
        )],
    ),
];
