//! From read values to the [`Config`] that the rest of the program uses. What is wrong is replaced by something harmless:
//! the result is handed out only when nothing was wrong.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wire::MacAddr;

use crate::read::{Read, Value};
use crate::{
    Accounting, Auth, AuthMethod, BitRate, ClickThrough, Config, Console, ConsoleTls, Control, Destinations, Dhcp,
    DhcpOption, Direction, Dns, DynamicAuthorization, DynamicAuthorizationClient, Garden, GardenDomain, GardenEntry,
    Guests, HostLease, HostNetwork, InterfaceAddress, Lan, Log, LogLevel, MacAuthentication, MacServiceType, Metrics,
    NamedPool, Network, Octets, Offload, OffloadMode, PasswordMethod, Policy, Portal, PortalTls, Radius,
    RadiusAdministrative, RadiusHttp, RadiusProxy, RadiusProxyClient, RadiusServer, RadiusTls, RadiusTransport,
    RadiusVersion, Redaction, RefusedDevice, Retention, Routed, Scripts, Secret, Session, State, Tun, TunMode, Uam,
    Uplink, UplinkLine, UplinkProbe, UplinkShare, Vouchers, Webhook,
};

/// Tables are sized by the number of guests; without a wish of the operator they stay below this many.
const MAX_GUESTS_UNASKED: u32 = 65_536;

/// What the spool may take without a wish of the operator: room for Start and Stop of every guest at once.
const SPOOL_OCTETS_OF_A_GUEST: u64 = 2000;
const LEAST_SPOOL: u64 = 16_000_000;

