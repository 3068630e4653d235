//! A netlink socket: one request at a time, errors in the kernel's words.

use std::fs::File;
use std::io::{self, Read, Write};

use super::sys;
use crate::netlink::{self, DONE, DUMP, ERROR, Message};
use crate::{Error, Result};

/// `SOL_NETLINK` options: the error does not repeat the request, but says words.
const NETLINK_CAP_ACK: i32 = 10;
const NETLINK_EXT_ACK: i32 = 11;
/// The kernel never sends more than 32 kB at once.
const BUFFER: usize = 64 << 10;
/// Parts of a dump that we read; each is up to 32 kB. A router with a full BGP table has some 2,000.
const MAX_PARTS: usize = 100_000;

pub(super) struct NetlinkSocket {
    socket: File,
    seq: u32,
}

impl NetlinkSocket {
    pub(super) fn open(protocol: i32) -> Result<Self> {
        let doing = |e| Error::kernel("open a netlink socket", e);
        let socket = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol).map_err(doing)?;
        for option in [NETLINK_CAP_ACK, NETLINK_EXT_ACK] {
            sys::set_option(&socket, libc::SOL_NETLINK, option, 1i32).map_err(doing)?;
        }
        // The kernel answers while we send; a lost answer must not hang the start.
        let limit = libc::timeval { tv_sec: 5, tv_usec: 0 };
        sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, limit).map_err(doing)?;
        Ok(Self { socket: File::from(socket), seq: 0 })
    }

    /// Changes something and waits until it is done.
    pub(super) fn request(&mut self, doing: &str, message: Message) -> Result<()> {
        self.transaction(doing, vec![message])
    }

    /// Sends messages in one piece and waits for what the kernel says first of them: an error, or the one
    /// acknowledgement that was asked for.
    pub(super) fn transaction(&mut self, doing: &str, messages: Vec<Message>) -> Result<()> {
        let mut bytes = Vec::new();
        let first = self.seq + 1;
        for message in messages {
            self.seq += 1;
            bytes.extend(message.finish(self.seq));
        }
        self.send(doing, &bytes)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let len = self.read(doing, &mut buffer)?;
            for reply in netlink::messages(&buffer[..len]) {
                if reply.kind != ERROR || !(first..=self.seq).contains(&reply.seq) {
                    continue;
                }
                return verdict(doing, reply);
            }
        }
    }

    /// Asks for a list and gives every entry's message type and body to `each`.
    pub(super) fn dump(&mut self, doing: &str, kind: u16, header: &[u8], each: impl FnMut(u16, &[u8])) -> Result<()> {
        self.list(doing, Message::new(kind, DUMP, header), each)
    }

    /// The same with a request of one's own, which must be one for a dump.
    pub(super) fn list(&mut self, doing: &str, request: Message, mut each: impl FnMut(u16, &[u8])) -> Result<()> {
        self.seq += 1;
        self.send(doing, &request.finish(self.seq))?;
        let mut buffer = vec![0; BUFFER];
        for _ in 0..MAX_PARTS {
            let len = self.read(doing, &mut buffer)?;
            for reply in netlink::messages(&buffer[..len]) {
                match reply.kind {
                    _ if reply.seq != self.seq => {}
                    DONE => return Ok(()),
                    ERROR => return verdict(doing, reply),
                    kind => each(kind, reply.body),
                }
            }
        }
        Err(Error::refused(doing, "the kernel's list has no end"))
    }

    fn send(&self, doing: &str, bytes: &[u8]) -> Result<()> {
        (&self.socket).write_all(bytes).map_err(|e| Error::kernel(doing, e))
    }

    fn read(&self, doing: &str, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match (&self.socket).read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Error::refused(doing, "the kernel did not answer within five seconds"));
                }
                result => return result.map_err(|e| Error::kernel(doing, e)),
            }
        }
    }
}

fn verdict(doing: &str, reply: netlink::Reply<'_>) -> Result<()> {
    let Some((code, words)) = reply.error() else {
        return Err(Error::refused(doing, "the kernel's answer is cut short"));
    };
    if code == 0 {
        return Ok(());
    }
    let error = Error::kernel(doing, io::Error::from_raw_os_error(code));
    Err(match words {
        Some(words) => error.hint(format!("the kernel says: {words}")),
        None => error,
    })
}
