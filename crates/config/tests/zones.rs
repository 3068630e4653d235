//! What an operator gets for several guests' networks in one file.

use std::path::Path;

use config::{Config, Loaded, Overrides};

const TWO: &str = r#"
[portal]
title = "Hotel"
[radius]
nas_identifier = "hotel"
[[radius.server]]
address = "192.0.2.1"
secret = "correct horse battery"
[auth]
method = "radius"

[zone.staff.lan]
interface = "eth2.20"
network = "10.86.0.0/24"
[zone.staff.portal]
title = "Staff"
[[zone.staff.radius.server]]
address = "192.0.2.2"
secret = "battery horse correct"

[zone.guests.lan]
interface = "eth1"
network = "10.85.0.0/20"
[zone.guests.session]
timeout = "1h"
"#;

fn load(text: &str) -> Loaded {
    Config::parse(text, "poblano.toml", &Overrides::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn errors(text: &str) -> String {
    Config::parse(text, "poblano.toml", &Overrides::default()).expect_err("the file has mistakes").to_string()
}

#[test]
fn each_zone_has_what_is_its_own_over_what_all_have() {
    let loaded = load(TWO);
    assert_eq!(loaded.warnings, []);
    let [guests, staff] = &loaded.configs().collect::<Vec<_>>()[..] else { panic!("there are two zones") };
    assert_eq!((guests.zone.as_str(), staff.zone.as_str()), ("guests", "staff"));
    assert_eq!((guests.lan.interface.as_str(), staff.lan.interface.as_str()), ("eth1", "eth2.20"));
    assert_eq!((guests.portal.title.as_str(), staff.portal.title.as_str()), ("Hotel", "Staff"));
    assert_eq!(staff.dhcp.last.to_string(), "10.86.0.254", "the pool is that of the zone's network");
    assert_eq!((guests.session.timeout.map(|t| t.as_secs()), staff.session.timeout), (Some(3600), None));
    let servers = |config: &Config| config.radius.servers.iter().map(|s| s.address.to_string()).collect::<Vec<_>>();
    assert_eq!((servers(guests), servers(staff)), (vec!["192.0.2.1".to_owned()], vec!["192.0.2.2".to_owned()]));
}

#[test]
fn what_two_zones_cannot_share_is_derived_from_their_names() {
    let loaded = load(TWO);
    let staff = &loaded.others[0];
    assert_eq!(staff.radius.nas_identifier, "hotel-staff");
    assert_eq!(staff.tun.name, "pob-staff");
    assert_eq!(staff.state.directory, Path::new("/var/lib/poblano/zones/staff"));
    assert_eq!(staff.auth.accounts, Path::new("/var/lib/poblano/accounts"), "who has an account has it everywhere");
    let named =
        TWO.to_owned() + "[zone.staff.state]\ndirectory = \"/srv/staff\"\n[zone.staff.tun]\nname = \"staff0\"\n";
    let staff = &load(&named).others[0];
    assert_eq!((staff.state.directory.as_path(), staff.tun.name.as_str()), (Path::new("/srv/staff"), "staff0"));
}

#[test]
fn all_errors_of_all_zones_are_told_at_once_with_their_places() {
    let text = r#"
[lan]
network = "10.85.0.0/20"
[session]
timeout = "soon"
[zone.a.lan]
interface = "eth1"
network = "10.85.0.0/20"
[zone.a.control]
socket = "/run/a.sock"
[zone.b.lan]
interface = "eth1.7"
network = "10.85.8.0/24"
gatway = "10.85.8.1"
[zone.c.portal]
port = 53
[zone.Nobody.lan]
"#;
    let told = [
        "poblano.toml:3:11: [lan].network: cannot be that of all zones; give each its own under [zone.NAME...] (zone c)",
        "poblano.toml:5:11: [session].timeout: is \"soon\"; write a duration such as",
        "poblano.toml:10:10: [zone.a.control].socket: there is one for all zones; put it under [control]",
        "poblano.toml:12:13: [zone.b.lan].interface: eth1.7 and eth1 of zone a are one cable, and a zone on the cable",
        "poblano.toml:13:11: [zone.b.lan].network: 10.85.8.0/24 overlaps 10.85.0.0/20 of zone a; each zone needs its own",
        "poblano.toml:14:1: [zone.b.lan].gatway: unknown key; did you mean gateway?",
        "poblano.toml:15:7: [zone.c.lan].interface: is missing; write interface = \"eth1.20\", each zone has its own",
        "poblano.toml:16:8: [zone.c.portal].port: port 53 is the gateway's DNS or DHCP server",
        "poblano.toml:17:7: [zone.Nobody]: a zone's name has 1 to 11 of a-z, 0-9 and -",
    ];
    let errors = errors(text);
    for (line, told) in errors.lines().zip(told) {
        assert!(line.starts_with(told), "{line}\n{told}\n\n{errors}");
    }
    assert_eq!(errors.lines().count(), told.len(), "{errors}");
}

#[test]
fn of_several_interfaces_none_is_another_zones() {
    let text = |its: &str| {
        format!(
            "[zone.a.lan]\ninterface = [\"eth1\", \"eth2\"]\nnetwork = \"10.85.0.0/20\"\n\
             [zone.b.lan]\ninterface = {its}\nnetwork = \"10.86.0.0/24\"\n"
        )
    };
    for (its, told) in [
        ("\"eth2\"", "[zone.b.lan].interface: eth2 is that of zone a too; each zone needs its own"),
        ("[\"eth3\", \"eth1\"]", "[zone.b.lan].interface: eth1 is that of zone a too; each zone needs its own"),
        ("[\"eth3\", \"eth2.5\"]", "[zone.b.lan].interface: eth2.5 and eth2 of zone a are one cable"),
        ("[\"eth3\", \"pbl-a\"]", "[zone.b.lan].interface: pbl-a is that of zone a too; each zone needs its own"),
    ] {
        let errors = errors(&text(its));
        assert!(errors.contains(told) && errors.lines().count() == 1, "{its}: {errors}");
    }
    assert!(Config::parse(&text("[\"eth3\", \"eth4.5\"]"), "poblano.toml", &Overrides::default()).is_ok());
}

#[test]
fn an_interface_beside_zones_is_not_passed_over_in_silence() {
    assert_eq!(
        errors("[lan]\ninterface = \"eth1\"\n[zone.staff.lan]\ninterface = \"eth2\"\nnetwork = \"10.86.0.0/24\"\n"),
        "poblano.toml:2:1: [lan].interface: is nobody's beside zones; put it under [zone.NAME.lan], or take it out"
    );
}

#[test]
fn what_only_one_of_two_can_have_is_told_to_the_second() {
    let with = |more: &str| errors(&format!("{TWO}{more}"));
    let conflict = |more: &str, told: &str| {
        let errors = with(more);
        assert!(errors.contains(told) && errors.lines().count() == 1, "{more}\n{errors}");
    };
    conflict(
        "[zone.staff.tun]\nname = \"pob-guests\"\n",
        "[zone.staff.tun].name: pob-guests is that of zone guests too",
    );
    conflict("[zone.staff.tun]\nname = \"eth1\"\n", "[zone.staff.tun].name: eth1 is that of zone guests too");
    conflict(
        "[zone.staff.radius]\nnas_identifier = \"hotel-guests\"\n",
        "[zone.staff.radius].nas_identifier: hotel-guests is that of zone guests too",
    );
    conflict(
        "[zone.staff.state]\ndirectory = \"/var/lib/poblano/zones/guests\"\n",
        "[zone.staff.state].directory: /var/lib/poblano/zones/guests is that of zone guests too",
    );
    conflict(
        "[zone.staff.retention]\ndirectory = \"/var/lib/poblano/zones/guests/retention\"\n",
        "[zone.staff.retention].directory: /var/lib/poblano/zones/guests/retention is that of zone guests too",
    );
    conflict(
        "[zone.guests.uplink]\ninterface = \"eth2.20\"\n",
        "zone staff has its guests where zone guests has its uplink",
    );
    conflict(
        "[[zone.staff.uplink.line]]\ninterface = \"eth9\"\n",
        "[[zone.staff.uplink.line]]: all zones leave by the same uplinks",
    );
    let errors = with("[[uplink.line]]\ninterface = \"eth2.20\"\n");
    assert!(errors.contains("eth2.20 is also lan.interface"), "{errors}");
    assert!(errors.contains("zone staff has its guests where zone guests has its uplink"), "{errors}");
    let proxy = "[[radius.proxy.client]]\naddress = \"192.0.2.9\"\nsecret = \"correct horse battery\"\n";
    let errors = with(proxy);
    assert!(
        errors.contains("1812 is that of zone guests too") && errors.contains("1813 is that of zone guests too"),
        "{errors}"
    );
}

#[test]
fn an_interface_of_the_command_line_is_nobodys_where_there_are_zones() {
    let overrides = Overrides { lan: Some("eth7".to_owned()), uplink: Some("eth0".to_owned()), ..Overrides::default() };
    let loaded = Config::parse(TWO, "poblano.toml", &overrides).unwrap_or_else(|e| panic!("{e}"));
    assert!(loaded.configs().all(|config| config.uplink.interface.as_deref() == Some("eth0")));
    assert_eq!(loaded.config.lan.interface, "eth1");
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["command line: --lan: means nothing: each zone has an interface of its own"]);
}

#[test]
fn a_file_that_says_nonsense_of_zones_gives_errors_and_no_gateway() {
    for text in ["zone = 1", "[zone]", "[zone]\na = 2", "[[zone]]\n", "[zone.a]\nlan = 3", "[[zone.a]]\n", "[zone.a"] {
        assert!(Config::parse(text, "poblano.toml", &Overrides::default()).is_err(), "{text}");
    }
    let many: String =
        (0..17).map(|n| format!("[zone.z{n}.lan]\ninterface = \"e{n}\"\nnetwork = \"10.{n}.0.0/16\"\n")).collect();
    assert!(errors(&many).contains("[zone]: there are 17 zones; at most 16 can be served"));
}
