//! Accepting and ending connections.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Backend;
use crate::gate::Tries;
use crate::routes::{Desk, answer};

/// Connections at one time, of which one address may have half: some operators with two windows each, and programs.
const CONNECTIONS: usize = 64;
const OF_ONE_ADDRESS: usize = CONNECTIONS / 2;
/// A request's head has come by then.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longest head of a request.
const HEAD_OCTETS: usize = 16 * 1024;

/// Serves operators for ever. Has to run inside a [`tokio::task::LocalSet`]. When the future
/// is dropped, all its connections end.
pub async fn serve<B: Backend>(listener: TcpListener, backend: B) {
    let desk = Rc::new(Desk { backend: Rc::new(backend), tries: Tries::new(), streams: Rc::default() });
    let mut connections = JoinSet::new();
    let mut from: Vec<IpAddr> = Vec::new();
    loop {
        tokio::select! {
            Some(Ok(ended)) = connections.join_next() => {
                if let Some(at) = from.iter().position(|address| *address == ended) {
                    from.swap_remove(at);
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let own = from.iter().filter(|address| **address == peer.ip()).count();
                    if from.len() < CONNECTIONS && own < OF_ONE_ADDRESS {
                        from.push(peer.ip());
                        connections.spawn_local(converse(stream, peer, Rc::clone(&desk)));
                    }
                }
                Err(_) => sleep(Duration::from_millis(100)).await, // out of files; they come back
            },
        }
    }
}

async fn converse<B: Backend>(stream: TcpStream, peer: SocketAddr, desk: Rc<Desk<B>>) -> IpAddr {
    let _ = stream.set_nodelay(true); // an event is small, and wanted now
    let service = service_fn(|request| {
        let desk = Rc::clone(&desk);
        async move { Ok::<_, std::convert::Infallible>(answer(request, peer.ip(), &desk).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_OCTETS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::trace!(%error, "an operator's connection ended early");
    }
    peer.ip()
}
