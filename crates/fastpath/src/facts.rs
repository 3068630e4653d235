//! Looking up what the policy asks about a packet: whose it is, where it goes, what kind it is.

use std::net::Ipv4Addr;
use std::time::Duration;

use wire::dhcp::{CLIENT_PORT, SERVER_PORT};
use wire::frame::{Ipv4, Transport, ethertype, is_never_routed, protocol};
use wire::{GuestKey, MacAddr, Vlan};

use crate::pipeline::Plane;
use crate::port::Packet;
use crate::session::Snapshot;
use crate::verdict::{DIVERTED_PORT, Facts, Guest, Kind, Network, Peer};

const DNS_PORT: u16 = 53;
pub(crate) const HTTP_PORT: u16 = 80;
const ICMP_ECHO_REQUEST: u8 = 8;
const ICMPV6: u8 = 58;

/// Looks at a frame that `guest` sent, if the station is one; says the headers, too, of an IPv4 packet.
pub(crate) fn up(
    plane: &Plane,
    packet: &Packet,
    key: GuestKey,
    guest: Option<&Snapshot>,
    now: Duration,
) -> (Facts, Option<Ipv4>) {
    let mut facts = Facts {
        is_served: plane.untagged || packet.vlan != Vlan::NONE,
        // A frame that comes from us and did not is a stranger's, or a loop in the LAN.
        from_station: packet.source().is_station() && packet.source() != plane.lan_mac,
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
                facts.kind = kind_up(&headers, plane);
                ip = Some(headers);
            }
            Err(_) => facts.network = Network::Malformed,
        },
        ethertype::IPV6 => {
            facts.network = Network::Ipv6;
            if is_router_advertisement(packet.l3()) {
                facts.kind = Kind::RouterAdvertisement;
            }
            if packet.destination() != plane.lan_mac || !ipv6_can_be_answered(packet.l3()) {
                facts.peer = Peer::Multicast;
            }
        }
        _ => {}
    }
    if !facts.is_served || !facts.from_station || !facts.to_us || facts.network == Network::Arp {
        return (facts, ip);
    }
    if key.address_behind_router().is_some() {
        facts.guest = Guest::Newcomer;
        if matches!(facts.kind, Kind::Dhcp | Kind::DhcpAnswer) {
            facts.kind = Kind::Other; // its addresses are its router's business
        }
    }
    if let Some(guest) = guest {
        facts.guest = match ip {
            Some(ip) if ip.source != guest.own_address() => Guest::Spoofing,
            _ => logged_in(guest, now),
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
        if facts.peer == Peer::Internet && in_garden(plane, facts.guest, guest, ip, true, now) {
            facts.peer = Peer::Garden;
        }
    }
    (facts, ip)
}

/// Looks at a packet that the kernel routed towards `guest`, if its destination has one. `ip` is what its headers say.
pub(crate) fn down(
    plane: &Plane,
    packet: &Packet,
    ip: Option<&Ipv4>,
    guest: Option<&Snapshot>,
    now: Duration,
) -> Facts {
    let mut facts = Facts {
        is_served: true,
        from_station: true,
        to_us: true,
        network: Network::Malformed,
        guest: Guest::Unknown,
        peer: Peer::Internet,
        kind: Kind::Other,
    };
    let Some(ip) = ip else {
        if packet.l3().first().is_some_and(|first| first >> 4 == 6) {
            facts.network = Network::Ipv6;
        }
        return facts;
    };
    facts.network = Network::Ipv4;
    if let Some(guest) = guest {
        facts.guest = logged_in(guest, now);
    }
    facts.peer = peer(plane, ip.source);
    if facts.peer == Peer::Internet && in_garden(plane, facts.guest, guest, ip, false, now) {
        facts.peer = Peer::Garden;
    }
    facts.kind = match ip.transport {
        Transport::Tcp { source: DIVERTED_PORT, .. } if plane.http_proxy.is_some() => Kind::Diverted,
        Transport::Tcp { .. } => Kind::Tcp,
        Transport::Fragment => Kind::Fragment,
        _ => Kind::Other,
    };
    facts
}

/// Whether a guest is logged in, or may at least meet the portal.
fn logged_in(guest: &Snapshot, now: Duration) -> Guest {
    if guest.online_at(now) {
        Guest::Online
    } else if guest.policy.refused {
        Guest::Refused
    } else {
        Guest::Offline
    }
}

/// Unicast to us, or to everybody; multicast groups are looked at too, to be counted as such.
fn is_to_us(destination: MacAddr, ours: MacAddr) -> bool {
    destination == ours || destination.0[0] & 1 != 0
}

fn kind_up(ip: &Ipv4, plane: &Plane) -> Kind {
    match ip.transport {
        Transport::Udp { destination: SERVER_PORT, .. } => Kind::Dhcp,
        Transport::Udp { source: SERVER_PORT, destination: CLIENT_PORT } => Kind::DhcpAnswer,
        Transport::Udp { destination: DNS_PORT, .. } => Kind::Dns,
        Transport::Tcp { destination: HTTP_PORT, .. } => Kind::Http,
        Transport::Tcp { destination: DIVERTED_PORT, .. } if plane.http_proxy.is_some() => Kind::Diverted,
        Transport::Tcp { destination, .. } if plane.portal_ports.contains(&destination) => Kind::Portal,
        Transport::Tcp { destination, .. } if plane.secure_port == Some(destination) => Kind::SecurePortal,
        Transport::Tcp { .. } => Kind::Tcp,
        Transport::Icmp { kind: ICMP_ECHO_REQUEST, .. } => Kind::Ping,
        Transport::Fragment if plane.http_proxy.is_some() && ip.protocol == protocol::TCP => Kind::Diverted,
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
    if plane.network.contains(address) || plane.routes.contains(address) {
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
    // Whatever leads there: a name, an operator, a server.
    if ip.protocol == protocol::TCP
        && plane.http_proxy.is_some_and(|proxy| (*proxy.ip(), proxy.port()) == (address, port))
    {
        return false;
    }
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

/// True if every host would believe it (RFC 4861, 6.1.2): the header before it is IPv6's own, and no router passed it on.
fn is_router_advertisement(l3: &[u8]) -> bool {
    const ROUTER_ADVERTISEMENT: u8 = 134;
    matches!(l3.get(..41), Some(l3) if (l3[6], l3[7], l3[40]) == (ICMPV6, 255, ROUTER_ADVERTISEMENT))
}

/// True if an ICMPv6 error may answer the packet (RFC 4443, 2.4 e): source and destination are one host's, and
/// it is no ICMPv6 itself, which would be neighbour discovery or an error.
fn ipv6_can_be_answered(l3: &[u8]) -> bool {
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
