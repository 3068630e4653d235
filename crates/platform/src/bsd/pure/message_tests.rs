use super::super::abi::systems::*;
use super::*;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// What a C compiler made of the same requests with each system's own headers.
const IMAGES: [(Abi, &str); 4] = [
    (FREEBSD, include_str!("images/freebsd14-x86_64.txt")),
    (FREEBSD_I386, include_str!("images/freebsd14-i386.txt")),
    (NETBSD, include_str!("images/netbsd10-x86_64.txt")),
    (OPENBSD, include_str!("images/openbsd-x86_64.txt")),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn requests_are_encoded_as_the_c_compiler_does() {
    let address = Ipv4Addr::new(10, 1, 0, 1);
    for (abi, image) in IMAGES {
        assert_eq!(image.lines().count(), 5);
        for line in image.lines() {
            let (what, wanted) = line.split_once(' ').unwrap();
            let bytes = match what {
                "in_aliasreq_p2p" => abi.in_aliasreq("tun0", address, Some(address), 24).unwrap(),
                "ifreq_flags_up" => abi.ifreq_flags("em0", 0x41).unwrap(),
                "ifreq_mtu" => abi.ifreq_mtu("tun0", 1420).unwrap(),
                "route_default" => abi.route(RTM_ADD, 7, Ipv4Addr::UNSPECIFIED, 0, Via::Gateway(GATEWAY)),
                "route_onlink" => abi.route(RTM_ADD, 8, GATEWAY, 32, Via::Interface(3)),
                other => panic!("what is {other}?"),
            };
            assert_eq!(hex(&bytes), wanted, "{abi:?} {what}");
        }
    }
}

#[test]
fn an_address_is_removed_by_name_and_address() {
    let bytes = FREEBSD.ifreq_address("tun0", GATEWAY).unwrap();
    assert_eq!(hex(&bytes), "74756e30000000000000000000000000 1002 0000 c0000201 0000000000000000".replace(' ', ""));
    let deleting = FREEBSD.route(RTM_DELETE, 1, GATEWAY, 32, Via::Interface(3));
    let adding = FREEBSD.route(RTM_ADD, 1, GATEWAY, 32, Via::Interface(3));
    assert_eq!((deleting[3], &deleting[4..]), (2, &adding[4..]));
}

#[test]
fn names_that_do_not_fit_are_refused() {
    assert!(FREEBSD.ifreq("").is_none());
    assert!(FREEBSD.ifreq("a\0b").is_none());
    assert!(FREEBSD.ifreq("sixteen_letters_").is_none());
    assert!(FREEBSD.ifreq("fifteen_letters").is_some());
}

#[test]
fn the_default_route_is_found_among_others() {
    for abi in [FREEBSD, FREEBSD_I386, NETBSD, OPENBSD] {
        let mut table = abi.route(RTM_ADD, 1, Ipv4Addr::new(10, 0, 0, 0), 8, Via::Interface(3));
        table.extend(abi.route(RTM_ADD, 1, GATEWAY, 32, Via::Interface(4)));
        assert_eq!(default_route(abi, &table), None);
        let mut default = abi.route(RTM_ADD, 1, Ipv4Addr::UNSPECIFIED, 0, Via::Gateway(GATEWAY));
        let index_at = if abi.os == Os::Open { 6 } else { 4 };
        default[index_at..index_at + 2].copy_from_slice(&5u16.to_ne_bytes());
        table.extend(default);
        assert_eq!(default_route(abi, &table), Some((5, Some(GATEWAY))), "{abi:?}");
        for cut in 0..table.len() {
            assert_eq!(default_route(abi, &table[..cut]), None);
        }
        let whole = table.clone();
        for at in 0..whole.len() {
            table.clone_from(&whole);
            table[at] ^= 0xff;
            let _ = default_route(abi, &table);
        }
    }
}

#[test]
fn an_interfaces_ethernet_address_is_found() {
    let mut bytes = FREEBSD.sockaddr_dl(3);
    bytes[4..8].copy_from_slice(&[6, 3, 6, 0]);
    bytes[8..11].copy_from_slice(b"em0");
    bytes[11..17].copy_from_slice(&[2, 0, 0, 0, 0, 7]);
    assert_eq!(link_address(&bytes), Some((3, 6, Some([2, 0, 0, 0, 0, 7]))));
    assert_eq!(link_address(&bytes[..16]), Some((3, 6, None)));
    assert_eq!(link_address(&bytes[..7]), None);
}

#[test]
fn a_mask_is_read_with_and_without_its_zeros() {
    for (octets, prefix) in [(&[255, 255, 240, 0][..], 20), (&[255, 255, 240], 20), (&[255; 4], 32), (&[], 0)] {
        assert_eq!(prefix_of(&[&[0; 4], octets].concat()), prefix);
    }
    assert_eq!(prefix_of(&[]), 0);
}