pub(crate) fn assemble(read: &Read<'_>) -> Config {
    let network: Network = read.required("lan.network");
    let gateway = read.optional("lan.gateway").unwrap_or(network.first_host());
    let routed = (0..read.count("lan.routed")).map(|i| routed(read, i)).collect();
    let (interface, ports) = guests_interface(read);
    let lan = Lan { interface, ports, network, gateway, untagged: read.required("lan.untagged"), routed };
    let dhcp = dhcp(read, &lan);
    let directory: PathBuf = read.required("state.directory");
    let guests = Guests { max: read.optional("guests.max").unwrap_or_else(|| addresses(&dhcp, &lan)) };
    let most_guests = guests.max;
    Config {
        zone: read.zone_name().to_owned(),
        accounting: accounting(read, &guests),
        guests,
        lan,
        uplink: uplink(read),
        tun: Tun {
            name: read.required("tun.name"),
            mode: if read.word("tun.mode") == "tap" { TunMode::Tap } else { TunMode::Tun },
            mtu: read.optional::<u32>("tun.mtu").and_then(|mtu| mtu.try_into().ok()),
            max_segment: read.optional::<u32>("tun.max_segment").and_then(|octets| octets.try_into().ok()),
        },
        offload: Offload {
            mode: match read.word("offload.mode").as_str() {
                "on" => OffloadMode::On,
                "off" => OffloadMode::Off,
                _ => OffloadMode::Auto,
            },
        },
        dhcp,
        dns: Dns {
            resolvers: read.optional("dns.resolvers").unwrap_or_default(),
            name: read.required("dns.name"),
            domain_is_local: read.required("dns.domain_is_local"),
            queries_per_second: read.required("dns.queries_per_second"),
        },
        portal: Portal {
            port: read.port("portal.port"),
            title: read.required("portal.title"),
            color: read.optional::<String>("portal.color").as_deref().and_then(color),
            logo: read.optional("portal.logo"),
            welcome: read.required("portal.welcome"),
            terms: read.required("portal.terms"),
            files: read.optional("portal.files"),
            templates: read.optional("portal.templates"),
            venue_url: read.optional("portal.venue_url"),
            can_extend: read.required("portal.can_extend"),
            tls: portal_tls(read),
        },
        uam: uam(read),
        garden: Garden {
            allow: read.required("garden.allow"),
            domains: read.required("garden.domains"),
            domain_ttl: read.required("garden.domain_ttl"),
            addresses: read.required("garden.addresses"),
            count: read.required("garden.count"),
        },
        auth: Auth {
            methods: read.required::<Vec<String>>("auth.method").iter().map(|word| auth_method(word)).collect(),
            accounts: read.optional("auth.accounts").unwrap_or_else(|| directory.join("accounts")),
            local_users: read.optional("auth.local_users"),
        },
        vouchers: Vouchers {
            replace_after: read.unless_zero("vouchers.replace_after"),
            remember: read.unless_zero("vouchers.remember"),
        },
        click_through: ClickThrough {
            time: read.unless_zero("click_through.time"),
            data: read.optional("click_through.data").filter(|data| *data != Octets(0)),
            again: read.required("click_through.again"),
            rate_up: read.optional("click_through.rate_up").filter(|rate| *rate != BitRate(0)),
            rate_down: read.optional("click_through.rate_down").filter(|rate| *rate != BitRate(0)),
            devices: read.optional("click_through.devices").unwrap_or(most_guests),
        },
        mac_authentication: mac_authentication(read),
        session: Session {
            timeout: read.unless_zero("session.timeout"),
            idle_timeout: read.unless_zero("session.idle_timeout"),
            interim: read.unless_zero("session.interim"),
            rate_up: read.optional("session.rate_up").filter(|r| *r != BitRate(0)),
            rate_down: read.optional("session.rate_down").filter(|r| *r != BitRate(0)),
            quota_up: read.optional("session.quota_up").filter(|q| *q != Octets(0)),
            quota_down: read.optional("session.quota_down").filter(|q| *q != Octets(0)),
            quota_total: read.optional("session.quota_total").filter(|q| *q != Octets(0)),
            outage: read.unless_zero("session.outage"),
        },
        policies: (0..read.count("policy")).map(|i| policy(read, i)).collect(),
        radius: radius(read),
        scripts: scripts(read),
        console: console(read, &directory),
        webhooks: (0..read.count("webhook")).map(|i| webhook(read, i)).collect(),
        retention: retention(read, &directory),
        state: State { directory },
        metrics: Metrics { listen: read.optional("metrics.listen"), port: read.port("metrics.port") },
        control: Control { socket: read.required("control.socket") },
        log: Log { level: log_level(&read.word("log.level")), json: read.word("log.format") == "json" },
    }
}

fn webhook(read: &Read<'_>, i: usize) -> Webhook {
    let path = |key: &str| format!("webhook[{i}].{key}");
    Webhook {
        url: read.optional(&path("url")).unwrap_or_default(),
        events: read.optional(&path("events")).unwrap_or_default(),
        secret: read.optional(&path("secret")).or_else(|| read.optional(&path("secret_file"))),
        ca: read.optional(&path("ca_file")),
    }
}

fn retention(read: &Read<'_>, directory: &Path) -> Retention {
    let kept: Vec<String> = read.optional("retention.keep").unwrap_or_default();
    let redaction = |path: &str| match read.word(path).as_str() {
        "hash" => Redaction::Hash,
        "drop" => Redaction::Drop,
        _ => Redaction::Keep,
    };
    Retention {
        sessions: kept.iter().any(|word| word == "sessions"),
        mappings: kept.iter().any(|word| word == "mappings"),
        directory: read.optional("retention.directory").unwrap_or_else(|| directory.join("retention")),
        account: redaction("retention.account"),
        mac: redaction("retention.mac"),
        destinations: match read.word("retention.destinations").as_str() {
            "keep" => Destinations::Keep,
            "network" => Destinations::Network,
            _ => Destinations::Drop,
        },
        age: read.required("retention.age"),
        max_size: read.required("retention.max_size"),
    }
}

