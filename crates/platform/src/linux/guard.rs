//! Our firewall tables while we run. Everybody who may change the machine's rules can take them away, and many do so without
//! knowing of us: `nft flush ruleset` is how a firewall is usually loaded anew.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;

use super::nft::{self, Family};
use super::nlsock::NetlinkSocket;
use super::ports::{Keeper, Ports};
use super::{firewall, rules, sys};
use crate::netlink::Message;
use crate::poll::poll;
use crate::{Error, Guard, MAX_WAIT, Mended, Result, Waker};

/// The group NFNLGRP_NFTABLES: whatever changes in the rules.
const CHANGES: u32 = 1 << (7 - 1);
/// Messages that are read at once; if there are more, we are woken again.
const READS: usize = 1000;

pub(super) struct RuleGuard {
    changes: File,
    kept: Kept,
    /// As they were when we looked last.
    ports: Ports,
    waker: Waker,
}

/// What stays as it is.
pub(super) struct Kept {
    pub(super) lans: Vec<String>,
    pub(super) memory: Vec<String>,
    pub(super) ports: Keeper,
    /// The rules of forwarding.
    pub(super) filter: Vec<Message>,
}

impl RuleGuard {
    pub(super) fn open(kept: Kept, waker: &Waker) -> Result<Self> {
        let doing = |e| Error::kernel("watch the firewall rules", e);
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK;
        let socket = sys::socket(libc::AF_NETLINK, kind, libc::NETLINK_NETFILTER).map_err(doing)?;
        sys::bind_netlink(&socket, CHANGES).map_err(doing)?;
        let ports = kept.ports.look()?;
        Ok(Self { changes: File::from(socket), kept, ports, waker: waker.clone() })
    }
}

impl Guard for RuleGuard {
    fn wait(&self) -> io::Result<()> {
        poll(self.changes.as_fd(), self.waker.fd(), MAX_WAIT).map(drop)
    }

    fn mend(&mut self, tell: &mut dyn FnMut(Mended)) -> Result<()> {
        // What has changed does not matter, nor that some of it was lost: we look for ourselves.
        let mut buffer = [0; 4096];
        for _ in 0..READS {
            match self.changes.read(&mut buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
        let kept = &mut self.kept;
        let ports = kept.ports.look()?;
        let lock = rules::lock(&kept.lans, &ports, &kept.memory);
        // A port's rules come and go with it, but not in every kernel: what has returned is locked before all else.
        let returned =
            !ports.apart.is_empty() && ports.apart != self.ports.apart || ports.covered != self.ports.covered;
        let same = ports == self.ports && ports.apart.is_empty();
        let (mut mended, mut result) = (false, Ok(()));
        for (family, messages, anew) in [(Family::Netdev, &lock, returned), (Family::Inet, &kept.filter, false)] {
            // While rules change, a list of them may be short.
            let whole = || is_whole(family, rules::TABLE, messages);
            if anew || !whole()? && !whole()? {
                // Without a device that the one names the other is put back all the same.
                match firewall("put the firewall rules back", messages.clone()) {
                    Ok(()) => mended |= family == Family::Inet || same,
                    Err(error) => result = Err(error),
                }
            }
        }
        if mended {
            tell(Mended::Rules);
        }
        result?; // what is not locked stays out
        self.ports.clone_from(&ports);
        kept.ports.keep(&ports, tell)
    }
}

/// True if as many chains and rules are there as `messages` make. A table can be emptied and stay. Who adds to it what he
/// wants beside keeps it.
pub(super) fn is_whole(family: Family, table: &str, messages: &[Message]) -> Result<bool> {
    for (made_by, list) in [nft::CHAINS, nft::RULES] {
        let wanted = messages.iter().filter(|message| message.kind() == made_by).count();
        let mut found = 0;
        let request = nft::list_of_table(list, family, table);
        NetlinkSocket::open(libc::NETLINK_NETFILTER)?.list("list the firewall rules", request, |_, body| {
            found += usize::from(nft::is_table(table, body));
        })?;
        if found < wanted {
            return Ok(false);
        }
    }
    Ok(true)
}
