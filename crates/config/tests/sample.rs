//! The sample file that we ship is made from the schema, and true.

use config::schema::{Absent, SECTIONS};
use config::{Config, Overrides, reference, sample};

fn with_lan() -> Overrides {
    Overrides { lan: Some("eth1".to_owned()), ..Overrides::default() }
}

fn defaults() -> Config {
    Config::without_file(&with_lan()).expect("the defaults are consistent").config
}

#[test]
fn the_shipped_sample_is_the_generated_one() {
    assert!(
        include_str!("../../../conf/poblano.toml") == sample(),
        "conf/poblano.toml is old; run: cargo run -p poblano-config --example sample > conf/poblano.toml"
    );
}

#[test]
fn the_sample_as_it_is_means_the_defaults() {
    let loaded = Config::parse(&sample(), "conf/poblano.toml", &with_lan()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded.config, defaults());
    assert_eq!(loaded.warnings, []);
    assert_eq!(
        Config { lan: config::Lan { interface: "eth1".to_owned(), ..Config::default().lan }, ..Config::default() },
        defaults()
    );
}

#[test]
fn every_default_in_the_sample_is_the_real_one() {
    for section in SECTIONS.iter().filter(|s| !s.repeated) {
        for key in section.keys {
            let Absent::Is(value) = key.absent else { continue };
            let text = format!("[{}]\n{} = {value}\n", section.name, key.name);
            let loaded = Config::parse(&text, "sample", &with_lan()).unwrap_or_else(|e| panic!("{text}{e}"));
            assert_eq!(loaded.config, defaults(), "{text}");
        }
    }
}

#[test]
fn every_example_in_the_sample_can_be_used() {
    // A server is reached in one way, and has its secret in one place.
    const TLS: [&str; 9] =
        ["url", "tls_port", "ca_", "certificate_", "key_", "server_name", "fingerprint", "version", "dynamic_"];
    const UDP: [&str; 5] = ["url", "auth_port", "acct_port", "secret =", "require_"];
    let folder = std::env::temp_dir().join(format!("poblano-sample-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the files of the examples");
    for file in [
        "radsec-ca.pem",
        "gateway.pem",
        "gateway.key",
        "portal.pem",
        "portal.key",
        "console.pem",
        "console.key",
        "crm-ca.pem",
        "logo.svg",
    ] {
        std::fs::write(folder.join(file), "").expect("a file of the examples");
    }
    let keys: usize = SECTIONS.iter().map(|s| s.keys.len()).sum();
    // Beside several uplinks there is not one.
    const ONE_UPLINK: [&str; 3] = ["interface", "address", "gateway"];
    for (transport, others) in [("udp", &TLS[..]), ("tls", &UDP[..])] {
        let (mut is_server, mut is_uplink) = (false, false);
        let uncommented = |line: &str| {
            if line.contains("[[") {
                is_server = line.contains("[[radius.server]]");
            }
            if line.starts_with(['[', '#']) && line.ends_with(']') && !line.contains(' ') {
                is_uplink = line.contains("[uplink]");
            }
            match line.strip_prefix('#') {
                Some(key) if key.starts_with("transport") => format!("transport = {transport:?}\n"),
                Some(key) if key.starts_with(' ') || key.starts_with("secret_file") => String::new(),
                Some(key) if is_uplink && ONE_UPLINK.iter().any(|one| key.starts_with(one)) => String::new(),
                Some(key) if is_server && others.iter().any(|other| key.starts_with(other)) => String::new(),
                Some(key) => format!("{key}\n"),
                None => format!("{line}\n"),
            }
        };
        let text: String = sample().lines().map(uncommented).collect();
        let file = folder.join("sample.toml");
        std::fs::write(&file, &text).expect("the sample");
        let loaded = Config::load(&file, &Overrides::default()).unwrap_or_else(|e| panic!("{text}{e}"));
        assert_eq!(loaded.config.dhcp.hosts.len(), 1);
        assert_eq!(loaded.config.uplink.lines.len(), 1);
        assert_eq!(loaded.config.radius.servers.len(), 1);
        assert_eq!(loaded.config.radius.dynamic_authorization.clients.len(), 1);
        assert_eq!(loaded.config.radius.proxy.clients.len(), 1);
        let left_out = others.len() + ONE_UPLINK.len() + 6;
        assert_eq!(text.matches(" = ").count(), keys - left_out, "every other key stands in the sample");
    }
    std::fs::remove_dir_all(&folder).expect("it is there");
}

#[test]
fn the_reference_has_every_key() {
    let reference = reference();
    for section in SECTIONS {
        assert!(reference.contains(&format!("[{}]", section.name)), "{}", section.name);
        for key in section.keys {
            assert!(reference.contains(&format!("\n### {}\n\n{}", key.name, key.doc)), "{}.{}", section.name, key.name);
        }
    }
}
