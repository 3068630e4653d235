//! The policy, in English and then in code:
//!
//! * A guest is a station that holds a lease from us and sends from the leased address. Nobody else's packets
//!   go anywhere, except DHCP and ARP to our own servers.
//! * Frames without a VLAN tag are nobody's, if it is so configured.
//! * A guest always reaches the gateway's DHCP, ARP, DNS and portal, and may ping it; nothing else of it. Of addresses that
//!   stand for the gateway's it reaches http, which is led to the portal.
//! * A guest that is not logged in reaches the walled garden; its http is led to the portal; its DNS is answered
//!   by us whichever server it asks; everything else is refused aloud, so that it falls back to its probe.
//! * A guest that is logged in reaches everything behind the uplink, but no other guest; the walled garden, if it is so
//!   configured, on nobody's account.
//! * Of a device that a server has refused, if it is so configured, nothing but DHCP and ARP is heard.
//! * If http of guests who are online goes to a proxy, it passes the kernel under a port that nobody else can use
//!   ([`DIVERTED_PORT`]): so what is open before login never comes there. Nor is the proxy itself in the garden.
//! * A guest behind a router is its address, not its station; its first packet makes it one, and goes nowhere.
//! * Guests' IPv6 is refused: no address family is a way around the portal.
//! * Who plays DHCP server or router on the guests' network, guest or not, is noted; nothing of it goes on.
//!
//! [`up`] and [`down`] are pure: no table, clock, counter or log.

use crate::counters::Reason;

/// In the kernel http of guests who are online goes to, and comes from, this port in place of 80, if it is to go to a proxy:
/// the firewall leads it there. It is reserved (RFC 6335, 6), so nobody is kept from anything.
pub const DIVERTED_PORT: u16 = 0;

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Goes on, on the session's account, if its rate allows.
    Forward,
    /// Goes on to or from the walled garden, on nobody's account.
    Garden,
    /// Answered in the name of where it wanted to go: a redirect to the portal.
    Redirect,
    /// For one of our own servers.
    Serve(Service),
    /// Refused aloud: a TCP reset or an ICMP error goes back.
    Reject(Reason),
    /// Silently gone.
    Drop(Reason),
}

/// Our own servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// The DHCP server, in the engine.
    Dhcp,
    /// The ARP responder, in the engine.
    Arp,
    /// The DNS forwarder, in the engine.
    Dns,
    /// The watch over others that would lead guests elsewhere, in the engine.
    Watch,
    /// The list of guests behind routers, in the engine: here is one more.
    Newcomer,
    /// A socket of this machine on the gateway address: the portal, or the kernel's ping.
    Gateway,
}

/// The network layer of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Network {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// ARP.
    Arp,
    /// Anything else.
    Other,
    /// Bytes that are not what their EtherType says.
    Malformed,
}

/// Who sent it, or whom it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guest {
    /// Nobody that holds a lease.
    Unknown,
    /// Nobody yet, but behind a router whose network we serve.
    Newcomer,
    /// A guest that does not use the address leased to it.
    Spoofing,
    /// A guest that is not logged in, and whose device a server has refused: nothing of it passes.
    Refused,
    /// A guest that is not logged in.
    Offline,
    /// A guest that is.
    Online,
}

/// The other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// The gateway's address on the guests' network.
    Gateway,
    /// An address elsewhere that stands for the gateway's.
    Alias,
    /// Another address of the guests' network.
    Guests,
    /// A group or everybody.
    Multicast,
    /// An address that is never routed: this host, loopback, link-local, reserved (RFC 6890).
    Unroutable,
    /// An address and port of the walled garden; of a guest who is online only if what it exchanges with the garden is
    /// not counted.
    Garden,
    /// Anything else.
    Internet,
}

/// What kind of packet it is, as far as the policy cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// UDP to the DHCP server port.
    Dhcp,
    /// UDP from the DHCP server port to the client port: somebody else plays DHCP server.
    DhcpAnswer,
    /// ICMPv6 that tells hosts of a router: somebody plays one.
    RouterAdvertisement,
    /// UDP to the DNS port.
    Dns,
    /// TCP to port 80.
    Http,
    /// TCP to the portal's own port.
    Portal,
    /// TCP to the portal's port for https.
    SecurePortal,
    /// Where there is a proxy: TCP to (up) or from (down) [`DIVERTED_PORT`], and up in fragments, or http could pass it by.
    Diverted,
    /// Other TCP.
    Tcp,
    /// ICMP echo request.
    Ping,
    /// A fragment.
    Fragment,
    /// Anything else.
    Other,
}

