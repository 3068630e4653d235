//! Attributes inside attributes: several of a vendor in one, and the extended spaces of RFC 6929 with its examples.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use radius::dictionary::Place;
use radius::value::{Octets, Tag, Text};
use radius::{Attr, Attribute, AttributeList, BuildError, Code, Packet, Reply, View, attr};

/// The space of long attributes that no dictionary has names in.
const LONG: Attr<Octets> = Attr::new(Place::extended(245, 1));
const LONG_OF_VENDOR: Attr<Text> = Attr::new(Place::extended_vendor(245, 1, 4));

fn packet(attributes: Vec<Attribute>) -> Packet {
    Packet { code: Code::AccessAccept, id: 0, authenticator: [0; 16], attributes }
}

fn hex(attributes: &[Attribute]) -> String {
    let bytes = packet(attributes.to_vec()).emit().unwrap();
    bytes[20..].iter().map(|octet| format!("{octet:02x}")).collect()
}

fn raw(number: u8, value: &[u8]) -> Attribute {
    Attribute::bytes(number, value).unwrap()
}

#[test]
fn rfc_6929_section_9_the_examples_of_extended_and_vendor_attributes() {
    let text = |place, value| Attr::<Text>::new(place).of(value).unwrap();
    let tlv = |place, value: &[u8]| Attr::<Octets>::new(place).of(value).unwrap();
    for (written, expected) in [
        (text(Place::extended(241, 1), "bob"), "f10601626f62"),
        (tlv(Place::extended(241, 2).child(1), &[0x23, 0x45]), "f1070201042345"),
        (text(Place::extended(245, 1), "bob"), "f5070100626f62"),
        (text(Place::extended_vendor(241, 1, 4), "test"), "f10c1a000000010474657374"),
        (text(Place::extended_vendor(245, 1, 4), "test"), "f50d1a00000000010474657374"),
    ] {
        assert_eq!(hex(&[written]), expected);
    }
    let both = raw(241, &[2, 1, 4, 0x23, 0x45, 2, 4, 0x67, 0x89]);
    let child = |number| Attr::<Octets>::new(Place::extended(241, 2).child(number));
    assert_eq!(vec![both.clone()].get(child(1)).unwrap(), [0x23, 0x45]);
    assert_eq!(vec![both.clone()].get(child(2)).unwrap(), [0x67, 0x89]);
    assert_eq!(vec![both].get(child(3)), None);
}

#[test]
fn a_long_value_is_spread_over_fragments_and_put_together_again() {
    for octets in [0usize, 1, 251, 252, 502, 503, 3000] {
        let value: Vec<u8> = (0..octets).map(|n| n as u8).collect();
        let mut attributes = vec![attr::CLASS.of(b"before").unwrap()];
        attributes.add(LONG, &value).unwrap();
        let fragments = octets.div_ceil(251).max(1);
        assert_eq!(attributes.len(), 1 + fragments, "{octets} octets");
        let (last, others) = attributes[1..].split_last().unwrap();
        assert!(others.iter().all(|a| a.value().len() == 253 && a.value()[1] == 0x80));
        assert_eq!(last.value()[1], 0);
        attributes.add(attr::STATE, b"after").unwrap();
        let bytes = packet(attributes).emit().unwrap();
        let view = View::parse(&bytes).unwrap();
        assert_eq!(view.get(LONG), Some(value));
        assert_eq!(
            (view.get(attr::CLASS).unwrap(), view.get(attr::STATE).unwrap()),
            (b"before".into(), b"after".into())
        );
    }
    let mut attributes = Vec::new();
    attributes.add(LONG_OF_VENDOR, &"v".repeat(600)).unwrap();
    assert_eq!(attributes.get(LONG_OF_VENDOR).unwrap().len(), 600);
    assert!(LONG.of(&[0; 252]).is_err(), "one attribute has no room for it");
}

