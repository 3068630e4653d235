//! Numbers, names and types of the attributes that a hotspot gateway meets.
//!
//! What is not listed here survives parsing and prints by number.

/// How the value of an attribute is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// Octets without further structure.
    Octets,
    /// Octets that must not appear in a log.
    Secret,
    /// 32 bits, big-endian.
    Integer,
    /// An IPv4 address.
    Address,
    /// Seconds since 1970-01-01 UTC, 32 bits.
    Time,
}

impl Type {
    /// The only length that such a value can have, in octets; `None` where it varies.
    #[must_use]
    pub fn fixed_octets(self) -> Option<usize> {
        match self {
            Self::Integer | Self::Address | Self::Time => Some(4),
            Self::Text | Self::Octets | Self::Secret => None,
        }
    }
}

/// One line of the dictionary.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The attribute's number, or its number within the vendor's space.
    pub number: u8,
    /// Name as in the RFC or the vendor's dictionary.
    pub name: &'static str,
    /// How to read the value.
    pub ty: Type,
}

macro_rules! entries {
    ($(#[$doc:meta])* $module:ident { $($constant:ident = $number:literal, $name:literal, $ty:ident;)* }) => {
        $(#[$doc])*
        pub mod $module {
            use super::{Entry, Type};
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: u8 = $number;
            )*
            /// All of them, by ascending number.
            pub const ENTRIES: &[Entry] = &[$(Entry { number: $number, name: $name, ty: Type::$ty },)*];
        }
    };
}

entries! {
    /// Attributes of RFC 2865, 2866, 2869, 3162, 3579, 4372, 5176 and 6911.
    attribute {
        USER_NAME = 1, "User-Name", Text;
        USER_PASSWORD = 2, "User-Password", Secret;
        CHAP_PASSWORD = 3, "CHAP-Password", Secret;
        NAS_IP_ADDRESS = 4, "NAS-IP-Address", Address;
        NAS_PORT = 5, "NAS-Port", Integer;
        SERVICE_TYPE = 6, "Service-Type", Integer;
        FRAMED_PROTOCOL = 7, "Framed-Protocol", Integer;
        FRAMED_IP_ADDRESS = 8, "Framed-IP-Address", Address;
        FRAMED_IP_NETMASK = 9, "Framed-IP-Netmask", Address;
        FRAMED_ROUTING = 10, "Framed-Routing", Integer;
        FILTER_ID = 11, "Filter-Id", Text;
        FRAMED_MTU = 12, "Framed-MTU", Integer;
        FRAMED_COMPRESSION = 13, "Framed-Compression", Integer;
        LOGIN_IP_HOST = 14, "Login-IP-Host", Address;
        LOGIN_SERVICE = 15, "Login-Service", Integer;
        REPLY_MESSAGE = 18, "Reply-Message", Text;
        STATE = 24, "State", Octets;
        CLASS = 25, "Class", Octets;
        VENDOR_SPECIFIC = 26, "Vendor-Specific", Octets;
        SESSION_TIMEOUT = 27, "Session-Timeout", Integer;
        IDLE_TIMEOUT = 28, "Idle-Timeout", Integer;
        TERMINATION_ACTION = 29, "Termination-Action", Integer;
        CALLED_STATION_ID = 30, "Called-Station-Id", Text;
        CALLING_STATION_ID = 31, "Calling-Station-Id", Text;
        NAS_IDENTIFIER = 32, "NAS-Identifier", Text;
        PROXY_STATE = 33, "Proxy-State", Octets;
        ACCT_STATUS_TYPE = 40, "Acct-Status-Type", Integer;
        ACCT_DELAY_TIME = 41, "Acct-Delay-Time", Integer;
        ACCT_INPUT_OCTETS = 42, "Acct-Input-Octets", Integer;
        ACCT_OUTPUT_OCTETS = 43, "Acct-Output-Octets", Integer;
        ACCT_SESSION_ID = 44, "Acct-Session-Id", Text;
        ACCT_AUTHENTIC = 45, "Acct-Authentic", Integer;
        ACCT_SESSION_TIME = 46, "Acct-Session-Time", Integer;
        ACCT_INPUT_PACKETS = 47, "Acct-Input-Packets", Integer;
        ACCT_OUTPUT_PACKETS = 48, "Acct-Output-Packets", Integer;
        ACCT_TERMINATE_CAUSE = 49, "Acct-Terminate-Cause", Integer;
        ACCT_MULTI_SESSION_ID = 50, "Acct-Multi-Session-Id", Text;
        ACCT_INPUT_GIGAWORDS = 52, "Acct-Input-Gigawords", Integer;
        ACCT_OUTPUT_GIGAWORDS = 53, "Acct-Output-Gigawords", Integer;
        EVENT_TIMESTAMP = 55, "Event-Timestamp", Time;
        CHAP_CHALLENGE = 60, "CHAP-Challenge", Octets;
        NAS_PORT_TYPE = 61, "NAS-Port-Type", Integer;
        TUNNEL_PASSWORD = 69, "Tunnel-Password", Secret;
        ARAP_PASSWORD = 70, "ARAP-Password", Secret;
        EAP_MESSAGE = 79, "EAP-Message", Secret;
        MESSAGE_AUTHENTICATOR = 80, "Message-Authenticator", Octets;
        ACCT_INTERIM_INTERVAL = 85, "Acct-Interim-Interval", Integer;
        NAS_PORT_ID = 87, "NAS-Port-Id", Text;
        FRAMED_POOL = 88, "Framed-Pool", Text;
        CHARGEABLE_USER_IDENTITY = 89, "Chargeable-User-Identity", Octets;
        NAS_IPV6_ADDRESS = 95, "NAS-IPv6-Address", Octets;
        ERROR_CAUSE = 101, "Error-Cause", Integer;
        FRAMED_IPV6_ADDRESS = 168, "Framed-IPv6-Address", Octets;
    }
}

entries! {
    /// Wi-Fi Alliance's WISPr 1.0, vendor 14122.
    wispr {
        LOCATION_ID = 1, "WISPr-Location-ID", Text;
        LOCATION_NAME = 2, "WISPr-Location-Name", Text;
        LOGOFF_URL = 3, "WISPr-Logoff-URL", Text;
        REDIRECTION_URL = 4, "WISPr-Redirection-URL", Text;
        BANDWIDTH_MIN_UP = 5, "WISPr-Bandwidth-Min-Up", Integer;
        BANDWIDTH_MIN_DOWN = 6, "WISPr-Bandwidth-Min-Down", Integer;
        BANDWIDTH_MAX_UP = 7, "WISPr-Bandwidth-Max-Up", Integer;
        BANDWIDTH_MAX_DOWN = 8, "WISPr-Bandwidth-Max-Down", Integer;
        SESSION_TERMINATE_TIME = 9, "WISPr-Session-Terminate-Time", Text;
    }
}

entries! {
    /// ChilliSpot and CoovaChilli, vendor 14559.
    chillispot {
        MAX_INPUT_OCTETS = 1, "ChilliSpot-Max-Input-Octets", Integer;
        MAX_OUTPUT_OCTETS = 2, "ChilliSpot-Max-Output-Octets", Integer;
        MAX_TOTAL_OCTETS = 3, "ChilliSpot-Max-Total-Octets", Integer;
        BANDWIDTH_MAX_UP = 4, "ChilliSpot-Bandwidth-Max-Up", Integer;
        BANDWIDTH_MAX_DOWN = 5, "ChilliSpot-Bandwidth-Max-Down", Integer;
        CONFIG = 6, "ChilliSpot-Config", Text;
        LANG = 7, "ChilliSpot-Lang", Text;
        VERSION = 8, "ChilliSpot-Version", Text;
        ORIGINAL_URL = 9, "ChilliSpot-OriginalURL", Text;
        MAX_INPUT_GIGAWORDS = 21, "ChilliSpot-Max-Input-Gigawords", Integer;
        MAX_OUTPUT_GIGAWORDS = 22, "ChilliSpot-Max-Output-Gigawords", Integer;
        MAX_TOTAL_GIGAWORDS = 23, "ChilliSpot-Max-Total-Gigawords", Integer;
        VLAN_ID = 24, "ChilliSpot-VLAN-Id", Integer;
    }
}

entries! {
    /// MikroTik, vendor 14988.
    mikrotik {
        RATE_LIMIT = 8, "Mikrotik-Rate-Limit", Text;
    }
}

/// Private enterprise numbers of the vendors whose attributes we know.
pub mod vendor {
    /// Microsoft: MS-CHAP and MPPE, all of which is key material.
    pub const MICROSOFT: u32 = 311;
    /// Wi-Fi Alliance, WISPr 1.0.
    pub const WISPR: u32 = 14122;
    /// ChilliSpot, and CoovaChilli after it.
    pub const CHILLISPOT: u32 = 14559;
    /// MikroTik.
    pub const MIKROTIK: u32 = 14988;
}

/// The entry of a standard attribute.
#[must_use]
pub fn lookup(number: u8) -> Option<&'static Entry> {
    find(attribute::ENTRIES, number)
}

