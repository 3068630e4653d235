//! What clients ask, and what they are told (RFC 2131, 4.3).

use super::held::Held;
use super::limits::{MAX_HOST_NAME, MIN_LEASE, OFFER_HOLD, QUARANTINE};
use super::reply::Reply;
use super::table::Use;
use super::{EndReason, Lease, Outcome, Output, Reason, Server, hash};
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::arp::Arp;
use wire::build::{self, UdpDatagram};
use wire::dhcp::{self, MessageType, Packet, code};
use wire::{GuestKey, MacAddr, Now};

/// A checked question: who asks, through whom, what.
pub(super) struct Question<'a> {
    pub(super) key: GuestKey,
    /// The station that sent the frame: the guest, or its relay agent.
    pub(super) eth_src: MacAddr,
    pub(super) packet: Packet<'a>,
    /// When it came, since 1970.
    pub(super) asked_at: Duration,
}

impl Server {
    /// Handles a UDP datagram to port 67 that `key` sent.
    pub fn handle(&mut self, now: Now, key: GuestKey, datagram: &UdpDatagram<'_>) -> Outcome {
        self.handle_timeout(now);
        let outcome = match self.check(now, key, datagram) {
            Ok(question) => match question.packet.message_type() {
                MessageType::Discover => self.discover(now, &question),
                MessageType::Request => self.request(now, &question),
                MessageType::Decline => self.decline(now, &question),
                MessageType::Release => self.release(&question),
                MessageType::Inform => self.inform(&question, datagram.src),
                _ => Outcome::Silent(Reason::NotARequest),
            },
            Err(reason) => Outcome::Silent(reason),
        };
        self.count(outcome)
    }

