//! Any bytes as a DHCP message. So that the fuzzer gets anywhere, the magic cookie is made right: `flag, message`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::dhcp::{Message, Packet, code};

/// Where the magic cookie stands (RFC 2131, 3).
const COOKIE_AT: usize = 236;

fuzz_target!(|bytes: &[u8]| {
    let Some((flag, message)) = bytes.split_first() else { return };
    let mut message = message.to_vec();
    if let Some(cookie) = message.get_mut(COOKIE_AT..COOKIE_AT + 4).filter(|_| flag & 1 != 0) {
        cookie.copy_from_slice(&[99, 130, 83, 99]);
    }
    assert!(!Packet::describe(&message).to_string().contains('\n'));
    let (view, value) = (Packet::parse(&message), Message::parse(&message));
    assert_eq!(view.is_ok(), value.is_ok(), "one opinion");
    let (Ok(view), Ok(value)) = (view, value) else { return };
    for (code, data) in value.options.iter() {
        let joined = view.option(code).expect("what is listed is found");
        assert!(joined.len() >= data.len());
        let _ = view.address(code);
    }
    let _ = (view.mac(), view.broadcast(), view.message_type());
    let limit = view.reply_limit();
    assert!((548..=65_507).contains(&limit));
    let mut made = Vec::new();
    let left_out = value.emit(&mut made, 65_507);
    let again = Message::parse(&made).expect("what we make can be read");
    if left_out == 0 {
        assert_eq!(again.options, value.options);
    }
    assert_eq!((again.xid, again.chaddr, again.flags), (value.xid, value.chaddr, value.flags));
    let mut small = Vec::new();
    let _ = value.emit(&mut small, limit);
    assert!(small.len() <= limit, "{} octets where {limit} were allowed", small.len());
    // What we make begins with its type, which then is never what finds no room.
    if value.options.iter().next().is_some_and(|(code, _)| code == code::MESSAGE_TYPE) {
        Message::parse(&small).expect("what we make can be read");
    }
});
