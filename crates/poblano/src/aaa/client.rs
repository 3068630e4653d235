//! Sockets around the sans-IO RADIUS client.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use radius::{AccessRequest, AccountingRequest, Client, Kind, Outcome, Socket, SubmitError, Token};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, oneshot};
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::udp;

/// The client with its sockets; lives on the control thread.
pub(crate) struct RadiusClient {
    clock: Clock,
    client: RefCell<Client>,
    sockets: RefCell<HashMap<Socket, Rc<UdpSocket>>>,
    waiting: RefCell<HashMap<Token, oneshot::Sender<Outcome>>>,
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
                    let taken = self.client.borrow_mut().handle_datagram(self.clock.now(), name, from, &buffer[..len]);
                    if let Err(refusal) = taken {
                        debug!(server = %from, %refusal, "a RADIUS datagram was ignored");
                    }
                    self.drive();
                }
                // An ICMP error of an earlier datagram: the server is down, and its silence will tell.
                Err(error) => {
                    debug!(server = %from, %error, "RADIUS socket");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
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