/// Everything the policy asks about a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The frame is in a VLAN, or those in none are served (up only).
    pub is_served: bool,
    /// The frame's source can be one station (up only).
    pub from_station: bool,
    /// The frame is addressed to us or to everybody (up only).
    pub to_us: bool,
    /// What is in the frame.
    pub network: Network,
    /// The guest's side of it.
    pub guest: Guest,
    /// The other side.
    pub peer: Peer,
    /// The kind of packet.
    pub kind: Kind,
}

/// Judges a packet that a guest sent.
#[must_use]
pub fn up(facts: &Facts) -> Verdict {
    if !facts.is_served {
        return Verdict::Drop(Reason::Untagged);
    }
    if !facts.from_station {
        return Verdict::Drop(Reason::BadSource);
    }
    if !facts.to_us {
        return Verdict::Drop(Reason::NotForUs);
    }
    match facts.network {
        Network::Arp => return Verdict::Serve(Service::Arp),
        Network::Malformed => return Verdict::Drop(Reason::Malformed),
        Network::Other => return Verdict::Drop(Reason::OtherProtocol),
        Network::Ipv6 if facts.kind == Kind::RouterAdvertisement => return Verdict::Serve(Service::Watch),
        Network::Ipv6 => {
            return match (facts.guest, facts.peer) {
                (Guest::Unknown | Guest::Newcomer, _) => Verdict::Drop(Reason::UnknownGuest),
                (Guest::Refused, _) => Verdict::Drop(Reason::DeviceRefused),
                (_, Peer::Multicast) => Verdict::Drop(Reason::Multicast),
                _ => Verdict::Reject(Reason::Ipv6),
            };
        }
        Network::Ipv4 => {}
    }
    if facts.kind == Kind::Dhcp && matches!(facts.peer, Peer::Gateway | Peer::Multicast) {
        return Verdict::Serve(Service::Dhcp);
    }
    if facts.kind == Kind::DhcpAnswer {
        return Verdict::Serve(Service::Watch);
    }
    match facts.guest {
        Guest::Newcomer if matches!(facts.peer, Peer::Gateway | Peer::Alias | Peer::Garden | Peer::Internet) => {
            return Verdict::Serve(Service::Newcomer);
        }
        Guest::Unknown | Guest::Newcomer => return Verdict::Drop(Reason::UnknownGuest),
        Guest::Spoofing => return Verdict::Drop(Reason::SourceSpoofed),
        Guest::Refused => return Verdict::Drop(Reason::DeviceRefused),
        Guest::Offline | Guest::Online => {}
    }
    match (facts.peer, facts.kind) {
        (_, Kind::Diverted) => Verdict::Drop(Reason::ReservedPort),
        (Peer::Gateway, Kind::Fragment) => Verdict::Drop(Reason::Fragment),
        (Peer::Gateway, Kind::Dns) => Verdict::Serve(Service::Dns),
        (Peer::Gateway, Kind::Portal | Kind::SecurePortal | Kind::Ping) => Verdict::Serve(Service::Gateway),
        (Peer::Gateway, Kind::Http) => Verdict::Redirect,
        (Peer::Alias, Kind::Http | Kind::Portal) => Verdict::Redirect,
        (Peer::Alias, Kind::Fragment) => Verdict::Drop(Reason::Fragment),
        (Peer::Gateway | Peer::Alias, _) => Verdict::Reject(Reason::ClosedPort),
        (Peer::Multicast, _) => Verdict::Drop(Reason::Multicast),
        (Peer::Unroutable, _) => Verdict::Reject(Reason::Unroutable),
        (Peer::Guests, _) => Verdict::Reject(Reason::Isolated),
        (Peer::Garden, _) if facts.guest == Guest::Online => Verdict::Garden,
        (Peer::Internet, _) if facts.guest == Guest::Online => Verdict::Forward,
        (_, Kind::Dns) => Verdict::Serve(Service::Dns),
        (_, Kind::Fragment) => Verdict::Drop(Reason::NotLoggedIn),
        (Peer::Garden, _) => Verdict::Garden,
        (_, Kind::Http) => Verdict::Redirect,
        (_, _) => Verdict::Reject(Reason::NotLoggedIn),
    }
}

