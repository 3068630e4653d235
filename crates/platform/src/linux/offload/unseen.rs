//! Programs that look at nothing, in the place of ours: what they reach is the most that programs there can reach. For
//! the load tester.

use wire::MacAddr;

use super::LICENSE;
use super::bpf::{Program, ProgramKind};
use super::tc::{Hook, TrafficControl};
use crate::{Error, Interface, Result};

/// `BPF_FUNC_...` of <linux/bpf.h>.
const SKB_STORE_BYTES: u32 = 9;
const REDIRECT: u32 = 23;
const SKB_CHANGE_TYPE: u32 = 32;
const SKB_CHANGE_HEAD: u32 = 43;

const ETH_LEN: u32 = 14;
const TO_INGRESS: u32 = 1;
/// `PACKET_HOST`: for us, whatever the frame's address says.
const FOR_US: u32 = 0;

/// Sends on what comes in on the LAN as if it came from the TUN, and what leaves by the TUN to `station` on the LAN, in
/// place of programs of ours that hang there.
pub(in super::super) fn send_on(lan: &Interface, tun: &Interface, station: MacAddr) -> Result<()> {
    let mut tc = TrafficControl::open()?;
    for (name, interface, hook, code) in
        [("unseen_up", lan, Hook::Ingress, up(tun.index)), ("unseen_down", tun, Hook::Egress, down(lan, station))]
    {
        let program = Program::load(name, ProgramKind::Classifier, LICENSE, &code)
            .map_err(|e| Error::kernel(format!("load the program {name:?}"), e))?;
        tc.add_place(interface.index)?;
        tc.attach(interface.index, hook, program.fd())?;
    }
    Ok(())
}

fn up(tun: u32) -> Vec<u64> {
    let mut code = vec![set(2, FOR_US), call(SKB_CHANGE_TYPE)];
    code.extend([set(1, tun), set(2, TO_INGRESS), call(REDIRECT), EXIT]);
    code
}

fn down(lan: &Interface, station: MacAddr) -> Vec<u64> {
    let mut header = [0; 16];
    header[..6].copy_from_slice(&station.0);
    header[6..12].copy_from_slice(&lan.mac.0);
    header[12..14].copy_from_slice(&[8, 0]); // IPv4
    let mut code = vec![copy(6, 1), set(2, ETH_LEN), set(3, 0), call(SKB_CHANGE_HEAD)];
    for (n, word) in header.chunks_exact(4).enumerate() {
        let word = u32::from_ne_bytes(word.try_into().expect("four octets"));
        code.push(store(4 * n as i16 - header.len() as i16, word));
    }
    code.extend([copy(1, 6), set(2, 0), copy(3, STACK), add(3, -(header.len() as i32)), set(4, ETH_LEN), set(5, 0)]);
    code.extend([call(SKB_STORE_BYTES), set(1, lan.index), set(2, 0), call(REDIRECT), EXIT]);
    code
}

/// The register that points behind the stack.
const STACK: u8 = 10;
/// `r0` is the result.
const EXIT: u64 = instruction(0x95, 0, 0, 0, 0);

/// `BPF_MOV | BPF_K`
const fn set(register: u8, value: u32) -> u64 {
    instruction(0xb7, register, 0, 0, value)
}

/// `BPF_MOV | BPF_X`
const fn copy(to: u8, from: u8) -> u64 {
    instruction(0xbf, to, from, 0, 0)
}

/// `BPF_ADD | BPF_K`
const fn add(register: u8, value: i32) -> u64 {
    instruction(0x07, register, 0, 0, value.cast_unsigned())
}

/// `BPF_ST | BPF_MEM | BPF_W`, on the stack.
const fn store(at: i16, word: u32) -> u64 {
    instruction(0x62, STACK, 0, at, word)
}

const fn call(helper: u32) -> u64 {
    instruction(0x85, 0, 0, 0, helper)
}

/// `struct bpf_insn` on a little-endian machine.
const fn instruction(code: u8, to: u8, from: u8, offset: i16, immediate: u32) -> u64 {
    code as u64
        | (to as u64) << 8
        | (from as u64) << 12
        | (offset.cast_unsigned() as u64) << 16
        | (immediate as u64) << 32
}
