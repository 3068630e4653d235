//! A text to values of the schema's kinds, with every problem found on the way.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wire::url::WebUrl;
use wire::{MacAddr, nearest};

use crate::chilli::options::key_of;
use crate::problem::{Problem, position};
use crate::schema::{Absent, Key, Kind, SECTIONS, Section, section};
use crate::units::{is_name, parse_address_prefix, parse_duration, parse_octets, parse_rate};
use crate::zones::{ZONE, Zone};
use crate::{
    BitRate, DhcpOption, GardenDomain, GardenEntry, HostNetwork, InterfaceAddress, Network, Octets, Overrides, Secret,
    UplinkProbe,
};

/// Tables that are searched one by one must stay short.
const MAX_REPEATED: [(&str, usize); 9] = [
    ("uplink.line", 8),
    ("lan.routed", 16),
    ("dhcp.host", 4096),
    ("dhcp.pool", 16),
    ("policy", 256),
    ("webhook", 8),
    ("radius.server", 8),
    ("radius.dynamic_authorization.client", 16),
    ("radius.proxy.client", 64),
];

/// A value of the kind that the schema names.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Bool(bool),
    Int(u32),
    Duration(Duration),
    Rate(BitRate),
    Octets(Octets),
    Text(String),
    Words(Vec<String>),
    Address(Ipv4Addr),
    Addresses(Vec<Ipv4Addr>),
    HostAddress(IpAddr),
    HostNetwork(HostNetwork),
    Network(Network),
    InterfaceAddress(InterfaceAddress),
    Path(PathBuf),
    Fingerprint([u8; 32]),
    Secret(Secret),
    Mac(MacAddr),
    Macs(Vec<MacAddr>),
    GardenEntries(Vec<GardenEntry>),
    GardenDomains(Vec<GardenDomain>),
    DhcpOptions(Vec<DhcpOption>),
    Probes(Vec<UplinkProbe>),
}

/// Names a key, such as `lan.network` or, of the third host, `dhcp.host[2].mac`.
pub(crate) type KeyPath = String;

/// A problem, and where in the text it is.
pub(crate) type Found = (Option<usize>, Problem);

/// A text as TOML, whatever it means.
pub(crate) struct Parsed<'t> {
    text: &'t str,
    file: &'t str,
    pub(crate) document: DeTable<'t>,
    /// What is no TOML.
    pub(crate) errors: Vec<Found>,
    spoilt_lines: BTreeSet<usize>,
}

/// What a text says to one gateway.
pub(crate) struct Read<'t> {
    text: &'t str,
    file: &'t str,
    zone: Option<&'t Zone<'t>>,
    values: BTreeMap<KeyPath, Value>,
    places: BTreeMap<KeyPath, usize>,
    /// Keys that are there but wrong: nothing more is to be said about them.
    broken: BTreeSet<KeyPath>,
    counts: BTreeMap<&'static str, usize>,
    errors: Vec<Found>,
    warnings: Vec<Found>,
}

/// Takes `text` for TOML, and finds where it is none.
pub(crate) fn parse<'t>(text: &'t str, file: &'t str) -> Parsed<'t> {
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    let document = document.into_inner();
    let mut parsed = Parsed { text, file, document, errors: Vec::new(), spoilt_lines: BTreeSet::new() };
    for error in &syntax_errors {
        let offset = error.span().map_or(0, |s| s.start);
        parsed.wrong(offset, "", format!("not TOML: {}", error.message()));
        parsed.spoilt_lines.insert(position(text, offset).0);
    }
    parsed
}

impl<'t> Parsed<'t> {
    /// Reports what is wrong with the file as such.
    pub(crate) fn wrong(&mut self, offset: usize, place: &str, message: String) {
        let position = Some(position(self.text, offset));
        let problem = Problem { file: self.file.to_owned(), position, place: place.to_owned(), message };
        self.errors.push((Some(offset), problem));
    }

    /// Reads it for the only gateway, or for that of a zone. Keys that are absent or wrong have their default.
    pub(crate) fn read(&self, zone: Option<&'t Zone<'t>>, folder: Option<&Path>) -> Read<'t> {
        let mut read = Read {
            text: self.text,
            file: self.file,
            zone,
            values: BTreeMap::new(),
            places: BTreeMap::new(),
            broken: BTreeSet::new(),
            counts: BTreeMap::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        read.document(zone.map_or(&self.document, |zone| &zone.document), folder);
        // What the parser made up to go on after a syntax error is not the operator's mistake.
        let is_spoilt = |offset: usize| self.spoilt_lines.contains(&position(self.text, offset).0);
        read.errors.retain(|(offset, _)| offset.is_none_or(|offset| !is_spoilt(offset)));
        read
    }
}

