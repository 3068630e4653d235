//! Frames in what bpf(4) gives, and which frames it may give and take.

use std::ops::Range;

use wire::MacAddr;

use super::abi::Abi;

/// One record in what was read from a bpf descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where its frame is.
    pub(crate) frame: Range<usize>,
    /// The frame was not cut.
    pub(crate) whole: bool,
    /// Where the next record begins; may be beyond the end.
    pub(crate) next: usize,
}

/// The record at `start`; `None` at the end, and if it is cut short.
pub(crate) fn record(abi: Abi, bytes: &[u8], start: usize) -> Option<Record> {
    let at = abi.bpf_caplen_at();
    let record = bytes.get(start..)?;
    let lengths = record.get(at..at + 10)?;
    let word = |i: usize| u32::from_ne_bytes([lengths[i], lengths[i + 1], lengths[i + 2], lengths[i + 3]]);
    let (captured, on_wire) = (word(0), word(4));
    let header = usize::from(u16::from_ne_bytes([lengths[8], lengths[9]]));
    let end = header.checked_add(captured as usize)?;
    // A header that ends before its own lengths would let the walk stand still.
    if header < at + 10 || end > record.len() {
        return None;
    }
    Some(Record {
        frame: start + header..start + end,
        whole: captured == on_wire,
        next: start + end.next_multiple_of(abi.bpf_alignment()),
    })
}

/// One step of a filter, as `struct bpf_insn` lies in memory; every system has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Step {
    pub(crate) code: u16,
    pub(crate) jump_if_true: u8,
    pub(crate) jump_if_false: u8,
    pub(crate) operand: u32,
}

/// BPF_LD | BPF_ABS with BPF_B, BPF_H and BPF_W; BPF_JMP | BPF_K with BPF_JEQ and BPF_JSET; BPF_RET | BPF_K.
pub(crate) const LOAD_OCTET: u16 = 0x30;
pub(crate) const LOAD_HALF: u16 = 0x28;
pub(crate) const LOAD_WORD: u16 = 0x20;
pub(crate) const JUMP_EQUAL: u16 = 0x15;
pub(crate) const JUMP_SET: u16 = 0x45;
pub(crate) const RETURN: u16 = 0x06;

/// Frames to us and to groups: so that a promiscuous interface or a flooding switch costs no copy.
pub(crate) fn for_us(mac: MacAddr) -> [Step; 8] {
    let (first, last) = halves(mac);
    [
        step(LOAD_OCTET, 0, 0, 0),
        // The group bit.
        step(JUMP_SET, 4, 0, 1),
        step(LOAD_WORD, 0, 0, 2),
        step(JUMP_EQUAL, 0, 3, last),
        step(LOAD_HALF, 0, 0, 0),
        step(JUMP_EQUAL, 0, 1, first),
        step(RETURN, 0, 0, u32::MAX),
        step(RETURN, 0, 0, 0),
    ]
}

/// Frames from us: who gets hold of the descriptor cannot be another station with it.
pub(crate) fn from_us(mac: MacAddr) -> [Step; 6] {
    let (first, last) = halves(mac);
    [
        step(LOAD_WORD, 0, 0, 8),
        step(JUMP_EQUAL, 0, 3, last),
        step(LOAD_HALF, 0, 0, 6),
        step(JUMP_EQUAL, 0, 1, first),
        step(RETURN, 0, 0, u32::MAX),
        step(RETURN, 0, 0, 0),
    ]
}

fn halves(MacAddr([a, b, c, d, e, f]): MacAddr) -> (u32, u32) {
    (u32::from(u16::from_be_bytes([a, b])), u32::from_be_bytes([c, d, e, f]))
}

const fn step(code: u16, jump_if_true: u8, jump_if_false: u8, operand: u32) -> Step {
    Step { code, jump_if_true, jump_if_false, operand }
}

#[cfg(test)]
#[path = "bpf_tests.rs"]
mod tests;
