//! Any bytes as a DNS message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::dns::{self, Message, Rcode};

fuzz_target!(|bytes: &[u8]| {
    assert!(!dns::line(bytes).is_empty());
    let Ok(message) = Message::parse(bytes) else { return };
    let header = message.header();
    let records = usize::from(header.ancount) + usize::from(header.nscount) + usize::from(header.arcount);
    assert_eq!(message.records().count(), records, "what was checked can be walked again");
    for record in message.records() {
        assert!(record.owner.wire_len() <= 255);
        assert!(record.end <= bytes.len());
        let _ = (record.address(), record.cname());
    }
    assert!(message.same_question(&message));
    for made in [
        dns::query(1, &message),
        dns::no_data(&message),
        dns::failure(&message, Rcode::BAD_VERS),
        dns::answer_a(&message, [192, 0, 2, 1].into(), 60),
        dns::relay(&message, &message, 512),
        dns::relay(&message, &message, 40),
    ] {
        let again = Message::parse(&made).expect("what we make can be read");
        assert_eq!(again.question(), message.question());
    }
});
