//! Who may try a password once more. Who guesses keeps no operator out that has signed in from where it is before.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// Tries of one host at once; then one in [`PAUSE`]. A made-up password has 59 bits, a bad one of a person maybe 20:
/// a month of tries from one host then finds one in ten.
const BURST: u32 = 8;
const PAUSE: Duration = Duration::from_secs(30);
/// The same for all hosts together, so that a network of them gains nothing.
const BURST_OF_ALL: u32 = 40;
const PAUSE_OF_ALL: Duration = Duration::from_secs(5);
/// Hosts that are counted apart; the others are counted together. As many are known.
const MOST_COUNTED: usize = 256;

/// Counts tries. Each bucket is kept as the moment at which it will be whole again.
pub(crate) struct Tries {
    of_host: RefCell<HashMap<IpAddr, Instant>>,
    of_all: Cell<Instant>,
    /// Where operators have signed in: what strangers do costs these nothing.
    known: RefCell<HashSet<IpAddr>>,
}

/// Which host has this address: one with IPv6 has all those of its /64 for the asking (RFC 8981).
pub(crate) fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

impl Tries {
    pub(crate) fn new() -> Self {
        Self { of_host: RefCell::default(), of_all: Cell::new(Instant::now()), known: RefCell::default() }
    }

    /// Takes a try, or says how long to wait for one.
    pub(crate) fn admit(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let from = host(from);
        let mut of_host = self.of_host.borrow_mut();
        if of_host.len() >= MOST_COUNTED {
            of_host.retain(|_, whole_at| *whole_at > now);
        }
        let has_room = of_host.len() < MOST_COUNTED || of_host.contains_key(&from);
        let own = match has_room {
            true => Some(taken(*of_host.entry(from).or_insert(now), now, BURST, PAUSE)?),
            false => None,
        };
        if !self.known.borrow().contains(&from) {
            self.of_all.set(taken(self.of_all.get(), now, BURST_OF_ALL, PAUSE_OF_ALL)?);
        }
        if let Some(own) = own {
            of_host.insert(from, own);
        }
        Ok(())
    }

    /// The password was right: it was no guess.
    pub(crate) fn forgive(&self, from: IpAddr) {
        let from = host(from);
        self.of_host.borrow_mut().remove(&from);
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_COUNTED {
            known.clear(); // until they sign in the next time they are as all others
        }
        known.insert(from);
    }
}

fn taken(whole_at: Instant, now: Instant, burst: u32, pause: Duration) -> Result<Instant, Duration> {
    let after = whole_at.max(now) + pause;
    match after.checked_duration_since(now + pause * burst) {
        None | Some(Duration::ZERO) => Ok(after),
        Some(wait) => Err(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_waits_and_a_network_of_guessers_waits_too() {
        let tries = Tries::new();
        let now = Instant::now();
        let ada = IpAddr::from([192, 0, 2, 1]);
        assert_eq!((0..100).filter(|_| tries.admit(ada, now).is_ok()).count(), BURST as usize);
        assert!(tries.admit(ada, now).is_err_and(|wait| wait <= PAUSE));
        assert!(tries.admit(ada, now + PAUSE).is_ok());
        let of_others = (0..10_000u32).filter(|n| tries.admit(IpAddr::from(n.to_be_bytes()), now).is_ok()).count();
        assert_eq!(of_others, (BURST_OF_ALL - BURST - 1) as usize);
        assert!(tries.of_host.borrow().len() <= MOST_COUNTED);
    }

    #[test]
    fn a_host_with_a_network_of_addresses_has_the_tries_of_one() {
        let tries = Tries::new();
        let now = Instant::now();
        let prefix = u128::from(0x2001_0db8_0000_0007_u64) << 64;
        let of_one = (0..1000).filter(|n| tries.admit(Ipv6Addr::from_bits(prefix | n << 20 | n).into(), now).is_ok());
        assert_eq!(of_one.count(), BURST as usize);
        assert!(tries.admit(Ipv6Addr::from_bits(prefix + (1 << 64)).into(), now).is_ok(), "another network's");
    }

    #[test]
    fn a_network_of_guessers_keeps_no_operator_out_where_one_has_signed_in() {
        let tries = Tries::new();
        let now = Instant::now();
        let ada = IpAddr::from([192, 0, 2, 1]);
        assert!(tries.admit(ada, now).is_ok());
        tries.forgive(ada);
        for n in 0..1000u32 {
            let _refused_in_the_end = tries.admit(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(tries.admit(IpAddr::from([192, 0, 2, 2]), now).is_err());
        assert_eq!((0..100).filter(|_| tries.admit(ada, now).is_ok()).count(), BURST as usize, "its own, as before");
    }

    #[test]
    fn a_right_password_takes_nothing() {
        let tries = Tries::new();
        let now = Instant::now();
        let ada = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..BURST_OF_ALL {
            assert!(tries.admit(ada, now).is_ok());
            tries.forgive(ada);
        }
    }
}
