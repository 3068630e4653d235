//! The dictionaries that we ship, each attribute of them written and read, and the mistakes of others.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use radius::dictionary::file::{self, Dictionary, Error};
use radius::dictionary::{Place, entries, lookup};
use radius::value::{Clear, Date, Hidden, Ipv6Prefix, Joined, Kind, Octets, Salted, Tag, Tagged, Text};
use radius::{Attr, AttributeList, Code, Packet, Secret, View, attr};

const REQUEST: &[u8; 16] = &[7; 16];

/// A value of each kind, and whether what was read is it.
trait Sample: Kind {
    fn write(secret: &Secret) -> Self::In<'_>;
    fn is_read(value: Self::Out, secret: &Secret) -> bool;
}

macro_rules! sample {
    ($($kind:ty: $write:expr, $read:expr;)*) => { $(
        impl Sample for $kind {
            fn write(_: &Secret) -> Self::In<'_> {
                $write
            }

            fn is_read(value: Self::Out, _: &Secret) -> bool {
                value == $read
            }
        }
    )* };
}

sample! {
    u8: 0xfe, 0xfe;
    u16: 0xfedc, 0xfedc;
    u32: 0xfedc_ba98, 0xfedc_ba98;
    u64: 0xfedc_ba98_7654_3210, 0xfedc_ba98_7654_3210;
    [u8; 8]: *b"ifid-ok!", *b"ifid-ok!";
    Ipv4Addr: Ipv4Addr::new(192, 0, 2, 7), Ipv4Addr::new(192, 0, 2, 7);
    Ipv6Addr: Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST;
    Ipv6Prefix: prefix(49), prefix(49);
    Date: Duration::from_secs(0xfedc_ba98), Duration::from_secs(0xfedc_ba98);
    Text: "fünf", "fünf";
    Octets: &[200, 4, 0xff, 0], [200, 4, 0xff, 0]; // in a TLV one of a type that nobody has
    Joined: &[9; 600], [9; 600];
    Tagged<u32>: (tag(), 0x00ba_9876), (tag(), 0x00ba_9876);
    Tagged<Text>: (tag(), "vlan"), (tag(), "vlan".to_owned());
}

impl Sample for Hidden {
    fn write(secret: &Secret) -> Clear<'_> {
        Clear { octets: b"a password of more than a block", secret, request_authenticator: REQUEST }
    }

    fn is_read(value: Self::Out, secret: &Secret) -> bool {
        value.reveal(secret, REQUEST) == b"a password of more than a block\0"
    }
}

impl Sample for Salted {
    fn write(secret: &Secret) -> Self::In<'_> {
        (Clear { octets: &[3; 32], secret, request_authenticator: REQUEST }, [1, 2])
    }

    fn is_read(value: Self::Out, secret: &Secret) -> bool {
        value.reveal(secret, REQUEST) == Some(vec![3; 32])
    }
}

impl Sample for Tagged<Salted> {
    fn write(secret: &Secret) -> Self::In<'_> {
        let (clear, salt) = Salted::write(secret);
        (tag(), clear, salt)
    }

    fn is_read((read, value): Self::Out, secret: &Secret) -> bool {
        read == tag() && Salted::is_read(value, secret)
    }
}

fn tag() -> Tag {
    Tag::new(5).unwrap()
}

fn prefix(length: u8) -> Ipv6Prefix {
    Ipv6Prefix::new("2001:db8:1:8000::".parse().unwrap(), length).unwrap()
}

