//! Frames and protocol messages as bytes: views that are checked once, values with parse and emit.
//!
//! Nothing here opens, waits, allocates per packet or panics on input: every parser takes any bytes
//! and returns a value or an error that names the field.
#![forbid(unsafe_code)]

pub mod arp;
pub mod build;
pub mod checksum;
pub mod dhcp;
pub mod dns;
pub mod frame;
pub mod http;
mod id;
mod now;
pub mod routes;
mod slip;
pub mod url;
pub mod vnet;

pub use id::{GuestKey, MacAddr, ParseMacError, Vlan};
pub use now::Now;
pub use slip::nearest;