fn console(read: &Read<'_>, directory: &Path) -> Console {
    Console {
        listen: read.optional("console.listen"),
        port: read.port("console.port"),
        plain_http: read.required("console.plain_http"),
        operators: read.optional("console.operators").unwrap_or_else(|| directory.join("operators")),
        tls: console_tls(read),
    }
}

fn console_tls(read: &Read<'_>) -> Option<ConsoleTls> {
    let [certificate, key] = ["console.tls.certificate_file", "console.tls.key_file"].map(|key| read.optional(key));
    Some(ConsoleTls { certificate: certificate?, key: key? })
}

/// How many guests the addresses suffice for.
fn addresses(dhcp: &Dhcp, lan: &Lan) -> u32 {
    let pool = dhcp.first..=dhcp.last;
    let size = |first: Ipv4Addr, last: Ipv4Addr| last.to_bits().saturating_sub(first.to_bits()).saturating_add(1);
    let outside = dhcp.hosts.iter().filter(|h| h.address.is_some_and(|a| !pool.contains(&a))).count();
    let beside = dhcp.pools.iter().filter(|named| !pool.contains(&named.first));
    let named = beside.fold(0, |sum: u32, named| sum.saturating_add(size(named.first, named.last)));
    let statics = dhcp.static_addresses.filter(|network| !pool.contains(&network.address));
    let statics = statics.map_or(0, |network| size(network.first_host(), network.last_host()));
    let pool_size = size(dhcp.first, dhcp.last).saturating_sub(pool.contains(&lan.gateway).into());
    let all = pool_size.saturating_add(outside as u32).saturating_add(named).saturating_add(statics);
    all.clamp(1, MAX_GUESTS_UNASKED)
}

/// The interface that guests are on; if there are several, the bridge that will be made of them, and what it is made of.
fn guests_interface(read: &Read<'_>) -> (String, Vec<String>) {
    let mut named: Vec<String> = read.optional("lan.interface").unwrap_or_default();
    match (named.len(), read.zone_name()) {
        (0 | 1, _) => (named.pop().unwrap_or_default(), Vec::new()),
        (_, "") => ("poblano-lan".to_owned(), named),
        (_, zone) => (format!("pbl-{zone}"), named),
    }
}

fn routed(read: &Read<'_>, i: usize) -> Routed {
    let path = |key: &str| format!("lan.routed[{i}].{key}");
    Routed {
        network: read.optional(&path("network")).unwrap_or(Network::containing(Ipv4Addr::UNSPECIFIED, 32)),
        via: read.optional(&path("via")).unwrap_or(Ipv4Addr::UNSPECIFIED),
        mac: read.optional(&path("mac")).unwrap_or(MacAddr::ZERO),
        vlan: read.optional::<u32>(&path("vlan")).and_then(|vlan| vlan.try_into().ok()).unwrap_or_default(),
    }
}

fn dhcp(read: &Read<'_>, lan: &Lan) -> Dhcp {
    let lease = read.required("dhcp.lease");
    let host = |i: usize| {
        let path = |key: &str| format!("dhcp.host[{i}].{key}");
        HostLease {
            mac: read.optional(&path("mac")).unwrap_or(MacAddr::ZERO),
            address: read.optional(&path("address")),
            hostname: read.optional(&path("hostname")),
            filename: read.optional(&path("filename")),
            next_server: read.optional(&path("next_server")),
            root_path: read.optional(&path("root_path")),
            options: read.optional(&path("options")).unwrap_or_default(),
        }
    };
    let pool = |i: usize| {
        let path = |key: &str| format!("dhcp.pool[{i}].{key}");
        NamedPool {
            name: read.optional(&path("name")).unwrap_or_default(),
            first: read.optional(&path("first")).unwrap_or(Ipv4Addr::UNSPECIFIED),
            last: read.optional(&path("last")).unwrap_or(Ipv4Addr::UNSPECIFIED),
        }
    };
    Dhcp {
        first: read.optional("dhcp.first").unwrap_or(lan.network.first_host()),
        last: read.optional("dhcp.last").unwrap_or(lan.network.last_host()),
        lease,
        offline_lease: read.optional("dhcp.offline_lease").unwrap_or(lease),
        host_routes: read.required("dhcp.host_routes"),
        any_address: read.required("dhcp.any_address"),
        static_addresses: read.optional("dhcp.static_addresses"),
        renewal_is_activity: read.required("dhcp.renewal_is_activity"),
        domain: read.optional("dhcp.domain"),
        dns: read.optional("dhcp.dns").filter(|d: &Vec<_>| !d.is_empty()).unwrap_or_else(|| vec![lan.gateway]),
        ntp: read.required("dhcp.ntp"),
        conflict_probe: read.required("dhcp.conflict_probe"),
        captive_portal: read.optional("dhcp.captive_portal"),
        rogue_probe: read.unless_zero("dhcp.rogue_probe"),
        options: read.required("dhcp.options"),
        hosts: (0..read.count("dhcp.host")).map(host).collect(),
        pools: (0..read.count("dhcp.pool")).map(pool).collect(),
    }
}

