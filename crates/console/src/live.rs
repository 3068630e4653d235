//! What happens, as it happens: server-sent events (HTML Standard, 9.2).

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::Backend;
use crate::reply::{Content, Reply, error, reply};

/// Streams at one time: each looks at every event.
const STREAMS: usize = 16;
/// Pieces that wait for a slow reader. Then the gateway waits as well, and the reader misses what is forgotten meanwhile.
const PIECES: usize = 8;
/// Without news a comment goes out this often, so that what lies between does not take the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How many streams there are.
pub(crate) type Streams = Rc<Cell<usize>>;

struct Place(Streams);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Events from the number `from` on, those that are there and those that come; `request` is what asks for them.
pub(crate) fn stream<B: Backend>(backend: &Rc<B>, streams: &Streams, mut request: Value, mut from: u64) -> Reply {
    if streams.get() >= STREAMS {
        return error(StatusCode::SERVICE_UNAVAILABLE, "too many streams are open; close one");
    }
    streams.set(streams.get() + 1);
    let place = Place(Rc::clone(streams));
    let (pieces, receiver) = mpsc::channel(PIECES);
    let backend = Rc::clone(backend);
    tokio::task::spawn_local(async move {
        let _place = place;
        let mut news = backend.news();
        loop {
            news.borrow_and_update();
            request["from"] = json!(from);
            let told = backend.ask(request.clone()).await;
            let mut piece = String::new();
            for event in told["events"].as_array().into_iter().flatten() {
                piece.push_str(&format!("id: {}\ndata: {event}\n\n", event["number"]));
            }
            from = told["next"].as_u64().unwrap_or(from);
            if !piece.is_empty() && pieces.send(Bytes::from(piece)).await.is_err() {
                return;
            }
            tokio::select! {
                () = pieces.closed() => return,
                changed = timeout(HEARTBEAT, news.changed()) => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => {
                        if pieces.send(Bytes::from_static(b":\n\n")).await.is_err() {
                            return;
                        }
                    }
                },
            }
        }
    });
    reply(StatusCode::OK, "text/event-stream", Content::Live(receiver))
}
