//! Sockets around the sans-IO RADIUS client.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use radius::{AccessRequest, AccountingRequest, Client, Kind, Outcome, Refusal, Socket, SubmitError, Token};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, oneshot};
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::udp;

/// A server whose answers cannot be believed is in the log this often.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// The client with its sockets; lives on the control thread.
pub(crate) struct RadiusClient {
    clock: Clock,
    client: RefCell<Client>,
    sockets: RefCell<HashMap<Socket, Rc<UdpSocket>>>,
    waiting: RefCell<HashMap<Token, oneshot::Sender<Outcome>>>,
    /// When the log last said that a server's answers cannot be believed; an entry for each server and service.
    doubted: RefCell<HashMap<SocketAddr, Duration>>,
    /// Servers whose unsigned answers are believed, because the configuration says so.
    unsigned: RefCell<HashSet<SocketAddr>>,
    wake: Notify,
}

impl RadiusClient {
    /// Must be called within the control thread's local set.
    pub(crate) fn start(clock: Clock, client: Client) -> Rc<Self> {
        let this = Rc::new(Self {
            clock,
            client: RefCell::new(client),
            sockets: RefCell::default(),
            waiting: RefCell::default(),
            doubted: RefCell::default(),
            unsigned: RefCell::default(),
            wake: Notify::new(),
        });
        tokio::task::spawn_local(Rc::clone(&this).keep_time());
        this
    }

    pub(crate) async fn access(self: &Rc<Self>, request: AccessRequest) -> Result<Outcome, SubmitError> {
        let token = self.client.borrow_mut().submit_access(self.clock.now(), request)?;
        Ok(self.answer(token).await)
    }

    pub(crate) async fn account(self: &Rc<Self>, request: AccountingRequest) -> Result<Outcome, SubmitError> {
        let token = self.client.borrow_mut().submit_accounting(self.clock.now(), request)?;
        Ok(self.answer(token).await)
    }

    /// For each configured server: does it answer for logins, and for accounting?
    pub(crate) fn health(&self, servers: usize) -> Vec<(bool, bool)> {
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
                    let unsigned = self.client.borrow().stats().unsigned_answers;
                    let taken = self.client.borrow_mut().handle_datagram(self.clock.now(), name, from, &buffer[..len]);
                    if self.client.borrow().stats().unsigned_answers > unsigned
                        && self.unsigned.borrow_mut().insert(from)
                    {
                        warn!(
                            server = %from,
                            "answers of a RADIUS server carry no Message-Authenticator and are believed all the same \
                             (require_message_authenticator = false): update the server"
                        );
                    }
                    if let Err(refusal) = taken {
                        self.tell(from, refusal);
                    }
                    self.drive();
                }
                // An ICMP error of an earlier datagram: the server is down, and its silence will tell.
                Err(error) => {
                    debug!(server = %from, %error, "RADIUS socket");
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
            _ => {
                debug!(%server, %refusal, "a RADIUS datagram was ignored");
                return;
            }
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