fn radius(read: &Read<'_>) -> Radius {
    let transport = |i: usize| match read.word(&format!("radius.server[{i}].transport")).as_str() {
        "tls" => RadiusTransport::Tls(radius_tls(read, i)),
        "http" => RadiusTransport::Http(RadiusHttp {
            url: read.optional(&format!("radius.server[{i}].url")).unwrap_or_default(),
            ca: read.optional(&format!("radius.server[{i}].ca_file")),
        }),
        _ => RadiusTransport::Udp,
    };
    let server = |i: usize| {
        let path = |key: &str| format!("radius.server[{i}].{key}");
        let in_config: Option<Secret> = read.optional(&path("secret"));
        let secret_in_config = in_config.is_some();
        let transport = transport(i);
        RadiusServer {
            status_server: read
                .optional(&path("status_server"))
                .unwrap_or(matches!(transport, RadiusTransport::Tls(_))),
            address: read.optional(&path("address")).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            transport,
            auth_port: read.port(&path("auth_port")),
            acct_port: read.port(&path("acct_port")),
            secret: in_config.or_else(|| read.optional(&path("secret_file"))).unwrap_or(Secret::new(Vec::new())),
            secret_in_config,
            require_message_authenticator: read.optional(&path("require_message_authenticator")).unwrap_or(true),
            priority: read.optional::<u32>(&path("priority")).and_then(|p| p.try_into().ok()).unwrap_or(i as u8 + 1),
        }
    };
    Radius {
        nas_identifier: read.required("radius.nas_identifier"),
        nas_ip: read.optional("radius.nas_ip"),
        called_station_id: read.optional("radius.called_station_id").filter(|text: &String| !text.is_empty()),
        nas_port_type: read.required("radius.nas_port_type"),
        method: match read.word("radius.method").as_str() {
            "chap" => PasswordMethod::Chap,
            "mschapv2" => PasswordMethod::MsChapV2,
            _ => PasswordMethod::Pap,
        },
        timeout: read.required("radius.timeout"),
        tries: read.required("radius.tries"),
        dead_time: read.required("radius.dead_time"),
        refuse_unknown_policy: read.word("radius.unknown_policy") == "refuse",
        admit_unreachable: read.unless_zero("radius.unreachable"),
        servers: (0..read.count("radius.server")).map(server).collect(),
        dynamic_authorization: dynamic_authorization(read),
        administrative: administrative(read),
        proxy: proxy(read),
    }
}

