//! What is said between us and the BSD kernels, without saying it: all of this is tested on any machine.

pub(crate) mod abi;
pub(crate) mod bpf;
pub(crate) mod message;
pub(crate) mod pf;
