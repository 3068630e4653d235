//! https. A thread of its own agrees on keys with callers and takes the encryption off, because a stranger can ask for
//! that arithmetic, and on a small router it takes milliseconds that DHCP, DNS and other pages must not wait for. What
//! is inside comes back to the portal's own thread and is served like any other connection.
//!
//! The thread holds nothing on its own account: the portal admits each connection ([`Limits`](crate::Limits)), says when it
//! is to end, and counts it until it has. So does the operators' console, with a thread of its own: what is done to one of
//! the two keeps nobody from the other.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, copy_bidirectional_with_sizes, duplex};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{error, trace};

use crate::limits::{HELLO_OCTETS, LINGER, RELAY_OCTETS, UNSENT_OCTETS};

/// Whoever takes TLS off connections.
pub struct Tls {
    config: RefCell<Arc<ServerConfig>>,
    /// Without a bound of its own: each of them has been admitted.
    connections: mpsc::UnboundedSender<Incoming>,
}

/// A connection while its TLS is taken off.
struct Incoming {
    stream: std::net::TcpStream,
    config: Arc<ServerConfig>,
    /// Gets what is inside, once both ends have agreed on keys.
    inside: oneshot::Sender<DuplexStream>,
    /// Closed by the portal when it is to end at once; dropped when it has ended.
    held: oneshot::Sender<()>,
}

/// What is inside of a connection. Dropped, it ends.
#[derive(Debug)]
pub struct Inside {
    stream: DuplexStream,
    ended: oneshot::Receiver<()>,
}

impl Tls {
    /// Starts the thread of that name, which ends when this is dropped. `config` has the certificate.
    ///
    /// # Errors
    /// There can be no more threads or files.
    pub fn start(name: &str, config: Arc<ServerConfig>) -> io::Result<Self> {
        let (connections, incoming) = mpsc::unbounded_channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name(name.into()).spawn(move || take_off(&runtime, incoming))?;
        Ok(Self { config: RefCell::new(config), connections })
    }

    /// Connections that come from now on meet this certificate; those that are there go on.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.config.borrow_mut() = config;
    }

    /// Agrees on keys; nothing if that does not come about in time.
    pub async fn open(&self, stream: TcpStream, patience: Duration) -> Option<Inside> {
        // Its messages are small and wait for each other.
        let stream = stream.set_nodelay(true).and_then(|()| stream.into_std()).ok()?;
        let (inside, opened) = oneshot::channel();
        let (held, ended) = oneshot::channel();
        let config = Arc::clone(&self.config.borrow());
        let sent = self.connections.send(Incoming { stream, config, inside, held });
        sent.inspect_err(|_| error!("the thread that takes TLS off is gone")).ok()?;
        let stream = timeout(patience, opened).await.ok()?.ok()?;
        Some(Inside { stream, ended })
    }
}

impl Inside {
    /// Lets whoever is there have the rest of what has been said, if it takes it soon.
    pub async fn end(self) {
        let Self { stream, ended } = self;
        drop(stream);
        let _ = timeout(LINGER, ended).await;
    }
}

impl AsyncRead for Inside {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Inside {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// The thread.
fn take_off(runtime: &Runtime, mut incoming: mpsc::UnboundedReceiver<Incoming>) {
    runtime.block_on(async {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                next = incoming.recv() => match next {
                    Some(next) => { connections.spawn(carry(next)); }
                    None => return,
                },
            }
        }
    });
}

async fn carry(connection: Incoming) {
    let Incoming { stream, config, inside, mut held } = connection;
    tokio::select! {
        () = held.closed() => {}
        carried = between(stream, config, inside) => if let Err(error) = carried {
            trace!(%error, "an https connection ended early");
        },
    }
}

/// Between whoever is there and what is inside, until both have said all.
async fn between(
    stream: std::net::TcpStream,
    config: Arc<ServerConfig>,
    inside: oneshot::Sender<DuplexStream>,
) -> io::Result<()> {
    let stream = Outside { stream: TcpStream::from_std(stream)?, may_say: Some(HELLO_OCTETS) };
    let shrunk = |connection: &mut rustls::ServerConnection| connection.set_buffer_limit(Some(UNSENT_OCTETS));
    let mut outside = TlsAcceptor::from(config).accept_with(stream, shrunk).await?;
    outside.get_mut().0.may_say = None;
    let (mut ours, theirs) = duplex(RELAY_OCTETS);
    if inside.send(theirs).is_ok() {
        copy_bidirectional_with_sizes(&mut outside, &mut ours, RELAY_OCTETS, RELAY_OCTETS).await?;
    }
    Ok(())
}

/// A connection from outside, which cannot say without end before keys are agreed upon: TLS alone would keep 64 kB of it.
struct Outside {
    stream: TcpStream,
    may_say: Option<usize>,
}

impl AsyncRead for Outside {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if let Some(left) = self.may_say {
            let said = buffer.filled().len().saturating_sub(before);
            let left = left.checked_sub(said).ok_or_else(|| io::Error::other("too long a handshake"))?;
            self.may_say = Some(left);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Outside {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
