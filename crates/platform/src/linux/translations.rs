//! Connection tracking's events (`linux/netfilter/nfnetlink_conntrack.h`): what the kernel's NAT does, as it does it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;

use super::conntrack::{self, Conntrack};
use super::sys;
use crate::netlink::{self, CREATE};
use crate::poll::poll;
use crate::{Error, MAX_WAIT, Result, Told, Translation, Translations, Waker};

/// The groups NFNLGRP_CONNTRACK_NEW (1) and NFNLGRP_CONNTRACK_DESTROY (3).
const NEW_AND_DESTROY: u32 = 1 | 1 << 2;
/// The kernel may remember so much for us, twice with what it adds: some 8,000 events, of which a busy router has that many in
/// a second.
const REMEMBERED: i32 = 4 << 20;
/// Events that are read in one go.
const READS: usize = 1000;
/// `echo 0` here, and nothing is told.
const SWITCH: &str = "/proc/sys/net/netfilter/nf_conntrack_events";

pub(super) struct Watch {
    events: File,
    waker: Waker,
}

impl Watch {
    pub(super) fn open(waker: &Waker) -> Result<Self> {
        check()?;
        let doing = |e| Error::kernel("hear what the kernel's NAT does", e);
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK;
        let socket = sys::socket(libc::AF_NETLINK, kind, libc::NETLINK_NETFILTER).map_err(doing)?;
        sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, REMEMBERED).map_err(doing)?;
        sys::bind_netlink(&socket, NEW_AND_DESTROY).map_err(|e| conntrack::explained(doing(e)))?;
        Ok(Self { events: File::from(socket), waker: waker.clone() })
    }
}

/// Refuses if the kernel was told to tell nothing. The switch is there with connection tracking, which our rules bring.
pub(super) fn check() -> Result<()> {
    match std::fs::read_to_string(SWITCH) {
        Ok(value) if value.trim() == "0" => {
            Err(Error::refused("hear what the kernel's NAT does", format!("{SWITCH} is 0"))
                .hint("sysctl -w net.netfilter.nf_conntrack_events=1"))
        }
        _ => Ok(()),
    }
}

impl Translations for Watch {
    fn read(&mut self, each: &mut dyn FnMut(Told)) -> Result<()> {
        let doing = |e| Error::kernel("hear what the kernel's NAT does", e);
        poll(self.events.as_fd(), self.waker.fd(), MAX_WAIT).map_err(doing)?;
        let mut buffer = [0; 8192];
        for _ in 0..READS {
            match self.events.read(&mut buffer) {
                Ok(len) => told(buffer.get(..len).unwrap_or_default()).for_each(&mut *each),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => each(Told::Lost),
                Err(e) => return Err(doing(e)),
            }
        }
        Ok(())
    }

    fn list(&mut self, each: &mut dyn FnMut(Translation)) -> Result<()> {
        Conntrack::open()?.list(each)
    }
}

/// The events in what was read.
fn told(bytes: &[u8]) -> impl Iterator<Item = Told> {
    netlink::messages(bytes).filter_map(|message| {
        let translation = conntrack::translation(message.body)?;
        match message.kind {
            // An entry that only changes is told by the same word.
            conntrack::NEW_EVENT if message.flags & CREATE != 0 => Some(Told::Began(translation)),
            conntrack::DELETE_EVENT => Some(Told::Ended(translation)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Message;

    fn event(kind: u16, flags: u16) -> Vec<u8> {
        conntrack::tests::translated(Message::new(kind, flags, &[2, 0, 0, 0])).finish(0)
    }

    #[test]
    fn a_translation_is_told_when_it_begins_and_when_it_ends_and_not_when_it_changes() {
        let stream = [event(0x100, CREATE), event(0x100, 0), event(0x102, 0)].concat();
        let read: Vec<_> = told(&stream).collect();
        let [Told::Began(began), Told::Ended(ended)] = read[..] else { panic!("{read:?}") };
        assert_eq!(began, ended);
        assert_eq!((began.protocol, began.id, began.guest.port), (17, 77, Some(12345)));
        assert_eq!(began.public, crate::End { address: [203, 0, 113, 2].into(), port: Some(40001) });
        assert_eq!(began.destination, crate::End { address: [203, 0, 113, 80].into(), port: Some(53) });
    }

    #[test]
    fn no_cut_or_lying_event_is_read_beyond_its_end() {
        let whole = event(0x100, CREATE);
        for cut in 0..whole.len() {
            assert_eq!(told(&whole[..cut]).count(), 0, "{cut}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 3, 0x7f, 0xff] {
                let mut lying = whole.clone();
                lying[at] = value;
                let _ = told(&lying).take(100).count();
            }
        }
    }
}
