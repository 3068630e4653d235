//! Who may try a password once more.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// Tries of one address at once; then one in [`PAUSE`]. A made-up password has 59 bits, a bad one of a person maybe 20:
/// a month of tries from one address then finds one in ten.
const BURST: u32 = 8;
const PAUSE: Duration = Duration::from_secs(30);
/// The same for all addresses together, so that a network of them gains nothing.
const BURST_OF_ALL: u32 = 40;
const PAUSE_OF_ALL: Duration = Duration::from_secs(5);
/// Addresses that are counted apart; the others are counted together.
const MOST_COUNTED: usize = 256;

/// Counts tries. Each bucket is kept as the moment at which it will be whole again.
pub(crate) struct Tries {
    of_address: RefCell<HashMap<IpAddr, Instant>>,
    of_all: Cell<Instant>,
}

impl Tries {
    pub(crate) fn new() -> Self {
        Self { of_address: RefCell::default(), of_all: Cell::new(Instant::now()) }
    }

    /// Takes a try, or says how long to wait for one.
    pub(crate) fn admit(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut of_address = self.of_address.borrow_mut();
        if of_address.len() >= MOST_COUNTED {
            of_address.retain(|_, whole_at| *whole_at > now);
        }
        let has_room = of_address.len() < MOST_COUNTED || of_address.contains_key(&from);
        let own = match has_room {
            true => Some(taken(*of_address.entry(from).or_insert(now), now, BURST, PAUSE)?),
            false => None,
        };
        self.of_all.set(taken(self.of_all.get(), now, BURST_OF_ALL, PAUSE_OF_ALL)?);
        if let Some(own) = own {
            of_address.insert(from, own);
        }
        Ok(())
    }

    /// The password was right: it was no guess.
    pub(crate) fn forgive(&self, from: IpAddr) {
        self.of_address.borrow_mut().remove(&from);
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
        assert!(tries.of_address.borrow().len() <= MOST_COUNTED);
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
