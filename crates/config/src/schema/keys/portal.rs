//! The pages, other people's portals and what is open before login.

use super::{key, or, section};
use crate::schema::Absent::Is;
use crate::schema::Kind::{
    Address, Bool, Choices, Duration, File, GardenDomains, GardenEntries, Int, Name, Origins, Path, Secret, SecretFile,
    Text, WebAddress,
};
use crate::schema::Section;

pub(super) const PORTAL: Section = section(
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
            "color",
            Text { max: 7 },
            or("none; the program's own green", "\"#0a5cc2\""),
            "The place's colour, of buttons as it is and of links as light or dark as can be read on the page. What is written on it is black or white, whichever reads better. It, title, logo, welcome and terms change with SIGHUP, without a restart.",
        ),
        key(
            "logo",
            File,
            or("none; the program's own", "\"logo.svg\""),
            "A PNG or SVG of at most 64 kB that stands before the title, 40 pixels high. One that cannot be shown is told at the start and with SIGHUP, and what was shown before stays.",
        ),
        key(
            "welcome",
            Text { max: 2000 },
            Is("\"\""),
            "What stands above the sign-in, for every guest in the same language; empty is nothing. An empty line parts paragraphs.",
        ),
        key(
            "terms",
            Text { max: 16_384 },
            Is("\"\""),
            "Terms of use, shown beside the login; empty shows none. Held in memory once.",
        ),
        key(
            "files",
            Path { max: 4096 },
            or("none", "\"/etc/poblano/www\""),
            "A folder whose pages, scripts and pictures guests get below /www/ on the portal's port, online or not (wwwdir). Read at the start: 512 files of 4 MiB together at most. Symbolic links, hidden files and programs are left out.",
        ),
        key(
            "templates",
            Path { max: 4096 },
            or("none; the program's own pages", "\"/etc/poblano/templates\""),
            "A folder with templates of the pages: each replaces the one of the same name, and all others stay as they are. `poblano templates FOLDER` writes ours, and the names that they may use. What is wrong in one is told by poblano check and refuses a start; SIGHUP takes new ones, and keeps the last good ones. Symbolic links are not followed.",
        ),
        key(
            "venue_url",
            WebAddress,
            or("none", "\"https://www.example.org/wifi\""),
            "A page about the place, which phones show beside the network's name (venue-info-url of RFC 8908). It is not opened before login; [garden] does that.",
        ),
        key(
            "can_extend",
            Bool,
            Is("false"),
            "The portal lets guests prolong a session that runs, and phones may offer that (can-extend-session of RFC 8908). Our own pages cannot; an external portal may.",
        ),
    ],
);

pub(super) const PORTAL_TLS: Section = section(
    "portal.tls",
    "The portal by https, too. Login and status then are https pages, and guests are told of the captive portal API (DHCP option 114). What detectors of phones ask by http is answered as before; https to anybody else is refused before login, never answered in another's name.",
    &[
        key(
            "name",
            Name,
            or("none; the portal has no https", "\"portal.example.org\""),
            "The name that the certificate is for, of at most 128 octets. Our DNS answers it with the gateway's address. Who is online may ask another server: let that of the name's owner give the same address.",
        ),
        key(
            "certificate_file",
            File,
            or("none; needed with name", "\"portal.pem\""),
            "The certificate and those between it and an authority that phones trust, in PEM. It is read again when it changes; while it and key_file do not fit together, what was read before stays.",
        ),
        key(
            "key_file",
            File,
            or("none; needed with name", "\"portal.key\""),
            "Its private key, in PEM and not encrypted. One on a curve (P-256) costs a small router a tenth of an RSA key's time for each guest.",
        ),
        key("port", Int { min: 1, max: 65_535 }, Is("443"), "The TCP port of https on the gateway's address."),
    ],
);

pub(super) const UAM: Section = section(
    "uam",
    "An external portal that speaks CoovaChilli's Universal Access Method. Without server guests see our own pages.",
    &[
        key(
            "server",
            WebAddress,
            or("none; our own pages are shown", "\"https://portal.example/hotspotlogin.php\""),
            "The portal. Guests that are not logged in are led there, with all that it needs in the address; it sends their browsers back to /logon at portal.port. Its host is open before login as if [garden] had it. A name needs dns.resolvers that know it. It may be a page of portal.files, as http://10.85.0.1:3990/www/login.html; so may home_page.",
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
);

pub(super) const GARDEN: Section = section(
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
);
