//! Servers that tell us to end or to change a session (RFC 5176): their words, and what the engine does for them.
//!
//! * Disconnect ends all sessions that are meant, CoA changes all of them (section 2.3 leaves that to the NAS): an
//!   operator who names a user means each of its devices.
//! * A change cannot fail halfway: what is not understood is refused before anything is done.
//! * NAS-Port-Id names a LAN or a VLAN, and so all who are on it. Called-Station-Id is ours or nobody's, and names
//!   nobody alone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::Discriminant;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as StdUdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use config::{Config, HostNetwork, RadiusServer, RadiusTransport};
use engine::gateway::Mark;
use fastpath::session::SlotIndex;
use radius::attr;
use radius::dynauth::{Action, Client, Discard, ErrorCause, Identity, Request, Server, Stats, Trust};
use radius::packet::View;
use radius::{Code, Incoming, Secret, packet};
use tokio::net::UdpSocket;
use tracing::{Span, debug, info, warn};
use wire::{MacAddr, Vlan};

use super::asks::port_id;
use super::grant;
use crate::administrative::Administrative;
use crate::clock::Clock;
use crate::gateway::Gateway;
use crate::{settings, udp};

/// Requests that are not answered are in the log this often, each kind.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Takes such requests.
pub(crate) struct DynamicAuthorization {
    clock: Clock,
    server: RefCell<Server>,
    /// Where clients find us; none if there are none.
    listen: Option<SocketAddr>,
    /// Which of our servers may ask down the connection that we have to it.
    servers: Vec<bool>,
    nas_ip: Option<IpAddr>,
    lan: String,
    lan_mac: MacAddr,
    called_station_id: String,
    /// When the log last told of a request that was not answered.
    told: RefCell<HashMap<Discriminant<Discard>, Duration>>,
}

impl DynamicAuthorization {
    pub(crate) fn new(config: &Config, lan_mac: MacAddr, clock: Clock) -> Self {
        let dynamic = &config.radius.dynamic_authorization;
        let clients: Vec<Client> = dynamic.clients.iter().map(client).collect();
        Self {
            clock,
            listen: (!clients.is_empty()).then_some((dynamic.listen, dynamic.port).into()),
            servers: config.radius.servers.iter().map(may_ask).collect(),
            server: RefCell::new(Server::new(clock.now(), &config.radius.nas_identifier, clients)),
            nas_ip: config.radius.nas_ip.map(IpAddr::V4),
            lan: config.lan.interface.clone(),
            lan_mac,
            called_station_id: settings::called_station_id(config, lan_mac),
            told: RefCell::default(),
        }
    }