/// Writes a value into a packet, reads the packet, and finds the value there, under the name of the dictionary.
fn round_trip<K: Sample>(name: &str, attr: Attr<K>) {
    let secret = Secret::new("of the test");
    let mut attributes = Vec::new();
    attributes.add(attr, K::write(&secret)).unwrap();
    attributes.add(attr::PROXY_STATE, b"what follows").unwrap();
    let packet = Packet { code: Code::AccessAccept, id: 1, authenticator: [0; 16], attributes };
    let bytes = packet.emit().unwrap();
    let view = View::parse(&bytes).unwrap();
    assert_eq!(view.to_packet(), packet, "{name}");
    assert!(!view.has_invalid_length(), "{name}");
    assert!(K::is_read(view.get(attr).expect(name), &secret), "{name}");
    let entry = lookup(attr.place()).expect(name);
    assert_eq!(entry.name, name);
    let printed = view.to_string();
    assert!(printed.contains(name) && printed.contains("Proxy-State"), "{printed}");
    assert_eq!(printed.contains("<hidden>"), entry.flags.secret, "{printed}");
}

#[test]
fn every_attribute_of_the_dictionaries_is_written_read_and_printed() {
    include!(concat!(env!("OUT_DIR"), "/each_attribute.rs"));
}

#[test]
fn the_tables_are_what_the_files_say() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conf/dictionary/");
    let mut read = |name: &str| std::fs::read_to_string(format!("{directory}{name}")).map_err(|e| e.to_string());
    let dictionary = file::parse("dictionary", &mut read).unwrap();
    assert_eq!(dictionary.attributes.len(), entries().len());
    for (line, entry) in dictionary.attributes.iter().zip(entries()) {
        assert_eq!((&line.name[..], line.place, line.ty), (entry.name, entry.place, entry.ty));
        assert_eq!(line.flags, entry.flags);
        assert!(line.values.iter().all(|(number, _)| entry.value_name(*number).is_some()), "{}", line.name);
    }
    let shipped = std::fs::read_dir(directory).unwrap().count();
    let included = read("dictionary").unwrap().lines().filter(|line| line.starts_with("$INCLUDE ")).count();
    assert_eq!(shipped, included + 1, "a dictionary lies there that nobody includes");
}

/// Facts have one truth: where FreeRADIUS is installed, its dictionaries say the same of the same name.
#[test]
fn freeradius_has_the_same_numbers_and_types() {
    let mut same = 0;
    for entry in entries() {
        let Some((number, ty)) = freeradius(entry.name) else { continue };
        let Place { space, vendor, number: ours, tlv } = entry.place;
        let ours = match (space, vendor, tlv) {
            (0, ..) | (26, ..) => ours.to_string(),
            (_, _, 0) => format!("{space}.{ours}"),
            _ => format!("{space}.{ours}.{tlv}"),
        };
        assert_eq!(number, ours, "{}", entry.name);
        let text = ["string", "octets"];
        let known = format!("{:?}", entry.ty).to_lowercase();
        assert!(
            ty == known || ty.replace('-', "") == known || text.contains(&&*ty) && text.contains(&&*known),
            "{entry:?}"
        );
        same += 1;
    }
    let installed = std::path::Path::new(FREERADIUS).exists();
    assert!(installed || std::env::var_os("POBLANO_REQUIRE_PEERS").is_none_or(|value| value != "1"));
    assert!(!installed || same > 170, "only {same} attributes were compared");
}

const FREERADIUS: &str = "/usr/share/freeradius";

/// Number and type of an attribute in FreeRADIUS's dictionaries of RFCs and of our vendors.
fn freeradius(name: &str) -> Option<(String, String)> {
    static FILES: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let text = FILES.get_or_init(|| {
        let Ok(files) = std::fs::read_dir(FREERADIUS) else { return String::new() };
        let ours =
            |name: &str| ["rfc", "microsoft", "wispr", "chillispot", "mikrotik"].iter().any(|n| name.contains(n));
        let paths = files.map(|file| file.unwrap().path()).filter(|path| ours(&path.to_string_lossy()));
        paths.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
    });
    let words = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    let found = text.lines().map(words).find(|words| words.len() > 3 && words[0] == "ATTRIBUTE" && words[1] == name)?;
    Some((found[2].clone(), found[3].split('[').next()?.to_owned()))
}

