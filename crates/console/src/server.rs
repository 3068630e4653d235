//! Accepting and ending connections. Who holds all it can get keeps nobody out: when there is no room, whoever has the most
//! gives its oldest one up, and while there are strangers, only they. A stranger is who has not shown a token yet.

use std::cell::Cell;
use std::cmp::Reverse;
use std::net::IpAddr;
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
/// A connection's first request has come by then, keys and all.
const FIRST_TIME: Duration = Duration::from_secs(5);
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
                        let Some(at) = whose_turn_it_is(&open, from) else { continue };
                        open.remove(at).task.abort();
                    }
                    let caller = Rc::new(Caller { from: peer.ip(), has_asked: Cell::new(false), is_known: Cell::new(false) });
                    let task = connections.spawn_local(converse(stream, Rc::clone(&caller), Rc::clone(&desk)));
                    open.push(Open { from, caller, task });
                }
                Err(_) => sleep(Duration::from_millis(100)).await, // out of files; they come back
            },
        }
    }
}

/// Who is at the other end of a connection.
pub(crate) struct Caller {
    pub(crate) from: IpAddr,
    has_asked: Cell<bool>,
    /// It has shown a token.
    pub(crate) is_known: Cell<bool>,
}

/// A connection; the oldest is the first of them.
struct Open {
    from: IpAddr,
    caller: Rc<Caller>,
    task: AbortHandle,
}

/// The connection that goes for one more of a host; none if nobody who may be sent away has more. While there are strangers,
/// theirs alone are counted, so that an operator's own host is not kept out for the connections that it has.
fn whose_turn_it_is(open: &[Open], host: IpAddr) -> Option<usize> {
    let is_stranger = |connection: &Open| !connection.caller.is_known.get();
    let there_are_strangers = open.iter().any(is_stranger);
    let goes = |connection: &&Open| !there_are_strangers || is_stranger(connection);
    let of = |host| open.iter().filter(goes).filter(|connection| connection.from == host).count();
    let rank = |(at, connection): (usize, &Open)| (goes(&connection), of(connection.from), Reverse(at));
    let (_, most, Reverse(at)) = open.iter().enumerate().map(rank).max()?;
    (most > of(host)).then_some(at)
}

async fn converse<B: Backend>(stream: TcpStream, caller: Rc<Caller>, desk: Rc<Desk<B>>) {
    let _ = stream.set_nodelay(true); // an event is small, and wanted now
    let first = async {
        sleep(FIRST_TIME).await;
        if caller.has_asked.get() {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = first => tracing::trace!("whoever connected to the console asked nothing"),
        () = serve_one(stream, &caller, &desk) => {}
    }
}

async fn serve_one<B: Backend>(stream: TcpStream, caller: &Rc<Caller>, desk: &Rc<Desk<B>>) {
    let Some(mut line) = desk.backend.open(stream).await else { return };
    let service = service_fn(|request| {
        let (desk, caller) = (Rc::clone(desk), Rc::clone(caller));
        caller.has_asked.set(true);
        async move { Ok::<_, std::convert::Infallible>(answer(request, &caller, &desk).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_OCTETS)
        .serve_connection(TokioIo::new(&mut line), service)
        .await;
    if let Err(error) = served {
        tracing::trace!(%error, "an operator's connection ended early");
    }
    desk.backend.close(line).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections of hosts by their last number; those of operators are marked.
    async fn turn(of: &[(u8, bool)], host: u8) -> Option<usize> {
        let mut tasks = JoinSet::new();
        let open: Vec<Open> = of
            .iter()
            .map(|(host, is_known)| {
                let from = IpAddr::from([192, 0, 2, *host]);
                let caller = Caller { from, has_asked: Cell::new(true), is_known: Cell::new(*is_known) };
                Open { from, caller: Rc::new(caller), task: tasks.spawn(std::future::pending::<()>()) }
            })
            .collect();
        whose_turn_it_is(&open, IpAddr::from([192, 0, 2, host]))
    }

    #[tokio::test]
    async fn whoever_has_the_most_makes_room_and_an_operator_for_no_stranger() {
        assert_eq!(turn(&[(1, false), (2, false), (2, false)], 9).await, Some(1), "the oldest of whoever has most");
        assert_eq!(turn(&[(1, false), (2, false)], 1).await, None, "nobody has more than who comes");
        assert_eq!(turn(&[(1, true), (1, true), (2, false), (3, false)], 9).await, Some(2));
        assert_eq!(
            turn(&[(1, true), (1, true), (2, false)], 1).await,
            Some(2),
            "what an operator has is not held against it"
        );
        assert_eq!(turn(&[(1, true), (1, false), (2, false)], 1).await, None, "the strangers have as few");
        assert_eq!(turn(&[(1, true), (2, true), (2, true)], 1).await, Some(1), "there are only operators");
    }
}
