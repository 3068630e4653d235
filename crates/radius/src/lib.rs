//! RADIUS as a NAS speaks it: packets, a client, a server of dynamic authorization, and a proxy for access points. They
//! open no socket and read no clock.
//!
//! * [`packet`]: bytes. A [`View`] is checked once, then read; a [`Packet`] is values with `emit`.
//! * [`attr`]: a typed constant for each attribute of the dictionaries in `conf/dictionary`; [`value`]: the types.
//! * [`dictionary`]: the names of attributes and values, for printing.
//! * [`auth`]: everything that is computed with the shared secret.
//! * [`credential`], [`mschap`]: how a guest proves who they are. [`hide`]: what a proxy hides anew.
//! * [`request`], [`reply`]: what a gateway asks, and what it reads out of the answer.
//! * [`text`]: what vendors write into an attribute as text.
//! * [`client`]: servers in order, retransmission, failover, and the checks that an answer must pass; over UDP and, with
//!   [`Frames`], on connections.
//! * [`dynauth`]: a server's requests to end or change a session, and the checks that they must pass.
//! * [`proxy`], [`relay`]: requests of access points, which go on to the servers.
//! * [`limits`]: every bound, with its reason.
//!
//! Any bytes may be handed to [`View::parse`], [`packet::describe`], [`Client::handle_datagram`],
//! [`dynauth::Server::handle_datagram`] and [`proxy::Proxy::handle_datagram`]; none of them panics.
//!
//! # Why not the crate `radius` from crates.io
//! Version 0.4.0's client returns whatever decodes: it compares neither the identifier nor the Response Authenticator
//! with the request, and knows no Message-Authenticator, so anybody who can send a datagram can log a guest in. Its codec
//! is sound, but brings tokio's full feature set, chrono and 67 kB to a router's binary, and knows vendors' attributes as
//! raw octets only.
#![forbid(unsafe_code)]

pub mod attr;
pub mod auth;
pub mod client;
pub mod credential;
pub mod dictionary;
pub mod dynauth;
mod frames;
pub mod hide;
pub mod items;
pub mod limits;
pub mod mschap;
pub mod packet;
mod print;
pub mod proxy;
pub mod relay;
pub mod reply;
pub mod request;
pub mod text;
pub mod value;

pub use attr::{Attr, AttributeList};
pub use auth::Secret;
pub use client::{
    Client, Closed, Config, Connection, Event, Incoming, Kind, Outcome, Refusal, Server, Socket, SubmitError, Token,
    Transmit, Transport, Version,
};
pub use credential::{Credential, MacFormat};
pub use frames::Frames;
pub use packet::{Attribute, BuildError, Code, Packet, ParseError, View};
pub use relay::RelayedRequest;
pub use reply::Reply;
pub use request::{AccessRequest, AccountingRequest, GuestFacts, NasFacts, Service, TerminateCause, Usage};
