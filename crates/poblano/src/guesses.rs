//! Who guesses passwords with ever new devices. A device has its tries (`engine/attempts`), but whoever invents MAC
//! addresses has those of thousands; so each account has tries as well.
//!
//! A try is taken before a server is asked, and given back unless the password was wrong. So a thousand at once are no
//! more than one after another; and who hangs up before the answer, because servers keep only a No waiting, has lost it.
//! Names count as one that a server may take for one: many do not look at capitals, nor at blanks around it.
//!
//! A device that was let in under a name before goes on to be asked about it: whoever guesses keeps nobody out who is known.

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

/// A password that is being asked about.
#[must_use]
pub(crate) struct Try {
    account: u64,
    pair: u64,
    /// False if there was none left, and the device is known.
    is_taken: bool,
    is_last: bool,
}

impl Try {
    /// True if the account has none left for now.
    pub(crate) fn is_last(&self) -> bool {
        self.is_last
    }
}

impl Guesses {
    /// Takes a try of that account for this device.
    ///
    /// # Errors
    /// How long to wait for the next one.
    pub(crate) fn admit(&self, now: Duration, name: &str, device: GuestKey) -> Result<Try, Duration> {
        let name = name.trim().to_lowercase();
        let (account, pair) = (self.dice.hash_one(&name), self.dice.hash_one((&name, device)));
        let mut all = self.whole_at.borrow_mut();
        let (before, whole) = (all.get(&account).copied().unwrap_or_default(), now + PAUSE * BURST);
        let after = before.max(now) + PAUSE;
        match after.checked_sub(whole) {
            Some(wait) if !wait.is_zero() => {
                let is_known = self.known.borrow().contains(&pair);
                if is_known { Ok(Try { account, pair, is_taken: false, is_last: false }) } else { Err(wait) }
            }
            _ => {
                if all.len() >= ACCOUNTS && !all.contains_key(&account) {
                    make_room(&mut all, now);
                }
                all.insert(account, after);
                Ok(Try { account, pair, is_taken: true, is_last: after + PAUSE > whole })
            }
        }
    }

    /// It was right.
    pub(crate) fn right(&self, tried: &Try) {
        self.give_back(tried);
        let mut known = self.known.borrow_mut();
        if known.len() >= KNOWN {
            known.clear(); // until they log in the next time they have the tries that strangers have
        }
        known.insert(tried.pair);
    }

    /// Nobody has said whether it is right.
    pub(crate) fn give_back(&self, tried: &Try) {
        if tried.is_taken
            && let Some(whole_at) = self.whole_at.borrow_mut().get_mut(&tried.account)
        {
            *whole_at = whole_at.saturating_sub(PAUSE);
        }
    }
}

fn make_room(all: &mut HashMap<u64, Duration>, now: Duration) {
    all.retain(|_, whole_at| *whole_at > now);
    if all.len() >= ACCOUNTS
        && let Some(least) = all.iter().min_by_key(|(_, whole_at)| **whole_at).map(|(account, _)| *account)
    {
        all.remove(&least);
    }
}

#[cfg(test)]
mod tests {
    use wire::{MacAddr, Vlan};

    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn device(n: u32) -> GuestKey {
        let [a, b, c, d] = n.to_be_bytes();
        GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, a, b, c, d]) }
    }

    /// What ever new devices get of a thousand tries at one account.
    fn tries(guesses: &Guesses, now: Duration, name: &str) -> Vec<Try> {
        (0..1000).filter_map(|n| guesses.admit(now, name, device(n)).ok()).collect()
    }

    #[test]
    fn who_guesses_with_a_thousand_devices_at_once_has_the_tries_of_one_account() {
        let guesses = Guesses::default();
        assert_eq!(tries(&guesses, NOW, "ada").len(), BURST as usize);
        assert_eq!(guesses.admit(NOW, "ada", device(1)).err(), Some(PAUSE));
        assert_eq!(tries(&guesses, NOW + PAUSE * 3, "ada").len(), 3);
        assert!(guesses.admit(NOW, "ben", device(1)).is_ok(), "another account has its own");
    }

    #[test]
    fn what_servers_may_take_for_one_name_is_one_account() {
        let guesses = Guesses::default();
        assert_eq!(tries(&guesses, NOW, "ada").len(), BURST as usize);
        for name in ["Ada", "aDA", " ada", "ada ", "\tADA\n"] {
            assert!(guesses.admit(NOW, name, device(1)).is_err(), "{name:?}");
        }
    }

    #[test]
    fn who_is_let_in_or_not_answered_has_taken_nothing() {
        let guesses = Guesses::default();
        for n in 0..1000 {
            let tried = guesses.admit(NOW, "conference", device(1000 + n)).expect("a try");
            if n % 2 == 0 { guesses.right(&tried) } else { guesses.give_back(&tried) }
        }
        let _hung_up = guesses.admit(NOW, "conference", device(1)).expect("a try");
        assert_eq!(tries(&guesses, NOW, "conference").len(), BURST as usize - 1);
    }

    #[test]
    fn a_device_that_was_let_in_before_is_still_asked_about_and_takes_nothing_from_later() {
        let guesses = Guesses::default();
        guesses.right(&guesses.admit(NOW, "ada", device(7007)).expect("a try"));
        tries(&guesses, NOW, "ada");
        for _ in 0..500 {
            let tried = guesses.admit(NOW, "ada", device(7007)).expect("it is known");
            assert!(!tried.is_last());
        }
        assert!(guesses.admit(NOW, "ada", device(8)).is_err_and(|wait| wait <= PAUSE));
        assert!(guesses.admit(NOW + PAUSE, "ada", device(8)).is_ok());
    }

    #[test]
    fn the_last_try_is_told_once() {
        let guesses = Guesses::default();
        assert_eq!(tries(&guesses, NOW, "ada").iter().filter(|tried| tried.is_last()).count(), 1);
    }

    #[test]
    fn a_flood_of_names_neither_grows_nor_clears_what_is_known_of_an_account_under_attack() {
        let guesses = Guesses::default();
        tries(&guesses, NOW, "ada");
        for n in 0..20_000 {
            let name = n.to_string();
            let _wrong = guesses.admit(NOW, &name, device(n)).expect("a try");
            guesses.right(&guesses.admit(NOW, &name, device(n)).expect("another"));
        }
        assert!(guesses.whole_at.borrow().len() <= ACCOUNTS && guesses.known.borrow().len() <= KNOWN);
        assert!(guesses.admit(NOW, "ada", device(1)).is_err());
    }
}
