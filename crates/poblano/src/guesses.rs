//! Who guesses passwords with ever new devices. A device has its tries (`engine/attempts`), but whoever invents MAC
//! addresses has those of thousands; so each account has tries as well.
//!
//! Every wrong password is counted, of those that are asked about at once too, which are as many as the portal has
//! connections: whoever has more at once waits the longer afterwards. Who hangs up before the answer may know that servers keep only a
//! No waiting, or may be tired of one that is away: it was wrong in part. A crowd with one account is right, and takes nothing. Names count as one that a server may
//! take for one: many do not look at capitals, nor at blanks around it.
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
/// So many that nobody waited for are a wrong one.
const HUNG_UP: u32 = 2;
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

/// A password that is being asked about; if nothing is said of it, nobody has waited for the answer.
pub(crate) struct Try<'a> {
    guesses: &'a Guesses,
    asked: Duration,
    account: u64,
    pair: u64,
    /// False if there was none left, and the device is known; or the answer is there.
    counts: bool,
}

impl Try<'_> {
    /// The password was wrong. True if that was the account's last try for now.
    pub(crate) fn wrong(mut self) -> bool {
        std::mem::take(&mut self.counts) && self.guesses.count(self.asked, self.account, PAUSE)
    }

    /// It was right.
    pub(crate) fn right(mut self) {
        self.counts = false;
        let mut known = self.guesses.known.borrow_mut();
        if known.len() >= KNOWN {
            known.clear(); // until they log in the next time they have the tries that strangers have
        }
        known.insert(self.pair);
    }

    /// Nobody has said whether it is right.
    pub(crate) fn unanswered(mut self) {
        self.counts = false;
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        if self.counts {
            self.guesses.count(self.asked, self.account, PAUSE / HUNG_UP);
        }
    }
}

impl Guesses {
    /// A try of that account for this device.
    ///
    /// # Errors
    /// How long to wait for the next one.
    pub(crate) fn admit(&self, asked: Duration, name: &str, device: GuestKey) -> Result<Try<'_>, Duration> {
        let name = name.trim().to_lowercase();
        let (account, pair) = (self.dice.hash_one(&name), self.dice.hash_one((&name, device)));
        let whole_at = self.whole_at.borrow().get(&account).copied().unwrap_or_default();
        let wait = (whole_at + PAUSE).saturating_sub(asked + PAUSE * BURST);
        if !wait.is_zero() && !self.known.borrow().contains(&pair) {
            return Err(wait);
        }
        Ok(Try { guesses: self, asked, account, pair, counts: wait.is_zero() })
    }

    /// One more wrong password. True if no other may be tried for now.
    fn count(&self, asked: Duration, account: u64, cost: Duration) -> bool {
        let mut all = self.whole_at.borrow_mut();
        if all.len() >= ACCOUNTS && !all.contains_key(&account) {
            make_room(&mut all, asked);
        }
        let whole_at = all.entry(account).or_default();
        let (before, last) = (*whole_at, asked + PAUSE * (BURST - 1));
        *whole_at = before.max(asked) + cost;
        before <= last && *whole_at > last
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

    /// Wrong passwords that ever new devices get to try for one account.
    fn tried(guesses: &Guesses, now: Duration, name: &str) -> usize {
        (0..1000).filter(|n| guesses.admit(now, name, device(*n)).map(Try::wrong).is_ok()).count()
    }

    #[test]
    fn who_guesses_with_a_thousand_devices_has_the_tries_of_one_account() {
        let guesses = Guesses::default();
        assert_eq!(tried(&guesses, NOW, "ada"), BURST as usize);
        assert_eq!(guesses.admit(NOW, "ada", device(1)).err(), Some(PAUSE));
        assert_eq!(tried(&guesses, NOW + PAUSE * 3, "ada"), 3);
        assert!(guesses.admit(NOW, "ben", device(1)).is_ok(), "another account has its own");
    }

    #[test]
    fn who_has_more_under_way_at_once_waits_the_longer_and_gains_nothing() {
        let guesses = Guesses::default();
        let at_once: Vec<_> = (0..500).filter_map(|n| guesses.admit(NOW, "ada", device(n)).ok()).collect();
        assert_eq!(at_once.into_iter().map(Try::wrong).filter(|is_last| *is_last).count(), 1, "and is told of once");
        assert_eq!(guesses.admit(NOW, "ada", device(1)).err(), Some(PAUSE * (500 - BURST + 1)));
        let later = NOW + PAUSE * 500;
        assert_eq!(tried(&guesses, later, "ada"), BURST as usize, "560 in the time in which one by one are as many");
    }

    #[test]
    fn what_servers_may_take_for_one_name_is_one_account() {
        let guesses = Guesses::default();
        assert_eq!(tried(&guesses, NOW, "ada"), BURST as usize);
        for name in ["Ada", "aDA", " ada", "ada ", "\tADA\n"] {
            assert!(guesses.admit(NOW, name, device(1)).is_err(), "{name:?}");
        }
    }

    #[test]
    fn who_hangs_up_before_the_answer_was_wrong_in_part_and_who_is_right_or_not_answered_takes_nothing() {
        let guesses = Guesses::default();
        let crowd: Vec<_> =
            (0..1000).map(|n| guesses.admit(NOW, "conference", device(1000 + n)).expect("a try")).collect();
        for (n, tried) in crowd.into_iter().enumerate() {
            if n % 2 == 0 { tried.right() } else { tried.unanswered() }
        }
        let hung_up =
            (0..5000).filter(|n| guesses.admit(NOW, "conference", device(5000 + n)).map(drop).is_ok()).count();
        assert_eq!(hung_up, ((BURST - 1) * HUNG_UP + 1) as usize);
        assert_eq!(tried(&guesses, NOW, "conference"), 0);
    }

    #[test]
    fn a_device_that_was_let_in_before_is_still_asked_about_and_takes_nothing_from_later() {
        let guesses = Guesses::default();
        guesses.admit(NOW, "ada", device(7007)).expect("a try").right();
        tried(&guesses, NOW, "ada");
        for _ in 0..500 {
            assert!(!guesses.admit(NOW, "ada", device(7007)).expect("it is known").wrong());
        }
        assert_eq!(guesses.admit(NOW, "ada", device(8)).err(), Some(PAUSE));
        assert!(guesses.admit(NOW + PAUSE, "ada", device(8)).is_ok());
    }

    #[test]
    fn a_flood_of_names_neither_grows_nor_clears_what_is_known_of_an_account_under_attack() {
        let guesses = Guesses::default();
        tried(&guesses, NOW, "ada");
        for n in 0..20_000 {
            let name = n.to_string();
            guesses.admit(NOW, &name, device(n)).expect("a try").wrong();
            guesses.admit(NOW, &name, device(n)).expect("another").right();
        }
        assert!(guesses.whole_at.borrow().len() <= ACCOUNTS && guesses.known.borrow().len() <= KNOWN);
        assert!(guesses.admit(NOW, "ada", device(1)).is_err());
    }
}
