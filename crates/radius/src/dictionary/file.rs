//! Dictionaries in FreeRADIUS's format: read when the program is built, and again by tests. Not part of the gateway.
//!
//! Known are ATTRIBUTE, VALUE, VENDOR (of format 1,1), BEGIN-VENDOR, END-VENDOR and $INCLUDE; anything else is a
//! mistake and is named with its file and line.

use std::fmt;

/// How the value of an attribute is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text.
    String,
    /// Octets without further structure.
    Octets,
    /// 8 bits.
    Byte,
    /// 16 bits, big-endian.
    Short,
    /// 32 bits, big-endian.
    Integer,
    /// 64 bits, big-endian.
    Integer64,
    /// Seconds since 1970-01-01 UTC, 32 bits.
    Date,
    /// An IPv4 address.
    IpAddr,
    /// An IPv6 address.
    Ipv6Addr,
    /// An IPv6 prefix with its length (RFC 3162, section 2.3).
    Ipv6Prefix,
    /// The lower half of an IPv6 address (RFC 3162, section 2.2).
    IfId,
    /// Attributes within an attribute (RFC 6929, section 2.3).
    Tlv,
    /// Attributes of a vendor (RFC 2865, section 5.26).
    Vsa,
    /// A space of 255 more attributes (RFC 6929, section 2.1).
    Extended,
    /// The same, of any length (RFC 6929, section 2.2).
    LongExtended,
    /// Attributes of a vendor in an extended space (RFC 6929, section 2.4).
    Evs,
}

impl Type {
    const NAMES: [(&'static str, Self); 16] = [
        ("string", Self::String),
        ("octets", Self::Octets),
        ("byte", Self::Byte),
        ("short", Self::Short),
        ("integer", Self::Integer),
        ("integer64", Self::Integer64),
        ("date", Self::Date),
        ("ipaddr", Self::IpAddr),
        ("ipv6addr", Self::Ipv6Addr),
        ("ipv6prefix", Self::Ipv6Prefix),
        ("ifid", Self::IfId),
        ("tlv", Self::Tlv),
        ("vsa", Self::Vsa),
        ("extended", Self::Extended),
        ("long-extended", Self::LongExtended),
        ("evs", Self::Evs),
    ];
}

/// Where an attribute stands: its number, and what it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// 0 for the packet itself, 26 for Vendor-Specific, 241 to 246 for the extended spaces.
    pub space: u8,
    /// The vendor's private enterprise number; 0 outside of vendors' spaces.
    pub vendor: u32,
    /// The number in that space.
    pub number: u8,
    /// The number within the attribute, if that holds TLVs and this is one of them; else 0.
    pub tlv: u8,
}

impl Place {
    /// An attribute of the packet itself.
    #[must_use]
    pub const fn standard(number: u8) -> Self {
        Self { space: 0, vendor: 0, number, tlv: 0 }
    }

    /// One of a vendor (RFC 2865, section 5.26).
    #[must_use]
    pub const fn vendor(vendor: u32, number: u8) -> Self {
        Self { space: 26, vendor, number, tlv: 0 }
    }

    /// One of the extended spaces 241 to 246 (RFC 6929).
    #[must_use]
    pub const fn extended(space: u8, number: u8) -> Self {
        Self { space, vendor: 0, number, tlv: 0 }
    }

    /// One of a vendor in an extended space (RFC 6929, section 2.4).
    #[must_use]
    pub const fn extended_vendor(space: u8, vendor: u32, number: u8) -> Self {
        Self { space, vendor, number, tlv: 0 }
    }

    /// A TLV in this attribute.
    #[must_use]
    pub const fn child(self, tlv: u8) -> Self {
        Self { tlv, ..self }
    }
}

impl fmt::Display for Place {
    /// As FreeRADIUS writes an attribute without a name: `Attr-26.311.16`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.space, self.vendor) {
            (0, _) => write!(f, "Attr-{}", self.number)?,
            (26, vendor) => write!(f, "Attr-26.{vendor}.{}", self.number)?,
            (space, 0) => write!(f, "Attr-{space}.{}", self.number)?,
            (space, vendor) => write!(f, "Attr-{space}.26.{vendor}.{}", self.number)?,
        }
        if self.tlv == 0 { Ok(()) } else { write!(f, ".{}", self.tlv) }
    }
}

/// What else a line says about an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `has_tag`: an octet tells which tunnel it belongs to (RFC 2868).
    pub tagged: bool,
    /// `encrypt=1`: hidden like User-Password (RFC 2865, section 5.2). `encrypt=2`: with salt (RFC 2868, section 3.5).
    pub encrypt: u8,
    /// `concat`: longer values are spread over several attributes (RFC 3579, section 3.1).
    pub concat: bool,
    /// `secret`, and all that is encrypted: never printed.
    pub secret: bool,
}