/// The entry of a vendor's attribute.
#[must_use]
pub fn lookup_vendor(vendor: u32, number: u8) -> Option<&'static Entry> {
    match vendor {
        vendor::WISPR => find(wispr::ENTRIES, number),
        vendor::CHILLISPOT => find(chillispot::ENTRIES, number),
        vendor::MIKROTIK => find(mikrotik::ENTRIES, number),
        _ => None,
    }
}

/// The name of an integer's value, where the RFC gives it one.
#[must_use]
pub fn value_name(attribute: u8, value: u32) -> Option<&'static str> {
    Some(match (attribute, value) {
        (attribute::SERVICE_TYPE, 1) => "Login",
        (attribute::SERVICE_TYPE, 2) => "Framed",
        (attribute::SERVICE_TYPE, 6) => "Administrative",
        (attribute::SERVICE_TYPE, 10) => "Call-Check",
        (attribute::TERMINATION_ACTION, 0) => "Default",
        (attribute::TERMINATION_ACTION, 1) => "RADIUS-Request",
        (attribute::ACCT_STATUS_TYPE, 1) => "Start",
        (attribute::ACCT_STATUS_TYPE, 2) => "Stop",
        (attribute::ACCT_STATUS_TYPE, 3) => "Interim-Update",
        (attribute::ACCT_STATUS_TYPE, 7) => "Accounting-On",
        (attribute::ACCT_STATUS_TYPE, 8) => "Accounting-Off",
        (attribute::ACCT_AUTHENTIC, 1) => "RADIUS",
        (attribute::ACCT_AUTHENTIC, 2) => "Local",
        (attribute::NAS_PORT_TYPE, 5) => "Virtual",
        (attribute::NAS_PORT_TYPE, 15) => "Ethernet",
        (attribute::NAS_PORT_TYPE, 19) => "Wireless-802.11",
        (attribute::ACCT_TERMINATE_CAUSE, code) => return crate::TerminateCause::from_code(code).map(|c| c.name()),
        _ => return None,
    })
}

fn find(entries: &'static [Entry], number: u8) -> Option<&'static Entry> {
    entries.binary_search_by_key(&number, |entry| entry.number).ok().and_then(|at| entries.get(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_by_its_number() {
        for (vendor, entries) in
            [(0, attribute::ENTRIES), (vendor::WISPR, wispr::ENTRIES), (vendor::CHILLISPOT, chillispot::ENTRIES)]
        {
            for entry in entries {
                let found = if vendor == 0 { lookup(entry.number) } else { lookup_vendor(vendor, entry.number) };
                assert_eq!(found.map(|e| e.name), Some(entry.name));
            }
        }
        assert!(lookup(0).is_none() && lookup_vendor(1, 1).is_none());
    }
}