impl Read<'_> {
    pub(crate) fn override_with(&mut self, overrides: &Overrides) {
        for (path, option, name) in
            [("lan.interface", "--lan", &overrides.lan), ("uplink.interface", "--uplink", &overrides.uplink)]
        {
            let Some(name) = name else { continue };
            if path == "lan.interface" && self.zone.is_some() {
                let problem =
                    Problem::new("command line", option, "means nothing: each zone has an interface of its own");
                self.warnings.push((None, problem));
                continue;
            }
            self.places.remove(path);
            match interface(name) {
                Ok(name) => {
                    let value = if path == "lan.interface" { Value::Words(vec![name]) } else { Value::Text(name) };
                    self.values.insert(path.to_owned(), value);
                }
                Err(why) => {
                    self.broken.insert(path.to_owned());
                    self.errors.push((None, Problem::new("command line", option, why)));
                }
            }
        }
    }

    /// The name of the zone whose gateway this is for; empty if there are none.
    pub(crate) fn zone_name(&self) -> &str {
        self.zone.map_or("", |zone| &zone.name)
    }

    /// Gives a value to a key of which the file says nothing.
    pub(crate) fn set(&mut self, path: &str, value: Value) {
        self.values.insert(path.to_owned(), value);
    }

    /// True when the zone itself has the key.
    pub(crate) fn is_of_zone(&self, path: &str) -> bool {
        self.zone.is_some_and(|zone| self.places.get(path).is_some_and(|offset| zone.given.contains(offset)))
    }

    /// Reports of a key that it is missing in the zone.
    pub(crate) fn missing_in_zone(&mut self, path: &str, message: &str) {
        let section = path.rsplit_once('.').map_or(path, |(section, _)| section);
        let at = [section].into_iter().filter(|section| self.is_of_zone(section)).find_map(|s| self.places.get(s));
        let offset = at.copied().or(self.zone.map(|zone| zone.offset));
        self.broken.insert(path.to_owned());
        self.error_at(offset, &place(path), message);
    }

    /// The value at a path, the file's or the default.
    pub(crate) fn value(&self, path: &str) -> Option<&Value> {
        self.values.get(path)
    }

    /// How many tables there are of a section.
    pub(crate) fn count(&self, section: &str) -> usize {
        self.counts.get(section).copied().unwrap_or(0)
    }

    /// True when the file has the key.
    pub(crate) fn is_given(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// Reports that the value at `path` is wrong, considering those at `others` too. Says nothing when one of them is
    /// wrong in itself, for then the operator has not said yet what is meant.
    pub(crate) fn conflict(&mut self, path: &str, others: &[&str], message: impl Into<String>) {
        if !self.is_broken(path, others) {
            let offset = self.places.get(path).copied();
            self.error_at(offset, &place(path), message);
        }
    }

    /// Reports that there must be no value at `path`, whatever it is.
    pub(crate) fn refuse(&mut self, path: &str, message: &str) {
        self.conflict(path, &[], message);
        self.broken.insert(path.to_owned());
    }

    /// Reports that the value at `path`, considering those at `others`, is unwise.
    pub(crate) fn warn(&mut self, path: &str, others: &[&str], message: impl Into<String>) {
        if !self.is_broken(path, others) {
            let offset = self.places.get(path).copied();
            let problem = self.problem(offset, &place(path), message.into());
            self.warnings.push((offset, problem));
        }
    }

    fn warn_of_open_file(&mut self, key_path: &str, file: &Path) {
        if others_can_read(file) {
            let message = format!("{} can be read by every user; chmod 600 it", file.display());
            self.warn(key_path, &[], message);
        }
    }

    /// Errors and warnings.
    pub(crate) fn into_problems(self) -> (Vec<Found>, Vec<Found>) {
        (self.errors, self.warnings)
    }

    fn is_broken(&self, path: &str, others: &[&str]) -> bool {
        others.iter().chain(&[path]).any(|p| self.broken.contains(*p))
    }

    fn problem(&self, offset: Option<usize>, place: &str, message: String) -> Problem {
        let position = offset.map(|o| position(self.text, o));
        let place = match self.zone {
            Some(zone) if offset.is_none_or(|offset| zone.given.contains(&offset)) => zone.place(place),
            _ => place.to_owned(),
        };
        Problem { file: self.file.to_owned(), position, place, message }
    }

    fn error_at(&mut self, offset: Option<usize>, place: &str, message: impl Into<String>) {
        let problem = self.problem(offset, place, message.into());
        self.errors.push((offset, problem));
    }

    fn document(&mut self, document: &DeTable<'_>, folder: Option<&Path>) {
        let nothing = DeTable::new();
        for (name, value) in document {
            if section(name.get_ref()).is_none() {
                self.unknown_section(name.span().start, name.get_ref(), value.get_ref());
            }
        }
        for section in SECTIONS {
            let mut names = section.name.split('.');
            let outer = names.next().and_then(|outer| document.get(outer));
            let found = names.fold(outer, |table, inner| table?.get_ref().as_table()?.get(inner));
            match (found.map(Spanned::get_ref), section.repeated) {
                (None, true) => {}
                (None, false) => self.section(section, section.name, &nothing, 0, folder),
                (Some(DeValue::Table(table)), false) => {
                    let start = found.map_or(0, |f| f.span().start);
                    self.counts.insert(section.name, 1);
                    self.section(section, section.name, table, start, folder);
                }
                (Some(DeValue::Array(items)), true) if items.iter().all(|i| i.get_ref().is_table()) => {
                    let limit = MAX_REPEATED.iter().find(|(n, _)| *n == section.name).map_or(0, |(_, most)| *most);
                    self.counts.insert(section.name, items.len().min(limit));
                    if let Some(item) = items.get(limit) {
                        let message = format!("there are {}; at most {limit} can be served", items.len());
                        self.error_at(Some(item.span().start), &place(section.name), message);
                    }
                    for (i, item) in items.iter().enumerate().take(limit) {
                        let Some(table) = item.get_ref().as_table() else { continue };
                        let path = format!("{}[{i}]", section.name);
                        self.section(section, &path, table, item.span().start, folder);
                    }
                }
                (Some(other), repeated) => {
                    let message = format!("is {}; {}", describe(other), how_to_write(section));
                    self.error_at(found.map(|f| f.span().start), &place(section.name), message);
                    self.broken.insert(section.name.to_owned());
                    if !repeated {
                        self.section(section, section.name, &nothing, 0, folder);
                    }
                }
            }
        }
    }

    fn unknown_section(&mut self, offset: usize, name: &str, value: &DeValue<'_>) {
        if value.is_table() || value.as_array().is_some_and(|a| a.iter().any(|i| i.get_ref().is_table())) {
            let outer = || SECTIONS.iter().map(|s| s.name).filter(|n| !n.contains('.')).chain([ZONE]);
            let advice = match nearest(name, outer()) {
                Some(ZONE) => format!("did you mean [{ZONE}.NAME.lan] and so on?"),
                Some(near) => format!("did you mean [{near}]?"),
                None => format!("there are {}", outer().collect::<Vec<_>>().join(", ")),
            };
            self.error_at(Some(offset), &format!("[{name}]"), format!("unknown section; {advice}"));
        } else {
            let home = SECTIONS.iter().find(|s| s.keys.iter().any(|k| k.name == name));
            let advice = home.map_or_else(
                || "every key belongs in a section, such as [lan]".to_owned(),
                |s| format!("put it under {}", header(s)),
            );
            self.error_at(Some(offset), name, format!("a key outside of any section; {advice}"));
        }
    }

    /// Reads the keys of one table and fills in the defaults of those that are not there.
    fn section(
        &mut self,
        section: &'static Section,
        path: &str,
        table: &DeTable<'_>,
        start: usize,
        folder: Option<&Path>,
    ) {
        self.places.insert(path.to_owned(), start);
        for (name, value) in table {
            let is_inner = section_is(section.name, name.get_ref());
            if !is_inner && !section.keys.iter().any(|k| k.name == name.get_ref()) {
                let meant = self.unknown_key(section, name, value.get_ref());
                if let Some(meant) = meant.filter(|m| table.get(*m).is_none()) {
                    self.broken.insert(format!("{path}.{meant}"));
                }
            }
        }
        for key in section.keys {
            let key_path = format!("{path}.{}", key.name);
            match table.get(key.name) {
                Some(value) => {
                    self.places.insert(key_path.clone(), value.span().start);
                    match convert(value, &key.kind, folder) {
                        Ok(converted) => {
                            if let (Kind::SecretFile, Some(file)) = (&key.kind, value.get_ref().as_str()) {
                                self.warn_of_open_file(&key_path, &in_folder(folder, file));
                            }
                            self.values.insert(key_path, converted);
                            continue;
                        }
                        Err(wrong) => {
                            for (offset, why) in wrong {
                                self.error_at(Some(offset), &place(&key_path), why);
                            }
                            self.broken.insert(key_path.clone());
                        }
                    }
                }
                None => {
                    if let Absent::Required { example } = key.absent {
                        let message = format!("is missing; write {} = {example}", key.name);
                        self.error_at(Some(start), &place(&key_path), message);
                        self.broken.insert(key_path.clone());
                    }
                }
            }
            if let Some(value) = default_value(key) {
                self.values.insert(key_path, value);
            }
        }
    }

    /// Reports a key that there is not, and tells which one was probably meant: what it was to be is not known.
    fn unknown_key(
        &mut self,
        section: &'static Section,
        name: &Spanned<Cow<'_, str>>,
        value: &DeValue<'_>,
    ) -> Option<&'static str> {
        let word: &str = name.get_ref();
        let inner = SECTIONS.iter().filter_map(|s| s.name.rsplit_once('.')).filter(|(o, _)| *o == section.name);
        let inner: Vec<_> = inner.map(|(_, inner)| inner).collect();
        // Of several ports or files none can be guessed.
        let kind = format!("_{word}");
        let kinds: Vec<_> = section.keys.iter().map(|k| k.name).filter(|name| name.ends_with(&kind)).collect();
        let several = kinds.len() > 1;
        let near = nearest(word, section.keys.iter().map(|k| k.name).chain(inner.iter().copied()));
        let near = near.filter(|_| !several);
        let home = SECTIONS.iter().find(|s| s.keys.iter().any(|k| k.name == word));
        let table = near.and_then(|near| self::section(&format!("{}.{near}", section.name)));
        let advice = match (near, home) {
            _ if several => format!("there are {}", kinds.join(", ")),
            (Some(near), _) if value.is_table() || value.is_array() => {
                format!("did you mean {}?", table.map_or(near.to_owned(), header))
            }
            (Some(near), _) => format!("did you mean {near}?"),
            (None, home) => {
                let keys: Vec<_> = section.keys.iter().map(|k| k.name).chain(inner).collect();
                let here = format!("{} has {}", header(section), keys.join(", "));
                match (home, key_of(word)) {
                    // That of a table beside this one may be meant, or another word for one of this table's.
                    (Some(home), _) if section.name.contains('.') => format!("{here}; {} has this one", header(home)),
                    (Some(home), _) => format!("it belongs under {}", header(home)),
                    (None, Some(key)) => format!("it is CoovaChilli's; here it is {key}"),
                    (None, None) => here,
                }
            }
        };
        let place = format!("{}.{word}", header(section));
        self.error_at(Some(name.span().start), &place, format!("unknown key; {advice}"));
        near
    }
}