fn dynamic_authorization(read: &Read<'_>) -> DynamicAuthorization {
    let client = |i: usize| {
        let path = |key: &str| format!("radius.dynamic_authorization.client[{i}].{key}");
        let in_config: Option<Secret> = read.optional(&path("secret"));
        let secret_in_config = in_config.is_some();
        let nobody = HostNetwork { address: Ipv4Addr::UNSPECIFIED.into(), prefix: 32 };
        DynamicAuthorizationClient {
            address: read.optional(&path("address")).unwrap_or(nobody),
            secret: in_config.or_else(|| read.optional(&path("secret_file"))).unwrap_or(Secret::new(Vec::new())),
            secret_in_config,
            require_message_authenticator: read.optional(&path("require_message_authenticator")).unwrap_or(true),
            window: read.unless_zero(&path("window")),
            require_event_timestamp: read.optional(&path("require_event_timestamp")).unwrap_or(true),
        }
    };
    DynamicAuthorization {
        listen: read.required("radius.dynamic_authorization.listen"),
        port: read.port("radius.dynamic_authorization.port"),
        clients: (0..read.count("radius.dynamic_authorization.client")).map(client).collect(),
    }
}

fn administrative(read: &Read<'_>) -> Option<RadiusAdministrative> {
    let in_config: Option<Secret> = read.optional("radius.administrative.secret");
    Some(RadiusAdministrative {
        user: read.optional("radius.administrative.user")?,
        secret_in_config: in_config.is_some(),
        secret: in_config
            .or_else(|| read.optional("radius.administrative.secret_file"))
            .unwrap_or(Secret::new(Vec::new())),
        interval: read.required("radius.administrative.interval"),
    })
}

fn proxy(read: &Read<'_>) -> RadiusProxy {
    let client = |i: usize| {
        let path = |key: &str| format!("radius.proxy.client[{i}].{key}");
        let in_config: Option<Secret> = read.optional(&path("secret"));
        let secret_in_config = in_config.is_some();
        let nobody = HostNetwork { address: Ipv4Addr::UNSPECIFIED.into(), prefix: 32 };
        RadiusProxyClient {
            address: read.optional(&path("address")).unwrap_or(nobody),
            secret: in_config.or_else(|| read.optional(&path("secret_file"))).unwrap_or(Secret::new(Vec::new())),
            secret_in_config,
            require_message_authenticator: read.optional(&path("require_message_authenticator")).unwrap_or(true),
            vlan: read.optional::<u32>(&path("vlan")).and_then(|vlan| vlan.try_into().ok()),
        }
    };
    RadiusProxy {
        listen: read.required("radius.proxy.listen"),
        port: read.port("radius.proxy.port"),
        accounting_port: read.port("radius.proxy.accounting_port"),
        clients: (0..read.count("radius.proxy.client")).map(client).collect(),
    }
}

fn portal_tls(read: &Read<'_>) -> Option<PortalTls> {
    Some(PortalTls {
        name: read.optional("portal.tls.name")?,
        certificate: read.optional("portal.tls.certificate_file").unwrap_or_default(),
        key: read.optional("portal.tls.key_file").unwrap_or_default(),
        port: read.port("portal.tls.port"),
    })
}

fn uam(read: &Read<'_>) -> Uam {
    let in_config: Option<Secret> = read.optional("uam.secret");
    let wispr: Vec<String> = read.required("uam.wispr");
    Uam {
        server: read.optional("uam.server"),
        secret_in_config: in_config.is_some(),
        secret: in_config.or_else(|| read.optional("uam.secret_file")),
        home_page: read.optional("uam.home_page"),
        wispr_1: wispr.iter().any(|version| version == "1.0"),
        wispr_2: wispr.iter().any(|version| version == "2.0"),
        wispr_login: read.optional("uam.wispr_login"),
        challenge_lifetime: read.required("uam.challenge_lifetime"),
        reuse_challenges: read.required("uam.reuse_challenges"),
        plain_passwords: read.required("uam.plain_passwords"),
        ui_port: read.optional::<u32>("uam.ui_port").and_then(|port| port.try_into().ok()),
        alias_address: read.optional("uam.alias_address"),
        alias_name: read.optional("uam.alias_name"),
        host_name: read.optional("uam.host_name"),
        logout_address: read.optional("uam.logout_address"),
        ssid: read.required("uam.ssid"),
        vlan: read.required("uam.vlan"),
        location_id: read.required("uam.location_id"),
        location_name: read.required("uam.location_name"),
        redirect_url: read.required("uam.redirect_url"),
        original_url: read.required("uam.original_url"),
        origins: read.required("uam.origins"),
    }
}

