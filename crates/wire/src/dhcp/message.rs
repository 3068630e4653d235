use super::{BOOTREPLY, COOKIE, Error, FILE, FIXED_LEN, MIN_LEN, MessageType, Packet, SNAME, code};
use crate::MacAddr;
use std::net::Ipv4Addr;

/// A DHCP message as a value. Fields as in RFC 2131, 2.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 2131, 2")]
pub struct Message {
    pub op: u8,
    pub htype: u8,
    pub hlen: u8,
    pub hops: u8,
    pub xid: u32,
    pub secs: u16,
    pub flags: u16,
    pub ciaddr: Ipv4Addr,
    pub yiaddr: Ipv4Addr,
    pub siaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub chaddr: [u8; 16],
    /// At most 63 octets are sent.
    pub sname: Vec<u8>,
    /// At most 127 octets are sent.
    pub file: Vec<u8>,
    /// In the order in which they are sent, the message type (53) first.
    pub options: OptionList,
}

impl Message {
    /// A request of the Ethernet station `mac`.
    #[must_use]
    pub fn request(message_type: MessageType, xid: u32, mac: MacAddr) -> Self {
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&mac.0);
        let mut options = OptionList::default();
        options.push(code::MESSAGE_TYPE, &[message_type.into()]);
        Self {
            op: super::BOOTREQUEST,
            htype: super::HTYPE_ETHERNET,
            hlen: 6,
            hops: 0,
            xid,
            secs: 0,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr,
            sname: Vec::new(),
            file: Vec::new(),
            options,
        }
    }

    /// The frame of a reply: what RFC 2131, table 3 copies from the client's message, and the type.
    #[must_use]
    pub fn reply(to: &Packet<'_>, message_type: MessageType) -> Self {
        let mut options = OptionList { bytes: Vec::with_capacity(256) };
        options.push(code::MESSAGE_TYPE, &[message_type.into()]);
        Self {
            op: BOOTREPLY,
            htype: to.htype(),
            hlen: to.hlen(),
            hops: 0,
            xid: to.xid(),
            secs: 0,
            flags: to.flags(),
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: to.giaddr(),
            chaddr: to.chaddr(),
            sname: Vec::new(),
            file: Vec::new(),
            options,
        }
    }

    /// Reads a message; split options are joined and stand where their first part stood.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let packet = Packet::parse(bytes)?;
        let mut options = OptionList::default();
        for (code, _) in packet.options() {
            if code != code::OVERLOAD && !options.contains(code) {
                options.push(code, &packet.option(code).unwrap_or_default());
            }
        }
        Ok(Self {
            op: packet.op(),
            htype: packet.htype(),
            hlen: packet.hlen(),
            hops: packet.hops(),
            xid: packet.xid(),
            secs: packet.secs(),
            flags: packet.flags(),
            ciaddr: packet.ciaddr(),
            yiaddr: packet.yiaddr(),
            siaddr: packet.siaddr(),
            giaddr: packet.giaddr(),
            chaddr: packet.chaddr(),
            sname: packet.sname().to_vec(),
            file: packet.file().to_vec(),
            options,
        })
    }

    /// Appends the message to `out` in at most `limit` octets (but never cuts the fixed fields), padded to
    /// [`MIN_LEN`]. What does not fit among the options goes into `file` and `sname` if those are empty
    /// (RFC 2131, 4.1). Returns how many options found no room anywhere and were left out.
    pub fn emit(&self, out: &mut Vec<u8>, limit: usize) -> usize {
        let start = out.len();
        out.reserve(limit.min(MIN_LEN.max(FIXED_LEN + self.options.bytes.len() + 16)));
        out.extend_from_slice(&[self.op, self.htype, self.hlen, self.hops]);
        out.extend_from_slice(&self.xid.to_be_bytes());
        out.extend_from_slice(&self.secs.to_be_bytes());
        out.extend_from_slice(&self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            out.extend_from_slice(&address.octets());
        }
        out.extend_from_slice(&self.chaddr);

        let room = limit.saturating_sub(FIXED_LEN + 1);
        let whole: usize = self.options.iter().map(|(_, data)| encoded_len(data)).sum();
        let mut areas = [Area::new(room), Area::new(0), Area::new(0)];
        let mut dropped = 0;
        if whole > room {
            areas[0].room = room.saturating_sub(3);
            areas[1].room = if self.file.is_empty() { FILE.len() - 1 } else { 0 };
            areas[2].room = if self.sname.is_empty() { SNAME.len() - 1 } else { 0 };
        }
        for (code, data) in self.options.iter() {
            dropped += usize::from(!place(&mut areas, code, data));
        }
        let [main, file, sname] = areas;
        put_field(out, SNAME.len(), &self.sname, &sname.bytes);
        put_field(out, FILE.len(), &self.file, &file.bytes);
        out.extend_from_slice(&COOKIE);
        let which = u8::from(!file.bytes.is_empty()) | u8::from(!sname.bytes.is_empty()) << 1;
        // Option 53 stays first, and readers that stop early still see that there is more elsewhere.
        let first = main.bytes.get(1).map_or(0, |&len| usize::from(len) + 2).min(main.bytes.len());
        let (head, tail) = main.bytes.split_at(first);
        out.extend_from_slice(head);
        if which != 0 {
            out.extend_from_slice(&[code::OVERLOAD, 1, which]);
        }
        out.extend_from_slice(tail);
        out.push(code::END);
        if out.len() - start < MIN_LEN {
            out.resize(start + MIN_LEN, code::PAD);
        }
        dropped
    }
}

