//! Zones: several guests' networks of one gateway, each with whatever it wants of its own.
//!
//! `[zone.NAME.SECTION]` goes over `[SECTION]` key by key, a list of tables (`[[zone.NAME.radius.server]]`) over the whole
//! list. So each zone is a configuration like that of a gateway without zones, and is read and checked as one; what is
//! in the way between two of them comes after that. Problems are told once, with the zone if it is one's own.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::check::is_vlan_of;
use crate::problem::Problem;
use crate::read::{Found, Parsed, Read, Value};
use crate::{Config, Lan, Network};

/// Each has threads, sockets and tables of its own.
const MAX_ZONES: usize = 16;
/// With "pob-" before it, it is the name of a device.
const MAX_NAME: usize = 11;
/// The word for the tables of zones.
pub(crate) const ZONE: &str = "zone";

/// Keys that each zone has for itself.
const OF_ZONES: [&str; 4] = ["lan.interface", "lan.network", "lan.gateway", "tun.name"];
/// Keys of the process.
const OF_PROCESS: [&str; 15] = [
    "console.listen",
    "console.port",
    "console.plain_http",
    "console.operators",
    "console.tls.certificate_file",
    "console.tls.key_file",
    "control.socket",
    "metrics.listen",
    "metrics.port",
    "log.level",
    "log.format",
    "uplink.share",
    "uplink.probe_interval",
    "uplink.probes_lost",
    "uplink.probes_answered",
];

/// What the file says to one zone's gateway.
pub(crate) struct Zone<'t> {
    pub(crate) name: String,
    /// Where its first table is.
    pub(crate) offset: usize,
    /// The whole: what is its own over what all have.
    pub(crate) document: DeTable<'t>,
    /// Where its own tables, keys and values are.
    pub(crate) given: BTreeSet<usize>,
}

impl Zone<'_> {
    /// A key's or section's place, as the zone has it: `[zone.staff.lan].interface`.
    pub(crate) fn place(&self, place: &str) -> String {
        let name = &self.name;
        match place.trim_start_matches('[') {
            "" => String::new(),
            key if key.len() == place.len() => format!("[{ZONE}.{name}].{key}"),
            section => format!("{}{ZONE}.{name}.{section}", &place[..place.len() - section.len()]),
        }
    }
}

/// Takes the zones out of a file, in the order of their names.
pub(crate) fn split<'t>(parsed: &mut Parsed<'t>) -> Vec<Zone<'t>> {
    let Some((word, tables)) = parsed.document.remove_entry(ZONE) else { return Vec::new() };
    let offset = word.span().start;
    let DeValue::Table(tables) = tables.into_inner() else {
        parsed.wrong(offset, ZONE, "is no table; write [zone.NAME.lan] and so on".to_owned());
        return Vec::new();
    };
    if tables.len() > MAX_ZONES {
        parsed.wrong(offset, "[zone]", format!("there are {} zones; at most {MAX_ZONES} can be served", tables.len()));
    }
    let mut zones = Vec::new();
    let mut covered = Vec::from(OF_ZONES);
    for (name, table) in tables.into_iter().take(MAX_ZONES) {
        let (offset, name) = (name.span().start, name.into_inner().into_owned());
        let place = format!("[{ZONE}.{name}]");
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_name) {
            let message = format!("a zone's name has 1 to {MAX_NAME} of a-z, 0-9 and -");
            parsed.wrong(offset, &place, message);
            continue;
        }
        let DeValue::Table(own) = table.into_inner() else {
            parsed.wrong(offset, &place, format!("is no table; write [{ZONE}.{name}.lan] and so on"));
            continue;
        };
        let mut given = BTreeSet::from([offset]);
        places(&own, &mut given);
        covered.retain(|path| place_of_key(&own, path).is_some());
        let mut document = parsed.document.clone();
        lay_over(&mut document, own);
        zones.push(Zone { name, offset, document, given });
    }
    for path in covered {
        let (section, key) = path.split_once('.').unwrap_or((path, ""));
        if let Some(offset) = place_of_key(&parsed.document, path).filter(|_| !zones.is_empty()) {
            let message = format!("is nobody's beside zones; put it under [{ZONE}.NAME.{section}], or take it out");
            parsed.wrong(offset, &format!("[{section}].{key}"), message);
        }
    }
    zones
}

