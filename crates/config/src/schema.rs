//! Every key of the file: what it is called, what it may hold, what it is when absent, what it does.

mod keys;

pub use keys::SECTIONS;

/// A `[section]`, or with `repeated` a `[[section]]`.
#[derive(Debug)]
pub struct Section {
    /// As between the brackets.
    pub name: &'static str,
    /// May stand several times, once for each host or server.
    pub repeated: bool,
    /// What it is about, one paragraph.
    pub doc: &'static str,
    /// In the order in which they are shown.
    pub keys: &'static [Key],
}

/// A key of a section.
#[derive(Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What it is when it is not there.
    pub absent: Absent,
    /// What it does, what follows from it, and what memory it may cost. One paragraph.
    pub doc: &'static str,
}

/// What a key is when the file does not have it.
#[derive(Debug)]
pub enum Absent {
    /// This value, in TOML.
    Is(&'static str),
    /// Something that is found out, or nothing; `rule` says what, `example` is TOML to show.
    Rule {
        /// Completes "Default: ".
        rule: &'static str,
        /// A value that could stand there.
        example: &'static str,
    },
    /// An error; `example` is TOML to show.
    Required {
        /// A value that could stand there.
        example: &'static str,
    },
}

/// What a value is.
#[derive(Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
    },
    /// Text such as "1h30m".
    Duration {
        /// Smallest, in the same form.
        min: &'static str,
        /// Largest, in the same form.
        max: &'static str,
        /// "0" is allowed too; the key's doc says what it means.
        or_zero: bool,
    },
    /// "deny", or "admit 30m" for so long.
    DenyOrAdmit {
        /// Shortest, as a duration.
        min: &'static str,
        /// Longest, as a duration.
        max: &'static str,
    },
    /// Bits per second such as "10M"; "0" is no limit.
    Rate,
    /// An amount of data such as "500MB"; "0" is no limit.
    Octets,
    /// Text of at most so many octets.
    Text {
        /// Longest, in octets.
        max: usize,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words, or a list of several.
    Choices(&'static [&'static str]),
    /// An IPv4 address.
    Address,
    /// At most so many IPv4 addresses.
    Addresses {
        /// Most.
        max: usize,
    },
    /// An IPv4 or IPv6 address of a server.
    HostAddress,
    /// An IPv4 or IPv6 address, or a network of them.
    HostNetwork,
    /// An IPv4 network.
    Network,
    /// An IPv4 address with a prefix.
    InterfaceAddress,
    /// The name of a network interface.
    Interface,
    /// The same, or a list of at most so many.
    Interfaces {
        /// Most.
        max: usize,
    },
    /// A DNS name.
    Name,
    /// An absolute path of at most so many octets.
    Path {
        /// Longest, in octets.
        max: usize,
    },
    /// A path, relative to the configuration file.
    File,
    /// The same, of a file with a secret in its first line.
    SecretFile,
    /// SHA-256 of a certificate.
    Fingerprint,
    /// A shared secret.
    Secret,
    /// An Ethernet address of one station.
    Mac,
    /// At most so many Ethernet addresses of stations.
    Macs {
        /// Most.
        max: usize,
    },
    /// A web address that a browser can be sent to.
    WebAddress,
    /// At most so many web sites, each a scheme, a host and perhaps a port.
    Origins {
        /// Most.
        max: usize,
    },
    /// At most so many garden entries.
    GardenEntries {
        /// Most.
        max: usize,
    },
    /// At most so many garden domains.
    GardenDomains {
        /// Most.
        max: usize,
    },
    /// At most so many probes of an uplink.
    Probes {
        /// Most.
        max: usize,
    },
    /// At most so many DHCP options.
    DhcpOptions {
        /// Most.
        max: usize,
    },
}

impl Kind {
    /// Type, unit and range in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let words = |words: &[&str]| words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", ");
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Int { min, max } => format!("a whole number, {min} to {max}"),
            Self::Duration { min, max, or_zero } => {
                let zero = if *or_zero { "\"0\" or " } else { "" };
                format!("a duration such as \"90s\" or \"1h30m\", {zero}\"{min}\" to \"{max}\"")
            }
            Self::DenyOrAdmit { min, max } => {
                format!("\"deny\", or \"admit\" and a duration, \"admit {min}\" to \"admit {max}\"")
            }
            Self::Rate => "bits per second such as \"512k\" or \"10M\", from \"8k\", or \"0\"".to_owned(),
            Self::Octets => "an amount of data such as \"500MB\" or \"2GB\", from \"100kB\", or \"0\"".to_owned(),
            Self::Text { max } => format!("text, at most {max} octets"),
            Self::Choice(choices) => format!("one of {}", words(choices)),
            Self::Choices(choices) => format!("one of {}, or a list of several", words(choices)),
            Self::Address => "an IPv4 address".to_owned(),
            Self::Addresses { max } => format!("a list of IPv4 addresses, at most {max}"),
            Self::HostAddress => "an IPv4 or IPv6 address; names are not looked up".to_owned(),
            Self::HostNetwork => "an IPv4 or IPv6 address, or a network of them".to_owned(),
            Self::Network => "an IPv4 network, /8 to /30".to_owned(),
            Self::InterfaceAddress => "an IPv4 address with its prefix".to_owned(),
            Self::Interface => "the name of an interface, at most 15 octets".to_owned(),
            Self::Interfaces { max } => {
                format!("the name of an interface, at most 15 octets, or a list of up to {max}")
            }
            Self::Name => "a DNS name".to_owned(),
            Self::Path { max } => format!("an absolute path, at most {max} octets"),
            Self::Fingerprint => "64 hexadecimal digits, with or without colons between pairs".to_owned(),
            Self::File | Self::SecretFile => "a path, relative to this file".to_owned(),
            Self::Secret => "text, 1 to 128 octets; at least 16 are advised".to_owned(),
            Self::Mac => "an Ethernet address".to_owned(),
            Self::Macs { max } => format!("a list of Ethernet addresses, at most {max}"),
            Self::WebAddress => {
                format!("an http or https address in ASCII, at most {} octets", wire::url::MAX_OCTETS)
            }
            Self::Origins { max } => format!("a list of \"http[s]://host[:port]\", at most {max}"),
            Self::GardenEntries { max } => format!("a list of \"[protocol:]host[:port]\", at most {max}"),
            Self::GardenDomains { max } => format!("a list of DNS names, at most {max}"),
            Self::Probes { max } => {
                format!("a list of \"ADDRESS\", \"dns:ADDRESS\" or \"tcp:ADDRESS:PORT\", one to {max}")
            }
            Self::DhcpOptions { max } => {
                format!("a list of {{ code, text | hex | ip }}, at most {max}, each of 1 to 255 octets")
            }
        }
    }
}

/// The section of that name.
pub(crate) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|s| s.name == name)
}