/// A line ATTRIBUTE with its VALUEs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its number.
    pub place: Place,
    /// How to read it.
    pub ty: Type,
    /// What else.
    pub flags: Flags,
    /// Numbers with names, in the order of the file.
    pub values: Vec<(u32, String)>,
}

/// All that dictionaries say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dictionary {
    /// Name and private enterprise number.
    pub vendors: Vec<(String, u32)>,
    /// Sorted by place.
    pub attributes: Vec<Attribute>,
}

/// A mistake in a dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 if the file cannot be read.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

impl std::error::Error for Error {}

/// Reads `root` and what it includes; `read` gives the text of a file by its name.
///
/// # Errors
/// The first mistake.
pub fn parse(root: &str, read: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<Dictionary, Error> {
    let mut parser = Parser { read, seen: Vec::new(), dictionary: Dictionary::default() };
    parser.file(root)?;
    parser.dictionary.attributes.sort_by_key(|attribute| attribute.place);
    Ok(parser.dictionary)
}

struct Parser<'a> {
    read: &'a mut dyn FnMut(&str) -> Result<String, String>,
    /// Files begun: each is read once, so that a circle ends.
    seen: Vec<String>,
    dictionary: Dictionary,
}

/// What BEGIN-VENDOR set: space and vendor.
type Block = Option<(u8, u32)>;

impl Parser<'_> {
    fn file(&mut self, file: &str) -> Result<(), Error> {
        let fail = |line, problem| Error { file: file.to_owned(), line, problem };
        self.seen.push(file.to_owned());
        let text = (self.read)(file).map_err(|problem| fail(0, problem))?;
        let mut block = None;
        for (line, text) in (1..).zip(text.lines()) {
            let words: Vec<&str> = text.split('#').next().unwrap_or_default().split_whitespace().collect();
            if let ["$INCLUDE", name] = *words {
                if self.seen.iter().any(|seen| seen == name) {
                    return Err(fail(line, format!("{name} is included a second time")));
                }
                self.file(name)?;
            } else {
                self.line(&words, &mut block).map_err(|problem| fail(line, problem))?;
            }
        }
        if block.is_some() {
            return Err(fail(text.lines().count(), "BEGIN-VENDOR without END-VENDOR".to_owned()));
        }
        Ok(())
    }

    fn line(&mut self, words: &[&str], block: &mut Block) -> Result<(), String> {
        match *words {
            [] => Ok(()),
            ["ATTRIBUTE", name, number, ty] => self.attribute(name, number, ty, "", *block),
            ["ATTRIBUTE", name, number, ty, flags] => self.attribute(name, number, ty, flags, *block),
            ["VALUE", attribute, name, number] => self.value(attribute, name, number),
            ["VENDOR", name, number] | ["VENDOR", name, number, "format=1,1"] => self.vendor(name, number),
            ["BEGIN-VENDOR", name] => self.begin(name, None, block),
            ["BEGIN-VENDOR", name, parent] => self.begin(name, parent.strip_prefix("parent="), block),
            ["END-VENDOR", name] => match block.take() {
                Some((_, vendor)) if self.vendor_number(name)? == vendor => Ok(()),
                _ => Err(format!("{name} was not begun")),
            },
            [word, ..] => Err(format!("`{word}` is not known, or not with {} words", words.len() - 1)),
        }
    }

    fn attribute(&mut self, name: &str, number: &str, ty: &str, flags: &str, block: Block) -> Result<(), String> {
        let ty = Type::NAMES.iter().find(|(known, _)| *known == ty).ok_or_else(|| format!("unknown type `{ty}`"))?.1;
        let numbers = number.split('.').map(octet).collect::<Result<Vec<u8>, String>>()?;
        let place = self.place(&numbers, block)?;
        if let Some(other) = self.at(place) {
            return Err(format!("{number} is {} already", other.name));
        }
        if self.dictionary.attributes.iter().any(|other| other.name == name) {
            return Err(format!("there is a {name} already"));
        }
        let flags = read_flags(flags)?;
        if let Some(problem) = contradiction(place, ty, flags) {
            return Err(problem.to_owned());
        }
        self.dictionary.attributes.push(Attribute { name: name.to_owned(), place, ty, flags, values: Vec::new() });
        Ok(())
    }

    fn place(&self, numbers: &[u8], block: Block) -> Result<Place, String> {
        let parent = |place: Place, tlv| match self.at(place) {
            Some(Attribute { ty: Type::Tlv, .. }) => Ok(place.child(tlv)),
            _ => Err(format!("{place} is not of type tlv")),
        };
        match (block, numbers) {
            (None, [number]) => Ok(Place::standard(*number)),
            (None, [space @ 241..=246, number]) => Ok(Place::extended(*space, *number)),
            (None, [number, tlv]) => parent(Place::standard(*number), *tlv),
            (None, [space @ 241..=246, number, tlv]) => parent(Place::extended(*space, *number), *tlv),
            (Some((space, vendor)), [number]) => Ok(Place { space, vendor, number: *number, tlv: 0 }),
            (Some((space, vendor)), [number, tlv]) => parent(Place { space, vendor, number: *number, tlv: 0 }, *tlv),
            _ => Err("no attribute can have such a number".to_owned()),
        }
    }

    fn value(&mut self, attribute: &str, name: &str, number: &str) -> Result<(), String> {
        let number = integer(number)?;
        let found = self.dictionary.attributes.iter_mut().find(|known| known.name == attribute);
        let attribute = found.ok_or_else(|| format!("there is no attribute {attribute}"))?;
        let most = match attribute.ty {
            Type::Byte => u8::MAX.into(),
            Type::Short => u16::MAX.into(),
            Type::Integer if attribute.flags.tagged => 0x00ff_ffff,
            Type::Integer => u32::MAX,
            _ => return Err(format!("{} has no numbers to name", attribute.name)),
        };
        if number > most {
            return Err(format!("{} has no room for {number}", attribute.name));
        }
        if attribute.values.iter().any(|(_, known)| known == name) {
            return Err(format!("{} has a value {name} already", attribute.name));
        }
        attribute.values.push((number, name.to_owned()));
        Ok(())
    }

    fn vendor(&mut self, name: &str, number: &str) -> Result<(), String> {
        let number = integer(number)?;
        if number == 0 || self.dictionary.vendors.iter().any(|(n, v)| n == name || *v == number) {
            return Err(format!("the name or number of the vendor {name} is taken"));
        }
        self.dictionary.vendors.push((name.to_owned(), number));
        Ok(())
    }

    fn begin(&mut self, name: &str, parent: Option<&str>, block: &mut Block) -> Result<(), String> {
        let space = match parent {
            None => 26,
            Some(parent) => match self.dictionary.attributes.iter().find(|a| a.name == parent) {
                Some(Attribute { ty: Type::Evs, place, .. }) => place.space,
                _ => return Err(format!("{parent} is not of type evs")),
            },
        };
        match block.replace((space, self.vendor_number(name)?)) {
            None => Ok(()),
            Some(_) => Err("BEGIN-VENDOR within another".to_owned()),
        }
    }

    fn vendor_number(&self, name: &str) -> Result<u32, String> {
        let found = self.dictionary.vendors.iter().find(|(known, _)| known == name);
        found.map(|(_, number)| *number).ok_or_else(|| format!("there is no vendor {name}"))
    }

    fn at(&self, place: Place) -> Option<&Attribute> {
        self.dictionary.attributes.iter().find(|attribute| attribute.place == place)
    }
}

