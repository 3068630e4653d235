//! Any bytes as messages of the kernel.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let count = platform::fuzz::read_netlink(bytes);
    assert!(count <= bytes.len() / 16, "each message has a header");
});
