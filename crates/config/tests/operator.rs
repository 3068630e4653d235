//! What an operator gets for what is in the file.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use config::{
    AuthMethod, BitRate, Config, DhcpOption, GardenDomain, GardenHost, LogLevel, Network, Octets, Overrides,
    PasswordMethod, TunMode,
};

fn with_lan() -> Overrides {
    Overrides { lan: Some("eth1".to_owned()), ..Overrides::default() }
}

fn read(text: &str) -> Config {
    let loaded = Config::parse(text, "poblano.toml", &with_lan()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded.warnings, [], "no warning was expected");
    loaded.config
}

fn errors(text: &str) -> String {
    Config::parse(text, "poblano.toml", &with_lan()).expect_err("the file has mistakes").to_string()
}

fn warnings(text: &str) -> String {
    let loaded = Config::parse(text, "poblano.toml", &with_lan()).unwrap_or_else(|e| panic!("{e}"));
    loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn https_of_the_portal_needs_a_name_a_certificate_and_a_port_of_its_own() {
    let whole =
        "[portal.tls]\nname = \"Portal.Example.org\"\ncertificate_file = \"/dev/null\"\nkey_file = \"/dev/null\"\n";
    let url = |text: &str| {
        let loaded = Config::parse(text, "poblano.toml", &with_lan()).unwrap_or_else(|e| panic!("{e}"));
        loaded.config.portal.tls.map(|tls| tls.url())
    };
    assert_eq!(url(whole).as_deref(), Some("https://portal.example.org"));
    assert_eq!(url(&format!("{whole}port = 8443")).as_deref(), Some("https://portal.example.org:8443"));
    for (text, said) in [
        (format!("{whole}port = 3990"), "port 3990 has its own server"),
        (format!("{whole}port = 80"), "port 80 has its own server"),
        (whole.replace("key_file = \"/dev/null\"", ""), "needs key_file"),
        (whole.replace("name = \"Portal.Example.org\"", ""), "needs name"),
        (whole.replace("Portal", &["a"; 40].join(".aa")), "is longer than 128 octets"),
    ] {
        assert!(errors(&text).contains(said), "{text}\n{}", errors(&text));
    }
}

#[test]
fn guests_are_told_of_an_api_by_https_alone_and_nothing_stands_for_what_is_not_known() {
    let text = |uri: &str| format!("[dhcp]\ncaptive_portal = \"{uri}\"");
    let uri = "https://api.example.org/%{m}/%{M}/%{i}/%{n}/%{t}";
    assert_eq!(read(&text(uri)).dhcp.captive_portal.as_deref(), Some(uri));
    for (uri, said) in [
        ("http://api.example.org/", "use https"),
        ("https://api.example.org/%{s}", "another placeholder"),
        ("api.example.org", "no https address"),
    ] {
        assert!(errors(&text(uri)).contains(said), "{uri}: {}", errors(&text(uri)));
    }
}

#[test]
fn of_a_mistake_nothing_else_is_said_that_follows_from_it() {
    for (text, said) in [
        (
            "[portal.tls]\nname = \"10.85.0.1\"\ncertificate_file = \"/dev/null\"\nkey_file = \"/dev/null\"",
            "poblano.toml:2:8: [portal.tls].name: is \"10.85.0.1\"; write a DNS name",
        ),
        (
            "[[uplink.line]]\ninterface = \"eth0\"\n[[uplink.line]]\ninterface = \"eth0\"",
            "poblano.toml:4:13: [[uplink.line]].interface: eth0 is another line's too; each needs its own",
        ),
        (
            "[[lan.routed]]\nnetwork = \"10.9.0.0/16\"\nvia = \"10.85.15.254\"",
            "poblano.toml:1:1: [[lan.routed]].mac: is missing; write mac = \"02:00:5e:10:00:02\"",
        ),
        (
            "[[webhook]]\nurl = \"http://192.0.2.1/\"\nevents = []",
            "poblano.toml:3:10: [[webhook]].events: is empty; write one of \"lease\"",
        ),
        (
            "[[webhook]]\nurl = \"http://192.0.2.1/\"\nca_file = \"/dev/null\"",
            "poblano.toml:3:11: [[webhook]].ca_file: means nothing: the url is http",
        ),
    ] {
        let told = errors(text);
        assert!(told.starts_with(said) && told.lines().count() == 1, "{text}\n{told}");
    }
}

#[test]
fn operators_come_by_https_unless_nobody_is_on_the_way_or_the_file_says_so() {
    for (text, said) in [
        (
            "listen = \"192.0.2.1\"",
            "poblano.toml:2:10: [console].listen: at 192.0.2.1 passwords and tokens could be read",
        ),
        ("listen = \"127.0.0.1\"\n[console.tls]\nkey_file = \"/dev/null\"", "key_file: needs certificate_file; add it"),
    ] {
        let told = errors(&format!("[console]\n{text}"));
        assert!(told.contains(said) && told.lines().count() == 1, "{text}\n{told}");
    }
    let tls = "listen = \"192.0.2.1\"\n[console.tls]\ncertificate_file = \"/dev/null\"\nkey_file = \"/dev/null\"";
    for (text, url) in [
        (tls, "https://192.0.2.1:9378/"),
        ("listen = \"192.0.2.1\"\nplain_http = true", "http://192.0.2.1:9378/"),
        ("listen = \"::1\"", "http://[::1]:9378/"),
    ] {
        let loaded = Config::parse(&format!("[console]\n{text}"), "poblano.toml", &with_lan());
        assert_eq!(loaded.unwrap_or_else(|e| panic!("{e}")).config.console.url().as_deref(), Some(url));
    }
}

#[test]
fn what_has_no_effect_or_more_than_is_wanted_is_told() {
    for (text, said) in [
        (
            "[[uplink.line]]\ninterface = \"eth0\"\nweight = 3\n[[uplink.line]]\ninterface = \"eth2\"",
            "poblano.toml:3:10: [[uplink.line]].weight: has no effect without uplink.share = \"weight\"",
        ),
        (
            "[[dhcp.pool]]\nname = \"m\"\nfirst = \"10.85.0.2\"\nlast = \"10.85.15.254\"",
            "poblano.toml:3:9: [[dhcp.pool]].first: takes all addresses",
        ),
        (
            "[console]\nlisten = \"0.0.0.0\"\nplain_http = true",
            "poblano.toml:2:10: [console].listen: is each address of this machine",
        ),
        (
            "[mac_authentication]\nallow = [\"02:00:5e:10:00:01\"]\ndhcp = true",
            "poblano.toml:3:8: [mac_authentication].dhcp: has no effect: no lease waits",
        ),
        (
            "[mac_authentication]\nallow = [\"02:00:5e:10:00:01\"]\nrefused = \"drop\"",
            "poblano.toml:3:11: [mac_authentication].refused: has no effect: nobody is asked; add radius = true",
        ),
        (
            "[lan]\nuntagged = false\n[dhcp]\nrogue_probe = \"5m\"",
            "poblano.toml:4:15: [dhcp].rogue_probe: has no effect: it asks without a tag",
        ),
        (
            "[uplink]\nhttp_proxy_port = 3129",
            "poblano.toml:2:19: [uplink].http_proxy_port: has no effect: no proxy is named; add http_proxy",
        ),
        ("[console]", "poblano.toml:1:1: [console]: has no effect: nobody is answered; add listen"),
        ("[metrics]\nport = 99", "poblano.toml:1:1: [metrics]: has no effect: nobody is answered; add listen"),
        ("[[webhook]]\nurl = \"http://192.0.2.1/\"\nsecret = \"secret\"", "is a secret that stands in everybody's"),
    ] {
        let told = warnings(text);
        assert!(told.contains(said) && told.lines().count() == 1, "{text}\n{told}");
    }
}

#[test]
fn a_trunk_is_named_itself_where_nothing_without_a_tag_is_served() {
    let warnings = |interface: &str| {
        let text = format!("[lan]\nuntagged = false\ninterface = {interface}");
        let loaded = Config::parse(&text, "poblano.toml", &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
        loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for interface in ["\"eth1.20\"", "[\"eth1\", \"eth2.20\"]"] {
        let [told] = &warnings(interface)[..] else { panic!("{interface}") };
        assert!(
            told.starts_with("poblano.toml:2:12: [lan].untagged: nobody is served on the interface of a VLAN"),
            "{told}"
        );
    }
    assert_eq!(warnings("\"eth1\""), [""; 0]);
}

#[test]
fn addresses_for_who_does_not_ask_are_a_part_of_the_network_that_leaves_some_for_who_does() {
    let statics = |network: &str, more: &str| format!("[dhcp]\nstatic_addresses = {network:?}\n{more}");
    let pool = "[[dhcp.pool]]\nname = \"m\"\nfirst = \"10.85.7.9\"\nlast = \"10.85.8.1\"";
    for (text, said) in [
        (statics("10.86.0.0/24", ""), "10.86.0.0/24 is no part of lan.network 10.85.0.0/20"),
        (statics("10.85.0.0/20", ""), "10.85.0.0/20 is no part of lan.network 10.85.0.0/20"),
        (statics("10.85.8.0/24", pool), "has addresses of a [[dhcp.pool]] too"),
        (statics("10.85.8.0/24", "first = \"10.85.8.2\"\nlast = \"10.85.8.9\""), "who asks for a lease gets none"),
    ] {
        let told = errors(&text);
        assert!(told.contains("[dhcp].static_addresses: ") && told.contains(said), "{text}\n{told}");
    }
    let statics = read(&statics("10.85.8.0/24", "")).dhcp.static_addresses;
    assert_eq!(statics, Some(Network { address: Ipv4Addr::new(10, 85, 8, 0), prefix: 24 }));
}

#[test]
fn two_interfaces_on_the_command_line_are_configuration_enough() {
    let overrides = Overrides { lan: Some("eth1".to_owned()), uplink: Some("eth0".to_owned()), ..Overrides::default() };
    let loaded = Config::without_file(&overrides).expect("the defaults are consistent");
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert_eq!((config.lan.interface.as_str(), config.uplink.interface.as_deref()), ("eth1", Some("eth0")));
    assert_eq!(config.lan.network, Network { address: Ipv4Addr::new(10, 85, 0, 0), prefix: 20 });
    assert_eq!(config.lan.gateway, Ipv4Addr::new(10, 85, 0, 1));
    assert_eq!((config.dhcp.first, config.dhcp.last), (Ipv4Addr::new(10, 85, 0, 1), Ipv4Addr::new(10, 85, 15, 254)));
    assert_eq!(config.guests.max, 4093, "every host address but the gateway's");
    assert_eq!(config.dhcp.dns, [config.lan.gateway]);
    assert_eq!((config.dhcp.lease, config.dhcp.offline_lease), (Duration::from_secs(1800), Duration::from_secs(1800)));
    assert_eq!(config.auth.methods, [AuthMethod::Local]);
    assert_eq!(config.auth.accounts, Path::new("/var/lib/poblano/accounts"));
    assert_eq!(config.session.timeout, None);
    assert_eq!(config.session.idle_timeout, Some(Duration::from_secs(900)));
    assert_eq!((config.session.rate_up, config.session.rate_down), (None, None));
    assert!(config.uplink.masquerade);
}

#[test]
fn what_the_program_was_built_without_is_refused_where_the_file_has_it() {
    let overrides =
        Overrides { left_out: &["console.listen", "portal.templates", "retention.keep", "webhook"], ..with_lan() };
    let told =
        |text: &str| Config::parse(text, "poblano.toml", &overrides).map_err(|errors| errors.to_string()).map(drop);
    let console = told("[console]\nlisten = \"127.0.0.1\"").expect_err("there is no console");
    assert!(
        console.starts_with("poblano.toml:2:10: [console].listen: this program was built for routers"),
        "{console}"
    );
    assert!(console.contains("poblano-full") && console.lines().count() == 1, "{console}");
    let webhook = told("\n[[webhook]]\nurl = \"http://192.0.2.1/\"").expect_err("there are no webhooks");
    assert!(webhook.starts_with("poblano.toml:2:1: [[webhook]]: this program was built"), "{webhook}");
    let templates = told("[portal]\ntemplates = \"/etc/poblano/templates\"").expect_err("there are no templates");
    assert!(
        templates.starts_with("poblano.toml:2:13: [portal].templates: this program was built for routers"),
        "{templates}"
    );
    assert_eq!(told("[console]\n[metrics]\nlisten = \"127.0.0.1\""), Ok(()));
    assert_eq!(told(&config::sample()), Ok(()), "the sample is every program's");
}

#[test]
fn without_an_interface_for_guests_nothing_starts() {
    let errors = Config::without_file(&Overrides::default()).expect_err("there is no LAN").to_string();
    assert_eq!(
        errors,
        "(no configuration file): [lan].interface: is missing; write interface = \"eth1\" there, or start with --lan eth1"
    );
}

#[test]
fn the_command_line_goes_over_the_file() {
    let text = "[lan]\ninterface = \"eth7\"\n[uplink]\ninterface = \"eth1\"";
    let overrides = Overrides { lan: Some("eth1".to_owned()), uplink: Some("eth0".to_owned()), ..Overrides::default() };
    let config = Config::parse(text, "poblano.toml", &overrides).expect("what the file says does not count").config;
    assert_eq!((config.lan.interface.as_str(), config.uplink.interface.as_deref()), ("eth1", Some("eth0")));

    let overrides = Overrides { lan: Some("an interface".to_owned()), ..Overrides::default() };
    let errors = Config::parse(text, "poblano.toml", &overrides).expect_err("a name with a space").to_string();
    assert!(errors.starts_with("command line: --lan: \"an interface\" cannot be an interface; "), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn every_section_can_be_set() {
    let config = read(
        r#"
        [lan]
        interface = "br-guest"   # --lan eth1 goes over it
        network = "172.20.0.0/16"
        gateway = "172.20.255.254"
        [uplink]
        interface = "eth0"
        address = "198.51.100.7/32"
        gateway = "192.0.2.1"
        masquerade = false
        [tun]
        name = "guests0"
        mode = "tap"
        mtu = 1_400
        [guests]
        max = 500
        [dhcp]
        first = "172.20.1.0"
        last = "172.20.1.255"
        lease = "1h30m"
        offline_lease = "5m"
        host_routes = true
        domain = "Guests.Example.org"
        dns = ["172.20.255.254", "192.0.2.53"]
        ntp = ["192.0.2.123"]
        conflict_probe = false
        options = [{ code = 150, ip = "192.0.2.5" }]
        [[dhcp.host]]
        mac = "02-00-5E-10-00-01"
        address = "172.20.7.7"
        hostname = "printer"
        filename = "pxelinux.0"
        next_server = "172.20.7.1"
        root_path = "/srv/root"
        options = [{ code = 43, hex = "0104" }]
        [dns]
        resolvers = ["127.0.0.53", "192.0.2.53"]
        name = "login.example.org"
        queries_per_second = 50
        [portal]
        port = 8080
        title = "Café"
        terms = """
be kind"""
        [garden]
        allow = ["203.0.113.0/24", "Example.org"]
        domains = [".cdn.example"]
        [auth]
        method = ["radius", "local"]
        accounts = "/etc/poblano/accounts"
        [session]
        timeout = "8h"
        idle_timeout = "0"
        interim = "1m"
        rate_up = "512k"
        rate_down = "10M"
        quota_up = "500MB"
        quota_down = "2GB"
        quota_total = "0"
        outage = "10m"
        [radius]
        nas_identifier = "lobby"
        nas_ip = "198.51.100.7"
        method = "chap"
        timeout = "2s"
        tries = 4
        dead_time = "0"
        unreachable = "deny"
        [[radius.server]]
        address = "192.0.2.20"
        secret = "0123456789abcdef"
        [[radius.server]]
        address = "2001:db8::20"
        auth_port = 1645
        acct_port = 1646
        secret = "fedcba9876543210"
        priority = 1
        status_server = true
        [radius.dynamic_authorization]
        listen = "198.51.100.7"
        port = 1700
        [[radius.dynamic_authorization.client]]
        address = "2001:db8::/64"
        secret = "00112233445566778899"
        window = "1m"
        [radius.proxy]
        listen = "198.51.100.7"
        port = 1645
        accounting_port = 1646
        [[radius.proxy.client]]
        address = "198.51.100.40"
        secret = "aabbccddeeff00112233"
        vlan = 20
        [state]
        directory = "/data/poblano"
        [control]
        socket = "/run/hotspot.sock"
        [log]
        level = "debug"
        "#,
    );
    assert_eq!(config.lan.interface, "eth1");
    assert_eq!(config.lan.gateway, Ipv4Addr::new(172, 20, 255, 254));
    assert!(!config.uplink.masquerade);
    assert_eq!(config.uplink.address.map(|a| a.to_string()).as_deref(), Some("198.51.100.7/32"));
    assert_eq!(config.uplink.gateway, Some(Ipv4Addr::new(192, 0, 2, 1)), "outside the /32, as rented servers have it");
    assert_eq!((config.tun.name.as_str(), config.tun.mode, config.tun.mtu), ("guests0", TunMode::Tap, Some(1400)));
    assert_eq!(config.guests.max, 500);
    assert_eq!(config.dhcp.lease, Duration::from_secs(5400));
    assert_eq!(config.dhcp.offline_lease, Duration::from_secs(300));
    assert!(config.dhcp.host_routes && !config.dhcp.conflict_probe);
    assert_eq!(config.dhcp.domain.as_deref(), Some("guests.example.org"));
    assert_eq!((config.dhcp.dns.len(), config.dhcp.ntp.len()), (2, 1));
    assert_eq!(config.dhcp.options, [DhcpOption { code: 150, data: vec![192, 0, 2, 5] }]);
    let host = &config.dhcp.hosts[0];
    assert_eq!(
        (host.mac.to_string().as_str(), host.address),
        ("02:00:5e:10:00:01", Some(Ipv4Addr::new(172, 20, 7, 7)))
    );
    assert_eq!((host.hostname.as_deref(), host.filename.as_deref()), (Some("printer"), Some("pxelinux.0")));
    assert_eq!((host.next_server, host.root_path.as_deref()), (Some(Ipv4Addr::new(172, 20, 7, 1)), Some("/srv/root")));
    assert_eq!(host.options, [DhcpOption { code: 43, data: vec![1, 4] }]);
    assert_eq!((config.dns.resolvers.len(), config.dns.name.as_str()), (2, "login.example.org"));
    assert_eq!(config.dns.queries_per_second, 50);
    assert_eq!(
        (config.portal.port, config.portal.title.as_str(), config.portal.terms.as_str()),
        (8080, "Café", "be kind")
    );
    assert_eq!(config.garden.allow[1].host, GardenHost::Name("example.org".to_owned()));
    assert_eq!(config.garden.domains, [GardenDomain { name: "cdn.example".to_owned(), below_only: true }]);
    assert_eq!(config.auth.methods, [AuthMethod::Radius, AuthMethod::Local]);
    assert_eq!(config.auth.accounts, Path::new("/etc/poblano/accounts"));
    assert_eq!((config.session.timeout, config.session.idle_timeout), (Some(Duration::from_secs(28_800)), None));
    assert_eq!(config.session.interim, Some(Duration::from_secs(60)));
    assert_eq!((config.session.rate_up, config.session.rate_down), (Some(BitRate(512_000)), Some(BitRate(10_000_000))));
    assert_eq!(
        (config.session.quota_up, config.session.quota_down),
        (Some(Octets(500_000_000)), Some(Octets(2_000_000_000)))
    );
    assert_eq!((config.session.quota_total, config.session.outage), (None, Some(Duration::from_secs(600))));
    assert_eq!((config.radius.nas_identifier.as_str(), config.radius.method), ("lobby", PasswordMethod::Chap));
    assert_eq!((config.radius.timeout, config.radius.tries), (Duration::from_secs(2), 4));
    assert_eq!((config.radius.dead_time, config.radius.admit_unreachable), (Duration::ZERO, None));
    let [first, second] = &config.radius.servers[..] else { panic!("two servers were written") };
    assert_eq!((first.auth_port, first.acct_port, first.secret.expose()), (1812, 1813, &b"0123456789abcdef"[..]));
    assert!(first.require_message_authenticator && first.secret_in_config);
    assert_eq!((first.priority, second.priority), (1, 1), "they share the logins");
    assert!(second.status_server && !first.status_server);
    assert_eq!(second.address, "2001:db8::20".parse::<IpAddr>().expect("an address"));
    assert_eq!((second.auth_port, second.acct_port), (1645, 1646));
    let dynamic = &config.radius.dynamic_authorization;
    assert_eq!((dynamic.listen, dynamic.port), (IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)), 1700));
    let [client] = &dynamic.clients[..] else { panic!("one client was written") };
    assert_eq!((client.address.to_string(), client.window), ("2001:db8::/64".into(), Some(Duration::from_secs(60))));
    assert_eq!(client.secret.expose(), b"00112233445566778899");
    assert!(client.require_message_authenticator && client.require_event_timestamp && client.secret_in_config);
    let proxy = &config.radius.proxy;
    assert_eq!((proxy.listen, proxy.port, proxy.accounting_port), (dynamic.listen, 1645, 1646));
    let [client] = &proxy.clients[..] else { panic!("one access point was written") };
    assert_eq!((client.address.to_string().as_str(), client.vlan), ("198.51.100.40/32", Some(20)));
    assert_eq!(client.secret.expose(), b"aabbccddeeff00112233");
    assert!(client.require_message_authenticator && client.secret_in_config);
    assert_eq!(config.state.directory, Path::new("/data/poblano"));
    assert_eq!(config.control.socket, Path::new("/run/hotspot.sock"));
    assert_eq!(config.log.level, LogLevel::Debug);
    assert!(!format!("{config:?}").contains("0123456789abcdef"), "a dump shows no secret");
}

#[test]
fn ten_mistakes_are_told_in_one_go() {
    let text = include_str!("golden/ten-mistakes.toml");
    let told = Config::parse(text, "poblano.toml", &Overrides::default()).expect_err("ten mistakes");
    let told = [told.problems, told.warnings].concat().iter().map(|p| format!("{p}\n")).collect::<String>();
    assert_eq!(told, include_str!("golden/ten-mistakes.txt"), "got:\n{told}");
}

#[test]
fn a_file_that_is_not_toml_is_told_where_and_the_rest_is_still_read() {
    let errors = errors("[lan]\nnetwork = \n[dhcp]\nleese = \"1h\"\nfirst = \"10.85.0.9\n");
    let lines: Vec<_> = errors.lines().collect();
    assert!(lines[0].starts_with("poblano.toml:2:11: not TOML: "), "{errors}");
    assert_eq!(lines[1], "poblano.toml:4:1: [dhcp].leese: unknown key; did you mean lease?");
    assert!(lines[2].starts_with("poblano.toml:5:") && lines[2].contains("not TOML"), "{errors}");
    assert_eq!(lines.len(), 3, "{errors}");
}

#[test]
fn every_wrong_entry_of_a_list_is_told() {
    let text = "[lan]\ninterface = \"eth1\"\n[garden]\nallow = [\"*.example.org\", \"192.0.2.7\", \"203.0.113.9/24\"]";
    let errors = Config::parse(text, "poblano.toml", &Overrides::default()).expect_err("two entries are wrong");
    let told = errors.to_string();
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.contains("poblano.toml:4:10: ") && told.contains("poblano.toml:4:40: "), "{told}");
}

#[test]
fn a_key_without_the_one_that_it_belongs_to_is_told() {
    let told =
        warnings("[lan]\ninterface = \"eth1\"\n[mac_authentication]\nbefore_lease = true\n[metrics]\nport = 9400\n");
    assert!(told.contains(":4:16: [mac_authentication].before_lease: has no effect"), "{told}");
    assert!(told.contains(":5:1: [metrics]: has no effect"), "{told}");
}

#[test]
fn a_key_in_the_wrong_place_is_sent_where_it_belongs() {
    assert_eq!(
        errors(
            "lease = \"1h\"\n[lan]\nrate_up = \"1M\"\n[dhpc]\nlease = \"1h\"\n[dhcp]\nhosts = [{ mac = \"02:00:5e:10:00:01\" }]"
        ),
        "poblano.toml:1:1: lease: a key outside of any section; put it under [dhcp]\n\
         poblano.toml:3:1: [lan].rate_up: unknown key; it belongs under [session]\n\
         poblano.toml:4:2: [dhpc]: unknown section; did you mean [dhcp]?\n\
         poblano.toml:7:1: [dhcp].hosts: unknown key; did you mean [[dhcp.host]]?"
    );
    assert_eq!(
        errors(
            "[dhcp]\nuamanyip = true\n[radius.administrative]\npassword = \"p\"\n[zones.staff.lan]\ninterface = \"eth2\""
        ),
        "poblano.toml:2:1: [dhcp].uamanyip: unknown key; it is CoovaChilli's; here it is dhcp.any_address\n\
         poblano.toml:4:1: [radius.administrative].password: unknown key; [radius.administrative] has user, secret, \
         secret_file, interval; [mac_authentication] has this one\n\
         poblano.toml:5:2: [zones]: unknown section; did you mean [zone.NAME.lan] and so on?"
    );
    assert_eq!(
        errors("[dhcp.host]\nmac = \"02:00:5e:10:00:01\"\n"),
        "poblano.toml:1:1: [[dhcp.host]]: is a table; write [[dhcp.host]], in two pairs of brackets, which may stand again"
    );
    let server = "[radius.server]\naddress = \"192.0.2.1\"\nsecret = \"0123456789abcdef\"\n[auth]\nmethod = \"radius\"";
    assert!(errors(server).starts_with("poblano.toml:1:1: [[radius.server]]: is a table; write [[radius.server]]"));
    let uplinks = "[[uplink]]\ninterface = \"eth0\"\n[[uplink]]\ninterface = \"wwan0\"";
    assert_eq!(
        errors(uplinks),
        "poblano.toml:1:1: [uplink]: is a list; write [uplink] once; what may stand again is [[uplink.line]]"
    );
    assert_eq!(
        errors(
            "[radius]\nfrobnicate = 1\n[[radius.server]]\naddress = \"192.0.2.1:1812\"\nsecret = \"0123456789abcdef\"\nport = \
             1812\n[[radius.server]]\naddress = \"radius.example.org\"\nsecret = \"0123456789abcdef\""
        ),
        "poblano.toml:2:1: [radius].frobnicate: unknown key; [radius] has nas_identifier, nas_ip, called_station_id, \
         nas_port_type, method, timeout, tries, dead_time, unknown_policy, unreachable, server, dynamic_authorization, administrative, proxy\n\
         poblano.toml:4:11: [[radius.server]].address: \"192.0.2.1:1812\" has a port; write the address alone, and the port \
         into its own key (port or ..._port)\n\
         poblano.toml:6:1: [[radius.server]].port: unknown key; there are auth_port, acct_port, tls_port\n\
         poblano.toml:8:11: [[radius.server]].address: is \"radius.example.org\"; write an IPv4 or IPv6 address; names are \
         not looked up"
    );
    assert_eq!(
        errors("dhcp = 5"),
        "poblano.toml:1:8: [dhcp]: is 5; write [dhcp] once; what may stand again is [[dhcp.host]], [[dhcp.pool]]"
    );
}

/// A second `[[dhcp.pool]]`.
fn beside_a_pool(name: &str, first: &str, last: &str) -> String {
    let pool = |name: &str, first: &str, last: &str| {
        format!("[[dhcp.pool]]\nname = {name:?}\nfirst = {first:?}\nlast = {last:?}\n")
    };
    pool("base", "10.85.1.20", "10.85.1.29") + &pool(name, first, last)
}

#[test]
fn two_uplinks_need_an_interface_each_and_nothing_else() {
    let text = "[[uplink.line]]\ninterface = \"eth0\"\n[[uplink.line]]\ninterface = \"wwan0\"\nweight = 3\n";
    let uplink = Config::parse(text, "poblano.toml", &with_lan()).unwrap_or_else(|e| panic!("{e}")).config.uplink;
    let told: Vec<_> = uplink.lines.iter().map(|line| (&*line.name, line.weight, &line.gateway, &line.probe)).collect();
    assert_eq!(told, [("eth0", 1, &None, &None), ("wwan0", 3, &None, &None)]);
    assert_eq!((uplink.share, uplink.probes_lost, uplink.masquerade), (config::UplinkShare::First, 2, true));
}

#[test]
fn several_interfaces_for_guests_are_one_network_and_are_named_by_what_they_become() {
    let lan = |text: &str| {
        let loaded = Config::parse(text, "poblano.toml", &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
        let lan = loaded.config.lan;
        (lan.named().to_vec(), lan.interface, lan.ports)
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let both = names(&["eth1", "wlan0"]);
    let several = lan("[lan]\ninterface = [\"eth1\", \"wlan0\"]");
    assert_eq!(several, (both.clone(), "poblano-lan".to_owned(), both.clone()));
    assert_eq!(lan("config lan\n\tlist interface 'eth1'\n\tlist interface 'wlan0'\n"), several);
    assert_eq!(lan("config lan\n\toption interface 'eth1 wlan0'\n"), several);
    let zone = lan("[zone.guests-0123.lan]\ninterface = [\"eth1\", \"wlan0\"]\nnetwork = \"10.85.0.0/20\"");
    assert_eq!(zone, (both.clone(), "pbl-guests-0123".to_owned(), both));
    assert_eq!(lan("[lan]\ninterface = [\"eth1\"]"), (names(&["eth1"]), "eth1".to_owned(), vec![]));
}

#[test]
fn what_cannot_be_several_interfaces_of_guests_is_told_with_its_place() {
    for (list, told) in [
        ("[]", "poblano.toml:2:13: [lan].interface: is empty; write the name of an interface"),
        ("[\"eth1\", 5]", "poblano.toml:2:22: [lan].interface: is 5; write the name of an interface"),
        ("[\"eth1\", \"eth 2\"]", "poblano.toml:2:22: [lan].interface: \"eth 2\" cannot be an interface"),
        ("[\"eth1\", \"eth2\", \"eth1\"]", "poblano.toml:2:30: [lan].interface: eth1 stands twice; leave one out"),
        ("[\"eth1\", \"eth1.7\"]", "[lan].interface: eth1.7 and eth1 are one cable, and eth1 has all its VLANs"),
        ("[\"eth1\", \"poblano0\"]", "[tun].name: poblano0 is also the LAN or the uplink"),
        ("[\"eth1\", \"poblano-lan\"]", "poblano-lan is what the gateway makes of them itself; leave it out"),
        (
            "[\"eth2\", \"eth3\"]\n[uplink]\ninterface = \"eth3\"",
            "poblano.toml:2:13: [lan].interface: eth3 is also uplink.interface",
        ),
        (
            "[\"eth1\", \"eth2\"]\n[[uplink.line]]\ninterface = \"eth2\"",
            "poblano.toml:4:13: [[uplink.line]].interface: eth2 is also lan.interface",
        ),
        ("[\"eth1\", \"eth2\"]\ninterfaces = [\"eth3\"]", "[lan].interfaces: unknown key; did you mean interface?"),
    ] {
        let text = format!("[lan]\ninterface = {list}");
        let errors = Config::parse(&text, "poblano.toml", &Overrides::default()).unwrap_err().to_string();
        assert!(errors.contains(told), "{text}\n{errors}");
    }
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    for (text, told) in [
        ("[uplink]\ninterface = \"eth1\"", "[lan].interface: eth1 is also uplink.interface"),
        ("[tun]\nname = \"eth1\"", "poblano.toml:2:8: [tun].name: eth1 is also the LAN"),
        ("[tun]\nmode = \"tap\"\n[offload]\nmode = \"on\"", "poblano.toml:4:8: [offload].mode: \"on\" needs tun.mode"),
        (
            "[lan]\nnetwork = \"10.0.0.1/24\"",
            "poblano.toml:2:11: [lan].network: 10.0.0.1/24 has host bits set; write \"10.0.0.0/24\"",
        ),
        ("[lan]\nnetwork = \"224.0.0.0/8\"", "is not for hosts"),
        ("[lan]\nnetwork = \"10.0.0.0/31\"", "an IPv4 network, /8 to /30"),
        (
            "[lan]\ngateway = \"10.85.15.255\"",
            "is no host of lan.network 10.85.0.0/20; choose one from 10.85.0.1 to 10.85.15.254",
        ),
        ("[uplink]\ngateway = \"192.0.2.1\"", "needs uplink.address too"),
        ("[uplink]\nhttp_proxy = \"10.85.0.1\"", "poblano.toml:2:14: [uplink].http_proxy: 10.85.0.1 cannot be a proxy"),
        ("[uplink]\nhttp_proxy = \"127.0.0.1\"", "127.0.0.1 cannot be a proxy for guests"),
        (
            "[uplink]\nhttp_proxy = \"10.90.0.9\"\n[[lan.routed]]\nnetwork = \"10.90.0.0/24\"\nvia = \"10.85.0.9\"\n\
             mac = \"02:00:5e:10:00:01\"\n[dhcp]\nfirst = \"10.85.1.0\"",
            "10.90.0.9 cannot be a proxy for guests",
        ),
        (
            "[uplink]\nhttp_proxy = \"192.0.2.8\"\n[garden]\nallow = [\"192.0.2.0/24:3128\"]",
            "[garden].allow: 192.0.2.0/24:3128 has the proxy in it (uplink.http_proxy)",
        ),
        (
            "[lan]\nuntagged = false\n[[lan.routed]]\nnetwork = \"10.9.0.0/16\"\nvia = \"10.85.0.2\"\nmac = \"02:00:5e:10:00:02\"\n\
             [dhcp]\nfirst = \"10.85.1.0\"",
            "vlan: is 0, but what has no tag is not heard; write the VLAN",
        ),
        ("[uplink]\naddress = \"192.0.2.1/24\"", "needs uplink.interface or --uplink"),
        ("[uplink]\ninterface = \"eth0\"\naddress = \"10.85.1.1/24\"", "overlaps lan.network"),
        (
            "[uplink]\ninterface = \"eth0\"\n[[uplink.line]]\ninterface = \"eth2\"",
            "poblano.toml:2:13: [uplink].interface: means nothing beside [[uplink.line]]",
        ),
        (
            "[[uplink.line]]\ninterface = \"eth1\"",
            "poblano.toml:2:13: [[uplink.line]].interface: eth1 is also lan.interface",
        ),
        (
            "[[uplink.line]]\ninterface = \"eth0\"\n[[uplink.line]]\ninterface = \"eth0\"\nname = \"b\"",
            "poblano.toml:4:13: [[uplink.line]].interface: eth0 is another line's too",
        ),
        (
            "[[uplink.line]]\ninterface = \"eth0\"\n[[uplink.line]]\ninterface = \"eth2\"\nname = \"eth0\"",
            "poblano.toml:5:8: [[uplink.line]].name: eth0 is another line's name too",
        ),
        ("[[uplink.line]]\ninterface = \"eth0\"\nname = \"a b\"", "[[uplink.line]].name: \"a b\" is no name"),
        ("[[uplink.line]]\nname = \"a\"", "poblano.toml:1:1: [[uplink.line]].interface: is missing"),
        (
            "[[uplink.line]]\ninterface = \"eth0\"\nprobe = [\"192.0.2.1\", \"udp:192.0.2.1\"]",
            "poblano.toml:3:23: [[uplink.line]].probe: is \"udp:192.0.2.1\"; write \"192.0.2.1\"",
        ),
        ("[[uplink.line]]\ninterface = \"eth0\"\nprobe = []", "[[uplink.line]].probe: is empty; leave it out"),
        (
            "[[uplink.line]]\ninterface = \"eth0\"\nprobe = [\"10.85.0.9\"]",
            "[[uplink.line]].probe: 10.85.0.9 is nobody behind the uplink",
        ),
        (
            "[[uplink.line]]\ninterface = \"eth0\"\ngateway = \"10.85.0.9\"",
            "[[uplink.line]].gateway: 10.85.0.9 cannot be a router on the uplink",
        ),
        ("[dhcp]\nlast = \"10.86.0.1\"", "[dhcp].last: 10.86.0.1 is no host of lan.network"),
        (
            "[dhcp]\nfirst = \"10.85.0.9\"\nlast = \"10.85.0.8\"",
            "[dhcp].first: 10.85.0.9 comes after dhcp.last 10.85.0.8; swap them",
        ),
        ("[dhcp]\nlast = \"10.85.0.1\"", "only the gateway's own address"),
        ("[dhcp]\noptions = [{ code = 43, hex = \"01\" }, { code = 43, hex = \"02\" }]", "option 43 stands twice"),
        (&beside_a_pool("", "10.85.1.1", "10.85.1.9"), "is empty; write what"),
        (&beside_a_pool("base", "10.85.1.1", "10.85.1.9"), "\"base\" stands twice"),
        (&beside_a_pool("b", "10.85.1.9", "10.85.1.25"), "has addresses of \"base\" too"),
        (&beside_a_pool("b", "10.85.1.9", "10.85.1.1"), "10.85.1.9 comes after its last 10.85.1.1"),
        (&beside_a_pool("b", "10.85.1.30", "10.86.1.1"), "[[dhcp.pool]].last: 10.86.1.1 is no host of lan.network"),
        ("[dhcp]\noptions = [{ code = 3, ip = \"10.85.0.2\" }]", "it follows from lan.gateway"),
        ("[[dhcp.host]]\naddress = \"10.85.0.5\"", "poblano.toml:1:1: [[dhcp.host]].mac: is missing; write mac = "),
        ("[[dhcp.host]]\nmac = \"01:00:5e:00:00:01\"", "is no single device's address"),
        ("[[dhcp.host]]\nmac = \"02:00:00:00:00:01\"\naddress = \"10.85.0.1\"", "is the gateway's own"),
        ("[[dhcp.host]]\nmac = \"02:00:00:00:00:01\"\naddress = \"10.9.0.1\"", "choose one inside"),
        ("[dns]\nresolvers = [\"10.85.0.1\"]", "would ask itself"),
        ("[dns]\nresolvers = [\"10.85.0.2\"]", "in the guests' network"),
        ("[dns]\nresolvers = [\"0.0.0.0\"]", "cannot be a resolver"),
        ("[dns]\nresolvers = [\"192.0.2.1\", 5]", "poblano.toml:2:27: [dns].resolvers: is 5; write an IPv4 address"),
        ("[portal]\nport = 53", "DNS or DHCP server"),
        ("[portal]\nport = 0", "a whole number, 1 to 65535"),
        ("[garden]\nallow = [\"0.0.0.0/0\"]", "nobody would have to log in"),
        ("[garden]\nallow = [\"10.85.3.0/24\"]", "the guests' own network"),
        ("[auth]\nmethod = \"radius\"", "poblano.toml:2:10: [auth].method: has \"radius\", but there is no server"),
        ("[auth]\nmethod = [\"local\", \"local\"]", "stands twice"),
        ("[auth]\nmethod = []", "is empty; write one of"),
        ("[[radius.server]]\naddress = \"192.0.2.1\"", "poblano.toml:1:1: [[radius.server]]: has no secret"),
        ("[[radius.server]]\naddress = \"10.85.0.9\"\nsecret = \"0123456789abcdef\"", "in the guests' network"),
        (
            "[[radius.server]]\naddress = \"192.0.2.1\"\nacct_port = 1812\nsecret = \"0123456789abcdef\"",
            "is auth_port too",
        ),
        (
            "[[radius.server]]\naddress = \"192.0.2.1\"\nsecret_file = \"/nowhere/secret\"",
            "cannot read /nowhere/secret: ",
        ),
        ("[[radius.server]]\naddress = \"192.0.2.1\"\nsecret = \"\"", "is not a secret; write text"),
        (
            "[[radius.dynamic_authorization.client]]\naddress = \"192.0.2.1\"",
            "poblano.toml:1:1: [[radius.dynamic_authorization.client]]: has no secret",
        ),
        (
            "[[radius.dynamic_authorization.client]]\nsecret = \"0123456789abcdef\"",
            "[[radius.dynamic_authorization.client]].address: is missing; write address = \"192.0.2.20\"",
        ),
        (
            "[[radius.dynamic_authorization.client]]\naddress = \"192.0.2.1/24\"\nsecret = \"0123456789abcdef\"",
            "192.0.2.1/24 has host bits set; write \"192.0.2.0/24\"",
        ),
        (
            "[[radius.dynamic_authorization.client]]\naddress = \"10.85.0.0/24\"\nsecret = \"0123456789abcdef\"",
            "in the guests' network",
        ),
        ("[radius.dynamic_authorization]\nlisten = \"10.85.0.1\"", "which servers do not reach"),
        (
            "[radius.dynamic_authorization]\nprot = 3799",
            "poblano.toml:2:1: [radius.dynamic_authorization].prot: unknown",
        ),
        ("[radius.dynamic_authorisation]\nport = 3799", "did you mean [radius.dynamic_authorization]?"),
        ("[radius]\ndynamic_authorization = 3799", "is 3799; write [radius.dynamic_authorization] once"),
        (
            "[[radius.proxy.client]]\naddress = \"192.0.2.40\"\nsecret = \"0123456789abcdef\"",
            "poblano.toml:1:1: [[radius.proxy.client]]: has no server to ask",
        ),
        (
            "[radius.administrative]\nuser = \"gateway-7\"\nsecret = \"0123456789abcdef\"",
            "[radius.administrative].user: has no server to ask",
        ),
        (
            "[radius.administrative]\nuser = \"gateway-7\"\nsecret = \"0123456789abcdef\"\n[[radius.server]]\naddress = \
             \"192.0.2.1\"\nsecret = \"0123456789abcdef\"\nrequire_message_authenticator = false",
            "needs answers that nobody can forge",
        ),
        ("[radius.administrative]\nsecret = \"0123456789abcdef\"", "means nothing without radius.administrative.user"),
        ("[radius.proxy]\nlisten = \"10.85.0.1\"", "from which no request is taken"),
        ("[radius.proxy]\naccounting_port = 1812", "is radius.proxy.port too"),
        ("[session]\ninterim = \"10s\"", "\"0\" or \"1m\" to \"1d\""),
        ("[session]\nrate_up = \"1k\"", "from \"8k\""),
        ("[session]\nquota_up = \"500M\"", "is \"500M\"; write an amount of data such as \"500MB\""),
        ("[session]\nquota_total = \"1kB\"", "from \"100kB\""),
        ("[state]\ndirectory = \"state\"", "an absolute path"),
        ("[tun]\nname = \"a-name-that-is-too-long\"", "1 to 15"),
        ("[log]\nlevel = \"verbose\"", "\"verbose\" is not known; write one of error, warn"),
        ("[log]\nlevel = \"wran\"", "did you mean \"warn\"?"),
    ] {
        let errors = errors(text);
        assert!(errors.contains(told), "{text}\nwas told: {errors}");
        assert_eq!(errors.lines().count(), 1, "{text}\nwas told more: {errors}");
    }
}

#[test]
fn what_is_unwise_is_warned_of_and_works() {
    let server = "[auth]\nmethod = \"radius\"\n[[radius.server]]\naddress = \"192.0.2.1\"\n";
    let client =
        "[[radius.dynamic_authorization.client]]\naddress = \"192.0.2.1\"\nsecret = \"0123456789abcdef\"\n".to_owned();
    let proxied =
        format!("{server}secret = \"0123456789abcdef\"\n{}", client.replace("dynamic_authorization", "proxy"));
    for (text, told) in [
        (format!("{proxied}require_message_authenticator = false"), "can change its requests"),
        (
            proxied.replace("proxy.client]]\naddress = \"192.0.2.1\"", "proxy.client]]\naddress = \"0.0.0.0/0\""),
            "name the access points",
        ),
        (
            format!("{server}secret = \"testing123\""),
            "poblano.toml:5:10: [[radius.server]].secret: is a secret that stands in everybody's manual",
        ),
        (format!("{server}secret = \"k9vQ2xw\""), "shorter than 16 octets"),
        (format!("{server}secret = \"0123456789abcdef\"\nrequire_message_authenticator = false"), "CVE-2024-3596"),
        (
            "[[radius.server]]\naddress = \"192.0.2.1\"\nsecret = \"0123456789abcdef\"".to_owned(),
            "is asked for accounting only",
        ),
        (format!("{client}window = \"0\""), "a request that somebody has recorded"),
        (format!("{client}require_event_timestamp = false"), "a request that somebody has recorded"),
        (format!("{client}require_message_authenticator = false"), "can be forged"),
        (client.replace("192.0.2.1", "0.0.0.0/0"), "is nearly everybody"),
        (
            format!("[radius]\nunreachable = \"admit 30m\"\n{server}secret = \"0123456789abcdef\""),
            "servers, or has a name to which they stay silent while nobody else logs in",
        ),
        ("[lan]\nnetwork = \"8.8.8.0/24\"".to_owned(), "is not private"),
        ("[dhcp]\ndns = [\"192.0.2.53\"]".to_owned(), "no login page"),
        ("[dhcp]\noffline_lease = \"2h\"".to_owned(), "is longer than dhcp.lease"),
        ("[dns]\nname = \"wifi\"".to_owned(), "has no dot"),
        ("[garden]\nallow = [\"64.0.0.0/4\"]".to_owned(), "268 million addresses"),
        ("[session]\ntimeout = \"10m\"\nidle_timeout = \"10m\"".to_owned(), "never comes to it"),
    ] {
        let warnings = warnings(&text);
        assert!(warnings.contains(told), "{text}\nwas told: {warnings}");
        assert_eq!(warnings.lines().count(), 1, "{text}\nwas told more: {warnings}");
    }
    let admits = "[radius]\nunreachable = \"admit 30m\"\n";
    let asked = warnings(&format!("{admits}{server}secret = \"0123456789abcdef\"\nstatus_server = true"));
    assert!(asked.contains("cut this gateway off") && !asked.contains("silent"), "{asked}");
}

#[test]
fn a_secret_may_lie_in_a_file_beside_the_configuration() {
    let folder = std::env::temp_dir().join(format!("poblano-config-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    use std::os::unix::fs::PermissionsExt;
    let set_mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("our own file");
    };
    let secret = folder.join("radius.secret");
    std::fs::write(&secret, "correct horse battery\nsecond line\n").expect("writable");
    set_mode(&secret, 0o600);
    let path = folder.join("poblano.toml");
    let text = "[lan]\ninterface = \"eth1\"\n[auth]\nmethod = \"radius\"\n[[radius.server]]\naddress = \"192.0.2.1\"\nsecret_file = \"radius.secret\"";
    std::fs::write(&path, text).expect("writable");
    let loaded = Config::load(&path, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded.config.radius.servers[0].secret.expose(), b"correct horse battery");
    assert_eq!(loaded.warnings, []);

    set_mode(&secret, 0o644);
    let loaded = Config::load(&path, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    assert!(loaded.warnings[0].to_string().ends_with("radius.secret can be read by every user; chmod 600 it"));

    std::fs::write(&path, text.replace("secret_file = \"radius.secret\"", "secret = \"correct horse battery\""))
        .expect("writable");
    set_mode(&path, 0o644);
    let loaded = Config::load(&path, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    assert!(loaded.warnings[0].to_string().contains("chmod 600"), "{:?}", loaded.warnings);
    std::fs::remove_dir_all(&folder).expect("our own folder");
}

#[test]
fn a_web_page_stands_in_a_servers_place_where_that_can_work() {
    let page = |url: &str, more: &str| {
        format!("[auth]\nmethod = \"radius\"\n{more}\n[[radius.server]]\ntransport = \"http\"\nurl = {url:?}\n")
    };
    let signed = |url: &str| page(url, "") + "secret = \"0123456789abcdef\"\n";
    read(&signed("https://billing.example/aaa"));
    read(&signed("http://127.0.0.1:8000/aaa"));
    for (text, told) in [
        (signed("http://billing.example/aaa"), "everybody on the way can read passwords"),
        (page("https://billing.example/aaa", ""), "has no secret"),
    ] {
        let warned = warnings(&text);
        assert!(warned.contains(told), "{text}\n{warned}");
    }
    let udp = "[[radius.server]]\nsecret = \"0123456789abcdef\"\n";
    let proxy = "[[radius.proxy.client]]\naddress = \"192.0.2.40\"\nsecret = \"0123456789abcdef\"\n";
    for (text, told) in [
        (udp.to_owned(), "has no address"),
        (format!("{udp}address = \"192.0.2.2\"\nurl = \"https://a.example/\"\n"), "needs transport = \"http\""),
        ("[[radius.server]]\ntransport = \"http\"\n".to_owned(), "needs url"),
        (signed("https://a.example/") + "address = \"192.0.2.2\"\n", "means nothing with transport = \"http\""),
        (signed("https://a.example/#top"), "has a fragment"),
        (signed("http://10.85.0.9/aaa"), "is in the guests' network"),
        (page("https://a.example/", "[radius]\nmethod = \"mschapv2\""), "a web page cannot be asked by"),
        (signed("https://a.example/") + proxy, "has no keys for access points"),
    ] {
        let errors = errors(&text);
        assert!(errors.contains(told), "{text}\n{errors}");
    }
}

#[test]
fn a_file_that_is_not_there_is_told_with_what_to_do() {
    let errors = Config::load(Path::new("/nowhere/poblano.toml"), &with_lan()).expect_err("no such file").to_string();
    assert!(errors.starts_with("/nowhere/poblano.toml: cannot read the configuration: "), "{errors}");
    assert!(errors.contains("--config"), "{errors}");
}

#[test]
fn a_policy_says_what_differs_and_zero_is_no_limit() {
    let config = read(
        r#"
        [[policy]]
        name = "gold"
        timeout = "0"
        rate_down = "50M"
        redirect = "https://example.org/gold"
        [[policy]]
        name = "none of it"
        "#,
    );
    let [gold, none] = &config.policies[..] else { panic!("two were given") };
    assert_eq!((gold.name.as_str(), gold.timeout, gold.idle_timeout), ("gold", Some(Duration::ZERO), None));
    assert_eq!((gold.rate_up, gold.rate_down, gold.quota_total), (None, Some(BitRate(50_000_000)), None));
    assert_eq!(gold.redirect.as_deref(), Some("https://example.org/gold"));
    assert_eq!((none.name.as_str(), none.rate_down), ("none of it", None));
    let errors = errors(
        "[[policy]]\nname = \"a\"\nredirect = \"javascript:1\"\n[[policy]]\nname = \"a\"\n[[policy]]\nname = \"\"\n[[policy]]\n",
    );
    for said in ["[[policy]].redirect: is \"javascript:1\"; write an http or https address", "\"a\" stands twice"] {
        assert!(errors.contains(said), "{errors}");
    }
    for said in ["[[policy]].name: is empty", "[[policy]].name: is missing; write name = \"gold\""] {
        assert!(errors.contains(said), "{errors}");
    }
}

#[test]
fn devices_are_let_in_by_their_mac_only_where_that_can_work() {
    assert!(!read("").mac_authentication.is_on());
    let config = read("[mac_authentication]\nallow = [\"02-00-5E-10-00-01\"]");
    assert!(config.mac_authentication.is_on());
    let errors = errors("[mac_authentication]\nradius = true\nallow = [\"020000000001\", \"02:00:00:00:00:01\"]");
    assert!(errors.contains("[mac_authentication].radius: is true, but there is no server to ask"), "{errors}");
    assert!(errors.contains("02:00:00:00:00:01 stands twice"), "{errors}");
    let errors = self::errors("[mac_authentication]\nallow = [\"ff:ff:ff:ff:ff:ff\", 7, \"x\"]");
    for said in ["ff:ff:ff:ff:ff:ff is no single device's address", "is 7; write an Ethernet", "is \"x\"; write an Eth"]
    {
        assert!(errors.contains(said), "{errors}");
    }
    let server = "[[radius.server]]\naddress = \"192.0.2.20\"\nsecret = \"0123456789abcdef0\"\n";
    assert!(read(&format!("{server}[mac_authentication]\nradius = true")).mac_authentication.radius);
}

#[test]
fn a_portal_of_coovachilli_is_named_with_its_secret() {
    let uam = read(
        "[uam]\nserver = \"https://portal.example/login.php\"\nsecret = \"0123456789abcdef\"\n\
         home_page = \"http://www.example/\"\nwispr = \"1.0\"\norigins = [\"https://WWW.example\"]\n",
    )
    .uam;
    assert_eq!(uam.server.as_deref(), Some("https://portal.example/login.php"));
    assert_eq!(uam.secret.expect("a secret").expose(), b"0123456789abcdef");
    assert_eq!((uam.wispr_1, uam.wispr_2), (true, false));
    assert_eq!(uam.challenge_lifetime, Duration::from_secs(600));
    assert_eq!(uam.origins, ["https://www.example"]);
    let untouched = read("").uam;
    assert_eq!((untouched.server, untouched.alias_address, untouched.logout_address), (None, None, None));
}

#[test]
fn a_portal_that_cannot_work_is_told_why() {
    let portal = "[uam]\nserver = \"https://portal.example/\"\nsecret = \"0123456789abcdef\"\n";
    for (text, advice) in [
        ("[uam]\nserver = \"portal.example\"\n", "an http or https address"),
        ("[uam]\nserver = \"http://10.85.0.7:3990/www/login.html\"\n", "in the guests' own network"),
        ("[uam]\nserver = \"http://10.85.0.1/www/login.html\"\n", "http://10.85.0.1:3990/www/"),
        ("[uam]\nserver = \"http://10.85.0.1:3990/status\"\n", "http://10.85.0.1:3990/www/"),
        ("[uam]\nserver = \"http://10.85.0.1:3990/www/login.html\"\n", "add portal.files"),
        (
            "[portal]\nfiles = \"/srv\"\n[uam]\nhome_page = \"http://10.85.0.1:3990/www/a.chi\"\n",
            "programs are not run",
        ),
        ("[portal]\nfiles = \"/srv\"\n[uam]\nserver = \"http://10.85.0.1:3990/www/../a.html\"\n", "no file of"),
        (&format!("{portal}wispr = [\"none\", \"1.0\"]\n"), "one or the other"),
        (&format!("{portal}origins = [\"https://portal.example/path\"]\n"), "without a path"),
        (&format!("{portal}ui_port = 3990\n"), "has its own server"),
        (&format!("{portal}alias_address = \"10.85.0.9\"\n"), "beyond the guests' network"),
        (&format!("{portal}alias_address = \"192.0.2.1\"\nlogout_address = \"192.0.2.1\"\n"), "each its own"),
        ("[uam]\nserver = \"http://192.0.2.1/\"\nalias_address = \"192.0.2.1\"\n", "the portal's own address"),
        ("[dhcp]\ndns = [\"192.0.2.1\"]\n[uam]\nlogout_address = \"192.0.2.1\"\n", "DNS server of guests"),
        ("[auth]\nmethod = \"local_users\"\n", "add auth.local_users"),
    ] {
        let message = errors(text);
        assert!(message.contains(advice), "{text}: {message}");
    }
    for (text, advice) in [
        ("[uam]\nserver = \"https://portal.example/\"\n", "has no secret"),
        ("[uam]\nserver = \"https://portal.example/\"\nsecret = \"change-me\"\n", "can be guessed"),
        (&format!("{portal}plain_passwords = true\n"), "stand in addresses"),
        ("[uam]\nhome_page = \"https://www.example/\"\n", "no effect without uam.server"),
        (
            "[portal]\nfiles = \"/nowhere\"\n[uam]\nserver = \"http://10.85.0.1:3990/www/login.html?a=b\"\n",
            "there is no file /nowhere/login.html",
        ),
        ("[auth]\nlocal_users = \"/etc/chilli/localusers\"\n", "is not read"),
    ] {
        let message = warnings(text);
        assert!(message.contains(advice), "{text}: {message}");
    }
}

#[test]
fn more_servers_than_are_served_are_counted_and_the_first_too_many_is_named() {
    let servers = "[[radius.server]]\naddress = \"192.0.2.1\"\nsecret = \"0123456789abcdef\"\n".repeat(9);
    let errors = errors(&servers);
    assert!(errors.contains("poblano.toml:25:1: [[radius.server]]: there are 9; at most 8 can be served"), "{errors}");
}
