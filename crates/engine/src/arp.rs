//! Who answers ARP on the guests' LAN: we, for the gateway's address, and nobody for any other of our network.
//!
//! Policy:
//! * Only a guest whose message names its own station and its own lease, or a station that has no address yet (a probe,
//!   RFC 5227, 2.1.1), is answered, and the answer goes to it alone.
//! * A guest that uses an address of another network looks for a router there: to it we are at every address that is not of
//!   our network. Whether another guest uses that one too, we do not ask: it could keep all others from their router. A probe
//!   is not answered, or a guest would find its own address taken.
//! * A guest that claims the gateway's address is told off in front of all: we announce the address, at most once in
//!   [`DEFEND_INTERVAL`] (RFC 5227, 2.4, choice c), so that two parties do not shout each other down for ever.
//! * Everything else is silence. Guests on one LAN find each other only if the LAN lets them; with /32 leases they
//!   do not look.

use std::net::Ipv4Addr;
use std::time::Duration;
use wire::arp::{Arp, Operation};
use wire::{GuestKey, MacAddr, Now, build};

/// Time between two announcements in defence (RFC 5227, 1.1).
pub const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// What became of an ARP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send this frame to where the message came from.
    Answer(Vec<u8>),
    /// Somebody claims to be the gateway: send this frame to everybody there.
    Defend(Vec<u8>),
    /// Nothing to send.
    Silent(Reason),
}

/// Why an ARP message was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is about another address.
    NotForUs,
    /// Neither a request, nor interesting otherwise.
    NotARequest,
    /// It names another station than the one that sent the frame.
    ForeignHardware,
    /// The sender's address is not leased to it.
    Unbound,
    /// Somebody claims to be the gateway, and was told off less than [`DEFEND_INTERVAL`] ago.
    Impostor,
}

/// Answers for the gateway's address on one LAN.
#[derive(Clone, Debug)]
pub struct Responder {
    gateway: Ipv4Addr,
    gateway_mac: MacAddr,
    defended: Option<Duration>,
}

impl Responder {
    /// Answers that `gateway` is at `gateway_mac`.
    #[must_use]
    pub fn new(gateway: Ipv4Addr, gateway_mac: MacAddr) -> Self {
        Self { gateway, gateway_mac, defended: None }
    }

    /// Judges a message that `key` sent; `own` is the address that this guest has, or uses instead. With `abroad` it looks for
    /// somebody outside of our network, whom we stand for.
    pub fn handle(&mut self, now: Now, key: GuestKey, own: Option<Ipv4Addr>, abroad: bool, arp: &Arp) -> Outcome {
        // An impostor first: whatever station it names, others may believe it, unless it names ours.
        if arp.sender == self.gateway && arp.sender_mac != self.gateway_mac {
            return self.defend(now);
        }
        if arp.sender_mac != key.mac {
            return Outcome::Silent(Reason::ForeignHardware);
        }
        if arp.operation != Operation::Request {
            return Outcome::Silent(Reason::NotARequest);
        }
        let stands_for = abroad && !arp.is_probe() && arp.target != arp.sender;
        if arp.target != self.gateway && !stands_for {
            return Outcome::Silent(Reason::NotForUs);
        }
        if !arp.is_probe() && own != Some(arp.sender) {
            return Outcome::Silent(Reason::Unbound);
        }
        Outcome::Answer(build::arp(key.mac, self.gateway_mac, &arp.answer(self.gateway_mac)))
    }

    /// The frame that tells everybody where the gateway is: for the start, and after a change of address.
    #[must_use]
    pub fn announcement(&self) -> Vec<u8> {
        let announcement = Arp::announcement(self.gateway_mac, self.gateway);
        build::arp(MacAddr::BROADCAST, self.gateway_mac, &announcement)
    }

