//! What the kernel's NAT does for guests, as it tells.

use std::net::Ipv4Addr;

use crate::{Error, Result};

/// A connection of a guest that the kernel translates to an address of ours, by what makes it this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Translation {
    /// The IP protocol's number.
    pub protocol: u8,
    /// The guest's end.
    pub guest: End,
    /// What the world sees in its place.
    pub public: End,
    /// The far end.
    pub destination: End,
    /// The kernel's number for it; others have the same.
    pub id: u32,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct End {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its port, if the protocol has ports.
    pub port: Option<u16>,
}

/// What the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A translation has begun.
    Began(Translation),
    /// It is over.
    Ended(Translation),
    /// More was told than we have read in time: some of both is not known. [`Translations::list`] says what there is.
    Lost,
}

/// The kernel's translations. For a thread of its own.
pub trait Translations: Send {
    /// Waits until the kernel tells something: at most a second, and not after [`Waker::wake`](crate::Waker::wake). Then gives
    /// some of it to `each`, in order.
    ///
    /// # Errors
    /// The kernel's, but for what has been lost.
    fn read(&mut self, each: &mut dyn FnMut(Told)) -> Result<()>;

    /// Gives those that there are to `each`.
    ///
    /// # Errors
    /// The kernel's.
    fn list(&mut self, each: &mut dyn FnMut(Translation)) -> Result<()>;
}

pub(crate) fn not_here() -> Error {
    Error::refused("write down what NAT does (retention.keep)", "not on this system yet")
        .hint("keep = \"sessions\" works everywhere")
}