fn mac_authentication(read: &Read<'_>) -> MacAuthentication {
    let key = |name: &str| format!("mac_authentication.{name}");
    MacAuthentication {
        allow: read.required(&key("allow")),
        radius: read.required(&key("radius")),
        radius_only: read.required(&key("radius_only")),
        format: read.word(&key("format")),
        suffix: read.required(&key("suffix")),
        password: read.optional(&key("password")),
        service_type: match read.word(&key("service_type")).as_str() {
            "framed" => MacServiceType::Framed,
            "login" => MacServiceType::Login,
            _ => MacServiceType::CallCheck,
        },
        per_second: read.required(&key("per_second")),
        again: read.required(&key("again")),
        refused: match read.word(&key("refused")).as_str() {
            "drop" => RefusedDevice::Drop,
            _ => RefusedDevice::Portal,
        },
        before_lease: read.required(&key("before_lease")),
        dhcp: read.required(&key("dhcp")),
    }
}

fn policy(read: &Read<'_>, i: usize) -> Policy {
    let path = |key: &str| format!("policy[{i}].{key}");
    Policy {
        name: read.optional(&path("name")).unwrap_or_default(),
        timeout: read.optional(&path("timeout")),
        idle_timeout: read.optional(&path("idle_timeout")),
        interim: read.optional(&path("interim")),
        rate_up: read.optional(&path("rate_up")),
        rate_down: read.optional(&path("rate_down")),
        quota_up: read.optional(&path("quota_up")),
        quota_down: read.optional(&path("quota_down")),
        quota_total: read.optional(&path("quota_total")),
        redirect: read.optional(&path("redirect")),
    }
}

fn accounting(read: &Read<'_>, guests: &Guests) -> Accounting {
    let chilli = read.word("accounting.direction") == "chilli";
    Accounting {
        direction: if chilli { Direction::Chilli } else { Direction::Rfc2866 },
        spool_size: read
            .optional("accounting.spool_size")
            .unwrap_or(Octets((u64::from(guests.max) * SPOOL_OCTETS_OF_A_GUEST).max(LEAST_SPOOL))),
        spool_age: read.required("accounting.spool_age"),
        answers_change: read.required("accounting.answers_change"),
    }
}

fn uplink(read: &Read<'_>) -> Uplink {
    let line = |i: usize| {
        let key = |name: &str| format!("uplink.line[{i}].{name}");
        let interface: String = read.optional(&key("interface")).unwrap_or_default();
        UplinkLine {
            name: read.optional(&key("name")).unwrap_or_else(|| interface.clone()),
            interface,
            gateway: read.optional(&key("gateway")),
            weight: read.required(&key("weight")),
            probe: read.optional(&key("probe")),
        }
    };
    Uplink {
        interface: read.optional("uplink.interface"),
        address: read.optional("uplink.address"),
        gateway: read.optional("uplink.gateway"),
        masquerade: read.required("uplink.masquerade"),
        http_proxy: read
            .optional("uplink.http_proxy")
            .map(|address| SocketAddrV4::new(address, read.port("uplink.http_proxy_port"))),
        lines: (0..read.count("uplink.line")).map(line).collect(),
        share: if read.word("uplink.share") == "weight" { UplinkShare::Weight } else { UplinkShare::First },
        probe_interval: read.required("uplink.probe_interval"),
        probes_lost: read.required("uplink.probes_lost"),
        probes_answered: read.required("uplink.probes_answered"),
    }
}