    fn check<'a>(&mut self, now: Now, key: GuestKey, datagram: &UdpDatagram<'a>) -> Result<Question<'a>, Reason> {
        let ours = [Ipv4Addr::BROADCAST, self.config.gateway, self.config.broadcast()].contains(&datagram.dst);
        if datagram.dport != dhcp::SERVER_PORT || !ours {
            return Err(Reason::NotForUs);
        }
        let packet = Packet::parse(datagram.payload).map_err(|_| Reason::Malformed)?;
        if packet.op() != dhcp::BOOTREQUEST {
            return Err(Reason::NotARequest);
        }
        let mac = packet.mac().filter(|mac| mac.is_station()).ok_or(Reason::ForeignHardware)?;
        let giaddr = packet.giaddr();
        if giaddr.is_unspecified() {
            if mac != key.mac {
                return Err(Reason::ForeignHardware);
            }
        } else if !self.config.relays.contains(&giaddr) || !self.config.is_host_address(giaddr) {
            // We serve one network, so the relay must be in it (RFC 2131, 4.3.1).
            return Err(Reason::Relay);
        }
        let key = GuestKey { mac, ..key };
        if !self.rates.allow(now.mono, key) {
            return Err(Reason::Rate);
        }
        Ok(Question { key, eth_src: datagram.eth_src, packet, asked_at: now.unix })
    }

    /// RFC 2131, 4.3.1.
    fn discover(&mut self, now: Now, question: &Question<'_>) -> Outcome {
        let key = question.key;
        let lent = self.table.held(key).map(|held| held.address);
        let offered = self.table.offered(key);
        let wanted = question.packet.address(code::REQUESTED_ADDRESS);
        let Some(address) = lent.or(offered).or_else(|| self.choose(key, wanted)) else {
            return Outcome::Silent(Reason::Exhausted);
        };
        if lent.is_none() {
            self.table.offer(key, address, now.mono + OFFER_HOLD);
        }
        // Unlike RFC 2131, 4.3.1 we offer the whole time, not what is left of a lease: it is what the ACK will say.
        let lease = self.lease_time(question);
        self.send(question, Reply { address, lease: Some(lease), ..Reply::new(MessageType::Offer) });
        if self.config.conflict_probe && lent.is_none() && offered.is_none() {
            let probe = Arp::probe(self.config.gateway_mac, address);
            let frame = build::arp(MacAddr::BROADCAST, self.config.gateway_mac, &probe);
            self.outputs.push_back(Output::Send { lan: key.lan, vlan: key.vlan, frame });
        }
        Outcome::Offered
    }

    /// RFC 2131, 4.3.2. The four states are told apart by table 4.
    fn request(&mut self, now: Now, question: &Question<'_>) -> Outcome {
        let packet = &question.packet;
        let (key, ciaddr) = (question.key, packet.ciaddr());
        let requested = packet.address(code::REQUESTED_ADDRESS);
        let address = match packet.address(code::SERVER_ID) {
            // SELECTING another server: RFC 2131, 3.1, step 4: our offer was declined.
            Some(server) if server != self.config.gateway => {
                self.table.withdraw(key);
                return Outcome::Silent(Reason::OtherServer);
            }
            None if packet.option(code::SERVER_ID).is_some() => return Outcome::Silent(Reason::Malformed),
            // SELECTING: the address is in option 50. Some clients repeat it in `ciaddr`; nobody is hurt by that.
            Some(_) => requested.or((!ciaddr.is_unspecified()).then_some(ciaddr)),
            // RENEWING and REBINDING: it is in `ciaddr`.
            None if !ciaddr.is_unspecified() => Some(ciaddr),
            // INIT-REBOOT: it is in option 50.
            None => requested,
        };
        let Some(address) = address else { return Outcome::Silent(Reason::Malformed) };
        let known = self.table.held(key).is_some() || self.table.offered(key).is_some();
        let selecting = packet.option(code::SERVER_ID).is_some();
        // RFC 2131, 3.1, step 2: an offered address need not be reserved. Of two that were offered it, the first one to
        // ask has it.
        if selecting && self.table.held(key).is_none() {
            self.table.win_back(now.mono, key, address);
        }
        if self.may_have(key, address) && (known || selecting || self.config.authoritative) {
            self.bind(now, question, address);
            return Outcome::Acknowledged;
        }
        // On the wrong network everybody is told, known or not.
        if !known && !selecting && !self.config.authoritative && self.config.is_host_address(address) {
            return Outcome::Silent(Reason::Unknown);
        }
        self.table.withdraw(key);
        self.send(question, Reply::new(MessageType::Nak));
        Outcome::Refused
    }

    /// RFC 2131, 4.3.3.
    fn decline(&mut self, now: Now, question: &Question<'_>) -> Outcome {
        let key = question.key;
        let address = match self.named_server(question) {
            Ok(()) => question.packet.address(code::REQUESTED_ADDRESS),
            Err(reason) => return Outcome::Silent(reason),
        };
        match address {
            Some(address) if self.lease(key).is_some_and(|lease| lease.address == address) => {
                self.end(key, EndReason::Declined);
            }
            Some(address) if self.table.offered(key) == Some(address) => {
                self.table.withdraw(key);
                self.table.break_promise(key);
            }
            Some(_) => return Outcome::Silent(Reason::NotOwner),
            None => return Outcome::Silent(Reason::Malformed),
        }
        if let Some(address) = address {
            self.table.quarantine(address, key, now.mono + QUARANTINE);
        }
        Outcome::Declined
    }

    /// RFC 2131, 4.3.4.
    fn release(&mut self, question: &Question<'_>) -> Outcome {
        if let Err(reason) = self.named_server(question) {
            return Outcome::Silent(reason);
        }
        let ciaddr = question.packet.ciaddr();
        if self.lease(question.key).is_none_or(|lease| lease.address != ciaddr) {
            return Outcome::Silent(Reason::NotOwner);
        }
        self.end(question.key, EndReason::Released);
        Outcome::Released
    }

    /// RFC 2131, 4.3.5: parameters without an address, for whoever has one already.
    fn inform(&mut self, question: &Question<'_>, src: Ipv4Addr) -> Outcome {
        let ciaddr = question.packet.ciaddr();
        let ciaddr = if ciaddr.is_unspecified() { src } else { ciaddr };
        if !self.config.is_host_address(ciaddr) || ciaddr == self.config.gateway {
            return Outcome::Silent(Reason::Malformed);
        }
        self.send(question, Reply { ciaddr, ..Reply::new(MessageType::Ack) });
        Outcome::Informed
    }

    /// DECLINE and RELEASE must name their server (RFC 2131, table 5).
    fn named_server(&self, question: &Question<'_>) -> Result<(), Reason> {
        match question.packet.address(code::SERVER_ID) {
            Some(server) if server == self.config.gateway => Ok(()),
            Some(_) => Err(Reason::OtherServer),
            None => Err(Reason::Malformed),
        }
    }

    /// An address for a guest that has none: RFC 2131, 4.3.1, from the second bullet on.
    pub(super) fn choose(&mut self, key: GuestKey, wanted: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        if !self.has_room() {
            return None;
        }
        if let Some(fixed) = self.config.fixed_address(key.mac)
            && self.table.usage(fixed).is_none()
        {
            return Some(fixed);
        }
        if let Some(wanted) = wanted.filter(|&wanted| self.table.pool().is_free(wanted)) {
            return Some(wanted);
        }
        let place = hash(0, key);
        match self.table.pool().pick(place) {
            None if self.table.reclaim() => self.table.pool().pick(place),
            found => found,
        }
    }

    /// True if there may be one more guest; the oldest offer makes room.
    fn has_room(&mut self) -> bool {
        let (leases, max) = (self.table.leases() + self.table.promises(), self.config.max_leases);
        leases < max && (leases + self.table.offers() < max || self.table.reclaim_offer())
    }

    /// True if the guest has the address, was offered it, or can have it now.
    fn may_have(&mut self, key: GuestKey, address: Ipv4Addr) -> bool {
        if let Some(held) = self.table.held(key) {
            return held.address == address;
        }
        if let Some(promised) = self.table.promised(key) {
            return promised == address;
        }
        match self.table.usage(address) {
            Some(Use::Offered(to)) if to == key => self.table.leases() + self.table.promises() < self.config.max_leases,
            _ => self.fits(key, address) && self.has_room(),
        }
    }

    /// Lends the address, or lends it for longer, and says so.
    fn bind(&mut self, now: Now, question: &Question<'_>, address: Ipv4Addr) {
        let time = self.lease_time(question);
        let (protected, logged_in) =
            self.table.held(question.key).map_or((false, false), |held| (held.is_protected(), held.has_logged_in()));
        let lease = Lease {
            key: question.key,
            address,
            foreign: None,
            hostname: question.packet.option(code::HOST_NAME).and_then(|name| host_name(&name)),
            ends: now.mono + time,
            logged_in,
        };
        self.outputs.push_back(Output::Bound(lease.clone()));
        self.table.lend(Held::new(lease, protected), None);
        let ciaddr = question.packet.ciaddr();
        self.send(question, Reply { address, ciaddr, lease: Some(time), ..Reply::new(MessageType::Ack) });
    }

    /// Ends a guest's lease as if it had given it back.
    pub fn take_back(&mut self, key: GuestKey) {
        self.end(key, EndReason::Released);
    }

    fn end(&mut self, key: GuestKey, why: EndReason) {
        if let Some(lease) = self.table.end(key) {
            self.outputs.push_back(Output::Ended { lease, why });
        }
    }

    /// What the configuration gives, or less if the client wants less.
    fn lease_time(&self, question: &Question<'_>) -> Duration {
        let most = self.config.lease_time(self.table.held(question.key).is_some_and(Held::has_logged_in));
        match question.packet.option(code::LEASE_TIME).as_deref() {
            Some(&[a, b, c, d]) => {
                let wanted = Duration::from_secs(u32::from_be_bytes([a, b, c, d]).into());
                wanted.max(MIN_LEASE).min(most)
            }
            _ => most,
        }
    }
}

/// A name that is safe to print and to put into a file; `None` if nothing is left of it.
fn host_name(bytes: &[u8]) -> Option<Box<str>> {
    let safe = |&&octet: &&u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    let name: String = bytes.iter().filter(safe).take(MAX_HOST_NAME).map(|&octet| char::from(octet)).collect();
    (!name.is_empty()).then(|| name.into())
}
