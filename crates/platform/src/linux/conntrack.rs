//! Connection tracking (`linux/netfilter/nfnetlink_conntrack.h`): what the kernel remembers of guests' flows.
//!
//! Entries are looked for and then deleted one by one, each by its own tuple and number. The kernel could delete by
//! source address in one request, but only since 6.9; and what an older one makes of a filter that it does not know
//! would at worst be the loss of everybody's flows.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::nlsock::NetlinkSocket;
use crate::netlink::{DUMP, Message, attrs};
use crate::{End, Flows, Result, Translation, same_network};

const SUBSYSTEM: u16 = 1;
const GET: u16 = 1;
const DELETE: u16 = 2;
const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const MARK: u16 = 8;
const ID: u16 = 12;
const ZONE: u16 = 18;
/// CTA_FILTER, since Linux 5.8; older kernels do not look at it and list everything.
const FILTER: u16 = 25;
const FILTER_ORIG_FLAGS: u16 = 1;
const FILTER_REPLY_FLAGS: u16 = 2;
/// CTA_FILTER_F_CTA_IP_SRC
const BY_SOURCE: u32 = 1;
const TUPLE_IP: u16 = 1;
const IPV4_SOURCE: u16 = 1;
const IPV4_DESTINATION: u16 = 2;
const TUPLE_PROTO: u16 = 2;
const PROTO_NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;
/// Of an entry that is new or has changed.
pub(super) const NEW_EVENT: u16 = SUBSYSTEM << 8;
/// Of an entry that is gone.
pub(super) const DELETE_EVENT: u16 = SUBSYSTEM << 8 | DELETE;
/// `struct nfgenmsg`: IPv4, version 0, no resource.
const HEADER: [u8; 4] = [libc::AF_INET as u8, 0, 0, 0];

/// Entries that are remembered of one list, 100 octets each; a guest that has more is looked for again.
const AT_ONCE: usize = 8192;
/// Times that a list is asked for: more entries than any kernel of a router keeps.
const ROUNDS: usize = 128;

pub(super) struct Conntrack {
    socket: NetlinkSocket,
}

impl Conntrack {
    pub(super) fn open() -> Result<Self> {
        Ok(Self { socket: NetlinkSocket::open(libc::NETLINK_NETFILTER)? })
    }

    /// Makes the kernel forget connections with this mark, as far as the mask goes, and those whose answers come to one of
    /// these addresses.
    pub(super) fn forget_uplink(&mut self, mark: u32, mask: u32, addresses: &[Ipv4Addr]) -> Result<usize> {
        let is_meant = |entry: &[u8]| {
            let marked = attribute(entry, MARK).and_then(|value| Some(u32::from_be_bytes(value.try_into().ok()?)));
            let answered_at = attribute(entry, TUPLE_REPLY).and_then(|tuple| address(tuple, IPV4_DESTINATION));
            marked.is_some_and(|found| found & mask == mark)
                || answered_at.is_some_and(|found| addresses.contains(&found))
        };
        self.delete(&everything(), &is_meant).map_err(explained)
    }

    /// Gives the connections that are translated to an address of ours.
    pub(super) fn list(&mut self, each: &mut dyn FnMut(Translation)) -> Result<()> {
        let doing = "list the kernel's connections";
        let listed =
            self.socket.list(doing, everything(), |_, body| translation(body).into_iter().for_each(&mut *each));
        listed.map_err(explained)
    }

    /// Deletes what `list` finds and `is_meant` says is meant.
    fn delete(&mut self, list: &Message, is_meant: &dyn Fn(&[u8]) -> bool) -> Result<usize> {
        let mut deleted = 0;
        for _ in 0..ROUNDS {
            let mut found = Vec::new();
            let mut more = false;
            let doing = "list the kernel's connections";
            self.socket.list(doing, list.clone(), |_, body| {
                let meant = body.get(HEADER.len()..).and_then(|entry| deletion(entry, is_meant));
                more |= meant.is_some() && found.len() == AT_ONCE;
                found.extend(meant.filter(|_| found.len() < AT_ONCE));
            })?;
            for message in found {
                match self.socket.request("make the kernel forget a connection", message) {
                    // It has ended by itself meanwhile.
                    Err(e) if e.errno() == Some(libc::ENOENT) => {}
                    Err(e) => return Err(e),
                    Ok(()) => deleted += 1,
                }
            }
            if !more {
                break;
            }
        }
        Ok(deleted)
    }
}

