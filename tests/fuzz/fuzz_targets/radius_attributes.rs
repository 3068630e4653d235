//! Attributes of a packet: `number, length, value` again and again. Reading what is inside them, putting fragments
//! together and hiding secrets anew must do no harm, and what was read must be written again as the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poblano_fuzz::Input;
use radius::dictionary::{Place, entries, lookup};
use radius::hide::{self, Hop};
use radius::mschap::{Failure, Response};
use radius::value::Octets;
use radius::{Attr, Attribute, AttributeList, Code, Packet, Secret, View, attr};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let mut attributes = Vec::new();
    while !input.is_empty() {
        let number = input.u8();
        let value = input.short();
        attributes.push(Attribute::bytes(number, &value[..value.len().min(253)]).expect("it is short"));
    }
    let packet = Packet { code: Code::AccessAccept, id: 0, authenticator: [0; 16], attributes };
    let Ok(bytes) = packet.emit() else { return };
    let view = View::parse(&bytes).expect("what was written can be read");
    let printed = view.to_string();
    assert!(!printed.contains('\n'));

    let mut octets = 0;
    for item in view.items() {
        octets += item.value.len();
        if item.whole && item.place != Place::standard(26) {
            let mut again = Vec::new();
            again.add(Attr::<Octets>::new(item.place), &item.value).expect("it was in a packet");
            assert_eq!(again.get(Attr::<Octets>::new(item.place)).as_deref(), Some(&*item.value), "{}", item.place);
        }
    }
    assert!(octets <= bytes.len(), "items are no larger than the packet");

    if let Some(eap) = view.get(attr::EAP_MESSAGE) {
        let mut again = Vec::new();
        again.add(attr::EAP_MESSAGE, &eap).expect("it was in a packet");
        assert_eq!(again.get(attr::EAP_MESSAGE), Some(eap));
    }
    let _ = (view.all(attr::TUNNEL_TYPE), view.all(attr::TUNNEL_PRIVATE_GROUP_ID), view.all(attr::FRAMED_IPV6_PREFIX));
    let _ = (view.get(attr::IP_PORT_RANGE_LOCAL_ID), view.get(attr::EVENT_TIMESTAMP), view.has_invalid_length());
    let _ = view.get(attr::microsoft::MS_CHAP_ERROR).and_then(|error| Failure::parse(&error));
    if let Some(response) = view.get(attr::microsoft::MS_CHAP2_RESPONSE) {
        if let Some(read) = Response::from_octets([0; 16], &response) {
            // Eight octets are reserved, and written as zeros.
            assert_eq!((&read.octets()[..18], &read.octets()[26..]), (&response[..18], &response[26..]));
        }
    }

    let (ours, theirs) = (Secret::new(*b"ours"), Secret::new(*b"theirs"));
    let from = Hop { secret: &ours, request_authenticator: &[1; 16] };
    let to = Hop { secret: &theirs, request_authenticator: &[2; 16] };
    if let Ok(hidden) = hide::anew(&packet.attributes, from, to, [0, 0]) {
        let back = hide::anew(&hidden, to, from, [0, 0]).expect("what we hid can be read");
        let secret = |place| lookup(place).is_some_and(|entry| entry.flags.encrypt != 0);
        let open = |all: &Vec<Attribute>| -> Vec<Vec<u8>> {
            entries().iter().filter(|e| !secret(e.place)).flat_map(|e| all.all(Attr::<Octets>::new(e.place))).collect()
        };
        assert_eq!(open(&back), open(&packet.attributes), "what is not hidden stays as it is");
    }
});
