//! An answer to a challenge goes to the server that gave it. And of requests that somebody else has made, the server's
//! answers go back hidden for who asked.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use wire::Now;

use super::{Client, Outcome, Request, Socket, SubmitError, Token, Version};
use crate::hide::Hop;
use crate::limits::{CONVERSATION, CONVERSATIONS};
use crate::relay::RelayedRequest;
use crate::reply::Reply;

impl Client {
    /// Asks a server what somebody else asks. Exactly one [`Event`](super::Event) will follow; the attributes of its
    /// reply are hidden for who asked. An Accept that must not go on, because an attribute is of impossible length or
    /// cannot be hidden anew, ends as a [`Outcome::Reject`] whose code is still that of an Accept.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was sent and no event follows.
    pub fn submit_relayed(&mut self, now: Now, request: RelayedRequest) -> Result<Token, SubmitError> {
        self.submit(now, Request::Relayed(Box::new(request)))
    }

    /// An outcome as it is for who asked: the packet that had this authenticator was answered.
    pub(super) fn for_asker(
        &mut self,
        mono: Duration,
        socket: Socket,
        token: Token,
        request_authenticator: [u8; 16],
        outcome: Outcome,
    ) -> Outcome {
        let version = self.version(socket);
        let Some(request) = self.pending.get(&token).map(|pending| &pending.request) else { return outcome };
        if let Some(state) = request.state() {
            self.conversations.end(&state);
        }
        if let Outcome::Challenge(reply) = &outcome
            && let Some(state) = reply.state()
        {
            self.conversations.begin(mono, state, socket.server);
        }
        let Request::Relayed(request) = request else { return outcome };
        let Some(asked) = self.config.servers.get(usize::from(socket.server)) else { return outcome };
        let mut salt = [0; 2];
        (self.dice)(&mut salt);
        let hop = Hop { secret: &asked.secret, request_authenticator: &request_authenticator };
        let hop = (version == Version::V1_0).then_some(hop);
        let hidden = |reply: &Reply| request.answer(reply, hop, salt);
        match outcome {
            Outcome::Accept(reply) => match hidden(&reply) {
                Ok(reply) => Outcome::Accept(reply),
                Err(_) => {
                    self.stats.broken_accepts += 1;
                    Outcome::Reject(reply)
                }
            },
            // There is nothing hidden in these that anybody needs.
            Outcome::Challenge(reply) => hidden(&reply).map_or(Outcome::Unreachable, Outcome::Challenge),
            Outcome::Reject(reply) => hidden(&reply).map_or(Outcome::Unreachable, Outcome::Reject),
            other => other,
        }
    }
}

/// Which server gave a challenge, by its State.
#[derive(Default)]
pub(super) struct Conversations {
    servers: HashMap<Vec<u8>, (Duration, u8)>,
    /// When each may be forgotten.
    ends: BTreeSet<(Duration, Vec<u8>)>,
}

impl Conversations {
    /// A bit for each server that a request is not for: all but the one whose challenge it answers.
    pub(super) fn others(&self, mono: Duration, request: &Request) -> u32 {
        let known = request.state().and_then(|state| self.servers.get(&*state));
        known.filter(|(end, _)| *end > mono).map_or(0, |(_, server)| !(1 << server))
    }

    fn begin(&mut self, mono: Duration, state: &[u8], server: u8) {
        self.end(state);
        while let Some(first) = self.ends.first().filter(|(end, _)| *end <= mono || self.ends.len() >= CONVERSATIONS) {
            let oldest = first.1.clone();
            self.end(&oldest);
        }
        let end = mono + CONVERSATION;
        self.servers.insert(state.to_vec(), (end, server));
        self.ends.insert((end, state.to_vec()));
    }

    fn end(&mut self, state: &[u8]) {
        if let Some((end, _)) = self.servers.remove(state) {
            self.ends.remove(&(end, state.to_vec()));
        }
    }
}
