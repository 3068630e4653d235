//! Testing through the front door: frames in, frames and packets out, and a clock that only the test moves.
//!
//! A [`Lab`] is a whole gateway without a machine under it: the packet path and the engine are joined as the binary
//! joins them, the LAN is a set of [`Guest`]s with inboxes, the TUN device is a list of packets that left, and the
//! source of grants is the test. Nothing runs on its own: each frame is carried to its end before the call returns,
//! and [`Lab::advance`] calls the engine at exactly the moments it asks for. So a test needs no sleeps, and the same
//! test is the same run.
//!
//! A test that fails prints the gateway's guests and counters, and leaves what was on the LAN and on the TUN as two
//! pcap files in `tests/output`.
//!
//! Everything here is for tests: what a guest cannot get is a panic with words, not an error.
#![forbid(unsafe_code)]

pub mod dice;
pub mod dns;
mod guest;
mod lab;
pub mod packet;
mod pcap;
mod slow;
pub mod tcp;

pub use guest::{Guest, Offer};
pub use lab::{ALIAS, GATEWAY, GATEWAY_MAC, LOGOUT, Lab, PORTAL_PORT, Setup};
pub use packet::Seen;
