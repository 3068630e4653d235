//! Configurations as operators of CoovaChilli write them, and what they become.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use config::chilli::{Fate, Kind, Surroundings, Weight, import, load, options, with_table};
use config::{AuthMethod, Config, Direction, Errors, Overrides, RefusedDevice};

/// A machine whose files are in a folder, and which knows one name.
struct Machine(PathBuf);

impl Surroundings for Machine {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        std::fs::read_to_string(self.0.join(path.strip_prefix("/").unwrap_or(path)))
            .map_err(|error| std::io::Error::new(error.kind(), "no such file"))
    }

    fn resolve(&self, name: &str) -> Vec<Ipv4Addr> {
        if name == "radius.example.net" { vec![Ipv4Addr::new(198, 51, 100, 20)] } else { Vec::new() }
    }
}

/// A machine with one file.
struct OneFile<'a>(&'a str);

impl Surroundings for OneFile<'_> {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        let here = path == Path::new("chilli.conf");
        if here { Ok(self.0.to_owned()) } else { Err(std::io::ErrorKind::NotFound.into()) }
    }

    fn resolve(&self, _: &str) -> Vec<Ipv4Addr> {
        Vec::new()
    }
}

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chilli").join(case)
}

/// What a text becomes, with what every configuration needs.
fn imported(text: &str) -> Result<config::chilli::Import, Errors> {
    let text = format!("{text}\ndhcpif eth1\nradiusserver1 198.51.100.20\nradiussecret Ahng2sheiqu5Phoh\n");
    import(Path::new("chilli.conf"), &Overrides::default(), &OneFile(&text))
}

fn config_of(text: &str) -> Config {
    imported(text).unwrap_or_else(|errors| panic!("{text}\n{errors}")).loaded.config
}

/// The file is what it should be. `BLESS=1 cargo test -p poblano-config --test chilli` writes what it is; look at the
/// difference before it is kept.
fn is_golden(file: &Path, text: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, text).expect("a golden file");
    }
    let golden = std::fs::read_to_string(file).unwrap_or_default();
    assert!(golden == text, "{} is not:\n{text}", file.display());
}

