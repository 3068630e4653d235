//! Traffic control: where our programs hang (`man 8 tc-bpf`).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::super::nlsock::NetlinkSocket;
use crate::netlink::{ACK, CREATE, DUMP, EXCL, Message, attrs};
use crate::{Error, Interface, Result};

const NEWQDISC: u16 = 36;
const DELQDISC: u16 = 37;
const NEWTFILTER: u16 = 44;
const DELTFILTER: u16 = 45;
const GETTFILTER: u16 = 46;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_ID: u16 = 11;
/// The program's result is what becomes of the packet.
const DIRECT_ACTION: u32 = 1;

const CLSACT: u32 = 0xffff_fff1;
const CLSACT_HANDLE: u32 = 0xffff_0000;
const PROTOCOL_ALL: u32 = (libc::ETH_P_ALL as u16).to_be() as u32;
/// Ours comes first: what it forwards nobody else needs to look at.
const PRIORITY: u32 = 1;
const HANDLE: u32 = 1;
/// How `tc filter show` names it.
const NAME: &str = "poblano";

/// Where priority and protocol are in a `struct tcmsg`.
const INFO_AT: usize = 16;

/// Where on an interface a program hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Hook {
    Ingress = 0xffff_fff2,
    Egress = 0xffff_fff3,
}

/// Traffic control of this network namespace.
pub(super) struct TrafficControl(NetlinkSocket);

impl TrafficControl {
    pub(super) fn open() -> Result<Self> {
        NetlinkSocket::open(libc::NETLINK_ROUTE).map(Self)
    }

    /// Makes the place for programs. False if there is one already, which is used.
    pub(super) fn add_place(&mut self, interface: u32) -> Result<bool> {
        let header = tcmsg(interface, CLSACT_HANDLE, CLSACT, 0);
        let message = Message::new(NEWQDISC, ACK | CREATE | EXCL, &header).text(TCA_KIND, "clsact");
        match self.0.request("make a place for programs on an interface", message) {
            Err(e) if e.errno() == Some(libc::EEXIST) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Takes the place away, if no program is left in it.
    pub(super) fn remove_place(&mut self, interface: u32) -> Result<()> {
        let mut left = false;
        for hook in [Hook::Ingress, Hook::Egress] {
            self.list(interface, hook, |_, _| left = true)?;
        }
        if left {
            return Ok(());
        }
        let message = Message::new(DELQDISC, ACK, &tcmsg(interface, CLSACT_HANDLE, CLSACT, 0)).text(TCA_KIND, "clsact");
        gone_is_fine(self.0.request("take the place for programs off an interface", message))
    }

    /// Hangs a program there, in place of one of ours in one step, and never in place of somebody else's.
    pub(super) fn attach(&mut self, interface: u32, hook: Hook, program: BorrowedFd<'_>) -> Result<()> {
        let header = tcmsg(interface, HANDLE, hook as u32, PRIORITY << 16 | PROTOCOL_ALL);
        let exclusive = if self.program(interface, hook)?.is_some() { 0 } else { EXCL };
        let flags = ACK | CREATE | exclusive;
        let message = Message::new(NEWTFILTER, flags, &header).text(TCA_KIND, "bpf").nest(TCA_OPTIONS, |m| {
            m.u32(TCA_BPF_FD, program.as_raw_fd().cast_unsigned())
                .text(TCA_BPF_NAME, NAME)
                .u32(TCA_BPF_FLAGS, DIRECT_ACTION)
        });
        self.0.request("attach a program to an interface", message)
    }

    /// Refuses a hook whose first place somebody else's filter has.
    pub(super) fn check_place(&mut self, interface: &Interface, hook: Hook) -> Result<()> {
        let mut others = false;
        self.list(interface.index, hook, |priority, options| others |= priority == PRIORITY && !is_ours(options))?;
        if !others {
            return Ok(());
        }
        let doing = format!("attach a program to {}", interface.name);
        Err(Error::refused(doing, "another filter has the first place there").hint(format!(
            "see: tc filter show dev {}; give it a pref above 1, or set offload.mode = \"off\"",
            interface.name
        )))
    }

    /// Takes our program off. It is no error if it was not there.
    pub(super) fn detach(&mut self, interface: u32, hook: Hook) -> Result<()> {
        if self.program(interface, hook)?.is_none() {
            return Ok(());
        }
        let header = tcmsg(interface, HANDLE, hook as u32, PRIORITY << 16 | PROTOCOL_ALL);
        let message = Message::new(DELTFILTER, ACK, &header).text(TCA_KIND, "bpf");
        gone_is_fine(self.0.request("take a program off an interface", message))
    }

    /// The number of our program there.
    pub(super) fn program(&mut self, interface: u32, hook: Hook) -> Result<Option<u32>> {
        let mut found = None;
        self.list(interface, hook, |_, options| {
            if is_ours(options) {
                found = find(options, TCA_BPF_ID).and_then(|id| id.try_into().ok()).map(u32::from_ne_bytes).or(found);
            }
        })?;
        Ok(found)
    }

    /// Gives priority and options of each filter there to `each`.
    fn list(&mut self, interface: u32, hook: Hook, mut each: impl FnMut(u32, &[u8])) -> Result<()> {
        let header = tcmsg(interface, 0, hook as u32, 0);
        let request = Message::new(GETTFILTER, DUMP, &header);
        let listed = self.0.list("list the programs of an interface", request, |kind, body| {
            let options = body.get(header.len()..).and_then(|body| find(body, TCA_OPTIONS));
            let info = body.get(INFO_AT..INFO_AT + 4).and_then(|info| info.try_into().ok()).map(u32::from_ne_bytes);
            if let (NEWTFILTER, Some(options), Some(info)) = (kind, options, info) {
                each(info >> 16, options);
            }
        });
        gone_is_fine(listed)
    }
}

fn is_ours(options: &[u8]) -> bool {
    find(options, TCA_BPF_NAME).is_some_and(|name| name.strip_suffix(b"\0") == Some(NAME.as_bytes()))
}

/// What is to be taken away or looked at may have gone with its interface.
fn gone_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(e) if matches!(e.errno(), Some(libc::ENODEV | libc::ENOENT | libc::EINVAL | libc::EOPNOTSUPP)) => Ok(()),
        other => other,
    }
}

fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attrs(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// `struct tcmsg`
fn tcmsg(interface: u32, handle: u32, parent: u32, info: u32) -> [u8; 20] {
    let mut bytes = [0; 20];
    for (at, word) in [(4, interface), (8, handle), (12, parent), (INFO_AT, info)] {
        bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}
