//! Which addresses of an answer belong to the walled garden.
//!
//! A name of the garden is followed through the aliases of the same answer, and the addresses at their end are
//! admitted. The way back does not exist: an answer to a question for another name admits nothing, even if it
//! contains a garden's name, because the owner of that other name could have written it.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use fastpath::garden::Network;
use wire::dns::{Class, Message, Name, NameBuf, ParseNameError, Record, Section};

use super::limits::{MAX_ADDRESSES, MAX_CHAIN};

/// Names of the walled garden: `example.com` is that name alone, `.example.com` or `*.example.com` what is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    name: NameBuf,
    below: bool,
}

impl Pattern {
    /// True if the name belongs to it.
    #[must_use]
    pub fn matches(&self, name: &Name<'_>) -> bool {
        let own = self.name.as_name();
        if self.below { name.is_within(&own) && *name != own } else { *name == own }
    }
}

impl FromStr for Pattern {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let below = text.strip_prefix('*').unwrap_or(text).strip_prefix('.');
        Ok(Self { name: below.unwrap_or(text).parse()?, below: below.is_some() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "." } else { "" }, self.name)
    }
}

const fn network(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Network {
    Network::new(Ipv4Addr::new(a, b, c, d), prefix).expect("a prefix of at most 32")
}

/// Addresses that are nobody's server: this host, loopback, link-local, multicast, reserved (RFC 6890, 2.2.2). Never
/// admitted.
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

/// The addresses of a garden name's answer and for how long; empty for any other answer.
pub(super) fn admissions(
    answer: &Message<'_>,
    patterns: &[Pattern],
    forbidden: &[Network],
    (floor, cap): (Duration, Duration),
) -> Vec<(Ipv4Addr, Duration)> {
    if !is_garden(answer, patterns) {
        return Vec::new();
    }
    let chain = chain(answer);
    let fit = |address: Ipv4Addr| !NOBODY.iter().chain(forbidden).any(|network| network.contains(address));
    answers(answer)
        .filter(|record| chain.contains(&record.owner))
        .filter_map(|record| Some((record.address().filter(|a| fit(*a))?, record.ttl_secs)))
        .map(|(address, ttl)| (address, Duration::from_secs(ttl.into()).min(cap).max(floor)))
        .take(MAX_ADDRESSES)
        .collect()
}

/// Shortens the TTLs of a garden name's answer to `cap`, so that the guest asks again before the garden forgets.
pub(super) fn shorten(payload: &mut [u8], patterns: &[Pattern], cap: Duration) {
    let cap = u32::try_from(cap.as_secs()).unwrap_or(u32::MAX);
    let places: Vec<usize> = match Message::parse(payload) {
        Ok(answer) if is_garden(&answer, patterns) => {
            answers(&answer).filter(|record| record.ttl_secs > cap).map(|record| record.ttl_at).collect()
        }
        _ => return,
    };
    for at in places {
        if let Some(ttl) = payload.get_mut(at..at + 4) {
            ttl.copy_from_slice(&cap.to_be_bytes());
        }
    }
}

fn is_garden(answer: &Message<'_>, patterns: &[Pattern]) -> bool {
    let name = answer.qname();
    answer.qclass() == Class::IN && patterns.iter().any(|pattern| pattern.matches(&name))
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
