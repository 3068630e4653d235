use super::*;

fn way(tun: &str, uplink: &str, network: u8) -> ForwardSpec {
    ForwardSpec {
        tun: tun.to_owned(),
        uplinks: vec![uplink.to_owned()],
        gateway: Ipv4Addr::new(10, network, 0, 1),
        guests: vec![(Ipv4Addr::new(10, network, 0, 0), 20)],
        masquerade: true,
        tcp_ports: vec![80, 3990],
        udp_ports: vec![53],
        max_segment: None,
        http_proxy: None,
    }
}

const SYSTEMS: [(Os, &str); 2] = [
    (Os::Free, "nat on em0 inet from 10.85.0.0/20 to any -> (em0:0)\n"),
    (Os::Open, "match out on em0 inet from 10.85.0.0/20 nat-to (em0:0)\n"),
];
const LOCK: &str = "block drop quick on em1 all\n";
const WAY: &str = "\
pass out quick on em0 inet all tagged poblano0 keep state (if-bound)
block drop out quick all tagged poblano0
pass in quick on tun0 inet proto tcp from 10.85.0.0/20 to 10.85.0.1 port { 80, 3990 } flags any no state
pass out quick on tun0 inet proto tcp from 10.85.0.1 port { 80, 3990 } to 10.85.0.0/20 flags any no state
pass in quick on tun0 inet proto udp from 10.85.0.0/20 to 10.85.0.1 port { 53 } no state
pass out quick on tun0 inet proto udp from 10.85.0.1 port { 53 } to 10.85.0.0/20 no state
pass in quick on tun0 inet proto icmp from 10.85.0.0/20 to 10.85.0.1 icmp-type echoreq no state
pass out quick on tun0 inet proto icmp from 10.85.0.1 to 10.85.0.0/20 no state
pass out quick on tun0 inet from 10.85.0.1 to 10.85.0.0/20 keep state (if-bound)
block drop in quick on tun0 inet from any to { (self), 10.85.0.0/20, 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/3 }
pass in quick on tun0 inet from 10.85.0.0/20 to any keep state (if-bound) tag poblano0
block drop quick on tun0 all
pass quick on lo0 inet from any to 10.85.0.1 no state
pass quick on lo0 inet from 10.85.0.1 to any no state
block drop in quick inet from any to 10.85.0.1
";

#[test]
fn the_lock_lets_nothing_past_pf_and_is_gone_when_it_is_taken_back() {
    let lans = ["em1".to_owned(), "em2.20".to_owned()];
    for (os, _) in SYSTEMS {
        assert_eq!(rules(os, &lans, &[]), "block drop quick on em1 all\nblock drop quick on em2.20 all\n");
        assert_eq!(rules(os, &[], &[]), "");
    }
}

#[test]
fn guests_go_to_the_uplink_and_to_the_portal_and_nowhere_else() {
    for (os, nat) in SYSTEMS {
        assert_eq!(rules(os, &["em1".to_owned()], &[way("tun0", "em0", 85)]), format!("{nat}{LOCK}{WAY}"));
        let routed = ForwardSpec { masquerade: false, ..way("tun0", "em0", 85) };
        assert_eq!(rules(os, &["em1".to_owned()], &[routed]), format!("{LOCK}{WAY}"));
    }
}

#[test]
fn what_comes_from_one_tun_is_not_let_out_of_another() {
    let text = rules(Os::Free, &[], &[way("tun0", "em0", 85), way("tun1", "em3", 86)]);
    let find = |rule: &str| text.lines().position(|line| line.starts_with(rule)).unwrap();
    assert!(find("block drop out quick all tagged poblano0") < find("pass out quick on tun1"));
    assert!(find("block drop out quick all tagged poblano1") < find("block drop quick on tun1 all"));
    // A guest of the second cannot be what the first lets in.
    assert!(text.contains("pass in quick on tun1 inet from 10.86.0.0/20 to any keep state (if-bound) tag poblano1\n"));
}

#[test]
fn segments_are_made_smaller_on_the_tun_if_that_is_wanted() {
    let small = ForwardSpec { max_segment: Some(1360), ..way("tun0", "em0", 85) };
    for (os, _) in SYSTEMS {
        let rules = rules(os, &["em1".to_owned()], &[small.clone(), way("tun1", "em0", 86)]);
        let matches: Vec<_> = rules.lines().filter(|line| line.contains("scrub")).collect();
        assert_eq!(matches, ["match on tun0 inet proto tcp scrub (max-mss 1360)"]);
        // Before the rules that decide, and after those that rewrite addresses: pfctl wants them in that order.
        let at = |word| rules.lines().position(|line| line.contains(word));
        assert!(at("em0:0") < at("max-mss") && at("max-mss") < at("block"), "{rules}");
    }
}

