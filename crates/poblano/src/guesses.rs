//! Who guesses passwords with ever new devices. A device has its tries (`engine/attempts`), but whoever invents MAC
//! addresses has those of thousands; so each account has tries as well.
//!
//! Only wrong passwords count: of an account that a conference shares, hundreds log in in the same second. What is asked at the
//! same time counts when it is answered, as a debt if need be, so a thousand at once gain nothing. Who hangs up before the
//! answer may know that servers keep only a No waiting, or may be tired of a server that is away: it counts as a part of a
//! wrong one. Names count as one that a server may take for one: many do not look at capitals, nor at blanks around it.
//!
//! A device that was let in under a name before goes on to be asked about it: whoever guesses keeps nobody out who is known.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use wire::{GuestKey, Now};

use crate::clock::Clock;

/// Wrong passwords of one account at once; then one in [`PAUSE`], 43,200 a day. An account that a whole conference shares is
/// mistyped by dozens; a password of eight letters holds for ten thousand years.
const BURST: u32 = 60;
const PAUSE: Duration = Duration::from_secs(2);
/// So many that nobody waited for are a wrong one.
const HUNG_UP: u32 = 8;
/// Wrong passwords beyond those that are owed for at most: about as many as can be asked at one time, by the portal's
/// connections.
const MOST_OWED: u32 = 600;
/// Accounts that are counted; of more, those with the fewest wrong passwords are forgotten.
const ACCOUNTS: usize = 4096;
/// Devices and names of which it is remembered that they belong together.
const KNOWN: usize = 16_384;

/// What is remembered of wrong and of right passwords, as numbers that nobody can choose.
pub(crate) struct Guesses {
    dice: RandomState,
    clock: fn() -> Now,
    /// When each account has all its tries again.
    whole_at: RefCell<HashMap<u64, Duration>>,
    known: RefCell<HashSet<u64>>,
}

/// A password that is being asked about. Dropped, nobody has waited for the answer.
#[must_use]
pub(crate) struct Try<'a> {
    guesses: &'a Guesses,
    account: u64,
    pair: u64,
    is_answered: bool,
}

impl Default for Guesses {
    fn default() -> Self {
        Self::by(|| Clock.now())
    }
}

impl Guesses {
    fn by(clock: fn() -> Now) -> Self {
        Self { dice: RandomState::new(), clock, whole_at: RefCell::default(), known: RefCell::default() }
    }

    /// Whether this device may try a password of that account.
    ///
    /// # Errors
    /// How long to wait for the next try.
    pub(crate) fn admit(&self, name: &str, device: GuestKey) -> Result<Try<'_>, Duration> {
        let name = name.trim().to_lowercase();
        let (account, pair) = (self.dice.hash_one(&name), self.dice.hash_one((&name, device)));
        let whole_at = self.whole_at.borrow().get(&account).copied().unwrap_or_default();
        match (whole_at + PAUSE).checked_sub((self.clock)().mono + PAUSE * BURST) {
            Some(wait) if !wait.is_zero() && !self.known.borrow().contains(&pair) => Err(wait),
            _ => Ok(Try { guesses: self, account, pair, is_answered: false }),
        }
    }

    /// True if the account has had its last try for now.
    fn count(&self, account: u64, cost: Duration) -> bool {
        let now = (self.clock)().mono;
        let mut all = self.whole_at.borrow_mut();
        if all.len() >= ACCOUNTS && !all.contains_key(&account) {
            make_room(&mut all, now);
        }
        let (whole_at, last) = (all.entry(account).or_default(), now + PAUSE * (BURST - 1));
        let before = *whole_at;
        *whole_at = (before.max(now) + cost).min(now + PAUSE * (BURST + MOST_OWED));
        before <= last && *whole_at > last
    }
}