/// What to write in place of something that is no such section.
fn how_to_write(section: &Section) -> String {
    if section.repeated {
        return format!("write {}, in two pairs of brackets, which may stand again", header(section));
    }
    let of_it = |s: &&Section| s.repeated && s.name.rsplit_once('.').is_some_and(|(outer, _)| outer == section.name);
    let several: Vec<String> = SECTIONS.iter().filter(of_it).map(header).collect();
    let once = format!("write {} once", header(section));
    if several.is_empty() { once } else { format!("{once}; what may stand again is {}", several.join(", ")) }
}

/// True when others than the owner may read the file.
pub(crate) fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|m| m.mode() & 0o004 != 0)
}

fn section_is(outer: &str, inner: &str) -> bool {
    SECTIONS.iter().any(|s| s.name.rsplit_once('.') == Some((outer, inner)))
}

fn header(section: &Section) -> String {
    if section.repeated { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) }
}

/// `[lan].network`, `[[dhcp.host]].mac`, `[[dhcp.host]]`.
fn place(path: &str) -> String {
    let (table, key) = match path.split_once("].") {
        Some((table, key)) => (table, Some(key)),
        None if path.ends_with(']') || section(path).is_some() => (path, None),
        None => path.rsplit_once('.').map_or((path, None), |(table, key)| (table, Some(key))),
    };
    let name = table.split_once('[').map_or(table, |(name, _)| name);
    let header = section(name).map_or_else(|| format!("[{name}]"), header);
    key.map_or(header.clone(), |key| format!("{header}.{key}"))
}