fn scripts(read: &Read<'_>) -> Scripts {
    let key = |name: &str| format!("scripts.{name}");
    Scripts {
        session_up: read.optional(&key("session_up")),
        session_down: read.optional(&key("session_down")),
        guest_up: read.optional(&key("guest_up")),
        guest_down: read.optional(&key("guest_down")),
        uplink_up: read.optional(&key("uplink_up")),
        uplink_down: read.optional(&key("uplink_down")),
        up: read.optional(&key("up")),
        down: read.optional(&key("down")),
        timeout: read.required(&key("timeout")),
        at_once: read.required::<u32>(&key("at_once")) as usize,
    }
}

fn radius_tls(read: &Read<'_>, i: usize) -> RadiusTls {
    let path = |key: &str| format!("radius.server[{i}].{key}");
    let file = |key: &str| read.optional(&path(key)).unwrap_or_default();
    RadiusTls {
        port: read.port(&path("tls_port")),
        ca: file("ca_file"),
        certificate: file("certificate_file"),
        key: file("key_file"),
        server_name: read.optional(&path("server_name")),
        fingerprint: read.optional(&path("fingerprint")),
        version: match read.word(&path("version")).as_str() {
            "1.0" => RadiusVersion::V1_0,
            "1.1" => RadiusVersion::V1_1,
            _ => RadiusVersion::Auto,
        },
        dynamic_authorization: read.required(&path("dynamic_authorization")),
    }
}

/// `#rrggbb`, as in style sheets.
fn color(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && !digits.starts_with('+'))?;
    let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some([red, green, blue])
}

fn auth_method(word: &str) -> AuthMethod {
    match word {
        "radius" => AuthMethod::Radius,
        "local_users" => AuthMethod::LocalUsers,
        "vouchers" => AuthMethod::Vouchers,
        "click_through" => AuthMethod::ClickThrough,
        _ => AuthMethod::Local,
    }
}

fn log_level(word: &str) -> LogLevel {
    let all = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    all.into_iter().find(|l| l.as_str() == word).unwrap_or(LogLevel::Info)
}

impl Read<'_> {
    /// The value of a key that may be absent.
    fn optional<T: Held>(&self, path: &str) -> Option<T> {
        self.value(path).map(|v| T::of(v).expect("a key is asked for as the kind that the schema gives it"))
    }

    /// The value of a key that has a default.
    fn required<T: Held>(&self, path: &str) -> T {
        self.optional(path).expect("a key that is asked for like this has a default in the schema")
    }

    fn word(&self, path: &str) -> String {
        self.required(path)
    }

    fn unless_zero(&self, path: &str) -> Option<Duration> {
        self.optional(path).filter(|d: &Duration| !d.is_zero())
    }

    fn port(&self, path: &str) -> u16 {
        self.optional::<u32>(path).and_then(|p| p.try_into().ok()).unwrap_or(0)
    }
}

/// A type that a [`Value`] can hold.
trait Held: Sized {
    fn of(value: &Value) -> Option<Self>;
}

macro_rules! held {
    ($($type:ty: $kind:ident),* $(,)?) => {$(
        impl Held for $type {
            fn of(value: &Value) -> Option<Self> {
                if let Value::$kind(v) = value { Some(v.clone()) } else { None }
            }
        }
    )*};
}

held! {
    bool: Bool,
    u32: Int,
    Duration: Duration,
    BitRate: Rate,
    Octets: Octets,
    String: Text,
    Vec<String>: Words,
    Ipv4Addr: Address,
    Vec<Ipv4Addr>: Addresses,
    IpAddr: HostAddress,
    HostNetwork: HostNetwork,
    Network: Network,
    InterfaceAddress: InterfaceAddress,
    PathBuf: Path,
    [u8; 32]: Fingerprint,
    Secret: Secret,
    MacAddr: Mac,
    Vec<MacAddr>: Macs,
    Vec<GardenEntry>: GardenEntries,
    Vec<GardenDomain>: GardenDomains,
    Vec<DhcpOption>: DhcpOptions,
    Vec<UplinkProbe>: Probes,
}
