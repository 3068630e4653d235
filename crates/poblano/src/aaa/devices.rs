//! A device is let in by its MAC address: by the configuration's list, or by a RADIUS server.

use engine::dhcp::Host;
use engine::gateway::Attempt;
use radius::text::ConfigWord;
use radius::{Reply, attr};
use tracing::debug;

use super::grant::{self, Unusable};
use super::{Aaa, Answer, dhcp};

/// What is said of a device.
pub(crate) struct Device {
    /// To account under.
    pub(crate) name: String,
    /// Whether it may come in without the portal.
    pub(crate) answer: Answer,
    /// Not let in, it meets the portal: the server knows it, but wants a person to log in, or to see the portal.
    pub(crate) knows: bool,
    /// What a server says in ChilliSpot-Config that knows it and wants the portal all the same.
    pub(crate) words: Vec<String>,
    /// What its lease is to have.
    pub(crate) parameters: Option<Host>,
}

impl Aaa {
    /// Asks about a device whose question by DHCP waits, as `frame`, or does not.
    pub(crate) async fn authenticate_device(&self, attempt: &Attempt, frame: Option<&[u8]>) -> Device {
        let has_a_say = self.asks.devices.dhcp;
        let frame = frame.filter(|_| has_a_say);
        let (mut knows, mut words, mut parameters) = (false, Vec::new(), None);
        let answer = if self.let_in.borrow().contains(&attempt.key.mac) {
            Answer::plainly(self.default_grant())
        } else if let Ok(_asked) = self.device_questions.try_acquire() {
            match self.ask_radius(self.asks.device(attempt, frame)).await {
                // The server knows the device, but wants a person to log in, or to see the portal, all the same.
                Ok(reply) if wants_the_portal(&reply) => {
                    knows = true;
                    words = reply.all(attr::chillispot::CONFIG);
                    Answer::Refused { message: None, redirect: grant::redirect(&reply), eap: None }
                }
                Ok(reply) => {
                    knows = true; // its Accept may be one that nothing can be made of here
                    parameters = dhcp::given(&reply).filter(|_| has_a_say);
                    self.granted(&reply)
                }
                Err(why) => why.into(),
            }
        } else {
            // It shows itself again.
            debug!(device = %attempt.key, "not asked about: the servers are slow");
            Answer::Unavailable
        };
        Device { name: self.asks.device_name(attempt.key), answer, knows, words, parameters }
    }

    /// Tells the operator of a ChilliSpot-Config that cannot be obeyed.
    pub(crate) fn tell_of_unusable_garden(&self, value: String) {
        let what = "a RADIUS server opens a garden that is not opened here";
        self.tell_of_unusable(what, &Unusable { attribute: "ChilliSpot-Config", value });
    }
}

/// Whether such a device has to see a page, where another one has to log in: portals are told which.
pub(crate) fn wants_a_page(words: &[String]) -> bool {
    words.iter().any(|text| matches!(ConfigWord::parse(text), ConfigWord::Splash))
}

/// Whether the server knows a device, but wants a person to log in, or to see the portal, all the same.
pub(super) fn wants_the_portal(reply: &Reply) -> bool {
    let words = reply.all(attr::chillispot::CONFIG);
    words.iter().any(|text| matches!(ConfigWord::parse(text), ConfigWord::RequireUamAuth | ConfigWord::Splash))
}