fn default_value(key: &Key) -> Option<Value> {
    let Absent::Is(toml) = key.absent else { return None };
    let value = DeValue::parse(toml).ok()?;
    convert(&value, &key.kind, None).ok()
}

/// A value of the file to one of the kind, or all places where it is not one, and why.
fn convert(value: &Spanned<DeValue<'_>>, kind: &Kind, folder: Option<&Path>) -> Result<Value, Vec<(usize, String)>> {
    match kind {
        Kind::Addresses { max } => list(value, *max, kind, |item| {
            item.as_str()
                .and_then(|t| t.parse().ok())
                .ok_or_else(|| format!("is {}; write an IPv4 address", describe(item)))
        })
        .map(Value::Addresses),
        Kind::GardenEntries { max } => list(value, *max, kind, |item| {
            item.as_str().ok_or_else(|| format!("is {}; write text", describe(item)))?.parse::<GardenEntry>()
        })
        .map(Value::GardenEntries),
        Kind::GardenDomains { max } => list(value, *max, kind, |item| {
            GardenDomain::parse(item.as_str().ok_or_else(|| format!("is {}; write text", describe(item)))?)
        })
        .map(Value::GardenDomains),
        Kind::Origins { max } => list(value, *max, kind, |item| {
            item.as_str()
                .filter(|t| WebUrl::parse(t).is_some_and(|url| url.path().is_empty()))
                .map(str::to_ascii_lowercase)
                .ok_or_else(|| format!("is {}; write \"https://www.example.org\", without a path", describe(item)))
        })
        .map(Value::Words),
        Kind::Probes { max } => list(value, *max, kind, |item| {
            item.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
                format!("is {}; write \"192.0.2.1\", \"dns:192.0.2.53\" or \"tcp:192.0.2.80:443\"", describe(item))
            })
        })
        .map(Value::Probes),
        Kind::DhcpOptions { max } => list(value, *max, kind, DhcpOption::read).map(Value::DhcpOptions),
        Kind::Interfaces { max } if value.get_ref().is_array() => interfaces(value, *max, kind).map(Value::Words),
        Kind::Macs { max } => list(value, *max, kind, |item| {
            mac(item.as_str().ok_or_else(|| format!("is {}; write an Ethernet address", describe(item)))?)
        })
        .map(Value::Macs),
        _ => convert_one(value, kind, folder).map_err(|wrong| vec![wrong]),
    }
}