    fn defend(&mut self, now: Now) -> Outcome {
        if self.defended.is_some_and(|before| now.mono.saturating_sub(before) < DEFEND_INTERVAL) {
            return Outcome::Silent(Reason::Impostor);
        }
        self.defended = Some(now.mono);
        Outcome::Defend(self.announcement())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Vlan;

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
    const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 7);
    const KEY: GuestKey = GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, 0, 7]) };

    fn at(secs: u64) -> Now {
        Now { mono: Duration::from_secs(secs), unix: Duration::from_secs(1_700_000_000 + secs) }
    }

    fn ask(target: Ipv4Addr) -> Arp {
        Arp { sender: ADDRESS, ..Arp::probe(KEY.mac, target) }
    }

    #[test]
    fn a_guest_with_a_lease_finds_the_gateway_and_nothing_else() {
        let mut responder = Responder::new(GATEWAY, GATEWAY_MAC);
        let Outcome::Answer(frame) = responder.handle(at(0), KEY, Some(ADDRESS), false, &ask(GATEWAY)) else {
            panic!("no answer")
        };
        assert_eq!(frame[..6], KEY.mac.0, "to nobody else");
        let answer = Arp::parse(&frame[build::ETHERNET_LEN..]).unwrap();
        assert_eq!(answer.to_string(), "ARP 10.1.0.1 is at 02:00:00:00:00:01, to 10.1.0.7 (02:00:00:00:00:07)");
        let other = ask(Ipv4Addr::new(10, 1, 0, 8));
        assert_eq!(responder.handle(at(0), KEY, Some(ADDRESS), false, &other), Outcome::Silent(Reason::NotForUs));
    }

    #[test]
    fn a_guest_without_that_lease_is_not_answered_but_a_probe_is() {
        let mut responder = Responder::new(GATEWAY, GATEWAY_MAC);
        for leased in [None, Some(Ipv4Addr::new(10, 1, 0, 8))] {
            let outcome = responder.handle(at(0), KEY, leased, false, &ask(GATEWAY));
            assert_eq!(outcome, Outcome::Silent(Reason::Unbound));
        }
        let probe = Arp::probe(KEY.mac, GATEWAY);
        assert!(matches!(responder.handle(at(0), KEY, None, false, &probe), Outcome::Answer(_)));
        let foreign = Arp { sender_mac: MacAddr([2, 0, 0, 0, 0, 9]), ..ask(GATEWAY) };
        let outcome = responder.handle(at(0), KEY, Some(ADDRESS), false, &foreign);
        assert_eq!(outcome, Outcome::Silent(Reason::ForeignHardware));
        let reply = Arp { operation: Operation::Reply, ..ask(GATEWAY) };
        assert_eq!(responder.handle(at(0), KEY, Some(ADDRESS), false, &reply), Outcome::Silent(Reason::NotARequest));
    }

    #[test]
    fn a_guest_from_elsewhere_finds_us_at_every_address_there_but_its_own() {
        let mut responder = Responder::new(GATEWAY, GATEWAY_MAC);
        let (own, router) = (Ipv4Addr::new(192, 168, 7, 5), Ipv4Addr::new(192, 168, 7, 1));
        let ask = |target| Arp { sender: own, ..Arp::probe(KEY.mac, target) };
        let mut handle = |own, abroad, arp: &Arp| responder.handle(at(0), KEY, own, abroad, arp);
        let Outcome::Answer(frame) = handle(Some(own), true, &ask(router)) else { panic!("no answer") };
        let answer = Arp::parse(&frame[build::ETHERNET_LEN..]).unwrap();
        assert_eq!(answer.to_string(), "ARP 192.168.7.1 is at 02:00:00:00:00:01, to 192.168.7.5 (02:00:00:00:00:07)");
        assert_eq!(handle(Some(own), false, &ask(router)), Outcome::Silent(Reason::NotForUs));
        assert_eq!(handle(Some(router), true, &ask(router)), Outcome::Silent(Reason::Unbound), "not its address");
        assert_eq!(handle(Some(own), true, &Arp::announcement(KEY.mac, own)), Outcome::Silent(Reason::NotForUs));
        assert_eq!(handle(Some(own), true, &Arp::probe(KEY.mac, own)), Outcome::Silent(Reason::NotForUs));
    }

    #[test]
    fn who_claims_to_be_the_gateway_is_told_off_in_front_of_all_but_not_without_end() {
        let mut responder = Responder::new(GATEWAY, GATEWAY_MAC);
        let claim = Arp::announcement(KEY.mac, GATEWAY);
        let Outcome::Defend(frame) = responder.handle(at(5), KEY, Some(ADDRESS), false, &claim) else {
            panic!("no defence")
        };
        assert_eq!(frame[..6], MacAddr::BROADCAST.0);
        assert_eq!(Arp::parse(&frame[build::ETHERNET_LEN..]), Ok(Arp::announcement(GATEWAY_MAC, GATEWAY)));
        assert_eq!(responder.handle(at(14), KEY, None, false, &claim), Outcome::Silent(Reason::Impostor));
        assert!(matches!(responder.handle(at(15), KEY, None, false, &claim), Outcome::Defend(_)));
        let echo = Arp::announcement(GATEWAY_MAC, GATEWAY);
        let own = GuestKey { mac: GATEWAY_MAC, ..KEY };
        assert_eq!(
            responder.handle(at(99), own, None, false, &echo),
            Outcome::Silent(Reason::Unbound),
            "our own, come back"
        );
    }
}