/// Where a file says `section.key`.
fn place_of_key(document: &DeTable<'_>, path: &str) -> Option<usize> {
    let (section, key) = path.split_once('.')?;
    let (key, _) = document.get(section)?.get_ref().as_table()?.get_key_value(key)?;
    Some(key.span().start)
}

fn places(table: &DeTable<'_>, given: &mut BTreeSet<usize>) {
    for (key, value) in table {
        given.insert(key.span().start);
        places_of(value, given);
    }
}

fn places_of(value: &Spanned<DeValue<'_>>, given: &mut BTreeSet<usize>) {
    given.insert(value.span().start);
    match value.get_ref() {
        DeValue::Table(table) => places(table, given),
        DeValue::Array(items) => items.iter().for_each(|item| places_of(item, given)),
        _ => {}
    }
}

fn lay_over<'t>(under: &mut DeTable<'t>, over: DeTable<'t>) {
    for (key, value) in over {
        let span = value.span();
        match (under.remove(key.get_ref().as_ref()).map(Spanned::into_inner), value.into_inner()) {
            (Some(DeValue::Table(mut both)), DeValue::Table(own)) => {
                lay_over(&mut both, own);
                under.insert(key, Spanned::new(span, DeValue::Table(both)));
            }
            (_, own) => {
                under.insert(key, Spanned::new(span, own));
            }
        }
    }
}

/// What a zone has if it does not say so, and what it must say itself.
pub(crate) fn complete(read: &mut Read<'_>) {
    let name = read.zone_name().to_owned();
    for path in OF_ZONES {
        if read.is_given(path) && !read.is_of_zone(path) {
            read.refuse(path, "cannot be that of all zones; give each its own under [zone.NAME...]");
        }
    }
    for (path, example) in [("lan.interface", "eth1.20"), ("lan.network", "10.86.0.0/20")] {
        if !read.is_given(path) {
            let key = path.trim_start_matches("lan.");
            read.missing_in_zone(path, &format!("is missing; write {key} = \"{example}\", each zone has its own"));
        }
    }
    for path in OF_PROCESS {
        if read.is_of_zone(path) {
            let home = path.split('.').next().unwrap_or_default();
            read.conflict(path, &[], format!("there is one for all zones; put it under [{home}]"));
        }
    }
    if let Some(Value::Path(shared)) = read.value("state.directory").cloned() {
        if !read.is_given("auth.accounts") && !read.is_of_zone("state.directory") {
            read.set("auth.accounts", Value::Path(shared.join("accounts")));
        }
        if !read.is_of_zone("state.directory") {
            read.set("state.directory", Value::Path(shared.join("zones").join(&name)));
        }
    }
    if let Some(Value::Path(shared)) = read.value("retention.directory").cloned()
        && !read.is_of_zone("retention.directory")
    {
        read.set("retention.directory", Value::Path(shared.join(&name)));
    }
    if !read.is_of_zone("radius.nas_identifier")
        && let Some(Value::Text(shared)) = read.value("radius.nas_identifier").cloned()
    {
        read.set("radius.nas_identifier", Value::Text(format!("{shared}-{name}")));
    }
    if !read.is_given("tun.name") {
        read.set("tun.name", Value::Text(format!("pob-{name}")));
    }
}

