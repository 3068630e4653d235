//! Netlink messages as bytes (`man 7 netlink`, `man 3 netlink`): what rtnetlink and nf_tables have in common.
//!
//! Our own, because the two libraries it would take weigh several hundred kilobytes on a router and neither
//! speaks nf_tables. Nothing here panics on what it reads.

/// `NLMSG_ERROR`: an acknowledgement or an error.
pub(crate) const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
pub(crate) const DONE: u16 = 3;
/// `NLM_F_REQUEST`
pub(crate) const REQUEST: u16 = 1;
/// `NLM_F_ACK`
pub(crate) const ACK: u16 = 4;
/// `NLM_F_ROOT | NLM_F_MATCH`
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_EXCL`
pub(crate) const EXCL: u16 = 0x200;
/// `NLM_F_CREATE`
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`
pub(crate) const APPEND: u16 = 0x800;
/// `NLM_F_CAPPED`: the error does not repeat the whole request.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: the error carries attributes.
const ACK_TLVS: u16 = 0x200;
/// `NLMSGERR_ATTR_MSG`
const ATTR_MSG: u16 = 1;
/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;
/// All but `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const TYPE_MASK: u16 = 0x3fff;

/// Octets of `struct nlmsghdr`.
const HEADER: usize = 16;

/// A message being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// A request of type `kind` with the protocol's own header (`ifinfomsg`, `nfgenmsg`, ...).
    pub(crate) fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | REQUEST).to_ne_bytes());
        bytes.extend_from_slice(header);
        pad(&mut bytes);
        Self(bytes)
    }

    /// Its type.
    pub(crate) fn kind(&self) -> u16 {
        u16::from_ne_bytes([self.0[4], self.0[5]])
    }

    /// Adds an attribute.
    pub(crate) fn attr(mut self, kind: u16, value: &[u8]) -> Self {
        self.put(kind, value);
        self
    }

    /// Adds a 32-bit number in the machine's order (rtnetlink).
    pub(crate) fn u32(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// Adds a 32-bit number in network order (nf_tables).
    pub(crate) fn be32(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_be_bytes())
    }

    /// Adds a text with its closing zero.
    pub(crate) fn text(mut self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes);
        self
    }

    /// Adds an attribute that consists of attributes.
    pub(crate) fn nest(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let at = self.0.len();
        self.put(kind | NESTED, &[]);
        let mut filled = fill(self);
        filled.close(at);
        filled
    }

    /// Appends octets as they are: the header inside VETH_INFO_PEER.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        pad(&mut self.0);
        self
    }

    /// Asks for an acknowledgement.
    pub(crate) fn acknowledged(mut self) -> Self {
        self.0[6] |= ACK.to_ne_bytes()[0];
        self.0[7] |= ACK.to_ne_bytes()[1];
        self
    }

    /// The message, with its length and sequence number.
    pub(crate) fn finish(mut self, seq: u32) -> Vec<u8> {
        let len = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&len.to_ne_bytes());
        self.0[8..12].copy_from_slice(&seq.to_ne_bytes());
        self.0
    }

    fn put(&mut self, kind: u16, value: &[u8]) {
        let at = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        self.0[at + 2..at + 4].copy_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.close(at);
        pad(&mut self.0);
    }

    /// Writes the length of the attribute that began at `at`. All of ours are far below 64 kB.
    fn close(&mut self, at: usize) {
        let len = u16::try_from(self.0.len() - at).unwrap_or(u16::MAX);
        self.0[at..at + 2].copy_from_slice(&len.to_ne_bytes());
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) seq: u32,
    pub(crate) body: &'a [u8],
}

impl<'a> Reply<'a> {
    /// For [`ERROR`]: the error number (0 is success) and the kernel's words about it.
    pub(crate) fn error(&self) -> Option<(i32, Option<&'a str>)> {
        let code = i32::from_ne_bytes(self.body.get(..4)?.try_into().ok()?);
        let request_len = u32::from_ne_bytes(self.body.get(4..8)?.try_into().ok()?) as usize;
        let skip = if self.flags & CAPPED != 0 { HEADER } else { request_len };
        let words = (self.flags & ACK_TLVS != 0)
            .then(|| self.body.get(skip.checked_next_multiple_of(4)?.checked_add(4)?..))
            .flatten()
            .and_then(|tail| attrs(tail).find(|(kind, _)| *kind == ATTR_MSG))
            .and_then(|(_, text)| std::str::from_utf8(text).ok())
            .map(|text| text.trim_end_matches('\0'));
        Some((code.saturating_neg(), words))
    }
}

