//! OpenWrt's form of the configuration means what ours means, and its mistakes are told of its own lines.

use config::{Config, Errors, Overrides};

fn parse(text: &str) -> Result<Config, Errors> {
    Config::parse(text, "/etc/config/poblano", &Overrides::default()).map(|loaded| loaded.config)
}

#[test]
fn each_kind_of_section_and_value_is_as_in_toml() {
    let uci = r#"
config service
	option enabled '1'

config lan 'guests'
	option interface 'br-guests'     # as it is
	option network "10.90.0.0/22"

config auth
	list method 'local'
	list method 'radius'

config dhcp
	option lease '2h'
	option host_routes 'on'
	list options '{ code = 138, ip = ["192.0.2.7"] }'
	list options '{ code = 43, hex = "0104" }'

config dhcp_host
	option mac '02:00:5e:10:00:01'
	option address '10.90.0.20'

config dhcp_host
	option mac '02:00:5e:10:00:02'
	option address '10.90.0.21'

config portal
	option port '3991'
	option title 'Anne'"'"'s "hotspot"'

config garden
	option allow '203.0.113.0/24 tcp:192.0.2.80:443'
	list domains '.cdn.example'

config radius_server
	option address '192.0.2.20'
	option secret 'not a very good one'

config uplink
	option masquerade '0'

config uplink_line
	option interface 'wan'
	option weight '3'

config uplink_line
	option interface 'wwan0'
	list probe '192.0.2.1'
	list probe 'dns:192.0.2.53'
"#;
    let toml = r#"
[lan]
interface = "br-guests"
network = "10.90.0.0/22"
[auth]
method = ["local", "radius"]
[dhcp]
lease = "2h"
host_routes = true
options = [{ code = 138, ip = ["192.0.2.7"] }, { code = 43, hex = "0104" }]
[[dhcp.host]]
mac = "02:00:5e:10:00:01"
address = "10.90.0.20"
[[dhcp.host]]
mac = "02:00:5e:10:00:02"
address = "10.90.0.21"
[portal]
port = 3991
title = "Anne's \"hotspot\""
[garden]
allow = ["203.0.113.0/24", "tcp:192.0.2.80:443"]
domains = [".cdn.example"]
[[radius.server]]
address = "192.0.2.20"
secret = "not a very good one"
[uplink]
masquerade = false
[[uplink.line]]
interface = "wan"
weight = 3
[[uplink.line]]
interface = "wwan0"
probe = ["192.0.2.1", "dns:192.0.2.53"]
"#;
    assert_eq!(parse(uci).map_err(|e| e.to_string()).unwrap(), parse(toml).map_err(|e| e.to_string()).unwrap());
}

#[test]
fn mistakes_are_told_of_the_line_and_column_they_stand_in() {
    let text = "config lan\n\toption interfce 'br-guests'\n\nconfig portl\nconfig portal\n\toption port '99999'\n\tsomething else\n";
    let told = parse(text).unwrap_err().to_string();
    assert!(told.contains("/etc/config/poblano:2:9: [lan].interfce: "), "{told}");
    assert!(told.contains("did you mean interface?"), "{told}");
    assert!(told.contains("/etc/config/poblano:4:"), "{told}");
    assert!(told.contains("did you mean [portal]?"), "{told}");
    assert!(told.contains("/etc/config/poblano:6:14: [portal].port: "), "{told}");
    assert!(told.contains("/etc/config/poblano:7:1: is none of: config SECTION"), "{told}");
}

#[test]
fn a_list_may_be_interrupted_by_other_keys_and_is_one() {
    let text = "config lan\n\toption interface 'eth1'\nconfig garden\n\tlist allow '192.0.2.1'\n\toption count '0'\n\tlist allow '192.0.2.2'\nconfig portal\n\toption port '80a'\n";
    let told = parse(text).unwrap_err();
    assert_eq!(told.problems.len(), 1, "{told}");
    let good = text.replace("80a", "8080");
    assert_eq!(parse(&good).unwrap().garden.allow.len(), 2);
}

#[test]
fn what_the_init_script_reads_is_none_of_ours_and_what_is_nowhere_is_a_mistake() {
    assert!(parse("config service\n\toption enabled '1'\nconfig lan\n\toption interface 'eth1'\n").is_ok());
    let told = parse("config\n\toption interface 'eth1'\n\toption open 'no\n").unwrap_err().to_string();
    assert!(told.contains(":1:1: is none of: config SECTION"), "{told}");
    assert!(told.contains(":2:1: stands in no section"), "{told}");
    assert!(told.contains(":3:1: the quotes do not end in this line"), "{told}");
}
