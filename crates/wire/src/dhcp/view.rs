use super::{
    BOOTREPLY, BOOTREQUEST, COOKIE, Error, FILE, FIXED_LEN, FLAG_BROADCAST, HTYPE_ETHERNET, MessageType, SNAME,
};
use super::{HEADER_LEN, code};
use crate::MacAddr;
use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;

/// A received DHCP message whose fields and options were all checked.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    header: &'a [u8; FIXED_LEN],
    options: Options<'a>,
    overload: u8,
    message_type: MessageType,
    len: usize,
}

impl<'a> Packet<'a> {
    /// Checks the fixed fields and walks all options, those in overloaded fields included.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let Some((header, area)) = bytes.split_first_chunk::<FIXED_LEN>() else {
            return Err(Error::Short { len: bytes.len() });
        };
        if header[0] != BOOTREQUEST && header[0] != BOOTREPLY {
            return Err(Error::Op(header[0]));
        }
        if header[2] > 16 {
            return Err(Error::Hlen(header[2]));
        }
        if header[HEADER_LEN..] != COOKIE {
            return Err(Error::Cookie);
        }
        // RFC 2132, 9.3: the options field says whether `file` and `sname` hold options too; RFC 3396, 5: in this order.
        let mut areas = [area, &[], &[]];
        let overload = match check(area)? {
            None => 0,
            Some(&[which @ 1..=3]) => which,
            Some(_) => return Err(Error::Overload),
        };
        if overload & 1 != 0 {
            areas[1] = &header[FILE];
            check(areas[1])?;
        }
        if overload & 2 != 0 {
            areas[2] = &header[SNAME];
            check(areas[2])?;
        }
        let mut packet = Self {
            header,
            options: Options { areas, at: 0 },
            overload,
            message_type: MessageType::Unknown(0),
            len: bytes.len(),
        };
        match packet.option(code::MESSAGE_TYPE).as_deref() {
            Some(&[value]) => packet.message_type = value.into(),
            _ => return Err(Error::MessageType),
        }
        Ok(packet)
    }

    /// Any octets as one line for people.
    #[must_use]
    pub fn describe(bytes: &'a [u8]) -> Describe<'a> {
        Describe { bytes }
    }

    /// Option 53.
    #[must_use]
    pub fn message_type(&self) -> MessageType {
        self.message_type
    }

    /// [`BOOTREQUEST`] or [`BOOTREPLY`].
    #[must_use]
    pub fn op(&self) -> u8 {
        self.header[0]
    }

    /// Hardware type, [`HTYPE_ETHERNET`] for nearly everybody.
    #[must_use]
    pub fn htype(&self) -> u8 {
        self.header[1]
    }

    /// Length of the hardware address.
    #[must_use]
    pub fn hlen(&self) -> u8 {
        self.header[2]
    }

    /// Relay agents on the way.
    #[must_use]
    pub fn hops(&self) -> u8 {
        self.header[3]
    }

    /// Transaction.
    #[must_use]
    pub fn xid(&self) -> u32 {
        u32::from_be_bytes([self.header[4], self.header[5], self.header[6], self.header[7]])
    }

    /// Seconds since the client began.
    #[must_use]
    pub fn secs(&self) -> u16 {
        u16::from_be_bytes([self.header[8], self.header[9]])
    }

    /// The flags field.
    #[must_use]
    pub fn flags(&self) -> u16 {
        u16::from_be_bytes([self.header[10], self.header[11]])
    }

    /// The client cannot receive unicast before it has its address.
    #[must_use]
    pub fn broadcast(&self) -> bool {
        self.flags() & FLAG_BROADCAST != 0
    }

    /// The address that the client has.
    #[must_use]
    pub fn ciaddr(&self) -> Ipv4Addr {
        address(&self.header[12..16])
    }

    /// The address that the client gets.
    #[must_use]
    pub fn yiaddr(&self) -> Ipv4Addr {
        address(&self.header[16..20])
    }

    /// The server of the next boot step.
    #[must_use]
    pub fn siaddr(&self) -> Ipv4Addr {
        address(&self.header[20..24])
    }

    /// The relay agent.
    #[must_use]
    pub fn giaddr(&self) -> Ipv4Addr {
        address(&self.header[24..28])
    }

    /// The hardware address field, all of it.
    #[must_use]
    pub fn chaddr(&self) -> [u8; 16] {
        let mut all = [0; 16];
        all.copy_from_slice(&self.header[28..44]);
        all
    }

    /// The client's Ethernet address; `None` if its hardware is not Ethernet.
    #[must_use]
    pub fn mac(&self) -> Option<MacAddr> {
        let h = self.header;
        (self.htype() == HTYPE_ETHERNET && self.hlen() == 6)
            .then(|| MacAddr([h[28], h[29], h[30], h[31], h[32], h[33]]))
    }

    /// Server name, up to its zero octet; empty if the field holds options.
    #[must_use]
    pub fn sname(&self) -> &'a [u8] {
        if self.overload & 2 != 0 { &[] } else { text(&self.header[SNAME]) }
    }

    /// Boot file, up to its zero octet; empty if the field holds options.
    #[must_use]
    pub fn file(&self) -> &'a [u8] {
        if self.overload & 1 != 0 { &[] } else { text(&self.header[FILE]) }
    }

    /// All option instances as they stand, from all fields.
    #[must_use]
    pub fn options(&self) -> Options<'a> {
        self.options
    }

    /// The data of option `code`, its instances joined (RFC 3396, 7).
    #[must_use]
    pub fn option(&self, code: u8) -> Option<Cow<'a, [u8]>> {
        let mut found: Option<Cow<'a, [u8]>> = None;
        for (c, data) in self.options {
            if c == code {
                match &mut found {
                    None => found = Some(Cow::Borrowed(data)),
                    Some(joined) => joined.to_mut().extend_from_slice(data),
                }
            }
        }
        found
    }

    /// The data of option `code` if it is one IPv4 address.
    #[must_use]
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let data = self.option(code)?;
        <[u8; 4]>::try_from(&*data).ok().map(Ipv4Addr::from)
    }

    /// Octets of a message that the client takes: option 57 less the IP and UDP headers, at least [`super::MIN_LIMIT`].
    #[must_use]
    pub fn reply_limit(&self) -> usize {
        match self.option(code::MAX_MESSAGE_SIZE).as_deref() {
            // RFC 2132, 9.10 leaves open whether headers count; who counts them loses nothing.
            Some(&[a, b]) => usize::from(u16::from_be_bytes([a, b])).saturating_sub(28).max(super::MIN_LIMIT),
            _ => super::MIN_LIMIT,
        }
    }
}

