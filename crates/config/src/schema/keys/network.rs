//! The two sides, the devices between them and what guests get from us: LAN, uplink, TUN, DHCP, DNS.

use super::{key, or, repeated, section};
use crate::schema::Absent::{Is, Required};
use crate::schema::Kind::{
    Address, Addresses, Bool, Choice, DhcpOptions, Duration, Int, Interface, InterfaceAddress, Interfaces, Mac, Name,
    Network, Probes, Text,
};
use crate::schema::Section;

pub(super) const LAN: Section = section(
    "lan",
    "The side of the guests. The kernel is shut out of this interface; only the gateway uses it.",
    &[
        key(
            "interface",
            Interfaces { max: 16 },
            or("none; give it here or with --lan", "\"eth1\""),
            "The interface that guests are on: an access point's bridge, a switch port, a VLAN. Give it no address; whatever else uses it is cut off. Several, as [\"eth1\", \"wlan0\"], are one network with one pool and one portal, on Linux: the gateway makes a bridge of them, poblano-lan or in a zone pbl-NAME, lets nothing pass from one to the other, and gives them back when it stops. Log, scripts and RADIUS know the bridge. None of them may be in another bridge.",
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
        key(
            "untagged",
            Bool,
            Is("true"),
            "Devices in no VLAN are served too. With false the interface is a trunk: a frame without a VLAN tag, or with that of VLAN 0, is not heard, so who sends it gets no address, no DNS and no portal. Their leases and sessions end with the next start. dhcp.rogue_probe, which asks without a tag, then has no effect.",
        ),
    ],
);

pub(super) const LAN_ROUTED: Section = repeated(
    "lan.routed",
    "Guests behind a router that stands on the guests' network; at most 16. All their packets come from the router's MAC address, so each is known by its own address: the first packet makes it a guest, whose session ends when nothing comes from there for a lease's time (dhcp.lease). The router gives out the addresses, translates none, and routes to lan.gateway. RADIUS is told the router's MAC address (Calling-Station-Id) and the guest's address (Framed-IP-Address). Nobody there is let in by a MAC address, and their packets are not offloaded.",
    &[
        key(
            "network",
            Network,
            Required { example: "\"10.9.0.0/16\"" },
            "The network behind the router, none that is reached otherwise. From any other station its addresses are refused.",
        ),
        key(
            "via",
            Address,
            Required { example: "\"10.85.0.2\"" },
            "The router's own address on the guests' network: static and not in the pool, or kept for it by [[dhcp.host]]. What it sends from there is a guest's like others'.",
        ),
        key(
            "mac",
            Mac,
            Required { example: "\"02:00:5e:10:00:02\"" },
            "The router's MAC address on the guests' network. It is not learned, or the first guest to answer would be the router.",
        ),
        key(
            "vlan",
            Int { min: 0, max: 4094 },
            Is("0"),
            "The VLAN that the router is on, as the interface sees it; 0 is none.",
        ),
    ],
);

pub(super) const UPLINK: Section = section(
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
        key(
            "http_proxy",
            Address,
            or("none; http goes where guests send it", "\"198.51.100.8\""),
            "The address of a proxy that http (TCP port 80) of guests who are online goes to, wherever it was sent: one that goes by the Host header alone, as privoxy with accept-intercepted-requests or squid with accel vhost allow-direct; squid's intercept does not, it asks the kernel where a connection was to go, and hears of port 0. Before login nothing comes there, nor what is exempt with garden.count = false. It may be on this machine, but not on the guests' network; do not open it in [garden]. The offload leaves http to user space. Linux only.",
        ),
        key("http_proxy_port", Int { min: 1, max: 65_535 }, Is("3128"), "The port of that proxy."),
        key(
            "share",
            Choice(&["first", "weight"]),
            Is("\"first\""),
            "Which of several uplinks ([[uplink.line]]) guests leave by: the first in this file that works, or each by one that works, as their weights say. A guest leaves by one uplink with all that it does, while that works.",
        ),
        key(
            "probe_interval",
            Duration { min: "1s", max: "10m", or_zero: false },
            Is("\"5s\""),
            "So often each of several uplinks is probed. A probe has half of that for its answer; one that is lost is repeated at once. With the default of two lost ones guests leave by another uplink within two intervals.",
        ),
        key(
            "probes_lost",
            Int { min: 1, max: 100 },
            Is("2"),
            "So many probes in a row without any answer, and the uplink is not used: its guests leave by the others, their connections by it are forgotten. A link without carrier is not used at once. When no uplink is left all stays as it was last.",
        ),
        key(
            "probes_answered",
            Int { min: 1, max: 1000 },
            Is("5"),
            "So many probes in a row with an answer, and it is used again. New connections of its guests leave by it then; those that there are go on where they are.",
        ),
    ],
);

pub(super) const UPLINK_LINE: Section = repeated(
    "uplink.line",
    "One of several ways to the Internet, the best one first; at most 8. They take the place of uplink.interface, address and gateway: addresses come from the system's own configuration or DHCP client. Two of them with nothing but an interface each are enough. The machine's own packets (DNS, RADIUS) leave by the first that works. Linux alone; not with zones of different uplinks. `poblano uplinks` shows them.",
    &[
        key("interface", Interface, Required { example: "\"eth0\"" }, "The interface to this provider."),
        key(
            "name",
            Text { max: 32 },
            or("the interface", "\"fibre\""),
            "What log, metrics and scripts call it: up to 32 of a-z, A-Z, 0-9, '-', '_' and '.'.",
        ),
        key(
            "gateway",
            Address,
            or("that of the best default route by the interface, at each moment", "\"192.0.2.1\""),
            "The provider's router. Without it, some program (a DHCP client) must set a default route by the interface; two such routes need different metrics.",
        ),
        key(
            "weight",
            Int { min: 1, max: 100 },
            Is("1"),
            "With share = \"weight\": this uplink's part of the guests. 3 beside 1 is three of four.",
        ),
        key(
            "probe",
            Probes { max: 4 },
            or("its gateway, by ping", "[\"192.0.2.1\", \"dns:198.51.100.53\", \"tcp:203.0.113.80:443\"]"),
            "What is asked whether the uplink works, from its own address and by its own interface: addresses that answer a ping, DNS servers (dns:ADDRESS), or servers that take or refuse a TCP connection (tcp:ADDRESS:PORT). One answer is enough. Its gateway says nothing of what is behind it: name two hosts that are always there.",
        ),
    ],
);

