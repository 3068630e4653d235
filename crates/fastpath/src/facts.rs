//! Looking up what the policy asks about a packet: whose it is, where it goes, what kind it is.

use std::net::Ipv4Addr;
use std::time::Duration;

use wire::frame::{Ipv4, Transport, ethertype, is_never_routed, protocol};
use wire::{GuestKey, MacAddr};

use crate::pipeline::Plane;
use crate::port::Packet;
use crate::session::Snapshot;
use crate::verdict::{Facts, Guest, Kind, Network, Peer};

const DHCP_SERVER_PORT: u16 = 67;
const DNS_PORT: u16 = 53;
const HTTP_PORT: u16 = 80;
const ICMP_ECHO_REQUEST: u8 = 8;

/// A packet with everything that was found out about it.
pub(crate) struct Classified {
    pub(crate) facts: Facts,
    pub(crate) guest: Option<Snapshot>,
    /// The headers, of an IPv4 packet.
    pub(crate) ip: Option<Ipv4>,
}

/// Looks at a frame that a guest sent.
pub(crate) fn up(plane: &Plane, packet: &Packet, key: GuestKey, now: Duration) -> Classified {
    let mut facts = Facts {
        // A frame that comes from us and did not is a stranger's, or a loop in the LAN.
        from_station: key.mac.is_station() && key.mac != plane.lan_mac,
        to_us: is_to_us(packet.destination(), plane.lan_mac),
        network: Network::Other,
        guest: Guest::Unknown,
        peer: Peer::Internet,
        kind: Kind::Other,
    };
    let mut ip = None;
    match packet.ethertype() {
        ethertype::ARP => facts.network = Network::Arp,
        ethertype::IPV4 => match Ipv4::parse(packet.l3()) {
            Ok(headers) if has_source_route(&packet.l3()[20..usize::from(headers.header_len)]) => {
                facts.network = Network::Malformed;
            }
            Ok(headers) => {
                facts.network = Network::Ipv4;
                facts.kind = kind_up(&headers, plane.portal_ports);
                ip = Some(headers);
            }
            Err(_) => facts.network = Network::Malformed,
        },
        ethertype::IPV6 => {
            facts.network = Network::Ipv6;
            if packet.destination() != plane.lan_mac || !ipv6_can_be_answered(packet.l3()) {
                facts.peer = Peer::Multicast;
            }
        }
        _ => {}
    }
    if !facts.from_station || !facts.to_us || facts.network == Network::Arp {
        return Classified { facts, guest: None, ip };
    }
    let guest = plane.table.by_key(key);
    if let Some(guest) = &guest {
        facts.guest = match ip {
            Some(ip) if ip.source != guest.own_address() => Guest::Spoofing,
            _ if guest.online_at(now) => Guest::Online,
            _ => Guest::Offline,
        };
    }
    if let Some(ip) = &ip {
        facts.peer = peer(plane, ip.destination);
        if packet.destination() != plane.lan_mac && facts.kind != Kind::Dhcp {
            // RFC 1122, 3.3.6: a frame for everybody carries no packet for one host.
            facts.peer = Peer::Multicast;
        }
        if guest.is_some_and(|guest| guest.foreign.is_some()) && (facts.peer, facts.kind) == (Peer::Internet, Kind::Dns)
        {
            // The server that it knows may be its router at home.
            facts.peer = Peer::Gateway;
        }
        if facts.peer == Peer::Internet && in_garden(plane, facts.guest, guest.as_ref(), ip, true, now) {
            facts.peer = Peer::Garden;
        }
    }
    Classified { facts, guest, ip }
}

/// Looks at a packet that the kernel routed towards a guest.
pub(crate) fn down(plane: &Plane, packet: &Packet, now: Duration) -> Classified {
    let mut facts = Facts {
        from_station: true,
        to_us: true,
        network: Network::Malformed,
        guest: Guest::Unknown,
        peer: Peer::Internet,
        kind: Kind::Other,
    };
    let ip = match packet.l3().first().map(|first| first >> 4) {
        Some(4) => Ipv4::parse(packet.l3()).ok(),
        Some(6) => {
            facts.network = Network::Ipv6;
            None
        }
        _ => None,
    };
    let Some(ip) = ip else { return Classified { facts, guest: None, ip } };
    facts.network = Network::Ipv4;
    let guest = plane.table.by_address(ip.destination);
    if let Some(guest) = &guest {
        facts.guest = if guest.online_at(now) { Guest::Online } else { Guest::Offline };
    }
    facts.peer = peer(plane, ip.source);
    if facts.peer == Peer::Internet && in_garden(plane, facts.guest, guest.as_ref(), &ip, false, now) {
        facts.peer = Peer::Garden;
    }
    facts.kind = match ip.transport {
        Transport::Tcp { .. } => Kind::Tcp,
        Transport::Fragment => Kind::Fragment,
        _ => Kind::Other,
    };
    Classified { facts, guest, ip: Some(ip) }
}

