use super::*;

const FREEBSD: Abi = Abi { os: Os::Free, word: 8, time: 8 };
const FREEBSD_I386: Abi = Abi { os: Os::Free, word: 4, time: 4 };
const FREEBSD_ARMV7: Abi = Abi { os: Os::Free, word: 4, time: 8 };
const NETBSD: Abi = Abi { os: Os::Net, word: 8, time: 8 };
const OPENBSD: Abi = Abi { os: Os::Open, word: 8, time: 8 };
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
fn request_numbers_are_those_of_the_headers() {
    let numbers = |abi: Abi| {
        [
            abi.siocaifaddr(),
            abi.siocdifaddr(),
            abi.siocgifflags(),
            abi.siocsifflags(),
            abi.siocgifmtu(),
            abi.siocsifmtu(),
            abi.siocifdestroy(),
            abi.biocsetif(),
            abi.biocsdirection(),
            abi.tunsifhead().unwrap_or(0),
            abi.tunsifmode().unwrap_or(0),
        ]
    };
    #[rustfmt::skip]
    let golden = [
        (FREEBSD, [0x8044692b, 0x80206919, 0xc0206911, 0x80206910, 0xc0206933, 0x80206934, 0x80206979, 0x8020426c,
            0x80044277, 0x80047460, 0x8004745e]),
        (NETBSD, [0x8040691a, 0x80906919, 0xc0906911, 0x80906910, 0xc090697e, 0x8090697f, 0x80906979, 0x8090426c,
            0x80044279, 0x80047442, 0x80047458]),
        (OPENBSD, [0x8040691a, 0x80206919, 0xc0206911, 0x80206910, 0xc020697e, 0x8020697f, 0x80206979, 0x8020426c,
            0x8004427d, 0, 0]),
    ];
    for (abi, wanted) in golden {
        assert_eq!(numbers(abi), wanted, "{abi:?}");
    }
    let others = |abi: Abi| (abi.af_inet6(), abi.pf_route(), abi.incoming_only());
    assert_eq!([FREEBSD, NETBSD, OPENBSD].map(others), [(28, 17, 0), (24, 34, 0), (24, 17, 2)]);
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
fn frames_are_found_in_what_bpf_gives_and_a_cut_ends_the_walk() {
    for abi in [FREEBSD, FREEBSD_I386, FREEBSD_ARMV7, NETBSD, OPENBSD] {
        let (at, align) = (abi.bpf_caplen_at(), abi.bpf_alignment());
        let header = (at + 10).next_multiple_of(align);
        let mut bytes = Vec::new();
        for (captured, on_wire) in [(60u32, 60u32), (1, 1), (100, 2000), (1514, 1514)] {
            let start = bytes.len();
            bytes.resize(start + at, 0);
            bytes.extend(captured.to_ne_bytes());
            bytes.extend(on_wire.to_ne_bytes());
            bytes.extend((header as u16).to_ne_bytes());
            bytes.resize(start + header, 0);
            bytes.extend(vec![captured as u8; captured as usize]);
            bytes.resize(bytes.len().next_multiple_of(align), 0);
        }
        let walk = |bytes: &[u8]| {
            let mut start = 0;
            let mut found = Vec::new();
            while let Some(record) = bpf_record(abi, bytes, start) {
                assert!(record.next > start);
                found.push((bytes[record.frame.clone()].len(), record.whole));
                start = record.next;
            }
            found
        };
        assert_eq!(walk(&bytes), [(60, true), (1, true), (100, false), (1514, true)]);
        for cut in 0..bytes.len() {
            assert!(walk(&bytes[..cut]).len() <= 4);
        }
        for at in 0..header {
            for value in [0, 1, 0x7f, 0xff] {
                let mut lying = bytes.clone();
                lying[at] = value;
                walk(&lying);
            }
        }
    }
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
