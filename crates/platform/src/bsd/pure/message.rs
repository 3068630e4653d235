//! What we tell the BSD kernels about interfaces and routes and what they tell us, as bytes.

use std::net::Ipv4Addr;

use super::abi::*;
use crate::mask;

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Gateway(Ipv4Addr),
    /// On the link of the interface with this number.
    Interface(u16),
}

impl Abi {
    /// `struct ifreq` with nothing but the name; `None` if that is no name of an interface.
    pub(crate) fn ifreq(self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.ifreq_len()];
        put_name(&mut bytes, name)?;
        Some(bytes)
    }

    /// The same with flags.
    pub(crate) fn ifreq_flags(self, name: &str, flags: u16) -> Option<Vec<u8>> {
        let mut bytes = self.ifreq(name)?;
        put(&mut bytes, IFREQ_VALUE_AT, &flags.to_ne_bytes());
        Some(bytes)
    }

    /// The same with an MTU.
    pub(crate) fn ifreq_mtu(self, name: &str, mtu: u32) -> Option<Vec<u8>> {
        let mut bytes = self.ifreq(name)?;
        put(&mut bytes, IFREQ_VALUE_AT, &mtu.to_ne_bytes());
        Some(bytes)
    }

    /// The same with an address, for SIOCDIFADDR.
    pub(crate) fn ifreq_address(self, name: &str, address: Ipv4Addr) -> Option<Vec<u8>> {
        let mut bytes = self.ifreq(name)?;
        put(&mut bytes, IFREQ_VALUE_AT, &sockaddr_in(address));
        Some(bytes)
    }

    /// `struct in_aliasreq` for SIOCAIFADDR; `peer` is the far end of a point-to-point interface.
    pub(crate) fn in_aliasreq(
        self,
        name: &str,
        address: Ipv4Addr,
        peer: Option<Ipv4Addr>,
        prefix: u8,
    ) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.in_aliasreq_len()];
        put_name(&mut bytes, name)?;
        put(&mut bytes, ALIAS_ADDRESS_AT, &sockaddr_in(address));
        if let Some(peer) = peer {
            put(&mut bytes, ALIAS_PEER_AT, &sockaddr_in(peer));
        }
        put(&mut bytes, ALIAS_MASK_AT, &sockaddr_in(Ipv4Addr::from(mask(prefix))));
        Some(bytes)
    }

    /// A message for the routing socket.
    pub(crate) fn route(self, command: u8, seq: i32, destination: Ipv4Addr, prefix: u8, via: Via) -> Vec<u8> {
        let mut flags = RTF_UP | RTF_STATIC;
        let mut present = RTA_DST | RTA_GATEWAY | RTA_NETMASK;
        let mut index = 0;
        let mut addresses = vec![sockaddr_in(destination).to_vec()];
        match via {
            Via::Gateway(gateway) => {
                flags |= RTF_GATEWAY;
                addresses.push(sockaddr_in(gateway).to_vec());
            }
            Via::Interface(number) => {
                index = number;
                addresses.push(self.sockaddr_dl(number));
                flags |= self.rtf_on_link();
            }
        }
        // FreeBSD takes a host route without a mask; the others a /32 that clones or is connected.
        if self.os == Os::Free && prefix == 32 {
            flags |= RTF_HOST;
            present &= !RTA_NETMASK;
        } else {
            addresses.push(sockaddr_in(Ipv4Addr::from(mask(prefix))).to_vec());
        }
        let mut bytes = vec![0; self.rtm_len()];
        for address in addresses {
            bytes.extend_from_slice(&address);
            bytes.resize(bytes.len().next_multiple_of(self.sockaddr_alignment()), 0);
        }
        let len = bytes.len() as u16;
        put(&mut bytes, 0, &len.to_ne_bytes());
        bytes[RTM_VERSION_AT] = self.rtm_version();
        bytes[RTM_TYPE_AT] = command;
        if let Some(at) = self.rtm_hdrlen_at() {
            put(&mut bytes, at, &(self.rtm_len() as u16).to_ne_bytes());
        }
        put(&mut bytes, self.rtm_index_at(), &index.to_ne_bytes());
        put(&mut bytes, self.rtm_flags_at(), &flags.to_ne_bytes());
        put(&mut bytes, RTM_ADDRS_AT, &present.to_ne_bytes());
        put(&mut bytes, self.rtm_seq_at(), &seq.to_ne_bytes());
        bytes
    }

    fn sockaddr_dl(self, index: u16) -> Vec<u8> {
        let mut bytes = vec![0; self.sockaddr_dl_len()];
        bytes[0] = self.sockaddr_dl_len() as u8;
        bytes[SA_FAMILY_AT] = AF_LINK;
        put(&mut bytes, SDL_INDEX_AT, &index.to_ne_bytes());
        bytes
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn put_name(bytes: &mut [u8], name: &str) -> Option<()> {
    if name.is_empty() || name.len() >= IFNAMSIZ || name.bytes().any(|b| b == 0) {
        return None;
    }
    put(bytes, 0, name.as_bytes());
    Some(())
}

fn sockaddr_in(address: Ipv4Addr) -> [u8; SIN_LEN] {
    let mut bytes = [0; SIN_LEN];
    bytes[0] = SIN_LEN as u8;
    bytes[SA_FAMILY_AT] = AF_INET;
    put(&mut bytes, SIN_ADDRESS_AT, &address.octets());
    bytes
}

/// The IPv4 default route in what the routing table's sysctl gave: number of its interface, and its gateway.
pub(crate) fn default_route(abi: Abi, mut bytes: &[u8]) -> Option<(u16, Option<Ipv4Addr>)> {
    loop {
        let header = bytes.get(..abi.rtm_len())?;
        let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let word = |at: usize| i32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let len = usize::from(half(0));
        let (flags, present) = (word(abi.rtm_flags_at()), word(RTM_ADDRS_AT));
        let mut addresses = bytes.get(abi.rtm_len()..len)?;
        let mut found: [Option<Option<Ipv4Addr>>; 3] = [None; 3];
        for (bit, found) in [RTA_DST, RTA_GATEWAY, RTA_NETMASK].into_iter().zip(&mut found) {
            if present & bit == 0 {
                continue;
            }
            let sa_len = usize::from(*addresses.first()?);
            *found = Some(addresses.get(..sa_len).and_then(ipv4_of));
            // A mask of length zero still takes a word.
            let padded = sa_len.max(1).next_multiple_of(abi.sockaddr_alignment());
            addresses = addresses.get(padded..).unwrap_or_default();
        }
        let [destination, gateway, netmask] = found;
        // The kernel cuts a mask's zeros off, so "no bits" is a mask without an address.
        let no_bits = matches!(netmask, Some(None | Some(Ipv4Addr::UNSPECIFIED)));
        if flags & RTF_UP != 0 && destination == Some(Some(Ipv4Addr::UNSPECIFIED)) && no_bits {
            return Some((half(abi.rtm_index_at()), gateway.flatten()));
        }
        bytes = bytes.get(len..)?;
    }
}

/// The address of a `sockaddr_in`.
pub(crate) fn ipv4_of(sockaddr: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = sockaddr.get(SIN_ADDRESS_AT..SIN_ADDRESS_AT + 4)?.try_into().ok()?;
    (sockaddr[SA_FAMILY_AT] == AF_INET).then_some(Ipv4Addr::from(octets))
}

/// The prefix length of a mask, whose zeros the kernel may have cut off.
pub(crate) fn prefix_of(sockaddr: &[u8]) -> u8 {
    let mut mask = [0; 4];
    for (to, from) in mask.iter_mut().zip(sockaddr.get(SIN_ADDRESS_AT..).unwrap_or_default()) {
        *to = *from;
    }
    u32::from_be_bytes(mask).leading_ones() as u8
}

/// Number, type and Ethernet address of an interface, from its `sockaddr_dl`.
pub(crate) fn link_address(sockaddr: &[u8]) -> Option<(u16, u8, Option<[u8; 6]>)> {
    let header = sockaddr.get(..SDL_DATA_AT)?;
    if header[SA_FAMILY_AT] != AF_LINK {
        return None;
    }
    let at = SDL_DATA_AT + usize::from(header[SDL_NAME_LEN_AT]);
    let mac = sockaddr.get(at..at + usize::from(header[SDL_ADDRESS_LEN_AT])).and_then(|mac| mac.try_into().ok());
    let index = u16::from_ne_bytes([header[SDL_INDEX_AT], header[SDL_INDEX_AT + 1]]);
    Some((index, header[SDL_TYPE_AT], mac))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
