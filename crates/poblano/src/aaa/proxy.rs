//! Access points that ask the servers through us (WPA-Enterprise), and what that means for the devices that join there.
//!
//! * Whom a server accepts is logged in with what the Accept grants, by the rules of any login, before the access point
//!   hears of it: when the device asks for an address all is ready. What cannot be obeyed here, or asks for the portal,
//!   keeps a device out of the Internet, not out of the radio network: it meets the portal.
//! * The idle time of the configuration is not for these devices: a phone that sleeps is still there, and its access point
//!   says when it is not.
//! * A device counts on one VLAN: the access point's by configuration, else the one that the Accept puts it into, else
//!   none. There its MAC address is all that tells it from others, as it is for everybody who is online.
//!
//! 802.1X on the wire (EAPOL from devices behind a switch) would ask in the same way, as an access point of our own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::Discriminant;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use config::{Config, HostNetwork};
use engine::gateway::Association;
use radius::proxy::{AccessPoint, Action, Asked, Discard, Proxy, Report, Stats, What};
use radius::{Code, Kind, RelayedRequest, Reply, Secret, attr, packet};
use tokio::net::UdpSocket;
use tracing::{debug, warn};
use wire::{GuestKey, MacAddr, Vlan};

use super::address::wanted;
use crate::clock::Clock;
use crate::gateway::Gateway;
use crate::udp;

/// Requests that are not answered are in the log this often, each kind.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Takes what access points send.
pub(crate) struct AccessPoints {
    clock: Clock,
    proxy: RefCell<Proxy>,
    /// By access point, where the configuration says it.
    vlans: Vec<Option<Vlan>>,
    /// Where they find us, for logins and for accounting; none if there are none.
    listen: Option<[SocketAddr; 2]>,
    /// When the log last told of a request that was not answered.
    told: RefCell<HashMap<Discriminant<Discard>, Duration>>,
}

/// The sockets of both services.
pub(crate) struct Sockets {
    auth: Rc<UdpSocket>,
    acct: Rc<UdpSocket>,
}

impl AccessPoints {
    pub(crate) fn new(config: &Config, clock: Clock) -> Self {
        let proxy = &config.radius.proxy;
        let ports = [proxy.port, proxy.accounting_port];
        Self {
            clock,
            proxy: RefCell::new(Proxy::new(proxy.clients.iter().map(access_point).collect())),
            vlans: proxy.clients.iter().map(|client| client.vlan.map(Vlan)).collect(),
            listen: (!proxy.clients.is_empty()).then(|| ports.map(|port| (proxy.listen, port).into())),
            told: RefCell::default(),
        }
    }

    /// Opens the sockets, if anybody may use them. Must be called within the control thread's runtime.
    pub(crate) fn open(&self) -> anyhow::Result<Option<Sockets>> {
        let Some([auth, acct]) = self.listen else { return Ok(None) };
        let open = |at| {
            udp::listen(at).map(Rc::new).with_context(|| {
                format!(
                    "cannot take requests of access points at {at}; stop what listens there (ss -lunp), or set \
                     radius.proxy.listen, port and accounting_port"
                )
            })
        };
        Ok(Some(Sockets { auth: open(auth)?, acct: open(acct)? }))
    }

    /// Serves access points for as long as the gateway runs.
    pub(crate) async fn serve(&self, sockets: Option<Sockets>, gateway: &Rc<Gateway>) {
        let Some(Sockets { auth, acct }) = sockets else { return std::future::pending().await };
        tokio::join!(self.listen(Kind::Auth, auth, gateway), self.listen(Kind::Acct, acct, gateway));
    }

    /// What was counted.
    pub(crate) fn stats(&self) -> Stats {
        *self.proxy.borrow().stats()
    }

