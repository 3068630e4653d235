//! Who guesses passwords with ever new devices. A device has its tries (`engine/attempts`), but whoever invents MAC
//! addresses has those of thousands; so each account has tries as well.
//!
//! Only wrong passwords count, and a device that was let in under a name before goes on to be asked about it: whoever guesses
//! keeps nobody out who is known.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use wire::GuestKey;

/// Wrong passwords of one account at once; then one in [`PAUSE`], 43,200 a day. An account that a whole conference shares is
/// mistyped by dozens; a password of eight letters holds for ten thousand years.
const BURST: u32 = 60;
const PAUSE: Duration = Duration::from_secs(2);
/// Accounts that are counted; of more, those with the fewest wrong passwords are forgotten.
const ACCOUNTS: usize = 4096;
/// Devices and names of which it is remembered that they belong together.
const KNOWN: usize = 16_384;

/// What is remembered of wrong and of right passwords, as numbers that nobody can choose.
#[derive(Default)]
pub(crate) struct Guesses {
    dice: RandomState,
    /// When each account has all its tries again.
    whole_at: RefCell<HashMap<u64, Duration>>,
    known: RefCell<HashSet<u64>>,
}

impl Guesses {
    /// Whether this device may try a password of that account.
    ///
    /// # Errors
    /// How long to wait for the next try.
    pub(crate) fn admit(&self, now: Duration, name: &str, device: GuestKey) -> Result<(), Duration> {
        let whole_at = self.whole_at.borrow().get(&self.dice.hash_one(name)).copied().unwrap_or_default();
        match (whole_at + PAUSE).checked_sub(now + PAUSE * BURST) {
            Some(wait) if !wait.is_zero() && !self.known.borrow().contains(&self.pair(name, device)) => Err(wait),
            _ => Ok(()),
        }
    }

    /// It was wrong. True if that was the last try for now.
    pub(crate) fn wrong(&self, now: Duration, name: &str) -> bool {
        let mut all = self.whole_at.borrow_mut();
        let account = self.dice.hash_one(name);
        if all.len() >= ACCOUNTS && !all.contains_key(&account) {
            all.retain(|_, whole_at| *whole_at > now);
            if all.len() >= ACCOUNTS
                && let Some(least) = all.iter().min_by_key(|(_, whole_at)| **whole_at).map(|(account, _)| *account)
            {
                all.remove(&least);
            }
        }
        let whole_at = all.entry(account).or_default();
        let before = *whole_at;
        // No more than all of them: who is refused here, but known, takes none from later.
        *whole_at = (before.max(now) + PAUSE).min(now + PAUSE * BURST);
        let last = now + PAUSE * (BURST - 1);
        before <= last && *whole_at > last
    }

    /// It was right.
    pub(crate) fn right(&self, name: &str, device: GuestKey) {
        let mut known = self.known.borrow_mut();
        if known.len() >= KNOWN {
            known.clear(); // until they log in the next time they have the tries that strangers have
        }
        known.insert(self.pair(name, device));
    }

    fn pair(&self, name: &str, device: GuestKey) -> u64 {
        self.dice.hash_one((name, device))
    }
}

#[cfg(test)]
mod tests {
    use wire::{MacAddr, Vlan};

    use super::*;

    fn device(n: u32) -> GuestKey {
        let [a, b, c, d] = n.to_be_bytes();
        GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, a, b, c, d]) }
    }

    /// Wrong passwords that ever new devices get to try for one account.
    fn tried(guesses: &Guesses, now: Duration, name: &str) -> usize {
        (0..1000)
            .filter(|n| guesses.admit(now, name, device(*n)).is_ok_and(|()| [guesses.wrong(now, name)].len() == 1))
            .count()
    }

    #[test]
    fn who_guesses_with_a_thousand_devices_has_the_tries_of_one_account() {
        let guesses = Guesses::default();
        let now = Duration::from_secs(1000);
        assert_eq!(tried(&guesses, now, "ada"), BURST as usize);
        assert_eq!(guesses.admit(now, "ada", device(1)), Err(PAUSE));
        assert_eq!(tried(&guesses, now + PAUSE * 3, "ada"), 3);
        assert_eq!(guesses.admit(now, "ben", device(1)), Ok(()), "another account has its own");
    }

    #[test]
    fn a_device_that_was_let_in_before_is_still_asked_about_and_takes_nothing_from_later() {
        let guesses = Guesses::default();
        let now = Duration::from_secs(1000);
        guesses.right("ada", device(7));
        tried(&guesses, now, "ada");
        assert_eq!(guesses.admit(now, "ada", device(7)), Ok(()));
        assert_eq!((0..500).filter(|_| guesses.wrong(now, "ada")).count(), 0);
        assert!(guesses.admit(now, "ada", device(8)).is_err_and(|wait| wait <= PAUSE));
        assert!(guesses.admit(now + PAUSE, "ada", device(8)).is_ok());
    }

    #[test]
    fn the_last_try_is_told_once() {
        let guesses = Guesses::default();
        let now = Duration::from_secs(1000);
        let told = (0..BURST * 2).filter(|_| guesses.wrong(now, "ada")).count();
        assert_eq!(told, 1);
    }

    #[test]
    fn a_flood_of_names_neither_grows_nor_clears_what_is_known_of_an_account_under_attack() {
        let guesses = Guesses::default();
        let now = Duration::from_secs(1000);
        tried(&guesses, now, "ada");
        for n in 0..20_000 {
            guesses.wrong(now, &n.to_string());
            guesses.right(&n.to_string(), device(n));
        }
        assert!(guesses.whole_at.borrow().len() <= ACCOUNTS && guesses.known.borrow().len() <= KNOWN);
        assert!(guesses.admit(now, "ada", device(1)).is_err());
    }
}
