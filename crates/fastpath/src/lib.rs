//! The packet path. A packet is parsed, classified by looking up facts, judged by a pure function, and
//! the verdict is applied: counted, rewritten, sent. Nothing on this path locks, allocates or waits.
#![forbid(unsafe_code)]

pub mod garden;
pub mod port;
