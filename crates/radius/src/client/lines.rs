//! Sockets and connections, and what is under way on each.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{Dice, Kind, Socket, Token, Version};
use crate::limits::IDS_PER_SOCKET;

/// One UDP socket or one connection.
pub(super) struct Line {
    pub(super) index: u32,
    pub(super) state: State,
    numbers: Numbers,
    /// Of connections: since when both ends speak.
    pub(super) opened_at: Duration,
    /// When something proven last came.
    pub(super) heard_at: Option<Duration>,
    /// Of connections: when to look whether the other end is still there.
    pub(super) watch_at: Option<Duration>,
    /// Status-Server was sent and nothing came since.
    pub(super) is_asked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Connecting,
    Open(Version),
}

/// What tells the requests on one line apart.
enum Numbers {
    Ids {
        used: Box<[bool; IDS_PER_SOCKET as usize]>,
        in_use: u16,
        next: u8,
    },
    /// RFC 9765, section 4.2.1: any four octets that no request in flight has.
    Tokens {
        in_use: u32,
        next: u32,
    },
}

/// All lines of one server and, over UDP, kind.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) all: Vec<Line>,
    /// Requests that wait for a connection, or for room on one.
    pub(super) waiting: VecDeque<Token>,
    next_index: u32,
    /// When a connection may be tried again.
    pub(super) retry_at: Duration,
    /// Connections in a row on which nothing proven came.
    pub(super) failures: u32,
    /// How the last connection ended, unless another one has proven itself since: not in silence.
    pub(super) is_distrusted: bool,
}

pub(super) type AllLines = BTreeMap<(u8, Option<Kind>), Lines>;

impl Lines {
    /// A number on an open line, if there is any: the first line that has room, so that the others fall idle.
    pub(super) fn take(&mut self) -> Option<(u32, Version, u32)> {
        self.all.iter_mut().find_map(|line| {
            let State::Open(version) = line.state else { return None };
            line.numbers.take().map(|number| (line.index, version, number))
        })
    }

    pub(super) fn release(&mut self, index: u32, number: u32) {
        if let Some(line) = self.get(index) {
            line.numbers.release(number);
        }
    }

    pub(super) fn get(&mut self, index: u32) -> Option<&mut Line> {
        self.all.iter_mut().find(|line| line.index == index)
    }

    /// A further line; its numbers begin anywhere.
    pub(super) fn add(&mut self, state: State, dice: &mut Dice) -> u32 {
        let index = self.next_index;
        self.next_index += 1;
        let version = if let State::Open(version) = state { version } else { Version::V1_0 };
        let numbers = Numbers::new(version, dice);
        self.all.push(Line {
            index,
            state,
            numbers,
            opened_at: Duration::ZERO,
            heard_at: None,
            watch_at: None,
            is_asked: false,
        });
        index
    }

    pub(super) fn has_open(&self) -> bool {
        self.all.iter().any(|line| matches!(line.state, State::Open(_)))
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.all.iter().any(|line| line.state == State::Connecting)
    }
}

impl Line {
    pub(super) fn open(&mut self, now: Duration, version: Version, dice: &mut Dice) {
        self.opened_at = now;
        self.state = State::Open(version);
        self.numbers = Numbers::new(version, dice);
    }

    pub(super) fn take(&mut self) -> Option<u32> {
        self.numbers.take()
    }

    pub(super) fn is_idle(&self) -> bool {
        match &self.numbers {
            Numbers::Ids { in_use, .. } => *in_use == 0,
            Numbers::Tokens { in_use, .. } => *in_use == 0,
        }
    }
}

impl Numbers {
    fn new(version: Version, dice: &mut Dice) -> Self {
        let mut first = [0; 4];
        dice(&mut first);
        match version {
            Version::V1_0 => Self::Ids { used: Box::new([false; IDS_PER_SOCKET as usize]), in_use: 0, next: first[0] },
            Version::V1_1 => Self::Tokens { in_use: 0, next: u32::from_be_bytes(first) },
        }
    }

    /// Numbers go round, so that one is used again as late as possible: a late answer then meets no request rather
    /// than the wrong one. Tokens go round after so long that none of them can be in use still.
    fn take(&mut self) -> Option<u32> {
        match self {
            Self::Ids { used, in_use, next } => {
                let id = (0..=u8::MAX).map(|step| next.wrapping_add(step)).find(|id| !used[usize::from(*id)])?;
                used[usize::from(id)] = true;
                *in_use += 1;
                *next = id.wrapping_add(1);
                Some(id.into())
            }
            Self::Tokens { in_use, next } => {
                let token = *next;
                *next = next.wrapping_add(1);
                *in_use += 1;
                Some(token)
            }
        }
    }

    fn release(&mut self, number: u32) {
        match self {
            Self::Ids { used, in_use, .. } => {
                if used.get_mut(number as usize).is_some_and(std::mem::take) {
                    *in_use -= 1;
                }
            }
            Self::Tokens { in_use, .. } => *in_use = in_use.saturating_sub(1),
        }
    }
}

/// The lines that a socket is one of.
pub(super) fn key(socket: Socket) -> (u8, Option<Kind>) {
    (socket.server, socket.kind)
}
