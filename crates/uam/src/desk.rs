//! What is remembered of each guest between its requests: the challenge it has to answer, what became of its last
//! login, where it was going.
//!
//! A challenge is shown until it is `lifetime` old and taken until twice that. It belongs to one guest, and the first login
//! that a server decides spends it: after a refusal there is a new one, and one that let a guest in lets nobody in again.
//! But browsers send a login twice (a reload, a second click, a sheet that closes and opens), so the very same one is told
//! the same outcome again, and nobody is asked. A login that no server has decided may be sent again.
//!
//! One guest takes less than 1 kB until it leaves, and there are at most as many as places.

use std::collections::HashMap;
use std::time::Duration;

use wire::GuestKey;

use crate::{Challenge, Query, Version};

/// Longest address that is remembered; of one that is longer nothing is.
const MAX_URL: usize = 300;
/// Longest message that is told again.
const MAX_MESSAGE: usize = 128;

/// A guest's place in the gateway's table, and who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which place.
    pub slot: u32,
    /// Whose: another guest in the same place has nothing of this one's.
    pub key: GuestKey,
}

/// What is known of all guests.
#[derive(Debug)]
pub struct Desk {
    lifetime: Duration,
    mode: Mode,
    guests: HashMap<u32, Guest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    SingleUse,
    Reused,
    Plain,
}

#[derive(Debug)]
struct Guest {
    key: GuestKey,
    challenge: Option<(Challenge, Duration)>,
    /// The last login that was decided.
    last: Option<([u8; 16], Known)>,
    /// What the next session is called, if it was shown and no login has taken it.
    session_id: Option<Box<str>>,
    user_url: Box<str>,
    session_url: Box<str>,
    /// It has to see a page, though the server knows it: this one, or if empty the portal.
    splash: Option<Box<str>>,
    version: Version,
}

/// What became of a login that comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The guest came in with it.
    Accepted,
    /// It was refused.
    Rejected {
        /// With these words.
        message: Option<Box<str>>,
        /// The server wants the guest to go there.
        session_url: Option<Box<str>>,
    },
}

impl Desk {
    /// Of nobody yet. `reuse` lets a challenge be answered until it is old; `plain` does without challenges.
    #[must_use]
    pub fn new(lifetime: Duration, reuse: bool, plain: bool) -> Self {
        let mode = match (plain, reuse) {
            (true, _) => Mode::Plain,
            (_, true) => Mode::Reused,
            _ => Mode::SingleUse,
        };
        Self { lifetime, mode, guests: HashMap::new() }
    }

    /// The challenge that a guest is shown who is not logged in; a `fresh` one if there is none, or it is spent or old.
    /// None without challenges.
    pub fn shown(&mut self, now: Duration, place: Place, fresh: impl FnOnce() -> [u8; 16]) -> Option<Challenge> {
        let (lifetime, guest) = (self.lifetime, self.guest(place));
        let is_spent = matches!(guest.last, Some((_, Known::Accepted)));
        match guest.challenge {
            Some((challenge, made)) if !is_spent && now.saturating_sub(made) <= lifetime => {
                self.unless_plain(challenge)
            }
            _ => self.renewed(now, place, fresh),
        }
    }

    /// The challenge that a login answers now. `Err` is a `fresh` one, if there is none, or if it is spent or too old:
    /// then no answer can be right.
    pub fn answered(
        &mut self,
        now: Duration,
        place: Place,
        fresh: impl FnOnce() -> [u8; 16],
    ) -> Result<Option<Challenge>, Option<Challenge>> {
        if self.mode == Mode::Plain {
            return Ok(None);
        }
        let (lifetime, guest) = (self.lifetime, self.guest(place));
        let is_spent = matches!(guest.last, Some((_, Known::Accepted)));
        match guest.challenge {
            Some((challenge, made)) if !is_spent && now.saturating_sub(made) <= lifetime * 2 => Ok(Some(challenge)),
            _ => Err(self.renewed(now, place, fresh)),
        }
    }

    /// A `fresh` challenge in any case: after a logout. What was known of the last login is forgotten.
    pub fn renewed(&mut self, now: Duration, place: Place, fresh: impl FnOnce() -> [u8; 16]) -> Option<Challenge> {
        let challenge = (self.mode != Mode::Plain).then(|| Challenge(fresh()));
        let guest = self.guest(place);
        guest.challenge = challenge.map(|challenge| (challenge, now));
        guest.last = None;
        guest.session_url = Box::default();
        challenge
    }

