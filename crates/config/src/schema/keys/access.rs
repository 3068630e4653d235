//! Who is let in, how far and for how long.

use super::{key, or, repeated, section};
use crate::schema::Absent::{Is, Required};
use crate::schema::Kind::{Bool, Choice, Choices, Duration, Int, Macs, Octets, Path, Rate, Secret, Text, WebAddress};
use crate::schema::Section;

pub(super) const AUTH: Section = section(
    "auth",
    "Who may log in.",
    &[
        key(
            "method",
            Choices(&["local", "local_users", "radius", "vouchers", "click_through"]),
            Is("\"local\""),
            "Who says whether a name and password are right: the accounts of `poblano user`, the file local_users, the RADIUS servers. In a list the next one is asked when one does not know the name or does not answer; a wrong password ends it. With \"vouchers\" the sign-in page takes the code of a voucher too, or nothing else if it stands alone; with \"click_through\" whoever accepts portal.terms is let in with the limits of [click_through].",
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
);

pub(super) const VOUCHERS: Section = section(
    "vouchers",
    "Vouchers, which `poblano voucher create` makes, and accounts with limits: what devices have in common that use the same one.",
    &[
        key(
            "replace_after",
            Duration { min: "10s", max: "1d", or_zero: true },
            Is("\"5m\""),
            "When all devices of a voucher or an account are online and another one logs in, the one that has been silent longest makes room if it has been silent for so long: phones come back under another MAC address. Otherwise the newcomer is refused. \"0\": nobody makes room.",
        ),
        key(
            "remember",
            Duration { min: "1h", max: "365d", or_zero: true },
            Is("\"30d\""),
            "For so long the address of the status page, kept as a bookmark, lets the same guest go on with its voucher or its account's limits after its device has changed its MAC address; the session under the old one ends. Whoever has the address has the voucher. \"0\": there are no such addresses.",
        ),
    ],
);

pub(super) const CLICK_THROUGH: Section = section(
    "click_through",
    "What a device gets whose guest signs in by accepting portal.terms alone (auth.method). What stands in [session] holds too. A device is known by its MAC address. Phones keep theirs for weeks in one network, but whoever changes it on purpose is a new device, and nothing on the air tells otherwise; `devices` bounds what all of them get together.",
    &[
        key(
            "time",
            Duration { min: "1m", max: "365d", or_zero: true },
            Is("\"0\""),
            "How long a device may be online in `again`. Time counts while it is online; it may log out and go on later. \"0\" is no limit.",
        ),
        key(
            "data",
            Octets,
            Is("\"0\""),
            "What a device may send and receive together in `again`, in octets of IP. \"0\" is no limit.",
        ),
        key(
            "again",
            Duration { min: "10m", max: "365d", or_zero: false },
            Is("\"1d\""),
            "A device gets time and data again so long after it got them. They are remembered over restarts, at some 300 octets of memory for each device.",
        ),
        key("rate_up", Rate, Is("\"0\""), "The rate from each device. \"0\" is that of [session]."),
        key("rate_down", Rate, Is("\"0\""), "The rate to each device. \"0\" is that of [session]."),
        key(
            "devices",
            Int { min: 1, max: 1_000_000 },
            or("guests.max", "500"),
            "So many devices get time or data at once, and as many again in each `again`, evenly spread; further new ones are told when to come back. Low, it bounds what somebody gets who changes addresses, who can then use up what newcomers would have got. Without limits of time and data nobody is turned away.",
        ),
    ],
);

pub(super) const MAC_AUTHENTICATION: Section = section(
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
            "The RADIUS servers are asked about each other device when it has got its address, and later when it renews it or asks for a name. It never waits for the answer; one that is refused meets the portal as always, unless refused says otherwise.",
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
        key(
            "refused",
            Choice(&["portal", "drop"]),
            Is("\"portal\""),
            "Of a device that the servers refuse: portal leads it there, where a person may log in. drop lets nothing of it pass, not even DNS and the portal, until the servers say something else when they are asked again, new lease or not; it keeps its lease, and an operator can let it in. Until the first answer, and that after a start of the gateway, it meets the portal: before_lease has it wait with each new lease.",
        ),
        key(
            "before_lease",
            Bool,
            Is("false"),
            "A device gets its address when the servers have said whether it may come in, so that one that may is online from its first packet on. It waits five seconds at most, and not for its turn among others.",
        ),
        key(
            "dhcp",
            Bool,
            Is("false"),
            "With before_lease, the servers are told what the device says by DHCP (ChilliSpot-DHCP-Vendor-Class-Id, -Client-Id, -Hostname, -Client-FQDN, -Parameter-Request-List), and its lease has what an Access-Accept says: ChilliSpot-DHCP-DNS1, -DNS2, -Domain, -Filename, -Server-Name, -Options. Netmask, router and routes stay the gateway's. After a restart of the gateway it has that with its next new lease.",
        ),
    ],
);

pub(super) const SESSION: Section = section(
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
);

pub(super) const POLICY: Section = repeated(
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
);