impl Try<'_> {
    /// It was right.
    pub(crate) fn right(mut self) {
        self.is_answered = true;
        let mut known = self.guesses.known.borrow_mut();
        if known.len() >= KNOWN {
            known.clear(); // until they log in the next time they have the tries that strangers have
        }
        known.insert(self.pair);
    }

    /// It was wrong. True if that was the account's last try for now.
    pub(crate) fn wrong(mut self) -> bool {
        self.is_answered = true;
        self.guesses.count(self.account, PAUSE)
    }

    /// Nobody has said whether it is right.
    pub(crate) fn unanswered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.guesses.count(self.account, PAUSE / HUNG_UP);
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
    use std::cell::Cell;

    use wire::{MacAddr, Vlan};

    use super::*;

    thread_local! {
        static SECONDS: Cell<u64> = const { Cell::new(1000) };
    }

    fn guesses() -> Guesses {
        Guesses::by(|| {
            let mono = Duration::from_secs(SECONDS.get());
            Now { mono, unix: mono }
        })
    }

    fn pass(time: Duration) {
        SECONDS.set(SECONDS.get() + time.as_secs());
    }

    fn device(n: u32) -> GuestKey {
        let [a, b, c, d] = n.to_be_bytes();
        GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, a, b, c, d]) }
    }

    /// How many of a thousand wrong passwords ever new devices get to try at one account, one after the other.
    fn tried(guesses: &Guesses, name: &str) -> usize {
        (0..1000).filter(|n| guesses.admit(name, device(*n)).map(Try::wrong).is_ok()).count()
    }

    #[test]
    fn who_guesses_with_a_thousand_devices_has_the_tries_of_one_account() {
        let guesses = guesses();
        assert_eq!(tried(&guesses, "ada"), BURST as usize);
        assert_eq!(guesses.admit("ada", device(1)).err(), Some(PAUSE));
        pass(PAUSE * 3);
        assert_eq!(tried(&guesses, "ada"), 3);
        assert!(guesses.admit("ben", device(1)).map(Try::unanswered).is_ok(), "another account has its own");
    }

    #[test]
    fn what_is_asked_at_once_is_owed() {
        let guesses = guesses();
        let at_once: Vec<_> = (0..300).filter_map(|n| guesses.admit("ada", device(n)).ok()).collect();
        assert_eq!(at_once.len(), 300, "none has been answered");
        for tried in at_once {
            tried.wrong();
        }
        pass(PAUSE * 240);
        assert!(guesses.admit("ada", device(1)).is_err());
        pass(PAUSE);
        assert!(guesses.admit("ada", device(1)).is_ok());
    }

    #[test]
    fn who_hangs_up_before_the_answer_has_some_more_tries_and_not_all() {
        let guesses = guesses();
        let hung_up = (0..10_000).filter(|n| guesses.admit("ada", device(*n)).map(drop).is_ok()).count();
        assert_eq!(hung_up, ((BURST - 1) * HUNG_UP + 1) as usize);
    }

    #[test]
    fn a_conference_that_logs_in_at_once_under_one_name_takes_nothing() {
        let guesses = guesses();
        let at_once: Vec<_> = (0..500).map(|n| guesses.admit("conference", device(n)).expect("a try")).collect();
        for (n, tried) in at_once.into_iter().enumerate() {
            if n % 2 == 0 { tried.right() } else { tried.unanswered() }
        }
        let strangers = (500..1000).filter(|n| guesses.admit("conference", device(*n)).map(Try::wrong).is_ok());
        assert_eq!(strangers.count(), BURST as usize);
    }

    #[test]
    fn what_servers_may_take_for_one_name_is_one_account() {
        let guesses = guesses();
        assert_eq!(tried(&guesses, "ada"), BURST as usize);
        for name in ["Ada", "aDA", " ada", "ada ", "\tADA\n"] {
            assert!(guesses.admit(name, device(1)).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_device_that_was_let_in_before_is_still_asked_about() {
        let guesses = guesses();
        guesses.admit("ada", device(7007)).expect("a try").right();
        tried(&guesses, "ada");
        guesses.admit("ada", device(7007)).expect("it is known").right();
        assert!(guesses.admit("ada", device(8)).is_err());
        pass(PAUSE);
        assert!(guesses.admit("ada", device(8)).map(Try::unanswered).is_ok());
    }

    #[test]
    fn the_last_try_is_told_once() {
        let guesses = guesses();
        let told = (0..1000).filter_map(|n| guesses.admit("ada", device(n)).ok()).map(Try::wrong);
        assert_eq!(told.filter(|is_last| *is_last).count(), 1);
    }

    #[test]
    fn a_flood_of_names_neither_grows_nor_clears_what_is_known_of_an_account_under_attack() {
        let guesses = guesses();
        tried(&guesses, "ada");
        for n in 0..20_000 {
            let name = n.to_string();
            guesses.admit(&name, device(n)).expect("a try").wrong();
            guesses.admit(&name, device(n)).expect("another").right();
        }
        assert!(guesses.whole_at.borrow().len() <= ACCOUNTS && guesses.known.borrow().len() <= KNOWN);
        assert!(guesses.admit("ada", device(1)).is_err());
    }
}
