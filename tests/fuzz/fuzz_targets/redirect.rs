//! A visit to a web server before login: `closes early (1)`, `length (1)` and octets of the request, then how the client
//! cuts it into segments, and what the network loses, repeats and reorders.
#![no_main]

use std::net::{Ipv4Addr, SocketAddrV4};

use libfuzzer_sys::fuzz_target;
use poblano_fuzz::Input;
use testkit::tcp::{Visit, visit};
use testkit::{Lab, Setup};

const WEB: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 9), 80);

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let closes_early = input.u8() & 1 == 1;
    let request = input.short();
    let mut lab = Lab::new(Setup { guests: 1, ..Setup::default() });
    let phone = lab.guest("phone");
    phone.dhcp(&mut lab);
    let what = Visit { port: 40_000, to: WEB, request, closes_early: closes_early || request.is_empty() };
    let page = visit(&mut lab, phone, &what, &mut |bound| usize::from(input.u16()) % bound);
    assert!(lab.internet().is_empty(), "nothing gets out");
    if request.is_empty() {
        assert!(page.is_empty(), "nothing was asked for");
        return;
    }
    let page = String::from_utf8(page).expect("a page is text");
    let (head, body) = page.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 302 Found\r\nLocation: http://10.1.0.1:3990/"), "{head}");
    assert_eq!(head.lines().count(), 6, "no field is the guest's: {head}");
    assert!(body.is_empty() || body == "Please go to http://10.1.0.1:3990/\n");
});
