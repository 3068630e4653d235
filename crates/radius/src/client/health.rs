use std::time::Duration;

/// What we believe of one service of one server.
#[derive(Default)]
pub(super) struct Health {
    last_answer: Option<Duration>,
    dead_until: Option<Duration>,
    /// When something last came in its name that proves nothing.
    pub(super) doubted_at: Option<Duration>,
    /// When Status-Server was last sent there.
    pub(super) asked_at: Option<Duration>,
    /// It has answered Status-Server at least once.
    pub(super) answers_status: bool,
}

impl Health {
    pub(super) fn is_alive(&self) -> bool {
        self.dead_until.is_none()
    }

    pub(super) fn has_answered_since(&self, since: Duration) -> bool {
        self.last_answer.is_some_and(|at| at >= since)
    }

    /// False if it is known to answer Status-Server and was not asked since.
    pub(super) fn was_asked_since(&self, since: Duration) -> bool {
        !self.answers_status || self.asked_at.is_some_and(|at| at >= since)
    }

    /// A proven answer came.
    pub(super) fn answered(&mut self, now: Duration) {
        self.last_answer = Some(now);
        self.dead_until = None;
    }

    /// A request that was first sent at `since` had no answer. The server is dead if nobody else had one either; true
    /// if that is news.
    pub(super) fn silent(&mut self, now: Duration, since: Duration, dead_time: Duration) -> bool {
        if dead_time.is_zero() || self.has_answered_since(since) {
            return false;
        }
        let news = self.is_alive();
        self.dead_until = Some(now + dead_time);
        news
    }

    /// True once for each dead time that has passed, if a guest's request has to find out whether the server is back:
    /// that caller may.
    pub(super) fn may_probe(&mut self, now: Duration, dead_time: Duration) -> bool {
        let may = !self.answers_status && self.dead_until.is_some_and(|until| until <= now);
        if may {
            self.dead_until = Some(now + dead_time);
        }
        may
    }
}
