//! Makes the tables and typed constants of attributes out of the dictionaries in `conf/dictionary`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use self::file::{Attribute, Dictionary, Type};

#[path = "src/dictionary/file.rs"]
#[allow(dead_code, unreachable_pub, reason = "the crate uses what the build does not")]
mod file;

const DIRECTORY: &str = "../../conf/dictionary";

fn main() {
    println!("cargo::rerun-if-changed={DIRECTORY}");
    println!("cargo::rerun-if-changed=src/dictionary/file.rs");
    let mut read = |name: &str| fs::read_to_string(Path::new(DIRECTORY).join(name)).map_err(|error| error.to_string());
    let dictionary = file::parse("dictionary", &mut read).unwrap_or_else(|error| {
        println!("cargo::error=conf/dictionary/{error}");
        process::exit(1)
    });
    write("dictionary.rs", &tables(&dictionary));
    write("attr.rs", &constants(&dictionary));
    write("each_attribute.rs", &each(&dictionary));
}

fn write(name: &str, text: &str) {
    let directory = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(directory.join(name), text).expect("cargo's directory can be written");
}

/// What is printed: entries by place, with the names of values by number.
fn tables(dictionary: &Dictionary) -> String {
    let mut out = String::from("static ENTRIES: &[Entry] = &[\n");
    for Attribute { name, place, ty, flags, values } in &dictionary.attributes {
        let mut values = values.clone();
        values.sort_by_key(|(number, _)| *number);
        values.dedup_by_key(|(number, _)| *number); // what comes first is the name, others are aliases
        let _ = writeln!(
            out,
            "Entry {{ name: {name:?}, place: {place:?}, ty: Type::{ty:?}, flags: {flags:?}, values: &{values:?} }},"
        );
    }
    out.push_str("];\n/// Private enterprise numbers of the vendors whose attributes we know.\npub mod vendor {\n");
    for (name, number) in &dictionary.vendors {
        let _ = writeln!(out, "/// {name}.\npub const {}: u32 = {number};", constant(name));
    }
    out.push_str("}\n");
    out.push_str(&numbers(dictionary, 0, "", "attribute"));
    for (name, number) in &dictionary.vendors {
        out.push_str(&numbers(dictionary, *number, name, &module(name)));
    }
    out
}

/// Numbers alone, for code that is not typed yet.
fn numbers(dictionary: &Dictionary, vendor: u32, prefix: &str, module: &str) -> String {
    let mut out = format!("/// Numbers.\npub mod {module} {{\n");
    let flat = |a: &&Attribute| a.place.vendor == vendor && a.place.tlv == 0 && matches!(a.place.space, 0 | 26);
    for attribute in dictionary.attributes.iter().filter(flat) {
        let (name, number) = (constant(short(&attribute.name, prefix)), attribute.place.number);
        let _ = writeln!(out, "/// `{}`.\npub const {name}: u8 = {number};", attribute.name);
    }
    out.push_str("}\n");
    out
}

/// A typed constant for each attribute, those of a vendor in its module, and the named values of integers.
fn constants(dictionary: &Dictionary) -> String {
    let mut out = typed(dictionary, 0, "");
    for (name, number) in &dictionary.vendors {
        let inner = typed(dictionary, *number, name);
        let _ = writeln!(out, "/// {name}'s.\npub mod {} {{\nuse super::*;\n{inner}}}", module(name));
    }
    out.push_str("/// The named values of integers.\npub mod value {\n");
    for Attribute { name, values, .. } in dictionary.attributes.iter().filter(|a| !a.values.is_empty()) {
        let _ = writeln!(out, "/// Values of `{name}`.\npub mod {} {{", module(name));
        for (number, value) in values {
            let _ = writeln!(out, "/// `{value}`.\npub const {}: u32 = {number};", constant(value));
        }
        out.push_str("}\n");
    }
    out.push_str("}\n");
    out
}

fn typed(dictionary: &Dictionary, vendor: u32, prefix: &str) -> String {
    let mut out = String::new();
    for attribute in dictionary.attributes.iter().filter(|attribute| attribute.place.vendor == vendor) {
        if let Some(kind) = kind(attribute) {
            let (name, place) = (&attribute.name, attribute.place);
            let identifier = constant(short(name, prefix));
            let _ = writeln!(out, "/// `{name}`.\npub const {identifier}: Attr<{kind}> = Attr::new({place:?});");
        }
    }
    out
}

/// A call for each constant, for the test that writes and reads them all.
fn each(dictionary: &Dictionary) -> String {
    let mut out = String::from("{\n");
    for attribute in dictionary.attributes.iter().filter(|attribute| kind(attribute).is_some()) {
        let vendor = dictionary.vendors.iter().find(|(_, number)| *number == attribute.place.vendor);
        let path = vendor.map_or_else(String::new, |(name, _)| format!("{}::", module(name)));
        let identifier = constant(short(&attribute.name, vendor.map_or("", |(name, _)| name)));
        let _ = writeln!(out, "round_trip({:?}, attr::{path}{identifier});", attribute.name);
    }
    out.push_str("}\n");
    out
}

/// The type in `radius::value` that such an attribute's value is encoded by; none for what only holds others.
fn kind(attribute: &Attribute) -> Option<String> {
    let plain = match (attribute.flags.encrypt, attribute.ty) {
        (1, _) => "Hidden",
        (2, _) => "Salted",
        (_, Type::Octets) if attribute.flags.concat => "Joined",
        (_, Type::String) => "Text",
        (_, Type::Octets) => "Octets",
        (_, Type::Byte) => "u8",
        (_, Type::Short) => "u16",
        (_, Type::Integer) => "u32",
        (_, Type::Integer64) => "u64",
        (_, Type::Date) => "Date",
        (_, Type::IpAddr) => "Ipv4Addr",
        (_, Type::Ipv6Addr) => "Ipv6Addr",
        (_, Type::Ipv6Prefix) => "Ipv6Prefix",
        (_, Type::IfId) => "[u8; 8]",
        (_, Type::Tlv | Type::Vsa | Type::Extended | Type::LongExtended | Type::Evs) => return None,
    };
    Some(if attribute.flags.tagged { format!("Tagged<{plain}>") } else { plain.to_owned() })
}

/// A name without its vendor's in front: `Max-Total-Octets` in the module `chillispot`.
fn short<'a>(name: &'a str, vendor: &str) -> &'a str {
    match name.split_once('-') {
        Some((first, rest)) if first.eq_ignore_ascii_case(vendor) => rest,
        _ => name,
    }
}

fn constant(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn module(name: &str) -> String {
    constant(name).to_ascii_lowercase()
}
