//! A dictionary, which may include itself: no panic and no end that does not come; each mistake is one line, at a place
//! that is in the file; each attribute has a place of its own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use radius::dictionary::file::parse;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut reads = 0;
    let mut read = |_: &str| {
        reads += 1;
        // Deep enough; a real directory has no more files than that.
        if reads > 50 { Err("too many".to_owned()) } else { Ok(text.to_owned()) }
    };
    match parse("dictionary", &mut read) {
        Ok(dictionary) => {
            let places: Vec<_> = dictionary.attributes.iter().map(|attribute| attribute.place).collect();
            assert!(places.is_sorted_by(|one, next| one < next));
        }
        Err(error) => {
            assert!(error.line <= text.lines().count());
            assert!(!error.to_string().contains('\n'));
        }
    }
});