fn read_flags(text: &str) -> Result<Flags, String> {
    let mut flags = Flags::default();
    for flag in text.split(',').filter(|flag| !flag.is_empty()) {
        match flag {
            "has_tag" => flags.tagged = true,
            "encrypt=1" => flags.encrypt = 1,
            "encrypt=2" => flags.encrypt = 2,
            "concat" => flags.concat = true,
            "secret" => flags.secret = true,
            _ => return Err(format!("unknown flag `{flag}`")),
        }
    }
    flags.secret |= flags.encrypt != 0;
    Ok(flags)
}

/// What the RFCs do not allow together.
fn contradiction(place: Place, ty: Type, flags: Flags) -> Option<&'static str> {
    let only = match (place.space, place.number, place.vendor, place.tlv) {
        (0, 26, ..) => Some(Type::Vsa),
        (0, 241..=244, ..) => Some(Type::Extended),
        (0, 245..=246, ..) => Some(Type::LongExtended),
        (241..=246, 26, 0, 0) => Some(Type::Evs),
        _ => None,
    };
    let container = matches!(ty, Type::Vsa | Type::Extended | Type::LongExtended | Type::Evs);
    let text = matches!(ty, Type::String | Type::Octets);
    if only.is_some_and(|only| only != ty) || (only.is_none() && container) {
        Some("this type does not belong to this number")
    } else if ty == Type::Tlv && place.tlv != 0 {
        Some("a TLV within a TLV is not supported")
    } else if flags.tagged && !(ty == Type::String || ty == Type::Integer) {
        Some("only text and integers can have a tag")
    } else if flags.encrypt != 0 && !text {
        Some("only text and octets can be encrypted")
    } else if flags.tagged && flags.encrypt == 1 {
        Some("what has a tag is encrypted with salt")
    } else if flags.concat && (ty != Type::Octets || place.space != 0 || flags.encrypt != 0) {
        Some("only octets of no vendor can be spread over several attributes")
    } else {
        None
    }
}

/// An attribute's number.
fn octet(text: &str) -> Result<u8, String> {
    let number = u8::try_from(integer(text)?).ok().filter(|number| *number != 0);
    number.ok_or_else(|| format!("{text} is not from 1 to 255"))
}

/// Decimal, or hexadecimal behind 0x.
fn integer(text: &str) -> Result<u32, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| format!("`{text}` is not a number of 32 bits"))
}
