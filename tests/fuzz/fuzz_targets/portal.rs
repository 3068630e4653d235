//! What a browser sends: `which (1)`, then a form, an address, header fields or a server's words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poblano_fuzz::Input;
use portal::fuzz::{form_field, is_own_form, tidy};
use wire::url::{WebUrl, percent_encoded};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    match input.u8() % 4 {
        0 => {
            let name = form_field(input.rest(), "name");
            assert!(name.is_none_or(|name| name.len() <= bytes.len()));
        }
        1 => {
            let text = String::from_utf8_lossy(input.rest());
            let form = [b"url=", &*percent_encoded(&text).flatten().copied().collect::<Vec<u8>>()].concat();
            assert_eq!(form_field(&form, "url").as_deref(), Some(&*text), "what is encoded can be decoded");
            if let Some(url) = WebUrl::parse(&text) {
                let (url, host) = (url.as_str(), url.authority());
                assert!(!url.contains(['"', '<', '>', '\\', ' ', '\r', '\n']) && url.is_ascii());
                assert!(!host.is_empty() && !host.contains(['@', '/', '?', '#']));
            }
        }
        2 => {
            let (host, origin) = (input.short(), input.rest());
            let own = is_own_form(host, origin);
            let said = String::from_utf8_lossy(origin).to_ascii_lowercase();
            let ours = String::from_utf8_lossy(host).to_ascii_lowercase();
            // A field that cannot be sent is not there, and a form without Origin is a simple program's.
            if own && can_be_sent(origin) && can_be_sent(host) {
                assert!(
                    said.split_once("://").is_some_and(|(_, rest)| rest.starts_with(&ours)),
                    "{said:?} for {ours:?}"
                );
            }
        }
        _ => assert!(!tidy(&String::from_utf8_lossy(input.rest())).contains(char::is_control)),
    }
});

/// True if the octets can be a header field's value (RFC 9110, 5.5).
fn can_be_sent(octets: &[u8]) -> bool {
    octets.iter().all(|&octet| octet == b'\t' || (octet >= b' ' && octet != 0x7f))
}