    /// What became of this very login, if it was the last one.
    #[must_use]
    pub fn known(&self, place: Place, login: Query<'_>) -> Option<&Known> {
        let guest = self.guests.get(&place.slot).filter(|guest| guest.key == place.key)?;
        let (last, known) = guest.last.as_ref()?;
        (*last == login.fingerprint()).then_some(known)
    }

    /// A login was accepted. `session_url` is where the server wants the guest to go.
    pub fn accepted(&mut self, place: Place, login: Query<'_>, session_url: Option<&str>, version: Version) {
        let is_remembered = self.mode == Mode::SingleUse;
        let guest = self.guest(place);
        guest.last = is_remembered.then(|| (login.fingerprint(), Known::Accepted));
        guest.session_url = short(session_url.unwrap_or_default()).into();
        guest.splash = None;
        guest.version = version;
    }

    /// A login was refused, with these words and this way to go; what the next one has to answer.
    pub fn rejected(
        &mut self,
        now: Duration,
        place: Place,
        login: Query<'_>,
        (message, session_url): (Option<&str>, Option<&str>),
        fresh: impl FnOnce() -> [u8; 16],
    ) -> Option<Challenge> {
        let challenge = self.renewed(now, place, fresh);
        if self.mode == Mode::SingleUse {
            let message = message.filter(|message| message.len() <= MAX_MESSAGE).map(Into::into);
            let session_url = session_url.filter(|url| url.len() <= MAX_URL).map(Into::into);
            self.guest(place).last = Some((login.fingerprint(), Known::Rejected { message, session_url }));
        }
        challenge
    }

    /// What the session of a guest who is not logged in will be called; a `fresh` name if there is none yet.
    pub fn session_id(&mut self, place: Place, fresh: impl FnOnce() -> String) -> String {
        self.guest(place).session_id.get_or_insert_with(|| fresh().into()).to_string()
    }

    /// The same, for a login. Two that are under way at once never have the same: both may come to a session.
    pub fn take_session_id(&mut self, place: Place, fresh: impl FnOnce() -> String) -> String {
        self.guest(place).session_id.take().map_or_else(fresh, String::from)
    }

    /// Remembers where a guest was going.
    pub fn going_to(&mut self, place: Place, user_url: &str) {
        self.guest(place).user_url = short(user_url).into();
    }

    /// The guest has left its place.
    pub fn left(&mut self, place: Place) {
        if self.peek(place).is_some() {
            self.guests.remove(&place.slot);
            if self.guests.len() < self.guests.capacity() / 4 {
                self.guests.shrink_to(self.guests.len() * 2); // a crowd has left
            }
        }
    }

    /// Where a guest was going; may be empty.
    #[must_use]
    pub fn user_url(&self, place: Place) -> String {
        self.peek(place).map_or_else(String::new, |guest| guest.user_url.to_string())
    }

    /// Where the server wanted a guest to go when it let it in.
    #[must_use]
    pub fn session_url(&self, place: Place) -> Option<String> {
        self.peek(place).map(|guest| guest.session_url.to_string()).filter(|url| !url.is_empty())
    }

    /// The server knows the guest's device, but wants it to see a page first: this one, or the portal.
    pub fn must_see(&mut self, place: Place, page: Option<&str>) {
        self.guest(place).splash = Some(short(page.unwrap_or_default()).into());
    }

    /// The page that a guest has to see; empty is the portal.
    #[must_use]
    pub fn splash(&self, place: Place) -> Option<String> {
        self.peek(place)?.splash.as_deref().map(str::to_owned)
    }

    /// What the program spoke that logged in.
    #[must_use]
    pub fn version(&self, place: Place) -> Version {
        self.peek(place).map_or_else(Version::default, |guest| guest.version)
    }

    fn peek(&self, place: Place) -> Option<&Guest> {
        self.guests.get(&place.slot).filter(|guest| guest.key == place.key)
    }

    fn guest(&mut self, place: Place) -> &mut Guest {
        let new = || Guest {
            key: place.key,
            challenge: None,
            last: None,
            session_id: None,
            user_url: Box::default(),
            session_url: Box::default(),
            splash: None,
            version: Version::default(),
        };
        let guest = self.guests.entry(place.slot).or_insert_with(new);
        if guest.key != place.key {
            *guest = new();
        }
        guest
    }