#[test]
fn ten_configurations_become_what_they_mean_and_the_report_tells_of_each_line() {
    for (case, file) in [
        ("debian", "/etc/chilli.conf"),
        ("openwrt", "/etc/config/chilli"),
        ("chillispot", "/etc/chilli.conf"),
        ("shell", "/etc/chilli/config"),
        ("wispr", "/etc/chilli.conf"),
        ("hotel", "/etc/chilli.conf"),
        ("vlans", "/etc/chilli.conf"),
        ("http-aaa", "/etc/chilli/config"),
        ("access-points", "/etc/chilli.conf"),
    ] {
        let world = Machine(folder(case));
        let import = import(Path::new(file), &Overrides::default(), &world).unwrap_or_else(|e| panic!("{case}: {e}"));
        is_golden(&folder(case).join("poblano.toml"), &import.toml);
        is_golden(&folder(case).join("report.txt"), &import.report.to_string());
        let again = Config::parse(&import.toml, "poblano.toml", &Overrides::default());
        assert_eq!(again.expect("it was checked").config, import.loaded.config, "{case}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_no_secret_is_repeated() {
    let world = Machine(folder("mistakes"));
    let errors =
        import(Path::new("/etc/chilli.conf"), &Overrides::default(), &world).expect_err("mistakes").to_string();
    is_golden(&folder("mistakes").join("mistakes.txt"), &format!("{errors}\n"));
    for secret in ["Phahsh7eekae", "two words"] {
        assert!(!errors.contains(secret), "{secret}");
    }
}

#[test]
fn what_is_left_out_is_as_coovachilli_has_it() {
    let config = config_of("");
    assert_eq!(config.lan.network.to_string(), "192.168.182.0/24");
    assert_eq!(config.lan.gateway, Ipv4Addr::new(192, 168, 182, 1));
    assert_eq!(config.dhcp.lease.as_secs(), 600);
    assert_eq!(config.session.interim.map(|i| i.as_secs()), Some(300));
    assert_eq!((config.session.idle_timeout, config.session.timeout), (None, None));
    assert_eq!(config.portal.port, 3990);
    assert_eq!(config.radius.nas_identifier, "nas01");
    assert_eq!(config.radius.nas_ip, Some(config.lan.gateway));
    assert_eq!(config.accounting.direction, Direction::Chilli);
    assert_eq!(config.auth.methods, [AuthMethod::Radius]);
    assert_eq!(config_of("swapoctets").accounting.direction, Direction::Rfc2866);
}

#[test]
fn https_of_the_portal_is_where_portals_look_for_it() {
    let files = "sslcertfile /dev/null\nsslkeyfile /dev/null\n";
    let name = "uamaliasname portal\ndomain example.org\n";
    let config = config_of(&format!("{files}{name}uamuiport 4990\nuamuissl"));
    let tls = config.portal.tls.expect("https");
    assert_eq!((tls.url().as_str(), config.uam.ui_port), ("https://portal.example.org:4990", None));
    assert_eq!((&*tls.certificate, &*tls.key), (Path::new("/dev/null"), Path::new("/dev/null")));
    let config = config_of(&format!("{files}{name}uamuiport 4990\nredirssl"));
    assert_eq!(config.portal.tls.map(|tls| tls.url()).as_deref(), Some("https://portal.example.org"));
    assert_eq!(config.uam.ui_port, Some(4990));
    assert_eq!(config_of(&format!("{files}{name}")).portal.tls, None, "nothing was https");
    let import = imported(&format!("{files}uamuiport 4990\nuamuissl")).unwrap_or_else(|e| panic!("{e}"));
    assert!(import.report.to_string().contains("logins would travel in the clear"), "{}", import.report);
}

#[test]
fn guests_are_told_of_the_api_if_they_can_ask_it() {
    let uri = "https://api.example.org/%{m}/%{i}/%{n}/%{t}";
    let config = config_of(&format!("captiveportalapi_uri {uri}\ncaptiveportalvenue_info_url https://example.org/"));
    assert_eq!(config.dhcp.captive_portal.as_deref(), Some(uri));
    assert_eq!(config.portal.venue_url.as_deref(), Some("https://example.org/"));
    for no in ["http://10.1.0.1:3990/captive-portal-identification", "https://api.example.org/%{s}"] {
        assert_eq!(config_of(&format!("captiveportalapi_uri {no}")).dhcp.captive_portal, None, "{no}");
    }
}

#[test]
fn the_secret_that_everybody_knows_is_not_taken_unasked() {
    let text = "dhcpif eth1\nradiusserver1 198.51.100.20\n";
    let errors = import(Path::new("chilli.conf"), &Overrides::default(), &OneFile(text)).expect_err("no secret");
    assert!(errors.to_string().contains("radiussecret: is missing"), "{errors}");
}

#[test]
fn no_secret_is_in_the_report() {
    let secrets: String = options()
        .filter(|o| o.kind == Kind::Secret && o.name != "radiussecret")
        .map(|o| format!("{} sesame-{}\n", o.name, o.name))
        .collect();
    let text =
        format!("{secrets}uamserver https://portal.example/\nproxyport 1645\nproxyclient 192.0.2.1/32\ncoaport 3799");
    let import = imported(&text).unwrap_or_else(|e| panic!("{e}"));
    let report = import.report.to_string();
    assert!(import.toml.contains("sesame-uamsecret") && import.toml.contains("Ahng2sheiqu5Phoh"));
    assert!(!report.contains("sesame") && !report.contains("Ahng2sheiqu5Phoh"), "{report}");
    assert!(report.contains("uamsecret"), "it is told of: {report}");
}

#[test]
fn a_garden_entry_that_cannot_be_read_opens_nothing_and_says_so() {
    for (entry, opened) in [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.0/255.255.255.0", "203.0.113.0/24"),
        ("tcp:203.0.113.7:443", "tcp:203.0.113.7:443"),
        ("203.0.113.7:0", "203.0.113.7"),
        ("www.example.org", "www.example.org"),
    ] {
        let import = imported(&format!("uamallowed {entry}")).unwrap_or_else(|e| panic!("{entry}: {e}"));
        let allow: Vec<String> = import.loaded.config.garden.allow.iter().map(ToString::to_string).collect();
        assert_eq!(allow, [opened], "{entry}");
        assert!(!import.report.is_security_relevant(), "{entry}");
    }
    for entry in ["0.0.0.0/0", "0.0.0.0", "203.0.113.7/24", "300.1.1.1", "192.168.0.0/16", "a..b", "udp:1:2:3"] {
        let import = imported(&format!("uamallowed {entry}")).unwrap_or_else(|e| panic!("{entry}: {e}"));
        assert_eq!(import.loaded.config.garden.allow, [], "{entry}");
        assert!(import.report.is_security_relevant(), "{entry}");
    }
}

#[test]
fn the_gateway_need_not_be_in_the_garden() {
    let import = imported("uamallowed 192.168.182.1,192.168.182.0/24").expect("no mistake");
    assert!(import.loaded.config.garden.allow.is_empty() && !import.report.is_security_relevant());
}

#[test]
fn a_page_that_is_a_file_of_its_own_stays_the_portal_and_a_program_does_not() {
    let own = |page: &str| {
        let address = format!("http://192.168.182.1:3990/www/{page}");
        config_of(&format!("wwwdir /etc/chilli/www\nuamserver {address}\nuamhomepage {address}?home\n")).uam
    };
    let page = "http://192.168.182.1:3990/www/login.html".to_owned();
    assert_eq!((own("login.html").server, own("login.html").home_page), (Some(page.clone()), Some(page + "?home")));
    for program in ["login.chi", "../login.html", ""] {
        assert_eq!((own(program).server, own(program).home_page), (None, None), "{program}");
    }
}

#[test]
fn what_let_anybody_in_lets_nobody_in() {
    let import =
        imported("noradallow\nproxyport 1645\ncoaport 3799\ncoanoipcheck\nproxymacaccept").expect("no mistake");
    let radius = &import.loaded.config.radius;
    assert_eq!((radius.admit_unreachable, radius.proxy.clients.len()), (None, 0));
    assert_eq!(radius.dynamic_authorization.clients.len(), 1, "the server alone");
    assert!(import.report.is_security_relevant());
    assert_eq!(import.report.laxer().count(), 0, "so it may be run");
    for client in ["0.0.0.0/0", "192.0.2.9/24", "192.168.182.7"] {
        let text = format!("proxyport 1645\nproxyclient {client}");
        assert_eq!(config_of(&text).radius.proxy.clients, [], "{client}");
    }
    assert_eq!(config_of("proxyport 1645\nproxyclient 192.0.2.9").radius.proxy.clients[0].address.prefix, 32);
}

#[test]
fn devices_are_let_in_by_whom_they_were() {
    let macs = |text: &str| config_of(text).mac_authentication;
    let both = macs("macauth\nmacallowed 02-00-5e-10-00-01");
    assert!(both.radius && both.allow.is_empty() && both.radius_only.len() == 1, "it alone is asked about");
    let local = macs("macallowed 02-00-5e-10-00-01\nmacallowlocal");
    assert!(!local.radius && local.allow.len() == 1);
    assert_eq!(macs("macallowed 02-00-5e-10-00-01"), both);
    let nobody = macs("macallowed nonsense");
    assert!(!nobody.is_on(), "{nobody:?}");
}

#[test]
fn devices_that_a_server_refuses_are_shut_out_if_they_were_and_servers_are_asked() {
    let macs = |text: &str| config_of(text).mac_authentication.refused;
    for asked in ["macauth", "macallowed 02-00-5e-10-00-01"] {
        assert_eq!(macs(&format!("{asked}\nmacauthdeny")), RefusedDevice::Drop);
        assert_eq!(macs(asked), RefusedDevice::Portal);
    }
    for nobody in ["", "macallowed 02-00-5e-10-00-01\nmacallowlocal"] {
        assert_eq!(macs(&format!("{nobody}\nmacauthdeny")), RefusedDevice::Portal, "nobody can refuse them");
    }
}

#[test]
fn what_a_server_says_by_dhcp_needs_leases_that_wait_for_it() {
    let macs = |text: &str| config_of(text).mac_authentication;
    let asked = macs("macauth\ndhcpradius");
    assert!(asked.radius && asked.before_lease && asked.dhcp);
    let unasked = macs("dhcpradius");
    assert!(!unasked.is_on() && !unasked.before_lease && !unasked.dhcp, "nobody is let in by it: {unasked:?}");
}

#[test]
fn static_addresses_are_ours_or_translated_and_leave_those_that_are_leased() {
    for (text, ours, any) in [
        ("dynip 192.168.182.128/25\nstatip 192.168.182.64/26", Some("192.168.182.64/26"), false),
        ("statip 192.168.182.64/26", Some("192.168.182.64/26"), false),
        ("statip 10.9.0.0/24", None, true),
        ("statip 192.168.182.0/24", None, false),
        ("dynip 192.168.182.128/25\nstatip 192.168.182.128/25", None, false),
        ("statip 192.168.182.9/32", None, false),
        ("", None, false),
    ] {
        let dhcp = config_of(text).dhcp;
        let found = dhcp.static_addresses.map(|network| network.to_string());
        assert_eq!((found.as_deref(), dhcp.any_address), (ours, any), "{text}");
    }
}

#[test]
fn further_interfaces_are_a_list_and_what_is_not_carried_over_of_them_is_told() {
    let text = "moreif eth2/lobby,eth3.7\nmoreif eth2\nmoreif eth1.5";
    let import = imported(text).expect("no mistake");
    assert_eq!(import.loaded.config.lan.named(), ["eth1", "eth2", "eth3.7"]);
    let report = import.report.to_string();
    for told in [
        "lobby, as the portal was told it (vlan): that is uam.vlan, the same for all",
        "7, as the portal was told it (vlan)",
        "eth2 is named already",
        "all VLANs of eth1 are served",
    ] {
        assert!(report.contains(told), "{told}\n{report}");
    }
}

#[test]
fn what_would_be_laxer_is_not_run() {
    for (text, is_run) in [
        ("", true),
        ("noradallow", true),
        ("only8021q", true),
        ("postauthproxy 198.51.100.8\npostauthproxyport 3128", true),
        ("postauthproxy 198.51.100.8\npostauthproxyport 3128\npostauthproxyssl", false),
        ("postauthproxy 192.168.182.1\npostauthproxyport 3128", false),
    ] {
        let text = format!("{text}\ndhcpif eth1\nradiusserver1 198.51.100.20\nradiussecret Ahng2sheiqu5Phoh\n");
        let loaded = load(Path::new("chilli.conf"), &Overrides::default(), &OneFile(&text));
        assert_eq!(loaded.is_ok(), is_run, "{text}");
        let told: Vec<_> = loaded.map_or_else(|errors| errors.problems, |loaded| loaded.warnings);
        assert!(told.iter().all(|problem| problem.file == "chilli.conf"), "{told:?}");
    }
}

#[test]
fn each_option_alone_has_the_fate_that_the_table_tells() {
    for option in options() {
        let Some(line) = line(option.name, option.kind, 0) else { continue };
        if ["dhcpif", "radiusserver1", "radiussecret"].contains(&option.name) {
            continue; // every other import has them
        }
        let import = imported(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let told: Vec<_> = import.report.findings.iter().filter(|f| f.origin.line == Some(1)).collect();
        assert!(!told.is_empty(), "{line}: nothing is told");
        let weight = match option.fate {
            Fate::NotSupported(weight, _) => weight,
            _ => continue,
        };
        assert!(told.iter().any(|f| f.weight == weight), "{line}: {told:?}");
        assert_eq!(import.report.is_security_relevant(), weight != Weight::Plain, "{line}");
    }
}

#[test]
fn whatever_options_there_are_the_result_is_valid_or_every_mistake_has_a_line() {
    let (mut dice, mut good) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    let mut roll = |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    for _ in 0..2000 {
        let density = 2 + roll(60);
        let mut text = String::new();
        for option in options() {
            if roll(density) == 0 {
                let variant = if roll(8) == 0 { roll(6) as usize } else { 0 };
                text += &line(option.name, option.kind, variant).unwrap_or_default();
                text.push('\n');
            }
        }
        match imported(&text) {
            Ok(import) => {
                good += 1;
                let again = Config::parse(&import.toml, "poblano.toml", &Overrides::default());
                assert_eq!(
                    again.unwrap_or_else(|e| panic!("{text}\n{}\n{e}", import.toml)).config,
                    import.loaded.config
                );
            }
            Err(errors) => {
                for problem in &errors.problems {
                    let told = problem.position.is_some() || problem.message.contains("is missing");
                    assert!(told && options().any(|o| o.name == problem.place), "{text}\n{problem}");
                }
            }
        }
    }
    assert!(good > 200, "{good}");
}

#[test]
fn the_table_for_operators_is_the_one_of_the_code() {
    let text = include_str!("../../../MIGRATION.md");
    assert!(
        with_table(text).as_deref() == Some(text),
        "the table in MIGRATION.md is old; run: cargo run -p poblano-config --example chilli_options"
    );
}

/// A line of an option; variants are odd or wrong values.
fn line(name: &str, kind: Kind, variant: usize) -> Option<String> {
    let usual = match name {
        "net" => "10.1.0.0/24",
        "dynip" => "192.168.182.128/25",
        "dhcpstart" => "10",
        "dhcpend" => "200",
        "uamlisten" => "192.168.182.1",
        "dhcpif" => "eth1",
        "domain" => "guests.example",
        "tundev" => "tun5",
        "mtu" => "1400",
        "uamserver" => "https://portal.example/login",
        "uamhomepage" => "https://www.example.org/",
        "wisprlogin" => "https://portal.example/wispr",
        "uamaaaurl" => "https://billing.example/aaa",
        "uamaliasname" => "wifi",
        "uamhostname" => "gate",
        "uamport" => "3990",
        "uamuiport" => "4990",
        "uamallowed" => "203.0.113.0/24,www.example.org",
        "uamdomain" => ".example.org",
        "macallowed" => "02-00-5E-10-00-01",
        "dhcpopt" => "2b0401020304",
        "proxyport" => "1645",
        "coaport" => "3799",
        "radiusauthport" => "1812",
        "radiusacctport" => "1813",
        "maxclients" => "500",
        "ipup" | "ipdown" | "conup" | "condown" | "macup" | "macdown" | "localusers" | "cmdsocket" | "wwwdir" => {
            "/etc/chilli/file"
        }
        "uamaliasip" => "192.0.2.1",
        "uamlogoutip" => "192.0.2.2",
        "captiveportalapi_uri" => "https://api.example.org/%{m}",
        "captiveportalvenue_info_url" => "https://www.example.org/",
        "sslcafile" | "sslcertfile" | "sslkeyfile" => "/dev/null",
        "proxyclient" => "192.0.2.32/28",
        // They name other files.
        "ethers" | "uamdomainfile" | "radsec" => return None,
        _ => match kind {
            Kind::Flag => "",
            Kind::Int => "300",
            Kind::Text | Kind::List => "text",
            Kind::Secret => "Uez2ailahV4aiph1",
            Kind::Address | Kind::Host => "198.51.100.53",
            Kind::Network => "192.168.182.0/24",
            Kind::Mac => "02-00-5E-10-00-01",
        },
    };
    let value = match variant {
        0 => usual,
        1 => "\"\\\"",
        2 => "'é \" #'",
        3 => "0",
        4 => "99999999",
        _ => "\"\"",
    };
    Some(format!("{name} {value}"))
}