    /// Where clients find us; none if there are none.
    pub(crate) fn listen(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// Answers what our servers ask down the connections that we have to them, for as long as the gateway runs: the way to
    /// a gateway behind NAT.
    pub(crate) async fn serve_servers(&self, gateway: &Rc<Gateway>) {
        let Some(radius) = gateway.aaa.radius.as_ref() else { return std::future::pending().await };
        loop {
            let Incoming { socket, version, bytes } = radius.request().await;
            let index = usize::from(socket.server);
            let address =
                gateway.aaa.servers.get(index).map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |(_, address)| *address);
            let may_ask = self.servers.get(index).copied().unwrap_or(false);
            if !may_ask {
                self.tell(address, Discard::ForeignSource);
            }
            let act = |request: &Request<'_>| match may_ask {
                true => self.carry_out(gateway, request),
                false => Err(ErrorCause::UnsupportedExtension), // RFC 6614, section 2.5
            };
            let answer = self.server.borrow_mut().handle_packet(self.clock.now(), version, &bytes, act);
            match answer {
                Ok(answer) => {
                    told(address, &bytes, &answer);
                    radius.answer_request(socket, Some(answer));
                }
                Err(discard) => {
                    self.tell(address, discard);
                    // Only a flood is no proof that the other end is broken.
                    if discard != Discard::TooMany {
                        radius.answer_request(socket, None);
                    }
                }
            }
        }
    }

    /// What was counted.
    pub(crate) fn stats(&self) -> Stats {
        *self.server.borrow().stats()
    }

    fn handle(&self, gateway: &Rc<Gateway>, source: IpAddr, datagram: &[u8]) -> Result<Vec<u8>, Discard> {
        let act = |request: &Request<'_>| self.carry_out(gateway, request);
        let answer = self.server.borrow_mut().handle_datagram(self.clock.now(), source, datagram, act)?;
        told(source, datagram, &answer);
        Ok(answer)
    }

    /// Does what a proven request asks for, all of it or nothing.
    fn carry_out(&self, gateway: &Rc<Gateway>, request: &Request<'_>) -> Result<(), ErrorCause> {
        if !request.nas_addresses.iter().all(|address| self.is_ours(*address)) {
            return Err(ErrorCause::NasIdentificationMismatch);
        }
        if let Some(administrative) = gateway.administrative.as_ref().filter(|own| self.is_meant(own, request)) {
            let is_config = |item: radius::items::Item<'_>| item.place == attr::chillispot::CONFIG.place();
            return match request.action {
                Action::Disconnect => {
                    administrative.disconnect(&gateway.aaa);
                    Ok(())
                }
                Action::Change if request.changes.items().all(is_config) => {
                    administrative.take(request.changes.all(attr::chillispot::CONFIG));
                    Ok(())
                }
                Action::Change => Err(ErrorCause::UnsupportedAttribute),
            };
        }
        if !grant::can_change(&request.changes) {
            return Err(ErrorCause::UnsupportedAttribute);
        }
        let named = gateway.aaa.rules.named(&request.changes).map_err(|unusable| {
            gateway.aaa.tell_of_unusable("a RADIUS server asks for a change that is refused", &unusable);
            ErrorCause::InvalidAttributeValue
        })?;
        let marks: Option<Vec<_>> = request.identities.iter().filter_map(|identity| self.mark(*identity)).collect();
        let marks = marks.ok_or(ErrorCause::SessionContextNotFound)?;
        let own = gateway.own_garden(&request.changes.all(attr::chillispot::CONFIG));
        let own = own.ok_or(ErrorCause::InvalidAttributeValue)?;
        let sessions = match request.action {
            Action::Disconnect => gateway.disconnect(&marks),
            // Guests who are not logged in have a garden too.
            Action::Change if !own.is_empty() => {
                gateway.change(&marks, &named.changes, request.message.as_deref());
                gateway.change_own_gardens(&marks, &own)
            }
            Action::Change => gateway.change(&marks, &named.changes, request.message.as_deref()),
        };
        if sessions == 0 {
            return Err(ErrorCause::SessionContextNotFound);
        }
        info!(
            sessions,
            "a RADIUS server {}",
            match request.action {
                Action::Disconnect => "ended sessions",
                Action::Change => "changed sessions",
            }
        );
        Ok(())
    }

    /// True if all that names a session names the gateway's own.
    fn is_meant(&self, own: &Administrative, request: &Request<'_>) -> bool {
        let mut others = request.identities.iter().filter(|identity| match identity {
            Identity::Called(text) => !self.is_called(text),
            _ => true,
        });
        let mut named = false;
        let all = others.all(|identity| {
            named = true;
            match identity {
                Identity::SessionId(id) => own.has_session(id),
                Identity::User(name) => own.has_user(name),
                _ => false,
            }
        });
        all && named
    }

    /// What the engine calls it; `Some(None)` if no session can have it, none if every session has.
    fn mark<'a>(&self, identity: Identity<'a>) -> Option<Option<Mark<'a>>> {
        Some(match identity {
            Identity::SessionId(id) => Some(Mark::Session(id)),
            Identity::User(name) => Some(Mark::User(name)),
            Identity::Address(address) => Some(Mark::Address(address)),
            Identity::Station(mac) => Some(Mark::Station(mac)),
            Identity::Port(port) => Some(Mark::Slot(SlotIndex(port))),
            Identity::PortId(text) => self.vlan(text).map(Mark::Vlan),
            Identity::Class(class) => Some(Mark::Class(class)),
            Identity::Called(text) if self.is_called(text) => return None,
            Identity::ChargeableUser(identity) => Some(Mark::ChargeableUser(identity)),
            Identity::Called(_) | Identity::Nothing => None,
        })
    }

    /// The VLAN that `port_id` says this of.
    fn vlan(&self, text: &[u8]) -> Option<Vlan> {
        let text = std::str::from_utf8(text).ok()?;
        let tag = text.rsplit_once('.').and_then(|(_, tag)| tag.parse().ok()).map(Vlan);
        [Vlan::NONE].into_iter().chain(tag).find(|vlan| port_id(&self.lan, *vlan) == text)
    }

    fn is_called(&self, text: &[u8]) -> bool {
        text == self.called_station_id.as_bytes()
            || std::str::from_utf8(text).is_ok_and(|text| text.parse() == Ok(self.lan_mac))
    }

    /// The configured address, or one of this machine: nobody can listen at another's.
    fn is_ours(&self, address: IpAddr) -> bool {
        let is_one = !address.is_unspecified() && !address.is_multicast();
        Some(address) == self.nas_ip || is_one && StdUdpSocket::bind((address, 0)).is_ok()
    }

    /// A request that proves nothing is forged or, more often, a mistake here or at the client: the operator must hear
    /// of it, though not of each one.
    fn tell(&self, client: IpAddr, discard: Discard) {
        let what_to_do = match discard {
            Discard::ForeignSource => {
                "if it is a client, name it in [[radius.dynamic_authorization.client]]; if it is a server over TLS, give \
                 it dynamic_authorization = true"
            }
            Discard::WrongAuthenticator | Discard::WrongMessageAuthenticator => {
                "the secret must be the same here and there"
            }
            Discard::MissingMessageAuthenticator => {
                "let the client send Message-Authenticator, or set require_message_authenticator = false for it"
            }
            Discard::MissingEventTimestamp => {
                "let the client send Event-Timestamp, or set require_event_timestamp = false for it"
            }
            Discard::StaleEventTimestamp(_) => "set the clocks here and there",
            Discard::EarlierThanWe => {
                "it may be a copy of what was obeyed before; if the client sends it now, its clock is behind: set it"
            }
            Discard::TooMany | Discard::Malformed(_) | Discard::WrongCode(_) | Discard::NoRoom(_) => {
                "see what it sends"
            }
        };
        let now = self.clock.mono();
        let mut told = self.told.borrow_mut();
        let last = told.get(&std::mem::discriminant(&discard));
        if last.is_none_or(|at| now.saturating_sub(*at) >= TELL_AGAIN) {
            told.insert(std::mem::discriminant(&discard), now);
            warn!(%client, %discard, "a dynamic authorization request is ignored: {what_to_do}");
        }
    }
}