pub(super) const TUN: Section = section(
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
        key(
            "max_segment",
            Int { min: 536, max: 9176 },
            or("none; as the ends of a connection want it", "1360"),
            "TCP connections of guests agree on segments of at most so many octets, each way (MSS clamping): 40 less than the largest packet that a tunnel on the way carries, where path MTU discovery is lost on the way. Only the packets that begin a connection are touched, with offload and without.",
        ),
    ],
);

pub(super) const OFFLOAD: Section = section(
    "offload",
    "Linux forwards packets of guests who are online by itself, with the same checks, limits and counts.",
    &[key(
        "mode",
        Choice(&["auto", "on", "off"]),
        Is("\"auto\""),
        "auto uses it where the kernel can (5.15 or later, 64 bits, tun.mode = tun) and says why where it cannot; on refuses to start there; off carries all packets in this program. `poblano offload` switches it under traffic.",
    )],
);

pub(super) const GUESTS: Section = section(
    "guests",
    "Bounds on guests.",
    &[key(
        "max",
        Int { min: 1, max: 1_048_576 },
        or("one for each address of the pools and each host, at most 65536", "1000"),
        "Devices that are known at one time. One more gets no lease until another one's has ended; guests with a session are never displaced. Worst case about 1 kB of memory each: 10000 are 10 MB.",
    )],
);

pub(super) const DHCP: Section = section(
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
            "any_address",
            Bool,
            Is("false"),
            "A guest that does not ask for a lease but uses a static address of another network, such as 192.168.7.5, gets online too: the gateway answers for its router, and its packets are translated to an address of the pool, by which everything else knows it. A device with a lease by DHCP is served with that alone until it ends (`poblano release`). Such guests have a quarter of the pool at most; their packets are never offloaded.",
        ),
        key(
            "static_addresses",
            Network,
            or("none", "\"10.85.8.0/24\""),
            "Part of lan.network: who uses one of these addresses without asking for a lease gets online with it, as soon as it asks for its router. The first station has it until nothing comes from there for a lease's time. None of them is leased by DHCP, unless a RADIUS server names it (Framed-IP-Address). A quarter of guests.max stays for those who ask.",
        ),
        key(
            "renewal_is_activity",
            Bool,
            Is("false"),
            "A guest that renews its lease is not idle. So a device that sleeps keeps its session beyond session.idle_timeout if the lease is shorter; without it only forwarded packets count.",
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
            "captive_portal",
            Text { max: 255 },
            or(
                "the gateway's own API with portal.tls; else none is sent",
                "\"https://portal.example.org/api?mac=%{m}\"",
            ),
            "The captive portal API that guests are told of (option 114, RFC 8910): an https address, in ASCII. Each guest gets its own: %{m} is its MAC, %{M} the same as 12 digits, %{i} its IP address, %{n} radius.nas_identifier, %{t} the time in seconds since 1970.",
        ),
        key(
            "rogue_probe",
            Duration { min: "1m", max: "1d", or_zero: true },
            Is("\"10m\""),
            "So often the gateway asks like a guest whether another DHCP server is on the guests' network, and takes nothing of what it is offered. Who answers is in the log and in `poblano sessions`. With \"0\" only servers are noticed that answer guests by broadcast.",
        ),
        key(
            "options",
            DhcpOptions { max: 32 },
            Is("[]"),
            "Further options for every guest, such as [{ code = 43, hex = \"0104c0000201\" }, { code = 150, ip = \"192.0.2.5\" }, { code = 100, text = \"CET-1CEST\" }]. Options that have a key of their own or belong to the protocol are refused. An answer has about 300 octets of room; a guest that asks for more gets the first that fit.",
        ),
    ],
);

pub(super) const DHCP_HOST: Section = repeated(
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
);

pub(super) const DHCP_POOL: Section = repeated(
    "dhcp.pool",
    "Addresses for those of whom a RADIUS server says so: its Framed-Pool has this name. It holds for who is known before the lease (devices that join at an access point, and with mac_authentication.before_lease those of MAC authentication); a guest of the portal keeps the address that it has. At most 16, none overlaps another.",
    &[
        key("name", Text { max: 253 }, Required { example: "\"staff\"" }, "What Framed-Pool says, to the letter."),
        key(
            "first",
            Address,
            Required { example: "\"10.85.14.1\"" },
            "The first address, inside the network. If dhcp.first and dhcp.last have it too, it is taken out there.",
        ),
        key("last", Address, Required { example: "\"10.85.14.254\"" }, "The last address, inclusive."),
    ],
);

pub(super) const DNS: Section = section(
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
            "domain_is_local",
            Bool,
            Is("false"),
            "Every name below dhcp.domain is the portal's, and answered with uam.alias_address or else the gateway's address, before and after login; none is looked up.",
        ),
        key(
            "queries_per_second",
            Int { min: 1, max: 10_000 },
            Is("20"),
            "Queries of one guest that are answered each second; more are dropped. Bounds both the load on the resolvers and what can be smuggled through DNS before login.",
        ),
    ],
);
