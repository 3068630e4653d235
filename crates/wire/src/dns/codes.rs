//! Numbers that have names. Unknown ones survive and print as numbers (RFC 3597, 5).

use std::fmt;

/// TYPE and QTYPE (RFC 1035, 3.2.2, and later).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Type(pub u16);

/// CLASS and QCLASS (RFC 1035, 3.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class(pub u16);

/// RCODE, with the upper bits that an OPT record adds (RFC 6891, 6.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rcode(pub u16);

macro_rules! named {
    ($kind:ident, $prefix:literal, $($(#[$doc:meta])* $name:ident = $value:literal $text:literal),* $(,)?) => {
        impl $kind {
            $($(#[$doc])* pub const $name: Self = Self($value);)*
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$name => f.write_str($text),)*
                    Self(other) => write!(f, concat!($prefix, "{}"), other),
                }
            }
        }
    };
}

named! { Type, "TYPE",
    /// An IPv4 address.
    A = 1 "A",
    /// A name server.
    NS = 2 "NS",
    /// The real name behind an alias.
    CNAME = 5 "CNAME",
    /// Start of a zone of authority.
    SOA = 6 "SOA",
    /// Anything at all, up to 65,535 octets; a tunnel's favourite.
    NULL = 10 "NULL",
    /// A name for an address.
    PTR = 12 "PTR",
    /// A mail server.
    MX = 15 "MX",
    /// Text.
    TXT = 16 "TXT",
    /// An IPv6 address (RFC 3596).
    AAAA = 28 "AAAA",
    /// A service's host and port (RFC 2782).
    SRV = 33 "SRV",
    /// Not a record but the sender's abilities (RFC 6891).
    OPT = 41 "OPT",
    /// How to reach a service (RFC 9460).
    SVCB = 64 "SVCB",
    /// How to reach an HTTPS server (RFC 9460).
    HTTPS = 65 "HTTPS",
    /// Every type there is (RFC 8482 says what to expect).
    ANY = 255 "ANY",
}

named! { Class, "CLASS",
    /// The Internet.
    IN = 1 "IN",
    /// Chaos: servers that talk about themselves.
    CH = 3 "CH",
    /// Any class.
    ANY = 255 "ANY",
}

named! { Rcode, "RCODE",
    /// All is well, though there may be no record.
    NO_ERROR = 0 "NoError",
    /// The query is malformed.
    FORM_ERR = 1 "FormErr",
    /// No server could answer.
    SERV_FAIL = 2 "ServFail",
    /// The name does not exist.
    NX_DOMAIN = 3 "NXDomain",
    /// This kind of query is not served.
    NOT_IMP = 4 "NotImp",
    /// Policy forbids.
    REFUSED = 5 "Refused",
    /// The version of EDNS is not served (RFC 6891, 6.1.3).
    BAD_VERS = 16 "BadVers",
}
