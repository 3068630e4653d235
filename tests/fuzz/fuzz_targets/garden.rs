//! Any text as an entry of the walled garden, from an operator or a RADIUS server: what it is printed as means the same.
#![no_main]

use config::GardenEntry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(entry) = text.parse::<GardenEntry>() else { return };
    assert_eq!(entry.to_string().parse().as_ref(), Ok(&entry));
    assert_ne!(entry.port, Some(0));
    assert_ne!(entry.protocol, Some(0));
});