    fn unless_plain(&self, challenge: Challenge) -> Option<Challenge> {
        (self.mode != Mode::Plain).then_some(challenge)
    }
}

fn short(url: &str) -> &str {
    if url.len() <= MAX_URL { url } else { "" }
}

#[cfg(test)]
mod tests {
    use wire::{MacAddr, Vlan};

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(600);
    const ANNE: Place =
        Place { slot: 3, key: GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0x5e, 0x10, 0, 1]) } };

    fn desk() -> Desk {
        Desk::new(LIFETIME, false, false)
    }

    fn login(response: &str) -> String {
        format!("username=anne&response={response}")
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_challenge_is_shown_until_it_is_old_and_taken_for_twice_as_long() {
        let mut desk = desk();
        let first = desk.shown(secs(0), ANNE, || [1; 16]);
        assert_eq!(first, Some(Challenge([1; 16])));
        assert_eq!(desk.shown(secs(600), ANNE, || [2; 16]), first);
        assert_eq!(desk.answered(secs(1200), ANNE, || [2; 16]), Ok(first));
        assert_eq!(desk.answered(secs(1201), ANNE, || [3; 16]), Err(Some(Challenge([3; 16]))), "too late");
        assert_eq!(desk.shown(secs(1801), ANNE, || [4; 16]), Some(Challenge([3; 16])), "made at 1201");
        assert_eq!(desk.shown(secs(1802), ANNE, || [4; 16]), Some(Challenge([4; 16])));
    }

    #[test]
    fn a_login_that_nobody_was_asked_for_a_challenge_for_cannot_be_right() {
        assert_eq!(desk().answered(secs(0), ANNE, || [1; 16]), Err(Some(Challenge([1; 16]))));
    }

    #[test]
    fn a_refused_login_has_the_next_one_answer_another_challenge_and_is_refused_again_without_being_looked_at() {
        let mut desk = desk();
        desk.shown(secs(0), ANNE, || [1; 16]);
        let (wrong, right) = (login("11"), login("22"));
        assert_eq!(desk.known(ANNE, Query::new(&wrong)), None);
        let next = desk.rejected(secs(1), ANNE, Query::new(&wrong), (Some("No."), Some("http://a/")), || [2; 16]);
        assert_eq!(next, Some(Challenge([2; 16])));
        let refused = Known::Rejected { message: Some("No.".into()), session_url: Some("http://a/".into()) };
        assert_eq!(desk.known(ANNE, Query::new(&wrong)), Some(&refused));
        assert_eq!(desk.known(ANNE, Query::new(&format!("{wrong}&userurl=x"))), desk.known(ANNE, Query::new(&wrong)));
        assert_eq!(desk.known(ANNE, Query::new(&right)), None);
        assert_eq!(desk.answered(secs(2), ANNE, || [3; 16]), Ok(next));
    }

    #[test]
    fn a_challenge_that_let_a_guest_in_lets_nobody_in_again() {
        let mut desk = desk();
        let first = desk.shown(secs(0), ANNE, || [1; 16]);
        let text = login("11");
        let right = Query::new(&text);
        assert_eq!(desk.answered(secs(1), ANNE, || [2; 16]), Ok(first));
        desk.accepted(ANNE, right, Some("http://example.org/"), Version::V2);
        assert_eq!(desk.known(ANNE, right), Some(&Known::Accepted));
        assert_eq!(desk.session_url(ANNE).as_deref(), Some("http://example.org/"));
        assert_eq!(desk.version(ANNE), Version::V2);
        // The session is over: neither this login nor another one is an answer to the spent challenge.
        assert_eq!(desk.answered(secs(3), ANNE, || [3; 16]), Err(Some(Challenge([3; 16]))));
        assert_eq!(desk.known(ANNE, right), None);
        desk.accepted(ANNE, right, None, Version::V1);
        assert_eq!(desk.shown(secs(4), ANNE, || [4; 16]), Some(Challenge([4; 16])));
    }

    #[test]
    fn a_session_is_called_as_the_guest_was_shown_and_no_other_one_is() {
        let mut desk = desk();
        let never = || unreachable!("there is a name");
        assert_eq!(desk.session_id(ANNE, || "first".into()), "first");
        assert_eq!(desk.session_id(ANNE, never), "first");
        assert_eq!(desk.take_session_id(ANNE, never), "first");
        assert_eq!(desk.take_session_id(ANNE, || "second".into()), "second", "a login at the same time");
        assert_eq!(desk.session_id(ANNE, || "third".into()), "third");
        let ben = Place { key: GuestKey { vlan: Vlan(7), ..ANNE.key }, ..ANNE };
        assert_eq!(desk.take_session_id(ben, || "fourth".into()), "fourth", "the place is another guest's now");
    }

    #[test]
    fn as_coovachilli_a_challenge_may_be_answered_until_it_is_old() {
        let mut desk = Desk::new(LIFETIME, true, false);
        let first = desk.shown(secs(0), ANNE, || [1; 16]);
        let right = login("11");
        desk.accepted(ANNE, Query::new(&right), None, Version::V1);
        assert_eq!(desk.known(ANNE, Query::new(&right)), None, "it is asked about again");
        assert_eq!(desk.answered(secs(1200), ANNE, || [2; 16]), Ok(first));
        assert_ne!(desk.rejected(secs(9), ANNE, Query::new(&right), (None, None), || [3; 16]), first);
        assert_eq!(desk.known(ANNE, Query::new(&right)), None);
    }

    #[test]
    fn with_plain_passwords_there_is_no_challenge_and_each_login_is_looked_at() {
        let mut desk = Desk::new(LIFETIME, false, true);
        assert_eq!(desk.shown(secs(0), ANNE, || [1; 16]), None);
        assert_eq!(desk.answered(secs(0), ANNE, || [1; 16]), Ok(None));
        assert_eq!(
            desk.rejected(secs(0), ANNE, Query::new("username=anne&password=x"), (None, None), || [1; 16]),
            None
        );
        assert_eq!(desk.known(ANNE, Query::new("username=anne&password=x")), None);
    }

    #[test]
    fn another_guest_in_the_same_place_has_nothing_of_the_one_before() {
        let mut desk = desk();
        let ben = Place { key: GuestKey { vlan: Vlan(7), ..ANNE.key }, ..ANNE };
        let first = desk.shown(secs(0), ANNE, || [1; 16]);
        desk.going_to(ANNE, "http://example.org/");
        desk.accepted(ANNE, Query::new("username=anne"), Some("http://example.org/"), Version::V2);
        assert_eq!((desk.user_url(ben), desk.session_url(ben)), (String::new(), None));
        assert_eq!(desk.known(ben, Query::new("username=anne")), None);
        assert_ne!(desk.shown(secs(1), ben, || [2; 16]), first);
        assert_eq!(desk.user_url(ANNE), "", "it has lost its place");
        assert_eq!(desk.guests.len(), 1);
    }

    #[test]
    fn who_has_left_leaves_nothing_and_a_crowd_its_memory() {
        let mut desk = desk();
        let place = |slot| Place { slot, ..ANNE };
        (0..10_000).for_each(|slot| desk.going_to(place(slot), "http://example.org/"));
        desk.left(Place { key: GuestKey { vlan: Vlan(7), ..ANNE.key }, ..place(3) });
        assert_eq!(desk.user_url(place(3)), "http://example.org/", "another one has left");
        (0..10_000).filter(|slot| *slot != 7).for_each(|slot| desk.left(place(slot)));
        assert_eq!((desk.guests.len(), desk.user_url(place(3)).as_str()), (1, ""));
        assert_eq!(desk.user_url(place(7)), "http://example.org/");
        assert!(desk.guests.capacity() < 100, "{}", desk.guests.capacity());
    }

    #[test]
    fn what_is_remembered_of_a_guest_is_short() {
        let mut desk = desk();
        let long = format!("http://example.org/{}", "a".repeat(1000));
        desk.going_to(ANNE, &long);
        desk.accepted(ANNE, Query::new(""), Some(&long), Version::V1);
        assert_eq!((desk.user_url(ANNE), desk.session_url(ANNE)), (String::new(), None));
        desk.rejected(secs(0), ANNE, Query::new(""), (Some(&"x".repeat(1000)), Some(&long)), || [1; 16]);
        assert_eq!(desk.known(ANNE, Query::new("")), Some(&Known::Rejected { message: None, session_url: None }));
        // Of an accepted and of a rejected login one way to go is kept, never both; a session's name has 22 octets.
        assert!(size_of::<Guest>() + 2 * MAX_URL + MAX_MESSAGE + 22 < 1000);
    }
}