    async fn listen(&self, service: Kind, socket: Rc<UdpSocket>, gateway: &Rc<Gateway>) {
        let mut buffer = [0; radius::limits::PACKET_OCTETS];
        loop {
            match socket.recv_from(&mut buffer).await {
                Ok((len, from)) => self.handle(service, &socket, from, &buffer[..len], gateway),
                // An ICMP error of an earlier answer.
                Err(error) => {
                    debug!(%error, "socket of access points");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn handle(&self, service: Kind, socket: &Rc<UdpSocket>, from: SocketAddr, datagram: &[u8], gateway: &Rc<Gateway>) {
        let action = self.proxy.borrow_mut().handle_datagram(self.clock.now(), service, from, datagram);
        match action {
            Ok(Action::Answer(answer)) => send(socket, from, &answer),
            Ok(Action::Told(answer, report)) => {
                debug!(access_point = %from, "{}", packet::describe(datagram));
                self.heed(from.ip(), &report, gateway);
                send(socket, from, &answer);
            }
            Ok(Action::Ask(asked)) => {
                debug!(access_point = %from, "{}", packet::describe(datagram));
                let (gateway, socket) = (Rc::clone(gateway), Rc::clone(socket));
                crate::log::spawn(async move {
                    gateway.aaa.access_points.ask(*asked, from, &socket, &gateway).await;
                });
            }
            Ok(Action::Wait) => {}
            Err(discard) => self.tell(from.ip(), discard),
        }
    }

    /// Asks a server, lets the device in or out, and answers.
    async fn ask(&self, asked: Asked, from: SocketAddr, socket: &UdpSocket, gateway: &Rc<Gateway>) {
        let Asked { ticket, access_point, request } = asked;
        let Some(reply) = gateway.aaa.relay(request.clone()).await else {
            self.proxy.borrow_mut().give_up(ticket);
            return;
        };
        let answer = self.proxy.borrow_mut().answer(self.clock.now(), ticket, &reply);
        // What the access point does not hear has not happened.
        let Some(answer) = answer else { return };
        match request.station() {
            Some(mac) => self.decide(mac, access_point, from.ip(), &request, &reply, gateway),
            None => debug!(access_point = %from, "a request without a station's Calling-Station-Id lets nobody in"),
        }
        debug!(access_point = %from, "answered with {}", packet::describe(&answer));
        send(socket, from, &answer);
    }

    /// What a server's answer means for the device that joins.
    fn decide(
        &self,
        mac: MacAddr,
        access_point: usize,
        source: IpAddr,
        request: &RelayedRequest,
        reply: &Reply,
        gateway: &Rc<Gateway>,
    ) {
        let (radio, session) = (request.get(attr::CALLED_STATION_ID), request.get(attr::ACCT_SESSION_ID));
        let at = association(source, radio.as_deref(), session.as_deref());
        match reply.code() {
            Code::AccessAccept => {
                let key = self.key(mac, access_point, reply);
                let Some(grant) = gateway.aaa.granted_to_joined(reply) else {
                    debug!(device = %key, "joined at an access point, and meets the portal");
                    gateway.with(|engine, now| engine.refuse_join(now, key, at));
                    return;
                };
                let user = request.get(attr::USER_NAME).unwrap_or_else(|| mac.to_station_id());
                debug!(device = %key, "joined at an access point");
                gateway.with(|engine, now| engine.join(now, key, at, &user, grant));
                if let Some(wanted) = wanted(reply)
                    && let Err(why) = gateway.with(|engine, now| engine.promise_address(now, key, &wanted))
                {
                    gateway.aaa.tell_of_displaced(key, &wanted, why);
                }
            }
            Code::AccessReject => {
                for key in self.keys(mac, access_point, gateway) {
                    debug!(device = %key, "refused at an access point");
                    gateway.with(|engine, now| engine.refuse_join(now, key, at));
                }
            }
            _ => {}
        }
    }

    /// Does what an access point's record says.
    fn heed(&self, source: IpAddr, report: &Report, gateway: &Rc<Gateway>) {
        let at = association(source, report.called.as_deref(), report.session.as_deref());
        match report.what {
            What::Here(mac) => {
                for key in self.keys(mac, report.access_point, gateway) {
                    gateway.with(|engine, _| engine.associated(key, at));
                }
            }
            What::Gone(mac) => {
                for key in self.keys(mac, report.access_point, gateway) {
                    debug!(device = %key, "left its access point");
                    gateway.with(|engine, now| engine.part(now, key, at));
                }
            }
            What::AllGone => {
                let ended = gateway.with(|engine, now| engine.part_all(now, at));
                debug!(access_point = %source, ended, "an access point starts or stops");
            }
            What::Other => {}
        }
    }

    /// Where an accepted device will be seen.
    fn key(&self, mac: MacAddr, access_point: usize, accept: &Reply) -> GuestKey {
        let named = || {
            let groups = accept.all(attr::TUNNEL_PRIVATE_GROUP_ID);
            groups.iter().find_map(|(_, group)| group.parse().ok()).filter(|id| (1..=4094).contains(id)).map(Vlan)
        };
        let vlan = self.vlans.get(access_point).copied().flatten().or_else(named).unwrap_or(Vlan::NONE);
        GuestKey { lan: 0, vlan, mac }
    }

    /// Where it may have been seen: who has left is not told by an Accept.
    fn keys(&self, mac: MacAddr, access_point: usize, gateway: &Rc<Gateway>) -> Vec<GuestKey> {
        match self.vlans.get(access_point).copied().flatten() {
            Some(vlan) => vec![GuestKey { lan: 0, vlan, mac }],
            None => gateway.with(|engine, _| engine.joined_with(mac)),
        }
    }

    /// A request that proves nothing is forged or, more often, a mistake here or there: the operator must hear of it,
    /// though not of each one.
    fn tell(&self, access_point: IpAddr, discard: Discard) {
        let what_to_do = match discard {
            Discard::ForeignSource => "if it is an access point, name it in [[radius.proxy.client]]",
            Discard::WrongAuthenticator | Discard::WrongMessageAuthenticator => {
                "the secret must be the same here and there"
            }
            Discard::MissingMessageAuthenticator => {
                "let it send Message-Authenticator, or set require_message_authenticator = false for it"
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
            warn!(%access_point, %discard, "a request of an access point is ignored: {what_to_do}");
        }
    }
}

fn association(source: IpAddr, radio: Option<&str>, session: Option<&str>) -> Association {
    Association::new(source, radio, session)
}

/// One that does not go out is as lost as on the wire: the access point asks again.
fn send(socket: &UdpSocket, to: SocketAddr, answer: &[u8]) {
    drop(udp::send_to(socket, answer, to));
}

fn access_point(client: &config::RadiusProxyClient) -> AccessPoint {
    let HostNetwork { address, prefix } = client.address;
    AccessPoint {
        address,
        prefix,
        secret: Secret::new(client.secret.expose()),
        require_message_authenticator: client.require_message_authenticator,
    }
}
