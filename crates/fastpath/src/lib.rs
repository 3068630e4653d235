//! The packet path. A packet is parsed, classified by looking up facts, judged by a pure function, and
//! the verdict is applied: counted, rewritten, sent. Nothing on this path locks, allocates or waits.
#![forbid(unsafe_code)]

mod answer;
mod checksum;
pub mod counters;
mod facts;
pub mod garden;
mod join;
pub mod meter;
pub mod mirror;
pub mod pacer;
pub mod pipeline;
pub mod police;
pub mod port;
pub mod pump;
pub mod redirect;
mod reject;
pub mod session;
pub mod shape;
mod siphash;
pub mod slow;
pub mod table;
mod translate;
pub mod verdict;
