//! The operator's HTTP side: an API in the words of the command line, what happens as a stream, and a web app that uses both.
//!
//! It is a translation. What is asked here is asked of the gateway as `poblano kick` and the others ask, one JSON object for
//! another ([`Backend::ask`]), so there is one place that does it, and one set of errors.
//!
//! Guests do not get here: the address is none of theirs, which the configuration checks and the firewall holds. Operators
//! show a password once, and then a signed token ([`Key`]); programs have a token of their own, with a scope and an end.
#![forbid(unsafe_code)]

use std::future::Future;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

mod api;
mod gate;
mod live;
mod openapi;
mod reply;
mod routes;
mod server;
mod token;

pub use server::serve;
pub use token::{Key, Scope, Token};

/// What the console asks of the rest of the gateway.
pub trait Backend: 'static {
    /// What HTTP is spoken over.
    type Line: AsyncRead + AsyncWrite + Unpin;

    /// Whether that is https, and nothing else.
    fn is_secure(&self) -> bool;

    /// Agrees on keys with whoever has connected, if it is https; none if that does not come about.
    fn open(&self, stream: TcpStream) -> impl Future<Output = Option<Self::Line>>;

    /// Lets whoever is there have the rest of what has been said.
    fn close(&self, line: Self::Line) -> impl Future<Output = ()>;

    /// Asks the gateway as the control socket does. `error` in the answer says why not; with `missing` there is no such thing.
    fn ask(&self, request: Value) -> impl Future<Output = Value>;

    /// The number that the next event will have, whenever that changes.
    fn news(&self) -> watch::Receiver<u64>;

    /// What tokens are signed with now; `None` believes nobody.
    fn key(&self) -> Option<Key>;

    /// Whether this is the password of that operator. Nobody of that name takes as long.
    fn is_password(&self, name: &str, password: Vec<u8>) -> impl Future<Output = bool>;

    /// What that operator may; `None` if there is no such operator any more.
    fn scope(&self, name: &str) -> Option<Scope>;

    /// An operator did something, or somebody failed to become one: for the log and for others to see.
    fn note(&self, name: &str, did: &str);

    /// Seconds since 1970.
    fn unix(&self) -> u64;
}