impl fmt::Display for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DHCP {:?} xid {:#010x}", self.message_type, self.xid())?;
        match self.mac() {
            Some(mac) => write!(f, " client {mac}")?,
            None => write!(f, " client of hardware type {}", self.htype())?,
        }
        let fields = [
            ("ciaddr", self.ciaddr()),
            ("yiaddr", self.yiaddr()),
            ("siaddr", self.siaddr()),
            ("giaddr", self.giaddr()),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_unspecified()) {
            write!(f, " {name} {value}")?;
        }
        for (name, code) in [("requested", code::REQUESTED_ADDRESS), ("server", code::SERVER_ID)] {
            if let Some(value) = self.address(code) {
                write!(f, " {name} {value}")?;
            }
        }
        if let Some(&[a, b, c, d]) = self.option(code::LEASE_TIME).as_deref() {
            write!(f, " lease {}s", u32::from_be_bytes([a, b, c, d]))?;
        }
        if let Some(name) = self.option(code::HOST_NAME) {
            write!(f, " name \"{}\"", name.escape_ascii())?;
        }
        if self.broadcast() {
            f.write_str(" broadcast")?;
        }
        write!(f, ", length {}", self.len)
    }
}

/// Prints octets as a DHCP message, or what is wrong with them.
#[derive(Clone, Copy, Debug)]
pub struct Describe<'a> {
    bytes: &'a [u8],
}

impl fmt::Display for Describe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Packet::parse(self.bytes) {
            Ok(packet) => packet.fmt(f),
            Err(error) => write!(f, "DHCP malformed: {error}, length {}", self.bytes.len()),
        }
    }
}

/// The option instances of a message: code and data.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    areas: [&'a [u8]; 3],
    at: usize,
}

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let area = self.areas.get_mut(self.at)?;
            if let Ok(Some((code, data, rest))) = next_option(area) {
                *area = rest;
                return Some((code, data));
            }
            self.at += 1;
        }
    }
}

/// Walks one field; the data of its first option 52.
fn check(mut area: &[u8]) -> Result<Option<&[u8]>, Error> {
    let mut overload = None;
    while let Some((code, data, rest)) = next_option(area)? {
        if code == code::OVERLOAD && overload.is_none() {
            overload = Some(data);
        }
        area = rest;
    }
    Ok(overload)
}

type Split<'a> = (u8, &'a [u8], &'a [u8]);

/// One option and what follows it. A field may end without option 255: some clients forget it.
fn next_option(mut area: &[u8]) -> Result<Option<Split<'_>>, Error> {
    while let [code::PAD, rest @ ..] = area {
        area = rest;
    }
    match area {
        [] | [code::END, ..] => Ok(None),
        [code, len, rest @ ..] => match rest.split_at_checked(usize::from(*len)) {
            Some((data, rest)) => Ok(Some((*code, data, rest))),
            None => Err(Error::Option(*code)),
        },
        [code] => Err(Error::Option(*code)),
    }
}

fn address(bytes: &[u8]) -> Ipv4Addr {
    <[u8; 4]>::try_from(bytes).map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from)
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|&octet| octet == 0).next().unwrap_or_default()
}
