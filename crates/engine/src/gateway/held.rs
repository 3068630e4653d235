//! Answers of DHCP that wait until somebody has said whether the device may come in:
//! [`before_lease`](crate::devices::Config::before_lease).

use std::collections::VecDeque;
use std::time::Duration;

use wire::build::{Checksum, UdpDatagram};
use wire::{GuestKey, Now};

use super::{Engine, Output};
use crate::dhcp::Host;

/// The longest wait, for servers that are silent. A client repeats its REQUEST after four seconds or more (RFC 2131, 4.1), and
/// that one is answered at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers that wait, some 800 octets each with what they answer: as many as devices can be asked about in so long at the default rate, ten times.
/// One more does not wait.
const MOST: usize = 1024;

/// What waits, in the order of its coming.
#[derive(Default)]
pub(super) struct Held(VecDeque<Waits>);

struct Waits {
    due: Duration,
    key: GuestKey,
    answer: Output,
    question: Question,
}

/// A REQUEST as it came.
pub(super) struct Question {
    pub(super) from: GuestKey,
    pub(super) frame: Box<[u8]>,
}

impl Held {
    /// Has the answer wait; it comes back if there is no room.
    pub(super) fn put(&mut self, now: Duration, key: GuestKey, answer: Output, question: Question) -> Option<Output> {
        if self.0.len() >= MOST {
            return Some(answer);
        }
        self.0.push_back(Waits { due: now + PATIENCE, key, answer, question });
        None
    }

    /// What waits for that device, no longer.
    pub(super) fn take(&mut self, key: GuestKey) -> Option<Output> {
        self.remove(key).map(|waits| waits.answer)
    }

    /// What that device asked, whose answer is not given any more.
    pub(super) fn take_question(&mut self, key: GuestKey) -> Option<Question> {
        self.remove(key).map(|waits| waits.question)
    }

    fn question(&self, key: GuestKey) -> Option<&Question> {
        self.0.iter().find(|waits| waits.key == key).map(|waits| &waits.question)
    }

    fn remove(&mut self, key: GuestKey) -> Option<Waits> {
        let at = self.0.iter().position(|waits| waits.key == key)?;
        self.0.remove(at)
    }

    /// The next one that has waited long enough.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<Output> {
        self.0.pop_front_if(|waits| waits.due <= now).map(|waits| waits.answer)
    }

    /// When that is.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.0.front().map(|waits| waits.due)
    }
}

impl Engine {
    /// What the device asked by DHCP that waits for an answer: the frame.
    #[must_use]
    pub fn question_that_waits(&self, key: GuestKey) -> Option<&[u8]> {
        self.held.question(key).map(|question| &*question.frame)
    }

    /// Answers of DHCP to this device have this, too, until something else is said of it.
    pub fn give_parameters(&mut self, key: GuestKey, given: Option<Host>) {
        self.dhcp.give(key, given);
    }

    /// The answer that waits for this device is made anew, if it has been given parameters meanwhile, and goes out.
    pub fn answer_anew(&mut self, now: Now, key: GuestKey) {
        if !self.dhcp.is_given(key) {
            return;
        }
        let Some(Question { from, frame }) = self.held.take_question(key) else { return };
        if let Ok(datagram) = UdpDatagram::parse(&frame, Checksum::Verify) {
            self.handle_dhcp(now, from, &datagram, &frame);
        }
    }
}