#[test]
fn no_state_floats() {
    let text = rules(Os::Free, &["em1".to_owned()], &[way("tun0", "em0", 85), way("tun1", "em3", 86)]);
    for rule in text.lines().filter(|rule| rule.starts_with("pass")) {
        assert!(rule.contains(" no state") || rule.contains(" keep state (if-bound)"), "{rule}");
        assert!(rule.contains(" quick "), "{rule}");
    }
}

#[test]
fn rules_of_the_operator_that_decide_before_ours_are_noticed() {
    let free = "scrub in all fragment reassemble\nblock drop in all\nanchor \"poblano\" all\npass out quick all\n";
    assert_eq!(comes_to_anchor(free, "anchor"), Ok(()));
    assert_eq!(comes_to_anchor("nat-anchor \"poblano\" all\n", "nat-anchor"), Ok(()));
    let error = comes_to_anchor("pass quick on lo0 all\nanchor \"poblano\" all\n", "anchor").unwrap_err();
    assert_eq!(error, "its rules decide before they come to ours: pass quick on lo0 all");
    for rules in ["", "pass all\n"] {
        assert_eq!(comes_to_anchor(rules, "anchor").unwrap_err(), "its rules do not come to ours", "{rules}");
    }
    // Another's anchor may decide, or one that is ours for some packets alone.
    for other in ["anchor \"ftp-proxy/*\" all", "anchor in on em0 all {", "anchor \"poblano\" in on em0 all"] {
        let error = comes_to_anchor(&format!("{other}\nanchor \"poblano\" all\n"), "anchor").unwrap_err();
        assert_eq!(error, format!("its rules come to those of others before ours: {other}"));
    }
    assert_eq!(comes_to_anchor("anchor \"poblano\" all\nanchor \"ftp-proxy/*\" all\n", "anchor"), Ok(()));
    assert_eq!(comes_to_anchor("nat-anchor \"other/*\" all\nnat-anchor \"poblano\" all\n", "nat-anchor"), Ok(()));
    // The anchor for rules is none for addresses.
    assert!(comes_to_anchor("anchor \"poblano\" all\n", "nat-anchor").is_err());
}

#[test]
fn names_that_pf_would_read_as_more_than_a_name_are_refused() {
    for name in ["em0", "vlan20", "em1.20", "igb0_lan", "bridge-a"] {
        assert!(is_word(name), "{name}");
    }
    for name in ["", "em0 all", "em0\n", "{em0", "em0,em1", "(em0)", "$em", "0em", "em0:network", "!em0", "em0#"] {
        assert!(!is_word(name), "{name}");
    }
}

#[test]
fn what_pfctl_says_is_understood() {
    assert!(is_enabled("Status: Enabled for 3 days 02:11:04           Debug: Urgent\n\nState Table\n"));
    assert!(!is_enabled("Status: Disabled                              Debug: Urgent\n"));
    assert!(!is_enabled(""));
    assert_eq!(killed("killed 12 states from 1 sources and 0 destinations\n"), 12);
    assert_eq!(
        killed("No ALTQ support in kernel\nALTQ related functions disabled\nkilled 1 states from 1 sources\n"),
        1
    );
    assert_eq!(killed("pfctl: what?\n"), 0);
}

#[test]
fn guests_are_found_in_the_table_of_states() {
    let states = "\
tun0 tcp 198.51.100.7:443 <- 10.85.0.7:50000       ESTABLISHED:ESTABLISHED
em0 tcp 192.0.2.2:61234 (10.85.0.8:50001) -> 198.51.100.7:443       ESTABLISHED:ESTABLISHED
tun0 icmp 198.51.100.9:8 <- 10.85.15.254:4711       0:0
em0 tcp 192.0.2.2:22 <- 10.99.0.1:1025       ESTABLISHED:ESTABLISHED
em0 udp fe80::1[546] -> ff02::2[547]       SINGLE:NO_TRAFFIC
";
    let found = addresses_in(states, (Ipv4Addr::new(10, 85, 0, 0), 20));
    let wanted = [[10, 85, 0, 7], [10, 85, 0, 8], [10, 85, 15, 254]].map(Ipv4Addr::from);
    assert_eq!(found, BTreeSet::from(wanted));
}

#[test]
fn guests_behind_routers_are_guests_and_each_uplink_has_its_rules() {
    let mut way = way("tun0", "em0", 85);
    way.uplinks.push("em1".to_owned());
    way.guests.push((Ipv4Addr::new(10, 99, 0, 0), 16));
    let text = rules(Os::Free, &[], &[way]);
    for wanted in [
        "nat on em1 inet from { 10.85.0.0/20, 10.99.0.0/16 } to any -> (em1:0)",
        "pass out quick on em0 inet all tagged poblano0 keep state (if-bound)",
        "pass out quick on em1 inet all tagged poblano0 keep state (if-bound)",
        "block drop in quick on tun0 inet from any to { (self), 10.85.0.0/20, 10.99.0.0/16, 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/3 }",
    ] {
        assert!(text.lines().any(|line| line == wanted), "{wanted} in\n{text}");
    }
}
