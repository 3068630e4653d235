//! The compiled programs: from the ELF object that is part of ours to instructions with maps in their places.
//!
//! The object is ours, so this reads what our compiler writes and refuses all else; a test reads it as shipped.

use std::os::fd::{AsRawFd, BorrowedFd};

/// `bpf/offload.c`, compiled; `make -C crates/platform/bpf`.
static OBJECT: &[u8] = include_bytes!("../../../bpf/offload.o");

const SECTION_LEN: usize = 64;
const SYMBOL_LEN: usize = 24;
const RELOCATION_LEN: usize = 16;
const SYMTAB: u32 = 2;
/// `R_BPF_64_64`: the address of a map, in an instruction of 16 octets.
const MAP_ADDRESS: u32 = 1;
/// `BPF_PSEUDO_MAP_FD`: the instruction's number is a descriptor.
const IS_MAP_FD: u64 = 1 << 12;

/// The instructions of the program called `name`, with `map` asked for each map that they name. `None` if the object
/// is not what we think.
pub(super) fn program<'m>(name: &str, map: impl Fn(&str) -> Option<BorrowedFd<'m>>) -> Option<Vec<u64>> {
    let sections = sections()?;
    let at = sections.iter().position(|s| text(s.name_at).is_some_and(|n| n.strip_prefix("program.") == Some(name)))?;
    let mut code: Vec<u64> = sections[at].bytes()?.chunks_exact(8).map(|b| number(b, 0, 8)).collect::<Option<_>>()?;
    let symtab = sections.iter().find(|s| s.kind == SYMTAB)?;
    let symbol_name = |index: usize| {
        let symbol = symtab.bytes()?.get(index * SYMBOL_LEN..)?;
        text(number(symbol, 0, 4)? as usize)
    };
    for relocations in sections.iter().filter(|s| s.kind == 9 && s.info as usize == at) {
        for entry in relocations.bytes()?.chunks_exact(RELOCATION_LEN) {
            let (offset, info) = (number(entry, 0, 8)? as usize, number(entry, 8, 8)?);
            if info as u32 != MAP_ADDRESS {
                return None;
            }
            let fd = map(symbol_name((info >> 32) as usize)?)?.as_raw_fd();
            let [low, high] = code.get_mut(offset / 8..)?.first_chunk_mut::<2>()?;
            *low = *low & 0xffff_0fff | IS_MAP_FD | u64::from(fd.cast_unsigned()) << 32;
            *high &= 0xffff_ffff;
        }
    }
    Some(code)
}

struct Section {
    name_at: usize,
    kind: u32,
    offset: usize,
    len: usize,
    info: u32,
}

impl Section {
    fn bytes(&self) -> Option<&'static [u8]> {
        OBJECT.get(self.offset..self.offset + self.len)
    }
}

fn sections() -> Option<Vec<Section>> {
    let (table, count) = (number(OBJECT, 40, 8)? as usize, number(OBJECT, 60, 2)? as usize);
    let section = |n: usize| {
        let header = OBJECT.get(table + n * SECTION_LEN..)?;
        Some(Section {
            name_at: number(header, 0, 4)? as usize,
            kind: number(header, 4, 4)? as u32,
            offset: number(header, 24, 8)? as usize,
            len: number(header, 32, 8)? as usize,
            info: number(header, 44, 4)? as u32,
        })
    };
    (0..count).map(section).collect()
}

/// A name in the table of names, which sections and symbols share.
fn text(at: usize) -> Option<&'static str> {
    let index = number(OBJECT, 62, 2)? as usize;
    let header = OBJECT.get(number(OBJECT, 40, 8)? as usize + index * SECTION_LEN..)?;
    let names = OBJECT.get(number(header, 24, 8)? as usize..)?;
    let name = names.get(at..)?.split(|&b| b == 0).next()?;
    std::str::from_utf8(name).ok()
}

/// A little-endian number of `len` octets.
fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    Some(bytes.get(at..at + len)?.iter().rev().fold(0, |number, &octet| number << 8 | u64::from(octet)))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn the_shipped_object_has_the_three_programs_and_names_their_maps() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let names = RefCell::new(BTreeSet::new());
        for name in ["filter", "up", "down"] {
            let code = program(name, |map| {
                names.borrow_mut().insert(map.to_owned());
                Some(file.as_fd())
            });
            assert!(code.unwrap().len() > 100, "{name}");
        }
        let all = ["counters", "guests", "meters", "scratch", "settings"];
        assert!(names.borrow().iter().eq(all), "{names:?}");
        assert_eq!(program("filter", |_| None), None, "a map that is not there");
        assert_eq!(program("nothing", |_| Some(file.as_fd())), None);
    }
}
