//! What access points asked of late, so that a copy of a request is answered as the first was.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use super::Ticket;
use crate::client::Kind;
use crate::limits::{EXCHANGE, EXCHANGES};
use crate::packet::Attribute;

/// Where a request came from. Another one with the same name means that the first is over (RFC 5080, section 2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    pub(super) service: Kind,
    pub(super) source: SocketAddr,
    pub(super) id: u8,
}

#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) authenticator: [u8; 16],
    pub(super) access_point: usize,
    /// As they came, for the answer.
    pub(super) proxy_states: Vec<Attribute>,
    /// And when it may be forgotten.
    pub(super) answer: Option<(Duration, Vec<u8>)>,
}

/// What is known of a request.
pub(super) enum Found {
    Nothing,
    UnderWay,
    Answer(Vec<u8>),
}

#[derive(Debug, Default)]
pub(super) struct Exchanges {
    all: HashMap<Name, Exchange>,
    /// Those that were answered, by when they may be forgotten.
    ends: BTreeSet<(Duration, Name)>,
}

impl Exchanges {
    pub(super) fn find(&mut self, mono: Duration, ticket: Ticket) -> Found {
        while let Some((_, name)) = self.ends.first().copied().filter(|(end, _)| *end <= mono) {
            self.forget(name);
        }
        match self.all.get(&ticket.name) {
            Some(found) if found.authenticator == ticket.authenticator => match &found.answer {
                Some((_, answer)) => Found::Answer(answer.clone()),
                None => Found::UnderWay,
            },
            _ => Found::Nothing,
        }
    }

    /// True if one more can be remembered; those under way never go for it.
    pub(super) fn has_room(&mut self) -> bool {
        if self.all.len() >= EXCHANGES
            && let Some((_, oldest)) = self.ends.first().copied()
        {
            self.forget(oldest);
        }
        self.all.len() < EXCHANGES
    }

    pub(super) fn begin(&mut self, name: Name, exchange: Exchange) {
        self.forget(name);
        self.all.insert(name, exchange);
    }

    pub(super) fn under_way(&self, ticket: Ticket) -> Option<&Exchange> {
        let found = self.all.get(&ticket.name)?;
        (found.authenticator == ticket.authenticator && found.answer.is_none()).then_some(found)
    }

    pub(super) fn answered(&mut self, mono: Duration, name: Name, answer: Vec<u8>) {
        if let Some(exchange) = self.all.get_mut(&name) {
            let end = mono + EXCHANGE;
            exchange.answer = Some((end, answer));
            self.ends.insert((end, name));
        }
    }

    pub(super) fn forget(&mut self, name: Name) {
        if let Some(Exchange { answer: Some((end, _)), .. }) = self.all.remove(&name) {
            self.ends.remove(&(end, name));
        }
    }
}
