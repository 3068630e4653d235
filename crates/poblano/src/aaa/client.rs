//! Sockets and connections around the sans-IO RADIUS client.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use radius::packet::describe;
use radius::{
    AccessRequest, AccountingRequest, Client, Closed, Connection, Frames, Incoming, Kind, Outcome, Refusal,
    RelayedRequest, Socket, SubmitError, Token, Transmit, Version, View,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_rustls::client::TlsStream;
use tracing::{debug, info, warn};

use super::radsec::{self, Tls};
use super::web::Page;
use crate::clock::Clock;
use crate::udp;

/// A server whose answers cannot be believed is in the log this often.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Packets that wait for a connection to take them: all requests that can be in flight, and some answers.
const WAITING_PACKETS: usize = 2 * radius::limits::OUTSTANDING + radius::limits::INCOMING;

/// What went over the wire.
pub(super) enum Seen<'a> {
    /// We sent it.
    Sent { to: SocketAddr, packet: &'a [u8] },
    /// It came, and counts unless there is a refusal.
    Received { from: SocketAddr, packet: &'a [u8], refusal: Option<Refusal> },
    /// A connection is there, and both ends have proven who they are.
    Connected { to: SocketAddr, version: Version },
    /// There is no connection, or none any more.
    Disconnected { server: SocketAddr, error: &'a anyhow::Error },
    /// The system says that the server cannot be reached.
    Failed { server: SocketAddr, error: &'a std::io::Error },
    /// A web page is asked what this packet asks.
    Asked { page: &'a str, packet: &'a [u8] },
    /// It says what this packet says.
    Answered { page: &'a str, packet: &'a [u8] },
    /// It says nothing, or nothing that can be believed.
    Unanswered { page: &'a str, error: &'a anyhow::Error },
}

/// How a server is reached.
pub(super) enum Way {
    /// UDP.
    Datagrams,
    /// TLS.
    Connections(Tls),
    /// Not by packets.
    Page(Rc<Page>),
}

/// Sees everything that goes over the wire.
pub(super) type Watch = Box<dyn Fn(Seen<'_>)>;

/// The log at debug level has every packet, with secrets hidden, and at info level every connection.
pub(super) fn trace(seen: Seen<'_>) {
    match seen {
        Seen::Sent { to, packet } => debug!(server = %to, "RADIUS sent: {}", describe(packet)),
        Seen::Received { from, packet, refusal: None } => {
            debug!(server = %from, "RADIUS received: {}", describe(packet))
        }
        Seen::Received { from, packet, refusal: Some(refusal) } => {
            debug!(server = %from, %refusal, "RADIUS ignored: {}", describe(packet));
        }
        Seen::Connected { to, version } => info!(server = %to, ?version, "connected to the RADIUS server"),
        Seen::Disconnected { server, error } => debug!(%server, "no connection to the RADIUS server: {error:#}"),
        Seen::Failed { server, error } => debug!(%server, %error, "RADIUS socket"),
        Seen::Asked { page, packet } => debug!(page, "asked: {}", describe(packet)),
        Seen::Answered { page, packet } => debug!(page, "answered: {}", describe(packet)),
        Seen::Unanswered { page, error } => debug!(page, "no answer: {error:#}"),
    }
}

/// What a page is being asked.
struct Question {
    /// Of the packet.
    authenticator: [u8; 16],
    task: AbortHandle,
}

/// The client with its sockets; lives on the control thread.
pub(super) struct RadiusClient {
    clock: Clock,
    client: RefCell<Client>,
    /// For each server.
    ways: Vec<Way>,
    sockets: RefCell<HashMap<Socket, Rc<UdpSocket>>>,
    connections: RefCell<HashMap<Socket, mpsc::Sender<Vec<u8>>>>,
    /// What pages are being asked. There are as many at most as sockets have identifiers.
    questions: RefCell<HashMap<(Socket, u8), Question>>,
    waiting: RefCell<HashMap<Token, oneshot::Sender<Outcome>>>,
    /// When the log last said that a server's answers cannot be believed, or that it was silent or distrusted.
    doubted: RefCell<HashMap<(SocketAddr, Option<Closed>), Duration>>,
    /// Servers whose unsigned answers are believed, because the configuration says so.
    unsigned: RefCell<HashSet<SocketAddr>>,
    wake: Notify,
    /// A server's own request waits.
    asked: Notify,
    watch: Watch,
}

impl RadiusClient {
    /// Must be called within the control thread's local set.
    pub(super) fn start(clock: Clock, client: Client, ways: Vec<Way>, watch: Watch) -> Rc<Self> {
        let this = Rc::new(Self {
            clock,
            client: RefCell::new(client),
            ways,
            sockets: RefCell::default(),
            connections: RefCell::default(),
            questions: RefCell::default(),
            waiting: RefCell::default(),
            doubted: RefCell::default(),
            unsigned: RefCell::default(),
            wake: Notify::new(),
            asked: Notify::new(),
            watch,
        });
        crate::log::spawn(Rc::clone(&this).keep_time());
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
        (0..servers as u8).map(|n| (client.is_up(n, Kind::Auth), client.is_up(n, Kind::Acct))).collect()
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
            let connection = self.client.borrow_mut().poll_connection();
            match connection {
                Some(Connection::Open { socket, to }) => {
                    let (sender, receiver) = mpsc::channel(WAITING_PACKETS);
                    self.connections.borrow_mut().insert(socket, sender);
                    crate::log::spawn(Rc::clone(self).connect(socket, to, receiver));
                }
                // Its task ends when nobody can send any more.
                Some(Connection::Close { socket }) => drop(self.connections.borrow_mut().remove(&socket)),
                None => break,
            }
        }
        loop {
            let transmit = self.client.borrow_mut().poll_transmit();
            let Some(Transmit { socket, to, bytes }) = transmit else { break };
            if let Some(Way::Page(page)) = self.ways.get(usize::from(socket.server)) {
                self.ask(page, socket, to, bytes);
                continue;
            }
            (self.watch)(Seen::Sent { to, packet: &bytes });
            if socket.kind.is_none() {
                if let Some(connection) = self.connections.borrow().get(&socket) {
                    // What does not fit is never sent, and its request waits in vain.
                    drop(connection.try_send(bytes));
                }
                continue;
            }
            match self.socket(socket, to) {
                // A full socket buffer is a lost datagram: the client sends it again.
                Ok(socket) => drop(udp::send(&socket, &bytes)),
                Err(error) => warn!(server = %to, %error, "cannot open a socket to the RADIUS server"),
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
        if self.client.borrow().has_incoming() {
            self.asked.notify_one();
        }
    }

    /// The next request that a server sends down a connection. For one caller.
    pub(super) async fn request(&self) -> Incoming {
        loop {
            if let Some(incoming) = self.client.borrow_mut().poll_incoming() {
                return incoming;
            }
            self.asked.notified().await;
        }
    }

    /// Sends the answer to a request, or ends its connection if it cannot be trusted.
    pub(super) fn answer_request(self: &Rc<Self>, socket: Socket, answer: Option<Vec<u8>>) {
        match answer {
            Some(bytes) => self.client.borrow_mut().answer(socket, bytes),
            None => self.client.borrow_mut().distrust(self.clock.now(), socket),
        }
        self.drive();
    }

    /// The life of one connection.
    async fn connect(self: Rc<Self>, socket: Socket, to: SocketAddr, outgoing: mpsc::Receiver<Vec<u8>>) {
        let Some(Way::Connections(tls)) = self.ways.get(usize::from(socket.server)) else { return };
        let proven = Cell::new(false);
        let (why, error) = match tls.connect(to).await {
            Ok((stream, version)) => {
                (self.watch)(Seen::Connected { to, version });
                self.doubted.borrow_mut().retain(|(server, _), _| *server != to);
                self.client.borrow_mut().handle_connected(self.clock.now(), socket, version);
                self.drive();
                let (reader, writer) = tokio::io::split(stream);
                let error = tokio::select! {
                    ended = self.read(socket, to, reader, &proven) => ended,
                    ended = write(writer, outgoing) => ended,
                }
                .err();
                (radsec::ended(error.as_ref(), proven.get()), error)
            }
            Err(error) => (radsec::failed(&error), Some(error)),
        };
        if !proven.get() || error.is_some() {
            let error = error.unwrap_or_else(|| anyhow::anyhow!("it hung up without an answer"));
            (self.watch)(Seen::Disconnected { server: to, error: &error });
            self.tell_rarely(to, Some(why), || warn!(server = %to, "no connection to the RADIUS server: {error:#}"));
        }
        self.connections.borrow_mut().remove(&socket);
        self.client.borrow_mut().handle_closed(self.clock.now(), socket, why);
        self.drive();
    }

    async fn read(
        self: &Rc<Self>,
        socket: Socket,
        from: SocketAddr,
        mut reader: ReadHalf<TlsStream<TcpStream>>,
        proven: &Cell<bool>,
    ) -> anyhow::Result<()> {
        let mut frames = Frames::default();
        let mut buffer = [0; radius::limits::PACKET_OCTETS];
        loop {
            let len = reader.read(&mut buffer).await?;
            if len == 0 {
                return Ok(());
            }
            frames.push(&buffer[..len]);
            while let Some(packet) = frames.next_packet()? {
                let taken = self.client.borrow_mut().handle_packet(self.clock.now(), socket, &packet);
                (self.watch)(Seen::Received { from, packet: &packet, refusal: taken.err() });
                match taken {
                    Ok(()) => proven.set(true),
                    Err(refusal) => self.tell(from, refusal),
                }
                let is_asked = self.client.borrow().has_incoming();
                self.drive();
                // A server that floods us with requests waits on its side of the connection, and none is lost.
                if is_asked {
                    tokio::time::sleep(radius::limits::REQUEST_TIME).await;
                }
            }
        }
    }

    /// Asks a page, unless it is being asked this already: what is sent again is the same question.
    fn ask(self: &Rc<Self>, page: &Rc<Page>, socket: Socket, to: SocketAddr, packet: Vec<u8>) {
        let Ok(view) = View::parse(&packet) else { return };
        let (key, authenticator) = ((socket, view.id()), view.authenticator());
        let mut questions = self.questions.borrow_mut();
        if questions.get(&key).is_some_and(|question| question.authenticator == authenticator) {
            return;
        }
        let asking = Rc::clone(self).answer_of(Rc::clone(page), key, to, packet);
        let task = tokio::task::spawn_local(asking).abort_handle();
        // Nobody waits for the answer to an older question with this identifier.
        if let Some(older) = questions.insert(key, Question { authenticator, task }) {
            older.task.abort();
        }
    }

    async fn answer_of(self: Rc<Self>, page: Rc<Page>, key: (Socket, u8), to: SocketAddr, packet: Vec<u8>) {
        let ((socket, _), name) = (key, page.name());
        (self.watch)(Seen::Asked { page: name, packet: &packet });
        let answer = page.ask(&packet).await;
        self.questions.borrow_mut().remove(&key);
        match answer {
            Ok(answer) => {
                (self.watch)(Seen::Answered { page: name, packet: &answer });
                // That it came too late is nobody's fault.
                let _ = self.client.borrow_mut().handle_datagram(self.clock.now(), socket, to, &answer);
            }
            Err(error) => {
                (self.watch)(Seen::Unanswered { page: name, error: &error });
                let why = radsec::failed(&error);
                self.tell_rarely(to, Some(why), || warn!(page = name, "no answer that can be believed: {error:#}"));
                if why == Closed::Distrusted {
                    // What is no packet tells the client that this was no silence.
                    let _ = self.client.borrow_mut().handle_datagram(self.clock.now(), socket, to, &[]);
                }
            }
        }
        self.drive();
    }

    fn socket(self: &Rc<Self>, name: Socket, to: SocketAddr) -> std::io::Result<Rc<UdpSocket>> {
        if let Some(socket) = self.sockets.borrow().get(&name) {
            return Ok(Rc::clone(socket));
        }
        let socket = Rc::new(udp::open(to)?);
        self.sockets.borrow_mut().insert(name, Rc::clone(&socket));
        crate::log::spawn(Rc::clone(self).listen(name, Rc::clone(&socket), to));
        Ok(socket)
    }

    async fn listen(self: Rc<Self>, name: Socket, socket: Rc<UdpSocket>, from: SocketAddr) {
        let mut buffer = [0; radius::limits::PACKET_OCTETS];
        loop {
            match socket.recv(&mut buffer).await {
                Ok(len) => {
                    let packet = &buffer[..len];
                    let unsigned = self.client.borrow().stats().unsigned_answers;
                    let taken = self.client.borrow_mut().handle_datagram(self.clock.now(), name, from, packet);
                    (self.watch)(Seen::Received { from, packet, refusal: taken.err() });
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
        self.tell_rarely(server, None, || {
            warn!(%server, %refusal, "an answer of a RADIUS server is ignored: {what_to_do}");
        });
    }

    /// Each kind of trouble with a server is told once in a while.
    fn tell_rarely(&self, server: SocketAddr, why: Option<Closed>, tell: impl FnOnce()) {
        let now = self.clock.mono();
        let mut doubted = self.doubted.borrow_mut();
        if doubted.get(&(server, why)).is_none_or(|at| now.saturating_sub(*at) >= TELL_AGAIN) {
            doubted.insert((server, why), now);
            tell();
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

/// Sends until nobody can send any more.
async fn write(
    mut writer: WriteHalf<TlsStream<TcpStream>>,
    mut outgoing: mpsc::Receiver<Vec<u8>>,
) -> anyhow::Result<()> {
    while let Some(packet) = outgoing.recv().await {
        writer.write_all(&packet).await?;
        writer.flush().await?;
    }
    writer.shutdown().await?;
    Ok(())
}