/// As [`convert`], for what is no list.
fn convert_one(value: &Spanned<DeValue<'_>>, kind: &Kind, folder: Option<&Path>) -> Result<Value, (usize, String)> {
    let here = value.span().start;
    let wanted = || (here, format!("is {}; write {}", describe(value.get_ref()), kind.describe()));
    let text = || value.get_ref().as_str();
    let in_words = |why: String| (here, why);
    match kind {
        Kind::Bool => value.get_ref().as_bool().map(Value::Bool).ok_or_else(wanted),
        Kind::Int { min, max } => {
            let digits = value.get_ref().as_integer();
            let number = digits.and_then(|i| u32::from_str_radix(i.as_str(), i.radix()).ok());
            number.filter(|n| (min..=max).contains(&n)).map(Value::Int).ok_or_else(wanted)
        }
        Kind::Duration { min, max, or_zero } => {
            let duration = text().and_then(parse_duration).ok_or_else(wanted)?;
            let in_range = parse_duration(min) <= Some(duration) && Some(duration) <= parse_duration(max);
            if in_range || *or_zero && duration.is_zero() { Ok(Value::Duration(duration)) } else { Err(wanted()) }
        }
        Kind::DenyOrAdmit { min, max } => match text() {
            Some("deny") => Ok(Value::Duration(Duration::ZERO)),
            Some(text) => {
                let time = text.strip_prefix("admit ").and_then(parse_duration);
                let fits = |time: &Duration| (parse_duration(min)..=parse_duration(max)).contains(&Some(*time));
                time.filter(fits).map(Value::Duration).ok_or_else(wanted)
            }
            None => Err(wanted()),
        },
        Kind::Rate => text().and_then(parse_rate).map(Value::Rate).ok_or_else(wanted),
        Kind::Octets => {
            let octets = text().and_then(parse_octets).ok_or_else(wanted)?;
            if octets.0 == 0 || octets.0 >= 100_000 { Ok(Value::Octets(octets)) } else { Err(wanted()) }
        }
        Kind::Text { max } => text().filter(|t| t.len() <= *max).map(|t| Value::Text(t.to_owned())).ok_or_else(wanted),
        Kind::Choice(choices) => {
            let word = text().ok_or_else(wanted)?;
            choice(word, choices).map(Value::Text).map_err(in_words)
        }
        Kind::Choices(choices) => {
            let items = value.get_ref().as_array().map_or(std::slice::from_ref(value), |array| array);
            let mut words: Vec<String> = Vec::new();
            for item in items {
                let word = item.get_ref().as_str().ok_or_else(wanted)?;
                let word = choice(word, choices).map_err(|why| (item.span().start, why))?;
                if words.contains(&word) {
                    return Err((item.span().start, format!("{word:?} stands twice; leave one out")));
                }
                words.push(word);
            }
            if words.is_empty() {
                return Err((here, format!("is empty; write {}", kind.describe())));
            }
            Ok(Value::Words(words))
        }
        Kind::Address => text().and_then(|t| t.parse().ok()).map(Value::Address).ok_or_else(wanted),
        Kind::HostAddress => text().and_then(|t| t.parse().ok()).map(Value::HostAddress).ok_or_else(|| match text() {
            Some(text) if text.parse::<SocketAddr>().is_ok() => in_words(format!(
                "{text:?} has a port; write the address alone, and the port into its own key (port or ..._port)"
            )),
            _ => wanted(),
        }),
        Kind::HostNetwork => {
            let given = text().and_then(HostNetwork::parse).ok_or_else(wanted)?;
            let network = given.without_host_bits();
            if network == given {
                Ok(Value::HostNetwork(network))
            } else {
                Err((here, format!("{given} has host bits set; write \"{network}\"")))
            }
        }
        Kind::Network => {
            let given = text().and_then(parse_address_prefix).ok_or_else(wanted)?;
            let network = given.network();
            if !(8..=30).contains(&given.prefix) {
                Err(wanted())
            } else if network.address != given.address {
                Err((here, format!("{given} has host bits set; write \"{network}\"")))
            } else {
                Ok(Value::Network(network))
            }
        }
        Kind::InterfaceAddress => text().and_then(parse_address_prefix).map(Value::InterfaceAddress).ok_or_else(wanted),
        Kind::Interface => interface(text().ok_or_else(wanted)?).map(Value::Text).map_err(in_words),
        Kind::Interfaces { .. } => {
            interface(text().ok_or_else(wanted)?).map(|name| Value::Words(vec![name])).map_err(in_words)
        }
        Kind::Name => text().filter(|t| is_name(t)).map(|t| Value::Text(t.to_ascii_lowercase())).ok_or_else(wanted),
        Kind::Path { max } => {
            let fits = |t: &&str| t.starts_with('/') && t.len() <= *max && !t.contains('\0');
            text().filter(fits).map(|t| Value::Path(t.into())).ok_or_else(wanted)
        }
        Kind::File => {
            let path = in_folder(folder, text().filter(|t| !t.is_empty()).ok_or_else(wanted)?);
            match std::fs::File::open(&path) {
                Ok(_) => Ok(Value::Path(path)),
                Err(error) => Err((here, format!("cannot read {}: {error}", path.display()))),
            }
        }
        Kind::Fingerprint => text().and_then(fingerprint).map(Value::Fingerprint).ok_or_else(wanted),
        Kind::SecretFile => {
            let path = text().filter(|t| !t.is_empty()).ok_or_else(wanted)?;
            secret_file(&in_folder(folder, path)).map(Value::Secret).map_err(in_words)
        }
        Kind::Secret => {
            // The message must not repeat the secret.
            let long_enough = |t: &&str| (1..=128).contains(&t.len());
            let advice = || (here, format!("is not a secret; write {}", kind.describe()));
            text().filter(long_enough).map(|t| Value::Secret(Secret::new(t.into()))).ok_or_else(advice)
        }
        Kind::Mac => mac(text().ok_or_else(wanted)?).map(Value::Mac).map_err(in_words),
        Kind::WebAddress => {
            text().filter(|t| WebUrl::parse(t).is_some()).map(|t| Value::Text(t.to_owned())).ok_or_else(wanted)
        }
        Kind::Addresses { .. }
        | Kind::Origins { .. }
        | Kind::GardenEntries { .. }
        | Kind::GardenDomains { .. }
        | Kind::Probes { .. }
        | Kind::DhcpOptions { .. }
        | Kind::Macs { .. } => Err(wanted()),
    }
}

