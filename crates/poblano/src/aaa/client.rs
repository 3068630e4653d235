//! Sockets around the sans-IO RADIUS client.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use radius::packet::describe;
use radius::{
    AccessRequest, AccountingRequest, Client, Kind, Outcome, Refusal, RelayedRequest, Socket, SubmitError, Token,
};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, oneshot};
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::udp;

/// A server whose answers cannot be believed is in the log this often.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// What went over the wire.
pub(super) enum Seen<'a> {
    /// We sent it.
    Sent { to: SocketAddr, packet: &'a [u8] },
    /// It came, and counts unless there is a refusal.
    Received { from: SocketAddr, packet: &'a [u8], refusal: Option<Refusal> },
    /// The system says that the server cannot be reached.
    Failed { server: SocketAddr, error: &'a std::io::Error },
}

/// Sees everything that goes over the wire.
pub(super) type Watch = Box<dyn Fn(Seen<'_>)>;

/// The log at debug level has every packet, with secrets hidden.
pub(super) fn trace(seen: Seen<'_>) {
    match seen {
        Seen::Sent { to, packet } => debug!(server = %to, "RADIUS sent: {}", describe(packet)),
        Seen::Received { from, packet, refusal: None } => {
            debug!(server = %from, "RADIUS received: {}", describe(packet))
        }
        Seen::Received { from, packet, refusal: Some(refusal) } => {
            debug!(server = %from, %refusal, "RADIUS ignored: {}", describe(packet));
        }
        Seen::Failed { server, error } => debug!(%server, %error, "RADIUS socket"),
    }
}

/// The client with its sockets; lives on the control thread.
pub(super) struct RadiusClient {
    clock: Clock,
    client: RefCell<Client>,
    sockets: RefCell<HashMap<Socket, Rc<UdpSocket>>>,
    waiting: RefCell<HashMap<Token, oneshot::Sender<Outcome>>>,
    /// When the log last said that a server's answers cannot be believed; an entry for each server and service.
    doubted: RefCell<HashMap<SocketAddr, Duration>>,
    wake: Notify,
    watch: Watch,
}

impl RadiusClient {
    /// Must be called within the control thread's local set.
    pub(super) fn start(clock: Clock, client: Client, watch: Watch) -> Rc<Self> {
        let this = Rc::new(Self {
            clock,
            client: RefCell::new(client),
            sockets: RefCell::default(),
            waiting: RefCell::default(),
            doubted: RefCell::default(),
            wake: Notify::new(),
            watch,
        });
        tokio::task::spawn_local(Rc::clone(&this).keep_time());
        this
    }

    pub(super) async fn access(self: &Rc<Self>, request: AccessRequest) -> Result<Outcome, SubmitError> {
        let token = self.client.borrow_mut().submit_access(self.clock.now(), request)?;
        Ok(self.answer(token).await)
    }

    /// Asks a server what an access point asks.
    pub(super) async fn relay(self: &Rc<Self>, request: RelayedRequest) -> Result<Outcome, SubmitError> {
        let token = self.client.borrow_mut().submit_relayed(self.clock.now(), request)?;
        Ok(self.answer(token).await)
    }

    pub(super) async fn account(self: &Rc<Self>, request: AccountingRequest) -> Result<Outcome, SubmitError> {
        let token = self.client.borrow_mut().submit_accounting(self.clock.now(), request)?;
        Ok(self.answer(token).await)
    }

    /// For each configured server: does it answer for logins, and for accounting?
    pub(super) fn health(&self, servers: usize) -> Vec<(bool, bool)> {
        let client = self.client.borrow();
        (0..servers as u8).map(|n| (client.is_alive(n, Kind::Auth), client.is_alive(n, Kind::Acct))).collect()
    }

    async fn answer(self: &Rc<Self>, token: Token) -> Outcome {
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(token, sender);
        self.drive();
        receiver.await.unwrap_or(Outcome::Unreachable)
    }

    /// Sends what is to be sent and tells who waits.
    fn drive(self: &Rc<Self>) {
        loop {
            let transmit = self.client.borrow_mut().poll_transmit();
            let Some(transmit) = transmit else { break };
            (self.watch)(Seen::Sent { to: transmit.to, packet: &transmit.bytes });
            match self.socket(transmit.socket, transmit.to) {
                // A full socket buffer is a lost datagram: the client sends it again.
                Ok(socket) => drop(udp::send(&socket, &transmit.bytes)),
                Err(error) => warn!(server = %transmit.to, %error, "cannot open a socket to the RADIUS server"),
            }
        }
        loop {
            let event = self.client.borrow_mut().poll_event();
            let Some(event) = event else { break };
            if let Some(waiting) = self.waiting.borrow_mut().remove(&event.token) {
                drop(waiting.send(event.outcome)); // whoever asked may have gone
            }
        }
        self.wake.notify_one();
    }

    fn socket(self: &Rc<Self>, name: Socket, to: SocketAddr) -> std::io::Result<Rc<UdpSocket>> {
        if let Some(socket) = self.sockets.borrow().get(&name) {
            return Ok(Rc::clone(socket));
        }
        let socket = Rc::new(udp::open(to)?);
        self.sockets.borrow_mut().insert(name, Rc::clone(&socket));
        tokio::task::spawn_local(Rc::clone(self).listen(name, Rc::clone(&socket), to));
        Ok(socket)
    }

    async fn listen(self: Rc<Self>, name: Socket, socket: Rc<UdpSocket>, from: SocketAddr) {
        let mut buffer = [0; radius::limits::PACKET_OCTETS];
        loop {
            match socket.recv(&mut buffer).await {
                Ok(len) => {
                    let packet = &buffer[..len];
                    let taken = self.client.borrow_mut().handle_datagram(self.clock.now(), name, from, packet);
                    (self.watch)(Seen::Received { from, packet, refusal: taken.err() });
                    if let Err(refusal) = taken {
                        self.tell(from, refusal);
                    }
                    self.drive();
                }
                // An ICMP error of an earlier datagram: the server is down, and its silence will tell.
                Err(error) => {
                    (self.watch)(Seen::Failed { server: from, error: &error });
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// An answer that proves nothing is either forged or, far more often, a mistake of ours or the server's that lets
    /// nobody log in: the operator must hear of it, though not of each one.
    fn tell(&self, server: SocketAddr, refusal: Refusal) {
        let what_to_do = match refusal {
            Refusal::MissingMessageAuthenticator => {
                "let the server send Message-Authenticator, or set require_message_authenticator = false for it"
            }
            Refusal::WrongAuthenticator | Refusal::WrongMessageAuthenticator => {
                "the secret must be the same here and there"
            }
            _ => return,
        };
        let now = self.clock.mono();
        let mut doubted = self.doubted.borrow_mut();
        if doubted.get(&server).is_none_or(|at| now.saturating_sub(*at) >= TELL_AGAIN) {
            doubted.insert(server, now);
            warn!(%server, %refusal, "an answer of a RADIUS server is ignored: {what_to_do}");
        }
    }

    async fn keep_time(self: Rc<Self>) {
        loop {
            let due = self.client.borrow().poll_timeout();
            match due {
                Some(due) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(self.clock.instant(due)) => {
                            self.client.borrow_mut().handle_timeout(self.clock.now());
                            self.drive();
                        }
                        () = self.wake.notified() => {}
                    }
                }
                None => self.wake.notified().await,
            }
        }
    }
}
