//! The slow path and the life of a session. Told the time, opens nothing.
#![forbid(unsafe_code)]

pub mod arp;
pub mod dhcp;
pub mod dns;
