//! Accepting, admitting and ending connections.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use crate::gate::{Admission, Gate};
use crate::uam_routes::Desk;
use crate::{Backend, Site, reply, routes};

/// Serves listeners for ever, all within the same bounds. Has to run inside a [`tokio::task::LocalSet`]. When the future is dropped, all its
/// connections end.
pub async fn serve<B: Backend>(
    listeners: Vec<TcpListener>,
    site: Rc<Site>,
    desk: Rc<Desk>,
    backend: Rc<B>,
) -> Infallible {
    let gate = Gate::new(&site.limits);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = poll_fn(|context| accept(&listeners, context)) => match accepted {
                Ok((stream, peer)) => {
                    let Some(ip) = ipv4(peer.ip()) else { continue };
                    if backend.guest(ip).is_none() {
                        continue;
                    }
                    let Some(admission) = gate.admit(ip) else { continue };
                    let (site, desk) = (Rc::clone(&site), Rc::clone(&desk));
                    let (backend, gate) = (Rc::clone(&backend), Rc::clone(&gate));
                    let connection = Connection { ip, site, desk, backend, gate };
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
    site: Rc<Site>,
    desk: Rc<Desk>,
    backend: Rc<B>,
    gate: Rc<Gate>,
}

impl<B: Backend> Connection<B> {
    async fn run(self, stream: TcpStream, admission: Admission) {
        let limits = &self.site.limits;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time)
            .max_buf_size(limits.header_octets.max(8192))
            .serve_connection(TokioIo::new(stream), service_fn(|request| self.answer(request)));
        tokio::select! {
            ended = timeout(limits.connection_time, connection) => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::trace!(%error, "a guest's connection ended early"),
                Err(_) => tracing::trace!("a guest's connection took too long"),
            },
            () = admission.withdrawn() => tracing::trace!("a guest's connection made room for another guest's"),
        }
    }

    async fn answer(&self, request: hyper::Request<hyper::body::Incoming>) -> Result<reply::Reply, Stranger> {
        // Asked again for each request: a lease can end while a connection is open.
        let guest = self.backend.guest(self.ip).ok_or(Stranger)?;
        if !self.gate.may_ask(self.ip, Instant::now()) {
            let refused = reply::text(StatusCode::TOO_MANY_REQUESTS, "Too many requests. Please wait a moment.\n");
            return Ok(reply::closing(reply::retry_after(refused, Duration::from_secs(2))));
        }
        let visit = routes::Visit::of(&request, &self.site);
        let reply = routes::answer(request, self.ip, guest, &self.site, &self.desk, &*self.backend).await;
        if let Some(visit) = visit.filter(|_| reply::is_page(&reply)) {
            self.backend.served(self.ip, &visit.path, visit.towards.as_deref(), reply.status().as_u16());
        }
        Ok(reply)
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