fn list<T>(
    value: &Spanned<DeValue<'_>>,
    max: usize,
    kind: &Kind,
    one: impl Fn(&DeValue<'_>) -> Result<T, String>,
) -> Result<Vec<T>, Vec<(usize, String)>> {
    let wanted = |what: String| vec![(value.span().start, format!("{what}; write {}", kind.describe()))];
    let items = value.get_ref().as_array().ok_or_else(|| wanted(format!("is {}", describe(value.get_ref()))))?;
    if items.len() > max {
        return Err(wanted(format!("has {} entries", items.len())));
    }
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for item in items {
        match one(item.get_ref()) {
            Ok(converted) => good.push(converted),
            Err(why) => wrong.push((item.span().start, why)),
        }
    }
    if wrong.is_empty() { Ok(good) } else { Err(wrong) }
}

fn choice(word: &str, choices: &[&str]) -> Result<String, String> {
    if choices.contains(&word) {
        return Ok(word.to_owned());
    }
    Err(match nearest(word, choices.iter().copied()) {
        Some(near) => format!("{word:?} is none of {}; did you mean {near:?}?", choices.join(", ")),
        None => format!("{word:?} is not known; write one of {}", choices.join(", ")),
    })
}

fn mac(text: &str) -> Result<MacAddr, String> {
    match text.parse::<MacAddr>() {
        Ok(mac) if mac.is_station() => Ok(mac),
        Ok(mac) => Err(format!("{mac} is no single device's address")),
        Err(_) => Err(format!("is {text:?}; write {}", Kind::Mac.describe())),
    }
}

/// One or several, none of them twice.
fn interfaces(value: &Spanned<DeValue<'_>>, max: usize, kind: &Kind) -> Result<Vec<String>, Vec<(usize, String)>> {
    let names = list(value, max, kind, |item| {
        interface(item.as_str().ok_or_else(|| format!("is {}; write the name of an interface", describe(item)))?)
    })?;
    if names.is_empty() {
        return Err(vec![(value.span().start, format!("is empty; write {}", kind.describe()))]);
    }
    let items = value.get_ref().as_array().into_iter().flatten();
    let is_known = |n: usize, name: &String| names.iter().take(n).any(|known| known == name);
    let twice = items.zip(&names).enumerate().filter(|(n, (_, name))| is_known(*n, name));
    let twice: Vec<_> =
        twice.map(|(_, (item, name))| (item.span().start, format!("{name} stands twice; leave one out"))).collect();
    if twice.is_empty() { Ok(names) } else { Err(twice) }
}

fn interface(name: &str) -> Result<String, String> {
    // IFNAMSIZ is 16 on every system that we run on, with the zero at the end.
    let ok = (1..=15).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
        && !matches!(name, "." | "..");
    if ok {
        Ok(name.to_owned())
    } else {
        Err(format!("{name:?} cannot be an interface; write a name of 1 to 15 letters, digits, '-', '.' or '_'"))
    }
}

fn in_folder(folder: Option<&Path>, path: &str) -> PathBuf {
    folder.map_or_else(|| PathBuf::from(path), |f| f.join(path))
}

fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let octet = |i: usize| u8::from_str_radix(digits.get(2 * i..2 * i + 2)?, 16).ok();
    let octets: Vec<u8> = (0..32).map_while(octet).collect();
    if digits.len() == 64 { octets.try_into().ok() } else { None }
}

fn secret_file(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
    let line = text.lines().next().unwrap_or("");
    if !(1..=128).contains(&line.len()) {
        return Err(format!("the first line of {shown} has {} octets; a secret has 1 to 128", line.len()));
    }
    Ok(Secret::new(line.into()))
}

/// A value as a message shows it.
fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() <= 40 => format!("{text:?}"),
        DeValue::String(text) => format!("a text of {} octets", text.len()),
        DeValue::Integer(i) => i.to_string(),
        DeValue::Float(f) => f.to_string(),
        DeValue::Boolean(b) => b.to_string(),
        DeValue::Datetime(d) => d.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