fn parse(text: &str) -> Result<Dictionary, Error> {
    let mut read = |name: &str| match name {
        "dictionary" => Ok(text.to_owned()),
        "circle" => Ok("$INCLUDE dictionary".to_owned()),
        "broken" => Ok("\n# nothing here\nATTRIBUTE Five 5 strng\n".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    file::parse("dictionary", &mut read)
}

#[test]
fn a_mistake_in_a_dictionary_is_named_with_its_file_and_line() {
    let vendor = "VENDOR V 9\nBEGIN-VENDOR V\n";
    for (text, expected) in [
        ("ATTRIBUTE One 1 strng", "dictionary:1: unknown type `strng`"),
        ("\nATTRIBUTE One 1", "dictionary:2: `ATTRIBUTE` is not known, or not with 2 words"),
        ("ATRIBUTE One 1 string", "dictionary:1: `ATRIBUTE` is not known, or not with 3 words"),
        ("ATTRIBUTE One 256 string", "dictionary:1: 256 is not from 1 to 255"),
        ("ATTRIBUTE One 0 string", "dictionary:1: 0 is not from 1 to 255"),
        ("ATTRIBUTE One x string", "dictionary:1: `x` is not a number of 32 bits"),
        ("ATTRIBUTE One 1 string\nATTRIBUTE Two 1 string", "dictionary:2: 1 is One already"),
        ("ATTRIBUTE One 1 string\nATTRIBUTE One 2 string", "dictionary:2: there is a One already"),
        ("ATTRIBUTE One 1 string has_tags", "dictionary:1: unknown flag `has_tags`"),
        ("ATTRIBUTE One 1 ipaddr encrypt=2", "dictionary:1: only text and octets can be encrypted"),
        ("ATTRIBUTE One 241 string", "dictionary:1: this type does not belong to this number"),
        ("ATTRIBUTE One 1 vsa", "dictionary:1: this type does not belong to this number"),
        ("ATTRIBUTE One 1.2 string", "dictionary:1: Attr-1 is not of type tlv"),
        ("ATTRIBUTE One 1.2.3.4 string", "dictionary:1: no attribute can have such a number"),
        ("VALUE One Name 1", "dictionary:1: there is no attribute One"),
        ("ATTRIBUTE One 1 string\nVALUE One Name 1", "dictionary:2: One has no numbers to name"),
        ("ATTRIBUTE One 1 byte\nVALUE One Name 256", "dictionary:2: One has no room for 256"),
        ("ATTRIBUTE One 1 byte\nVALUE One A 1\nVALUE One A 2", "dictionary:3: One has a value A already"),
        ("VENDOR V 9 format=2,1", "dictionary:1: `VENDOR` is not known, or not with 3 words"),
        ("BEGIN-VENDOR V", "dictionary:1: there is no vendor V"),
        (&format!("{vendor}BEGIN-VENDOR V"), "dictionary:3: BEGIN-VENDOR within another"),
        (&format!("{vendor}ATTRIBUTE One 1 string"), "dictionary:3: BEGIN-VENDOR without END-VENDOR"),
        ("VENDOR V 9\nEND-VENDOR V", "dictionary:2: V was not begun"),
        ("$INCLUDE nowhere", "nowhere:0: no such file"),
        ("#\n$INCLUDE broken", "broken:3: unknown type `strng`"),
        ("$INCLUDE circle", "circle:1: dictionary is included a second time"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn a_vendor_may_have_attributes_in_the_extended_spaces() {
    let text = "ATTRIBUTE Space 245 long-extended\nATTRIBUTE Vendors 245.26 evs\nVENDOR V 0x10 format=1,1\n\
                BEGIN-VENDOR V parent=Vendors\nATTRIBUTE Nest 3 tlv\nATTRIBUTE Egg 3.4 byte # comment\nEND-VENDOR V";
    let places: Vec<_> = parse(text).unwrap().attributes.iter().map(|attribute| attribute.place).collect();
    let nest = Place::extended_vendor(245, 16, 3);
    assert_eq!(places, [Place::standard(245), Place::extended(245, 26), nest, nest.child(4)]);
    assert_eq!(nest.child(4).to_string(), "Attr-245.26.16.3.4");
}