impl Flows for Conntrack {
    fn forget(&mut self, guests: &BTreeSet<Ipv4Addr>) -> Result<usize> {
        let whose = |address| guests.contains(&address);
        let mut deleted = 0;
        // One guest's entries are found by the kernel; for many, one look at everything is cheaper.
        let lists = match guests.first() {
            None => vec![],
            Some(one) if guests.len() == 1 => {
                vec![by_source(TUPLE_ORIG, FILTER_ORIG_FLAGS, *one), by_source(TUPLE_REPLY, FILTER_REPLY_FLAGS, *one)]
            }
            Some(_) => vec![everything()],
        };
        for list in lists {
            deleted += self.delete(&list, &|entry| is_of(entry, &whose)).map_err(explained)?;
        }
        Ok(deleted)
    }

    fn forget_network(&mut self, network: (Ipv4Addr, u8), spared: &BTreeSet<Ipv4Addr>) -> Result<usize> {
        let (network, prefix) = network;
        let whose = |address| same_network(address, network, prefix) && !spared.contains(&address);
        self.delete(&everything(), &|entry| is_of(entry, &whose)).map_err(explained)
    }
}

pub(super) fn explained(error: crate::Error) -> crate::Error {
    error.hint("the kernel needs nf_conntrack_netlink (kmod-nf-conntrack-netlink)")
}

/// What NAT does with the connection that a message is about: whose answers come to another address than it began from.
pub(super) fn translation(body: &[u8]) -> Option<Translation> {
    let entry = body.get(HEADER.len()..)?;
    let (original, reply) = (attribute(entry, TUPLE_ORIG)?, attribute(entry, TUPLE_REPLY)?);
    let end = |tuple, which, port| Some(End { address: address(tuple, which)?, port: number(tuple, port) });
    let guest = end(original, IPV4_SOURCE, SOURCE_PORT)?;
    let public = end(reply, IPV4_DESTINATION, DESTINATION_PORT)?;
    let protocol = *attribute(attribute(original, TUPLE_PROTO)?, PROTO_NUMBER)?.first()?;
    let mut destination = end(original, IPV4_DESTINATION, DESTINATION_PORT)?;
    // Http on its way to a proxy: what the guest has asked for is at port 80.
    if protocol == TCP && destination.port == Some(fastpath::verdict::DIVERTED_PORT) {
        destination.port = Some(HTTP);
    }
    let id = u32::from_be_bytes(attribute(entry, ID)?.try_into().ok()?);
    (public.address != guest.address).then_some(Translation { protocol, guest, public, destination, id })
}

const TCP: u8 = 6;
const HTTP: u16 = 80;

/// A port, if there is one.
fn number(tuple: &[u8], wanted: u16) -> Option<u16> {
    let octets = attribute(attribute(tuple, TUPLE_PROTO)?, wanted)?;
    Some(u16::from_be_bytes(octets.try_into().ok()?))
}

fn everything() -> Message {
    Message::new(SUBSYSTEM << 8 | GET, DUMP, &HEADER)
}

/// Asks for entries of which one direction comes from `source`.
fn by_source(tuple: u16, flags: u16, source: Ipv4Addr) -> Message {
    everything()
        .nest(tuple, |m| m.nest(TUPLE_IP, |m| m.attr(IPV4_SOURCE, &source.octets())))
        .nest(FILTER, |m| m.u32(flags, BY_SOURCE))
}

/// The request that deletes this entry of a list and no other, if it is meant.
fn deletion(entry: &[u8], is_meant: &dyn Fn(&[u8]) -> bool) -> Option<Message> {
    let tuple = attribute(entry, TUPLE_ORIG)?;
    // Without its number an entry could be a younger one of the same tuple.
    let id = attribute(entry, ID)?;
    if !is_meant(entry) {
        return None;
    }
    let message = Message::new(SUBSYSTEM << 8 | DELETE, 0, &HEADER);
    let message = message.acknowledged().nest(TUPLE_ORIG, |m| m.raw(tuple)).attr(ID, id);
    Some(match attribute(entry, ZONE) {
        Some(zone) => message.attr(ZONE, zone),
        None => message,
    })
}

/// True if one of its ends is meant: a guest that began the flow is the source of the original direction, one that was
/// called back (an expected connection) of the reply.
fn is_of(entry: &[u8], whose: &dyn Fn(Ipv4Addr) -> bool) -> bool {
    let ends = [TUPLE_ORIG, TUPLE_REPLY].into_iter().filter_map(|tuple| attribute(entry, tuple));
    ends.filter_map(|tuple| address(tuple, IPV4_SOURCE)).any(whose)
}

fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attrs(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

fn address(tuple: &[u8], wanted: u16) -> Option<Ipv4Addr> {
    let octets = attribute(attribute(tuple, TUPLE_IP)?, wanted)?;
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::netlink::messages;

    const ADA: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
    const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

    /// An entry of a list as the kernel writes it, without the header.
    fn entry(original: Ipv4Addr, reply: Ipv4Addr, id: Option<u32>) -> Vec<u8> {
        let tuple = |source: Ipv4Addr| {
            move |m: Message| {
                m.nest(TUPLE_IP, |m| m.attr(IPV4_SOURCE, &source.octets()).attr(2, &HOST.octets()))
                    .nest(2, |m| m.attr(1, &[17]).attr(2, &[0x30, 0x39]).attr(3, &[0, 53]))
            }
        };
        let message = Message::new(0, 0, &[]).nest(TUPLE_ORIG, tuple(original)).nest(TUPLE_REPLY, tuple(reply));
        let message = id.into_iter().fold(message, |m, id| m.be32(ID, id));
        let bytes = message.finish(1);
        messages(&bytes).next().unwrap().body.to_vec()
    }

    /// An entry that is translated from 10.1.0.2:12345 to 203.0.113.2:40001.
    pub(in super::super) fn translated(message: Message) -> Message {
        let tuple = |from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)| {
            move |m: Message| {
                m.nest(TUPLE_IP, |m| m.attr(IPV4_SOURCE, &from.0.octets()).attr(IPV4_DESTINATION, &to.0.octets()))
                    .nest(TUPLE_PROTO, |m| m.attr(1, &[17]).attr(2, &from.1.to_be_bytes()).attr(3, &to.1.to_be_bytes()))
            }
        };
        let ours = (Ipv4Addr::new(203, 0, 113, 2), 40001);
        message
            .nest(TUPLE_ORIG, tuple((ADA, 12345), (HOST, 53)))
            .nest(TUPLE_REPLY, tuple((HOST, 53), ours))
            .be32(ID, 77)
    }

    #[test]
    fn a_connection_whose_answers_come_to_where_it_began_is_not_translated() {
        let body = |entry: Vec<u8>| [&HEADER[..], &entry].concat();
        assert_eq!(translation(&body(entry(ADA, HOST, Some(1)))).map(|t| t.public.address), Some(HOST));
        assert_eq!(translation(&body(entry(HOST, ADA, Some(1)))), None);
    }

    #[test]
    fn an_entry_is_deleted_by_its_own_tuple_and_number() {
        let listed = entry(ADA, HOST, Some(77));
        let bytes = deletion(&listed, &|entry| is_of(entry, &|address| address == ADA)).unwrap().finish(1);
        let message = messages(&bytes).next().unwrap();
        assert_eq!((message.kind, &message.body[..4]), (0x102, &HEADER[..]));
        let find = |bytes: &[u8], kind| attrs(bytes).find(|(found, _)| *found == kind).map(|(_, v)| v.to_vec());
        assert_eq!(find(&message.body[4..], TUPLE_ORIG), find(&listed, TUPLE_ORIG));
        assert_eq!(find(&message.body[4..], ID), Some(77u32.to_be_bytes().to_vec()));
    }

    #[test]
    fn only_flows_of_the_guests_that_are_meant_are_deleted() {
        let meant = |original, reply| is_of(&entry(original, reply, Some(1)), &|address| address == ADA);
        assert!(meant(ADA, HOST), "it began the flow");
        assert!(meant(HOST, ADA), "it was called back");
        assert!(!meant(HOST, HOST) && !meant(Ipv4Addr::new(10, 1, 0, 3), HOST));
        assert!(deletion(&entry(ADA, HOST, None), &|_| true).is_none(), "which one it is cannot be said");
    }

    #[test]
    fn no_cut_or_lying_entry_is_read_beyond_its_end() {
        let whole = entry(ADA, HOST, Some(77));
        for cut in 0..whole.len() {
            let _ = deletion(&whole[..cut], &|entry| is_of(entry, &|_| true));
        }
        for at in 0..whole.len() {
            for value in [0, 1, 3, 0x7f, 0xff] {
                let mut lying = whole.clone();
                lying[at] = value;
                let _ = deletion(&lying, &|entry| is_of(entry, &|_| true));
            }
        }
    }
}
