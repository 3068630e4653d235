//! RADIUS as a NAS speaks it: packets, and a client that opens no socket and reads no clock.
//!
//! * [`packet`]: bytes. A [`View`] is checked once, then read; a [`Packet`] is values with `emit`.
//! * [`dictionary`]: the numbers, names and types of attributes and vendors.
//! * [`auth`]: everything that is computed with the shared secret.
//! * [`request`], [`reply`]: what a gateway asks, and what it reads out of the answer.
//! * [`client`]: servers in order, retransmission, failover, and the checks that an answer must pass; over UDP and, with
//!   [`Frames`], on connections.
//! * [`limits`]: every bound, with its reason.
//!
//! Any bytes may be handed to [`View::parse`], [`packet::describe`] and [`Client::handle_datagram`]; none of them panics.
//!
//! # Why not the crate `radius` from crates.io
//! Version 0.4.0's client returns whatever decodes: it compares neither the identifier nor the Response Authenticator
//! with the request, and knows no Message-Authenticator, so anybody who can send a datagram can log a guest in. Its codec
//! is sound, but brings tokio's full feature set, chrono and 67 kB to a router's binary; the part of RADIUS that we
//! need takes 10 kB on `md-5` and `hmac`.
#![forbid(unsafe_code)]

pub mod auth;
pub mod client;
pub mod dictionary;
mod frames;
pub mod limits;
pub mod packet;
pub mod reply;
pub mod request;

pub use auth::Secret;
pub use client::{
    Client, Closed, Config, Connection, Event, Incoming, Kind, Outcome, Refusal, Server, Socket, SubmitError, Token,
    Transmit, Transport, Version,
};
pub use frames::Frames;
pub use packet::{Attribute, BuildError, Code, Packet, ParseError, View};
pub use reply::Reply;
pub use request::{AccessRequest, AccountingRequest, Credential, GuestFacts, NasFacts, TerminateCause, Usage};
