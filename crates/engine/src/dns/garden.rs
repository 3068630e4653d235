//! Which addresses of an answer belong to the walled garden.
//!
//! A name of the garden is followed through the aliases of the same answer, and the addresses at their end are
//! opened, those that an HTTPS record brings along too. The way back does not exist: an answer to a question for another
//! name opens nothing, even if it contains a garden's name, because the owner of that other name could have written it.

use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use fastpath::garden::{Entry, Network};
use wire::dns::{Class, MAX_NAME_LEN, Message, Name, NameBuf, ParseNameError, Record, Section};

use super::limits::{MAX_ADDRESSES, MAX_CHAIN, MAX_RULES};

/// Names of the walled garden, and what of their addresses is open: `example.com` is that name alone, `.example.com` what is
/// below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The name, or the one that others are below.
    pub name: NameBuf,
    /// What is below it, and not the name itself.
    pub below: bool,
    /// The IP protocol number; none is any.
    pub protocol: Option<u8>,
    /// The port; none is any.
    pub port: Option<u16>,
}

impl Pattern {
    fn opens_all(&self) -> bool {
        (self.protocol, self.port) == (None, None)
    }
}

impl FromStr for Pattern {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let below = text.strip_prefix('.');
        Ok(Self { name: below.unwrap_or(text).parse()?, below: below.is_some(), protocol: None, port: None })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "." } else { "" }, self.name)
    }
}

/// Patterns, found by name: a search takes as many steps as the name has labels, however many patterns there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(HashMap<NameBuf, Vec<Arc<Pattern>>>);

impl Names {
    pub(super) fn insert(&mut self, pattern: Pattern) {
        let there = self.0.entry(pattern.name.clone()).or_default();
        if !there.iter().any(|known| **known == pattern) {
            there.push(Arc::new(pattern));
        }
    }

    pub(super) fn remove(&mut self, pattern: &Pattern) {
        let Some(there) = self.0.get_mut(&pattern.name) else { return };
        there.retain(|known| **known != *pattern);
        if there.is_empty() {
            self.0.remove(&pattern.name);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The patterns that the name belongs to; of many the first, and one that opens everything alone.
    pub(super) fn matching(&self, name: &Name<'_>) -> Vec<Arc<Pattern>> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut buffer = [0; MAX_NAME_LEN];
        let mut suffix = name.lower(&mut buffer);
        let mut below = false;
        let mut found = Vec::new();
        loop {
            let here = self.0.get(suffix).into_iter().flatten().filter(|pattern| pattern.below == below);
            found.extend(here.take(MAX_RULES - found.len()).cloned());
            below = true;
            match suffix.split_first() {
                Some((&length, rest)) if length > 0 => suffix = rest.get(usize::from(length)..).unwrap_or_default(),
                _ => break,
            }
        }
        match found.iter().find(|pattern| pattern.opens_all()) {
            Some(all) => vec![Arc::clone(all)],
            None => found,
        }
    }
}

/// Something that an answer opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// What.
    pub entry: Entry,
    /// From now on for so long.
    pub lasts: Duration,
    /// By which pattern.
    pub pattern: Arc<Pattern>,
}

const fn network(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Network {
    Network::new(Ipv4Addr::new(a, b, c, d), prefix).expect("a prefix of at most 32")
}

/// Addresses that are nobody's server: this host, loopback, link-local, multicast, reserved (RFC 6890, 2.2.2). Never
/// opened.
const NOBODY: [Network; 5] = [
    network(0, 0, 0, 0, 8),
    network(127, 0, 0, 0, 8),
    network(169, 254, 0, 0, 16),
    network(224, 0, 0, 0, 4),
    network(240, 0, 0, 0, 4),
];

/// Networks that a stranger's name should not open either (RFC 1918, RFC 6598): what stands behind the uplink is often
/// private. For [`super::Config::forbidden`]; a server of one's own in there is better a static entry.
pub const PRIVATE: [Network; 4] =
    [network(10, 0, 0, 0, 8), network(172, 16, 0, 0, 12), network(192, 168, 0, 0, 16), network(100, 64, 0, 0, 10)];

/// What an answer opens by these patterns, which its question matches.
pub(super) fn openings(
    answer: &Message<'_>,
    patterns: &[Arc<Pattern>],
    forbidden: &[Network],
    (floor, cap): (Duration, Duration),
) -> Vec<Opening> {
    if patterns.is_empty() {
        return Vec::new();
    }
    let chain = chain(answer);
    let fit = |address: Ipv4Addr| !NOBODY.iter().chain(forbidden).any(|network| network.contains(address));
    answers(answer)
        .filter(|record| chain.contains(&record.owner))
        .flat_map(|record| {
            let lasts = Duration::from_secs(record.ttl_secs.into()).min(cap).max(floor);
            record.address().into_iter().chain(record.ipv4_hints()).map(move |address| (address, lasts))
        })
        .filter(|(address, _)| fit(*address))
        .take(MAX_ADDRESSES)
        .flat_map(|(address, lasts)| {
            patterns.iter().map(move |pattern| Opening {
                entry: Entry { protocol: pattern.protocol, port: pattern.port, ..Entry::host(address) },
                lasts,
                pattern: Arc::clone(pattern),
            })
        })
        .collect()
}

/// Shortens the TTLs of an answer to `cap`, so that the guest asks again before the garden forgets.
pub(super) fn shorten(payload: &mut [u8], cap: Duration) {
    let cap = u32::try_from(cap.as_secs()).unwrap_or(u32::MAX);
    let places: Vec<usize> = match Message::parse(payload) {
        Ok(answer) => answers(&answer).filter(|record| record.ttl_secs > cap).map(|record| record.ttl_at).collect(),
        Err(_) => return,
    };
    for at in places {
        if let Some(ttl) = payload.get_mut(at..at + 4) {
            ttl.copy_from_slice(&cap.to_be_bytes());
        }
    }
}

/// True for a question that can be for a name of the garden.
pub(super) fn is_of_the_internet(answer: &Message<'_>) -> bool {
    answer.qclass() == Class::IN
}

/// The name that was asked for and all its aliases, in whatever order they stand.
fn chain<'a>(answer: &Message<'a>) -> Vec<Name<'a>> {
    let mut chain = vec![answer.qname()];
    loop {
        let next = answers(answer).find_map(|record| {
            let target = record.cname()?;
            (chain.contains(&record.owner) && !chain.contains(&target)).then_some(target)
        });
        match next {
            Some(target) if chain.len() < MAX_CHAIN => chain.push(target),
            _ => return chain,
        }
    }
}

fn answers<'a>(message: &Message<'a>) -> impl Iterator<Item = Record<'a>> {
    message.records().take_while(|record| record.section == Section::Answer)
}
