//! Accepting and ending connections. Who holds all it can get keeps nobody out: when there is no room, whoever has the most
//! gives its oldest one up.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::Backend;
use crate::gate::{Tries, host};
use crate::routes::{Desk, answer};

/// Connections at one time, of which one host may have half: some operators with two windows each, and programs.
const CONNECTIONS: usize = 64;
const OF_ONE_HOST: usize = CONNECTIONS / 2;
/// A request's head has come by then.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longest head of a request.
const HEAD_OCTETS: usize = 16 * 1024;

/// Serves operators for ever. Has to run inside a [`tokio::task::LocalSet`]. When the future
/// is dropped, all its connections end.
pub async fn serve<B: Backend>(listener: TcpListener, backend: B) {
    let desk = Rc::new(Desk { backend: Rc::new(backend), tries: Tries::new(), streams: Rc::default() });
    let mut connections = JoinSet::new();
    let mut open: Vec<Open> = Vec::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => open.retain(|connection| !connection.task.is_finished()),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let from = host(peer.ip());
                    let own = open.iter().filter(|connection| connection.from == from).count();
                    if own >= OF_ONE_HOST {
                        continue;
                    }
                    if open.len() >= CONNECTIONS {
                        let Some(at) = whose_turn_it_is(&open, own) else { continue };
                        open.remove(at).task.abort();
                    }
                    let task = connections.spawn_local(converse(stream, peer, Rc::clone(&desk)));
                    open.push(Open { from, task });
                }
                Err(_) => sleep(Duration::from_millis(100)).await, // out of files; they come back
            },
        }
    }
}

/// A connection; the oldest is the first of them.
struct Open {
    from: IpAddr,
    task: AbortHandle,
}

/// The connection that goes for one more of a host that has `own`; none if nobody has more.
fn whose_turn_it_is(open: &[Open], own: usize) -> Option<usize> {
    let of_its_host = |from| open.iter().filter(|other| other.from == from).count();
    let counted = open.iter().enumerate().map(|(at, connection)| (of_its_host(connection.from), Reverse(at)));
    counted.max().filter(|(most, _)| *most > own).map(|(_, Reverse(at))| at)
}

async fn converse<B: Backend>(stream: TcpStream, peer: SocketAddr, desk: Rc<Desk<B>>) {
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
}
