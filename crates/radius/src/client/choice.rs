//! Which server is asked: the first by priority that is alive; among those of one priority it depends on the session.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use wire::Now;

use super::{Client, Pending, Request};
use crate::attr;
use crate::request::Record;

/// A server in whose name something came, proven or not, is not silent for so long: longer than a request waits. A guest
/// must not make an outage by a name that a server ignores, a realm whose home server is dead.
const HEARD: Duration = Duration::from_secs(60);

impl Client {
    /// Chooses the next server that this request has not asked; false if there is none.
    pub(super) fn choose_server(&mut self, now: Now, pending: &mut Pending) -> bool {
        let kind = pending.request.kind();
        let candidates = self.candidates(pending);
        let any_alive = candidates.iter().any(|server| self.is_alive(*server, kind));
        let chosen = candidates.iter().copied().find_map(|server| {
            let spared = self.finds_out_alone(server);
            let health = self.health.entry((server, kind)).or_default();
            if health.is_alive() {
                Some((server, self.config.tries))
            } else {
                // Whoever probes a dead server while another is alive asks it once: a guest is waiting.
                let tries = if any_alive { 1 } else { self.config.tries };
                (!spared && health.may_probe(now.mono, self.config.dead_time)).then_some((server, tries))
            }
        });
        let Some((server, tries)) = chosen.or_else(|| candidates.first().map(|server| (*server, self.config.tries)))
        else {
            return false;
        };
        pending.asked |= 1 << server;
        pending.server = server;
        pending.since = now.mono;
        pending.tries_left = tries.max(1);
        true
    }

    /// True if a server that was not asked yet is alive.
    pub(super) fn another_is_alive(&self, pending: &Pending) -> bool {
        self.candidates(pending).iter().any(|server| self.is_alive(*server, pending.request.kind()))
    }

    /// Servers that this request has not asked, the best first.
    fn candidates(&self, pending: &Pending) -> Vec<u8> {
        let kind = pending.request.kind();
        let mut candidates: Vec<_> = (0u8..)
            .zip(&self.config.servers)
            .filter(|(index, server)| server.address(kind).is_some() && pending.asked & 1 << index == 0)
            .map(|(index, server)| (server.priority, share(index, pending), index))
            .collect();
        candidates.sort_unstable();
        candidates.into_iter().map(|(_, _, index)| index).collect()
    }

    /// Connections are made and watched without a guest.
    fn finds_out_alone(&self, server: u8) -> bool {
        self.config.servers.get(usize::from(server)).is_some_and(|server| server.is_stream() && server.status_server)
    }
}

/// Orders servers of one priority, differently for each session but always alike for one (rendezvous hashing): an
/// answer to a challenge goes to the server that gave it, and a session's records go where it began. When a server
/// dies its sessions spread over the others, and no other session moves.
fn share(server: u8, pending: &Pending) -> u64 {
    let mut hash = DefaultHasher::new();
    server.hash(&mut hash);
    pending.session().hash(&mut hash);
    hash.finish()
}

impl Pending {
    fn session(&self) -> Cow<'_, str> {
        match &self.request {
            Request::Access(request) => {
                request.guest.as_ref().map_or(&request.user, |guest| &guest.session_id).as_str().into()
            }
            Request::Accounting(request) => match &request.record {
                Record::On { session_id } | Record::Off { session_id, .. } => session_id.as_str().into(),
                Record::Start(session) | Record::Interim(session, _) | Record::Stop(session, ..) => {
                    session.guest.session_id.as_str().into()
                }
            },
            // All rounds of a device go to one server, those of the others elsewhere.
            Request::Relayed(request) => request.get(attr::CALLING_STATION_ID).unwrap_or_default().into(),
        }
    }
}

impl Client {
    /// True if silence is all that this request met: every server for it was asked in vain or is dead, and nothing came
    /// in the name of any of them. One that is known to answer Status-Server was asked for it meanwhile.
    pub(super) fn met_only_silence(&self, now: Now, pending: &Pending) -> bool {
        let kind = pending.request.kind();
        (0u8..).zip(&self.config.servers).filter(|(_, server)| server.address(kind).is_some()).all(|(index, _)| {
            let forged = self.lines.get(&(index, None)).is_some_and(|lines| lines.is_distrusted);
            let asked = pending.asked & 1 << index != 0;
            let health = self.health.get(&(index, kind));
            let since = now.mono.saturating_sub(HEARD);
            let (dead, heard) = health.map_or((false, false), |health| {
                let doubted = health.doubted_at.is_some_and(|at| at >= since);
                let unknown = !health.was_asked_since(pending.submitted);
                (!health.is_alive(), doubted || unknown || health.has_answered_since(since))
            });
            // One that answers others is busy, not silent: many requests must not look like an outage.
            (dead || asked) && !forged && !heard
        })
    }
}
