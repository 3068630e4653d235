//! What access points asked of late, so that a copy of a request is answered as the first was.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Ticket;
use crate::client::Kind;
use crate::limits::{EXCHANGE, EXCHANGES};
use crate::packet::Attribute;

/// An access point has at most one part in so many of what the others leave.
const SHARE: usize = 4;

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
    /// How many requests of each access point servers are asked, those that it has given up included.
    asked: HashMap<IpAddr, usize>,
}

impl Exchanges {
    /// True if an access point may ask servers one more: it has at most a quarter of what the others leave, so that none
    /// can take all, whatever it sends.
    pub(super) fn may_ask(&self, access_point: IpAddr) -> bool {
        let own = self.asked.get(&access_point).copied().unwrap_or(0);
        let others = self.asked.values().sum::<usize>() - own;
        own < EXCHANGES.saturating_sub(others) / SHARE
    }

    /// It asks one more.
    pub(super) fn ask(&mut self, access_point: IpAddr) {
        *self.asked.entry(access_point).or_default() += 1;
    }

    /// One of those has ended.
    pub(super) fn asked(&mut self, access_point: IpAddr) {
        if let Some(asked) = self.asked.get_mut(&access_point) {
            *asked -= 1;
            if *asked == 0 {
                self.asked.remove(&access_point);
            }
        }
    }

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