/// A socket on which clients ask. Must be called within the control thread's runtime.
pub(crate) fn open(listen: SocketAddr) -> anyhow::Result<UdpSocket> {
    udp::listen(listen).with_context(|| {
        format!(
            "cannot take requests of RADIUS servers at {listen}; stop what listens there (ss -lunp), or set \
             radius.dynamic_authorization.listen and port"
        )
    })
}

/// Answers clients for as long as the gateway runs. Zones that they find at one place share it: each is asked, for a request
/// may name a session or a user and no NAS, and the best answer goes out.
pub(crate) async fn serve_clients(socket: UdpSocket, zones: Vec<(Rc<Gateway>, Span)>) {
    let mut buffer = [0; radius::limits::PACKET_OCTETS];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((len, from)) => {
                let ask = |(gateway, span): &(Rc<Gateway>, Span)| {
                    span.in_scope(|| gateway.aaa.dynamic_authorization.handle(gateway, from.ip(), &buffer[..len]))
                };
                let (answers, discards): (Vec<_>, Vec<_>) = zones.iter().map(ask).partition(Result::is_ok);
                let best = answers.into_iter().flatten().max_by_key(|answer| worth(answer));
                if let Some(answer) = best {
                    // One that does not go out is as lost as on the wire: the client asks again.
                    drop(udp::send_to(&socket, &answer, from));
                } else if let (Some(Err(discard)), Some((gateway, _))) = (discards.into_iter().next(), zones.first()) {
                    gateway.aaa.dynamic_authorization.tell(from.ip(), discard);
                }
            }
            // An ICMP error of an earlier answer.
            Err(error) => {
                debug!(%error, "dynamic authorization socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// What an answer is worth beside those of other zones: that it was done, that it was refused, that it is none of ours.
fn worth(answer: &[u8]) -> u8 {
    let Ok(view) = View::parse(answer) else { return 0 };
    if matches!(view.code(), Code::DisconnectAck | Code::CoaAck) {
        return 3;
    }
    let cause = view.get(attr::ERROR_CAUSE);
    let is = |other: ErrorCause| cause == Some(other as u32);
    match () {
        () if is(ErrorCause::NasIdentificationMismatch) => 0,
        () if is(ErrorCause::SessionContextNotFound) => 1,
        () => 2,
    }
}

fn may_ask(server: &RadiusServer) -> bool {
    matches!(&server.transport, RadiusTransport::Tls(tls) if tls.dynamic_authorization)
}

/// The log at debug level has every request that is answered.
fn told(client: IpAddr, request: &[u8], answer: &[u8]) {
    debug!(%client, "{}, answered with {}", packet::describe(request), packet::describe(answer));
}

fn client(client: &config::DynamicAuthorizationClient) -> Client {
    let HostNetwork { address, prefix } = client.address;
    let trust = Trust {
        require_message_authenticator: client.require_message_authenticator,
        window: client.window,
        require_event_timestamp: client.require_event_timestamp,
        ..Trust::new(Secret::new(client.secret.expose()))
    };
    Client { address, prefix, trust: Arc::new(trust) }
}
