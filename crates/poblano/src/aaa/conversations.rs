//! Logins by EAP that are under way (RFC 3579, 2.1): what a guest answers goes on where its own last question left off. The
//! server's State never leaves the gateway, so nobody can name another's conversation.

use std::collections::HashMap;
use std::time::Duration;

use engine::gateway::Attempt;
use radius::limits::{CONVERSATION, CONVERSATIONS};
use wire::GuestKey;

/// Rounds of one conversation. Certificates take ten; servers count to 50 themselves.
const ROUNDS: u8 = 50;

/// One that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conversation {
    /// Who began it, and what its session will be called.
    pub(crate) attempt: Attempt,
    /// Who it said it is.
    pub(crate) name: String,
    /// Of the server's last challenge.
    pub(super) state: Vec<u8>,
    /// Challenges so far.
    pub(super) rounds: u8,
}

/// Those of all guests, one each.
#[derive(Default)]
pub(super) struct Conversations(HashMap<GuestKey, (Duration, Conversation)>);

impl Conversations {
    /// The one of the guest that asks now. It is taken out: each question is answered once.
    pub(super) fn take(&mut self, now: Duration, asks: &Attempt) -> Option<Conversation> {
        let (end, found) = self.0.remove(&asks.key)?;
        let is_same = (found.attempt.slot, found.attempt.address) == (asks.slot, asks.address);
        (is_same && end > now).then_some(found)
    }

    /// Keeps one until the guest has answered. False if it has taken too many rounds.
    pub(super) fn keep(&mut self, now: Duration, conversation: Conversation) -> bool {
        let key = conversation.attempt.key;
        if conversation.rounds > ROUNDS {
            return false;
        }
        if self.0.len() >= CONVERSATIONS && !self.0.contains_key(&key) {
            self.0.retain(|_, (end, _)| *end > now);
            let oldest = self.0.iter().min_by_key(|(_, (end, _))| *end).map(|(key, _)| *key);
            if let Some(oldest) = oldest.filter(|_| self.0.len() >= CONVERSATIONS) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(key, (now + CONVERSATION, conversation));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use fastpath::session::SlotIndex;
    use wire::{MacAddr, Vlan};

    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn attempt(n: u16) -> Attempt {
        let [high, low] = n.to_be_bytes();
        Attempt {
            slot: SlotIndex(n.into()),
            key: GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, high, low]) },
            address: Ipv4Addr::new(10, 85, high, low),
            session_id: n.to_string(),
        }
    }

    fn of(n: u16) -> Conversation {
        Conversation { attempt: attempt(n), name: "ada".into(), state: vec![1], rounds: 1 }
    }

    #[test]
    fn each_question_is_answered_once_and_in_time_by_the_guest_that_was_asked() {
        let mut all = Conversations::default();
        assert!(all.keep(NOW, of(1)));
        assert_eq!(all.take(NOW, &attempt(2)), None, "somebody else");
        assert_eq!(all.take(NOW, &attempt(1)), Some(of(1)));
        assert_eq!(all.take(NOW, &attempt(1)), None, "a second time");
        for other in
            [Attempt { slot: SlotIndex(7), ..attempt(1) }, Attempt { address: [10, 85, 9, 9].into(), ..attempt(1) }]
        {
            all.keep(NOW, of(1));
            assert_eq!(all.take(NOW, &other), None, "it left and came back");
        }
        all.keep(NOW, of(1));
        assert_eq!(all.take(NOW + CONVERSATION, &attempt(1)), None, "too late");
    }

    #[test]
    fn a_conversation_ends() {
        let mut all = Conversations::default();
        assert!(all.keep(NOW, Conversation { rounds: ROUNDS, ..of(1) }));
        assert!(!all.keep(NOW, Conversation { rounds: ROUNDS + 1, ..of(2) }));
    }

    #[test]
    fn a_crowd_pushes_out_what_is_oldest_and_no_more() {
        let mut all = Conversations::default();
        for n in 0..5_000 {
            all.keep(NOW + Duration::from_millis(n.into()), of(n));
        }
        assert_eq!(all.0.len(), CONVERSATIONS);
        assert_eq!(all.take(NOW, &attempt(0)), None);
        assert_eq!(all.take(NOW, &attempt(4_999)), Some(of(4_999)));
    }
}
