//! The demonstration's ground: network namespaces without being root. A program of its own, because a user namespace
//! can be entered only before there are threads.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "in a test an error is a failure, and a skip is told")]

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use platform::netns::{Netns, become_root};
use platform::{Host, System, TunMode, TunSpec, Waker};

/// Runs the program as nobody, with a /dev/net/tun that is open to all, as udev makes it and not every container has it.
const AS_NOBODY: &str = "mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200
    exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\"";
const CHILD: &str = "POBLANO_TEST_CHILD";

fn main() {
    if std::env::var_os(CHILD).is_some() {
        return a_user_without_rights_builds_a_network_of_its_own();
    }
    let program = std::env::current_exe().unwrap();
    let user = std::fs::metadata("/proc/self").unwrap().uid();
    let mut command = Command::new(&program);
    if user == 0 {
        command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", AS_NOBODY]).arg(&program);
    }
    assert!(command.env(CHILD, "1").status().unwrap().success());
}

fn a_user_without_rights_builds_a_network_of_its_own() {
    if let Err(e) = become_root() {
        assert!(std::env::var_os("POBLANO_REQUIRE_ROOT").is_none(), "{e}");
        println!("SKIPPED, nothing was tested: {e}");
        return;
    }
    let (gateway, guest) = (Netns::new().unwrap(), Netns::new().unwrap());
    gateway.cable("lan0", None, &guest, "eth0", None).unwrap();
    gateway.cable("wan0", None, &guest, "eth1", None).unwrap();
    let here = Ipv4Addr::new(192, 0, 2, 1);
    gateway.add_address("wan0", here, 24).unwrap();
    guest.add_address("eth1", Ipv4Addr::new(192, 0, 2, 2), 24).unwrap();
    let listener = gateway.run(|| TcpListener::bind((here, 80)).unwrap()).unwrap();
    guest.run(|| TcpStream::connect(listener.local_addr().unwrap()).unwrap()).unwrap();
    gateway
        .run(|| {
            let waker = Waker::new().unwrap();
            let mut host = Host::new();
            host.lock_lans(&["lan0"]).unwrap();
            host.open_lan("lan0", &waker).unwrap();
            let address = Ipv4Addr::new(10, 1, 0, 1);
            let tun = TunSpec {
                lan: "lan0".into(),
                name: "poblano0".into(),
                mode: TunMode::Tun,
                mtu: 1500,
                address,
                prefix: 16,
                routes: vec![],
            };
            host.create_tun(&tun, &waker).unwrap();
            host.undo().unwrap();
        })
        .unwrap();
    println!("a_user_without_rights_builds_a_network_of_its_own ... ok");
}
