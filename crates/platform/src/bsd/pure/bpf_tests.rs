use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

use super::super::abi::systems::*;
use super::*;

const OURS: MacAddr = MacAddr([2, 0, 0x5e, 0xff, 0x80, 7]);
const OTHER: MacAddr = MacAddr([2, 0, 0x5e, 0xff, 0x80, 8]);

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
            while let Some(record) = record(abi, bytes, start) {
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

/// True if Linux, which runs the same programs, lets the frame through.
fn passes(program: &[Step], frame: &[u8]) -> bool {
    let (here, there) = UnixDatagram::pair().unwrap();
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: the program lives, its length is told, and its steps have the layout of `sock_filter`.
    let attached = unsafe {
        libc::setsockopt(
            there.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of_val(&program) as libc::socklen_t,
        )
    };
    assert_eq!(attached, 0, "{}", std::io::Error::last_os_error());
    there.set_nonblocking(true).unwrap();
    let sent = here.send(frame);
    sent.is_ok() && there.recv(&mut [0; 64]).is_ok()
}

fn frame(to: MacAddr, from: MacAddr) -> Vec<u8> {
    [&to.0[..], &from.0, &[8, 0], &[0; 20]].concat()
}

#[test]
fn a_step_of_a_filter_lies_in_memory_as_the_kernel_reads_it() {
    assert_eq!(size_of::<Step>(), size_of::<libc::sock_filter>());
    assert_eq!(std::mem::offset_of!(Step, operand), std::mem::offset_of!(libc::sock_filter, k));
}

#[test]
fn frames_to_us_and_to_groups_are_received_and_no_others() {
    let passes = |to| passes(&for_us(OURS), &frame(to, OTHER));
    assert!(passes(OURS));
    assert!(passes(MacAddr([0xff; 6])));
    assert!(passes(MacAddr([1, 0, 0x5e, 0, 0, 1])));
    assert!(!passes(OTHER));
    assert!(!passes(MacAddr([4, 0, 0x5e, 0xff, 0x80, 7])));
    assert!(!super::tests::passes(&for_us(OURS), &OURS.0[..5]));
}

#[test]
fn only_frames_from_us_can_be_sent() {
    let passes = |from| passes(&from_us(OURS), &frame(OTHER, from));
    assert!(passes(OURS));
    assert!(!passes(OTHER));
    assert!(!passes(MacAddr([2, 1, 0x5e, 0xff, 0x80, 7])));
    assert!(!super::tests::passes(&from_us(OURS), &frame(OTHER, OURS)[..11]));
}