/// Judges a packet that the kernel routed towards a guest.
#[must_use]
pub fn down(facts: &Facts) -> Verdict {
    match facts.network {
        Network::Ipv4 => {}
        Network::Malformed => return Verdict::Drop(Reason::Malformed),
        Network::Ipv6 => return Verdict::Drop(Reason::Ipv6),
        Network::Arp | Network::Other => return Verdict::Drop(Reason::OtherProtocol),
    }
    match (facts.guest, facts.peer, facts.kind) {
        (Guest::Unknown | Guest::Newcomer | Guest::Spoofing, _, _) => Verdict::Drop(Reason::UnknownGuest),
        (Guest::Refused, _, _) => Verdict::Drop(Reason::DeviceRefused),
        (_, Peer::Gateway, _) => Verdict::Serve(Service::Gateway),
        (_, Peer::Guests, _) => Verdict::Drop(Reason::Isolated),
        // RFC 1812, 5.3.7: nobody sends from a group's address, or from one that is never routed. Aliases are ours, here.
        (_, Peer::Multicast | Peer::Unroutable | Peer::Alias, _) => Verdict::Drop(Reason::Unroutable),
        (Guest::Offline, _, Kind::Diverted) => Verdict::Drop(Reason::NotLoggedIn),
        (Guest::Online, Peer::Garden, kind) if kind != Kind::Diverted => Verdict::Garden,
        (Guest::Online, _, _) => Verdict::Forward,
        (Guest::Offline, Peer::Garden, kind) if kind != Kind::Fragment => Verdict::Garden,
        (Guest::Offline, _, _) => Verdict::Drop(Reason::NotLoggedIn),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(guest: Guest, peer: Peer, kind: Kind) -> Facts {
        let network = Network::Ipv4;
        Facts { is_served: true, from_station: true, to_us: true, network, guest, peer, kind }
    }

    const GUESTS: [Guest; 6] =
        [Guest::Unknown, Guest::Newcomer, Guest::Spoofing, Guest::Refused, Guest::Offline, Guest::Online];
    const PEERS: [Peer; 7] =
        [Peer::Gateway, Peer::Alias, Peer::Guests, Peer::Multicast, Peer::Unroutable, Peer::Garden, Peer::Internet];
    const KINDS: [Kind; 12] = [
        Kind::Dhcp,
        Kind::DhcpAnswer,
        Kind::RouterAdvertisement,
        Kind::Dns,
        Kind::Http,
        Kind::Portal,
        Kind::SecurePortal,
        Kind::Diverted,
        Kind::Tcp,
        Kind::Ping,
        Kind::Fragment,
        Kind::Other,
    ];
    const NETWORKS: [Network; 5] = [Network::Ipv4, Network::Ipv6, Network::Arp, Network::Other, Network::Malformed];

    /// Every combination of facts.
    fn all() -> impl Iterator<Item = Facts> {
        const BOTH: [bool; 2] = [true, false];
        let flags = BOTH.into_iter().flat_map(|a| BOTH.into_iter().flat_map(move |b| BOTH.map(|c| (a, b, c))));
        flags.flat_map(|(is_served, from_station, to_us)| {
            NETWORKS.into_iter().flat_map(move |network| {
                GUESTS.into_iter().flat_map(move |guest| {
                    PEERS.into_iter().flat_map(move |peer| {
                        KINDS.into_iter().map(move |kind| Facts {
                            is_served,
                            from_station,
                            to_us,
                            network,
                            guest,
                            peer,
                            kind,
                        })
                    })
                })
            })
        })
    }

    fn is_heard(facts: &Facts) -> bool {
        facts.is_served && facts.from_station && facts.to_us
    }

    #[test]
    fn where_only_vlans_are_served_a_frame_without_a_tag_is_nobodys() {
        for facts in all().filter(|f| !f.is_served) {
            assert_eq!(up(&facts), Verdict::Drop(Reason::Untagged), "{facts:?}");
        }
    }

    #[test]
    fn only_a_logged_in_guest_using_its_own_address_is_ever_forwarded() {
        for facts in all() {
            if up(&facts) == Verdict::Forward {
                assert_eq!((facts.guest, facts.network), (Guest::Online, Network::Ipv4), "{facts:?}");
                assert_eq!(facts.peer, Peer::Internet, "{facts:?}");
                assert!(facts.is_served && facts.from_station && facts.to_us, "{facts:?}");
            }
            if down(&facts) == Verdict::Forward {
                assert_eq!((facts.guest, facts.network), (Guest::Online, Network::Ipv4), "{facts:?}");
                // From the broadcast address of the guests' own network, too, a packet went through once.
                let diverted = facts.kind == Kind::Diverted && facts.peer == Peer::Garden;
                assert!(diverted || facts.peer == Peer::Internet, "{facts:?}");
            }
            if up(&facts) == Verdict::Garden || down(&facts) == Verdict::Garden {
                assert!(matches!(facts.guest, Guest::Offline | Guest::Online), "{facts:?}");
                assert_eq!((facts.network, facts.peer), (Network::Ipv4, Peer::Garden), "{facts:?}");
            }
        }
    }

    #[test]
    fn what_goes_to_a_proxy_nobody_sends_and_only_who_is_online_gets() {
        for facts in all().filter(|f| f.kind == Kind::Diverted && f.network == Network::Ipv4) {
            let served = matches!(up(&facts), Verdict::Serve(Service::Newcomer));
            assert!(served || matches!(up(&facts), Verdict::Drop(_)), "{facts:?}");
            let gets = matches!(down(&facts), Verdict::Forward | Verdict::Garden);
            assert!(!gets || facts.guest == Guest::Online, "{facts:?}");
        }
    }

    #[test]
    fn strangers_reach_only_dhcp_and_arp() {
        for facts in all().filter(|f| matches!(f.guest, Guest::Unknown | Guest::Newcomer | Guest::Spoofing)) {
            match up(&facts) {
                Verdict::Serve(Service::Newcomer) if facts.guest == Guest::Newcomer => {}
                Verdict::Drop(_) | Verdict::Serve(Service::Dhcp | Service::Arp | Service::Watch) => {}
                Verdict::Reject(Reason::Ipv6) if facts.guest == Guest::Spoofing => {}
                other => panic!("{facts:?} gets {other:?}"),
            }
        }
    }

    #[test]
    fn a_device_that_a_server_has_refused_reaches_dhcp_and_arp_and_hears_nothing() {
        for facts in all().filter(|f| f.guest == Guest::Refused) {
            let heard = matches!(up(&facts), Verdict::Serve(Service::Dhcp | Service::Arp | Service::Watch));
            assert!(heard || matches!(up(&facts), Verdict::Drop(_)), "{facts:?} gets {:?}", up(&facts));
            assert!(matches!(down(&facts), Verdict::Drop(_)), "{facts:?}");
        }
    }

    #[test]
    fn an_unpaid_guest_is_refused_aloud_and_its_http_redirected() {
        let offline = |peer, kind| up(&facts(Guest::Offline, peer, kind));
        assert_eq!(offline(Peer::Internet, Kind::Tcp), Verdict::Reject(Reason::NotLoggedIn));
        assert_eq!(offline(Peer::Internet, Kind::Other), Verdict::Reject(Reason::NotLoggedIn));
        assert_eq!(offline(Peer::Internet, Kind::Http), Verdict::Redirect);
        assert_eq!(offline(Peer::Internet, Kind::Dns), Verdict::Serve(Service::Dns));
        assert_eq!(offline(Peer::Internet, Kind::Fragment), Verdict::Drop(Reason::NotLoggedIn));
        assert_eq!(offline(Peer::Garden, Kind::Tcp), Verdict::Garden);
        assert_eq!(offline(Peer::Garden, Kind::Fragment), Verdict::Drop(Reason::NotLoggedIn));
        assert_eq!(offline(Peer::Gateway, Kind::Portal), Verdict::Serve(Service::Gateway));
        assert_eq!(offline(Peer::Gateway, Kind::Tcp), Verdict::Reject(Reason::ClosedPort));
    }

    #[test]
    fn https_is_answered_at_the_gateways_own_address_alone() {
        for facts in all().filter(|f| f.kind == Kind::SecurePortal && f.network == Network::Ipv4) {
            let is_guest = matches!(facts.guest, Guest::Online | Guest::Offline) && is_heard(&facts);
            let served = up(&facts) == Verdict::Serve(Service::Gateway);
            assert_eq!(served, is_guest && facts.peer == Peer::Gateway, "{facts:?}");
            assert_ne!(up(&facts), Verdict::Redirect, "{facts:?}");
        }
    }

    #[test]
    fn of_an_address_that_stands_for_ours_a_guest_reaches_http_and_nothing_comes_from_there() {
        for facts in all().filter(|f| f.peer == Peer::Alias && f.network == Network::Ipv4) {
            assert!(matches!(down(&facts), Verdict::Drop(_)), "{facts:?}");
            let leads = up(&facts) == Verdict::Redirect;
            if matches!(facts.guest, Guest::Online | Guest::Offline) && is_heard(&facts) {
                assert_eq!(leads, matches!(facts.kind, Kind::Http | Kind::Portal), "{facts:?}");
            }
            let noted = matches!(up(&facts), Verdict::Serve(Service::Watch | Service::Newcomer));
            assert!(leads || noted || matches!(up(&facts), Verdict::Drop(_) | Verdict::Reject(_)), "{facts:?}");
        }
    }

    #[test]
    fn guests_do_not_reach_each_other_through_us() {
        for facts in all().filter(|f| f.peer == Peer::Guests && f.network == Network::Ipv4 && f.kind != Kind::Dhcp) {
            let noted = facts.kind == Kind::DhcpAnswer && up(&facts) == Verdict::Serve(Service::Watch);
            assert!(noted || matches!(up(&facts), Verdict::Drop(_) | Verdict::Reject(_)), "{facts:?}");
            assert!(matches!(down(&facts), Verdict::Drop(_)), "{facts:?}");
        }
    }
}
