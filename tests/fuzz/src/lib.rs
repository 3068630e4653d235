//! What the targets have in common: taking values off the fuzzer's bytes.
#![forbid(unsafe_code)]

use std::net::Ipv4Addr;
use std::time::Duration;

use wire::Now;

/// Bytes that values are taken from; at the end all values are zero.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The fuzzer's bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// True if nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As many octets as are left, at most `count`.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// A fixed number of octets.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.bytes(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// An octet.
    pub fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// Two octets.
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    /// An octet's length and so many octets.
    pub fn short(&mut self) -> &'a [u8] {
        let len = self.u8();
        self.bytes(usize::from(len))
    }

    /// One of `choices`, which are not none.
    pub fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.u8()) % choices.len()]
    }

    /// An address: one of `known`, or any.
    pub fn address(&mut self, known: &[Ipv4Addr]) -> Ipv4Addr {
        match known.get(usize::from(self.u8()) % (known.len() + 1)) {
            Some(address) => *address,
            None => Ipv4Addr::from(self.array::<4>()),
        }
    }
}

/// The same moment in each run.
#[must_use]
pub fn start() -> Now {
    Now { mono: Duration::from_secs(1000), unix: Duration::from_secs(1_800_000_000) }
}

pub mod plane;
