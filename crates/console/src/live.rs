//! What happens, as it happens: server-sent events (HTML Standard, 9.2).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::Backend;
use crate::reply::{Content, Reply, error, reply};

/// Streams at one time, of which one operator may have half: each looks at every event.
const STREAMS: usize = 16;
const OF_ONE_OPERATOR: usize = STREAMS / 2;
/// Pieces that wait for a slow reader. Then the gateway waits as well, and the reader misses what is forgotten meanwhile.
const PIECES: usize = 8;
/// Without news a comment goes out this often, so that what lies between does not take the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Whose streams there are.
pub(crate) type Streams = Rc<RefCell<Vec<String>>>;

struct Place {
    streams: Streams,
    name: String,
}

impl Place {
    fn take(streams: &Streams, name: &str) -> Option<Self> {
        let mut names = streams.borrow_mut();
        let own = names.iter().filter(|other| *other == name).count();
        if names.len() >= STREAMS || own >= OF_ONE_OPERATOR {
            return None;
        }
        names.push(name.to_owned());
        Some(Self { streams: Rc::clone(streams), name: name.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut names = self.streams.borrow_mut();
        if let Some(at) = names.iter().position(|name| *name == self.name) {
            names.swap_remove(at);
        }
    }
}

/// Events from the number `from` on, those that are there and those that come, for the operator with that name; `request` is
/// what asks for them.
pub(crate) fn stream<B: Backend>(
    backend: &Rc<B>,
    streams: &Streams,
    name: &str,
    mut request: Value,
    mut from: u64,
) -> Reply {
    let Some(place) = Place::take(streams, name) else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "too many streams are open; close one");
    };
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
