//! The binary: start-up in one readable order.
fn main() {}