/// The messages in what was read; ends at the first that is cut short.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Reply<'_>> {
    std::iter::from_fn(move || {
        let header: &[u8; HEADER] = bytes.get(..HEADER)?.try_into().ok()?;
        let len = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let body = bytes.get(HEADER..len)?;
        let reply = Reply {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            seq: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            body,
        };
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(reply)
    })
}

/// The attributes in a message's body after the protocol's header; ends at the first that is cut short.
pub(crate) fn attrs(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..4)?;
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & TYPE_MASK;
        let value = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_message_is_laid_out_as_the_manual_says() {
        let bytes = Message::new(16, ACK, &[0xaa; 4]).text(3, "eth1").nest(18, |m| m.u32(1, 7).be32(2, 7)).finish(9);
        #[rustfmt::skip]
        let golden = [
            52, 0, 0, 0,  16, 0,  5, 0,  9, 0, 0, 0,  0, 0, 0, 0,  0xaa, 0xaa, 0xaa, 0xaa,
            9, 0, 3, 0,  b'e', b't', b'h', b'1', 0, 0, 0, 0,
            20, 0, 18, 0x80,  8, 0, 1, 0,  7, 0, 0, 0,  8, 0, 2, 0,  0, 0, 0, 7,
        ];
        assert_eq!(bytes, golden);
    }

    #[test]
    fn what_was_written_can_be_read() {
        let mut stream = Message::new(16, 0, &[1, 2, 3, 4]).text(3, "a").nest(4, |m| m.u32(1, 5)).finish(1);
        stream.extend(Message::new(17, 0, &[]).finish(2));
        let read: Vec<_> = messages(&stream).map(|m| (m.kind, m.seq)).collect();
        assert_eq!(read, [(16, 1), (17, 2)]);
        let first = messages(&stream).next().unwrap();
        let read: Vec<_> = attrs(&first.body[4..]).collect();
        assert_eq!(read[0], (3, &b"a\0"[..]));
        assert_eq!(attrs(read[1].1).next(), Some((1, &5u32.to_ne_bytes()[..])));
    }

    #[test]
    fn the_kernels_words_are_found_behind_its_error() {
        let mut body = (-libc::EEXIST).to_ne_bytes().to_vec();
        body.extend(Message::new(24, 0, &[]).finish(3));
        let words = Message::new(0, 0, &[]).text(ATTR_MSG, "Already there").finish(0);
        body.extend(&words[HEADER..]);
        let reply = Reply { kind: ERROR, flags: CAPPED | ACK_TLVS, seq: 3, body: &body };
        assert_eq!(reply.error(), Some((libc::EEXIST, Some("Already there"))));
        let mut whole_request = body.clone();
        whole_request[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        let lying = Reply { flags: ACK_TLVS, body: &whole_request, ..reply };
        assert_eq!(lying.error(), Some((libc::EEXIST, None)), "a request that cannot be that long");
        assert_eq!(Reply { flags: 0, ..reply }.error(), Some((libc::EEXIST, None)));
        assert_eq!(Reply { body: &body[..3], ..reply }.error(), None);
    }

    #[test]
    fn no_cut_or_lying_message_is_read_beyond_its_end() {
        let whole = Message::new(16, 0, &[0; 4]).text(3, "eth1").nest(4, |m| m.u32(1, 5)).finish(1);
        for cut in 0..whole.len() {
            assert_eq!(messages(&whole[..cut]).count(), 0, "{cut}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 3, 0x7f, 0xff] {
                let mut lying = whole.clone();
                lying[at] = value;
                for message in messages(&lying).take(100) {
                    let _ = (message.error(), attrs(message.body).take(100).count());
                }
            }
        }
    }
}
