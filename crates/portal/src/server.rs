//! Accepting, admitting and ending connections.

use std::convert::Infallible;
use std::fmt;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use crate::gate::{Admission, Gate};
use crate::uam_routes::Desk;
use crate::{Backend, Board, Tls, reply, routes};

/// Serves listeners for ever, all within the same bounds, and one of https. Has to run inside a
/// [`tokio::task::LocalSet`]. When the future is dropped, all its connections end.
pub async fn serve<B: Backend>(
    listeners: Vec<TcpListener>,
    secure: Option<(TcpListener, Rc<Tls>)>,
    board: Rc<Board>,
    desk: Rc<Desk>,
    backend: Rc<B>,
) -> Infallible {
    let limits = board.site().limits.clone();
    let gate = Gate::new(&limits);
    let place = Place { board, desk, backend, gate: Rc::clone(&gate) };
    let behind_tls = async {
        match secure {
            Some((listener, tls)) => {
                let gate = Gate::new(&limits.of_tls());
                keep_door(&[listener], &gate, Some(tls), &place).await
            }
            None => pending().await,
        }
    };
    // Both are polled, so a crowd at one door leaves the other open.
    tokio::select! {
        never = keep_door(&listeners, &gate, None, &place) => never,
        never = behind_tls => never,
    }
}

/// What is behind each door.
struct Place<B> {
    board: Rc<Board>,
    desk: Rc<Desk>,
    backend: Rc<B>,
    /// Counts requests, wherever they come in.
    gate: Rc<Gate>,
}

/// Admits connections, as `gate` says.
async fn keep_door<B: Backend>(
    listeners: &[TcpListener],
    gate: &Rc<Gate>,
    tls: Option<Rc<Tls>>,
    place: &Place<B>,
) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = poll_fn(|context| accept(listeners, context)) => match accepted {
                Ok((stream, peer)) => {
                    let Some(ip) = ipv4(peer.ip()) else { continue };
                    if place.backend.guest(ip).is_none() {
                        continue;
                    }
                    let Some(admission) = gate.admit(ip) else { continue };
                    if tls.is_some() && !gate.may_ask(ip, Instant::now()) {
                        continue;
                    }
                    let connection = Connection { ip, tls: tls.clone(), place: place.clone() };
                    connections.spawn_local(connection.run(stream, admission).in_current_span());
                }
                Err(error) => {
                    // A guest that hung up early, or we are out of files. Files come back as connections end.
                    tracing::debug!(%error, "accepting a guest's connection failed");
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

/// A connection to any of them.
fn accept(listeners: &[TcpListener], context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
    let ready = listeners.iter().map(|listener| listener.poll_accept(context)).find(Poll::is_ready);
    ready.unwrap_or(Poll::Pending)
}

struct Connection<B> {
    ip: Ipv4Addr,
    tls: Option<Rc<Tls>>,
    place: Place<B>,
}

impl<B: Backend> Connection<B> {
    async fn run(self, stream: TcpStream, admission: Admission) {
        let site = self.place.board.site();
        let limits = &site.limits;
        let connection = async {
            let Some(tls) = &self.tls else { return self.converse(stream).await };
            let Some(mut inside) = tls.open(stream, limits.handshake_time).await else { return };
            self.converse(&mut inside).await;
            inside.end().await;
        };
        tokio::select! {
            ended = timeout(limits.connection_time, connection) => if ended.is_err() {
                tracing::trace!("a guest's connection took too long");
            },
            () = admission.withdrawn() => tracing::trace!("a guest's connection made room for another guest's"),
        }
    }

    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let site = self.place.board.site();
        let limits = &site.limits;
        let conversation = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time)
            .max_buf_size(limits.header_octets.max(8192))
            .serve_connection(TokioIo::new(stream), service_fn(|request| self.answer(request)));
        if let Err(error) = conversation.await {
            tracing::trace!(%error, "a guest's connection ended early");
        }
    }

    async fn answer(&self, request: hyper::Request<hyper::body::Incoming>) -> Result<reply::Reply, Stranger> {
        let Place { board, desk, backend, gate } = &self.place;
        let site = &*board.site();
        // Asked again for each request: a lease can end while a connection is open.
        let guest = backend.guest(self.ip).ok_or(Stranger)?;
        if !gate.may_ask(self.ip, Instant::now()) {
            let refused = reply::text(StatusCode::TOO_MANY_REQUESTS, "Too many requests. Please wait a moment.\n");
            return Ok(reply::closing(reply::retry_after(refused, Duration::from_secs(2))));
        }
        let visit = routes::Visit::of(&request, site);
        let reply = routes::answer(request, self.ip, self.tls.is_some(), guest, site, desk, &**backend).await;
        if let Some(visit) = visit.filter(|_| reply::is_page(&reply)) {
            backend.served(self.ip, &visit.path, visit.towards.as_deref(), reply.status().as_u16());
        }
        Ok(reply)
    }
}

impl<B> Clone for Place<B> {
    fn clone(&self) -> Self {
        let Self { board, desk, backend, gate } = self;
        Self { board: Rc::clone(board), desk: Rc::clone(desk), backend: Rc::clone(backend), gate: Rc::clone(gate) }
    }
}

fn ipv4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped(),
    }
}

/// Makes hyper hang up without an answer.
#[derive(Debug)]
struct Stranger;

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address has no lease")
    }
}

impl std::error::Error for Stranger {}