#[test]
fn a_fragment_whose_other_part_is_missing_makes_an_accept_invalid_and_hides_nothing_else() {
    let first = raw(245, &[1, 0x80, 7]);
    let other = raw(245, &[2, 0, 7]);
    let after = attr::SESSION_TIMEOUT.of(60).unwrap();
    let short_tlv = raw(241, &[6, 9, 3, 1]);
    let cut_tlv = raw(241, &[6, 9, 6, 1]);
    for broken in [
        vec![short_tlv],
        vec![cut_tlv],
        vec![first.clone()],
        vec![first.clone(), other],
        vec![raw(245, &[1])],
        vec![raw(241, &[])],
    ] {
        let bytes = packet([broken, vec![after.clone()]].concat()).emit().unwrap();
        let view = View::parse(&bytes).unwrap();
        let reply = Reply::new(view);
        assert!(reply.has_invalid_length() && view.has_invalid_length());
        assert_eq!(reply.get(LONG), None);
        assert_eq!(reply.get(attr::SESSION_TIMEOUT), Some(60), "{reply}");
        assert!(reply.to_string().contains("Session-Timeout=60"), "{reply}");
    }
}

#[test]
fn several_attributes_of_a_vendor_may_share_one() {
    let mut value = 14559u32.to_be_bytes().to_vec();
    value.extend([1, 6, 0, 0, 0, 9, 7, 4, b'd', b'e', 4, 6, 0, 0, 1, 0]);
    let shared = vec![raw(26, &value)];
    assert_eq!(shared.get(attr::chillispot::MAX_INPUT_OCTETS), Some(9));
    assert_eq!(shared.get(attr::chillispot::LANG).as_deref(), Some("de"));
    assert_eq!(shared.get(attr::chillispot::BANDWIDTH_MAX_UP), Some(256));
    assert_eq!(
        shared[0].to_string(),
        "ChilliSpot-Max-Input-Octets=9 ChilliSpot-Lang=\"de\" ChilliSpot-Bandwidth-Max-Up=256"
    );

    // A limit that is cut off must not become no limit.
    let cut = raw(26, &value[..value.len() - 1]);
    let accept = |attribute| Reply::new(View::parse(&packet(vec![attribute]).emit().unwrap()).unwrap());
    assert!(accept(cut.clone()).has_invalid_length());
    assert_eq!(cut.to_string(), "Vendor-Specific=<19 octets>");
    // A vendor that we do not know may have a layout of its own.
    let foreign = raw(26, &[0, 0, 0, 9, 250, 1, 2]);
    assert!(!accept(foreign.clone()).has_invalid_length());
    assert_eq!(foreign.to_string(), "Vendor-Specific=<7 octets>");
}

#[test]
fn a_tag_is_read_where_there_is_one_and_a_number_beside_it_has_24_bits() {
    let tag = Tag::new(31).unwrap();
    assert_eq!(Tag::new(32), None);
    let vlan = vec![attr::TUNNEL_PRIVATE_GROUP_ID.of((tag, "20")).unwrap(), raw(81, b"30")];
    assert_eq!(vlan.all(attr::TUNNEL_PRIVATE_GROUP_ID), [(tag, "20".to_owned()), (Tag::NONE, "30".to_owned())]);
    let kind = attr::TUNNEL_TYPE.of((tag, attr::value::tunnel_type::VLAN)).unwrap();
    assert_eq!(kind.to_string(), "Tunnel-Type:31=VLAN");
    assert_eq!(vlan[1].to_string(), "Tunnel-Private-Group-ID=\"30\"");
    let too_long = BuildError::ValueTooLong { attribute: 64, octets: 5 };
    assert_eq!(attr::TUNNEL_TYPE.of((tag, 1 << 24)), Err(too_long));
}

#[test]
fn what_is_not_in_the_dictionary_survives_and_prints_by_number() {
    let unknown = vec![
        raw(200, &[1]),
        Attribute::vendor(14122, 99, b"key").unwrap(),
        raw(241, &[200, 5]),
        raw(246, &[26, 0, 0, 0, 0, 9, 3, 5]),
        raw(241, &[6, 99, 3, 1]),
    ];
    let bytes = packet(unknown.clone()).emit().unwrap();
    let view = View::parse(&bytes).unwrap();
    assert_eq!(view.to_packet().attributes, unknown);
    assert!(!view.has_invalid_length());
    assert_eq!(
        view.to_string(),
        "Access-Accept id 0 Attr-200=0x01 Attr-26.14122.99=<hidden> Attr-241.200=0x05 Attr-246.26.9.3=<hidden> \
         IP-Port-Range={ Attr-241.6.99=0x01 }"
    );
}
