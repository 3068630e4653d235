//! The slow path and the life of a session. Told the time, opens nothing.
#![forbid(unsafe_code)]

pub mod arp;
mod attempts;
pub mod changes;
pub mod devices;
pub mod dhcp;
pub mod dns;
pub mod garden;
pub mod gateway;
pub mod session;
pub mod watch;

pub use gateway::Engine;