/// Unicast to us, or to everybody; multicast groups are looked at too, to be counted as such.
fn is_to_us(destination: MacAddr, ours: MacAddr) -> bool {
    destination == ours || destination.0[0] & 1 != 0
}

fn kind_up(ip: &Ipv4, portal_ports: [u16; 2]) -> Kind {
    match ip.transport {
        Transport::Udp { destination: DHCP_SERVER_PORT, .. } => Kind::Dhcp,
        Transport::Udp { destination: DNS_PORT, .. } => Kind::Dns,
        Transport::Tcp { destination: HTTP_PORT, .. } => Kind::Http,
        Transport::Tcp { destination, .. } if portal_ports.contains(&destination) => Kind::Portal,
        Transport::Tcp { .. } => Kind::Tcp,
        Transport::Icmp { kind: ICMP_ECHO_REQUEST, .. } => Kind::Ping,
        Transport::Fragment => Kind::Fragment,
        _ => Kind::Other,
    }
}

fn peer(plane: &Plane, address: Ipv4Addr) -> Peer {
    if address == plane.gateway {
        return Peer::Gateway;
    }
    if plane.redirector.stands_for_us(address) {
        return Peer::Alias;
    }
    if address.is_multicast() || address.is_broadcast() || address == plane.broadcast {
        return Peer::Multicast;
    }
    if plane.network.contains(address) {
        return Peer::Guests;
    }
    if is_never_routed(address) { Peer::Unroutable } else { Peer::Internet }
}

/// Looked at only where it matters: before login, and after it if the garden is not counted.
fn in_garden(plane: &Plane, guest: Guest, found: Option<&Snapshot>, ip: &Ipv4, up: bool, now: Duration) -> bool {
    match guest {
        Guest::Offline => {}
        Guest::Online if !plane.garden.is_counted() => {}
        _ => return false,
    }
    let port = match ip.transport {
        Transport::Tcp { source, destination, .. } | Transport::Udp { source, destination } => {
            if up {
                destination
            } else {
                source
            }
        }
        _ => 0,
    };
    let address = if up { ip.destination } else { ip.source };
    let own = found.filter(|guest| guest.policy.own_garden).map(|guest| guest.slot);
    plane.garden.allows(own, address, ip.protocol, port, now.as_secs() as u32)
}

/// True if IPv4 options name the hops of the way: then the destination that was judged is not the last one, and a
/// kernel that obeys would send a packet for the portal on to anywhere (RFC 7126, 4.3 and 4.4, wants such packets dropped).
/// So would one that reads options behind the first malformed one, where we stop: that counts as naming hops.
fn has_source_route(options: &[u8]) -> bool {
    const END: u8 = 0;
    const NOTHING: u8 = 1;
    const LOOSE: u8 = 131;
    const STRICT: u8 = 137;
    let mut rest = options;
    loop {
        rest = match rest {
            [] | [END, ..] => return false,
            [NOTHING, rest @ ..] => rest,
            [LOOSE | STRICT, ..] => return true,
            [_, len, ..] if *len >= 2 => match rest.get(usize::from(*len)..) {
                Some(rest) => rest,
                None => return true,
            },
            _ => return true,
        }
    }
}

/// True if an ICMPv6 error may answer the packet (RFC 4443, 2.4 e): source and destination are one host's, and
/// it is no ICMPv6 itself, which would be neighbour discovery or an error.
fn ipv6_can_be_answered(l3: &[u8]) -> bool {
    const ICMPV6: u8 = 58;
    let Some(header) = l3.get(..40) else { return false };
    let unspecified = header[8..24].iter().all(|&b| b == 0);
    header[24] != 0xff && header[8] != 0xff && !unspecified && header[6] != ICMPV6 && header[6] != protocol::ICMP
}

#[cfg(test)]
mod tests {
    use super::has_source_route;

    #[test]
    fn a_packet_that_names_its_hops_is_found_wherever_the_option_stands_and_others_are_not_blamed() {
        let (loose, strict): (&[u8], &[u8]) = (&[131, 7, 4, 192, 0, 2, 80, 0], &[137, 7, 4, 192, 0, 2, 80, 0]);
        let (record, alert): (&[u8], &[u8]) = (&[7, 7, 4, 0, 0, 0, 0], &[148, 4, 0, 0]);
        for route in [loose, strict] {
            assert!(has_source_route(route));
            for before in [&[1, 1, 1][..], record, alert] {
                assert!(has_source_route(&[before, route].concat()), "{before:?}");
            }
        }
        for harmless in [&[][..], &[0, 0, 0, 0], &[1, 1, 1, 1], record, alert, &[148, 4, 131, 137]] {
            assert!(!has_source_route(harmless), "{harmless:?}");
        }
        for broken in [&[7][..], &[7, 0, 131, 7], &[7, 1, 131, 7], &[7, 200, 131, 7]] {
            assert!(has_source_route(broken), "{broken:?}");
        }
    }
}