/// What two zones cannot both have.
pub(crate) fn check(zones: &mut [(Config, Read<'_>)]) {
    for second in 1..zones.len() {
        let (before, rest) = zones.split_at_mut(second);
        let [(config, read), ..] = rest else { return };
        for (other, _) in before {
            check_two(other, config, read);
        }
    }
}

/// Tells the second of them.
fn check_two(other: &Config, config: &Config, read: &mut Read<'_>) {
    let its = format!("that of zone {}", other.zone);
    let both = |what: &str| format!("{what} is {its} too; each zone needs its own");
    let (lan, others) = (&config.lan, &other.lan);
    for (own, its) in lan.named().iter().flat_map(|own| others.named().iter().map(move |its| (own, its))) {
        if own == its || *own == others.interface || *its == lan.interface {
            read.conflict("lan.interface", &[], both(own));
        } else if is_vlan_of(own, its) || is_vlan_of(its, own) {
            let message = format!(
                "{own} and {its} of zone {} are one cable, and a zone on the cable itself has all its VLANs; give each zone a VLAN",
                other.zone
            );
            read.conflict("lan.interface", &[], message);
        }
    }
    for (one, another) in [(config, other), (other, config)] {
        let its_uplinks =
            another.uplink.interface.iter().chain(another.uplink.lines.iter().map(|line| &line.interface));
        if its_uplinks.into_iter().any(|uplink| one.lan.named().contains(uplink)) {
            let message = format!("zone {} has its guests where zone {} has its uplink", one.zone, another.zone);
            read.conflict("lan.interface", &["uplink.interface"], message);
        }
        if let Some(address) = another.uplink.address
            && address.network().overlaps(one.lan.network)
        {
            let message = format!("zone {}'s overlaps the uplink of zone {}: {address}", one.zone, another.zone);
            read.conflict("lan.network", &["uplink.address"], message);
        }
    }
    for (path, network) in networks(lan) {
        if let Some((_, its)) = networks(others).find(|(_, its)| its.overlaps(network)) {
            let message = format!("{network} overlaps {its} of zone {}; each zone needs its own", other.zone);
            read.conflict(&path, &[], message);
        }
    }
    let are_its = |lan: &Lan, tun: &String| lan.interface == *tun || lan.ports.contains(tun);
    if other.tun.name == config.tun.name || are_its(others, &config.tun.name) || are_its(lan, &other.tun.name) {
        read.conflict("tun.name", &["lan.interface"], both(&config.tun.name));
    }
    if config.state.directory == other.state.directory {
        read.conflict("state.directory", &[], both(&config.state.directory.display().to_string()));
    } else if config.retention.directory == other.retention.directory {
        read.conflict("retention.directory", &[], both(&config.retention.directory.display().to_string()));
    }
    if config.radius.nas_identifier == other.radius.nas_identifier {
        // One's Accounting-On would end the other's sessions at the server (RFC 2866, section 5.1).
        read.conflict("radius.nas_identifier", &[], both(&config.radius.nas_identifier));
    }
    let (proxy, others) = (&config.radius.proxy, &other.radius.proxy);
    let meet = proxy.listen == others.listen || proxy.listen.is_unspecified() || others.listen.is_unspecified();
    let ports = [others.port, others.accounting_port];
    if !proxy.clients.is_empty() && !others.clients.is_empty() && meet {
        for (path, port) in [("radius.proxy.port", proxy.port), ("radius.proxy.accounting_port", proxy.accounting_port)]
        {
            if ports.contains(&port) {
                let message = format!("{port} is {its} too; give each its own, or clients to one of them alone");
                read.conflict(path, &["radius.proxy.client"], message);
            }
        }
    }
}

/// Where guests are, by the key that says so.
fn networks(lan: &Lan) -> impl Iterator<Item = (String, Network)> {
    let routed = lan.routed.iter().enumerate();
    let routed = routed.map(|(i, routed)| (format!("lan.routed[{i}].network"), routed.network));
    [("lan.network".to_owned(), lan.network)].into_iter().chain(routed)
}

/// A problem by its place in the file, its key and what it is.
type Told = (Option<usize>, String, String);

/// All problems in the order of the file, what has no place last. What is the same for all zones is told once.
pub(crate) fn problems(of_file: Vec<Found>, of_zones: Vec<(String, Vec<Found>)>) -> Vec<Problem> {
    let zones = of_zones.len();
    let mut all = of_file;
    let mut shared: BTreeMap<Told, (Found, Vec<String>)> = BTreeMap::new();
    for (zone, found) in of_zones {
        for (offset, problem) in found {
            let key = (offset, problem.place.clone(), problem.message.clone());
            shared.entry(key).or_insert_with(|| ((offset, problem), Vec::new())).1.push(zone.clone());
        }
    }
    for ((offset, mut problem), by) in shared.into_values() {
        let is_own = problem.place.contains(&format!("[{ZONE}."));
        if by.len() < zones && !is_own {
            problem.message = format!("{} (zone {})", problem.message, by.join(", "));
        }
        all.push((offset, problem));
    }
    all.sort_by_key(|(offset, _)| offset.unwrap_or(usize::MAX));
    all.into_iter().map(|(_, problem)| problem).collect()
}
