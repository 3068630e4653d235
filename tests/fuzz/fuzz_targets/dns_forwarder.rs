//! A guest's query, then a resolver's answer: `length of the query (2), flags (1), query, answer`. So that the
//! fuzzer gets anywhere, the answer's identifier is made right.
#![no_main]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use engine::dns::{Action, Asker, Config, Forwarder, ReturnPath};
use libfuzzer_sys::fuzz_target;
use wire::dns::Message;
use wire::{GuestKey, MacAddr, Now, Vlan};

fuzz_target!(|bytes: &[u8]| {
    let Some((&[high, low, flags], rest)) = bytes.split_first_chunk() else { return };
    let (query, answer) = rest.split_at(rest.len().min(usize::from(u16::from_be_bytes([high, low]))));
    let config = Config {
        resolvers: vec!["192.0.2.53:53".parse().expect("an address")],
        own_names: vec![("wifi.internal".parse().expect("a name"), Ipv4Addr::new(10, 1, 0, 1))],
        ..Config::default()
    };
    let mut forwarder = Forwarder::new(config, [0; 32]);
    // The garden is the whole of a domain of one letter, which a fuzzer finds.
    forwarder.open_name(".a".parse().expect("a pattern"));
    forwarder.open_name("a".parse().expect("a pattern"));
    let asker = Asker { address: Ipv4Addr::new(10, 1, 0, 2), authorised: flags & 1 != 0 };
    let path = ReturnPath {
        key: GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, 0, 1]) },
        guest: SocketAddrV4::new(asker.address, 40_000),
        server: SocketAddrV4::new(Ipv4Addr::new(8, 8, 8, 8), 53),
    };
    let now = Now { mono: Duration::ZERO, unix: Duration::ZERO };
    match forwarder.handle_query(now, asker, path, query) {
        Action::Answer(payload) => assert!(payload.len() == 12 || Message::parse(&payload).is_ok()),
        Action::Drop(_) => {}
        Action::Forward(forward) => {
            assert!(Message::parse(&forward.payload).is_ok());
            let mut answer = answer.to_vec();
            if let Some(id) = answer.get_mut(..2) {
                id.copy_from_slice(&forward.payload[..2]);
            }
            let Some(delivery) = forwarder.handle_answer(now, forward.token, forward.resolver, &answer) else {
                let later = now.plus(Duration::from_secs(5));
                assert_eq!(forwarder.handle_timeout(later).len(), 1, "it fails once");
                assert_eq!(forwarder.outstanding(), 0);
                return;
            };
            assert!(delivery.payload.len() <= 1232);
            assert_eq!(delivery.payload[..2], query[..2], "the guest's identifier");
            let made = Message::parse(&delivery.payload).expect("what we deliver can be read");
            let asked = Message::parse(query).expect("what we forward was read");
            assert_eq!(made.question(), asked.question());
            for opening in delivery.garden {
                let (address, prefix) = opening.entry.network.parts();
                assert_eq!(prefix, 32);
                assert!(!address.is_private() && !address.is_loopback() && !address.is_multicast());
                assert!(!address.is_unspecified() && !address.is_link_local() && !address.is_broadcast());
            }
        }
    }
});