/// Options in order, one entry for each code that was pushed; data of any length up to 65,535 octets.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OptionList {
    /// Entries of code, two octets of length, data: one allocation for all.
    bytes: Vec<u8>,
}

impl OptionList {
    /// Appends an option. Data of more than 65,535 octets fits no datagram and is left out.
    pub fn push(&mut self, code: u8, data: &[u8]) {
        if let Ok(len) = u16::try_from(data.len()) {
            self.bytes.push(code);
            self.bytes.extend_from_slice(&len.to_be_bytes());
            self.bytes.extend_from_slice(data);
        }
    }

    /// The data of the first option of that code.
    #[must_use]
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        self.iter().find(|&(c, _)| c == code).map(|(_, data)| data)
    }

    /// True if there is an option of that code.
    #[must_use]
    pub fn contains(&self, code: u8) -> bool {
        self.get(code).is_some()
    }

    /// Codes and data in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (&[code, high, low], tail) = rest.split_first_chunk()?;
            let (data, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
            rest = tail;
            Some((code, data))
        })
    }
}

/// A field that takes options: what is in it, and how many more octets it takes.
struct Area {
    bytes: Vec<u8>,
    room: usize,
}

impl Area {
    fn new(room: usize) -> Self {
        Self { bytes: Vec::new(), room }
    }
}

/// Puts an option where it fits: whole into the first field with room, or in parts over the fields in their
/// order, which is that of RFC 3396, 5. All of it or nothing.
fn place(areas: &mut [Area; 3], code: u8, data: &[u8]) -> bool {
    let needed = encoded_len(data);
    if let Some(area) = areas.iter_mut().find(|area| area.room >= needed) {
        area.room -= needed;
        put(&mut area.bytes, code, data);
        return true;
    }
    // A short option is not worth splitting: few clients join parts of it.
    if data.len() <= 255 {
        return false;
    }
    let fits: usize = areas.iter().map(|area| payload_room(area.room)).sum();
    if fits < data.len() {
        return false;
    }
    let mut rest = data;
    for area in areas {
        let (now, later) = rest.split_at(payload_room(area.room).min(rest.len()));
        if !now.is_empty() {
            area.room -= encoded_len(now);
            put(&mut area.bytes, code, now);
        }
        rest = later;
    }
    true
}

fn put(bytes: &mut Vec<u8>, code: u8, data: &[u8]) {
    if data.is_empty() {
        bytes.extend_from_slice(&[code, 0]);
    }
    for part in data.chunks(255) {
        bytes.extend_from_slice(&[code, part.len() as u8]);
        bytes.extend_from_slice(part);
    }
}

/// Octets that `data` takes as an option, in as many parts as needed.
fn encoded_len(data: &[u8]) -> usize {
    data.len() + 2 * data.len().div_ceil(255).max(1)
}

/// Octets of data that `room` octets hold, less the two of each part.
fn payload_room(room: usize) -> usize {
    room / 257 * 255 + (room % 257).saturating_sub(2)
}

fn put_field(out: &mut Vec<u8>, size: usize, text: &[u8], options: &[u8]) {
    let end = out.len() + size;
    if options.is_empty() {
        out.extend_from_slice(&text[..text.len().min(size - 1)]);
    } else {
        out.extend_from_slice(options);
        out.push(code::END);
    }
    out.resize(end, 0);
}
